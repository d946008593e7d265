"""Lesson on serving: users who take turns, beside a real model, and the exercises."""

import itertools

import numpy as np
import pytest

from helpers.lessons import serving
from helpers.lessons.keras_state import build_diary
from helpers.lessons.serving import explore_users
from helpers.models import get_states, reset_states, set_states
from tests.exercises import ExerciseTests
from tests.pictures import rectangles

SHARED, EACH = "one for all", "one each"
IN_TURNS = ("Ada", "Ben") * 3


@pytest.fixture(scope="module")
def explorer():
    return explore_users()


def choose(explorer, **values):
    for name, value in values.items():
        explorer.controls[name].value = value
    return explorer.words


def served_by_keras(turns, state, restart, saved):
    """What a stateful model answers; for a state each, its state is put away after each request."""
    model, digits = build_diary(batch_size=1), {"Ada": iter("123"), "Ben": iter("789")}
    zeros, answers = get_states(model), []
    kept = {"Ada": zeros, "Ben": zeros}
    for n, user in enumerate(turns):
        if n and n == restart and not saved:
            reset_states(model)
            kept = dict.fromkeys(kept, zeros)
        if state == EACH:
            set_states(model, kept[user])
        answer = model.predict_on_batch(np.full((1, 1, 1), float(next(digits[user]))))
        kept[user] = get_states(model)
        answers.append(f"{user} gets {answer.item():.0f} ")
    return answers


def test_the_explorer_says_what_keras_answers(explorer):
    orders = [options for _, options in explorer.controls["turns"].options]
    for turns, state, restart, saved in itertools.product(
        orders, (SHARED, EACH), (0, 1, 4), (False, True)
    ):
        choose(explorer, turns=turns, state=state, restart=restart, saved=saved)
        said = explorer.words.split(": ")[1].split(", ")
        expected = served_by_keras(turns, state, restart, saved)
        assert [words[: len(answer)] for words, answer in zip(said, expected, strict=False)] == (
            expected
        )


def test_the_picture_has_a_box_in_the_lane_of_each_request(explorer):
    choose(explorer, turns=IN_TURNS, state=EACH, restart=3, saved=False)
    (ax,) = explorer.figure.axes
    right, wrong = (
        [(round(left + 0.47), round(bottom + 0.4)) for left, bottom, *_ in rectangles(ax, style)]
        for style in ({"facecolor": "#DCEBF7"}, {"facecolor": "#FBE8DA"})
    )
    assert sorted(right) == [(1, 0), (2, 1), (3, 0)]
    assert sorted(wrong) == [(4, 1), (5, 0), (6, 1)]
    assert {"from 1\nanswer 12", "from 8\nanswer 89"} <= {text.get_text() for text in ax.texts}


def test_the_positions_show_what_they_say(explorer, shown):
    said = []
    look_at = explorer.children[0].children[0].children[1:]
    for button in look_at:
        button.click()
        _, alt, readout, words = shown(explorer)
        assert alt == readout == words
        said.append((button.description, int(words[0])))
    assert said == [
        ("One, then the other", 3),
        ("In turns", 1),
        ("A state each", 6),
        ("A restart", 3),
    ]
    assert explorer.words.endswith("Restart after request 3, states lost.")
    assert choose(explorer, saved=True).startswith("6 of 6")
    assert "states saved" in explorer.words


def hand_over(many, one, row):
    one.set_weights(many.get_weights())
    set_states(one, [state[[row]] for state in get_states(many)])
    return one


def hand_over_in_keras(many, one, row):
    for target, source in zip(one.layers, many.layers, strict=True):
        target.set_weights(source.get_weights())
    for target, source in zip(one.layers[0].states, many.layers[0].states, strict=True):
        target.assign(source[row : row + 1])
    return one


def only_weights(many, one, row):
    one.set_weights(many.get_weights())
    return one


def only_state(many, one, row):
    set_states(one, [state[[row]] for state in get_states(many)])
    return one


def row_of_the_list(many, one, row):
    one.set_weights(many.get_weights())
    set_states(one, get_states(many)[row])
    return one


def row_zero(many, one, row):
    return hand_over(many, one, 0)


