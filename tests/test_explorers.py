"""Moving a control changes the picture, its alt text and the words, and nothing is lost."""

import io
import re
import threading
import time
from base64 import b64decode
from html import escape

import ipywidgets as widgets
import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from helpers import plots
from helpers.explorers import (
    Explorer,
    Position,
    Trainer,
    explore_reach,
    explore_windows,
    labelled_slider,
)
from helpers.lessons.clinic_padding import explore_patients
from helpers.lessons.clinic_state import explore_batches
from helpers.lessons.fixed_steps import explore_state
from helpers.lessons.full_sequence import explore_padding
from helpers.lessons.mask_microscope import explore_layers
from helpers.lessons.masking import explore_masks
from helpers.lessons.steps_argument import explore_epochs, explore_targets
from helpers.numbers import numbers_of

LENGTHS = [7, 12, 4, 11, 2]
# How to make it, a control to move, and where to.
EXPLORERS = {
    "windows": (lambda model, rows: explore_windows(rows, steps=5), "steps", 3),
    "state": (lambda model, rows: explore_state(model, rows, steps=5, carry=False), "steps", 3),
    "reach": (lambda model, rows: explore_reach(model, rows, steps=5), "steps", 3),
    "masks": (lambda model, rows: explore_masks(model, rows), "length", 20),
    "padding": (lambda model, rows: explore_padding(LENGTHS), "n_batches", 3),
    "epochs": (lambda model, rows: explore_epochs(), "epochs", 2),
    "targets": (lambda model, rows: explore_targets(), "steps", 3),
    "layers": (lambda model, rows: explore_layers(rows), "length", 14),
    "batches": (lambda model, rows: explore_batches(), "batch_size", 7),
    "patients": (lambda model, rows: explore_patients(), "extra", 6),
}


@pytest.fixture(scope="module")
def model(make_rnn):
    return make_rnn(2, cell="simple_rnn")


@pytest.fixture(scope="module", params=EXPLORERS)
def made(request, model, ragged):
    """An explorer, a control of it, where that stood, and another place for it."""
    make, name, there = EXPLORERS[request.param]
    explorer = make(model, ragged)
    control = explorer.controls[name]
    return explorer, control, control.value, there


@pytest.fixture
def explorer(made):
    explorer, control, here, _ = made
    control.value = here
    return explorer


@pytest.fixture
def move(made):
    """A function that moves a control of `explorer` to another place, or back."""
    _, control, here, there = made

    def move(back=False):
        control.value = here if back else there

    return move


def test_the_picture_and_its_alt_and_readout_say_the_same(shown, explorer):
    png, alt, said, words = shown(explorer)
    assert png.startswith(b"\x89PNG")
    assert alt == said == words
    assert re.search(r"\d", words)


def test_moving_a_control_changes_the_picture_and_the_words(shown, explorer, move):
    before = shown(explorer)
    move()
    assert all(now != then for now, then in zip(shown(explorer), before, strict=True))


def test_moving_back_shows_the_same_again(shown, explorer, move):
    move()
    move(back=True)
    before = shown(explorer)
    for _ in range(2):
        move()
        move(back=True)
    assert shown(explorer) == before


def test_the_quick_picture_is_that_of_drawing_everything(shown, explorer, move):
    move()
    quick = np.asarray(Image.open(io.BytesIO(shown(explorer)[0])).convert("RGB"), int)
    canvas = explorer.figure.canvas
    canvas.draw()
    full = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    off = np.abs(quick - full).max(axis=-1) > 30  # where lines cross, their order may differ
    assert off.mean() < 0.005


def test_a_reader_without_a_kernel_gets_the_picture_and_the_words(shown, explorer, move):
    move()
    bundle = explorer._repr_mimebundle_()
    png, *_, words = shown(explorer)
    assert b64decode(bundle["image/png"]) == png
    assert bundle["text/plain"] == words
    assert "text/html" not in bundle  # GitHub would show nothing


