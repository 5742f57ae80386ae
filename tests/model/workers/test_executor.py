"""Fits whose model is evaluated by the workers of an executor."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.errors import FitWarning, OptionError, WorkersLostError
from isogmm.model.fit_target import FitTarget
from isogmm.model.programs.precision import in_precision
from isogmm.model.programs.size import BATCH_ROWS
from isogmm.model.workers.executors import num_workers
from isogmm.model.workers.recipe import recipe_of
from isogmm.model.workers.rows import evaluated_by

pytestmark = [
    pytest.mark.filterwarnings("ignore:the model has no observed"),
    # The numbers are compared with each other, whatever their quality: short searches and fits.
    pytest.mark.filterwarnings("ignore:isogmm. One mode was found, and"),
    pytest.mark.filterwarnings("ignore:isogmm. The fit reached max_iterations"),
    pytest.mark.usefixtures("unchecked"),
]

SHORT = isogmm.Locate(
    num_starts=2, num_evaluations=0, num_candidate_paths=1, num_iterations=10, max_evaluations=0
)
CHEAP = {
    "random_seed": 1,
    "draws": 100,
    "chains": 2,
    "progressbar": False,
    "refine": 0,
    "init": SHORT,
    "max_iterations": 20,
}


def pool(workers):
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def process():
    """One worker process for all tests that leave it alive; each imports the languages."""
    with pool(1) as executor:
        yield executor


def draws_of(idata):
    return np.concatenate([np.ravel(v) for v in idata["posterior"].data_vars.values()])


def density(position):
    """A Gaussian with a light tail, and its gradient."""
    value = -0.5 * position @ position - 0.1 * np.cosh(position).sum()
    return value, -position - 0.1 * np.sinh(position)


def jax_density(position):
    return -0.5 * jnp.sum(position**2) - 0.1 * jnp.sum(jnp.cosh(position))


class Inline(Executor):
    """Runs tasks at once and records how many rows each has."""

    def __init__(self, workers):
        self.max_workers, self.rows = workers, []

    def submit(self, fn, /, *args, **kwargs):
        self.rows.append(len(args[1]))
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.long
@pytest.mark.usefixtures("compiled_alike")
@pytest.mark.parametrize("kind", ["plain", "jax"])
def test_the_numbers_do_not_depend_on_the_number_of_workers(kind, process):
    if kind == "plain":
        model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=density)
    else:
        model = isogmm.LogDensity(jax_density, np.zeros(2))
    fits = []
    for workers in (1, 8):
        with ThreadPoolExecutor(workers) as executor:
            fits.append(draws_of(isogmm.fit_isogmm(model, executor=executor, **CHEAP)))
    if kind == "plain":
        fits.append(draws_of(isogmm.fit_isogmm(model, **CHEAP)))
    fits.append(draws_of(isogmm.fit_isogmm(model, executor=process, **CHEAP)))
    for other in fits[1:]:
        np.testing.assert_array_equal(other, fits[0])


def test_rows_are_divided_evenly_among_the_workers():
    executor = Inline(4)
    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=density)
    isogmm.fit_isogmm(model, executor=executor, **CHEAP)
    # The pool of two chains has 2,000 draws, the first 32 of each chain apart.
    assert max(executor.rows) == 2 * (1000 - 32) // 4


class MeetAndDie:
    """A density that waits in every worker until two workers evaluate it.

    It kills one process: at the call after the given number of rows.
    """

    def __init__(self, folder, after):
        self.folder, self.after, self.count = folder, after, 0

    def __call__(self, position):
        if multiprocessing.parent_process() is not None:
            here, end = Path(self.folder), time.monotonic() + 120.0
            (here / str(os.getpid())).touch()
            while len(list(here.iterdir())) < 2:
                if time.monotonic() > end:
                    raise RuntimeError("no other worker evaluates the model at the same time")
                time.sleep(0.01)
            self.count += 1
            if self.count > self.after:
                self._die_once(Path(f"{self.folder}.killed"))
        return density(position)

    def _die_once(self, path):
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def test_workers_evaluate_at_the_same_time_and_a_killed_one_changes_no_draw(tmp_path):
    folder = tmp_path / "workers"
    folder.mkdir()
    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=MeetAndDie(str(folder), 50))
    expected = draws_of(isogmm.fit_isogmm(model, **CHEAP))
    with pool(2) as executor, pytest.warns(FitWarning, match="a worker of the executor was lost"):
        idata = isogmm.fit_isogmm(model, executor=executor, **CHEAP)
    assert (tmp_path / "workers.killed").exists()
    assert len(list(folder.iterdir())) >= 2
    np.testing.assert_array_equal(draws_of(idata), expected)


class Broken(Executor):
    max_workers = 2

    def submit(self, fn, /, *args, **kwargs):
        raise BrokenExecutor("all workers died")


def test_a_broken_executor_offers_the_checkpoint(tmp_path):
    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=density)
    with pytest.raises(WorkersLostError, match="pass checkpoint="):
        isogmm.fit_isogmm(model, executor=Broken(), **CHEAP)
    path = tmp_path / "fit.npz"
    with pytest.raises(WorkersLostError, match="call again with checkpoint="):
        isogmm.fit_isogmm(model, executor=Broken(), checkpoint=path, **CHEAP)


def test_a_closed_executor_is_explained():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=density)
    with pytest.raises(WorkersLostError, match="keep it open until the fit returns"):
        isogmm.fit_isogmm(model, executor=executor, **CHEAP)


@pytest.mark.parametrize("wrong", [4, "dask", multiprocessing])
def test_what_is_no_executor_is_refused(wrong):
    with pytest.raises(OptionError, match=r"executor must be a concurrent\.futures\.Executor"):
        isogmm.fit_isogmm(isogmm.LogDensity(jax_density, np.zeros(2)), executor=wrong, **CHEAP)


def test_pools_that_fork_are_refused():
    context = multiprocessing.get_context("fork")
    executor = ProcessPoolExecutor(2, mp_context=context)
    with pytest.raises(OptionError, match="by fork"):
        isogmm.fit_isogmm(isogmm.LogDensity(jax_density, np.zeros(2)), executor=executor, **CHEAP)


def test_models_that_cannot_be_sent_are_refused():
    lock = threading.Lock()

    def locked(position):
        with lock:
            return density(position)

    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=locked)
    with ThreadPoolExecutor(2) as executor, pytest.raises(OptionError, match="cannot be pickled"):
        isogmm.fit_isogmm(model, executor=executor, **CHEAP)


def test_the_number_of_workers_is_known():
    with ThreadPoolExecutor(3) as executor:
        assert num_workers(executor) == 3
    assert num_workers(Inline(5)) == 5


@pytest.mark.long  # fast: a density in JAX, in the first test
@pytest.mark.usefixtures("compiled_alike")
@pytest.mark.numpyro
def test_a_numpyro_model_on_a_process(process):
    import numpyro
    import numpyro.distributions as dist

    def model(y):
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        sigma = numpyro.sample("sigma", dist.HalfNormal(5))
        numpyro.sample("y", dist.Normal(mu, sigma), obs=y)

    y = np.array([1.0, 2.0, 0.5, 1.5])
    in_process = draws_of(isogmm.fit_isogmm(model, y, executor=process, **CHEAP))
    with ThreadPoolExecutor(3) as executor:
        in_threads = draws_of(isogmm.fit_isogmm(model, y, executor=executor, **CHEAP))
    np.testing.assert_array_equal(in_process, in_threads)


@pytest.mark.long
@pytest.mark.usefixtures("compiled_alike")
@pytest.mark.pymc
def test_a_pymc_model_of_a_context_on_a_process(process):
    import pymc as pm

    with pm.Model():
        mu = pm.Normal("mu", 0, 5)
        sigma = pm.HalfNormal("sigma", 5)
        pm.Normal("y", mu, sigma, observed=np.array([1.0, 2.0, 0.5, 1.5]))
        in_process = draws_of(isogmm.fit_isogmm(executor=process, **CHEAP))
        with ThreadPoolExecutor(3) as executor:
            in_threads = draws_of(isogmm.fit_isogmm(executor=executor, **CHEAP))
    np.testing.assert_array_equal(in_process, in_threads)


@pytest.mark.long
def test_factorized_fits_take_an_executor():
    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=density)
    options = {"random_seed": 1, "max_iterations": 20, "progressbar": False}
    options |= {"draws": 50, "chains": 2}
    with ThreadPoolExecutor(2) as executor:
        fitted = isogmm.fit_factorized(model, executor=executor, **options)
    np.testing.assert_array_equal(
        draws_of(fitted), draws_of(isogmm.fit_factorized(model, **options))
    )


def test_a_target_of_a_worker_is_named_by_all_that_determines_it():
    def key(number, *args, seed=0, x64=True):
        model = isogmm.LogDensity(lambda x, y: -jnp.sum(x**2), np.zeros(2), data=np.array(number))
        with in_precision(x64):
            return recipe_of(model, args, {}, seed).key

    same, other = key(1.0), [key(2.0), key(1.0, 3), key(1.0, seed=1), key(1.0, x64=False)]
    assert key(1.0) == same
    assert len({same, *other}) == 5


def test_lost_rows_are_evaluated_again_in_their_places():
    class Losing(Inline):
        """An executor that loses the first two parts of a call."""

        def submit(self, function, *args):
            self.lost = getattr(self, "lost", 0) + 1
            if self.lost > 2:
                return super().submit(function, *args)
            future = Future()
            future.set_exception(EOFError("the connection was lost"))
            return future

    target = isogmm.LogDensity(None, np.zeros(2), value_and_grad=density).to_target()
    positions = np.random.default_rng(0).normal(size=(9, 2))
    with evaluated_by(Losing(3), target, (target, (), {}, 0)) as by_workers:
        values, gradients = by_workers.evaluate_rows(positions)
    expected = target.evaluate(positions)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(gradients, expected[1])


@pytest.mark.parametrize("count", [1, BATCH_ROWS, BATCH_ROWS + 1])
def test_all_slices_of_a_fit_with_a_time_limit_are_evaluated(count):
    target = isogmm.LogDensity(None, np.zeros(2), value_and_grad=density).to_target()
    limited = FitTarget.of(replace(target, evaluate_rows=target.evaluate), max_seconds=100.0)
    positions = np.random.default_rng(0).normal(size=(count, 2))
    np.testing.assert_array_equal(limited.evaluate(positions)[0], target.evaluate(positions)[0])
    assert limited.num_gradient_evaluations == count
