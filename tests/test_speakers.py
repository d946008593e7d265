"""Lesson on padding and learning: the measured table, training, gradient, and the exercise."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers import plots
from helpers.lessons import speakers
from helpers.lessons.speakers import Accuracy, Setting, measured
from helpers.probes import gradient_reach
from helpers.windows import pad_batch
from tests.exercises import ExerciseTests
from tests.pictures import rectangles
from tools import measure_speakers

LESSON = Path(__file__).parent.parent / "notebooks" / "04_speakers.ipynb"


@pytest.fixture(scope="module")
def vowels():
    return speakers.standardised_vowels()


# --- the table -------------------------------------------------------------------------------


def test_the_table_holds_five_seeds_of_each_setting_and_says_how_it_was_made():
    assert set(measured()) == set(measure_speakers.SETTINGS)
    assert {len(found) for found in measured().values()} == {5}
    assert set(speakers.KINDS.values()) <= set(measured())
    table = Path(speakers.__file__).with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    assert table[0].startswith("# Keras 3.")
    assert table[1].startswith("# python tools/measure_speakers.py helpers/lessons/speakers.csv 0")
    assert [line.split(",")[6] for line in table[3:]] == [
        str(seed) for seed in range(5) for _ in measure_speakers.SETTINGS
    ]


def found_in(*setting, **options):
    return [accuracy.test for accuracy in measured()[Setting(*setting, **options)]]


def test_all_seeds_support_what_the_lesson_concludes():
    low, high = speakers.ONE_NAME
    no_mask = Setting(100, "post", False)
    for setting in (no_mask, no_mask._replace(epochs=100), no_mask._replace(cell="gru")):
        assert all(a.train < 0.2 and low - 0.01 < a.test < high + 0.01 for a in measured()[setting])
    for timesteps in speakers.LENGTHS:
        assert min(found_in(timesteps, "pre", False)) > 0.95
        for padding in speakers.SIDES:
            assert min(found_in(timesteps, padding, True)) > 0.95
    assert min(found_in(29, "post", False)) > max(found_in(50, "post", False))
    assert np.ptp(found_in(50, "post", False)) > 0.2
    assert min(found_in(100, "post", False, forget_bias=5)) > 0.6


def test_with_the_mask_neither_side_nor_length_matters():
    masked = [
        found_in(timesteps, padding, True)
        for timesteps in speakers.LENGTHS
        for padding in speakers.SIDES
    ]
    assert np.ptp(masked, axis=0).max() < 0.01


def test_the_numbers_in_the_lesson_are_those_of_the_table():
    text = "".join(
        "".join(cell["source"])
        for cell in json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "markdown"
    )
    rows = re.findall(r"^\| '(\w+)', (\d+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert [(side, int(timesteps)) for side, timesteps, *_ in rows] == [
        ("post", timesteps) for timesteps in speakers.LENGTHS
    ]
    for _, timesteps, *shown in rows:
        plain = Setting(int(timesteps), "post", False)
        assert shown == [_range(plain, "test"), _range(plain, "train")]
        others = {plain._replace(padding="pre"), plain._replace(mask=True)}
        others |= {setting._replace(mask=True) for setting in others}
        assert {_range(setting, "test") for setting in others} == {"0.97 to 0.98"}
    assert "the test accuracy is 0.97 to 0.98 at every length" in text
    no_mask = Setting(100, "post", False)
    opened = no_mask._replace(forget_bias=5)
    assert f"five seeds: {_range(opened, 'test')}." in text
    one_name = [round(share, 2) for share in speakers.ONE_NAME]
    assert f"within what one name for all gets, {one_name[0]} to {one_name[1]}." in text
    for failed in (no_mask, no_mask._replace(epochs=100), no_mask._replace(cell="gru")):
        for accuracy in measured()[failed]:
            assert one_name[0] <= round(accuracy.test, 2) <= one_name[1]
            assert round(accuracy.train, 2) == 0.11
    masked = min(accuracy.test for accuracy in measured()[no_mask._replace(mask=True, cell="gru")])
    assert masked > max(accuracy.test for accuracy in measured()[opened])
    simple = [accuracy.test for accuracy in measured()[no_mask._replace(cell="simple_rnn")]]
    assert one_name[1] < max(simple) < 0.5  # it learned little


def _range(setting, part):
    shares = [getattr(accuracy, part) for accuracy in measured()[setting]]
    low, high = f"{min(shares):.2f}", f"{max(shares):.2f}"
    return low if low == high else f"{low} to {high}"


def test_the_two_ends_of_the_scale_are_those_of_the_data(vowels):
    known, asked = (np.array([u.mean(axis=0) for u in part.sequences]) for part in vowels)
    means = [known[vowels.train.speakers == s].mean(axis=0) for s in range(9)]
    nearest = np.linalg.norm(asked[:, None] - means, axis=-1).argmin(axis=1)
    assert round(np.mean(nearest == vowels.test.speakers), 2) == speakers.MEAN_IS_RIGHT
    shares = np.bincount(vowels.test.speakers) / len(asked)
    assert (shares.min(), shares.max()) == speakers.ONE_NAME
    assert np.bincount(vowels.train.speakers).tolist() == [30] * 9
    frames = np.concatenate(vowels.train.sequences)
    assert all(u.any(axis=1).all() for part in vowels for u in part.sequences)  # for Masking(0.0)
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-4)


# --- training --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few(vowels):
    """Every tenth utterance."""
    return type(vowels)(*(type(part)(part.sequences[::10], part.speakers[::10]) for part in vowels))


def test_training_is_what_the_notebook_does_in_plain_keras(few):
    train, test = (pad_batch(part.sequences, timesteps=29).inputs for part in few)
    keras.utils.set_random_seed(3)
    reader = keras.Sequential([keras.Input((None, 12))])
    reader.add(keras.layers.LSTM(48))
    reader.add(keras.layers.Dense(9, activation="softmax"))
    adam, loss = keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy"
    reader.compile(adam, loss, metrics=["accuracy"])
    reader.fit(train, few.train.speakers, batch_size=30, epochs=20, verbose=0)
    expected = [
        reader.evaluate(inputs, part.speakers, verbose=0)[1]
        for inputs, part in zip((train, test), few, strict=True)
    ]
    found = speakers.train_reader(few, Setting(29, "post", False), seed=3)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.fixture
def explorer(few):
    return speakers.explore_speakers(few, positions=speakers.LIMIT)


def test_nothing_is_trained_before_train_is_pressed(explorer):
    assert explorer.own == {}
    low, high = min(found_in(100, "post", False)), max(found_in(100, "post", False))
    assert "Padded 'post' to 100, no mask, five seeds" in explorer.words
    assert f"test accuracy {low:.2f} to {high:.2f}" in explorer.words
    assert "Yours" not in explorer.words


def test_each_training_takes_the_next_seed_and_lands_in_the_picture(explorer, shown, monkeypatch):
    seeds, found = [], Accuracy(0.5, 0.25)

    def train(vowels, setting, *, seed, callbacks):
        seeds.append((setting, seed))
        return found

    monkeypatch.setattr(speakers, "train_reader", train)
    before = shown(explorer)[0]
    explorer.train()
    explorer.train()
    explorer.controls["padding"].value = "pre"
    explorer.train()
    after, before_that = Setting(100, "post", False), Setting(100, "pre", False)
    assert seeds == [(after, 5), (after, 6), (before_that, 5)]
    assert explorer.own == {after: [found] * 2, before_that: [found]}
    assert "Yours, seed 5: 0.25 in the test, 0.50 in training." in explorer.words
    assert shown(explorer)[0] != before
    test, train = explorer.figure.axes
    for ax, height in ((test, 0.25), (train, 0.5)):
        mine = [line for line in ax.lines if line.get_marker() == plots.CHOSEN["marker"]]
        assert [y for line in mine for y in line.get_ydata()] == [height] * 3


def test_a_training_ends_in_an_accuracy(explorer):
    explorer.controls["timesteps"].value = 29
    explorer.train()
    ((setting, (found,)),) = explorer.own.items()
    assert setting == Setting(29, "post", False)
    assert 0 <= found.train <= 1
    assert 0 <= found.test <= 1
    assert "Done." in explorer.trainer.children[2].value


def test_a_stopped_training_leaves_no_result(explorer):
    button = explorer.trainer.children[0]
    button.click()
    button.click()
    explorer.trainer.wait()
    assert "Stopped." in explorer.trainer.children[2].value
    assert explorer.own == {}


def test_every_measured_model_is_a_point(explorer):
    for part, ax in zip(("test", "train"), explorer.figure.axes, strict=True):
        for mask, style in ((False, plots.RESET), (True, plots.CARRIED)):
            drawn = [line.get_ydata() for line in ax.lines if line.get_marker() == style["marker"]]
            expected = [
                [getattr(accuracy, part) for accuracy in measured()[Setting(n, side, mask)]]
                for side in speakers.SIDES
                for n in speakers.LENGTHS
            ]
            np.testing.assert_array_equal(drawn, expected)


# --- gradient --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(6)])


@pytest.fixture(scope="module")
def sequence():
    return np.random.default_rng(1).normal(size=(5, 3)).astype("float32")


@pytest.fixture(scope="module")
def gradient(reader, sequence):
    return speakers.explore_gradient(reader, sequence, timesteps=20)


def bars(ax, *styles):
    """Left and height of what stands on the axis, from left to right."""
    found = [box for style in styles for box in rectangles(ax, style)]
    return np.array(sorted((left, height) for left, low, _, height in found if low == 0))


def share(explorer):
    words = re.search(r"as a share of the largest: (\S+)\.$", explorer.words)[1]
    digits, _, exponent = words.partition("·10")
    raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return float(digits) * 10.0 ** int(exponent.translate(raised) or 0)


def test_what_a_new_lstm_keeps_is_its_forget_gate_and_a_little_more_through_h(vowels):
    keras.utils.set_random_seed(0)
    lstm = keras.Sequential([keras.Input((None, 12)), keras.layers.LSTM(48)])
    after = pad_batch(vowels.train.sequences[:1], timesteps=100).inputs
    kernel, recurrent, bias = lstm.get_weights()
    for weights, kept in ((recurrent, 0.84), (0 * recurrent, 0.73)):
        lstm.set_weights([kernel, weights, bias])
        reach = gradient_reach(lstm, after)
        assert (reach[30] / reach[90]) ** (1 / 60) == pytest.approx(kept, abs=0.006)


@pytest.mark.parametrize("padding", ["post", "pre"])
def test_the_picture_shows_what_gradient_reach_measures(gradient, reader, sequence, padding):
    for name, value in {"length": 12, "padding": padding, "mask": False}.items():
        gradient.controls[name].value = value
    reach = gradient_reach(reader, pad_batch([sequence], timesteps=12, padding=padding).inputs)
    start = 0 if padding == "post" else 7
    assert share(gradient) == pytest.approx(reach[start + 4] / reach.max(), abs=0.006)
    (ax,) = gradient.figure.axes
    expected = 1 + np.log10(reach / reach.max()) / 7
    np.testing.assert_allclose(bars(ax, plots.REAL, plots.PADDED)[:, 1], expected, atol=1e-4)
    np.testing.assert_allclose(bars(ax, plots.REAL)[:, 0] + 0.5, np.arange(start, start + 5))


@pytest.mark.parametrize("padding", ["post", "pre"])
def test_with_the_mask_the_gradient_is_that_of_the_sequence_alone(gradient, padding):
    for name, value in {"length": 20, "padding": padding, "mask": True}.items():
        gradient.controls[name].value = value
    (ax,) = gradient.figure.axes
    masked = bars(ax, plots.REAL)[:, 1]
    assert not bars(ax, plots.PADDED)[:, 1].any()
    for name, value in {"length": 5, "mask": False}.items():
        gradient.controls[name].value = value
    np.testing.assert_allclose(masked, bars(ax, plots.REAL)[:, 1], atol=1e-4)


def test_the_positions_set_the_controls_there_are(gradient, explorer):
    for positions, where in ((speakers.LIMIT, explorer), (speakers.WAYS_OUT, gradient)):
        assert all(set(position.values) <= set(where.controls) for position in positions)


def test_a_sequence_is_needed_and_room_for_it(reader, sequence, assert_refused):
    def explore(sequence, **options):
        return lambda: speakers.explore_gradient(reader, sequence, **options)

    assert_refused(explore(sequence[None]), ValueError, "`sequence` must have 2 axes")
    assert_refused(explore(sequence, timesteps=4), ValueError, "`timesteps`", "5")
    words = "`model` must be a keras.Sequential"
    assert_refused(lambda: speakers.explore_gradient(set(), sequence), TypeError, words)
    assert_refused(lambda: speakers.build_reader(seed=-1), ValueError, "`seed`")
    assert_refused(lambda: speakers.explore_speakers([sequence]), TypeError, "`vowels`")


# --- the exercise ----------------------------------------------------------------------------


def shares(take):
    """An answer that takes something from the reach, the number of real timesteps given."""

    def answer(model, sequence, timesteps):
        padded = pad_batch([sequence], timesteps=timesteps)
        return take(gradient_reach(model, padded.inputs), len(sequence))

    return answer


def padded_in_front(model, sequence, timesteps):
    padded = pad_batch([sequence], timesteps=timesteps, padding="pre")
    reach = gradient_reach(model, padded.inputs)
    return reach[-1] / reach.max()


def not_padded(model, sequence, timesteps):
    reach = gradient_reach(model, sequence[None])
    return reach[len(sequence) - 1] / reach.max()


def with_the_mask(model, sequence, timesteps):
    return gradient_reach(model, pad_batch([sequence], timesteps=timesteps))[len(sequence) - 1]


class TestExercises(ExerciseTests):
    lesson = speakers
    RIGHT = {"share": (shares(lambda reach, n: reach[n - 1] / reach.max()),)}
    WRONG = [
        ("share", (shares(lambda reach, n: reach[-1] / reach.max()),), "the last of all, or pad"),
        ("share", (padded_in_front,), "or pad 'pre'"),
        ("share", (not_padded,), "or not at all"),
        ("share", (with_the_mask,), "pass its `.inputs`"),
        ("share", (shares(lambda reach, n: reach[19] / reach.max()),), "the length from"),
        ("share", (shares(lambda reach, n: reach[n - 1] / reach[-1]),), "divided by the last"),
        ("share", (shares(lambda reach, n: reach[n] / reach.max()),), "one timestep too many"),
        ("share", (shares(lambda reach, n: reach[n - 1]),), "Divide it by the largest"),
        ("share", (shares(lambda reach, n: reach[n - 1] / reach.sum()),), "by the sum"),
        ("share", (shares(lambda reach, n: reach[:n].sum() / reach.sum()),), "together"),
        ("share", (shares(lambda reach, n: reach.max() / reach[n - 1]),), "upside down"),
        ("share", (shares(lambda reach, n: reach / reach.max()),), "one number is wanted"),
        ("share", (shares(lambda reach, n: 0.5),), "you get 0.5"),
    ]
