"""What the PyMC adapter compiles, keeps and leaves alone."""

import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest

pm = pytest.importorskip("pymc")
import pytensor  # noqa: E402
import pytensor.sparse  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from pytensor.graph.basic import Apply  # noqa: E402
from pytensor.graph.op import Op  # noqa: E402
from scipy.sparse import csr_matrix  # noqa: E402

from isogmm.errors import FitWarning, ModelError  # noqa: E402
from isogmm.model.programs.size import BATCH_ROWS_OF_LOOPS  # noqa: E402
from isogmm_pymc import PyMCAdapter  # noqa: E402
from isogmm_pymc._graphs import graphs  # noqa: E402
from isogmm_pymc._programs import compiled_models  # noqa: E402
from isogmm_pymc._programs.to_jax import jax_dispatcher  # noqa: E402
from isogmm_pymc._programs.workers import apply_settings, worker_settings  # noqa: E402
from isogmm_pymc._target import _compile_and_initialize  # noqa: E402

pytestmark = pytest.mark.pymc

Y = np.random.default_rng(5).normal(size=8)


def to_target(model, **kwargs):
    return PyMCAdapter().to_target(model, (), kwargs, 0)


def simple():
    with pm.Model() as model:
        y = pm.Data("y", Y)
        mu = pm.Normal("mu", 0, 1)
        sigma = pm.HalfNormal("sigma", 1)
        pm.Deterministic("double", 2 * mu)
        pm.Normal("obs", mu, sigma, observed=y)
    return model


def pymc_density(model, target, position):
    names = [value.name for value in model.value_vars]
    parts = target.unravel(position).values()
    point = dict(zip(names, parts, strict=True))
    return float(model.compile_logp(mode="FAST_COMPILE")(point))


@pytest.mark.long
def test_a_second_target_compiles_nothing_and_new_data_are_seen():
    model = simple()
    first = to_target(model)
    first.prepare()
    position = np.array([0.2, -0.3])
    before, _ = first.evaluate(position)
    first.evaluate(position[None])
    first.constrain(position[None], 0)
    assert first.num_programs() == 2
    with model:
        pm.set_data({"y": Y + 1})
    second = to_target(model)
    second.prepare()
    after, _ = second.evaluate(position[None])
    likelihood = second.constrain(position[None], 0)["log_likelihood"]["obs"]
    assert second.num_programs() == 2
    np.testing.assert_allclose(after[0], pymc_density(model, second, position), rtol=1e-12)
    np.testing.assert_array_equal(second.observed_data["obs"], Y + 1)
    assert likelihood.shape == (1, 8)
    # The first target keeps the data it was made with.
    assert first.evaluate(position)[0] == before != after[0]


@pytest.mark.long
def test_data_of_another_shape_get_programs_of_their_own():
    model = simple()
    to_target(model)
    with model:
        pm.set_data({"y": np.concatenate([Y, Y])})
    target = to_target(model)
    position = np.array([0.2, -0.3])
    expected = pymc_density(model, target, position)
    np.testing.assert_allclose(target.evaluate(position)[0], expected, rtol=1e-12)
    assert target.constrain(position[None], 0)["log_likelihood"]["obs"].shape == (1, 16)


def test_sparse_matrices_are_constants_and_new_ones_are_seen():
    dense = np.random.default_rng(6).normal(size=(30, 3))
    sparse_data = pytensor.shared(csr_matrix(dense))
    with pm.Model() as model:
        slopes = pm.Normal("slopes", 0, 1, shape=3)
        mean = pytensor.sparse.dot(sparse_data, slopes[:, None])[:, 0]
        pm.Normal("obs", mean, 1, observed=np.zeros(30))
    position = np.array([0.2, -0.3, 1.0])
    before, _ = to_target(model).evaluate(position)
    assert before == pytest.approx(pymc_density(model, to_target(model), position), rel=1e-12)
    # SciPy's text of a matrix this large shows its first and last entries only.
    dense[15] += 1.0
    sparse_data.set_value(csr_matrix(dense))
    after, _ = to_target(model).evaluate(position)
    assert after == pytest.approx(pymc_density(model, to_target(model), position), rel=1e-12)
    assert abs(after - before) > 1e-3


