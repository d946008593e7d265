"""Lesson on fixed steps: the exercises."""

import keras
import numpy as np
import pytest

from helpers.lessons import fixed_steps
from helpers.windows import split_windows
from tests.exercises import ExerciseTests


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
    }
    WRONG = [
        ("carry", (lambda lstm, batch, steps: lstm(batch[:, -steps:])[1],), "another state"),
        ("carry", (lambda lstm, batch, steps: lstm(batch)[1],), "read 11 timesteps in one"),
        ("reset_rows", (reset_in_place,), "the arrays you were given have changed"),
        ("reset_rows", (lambda states, rows: states,), "Zeros there"),
    ]

    @pytest.mark.parametrize("way", [carry_padded, carry_cell, carry_stateful, carry_functional])
    def test_the_state_may_be_carried_in_other_ways(self, answered, way):
        assert answered(fixed_steps.check_carry, way) == (True, "Right.")
