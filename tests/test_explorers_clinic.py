"""Whose state a window starts from: what is drawn and said, against a stateful Keras layer."""

import base64
import io
import re
from html import unescape

import ipywidgets as widgets
import keras
import numpy as np
import pytest
from helpers.explorers.clinic import ORDERS, deal_windows, explore_batches
from helpers.plots.batches import FOREIGN, ZEROS, plot_batches
from matplotlib.figure import Figure
from PIL import Image

from helpers import plots
from tests.pictures import rectangles


def shown(explorer):
    """What an explorer shows: the PNG, its alt text, the readout."""
    *_, picture, readout = explorer.children
    (alt,) = re.findall(r'alt="([^"]*)"', picture.value)
    (png,) = re.findall(r'src="data:image/png;base64,([^"]*)"', picture.value)
    (said,) = re.findall(r'<p role="status">(.*)</p>', readout.value)
    return base64.b64decode(png), unescape(alt), unescape(said)


def cells(ax, style):
    """The (batch, row) of each cell that is drawn in a style."""
    return {(round(x + 0.5), round(y + 0.45)) for x, y, _, _ in rectangles(ax, style)}


# --- dealing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("n_windows", "batch_size"), [(24, 4), (7, 3), (5, 1), (4, 4)])
def test_every_batch_is_full_and_only_windows_of_the_series_are_dealt(n_windows, batch_size, order):
    windows = deal_windows(n_windows, batch_size, order=order)
    assert windows.shape == (n_windows // batch_size, batch_size)
    assert set(windows.ravel()) <= set(range(n_windows))
    if order != "at random":
        assert len(np.unique(windows)) == windows.size


@pytest.mark.parametrize("batch_size", [1, 2, 3, 6])
def test_a_stretch_for_each_row_carries_as_one_long_pass(batch_size, rng):
    series = rng.normal(size=(24, 3, 2)).astype("float32")  # 24 windows of 3 timesteps
    dealt = deal_windows(24, batch_size, order="a stretch for each row")
    stateful = keras.layers.SimpleRNN(4, stateful=True)
    outputs = [np.array(stateful(series[batch])) for batch in dealt]
    whole = keras.layers.SimpleRNN(4, return_sequences=True)
    stretches = series.reshape(batch_size, -1, 2)
    whole.build(stretches.shape)
    whole.set_weights(stateful.get_weights())
    ends = np.array(whole(stretches))[:, 2::3]  # (row, n_batches, units)
    np.testing.assert_allclose(np.stack(outputs, axis=1), ends, atol=1e-5)


@pytest.mark.parametrize("order", ORDERS)
def test_a_window_starts_where_a_stateful_layer_says(order):
    counting = keras.layers.SimpleRNN(  # its state is the last window that it read
        1,
        activation=None,
        kernel_initializer="ones",
        recurrent_initializer="zeros",
        stateful=True,
    )
    dealt = deal_windows(24, 4, order=order)
    right, before = 0, None
    for batch in dealt:
        if before is not None:
            right += int((before == batch - 1).sum())
        counting(batch[:, None, None].astype("float32"))
        before = counting.states[0].numpy()[:, 0]
    explorer = explore_batches(batch_size=4)
    explorer.controls["order"].value = order
    assert f"Of the 20 windows after it, {right} start from the state of the" in explorer.words
    assert f"{20 - right} from the state of another window" in explorer.words


# --- the picture -----------------------------------------------------------------------------


def test_cells_show_whose_state_they_start_from():
    ax = plot_batches([[0, 5], [1, 6], [4, 7], [5, 2]])
    assert cells(ax, ZEROS) == {(0, 0), (0, 1)}
    assert cells(ax, plots.STATE) == {(1, 0), (1, 1), (2, 1), (3, 0)}
    assert cells(ax, FOREIGN) == {(2, 0), (3, 1)}
    assert [text.get_text() for text in ax.texts] == list("05164752")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("batch", "row")


def test_drawing_again_replaces_what_was_drawn():
    ax = plot_batches([[0, 1], [2, 3]])
    count = len(plots.drawn_artists(ax.figure))
    assert plot_batches([[3, 1], [2, 0]], ax=ax) is ax
    assert len(plots.drawn_artists(ax.figure)) == count
    assert len(ax.texts) == 4


def test_another_axes_is_drawn_on():
    ax = Figure().subplots()
    assert plot_batches([[0]], ax=ax) is ax


@pytest.mark.parametrize(
    ("windows", "error", "words"),
    [
        ([0, 1], ValueError, "`windows` must have 2 axes: (n_batches, batch)"),
        ([[]], ValueError, "`windows` must hold at least one entry"),
        ([[0.5]], TypeError, "`windows` must hold the numbers of windows. Received: dtype float"),
        ([["a"]], TypeError, "`windows` must hold real numbers"),
    ],
)
def test_what_is_no_batch_of_windows_is_refused(windows, error, words, assert_refused):
    assert_refused(lambda: plot_batches(windows), error, words)


# --- the explorer ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_moving_from_end_to_end_changes_picture_alt_and_words(order):
    explorer = explore_batches()
    explorer.controls["order"].value = order
    slider = explorer.controls["batch_size"]
    slider.value = slider.min
    first = shown(explorer)
    slider.value = slider.max
    last = shown(explorer)
    assert all(now != then for now, then in zip(last, first, strict=True))
    assert last[1] == last[2] == explorer.words
    slider.value = slider.min
    assert shown(explorer) == first


def test_in_order_is_right_for_a_batch_size_of_1_only():
    explorer = explore_batches(batch_size=1)
    assert "23 start from the state of the window before, 0 from" in explorer.words
    for batch_size in range(2, 9):
        explorer.controls["batch_size"].value = batch_size
        assert " 0 start from the state of the window before" in explorer.words


def test_windows_that_fill_no_batch_are_counted():
    explorer = explore_batches(batch_size=5)
    assert explorer.words.endswith("4 windows fill no batch.")
    explorer.controls["batch_size"].value = 4
    assert explorer.words.endswith("another window.")


def test_the_quick_picture_is_that_of_drawing_everything():
    explorer = explore_batches()
    explorer.controls["batch_size"].value = 7
    quick = np.asarray(Image.open(io.BytesIO(shown(explorer)[0])).convert("RGB"), int)
    canvas = explorer._canvas.figure.canvas
    canvas.draw()
    full = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    assert (np.abs(quick - full).max(axis=-1) > 30).mean() < 0.005


def test_the_slider_has_a_labelled_entry():
    (pair,) = (c.children for c in explore_batches().children if isinstance(c, widgets.HBox))
    entry, slider = pair
    assert entry.description == "batch size"
    slider.value = 2
    assert entry.value == 2


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: explore_batches(n_windows=3), ValueError, "`n_windows` must be at least 4"),
        (lambda: explore_batches(most=13), ValueError, "`most` must be between 2 and 12"),
        (lambda: explore_batches(batch_size=9), ValueError, "`batch size` must be between 1 and 8"),
        (lambda: explore_batches(n_windows=2.5), TypeError, "`n_windows` must be a whole number"),
        (lambda: deal_windows(4, 5, order=ORDERS[0]), ValueError, "`batch_size` must be between"),
        (lambda: deal_windows(0, 1, order=ORDERS[0]), ValueError, "`n_windows` must be at least 1"),
        (lambda: deal_windows(4, 2, order="sorted"), ValueError, "`order` must be one of"),
    ],
)
def test_what_cannot_be_dealt_is_refused(call, error, words, assert_refused):
    assert_refused(call, error, words)
