"""Components over modes: their means, covariances and weights for each mode."""

import numpy as np
import pytest

from isogmm.mixtures.affine_map import dense_map
from isogmm.mixtures.initialization.gaussian_over_modes import over_modes
from isogmm.mixtures.initialization.modes import Modes, allocate, place
from isogmm.mixtures.initialization.over_modes import OverModes

CHAINS, COUNT, DIM = 2, 7, 3


def make_modes(kind="full"):
    generator = np.random.default_rng(0)
    factors = np.tril(0.3 * generator.normal(size=(3, DIM, DIM)), -1)
    factors += generator.uniform(0.5, 2.0, (3, DIM))[..., None] * np.eye(DIM)
    if kind == "diagonal":
        factors = np.diagonal(factors, axis1=1, axis2=2).copy()
    means = 10.0 * generator.normal(size=(3, DIM))
    return Modes(means, factors, np.array([6.0, 1.0, 3.0]))


def make_map():
    root = np.random.default_rng(1).normal(size=(DIM, DIM)) + 2 * np.eye(DIM)
    return dense_map(np.array([1.0, -2.0, 3.0]), root @ root.T)


@pytest.mark.parametrize(
    ("masses", "count", "expected"),
    [
        ([6.0, 1.0, 3.0], 7, [4, 1, 2]),
        ([1.0, 1.0], 4, [2, 2]),
        ([0.2, 0.5, 0.3], 2, [0, 1, 1]),
        ([1e-9, 1.0], 3, [1, 2]),
    ],
)
def test_components_follow_the_masses(masses, count, expected):
    np.testing.assert_array_equal(allocate(np.array(masses), count), expected)


def test_noise_is_standardized_for_each_chain_and_mode():
    placement = place(make_modes(), np.random.default_rng(2), CHAINS, COUNT)
    np.testing.assert_array_equal(placement.owner, [0, 0, 0, 0, 1, 2, 2])
    np.testing.assert_array_equal(placement.is_alone, placement.owner == 1)
    np.testing.assert_array_equal(placement.noise[:, placement.is_alone], 0.0)
    for mode in (0, 2):
        noise = placement.noise[:, placement.owner == mode]
        np.testing.assert_allclose(noise.mean(axis=1), 0.0, atol=1e-14)
        np.testing.assert_allclose((noise**2).mean(axis=(1, 2)), 1.0, rtol=1e-12)


def test_modes_without_a_component_are_left_out():
    placement = place(make_modes(), np.random.default_rng(2), CHAINS, 2)
    np.testing.assert_array_equal(placement.owner, [0, 2])
    np.testing.assert_array_equal(placement.noise, 0.0)
    np.testing.assert_allclose(placement.log_weights, np.log([0.6, 0.3]))


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_full_components_have_the_mean_and_the_variance_of_their_mode(kind):
    modes, affine_map = make_modes(kind), make_map()
    mixture = over_modes(modes, np.random.default_rng(2), CHAINS, COUNT, affine_map, diagonal=False)
    owner = np.array([0, 0, 0, 0, 1, 2, 2])
    means, covariances = mixture.block(range(DIM))
    for mode in range(3):
        members, factor = owner == mode, modes.factors[mode]
        factor = np.diag(factor) if factor.ndim == 1 else factor
        share = 1.0 if members.sum() == 1 else 0.75
        for chain in range(CHAINS):
            np.testing.assert_allclose(means[chain, members].mean(axis=0), modes.means[mode])
            for covariance in covariances[chain, members]:
                np.testing.assert_allclose(covariance, share * factor @ factor.T, atol=1e-10)
            # The whitened means carry the rest of the total variance.
            centered = means[chain, members] - modes.means[mode]
            whitened = np.linalg.solve(factor, centered.T)
            np.testing.assert_allclose((whitened**2).mean(), 1.0 - share, atol=1e-12)
    np.testing.assert_allclose(
        np.exp(mixture.log_weights[0]), np.array([0.6, 0.1, 0.3])[owner] / [4, 4, 4, 4, 1, 2, 2]
    )


def test_diagonal_components_have_the_diagonal_of_the_full_ones():
    modes, affine_map = make_modes(), make_map()
    full, diagonal = (
        over_modes(modes, np.random.default_rng(2), CHAINS, COUNT, affine_map, diagonal=flag)
        for flag in (False, True)
    )
    np.testing.assert_array_equal(full.means, diagonal.means)
    np.testing.assert_allclose(np.einsum("ckii->cki", full.covariances), diagonal.covariances)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_isotropic_components_have_the_volume_of_their_mode(kind):
    modes, affine_map = make_modes(kind), make_map()
    mixture = OverModes(modes).initialize(np.random.default_rng(2), CHAINS, COUNT, affine_map)
    owner = np.array([0, 0, 0, 0, 1, 2, 2])
    scale = np.exp(-2.0 * affine_map.log_det() / DIM)
    for mode in range(3):
        members, factor = owner == mode, modes.factors[mode]
        factor = np.diag(factor) if factor.ndim == 1 else factor
        volume = scale * abs(np.linalg.det(factor)) ** (2.0 / DIM)
        share = 1.0 if members.sum() == 1 else 0.75
        np.testing.assert_allclose(mixture.variances[:, members], share * volume)
        centers = affine_map.forward(mixture.means[:, members]).mean(axis=1)
        np.testing.assert_allclose(centers, [modes.means[mode]] * CHAINS)
    np.testing.assert_allclose(np.exp(mixture.log_weights).sum(axis=1), 1.0)


def test_the_sign_of_a_factor_has_no_effect_on_the_volume():
    modes, affine_map = make_modes(), make_map()
    mirrored = Modes(modes.means, -modes.factors, modes.masses)
    first, second = (
        OverModes(each).initialize(np.random.default_rng(0), CHAINS, COUNT, affine_map)
        for each in (modes, mirrored)
    )
    np.testing.assert_allclose(second.variances, first.variances, rtol=1e-12)
