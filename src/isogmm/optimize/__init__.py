"""The optimization loop and its interchangeable parts: gradients, updates, schedules, stopping."""

from isogmm.optimize.algorithm import optimize as optimize
from isogmm.optimize.loop import OptimizeResult as OptimizeResult
from isogmm.optimize.loop import run_windows as run_windows
