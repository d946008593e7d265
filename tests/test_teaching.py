"""The teacher's pages: what is generated is what the lessons have, what is written is complete."""

import re
import tomllib
from itertools import pairwise

import pytest
import yaml

from helpers.exercises import ask, judge
from tools.teaching import LETTERS, MADE, PAGES, filled, filled_overview, lessons

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
    assert found == list(lessons()[page].blocks())  # in the order of the lesson


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


def test_a_reply_to_a_sentence_is_given_whole(page):
    for name in lessons()[page].called(r'^judge\("(.+)"\)'):
        for question in judge(name).questions:
            why = re.sub(r"^The sentence is (true|false)[:,] .", "", question.answers[0])
            assert why in READ[page]


def fours(text):
    """All runs of four words of a text."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + 4]) for at in range(len(words) - 3)}


@pytest.mark.parametrize(("page", "name"), ASKED)
def test_what_to_say_is_more_than_what_the_lesson_replies(page, name):
    replies = set().union(*map(fours, ask(name).question.answers))
    for said in re.split(r"^- ", after(page, "question", name), flags=re.MULTILINE)[1:]:
        assert len(fours(said) & replies) <= 0.25 * len(fours(said)), said


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


@pytest.mark.parametrize("name", ["explore_reach", "explore_speakers", "explore_users"])
def test_the_controls_of_a_position_are_named_as_on_the_screen(name):
    labels = {
        "explore_reach": "steps: 5; output at: 9; carry the state: yes",
        "explore_speakers": "padded to: 100; padding: post; mask the padding: no",
        "explore_users": "turns: Ada Ada Ada Ben Ben Ben; state: one for all; restart after: 0; "
        "states saved: no",
    }
    owners = (each for each in lessons().values() if ("positions", name) in each.blocks())
    made = next(owners).positions(name)
    assert f"| {labels[name]} |" in made


def test_a_case_that_a_page_names_is_a_case_of_its_lesson(page):
    numbered = re.findall(r"^## (\d)\. ", "\n".join(_texts(page)), re.MULTILINE)
    named = re.findall(r"\bcases? ((?:\d[^.;\n]*))", written(READ[page]))
    if numbered:
        assert set(re.findall(r"\b\d\b", " ".join(named))) <= set(numbered)
    else:
        assert named == []


def _texts(page):
    return [cell.source for cell in lessons()[page].notebook.cells if cell.cell_type == "markdown"]


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


OVERVIEW = (PAGES / "README.md").read_text(encoding="utf-8")
COURSES = dict(re.findall(r"^### ([^\n:]+): [^\n]+\n(.*?)(?=^##)", OVERVIEW, re.M | re.S))
WHOLE_DAY = 24 * 60


def clock(time):
    hours, minutes = map(int, time.split(":"))
    return 60 * hours + minutes


def course(name):
    """The rows of a course: begin and end in minutes (days apart), and the other cells."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in COURSES[name].splitlines()
        if re.match(r"\| \d", line)
    ]
    days = [0 if ":" in row[0] else int(row.pop(0)) for row in rows]
    return [
        (day * WHOLE_DAY + clock(begin), day * WHOLE_DAY + clock(end), rest)
        for day, (begin, end, *rest) in zip(days, rows, strict=True)
    ]


def test_the_table_of_the_overview_is_that_of_the_lessons():
    assert filled_overview(OVERVIEW) == OVERVIEW


def test_there_are_three_courses_of_the_lengths_they_promise():
    lasts = {name: sum(end - begin for begin, end, _ in course(name)) for name in COURSES}
    assert lasts == {"Forty-five minutes": 45, "Half a day": 210, "Two weeks": 10 * 90}


@pytest.mark.parametrize("name", COURSES)
def test_the_clock_of_a_course_has_no_gap(name):
    rows = course(name)
    for (_, end, _), (begin, _, _) in pairwise(rows):
        assert begin == end or begin // WHOLE_DAY > end // WHOLE_DAY


@pytest.mark.parametrize("name", ["Half a day", "Two weeks"])
def test_a_course_gives_each_lesson_the_time_that_it_takes(name):
    for begin, end, (what, form) in course(name):
        for page in re.findall(r"\]\((\d\d_\w+\.md)\)", what):
            votes = len([*lessons()[page].called(r'^(?:ask|judge)\("')])  # a minute for each
            takes = {"short": 25, "whole": lessons()[page].minutes[0] + votes, "long": 90}
            assert end - begin >= takes[form], page


def test_two_weeks_take_every_lesson_once():
    taken = [
        page for *_, rest in course("Two weeks") for page in re.findall(r"\d\d_\w+\.md", rest[0])
    ]
    assert sorted(taken) == sorted(lessons())


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.name)
def test_every_make_command_of_a_page_exists(path):
    makefile = (PAGES.parent / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", makefile, re.MULTILINE)
    assert set(re.findall(r"`make ([\w-]+)`", path.read_text(encoding="utf-8"))) <= set(targets)


def test_the_version_is_one_everywhere():
    root = PAGES.parent
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.search(r"^## ([\d.]+)", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert citation["version"] == project["version"] == newest[1]
    assert citation["title"] == (root / "README.md").read_text(encoding="utf-8").split("\n")[0][2:]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_what_the_paper_cites_is_in_its_references():
    paper = (PAGES / "paper.md").read_text(encoding="utf-8")
    references = (PAGES / "paper.bib").read_text(encoding="utf-8")
    assert set(re.findall(r"@(\w+\d{4})", paper)) == set(
        re.findall(r"^@\w+\{(\w+),", references, re.M)
    )
    assert references.count("doi = ") == references.count("\n@") + 1
