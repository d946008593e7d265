"""Fill in the generated parts of the teacher's pages: ``python -m tools.teaching [00 01 …]``.

A page, `teaching/NN_name.md`, is written by hand, but for its front matter and for what stands
between `<!-- made: … -->` and `<!-- end -->`. That is taken from the lesson, so that it cannot
drift from it:

- `clock`: its parts, with the minutes of `tools/minutes.py` and a running clock
- `question NAME`: what is asked, and what the lesson replies to each choice
- `positions FUNCTION`: the named positions of an explorer
- `solution CHECK`: the solution of an exercise

`teaching/README.md` has one such part, `overview`: the lessons and their minutes.
"""

import importlib
import inspect
import math
import re
import sys
from functools import cache
from itertools import accumulate
from pathlib import Path

import nbformat

from helpers import explorers
from helpers.exercises import ask, judge
from helpers.explorers import Position
from tools.minutes import minutes_of, stated_extra, stated_minutes

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
PAGES = ROOT / "teaching"
MADE = re.compile(r"(<!-- made: (\w+) ?([\w-]*) -->\n).*?(<!-- end -->)", re.DOTALL)
FRONT = re.compile(r"\A(?:---\n(?:.*?\n)?---\n)?(?:# [^\n]*\n)?", re.DOTALL)
LETTERS = "ABCDEF"
CLOSING = "What to keep"  # with it begins what ends a lesson, too short for clocks of its own


class Lesson:
    """A lesson's notebook, and what a teacher's page shows of it."""

    def __init__(self, path):
        self.path = path
        self.notebook = nbformat.read(path, as_version=4)
        self.module = importlib.import_module(f"helpers.lessons.{path.stem[3:]}")

    @property
    def title(self):
        """The number and the question of the lesson."""
        return f"{self.path.stem[:2]}: {self.notebook.cells[0].source.splitlines()[0][2:]}"

    @property
    def minutes(self):
        """The minutes of the lesson, of the exercises among them, and of the extra parts."""
        exercises = math.ceil(minutes_of(self.notebook)["exercises"])
        return stated_minutes(self.notebook), exercises, stated_extra(self.notebook)

    def called(self, pattern):
        """Give what follows in each code cell where `pattern` begins a line, in order."""
        for cell in self.notebook.cells:
            if cell.cell_type == "code":
                yield from re.findall(pattern, cell.source, re.MULTILINE)

    def blocks(self):
        """Give the name and the argument of each generated part that its page must have."""
        yield "clock", ""
        yield from (("question", name) for name in self.called(r'^(?:ask|judge)\("(.+)"\)'))
        yield from (("positions", name) for name in self.called(r"\b(explore_\w+)\("))
        yield from (("solution", name) for name in self.called(r"^lesson\.(check_\w+)\("))

    def front(self):
        """Return the front matter and the heading of the page."""
        minutes, exercises, extra = self.minutes
        lines = [f'title: "{self.title}"', f"teaching: {minutes - exercises}"]
        lines += [f"exercises: {exercises}", *([f"extra: {extra}"] if extra else [])]
        heading = f"# [{self.title}](../notebooks/{self.path.name})"
        return "\n".join(["---", *lines, "---", heading, ""])

    def clock(self):
        """Return the parts of the lesson as a table, with a running clock."""
        parts = list(_parts(self.notebook))
        own = _closed([part for part in parts if not part[0].startswith("Extra: ")])
        spent = [sum(minutes_of(_notebook(cells)).values()) for _, cells in own]
        *ends, _ = [_clock(minutes) for minutes in accumulate(spent)]
        last = f"{self.minutes[0]}:00"
        rows = [
            f"| {begin} | {end} | {_link(self.path, heading)} | {_events(cells)} |"
            for begin, end, (heading, cells) in zip(
                ["0:00", *ends], [*ends, last], own, strict=True
            )
        ]
        for heading, cells in parts:
            if heading.startswith("Extra: "):
                minutes = sum(minutes_of(_notebook(cells), extra=True).values())
                rows.append(
                    f"| – | {_clock(minutes)} more | {_link(self.path, heading)} "
                    f"| {_events(cells)} |"
                )
        return "\n".join(["| from | to | part | in it |", "| --- | --- | --- | --- |", *rows])

    def question(self, name):
        """Return a question with the lesson's reply to each choice, or sentences to judge."""
        is_judged = name in self.called(r'^judge\("(.+)"\)')
        shown = _sentences(judge(name)) if is_judged else _choices(ask(name).question)
        part = self.part_of(rf'^(ask|judge)\("{name}"\)')
        return f"### {part} (`{name}`)\n\n{shown}"

    def positions(self, name):
        """Return the named positions of an explorer."""
        labels = _labels(getattr(self.module, name, None) or getattr(explorers, name))
        rows = [
            f"| **{_cell(place.name)}** | {_cell(_values(place.values, labels))} "
            f"| {_cell(place.says)} |"
            for place in self.positions_of(name)
        ]
        table = "\n".join(["| press | controls | what to see |", "| --- | --- | --- |", *rows])
        part = self.part_of(rf"\b{name}\(")
        return f"### {part} (`{name}`)\n\n{table}"

    def part_of(self, pattern):
        """Return the heading of the first part whose code has `pattern` in it."""
        return next(
            heading
            for heading, cells in _parts(self.notebook)
            if re.search(pattern, _code(cells), re.MULTILINE)
        )

    def positions_of(self, name):
        """Return the positions that a cell gives an explorer, or that it gives itself."""
        (cell,) = [c.source for c in self.notebook.cells if f"{name}(" in c.source]
        explore = getattr(self.module, name, None)
        names = re.findall(r"positions=lesson\.(\w+)", cell)
        found = [getattr(self.module, given) for given in names] or _globals_of(explore)
        return next((value for value in found if _are_positions(value)), ())

    def solution(self, name):
        """Return the solution of an exercise, as the lesson gives it, below the exercise's name."""
        (at,) = [
            n
            for n, cell in enumerate(self.notebook.cells)
            if cell.cell_type == "code" and f"lesson.{name}(" in cell.source
        ]
        before, _, after = (cell.source for cell in self.notebook.cells[at - 1 : at + 2])
        title = re.search(
            r"^(?:## (?:Extra: )?|\*\*)((?:Exercise\b|\d).*?)\.?(?:\*\*|$)", before, re.MULTILINE
        )
        answer = re.sub(r"<details><summary>Solution</summary>|</details>", "", after).strip()
        return f"### {title[1]}\n\n{answer}"


