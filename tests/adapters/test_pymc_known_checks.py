"""Checks of parameters that always hold are not compiled; all others are kept."""

import numpy as np
import pytest

pm = pytest.importorskip("pymc")

import pytensor.tensor as pt  # noqa: E402
from pymc.logprob.utils import CheckParameterValue  # noqa: E402
from pytensor.graph.fg import FunctionGraph  # noqa: E402

from isogmm.model.to_target import to_target  # noqa: E402
from isogmm_pymc._graphs import known_checks  # noqa: E402
from isogmm_pymc._graphs.known_checks import remove_known_checks  # noqa: E402
from isogmm_pymc._traversal import ancestors  # noqa: E402

pytestmark = pytest.mark.pymc

COUNTS = np.array([0, 1, 3])
LINKS = {
    "exp": (pm.math.exp, True),
    "softplus": (pt.softplus, True),
    "square and sum": (lambda x: x**2 + pm.math.exp(x), True),
    "identity": (lambda x: x, False),
    "difference": (lambda x: pm.math.exp(x) - 1.0, False),
    "negative": (lambda x: -pm.math.exp(x), False),
    "cube": (lambda x: x**3, False),
}


def poisson(link):
    with pm.Model() as model:
        x = pm.Normal("x", shape=3, initval=np.array([0.5, 1.0, 1.5]))
        pm.Poisson("y", link(x), observed=COUNTS)
    return model


def remaining_checks(model):
    graph = FunctionGraph(list(model.value_vars), [model.logp()], clone=True)
    remove_known_checks(graph)
    return [str(n.op) for n in graph.toposort() if isinstance(n.op, CheckParameterValue)]


@pytest.mark.parametrize("name", LINKS)
def test_checks_that_always_hold_are_removed(name):
    link, is_known = LINKS[name]
    checks = remaining_checks(poisson(link))
    assert any("mu >= 0" in check for check in checks) != is_known
    # The constant sd of the prior is known to be positive too.
    assert not any("sigma" in check for check in checks)


def test_a_check_of_a_false_constant_is_kept():
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Normal("y", x, -1.0, observed=1.0)
    assert any("sigma" in check for check in remaining_checks(model))


def test_a_condition_that_may_fail_is_kept():
    with pm.Model() as model:
        x = pm.Normal("x")
        # exp(x) rounds to zero for a small x, and the second parameter is a constant.
        pm.Normal("y", x, pm.math.exp(x), observed=1.0)
        pm.Gamma("z", x, 1.0, observed=1.0)
    checks = remaining_checks(model)
    assert any("sigma > 0" in check for check in checks)
    assert any("alpha > 0" in check for check in checks)


def test_a_part_that_may_fail_makes_a_condition_uncertain():
    x = pt.vector("x")
    is_known, is_unknown = pt.ge(pt.exp(x), 0), pt.ge(x, 0)
    assert known_checks._is_true(pt.all(pt.and_(is_known, is_known)))
    assert not known_checks._is_true(pt.all(pt.and_(is_known, is_unknown)))


@pytest.mark.long
@pytest.mark.parametrize("name", ["exp", "identity"])
def test_values_do_not_change(name):
    model = poisson(LINKS[name][0])
    target = to_target(model, (), {}, 0)
    points = np.array([[0.5, 1.0, 1.5], [-0.5, 1.0, 1.5]])
    expected = [model.compile_logp(mode="FAST_COMPILE")({"x": point}) for point in points]
    expected = np.where(np.isfinite(expected), expected, -np.inf)
    np.testing.assert_allclose(target.evaluate(points)[0], expected, rtol=1e-10)


def test_a_part_of_a_check_that_always_holds_is_a_constant():
    with pm.Model() as model:
        x = pm.Normal("x", shape=(4, 1))
        cut = np.array([-1.0, 0.5])
        pm.OrderedProbit("y", cutpoints=cut, eta=x[:, 0], sigma=1.0, observed=[0, 1, 2, 1])
    graph = FunctionGraph(list(model.value_vars), [model.logp()], clone=True)
    remove_known_checks(graph)
    checks = [n for n in graph.toposort() if isinstance(n.op, CheckParameterValue)]
    (check,) = [n for n in checks if "sum(p)" in str(n.op)]
    operations = [str(v.owner.op) for v in ancestors(check.inputs[1:]) if v.owner]
    assert {"Exp", "Le"} <= set(operations)  # p = exp(log p), and p <= 1
    assert "Ge" not in operations  # p >= 0