def test_every_slider_goes_from_end_to_end_by_place_and_by_value(explorer):
    sliders = [each for each in explorer.controls.values() if hasattr(each, "plays")]
    assert sliders
    for slider in sliders:
        assert slider.description
        before = slider.value
        for place in (0, len(slider.options) - 1):
            slider.set_state({"value": place})  # as the page says it
            assert (slider.names[place], slider.value) == slider.options[place]
            assert slider.get_state("value") == {"value": place}
            slider.value = before
            assert slider.options[slider.get_state("value")["value"]][1] == before


def test_the_first_slider_plays(explorer):
    sliders = [each for each in explorer.controls.values() if hasattr(each, "plays")]
    assert [each.plays for each in sliders] == [True, *[False] * (len(sliders) - 1)]


def test_play_hears_of_each_place_when_its_picture_is_there(explorer, monkeypatch):
    slider = next(each for each in explorer.controls.values() if hasattr(each, "plays"))
    slider.value, sent = slider.options[0][1], []
    note = lambda _, words: sent.append((words, slider.value, explorer.picture.value))  # noqa: E731
    monkeypatch.setattr(type(slider), "send", note)
    slider._handle_msg({"content": {"data": {"method": "custom", "content": 1}}, "buffers": []})
    assert sent == [("drawn", slider.options[1][1], explorer.picture.value)]


def test_a_slider_refuses_what_it_has_not_and_stays(assert_refused):
    count = [("none", 0), ("two", 2)]
    for slider, wrong in (
        (labelled_slider("n", 3, 1, 4), 5),
        (labelled_slider("n", 2, options=count), 1),
    ):
        before = slider.value
        assert_refused(lambda: setattr(slider, "value", wrong), ValueError, "`n` must be one of")  # noqa: B023
        assert slider.value == before
    assert_refused(lambda: labelled_slider("n", 0, 1, 4), ValueError, "between 1 and 4")


def test_a_position_that_a_control_has_not_leaves_the_explorer_at_work():
    (ax,) = plots.new_axes()
    controls = {"n": labelled_slider("n", 1, 1, 3)}
    explorer = Explorer(
        ax.figure, controls, lambda n: f"n = {n}", positions=[Position("far", "", {"n": 9})]
    )
    row, _ = explorer.children[0].children
    with pytest.raises(ValueError, match="one of 1 … 3"):
        row.children[1]._click_handlers.callbacks[0](None)
    controls["n"].value = 2
    assert explorer.words == "n = 2"


def test_numbers_are_made_while_they_are_open(explorer, move):
    numbers = explorer._numbers
    move()
    assert numbers.text == ""
    numbers.opened = True
    before = numbers.text
    assert before == numbers_of(explorer.figure)
    move(back=True)
    assert numbers.text == numbers_of(explorer.figure)
    numbers.opened = False
    assert numbers.text == ""


def test_explorers_never_touch_pyplot(explorer, move):
    move()
    assert plt.get_fignums() == []


def test_an_error_while_drawing_reaches_the_cell_that_moved_the_slider():
    def draw(n):
        if n == 2:
            raise RuntimeError("no such picture")
        return f"n = {n}"

    (ax,) = plots.new_axes()
    slider = widgets.IntSlider(1, 1, 3)
    Explorer(ax.figure, {"n": slider}, draw)
    with pytest.raises(RuntimeError, match="no such picture"):
        slider.value = 2


def test_words_are_shown_as_words_not_as_html(shown):
    (ax,) = plots.new_axes()
    explorer = Explorer(ax.figure, {}, lambda: 'a < b & "c"')
    assert f'alt="{escape(explorer.words)}"' in explorer.picture.value
    assert shown(explorer)[1:] == (explorer.words,) * 3


# --- what the words say ----------------------------------------------------------------------


def test_windows_are_counted_right(ragged):
    words = explore_windows(ragged, steps=5).words
    assert "steps = 5: 3 windows for up to 12 timesteps" in words
    assert "2 real timesteps and 3 of padding" in words


def test_carrying_makes_no_difference_and_resetting_does(model, ragged):
    explorer = explore_state(model, ragged, steps=5)
    assert "by at most 0.0000" in explorer.words
    explorer.controls["sequence"].value = 1
    assert "sequence 1" in explorer.words
    explorer.controls["carry"].value = False
    assert float(re.findall(r"at most ([\d.]+\d)", explorer.words)[0]) > 0.001


