"""Questions are asked and answered at once; a check's verdict is a bool that shows nothing."""

import re
from html import unescape
from importlib.resources import files

import pytest

from helpers.exercises import AnswerError, ask, feedback

LESSONS = files("helpers") / "lessons"
NAMES = [
    name
    for path in LESSONS.glob("*.toml")
    for name in re.findall(r"^\[(.+)\]$", path.read_text(encoding="utf-8"), re.MULTILINE)
]


def as_read(html):
    return unescape(re.sub("<[^>]+>", "", html))


def test_no_name_is_given_to_two_questions():
    assert len(NAMES) == len(set(NAMES)) > 50


@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_one_right_choice_and_an_answer_to_each(name):
    question = ask(name).question
    assert question.text.endswith("?")
    assert len(set(question.choices)) == len(question.choices) >= 2
    assert len(question.answers) == len(question.choices)
    assert all(question.answers)
    assert question.right in range(len(question.choices))


@pytest.mark.parametrize("name", ["no such question", [], None])
def test_an_unknown_question_is_refused(name, assert_refused):
    assert_refused(lambda: ask(name), ValueError, "`name` must be one of", f"name={name!r}")


def test_a_question_answers_each_choice_at_once():
    question = ask("fed-ten").question
    text, choices, verdict = ask("fed-ten").children
    assert as_read(text.value) == question.text.replace("`", "")
    assert choices.value is None
    assert verdict.value == ""
    for i, (choice, answer) in enumerate(zip(question.choices, question.answers, strict=True)):
        choices.value = choice
        mark = "✔" if i == question.right else "✘"
        assert verdict.value.startswith('<p role="status">')
        assert as_read(verdict.value) == f"{mark} {answer}".replace("`", "")


def test_a_stored_question_shows_its_choices_and_no_answer():
    question = ask("fed-ten").question
    stored = ask("fed-ten")._repr_mimebundle_()["text/plain"]
    assert max(map(len, stored.split("\n"))) <= 66
    read = " ".join(stored.split())
    assert all(choice in read for choice in [question.text, *question.choices])
    assert not any(answer in read for answer in question.answers)


@feedback
def check_is_one(answer):
    if answer != 1:
        raise AnswerError(f"Not yet: yours is {answer}.")


def test_a_verdict_counts_as_true_or_false_and_shows_nothing_in_a_notebook(capsys):
    verdict, other = check_is_one(1), check_is_one(2)
    assert capsys.readouterr().out == "Right.\nNot yet: yours is 2.\n"
    assert verdict
    assert not other
    assert repr(verdict) == "True"
    verdict._ipython_display_()
    assert capsys.readouterr().out == ""
