"""Pictures of a series of any length, of its autocorrelation, and of scenarios compared.

Each draws on Axes anew, and trusts the explorer that calls it.
"""

import numpy as np

from helpers.plots import (
    CARRIED,
    CHOSEN,
    DRAWN,
    FONT,
    REAL,
    RESET,
    TRUTH,
    add_legend,
    add_position,
    add_rectangles,
    fresh_axes,
)

_COPYING = {"color": "#666666", "linestyle": ":", "marker": "", "linewidth": 2}
_RING = {"markerfacecolor": "none", "clip_on": False}
_SPLIT = {"color": "#222222", "linestyle": "--", "linewidth": 1.5}
_MOST = 1000  # points of a line; a longer one is drawn as the band that it fills


def plot_series(ax, values, *, start, split, ylabel):
    """Draw a series; a long one as the band from its lowest to its highest value.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    values : (timesteps,) array
    start : int
        The timestep of the first value.
    split : int or None
        Draw a border before this timestep, where the test part begins.
    ylabel : str
        What the values are, with their unit.
    """
    fresh_axes(ax)
    timesteps = start + np.arange(len(values))
    if len(values) <= 2 * _MOST:
        ax.plot(timesteps, values, **TRUTH, linewidth=1.2, gid=DRAWN)
        styles = {"value": TRUTH}
    else:
        edges = np.linspace(0, len(values), _MOST + 1).astype(int)[:-1]
        low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
        ax.fill_between(timesteps[edges], low, high, color=REAL["facecolor"], gid=DRAWN)
        styles = {"lowest to highest value": {"facecolor": REAL["facecolor"]}}
    if split is not None and timesteps[0] < split <= timesteps[-1]:
        ax.axvline(split - 0.5, **_SPLIT, gid=DRAWN)
        styles["test part begins"] = _SPLIT
    room = 0.05 * max(np.ptp(values), 1e-12 * max(abs(values).max(), 1.0))
    ax.set_xlim(timesteps[0] - 0.5, timesteps[-1] + 0.5)
    ax.set_ylim(values.min() - room, values.max() + room)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("timestep", fontsize=FONT)
    ax.set_ylabel(_plain(ylabel), fontsize=FONT)
    add_legend(ax, **styles)


def plot_autocorrelation(ax, correlation, lag):
    """Draw the autocorrelation by distance, and mark one distance.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    correlation : (lags + 1,) array
        As a column of what `autocorrelation` gives.
    lag : int
        The distance to mark, in timesteps.
    """
    fresh_axes(ax)
    add_rectangles(ax, np.arange(len(correlation)) - 0.5, 0.0, 1.0, correlation, REAL)
    add_rectangles(ax, lag - 0.5, 0.0, 1.0, correlation[[lag]], {"facecolor": "black"})
    ax.axhline(0, color="#222222", linewidth=1, gid=DRAWN)
    ax.set_xlim(-0.5, len(correlation) - 0.5)
    ax.set_ylim(min(-0.1, 1.1 * correlation.min()), 1.05)
    ax.set_xlabel("distance (timesteps)", fontsize=FONT)
    ax.set_ylabel("autocorrelation", fontsize=FONT)
    add_legend(ax, autocorrelation=REAL, chosen={"facecolor": "black"})


def plot_pairs(ax, before, after, *, ylabel):
    """Draw values against those some timesteps before, a dot for each pair.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    before, after : (pairs,) arrays
        At most a thousand of them are drawn, evenly chosen.
    ylabel : str
        What the values are, with their unit.
    """
    fresh_axes(ax)
    few = slice(None, None, -(-len(before) // _MOST))
    dots = {"linestyle": "", "marker": ".", "color": REAL["facecolor"]}
    ax.plot(before[few], after[few], **dots, gid=DRAWN)
    low, high = min(before.min(), after.min()), max(before.max(), after.max())
    room = 0.05 * max(high - low, 1e-12 * max(abs(low), abs(high), 1.0))
    ax.set(xlim=(low - room, high + room), ylim=(low - room, high + room))
    ax.set_xlabel("value before", fontsize=FONT)
    ax.set_ylabel(_plain(ylabel), fontsize=FONT)


def plot_scenarios(ax, carried, reset, *, ylabel, longest, steps, copying, chosen):
    """Draw a figure of each window length, with state carried and reset: an error, or a cost.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    carried, reset : dict
        Steps to the values of each seed, (seeds,). A line joins their means, a bar spans them.
    ylabel : str
        What the values are, with their unit.
    longest : int
        The longest window there can be.
    steps : int
        Where a slider stands.
    copying : float or None
        The error of copying the last value; without it there is no legend.
    chosen : (int, float) or None
        Steps and value of the scenario to mark.
    """
    fresh_axes(ax)
    tops = [
        _add_measured(ax, values, style) for values, style in ((carried, CARRIED), (reset, RESET))
    ]
    if copying is not None:
        tops.append(copying)
        ax.axhline(copying, **_COPYING, gid=DRAWN)
        _add_names(ax)
    if chosen is not None:
        ax.plot(*chosen, **CHOSEN, **_RING, markersize=15, markeredgewidth=2, gid=DRAWN)
    _frame_steps(ax, longest, 1.12 * max(tops) or 1.0, ylabel)
    add_position(ax, steps)


def _add_measured(ax, measured, style):
    """Add what is finite, shortest window first; return the highest value."""
    measured = {n: each for n, each in sorted(measured.items()) if np.isfinite(each).all()}
    if not measured:
        return 0.0
    x, means = list(measured), [each.mean() for each in measured.values()]
    spans = np.array([(each.min(), each.max()) for each in measured.values()])
    ax.vlines(x, *spans.T, color=style["color"], linewidth=4, alpha=0.4, gid=DRAWN)
    ax.plot(x, means, **style, markersize=7, gid=DRAWN)
    return spans.max()


def _add_names(ax):
    names = {
        "carried": CARRIED,
        "reset": RESET,
        "copying the last value": _COPYING,
        "recommended": CHOSEN | _RING | {"markersize": 10},
    }
    add_legend(ax, **names)


def _frame_steps(ax, longest, top, ylabel):
    right = 1.35 * max(longest, 2)
    if ax.get_xscale() != "log" or ax.get_xlim()[1] != right:  # once: ticks take time
        ax.set_xscale("log", base=2)
        ax.set_xlim(0.75, right)
        ticks = 2 ** np.arange(int(np.log2(longest)) + 1)
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
    ax.set_ylim(0, top)
    ax.set_xlabel("steps (timesteps in a window)", fontsize=FONT)
    ax.set_ylabel(_plain(ylabel), fontsize=FONT)


def _plain(text):
    """Return text that Matplotlib shows as it is, at most 30 characters: no formulas."""
    text = text if len(text) <= 30 else text[:29] + "…"
    return text.replace("$", r"\$")
