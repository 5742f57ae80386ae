"""The comparison with other libraries, without running them."""

import numpy as np

from benchmarks import alternatives, alternatives_figure, many_rows_case


def test_every_method_has_a_look_and_every_case_exists_in_both_languages():
    assert set(alternatives_figure.LOOKS) == set(alternatives.METHODS)
    for language in ("numpyro", "pymc"):
        case = alternatives.load("many_rows", language)
        assert set(case.reference().mean) == {"beta"}


def test_the_reference_is_at_the_mode_of_the_regression():
    """With 100,000 rows the mean is within 0.1 sd of the mode, where the score is zero."""
    x, y = many_rows_case.data()
    reference = many_rows_case.Reference.read(many_rows_case.REFERENCE)
    beta = reference.mean["beta"]
    p = 1.0 / (1.0 + np.exp(-x @ beta))
    precision = (x * (p * (1 - p))[:, None]).T @ x + np.eye(many_rows_case.DIM)
    step = np.linalg.solve(precision, x.T @ (y - p) - beta)
    sd = np.sqrt(np.diag(np.linalg.inv(precision)))
    assert np.abs(step / sd).max() < 0.1
    np.testing.assert_allclose(reference.sd["beta"], sd, rtol=0.05)


def test_a_run_that_fails_is_a_row(monkeypatch):
    monkeypatch.setattr(alternatives, "run", lambda *arguments: {"error": "exit 1: no module"})
    row = alternatives.compare("pdb/data-model", "nutpie", 0, 1.0)
    assert row["case"] == "model"
    assert row["error"] == "exit 1: no module"


def test_the_figure_has_a_panel_for_each_posterior_and_leaves_failures_out():
    numbers = {"mean_rms": 0.02, "sd_rms": 0.03, "cold_processor": 9.0, "warm_processor": 3.0}
    rows = [{"case": name, "method": "nutpie", **numbers} for name in ("a", "b", "c")]
    rows.append({"case": "a", "method": "dadvi", "error": "no result"})
    figure = alternatives_figure.draw(rows)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") or axes.get_title() for axes in shown] == ["a", "b", "c"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["nutpie"]
