"""Lesson on masking: what padding does to the state, and the exercises."""

import re

import numpy as np

from helpers.data import ragged_batch
from helpers.lessons import masking
from helpers.lessons.masking import explore_masks
from helpers.windows import length_mask
from tests.exercises import ExerciseTests


def test_a_mask_keeps_the_state_right_however_far_a_batch_is_padded(make_rnn, ragged):
    explorer = explore_masks(make_rnn(2, cell="simple_rnn"), ragged)
    explorer.controls["length"].value = 30
    without = float(re.findall(r"by ([\d.]+\d)", explorer.words)[0])
    explorer.controls["mask"].value = True
    assert "with a mask" in explorer.words
    assert float(re.findall(r"by ([\d.]+\d)", explorer.words)[0]) == 0 < without


def test_sequences_that_do_not_fit_the_model_are_refused(make_rnn, assert_refused):
    words = "`sequences` must have the 3 features", "4 features"
    model = make_rnn(2, cell="simple_rnn")
    assert_refused(lambda: explore_masks(model, [np.ones((5, 4))]), ValueError, *words)


# --- exercises -------------------------------------------------------------------------------


def last_outputs(outputs, mask):
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return outputs[np.arange(len(outputs)), last]


READINGS = [np.zeros((3, 2)), np.ones((2, 2))]


class TestExercises(ExerciseTests):
    lesson = masking
    RIGHT = {
        "mask": (lambda lengths, timesteps: np.arange(timesteps) < lengths[:, None],),
        "mask_value": (-1.0, READINGS),
        "last_outputs": (last_outputs,),
    }
    WRONG = [
        ("mask", (lambda n, t: np.arange(t) >= n[:, None],), "the other way round"),
        ("mask", (lambda n, t: (np.arange(t) < n[:, None]) * 1,), "a mask is boolean"),
        ("mask", (lambda n, t: length_mask(n, t, padding="pre"),), "in the wrong places"),
        ("mask", (lambda n, t: np.arange(t) < n[:, None] - 1,), "your rows have"),
        ("mask_value", (0.0, READINGS), "It would be swallowed"),
        ("mask_value", (np.nan, READINGS), "NaN equals nothing"),
        ("mask_value", (np.inf, READINGS), "take a finite number"),
        ("last_outputs", (lambda outputs, mask: outputs[:, -1],), "may be padding"),
        ("last_outputs", (lambda outputs, mask: outputs[:, 0],), "numbers differ"),
    ]

    def test_a_list_of_lengths_is_no_reason_to_refuse_a_mask(self, answered):
        assert answered(masking.check_mask, length_mask)[0]

    def test_zero_is_no_mask_value_only_if_a_row_holds_it(self, answered):
        assert answered(masking.check_mask_value, 0.0, ragged_batch())[0]
