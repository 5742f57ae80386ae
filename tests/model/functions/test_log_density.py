"""LogDensity: JAX pytrees, NumPy, the interface of Stan, worker processes, and errors."""

import concurrent.futures
import functools
import math
import multiprocessing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adapters.contract import check_target
from helpers.services import rosenbrock
from isogmm.errors import FitWarning, ModelError, OptionError
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.to_target import to_target

PRECISIONS = np.array([1.0, 4.0, 0.25])
Y = np.array([1.0, 2.0, 0.5, 1.5])


# --- the functions ----------------------------------------------------------------------------


def jax_fn(x, data):
    mean, scale = x["mean"], jnp.exp(x["group"]["log_scale"])
    error = (data["y"] - mean) / scale
    likelihood = jnp.sum(-0.5 * error**2 - jnp.log(scale))
    return likelihood - 0.5 * mean**2 + x["group"]["log_scale"] - 0.5 * jnp.sum(x["z"][0] ** 2)


JAX_EXAMPLE = {"mean": 0.0, "group": {"log_scale": np.zeros(())}, "z": [np.zeros((2, 2))]}


def jax_model(**changes):
    options = {
        "names": {"group.log_scale": "log_scale", "z.0": "z"},
        "dims": {"y": ("obs",), "z": ("row", "column")},
        "coords": {"obs": list("abcd")},
        "constrain": lambda x, data: {"scale": jnp.exp(x["group"]["log_scale"])},
        "log_likelihood": lambda x, data: {
            "y": -0.5 * ((data["y"] - x["mean"]) / jnp.exp(x["group"]["log_scale"])) ** 2
        },
        "data": {"y": Y, "weight": np.ones(2)},
    }
    return LogDensity(jax_fn, JAX_EXAMPLE, **{**options, **changes})


def numpy_fn(x):
    return -0.5 * float(np.sum(PRECISIONS * x**2))


def numpy_gradient(x):
    return -PRECISIONS * x


def numpy_both(x):
    return numpy_fn(x), numpy_gradient(x)


def numpy_many(x):
    return -0.5 * (PRECISIONS * x**2).sum(-1), -PRECISIONS * x


def tree_both(x, data):
    error = data["y"] - x["mean"]
    value = -0.5 * np.sum(error**2) - 0.5 * np.sum(x["z"] ** 2)
    return value, {"mean": np.sum(error), "z": -x["z"]}


def tree_model(**changes):
    options = {
        "value_and_grad": tree_both,
        "constrain": lambda x, data: {"total": x["z"].sum()},
        "log_likelihood": lambda x, data: {"y": -0.5 * (data["y"] - x["mean"]) ** 2},
        "data": {"y": Y},
    }
    example = {"mean": 0.0, "z": np.zeros(2)}
    return LogDensity(None, example, **{**options, **changes})


class StanLike:
    """The interface of ``bridgestan.StanModel``, for a normal and a log-scale."""

    def param_unc_num(self):
        return 2

    def param_unc_names(self):
        return ["mu", "sigma"]

    def param_names(self):
        return ["mu", "sigma"]

    def param_constrain(self, theta_unc):
        return np.array([theta_unc[0], np.exp(theta_unc[1])])

    def log_density_gradient(self, theta_unc, *, propto=True, jacobian=True, out=None):
        assert theta_unc.dtype == np.float64
        if abs(theta_unc[1]) > 300:
            raise RuntimeError("log_density_gradient() failed with exception: Scale parameter")
        mu, log_sigma = theta_unc
        error = (Y - mu) * np.exp(-log_sigma)
        value = -0.5 * error @ error - len(Y) * log_sigma + log_sigma - np.exp(log_sigma)
        gradient = np.array(
            [
                error.sum() * np.exp(-log_sigma),
                error @ error - len(Y) + 1 - np.exp(log_sigma),
            ]
        )
        return value, gradient


def stan_model():
    stan = StanLike()
    return LogDensity(
        None,
        np.zeros(stan.param_unc_num()),
        value_and_grad=stan.log_density_gradient,
        names=stan.param_unc_names(),
        constrain=lambda x: dict(zip(stan.param_names(), stan.param_constrain(x), strict=True)),
    )


