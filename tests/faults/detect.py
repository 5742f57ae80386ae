"""Introduce the faults of ``faults.py`` one at a time, and print those that no test detects.

    python tests/faults/detect.py            all faults, more than an hour
    python tests/faults/detect.py hmc        faults whose file or name contains a word

The script works on a copy of the sources.  A fault is detected if a test of its list fails.  The
exit status is the number of faults that were not detected.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fault import Fault

from faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("src", "adapters")


def is_detected(fault: Fault, copy: Path) -> bool:
    """Whether a test fails with the fault in the copy of the sources."""
    path = copy / fault.file
    original = path.read_text()
    path.write_text(fault.applied_to(original))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(copy / s) for s in SOURCES)}
    arguments = ["-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", *fault.tests]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(original)
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest could not run the tests of {fault.name!r}:\n{done.stdout}")
    return done.returncode == 1


def main() -> int:
    """Try the faults that match the arguments."""
    words = sys.argv[1:]
    chosen = [f for f in FAULTS if not words or any(w in f.file + f.name for w in words)]
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for source in SOURCES:
            shutil.copytree(ROOT / source, Path(folder) / source)
        for fault in chosen:
            begin = time.perf_counter()
            detected = is_detected(fault, Path(folder))
            word = "detected" if detected else "NOT DETECTED"
            print(f"{word:13} {time.perf_counter() - begin:5.1f} s  {fault.name}", flush=True)
            missed += [] if detected else [fault]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} faults detected")
    for fault in missed:
        print(f"not detected: {fault.name} ({fault.file})")
    return len(missed)


if __name__ == "__main__":
    sys.exit(main())
