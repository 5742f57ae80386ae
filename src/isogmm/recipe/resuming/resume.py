"""Earlier fits to continue: the mixture of a result, and the mixture of a running fit on disk."""

from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from isogmm.errors import IsogmmError, ModelError, warn_user
from isogmm.mixtures.check_parameters import check_parameters
from isogmm.model.target import Target
from isogmm.recipe.families.base import AbstractFamily
from isogmm.recipe.resuming.checkpoint_file import damaged, read_arrays, write_arrays
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
        path: Path,
        target: Target,
        family: AbstractFamily[Mixture],
        seed: int,
    ) -> None:
        self.path, self.names = Path(path), target.coordinate_names
        self.family, self.seed = family, seed
        self._has_warned = False

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
        fixed = {"names": np.array(self.names), "iteration": iteration, "seed": self.seed}
        try:
            write_arrays(self.path, {**fixed, **arrays})
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                warn_user(
                    f"isogmm: the checkpoint {self.path} could not be written "
                    f"({error.strerror or error}). The fit continues and tries again after every "
                    "window; an earlier checkpoint is kept. Free space on the disk or make the "
                    "folder writable."
                )

    def start(self) -> Start[Mixture] | None:
        """What is stored, or None where no file is there yet.

        Raises
        ------
        ModelError
            If the file belongs to another model or is damaged.
        """
        stored = read_arrays(self.path)
        if stored is None:
            return None
        if "names" not in stored:
            raise damaged(self.path, "it contains no names of coordinates")
        names = np.atleast_1d(stored["names"]).tolist()
        if names != self.names:
            pairs = zip(names, self.names, strict=False)
            different = [old for old, new in pairs if old != new]
            raise ModelError(
                f"the checkpoint {self.path} belongs to another model: it has {len(names)} "
                f"coordinates, and the model has {len(self.names)}. The first that differ are "
                f"{different[:MAX_NAMES]}. Remove the file or give another path."
            )
        centers = stored.get("centers")
        if centers is not None and not _are_points(centers, len(names)):
            raise damaged(self.path, "the centers of its modes are not points")
        return Start(self._mixture(stored), centers)

    def _mixture(self, stored: dict[str, np.ndarray]) -> Mixture:
        """The stored mixture, if its parameters are valid."""
        try:
            check_parameters(stored, "its mixture")
            mixture = self.family.of_arrays(stored)
            arrays = self.family.arrays(mixture)
            dims = {arrays[name].shape[-1] for name in ("means", "map_center") if name in arrays}
        except IsogmmError as error:
            raise ModelError(
                f"the checkpoint {self.path} cannot be continued: {error}. Remove the file to "
                "start the fit anew, or give another path."
            ) from error
        except Exception as error:  # arrays of wrong shapes fail anywhere
            detail = f"it contains no {error}" if isinstance(error, KeyError) else ""
            raise damaged(self.path, detail) from error
        if dims != {len(self.names)}:
            raise damaged(self.path, f"its means have {max(dims)} coordinates")
        return mixture


def _are_points(centers: np.ndarray, dim: int) -> bool:
    """Whether an array holds finite points (m, d)."""
    is_real = centers.dtype.kind == "f" and centers.ndim == 2
    return is_real and centers.shape[1] == dim and bool(np.isfinite(centers).all())