def only_h(many, one, row):
    one.set_weights(many.get_weights())
    one.layers[0].states[0].assign(get_states(many)[0][[row]])
    return one


def swapped(many, one, row):
    one.set_weights(many.get_weights())
    set_states(one, [state[[row]] for state in reversed(get_states(many))])
    return one


def mean_of_rows(many, one, row):
    one.set_weights(many.get_weights())
    set_states(one, [state.mean(axis=0, keepdims=True) for state in get_states(many)])
    return one


def and_reset(many, one, row):
    hand_over(many, one, row)
    reset_states(many)
    return one


def serve(step, states, user, digit):
    state = states.get(user, np.zeros((1, 1)))
    answer, states[user] = step.predict_on_batch([np.full((1, 1, 1), digit), state])
    return answer


def serve_with_predict(step, states, user, digit):
    if user not in states:
        states[user] = np.zeros((1, 1))
    sent = np.array([[[digit]]], "float32")
    answer, states[user] = step.predict([sent, states[user]], verbose=0)
    return float(answer[0, 0])


def digit_as_it_is(step, states, user, digit):
    answer, states[user] = step.predict_on_batch([digit, states.get(user, np.zeros((1, 1)))])
    return answer


def keep_nothing(step, states, user, digit):
    state = states.get(user, np.zeros((1, 1)))
    return step.predict_on_batch([np.full((1, 1, 1), digit), state])[0]


def keep_for_all(step, states, user, digit):
    return serve(step, states, "all", digit)


def keep_for_all_and_each(step, states, user, digit):
    state = states.get("all", np.zeros((1, 1)))
    answer, state = step.predict_on_batch([np.full((1, 1, 1), digit), state])
    states["all"] = states[user] = state
    return answer


def expect_user(step, states, user, digit):
    answer, states[user] = step.predict_on_batch([np.full((1, 1, 1), digit), states[user]])
    return answer


def both(step, states, user, digit):
    return [serve(step, states, user, digit), states[user]]


def from_zeros(step, states, user, digit):
    return serve(step, states, user, digit) * 0 + digit + 0.5


def state_for_answer(step, states, user, digit):
    state = states.get(user, np.zeros((1, 1)))
    states[user], answer = step.predict_on_batch([np.full((1, 1, 1), digit), state])
    return answer


def twice(step, states, user, digit):
    serve(step, states, user, digit)
    return serve(step, states, user, digit)


class TestExercises(ExerciseTests):
    lesson = serving
    RIGHT = {"hand_over": (hand_over,), "serve": (serve,)}
    WRONG = [
        ("hand_over", (lambda many, one, row: many,), "return `one`"),
        ("hand_over", (and_reset,), "`many` has changed"),
        ("hand_over", (only_state,), "other weights"),
        ("hand_over", (only_weights,), "the state is still 0"),
        ("hand_over", (row_of_the_list,), "holds h and c; the rows are inside each array"),
        ("hand_over", (row_zero,), "that is the state of row 0"),
        ("hand_over", (only_h,), "h came over, c did not"),
        ("hand_over", (swapped,), "h and c have changed places"),
        ("hand_over", (mean_of_rows,), "another state than row 2"),
        ("serve", (keep_nothing,), "`states['Ada']` does not hold the new state"),
        ("serve", (keep_for_all,), "`states['Ada']` does not hold the new state"),
        ("serve", (keep_for_all_and_each,), "Ben gets 17.5, with digits that somebody else"),
        ("serve", (expect_user,), "Ada is not in `states` yet, and should begin at zeros"),
        ("serve", (state_for_answer,), "this is the new state. The model returns its answer first"),
        ("serve", (both,), "one number is wanted"),
        ("serve", (from_zeros,), "Ada has sent 12 so far, and gets 2.5: the answer starts"),
        ("serve", (digit_as_it_is,), "give `step` two arrays"),
        ("serve", (twice,), "Ada has sent 1 so far, and gets 11"),
    ]

    def test_it_may_be_done_in_plain_keras(self, answered):
        assert answered(serving.check_hand_over, hand_over_in_keras) == (True, "Right.")

    def test_predict_serves_too(self, answered):
        assert answered(serving.check_serve, serve_with_predict) == (True, "Right.")
