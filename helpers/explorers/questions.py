"""A lesson's questions, answered at once."""

import textwrap

import ipywidgets as widgets

from helpers import checks
from helpers.explorers.base import with_code

_WIDTH = 66  # characters of a stored line: what a page at 200 % zoom can hold


def ask(name):
    """Ask a question of `helpers/questions` and answer each choice at once.

    Parameters
    ----------
    name : str
        The question's name in the file.

    Returns
    -------
    ipywidgets.VBox
    """
    question = checks.load_question(name)
    feedback = widgets.HTML()
    choices = widgets.RadioButtons(
        options=question.choices, value=None, layout={"width": "max-content", "max_width": "100%"}
    )

    def answer(change):
        right, words = checks.check_answer(name, change["new"])
        mark = "✔ " if right else "✘ "
        feedback.value = f'<p role="status">{mark}{with_code(words)}</p>'

    choices.observe(answer, "value")
    text = widgets.HTML(f"<b>{with_code(question.text)}</b>")
    return _Question(question, [text, choices, feedback])


class _Question(widgets.VBox):
    def __init__(self, question, children):
        self._question = question
        super().__init__(children)

    def _repr_mimebundle_(self, **kwargs):
        choices = [
            textwrap.fill(choice, _WIDTH, initial_indent="  ○ ", subsequent_indent="    ")
            for choice in self._question.choices
        ]
        text = textwrap.fill(self._question.text, _WIDTH)
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {"text/plain": "\n".join([text, *choices])}
