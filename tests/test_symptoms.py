"""The page of symptoms: it names every case of the clinic, and each quick test runs there."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parent.parent
CLINIC = ("09_clinic_state", "10_clinic_padding")
PAGE = (ROOT / "docs" / "symptoms.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| What", "| ---"))
]


def parts():
    """The text of each case, by its notebook and its heading as a link names it."""
    found = {}
    for name in CLINIC:
        text = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
        whole = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
        for part in re.split(r"^## ", whole, flags=re.MULTILINE)[1:]:
            heading = part.splitlines()[0]
            if heading.startswith("Extra: ") or heading[0].isdigit():
                found[name, heading.replace(" ", "-")] = part
    return found


PARTS = parts()


def test_every_row_has_symptom_cause_test_fix_and_place():
    assert len(ROWS) >= 20
    assert all(len(row) == 5 and all(row) for row in ROWS)


def test_each_case_is_on_the_page_and_each_place_is_a_case():
    places = re.findall(r"\]\(\.\./notebooks/(\w+)\.ipynb#(.+?)\)", PAGE)
    assert {(name, unquote(heading)) for name, heading in places} == set(PARTS)


def test_a_place_is_called_as_its_case_is():
    for label, heading in re.findall(r"\[\d\d, (\w+)\]\([^#]+#(.+?)\)", PAGE):
        assert label == (heading[0] if heading[0].isdigit() else "extra"), heading


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_the_quick_test_stands_in_the_lesson(row):
    (place,) = re.findall(r"/(\w+)\.ipynb#(.+?)\)", row[4])
    code = re.findall(r"`([^`]+)`", row[2].partition(" after ")[0])
    assert code
    assert all(part in PARTS[place] for part in code if part != "x")


@pytest.mark.parametrize("name", CLINIC)
def test_each_case_begins_at_home_and_has_a_quick_test_and_a_fix(name):
    for (lesson, heading), part in PARTS.items():
        if lesson == name:
            assert "**At home**: " in part, heading
            assert "uick test" in part or "one test" in part, heading
            assert "fix" in part or "**Exercise" in part or "`Dense(25)`" in part, heading


@pytest.mark.parametrize("name", CLINIC)
def test_the_clinic_leads_to_the_page(name):
    text = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    assert "(../docs/symptoms.md)" in text
