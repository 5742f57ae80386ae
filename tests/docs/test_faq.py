"""The messages on the page of questions are what users meet: each is provoked here."""

import re
import warnings

import numpy as np
import pytest

from helpers.pages import page

pytestmark = [pytest.mark.weak_dtypes, pytest.mark.usefixtures("unchecked", "short_search")]

QUOTES = re.findall(r"(?:^> .*\n?)+", page("faq.md"), re.MULTILINE)


def is_quoted(message: str) -> bool:
    """Whether the page has these words, with a dot for what is filled in."""
    message = " ".join(message.split())
    for quote in QUOTES:
        words = " ".join(re.sub(r"^> ", "", quote, flags=re.MULTILINE).split())
        pattern = ".+?".join(re.escape(part) for part in words.split("·"))
        if re.search(pattern, message):
            return True
    return False


def fit(*arguments, **options):
    import isogmm

    return isogmm.fit_isogmm(*arguments, random_seed=0, progressbar=False, **options)


def plain(function, dim=2):
    import isogmm

    return isogmm.LogDensity(function, np.zeros(dim), names="x")


def normal(x):
    return -0.5 * (x**2).sum()


def nowhere():
    import jax.numpy as jnp

    fit(plain(lambda x: jnp.log(-1.0 - x @ x)))


def unknown():
    fit("a model")


def misspelt_method():
    fit(plain(normal), method="ibww")


def no_chains():
    fit(plain(normal), chains=0)


def odd_pairs():
    from isogmm.optimize.gradients import MonteCarlo

    MonteCarlo(num_samples=3)


def unknown_result_option():
    fit(plain(normal), idata_kwargs={"log_likelyhood": False})


def unknown_variable():
    fit(plain(normal), idata_kwargs={"dims": {"y": ["row"]}})


def too_many_dims():
    fit(plain(normal), idata_kwargs={"dims": {"x": ["row", "column"]}})


def too_many_labels():
    fit(plain(normal), idata_kwargs={"dims": {"x": ["row"]}, "coords": {"row": [1, 2, 3]}})


def name_of_a_dimension():
    fit(plain(normal), idata_kwargs={"dims": {"x": ["x"]}})


PLAIN = [nowhere, unknown, too_many_labels]
#: Messages that need no explanation on the page, because each has its remedy.
COMPLETE = {
    misspelt_method: r"unknown method='ibww'.*: choose one of .*, or pass ",
    no_chains: "chains must be a whole number of at least 1, not 0",
    odd_pairs: "num_samples=3 cannot be split into antithetic pairs: give an even number",
    unknown_result_option: r"unknown entries \['log_likelyhood'\].*; known are ",
    unknown_variable: "names .*y.*, which the result does not have; it has .*x",
    too_many_dims: "has 2 names, .* 1 dimension.*: give one name for each dimension",
    name_of_a_dimension: "cannot have these names.* Rename the variable or the dimension",
}


@pytest.mark.parametrize("provoke", PLAIN, ids=lambda provoke: provoke.__name__)
def test_message(provoke):
    with pytest.raises((ValueError, TypeError)) as caught:
        provoke()
    assert is_quoted(str(caught.value)), caught.value


@pytest.mark.parametrize("provoke", COMPLETE, ids=lambda provoke: provoke.__name__)
def test_message_has_its_remedy(provoke):
    with pytest.raises((ValueError, TypeError), match=COMPLETE[provoke]):
        provoke()


@pytest.mark.long
def test_checkpoint_of_another_model(tmp_path):
    path = tmp_path / "fit.npz"
    fit(plain(normal), checkpoint=path, refine=0)
    with pytest.raises(ValueError, match=r"belongs to another model.*another path"):
        fit(plain(normal, dim=3), checkpoint=path, refine=0)


# --- NumPyro ------------------------------------------------------------------------------------


def counts():
    import numpyro
    import numpyro.distributions as dist

    numpyro.sample("n", dist.Poisson(3.0))


def branching():
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal())
    if mu > 0:
        numpyro.sample("y", dist.Normal(mu), obs=1.0)


def with_delta():
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal())
    numpyro.sample("twice", dist.Delta(2 * mu))


def simple(y):
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal())
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu), obs=y)


NUMPYRO = {
    "discrete": (counts,),
    "dynamic": (branching,),
    "nan": (simple, np.array([1.0, np.nan])),
}


@pytest.mark.numpyro
@pytest.mark.parametrize("case", NUMPYRO)
def test_message_numpyro(case):
    with pytest.raises((ValueError, TypeError)) as caught:
        fit(*NUMPYRO[case])
    assert is_quoted(str(caught.value)), caught.value


@pytest.mark.numpyro
@pytest.mark.parametrize(
    ("model", "remedy"),
    [(with_delta, r"write numpyro.deterministic\("), (simple, "model_kwargs=")],
)
def test_message_numpyro_has_its_remedy(model, remedy):
    with pytest.raises(ValueError, match=remedy):
        fit(model)


@pytest.mark.long
@pytest.mark.numpyro
def test_warning_of_a_subsample():
    import numpyro
    import numpyro.distributions as dist

    def model(y):
        mu = numpyro.sample("mu", dist.Normal())
        with numpyro.plate("row", 10, subsample_size=4):
            numpyro.sample("y", dist.Normal(mu), obs=y)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(model, np.ones(4), refine=0)
    assert any(is_quoted(str(warning.message)) for warning in caught)


# --- PyMC ---------------------------------------------------------------------------------------


def pymc_model(case):
    import pymc as pm

    with pm.Model() as model:
        if case == "discrete":
            pm.Poisson("n", 3.0)
        elif case == "start":
            mu = pm.Normal("mu", 0, 1)
            pm.LogNormal("y", mu, 1.0, observed=np.array([0.0, 1.0]))
        elif case == "minibatch":
            y = pm.Minibatch(np.ones(20), batch_size=5)
            pm.Normal("y", pm.Normal("mu", 0, 1), 1.0, observed=y, total_size=20)
        else:
            pm.Normal("y", pm.Normal("mu", 0, 1), 1.0, observed=np.ones(3))
    return model


@pytest.mark.long
@pytest.mark.pymc
@pytest.mark.parametrize("case", ["discrete", "start"])
def test_message_pymc(case):
    with pytest.raises((ValueError, TypeError)) as caught:
        fit(pymc_model(case))
    assert is_quoted(str(caught.value)), caught.value


@pytest.mark.pymc
def test_message_pymc_has_its_remedy():
    with pytest.raises(ValueError, match="it already contains its data"):
        fit(pymc_model(""), 1.0)
    with pytest.raises((ValueError, TypeError), match="pass the model, or call inside"):
        fit()


@pytest.mark.slow
@pytest.mark.pymc
@pytest.mark.filterwarnings("ignore")
def test_warning_of_a_minibatch():
    model = pymc_model("minibatch")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(model, refine=0)
    assert any(is_quoted(str(warning.message)) for warning in caught)


def test_other_words_are_not_quoted():
    assert is_quoted("the whitening matrix is singular to working precision: 0")
    assert not is_quoted("the whitening matrix is singular")
