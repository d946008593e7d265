"""Scenarios are measured fairly, and a recommendation says what their table supports."""

from functools import partial

import numpy as np
import pytest

from helpers import models, scenarios, training
from helpers.advice import (
    as_table,
    choose_scenario,
    compare_errors,
    in_words,
    number,
    recommend,
    table_rows,
)
from helpers.explorers import explore_scenarios
from helpers.scenarios import (
    Comparison,
    Scenario,
    autocorrelation,
    copying_errors,
    forecast_task,
    longest_steps,
    measure_scenario,
    root_mean_error,
    starts_of_tests,
)

SIZES = np.full(8, 10)


def wobbling(rng, spread, shape):
    """Factors around 1 whose mean is 1."""
    noise = spread * rng.normal(size=shape)
    return 1 + noise - noise.mean()


def scenario(steps, carry, error, *, seed=0, spread=0.05, seconds=0.01):
    """A scenario of this root mean error, which differs by seed and piece."""
    errors = error**2 * wobbling(np.random.default_rng(seed), spread, (2, 8))
    return Scenario(steps, carry, errors, seconds, 0.1 * steps, 20, [])


def compared(errors, *, copying=30.0, spread=0.05):
    """A comparison from (steps, carry) to errors."""
    made = [
        scenario(steps, carry, error, seed=seed, spread=spread)
        for seed, ((steps, carry), error) in enumerate(errors.items())
    ]
    return Comparison(made, copying**2 * wobbling(np.random.default_rng(99), spread, 8), SIZES)


def chosen(errors, **options):
    found = choose_scenario(compared(errors, **options))
    return found and (found.steps, found.carry)


# --- which scenario is chosen ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ({(1, True): 20, (1, False): 40, (16, True): 10, (16, False): 15}, (16, True)),
        ({(1, True): 10.1, (1, False): 40, (16, True): 10, (16, False): 15}, (1, True)),
        ({(1, True): 10.0, (1, False): 10.1, (16, True): 10, (16, False): 10}, (1, False)),
        ({(1, True): 12, (4, True): 10.2, (16, True): 10, (64, True): 10.3}, (4, True)),
        ({(4, True): 29.9, (16, True): 30.1}, None),  # no better than copying
        ({(4, True): 50, (16, True): 31}, None),  # worse than copying
        ({(4, True): np.inf, (16, True): 10}, (16, True)),  # one went astray
        ({(4, True): np.inf}, None),
    ],
)
def test_the_shortest_of_what_is_as_good_as_the_best_is_chosen(errors, expected):
    assert chosen(errors) == expected


def test_an_error_within_the_noise_but_far_from_the_best_is_not_as_good():
    """That no difference counts is no sign that there is none."""
    noisy = compared({(1, True): 12.0, (16, True): 10.0}, spread=0.6)
    one, many = noisy.scenarios
    assert not compare_errors(noisy, many, one).counts
    assert choose_scenario(noisy) is many


def test_a_difference_counts_from_twice_its_standard_error_on():
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(300):  # two scenarios that are equally good
        pair = [
            Scenario(n, True, 100 * (1 + 0.1 * rng.normal(size=(2, 8))), 1.0, 1.0, 1, [])
            for n in (1, 2)
        ]
        comparison = Comparison(pair, np.full(8, 900.0), SIZES)
        false += compare_errors(comparison, *pair).counts
    assert false / 300 < 0.05  # one-sided, 2 standard errors: 2 to 4 %


def test_pieces_count_by_their_size():
    lower = Scenario(1, True, np.array([[1.0, 9.0]]), 1.0, 1.0, 1, [])
    higher = Scenario(2, True, np.array([[2.0, 5.0]]), 1.0, 1.0, 1, [])
    by_size = [
        compare_errors(Comparison([lower, higher], np.ones(2), np.array(sizes)), lower, higher)
        for sizes in ((99, 1), (1, 99))
    ]
    assert by_size[0].times > 0 > by_size[1].times
    assert root_mean_error(lower.errors, np.array([3, 1])) == pytest.approx(np.sqrt(3.0))


def test_the_error_of_two_seeds_is_the_same_in_the_table_the_advice_and_the_explorer():
    lab = explore_scenarios(forecast_task([np.sin(np.arange(60.0))[:, None] * 50]), steps=2)
    errors = np.array([[4.0], [36.0]]) * np.ones(len(lab.comparison.sizes))  # roots: 2 and 6
    lab._keep(Scenario(2, True, errors, 0.5, 2.0, 20, []))
    lab.redraw()
    assert [4.0] in [np.round(line.get_ydata(), 9).tolist() for line in lab._axes[0].lines]
    assert "steps = 2: error 4.00 with state carried" in lab.words
    assert table_rows(lab.comparison)[1][:3] == ("2", "carried", "4.00")
    assert "4.00 (steps = 2, state carried)" in lab.recommend()[0].evidence


