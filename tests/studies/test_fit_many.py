"""One model, many data sets: NumPyro, PyMC and LogDensity."""

import contextlib
import errno
import os
import signal
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.errors import FitWarning, OptionError, WorkersLostError
from isogmm.recipe import build_result
from isogmm.results.groups import attributes

pytestmark = pytest.mark.usefixtures("unchecked")

OPTIONS = {"draws": 50, "chains": 2, "refine": 0, "random_seed": 3, "progressbar": False}
# Few paths: an option and not the fixture, which worker processes do not have.
OPTIONS["init"] = isogmm.Locate(num_starts=4, num_evaluations=0, num_candidate_paths=1)


def data(seed, n=12):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    return x, 1 + 2 * x + generator.normal(size=n)


DATA = [data(seed) for seed in range(3)]


def regression(x, y, scale=1.0):
    import numpyro
    import numpyro.distributions as dist

    a = numpyro.sample("a", dist.Normal(0, 3))
    b = numpyro.sample("b", dist.Normal(0, 3))
    numpyro.sample("y", dist.Normal(a + b * x, scale), obs=y)


def density(position, xy):
    residuals = xy["y"] - position["a"] - position["b"] * xy["x"]
    return -0.5 * jnp.sum(residuals**2) - (position["a"] ** 2 + position["b"] ** 2) / 18.0


def log_density():
    return isogmm.LogDensity(density, {"a": 0.0, "b": 0.0}, data=as_dict(DATA[0]))


def as_dict(pair):
    return dict(zip("xy", pair, strict=True))


@pytest.fixture(scope="module")
def pymc_model():
    pm = pytest.importorskip("pymc")
    with pm.Model() as model:
        x, y = pm.Data("x", DATA[0][0]), pm.Data("y", DATA[0][1])
        a, b = pm.Normal("a", 0, 3), pm.Normal("b", 0, 3)
        pm.Normal("obs", a + b * x, 1.0, observed=y)
    return model


def slopes(results):
    return np.array([result["posterior"]["b"].values for result in results])


def exact(x, y):
    """Mean and covariance of (a, b)."""
    design = np.column_stack([np.ones_like(x), x])
    covariance = np.linalg.inv(design.T @ design + np.eye(2) / 9)
    return covariance @ design.T @ y, covariance


def check(results):
    assert len(results) == len(DATA)
    for result, (x, y) in zip(results, DATA, strict=True):
        mean, covariance = exact(x, y)
        # Five standard errors of independent draws.
        tolerance = 5 * np.sqrt(covariance[1, 1] / 100)
        assert abs(float(result["posterior"]["b"].mean()) - mean[1]) < tolerance


@pytest.mark.long
@pytest.mark.numpyro
def test_numpyro_arguments_of_all_kinds_share_the_programs(monkeypatch):
    from isogmm.model import jax_target

    compiled = []
    original = jax_target.compile_in_background

    def counting(lowered, name, **options):
        compiled.append(name)
        return original(lowered, name, **options)

    monkeypatch.setattr(jax_target, "compile_in_background", counting)
    first = isogmm.fit_many(regression, DATA, **OPTIONS)
    check(first)
    num = len(compiled)
    dicts = isogmm.fit_many(regression, [as_dict(pair) for pair in DATA], **OPTIONS)
    np.testing.assert_array_equal(slopes(dicts), slopes(first))
    # Another number for each data set is an input of the programs, not a constant.
    scaled = [(*pair, scale) for pair, scale in zip(DATA, (0.5, 1.0, 1.5), strict=True)]
    compiled.clear()
    sds = slopes(isogmm.fit_many(regression, scaled, **OPTIONS)).std(axis=(1, 2))
    assert len(compiled) <= num
    assert sds[0] < sds[2]


@pytest.mark.long
@pytest.mark.numpyro
def test_the_fit_is_that_of_fit_isogmm():
    result = isogmm.fit_many(regression, DATA, **OPTIONS)[2]
    options = {**OPTIONS, "random_seed": int(attributes(result)["random_seed"])}
    alone = isogmm.fit_isogmm(regression, *DATA[2], **options)
    np.testing.assert_array_equal(slopes([alone]), slopes([result]))