def test_shared_variables_with_the_name_of_other_data_keep_their_values():
    """A shared variable once got the values of the ``pm.Data`` of the same name."""
    with pm.Model() as model:
        y = pm.Data("y", np.full(3, 5.0))
        slope = pm.Normal("slope", 0, 1)
        mean = slope * pytensor.shared(np.ones(3), name="y")
        pm.Normal("obs", mean, 1, observed=y)
    target = to_target(model)
    position = np.array([0.3])
    expected = pymc_density(model, target, position)
    np.testing.assert_allclose(target.evaluate(position)[0], expected, rtol=1e-12)


def test_sparse_matrices_are_told_apart_by_the_places_of_their_numbers():
    first, second = (csr_matrix(np.array([row])) for row in ([1.0, 0.0], [0.0, 1.0]))
    assert graphs._signature_of(first) != graphs._signature_of(second)
    assert graphs._signature_of(first) == graphs._signature_of(first.copy())


def test_data_of_deterministic_variables_are_inputs():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Deterministic("scaled", mu * pm.Data("unit", 2.0))
        pm.Normal("obs", mu, 1, observed=pm.Data("y", Y))
    found = graphs.read_graphs(model, graphs.value_shapes(model))
    assert {shared.name for shared in found.data} == {"unit", "y"}


def test_what_is_kept_belongs_to_the_settings_of_the_model():
    model = simple()
    first = compiled_models.compiled_model(model, ())
    assert compiled_models.compiled_model(model, ()) is first
    second = compiled_models.compiled_model(model, ("double",))
    assert second is not first
    model.check_bounds = False
    assert compiled_models.compiled_model(model, ("double",)) is not second


def test_programs_belong_to_the_shapes_of_the_values(monkeypatch):
    """The data keep their shape, and the number of groups changes."""
    programs = object.__new__(compiled_models.JaxModelPrograms)
    monkeypatch.setattr(compiled_models, "JaxModelPrograms", lambda *args: programs)
    with pm.Model() as model:
        group = pm.Data("group", [0, 1, 1])
        level = pm.Normal("level", shape=group.max() + 1)
        pm.Normal("obs", level[group], 1, observed=np.zeros(3))
    compiled = compiled_models.compiled_model(model, ())
    for labels in ([0, 1, 1], [0, 1, 2]):
        pm.set_data({"group": labels}, model=model)
        compilation, point = _compile_and_initialize(compiled, model, 0)
        assert compilation.graphs.shapes == ((max(labels) + 1,),)
        assert point["level"].shape == (max(labels) + 1,)


def test_workers_get_the_precision_of_the_user():
    with pytensor.config.change_flags(floatX="float32"):
        settings = worker_settings()
    with pytensor.config.change_flags(floatX="float64"):
        apply_settings(settings)
        assert pytensor.config.floatX == "float32"


@pytest.mark.long
def test_a_variable_added_later_is_seen():
    model = simple()
    assert to_target(model).dim == 2
    with model:
        pm.Normal("extra", 0, 1, shape=2)
    target = to_target(model)
    assert target.dim == 4
    position = np.array([0.2, -0.3, 1.0, 2.0])
    expected = pymc_density(model, target, position)
    np.testing.assert_allclose(target.evaluate(position)[0], expected, rtol=1e-12)


@pytest.mark.long
def test_lengths_of_dimensions_follow_the_data():
    with pm.Model(coords={"row": range(3)}) as model:
        model.add_coord("group", ["a", "b"])
        y = pm.Data("y", Y[:3], dims="row")
        level = pm.Normal("level", 0, 1, dims="row")
        pm.Normal("obs", level, 1, observed=y, dims="row")
    assert to_target(model).variables == {"level": (3,)}
    with model:
        pm.set_data({"y": Y[:5]}, coords={"row": range(5)})
    target = to_target(model)
    assert target.variables == {"level": (5,)}
    assert list(target.coords["row"]) == [0, 1, 2, 3, 4]


