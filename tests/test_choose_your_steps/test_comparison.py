"""The two rules, on errors that cost no training; and what training sees, on a little of it."""

import keras
import numpy as np
import pytest

from helpers.lessons.choose_your_steps import comparison
from helpers.lessons.choose_your_steps.comparison import (
    CARRIED,
    CUT,
    OVERLAPPING,
    Comparison,
    Scenario,
    choose,
    difference,
    measure,
    model_for,
    score,
    train_on_all,
)
from helpers.lessons.choose_your_steps.task import COMPARE, LAST, baseline_errors, forecast_task

LEVEL = np.array([8.0, 12.0, 9.0, 11.0, 7.0, 13.0, 10.0, 10.0])  # of a baseline, in eight blocks


def scenario(share, steps=4, way=CARRIED, *, noise=0.0, seed=0):
    """A scenario with errors of this share of LEVEL in every block, and noise in each."""
    drawn = np.random.default_rng(seed).normal(scale=noise, size=(3, 8))
    return Scenario(steps, way, share * LEVEL + drawn, [1.0], [9], [])


def chosen(*scenarios, **baselines):
    found = choose(Comparison({"copying": LEVEL} | baselines, list(scenarios)))
    return None if found is None else (found.steps, found.way)


def test_the_standard_error_is_that_of_the_mean_over_blocks_and_over_seeds(rng):
    higher, lower = LEVEL, LEVEL - 1 + rng.normal(size=(3, 8))
    found, apart = difference(higher, lower), higher - lower
    blocks, seeds = apart.mean(axis=0), apart.mean(axis=1)
    expected = np.sqrt(blocks.var(ddof=1) / 8 + seeds.var(ddof=1) / 3)
    assert np.allclose([found.mean, found.standard_error], [apart.mean(), expected])
    assert np.allclose(found.blocks, blocks)
    assert found.clear == (found.mean >= 2 * expected)


def test_it_is_paired_over_blocks_and_seeds(rng):
    hard = rng.gamma(2, 100, size=8)  # blocks that are hard for both
    luck = rng.normal(scale=50, size=(3, 1))  # and seeds that do well in both
    assert difference(hard + luck, hard + luck - 1.0 + rng.normal(scale=0.1, size=(3, 8))).clear


def test_equal_errors_are_not_clearly_different():
    assert not difference(LEVEL, LEVEL).clear
    assert not difference(LEVEL, 1.1 * LEVEL).clear


def test_one_must_be_clearly_better_than_the_best_baseline():
    assert chosen(scenario(0.8)) == (4, CARRIED)
    assert chosen(scenario(1.0)) is None
    assert chosen(scenario(0.8, noise=12.0, seed=1)) is None
    assert chosen(scenario(0.8), season=0.7 * LEVEL) is None
    assert chosen(scenario(0.8), season=2.0 * LEVEL) == (4, CARRIED)


def test_of_those_as_good_as_the_best_the_shortest_is_chosen():
    near = scenario(0.62, steps=4, noise=0.8, seed=5), scenario(0.6, steps=16, noise=0.8, seed=6)
    assert chosen(*near) == (4, CARRIED)
    assert chosen(scenario(0.62, steps=4), scenario(0.6, steps=16)) == (16, CARRIED)  # clear
    far = scenario(0.75, steps=4, noise=1.5, seed=9), scenario(0.6, steps=16, noise=1.5, seed=4)
    assert chosen(*far) == (16, CARRIED)
    best = scenario(0.5, steps=16)
    near = best._replace(steps=4, errors=best.errors + 1 + np.tile([3.0, -3.0], 4))
    assert not difference(near.errors, best.errors).clear
    assert chosen(near, best) == (16, CARRIED)  # above 5 %
    assert chosen(scenario(0.6), scenario(0.6, way=OVERLAPPING)) == (4, OVERLAPPING)


def test_cut_windows_and_failed_trainings_are_never_chosen():
    failed = scenario(0.1)._replace(errors=np.full((3, 8), np.nan))
    assert chosen(scenario(0.1, way=CUT)) is None
    assert chosen(failed) is None
    assert chosen(failed, scenario(0.8, steps=16)) == (16, CARRIED)


