"""Masses of local maxima by ELBOs, and ends of paths that are not maxima of their own."""

import numpy as np
import pytest

from helpers.targets import isotropic_mixture
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.locate import Locate
from isogmm.locate.modes import estimates
from isogmm.locate.modes.estimates import (
    MAX_ELBO_ITERATIONS,
    MAX_LOG_MASS_GAP,
    MAX_RISE_FACTOR,
    MIN_SLOPE_GAP,
    _has_moved,
    check_estimates,
    without_slopes,
)
from isogmm.locate.modes.mode_search import ModeSearch
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.model.fit_target import FitTarget

pytestmark = pytest.mark.usefixtures("unchecked")

#: Two modes, 0.99 at the origin and 0.01 at a distance of 20.
MEANS = np.array([[0.0, 0.0], [20.0, 0.0]])
MIXTURE = isotropic_mixture(MEANS, np.ones(2), np.array([0.99, 0.01]))


def end_of_a_path(position, sd, count=1):
    """The Laplace estimate is that of a Gaussian with this standard deviation."""
    position = np.asarray(position, dtype=float)
    log_density = float(MIXTURE.log_density_and_gradient(position[None])[0][0])
    laplace = log_density + np.log(2 * np.pi) + 2 * np.log(sd)
    return LocalMaximum(position, sd * np.eye(2), log_density, laplace, count)


def test_ends_on_the_slope_of_a_known_mode_do_not_count():
    known = end_of_a_path(MEANS[0], 1.0, count=9)
    light = end_of_a_path(MEANS[1], 1.0)
    slope = end_of_a_path([1.5, 0.0], 0.1)
    assert max(light.laplace, slope.laplace) < known.laplace - MIN_SLOPE_GAP
    target, generator = MIXTURE.target(), np.random.default_rng(0)
    assert without_slopes(target, generator, [slope, light], [known]) == [light]
    # Several paths ended there, or the mode is not known.
    often = end_of_a_path([1.5, 0.0], 0.1, count=2)
    assert without_slopes(target, generator, [often], [known]) == [often]
    assert without_slopes(target, generator, [slope], [light]) == [slope]
    assert without_slopes(target, generator, [slope], []) == [slope]


def test_gaussians_that_move_to_a_known_mode_do_not_count():
    """Narrow maxima, as those at single observations; one of them lies in a mode of its own."""
    known = end_of_a_path(MEANS[0], 1.0, count=9)
    spike, own = end_of_a_path([1.5, 0.0], 0.002), end_of_a_path(MEANS[1], 0.02)
    assert max(spike.laplace, own.laplace) < known.laplace - MAX_LOG_MASS_GAP
    check_estimates(MIXTURE.target(), np.random.default_rng(0), [known, spike, own], known.laplace)
    assert spike.log_mass == spike.reach == spike.laplace
    assert own.log_mass > known.laplace - MAX_LOG_MASS_GAP


def test_a_gaussian_on_its_way_to_a_known_mode_has_moved():
    known, target = end_of_a_path(MEANS[0], 1.0), MIXTURE.target()
    assert _has_moved(target, np.array([5.0, 0.0]), [known])  # the density rises towards the mode
    assert not _has_moved(target, MEANS[1], [known])
    assert not _has_moved(target, np.zeros(2), [])


class TestElbos:
    """ELBOs of maxima in funnels and spikes, by a Gaussian that rises with a given speed."""

    LIMIT = -20.0

    @staticmethod
    def checked(monkeypatch, values):
        """The maximum after a check; its ELBO after 8, 16, 32, ... iterations has these values."""
        target = MIXTURE.target()
        maximum = end_of_a_path(MEANS[0], 1.0)
        maximum.laplace = -21.0  # between the limit and the lowest estimate that is checked
        lasts = []

        def fit_local(target, generator, gaussians, first, last):
            lasts.append(last)
            result = gaussians.take(np.arange(1))
            result.elbo[:] = values[len(lasts) - 1]
            return result

        monkeypatch.setattr(estimates, "fit_local", fit_local)
        best = TestElbos.LIMIT + MAX_LOG_MASS_GAP
        check_estimates(target, np.random.default_rng(0), [maximum], best)
        return maximum, lasts

    @pytest.mark.parametrize(
        ("values", "lasts"),
        [
            ([-60.0, -40.0, -30.0, -25.0, -19.0], [8, 16, 32, 64, 128]),  # until the last
            ([-60.0, -40.0, -19.0], [8, 16, 32]),  # until it exceeds the limit
            ([-60.0, -19.0], [8, 16]),
            ([-60.0, -50.0, -49.0], [8, 16, 32]),  # until it rises too little
            ([-50.0, -45.0], [8, 16]),  # a further rise of 5 * 5 does not exceed the limit
            ([-50.0, -60.0], [8, 16]),  # noise
        ],
    )
    def test_the_iterations_go_on_while_the_limit_may_be_reached(self, monkeypatch, values, lasts):
        maximum, found = self.checked(monkeypatch, values)
        assert found == lasts
        assert maximum.elbo == values[-1]
        assert (maximum.reach > self.LIMIT) == (values[-1] > self.LIMIT)

    def test_a_funnel_that_still_rises_at_the_end_may_reach_the_limit(self, monkeypatch):
        values = [-80.0, -60.0, -50.0, -44.0, -39.0]
        maximum, lasts = self.checked(monkeypatch, values)
        assert lasts[-1] == MAX_ELBO_ITERATIONS
        assert maximum.elbo == -39.0
        assert maximum.reach == -39.0 + MAX_RISE_FACTOR * 5.0

    def test_a_gaussian_that_diverges_has_no_mass(self, monkeypatch):
        maximum, _ = self.checked(monkeypatch, [-60.0, -np.inf])
        assert maximum.elbo == maximum.reach == -np.inf


@pytest.mark.parametrize(("reach", "is_relevant"), [(-11.0, True), (-13.0, False)])
def test_a_mode_is_relevant_while_its_elbo_may_reach_the_limit(reach, is_relevant):
    means = np.array([[0.0, 0.0], [60.0, 0.0]])
    target = FitTarget.of(isotropic_mixture(means, np.ones(2)).target())
    first, rising = (LocalMaximum(mean, np.eye(2), -2.5, 0.0) for mean in means)
    rising.laplace, rising.elbo, rising.reach = -60.0, -40.0, reach
    best = Gaussians.start(means[:1], np.eye(2)[None])
    best.elbo[:] = 0.0
    search = ModeSearch(
        target, np.random.default_rng(0), Locate(), best, [first, rising], num_paths=2
    )
    assert search.relevant() == ([first, rising] if is_relevant else [first])
