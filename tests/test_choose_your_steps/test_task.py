"""A task is cut in time, its baselines are what they are called, and nothing leaks."""

import numpy as np
import pytest

from helpers.data import load_japanese_vowels, load_sunspots
from helpers.lessons.choose_your_steps.task import (
    COMPARE,
    END,
    LAST,
    STOP,
    baseline_errors,
    forecast_task,
)


@pytest.fixture
def series(rng):
    """A season of 12 on a slow wave, and noise."""
    time = np.arange(300)
    return np.sin(2 * np.pi * time / 12) + rng.normal(scale=0.2, size=300)


def error(task, name, part=COMPARE):
    return baseline_errors(task, part)[name].mean()


def test_parts_follow_one_another_in_time():
    task = forecast_task([np.arange(200.0)[:, None] % 7, np.arange(100.0)[:, None] % 5])
    assert task.cuts == [(0, 96, 120, 170, 200), (0, 48, 60, 85, 100)]
    assert (STOP, COMPARE, LAST, END) == (1, 2, 3, 4)


@pytest.mark.parametrize("horizon", [1, 3, 14])
def test_baselines_are_what_they_are_called(series, horizon):
    task = forecast_task([series[:, None]], horizon=horizon)
    start, end = task.cuts[0][COMPARE : LAST + 1]
    truth = series[start:end]
    assert list(task.baselines)[:3] == ["copying", "the mean", "one season before (12)"]
    back = 12 if horizon <= 12 else 24
    for name, forecast in (
        ("copying", series[start - horizon : end - horizon]),
        ("the mean", series[:start].mean()),
        ("one season before (12)", series[start - back : end - back]),
    ):
        blocks = [8 * b.sum() / len(truth) for b in np.array_split((forecast - truth) ** 2, 8)]
        assert np.allclose(baseline_errors(task, COMPARE)[name], blocks)
        assert np.isclose(np.mean(blocks), np.mean((forecast - truth) ** 2))


def test_the_straight_line_is_least_squares_on_what_was_known(series):
    task = forecast_task([series[:, None]], horizon=2)
    (name,) = (each for each in task.baselines if each.startswith("a linear regression"))
    lags, start = int(name.split()[-1]), task.cuts[0][COMPARE]
    rows = [[1, *series[t - lags + 1 : t + 1]] for t in range(lags - 1, 298)]
    known = start - 2 - lags + 1
    line, *_ = np.linalg.lstsq(np.array(rows[:known]), series[lags + 1 : start], rcond=None)
    assert np.allclose(task.baselines[name][0][lags - 1 : 298], rows @ line)


def test_a_line_finds_a_lag_that_it_needs(rng):
    values = list(rng.normal(size=8))
    while len(values) < 400:
        values.append(0.9 * values[-8] + rng.normal(scale=0.3))
    task = forecast_task([np.array(values)[:, None]])
    lags = int(list(task.baselines)[-1].split()[-1])
    assert lags >= 8
    assert error(task, f"a linear regression on the last {lags}") < 0.5 * error(task, "copying")


def test_a_season_is_found_given_or_none(series, rng):
    sunspots = load_sunspots().numbers[:, None]
    assert "one season before (11)" in forecast_task([sunspots]).baselines
    assert "one season before (24)" in forecast_task([series[:, None]], season=24).baselines
    noise = forecast_task([rng.normal(size=(300, 1))]).baselines
    assert not [name for name in noise if "season" in name]
    rising = np.arange(300) + 5 * series
    assert "one season before (12)" in forecast_task([rising[:, None]]).baselines


def test_a_season_of_twelve_months_is_not_taken_for_a_quarter(rng):
    """Orders rise at the end of each quarter, most at the end of the year, on a slow wave."""
    noise, wave = rng.normal(scale=0.7, size=200), 5 * np.sin(np.arange(200) / 8)
    year = np.resize([0, 1, 5, -1, 0, 4, -4, -6, 3, 1, 1, 4], 200)
    assert "one season before (12)" in forecast_task([(year + wave + noise)[:, None]]).baselines
    quarter = np.resize([0, 0, 5], 200)
    assert "one season before (3)" in forecast_task([(quarter + wave + noise)[:, None]]).baselines


def test_what_is_read_and_answered_is_standardised_by_the_part_for_training(series):
    two = np.stack([series, 1e6 + 1e3 * series**2], axis=1)
    task = forecast_task([two], target=1, horizon=3)
    known = task.cuts[0][COMPARE]
    assert np.allclose(task.inputs[0][:known].mean(axis=0), 0, atol=1e-6)
    assert np.allclose(task.inputs[0][:known].std(axis=0), 1)
    answers = task.targets[0] * task.answered[1] + task.answered[0]
    assert np.allclose(answers, two[3:, 1])


def test_the_change_is_forecast_and_the_error_keeps_its_unit(series):
    rising = 100 + np.arange(300) + series
    level, change = (forecast_task([rising[:, None]], difference=each) for each in (False, True))
    assert np.allclose(change.values[0], rising[1:])
    answers = change.targets[0] * change.answered[1] + change.answered[0]
    assert np.allclose(answers, np.diff(rising)[1:])
    assert np.isclose(error(level, "copying"), error(change, "copying"), rtol=0.05)
    (note,) = level.notes
    assert "There may be a trend, or a random walk: `difference=True`" in note
    assert change.notes == []
    months = np.arange(300)
    months = 400 + 0.7 * months + 180 * np.sin(months * np.pi / 6)  # a season hides it
    assert forecast_task([months[:, None]]).notes == [note]
    assert forecast_task([months[:96, None]]).notes == [note]  # of eight years, five train
    assert forecast_task([series[:, None]]).notes == []


