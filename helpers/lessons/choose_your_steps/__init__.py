"""Which steps suit your data? From a file to sequences, to trained scenarios, to advice.

Read the modules in this order; imports point from the bottom of the list to the top.

files       sequences from a CSV file
scenarios   a forecast task; window lengths, carried and reset, measured on it
advice      what the measured scenarios say, with the evidence behind each sentence
pictures    of a series, of its autocorrelation, and of scenarios compared
own_data    a file and its columns chosen, the series seen
laboratory  scenarios trained under a slider, and compared
checks      the exercises
"""

from helpers.lessons.choose_your_steps.advice import choose_scenario, compare_errors, in_words
from helpers.lessons.choose_your_steps.checks import (
    check_copying,
    check_shortest,
    check_supported,
)
from helpers.lessons.choose_your_steps.files import guess_columns, make_sequences, parse_csv
from helpers.lessons.choose_your_steps.laboratory import explore_scenarios
from helpers.lessons.choose_your_steps.own_data import explore_autocorrelation, explore_own_data
from helpers.lessons.choose_your_steps.scenarios import autocorrelation

__all__ = [
    "autocorrelation",
    "check_copying",
    "check_shortest",
    "check_supported",
    "choose_scenario",
    "compare_errors",
    "explore_autocorrelation",
    "explore_own_data",
    "explore_scenarios",
    "guess_columns",
    "in_words",
    "make_sequences",
    "parse_csv",
]
