"""Learners' and teachers' notebooks are made of the lessons; one of each is run."""

import copy
import re
from pathlib import Path

import nbformat
import pytest

from helpers.exercises import ask, judge
from tools import editions
from tools.editions import SOLUTION, for_learners, for_teachers, with_replies
from tools.store import deciding_cells, find_complaints, run

LESSONS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
SHORT = LESSONS[0]  # runs in a few seconds


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def folded(notebook):
    return [cell for cell in notebook.cells if "jupyter" in cell.metadata]


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_learners_see_no_answer_and_no_solution(path):
    stored = read(path)
    made = for_learners(copy.deepcopy(stored))
    nbformat.validate(made)
    assert [cell for cell in made.cells if cell.source.startswith(SOLUTION)] == []
    solutions = [cell for cell in stored.cells if cell.source.startswith(SOLUTION)]
    assert solutions
    assert len(made.cells) == len(stored.cells) - len(solutions)
    for cell in deciding_cells(made):
        assert cell.outputs == []
        assert "jupyter" not in cell.metadata  # nothing is left to be folded
    others = {cell.id: cell.outputs for cell in code(made) if cell.outputs}
    assert folded(made) == []
    shown = {cell.id for cell in code(stored) if cell.outputs}
    assert set(others) < shown
    asked = {cell.id for cell in code(stored) if cell.source.startswith(("ask(", "judge("))}
    set_up = {cell.id for cell in code(stored)[:1]}
    assert set(others) >= (asked | set_up) & shown


def test_no_later_picture_of_a_part_answers_its_question_for_learners():
    cells = [
        nbformat.v4.new_markdown_cell("## A part"),
        nbformat.v4.new_code_cell("before"),
        nbformat.v4.new_code_cell('ask("five-pasts")'),
        nbformat.v4.new_code_cell("decides"),
        nbformat.v4.new_markdown_cell("In a picture:"),
        nbformat.v4.new_code_cell("shows"),
        nbformat.v4.new_markdown_cell("So much.\n\n## Another part"),
        nbformat.v4.new_code_cell("after"),
    ]
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text=cell.source)]
    made = for_learners(nbformat.v4.new_notebook(cells=cells))
    left = [cell.source for cell in made.cells if cell.cell_type == "code" and cell.outputs]
    assert left == ["before", 'ask("five-pasts")', "after"]


def test_solutions_may_stay_folded():
    stored = read(SHORT)
    made = for_learners(copy.deepcopy(stored), solutions="folded")
    assert [cell.source for cell in made.cells] == [cell.source for cell in stored.cells]


def test_the_learners_edition_runs_and_its_kernel_does_not_warn_of_plain_text(tmp_path, capfd):
    file = tmp_path / SHORT.name
    nbformat.write(for_learners(read(SHORT)), file)
    done = run(file)
    assert "without encryption" not in capfd.readouterr().err
    assert find_complaints(done) == []
    for cell in code(done):
        if "exercise" in cell.metadata.get("tags", []):
            assert printed(cell).strip().endswith("Not answered yet.")


def test_the_teachers_edition_has_its_solutions_run_and_hides_nothing(tmp_path):
    made = for_teachers(read(SHORT))
    nbformat.validate(made)
    solved = [cell for cell in made.cells if "solution" in cell.metadata.get("tags", [])]
    assert [printed(cell).strip() for cell in solved] == ["Right."] * len(solved)
    assert len(solved) == len([c for c in read(SHORT).cells if c.source.startswith(SOLUTION)])
    assert not any("jupyter" in cell.metadata for cell in made.cells)
    asks = [i for i, cell in enumerate(made.cells) if cell.source.startswith("ask(")]
    assert asks
    assert all(made.cells[i + 1].source.count("✔") == 1 for i in asks)
    file = tmp_path / SHORT.name
    nbformat.write(made, file)
    assert find_complaints(run(file)) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_teachers_see_each_reply_below_its_question(path):
    made = with_replies(read(path))
    nbformat.validate(made)
    asks = [i for i, cell in enumerate(made.cells) if re.match(r"(ask|judge)\(", cell.source)]
    assert asks
    for at in asks:
        kind, name = re.match(r'(\w+)\("(.+)"\)', made.cells[at].source).groups()
        rows = re.findall(r"^- ([✔✘]) \*\*(.+?)\*\* (.+)$", made.cells[at + 1].source, re.MULTILINE)
        if kind == "ask":
            asked = ask(name).question
            assert rows == [
                ("✔" if n == asked.right else "✘", *words)
                for n, words in enumerate(zip(asked.choices, asked.answers, strict=True))
            ]
        else:
            sentences = judge(name).questions
            assert [row[1:] for row in rows] == [(s.text, s.answers[0]) for s in sentences]
            marks = [
                "✔" if s.answers[0].startswith("The sentence is true") else "✘" for s in sentences
            ]
            assert [row[0] for row in rows] == marks


def test_a_solution_that_its_check_rejects_is_reported():
    notebook = read(SHORT)
    (first, *_) = [cell for cell in notebook.cells if cell.source.startswith(SOLUTION)]
    stub = next(c for c in code(notebook) if "exercise" in c.metadata.get("tags", []))
    first.source = f"{SOLUTION}\n\n```python\n{stub.source}\n```\n\n</details>"
    with pytest.raises(SystemExit, match="Its check does not say that it is right"):
        for_teachers(notebook)


def test_an_edition_has_what_its_lessons_read_and_link_to(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(editions, "ROOT", LESSONS[0].parent.parent)
    monkeypatch.setattr(editions, "EDITIONS", tmp_path / "editions")
    monkeypatch.setattr(editions, "for_teachers", lambda notebook: notebook)  # was run above
    editions.main(["--progress"])
    for edition in ("learners", "teachers"):
        notebooks = tmp_path / "editions" / edition / "notebooks"
        assert len(list(notebooks.glob("*.ipynb"))) == len(LESSONS)
        for path in notebooks.glob("*.ipynb"):
            text = path.read_text(encoding="utf-8")
            for link in set(re.findall(r"\.\./[\w/.]*\w", text)):
                assert (notebooks / link).exists(), link
    assert (tmp_path / "editions/learners/notebooks/progress.json").read_text() == "{}\n"
    assert not (tmp_path / "editions/teachers/notebooks/progress.json").exists()


def test_a_name_that_no_lesson_has_is_refused(capsys):
    with pytest.raises(SystemExit):
        editions.main(["99"])
    assert "no lesson has a name that begins with: 99" in capsys.readouterr().err