def test_nothing_fitted_sees_the_parts_for_comparing_and_the_last(series, rng):
    task = forecast_task([series[:, None]])
    other = series.copy()
    other[task.cuts[0][COMPARE] :] = 1e3 * rng.normal(size=300 - task.cuts[0][COMPARE])
    changed = forecast_task([other[:, None]])
    assert list(changed.baselines) == list(task.baselines)
    assert [float(x) for x in changed.answered] == [float(x) for x in task.answered]
    known = task.cuts[0][COMPARE]
    for name, (forecasts,) in task.baselines.items():
        assert np.allclose(changed.baselines[name][0][: known - 1], forecasts[: known - 1])


def test_blocks_are_pieces_of_time_or_groups_of_short_sequences(series):
    task = forecast_task([series[:, None], series[::-1, None]])
    copied = [
        (x[a - 1 : b - 1] - x[a:b]) ** 2
        for x, (_, _, a, b, _) in zip(task.values, task.cuts, strict=True)
    ]
    blocks = zip(*(np.array_split(each, 8) for each in copied), strict=True)
    found = baseline_errors(task, COMPARE)["copying"]
    assert np.allclose(found, [8 * np.concatenate(each).sum() / 150 for each in blocks])
    vowels = forecast_task(load_japanese_vowels().train.sequences)
    assert np.isfinite(baseline_errors(vowels, COMPARE)["the mean"]).all()


def test_with_times_all_are_cut_at_the_same_moments(series):
    """One sequence runs from 0 to 300, one ends at 120, one begins at 60; by the hour."""
    begins, ends = (0, 0, 60), (300, 120, 300)
    times = [3600.0 * np.arange(a, b) for a, b in zip(begins, ends, strict=True)]
    sequences = [series[a:b, None] for a, b in zip(begins, ends, strict=True)]
    task = forecast_task(sequences, times=times)
    moments = np.sort(np.concatenate(times))
    stop, compare, last = (moments[n] for n in (317, 396, 561))  # 48, 60 and 85 % of 660
    for each, cut in zip(times, task.cuts, strict=True):
        assert cut == (
            0,
            *(int((each < border).sum()) for border in (stop, compare, last)),
            len(each),
        )
    assert task.cuts[1][COMPARE:] == (120, 120, 120)
    assert task.notes == ["The parts begin at the same moments in all sequences."]
    other = forecast_task(sequences)
    assert other.cuts[0] != task.cuts[0]
    assert other.notes == []
    change = forecast_task(sequences, times=times, difference=True)
    assert [cut[END] for cut in change.cuts] == [299, 119, 239]


def test_a_block_is_the_same_piece_of_time_in_every_sequence(series):
    times = [np.arange(300.0), np.arange(60.0, 260.0)]
    task = forecast_task([series[:, None], series[60:260, None]], times=times)
    errors, moments = [], []
    for x, each, cut in zip(task.values, task.times, task.cuts, strict=True):
        begin, end = cut[COMPARE], cut[LAST]
        errors.append((x[begin - 1 : end - 1] - x[begin:end]) ** 2)
        moments.append(each[begin:end])
    errors, moments = np.concatenate(errors), np.concatenate(moments)
    pieces = np.array_split(np.unique(moments), 8)
    expected = [8 * errors[np.isin(moments, piece)].sum() / len(errors) for piece in pieces]
    assert np.allclose(baseline_errors(task, COMPARE)["copying"], expected)


def test_sequences_that_run_one_after_another_are_cut_by_their_lengths(series):
    pieces = np.split(series[:, None], 5)
    task = forecast_task(pieces, times=np.split(np.arange(300.0), 5))
    assert task.cuts == forecast_task(pieces).cuts
    assert task.notes == ["Most sequences do not run at the same time: each is cut by its length."]


@pytest.mark.parametrize("times", [[[0, 1]], [np.arange(300)[::-1]], [range(300), range(300)]])
def test_times_that_fit_no_sequences_are_refused(assert_refused, series, times):
    words = "`times`", "Pass `times` of `make_sequences`"
    assert_refused(lambda: forecast_task([series[:, None]], times=times), ValueError, *words)


@pytest.mark.parametrize("times", [np.inf, [None], [["a"] * 300]])
def test_times_that_are_no_lists_of_numbers_are_refused(assert_refused, series, times):
    assert_refused(lambda: forecast_task([series[:, None]], times=times), TypeError, "`times")


def test_long_and_short_sequences_are_said(series):
    notes = forecast_task([np.resize(series, (20_000, 1)), series[:2, None]]).notes
    assert notes == [
        "Sequences left out, too short or too late to train on: 1.",
        "To stay quick, the last 6,000 timesteps of each sequence are used.",
    ]


def test_what_makes_no_task_is_refused(assert_refused, bad_sequences, series):
    sequences, kind, *words = bad_sequences
    assert_refused(lambda: forecast_task(sequences), kind, "`sequences", *words)
    for call, kind, words in (
        (lambda: forecast_task([series[:30, None]]), ValueError, "at least 40 timesteps"),
        (lambda: forecast_task([series[:, None]], horizon=200), ValueError, "horizon=200"),
        (lambda: forecast_task([series[:, None]], target=1), ValueError, "`target`"),
        (lambda: forecast_task([series[:, None]], season=1), ValueError, "`season`"),
        (lambda: forecast_task([series[:, None]], difference=1), TypeError, "`difference`"),
        (lambda: forecast_task([np.ones((100, 1))]), ValueError, "Choose another column"),
    ):
        assert_refused(call, kind, words)
