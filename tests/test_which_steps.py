"""Lesson on the four meanings of "steps": the exercises."""

from helpers.lessons import which_steps
from tests.exercises import ExerciseTests


def fails(*_):
    raise KeyError("a mistake of mine")


class TestExercises(ExerciseTests):
    lesson = which_steps
    RIGHT = {
        "window_shape": ((3, 3, 4, 5),),
        "batches": (lambda rows, size: -(-rows // size),),
    }
    WRONG = [
        ("window_shape", ((2, 3, 4, 5),), "where do the last 2 go?"),
        ("window_shape", ((3, 10, 5),), "four axes are wanted"),
        ("batches", (lambda rows, size: rows // size,), "for 9 rows at batch size 4"),
        ("batches", (fails,), "it raised KeyError: 'a mistake of mine'"),
    ]
