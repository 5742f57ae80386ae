"""Bambi models: their PyMC model, and Bambi's changes of a finished result."""

import pymc as pm

from isogmm.errors import ModelError
from isogmm.model.target import Target
from isogmm.results.groups import Result
from isogmm_pymc import _target
from isogmm_pymc._languages import BambiModel


def to_target(model: BambiModel, random_seed: int) -> Target:
    """The target of a ``bambi.Model``.

    The model is built if it is not built yet.  Bambi's ``model.fit()`` changes its result at the
    end, and the same changes are applied to the result of the fit: the intercept refers to the
    original predictors instead of the centered ones, and offsets of group effects are removed.
    ``model.predict(idata)`` therefore accepts the result.

    Raises
    ------
    ModelError
        If the model cannot be fitted.
    """
    return _target.to_target(
        built_pymc_model(model),
        random_seed,
        excluded=likelihood_parameters(model),
        finish=lambda result: finish(model, result),
    )


def built_pymc_model(model: BambiModel) -> pm.Model:
    """The PyMC model of a Bambi model, which is built if needed.

    Raises
    ------
    ModelError
        If the Bambi model does not use PyMC.
    """
    if not model.built:
        model.build()
    pymc_model = getattr(getattr(model, "backend", None), "model", None)
    if pymc_model is None:
        raise ModelError(
            f"the Bambi model {model.formula} contains no PyMC model after build(): only Bambi's "
            "PyMC backend can be fitted"
        )
    return pymc_model


def likelihood_parameters(model: BambiModel) -> tuple[str, ...]:
    """Names of the deterministic parameters of the likelihood.

    They have one value for each observation.  ``model.fit()`` excludes them from its result, and
    ``model.predict`` computes them again.
    """
    deterministics = {variable.name for variable in model.backend.model.deterministics}
    return tuple(name for name in model.family.likelihood.params if name in deterministics)


def finish(model: BambiModel, result: Result) -> Result:
    """The result with Bambi's changes; the model is marked as fitted."""
    model.backend.fit = True
    return model.backend._clean_results(result, omit_offsets=True, include_response_params=False)
