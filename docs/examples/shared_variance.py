"""A family of mixtures of your own: isotropic components that share one variance in each chain.

    python docs/examples/shared_variance.py

A family has a mixture, an algorithm, a class that reads the options, and a row in ``FAMILIES``.
Files go to the working directory.
"""

import inspect
from dataclasses import dataclass, replace

import numpy as np

import isogmm
from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.over_modes import OverModes
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.algorithm import Algorithm
from isogmm.optimize.backends import ARRAY_BACKENDS
from isogmm.optimize.gradient_runner import GradientRunner
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.iteration import Rules
from isogmm.optimize.schedules import ConstantThenLinearDecay
from isogmm.optimize.updates import RelativeStep, TrustRegion, find_rule
from isogmm.recipe.families import FAMILIES
from isogmm.recipe.families.mixture_family import MixtureFamily, modes_of
from isogmm.recipe.options import common_options, default_tolerance, estimator, stopping_for
from isogmm.recipe.run import run

# --- 1. The mixture -------------------------------------------------------------------------------
# The docstrings of AbstractMixture define each method.  The first axes of an array are the chains,
# and the next axis is the component.


@dataclass(frozen=True)
class SharedVarianceMixture(AbstractMixture):
    """q(x) = Σ_k w_k N(x; c + L m_k, v L Lᵀ), with one v for each chain."""

    means: np.ndarray  # (..., k, d), in the coordinates of the map
    variance: np.ndarray  # (...)
    log_weights: np.ndarray  # (..., k)
    affine_map: AffineMap

    @classmethod
    def of(cls, mixture):
        variance = np.exp(np.log(mixture.variances).mean(axis=-1))
        return cls(mixture.means, variance, mixture.log_weights, mixture.affine_map)

    def isotropic(self):
        """The same density as a member of the isotropic family."""
        variances = np.broadcast_to(np.asarray(self.variance)[..., None], self.log_weights.shape)
        return IsotropicMixture(self.means, variances, self.log_weights, self.affine_map)

    def arrays(self):
        return {"means": self.means, "variance": self.variance, "log_weights": self.log_weights}

    @classmethod
    def fits(cls, arrays):  # true for the stored arrays of this class only
        return "variance" in arrays

    @classmethod
    def of_arrays(cls, arrays, affine_map):
        names = ("means", "variance", "log_weights")
        return cls(*(np.asarray(arrays[name]) for name in names), affine_map)

    def mapped(self, function):
        return replace(self, **{name: function(array) for name, array in self.arrays().items()})

    def pooled(self):
        return self.isotropic().pooled()  # the variances of the chains differ

    def block(self, coordinates):
        return self.isotropic().block(coordinates)

    def marginal(self, coordinate):
        return self.isotropic().marginal(coordinate)

    def _numbers_per_point(self):
        return self.num_components

    def _log_prob(self, points):
        return self.isotropic()._log_prob(points)

    def _log_prob_and_score(self, points):
        return self.isotropic()._log_prob_and_score(points)

    def _scaled(self, noise, components):
        return np.sqrt(self.variance) * noise

    def _mean_of_covariances(self):
        return self.isotropic()._mean_of_covariances()


# --- 2. The algorithm -----------------------------------------------------------------------------
# It makes a runner, which performs the iterations.  If the update rule needs other arrays, the
# algorithm names their class in arrays_type (see src/isogmm/optimize/gaussian/arrays.py).


class SharedVarianceRunner(GradientRunner):
    def mixture(self):
        return SharedVarianceMixture.of(super().mixture())


class SharedVarianceAlgorithm(Algorithm):
    def runner(self, target, mixture, generator, weights=None):
        rules = Rules(self.rule, weights)
        make_backend = ARRAY_BACKENDS[self.array_backend]
        backend = make_backend(rules, mixture.means.dtype)
        start = mixture.isotropic()
        return SharedVarianceRunner(target, start, self.estimator, rules, backend, generator)


# --- 3. The family --------------------------------------------------------------------------------
# It reads the options, places the components around the modes, and converts mixtures of other
# families.  A family without an affine map is a subclass of AbstractFamily.


@dataclass(frozen=True)
class SharedVariance(MixtureFamily[SharedVarianceMixture]):
    default_num_components = 16

    @classmethod
    def of(cls, given):
        schedule = ConstantThenLinearDecay(0.25)
        algorithm = SharedVarianceAlgorithm(
            estimator(given["num_samples"], MonteCarlo()),
            RelativeStep(TrustRegion(find_rule("ibw_s"))),
            schedule,
            stopping_for(given, schedule, default_tolerance(given["refine"])),
        )
        return cls(common_options(given, algorithm))

    def over_modes(self, located, num_components, affine_map, generator):
        start = OverModes(modes_of(located))
        mixture = start.initialize(generator, self.options.chains, num_components, affine_map)
        return SharedVarianceMixture.of(mixture)

    def convert(self, mixture):
        if isinstance(mixture, SharedVarianceMixture):
            return mixture
        if isinstance(mixture, IsotropicMixture):
            return SharedVarianceMixture.of(mixture)
        raise OptionError("the initial mixture has covariances, but this family has none")


# --- 4. The row, and fits -------------------------------------------------------------------------

FAMILIES["shared_variance"] = SharedVariance

signature = inspect.signature(isogmm.fit_isogmm).parameters
defaults = {name: option.default for name, option in signature.items()} | {"model_args": ()}


def fit_shared_variance(model, **options):
    return run("shared_variance", {**defaults, "model": model, **options})


model = isogmm.LogDensity(
    lambda x: -0.5 * ((x[0] - 1) ** 2 + 4 * (x[1] - x[0] ** 2 / 4) ** 2), np.zeros(2), names="x"
)
idata = fit_shared_variance(model, random_seed=0, checkpoint="fit.npz")
idata.to_netcdf("fit.nc")
saved = isogmm.inference_data.load("fit.nc")
mixture = SharedVarianceMixture.from_idata(saved)
resumed = fit_shared_variance(model, random_seed=1, resume=saved)
continued = fit_shared_variance(model, random_seed=2, checkpoint="fit.npz")
