"""Write docs/claims.md, what the lessons say of Keras and where it holds: ``make claims``.

The claims run on what is installed, and, in environments of their own below ``.venv/claims``, on
the oldest and the newest versions that pyproject.toml admits and on the newest pre-release. An
environment that cannot be made, for want of a network for instance, is said to be so. The first
run downloads a few gigabytes.
"""

import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "claims.md"
PLACE = ROOT / ".venv" / "claims"
BESIDES = ["numpy", "packaging", "pytest"]
MINUTE = 60
INTRO = f"""# What the lessons say of Keras

Each statement of a lesson about Keras is run as a check. Here they are, lesson by lesson, with the
verdict on each version. The checks stand in [tests/test_claims.py](../tests/test_claims.py), and
`make claims` runs them and writes this page: last on {datetime.date.today()}, with Python
{platform.python_version()} on {platform.system()}."""


class Column(NamedTuple):
    """What came of an environment: of each claim its words, the verdict and the reason."""

    versions: list
    results: dict
    problem: str = ""


def main():
    """Run the claims everywhere, write the page, and return whether none fails on what is here."""
    here = run_claims(sys.executable)
    columns = {"installed": here}
    for name, steps in environments().items():
        print(f"Making the environment of the {name} versions …", file=sys.stderr, flush=True)
        try:
            columns[name] = run_claims(make_environment(PLACE / name, steps))
        except subprocess.CalledProcessError as problem:
            columns[name] = Column([], {}, last_words(problem.stderr))
        except (OSError, subprocess.TimeoutExpired) as problem:
            columns[name] = Column([], {}, str(problem))
    PAGE.write_text(page(lessons(), columns), encoding="utf-8")
    return not here.problem and "fails" not in {verdict for _, verdict, _ in here.results.values()}


def environments():
    """Return, for each column, pip's arguments, one list a call."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [pin for pin in project["dependencies"] if re.match(r"(keras|tensorflow)\b", pin)]
    lowest = [re.sub(r">=\s*([\d.]+).*", r"==\1", pin) for pin in pins]
    return {
        "oldest": [["install", "--upgrade", *lowest, *BESIDES]],
        "newest": [["install", "--upgrade", *pins, *BESIDES]],
        "pre-release": [
            ["install", "--upgrade", "--pre", "tensorflow", *BESIDES],
            # Both packages fill the folder `keras`, so the released one goes first.
            ["uninstall", "--yes", "keras", "keras-nightly"],
            ["install", "--pre", "keras-nightly"],
        ],
    }


def make_environment(place, steps):
    """Make the virtual environment, or bring it up to date, and return its Python."""
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(place, with_pip=True, clear=True)
    for step in steps:
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *step]
        subprocess.run(pip, check=True, capture_output=True, text=True, timeout=30 * MINUTE)
    return python


def run_claims(python):
    """Run every claim with this Python, as far as it comes."""
    command = [python, Path(__file__).with_name("run_claims.py")]
    options = {"env": os.environ | {"KERAS_BACKEND": "tensorflow"}, "encoding": "utf-8"}
    run = subprocess.run(command, capture_output=True, timeout=20 * MINUTE, **options)
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('["')]
    versions, *entries = lines or [[]]
    problem = last_words(run.stderr) if run.returncode else ""
    return Column(versions, {name: tuple(rest) for name, *rest in entries}, problem)


def last_words(said):
    """Return pip's first error, or the last line that was said before it went wrong."""
    lines = said.strip().splitlines() or ["without a word"]
    return next((line for line in lines if line.startswith("ERROR")), lines[-1])


def lessons():
    """Give each lesson's title, its path from the page, and its claims, in their order."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        names = [name for cell in cells for name in cell["metadata"].get("claims", [])]
        title = cells[0]["source"][0].strip("# \n")
        yield title, f"../notebooks/{path.name}", list(dict.fromkeys(names))


def page(lessons, columns):
    """Return the page in Markdown: the versions, a table a lesson, and why a claim fails."""
    shown = []  # environments in which all is the same share a column
    for column in columns.values():
        if column.versions and column not in shown:
            shown.append(column)
    rows = [
        [", ".join(name for name in columns if columns[name] == column), *column.versions]
        for column in shown
    ]
    parts = [INTRO, table(["environment", "Keras", "TensorFlow", "NumPy"], rows)]
    parts += [f"Not all was run: {n}, {c.problem}" for n, c in columns.items() if c.problem]
    words = {name: row[0] for column in shown for name, row in column.results.items()}
    head = ["claim", "check", *(f"Keras {column.versions[0]}" for column in shown)]
    for title, link, claims in lessons:
        rows = [
            [
                words.get(name, name),
                f"`{name}`",
                *(c.results.get(name, ("", "not run"))[1] for c in shown),
            ]
            for name in claims
        ]
        parts += [f"## [{title}]({link})", table(head, rows)]
    return "\n\n".join([*parts, "## What fails", reasons(shown)]) + "\n"


def reasons(columns):
    """Return a list of what fails, in Markdown."""
    found = [
        f"- Keras {column.versions[0]}, `{name}`: `{reason}`"
        for column in columns
        for name, (_, verdict, reason) in column.results.items()
        if verdict == "fails"
    ]
    return "\n".join(found) or "Nothing, wherever it was run."


def table(head, rows):
    """Return a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


if __name__ == "__main__":
    sys.exit(not main())
