"""The paper's experiments by ``fit_isogmm``: isotropic components, and ``family="auto"``.

    python tests/benchmarks/paper_rows.py --seeds 0 1 2 --json paper_rows.json
    python tests/benchmarks/paper_rows.py --table paper_rows.json

All options except the family are the defaults.  Both fits of a seed begin with the same search,
which is run once; its gradients count for both.  The divergence, or -ELBO where the log evidence is
unknown, is the mean over the chains, from 10,000 fresh draws of each.
"""

import argparse
import copy
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Row = dict[str, Any]

#: Names of :data:`experiments.settings.SETTINGS`, and the regression of the GMMVI paper.
NAMES = (
    "mixture_10",
    "mixture_20",
    "mixture_50",
    "student_mixture",
    "planar_robot",
    "forty_modes",
    "logistic_31",
    "mixture_2",
    "four_modes_wide",
    "four_modes_apart",
    "four_modes_unequal",
    "funnel",
    "skewed_equal",
    "skewed_unequal",
    "skewed_tails",
)
FAMILIES = ("auto", "isotropic")
#: Fresh draws of each chain, and draws that are evaluated together.
NUM_DRAWS, CHUNK = 10_000, 2_000


def model_of(name: str) -> tuple[Any, float]:
    """The model of a row and its log evidence; NaN where it is unknown."""
    if name == "logistic_31":
        from benchmarks.measure_gmmvi import breast_cancer

        return breast_cancer(), float("nan")
    from experiments.settings import SETTINGS

    problem = SETTINGS[name].problem()
    known = problem.log_evidence
    return problem.model(), float("nan") if known is None else known


@contextmanager
def searched_once() -> Iterator[None]:
    """Within the context, searches of one seed return the result of the first."""
    from isogmm.recipe import find_coordinates

    search, found = find_coordinates.locate, {}

    def cached(target: Any, generator: Any, options: Any) -> Any:
        if not found:
            found["located"] = search(target, generator, options)
            found["state"] = copy.deepcopy(generator)
        generator.bit_generator.state = found["state"].bit_generator.state
        return copy.deepcopy(found["located"])

    find_coordinates.locate = cached
    try:
        yield
    finally:
        find_coordinates.locate = search


def fit(name: str, seed: int, families: list[str], options: dict[str, Any]) -> list[Row]:
    """One row for each family."""
    import isogmm

    model, log_evidence = model_of(name)
    target = model.to_target()
    rows, search = [], 0
    with searched_once(), warnings.catch_warnings():
        warnings.simplefilter("ignore", isogmm.FitWarning)
        for family in families:
            result = isogmm.fit_isogmm(
                model, random_seed=seed, family=family, progressbar=False, **options
            )
            stages = json.loads(result.attrs["stage_gradient_evaluations"])
            search = search or stages["locate"]
            rows.append(
                {
                    "name": name,
                    "seed": seed,
                    "family": family,
                    **options,
                    **measured(target, result, log_evidence, seed),
                    "gradients": sum(stages.values()) - stages["locate"] + search,
                    "stages": stages,
                }
            )
    return rows


def measured(target: Any, result: Any, log_evidence: float, seed: int) -> Row:
    """Divergences of the chains and of their pool, the number of components and the verdict."""
    import isogmm

    mixture = isogmm.Mixture.from_idata(result)
    ratios = []
    for chain in range(len(mixture.means)):
        draws, _ = mixture[chain].sample(np.random.default_rng([seed, chain, 1]), NUM_DRAWS)
        for begin in range(0, NUM_DRAWS, CHUNK):
            part = draws[begin : begin + CHUNK]
            own = target.values(part) - mixture[chain].log_prob(part)
            pooled = target.values(part) - mixture.pooled().log_prob(part)
            ratios.append((own, pooled))
    own, pooled = np.array(ratios).transpose(1, 0, 2).reshape(2, -1)
    finite = np.isfinite(own)
    zero = 0.0 if np.isnan(log_evidence) else log_evidence
    return {
        "kl": float(zero - own[finite].mean()),
        "kl_se": float(own[finite].std() / np.sqrt(finite.sum())),
        "kl_pooled": float(zero - pooled[finite].mean()),
        "covariances": "full" if hasattr(mixture, "covariances") else "isotropic",
        "components": int(mixture.num_components),
        "verdict": result.attrs["verdict"],
        "draws_from": result.attrs["draws_from"],
        "num_modes": int(result.attrs["num_modes"]),
    }


def table(rows: list[Row]) -> str:
    """One line for each experiment: medians over the seeds, and the range of the divergences."""
    lines = [
        '| target | KL, `family="isotropic"` | KL, default | covariances, K | verdict '
        "| gradients |",
        "|" + " --- |" * 6,
    ]
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name]
        isotropic, auto = (
            [row for row in own if row["family"] == family] for family in ("isotropic", "auto")
        )
        if not (isotropic and auto):
            continue
        kinds = "; ".join(sorted({f"{row['covariances']}, {row['components']}" for row in auto}))
        verdicts = [", ".join(sorted({row["verdict"] for row in f})) for f in (isotropic, auto)]
        gradients = [f"{np.median([r['gradients'] for r in f]):,.0f}" for f in (isotropic, auto)]
        cells = [
            name,
            spread([row["kl"] for row in isotropic]),
            spread([row["kl"] for row in auto]),
            kinds,
            " → ".join(dict.fromkeys(verdicts)),
            " → ".join(dict.fromkeys(gradients)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Median, with the smallest and the largest in brackets."""
    middle = f"{np.median(values):.3g}"
    return middle if len(values) < 2 else f"{middle} ({min(values):.3g}, {max(values):.3g})"


def main() -> None:
    """The command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NAMES), metavar="NAME")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--without-chains", action="store_true", help="fit with refine=0")
    parser.add_argument("--json", type=Path, help="list of rows that grows with each run")
    parser.add_argument("--table", type=Path, help="print the table of such a list and stop")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(json.loads(arguments.table.read_text())))
        return
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    options = {"refine": 0} if arguments.without_chains else {}
    kept = []
    for name in arguments.names:
        for seed in arguments.seeds:
            rows = fit(name, seed, arguments.families, options)
            for row in rows:
                print(json.dumps(row), flush=True)
            if arguments.json:
                kept = json.loads(arguments.json.read_text()) if arguments.json.exists() else []
                arguments.json.write_text(json.dumps(kept + rows, indent=0))


if __name__ == "__main__":
    main()
