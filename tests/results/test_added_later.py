"""The log likelihood and LOO that are computed after a fit belong to its draws."""

import numpy as np
import pytest

import isogmm
from isogmm import inference_data as idt
from isogmm.errors import OptionError
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.results import loo as module
from isogmm.results.building.fit_result import FitResult

SHAPE = (2, 200)
#: Labels and dimensions that only the options have.
LABELLED = {"coords": {"row": [10, 20, 30]}, "dims": {"y": ["row"]}}


def transform(positions, seed):
    """The log likelihood depends on random labels, which the model draws itself."""
    labels = np.random.default_rng(seed).integers(2, size=len(positions))
    rows = np.array([0.0, 1.0, 2.0]) - positions[:, :1] - labels[:, None]
    return {
        "posterior": {"a": positions[:, 0], "b": positions[:, 1], "label": labels},
        "log_likelihood": {"y": -0.5 * rows**2},
    }


def target(names=("a", "b")):
    def no_program(positions):
        raise AssertionError("no density is needed")

    return Target(
        variables=dict.fromkeys(names, ()),
        evaluate_point=no_program,
        evaluate_batch=no_program,
        constrain=transform,
        initial_positions=lambda generator, n: generator.normal(size=(n, 2)),
        observed_data={"y": np.array([0.0, 1.0, 2.0])},
    )


def result(**options):
    # Neighbors are similar, so that the draws are not independent.
    steps = np.random.default_rng(0).normal(size=(*SHAPE, 2))
    slow = 0.2 * np.cumsum(steps, axis=1)
    zeros = np.zeros(SHAPE)
    fit = FitResult(
        target=target(),
        mixture=IsotropicMixture(np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 1))),
        positions=slow,
        log_density=zeros,
        log_q=zeros,
        attributes={"random_seed": 5},
    )
    return idt.to_inference_data(fit, idata_kwargs=options)


def test_the_log_likelihood_is_that_of_the_fit_with_its_labels():
    expected = idt.get_group(result(**LABELLED), "log_likelihood")["y"]
    idata = result(log_likelihood=False, **LABELLED)
    assert "log_likelihood" not in idt.group_names(idata)
    found = idt.get_group(isogmm.log_likelihood(idata, target()), "log_likelihood")["y"]
    np.testing.assert_array_equal(found, expected)
    assert found.dims == expected.dims == ("chain", "draw", "row")
    assert found["row"].values.tolist() == [10, 20, 30]


def test_another_order_of_the_coordinates_is_refused():
    with pytest.raises(OptionError, match="belongs to another model"):
        isogmm.log_likelihood(result(), target(("b", "a")))


@pytest.mark.filterwarnings("ignore::isogmm.errors.FitWarning")
def test_loo_has_the_rows_of_the_fit_and_the_efficiency_of_its_draws(monkeypatch):
    seen, original = [], module.loo_of_rows

    def watched(rows, reff):
        seen.append((rows, reff))
        return original(rows, reff)

    monkeypatch.setattr(module, "loo_of_rows", watched)
    idata = result(**LABELLED)
    found = isogmm.loo(idata, target(), max_bytes=2.0 * 8 * SHAPE[0] * SHAPE[1])
    rows = np.concatenate([rows for rows, _ in seen], axis=-1)
    np.testing.assert_array_equal(rows, idt.get_group(idata, "log_likelihood")["y"])
    assert [rows.shape[-1] for rows, _ in seen] == [2, 1]
    assert found.pareto_k["row"].values.tolist() == [10, 20, 30]
    posterior = idt.get_group(idata, "posterior")
    scalars = [posterior[name].values.astype(float) for name in ("a", "b", "label")]
    sizes = [idt.ess(scalar, method="mean") for scalar in scalars]
    for _, reff in seen:
        assert reff == pytest.approx(np.mean(sizes) / np.prod(SHAPE))
        assert reff < 0.5
