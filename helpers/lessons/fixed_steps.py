"""What do windows remember? The pictures of state and of rows, and the exercises."""

import gc
import logging
import re
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from helpers import check, plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import (
    CARRY_STYLE,
    CARRY_WORD,
    Explorer,
    Position,
    labelled_box,
    labelled_slider,
    plural,
)
from helpers.probes import trace_states
from helpers.quiet import keras
from helpers.windows import fold_series, split_windows

STATES = (
    Position(
        "windows of 5",
        "Zero up to timestep 4: window 0 is read as in one long pass. The difference begins with "
        "window 1.",
        {"steps": 5, "carry": False, "sequence": 0},
    ),
    Position(
        "windows of 9",
        "The last window holds timestep 9 alone, and that is all the final state knows.",
        {"steps": 9, "carry": False, "sequence": 0},
    ),
    Position(
        "windows of 4, carried",
        "Two borders and a remainder of 2, and no difference anywhere.",
        {"steps": 4, "carry": True, "sequence": 0},
    ),
)

_TIMESTEPS, _STEPS, _GAP = 12, 2, 1.5  # of the series and the windows in `show_rows`
_INK = "#222222"
_WINDOW_COLORS = (plots.REAL, plots.REAL | {"facecolor": "#CDE8F8"})  # every other window
_JUMP = {"color": "#000000", "linestyle": "", "marker": "X"}


def explore_state(model, sequences, *, steps=5, carry=True, positions=()):
    """Move `steps`, carry or reset, and see the state of one sequence beside one long pass."""
    whole = trace_states(model, sequences)
    longest = whole.shape[1]
    reset = trace_states(model, sequences, steps=1, carry=False)
    limits = 0, 1.05 * max(np.abs(reset - whole).max(), 1e-6)
    ax, difference = plots.new_axes(2, height=5.0, ratios=(2, 1))

    def draw(steps, carry, sequence):
        states = trace_states(model, sequences, steps=steps, carry=carry)[sequence]
        timesteps = len(sequences[sequence])
        states, expected = states[:timesteps], whole[sequence, :timesteps]
        off = np.abs(states - expected).max(axis=1)
        plots.plot_states(states, steps=min(steps, timesteps), ax=ax)
        label = f"{CARRY_WORD[carry]}, against one long pass"
        plots.plot_lines(
            {label: (np.arange(timesteps), off, CARRY_STYLE[carry])},
            xlabel="timestep",
            ylabel="largest difference",
            ax=difference,
        )
        difference.set(xlim=ax.get_xlim(), ylim=limits)
        return (
            f"steps = {steps}, state {CARRY_WORD[carry]}: the state of sequence "
            f"{sequence} differs from that of one long pass by at most {off.max():.4f}."
        )

    controls = {
        "steps": labelled_slider("steps", steps, 1, longest),
        "carry": labelled_box("carry the state", carry),
        "sequence": labelled_slider("sequence", 0, 0, len(sequences) - 1),
    }
    return Explorer(ax.figure, controls, draw, positions=positions)


def show_state():
    """Show a recurrent layer on three timesteps: x goes in, h comes out, the state is passed on."""
    (ax,) = plots.new_axes(height=2.7)
    ax.set_axis_off()
    ax.set(xlim=(-2.2, 7.6), ylim=(-1.3, 1.35))

    def draw():
        _add_arrow(ax, (-1.5, 0.0), (-0.57, 0.0), plots.RESET["color"])
        _add_words(ax, -1.85, 0.0, "zeros")
        for timestep, x in enumerate((0.0, 2.5, 5.0)):
            plots.add_rectangles(ax, [x - 0.55], -0.35, 1.1, 0.7, plots.REAL)
            _add_words(ax, x, 0.0, "LSTM")
            _add_words(ax, x, -1.15, f"x at timestep {timestep}")
            _add_words(ax, x, 1.2, "output: h")
            _add_arrow(ax, (x, -0.95), (x, -0.37), _INK)
            _add_arrow(ax, (x, 0.37), (x, 1.0), _INK)
            _add_arrow(ax, (x + 0.57, 0.0), (x + 1.93, 0.0), plots.CARRIED["color"])
            _add_words(ax, x + 1.2, 0.25, "h, c", color=plots.CARRIED["color"])
        return (
            "At each timestep the layer takes the input x and the state h, c that the timestep "
            "before left. Its output is the new h. The first timestep starts from zeros."
        )

    return Explorer(ax.figure, {}, draw)


