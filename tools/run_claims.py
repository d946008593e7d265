"""Run every claim of the lessons with this Python, for ``tools/claims.py``; print a line each.

A line is printed as soon as its claim has run, for the case that the next one ends the process.
"""

import json
import sys
import textwrap
import traceback
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from test_claims import CLAIMS, keras, np, tf


def main():
    """Print the versions, then of each claim its name, its words, the verdict and the reason."""
    print(json.dumps([module.__version__ for module in (keras, tf, np)]), flush=True)
    for name, claim in CLAIMS.items():
        words = f"Keras {claim.keras}: {claim.statement}" if claim.keras else claim.statement
        print(json.dumps([name, words, *judge(claim)]), flush=True)


def judge(claim):
    """Return what is to say of a claim here, and the reason where it fails."""
    if not claim.is_about(keras.__version__):
        return "does not apply", ""
    try:
        claim.check()
    except (Exception, pytest.fail.Exception) as problem:  # the second is none of the first
        frames = traceback.extract_tb(problem.__traceback__)
        lines = [frame.line for frame in frames if Path(frame.filename).name == "test_claims.py"]
        said = traceback.format_exception_only(problem)[0]
        return "fails", textwrap.shorten(" – ".join([*lines[-1:], said]), 200)
    return "holds", ""


if __name__ == "__main__":
    main()
