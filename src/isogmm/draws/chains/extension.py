"""Length of a recording, by the errors of tails and standard deviations."""

import numpy as np
from jaxtyping import Float

from isogmm.draws.blocks import medians, sds
from isogmm.draws.chains.convergence import log_sd_error, tail_error
from isogmm.draws.chains.recording import Recording
from isogmm.draws.stein import stein_functions

#: A recording is extended until the standard error of the 5 % and 95 % quantiles is at most this,
#: in standard deviations; 4,000 independent draws have 0.034.
MAX_TAIL_ERROR_SD = 0.037
#: Largest length of a recording after extensions, as a multiple of its planned length.
MAX_RECORDING_FACTOR = 3.0
#: Extensions per planned length of a recording.
EXTENSIONS_PER_LENGTH = 4
#: A recording is extended until the standard error of every log standard deviation is at most
#: this.  Results with errors of 0.08 to 0.21 had 0.034 to 0.052.
MAX_LOG_SD_ERROR = 0.032
#: Distance of a neck from the median, in sds, from which on the tail of a coordinate leads into it.
MIN_NECK_DISTANCE_SD = 1.0


def extend_until_accurate(recording: Recording, length: int, min_length: int) -> None:
    """Record transitions, and further ones until tails and sds are accurate.

    Parameters
    ----------
    recording
        A recording, empty or with the transitions that are kept.
    length
        Planned number of transitions.
    min_length
        As for :meth:`isogmm.draws.chains.recording.Recording.extend`.
    """
    recording.extend(length - len(recording), min_length=min_length)
    extension = max(length // EXTENSIONS_PER_LENGTH, 1)
    while (
        len(recording) < MAX_RECORDING_FACTOR * length
        and recording.has_room(extension)
        and not _is_accurate(recording)
    ):
        recording.extend(extension)


def spread_error(recording: Recording) -> Float[np.ndarray, " d"]:
    """Standard error of the log sd of each coordinate.

    An estimate from m chains has a relative error of about 1/√(2 m), and the largest of d is
    larger by √(2 log d) times this.  All are divided by this factor, because the largest counts.

    In the tails that lead into a neck, chains stay long and arrive rarely, so that few of them
    determine the sd.  Distances are not limited there.  The errors are zero if there are several
    modes: chains that cross between them differ by the distances of the modes.
    """
    sampler, draws = recording.sampler, recording.draws
    if sampler.has_several_modes:
        return np.zeros(draws.shape[-1])
    error = log_sd_error(draws, sampler.groups)
    if sampler.neck:
        sd = sds(draws)
        neck = np.median(np.concatenate(sampler.neck), axis=0)
        distance = np.abs(neck - medians(draws)) / sd
        is_tail = distance > MIN_NECK_DISTANCE_SD
        if is_tail.any():
            error[is_tail] = log_sd_error(draws[:, :, is_tail], sampler.groups, np.inf)
    num_chains, _, dim = draws.shape
    return error / (1.0 + np.sqrt(np.log(dim) / num_chains))


def _is_accurate(recording: Recording) -> bool:
    """Whether the standard errors of the tails and of the log sds are small."""
    if spread_error(recording).max() > MAX_LOG_SD_ERROR:
        return False
    return _tail_error(recording) <= MAX_TAIL_ERROR_SD


def _tail_error(recording: Recording) -> float:
    """Standard error of the tails of the draws that will be chosen from the recording."""
    positions, _, points, gradients = recording.states()
    functions = None
    if points is not None and gradients is not None:
        equal = np.full(positions.shape[:2], 1.0 / (positions.shape[0] * positions.shape[1]))
        functions = stein_functions(points, gradients, equal)
    return tail_error(positions, recording.sampler.groups, functions)
