"""Every experiment at its quick size, and the claims that hold there already."""

import functools
import json
import math
import sys

import jax
import numpy as np
import pytest
from scipy import stats

pytest.importorskip("sklearn")

from experiments import measure, methods, run, studies
from experiments.settings import SETTINGS
from experiments.targets import sinh_arcsinh, student_mixture
from helpers.tolerances import assert_within_error, standard_error

# Arrays of one type in the targets, but the loop broadcasts ranks as NumPy does.
pytestmark = [pytest.mark.weak_dtypes, pytest.mark.usefixtures("unchecked")]

KNOWN = [name for name, s in SETTINGS.items() if "network" not in name]
#: Cheap ones run whenever the suite runs, the others with the long tests.
EVERY_TIME = ("wine",)


@functools.cache
def rows_of_the_plane():
    return run.run_experiment("mixture_2", [0, 1, 2], True, {"ibw", "md", "gd"})


@pytest.fixture
def plane(unchecked):
    """The rules on the target in two dimensions, quick, three seeds."""
    return rows_of_the_plane()


# --- the targets ------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("name", ["mixture_2", "mixture_50", "funnel", "skewed_tails"])
def test_known_targets_are_normalized(name):
    # E[r / π] = 1 for draws of π and any density r; here r is a narrower Gaussian.
    problem = SETTINGS[name].problem()
    draws = problem.draw(np.random.default_rng(0), 20_000)
    chosen = draws[:1_000] if problem.dim > 2 else draws
    values = np.asarray(jax.vmap(problem.log_density)(chosen))
    if problem.dim == 2:
        center = np.median(draws, axis=0)
        log_r = stats.norm.logpdf(draws, center, 0.3).sum(axis=1)
        ratios = np.exp(log_r - values)
        assert_within_error(ratios.mean(), 1.0, standard_error(ratios))
    else:
        means, variances, weights = problem.arrays
        joint = stats.norm.logpdf(chosen[:, None], means, np.sqrt(variances)).sum(-1)
        expected = np.log(np.exp(joint) @ weights)
        np.testing.assert_allclose(values, expected, rtol=1e-9)


@pytest.mark.long
def test_student_density_is_that_of_scipy():
    problem = student_mixture("student", dim=4, modes=1)
    points = problem.draw(np.random.default_rng(1), 20)
    # One mode: the place and the shape come back from the density's own curvature.
    hessian = jax.jit(jax.hessian(problem.log_density))
    gradient = jax.jit(jax.grad(problem.log_density))
    center = np.asarray(problem.draw(np.random.default_rng(2), 20_000)).copy()
    mode = np.median(center, axis=0)
    for _ in range(30):
        mode = mode - np.linalg.solve(np.asarray(hessian(mode)), np.asarray(gradient(mode)))
    shape = np.linalg.inv(-np.asarray(hessian(mode)) / (2.0 + 4.0) * 2.0)
    expected = stats.multivariate_t(mode, shape, df=2).logpdf(points)
    found = np.asarray(jax.vmap(problem.log_density)(points))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_skew_and_tails_are_those_of_the_transform():
    problem = sinh_arcsinh("s", (0.3, -0.2), (0.8, 0.6), correlation=0.0)
    point, step = np.array([0.7, -1.1]), 1e-5
    values = np.log(
        [
            (
                stats.norm.cdf(np.sinh(t * np.arcsinh(x + step) + s))
                - stats.norm.cdf(np.sinh(t * np.arcsinh(x - step) + s))
            )
            / (2 * step)
            for x, s, t in zip(point, (0.3, -0.2), (0.8, 0.6), strict=True)
        ]
    )
    np.testing.assert_allclose(float(problem.log_density(point)), values.sum(), atol=1e-7)


# --- every experiment runs --------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [name if name in EVERY_TIME else pytest.param(name, marks=pytest.mark.long) for name in KNOWN],
)
def test_experiment_runs(name):
    rows = run.run_experiment(name, [0], True, {"ibw", "bw"})
    done = [row for row in rows if row["method"] == "ibw"]
    assert done
    assert not any("error" in row for row in rows)
    for row in done:
        assert math.isfinite(row["elbo"])
        # Round components that are not whitened get nowhere on the robot, as the page says: with
        # three seeds the negative ELBO rose by 7 to 13 %.
        assert (row["trace"][-1] < row["trace"][0]) == (name != "planar_robot")
    for row in rows:
        if "skipped" in row:
            assert "fit_gmmvi" in row["skipped"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["dimension", "unbalanced", "digits_network"])
