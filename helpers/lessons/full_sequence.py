"""What does full length cost? Answers, time, memory and padding in pictures, and the exercises."""

import time
from functools import cache
from typing import NamedTuple

import numpy as np

from helpers import check, plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import (
    Explorer,
    Position,
    labelled_box,
    labelled_buttons,
    labelled_slider,
    plural,
)
from helpers.models import build_rnn
from helpers.training import epoch_mebibytes
from helpers.windows import bucket_by_length, length_mask

COST_POSITIONS = [
    Position(
        "everything at once",
        "One update holds every timestep of the batch, and the loop reads them in turn.",
        {"layout": "full length", "batch": "large"},
    ),
    Position(
        "fewer rows",
        "Fewer rows, and memory in proportion. Gradient reaches as far as before; the loop makes "
        "more turns.",
        {"layout": "full length", "batch": "small"},
    ),
    Position(
        "window by window",
        "The memory of one window, and as many turns as full length. The state crosses the "
        "borders, gradient does not.",
        {"layout": "windows in turn", "batch": "large"},
    ),
    Position(
        "all windows at once",
        "The fewest turns. But all rows share one update: as many timesteps at once, and about as "
        "much memory, as at full length.",
        {"layout": "side by side", "batch": "large"},
    ),
]
PADDING_POSITIONS = [
    Position(
        "one batch", "Everything is padded to the longest.", {"n_batches": 1, "ordered": True}
    ),
    Position(
        "nine, shuffled",
        "Almost every batch has one long utterance, and all the others are padded to it.",
        {"n_batches": 9, "ordered": False},
    ),
    Position(
        "nine buckets",
        "As many batches, sorted by length first: hardly any padding, and fewer turns.",
        {"n_batches": 9, "ordered": True},
    ),
]

_UNITS = 32  # of the LSTM that is measured
_BATCHES = {"large": {}, "small": {"alpha": 0.45}}
_LAYOUTS = {
    "full length": plots.TRUTH,
    "windows in turn": plots.CARRIED,
    "side by side": plots.RESET,
}


def seconds(function, *arguments):
    """Return the seconds that a call takes: the best of five or more, after one that prepares.

    The calls go on for a second, so that a machine that is busy for a moment changes little.
    """
    if not callable(function):
        raise TypeError(f"`function` must be a function. Received: {type(function).__name__}.")
    function(*arguments)
    durations, end = [], time.perf_counter() + 1.0
    while len(durations) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        function(*arguments)
        durations.append(time.perf_counter() - start)
    return round(min(durations), 3)


def show_answers(lengths, alone, ways):
    """Show what each way of reading a batch answers, beside what each sequence gets alone.

    Parameters
    ----------
    lengths : sequence of int
        Timesteps of each sequence.
    alone : (batch, 1) array
        The answer to each sequence alone.
    ways : dict
        Name to answers (batch, 1), for one to three ways.
    """
    lengths = check.lengths(lengths)
    if not isinstance(ways, dict) or not 1 <= len(ways) <= 3:
        raise TypeError(
            f"`ways` must be a dictionary of one to three names to answers. Received: {ways!r}."
        )
    alone = _answers("alone", alone, len(lengths))
    ways = {name: _answers(f"ways[{name!r}]", way, len(lengths)) for name, way in ways.items()}
    (ax,) = plots.new_axes(height=3.6)

    def draw():
        _plot_answers(lengths, alone, ways, ax)
        off = [f"{name}: {np.abs(values - alone).max():.2f}" for name, values in ways.items()]
        return f"Largest difference from each sequence alone. {'; '.join(off)}."

    return Explorer(ax.figure, {}, draw)


def _answers(name, values, batch):
    values = check.array(values, name, ("batch", "outputs"))
    if values.shape != (batch, 1):
        raise ValueError(
            f"`{name}` must have one answer for each of the {batch} sequences: ({batch}, 1). "
            f"Received: shape {values.shape}."
        )
    return values[:, 0]


