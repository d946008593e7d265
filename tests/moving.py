"""What the browser tests of saved pages and of handouts share: a page, and moving what is on it."""

import base64
import io
import json
import os
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from tools.lab import CHROMIUM

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("REQUIRE_BROWSER"), reason="Chromium is not here"
    ),
]


@contextmanager
def opened(browser, path, *, width=1280, **options):
    """Open a file without a network; nothing may go wrong on the page, or be asked for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **options)
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and page.problems.append(line.text))
    page.on(
        "request",
        lambda asked: asked.url.startswith(("file:", "data:")) or page.problems.append(asked.url),
    )
    page.goto(path.as_uri())
    yield page
    assert page.problems == []
    context.close()


def settings_of(section):
    """Return what a page knows of an explorer's settings."""
    return json.loads(section.locator("script").text_content())


def shown(section):
    """Return picture, as pixels, words, and alt text of an explorer on a page."""
    picture = section.locator(".picture")
    words = section.locator(".words").text_content()
    alt = picture.get_attribute("alt")
    return pixels(picture.get_attribute("src").split(",")[1]), words, alt


def pixels(data):
    """Return the pixels of a picture in base64, PNG or WebP."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def move_by_keyboard(page, section):
    """Move each control from end to end, and give where all of them stand after each press."""
    data = settings_of(section)
    at = list(data["at"])
    for axis, control in enumerate(section.locator(".control").all()):
        for place in _presses(page, control, at[axis], len(data["says"][axis])):
            at[axis] = place
            yield list(at)


def _presses(page, control, stands, many):
    """Press keys until a control was at each of its places; give the place after each press."""
    kind = control.locator("input, select").first.get_attribute("type") or "select"
    if kind == "checkbox":
        control.locator("input").focus()
        for place in (1 - stands, stands):
            page.keyboard.press("Space")
            yield place
        return
    if kind == "radio":
        control.locator("input:checked").focus()
        for step in range(1, many + 1):
            page.keyboard.press("ArrowDown")
            yield (stands + step) % many
        return
    control.locator("input, select").focus()
    page.keyboard.press("Home")
    yield 0
    for place in range(1, many):
        page.keyboard.press("ArrowRight" if kind == "range" else "ArrowDown")
        yield place


def frame(data, at):
    """Return the picture, in base64, and the words that belong to these places."""
    number = int(np.ravel_multi_index(at, [len(says) for says in data["says"]])) if at else 0
    picture, words, _ = data["frames"][number]
    return data["pictures"][picture], data["words"][words]
