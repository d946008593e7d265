"""The structure: what imports what, how large the files are, and what loads TensorFlow."""

import ast
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import helpers

HERE = Path(helpers.__file__).parent
CORE = sorted(HERE.glob("*.py"))
LESSONS = sorted((HERE / "lessons").glob("*.py"))
# In the order of imports: each imports only from those before it.
ORDER = [
    "check",
    "data",
    "windows",
    "plots",
    "numbers",
    "quiet",
    "recurrence",
    "models",
    "engine",
    "training",
    "probes",
    "pages",
    "explorers",
    "progress",
    "exercises",
    "lessons",
]
LONG = {
    "helpers/models.py:build_rnn": "one check a parameter, then the layers one after another",
}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def texts(call):
    """The strings in the arguments of a call."""
    return [n.value for n in ast.walk(call) if isinstance(n, ast.Constant) and type(n.value) is str]


def lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def name(path):
    return path.relative_to(HERE.parent).as_posix()


def imported_modules(path):
    """The modules of helpers that a file imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            yield node.module.split(".")[1]


def test_the_map_names_every_module_in_the_order_of_imports():
    listed = [line.split("  ")[0] for line in helpers.__doc__.splitlines() if "  " in line]
    assert listed == ORDER
    assert {path.stem for path in CORE} - {"__init__", "server"} == {*ORDER} - {"lessons"}


@pytest.mark.parametrize("path", CORE, ids=name)
def test_imports_point_one_way(path):
    if path.stem in ORDER:
        before = ORDER[: ORDER.index(path.stem)]
        assert set(imported_modules(path)) <= set(before)


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_a_lesson_imports_no_other_lesson(path):
    assert "lessons" not in imported_modules(path)


def test_imports_stand_at_the_top_of_a_file():
    for path in HERE.rglob("*.py"):
        for function in ast.walk(tree(path)):
            if isinstance(function, (ast.FunctionDef, ast.Lambda)):
                inside = [
                    n for n in ast.walk(function) if isinstance(n, (ast.Import, ast.ImportFrom))
                ]
                assert inside == [], f"{name(path)}: {getattr(function, 'name', 'lambda')}"


def test_private_names_stay_in_their_module():
    for path in HERE.rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom):
                assert not [a.name for a in node.names if a.name.startswith("_")], name(path)


def test_the_core_is_small_enough_to_be_read_in_an_evening():
    assert sum(map(lines, CORE)) <= 3014  # 2,700, numbers, saved pages and progress


def test_the_core_has_few_public_names():
    public = [
        node.name
        for path in CORE
        for node in tree(path).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    assert len(public) <= 90


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_a_lesson_fits_on_a_few_screens(path):
    assert lines(path) <= 430


def test_the_lesson_on_own_data_stays_within_its_folder():
    assert sum(map(lines, (HERE / "lessons" / "choose_your_steps").glob("*.py"))) <= 1416


def test_what_a_position_says_is_plain_text():
    """It is shown as it stands: marks for code and emphasis would be, too."""
    for path in HERE.rglob("*.py"):
        for call in ast.walk(tree(path)):
            name = getattr(getattr(call, "func", None), "id", "")
            if name in ("Position", "_position"):
                marked = [t for t in texts(call) if "`" in t or re.search(r"\*\w", t)]
                assert marked == [], path.name


def code_lines(function):
    """Count a function's lines of code: no docstring, comments, blanks, nor functions inside."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    found = set()
    parts = list(function.body[has_docstring:])
    for part in parts:
        if not isinstance(part, ast.FunctionDef):
            parts += ast.iter_child_nodes(part)
            if hasattr(part, "lineno"):
                found |= {part.lineno, part.end_lineno}
    return len(found)


def test_a_function_of_more_than_25_lines_has_a_reason():
    long = {
        f"{name(path)}:{function.name}"
        for path in [*CORE, *LESSONS]
        for function in ast.walk(tree(path))
        if isinstance(function, ast.FunctionDef) and code_lines(function) > 25
    }
    assert long == set(LONG)


def test_importing_helpers_loads_neither_tensorflow_nor_widgets():
    program = "import helpers, helpers.windows, helpers.data, helpers.plots, sys\n"
    program += "print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"helpers", "helpers.plots"} <= set(loaded)
    assert not {"tensorflow", "keras", "ipywidgets", "matplotlib.pyplot"} & set(loaded)


def test_loading_tensorflow_says_nothing():
    program = "from helpers import training; print('loaded')"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("loaded\n", "")


def test_a_home_that_cannot_be_written_to_is_no_matter():
    homes = {"HOME": "/dev/null/nobody", "USERPROFILE": "/dev/null/nobody"}
    elsewhere = {"MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"}
    variables = {n: value for n, value in os.environ.items() if n not in elsewhere} | homes
    program = "import helpers.plots; print('loaded')"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=variables
    )
    assert (ran.stdout, ran.stderr) == ("loaded\n", "")


_LEFT = "Object was never used (type <class TensorArray>)"


def test_what_an_interrupt_left_unfinished_is_not_said_below_a_later_cell():
    log = logging.getLogger("tensorflow")  # set up by conftest
    said, left = (logging.makeLogRecord({"msg": f"…\n{words}"}) for words in ("wrong", _LEFT))
    assert log.filter(said)
    assert not log.filter(left)
