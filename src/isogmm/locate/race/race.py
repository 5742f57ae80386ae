"""Gaussian candidates that advance together by batch and match; the highest ELBO wins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isogmm.locate.gaussian.batch_and_match import batch_and_match_step, batch_size_for, damping
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.paths.candidates import Candidate, Place
from isogmm.locate.roughness import is_rougher_than_others
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.target import Target

#: Share of all candidates that is kept after each of these iterations, at least ``MIN_KEPT``.  The
#: ranking of the first iterations is unreliable: one later winner was last at iteration 2 and first
#: at iteration 9.  In 3 of 47 races the winner was more than a nat below the best of all
#: candidates; in 5 of 47 if all candidates were kept up to iteration 8.
KEPT_SHARES = {6: 0.5, 13: 0.2, 26: 0.0}
MIN_KEPT = 2
#: Largest number of iterations as a multiple of ``num_iterations``, up to ``MAX_DENSE_DIM``
#: dimensions and beyond.
MAX_LENGTH_FACTOR, MAX_LENGTH_FACTOR_LARGE = 10, 2
#: Standard error of the ELBO, in nats, below which a Gaussian is exact for all purposes.  Its log
#: ratios to the density hardly vary, and the ELBO is the log evidence of its mode.
MAX_EXACT_ELBO_SE = 0.03
#: Two ELBO estimates agree if they differ by less than the first number of nats plus the second
#: number of standard errors, and if each standard error is below the third.
AGREEMENT_NATS, AGREEMENT_SE, MAX_AGREEMENT_SE = 0.3, 3.0, 0.3
#: Number of candidates that must agree, in general and if one of them is from the end of a path.
MIN_AGREEING, MIN_AGREEING_WITH_END = 4, 3
#: Iterations in each of the two windows whose mean ELBOs are compared.
WINDOW = 12
#: The ELBO improves if its mean rises by more than this number of standard errors and of nats.
MIN_GAIN_SE, MIN_GAIN_NATS = 3.0, 0.02


@dataclass(frozen=True)
class Outcome:
    """Result of a race.

    Parameters
    ----------
    best, origin
        The winner, and the place where it started.
    num_diverged
        Number of candidates that diverged.
    agreed
        Whether candidates from several places reached the same ELBO.
    settled
        Whether the best ELBO no longer improved at the end.
    """

    best: Gaussians
    origin: Place
    num_diverged: int
    agreed: bool = False
    settled: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether the winner has not diverged."""
        return bool(self.best.alive[0])

    @property
    def elbo(self) -> float:
        """ELBO of the winner."""
        return float(self.best.elbo[0])

    @property
    def elbo_se(self) -> float:
        """Standard error of the ELBO of the winner."""
        return float(self.best.elbo_se[0])

    @property
    def candidate(self) -> Candidate:
        """The winner as a candidate."""
        return Candidate(self.origin, self.best.means[0], self.best.factors[0])


def better(first: Outcome, second: Outcome) -> Outcome:
    """The outcome with the higher ELBO, with the diverged candidates of both."""
    return replace(
        second if second.elbo > first.elbo else first,
        num_diverged=first.num_diverged + second.num_diverged,
    )