def test_where_no_model_is_better_one_is_recommended_in_few_of_many_tables():
    """Errors as of eight models that are a little worse than the best of four baselines."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(500):
        hard = rng.gamma(4, 2.5, size=8)
        baselines = {str(k): hard * (1 + 0.1 * k) + rng.normal(size=8) for k in range(4)}
        models = [
            Scenario(steps, way, hard * 1.02 + rng.normal(size=(3, 8)), [], [], [])
            for steps in (1, 4, 16, 64)
            for way in (CARRIED, OVERLAPPING)
        ]
        found += choose(Comparison(baselines, models)) is not None
    assert found <= 25


def logistic(timesteps=240):
    """Each value follows from the one before, on a parabola."""
    values = [0.3]
    while len(values) < timesteps:
        values.append(3.9 * values[-1] * (1 - values[-1]))
    return np.array(values)


@pytest.fixture(scope="module")
def task():
    return forecast_task([logistic()[:, None]])


@pytest.fixture(scope="module")
def model(task):
    return model_for(task)


@pytest.fixture
def quick(monkeypatch):
    """Trainings of 3 epochs."""
    monkeypatch.setattr(comparison, "_EPOCHS", 3)
    monkeypatch.setattr(comparison, "_UPDATES", 1)


def going_on(share, words):
    return False


@pytest.fixture(scope="module")
def trained(task, model):
    """Windows of 4, trained as in the lesson."""
    carried, cut, overlapping = [
        *measure(task, model, 4, CARRIED, going_on),
        *reversed(measure(task, model, 4, CUT, going_on)),
    ]
    return {CARRIED: carried, CUT: cut, OVERLAPPING: overlapping}


def test_a_network_that_is_better_is_recommended_and_not_if_values_are_shuffled(
    task, model, trained
):
    found = Comparison(baseline_errors(task, COMPARE), list(trained.values()))
    assert choose(found).steps == 4
    series, (start, end) = logistic(), task.cuts[0][COMPARE : LAST + 1]
    np.random.default_rng(0).shuffle(series[start:end])
    shuffled = forecast_task([series[:, None]])
    errors = {way: score(shuffled, model, s, COMPARE) for way, s in trained.items()}
    scenarios = [s._replace(errors=errors[way]) for way, s in trained.items()]
    assert choose(Comparison(baseline_errors(shuffled, COMPARE), scenarios)) is None


def test_training_sees_neither_the_part_for_comparing_nor_the_last(quick, task, model):
    before = measure(task, model, 4, CARRIED, going_on)[0]
    series, start, last = logistic(), *task.cuts[0][COMPARE : LAST + 1]
    series[last:] = 7.0
    (found,) = measure(forecast_task([series[:, None]]), model, 4, CARRIED, going_on)
    assert np.array_equal(found.errors, before.errors)
    assert not np.array_equal(
        score(forecast_task([series[:, None]]), model, found, LAST),
        score(task, model, before, LAST),
    )
    series[start:] = -7.0
    (found,) = measure(forecast_task([series[:, None]]), model, 4, CARRIED, going_on)
    assert not np.array_equal(found.errors, before.errors)
    for ours, others in zip(found.weights, before.weights, strict=True):
        assert all(map(np.array_equal, ours, others))
    assert found.epochs == before.epochs


def asked_by_keras(model, x, way, span):
    """The answers of windows of 4 to timesteps from start to end, without what is tested."""
    start, end = span
    begin = max(0, start - 256)
    if way == CARRIED:
        return model(x[None, begin:end])[0, start - begin :, 0].numpy()
    if way == OVERLAPPING:
        return model(np.stack([x[t - 3 : t + 1] for t in range(start, end)]))[:, -1, 0].numpy()
    windows = [model(x[None, n : min(n + 4, end)])[0, :, 0] for n in range(begin, end, 4)]
    return np.concatenate(windows)[start - begin :]


@pytest.mark.parametrize("horizon", [1, 5])
def test_training_and_stopping_count_their_parts_and_read_no_others(monkeypatch, model, horizon):
    series = logistic(900)
    task = forecast_task([series[:, None]], horizon=horizon)
    seen = {}

    def train(model, inputs, targets, *, mask, counts, validation, **options):
        seen["train"], seen["stop"] = (inputs, targets, mask, counts), validation
        for callback in options["callbacks"]:
            callback.on_train_begin()

    monkeypatch.setattr(comparison, "train_windows", train)
    measure(task, model, 4, CARRIED, going_on)
    _, stop, compare, *_ = task.cuts[0]
    for part, start, end in (
        ("train", 0, stop - horizon),
        ("stop", stop - horizon, compare - horizon),
    ):
        rows = [array.swapaxes(0, 1).reshape(array.shape[1], -1) for array in seen[part]]
        real, counting = rows[2], rows[3]
        assert (real & ~counting).sum() == {"train": 0, "stop": 256}[part]  # what moves the state
        assert np.allclose(rows[1][counting], task.targets[0][start:end])
        assert np.allclose(rows[0][real & counting], task.inputs[0][start:end, 0])
        read = rows[0][real]
        assert np.allclose(read[-3:], task.inputs[0][end - 3 : end, 0])


@pytest.mark.parametrize(("horizon", "change"), [(1, False), (3, True)])
@pytest.mark.parametrize("way", [CARRIED, CUT, OVERLAPPING])
def test_each_way_asks_as_keras_would_be_asked(make_trained_like, horizon, change, way):
    series = np.stack([logistic(100), np.arange(100.0) % 7], axis=1)
    task = forecast_task([series, series[:60]], horizon=horizon, difference=change)
    model = make_trained_like(model_for(task))
    found = Scenario(4, way, None, [], [], [model.get_weights()])
    squared, moments = [], []
    for n, (x, values, cut) in enumerate(zip(task.inputs, task.values, task.cuts, strict=True)):
        start, end = cut[COMPARE], cut[LAST]
        answers = asked_by_keras(model, x, way, (start - horizon, end - horizon))
        forecasts = answers * task.answered[1] + task.answered[0]
        forecasts += change * values[start - horizon : end - horizon]
        squared.append((forecasts - values[start:end]) ** 2)
        moments.append(task.times[n][start:end])
    squared, moments = np.concatenate(squared), np.concatenate(moments)
    pieces = np.array_split(np.unique(moments), 8)
    expected = [8 * squared[np.isin(moments, piece)].sum() / len(squared) for piece in pieces]
    assert np.allclose(score(task, model, found, COMPARE)[0], expected, rtol=1e-3)


@pytest.mark.parametrize("way", [CARRIED, CUT, OVERLAPPING])
def test_a_sequence_that_ended_before_a_part_adds_nothing_to_it(make_trained_like, way):
    series, times = logistic(100)[:, None], np.arange(100.0)
    task = forecast_task([series[:40], series], times=[times[:40], times])
    assert task.cuts[0][COMPARE:] == (40, 40, 40)
    model = make_trained_like(model_for(task))
    found = score(task, model, Scenario(4, way, None, [], [], [model.get_weights()]), COMPARE)
    start, end = task.cuts[1][COMPARE : LAST + 1]
    answers = asked_by_keras(model, task.inputs[1], way, (start - 1, end - 1))
    squared = (answers * task.answered[1] + task.answered[0] - series[start:end, 0]) ** 2
    expected = [8 * each.sum() / len(squared) for each in np.array_split(squared, 8)]
    assert np.allclose(found[0], expected, rtol=1e-3)


def test_training_stops_where_it_is_told_and_returns_nothing(quick, task, model):
    said = []

    def stop(share, words):
        said.append((share, words))
        return len(said) == 4

    assert measure(task, model, 4, CUT, stop) == []
    assert len(said) == 4  # three epochs of the first seed, one of the second
    assert np.allclose([share for share, _ in said], [1 / 9, 2 / 9, 3 / 9, 4 / 9])
    assert said[3][1] == "steps = 4, reset, cut, seed 1: epoch 1 of up to 3"


def test_it_stops_early_and_keeps_the_best_weights(task, model, trained):
    for s in trained.values():
        assert len(s.epochs) == len(s.seconds) == len(s.weights) == 3
        assert s.errors.shape == (3, 8)
    assert trained[CUT].weights is trained[OVERLAPPING].weights


def test_all_data_train_the_model_in_the_end(quick, task, model):
    (found,) = measure(task, model, 4, CARRIED, going_on)
    weights = train_on_all(task, model, found).get_weights()
    series = logistic()
    series[-3] += 0.1
    train_on_all(forecast_task([series[:, None]]), model, found)
    assert not np.array_equal(weights[0], model.get_weights()[0])
    assert isinstance(model, keras.Sequential)
