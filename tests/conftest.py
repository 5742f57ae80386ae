"""Settings of the whole suite: precision, type promotion, compilers, missing languages."""

import importlib.util
import os
import sys

# Before anything imports PyTensor: no C compiler, which costs up to 40 s where it is cold, and
# no numba, which costs seconds per graph.
os.environ.setdefault("PYTENSOR_FLAGS", "cxx=,linker=py")
# Pictures are drawn to files, never to a screen.
os.environ.setdefault("MPLBACKEND", "agg")

import jax
import pytest

# 64-bit unless the caller asks for something else, as the float32 job does.
if "JAX_ENABLE_X64" not in os.environ:
    os.environ["JAX_ENABLE_X64"] = "1"  # for processes that tests start
    jax.config.update("jax_enable_x64", True)

LANGUAGES = ("numpyro", "pymc", "bambi")
#: Folders whose files run whole programs, for minutes. They start first: if they started last, one
#: worker would still run them after the others have finished.
LONG = ("notebooks", "docs", "samplers", "experiments")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; skip what needs a language that is not installed, and say which."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)
    missing = [name for name in LANGUAGES if importlib.util.find_spec(name) is None]
    for item in items:
        for name in missing:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"needs {name}, which is not installed"))


@pytest.fixture(autouse=True)
def _strict_promotion(request: pytest.FixtureRequest):
    """Mixed dtypes and silent broadcasting of ranks are errors in our own JAX code.

    NumPyro, PyMC and Bambi rely on both, so their tests are exempt.
    """
    if any(request.node.get_closest_marker(name) for name in (*LANGUAGES, "weak_dtypes")):
        yield
        return
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch):
    """Whole fits without the type checks of the test session, which cost ten times the work."""
    import jaxtyping

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Drop compiled programs after each module.

    JAX keeps several memory maps for each; a process that compiles thousands runs into the
    system's limit of maps long before it runs out of memory.
    """
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True)
def _close_figures():
    """Close what a test drew, so that figures do not pile up."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