def show_rows(rows):
    """Show 12 timesteps in 1, 2, 3 or 6 `rows`: the layout that carries, beside one that jumps.

    Both are read in windows of 2, window after window, with the state of a row handed on to the
    same row. On the left the series is folded and then cut; on the right it is cut, and the windows
    are stacked in their order in time.
    """
    rows = check.whole_number("rows", rows)
    if _TIMESTEPS // _STEPS % rows:
        raise ValueError(
            f"`rows` must be 1, 2, 3 or 6, so that {_TIMESTEPS} timesteps fill windows of "
            f"{_STEPS}. Received: rows={rows}."
        )
    (ax,) = plots.new_axes(height=3.4)
    ax.set_axis_off()
    folded, stacked = _folded(rows), _stacked(rows)
    width = folded.shape[1]
    ax.set(xlim=(-0.9, 2 * width + _GAP), ylim=(max(rows, 3) - 0.5, -_top(rows, 0.45)))
    kinds = {
        "starts from zeros": plots.RESET,
        "carried": plots.CARRIED,
        "carried to the wrong timestep": _JUMP,
    }
    plots.add_legend(ax, **{name: style | {"linestyle": ""} for name, style in kinds.items()})

    def draw():
        _draw_layout(ax, folded, 0.0, "fold, then cut")
        _draw_layout(ax, stacked, width + _GAP, "cut, then stack")
        return _words_for(folded, stacked)

    return Explorer(ax.figure, {}, draw)


def _folded(rows):
    """Return the timesteps that each row reads, one after the other: (rows, timesteps)."""
    return fold_series(np.arange(_TIMESTEPS)[:, None], rows)[..., 0]


def _stacked(rows):
    """As `_folded`, with the windows dealt out in their order in time."""
    windows = np.arange(_TIMESTEPS).reshape(-1, rows, _STEPS)  # (n_windows, rows, steps)
    return windows.swapaxes(0, 1).reshape(rows, -1)


def _top(rows, share):
    """Return how far above row 0's middle a place in the heading is; it keeps its height."""
    return 0.5 + share * max(rows, 3)


