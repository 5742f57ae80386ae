"""Notebooks are small, open with a title, and run from top to bottom.

The quickstart with PyMC runs with the standard suite, the others with ``make test-all`` and when
``make docs`` builds the pages.
"""

import numpy as np
import pytest

from helpers.pages import NOTEBOOKS, cells, run
from helpers.tolerances import assert_mean

ALL = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_opens_with_a_title_and_is_python(path):
    text, code = cells(path, "markdown"), cells(path)
    assert text[0].startswith("# ")
    assert len(code) >= 4
    for cell in code:
        compile(cell, path.name, "exec")
    # One screen of a page, not a program.
    assert max(len(cell.splitlines()) for cell in code) <= 30


@pytest.mark.long  # half a minute; fast: the page in docs/test_pages.py, and views/comparison
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_quickstart_numpyro_runs():
    programs = cells(NOTEBOOKS / "1_quickstart_numpyro.ipynb")
    assert "draws=500, tune=500" in programs[-1]
    names = run(p.replace("draws=500, tune=500", "draws=100, tune=100") for p in programs)
    # Five standard errors on either side, besides the floor: the posterior is an easy one.
    assert (
        names["table"].loc["isogmm", "mean_rms"]
        < 5 * names["table"].loc["isogmm", "mean_rms_floor"]
    )


