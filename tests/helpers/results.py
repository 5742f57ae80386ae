"""Results as ``fit_isogmm`` delivers them, made without a fit."""

import json

import numpy as np

from isogmm import inference_data as idt
from isogmm.mixtures.affine_map import dense_map
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.results.building.fit_result import FitResult

CHAINS, DRAWS, COMPONENTS, DIM = 4, 250, 6, 4


def fitted(names=("mu", "tau"), *, num_modes=2, attributes=None, tables=None, history=None):
    """A scalar (as it is), a positive scalar (its log) and a vector of two, in ``num_modes``.

    ``names`` are those of the two scalars.
    """
    first, second = names

    def constrain(positions, seed):
        return {
            "posterior": {
                first: positions[:, 0],
                second: np.exp(positions[:, 1]),
                "theta": positions[:, 2:],
            },
            "log_likelihood": {},
            "log_prior": {},
        }

    target = Target(
        variables={first: (), second: (), "theta": (2,)},
        evaluate_point=_nothing,
        evaluate_batch=_nothing,
        constrain=constrain,
        initial_positions=lambda generator, n: generator.uniform(-2, 2, (n, DIM)),
        dims={"theta": ("school",)},
        coords={"school": ["A", "B"]},
    )
    generator = np.random.default_rng(1)
    component_modes = np.broadcast_to(np.arange(COMPONENTS) % num_modes, (CHAINS, COMPONENTS))
    # Modes lie apart along theta, in steps of eight sds.
    places = np.zeros((COMPONENTS, DIM))
    places[:, 2] = 8.0 * component_modes[0]
    root = generator.normal(size=(DIM, DIM))
    affine = dense_map(np.zeros(DIM), 0.1 * root @ root.T + np.eye(DIM))
    mixture = IsotropicMixture(
        means=affine.inverse(places + 0.1 * generator.normal(size=(CHAINS, COMPONENTS, DIM))),
        variances=generator.uniform(0.5, 1.0, (CHAINS, COMPONENTS)),
        log_weights=np.full((CHAINS, COMPONENTS), -np.log(COMPONENTS)),
        affine_map=affine,
    )
    positions, components = mixture.sample(generator, DRAWS)
    modes = np.take_along_axis(component_modes, components, axis=1)
    log_q = np.stack([mixture[chain].log_prob(positions[chain]) for chain in range(CHAINS)])
    elbo = -30.0 - np.exp(-np.arange(6.0))[:, None] * np.arange(1, CHAINS + 1)
    shares = np.bincount(component_modes.ravel()) / component_modes.size
    result = FitResult(
        target=target,
        mixture=mixture,
        positions=positions,
        log_density=log_q - 30.0,
        log_q=log_q,
        log_weights=np.full((CHAINS, DRAWS), -np.log(CHAINS * DRAWS)),
        components=components,
        modes=modes,
        history={
            "iteration": np.arange(25, 175, 25),
            "elbo": elbo,
            "elbo_se": np.full((6, CHAINS), 0.02),
            "gradient_evaluations": 3200 * np.arange(1, 7),
            "seconds": np.linspace(0.1, 0.6, 6),
        }
        if history is None
        else history,
        tables={
            "component_mode": (("chain", "component"), component_modes),
            "mode_mass": (("mode",), shares),
            "mode_mass_se": (("mode",), np.full(num_modes, 0.01)),
            "mode_mean": (
                ("mode", "coordinate"),
                np.stack([positions[modes == mode].mean(axis=0) for mode in range(num_modes)]),
            ),
            "mean_shift": (("coordinate",), np.array([0.0, -0.31, 0.04, 0.0])),
            "log_sd_shift": (("coordinate",), np.array([0.01, 0.42, -0.02, 0.0])),
            "refine_memory": (("coordinate",), np.array([0.02, 0.12, 0.05, 0.01])),
            "refine_drift": (("coordinate",), np.array([0.01, -0.14, 0.02, 0.0])),
            "refine_drift_se": (("coordinate",), np.full(DIM, 0.02)),
            **(tables or {}),
        },
        attributes={
            "sampling_time": 1.5,
            "stop_reason": "converged",
            "elbo": -30.01,
            "elbo_se": 0.02,
            "log_evidence": -29.8,
            "log_evidence_se": 0.03,
            "pareto_k": 0.62,
            "importance_ess": 1234.0,
            "num_gradient_evaluations": 25000,
            "verdict": "refined",
            "advice": "Use the draws like those of MCMC.",
            "draws_from": "chains",
            "stage_seconds": json.dumps({"locate": 0.8, "mixture": 0.6, "refine": 0.1}),
            "stage_gradient_evaluations": json.dumps({"locate": 5000, "mixture": 19200}),
            **(attributes or {}),
        },
    )
    return idt.to_inference_data(result)


def _nothing(positions):
    raise AssertionError("nothing is evaluated")
