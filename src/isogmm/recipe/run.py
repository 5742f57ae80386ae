"""From a model and the arguments of a user to an ArviZ object, the same for all families."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from isogmm.errors import OptionError, warn_user
from isogmm.model.forks import check_not_forked
from isogmm.model.interrupts import interrupt_is_pending, interrupts_noticed
from isogmm.model.processes import agreed_seed
from isogmm.model.target import Target
from isogmm.model.to_target import to_target
from isogmm.model.workers.devices import checked_devices, divided_among
from isogmm.model.workers.executors import checked_executor
from isogmm.model.workers.rows import evaluated_by
from isogmm.optimize.check import Check, asks_to_end
from isogmm.progress.progress import Progress
from isogmm.recipe.blas_threads import one_blas_thread
from isogmm.recipe.check_arguments import check_arguments, warn_of_many_samples
from isogmm.recipe.families import FAMILIES
from isogmm.recipe.families.base import AbstractFamily
from isogmm.recipe.fit import fit
from isogmm.recipe.memory import check_memory
from isogmm.recipe.options import Arguments
from isogmm.recipe.progress import FitProgress
from isogmm.recipe.resuming.checkpoint_file import checked_path
from isogmm.recipe.resuming.resume import Checkpoint, resume_start
from isogmm.recipe.values_only import values_only
from isogmm.results.arviz.versions import preload
from isogmm.results.building.fit_result import FitResult
from isogmm.results.groups import Result, add_attributes
from isogmm.results.labeling.labels import Stage
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
    check_not_forked()
    check_arguments(given)
    family = FAMILIES[family_name].of(given)
    seed, executor = seed_of(given["random_seed"]), checked_executor(given["executor"])
    devices = checked_devices(given["devices"])
    if devices and executor is not None:
        raise OptionError("executor and devices both evaluate the model: pass one of them")
    given = {**given, "checkpoint": checked_path(given["checkpoint"])}
    with (
        interrupts_noticed(),
        Progress(given["progressbar"], Stage.COMPILE.description) as line,
    ):
        progress = FitProgress(line, family.options)
        costs = progress.costs
        costs.begin(Stage.COMPILE)
        model = given["model"], given["model_args"], given["model_kwargs"] or {}, seed
        target = divided_among(devices, to_target(*model))
        if not target.has_gradient:
            given = values_only(family_name, given)
            family = FAMILIES[family_name].of(given)
            progress.options = family.options
        seed = agreed_seed(target, seed)
        check_memory(given, target)
        warn_of_many_samples(given)
        target.prepare()
        # xarray and the statistics take more than half a second to import: do it while the model
        # compiles, in this thread, since imports change the filters of warnings of the whole
        # process.
        preload()
        from isogmm.recipe.build_result import build_result
        from isogmm.results.building.check_result import check_result
        from isogmm.results.building.result_options import ResultOptions

        check_result(target, ResultOptions.of(given["idata_kwargs"]))
        target = _labelled(target, given["idata_kwargs"])
        target.wait()
        path = given["checkpoint"]
        with evaluated_by(executor, target, model, path) as target:
            result = _fitted(family, target, given, seed, progress)
            costs.begin(Stage.RESULT)
            idata = build_result(result, given["idata_kwargs"])
            costs.end()
        if interrupt_is_pending():
            warn_user("isogmm: Ctrl-C was pressed at the end of the fit, which is complete.")
    stages = [stage.value for stage in Stage if stage.value in costs.seconds]
    seconds = {stage: round(costs.seconds[stage], 4) for stage in stages}
    return add_attributes(
        idata,
        {
            "sampling_time": round(sum(seconds.values()), 4),
            "stage_seconds": json.dumps(seconds),
            "stage_gradient_evaluations": json.dumps(
                {stage: costs.gradients[stage] for stage in stages}
            ),
        },
    )


def _fitted(
    family: AbstractFamily, target: Target, given: Arguments, seed: int, progress: FitProgress
) -> FitResult:
    """All stages from the search to the draws."""
    path, resume, callback = (given[name] for name in ("checkpoint", "resume", "callback"))
    checkpoint = None if path is None else Checkpoint(path, target, family, seed)
    # A checkpoint is newer than the result that its fit continued.
    start = None if checkpoint is None else checkpoint.start()
    if start is None and resume is not None:
        start = resume_start(resume, target, family)
    if start is not None:
        family = family.continuing(start.mixture)

    def observe(check: Check) -> bool:
        progress.update(check)
        return callback is not None and asks_to_end(callback, check)

    with one_blas_thread():
        result = fit(
            target,
            family,
            np.random.default_rng(seed),
            callback=observe,
            save=None if checkpoint is None else checkpoint.write,
            start=start,
            seed=seed,
            costs=progress.costs,
        )
    result.attributes = {**result.attributes, "random_seed": seed}
    return result


def _labelled(target: Target, idata_kwargs: Mapping[str, object] | None) -> Target:
    """The target with the names and labels of dimensions that the user adds to the result."""
    dims, coords = ((idata_kwargs or {}).get(name) for name in ("dims", "coords"))
    if isinstance(dims, Mapping):
        target = replace(target, dims={**target.dims, **dims})
    if isinstance(coords, Mapping):
        target = replace(target, coords={**target.coords, **coords})
    return target
