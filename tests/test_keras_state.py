"""Lesson on Keras' own state: the diary, the explorer of calls, and the exercises."""

import itertools

import keras
import numpy as np
import pytest

from helpers.lessons import keras_state
from helpers.lessons.keras_state import build_diary, explore_stateful
from helpers.models import get_states, reset_states
from tests.exercises import ExerciseTests
from tests.pictures import rectangles

PREDICT, RESET, RESET_ROW = "predict", "reset_state()", "reset row 1"
FIT, VALIDATED, NOTHING = "fit, 2 epochs", "fit, 2 epochs, validation", "no call"


@pytest.fixture(scope="module")
def explorer():
    return explore_stateful()


def choose(explorer, *calls):
    for control, call in itertools.zip_longest(
        explorer.controls.values(), calls, fillvalue=NOTHING
    ):
        control.value = call
    return explorer.words


def test_a_diary_appends_what_it_reads():
    model = build_diary(2)
    x = np.array([[1.0, 2.0, 3.0], [7.0, 8.0, 9.0]])[..., None]
    assert model.predict(x, verbose=0)[:, 0].tolist() == [123.0, 789.0]
    assert model.predict(x[:, :1], verbose=0)[:, 0].tolist() == [1231.0, 7897.0]


def test_a_diary_refuses_what_is_no_batch_size(assert_refused, bad_number):
    value, error, *words = bad_number
    assert_refused(lambda: build_diary(value), error, "`batch_size`", *words)


def run_with_keras(model, call):
    """Do with a real model what the explorer writes down."""
    first, train, unseen = (np.array(pair).reshape(2, 1, 1) for pair in ([1, 6], [2, 7], [3, 8]))
    options = {"epochs": 2, "batch_size": 2, "shuffle": False, "verbose": 0}
    if call == PREDICT:
        model.predict(first, verbose=0)
    elif call == FIT:
        model.fit(train, train[:, 0], **options)
    elif call == VALIDATED:
        model.fit(train, train[:, 0], validation_data=(unseen, unseen[:, 0]), **options)
    elif call == RESET:
        model.layers[0].reset_state()
    elif call == RESET_ROW:
        reset_states(model, rows=[1])


@pytest.mark.parametrize(
    "calls",
    [
        (PREDICT, PREDICT, RESET, PREDICT),
        (FIT, PREDICT, RESET_ROW, FIT),
        (VALIDATED, PREDICT, RESET, VALIDATED),
        (PREDICT, RESET_ROW, NOTHING, PREDICT),
    ],
)
def test_the_explorer_says_what_keras_does(explorer, calls):
    model = build_diary(2)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    choose(explorer, *calls)
    sentences = iter(explorer.words.split(". "))
    for n, call in enumerate(calls, 1):
        before = get_states(model)[0].astype(int).ravel().tolist()
        run_with_keras(model, call)
        after = get_states(model)[0].astype(int).ravel().tolist()
        if call != NOTHING:
            said = next(sentences).removesuffix(".")
            assert said.startswith(f"Call {n} ({call}) ")
            assert said.endswith(f"leaves {after[0]} and {after[1]}")
            if call not in (RESET, RESET_ROW):
                assert f"starts from {before[0]} and {before[1]}" in said


def test_the_picture_has_a_box_for_each_row_that_a_call_reads_or_resets(explorer):
    choose(explorer, PREDICT, PREDICT, RESET_ROW, PREDICT)
    (ax,) = explorer.figure.axes
    boxes = {
        label: [(round(left + 0.47), round(bottom + 0.4)) for left, bottom, *_ in found]
        for label, found in (
            ("zeros", rectangles(ax, {"facecolor": "#FBE8DA"})),
            ("state", rectangles(ax, {"facecolor": "#DCEBF7"})),
            ("reset", rectangles(ax, {"facecolor": "white"})),
        )
    }
    assert boxes == {
        "zeros": [(1, 0), (1, 1), (4, 1)],
        "state": [(2, 0), (2, 1), (4, 0)],
        "reset": [(3, 1)],
    }
    texts = {text.get_text() for text in ax.texts}
    assert {"from 11\nto 111", "stays 11", "from 0\nto 6", "reset row 1"} <= texts


