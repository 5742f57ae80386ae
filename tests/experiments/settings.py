"""What is run, as printed in table 1 of the paper: one row for each experiment.

References
----------
Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
Gaussians. arXiv:2506.13613.
"""

from collections.abc import Callable
from dataclasses import dataclass

from experiments import regressions, targets
from experiments.problems import Problem

#: Samples of each component and iteration.
NUM_SAMPLES = 10
ALL_RULES = ("ibw", "md", "ibw_s", "md_s", "gd", "ngd")
RULES = ("ibw", "md", "gd")
FULL = ("bw", "gmmvi")
BASELINES = ("advi", "laplace", "flow", "nuts")
WITH_BASELINES = ("default", *BASELINES)


@dataclass(frozen=True)
class Setting:
    """One experiment: a problem, the paper's start and step, and who takes part.

    Parameters
    ----------
    problem
        Makes the problem; called when it is needed.
    components
        The numbers K.
    half_width, variance
        The start: means uniform in [-s, s]^d, variance r.
    step_size, iterations
        γ and T.
    methods
        Rules with these settings, each with every K and seed.
    others
        Methods that choose their own settings.
    """

    problem: Callable[[], Problem]
    components: tuple[int, ...]
    half_width: float
    variance: float
    step_size: float
    iterations: int
    methods: tuple[str, ...] = (*RULES, *FULL)
    others: tuple[str, ...] = ("default",)

    @property
    def quick_iterations(self) -> int:
        """Iterations of ``--quick``."""
        return max(50, min(300, self.iterations // 10))


def _skewed(
    name: str, skew: tuple[float, float], tail: tuple[float, float], *others: str
) -> Setting:
    return Setting(
        lambda: targets.sinh_arcsinh(name, skew, tail),
        (5, 20),
        10.0,
        2.0,
        1e-3,
        10_000,
        others=("default", *others),
    )


def _four(
    name: str, distance: float, variance: float, weights: tuple[float, ...], *others: str
) -> Setting:
    return Setting(
        lambda: targets.square_of_modes(name, distance, variance, weights),
        (4, 20),
        10.0,
        5.0,
        1e-2,
        10_000,
        others=("default", *others),
    )


EQUAL = (0.25, 0.25, 0.25, 0.25)

SETTINGS: dict[str, Setting] = {
    "mixture_2": Setting(
        lambda: targets.random_mixture("mixture_2", 2, 5, 8.0, 5.0, seed=0),
        (1, 5, 10, 20),
        15.0,
        2.0,
        1e-1,
        1_000,
        methods=(*ALL_RULES, *FULL),
        others=WITH_BASELINES,
    ),
    "mixture_10": Setting(
        lambda: targets.random_mixture("mixture_10", 10, 5, 20.0, 5.0, seed=0),
        (20,),
        30.0,
        100.0,
        1e-3,
        10_000,
    ),
    "mixture_20": Setting(
        lambda: targets.random_mixture("mixture_20", 20, 10, 10.0, 1.0, seed=0),
        (20,),
        30.0,
        100.0,
        1e-2,
        10_000,
        others=WITH_BASELINES,
    ),
    "mixture_50": Setting(
        lambda: targets.random_mixture("mixture_50", 50, 10, 10.0, 10.0, seed=0),
        (20,),
        30.0,
        100.0,
        1e-3,
        10_000,
    ),
    "funnel": Setting(
        targets.funnel,
        (5, 20, 40),
        5.0,
        0.5,
        1e-2,
        10_000,
        others=WITH_BASELINES,
    ),
    "skewed_equal": _skewed("skewed_equal", (-0.2, -0.2), (0.8, 0.8), *BASELINES),
    "skewed_unequal": _skewed("skewed_unequal", (-0.2, -0.5), (0.8, 0.8)),
    "skewed_tails": _skewed("skewed_tails", (-0.2, -0.2), (0.8, 0.7)),
    "four_modes_wide": _four("four_modes_wide", 3.0, 2.0, EQUAL, *BASELINES),
    "four_modes_apart": _four("four_modes_apart", 4.0, 1.0, EQUAL),
    "four_modes_unequal": _four("four_modes_unequal", 3.0, 2.0, (0.1, 0.3, 0.3, 0.3)),
    "breast_cancer": Setting(
        regressions.breast_cancer, (5,), 20.0, 10.0, 1e-2, 10_000, others=WITH_BASELINES
    ),
    "wine": Setting(regressions.wine, (5,), 20.0, 10.0, 1e-2, 100, others=WITH_BASELINES),
    "diabetes_network": Setting(
        regressions.network_regression,
        (5,),
        10.0,
        10.0,
        1e-6,
        10_000,
        methods=("ibw", "md", "gd"),
        others=("default", "advi"),
    ),
    "planar_robot": Setting(
        targets.planar_robot, (40,), 2.0, 0.1, 1e-5, 3_000, methods=("ibw", *FULL)
    ),
    "student_mixture": Setting(
        lambda: targets.student_mixture("student_mixture"),
        (40,),
        20.0,
        10.0,
        1e-1,
        3_000,
        methods=("ibw", *FULL),
    ),
    "forty_modes": Setting(
        targets.forty_modes, (40, 80), 40.0, 10.0, 1e-1, 3_000, methods=("ibw", *FULL)
    ),
}