def test_seeds_that_disagree_make_a_difference_count_less():
    def times(apart):
        a = Scenario(1, True, np.array([[9 - apart] * 8, [9 + apart] * 8]), 1.0, 1.0, 1, [])
        b = Scenario(2, True, np.array([[10.0] * 8] * 2), 1.0, 1.0, 1, [])
        return compare_errors(Comparison([a, b], np.ones(8), SIZES), a, b).times

    assert times(0.0) == np.inf
    assert times(0.5) > times(2.0) > 0


# --- what is said ----------------------------------------------------------------------------

CASES = {
    "carry pays": {(1, True): 20, (1, False): 40, (16, True): 10, (16, False): 15},
    "reset will do": {(1, True): 15, (1, False): 40, (16, True): 10.1, (16, False): 10},
    "no memory": {(1, True): 10, (1, False): 10, (16, True): 10, (16, False): 10},
    "longest": {(4, True): 20, (4, False): 25, (64, True): 10, (64, False): 12},
    "copy": {(1, True): 31, (1, False): 40, (16, True): 30, (16, False): 33},
    "carry a little": {(1, True): 10.1, (1, False): 10.3, (16, True): 10, (16, False): 10.1},
}


@pytest.fixture(params=CASES)
def case(request):
    comparison = compared(CASES[request.param])
    return request.param, comparison, recommend(comparison)


def test_every_sentence_has_its_evidence_and_what_would_change_it(case):
    _, _, sentences = case
    for sentence in sentences:
        assert sentence.says.endswith(".")
        assert sentence.evidence.endswith(".")
        assert sentence.change.endswith(".")


def test_the_numbers_of_the_evidence_stand_in_the_table(case):
    _, comparison, sentences = case
    errors = {row[2] for row in table_rows(comparison)[1:]}
    for sentence in sentences[:4]:
        cited = [part.split(" (")[0].split()[-1] for part in sentence.evidence.split(" against ")]
        if len(cited) > 1:
            assert set(cited[:2]) <= errors, sentence


def test_what_is_recommended_is_marked_in_the_table(case):
    name, comparison, sentences = case
    found = choose_scenario(comparison)
    rows = {(row[0], row[1]): row[3:5] for row in table_rows(comparison)[1:-1]}
    if name == "copy":
        assert found is None
        assert sentences[0].says.startswith("Copy the last value")
        assert len(sentences) == 1
        assert {verdicts[0] for verdicts in rows.values()} == {"no"}
        return
    state = "carried" if found.carry else "reset"
    assert rows[str(found.steps), state] == ("yes", "yes")
    assert f"windows of {found.steps} timestep" in sentences[0].says
    assert ("carry the state" in sentences[0].says) == found.carry


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("carry pays", 0, "windows of 16 timesteps, and carry the state"),
        ("carry pays", 1, "Carrying the state pays"),
        ("carry pays", 2, "Try longer windows too"),
        ("carry pays", 3, "Shorter windows are clearly worse."),
        ("reset will do", 0, "windows of 16 timesteps, and reset the state"),
        ("reset will do", 1, "nothing clearly better"),
        ("no memory", 0, "This model remembers nothing"),
        ("no memory", 2, "Longer windows do not pay here."),
        ("longest", 2, "this is the longest that was tried"),
        ("copy", 0, "no model here clearly beats it"),
    ],
)
def test_each_rule_says_what_the_errors_are(name, place, words):
    assert words in recommend(compared(CASES[name]))[place].says


def test_models_that_are_clearly_worse_than_copying_are_called_so():
    (sentence,) = recommend(compared({(1, True): 50, (16, True): 60}))
    assert "every model here does worse" in sentence.says
    assert "50" in sentence.evidence
    assert "30" in sentence.evidence


def test_a_reset_that_is_as_good_with_longer_windows_is_named():
    errors = {(4, True): 10, (4, False): 20, (64, True): 10, (64, False): 10}
    assert "with steps = 64, reset is as good" in recommend(compared(errors))[1].change


