"""Pictures of a series of any length, of its autocorrelation, and of scenarios compared.

A part of `helpers.plots`, with its palette and its way of drawing again.
"""

import numpy as np

from helpers.plots import (
    _DRAWN,
    _FONT,
    CARRIED,
    CHOSEN,
    REAL,
    RESET,
    TRUTH,
    Line2D,
    Patch,
    _add_bars,
    _fresh,
    _legend,
    mark,
)
from helpers.validation import check_array, check_whole_number

COPYING = {"color": "#666666", "linestyle": ":", "marker": ""}
_RING = {"markerfacecolor": "none", "clip_on": False}
_SPLIT = {"color": "#222222", "linestyle": "--", "linewidth": 1.5}
_MOST = 1000  # points of a line; a longer one is drawn as the band that it fills


def plot_series(values, *, start=0, split=None, ylabel="value", ax=None):
    """Draw a series; a long one as the band from its lowest to its highest value.

    Parameters
    ----------
    values : (timesteps,) array
    start : int
        The timestep of the first value.
    split : int, optional
        Draw a border before this timestep, where the test part begins.
    ylabel : str
        What the values are, with their unit.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    values = check_array(values, "values", ("timesteps",))
    start = check_whole_number("start", start, minimum=0)
    ax = _fresh(ax)
    timesteps = start + np.arange(len(values))
    if len(values) <= 2 * _MOST:
        ax.plot(timesteps, values, **TRUTH, linewidth=1.2, gid=_DRAWN)
        handles = {"value": Line2D([], [], **TRUTH)}
    else:
        edges = np.linspace(0, len(values), _MOST + 1).astype(int)[:-1]
        low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
        ax.fill_between(timesteps[edges], low, high, color=REAL["facecolor"], gid=_DRAWN)
        handles = {"lowest to highest value": Patch(color=REAL["facecolor"])}
    if split is not None and timesteps[0] < split <= timesteps[-1]:
        ax.axvline(split - 0.5, **_SPLIT, gid=_DRAWN)
        handles["test part begins"] = Line2D([], [], **_SPLIT)
    room = 0.05 * max(np.ptp(values), 1e-12 * max(abs(values).max(), 1.0))
    ax.set_xlim(timesteps[0] - 0.5, timesteps[-1] + 0.5)
    ax.set_ylim(values.min() - room, values.max() + room)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("timestep", fontsize=_FONT)
    ax.set_ylabel(plain(ylabel), fontsize=_FONT)
    return _legend(ax, **handles)


def plot_autocorrelation(correlation, lag, *, ax=None):
    """Draw the autocorrelation by distance, and mark one distance.

    Parameters
    ----------
    correlation : (lags + 1,) array
        As a column of what `autocorrelation` gives.
    lag : int
        The distance to mark, in timesteps.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    correlation = check_array(correlation, "correlation", ("lags",))
    lag = check_whole_number("lag", lag, minimum=0, maximum=len(correlation) - 1)
    ax = _fresh(ax)
    _add_bars(ax, np.arange(len(correlation)), correlation, REAL)
    _add_bars(ax, np.array([lag]), correlation[lag : lag + 1], {"facecolor": "black"})
    ax.axhline(0, color="#222222", linewidth=1, gid=_DRAWN)
    ax.set_xlim(-0.5, len(correlation) - 0.5)
    ax.set_ylim(min(-0.1, 1.1 * correlation.min()), 1.05)
    ax.set_xlabel("distance (timesteps)", fontsize=_FONT)
    ax.set_ylabel("autocorrelation", fontsize=_FONT)
    return _legend(ax, autocorrelation=Patch(**REAL), chosen=Patch(facecolor="black"))


