"""Decisions of process 0, where one process stands for all."""

from types import SimpleNamespace

import pytest

from isogmm.model.processes import agreed_seconds, agreed_seed


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1, 2**31, 2**32 + 1, 2**63 - 1])
@pytest.mark.parametrize("spans_processes", [False, True])
def test_every_seed_that_a_fit_accepts_is_broadcast_unchanged(seed, spans_processes):
    assert agreed_seed(SimpleNamespace(spans_processes=spans_processes), seed) == seed


@pytest.mark.usefixtures("unchecked")
def test_seconds_are_broadcast_in_single_precision():
    target = SimpleNamespace(spans_processes=True)
    assert agreed_seconds(target, 12.345) == pytest.approx(12.345, rel=2**-23)
