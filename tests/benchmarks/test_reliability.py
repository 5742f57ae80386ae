"""The counts of the reliability tables on rows whose errors are known."""

import json

import numpy as np
import pytest

from benchmarks import reliability
from benchmarks.reliability import (
    coverage_table,
    covered,
    error_of,
    evidence_intervals,
    false_alarms,
    mass_intervals,
    read,
    verdict_table,
)


def row(verdict, error, *, seed=0, **other):
    """A fit whose largest error of a mean is ``error``, with both of two modes."""
    values = {
        "case": "random/0",
        "seed": seed,
        "verdict": verdict,
        "mean_max": error,
        "sd_max": 0.01,
        "q_max": error,
        "modes": 2,
        "modes_found": 2,
        "mass_error": 0.001,
        "log_evidence": -7.5,
        "log_evidence_se": 0.01,
        "evidence_error": 0.0,
    }
    return values | other


def test_counts_by_verdict():
    rows = [
        row("good", 0.02),
        row("good", 0.2),  # above 0.1 sd, within the bounds of a correct fit
        row("refined", 0.9, modes_found=1),
        row("unreliable", 0.02),
        row("unreliable", 0.9, mass_error=0.5),
    ]
    lines = verdict_table(rows).splitlines()
    assert lines[2].startswith("| good | 1 of 2: 50.0 %")
    assert "| 0 of 2: 0.0 %" in lines[2]
    assert lines[4].startswith("| any trusted verdict | 2 of 3: 66.7 %")
    assert lines[4].count("1 of 3") == 2  # wrong, and without a mode
    assert lines[5].startswith("| unreliable | 1 of 2")
    assert false_alarms(rows).startswith("1 of 2: 50.0 %")


def test_a_fit_without_a_number_is_wrong_by_any_amount():
    assert error_of({"case": "random/0", "seed": 0, "error": "ValueError"}) == np.inf
    assert error_of(row("good", 0.02) | {"sd_max": np.nan, "q_rms": 0.3}) == 0.3


def test_intervals_of_the_log_evidence():
    # Errors of 0, 1.9 and 2.1 standard errors: 95 % intervals contain two of them.
    rows = [row("good", 0.02, evidence_error=0.01 * z) for z in (0.0, 1.9, 2.1)]
    assert covered(evidence_intervals(rows), 0.95) == 2
    assert covered(evidence_intervals(rows), 0.99) == 3
    assert "| 2 of 3: 66.7 %" in coverage_table(rows)


def test_intervals_of_masses_leave_the_largest_out():
    modes = {
        "region_mass": [0.3, 0.54, 0.16],
        "region_mass_se": [0.004, 0.0, 0.0],
        "mode_mass": [0.32, 0.52, 0.16],
        "mode_mass_se": [0.003, 0.1, 0.002],
    }
    assert mass_intervals([row("good", 0.02, **modes), row("good", 0.02)]) == [
        (0.16, 0.002, 0.16),
        (0.32, pytest.approx(0.005), 0.3),
    ]


def test_rows_of_one_fit_in_two_files_count_once(tmp_path):
    calibration = {"model": "ordered", "calibrated": True, "verdicts": {"good": 3}, "p": 0.2}
    (tmp_path / "old.json").write_text(json.dumps([row("good", 0.5), row("good", 0.5, seed=1)]))
    (tmp_path / "new.json").write_text(json.dumps([row("refined", 0.02), calibration]))
    chains = [row("", 0.5, method="nuts", rhat_max=1.0), row("", 0.02, seed=1, method="nuts")]
    (tmp_path / "nuts.json").write_text(json.dumps(chains))
    fits, nuts, calibrations = read(sorted(tmp_path.iterdir(), reverse=True))
    assert [fit["verdict"] for fit in fits] == ["refined", "good"]
    lines = reliability.rhat_lines(nuts)
    assert "error above 0.1 sd: 1 of 1" in lines
    assert "although accurate: 1 of 1" in lines
    assert "1 models, 3 fits (3 good," in reliability.calibration_line(calibrations)


def test_the_figure_counts_the_fits_beyond_the_limit():
    from benchmarks.reliability_figure import draw

    rows = [row("good", 0.02), row("good", 0.9, mass_error=0.5), row("refined", 0.02)]
    left, right = draw(rows, []).axes
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert labels[0] == "good\n1 of 2 beyond"
    assert labels[2] == "refined\n0 of 1 beyond"
    assert "log evidence (2)" in [text.get_text() for text in right.get_legend().get_texts()]
