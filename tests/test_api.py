"""The front door: options, seeds, programs, files, checkpoints that survive a kill."""

import signal
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from helpers.families import isotropic
from helpers.targets import correlated_gaussian
from isogmm import inference_data as idt
from isogmm.errors import ModelError, OptionError
from isogmm.model.jax_target import JaxPrograms
from isogmm.recipe.resume import Checkpoint
from isogmm.validation import seed_of

CENTER, SCALE = np.array([1.0, -2.0, 30.0]), np.array([0.1, 1.0, 20.0])
QUICK = {"random_seed": 0, "progressbar": False}


def make_model():
    return isogmm.LogDensity(
        lambda x: -0.5 * jnp.sum(((x - jnp.asarray(CENTER)) / jnp.asarray(SCALE)) ** 2),
        np.zeros(3),
        names="x",
        log_likelihood=lambda x, *_: {"y": -0.5 * ((x - jnp.asarray(CENTER)) ** 2)},
    )


@pytest.fixture(scope="module")
def idata():
    import jaxtyping

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        return isogmm.fit_isogmm(make_model(), **QUICK)


class TestTheResult:
    def test_moments_are_those_of_the_target(self, idata):
        draws = idt.get_group(idata, "posterior")["x"].values
        assert draws.shape == (4, 1000, 3)
        rows = draws.reshape(-1, 3)
        error = SCALE / np.sqrt(len(rows))
        assert np.all(np.abs(rows.mean(axis=0) - CENTER) < 5 * error + 0.02 * SCALE)
        assert np.all(np.abs(np.log(rows.std(axis=0) / SCALE)) < 5 / np.sqrt(2 * 4000) + 0.02)

    def test_the_verdict_stands_in_the_attributes(self, idata):
        attributes = idata.attrs
        assert attributes["verdict"] in ("good", "reweighted", "refined")
        assert attributes["advice"].endswith(".")
        promised = (
            "inference_library",
            "inference_library_version",
            "sampling_time",
            "created_at",
            "converged",
            "stop_reason",
            "elbo",
            "elbo_se",
            "pareto_k",
            "importance_ess",
            "log_evidence",
            "log_evidence_se",
            "num_gradient_evaluations",
            "random_seed",
        )
        assert [name for name in promised if name not in attributes] == []
        assert {
            name for name, value in attributes.items() if not isinstance(value, str | int | float)
        } == set()
        exact = 1.5 * np.log(2 * np.pi) + np.log(SCALE).sum()
        error = abs(attributes["log_evidence"] - exact)
        assert error < 0.01 + 5 * attributes["log_evidence_se"]

    def test_every_group_is_there(self, idata):
        promised = {"posterior", "sample_stats", "log_likelihood", "fit", "fit_stats"}
        assert promised <= set(idt.group_names(idata))

    def test_a_file_stands_alone(self, idata, tmp_path):
        idt.save(idata, tmp_path / "fit.nc")
        back = idt.load(tmp_path / "fit.nc")
        assert dict(back.attrs) == dict(idata.attrs)
        before, after = (isogmm.Mixture.from_idata(each) for each in (idata, back))
        points = CENTER + SCALE * np.random.default_rng(0).normal(size=(50, 3))
        expected = before.pooled().log_prob(points)
        np.testing.assert_allclose(after.pooled().log_prob(points), expected, rtol=1e-10)
        draws, _ = after.sample(np.random.default_rng(1), 10)
        assert draws.shape == (4, 10, 3)

    @pytest.mark.usefixtures("unchecked")
    def test_groups_can_be_left_out(self):
        options = {"log_likelihood": False, "log_prior": False}
        idata = isogmm.fit_isogmm(make_model(), **QUICK, draws=50, idata_kwargs=options)
        assert "log_likelihood" not in idt.group_names(idata)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"method": "ibv"}, r"unknown method='ibv'.*Did you mean 'ibw'"),
            ({"method": 3}, "unknown method=3"),
            ({"weights": "unifrm"}, r"unknown weights='unifrm'.*Did you mean 'uniform'"),
            ({"whitening": "dens"}, r"unknown whitening='dens'.*Did you mean 'dense'"),
            ({"init": "autoo"}, r"unknown init='autoo'.*Did you mean 'auto'"),
            ({"importance": "aut"}, r"unknown importance='aut'.*Did you mean 'auto'"),
            ({"refine": "aut"}, r"unknown refine='aut'.*Did you mean 'auto'"),
            ({"refine": -1}, "unknown refine=-1"),
            ({"num_components": 0}, "num_components must be a whole number of at least 1, not 0"),
            ({"num_components": 2.5}, "num_components must be a whole number"),
            ({"draws": 0}, "draws must be a whole number of at least 1, not 0"),
            ({"chains": True}, "chains must be a whole number of at least 1, not True"),
            ({"max_iterations": 0}, "max_iterations must be a whole number"),
            ({"max_seconds": -1.0}, "max_seconds must be a number above 0, not -1"),
            ({"max_seconds": "10"}, "max_seconds must be a number above 0, not '10'"),
            ({"max_seconds": True}, "max_seconds must be a number above 0, not True"),
            ({"tolerance": -0.1}, "tolerance must be a number that is at least 0"),
            ({"tolerance": np.nan}, "tolerance must be a number that is at least 0"),
            ({"num_samples": 0}, "num_samples must be a whole number"),
            ({"random_seed": "a"}, "random_seed must be an int.* not str"),
            ({"random_seed": -1}, "random_seed must not be negative"),
            ({"random_seed": True}, "random_seed must be an int.* not bool"),
            ({"random_seed": np.float64(1.7)}, "random_seed must be an int.* not float64"),
            ({"random_seed": np.array([-1])}, "random_seed must be an int.* not ndarray"),
            ({"whitening": np.ones((3, 3))}, "singular to working precision"),
            ({"whitening": np.array([1.0, 0.0, 1.0])}, "scales must be positive"),
            ({"whitening": np.ones((3, 2))}, r"shape \(3, 2\)"),
            ({"whitening": np.eye(2)}, "2 coordinates, the target 3"),
            ({"array_backend": "torch"}, "unknown array_backend 'torch'"),
            ({"idata_kwargs": {"log_liklihood": False}}, "unknown entries.*log_liklihood"),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
    )
    @pytest.mark.usefixtures("unchecked")
    def test_what_makes_no_sense_is_named(self, options, message):
        with pytest.raises(OptionError, match=f"(?s){message}"):
            isogmm.fit_isogmm(correlated_gaussian(3).target(), **{**QUICK, **options})

    @pytest.mark.parametrize(
        "make_bad",
        [
            lambda: isogmm.Refine(max_gradients=0),
            lambda: isogmm.Refine(num_chains=-5),
            lambda: isogmm.Refine(min_recorded=1),
            lambda: isogmm.Locate(num_starts=0),
            lambda: isogmm.Locate(num_iterations=2.5),
        ],
    )
    @pytest.mark.usefixtures("unchecked")
    def test_budgets_that_make_no_sense_are_named(self, make_bad):
        with pytest.raises(OptionError, match=r"(Refine|Locate)\(\w+=...\) must be a whole number"):
            make_bad()

    def test_one_sample_is_enough(self):
        target = correlated_gaussian(3).target()
        idata = isogmm.fit_isogmm(target, **QUICK, num_samples=1, draws=50)
        assert idata.attrs["stop_reason"] == "converged"

    def test_an_unknown_keyword_is_an_error(self):
        with pytest.raises(TypeError, match="num_draws"):
            isogmm.fit_isogmm(correlated_gaussian(3).target(), num_draws=10)

    def test_a_log_density_takes_no_arguments(self):
        with pytest.raises(OptionError, match=r"takes no arguments; got 1 positional.*\['y'\]"):
            isogmm.fit_isogmm(make_model(), 3.0, model_kwargs={"y": 1.0})

    @pytest.mark.parametrize("thing", [3.0, "model", object()])
    def test_what_is_no_model_is_an_error(self, thing):
        with pytest.raises(ModelError):
            isogmm.fit_isogmm(thing)

    def test_seeds_of_every_kind(self):
        assert seed_of(7) == seed_of(np.int64(7)) == 7
        assert seed_of(np.random.default_rng(3)) == seed_of(np.random.default_rng(3))
        assert seed_of(jax.random.key(3)) == seed_of(jax.random.key(3))
        assert seed_of(jax.random.PRNGKey(3)) == seed_of(jax.random.key(3))
        assert seed_of(jax.random.key(3)) != seed_of(jax.random.key(4))
        assert seed_of(None) != seed_of(None)
        assert 0 <= seed_of(2**70) < 2**32
        assert seed_of(2**70) != seed_of(2**70 + 1)


