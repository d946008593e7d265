"""Where does the state live? A model whose state can be read, its calls, and the exercises."""

from functools import partial

import ipywidgets as widgets
import numpy as np

from helpers import check, plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import LABEL, Explorer, Position
from helpers.quiet import keras

_N_CALLS = 4
_TWO_EPOCHS, _VALIDATED = "fit, 2 epochs", "fit, 2 epochs, validation"
_RESET, _RESET_ROW, _NOTHING = "reset_state()", "reset row 1", "no call"
# What row 0 and row 1 read in each call, one digit a window.
_READS = {
    "predict": ("1", "6"),
    _TWO_EPOCHS: ("22", "77"),
    _VALIDATED: ("2323", "7878"),
    _RESET: ("", ""),
    _RESET_ROW: ("", ""),
    _NOTHING: ("", ""),
}
_FROM_ZEROS = {"facecolor": "#FBE8DA", "edgecolor": plots.RESET["color"], "linestyle": "--"}
_FROM_STATE = {"facecolor": "#DCEBF7", "edgecolor": plots.CARRIED["color"]}
_SET_TO_ZEROS = {"facecolor": "white", "edgecolor": "#707070", "linestyle": ":"}
_STYLES = {
    "starts from zeros": _FROM_ZEROS,
    "starts from a kept state": _FROM_STATE,
    "set to zeros": _SET_TO_ZEROS,
}


def build_diary(batch_size):
    """Build a stateful model whose state shows, digit by digit, what it has read.

    Its new state is 10 times the old one plus the input: 1, 2 and 3 make 123. Seven digits fit.

    Parameters
    ----------
    batch_size : int
        How many rows of state the model keeps.

    Returns
    -------
    keras.Sequential
        Maps (batch, timesteps, 1) to the state after the last timestep, (batch, 1).
    """
    batch_size = check.whole_number("batch_size", batch_size)
    model = keras.Sequential([keras.Input((None, 1), batch_size=batch_size)])
    model.add(keras.layers.SimpleRNN(1, activation="linear", use_bias=False, stateful=True))
    model.set_weights([np.array([[1.0]]), np.array([[10.0]])])
    return model


def explore_stateful():
    """Choose the calls of a stateful model of two rows, and see what each of them starts from.

    Returns
    -------
    Explorer
    """
    (ax,) = plots.new_axes(height=3.0)
    ax.set(xlim=(0.5, _N_CALLS + 0.5), ylim=(1.6, -0.9), xticks=range(1, _N_CALLS + 1))
    ax.set_yticks((0, 1), ("row 0", "row 1"))
    ax.set_xlabel("call", fontsize=plots.FONT)

    def draw(**chosen):
        calls = list(chosen.values())
        states = _follow(calls)
        _plot_calls(calls, states, ax)
        return _describe_calls(calls, states)

    first = ["predict", "predict", _NOTHING, _NOTHING]
    controls = {
        f"call_{n}": widgets.Dropdown(
            options=list(_READS),
            value=call,
            description=f"call {n}",
            style=LABEL,
            layout={"width": "24em"},
        )
        for n, call in enumerate(first, 1)
    }
    return Explorer(ax.figure, controls, draw, positions=_POSITIONS)


def _position(name, says, *calls):
    return Position(name, says, {f"call_{n}": call for n, call in enumerate(calls, 1)})


_POSITIONS = [
    _position(
        "The same request twice",
        "Calls 1, 2 and 4 ask the same. Which two of them get the same answer?",
        *("predict", "predict", _RESET, "predict"),
    ),
    _position(
        "Two epochs",
        "Each epoch reads one window. Does epoch 2 start where epoch 1 started?",
        *(_TWO_EPOCHS, "predict", _NOTHING, _NOTHING),
    ),
    _position(
        "With validation",
        "2 and 7 are training, 3 and 8 validation. What was read just before each validation?",
        *(_VALIDATED, "predict", _RESET, _VALIDATED),
    ),
    _position(
        "A new sequence in row 1",
        "One row is reset, the other goes on.",
        *("predict", "predict", _RESET_ROW, "predict"),
    ),
]


def _follow(calls):
    """Return the states as digits, (calls + 1, rows): at first, and after each call.

    It writes down what Keras 3.15 does, without Keras, so that the controls are quick; a test
    compares the two.
    """
    states = [("", "")]
    for call in calls:
        row_0, row_1 = states[-1]
        kept = ("" if call == _RESET else row_0, "" if call in (_RESET, _RESET_ROW) else row_1)
        states.append(tuple(old + new for old, new in zip(kept, _READS[call], strict=True)))
    return states


