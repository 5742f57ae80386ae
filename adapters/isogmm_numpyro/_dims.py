"""Names of the axes of every variable, from the plates that enclose it."""

from collections.abc import Mapping, Sequence

from isogmm_numpyro._functions import public_name
from isogmm_numpyro._sites import Site, Sites

_RESERVED = frozenset({"chain", "draw", "sample"})


class DimensionNames:
    """Dimension names of a model's variables, and the labels of those that have a meaning.

    A plate names the batch axis it stands for, ``infer={"event_dims": [...]}`` the event axes;
    other axes are called ``<variable>_dim_<axis>``.  A name that already stands for another
    length is not used a second time.

    Parameters
    ----------
    sites
        What the model is made of.
    """

    def __init__(self, sites: Sites) -> None:
        self._sizes: dict[str, int] = {}
        self.dims: dict[str, list[str]] = {}
        self.unconstrained_dims: dict[str, list[str]] = {}
        groups = (sites.free, sites.discrete, sites.observed, sites.deterministic)
        for site in (site for group in groups for site in group.values()):
            name = public_name(site.name)
            wanted = _deterministic(site) if site.name in sites.deterministic else _sampled(site)
            self.dims[name] = self._agree(name, site.shape, wanted, "dim")
            if site.name in sites.free and site.unconstrained_shape != site.shape:
                batch_ndim = len(site.shape) - site.event_dim
                batch = [*wanted[:batch_ndim], *[None] * len(site.unconstrained_shape)]
                self.unconstrained_dims[name] = self._agree(
                    name, site.unconstrained_shape, batch, "unconstrained_dim"
                )

    @property
    def coords(self) -> dict[str, Sequence[int]]:
        """Labels of the named dimensions: positions."""
        return {name: list(range(size)) for name, size in self._sizes.items()}

    def _agree(
        self, variable: str, shape: tuple[int, ...], wanted: Sequence[str | None], kind: str
    ) -> list[str]:
        names: list[str] = []
        for axis, size in enumerate(shape):
            given = wanted[axis]
            name = None if given is None else public_name(given)
            if (
                name is None
                or name in _RESERVED
                or name in names
                or self._sizes.setdefault(name, size) != size
            ):
                name = f"{variable}_{kind}_{axis}"
            names.append(name)
        return names


def _sampled(site: Site) -> list[str | None]:
    """Batch axes by the position of their plate, event axes by the user's names."""
    batch_ndim = len(site.shape) - site.event_dim
    plates: Mapping[int, str] = {dim: name for name, dim, _ in site.plates}
    batch = [plates.get(axis - batch_ndim) for axis in range(batch_ndim)]
    given = [*site.event_dims, *[None] * site.event_dim]
    return [*batch, *given[: site.event_dim]]


def _deterministic(site: Site) -> list[str | None]:
    """Leading axes by the enclosing plates, if the lengths agree."""
    sizes = tuple(size for _, _, size in site.plates)
    if sizes and site.shape[: len(sizes)] == sizes:
        rest = [None] * (len(site.shape) - len(sizes))
        return [*(name for name, _, _ in site.plates), *rest]
    return [None] * len(site.shape)
