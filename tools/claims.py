"""Print which claims hold on which versions of Keras: ``python tests/claims_table.py``.

One column for what is installed, and one each, in an environment of its own below
``.venv/claims``, for the oldest and the newest versions that pyproject.toml admits and for the
newest pre-release. An environment that cannot be made, for want of a network for instance, is
said to be so. The first run downloads a few gigabytes.
"""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import tomllib
import traceback
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACE = ROOT / ".venv" / "claims"
BESIDES = ["numpy", "pytest"]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
MINUTE = 60


def main():
    """Run the claims everywhere, print the table, and return whether all hold on what is here."""
    columns = {"installed": run_claims(sys.executable)}
    for name, steps in environments().items():
        print(f"Making the environment of the {name} versions …", file=sys.stderr, flush=True)
        try:
            python = make_environment(PLACE / name, steps)
        except (OSError, subprocess.SubprocessError) as problem:
            columns[name] = {"problem": first_words(problem)}
        else:
            columns[name] = run_claims(python)
    print(table(columns))
    return set(columns["installed"].get("verdicts", {"": ""}).values()) <= {"holds"}


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
    """Run every claim with this Python; return its versions, verdicts and reasons."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        command = [python, __file__, "--into", report]
        options = {"env": os.environ | QUIET, "capture_output": True, "text": True}
        try:
            said = subprocess.run(command, check=False, timeout=20 * MINUTE, **options).stderr
        except (OSError, subprocess.SubprocessError) as problem:
            said = str(problem)
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    if not lines:
        return {"problem": first_words(said)}
    entries = [json.loads(line) for line in lines]
    return {"versions": entries[0]} | {
        f"{kind}s": {entry["claim"]: entry[kind] for entry in entries[1:]}
        for kind in ("statement", "verdict", "reason")
    }


def run_here(report):
    """Run every claim in this process and write what came of it, line by line."""
    from test_claims import CLAIMS

    versions = {name: version(name) for name in ("keras", "tensorflow", "numpy")}
    with Path(report).open("w", encoding="utf-8") as file:
        print(json.dumps(versions), file=file, flush=True)
        for identifier in CLAIMS:  # each is kept at once, for the case that the next one crashes
            entry = {"claim": identifier, "statement": CLAIMS[identifier].statement}
            print(json.dumps(entry | verdict(CLAIMS[identifier])), file=file, flush=True)


def verdict(claim):
    """Check one claim: it holds, it fails, or something else went wrong; say what and where."""
    try:
        claim.check()
    except (AssertionError, pytest.fail.Exception) as failed:  # the second from `pytest.raises`
        return {"verdict": "fails", "reason": place_of(failed)}
    except Exception as error:
        reason = f"{place_of(error)} – {type(error).__name__}: {first_words(error)}"
        return {"verdict": "error", "reason": reason}
    return {"verdict": "holds", "reason": ""}


def place_of(problem):
    """Return the line of the claim at which it stopped."""
    frames = traceback.extract_tb(problem.__traceback__)
    return [frame.line for frame in frames if Path(frame.filename).name == "test_claims.py"][-1]


def version(name):
    """Return the version of a package, which may be installed under its nightly name."""
    for package in (f"{name}-nightly", name):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return "missing"


def first_words(problem):
    """Return the first line of what went wrong that says anything, shortened."""
    text = getattr(problem, "stderr", None) or str(problem)
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return textwrap.shorten((errors or lines or ["nothing was said"])[0], 200)


def table(columns):
    """Return the table as text: the versions, a row a claim, and why a claim does not hold."""
    lines, statements = [], {}
    for name, column in columns.items():
        statements |= column.get("statements", {})
        versions = column.get("versions", {})
        told = ", ".join(f"{package} {number}" for package, number in versions.items())
        lines.append(f"{name:12} {told or 'not run: ' + column['problem']}")
    head = "".join(f"{name:13}" for name in columns)
    lines += ["", f"claim  {head}statement"]
    indent = " " * (7 + len(head))
    for identifier, statement in statements.items():
        row = (column.get("verdicts", {}).get(identifier, "–") for column in columns.values())
        begin = f"{identifier:7}" + "".join(f"{said:13}" for said in row)
        lines += textwrap.wrap(
            statement, len(indent) + 72, initial_indent=begin, subsequent_indent=indent
        )
    reasons = [
        f"{identifier:7}{name}: {reason}"
        for name, column in columns.items()
        for identifier, reason in column.get("reasons", {}).items()
        if column["verdicts"][identifier] != "holds"
    ]
    return "\n".join([*lines, "", *(reasons or ["Every claim holds wherever it was run."])])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--into"]:
        run_here(sys.argv[2])
    else:
        sys.exit(not main())
