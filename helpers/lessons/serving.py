"""How does it answer one value at a time? Users who take turns, and the exercises."""

import numpy as np

from helpers import plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import (
    Explorer,
    Position,
    labelled_box,
    labelled_buttons,
    labelled_slider,
)
from helpers.models import build_rnn, get_states, set_states
from helpers.quiet import keras

_SENT = {"Ada": "123", "Ben": "789"}  # their digits, in the order in which they send them
_TURNS = {
    "Ada, then Ben": ("Ada",) * 3 + ("Ben",) * 3,
    "in turns": ("Ada", "Ben") * 3,
    "as it comes": ("Ada", "Ben", "Ben", "Ada", "Ben", "Ada"),
}
_SHARED, _EACH = "one for all", "one each"
_RIGHT = {"facecolor": "#DCEBF7", "edgecolor": plots.CARRIED["color"]}
_WRONG = {"facecolor": "#FBE8DA", "edgecolor": plots.RESET["color"], "linestyle": "--"}
_STYLES = {"right: the user's own digits": _RIGHT, "wrong": _WRONG, "restart": plots.BORDER}


def explore_users():
    """Let two users take turns at one model, and see whose digits stand in each answer.

    Returns
    -------
    Explorer
    """
    (ax,) = plots.new_axes(height=3.0)
    ax.set(xlim=(0.5, 6.5), ylim=(1.6, -0.6), xticks=range(1, 7))
    ax.set_yticks((0, 1), list(_SENT))
    ax.set_xlabel("request", fontsize=plots.FONT)

    def draw(turns, state, restart, saved):
        requests = _serve(turns, state == _EACH, restart, saved)
        _plot_requests(requests, restart, ax)
        return _describe_requests(requests, restart, saved)

    controls = {
        "turns": labelled_slider("turns", _TURNS["in turns"], options=_TURNS.items()),
        "state": labelled_buttons("state", [_SHARED, _EACH]),
        "restart": labelled_slider("restart after", 0, 0, 5),
        "saved": labelled_box("states saved", False),
    }
    return Explorer(ax.figure, controls, draw, positions=_POSITIONS)


def _position(name, says, turns, state, restart=0):
    values = {"turns": _TURNS[turns], "state": state, "restart": restart, "saved": False}
    return Position(name, says, values)


_POSITIONS = [
    _position(
        "One, then the other",
        "Whoever tests with one user sees right answers. What does Ben's first one begin with?",
        *("Ada, then Ben", _SHARED),
    ),
    _position("In turns", "How many answers are right now?", "in turns", _SHARED),
    _position("A state each", "The same turns. What has changed?", "in turns", _EACH),
    _position(
        "A restart",
        "The process ended after request 3. Tick “states saved”, then move the restart.",
        *("in turns", _EACH, 3),
    ),
]


def _serve(turns, own, restart, saved):
    """Return (user, before, after, right) of each request, the diaries as digits.

    It writes down what a stateful model does, without Keras, so that the controls are quick; a
    test compares the two.
    """
    states, sent, requests = dict.fromkeys([*_SENT, "all"], ""), dict.fromkeys(_SENT, 0), []
    for n, user in enumerate(turns):
        if n and n == restart and not saved:
            states = dict.fromkeys(states, "")
        place, before = user if own else "all", states[user if own else "all"]
        states[place] = before + _SENT[user][sent[user]]
        sent[user] += 1
        right = states[place] == _SENT[user][: sent[user]]
        requests.append((user, before, states[place], right))
    return requests


def _plot_requests(requests, restart, ax):
    """Draw a box for each request, with the state that it starts from and the answer."""
    plots.fresh_axes(ax)
    for n, (user, before, after, right) in enumerate(requests, 1):
        lane = list(_SENT).index(user)
        plots.add_rectangles(ax, [n - 0.47], lane - 0.4, 0.94, 0.8, _RIGHT if right else _WRONG)
        words = f"from {before or 0}\nanswer {after}"
        place = {"ha": "center", "va": "center", "fontsize": plots.FONT - 2}
        ax.text(n, lane, words, gid=plots.DRAWN, **place)
    if restart:
        plots.add_borders(ax, [restart + 0.5], -0.6, 1.6)
    plots.add_legend(ax, **_STYLES)


def _describe_requests(requests, restart, saved):
    said = [f"{user} gets {after} (from {before or 0})" for user, before, after, _ in requests]
    count = sum(right for *_, right in requests)
    kept = "saved" if saved else "lost"
    again = f" Restart after request {restart}, states {kept}." if restart else ""
    return f"{count} of {len(requests)} answers are right: {', '.join(said)}.{again}"