def test_words_and_picture_follow_the_calls(explorer, shown):
    choose(explorer, PREDICT)
    before, alt, said, words = shown(explorer)
    assert alt == said == words == "Call 1 (predict) starts from 0 and 0 and leaves 1 and 6."
    assert choose(explorer) == "No call yet: both rows hold 0."
    assert shown(explorer)[0] != before


def test_the_positions_set_the_calls(explorer):
    look_at = explorer.children[0].children[0].children[1:]
    assert [button.description for button in look_at] == [
        "The same request twice",
        "Two epochs",
        "With validation",
        "A new sequence in row 1",
    ]
    look_at[2].click()
    assert "Call 1 (fit, 2 epochs, validation) starts from 0 and 0" in explorer.words
    assert "Call 2 (predict) starts from 2323 and 7878" in explorer.words


def reset_rows(states, rows):
    new = [state.copy() for state in states]
    for state in new:
        state[rows] = 0
    return new


def reset_in_place(states, rows):
    for state in states:
        state[rows] = 0
    return states


def reset_only(index):
    def reset(states, rows):
        new = [state.copy() for state in states]
        new[index][rows] = 0
        return new

    return reset


def reset_columns(states, rows):
    new = [state.copy() for state in states]
    for state in new:
        state[:, rows] = 0
    return new


def reset_others(states, rows):
    return [state - reset for state, reset in zip(states, reset_rows(states, rows), strict=True)]


def reset_all(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            reset_all(layer)
        elif hasattr(layer, "reset_state"):
            layer.reset_state()
    return model


def reset_with_a_list(model):
    layers = list(model.layers)
    for layer in layers:
        layers += getattr(layer, "layers", [])
        for state in getattr(layer, "states", None) or ():
            state.assign(0 * state)
    return model


def reset_with_helpers(model):
    reset_states(model)
    return model


def reset_first_floor(model):
    for layer in model.layers:
        if hasattr(layer, "reset_state"):
            layer.reset_state()
    return model


def reset_two_floors(model):
    for layer in model.layers:
        reset_first_floor(layer if isinstance(layer, keras.Model) else model)
    return model


def reset_only_lstm(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            reset_only_lstm(layer)
        elif isinstance(layer, keras.layers.LSTM):
            layer.reset_state()
    return model


def reset_only_h(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            reset_only_h(layer)
        elif layer.stateful:
            layer.states[0].assign(0 * layer.states[0])
    return model


def reset_weights(model):
    reset_all(model).set_weights([0 * w for w in model.get_weights()])
    return model


class TestExercises(ExerciseTests):
    lesson = keras_state
    RIGHT = {"reset_rows": (reset_rows,), "reset_all": (reset_all,)}
    WRONG = [
        ("reset_rows", (reset_in_place,), "the arrays you were given have changed"),
        ("reset_rows", (lambda states, rows: states,), "nothing was reset"),
        ("reset_rows", (lambda states, rows: reset_rows(states, rows)[0],), "list of two arrays"),
        ("reset_rows", (reset_only(0),), "h is reset, c is not"),
        ("reset_rows", (reset_only(1),), "c is reset, h is not"),
        ("reset_rows", (reset_columns,), "those are columns"),
        ("reset_rows", (lambda states, _: [0 * s for s in states],), "everything is at zero"),
        ("reset_rows", (reset_others,), "zeros in these rows of both arrays"),
        ("reset_all", (lambda model: model.layers,), "return the model"),
        ("reset_all", (lambda model: model,), "a GRU in the model itself"),
        ("reset_all", (lambda model: model.reset_states(),), "no attribute 'reset_states'"),
        ("reset_all", (reset_first_floor,), "a GRU one floor down still holds"),
        ("reset_all", (reset_two_floors,), "a GRU two floors down still holds"),
        ("reset_all", (reset_only_lstm,), "a GRU in the model itself"),
        ("reset_all", (reset_only_h,), "h of the LSTM is at zero, c is not"),
        ("reset_all", (reset_weights,), "the weights have changed"),
    ]

    @pytest.mark.parametrize("answer", [reset_with_a_list, reset_with_helpers])
    def test_other_ways_to_reset_all_are_right(self, answered, answer):
        assert answered(keras_state.check_reset_all, answer) == (True, "Right.")
