"""Lesson on where the mask goes: a model built here is the oracle of each pick; the exercises."""

import re
import warnings
from itertools import cycle, product

import keras
import numpy as np
import pytest
from keras import layers, ops
from matplotlib import pyplot as plt
from matplotlib.text import Text

from helpers import plots
from helpers.lessons import mask_microscope as lesson
from helpers.lessons.mask_microscope import UNMASKED, explore_layers
from helpers.windows import length_mask, pad_batch
from tests.exercises import ExerciseTests
from tests.pictures import rectangles

LENGTHS = (4, 6, 2)
NOTHING = "(none)"


class Own(layers.Layer):
    def call(self, x):
        return 2 * x

    def compute_output_shape(self, shape):
        return shape


class OwnSupporting(Own):
    supports_masking = True


MIDDLE = {
    NOTHING: lambda x: x,
    "Dense": lambda x: layers.Dense(3)(x),
    "Dropout": lambda x: layers.Dropout(0.2)(x),
    "LSTM(return_sequences=True)": lambda x: layers.LSTM(3, return_sequences=True)(x),
    "Bidirectional(LSTM)": lambda x: layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x),
    "Conv1D": lambda x: layers.Conv1D(3, 3, padding="same")(x),
    "MaxPooling1D": lambda x: layers.MaxPooling1D(2)(x),
    "x * 2": lambda x: x * 2,
    "x[:, 1:]": lambda x: x[:, 1:],
    "own layer": lambda x: Own()(x),
    "own layer, supports_masking": lambda x: OwnSupporting()(x),
}
LAST = {
    NOTHING: lambda x: x,
    "LSTM": lambda x: layers.LSTM(3)(x),
    "GlobalAveragePooling1D": lambda x: layers.GlobalAveragePooling1D()(x),
    "GlobalMaxPooling1D": lambda x: layers.GlobalMaxPooling1D()(x),
    "x[:, -1]": lambda x: x[:, -1],
}
# Each in each place, once alone and once behind or before others.
PICKS = [
    *((name, NOTHING, NOTHING) for name in MIDDLE),
    *(("Dropout", name, "LSTM") for name in MIDDLE if name != NOTHING),
    *((NOTHING, "Dense", name) for name in LAST),
    ("Conv1D", "own layer", "GlobalMaxPooling1D"),
    ("x[:, 1:]", "MaxPooling1D", NOTHING),
    ("x * 2", "own layer, supports_masking", NOTHING),
    ("LSTM(return_sequences=True)", "Bidirectional(LSTM)", "x[:, -1]"),
]


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(5)
    return [rng.normal(size=(n, 3)).astype("float32") for n in LENGTHS]


@pytest.fixture(scope="module")
def explorer(sequences):
    return explore_layers(sequences)


