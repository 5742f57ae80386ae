"""The data sets of a study: their names, seeds, order and contents."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from isogmm.errors import OptionError
from isogmm.validation import seed_of


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
