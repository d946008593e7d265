"""Instant feedback on predictions and exercises: right, or what is off and a hint.

The lessons' questions stand in `questions.toml`, so that a lesson does not show an answer
before the learner has chosen. Checks of exercises print one line and never raise for a
wrong answer.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np


class Question(NamedTuple):
    """A question: `text`, `choices`, and an answer to each of them, the right one first said."""

    text: str
    choices: list
    answers: list
    right: int


def load_question(name):
    """Return a question of `questions.toml`.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> load_question("steps-5-fed-10").right
    1
    """
    entries = _questions()
    if name not in entries:
        listed = ", ".join(sorted(entries))
        raise ValueError(f"`name` must be one of: {listed}. Received: name={name!r}.")
    entry = entries[name]
    choices, answers = zip(*entry["choices"], strict=True)
    return Question(entry["text"], list(choices), list(answers), entry["right"])


def check_answer(name, choice):
    """Say whether a choice is right, and why or why not.

    Parameters
    ----------
    name : str
        Of the question.
    choice : str
        One of its choices, in full.

    Returns
    -------
    (bool, str)
        Whether it is right, and the words to show.
    """
    question = load_question(name)
    if choice not in question.choices:
        raise ValueError(f"`choice` must be one of {question.choices}. Received: {choice!r}.")
    at = question.choices.index(choice)
    return at == question.right, question.answers[at]


@cache
def _questions():
    return tomllib.loads((files("helpers") / "questions.toml").read_text(encoding="utf-8"))


def check_array(answer, expected, *, hint=""):
    """Say whether an array is the expected one, within rounding.

    Parameters
    ----------
    answer : array, or None or Ellipsis where nothing was filled in yet
    expected : array
    hint : str
        What to think of when the numbers are off.

    Returns
    -------
    bool
        Whether it is right; the words are printed.

    Examples
    --------
    >>> check_array(..., [1, 2])
    Not answered yet.
    False
    >>> check_array([1, 3], [1, 2], hint="Look at the last one.")
    Not yet: 1 of 2 numbers differ. Look at the last one.
    False
    """
    if answer is None or answer is ...:
        return _say(False, "Not answered yet.")
    expected = np.asarray(expected)
    try:
        answer = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        return _say(False, f"Not yet: an array of numbers is wanted. {hint}")
    if answer.shape != expected.shape:
        return _say(
            False, f"Not yet: your shape is {answer.shape}, {expected.shape} is wanted. {hint}"
        )
    off = ~np.isclose(answer, expected, rtol=1e-4, atol=1e-5)
    if off.any():
        return _say(False, f"Not yet: {off.sum()} of {off.size} numbers differ. {hint}")
    return _say(True, "Right.")


def _say(right, words):
    print(words.strip())
    return right
