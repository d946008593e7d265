"""What does full length cost? Time, memory and padding of an epoch, and the exercises."""

import time
from typing import NamedTuple

import numpy as np

from helpers import plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import Explorer, labelled_selection, labelled_slider, plural
from helpers.models import build_rnn
from helpers.training import epoch_mebibytes, train_windows
from helpers.validation import (
    check_flag,
    check_lengths,
    check_list,
    check_sequences,
    check_whole_number,
)
from helpers.windows import bucket_by_length, length_mask, split_windows


class Cost(NamedTuple):
    """One training epoch in windows of `steps`: median `seconds`, and `mebibytes` of memory."""

    steps: int
    seconds: float
    mebibytes: float


def measure_costs(sequences, steps, *, units=32, masked=True, progress=lambda done: None):
    """Measure a training epoch of an `LSTM` over windows, for each window length.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    steps : sequence of int
        Window lengths; one as long as the longest sequence is a full-length pass.
    units : int
    masked : bool
        Train with the windows' mask, or without one, with padding as data.
    progress : callable
        Called with the number of window lengths measured so far.

    Returns
    -------
    list of Cost
        In the order of `steps`. Time is the median of three epochs, without compiling. Memory is
        what the compiler sets aside for the epoch: data, weights, and all that backpropagation
        keeps of a window.
    """
    sequences = check_sequences(sequences)
    units = check_whole_number("units", units)
    masked = check_flag("masked", masked)
    if not callable(progress):
        raise TypeError(
            "`progress` must be a function of the number of window lengths measured so far. "
            f"Received: progress={progress!r}."
        )
    steps = check_list("steps", steps, "window lengths, such as [5, 10]")
    batches = [split_windows(sequences, n) for n in steps]
    costs = []
    for windows in batches:
        costs.append(_measure(windows, units, masked))
        progress(len(costs))
    return costs


def _measure(windows, units, masked):
    model = build_rnn(units, features=windows.inputs.shape[-1])
    model.compile("adam", "mse")
    targets = np.zeros((*windows.mask.shape, 1), "float32")
    mask = windows.mask if masked else None
    train_windows(model, windows.inputs, targets, mask=mask)  # compiles
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        train_windows(model, windows.inputs, targets, mask=mask)
        durations.append(time.perf_counter() - start)
    mebibytes = epoch_mebibytes(model, windows.inputs, targets, mask=mask)
    return Cost(windows.inputs.shape[2], float(np.median(durations)), mebibytes)


def explore_cost(costs):
    """Move `steps` and read what one epoch costs in time and memory, beside the longest.

    Parameters
    ----------
    costs : list of Cost
        What `measure_costs` measured on this machine.
    """
    costs = check_list("costs", costs, "the results of `measure_costs`")
    for i, cost in enumerate(costs):
        if not isinstance(cost, Cost):
            raise TypeError(
                f"`costs[{i}]` must be a Cost, as `measure_costs` gives it. Received: {cost!r}."
            )
    costs = sorted(costs, key=lambda cost: cost.steps)
    steps = np.array([cost.steps for cost in costs])
    milliseconds = np.array([1000 * cost.seconds for cost in costs])
    mebibytes = np.array([cost.mebibytes for cost in costs])
    panels = plots.new_axes(2, height=5.0)

    def draw(chosen):
        for ax, values, ylabel in zip(
            panels, (milliseconds, mebibytes), ("time (ms an epoch)", "memory (MiB)"), strict=True
        ):
            at = slice(chosen, chosen + 1)
            plots.plot_lines(
                {
                    "measured": (steps, values, plots.CARRIED),
                    "chosen": (steps[at], values[at], plots.CHOSEN),
                },
                xlabel="steps",
                ylabel=ylabel,
                ax=ax,
            )
            ax.set_ylim(0, 1.15 * values.max())
        return (
            f"steps = {steps[chosen]}: {milliseconds[chosen]:,.1f} ms an epoch and "
            f"{mebibytes[chosen]:.1f} MiB. The longest windows measured, steps = {steps[-1]}: "
            f"{milliseconds[-1]:,.1f} ms and {mebibytes[-1]:.1f} MiB."
        )

    options = [(str(n), i) for i, n in enumerate(steps)]
    slider = labelled_selection("steps", options, len(steps) - 1)
    return Explorer(panels[0].figure, {"chosen": slider}, draw)


