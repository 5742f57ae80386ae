"""Names of the dimensions of every variable, from the plates that enclose it."""

from collections.abc import Mapping, Sequence

from isogmm.results.groups import arviz_name
from isogmm_numpyro._statements.sites import Site, Sites

#: Dimension names with a fixed meaning in a result.
_RESERVED = frozenset({"chain", "draw", "sample"})


class DimensionNames:
    """Dimension names of a model's variables, and the labels of the named dimensions.

    A batch axis has the name of its plate. An event axis has the name from
    ``infer={"event_dims": [...]}``. All other axes are called ``<variable>_dim_<axis>``. A name
    is used for axes of one length only.

    Parameters
    ----------
    sites
        The statements of the model.
    """

    def __init__(self, sites: Sites) -> None:
        self._sizes: dict[str, int] = {}
        self.dims: dict[str, list[str]] = {}
        self.unconstrained_dims: dict[str, list[str]] = {}
        groups = (sites.free, sites.discrete, sites.observed, sites.deterministic)
        for site in (site for group in groups for site in group.values()):
            name = arviz_name(site.name)
            given = _deterministic(site) if site.name in sites.deterministic else _sampled(site)
            self.dims[name] = self._unique(name, site.shape, given, "dim")
            if site.name in sites.free and site.unconstrained_shape != site.shape:
                batch_ndim = len(site.shape) - site.event_dim
                batch = [*given[:batch_ndim], *[None] * len(site.unconstrained_shape)]
                self.unconstrained_dims[name] = self._unique(
                    name, site.unconstrained_shape, batch, "unconstrained_dim"
                )

    @property
    def coords(self) -> dict[str, Sequence[int]]:
        """Labels of the named dimensions: 0, 1, ..."""
        return {name: list(range(size)) for name, size in self._sizes.items()}

    def _unique(
        self, variable: str, shape: tuple[int, ...], given: Sequence[str | None], kind: str
    ) -> list[str]:
        """The given names, replaced where they are missing, reserved, repeated or of another size.

        Parameters
        ----------
        variable
            Name of the variable.
        shape
            Shape of the variable.
        given
            A name or None for each axis; further entries are not used.
        kind
            Middle part of the replacements ``<variable>_<kind>_<axis>``.
        """
        names: list[str] = []
        for axis, size in enumerate(shape):
            original = given[axis]
            name = None if original is None else arviz_name(original)
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
    """Names of the batch axes from the positions of the plates, and the user's event names."""
    batch_ndim = len(site.shape) - site.event_dim
    plates: Mapping[int, str] = {dim: name for name, dim, _ in site.plates}
    batch = [plates.get(axis - batch_ndim) for axis in range(batch_ndim)]
    given = [*site.event_dims, *[None] * site.event_dim]
    return [*batch, *given[: site.event_dim]]


def _deterministic(site: Site) -> list[str | None]:
    """Names of the leading axes from the enclosing plates, if their sizes are equal."""
    sizes = tuple(size for _, _, size in site.plates)
    if sizes and site.shape[: len(sizes)] == sizes:
        rest = [None] * (len(site.shape) - len(sizes))
        return [*(name for name, _, _ in site.plates), *rest]
    return [None] * len(site.shape)
