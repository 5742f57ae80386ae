"""Errors of moments and quantiles of variables that a transform stretches, against exact values.

    python tests/benchmarks/transformed_scalars.py --seeds 0 1 2 --json transformed.json
    python tests/benchmarks/transformed_scalars.py --language pymc --only exponential gamma
    python tests/benchmarks/transformed_scalars.py --tables before.json after.json

Every scalar of every model is compared in units of its exact sd.  The limits are 0.05 for the log
sd and 0.1 for the quantiles (5, 25, 50, 75 and 95 %), or what 999 of 1,000 samples of as many exact
independent draws stay below, where that is more: the sd of a heavy tail is noisy.
"""

import argparse
import functools
import json
import os
import sys
import time
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.metrics import LEVELS
from benchmarks.run import append_json, markdown
from benchmarks.transformed import Marginal, Model, scalars
from benchmarks.transformed_models import models

#: Largest errors of the log sd and of the quantiles; more where exact draws have more.
MAX_LOG_SD_ERROR, MAX_QUANTILE_ERROR = 0.05, 0.1
#: Draws of a fit, number of samples of exact draws, and their share within the limit.
DRAWS, REPETITIONS, WITHIN = 4_000, 1_000, 0.999

COLUMNS = (
    ("model", "model", ""),
    ("mean_before", "mean, before", ".3f"),
    ("mean", "after", ".3f"),
    ("log_sd_before", "log sd, before", ".3f"),
    ("log_sd", "after", ".3f"),
    ("log_sd_limit", "limit", ".3f"),
    ("quantiles_before", "quantiles, before", ".3f"),
    ("quantiles", "after", ".3f"),
    ("quantiles_limit", "limit", ".3f"),
    ("verdict_before", "verdict, before", ""),
    ("verdict", "after", ""),
    ("gradients_before", "gradients, before", ",d"),
    ("gradients", "after", ",d"),
    ("seconds_before", "s, before", ".2f"),
    ("seconds", "after", ".2f"),
)


def cases() -> dict[str, Model]:
    """All models by name."""
    return {**scalars(), **models()}


def errors(draws: np.ndarray, marginal: Marginal) -> np.ndarray:
    """Largest errors of mean, log sd and quantiles of draws (..., n); NaN without a moment."""
    mean, sd = marginal.moments()
    unit = marginal.width()
    quantiles = np.moveaxis(np.quantile(draws, LEVELS, axis=-1), 0, -1) - marginal.ppf(LEVELS)
    return np.stack(
        [
            np.abs(draws.mean(-1) - mean) / unit,
            np.abs(np.log(draws.std(-1, ddof=1) / sd)),
            np.abs(quantiles).max(-1) / unit,
        ],
        axis=-1,
    )


@functools.cache
def limits(name: str) -> np.ndarray:
    """Largest errors of mean, log sd and quantiles of the scalars (s, 3) of a model."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    found = []
    for marginal in cases()[name].marginals.values():
        exact = marginal.ppf(generator.random((REPETITIONS, DRAWS)))
        by_chance = np.quantile(errors(exact, marginal), WITHIN, axis=0)
        smallest = np.array([MAX_LOG_SD_ERROR, MAX_LOG_SD_ERROR, MAX_QUANTILE_ERROR])
        found.append(np.maximum(by_chance, smallest))
    return np.array(found)


def measure(name: str, seed: int, language: str) -> dict[str, Any]:
    """Fit a model and compare its scalars."""
    import isogmm

    case = cases()[name]
    model: Any = case.numpyro
    if language == "pymc":
        import pymc

        with pymc.Model() as model:
            case.pymc()
    row: dict[str, Any] = {"model": name, "seed": seed, "language": language}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        idata = isogmm.fit_isogmm(model, random_seed=seed, progressbar=False)
        row["seconds"] = time.perf_counter() - begin
    found = []
    for (variable, index), marginal in case.marginals.items():
        values = np.asarray(idata["posterior"][variable].values, dtype=np.float64)
        found.append(errors(values[(..., *index)].ravel(), marginal))
    for column, key in enumerate(("mean", "log_sd", "quantiles")):
        row[key] = [float(error[column]) for error in found]
    row["scalars"] = [str(name) for name in case.marginals]
    row |= {key: idata.attrs[key] for key in ("verdict", "advice", "pareto_k", "importance_ess")}
    row["gradients"] = int(idata.attrs["num_gradient_evaluations"])
    return row


def excess(row: dict[str, Any]) -> float:
    """Largest error of a log sd or of a quantile as a multiple of its limit."""
    bounds = limits(row["model"])
    shares = [np.array(row["log_sd"]) / bounds[:, 1], np.array(row["quantiles"]) / bounds[:, 2]]
    return float(np.nanmax(np.concatenate(shares)))


def table(before: Iterable[dict[str, Any]], after: Iterable[dict[str, Any]]) -> str:
    """Both measurements beside each other; the worst scalar and seed of each model."""
    lines: list[dict[str, Any]] = []
    rows = {"_before": list(before), "": list(after)}
    for name in dict.fromkeys(row["model"] for row in rows[""]):
        line: dict[str, Any] = {"model": name}
        for suffix, measured in rows.items():
            own = [row for row in measured if row["model"] == name]
            for column, key in enumerate(("mean", "log_sd", "quantiles")):
                values = np.array([row[key] for row in own])
                if np.isnan(values).all():
                    continue
                shares = values / limits(name)[:, column]
                seed, worst = np.unravel_index(np.nanargmax(shares), values.shape)
                line[key + suffix] = values[seed, worst]
                if not suffix:
                    line[f"{key}_limit"] = limits(name)[worst, column]
            line["verdict" + suffix] = ", ".join(dict.fromkeys(row["verdict"] for row in own))
            for key in ("gradients", "seconds"):
                line[key + suffix] = float(np.median([row[key] for row in own]))
        lines.append(line)
    return markdown(lines, COLUMNS)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of models")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--language", default="numpyro", choices=["numpyro", "pymc"])
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    parser.add_argument("--tables", nargs=2, type=Path, help="two such files; prints one table")
    arguments = parser.parse_args()
    if arguments.tables:
        print(table(*(json.loads(path.read_text()) for path in arguments.tables)))
        return
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    exceeded = 0
    for name in cases():
        if arguments.only and not any(word in name for word in arguments.only):
            continue
        for seed in arguments.seeds:
            row = measure(name, seed, arguments.language)
            if arguments.json:
                append_json(arguments.json, row)
            exceeded += excess(row) > 1.0
            print(
                f"{name:22s} {seed} log sd {np.nanmax([0.0, *row['log_sd']]):.3f} quantiles "
                f"{max(row['quantiles']):.3f} of the limit {excess(row):.2f} {row['verdict']} "
                f"{row['gradients']:,} {row['seconds']:.2f} s",
                flush=True,
            )
    print(f"beyond the limits: {exceeded}")


if __name__ == "__main__":
    main()
