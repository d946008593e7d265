"""From "Run all" to the first live explorer of each lesson, beside the import of TensorFlow."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.lab import make_folder, open_notebook, running_chromium, running_lab

SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()"
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def compare_starts():
    """Return s to import TensorFlow and Keras in a new process, and (lesson, s) for each lesson."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import helpers.quiet"], check=True)
    imported = time.perf_counter() - start
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
    return imported, lessons


def _seconds_to_explorer(page):
    run = "command => void window.jupyterapp.commands.execute(command)"
    page.evaluate(run, "notebook:clear-all-cell-outputs")
    start = time.perf_counter()
    page.evaluate(run, "notebook:run-all-cells")
    page.locator(".jupyter-widgets.widget-vbox img").first.wait_for()
    return time.perf_counter() - start
