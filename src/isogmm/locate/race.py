"""Gaussian candidates from many places advance together; the best ELBO wins."""

from dataclasses import dataclass, replace

import numpy as np

from isogmm.locate.batch_and_match import (
    Gaussians,
    batch_and_match_step,
    batch_size_for,
    damping,
)
from isogmm.locate.candidates import BEGINNING, EARLY, Candidate, candidates_from
from isogmm.locate.paths import DENSE_LIMIT, Path
from isogmm.locate.roughness import is_rough
from isogmm.model.target import Target

#: After these iterations only this share of the candidates goes on.  Before the first ELBOs
#: mislead: the right candidate was seen last at iteration 2 and first at 9.  Of 47 races the winner
#: was more than a nat below the best of all candidates in 3, in 5 where all went on to 8.
HALVINGS = {6: 0.5, 13: 0.2, 26: 0.0}
#: So many times the iterations are made at most.
PATIENCE = 10
#: Standard error of an ELBO below which its Gaussian is all but exact: its log ratios to the
#: density hardly vary, so that the ELBO is the log evidence of its mode.
EXACT_SE = 0.03


@dataclass(frozen=True)
class Outcome:
    """How a race ended.

    Parameters
    ----------
    best, origin
        The winner, and from which place on its path it came.
    num_diverged
        Candidates that diverged.
    interruption
        What cut the race short (Ctrl-C or the time limit), or None.
    agreed, settled
        Whether candidates from several places met at one ELBO, and whether the best ELBO no longer
        improved.
    """

    best: Gaussians
    origin: str
    num_diverged: int
    interruption: KeyboardInterrupt | None = None
    agreed: bool = False
    settled: bool = False


def race(
    target: Target,
    generator: np.random.Generator,
    paths: list[Path],
    num_full: int,
    num_iterations: int,
) -> Outcome:
    """Let candidates from all paths compete, in one batch with successive halving.

    It is run where scouts are not enough.  The second halves of the paths are left out: a spike
    caught them, and of candidates there those with the best ELBOs of the early iterations are
    trapped.  An interrupt ends the race: the leader wins.

    Parameters
    ----------
    paths
        Every one has a candidate near its beginning.
    num_full
        The first so many have candidates elsewhere too.
    num_iterations
        Iterations at least; it goes on while the ELBO improves by more than its noise.
    """
    found = [
        candidate
        for index, path in enumerate(paths)
        for candidate in candidates_from(target, path, BEGINNING if index < num_full else EARLY)
    ]
    everyone = Race(target, generator, found)
    everyone.run(num_iterations)
    return everyone.outcome()


def better(first: Outcome, second: Outcome) -> Outcome:
    """The one with the higher ELBO; the first where the second was interrupted, and says so."""
    is_second = second.interruption is None and second.best.elbo[0] > first.best.elbo[0]
    return replace(
        second if is_second else first,
        num_diverged=first.num_diverged + second.num_diverged,
        interruption=second.interruption,
    )


