"""Non-centered forms of more than 500 coordinates are learned from all children together."""

import numpy as np
import pytest

from helpers.targets import make_target
from isogmm.draws.chains.adaptation import MAX_POOLED_SD_RATIO, CoordinateAdaptation
from isogmm.draws.chains.learn_pooled import (
    MIN_SLOPE_Z,
    effective_number,
    find_parents,
    learn_pooled,
)
from isogmm.draws.chains.pooled_scales import find_pooled_scales, log_squares
from isogmm.draws.chains.state import start_chains
from isogmm.mixtures.affine_map import AffineMap

#: Draws of 384 chains in three transitions, the first attempt of a fit.
CHAINS, COUNT, GROUPS = 384, 3 * 384, 600
#: sd of the log of the scale, as in chains that start from a diagonal Gaussian.
SD = 0.1


def hierarchy(seed, num_scales=1):
    """Location, log scales and groups, whose mean given the others is not zero."""
    generator = np.random.default_rng(seed)
    mean = 1.0 + 0.05 * generator.standard_normal((COUNT, 1))
    log_scales = -0.7 + SD * generator.standard_normal((COUNT, num_scales))
    noise = generator.standard_normal((COUNT, GROUPS))
    shift = generator.standard_normal(GROUPS)
    of_group = np.arange(GROUPS) % num_scales
    scale = np.exp(log_scales)[:, of_group]
    draws = np.column_stack([mean, log_scales, mean + scale * (shift + noise)])
    top = ((mean[:, 0] - 1.0) / 0.05) ** 2 + (((log_scales + 0.7) / SD) ** 2).sum(axis=1)
    log_density = -0.5 * (top + (noise**2).sum(axis=1))
    return draws, log_density - log_scales[:, of_group].sum(axis=1)


def test_the_scale_of_a_narrow_funnel_is_found_with_equal_exponents():
    draws, log_density = hierarchy(0)
    noncentering, sd_ratio = learn_pooled(draws, log_density, CHAINS)
    assert sd_ratio < MAX_POOLED_SD_RATIO
    # A group whose mean is far from zero may count as a location too.
    assert noncentering.roots[:2].tolist() == [0, 1]
    assert len(noncentering.roots) <= 3
    assert len(noncentering.children) >= GROUPS - 1
    exponents = noncentering.exponents[:, 1]
    # Each of the maximum likelihood estimates has the error 1 / √(2 n) / sd = 0.21; moved to their
    # mean they differ by less, and the mean has the error 0.21 / √600.
    assert exponents.std() < 0.1
    # A twentieth of the bias comes from the penalty on the mean of z.
    assert abs(exponents.mean() - 1.0) < 0.1


def test_the_location_of_a_child_does_not_depend_on_its_own_scale():
    noncentering, _ = learn_pooled(*hierarchy(1), CHAINS)
    assert np.all(noncentering.from_roots[:, 1] == 0.0)
    # The slopes on the location of the groups are 1, with the error sd / 0.05 / √n before they
    # are replaced by their mean.
    slopes = noncentering.from_roots[:, 0]
    error = np.exp(-0.7) / 0.05 / np.sqrt(COUNT)
    assert abs(np.median(slopes) - 1.0) < 5 * error / np.sqrt(GROUPS)
    assert slopes.std() < error
    assert np.abs(slopes - 1.0).max() < 3 * MIN_SLOPE_Z * error


def test_two_scales_have_their_own_children():
    draws, log_density = hierarchy(2, num_scales=2)
    found, _ = learn_pooled(draws, log_density, CHAINS)
    own = {1: found.children[found.exponents[:, list(found.roots).index(1)] != 0.0]}
    own[2] = found.children[found.exponents[:, list(found.roots).index(2)] != 0.0]
    # The slopes of the children are 2 sd with the error (π² / 2 n)^½ = 0.065: the limit of a half
    # is 1.5 errors away, which a child or another coordinate exceeds with probability 0.06.
    for scale, first in ((1, 3), (2, 4)):
        correct = np.arange(first, GROUPS + 3, 2)
        assert np.isin(correct, own[scale]).mean() > 0.85
        assert np.isin(own[scale], correct).mean() > 0.85


