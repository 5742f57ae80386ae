"""A simulator that takes milliseconds for each point, evaluated by a pool of processes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import isogmm


def log_density_and_gradient(position):
    """Where a real simulator would run: a Gaussian with a light tail."""
    value = -0.5 * position @ position - 0.1 * np.cosh(position).sum()
    return value, -position - 0.1 * np.sinh(position)


def main():
    """Fit with two workers and without any; the draws are the same."""
    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=log_density_and_gradient)
    options = {"random_seed": 1, "draws": 100, "refine": 0, "progressbar": False}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as executor:
        with_workers = isogmm.fit_isogmm(model, executor=executor, **options)
    alone = isogmm.fit_isogmm(model, **options)
    same = np.array_equal(with_workers["posterior"]["x"], alone["posterior"]["x"])
    print(f"the same draws: {same}")


if __name__ == "__main__":  # the workers import this file
    main()
