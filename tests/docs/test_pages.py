"""The pages name what exists, quote what is said, and show what runs."""

import ast
import functools
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.pages import BLOCK, DOCS, blocks, page, run
from helpers.sources import ADAPTERS, ROOT, SRC
from isogmm.draws.refine import MAX_TRUSTED_BIAS, MAX_TRUSTED_LOG_SD_ERROR
from isogmm.draws.weight_effect import WeightEffect
from isogmm.recipe import thresholds
from isogmm.recipe.judgment.findings import Findings
from isogmm.recipe.judgment.missing_gradients import MissingGradients
from isogmm.recipe.judgment.verdict import decide
from isogmm.results.labeling.labels import DrawSource, Verdict
from isogmm.results.stop_reason import StopReason

PAGES = sorted(path.name for path in DOCS.glob("*.md"))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def example(name: str) -> str:
    """The program of a script beside the pages."""
    return (DOCS / "examples" / name).read_text(encoding="utf-8")


# --- the API reference --------------------------------------------------------------------------

DIRECTIVE = re.compile(r"^\.\. auto(?:function|class|exception|module):: ([\w.]+)$", re.MULTILINE)


def documented() -> set[str]:
    return set(DIRECTIVE.findall(page("api.md")))


def test_api_page_has_every_public_name():
    import isogmm

    named = documented() | {f"isogmm.{alias}" for alias in ("Mixture",)}
    assert [name for name in isogmm.__all__ if f"isogmm.{name}" not in named] == []
    assert "`isogmm.Mixture` is a shorter name of `isogmm.IsotropicMixture`" in page("api.md")


@pytest.mark.parametrize("family", ["updates", "gradients", "initialization", "schedules", "gmmvi"])
def test_api_page_has_every_part(family):
    import importlib
    import inspect

    module = importlib.import_module(f"isogmm.{family}")
    public = {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__.startswith(module.__name__)
    }
    assert public
    assert {name for name in public if f"isogmm.{family}.{name}" not in documented()} == set()


def test_api_page_names_nothing_else():
    import importlib

    def exists(name: str) -> bool:
        module, _, attribute = name.rpartition(".")
        try:
            return hasattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError:
            return False

    assert [name for name in documented() if not exists(name)] == []


def test_a_name_left_out_is_seen(monkeypatch):
    import isogmm

    monkeypatch.setattr(isogmm, "__all__", [*isogmm.__all__, "brand_new"])
    with pytest.raises(AssertionError, match="brand_new"):
        test_api_page_has_every_public_name()


