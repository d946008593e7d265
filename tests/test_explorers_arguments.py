"""What the pictures of lesson 04 claim is what Keras really draws and pairs."""

import base64
import re
import warnings
from html import unescape

import ipywidgets as widgets
import numpy as np
import pytest
from helpers.explorers.arguments import CALLS, SOURCES, draw_epochs, pair_targets
from helpers.plots.arguments import AGAIN, plot_epochs, plot_targets
from matplotlib import pyplot as plt

from helpers import plots
from helpers.explorers import explore_epochs, explore_targets
from helpers.windows import sliding_windows
from tests.pictures import rectangles

RAN_OUT = "Your input ran out of data"
LIMIT = 25

# --- Keras as the oracle ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit_draws():
    """A function that fits a real model and gives each epoch's batches of rows, and a warning."""
    import keras

    epochs = []

    def note(numbers, outputs):
        epochs[-1].append(numbers.numpy().astype(int).ravel().tolist())
        return keras.losses.mean_squared_error(numbers, outputs)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), note, run_eagerly=True)

    class Follow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append([])

        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch + 1 == LIMIT  # of an epoch that never ends

    def fit(data, **options):
        epochs.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            model.fit(*data, shuffle=False, verbose=0, callbacks=[Follow()], **options)
        said = [str(w.message) for w in caught if w.category is UserWarning]
        assert all(words.startswith(RAN_OUT) for words in said)
        return list(epochs), len(said)

    return fit


def make_data(source, n_rows, batch_size):
    """What to give `fit`: rows whose targets are their own numbers."""
    import tensorflow as tf

    numbers = np.arange(float(n_rows))[:, None]
    if source == "array":
        return (numbers, numbers), {"batch_size": batch_size}
    if source == "tensor":
        return (tf.constant(numbers), tf.constant(numbers)), {"batch_size": batch_size}
    dataset = tf.data.Dataset.from_tensor_slices((numbers, numbers)).batch(batch_size)
    return [dataset.repeat() if source == "dataset.repeat()" else dataset], {}


@pytest.mark.parametrize("source", [*SOURCES, "tensor"])
@pytest.mark.parametrize(
    ("n_rows", "batch_size", "steps_per_epoch", "epochs"),
    [
        (10, 4, None, 2),
        (10, 4, 1, 5),
        (10, 4, 2, 4),
        (10, 4, 3, 3),
        (10, 4, 5, 3),
        (8, 2, 3, 5),
        (7, 1, 2, 6),
        (3, 8, 2, 3),
        (1, 1, 1, 2),
        (12, 5, None, 1),
    ],
)
def test_fit_draws_what_the_picture_shows(
    fit_draws, source, n_rows, batch_size, steps_per_epoch, epochs
):
    expected = draw_epochs(
        n_rows,
        batch_size,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        source="array" if source == "tensor" else source,
        limit=LIMIT,
    )
    data, options = make_data(source, n_rows, batch_size)
    drawn, n_warnings = fit_draws(data, steps_per_epoch=steps_per_epoch, epochs=epochs, **options)
    assert drawn == [epoch.batches for epoch in expected]
    assert n_warnings == sum(epoch.ran_out for epoch in expected)
    never_ends = source == "dataset.repeat()" and steps_per_epoch is None
    assert [epoch.never_ends for epoch in expected] == [never_ends] * len(expected)
    assert len(expected) == (1 if never_ends else epochs)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("timesteps", "steps", "stride", "horizon"),
    [(20, 5, 1, 1), (20, 8, 3, 4), (20, 1, 1, 1), (11, 4, 2, 2), (30, 3, 4, 5), (10, 5, 1, 1)],
)
def test_keras_pairs_what_the_picture_shows(call, timesteps, steps, stride, horizon):
    import keras

    series, shift = np.arange(float(timesteps)), steps + horizon - 1
    data, targets = {
        "series twice": (series, series),
        "as documented": (series[:-shift] if shift else series, series[shift:]),
        "whole series": (series, series[shift:]),
    }[call]
    dataset = keras.utils.timeseries_dataset_from_array(
        data, targets, sequence_length=steps, sequence_stride=stride
    )
    windows, ends = map(np.concatenate, zip(*dataset.as_numpy_iterator(), strict=True))
    pairs = pair_targets(timesteps, steps, stride=stride, horizon=horizon, call=call)
    np.testing.assert_array_equal(windows, pairs[:, :1] + np.arange(steps))
    np.testing.assert_array_equal(ends, pairs[:, 1])


@pytest.mark.parametrize(("steps", "stride", "horizon"), [(5, 1, 1), (3, 2, 4), (8, 4, 2)])
def test_the_whole_series_pairs_as_sliding_windows_does(steps, stride, horizon):
    inputs, targets = sliding_windows(np.arange(20)[:, None], steps, stride=stride, horizon=horizon)
    pairs = pair_targets(20, steps, stride=stride, horizon=horizon)
    np.testing.assert_array_equal(pairs, np.stack([inputs[:, 0, 0], targets[:, 0]], axis=1))