MODELS = {
    "jax pytree": jax_model,
    "jax vector": lambda: LogDensity(lambda x: -0.5 * jnp.sum(PRECISIONS * x**2), np.zeros(3)),
    "jax scalar": lambda: LogDensity(lambda x: -jnp.cosh(x), 0.0, names="angle"),
    "numpy with gradient": lambda: LogDensity(numpy_fn, np.zeros(3), gradient=numpy_gradient),
    "numpy value_and_grad": lambda: LogDensity(None, np.zeros(3), value_and_grad=numpy_both),
    "numpy vectorized": lambda: LogDensity(
        None, np.zeros(3), value_and_grad=numpy_many, vectorized=True
    ),
    "numpy pytree": tree_model,
}


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # NumPy at extreme positions
@pytest.mark.filterwarnings("ignore:invalid:RuntimeWarning")
def test_every_kind_keeps_the_contract_of_a_target(name):
    model = MODELS[name]()
    check_target(model.to_target)


@pytest.mark.filterwarnings("ignore:the log density raised an error:isogmm.errors.FitWarning")
def test_stan_through_its_interface_keeps_the_contract():
    check_target(stan_model().to_target)


# --- names, groups, data ----------------------------------------------------------------------


def test_names_come_from_paths_and_can_be_changed():
    plain = jax_model(names=None, dims=None)
    assert set(plain.to_target().variables) == {"mean", "group.log_scale", "z.0"}
    target = jax_model().to_target()
    assert dict(target.variables) == {"log_scale": (), "mean": (), "z": (2, 2)}
    assert stan_model().to_target().coordinate_names == ["mu", "sigma"]
    assert LogDensity(jnp.sum, np.zeros(2)).to_target().coordinate_names == ["x[0]", "x[1]"]


def test_groups_of_the_result():
    target = jax_model().to_target()
    positions = np.random.default_rng(0).normal(size=(3, target.dim))
    groups = target.constrain(positions, 0)
    assert set(groups["posterior"]) == {"log_scale", "mean", "z", "scale"}
    np.testing.assert_allclose(groups["posterior"]["scale"], np.exp(positions[:, 0]), rtol=1e-12)
    assert groups["log_likelihood"]["y"].shape == (3, 4)
    assert list(target.observed_data) == ["y"]
    assert list(target.constant_data) == ["weight"]


def test_constrain_replaces_a_variable_of_equal_name():
    groups = stan_model().to_target().constrain(np.array([[0.5, 1.0]]), 0)
    assert groups["posterior"]["sigma"][0] == pytest.approx(math.e)


def test_log_density_equals_the_function():
    target = jax_model().to_target()
    position = np.random.default_rng(3).normal(size=target.dim)
    point = {
        "group": {"log_scale": position[0]},
        "mean": position[1],
        "z": [position[2:].reshape(2, 2)],
    }
    expected = jax_fn(point, {"y": Y})
    assert float(target.evaluate(position)[0]) == pytest.approx(float(expected), abs=1e-12)


def test_starts_scatter_around_the_given_position():
    initial = {"mean": 10.0, "group": {"log_scale": -5.0}, "z": [np.full((2, 2), 3.0)]}
    starts = jax_model(initial=initial).to_target().initial_positions(np.random.default_rng(0), 50)
    np.testing.assert_array_equal(starts[0], [-5.0, 10.0, 3.0, 3.0, 3.0, 3.0])
    assert 0 < np.abs(starts - starts[0]).max() <= 1.0


def test_starts_from_a_function_flat_or_nested():
    def flat(generator, n):
        return generator.normal(size=(n, 3))

    def nested(generator, n):
        return {"mean": np.arange(float(n)), "z": np.zeros((n, 2))}

    generator = np.random.default_rng(0)
    model = LogDensity(None, np.zeros(3), value_and_grad=numpy_both, initial=flat)
    assert model.to_target().initial_positions(generator, 4).shape == (4, 3)
    starts = tree_model(initial=nested).to_target().initial_positions(generator, 4)
    np.testing.assert_array_equal(starts, [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])


# --- programs ---------------------------------------------------------------------------------


def test_other_data_of_equal_shape_share_the_programs():
    traces = []

    def counted(x, data):
        traces.append(1)
        return -0.5 * jnp.sum((x - data) ** 2)

    model = LogDensity(counted, np.zeros(2), data=np.zeros(2))
    first = model.to_target()
    first.evaluate(np.zeros((2, 2)))
    first.constrain(np.zeros((2, 2)), 0)
    count = len(traces)
    second = model.with_data(np.ones(2)).to_target()
    assert float(second.evaluate(np.zeros(2))[0]) == pytest.approx(-1.0)
    assert float(first.evaluate(np.zeros(2))[0]) == 0.0
    assert len(traces) == count
    assert second.num_programs() == 2
    # Data of another shape have their own program.
    longer = LogDensity(counted, np.zeros(1), data=np.zeros(2)).with_data(np.ones(5)).to_target()
    assert float(longer.evaluate(np.zeros(1))[0]) == pytest.approx(-2.5)


