"""What a picture shows as a table, read back from what was drawn, so that it says the same.

Columns are what the legend names, or an artist with a label of its own. What ticks do not say of a
place, `ax.fmt_xdata` and `ax.fmt_ydata` do, if whoever draws sets them; an artist whose shape does
not show its numbers has them as `artist.numbers`, (x, y).
"""

from math import ceil

import numpy as np
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

from helpers import plots

_MOST = 60  # rows of a table
_ALL = -np.inf  # the place of what holds for all rows


def numbers_of(figure):
    """Return a table for each Axes: lines of a caption, heads and rows, with tabs between cells."""
    drawn = plots.drawn_artists(figure)
    axes = dict.fromkeys(artist.axes for artist in drawn)
    return "\n\n".join(_table(ax, [a for a in drawn if a.axes is ax]) for ax in axes)


def _table(ax, drawn):
    lanes = ax.yaxis_inverted() and not ax.images  # rows below one another, time across
    down, across = "yx" if lanes else "xy"
    columns, rows, places = {}, {}, {}
    for artist, name in _named(ax, drawn):
        for place, column, values in _marks(ax, artist, name, lanes):
            key = "all" if place == _ALL else _say(ax, down, place)
            places.setdefault(key, place)
            row, columns[column] = rows.setdefault(key, {}), None
            for other in row if isinstance(values, range) else ():  # a box covers what lies below
                row[other] = [value for value in row[other] if value not in values]
            row[column] = [*row.get(column, []), *values]
    columns = [column for column in columns if any(row.get(column) for row in rows.values())]
    unit = _label(ax, across)
    heads = [c if c == unit or ax.images else f"{c}, {unit}" for c in columns]
    every = max(1, ceil(len(rows) / _MOST))
    caption = [image.get_label() for image in ax.images]
    caption += [f"one row of every {every} of {len(rows)}"] if every > 1 else []
    lines = [["; ".join(caption)], [_label(ax, down), *heads]]
    for key in sorted(rows, key=places.get)[::every]:
        cells = [rows[key].get(column, []) for column in columns]
        said = [_runs(c) if lanes else ", ".join(_say(ax, "y", v) for v in c) for c in cells]
        lines.append([key, *said])
    return "\n".join(map("\t".join, lines))


def _named(ax, drawn):
    """Give the artists that have a name: their own, or that of a legend for how they look."""
    names = {}
    for legend in filter(None, (each.get_legend() for each in (*ax.figure.axes, ax))):
        looks = map(_look, legend.legend_handles)
        names |= zip(looks, (text.get_text() for text in legend.get_texts()), strict=True)
    for artist in drawn:
        name = str(artist.get_label())
        name = names.get(_look(artist), "") if name[:1] in ("", "_") else name
        if isinstance(artist, Text) or name:
            yield artist, name


def _look(artist):
    if isinstance(artist, Line2D):
        look = artist.get_color(), artist.get_linestyle(), artist.get_linewidth()
        return *look, artist.get_marker(), artist.get_markerfacecolor()
    face = getattr(artist, "get_facecolor", lambda: None)()
    return face is not None and (*np.ravel(face)[:4], artist.get_hatch())


def _marks(ax, artist, name, lanes):
    """Give where each mark stands, on the axis that rows are for, its column and its values."""
    if isinstance(artist, AxesImage):
        for n, values in enumerate(artist.get_array()):
            yield from ((t, f"{ax.get_ylabel()} {n}", [value]) for t, value in enumerate(values))
    elif isinstance(artist, Text):
        x, y = artist.get_position()
        if lanes and artist.get_ha() == "center" and artist.get_text():
            words = artist.get_text().replace("\n", ", ")
            yield _ALL if y < -0.5 else y, "words", [f"{x:g}: {words}"]
    elif isinstance(artist, PathPatch):
        yield from _boxes(artist, name, lanes, over=ax.images)
    elif isinstance(artist, Line2D) and artist.get_transform() is ax.get_yaxis_transform("grid"):
        yield _ALL, name, artist.get_ydata()[:1]
    elif isinstance(artist, Line2D) or hasattr(artist, "numbers"):
        points = getattr(artist, "numbers", None) or artist.get_data()
        for x, y in zip(*points, strict=True):
            yield (y, name, [int(x)]) if lanes else (x, name, [y])


def _boxes(artist, name, lanes, over):
    """Give the marks of rectangles: runs in rows, timesteps over a heat map, or bars."""
    corners = artist.get_path().vertices.reshape(-1, 5, 2)[:, :4]  # the fifth closes it
    for (x0, y0), (x1, y1) in zip(corners.min(axis=1), corners.max(axis=1), strict=True):
        if lanes:
            yield (y0 + y1) / 2, name, range(ceil(x0), ceil(x1))
        elif over:
            yield from ((t, name, ["yes"]) for t in range(ceil(x0), ceil(x1)))
        elif y0 * y1 == 0:  # a bar stands on 0, or hangs from it
            yield (x0 + x1) / 2, name, [y0 + y1]


def _label(ax, which):
    """Return the label of an axis on one line; that of x may stand at another Axes."""
    axes = (ax, *ax.figure.axes) if which == "x" else (ax,)
    labels = [getattr(each, f"get_{which}label")() for each in axes]
    return next(filter(None, labels), "what").replace("\n", " ")


def _say(ax, which, value):
    """Return a value as the picture says it: by its own words, its ticks' names, or rounded."""
    told, axis = getattr(ax, f"fmt_{which}data"), getattr(ax, f"{which}axis")
    if isinstance(value, str):
        return value
    if told:
        return told(value)
    if isinstance(axis.get_major_formatter(), FuncFormatter):
        ticks = axis.get_majorticklocs()
        return axis.get_major_formatter()(ticks[np.abs(ticks - value).argmin()])
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value + 0.0:.4g}"


def _runs(values):
    """Return whole numbers as runs, "0 to 4, 7"; words stay as they are."""
    if any(isinstance(value, str) for value in values):
        return "; ".join(values)
    numbers = np.unique(np.array(values, int))
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{r[0]}" if len(r) == 1 else f"{r[0]} to {r[-1]}" for r in runs if len(r))
