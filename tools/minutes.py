"""How many minutes a lesson takes: ``python tools/minutes.py [00 01 …]``.

Prose at 150 words a minute, 4 s a line of code, 50 s a question with its reply, 25 s a sentence to
judge, 3.5 min an explorer, 4 min an exercise, and what a cell's metadata say one waits for it,
`"wait": seconds`. So counted, lessons 01 to 05 took what five readers with a clock took for them.

A part whose heading begins with `## Extra: ` is left out of the lesson's minutes and counted by
itself; the first cell then says "**30 minutes**, and 12 more for what is marked as extra".
"""

import math
import re
import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
WORDS_A_MINUTE = 150
SECONDS = {"line": 4, "question": 50, "sentence": 25, "explorer": 210, "exercise": 240}


def minutes_of(notebook, *, extra=False):
    """Return the minutes of a lesson, or of its extra parts, by what they are spent on."""
    found = {"prose": 0.0, "code": 0.0, "questions": 0.0, "explorers": 0.0, "exercises": 0.0}
    found["waits"] = 0.0
    for cell in _cells(notebook, extra):
        if cell.cell_type == "markdown":
            if not cell.source.startswith("<details><summary>Solution"):
                found["prose"] += _words(cell.source) / WORDS_A_MINUTE
            continue
        found["waits"] += cell.metadata.get("wait", 0) / 60
        if "exercise" in cell.metadata.get("tags", []):
            found["exercises"] += SECONDS["exercise"] / 60
            continue
        questions = len(re.findall(r"^ask\(", cell.source, re.MULTILINE))
        sentences = 6 * len(re.findall(r"^judge\(", cell.source, re.MULTILINE))
        found["questions"] += questions * SECONDS["question"] / 60
        found["questions"] += sentences * SECONDS["sentence"] / 60
        explorers = len(re.findall(r"\bexplore_\w+\(", cell.source))
        found["explorers"] += explorers * SECONDS["explorer"] / 60
        if not questions and not sentences:
            lines = [line for line in cell.source.splitlines() if line.strip()]
            found["code"] += len(lines) * SECONDS["line"] / 60
    return found


def stated_minutes(notebook):
    """Return the minutes that a lesson's first cell states."""
    return int(re.search(r"\*\*(\d+) minutes", notebook.cells[0].source)[1])


def stated_extra(notebook):
    """Return the minutes that a lesson's first cell states for its extra parts, or 0."""
    found = re.search(r"and (\d+) more for what is marked as extra", notebook.cells[0].source)
    return int(found[1]) if found else 0


def _cells(notebook, extra):
    """Give the cells of the extra parts, or all others."""
    is_extra = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            is_extra = cell.source.startswith("## Extra: ")
        if is_extra == extra:
            yield cell


def _words(text):
    text = re.sub(r"```.*?```|<[^>]+>|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    return len(re.findall(r"\w[\w'’.-]*", text))


def main(names):
    """Print the minutes of the lessons that `names` begin, or of every lesson."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not names or path.stem.startswith(tuple(names)):
            notebook = nbformat.read(path, as_version=4)
            found = minutes_of(notebook)
            parts = ", ".join(f"{part} {minutes:.1f}" for part, minutes in found.items())
            total = math.ceil(sum(found.values()))
            extra = math.ceil(sum(minutes_of(notebook, extra=True).values()))
            stated = f"{stated_minutes(notebook)} and {stated_extra(notebook)}"
            print(f"{path.stem}: {total} minutes, {extra} extra, states {stated} ({parts})")


if __name__ == "__main__":
    main(sys.argv[1:])
