"""Evaluation of rows by several devices of JAX, which have copies of all data."""

import functools
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.model.programs.background import compile_in_background
from isogmm.model.programs.chunks import in_chunks
from isogmm.model.programs.sharding import sharding_of
from isogmm.model.programs.tracing import TRACING
from isogmm.model.target import BatchEvaluation, Target


class DeviceRows:
    """Evaluates rows on several devices; each call divides its rows equally among them.

    Parameters
    ----------
    target
        A target that JAX can trace.
    devices
        The devices.

    Raises
    ------
    OptionError
        If the data are on several devices already.
    """

    def __init__(self, target: Target, devices: tuple[jax.Device, ...]) -> None:
        assert target.log_density is not None
        self._precision = target.precision
        self._size = target.batch_size * len(devices)
        self._dtype = np.float32 if target.single_precision else np.float64
        mesh = Mesh(np.array(devices), ("points",))
        divided, everywhere = (
            NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("points",), ())
        )
        points = jax.ShapeDtypeStruct((self._size, target.dim), self._dtype, sharding=divided)
        with TRACING, self._precision():
            traced = jax.make_jaxpr(jax.vmap(jax.value_and_grad(target.log_density)))(points)
            if any(sharding_of(constant) is not None for constant in traced.consts):
                raise OptionError(
                    "the data are on several devices, which the fit uses already: leave devices out"
                )
            # The data are an input: as constants of the program they would make it slow to compile.
            self._data = jax.device_put(traced.consts, everywhere)
            program = functools.partial(jax.core.eval_jaxpr, traced.jaxpr)
            lowered = jax.jit(program, out_shardings=divided).lower(self._data, points)
        self._program: Future[Compiled] = compile_in_background(lowered, "devices")

    def __call__(self, positions: Float[np.ndarray, "n d"]) -> BatchEvaluation:
        """Log densities and gradients."""
        if not len(positions):
            return np.empty(0), np.empty(positions.shape)
        points = np.asarray(positions, dtype=self._dtype)
        return tuple(in_chunks(self._evaluate, points, 0, self._size))

    def _evaluate(self, points: np.ndarray, _: np.uint32) -> list[jax.Array]:
        with self._precision():
            return self._program.result()(self._data, points)


def checked_devices(devices: object) -> tuple[jax.Device, ...]:
    """The devices; none for None.

    Raises
    ------
    OptionError
        If they are not different devices of this process.
    """
    if devices is None:
        return ()
    found = tuple(devices) if isinstance(devices, Iterable) else (devices,)
    is_list = isinstance(devices, Iterable) and not isinstance(devices, str)
    if not found or not is_list or not all(isinstance(each, jax.Device) for each in found):
        raise OptionError(
            f"devices must be a list of JAX devices, such as jax.devices(), not {devices!r}"
        )
    if len(set(found)) < len(found):
        raise OptionError(f"devices has a device more than once: {devices!r}")
    if others := [each for each in found if each.process_index != jax.process_index()]:
        raise OptionError(f"{others[0]} belongs to another process: pass jax.local_devices()")
    return found


def divided_among(devices: tuple[jax.Device, ...], target: Target) -> Target:
    """The target, evaluated by several devices; the target itself if there are none.

    Raises
    ------
    OptionError
        If JAX cannot trace the log density, or the data are on several devices already.
    """
    if not devices:
        return target
    if target.log_density is None:
        raise OptionError(
            "devices= needs a log density that JAX can trace, and that of this model is no JAX "
            "function. Leave devices out, or use executor= for several processes."
        )
    return replace(target, evaluate_rows=DeviceRows(target, devices))
