"""Lesson on reach: training beside measured seeds, and the exercises."""

import _thread
import re
import signal
import threading

import numpy as np
import pytest

from helpers import probes
from helpers.data import fixed_length_batch
from helpers.explorers import explore_reach
from helpers.lessons import reach
from helpers.lessons.reach import explore_training, load_forecasts, measured_errors
from helpers.models import build_rnn
from helpers.quiet import keras, tf
from helpers.training import train_windows
from helpers.windows import split_windows
from tests.exercises import ExerciseTests
from tools.measure_reach import STEPS, TABLE


@pytest.fixture(scope="module")
def explorer():
    return explore_training(steps=48, positions=reach.TRAINING_POSITIONS)


@pytest.fixture
def parts(explorer):
    """The explorer, where it started, and its button, progress bar and status."""
    for name, value in {"steps": 48, "carry": True, "seed": 0}.items():
        explorer.controls[name].value = value
    return explorer, *explorer.trainer.children


# --- baselines and the table that ships ------------------------------------------------------


def test_baselines_are_those_of_a_plain_calculation():
    _, z, baselines = load_forecasts()
    z = z[:, 0].astype(float)
    assert abs(z[:240].mean()) < 1e-6
    assert z[:240].std() == pytest.approx(1)
    rows = np.array([[1.0, *z[t - 9 : t]] for t in range(9, len(z))])
    weights = np.linalg.lstsq(rows[: 240 - 9], z[9:240], rcond=None)[0]
    straight = np.mean((rows[240 - 9 :] @ weights - z[240:]) ** 2)
    copied = np.mean((z[239:-1] - z[240:]) ** 2)
    assert list(baselines.values()) == pytest.approx([copied, straight], rel=1e-3)


