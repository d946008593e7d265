"""A saved explorer: every setting is that of the live one, and moves without Python or network."""

import json
import re
from itertools import product
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest

from helpers import pages, plots
from helpers.explorers import (
    Explorer,
    Position,
    Trainer,
    explore_windows,
    labelled_box,
    labelled_buttons,
    labelled_slider,
)
from tests.moving import frame, move_by_keyboard, needs_chromium, opened, pixels, shown
from tools.lab import running_chromium

HERE = Path(pages.__file__).parent
NUMBERS = [("none", 0), ("two", 2)]
POSITIONS = [
    Position("far", 'All the way, <and> "more".', {"n": 4, "way": "b", "ticked": True}),
    Position("near", "Back again.", {"n": 1}),
]


def make(most=4, positions=POSITIONS):
    """An explorer with a control of each kind, and one that a page cannot move."""
    (ax,) = plots.new_axes(height=1.5)

    def draw(n, way, ticked, count, kind, seed):
        style = plots.CARRIED if ticked else plots.RESET
        x = np.arange(2)
        y = x * n + "ab".index(way) + count * 0.1 + (kind == "<q>")
        plots.plot_lines({"line": (x, y, style)}, xlabel="x (no unit)", ylabel="y", ax=ax)
        return f"n = {n}, {way}, {ticked}, {count}, {kind}, seed {seed} & so on </script>"

    controls = {
        "n": labelled_slider("number", 3, 1, most),
        "way": labelled_buttons("way", ("a", "b")),
        "ticked": labelled_box("tick it", False),
        "count": labelled_slider("count", 2, options=NUMBERS),
        "kind": widgets.Dropdown(options=["p", "<q>"], description="kind"),
        "seed": widgets.BoundedIntText(10, 0, 10**6, description="seed"),
    }
    extra = [Trainer(print, tuple)]
    return Explorer(ax.figure, controls, draw, positions=positions, extra=extra)


def settings_in(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1])


@pytest.fixture(scope="module")
def explorer():
    return make()


@pytest.fixture(scope="module")
def saved(explorer, tmp_path_factory):
    return explorer.save(tmp_path_factory.mktemp("saved") / "my_reach.html")


@pytest.fixture(scope="module")
def data(saved):
    return settings_in(saved.read_text(encoding="utf-8"))


def test_every_setting_of_the_page_is_that_of_the_live_explorer(explorer, data):
    names = ["n", "way", "ticked", "count", "kind"]
    live = [range(1, 5), "ab", (False, True), (0, 2), ("p", "<q>")]
    assert [len(says) for says in data["says"]] == [len(values) for values in live]
    before = explorer.values
    for at in list(product(*map(range, map(len, live))))[::5]:
        for name, values, place in zip(names, live, at, strict=True):
            explorer.controls[name].value = values[place]
        picture, words = frame(data, at)
        assert words == explorer.words
        assert np.array_equal(pixels(picture), pixels(explorer._png))
    for name, value in before.items():
        explorer.controls[name].value = value


def test_saving_leaves_the_explorer_as_it_was(tmp_path):
    explorer = make()
    explorer.controls["way"].value = "b"
    before = explorer.values, explorer.words, explorer._png
    explorer.save(tmp_path / "a.html")
    assert (explorer.values, explorer.words, explorer._png) == before
    explorer.controls["way"].value = "a"
    explorer.controls["way"].value = "b"
    assert (explorer.values, explorer.words, explorer._png) == before


def test_the_page_begins_where_the_explorer_stands(explorer, saved, data):
    assert data["at"] == [2, 0, 0, 1, 0]
    picture, words = frame(data, data["at"])
    html = saved.read_text(encoding="utf-8")
    assert f'src="data:image/webp;base64,{picture}"' in html
    assert html.count("seed 10 &amp; so on &lt;/script&gt;") == 2  # alt and words
    assert words == explorer.words


def test_the_page_names_the_controls_that_it_does_not_move(saved):
    (left,) = re.findall('<p class="left">(.*?)</p>', saved.read_text(encoding="utf-8"))
    assert left == "In JupyterLab only: seed."


def test_too_many_settings_keep_the_main_control_and_the_named_places(monkeypatch):
    monkeypatch.setattr(pages, "_MOST", 24)
    explorer = make(10)
    says, at = (settings_in(pages.part(explorer))[name] for name in ("says", "at"))
    *free, left = says
    assert len(free[0]) == 10  # the slider moves over all its values
    assert np.prod([len(each) for each in says]) <= 24
    assert left == ["way: a, tick it: no", "way: b, tick it: yes"]
    assert at[0] == 2


