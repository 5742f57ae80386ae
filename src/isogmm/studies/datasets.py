"""The data sets of a study: their names, seeds, order and contents."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from isogmm.errors import OptionError
from isogmm.model.adapter import find_adapter
from isogmm.model.log_density import LogDensity
from isogmm.model.target import Target
from isogmm.validation import seed_of

#: A model with the positional and keyword arguments that contain one data set.
Call = tuple[object, tuple[object, ...], Mapping[str, object]]


@dataclass(frozen=True)
class Job:
    """One data set of a study.

    Parameters
    ----------
    index
        Its place among the data sets.
    label
        Its name: the key of the mapping, or the index.
    data
        The data.
    seed
        The seed of its fit, which depends on the seed of the study and on the index alone.
    """

    index: int
    label: str | int
    data: object
    seed: int

    @property
    def digest(self) -> str:
        """A hash of the data."""
        leaves, structure = jax.tree.flatten(self.data)
        found = hashlib.sha256(str(structure).encode())
        for leaf in leaves:
            array = np.asarray(leaf)
            is_plain = array.dtype != object
            found.update(repr((array.shape, str(array.dtype))).encode())
            found.update(np.ascontiguousarray(array).tobytes() if is_plain else repr(leaf).encode())
        return found.hexdigest()[:32]

    @property
    def shape(self) -> str:
        """Structure and shapes of the data; data sets that agree share compiled programs."""
        leaves, structure = jax.tree.flatten(self.data)
        return repr((str(structure), [np.shape(leaf) for leaf in leaves]))


def jobs_of(datasets: Iterable[object] | Mapping[str, object], seed: int) -> list[Job]:
    """The data sets with their names and seeds.

    Raises
    ------
    OptionError
        If there is no data set, or ``datasets`` is one array instead of several data sets.
    """
    if isinstance(datasets, np.ndarray | jax.Array | str | bytes) or not isinstance(
        datasets, Iterable
    ):
        raise OptionError(
            "datasets must be a list of data sets, or a mapping from names to data sets, not "
            f"{type(datasets).__name__}: for the rows of an array pass list(array)"
        )
    named = datasets if isinstance(datasets, Mapping) else dict(enumerate(datasets))
    if not named:
        raise OptionError("datasets is empty: pass at least one data set")
    return [
        Job(index, label, data, seed_of(np.random.SeedSequence([seed, index])))
        for index, (label, data) in enumerate(named.items())
    ]


def by_shape(jobs: Iterable[Job]) -> list[Job]:
    """The same jobs, those of equal shapes next to each other, so that each shape compiles once."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.shape, []).append(job)
    return [job for group in groups.values() for job in group]


@contextlib.contextmanager
def bound(model: object, data: object, kwargs: Mapping[str, object]) -> Iterator[Call]:
    """The model with one data set.

    Parameters
    ----------
    model
        The model.
    data
        The data set.
    kwargs
        Keyword arguments that all data sets share.

    Raises
    ------
    OptionError
        If the model cannot take the data.
    """
    if isinstance(model, Target):
        raise OptionError(
            "a Target holds its data: pass an isogmm.LogDensity with data=, a NumPyro model, or a "
            "PyMC model with pm.Data"
        )
    if isinstance(model, LogDensity):
        if model.data is None:
            raise OptionError(
                "this LogDensity has no data that could be replaced: write fn(position, data) and "
                "pass data= with the first data set"
            )
        yield model.with_data(data), (), kwargs
        return
    with find_adapter(model).with_data(model, data, kwargs) as (args, keywords):
        yield model, args, keywords