def _draw_layout(ax, layout, left, title):
    rows, timesteps = layout.shape
    _add_words(ax, left + (timesteps - 1) / 2, -_top(rows, 0.36), title, weight="bold")
    for row, column in np.ndindex(layout.shape):
        style = _WINDOW_COLORS[column // _STEPS % 2]
        plots.add_rectangles(ax, [left + column - 0.5], row - 0.42, 1.0, 0.84, style)
        _add_words(ax, left + column, row, str(layout[row, column]))
    for number, column in enumerate(range(0, timesteps, _STEPS)):
        name = f"window {number}" if rows > 1 else str(number)  # one row leaves no room
        middle = left + column + (_STEPS - 1) / 2
        _add_words(ax, middle, -_top(rows, 0.11), name, size=plots.FONT - 2)
    dots = {"markersize": 9 if rows > 1 else 6, "gid": plots.DRAWN}
    ax.plot([left - 0.5] * rows, range(rows), **plots.RESET | {"linestyle": ""}, **dots)
    for row, border in np.ndindex(rows, timesteps // _STEPS - 1):
        column = (border + 1) * _STEPS
        goes_on = layout[row, column] == layout[row, column - 1] + 1
        style = plots.CARRIED | {"linestyle": ""} if goes_on else _JUMP
        ax.plot([left + column - 0.5], [row], **style, **dots)


def _words_for(folded, stacked):
    (rows, timesteps), n_windows = folded.shape, folded.shape[1] // _STEPS
    *others, last = map(str, folded[:, 0])
    starts = f"timesteps {', '.join(others)} and {last} start" if others else "timestep 0 starts"
    words = (
        f"{rows} {plural('row', rows)} of {timesteps} timesteps, {n_windows} "
        f"{plural('window', n_windows)}. Fold, then cut: {starts} from zeros, and every row goes "
        "on where it stopped."
    )
    if np.array_equal(folded, stacked):
        return f"{words} Cut, then stack: the same."
    before, after = stacked[0, _STEPS - 1 : _STEPS + 1]
    return (
        f"{words} Cut, then stack: row 0 hands the state after timestep {before} to timestep "
        f"{after}."
    )


def _add_words(ax, x, y, words, *, size=plots.FONT, **style):
    ax.text(x, y, words, ha="center", va="center", fontsize=size, gid=plots.DRAWN, **style)


def _add_arrow(ax, start, end, color):
    arrow = {"arrowstyle": "-|>", "linewidth": 1.8, "color": color, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=arrow, gid=plots.DRAWN)


@feedback
def check_carry(function):
    """Say whether `function(lstm, batch, steps)` carries the state and returns the last h."""
    rng = np.random.default_rng(7)
    batch = rng.normal(size=(2, 11, 5)).astype("float32")
    lstm = _LSTM(6, return_state=True)
    lstm.build(batch.shape)
    lstm.set_weights([0.4 * rng.normal(size=w.shape) for w in lstm.get_weights()])
    for steps in (3, 11, 4, 1):
        expected = _passes(lstm, batch, steps)
        lstm.read.clear()
        answer = _quiet_answer(function, lstm, batch, steps)
        shape = np.shape(answer)
        if shape != (2, 6):
            hint = " Return h alone: `state[0]`." if shape[1:] == (2, 6) else ""
            raise AnswerError(
                f"Not yet: h has the shape (batch, units) = (2, 6), yours is {shape}.{hint}"
            )
        if max(lstm.read, default=0) > steps:
            raise AnswerError(
                f"Not yet: steps={steps}, but the layer read {max(lstm.read)} timesteps in one "
                "call."
            )
        if not np.allclose(answer, expected.h, atol=1e-5):
            hint = _hint_for(answer, expected)
            raise AnswerError(f"Not yet: 11 timesteps, steps={steps}: not the last h. {hint}")


class _LSTM(keras.layers.LSTM):
    """An LSTM that notes how many timesteps it reads, and refuses what is not its state.

    Keras would say "list index out of range" of a state that lacks c.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.read = []  # timesteps in each call

    def __call__(self, sequences, *args, **options):
        self.read += [n for n in np.shape(sequences)[1:2] if n is not None]
        given = options.get("initial_state", args[0] if args else None)
        if isinstance(given, (list, tuple)) and len(given) == 3:
            raise _StateError(
                "`initial_state` was given three arrays, and the first is the output: "
                "`_, *state = lstm(…)` leaves it out."
            )
        if given is not None and (not isinstance(given, (list, tuple)) or len(given) == 1):
            raise _StateError("An LSTM wants a list of both arrays, `initial_state=[h, c]`.")
        for array in given or ():
            wanted, found = (np.shape(sequences)[0], self.units), tuple(np.shape(array))
            if found != wanted:
                raise _StateError(
                    f"`initial_state` must have arrays of shape (batch, units) = {wanted}, yours "
                    f"are {found}. Begin with `state = None`: it means zeros of the right shape."
                )
        return super().__call__(sequences, *args, **options)


class _StateError(ValueError):
    pass


class _Passes(NamedTuple):
    """The last h and c of one long pass, and what h is after some mistakes."""

    h: np.ndarray
    c: np.ndarray
    reset: np.ndarray
    padded: np.ndarray
    swapped: np.ndarray
    short: np.ndarray
    first: np.ndarray


def _passes(lstm, batch, steps):
    _, h, c = lstm(batch)
    last = (batch.shape[1] - 1) // steps * steps
    padded = np.pad(batch, ((0, 0), (0, -batch.shape[1] % steps), (0, 0)))
    state = None
    for start in range(0, batch.shape[1], steps):
        _, *state = lstm(batch[:, start : start + steps], initial_state=state)
        swapped, state = state[0], state[::-1]
    short = lstm(batch[:, : batch.shape[1] // steps * steps])[1]
    first = lstm(batch[:, :steps])[1]
    return _Passes(h, c, lstm(batch[:, last:])[1], lstm(padded)[1], swapped, short, first)


def _hint_for(answer, expected):
    hints = {
        "c": "That is c, which the LSTM keeps to itself. h comes first.",
        "reset": "The last window started from zeros. Give it the state that the one before left.",
        "padded": "The padding was read. Pass the mask, or leave the last window shorter.",
        "swapped": "h and c have changed places: the state is [h, c].",
        "short": "The remainder was left out: the last slice is shorter. Read it too.",
        "first": "That is h after the first window: `return` belongs after the loop.",
    }
    for name, hint in hints.items():
        if np.allclose(answer, getattr(expected, name), atol=1e-5):
            return hint
    return "Give each window the state [h, c] that the one before returned."


def _quiet_answer(function, *args):
    """As `answer_of`, in one line, without what TensorFlow logs of a call that failed."""
    with _no_log():
        try:
            return answer_of(function, *args)
        except AnswerError as problem:
            words = str(problem).replace("it raised _StateError: ", "")
            words = re.sub(r"\x1b\[\d+m|\s*Arguments received.*", "", words, flags=re.DOTALL)
        gc.collect()  # what a failed call left behind complains when it is cleared away
    raise AnswerError(" ".join(words.split()))


@contextmanager
def _no_log():
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@feedback
def check_window(function):
    """Say whether `function(series, rows, steps, number)` returns that window of the rows."""
    for timesteps, rows, steps, number in ((24, 3, 4, 1), (24, 3, 4, 0), (30, 5, 2, 2)):
        series = np.stack([np.arange(timesteps), np.arange(timesteps) + 0.5], axis=1)
        expected = split_windows(fold_series(series, rows), steps).inputs[number]
        answer = answer_of(function, series.copy(), rows, steps, number)
        asked = f"Not yet: {timesteps} timesteps in {rows} rows, steps={steps}, window {number}."
        if np.shape(answer) != expected.shape:
            raise AnswerError(
                f"{asked} Its shape is (rows, steps, features) = {expected.shape}, yours is "
                f"{np.shape(answer)}."
            )
        if not np.array_equal(answer, expected):
            raise AnswerError(f"{asked} {_row_hint(np.asarray(answer), expected, series)}")


def _row_hint(answer, expected, series):
    rows, steps, _ = expected.shape
    in_order = series.reshape(-1, rows, steps, 2)
    dealt = series.reshape(-1, rows, 2).swapaxes(0, 1)  # row 0: timesteps 0, rows, 2 * rows …
    if any(np.array_equal(answer, window) for window in in_order):
        return "These are windows in order of time. Fold first: a row is one long piece."
    cut = [dealt[:, t : t + steps] for t in range(0, dealt.shape[1], steps)]
    if any(np.array_equal(answer, window) for window in cut if window.shape == answer.shape):
        return "Your rows take turns at the timesteps. A row holds neighbours in time."
    row = int(np.argmax((answer != expected).any(axis=(1, 2))))
    wanted, found = (windows[row, :, 0].astype(int).tolist() for windows in (expected, answer))
    return f"Row {row} holds timesteps {wanted}, yours {found}."
