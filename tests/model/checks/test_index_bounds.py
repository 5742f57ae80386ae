"""Indices beyond the end of an array, which JAX replaces by the nearest entry without an error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.errors import FitWarning, ModelError
from isogmm.model.checks.index_bounds import Beyond, indices_beyond

LABELS = np.array([1, 2, 1])


def found(function, *data):
    """What is found in the gradient of a function of two numbers and the data."""
    program = jax.jit(jax.value_and_grad(lambda x, *data: jnp.sum(function(x, *data))))
    traced = program.trace(jnp.zeros(2), *data)
    return indices_beyond(traced.jaxpr, [None, *jax.tree.leaves(data)])


BEYOND = {
    "array": lambda x, i: x[i],
    "constant": lambda x, i: x[LABELS],
    "computed": lambda x, i: x[2 - i + 1],
    "one index": lambda x, i: x[i[1]],
    "Python number": lambda x, i: x[2],
    "negative": lambda x, i: x[-i - 1],
    "second axis": lambda x, i: jnp.outer(jnp.ones(3), x)[i, i],
    "index of an index": lambda x, i: x[jnp.array([0, 1, 2])[i]],
    "inside a function": lambda x, i: jax.checkpoint(lambda y: y[i])(x),
    "whole numbers as floats": lambda x, i: x[jnp.asarray(i, float).astype(int)],
}


@pytest.mark.parametrize("case", BEYOND)
def test_an_index_beyond_the_end_is_found(case):
    (beyond,) = found(BEYOND[case], LABELS)
    assert beyond.size == 2
    assert beyond.num_outside < beyond.total or beyond.total == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: x[i - 1],
        lambda x, i: x[-i],
        lambda x, i: x[i % 2],
        lambda x, i: x[jnp.where(i > 1, 1, 0)],
        lambda x, i: jnp.take(x, i, mode="clip"),  # the user chose the nearest entry
        lambda x, i: x[jnp.asarray(x[:1] * 9).astype(int)],  # not known before the program runs
        lambda x, i: x[1:] * i[0].astype(x.dtype),
    ],
)
def test_other_indices_are_accepted(function):
    assert found(function, LABELS) == []


def test_the_message_has_the_index_of_the_user():
    assert "1 of 3 indices of an array of 2 entries" in str(Beyond(2, 1, 2, 1, 3, frozenset()))
    assert str(Beyond(2, -1, 1, 1, 3, frozenset())).endswith("for example -3")
    assert Beyond(3, 1, 3, 2, 6, frozenset()).begins_at_one
    assert not Beyond(3, 0, 3, 2, 6, frozenset()).begins_at_one


def density(labels):
    def fn(x, data):
        return -0.5 * jnp.sum((x["level"][data["group"]] - data["y"]) ** 2)

    example, data = {"level": np.zeros(3)}, {"group": np.array(labels), "y": np.ones(6)}
    return isogmm.LogDensity(fn, example, data=data)


def test_labels_that_begin_at_one_are_an_error():
    with pytest.raises(ModelError, match=r"2 of 6 .* of 3 entries.*example 3 .*data\['group'\]"):
        density([1, 1, 2, 2, 3, 3]).to_target()


def test_years_as_indices_are_an_error():
    with pytest.raises(ModelError, match=r"6 of 6 .* of 3 entries.*example 2021 .*data\['group'\]"):
        density([2019, 2020, 2021, 2019, 2020, 2021]).to_target()


def test_padded_data_are_a_warning_and_a_note_of_the_report():
    with pytest.warns(FitWarning, match=r"3 of 6 indices .*from .*mode='clip'"):
        target = density([0, 1, 2, 3, 3, 3]).to_target()
    assert any("3 of 6 indices" in note for note in target.notes)
    assert density([0, 1, 2, 0, 1, 2]).to_target().notes == ()


@pytest.mark.parametrize("labels", [[-1, 0, 1, 2, 0, -1], np.array([-1, 0, 1, 2, 0, -1], np.int8)])
def test_codes_of_missing_labels_are_a_warning(labels):
    """pandas.factorize and Series.cat.codes give -1 for a missing label."""
    message = r"2 of 6 indices of an array of 3 entries are -1 .*data\['group'\].*drop these rows"
    with pytest.warns(FitWarning, match=message):
        target = density(labels).to_target()
    assert any("are -1" in note for note in target.notes)


@pytest.mark.parametrize("labels", [[-1] * 6, [-1, -2, 0, 1, 2, 0]])
def test_negative_indices_on_purpose(labels):
    assert density(labels).to_target().notes == ()
