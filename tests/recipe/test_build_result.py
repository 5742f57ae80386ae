"""The draws of a fit are returned even if a part of its result cannot be built."""

import numpy as np
import pytest

import isogmm
from isogmm import inference_data as idt
from isogmm.errors import FitWarning
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.recipe import build_result as module
from isogmm.recipe.build_result import build_result
from isogmm.results.building import constrained
from isogmm.results.building.fit_result import FitResult

CHAINS, DRAWS = 2, 20
POSITIONS = np.random.default_rng(0).normal(size=(CHAINS, DRAWS, 3))


def transform(positions, seed):
    scale = np.exp(positions)
    return {
        "posterior": {"scale": scale},
        "log_likelihood": {"y": np.repeat(scale.sum(axis=1, keepdims=True), 4, axis=1)},
        "log_prior": {"scale": -scale},
    }


def no_program(positions):
    raise AssertionError("building a result evaluates no density")


def target(**changes):
    fields = {
        "variables": {"scale": (3,)},
        "evaluate_point": no_program,
        "evaluate_batch": no_program,
        "constrain": transform,
        "initial_positions": lambda generator, n: generator.normal(size=(n, 3)),
        "dims": {"scale": ["place"]},
        "coords": {"place": list("abc")},
        "observed_data": {"y": np.zeros(4)},
    }
    return Target(**{**fields, **changes})


def result_of(model, mixture=IsotropicMixture):
    return FitResult(
        target=model,
        mixture=mixture(np.zeros((2, 1, 3)), np.ones((2, 1)), np.zeros((2, 1))),
        positions=POSITIONS,
        log_density=np.zeros((CHAINS, DRAWS)),
        log_q=np.zeros((CHAINS, DRAWS)),
        attributes={"random_seed": 1},
    )


def build(model, **idata_kwargs):
    return build_result(result_of(model), idata_kwargs)


def check_draws(idata):
    """The draws on the scale of the model, the mixture and the unconstrained draws are there."""
    np.testing.assert_allclose(idt.get_group(idata, "posterior")["scale"], np.exp(POSITIONS))
    np.testing.assert_array_equal(idt.positions_from(idata), POSITIONS)
    assert "fit" in idt.group_names(idata)


def test_a_complete_result_gives_no_warning():
    idata = build(target())
    check_draws(idata)
    assert {"log_likelihood", "log_prior", "observed_data"} <= set(idt.group_names(idata))


def test_labels_that_do_not_fit_are_left_out():
    with pytest.warns(FitWarning, match=r"without dims and coords, .*'scale' has 3 .* 2 labels"):
        idata = build(target(coords={"place": ["a", "b"]}))
    check_draws(idata)
    assert "log_likelihood" in idt.group_names(idata)


def test_labels_by_option_that_do_not_fit_are_left_out():
    with pytest.warns(FitWarning, match="without dims and coords"):
        check_draws(build(target(), coords={"place": ["a", "b"]}))


def test_a_log_likelihood_that_needs_too_much_memory_is_left_out(monkeypatch):
    monkeypatch.setattr(constrained, "MAX_DRAWS_PER_CALL", 5)

    def limited(positions, seed):
        groups = transform(positions, seed)
        if len(positions) > 5:
            raise MemoryError("cannot allocate the log likelihood")
        return groups

    with pytest.warns(FitWarning, match="without log_likelihood and log_prior.* cannot allocate"):
        check_draws(build(target(constrain=limited)))


def test_changes_of_the_language_that_fail_are_left_out():
    def finish(idata):
        raise RuntimeError("the language fails")

    with pytest.warns(FitWarning, match="last changes by the modeling language.*language fails"):
        check_draws(build(target(finish=finish)))


def test_a_model_that_cannot_be_evaluated_gives_its_unconstrained_draws():
    def broken(positions, seed):
        raise ValueError("the deterministic fails\nin a long traceback")

    with pytest.warns(FitWarning, match="only the unconstrained draws.*deterministic fails$"):
        idata = build(target(constrain=broken))
    np.testing.assert_array_equal(idt.get_group(idata, "posterior")["scale"], POSITIONS)
    np.testing.assert_array_equal(idt.positions_from(idata), POSITIONS)
    assert "fit" in idt.group_names(idata)


def test_an_interruption_while_the_result_is_built_leaves_the_draws():
    calls = []

    def interrupted(positions, seed):
        calls.append(len(positions))
        if len(calls) == 1:
            raise KeyboardInterrupt
        return transform(positions, seed)

    with pytest.warns(FitWarning, match="without dims and coords, because .* interrupted"):
        check_draws(build(target(constrain=interrupted)))


class Broken(IsotropicMixture):
    def tables(self):
        raise RuntimeError("no tables")


def test_a_mixture_that_cannot_be_stored_leaves_the_draws():
    result = result_of(target(), Broken)
    result.attributes |= {"verdict": "good", "advice": "", "odd": object()}
    with pytest.warns(FitWarning, match=r"only the unconstrained draws, .*RuntimeError: no tables"):
        idata = build_result(result, None)
    np.testing.assert_array_equal(idt.get_group(idata, "posterior")["scale"], POSITIONS)
    assert idt.get_group(idata, "sample_stats")["lp"].shape == (CHAINS, DRAWS)
    # Draws on another scale than that of the model have no trusted verdict.
    assert idt.attributes(idata)["verdict"] == "unreliable"
    assert "unconstrained coordinates" in idata.attrs["advice"]
    assert idata.attrs["random_seed"] == 1


def test_a_result_that_cannot_be_built_leaves_the_draws(monkeypatch):
    def fails(*arguments, **options):
        raise OSError("the converter fails")

    monkeypatch.setattr(module, "to_inference_data", fails)
    with pytest.warns(FitWarning, match=r"only the unconstrained draws, .*OSError"):
        idata = build(target())
    np.testing.assert_array_equal(idt.get_group(idata, "posterior")["scale"], POSITIONS)
    assert idt.get_group(idata, "fit")["means"].shape == (2, 1, 3)


def test_where_no_object_can_be_made_the_first_error_is_raised(monkeypatch):
    def fails(*arguments, **options):
        raise OSError("no object")

    monkeypatch.setattr(module, "minimal_result", fails)
    with pytest.raises(RuntimeError, match="no tables"):
        build_result(result_of(target(), Broken), None)


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
def test_a_fit_returns_its_draws():
    model = isogmm.LogDensity(
        lambda x: -0.5 * (x["scale"] ** 2).sum(), {"scale": np.zeros(3)}
    ).to_target()
    calls = []

    def fails_later(positions, seed):
        calls.append(len(positions))
        raise ValueError("the deterministic fails")

    model.constrain = fails_later
    with pytest.warns(FitWarning, match="the deterministic fails"):
        idata = isogmm.fit_isogmm(
            model, random_seed=0, draws=50, chains=2, refine=0, progressbar=False
        )
    assert calls
    assert idt.get_group(idata, "posterior")["scale"].shape == (2, 50, 3)
    assert isogmm.report(idata).verdict == "unreliable"
