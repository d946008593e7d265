"""Every check answers at once and in words: right, not answered yet, or what is off."""

import keras
import numpy as np
import pytest

from helpers import checks
from helpers.checks.feedback import _questions
from helpers.data import ragged_batch
from helpers.windows import bucket_by_length, length_mask, pad_batch, split_windows

HERE = ("check_00", "check_01", "check_02", "check_03")  # the others have a file each
EXERCISES = {name: check for name, check in vars(checks).items() if name.startswith(HERE)}
NAMES = sorted(_questions())


def answered(capsys, call):
    """The verdict of a check, and the words it printed."""
    verdict = call()
    return bool(verdict), capsys.readouterr().out.strip()


# --- questions -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_one_right_choice_and_an_answer_to_each(name):
    question = checks.load_question(name)
    assert question.text.endswith("?")
    assert len(set(question.choices)) == len(question.choices) >= 2
    assert all(question.answers)
    verdicts = [checks.check_answer(name, choice) for choice in question.choices]
    assert [right for right, _ in verdicts].count(True) == 1
    assert verdicts[question.right][0]
    assert [words for _, words in verdicts] == question.answers


def test_an_unknown_question_is_refused(assert_refused):
    words = "`name` must be one of", NAMES[0], "name='no such question'"
    assert_refused(lambda: checks.load_question("no such question"), ValueError, *words)


def test_an_unknown_choice_is_refused(assert_refused):
    words = "`choice` must be one of", "no such choice"
    assert_refused(lambda: checks.check_answer(NAMES[0], "no such choice"), ValueError, *words)


# --- arrays ----------------------------------------------------------------------------------


def test_a_right_array_is_right_within_rounding(capsys):
    answer = np.array([1.0, 2.0]) + 1e-6
    assert answered(capsys, lambda: checks.check_array(answer, [1, 2])) == (True, "Right.")


@pytest.mark.parametrize("blank", [None, ...])
def test_an_array_left_blank_is_not_answered_yet(capsys, blank):
    assert answered(capsys, lambda: checks.check_array(blank, [1])) == (False, "Not answered yet.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([1, 3], "Not yet: 1 of 2 numbers differ. Think."),
        ([np.nan, 2], "Not yet: 1 of 2 numbers differ. Think."),
        ([[1, 2]], "Not yet: your shape is (1, 2), (2,) is wanted. Think."),
        (["a", "b"], "Not yet: an array of numbers is wanted. Think."),
        ([[1], [1, 2]], "Not yet: an array of numbers is wanted. Think."),
    ],
)
def test_a_wrong_array_is_told_what_is_off_and_the_hint(capsys, answer, words):
    assert answered(capsys, lambda: checks.check_array(answer, [1, 2], hint="Think.")) == (
        False,
        words,
    )


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


def last_outputs(outputs, mask):
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return outputs[np.arange(len(outputs)), last]


def padding_share(lengths):
    return 1 - sum(lengths) / (len(lengths) * max(lengths))


def predict_in_buckets(predict, sequences, n_buckets):
    results = [None] * len(sequences)
    for bucket in bucket_by_length([len(s) for s in sequences], n_buckets):
        for i, result in zip(
            bucket, predict(*pad_batch([sequences[j] for j in bucket])), strict=True
        ):
            results[i] = result
    return results


def in_bucket_order(predict, sequences, n_buckets):
    buckets = bucket_by_length([len(s) for s in sequences], n_buckets)
    return np.concatenate([predict(*pad_batch([sequences[j] for j in b])) for b in buckets])


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


