"""How a question is asked, and how an exercise is checked.

The questions stand in `helpers/lessons/*.toml`: a notebook must not show an answer before the
learner has chosen. The check of an exercise prints one line and never raises for a wrong answer.
"""

import re
import textwrap
import tomllib
import warnings
from copy import deepcopy
from functools import cache, wraps
from html import escape
from pathlib import Path
from typing import NamedTuple

import anywidget
import ipywidgets as widgets
import numpy as np
from traitlets import Int, List, Unicode, observe

from helpers.progress import Progress

progress = Progress()
_HERE = Path(__file__).parent
_UNANSWERED = "Not answered yet."
_STORED = "Run this cell to answer."  # what is stored shows no buttons
_WIDTH = 66  # characters of a stored line: what a page at 200 % zoom can hold


class Question(NamedTuple):
    """A question: `text`, `choices`, what each of them is answered, and which one is `right`."""

    text: str
    choices: tuple
    answers: tuple
    right: int


def ask(name):
    """Ask a question, and answer each choice at once.

    `name` is the question's in the lesson's file. The result is a widget whose `question` is the
    `Question`, `index` the choice, and `verdict` what it is answered, as HTML.
    """
    entry = _entry(name, "choices")
    choices, answers = zip(*entry["choices"], strict=True)
    return _Asked(name, Question(entry["text"], choices, answers, entry["right"]))


def judge(name):
    """Show sentences to mark true or false, and answer each at once; return an `ipywidgets.VBox`.

    `name` is that of the sentences in the lesson's file; `questions` hold a `Question` for each.
    """
    entry = _entry(name, "sentences")
    questions = [
        Question(f"{n}. {sentence}", ("true", "false"), (reply, reply), 0 if is_true else 1)
        for n, (sentence, is_true, reply) in enumerate(entry["sentences"], 1)
    ]
    return _Judged(name, entry["text"], questions)


def _entry(name, kind):
    entries = {entry: found for entry, found in _questions().items() if kind in found}
    if not isinstance(name, str) or name not in entries:
        listed = ", ".join(sorted(entries))
        raise ValueError(f"`name` must be one of: {listed}. Received: name={name!r}.")
    return entries[name]


@cache
def _questions():
    texts = (path.read_text(encoding="utf-8") for path in _HERE.glob("lessons/*.toml"))
    return {name: entry for text in texts for name, entry in tomllib.loads(text).items()}


class _Asked(anywidget.AnyWidget):
    _esm = _HERE / "question.js"
    text = Unicode().tag(sync=True)
    choices = List().tag(sync=True)
    index = Int(None, allow_none=True).tag(sync=True)
    verdict = Unicode().tag(sync=True)

    def __init__(self, name, question):
        self.question, self._name = question, name
        choices = [_with_code(choice) for choice in question.choices]
        super().__init__(text=_with_code(question.text), choices=choices)
        first = progress.first_choice(name)
        if first in question.choices:
            self.index = question.choices.index(first)

    @observe("index")
    def _answer(self, change):
        at = change["new"]
        mark = "✔" if at == self.question.right else "✘"
        # It names the choice: after a restart of the kernel, it stays, whatever is chosen.
        words = f"“{self.question.choices[at]}” {self.question.answers[at]}"
        said = progress.keep_choice(self._name, self.question.choices[at])
        self.verdict = f"{mark} {_with_code(f'{words} {said}'.strip())}"

    def words(self):
        """Return the question and its choices as plain text."""
        choices = [
            textwrap.fill(choice, _WIDTH, initial_indent="  ○ ", subsequent_indent="    ")
            for choice in self.question.choices
        ]
        return "\n".join([textwrap.fill(self.question.text, _WIDTH), *choices])

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"text/plain": f"{self.words()}\n{_STORED}"}, metadata


class _Judged(widgets.VBox):
    def __init__(self, name, text, questions):
        rows = [_Asked(f"{name}.{n}", question) for n, question in enumerate(questions, 1)]
        self.questions = questions
        self._words = "\n".join([textwrap.fill(text, _WIDTH), *(row.words() for row in rows)])
        super().__init__([widgets.HTML(f"<b>{_with_code(text)}</b>"), *rows])

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {"text/plain": f"{self._words}\n{_STORED}"}


def _with_code(text):
    """Return `text` as HTML, with code between backticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


class AnswerError(Exception):
    """What is off with an answer, and a hint."""


def feedback(check):
    """Print what a check finds, "Right." if it finds nothing; never raise for an answer."""
    name = f"{check.__module__.removeprefix('helpers.lessons.')}.{check.__name__}"

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
        said = "" if words == _UNANSWERED else progress.keep_try(name, words)
        print(words, said, sep="\n" if said else "")
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
        raise AnswerError(_UNANSWERED)
    return answer


def answer_of(function, *args, of=""):
    """Return what a learner's function answers to copies: it may overwrite them, warn, or fail."""
    try:
        args = [deepcopy(arg) if isinstance(arg, (np.ndarray, list)) else arg for arg in args]
        with warnings.catch_warnings(action="ignore"):
            answer = function(*args)
    except Exception as problem:
        words = f"{type(problem).__name__}: {problem}".splitlines()[0]  # Keras has pages to say
        raise AnswerError(f"Not yet: {of}it raised {words}") from None
    if answer is None:
        raise AnswerError("Not yet: your function returned nothing. Does it end with `return`?")
    return filled_in(answer)