def test_gradient_stops_where_the_window_of_the_output_begins(model, ragged):
    explorer = explore_reach(model, ragged[1:2], steps=5)
    for at, learned in ((11, 2), (9, 5), (5, 1)):
        explorer.controls["at"].value = at
        (state,) = re.findall(r"depends on the last (\d+) timestep", explorer.words)
        (gradient,) = re.findall(r"gradient reaches (\d+) of them", explorer.words)
        assert int(gradient) == learned < int(state) <= at + 1


def test_a_position_sets_the_controls_and_says_what_to_see(model, ragged, shown):
    says = "Nothing is carried: look <left>."
    places = [
        Position("Reset", says, {"steps": 4, "carry": False}),
        Position("5", "", {"steps": 5}),
    ]
    explorer = explore_reach(model, ragged[1:2], steps=5, positions=places)
    drawn = []
    draw, explorer.draw = explorer.draw, lambda **values: drawn.append(values) or draw(**values)
    buttons, said = explorer.children[0].children
    label, reset, _ = buttons.children
    assert (label.value, reset.description) == ("Look at this:", "Reset")
    reset.click()
    assert drawn == [{"steps": 4, "carry": False, "at": 11}]  # once, not once a control
    assert "steps = 4, state reset" in shown(explorer)[1]
    assert said.value == says
    explorer.controls["steps"].value = 6
    assert said.value == ""  # it was said of steps = 4


# --- training --------------------------------------------------------------------------------


def test_a_trainer_reports_stops_and_shows_its_errors():
    reported, go_on = threading.Event(), threading.Event()

    def work(error):
        assert not trainer.report(0.5, "half of it")
        reported.set()
        go_on.wait(20)
        if error:
            raise RuntimeError("no more <memory>")
        stops.append(trainer.report(1, "all of it"))

    stops = []
    trainer = Trainer(work, lambda: [False])
    button, bar, status = trainer.children
    for press, error, words in ((True, False, "Stopped."), (False, True, "<memory>")):
        reported.clear()
        go_on.clear()
        trainer.start(error)
        assert reported.wait(20)
        assert trainer.busy
        assert "half of it" in status.value
        assert (bar.value, button.description) == (0.5, "Stop")
        if press:
            button.click()
            assert "Stopping" in status.value
        go_on.set()
        trainer.wait()
        assert words in status.value
        assert not trainer.busy
        assert button.description == "Train"
    assert stops == [True]


# --- errors ----------------------------------------------------------------------------------


def test_what_is_no_batch_of_sequences_is_refused(bad_sequences, assert_refused):
    sequences, error, *words = bad_sequences
    assert_refused(lambda: explore_windows(sequences, steps=1), error, "`sequences", *words)


@pytest.mark.parametrize("explore", [explore_state, explore_reach])
def test_sequences_that_do_not_fit_the_model_are_refused(explore, model, assert_refused):
    words = "`sequences` must have the 3 features", "4 features"
    assert_refused(lambda: explore(model, [np.ones((5, 4))]), ValueError, *words)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, r: explore_windows(r, steps=13), "`steps` must be between 1 and 12"),
        (lambda m, r: explore_state(m, r, steps=0), "`steps` must be between 1 and 12"),
        (lambda m, r: explore_reach(m, r, steps=13), "`steps` must be between 1 and 12"),
    ],
)
def test_what_cannot_be_explored_is_refused(call, words, model, ragged, assert_refused):
    assert_refused(lambda: call(model, ragged), ValueError, words)


def test_carry_is_true_or_false(model, ragged, assert_refused):
    words = "must be True or False"
    assert_refused(lambda: explore_state(model, ragged, carry="yes"), TypeError, words)


def test_trainings_wait_for_one_another():
    order, began, go = [], threading.Event(), threading.Event()

    def work():
        began.set()
        go.wait(10)
        order.append("first")

    first, second = Trainer(work, tuple), Trainer(lambda: order.append("second"), tuple)
    first.start()
    assert began.wait(10)
    second.start()
    time.sleep(0.1)
    assert second.busy
    go.set()
    first.wait()
    second.wait()
    assert order == ["first", "second"]
