"""Moving a control changes the picture, its alt text and the words, and nothing is lost."""

import _thread
import base64
import io
import re
import threading
from html import escape, unescape

import ipywidgets as widgets
import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

import helpers.training
from helpers import checks, plots
from helpers.costs import Cost
from helpers.explorers import (
    Explorer,
    ask,
    explore_cost,
    explore_masks,
    explore_padding,
    explore_reach,
    explore_state,
    explore_training,
    explore_windows,
)
from helpers.explorers.base import with_code

LENGTHS = [7, 12, 4, 11, 2]
COSTS = [Cost(24, 0.5, 3.0), Cost(1, 2.0, 0.5), Cost(6, 1.0, 1.5)]
# How to make it, a control to move, and where to.
EXPLORERS = {
    "windows": (lambda model, rows: explore_windows(rows, steps=5), "steps", 3),
    "state": (lambda model, rows: explore_state(model, rows, steps=5, carry=False), "steps", 3),
    "reach": (lambda model, rows: explore_reach(model, rows, steps=5), "steps", 3),
    "masks": (lambda model, rows: explore_masks(model, rows), "length", 20),
    "padding": (lambda model, rows: explore_padding(LENGTHS), "n_buckets", 3),
    "cost": (lambda model, rows: explore_cost(COSTS), "chosen", 0),
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


def html(explorer):
    """The picture and the readout, as HTML."""
    *_, picture, readout = explorer.children
    return picture.value, readout.value


def shown(explorer):
    """What an explorer shows: the PNG, its alt text, the readout, the words."""
    picture, readout = html(explorer)
    (alt,) = re.findall(r'alt="([^"]*)"', picture)
    (png,) = re.findall(r'src="data:image/png;base64,([^"]*)"', picture)
    (said,) = re.findall(r'<p role="status">(.*)</p>', readout)
    return base64.b64decode(png), unescape(alt), unescape(said), explorer.words


def test_the_picture_and_its_alt_and_readout_say_the_same(explorer):
    png, alt, said, words = shown(explorer)
    assert png.startswith(b"\x89PNG")
    assert alt == said == words
    assert re.search(r"\d", words)


def test_moving_a_control_changes_the_picture_and_the_words(explorer, move):
    before = shown(explorer)
    move()
    assert all(now != then for now, then in zip(shown(explorer), before, strict=True))


def test_moving_back_shows_the_same_again(explorer, move):
    move()
    move(back=True)
    before = shown(explorer)
    for _ in range(2):
        move()
        move(back=True)
    assert shown(explorer) == before


def test_the_quick_picture_is_that_of_drawing_everything(explorer, move):
    move()
    quick = np.asarray(Image.open(io.BytesIO(shown(explorer)[0])).convert("RGB"), int)
    canvas = explorer._canvas.figure.canvas
    canvas.draw()
    full = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    off = np.abs(quick - full).max(axis=-1) > 30  # where lines cross, their order may differ
    assert off.mean() < 0.005


def test_a_reader_without_a_kernel_gets_the_picture_and_the_words(explorer, move):
    move()
    bundle = explorer._repr_mimebundle_()
    png, *_, words = shown(explorer)
    assert base64.b64decode(bundle["image/png"]) == png
    assert bundle["text/plain"] == words
    assert "text/html" not in bundle  # GitHub would show nothing


def test_every_slider_has_a_labelled_entry_linked_to_it(explorer):
    pairs = [child.children for child in explorer.children if isinstance(child, widgets.HBox)]
    assert pairs
    for entry, slider in pairs:
        assert isinstance(entry, (widgets.BoundedIntText, widgets.Dropdown))
        assert entry.description
        assert isinstance(slider, (widgets.IntSlider, widgets.SelectionSlider))
        for one, other in ((entry, slider), (slider, entry)):
            if isinstance(one, widgets.IntSlider | widgets.BoundedIntText):
                for value in (one.min, one.max):
                    one.value = value
                    assert other.value == value
            else:
                one.index = 1
                assert other.index == 1


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


def test_words_are_shown_as_words_not_as_html():
    (ax,) = plots.new_axes()
    explorer = Explorer(ax.figure, {}, lambda: 'a < b & "c"')
    picture, readout = html(explorer)
    assert f'alt="{escape(explorer.words)}"' in picture
    assert escape(explorer.words) in readout
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


def test_gradient_stops_where_the_last_window_begins(model, ragged):
    words = explore_reach(model, ragged[1:2], steps=5).words
    (gradient,) = re.findall(r"gradient stops after (\d+)", words)
    (state,) = re.findall(r"up to (\d+) timesteps back", words)
    assert int(gradient) == 2 < int(state)


def test_a_mask_keeps_the_state_right_however_far_a_batch_is_padded(model, ragged):
    explorer = explore_masks(model, ragged)
    explorer.controls["length"].value = 30
    without = float(re.findall(r"by ([\d.]+\d)", explorer.words)[0])
    explorer.controls["mask"].value = True
    assert "with a mask" in explorer.words
    assert float(re.findall(r"by ([\d.]+\d)", explorer.words)[0]) == 0 < without


def test_buckets_are_counted_right():
    explorer = explore_padding(LENGTHS)
    assert "36 real timesteps in 60 computed ones" in explorer.words
    explorer.controls["n_buckets"].value = 5
    assert "0% of the work is padding" in explorer.words


def test_costs_are_read_out_beside_those_of_the_longest_windows():
    explorer = explore_cost(COSTS)
    explorer.controls["chosen"].value = 0
    assert "steps = 1: 2,000.0 ms an epoch and 0.5 MiB" in explorer.words
    assert "longest windows measured, steps = 24: 500.0 ms and 3.0 MiB" in explorer.words


# --- training --------------------------------------------------------------------------------

SERIES = np.sin(np.arange(24.0))[:, None]
YEARS = np.arange(1900, 1924)


@pytest.fixture(scope="module")
def trained():
    return explore_training(
        SERIES, YEARS, n_train=16, steps=4, epochs=2, units=1, error="error (σ²)"
    )


@pytest.fixture
def training(trained):
    """The explorer, where it started, and its button, progress bar and status."""
    trained.controls["steps"].value = 4
    rows = [child.children for child in trained.children if isinstance(child, widgets.HBox)]
    (row,) = [row for row in rows if isinstance(row[0], widgets.Button)]
    return trained, *row


def test_training_starts_with_both_errors_measured(training):
    explorer, *_ = training
    assert {(4, True), (4, False)} <= set(explorer.errors)
    assert all(0 < error < 10 for error in explorer.errors.values())
    for carry, name in ((True, "carried"), (False, "reset")):
        assert f"state {name} {explorer.errors[4, carry]:.2f}" in explorer.words


def test_training_measures_what_was_not_measured_yet(training):
    explorer, button, progress, status = training
    explorer.controls["steps"].value = 3
    assert "neither measured yet. Press Train" in explorer.words
    before = shown(explorer)
    explorer.train()
    assert (3, True) in explorer.errors
    assert f"state carried {explorer.errors[3, True]:.2f}" in explorer.words
    assert shown(explorer)[0] != before[0]
    assert (progress.value, progress.max) == (2, 2)
    assert "Done." in status.value
    assert button.description == "Train"


def test_training_can_be_stopped_and_leaves_no_result(training, monkeypatch):
    explorer, button, _, status = training
    monkeypatch.setattr(explorer, "_epochs", 1_000_000)
    explorer.controls["steps"].value = 2
    button.click()
    assert button.description == "Stop"
    button.click()
    explorer.wait()
    assert "Stopped." in status.value
    assert button.description == "Train"
    assert (2, True) not in explorer.errors


def test_interrupting_the_kernel_stops_training(training, monkeypatch):
    explorer, button, _, status = training
    monkeypatch.setattr(explorer, "_epochs", 1_000_000)
    explorer.controls["steps"].value = 2
    threading.Timer(1.0, _thread.interrupt_main).start()  # as a signal does it
    explorer.train()
    assert "Stopped." in status.value
    assert button.description == "Train"
    assert (2, True) not in explorer.errors


def test_an_error_in_the_thread_is_shown(training, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("no more <memory>")

    monkeypatch.setattr(helpers.training, "train_windows", fail)
    explorer, button, _, status = training
    explorer.train()
    assert "RuntimeError: no more &lt;memory&gt;" in status.value
    assert button.description == "Train"


# --- questions -------------------------------------------------------------------------------


def as_read(html):
    return unescape(re.sub("<[^>]+>", "", html))


def test_a_question_answers_each_choice_at_once():
    name = "01-fed-ten"
    question = checks.load_question(name)
    asked = ask(name)
    text, choices, feedback = asked.children
    assert as_read(text.value) == question.text.replace("`", "")
    assert choices.value is None
    assert feedback.value == ""
    for choice, answer in zip(question.choices, question.answers, strict=True):
        choices.value = choice
        mark = "✔" if choice == question.choices[question.right] else "✘"
        assert feedback.value.startswith('<p role="status">')
        assert as_read(feedback.value) == as_read(f"{mark} {answer}".replace("`", ""))


def test_a_claims_mark_is_raised_in_an_answer_and_nothing_else_is_html():
    shown = "a &lt;b&gt; <code>c</code> d.<sup>1.12</sup>"
    assert with_code("a <b> `c` d.<sup>1.12</sup>") == shown
    assert with_code("<sup>x</sup>") == "&lt;sup&gt;x&lt;/sup&gt;"


def test_a_stored_question_shows_its_choices_and_no_answer():
    question = checks.load_question("01-fed-ten")
    stored = ask("01-fed-ten")._repr_mimebundle_()["text/plain"]
    assert max(map(len, stored.split("\n"))) <= 66
    read = " ".join(stored.split())
    assert all(choice in read for choice in [question.text, *question.choices])
    assert not any(answer in read for answer in question.answers)


# --- errors ----------------------------------------------------------------------------------


def test_what_is_no_batch_of_sequences_is_refused(bad_sequences, assert_refused):
    sequences, error, *words = bad_sequences
    assert_refused(lambda: explore_windows(sequences, steps=1), error, "`sequences", *words)


@pytest.mark.parametrize("explore", [explore_state, explore_reach, explore_masks])
def test_sequences_that_do_not_fit_the_model_are_refused(explore, model, ragged, assert_refused):
    wide = [np.ones((5, 4))]
    words = "`sequences` must have the 3 features", "4 features"
    assert_refused(lambda: explore(model, wide), ValueError, *words)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, r: explore_windows(r, steps=13), "`steps` must be between 1 and 12"),
        (lambda m, r: explore_state(m, r, steps=0), "`steps` must be between 1 and 12"),
        (lambda m, r: explore_reach(m, r, steps=13), "`steps` must be between 1 and 12"),
        (lambda m, r: explore_masks(m, r, timesteps=11), "`timesteps` must be at least 12"),
        (lambda m, r: explore_padding([]), "`lengths` must list one number"),
        (lambda m, r: explore_padding([1, 2], n_buckets=3), "`buckets` must be between 1 and 2"),
        (
            lambda m, r: explore_training(SERIES[:, 0], YEARS, n_train=9),
            "`series` must have 2 axes",
        ),
        (lambda m, r: explore_training(SERIES, YEARS, n_train=23), "`n_train` must be between 2"),
        (lambda m, r: explore_training(SERIES, YEARS, n_train=9, epochs=0), "`epochs` must be"),
        (lambda m, r: explore_training(SERIES, YEARS, n_train=9, steps=9), "`steps` must be"),
        (lambda m, r: explore_training(SERIES, YEARS, n_train=9, units=0), "`units` must be"),
        (lambda m, r: explore_training(SERIES * np.nan, YEARS, n_train=9), "finite numbers"),
        (lambda m, r: explore_training(SERIES, YEARS, n_train=9, steps=0), "`steps` must be"),
        (
            lambda m, r: explore_training(SERIES, YEARS[1:], n_train=9),
            "`times` must have one entry for each of the 24 timesteps of `series`. Received: 23.",
        ),
        (
            lambda m, r: explore_training(np.ones((24, 2)), YEARS, n_train=9),
            "`series` must have one feature, the one to forecast. Received: 2 features.",
        ),
        (lambda m, r: explore_masks(m, r, timesteps=0), "`timesteps` must be at least 12"),
        (lambda m, r: explore_padding([1, 2], most=0), "`most` must be at least 1"),
        (lambda m, r: explore_cost([]), "`costs` must hold at least one of the results"),
        (lambda m, r: ask("no such question"), "`name` must be one of"),
        (lambda m, r: ask([]), "`name` must be one of"),
    ],
)
def test_what_cannot_be_explored_is_refused(call, words, model, ragged, assert_refused):
    assert_refused(lambda: call(model, ragged), ValueError, words)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, r: explore_padding([1, 2], most=2.5), "`most` must be a whole number"),
        (lambda m, r: explore_masks(m, r, timesteps="30"), "`timesteps` must be a whole number"),
        (lambda m, r: explore_cost(3), "`costs` must be a list of the results"),
        (lambda m, r: explore_cost([1, 2]), "`costs[0]` must be a Cost, as `measure_costs` gives"),
        (lambda m, r: explore_state(m, r, carry="yes"), "`carry` must be True or False"),
        (lambda m, r: explore_reach(m, r, carry=None), "`carry` must be True or False"),
        (lambda m, r: explore_training(SERIES, list("a" * 24), n_train=9), "`times` must hold"),
        (lambda m, r: explore_training(SERIES, YEARS, n_train=9, units="8"), "`units` must be"),
    ],
)
def test_what_is_of_another_kind_is_refused(call, words, model, ragged, assert_refused):
    assert_refused(lambda: call(model, ragged), TypeError, words)


def test_what_was_trained_before_changes_nothing():
    series = np.sin(np.arange(30.0))[:, None]
    make = {"times": np.arange(30), "n_train": 20, "epochs": 3, "units": 2}
    first, later = explore_training(series, steps=4, **make), explore_training(series, **make)
    later.controls["steps"].value = 4
    later.train()
    assert later.errors[4, True] == pytest.approx(first.errors[4, True], rel=1e-4)
