"""The pool of fresh draws: its statistics for each chain."""

import numpy as np

from isogmm.draws.pool import Pool


def test_a_chain_without_any_finite_draw_has_no_elbo():
    ratios = np.stack([np.full(5, -1000.0), np.full(5, -np.inf)])
    nothing = np.zeros((2, 5))
    pool = Pool(np.zeros((2, 5, 1)), nothing.astype(int), ratios, nothing, nothing)
    elbos, errors = pool.elbos()
    np.testing.assert_array_equal(elbos, [-1000.0, -np.inf])
    np.testing.assert_array_equal(errors, [0.0, np.inf])
