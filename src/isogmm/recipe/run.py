"""The road from a model and checked options to an ArviZ object, the same for all families."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from isogmm.model.to_target import to_target
from isogmm.optimize.check import Check, asks_to_end
from isogmm.recipe.options import Options
from isogmm.recipe.progress import Progress
from isogmm.validation import seed_of


def run(
    model: Any,
    model_args: tuple[Any, ...],
    model_kwargs: Mapping[str, Any] | None,
    options: Options,
    *,
    random_seed: Any,
    progressbar: bool,
    idata_kwargs: Mapping[str, Any] | None,
    resume: Any,
    callback: Callable[[Check], Any] | None,
    checkpoint: Any,
) -> Any:
    """Fit a model and deliver the result; see :func:`isogmm.fit_isogmm` for the arguments."""
    begin = time.perf_counter()
    seed = seed_of(random_seed)
    target = to_target(model, model_args, model_kwargs or {}, seed)
    target.prepare()
    from isogmm.inference_data import to_inference_data
    from isogmm.recipe.fit import fit
    from isogmm.recipe.resume import Checkpoint, resume_start
    from isogmm.results.arviz_versions import preload

    # The statistics take a third of a second to import: do it while the model compiles, in this
    # thread, since imports change the filters of warnings for the whole process.
    preload()

    saved = Checkpoint(checkpoint, target, seed) if checkpoint is not None else None
    start = resume_start(resume, target) if resume is not None else None
    if start is None and saved is not None:
        start = saved.start()
    if start is not None:
        options = options.of_start(start.mixture)
    # Threads of BLAS that spin between small products take the cores from the model's programs:
    # one thread was 1.4 times faster on logistic regression, 30 times in SciPy's L-BFGS.
    with Progress(progressbar) as progress, threadpool_limits(1, user_api="blas"):

        def observe(check: Check) -> bool:
            progress.update(check)
            return callback is not None and asks_to_end(callback, check)

        result = fit(
            target,
            options,
            np.random.default_rng(seed),
            callback=observe,
            save=saved.write if saved is not None else None,
            start=start,
        )
        result.attributes = {
            **result.attributes,
            "random_seed": seed,
            "sampling_time": time.perf_counter() - begin,
        }
        return to_inference_data(result, idata_kwargs=idata_kwargs)
