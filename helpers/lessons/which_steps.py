"""Which steps do you mean? One picture of all four, and the exercises."""

from numbers import Real

import numpy as np

from helpers import check, plots
from helpers.exercises import AnswerError, answer_of, feedback, filled_in
from helpers.explorers import Explorer, Position, plural

WINDOWS = [
    Position(
        "nothing left over",
        "10 timesteps make 2 windows of 5. Every cell holds data.",
        {"steps": 5},
    ),
    Position(
        "a remainder",
        "2 windows of 4 hold 8 timesteps. The last 2 get a window of their own, which is filled "
        "up to 4 like the others.",
        {"steps": 4},
    ),
    Position(
        "one window",
        "One window as long as the sequences: nothing is cut.",
        {"steps": 10},
    ),
]

_ROWS = 8
_MOST_TIMESTEPS = 24
_LEFT_OUT = {"facecolor": "white", "edgecolor": "#1F6F9F"}
_BATCH_BORDER = {"color": "#222222", "linestyle": ":", "linewidth": 2.5}
_ARROW = {"arrowstyle": "<->", "color": "#222222", "linewidth": 1.5}


def show_four_steps(*, timesteps, steps, batch_size, batches):
    """Show what each of the four numbers called steps counts, on 8 rows.

    Parameters
    ----------
    timesteps : int
        Of each row, 1 to 24.
    steps : int
        Timesteps in a window, 1 to `timesteps`.
    batch_size : int
        Rows in a batch, 1 to 8.
    batches : int
        How many `fit` (`steps_per_epoch`) or `predict` (`steps`) is told to take.

    Returns
    -------
    Explorer
        A picture without controls, and the same in words.
    """
    timesteps = check.whole_number("timesteps", timesteps, maximum=_MOST_TIMESTEPS)
    steps = check.steps(steps, timesteps)
    batch_size = check.whole_number("batch_size", batch_size, maximum=_ROWS)
    batches = check.whole_number("batches", batches)
    (ax,) = plots.new_axes(height=4.4)
    _frame_four_steps(ax, -(-timesteps // steps) * steps)

    def draw():
        _plot_four_steps(ax, timesteps, steps, batch_size, batches)
        return _four_steps_in_words(timesteps, steps, batch_size, batches)

    return Explorer(ax.figure, {}, draw)


def _frame_four_steps(ax, width):
    plots.frame_timesteps(ax, width * 1.45, "row", ylim=(_ROWS - 0.5, -2.4))
    ax.set(yticks=range(_ROWS), xticks=range(0, width, -(-width // 12)))
    ax.xaxis.set_label_coords(0.35, -0.09)
    ax.spines[["left", "bottom"]].set_visible(False)


def _plot_four_steps(ax, timesteps, steps, batch_size, batches):
    ax = plots.fresh_axes(ax)
    n_windows, read = -(-timesteps // steps), min(_ROWS, batches * batch_size)
    row, column = np.indices((_ROWS, n_windows * steps))
    real = column < timesteps
    plots.add_cells(ax, real & (row < read), plots.REAL)
    plots.add_cells(ax, real & (row >= read), _LEFT_OUT)
    plots.add_cells(ax, ~real, plots.PADDED)
    plots.add_borders(ax, np.arange(n_windows + 1) * steps - 0.5, -0.5, _ROWS - 0.5)
    width = n_windows * steps
    _add_arrow(ax, f"timesteps = {timesteps}", (-0.5, -1.9), (timesteps - 0.5, -1.9))
    _add_arrow(ax, f"steps = {steps}", (-0.5, -1.1), (steps - 0.5, -1.1))
    ends = np.arange(batch_size, _ROWS, batch_size) - 0.5
    ax.hlines(ends, -0.5, width - 0.5, **_BATCH_BORDER, gid=plots.DRAWN)
    call = f"fit(…, steps_per_epoch={batches})\npredict(…, steps={batches})"
    _add_arrow(ax, call, (width - 0.1, -0.5), (width - 0.1, read - 0.5))
    cells = {"read": plots.REAL, "left out": _LEFT_OUT, "padded": plots.PADDED}
    borders = {"window border": plots.BORDER, "batch border": _BATCH_BORDER}
    plots.add_legend(ax, **cells, **borders)


def _add_arrow(ax, text, start, end):
    """Add an arrow with two heads and, to the right of it, what it measures."""
    arrow = _ARROW | {"shrinkA": 0, "shrinkB": 0}
    ax.annotate("", start, end, arrowprops=arrow, gid=plots.DRAWN)
    middle = (start[1] + end[1]) / 2  # of an arrow that lies down, its own height
    ax.annotate(
        text,
        (end[0], middle),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        size=plots.FONT - 1,
        gid=plots.DRAWN,
    )


def _four_steps_in_words(timesteps, steps, batch_size, batches):
    n_windows, n_batches = -(-timesteps // steps), -(-_ROWS // batch_size)
    read = min(_ROWS, batches * batch_size)
    found = "" if batches <= n_batches else f", of which there are only {n_batches}"
    return (
        f"Each row has {timesteps} {plural('timestep', timesteps)}: {n_windows} "
        f"{plural('window', n_windows)} of steps = {steps}. The {_ROWS} rows make {n_batches} "
        f"{plural('batch', n_batches).replace('chs', 'ches')} of up to {batch_size}. "
        f"steps_per_epoch = {batches} in fit, or steps = {batches} in predict, asks for {batches} "
        f"of them{found}: {read} rows are read, {_ROWS - read} left out."
    )


_AXES = "(n_windows, batch, steps, features)"


@feedback
def check_window_shape(shape):
    """Say whether `shape` is that of 3 sequences of 10 timesteps in windows of 6."""
    shape = tuple(shape) if np.iterable(filled_in(shape)) else (shape,)
    for size in shape:
        filled_in(size)
    if len(shape) != 4:
        hint = f"Not yet: four axes are wanted, {_AXES}. Yours are {len(shape)}."
        raise AnswerError(hint)
    right = (2, 3, 6, 5)
    if shape != right and sorted(shape) == sorted(right):
        raise AnswerError(f"Not yet: the right numbers, in another order. The axes are {_AXES}.")
    hints = (_of_windows(shape[0]), _OF_BATCH, _of_steps(shape[2]), _OF_FEATURES)
    for size, wanted, hint in zip(shape, right, hints, strict=True):
        if size != wanted:
            raise AnswerError(f"Not yet: {hint}")


_OF_BATCH = "the second axis is the batch. Cutting in time leaves its 3 rows as they are."
_OF_FEATURES = "the last axis is the features. Cutting in time leaves all 5 of them."


def _of_windows(size):
    if size == 1:
        return "one window of 6 holds 6 timesteps. Where do the last 4 go?"
    if size == 6:
        return "the first axis counts windows; 6 is how many timesteps each of them holds."
    return f"the first axis counts windows. How many of 6 do 10 timesteps need? Yours: {size}."


def _of_steps(size):
    if size == 4:
        return (
            "all windows have the same shape. The last one has 4 timesteps left, and is filled up."
        )
    if size == 5:
        return "that would be 10 timesteps cut evenly. You asked for windows of 6."
    return f"the third axis is the timesteps in one window. Yours: {size}."


@feedback
def check_batches(function):
    """Say whether `function(n_rows, batch_size)` counts the batches of an epoch."""
    for n_rows, batch_size in ((9, 4), (8, 4), (3, 4), (1000, 50), (101, 50)):
        answer = answer_of(function, n_rows, batch_size)
        right = -(-n_rows // batch_size)
        if not isinstance(answer, Real) or answer != right:
            hint = _of_batches(answer, n_rows, batch_size, right)
            raise AnswerError(
                f"Not yet: for {n_rows} rows in batches of {batch_size} yours gives {answer!r}. "
                f"{hint}"
            )


def _of_batches(answer, n_rows, batch_size, right):
    """Return the hint that fits a wrong number of batches."""
    if not isinstance(answer, Real):
        return "A whole number is wanted."
    if answer == n_rows / batch_size:
        return "No batch is a fraction: the rows left over make one more, smaller than the others."
    if answer == n_rows // batch_size:
        return f"{answer * batch_size} rows are in full batches. Where do the others go?"
    if answer == right + 1:
        return "Nothing is left over here, so no smaller batch is needed."
    if answer == batch_size // n_rows or answer == batch_size / n_rows:
        return "Which is divided by which?"
    if answer == n_rows * batch_size:
        return "That multiplies. How many times does a batch fit into the rows?"
    return "How many batches are full, and are rows left over?"
