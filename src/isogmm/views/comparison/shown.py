"""The table of ``compare``, which prints a selection of its columns."""

import numpy as np
import pandas as pd

#: Printed columns, with their digits after the decimal point.
PRINTED = {
    "mean_rms": 3,
    "mean_rms_floor": 3,
    "log_sd_rms": 3,
    "log_sd_rms_floor": 3,
    "ess_min": 0,
    "rhat_max": 2,
    "seconds": 1,
    "gradient_evaluations": 0,
}
#: Key of ``DataFrame.attrs`` that asks for all columns.
ALL_COLUMNS = "isogmm_all_columns"


class Comparison(pd.DataFrame):
    """A ``DataFrame`` with all columns of :func:`isogmm.compare`, some of which are printed.

    A selection or a transformation of it is printed as a whole.
    """

    @property
    def _constructor(self) -> type["Comparison"]:
        return Comparison

    def __repr__(self) -> str:
        shown = self._printed()
        with pd.option_context("display.max_columns", None):
            return f"{shown!r}{self._note()}" if shown is not None else super().__repr__()

    def _repr_html_(self) -> str | None:
        shown = self._printed()
        with pd.option_context("display.max_columns", None):
            if shown is None:
                return super()._repr_html_()
            return f"{shown._repr_html_()}<p>{self._note()}</p>"

    def _printed(self) -> pd.DataFrame | None:
        """The printed columns; None if they are all that the table has."""
        if (
            self.attrs.get(ALL_COLUMNS)
            or len(self.columns) <= len(PRINTED)
            or not set(PRINTED) <= set(self.columns)
        ):
            return None
        table = pd.DataFrame(self)[list(PRINTED)].round(PRINTED)
        for name, digits in PRINTED.items():
            if not digits:
                finite = table[name].where(np.isfinite(table[name]))
                table[name] = finite.astype("Int64")
        return table

    def _note(self) -> str:
        return (
            f"\n[{len(PRINTED)} of {len(self.columns)} columns; "
            "compare(..., all_columns=True) prints all]"
        )
