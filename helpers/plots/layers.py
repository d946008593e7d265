"""Picture of a mask on its way through the layers of a model.

A part of `helpers.plots`, with its palette and its way of drawing again.
"""

import numpy as np

from helpers.plots import (
    _DRAWN,
    _FONT,
    PADDED,
    REAL,
    Patch,
    _add_rectangles,
    _fresh,
    _legend,
    new_axes,
)
from helpers.validation import check_array, check_list, check_whole_number

UNMASKED = {"facecolor": "#E69F00", "edgecolor": "#7A4B00", "hatch": "xx"}

_TITLE, _GAP = 1.7, 0.5  # above and below the lanes of a layer, in lanes


def plot_layers(rows, *, timesteps=None, n_rows=None, ax=None):
    """Draw, layer under layer, which timesteps of a batch are real, masked, or without a mask.

    Parameters
    ----------
    rows : list of (name, note, cells)
        For each layer its name, what it does to the mask, and a (batch, timesteps) array of
        int: 0 where a timestep is masked, 1 where it is real, 2 where there is no mask.
    timesteps, n_rows : int, optional
        Leave room for so many timesteps and layers, so that pictures of several models compare.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    rows = [_check_row(i, row) for i, row in enumerate(check_list("rows", rows, _ROW))]
    batch = max(len(cells) for _, _, cells in rows)
    longest = max(cells.shape[1] for _, _, cells in rows)
    timesteps = longest if timesteps is None else timesteps
    timesteps = check_whole_number("timesteps", timesteps, minimum=longest)
    n_rows = len(rows) if n_rows is None else n_rows
    n_rows = check_whole_number("n_rows", n_rows, minimum=len(rows))
    height = _TITLE + batch + _GAP
    ax = new_axes(height=1.0 + 0.145 * height * n_rows)[0] if ax is None else _fresh(ax)
    lanes = np.concatenate([i * height + _TITLE + np.arange(batch) for i in range(len(rows))])
    codes = np.full((len(lanes), timesteps), -1)
    text = {"va": "center", "fontsize": _FONT - 1, "gid": _DRAWN}
    for i, (name, note, cells) in enumerate(rows):
        codes[i * batch : i * batch + len(cells), : cells.shape[1]] = cells
        ax.text(-0.5, i * height + 0.8, name, weight="bold", **text)
        ax.text(timesteps - 0.5, i * height + 0.8, note, ha="right", **text)
    for code, style in enumerate((PADDED, REAL, UNMASKED)):
        lane, start, length = _runs(codes == code)
        _add_rectangles(ax, start - 0.5, lanes[lane], length, 0.9, style)
    ax.set_xlim(-0.5, timesteps - 0.5)
    ax.set_ylim(n_rows * height, -0.5)
    ax.set_yticks(())
    ax.spines["left"].set_visible(False)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("timestep", fontsize=_FONT)
    names = {"real": REAL, "masked": PADDED, "no mask: all count": UNMASKED}
    return _legend(ax, **{name: Patch(**style) for name, style in names.items()})


def _runs(where):
    """Return lane, start and length of each run of True: fewer rectangles draw sooner."""
    changes = np.diff(where.astype(int), axis=1, prepend=0, append=0)
    (lane, start), (_, stop) = np.nonzero(changes == 1), np.nonzero(changes == -1)
    return lane, start, stop - start


_ROW = "(name, note, cells)"


def _check_row(i, row):
    if not isinstance(row, tuple) or len(row) != 3:
        raise TypeError(f"`rows[{i}]` must be a tuple {_ROW}. Received: {row!r}.")
    name, note, cells = row
    cells = check_array(cells, f"cells of rows[{i}]", ("batch", "timesteps"))
    if not set(cells.ravel().tolist()) <= {0, 1, 2}:
        raise ValueError(
            f"`cells of rows[{i}]` must hold 0 (masked), 1 (real) and 2 (no mask). "
            f"Received: values from {cells.min()} to {cells.max()}."
        )
    return str(name), str(note), cells
