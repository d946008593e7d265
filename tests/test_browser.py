"""Each lesson in a real JupyterLab: run, moved by keyboard, looked at.

`make access` keeps screenshots of every lesson in build/screenshots, looks at it in Notebook 7 as
well, and asks axe-core about both, light and dark; `make test` does so with one.
"""

import os
import time
from contextlib import contextmanager
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
ACCESS = LESSONS if os.environ.get("ACCESS") else ["02_reach.ipynb"]
SCREENSHOTS = ROOT / "build" / "screenshots"

# Pictures without words of their own.
NAMELESS = """[...document.querySelectorAll(".jp-OutputArea img")].map(each => each.alt)
    .filter(words => !words || /^(A picture|What the code above draws.)$/.test(words)).length"""
CUT_OFF = """() => [...document.querySelectorAll(
        ".jp-OutputArea :is(label, button, .widget-label, .widget-label-basic, .widget-readout)")]
    .filter(each => each.offsetParent && each.scrollWidth > each.clientWidth + 1)
    .map(each => each.textContent)"""

ACTIVE = "document.querySelector('.jp-Notebook .jp-mod-active')?.dataset.windowedListIndex"

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


@contextmanager
def _new_page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and page.problems.append(line.text))
    yield page
    context.close()


@pytest.fixture
def page(browser):
    with _new_page(browser) as page:
        yield page


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_runs_and_moves(lab, page, lesson):
    name = Path(lesson).stem
    open_notebook(page, lab, lesson)
    page.wait_for_function(f"{NAMELESS} === 0")
    assert "not found" not in page.locator(".jp-Notebook").inner_text().lower()
    folded = page.locator(".jp-OutputPlaceholder")
    assert folded.count() == len(_hidden(lesson))  # no answer beside its question
    run_all(page)
    assert folded.count() == 0
    assert page.evaluate(NAMELESS) == 0
    _assert_no_errors(page, lesson)
    sliders = page.locator(".jp-Notebook input[type=range]")
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
    for theme in ("Light", "Dark") if lesson in ACCESS else ("Light",):
        _look_at_every_size(page, name, theme, keep=lesson in ACCESS)
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


SMALL = """from helpers import data
from helpers.explorers import explore_windows
explore_windows(data.ragged_batch(), steps=2)"""
BARE = """from helpers.explorers import labelled_slider
labelled_slider("bare", 3, 1, 9)"""
# How many moves the kernel is still at, as ipywidgets counts them, at most since it is asked.
AT_WORK = """() => {
    const kernel = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
    const moves = new Set();
    window.atWork = {now: moves, most: 0, sent: 0};
    kernel.anyMessage.connect((_, {msg, direction}) => {
        const id = msg.parent_header?.msg_id ?? "";
        if (direction === "send" && msg.header.msg_type === "comm_msg") {
            moves.add(msg.header.msg_id);
            window.atWork.sent += 1;
            window.atWork.most = Math.max(window.atWork.most, moves.size);
        } else if (msg.header.msg_type === "status" && msg.content.execution_state === "idle")
            moves.delete(id);
    });
}"""


@pytest.fixture(scope="module")
def small_page(lab, folder, browser):
    """A page with one small explorer, and a slider by itself."""
    cells = [nbformat.v4.new_code_cell(source) for source in (SMALL, BARE)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=_read(LESSONS[0]).metadata)
    nbformat.write(notebook, folder / "small.ipynb")
    with _new_page(browser) as page:
        open_notebook(page, lab, "small.ipynb")
        run_all(page)
        yield page


@pytest.fixture
def small(small_page):
    """A page with one small explorer, its slider in the middle, and the explorer."""
    explorer = small_page.locator(".jupyter-widgets.widget-vbox").filter(has_text="Play").first
    explorer.get_by_label("steps").fill("5")
    _settled(small_page, explorer)
    yield small_page, explorer
    assert small_page.problems == []


def test_a_key_that_is_held_asks_for_no_more_than_the_kernel_answers(small):
    page, explorer = small
    page.evaluate(AT_WORK)
    slider = explorer.get_by_label("steps")
    slider.focus()
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight") * 30:
        page.keyboard.press(key)
    last = _settled(page, explorer)
    assert f"steps = {slider.get_attribute('aria-valuetext')}:" in last["readout"]
    at_work = page.evaluate("({most: window.atWork.most, sent: window.atWork.sent})")
    assert at_work["most"] == 1 <= at_work["sent"]


