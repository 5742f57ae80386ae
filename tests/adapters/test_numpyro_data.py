"""Data of a NumPyro model that are no arrays: converted where possible, else named."""

import array
from collections import deque
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr
from scipy import sparse

pytestmark = pytest.mark.numpyro
numpyro = pytest.importorskip("numpyro")

import jax.numpy as jnp  # noqa: E402
import numpyro.distributions as dist  # noqa: E402
from numpyro import handlers  # noqa: E402
from numpyro.infer.util import potential_energy  # noqa: E402

from isogmm.errors import FitWarning, ModelError  # noqa: E402
from isogmm_numpyro import NumPyroAdapter  # noqa: E402

pd = pytest.importorskip("pandas")

X = np.linspace(0.0, 1.0, 12)
Y = np.cos(np.arange(12.0))
GROUP = np.arange(12) % 2


class Foreign:
    """Data of a package that NumPy can convert, such as polars."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values


def target_of(model, *args):
    return NumPyroAdapter().to_target(model, args, {}, 0)


def line(x, y):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * x), obs=y)


def matrix(x, y):
    slopes = numpyro.sample("slopes", dist.Normal().expand([2]).to_event(1))
    numpyro.sample("y", dist.Normal(jnp.dot(x, slopes)), obs=y)


def columns(data):
    line(data["x"], data["y"])


def attributes(data):
    """The columns as attributes, as a data frame has them."""
    if isinstance(data, dict):
        line(data["x"], data["y"])
    else:
        line(data.x, data.y)


def levels(group, y):
    level = numpyro.sample("level", dist.Normal().expand([2]).to_event(1))
    numpyro.sample("y", dist.Normal(level[group]), obs=y)


class Pair(NamedTuple):
    x: list
    y: list


TABLE = pd.DataFrame({"x": X, "y": Y})
DATES = pd.date_range("2020", periods=12)
CONVERTED = {
    "lists": (line, [X.tolist(), Y.tolist()], [X, Y]),
    "tuples": (line, [tuple(X), tuple(Y)], [X, Y]),
    "range": (line, [range(12), Y], [np.arange(12), Y]),
    "series": (line, [pd.Series(X), pd.Series(Y)], [X, Y]),
    "nullable integers": (line, [X, pd.Series(GROUP).astype("Int64")], [X, GROUP]),
    "booleans": (line, [X, pd.Series(GROUP > 0)], [X, GROUP]),
    "objects": (line, [X.astype(object), Y], [X, Y]),
    "another package": (line, [Foreign(X), Foreign(Y)], [X, Y]),
    "index": (line, [pd.Index(X), Y], [X, Y]),
    "rows": (matrix, [TABLE.to_numpy().tolist(), Y], [TABLE.to_numpy(), Y]),
    "table as matrix": (matrix, [TABLE, Y], [TABLE.to_numpy(), Y]),
    "table by column": (columns, [TABLE.assign(name="a")], [{"x": X, "y": Y}]),
    "dict of lists": (columns, [{"x": list(X), "y": list(Y)}], [{"x": X, "y": Y}]),
    "dict of series": (columns, [{"x": pd.Series(X), "y": pd.Series(Y)}], [{"x": X, "y": Y}]),
    "index of groups": (levels, [pd.Series(GROUP), Y], [GROUP, Y]),
    "table by attribute": (attributes, [TABLE], [{"x": X, "y": Y}]),
    "structured array": (columns, [TABLE.to_records(index=False)], [{"x": X, "y": Y}]),
    "masked array without missing values": (line, [np.ma.masked_array(X), Y], [X, Y]),
    "deque": (line, [deque(X), Y], [X, Y]),
    "array of Python": (line, [array.array("d", X), Y], [X, Y]),
    "views of dicts": (line, [dict(enumerate(X)).values(), Y], [X, Y]),
    "named tuple of lists": (attributes, [Pair(list(X), list(Y))], [Pair(X, Y)]),
    "xarray": (attributes, [xr.Dataset({"x": ("t", X), "y": ("t", Y)})], [{"x": X, "y": Y}]),
    "categories": (levels, [pd.Series(GROUP).astype("category"), Y], [GROUP, Y]),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_data_become_arrays(case):
    model, given, arrays = CONVERTED[case]
    target, expected = target_of(model, *given), target_of(model, *arrays)
    point = np.full(target.dim, 0.3)
    np.testing.assert_allclose(
        target.evaluate_point(point)[0], expected.evaluate_point(point)[0], rtol=1e-12
    )
    np.testing.assert_array_equal(target.observed_data["y"], expected.observed_data["y"])


REFUSED = {
    "string": (line, [X, "abc"], "argument 'y' of the model is a string"),
    "strings": (line, [["a"] * 12, Y], "argument 'x' .* a list of strings.*integer codes"),
    "text": (line, [X.astype(str), Y], "argument 'x' .* a NumPy array of strings"),
    "missing": (line, [[1.0, None] * 6, Y], r"argument 'x' .*missing values .*handlers\.mask"),
    "ragged": (line, [[[1.0, 2.0], [3.0]], Y], r"argument 'x' .*different lengths \(1, 2\)"),
    "ragged data": (line, [X, [np.ones(2), np.ones(3)]], r"argument 'y' .*different lengths"),
    "dates": (line, [DATES, Y], "argument 'x' .* dates.*days since"),
    "set": (line, [{1.0, 2.0}, Y], "argument 'x' .* a set, which has no order"),
    "dates with a zone": (line, [DATES.tz_localize("UTC"), Y], "argument 'x' .* dates.*days since"),
    "periods": (line, [pd.period_range("2020", periods=12), Y], "argument 'x' .* dates"),
    "masked": (
        line,
        [X, np.ma.masked_array(Y, GROUP)],
        r"'y' .*masked array with 6 missing .*mask",
    ),
    "sparse": (matrix, [sparse.csr_matrix(np.eye(12, 2)), Y], r"argument 'x' .*sparse.*toarray"),
    "generator": (
        line,
        [X, (one for one in Y)],
        "argument 'y' .*generator, which can be read only once",
    ),
    "path": (line, [Path("data.csv"), Y], "argument 'x' of the model is a pathlib PosixPath"),
    "bytes": (line, [b"abc", Y], "argument 'x' of the model is a bytes object"),
    "function": (line, [X, line], "argument 'y' of the model is a function"),
    "dict": (line, [X, {"y": Y}], "argument 'y' of the model is a dict.*model_kwargs"),
    "None": (line, [None, Y], "argument 'x' of the model is None"),
    "long numbers": (line, [[2**70] * 12, Y], "argument 'x' .*more than 64 bits"),
    "floats as index": (levels, [GROUP.astype(float), Y], r"as indices. .*'group' .*astype\(int\)"),
    "missing index": (
        levels,
        [pd.Series([0, None] * 6, dtype="Int64"), Y],
        "as indices. .*'group' has 6 missing values",
    ),
    "labels as indices": (levels, [np.array(list("ab") * 6), Y], "'group' .* array of strings"),
    "durations": (line, [pd.Series(pd.to_timedelta(X, "D")), Y], r"durations.*/ numpy.timedelta64"),
    "column": (columns, [TABLE.assign(x="a")], r"argument data\['x'\] .* strings"),
    "entry": (columns, [{"x": ["a"] * 12, "y": Y}], r"argument data\['x'\] .* strings"),
}


@pytest.mark.stack
@pytest.mark.filterwarnings("ignore:Python iterable type 'generator':DeprecationWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_the_argument_and_its_type_are_named(case):
    model, args, message = REFUSED[case]
    with pytest.raises(ModelError, match=message) as caught:
        target_of(model, *args)
    assert caught.value.__cause__ is None, "frames of JAX are not shown"


@pytest.mark.stack
def test_whole_numbers_beyond_32_bits():
    """JAX keeps the last 32 bits: 2**40 trials would become none."""
    import jax

    def model(n):
        numpyro.sample("y", dist.Binomial(n, numpyro.sample("p", dist.Beta(1, 1))), obs=3)

    with jax.enable_x64(False), pytest.raises(ModelError, match=r"'n' .*1,099,511,627,776.*x64"):
        target_of(model, np.array([2**40, 5]))
    with jax.enable_x64(False), pytest.raises(ModelError, match=r"'x' .*1,099,511,627,776.*x64"):
        target_of(line, np.array([-(2**40), 5]), Y[:2])
    with jax.enable_x64(True):
        assert target_of(model, np.array([2**40, 5])) is not None


@pytest.mark.stack
def test_a_product_beyond_32_bits():
    """The square of 60,000 would become negative."""
    import jax

    def model(income, y):
        slope = numpyro.sample("slope", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(slope * (income**2).astype(float) / 1e9), obs=y)

    with jax.enable_x64(False), pytest.raises(ModelError, match=r"size 3\.6e\+09 from 'income'"):
        target_of(model, np.arange(1, 13) * 5_000, Y)


def test_settings_of_the_model_are_not_blamed():
    class Settings:
        width = 1.0

    def model(settings, y):
        numpyro.sample("y", dist.Normal(settings.missing), obs=y)

    with pytest.raises(AttributeError, match="missing"):
        target_of(model, Settings(), Y)


def test_options_of_the_model_are_not_blamed():
    def model(x, y, kind="normal", labels=("a", "b")):
        line(x, y @ x[:3])

    with pytest.raises(TypeError, match=r"dot_general|matmul"):
        target_of(model, X, Y)


def test_lists_that_a_model_uses_as_lists_stay():
    def model(names, y):
        levels = [numpyro.sample(name, dist.Normal()) for name in names]
        numpyro.sample("y", dist.Normal(sum(levels)), obs=jnp.asarray(y))

    assert list(target_of(model, ["a", "b"], list(Y)).variables) == ["a", "b"]


def test_a_column_against_a_vector_is_a_warning():
    with pytest.warns(FitWarning, match=r"'y' counts its values more than once.*\(12, 12\)"):
        (note,) = target_of(line, X, TABLE[["y"]]).notes
    assert note.startswith("The observed site 'y' counts its values more than once")


def test_a_mask_of_data_selects_rows():
    def model(y, mask):
        numpyro.sample("y", dist.Normal(numpyro.sample("mu", dist.Normal())), obs=y[mask])

    assert target_of(model, Y, Y > 0).observed_data["y"].shape == ((Y > 0).sum(),)


def columns_masked(y, known):
    """A mask of the columns, which the plate of the rows extends."""
    mu = numpyro.sample("mu", dist.Normal())
    rows, columns = numpyro.plate("rows", 3, dim=-2), numpyro.plate("columns", 3, dim=-1)
    with rows, columns, handlers.mask(mask=known):
        numpyro.sample("y", dist.Normal(mu), obs=y)


def columns_masked_without_plates(y, known):
    mu = numpyro.sample("mu", dist.Normal())
    with handlers.mask(mask=known):
        numpyro.sample("y", dist.Normal(mu), obs=y)


def entries_and_events_masked(y, known):
    """One mask of the entries of the events, the columns, and one of whole events, the rows."""
    mu = numpyro.sample("mu", dist.Normal())
    entries = dist.Normal(mu).expand([3, 3]).mask(jnp.broadcast_to(known, (3, 3)))
    with numpyro.plate("rows", 3), handlers.mask(mask=np.array([True, False, True])):
        numpyro.sample("y", entries.to_event(1), obs=y)


@pytest.mark.parametrize(
    "model", [columns_masked, columns_masked_without_plates, entries_and_events_masked]
)
def test_a_mask_applies_to_the_axes_that_it_has(model):
    known = np.array([True, False, True])
    rows, table = Y[:9].reshape(3, 3), Y[:9].reshape(3, 3).copy()
    table[:, 1] = np.nan
    if model is entries_and_events_masked:
        table[1] = np.nan
    target = target_of(model, table, known)
    expected = -potential_energy(model, (rows, known), {}, {"mu": jnp.asarray(0.3)})
    np.testing.assert_allclose(target.evaluate_point(np.array([0.3]))[0], expected, rtol=1e-12)
    with pytest.raises(ModelError, match=r"site 'y' contain \d NaN among 9 values"):
        target_of(model, np.roll(table.T, 1, axis=0), known)


def test_a_list_inside_the_model():
    def model(y):
        numpyro.sample("votes", dist.Multinomial(3, dist.Dirichlet(jnp.ones(2)).mean), obs=[1, 2])
        numpyro.sample("mu", dist.Normal())

    with pytest.raises(ModelError, match="values of the site 'votes' are a list: pass a NumPy"):
        target_of(model, Y)
