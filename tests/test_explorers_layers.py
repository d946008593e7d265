"""The explorer says of each model what Keras does with it: a model built here is the oracle."""

import io
import re
import warnings

import keras
import matplotlib as mpl
import numpy as np
import pytest
from helpers.plots.layers import UNMASKED, plot_layers
from keras import layers
from matplotlib import pyplot as plt
from PIL import Image

import helpers.probes
from helpers import plots
from helpers.explorers import explore_layers
from helpers.windows import length_mask, pad_batch
from tests.pictures import rectangles

LENGTHS = (4, 6, 2)


class Own(layers.Layer):
    def call(self, x):
        return 2 * x


class OwnSupporting(Own):
    supports_masking = True


MIDDLE = {
    "(none)": lambda x: x,
    "Dense": lambda x: layers.Dense(3)(x),
    "Dropout": lambda x: layers.Dropout(0.2)(x),
    "LayerNormalization": lambda x: layers.LayerNormalization()(x),
    "LSTM(return_sequences=True)": lambda x: layers.LSTM(3, return_sequences=True)(x),
    "Bidirectional(LSTM)": lambda x: layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x),
    "TimeDistributed(Dense)": lambda x: layers.TimeDistributed(layers.Dense(3))(x),
    "Conv1D": lambda x: layers.Conv1D(3, 3, padding="same")(x),
    "MaxPooling1D": lambda x: layers.MaxPooling1D(2)(x),
    "x * 2": lambda x: x * 2,
    "x[:, 1:]": lambda x: x[:, 1:],
    "own layer": lambda x: Own()(x),
    "own layer, supports_masking": lambda x: OwnSupporting()(x),
}
LAST = {
    "(none)": lambda x: x,
    "LSTM": lambda x: layers.LSTM(3)(x),
    "GlobalAveragePooling1D": lambda x: layers.GlobalAveragePooling1D()(x),
    "GlobalMaxPooling1D": lambda x: layers.GlobalMaxPooling1D()(x),
    "x[:, -1]": lambda x: x[:, -1],
}
# Each in each place, once alone and once behind or before others.
PICKS = [
    *((name, "(none)", "(none)") for name in MIDDLE),
    *(("Dropout", name, "LSTM") for name in MIDDLE if name != "(none)"),
    *(("(none)", "Dense", name) for name in LAST),
    ("Conv1D", "own layer", "GlobalMaxPooling1D"),
    ("x[:, 1:]", "MaxPooling1D", "(none)"),
    ("LSTM(return_sequences=True)", "Bidirectional(LSTM)", "x[:, -1]"),
]


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(5)
    return [rng.normal(size=(n, 3)).astype("float32") for n in LENGTHS]


@pytest.fixture(scope="module")
def explorer(sequences):
    return explore_layers(sequences, timesteps=9)


def pick(explorer, first, second, last, length=6):
    chosen = {"first": first, "second": second, "last": last, "length": length}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name, value in chosen.items():
            explorer.controls[name].value = value
    assert not said  # it says them in its own words
    return explorer.words


