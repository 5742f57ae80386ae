"""JAX's persistent compilation cache."""

import os
from pathlib import Path

import jax

#: Subfolder of the user's cache folder.
SUBFOLDER = ("isogmm", "jax")


def enable_compilation_cache(folder: str | os.PathLike[str] | None = None) -> str:
    """Store compiled programs on disk, for this process and for later ones.

    A later process that fits the same model to data of the same shapes reads the programs instead
    of compiling them.  The setting applies to all JAX programs of the process.  isogmm changes
    it only in the workers of :func:`isogmm.fit_many`.

    Parameters
    ----------
    folder
        Where the programs are stored.  By default the folder that JAX already has, else
        ``isogmm/jax`` in the user's cache folder (``XDG_CACHE_HOME``, or ``~/.cache``).  Programs
        depend on the type of the processor: use one folder for each type of machine.

    Returns
    -------
    str
        The folder.

    Examples
    --------
    At the top of a script::

        isogmm.enable_compilation_cache()
    """
    chosen = cache_folder() if folder is None else os.fspath(folder)
    Path(chosen).mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", chosen)
    # Most programs of a small model compile in less than the second that JAX asks for.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    _forget_that_there_was_no_cache()
    return chosen


def cache_folder() -> str:
    """The folder that JAX has, else that of isogmm in the user's cache folder."""
    known = jax.config.jax_compilation_cache_dir
    if known:
        return str(known)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return str(Path(base).joinpath(*SUBFOLDER))


def _forget_that_there_was_no_cache() -> None:
    """Let JAX look for its cache again, which it does only once in a process."""
    from jax.experimental.compilation_cache import compilation_cache

    compilation_cache.reset_cache()
