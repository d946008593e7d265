"""Lesson on full length: what an epoch costs, and the exercises."""

from functools import partial

import numpy as np
import pytest

from helpers import plots
from helpers.lessons import full_sequence
from helpers.lessons.full_sequence import Cost, explore_cost, explore_padding, measure_costs
from helpers.windows import bucket_by_length, pad_batch
from tests.exercises import ExerciseTests


def test_each_window_length_is_measured_and_longer_ones_take_more_memory(monkeypatch):
    simple = partial(full_sequence.build_rnn, cell="simple_rnn")  # ready sooner than an LSTM
    monkeypatch.setattr(full_sequence, "build_rnn", simple)
    sequences, done = np.ones((8, 60, 1), "float32"), []
    costs = measure_costs(sequences, [60, 5], units=4, progress=done.append)
    assert [cost.steps for cost in costs] == [60, 5]
    assert all(cost.seconds > 0 for cost in costs)
    assert costs[0].mebibytes > 2 * costs[1].mebibytes > 0
    assert done == [1, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": [3, 0]}, "`steps` must be between 1 and the longest sequence (4 timesteps)"),
        ({"steps": [5]}, "steps=5"),
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


COSTS = [Cost(24, 0.5, 3.0), Cost(1, 2.0, 0.5), Cost(6, 1.0, 1.5)]


def test_costs_are_read_out_beside_those_of_the_longest_windows():
    explorer = explore_cost(COSTS)
    explorer.controls["chosen"].value = 0
    assert "steps = 1: 2,000.0 ms an epoch and 0.5 MiB" in explorer.words
    assert "longest windows measured, steps = 24: 500.0 ms and 3.0 MiB" in explorer.words


@pytest.mark.parametrize(
    ("costs", "error", "words"),
    [
        ([], ValueError, "`costs` must hold at least one of the results"),
        (3, TypeError, "`costs` must be a list of the results"),
        ([1, 2], TypeError, "`costs[0]` must be a Cost, as `measure_costs` gives"),
    ],
)
def test_what_are_no_costs_is_refused(costs, error, words, assert_refused):
    assert_refused(lambda: explore_cost(costs), error, words)


def test_buckets_are_counted_right():
    explorer = explore_padding([7, 12, 4, 11, 2])
    assert "36 real timesteps in 60 computed ones" in explorer.words
    explorer.controls["n_buckets"].value = 5
    assert "0% of the work is padding" in explorer.words


def test_padding_shows_each_sequence_up_to_the_longest_of_its_bucket():
    (ax,) = explore_padding([7, 12, 4, 11, 2], n_buckets=2).figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("sequence, sorted by length", "timesteps")
    real, padded, borders = [c for c in ax.collections if c.get_gid() == plots.DRAWN]
    assert padded.get_hatch() == plots.PADDED["hatch"]
    assert real.get_paths()[0].get_extents().y1 == padded.get_paths()[0].get_extents().y1 == 12
    assert [x for (x, _), _ in borders.get_segments()] == [2.5]


@pytest.mark.parametrize(
    ("lengths", "n_buckets", "words"),
    [
        ([], 1, "`lengths` must list one number"),
        ([1, 2], 3, "`buckets` must be between 1 and 2"),
    ],
)
def test_what_has_no_buckets_is_refused(lengths, n_buckets, words, assert_refused):
    assert_refused(lambda: explore_padding(lengths, n_buckets=n_buckets), ValueError, words)


# --- exercises -------------------------------------------------------------------------------


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


class TestExercises(ExerciseTests):
    lesson = full_sequence
    RIGHT = {"padding_share": (padding_share,), "predict_in_buckets": (predict_in_buckets,)}
    WRONG = [
        ("padding_share", (lambda lengths: 0.5,), "for lengths of [7, 12, 4]"),
        ("predict_in_buckets", (in_bucket_order,), "say where its results belong"),
    ]