def pick(explorer, first, second, last, length=6):
    """Draw, and return the words; Keras' warnings are said in them, and nowhere else."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        words = explorer.draw(first=first, second=second, last=last, length=length)
    assert not said
    return words


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
    for length in (6, 9) if picks[1:] == (NOTHING, NOTHING) else (7,):
        divisor, said = ask_keras(sequences, picks, length)
        words = pick(explorer, *picks, length)
        assert f"padded to {length} timesteps" in words
        assert re.findall(r"divided by (\d+):", words) == [str(divisor)]
    assert ("and Keras warns" in words) == (len(said) == 1)
    assert ("dies in" in words) == bool(said or re.search(r"x \* 2|x\[", words))
    if said:
        (where,) = re.findall(r"dies in (\w+)", words)
        assert f"(of type {'Own' if where == 'own' else where})" in said[0]


def test_every_two_picks_are_answered(sequences, monkeypatch):
    """Each pick names its own path, so that no picture of the pick before it stays."""
    monkeypatch.setattr(lesson, "_plot_stages", lambda *_: None)  # half the time, of many picks
    explorer = explore_layers(sequences[:1])  # 4 timesteps: soon read
    triples = {(a, b, c) for a, c in product(MIDDLE, LAST) for b in (a, NOTHING)}
    triples |= {(*two, c) for two, c in zip(product(MIDDLE, MIDDLE), cycle(LAST), strict=False)}
    for picks in sorted(triples):
        path = [name for name in ("Masking", *picks, "Dense(1)") if name != NOTHING]
        words = pick(explorer, *picks, length=4)
        assert words.startswith(f"{' → '.join(path)}, padded to 4 timesteps. ")
        assert "divided by 0" not in words


POSITIONS = {
    "With a warning": ("Dense → Conv1D", "dies in Conv1D, and Keras warns", "divided by 18:"),
    "Without a word": ("supports_masking → x * 2", "dies in x * 2, without a word", "by 18:"),
    "All the way": ("Dropout → LSTM(return_sequences=True)", "reaches the loss", "by 12:"),
    "Used up": ("Masking → Dense → LSTM →", "LSTM uses the mask", "divided by 3: the sequences"),
}


def test_the_positions_show_what_they_say(sequences):
    explorer = explore_layers(sequences)
    buttons = explorer.children[0].children[0].children[1:]
    assert [button.description for button in buttons] == list(POSITIONS)
    for button in buttons:
        button.click()
        for words in POSITIONS[button.description]:
            assert words in explorer.words
    explorer.controls["first"].value = "x * 2"
    explorer.controls["second"].value = "own layer, supports_masking"
    assert "dies in x * 2" in explorer.words  # as "Without a word" says of the two swapped


# --- the picture -----------------------------------------------------------------------------

STYLES = (plots.REAL, plots.PADDED, UNMASKED)


def cell_count(explorer, style):
    """Timesteps drawn in a style."""
    (ax,) = explorer.figure.axes
    return round(sum(width for _, _, width, _ in rectangles(ax, style)))


def notes(explorer):
    artists = plots.drawn_artists(explorer.figure)
    texts = [artist.get_text() for artist in artists if isinstance(artist, Text)]
    return dict(zip(texts[::2], texts[1::2], strict=True))


@pytest.mark.parametrize("length", [6, 7, 9])
def test_the_masks_are_those_of_a_model_padded_to_this_length(explorer, length):
    pick(explorer, "Dense", "LSTM(return_sequences=True)", NOTHING, length)
    real = length_mask(LENGTHS, length)
    for style, cells in ((plots.REAL, real), (plots.PADDED, ~real)):
        assert cell_count(explorer, style) == 4 * cells.sum()  # Masking, two layers, Dense(1)
    assert cell_count(explorer, UNMASKED) == 0


def test_without_a_mask_every_timestep_counts_in_the_picture_too(explorer):
    pick(explorer, "Dense", "Conv1D", NOTHING, 7)
    assert cell_count(explorer, UNMASKED) == 2 * 3 * 7  # Conv1D and Dense(1)
    pick(explorer, "Dense", "x[:, 1:]", "GlobalMaxPooling1D", 7)
    assert cell_count(explorer, UNMASKED) == 3 * 6 + 3 + 3
    pick(explorer, "Dense", NOTHING, "LSTM", 7)
    assert cell_count(explorer, UNMASKED) == 0


def test_each_layer_is_named_with_what_it_does_to_the_mask(explorer):
    pick(explorer, "Dense", "Conv1D", "LSTM")
    assert notes(explorer) == {
        "Masking": "makes the mask",
        "Dense": "keeps the mask",
        "Conv1D": "loses the mask, with a warning",
        "LSTM": "gets no mask",
        "Dense(1)": "gets no mask",
    }
    pick(explorer, "x * 2", NOTHING, NOTHING)
    assert notes(explorer)["x * 2"] == "loses the mask, without a word"
    pick(explorer, NOTHING, NOTHING, "GlobalAveragePooling1D")
    assert notes(explorer)["GlobalAveragePooling1D"] == "uses the mask: one output a sequence"
    assert notes(explorer)["Dense(1)"] == ""


def test_runs_of_each_kind_stand_in_their_sequence_and_layer(sequences):
    gap = [sequence.copy() for sequence in sequences]
    gap[1][2] = 0.0  # real, and swallowed
    explorer = explore_layers(gap)
    pick(explorer, "Conv1D", NOTHING, NOTHING)
    (ax,) = explorer.figure.axes
    boxes = {
        kind: sorted((low, left, width) for left, low, width, _ in rectangles(ax, style))
        for kind, style in zip(("real", "masked", "unmasked"), STYLES, strict=True)
    }
    runs = {kind: [box[1:] for box in boxes[kind]] for kind in boxes}
    assert runs["real"] == [(-0.5, 4), (-0.5, 2), (2.5, 3), (-0.5, 2)]
    assert runs["masked"] == [(3.5, 2), (1.5, 1), (1.5, 4)]
    assert runs["unmasked"] == [(-0.5, 6)] * 6
    lanes = sorted({round(low, 6) for kind in boxes for low, *_ in boxes[kind]})
    steps = np.diff(lanes).reshape(-1)
    assert len(lanes) == 9  # three sequences in three layers
    assert np.allclose(np.delete(steps, [2, 5]), 1)
    assert np.isclose(steps[2], steps[5])
    assert steps[2] > 2  # room for the name of a layer
    assert "divided by 18: all timesteps" in explorer.words
    assert "divided by 11: the real timesteps of 18" in pick(explorer, *[NOTHING] * 3)


def test_the_kinds_differ_in_more_than_colour(explorer):
    assert len({style.get("hatch") for style in STYLES}) == 3
    (ax,) = explorer.figure.axes
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == ["real", "masked", "no mask: all count"]


def test_room_is_left_for_more_layers_and_timesteps(explorer):
    (ax,) = explorer.figure.axes
    limits = set()
    for picks, length in (([NOTHING] * 3, 6), (("Dense", "Conv1D", "LSTM"), 9)):
        pick(explorer, *picks, length)
        limits.add((ax.get_xlim(), ax.get_ylim()))
        low, high = ax.get_ylim()
        assert all(high < box[1] < low for style in STYLES for box in rectangles(ax, style))
    assert [xlim for xlim, _ in limits] == [(-0.5, 8.5)]


def test_drawing_again_replaces_the_drawing_before(explorer):
    pick(explorer, "Dense", "Conv1D", NOTHING)
    before = len(explorer.figure.findobj())
    pick(explorer, "Dense", "Conv1D", NOTHING)
    assert len(explorer.figure.findobj()) == before
    assert plt.get_fignums() == []


# --- the controls ----------------------------------------------------------------------------


def test_moving_the_slider_runs_no_model(shown, explorer, monkeypatch):
    explorer.controls["first"].value = "LSTM(return_sequences=True)"
    before = shown(explorer)
    monkeypatch.setattr(lesson, "_follow", lambda *_: pytest.fail("ran the layers"))
    explorer.controls["length"].value = 8
    assert all(now != then for now, then in zip(shown(explorer), before, strict=True))
    explorer.controls["length"].value = 6
    assert shown(explorer) == before


def test_every_control_has_a_label_and_changes_the_picture(shown, sequences):
    explorer = explore_layers(sequences)
    there = {"first": "Conv1D", "second": "x * 2", "last": "x[:, -1]", "length": 9}
    for name, value in there.items():
        before = shown(explorer)
        explorer.controls[name].value = value
        assert all(now != then for now, then in zip(shown(explorer), before, strict=True))
    labels = [explorer.controls[name].description for name in there]
    assert labels[-1] == "timesteps"
    assert all(labels)


def test_what_is_no_batch_of_sequences_is_refused(bad_sequences, assert_refused):
    values, error, *words = bad_sequences
    assert_refused(lambda: explore_layers(values), error, "`sequences", *words)


def test_sequences_too_short_to_pool_twice_are_refused(sequences, assert_refused):
    short = [sequence[:3] for sequence in sequences]
    words = "`sequences` must hold one of at least 4 timesteps", "at most 3 timesteps"
    assert_refused(lambda: explore_layers(short), ValueError, *words)


# --- exercises: a masked mean ----------------------------------------------------------------


def picked(targets, predictions, mask):
    return np.mean((targets[mask] - predictions[mask]) ** 2)


def weighted(targets, predictions, mask):
    return np.average((targets - predictions) ** 2, weights=mask)


def with_keras(targets, predictions, mask):
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    return loss(targets[..., None], predictions[..., None], sample_weight=mask.astype("float32"))


def over_all(targets, predictions, mask):
    return np.mean((targets - predictions) ** 2)


def divided_by_all(targets, predictions, mask):
    return np.mean((targets - predictions) ** 2 * mask)


def mean_of_means(targets, predictions, mask):
    return np.mean(
        [over_all(t[m], p[m], None) for t, p, m in zip(targets, predictions, mask, strict=True)]
    )


def each_timestep(targets, predictions, mask):
    return (targets - predictions) ** 2 * mask


def root(targets, predictions, mask):
    return np.sqrt(picked(targets, predictions, mask))


def in_the_padding(targets, predictions, mask):
    return picked(targets, predictions, ~mask)


def summed(targets, predictions, mask):
    return np.sum((targets - predictions)[mask] ** 2)


def absolute(targets, predictions, mask):
    return np.mean(np.abs(targets - predictions)[mask])


def halved(targets, predictions, mask):
    return picked(targets, predictions, mask) / 2


# --- exercises: a reader ---------------------------------------------------------------------


def conv(x):
    return layers.Conv1D(4, 3, padding="causal")(x)


def by_hand():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    return keras.Model(inputs, layers.LSTM(4)(conv(inputs * 2), mask=mask))


def through_and_around():
    inputs = keras.Input((None, 3))
    x = layers.Masking()(inputs)
    mask = layers.Masking().compute_mask(x)
    return keras.Model(inputs, layers.LSTM(4)(conv(layers.Rescaling(2.0)(x)), mask=mask))


class KeepsMask(layers.Conv1D):
    """A causal `Conv1D` that hands the mask on."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.supports_masking = True


