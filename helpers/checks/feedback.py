"""Questions and their answers, and the words that a check of an exercise says."""

import tomllib
from functools import cache, wraps
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
    """Return a question of `helpers/questions`.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> load_question("01-fed-ten").right
    2
    """
    entries = _questions()
    if not isinstance(name, str) or name not in entries:
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
    folder = files("helpers") / "questions"
    texts = [file.read_text(encoding="utf-8") for file in folder.iterdir()]
    return {name: question for text in texts for name, question in tomllib.loads(text).items()}


class AnswerError(Exception):
    """What is off with an answer, and a hint."""


def feedback(check):
    """Print what a check finds, "Right." if it finds nothing; never raise for an answer."""

    @wraps(check)
    def answered(*args, **options):
        try:
            check(*args, **options)
        except AnswerError as found:
            words = str(found).strip()
        except Exception as problem:
            words = f"Not yet: this cannot be read. {type(problem).__name__}: {problem}"
        else:
            words = "Right."
        print(words)
        return _Verdict(words == "Right.")

    return answered


class _Verdict(int):
    """A bool that Jupyter does not show below the words."""

    def __repr__(self):
        return repr(bool(self))

    def _ipython_display_(self):
        pass


def filled_in(answer):
    """Return the answer, unless its stub was left as it is."""
    if answer is None or answer is ...:
        raise AnswerError("Not answered yet.")
    return answer


def call(function, *args, of=""):
    """Return what a learner's function answers; it may fail in any way."""
    try:
        answer = function(*args)
    except Exception as problem:
        raise AnswerError(f"Not yet: {of}it raised {type(problem).__name__}: {problem}") from None
    return filled_in(answer)


@feedback
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
    answer = filled_in(answer)
    expected = np.asarray(expected)
    try:
        answer = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise AnswerError(f"Not yet: an array of numbers is wanted. {hint}") from None
    if answer.shape != expected.shape:
        raise AnswerError(
            f"Not yet: your shape is {answer.shape}, {expected.shape} is wanted. {hint}"
        )
    off = ~np.isclose(answer, expected, rtol=1e-4, atol=1e-5)
    if off.any():
        raise AnswerError(f"Not yet: {off.sum()} of {off.size} numbers differ. {hint}")