READINGS = [np.zeros((3, 2)), np.ones((2, 2))]
RIGHT = {
    "check_00_window_shape": ((3, 3, 4, 5),),
    "check_00_batches": (lambda rows, size: -(-rows // size),),
    "check_01_carry": (carry,),
    "check_01_reset_rows": (reset_rows,),
    "check_01_smallest_steps": ({8: 2, 6: 5, 3: 10},),
    "check_02_mask": (lambda lengths, timesteps: np.arange(timesteps) < lengths[:, None],),
    "check_02_mask_value": (-1.0, READINGS),
    "check_02_last_outputs": (last_outputs,),
    "check_03_padding_share": (padding_share,),
    "check_03_predict_in_buckets": (predict_in_buckets,),
}
WRONG = [
    ("check_00_window_shape", ((2, 3, 4, 5),), "where do the last 2 go?"),
    ("check_00_window_shape", ((3, 10, 5),), "four axes are wanted"),
    ("check_00_batches", (lambda rows, size: rows // size,), "for 9 rows at batch size 4"),
    ("check_01_carry", (lambda lstm, batch, steps: lstm(batch[:, -steps:])[1],), "another state"),
    ("check_01_carry", (lambda lstm, batch, steps: lstm(batch)[1],), "read 11 timesteps in one"),
    ("check_01_reset_rows", (reset_in_place,), "the arrays you were given have changed"),
    ("check_01_reset_rows", (lambda states, rows: states,), "Zeros there"),
    ("check_01_smallest_steps", ({8: 10, 6: 10, 3: 10},), "a shorter window does, too"),
    ("check_01_smallest_steps", ({8: 1, 6: 1, 3: 1},), "begins at timestep 9"),
    ("check_02_mask", (lambda n, t: np.arange(t) >= n[:, None],), "the other way round"),
    ("check_02_mask", (lambda n, t: (np.arange(t) < n[:, None]) * 1,), "a mask is boolean"),
    ("check_02_mask", (lambda n, t: length_mask(n, t, padding="pre"),), "in the wrong places"),
    ("check_02_mask", (lambda n, t: np.arange(t) < n[:, None] - 1,), "your rows have"),
    ("check_02_mask_value", (0.0, READINGS), "It would be swallowed"),
    ("check_02_mask_value", (np.nan, READINGS), "NaN equals nothing"),
    ("check_02_mask_value", (np.inf, READINGS), "take a finite number"),
    ("check_02_last_outputs", (lambda outputs, mask: outputs[:, -1],), "may be padding"),
    ("check_02_last_outputs", (lambda outputs, mask: outputs[:, 0],), "numbers differ"),
    ("check_03_padding_share", (lambda lengths: 0.5,), "for lengths of [7, 12, 4]"),
    ("check_03_predict_in_buckets", (in_bucket_order,), "say where its results belong"),
]


def test_every_exercise_has_its_answers_here():
    assert set(RIGHT) == set(EXERCISES)
    assert {name for name, *_ in WRONG} == set(EXERCISES)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_answer_is_right(capsys, name):
    if name == "check_02_mask":  # a learner may return it for a list, too
        assert answered(capsys, lambda: EXERCISES[name](length_mask))[0]
    assert answered(capsys, lambda: EXERCISES[name](*RIGHT[name])) == (True, "Right.")


@pytest.mark.parametrize("way", [carry_padded, carry_cell, carry_stateful, carry_functional])
def test_the_state_may_be_carried_in_other_ways(capsys, way):
    assert answered(capsys, lambda: checks.check_01_carry(way)) == (True, "Right.")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_a_wrong_answer_is_told_what_is_off(capsys, name, answer, hint):
    right, words = answered(capsys, lambda: EXERCISES[name](*answer))
    assert not right
    assert words.startswith("Not yet:") or words.startswith("With padding")
    assert hint in words


@pytest.mark.parametrize("blank", [None, ...])
@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_left_as_it_is_is_not_answered_yet(capsys, name, blank):
    answer = (lambda *_: blank) if callable(RIGHT[name][0]) else blank
    verdict = answered(capsys, lambda: EXERCISES[name](answer, *RIGHT[name][1:]))
    assert verdict == (False, "Not answered yet.")


def fails(*_):
    raise KeyError("a mistake of mine")


ODD = [
    0,
    "a",
    [[1], [1, 2]],
    {8: "a", 6: 1, 3: 1},
    object(),
    ("a",) * 4,
    np.full((2, 6), "a"),
    len,
    fails,
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_makes_a_check_raise(capsys, name, odd):
    for answer in (odd, lambda *_: odd):
        if name == "check_02_mask_value":
            answer = "a"
        right, words = answered(
            capsys, lambda answer=answer: EXERCISES[name](answer, *RIGHT[name][1:])
        )
        assert not right
        assert words


def test_what_a_learner_s_function_raised_is_said(capsys):
    _, words = answered(capsys, lambda: checks.check_00_batches(fails))
    assert words == "Not yet: it raised KeyError: 'a mistake of mine'"


def test_a_verdict_counts_as_true_or_false_and_shows_nothing_in_a_notebook(capsys):
    verdict = checks.check_array([1], [1])
    capsys.readouterr()
    assert verdict
    assert repr(verdict) == "True"
    verdict._ipython_display_()
    assert capsys.readouterr().out == ""


def test_zero_is_no_mask_value_for_the_lessons_batch_only_if_a_row_holds_it(capsys):
    assert answered(capsys, lambda: checks.check_02_mask_value(0.0, ragged_batch()))[0]
