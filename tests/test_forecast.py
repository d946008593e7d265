"""Lesson on windows that do not leak: splits, sampling, and the exercises."""

import itertools
import re

import numpy as np
import pytest

from helpers import plots
from helpers.lessons import forecast
from helpers.windows import sliding_windows
from tests.exercises import ExerciseTests
from tests.pictures import assert_no_legend_is_cut_off, rectangles, visited

WALKS = [np.random.default_rng(seed).normal(size=(600, 5)).cumsum(axis=0) for seed in range(6)]

# --- what the lesson says --------------------------------------------------------------------


@pytest.mark.parametrize("walks", WALKS)
def test_shuffled_windows_beat_copying_and_a_later_test_does_not(walks):
    scores = forecast.score_splits(walks, 8, 24)
    assert round(scores.shuffled, 1) == 1.0
    assert 4 < scores.copying / scores.shuffled < 6
    assert scores.in_time > scores.copying
    assert 3 < scores.copying < 7


def test_one_walk_alone_shows_no_leak():
    for walks in WALKS[:3]:
        scores = forecast.score_splits(walks[:, :1], 8, 24)
        assert scores.shuffled > scores.copying / 2


def test_by_heart_answers_a_known_window_with_its_own_target():
    windows, targets = sliding_windows(WALKS[0][:60], 4)
    np.testing.assert_array_equal(forecast.by_heart(windows, targets, windows), targets)
    near = windows[[7]] + 1e-6
    np.testing.assert_array_equal(forecast.by_heart(windows, targets, near), targets[[7]])


def test_scores_are_taken_as_the_notebook_does():
    walks = WALKS[0]
    windows, targets = sliding_windows(walks, 8, horizon=24)
    order = np.random.default_rng(1).permutation(len(windows))
    train, test = order[:455], order[455:]
    found = forecast.by_heart(windows[train], targets[train], windows[test])
    scores = forecast.score_splits(walks, 8, 24)
    assert scores.shuffled == forecast.rmse(found, targets[test])
    later, truth = sliding_windows(walks[480:], 8, horizon=24)
    assert scores.copying == forecast.rmse(later[:, -1], truth)


def test_the_mean_of_two_neighbours_misses_by_less_than_copying_can():
    walk = np.random.default_rng(0).normal(size=100_000).cumsum()
    assert round(forecast.rmse((walk[:-2] + walk[2:]) / 2, walk[1:-1]), 1) == 0.7
    assert round(forecast.rmse(walk[:-1], walk[1:]), 1) == 1.0


def test_the_drifting_series_ends_below_the_scale_in_training():
    series = np.random.default_rng(0).normal(0.2, 1.0, 500).cumsum()
    scaled = (series - series.min()) / np.ptp(series)
    assert scaled[:400].max() < 0.8
    assert scaled.argmax() >= 400
    assert np.mean(scaled[400:] < scaled[:400].max()) < 0.1  # nearly all lie above


# --- the pictures ----------------------------------------------------------------------------


@pytest.fixture
def split():
    return forecast.explore_split(positions=forecast.SPLITS)


@pytest.fixture
def sampling():
    return forecast.explore_sampling(positions=forecast.SAMPLED)


def settings(explorer):
    """Each setting of the buttons, with each slider at either end."""
    first, *sliders = explorer.controls.values()
    ends = [(slider.options[0][1], slider.options[-1][1]) for slider in sliders]
    for option, *values in itertools.product(first.options, *ends):
        for control, value in zip((first, *sliders), (option, *values), strict=True):
            control.value = value
        yield option, *values


def by_hand(train, test, steps, horizon):
    """How many test targets stand in training, and how many training targets come too late."""
    seen = set()
    for start in train:
        seen |= set(range(start, start + steps)) | {start + steps - 1 + horizon}
    leaked = sum(start + steps - 1 + horizon in seen for start in test)
    end = min(test) + steps - 1
    return leaked, sum(start + steps - 1 + horizon > end for start in train)


