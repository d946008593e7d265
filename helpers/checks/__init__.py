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
    "check_answer",
    "check_array",
    "load_question",
]