class Race:
    """Candidates that advance together, with their places and the ELBOs so far."""

    def __init__(
        self, target: Target, generator: np.random.Generator, found: Sequence[Candidate]
    ) -> None:
        self.target, self.generator = target, generator
        self.origins = [candidate.place for candidate in found]
        self.candidates = Gaussians.start(
            np.stack([candidate.mean for candidate in found]),
            np.stack([candidate.factor for candidate in found]),
        )
        self.batch_size = batch_size_for(target.dim)
        self.iteration, self.num_diverged, self.num_entered = 0, 0, len(found)
        self.elbos: list[float] = []

    def run_until(self, iteration: int) -> bool:
        """Advance to this iteration; False if all candidates have diverged before."""
        while self.iteration < iteration:
            strength = damping(self.iteration, self.batch_size, self.target.dim)
            self.candidates = batch_and_match_step(
                self.target, self.candidates, self.generator, self.batch_size, strength
            )
            self.iteration += 1
            self.elbos.append(float(self.candidates.elbo.max()))
            if not self.candidates.alive.any():
                return False
        return True

    def run(self, num_iterations: int, max_length_factor: int = MAX_LENGTH_FACTOR) -> None:
        """Advance, with successive halving, for ``num_iterations`` and while the ELBO improves.

        At most ``max_length_factor`` times ``num_iterations`` are made.
        """
        is_large = self.target.dim > MAX_DENSE_DIM
        factor = MAX_LENGTH_FACTOR_LARGE if is_large else max_length_factor
        longest = factor * num_iterations
        while self.iteration < num_iterations or (self.improves() and self.iteration < longest):
            if not self.run_until(self.iteration + 1):
                break
            if self.iteration in KEPT_SHARES:
                count = round(KEPT_SHARES[self.iteration] * self.num_entered)
                self.keep(MIN_KEPT if self.agree() else max(MIN_KEPT, count))

    def keep(self, count: int) -> None:
        """Keep the candidates with the highest ELBO, without those at rough positions."""
        self._drop_rough(count)
        order = np.argsort(-self.candidates.elbo)[:count]
        self.num_diverged += int((~self.candidates.alive).sum())
        self.candidates = self.candidates.take(order)
        self.origins = [self.origins[index] for index in order]

    def _drop_rough(self, count: int) -> None:
        """Treat as diverged those of the best ``count`` candidates whose mean is rough.

        The next candidates take their ranks, and are tested in turn.
        """
        tested = np.zeros(len(self.candidates.elbo), dtype=bool)
        while True:
            best = np.argsort(-self.candidates.elbo)[:count]
            new = best[~tested[best] & self.candidates.alive[best]]
            if not len(new):
                return
            tested[new] = True
            means = self.candidates.means[new]
            rough = new[is_rougher_than_others(self.target, means, *self.target.evaluate(means))]
            self.candidates.alive[rough] = False
            self.candidates.elbo[rough] = -np.inf

    def agree(self) -> bool:
        """Whether the better half of the candidates has reached one ELBO, within its error.

        Three candidates are enough if one of them started at the end of a path.  The curvature at
        a local maximum then describes the posterior, which it never does near scale zero of a
        hierarchy.  A candidate from the end of a path is enough alone if it leads and is exact.
        """
        order = np.argsort(-self.candidates.elbo)
        elbo, error = self.candidates.elbo[order], self.candidates.elbo_se[order]
        if self.is_exact():
            return True
        tolerance = AGREEMENT_NATS + AGREEMENT_SE * np.hypot(error, error[0])
        close = (elbo[0] - elbo < tolerance) & (error < MAX_AGREEMENT_SE)
        if len(order) >= MIN_AGREEING and np.all(close[: max(MIN_AGREEING, len(order) // 2)]):
            return True
        first = order[:MIN_AGREEING_WITH_END]
        has_end = any(self.origins[index] is Place.END for index in first)
        return bool(
            len(order) >= MIN_AGREEING_WITH_END
            and np.all(close[:MIN_AGREEING_WITH_END])
            and has_end
        )

    def is_exact(self) -> bool:
        """Whether a candidate from the end of a path leads and is exact."""
        winner = int(np.argmax(self.candidates.elbo))
        is_from_end = self.origins[winner] is Place.END
        return is_from_end and bool(self.candidates.elbo_se[winner] < MAX_EXACT_ELBO_SE)

    def improves(self) -> bool:
        """Whether the mean ELBO of the last window exceeds that of the window before."""
        if len(self.elbos) < 2 * WINDOW:
            return True
        last = np.array(self.elbos[-WINDOW:])
        before = np.array(self.elbos[-2 * WINDOW : -WINDOW])
        # The ELBO can be unbounded if the density does not vanish at the edge of its support.
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.sqrt((last.var(ddof=1) + before.var(ddof=1)) / WINDOW)
        return bool(last.mean() - before.mean() > max(MIN_GAIN_SE * error, MIN_GAIN_NATS))

    def outcome(self) -> Outcome:
        """The winner, which does not lie at a rough position."""
        self._drop_rough(1)
        return self.leader()

    def leader(self) -> Outcome:
        """The candidate with the highest ELBO now; needs no evaluation of the target.

        Before the first halving, when the ELBO misleads, it is a candidate from the end of a path.
        """
        winner = int(np.argmax(self.candidates.elbo))
        if self.iteration < min(KEPT_SHARES) and Place.END in self.origins:
            winner = self.origins.index(Place.END)
        best = self.candidates.take(np.array([winner]))
        return Outcome(best, self.origins[winner], self.num_diverged, settled=not self.improves())
