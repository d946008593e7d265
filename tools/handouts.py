"""Make the lessons as pages that need no Python: ``python -m tools.handouts [00 01 …]``.

Each page in build/handouts holds a lesson as it is stored, but for its explorers and questions: the
cells that make an explorer run again, and every setting of it is drawn into the page. Chromium,
where present, prints each page as a PDF.
"""

import base64
import contextlib
import html
import io
import os
import re
import sys
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import latex2mathml.converter
import nbformat
from IPython.core.interactiveshell import InteractiveShell
from nbconvert import HTMLExporter
from nbconvert.filters import strip_ansi
from PIL import Image
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from helpers import pages
from helpers.exercises import ask, judge
from helpers.explorers import Explorer
from tools.lab import CHROMIUM, running_chromium
from tools.store import deciding_cells

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OUT = ROOT / "build" / "handouts"
MOST_BYTES = 6_000_000
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PLACE = PROJECT.get("urls", {}).get("Repository")
NEEDS = (
    "This page needs no Python: its sliders move through what was drawn beforehand. To change the "
    "code, train a model or check an exercise, "
    + (
        f"[get the lessons]({PLACE})"
        if PLACE
        else "get the lessons from whoever gave you this page"
    )
    + " and open `{name}` in JupyterLab."
)
INDEX = f"""# {PROJECT["description"]}

Each lesson is a page that needs no Python and no network. You predict, answer, and move sliders.
Take 00 to 05 in this order, then any of the others. Their words stand in the
[glossary](docs/glossary.md).
"""
FOLDED = "What it prints: predict before you look"


def main(names):
    """Make the pages of the lessons that `names` begin, or of all of them, and the index."""
    OUT.mkdir(parents=True, exist_ok=True)
    chosen = [path for path in LESSONS if not names or path.stem.startswith(tuple(names))]
    start = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for path, seconds in pool.map(make_lesson, chosen):
            size = path.stat().st_size
            print(f"{path.name}: {size / 1e6:.1f} MB, {seconds:.0f} s", flush=True)
            if size > MOST_BYTES:
                sys.exit(f"{path.name} is larger than {MOST_BYTES / 1e6:.0f} MB.")
    make_others()
    drop_dead_links()
    print_pdfs([OUT / f"{path.stem}.html" for path in chosen])
    print(f"{len(chosen)} lessons in {time.perf_counter() - start:.0f} s: {OUT / 'index.html'}")


def make_lesson(path, out=OUT):
    """Write the page of one lesson; return where it stands and the seconds it took."""
    start = time.perf_counter()
    notebook = nbformat.read(path, as_version=4)
    parts = explorers_of(notebook)
    deciding = deciding_cells(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            questions = questions_of(cell)
            if questions:
                cell.metadata["tags"] = ["asked"]  # its code says nothing
            shown = questions or outputs_of(cell, parts.get(cell.id))
            if any(cell is each for each in deciding):
                shown = f"<details><summary>{FOLDED}</summary>\n{shown}</details>"
            cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": shown})] * bool(
                shown
            )
    title = re.match("# (.+)", notebook.cells[0].source)[1]
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(NEEDS.format(name=path.name)))
    target = out / f"{path.stem}.html"
    write_page(target, f"{path.stem[:2]} {title}", notebook.cells)
    return target, time.perf_counter() - start


def make_others(out=OUT):
    """Write the pages that are no lesson: the index, and what the lessons lead to."""
    for name, title, text in documents():
        write_page(out / name, title, [nbformat.v4.new_markdown_cell(text)])


def drop_dead_links(out=OUT):
    """Leave the words alone of a link to a lesson that was not made."""
    missing = [path.stem for path in LESSONS if not (out / f"{path.stem}.html").exists()]
    dead = rf'<a href="(?:{"|".join(missing)})\.html[^"]*">(.*?)</a>'
    for path in out.glob("*.html") if missing else ():
        text = path.read_text(encoding="utf-8")
        kept = re.sub(dead, r"\1", text)
        if kept != text:
            path.write_text(kept, encoding="utf-8")


# --- what moves --------------------------------------------------------------------------------


def explorers_of(notebook):
    """Run the parts of a lesson that hold explorers; return each as HTML, by its cell's id."""
    shell, found = InteractiveShell.instance(), {}
    shell.reset()
    here = Path.cwd()
    os.chdir(ROOT / "notebooks")  # lessons read files beside them
    try:
        for cell in cells_to_run(notebook):
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                made = shell.run_cell(cell.source)
            if made.error_in_exec and "raises-exception" not in cell.metadata.get("tags", []):
                raise RuntimeError(f"{cell.id}: {cell.source}") from made.error_in_exec
            if isinstance(made.result, Explorer) and made.result.controls:
                found[cell.id] = pages.part(made.result)
    finally:
        os.chdir(here)
    return found


def cells_to_run(notebook):
    """Return the set-up cells, and in each part with an explorer the cells up to it."""
    parts = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            parts.append([])
        elif cell.cell_type == "code" and "exercise" not in cell.metadata.get("tags", []):
            parts[-1].append(cell)
    one_thread = "explore_steps" in str(notebook)  # lesson 12 goes on over all its parts
    if one_thread:
        return [cell for part in parts for cell in part]
    set_up, *others = parts
    return [*set_up, *(cell for part in others for cell in up_to_explorer(part))]


def up_to_explorer(part):
    """Return the cells up to the last one that makes an explorer, if any does."""
    makes = [n for n, cell in enumerate(part) if re.search(r"\bexplore_\w+\(", cell.source)]
    return part[: makes[-1] + 1] if makes else []