def ask_keras(sequences, picks, length):
    """Build the model; give what its loss is divided by, and the warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        inputs = keras.Input((length, 3))
        x = layers.Masking()(inputs)
        for name, menu in zip(picks, (MIDDLE, MIDDLE, LAST), strict=True):
            x = menu[name](x)
        model = keras.Model(inputs, layers.Dense(1, kernel_initializer="zeros")(x))
        built = len(said)
        targets = np.zeros((len(sequences), *model.output_shape[1:]))
        targets[(0,) * targets.ndim] = 1.0  # one squared error of 1: the loss is 1 / divisor
        model.compile(loss="mse", run_eagerly=True)
        loss = model.evaluate(pad_batch(sequences, timesteps=length).inputs, targets, verbose=0)
    return round(1 / loss), [str(warning.message) for warning in said[:built]]


def test_the_menus_are_those_of_this_test(explorer):
    controls = explorer.controls
    assert list(controls["first"].options) == list(controls["second"].options) == list(MIDDLE)
    assert list(controls["last"].options) == list(LAST)


@pytest.mark.parametrize("picks", PICKS, ids=" ".join)
def test_the_divisor_and_the_warning_are_those_of_keras(explorer, sequences, picks):
    for length in (6, 9) if picks[1:] == ("(none)", "(none)") else (7,):
        divisor, said = ask_keras(sequences, picks, length)
        words = pick(explorer, *picks, length)
        assert f"padded to {length} timesteps" in words
        assert re.findall(r"divided by (\d+):", words) == [str(divisor)]
    assert ("and Keras warns" in words) == (len(said) == 1)
    assert ("dies in" in words) == bool(said or re.search(r"x \* 2|x\[", words))
    if said:
        (where,) = re.findall(r"dies in (\w+)", words)
        assert f"(of type {'Own' if where == 'own' else where})" in said[0]


@pytest.mark.parametrize("length", [6, 7, 9])
def test_the_masks_are_those_of_a_model_padded_to_this_length(explorer, sequences, length):
    pick(explorer, "Dense", "LSTM(return_sequences=True)", "(none)", length)
    (ax,) = explorer._canvas.figure.axes
    real = length_mask(LENGTHS, length)
    for style, cells in ((plots.REAL, real), (plots.PADDED, ~real)):
        assert cell_count(ax, style) == 4 * cells.sum()  # Masking, two layers, Dense(1)
    assert cell_count(ax, UNMASKED) == 0


def test_without_a_mask_every_timestep_counts_in_the_picture_too(explorer):
    pick(explorer, "Dense", "Conv1D", "(none)", 7)
    (ax,) = explorer._canvas.figure.axes
    assert cell_count(ax, UNMASKED) == 2 * 3 * 7  # Conv1D and Dense(1)
    pick(explorer, "Dense", "x[:, 1:]", "GlobalMaxPooling1D", 7)
    assert cell_count(ax, UNMASKED) == 3 * 6 + 3 + 3
    pick(explorer, "Dense", "(none)", "LSTM", 7)
    assert cell_count(ax, UNMASKED) == 0


def cell_count(ax, style):
    """Timesteps drawn in a style."""
    return round(sum(width for _, _, width, _ in rectangles(ax, style)))


def notes(explorer):
    (ax,) = explorer._canvas.figure.axes
    texts = [artist.get_text() for artist in plots.drawn_artists(ax.figure) if is_text(artist)]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def is_text(artist):
    return isinstance(artist, mpl.text.Text)


def test_each_layer_is_named_with_what_it_does_to_the_mask(explorer):
    pick(explorer, "Dense", "Conv1D", "LSTM")
    assert notes(explorer) == {
        "Masking": "makes the mask",
        "Dense": "keeps the mask",
        "Conv1D": "loses the mask, with a warning",
        "LSTM": "gets no mask",
        "Dense(1)": "gets no mask",
    }
    pick(explorer, "x * 2", "(none)", "(none)")
    assert notes(explorer)["x * 2"] == "loses the mask, without a word"
    pick(explorer, "(none)", "(none)", "GlobalAveragePooling1D")
    assert notes(explorer)["GlobalAveragePooling1D"] == "uses the mask: one output a sequence"
    assert notes(explorer)["Dense(1)"] == ""


def test_moving_the_slider_runs_no_model(explorer, monkeypatch):
    pick(explorer, "Dense", "LSTM(return_sequences=True)", "(none)")
    before = explorer.words, explorer._png
    monkeypatch.setattr(helpers.probes, "trace_masks", lambda *_: pytest.fail("ran the model"))
    explorer.controls["length"].value = 8
    assert explorer.words != before[0]
    assert explorer._png != before[1]
    explorer.controls["length"].value = 6
    assert (explorer.words, explorer._png) == before


def test_every_control_has_a_label_and_changes_the_picture(explorer):
    pick(explorer, "Dense", "(none)", "(none)")
    there = {"first": "Conv1D", "second": "x * 2", "last": "x[:, -1]", "length": 9}
    for name, value in there.items():
        before = explorer.words, explorer._png
        explorer.controls[name].value = value
        assert explorer.words != before[0]
        assert explorer._png != before[1]
    assert all(explorer.controls[name].description for name in ("first", "second", "last"))
    assert explorer.children[3].children[0].description == "timesteps"


def test_the_quick_picture_is_that_of_drawing_everything(explorer):
    pick(explorer, "Conv1D", "MaxPooling1D", "LSTM", 8)
    quick = np.asarray(Image.open(io.BytesIO(explorer._png)).convert("RGB"), int)
    canvas = explorer._canvas.figure.canvas
    canvas.draw()
    full = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    assert (np.abs(quick - full).max(axis=-1) > 30).mean() < 0.005


def test_a_real_timestep_of_zeros_is_shown_as_masked(sequences):
    gap = [sequence.copy() for sequence in sequences]
    gap[1][2] = 0.0
    explorer = explore_layers(gap, first="(none)")
    assert "divided by 11: the real timesteps of 18" in explorer.words


# --- errors ----------------------------------------------------------------------------------


def test_what_is_no_batch_of_sequences_is_refused(bad_sequences, assert_refused):
    values, error, *words = bad_sequences
    assert_refused(lambda: explore_layers(values), error, "`sequences", *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"first": "Flatten"}, "`first` must be one of"),
        ({"second": "LSTM"}, "`second` must be one of"),
        ({"last": "Dense"}, "`last` must be one of"),
        ({"timesteps": 5}, "`timesteps` must be at least 6"),
    ],
)
def test_what_cannot_be_picked_is_refused(options, words, sequences, assert_refused):
    assert_refused(lambda: explore_layers(sequences, **options), ValueError, words)


def test_timesteps_that_are_no_whole_number_are_refused(sequences, assert_refused):
    call = lambda: explore_layers(sequences, timesteps=9.5)  # noqa: E731
    assert_refused(call, TypeError, "`timesteps` must be a whole number")


# --- the picture -----------------------------------------------------------------------------

ROWS = [
    ("one", "keeps", np.array([[1, 1, 0, 0], [1, 0, 1, 1]])),
    ("two", "loses", np.array([[2, 2, 2], [2, 2, 2]])),
    ("three", "", np.array([[1], [2]])),
]


def boxes(ax, style):
    """Rectangles of a style, as (left, top, width, height), from top to bottom."""
    return sorted(rectangles(ax, style), key=lambda box: (box[1], box[0]))


def test_runs_of_each_kind_stand_in_their_sequence_and_layer():
    ax = plot_layers(ROWS)
    assert [(left, width) for left, _, width, _ in boxes(ax, plots.REAL)] == [
        (-0.5, 2),  # sequence 0
        (-0.5, 1),  # sequence 1
        (1.5, 2),
        (-0.5, 1),  # of layer "three"
    ]
    assert [(left, width) for left, _, width, _ in boxes(ax, plots.PADDED)] == [(1.5, 2), (0.5, 1)]
    assert [box[2] for box in boxes(ax, UNMASKED)] == [3, 3, 1]
    tops = sorted({round(box[1], 6) for style in STYLES for box in boxes(ax, style)})
    assert len(tops) == 6  # two sequences in three layers
    assert np.allclose(np.diff(tops)[::2], 1)
    assert len(set(np.round(np.diff(tops)[1::2], 6))) == 1
    assert np.diff(tops)[1] > 2  # room for the name of a layer


STYLES = (plots.REAL, plots.PADDED, UNMASKED)


def test_the_kinds_differ_in_more_than_colour():
    assert len({style.get("hatch") for style in STYLES}) == 3
    legend = plot_layers(ROWS).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "real",
        "masked",
        "no mask: all count",
    ]


def test_room_is_left_for_more_layers_and_timesteps():
    small, large = plot_layers(ROWS), plot_layers(ROWS, timesteps=9, n_rows=5)
    assert small.get_xlim() == (-0.5, 3.5)
    assert large.get_xlim() == (-0.5, 8.5)
    assert large.get_ylim()[0] > small.get_ylim()[0]


def test_it_comes_on_the_axes_it_is_given_and_replaces_what_it_drew():
    (ax,) = plots.new_axes()
    assert plot_layers(ROWS, ax=ax) is ax
    before = len(ax.figure.findobj())
    for _ in range(3):
        plot_layers(ROWS, ax=ax)
    assert len(ax.figure.findobj()) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([], ValueError, "`rows` must hold at least one of"),
        ("rows", TypeError, "`rows` must be a list of"),
        ([("one", ROWS[0][2])], TypeError, "`rows[0]` must be a tuple (name, note, cells)"),
        ([("one", "", np.ones(3))], ValueError, "must have 2 axes: (batch, timesteps)"),
        ([("one", "", np.full((2, 2), 3))], ValueError, "must hold 0 (masked), 1 (real) and 2"),
        ([("one", "", np.full((2, 2), "a"))], TypeError, "must hold real numbers"),
    ],
)
def test_what_is_no_row_is_refused(rows, error, words, assert_refused):
    assert_refused(lambda: plot_layers(rows), error, words)


@pytest.mark.parametrize("options", [{"timesteps": 3}, {"n_rows": 2}, {"timesteps": 0}])
def test_too_little_room_is_refused(options, assert_refused):
    (name,) = options
    assert_refused(lambda: plot_layers(ROWS, **options), ValueError, f"`{name}` must be at least")