def test_the_table_has_ten_seeds_of_every_setting_its_versions_and_its_command():
    measured = measured_errors()
    hows = ("carried", "reset", "overlapping")
    assert set(measured) == {(steps, how) for steps in STEPS for how in hows}
    assert all(len(errors) == 10 for errors in measured.values())
    about = "".join(re.findall("^#.*$", TABLE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    for said in ("python tools/measure_reach.py", "keras 3", "tensorflow 2", "numpy 2"):
        assert said in about
    for name, error in load_forecasts().baselines.items():
        assert f"{name} {error:.3f}" in about


def test_the_table_says_what_the_lesson_says():
    of = {key: np.transpose(errors) for key, errors in measured_errors().items()}
    means = {key: errors[0] for key, errors in of.items()}
    average = {key: errors.mean() for key, errors in means.items()}
    baselines = load_forecasts().baselines
    # one year
    assert means[1, "carried"].max() < 0.7 * means[1, "reset"].min()
    assert average[1, "carried"] == pytest.approx(0.5 * average[1, "reset"], rel=0.2)
    assert means[1, "reset"].min() > baselines["copying last year"]
    # from 12 years on: carried is better on average, by less than the borders' place changes
    for steps in STEPS[1:]:
        gain = average[steps, "reset"] - average[steps, "carried"]
        _, lowest, highest = of[steps, "reset"].mean(axis=1)
        assert 0 < gain < highest - lowest
    better = [(means[steps, "carried"] < means[steps, "reset"]).all() for steps in STEPS[1:]]
    assert not all(better)
    assert of[48, "reset"].mean(axis=1)[1:] == pytest.approx([0.4, 0.6], abs=0.05)
    # overlapping
    for steps in (24, 48):
        assert (means[steps, "overlapping"] < means[steps, "reset"]).all()
        assert average[steps, "overlapping"] < average[steps, "carried"] + 0.05
    assert average[12, "overlapping"] > average[12, "reset"]
    assert min(average[s, "carried"] for s in STEPS) > baselines["weighted sum of 9 years"]


def test_only_a_reset_model_depends_on_where_the_borders_fall():
    for (steps, how), errors in measured_errors().items():
        mean, lowest, highest = np.transpose(errors)
        if how == "reset" and steps > 1:
            assert (lowest < mean).all()
            assert (mean < highest).all()
        else:
            assert (lowest == mean).all()
            assert (mean == highest).all()


def test_the_seed_to_begin_with_is_not_in_the_table():
    rows = re.findall(r"^\d+,\w+,(\d+),", TABLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(rows) == set("0123456789")
    assert explore_training().controls["seed"].value == 10


# --- the explorer ----------------------------------------------------------------------------


def test_nothing_is_trained_before_train_is_pressed():
    explorer = explore_training(steps=1, carry=False)
    assert explorer.errors == {}
    assert "State reset: 10 measured seeds have test errors from 0.9" in explorer.words
    assert explorer.words.endswith("Press Train for seed 10, state reset.")
    explorer.controls["steps"].value = 2
    assert explorer.words == "steps = 2. Press Train for seed 10, state reset."


def test_a_training_lands_where_its_seed_was_measured(parts, shown):
    explorer, button, progress, status = parts
    before = shown(explorer)
    explorer.train()
    assert explorer.errors[48, "carried", 0] == pytest.approx(
        tuple(measured_errors()[48, "carried"][0]), abs=0.03
    )
    error = explorer.errors[48, "carried", 0]
    assert f"Your seed 0, state carried: {error.mean:.2f}." in explorer.words
    assert "Press Train" not in explorer.words
    assert shown(explorer)[0] != before[0]
    assert progress.value == progress.max == 1
    assert "Done." in status.value
    assert button.description == "Train"


def test_it_trains_what_one_would_write_in_a_cell(parts):
    """Without its padding of windows, with a new model, and forecasts taken one by one."""
    explorer, *_ = parts
    explorer.controls["carry"].value, explorer.controls["seed"].value = False, 7
    explorer.train()
    z = load_forecasts().z
    keras.utils.set_random_seed(7)
    model = build_rnn(16, features=1)
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    inputs, mask = split_windows([z[:239]], 48)
    targets = split_windows([z[1:240]], 48).inputs
    train_windows(model, inputs, targets, mask=mask, epochs=60, carry=False)
    window = {s: model(z[None, s : s + 48])[0].numpy() for s in range(240 - 48, 308)}
    found = []
    for border in range(48):
        starts = [t - (t - border) % 48 for t in range(239, 308)]
        forecast = [window[s][t - s] for t, s in enumerate(starts, 239)]
        found.append(np.mean((np.array(forecast) - z[240:]) ** 2))
    expected = np.mean(found), min(found), max(found)
    assert explorer.errors[48, "reset", 7] == pytest.approx(expected, rel=0.05)
    first = np.mean((explorer._forecasts[48, "reset", 7] - z[240:, 0]) ** 2)
    assert first == pytest.approx(found[0], rel=0.05)  # drawn as the series is cut
    alone = np.stack([z[t - 48 : t] for t in range(240, len(z))])
    error = np.mean((model.predict(alone, verbose=0)[:, -1] - z[240:]) ** 2)
    assert explorer.errors[48, "overlapping", 7].mean == pytest.approx(error, rel=0.05)


def test_what_was_trained_before_changes_nothing(explorer):
    for settings in ((24, True, 0), (48, True, 3), (48, True, 0)):
        for control, value in zip(explorer.controls.values(), settings, strict=True):
            control.value = value
        explorer.train()
    other = explore_training(steps=48)
    other.controls["seed"].value = 0
    other.train()
    assert other.errors[48, "carried", 0] == pytest.approx(
        tuple(explorer.errors[48, "carried", 0]), rel=1e-3
    )
    assert explorer.errors[48, "carried", 3] != explorer.errors[48, "carried", 0]


def test_training_can_be_stopped_and_leaves_no_result(parts, monkeypatch):
    explorer, button, _, status = parts
    monkeypatch.setattr(reach, "EPOCHS", 1_000_000)
    explorer.controls["steps"].value = 60
    button.click()
    assert button.description == "Stop"
    button.click()
    explorer.trainer.wait()
    assert "Stopped." in status.value
    assert button.description == "Train"
    assert (60, "carried", 0) not in explorer.errors


def test_interrupting_the_kernel_stops_training(parts, monkeypatch, request):
    explorer, button, _, status = parts
    monkeypatch.setattr(reach, "EPOCHS", 1_000_000)
    explorer.controls["steps"].value = 60
    # A shell's background processes ignore it, and would train for ever.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    threading.Timer(1.0, _thread.interrupt_main).start()  # as a signal does it
    explorer.train()
    assert "Stopped." in status.value
    assert button.description == "Train"
    assert (60, "carried", 0) not in explorer.errors


def test_an_error_in_the_thread_is_shown(parts, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("no more <memory>")

    monkeypatch.setattr(reach, "train_windows", fail)
    explorer, button, _, status = parts
    explorer.train()
    assert "RuntimeError: no more <memory>" in status.value
    assert button.description == "Train"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"steps": 0}, ValueError, "`steps` must be"),
        ({"steps": 61}, ValueError, "`steps` must be"),
        ({"carry": "yes"}, TypeError, "`carry"),
    ],
)
def test_where_the_controls_cannot_stand_is_refused(given, error, words, assert_refused):
    assert_refused(lambda: explore_training(**given), error, words)


