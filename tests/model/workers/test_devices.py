"""Evaluation of rows by several devices; test_sharding.py has a process with two."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.errors import OptionError
from isogmm.model.to_target import to_target
from isogmm.model.workers.devices import checked_devices, divided_among

DATA = np.random.default_rng(0).normal(size=(7, 3))


def density(x, data):
    return -0.5 * jnp.sum((data - x[None]) ** 2)


def target_of(data):
    return to_target(isogmm.LogDensity(density, np.zeros(3), data=data, batch_size=4), (), {}, 0)


@pytest.mark.stack
@pytest.mark.parametrize("num_rows", [0, 1, 4, 11])
def test_rows_are_those_of_the_target(num_rows):
    target = target_of(DATA)
    divided = divided_among(tuple(jax.devices()), target)
    points = np.random.default_rng(1).normal(size=(num_rows, 3))
    for one, several in zip(target.evaluate(points), divided.evaluate(points), strict=True):
        np.testing.assert_array_equal(one, several)


def test_no_devices_leave_the_target_unchanged():
    target = target_of(DATA)
    assert divided_among(checked_devices(None), target) is target


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ([], "must be a list of JAX devices"),
        ("cpu", "must be a list of JAX devices"),
        (2, "must be a list of JAX devices"),
        (jax.devices()[0], "must be a list of JAX devices"),
        (jax.devices() * 2, "more than once"),
    ],
)
def test_other_values_are_errors(devices, message):
    with pytest.raises(OptionError, match=message):
        checked_devices(devices)


def test_devices_of_other_processes_are_errors(monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with pytest.raises(OptionError, match=r"jax\.local_devices\(\)"):
        checked_devices(jax.devices())


def test_a_function_that_jax_cannot_trace_is_an_error():
    model = isogmm.LogDensity(lambda x: -0.5 * float(np.sum(x**2)), np.zeros(2), gradient=False)
    with pytest.raises(OptionError, match="no JAX function"):
        isogmm.fit_isogmm(model, devices=jax.devices(), progressbar=False)


def test_executor_and_devices_exclude_each_other():
    model = isogmm.LogDensity(density, np.zeros(3), data=DATA)
    with ThreadPoolExecutor(1) as executor, pytest.raises(OptionError, match="one of them"):
        isogmm.fit_isogmm(model, executor=executor, devices=jax.devices())
