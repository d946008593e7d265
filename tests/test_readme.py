"""What the README shows is what the repository does."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(([^)#\s]+)\)", README)


def test_the_example_prints_what_the_readme_says():
    (example,) = re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", README, flags=re.DOTALL)
    code, answer = example
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == answer
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 10


@pytest.mark.parametrize("link", [link for link in LINKS if "://" not in link])
def test_every_link_into_the_repository_leads_somewhere(link):
    assert (ROOT / link).exists()


def test_the_table_names_every_lesson_in_order():
    lessons = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert re.findall(r"^\| .*?\]\(notebooks/(.+?)\)", README, flags=re.MULTILINE) == lessons


def test_every_make_command_exists():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = re.findall(r"\bmake (\w+)", README)
    assert {"lab", "test"} <= set(commands) <= set(targets)
