"""Time and memory of an iteration against K, d and S, each size in a process of its own.

    python tests/experiments/scaling.py --json scaling.json

An iteration of the optimization loop (NumPy, 64-bit floats, one chain) on a Gaussian target, whose
gradient costs little: what is measured is the mixture.  Memory is the peak of the whole process;
``added_mib`` leaves out what it had before the fit.  Seconds are those of one processor.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Row = dict[str, Any]

#: K, d, S: one grows while the others stay, and the size that must fit.
SIZES = (
    [(k, 100, 2) for k in (16, 64, 256, 1_024, 4_096)]
    + [(64, d, 2) for d in (10, 100, 1_000, 10_000)]
    + [(64, 100, s) for s in (2, 8, 32, 128)]
    + [(4_096, 1_000, 2)]
)


def iterate(components: int, dim: int, samples: int, iterations: int) -> Row:
    """Run some iterations here; seconds of one, and the peak memory of this process."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from isogmm.mixtures.affine_map import identity_map
    from isogmm.mixtures.initialization import UniformMeans
    from isogmm.model.target import Target
    from isogmm.optimize import optimize
    from isogmm.optimize.gradients import MonteCarlo
    from isogmm.optimize.schedules import Constant
    from isogmm.optimize.stopping import MaxIterations
    from isogmm.optimize.updates import BuresWasserstein

    def evaluate(points: Any) -> Any:
        return -0.5 * np.einsum("nd,nd->n", points, points), -points

    target = Target(
        variables={"x": (dim,)},
        evaluate_point=lambda point: tuple(part[0] for part in evaluate(point[None])),
        evaluate_batch=evaluate,
        constrain=lambda points, seed: {"posterior": {"x": points}},
        initial_positions=lambda generator, n: generator.standard_normal((n, dim)),
    )
    generator = np.random.default_rng(0)
    before = _peak_mib()
    start = UniformMeans(2.0, 1.0).initialize(generator, 1, components, identity_map(dim))
    # Processor time: other work on the machine does not count.
    begin = time.process_time()
    with threadpool_limits(1, user_api="blas"):
        optimize(
            target,
            start,
            estimator=MonteCarlo(samples),
            rule=BuresWasserstein(1e-3),
            schedule=Constant(1e-3),
            stopping=MaxIterations(iterations, window=iterations),
            generator=generator,
        )
    seconds = (time.process_time() - begin) / iterations
    return {
        "components": components,
        "dim": dim,
        "samples": samples,
        "seconds_per_iteration": seconds,
        "peak_mib": _peak_mib(),
        "added_mib": _peak_mib() - before,
    }


def _peak_mib() -> float:
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def measure(components: int, dim: int, samples: int) -> Row:
    """:func:`iterate` in a fresh process: one iteration where they are slow, more where not."""
    numbers = components * samples * max(components, dim)
    iterations = max(1, min(100, 20_000_000 // numbers))
    request = json.dumps([components, dim, samples, iterations])
    done = subprocess.run(
        [sys.executable, __file__, "--worker", request], capture_output=True, text=True, check=True
    )
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    """The command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(iterate(*json.loads(arguments.worker))))
        return
    from experiments.run import append_json

    for size in SIZES:
        row = {"experiment": "scaling", "method": "ibw", "seed": size[2], **measure(*size)}
        print(row, flush=True)
        if arguments.json:
            append_json(arguments.json, [row])


if __name__ == "__main__":
    main()
