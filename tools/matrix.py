"""Run the tests on what people have, and write the table in the README: ``make matrix``.

Each column is an environment of its own below ``.venv/matrix``, made from nothing where it is
missing: a Python and the versions of Keras and TensorFlow. A Python that is not here is said to be
so. The first run downloads a few gigabytes. ``--quick`` runs the tests of arrays and models only,
``--wide`` those of the whole package, without notebooks, lessons and browser.
"""

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PLACE = ROOT / ".venv" / "matrix"
BEGIN, END = "<!-- what make matrix saw -->", "<!-- end of what make matrix saw -->"
HEAD = ["Python", "TensorFlow", "Keras", "Seen", "On"]
HOUR = 3600
QUICK = ["windows", "models", "recurrence"]
WIDE = [*QUICK, "training", "probes", "plots", "pages", "exercises", "explorers", "claims"]
SHOWN = "import keras, tensorflow as tf; print(tf.__version__, keras.__version__)"


class Stack(NamedTuple):
    """A Python, and what is asked of pip beside the project's own list."""

    python: str
    tensorflow: str = ""
    keras: str = ""


STACKS = [
    Stack("3.11"),
    Stack("3.12"),
    Stack("3.13"),
    Stack("3.13", "tensorflow>=2.22.0rc0,<2.23"),
    Stack("3.11", "tensorflow==2.20.*", "keras==3.13.*"),
    Stack("3.11", "tensorflow==2.19.*", "keras==3.10.*"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", dest="tests", action="store_const", const=QUICK, default=[])
    parser.add_argument("--wide", dest="tests", action="store_const", const=WIDE)
    parser.add_argument("--only", default="", help="part of a stack's words, such as 2.19")
    options = parser.parse_args()
    rows = {}
    for stack in STACKS:
        if options.only in " ".join(stack):
            rows[stack] = seen(stack, options.tests)
            print(" | ".join(rows[stack]), flush=True)
    text = README.read_text(encoding="utf-8")
    README.write_text(updated(text, list(rows.values())), encoding="utf-8")
    return all(is_good(row[3]) for row in rows.values())


def seen(stack, tests):
    """Return a row of the table."""
    today = str(datetime.date.today())
    wanted = [re.sub(r"^\w+[=>]=|\.\*$|,.*", "", each) for each in (stack.tensorflow, stack.keras)]
    try:
        python = make_environment(stack)
        shown = subprocess.run([python, "-c", SHOWN], capture_output=True, text=True, check=True)
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2"]
        command += [f"tests/test_{test}.py" for test in tests]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3 * HOUR)
        return [stack.python, *shown.stdout.split(), summary(ran.stdout, tests), today]
    except FileNotFoundError as problem:
        return [stack.python, *wanted, str(problem), today]
    except subprocess.CalledProcessError as problem:
        lines = (problem.stderr or "without a word").strip().splitlines()
        return [stack.python, *wanted, lines[-1].replace("|", "/"), today]
    except subprocess.TimeoutExpired:
        return [stack.python, *wanted, f"not done after {3 * HOUR} s", today]


def summary(said, tests):
    """Return pytest's last count, and which tests it ran."""
    counts = [line for line in said.splitlines() if re.search(r"\d+ \w+.* in [\d.]+s", line)]
    found = re.findall(r"\d+ (?:passed|failed|skipped|errors?)", " ".join(counts[-1:]))
    found.sort(key=lambda words: "passed" not in words)
    return f"{', '.join(found) or 'nothing ran'} ({', '.join(tests) or 'all tests'})"


def is_good(shown):
    """Return whether a summary tells of tests of which none failed."""
    return bool(re.match(r"\d+ passed(, \d+ skipped)? \(", shown))


def make_environment(stack):
    """Make the stack's virtual environment where it is missing, and return its Python."""
    place = PLACE / "-".join(re.sub(r"[^\w.]", "", each) for each in stack if each)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (place / ".made").exists():
        base = find_python(stack.python)
        run = {"check": True, "capture_output": True, "text": True, "timeout": HOUR}
        subprocess.run([base, "-m", "venv", "--clear", place], **run)
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, *packages(stack)], **run)
        (place / ".made").touch()
    return python


def packages(stack):
    """Return the project's list, with the stack's TensorFlow and Keras in place of its own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    other = {package(each): each for each in (stack.tensorflow, stack.keras) if each}
    return [other.get(package(each), each) for each in listed]


def package(requirement):
    """Return the name of the package in a requirement."""
    return re.match(r"[\w-]+", requirement)[0]


def find_python(version):
    """Return a Python of this version: the one that runs this, one on the path, or pyenv's."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    found = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    others = sorted(pyenv.glob(f"{version}.*/bin/python"))
    if not found and not others:
        raise FileNotFoundError(f"no Python {version} is here")
    return others[-1] if others else found


def updated(text, rows):
    """Return the README with these rows in its table, each in the place of its stack's last."""
    before, _, after = text.partition(BEGIN)
    table, _, after = after.partition(END)
    kept = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    merged = {_key(row): row for row in [*kept, *rows]}
    lines = [HEAD, ["---"] * len(HEAD), *merged.values()]
    shown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}"


def _key(row):
    return row[0], *(".".join(version.split(".")[:2]) for version in row[1:3])


if __name__ == "__main__":
    sys.exit(not main())
