"""Introduce the faults of ``faults.py`` one at a time, and print those that no test detects.

    python tests/faults/detect.py             all faults
    python tests/faults/detect.py hmc         faults whose file or name contains a word
    python tests/faults/detect.py --jobs 2    two at the same time

The script works on copies of the sources.  A fault is detected if a test of its list fails.  The
exit status is the number of faults that were not detected.

The tests of a fault run in a fork of this process, which has imported the packages that the tests
need.
"""

import argparse
import importlib
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / "tests"))

from helpers import environment

environment.install()

import pytest
from fault import Fault

from faults import FAULTS

SOURCES = ("src", "adapters")
#: Packages that are imported once.  This library is not among them.
PACKAGES = ("numpyro", "arviz", "matplotlib.pyplot", "scipy.stats", "scipy.optimize", "pymc")
#: Seconds after which a fault counts as detected, because the tests do not end.
MAX_SECONDS = 600


def run_tests(fault: Fault, copy: Path) -> int:
    """Run the tests of a fault with a copy of the sources; the exit status of pytest."""
    folders = [str(copy / source) for source in SOURCES]
    sys.path[:0] = folders
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)  # for processes that tests start
    os.chdir(ROOT)
    with open(copy / "output.txt", "w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    signal.alarm(MAX_SECONDS)
    options = ["-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider"]
    # Plugins whose packages are already imported.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return pytest.main([*options, *fault.tests])


def start(fault: Fault, copy: Path) -> int:
    """Start the tests of a fault in a fork; its process number."""
    path = copy / fault.file
    path.write_text(fault.applied_to((ROOT / fault.file).read_text()))
    process = os.fork()
    if process == 0:
        status = 2
        try:
            status = int(run_tests(fault, copy))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return process


def finish(fault: Fault, copy: Path, status: int) -> bool:
    """Whether the fault was detected, by the exit status of its process."""
    shutil.copyfile(ROOT / fault.file, copy / fault.file)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1, -signal.SIGALRM):
        output = (copy / "output.txt").read_text()
        raise SystemExit(f"pytest could not run the tests of {fault.name!r}:\n{output}")
    return code != 0


def try_all(faults: list[Fault], copies: list[Path]) -> Iterator[tuple[Fault, bool, float]]:
    """Every fault, whether it was detected, and the seconds."""
    waiting, free, running = list(reversed(faults)), list(copies), {}
    while waiting or running:
        while waiting and free:
            fault, copy = waiting.pop(), free.pop()
            running[start(fault, copy)] = fault, copy, time.perf_counter()
        process, status = os.wait()
        fault, copy, begin = running.pop(process)
        free.append(copy)
        yield fault, finish(fault, copy, status), time.perf_counter() - begin


def main() -> int:
    """Try the faults that match the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    words = options.words
    chosen = [f for f in FAULTS if not words or any(w in f.file + f.name for w in words)]
    for name in PACKAGES:
        if importlib.util.find_spec(name.split(".")[0]) is not None:
            importlib.import_module(name)
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(number) for number in range(options.jobs)]
        for copy in copies:
            for source in SOURCES:
                shutil.copytree(ROOT / source, copy / source)
        for fault, detected, seconds in try_all(chosen, copies):
            word = "detected" if detected else "NOT DETECTED"
            print(f"{word:13} {seconds:5.1f} s  {fault.name}", flush=True)
            missed += [] if detected else [fault]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} faults detected")
    for fault in missed:
        print(f"not detected: {fault.name} ({fault.file})")
    return len(missed)


if __name__ == "__main__":
    sys.exit(main())
