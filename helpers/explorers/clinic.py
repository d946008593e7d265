"""How windows are dealt out to batches, and whose state each of them starts from."""

import numpy as np

from helpers import plots
from helpers.explorers.base import Explorer, labelled_buttons, labelled_slider, plural
from helpers.plots.batches import plot_batches
from helpers.validation import check_choice, check_whole_number

ORDERS = ("in order", "shuffled", "at random", "a stretch for each row")


def deal_windows(n_windows, batch_size, *, order):
    """Return which windows of a series stand in each batch.

    Windows that do not fill a last batch are left out.

    Parameters
    ----------
    n_windows : int
        Windows of the series, numbered in its order.
    batch_size : int
    order : "in order", "shuffled", "at random" or "a stretch for each row"
        The windows one after another; the same, shuffled; drawn with replacement; or each row
        of the batch reads its own stretch of the series.

    Returns
    -------
    ndarray of int, (n_batches, batch)

    Examples
    --------
    >>> deal_windows(6, 2, order="in order").tolist()
    [[0, 1], [2, 3], [4, 5]]
    >>> deal_windows(6, 2, order="a stretch for each row").tolist()
    [[0, 3], [1, 4], [2, 5]]
    """
    n_windows = check_whole_number("n_windows", n_windows)
    batch_size = check_whole_number("batch_size", batch_size, maximum=n_windows)
    check_choice("order", order, ORDERS)
    n_batches = n_windows // batch_size
    windows = np.arange(n_batches * batch_size)
    rng = np.random.default_rng(0)
    if order == "shuffled":
        windows = rng.permutation(n_windows)[: len(windows)]
    if order == "at random":
        windows = rng.integers(n_windows, size=len(windows))
    if order == "a stretch for each row":
        return windows.reshape(batch_size, n_batches).T
    return windows.reshape(n_batches, batch_size)


def explore_batches(*, n_windows=24, batch_size=4, most=8):
    """Move the batch size, choose an order, and see whose state each window starts from.

    Parameters
    ----------
    n_windows : int
        Windows of the series.
    batch_size : int
        Where the slider starts.
    most : int
        The largest batch size to offer; there are two batches at least.

    Returns
    -------
    Explorer
    """
    n_windows = check_whole_number("n_windows", n_windows, minimum=4)
    most = check_whole_number("most", most, minimum=2, maximum=n_windows // 2)
    (ax,) = plots.new_axes(height=3.8)

    def draw(batch_size, order):
        windows = deal_windows(n_windows, batch_size, order=order)
        plot_batches(windows, ax=ax)
        ax.set(xlim=(-0.5, n_windows - 0.5), ylim=(most - 0.5, -0.5))  # a frame that stays is quick
        right = int((np.diff(windows, axis=0) == 1).sum())
        later, left = windows[1:].size, n_windows - windows.size
        words = (
            f"Batch size {batch_size}, {order}: the first batch starts from zeros. Of the {later} "
            f"windows after it, {right} start from the state of the window before, "
            f"{later - right} from the state of another window."
        )
        return words + (f" {left} {plural('window', left)} fill no batch." if left else "")

    controls = {
        "batch_size": labelled_slider("batch size", batch_size, 1, most),
        "order": labelled_buttons("windows", ORDERS),
    }
    return Explorer(ax.figure, controls, draw)
