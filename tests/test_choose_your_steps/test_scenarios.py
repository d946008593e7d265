"""A task is split and measured fairly: the same data for all, none of it in two parts."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.lessons.choose_your_steps import scenarios
from helpers.lessons.choose_your_steps.scenarios import (
    autocorrelation,
    copying_errors,
    forecast_task,
    longest_steps,
    measure_scenario,
    prepare_training,
    starts_of_tests,
)
from helpers.models import build_rnn


def measured(task, steps, *, carry=True, seeds=(0,), units=2, effort=1, report=None):
    training = prepare_training(task, steps, units=units, effort=effort)
    report = report or (lambda done, of: False)
    return measure_scenario(task, training, carry=carry, seeds=seeds, report=report)


@pytest.fixture
def quick(monkeypatch):
    """Training that takes little: a SimpleRNN, few epochs."""
    monkeypatch.setattr(scenarios, "build_rnn", partial(build_rnn, cell="simple_rnn"))
    monkeypatch.setattr(scenarios, "epoch_mebibytes", lambda *args, **options: 1.5)
    monkeypatch.setattr(scenarios, "EPOCHS", 3)
    monkeypatch.setattr(scenarios, "UPDATES", 1)


@pytest.fixture
def spied(quick, monkeypatch):
    """Training whose forecasts call a function with the model, to be changed by what it gives."""

    def spy(look):
        predict = scenarios.predict_windows

        def predict_and_look(model, *args, **options):
            return predict(model, *args, **options) + look(model, options)

        monkeypatch.setattr(scenarios, "predict_windows", predict_and_look)

    return spy


def wave(size=50.0):
    return forecast_task([np.sin(np.arange(120.0))[:, None] * size])


@pytest.fixture(scope="module")
def task():
    return wave()


# --- the task --------------------------------------------------------------------------------


def test_one_series_is_tested_on_its_last_quarter():
    series = np.arange(100.0)[:, None] % 7
    task = forecast_task([series])
    (row,) = task.train
    mean, std = series[:60].mean(), series[:60].std()
    assert np.allclose(row, (series[:60] - mean) / std)
    for held, part in ((task.check, series[60:75]), (task.test, series[75:])):
        (found,), (before,) = held
        assert len(found) - 1 - before == len(part)  # forecasts that count
        assert np.allclose(found[-len(part) :] * std + mean, part)
    assert starts_of_tests(task, [100]) == [75]
    assert task.scale == pytest.approx(std)
    assert "25 timesteps. Before it, 60 to train on, and 15 to choose" in task.words[0]


def test_few_sequences_are_each_tested_on_their_last_part():
    rows = [np.random.default_rng(n).normal(size=(n, 2)) for n in (40, 80, 20)]
    task = forecast_task(rows, target=1)
    assert [len(row) for row in task.train] == [24, 48, 12]
    assert starts_of_tests(task, [40, 80, 20]) == [30, 60, 15]


def test_many_sequences_are_split_by_sequence_and_none_is_in_both_parts():
    rows = [np.full((n, 1), float(n)) + np.arange(n)[:, None] % 2 for n in range(5, 45)]
    task = forecast_task(rows)
    parts = [{len(row) for row in part} for part in (task.train, task.check.rows, task.test.rows)]
    assert [len(part) for part in parts] == [24, 6, 10]
    assert len(set.union(*parts)) == 40  # none is in two parts
    assert starts_of_tests(task, [len(row) for row in rows]) is None
    assert "10 sequences drawn at random; 24 others to train on, and 6 to" in task.words[0]


@pytest.mark.parametrize(("count", "timesteps"), [(1, 200_000), (3, 60_000), (20, 9_000)])
def test_long_data_are_cut_so_that_training_stays_quick(count, timesteps):
    rng = np.random.default_rng(0)
    task = forecast_task([rng.normal(size=(timesteps, 1)) for _ in range(count)])
    assert max(map(len, task.train)) <= 257
    assert 4000 < sum(len(row) - 1 for row in task.train) <= 8192
    for held, most in ((task.check, 512), (task.test, 2048)):
        assert 0.4 * most < sum(held.counted) <= most
    assert any("To stay quick" in words for words in task.words)


def test_the_rows_of_a_long_series_miss_no_forecast():
    series = np.cumsum(np.ones((1000, 1)), axis=0)
    task = forecast_task([series])
    targets = np.concatenate([row[1:] for row in task.train])[:, 0]
    assert np.allclose(np.diff(targets), np.diff(targets)[0])
    assert len(targets) == 599
    assert longest_steps(task) == 256


def test_copying_is_measured_in_the_targets_own_unit():
    series = np.random.default_rng(0).normal(5, 30, size=(200, 2))
    errors, sizes = copying_errors(forecast_task([series], target=1))
    expected = np.diff(series[149:, 1]) ** 2
    assert len(errors) == 8
    assert sizes.sum() == 50
    assert np.average(errors, weights=sizes) == pytest.approx(expected.mean())
    assert errors[0] == pytest.approx(expected[: sizes[0]].mean())


def test_a_feature_that_never_changes_is_left_as_it_is():
    series = np.stack([np.arange(40.0) % 5, np.full(40, 3.0)], axis=1)
    task = forecast_task([series])
    assert not task.train[0][:, 1].any()
    assert "A feature that never changes was left as it is." in task.words


def test_a_feature_whose_standard_deviation_is_1_changes():
    series = np.stack([np.arange(40.0) % 5, np.tile([-1.0, 1.0], 20)], axis=1)
    assert not [words for words in forecast_task([series]).words if "never changes" in words]


def test_what_is_too_short_to_be_split_in_time_is_left_out():
    rng = np.random.default_rng(0)
    long, short = rng.normal(size=(24, 1)), [rng.normal(size=(n, 1)) for n in (1, 2, 3)]
    task, alone = forecast_task([*short, long]), forecast_task([long])
    assert task.words == alone.words
    np.testing.assert_array_equal(np.concatenate(task.train), np.concatenate(alone.train))


def test_the_shortest_sequences_that_can_be_split_in_time_hold_a_pair_to_train_on(quick):
    task = forecast_task(list(np.random.default_rng(0).normal(size=(5, 4, 1))))
    assert [len(row) for row in task.train] == [2] * 5
    assert np.isfinite(measured(task, 1, units=1).errors).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: forecast_task([np.ones((50, 1))]), ("`target` must be a feature that changes",)),
        (lambda: forecast_task([np.arange(19.0)[:, None]]), ("at least 20", "19 timesteps")),
        (lambda: forecast_task([np.arange(40.0)[:, None]], target=1), ("`target` must be",)),
        (lambda: forecast_task([np.arange(40.0)[:, None] * 1e200]), ("numbers up to 2e+201",)),
        (lambda: forecast_task([np.ones((1, 1))] * 40), ("Received: 0 timesteps",)),
        (lambda: forecast_task([np.ones((3, 1))] * 7), ("sequences of 4 or more", ": 0 timesteps")),
        (lambda: autocorrelation([np.ones((4, 1))], 4), ("`lags` must be between 1 and 3",)),
        (lambda: autocorrelation([np.ones((1, 1))], 1), ("one of at least 2 timesteps",)),
    ],
)
def test_what_cannot_be_a_task_is_refused(call, words, assert_refused):
    assert_refused(call, ValueError, *words)


def test_what_is_no_batch_of_sequences_is_refused(bad_sequences, assert_refused):
    sequences, error, *words = bad_sequences
    assert_refused(lambda: forecast_task(sequences), error, "`sequences", *words)


# --- autocorrelation -------------------------------------------------------------------------


def test_autocorrelation_is_that_of_all_pairs_within_sequences():
    rng = np.random.default_rng(3)
    rows = [rng.normal(size=(n, 2)).cumsum(axis=0) for n in (30, 7, 12)]
    found = autocorrelation(rows, 10)
    centred = [row - np.concatenate(rows).mean(axis=0) for row in rows]
    variance = np.mean(np.concatenate(centred) ** 2, axis=0)
    for lag in range(11):
        pairs = [c[: len(c) - lag] * c[lag:] for c in centred if len(c) > lag]
        assert np.allclose(found[lag], np.concatenate(pairs).mean(axis=0) / variance)
    assert np.allclose(found[0], 1)


def test_autocorrelation_of_what_never_changes_is_zero():
    assert not autocorrelation([np.full((9, 2), (1.0, 0.1))], 3).any()
    assert not autocorrelation([np.full((30, 1), 0.3), np.full((7, 1), 0.3)], 6).any()


# --- training --------------------------------------------------------------------------------


def test_a_scenario_is_measured_for_every_seed_and_can_be_repeated(quick, task):
    done = []
    training = prepare_training(task, 8, units=2, effort=1)
    options = {"carry": True, "report": lambda *now: done.append(now)}
    found = measure_scenario(task, training, seeds=(0, 1), **options)
    assert found[:2] == (8, True)
    assert found.errors.shape == (2, 8)
    assert found.epochs == 3
    assert found.mebibytes == 1.5
    assert found.seconds > 0
    assert done == [(n, 6) for n in range(1, 7)]
    assert not np.allclose(*found.errors)  # two seeds
    another = prepare_training(task, 8, units=2, effort=1)
    for _ in range(2):  # a model that was used before starts anew
        again = measure_scenario(task, another, seeds=[1], **options)
        assert np.allclose(again.errors[0], found.errors[1], rtol=1e-3)


def test_carrying_changes_what_is_measured(quick, task):
    found = [measured(task, 2, carry=carry).errors for carry in (True, False)]
    assert not np.allclose(*found, rtol=1e-3)


@pytest.mark.parametrize("carry", [True, False])
def test_training_and_testing_carry_alike(spied, monkeypatch, task, carry):
    carried = []
    train = scenarios.train_windows

    def note(*args, **options):
        carried.append(options["carry"])
        return train(*args, **options)

    monkeypatch.setattr(scenarios, "train_windows", note)
    spied(lambda model, options: carried.append(options["carry"]) or 0.0)
    measured(task, 2, carry=carry, units=1)
    assert carried == [carry] * 5  # one training, three checks, one test


def test_the_error_is_that_of_the_test_part_alone(quick, task, keras_pass):
    """The oracle: Keras over the whole test row, from zeros, with the weights that are kept."""
    found = measured(task, 8)
    model = scenarios.build_rnn(2, features=1)
    model.set_weights(found.weights)
    (row,), (before,) = task.test
    forecast = keras_pass(model, row[:-1])[:, 0]
    squared = ((forecast - row[1:, 0])[before:] * task.scale) ** 2
    pieces = np.array_split(squared, 8)
    assert np.allclose(found.errors[0], [piece.mean() for piece in pieces], rtol=1e-4)


def test_training_learns(quick, monkeypatch, task):
    monkeypatch.setattr(scenarios, "EPOCHS", 60)
    found = measured(task, 30, units=4)
    assert found.errors.mean() < 0.5 * copying_errors(task)[0].mean()


@pytest.mark.parametrize("size", [50.0, 1e25, 1e-25])  # squared, these leave float32
def test_the_weights_with_the_lowest_error_in_the_check_part_are_kept(spied, size):
    task, seen, timesteps = wave(size), [], []

    def look(model, options):  # the second of three checks is the best
        seen.append(model.get_weights()[0].copy())
        timesteps.append(options["mask"].sum() + 1)
        return [100.0, 0.0, 100.0, 0.0][len(seen) - 1]

    spied(look)
    found = measured(task, 10)
    check, test = len(task.check.rows[0]), len(task.test.rows[0])
    assert timesteps == [check, check, check, test]
    assert not np.array_equal(seen[1], seen[2])  # training went on
    assert np.array_equal(seen[1], seen[3])  # what is tested
    assert np.array_equal(seen[1], found.weights[0])


@pytest.mark.parametrize(("epochs", "looks"), [(3, [1, 2, 3]), (25, [*range(2, 25, 2), 25])])
def test_the_check_part_is_looked_at_about_ten_times_and_at_last(
    spied, monkeypatch, task, epochs, looks
):
    monkeypatch.setattr(scenarios, "EPOCHS", epochs)
    done, seen = [0], []
    spied(lambda model, options: seen.append(done[-1] + 1) or 0.0)
    measured(task, 50, units=1, report=lambda now, of: done.append(now))
    assert seen[:-1] == looks  # the last is the test


def test_the_time_of_an_epoch_is_that_of_training_alone(spied, monkeypatch, task):
    now = [0.0]
    monkeypatch.setattr(scenarios, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    spied(lambda model, options: now.append(now.pop() + 100.0) or 0.0)
    assert measured(task, 50, units=1).seconds == 0.0


def test_training_can_be_stopped_and_gives_nothing_then(quick, task):
    done = []

    def stop(now, of):
        done.append(now)
        return now == 2

    assert measured(task, 8, seeds=(0, 1), report=stop) is None
    assert done == [1, 2]


def test_effort_trains_longer(quick, task):
    assert measured(task, 50, units=1, effort=2).epochs == 6
