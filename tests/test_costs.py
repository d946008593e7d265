"""Costs are measured for each window length, and longer windows keep more in memory."""

from functools import partial

import numpy as np
import pytest

from helpers import models
from helpers.costs import measure_costs
from helpers.training import epoch_mebibytes
from helpers.windows import split_windows


def test_each_window_length_is_measured_and_longer_ones_take_more_memory(monkeypatch):
    simple = partial(models.build_rnn, cell="simple_rnn")  # ready sooner than an LSTM
    monkeypatch.setattr(models, "build_rnn", simple)
    sequences, done = np.ones((8, 60, 1), "float32"), []
    costs = measure_costs(sequences, [60, 5], units=4, repeats=1, progress=done.append)
    assert [cost.steps for cost in costs] == [60, 5]
    assert all(cost.seconds > 0 for cost in costs)
    assert costs[0].mebibytes > 2 * costs[1].mebibytes > 0
    assert done == [1, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": [3, 0]}, "`steps` must be between 1 and the longest sequence (4 timesteps)"),
        ({"steps": [5]}, "steps=5"),
        ({"repeats": 0}, "`repeats` must be at least 1"),
        ({"units": 0}, "`units` must be at least 1"),
        ({"sequences": np.ones((2, 4))}, "`sequences` must have 3 axes"),
        ({"steps": []}, "`steps` must hold at least one of window lengths, such as [5, 10]"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, words, assert_refused):
    options = {"sequences": np.ones((2, 4, 3)), "steps": [2]} | options
    assert_refused(lambda: measure_costs(**options), ValueError, words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 3}, "`steps` must be a list of window lengths"),
        ({"steps": "3"}, "Received: steps='3'"),
        ({"steps": [2.5]}, "`steps` must be a whole number"),
        ({"masked": 1}, "`masked` must be True or False"),
        ({"units": "8"}, "`units` must be a whole number"),
        ({"progress": 3}, "`progress` must be a function"),
    ],
)
def test_what_is_of_another_kind_is_refused(options, words, assert_refused):
    options = {"sequences": np.ones((2, 4, 3)), "steps": [2]} | options
    assert_refused(lambda: measure_costs(**options), TypeError, words)


def test_memory_is_only_estimated_for_a_compiled_model_and_fitting_data(make_rnn, assert_refused):
    model = make_rnn(2)
    inputs = split_windows(np.ones((2, 4, 3)), 2).inputs
    targets = np.ones((2, 2, 2, 1))
    words = "`model` must be compiled"
    assert_refused(lambda: epoch_mebibytes(model, inputs, targets), ValueError, words)
    model.compile("sgd", "mse")
    words = "`targets` must have the axes"
    assert_refused(lambda: epoch_mebibytes(model, inputs, targets[0]), ValueError, words)