def through_a_layer_of_its_own():
    steps = [layers.Masking(), layers.Rescaling(2.0), KeepsMask(4, 3, padding="causal")]
    return keras.Sequential([keras.Input((None, 3)), *steps, layers.LSTM(4)])


def mask_from_ops():
    inputs = keras.Input((None, 3))
    mask = ops.any(ops.not_equal(inputs, 0.0), axis=-1)
    return keras.Model(inputs, layers.LSTM(4)(conv(inputs + inputs), mask=mask))


def mask_dies():
    inputs = keras.Input((None, 3))
    return keras.Model(inputs, layers.LSTM(4)(conv(layers.Masking()(inputs) * 2)))


def not_doubled():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    return keras.Model(inputs, layers.LSTM(4)(conv(inputs), mask=mask))


def looks_ahead():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    x = layers.Conv1D(4, 3, padding="same")(inputs * 2)
    return keras.Model(inputs, layers.LSTM(4)(x, mask=mask))


def data_as_mask():
    inputs = keras.Input((None, 3))
    return keras.Model(inputs, layers.LSTM(4)(conv(inputs * 2), mask=layers.Masking()(inputs)))


def drops_timesteps():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    return keras.Model(inputs, layers.LSTM(4)(layers.Conv1D(4, 3)(inputs * 2), mask=mask))


