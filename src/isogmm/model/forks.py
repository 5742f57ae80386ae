"""Refuse to fit in a process that was forked after a fit, where JAX would wait forever."""

import os

from isogmm.errors import IsogmmError

#: The process that fitted first; a forked process has a copy of this list.
_fitting_process: list[int] = []


def check_not_forked() -> None:
    """Raise an error in a process that was forked from one that has fitted a model.

    The threads of JAX do not exist in a forked process, and the first evaluation would wait for
    them forever.

    Raises
    ------
    IsogmmError
        In such a process.
    """
    if not _fitting_process:
        _fitting_process.append(os.getpid())
    if _fitting_process[0] != os.getpid():
        raise IsogmmError(
            "this process was forked after a fit, and JAX cannot compute in it: spawn the "
            "processes, for example by ProcessPoolExecutor(4, "
            "mp_context=multiprocessing.get_context('spawn')), or call "
            "isogmm.fit_many(..., executor=4)"
        )
