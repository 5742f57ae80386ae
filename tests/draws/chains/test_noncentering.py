"""Non-centered forms are learned from draws of funnels, and leave the target invariant."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.targets import make_target, rotation
from helpers.tolerances import assert_close, assert_mean, assert_within_error
from isogmm import LogDensity, fit_isogmm
from isogmm.draws.chains.adaptation import MAX_SD_RATIO
from isogmm.draws.chains.coordinates import noncentered_map
from isogmm.draws.chains.hmc import TrajectorySettings, hmc_transition
from isogmm.draws.chains.learn_noncentering import MAX_EARLIER_CHILDREN, learn_noncentering
from isogmm.draws.chains.noncentering import NonCenteredTarget, NonCentering
from isogmm.draws.chains.sampler import Sampler
from isogmm.draws.chains.state import start_chains
from isogmm.mixtures.affine_map import AffineMap, dense_map
from isogmm.model.programs.precision import in_precision

NUM_DRAWS = 3_000


def example(generator):
    """A map with two roots and three children, coefficients at random."""
    return NonCentering(
        roots=np.array([1, 4]),
        children=np.array([3, 0, 2]),
        location=generator.standard_normal(3),
        from_roots=generator.standard_normal((3, 2)),
        from_children=np.tril(generator.standard_normal((3, 3)), -1),
        exponents=0.5 * generator.standard_normal((3, 2)),
        center=generator.standard_normal(2),
    )


def hierarchy(generator, count, groups=8):
    """mu, log tau, theta_j, a centered hierarchy without data: draws and their log density."""
    mu, log_tau = generator.normal(3.0, 5.0, count), generator.normal(-1.0, 0.8, count)
    noise = generator.standard_normal((count, groups))
    draws = np.column_stack([mu, log_tau, mu[:, None] + np.exp(log_tau)[:, None] * noise])
    top = ((mu - 3.0) / 5.0) ** 2 + ((log_tau + 1.0) / 0.8) ** 2
    return draws, -0.5 * (top + (noise**2).sum(axis=1)) - groups * log_tau


def test_there_and_back():
    generator = np.random.default_rng(0)
    noncentering, points = example(generator), generator.standard_normal((7, 5))
    positions = noncentering.forward(points)
    assert_close(noncentering.inverse(positions), points)
    assert_close(positions[:, [1, 4]], points[:, [1, 4]])
    assert_close(noncentering.log_det(positions), noncentering.log_det(points))


def test_columns_of_zeros_may_be_left_out():
    generator = np.random.default_rng(2)
    short = replace(example(generator), from_children=np.array([[0.0], [0.7], [-0.4]]))
    wide = replace(short, from_children=np.pad(short.from_children, [(0, 0), (0, 2)]))
    points, gradients = generator.standard_normal((2, 7, 5))
    positions = short.forward(points)
    assert_close(positions, wide.forward(points))
    assert_close(short.inverse(positions), points)
    assert_close(short.pull_back(points, gradients), wide.pull_back(points, gradients))
    assert_close(short.linear_part(), wide.linear_part())


def test_gradient_and_log_det_are_those_of_the_map():
    import jax
    import jax.numpy as jnp

    generator = np.random.default_rng(1)
    noncentering, points = example(generator), generator.standard_normal((4, 5))
    unmix = np.linalg.inv(np.eye(3) - noncentering.from_children)

    def forward(z):
        roots, children = z[noncentering.roots], z[noncentering.children]
        scales = jnp.exp(noncentering.exponents @ (roots - noncentering.center))
        inner = noncentering.location + noncentering.from_roots @ roots + scales * children
        return z.at[noncentering.children].set(unmix @ inner)

    def log_density(x):
        return -jnp.sum(jnp.cos(x) * x**2)

    def new(z):
        return log_density(forward(z)) + jnp.linalg.slogdet(jax.jacobian(forward)(z))[1]

    with in_precision(True):
        value_and_gradient = jax.jit(jax.vmap(jax.value_and_grad(log_density)))
        target = make_target(lambda x: tuple(map(np.asarray, value_and_gradient(x))), 5, 4)
        found, gradients = NonCenteredTarget(target, noncentering).evaluate(points)
        reference = jax.jit(jax.vmap(lambda z: (forward(z), *jax.value_and_grad(new)(z))))
        positions, values, slopes = map(np.asarray, reference(points))
        assert_close(noncentering.forward(points), positions)
        assert_close(found, values)
        assert_close(gradients, slopes)
        at_center = np.zeros(5)
        at_center[noncentering.roots] = noncentering.center
        jacobian = np.asarray(jax.jit(jax.jacobian(forward))(at_center))
    assert_close(noncentering.linear_part() @ jacobian, np.eye(5))


def test_beyond_the_range_of_floats_there_is_no_density():
    noncentering = example(np.random.default_rng(2))
    target = NonCenteredTarget(make_target(lambda x: (-(x**2).sum(1) / 2, -x), 5, 4), noncentering)
    log_density, gradients = target.evaluate(np.full((2, 5), 1e6) * [[1.0], [-1.0]])
    assert np.all(np.isneginf(log_density))
    assert not gradients.any()


def test_the_form_of_a_hierarchy_is_learned():
    """log tau is the scale of all groups, and mu is their location."""
    generator = np.random.default_rng(3)
    found, ratio = learn_noncentering(*hierarchy(generator, NUM_DRAWS), NUM_DRAWS)
    # In the new coordinates the density is Gaussian up to the error of the estimates.
    assert ratio < 0.3
    scale = found.roots[found.exponents.any(axis=0)]
    assert scale.tolist() == [1]
    groups = found.children >= 2
    assert groups.sum() == 8
    # The information of an exponent is twice the variance of its scale, draw by draw.
    error = np.full(8, 1.0 / (0.8 * np.sqrt(2.0 * NUM_DRAWS)))
    column = found.roots.tolist().index(1)
    assert_within_error(found.exponents[groups, column], np.ones(8), error)


def is_used(positions, log_density):
    found = learn_noncentering(positions, log_density, 400)
    return found is not None and found[1] < MAX_SD_RATIO


def test_no_form_is_used_where_there_is_no_funnel():
    """Sixty sets of draws of correlated Gaussians, heavy tails and bananas."""
    for seed in range(20):
        generator = np.random.default_rng(seed)
        white = generator.standard_normal((NUM_DRAWS, 12))
        log_density = -0.5 * (white**2).sum(axis=1)
        assert not is_used(white @ generator.standard_normal((12, 12)), log_density)
        heavy = generator.standard_t(4, (NUM_DRAWS, 12))
        assert not is_used(heavy, -2.5 * np.log1p(heavy**2 / 4.0).sum(axis=1))
        bent = white[:, :2] * [1.0, 0.3] + np.column_stack([np.zeros(NUM_DRAWS), white[:, 0] ** 2])
        assert not is_used(bent, -0.5 * (white[:, :2] ** 2).sum(axis=1))
    assert learn_noncentering(np.zeros((NUM_DRAWS, 3)), np.zeros(NUM_DRAWS), 400) is None


@pytest.mark.parametrize("kind", ["heavy", "scales", "copies", "repeats", "signs"])
def test_no_form_is_used_for_degenerate_draws(kind):
    generator = np.random.default_rng(6)
    positions = generator.standard_normal((NUM_DRAWS, 6))
    if kind == "heavy":
        positions = generator.standard_cauchy((NUM_DRAWS, 6))
    elif kind == "scales":
        positions *= 10.0 ** np.array([-150, -9, 0, 9, 100, 150])
    elif kind == "copies":
        positions[:, 1] = positions[:, 0]
    elif kind == "repeats":
        positions = np.repeat(positions[:10], NUM_DRAWS // 10, axis=0)
    else:
        positions[:, 1:] = np.sign(positions[:, 1:])
    assert not is_used(positions, generator.standard_normal(NUM_DRAWS))


def test_more_coordinates_than_chains_get_the_non_centered_form():
    # The noise of 501 correlations hides the gain from Gaussians with all correlations.
    groups = 499
    draws, log_density = hierarchy(np.random.default_rng(0), 2100, groups)
    draws[:, 2:] += (draws[:, :1] - 3.0) * (0.01 - 1.0)  # a mean with an sd of 0.05
    draws[:, 0] = 3.0 + 0.01 * (draws[:, 0] - 3.0)
    found = learn_noncentering(draws, log_density, 384)
    assert found is not None
    noncentering, sd_ratio = found
    assert sd_ratio < MAX_SD_RATIO
    assert 1 in noncentering.roots
    # Locations from many other children would be as large as the scale in the neck.
    assert (noncentering.from_children != 0).sum(axis=1).max() <= MAX_EARLIER_CHILDREN
    affine_map = AffineMap(draws.mean(axis=0), draws.std(axis=0))
    found_map = noncentered_map(noncentering, affine_map, draws, 384)
    assert found_map.kind == "diagonal"
    points = found_map.inverse(noncentering.inverse(draws))
    assert_close(points.std(axis=0), np.ones(groups + 2))


def test_thin_ridges_are_whitened():
    """A sum with sd 1e-4 and a funnel: the new coordinates whiten both."""
    generator = np.random.default_rng(4)
    draws, log_density = hierarchy(generator, NUM_DRAWS)
    noise = generator.standard_normal(NUM_DRAWS)
    positions = np.column_stack([draws, 1e-4 * noise - draws[:, 0]])
    found, ratio = learn_noncentering(positions, log_density - 0.5 * noise**2, NUM_DRAWS)
    assert ratio < MAX_SD_RATIO
    affine_map = dense_map(positions.mean(axis=0), np.cov(positions.T))
    points = noncentered_map(found, affine_map, positions, 384).inverse(found.inverse(positions))
    values = np.linalg.eigvalsh(np.cov(points.T))
    # They differ from one by the shrinkage of 2d/384 and by the errors of the form.
    assert values.min() > 0.5
    assert values.max() < 2.0


def test_chains_in_the_new_coordinates_leave_the_target_invariant():
    """Chains that start with the exact distribution keep it."""
    generator = np.random.default_rng(5)
    mixing = rotation(generator, 5) * [0.5, 1.0, 1.5, 2.0, 0.7]
    precision = np.linalg.inv(mixing @ mixing.T)

    def normal(x):
        pulled = x @ precision
        return -0.5 * (x * pulled).sum(axis=1), -pulled

    noncentering = example(generator)
    space = NonCenteredTarget(make_target(normal, 5, 512), noncentering)
    start = generator.standard_normal((4_000, 5)) @ mixing.T
    points = noncentering.inverse(start)
    chains = start_chains(space, points, dense_map(points.mean(0), np.cov(points.T)))
    for _ in range(10):
        settings = TrajectorySettings(step_size=0.3, length=1.2)
        chains = hmc_transition(space, chains, generator, settings).chains
    ends = noncentering.forward(chains.positions)
    # The map turns the Gaussian into a funnel here, where a fifth of the chains does not move.
    assert np.mean(np.abs(ends - start).max(axis=1) > 0.1) > 0.5
    white = ends @ np.linalg.inv(mixing).T
    assert_mean(white, np.zeros(5))
    assert_mean(white**2, np.ones(5))
    assert_mean((np.abs(white) > 2.0).astype(float), np.full(5, 0.0455003))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.long
@pytest.mark.parametrize("width", [1.0, 3.0])
def test_the_neck_of_a_funnel_is_reached(width):
    """Neal's funnel: the share of draws below the quantiles of the log scale, down to 1 %."""
    import jax.numpy as jnp

    def funnel(x):
        return -0.5 * (x[0] / width) ** 2 - jnp.sum(0.5 * x[1:] ** 2 * jnp.exp(-x[0]) + 0.5 * x[0])

    idata = fit_isogmm(LogDensity(funnel, np.zeros(9)), random_seed=0, progressbar=False)
    assert idata.attrs["verdict"] == "refined"
    draws = np.asarray(idata["posterior"]["x"])[..., 0].ravel() / width
    assert idata.attrs["refine_scales"] == "x[0]"
    for level, quantile in ((0.01, -2.3263479), (0.05, -1.6448536), (0.5, 0.0)):
        # About ten successive draws come from one chain: means of fifty are nearly independent.
        assert_mean((draws < quantile).reshape(80, 50).mean(axis=1), level)


