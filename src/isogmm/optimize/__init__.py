"""The optimization loop and its interchangeable parts: gradients, updates, schedules, stopping."""

from isogmm.optimize.loop import OptimizeResult as OptimizeResult
from isogmm.optimize.loop import drive as drive
from isogmm.optimize.loop import optimize as optimize
