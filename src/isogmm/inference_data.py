"""Functions that make, save, load, read and summarize results, which are ArviZ objects."""

import json
from collections.abc import Mapping

import numpy as np

from isogmm.mixtures.stored import mixture_from as mixture_from
from isogmm.mixtures.stored import resume_mixture as resume_mixture
from isogmm.results.arviz.loo import Loo as Loo
from isogmm.results.arviz.loo import loo as loo
from isogmm.results.arviz.versions import ess as ess
from isogmm.results.arviz.versions import from_groups as from_groups
from isogmm.results.arviz.versions import is_first_generation as is_first_generation
from isogmm.results.arviz.versions import preload as preload
from isogmm.results.arviz.versions import psis as psis
from isogmm.results.arviz.versions import summary as summary
from isogmm.results.building.fit_group import HOLDERS
from isogmm.results.building.fit_group import positions_from as positions_from
from isogmm.results.building.fit_result import FitResult
from isogmm.results.building.from_fit import result_groups
from isogmm.results.building.result_options import ResultOptions
from isogmm.results.files import load as load
from isogmm.results.files import save as save
from isogmm.results.groups import SAMPLE_DIMS as SAMPLE_DIMS
from isogmm.results.groups import Result
from isogmm.results.groups import add_group as add_group
from isogmm.results.groups import arviz_name as arviz_name
from isogmm.results.groups import attributes as attributes
from isogmm.results.groups import get_group as get_group
from isogmm.results.groups import group_names as group_names
from isogmm.results.labeling.prediction_labels import with_original_labels as with_original_labels
from isogmm.results.labeling.prediction_labels import with_stored_labels as with_stored_labels
from isogmm.results.rhat import rhat as rhat


def to_inference_data(
    result: FitResult, *, idata_kwargs: Mapping[str, object] | None = None
) -> Result:
    """The ArviZ object of a fit, with all groups and attributes.

    Parameters
    ----------
    result
        The fit.  One call of ``target.constrain`` transforms all draws, or several calls if an
        optional group is left out.
    idata_kwargs
        ``log_likelihood`` (True, False or a list of observed variables), ``log_prior`` and
        ``include_transformed`` (True or False) select groups.  ``dims`` and ``coords`` are added
        to those of the model.  A log likelihood of more than ``max_log_likelihood_bytes`` (1 GiB;
        None for no limit) is left out, unless ``log_likelihood`` asks for it.

    Returns
    -------
    InferenceData or DataTree
        An object of the installed generation of ArviZ.

    Raises
    ------
    OptionError
        If ``idata_kwargs`` has an unknown key or an invalid value.
    ModelError
        If the labels of a dimension do not fit a variable that has it.

    Warns
    -----
    FitWarning
        If the log likelihood is left out because of its size.
    """
    options = ResultOptions.of(idata_kwargs)
    groups, root = result_groups(result, options)
    finished = result.target.finish(from_groups(groups, root))
    if "unconstrained_posterior" not in groups:
        return finished
    keep = options.include_transformed
    if keep is None:
        keep = result.group_defaults.get("include_transformed", True)
    return _drop_untransformed(finished, keep=keep)


def _drop_untransformed(idata: Result, *, keep: bool) -> Result:
    """Remove from ``unconstrained_posterior`` the variables that the posterior has unchanged.

    If ``keep`` is False, all variables are removed.  The group ``fit`` records which group has the
    unconstrained draws of each variable.  The comparison follows ``target.finish``, which can
    change variables of the posterior.
    """
    name = "unconstrained_posterior"
    unconstrained, posterior = get_group(idata, name), get_group(idata, "posterior")
    holders: dict[str, str | None] = {}
    for variable, array in unconstrained.data_vars.items():
        is_same = variable in posterior and np.array_equal(
            array.values.astype(posterior[variable].dtype, copy=False), posterior[variable].values
        )
        holders[variable] = "posterior" if is_same else name if keep else None
    add_group(idata, "fit", get_group(idata, "fit").assign_attrs({HOLDERS: json.dumps(holders)}))
    kept = [variable for variable, holder in holders.items() if holder == name]
    if kept:
        # A copy where others are removed: the variables are views of the array of all of them.
        is_view = len(kept) < len(holders)
        return add_group(idata, name, unconstrained[kept].copy(deep=is_view))
    del idata[name]
    return idata
