"""Sizes of the compiled programs of a model, chosen by what the model computes."""

import jax

from isogmm.model.program_cost import Cost

#: Rows of a batch.
BATCH_ROWS = 128
#: Rows of a batch for models with loops or factorizations that compute more than
#: ``MAX_LOOP_NUMBERS`` numbers per row.  Their cost per row does not fall with the batch size, and
#: a smaller batch needs less padding.  Microseconds per row in batches of 32 and of 128:
#: gp_pois_regr (17,000 numbers) 6.4 and 5.2, one_comp_mm_elim_abs (62,000) 26 and 30, a hidden
#: Markov model (59,000) 45 and 45; below the limit a GARCH model (7,700) 7.8 and 3.6.
BATCH_ROWS_OF_LOOPS, MAX_LOOP_NUMBERS = 32, 15_000
#: Numbers of a whole batch above which single points have their own program.  Such a batch takes
#: about as long as twenty calls of the program of a point; any call costs a tenth of a millisecond.
MAX_BATCH_NUMBERS = 8_000_000
#: Fraction of a batch up to which points are evaluated one at a time where batches are costly.
POINTS_PER_BATCH = 4
#: Rows that are constrained together, and the limit of the numbers that they hold.
CONSTRAIN_ROWS, MAX_CONSTRAIN_NUMBERS = 500, 2**23


def batch_rows(cost: Cost) -> int:
    """Rows of the batch program of a model with this cost per row."""
    # An accelerator evaluates all rows of a batch together, loops included.
    if jax.default_backend() != "cpu":
        return BATCH_ROWS
    has_costly_loops = cost.has_loops and cost.numbers > MAX_LOOP_NUMBERS
    return BATCH_ROWS_OF_LOOPS if has_costly_loops else BATCH_ROWS


def max_single_points(batch_size: int, cost: Cost) -> int:
    """Up to how many points are cheaper one at a time; 0 if a batch costs little more than one."""
    if jax.default_backend() != "cpu":
        return 0  # a call costs more than the rows of a batch
    return batch_size // POINTS_PER_BATCH if batch_size * cost.numbers > MAX_BATCH_NUMBERS else 0


def constrain_rows(numbers: int) -> int:
    """Rows that are constrained together if one of them holds this many numbers."""
    return max(1, min(CONSTRAIN_ROWS, MAX_CONSTRAIN_NUMBERS // numbers))