@pytest.mark.long
def test_programs_do_not_keep_the_model_alive():
    model = simple()
    to_target(model)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_the_model_of_an_open_context_is_taken():
    adapter = PyMCAdapter()
    assert not adapter.recognizes(None)
    with simple() as model:
        assert adapter.recognizes(None)
        target = adapter.to_target(None, (), {}, 0)
    assert adapter.recognizes(model)
    assert list(target.variables) == ["mu", "sigma"]
    with pytest.raises(ModelError, match="no PyMC context is open"):
        adapter.to_target(None, (), {}, 0)


@pytest.mark.long
def test_processwide_settings_stay_as_they_are():
    code = """
import os, sys
import isogmm_pymc
assert not {"pymc", "pytensor", "bambi", "arviz"} & set(sys.modules)
import jax, numpy as np, pymc as pm
with pm.Model() as model:
    mu = pm.Normal("mu", 0, 1)
    pm.Normal("obs", mu, 1, observed=np.ones(3))
target = isogmm_pymc.PyMCAdapter().to_target(model, (), {}, 0)
value, gradient = target.evaluate(np.array([0.1]))
expected = -0.5 * 0.1**2 - 1.5 * 0.9**2 - 2 * np.log(2 * np.pi)
assert abs(value - expected) < 1e-13, value - expected
assert abs(gradient[0] - (-0.1 + 3 * 0.9)) < 1e-13
assert target.constrain(np.array([[0.1]]), 0)["posterior"]["mu"].dtype == np.float64
assert not jax.config.jax_enable_x64
assert jax.numpy.ones(1).dtype == "float32"
assert "XLA_FLAGS" not in os.environ
assert "pymc.sampling.jax" not in sys.modules
"""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("XLA_FLAGS", "JAX_ENABLE_X64")
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Square(Op):
    """A black box: PyTensor can evaluate it, and differentiate it where it says how."""

    __props__ = ("with_gradient",)

    def __init__(self, with_gradient=True):
        self.with_gradient = with_gradient

    def make_node(self, x):
        x = pt.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.asarray(inputs[0] ** 2)

    def grad(self, inputs, output_gradients):
        if not self.with_gradient:
            raise NotImplementedError("Square has no gradient")
        return [2 * inputs[0] * output_gradients[0]]

    def pullback(self, inputs, outputs, cotangents):
        return self.grad(inputs, cotangents)


def black_box(with_gradient=True):
    with pm.Model() as model:
        y = pm.Data("y", Y)
        mu = pm.Normal("mu", 0, 1)
        sigma = pm.HalfNormal("sigma", 1)
        pm.Deterministic("square", Square(with_gradient)(mu))
        pm.Normal("obs", Square(with_gradient)(mu), sigma, observed=y)
    return model


def test_an_operation_without_a_jax_form_is_evaluated_by_pytensor():
    model = black_box()
    with pytest.warns(FitWarning, match=r"Square.* has no JAX form.*A gradient takes .* ms"):
        target = to_target(model)
    positions = np.array([[0.2, -0.3], [1.0, 0.4], [-2.0, 0.0]])
    values, gradients = target.evaluate(positions)
    slope = model.compile_dlogp(mode="FAST_COMPILE")
    for position, value, gradient in zip(positions, values, gradients, strict=True):
        np.testing.assert_allclose(value, pymc_density(model, target, position), rtol=1e-12)
        point = {"mu": position[0], "sigma_log__": position[1]}
        np.testing.assert_allclose(gradient, slope(point), rtol=1e-10)
    groups = target.constrain(positions, 0)
    np.testing.assert_allclose(groups["posterior"]["square"], positions[:, 0] ** 2)
    np.testing.assert_allclose(groups["posterior"]["sigma"], np.exp(positions[:, 1]))
    assert groups["log_likelihood"]["obs"].shape == (3, 8)
    with model:
        pm.set_data({"y": Y - 2})
    with pytest.warns(FitWarning, match="Square"):
        again = to_target(model)
    value, _ = again.evaluate(positions[0])
    np.testing.assert_allclose(value, pymc_density(model, again, positions[0]), rtol=1e-12)


