"""What the steps arguments draw, and which target a forecasting window gets."""

from itertools import chain, cycle, islice
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.explorers.base import LABEL, Explorer, labelled_buttons, labelled_slider, plural
from helpers.plots.arguments import plot_epochs, plot_targets
from helpers.validation import check_choice, check_whole_number
from helpers.windows import sliding_windows

SOURCES = ("array", "dataset", "dataset.repeat()")
CALLS = ("series twice", "as documented", "whole series")


class Epoch(NamedTuple):
    """What one epoch draws: `batches`, a list of row numbers each, and how it ends."""

    batches: list
    ran_out: bool = False
    never_ends: bool = False


def draw_epochs(n_rows, batch_size, *, steps_per_epoch=None, epochs=1, source="array", limit=60):
    """Return the rows that each epoch of `fit` draws, not shuffled.

    It computes what Keras 3.15 does, without Keras; a test compares the two.

    Parameters
    ----------
    n_rows, batch_size : int
    steps_per_epoch : int, optional
        As in `fit`.
    epochs : int
    source : "array", "dataset" or "dataset.repeat()"
        What `fit` is given. A dataset is batched before it is repeated.
    limit : int
        Batches to give of an epoch that never ends.

    Returns
    -------
    list of Epoch
        An epoch that never ends is the last.

    Examples
    --------
    >>> first, second = draw_epochs(5, 2, steps_per_epoch=2, epochs=2)
    >>> first.batches, second.batches, second.ran_out
    ([[0, 1], [2, 3]], [[4]], True)
    """
    n_rows = check_whole_number("n_rows", n_rows)
    batch_size = check_whole_number("batch_size", batch_size)
    epochs = check_whole_number("epochs", epochs)
    limit = check_whole_number("limit", limit)
    check_choice("source", source, SOURCES)
    if steps_per_epoch is not None:
        steps_per_epoch = check_whole_number("steps_per_epoch", steps_per_epoch)
    rows = list(range(n_rows))
    batches = [rows[start : start + batch_size] for start in range(0, n_rows, batch_size)]
    if source == "dataset.repeat()":
        endless = cycle(batches)
        if steps_per_epoch is None:
            return [Epoch(list(islice(endless, limit)), never_ends=True)]
        return [Epoch(list(islice(endless, steps_per_epoch))) for _ in range(epochs)]
    return _draw_finite(batches, steps_per_epoch or len(batches), epochs)


def _draw_finite(batches, steps_per_epoch, epochs):
    drawn, start = [], 0
    for _ in range(epochs):
        taken = batches[start : start + steps_per_epoch]
        drawn.append(Epoch(taken, ran_out=len(taken) < steps_per_epoch))
        start = (start + len(taken)) % len(batches)
    return drawn


def explore_epochs(n_rows=10, *, batch_size=4, steps_per_epoch=2, epochs=4):
    """Move rows, batch size, `steps_per_epoch` and epochs, and see which rows each epoch draws.

    Parameters
    ----------
    n_rows : int
        Where its slider starts, 1 to 16.
    batch_size, epochs : int
        Where their sliders start, 1 to 6.
    steps_per_epoch : int, optional
        Where its slider starts, 1 to 6; not given if None.

    Returns
    -------
    Explorer
    """
    most, most_rows = 6, 16
    if steps_per_epoch is not None:
        steps_per_epoch = check_whole_number("steps_per_epoch", steps_per_epoch, maximum=most)
    (ax,) = plots.new_axes(height=4.4)

    def draw(source, n_rows, batch_size, steps_per_epoch, epochs):
        drawn = draw_epochs(
            n_rows,
            batch_size,
            steps_per_epoch=steps_per_epoch or None,
            epochs=epochs,
            source=source,
        )
        counts = np.zeros((epochs, n_rows), int)
        for count, epoch in zip(counts, drawn, strict=False):
            np.add.at(count, list(chain(*epoch.batches)), 1)
        notes = ["never ends" if e.never_ends else "ran out" if e.ran_out else "" for e in drawn]
        notes += [""] * (epochs - len(notes))
        plot_epochs(counts, batch_size=batch_size, notes=notes, most=(most, most_rows), ax=ax)
        return _describe_epochs(drawn, counts, source, batch_size, steps_per_epoch)

    controls = {
        "source": labelled_buttons("source", SOURCES),
        "n_rows": labelled_slider("rows", n_rows, 1, most_rows),
        "batch_size": labelled_slider("batch_size", batch_size, 1, most),
        "steps_per_epoch": _optional_slider("steps_per_epoch", steps_per_epoch, most),
        "epochs": labelled_slider("epochs", epochs, 1, most),
    }
    return Explorer(ax.figure, controls, draw)