def test_the_documented_call_drops_one_window_less_than_a_window_is_long():
    for steps, horizon in ((10, 1), (7, 1), (10, 4)):
        whole = pair_targets(100, steps, horizon=horizon)
        short = pair_targets(100, steps, horizon=horizon, call="as documented")
        assert len(whole) - len(short) == steps - 1
    assert len(pair_targets(100, 10, call="as documented")) == 81


# --- explorers --------------------------------------------------------------------------------


@pytest.fixture(params=[explore_epochs, explore_targets])
def explorer(request):
    return request.param()


def shown(explorer):
    """The PNG, its alt text and the readout."""
    *_, picture, readout = explorer.children
    (alt,) = re.findall(r'alt="([^"]*)"', picture.value)
    (png,) = re.findall(r'src="data:image/png;base64,([^"]*)"', picture.value)
    (said,) = re.findall(r'<p role="status">(.*)</p>', readout.value)
    return base64.b64decode(png), unescape(alt), unescape(said)


def sliders(explorer):
    return [child.children for child in explorer.children if isinstance(child, widgets.HBox)]


def options_of(control):
    if isinstance(control, widgets.IntSlider):
        return control.min, control.max
    return control.options[0][1], control.options[-1][1]


def test_every_control_changes_picture_alt_and_words_between_its_ends(explorer):
    for _, slider in sliders(explorer):  # each stays at its end, as in the browser test
        before = None
        for value in options_of(slider):
            slider.value = value
            after = shown(explorer)
            assert after[1] == after[2] == explorer.words
            assert before is None or all(a != b for a, b in zip(before, after, strict=True))
            before = after


def test_every_slider_has_a_labelled_entry_linked_to_it(explorer):
    assert len(sliders(explorer)) == len(explorer.controls) - 1
    for entry, slider in sliders(explorer):
        assert entry.description
        for value in options_of(slider):
            slider.value = value
            assert entry.value == value
            entry.value = options_of(slider)[0]
            assert slider.value == options_of(slider)[0]


def test_every_button_and_every_corner_can_be_drawn(explorer):
    buttons = next(c for c in explorer.controls.values() if isinstance(c, widgets.ToggleButtons))
    words = set()
    for option in buttons.options:
        buttons.value = option
        for end in (0, 1):
            for _, slider in sliders(explorer):
                slider.value = options_of(slider)[end]
            words.add(explorer.words)
    assert len(words) == 2 * len(buttons.options)
    assert plt.get_fignums() == []


def test_epochs_are_described_as_they_are_drawn():
    explorer = explore_epochs()
    assert "the 4 epochs draw 8, 2, 8, 2 rows. Every row is drawn. 2 of 4 ran out" in explorer.words
    explorer.controls["epochs"].value = 1
    assert "the epoch draws 8 rows. 2 of the rows are never drawn. No epoch" in explorer.words
    explorer.controls["source"].value = "dataset.repeat()"
    explorer.controls["epochs"].value = 3
    assert "the 3 epochs draw 8, 6, 6 rows" in explorer.words
    explorer.controls["steps_per_epoch"].value = 0
    assert "not given: epoch 0 never ends" in explorer.words
    assert "up to 60 batches; 2 of 3 epochs never begin" in explorer.words


def test_an_explorer_may_start_without_steps_per_epoch():
    assert "not given: the 4 epochs draw 10, 10" in explore_epochs(steps_per_epoch=None).words


def test_targets_are_counted_right():
    explorer = explore_targets()
    assert "15 windows and targets fit" in explorer.words
    assert "(series, series, sequence_length=5" in explorer.words
    assert "makes 16 windows, 0 of them with the right target" in explorer.words
    explorer.controls["call"].value = "as documented"
    assert "(series[:-5], series[5:], sequence_length=5" in explorer.words
    assert "makes 11 windows, 11 of them" in explorer.words
    explorer.controls["call"].value = "whole series"
    explorer.controls["stride"].value = 3
    assert "makes 5 windows, 5 of them" in explorer.words


def test_the_lower_picture_is_of_the_chosen_call():
    explorer = explore_targets(steps=3)
    _, below = explorer._canvas.figure.axes
    for call in CALLS:
        explorer.controls["call"].value = call
        marked = markers(below, plots.CHOSEN) + markers(below, {"marker": "X"})
        pairs = pair_targets(20, 3, call=call)
        assert marked == [[target, start] for start, target in pairs.tolist()]


# --- plots ------------------------------------------------------------------------------------


def cells(ax, style):
    """Rectangles of a style, as (left, right, middle)."""
    boxes = rectangles(ax, style)
    return {(left, left + width, round(low + height / 2, 6)) for left, low, width, height in boxes}


