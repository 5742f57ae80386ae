"""The notebooks about the methods run and show what their text says."""

import numpy as np
import pytest

from helpers.pages import NOTEBOOKS, cells, run
from helpers.references import clutter_ep, probit_ep, variational_em

TRUSTED = ("good", "reweighted", "refined")


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore")
def test_from_em_to_vb_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "15_from_em_to_vb.ipynb"))
    x, y, a, b = (names[name] for name in ("x", "y", "a", "b"))
    # EM and variational EM are those of the references, and improve in each step.
    mean, covariance, *_ = variational_em(x, y, (1.0, 1.0), shape=0.0, rate=0.0)
    found = names["fits"]["EM with ARD"]
    np.testing.assert_allclose(found[0], mean, atol=1e-6)
    np.testing.assert_allclose(found[1], covariance, atol=1e-6)
    assert found[2][1] > 1000
    for start, (mean, covariance, _, trace) in zip(
        ((1.0, 1e4), (1e4, 1.0)), names["vb"], strict=True
    ):
        expected = variational_em(x, y, start, shape=a, rate=b)
        np.testing.assert_allclose(mean, expected[0], atol=1e-9)
        np.testing.assert_allclose(covariance, expected[1], atol=1e-9)
        np.testing.assert_allclose(trace, expected[3], atol=1e-9)
    for *_, trace in (*names["fits"].values(), *names["vb"]):
        assert np.all(np.diff(trace) > -1e-9)
    elbos = [trace[-1] for *_, trace in names["vb"]]
    assert max(elbos) < names["log_evidence"] - 0.5
    assert names["attributes"]["verdict"] in TRUSTED
    error = 5 * names["attributes"]["log_evidence_se"] + 1e-3
    assert abs(names["attributes"]["log_evidence"] - names["log_evidence"]) < error
    # 4,000 draws, of which a mode has a mass with its own error.
    assert abs(names["mass"] - names["exact_mass"]) < 0.04
    # Expectation propagation.
    mean, covariance, *_ = clutter_ep(names["observed"])
    np.testing.assert_allclose(names["gaussians"]["EP"], (mean[0], covariance[0, 0] ** 0.5))
    table = names["clutter_table"]
    assert table["KL(p|q)"].drop("exact").idxmin() == "mixture"
    assert table.loc["EP", "KL(p|q)"] < table.loc["VI, left", "KL(p|q)"]
    assert table.loc["VI, left", "KL(q|p)"] < table.loc["EP", "KL(q|p)"]
    mean, covariance, *_ = probit_ep(names["signed"], prior_precision=0.04)
    np.testing.assert_allclose(names["ep_mean"], mean, rtol=1e-9)
    table = names["probit_table"]
    assert table.loc["EP", ["mean of beta[0]", "mean of beta[1]"]].abs().max() < 0.02
    assert table.loc["EP", "log sd of beta[1]"] < -0.15
    # Stochastic VI: steps along the natural gradient are better after two passes.
    last = names["path"][-1]
    assert np.sqrt((((last[0] - names["mean"]) / names["sd"]) ** 2).mean()) < 1.5
    assert np.abs(np.log(last[1] / names["sd"])).max() < 0.05
    assert np.abs(np.log(names["adam"][-1, 1] / names["sd"])).max() > 0.3
    assert names["large"].attrs["verdict"] in TRUSTED
    assert names["in_blocks"].attrs["verdict"] in TRUSTED
    # Five standard errors of the difference of two means of 4,000 draws.
    ours, whole = names["block_draws"], names["large_draws"]
    error = np.abs(ours.mean(0) - whole.mean(0)) / whole.std(0)
    assert error.max() < 5 * np.sqrt(2 / 4000)


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore")
def test_families_runs_and_shows_what_its_text_says():
    pytest.importorskip("blackjax")
    names = run(cells(NOTEBOOKS / "16_families.ipynb"))
    kl = names["table"]["KL"]
    # The error of the estimate from 16,000 draws is about 0.01.
    assert abs(kl["exact draws"]) < 0.05
    for name in ("mean field", "Rényi, order 0.5", "full rank", "flow"):
        assert kl[name] > np.log(2) - 0.05
    assert kl["isotropic mixture"] < 0.1
    assert kl["full covariances"] < 0.05
    for name in ("isotropic mixture", "full covariances"):
        assert abs(names["table"].loc[name, "right side"] - 0.5) < 0.05
    spread = names["spread"]
    assert np.all(
        np.array(spread["score function"]) > 3 * np.array(spread["with control variates"])
    )
    assert spread["and antithetic pairs"][-1] > 3 * spread["and antithetic pairs"][0]
    assert spread["reparameterization"][-1] < 1.1 * spread["reparameterization"][0]
    attributes = names["idata"].attrs
    assert attributes["verdict"] in TRUSTED
    assert attributes["has_gradient"] == 0
    # Five standard errors of 4,000 draws, with the loss by the weights.
    error = 5 * np.sqrt(1 / 4000 + 1 / attributes["importance_ess"])
    assert names["errors"]["error of the mean, sd"].abs().max() < error
