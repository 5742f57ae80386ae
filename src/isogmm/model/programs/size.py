"""Sizes of the compiled programs of a model, chosen by what the model computes."""

import jax

from isogmm.model.programs.cost import Cost

#: Rows of a batch.
BATCH_ROWS = 128
#: Smallest number of rows of a batch, and bytes of its largest intermediate array, above which a
#: batch has fewer rows: larger arrays leave the cache.  Logistic regression with 100,000 rows of
#: data took 11.1 ms per gradient in batches of 128 and 3.9 ms in batches of 8.
MIN_BATCH_ROWS, MAX_WORKING_SET = 8, 2**22
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
#: The programs that a fit calls once or twice.
RARELY_CALLED = frozenset({"constrain", "prior"})
#: Numbers computed by a program that is rarely called, below which XLA does not optimize it.  A
#: program that runs for milliseconds once does not repay the optimization, 0.15 to 1.5 s.
MIN_OPTIMIZED_NUMBERS = 20_000_000
#: Rows that are constrained together, and the limit of the numbers that they hold.
CONSTRAIN_ROWS, MAX_CONSTRAIN_NUMBERS = 500, 2**23
#: Numbers that their gradients would compute together on a CPU, in at most half a second: a time
#: limit cannot end a call.  500 rows of a Gaussian process of 400 observations took more than a
#: second.  With calls of this cost the stage "result" after max_seconds=3 took 2 s instead of 31 s.
MAX_CONSTRAIN_COST = 250_000_000


def batch_rows(cost: Cost, row_bytes: int = 0) -> int:
    """Rows of the batch program of a model.

    Parameters
    ----------
    cost
        Cost of one row.
    row_bytes
        Bytes of the largest intermediate array of one row.
    """
    # An accelerator evaluates all rows of a batch together, loops included.
    if jax.default_backend() != "cpu":
        return BATCH_ROWS
    has_costly_loops = cost.has_loops and cost.numbers > MAX_LOOP_NUMBERS
    rows = BATCH_ROWS_OF_LOOPS if has_costly_loops else BATCH_ROWS
    while rows > MIN_BATCH_ROWS and rows * row_bytes > MAX_WORKING_SET:
        rows //= 2
    return rows


def fills_cache(batch_size: int) -> bool:
    """Whether :func:`batch_rows` chose the fewest rows, because each needs 256 KiB or more.

    A gradient of 100,000 rows of data takes milliseconds, and stages evaluate fewer points then.
    This depends on the model alone, so that a seed gives the same result on any machine.  Programs
    of PyTensor have one row, whatever it costs.
    """
    return batch_size == MIN_BATCH_ROWS


def max_single_points(batch_size: int, cost: Cost) -> int:
    """Up to how many points are cheaper one at a time; 0 if a batch costs little more than one."""
    if jax.default_backend() != "cpu":
        return 0  # a call costs more than the rows of a batch
    is_costly = max(batch_size, BATCH_ROWS) * cost.numbers > MAX_BATCH_NUMBERS
    return batch_size // POINTS_PER_BATCH if is_costly else 0


def constrain_rows(numbers: int, cost: Cost) -> int:
    """Rows that are constrained together.

    Parameters
    ----------
    numbers
        Numbers in the results of one row.
    cost
        Cost of the gradient of one row.
    """
    rows = min(CONSTRAIN_ROWS, MAX_CONSTRAIN_NUMBERS // numbers)
    if jax.default_backend() == "cpu":
        rows = min(rows, int(MAX_CONSTRAIN_COST / max(cost.numbers, 1.0)))
    return max(1, rows)


def compiler_options(name: str, cost: Cost) -> dict[str, int] | None:
    """Options of the compiler; a small program that is rarely called is not optimized."""
    if name in RARELY_CALLED and cost.numbers < MIN_OPTIMIZED_NUMBERS:
        return {"xla_backend_optimization_level": 0}
    return None
