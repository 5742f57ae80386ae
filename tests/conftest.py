"""Settings of the whole suite: precision, type promotion, compilers, missing languages."""

import importlib.util
import os
import sys
from pathlib import Path

# Before anything imports PyTensor: no C compiler, which costs up to 40 s where it is cold, and
# no numba, which costs seconds per graph.
os.environ.setdefault("PYTENSOR_FLAGS", "cxx=,linker=py")
# Pictures are drawn to files, never to a screen.
os.environ.setdefault("MPLBACKEND", "agg")
# Programs that take long to compile are stored for all processes and later sessions: workers and
# fits in several threads compile the same model.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "jax"),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax
import pytest

# 64-bit unless the caller asks for something else, as the float32 job does.
if "JAX_ENABLE_X64" not in os.environ:
    os.environ["JAX_ENABLE_X64"] = "1"  # for processes that tests start
    jax.config.update("jax_enable_x64", True)

LANGUAGES = ("numpyro", "pymc", "bambi")
#: Folders of the numerical core and of rules for the sources.  With ``--stack`` only those of their
#: tests run that need a modeling language or have the marker ``stack``.
CORE = (
    "benchmarks",
    "draws",
    "experiments",
    "locate",
    "mixtures",
    "model",
    "optimize",
    "packaging",
    "progress",
    "recipe",
    "samplers",
    "studies",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option for the second set of packages."""
    parser.addoption(
        "--stack",
        action="store_true",
        help="only tests whose outcome depends on Python, ArviZ and the modeling languages",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a language that is not installed, and say which; see also ``CORE``."""
    missing = [name for name in LANGUAGES if importlib.util.find_spec(name) is None]
    for item in items:
        for name in missing:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"needs {name}, which is not installed"))
    if config.getoption("--stack", default=False):
        tests = Path(__file__).resolve().parent
        depends = [
            item.path.relative_to(tests).parts[0] not in CORE
            or any(item.get_closest_marker(name) for name in (*LANGUAGES, "stack"))
            for item in items
        ]
        same = [item for item, kept in zip(items, depends, strict=True) if not kept]
        config.hook.pytest_deselected(items=same)
        items[:] = [item for item, kept in zip(items, depends, strict=True) if kept]


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
def unchecked():
    """Whole fits without the type checks of the test session, which cost ten times the work."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Switch the type checks off for ``unchecked``, before the fixtures of a module run fits."""
    import jaxtyping

    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", before or "unchecked" in item.fixturenames)
    try:
        return (yield)
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


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
