"""What ``make rehearse`` must notice, with a notebook of three cells, and one lesson."""

import errno
import random
from contextlib import ExitStack

import nbformat
import pytest

from tools import rehearse
from tools.rehearse import Ended, Fault, Kernel, Lesson, Place, wrong_with

# In a fresh kernel, top to bottom, nothing is wrong with it. In every other way, one line is.
SET_UP = "import os, sys, time\nfrom pathlib import Path\nfile = Path(os.environ['MADE_UP'])"
FIRST = """kept = globals().get("kept", 0) + 1
hoard = (globals().get("hoard") or []) + [b"x" * 60_000_000]
print(kept, "run")"""
SECOND = """if file.exists():
    print("half done", file=sys.stderr)
file.touch()
time.sleep(1.2)
file.unlink()
print(kept, "above, in a kernel:", "ipykernel" in sys.modules)"""
STORED = ["", "1 run\n", "1 above, in a kernel: True\n"]
FOUND = {
    "twice": ["says '2 run'", "says '2 above", "MB more"],
    "order": ["NameError: name 'kept'"],
    "restart": ["NameError: name 'kept'"],
    "interrupt": ["half done"],
    "script": ["in a kernel: False"],
}


def made_up(folder):
    """Write a notebook of three code cells, the second and third in parts of their own."""
    cells = [nbformat.v4.new_markdown_cell("# Why?")]
    for n, (source, said) in enumerate(zip([SET_UP, FIRST, SECOND], STORED, strict=True)):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{n}")
        cell.metadata["tags"] = ["nbval-check-output"]
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=said)] if said else []
        cells += [nbformat.v4.new_markdown_cell(f"## {n}")] if n else []
        cells.append(cell)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "made_up.ipynb")
    return folder / "made_up.ipynb"


@pytest.mark.parametrize("way", FOUND)
def test_each_way_finds_what_goes_wrong_in_it_alone(tmp_path, monkeypatch, way):
    monkeypatch.setenv("MADE_UP", str(tmp_path / "half-done"))
    lesson = Lesson(made_up(tmp_path))
    lesson.took = {"cell-2": 1.2} if way == "interrupt" else {}
    seed = next(n for n in range(9) if lesson.in_another_order(random.Random(n))[1].id == "cell-2")
    found = list(rehearse.rehearse(lesson, Fault(way), seed))
    assert len(found) == len(FOUND[way]), found
    for words, each in zip(FOUND[way], found, strict=True):
        assert words in each


def run_in(names, code):
    with ExitStack() as stack:
        place = Place(rehearse.ROOT, {})
        for name in names:
            place = rehearse.PLACES[name](place, stack)
        kernel = stack.enter_context(Kernel(place))
        return [kernel.run(each) for each in code]


def test_a_place_is_what_it_says():
    names = "odd path", "read-only", "offline", "no home", "full disk", "Turkish", "one core"
    code = [
        "from pathlib import Path\nPath('x').touch()",
        "import socket\nsocket.create_connection(('192.0.2.1', 9), 5)",
        "Path.home().mkdir(parents=True)",
        "import tempfile\nPath(tempfile.mkdtemp(), 'x').write_bytes(bytes(20_000))",
        "import helpers, locale, os\n"
        "print(Path.cwd(), helpers.__file__, locale.format_string('%.1f', 0.5))\n"
        "print(locale.getlocale()[0], os.sched_getaffinity(0))",
    ]
    *refused, last = run_in(names, code)
    assert "Salt-okunur" in refused[0].errors[0]  # Turkish for read-only
    for ended, name in zip(refused, ["EROFS", "ENETUNREACH", "ENOTDIR", "ENOSPC"], strict=True):
        assert f"[Errno {getattr(errno, name)}]" in ended.errors[0]
    said = rehearse.text_of(last.outputs)
    assert said.count("Übung für ä ñ 日本/rnn steps/") == 2
    assert said.endswith("0,5 tr_TR {0}")


