"""The choice of an adapter, and packages that are not installed."""

from types import SimpleNamespace

import pytest

from isogmm.errors import MissingPackageError, require
from isogmm.model import adapter


@pytest.mark.usefixtures("unchecked")
def test_an_adapter_of_one_type_comes_before_that_of_all_functions(monkeypatch):
    found = {name: SimpleNamespace(recognizes=callable) for name in ("numpyro", "other")}
    monkeypatch.setattr(adapter, "installed_adapters", lambda: found)
    assert adapter.find_adapter(print) is found["other"]


def test_an_error_within_an_installed_package_is_not_a_missing_package(tmp_path, monkeypatch):
    (tmp_path / "isogmm_broken.py").write_text("import isogmm_needed")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="isogmm_needed") as caught:
        require("isogmm_broken", extra="pymc")
    assert not isinstance(caught.value, MissingPackageError)
    for name in ("isogmm_absent", "isogmm_absent.part"):
        with pytest.raises(MissingPackageError, match=r"'isogmm_absent'.*\.\[pymc\]"):
            require(name, extra="pymc")