# --- what pages point to ------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_links_point_to_files(name):
    links = re.findall(r"\]\(([^)#:]+\.\w+)(?:#[^)]*)?\)", page(name))
    # The build copies the notebooks into the folder of the pages.
    folders = [ROOT if link.startswith("notebooks/") else DOCS for link in links]
    pairs = zip(folders, links, strict=True)
    assert [link for folder, link in pairs if not (folder / link).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_paths_exist(name):
    paths = re.findall(r"`((?:src|adapters|tests|docs|notebooks)/[\w/.]*)`", page(name))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_papers_name_files():
    files = re.findall(r"`((?:\w+/)*\w+\.py)`", page("papers.md"))
    stems = {path.name for path in (SRC / "isogmm").rglob("*.py")}
    assert len(files) > 10
    assert [name for name in files if name.rpartition("/")[2] not in stems] == []
    assert [n for n in files if "/" in n and not (SRC / "isogmm" / n).exists()] == []


# --- what pages quote ---------------------------------------------------------------------------


def fragments(quote: str) -> list[str]:
    """A sentence without its numbers and names."""
    return [part.strip() for part in re.split(r"·%?|\b\d+%", quote) if len(part.strip()) > 6]


@functools.cache
def spoken() -> str:
    """All texts in the sources, one a line, with a dot for what is filled in."""
    lines = []
    for top in (SRC, ADAPTERS):
        for file in top.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [p.value if isinstance(p, ast.Constant) else "·" for p in node.values]
                    lines.append(squeezed("".join(map(str, parts))))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    lines.append(squeezed(node.value))
    return "\n".join(lines)


@pytest.mark.long
@pytest.mark.parametrize("name", ["faq.md", "verdict.md"])
def test_quoted_messages_are_those_of_the_code(name):
    said = spoken()
    quotes = re.findall(r"(?:^> .*\n?)+", page(name), re.MULTILINE)
    assert len(quotes) > 12
    for quote in quotes:
        for part in fragments(squeezed(re.sub(r"^> ", "", quote, flags=re.MULTILINE))):
            assert part in said, part


GOOD = Findings(source=DrawSource.CHAINS, pareto_k=0.1, relative_ess=0.9, rhat=1.0, rhat_name="x",
                independent_of_start=True, still_drifting=False)  # fmt: skip
BAD = {
    "weights without chains": {
        "source": DrawSource.IMPORTANCE,
        "without_chains": True,
        "relative_ess": 0.7,
    },
    "still drifting": {"still_drifting": True, "drift_name": "tau"},
    "depends on the start": {"independent_of_start": False},
    "narrow start": {"narrow_start": "tau"},
    "stuck": {"stuck_share": 0.1},
    "Pareto k": {"source": DrawSource.MIXTURE, "pareto_k": 0.9},
    "weights": {"source": DrawSource.IMPORTANCE, "relative_ess": 0.01},
    "tail of the weights": {
        "source": DrawSource.IMPORTANCE,
        "weight_effect": WeightEffect("tau", "sd", 5.0, 0.0, 0.2, 0.9, "tau"),
    },
    "no weights": {
        "source": DrawSource.MIXTURE,
        "weight_effect": WeightEffect("tau", "sd", 5.0, 0.0, 0.2),
    },
    "error of a mean": {"mcse": 0.3, "mcse_name": "tau"},
    "R-hat": {"rhat": 1.2, "rhat_name": "tau"},
    "Pareto k, no gradient": {
        "source": DrawSource.MIXTURE,
        "pareto_k": 0.9,
        "has_gradient": False,
    },
    "weights, no gradient": {
        "source": DrawSource.IMPORTANCE,
        "relative_ess": 0.01,
        "has_gradient": False,
    },
    "tail of the weights, no gradient": {
        "source": DrawSource.IMPORTANCE,
        "weight_effect": WeightEffect("tau", "sd", 5.0, 0.0, 0.2, 0.9, "tau"),
        "has_gradient": False,
    },
    "R-hat, no gradient": {
        "source": DrawSource.MIXTURE,
        "rhat": 1.2,
        "rhat_name": "tau",
        "has_gradient": False,
    },
    "unseen modes": {"num_modes": 3, "unseen_probability": 0.1},
    "unseen modes beside one": {"unseen_probability": 0.1},
    "many modes": {"num_modes": 9, "unseen_probability": 0.9},
    "masses": {"num_modes": 3, "mass_se": 0.6},
    "ELBO gap": {"source": DrawSource.MIXTURE, "elbo_gap": 5.0},
    "edge": {"nonfinite_share": 0.2},
    "gradient": {"missing_gradients": MissingGradients(0.1, ("tau",))},
    "precision": {"stuck_share": 0.1, "single_precision": True},
    "improper": {"improper_direction": "tau"},
    "jumps": {"jumps_along": "tau"},
} | {
    reason.value: {"stopped_early": reason.sentence}
    for reason in StopReason
    if reason is not StopReason.CONVERGED
}


@pytest.mark.parametrize("case", BAD)
def test_verdict_page_has_every_problem(case):
    verdict, advice = decide(replace(GOOD, **BAD[case]))
    assert verdict is Verdict.UNRELIABLE
    text = squeezed(page("verdict.md").replace("\n> ", "\n"))
    # The page has what is wrong, the first sentence.  The remedy follows in the advice itself.
    problem = re.split(r"\. |; ", advice)[0]
    numberless = re.sub(r"\b\d+(\.\d+)?%?|\btau\b", "·", problem)
    for part in fragments(numberless):
        assert part in text, part


def test_verdict_page_has_the_sentence_about_a_neck():
    _, advice = decide(replace(GOOD, neck="tau is small"))
    text = squeezed(page("verdict.md").replace("\n> ", "\n"))
    for part in advice.partition("except in the tail where tau is small ")[2].split(". "):
        assert part.rstrip(".") in text, part


def test_verdict_page_has_the_sentence_about_further_modes():
    _, advice = decide(replace(GOOD, num_modes=2, dim=10))
    text = squeezed(page("verdict.md").replace("\n> ", "\n"))
    assert "A further mode" + advice.partition("A further mode")[2] in text


def test_no_problem_is_without_a_case():
    functions = [
        node
        for node in ast.parse((SRC / "isogmm/recipe/judgment/verdict.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
        and (node.name == "_problems" or node.name.startswith("_of_"))
    ]
    assert len(functions) == 5
    # A sentence is an argument of ``append`` or ``insert``, or an item of a returned list.
    sentences = 0
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                sentences += getattr(node.func, "attr", "") in ("append", "insert")
            if isinstance(node, ast.Return) and isinstance(node.value, ast.List):
                sentences += sum(not isinstance(part, ast.Starred) for part in node.value.elts)
    assert sentences == len([case for case in BAD.values() if "stopped_early" not in case])


def percent(share: float) -> str:
    return f"{100 * share:g} %"


def test_verdict_page_has_the_thresholds():
    section = page("verdict.md").partition("## Which thresholds are used?")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (.+?) \| (at (?:most|least) .+?) \|$", section, re.MULTILINE))
    assert rows == {
        "Pareto k, if the draws come from the mixture": f"at most {thresholds.MAX_GOOD_K}",
        "Pareto k, if weights selected the draws": f"at most {thresholds.MAX_PARETO_K}",
        "relative ESS, if the draws come from the mixture": (
            f"at least {percent(thresholds.MIN_RELIABLE_MIXTURE_ESS)}"
        ),
        "relative ESS, if weights selected the draws": (
            f"at least {percent(thresholds.MIN_RELIABLE_IMPORTANCE_ESS)}"
        ),
        "relative ESS, with `refine=0`": f"at least {percent(thresholds.MIN_UNCONFIRMED_ESS)}",
        "effect of the weights on a mean (sds) or a log sd, if they are not used": (
            f"at most {thresholds.MAX_WEIGHT_EFFECT}"
        ),
        "share of the posterior that the mixture misses, without a gradient": (
            f"at most {thresholds.MAX_MISSED_SHARE}"
        ),
        "R-hat, with one mode": f"at most {thresholds.MAX_RHAT}",
        "Monte Carlo error of a mean (sds)": f"at most {thresholds.MAX_MCSE_SD}",
        "Monte Carlo error of a log sd, of HMC chains with one mode": (
            f"at most {MAX_TRUSTED_LOG_SD_ERROR}"
        ),
        "bias left by the starting points (sds), of HMC chains with one mode": (
            f"at most {MAX_TRUSTED_BIAS}"
        ),
        "share of HMC chains that hardly move": f"at most {percent(thresholds.MAX_STUCK_SHARE)}",
        "above 500 dimensions: spread of the HMC chains, relative to their starting points": (
            f"at most {thresholds.MAX_SPREAD_GROWTH}"
        ),
        "share of the draws of the mixture without a finite log density": (
            f"at most {percent(thresholds.MAX_NONFINITE_SHARE)}"
        ),
        "share of the posterior where the log density is finite and its gradient is not": (
            f"at most {percent(thresholds.MAX_MASS_WITHOUT_GRADIENT)}"
        ),
        "chance that a further starting point leads to a new mode": (
            f"at most {thresholds.MAX_UNSEEN_PROBABILITY}"
        ),
        "rounding error of the log density in single precision (nats), if another limit is "
        "exceeded": f"at most {thresholds.MAX_ROUNDING_ERROR}",
        "the same error, if a further starting point may lead to a new mode": (
            f"at most {thresholds.MAX_ROUNDING_ERROR_OF_SEARCH}"
        ),
        "standard error of the mass of a mode": f"at most {thresholds.MAX_MASS_SE}",
        "difference between the ELBOs of chains, beyond their noise (nats)": (
            f"at most {thresholds.MAX_ELBO_GAP}"
        ),
    }
    others = " ".join(section.split())
    for sentence in (
        f"relative ESS is above {percent(thresholds.FLAT_RELATIVE_ESS)}",
        f"Pareto k is below {thresholds.MAX_REWEIGHT_K} and the relative ESS above "
        f"{percent(thresholds.MIN_REWEIGHT_RELATIVE_ESS)}",
        f"skewness below {thresholds.MIN_SKEWNESS}",
        f"new mode is above {thresholds.MANY_UNSEEN_PROBABILITY}",
    ):
        assert sentence in others


def test_reference_has_every_option():
    import inspect

    import isogmm

    for function in (isogmm.fit_isogmm, isogmm.fit_gmmvi):
        section = inspect.getdoc(function).partition("Parameters\n")[2].partition("\nReturns\n")[0]
        rows = re.findall(r"^(\*?\w+(?:, \*?\w+)*)$", section, re.MULTILINE)
        named = {name.strip(" *") for row in rows for name in row.split(",")}
        assert named == set(inspect.signature(function).parameters)


# --- what pages show runs -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked", "short_search")
@pytest.mark.parametrize(
    "language",
    [
        # The program of the README fits in the same way.
        pytest.param("NumPyro", marks=[pytest.mark.numpyro, pytest.mark.long]),
        # The quickstart notebook for PyMC fits and reports in the same way.
        pytest.param("PyMC", marks=[pytest.mark.pymc, pytest.mark.long]),
    ],
)
def test_quickstart_runs(language, tmp_path, monkeypatch):
    import isogmm

    monkeypatch.chdir(tmp_path)
    other = {"NumPyro": "# PyMC\n", "PyMC": "# NumPyro\n"}[language]
    programs = [block for block in blocks("quickstart.md") if not block.startswith(other)]
    if language == "NumPyro":
        # A fit takes the place of NUTS, whose program takes ten seconds to compile.
        nuts = functools.partial(isogmm.fit_isogmm, draws=100, chains=2, refine=0)
        monkeypatch.setattr(isogmm.baselines, "nuts", nuts)
    else:
        # Few transitions: without a compiler PyTensor is slow, and a test has none.
        few = "nuts(model, draws=25, tune=25)"
        programs = [program.replace("nuts(model, x, y)", few) for program in programs]
    names = run(programs)
    posterior = names["idata"]["posterior"]
    assert posterior["b"].shape == (4, 1000, 3)
    assert (tmp_path / "fit.nc").is_file()
    assert names["mixture"].dim == 4
    assert "components in 4 dimensions" in names["__printed__"]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked", "short_search")
def test_the_update_rule_runs():
    names = run([example("heavy_ball.py")])
    assert names["idata"].attrs["verdict"] in ("good", "reweighted", "refined")
    # The posterior is Gaussian with the mean 3 and the sds 1 and 0.5.
    np.testing.assert_allclose(
        names["idata"]["posterior"]["x"].mean(["chain", "draw"]), 3.0, atol=5 / np.sqrt(4_000)
    )
    # HeavyBall without momentum is the mirror rule.
    from isogmm.optimize.gradients import ComponentGradients
    from isogmm.optimize.updates import EntropicMirror, MixtureArrays

    generator = np.random.default_rng(0)
    mixture = MixtureArrays(
        generator.normal(size=(2, 3, 4)), np.exp(generator.normal(size=(2, 3))), np.zeros((2, 3))
    )
    gradients = ComponentGradients(
        generator.normal(size=(2, 3, 4)),
        generator.normal(size=(2, 3)),
        np.zeros((2, 3)),
        np.full((2, 3), 2),
    )
    plain, without = EntropicMirror(), names["HeavyBall"](momentum=0.0)
    expected, _ = plain.step(mixture, gradients, plain.init(mixture), 0.1)
    moved, _ = without.step(mixture, gradients, without.init(mixture), 0.1)
    for ours, theirs in zip(moved, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)


@pytest.mark.slow
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked", "short_search")
def test_the_family_runs(monkeypatch, tmp_path):
    import isogmm
    from isogmm.mixtures import abstract
    from isogmm.recipe.families import FAMILIES

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(FAMILIES, "shared_variance", None)  # removed again after the test
    monkeypatch.setattr(abstract, "_FAMILIES", [*abstract._FAMILIES])
    names = run([example("shared_variance.py")])
    mixture = names["mixture"]
    # Any class reads the mixture of any family.
    assert type(isogmm.IsotropicMixture.from_idata(names["saved"])) is type(mixture)
    assert mixture.variance.shape == (4,)
    point = np.array([[1.0, 0.5]])
    np.testing.assert_allclose(
        mixture[0].log_prob(point), mixture.isotropic()[0].log_prob(point), rtol=1e-12
    )
    # The log evidence is log π.  The densities of the fits differ by their steps alone.
    for name in ("idata", "resumed", "continued"):
        fit = names[name].attrs
        assert fit["verdict"] in ("good", "reweighted", "refined")
        assert abs(fit["log_evidence"] - np.log(np.pi)) < 5 * fit["log_evidence_se"]
    assert "located_from" in names["idata"].attrs
    for name in ("resumed", "continued"):
        assert "located_from" not in names[name].attrs, "the modes were searched again"
    with pytest.raises(isogmm.OptionError, match="cannot be converted to full covariances"):
        isogmm.fit_gmmvi(names["model"], resume=names["saved"], random_seed=0)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked", "short_search")
def test_the_adapter_fits(monkeypatch, request):
    import isogmm
    from isogmm import adapter

    class StanModel:
        """Two normal distributions, as BridgeStan would show them."""

        __module__ = "bridgestan.model"

        def param_unc_num(self):
            return 2

        def param_unc_names(self):
            return ["mu", "log_sigma"]

        def param_names(self):
            return ["mu", "sigma"]

        def param_constrain(self, position):
            return np.array([position[0], np.exp(position[1])])

        def log_density_gradient(self, position):
            error = (position - np.array([1.0, 0.0])) / np.array([2.0, 0.5])
            return -0.5 * error @ error, -error / np.array([2.0, 0.5])

    manual = (ADAPTERS / "README.md").read_text(encoding="utf-8")
    module = run(BLOCK.findall(manual)[:1])
    entry = SimpleNamespace(name="stan", value="", load=lambda: module["StanAdapter"])
    monkeypatch.setattr(adapter, "entry_points", lambda group: [entry])
    request.addfinalizer(adapter.installed_adapters.cache_clear)
    adapter.installed_adapters.cache_clear()
    draws = isogmm.fit_isogmm(StanModel(), random_seed=0)["posterior"]
    assert abs(float(draws["mu"].mean()) - 1.0) < 5 * 2.0 / np.sqrt(4_000)
    assert abs(float(np.log(draws["sigma"]).std()) - 0.5) < 5 * 0.5 / np.sqrt(2 * 4_000)


@pytest.mark.long  # fast: the tests of the options
@pytest.mark.slow
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked", "short_search")
def test_options_run():
    import jax.numpy as jnp

    import isogmm

    model = isogmm.LogDensity(
        lambda x: -0.5 * jnp.sum(x**2 / jnp.array([1.0, 9.0])), np.zeros(2), names="x"
    )
    names = run(blocks("options.md"), {"isogmm": isogmm, "model": model})
    assert names["small"].attrs["num_components"] == 8
    assert names["wide"].attrs["num_components"] == 64
    assert names["paper"].attrs["draws_from"] == "mixture"


@pytest.mark.long  # fast: the tests of the options
@pytest.mark.slow
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked", "short_search")
def test_full_covariances_run():
    import jax.numpy as jnp

    import isogmm

    model = isogmm.LogDensity(
        lambda x: -0.5 * jnp.sum(x**2 / jnp.array([1.0, 9.0])), np.zeros(2), names="x"
    )
    names = run(blocks("full_covariances.md"), {"isogmm": isogmm, "model": model})
    assert isinstance(names["mixture"], isogmm.GaussianMixture)
    assert names["mixture"].dim == 2
    assert names["isotropic"].attrs["verdict"] in ("good", "reweighted", "refined")