def questions_of(cell):
    """Return the questions that a cell asks, as HTML."""
    called = re.fullmatch(r'(ask|judge)\("([\w-]+)"\)', cell.source.strip())
    if not called:
        return ""
    asked = {"ask": ask, "judge": judge}[called[1]](called[2])
    if called[1] == "ask":
        return question_part(asked)
    return "\n".join(map(question_part, asked.children[1:]))


def question_part(asked):
    """Return a question as HTML: radio buttons in a group with its name, a reply to each choice."""
    labels = []
    for index, choice in enumerate(asked.choices):
        asked.index = index
        reply = html.escape(asked.verdict)
        labels.append(
            f'<label><input type="radio" data-reply="{reply}"> <span>{choice}</span></label>'
        )
    legend, choices = f"<legend>{asked.text}</legend>", "\n".join(labels)
    status = '<p role="status"></p>'
    return f'<fieldset class="question">\n{legend}\n{choices}\n{status}\n</fieldset>'


# --- what is stored ----------------------------------------------------------------------------


def outputs_of(cell, part):
    """Return what a cell shows as HTML: its stored outputs, or `part` for its picture and words."""
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        words = data.get("text/plain", "")
        if "image/png" in data:
            shown.append(part or image(data["image/png"], cell.metadata.get("alt", words)))
        elif "text/html" in data:
            table = re.sub("<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
            table = table.replace("<th></th>", "<td></td>")  # a head that says nothing
            shown.append(f'<div class="table">{table}</div>')
        elif output.output_type == "error":
            shown.append(f"<pre>{html.escape(strip_ansi(chr(10).join(output.traceback)))}</pre>")
        elif output.get("text") == f"{words_of(cell)}\n":
            shown.append("" if part else f"<p>{html.escape(words_of(cell))}</p>")
        else:
            shown.append(f"<pre>{html.escape(strip_ansi(output.get('text', words)))}</pre>")
    return "\n".join(shown)


def words_of(cell):
    """Return the words of the explorer that a cell shows: they stand below its picture, too."""
    return next(
        (o.data["text/plain"] for o in cell.outputs if "image/png" in o.get("data", {})), None
    )


def image(png, words):
    """Return a stored picture as lossless WebP with its words."""
    if words.startswith("<Figure"):  # a picture that has no words: its code says what it shows
        words = "What the code above draws."
    file = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").save(file, "WEBP", lossless=True)
    source = base64.b64encode(file.getvalue()).decode()
    return f'<img class="stored" alt="{html.escape(words)}" src="data:image/webp;base64,{source}">'


# --- pages -------------------------------------------------------------------------------------


def write_page(target, title, cells):
    """Write cells as a page that asks for nothing outside itself; links lead to other pages."""
    hidden = {"TagRemovePreprocessor": {"enabled": True, "remove_input_tags": ("asked",)}}
    exporter = HTMLExporter(template_name="basic", config=Config(hidden))
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=cells))
    body = re.sub(
        r'href="(?:\.\./)?(?:notebooks/|docs/)?(\w+)\.(?:ipynb|md)', r'href="\1.html', body
    )
    body = re.sub(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", formula, body)
    body = re.sub(r'<a href="\.\./[^"]*">(.*?)</a>', r"\1", body)  # no page is made of it
    body = re.sub(r"<table>.*?</table>", scrolling, body, flags=re.DOTALL)
    body = f'<nav><a href="index.html">All lessons</a></nav>\n<main>\n{body}\n</main>'
    target.write_text(pages.page(title, body, style=style()), encoding="utf-8")


def scrolling(found):
    """Return a table that scrolls where it is too wide, and whose long names may be broken."""
    cells = re.sub(r"(?<=[\w)\]][_.])(?=[a-z])(?![^<]*>)", "<wbr>", found[0])
    return f'<div class="table">{cells}</div>'


def formula(found):
    """Return a formula as MathML, which browsers show without a script."""
    latex, display = html.unescape(found[1] or found[2]), "block" if found[1] else "inline"
    made = latex2mathml.converter.convert(latex, display=display)
    return f'<span class="table" tabindex="0">{made}</span>' if display == "block" else made


def style():
    """Return the style of the lessons, with the colours of code, light and dark."""
    light, dark = (
        HtmlFormatter(style=name, nobackground=True).get_style_defs(".highlight")
        for name in ("xcode", "github-dark")
    )
    own = (Path(__file__).parent / "handouts.css").read_text(encoding="utf-8")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"


def documents():
    """Give name, title and text of each page that is no lesson: the index, words, symptoms."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.search(r"(?:^\|.*\n)+", readme.split("## The lessons\n")[1], re.MULTILINE)[0]
    questions = readme.split("## Questions\n")[1].split("\n## ")[0]
    yield "index.html", PROJECT["description"], f"{INDEX}\n{table}\n## Questions\n{questions}"
    for path in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "simulation.md"):
        text = path.read_text(encoding="utf-8")
        yield f"{path.stem}.html", text.splitlines()[0].removeprefix("# "), text


def print_pdfs(made):
    """Print each page as a PDF beside it, where Chromium is present."""
    if CHROMIUM is None:
        print("No PDFs: Chromium is not here.")
        return
    with running_chromium() as chromium:
        page = chromium.new_page()
        for path in made:
            page.goto(path.as_uri())
            target = path.with_suffix(".pdf")
            page.pdf(path=target, format="A4", print_background=True, tagged=True, outline=True)


if __name__ == "__main__":
    from tools import handouts  # a lesson that runs takes the name of `__main__` from this file

    handouts.main(sys.argv[1:])
