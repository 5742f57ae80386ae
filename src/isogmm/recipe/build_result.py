"""The ArviZ object of a fit; the draws are returned even if a part of it cannot be built."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from isogmm.errors import FitWarning, in_words, warn_user
from isogmm.inference_data import to_inference_data
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.results.building.fit_result import FitResult
from isogmm.results.building.minimal_result import as_unconstrained, minimal_result
from isogmm.results.groups import Result
from isogmm.results.interruption import interruptible


def build_result(result: FitResult, idata_kwargs: Mapping[str, object] | None) -> Result:
    """The ArviZ object of a fit, without the parts that cannot be built.

    Parameters
    ----------
    result
        The fit.
    idata_kwargs
        The options of the user; see :func:`isogmm.inference_data.to_inference_data`.

    Warns
    -----
    FitWarning
        If a part is missing because building it failed or was interrupted.
    """
    problem = ""
    for missing, attempt in _attempts(result, idata_kwargs or {}):
        error: Exception | None = None
        with interruptible(FitTarget.of(result.target)) as interruption:
            try:
                idata = attempt()
            except FitWarning:  # the user made errors of warnings
                raise
            except Exception as failure:  # of the model, of JAX or of xarray; memory may end
                error = failure
        if error is None and interruption.reason is None:
            if missing:
                warn_user(f"isogmm: the result {missing}, because building it {problem}")
            return idata
        if not problem:
            problem = "was interrupted" if error is None else f"failed: {in_words(error)}"
        last = error
    try:
        idata = minimal_result(result)
    except Exception:  # also ArviZ fails: the first cause is the one to report
        raise last if last is not None else KeyboardInterrupt from None
    warn_user(
        "isogmm: the result has only the unconstrained draws, without dims, coords and data, "
        f"because building it {problem}"
    )
    return idata


def _attempts(
    result: FitResult, idata_kwargs: Mapping[str, object]
) -> Iterator[tuple[str, Callable[[], Result]]]:
    """Results with fewer parts: the missing ones in words, and the function that builds it."""
    target = result.target
    short = {**idata_kwargs, "log_likelihood": False, "log_prior": False}
    plain = {**idata_kwargs, "dims": {}, "coords": {}}
    unlabelled = replace(target, dims={}, coords={}, unconstrained_dims={})
    bare = replace(
        unlabelled,
        constrain=lambda positions, seed: {"posterior": target.unravel(positions)},
        placeholder=None,
        observed_data={},
        constant_data={},
        finish=_unchanged,
    )
    attempts: list[tuple[str, Target, Mapping[str, object]]] = [
        ("", target, idata_kwargs),
        ("is without dims and coords", unlabelled, plain),
        ("is without log_likelihood and log_prior", target, short),
        (
            "is without the last changes by the modeling language",
            replace(target, finish=_unchanged),
            short,
        ),
        (
            "is without log_likelihood, log_prior, dims and coords",
            replace(unlabelled, finish=_unchanged),
            {**short, "dims": {}, "coords": {}},
        ),
        ("has only the unconstrained draws", bare, {"log_likelihood": False}),
    ]
    for missing, reduced, options in attempts:
        changed = replace(result, target=reduced)
        if reduced is bare:
            changed = replace(changed, constrained=None)
        yield missing, partial(_build, changed, options, is_bare=reduced is bare)


def _build(result: FitResult, options: Mapping[str, object], *, is_bare: bool) -> Result:
    idata = to_inference_data(result, idata_kwargs=options)
    return as_unconstrained(idata) if is_bare else idata


def _unchanged(idata: Result) -> Result:
    return idata
