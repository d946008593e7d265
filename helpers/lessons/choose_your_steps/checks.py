"""The exercises of lesson 07."""

import numpy as np

from helpers.exercises import AnswerError, answer_of, feedback, filled_in

_SERIES = ([1.0, 2.0, 4.0, 3.0], [5.0, 5.0, 5.0], [0.0, -3.0, 1.5, 2.0, -1.0])
_TABLES = (
    ({1: 24.0, 4: 20.4, 16: 20.0, 64: 21.5}, 0.05, 4),
    ({64: 3.0, 16: 3.0, 4: 3.2}, 0.01, 16),
    ({8: 1.0, 2: 1.02, 1: 1.2}, 0.0, 8),
    ({1: 0.5, 10: 0.4, 100: 0.1}, 10.0, 1),
)


@feedback
def check_copying(function):
    """Say whether `function(series)` is the typical miss of copying the last value."""
    for series in _SERIES:
        answer = answer_of(function, np.array(series))
        right = np.sqrt(np.mean(np.diff(series) ** 2))
        if np.ndim(answer) or not np.isclose(answer, right):
            raise AnswerError(
                f"Not yet: for the series {series} yours is {answer!r}. The forecast of each value "
                "is the one before it; the first value has none. Square the differences, take "
                "their mean, then its square root.",
            )


@feedback
def check_shortest(function):
    """Say whether `function(errors, margin)` is the shortest window close to the best."""
    for errors, margin, right in _TABLES:
        answer = answer_of(function, dict(errors), margin)
        if np.ndim(answer) or answer != right:
            raise AnswerError(
                f"Not yet: for the errors {errors} and a margin of {margin:.0%} yours is "
                f"{answer!r}. Which windows have an error of at most {1 + margin:g} times the "
                "lowest? Which of them is the shortest?",
            )


@feedback
def check_supported(answer):
    """Say whether these are the sentences that the table of the exercise supports."""
    answer = filled_in(answer)
    letters = {str(letter).strip().lower() for letter in answer} - {"", ","}
    for letter, why in (
        ("a", "The two errors lie 4 % apart, and the difference is 0.6 times its wobble."),
        ("c", "Only windows of 4 and 32 were measured."),
    ):
        if letter in letters:
            raise AnswerError(f"Not yet: the table does not support {letter!r}. {why}")
    for letter, why in (
        ("b", "Compare its error with that of copying, and look at the wobble."),
        ("d", "Compare the memory in the two lines."),
    ):
        if letter not in letters:
            raise AnswerError(f"Not yet: one sentence is missing. {why}")
    if letters - set("bd"):
        raise AnswerError("Not yet: name sentences by their letters, a to d.")
