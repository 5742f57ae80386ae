"""The mixture of a running fit on disk: plain arrays in one file, no pickle."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from isogmm.errors import ModelError
from isogmm.mixtures.abstract import mixture_of
from isogmm.mixtures.affine_map import PARTS, AffineMap
from isogmm.mixtures.stored import resume_mixture
from isogmm.model.target import Target
from isogmm.recipe.start import Start
from isogmm.results.groups import get_group


class Checkpoint:
    """Writes the mixture after every window, and reads it back when a fit starts again.

    Parameters
    ----------
    path
        The file (NumPy's ``.npz`` format).
    target
        The target, whose coordinate names the file must agree with.
    seed
        Stored for the reader.
    """

    def __init__(self, path: str | os.PathLike[str], target: Target, seed: int) -> None:
        self.path, self.names, self.seed = Path(path), target.coordinate_names, seed

    def write(self, mixture: Any, centers: np.ndarray | None, iteration: int) -> None:
        """Replace the file in one step, so that a crash leaves the old or the new one.

        Parameters
        ----------
        mixture
            The fit so far.
        centers
            (m, d): a point of every mode known, or None.
        iteration
            Iterations done.
        """
        parts = {
            f"map_{name}": getattr(mixture.affine_map, name)
            for name in PARTS
            if getattr(mixture.affine_map, name) is not None
        }
        if centers is not None:
            parts["centers"] = centers
        temporary = self.path.with_name(self.path.name + ".part")
        with temporary.open("wb") as file:
            np.savez(
                file,
                **mixture.arrays(),
                names=np.array(self.names),
                iteration=iteration,
                seed=self.seed,
                **parts,
            )
        os.replace(temporary, self.path)

    def start(self) -> Start | None:
        """What is stored, to go on from, or None where no file is there yet.

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
                different = [a for a, b in zip(names, self.names, strict=False) if a != b]
                raise ModelError(
                    f"the checkpoint {self.path} belongs to another model: it has {len(names)} "
                    f"coordinates, the model {len(self.names)}; the first that differ: "
                    f"{different[:3]}. Remove the file or give another path."
                )
            parts = {name: stored[f"map_{name}"] for name in PARTS if f"map_{name}" in stored}
            mixture = mixture_of(stored, AffineMap(**parts))
            return Start(mixture, stored.get("centers"))


def resume_start(idata: Any, target: Target) -> Start:
    """The mixture of an earlier fit with the modes that it knew; see :func:`resume_mixture`."""
    mixture = resume_mixture(idata, target)
    fit = get_group(idata, "fit")
    if "mode_mean" not in fit:
        return Start(mixture)
    centers = fit["mode_mean"].values
    known = np.isfinite(centers).all(axis=1)
    return Start(mixture, centers[known] if known.any() else None)