def test_the_words_count_what_leaks(split):
    for option, steps, horizon in settings(split):
        train, test = forecast.split_starts(option, steps, horizon)
        assert min(len(train), len(test)) > 0
        leaked, late = by_hand(train, test, steps, horizon)
        assert f"{len(train)} windows to train on, {len(test)} to test on" in split.words
        assert f" {leaked} of the {len(test)} test targets" in split.words
        if option == forecast.SHUFFLED:
            assert leaked > len(test) / 2
        else:
            assert f" {late} training targets are later" in split.words
            assert leaked == 0
            assert late == (horizon - 1 if option == forecast.CUT_FIRST else 0)


@pytest.mark.parametrize("horizon", range(1, 7))
def test_a_series_that_is_split_first_shares_nothing(horizon):
    train, test = forecast.split_starts(forecast.SPLIT_FIRST, 4, horizon)
    assert max(train) + 3 + horizon == 27
    assert (min(test), max(test) + 3 + horizon) == (28, 39)


def test_each_window_and_each_target_is_drawn(split):
    for option, steps, horizon in settings(split):
        train, test = forecast.split_starts(option, steps, horizon)
        (ax,) = split.figure.axes
        for starts, style in ((train, plots.REAL), (test, forecast._TEST)):
            assert sorted(left + 0.5 for left, *_ in rectangles(ax, style)) == sorted(starts)
        marks = np.concatenate([np.column_stack(line.get_data()) for line in ax.lines])
        starts = np.sort(np.concatenate([train, test]))
        expected = np.column_stack([starts + steps - 1 + horizon, starts])
        np.testing.assert_array_equal(marks[np.argsort(marks[:, 1])], expected)


def test_the_words_say_where_the_target_lies(sampling):
    for option, steps, rate in settings(sampling):
        read = [k * rate for k in range(steps)]
        target = steps if option == forecast.INSIDE else read[-1] + 1
        assert f"timesteps {', '.join(map(str, read))}. Its target is timestep {target}," in (
            sampling.words
        )
        inside = target < read[-1]
        assert ("inside the window" in sampling.words) == inside
        assert ("one of those" in sampling.words) == (inside and target in read)
        (ax,) = sampling.figure.axes
        drawn = sorted(left + 0.5 for left, low, *_ in rectangles(ax, plots.REAL) if low < 0)
        assert drawn == read
        (line,) = ax.lines
        assert line.get_xdata()[0] == target
        assert (line.get_marker() == "X") == inside


def test_the_positions_show_what_they_say_and_cut_no_legend_off(split, sampling):
    assert_no_legend_is_cut_off(sampling, forecast.SAMPLED)
    assert_no_legend_is_cut_off(split, forecast.SPLITS)
    next(visited(split, forecast.SPLITS))  # shuffled
    leaked, tests = re.search(r"(\d+) of the (\d+) test", split.words).groups()
    assert int(leaked) >= int(tests) - 1


def test_an_error_too_large_for_a_float_is_infinite():
    assert forecast.rmse(1e300, -1.0) == np.inf


def test_what_are_no_windows_is_refused(assert_refused):
    windows, targets = sliding_windows(WALKS[0][:30], 4)
    words = "`windows` must have 3 axes"
    assert_refused(lambda: forecast.by_heart(windows[0], targets, windows), ValueError, words)
    words = "`asked` must have 3 axes"
    assert_refused(lambda: forecast.by_heart(windows, targets, windows[0]), ValueError, words)
    words = "`asked` must hold windows of the shape of `windows`"
    for asked in (windows[:, :3], windows[:, :1], np.repeat(windows, 2, axis=-1)):
        assert_refused(lambda x=asked: forecast.by_heart(windows, targets, x), ValueError, words)


# --- the exercises ---------------------------------------------------------------------------


def split_by_slices(series, border, steps, horizon):
    train = sliding_windows(series[:border], steps, horizon=horizon)
    return train, sliding_windows(series[border - steps :], steps, horizon=horizon)


def split_by_ends(series, border, steps, horizon):
    inputs, targets = sliding_windows(series, steps, horizon=horizon)
    ends = np.arange(len(inputs)) + steps - 1
    known, after = ends + horizon < border, ends >= border - 1
    return [(inputs[known], targets[known]), [inputs[after], targets[after]]]


