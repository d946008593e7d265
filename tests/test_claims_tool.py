"""The page of `make claims`: what it asks pip for, and how it says what came of it."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.specifiers import SpecifierSet

from tools import claims, run_claims
from tools.claims import Column


def test_the_oldest_and_newest_versions_are_those_that_pyproject_admits():
    calls = claims.environments()
    (oldest,), (newest,), before = calls["oldest"], calls["newest"], calls["pre-release"]
    assert {"keras==3.15", "tensorflow==2.21"} <= set(oldest)
    assert {"keras>=3.15,<3.16", "tensorflow>=2.21,<2.23"} <= set(newest)
    assert before[-1] == ["install", "--pre", "keras-nightly"]


def claim(check, keras=""):
    return run_claims.CLAIMS["rows_do_not_mix"]._replace(check=check, keras=SpecifierSet(keras))


def test_a_claim_holds_fails_or_does_not_apply():
    def raises_nothing():
        with pytest.raises(ValueError, match="never"):
            pass

    def breaks():
        raise TypeError("no such argument")

    checks = [lambda: None, raises_nothing, breaks]
    found = [run_claims.judge(claim(check)) for check in checks]
    assert [verdict for verdict, _ in found] == ["holds", "fails", "fails"]
    assert found[2][1].endswith("TypeError: no such argument")
    assert run_claims.judge(claim(breaks, "<3.0")) == ("does not apply", "")


def test_a_claim_that_fails_names_its_line(monkeypatch):
    def rounds(*args, **options):
        return False

    monkeypatch.setattr(run_claims.np, "allclose", rounds)
    verdict, reason = run_claims.judge(run_claims.CLAIMS["each_call_starts_from_zeros"])
    assert verdict == "fails"
    assert reason.startswith("assert np.allclose(h, fresh(")
    assert " – AssertionError" in reason


def test_each_claim_is_printed_with_its_words_and_versions(monkeypatch, capsys):
    some = {"a": claim(lambda: None), "b": claim(lambda: None, "<3.0")}
    monkeypatch.setattr(run_claims, "CLAIMS", some)
    run_claims.main()
    versions, *entries = map(json.loads, capsys.readouterr().out.splitlines())
    assert versions[0] == run_claims.keras.__version__
    words = some["a"].statement
    assert entries == [
        ["a", words, "holds", ""],
        ["b", f"Keras <3.0: {words}", "does not apply", ""],
    ]


@pytest.fixture
def ended(monkeypatch):
    """A function that has every process end as it is told."""

    def end(stdout, stderr, returncode):
        run = SimpleNamespace(stdout=stdout, stderr=stderr, returncode=returncode)
        monkeypatch.setattr(subprocess, "run", lambda *args, **options: run)

    return end


def test_what_was_said_before_the_end_is_kept(ended):
    said = '["3.15.1", "2.21.0", "2.4.6"]\nEpoch 1\n["a", "It is.", "holds", ""]\n'
    result = {"a": ("It is.", "holds", "")}
    ended(said, "a line of TensorFlow", 0)
    assert claims.run_claims("python") == Column(["3.15.1", "2.21.0", "2.4.6"], result)
    ended(said, "a line of TensorFlow\nSegmentation fault\n", -11)
    assert claims.run_claims("python") == Column(
        ["3.15.1", "2.21.0", "2.4.6"], result, "Segmentation fault"
    )
    ended("", "", 1)
    assert claims.run_claims("python") == Column([], {}, "without a word")


LESSONS = [("One?", "../notebooks/00_one.ipynb", ["a", "b"]), ("Two?", "two", ["b", "c"])]
OLD = {
    "a": ("It is.", "holds", ""),
    "b": ("Keras <3.16: So it is.", "holds", ""),
    "c": ("It was.", "fails", "assert 1 == 2"),
}
NEW = {"a": ("It is.", "holds", ""), "b": ("Keras <3.16: So it is.", "does not apply", "")}


def test_the_page_has_a_table_a_lesson_and_a_column_for_what_differs():
    old, new = ["3.15.1", "2.21.0", "2.4.6"], ["3.16.0.dev1", "2.22.0rc0", "2.4.6"]
    columns = {"installed": Column(old, OLD), "oldest": Column([], {}, "ERROR: No route")}
    columns |= {"newest": Column(old, OLD), "pre-release": Column(new, NEW, "Killed")}
    lines = claims.page(LESSONS, columns).splitlines()
    assert "| installed, newest | 3.15.1 | 2.21.0 | 2.4.6 |" in lines
    assert "Not all was run: oldest, ERROR: No route" in lines
    assert "Not all was run: pre-release, Killed" in lines
    start = lines.index("## [One?](../notebooks/00_one.ipynb)")
    assert [line for line in lines[start:] if line] == [
        "## [One?](../notebooks/00_one.ipynb)",
        "| claim | check | Keras 3.15.1 | Keras 3.16.0.dev1 |",
        "| --- | --- | --- | --- |",
        "| It is. | `a` | holds | holds |",
        "| Keras <3.16: So it is. | `b` | holds | does not apply |",
        "## [Two?](two)",
        "| claim | check | Keras 3.15.1 | Keras 3.16.0.dev1 |",
        "| --- | --- | --- | --- |",
        "| Keras <3.16: So it is. | `b` | holds | does not apply |",
        "| It was. | `c` | fails | not run |",
        "## What fails",
        "- Keras 3.15.1, `c`: `assert 1 == 2`",
    ]


@pytest.mark.parametrize(("result", "holds"), [(NEW, True), (OLD, False)])
def test_without_a_network_the_page_says_so(result, holds, tmp_path, monkeypatch):
    def no_network(*args):
        raise subprocess.CalledProcessError(1, "pip", stderr="WARNING: x\nERROR: No route\nmore")

    monkeypatch.setattr(claims, "PAGE", tmp_path / "claims.md")
    monkeypatch.setattr(claims, "make_environment", no_network)
    monkeypatch.setattr(claims, "run_claims", lambda python: Column(["3.15.1"], result))
    assert claims.main() == holds
    assert claims.PAGE.read_text(encoding="utf-8").count(", ERROR: No route\n") == 3


def test_each_lesson_is_found_with_its_title_and_its_claims():
    found = list(claims.lessons())
    assert [title[-1] for title, _, _ in found] == ["?"] * len(found)
    assert all((claims.PAGE.parent / link).exists() for _, link, _ in found)
    assert {name for _, _, names in found for name in names} == set(run_claims.CLAIMS)


def test_a_python_that_is_not_there_is_an_error_of_its_own():
    with pytest.raises(OSError, match="no-such-python"):
        claims.run_claims(Path("no-such-python"))
