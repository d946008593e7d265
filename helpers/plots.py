"""Palette, drawing kit, and the pictures that several lessons use: arrays in, Axes out.

Every picture draws on `ax`, or on a new figure where `ax` is None, and returns the Axes. What was
drawn there before is replaced, which is how an explorer moves without a new figure.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from helpers import check
from helpers.windows import as_rows

# One colour for each meaning, apart for colour-blind readers (after Okabe and Ito, 2008), a second
# cue beside it, and a line or an edge that stands out from the paper by 4.5 to 1.
CARRIED = {"color": "#0072B2", "linestyle": "-", "marker": "o"}
RESET = {"color": "#B85000", "linestyle": "--", "marker": "s"}
CHOSEN = {"color": "#000000", "linestyle": "", "marker": "D"}
TRUTH = {"color": "#000000", "linestyle": "-", "marker": ""}
REAL = {"facecolor": "#56B4E9", "edgecolor": "#1F6F9F"}
PADDED = {"facecolor": "#E6E6E6", "edgecolor": "#707070", "hatch": "////"}
STATE = {"facecolor": CARRIED["color"], "edgecolor": "white"}
GRADIENT = {"facecolor": "#CC79A7", "edgecolor": "#8F3F6F", "hatch": ".."}
HATCHED = {"facecolor": "none", "edgecolor": "#555555", "hatch": "//"}  # padding over states
BORDER = {"color": "#222222", "linewidth": 2.0}

FONT = 12
DRAWN = "drawn by helpers"  # the gid of what the next drawing replaces
_DECADES = 4  # `plot_reach` shows effects down to 10 ** -_DECADES of the largest


def new_axes(rows=1, *, height=3.2, ratios=None):
    """Return a list of Axes in one column, on a figure of its own outside pyplot.

    The figure is 8 inches wide and `height` inches high; `ratios` are the heights of the rows,
    relative to one another.
    """
    figure = Figure(figsize=(8.0, height), dpi=100, layout="constrained", facecolor="white")
    axes = figure.subplots(rows, 1, squeeze=False, height_ratios=ratios)[:, 0]
    for ax in axes:
        ax.tick_params(labelsize=FONT - 1)
        ax.spines[["top", "right"]].set_visible(False)
    return list(axes)


def drawn_artists(figure):
    """Return what was drawn in the figure with this kit, without axes and legends."""
    artists = [artist for ax in figure.axes for artist in ax.get_children()]
    return [artist for artist in artists if artist.get_gid() == DRAWN]


def fresh_axes(ax):
    """Return `ax` without what an earlier drawing left on it, or a new Axes."""
    if ax is None:
        (ax,) = new_axes()
    if not isinstance(ax, Axes):
        raise TypeError(
            "`ax` must be Matplotlib Axes, or None for a new figure. "
            f"Received: {type(ax).__name__}. `new_axes()` and `plt.subplots()` make them."
        )
    for artist in ax.get_children():
        if artist.get_gid() == DRAWN:
            artist.remove()
    return ax


def add_cells(ax, where, style):
    """Add a unit square at (timestep, row) for each True entry of (rows, timesteps)."""
    row, column = np.nonzero(where)
    add_rectangles(ax, column - 0.5, row - 0.45, 1.0, 0.9, style)


def add_rectangles(ax, left, bottom, width, height, style):
    """Add rectangles in one style; each argument is a number or one for each rectangle."""
    left, bottom, width, height = np.broadcast_arrays(*np.atleast_1d(left, bottom, width, height))
    right, top = left + width, bottom + height
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    vertices = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    # One path for all: a hatch is then laid out once, not for every rectangle.
    path = Path.make_compound_path_from_polys(vertices)
    ax.add_patch(PathPatch(path, **style, gid=DRAWN, linewidth=0.8))


def add_borders(ax, positions, bottom, top):
    """Add the borders between windows, from `bottom` to `top`."""
    ax.vlines(positions, bottom, top, **BORDER, gid=DRAWN)


def add_position(ax, x):
    """Add a vertical line at the x that a slider stands at."""
    ax.axvline(x, color="#666666", linewidth=1, linestyle=(0, (1, 1)), gid=DRAWN)


def frame_timesteps(ax, timesteps, ylabel, *, ylim):
    """Set the limits and labels of a picture whose x axis counts timesteps."""
    ax.set_xlim(-0.5, timesteps - 0.5)
    ax.set_ylim(*ylim)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("timestep", fontsize=FONT)
    ax.set_ylabel(ylabel, fontsize=FONT)


def add_legend(ax, **styles):
    """Put the legend of these styles above the picture, once for each set; return `ax`."""
    legend = ax.get_legend()
    if legend is None or [text.get_text() for text in legend.get_texts()] != list(styles):
        ax.legend(
            [Patch(**s) if "facecolor" in s else Line2D([], [], **s) for s in styles.values()],
            styles,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=len(styles),
            frameon=False,
            fontsize=FONT - 1,
        )
    return ax


def plot_windows(mask, *, ax=None):
    """Draw a batch cut into windows: real and padded timesteps, and the borders between windows.

    `mask` is (n_windows, batch, steps), as `split_windows` gives it.
    """
    mask = check.as_array("mask", mask)
    mask = check.mask(mask, mask.shape)
    n_windows, batch, steps = check.array(mask.astype(int), "mask", check.WINDOWS).shape
    rows = as_rows(mask)
    ax = fresh_axes(ax)
    add_cells(ax, rows, REAL)
    add_cells(ax, ~rows, PADDED)
    add_borders(ax, np.arange(n_windows + 1) * steps - 0.5, -0.5, batch - 0.5)
    frame_timesteps(ax, n_windows * steps, "row", ylim=(batch - 0.5, -0.5))
    if batch <= 12:
        ax.set_yticks(range(batch))
    return add_legend(ax, real=REAL, padded=PADDED, **{"window border": BORDER})


def plot_states(states, *, steps=None, mask=None, ax=None):
    """Draw the state of one sequence as a heat map over time.

    `states` is (timesteps, units), from -1 to 1: one row of what `trace_states` gives. A border
    stands wherever a window of `steps` ends; what `mask` (timesteps,) calls padding is hatched.
    """
    states = check.array(states, "states", ("timesteps", "units"))
    timesteps, units = states.shape
    mask = check.mask(mask, (timesteps,), ("timesteps",))
    ax = fresh_axes(ax)
    shown = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1, "aspect": "auto"}
    image = ax.imshow(states.T, **shown, label="state h", gid=DRAWN)
    changes = np.flatnonzero(np.diff(mask, prepend=True, append=True))
    start, stop = changes.reshape(-1, 2).T  # of each run of padding
    add_rectangles(ax, start - 0.5, -0.5, stop - start, units, HATCHED)
    _add_window_borders(ax, steps, timesteps, -0.5, units - 0.5)
    frame_timesteps(ax, timesteps, "unit", ylim=(units - 0.5, -0.5))
    scale = f"scale of axes {ax.figure.axes.index(ax)}"
    if scale not in [other.get_gid() for other in ax.figure.axes]:
        bar = ax.figure.colorbar(image, ax=ax, pad=0.02, ticks=(-1, 0, 1))
        bar.set_label("state h", fontsize=FONT)
        bar.ax.set_gid(scale)
    return ax


def plot_reach(state, gradient, *, steps=None, at=None, ax=None):
    """Draw two bands: how far back state reaches, and how far back gradient reaches.

    Both are (timesteps,), as `state_reach` and `gradient_reach` give them, and shown as a share of
    the largest of all, on a logarithmic scale, the second downwards. A border stands wherever a
    window of `steps` ends, a mark at the output's timestep `at`.
    """
    state = check.array(state, "state", ("timesteps",))
    gradient = check.array(gradient, "gradient", ("timesteps",))
    timesteps = len(state)
    if len(gradient) != timesteps:
        raise ValueError(
            f"`gradient` must have the {timesteps} timesteps of `state`. "
            f"Received: {len(gradient)} timesteps."
        )
    ax = fresh_axes(ax)
    position, largest = np.arange(timesteps), max(state.max(), gradient.max())
    up, down = (_log_share(values, largest) for values in (state, gradient))
    for height, style in ((up, STATE), (-down, GRADIENT)):
        add_rectangles(ax, position - 0.5, 0.0, 1.0, height, style)
    ax.axhline(0, color="#222222", linewidth=1, gid=DRAWN)
    bands = {"state": STATE, "gradient": GRADIENT}
    if at is not None:
        at = check.whole_number("at", at, minimum=0, maximum=timesteps - 1)
        ax.plot([at], [0], **CHOSEN, markersize=7, gid=DRAWN)
        bands["output"] = CHOSEN
    bands |= _add_window_borders(ax, steps, timesteps, -1.0, 1.0)
    frame_timesteps(ax, timesteps, "effect on the output\n(log, 100 % = largest)", ylim=(-1.1, 1.1))
    ax.fmt_ydata = _say_share
    ax.set_yticks((-1, -0.5, 0, 0.5, 1), ("100 %", "1 %", "≤ 0.01 %", "1 %", "100 %"))
    return add_legend(ax, **bands)


def plot_lines(lines, *, xlabel, ylabel, ax=None):
    """Draw named lines, each in its style.

    `lines` is a dictionary of label to `(x, y, style)`, with x and y (n,) and a style of this
    module. The labels of the axes give their units.
    """
    ax = fresh_axes(ax)
    for x, y, style in lines.values():
        every = max(1, len(x) // 12)
        ax.plot(x, y, **style, markevery=every, markersize=6, gid=DRAWN)
    ax.relim(visible_only=True)
    ax.autoscale()
    ax.set_xlabel(xlabel, fontsize=FONT)
    ax.set_ylabel(ylabel, fontsize=FONT)
    return add_legend(ax, **{label: style for label, (_, _, style) in lines.items()})


def _add_window_borders(ax, steps, timesteps, bottom, top):
    """Add a border wherever a window of `steps` ends; return what the legend says of it."""
    if steps is None:
        return {}
    steps = check.steps(steps, timesteps)
    add_borders(ax, np.arange(steps, timesteps, steps) - 0.5, bottom, top)
    return {"window border": BORDER}


def _log_share(values, largest):
    """Map values to 0…1: 1 is the largest, 0 is 10 ** -_DECADES of it or less."""
    share = values / max(largest, np.finfo(float).tiny)
    return np.clip(1 + np.log10(np.maximum(share, 10.0**-_DECADES)) / _DECADES, 0, 1)


def _say_share(height):
    """Return in words what `_log_share` mapped to a height."""
    return f"{100 * 10 ** (_DECADES * (abs(height) - 1)):.3g} %" if height else "≤ 0.01 %"
