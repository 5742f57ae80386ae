"""Entries of variables are selected as in ArviZ."""

import numpy as np
import pytest

from isogmm.errors import OptionError
from isogmm.views.selection import Entries, select

VARIABLES = [
    Entries("mu", (), (), {}),
    Entries("theta", (3,), ("school",), {"school": np.array(list("abc"))}),
]


@pytest.mark.parametrize(
    ("names", "indices"),
    [
        (None, [0, 1, 2, 3]),
        (["theta", "mu"], [1, 2, 3, 0]),
        ("~theta", [0]),
        (["~mu", "~theta[b]"], [1, 3]),
        (["~mu", "~theta[0]"], [2, 3]),
    ],
)
def test_names(names, indices):
    assert select(VARIABLES, names, None) == indices


def test_an_unknown_name_is_named_without_its_sign():
    with pytest.raises(OptionError, match=r"no coordinate 'thetta'\. Did you mean 'theta'"):
        select(VARIABLES, "~thetta", None)
