"""The user's labels in the advice, in the messages and in the result of a fit."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm import inference_data as idt
from isogmm.errors import ModelError

pytestmark = [pytest.mark.usefixtures("unchecked", "short_search"), pytest.mark.weak_dtypes]

QUICK = {"random_seed": 0, "draws": 100, "chains": 2, "progressbar": False}
LABELS = {"dims": {"x": ["dose"]}, "coords": {"dose": ["low", "high"]}}


def improper(x):
    """A posterior whose second coordinate decays as slowly as |t|^-0.8."""
    return -0.5 * x[0] ** 2 - 0.4 * jnp.log1p(x[1] ** 2)


def message_of(model, **options):
    """The error or the warnings of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            isogmm.fit_isogmm(model, **QUICK, **options)
        except ModelError as error:
            return str(error)
    return " ".join(str(one.message) for one in caught)


def test_advice_names_the_label():
    model = isogmm.LogDensity(improper, np.zeros(2))
    # Few gradients: the density has no variance, which no number of them estimates.
    few = isogmm.Refine(max_gradients=10_000)
    message = message_of(model, idata_kwargs=LABELS, max_iterations=200, refine=few)
    assert "x[high]" in message
    assert "x[1]" not in message


@pytest.mark.long
@pytest.mark.pymc
def test_all_views_of_a_pymc_model_show_its_labels(tmp_path):
    import pymc as pm

    with pm.Model(coords={"dose": ["none", "1 mg/l", "2 mg/l"]}) as model:
        sd = pm.HalfNormal("sd", 1.0, dims="dose")
        pm.Dirichlet("share", np.ones(3), dims="dose")
        pm.Normal("y", 0.0, sd, observed=np.ones(3), dims="dose")
    idata = isogmm.fit_isogmm(model, **QUICK)
    idt.save(idata, tmp_path / "fit.nc")
    for result in (idata, idt.load(tmp_path / "fit.nc")):
        report = str(isogmm.report(result))
        assert "sd[1 mg/l]" in report
        assert "sd[1]" not in report
        # The transform of a simplex changes the size of its dimension.
        assert "share[0]" in report
        axes = isogmm.plot_modes(result, "sd", coords={"dose": ["2 mg/l", "none"]})
        assert axes[-1].get_xlabel() == "sd[2 mg/l] (unconstrained)"
    # A fit is continued by the numbers of its coordinates, which do not depend on the labels.
    again = isogmm.fit_isogmm(model, **QUICK, resume=idata)
    assert again.attrs["num_components"] == idata.attrs["num_components"]


@pytest.mark.long
@pytest.mark.numpyro
def test_labels_of_a_numpyro_model_come_from_the_options():
    import numpyro
    import numpyro.distributions as dist

    def model():
        with numpyro.plate("dose", 2):
            numpyro.sample("sd", dist.HalfNormal(1.0))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing is observed
        idata = isogmm.fit_isogmm(
            model, **QUICK, idata_kwargs={"coords": {"dose": ["low", "high"]}}
        )
    report = str(isogmm.report(idata))
    assert "sd[high]" in report
    assert "sd[1]" not in report