def _plot_calls(calls, states, ax):
    """Draw a box for each call and row, with the state that it starts from and that it leaves."""
    plots.fresh_axes(ax)
    place = {"ha": "center", "va": "center", "fontsize": plots.FONT - 1, "gid": plots.DRAWN}
    for n, call in enumerate(calls, 1):
        if call == _NOTHING:
            continue
        ax.text(n, -0.7, call.replace(", v", ",\nv"), weight="bold", **place)
        for row, (before, after) in enumerate(zip(states[n - 1], states[n], strict=True)):
            style, words = None, f"stays {after or 0}"
            if _READS[call][row]:
                style = _FROM_STATE if before else _FROM_ZEROS
                words = f"from {before or 0}\nto {after}"
            elif call == _RESET or row == 1:
                style, words = _SET_TO_ZEROS, "0"
            if style:
                plots.add_rectangles(ax, [n - 0.47], row - 0.4, 0.94, 0.8, style)
            ax.text(n, row, words, **place)
    plots.add_legend(ax, **_STYLES)


def _describe_calls(calls, states):
    said = []
    for n, call in enumerate(calls, 1):
        before, after = ([digits or "0" for digits in pair] for pair in (states[n - 1], states[n]))
        if any(_READS[call]):
            starts, ends = " and ".join(before), " and ".join(after)
            said.append(f"Call {n} ({call}) starts from {starts} and leaves {ends}.")
        elif call != _NOTHING:
            said.append(f"Call {n} ({call}) leaves {' and '.join(after)}.")
    return " ".join(said) or "No call yet: both rows hold 0."


@feedback
def check_reset_rows(function):
    """Say whether `function(states, rows)` returns new states with those rows at zero."""
    for units, rows in ((4, [1]), (3, [0, 2]), (2, [])):
        given = [np.full((3, units), 1.0 + i) for i in range(2)]
        kept = [state.copy() for state in given]
        answer = answer_of(partial(function, kept), rows)  # not a copy of `kept`
        if not np.array_equal(kept, given):
            raise AnswerError("Not yet: the arrays you were given have changed. Copy them first.")
        shapes = [np.shape(state) for state in answer] if np.iterable(answer) else None
        if shapes != [(3, units)] * 2:
            raise AnswerError("Not yet: a list of two arrays is wanted, each (batch, units).")
        expected = [state.copy() for state in given]
        for state in expected:
            state[rows] = 0.0
        if not np.array_equal(np.asarray(answer), expected):
            raise AnswerError(f"Not yet: with rows={rows}, {_what_was_reset(answer, given, rows)}")


def _what_was_reset(answer, given, rows):
    """Return what is off with states that should have had `rows` at zero."""
    h, c = (np.asarray(state) for state in answer)
    is_reset = [not state[rows].any() for state in (h, c)]
    if rows and any(is_reset) and not all(is_reset):
        done, left = ("h", "c") if is_reset[0] else ("c", "h")
        return f"{done} is reset, {left} is not. An LSTM starts anew only if both are at zero."
    columns = [state.copy() for state in given]
    for state in columns:
        state[:, [row for row in rows if row < state.shape[1]]] = 0.0
    if rows and np.array_equal([h, c], columns):
        return "those are columns, one for each unit. Rows are axis 0: `state[rows]`."
    if not (h.any() or c.any()):
        return "everything is at zero. The other rows' sequences go on: keep their state."
    if np.array_equal([h, c], given):
        return "nothing was reset."
    return "zeros in these rows of both arrays, everything else as it was."


@feedback
def check_reset_all(function):
    """Say whether `function(model)` resets each layer of a model, in models within it too."""
    for place, floors in (
        ("in the model itself", 0),
        ("one floor down", 1),
        ("two floors down", 2),
    ):
        model = _floors(floors)
        layers = _recurrent_layers(model)
        weights = model.get_weights()
        for layer in layers:
            for state in layer.states or ():
                state.assign(np.ones(state.shape))
        if answer_of(function, model) is not model:
            raise AnswerError("Not yet: return the model that was given.")
        if not all(map(np.array_equal, model.get_weights(), weights)):
            raise AnswerError("Not yet: the weights have changed. Only the states go to zero.")
        if any(np.any(layer.states[0]) for layer in layers if layer.stateful):
            raise AnswerError(f"Not yet: a {_left_over(layers)} {place} still holds its state.")
        if any(np.any(state) for layer in layers for state in layer.states or ()):
            raise AnswerError("Not yet: h of the LSTM is at zero, c is not.")


def _floors(count):
    """Return a model of two stateful layers, one that is not, and models of that kind within."""
    options = {"return_sequences": True}
    layers = [
        keras.layers.LSTM(2, stateful=True, **options),
        keras.layers.SimpleRNN(2, **options),
        *([_floors(count - 1)] if count else []),
        keras.layers.GRU(2, stateful=True, **options),
    ]
    return keras.Sequential([keras.Input((None, 2), batch_size=2), *layers])


def _recurrent_layers(model):
    found = []
    for layer in model.layers:
        found += _recurrent_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def _left_over(layers):
    """Return the kind of the last stateful layer that is not at zero."""
    left = [layer for layer in layers if layer.stateful and np.any(layer.states[0])]
    return type(left[-1]).__name__