def test_play_walks_and_stops_where_it_is_asked_to(small):
    page, explorer = small
    slider, play = explorer.get_by_label("steps"), explorer.get_by_role("button", name="Play")
    said = explorer.locator("[role=status]").last
    slider.press("End")  # from here, it goes round
    assert play.get_attribute("aria-pressed") == "false"
    for stop in (lambda: play.press("Enter"), lambda: slider.press("ArrowRight")):
        play.press("Enter")
        assert said.get_attribute("aria-live") == "off"
        page.wait_for_function("each => each.value === '1'", arg=slider.element_handle())
        stop()
        assert play.get_attribute("aria-pressed") == "false"
        assert said.get_attribute("aria-live") is None
        stood = slider.input_value()
        page.wait_for_timeout(900)
        assert slider.input_value() == stood
        assert f"steps = {int(stood) + 1}:" in said.inner_text()
        slider.press("End")


def test_nothing_plays_where_the_reader_prefers_no_motion(small):
    page, explorer = small
    play = explorer.locator(".play")
    assert play.is_visible()
    play.press("Enter")
    page.emulate_media(reduced_motion="reduce")
    assert not play.is_visible()
    explorer.locator(".play[aria-pressed=false]").wait_for(state="attached")  # at the next step
    play.dispatch_event("click")
    assert play.get_attribute("aria-pressed") == "false"
    page.emulate_media(reduced_motion="no-preference")


def test_a_slider_by_itself_keeps_its_arrow_keys(small):
    page, _ = small
    slider = page.get_by_label("bare")
    slider.focus()
    before = page.evaluate(ACTIVE)
    for key, value in (("ArrowUp", "3"), ("ArrowDown", "2"), ("ArrowRight", "3")):
        page.keyboard.press(key)
        assert page.evaluate(ACTIVE) == before
        assert slider.input_value() == value


def test_numbers_follow_the_picture_while_they_are_open(small):
    page, explorer = small
    numbers, slider = explorer.locator("details"), explorer.get_by_label("steps")
    assert numbers.locator("table").count() == 0
    numbers.locator("summary").press("Enter")
    numbers.get_by_role("cell", name="7 to 11").wait_for()
    assert numbers.get_by_role("rowheader").all_inner_texts() == ["0", "1", "2"]
    slider.press("End")
    slider.press("ArrowLeft")
    numbers.get_by_role("cell", name="7 to 21").wait_for()
    numbers.locator("summary").press("Enter")
    slider.press("Home")
    _settled(page, explorer)
    assert numbers.locator("table").count() == 0


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
    before, stood = _shown(explorer), slider.input_value()
    page.keyboard.press("Home")
    moved = slider.input_value() != stood
    assert slider.evaluate("each => each.labels[0].innerText && each.ariaValueText")
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
        page.wait_for_timeout(150)
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
    controls = explorer.locator("input[type=checkbox], button").all()[:2]
    for control in [*controls, *explorer.locator("input[type=range]").all()[:1]]:
        control.focus()
        before = page.evaluate(ACTIVE)
        for key in ("ArrowDown", "ArrowUp", "ArrowUp", "Shift+Home", "Shift+End"):
            page.keyboard.press(key)
            assert page.evaluate(ACTIVE) == before
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
        for slider in explorer.locator("input[type=range]").all()[:1]:
            slider.press("End")  # what was trained by a cell is not trained again
        before = _settled(page, explorer)
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


def _look_at_every_size(page, name, theme, *, keep):
    """At 1280 px and at 200 % zoom, no label may be cut off; keep what it looks like."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    set_theme(page, theme)
    for label, width in (("1280", 1280), ("zoom200", 640)):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(400)
        outer = "document.querySelector('.jp-WindowedPanel-outer')"
        height = page.evaluate(f"{outer}.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(height + 120, 30_000)})
        page.evaluate(f"{outer}.scrollTop = 0")
        page.wait_for_timeout(300)
        assert page.evaluate(CUT_OFF) == [], f"cut off at {width} px"
        if keep:
            page.screenshot(path=SCREENSHOTS / f"{name}-{label}-{theme.lower()}.png")
