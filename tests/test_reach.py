"""Lesson on reach: training under a slider, and the exercises."""

import _thread
import threading

import numpy as np
import pytest

from helpers.lessons import reach
from helpers.lessons.reach import explore_training
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
    monkeypatch.setattr(reach, "_EPOCHS", 1_000_000)
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
    monkeypatch.setattr(reach, "_EPOCHS", 1_000_000)
    explorer.controls["steps"].value = 2
    threading.Timer(1.0, _thread.interrupt_main).start()  # as a signal does it
    explorer.train()
    assert "Stopped." in status.value
    assert button.description == "Train"
    assert (2, True) not in explorer.errors


def test_an_error_in_the_thread_is_shown(parts, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("no more <memory>")

    monkeypatch.setattr(reach, "train_windows", fail)
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


class TestExercises(ExerciseTests):
    lesson = reach
    RIGHT = {"smallest_steps": ({8: 2, 6: 5, 3: 10},)}
    WRONG = [
        ("smallest_steps", ({8: 10, 6: 10, 3: 10},), "a shorter window does, too"),
        ("smallest_steps", ({8: 1, 6: 1, 3: 1},), "begins at timestep 9"),
    ]