@cache
def lessons():
    """Return every lesson, by the name of its page."""
    return {f"{path.stem}.md": Lesson(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}


def filled(text, lesson):
    """Return the text of a page with its generated parts as `lesson` has them now."""

    def made(match):
        begin, kind, name, end = match.groups()
        if (kind, name) not in lesson.blocks():
            raise ValueError(f"Remove `{kind} {name}` from the page: {lesson.path.stem} has none.")
        return f"{begin}{getattr(lesson, kind)(*[name] if name else [])}\n{end}"

    return FRONT.sub(lambda _: lesson.front(), MADE.sub(made, text), count=1)


def overview():
    """Return the table of the lessons: page, question, minutes."""
    rows = [
        "| page | question | minutes | exercises among them | extra |",
        "| --- | --- | --- | --- | --- |",
    ]
    for page, lesson in lessons().items():
        number, question = lesson.title.split(": ", 1)
        minutes, exercises, extra = lesson.minutes
        rows.append(
            f"| [{number}]({page}) | {question} | {minutes} | {exercises} | {extra or ''} |"
        )
    return "\n".join(rows)


def filled_overview(text):
    """Return the text of the overview with its table as the lessons have it now."""
    return MADE.sub(lambda match: f"{match[1]}{overview()}\n{match[4]}", text)


def _parts(notebook):
    """Give the heading and the cells of each part; what stands before the first is the scene."""
    heading, cells = "", []
    for cell in notebook.cells:
        for piece in _pieces(cell):
            if piece.cell_type == "markdown" and piece.source.startswith("## "):
                yield heading, cells
                heading, cells = piece.source.splitlines()[0][3:], []
            cells.append(piece)
    yield heading, cells


def _pieces(cell):
    """Return a cell, cut where a new part begins within it."""
    if cell.cell_type == "code":
        return [cell]
    texts = re.split(r"^(?=## )", cell.source, flags=re.MULTILINE)
    return [nbformat.v4.new_markdown_cell(text) for text in texts if text]


def _closed(parts):
    """Return the parts with those from the first closing one on as a single one."""
    at = [heading for heading, _ in parts].index(CLOSING)
    return [*parts[:at], (CLOSING, [cell for _, cells in parts[at:] for cell in cells])]


def _code(cells):
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def _notebook(cells):
    return nbformat.v4.new_notebook(cells=cells)


def _clock(minutes):
    """Return minutes as m:ss, to the half minute."""
    whole, half = divmod(round(2 * minutes), 2)
    return f"{whole}:{30 * half:02}"


def _link(path, heading):
    """Return a link to a part, as Jupyter names it; the scene has no heading of its own."""
    if not heading:
        return f"[The scene](../notebooks/{path.name})"
    anchor = heading.replace("`", "").replace(" ", "-").replace("?", "%3F")
    return f"[{_cell(heading)}](../notebooks/{path.name}#{anchor})"


def _events(cells):
    """Return what happens in a part, in a few words."""
    source = _code(cells)
    if cells[0].source.startswith(f"## {CLOSING}"):
        return "to the end"
    asked = [f"asks `{name}`" for name in re.findall(r'^ask\("(.+)"\)', source, re.MULTILINE)]
    asked += [f"judges `{name}`" for name in re.findall(r'^judge\("(.+)"\)', source, re.MULTILINE)]
    moved = [f"explorer `{name}`" for name in re.findall(r"\b(explore_\w+)\(", source)]
    checked = [
        f"exercise `{name}`" for name in re.findall(r"^lesson\.(check_\w+)\(", source, re.MULTILINE)
    ]
    return ", ".join([*asked, *moved, *checked])


def _choices(question):
    rows = []
    for n, (choice, answer) in enumerate(zip(question.choices, question.answers, strict=True)):
        letter = LETTERS[n] + ("&nbsp;✔" if n == question.right else "")
        rows.append(f"| {letter} | {_cell(choice)} | {_cell(answer)} |")
    table = ["| | choice | the lesson replies |", "| --- | --- | --- |", *rows]
    return "\n".join([f"> {question.text}", "", *table])


def _sentences(judged):
    rows = [
        f"| {_cell(question.text)} | {question.choices[question.right]} "
        f"| {_cell(_sentence(question.answers[0]))} |"
        for question in judged.questions
    ]
    return "\n".join(["| sentence | it is | the lesson replies |", "| --- | --- | --- |", *rows])


def _sentence(reply):
    """Return why a sentence is true or false, without "The sentence is …"."""
    why = re.sub(r"^The sentence is \w+[:,] ", "", reply)
    return why[0].upper() + why[1:]


def _labels(explore):
    """Return what stands on the screen beside each control, by its name."""
    used = [explore, *map(explore.__globals__.get, explore.__code__.co_names)]
    own = [one for one in used if getattr(one, "__module__", "") == explore.__module__]
    source = "".join(map(inspect.getsource, own))
    return dict(re.findall(r'"(\w+)": labelled_\w+\(\s*"([^"]+)"', source))


def _values(values, labels):
    """Return the controls' values as they stand on the screen."""
    said = []
    for name, value in values.items():
        if isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, tuple):
            value = " ".join(value)
        said.append(f"{labels.get(name, name.replace('_', ' '))}: {value}")
    return "; ".join(said)


def _globals_of(function):
    """Give the global values that a function uses, and that a class of the same module does."""
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        yield value
        if isinstance(value, type) and value.__module__ == function.__module__:
            yield from _globals_of(value.__init__)


def _are_positions(value):
    return isinstance(value, (tuple, list)) and {type(one) for one in value} == {Position}


def _cell(text):
    """Return text that may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def main(names):
    """Write the generated parts of the pages that `names` begin, or of all, and the overview."""
    for page, lesson in lessons().items():
        if not names or page.startswith(tuple(names)):
            _write(PAGES / page, lambda text, lesson=lesson: filled(text, lesson))
    _write(PAGES / "README.md", filled_overview)


def _write(path, change):
    before = path.read_text(encoding="utf-8")
    after = change(before)
    if after != before:
        path.write_text(after, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main(sys.argv[1:])