@pytest.mark.parametrize(("steps", "shorter"), [(1, False), (2, True)])
def test_shorter_windows_are_suggested_where_there_are_any(steps, shorter):
    change = recommend(compared({(steps, True): 10, (steps, False): 10}))[1].change
    assert ("shorter windows" in change) == shorter


def test_a_quicker_scenario_that_is_as_good_is_named():
    slow, quick = scenario(1, False, 10, seconds=0.5), scenario(64, False, 10, seconds=0.1)
    cost = recommend(Comparison([slow, quick], np.full(8, 900.0), SIZES))[-1]
    assert "0.5000 s and 0.10 MiB" in cost.says
    assert "steps = 64, state reset" in cost.change
    assert "0.1000 s" in cost.change


def test_padding_is_spoken_of_where_there_is_much():
    comparison = compared(CASES["carry pays"])
    without = len(recommend(comparison))
    assert len(recommend(comparison, lengths=[9, 9, 9, 9, 9, 9, 9, 8])) == without
    assert len(recommend(comparison, lengths=[1, 9])) == without
    said = recommend(comparison, lengths=[2, 2, 4, 4, 6, 6, 10, 10])[-1]
    assert "45% of the timesteps are padding; in 4 buckets, 0%" in said.evidence


def test_the_table_shows_every_scenario_by_steps_and_copying_last():
    lines = as_table(compared(CASES["longest"]), unit="sunspots").split("\n")
    assert "error (sunspots)" in lines[0]
    assert [line.split()[:2] for line in lines[1:-1]] == [
        ["4", "reset"],
        ["4", "carried"],
        ["64", "reset"],
        ["64", "carried"],
    ]
    assert lines[-1].split()[0] == "copying"


def test_a_recommendation_in_words_is_numbered_with_its_evidence():
    words = in_words(recommend(compared(CASES["copy"])))
    assert words.startswith("1. Copy the last value")
    assert "\n   Evidence: the best model's 30" in words
    assert "\n   What would change it: " in words


@pytest.mark.parametrize("width", [40, 96])
def test_the_lines_of_a_recommendation_fit_a_page_and_lose_no_word(width):
    sentences = recommend(compared(CASES["carry pays"]))
    words = in_words(sentences, width=width)
    assert max(map(len, words.split("\n"))) <= width
    assert all(word in words.split() for s in sentences for part in s for word in part.split())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (18.06, "18.1"),
        (0.09123, "0.0912"),
        (1234.5, "1,234"),
        (0.0, "0"),
        (2e-5, "2.00e-05"),
        (3.2e9, "3.20e+09"),
        (-3.14159, "-3.14"),
        (np.inf, "none: training went astray"),
    ],
)
def test_numbers_have_three_digits_that_count(value, words):
    assert number(value) == words


@pytest.mark.parametrize("call", [recommend, choose_scenario, as_table])
def test_without_scenarios_there_is_no_advice(call, assert_refused):
    empty = Comparison([], np.ones(8), SIZES)
    assert_refused(lambda: call(empty), ValueError, "at least one scenario")
    assert_refused(lambda: call([1]), TypeError, "must be a Comparison", "list")


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
        counted = sum(len(row) - 1 - before for row, before in zip(*held, strict=True))
        assert 0.4 * most < counted <= most
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


def test_the_shortest_sequences_that_can_be_split_in_time_hold_a_pair_to_train_on():
    task = forecast_task(list(np.random.default_rng(0).normal(size=(5, 4, 1))))
    assert [len(row) for row in task.train] == [2] * 5
    found = measure_scenario(task, 1, seeds=[0], units=1, mebibytes=1.0)
    assert np.isfinite(found.errors).all()


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


@pytest.fixture
def quick(monkeypatch):
    """Training that takes little: a SimpleRNN, few epochs."""
    monkeypatch.setattr(models, "build_rnn", partial(models.build_rnn, cell="simple_rnn"))
    monkeypatch.setattr(scenarios, "EPOCHS", 3)
    monkeypatch.setattr(scenarios, "UPDATES", 1)


@pytest.fixture(scope="module")
def task():
    return forecast_task([np.sin(np.arange(120.0))[:, None] * 50])


def test_a_scenario_is_measured_for_every_seed_and_can_be_repeated(quick, task):
    done = []
    options = {"units": 2, "progress": lambda *now: done.append(now), "mebibytes": 1.5}
    found = measure_scenario(task, 8, carry=True, **options)
    assert found[:2] == (8, True)
    assert found.errors.shape == (2, 8)
    assert found.epochs == 3
    assert found.mebibytes == 1.5
    assert found.seconds > 0
    assert done == [(n, 6) for n in range(1, 7)]
    assert not np.allclose(*found.errors)  # two seeds
    model = scenarios.scenario_model(task, 8, units=2)
    for _ in range(2):  # a model that was used before starts anew
        again = measure_scenario(task, 8, carry=True, seeds=[1], model=model, **options)
        assert np.allclose(again.errors[0], found.errors[1], rtol=1e-3)


