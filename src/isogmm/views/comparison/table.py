"""``compare``: one table of the errors of each method against a reference, and of its cost."""

from collections.abc import Mapping

import pandas as pd

from isogmm.validation import generator_of
from isogmm.views.comparison.draws import read
from isogmm.views.comparison.reference import Reference
from isogmm.views.comparison.reported import reported
from isogmm.views.comparison.shown import ALL_COLUMNS, Comparison
from isogmm.views.comparison.variables import DrawsLike
from isogmm.views.selection import Coords, VarNames


def compare(
    results: Mapping[str, DrawsLike],
    reference: str | DrawsLike,
    var_names: VarNames = None,
    *,
    coords: Coords = None,
    per_variable: bool = False,
    all_columns: bool = False,
    random_seed: object = 0,
) -> pd.DataFrame:
    """Compare several methods with a reference: a table of errors, each with a floor.

    Both the reference and the method consist of draws, which have Monte Carlo errors.  Even an
    exact method therefore does not score 0.  Each error is followed by a column ``..._floor``: the
    median score of an exact method with the same effective sample size, against a reference with
    the same effective sample size as this one.  An error near its floor cannot be distinguished
    from Monte Carlo error.  In the row of the reference, the floors are its own Monte Carlo
    errors.

    Parameters
    ----------
    results
        Method to its result: an ArviZ object of either generation, an ``xarray.Dataset`` of
        draws, or a mapping from variable to draws (chain, draw, ...) or (draw, ...).
    reference
        The key of the method to compare with, or draws in any of these forms.
    var_names
        Variables to compare, or single entries (``"theta[Choate]"``).  By default all, which
        every result then must have.
    coords
        Labels by dimension to which the variables are restricted, as in ArviZ.
    per_variable
        Whether the table has one row per method and scalar instead of one per method.
    all_columns
        Whether the table prints all its columns.  By default it prints those with the errors of
        means and standard deviations, their floors, the diagnostics and the costs.
    random_seed
        Seed of the random projections and of the bootstrap, as in :func:`isogmm.fit_isogmm`.

    Returns
    -------
    pandas.DataFrame
        Indexed by method, with NaN where a result does not contain a number:

        - ``mean_rms``, ``mean_max``, ``log_sd_rms``, ``log_sd_max``, ``quantile_rms``,
          ``quantile_max`` (5 to 95 %), in standard deviations of the reference, and
          ``sliced_w2`` (sliced 2-Wasserstein distance of standardized scalars), each followed by
          its floor;
        - ``mmd2``, ``mmd2_se``, ``mmd2_floor``: unbiased squared maximum mean discrepancy.  For
          exact draws it has mean 0 and the floor as standard deviation;
        - ``ess_min`` (smallest bulk effective sample size), ``rhat_max``, ``pareto_k``,
          ``log_evidence``, ``log_evidence_se``;
        - ``elpd_loo``, ``elpd_loo_se``, ``loo_k_max``: leave-one-out predictive density and its
          largest Pareto k.  The density is not reliable if k is above 0.7;
        - ``seconds``, ``gradient_evaluations``.

        With ``per_variable=True``, indexed by method and scalar: ``mean``, ``sd``,
        ``mean_error``, ``log_sd_error``, ``quantile_error`` (the largest of five levels) with
        floors, ``ess_bulk``, ``rhat``.  Scalars that do not vary in the reference have no
        errors.

    Raises
    ------
    OptionError
        If variables, shapes or labels of the results differ.  The message names them.
    """
    draws, name = read(results, reference, var_names, coords)
    base = next(method for method in draws if method.name == name)
    known = Reference(base, generator_of(random_seed))
    if per_variable:
        tables = {method.name: known.scalar_table(method) for method in draws}
        return pd.concat(tables, names=["method"])
    rows = {method.name: {**known.scores(method), **reported(method.idata)} for method in draws}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
    shown = Comparison(table)
    if all_columns:
        shown.attrs[ALL_COLUMNS] = True
    return shown
