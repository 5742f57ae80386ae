"""Window summaries and the decisions that follow from them."""

import numpy as np
import pytest

from isogmm.errors import OptionError
from isogmm.optimize.stopping import ElboPlateau, MaxIterations, Window, summarize_window
from isogmm.results.stop_reason import StopReason


def windows(*pairs, chains=1):
    return [
        Window(10, np.full(chains, float(mean)), np.full(chains, error)) for mean, error in pairs
    ]


def test_the_standard_error_is_that_of_the_mean():
    generator = np.random.default_rng(0)
    noise = generator.normal(scale=2.0, size=(400, 300))
    summaries = summarize_window(noise)
    # 300 independent windows: their means scatter as the errors say.
    ratio = summaries.elbo.std() / np.sqrt((summaries.elbo_se**2).mean())
    assert abs(ratio - 1) < 5 / np.sqrt(2 * 300)


def test_a_slow_drift_hardly_inflates_the_error():
    generator = np.random.default_rng(1)
    noise = generator.normal(size=(400, 1))
    drift = np.linspace(0, 30, 400)[:, None]
    plain, drifting = summarize_window(noise), summarize_window(noise + drift)
    assert drifting.elbo_se[0] == pytest.approx(plain.elbo_se[0], rel=0.05)
    assert drifting.elbo[0] - plain.elbo[0] == pytest.approx(15.0)


def test_one_iteration_has_no_error_to_show():
    assert summarize_window(np.zeros((1, 2))).elbo_se[0] == np.inf


class TestElboPlateau:
    def test_goes_on_while_the_gain_exceeds_the_noise(self):
        rule = ElboPlateau()
        assert rule.decide(windows((-10, 0.1))) is None
        assert rule.decide(windows((-10, 0.1), (-5, 0.1))) is None
        assert rule.decide(windows((-5, 0.1), (-4.9, 0.1))) is StopReason.CONVERGED
        assert rule.decide(windows((-5, 0.1), (-6, 0.1))) is StopReason.CONVERGED

    def test_a_gain_below_the_tolerance_does_not_count(self):
        pair = windows((-5, 1e-5), (-4.995, 1e-5))
        assert ElboPlateau(tolerance=0.01).decide(pair) is StopReason.CONVERGED
        assert ElboPlateau(tolerance=0.001).decide(pair) is None

    def test_a_window_cut_short_shows_no_gain_and_no_lack_of_one(self):
        before, after = windows((-1000, 0.1), (-900, np.inf))
        short = Window(1, after.elbo, after.elbo_se)
        assert ElboPlateau().decide([before, short]) is None
        assert ElboPlateau().decide([before, after]) is StopReason.CONVERGED

    def test_chains_together_see_what_each_alone_does_not(self):
        pair = ((-5.0, 0.1), (-4.8, 0.1))
        assert ElboPlateau().decide(windows(*pair, chains=1)) is StopReason.CONVERGED
        assert ElboPlateau().decide(windows(*pair, chains=4)) is None

    def test_one_chain_on_the_move_keeps_the_others_going(self):
        before, after = windows((-5, 0.1), (-5, 0.1), chains=4)
        after.elbo[2] += 1.0
        after.elbo[0] -= 1.0
        assert ElboPlateau().decide([before, after]) is None

    def test_no_number_is_no_reason_to_stop(self):
        assert ElboPlateau().decide(windows((np.nan, 0.1), (-5, 0.1))) is None

    def test_windows_double(self):
        rule = ElboPlateau(first_window=25)
        assert [rule.window_length(index) for index in range(4)] == [25, 50, 100, 200]

    def test_stops_on_noise_about_a_constant(self):
        generator = np.random.default_rng(2)
        stopped = 0
        for _ in range(200):
            noise = generator.normal(size=(75, 4))
            pair = [summarize_window(noise[:25]), summarize_window(noise[25:])]
            stopped += ElboPlateau(tolerance=0.0).decide(pair) is not None
        # 2.3 % false alarms together, 0.13 % for each chain; the estimated errors widen both.
        assert stopped > 200 * 0.90


def test_a_fixed_number_of_iterations_never_decides():
    rule = MaxIterations(100, window=7)
    assert rule.decide(windows((-5, 0.1), (-5, 0.1))) is None
    assert [rule.window_length(index) for index in range(3)] == [7, 7, 7]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxIterations(0), "max_iterations must be at least 1"),
        (lambda: MaxIterations(10, window=0), "window must be at least 1"),
        (lambda: MaxIterations(10, max_seconds=-1.0), "max_seconds must be positive"),
        (lambda: ElboPlateau(first_window=1), "first_window"),
        (lambda: ElboPlateau(tolerance=-0.1), "tolerance"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()
