"""Questions are asked and answered at once; a check's verdict is a bool that shows nothing."""

import re
import tomllib
import warnings
from html import unescape
from importlib.resources import files

import numpy as np
import pytest

from helpers.exercises import AnswerError, answer_of, ask, feedback, judge

LESSONS = files("helpers") / "lessons"
ENTRIES = [
    (name, entry)
    for path in LESSONS.glob("*.toml")
    for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items()
]
ASKED = [name for name, entry in ENTRIES if "choices" in entry]
JUDGED = [name for name, entry in ENTRIES if "sentences" in entry]


def as_read(html):
    return unescape(re.sub("<[^>]+>", "", html))


def test_no_name_is_given_to_two_questions():
    names = [name for name, _ in ENTRIES]
    assert len(names) == len(set(names)) == len(ASKED) + len(JUDGED) > 50


@pytest.mark.parametrize("name", ASKED)
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
    asked = ask("fed-ten")
    question = asked.question
    assert as_read(asked.text) == question.text.replace("`", "")
    assert asked.index is None
    assert asked.verdict == ""
    for i, (choice, answer) in enumerate(zip(question.choices, question.answers, strict=True)):
        asked.index = i
        mark = "✔" if i == question.right else "✘"
        assert as_read(asked.choices[i]) == choice.replace("`", "")
        assert as_read(asked.verdict) == f"{mark} “{choice}” {answer}".replace("`", "")


def test_code_in_text_choices_and_answers_is_shown_as_code():
    entries = [entry for entry in ASKED if any("`" in c for c in ask(entry).question.choices)]
    asked = ask(entries[0])
    assert any("<code>" in choice for choice in asked.choices)
    assert "`" not in asked.text + "".join(asked.choices)


def test_a_stored_question_shows_its_choices_and_no_answer():
    question = ask("fed-ten").question
    data, _ = ask("fed-ten")._repr_mimebundle_()
    stored = data["text/plain"]
    assert max(map(len, stored.split("\n"))) <= 66
    read = " ".join(stored.split())
    assert all(choice in read for choice in [question.text, *question.choices])
    assert not any(answer in read for answer in question.answers)


@pytest.mark.parametrize("name", JUDGED)
def test_sentences_are_judged_one_by_one(name):
    judged = judge(name)
    assert len(judged.questions) == 6
    rights = {question.right for question in judged.questions}
    assert rights == {0, 1}  # some are true, some are false
    for question, row in zip(judged.questions, judged.children[1:], strict=True):
        row.index = question.right
        assert row.verdict.startswith("✔")
        row.index = 1 - question.right
        assert row.verdict.startswith("✘")
    stored = judged._repr_mimebundle_()["text/plain"]
    assert not any(question.answers[0] in " ".join(stored.split()) for question in judged.questions)


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


def test_an_answer_may_overwrite_what_it_is_given_and_warn():
    """Warnings are errors in these tests."""
    given = np.ones(3), [np.ones(2)]

    def careless(array, arrays):
        array[:] = arrays[0][:] = 0
        warnings.warn("careless", stacklevel=1)
        return array

    np.testing.assert_array_equal(answer_of(careless, *given), np.zeros(3))
    assert given[0].all()
    assert given[1][0].all()


def test_of_a_long_error_the_first_line_is_told():
    def fail():
        raise ValueError("shapes differ\n\nArguments received: pages of them")

    with pytest.raises(AnswerError, match=r"it raised ValueError: shapes differ$"):
        answer_of(fail)
