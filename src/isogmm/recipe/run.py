"""From a model and the arguments of a user to an ArviZ object, the same for all families."""

import time

import numpy as np
from threadpoolctl import threadpool_limits

from isogmm.model.to_target import to_target
from isogmm.optimize.check import Check, asks_to_end
from isogmm.recipe.families import FAMILIES
from isogmm.recipe.fit import fit
from isogmm.recipe.options import Arguments
from isogmm.recipe.progress import Progress
from isogmm.recipe.resume import Checkpoint, resume_start
from isogmm.results.arviz_versions import preload
from isogmm.results.groups import Result
from isogmm.validation import seed_of


def run(family_name: str, given: Arguments) -> Result:
    """Fit a model and return its result.

    Parameters
    ----------
    family_name
        A row of :data:`isogmm.recipe.families.FAMILIES`.
    given
        The arguments of the public function by name: those of the model and of the run (see
        :func:`isogmm.fit_isogmm`), and the options of the family.
    """
    started = time.perf_counter()
    family = FAMILIES[family_name].of(given)
    seed = seed_of(given["random_seed"])
    target = to_target(given["model"], given["model_args"], given["model_kwargs"] or {}, seed)
    target.prepare()
    # xarray and the statistics take more than half a second to import: do it while the model
    # compiles, in this thread, since imports change the filters of warnings of the whole process.
    preload()
    from isogmm.inference_data import to_inference_data

    path, resume, callback = (given[name] for name in ("checkpoint", "resume", "callback"))
    checkpoint = None if path is None else Checkpoint(path, target, family, seed)
    # A checkpoint is newer than the result that its fit continued.
    start = None if checkpoint is None else checkpoint.start()
    if start is None and resume is not None:
        start = resume_start(resume, target, family)
    if start is not None:
        family = family.continuing(start.mixture)
    # Threads of BLAS that spin between small products take the cores from the model's programs:
    # one thread was 1.4 times faster on logistic regression, 30 times in SciPy's L-BFGS.
    with Progress(given["progressbar"]) as progress, threadpool_limits(1, user_api="blas"):

        def observe(check: Check) -> bool:
            progress.update(check)
            return callback is not None and asks_to_end(callback, check)

        result = fit(
            target,
            family,
            np.random.default_rng(seed),
            callback=observe,
            save=None if checkpoint is None else checkpoint.write,
            start=start,
            seed=seed,
        )
        result.attributes = {
            **result.attributes,
            "random_seed": seed,
            "sampling_time": time.perf_counter() - started,
        }
        return to_inference_data(result, idata_kwargs=given["idata_kwargs"])
