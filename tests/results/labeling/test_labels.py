"""Labels of every kind: in a dataset, and through netCDF and zarr files."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from helpers.labels import LABELS, OF_PARTS, WITH_MISSING
from isogmm import inference_data as idt
from isogmm.errors import FitWarning
from isogmm.results.building.datasets import dataset

ALL = {**LABELS, **OF_PARTS, **WITH_MISSING}


def result(labels):
    draws = dataset(
        {"x": np.zeros((2, 4, len(labels)))},
        ("chain", "draw"),
        dims={"x": ["g"]},
        coords={"g": labels},
    )
    return idt.from_groups({"posterior": draws})


def labels_of(idata, dim="g"):
    return list(pd.Index(idt.get_group(idata, "posterior")[dim].values, dtype=object))


def are_equal(left, right):
    return len(left) == len(right) and all(
        (pd.isna(one) and pd.isna(other)) or one == other
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("kind", {**LABELS, **WITH_MISSING})
def test_a_result_has_the_labels_of_the_user(kind):
    given = list(ALL[kind])
    if kind == "mixed":
        given = [str(label) for label in given]  # as in NumPy
    if kind == "half precision":
        given = [float(label) for label in given]  # pandas has no such numbers
    assert are_equal(labels_of(result(ALL[kind])), list(pd.Index(given)))


@pytest.mark.parametrize("kind", OF_PARTS)
def test_labels_of_several_parts_are_text(kind):
    assert labels_of(result(OF_PARTS[kind])) == [str(label) for label in OF_PARTS[kind]]


def result_of_all():
    """One dimension for each kind of labels, so that one file has them all."""
    draws = dataset(
        {f"x of {kind}": np.zeros((2, 4, 3)) for kind in ALL},
        ("chain", "draw"),
        dims={f"x of {kind}": [kind] for kind in ALL},
        coords=ALL,
    )
    return idt.from_groups({"posterior": draws})


def check_labels(idata, original):
    for kind, labels in original.items():
        found = labels_of(idata, kind)
        assert are_equal(found, labels), kind
        assert [type(label) for label in found] == [type(label) for label in labels], kind


@pytest.mark.parametrize("ending", [pytest.param(".nc", marks=pytest.mark.long), ".zarr"])
def test_a_file_restores_the_labels(ending, tmp_path):
    if ending == ".zarr":
        pytest.importorskip("zarr")
    path = tmp_path / f"labels{ending}"
    before = result_of_all()
    original = {kind: labels_of(before, kind) for kind in ALL}
    idt.save(before, path)
    check_labels(idt.load(path), original)
    # Saving does not change the result, and a file can be written again.
    check_labels(before, original)
    idt.save(idt.load(path), path)
    check_labels(idt.load(path), original)


@pytest.mark.parametrize("kind", ["intervals", "periods", "Enum", "text and None"])
def test_functions_of_xarray_write_and_read_stored_labels(kind, tmp_path):
    before = result(LABELS[kind])
    stored = idt.with_stored_labels(before)
    stored.to_netcdf(str(tmp_path / "theirs.nc"), engine="h5netcdf")
    with xr.open_datatree(tmp_path / "theirs.nc", engine="h5netcdf") as tree:
        posterior = tree["posterior"].to_dataset().load()
    assert posterior["g"].values.tolist() == [str(label) for label in labels_of(before)]
    again = idt.with_original_labels(idt.from_groups({"posterior": posterior}))
    assert labels_of(again) == labels_of(before)


def test_an_unknown_type_of_labels_is_written_as_text_with_a_warning(tmp_path):
    with pytest.warns(FitWarning, match=r"dimension 'g'.*labels of type type.*use text"):
        idt.save(result([int, float, str]), tmp_path / "types.nc")
    assert labels_of(idt.load(tmp_path / "types.nc"))[0] == "<class 'int'>"


def test_an_enum_that_the_program_does_not_have_stays_text(tmp_path, monkeypatch):
    idt.save(result(LABELS["Enum"]), tmp_path / "enum.nc")
    monkeypatch.delattr("helpers.labels.Color")
    assert labels_of(idt.load(tmp_path / "enum.nc")) == ["Color.RED", "Color.GREEN", "Color.BLUE"]


def test_a_store_is_replaced(tmp_path):
    pytest.importorskip("zarr")
    for labels in (LABELS["intervals"], LABELS["text"]):
        idt.save(result(labels), tmp_path / "twice.zarr")
    assert labels_of(idt.load(tmp_path / "twice.zarr")) == LABELS["text"]
