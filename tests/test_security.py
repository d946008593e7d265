"""At home: nothing is connected to, evaluated, unpickled, or written where nobody asked."""

import ast
import re
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
import pytest

import helpers
from helpers import explorers, plots
from helpers.lessons import choose_your_steps
from tools import soak

HERE = Path(helpers.__file__).parent
FILES = sorted(HERE.rglob("*.py"))
# What runs text, reads objects from bytes, starts programs or reaches other machines.
NAMES = {"eval", "exec", "compile", "__import__", "breakpoint"}
MODULES = {
    *("pickle", "marshal", "shelve", "joblib", "dill", "subprocess", "multiprocessing", "ctypes"),
    *("socket", "ssl", "urllib", "http", "requests", "ftplib", "smtplib", "webbrowser", "runpy"),
}
MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
EVENTS = re.compile(
    r"socket\.(connect|sendto|getaddrinfo|bind)|pickle\.find_class|subprocess\.Popen|os\.(system|exec)"
    r"|os\.(remove|rename|rmdir|mkdir|chmod|link|symlink)|shutil\.|urllib\.Request|ctypes\.dlopen"
)
_watched = None


def _watch(event, arguments):
    if _watched is not None:
        writes = (
            event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        )
        if writes or EVENTS.match(event):
            _watched.append((event, str(arguments[0])))


@contextmanager
def watched():
    """Give a list of what happens, by Python's own audit events, that needs a reason."""
    global _watched
    if not getattr(sys, "_lessons_are_watched", False):
        sys.addaudithook(_watch)  # it cannot be taken away
        sys._lessons_are_watched = True
    _watched = found = []
    try:
        yield found
    finally:
        _watched = None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HERE).as_posix())
def test_no_helper_can_evaluate_unpickle_or_connect(path):
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.func.id] if node.func.id in NAMES else []
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in MODULES]
        if isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").split(".")[0] in MODULES else []
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "safe_mode", "engine"):
            found += [node.arg] if getattr(node.value, "value", None) in (True, "python") else []
        if isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "system", "popen"):
            found.append(node.attr)
    assert found == []


@pytest.fixture(scope="module")
def world():
    return soak.soak_world()


def test_explorers_connect_to_nothing_and_write_nothing(world):
    made = ["explore_windows", "explore_state", "explore_steps"]
    for name in made:  # what is loaded and compiled once is another matter
        eval(soak.EXPLORERS[name], world)
    with watched() as found:
        for name in made:
            explorer = eval(soak.EXPLORERS[name], world)
            soak.move(explorer, np.random.default_rng(0))
    assert found == []


def test_reading_a_file_writes_nothing(tmp_path):
    path = tmp_path / "values.csv"
    path.write_text("when,value\n" + "".join(f"2024-01-{d:02},{d % 5}\n" for d in range(1, 29)))
    with watched() as found:
        table = choose_your_steps.read_table(path)
        roles = choose_your_steps.guess_roles(table)
        choose_your_steps.describe_reading(table, roles)
        choose_your_steps.make_sequences(table, roles.values)
    assert found == []


def test_the_watch_sees_what_must_not_be(tmp_path):
    with watched() as found:
        (tmp_path / "left").write_text("behind")
        tempfile.mkdtemp(dir=tmp_path)
        pd.to_pickle([1], tmp_path / "p")
    assert [event for event, _ in found] == ["open", "os.mkdir", "open"]


def _values(widget):
    """Give what a page takes for HTML; a status is set as text, by `textContent`."""
    if isinstance(widget, widgets.HTML):
        yield widget.value
    for child in getattr(widget, "children", ()):
        yield from _values(child)


def _html(explorer):
    return " ".join(_values(explorer))


def test_names_cannot_inject_markup_into_an_explorer():
    figure = plots.new_axes()[0].figure
    here = explorers.Position(MARKUP, MARKUP, {"n": 2})
    controls = {"n": explorers.labelled_slider("n", 1, 1, 3)}
    made = explorers.Explorer(figure, controls, lambda n: MARKUP + str(n), positions=[here])
    (button,) = soak.looks(made)
    button.click()
    shown = _html(made)
    assert shown.count("&lt;script&gt;") == 1  # the alt text; readout and "Look at this" are text
    script = Path(explorers.__file__).with_name("status.js").read_text(encoding="utf-8")
    assert ".textContent = model.get(" in script
    assert "innerHTML" not in script
    assert "<script" not in shown
    assert "<img src=x" not in shown


def test_files_columns_and_units_cannot_inject_markup(tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.csv"
    rows = "".join(f'{d},"{MARKUP.replace(chr(34), "")}",{d * 7 % 5}\n' for d in range(120))
    path.write_text("t,<script>alert(3)</script>,<b>$value$\n" + rows)
    table = choose_your_steps.read_table(path)
    sequences = choose_your_steps.make_sequences(table, [table.columns[-1]])
    task = choose_your_steps.forecast_task(sequences.sequences)
    shown = _html(choose_your_steps.explore_steps(task, unit=MARKUP))
    assert "<script" not in shown
    assert "<img src=x" not in shown
    assert "<b>" not in shown
