"""Every public name has an example, and the examples of the parts run."""

import inspect
import re
from importlib import import_module

import numpy as np
import pytest

from helpers.pages import DOCS, NOTEBOOKS, blocks, cells, page, run
from helpers.sources import ADAPTERS, ROOT

DIRECTIVE = re.compile(r"^\.\. auto(?:function|class|exception):: ([\w.]+)$", re.MULTILINE)
CODE = re.compile(r"```(?:python|shell)?\n(.*?)```", re.DOTALL)


def shown() -> str:
    """All programs of pages, notebooks and scripts."""
    pages = [ROOT / "README.md", ADAPTERS / "README.md", *DOCS.glob("*.md")]
    programs = [block for path in pages for block in CODE.findall(path.read_text("utf-8"))]
    programs += [cell for path in NOTEBOOKS.glob("*.ipynb") for cell in cells(path)]
    programs += [script.read_text("utf-8") for script in (DOCS / "examples").glob("*.py")]
    return "\n".join(programs)


def public_names() -> set[str]:
    """Names of the API reference, those of its modules, and all others of the package."""
    import isogmm

    names = set(DIRECTIVE.findall(page("api.md")))
    for module in ("baselines", "inference_data"):
        for name, value in vars(getattr(isogmm, module)).items():
            own = getattr(value, "__module__", "").startswith(f"isogmm.{module}")
            if inspect.isfunction(value) and not name.startswith("_") and own:
                names.add(f"isogmm.{module}.{name}")
    return names | {f"isogmm.{n}" for n in isogmm.__all__ if not inspect.ismodule(_value(n))}


def _value(name: str):
    return getattr(import_module("isogmm"), name)


def without_example() -> list[str]:
    """Public names that no program shows and whose docstring has no example."""
    text, missing = shown(), []
    for name in sorted(public_names()):
        module, _, attribute = name.rpartition(".")
        # An abstract class is subclassed on the pages about writing an extension.
        if attribute.startswith("Abstract"):
            continue
        doc = inspect.getdoc(getattr(import_module(module), attribute)) or ""
        if ">>>" not in doc and not re.search(rf"\b{attribute}\b", text):
            missing.append(name)
    return missing


def test_every_public_name_has_an_example():
    assert len(public_names()) > 80
    assert without_example() == []


def test_a_name_without_an_example_is_seen(monkeypatch):
    import isogmm

    monkeypatch.setattr(isogmm, "__all__", [*isogmm.__all__, "brand_new"])
    monkeypatch.setattr(isogmm, "brand_new", lambda: None, raising=False)
    assert without_example() == ["isogmm.brand_new"]


@pytest.mark.long  # fast: the tests of the parts
@pytest.mark.slow
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked", "short_search")
@pytest.mark.filterwarnings("ignore")
def test_the_parts_run():
    # Fewer particles, and fewer iterations of the function that JAX does not compile.
    shorter = {
        "smc_from(own, model)": "smc_from(own, model, draws=50, chains=1)",
        '{"estimator": by_values}': (
            '{"estimator": by_values, "stopping": stopping.MaxIterations(20)}'
        ),
    }
    program = (DOCS / "examples" / "parts.py").read_text(encoding="utf-8")
    for old, new in shorter.items():
        assert program.count(old) == 1
        program = program.replace(old, new)
    names = run([program])
    # The posterior is Gaussian with mean 3; the steps and the samples leave some noise.
    np.testing.assert_allclose(names["result"].mixture.mean()[0], 3.0, atol=0.1)
    np.testing.assert_allclose(names["optimized"].mixture.means.mean(0), 3.0, atol=0.5)
    for name in ("given", "spread", "own", "named"):
        assert names[name].attrs["verdict"] in ("good", "reweighted", "refined")
    assert names["step"].means.shape == names["mixture"].means.shape
    assert names["arrays"].means.shape == names["start"].means.shape


@pytest.mark.long  # fast: recipe/test_fit.py and samplers/test_nuts_and_smc_from.py
@pytest.mark.slow
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked", "short_search")
def test_the_page_on_parts_runs():
    names = run(blocks("building_blocks.md"))
    np.testing.assert_allclose(names["result"].mixture.mean()[0], 3.0, atol=0.1)
    assert names["own"].attrs["verdict"] in ("good", "reweighted", "refined")
    assert names["changed"].number == names["gmmvi"].FixedNumber()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked", "short_search")
def test_the_page_on_several_modes_runs():
    import jax.numpy as jnp

    import isogmm

    def log_density(x):
        return jnp.logaddexp(-0.5 * jnp.sum((x - 4.0) ** 2), -0.5 * jnp.sum((x + 4.0) ** 2))

    model = isogmm.LogDensity(log_density, np.zeros(2), names="x")
    names = run(blocks("several_modes.md"), {"isogmm": isogmm, "model": model})
    assert names["idata"].attrs["num_modes"] == 2
    draws = names["idata"]["posterior"]["x"].where(names["mode"] == 0)
    # Five standard errors of about 2,000 draws of a mode, whose mean is 4 or -4 in each coordinate.
    assert np.all(np.abs(np.abs(draws.mean(["chain", "draw"])) - 4.0) < 5 / np.sqrt(1000))
    assert "several_modes" in page("index.md")
