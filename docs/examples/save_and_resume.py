"""Save a fit, read it where neither model nor data are, continue it, survive a kill.

    python docs/examples/save_and_resume.py [numpyro|pymc]

Files go to the folder ``demo_output``.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")

import numpy as np
from demo_models import PROBLEMS

import isogmm
from isogmm.inference_data import attributes, load, save

#: Run in a fresh process that knows neither the model nor the data.
READER = """
import sys
import numpy as np
import isogmm
from isogmm.inference_data import load
mixture = isogmm.Mixture.from_idata(load(sys.argv[1])).pooled()
draws, _ = mixture.sample(np.random.default_rng(0), 1000)
print(float(mixture.log_prob(draws).mean()))
"""


def fit(language, **options):
    """Eight schools."""
    model, *args = PROBLEMS["eight_schools"].models[language]()
    return isogmm.fit_isogmm(model, *args, random_seed=1, progressbar=False, refine=0, **options)


def killed_fit(language, path):
    """A fit that is killed after its second window, with a checkpoint at the path."""
    begin = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "from save_and_resume import fit\n"
        "count = 0\n"
        "def kill(check):\n"
        "    global count; count += 1\n"
        "    if count == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "fit(sys.argv[2], checkpoint=sys.argv[3], callback=kill)\n"
    )
    folder = str(Path(__file__).resolve().parent)
    done = subprocess.run([sys.executable, "-c", begin, folder, language, str(path)], check=False)
    return done.returncode == -signal.SIGKILL


def main(language="numpyro", folder=Path("demo_output")):
    """ELBOs and their errors, by what was done."""
    folder.mkdir(exist_ok=True)
    idata = fit(language)
    found = {"fit": idata}
    file = folder / f"schools-{language}.nc"
    save(idata, file)
    # ArviZ 0.x takes no zarr 3; its results turn into the trees of xarray that ArviZ 1.x has.
    tree = idata.to_datatree() if hasattr(idata, "to_datatree") else idata
    tree.to_zarr(str(folder / f"schools-{language}.zarr"), mode="w")
    read = subprocess.run(
        [sys.executable, "-c", READER, str(file)], capture_output=True, text=True, check=True
    )
    print(f"mean log density of the saved mixture at its draws: {float(read.stdout):.2f}")
    found["resumed"] = fit(language, resume=load(file))

    checkpoint = folder / f"schools-{language}.npz"
    checkpoint.unlink(missing_ok=True)
    assert killed_fit(language, checkpoint)
    print(f"killed; checkpoint after iteration {int(np.load(checkpoint)['iteration'])}")
    found["continued after the kill"] = fit(language, checkpoint=checkpoint)
    elbos = {}
    for name, result in found.items():
        attrs = attributes(result)
        elbos[name] = float(attrs["elbo"]), float(attrs["elbo_se"])
        print(f"{name:26} ELBO {attrs['elbo']:.3f} ± {attrs['elbo_se']:.3f}")
    return elbos


if __name__ == "__main__":
    main(*sys.argv[1:2])
