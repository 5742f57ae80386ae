"""The advice of each problem names at most one line of code, and this line can be copied."""

import ast
import inspect
from dataclasses import replace

import pytest

import isogmm
from docs.test_pages import BAD, GOOD
from isogmm.recipe.judgment.verdict import decide


def calls(advice: str) -> list[ast.Call]:
    """The calls of public functions in a sentence; text in other parentheses is no call."""
    found, start = [], advice.find("isogmm.")
    while start >= 0:
        # The shortest end at which the brackets close.
        for end in range(start, len(advice)):
            if (
                advice[end] == ")"
                and advice[start:end].count("(") == advice[start:end].count(")") + 1
            ):
                found.append(ast.parse(advice[start : end + 1], mode="eval").body)
                break
        else:
            break
        start = advice.find("isogmm.", end)
    return [call for call in found if isinstance(call, ast.Call)]


def check(call: ast.Call) -> None:
    """Every function exists and has the arguments that the line passes."""
    for node in ast.walk(call):
        if isinstance(node, ast.Call):
            function = isogmm
            for name in ast.unparse(node.func).split(".")[1:]:
                function = getattr(function, name)
            given = {keyword.arg for keyword in node.keywords}
            assert given <= set(inspect.signature(function).parameters)


@pytest.mark.parametrize("case", BAD)
def test_a_problem_has_at_most_one_line_to_copy(case):
    _, advice = decide(replace(GOOD, **BAD[case]))
    lines = calls(advice)
    # Two problems in one case: the chains that hardly move, in single precision.
    assert len(lines) <= 1
    for line in lines:
        check(line)
    # No line that has to be completed first.
    assert "..." not in advice


def test_a_restriction_does_not_contradict_the_advice():
    _, plain = decide(GOOD)
    assert plain.endswith("Use the draws like those of MCMC.")
    _, neck = decide(replace(GOOD, neck="tau is small"))
    assert "like those of MCMC, except in the tail where tau is small" in neck
    assert [ast.unparse(line) for line in calls(neck)] == ["isogmm.fit_gmmvi(model)"]
    check(calls(neck)[0])
    _, modes = decide(replace(GOOD, num_modes=2))
    assert [ast.unparse(line) for line in calls(modes)] == ["isogmm.plot_modes(idata)"]
