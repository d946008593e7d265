"""Lesson on fixed steps: training under a slider, and the exercises."""

import _thread
import threading

import keras
import numpy as np
import pytest

from helpers.lessons import fixed_steps
from helpers.lessons.fixed_steps import explore_training
from helpers.windows import split_windows
from tests.exercises import ExerciseTests

SERIES = np.sin(np.arange(24.0))[:, None]
YEARS = np.arange(1900, 1924)


@pytest.fixture(scope="module")
def explorer():
    return explore_training(SERIES, YEARS, n_train=16, steps=4)


@pytest.fixture
def parts(explorer):
    """The explorer, where it started, and its button, progress bar and status."""
    explorer.controls["steps"].value = 4
    return explorer, *explorer.trainer.children


def test_nothing_is_trained_before_train_is_pressed():
    explorer = explore_training(SERIES, YEARS, n_train=16, steps=4)
    assert explorer.errors == {}
    assert "neither measured yet. Press Train to measure it with state carried" in explorer.words


def test_training_measures_what_was_not_measured_yet(parts, shown):
    explorer, button, progress, status = parts
    explorer.controls["steps"].value = 3
    before = shown(explorer)
    explorer.train()
    assert 0 < explorer.errors[3, True] < 10
    assert f"state carried {explorer.errors[3, True]:.2f}" in explorer.words
    assert shown(explorer)[0] != before[0]
    assert progress.value == progress.max == 1
    assert "Done." in status.value
    assert button.description == "Train"


def test_training_can_be_stopped_and_leaves_no_result(parts, monkeypatch):
    explorer, button, _, status = parts
    monkeypatch.setattr(fixed_steps, "_EPOCHS", 1_000_000)
    explorer.controls["steps"].value = 2
    button.click()
    assert button.description == "Stop"
    button.click()
    explorer.trainer.wait()
    assert "Stopped." in status.value
    assert button.description == "Train"
    assert (2, True) not in explorer.errors


def test_interrupting_the_kernel_stops_training(parts, monkeypatch):
    explorer, button, _, status = parts
    monkeypatch.setattr(fixed_steps, "_EPOCHS", 1_000_000)
    explorer.controls["steps"].value = 2
    threading.Timer(1.0, _thread.interrupt_main).start()  # as a signal does it
    explorer.train()
    assert "Stopped." in status.value
    assert button.description == "Train"
    assert (2, True) not in explorer.errors


def test_an_error_in_the_thread_is_shown(parts, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("no more <memory>")

    monkeypatch.setattr(fixed_steps, "train_windows", fail)
    explorer, button, _, status = parts
    explorer.train()
    assert "RuntimeError: no more &lt;memory&gt;" in status.value
    assert button.description == "Train"


def test_what_was_trained_before_changes_nothing(explorer):
    for steps in (5, 4):
        explorer.controls["steps"].value = steps
        explorer.train()
    other = explore_training(SERIES, YEARS, n_train=16, steps=4)
    other.train()
    assert other.errors[4, True] == pytest.approx(explorer.errors[4, True], rel=1e-4)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"series": SERIES[:, 0]}, ValueError, "`series` must have 2 axes"),
        ({"series": SERIES * np.nan}, ValueError, "finite numbers"),
        (
            {"series": np.ones((24, 2))},
            ValueError,
            "`series` must have one feature, the one to forecast. Received: 2 features.",
        ),
        ({"n_train": 23}, ValueError, "`n_train` must be between 2"),
        ({"steps": 9}, ValueError, "`steps` must be"),
        ({"steps": 0}, ValueError, "`steps` must be"),
        (
            {"years": YEARS[1:]},
            ValueError,
            "`years` must have one entry for each of the 24 timesteps of `series`. Received: 23.",
        ),
        ({"years": list("a" * 24)}, TypeError, "`years` must hold"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(changed, error, words, assert_refused):
    given = {"series": SERIES, "years": YEARS, "n_train": 9} | changed
    series, years = given.pop("series"), given.pop("years")
    assert_refused(lambda: explore_training(series, years, **given), error, words)


# --- exercises -------------------------------------------------------------------------------


def carry(lstm, batch, steps):
    state = None
    for start in range(0, batch.shape[1], steps):
        _, *state = lstm(batch[:, start : start + steps], initial_state=state)
    return state[0]


def reset_rows(states, rows):
    new = [state.copy() for state in states]
    for state in new:
        state[rows] = 0
    return new


def reset_in_place(states, rows):
    for state in states:
        state[rows] = 0
    return states


def carry_padded(lstm, batch, steps):
    """With what lessons 01 and 02 use besides: windows, a mask, and the layer's attributes."""
    state = [np.zeros((len(batch), lstm.units), "float32")] * len(lstm.cell.state_size)
    for window, real in zip(*split_windows(batch, steps), strict=True):
        _, *state = lstm(sequences=window, initial_state=state, mask=real)
    return state[0]


def carry_cell(lstm, batch, steps):
    state = lstm.get_initial_state(len(batch))
    for timestep in range(batch.shape[1]):
        _, state = lstm.cell(batch[:, timestep], state)
    return state[0]


def carry_stateful(lstm, batch, steps):
    layer = type(lstm).from_config(lstm.get_config() | {"stateful": True})
    layer.build((len(batch), None, batch.shape[2]))
    layer.set_weights(lstm.get_weights())
    return [layer(batch[:, t : t + steps])[1] for t in range(0, batch.shape[1], steps)][-1]


def carry_functional(lstm, batch, steps):
    inputs, *start = keras.Input((None, 5)), keras.Input((6,)), keras.Input((6,))
    model = keras.Model([inputs, *start], lstm(inputs, initial_state=start))
    state = [np.zeros((len(batch), 6), "float32")] * 2
    for t in range(0, batch.shape[1], steps):
        _, *state = model.predict([batch[:, t : t + steps], *state], verbose=0)
    return state[0]


class TestExercises(ExerciseTests):
    lesson = fixed_steps
    RIGHT = {
        "carry": (carry,),
        "reset_rows": (reset_rows,),
        "smallest_steps": ({8: 2, 6: 5, 3: 10},),
    }
    WRONG = [
        ("carry", (lambda lstm, batch, steps: lstm(batch[:, -steps:])[1],), "another state"),
        ("carry", (lambda lstm, batch, steps: lstm(batch)[1],), "read 11 timesteps in one"),
        ("reset_rows", (reset_in_place,), "the arrays you were given have changed"),
        ("reset_rows", (lambda states, rows: states,), "Zeros there"),
        ("smallest_steps", ({8: 10, 6: 10, 3: 10},), "a shorter window does, too"),
        ("smallest_steps", ({8: 1, 6: 1, 3: 1},), "begins at timestep 9"),
    ]

    @pytest.mark.parametrize("way", [carry_padded, carry_cell, carry_stateful, carry_functional])
    def test_the_state_may_be_carried_in_other_ways(self, answered, way):
        assert answered(fixed_steps.check_carry, way) == (True, "Right.")