def test_a_slider_with_more_values_than_fit_keeps_its_ends_and_places(monkeypatch):
    monkeypatch.setattr(pages, "_MOST", 20)
    places = [Position("there", "", {"n": 444})]
    says = settings_in(pages.part(make(500, places)))["says"]
    assert len(says) == 1
    assert {"1", "3", "444", "500"} <= set(says[0])
    assert len(says[0]) <= 23


def test_the_same_picture_stands_once_in_the_page():
    (ax,) = plots.new_axes(height=1.5)
    explorer = Explorer(ax.figure, {"n": labelled_slider("n", 1, 1, 9)}, lambda n: "the same")
    found = settings_in(pages.part(explorer))
    assert (len(found["frames"]), len(found["pictures"]), len(found["words"])) == (9, 1, 1)


def test_style_and_scripts_stand_in_the_page_as_they_are():
    html = pages.page("a < b", "<p>body</p>", style="p { --own: 1 }")
    for name in ("page.css", "table.js", "page.js"):
        assert (HERE / name).read_text(encoding="utf-8") in html
    for part in ("<title>a &lt; b</title>", "<p>body</p>", "p { --own: 1 }"):
        assert part in html


def test_the_script_is_short():
    names = "page.js", "table.js"
    script, shared = ((HERE / name).read_text(encoding="utf-8") for name in names)
    assert len(script.splitlines()) <= 120
    assert len(shared.splitlines()) <= 17  # the tables, which Lab builds with it as well
    assert not re.search(r"https?:|import |fetch\(", script)


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        (3, TypeError, "must be the name of a file"),
        ("reach.png", ValueError, "must end in .html"),
        ("no-such-folder/reach.html", ValueError, "in a folder that exists"),
    ],
)
def test_a_path_that_is_no_page_is_refused(path, error, words, explorer, assert_refused):
    assert_refused(lambda: explorer.save(path), error, "`path`", words)


# --- in Chromium, without a network ------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    with running_chromium() as chromium:
        yield chromium


