"""Lesson on full length: what each way answers, what training takes, and the exercises."""

import time
from functools import partial

import numpy as np
import pytest

from helpers import plots
from helpers.lessons import full_sequence
from helpers.lessons.full_sequence import (
    COST_POSITIONS,
    PADDING_POSITIONS,
    Cost,
    explore_cost,
    explore_padding,
    measure_costs,
    seconds,
    show_answers,
)
from helpers.quiet import keras
from helpers.windows import bucket_by_length, pad_batch
from tests.exercises import ExerciseTests


def test_seconds_are_those_of_the_fastest_call():
    pauses = iter([0.5, 0.3, 0.25, 0.2, 0.01, 0.3])
    assert 0.01 <= seconds(lambda factor: time.sleep(factor * next(pauses)), 1) < 0.2


ALONE = np.array([[0.5], [-1.0]])


def test_answers_stand_beside_those_of_each_sequence_alone():
    ways = {"no mask": [[0.75], [-1.0]], "mask": ALONE}
    explorer = show_answers([3, 1], ALONE, ways)
    assert "no mask: 0.25; mask: 0.00" in explorer.words
    (ax,) = explorer.figure.axes
    bars = [p.get_path().get_extents() for p in ax.patches if p.get_gid() == plots.DRAWN]
    assert [(bar.y0, bar.y1) for bar in bars] == [(-1.0, 0.75), (-1.0, 0.5)]
    (alone,) = [c for c in ax.collections if c.get_gid() == plots.DRAWN]
    assert [y for (_, y), _ in alone.get_segments()] == [0.5, -1.0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["3 timesteps", "1 timestep"]


@pytest.mark.parametrize(
    ("ways", "error", "words"),
    [
        ({}, TypeError, "`ways` must be a dictionary of one to three names"),
        ([ALONE], TypeError, "`ways` must be a dictionary"),
        ({"mask": np.ones((3, 1))}, ValueError, "one answer for each of the 2 sequences: (2, 1)"),
        ({"mask": np.ones(2)}, ValueError, "`ways['mask']` must have 2 axes"),
    ],
)
def test_what_are_no_answers_is_refused(ways, error, words, assert_refused):
    assert_refused(lambda: show_answers([3, 1], ALONE, ways), error, words)


def test_memory_follows_the_timesteps_of_an_update_and_turns_are_counted(monkeypatch, capsys):
    simple = partial(full_sequence.build_rnn, cell="simple_rnn")  # ready sooner than an LSTM
    monkeypatch.setattr(full_sequence, "build_rnn", simple)
    costs = measure_costs(np.ones((4, 65, 1), "float32"), steps=10, batch_size=1)
    assert [(c.layout, c.batch, c.rows, c.timesteps, c.turns) for c in costs] == [
        ("full length", "large", 4, 260, 65),
        ("full length", "small", 1, 65, 260),
        ("windows in turn", "large", 4, 40, 70),  # the last window is padded
        ("windows in turn", "small", 1, 10, 280),
        ("side by side", "large", 28, 280, 10),
        ("side by side", "small", 4, 40, 70),
    ]
    full, fewer, turn, _, beside, _ = (cost.mebibytes for cost in costs)
    assert full > 2 * fewer > 0
    assert full > 2 * turn > 0
    assert 0.8 < beside / full < 1.3
    assert capsys.readouterr().out.splitlines()[1] == "measured: full length, 1 row at a time"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"steps": 5}, ValueError, "between 1 and the longest sequence (4 timesteps)"),
        ({"steps": 2.5}, TypeError, "`steps` must be a whole number"),
        ({"batch_size": 3}, ValueError, "`batch_size` must be between 1 and 2"),
        ({"series": np.ones((3, 4, 1))}, ValueError, "must divide the 3 rows"),
        ({"series": np.ones((2, 4))}, ValueError, "`series` must have 3 axes"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, error, words, assert_refused):
    options = {"series": np.ones((2, 4, 3)), "steps": 2, "batch_size": 2} | options
    assert_refused(lambda: measure_costs(**options), error, words)


