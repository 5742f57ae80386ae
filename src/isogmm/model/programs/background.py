"""Compilation of JAX programs in background threads."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from jax.stages import Compiled, Lowered


def compile_in_background(
    lowered: Lowered,
    name: str,
    *,
    after: Iterable[Future[Compiled]] = (),
    options: Mapping[str, int] | None = None,
) -> Future[Compiled]:
    """Compile a lowered program in its own thread.

    Compilation releases the interpreter lock, so two programs are compiled on two cores.

    Parameters
    ----------
    lowered
        The program.
    name
        Name of the program, for the name of the thread.
    after
        Compilations that must end before this one begins.
    options
        Options of the compiler.
    """
    others = list(after)

    def compiled() -> Compiled:
        wait(others)
        return lowered.compile(compiler_options=options)

    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"isogmm-{name}")
    future = executor.submit(compiled)
    executor.shutdown(wait=False)
    return future
