"""How a question is asked, and how an exercise is checked.

The questions stand in `helpers/lessons/*.toml`, apart from the notebooks, so that a lesson does
not show an answer before the learner has chosen. The check of an exercise prints one line and
never raises for a wrong answer.
"""

import re
import textwrap
import tomllib
from functools import cache, wraps
from html import escape
from importlib.resources import files
from typing import NamedTuple

import ipywidgets as widgets

_WIDTH = 66  # characters of a stored line: what a page at 200 % zoom can hold


class Question(NamedTuple):
    """A question: `text`, `choices`, what each of them is answered, and which one is `right`."""

    text: str
    choices: list
    answers: list
    right: int


def ask(name):
    """Ask a question, and answer each choice at once.

    Parameters
    ----------
    name : str
        The question's name in the lesson's file.

    Returns
    -------
    ipywidgets.VBox
        Its `question` is the `Question`.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    entries = _questions()
    if not isinstance(name, str) or name not in entries:
        listed = ", ".join(sorted(entries))
        raise ValueError(f"`name` must be one of: {listed}. Received: name={name!r}.")
    entry = entries[name]
    choices, answers = zip(*entry["choices"], strict=True)
    return _Asked(Question(entry["text"], list(choices), list(answers), entry["right"]))


@cache
def _questions():
    lessons = files("helpers") / "lessons"
    texts = [
        file.read_text(encoding="utf-8")
        for file in lessons.iterdir()
        if file.name.endswith(".toml")
    ]
    return {name: question for text in texts for name, question in tomllib.loads(text).items()}


class _Asked(widgets.VBox):
    def __init__(self, question):
        self.question, self._verdict = question, widgets.HTML()
        self._choices = widgets.RadioButtons(
            options=question.choices,
            value=None,
            layout={"width": "max-content", "max_width": "100%"},
        )
        self._choices.observe(self._answer, "value")
        text = widgets.HTML(f"<b>{_with_code(question.text)}</b>")
        super().__init__([text, self._choices, self._verdict])

    def _answer(self, change):
        at = self.question.choices.index(change["new"])
        mark = "✔" if at == self.question.right else "✘"
        words = _with_code(self.question.answers[at])
        self._verdict.value = f'<p role="status">{mark} {words}</p>'

    def _repr_mimebundle_(self, **kwargs):
        choices = [
            textwrap.fill(choice, _WIDTH, initial_indent="  ○ ", subsequent_indent="    ")
            for choice in self.question.choices
        ]
        text = textwrap.fill(self.question.text, _WIDTH)
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {"text/plain": "\n".join([text, *choices])}


def _with_code(text):
    """Return `text` as HTML, with code between backticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


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


def answer_of(function, *args, of=""):
    """Return what a learner's function answers; it may fail in any way."""
    try:
        answer = function(*args)
    except Exception as problem:
        raise AnswerError(f"Not yet: {of}it raised {type(problem).__name__}: {problem}") from None
    return filled_in(answer)
