"""Learners' and teachers' notebooks from the lessons: ``python tools/editions.py [00 01 …]``.

They are written to build/editions, each edition with the files that its lessons read or link to.

- learners: questions unanswered, and what stands behind a question in its part without output. The
  solutions are left out, or stay folded with ``--solutions folded``.
- teachers: each question, and each sentence to judge, with its replies, each exercise with its
  solution, run; nothing hidden.

``--progress`` puts an empty progress.json beside the learners' notebooks: then a learner's first
choices and tries are kept in it.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

import nbformat
from nbconvert.preprocessors import TagRemovePreprocessor

from helpers.exercises import ask, judge
from tools.rehearse import sections
from tools.store import NOTEBOOKS, ROOT, clean, deciding_cells, find_complaints, run

EDITIONS = ROOT / "build" / "editions"
SOLUTION = "<details><summary>Solution</summary>"
BESIDE = ["docs/symptoms.md", "benchmarks/simulation.md", "LICENSE-lessons"]  # linked from lessons


def for_learners(notebook, *, solutions="out"):
    """Clear the outputs that may answer a question; leave solutions "out", or "folded"."""
    telling = [id(cell) for cell in [*deciding_cells(notebook), *_behind_questions(notebook)]]
    for cell in notebook.cells:
        if cell.metadata.pop("jupyter", None) or id(cell) in telling:  # folded, or to be
            _tag(cell, "answers-a-question")
        if cell.source.startswith(SOLUTION):
            _tag(cell, "solution")
        if cell.cell_type == "code":
            cell.execution_count = None
    strip = TagRemovePreprocessor(remove_all_outputs_tags={"answers-a-question"})
    strip.remove_cell_tags = {"solution"} if solutions == "out" else set()
    return strip.preprocess(notebook, {})[0]


def for_teachers(notebook):
    """Give questions and sentences their replies, exercises their solutions, run; hide nothing."""
    for cell in notebook.cells:
        cell.metadata.pop("jupyter", None)
        if cell.source.startswith(SOLUTION):
            (code,) = re.findall(r"```python\n(.*?)\n```", cell.source, re.DOTALL)
            cell.update(nbformat.v4.new_code_cell(code, metadata={"tags": ["solution"]}))
    _run_solutions(notebook)
    return with_replies(notebook)


def _behind_questions(notebook):
    """Give the code cells that follow a question in its part: a later picture may answer it too."""
    for part in sections(notebook):
        asks = [cell.source.startswith(("ask(", "judge(")) for cell in part]
        for n, cell in enumerate(part):
            if any(asks[:n]) and not asks[n]:
                yield cell


def with_replies(notebook):
    """Put below each question, and below the sentences to judge, what each answer is told."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if asked := re.match(r'(ask|judge)\("(.+)"\)', cell.source):
            rows = _asked(asked[2]) if asked[1] == "ask" else _judged(asked[2])
            cells.append(nbformat.v4.new_markdown_cell(_replies(rows)))
    notebook.cells = cells
    return notebook


def _tag(cell, tag):
    cell.metadata["tags"] = [*dict.fromkeys([*cell.metadata.get("tags", []), tag])]


def _asked(name):
    """Give each choice of a question: whether it is right, its words, the reply."""
    question = ask(name).question
    for n, choice in enumerate(zip(question.choices, question.answers, strict=True)):
        yield n == question.right, *choice


def _judged(name):
    """Give each sentence to judge: whether it is true, its words, the reply."""
    for question in judge(name).questions:
        yield question.choices[question.right] == "true", question.text, question.answers[0]


def _replies(rows):
    lines = [f"- {'✔' if right else '✘'} **{words}** {reply}" for right, words, reply in rows]
    head = "<details><summary>For teachers: the replies</summary>"
    return "\n".join([head, "", *lines, "", "</details>"])


def _run_solutions(notebook):
    """Run the solutions after the set-up cells alone, which is all that they need."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    set_up = [code[0], *(c for c in code[1:] if "set-up" in c.metadata.get("tags", []))]
    solved = [cell for cell in code if "solution" in cell.metadata.get("tags", [])]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "solutions.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[*set_up, *solved]), file)
        done = run(file)
    clean(done)
    complaints = find_complaints(done)
    for cell, ran in zip(solved, done.cells[len(set_up) :], strict=True):
        cell.outputs, cell.execution_count = ran.outputs, None
        if "Right." not in "".join(output.get("text", "") for output in ran.outputs):
            complaints.append(f"Its check does not say that it is right:\n{cell.source}")
    if complaints:
        raise SystemExit("\n".join(["A solution fails:", *complaints]))


def write(path, edition, make):
    """Write the edition of the lesson at `path` that `make` makes."""
    folder = EDITIONS / edition / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    made = make(nbformat.read(path, as_version=4))
    nbformat.validate(made)
    nbformat.write(made, folder / path.name)


def add_what_lessons_read(edition):
    """Put beside an edition's notebooks what a lesson reads or links to."""
    shutil.copytree(
        ROOT / "helpers" / "datasets",
        EDITIONS / edition / "helpers" / "datasets",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in BESIDE:
        (EDITIONS / edition / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, EDITIONS / edition / name)


def main(arguments=None):
    """Write both editions of the lessons that the names begin, or of every lesson."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--solutions", choices=["out", "folded"], default="out")
    parser.add_argument("--progress", action="store_true")
    options = parser.parse_args(arguments)
    lessons = [
        path
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        if not options.names or path.stem.startswith(tuple(options.names))
    ]
    if not lessons:
        parser.error(f"no lesson has a name that begins with: {' '.join(options.names)}")
    shutil.rmtree(EDITIONS, ignore_errors=True)  # it is all made from the lessons
    for path in lessons:
        write(path, "learners", lambda nb: for_learners(nb, solutions=options.solutions))
        write(path, "teachers", for_teachers)
        print(f"{path.stem}: learners', teachers'", flush=True)
    for edition in ("learners", "teachers"):
        add_what_lessons_read(edition)
    if options.progress:
        (EDITIONS / "learners" / "notebooks" / "progress.json").write_text("{}\n")
    print(f"Written to {EDITIONS}")


if __name__ == "__main__":
    main()