class Race:
    """Candidates, their labels, and how far they are."""

    def __init__(
        self, target: Target, generator: np.random.Generator, found: list[Candidate]
    ) -> None:
        self.target, self.generator = target, generator
        self.origins = [origin for origin, _, _ in found]
        self.candidates = Gaussians.start(
            np.stack([mean for _, mean, _ in found]), np.stack([factor for _, _, factor in found])
        )
        self.batch_size = batch_size_for(target.dim)
        self.iteration, self.num_diverged, self.num_entered = 0, 0, len(found)
        self.elbos: list[float] = []
        self.interruption: KeyboardInterrupt | None = None

    def run_until(self, iteration: int) -> bool:
        """Advance to this iteration; False where an interrupt or divergence of all ends it."""
        while self.iteration < iteration:
            strength = damping(self.iteration, self.batch_size, self.target.dim)
            try:
                self.candidates = batch_and_match_step(
                    self.target, self.candidates, self.generator, self.batch_size, strength
                )
            except KeyboardInterrupt as interruption:
                self.interruption = interruption
                return False
            self.iteration += 1
            self.elbos.append(float(self.candidates.elbo.max()))
            if not self.candidates.alive.any():
                return False
        return True

    def run(self, num_iterations: int, patience: int = PATIENCE) -> None:
        """Advance with halvings, as long as the ELBO improves: so many times as far at most."""
        longest = (patience if self.target.dim <= DENSE_LIMIT else 2) * num_iterations
        while self.iteration < num_iterations or (self.improves() and self.iteration < longest):
            if not self.run_until(self.iteration + 1):
                break
            if self.iteration in HALVINGS:
                keep = max(2, round(HALVINGS[self.iteration] * self.num_entered))
                self.keep(2 if self.agree() else keep)

    def keep(self, count: int) -> None:
        """Only the best so many go on, none of them where heights are rounding noise."""
        if self.interruption is None:
            self._drop_rough(count)
        order = np.argsort(-self.candidates.elbo)[:count]
        self.num_diverged += int((~self.candidates.alive).sum())
        self.candidates = self.candidates.take(order)
        self.origins = [self.origins[index] for index in order]

    def _drop_rough(self, count: int) -> None:
        known = np.zeros(len(self.candidates.elbo), dtype=bool)
        while True:
            best = np.argsort(-self.candidates.elbo)[:count]
            new = best[~known[best] & self.candidates.alive[best]]
            if not len(new):
                return
            known[new] = True
            try:
                means = self.candidates.means[new]
                rough = new[is_rough(self.target, means, *self.target.evaluate(means))]
            except KeyboardInterrupt as interruption:
                self.interruption = interruption
                return
            self.candidates.alive[rough] = False
            self.candidates.elbo[rough] = -np.inf

    def agree(self) -> bool:
        """Whether the better half has arrived at one ELBO, and is sure of it.

        Three are enough where one of them began at the end of a path: the curvature at a local
        maximum then describes the posterior, which it never does where a spike attracts paths.
        That one alone is enough where it leads and is all but exact.
        """
        order = np.argsort(-self.candidates.elbo)
        elbo, noise = self.candidates.elbo[order], self.candidates.elbo_se[order]
        if self.origins[order[0]] == "end of the path" and noise[0] < EXACT_SE:
            return True
        close = (elbo[0] - elbo < 0.3 + 3.0 * np.hypot(noise, noise[0])) & (noise < 0.3)
        if len(order) >= 4 and np.all(close[: max(4, len(order) // 2)]):
            return True
        from_end = any(self.origins[index] == "end of the path" for index in order[:3])
        return bool(len(order) >= 3 and np.all(close[:3]) and from_end)

    def improves(self, window: int = 12) -> bool:
        """Whether the last window of ELBOs lies above the one before by more than its noise."""
        if len(self.elbos) < 2 * window:
            return True
        last = np.array(self.elbos[-window:])
        before = np.array(self.elbos[-2 * window : -window])
        with np.errstate(over="ignore", invalid="ignore"):  # at a hard edge ELBOs have no bound
            noise = np.sqrt((last.var(ddof=1) + before.var(ddof=1)) / window)
        return bool(last.mean() - before.mean() > max(3.0 * noise, 0.02))

    def outcome(self) -> Outcome:
        """The winner."""
        if self.interruption is None:
            self._drop_rough(1)
        winner = int(np.argmax(self.candidates.elbo))
        # Before ELBOs mean anything the end of a path is the safest.
        if self.iteration < min(HALVINGS) and "end of the path" in self.origins:
            winner = self.origins.index("end of the path")
        best = self.candidates.take(np.array([winner]))
        return Outcome(
            best,
            self.origins[winner],
            self.num_diverged,
            self.interruption,
            settled=not self.improves(),
        )
