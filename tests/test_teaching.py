"""The teacher's pages: what is generated is what the lessons have, what is written is complete."""

import re

import pytest
import yaml

from helpers.exercises import ask
from tools.teaching import LETTERS, MADE, PAGES, filled, lessons

SECTIONS = [
    "What it clears up",
    "The clock",
    "Ask before you run",
    "To project",
    "Five things that go wrong",
    "Exercises",
    "At the door",
    "Weak points",
    "Screen reader and projector",
]
READ = {page: (PAGES / page).read_text(encoding="utf-8") for page in lessons()}
ASKED = [
    (page, name) for page, lesson in lessons().items() for name in lesson.called(r'^ask\("(.+)"\)')
]
EXERCISES = [
    (page, name)
    for page, lesson in lessons().items()
    for kind, name in lesson.blocks()
    if kind == "solution"
]


@pytest.fixture(params=lessons())
def page(request):
    return request.param


def after(page, kind, name):
    """What was written between a generated part and the next one, or the next heading."""
    rest = READ[page].split(f"<!-- made: {kind} {name} -->")[1].split("<!-- end -->\n", 1)[1]
    return re.split(r"^(?:## |<!-- made: )", rest, flags=re.MULTILINE)[0]


def section(page, heading):
    return READ[page].split(f"\n## {heading}\n")[1].split("\n## ")[0]


def written(text):
    """A page without its generated parts and its front matter."""
    return MADE.sub("", text).split("\n---\n", 1)[-1]


def test_what_is_generated_is_what_the_lesson_has(page):
    assert READ[page] == filled(READ[page], lessons()[page])


def test_a_page_has_every_question_explorer_and_exercise_of_its_lesson_once(page):
    found = [(kind, name) for _, kind, name, _ in MADE.findall(READ[page])]
    assert sorted(found) == sorted(lessons()[page].blocks())


def test_a_page_has_every_section_in_order(page):
    assert re.findall(r"^## (.+)$", READ[page], flags=re.MULTILINE) == SECTIONS


def test_the_minutes_add_up_to_what_the_lesson_states(page):
    front = yaml.safe_load(READ[page].split("---\n")[1])
    minutes, _, extra = lessons()[page].minutes
    assert front["teaching"] + front["exercises"] == minutes
    assert front.get("extra", 0) == extra


def seconds(clock):
    minutes, rest = clock.split(":")
    return 60 * int(minutes) + int(rest)


def test_the_clock_runs_on_to_the_stated_end(page):
    rows = re.findall(r"^\| (\d+:\d\d) \| (\d+:\d\d) \|", READ[page], flags=re.MULTILINE)
    begins, ends = (list(map(seconds, column)) for column in zip(*rows, strict=True))
    assert begins[0] == 0
    assert begins[1:] == ends[:-1]
    assert ends == sorted(ends)
    assert ends[-1] == 60 * lessons()[page].minutes[0]


@pytest.mark.parametrize(("page", "name"), ASKED)
def test_an_expected_split_has_all_choices_and_a_word_for_each_wrong_one(page, name):
    words, question = after(page, "question", name), ask(name).question
    letters = LETTERS[: len(question.choices)]
    (split,) = re.findall(r"^Expect (.+?)\.$", words, flags=re.MULTILINE)
    shares = dict(part.split() for part in split.split(", "))
    assert "".join(shares) == letters
    assert sum(map(int, shares.values())) == 100
    answered = "".join(re.findall(r"^- \*\*([A-F, ]+)\*\* ", words, flags=re.MULTILINE))
    wrong = set(letters) - {letters[question.right]}
    assert sorted(answered.replace(", ", "")) == sorted(wrong)


@pytest.mark.parametrize(("page", "name"), EXERCISES)
def test_a_second_solution_is_another_one_and_accepted(page, name, capsys):
    lesson = lessons()[page]
    setup, *cells = [c.source for c in lesson.notebook.cells if c.cell_type == "code"]
    namespace = {}
    exec(re.sub(r"^%.*$", "", setup, flags=re.MULTILINE), namespace)
    exec(next(source for source in cells if f"lesson.{name}(" in source), namespace)
    (second,) = re.findall(r"```python\n(.*?)```", after(page, "solution", name), re.DOTALL)
    assert second not in lesson.solution(name)
    assert f"lesson.{name}(" in second
    capsys.readouterr()
    exec(second, namespace)
    assert capsys.readouterr().out.strip().endswith("Right.")


def test_every_explorer_has_positions_to_project(page):
    for kind, name in lessons()[page].blocks():
        if kind == "positions":
            assert 2 <= len(lessons()[page].positions_of(name)) <= 4


def test_five_things_that_go_wrong_are_five(page):
    found = re.findall(r"^(\d)\. ", section(page, "Five things that go wrong"), re.MULTILINE)
    assert found == list("12345")


def test_a_page_says_what_to_do_in_other_times(page):
    said = re.findall(r"^- \*\*(.+?)\*\*", section(page, "The clock"), flags=re.MULTILINE)
    assert said == ["In 20 minutes", "Stop", "In 90 minutes"]


def test_the_door_has_a_question_and_its_answer(page):
    assert re.search(r"^\*\*.+\?\*\*\s\S", section(page, "At the door"), re.MULTILINE | re.DOTALL)


def test_what_is_written_fits_on_two_sheets_and_its_lines_on_a_screen(page):
    text = written(READ[page])
    assert len(text.split()) <= 1200
    assert max(map(len, text.splitlines())) <= 110


def test_every_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", READ[page]):
        assert (PAGES / target).exists(), target
