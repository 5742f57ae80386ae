"""NumPyro's variational guides on the log density of any target."""

from dataclasses import dataclass

import numpy as np

from isogmm.errors import MissingPackageError, how_to_install, require
from isogmm.model.adapter import installed_adapters
from isogmm.model.target import Target
from isogmm.results.groups import Result, get_group
from isogmm.samplers.finite_result import finite_result
from isogmm.samplers.jax_density import jax_density

#: Attributes of NumPyro's result that are kept.
_KEPT_ATTRIBUTES = ("sampling_time", "num_gradient_evaluations")


@dataclass(frozen=True)
class NumPyroGuide:
    """A function that fits one of NumPyro's guides and draws from it.

    Parameters
    ----------
    name
        Name of the method among the baselines of the NumPyro adapter.
    """

    name: str

    def __call__(
        self,
        target: Target,
        seed: int,
        draws: int,
        chains: int,
        *,
        num_steps: int = 20_000,
        step_size: float = 0.01,
        num_particles: int = 1,
    ) -> Result:
        """Draws of the guide fitted to a target, as a NumPyro model of one flat vector.

        Parameters
        ----------
        target, seed, draws, chains
            The target, the seed, and the shape of the result.
        num_steps, step_size, num_particles
            Steps of Adam, their size, and samples of the guide in each step.

        Raises
        ------
        MissingPackageError
            If NumPyro or its adapter is not installed.
        """
        numpyro = require("numpyro", extra="numpyro")
        adapter = installed_adapters().get("numpyro")
        if adapter is None:
            raise MissingPackageError(
                f"{self.name} needs the NumPyro adapter of isogmm, which is not installed: "
                f"{how_to_install('numpyro')}"
            )
        density, dim = jax_density(target), target.dim
        distributions = require("numpyro.distributions", extra="numpyro")

        def model() -> None:
            flat_prior = distributions.ImproperUniform(
                distributions.constraints.real_vector, (), (dim,)
            )
            position = numpyro.sample("position", flat_prior)
            numpyro.factor("log_density", density(position))

        fit = adapter.baselines()[self.name]
        with target.precision():
            found = fit(
                model,
                random_seed=seed,
                draws=draws,
                chains=chains,
                num_steps=num_steps,
                step_size=step_size,
                num_particles=num_particles,
            )
        positions = np.asarray(get_group(found, "posterior")["position"].values, np.float64)
        attributes = {
            "algorithm": self.name,
            **{name: found.attrs[name] for name in _KEPT_ATTRIBUTES if name in found.attrs},
        }
        return finite_result(target, positions, seed, attributes, library="numpyro")
