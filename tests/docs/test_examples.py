"""The scripts of docs/examples, one a task, on NumPyro and PyMC models."""

import importlib
import sys
from functools import partial

import numpy as np
import pytest

import isogmm
from helpers.sources import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked", "short_search")]

FOLDER = ROOT / "docs" / "examples"
LANGUAGES = [
    pytest.param("numpyro", marks=pytest.mark.numpyro),
    pytest.param("pymc", marks=pytest.mark.pymc),
]
each_language = pytest.mark.parametrize("language", LANGUAGES)
#: A script differs between the languages in its model alone: the other one is a long test.
FIRST = [
    pytest.param("numpyro", marks=pytest.mark.numpyro),
    pytest.param("pymc", marks=[pytest.mark.pymc, pytest.mark.long]),
]


@pytest.fixture
def script(monkeypatch, request):
    """The module of this name, imported as a user's shell would run it."""
    pytest.importorskip("numpyro")
    pytest.importorskip("pymc")
    # NumPyro's and PyMC's own methods say things of their own.
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return importlib.import_module


def is_a_picture(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000


@pytest.mark.long  # half a minute; fast: views/comparison, and the methods in test_baselines.py
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.numpyro
def test_methods_with_small_budgets(script, tmp_path, monkeypatch):
    # A fit takes the place of NUTS, whose program takes seconds to compile.
    nuts = partial(isogmm.fit_isogmm, draws=100, chains=2, refine=0, progressbar=False)
    advi = partial(isogmm.baselines.advi, draws=100, chains=2, num_steps=200)
    monkeypatch.setattr(isogmm.baselines, "nuts", nuts)
    monkeypatch.setattr(isogmm.baselines, "advi", advi)
    table = script("methods").main("numpyro", tmp_path, ("nuts", "advi"))
    assert list(table.index) == ["isogmm", "nuts", "advi"]
    assert np.isfinite(table["sliced_w2"].drop("nuts")).all()
    for name in ("marginals", "pairs"):
        assert is_a_picture(tmp_path / f"{name}-numpyro.png")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@each_language
def test_methods(language, script, tmp_path, monkeypatch):
    # The others take a minute each way, and are called with small budgets in test_baselines.py
    # and in the tests of the adapters.
    if language == "pymc":
        # Without a compiler PyMC's own sampler takes a minute for these draws.
        sampler = partial(isogmm.baselines.nuts, nuts_sampler="numpyro")
        monkeypatch.setattr(isogmm.baselines, "nuts", sampler)
    names = ("nuts", "advi", "laplace") if language == "numpyro" else ("nuts", "advi")
    table = script("methods").main(language, tmp_path, names)
    assert list(table.index) == ["isogmm", *names]
    assert np.isfinite(table["sliced_w2"].drop("nuts")).all()
    assert (table["seconds"] > 0).all()
    # NUTS and isogmm are exact up to their noise: within three of the floors, which are medians.
    for column in ("mean_rms", "log_sd_rms", "quantile_rms"):
        assert table.loc["isogmm", column] < 3 * table.loc["isogmm", f"{column}_floor"]
    # Mean field cannot follow the neck of this posterior.
    assert table.loc["advi", "quantile_rms"] > 2 * table.loc["isogmm", "quantile_rms"]
    for name in ("marginals", "pairs"):
        assert is_a_picture(tmp_path / f"{name}-{language}.png")


@pytest.mark.long  # fast: views/report and views/plots
@each_language
def test_report(language, script, tmp_path, capsys):
    path = script("report").main(language, tmp_path)
    text, page = capsys.readouterr().out, path.read_text(encoding="utf-8")
    for part in ("ELBO", "Pareto k", "modes", "gradient evaluations"):
        assert part in text
        assert part in page
    assert "<script" not in page
    for name in ("plot_elbo", "plot_modes"):
        assert is_a_picture(tmp_path / f"{name}-{language}.png")


@pytest.mark.long  # fast: adapters/test_prediction.py and results/test_loo.py
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
@pytest.mark.parametrize("language", FIRST)
def test_predict(language, script):
    values = script("predict").main(language)
    sd, slope_sd = values["sd of y at 20"][1], values["weighted sd of slope"][1]
    # Five standard errors of 1,000 independent draws (4,000 delivered, some autocorrelated).
    share = 5 / np.sqrt(1000)
    errors = {
        "mean of y at 20": share * sd,
        "sd of y at 20": share * sd / np.sqrt(2),
        "weighted mean of slope": share * slope_sd,
        "weighted sd of slope": share * slope_sd / np.sqrt(2),
        # Each of 25 rows has a log density known to sd(1/p)/mean(1/p) = 0.6 at most per draw.
        "elpd": share * 0.6 * np.sqrt(25),
        "elpd from crude draws": share * 0.6 * np.sqrt(25),
    }
    for name, tolerance in errors.items():
        found, exact = values[name]
        assert abs(found - exact) < tolerance, name


@pytest.mark.long  # fast: test_empirical_bayes.py, with a model of the same kind
@each_language
def test_hyperparameters(language, script):
    for found, exact in script("hyperparameters").main(language).values():
        # As in test_empirical_bayes: sufficient statistics over 2,000 draws.
        assert found == pytest.approx(exact, rel=5 * 0.5 * np.sqrt(2 / 2000))


@pytest.mark.filterwarnings("ignore::isogmm.FitWarning", "ignore:Consolidated metadata:UserWarning")
@pytest.mark.long  # three processes; fast: tests of recipe/resuming, test_saved_files.py
@each_language
def test_save_and_resume(language, script, tmp_path):
    elbos = script("save_and_resume").main(language, tmp_path)
    assert set(elbos) == {"fit", "resumed", "continued after the kill"}
    first, first_se = elbos["fit"]
    for name, (elbo, se) in elbos.items():
        # The stopping rule lets 0.01 nats a window go when nothing refines.
        assert abs(elbo - first) < 5 * np.hypot(se, first_se) + 0.05, name
