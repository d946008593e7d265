"""How the lessons are stored, and that each exercise tells a stub from a solution.

That every cell runs, and prints what is stored, is for nbval to check.
"""

import builtins
import math
import re
import symtable
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from helpers.exercises import ask
from tools.minutes import minutes_of, stated_extra, stated_minutes
from tools.rehearse import sections
from tools.store import deciding_cells

LESSONS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


NEW_FORM = LESSONS  # all are in the form that the tests below hold


@pytest.fixture(params=NEW_FORM, ids=lambda path: path.stem)
def new_form(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def tagged(notebook, tag):
    return [
        index for index, cell in enumerate(notebook.cells) if tag in cell.metadata.get("tags", [])
    ]


def test_there_are_lessons():
    assert [path.stem for path in LESSONS] == [
        "00_which_steps",
        "01_fixed_steps",
        "02_reach",
        "03_masking",
        "04_speakers",
        "05_full_sequence",
        "06_steps_argument",
        "07_keras_state",
        "08_mask_microscope",
        "09_clinic_state",
        "10_clinic_padding",
        "11_forecast",
        "12_choose_your_steps",
        "13_serving",
        "14_two_levels",
        "15_ahead",
    ]


def test_every_cell_was_run_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_stored_without_widgets_errors_and_warnings(notebook):
    """But for errors and warnings that are what the lesson is about."""
    assert "widgets" not in notebook.metadata
    for cell in code_cells(notebook):
        tags = cell.metadata.get("tags", [])
        for output in cell.outputs:
            assert output.output_type != "error" or "raises-exception" in tags
            assert output.get("name") != "stderr" or "keeps-stderr" in tags
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})