LAYOUTS = ("full length", "windows in turn", "side by side")
COSTS = [
    Cost(layout, batch, 2, 200 + i, 1000 + i, 3.0 + i)
    for i, (layout, batch) in enumerate((a, b) for a in LAYOUTS for b in ("large", "small"))
]


def test_costs_are_drawn_and_read_out():
    explorer = explore_cost(COSTS, positions=COST_POSITIONS)
    assert explorer.words.startswith("Full length, 2 rows at a time: an epoch makes 1,000 turns")
    explorer.controls["layout"].value = "side by side"
    explorer.controls["batch"].value = "small"
    assert "1,005 turns, one after another" in explorer.words
    assert "holds 205 timesteps and takes 8.0 MiB" in explorer.words
    turns, memory = explorer.figure.axes
    heights = [p.get_path().get_extents().y1 for p in memory.patches]
    assert heights == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert [t.get_text() for t in turns.texts] == [f"{cost.turns:,}" for cost in COSTS]
    (mark,) = [line for line in memory.lines if line.get_gid() == plots.DRAWN]
    assert mark.get_xdata()[0] > 2.1


@pytest.mark.parametrize(
    ("costs", "error", "words"),
    [
        ([], ValueError, "`costs` must hold at least one of the results"),
        (3, TypeError, "`costs` must be a list of the results"),
        (keras.Input((3,)), TypeError, "`costs` must be a list of the results"),
        ([1, 2], TypeError, "`costs[0]` must be a Cost, as `measure_costs` gives"),
        (COSTS[1:], ValueError, "costs without ('full length', 'large')"),
    ],
)
def test_what_are_no_costs_is_refused(costs, error, words, assert_refused):
    assert_refused(lambda: explore_cost(costs), error, words)


def test_batches_are_counted_right():
    explorer = explore_padding([7, 12, 4, 11, 2])
    assert "36 real timesteps in 60 computed ones" in explorer.words
    explorer.controls["n_batches"].value = 5
    assert "0% of the work is padding. An epoch makes 36 turns." in explorer.words
    explorer.controls["n_batches"].value = 2
    sorted_words = explorer.words
    assert "2 batches, sorted by length: 36 real timesteps in 45 computed" in sorted_words
    explorer.controls["ordered"].value = False
    assert "2 batches, shuffled: 36 real timesteps" in explorer.words


def test_padding_shows_each_sequence_up_to_the_longest_of_its_batch():
    explorer = explore_padding([7, 12, 4, 11, 2])
    explorer.controls["n_batches"].value = 2
    (ax,) = explorer.figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("sequence, batch by batch", "timesteps")
    real, padded, borders = [c for c in ax.collections if c.get_gid() == plots.DRAWN]
    assert padded.get_hatch() == plots.PADDED["hatch"]
    assert real.get_paths()[0].get_extents().y1 == padded.get_paths()[0].get_extents().y1 == 12
    assert [x for (x, _), _ in borders.get_segments()] == [2.5]


def test_no_lengths_are_refused(assert_refused):
    assert_refused(lambda: explore_padding([]), ValueError, "`lengths` must have 1 axis: (batch)")


@pytest.mark.parametrize(
    ("explorer", "positions"),
    [
        (explore_cost(COSTS), COST_POSITIONS),
        (explore_padding(range(1, 20)), PADDING_POSITIONS),
    ],
    ids=["cost", "padding"],
)
def test_positions_are_places_that_the_controls_can_take(explorer, positions):
    seen = set()
    for position in positions:
        for name, value in position.values.items():
            explorer.controls[name].value = value
            assert explorer.controls[name].value == value
        assert set(position.values) == set(explorer.controls)
        seen.add(explorer.words)
    assert len(seen) == len(positions)


# --- exercises -------------------------------------------------------------------------------


def padding_share(lengths):
    return 1 - sum(lengths) / (len(lengths) * max(lengths))


