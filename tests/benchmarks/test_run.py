"""The harness itself, on exact draws and on methods that fail or lie."""

import json

import numpy as np
import pytest

from benchmarks import cases, metrics, models, run
from benchmarks.methods import METHODS, Draws

HARD = ["hard/" + name for name in models.names()]


@pytest.mark.parametrize("name", models.names())
def test_data_are_those_of_the_reference(name):
    model = models.load(name)
    diagnostics = model.reference.diagnostics
    assert models.fingerprint(model.numpyro_kwargs) == diagnostics["fingerprint"]


@pytest.mark.parametrize("name", models.names())
def test_references_come_from_chains_that_mixed(name):
    model = models.load(name)
    diagnostics = model.reference.diagnostics
    assert diagnostics["rhat_max"] < 1.005
    # Standard errors of 0.016 sd for the means and for the log sds.
    assert diagnostics["ess_min"] > 4_000
    assert diagnostics["ess_square_min"] > 4_000
    assert diagnostics["divergences"] == 0
    assert model.reference_path.stat().st_size < 500_000


@pytest.mark.parametrize("name", [*HARD, "synthetic/five_modes", "synthetic/banana"])
def test_exact_draws_are_within_the_bar(name):
    row = run.run_case(name, 0, "exact")
    assert "error" not in row
    assert row["mean_rms"] < cases.BAR
    assert row["sd_rms"] < cases.BAR
    assert run.solved(row)
    if name == "synthetic/five_modes":
        assert row["total_variation"] < 0.03


def test_collection_beside_the_checkout():
    names = cases.names("numpyro", ("pdb",))
    if not names:
        pytest.skip("no collection of posteriors beside the checkout")
    for name in names:
        row = run.run_case(name, 0, "exact")
        assert row["mean_rms"] < cases.BAR
        assert set(cases.names("pymc", ("pdb",))) <= set(names)


def test_a_failing_fit_is_a_row(monkeypatch):
    def broken(case, seed, **options):
        raise RuntimeError("no finite log density | at any start")

    monkeypatch.setitem(METHODS, "isogmm", broken)
    row = run.run_case("synthetic/banana", 3)
    assert row["error"] == "RuntimeError: no finite log density | at any start"
    assert "broken" in row["traceback"]
    assert run.largest_error(row) == np.inf
    table = run.markdown([row])
    assert "FAILED: RuntimeError: no finite log density / at any start" in table
    assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_dishonest_verdict_is_found(monkeypatch):
    def shifted(case, seed, **options):
        result = METHODS["exact"](case, seed)
        draws = {"x": result.posterior["x"] + 0.5 * case.reference().sd["x"]}
        return Draws(draws, {"verdict": "good", "elbo": -8.0, "log_evidence": -7.0})

    monkeypatch.setitem(METHODS, "isogmm", shifted)
    row = run.run_case("synthetic/gaussian_10_rotated", 0)
    assert row["kl"] == pytest.approx(0.5)
    assert row["evidence_error"] == pytest.approx(0.5)
    assert not run.solved(row)
    counts = run.summary([row])
    assert counts["trusted, error above 0.1"] == ["synthetic/gaussian_10_rotated 0"]
    assert counts["solved"] == 0


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"verdict": "refined", "mean_rms": 0.2}, 1),
        ({"verdict": "unreliable", "mean_rms": 0.2}, 0),
        ({"verdict": "refined", "mean_rms": 0.02}, 0),
        ({"error": "ValueError"}, 1),
    ],
)
def test_failures_and_wrong_verdicts_are_an_exit_status(row, status, monkeypatch, capsys):
    row = {"case": "synthetic/banana", "seed": 0, "sd_rms": 0.01, "q_rms": 0.01} | row
    monkeypatch.setattr(run, "run_case", lambda *request: row)
    monkeypatch.setattr("sys.argv", ["run.py", "--only", "synthetic/banana"])
    assert run.main() == status
    capsys.readouterr()


def test_a_missed_mode_is_found(monkeypatch):
    def one_mode(case, seed, **options):
        rows = case.draw(np.random.default_rng(seed), 40_000)
        rows = rows[case.mode_of(rows) == 1][:4_000]
        return Draws({"x": rows.reshape(4, 1_000, -1)})

    monkeypatch.setitem(METHODS, "isogmm", one_mode)
    row = run.run_case("synthetic/two_modes_unequal", 0)
    assert row["total_variation"] == pytest.approx(0.1)
    assert row["modes_found"] == 1


def test_rows_accumulate_in_the_file(tmp_path):
    path = tmp_path / "rows.json"
    for seed in (0, 1):
        run.append_json(path, {"case": "a", "seed": seed, "mean_rms": np.float64(0.5)})
    assert [row["seed"] for row in json.loads(path.read_text())] == [0, 1]


def test_options_are_literals_or_words():
    options = run.parse_options(["num_components=32", "method=ibw", "whitening='none'"])
    assert options == {"num_components": 32, "method": "ibw", "whitening": "none"}


def test_unknown_words_are_refused():
    with pytest.raises(SystemExit, match="no case contains 'nothing'"):
        run.choose(["nothing"], "numpyro", ("hard",))


def test_metrics_refuse_other_shapes_and_flag_nan():
    reference = models.load("growth_centered").reference
    draws = {name: value[None] for name, value in reference.draws.items()}
    nan = draws | {"mu_alpha": np.full_like(draws["mu_alpha"], np.nan)}
    assert all(np.isnan(value) for value in metrics.compare(nan, reference).values())
    with pytest.raises(ValueError, match="alpha has shape"):
        metrics.compare(draws | {"alpha": draws["mu_alpha"]}, reference)


@pytest.mark.long  # of the benchmarks
@pytest.mark.slow
def test_a_fresh_process_gives_the_same_row():
    here = run.run_case("synthetic/banana", 5, "exact")
    fresh = run.run_fresh("synthetic/banana", 5, "exact", "numpyro", {}, timeout=120)
    for key in ("mean_rms", "sd_rms", "q_rms"):
        assert fresh[key] == pytest.approx(here[key], rel=1e-12)
    assert fresh["wall"] > fresh["seconds"]


@pytest.mark.long  # of the benchmarks
@pytest.mark.slow
def test_a_fresh_process_that_fails_or_hangs_is_a_row():
    row = run.run_fresh("synthetic/nothing", 0, "exact", "numpyro", {}, timeout=120)
    assert row["error"].startswith("KeyError")
    row = run.run_fresh("synthetic/banana", 0, "exact", "numpyro", {}, timeout=0.01)
    assert row["error"] == "no result after 0 s"
