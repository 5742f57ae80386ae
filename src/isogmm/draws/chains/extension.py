"""Length of a recording, by the errors of tails and standard deviations."""

import numpy as np

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
#: this.  Results with errors of 0.08 to 0.21 had 0.038 to 0.057.
MAX_LOG_SD_ERROR = 0.035


def extend_until_accurate(recording: Recording, length: int, min_length: int) -> None:
    """Record transitions, and further ones until tails and sds are accurate.

    Parameters
    ----------
    recording
        An empty recording.
    length
        Planned number of transitions.
    min_length
        As for :meth:`isogmm.draws.chains.recording.Recording.extend`.
    """
    recording.extend(length, min_length=min_length)
    extension = max(length // EXTENSIONS_PER_LENGTH, 1)
    while (
        len(recording) < MAX_RECORDING_FACTOR * length
        and recording.has_room(extension)
        and not _is_accurate(recording)
    ):
        recording.extend(extension)


def _is_accurate(recording: Recording) -> bool:
    """Whether the standard errors of the tails and of the log sds are small."""
    if log_sd_error(recording.draws, recording.sampler.groups).max() > MAX_LOG_SD_ERROR:
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
