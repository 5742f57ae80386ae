"""The recorded positions of all chains in one array."""

import numpy as np
from jaxtyping import Float


class StoredPositions:
    """Positions (m, d) of the chains after each recorded transition, stored as (m, t, d).

    A list of positions would be copied as a whole for every diagnostic.  Pages of the array that
    were not written yet take no memory.

    Parameters
    ----------
    capacity
        Transitions that the array is made for; it grows if there are more.
    dtype
        Floating type of the stored positions.
    """

    def __init__(self, capacity: int, dtype: np.dtype) -> None:
        self._capacity, self._dtype, self._count = max(capacity, 1), dtype, 0
        self._array = np.empty((0, 0, 0), dtype)

    def __len__(self) -> int:
        """Number of stored transitions."""
        return self._count

    def append(self, positions: Float[np.ndarray, "m d"]) -> None:
        """Store the positions after one more transition."""
        if self._count == self._array.shape[1]:
            capacity = max(self._capacity, self._count + self._count // 2 + 1)
            larger = np.empty((len(positions), capacity, positions.shape[1]), self._dtype)
            if self._count:
                larger[:, : self._count] = self._array
            self._array = larger
        self._array[:, self._count] = positions
        self._count += 1

    def keep(self, kept: range) -> None:
        """Keep the transitions with these indices, which ascend, and move them to the front."""
        for new, old in enumerate(kept):
            if new != old:
                self._array[:, new] = self._array[:, old]
        self._count = len(kept)

    @property
    def values(self) -> Float[np.ndarray, "m t d"]:
        """The stored positions, without a copy."""
        return self._array[:, : self._count]

    def contiguous(self) -> Float[np.ndarray, "m t d"]:
        """The stored positions in C order, moved within the memory of the array.

        Nothing can be stored afterwards.
        """
        chains, capacity, dim = self._array.shape
        rows = self._array.reshape(-1, dim)
        if capacity > self._count:
            for chain in range(1, chains):
                for index in range(self._count):
                    rows[chain * self._count + index] = rows[chain * capacity + index]
        return rows[: chains * self._count].reshape(chains, self._count, dim)
