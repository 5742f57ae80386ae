"""The folder of a study: one file for each result, and a file that describes the study."""

import json
import os
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np

from isogmm.errors import OptionError
from isogmm.model.to_target import to_target
from isogmm.model.with_data import bound
from isogmm.results.building.fit_group import positions_from
from isogmm.results.files import load, save
from isogmm.results.groups import Result, get_group, group_names
from isogmm.studies.datasets import Job
from isogmm.studies.work import Work

#: The file that describes the study.
DESCRIPTION = "study.json"
#: Draws of a stored result at which the log density of the model is compared.
NUM_COMPARED = 4
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class StudyFolder:
    """Stores results; a later study of the same model and settings skips the stored ones.

    Parameters
    ----------
    path
        The folder, which is made if it does not exist.
    work
        What all data sets share.
    seed
        The seed of the study, or None to take that of the folder.
    """

    def __init__(self, path: str | os.PathLike[str], work: Work, seed: int | None) -> None:
        self.path = Path(path)
        self._work = work
        self._settings = {"fit": _name_of(work.fit)} | {
            name: _ADDRESS.sub("", repr(value)) for name, value in sorted(work.options.items())
        }
        self._known = self._read()
        self._check_settings(seed)

    @property
    def seed(self) -> int | None:
        """The seed of the stored study, or None."""
        return None if self._known is None else int(self._known["random_seed"])

    def begin(self, jobs: list[Job], seed: int) -> dict[int, Result]:
        """Write the description, and read the results that are stored, by index.

        Raises
        ------
        OptionError
            If a stored result belongs to other data or to another model.
        """
        digests = {str(job.label): job.digest for job in jobs}
        old = {} if self._known is None else self._known["datasets"]
        changed = [name for name in digests if name in old and old[name] != digests[name]]
        if changed:
            raise OptionError(
                f"the folder {self.path} has results of other data for {len(changed)} data sets, "
                f"among them {changed[0]!r}: give another folder, or remove this one"
            )
        stored = {job.index: job for job in jobs if self._file(job).exists()}
        found = {index: load(os.fspath(self._file(job))) for index, job in stored.items()}
        for index in list(found)[:1]:
            self._check_model(stored[index], found[index])
        self.path.mkdir(parents=True, exist_ok=True)
        content = {"settings": self._settings, "random_seed": seed, "datasets": old | digests}
        text = json.dumps(content, indent=1)
        self._replace(self.path / DESCRIPTION, lambda part: part.write_text(text, "utf-8"))
        return found

    def write(self, job: Job, result: Result) -> None:
        """Store a result in one step, so that a crash leaves no incomplete file."""
        self._replace(self._file(job), lambda part: save(result, os.fspath(part)))

    def _replace(self, path: Path, write: Callable[[Path], object]) -> None:
        # Processes that share a folder do not write to the same temporary file.
        part = path.with_name(f".{uuid.uuid4().hex}-{path.name}")
        try:
            write(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _file(self, job: Job) -> Path:
        name = f"{job.label:05d}" if isinstance(job.label, int) else quote(str(job.label), safe=" ")
        return self.path / f"{name}.nc"

    def _read(self) -> dict | None:
        path = self.path / DESCRIPTION
        if path.exists():
            return json.loads(path.read_text("utf-8"))
        if self.path.exists() and any(self.path.iterdir()):
            raise OptionError(
                f"the folder {self.path} has files, but no {DESCRIPTION}: it was not written by "
                "fit_many. Give an empty folder or one that does not exist."
            )
        return None

    def _check_settings(self, seed: int | None) -> None:
        """Raise an error if the folder belongs to a study with other settings."""
        if self._known is None:
            return
        old: Mapping[str, object] = dict(self._known["settings"], random_seed=self.seed)
        new: Mapping[str, object] = dict(self._settings)
        if seed is not None:
            new = {**new, "random_seed": seed}
        names = [n for n in {**old, **new} if n != "random_seed" or seed is not None]
        for name in names:
            if old.get(name) != new.get(name):
                raise OptionError(
                    f"the folder {self.path} belongs to a study with other settings: "
                    f"{name}={old.get(name, 'not given')} there, "
                    f"{name}={new.get(name, 'not given')} here. Give another folder, or the "
                    "same settings."
                )

    def _check_model(self, job: Job, result: Result) -> None:
        """Raise an error if the log density of the model is not that of a stored result."""
        if "sample_stats" not in group_names(result):
            return
        stats = get_group(result, "sample_stats")
        try:
            positions = positions_from(result)
        except OptionError:  # the result was made without its unconstrained draws
            return
        if "lp" not in stats:
            return
        with bound(self._work.model, job.data, self._work.model_kwargs) as (model, args, kwargs):
            target = to_target(model, args, kwargs, job.seed)
            if target.dim == positions.shape[-1]:
                values = target.values(positions[0, :NUM_COMPARED])
                stored = stats["lp"].values[0, :NUM_COMPARED]
                # Rounding of sums over data; another model differs by far more.
                precision = np.finfo(np.float32 if target.single_precision else np.float64).eps
                # Draws that a time limit left without a log density agree with any model.
                stored = np.where(np.isnan(stored), values, stored)
                if np.allclose(values, stored, rtol=np.sqrt(precision), atol=np.sqrt(precision)):
                    return
        raise OptionError(
            f"the folder {self.path} has results of another model: the log density of this model "
            f"differs from the stored one at draws of data set {job.label!r}. Give another folder."
        )


def _name_of(function: object) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', function)}"
