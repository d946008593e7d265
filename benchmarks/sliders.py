"""From a key press to new pixels: each explorer in JupyterLab, and its twin under `interact`."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import ipywidgets as widgets
import nbformat
import numpy as np
from IPython.display import display

from helpers import data, explorers
from helpers.lessons import (
    clinic_state,
    fixed_steps,
    full_sequence,
    mask_microscope,
    masking,
    reach,
    steps_argument,
)
from helpers.models import build_rnn
from tools.lab import open_notebook, run_all, running_chromium, running_lab

ROOT = Path(__file__).parent.parent
EXPLORERS = (
    "windows",
    "padding",
    "state",
    "reach",
    "masks",
    "epochs",
    "targets",
    "layers",
    "batches",
)
PRESSES = 30
# The time at which a key goes down, and that of the first frame that has the new picture.
WATCH = """() => {
    const isPicture = node => node.nodeName === "IMG";
    window.latencies = [];
    let pressed = null;
    document.addEventListener("keydown", () => { pressed = performance.now(); }, true);
    new MutationObserver(async changes => {
        const found = changes.flatMap(change => change.type === "attributes"
            ? [change.target] : [...change.addedNodes].flatMap(node => node.querySelectorAll
                ? [node, ...node.querySelectorAll("img")] : []));
        const picture = found.filter(isPicture).pop();
        if (!picture || pressed === null) return;
        const since = pressed;
        pressed = null;
        await picture.decode().catch(() => null);
        requestAnimationFrame(
            () => window.latencies.push(performance.now() - since));
    }).observe(document.body,
        {subtree: true, childList: true, attributes: true, attributeFilter: ["src"]});
}"""

# Press Train; the times at which the page first changes, and at which the status says "Done.".
TRAIN = """cell => new Promise(resolve => {
    const pressed = performance.now();
    let first = null, running = false;
    new MutationObserver((_, observer) => {
        first ??= performance.now() - pressed;
        const words = [...cell.querySelectorAll("[role=status]")].map(each => each.textContent);
        running ||= !words.includes("Done.");  // it still stands there from the run before
        if (!running || !words.includes("Done.")) return;
        observer.disconnect();
        requestAnimationFrame(() => resolve([first, performance.now() - pressed]));
    }).observe(cell, {subtree: true, childList: true, characterData: true, attributes: true});
    [...cell.querySelectorAll("button")].find(each => each.textContent.includes("Train")).click();
})"""


def make(name):
    """Return an explorer: what a notebook cell of the benchmark shows."""
    batch, ragged = data.fixed_length_batch(), data.ragged_batch()
    rnn = build_rnn(32, features=batch[0].shape[-1])
    makers = {
        "windows": lambda: explorers.explore_windows(ragged, steps=2),
        "padding": lambda: full_sequence.explore_padding(np.arange(7, 30)),
        "state": lambda: fixed_steps.explore_state(rnn, batch, steps=1),
        "reach": lambda: explorers.explore_reach(rnn, batch, steps=1),
        "masks": lambda: masking.explore_masks(build_rnn(32, features=3), ragged),
        "epochs": lambda: steps_argument.explore_epochs(),
        "targets": lambda: steps_argument.explore_targets(20, steps=5, stride=1, horizon=1),
        "layers": lambda: mask_microscope.explore_layers(ragged),
        "batches": lambda: clinic_state.explore_batches(),
        "training": reach.explore_training,
    }
    return makers[name]()


def interact_with(name):
    """Show the same figure the usual way: drawn anew for each change."""
    explorer = make(name)
    figure, draw = explorer.figure, explorer.draw
    figure.set_layout_engine("constrained")

    def show(**values):
        for ax in figure.axes:
            ax.clear()
        print(draw(**values))
        display(figure)

    widgets.interact(show, **explorer.controls)


def show_stored():
    """Show pictures that are drawn already: what Jupyter and the browser take by themselves."""
    explorer = make("windows")
    pictures = []
    for steps in range(1, 11):
        explorer.controls["steps"].value = steps
        pictures.append(explorer.picture.value)
    slider, picture = explorers.labelled_slider("n", 0, 0, 9), widgets.HTML(pictures[0])
    slider.observe(lambda change: setattr(picture, "value", pictures[change["new"]]), "value")
    return widgets.VBox([slider, picture])


def compare_latencies():
    """Return a row for each explorer: (median, 95th percentile) of s, ours and interact's.

    The first row is that of a stored picture, without a peer.
    """
    sources = ["from benchmarks.sliders import interact_with, make, show_stored", "show_stored()"]
    for name in EXPLORERS:
        sources += [f"make({name!r})", f"interact_with({name!r})"]
    with _page_with(sources) as page:
        page.evaluate(WATCH)
        cells = page.locator(".jp-CodeCell")
        stored, *found = [latencies(page, cells.nth(i)) for i in range(1, len(sources))]
    return [("stored", stored, None), *zip(EXPLORERS, found[::2], found[1::2], strict=True)]


def training_seconds():
    """Return s from pressing Train to the first sign of life, and to the new curve: medians."""
    sources = ["from benchmarks.sliders import make", "make('training')"]
    with _page_with(sources) as page:
        cell = page.locator(".jp-CodeCell").nth(1)
        found = []
        for _ in range(5):
            cell.locator("input[type=range]").first.focus()
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(500)
            found.append(cell.evaluate(TRAIN))
    return np.median(np.array(found) / 1000, axis=0)


@contextmanager
def _page_with(sources):
    """Give a page of JupyterLab in which these cells have been run."""
    os.environ["PYTHONPATH"] = str(ROOT)  # for the kernel
    with tempfile.TemporaryDirectory() as folder, running_chromium() as chromium:
        _write_notebook(Path(folder) / "sliders.ipynb", sources)
        with running_lab([], Path(folder)) as lab:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(60_000)
            open_notebook(page, lab, "sliders.ipynb")
            run_all(page)
            yield page


def _write_notebook(path, sources):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


def latencies(page, cell):
    """Press keys, there and back again, each after the last has been answered."""
    slider = cell.locator("input[type=range]").first
    slider.scroll_into_view_if_needed()
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(1000)
    page.evaluate("window.latencies = []")
    for press in range(PRESSES):
        page.keyboard.press("ArrowRight" if press // 3 % 2 == 0 else "ArrowLeft")
        page.wait_for_function(f"window.latencies.length > {press}", timeout=5_000)
        page.wait_for_timeout(100)
    found = np.array(page.evaluate("window.latencies")) / 1000
    return float(np.median(found)), float(np.percentile(found, 95))