def test_data_of_another_type_have_their_own_program():
    """A program for integers would round the data."""
    model = LogDensity(
        lambda x, n: -jnp.sum(n.astype(x.dtype) * x**2), np.zeros(2), data=np.array([1, 2])
    )
    ones = np.ones(2)
    assert float(model.to_target().evaluate(ones)[0]) == -3.0
    assert float(model.with_data(np.array([0.5, 0.25])).to_target().evaluate(ones)[0]) == -0.75


def test_the_gradient_is_checked_with_other_data():
    def fn(x, data):
        return -jnp.sum(jnp.sqrt(data * x**2))

    model = LogDensity(fn, np.ones(2), data=np.ones(2))
    model.to_target()
    with pytest.raises(ModelError, match=r"gradient is NaN for x\[1\]"):
        model.with_data(np.array([1.0, 0.0])).to_target()


def test_rows_that_equal_the_first_one_are_not_all_padding():
    target = LogDensity(None, np.zeros(3), value_and_grad=numpy_both).to_target()
    positions = np.array([[1.0] * 3, [1.0] * 3, [2.0] * 3, [1.0] * 3, [3.0] * 3, [1.0] * 3])
    values, gradients = target.evaluate_batch(positions)
    np.testing.assert_allclose(values, [numpy_fn(x) for x in positions], rtol=1e-14)
    np.testing.assert_allclose(gradients, [numpy_gradient(x) for x in positions], rtol=1e-14)


def test_padding_and_repeated_rows_are_not_evaluated_again():
    calls = []

    def counted(x):
        calls.append(1)
        return numpy_both(x)

    target = LogDensity(None, np.zeros(3), value_and_grad=counted).to_target()
    calls.clear()
    positions = np.random.default_rng(0).normal(size=(5, 3))
    values, _ = target.evaluate(positions)
    assert len(calls) == 5
    np.testing.assert_allclose(values, [numpy_fn(x) for x in positions], rtol=1e-14)


def test_float32_leaves_reach_the_function_as_float32():
    seen = []

    def fn(x):
        seen.append((x["a"].dtype, x["b"].dtype))
        return -jnp.sum(x["a"].astype(float) ** 2) - x["b"] ** 2

    LogDensity(fn, {"a": np.zeros(2, np.float32), "b": 0.0}).to_target()
    wide = np.dtype(jax.dtypes.canonicalize_dtype(np.float64))
    assert set(seen) == {(np.dtype("float32"), wide)}


# --- functions that live elsewhere ------------------------------------------------------------


@pytest.mark.slow
def test_a_pool_of_processes_evaluates_the_batch():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        # Workers must import the function by name, so it is not defined in this file.
        model = LogDensity(
            None,
            np.zeros(5),
            value_and_grad=rosenbrock,
            map=functools.partial(pool.map, chunksize=8),
        )
        target = model.to_target()
        positions = np.random.default_rng(0).normal(size=(20, 5))
        values, gradients = target.evaluate(positions)
    expected = [rosenbrock(x) for x in positions]
    np.testing.assert_allclose(values, [value for value, _ in expected], rtol=1e-14)
    np.testing.assert_allclose(gradients, [gradient for _, gradient in expected], rtol=1e-14)


def test_torch_functions():
    torch = pytest.importorskip("torch")

    def value_and_grad(x):
        x = torch.tensor(x, requires_grad=True)
        value = -0.5 * (torch.tensor(PRECISIONS) * x**2).sum()
        value.backward()
        return value.item(), x.grad.numpy()

    model = LogDensity(None, np.zeros(3), value_and_grad=value_and_grad)
    value, gradient = model.to_target().evaluate(np.ones(3))
    assert float(value) == pytest.approx(-0.5 * PRECISIONS.sum())
    np.testing.assert_allclose(gradient, -PRECISIONS)


def test_an_error_outside_the_support_is_a_point_without_density():
    target = stan_model().to_target()
    with pytest.warns(FitWarning, match="Scale parameter"):
        values, gradients = target.evaluate(np.array([[0.0, 0.0], [0.0, 500.0], [1.0, 0.0]]))
    assert np.isfinite(values[[0, 2]]).all()
    assert values[1] == -np.inf
    assert (gradients[1] == 0).all()
    # The warning is given once.
    assert target.evaluate(np.array([0.0, 500.0]))[0] == -np.inf


