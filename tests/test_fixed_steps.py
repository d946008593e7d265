"""Lesson on fixed steps: the pictures, the positions and the exercises."""

import re

import keras
import numpy as np
import pytest

from helpers import plots
from helpers.data import fixed_length_batch
from helpers.lessons import fixed_steps
from helpers.models import build_rnn
from helpers.probes import trace_states
from helpers.windows import fold_series, split_windows
from tests.exercises import ExerciseTests


def words_in(picture):
    (ax,) = picture.figure.axes
    return [text.get_text() for text in ax.texts]


def marks(picture, style):
    (ax,) = picture.figure.axes
    return sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() == style["marker"])


def test_the_state_is_drawn_from_zeros_on():
    picture = fixed_steps.show_state()
    words = words_in(picture)
    assert words.count("LSTM") == words.count("h, c") == words.count("output: h") == 3
    assert words.count("zeros") == 1
    assert "starts from zeros" in picture.words


@pytest.mark.parametrize(
    ("rows", "borders", "jumps"), [(1, 10, 0), (2, 4, 4), (3, 3, 3), (6, 0, 0)]
)
def test_rows_are_drawn_in_the_layout_that_carries_beside_one_that_jumps(rows, borders, jumps):
    picture = fixed_steps.show_rows(rows)
    numbers = [int(word) for word in words_in(picture) if re.fullmatch(r"\d+", word)]
    if rows > 1:  # in one row, the windows' numbers have no room for more
        right, wrong = np.reshape(numbers, (2, rows, -1))
        assert np.array_equal(right, np.arange(12).reshape(rows, -1))
        in_order = np.arange(12).reshape(-1, rows, 2)  # (n_windows, rows, steps)
        assert np.array_equal(wrong, np.concatenate(list(in_order), axis=1))
    assert marks(picture, plots.RESET) == 2 * rows
    assert marks(picture, plots.CARRIED) == borders
    assert marks(picture, {"marker": "X"}) == jumps
    assert ("Cut, then stack: the same." in picture.words) == (jumps == 0)


def test_what_the_wrong_layout_hands_on_is_said():
    words = fixed_steps.show_rows(3).words
    assert words.startswith(
        "3 rows of 4 timesteps, 2 windows. Fold, then cut: timesteps 0, 4 and 8"
    )
    assert words.endswith("row 0 hands the state after timestep 1 to timestep 6.")


@pytest.mark.parametrize(("rows", "error"), [(4, ValueError), (0, ValueError), ("3", TypeError)])
def test_rows_that_cannot_be_drawn_are_refused(rows, error, assert_refused):
    assert_refused(lambda: fixed_steps.show_rows(rows), error, "`rows`")


def test_each_position_shows_what_it_says():
    batch = fixed_length_batch()
    rnn = build_rnn(4, features=5)
    explorer = fixed_steps.explore_state(rnn, batch, positions=fixed_steps.STATES)
    off = []
    for position in fixed_steps.STATES:
        assert set(position.values) == set(explorer.controls)
        chosen = {name: position.values[name] for name in ("steps", "carry")}
        states = trace_states(rnn, batch, **chosen)[0] - trace_states(rnn, batch)[0]
        off.append(np.abs(states).max(axis=1) > 1e-5)
    assert off[0].tolist() == [False] * 5 + [True] * 5
    assert off[1].tolist() == [False] * 9 + [True]
    assert not off[2].any()
    alone = trace_states(rnn, batch[:, 9:])[:, 0]
    last = trace_states(rnn, batch, steps=9, carry=False)[:, 9]
    np.testing.assert_allclose(last, alone, atol=1e-6)


def slices(batch, steps):
    return [batch[:, start : start + steps] for start in range(0, batch.shape[1], steps)]


def carry(lstm, batch, steps):
    state = None
    for window in slices(batch, steps):
        _, *state = lstm(window, initial_state=state)
    return state[0]


def carry_padded(lstm, batch, steps):
    """With what the lessons use besides: windows, a mask, and the layer's attributes."""
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
    return [layer(window)[1] for window in slices(batch, steps)][-1]


def carry_functional(lstm, batch, steps):
    inputs, *start = keras.Input((None, 5)), keras.Input((6,)), keras.Input((6,))
    model = keras.Model([inputs, *start], lstm(inputs, initial_state=start))
    state = [np.zeros((len(batch), 6), "float32")] * 2
    for window in slices(batch, steps):
        _, *state = model.predict([window, *state], verbose=0)
    return state[0]


