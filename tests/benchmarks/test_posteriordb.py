"""Models, data and references of posteriordb, and the check of each density by its score."""

import numpy as np
import pytest

from benchmarks import cases, metrics
from benchmarks.posteriordb import build, collection, scores

NAMES = collection.names()
WITH_DRAWS = [name for name in NAMES if name != "mcycle_gp-accel_gp"]
#: Models that compile fast, with priors that the data do not dominate.
QUICK = ("eight_schools-eight_schools_noncentered", "gp_pois_regr-gp_regr")


def stored_draws(name):
    return dict(collection.load(name).reference.draws)


def test_files_are_small():
    size = sum(path.stat().st_size for path in (collection.DATA, collection.REFERENCE))
    assert size <= build.MAX_BYTES


@pytest.mark.long
def test_references_hold_the_quantities_of_posteriordb():
    assert len(NAMES) == 47
    for name in WITH_DRAWS:
        posterior = collection.load(name)
        reference = posterior.reference
        # 10,000 independent draws have 0.01 sd.  An estimate from twenty halves of chains exceeds
        # 1.65 times that with probability 7e-5 (chi-squared, 19 degrees of freedom).
        assert posterior.stored("errors")[0].max() < 0.01 * 1.65
        assert len(posterior.stored("draws")) == build.NUM_DRAWS
        for variable, mean in reference.mean.items():
            square = reference.mean_square[variable]
            sd = np.sqrt((square - mean**2) * 10_000 / 9_999)
            np.testing.assert_allclose(sd, reference.sd[variable], rtol=1e-6)
            assert reference.quantiles[variable].shape == (len(metrics.LEVELS), *np.shape(mean))
    assert cases.load("posteriordb/arK-arK").dim == 7
    assert np.shape(collection.load("arK-arK").reference.mean["beta"]) == (5,)
    assert np.shape(collection.load("arK-arK").reference.mean["sigma"]) == ()


def test_unknown_quantiles_have_no_error():
    reference = collection.load("mcycle_gp-accel_gp").reference
    draws = {
        name: np.random.default_rng(0).normal(mean, reference.sd[name], (1, 500, *np.shape(mean)))
        for name, mean in reference.mean.items()
    }
    errors = metrics.compare(draws, reference)
    assert errors["mean_max"] < 0.25  # 5.5 standard errors
    assert np.isnan(errors["q_rms"])


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.parametrize("name", QUICK)
def test_density_has_the_score_of_the_reference_draws(name):
    assert scores.largest_ratio(name, stored_draws(name), build.NUM_DRAWS) < scores.LIMIT


@pytest.mark.numpyro
@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in WITH_DRAWS if name not in QUICK])
def test_every_density_has_the_score_of_its_reference_draws(name):
    assert scores.largest_ratio(name, stored_draws(name), build.NUM_DRAWS) < scores.LIMIT


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.parametrize(("width", "factor"), [(2.5, 1.0), (5.0, 2**0.5)], ids=["prior", "sd"])
def test_check_detects_a_wrong_density(width, factor):
    import numpyro
    import numpyro.distributions as dist

    def model(y, sigma):
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        scale = numpyro.sample("tau", dist.HalfCauchy(width))
        with numpyro.plate("school", len(y)):
            z = numpyro.sample("theta_trans", dist.Normal(0, 1))
            numpyro.sample("obs", dist.Normal(mu + scale * z, factor * sigma), obs=y)

    name = "eight_schools-eight_schools_noncentered"
    data = collection.load(name).numpyro_kwargs
    draws = scores.latent_sites(name, stored_draws(name), data)
    ratios = scores.ratios(*scores.scores(model, data, draws), build.NUM_DRAWS)
    assert np.abs(ratios).max() > scores.LIMIT
