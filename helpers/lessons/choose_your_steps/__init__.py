"""Which steps suit your data? Read the modules in this order.

tables      sequences from what people have
task        a forecast task: parts of time, baselines
comparison  window lengths trained and measured; the two rules
laboratory  the same under a slider
checks      the exercises
"""

from helpers.lessons.choose_your_steps.checks import check_standard_errors, check_supported
from helpers.lessons.choose_your_steps.laboratory import explore_steps
from helpers.lessons.choose_your_steps.task import forecast_task

__all__ = ["check_standard_errors", "check_supported", "explore_steps", "forecast_task"]
