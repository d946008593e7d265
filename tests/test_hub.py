"""The configuration of a class's server, and the page of what was measured.

A hub itself is started by `make hub-test`: it needs Node.js, and minutes.
"""

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from traitlets.config import Config

from tools import hub_test

ROOT = Path(__file__).parent.parent
FILE = ROOT / "teaching" / "hub" / "jupyterhub_config.py"


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A function that gives the configuration that JupyterHub would read."""
    monkeypatch.setenv("LESSONS_CLASS", str(tmp_path / "class"))
    monkeypatch.setenv("LESSONS_PASSWORD", "steps-and-windows")
    monkeypatch.setenv("LESSONS_EDITION", str(ROOT))

    def read(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(f"LESSONS_{name}", value)
        config = Config()
        names = {"get_config": lambda: config, "__file__": str(FILE)}
        exec(compile(FILE.read_text(encoding="utf-8"), FILE, "exec"), names)
        return config

    return read


def test_it_serves_this_machine_alone_unless_it_is_told_otherwise(configured):
    assert configured().JupyterHub.bind_url == "http://127.0.0.1:8000"
    there = configured(ADDRESS="0.0.0.0", PORT="8100").JupyterHub.bind_url
    assert there == "http://0.0.0.0:8100"


def test_there_is_no_password_that_everybody_knows(configured, monkeypatch):
    assert configured().SharedPasswordAuthenticator.user_password == "steps-and-windows"
    with pytest.raises(SystemExit, match="8 characters or more"):
        configured(PASSWORD="short")
    monkeypatch.delenv("LESSONS_PASSWORD")
    with pytest.raises(KeyError):
        configured()
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "PASSWORD=steps" not in make


@pytest.mark.parametrize(
    "name", ["..", ".", "../ada", "a/b", "", ".hub", "-x", "a b", "a" * 33, "ada/..", "ada\n"]
)
def test_a_name_cannot_lead_out_of_the_folder_of_the_class(configured, name):
    pattern = configured().Authenticator.username_pattern
    assert not re.match(pattern, name)
    assert re.match(pattern, "ada-2")


def test_a_learner_gets_the_lessons_once_and_keeps_what_they_changed(configured, tmp_path):
    hand_out = configured().Spawner.pre_spawn_hook
    spawner = SimpleNamespace(user=SimpleNamespace(name="ada"))
    hand_out(spawner)
    notebooks = tmp_path / "class" / "ada" / "notebooks"
    lessons = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert sorted(path.name for path in notebooks.glob("*.ipynb")) == lessons
    for path in notebooks.glob("*.ipynb"):
        for link in set(re.findall(r"\.\./[\w/.]*\w", path.read_text(encoding="utf-8"))):
            assert (notebooks / link).exists(), link
    assert (notebooks / "progress.json").read_text() == "{}\n"
    (notebooks / lessons[0]).write_text("changed")
    (notebooks / "progress.json").write_text('{"name": "Ada"}')
    (notebooks / lessons[1]).unlink()  # is given again
    hand_out(spawner)
    assert (notebooks / lessons[0]).read_text() == "changed"
    assert (notebooks / "progress.json").read_text() == '{"name": "Ada"}'
    assert (notebooks / lessons[1]).exists()


def test_it_opens_the_first_lesson_that_the_class_has(configured, tmp_path):
    assert configured().Spawner.default_url == "/lab/tree/notebooks/00_which_steps.ipynb"
    (tmp_path / "edition" / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "03_masking.ipynb", tmp_path / "edition" / "notebooks")
    there = configured(EDITION=str(tmp_path / "edition")).Spawner.default_url
    assert there == "/lab/tree/notebooks/03_masking.ipynb"


def test_memory_is_limited_where_the_system_can(configured, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert configured(MEMORY_GIB="1.5").Spawner.cmd[:2] == ["prlimit", f"--data={3 * 2**29}"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert configured().Spawner.cmd[1:] == ["-m", "jupyterhub.singleuser"]


@pytest.mark.skipif(sys.platform == "win32", reason="JupyterHub does not run on Windows")
def test_servers_outlive_a_restart_of_the_hub(configured):
    assert configured().JupyterHub.cleanup_servers is False


FOUND = [
    {
        "learners": n,
        "server": [3.0] * n,
        "live": [10.0 * n, *[8.0] * (n - 1)],
        "ended": [30.0] * n,
        "keys": [60.0, 900.0],
        "private": [400.0] * n,
        "shared": [450.0] * n,
        "used": [20.0] * n,
        "hub": 100.0,
        "again": ["ada"] if n == 5 else [],
        "load": 2.0,
    }
    for n in (1, 5)
]


def test_the_page_gives_median_and_slowest_of_each_number_of_learners():
    page = hub_test.describe(FOUND, {"A fault": "What was seen."})
    heads, rule, *_ = [line for line in page.splitlines() if line.startswith("| ")]
    assert heads.count("|") == rule.count("|") == 10
    assert "| 5 | 3 (3) | 8 (50) | 30 (30) | 480 (900) | 400 | 450 | 20 | 2.0 |" in page
    assert "- **A fault.** What was seen." in page
    assert "In 1 of 6 pages no kernel" in page


def test_the_picture_shows_every_value_that_was_measured():
    waits, keys, memory = hub_test.draw(FOUND).axes
    assert [len(line.get_xdata()) for line in waits.lines] == [6, 6]
    assert [len(line.get_xdata()) for line in keys.lines] == [4]
    assert memory.get_ylim()[1] > 1.1 * 450  # no marker is cut off
    assert sorted(set(memory.lines[0].get_xdata())) == [1, 5]
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in (waits, keys, memory))