@pytest.mark.pymc
def test_pymc_data_are_set_and_restored(pymc_model):
    results = isogmm.fit_many(pymc_model, [as_dict(pair) for pair in DATA], **OPTIONS)
    check(results)
    np.testing.assert_array_equal(results[1]["observed_data"]["obs"], DATA[1][1])
    np.testing.assert_array_equal(pymc_model["y"].get_value(), DATA[0][1])
    with pymc_model, ThreadPoolExecutor(2) as executor:
        threads = isogmm.fit_many(
            None, [as_dict(pair) for pair in DATA], executor=executor, **OPTIONS
        )
    np.testing.assert_array_equal(slopes(threads), slopes(results))


@pytest.mark.pymc
def test_pymc_data_and_labels_are_restored_after_an_error():
    pm = pytest.importorskip("pymc")
    from isogmm_pymc._data.datasets import with_data

    with pm.Model(coords={"row": list("abc")}) as model:
        pm.Data("y", np.zeros(3), dims="row")
    other = {"y": np.ones(3)}, {"row": list("def")}
    context = with_data(model, other)
    context.__enter__()
    assert model.coords["row"] == ("d", "e", "f")
    np.testing.assert_array_equal(model["y"].get_value(), np.ones(3))
    error = RuntimeError("stop")
    assert not context.__exit__(RuntimeError, error, None)
    assert model.coords["row"] == ("a", "b", "c")
    np.testing.assert_array_equal(model["y"].get_value(), np.zeros(3))


@pytest.mark.pymc
def test_pymc_data_with_other_names(pymc_model):
    with pytest.raises(OptionError, match=r"no pm\.Data with the names \['z'\]; it has \['x', 'y"):
        isogmm.fit_many(pymc_model, [{"z": DATA[0][0]}], **OPTIONS)


@pytest.mark.long
def test_log_density_with_names_and_one_result():
    sets = {f"store {i}": as_dict(pair) for i, pair in enumerate(DATA)}
    combined = isogmm.fit_many(log_density(), sets, combine=True, **OPTIONS)
    posterior = combined["posterior"]
    assert tuple(posterior["b"].dims) == ("dataset", "chain", "draw")
    assert list(posterior["dataset"].values) == list(sets)
    results = isogmm.fit_many(log_density(), list(sets.values()), **OPTIONS)
    np.testing.assert_array_equal(posterior["b"].values, slopes(results))
    stats = combined["dataset_stats"]
    assert list(stats["verdict"].values) == [attributes(r)["verdict"] for r in results]
    assert stats["elbo"].dims == ("dataset",)


def test_an_error_stays_with_its_data_set():
    bad = {"x": DATA[0][0], "y": DATA[0][1] * np.nan}
    sets = {"good": as_dict(DATA[0]), "bad": bad, "other": as_dict(DATA[2])}
    with pytest.warns(FitWarning, match=r"1 of 3 data sets could not be fitted \('bad'\)"):
        results = isogmm.fit_many(log_density(), sets, **OPTIONS)
    assert isinstance(results[1], isogmm.FailedFit)
    assert results[1].dataset == "bad"
    assert isinstance(results[1].error, isogmm.ModelError)
    assert "Traceback" in results[1].traceback
    with pytest.warns(FitWarning):
        combined = isogmm.fit_many(log_density(), sets, combine=True, **OPTIONS)
    assert list(combined["posterior"]["dataset"].values) == ["good", "other"]


@pytest.mark.long
def test_shapes_may_differ_and_each_compiles_once():
    sets = [as_dict(data(seed, n)) for seed, n in enumerate([12, 7, 12, 7])]
    model = log_density()
    results = isogmm.fit_many(model, sets, **OPTIONS)
    assert len(model._function._programs) == 2
    sizes = [result["constant_data"]["y"].size for result in results]
    assert sizes == [12, 7, 12, 7]


