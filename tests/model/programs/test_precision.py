"""The context for the precision of JAX, in old and new versions."""

import contextlib

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.model.programs.precision import in_precision

pytestmark = pytest.mark.float32


def dtype():
    return jnp.zeros(1).dtype


def test_the_global_switch_is_unchanged_afterwards():
    before = dtype()
    for x64, expected in ((True, np.float64), (False, np.float32), (None, before)):
        with in_precision(x64):
            assert dtype() == expected
        assert dtype() == before


def test_the_experimental_context_is_used_before_jax_0_8(monkeypatch):
    asked = []

    def enable_x64(value):
        asked.append(value)
        return contextlib.nullcontext()

    monkeypatch.delattr(jax, "enable_x64", raising=False)
    monkeypatch.setattr(jax.experimental, "enable_x64", enable_x64, raising=False)
    with in_precision(True):
        pass
    model = isogmm.LogDensity(lambda x: -(x**2).sum(), np.zeros(2), x64=False)
    model.to_target().evaluate(np.zeros(2))
    assert asked[0]
    assert len(asked) > 1
    assert not any(asked[1:])
