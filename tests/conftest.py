"""Settings of the whole suite: type promotion, compilers, missing languages."""

import contextlib
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers import environment

environment.install()

import jax
import pytest

from helpers import lazy_checks

lazy_checks.install()

LANGUAGES = ("numpyro", "pymc", "bambi")
#: Languages whose versions differ between the two sets of packages.  NumPyro has one version.
VERSIONED = ("pymc", "bambi")
#: Folders and files of the numerical core and of rules for sources and pages.  With ``--stack``
#: only those of their tests run that need PyMC or have the marker ``stack``.
CORE = (
    "benchmarks",
    "docs",
    "draws",
    "experiments",
    "locate",
    "mixtures",
    "model",
    "notebooks",
    "optimize",
    "packaging",
    "progress",
    "recipe",
    "rows",
    "samplers",
    "studies",
    "test_api.py",
    "test_arrays.py",
    "test_baselines.py",
    "test_empirical_bayes.py",
    "test_validation.py",
)
#: Other files that run once: their PyMC models are examples of any model, and their results are
#: read by functions that other tests cover with both sets of packages.
ONCE = (
    "adapters/test_pymc_posteriors.py",
    "docs/test_large_data.py",
    "docs/test_many_fits.py",
    "recipe/test_threads.py",
    "results/arviz/test_working_directory.py",
    "views/comparison/test_compare.py",
    "views/report/test_damage.py",
)
#: Whether programs are compiled without optimization.
IS_QUICK_COMPILATION = os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "1"
#: Memory maps of a process at which compiled programs are dropped.  JAX keeps several maps for each
#: program, and Linux ends a process with more than 65,530.  One file needs at most 4,000.
MAX_MAPS = 16_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option for the second set of packages."""
    parser.addoption(
        "--stack",
        action="store_true",
        help="only tests whose outcome depends on Python, ArviZ and PyMC",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a language that is not installed, and say which; see also ``CORE``."""
    missing = [name for name in LANGUAGES if importlib.util.find_spec(name) is None]
    for item in items:
        for name in missing:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"needs {name}, which is not installed"))
    if config.getoption("--stack", default=False):
        kept = [item for item in items if depends_on_versions(item)]
        config.hook.pytest_deselected(
            items=[item for item in items if not depends_on_versions(item)]
        )
        items[:] = kept


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``--stack``, do not import files of which no test depends on the versions."""
    if not config.getoption("--stack", default=False) or collection_path.suffix != ".py":
        return None
    path = collection_path.relative_to(Path(__file__).resolve().parent)
    text = collection_path.read_text(encoding="utf-8")
    has_marker = any(f"mark.{name}" in text for name in (*VERSIONED, "stack"))
    return path.as_posix() in ONCE or (path.parts[0] in CORE and not has_marker) or None


def depends_on_versions(item: pytest.Item) -> bool:
    """Whether the outcome of a test may differ between the two sets; see ``CORE`` and ``ONCE``."""
    path = item.path.relative_to(Path(__file__).resolve().parent)
    if path.as_posix() in ONCE:
        return False
    if any(item.get_closest_marker(name) for name in (*VERSIONED, "stack")):
        return True
    return path.parts[0] not in CORE and not item.get_closest_marker("numpyro")


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


@pytest.fixture
def compiled_alike():
    """Long tests that compare numbers with those of a process, which does not optimize."""


@pytest.fixture
def short_search():
    """Fits that search for modes with few paths, for tests of something else."""


@contextlib.contextmanager
def search_with_few_paths() -> Iterator[None]:
    """``init="auto"`` with few paths: two modes are still found, and one mode is trusted."""
    from isogmm.locate.options import Locate
    from isogmm.recipe import options
    from isogmm.rows import approximate

    few = Locate(num_starts=4, num_evaluations=0, num_candidate_paths=1)
    original = options._init

    def init(value: object) -> object:
        return few if isinstance(value, str) and value == "auto" else original(value)

    options._init, approximate.Locate = init, lambda: few
    try:
        yield
    finally:
        options._init, approximate.Locate = original, Locate


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Settings of a test, which hold before the fixtures of a module run fits.

    Type checks are off for ``unchecked``, and for ``--stack``, because shapes are the same with
    both sets of packages.  Long studies and measurements run longer than they compile.
    """
    import jaxtyping

    runs_long = any(item.get_closest_marker(name) for name in ("long", "benchmark"))
    runs_long = runs_long and "compiled_alike" not in item.fixturenames
    jax.config.update("jax_disable_most_optimizations", IS_QUICK_COMPILATION and not runs_long)
    before = jaxtyping.config.jaxtyping_disable
    unchecked = "unchecked" in item.fixturenames or item.config.getoption("--stack", default=False)
    jaxtyping.config.update("jaxtyping_disable", before or unchecked)
    is_short = "short_search" in item.fixturenames
    try:
        with search_with_few_paths() if is_short else contextlib.nullcontext():
            return (yield)
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Search for unreachable objects less often, and not among those of the imports.

    Tracing makes many small objects.  With the limits of Python the searches took 9 % of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Drop compiled programs after a module if the process has many memory maps; see MAX_MAPS."""
    yield
    if num_maps() > MAX_MAPS:
        jax.clear_caches()


def num_maps() -> int:
    """Memory maps of this process, or infinity where the system has no list of them."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return sys.maxsize


@pytest.fixture(autouse=True)
def _close_figures():
    """Close what a test drew, so that figures do not pile up."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