def test_invalid_options_and_data_are_errors():
    with pytest.raises(OptionError, match="data set 0: num_components"):
        isogmm.fit_many(log_density(), [as_dict(DATA[0])], num_components=-1)
    with pytest.raises(TypeError, match="Did you mean 'draws'"):
        isogmm.fit_many(log_density(), [as_dict(DATA[0])], drawz=1)
    with pytest.raises(OptionError, match=r"for the rows of an array pass list\(array\)"):
        isogmm.fit_many(log_density(), np.zeros((3, 2)))
    with pytest.raises(OptionError, match="datasets is empty"):
        isogmm.fit_many(log_density(), [])
    with pytest.raises(OptionError, match="takes no checkpoint="):
        isogmm.fit_many(log_density(), [as_dict(DATA[0])], checkpoint="fit.npz")
    with pytest.raises(OptionError, match="a Target contains its data"):
        isogmm.fit_many(log_density().to_target(), [as_dict(DATA[0])])


@pytest.fixture
def _interruptible():
    """A shell starts background jobs with this signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_ends_the_study():
    calls = []

    def interrupt(check):
        calls.append(check)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.warns(FitWarning, match="the study was interrupted before this fit ended"):
        results = isogmm.fit_many(
            log_density(), [as_dict(pair) for pair in DATA], callback=interrupt, **OPTIONS
        )
    assert attributes(results[0])["stop_reason"] == "interrupted"
    assert [type(each.error) for each in results[1:]] == [KeyboardInterrupt] * 2


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::isogmm.errors.FitWarning")
def test_a_callback_that_ends_fits_does_not_end_the_study():
    results = isogmm.fit_many(
        log_density(), [as_dict(pair) for pair in DATA], callback=lambda check: True, **OPTIONS
    )
    assert [attributes(each)["stop_reason"] for each in results] == ["callback"] * len(DATA)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_that_a_library_catches_at_the_end_of_a_fit_ends_the_study(monkeypatch):
    original = build_result.to_inference_data

    def caught(*arguments, **options):
        idata = original(*arguments, **options)
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return idata

    monkeypatch.setattr(build_result, "to_inference_data", caught)
    with pytest.warns(FitWarning, match="the study was interrupted before this fit ended"):
        results = isogmm.fit_many(log_density(), [as_dict(pair) for pair in DATA], **OPTIONS)
    # The first fit is complete.
    assert attributes(results[0])["stop_reason"] == "converged"
    assert [type(each.error) for each in results[1:]] == [KeyboardInterrupt] * 2


# --- workers ------------------------------------------------------------------------------------


def dying(position, xy):
    """Kills the worker that traces it first."""
    path = os.environ["ISOGMM_TEST_FLAG"]
    if os.getpid() != int(os.environ["ISOGMM_TEST_PID"]) and not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return density(position, xy)


@pytest.fixture
def _no_folder_for_programs(monkeypatch):
    """Without the folder of the test session."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.usefixtures("_no_folder_for_programs")
def test_a_process_gives_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sets = [as_dict(pair) for pair in DATA[:2]]
    alone = isogmm.fit_many(log_density(), sets, **OPTIONS)
    results = isogmm.fit_many(log_density(), sets, executor=1, **OPTIONS)
    np.testing.assert_array_equal(slopes(results), slopes(alone))
    # Workers keep their compiled programs on disk.
    assert any((tmp_path / "cache" / "isogmm" / "jax").iterdir())


