"""The chains of factorized fits: their time and their random numbers."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import isogmm
from helpers.targets import make_target
from isogmm.optimize.stopping import ElboPlateau
from isogmm.recipe.families.factorized import family as module
from isogmm.recipe.families.factorized.family import MIN_SECONDS, FactorizedRounds
from isogmm.results.groups import get_group
from isogmm.results.stop_reason import StopReason

pytestmark = pytest.mark.usefixtures("unchecked")


def test_the_time_limit_is_that_of_all_chains(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    stopping = ElboPlateau(max_iterations=10, max_seconds=10.0)
    algorithm = SimpleNamespace(stopping=stopping, schedule=None, runner=lambda *arguments: None)
    context = SimpleNamespace(
        generators=lambda count: [None] * count,
        costs=SimpleNamespace(begin=lambda *arguments: None),
        target=SimpleNamespace(spans_processes=False),
    )
    rounds = FactorizedRounds(
        SimpleNamespace(options=SimpleNamespace(algorithm=algorithm)),
        context,
        SimpleNamespace(mixture=SimpleNamespace(chains=(1, 2, 3, 4))),
    )
    limits = []
    reasons = [StopReason.CONVERGED] * 2 + [StopReason.MAX_SECONDS]
    planned = rounds.planned()
    for seconds, reason in zip((3.0, 9.0, 1.0), reasons, strict=True):
        limits.append(next(planned).stopping.max_seconds)
        now[0] += seconds
        rounds.add(SimpleNamespace(stop_reason=reason))
    assert limits == [10.0, 7.0, MIN_SECONDS]
    assert list(planned) == []  # the chain after the limit is left out


@pytest.mark.filterwarnings("ignore:isogmm. The fit reached max_iterations")  # one will do here
def test_every_chain_and_every_seed_has_its_own_random_numbers():
    target = make_target(lambda x: (-0.5 * (x**2).sum(axis=-1), -x), 3)
    found = []
    for seed in (0, 1, 0):
        options = {"random_seed": seed, "chains": 2, "draws": 2, "max_iterations": 1}
        idata = isogmm.fit_factorized(target, progressbar=False, **options)
        assert {"mixture", "deliver", "result"} <= json.loads(idata.attrs["stage_seconds"]).keys()
        found.append(
            np.concatenate(
                [get_group(idata, "fit")["means"].values, get_group(idata, "posterior")["x"]],
                axis=1,
            )
        )
    np.testing.assert_array_equal(found[0], found[2])
    for one, other in ((found[0], found[1]), (found[0], found[0][::-1])):
        assert not np.isclose(one, other).any()
