"""The checks of lesson 04 accept every right answer, and say what is off with a wrong one."""

import numpy as np
import pytest

from helpers import checks

EXERCISES = {name: check for name, check in vars(checks).items() if name.startswith("check_04")}


def dataset_of(rows):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(rows)


def endless_generator(x, batch_size):
    while True:
        order = np.random.default_rng(0).permutation(len(x))
        for start in range(0, len(x), batch_size):
            yield x[order[start : start + batch_size]]


def keras_pairs(data, targets, steps, **options):
    import keras

    return keras.utils.timeseries_dataset_from_array(data, targets, steps, **options)


def with_whole_series(series, steps, horizon):
    return keras_pairs(series, series[steps + horizon - 1 :], steps)


def without_the_last(series, steps, horizon):
    return keras_pairs(series[:-horizon], series[steps + horizon - 1 :], steps, batch_size=3)


def by_hand(series, steps, horizon):
    ends = range(steps, len(series) - horizon + 1)
    return [(series[i - steps : i], series[i + horizon - 1]) for i in ends]


def documented(series, steps, horizon):
    shift = steps + horizon - 1
    return keras_pairs(series[:-shift], series[shift:], steps)


def batched_features(series, steps, horizon):
    return with_whole_series(series[:, None], steps, horizon)


RIGHT = [
    ("check_04_left_out", lambda rows, size, steps: max(0, rows - size * steps)),
    ("check_04_left_out", lambda rows, size, steps: rows - np.minimum(rows, size * steps)),
    ("check_04_endless", lambda x, size: dataset_of(x).batch(size).repeat()),
    ("check_04_endless", lambda x, size: dataset_of(x).repeat().batch(size)),
    ("check_04_endless", lambda x, size: dataset_of((x, x)).shuffle(99).batch(size).repeat()),
    ("check_04_endless", endless_generator),
    ("check_04_forecast", with_whole_series),
    ("check_04_forecast", without_the_last),
    ("check_04_forecast", by_hand),
    ("check_04_forecast", batched_features),
    (
        "check_04_forecast",
        lambda s, steps, h: keras_pairs(s, s[steps + h - 1 :], steps, shuffle=True, seed=1),
    ),
]
WRONG = [
    ("check_04_left_out", lambda rows, size, steps: rows - size * steps, "yours gives -2"),
    ("check_04_left_out", lambda rows, size, steps: min(rows, size * steps), "10 rows"),
    ("check_04_left_out", lambda rows, size, steps: [6], "yours gives [6]"),
    ("check_04_endless", lambda x, size: dataset_of(x).batch(size), "end after 3 batches"),
    ("check_04_endless", lambda x, size: dataset_of(x).batch(size).repeat(3), "end after 9"),
    ("check_04_endless", lambda x, size: dataset_of(x).batch(size).repeat(4), "end after 12"),
    ("check_04_endless", lambda x, size: [*dataset_of(x).batch(size)] * 5, "end after 15"),
    ("check_04_endless", lambda x, size: dataset_of(x).repeat(), "Is the dataset batched?"),
    ("check_04_endless", lambda x, size: dataset_of(x).batch(len(x)).repeat(), "holds 11 rows"),
    (
        "check_04_endless",
        lambda x, size: dataset_of(x).batch(size, drop_remainder=True).repeat(),
        "not every row once",
    ),
    (
        "check_04_endless",
        lambda x, size: dataset_of(x).repeat().shuffle(99, seed=1).batch(size),
        "mixed over several rounds",
    ),
    ("check_04_endless", lambda x, size: dataset_of(x[:0]).batch(size).repeat(), "end after 0"),
    ("check_04_forecast", lambda s, steps, h: keras_pairs(s, s, steps), "yours are 25"),
    ("check_04_forecast", documented, "yours are 19. Which of them does a shorter"),
    ("check_04_forecast", lambda s, n, h: with_whole_series(s[::-1], n, h), "hold other values"),
    (
        "check_04_forecast",
        lambda s, steps, h: keras_pairs(s, s[: len(s) - steps - h + 1], steps),
        "their targets are not",
    ),
    (
        "check_04_forecast",
        lambda s, steps, h: keras_pairs(s[: len(s) - h], s[steps:], steps),
        "for 23 timesteps, steps=4, horizon=3 the windows are right",
    ),
]


def name_of(case):
    return case if isinstance(case, str) else None


def test_every_exercise_has_its_answers_here():
    assert {name for name, *_ in RIGHT} == {name for name, *_ in WRONG} == set(EXERCISES)


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=name_of)
def test_a_right_answer_is_right(answered, name, answer):
    assert answered(name, answer) == (True, "Right.")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG, ids=name_of)
def test_a_wrong_answer_is_told_what_is_off(answered, name, answer, hint):
    right, words = answered(name, answer)
    assert not right
    assert words.startswith("Not yet:")
    assert hint in words


@pytest.mark.parametrize("blank", [None, ...])
@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_left_as_it_is_is_not_answered_yet(answered, name, blank):
    assert answered(name, lambda *_: blank) == (False, "Not answered yet.")


def fails(*_):
    raise KeyError("a mistake of mine")


@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_makes_a_check_raise(answered, name):
    for odd in (0.5, "a", [[1], [1, 2]], object(), len, fails, np.full((2, 6), "a"), [(1, 2, 3)]):
        for answer in (odd, lambda *_, odd=odd: odd):
            right, words = answered(name, answer)
            assert not right
            assert words
    assert answered(name, fails)[1].endswith("KeyError: 'a mistake of mine'")