def test_carrying_changes_what_is_measured(quick, task):
    found = [
        measure_scenario(task, 2, carry=carry, seeds=[0], units=2, mebibytes=1.0).errors
        for carry in (True, False)
    ]
    assert not np.allclose(*found, rtol=1e-3)


@pytest.mark.parametrize("carry", [True, False])
def test_training_and_testing_carry_alike(quick, monkeypatch, task, carry):
    carried = []

    def note(call):
        def noted(*args, **options):
            carried.append(options["carry"])
            return call(*args, **options)

        return noted

    for name in ("train_windows", "predict_windows"):
        monkeypatch.setattr(training, name, note(getattr(training, name)))
    measure_scenario(task, 2, carry=carry, seeds=[0], units=1, mebibytes=1.0)
    assert carried == [carry] * 5  # one training, three checks, one test


def test_the_error_is_that_of_the_test_part_alone(quick, task, keras_pass):
    """The oracle: Keras over the whole test row, from zeros, with the weights that are kept."""
    found = measure_scenario(task, 8, carry=True, seeds=[0], units=2, mebibytes=1.0)
    model = models.build_rnn(2, features=1)
    model.set_weights(found.weights)
    (row,), (before,) = task.test
    forecast = keras_pass(model, row[:-1])[:, 0]
    squared = ((forecast - row[1:, 0])[before:] * task.scale) ** 2
    pieces = np.array_split(squared, 8)
    assert np.allclose(found.errors[0], [piece.mean() for piece in pieces], rtol=1e-4)


def test_training_learns(quick, monkeypatch, task):
    monkeypatch.setattr(scenarios, "EPOCHS", 60)
    found = measure_scenario(task, 30, seeds=[0], units=4, mebibytes=1.0)
    assert found.errors.mean() < 0.5 * copying_errors(task)[0].mean()


def test_the_weights_with_the_lowest_error_in_the_check_part_are_kept(quick, monkeypatch, task):
    seen = []
    errors = scenarios._forecast_errors

    def note(model, task, held, steps, carry):
        found = errors(model, task, held, steps, carry)
        if held is task.check:  # the second check is the best
            found = np.full_like(found, abs(len(seen) - 1))
        seen.append((held is task.check, found.mean(), model.get_weights()[0].copy()))
        return found

    monkeypatch.setattr(scenarios, "_forecast_errors", note)
    found = measure_scenario(task, 10, seeds=[0], units=2, mebibytes=1.0)
    checks = [(error, weights) for is_check, error, weights in seen if is_check]
    assert [error for error, _ in checks] == [1, 0, 1]
    best = checks[1][1]
    assert np.array_equal(found.weights[0], best)
    assert np.array_equal(seen[-1][2], best)  # and tested


def test_training_can_be_stopped_and_gives_nothing_then(quick, task):
    done = []

    def stop(now, of):
        done.append(now)
        return now == 2

    found = measure_scenario(task, 8, units=2, mebibytes=1.0, progress=stop)
    assert found is None
    assert done == [1, 2]


def test_effort_trains_longer(quick, task):
    found = measure_scenario(task, 50, seeds=[0], units=1, effort=2, mebibytes=1.0)
    assert found.epochs == 6


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"steps": 0}, ValueError, "`steps` must be between 1 and"),
        ({"steps": 90}, ValueError, "the longest sequence (71 timesteps)"),
        ({"steps": 5, "seeds": []}, ValueError, "`seeds` must hold at least one"),
        ({"steps": 5, "seeds": ["a"]}, TypeError, "`seeds` must be a whole number"),
        ({"steps": 5, "seeds": [-1]}, ValueError, "`seeds` must be at least 0"),
        ({"steps": 5, "carry": 1}, TypeError, "`carry` must be True or False"),
        ({"steps": 5, "effort": 0}, ValueError, "`effort` must be at least 1"),
        ({"steps": 5, "units": 0}, ValueError, "`units` must be at least 1"),
    ],
)
def test_what_cannot_be_trained_is_refused(options, error, words, task, assert_refused):
    assert_refused(lambda: measure_scenario(task, **options), error, words)
