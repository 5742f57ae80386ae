"""The text that a mixture shows of itself."""

from isogmm.arrays import Array


def describe(name: str, means: Array, form: str) -> str:
    """Two lines: family and sizes, then the form of its parameters.

    Parameters
    ----------
    name
        Name of the family.
    means
        Its means (..., k, d); a leading axis is that of the chains.
    form
        The second line.
    """
    *lead, count, dim = means.shape
    chains = "".join(f"{size} {_noun('chain', size)} x " for size in lead)
    components = f"{count} {_noun('component', count)}"
    sizes = f"{chains}{components} in {dim} {_noun('dimension', dim)}, {means.dtype}"
    return f"{name}: {sizes}\n  {form}"


def _noun(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
