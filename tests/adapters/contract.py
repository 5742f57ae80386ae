"""Tests of the requirements on `isogmm.Target` that every adapter must satisfy.

Write an adapter, then call :func:`check_target` with a function that makes its target::

    from adapters.contract import check_target
    check_target(lambda: MyAdapter().to_target(model, (), {}, 0))

Each check is a function of its own, so that a failure names the requirement.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from isogmm import inference_data as idt
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.results.building.fit_result import FitResult

MakeTarget = Callable[[], Target]
#: A quantity of the posterior group with its known distribution under the prior.
KnownPrior = tuple[
    Callable[[dict[str, np.ndarray]], np.ndarray], Callable[[np.ndarray], np.ndarray]
]
#: Probability that a right prior fails one comparison of a quantile.
FALSE_ALARM = 1e-7


def finite_positions(target: Target, n: int = 5) -> np.ndarray:
    """Some starts of the target where its density is finite, pulled together to be gentle."""
    starts = target.initial_positions(np.random.default_rng(11), 40 * n)
    values, _ = target.evaluate(starts)
    good = starts[np.isfinite(values)][:n]
    assert len(good) == n, f"only {len(good)} of {40 * n} initial positions have a finite density"
    return good


def check_names(make: MakeTarget) -> None:
    """The dimension is the sum of the sizes; names are text, distinct, one per coordinate."""
    target = make()
    sizes = {name: int(np.prod(shape)) for name, shape in target.variables.items()}
    assert target.dim == sum(sizes.values())
    names = target.coordinate_names
    assert len(names) == len(set(names)) == target.dim
    assert all(isinstance(name, str) and name for name in target.variables)
    parts = target.unravel(np.arange(float(target.dim)))
    flat = np.concatenate([parts[name].reshape(-1) for name in target.variables])
    np.testing.assert_array_equal(flat, np.arange(float(target.dim)))
    assert {name: part.shape for name, part in parts.items()} == {
        name: tuple(shape) for name, shape in target.variables.items()
    }
    assert target.library, "the modeling language goes into the result's attributes"


def check_starts(make: MakeTarget) -> None:
    """Starts have the right shape, are finite, follow the generator alone, and differ."""
    target = make()
    first, again, other = (
        np.asarray(target.initial_positions(np.random.default_rng(seed), 6)) for seed in (1, 1, 2)
    )
    assert first.shape == (6, target.dim)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == 6, "starts must be overdispersed, not one point"


def check_point_and_batch(make: MakeTarget, tolerance: float = 1e-10) -> None:
    """One point, a padded batch and several chunks agree, and inputs are left alone."""
    target = make()
    few = finite_positions(target)
    positions = np.resize(few, (2 * target.batch_size + 3, target.dim))
    before = positions.copy()
    values, gradients = target.evaluate(positions)
    np.testing.assert_array_equal(positions, before)
    assert values.shape == (len(positions),)
    assert gradients.shape == positions.shape
    assert values.dtype == gradients.dtype == np.float64
    for row, position in enumerate(few):
        value, gradient = target.evaluate(position)
        assert value.shape == ()
        assert gradient.shape == (target.dim,)
        scale = 1.0 + np.abs(gradient).max()
        for copy in range(row, len(positions), len(few)):
            assert abs(values[copy] - value) <= tolerance * (1.0 + abs(value))
            assert np.abs(gradients[copy] - gradient).max() <= tolerance * scale
    nested, _ = target.evaluate(few[:4].reshape(2, 2, target.dim))
    np.testing.assert_allclose(nested.reshape(-1), values[:4], rtol=tolerance)


def check_gradient(make: MakeTarget) -> None:
    """The gradient equals central differences of the log density.

    The difference quotient with step h errs by its truncation, seen in how much the quotient
    with 2 h differs, and by rounding, about eps |f| / h.
    """
    target = make()
    for position in finite_positions(target, 3):
        value, gradient = target.evaluate(position)
        step = 1e-5 * np.maximum(1.0, np.abs(position))
        quotients = []
        for width in (1, 2):
            moved = np.stack([position + np.diag(width * step), position - np.diag(width * step)])
            upper, lower = target.evaluate(moved)[0]
            quotients.append((upper - lower) / (2 * width * step))
        rounding = 20 * np.finfo(float).eps * (1.0 + abs(value)) / step
        allowed = np.abs(quotients[0] - quotients[1]) + rounding + 1e-7 * np.abs(gradient)
        wrong = np.abs(gradient - quotients[0]) > allowed
        names = np.array(target.coordinate_names)[wrong]
        assert not wrong.any(), (
            f"gradient differs from differences for {list(names)}: "
            f"{gradient[wrong]} against {quotients[0][wrong]}"
        )


def check_outside_support(make: MakeTarget) -> None:
    """Absurd positions give -inf and a zero gradient, or finite numbers; never NaN or an error."""
    target = make()
    good = finite_positions(target, 1)[0]
    rows = [good, np.full(target.dim, np.nan), np.full(target.dim, 1e200), good]
    values, gradients = target.evaluate(np.stack(rows))
    assert np.isfinite(values[[0, 3]]).all(), "a bad row must not spoil its neighbors"
    assert values[1] == -np.inf
    assert not np.isnan(values).any()
    assert np.isfinite(gradients).all()
    assert (gradients[values == -np.inf] == 0).all()


def check_constrain(make: MakeTarget, *, draws_discrete: bool = False) -> None:
    """Groups, names and shapes of constrained draws; the same seed gives the same draws."""
    target = make()
    positions = np.resize(finite_positions(target), (7, target.dim))
    groups = target.constrain(positions, 3)
    assert "posterior" in groups
    assert set(groups) <= {"posterior", "log_likelihood", "log_prior"}
    missing = set(target.variables) - set(groups["posterior"])
    assert not missing, f"unconstrained variables {missing} are not in the posterior group"
    for group, arrays in groups.items():
        for name, array in arrays.items():
            assert isinstance(array, np.ndarray), f"{group}/{name} is a {type(array).__name__}"
            assert array.shape[:1] == (7,), f"{group}/{name} has shape {array.shape}"
            assert not np.isnan(array).any(), f"{group}/{name} has NaN"
    again = target.constrain(positions, 3)
    for group, arrays in groups.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, again[group][name])
    if target.placeholder is not None:
        one = target.placeholder()
        shapes = {g: {n: a.shape[1:] for n, a in arrays.items()} for g, arrays in groups.items()}
        assert {
            g: {n: np.shape(a)[1:] for n, a in arrays.items()} for g, arrays in one.items()
        } == (shapes)
    if not draws_discrete:
        # Rows are independent of each other and of how many there are.
        single = target.constrain(positions[1:2], 3)
        for group, arrays in groups.items():
            for name, array in arrays.items():
                np.testing.assert_allclose(single[group][name][0], array[1], rtol=1e-10, atol=1e-12)


def check_data_and_labels(make: MakeTarget) -> None:
    """Observed data belong to the log likelihood; dims and coords fit the arrays."""
    target = make()
    groups = target.constrain(finite_positions(target, 2), 0)
    likelihood = groups.get("log_likelihood", {})
    assert set(likelihood) <= set(target.observed_data), "observed data of some variable missing"
    for name, array in {**target.observed_data, **target.constant_data}.items():
        assert isinstance(array, np.ndarray), f"data {name!r} is a {type(array).__name__}"
    arrays = {name: array[0] for name, array in groups["posterior"].items()}
    arrays |= dict(target.observed_data) | dict(target.constant_data)
    unknown = set(target.dims) - set(arrays) - set(likelihood)
    assert not unknown, f"dims of {unknown}, which are in no group"
    for name, dims in target.dims.items():
        if name not in arrays:
            continue
        shape = np.shape(arrays[name])
        assert len(dims) <= len(shape), f"{name!r} has dims {list(dims)} and shape {shape}"
        for dim, size in zip(dims, shape, strict=False):
            if dim in target.coords:
                assert len(target.coords[dim]) == size, f"{name!r}: {dim!r} has another length"


def check_prior(make: MakeTarget, known: Mapping[str, KnownPrior] | None = None) -> None:
    """Draws of the prior follow the generator alone; quantities of known distribution have it.

    ``known``: functions of the constrained draws, each with its cumulative distribution function.
    The number of draws below a quantile is binomial.
    """
    target = make()
    if target.prior_positions is None:
        assert not known, "the target has no draws of its prior"
        return
    first, again, other = (
        target.prior_positions(np.random.default_rng(seed), 400) for seed in (1, 1, 2)
    )
    assert first.shape == (400, target.dim)
    assert first.dtype == np.float64
    assert target.prior_positions(np.random.default_rng(1), 0).shape == (0, target.dim)
    np.testing.assert_array_equal(first, again)
    finite = first[np.isfinite(first).all(axis=1)]
    assert len(finite), "no draw of the prior is finite"
    assert not np.array_equal(first, other)
    assert len(np.unique(finite, axis=0)) == len(finite)
    if not known:
        return
    assert len(finite) == len(first), "a prior with known quantiles has finite draws"
    posterior = target.constrain(first, 0)["posterior"]
    for name, (quantity, distribution) in known.items():
        levels = distribution(quantity(posterior))
        for level in (0.1, 0.5, 0.9):
            counts = (levels < level).sum(axis=0)
            tails = stats.binom(len(first), level)
            probability = 2 * np.minimum(tails.cdf(counts), tails.sf(counts - 1))
            assert (probability > FALSE_ALARM).all(), f"{name}: {counts} of 400 below {level}"


def check_programs(make: MakeTarget) -> None:
    """At most three programs contain the model, and a second target adds none."""
    first = make()
    first.prepare()
    use(first)
    count = first.num_programs()
    assert count <= 3
    second = make()
    second.prepare()
    use(second)
    assert first.num_programs() == count
    assert second.num_programs() == count, "the second target must share the programs of the first"


def use(target: Target) -> None:
    """Everything a fit does with a target."""
    positions = finite_positions(target, 3)
    target.evaluate(positions[0])
    target.evaluate(positions)
    target.constrain(positions, 0)


def check_result(make: MakeTarget) -> None:
    """The target carries what a complete result needs: it is built and read back."""
    target = make()
    positions = np.resize(finite_positions(target, 4), (2, 6, target.dim))
    mixture = IsotropicMixture(
        means=np.zeros((2, 1, target.dim)),
        variances=np.ones((2, 1)),
        log_weights=np.zeros((2, 1)),
    )
    result = FitResult(
        target=target,
        mixture=mixture,
        positions=positions,
        log_density=target.evaluate(positions)[0],
        log_q=np.stack([mixture[chain].log_prob(positions[chain]) for chain in range(2)]),
        log_weights=np.full((2, 6), -np.log(12)),
        components=np.zeros((2, 6), dtype=int),
        modes=np.zeros((2, 6), dtype=int),
    )
    idata = idt.to_inference_data(result)
    posterior = idt.get_group(idata, "posterior")
    assert posterior.sizes["chain"] == 2
    assert posterior.sizes["draw"] == 6
    assert set(idt.group_names(idata)) >= {"posterior", "sample_stats", "fit"}
    assert ("observed_data" in idt.group_names(idata)) == bool(target.observed_data)
    assert idt.attributes(idata)["modeling_library"] == target.library


CHECKS = (
    check_names,
    check_starts,
    check_point_and_batch,
    check_gradient,
    check_outside_support,
    check_constrain,
    check_data_and_labels,
    check_prior,
    check_programs,
    check_result,
)


def check_target(make: MakeTarget, *, draws_discrete: bool = False) -> None:
    """Run every check on the target that ``make()`` returns, anew at each call.

    ``draws_discrete``: the model draws discrete sites itself, so rows depend on the seed.
    """
    for check in CHECKS:
        if check is check_constrain:
            check(make, draws_discrete=draws_discrete)
        else:
            check(make)