@pytest.mark.long  # fast: the test above, and the executors below that lose a worker
@pytest.mark.usefixtures("_no_folder_for_programs", "compiled_alike")
def test_processes_give_the_same_numbers_also_if_one_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOGMM_TEST_FLAG", str(tmp_path / "killed"))
    monkeypatch.setenv("ISOGMM_TEST_PID", str(os.getpid()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = isogmm.LogDensity(dying, {"a": 0.0, "b": 0.0}, data=as_dict(DATA[0]))
    sets = [as_dict(pair) for pair in DATA]
    alone = isogmm.fit_many(model, sets, **OPTIONS)
    with pytest.warns(FitWarning, match="a worker of the executor was lost"):
        results = isogmm.fit_many(model, sets, executor=2, **OPTIONS)
    assert (tmp_path / "killed").exists()
    np.testing.assert_array_equal(slopes(results), slopes(alone))
    # Workers keep their compiled programs on disk.
    assert any((tmp_path / "cache" / "isogmm" / "jax").iterdir())


class Broken(Executor):
    """Loses its workers and cannot replace them."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_exception(BrokenExecutor("a child process terminated"))
        return future


def test_a_broken_executor_gives_our_error(tmp_path):
    sets = [as_dict(pair) for pair in DATA]
    with pytest.raises(WorkersLostError, match="pass folder=, so that another call skips"):
        isogmm.fit_many(log_density(), sets, executor=Broken(), **OPTIONS)
    with pytest.raises(WorkersLostError, match="call again with folder="):
        isogmm.fit_many(log_density(), sets, executor=Broken(), folder=tmp_path / "f", **OPTIONS)


class LosesOne(Executor):
    """Runs tasks at once; those of one data set always lose their worker."""

    def __init__(self):
        self.submitted = []

    def submit(self, fn, task, job):
        self.submitted.append(job.label)
        future = Future()
        if job.label == 1:
            future.set_exception(OSError("connection lost"))
        else:
            future.set_result(fn(task, job))
        return future


def test_a_data_set_that_always_loses_its_worker_fails_alone():
    executor = LosesOne()
    sets = [as_dict(pair) for pair in DATA]
    with pytest.warns(FitWarning, match="1 of 3 data sets could not be fitted"):
        results = isogmm.fit_many(log_density(), sets, executor=executor, **OPTIONS)
    assert isinstance(results[1].error, WorkersLostError)
    assert "data set 1 lost its worker 3 times" in str(results[1].error)
    assert executor.submitted.count(1) == 3
    assert executor.submitted.count(2) == 1


# --- the folder ---------------------------------------------------------------------------------


def test_finished_data_sets_are_skipped(tmp_path, monkeypatch):
    sets = [as_dict(pair) for pair in DATA]
    calls = []

    def counted(*args, **kwargs):
        calls.append(args)
        return isogmm.fit_isogmm(*args, **kwargs)

    options = {name: value for name, value in OPTIONS.items() if name != "random_seed"}
    options |= {"folder": tmp_path / "study", "fit": counted}
    first = isogmm.fit_many(log_density(), sets[:2], **options)
    second = isogmm.fit_many(log_density(), sets, **options)
    assert len(calls) == 3
    np.testing.assert_array_equal(slopes(second[:2]), slopes(first))
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == [
        "00000.nc",
        "00001.nc",
        "00002.nc",
        "study.json",
    ]


def test_a_result_that_cannot_be_written_does_not_end_the_study(tmp_path, monkeypatch):
    def full(idata, path):
        Path(path).write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("isogmm.studies.folder.save", full)
    sets, folder = [as_dict(pair) for pair in DATA], tmp_path / "study"
    with pytest.warns(FitWarning, match="No space left on device.*returns all results") as found:
        results = isogmm.fit_many(log_density(), sets, folder=folder, **OPTIONS)
    assert len([w for w in found if "could not be written" in str(w.message)]) == 1
    np.testing.assert_array_equal(
        slopes(results), slopes(isogmm.fit_many(log_density(), sets, **OPTIONS))
    )
    # Only the description is there: neither results nor temporary files.
    assert [path.name for path in folder.iterdir()] == ["study.json"]


def test_a_folder_of_something_else_is_an_error(tmp_path):
    sets = [as_dict(pair) for pair in DATA[:1]]
    folder = tmp_path / "study"
    isogmm.fit_many(log_density(), sets, folder=folder, **OPTIONS)
    with pytest.raises(OptionError, match="other settings: draws=50 there, draws=60 here"):
        isogmm.fit_many(log_density(), sets, folder=folder, **{**OPTIONS, "draws": 60})
    with pytest.raises(OptionError, match="random_seed=3 there, random_seed=4 here"):
        isogmm.fit_many(log_density(), sets, folder=folder, **{**OPTIONS, "random_seed": 4})
    with pytest.raises(OptionError, match="results of other data for 1 data sets, among them '0'"):
        isogmm.fit_many(log_density(), [as_dict(DATA[1])], folder=folder, **OPTIONS)
    other = isogmm.LogDensity(
        lambda p, xy: 2.0 * density(p, xy), {"a": 0.0, "b": 0.0}, data=sets[0]
    )
    with pytest.raises(OptionError, match="results of another model"):
        isogmm.fit_many(other, sets, folder=folder, **OPTIONS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(OptionError, match=r"no study\.json"):
        isogmm.fit_many(log_density(), sets, folder=tmp_path / "mine", **OPTIONS)
