"""Groups and attributes of a result after a change, and the time limit after an interruption."""

import numpy as np
import pytest
import xarray as xr

from helpers.targets import correlated_gaussian
from isogmm import inference_data as idt
from isogmm.model.fit_target import FitTarget
from isogmm.results.groups import add_attributes
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason


def result():
    draws = xr.Dataset({"x": (("chain", "draw"), np.zeros((2, 3)))}, attrs={"advice": "old"})
    return idt.from_groups({"posterior": draws}, {"advice": "old"})


def test_attributes_are_changed_at_the_root_and_on_the_posterior():
    idata = add_attributes(result(), {"advice": "new", "count": np.int64(3)})
    assert idata.attrs["advice"] == idt.get_group(idata, "posterior").attrs["advice"] == "new"
    assert idt.attributes(idata)["count"] == 3
    # The root counts if both differ.
    idata.attrs["advice"] = "newer"
    assert idt.attributes(idata)["advice"] == "newer"


def test_a_group_that_is_replaced_is_listed_once():
    idata = result()
    for value in (1.0, 2.0):
        group = xr.Dataset({f"a{value:g}": ("z", np.full(3, value))})
        idata = idt.add_group(idata, "extra", group)
    assert idt.group_names(idata) == ["posterior", "extra"]
    assert list(idt.get_group(idata, "extra").data_vars) == ["a2"]


def test_a_store_has_the_attributes_of_the_root(tmp_path):
    pytest.importorskip("zarr")
    idata = result()
    idata.attrs["only_root"] = 1.5
    idt.save(idata, tmp_path / "fit.zarr")
    assert idt.load(tmp_path / "fit.zarr").attrs["only_root"] == 1.5


def test_stages_after_an_interruption_have_no_time_limit():
    target = FitTarget.of(correlated_gaussian(2).target(), 1e4)
    assert target.deadline is not None
    with interruptible(target) as interruption:
        raise KeyboardInterrupt
    assert interruption.reason is StopReason.INTERRUPTED
    assert target.deadline is None
