"""The mixture of an earlier fit, read from its result."""

from collections.abc import Sequence
from typing import Any

from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.model.target import Target
from isogmm.results.groups import arviz_name, get_group


def mixture_from(idata: Any) -> AbstractMixture:
    """The mixture of every chain; see :meth:`AbstractMixture.from_idata`."""
    return AbstractMixture.from_idata(idata)


def resume_mixture(idata: Any, target: Target) -> AbstractMixture:
    """The mixture of an earlier fit, if its coordinates are those of the target.

    Raises
    ------
    OptionError
        If names or shapes of the variables differ: the message names them.
    """
    mixture = mixture_from(idata)
    before = [str(name) for name in get_group(idata, "fit")["coordinate"].values]
    now = [arviz_name(name) for name in target.coordinate_names]
    if before != now:
        gone = [name for name in before if name not in now]
        new = [name for name in now if name not in before]
        detail = (
            f"only in the result: {_few(gone)}; only in the model: {_few(new)}"
            if gone or new
            else f"the order differs: {_few(before)} in the result, {_few(now)} in the model"
        )
        raise OptionError(
            f"resume= holds a fit of other variables ({len(before)} coordinates, the model has "
            f"{len(now)}). {detail}. Resume with the result of this model."
        )
    return mixture


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) or "none"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 5 else shown
