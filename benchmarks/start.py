"""Imports, and from "Run all" to the first live explorer of each lesson."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import median_seconds
from tools.lab import make_folder, open_notebook, running_chromium, running_lab

SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()"
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def import_seconds(modules):
    """Return s to import these modules ("a, b") in a new process, without what Python takes."""
    bare, whole = (
        median_seconds(lambda code=code: _run(code)) for code in ("", f"import {modules}")
    )
    return whole - bare


def _run(code):
    """Run a line in a new process; TensorFlow's start-up lines are not shown."""
    subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=True)


def compare_starts():
    """Return (lesson, s) for each lesson."""
    lessons = []
    with (
        tempfile.TemporaryDirectory() as above,
        running_chromium() as chromium,
        running_lab(NOTEBOOKS, make_folder(Path(above))) as lab,
    ):
        for notebook in NOTEBOOKS:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(300_000)
            open_notebook(page, lab, notebook.name)
            lessons.append((notebook.stem, _seconds_to_explorer(page)))
            page.evaluate(SHUT_DOWN)  # its other cells would run beside the next lesson
            page.close()
    return lessons


def _seconds_to_explorer(page):
    run = "command => void window.jupyterapp.commands.execute(command)"
    page.evaluate(run, "notebook:clear-all-cell-outputs")
    start = time.perf_counter()
    page.evaluate(run, "notebook:run-all-cells")
    page.locator(".jupyter-widgets.widget-vbox img").first.wait_for()
    return time.perf_counter() - start