def cut_then_split(series, border, steps, horizon):
    """As in the picture of that name: each target is in one part."""
    inputs, targets = sliding_windows(series, steps, horizon=horizon)
    after = np.arange(len(inputs)) + steps - 1 + horizon >= border
    return [(inputs[~after], targets[~after]), [inputs[after], targets[after]]]


def cut_then_split_at_the_border(series, border, steps, horizon):
    """The first test window is the first that is made when the border has come."""
    inputs, targets = sliding_windows(series, steps, horizon=horizon)
    first = border - steps
    return (inputs[:first], targets[:first]), (inputs[first:], targets[first:])


def split_shuffled(series, border, steps, horizon):
    inputs, targets = sliding_windows(series, steps, horizon=horizon)
    order = np.random.default_rng(0).permutation(len(inputs))
    train, test = order[: border - steps], order[border - steps :]
    return (inputs[train], targets[train]), (inputs[test], targets[test])


def split_by_starts(series, border, steps, horizon):
    inputs, targets = sliding_windows(series, steps, horizon=horizon)
    return (inputs[:border], targets[:border]), (inputs[border:], targets[border:])


def split_apart(series, border, steps, horizon):
    return [sliding_windows(part, steps, horizon=horizon) for part in np.split(series, [border])]


def split_too_early(series, border, steps, horizon):
    train, _ = split_by_slices(series, border, steps, horizon)
    return train, sliding_windows(series[border - steps - 1 :], steps, horizon=horizon)


def without_horizon(series, border, steps, horizon):
    return split_by_slices(series, border, steps, 2)


def one_part(series, border, steps, horizon):
    return sliding_windows(series[:border], steps, horizon=horizon)


def with_known(take):
    return lambda series, border: take(series, series[:border])


def one_more(series, border):
    known = series[: border + 1]
    return (series - known.mean()) / known.std()


def two_scales(series, border):
    parts = np.split(series, [border])
    return np.concatenate([(part - part.mean()) / part.std() for part in parts])


class TestExercises(ExerciseTests):
    lesson = forecast
    RIGHT = {
        "split": (split_by_slices,),
        "scale": (with_known(lambda s, known: (s - known.mean()) / known.std()),),
    }
    WRONG = [
        ("split", (split_shuffled,), "Split the series first"),
        ("split", (split_by_starts,), "Split the series first"),
        ("split", (split_apart,), "A test window may read what was before the border"),
        ("split", (split_too_early,), "no window may end earlier"),
        ("split", (cut_then_split,), "a test window ends at timestep 19. The forecast is made"),
        ("split", (cut_then_split_at_the_border,), "a training target stands at timestep 29"),
        ("split", (without_horizon,), "after its window's last timestep"),
        ("split", (one_part,), "return two pairs"),
        ("split", (lambda *_: (([], []), ([], [])),), "windows have the shape"),
        ("scale", (with_known(lambda s, _: (s - s.mean()) / s.std()),), "Only the training part"),
        ("scale", (two_scales,), "a scale of its own"),
        ("scale", (with_known(lambda s, known: s - known.mean()),), "nothing was divided"),
        ("scale", (with_known(lambda s, known: s / known.std()),), "the mean is still there"),
        ("scale", (with_known(lambda s, known: s - known.mean() / known.std()),), "in brackets"),
        ("scale", (with_known(lambda s, known: (s - known.mean()) / known.var()),), "its root"),
        ("scale", (with_known(lambda s, known: (s - known.min()) / np.ptp(known)),), "by minimum"),
        ("scale", (one_more,), "timestep 150 was used as well. What is known ends at 149"),
        ("scale", (with_known(lambda s, known: s),), "subtract"),
        ("scale", (with_known(lambda s, known: known),), "all 200 values are wanted"),
    ]

    def test_another_right_way(self, answered):
        assert answered(forecast.check_split, split_by_ends) == (True, "Right.")
        for ddof in (0, 1):
            scaled = with_known(lambda s, k, d=ddof: (s - k.mean(axis=0)) / k.std(axis=0, ddof=d))
            assert answered(forecast.check_scale, scaled) == (True, "Right.")
