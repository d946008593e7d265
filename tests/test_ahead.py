"""Lesson on forecasts far ahead: the measured table, the pictures, and the exercises."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers import plots
from helpers.lessons import ahead
from helpers.lessons.ahead import DIRECT, FED_BACK, LEVEL, SUNSPOTS, Task, measured
from helpers.windows import sliding_windows
from tests.exercises import ExerciseTests
from tests.pictures import assert_no_legend_is_cut_off, visited
from tools import measure_ahead

# --- the table -------------------------------------------------------------------------------


def test_the_table_holds_five_seeds_and_says_how_it_was_made():
    lines = Path(ahead.__file__).with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# Keras 3.")
    assert lines[1] == "# python tools/measure_ahead.py helpers/lessons/ahead.csv 0 1 2 3 4"
    assert {len(found) for found in measured().values()} == {5}
    assert {found.shape[1] for (subject, _), found in measured().items() if subject == "log"} == {2}


def test_all_seeds_support_what_the_lesson_concludes_of_the_level():
    table = {way: found for (subject, way), found in measured().items() if subject == LEVEL}
    late = table["against the one before"]
    assert (late.min().round(1), late.max().round(1)) == (0.2, 0.7)
    lag = table["lag"]
    assert (lag.argmin(axis=1) == 1).all()
    assert (lag[:, 0].min().round(1), lag[:, 0].max().round(1)) == (1.0, 1.1)
    one = {way: table[way][:, 0] / table["copying"][:, 0] for way in _WAYS}
    assert min(one[FED_BACK].min(), one[DIRECT].min(), one["best possible"].min()) > 0.965
    assert max(one[FED_BACK].max(), one[DIRECT].max()) < 1.15
    assert table["spread fed back"][:, 59].max() < 0.1
    assert table["spread fed back"][:, 0].min() > 1.5
    far = {way: table[way][:, 23] / table["mean"][:, 23] for way in (*_WAYS, "copying")}
    assert min(far[way].min() for way in _WAYS) > 0.95
    assert far["copying"].min() > 1.3 > max(far[way].max() for way in _WAYS)


_WAYS = (FED_BACK, DIRECT, "best possible")


def test_all_seeds_support_what_the_lesson_concludes_of_the_sunspots():
    table = {way: found for (subject, way), found in measured().items() if subject == SUNSPOTS}
    rules = np.minimum(table["one cycle before"], table["regression on 9 values"])
    for way in (FED_BACK, DIRECT):
        assert (table[way][:, :9] > rules[:, :9]).all()
    beaten = (table[FED_BACK] < rules).all(axis=0)
    assert np.flatnonzero(beaten).tolist() == [11]  # 12 ahead, and there only
    cycle, copying = table["one cycle before"][0], table["copying"][0]
    assert (cycle[10].round(), cycle[11].round()) == (37, 45)
    for way in (FED_BACK, DIRECT, "one cycle before", "regression on 9 values"):
        assert (table[way][:, 9] > copying[9]).all()  # 10 ahead, copying is best
    both = np.maximum(table["one cycle before"], table["regression on 9 values"])
    assert (table[DIRECT] > both).all()
    task = ahead.task_of(SUNSPOTS, 0)
    known = task.series[: task.border]
    assert len(sliding_windows(known, task.steps, horizon=range(1, 23)).inputs) == 177


def test_all_seeds_support_what_the_lesson_concludes_of_the_log():
    log, found = measured()["log", "sgd"].T
    assert (log.min().round(1), log.max().round(1)) == (1.2, 2.5)
    assert (found.min().round(), found.max().round()) == (20, 241)
    log, found = measured()["log", "adam"].T
    assert ((found / log).min().round(2), (found / log).max().round(2)) == (0.75, 0.93)


def test_what_costs_no_training_is_in_the_table():
    for subject, seed in ((LEVEL, 3), (SUNSPOTS, 0)):
        task = ahead.task_of(subject, seed)
        truth = ahead.asked_of(task)[1]
        for way, forecasts in ahead.simple_forecasts(subject, task).items():
            assert forecasts.shape in (truth.shape, (len(truth), 1))
            unit = 1 if subject == LEVEL else ahead.load_sunspots().numbers[:220].std()
            found = unit * ahead.rmse(forecasts, truth)
            np.testing.assert_allclose(found, measured()[subject, way][seed], atol=0.01)


def test_one_cycle_before_is_a_value_of_eleven_years_before():
    task = ahead.task_of(SUNSPOTS, 0)
    before = ahead.simple_forecasts(SUNSPOTS, task)["one cycle before"]
    series = task.series[:, 0]
    for ahead_by in (1, 11, 12, 22):
        back = 11 * -(-ahead_by // 11)
        for n in (0, 5):
            at = task.border - 1 + n + ahead_by
            assert before[n, ahead_by - 1] == series[at - back]


def test_the_test_starts_where_the_training_ends():
    for subject in (LEVEL, SUNSPOTS):
        task = ahead.task_of(subject, 0)
        asked, truth = ahead.asked_of(task)
        series = task.series
        np.testing.assert_array_equal(asked[0], series[task.border - task.steps : task.border])
        np.testing.assert_array_equal(truth[0], series[task.border :][: task.ahead, 0])
        assert truth[-1, -1] == series[-1, 0]


def test_the_level_falls_back_by_a_tenth():
    level = ahead.make_level(20_000, seed=1)[:, 0]
    pushes = level[1:] - 0.9 * level[:-1]
    assert pushes.mean() == pytest.approx(0, abs=0.03)
    assert pushes.std() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(pushes[1:], pushes[:-1])[0, 1]) < 0.03


SMALL = Task(ahead.make_level(60), 40, 4, 3, 3, 1)


def test_a_cycle_that_can_be_forecast_stays():
    noise = np.random.default_rng(0).normal(size=1000)
    series = np.sin(2 * np.pi * np.arange(1000) / 24) + 0.1 * noise
    task = Task(series[:, None].astype("float32"), 900, 24, 1, 8, 10)
    model = ahead.train_forecaster(task, 1, seed=0)
    path = ahead.feed_back(model, ahead.asked_of(task)[0][:1], 240)[0]
    assert np.ptp(path[-48:]) > 1.0  # ten cycles later


def test_training_is_what_the_notebook_does_in_plain_keras():
    windows, targets = sliding_windows(SMALL.series[:40], 4, horizon=range(1, 4))
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((None, 1)), keras.layers.LSTM(3)])
    model.add(keras.layers.Dense(3))
    model.compile(keras.optimizers.Adam(5e-3), "mse")
    model.fit(windows, targets[..., 0], epochs=1, verbose=0)
    found = ahead.train_forecaster(SMALL, 3, seed=2)
    for one, other in zip(model.get_weights(), found.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_is_fed_back_is_what_the_exercise_asks_for():
    model = ahead.train_forecaster(SMALL, 1, seed=2)
    asked, _ = ahead.asked_of(SMALL)
    found = ahead.feed_back(model, asked, 3)
    for window, expected in zip(asked[:2], found, strict=False):
        by_hand = next_values(lambda w: model.predict(w, verbose=0), window[None], 3)
        np.testing.assert_allclose(by_hand, expected, atol=1e-6)


def test_the_tool_measures_each_way_of_the_table(monkeypatch):
    monkeypatch.setattr(ahead, "task_of", lambda subject, seed: SMALL)
    monkeypatch.setattr(measure_ahead, "SPREAD", 5)
    ways = dict(measure_ahead.errors(LEVEL, 0))
    assert set(ways) == {way for subject, way in measured() if subject == LEVEL}
    assert len(ways["spread fed back"]) == 5
    asked, truth = ahead.asked_of(SMALL)
    forecast = ahead.train_forecaster(SMALL, 1, seed=0).predict(asked, verbose=0)[:, 0]
    np.testing.assert_allclose(ways["lag"][0], ahead.rmse(forecast, truth[:, 0]), rtol=1e-5)
    before = ahead.rmse(forecast, asked[:, -1, 0])
    np.testing.assert_allclose(ways["against the one before"], [before], rtol=1e-5)
    assert ways["lag"][1] == pytest.approx(ahead.rmse(forecast[1:], truth[:-1, 0]), rel=1e-5)


# --- the pictures ----------------------------------------------------------------------------


def test_the_words_of_the_paths_are_their_spread():
    paths = np.array([[1.0, 0.5, 0.0], [3.0, 1.5, 0.0]])
    shown = ahead.show_paths(np.ones((2, 4, 1)), paths)
    assert "is 1.00 after 1 timestep, 0.00 after 3" in shown.words
    drawn = [list(line.get_ydata()) for line in shown.figure.axes[0].lines]
    assert [1.0, *paths[1]] in drawn


def test_a_late_forecast_fits_when_it_is_moved():
    truth = np.random.default_rng(0).normal(size=80)
    late = np.concatenate([[0.0], truth[:-1]])
    explorer = ahead.explore_lag(late, truth, positions=ahead.LAGS)
    assert "RMSE against the level is 0.00" not in explorer.words
    explorer.controls["shift"].value = 1
    assert "moved 1 to the left: its RMSE against the level is 0.00" in explorer.words
    level, forecast = explorer.figure.axes[0].lines[-2:]
    np.testing.assert_array_equal(level.get_ydata(), forecast.get_ydata())
    explorer.controls["shift"].value = 5
    error = np.sqrt(np.mean((late[5:] - truth[:-5]) ** 2))
    assert f"is {error:.2f}." in explorer.words


@pytest.fixture
def errors():
    return ahead.explore_errors(positions=ahead.ERRORS)


@pytest.mark.parametrize("subject", [LEVEL, SUNSPOTS])
@pytest.mark.parametrize("far", [1, 11, 24])
def test_the_words_are_those_of_the_table(errors, subject, far):
    errors.controls["subject"].value = subject
    errors.controls["ahead"].value = far
    ways = {way: found for (name, way), found in measured().items() if name == subject}
    last = ways[DIRECT].shape[1]
    assert f"The {subject}, {min(far, last)} ahead" in errors.words
    assert ("(the last there is)" in errors.words) == (far > last)
    for way in (FED_BACK, DIRECT, "copying", "mean"):
        low = ways[way][:, min(far, last) - 1].min()
        assert re.search(rf"{way} {re.escape(f'{low:.3g}')}\b", errors.words)
    (ax,) = errors.figure.axes
    drawn = [line for line in ax.lines if len(line.get_xdata()) == last]
    means = {tuple(line.get_ydata()) for line in drawn}
    assert tuple(ways[DIRECT].mean(axis=0)) in means
    assert tuple(ways[FED_BACK].mean(axis=0)) in means
    assert {DIRECT, "copying"} <= {text.get_text() for text in ax.get_legend().get_texts()}


def test_the_positions_set_the_controls_there_are_and_cut_no_legend_off(errors):
    lag = ahead.explore_lag(np.zeros(9), np.ones(9))
    assert [position.name for position in visited(lag, ahead.LAGS)]
    assert_no_legend_is_cut_off(errors, ahead.ERRORS)


def test_what_does_not_fit_is_refused(assert_refused):
    some = np.ones(5)
    refused = (ValueError, "`forecast` must have as many timesteps")
    assert_refused(lambda: ahead.explore_lag(some, np.ones(6)), *refused)
    assert_refused(lambda: ahead.show_paths(some, some), ValueError, "`pasts`")
    task = ahead.task_of(ahead.LEVEL, 0)
    assert_refused(lambda: ahead.train_forecaster(task, "a", seed=0), TypeError, "`outputs`")
    assert_refused(lambda: ahead.train_forecaster(task, 1, seed=[]), TypeError, "`seed`")
    assert ahead.rmse(np.full(3, 1e300), np.ones(3)) == np.inf
    pasts = np.ones((2, 4, 1))
    assert_refused(lambda: ahead.show_paths(pasts, np.ones((3, 5))), ValueError, "`paths`")
    ragged = [[1.0], [1.0, 2.0]]
    assert_refused(lambda: ahead.rmse(some, ragged), ValueError, "`truth`", "unequal length")
    assert_refused(lambda: ahead.make_level(0), ValueError, "`timesteps`")
    assert_refused(lambda: ahead.make_level(5, seed=-1), ValueError, "`seed`")
    assert plots.TRUTH in ahead._LINES.values()


# --- the exercises ---------------------------------------------------------------------------


def next_values(predict, window, ahead_by):
    found = []
    for _ in range(ahead_by):
        following = predict(window)
        found.append(following[0, 0])
        window = np.concatenate([window[:, 1:], following[:, None]], axis=1)
    return found


def rolled(predict, window, ahead_by):
    found = np.zeros((ahead_by, 1))
    for n in range(ahead_by):
        found[n] = predict(window)[0]
        window = np.roll(window, -1, axis=1)
        window[0, -1] = found[n]
    return found


def longer(predict, window, ahead_by):
    for _ in range(ahead_by):
        window = np.concatenate([window, predict(window)[:, None]], axis=1)
    return window[0, -ahead_by:, 0]


def in_front(predict, window, ahead_by):
    found = []
    for _ in range(ahead_by):
        found.append(predict(window)[0, 0])
        window = np.concatenate([[[[found[-1]]]], window[:, :-1]], axis=1)
    return found


def without_the_newest(predict, window, ahead_by):
    found = []
    for _ in range(ahead_by):
        found.append(predict(window)[0, 0])
        window = np.concatenate([window[:, :-1], [[[found[-1]]]]], axis=1)
    return found


def only_the_forecast(predict, window, ahead_by):
    found = []
    for _ in range(ahead_by):
        found.append(predict(window)[0, 0])
        window = np.array([[[0.0], [0.0], [found[-1]]]])
    return found


def rms(a, b):
    return np.sqrt(np.mean((a - b) ** 2))


def mae(a, b):
    return np.mean(np.abs(a - b))


class TestExercises(ExerciseTests):
    lesson = ahead
    RIGHT = {
        "feed_back": (next_values,),
        "skill": (lambda f, t, last: 1 - rms(f, t) / rms(last, t),),
    }
    WRONG = [
        ("feed_back", (longer,), "as long as the first"),
        ("feed_back", (in_front,), "comes in at the end"),
        ("feed_back", (without_the_newest,), "comes in at the end"),
        ("feed_back", (only_the_forecast,), "comes in at the end"),
        ("feed_back", (lambda p, w, n: [p(w)[0, 0]] * n,), "The window has to move on"),
        ("feed_back", (lambda p, w, n: next_values(p, w, n)[::-1],), "turned round"),
        ("feed_back", (lambda p, w, n: next_values(p, w, n)[-1],), "numbers are wanted"),
        ("feed_back", (lambda p, w, n: [0.0] * n,), "the first forecast is `predict(window)`"),
        ("skill", (lambda f, t, last: 1 - rms(f, t) ** 2 / rms(last, t) ** 2,), "Take the root"),
        ("skill", (lambda f, t, last: rms(f, t) / rms(last, t),), "Take it from 1"),
        ("skill", (lambda f, t, last: rms(last, t) - rms(f, t),), "Divide by the error"),
        ("skill", (lambda f, t, last: f - t,), "one number is wanted"),
        ("skill", (lambda f, t, last: 0.25,), "yours gives 0.25"),
        ("skill", (lambda f, t, last: rms(f, last),), "should give"),
        ("skill", (lambda f, t, last: 1 - rms(f, last) / rms(last, t),), "with `truth`, not"),
        ("skill", (lambda f, t, last: rms(f, last) / rms(last, t),), "with `truth`, not"),
        ("skill", (lambda f, t, last: 1 - mae(f, t) / mae(last, t),), "mean absolute errors"),
        ("skill", (lambda f, t, last: 100 - 100 * rms(f, t) / rms(last, t),), "in percent"),
    ]

    def test_another_right_way(self, answered):
        assert answered(ahead.check_feed_back, rolled) == (True, "Right.")

        def quietly(predict, window, ahead_by):
            return next_values(lambda w: predict(w, verbose=0), window, ahead_by)

        assert answered(ahead.check_feed_back, quietly) == (True, "Right.")

        def saved(forecast, truth, last):
            return (rms(last, truth) - rms(forecast, truth)) / rms(last, truth)

        assert answered(ahead.check_skill, saved) == (True, "Right.")
