"""Results as ArviZ objects: made from a fit, saved, loaded, read and summarized."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from isogmm.mixtures.stored import mixture_from as mixture_from
from isogmm.mixtures.stored import resume_mixture as resume_mixture
from isogmm.results.arviz_versions import Loo as Loo
from isogmm.results.arviz_versions import ess as ess
from isogmm.results.arviz_versions import from_groups as from_groups
from isogmm.results.arviz_versions import is_first_generation as is_first_generation
from isogmm.results.arviz_versions import load as load
from isogmm.results.arviz_versions import loo as loo
from isogmm.results.arviz_versions import preload as preload
from isogmm.results.arviz_versions import psis as psis
from isogmm.results.arviz_versions import rhat as rhat
from isogmm.results.arviz_versions import save as save
from isogmm.results.arviz_versions import summary as summary
from isogmm.results.fit_group import HOLDERS
from isogmm.results.fit_group import positions_from as positions_from
from isogmm.results.fit_result import FitResult
from isogmm.results.from_fit import result_groups
from isogmm.results.groups import SAMPLE_DIMS as SAMPLE_DIMS
from isogmm.results.groups import add_group as add_group
from isogmm.results.groups import arviz_name as arviz_name
from isogmm.results.groups import attributes as attributes
from isogmm.results.groups import get_group as get_group
from isogmm.results.groups import group_names as group_names


def to_inference_data(result: FitResult, *, idata_kwargs: Mapping[str, Any] | None = None) -> Any:
    """The ArviZ object of a fit, with every group and attribute that the library promises.

    Parameters
    ----------
    result
        The fit; the draws are constrained here, all in one call of ``target.constrain``.
    idata_kwargs
        ``log_likelihood`` (True, False or a list of observed variables), ``log_prior`` and
        ``include_transformed`` (True or False) choose groups; ``dims`` and ``coords`` add to
        those of the model.

    Returns
    -------
    InferenceData or DataTree
        What the installed ArviZ works with.

    Raises
    ------
    OptionError
        If ``idata_kwargs`` has an unknown key.
    ModelError
        If the labels of a dimension do not fit the variable that has it.
    """
    options = dict(idata_kwargs or {})
    groups, root = result_groups(result, options)
    finished = result.target.finish(from_groups(groups, root))
    if "unconstrained_posterior" not in groups:
        return finished
    keep = options.get(
        "include_transformed", result.group_defaults.get("include_transformed", True)
    )
    return _drop_untransformed(finished, keep=bool(keep))


def _drop_untransformed(idata: Any, *, keep: bool) -> Any:
    """Leave in ``unconstrained_posterior`` only variables that the posterior does not hold as
    they are, and note in ``fit`` where each is; the language's last clean-up may have changed
    some, so this comes after it."""
    name = "unconstrained_posterior"
    unconstrained, posterior = get_group(idata, name), get_group(idata, "posterior")
    holders = {}
    for variable, array in unconstrained.data_vars.items():
        is_same = variable in posterior and np.array_equal(
            array.values.astype(posterior[variable].dtype), posterior[variable].values
        )
        holders[variable] = "posterior" if is_same else name if keep else None
    add_group(idata, "fit", get_group(idata, "fit").assign_attrs({HOLDERS: json.dumps(holders)}))
    kept = [variable for variable, holder in holders.items() if holder == name]
    if kept:
        return add_group(idata, name, unconstrained[kept])
    del idata[name]
    return idata
