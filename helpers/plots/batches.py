"""A picture of the batches that a stateful model is fed, and of the state each window starts from.

A part of `helpers.plots`, with its palette and its way of drawing again.
"""

import numpy as np

from helpers.plots import _DRAWN, _FONT, STATE, Patch, _add_cells, _fresh, _legend
from helpers.validation import check_array

ZEROS = {"facecolor": "white", "edgecolor": "#8A8A8A"}
FOREIGN = {"facecolor": "#F0E442", "edgecolor": "#B3A500", "hatch": ".."}


def plot_batches(windows, *, ax=None):
    """Draw batches of windows side by side, and whose state each window starts from.

    Parameters
    ----------
    windows : (n_batches, batch) array of int
        Which window of a series stands in each row of each batch.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    windows = check_array(windows, "windows", ("n_batches", "batch"))
    if windows.dtype.kind not in "iu":
        raise TypeError(
            f"`windows` must hold the numbers of windows. Received: dtype {windows.dtype}."
        )
    n_batches, batch = windows.shape
    follows = np.diff(windows, axis=0, prepend=windows[:1] - 1) == 1
    first = np.zeros(windows.shape, bool)
    first[0] = True
    ax = _fresh(ax)
    for style, where in ((ZEROS, first), (STATE, follows & ~first), (FOREIGN, ~follows)):
        _add_cells(ax, where.T, style)
    for (k, row), window in np.ndenumerate(windows):
        color = "white" if follows[k, row] and k else "black"
        place = {"ha": "center", "va": "center", "fontsize": _FONT - 1, "color": color}
        ax.text(k, row, str(window), **place, gid=_DRAWN)
    ax.set_xlim(-0.5, n_batches - 0.5)
    ax.set_ylim(batch - 0.5, -0.5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("batch", fontsize=_FONT)
    ax.set_ylabel("row", fontsize=_FONT)
    names = {"starts from zeros": Patch(**ZEROS), "from the window before": Patch(**STATE)}
    return _legend(ax, **names, **{"from another window": Patch(**FOREIGN)})