@pytest.fixture
def counted(monkeypatch):
    """Names of the programs that contain a model, as they are traced."""
    begun, begin = [], JaxPrograms._compilation

    def counting(self, name):
        before = self.num_programs
        result = begin(self, name)
        begun.extend([name] * (self.num_programs - before))
        return result

    monkeypatch.setattr(JaxPrograms, "_compilation", counting)
    return begun


@pytest.mark.usefixtures("unchecked")
class TestPrograms:
    def test_a_log_density_is_compiled_once(self, counted):
        model = make_model()
        isogmm.fit_isogmm(model, **QUICK, draws=50)
        assert sorted(counted) == ["batch", "constrain"]
        isogmm.fit_isogmm(model, **QUICK, draws=80)
        assert len(counted) == 2

    def test_where_batches_are_expensive_points_have_a_program_too(self, counted):
        x = np.random.default_rng(0).normal(size=(20_000, 2))

        def log_density(beta):
            return -0.5 * ((x @ beta - 1.0) ** 2).mean() - 0.5 * (beta**2).sum()

        target = isogmm.LogDensity(log_density, np.zeros(2)).to_target()
        target.prepare()
        assert sorted(counted) == ["batch", "constrain", "point"]
        assert target.few() == target.batch_size // 4
        values, _ = target.evaluate(np.zeros((target.few(), 2)))
        np.testing.assert_allclose(values, -0.5, rtol=1e-6)

    @pytest.mark.numpyro
    def test_a_numpyro_model_is_compiled_once(self, counted):
        from helpers.numpyro_models import hierarchy

        y = np.array([1.0, 3.0, -2.0, 0.5])
        isogmm.fit_isogmm(hierarchy, y, **QUICK)
        assert len(counted) <= 3
        first = list(counted)
        isogmm.fit_isogmm(hierarchy, y, **QUICK)
        isogmm.fit_isogmm(hierarchy, y + 1.0, **QUICK)
        assert counted == first