def _describe_epochs(drawn, counts, source, batch_size, steps_per_epoch):
    epochs, n_rows = counts.shape
    given = f"= {steps_per_epoch}" if steps_per_epoch else "not given"
    start = (
        f"{n_rows} {plural('row', n_rows)} in batches of {batch_size} from {source}, "
        f"steps_per_epoch {given}: "
    )
    if drawn[0].never_ends:
        return (
            f"{start}epoch 0 never ends. Counted here up to {len(drawn[0].batches)} batches; "
            f"{epochs - 1} of {epochs} {plural('epoch', epochs)} never begin."
        )
    numbers = ", ".join(str(sum(map(len, epoch.batches))) for epoch in drawn)
    subject = f"the {epochs} epochs draw" if epochs > 1 else "the epoch draws"
    never = n_rows - int(counts.any(axis=0).sum())
    short = sum(epoch.ran_out for epoch in drawn)
    return (
        f"{start}{subject} {numbers} {plural('row', n_rows)}. "
        f"{f'{never} of the rows {_is(never)} never' if never else 'Every row is'} drawn. "
        f"{f'{short} of {epochs}' if short else 'No epoch'} ran out of data."
    )


def _is(count):
    return "is" if count == 1 else "are"


def _optional_slider(label, value, most):
    """Return a slider from "not given" to `most`, and the list that labels it."""
    options = [("not given", 0)] + [(str(n), n) for n in range(1, most + 1)]
    options = {"options": options, "index": value or 0}
    entry = widgets.Dropdown(**options, description=label, style=LABEL, layout={"width": "16em"})
    slider = widgets.SelectionSlider(**options, readout=False, layout={"width": "58%"})
    widgets.link((slider, "index"), (entry, "index"))
    return widgets.HBox([entry, slider])


def pair_targets(timesteps, steps, *, stride=1, horizon=1, call="whole series"):
    """Return where each window of `timeseries_dataset_from_array` starts, and its target.

    It computes what Keras 3.15 does, without Keras; a test compares the two. With
    `shift = steps + horizon - 1`, the calls are

    - "series twice": `(series, series, steps)`
    - "as documented": `(series[:-shift], series[shift:], steps)`
    - "whole series": `(series, series[shift:], steps)`

    Parameters
    ----------
    timesteps : int
        Of the series.
    steps, stride, horizon : int
        As in `helpers.windows.sliding_windows`.
    call : str

    Returns
    -------
    ndarray of int, (n, 2)
        Start and target of each window, as timesteps of the series.

    Examples
    --------
    >>> pair_targets(6, 3).tolist(), pair_targets(6, 3, call="as documented").tolist()
    ([[0, 3], [1, 4], [2, 5]], [[0, 3]])
    """
    timesteps = check_whole_number("timesteps", timesteps)
    steps = check_whole_number("steps", steps)
    stride = check_whole_number("stride", stride)
    horizon = check_whole_number("horizon", horizon)
    check_choice("call", call, CALLS)
    shift = 0 if call == "series twice" else steps + horizon - 1
    length = timesteps - shift if call == "as documented" else timesteps
    n_starts = min(length - steps + 1, timesteps - shift)
    if n_starts < 1:
        raise ValueError(
            f"`timesteps` must leave room for one window of {steps} and its target, {horizon} "
            f"later, in the call {call!r}. Received: timesteps={timesteps}."
        )
    starts = np.arange(0, n_starts, stride)
    return np.stack([starts, starts + shift], axis=1)


def explore_targets(timesteps=20, *, steps=5, stride=1, horizon=1):
    """Move steps, stride and horizon, and see every window beside those that Keras makes.

    Parameters
    ----------
    timesteps : int
        Of the series, at least 10.
    steps, stride, horizon : int
        Where their sliders start.

    Returns
    -------
    Explorer
    """
    timesteps = check_whole_number("timesteps", timesteps, minimum=10)
    series = np.arange(timesteps)[:, None]
    above, below = plots.new_axes(2, height=6.4)

    def draw(call, steps, stride, horizon):
        inputs, targets = sliding_windows(series, steps, stride=stride, horizon=horizon)
        wanted = np.stack([inputs[:, 0, 0], targets[:, 0]], axis=1)
        pairs = pair_targets(timesteps, steps, stride=stride, horizon=horizon, call=call)
        options = {"steps": steps, "timesteps": timesteps, "wanted": wanted}
        plot_targets(wanted, **options, ylabel="every window,\nby its start", ax=above)
        plot_targets(pairs, **options, ylabel="from Keras,\nby its start", ax=below)
        right = int((pairs[:, None] == wanted).all(axis=-1).any(axis=1).sum())
        return (
            f"steps = {steps}, stride = {stride}, horizon = {horizon}: {len(wanted)} "
            f"{plural('window', len(wanted))} and {plural('target', len(wanted))} fit. "
            f"{_code(call, steps, stride, horizon)} makes {len(pairs)} "
            f"{plural('window', len(pairs))}, {right} of them with the right target."
        )

    controls = {
        "call": labelled_buttons("call", CALLS),
        "steps": labelled_slider("steps", steps, 1, 2 * timesteps // 5),
        "stride": labelled_slider("stride", stride, 1, timesteps // 5),
        "horizon": labelled_slider("horizon", horizon, 1, timesteps // 5),
    }
    return Explorer(above.figure, controls, draw)


def _code(call, steps, stride, horizon):
    shift = steps + horizon - 1
    data = f"series[:-{shift}]" if call == "as documented" and shift else "series"
    targets = "series" if call == "series twice" else f"series[{shift}:]"
    return (
        f"timeseries_dataset_from_array({data}, {targets}, sequence_length={steps}, "
        f"sequence_stride={stride})"
    )