def test_the_form_of_a_funnel_is_learned_three_times():
    """After 6, 12 and 24 transitions, since the chains reach further into the neck by then."""

    def funnel(x):
        squares, precision = (x[:, 1:] ** 2).sum(axis=1), np.exp(-x[:, 0])
        log_density = -(x[:, 0] ** 2) / 18.0 - 0.5 * squares * precision - 2.0 * x[:, 0]
        along = -x[:, 0] / 9.0 + 0.5 * squares * precision - 2.0
        return log_density, np.column_stack([along, -x[:, 1:] * precision[:, None]])

    generator = np.random.default_rng(7)
    target = make_target(funnel, 5, 400)
    chains = start_chains(
        target, 0.5 * generator.standard_normal((400, 5)), dense_map(np.zeros(5), np.eye(5))
    )
    sampler = Sampler(target, chains, np.zeros(400, dtype=int), generator)
    changes, lowest = set(), []
    while sampler.count < max(8, sampler.coordinates.settled_at):
        sampler.transition(tune=True)
        changes.add(sampler.coordinates.changed_at)
        lowest.append(np.quantile(sampler.positions[:, 0], 0.01))
    assert changes == {0, 6, 12, 24}
    assert lowest[11] < lowest[5]


def test_a_form_that_a_later_attempt_does_not_confirm_is_removed(monkeypatch):
    """A form with a small sd ratio at the first attempt and a large one at the second."""
    generator = np.random.default_rng(8)
    found, ratios = example(generator), iter([0.5, 0.95])
    monkeypatch.setattr(
        "isogmm.draws.chains.adaptation.learn_noncentering", lambda *args: (found, next(ratios))
    )
    target = make_target(lambda x: (-(x**2).sum(axis=1) / 2, -x), 5, 400)
    start = generator.standard_normal((400, 5))
    chains = start_chains(target, start, dense_map(np.zeros(5), np.eye(5)))
    sampler = Sampler(target, chains, np.zeros(400, dtype=int), generator)
    for _ in range(11):
        sampler.transition(tune=True)
    assert sampler.coordinates.noncentering is found
    sampler.transition(tune=True)
    assert sampler.coordinates.noncentering is None
    assert sampler.coordinates.changed_at == 12
    assert_close(sampler.chains.positions, sampler.positions)
    assert_close(sampler.log_density, -(sampler.positions**2).sum(axis=1) / 2)
    # The chains' own covariance, shrunk by 2d/400, is whitened again.
    values = np.linalg.eigvalsh(np.cov(sampler.chains.points.T))
    assert values.min() > 1 - 0.05 - 5 * np.sqrt(2 / 400)
    assert values.max() < 1 + 0.05 + 5 * np.sqrt(2 / 400)
