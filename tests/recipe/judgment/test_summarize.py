"""What the result says about a fit, from stages that are simple enough to know it."""

from types import SimpleNamespace

import numpy as np
import pytest

from isogmm.draws.evidence import Evidence
from isogmm.draws.pool import Pool
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.loop import OptimizeResult
from isogmm.recipe.judgment import summarize as module
from isogmm.recipe.judgment.findings import Findings
from isogmm.recipe.judgment.summarize import Fitted, _early_end, _of_fit, _tables, summarize
from isogmm.recipe.stage_costs import StageCosts
from isogmm.recipe.thresholds import MAX_EVIDENCE_SE, MAX_MISSED_SHARE
from isogmm.results.labeling.labels import DrawSource, Verdict
from isogmm.results.stop_reason import StopReason

pytestmark = pytest.mark.usefixtures("unchecked")

CHAINS, DRAWS, DIM = 2, 50, 2
MEANS, VARIANCES = np.array([[[0.0, 0.0]], [[3.0, 0.0]]]), np.array([[1.0], [4.0]])


def fitted(*, source=DrawSource.MIXTURE, reason=StopReason.CONVERGED, missed=0.0, **changes):
    generator = np.random.default_rng(0)
    positions, zero = generator.standard_normal((CHAINS, DRAWS, DIM)), np.zeros((CHAINS, DRAWS))
    selection = SimpleNamespace(
        positions=1.0 + 2.0 * positions,
        source=source,
        log_density=zero,
        log_weights=zero,
        components=zero.astype(int),
    )
    parts = {
        "selection": selection,
        "modes": zero.astype(int),
        "component_modes": np.zeros((CHAINS, 1), dtype=int),
        "weights": SimpleNamespace(pareto_k=0.1, relative_ess=0.9),
        "evidence": Evidence(np.full(1, -2.0), np.full((1, 1), 0.01)),
        "refined": None,
        "stop_reason": None,
        "weight_effect": None,
        "without_chains": False,
        "constrained": None,
    }
    mixture = IsotropicMixture(MEANS, VARIANCES, np.zeros((CHAINS, 1)))
    optimized = OptimizeResult(mixture, {}, reason, 7, None, missed)
    pool = Pool(positions, zero.astype(int), zero, zero, zero)
    delivery = SimpleNamespace(**{**parts, **changes})
    return Fitted(None, optimized, pool, delivery, StageCosts())


def target():
    return SimpleNamespace(
        single_precision=False,
        has_gradient=True,
        num_value_evaluations=0,
        dim=DIM,
        coordinate_labels=["x[0]", "x[1]"],
        notes=("A note.",),
    )


@pytest.mark.parametrize(
    ("case", "has_fixed_length", "part"),
    [
        ({}, False, None),
        ({"reason": StopReason.MAX_SECONDS}, False, StopReason.MAX_SECONDS.sentence),
        ({"reason": StopReason.NON_FINITE}, False, StopReason.NON_FINITE.sentence),
        # Chains and importance weights correct a mixture whose optimization was too short.
        ({"reason": StopReason.MAX_ITERATIONS}, False, StopReason.MAX_ITERATIONS.sentence),
        ({"reason": StopReason.MAX_ITERATIONS}, True, None),
        ({"reason": StopReason.MAX_ITERATIONS, "source": DrawSource.CHAINS}, False, None),
        ({"stop_reason": StopReason.INTERRUPTED}, False, StopReason.INTERRUPTED.sentence),
        ({"missed": 0.99 * MAX_MISSED_SHARE}, False, None),
        ({"missed": 1.01 * MAX_MISSED_SHARE}, False, "the mixture misses 0.2%"),
    ],
)
def test_what_makes_draws_unreliable_whatever_their_weights_say(case, has_fixed_length, part):
    found = _early_end(fitted(**case), has_fixed_length)
    assert found is None if part is None else part in found


def weights(pareto_k, relative_ess):
    return SimpleNamespace(pareto_k=pareto_k, relative_ess=relative_ess)


def evidence(error):
    return Evidence(np.full(1, -2.0), np.full((1, 1), error**2))


@pytest.mark.parametrize(
    ("case", "verdict", "is_known"),
    [
        ({}, Verdict.GOOD, True),
        ({}, Verdict.UNRELIABLE, False),
        ({"weights": weights(0.71, 0.9)}, Verdict.GOOD, False),
        ({"weights": weights(1.3, 0.995)}, Verdict.GOOD, True),
        ({"weights": weights(0.9, 0.1), "source": DrawSource.CHAINS}, Verdict.REFINED, True),
        ({"evidence": evidence(0.99 * MAX_EVIDENCE_SE)}, Verdict.GOOD, True),
        ({"evidence": evidence(1.01 * MAX_EVIDENCE_SE)}, Verdict.GOOD, False),
    ],
)
def test_where_the_evidence_is_known(case, verdict, is_known):
    found = _of_fit(target(), fitted(**case), verdict)
    assert np.isfinite(found["log_evidence_se"]) == is_known
    np.testing.assert_equal(found["log_evidence"], -2.0 if is_known else np.nan)


def test_the_shifts_are_those_from_the_mixture_to_the_draws():
    case = fitted()
    tables = _tables(case)
    pool, draws = case.pool.positions, case.delivery.selection.positions
    # The draws are 1 + 2 z, where z are those of the mixture.
    shift = (1.0 + pool.mean(axis=(0, 1))) / (2.0 * pool.std(axis=(0, 1)))
    # The sd may be that of a sample.
    np.testing.assert_allclose(tables["mean_shift"][1], shift, rtol=1.0 / (CHAINS * DRAWS))
    np.testing.assert_allclose(tables["log_sd_shift"][1], np.log(2.0), rtol=1e-12)
    np.testing.assert_allclose(tables["mode_mean"][1], draws.mean(axis=(0, 1))[None])


def test_each_chain_has_the_log_density_of_its_own_mixture(monkeypatch):
    monkeypatch.setattr(
        module,
        "findings_of",
        lambda *arguments: Findings(DrawSource.MIXTURE, 0.1, 0.9, rhat=1.0, rhat_name="x[0]"),
    )
    monkeypatch.setattr(module, "decide", lambda findings: (Verdict.GOOD, "Advice."))
    case = fitted()
    options = SimpleNamespace(algorithm=SimpleNamespace(stopping=None))
    result = summarize(target(), options, case)
    for chain, variance in enumerate([1.0, 4.0]):
        off = case.delivery.selection.positions[chain] - np.array([3.0 * chain, 0.0])
        expected = -0.5 * (off**2).sum(axis=1) / variance - np.log(2.0 * np.pi * variance)
        np.testing.assert_allclose(result.log_q[chain], expected)
    assert result.attributes["advice"] == "A note. Advice."