class TestInChromium:
    pytestmark = needs_chromium

    def test_each_control_moves_by_keyboard_from_end_to_end(self, browser, saved, data):
        moved = 0
        with opened(browser, saved) as page:
            section = page.locator(".explorer")
            for at in move_by_keyboard(page, section):
                picture, words = frame(data, at)
                found, said, alt = shown(section)
                assert said == alt == words
                assert np.array_equal(found, pixels(picture))
                moved += 1
        assert moved == 4 + 2 + 2 + 2 + 2

    def test_the_picture_in_view_is_the_one_of_the_setting(self, browser, saved, data):
        """Drawn by the browser at its own size, it has the pixels that Python drew."""
        with opened(browser, saved) as page:
            page.get_by_label("number").press("End")
            drawn = page.evaluate(
                """async () => {
                    const picture = document.querySelector(".picture");
                    await picture.decode();
                    const canvas = Object.assign(document.createElement("canvas"),
                        {width: picture.naturalWidth, height: picture.naturalHeight});
                    canvas.getContext("2d").drawImage(picture, 0, 0);
                    return canvas.toDataURL("image/png").split(",")[1];
                }"""
            )
            picture, _ = frame(data, [3, 0, 0, 1, 0])
            assert np.array_equal(pixels(drawn), pixels(picture))

    def test_every_control_has_a_name(self, browser, saved):
        with opened(browser, saved) as page:
            for role, name in (
                ("slider", "number"),
                ("slider", "count"),
                ("group", "way"),
                ("checkbox", "tick it"),
                ("combobox", "kind"),
                ("button", "Play"),
            ):
                assert page.get_by_role(role, name=name, exact=True).count() == 1, name

    def test_a_position_sets_the_controls_and_says_what_to_see(self, browser, saved, data):
        with opened(browser, saved) as page:
            section, says = page.locator(".explorer"), page.locator(".says")
            page.get_by_label("kind").select_option("<q>")
            page.get_by_role("button", name="far").press("Enter")
            assert says.text_content() == POSITIONS[0].says
            assert shown(section)[1] == frame(data, [3, 1, 1, 1, 1])[1]  # kind stays
            assert page.get_by_label("tick it").is_checked()
            assert page.get_by_label("b", exact=True).is_checked()
            assert page.get_by_label("number").input_value() == "3"
            page.get_by_label("number").press("ArrowLeft")
            assert says.text_content() == ""  # it was said of another place

    def test_numbers_follow_the_picture_while_they_are_open(self, browser, saved, data):
        with opened(browser, saved) as page:
            numbers, slider = page.locator(".numbers"), page.get_by_label("number")
            summary, cells = numbers.locator("summary"), numbers.locator("th, td")
            assert cells.count() == 0
            summary.press("Enter")
            for key, at in (("Home", [0, 0, 0, 1, 0]), ("End", [3, 0, 0, 1, 0])):
                slider.press(key)
                number = int(np.ravel_multi_index(at, [len(says) for says in data["says"]]))
                _, *lines = data["numbers"][data["frames"][number][2]].split("\n")
                assert cells.all_text_contents() == "\t".join(lines).split("\t")
            assert cells.nth(0).text_content() == "x (no unit)"
            summary.press("Enter")
            slider.press("Home")
            assert cells.count() == 0

    def test_the_words_keep_their_node(self, browser, saved):
        with opened(browser, saved) as page:
            page.evaluate("document.querySelector('.words').kept = true")
            page.get_by_label("number").press("End")
            assert page.evaluate("document.querySelector('.words').kept")
            assert page.locator(".words").get_attribute("role") == "status"

    def test_play_walks_the_slider_and_stops(self, browser, saved):
        with opened(browser, saved) as page:
            page.clock.install()
            play, slider = page.get_by_role("button", name="Play"), page.get_by_label("number")
            play.click()
            assert play.get_attribute("aria-pressed") == "true"
            places = []
            for _ in range(5):
                page.clock.run_for(600)
                places.append(int(slider.input_value()))
            assert places == [3, 0, 1, 2, 3]
            play.click()
            page.clock.run_for(3000)
            assert slider.input_value() == "3"
            assert play.get_attribute("aria-pressed") == "false"

    def test_nothing_plays_where_the_reader_prefers_no_motion(self, browser, saved):
        with opened(browser, saved, reduced_motion="reduce") as page:
            page.clock.install()
            assert not page.locator(".play").is_visible()
            page.locator(".play").dispatch_event("click")
            page.clock.run_for(3000)
            assert page.get_by_label("number").input_value() == "2"

    def test_a_finger_moves_the_slider_and_not_the_page(self, browser, saved):
        with opened(browser, saved, width=360, has_touch=True, is_mobile=True) as page:
            slider = page.get_by_label("number")
            box = slider.bounding_box()
            page.touchscreen.tap(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
            assert slider.input_value() == "3"
            assert slider.evaluate("each => getComputedStyle(each).touchAction") == "none"
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= page.evaluate("innerWidth")

    def test_on_paper_the_named_positions_stand_beside_their_words(self, browser, saved, data):
        with opened(browser, saved) as page:
            page.emulate_media(media="print")
            figures = page.locator(".paper figure")
            assert figures.count() == len(POSITIONS)
            for figure, at in zip(figures.all(), ([3, 1, 1, 1, 0], [0, 0, 0, 1, 0]), strict=True):
                picture, words = frame(data, at)
                assert figure.is_visible()
                assert words in figure.inner_text()
                assert figure.locator("img").get_attribute("src").endswith(picture)
                assert figure.locator("b").inner_text() in ("far", "near")
            assert not page.locator(".explorer > .picture").is_visible()

    def test_on_paper_an_explorer_is_shown_that_is_folded_and_an_answer_is_not(
        self, browser, saved, tmp_path
    ):
        folded = "<body><details><summary>Why</summary><i>Because</i></details><details>"
        html = saved.read_text(encoding="utf-8").replace("<body>", folded)
        file = tmp_path / "folded.html"
        file.write_text(html.replace("</body>", "</details></body>"), encoding="utf-8")
        with opened(browser, file) as page:
            figures, answer = page.locator(".paper figure"), page.locator("i")
            assert not page.locator(".picture").is_visible()
            page.emulate_media(media="print")
            assert [each.is_visible() for each in figures.all()] == [True] * len(POSITIONS)
            assert not answer.is_visible()

    def test_a_page_holds_the_learners_own_explorer_whole(self, browser, ragged, tmp_path):
        explorer = explore_windows(ragged, steps=5)
        with opened(browser, explorer.save(tmp_path / "own.html")) as page:
            for steps in range(1, 13):
                explorer.controls["steps"].value = steps
                page.get_by_label("steps").fill(str(steps - 1))
                found, words, _ = shown(page.locator(".explorer"))
                assert words == explorer.words
                assert np.array_equal(found, pixels(explorer._png))