def give_back_both(lstm, batch, steps):
    state = None
    for window in slices(batch, steps):
        _, *state = lstm(window, initial_state=state)
    return state


def give_back_c(lstm, batch, steps):
    state = None
    for window in slices(batch, steps):
        _, *state = lstm(window, initial_state=state)
    return state[1]


def begin_with_zeros_of_another_shape(lstm, batch, steps):
    state = [np.zeros((3, 32), "float32")] * 2
    for window in slices(batch, steps):
        _, *state = lstm(window, initial_state=state)
    return state[0]


def leave_out_the_remainder(lstm, batch, steps):
    return carry(lstm, batch[:, : batch.shape[1] // steps * steps], steps)


def return_in_the_loop(lstm, batch, steps):
    return lstm(slices(batch, steps)[0])[1]


def read_the_padding(lstm, batch, steps):
    state = None
    for window in split_windows(batch, steps).inputs:
        _, *state = lstm(window, initial_state=state)
    return state[0]


def hand_on(choose):
    """Carry what `choose` takes of an LSTM's three results."""

    def wrong(lstm, batch, steps):
        state = None
        for window in slices(batch, steps):
            results = lstm(window, initial_state=state)
            state = choose(*results)
        return results[1]

    return wrong


def window_of(series, rows, steps, number):
    folded = series.reshape(rows, -1, series.shape[-1])
    return folded[:, number * steps : (number + 1) * steps]


def dealt(series, rows, steps, number):
    turns = series.reshape(-1, rows, series.shape[-1]).swapaxes(0, 1)
    return turns[:, number * steps : (number + 1) * steps]


def one_further(series, rows, steps, number):
    return fold_series(series, rows)[:, number : number + steps]


class TestExercises(ExerciseTests):
    lesson = fixed_steps
    RIGHT = {
        "carry": (carry,),
        "window": (window_of,),
    }
    WRONG = [
        ("carry", (lambda lstm, batch, steps: lstm(batch[:, -steps:])[1],), "not the last h"),
        ("carry", (lambda lstm, batch, steps: lstm(batch)[1],), "read 11 timesteps in one"),
        ("carry", (lambda lstm, batch, steps: carry(lstm, batch, steps)[0],), "yours is (6,)"),
        ("carry", (give_back_both,), "yours is (2, 2, 6). Return h alone: `state[0]`."),
        ("carry", (give_back_c,), "That is c"),
        ("carry", (read_the_padding,), "The padding was read"),
        ("carry", (hand_on(lambda output, h, c: None),), "The last window started from zeros"),
        ("carry", (hand_on(lambda output, h, c: [c, h]),), "h and c have changed places"),
        ("carry", (hand_on(lambda output, h, c: h),), "Not yet: An LSTM wants a list of both"),
        ("carry", (hand_on(lambda output, h, c: [h]),), "wants a list of both arrays"),
        ("carry", (hand_on(lambda *three: three),), "given three arrays, and the first is the out"),
        ("carry", (hand_on(lambda output, h, c: [h[:1], c]),), "(2, 6), yours are (1, 6)"),
        ("carry", (hand_on(lambda output, h, c: [h, 0.5 * c]),), "Give each window the state"),
        ("carry", (begin_with_zeros_of_another_shape,), "Begin with `state = None`"),
        ("carry", (leave_out_the_remainder,), "Read it too"),
        ("carry", (return_in_the_loop,), "`return` belongs after the loop"),
        ("window", (lambda series, rows, *_: fold_series(series, rows),), "yours is (3, 8, 2)"),
        ("window", (lambda s, rows, steps, n: s.reshape(-1, rows, steps, 2)[n],), "Fold first"),
        ("window", (dealt,), "take turns at the timesteps"),
        ("window", (one_further,), "Row 0 holds timesteps [4, 5, 6, 7], yours [1, 2, 3, 4]"),
    ]

    @pytest.mark.parametrize("way", [carry_padded, carry_cell, carry_stateful, carry_functional])
    def test_the_state_may_be_carried_in_other_ways(self, answered, way):
        assert answered(fixed_steps.check_carry, way) == (True, "Right.")

    def test_a_call_that_fails_leaves_one_line_and_none_of_tensorflow(self, answered, caplog):
        def masked(lstm, batch, steps):
            return lstm(batch[:, :steps], mask=np.ones((3, 7), bool))[1]

        _, words = answered(fixed_steps.check_carry, masked)
        assert words.startswith("Not yet: it raised ValueError: ")
        assert "\n" not in words
        assert "\x1b" not in words
        assert caplog.text == ""
