"""Spheres around a mode: what the mode explains, and the narrow modes that it does not explain."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp

import isogmm
from isogmm.locate.directions import directions
from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.locate import locate
from isogmm.locate.located import SearchEnd
from isogmm.locate.modes import mode_search
from isogmm.locate.modes.local_gaussians import fit_shapes
from isogmm.locate.modes.quiet_rounds import num_quiet_rounds
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.locate.paths.starts import follow_starts
from isogmm.locate.spheres import excess, sphere_centers, sphere_search
from isogmm.locate.spheres.excess import RADII, excess_on_sphere, most_unexpected
from isogmm.locate.spheres.sphere_centers import SphereCenter, typical_size, widest_centers
from isogmm.locate.spheres.sphere_search import num_sphere_points, starts_from_spheres
from isogmm.model.fit_target import FitTarget

pytestmark = pytest.mark.usefixtures("unchecked")

DIM = 10
UNITS = directions(np.random.default_rng(0), 4000, DIM)


def two_modes(first, width, distance):
    """A wide mode and a narrow one of equal masses, in rotated coordinates of different units."""
    generator = np.random.default_rng(3)
    axes = np.linalg.qr(generator.standard_normal((DIM, DIM)))[0]
    scales = 10.0 ** generator.uniform(-2, 2, DIM)
    center = distance * axes[:, 0]

    def log_density(x):
        z = x / scales
        square = jnp.sum(z**2)
        # The Student t has 6 degrees of freedom; its integral is exp(6.85), the others' exp(9.19).
        wide = -0.5 * square if first == "gaussian" else 2.34 - 8.0 * jnp.log1p(square / 6.0)
        narrow = -0.5 * jnp.sum((z - center) ** 2) / width**2 - DIM * np.log(width)
        return logsumexp(jnp.stack([wide, narrow]))

    target = isogmm.LogDensity(log_density, np.zeros(DIM)).to_target()
    return FitTarget.of(target), scales, center * scales


@pytest.mark.parametrize("kind", ["gaussian", "skewed"])
def test_the_excess_is_small_in_one_mode_and_large_in_another(kind):
    values = -50.0 * np.ones(len(UNITS))
    if kind == "skewed":
        values = values - 30.0 * np.exp(UNITS[:, 0])
    values[7] += 20.0
    found, spread = excess_on_sphere(UNITS, values)
    # Without the trend the values of the skewed mode differ by more than 20 nats.
    assert np.argmax(found) == 7
    assert found[7] > 15.0 * spread
    assert np.abs(np.delete(found, 7)).max() < 2.0


def test_values_that_are_not_finite_have_no_excess():
    values = np.full(len(UNITS), -np.inf)
    assert np.all(excess_on_sphere(UNITS, values)[0] == -np.inf)
    values[: excess.MIN_FINITE] = -3.0
    found, _ = excess_on_sphere(UNITS, values)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(values))
    own = map_of(np.zeros(DIM), np.eye(DIM))
    none = np.full((len(RADII), len(UNITS)), -np.inf)
    assert len(most_unexpected(own, RADII, np.stack([UNITS] * len(RADII)), none).points) == 0


def test_the_most_unexpected_points_are_those_toward_another_mode():
    own = map_of(np.arange(1.0, DIM + 1), np.diag(np.arange(1.0, DIM + 1)))
    values = -0.5 * RADII[:, None] ** 2 + np.where(UNITS[:, 0] > 0.8, 1.0, 0.0)
    units = np.stack([UNITS] * len(RADII))
    points, log_density = most_unexpected(own, RADII, units, values)
    num_inside = (UNITS[:, 0] > 0.8).sum()
    z = own.inverse(points)
    is_inside = z[:, 0] > 0.8 * np.linalg.norm(z, axis=1)
    assert is_inside.sum() == min(num_inside * len(RADII), excess.MAX_CANDIDATES)
    radii = np.linalg.norm(z, axis=1)
    np.testing.assert_allclose(log_density, -0.5 * radii**2 + is_inside, atol=1e-9)


def test_the_excess_counts_in_units_of_its_spread():
    """A small excess on a smooth sphere precedes the larger noise of another sphere."""
    own = map_of(np.zeros(DIM), np.eye(DIM))
    values = 0.01 * np.random.default_rng(1).normal(size=(len(RADII), len(UNITS)))
    values[0] *= 1_000.0
    values[-1, 7] = 1.0
    points, _ = most_unexpected(own, RADII, np.stack([UNITS] * len(RADII)), values)
    np.testing.assert_allclose(points[0], RADII[-1] * UNITS[7])


def test_of_maxima_in_one_direction_the_highest_is_a_start():
    own = map_of(np.zeros(2), np.eye(2))
    points = np.array([[5.0, 0.1], [9.0, 0.0], [0.0, 6.0], [-7.0, 0.0]])
    is_maximum = np.array([True, True, True, False])
    found = sphere_search._distinct(own, points, np.array([1.0, 2.0, 0.0, 3.0]), is_maximum)
    assert found == [1, 2]


def test_a_ray_through_one_mode_has_no_maximum_outside_it():
    target, scales, center = two_modes("gaussian", 0.4, 11.0)
    own = map_of(np.zeros(DIM), np.diag(scales))
    points = np.stack([0.8 * center, -0.8 * center])
    reached, _, is_maximum = sphere_search._along_rays(target, own, points, sphere_search.RAY_RADII)
    assert is_maximum.tolist() == [True, False]
    # Successive radii have the ratio 1.16: one of them differs from 11 by less than 0.9.
    assert np.linalg.norm((reached[0] - center) / scales) < 3 * 0.4


def test_points_that_another_known_mode_explains_have_no_excess():
    values = np.where(UNITS[:, 0] > 0.7, -20.0, -50.0)
    values[np.argmin(UNITS[:, 0])] = -45.0
    others = np.where(UNITS[:, 0] > 0.7, -20.5, -80.0)
    assert UNITS[np.argmax(excess_on_sphere(UNITS, values)[0]), 0] > 0.7
    excess, _ = excess_on_sphere(UNITS, values, others)
    np.testing.assert_array_equal(np.isfinite(excess), UNITS[:, 0] <= 0.7)
    assert np.argmax(excess) == np.argmin(UNITS[:, 0])


@pytest.mark.parametrize(
    ("first", "width", "distance"), [("gaussian", 0.4, 11.0), ("student", 0.5, 9.0)]
)
def test_a_narrow_mode_far_away_is_found(first, width, distance, monkeypatch):
    """Without the spheres, the search of these targets finds the wide mode only."""
    for name, value in (
        ("NUM_POINTS_SEVERAL", 1000),
        ("NUM_PATHS_SEVERAL", 20),
        ("NUM_MODEL_PATHS", 5),
    ):
        monkeypatch.setattr(mode_search, name, value)
    monkeypatch.setattr(mode_search, "num_quiet_rounds", lambda target, known: 1)
    monkeypatch.setattr(sphere_search, "MAX_POINTS", 49_152)
    target, scales, center = two_modes(first, width, distance)
    located = locate(target, np.random.default_rng(0))
    distances = np.abs((located.means - center) / scales).max(axis=1)
    assert distances.min() < 0.1
    assert np.abs(located.means / scales).max(axis=1).min() < 0.1
    assert target.num_value_evaluations > sphere_search.MAX_POINTS


def student(x, freedom):
    return -0.5 * (freedom + DIM) * jnp.log1p(jnp.sum(x**2) / freedom)


@pytest.mark.parametrize("freedom", [6.0, np.inf])
def test_the_size_of_a_mode(freedom):
    """A Student t has E r² / d = ν / (ν - 2), and the covariance ν / (ν + d) at its maximum."""

    def log_density(x):
        return -0.5 * jnp.sum(x**2) if np.isinf(freedom) else student(x, freedom)

    shrinkage = 1.0 if np.isinf(freedom) else np.sqrt(freedom / (freedom + DIM))
    target = FitTarget.of(isogmm.LogDensity(log_density, np.zeros(DIM)).to_target())
    own = map_of(np.zeros(DIM), shrinkage * np.eye(DIM))
    size = typical_size(target, np.random.default_rng(0), own)
    exact = 1.0 if np.isinf(freedom) else np.sqrt((freedom + DIM) / (freedom - 2.0))
    # The largest radius is 6 √d.  Without what lies beyond it, √(E r²) is smaller by 1.6 %.
    np.testing.assert_allclose(size, exact, rtol=0.017)


def test_a_value_that_is_finite_nowhere_leaves_the_size():
    target = FitTarget.of(
        isogmm.LogDensity(lambda x: jnp.log(-jnp.sum(x**2)), np.ones(DIM)).to_target()
    )
    own = map_of(np.zeros(DIM), np.eye(DIM))
    assert typical_size(target, np.random.default_rng(0), own) == 1.0


def test_spheres_around_a_heavy_tailed_mode_are_as_large_as_the_mode():
    """A mode 17 sds of a Student t away is 62 sds of its Laplace approximation away."""
    center, width = np.full(DIM, 30.0 / np.sqrt(DIM)), 1.5

    def log_density(x):
        narrow = -0.5 * jnp.sum((x - center) ** 2) / width**2 - DIM * np.log(width)
        return jnp.logaddexp(student(x, 3.0), narrow)

    target = FitTarget.of(isogmm.LogDensity(log_density, np.zeros(DIM)).to_target())
    factor = np.sqrt(3.0 / (3.0 + DIM)) * np.eye(DIM)
    # Coordinates that are known to some percent only, as from draws.
    rough = np.sqrt(3.0) * np.diag(np.linspace(0.9, 1.1, DIM))
    maximum = LocalMaximum(np.zeros(DIM), factor, 0.0, 0.0)
    known = SphereCenter(map_of(np.zeros(DIM), rough), 0.0, maximum)
    ((starts, own),) = starts_from_spheres(target, np.random.default_rng(0), [known], 65_536)
    np.testing.assert_allclose(own.factor, factor, rtol=0.1, atol=0.01)
    assert np.linalg.norm(starts - center, axis=1).min() < np.sqrt(DIM) * width


def test_the_centers_of_spheres_are_the_widest_gaussians():
    """The Laplace approximation at the mode of a funnel is narrower than the other mode."""

    def log_density(x):
        first, rest = x[0], x[1:]
        funnel = (
            -0.5 * first**2 - 0.5 * jnp.sum(rest**2) * jnp.exp(-first) - 0.5 * (DIM - 1) * first
        )
        other = -0.5 * jnp.sum((x - 20.0) ** 2) / 0.25**2 - DIM * np.log(0.25)
        return jnp.logaddexp(funnel, other)

    target = FitTarget.of(isogmm.LogDensity(log_density, np.zeros(DIM)).to_target())
    neck = np.zeros(DIM)
    neck[0] = -0.5 * (DIM - 1)
    factor = np.exp(0.5 * neck[0]) * np.eye(DIM)
    factor[0, 0] = 1.0
    half = 0.5 * DIM * np.log(2.0 * np.pi)
    maxima = [
        LocalMaximum(np.full(DIM, 20.0), 0.25 * np.eye(DIM), -DIM * np.log(0.25), half),
        LocalMaximum(neck, factor, 0.5 * neck[0] ** 2, half),
    ]
    generator = np.random.default_rng(0)
    assert widest_centers(maxima) == []
    fit_shapes(target, generator, maxima)
    centers = widest_centers(maxima)
    assert centers[0].maximum is maxima[1]
    assert centers[1].maximum is maxima[0]
    # The other mode is a Gaussian, for which every draw gives the exact ELBO.
    log_density = centers[1].explained(np.full((1, DIM), 20.0))[0]
    assert log_density == pytest.approx(-DIM * np.log(0.25), abs=1e-3)
    before = target.num_gradient_evaluations
    fit_shapes(target, generator, maxima)
    assert target.num_gradient_evaluations == before


@pytest.mark.parametrize("kind", ["student", "banana"])
def test_spheres_around_two_modes_lead_to_a_third(kind):
    """The third mode is narrow, and 9 sds away from both."""
    centers = np.zeros((3, DIM))
    centers[1, 0], centers[2, :2] = 9.0, (4.5, 7.8)

    def log_density(x):
        r = x[None] - centers
        if kind == "banana":
            r = r.at[:2, 2].add(-0.7 * (r[:2, 1] ** 2 - 1.0))
        squares = (r**2).sum(axis=1)
        # The two Student t distributions have 6 degrees of freedom.
        wide = 2.34 - 8.0 * jnp.log1p(squares / 6.0) if kind == "student" else -0.5 * squares
        narrow = -0.5 * squares[2] / 0.65**2 - DIM * np.log(0.65)
        return logsumexp(jnp.concatenate([wide[:2], narrow[None]]))

    target = FitTarget.of(isogmm.LogDensity(log_density, np.zeros(DIM)).to_target())
    known = [
        SphereCenter(map_of(c, np.eye(DIM)), 0.0, LocalMaximum(c, np.eye(DIM), 0.0, 0.0))
        for c in centers[:2]
    ]
    found = starts_from_spheres(target, np.random.default_rng(0), known, 65_536)
    for (starts, own), center in zip(found, known, strict=True):
        assert 0 < len(starts) <= sphere_search.MAX_STARTS
        np.testing.assert_allclose(own.center, center.own.center, atol=1e-6)
    starts = np.concatenate([points for points, _ in found])
    paths = follow_starts(target, starts, [], None, max_evaluations=100)
    ends = np.stack([path.end for path in paths])
    assert np.linalg.norm(ends - centers[2], axis=1).min() < 0.1


def test_one_mode_is_searched_once_by_values():
    target = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(DIM)).to_target()
    target = FitTarget.of(target)
    generator, other = np.random.default_rng(0), np.random.default_rng(0)
    located = locate(target, generator)
    target.value_program, num_values = None, target.num_value_evaluations
    assert locate(target, other).num_screened == 2048
    # The later random numbers of a fit do not depend on the spheres.
    assert generator.random() == other.random()
    assert generator.spawn(1)[0].random() == other.spawn(1)[0].random()
    assert located.end is SearchEnd.ONE_MODE
    assert located.num_screened == 2048 + sphere_search.MAX_POINTS
    num_further = sphere_search.NUM_CIRCLES * len(sphere_search.ANGLES)
    num_further += len(sphere_search.RAY_RADII)
    largest = sphere_search.MAX_POINTS + 2 * sphere_centers.NUM_TEST_POINTS
    largest += num_further * excess.MAX_CANDIDATES
    assert sphere_search.MAX_POINTS < num_values <= largest


def test_where_spheres_are_left_out():
    def count(dim, cost=None):
        target = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(dim)).to_target()
        if cost is not None:
            program = target.value_program
            target.value_program = type(program)(program.start, program.evaluate, lambda: cost)
        return num_sphere_points(FitTarget.of(target))

    assert count(sphere_search.MIN_DIM - 1) == count(sphere_search.MAX_DIM + 1) == 0
    assert count(DIM) == sphere_search.MAX_POINTS
    assert count(DIM, sphere_search.MAX_NUMBERS / 20_000) == 20_000
    assert count(DIM, sphere_search.MAX_NUMBERS / 1_000) == 0
    plain = isogmm.LogDensity(
        None, np.zeros(DIM), value_and_grad=lambda x: (-0.5 * (x**2).sum(), -x)
    ).to_target()
    assert num_sphere_points(FitTarget.of(plain)) == 0


@pytest.mark.parametrize(("counts", "expected"), [((9, 3), 3), ((9, 2), 4)])
def test_fewer_rounds_end_the_search_where_spheres_are_searched(counts, expected):
    target = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(DIM)).to_target()
    maxima = [
        LocalMaximum(np.full(DIM, 9.0 * i), np.eye(DIM), 0.0, 0.0, count)
        for i, count in enumerate(counts)
    ]
    assert num_quiet_rounds(FitTarget.of(target), maxima) == expected
