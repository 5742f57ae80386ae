"""PyMC models that cannot be fitted: the message names the variable and the remedy."""

import re
from importlib.metadata import version

import numpy as np
import pytest

pm = pytest.importorskip("pymc")
import pytensor.tensor as pt  # noqa: E402

from isogmm.errors import FitWarning, ModelError  # noqa: E402
from isogmm_pymc import PyMCAdapter  # noqa: E402
from isogmm_pymc._checks import validation  # noqa: E402
from isogmm_pymc._target import _explain  # noqa: E402

pytestmark = pytest.mark.pymc

Y = np.arange(6.0)
IS_BEFORE_6_4 = tuple(int(part) for part in version("pymc").split(".")[:2]) < (6, 4)


def to_target(model, *args, **kwargs):
    return PyMCAdapter().to_target(model, args, kwargs, 0)


def discrete():
    z = pm.Bernoulli("switch", 0.5, shape=6)
    mu = pm.Normal("mu", 0, 1)
    pm.Normal("obs", mu + z, 1, observed=Y)


def nothing_free():
    pm.Normal("obs", 0, 1, observed=Y)


def missing_in_data():
    mu = pm.Normal("mu", 0, 1)
    pm.Normal("obs", mu, 1, observed=pm.Data("y", Y))
    pm.set_data({"y": np.where(Y == 2, np.nan, Y)})


def outside_the_support():
    rate = pm.Gamma("rate", 2, 1)
    pm.Exponential("waits", rate, observed=Y - 3)


def bad_start():
    mu = pm.Normal("mu", 0, 1, initval=-1.0)
    pm.Potential("positive", pt.switch(mu > 0, 0.0, -np.inf))


def bad_parameter():
    mu = pm.Normal("mu", 0, 1)
    pm.Normal("obs", mu, sigma=-1.0, observed=Y)


def missing_covariate():
    slope = pm.Normal("slope", 0, 1)
    pm.Normal("obs", slope * pm.Data("x", Y), 1, observed=Y)
    pm.set_data({"x": np.where(Y == 2, np.nan, Y)})


def infinite_covariate():
    slope = pm.Normal("slope", 0, 1)
    pm.Normal("obs", slope * np.where(Y == 2, np.inf, Y), 1, observed=Y)


def wrong_total():
    pm.Multinomial("votes", 10, p=pm.Dirichlet("p", np.ones(2)), observed=[[4, 6], [3, 6]])


def labels_from_one():
    level = pm.Normal("level", shape=3)
    pm.Normal("obs", level[np.array([1, 1, 2, 2, 3, 3])], 1, observed=Y)


def index_beyond():
    level = pm.Normal("level", shape=3)
    pm.Normal("obs", level[pm.Data("group", [0, 1, 2, 3, 4, 5])], 1, observed=Y)


def bad_prior():
    pm.Normal("obs", pm.Beta("share", -1.0, 1.0, initval="prior"), 1, observed=Y)


def wrong_length():
    pm.Normal("obs", pm.Normal("slope") * pm.Data("x", Y[:4]), 1, observed=Y)


def wrong_length_of_equal_data():
    # PyTensor leaves out data of zeros, and asserts the shape.
    pm.Normal("obs", pm.Normal("slope") * pm.Data("x", Y[:4]), 1, observed=np.zeros(6))


