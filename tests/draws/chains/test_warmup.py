"""The warm-up lasts twice as long as the chains need to forget their starting points."""

from types import SimpleNamespace

import numpy as np
import pytest

from isogmm.draws.chains.warmup import NUM_WIDENING_TRANSITIONS, POOLED_WARMUP_FACTOR, WarmUp

pytestmark = pytest.mark.usefixtures("unchecked")


class Forgetful:
    """Chains that stay where they are, and move to independent points after some transitions."""

    def __init__(self, *, forgets_after, changes_at=0, settled_at=0, gradients=0):
        self.generator = np.random.default_rng(0)
        self.positions = self.generator.standard_normal((1000, 2))
        self.groups = np.zeros(1000, int)
        self.count, self.gradients, self.neck = 0, gradients, []
        self.forgets_after, self.changes_at = forgets_after, changes_at
        self.coordinates = SimpleNamespace(changed_at=0, settled_at=settled_at)
        self.target = SimpleNamespace(num_gradient_evaluations=0)
        self.tuned_at = 0

    @property
    def has_tuned_steps(self):
        return self.count >= self.tuned_at

    def transition(self, *, tune):
        assert tune
        self.count += 1
        self.target.num_gradient_evaluations += self.gradients
        if self.count == self.changes_at:
            self.coordinates.changed_at = self.count
            self.positions = self.generator.standard_normal((1000, 2))
        if self.count - self.coordinates.changed_at >= self.forgets_after:
            self.positions = self.generator.standard_normal((1000, 2))


@pytest.mark.parametrize(("forgets_after", "length"), [(5, 10), (7, 14), (2, 8)])
def test_as_many_transitions_follow_as_were_needed(forgets_after, length):
    sampler = Forgetful(forgets_after=forgets_after)
    assert WarmUp(sampler, 8, 10**9).run(None)
    assert sampler.count == length


def test_other_coordinates_begin_the_warm_up_again():
    sampler = Forgetful(forgets_after=5, changes_at=4)
    WarmUp(sampler, 8, 10**9).run(None)
    assert sampler.count == 4 + 5 + 5


def test_chains_that_spread_begin_the_warm_up_again():
    class Spreading(Forgetful):
        """The correlation with the start vanishes while the spread still grows each time."""

        def transition(self, *, tune):
            super().transition(tune=tune)
            self.positions = self.generator.standard_normal((1000, 2))
            self.positions[:, 1] *= 0.01 * 3.0 ** min(self.count, 12)

    sampler = Spreading(forgets_after=1)
    sampler.positions[:, 1] *= 0.01
    WarmUp(sampler, 8, 10**9).run(None)
    # 12 transitions until the spread is constant, then the shortest warm-up is long past.
    assert sampler.count >= 12 + 2


def test_a_form_that_may_still_change_prolongs_the_warm_up():
    sampler = Forgetful(forgets_after=2, settled_at=24)
    WarmUp(sampler, 8, 10**9).run(None)
    assert sampler.count == 24


def test_steps_that_are_not_tuned_prolong_the_warm_up():
    sampler = Forgetful(forgets_after=2)
    sampler.tuned_at = 17
    WarmUp(sampler, 8, 10**9).run(None)
    assert sampler.count == 17


def test_the_warm_up_is_longer_in_a_form_of_many_dimensions(monkeypatch):
    monkeypatch.setattr("isogmm.draws.chains.warmup.MAX_DENSE_DIM", 1)
    sampler = Forgetful(forgets_after=1, changes_at=7)
    visited = {}
    transition = sampler.transition

    def recorded(*, tune):
        transition(tune=tune)
        visited[sampler.count] = sampler.positions

    sampler.transition = recorded
    warmup = WarmUp(sampler, 8, 10**9)
    warmup.run(None)
    assert sampler.count == POOLED_WARMUP_FACTOR * 7
    assert np.array_equal(warmup.wide_start, visited[7 + NUM_WIDENING_TRANSITIONS])
    assert warmup.widest_start() is warmup.wide_start
    # With a neck the form has not removed the funnel: the original starting points count.
    sampler.neck = [sampler.positions[:1]]
    assert warmup.widest_start() is warmup.start
    assert warmup.start is not warmup.wide_start


def test_half_of_the_budget_ends_the_warm_up():
    sampler = Forgetful(forgets_after=10**6, gradients=100)
    warmup = WarmUp(sampler, 8, 5000)
    assert warmup.run(None)
    assert warmup.independent_at is None
    assert sampler.count == 26  # the first whose total exceeds 2,500


def test_the_confirmation_is_asked_once_after_the_shortest_warm_up():
    asked = []

    def confirm(positions):
        asked.append(len(positions))
        return len(asked) == 2

    sampler = Forgetful(forgets_after=6)
    assert WarmUp(sampler, 8, 10**9).run(confirm)
    assert asked == [1000]
    assert not WarmUp(Forgetful(forgets_after=6), 8, 10**9).run(confirm)
