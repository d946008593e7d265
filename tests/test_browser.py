"""Each lesson in a real JupyterLab: run, moved by keyboard, looked at.

The screenshots are kept in build/screenshots. `make access` looks at every lesson in Notebook 7 as
well, and asks axe-core about both, light and dark; `make test` does so with one.
"""

import os
import time
from pathlib import Path

import nbformat
import pytest

from tests.access import found_by_axe, not_reached, open_details
from tools.lab import (
    CHROMIUM,
    make_folder,
    open_in_notebook,
    open_notebook,
    run_all,
    running_chromium,
    running_lab,
    set_theme,
)

ROOT = Path(__file__).parent.parent
LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
ACCESS = LESSONS if os.environ.get("ACCESS") else ["00_which_steps.ipynb"]
SCREENSHOTS = ROOT / "build" / "screenshots"

CUT_OFF = """() => [...document.querySelectorAll(
        ".jp-OutputArea :is(label, button, .widget-label, .widget-label-basic, .widget-readout)")]
    .filter(each => each.offsetParent && each.scrollWidth > each.clientWidth + 1)
    .map(each => each.textContent)"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("REQUIRE_BROWSER"), reason="Chromium is not here"
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def lab(folder):
    notebooks = [ROOT / "notebooks" / lesson for lesson in LESSONS]
    with running_lab(notebooks, folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM, "REQUIRE_BROWSER is set, and Chromium is not installed"
    with running_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and page.problems.append(line.text))
    yield page
    context.close()


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_runs_and_moves(lab, page, lesson):
    name = Path(lesson).stem
    open_notebook(page, lab, lesson)
    page.locator(".jp-OutputArea-output img").first.wait_for()  # a picture before it is run
    assert "not found" not in page.locator(".jp-Notebook").inner_text().lower()
    folded = page.locator(".jp-OutputPlaceholder")
    assert folded.count() == len(_hidden(lesson))  # no answer beside its question
    run_all(page)
    assert folded.count() == 0
    _assert_no_errors(page, lesson)
    sliders = page.locator(".jp-Notebook .noUi-handle")
    assert page.locator(".jupyter-widgets.widget-vbox img").count() > 0
    for index in range(sliders.count()):
        _move_from_end_to_end(page, sliders.nth(index))
    explorers = page.locator(".jupyter-widgets.widget-vbox").filter(has=page.locator("img"))
    for index in range(explorers.count()):
        _keep_arrows(page, explorers.nth(index))
        _train(page, explorers.nth(index))
    _answer(page)
    _assert_no_errors(page, lesson)
    assert page.problems == []
    _look_at_every_size(page, name)
    if lesson in ACCESS:
        page.set_viewport_size({"width": 1280, "height": 900})
        _look_for_everyone(page)
        open_in_notebook(page, lab, lesson)
        run_all(page)
        _look_for_everyone(page)
        _assert_no_errors(page, lesson)


def _look_for_everyone(page):
    """Ask axe-core, light and dark, and whether the keyboard reaches all that can be operated."""
    open_details(page)
    assert not_reached(page) == []
    for theme in ("Light", "Dark"):
        set_theme(page, theme)
        assert found_by_axe(page) == [], theme


def _read(lesson):
    return nbformat.read(ROOT / "notebooks" / lesson, as_version=4)


def _hidden(lesson):
    return [cell for cell in _read(lesson).cells if "jupyter" in cell.metadata]


def _assert_no_errors(page, lesson):
    """But for those that are what the lesson is about."""
    tags = [tag for cell in _read(lesson).cells for tag in cell.metadata.get("tags", [])]
    kinds = {"raises-exception": "application/vnd.jupyter.error"}
    kinds |= {"keeps-stderr": "application/vnd.jupyter.stderr"}
    for tag, kind in kinds.items():
        shown = page.locator(f".jp-OutputArea-output [data-mime-type='{kind}']")
        assert shown.count() <= tags.count(tag), shown.first.inner_text()


def _move_from_end_to_end(page, slider):
    """Move a slider to both ends; the picture, its alt text and the readout must follow."""
    explorer = page.locator(".jupyter-widgets.widget-vbox").filter(has=_marked(page, slider))
    explorer = explorer.filter(has=page.locator("img")).first
    slider.scroll_into_view_if_needed()
    slider.focus()
    before, stood = _shown(explorer), slider.get_attribute("aria-valuenow")
    page.keyboard.press("Home")
    moved = slider.get_attribute("aria-valuenow") != stood
    first = _settled(page, explorer, different_from=before if moved else None)
    page.keyboard.press("End")
    last = _settled(page, explorer, different_from=first)
    for what in ("picture", "alt", "readout"):
        assert first[what] != last[what], f"{what} stays as it is: {last['alt']}"


def _marked(page, slider):
    """Mark a slider's handle, so that the explorer around it can be found."""
    handle = slider.element_handle()
    handle.evaluate("element => element.dataset.moving = 'yes'")
    page.evaluate(
        "keep => document.querySelectorAll('[data-moving]').forEach("
        "element => element === keep || delete element.dataset.moving)",
        handle,
    )
    return page.locator("[data-moving]")