def column_of_data():
    pm.Normal("obs", pm.Normal("slope") * Y, 1, observed=Y[:, None])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (column_of_data, "log density of 'obs' cannot be computed.*shapes of the data"),
        (infinite_covariate, r"'obs' .* is nan in 1 of 6.*shape \(6,\)\) contain NaN or infinite"),
        (wrong_total, r"'votes' \(Multinomial\) is -inf in 1 of 2 .*the value \[3, 6\]"),
        (labels_from_one, "2 of 6 indices of an array of 3 entries .*begin at 0"),
        (index_beyond, "3 of 6 indices .* of 3 entries .*computed from 'group'"),
        (bad_prior, r"initial value of 'share' \(Beta\).*initval="),
        (wrong_length, "log density of 'obs' cannot be computed.*shapes of the data"),
        (wrong_length_of_equal_data, "log density of 'obs' cannot be computed.*AssertionError"),
        (discrete, r"switch are discrete.*pymc_extras\.marginalize\(model, \['switch'\]\)"),
        (nothing_free, "no free variable"),
        (missing_in_data, r"'obs' contain NaN in 1 of 6 entries, the first at index \(2,\)"),
        (outside_the_support, r"'waits' \(Exponential\) is -inf in 3 of 6 entries.*the value -3"),
        (bad_start, "'positive' is -inf.*initval"),
        (
            bad_parameter,
            r"'obs' \(Normal\) is -inf .*do not satisfy sigma > 0, .*the parameters 0\.?, -1",
        ),
        (missing_covariate, r"'obs' \(Normal\) is nan in 1 of 6 entries.*data x contain NaN"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_the_message_names_the_variable(build, message):
    with pm.Model() as model:
        build()
    with pytest.raises(ModelError, match=message):
        to_target(model)


@pytest.mark.skipif(not IS_BEFORE_6_4, reason="LKJCorr is right from PyMC 6.4 on")
def test_densities_that_are_wrong_in_this_pymc_are_refused():
    with pm.Model() as model:
        pm.LKJCorr("corr", n=3, eta=2)
    with pytest.raises(ModelError, match=r"LKJCorr is wrong in PyMC .* corr .*update PyMC"):
        to_target(model)


@pytest.mark.skipif(IS_BEFORE_6_4, reason="LKJCorr is wrong before PyMC 6.4")
def test_densities_that_were_wrong_are_accepted_again():
    with pm.Model() as model:
        pm.LKJCorr("corr", n=3, eta=2)
    assert to_target(model).dim == 3


@pytest.mark.skipif(not IS_BEFORE_6_4, reason="the constant is right from PyMC 6.4 on")
def test_a_wrong_constant_is_said():
    with pm.Model() as model:
        pm.LKJCholeskyCov("chol", n=2, eta=2, sd_dist=pm.Exponential.dist(1, shape=2))
    with pytest.warns(FitWarning, match="log_evidence is off"):
        to_target(model)


@pytest.mark.parametrize("installed", ["6.4rc1", "7.0.0.dev2", "6.10"])
def test_unfinished_versions_of_pymc_are_read(monkeypatch, installed):
    monkeypatch.setattr(validation, "version", lambda name: installed)
    with pm.Model() as model:
        pm.LKJCorr("corr", n=3, eta=2)
    validation.validate_model(model)  # accepted: no error
    monkeypatch.setattr(validation, "version", lambda name: "6.3.9")
    with pytest.raises(ModelError, match=r"LKJCorr is wrong in PyMC 6\.3\.9"):
        validation.validate_model(model)


def test_missing_counts_say_why_they_are_discrete():
    values = np.ma.masked_array(np.arange(6), mask=np.arange(6) == 2)
    with pm.Model() as model:
        rate = pm.Gamma("rate", 2, 1)
        with pytest.warns(UserWarning, match="imputed"):
            pm.Poisson("counts", rate, observed=values)
    with pytest.raises(ModelError, match="counts_unobserved stand for missing values"):
        to_target(model)


def test_arguments_are_refused():
    with pm.Model() as model:
        pm.Normal("mu", 0, 1)
    with pytest.raises(ModelError, match=r"takes no arguments, but got 3, x=.*pm\.set_data"):
        to_target(model, 3, x=1)
    for args, kwargs in (((3,), {}), ((), {"x": 1})):
        with pytest.raises(ModelError, match="takes no arguments"):
            to_target(model, *args, **kwargs)


@pytest.mark.parametrize("thing", [3, "model", pm.Normal, lambda: None, np.ones(2)])
def test_other_things_are_not_recognized(thing):
    assert not PyMCAdapter().recognizes(thing)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyMC itself
def test_a_simulator_is_refused_by_name():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Simulator(
            "sim", lambda rng, mu, size=None: rng.normal(mu, size=size), mu, observed=np.zeros(3)
        )
    with pytest.raises(
        ModelError, match=r"sim is a pm.Simulator.*use pm.sample_smc|sim .*sample_smc"
    ):
        to_target(model)


def test_nan_in_a_predictor_is_named():
    x = np.arange(6.0)
    x[2] = np.nan
    with pm.Model() as model:
        slope = pm.Normal("slope", 0, 1)
        pm.Normal("obs", slope * x, 1, observed=Y)
    with pytest.raises(
        ModelError, match=r"'obs' .* is nan in 1 of 6.*of shape \(6,\)\) contain NaN"
    ):
        to_target(model)


def test_the_terms_at_a_later_position_are_named():
    with pm.Model() as model:
        shape = pm.Normal("shape", 2, 1)
        pm.Gamma("waits", alpha=shape, beta=1.0, observed=Y + 1)
    text = _explain(model, np.array([[-1.5]]))
    assert re.search(r"In the log density, .*'waits' .* do not satisfy alpha > 0", text)
    assert _explain(model, np.array([[1.5]])) is None


@pytest.mark.parametrize(
    "data",
    [np.asarray, pytest.param(lambda codes: pm.Data("group", codes), marks=pytest.mark.long)],
)
def test_codes_of_missing_labels_are_a_warning_and_a_note(data):
    """pandas.factorize gives -1 for a missing label, which reads the last entry."""
    with pm.Model() as model:
        level = pm.Normal("level", shape=3)
        pm.Normal("obs", level[data(np.array([0, 1, 2, 0, -1, 1]))], 1, observed=Y)
    with pytest.warns(FitWarning, match="1 of 6 indices of an array of 3 entries are -1"):
        target = to_target(model)
    assert any("are -1" in note for note in target.notes)
