"""Environment variables of the suite and of the processes that tests start."""

import importlib.metadata
import os
from pathlib import Path


def install() -> None:
    """Set the variables that the caller has not set, before JAX and PyTensor are imported."""
    # No C compiler for PyTensor, which costs up to 40 s where it is cold, and no numba, which costs
    # seconds per graph.  The lines of code that PyTensor keeps for each variable took 7 % of the
    # processor time of PyMC models.
    os.environ.setdefault("PYTENSOR_FLAGS", "cxx=,linker=py,traceback__limit=0")
    # One thread for the linear algebra of NumPy and SciPy, as in fits.  Tests that call the search
    # without a fit took a fifth of the processor time that they took with two threads.  Workers of
    # pytest inherit the value; a single process has already loaded NumPy, but not SciPy.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Pictures are drawn to files, never to a screen.
    os.environ.setdefault("MPLBACKEND", "agg")
    # Compiled programs are stored for all processes and later sessions.  Reading them takes a tenth
    # of the time of compiling them: a second session took 0.75 of the processor time.
    os.environ.setdefault(
        "JAX_COMPILATION_CACHE_DIR",
        str(Path(__file__).resolve().parents[2] / ".pytest_cache" / "jax"),
    )
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    # Most programs of the suite run for less time than XLA needs to optimize them.  Without
    # optimization the compilation of four files took 0.75 of the processor time.  This is the value
    # for processes that tests start; see ``pytest_runtest_protocol`` for the session itself.
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    # The older generator of fused loops compiles faster: without the imports, tests of NumPyro
    # models took 0.7 of the processor time.  A program that XLA does not divide among threads took
    # 0.9 of the time of a divided one.  An option that a version of jaxlib does not know ends the
    # process.
    if importlib.metadata.version("jaxlib").startswith("0.10."):
        os.environ.setdefault(
            "XLA_FLAGS",
            "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
        )
    elif importlib.metadata.version("jaxlib").startswith("0.12."):
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_parallel_codegen_split_count=1")
    # 64-bit unless the caller asks for something else, as the float32 job does.
    os.environ.setdefault("JAX_ENABLE_X64", "1")
