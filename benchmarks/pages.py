"""A lesson as a page: from opening to the first move, and from a key press to new pixels."""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks import sliders
from tools import handouts
from tools.lab import running_chromium

LESSON = sliders.ROOT / "notebooks" / "03_masking.ipynb"  # its first explorer has a slider
# The ms from the start of the loading to the frame after which a moved slider shows its picture.
OPENED = """() => new Promise(resolve => {
    const slider = document.querySelector(".explorer input[type=range]");
    const picture = document.querySelector(".explorer .picture"), before = picture.src;
    slider.value = slider.value === "0" ? slider.max : 0;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    if (picture.src === before) throw Error("the page does not move");
    picture.decode().then(() => requestAnimationFrame(() => resolve(performance.now())));
})"""


def page_seconds():
    """Return s from opening to the first move, median of 5, and (median, 95th percentile) a key."""
    with tempfile.TemporaryDirectory() as folder, running_chromium() as chromium:
        path, _ = handouts.make_lesson(LESSON, Path(folder))
        opened = []
        for _ in range(5):
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri())
            opened.append(page.evaluate(OPENED) / 1000)
        page.evaluate(sliders.WATCH)
        return np.median(opened), sliders.latencies(page, page.locator(".explorer").first)
