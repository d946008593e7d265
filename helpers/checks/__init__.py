"""Instant feedback on predictions and exercises: right, or what is off and a hint.

The lessons' questions stand in `helpers/questions`, so that a lesson does not show an answer
before the learner has chosen. Checks of exercises print one line and never raise for a
wrong answer.
"""

from helpers.checks.feedback import Question, check_answer, check_array, load_question
from helpers.checks.lesson_00 import check_00_batches, check_00_window_shape
from helpers.checks.lesson_01 import check_01_carry, check_01_reset_rows, check_01_smallest_steps
from helpers.checks.lesson_02 import check_02_last_outputs, check_02_mask, check_02_mask_value
from helpers.checks.lesson_03 import check_03_padding_share, check_03_predict_in_buckets
from helpers.checks.lesson_04 import check_04_endless, check_04_forecast, check_04_left_out
from helpers.checks.lesson_05 import check_05_last_real, check_05_masked_mse, check_05_reader
from helpers.checks.lesson_06 import (
    check_06_batches,
    check_06_both_directions,
    check_06_divisor,
    check_06_epochs,
    check_06_fractions,
    check_06_last_output,
    check_06_many_targets,
    check_06_metric,
    check_06_next_value,
    check_06_requests,
    check_06_rows,
    check_06_shuffle,
    check_06_silence,
    check_06_validation,
)
from helpers.checks.lesson_07 import check_07_copying, check_07_shortest, check_07_supported

__all__ = [
    "Question",
    "check_00_batches",
    "check_00_window_shape",
    "check_01_carry",
    "check_01_reset_rows",
    "check_01_smallest_steps",
    "check_02_last_outputs",
    "check_02_mask",
    "check_02_mask_value",
    "check_03_padding_share",
    "check_03_predict_in_buckets",
    "check_04_endless",
    "check_04_forecast",
    "check_04_left_out",
    "check_05_last_real",
    "check_05_masked_mse",
    "check_05_reader",
    "check_06_batches",
    "check_06_both_directions",
    "check_06_divisor",
    "check_06_epochs",
    "check_06_fractions",
    "check_06_last_output",
    "check_06_many_targets",
    "check_06_metric",
    "check_06_next_value",
    "check_06_requests",
    "check_06_rows",
    "check_06_shuffle",
    "check_06_silence",
    "check_06_validation",
    "check_07_copying",
    "check_07_shortest",
    "check_07_supported",
    "check_answer",
    "check_array",
    "load_question",
]
