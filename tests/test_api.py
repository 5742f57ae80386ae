"""The public functions that fit."""

import inspect
import subprocess
import sys
import textwrap

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from helpers.targets import correlated_gaussian
from isogmm import inference_data as idt
from isogmm.errors import ModelError, OptionError

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

    @pytest.mark.long
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

    @pytest.mark.long
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
            ({"random_seed": -1}, "random_seed must be at least 0"),
            ({"random_seed": True}, "random_seed must be an int.* not bool"),
            ({"random_seed": np.float64(1.7)}, "random_seed must be an int.* not float64"),
            ({"random_seed": np.array([-1])}, "random_seed must be an int.* not ndarray"),
            ({"whitening": np.ones((3, 3))}, "singular to working precision"),
            ({"whitening": jnp.ones((3, 3))}, "singular to working precision"),
            ({"whitening": np.array([1.0, 0.0, 1.0])}, "scales must be positive"),
            ({"whitening": np.ones((3, 2))}, r"shape \(3, 2\)"),
            ({"whitening": np.eye(2)}, "2 coordinates, but the model has 3"),
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

    @pytest.mark.long
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


@pytest.mark.long
def test_filters_of_warnings_change_in_the_main_thread_alone():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(THREADS)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "{True}"


def test_options_of_both_families_of_mixtures_have_the_same_defaults():
    """Only what the family determines may differ."""
    first, second = (
        inspect.signature(function).parameters for function in (isogmm.fit_isogmm, isogmm.fit_gmmvi)
    )
    shared = [name for name in first if name in second]
    assert len(shared) > 15
    assert [name for name in shared if first[name].default != second[name].default] == []
