"""The lessons as pages: offline, from a file, by keyboard, and checked by axe-core.

`make test` makes and tries two of them; `make handouts` tries all that it has made, in the folder
that the environment's HANDOUTS names.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from helpers.exercises import ask
from tests.moving import frame, move_by_keyboard, needs_chromium, opened, pixels, settings_of, shown
from tools import handouts
from tools.lab import running_chromium

ROOT = Path(__file__).parent.parent
MADE = os.environ.get("HANDOUTS")
NAMES = sorted(path.stem for path in Path(MADE).glob("[0-9]*.html")) if MADE else ["00_which_steps"]
OTHERS = ["index", "glossary", "symptoms", "claims"]
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 640, 360)]
LOOKS = LOOKS if MADE else [("light", 360), ("dark", 1280)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if MADE:
        return Path(MADE).resolve()
    folder = tmp_path_factory.mktemp("handouts")
    for name in NAMES:
        handouts.make_lesson(ROOT / "notebooks" / f"{name}.ipynb", folder)
    handouts.make_others(folder)
    handouts.drop_dead_links(folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    with running_chromium() as chromium:
        yield chromium


def stored(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_one_file_that_asks_for_nothing(folder, name):
    html = (folder / f"{name}.html").read_text(encoding="utf-8")
    assert len(html.encode()) <= handouts.MOST_BYTES
    outside = re.findall(r'(?:src|href)="(?!data:|#|https?://|\w+\.html)([^"]*)"', html)
    assert outside == []
    assert not re.search(r'<(?:script|img|link|iframe)[^>]+(?:src|href)="https?:', html)
    assert not re.search(r"/(root|home|Users|tmp|work)/", html)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_holds_every_part_of_its_lesson(folder, name):
    html = (folder / f"{name}.html").read_text(encoding="utf-8")
    sources = [cell.source for cell in stored(name).cells]
    asked = sum(bool(re.match(r"ask\(", source)) for source in sources)
    judged = sum(bool(re.match(r"judge\(", source)) for source in sources)
    assert html.count('<fieldset class="question">') == asked + 6 * judged
    moving = sum(bool(re.search(r"^(?!lab =).*\bexplore_\w+\(", s, re.M)) for s in sources)
    assert html.count('class="explorer"') >= (name != "12_choose_your_steps") * moving
    folded = sum(source.count("<details>") for source in sources)
    folded += len(handouts.deciding_cells(stored(name)))
    assert html.count("<details>") == folded
    pictures = sum(
        "image/png" in output.get("data", {})
        for cell in stored(name).cells
        for output in cell.get("outputs", [])
    )
    assert len(re.findall("<img ", html)) == pictures
    assert not re.search(r'<img (?![^>]*alt="[^"]{20,})', html)


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_links_lead_somewhere(folder, name):
    html = (folder / f"{name}.html").read_text(encoding="utf-8")
    for file, anchor in re.findall(r'href="(?!https?:)([^"#]*)#?([^"]*)"', html):
        target = folder / file if file else folder / f"{name}.html"
        assert target.exists(), file
        ids = re.findall(r'id="([^"]+)"', target.read_text(encoding="utf-8"))
        assert not anchor or unquote(anchor) in map(unquote, ids), f"{file}#{anchor}"


@pytest.mark.skipif(bool(MADE), reason="all lessons may be there")
def test_of_a_link_to_a_lesson_that_was_not_made_the_words_stay(folder):
    html = (folder / "00_which_steps.html").read_text(encoding="utf-8")
    assert "<p>What do windows remember? The popular model again" in html
    assert 'href="00_which_steps.html' in (folder / "index.html").read_text(encoding="utf-8")


class TestInChromium:
    pytestmark = needs_chromium

    @pytest.mark.parametrize("name", NAMES)
    def test_every_control_moves_from_end_to_end(self, browser, folder, name):
        with opened(browser, folder / f"{name}.html") as page:
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            for section in page.locator(".explorer").all():
                data = settings_of(section)
                for at in move_by_keyboard(page, section):
                    picture, words = frame(data, at)
                    source = section.locator(".picture").get_attribute("src")
                    assert source.endswith(picture)
                    assert section.locator(".words").text_content() == words
                for position, button in zip(
                    data["positions"], section.locator(".looks button").all(), strict=True
                ):
                    button.press("Enter")
                    assert section.locator(".says").text_content() == position["says"]

    @pytest.mark.parametrize("name", NAMES)
    def test_an_explorer_begins_as_the_lesson_stores_it(self, browser, folder, name):
        """The same words and pixels, made in another process on another day: all but times."""
        outputs = [o for cell in stored(name).cells for o in cell.get("outputs", [])]
        pictures = {
            o.data["text/plain"]: pixels(o.data["image/png"])
            for o in outputs
            if "image/png" in o.get("data", {})
        }
        with opened(browser, folder / f"{name}.html") as page:
            for section in page.locator(".explorer").all():
                found, words, _ = shown(section)
                if words in pictures:
                    assert np.mean(found != pictures[words]) < 0.001
                else:
                    assert name in {"02_reach", "05_full_sequence", "12_choose_your_steps"}, words

    @pytest.mark.parametrize("name", NAMES)
    def test_every_question_answers_by_keyboard(self, browser, folder, name):
        with opened(browser, folder / f"{name}.html") as page:
            questions = page.get_by_role("group").filter(has=page.locator("legend"))
            questions = questions.and_(page.locator(".question"))
            asked = [c.source for c in stored(name).cells if c.source.startswith("ask(")]
            for question, source in zip(questions.all(), asked, strict=False):
                expected = ask(re.search(r'"(.+)"', source)[1])
                radios = question.get_by_role("radio").all()
                assert len(radios) == len(expected.choices)
                radios[0].focus()
                for index in range(len(radios)):
                    page.keyboard.press("ArrowDown" if index else "Space")
                    expected.index = index
                    assert radios[index].is_checked()
                    assert question.locator("[role=status]").inner_html() == page.evaluate(
                        "words => Object.assign(document.createElement('p'), "
                        "{innerHTML: words}).innerHTML",
                        expected.verdict,
                    )

    @pytest.mark.parametrize("name", [*NAMES, *(OTHERS if MADE else OTHERS[:1])])
    def test_axe_finds_nothing_and_nothing_sticks_out(self, browser, folder, name):
        for scheme, width in LOOKS:
            with opened(browser, folder / f"{name}.html", width=width, color_scheme=scheme) as page:
                page.evaluate(
                    "document.querySelectorAll('details').forEach(each => each.open = true)"
                )
                found = Axe().run(page)
                assert found.violations_count == 0, (
                    f"{scheme}, {width} px: {found.generate_report()}"
                )
                assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_questions_keep_their_choices_on_paper(self, browser, folder):
        with opened(browser, folder / f"{NAMES[0]}.html") as page:
            page.emulate_media(media="print")
            question = page.locator(".question").first
            assert all(choice.is_visible() for choice in question.locator("label").all())
            output = page.locator(".output_wrapper").first  # stays with the code that made it
            assert output.evaluate("each => getComputedStyle(each).breakBefore") == "avoid"

    def test_paper_has_margins(self, browser, folder):
        with opened(browser, folder / f"{NAMES[0]}.html") as page:
            rules = page.evaluate(
                "[...document.styleSheets].flatMap(sheet => [...sheet.cssRules])"
                ".filter(rule => rule instanceof CSSPageRule).map(rule => rule.style.margin)"
            )
            assert rules == ["15mm"]