def in_buckets(
    order=lambda rows: rows, lengths=len, call=lambda predict, x, mask: predict(x, mask)
):
    """An answer to the second exercise, right but for what it is given."""

    def predict_in_buckets(predict, sequences, n_buckets):
        results = [None] * len(sequences)
        for rows in bucket_by_length([lengths(s) for s in sequences], n_buckets):
            found = call(predict, *pad_batch([sequences[row] for row in rows]))
            for row, result in zip(rows, np.ravel(found), strict=True):
                results[row] = result
        return order(results)

    return predict_in_buckets


def in_bucket_order(predict, sequences, n_buckets):
    buckets = bucket_by_length([len(s) for s in sequences], n_buckets)
    return np.concatenate([predict(*pad_batch([sequences[j] for j in b])) for b in buckets])


def all_at_once(predict, sequences, n_buckets):
    return predict(*pad_batch(sequences))


def padded_to_the_longest(predict, sequences, n_buckets):
    def call(predict, inputs, mask):
        more = 9 - inputs.shape[1]
        return predict(
            np.pad(inputs, ((0, 0), (0, more), (0, 0))), np.pad(mask, ((0, 0), (0, more)))
        )

    return in_buckets(call=call)(predict, sequences, n_buckets)


def of_sequences(predict, sequences, n_buckets):
    return bucket_by_length(sequences, n_buckets)


def at_many_rows(predict, sequences, n_buckets):
    for rows in bucket_by_length([len(s) for s in sequences], n_buckets):
        predict(*pad_batch(sequences[rows]))


def into_a_list(predict, sequences, n_buckets):
    results = [0.0] * len(sequences)
    for rows in bucket_by_length([len(s) for s in sequences], n_buckets):
        results[rows] = predict(*pad_batch([sequences[row] for row in rows]))
    return results


class TestExercises(ExerciseTests):
    lesson = full_sequence
    RIGHT = {"padding_share": (padding_share,), "predict_in_buckets": (in_buckets(),)}
    WRONG = [
        ("padding_share", (lambda lengths: 0.5,), "for lengths of [7, 12, 4] yours is 0.5. How"),
        ("padding_share", (lambda n: 1 - padding_share(n),), "the share of real timesteps"),
        ("padding_share", (lambda n: 100 * padding_share(n),), "from 0 to 1"),
        ("padding_share", (lambda n: len(n) * max(n) / sum(n) - 1,), "against real timesteps"),
        ("padding_share", (lambda n: len(n) * max(n) - sum(n),), "counts the padding"),
        ("padding_share", (lambda n: [0.5, 0.5],), "one number is wanted"),
        ("predict_in_buckets", (in_bucket_order,), "say where its results belong"),
        ("predict_in_buckets", (all_at_once,), "`predict` was called 1 time. Call it once for"),
        ("predict_in_buckets", (padded_to_the_longest,), "timesteps computed, 34 are enough"),
        (
            "predict_in_buckets",
            (in_buckets(call=lambda predict, x, mask: predict((x, mask))),),
            "`predict` takes two things",
        ),
        ("predict_in_buckets", (at_many_rows,), "`[sequences[row] for row in rows]`"),
        ("predict_in_buckets", (into_a_list,), "use `np.empty(len(sequences))`"),
        ("predict_in_buckets", (of_sequences,), "takes lengths: `[len(s) for s in sequences]`"),
        (
            "predict_in_buckets",
            (in_buckets(call=lambda predict, x, mask: predict(x[None], mask[None])),),
            "got inputs of shape (1, 2, 2, 2). Give it what `pad_batch` returns",
        ),
        (
            "predict_in_buckets",
            (in_buckets(call=lambda predict, x, mask: predict(x)),),
            "give `predict` the mask",
        ),
        (
            "predict_in_buckets",
            (in_buckets(call=lambda predict, x, mask: predict(x, np.ones_like(mask))),),
            "other numbers than each sequence gets alone",
        ),
        (
            "predict_in_buckets",
            (in_buckets(order=lambda results: [results[:3], results[3:]]),),
            "one number for each of the 6 sequences is wanted; yours has the shape (2, 3)",
        ),
        (
            "predict_in_buckets",
            (in_buckets(order=lambda results: np.array(results) + 1),),
            "other numbers than each sequence gets alone",
        ),
    ]
