"""Bambi models: the PyMC model inside, and Bambi's own clean-up of the result."""

from typing import Any

from isogmm.errors import ModelError
from isogmm.model.target import Target
from isogmm_pymc import _target


def to_target(model: Any, random_seed: int) -> Target:
    """The target of a ``bambi.Model``.

    The model is built if it is not yet.  The finished result goes through the clean-up that
    ``model.fit()`` ends with: the intercept returns from centered predictors to the user's,
    offsets of group effects are dropped, so that ``model.predict(idata)`` takes it.

    Raises
    ------
    ModelError
        If the model cannot be fitted.
    """
    pymc_model = built(model)
    return _target.to_target(
        pymc_model,
        random_seed,
        leave_out=parent_parameters(model),
        finish=lambda result: finish(model, result),
    )


def built(model: Any) -> Any:
    """The PyMC model inside, built if needed."""
    if not model.built:
        model.build()
    backend: Any = getattr(model, "backend", None)
    if getattr(backend, "model", None) is None:
        raise ModelError(
            f"the Bambi model {model.formula} holds no PyMC model after build(): only Bambi's PyMC "
            "backend can be fitted"
        )
    return backend.model


def parent_parameters(model: Any) -> tuple[str, ...]:
    """Deterministic parameters of the likelihood, one value for each observation.

    ``model.fit()`` leaves them out, and ``model.predict`` computes them again.
    """
    pymc_model = model.backend.model
    deterministic = {variable.name for variable in pymc_model.deterministics}
    return tuple(name for name in model.family.likelihood.params if name in deterministic)


def finish(model: Any, result: Any) -> Any:
    """The result after Bambi's clean-up, marked as fitted."""
    model.backend.fit = True
    return model.backend._clean_results(result, omit_offsets=True, include_response_params=False)
