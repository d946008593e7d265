"""Which steps suit your data? Read the modules in this order.

text_files  a text file as a table
tables      sequences from a table, and how it is read
task        a forecast task: parts of time, baselines
comparison  window lengths trained and measured; the two rules
laboratory  the same under a slider
checks      the exercises
"""

from helpers.lessons.choose_your_steps.checks import check_standard_errors, check_supported
from helpers.lessons.choose_your_steps.laboratory import explore_steps
from helpers.lessons.choose_your_steps.tables import (
    describe_reading,
    guess_roles,
    make_sequences,
    read_table,
)
from helpers.lessons.choose_your_steps.task import forecast_task

__all__ = [
    "check_standard_errors",
    "check_supported",
    "describe_reading",
    "explore_steps",
    "forecast_task",
    "guess_roles",
    "make_sequences",
    "read_table",
]
