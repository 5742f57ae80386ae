"""Checkpoints: resumption after the process was killed, and checkpoints of other models."""

import signal
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import isogmm
from helpers.families import isotropic
from helpers.targets import correlated_gaussian
from isogmm import inference_data as idt
from isogmm.errors import ModelError
from isogmm.mixtures.affine_map import identity_map
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.recipe.resuming.resume import Checkpoint, resume_start
from isogmm.results.arviz.versions import from_groups

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

QUICK = {"random_seed": 0, "progressbar": False}

KILLED = """
    import os, signal, sys
    import numpy as np
    import isogmm

    def value_and_grad(x):
        return -0.5 * float(x @ x), -x

    calls = []

    def callback(check):
        calls.append(check.iteration)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=value_and_grad)
    isogmm.fit_isogmm(model, random_seed=0, num_components=8, progressbar=False,
                      callback=callback, checkpoint=sys.argv[1])
"""


@pytest.mark.long  # a process; fast: the tests of checkpoints
def test_a_killed_fit_goes_on(tmp_path):
    path = tmp_path / "fit.npz"
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert sorted(tmp_path.iterdir()) == [path]
    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=lambda x: (-0.5 * float(x @ x), -x))
    stored = Checkpoint(path, model.to_target(), isotropic(), 0).start().mixture
    assert stored.means.shape[0] == 4
    # A step too small to move anything: the fit begins where the other one was killed.
    still = isogmm.updates.BuresWasserstein(step_size=1e-13)
    options = {"method": still, "max_iterations": 1, "refine": 0, "draws": 50}
    resumed = isogmm.fit_isogmm(model, **QUICK, **options, checkpoint=path)
    # A step and a number of iterations of the user's own are a plan: nothing to warn of.
    assert resumed.attrs["stop_reason"] == "max_iterations"
    assert "located_from" not in resumed.attrs
    mixture = isogmm.Mixture.from_idata(resumed)
    np.testing.assert_allclose(mixture.means, stored.means, atol=1e-9)
    finished = isogmm.fit_isogmm(model, **QUICK, checkpoint=path, draws=500)
    assert finished.attrs["converged"] == 1
    draws = idt.get_group(finished, "posterior")["x"].values.reshape(-1, 2)
    assert np.all(np.abs(draws.mean(axis=0)) < 5 / np.sqrt(len(draws)) + 0.02)


def test_the_checkpoint_of_another_model_is_refused(tmp_path):
    path = tmp_path / "fit.npz"
    isogmm.fit_isogmm(correlated_gaussian(2).target(), **QUICK, draws=50, checkpoint=path)
    with pytest.raises(ModelError, match="belongs to another model"):
        isogmm.fit_isogmm(correlated_gaussian(3).target(), **QUICK, checkpoint=path)


def mixture_of(dim):
    return IsotropicMixture(
        np.zeros((1, 3, dim)), np.ones((1, 3)), np.full((1, 3), -np.log(3.0)), identity_map(dim)
    )


@pytest.mark.parametrize("centers", [None, np.array([[0.0, 1.0], [5.0, 2.0]])])
def test_a_checkpoint_has_the_modes_and_refuses_other_variables(centers, tmp_path):
    target = correlated_gaussian(2).target()
    path, family = tmp_path / "fit.npz", isotropic()
    checkpoint = Checkpoint(path, target, family, 0)
    assert checkpoint.start() is None
    checkpoint.write(mixture_of(2), centers, 10)
    np.testing.assert_equal(checkpoint.start().centers, centers)
    target.variables = {"other": (2,)}
    with pytest.raises(ModelError, match="belongs to another model"):
        Checkpoint(path, target, family, 0).start()


@pytest.mark.parametrize("known", [[True, True], [True, False], [False, False]])
def test_the_modes_of_a_result_are_known(known):
    """Modes without draws have no mean."""
    centers = np.array([[0.0, 1.0], [5.0, 2.0]])
    centers[np.logical_not(known)] = np.nan
    fit = xr.Dataset({"mode_mean": (("mode", "coordinate"), centers)})
    family = SimpleNamespace(read=lambda idata, target: "mixture")
    found = resume_start(from_groups({"fit": fit}), None, family)
    assert found.mixture == "mixture"
    assert found.has_several_modes == all(known)
    np.testing.assert_equal(found.centers, centers[known] if any(known) else None)
    assert (
        resume_start(from_groups({"fit": fit.rename(mode_mean="means")}), None, family).centers
        is None
    )


@pytest.mark.long
def test_a_checkpoint_is_read_before_resume(tmp_path):
    """A checkpoint was written by the fit that continued the result, so it is newer."""
    path, target = tmp_path / "fit.npz", correlated_gaussian(2).target()
    earlier = isogmm.fit_isogmm(target, **QUICK, draws=50, num_components=4)
    later = isogmm.fit_isogmm(target, **QUICK, draws=50, num_components=6, checkpoint=path)
    continued = isogmm.fit_isogmm(target, **QUICK, draws=50, resume=earlier, checkpoint=path)
    sizes = [isogmm.Mixture.from_idata(idata).num_components for idata in (later, continued)]
    assert sizes == [6, 6]
