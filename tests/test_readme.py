"""What the README shows is what the repository does."""

import contextlib
import io
import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GLOSSARY = ROOT / "docs" / "glossary.md"
TERMS = re.findall(
    r"^\| \*\*(.+?)\*\* \| .+ \| \[\d+\]\((.+?)\) \|$",
    GLOSSARY.read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
FOLDERS = ("*.md", "docs/*.md", "teaching/**/*.md", "benchmarks/*.md")
PAGES = [path for folder in FOLDERS for path in sorted(ROOT.glob(folder))]
QUESTIONS = re.findall(
    r"^\| (.+[?]) \| (.+) \|$",
    README.split("## Questions\n")[1].split("\n## ")[0],
    flags=re.MULTILINE,
)


def markdown_of(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def anchors(text):
    """What Jupyter calls the headings of a text, for links: spaces become hyphens."""
    headings = re.findall(r"^#+ (.+?)\s*$", text, flags=re.MULTILINE)
    return [heading.replace("`", "").replace(" ", "-") for heading in headings]


def test_the_example_prints_what_the_readme_says():
    (example,) = re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", README, flags=re.DOTALL)
    code, answer = example
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == answer
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 10


def slugs(text):
    """What GitHub calls the headings of a page: small letters, hyphens, no other marks."""
    headings = re.findall(r"^#+ (.+?)\s*$", text, flags=re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


@cache
def headings_of(target):
    if target.suffix == ".ipynb":
        return anchors(markdown_of(target))
    return slugs(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_into_the_repository_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not heading or headings_of(target).count(unquote(heading)) == 1, link


def test_each_question_leads_to_a_part_of_a_lesson():
    assert len(QUESTIONS) >= 30
    assert all(re.search(r"\]\(notebooks/\w+\.ipynb#.+\)", parts) for _, parts in QUESTIONS)


def part(file, heading):
    """A part of a lesson, code and stored errors too, by its heading as a link names it."""
    cells = json.loads((ROOT / file).read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) + json.dumps(c.get("outputs", [])) for c in cells)
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return next(p for p in parts if anchors("# " + p.splitlines()[0]) == [unquote(heading)])


def test_what_a_question_names_in_code_stands_where_it_leads_to():
    """An old argument, or a method: `Dataset.window` stands in code as `made.window`."""
    for question, links in QUESTIONS:
        places = re.findall(r"\]\((notebooks/\w+\.ipynb)#(.+?)\)", links)
        text = "\n".join(part(*place) for place in places)
        for code in re.findall(r"`([^`]+)`", question):
            name = re.sub(r"^\w+(?=\.\w)", "", code)
            assert name in text, question


def test_the_glossary_is_short_sorted_and_says_where_each_word_comes_first():
    words = [word for word, _ in TERMS]
    rows = GLOSSARY.read_text(encoding="utf-8").count("\n| ") - 2  # heading and rule
    assert 0 < len(words) == rows <= 30
    assert words == sorted(words)
    for word, link in TERMS:
        lesson = (GLOSSARY.parent / link).resolve()
        earlier = [path for path in sorted(lesson.parent.glob("*.ipynb")) if path < lesson]
        stem = word.removesuffix("s")
        assert stem in markdown_of(lesson), word
        assert not any(re.search(rf"\*\*{stem}", markdown_of(path)) for path in earlier), word


def test_the_table_names_every_lesson_in_order():
    lessons = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert re.findall(r"^\| \[\w+\]\(notebooks/(.+?)\)", README, flags=re.MULTILINE) == lessons


def test_the_table_gives_each_lesson_s_question_and_minutes():
    rows = re.findall(r"\]\((notebooks/.+?)\) \| (.+?) \| (\d+) \|$", README, flags=re.MULTILINE)
    assert rows
    for file, question, minutes in rows:
        first = re.match(r"# (.+)\n[^#]*?\*\*(\d+) minutes", markdown_of(ROOT / file))
        assert first.groups() == (question, minutes), file


def test_every_make_command_exists():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = re.findall(r"\bmake (\w+)", README)
    assert {"lab", "test"} <= set(commands) <= set(targets)
