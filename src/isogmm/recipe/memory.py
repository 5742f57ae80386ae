"""A check, before the search, that the arrays of a fit can fit into memory."""

import math
import os

from isogmm.errors import OptionError
from isogmm.model.target import Target
from isogmm.recipe.options import Arguments

#: Bytes of a number in double precision, and of a gibibyte.
BYTES_PER_NUMBER, GIB = 8, 2**30


def check_memory(given: Arguments, target: Target) -> None:
    """Raise an error if one array of the fit is larger than the memory of the machine.

    The arrays are the draws (chains, draws, d) and the samples of an iteration (chains, K,
    num_samples, d).  Options that the user left to the fit count as one.

    Parameters
    ----------
    given
        The arguments of the public function by name, already validated.
    target
        The target, for its dimension.

    Raises
    ------
    OptionError
        Naming the options, their product and the memory.
    """
    memory = _memory()
    if memory is None:
        return
    for names in (("chains", "draws"), ("chains", "num_components", "num_samples")):
        sizes = {name: given[name] for name in names if isinstance(given[name], int)}
        needed = BYTES_PER_NUMBER * target.dim * math.prod(sizes.values())
        if needed > memory:
            listed = " times ".join(f"{name}={size:,}" for name, size in sizes.items())
            raise OptionError(
                f"{listed} times {target.dim:,} coordinates need {needed / GIB:,.0f} GiB for one "
                f"array, but this machine has {memory / GIB:,.0f} GiB: reduce "
                f"{' or '.join(sizes)}"
            )


def _memory() -> int | None:
    """Bytes of memory of this machine; None if the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
