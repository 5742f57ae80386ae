"""Reading the mixture of a result: what is no mixture is named."""

import numpy as np
import pytest

import isogmm
from helpers.results import fitted
from isogmm import inference_data as idt
from isogmm.errors import OptionError

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture
def idata(unchecked):
    return fitted()


@pytest.mark.long
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["means", "variances", "weights"])
def test_numbers_that_are_not_finite_are_named(idata, tmp_path, name, value):
    fit = idt.get_group(idata, "fit").copy(deep=True)
    fit[name].values[1, 2] = value
    idt.add_group(idata, "fit", fit)
    if np.isnan(value):  # a file keeps all numbers
        idt.save(idata, tmp_path / "fit.nc")
        idata = idt.load(tmp_path / "fit.nc")
    with pytest.raises(OptionError, match=f"the {name} of the stored.*chain=1, component=2"):
        isogmm.Mixture.from_idata(idata)


def test_a_resumed_fit_can_increase_a_weight_of_zero(idata):
    fit = idt.get_group(idata, "fit").copy(deep=True)
    weights = fit["weights"].values
    weights[0, 0] = 0.0
    weights[0] /= weights[0].sum()
    idt.add_group(idata, "fit", fit)
    log_weights = isogmm.Mixture.from_idata(idata).log_weights
    assert np.isfinite(log_weights).all()
    np.testing.assert_allclose(np.exp(log_weights), weights, atol=1e-30)


def test_missing_variables_are_named(idata):
    idt.add_group(idata, "fit", idt.get_group(idata, "fit").drop_vars("weights"))
    with pytest.raises(OptionError, match="'fit' of the result has no weights"):
        isogmm.Mixture.from_idata(idata)


def model(x):
    return None


@pytest.mark.parametrize("thing", [model, None, 3, {"fit": {}}, np.ones(3), object()])
def test_what_is_no_result_is_named(thing):
    for function in (
        isogmm.Mixture.from_idata,
        isogmm.GaussianMixture.from_idata,
        isogmm.FactorizedMixture.from_idata,
        isogmm.report,
        isogmm.plot_elbo,
        isogmm.plot_modes,
    ):
        with pytest.raises(OptionError, match=r"must be a result .*not an object of type"):
            function(thing)


def test_a_path_is_to_be_read_first():
    with pytest.raises(OptionError, match=r"isogmm\.inference_data\.load\(path\)"):
        isogmm.Mixture.from_idata("fit.nc")
