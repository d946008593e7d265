"""The exercises of the lesson on choosing steps."""

import statistics

import numpy as np

from helpers.lessons.choose_your_steps import checks
from tests.exercises import ExerciseTests


def right(higher, lower):
    apart = higher - lower
    return apart.mean() / (apart.std(ddof=1) / np.sqrt(len(apart)))


def with_statistics(higher, lower):
    apart = [float(a - b) for a, b in zip(higher, lower, strict=True)]
    return statistics.mean(apart) * len(apart) ** 0.5 / statistics.stdev(apart)


def unpaired(higher, lower):
    error = np.sqrt((higher.var(ddof=1) + lower.var(ddof=1)) / len(lower))
    return (higher.mean() - lower.mean()) / error


class TestExercises(ExerciseTests):
    lesson = checks
    RIGHT = {"standard_errors": (right,), "supported": ("bd",)}
    WRONG = [
        ("standard_errors", (lambda a, b: -right(a, b),), "the sign"),
        ("standard_errors", (lambda a, b: np.mean(a - b),), "Divide it by its standard error"),
        ("standard_errors", (lambda a, b: np.mean(a - b) / np.std(a - b, ddof=1),), "by the root"),
        ("standard_errors", (lambda a, b: right(a, b) * (len(a) / (len(a) - 1)) ** 0.5,), "ddof"),
        ("standard_errors", (unpaired,), "pair them"),
        ("standard_errors", (lambda a, b: right(a, b) > 2,), "divide the mean of the differences"),
        ("supported", ("abd",), "does not support 'a'"),
        ("supported", ("bcd",), "does not support 'c'"),
        ("supported", ("bde",), "does not support 'e'"),
        ("supported", ("d",), "a sentence is missing. What do 3.1"),
        ("supported", ("b",), "a sentence is missing. Compare the seconds"),
        ("supported", ("bdx",), "by their letters"),
    ]

    def test_other_right_answers(self, answered):
        assert answered(checks.check_standard_errors, with_statistics) == (True, "Right.")
        assert answered(checks.check_supported, ["D", "b"]) == (True, "Right.")
