"""What is kept of a learner's choices and tries, and what a teacher is shown of a class."""

import json
import os
import re
import stat
from html import unescape

import pytest

from helpers import exercises
from helpers.exercises import AnswerError, ask, feedback, judge
from helpers.progress import Progress
from tools import progress as class_progress

BROKEN = {
    "half a file": '{"questions": {"fed-ten": "It re',
    "a list": "[]",
    "text for questions": '{"questions": "none"}',
    "text for an exercise": json.dumps({"exercises": {f"{__name__}.check_is_one": "often"}}),
    "deep": "[" * 100_000,
    "no text": b"\xff\xfe\x00",
}


@pytest.fixture
def file(tmp_path, monkeypatch):
    """An empty progress.json in the folder in which the lesson runs; a session of its own."""
    file = tmp_path / "progress.json"
    file.write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exercises, "progress", Progress())
    return file


@feedback
def check_is_one(answer):
    if exercises.filled_in(answer) != 1:
        raise AnswerError(f"Not yet: yours is {answer}.")


def kept(file):
    return json.loads(file.read_text(encoding="utf-8"))


def as_read(html):
    return unescape(re.sub("<[^>]+>", "", html))


def test_without_the_file_nothing_is_kept(file, capsys):
    file.unlink()
    asked = ask("fed-ten")
    asked.index = 0
    assert "progress.json" not in asked.verdict
    check_is_one(2)
    assert capsys.readouterr().out == "Not yet: yours is 2.\n"
    assert list(file.parent.iterdir()) == []


def test_the_first_choice_is_kept_and_shown_after_a_restart(file, monkeypatch):
    asked = ask("fed-ten")
    choices = asked.question.choices
    asked.index = 0
    asked.index = 2
    assert kept(file) == {"questions": {"fed-ten": choices[0]}, "exercises": {}}
    monkeypatch.setattr(exercises, "progress", Progress())  # a restart
    again = ask("fed-ten")
    assert again.index == 0
    assert choices[0].split("`")[0] in as_read(again.verdict)
    assert ask("two-calls").index is None


def test_a_choice_that_the_question_no_longer_has_is_not_shown(file):
    file.write_text('{"questions": {"fed-ten": "It flies."}}')
    assert ask("fed-ten").index is None


def test_each_sentence_keeps_its_own_choice(file):
    _, first, second, *_ = judge("page-fixed-steps").children
    first.index, second.index = 1, 0
    expected = {"page-fixed-steps.1": "false", "page-fixed-steps.2": "true"}
    assert kept(file)["questions"] == expected


def test_tries_are_counted_up_to_the_first_right_one(file, capsys):
    check_is_one(...)  # no try
    for answer in (3, 2, 1, 5):
        check_is_one(answer)
    (entry,) = kept(file)["exercises"].values()
    assert entry == {"tries": 3, "right": True, "hint": "Right."}


def test_the_last_hint_is_kept(file, capsys):
    check_is_one(3)
    check_is_one("a" * 1000)
    (entry,) = kept(file)["exercises"].values()
    assert entry["tries"] == 2
    assert entry["hint"].startswith("Not yet: yours is aaa")
    assert len(entry["hint"]) == 200


def test_a_name_stands_in_it_only_when_the_learner_signs(file):
    ask("fed-ten").index = 0
    assert "name" not in kept(file)
    assert exercises.progress.sign("Ada Ł.") == ""
    assert kept(file)["name"] == "Ada Ł."
    assert "Ł" in file.read_text(encoding="utf-8")  # to be read as it is


def test_it_can_be_erased(file):
    exercises.progress.sign("Ada")
    ask("fed-ten").index = 0
    exercises.progress.erase()
    assert kept(file) == {}
    assert ask("fed-ten").index is None


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_costs_one_sentence_and_stays_as_it_is(file, capsys, text):
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = file.read_bytes()
    assert not check_is_one(2)
    assert check_is_one(1)
    first, said, last = capsys.readouterr().out.splitlines()
    assert (first, last) == ("Not yet: yours is 2.", "Right.")
    assert said == "(progress.json: it is damaged. Answers are not kept.)"
    assert file.read_bytes() == before
    asked = ask("fed-ten")
    asked.index = asked.question.right
    assert asked.verdict.startswith("✔")
    exercises.progress.erase()
    assert kept(file) == {}


def test_a_broken_file_says_so_below_a_question_too(file):
    file.write_text("{")
    asked = ask("fed-ten")
    asked.index = 0
    assert as_read(asked.verdict).endswith("(progress.json: it is damaged. Answers are not kept.)")
    asked.index = 1
    assert "damaged" not in asked.verdict  # once is enough


def test_a_read_only_file_costs_one_sentence(file, monkeypatch, capsys):
    file.chmod(stat.S_IREAD)
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may write anywhere
    check_is_one(2)
    check_is_one(2)
    assert capsys.readouterr().out.count("it is read-only") == 1
    assert file.read_text() == "{}\n"


def test_a_full_disk_loses_nothing_that_was_kept(file, monkeypatch, capsys):
    check_is_one(2)
    before = file.read_text()

    def half(path, text, **options):
        path.write_bytes(text[:5].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", half)
    check_is_one(3)
    assert "No space left on device" in capsys.readouterr().out
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


# A class: three learners, of whom one signed.


@pytest.fixture
def class_folder(tmp_path):
    wrong, _, right, _ = ask("fed-ten").question.choices
    tries = "fixed_steps.check_carry"
    learners = {
        "a": {"questions": {"fed-ten": wrong}, "exercises": {}},
        "b": {
            "name": "Ada | <b>",
            "questions": {"fed-ten": wrong, "page-fixed-steps.1": "true"},
            "exercises": {tries: {"tries": 4, "right": False, "hint": "Not yet: read | h."}},
        },
        "c": {
            "questions": {"fed-ten": right, "two-calls": "gone"},
            "exercises": {tries: {"tries": 2, "right": True, "hint": "Right."}},
        },
    }
    for name, kept in learners.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "progress.json").write_text(json.dumps(kept), encoding="utf-8")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "progress.json").write_text("{ broken")
    return tmp_path


def test_a_class_is_summed_up_by_misconception(class_folder, tmp_path, capsys):
    out = tmp_path / "out"
    class_progress.main([str(class_folder), "--out", str(out)])
    page = (out / "progress.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.startswith(page)
    assert "It is no grade" in page
    assert "3 learners" in page
    assert "d/progress.json" in page  # is named, and costs the others nothing
    wrong, *_ = ask("fed-ten").question.choices
    assert f"| 2 of 3 | 01_fixed_steps: fed-ten | {wrong} |" in page
    row = "| 01_fixed_steps.check_carry | 1 of 2 | 3 | read \\| h. |"
    assert row in page
    assert "Ada \\| &lt;b&gt;: 01_fixed_steps.check_carry, 4 tries" in page
    assert (out / "progress.png").stat().st_size > 5000


def test_a_folder_without_any_file_is_said_to_have_none(tmp_path):
    with pytest.raises(SystemExit, match=r"No progress\.json"):
        class_progress.main([str(tmp_path)])


def test_the_picture_shows_right_and_wrong_first_choices(class_folder):
    learners, _ = class_progress.read(class_folder)
    figure = class_progress.draw(class_progress.count_choices(learners))
    (ax,) = figure.axes
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["01_fixed_steps: fed-ten", "01_fixed_steps: page-fixed-steps.1"]
    widths = [[bar.get_width() for bar in bars] for bars in ax.containers]
    assert [sum(column) for column in zip(*widths, strict=True)] == [3, 1]
