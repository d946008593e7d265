"""The table of `make claims`: what it asks pip for, and how it says what came of it."""

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def claims_table():
    spec = importlib.util.spec_from_file_location("claims_table", TESTS / "claims_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def claims(monkeypatch, claims_table):
    """Three claims instead of all of them: one holds, one fails, one cannot even be tried."""

    def fails():
        raise AssertionError

    def breaks():
        raise TypeError("no such argument\nand more")

    long = "It fails, in a sentence of more than seventy-two characters that is wrapped."
    claims = {
        "0.1": SimpleNamespace(statement="It holds.", check=lambda: None),
        "0.2": SimpleNamespace(statement=long, check=fails),
        "0.3": SimpleNamespace(statement="It breaks.", check=breaks),
    }
    monkeypatch.setitem(sys.modules, "test_claims", SimpleNamespace(CLAIMS=claims))
    monkeypatch.setattr(claims_table, "place_of", lambda problem: "assert 1 == 2")
    return claims


def test_the_oldest_and_newest_versions_are_those_that_pyproject_admits(claims_table):
    calls = claims_table.environments()
    (oldest,), (newest,), before = calls["oldest"], calls["newest"], calls["pre-release"]
    assert {"keras==3.15", "tensorflow==2.21"} <= set(oldest)
    assert {"keras>=3.15,<3.16", "tensorflow>=2.21,<2.22"} <= set(newest)
    assert before[-1] == ["install", "--pre", "keras-nightly"]


def test_a_claim_holds_fails_or_breaks(claims_table, claims):
    found = [claims_table.verdict(claim) for claim in claims.values()]
    assert [entry["verdict"] for entry in found] == ["holds", "fails", "error"]
    assert found[1]["reason"] == "assert 1 == 2"
    assert found[2]["reason"].endswith("TypeError: no such argument")


def test_each_claim_is_written_down_as_it_ends(claims_table, claims, tmp_path):
    claims_table.run_here(tmp_path / "report")
    versions, *entries = map(json.loads, (tmp_path / "report").read_text("utf-8").splitlines())
    assert versions["keras"] == version("keras")
    assert [entry["claim"] for entry in entries] == list(claims)
    assert entries[0] == {
        "claim": "0.1",
        "statement": "It holds.",
        "verdict": "holds",
        "reason": "",
    }


def test_the_table_has_a_row_a_claim_and_says_what_could_not_be_made(claims_table, claims):
    found = {identifier: claims_table.verdict(claim) for identifier, claim in claims.items()}
    here = {
        "versions": {"keras": "3.15.1"},
        "statements": {identifier: claim.statement for identifier, claim in claims.items()},
        "verdicts": {identifier: entry["verdict"] for identifier, entry in found.items()},
        "reasons": {identifier: entry["reason"] for identifier, entry in found.items()},
    }
    lines = claims_table.table(
        {"installed": here, "oldest": {"problem": "no network"}}
    ).splitlines()
    assert lines[:2] == ["installed    keras 3.15.1", "oldest       not run: no network"]
    assert lines[3].split() == ["claim", "installed", "oldest", "statement"]
    assert lines[4].split(maxsplit=3) == ["0.1", "holds", "–", "It holds."]
    assert lines[5].split()[:3] == ["0.2", "fails", "–"]
    assert lines[6].strip() == "wrapped."
    assert lines[-2:] == [
        "0.2    installed: assert 1 == 2",
        "0.3    installed: assert 1 == 2 – TypeError: no such argument",
    ]


def test_without_a_network_the_table_says_so(claims_table, claims, monkeypatch, capsys):
    def no_network(*args, **options):
        raise subprocess.CalledProcessError(1, "pip", stderr="WARNING: x\nERROR: No route\n")

    here = {"versions": {"keras": "3.15.1"}, "verdicts": {"0.1": "holds"}, "reasons": {"0.1": ""}}
    monkeypatch.setattr(claims_table, "make_environment", no_network)
    monkeypatch.setattr(claims_table, "run_claims", lambda python: here)
    assert claims_table.main()
    printed = capsys.readouterr().out
    assert printed.count("not run: ERROR: No route") == 3


def test_the_column_of_a_python_without_keras_says_why(claims_table, tmp_path):
    found = claims_table.run_claims(Path(sys.executable).parent / "no-such-python")
    assert "no-such-python" in found["problem"]
