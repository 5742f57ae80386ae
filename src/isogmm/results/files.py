"""Files of results, netCDF and zarr, that both generations of ArviZ can read."""

import importlib.util
import os

from isogmm.errors import MissingPackageError
from isogmm.results.arviz.versions import from_groups, is_first_generation, read_netcdf
from isogmm.results.arviz.warning_filters import ignore, kept_filters
from isogmm.results.groups import Result
from isogmm.results.labeling.prediction_labels import with_original_labels, with_stored_labels

#: Storage engine of netCDF files; both generations of ArviZ have it.
FILE_ENGINE = "h5netcdf"

#: Ending of the name of a zarr store.
ZARR = ".zarr"


def save(idata: Result, path: str | os.PathLike[str]) -> None:
    """Write a result to a netCDF file, or to a zarr store if the path ends with ``.zarr``.

    An existing file is replaced.  Labels that no file stores, such as intervals and periods, are
    written as text; :func:`load` restores them.

    Parameters
    ----------
    idata
        The result, which does not change.
    path
        Path of the file.

    Raises
    ------
    MissingPackageError
        If the path ends with ``.zarr`` and zarr is not installed.

    Warns
    -----
    FitWarning
        If the result belongs to a model of PyMC 5 and has labels that only :func:`load` restores.
    """
    path, stored = os.fspath(path), with_stored_labels(idata)
    if not path.endswith(ZARR):
        stored.to_netcdf(path, engine=FILE_ENGINE)
        return
    _require_zarr(path)
    # ArviZ 0.x does not support zarr 3, but a DataTree does.
    tree = stored.to_datatree() if is_first_generation() else stored
    with kept_filters():
        # Version 3 of the format does not specify bytes, which a later zarr might read otherwise.
        ignore(message="The data type .*Bytes")
        tree.to_zarr(path, mode="w", consolidated=False)


def load(path: str | os.PathLike[str], model: object = None) -> Result:
    """Read a result into memory and close the file, which can then be replaced or removed.

    Parameters
    ----------
    path
        Path of a netCDF file, or of a zarr store, whose name ends with ``.zarr``.
    model
        The model of the result, if predictions will be made with it.  Its labels are compared with
        those of the result.  A PyMC model whose labels are tuples or NaN needs this call in a
        program that has not fitted it: PyMC can compare such labels only afterwards.

    Returns
    -------
    InferenceData or DataTree
        The result.

    Raises
    ------
    MissingPackageError
        If the path ends with ``.zarr`` and zarr is not installed.

    Warns
    -----
    FitWarning
        If the result belongs to a model of PyMC 5 whose labels differ, or can be compared only if
        ``model`` is given.
    """
    return with_original_labels(_read(os.fspath(path)), model)


def _read(path: str) -> Result:
    """The result as the file stores it."""
    if not path.endswith(ZARR):
        return read_netcdf(path, FILE_ENGINE)
    _require_zarr(path)
    import xarray

    with xarray.open_datatree(path, engine="zarr", consolidated=False) as tree:
        groups = {name: node.to_dataset().load() for name, node in tree.children.items()}
        return from_groups(groups, tree.attrs)


def _require_zarr(path: str) -> None:
    if importlib.util.find_spec("zarr") is None:
        raise MissingPackageError(
            f"{path} ends with {ZARR}, but the package 'zarr' is not installed: run pip install "
            "zarr, or give a path that ends with .nc"
        )
