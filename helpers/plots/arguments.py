"""Pictures of what `fit` draws from the data, and of which target a window gets.

A part of `helpers.plots`, with its palette and its way of drawing again.
"""

import numpy as np

from helpers.plots import (
    _DRAWN,
    _FONT,
    BORDER,
    CHOSEN,
    PADDED,
    REAL,
    RESET,
    Line2D,
    Patch,
    _add_cells,
    _add_rectangles,
    _fresh,
    _legend,
    _line,
)
from helpers.validation import check_array, check_whole_number

AGAIN = {"facecolor": "#E69F00", "edgecolor": "white", "hatch": "xx"}
_WRONG = RESET | {"linestyle": "", "marker": "X"}


def plot_epochs(counts, *, batch_size, notes=None, most=None, ax=None):
    """Draw which rows each epoch draws: once, again, or not at all.

    Parameters
    ----------
    counts : (epochs, rows) array of int
        How often each epoch draws each row.
    batch_size : int
        Draw a border wherever a batch of this many rows ends.
    notes : sequence of str, optional
        What to write above each epoch.
    most : (int, int), optional
        Epochs and rows to leave room for, so that pictures of several sizes compare.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    counts = check_array(counts, "counts", ("epochs", "rows"))
    epochs, rows = counts.shape
    batch_size = check_whole_number("batch_size", batch_size)
    notes = [""] * epochs if notes is None else list(notes)
    if len(notes) != epochs:
        raise ValueError(
            f"`notes` must have one entry for each of the {epochs} epochs. Received: {len(notes)}."
        )
    ax = _fresh(ax)
    for style, where in ((REAL, counts == 1), (AGAIN, counts > 1), (PADDED, counts == 0)):
        _add_cells(ax, where.T, style)
    edges = np.append(np.arange(0, rows, batch_size), rows) - 0.5
    ax.hlines(edges, -0.5, epochs - 0.5, **BORDER, gid=_DRAWN)
    for epoch, note in enumerate(notes):
        ax.text(epoch, -0.7, note, ha="center", va="bottom", fontsize=_FONT - 1, gid=_DRAWN)
    columns, height = (epochs, rows) if most is None else most
    _limit(ax, columns, (height - 0.5, -0.5 - 0.12 * height), xlabel="epoch", ylabel="row")
    names = {"drawn once": Patch(**REAL), "drawn again": Patch(**AGAIN)}
    return _legend(ax, **names, **{"not drawn": Patch(**PADDED)}, batch=_line(BORDER))


def plot_targets(pairs, *, steps, timesteps, wanted=None, ylabel="starts at", ax=None):
    """Draw windows of a series, each in the line of the timestep it starts at, with its target.

    Parameters
    ----------
    pairs : (n, 2) array of int
        Where each window starts, and which timestep is its target.
    steps : int
        Timesteps in a window.
    timesteps : int
        Of the series.
    wanted : (m, 2) array of int, optional
        The pairs there should be: other targets count as wrong, windows without one as dropped.
    ylabel : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    pairs = check_array(pairs, "pairs", _PAIR_AXES)
    wanted = pairs if wanted is None else check_array(wanted, "wanted", _PAIR_AXES)
    steps = check_whole_number("steps", steps, maximum=timesteps)
    starts = pairs[:, 0]
    dropped = np.setdiff1d(wanted[:, 0], starts)
    right = (pairs[:, None] == wanted).all(axis=-1).any(axis=1)
    ax = _fresh(ax)
    for style, where in ((REAL, starts), (PADDED, dropped)):
        _add_rectangles(ax, where - 0.5, where - 0.4, steps, 0.8, style)
    for style, which in ((CHOSEN, right), (_WRONG, ~right)):
        ax.plot(pairs[which, 1], starts[which], **style, markersize=7, gid=_DRAWN)
    _limit(ax, timesteps, (timesteps - 0.4, -0.6), xlabel="timestep", ylabel=ylabel)
    names = {"window": Patch(**REAL), "dropped": Patch(**PADDED)}
    return _legend(
        ax,
        **names,
        **{"its target": Line2D([], [], **CHOSEN), "wrong target": Line2D([], [], **_WRONG)},
    )


_PAIR_AXES = ("n", "start and target")


def _limit(ax, columns, ylim, *, xlabel, ylabel):
    ax.set_xlim(-0.5, columns - 0.5)
    ax.set_ylim(*ylim)
    ax.set_yticks(range(0, int(ylim[0]) + 1, 1 + int(ylim[0]) // 8))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel(xlabel, fontsize=_FONT)
    ax.set_ylabel(ylabel, fontsize=_FONT)