def markers(ax, style):
    (line,) = [line for line in ax.get_lines() if line.get_marker() == style["marker"]]
    return line.get_xydata().tolist()


def test_epochs_show_each_row_as_drawn_once_again_or_not():
    counts = np.array([[1, 0, 2], [0, 1, 1]])
    ax = plot_epochs(counts, batch_size=2, notes=["", "ran out"])
    for style, where in (
        (plots.REAL, counts == 1),
        (AGAIN, counts > 1),
        (plots.PADDED, counts == 0),
    ):
        expected = {(epoch - 0.5, epoch + 0.5, row) for epoch, row in np.argwhere(where)}
        assert cells(ax, style) == expected
    (lines,) = ax.collections
    assert [line[0][1] for line in lines.get_segments()] == [-0.5, 1.5, 2.5]
    assert [(t.get_position()[0], t.get_text()) for t in ax.texts] == [(0, ""), (1, "ran out")]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "row")
    low, high = ax.get_ylim()
    assert low > high
    assert min(ax.get_yticks()) == 0


def test_targets_show_windows_what_is_dropped_and_what_is_wrong():
    ax = plot_targets([[0, 3], [1, 1]], steps=3, timesteps=8, wanted=[[0, 3], [1, 4], [2, 5]])
    assert cells(ax, plots.REAL) == {(-0.5, 2.5, 0), (0.5, 3.5, 1)}
    assert cells(ax, plots.PADDED) == {(1.5, 4.5, 2)}
    assert markers(ax, plots.CHOSEN) == [[3, 0]]
    assert markers(ax, {"marker": "X"}) == [[1, 1]]


@pytest.mark.parametrize(
    "draw",
    [
        lambda **options: plot_epochs(np.eye(3, dtype=int), batch_size=2, **options),
        lambda **options: plot_targets([[0, 3]], steps=3, timesteps=8, **options),
    ],
)
def test_a_plot_comes_on_its_axes_and_replaces_the_drawing_before(draw):
    ax = draw()
    before = len(ax.figure.findobj())
    assert draw(ax=ax) is ax
    assert len(ax.figure.findobj()) == before
    assert draw().figure is not ax.figure
    assert plt.get_fignums() == []


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: draw_epochs(0, 4), "`n_rows` must be at least 1"),
        (lambda: draw_epochs(4, 0), "`batch_size` must be at least 1"),
        (lambda: draw_epochs(4, 1, steps_per_epoch=0), "`steps_per_epoch` must be at least 1"),
        (lambda: draw_epochs(4, 1, epochs=0), "`epochs` must be at least 1"),
        (lambda: draw_epochs(4, 1, limit=0), "`limit` must be at least 1"),
        (lambda: draw_epochs(4, 1, source="list"), "`source` must be one of 'array'"),
        (lambda: explore_epochs(17), "`rows` must be between 1 and 16"),
        (lambda: explore_epochs(batch_size=0), "`batch_size` must be between 1 and 6"),
        (lambda: explore_epochs(steps_per_epoch=7), "`steps_per_epoch` must be between 1 and 6"),
        (lambda: explore_epochs(epochs=7), "`epochs` must be between 1 and 6"),
        (lambda: pair_targets(4, 4), "`timesteps` must leave room for one window of 4"),
        (lambda: pair_targets(6, 4, call="as documented"), "in the call 'as documented'"),
        (lambda: pair_targets(6, 0), "`steps` must be at least 1"),
        (lambda: pair_targets(6, 1, stride=0), "`stride` must be at least 1"),
        (lambda: pair_targets(6, 1, horizon=0), "`horizon` must be at least 1"),
        (lambda: pair_targets(6, 1, call="twice"), "`call` must be one of 'series twice'"),
        (lambda: explore_targets(9), "`timesteps` must be at least 10"),
        (lambda: explore_targets(steps=9), "`steps` must be between 1 and 8"),
        (lambda: plot_epochs([1, 0], batch_size=1), "`counts` must have 2 axes: (epochs, rows)"),
        (lambda: plot_epochs([[1]], batch_size=0), "`batch_size` must be at least 1"),
        (lambda: plot_epochs([[1]], batch_size=1, notes=[]), "each of the 1 epochs"),
        (lambda: plot_targets([0], steps=1, timesteps=2), "`pairs` must have 2 axes"),
        (lambda: plot_targets([[0, 1]], steps=3, timesteps=2), "`steps` must be between 1 and 2"),
    ],
)
def test_what_cannot_be_shown_is_refused(call, words, assert_refused):
    assert_refused(call, ValueError, words)


def test_numbers_that_are_not_whole_are_refused(bad_number, assert_refused):
    value, error, *words = bad_number
    assert_refused(lambda: draw_epochs(value, 4), error, "`n_rows`", *words)
    assert_refused(lambda: pair_targets(value, 4), error, "`timesteps`", *words)