def _settled(page, explorer, different_from=None, seconds=20):
    """Return what an explorer shows once it has stood still."""
    seen, shown = None, _shown(explorer)
    end = time.monotonic() + seconds
    while time.monotonic() < end and (seen != shown or shown == different_from):
        page.wait_for_timeout(300)
        seen, shown = shown, _shown(explorer)
    return shown


def _shown(explorer):
    picture = explorer.locator("img").first
    return {
        "picture": picture.get_attribute("src"),
        "alt": picture.get_attribute("alt"),
        "readout": explorer.locator("[role=status]").last.inner_text(),
    }


def _keep_arrows(page, explorer):
    """An arrow key on a box or a button stays in its cell; the words keep their node."""
    words = explorer.locator("[role=status]").last
    words.evaluate("node => node.kept = true")
    active = "document.querySelector('.jp-Notebook .jp-mod-active')?.dataset.windowedListIndex"
    for control in explorer.locator("input[type=checkbox], button").all()[:2]:
        control.focus()
        before = page.evaluate(active)
        for key in ("ArrowDown", "ArrowUp", "ArrowUp"):
            page.keyboard.press(key)
            assert page.evaluate(active) == before
            assert control.evaluate("each => each === document.activeElement")
        if control.get_attribute("type") == "checkbox":
            shown = _shown(explorer)
            page.keyboard.press("Space")
            assert _settled(page, explorer, different_from=shown) != shown
            page.keyboard.press("Space")
    assert words.evaluate("node => node.kept")


def _train(page, explorer):
    button = explorer.get_by_role("button", name="Train")
    if button.count():
        before = _shown(explorer)
        button.focus()
        page.keyboard.press("Enter")
        assert _settled(page, explorer, different_from=before, seconds=60) != before
        button.wait_for()  # no longer "Stop"


def _answer(page):
    """Choose by keyboard; the verdict must follow, and each question keep its own choice."""
    questions = page.get_by_role("group").filter(has=page.get_by_role("radio")).all()
    for question in questions[:2]:
        assert question.locator("legend").inner_text()
        verdict = question.locator("xpath=following-sibling::p[@role='status']")
        choices = question.get_by_role("radio")
        choices.first.focus()
        for choice, key in enumerate(("Space", "ArrowDown")):
            page.keyboard.press(key)
            assert choices.nth(choice).is_checked()
            words = question.locator("label").nth(choice).inner_text()
            verdict.filter(has_text=words.strip()).wait_for()
    for question in questions[:2]:
        assert question.get_by_role("radio").nth(1).is_checked()


def _look_at_every_size(page, name):
    """At 1280 px and at 200 % zoom, light and dark: keep the lesson; no label may be cut off."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for theme in ("Light", "Dark"):
        set_theme(page, theme)
        for label, width in (("1280", 1280), ("zoom200", 640)):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(400)
            height = page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
            page.set_viewport_size({"width": width, "height": min(height + 120, 30_000)})
            page.wait_for_timeout(300)
            assert page.evaluate(CUT_OFF) == [], f"cut off at {width} px"
            page.screenshot(path=SCREENSHOTS / f"{name}-{label}-{theme.lower()}.png")