def _plot_answers(lengths, alone, ways, ax):
    plots.fresh_axes(ax)
    position, width = np.arange(len(lengths)), 0.8 / len(ways)
    styles = dict(zip(ways, (plots.PADDED, plots.REAL, plots.STATE), strict=False))
    for i, (name, values) in enumerate(ways.items()):
        plots.add_rectangles(ax, position - 0.4 + i * width, 0.0, width, values, styles[name])
    ax.hlines(
        alone, position - 0.46, position + 0.46, colors="black", linewidths=3, gid=plots.DRAWN
    )
    ax.axhline(0, color="#222222", linewidth=1, gid=plots.DRAWN)
    everything = np.concatenate([[0.0], alone, *ways.values()])
    margin = 0.1 * np.ptp(everything)
    ax.set_xlim(-0.6, len(lengths) - 0.4)
    ax.set_ylim(everything.min() - margin, everything.max() + margin)
    ax.set_xticks(position, [f"{length} {plural('timestep', length)}" for length in lengths])
    ax.set_ylabel("answer", fontsize=plots.FONT)
    plots.add_legend(ax, **styles, alone=plots.TRUTH | {"linewidth": 3})


class Cost(NamedTuple):
    """What training asks for.

    The `layout` of the data, the `batch`, large or small, with its `rows`; the `timesteps` of an
    update, the `turns` of the loop in an epoch, one after another, and `mebibytes` of memory.
    """

    layout: str
    batch: str
    rows: int
    timesteps: int
    turns: int
    mebibytes: float


