"""A recommendation says what the table of measured scenarios supports."""

import numpy as np
import pytest

from helpers.lessons.choose_your_steps.advice import (
    as_table,
    choose_scenario,
    compare_errors,
    in_words,
    number,
    recommend,
    table_rows,
)
from helpers.lessons.choose_your_steps.scenarios import Comparison, Scenario, root_mean_error

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


def test_the_lines_of_a_recommendation_fit_a_page_and_lose_no_word():
    sentences = recommend(compared(CASES["carry pays"]))
    words = in_words(sentences)
    assert max(map(len, words.split("\n"))) <= 96
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