@pytest.mark.long  # fast: the quickstart page in docs/test_pages.py, and adapters
@pytest.mark.slow
@pytest.mark.pymc
@pytest.mark.usefixtures("unchecked", "short_search")
def test_quickstart_pymc_runs():
    names = run(cells(NOTEBOOKS / "2_quickstart_pymc.ipynb"))
    assert names["idata"].attrs["verdict"] in ("good", "reweighted", "refined")
    assert names["chances"].shape == (2,)
    assert np.all((names["chances"] > 0) & (names["chances"] < 1))


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_several_modes_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "3_several_modes.ipynb"))
    attributes, fit = names["idata"].attrs, names["idata"]["fit"]
    assert attributes["verdict"] == "good"
    assert attributes["num_modes"] == 2
    above = (np.asarray(names["idata"]["posterior"]["position"])[..., 1] > 0).mean()
    # The masses add to one, so either error is that of both.
    error = float(np.max(fit["mode_mass_se"]))
    assert abs(above - names["mass_above"]) < 5 * np.hypot(error, 0.5 / np.sqrt(4000))
    assert abs(attributes["log_evidence"] - names["log_evidence"]) < max(
        5 * attributes["log_evidence_se"], 1e-3
    )
    by_chain = {
        name: (np.asarray(result["posterior"]["position"])[..., 1] > 0).mean(axis=1)
        for name, result in names["results"].items()
    }
    assert set(np.unique(by_chain["NUTS"])) <= {0.0, 1.0}
    assert set(np.unique(by_chain["ADVI"])) <= {0.0, 1.0}
    assert np.all((by_chain["isogmm"] > 0.3) & (by_chain["isogmm"] < 0.7))


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_funnels_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "6_funnels.ipynb"))
    assert names["mixture"].attrs["verdict"] == "unreliable"
    assert names["idata"].attrs["verdict"] == "refined"
    assert names["idata"].attrs["refine_scales"] == "log_scale"

    def below(name, level):
        draws = np.asarray(names["results"][name]["posterior"]["log_scale"])
        # Means of fifty draws, which are all but independent.
        return (draws < level).reshape(80, 50).mean(axis=1)

    for level, quantile in ((0.01, -6.979), (0.05, -4.935), (0.5, 0.0)):
        assert_mean(below("default", quantile), level)
    assert not below("mixture alone", -6.979).any()


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore::UserWarning")  # ArviZ: a Pareto k of 40 points is above 0.7
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_model_comparison_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "10_model_comparison.ipynb"))
    for degree, idata in names["fits"].items():
        error = abs(idata.attrs["log_evidence"] - names["exact"][degree])
        assert error < 0.001 + 5 * idata.attrs["log_evidence_se"]
    assert names["weights"].argmax() == 2
    assert names["weights"][2] > 0.5
    # Cross-validation hardly tells the models apart that contain the truth.
    assert np.ptp(names["loo"][2:5]) < 1.0
    assert names["loo"][1] < names["loo"][2] - 10


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
def test_the_paper_in_two_dimensions_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "8_the_paper_in_two_dimensions.ipynb"))
    kl = {key: names["divergences"](idata) for key, idata in names["fits"].items()}
    middle = {key: np.median(values) for key, values in kl.items()}
    for rule in ("IBW", "MD"):
        by_count = [middle[rule, count] for count in (1, 5, 10, 20)]
        assert by_count == sorted(by_count, reverse=True)
        assert middle[rule, 20] < 0.5 * middle["means only", 20]
    for count in (1, 5, 10, 20):
        # The rules share starts and noise: they differ by second order in the step.
        assert middle["IBW", count] == pytest.approx(middle["MD", count], rel=0.2)
    assert names["divergences"](names["default"]).max() < min(
        kl["IBW", 20].min(), kl["MD", 20].min()
    )


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_ard_regression_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "5_ard_regression.ipynb"))
    assert names["idata"].attrs["verdict"] in ("good", "reweighted", "refined")
    row = names["table"].loc["isogmm"]
    assert row["mean_rms"] < 3 * row["mean_rms_floor"]
    assert row["log_sd_rms"] < 3 * row["log_sd_rms_floor"]
    ascent, exact = names["widths"]["coordinate ascent"], names["widths"]["NUTS"]
    # 4,000 draws know a width to 3 %, the mean of ten to less.
    assert ascent.mean() < 0.93 * exact.mean()
    assert ascent[:2].mean() < 0.86 * exact[:2].mean()


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_label_switching_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "4_label_switching.ipynb"))
    attributes, fit = names["idata"].attrs, names["idata"]["fit"]
    assert attributes["verdict"] in ("good", "reweighted", "refined")
    masses, errors = np.asarray(fit["mode_mass"]), np.asarray(fit["mode_mass_se"])
    assert masses.shape == (6,)
    assert np.all(np.abs(masses - 1 / 6) < 5 * errors)
    # A chain of NUTS rarely changes its labeling.  A chain of the fit has all six.
    orders = {k: np.argsort(v["mean"], axis=-1) for k, v in names["by_label"].items()}
    changes = (orders["NUTS"][:, 1:] != orders["NUTS"][:, :-1]).any(axis=-1)
    assert changes.sum(axis=1).max() < 10
    assert all(len(np.unique(chain, axis=0)) == 6 for chain in orders["isogmm"])
    places = names["by_label"]["NUTS"]["mean"]
    assert np.ptp(places.mean(axis=1), axis=0).max() > 2.0
    row = names["table"].loc["isogmm"]
    assert row["mean_rms"] < 3 * row["mean_rms_floor"]
    assert row["log_sd_rms"] < 3 * row["log_sd_rms_floor"]
    assert names["table"].loc["coordinate ascent", "log_sd_rms"] > 0.3
    assert names["vb_elbo"] + np.log(6) < names["evidence"] - 1


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_seven_methods_runs_and_shows_what_its_text_says():
    pytest.importorskip("blackjax")  # Pathfinder
    names = run(cells(NOTEBOOKS / "7_seven_methods.ipynb"))
    table, rows = names["table"], names["rows"]
    assert len(table) == 7
    assert names["idata"].attrs["verdict"] in ("good", "reweighted", "refined")
    for score in ("mean_rms", "log_sd_rms", "quantile_rms", "sliced_w2"):
        assert table.loc["isogmm", score] < 2 * table.loc["isogmm", f"{score}_floor"]
    for method in ("ADVI", "full-rank ADVI"):
        assert rows.loc[(method, "log_tau"), "log_sd_error"] < -0.35
    assert rows.loc[("Laplace", "log_tau"), "mean_error"] > 1.5
    assert table.loc["Pathfinder", "pareto_k"] > 0.7


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_bayesian_neural_network_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "9_bayesian_neural_network.ipynb"))
    assert names["idata"].attrs["verdict"] == "unreliable"
    tables = names["tables"]
    for table in tables.values():
        assert table.loc["isogmm"].max() < 0.1
        assert table.loc["ADVI", "mean_rms"] > 1.0
    # A band three times too wide.
    assert 2.0 < np.exp(tables["data"].loc["its mixture alone", "log_sd_rms"]) < 6.0
    table = names["table"]
    assert table.loc["ADVI", "mean_rms"] < table.loc["isogmm", "mean_rms"]


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_from_advi_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "13_from_advi.ipynb"))
    assert names["gaussian"].attrs["verdict"] == "unreliable"
    assert names["idata"].attrs["verdict"] == "refined"
    tau = {name: np.asarray(fit["posterior"]["tau"]) for name, fit in names["results"].items()}
    # The share below the exact 5 % quantile.  Five standard errors of 1,000 independent draws.
    below = {name: (draws < names["exact"][0]).mean() for name, draws in tau.items()}
    assert abs(below["isogmm"] - 0.05) < 5 * np.sqrt(0.05 * 0.95 / 1000)
    assert below["ADVI"] < 0.005
    assert below["one Gaussian"] < 0.02
    table = names["table"]
    assert table.loc["ADVI", "log_sd_rms"] > 5 * table.loc["ADVI", "log_sd_rms_floor"]


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_vae_runs_and_shows_what_its_text_says():
    pytest.importorskip("sklearn")
    names = run(cells(NOTEBOOKS / "14_vae.ipynb"))
    attributes = names["idata"].attrs
    assert attributes["verdict"] in ("good", "reweighted", "refined")
    assert attributes["num_modes"] > 1
    assert abs(names["estimate"] - names["log_evidence"]) < 5 * names["error"] + 0.01
    # The fit has the exact mean, within five standard errors of 1,000 independent draws.
    exact = (names["grid"] * names["density"][..., None]).sum((0, 1)) * names["cell"]
    error = names["draws"].std(0) / np.sqrt(1000)
    assert np.all(np.abs(names["draws"].mean(0) - exact) < 5 * error)
    # Two standard deviations of the encoder's Gaussian contain less than half of the posterior.
    distance = ((names["grid"] - names["mean"]) / names["sd"]) ** 2
    inside = names["density"][distance.sum(-1) < 4].sum() * names["cell"]
    assert inside < 0.5


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_many_data_sets_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "11_many_data_sets.ipynb"))
    # Twenty intervals of 90 %: fewer than 14 contain the truth with probability 0.002.
    inside = (names["low"] < names["true_log_ld50"]) & (names["true_log_ld50"] < names["high"])
    assert inside.sum() >= 14
    assert np.median(names["seconds"][1:]) < names["seconds"][0]
    assert "13 of 12 | " in names["__printed__"]
    assert names["calibration"].attrs["calibrated"] == 1
    assert "intercept is too narrow" in names["independent"].attrs["calibration"]


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_large_data_runs_and_shows_what_its_text_says():
    names = run(cells(NOTEBOOKS / "12_large_data.ipynb"))
    fits, nuts = names["fits"], names["nuts"]
    assert all(idata.attrs["verdict"] in ("good", "reweighted") for idata in fits.values())
    for rows in nuts:
        few, many = (r[rows].attrs["num_gradient_evaluations"] for r in (fits, nuts))
        assert few < many
        ours, theirs = (np.asarray(r[rows]["posterior"]["beta"])[..., 5] for r in (fits, nuts))
        # Five standard errors of the difference of two means of 1,000 independent draws.
        assert abs(ours.mean() - theirs.mean()) < 5 * theirs.std() * np.sqrt(2 / 1000)
    in_blocks, whole = names["in_blocks"], fits[100_000]
    assert in_blocks.attrs["verdict"] in ("good", "reweighted", "refined")
    assert in_blocks.attrs["passes_over_data"] <= 6
    ours, theirs = (np.asarray(r["posterior"]["beta"]).reshape(-1, 6) for r in (in_blocks, whole))
    # Five standard errors of the difference of two means of 4,000 draws.
    error = np.abs(ours.mean(0) - theirs.mean(0)) / theirs.std(0)
    assert error.max() < 5 * np.sqrt(2 / 4000)
    assert "is left out" in names["__printed__"]
    assert "has it: False" in names["__printed__"]
    assert "rows on each device: [10000, 10000]" in names["__printed__"]
    one, two = (line.split("device")[1] for line in names["done"].stdout.splitlines()[1:])
    assert one.split(" ", 1)[1].strip() == two.removeprefix("s").strip()