def test_other_errors_are_raised():
    def broken(x):
        raise KeyError("beta")

    with pytest.raises(KeyError, match="beta"):
        LogDensity(None, np.zeros(2), value_and_grad=broken)


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: LogDensity(lambda x: -(x**2), np.zeros(3)), ModelError, r"one number.*\(3,\)"),
        (lambda: LogDensity(lambda x: (jnp.sum(x), x), np.zeros(3)), ModelError, "one number"),
        (
            lambda: LogDensity(numpy_fn, np.zeros(3)),
            ModelError,
            r"cannot be traced.*gradient= or value_and_grad=",
        ),
        (
            lambda: LogDensity(lambda x: math.sin(x), 0.0),
            ModelError,
            "cannot be traced",
        ),
        (lambda: LogDensity(jnp.sum, {"n": np.zeros(2, int)}), ModelError, r"int64.*'n'.*0\.0"),
        (lambda: LogDensity(jnp.sum, 0), ModelError, "floating point"),
        (lambda: LogDensity(jnp.sum, {}), ModelError, "no free continuous parameter"),
        (
            lambda: LogDensity(numpy_fn, np.zeros(3), gradient=lambda x: np.zeros(4)),
            ModelError,
            r"gradient has shape \(4,\).*expected \(3,\)",
        ),
        (
            lambda: tree_model(value_and_grad=lambda x, data: (0.0, {"mean": 0.0})),
            ModelError,
            "structure",
        ),
        (
            lambda: tree_model(
                value_and_grad=lambda x, data: (0.0, {"mean": 0.0, "z": np.zeros(3)})
            ),
            ModelError,
            r"\(3,\) for 'z', expected \(2,\)",
        ),
        (
            lambda: LogDensity(None, np.zeros(3), value_and_grad=numpy_fn),
            ModelError,
            "pair",
        ),
        (
            lambda: LogDensity(None, np.zeros(3), value_and_grad=numpy_both, vectorized=True),
            ModelError,
            r"shape \(1,\), not \(\)",
        ),
        (lambda: LogDensity(None, np.zeros(3)), ModelError, "value_and_grad="),
        (lambda: LogDensity(3.0, np.zeros(3)), ModelError, "not float"),
        (lambda: jax_model(names={"skale": "x"}), OptionError, "skale"),
        (lambda: jax_model(names=["a", "b"]), OptionError, "2 entries"),
        (lambda: jax_model(names=["a", "a", "b"]), OptionError, "same name"),
        (lambda: jax_model(dims={"theta": ("k",)}), OptionError, "theta"),
        (lambda: jax_model(constrain=lambda x, data: x["mean"]), ModelError, "must return a dict"),
        (
            lambda: LogDensity(jnp.sum, np.zeros(2), vectorized=True),
            OptionError,
            "vectorized",
        ),
        (
            lambda: LogDensity(
                numpy_fn, np.zeros(3), gradient=numpy_gradient, value_and_grad=numpy_both
            ),
            OptionError,
            "one of them",
        ),
    ],
)
def test_invalid_input_is_named(make, error, words):
    with pytest.raises(error, match=words):
        make().to_target()


def test_a_gradient_that_is_nan_at_the_example_names_the_variable():
    def trap(x):
        # The branch that is not taken divides by zero in the derivative.
        root = jnp.where(x["a"] > 0, jnp.sqrt(x["a"]), 0.0)
        return -(root**2) - x["b"] ** 2

    with pytest.raises(ModelError, match=r"NaN for a\. .*jnp\.where"):
        LogDensity(trap, {"a": 0.0, "b": 0.0}).to_target()

    def nan_gradient(x):
        return 0.0, np.array([0.0, np.nan, 0.0])

    with pytest.raises(ModelError, match=r"x\[1\]"):
        LogDensity(None, np.zeros(3), value_and_grad=nan_gradient).to_target()


def test_a_target_and_a_log_density_take_no_arguments():
    model = LogDensity(lambda x: -0.5 * x @ x, np.zeros(1))
    for given in (model, model.to_target()):
        for args, kwargs in (((1.0,), {}), ((), {"y": 1.0})):
            with pytest.raises(OptionError, match="takes no arguments"):
                to_target(given, args, kwargs, 0)