def plot_pairs(before, after, *, ylabel="value", ax=None):
    """Draw values against those some timesteps before, a dot for each pair.

    Parameters
    ----------
    before, after : (pairs,) arrays
        At most a thousand of them are drawn, evenly chosen.
    ylabel : str
        What the values are, with their unit.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    before, after = (
        check_array(before, "before", ("pairs",)),
        check_array(after, "after", ("pairs",)),
    )
    if len(before) != len(after):
        raise ValueError(
            f"`after` must have the {len(before)} values of `before`. Received: {len(after)}."
        )
    ax = _fresh(ax)
    few = slice(None, None, -(-len(before) // _MOST))
    dots = {"linestyle": "", "marker": ".", "color": REAL["facecolor"]}
    ax.plot(before[few], after[few], **dots, gid=_DRAWN)
    low, high = min(before.min(), after.min()), max(before.max(), after.max())
    room = 0.05 * max(high - low, 1e-12 * max(abs(low), abs(high), 1.0))
    ax.set(xlim=(low - room, high + room), ylim=(low - room, high + room))
    ax.set_xlabel("value before", fontsize=_FONT)
    ax.set_ylabel(plain(ylabel), fontsize=_FONT)
    return ax


def plot_scenarios(carried, reset, *, ylabel, longest, steps=1, copying=None, chosen=None, ax=None):
    """Draw a figure of each window length, with state carried and reset: an error, or a cost.

    Parameters
    ----------
    carried, reset : dict
        Steps to the values of each seed, (seeds,). A line joins their means, a bar spans them.
    ylabel : str
        What the values are, with their unit.
    longest : int
        The longest window there can be.
    steps : int
        Where a slider stands.
    copying : float, optional
        The error of copying the last value.
    chosen : (int, float), optional
        Steps and value of the scenario to mark.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    longest = check_whole_number("longest", longest)
    carried, reset = _finite(carried), _finite(reset)
    ax = _fresh(ax)
    handles, highest = {}, 0.0 if copying is None else copying
    for label, measured, style in (("carried", carried, CARRIED), ("reset", reset, RESET)):
        handles[label] = Line2D([], [], **style)
        if measured:
            x, means = list(measured), [each.mean() for each in measured.values()]
            spans = np.array([(each.min(), each.max()) for each in measured.values()])
            ax.vlines(x, *spans.T, color=style["color"], linewidth=4, alpha=0.4, gid=_DRAWN)
            ax.plot(x, means, **style, markersize=7, gid=_DRAWN)
            highest = max(highest, spans.max())
    if copying is not None:
        ax.axhline(copying, **COPYING, linewidth=2, gid=_DRAWN)
        handles["copying the last value"] = Line2D([], [], **COPYING, linewidth=2)
    if chosen is not None:
        ax.plot(*chosen, **CHOSEN, **_RING, markersize=15, markeredgewidth=2, gid=_DRAWN)
    handles["recommended"] = Line2D([], [], **CHOSEN, **_RING, markersize=10)
    _frame_steps(ax, longest, 1.12 * highest or 1.0, ylabel)
    mark(steps, ax=ax)
    return ax if copying is None else _legend(ax, **handles)


def _finite(values):
    """Return the values of each window length, shortest first, without what is not finite."""
    arrays = {
        n: check_array(each, "values", ("seeds",), finite=False) for n, each in values.items()
    }
    return {n: arrays[n] for n in sorted(arrays) if np.isfinite(arrays[n]).all()}


def _frame_steps(ax, longest, top, ylabel):
    right = 1.35 * max(longest, 2)
    if ax.get_xscale() != "log" or ax.get_xlim()[1] != right:  # once: ticks take time
        ax.set_xscale("log", base=2)
        ax.set_xlim(0.75, right)
        ticks = 2 ** np.arange(int(np.log2(longest)) + 1)
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
    ax.set_ylim(0, top)
    ax.set_xlabel("steps (timesteps in a window)", fontsize=_FONT)
    ax.set_ylabel(plain(ylabel), fontsize=_FONT)


def plain(text):
    """Return text that Matplotlib shows as it is, at most 30 characters: no formulas."""
    text = text if len(text) <= 30 else text[:29] + "…"
    return text.replace("$", r"\$")