def measure_costs(series, *, steps, batch_size):
    """Measure what training an `LSTM(32)` takes in three layouts, each in a large and small batch.

    Full length, windows of `steps` in turn with the state carried, and the same windows side by
    side as rows of their own. Prints a line as each is done.

    Parameters
    ----------
    series : (batch, timesteps, features) array
    steps : int
    batch_size : int
        Rows of a small batch at full length and in turn; it must divide the rows of `series`.
        The small batch side by side has as many rows as `series`.

    Returns
    -------
    list of Cost
        Turns are counted. Memory is what the compiler sets aside for one batch: data, weights,
        and all that backpropagation keeps of a window.
    """
    series = check.array(series, "series", ("batch", "timesteps", "features"))
    rows, timesteps, features = series.shape
    steps = check.steps(steps, timesteps)
    batch_size = check.whole_number("batch_size", batch_size, maximum=rows)
    if rows % batch_size:
        raise ValueError(
            f"`batch_size` must divide the {rows} rows of `series`, so that all batches are equal. "
            f"Received: batch_size={batch_size}."
        )
    n_windows = -(-timesteps // steps)
    shapes = (1, rows, timesteps), (n_windows, rows, steps), (1, n_windows * rows, steps)
    smalls = batch_size, batch_size, rows
    costs = []
    for layout, (n, large, length), small in zip(_LAYOUTS, shapes, smalls, strict=True):
        for batch, size in zip(_BATCHES, (large, small), strict=True):
            mebibytes = _mebibytes(n, size, length, features)
            turns = large // size * n * length
            costs.append(Cost(layout, batch, size, size * length, turns, mebibytes))
            print(f"measured: {layout}, {size} {plural('row', size)} at a time", flush=True)
    return costs


@cache  # TensorFlow keeps what it compiles
def _mebibytes(n_windows, rows, steps, features):
    model = build_rnn(_UNITS, features=features)
    model.compile("adam", "mse")
    windows = np.zeros((n_windows, rows, steps, features), "float32")
    return epoch_mebibytes(model, windows, windows[..., :1])


def explore_cost(costs, *, positions=()):
    """Choose a layout and a batch and read how many turns and how much memory training takes.

    `costs` is the list of `Cost` that `measure_costs` returns.
    """
    costs = check.listed("costs", costs, "the results of `measure_costs`")
    for i, cost in enumerate(costs):
        if not isinstance(cost, Cost):
            raise TypeError(
                f"`costs[{i}]` must be a Cost, as `measure_costs` gives it. Received: {cost!r}."
            )
    found = {(cost.layout, cost.batch): cost for cost in costs}
    missing = [(a, b) for a in _LAYOUTS for b in _BATCHES if (a, b) not in found]
    if missing:
        raise ValueError(
            "`costs` must hold every layout and batch, as `measure_costs` gives them. "
            f"Received: costs without {missing[0]}."
        )
    panels = plots.new_axes(2, height=5.4)

    def draw(layout, batch):
        chosen = found[layout, batch]
        _plot_cost(found, "turns", "turns in an epoch", chosen, panels[0])
        _plot_cost(found, "mebibytes", "memory (MiB)", chosen, panels[1])
        return (
            f"{layout.capitalize()}, {chosen.rows} {plural('row', chosen.rows)} at a time: an "
            f"epoch makes {chosen.turns:,} turns, one after another. An update holds "
            f"{chosen.timesteps:,} timesteps and takes {chosen.mebibytes:.1f} MiB."
        )

    controls = {
        "layout": labelled_buttons("layout", list(_LAYOUTS)),
        "batch": labelled_buttons("batch", list(_BATCHES)),
    }
    return Explorer(panels[0].figure, controls, draw, positions=positions)


def _plot_cost(found, quantity, ylabel, chosen, ax):
    """Draw a bar for each layout and batch, its value above it, and a mark over the chosen."""
    plots.fresh_axes(ax)
    values = [getattr(cost, quantity) for cost in found.values()]
    top = max(values)
    for (layout, batch), value in zip(found, values, strict=True):
        left = list(_LAYOUTS).index(layout) + (0.02 if batch == "small" else -0.38)
        style = {"facecolor": _LAYOUTS[layout]["color"], "edgecolor": "white", "label": ylabel}
        style |= _BATCHES[batch]
        plots.add_rectangles(ax, [left], 0.0, 0.36, value, style)
        words, middle = f"{value:,}" if quantity == "turns" else f"{value:.1f}", left + 0.18
        ax.text(middle, value + 0.02 * top, words, ha="center", va="bottom", gid=plots.DRAWN)
        if found[layout, batch] is chosen:
            ax.plot([middle], [value + 0.24 * top], **plots.CHOSEN, markersize=9, gid=plots.DRAWN)
    ax.set(xlim=(-0.6, len(_LAYOUTS) - 0.4), ylim=(0, 1.4 * top))
    ax.fmt_xdata = lambda x: f"{list(_LAYOUTS)[round(x)]}, {'large' if x < round(x) else 'small'}"
    ax.set_ylabel(ylabel, fontsize=plots.FONT)
    ticks = [i + at for i in range(len(_LAYOUTS)) for at in (-0.2, 0.0, 0.2)]
    labels = [word for layout in _LAYOUTS for word in ("large", f"\n{layout}", "small")]
    ax.set_xticks(ticks, labels)
    ax.tick_params(axis="x", length=0)


def explore_padding(lengths, *, positions=()):
    """Move the number of batches, sort by length or not, and see how much is padding.

    Without sorting, the sequences are shuffled, the same way each time. `lengths` are the
    timesteps of each sequence.
    """
    lengths = check.lengths(lengths)
    shuffled = np.random.default_rng(0).permutation(len(lengths))
    (ax,) = plots.new_axes(height=3.6)

    def draw(n_batches, ordered):
        batches = bucket_by_length(lengths, n_batches)
        if not ordered:
            batches = np.array_split(shuffled, n_batches)
        _plot_padding(lengths, batches, ax)
        turns = sum(lengths[rows].max() for rows in batches)
        cells = sum(len(rows) * lengths[rows].max() for rows in batches)
        return (
            f"{n_batches} {'batch' if n_batches == 1 else 'batches'}, "
            f"{'sorted by length' if ordered else 'shuffled'}: {lengths.sum():,} real timesteps "
            f"in {cells:,} computed ones, so {1 - lengths.sum() / cells:.0%} of the work is "
            f"padding. An epoch makes {turns} {plural('turn', turns)}."
        )

    controls = {
        "n_batches": labelled_slider("batches", 1, 1, min(12, len(lengths))),
        "ordered": labelled_box("sort by length", True),
    }
    return Explorer(ax.figure, controls, draw, positions=positions)


def _plot_padding(lengths, batches, ax):
    """Draw every sequence as one line: its real timesteps, then its padding."""
    order = np.concatenate([rows[np.argsort(lengths[rows])] for rows in batches])
    padded = np.repeat([lengths[rows].max() for rows in batches], [len(rows) for rows in batches])
    position, edges = np.arange(len(order)), np.cumsum([len(rows) for rows in batches])
    plots.fresh_axes(ax)
    real = plots.REAL | {"step": "mid", "gid": plots.DRAWN}
    hatched = plots.PADDED | {"step": "mid", "gid": plots.DRAWN, "linewidth": 0}
    ax.fill_between(position, 0, lengths[order], **real).numbers = position, lengths[order]
    padding = ax.fill_between(position, lengths[order], padded, **hatched)
    padding.numbers = position, padded - lengths[order]
    plots.add_borders(ax, edges[:-1] - 0.5, -0.5, lengths.max() - 0.5)
    ax.set_xlim(-0.5, len(order) - 0.5)
    ax.set_ylim(0, lengths.max() * 1.25)
    ax.set_xlabel("sequence, batch by batch", fontsize=plots.FONT)
    ax.set_ylabel("timesteps", fontsize=plots.FONT)
    plots.add_legend(ax, real=plots.REAL, padded=plots.PADDED, **{"next batch": plots.BORDER})


@feedback
def check_padding_share(function):
    """Say whether `function(lengths)` is the share of padding in a batch."""
    for lengths in ([7, 12, 4], [1, 9, 2, 30], [5, 5]):
        answer = answer_of(function, list(lengths))
        if np.ndim(answer) or np.asarray(answer).dtype.kind not in "iuf":
            raise AnswerError(f"Not yet: one number is wanted, yours is {answer!r}.")
        real = float(length_mask(lengths, max(lengths)).mean())
        if np.isclose(answer, 1 - real):
            continue
        hints = {
            real: "That is the share of real timesteps.",
            100 * (1 - real): "That is in percent: a share goes from 0 to 1.",
            1 / real - 1: "That is padding against real timesteps; divide by all of the batch.",
            len(lengths) * max(lengths) - sum(lengths): "That counts the padding; of how many?",
        }
        fits = [hint for value, hint in hints.items() if np.isclose(answer, value)]
        general = "How many timesteps has the padded batch in all, and how many of them are real?"
        raise AnswerError(
            f"Not yet: for lengths of {lengths} yours is {float(answer):.4g}. {[*fits, general][0]}"
        )


@feedback
def check_predict_in_buckets(function):
    """Say whether `function(predict, sequences, n_buckets)` answers in the sequences' order."""
    rng = np.random.default_rng(30)
    sequences = [rng.normal(size=(timesteps, 2)) for timesteps in (9, 2, 5, 3, 8, 2)]
    expected = [(sequence + 1).sum() for sequence in sequences]  # padding, too, would add to it
    for n_buckets, needed in ((3, 34), (1, 54)):
        calls = []

        def predict(inputs, mask=None, calls=calls):
            calls.append((np.shape(inputs), mask is not None))
            real = np.ones(np.shape(inputs)[:-1], bool) if mask is None else np.asarray(mask)
            return np.where(real[..., None], np.asarray(inputs) + 1, 0.0).sum(axis=(-2, -1))

        try:
            answer = answer_of(function, predict, sequences, n_buckets)
        except AnswerError as problem:
            raise AnswerError(_why_it_raised(str(problem), calls)) from None
        _check_calls(calls, n_buckets, needed)
        _check_order(answer, expected)


def _why_it_raised(words, calls):
    if "inhomogeneous" in words:
        return "Not yet: `predict` takes two things: `inputs, mask = pad_batch(…)`."
    if "`lengths`" in words:
        return "Not yet: `bucket_by_length` takes lengths: `[len(s) for s in sequences]`."
    if "scalar index" in words or "list indices" in words:
        if calls:  # the sequences were read: the results are what was indexed
            return "Not yet: a list takes one index at a time; use `np.empty(len(sequences))`."
        return (
            "Not yet: `sequences` is a list, and takes one index at a time: "
            "`[sequences[row] for row in rows]`."
        )
    return _wrong_axes(calls) or words


def _wrong_axes(calls):
    for shape, _ in calls:
        if len(shape) != 3:
            return (
                f"Not yet: `predict` got inputs of shape {shape}. Give it what `pad_batch` "
                "returns as it is: (rows, timesteps, features)."
            )
    return ""


def _check_calls(calls, n_buckets, needed):
    """Raise where predict was not called once a bucket, with the bucket's own padding and mask."""
    if _wrong_axes(calls):
        raise AnswerError(_wrong_axes(calls))
    if len(calls) != n_buckets:
        raise AnswerError(
            f"Not yet: n_buckets={n_buckets}, and `predict` was called {len(calls)} "
            f"{plural('time', len(calls))}. Call it once for each bucket."
        )
    if not all(masked for _, masked in calls):
        raise AnswerError("Not yet: give `predict` the mask, too, or it reads the padding.")
    computed = sum(rows * timesteps for (rows, timesteps, _), _ in calls)
    if computed > needed:
        raise AnswerError(
            f"Not yet: {computed} timesteps computed, {needed} are enough. Sort by length, and pad "
            "each bucket to its own longest."
        )


def _check_order(answer, expected):
    if np.shape(answer) != np.shape(expected):
        raise AnswerError(
            f"Not yet: one number for each of the {len(expected)} sequences is wanted; yours has "
            f"the shape {np.shape(answer)}."
        )
    if not np.allclose(answer, expected):
        if np.allclose(np.sort(answer), np.sort(expected)):
            raise AnswerError(
                "Not yet: the right numbers in the order of the buckets. A bucket's indices say "
                "where its results belong."
            )
        raise AnswerError("Not yet: other numbers than each sequence gets alone.")