@pytest.mark.parametrize("kind", ["normal", "heavy", "constant"])
def test_no_form_without_a_scale(kind):
    generator = np.random.default_rng(3)
    draws = generator.standard_normal((COUNT, GROUPS))
    if kind == "heavy":
        draws = generator.standard_t(3, (COUNT, GROUPS))
    elif kind == "constant":
        draws[:, 7] = 1.0
    assert learn_pooled(draws, -0.5 * (draws**2).sum(axis=1), CHAINS) is None


def test_coordinates_correlated_with_all_others_are_parents():
    draws, _ = hierarchy(4)
    points = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    assert 0 in find_parents(points)
    assert len(find_parents(np.random.default_rng(5).standard_normal((COUNT, GROUPS)))) == 0


def test_successive_transitions_count_less_than_independent_ones():
    generator = np.random.default_rng(6)
    independent = generator.standard_normal((4, 200, 50))
    dependent = independent.copy()
    for step in range(1, 4):
        dependent[step] = 0.6 * dependent[step - 1] + 0.8 * independent[step]
    # n (1 - r) / (1 + r) with r from 3 x 200 x 50 products, three quarters of the variance's.
    assert effective_number(independent.reshape(800, 50), 200) > 0.95 * 800
    expected = 800 * (1 - 0.75 * 0.6) / (1 + 0.75 * 0.6)
    assert effective_number(dependent.reshape(800, 50), 200) < 1.15 * expected
    assert effective_number(independent[0], 200) == 200


def test_children_of_earlier_scales_are_no_scales():
    draws, _ = hierarchy(7)
    points = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    is_excluded = np.zeros(GROUPS + 2, dtype=bool)
    found = find_pooled_scales(points, points.copy(), is_excluded, float(COUNT))
    assert found[1] == []
    assert {scale for scales in found for scale in scales} == {1}
    assert np.isfinite(log_squares(np.array([[0.0], [1.0]]))).all()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("start_sd", "is_used"), [(0.3, True), (3.0, False)])
def test_a_form_is_used_where_the_chains_spread_along_the_scale(start_sd, is_used):
    """A funnel with 600 children: chains that start with the width of the scale need no form."""

    def funnel(x):
        squares, precision = (x[:, 1:] ** 2).sum(axis=1), np.exp(-2.0 * x[:, 0])
        log_density = -(x[:, 0] ** 2) / 18.0 - 0.5 * squares * precision - GROUPS * x[:, 0]
        along = -x[:, 0] / 9.0 + squares * precision - GROUPS
        return log_density, np.column_stack([along, -x[:, 1:] * precision[:, None]])

    generator = np.random.default_rng(8)
    start = generator.standard_normal((CHAINS, GROUPS + 1))
    start[:, 0] *= start_sd
    start[:, 1:] *= np.exp(start[:, [0]])
    target = make_target(funnel, GROUPS + 1, CHAINS)
    coordinates = AffineMap(np.zeros(GROUPS + 1), np.r_[start_sd, np.ones(GROUPS)])
    chains = start_chains(target, start, coordinates)
    groups = np.zeros(CHAINS, dtype=int)
    adaptation = CoordinateAdaptation(target, chains, groups, allow_noncentering=True)
    for count in range(1, 7):
        # The chains of a fit that spread: the log scale has the sd 0.6 from here on.
        points = start.copy()
        points[:, 0] *= 0.6 / start_sd
        points[:, 1:] *= np.exp(points[:, [0]] - start[:, [0]])
        chains = adaptation.adapt(start_chains(target, points, chains.affine_map), count)
    assert (adaptation.noncentering is not None) is is_used
    assert adaptation.scales.tolist() == ([0] if is_used else [])