class WrongInJax(Square):
    """A black box whose form in JAX is NaN."""


def test_a_density_that_is_finite_in_pytensor_alone_is_evaluated_there():
    jax_dispatcher().register(WrongInJax)(lambda op, **_: lambda x: x * np.nan)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("obs", WrongInJax()(mu), 1, observed=Y)
    with pytest.warns(FitWarning, match="finite at the initial point in PyTensor, not in JAX"):
        target = to_target(model)
    position = np.array([0.5])
    expected = pymc_density(model, target, position)
    np.testing.assert_allclose(target.evaluate(position)[0], expected, rtol=1e-12)


def test_an_operation_without_any_gradient_is_an_error():
    with pytest.raises(ModelError, match=r"cannot be differentiated.*Square"):
        to_target(black_box(with_gradient=False))


def test_a_deterministic_without_a_jax_form_leaves_the_fit_in_jax():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Deterministic("square", Square()(mu))
        pm.Normal("obs", mu, 1, observed=Y)
    with pytest.warns(FitWarning, match="the fit itself runs in JAX"):
        target = to_target(model)
    target.prepare()
    assert target.batch_size > 1
    groups = target.constrain(np.array([[3.0]]), 0)
    np.testing.assert_allclose(groups["posterior"]["square"], [9.0])
    position = np.array([0.5])
    expected = pymc_density(model, target, position)
    np.testing.assert_allclose(target.evaluate(position)[0], expected, rtol=1e-12)
    assert target.num_programs() == 2


@pytest.mark.long
def test_a_log_density_that_jax_cannot_differentiate_goes_through_pytensor():
    with pm.Model() as model:
        shape = pm.HalfNormal("shape", 2)
        distribution = pm.Beta.dist(shape, 1.5)
        pm.Censored("obs", distribution, lower=0.2, upper=None, observed=np.linspace(0.2, 0.9, 8))
    with pytest.warns(FitWarning, match="JAX cannot compile the model .*PyTensor's compiled"):
        target = to_target(model)
    # PyTensor rounds the 32-bit constants of this density differently from graph to graph.
    expected = float(model.compile_logp()({"shape_log__": 0.3}))
    value, gradient = target.evaluate(np.array([0.3]))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    slope = model.compile_dlogp()({"shape_log__": 0.3})
    np.testing.assert_allclose(gradient, slope, rtol=1e-6)


@pytest.mark.long
def test_costly_factorizations_get_small_batches():
    """The rows of the program and those that the target fills are the same."""
    x = np.linspace(0.0, 1.0, 25)
    with pm.Model() as model:
        length = pm.InverseGamma("length", 5, 1)
        noise = pm.HalfNormal("noise", 1)
        covariance = pt.exp(-0.5 * ((x[:, None] - x) / length) ** 2) + noise**2 * pt.eye(25)
        pm.MvNormal("y", np.zeros(25), cov=covariance, observed=np.sin(6 * x))
    target = PyMCAdapter().to_target(model, (), {}, 0)
    assert target.batch_size == BATCH_ROWS_OF_LOOPS
    positions = np.random.default_rng(0).normal(size=(BATCH_ROWS_OF_LOOPS + 5, 2))
    together, _ = target.evaluate(positions)
    logp = model.compile_logp()
    alone = [logp({"length_log__": row[0], "noise_log__": row[1]}) for row in positions]
    np.testing.assert_allclose(together, alone, rtol=1e-6)
