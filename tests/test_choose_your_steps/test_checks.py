"""The checks of the lesson accept what is right, and give a hint where it is not."""

from itertools import pairwise

import numpy as np
import pytest

from helpers.lessons import choose_your_steps as lesson


@pytest.mark.parametrize(
    "solution",
    [
        lambda series: np.sqrt(np.mean((series[1:] - series[:-1]) ** 2)),
        lambda series: np.linalg.norm(np.diff(series)) / np.sqrt(len(series) - 1),
        lambda series: (sum((b - a) ** 2 for a, b in pairwise(series)) / (len(series) - 1)) ** 0.5,
    ],
)
def test_every_way_to_measure_copying_is_right(solution, answered):
    assert answered(lesson.check_copying, solution) == (True, "Right.")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda series: ..., "Not answered yet."),
        (lambda series: np.mean((series[1:] - series[:-1]) ** 2), "square root"),
        (lambda series: np.abs(np.diff(series)).mean(), "square root"),
        (lambda series: np.diff(series), "yours is"),
        (lambda series: 1 / 0, "ZeroDivisionError"),
        (None, "Not yet"),
    ],
)
def test_a_wrong_miss_gets_a_hint(wrong, words, answered):
    right, out = answered(lesson.check_copying, wrong)
    assert not right
    assert words in out


@pytest.mark.parametrize(
    "solution",
    [
        lambda errors, margin: min(
            n for n in errors if errors[n] <= (1 + margin) * min(errors.values())
        ),
        lambda errors, margin: next(
            n for n, e in sorted(errors.items()) if e / min(errors.values()) - 1 <= margin
        ),
    ],
)
def test_every_way_to_find_the_shortest_is_right(solution, answered):
    assert answered(lesson.check_shortest, solution) == (True, "Right.")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda errors, margin: ..., "Not answered yet."),
        (lambda errors, margin: min(errors, key=errors.get), "yours is 16"),
        (lambda errors, margin: min(errors), "yours is 1."),
        (lambda errors, margin: next(iter(errors)), "yours is"),
        (
            lambda errors, margin: min(n for n, e in errors.items() if e <= 20 * (1 + margin)),
            "yours is",
        ),
    ],
)
def test_a_wrong_window_gets_a_hint(wrong, words, answered):
    right, out = answered(lesson.check_shortest, wrong)
    assert not right
    assert words in out


@pytest.mark.parametrize("answer", ["bd", "db", ["b", "d"], {"B", "D"}, "b, d"])
def test_the_supported_sentences_may_be_given_in_any_way(answer, answered):
    assert answered(lesson.check_supported, answer) == (True, "Right.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (..., "Not answered yet."),
        ("abd", "does not support 'a'"),
        ("bcd", "does not support 'c'"),
        ("b", "Compare the memory"),
        ("d", "with that of copying"),
        ("bde", "by their letters"),
        (3, "cannot be read"),
    ],
)
def test_unsupported_sentences_get_a_hint(answer, words, answered):
    right, out = answered(lesson.check_supported, answer)
    assert not right
    assert words in out
