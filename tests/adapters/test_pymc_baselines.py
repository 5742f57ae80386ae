"""PyMC's own inference as baselines: the draws are right, the attributes say what they cost."""

import numpy as np
import pytest

pm = pytest.importorskip("pymc")

from isogmm.errors import OptionError  # noqa: E402
from isogmm.inference_data import attributes, get_group, group_names  # noqa: E402
from isogmm_pymc import PyMCAdapter  # noqa: E402
from isogmm_pymc._inference import nuts_from  # noqa: E402
from isogmm_pymc._inference.variational import _gradients_per_iteration  # noqa: E402

pytestmark = [
    pytest.mark.pymc,
    pytest.mark.slow,
    # Raised by xarray and PyTensor inside PyMC's samplers.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # PyMC says so of short runs.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

Y = np.random.default_rng(2).normal(1.0, 1.0, size=20)
# Normal data with known variance and a standard normal prior.
POSTERIOR_MEAN = Y.sum() / 21
POSTERIOR_SD = 1 / np.sqrt(21)


def conjugate():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("obs", mu, 1, observed=Y)
    return model


DRAWS = 150
OPTIONS = {
    "nuts": {"tune": 100, "cores": 1, "compute_convergence_checks": False},
    "advi": {"iterations": 1000, "obj_optimizer": pm.adagrad_window(learning_rate=0.1)},
    "fullrank_advi": {"iterations": 1000, "obj_optimizer": pm.adagrad_window(learning_rate=0.1)},
    "svgd": {
        "iterations": 80,
        "inf_kwargs": {"n_particles": 20},
        "obj_optimizer": pm.adam(learning_rate=0.1),
    },
}


@pytest.mark.long
@pytest.mark.parametrize("name", OPTIONS)
def test_a_baseline_finds_a_gaussian_posterior(name):
    model = conjugate()
    function = PyMCAdapter().baselines()[name]
    with model:
        result = function(random_seed=1, draws=DRAWS, chains=2, **OPTIONS[name])
    posterior = get_group(result, "posterior")
    assert posterior["mu"].shape == (2, DRAWS)
    assert get_group(result, "log_likelihood")["obs"].shape == (2, DRAWS, 20)
    draws = posterior["mu"].values
    # Five standard errors of about 100 effective draws; the variational family holds the truth,
    # its optimization adds a bias of at most a fifth of a standard deviation.
    bias = 0.0 if name == "nuts" else 0.2
    assert abs(draws.mean() - POSTERIOR_MEAN) < (bias + 5 / np.sqrt(100)) * POSTERIOR_SD
    told = attributes(result)
    assert told["inference_library"] == "pymc"
    assert told["sampling_time"] > 0
    assert told["algorithm"] == name
    expected = {"advi": 1000, "fullrank_advi": 1000, "svgd": 80 * 20}
    if name == "nuts":
        # At least one step for each of the draws, warm-up included.
        assert told["num_gradient_evaluations"] >= 2 * (DRAWS + 100)
        assert not [group for group in group_names(result) if group.startswith("warmup")]
    else:
        assert told["num_gradient_evaluations"] == expected[name]


def test_arguments_of_the_model_are_refused():
    with pytest.raises(OptionError, match="model_kwargs has \\['x'\\]"):
        PyMCAdapter().baselines()["advi"](conjugate(), model_kwargs={"x": 1})


def test_starts_and_mass_matrix_reach_the_sampler(monkeypatch):
    seen = {}
    monkeypatch.setattr(nuts_from, "nuts", lambda model, **options: seen.update(options))
    with pm.Model() as model:
        pm.Normal("b", 0, 1, shape=2)
        pm.LogNormal("a", 0, 1)
    covariance = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 3.0]])
    starts = np.arange(6.0).reshape(2, 3)
    nuts_from.nuts_from(model, starts=starts, covariance=covariance)
    second = {name: value.eval().tolist() for name, value in seen["initvals"][1].items()}
    assert second == {"b": [3.0, 4.0], "a_log__": 5.0}
    momentum = np.array([1.0, -2.0, 0.5])
    velocity = seen["step"].potential.velocity(momentum)
    np.testing.assert_allclose(velocity, covariance @ momentum, rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "options", "count"),
    [
        ("advi", {}, 1),
        ("advi", {"obj_n_mc": 5}, 5),
        ("svgd", {}, 100),
        ("svgd", {"inf_kwargs": {"n_particles": 7}}, 7),
    ],
)
def test_gradients_are_counted(method, options, count):
    assert _gradients_per_iteration(method, options) == count
