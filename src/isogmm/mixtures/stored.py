"""The mixture of an earlier fit, read from its result."""

from collections.abc import Sequence

from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture, mixture_of
from isogmm.mixtures.check_parameters import check_parameters
from isogmm.mixtures.tables import read_tables
from isogmm.model.target import Target
from isogmm.results.groups import Result, arviz_name, get_group

#: Names of coordinates that an error message lists.
MAX_NAMES = 5
#: The mixture of a result, as the subject of a message.
STORED = "the mixture in the group 'fit' of the result"


def mixture_from(idata: Result) -> AbstractMixture:
    """The mixture of every chain; see :meth:`AbstractMixture.from_idata`."""
    return AbstractMixture.from_idata(idata)


def resume_mixture(idata: Result, target: Target) -> AbstractMixture:
    """The mixture of an earlier fit, if its coordinates are those of the target.

    Raises
    ------
    OptionError
        If names or shapes of the variables differ: the message lists them.  Also if the stored
        parameters are not those of a mixture.
    """
    arrays, affine_map = read_tables(idata)
    check_coordinates(idata, target)
    check_parameters(arrays, STORED)
    return mixture_of(arrays, affine_map)


def check_coordinates(idata: Result, target: Target) -> None:
    """Raise OptionError if the coordinates of a result are not those of the target."""
    before = [str(name) for name in get_group(idata, "fit")["coordinate"].values]
    now = [arviz_name(name) for name in target.coordinate_names]
    if before != now:
        removed = [name for name in before if name not in now]
        added = [name for name in now if name not in before]
        detail = (
            f"Only in the result: {_listed(removed)}; only in the model: {_listed(added)}"
            if removed or added
            else f"Their order differs: {_listed(before)} in the result, {_listed(now)} here"
        )
        raise OptionError(
            f"the result belongs to a model with other variables ({len(before)} coordinates; this "
            f"model has {len(now)}). {detail}. Pass a result of this model."
        )


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    shown = ", ".join(names[:MAX_NAMES]) or "none"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > MAX_NAMES else shown
