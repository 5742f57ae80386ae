"""Everything the benchmark fits, under one description: what to fit and what is true.

Four sources: posteriors with reference draws from a folder beside the checkout (left out where it
is absent), the hard models, the synthetic targets, and all posteriors of posteriordb that have
reference draws.  Names carry the source: ``pdb/arK-arK``, ``hard/growth_centered``,
``synthetic/funnel_10``, ``posteriordb/arK-arK``.  The fourth source is listed on request only,
because most of its 47 posteriors are linear regressions.  Random targets, such as ``random/17``,
have a script of their own (``random_targets.py``) and are not listed.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import models
from benchmarks.posteriordb import collection as collection_of_posteriordb

#: Beside the checkout: a collection of posteriors with reference draws.
SHARED = Path(__file__).resolve().parents[3] / "shared"

#: Largest error of means and log sds, in reference sds, that counts as solved.
BAR = 0.05
#: Where a far tail makes the sd a poor summary: the bar for the quantiles instead.
QUANTILE_BAR = {
    f"{source}/one_comp_mm_elim_abs-one_comp_mm_elim_abs": 0.08 for source in ("pdb", "posteriordb")
}


@dataclass(frozen=True)
class Case:
    """A model to fit in one language, and its truth.

    Parameters
    ----------
    name, dim, language
        ``language`` is ``numpyro``, ``pymc`` or ``jax`` (a plain log density).
    build
        ``() -> (model, model_kwargs)``.
    reference
        ``() -> Reference``.
    log_evidence, mode_of, masses
        As in :class:`benchmarks.synthetic.Synthetic`; None where unknown.
    log_density, draw
        The JAX function of a plain log density, and its exact draws.
    components
        As in :class:`benchmarks.synthetic.Synthetic`.
    """

    name: str
    dim: int
    language: str
    build: Callable[[], tuple[Any, dict[str, Any]]] = field(repr=False)
    reference: Callable[[], Any] = field(repr=False)
    log_evidence: float | None = None
    mode_of: Callable[[np.ndarray], np.ndarray] | None = None
    masses: np.ndarray | None = None
    log_density: Callable[[Any], Any] | None = None
    draw: Callable[[np.random.Generator, int], np.ndarray] | None = None
    components: tuple[tuple[float, Callable[[np.random.Generator, int], np.ndarray]], ...] = ()


def _collection() -> Any:
    """The module of the posteriors beside the checkout, or None."""
    if not (SHARED / "posteriordb_dev").is_dir():
        return None
    if str(SHARED) not in sys.path:
        sys.path.append(str(SHARED))
    import posteriordb_dev

    return posteriordb_dev


def names(
    language: str = "numpyro", sources: tuple[str, ...] = ("pdb", "hard", "synthetic")
) -> list[str]:
    """Names of all cases that exist in a language; synthetic targets count as NumPyro's."""
    found: list[str] = []
    collection = _collection()
    if "pdb" in sources and collection is not None:
        found += [
            f"pdb/{name}"
            for name in collection.names()
            if language != "pymc" or collection.ENTRIES[name].pymc
        ]
    if "hard" in sources:
        found += [
            f"hard/{name}"
            for name, model in models.MODELS.items()
            if language != "pymc" or model.build_pymc is not None
        ]
    if "synthetic" in sources and language != "pymc":
        from benchmarks import synthetic

        found += [f"synthetic/{name}" for name in synthetic.names()]
    if "posteriordb" in sources and language == "numpyro":
        found += [f"posteriordb/{name}" for name in collection_of_posteriordb.names()]
    return found


def load(name: str, language: str = "numpyro") -> Case:
    """The case of that name.

    Raises
    ------
    LookupError
        If there is no such case, or not in that language.
    """
    source, _, rest = name.partition("/")
    if source == "synthetic":
        from benchmarks import synthetic

        return _synthetic(name, synthetic.load(rest))
    if source == "random" and rest.isdigit():
        from benchmarks.random_targets import random_target

        return _synthetic(name, random_target(int(rest)))
    if source == "hard" and rest in models.MODELS:
        entry: Any = models.load(rest)
    elif source == "pdb" and _collection() is not None and rest in _collection().ENTRIES:
        entry = _collection().load(rest)
    elif source == "posteriordb" and rest in collection_of_posteriordb.ENTRIES:
        entry = collection_of_posteriordb.load(rest)
    else:
        raise LookupError(f"there is no case {name!r}; known are {', '.join(names(language))}")
    if language == "pymc":
        if entry.pymc_model is None:
            raise LookupError(f"{name} has no PyMC form")
        return Case(
            name, entry.dim, "pymc", lambda: (entry.pymc_model(), {}), lambda: entry.reference
        )
    return Case(
        name,
        entry.dim,
        "numpyro",
        lambda: (entry.numpyro_model, entry.numpyro_kwargs),
        lambda: entry.reference,
    )


def _synthetic(name: str, case: Any) -> Case:
    """The case of a target with known truth."""
    return Case(
        name,
        case.dim,
        "jax",
        lambda: (case.model(), {}),
        lambda: case.reference,
        case.log_evidence,
        case.mode_of,
        case.masses,
        case.log_density,
        case.draw,
        case.components,
    )
