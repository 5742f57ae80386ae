"""Earlier fits to continue: the mixture of a result, and the mixture of a running fit on disk."""

import os
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from isogmm.errors import ModelError
from isogmm.model.target import Target
from isogmm.recipe.families.base import AbstractFamily
from isogmm.recipe.start import Start
from isogmm.results.groups import Result, get_group

Mixture = TypeVar("Mixture")

#: Coordinates that an error message names.
MAX_NAMES = 3


def resume_start(idata: Result, target: Target, family: AbstractFamily[Mixture]) -> Start[Mixture]:
    """The mixture of an earlier fit, with the modes that it knew.

    Raises
    ------
    OptionError
        If the result holds no mixture of the family, or one of other variables.
    """
    mixture = family.read(idata, target)
    fit = get_group(idata, "fit")
    if "mode_mean" not in fit:
        return Start(mixture)
    centers = fit["mode_mean"].values
    known = np.isfinite(centers).all(axis=1)
    return Start(mixture, centers[known] if known.any() else None)


class Checkpoint(Generic[Mixture]):
    """The mixture of a running fit in a file: plain arrays, no pickle.

    Parameters
    ----------
    path
        The file (NumPy's ``.npz`` format).
    target
        The target, whose coordinate names the file must agree with.
    family
        Turns mixtures into arrays and back.
    seed
        The seed of the fit, stored for information and not read back.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: Target,
        family: AbstractFamily[Mixture],
        seed: int,
    ) -> None:
        self.path, self.names = Path(path), target.coordinate_names
        self.family, self.seed = family, seed

    def write(self, mixture: Mixture, centers: np.ndarray | None, iteration: int) -> None:
        """Replace the file in one step, so that a crash leaves the old file or the new one.

        Parameters
        ----------
        mixture
            The fit so far.
        centers
            (m, d): a point of every known mode, or None.
        iteration
            Iterations done.
        """
        arrays: dict[str, Any] = self.family.arrays(mixture)
        if centers is not None:
            arrays["centers"] = centers
        temporary = self.path.with_name(self.path.name + ".part")
        with temporary.open("wb") as file:
            np.savez(
                file,
                names=np.array(self.names),
                iteration=iteration,
                seed=self.seed,
                **arrays,
            )
        os.replace(temporary, self.path)

    def start(self) -> Start[Mixture] | None:
        """What is stored, or None where no file is there yet.

        Raises
        ------
        ModelError
            If the file belongs to another model.
        """
        if not self.path.exists():
            return None
        with np.load(self.path, allow_pickle=False) as stored:
            names = stored["names"].tolist()
            if names != self.names:
                pairs = zip(names, self.names, strict=False)
                different = [old for old, new in pairs if old != new]
                raise ModelError(
                    f"the checkpoint {self.path} belongs to another model: it has {len(names)} "
                    f"coordinates, the model {len(self.names)}; the first that differ: "
                    f"{different[:MAX_NAMES]}. Remove the file or give another path."
                )
            return Start(self.family.of_arrays(stored), stored.get("centers"))