def test_what_becomes_of_a_kernel_is_said(monkeypatch):
    monkeypatch.setattr(rehearse, "LIMIT", 1)
    code = ["import locale\nprint(locale.getpreferredencoding(False))", "while True: pass"]
    said, hangs = run_in(["C"], code)
    assert rehearse.text_of(said.outputs) == "ANSI_X3.4-1968"
    assert hangs.fate == "runs for more than 1 s"


def test_a_kernel_that_dies_is_a_finding():
    assert run_in([], ["import os\nos._exit(1)"])[0].fate == "the kernel died"


def cell_of(said, *tags):
    cell = nbformat.v4.new_code_cell("x", outputs=[stream(said)] if said else [])
    cell.metadata["tags"] = list(tags)
    return cell


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


ERROR = nbformat.v4.new_output("error", ename="ValueError", evalue="no")
PICTURE = nbformat.v4.new_output("display_data", data={"image/png": "", "text/plain": "<Figure 1>"})


@pytest.mark.parametrize(
    ("cell", "outputs", "words"),
    [
        (cell_of("0.5", "nbval-check-output"), [stream("0.5\n"), PICTURE], ""),
        (cell_of("0.5", "nbval-check-output"), [stream("0.4\n")], "says '0.4', stored is '0.5'"),
        (cell_of("1,234 took 0.5"), [stream("1,234 took 0.4")], ""),
        (cell_of("took 1,234 ms, 1,234s/step"), [stream("took 5 ms, 6s/step")], ""),
        (cell_of("1,234 took 0.5"), [stream("1,235 took 0.5")], "the prose states 1,234"),
        (cell_of(""), [ERROR], "ValueError: no"),
        (cell_of("", "raises-exception"), [ERROR], ""),
        (cell_of("", "raises-exception"), [], "raises no error"),
        (cell_of(""), [stream("oh", "stderr")], "writes to stderr: oh"),
        (cell_of("", "keeps-stderr"), [stream("oh", "stderr")], ""),
        (cell_of("1,234 took 0.5", "varies"), [stream("1,235 took 0.5")], ""),
    ],
)
def test_a_cell_must_end_as_it_is_stored(cell, outputs, words):
    wrong = wrong_with(cell, Ended(outputs), prose="It was 1,234.")
    assert words in wrong
    assert bool(wrong) == bool(words)


@pytest.mark.parametrize("path", sorted((rehearse.ROOT / "notebooks").glob("*.ipynb")))
def test_another_order_keeps_what_continues_behind_what_it_continues(path):
    lesson = Lesson(path)
    cells = lesson.in_another_order(random.Random(3))
    assert sorted(cell.id for cell in cells) == sorted(cell.id for cell in lesson.cells)
    assert [cell.id for cell in cells] != [cell.id for cell in lesson.cells]
    places = {cell.id: n for n, cell in enumerate(cells)}
    for part in lesson.parts:
        for n, cell in enumerate(part):
            if rehearse.tagged(cell, "continues"):
                assert all(places[above.id] < places[cell.id] for above in part[:n])


def test_what_is_found_ends_the_command_with_an_error(monkeypatch, capsys):
    def fails(lesson, place, rng):
        yield "cell: broken"

    monkeypatch.setitem(rehearse.WAYS, "once", fails)
    options = ["00", "--way", "once", "--places", "C", "--seed", "1"]
    assert not rehearse.main(options)
    said = capsys.readouterr().out
    assert "python -m tools.rehearse 00_which_steps --way once --places 'C' --seed 1" in said
    assert "cell: broken" in said
    monkeypatch.setitem(rehearse.WAYS, "once", lambda *_: iter(()))
    assert rehearse.main(options)


def test_a_lesson_runs_where_nothing_is_as_usual():
    places = "odd path", "read-only", "offline", "no home", "Turkish"
    lesson = Lesson(rehearse.ROOT / "notebooks" / "11_forecast.ipynb")
    lesson.cells = [*lesson.set_up, *lesson.parts[1]]  # the others take longer
    assert list(rehearse.rehearse(lesson, Fault("once", places))) == []