def explore_padding(lengths, *, n_buckets=1):
    """Move the number of buckets and see how much of a data set is padding.

    Parameters
    ----------
    lengths : sequence of int
        Timesteps of each sequence.
    n_buckets : int
        Where the slider starts, 1 to 12.
    """
    lengths = check_lengths(lengths)
    (ax,) = plots.new_axes(height=3.6)

    def draw(n_buckets):
        buckets = bucket_by_length(lengths, n_buckets)
        _plot_padding(lengths, buckets, ax)
        cells = sum(len(bucket) * lengths[bucket].max() for bucket in buckets)
        return (
            f"{n_buckets} {plural('bucket', n_buckets)}: {lengths.sum()} real timesteps in "
            f"{cells} computed ones, so {1 - lengths.sum() / cells:.0%} of the work is padding."
        )

    slider = labelled_slider("buckets", n_buckets, 1, min(12, len(lengths)))
    return Explorer(ax.figure, {"n_buckets": slider}, draw)


def _plot_padding(lengths, buckets, ax):
    """Draw every sequence as one line: its real timesteps, then its padding."""
    order = np.concatenate([bucket[np.argsort(lengths[bucket])] for bucket in buckets])
    padded = np.repeat([lengths[bucket].max() for bucket in buckets], [len(b) for b in buckets])
    position, edges = np.arange(len(order)), np.cumsum([len(bucket) for bucket in buckets])
    plots.fresh_axes(ax)
    real = {"color": plots.REAL["facecolor"], "step": "mid", "gid": plots.DRAWN}
    hatched = plots.PADDED | {"step": "mid", "gid": plots.DRAWN, "linewidth": 0}
    ax.fill_between(position, 0, lengths[order], **real)
    ax.fill_between(position, lengths[order], padded, **hatched)
    plots.add_borders(ax, edges[:-1] - 0.5, -0.5, lengths.max() - 0.5)
    ax.set_xlim(-0.5, len(order) - 0.5)
    ax.set_ylim(0, lengths.max() * 1.25)
    ax.set_xlabel("sequence, sorted by length", fontsize=plots.FONT)
    ax.set_ylabel("timesteps", fontsize=plots.FONT)
    plots.add_legend(ax, real=plots.REAL, padded=plots.PADDED, bucket=plots.BORDER)


@feedback
def check_padding_share(function):
    """Say whether `function(lengths)` is the share of padding in a batch."""
    for lengths in ([7, 12, 4], [5, 5], [1, 9, 2, 30]):
        answer = answer_of(function, list(lengths))
        if np.ndim(answer) or not np.isclose(answer, 1 - length_mask(lengths, max(lengths)).mean()):
            raise AnswerError(
                f"Not yet: for lengths of {lengths} yours is {answer!r}. How many timesteps has "
                "the padded batch in all, and how many of them are real?",
            )


@feedback
def check_predict_in_buckets(function):
    """Say whether `function(predict, sequences, n_buckets)` answers in the sequences' order."""
    rng = np.random.default_rng(30)
    sequences = [rng.normal(size=(timesteps, 2)) for timesteps in (9, 2, 5, 3, 8, 2)]
    computed = []

    def predict(inputs, mask):
        computed.append(np.shape(mask))
        return np.where(mask[..., None], inputs, 0.0).sum(axis=(1, 2))

    for n_buckets in (3, 1):
        computed.clear()
        answer = answer_of(function, predict, sequences, n_buckets)
        if (
            len(computed) != n_buckets
            or sum(np.prod(shape) for shape in computed) > {3: 34, 1: 54}[n_buckets]
        ):
            raise AnswerError("Not yet: pad each bucket for itself, and call predict once for it.")
        expected = [sequence.sum() for sequence in sequences]
        if np.shape(answer) != (6,) or not np.allclose(answer, expected):
            raise AnswerError("Not yet: a bucket's indices say where its results belong.")