def test_stored_with_pictures_that_have_words(notebook):
    """An explorer's are its own; a plain picture has them as "alt" in its cell's metadata."""
    words = [
        cell.metadata.get("alt") or output.data["text/plain"]
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert words
    assert [said for said in words if len(said) < 20 or not said.endswith(".")] == []


def test_no_path_of_a_machine(notebook):
    assert not re.search(r"/(root|home|Users|tmp|work)/|ipykernel_|[A-Z]:\\\\", str(notebook))


def test_cells_are_short_and_hold_what_a_learner_would_type(new_form):
    for cell in code_cells(new_form):
        lines = cell.source.splitlines()
        assert len(lines) <= 12, cell.source
        assert max(map(len, lines)) <= 79, cell.source
        assert not re.search(r"^\s*(assert|try|except)\b|warnings\.", cell.source, re.MULTILINE)


def test_the_set_up_cells_are_written_alike(new_form):
    source = new_form.cells[1].source
    imports, rest = source.split("\n\n")
    first, *lines = imports.splitlines()
    assert first == "# helpers first: it loads TensorFlow without its start-up lines"
    ours = [line for line in lines if line.startswith("from helpers")]
    assert ours == sorted(ours, key=lambda line: line.split()[1])
    assert lines[: len(ours)] == ours
    rest = rest.removesuffix(
        "\n# an error in one line (%xmode Context shows where)\n%xmode Minimal"
    )  # where one is shown
    assert rest == 'keras.utils.set_random_seed(0)\nprint("Keras", keras.__version__)'


def test_the_answer_to_a_question_is_stored_collapsed_and_its_verdict_folded(new_form):
    deciding = deciding_cells(new_form)
    assert deciding
    for cell in deciding:
        assert cell.metadata["jupyter"] == {"outputs_hidden": True}, cell.source
        after = new_form.cells[new_form.cells.index(cell) + 1]
        assert after.source.startswith("<details><summary>What happened</summary>"), cell.source


def test_what_is_tagged_as_an_answer_further_down_is_stored_collapsed(new_form):
    for cell in code_cells(new_form):
        if "answers-a-question" in cell.metadata.get("tags", []):
            assert cell.metadata.get("jupyter") == {"outputs_hidden": True}, cell.source


@pytest.mark.parametrize("path", NEW_FORM, ids=lambda p: p.stem)
def test_the_first_line_of_a_collapsed_output_gives_nothing_away(path):
    """JupyterLab shows it in the placeholder: the words of an explorer, too."""
    for cell in code_cells(nbformat.read(path, as_version=4)):
        if "jupyter" in cell.metadata:
            first = cell.outputs[0]
            assert first.output_type == "stream", cell.source
            assert not re.search(r"[:=]\s*\S|\d\.\d", first.text.splitlines()[0]), cell.source


def test_what_is_asked_is_asked_alone_and_shown_after_it_was_answered(new_form):
    for cell in code_cells(new_form):
        if re.search(r"^(ask|judge)\(", cell.source, re.MULTILINE):
            assert len(cell.source.splitlines()) == 1


def test_the_lessons_end_alike(new_form):
    headings = re.findall(r"^## (.+)$", markdown(new_form), flags=re.MULTILINE)
    assert headings[-3:] == ["What to keep", "You may have read", "Next"]


def test_what_you_may_have_read_is_quoted_in_bold_and_judged(new_form):
    (read,) = (c.source for c in new_form.cells if c.source.startswith("## You may have read"))
    heading, blank, *entries = read.splitlines()
    assert (heading, blank) == ("## You may have read", "")
    for entry in entries:
        assert re.fullmatch(r'- \*\*".+[.?!]"\*\* [A-Z].+', entry), entry
        assert entry.count("**") == 2, entry


def test_nothing_follows_a_fold_in_its_cell(new_form):
    """What a reader is to see stands in a cell of its own, not below what may stay closed."""
    for cell in new_form.cells:
        if cell.source.startswith("<details>"):
            beside = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
            assert not beside.strip(), cell.source


def test_the_minutes_are_honest(new_form):
    minutes = math.ceil(sum(minutes_of(new_form).values()))
    assert stated_minutes(new_form) == minutes <= 30
    assert stated_extra(new_form) == math.ceil(sum(minutes_of(new_form, extra=True).values()))


def test_extra_parts_are_left_out_of_the_minutes_and_counted_by_themselves():
    words = "word " * 150  # a minute
    first = "# Q?\n\n**2 minutes**, and 1 more for what is marked as extra."
    sources = [first, f"## A\n{words}", f"## Extra: B\n{words}", "More.", f"## C\n{words}"]
    cells = [nbformat.v4.new_markdown_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert 2 < sum(minutes_of(notebook).values()) < 2.2
    assert 1 < sum(minutes_of(notebook, extra=True).values()) < 1.1
    assert (stated_minutes(notebook), stated_extra(notebook)) == (2, 1)
    notebook.cells[0].source = "# Q?\n\n**2 minutes.**"
    assert stated_extra(notebook) == 0


IN_JUPYTER = {*dir(builtins), "display"}


def names_of(cell):
    """The names that a code cell needs from outside itself, and those that it binds."""
    source = re.sub(r"^[%!].*$", "", cell.source, flags=re.MULTILINE)
    whole = symtable.symtable(source, "cell", "exec")
    bound = {s.get_name() for s in whole.get_symbols() if s.is_assigned() or s.is_imported()}
    read, tables = set(), [whole]
    for table in tables:  # functions, classes and comprehensions within are added on the way
        tables += table.get_children()
        read |= {
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (table is whole or s.is_global())
        }
    return read - bound - IN_JUPYTER, bound


def test_names_are_found_wherever_a_cell_reads_them():
    cell = nbformat.v4.new_code_cell("""%matplotlib inline
import a, b as c
d = [e + f for e in range(3)]
def g(h, i=j):
    k = l
    return k + h + d
class M(n.o):
    p = q
print(lambda r: r + s, display)""")
    needed, bound = names_of(cell)
    assert needed == set("fjlnqs")
    assert bound == {"a", "c", "d", "g", "M"}


# From the learner's own data to the advice: its cells go on from one another over all parts.
ONE_THREAD = {"12_choose_your_steps"}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_each_cell_runs_after_the_set_up_cell_alone(path):
    """But for cells tagged `continues`: these go on from cells above them in their part.

    A second cell may belong to the set-up, with that tag. No cell changes what one of another
    part needs: so cells may be run in any order, or twice.
    """
    notebook = nbformat.read(path, as_version=4)
    first, second, *rest = code_cells(notebook)
    set_up = [first, second] if "set-up" in second.metadata.get("tags", []) else [first]
    cells = rest if len(set_up) == 2 else [second, *rest]
    ready = set().union(*(names_of(cell)[1] for cell in set_up))
    assert not names_of(first)[0]
    problems = {}
    for part in [cells] if path.stem in ONE_THREAD else sections(notebook):
        above = set(ready)
        elsewhere = [cell for cell in cells if not any(cell is here for here in part)]
        taken = set().union(*(names_of(cell)[1] for cell in elsewhere))
        for cell in [cell for cell in part if not any(cell is other for other in set_up)]:
            needed, bound = names_of(cell)
            may_need = above if "continues" in cell.metadata.get("tags", []) else ready
            wrong = (needed - may_need) | (needed & taken) | (bound & ready)
            if wrong:
                problems[cell.source] = wrong
            above |= bound
    assert problems == {}


def test_one_title_and_no_heading_skipped(notebook):
    text = re.sub(r"```.*?```", "", markdown(notebook), flags=re.DOTALL)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_title_is_a_question_and_minutes_are_given(notebook):
    first = notebook.cells[0].source
    assert first.splitlines()[0].endswith("?")
    assert re.search(r"\d+ minutes", first)


def test_links_lead_to_lessons(notebook):
    for target in re.findall(r"\]\(([^)#]+\.ipynb)\)", markdown(notebook)):
        assert (LESSONS[0].parent / target).exists(), target


def test_key_results_are_compared(notebook):
    compared = [notebook.cells[index] for index in tagged(notebook, "nbval-check-output")]
    assert len(compared) >= 3
    assert all(cell.outputs for cell in compared)


def test_questions_exist(notebook):
    names = re.findall(r'^ask\("(.+)"\)', "\n".join(c.source for c in code_cells(notebook)), re.M)
    assert len(names) >= 3
    for name in names:
        assert ask(name).question.text


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_stubs_are_unanswered_and_solutions_right(path, capsys):
    notebook = nbformat.read(path, as_version=4)
    setup = re.sub(r"^%.*$", "", code_cells(notebook)[0].source, flags=re.MULTILINE)
    exercises = tagged(notebook, "exercise")
    assert len(exercises) >= 1
    for index in exercises:
        namespace = {}
        exec(setup, namespace)
        capsys.readouterr()
        exec(notebook.cells[index].source, namespace)
        assert "Not answered yet." in capsys.readouterr().out
        solution = notebook.cells[index + 1].source
        assert solution.startswith("<details><summary>Solution</summary>")
        exec(re.search(r"```python\n(.*?)```", solution, re.DOTALL)[1], namespace)
        assert capsys.readouterr().out.strip().endswith("Right.")