@feedback
def check_serve(function):
    """Say whether `function(step, states, user, digit)` answers each user from their own state."""
    step = _step_model()
    states, diaries = {}, {}
    for user, digit in (("Ada", 1), ("Ben", 7), ("Ada", 2), ("Cleo", 4), ("Ben", 8), ("Ada", 3)):
        is_new = user not in diaries
        diaries[user] = 10 * diaries.get(user, 0) + digit
        answer = _served(function, (step, states, user, digit), is_new)
        if np.size(answer) != 1 or np.ravel(answer)[0] != diaries[user] + 0.5:
            _say_whose(answer, user, digit, diaries)
        state = states.get(user)
        if state is None or np.shape(state) != (1, 1) or np.ravel(state)[0] != diaries[user]:
            raise AnswerError(
                f"Not yet: the answer is right, but `states[{user!r}]` does not hold the new "
                "state, an array of shape (1, 1)."
            )


def _step_model():
    """Return a diary as a model of a digit and a state: it returns its answer and the new state.

    The answer is the diary and a half, so that nobody takes it for the state.
    """
    value, state = keras.Input((1, 1)), keras.Input((1,))
    layer = keras.layers.SimpleRNN(1, activation="linear", use_bias=False, return_state=True)
    output, new = layer(value, initial_state=state)
    model = keras.Model([value, state], [keras.layers.Dense(1)(output), new])
    model.set_weights([np.array([[w]]) for w in (1.0, 10.0, 1.0)] + [np.array([0.5])])
    return model


def _served(function, request, is_new):
    try:
        return answer_of(function, *request)
    except AnswerError as problem:
        if "cannot mix tensors" in str(problem):
            raise AnswerError(
                "Not yet: give `step` two arrays, the value in the shape (1, 1, 1) and the state. "
                "`predict_on_batch` returns arrays, too; a plain call returns tensors."
            ) from None
        if not (is_new and "KeyError" in str(problem)):
            raise
        raise AnswerError(
            f"Not yet: {request[2]} is not in `states` yet, and should begin at zeros."
        ) from None


def _say_whose(answer, user, digit, diaries):
    """Raise what is off with an answer that should have been the user's diary."""
    found, own = np.ravel(answer)[0] if np.size(answer) else None, diaries[user]
    others = [10 * diary + digit for name, diary in diaries.items() if name != user]
    if np.size(answer) != 1:
        words = "one number is wanted, the answer of this request"
    elif found == own:
        words = "this is the new state. The model returns its answer first, then the state"
    elif found == digit + 0.5:
        words = f"{user} has sent {own} so far, and gets {found:g}: the answer starts from zeros"
    elif found - 0.5 in others or str(found).startswith(tuple(str(n)[:-1] for n in others)):
        words = f"{user} gets {found:g}, with digits that somebody else has sent"
    else:
        words = f"{user} has sent {own} so far, and gets {found:g}"
    raise AnswerError(f"Not yet: {words}.")


@feedback
def check_hand_over(function):
    """Say whether `function(many, one, row)` makes `one` go on as that row of `many` would."""
    rng = np.random.default_rng(5)
    many, one = (
        build_rnn(4, features=2, stateful=True, batch_size=batch_size) for batch_size in (3, 1)
    )
    many.set_weights([rng.normal(scale=0.5, size=w.shape) for w in many.get_weights()])
    states = [rng.normal(scale=0.5, size=(3, 4)).astype("float32") for _ in ("h", "c")]
    for row in (2, 0):
        one.set_weights([np.zeros_like(w) for w in one.get_weights()])
        set_states(one, [np.zeros((1, 4), "float32")] * 2)
        set_states(many, states)
        weights = many.get_weights()
        if _handed_over(function, many, one, row) is not one:
            raise AnswerError("Not yet: return `one`, the model with batch size 1.")
        if not _equal(many.get_weights(), weights) or not _equal(get_states(many), states):
            raise AnswerError("Not yet: `many` has changed. Its own sequences are to go on.")
        if not _equal(one.get_weights(), weights):
            raise AnswerError("Not yet: `one` has other weights than `many`.")
        if not _equal(get_states(one), [state[[row]] for state in states]):
            raise AnswerError(f"Not yet: with row={row}, {_what_came_over(one, states, row)}")


def _handed_over(function, many, one, row):
    try:
        return answer_of(function, many, one, row)
    except AnswerError as problem:
        if "list index out of range" not in str(problem):
            raise
        raise AnswerError(
            "Not yet: the list that `get_states(many)` returns holds h and c; the rows are inside "
            "each array."
        ) from None


def _what_came_over(one, states, row):
    """Return what is off with a state that should have been that row of `states`."""
    found = get_states(one)
    right = [np.array_equal(f, state[[row]]) for f, state in zip(found, states, strict=True)]
    if not np.any(found):
        return "the weights are there, and the state is still 0. No weight holds it."
    if any(right):
        done, left = ("h", "c") if right[0] else ("c", "h")
        return f"{done} came over, {left} did not."
    for other in range(3):
        if _equal(found, [state[[other]] for state in states]):
            return f"that is the state of row {other}."
    if _equal(found[::-1], [state[[row]] for state in states]):
        return "h and c have changed places."
    return f"`one` holds another state than row {row} of `many`."


def _equal(arrays, others):
    return all(map(np.array_equal, arrays, others))