# --- positions -------------------------------------------------------------------------------


def test_the_positions_of_the_bands_say_what_is_measured():
    keras.utils.set_random_seed(0)
    model, x = build_rnn(32, features=5), fixed_length_batch()
    explorer = explore_reach(model, x, positions=reach.REACH_POSITIONS)
    reached = []
    for button in explorer.children[0].children[0].children[1:]:
        button.click()
        steps, at, carry = (explorer.controls[name].value for name in ("steps", "at", "carry"))
        state = probes.state_reach(model, x, steps=steps, at=at, carry=carry)
        gradient = probes.gradient_reach(model, x, steps=steps, at=at)
        reached.append((np.count_nonzero(state), np.count_nonzero(gradient)))
    assert reached == [(10, 5), (6, 1), (10, 1), (5, 5)]


def test_the_positions_of_the_training_are_places_that_were_measured(parts):
    explorer, *_ = parts
    for button in explorer.children[0].children[0].children[1:]:
        button.click()
        assert "10 measured seeds" in explorer.words


# --- exercises -------------------------------------------------------------------------------


def reading(stop, *, carry=True, of=0):
    """A learner's function that reads in windows and lets `stop` treat the state."""

    def last_output(lstm, batch, steps):
        state = None
        for start in range(0, batch.shape[1], steps):
            results = lstm(batch[:, start : start + steps], initial_state=state if carry else None)
            state = stop(results[1:])
        return results[of]

    return last_output


def stop_all(state):
    return [tf.stop_gradient(array) for array in state]


def stop_before_the_call(lstm, batch, steps):
    state = None
    for start in range(0, batch.shape[1], steps):
        state = [tf.stop_gradient(array) for array in state]
        output, *state = lstm(batch[:, start : start + steps], initial_state=state)
    return output


class TestExercises(ExerciseTests):
    lesson = reach
    RIGHT = {
        "lag": ({5: 0, 7: 0, 8: 1, 10: 3, 20: 13},),
        "cut": (reading(stop_all),),
    }
    WRONG = [
        ("lag", ({5: 5, 7: 7, 8: 8, 10: 10, 20: 20},), "no gradient goes there"),
        ("lag", ({5: 0, 7: 1, 8: 2, 10: 4, 20: 14},), "at place 6, gradient reaches 7"),
        ("lag", ({5: 0, 7: 0, 8: 7, 10: 7, 20: 7},), "lie before place 7"),
        ("lag", ({5: 0, 7: 0, 8: 1, 10: 5, 20: 13},), "steps=10. Count the places that have"),
        ("lag", ({5: -2, 7: 0, 8: 1, 10: 3, 20: 13},), "No place at all is 0, not less."),
        ("lag", ({5: 0, 7: 0, 8: 1 / 8, 10: 0.3, 20: 0.65},), "How many outputs, not which share?"),
        ("lag", ([0, 0, 1, 3, 13],), "a dictionary is wanted"),
        ("cut", (reading(list),), "Nothing stops it yet"),
        ("cut", (reading(stop_all, carry=False),), "after a reset: give each window the state"),
        ("cut", (reading(stop_all, of=2),), "That is c"),
        ("cut", (reading(lambda s: [tf.stop_gradient(s[0]), s[1]]),), "goes on through c"),
        ("cut", (reading(lambda s: [s[0], tf.stop_gradient(s[1])]),), "goes on through h"),
        (
            "cut",
            (lambda *given: tf.stop_gradient(reading(stop_all)(*given)),),
            "no gradient reaches even the last window",
        ),
        (
            "cut",
            (lambda lstm, batch, steps: reading(list)(lstm, tf.stop_gradient(batch), steps),),
            "not in the inputs or the output",
        ),
        ("cut", (lambda lstm, batch, steps: lstm(batch)[0],), "read 11 timesteps in one call"),
        ("cut", (lambda lstm, batch, steps: batch,), "(batch, units) = (2, 6)"),
        ("cut", (reading(tf.stop_gradient),), "a list of the two arrays [h, c]"),
        ("cut", (reading(lambda s: stop_all(s)[:1]),), "a list of the two arrays [h, c]"),
        ("cut", (stop_before_the_call,), "before the first window, `state` is None"),
    ]
