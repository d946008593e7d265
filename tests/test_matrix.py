"""The table of `make matrix`: what it asks pip for, and how it says what came of it."""

import pytest

from tools import matrix
from tools.matrix import Stack


def test_a_stack_asks_for_its_own_versions_and_else_for_the_project_s():
    listed = matrix.packages(Stack("3.11"))
    older = matrix.packages(Stack("3.11", "tensorflow==2.19.*", "keras==3.10.*"))
    assert {"tensorflow>=2.21,<2.23", "keras>=3.15,<3.16"} <= set(listed)
    assert set(older) - set(listed) == {"tensorflow==2.19.*", "keras==3.10.*"}
    assert len(older) == len(listed) == len({*map(matrix.package, older)})


@pytest.mark.parametrize(
    ("said", "shown", "good"),
    [
        ("..\n12 passed, 1 skipped in 3.1s", "12 passed, 1 skipped (models)", True),
        ("F\n1 failed, 11 passed in 3.1s", "11 passed, 1 failed (models)", False),
        ("1 passed, 2 errors in 3.1s", "1 passed, 2 errors (models)", False),
        ("2 passed in 63.10s (0:01:03)\nWords at the end", "2 passed (models)", True),
        ("ImportError", "nothing ran (models)", False),
    ],
)
def test_a_row_says_how_many_tests_passed_and_is_good_if_none_failed(said, shown, good):
    assert matrix.summary(said, ["models"]) == shown
    assert matrix.is_good(shown) == good


def test_a_new_row_takes_the_place_of_its_stack_s_last():
    table = f"a\n{matrix.BEGIN}\n{matrix.END}\nb"
    rows = [["3.11", "2.20.0", "3.13.1", "old", "1"], ["3.11", "2.21.0", "3.15.1", "x", "1"]]
    first = matrix.updated(table, rows)
    second = matrix.updated(first, [["3.11", "2.20.1", "3.13.2", "new", "2"]])
    found = [line for line in second.splitlines() if line.startswith("| 3")]
    assert found == ["| 3.11 | 2.20.1 | 3.13.2 | new | 2 |", "| 3.11 | 2.21.0 | 3.15.1 | x | 1 |"]
    assert second.startswith("a\n")
    assert second.endswith("\nb")