def fixed_length():
    inputs = keras.Input((12, 3))
    mask = layers.Masking().compute_mask(inputs)
    return keras.Model(inputs, layers.LSTM(4)(conv(inputs * 2), mask=mask))


def without_conv():
    inputs = keras.Input((None, 3))
    return keras.Model(inputs, layers.LSTM(4)(layers.Masking()(inputs)))


def all_timesteps():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    x = layers.LSTM(4, return_sequences=True)(conv(inputs * 2), mask=mask)
    return keras.Model(inputs, x)


def spoils(targets, predictions, mask):
    answer = picked(targets, predictions, mask)
    targets[:], predictions[:], mask[:] = 0, 0, False
    return answer


class TestExercises(ExerciseTests):
    lesson = lesson
    RIGHT = {"masked_mse": (picked,), "reader": (by_hand,)}
    WRONG = [
        ("masked_mse", (over_all,), "the errors in the padding are in your mean"),
        ("masked_mse", (divided_by_all,), "You divided it by all timesteps"),
        ("masked_mse", (mean_of_means,), "you averaged each sequence first"),
        ("masked_mse", (each_timestep,), "one number is wanted, your shape is (3, 13)"),
        ("masked_mse", (root,), "this is the root of the mean"),
        ("masked_mse", (in_the_padding,), "these are the errors of the padding"),
        ("masked_mse", (summed,), "this is the sum"),
        ("masked_mse", (absolute,), "these are absolute errors"),
        ("masked_mse", (halved,), "for lengths of [7, 12, 4] padded to 13 yours gives"),
        ("masked_mse", (halved,), "it should be"),
        ("reader", (data_as_mask,), "`Masking()(x)` is the data"),
        ("reader", (drops_timesteps,), "drops timesteps"),
        ("reader", (fixed_length,), "Leave the timesteps open"),
        ("reader", (mask_dies,), "another answer than it gets alone"),
        ("reader", (not_doubled,), "the model computes something else"),
        ("reader", (looks_ahead,), "the model computes something else"),
        ("reader", (without_conv,), "one Conv1D is wanted. Yours has 0"),
        ("reader", (all_timesteps,), "one output of the LSTM for each sequence"),
        ("reader", (lambda: 3,), "a model is wanted, yours is a int"),
    ]

    # The arrays of a check stay as they are, whatever an answer does to its own.
    @pytest.mark.parametrize("way", [weighted, with_keras, spoils])
    def test_a_masked_mean_may_be_found_in_other_ways(self, answered, way):
        assert answered(lesson.check_masked_mse, way) == (True, "Right.")

    @pytest.mark.parametrize("way", [through_and_around, through_a_layer_of_its_own, mask_from_ops])
    def test_the_mask_may_reach_the_lstm_in_other_ways(self, answered, way):
        assert answered(lesson.check_reader, way) == (True, "Right.")

    @pytest.mark.parametrize("odd", [keras.Sequential, layers.Layer])
    def test_no_class_makes_a_check_raise(self, answered, name, odd):
        for answer in (odd, lambda *_: odd):
            right, words = answered(self.check(name), answer)
            assert not right
            assert words.startswith("Not")