KILLED = """
    import os, signal, sys
    import numpy as np
    import isogmm

    def value_and_grad(x):
        return -0.5 * float(x @ x), -x

    calls = []

    def callback(check):
        calls.append(check.iteration)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=value_and_grad)
    isogmm.fit_isogmm(model, random_seed=0, num_components=8, progressbar=False,
                      callback=callback, checkpoint=sys.argv[1])
"""


@pytest.mark.usefixtures("unchecked")
class TestCheckpoints:
    def test_a_killed_fit_goes_on(self, tmp_path):
        path = tmp_path / "fit.npz"
        killed = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert sorted(tmp_path.iterdir()) == [path]
        model = isogmm.LogDensity(
            None, np.zeros(2), value_and_grad=lambda x: (-0.5 * float(x @ x), -x)
        )
        stored = Checkpoint(path, model.to_target(), isotropic(), 0).start().mixture
        assert stored.means.shape[0] == 4
        # A step too small to move anything: the fit begins where the other one was killed.
        still = isogmm.updates.BuresWasserstein(step_size=1e-13)
        options = {"method": still, "max_iterations": 1, "refine": 0, "draws": 50}
        resumed = isogmm.fit_isogmm(model, **QUICK, **options, checkpoint=path)
        # A step and a number of iterations of the user's own are a plan: nothing to warn of.
        assert resumed.attrs["stop_reason"] == "max_iterations"
        assert "located_from" not in resumed.attrs
        mixture = isogmm.Mixture.from_idata(resumed)
        np.testing.assert_allclose(mixture.means, stored.means, atol=1e-9)
        finished = isogmm.fit_isogmm(model, **QUICK, checkpoint=path, draws=500)
        assert finished.attrs["converged"] == 1
        draws = idt.get_group(finished, "posterior")["x"].values.reshape(-1, 2)
        assert np.all(np.abs(draws.mean(axis=0)) < 5 / np.sqrt(len(draws)) + 0.02)

    def test_the_checkpoint_of_another_model_is_refused(self, tmp_path):
        path = tmp_path / "fit.npz"
        isogmm.fit_isogmm(correlated_gaussian(2).target(), **QUICK, draws=50, checkpoint=path)
        with pytest.raises(ModelError, match="belongs to another model"):
            isogmm.fit_isogmm(correlated_gaussian(3).target(), **QUICK, checkpoint=path)


#: ``warnings.catch_warnings`` exchanges the filters of the whole process: in two threads at once it
#: can leave those of the other behind, and warnings are lost from then on.
THREADS = """
    import threading
    import warnings

    threads, enter = set(), warnings.catch_warnings.__enter__

    def watched(self):
        threads.add(threading.current_thread() is threading.main_thread())
        return enter(self)

    warnings.catch_warnings.__enter__ = watched
    import jax.numpy as jnp
    import numpy as np

    import isogmm

    model = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(3))
    isogmm.fit_isogmm(model, random_seed=0, progressbar=False)
    print(threads)
"""


def test_filters_of_warnings_change_in_the_main_thread_alone():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(THREADS)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "{True}"