def test_study_runs(name):
    rows = run.run_experiment(name, [0], True)
    assert not any("error" in row for row in rows)
    if name == "unbalanced":
        few, more = (
            np.mean([r["kl"] for r in rows if r["method"] == "ibw, near" and r["components"] == k])
            for k in (2, 8)
        )
        assert more < few
        default = [row for row in rows if row["method"].startswith("default") and "kl" in row]
        assert len(default) == 2
        assert all(row["kl"] < 0.02 for row in default)
    if name == "digits_network":
        assert all(row["accuracy"] > 0.5 for row in rows)
    if name == "dimension":
        assert {row["dim"] for row in rows} == set(studies.DIMENSIONS[:3])


# --- claims -----------------------------------------------------------------------------------


@pytest.mark.long  # a claim of the paper
def test_more_components_come_closer(plane):
    few, more = (
        np.mean([r["kl"] for r in plane if r["method"] == "ibw" and r["components"] == k])
        for k in (1, 5)
    )
    assert more < few


@pytest.mark.long  # a claim of the paper
def test_the_two_geometries_agree(plane):
    pairs = {}
    for row in plane:
        if row["method"] in ("ibw", "md") and row["components"] == 5:
            pairs.setdefault(row["seed"], []).append(row["kl"])
    for first, second in pairs.values():
        # Both have gone the same way from the same start for 100 iterations of size 0.1.
        assert abs(first - second) < 0.1 * max(first, second)


@pytest.mark.long  # a claim of the paper
def test_variances_that_move_are_worth_it(plane):
    for seed in (0, 1, 2):
        by_method = {r["method"]: r["kl"] for r in plane if r["seed"] == seed}
        assert by_method["ibw"] < by_method["gd"]


@pytest.mark.long  # fast: recipe/test_fit.py
def test_default_needs_no_tuning(plane):
    rows = methods.run_default(SETTINGS["mixture_2"].problem(), 0)
    assert rows[0]["kl"] < min(row["kl"] for row in plane)
    assert rows[1]["w2"] < min(row["w2"] for row in plane)


# --- the harness ------------------------------------------------------------------------------


def test_elbo_of_the_target_itself_is_its_evidence():
    problem = SETTINGS["four_modes_apart"].problem()
    target = methods.target_of(problem, 128)
    draws = problem.draw(np.random.default_rng(0), 500)
    row = measure.of_density(problem, target, lambda x: target.evaluate(x)[0], draws)
    assert row["kl"] == 0.0
    draws = problem.draw(np.random.default_rng(5), 20_000)
    assert measure.of_draws(problem, draws)["mass_error"] < 0.02


def test_newer_rows_replace_older_ones(tmp_path):
    path = tmp_path / "rows.json"
    row = {"experiment": "a", "method": "ibw", "components": np.int64(2), "seed": 0, "kl": 1.0}
    run.append_json(path, [row, {**row, "seed": 1}])
    run.append_json(path, [{**row, "kl": np.float64(0.5)}])
    rows = json.loads(path.read_text())
    assert sorted((r["seed"], r["kl"]) for r in rows) == [(0, 0.5), (1, 1.0)]


@pytest.mark.long
def test_command_line(monkeypatch, capsys, tmp_path):
    command = ["run.py", "wine", "--quick", "--seeds", "0", "--methods", "gd", "bw"]
    monkeypatch.setattr(sys, "argv", [*command, "--json", str(tmp_path / "rows.json")])
    run.main()
    assert "| wine | gd | 39 | 5 | 0 |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["run.py", "--list"])
    run.main()
    assert capsys.readouterr().out.split() == run.names()
    monkeypatch.setattr(sys, "argv", ["run.py", "nothing"])
    with pytest.raises(SystemExit, match="unknown experiments"):
        run.main()
