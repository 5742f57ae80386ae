"""Writes the data and the references of the collection from a repository of posteriordb.

    python tests/benchmarks/posteriordb/build.py path/to/posteriordb

The repository may be a checkout or a bare one.  The parts of a reference:

``columns``     names of the k quantities, as in posteriordb
``statistics``  (8, k): mean, sd, mean square, and the quantiles of ``metrics.LEVELS``
``errors``      (7, k): their standard errors in the units of ``metrics.compare``: of the mean, of
                the logarithm of the sd, and of the quantiles
``draws``       (NUM_DRAWS, k) of the 10,000 reference draws, in single precision
``floors``      99 % quantiles of the six scores of 4,000 exact draws

Where the repository lacks the file of the draws, the statistics are those that it publishes: mean
and mean square.  Quantiles are NaN then, and there are no draws.
"""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import metrics
from benchmarks.posteriordb import collection

#: Bytes of both files together.
MAX_BYTES = 1_000_000
#: Draws kept of each posterior; 1,600 bytes for each of 320 quantities.
NUM_DRAWS = 400
NUM_REPLICATES = 400
TOP = "posterior_database"
ARRAYS = {
    "arK": "K y",
    "arma": "y",
    "bball_drive_event_0": "u v alpha",
    "bball_drive_event_1": "u v alpha tau rho",
    "diamonds": "X Y",
    "earnings": "earn height male",
    "eight_schools": "y sigma",
    "garch": "y sigma1",
    "gp_pois_regr": "x y k",
    "hmm_example": "y",
    "hudson_lynx_hare": "ts y_init y",
    "kidiq": "kid_score mom_hs mom_iq",
    "kidiq_with_mom_work": "kid_score mom_hs mom_iq mom_work",
    "kilpisjarvi_mod": "x y pmualpha psalpha pmubeta psbeta",
    "low_dim_gauss_mix": "y",
    "mcycle_gp": "Y Xgp_1 slambda_1 Xgp_sigma_1 slambda_sigma_1",
    "mesquite": "weight diam1 diam2 canopy_height total_height density group",
    "one_comp_mm_elim_abs": "times C_hat D V",
    "sblrc": "X y",
    "sblri": "X y",
} | {
    f"nes{year}": "partyid7 real_ideo race_adj educ1 gender income age_discrete"
    for year in range(1972, 2001, 4)
}


class Repository:
    """Files of the newest commit of a git repository."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, or None where the repository lacks it."""
        command = ["git", "-C", self.path, "show", f"HEAD:{TOP}/{name}"]
        done = subprocess.run(command, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else None

    def read_json(self, name: str):
        """A JSON file, or the one in a zip archive of that name."""
        content = self.read(name)
        if content is not None and name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(archive.namelist()[0])
        return None if content is None else json.loads(content)


def data_arrays(repository: Repository) -> dict[str, np.ndarray]:
    """What the models use of each data set."""
    arrays = {}
    for data, wanted in ARRAYS.items():
        values = repository.read_json(f"data/data/{data}.json.zip")
        for name in wanted.split():
            array = np.asarray(values[name])
            if (data, name) == ("diamonds", "X"):
                array = array[:, 1:22]  # without the intercept and the three products
            # Columns that lie together compress better.
            arrays[f"{data}/{name}"] = np.array(array, order="F")
    return arrays


def official_draws(repository: Repository, name: str) -> tuple[list[str], np.ndarray | None]:
    """Names and draws (10, 1000, k) of a reference; None where the file is absent."""
    folder = "reference_posteriors/draws/draws"
    chains = repository.read_json(f"{folder}/{name}.json.zip")
    if chains is None:
        return [], None
    columns = list(chains[0])
    return columns, np.array([[chain[column] for column in columns] for chain in chains]).swapaxes(
        1, 2
    )


def statistics(rows: np.ndarray) -> np.ndarray:
    """Mean, sd, mean square and quantiles of draws (n, k)."""
    moments = [rows.mean(0), rows.std(0, ddof=1), np.mean(rows**2, 0)]
    return np.concatenate([moments, np.quantile(rows, metrics.LEVELS, axis=0)])


def standard_errors(chains: np.ndarray) -> np.ndarray:
    """Standard errors (7, k) from the statistics of the two halves of each chain."""
    parts = np.array([statistics(half) for one in chains for half in np.split(one, 2)])
    whole = statistics(chains.reshape(-1, chains.shape[-1]))
    width = (whole[-1] - whole[3]) / metrics.NORMAL_RANGE
    scaled = np.concatenate(
        [parts[:, :1] / whole[1], np.log(parts[:, 1:2]), parts[:, 3:] / width], axis=1
    )
    return scaled.std(0, ddof=1) / np.sqrt(len(parts))


def floors(rows: np.ndarray, has_moments: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """99 % quantiles of the scores of 4,000 draws against the statistics of 10,000 others."""
    scores = []
    for _ in range(NUM_REPLICATES):
        few, many = (rows[generator.integers(len(rows), size=n)] for n in (4_000, 10_000))
        mean, sd, square, *quantiles = statistics(many)
        mean[~has_moments] = sd[~has_moments] = np.nan
        parts = ({"x": value} for value in (mean, sd, square, np.array(quantiles), few))
        compared = metrics.compare({"x": few[None]}, metrics.Reference(*parts))
        scores.append([compared[key] for key in collection.SCORES])
    return np.quantile(scores, 0.99, axis=0)


def published(repository: Repository, name: str) -> dict[str, np.ndarray]:
    """A reference from the means and mean squares of posteriordb."""
    folder = "reference_posteriors/summary_statistics"
    values = {}
    for key in ("mean_value", "mean_squared_value"):
        found = repository.read_json(f"{folder}/{key}/{key}/{name}.json")
        values[key], columns = np.array(found[key]), found["names"]
    mean, square = values["mean_value"], values["mean_squared_value"]
    unknown = np.full((len(metrics.LEVELS), len(mean)), np.nan)
    sd = np.sqrt(square - mean**2)
    return {
        "columns": np.array(columns),
        "statistics": np.concatenate([[mean, sd, square], unknown]),
        "draws": np.empty((0, len(mean)), np.float32),
        "floors": np.empty(0),
    }


def reference(repository: Repository, name: str) -> dict[str, np.ndarray]:
    """All parts of a reference."""
    columns, chains = official_draws(repository, name)
    if chains is None:
        return published(repository, name)
    rows = chains.reshape(-1, chains.shape[-1])
    missing = collection.ENTRIES[name].infinite_variance
    has_moments = ~np.isin(columns, missing)
    return {
        "columns": np.array(columns),
        "statistics": statistics(rows),
        "errors": standard_errors(chains),
        "draws": rows[metrics.evenly(len(rows), NUM_DRAWS)].astype(np.float32),
        "floors": floors(rows, has_moments, np.random.default_rng(0)),
    }


def main() -> None:
    """The command line."""
    repository = Repository(sys.argv[1])
    collection.FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(collection.DATA, **data_arrays(repository))
    stored = {}
    for name in dict.fromkeys(e.reference or n for n, e in collection.ENTRIES.items()):
        parts = reference(repository, name)
        stored |= {f"{name}/{part}": value for part, value in parts.items()}
        print(name, dict(zip(collection.SCORES, parts["floors"].round(3), strict=False)))
    np.savez_compressed(collection.REFERENCE, **stored)
    size = sum(path.stat().st_size for path in (collection.DATA, collection.REFERENCE))
    print(f"{size:,} bytes")
    if size > MAX_BYTES:
        raise SystemExit(f"more than {MAX_BYTES:,} bytes")


if __name__ == "__main__":
    main()
