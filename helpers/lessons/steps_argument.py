"""Which rows does an epoch draw? `fit` watched, what its arguments do, and the exercises."""

import warnings
from collections import Counter
from itertools import islice
from typing import NamedTuple

import numpy as np

from helpers import check, plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import (
    Explorer,
    Position,
    labelled_buttons,
    labelled_slider,
    plural,
)
from helpers.quiet import keras, tf
from helpers.windows import sliding_windows

AGAIN = {"facecolor": "#E69F00", "edgecolor": "#7A4B00", "hatch": "xx"}
WRONG = plots.RESET | {"linestyle": "", "marker": "X"}
_MOST, _MOST_ROWS = 6, 16  # epochs, batch sizes and `steps_per_epoch`; rows
_ENDLESS = 60  # batches that stand for an epoch that never ends


_TEN = {"n_rows": 10, "batch_size": 4, "epochs": 4}
_EPOCHS = (
    Position(
        "asked for too much",
        "Every row is drawn, and still every epoch runs out: 4 batches were asked for, and there "
        "are 3.",
        _TEN | {"source": "array", "steps_per_epoch": 4},
    ),
    Position(
        "a round",
        "3 batches are all 10 rows, so here each epoch is one round through the data.",
        _TEN | {"source": "dataset.repeat()", "steps_per_epoch": 3},
    ),
    Position(
        "not given",
        "Epoch 0 draws every row again and again. Epoch 1 never begins.",
        _TEN | {"source": "dataset.repeat()", "steps_per_epoch": 0},
    ),
)
_FIVE = {"steps": 5, "stride": 1, "horizon": 1}
_CALLS = (
    Position(
        "series twice",
        "Each window's target is its own first value. No model is needed for that.",
        _FIVE | {"call": "series twice"},
    ),
    Position(
        "as documented",
        "Every target is right, and the last steps - 1 = 4 windows are missing.",
        _FIVE | {"call": "as documented"},
    ),
    Position(
        "whole series",
        "Below is what stands above.",
        _FIVE | {"call": "whole series"},
    ),
)


class Watched(NamedTuple):
    """What `fit` did: `epochs`, a list of row numbers for each, and the `warnings` it gave."""

    epochs: list
    warnings: list

    def __repr__(self):
        shown = [
            f"epoch {epoch}: {' '.join(map(str, rows)) or 'none'}"
            for epoch, rows in enumerate(self.epochs)
        ]
        said = Counter(words.partition(";")[0].partition(". ")[0] for words in self.warnings)
        shown += [f"Keras warns {n} {plural('time', n)}: {words}" for words, n in said.items()]
        return "\n".join(shown)


def ten_rows():
    """Return x and y for `fit`, (10, 1) each: the target of a row is its number."""
    y = np.arange(10.0)[:, None]
    return y / 10, y


def watch_fit(*data, **options):
    """Fit a small model and write down which rows each epoch draws.

    The target of each row is its own number, and the loss notes the targets it is given.
    Rows of validation data are noted too, in the epoch that looks at them.

    `data` is what `fit` takes: `x, y`, or one dataset, generator or PyDataset of batches. x has
    the shape (rows, 1), and so has y, the row numbers. `options` are those of `fit`; rows are not
    shuffled unless `shuffle=True` is among them. Returns `Watched`.

    Examples
    --------
    >>> numbers = np.arange(5.0)[:, None]
    >>> watch_fit(numbers, numbers, batch_size=2, epochs=2).epochs
    [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    """
    _check_data(data)
    epochs = []

    def note(numbers, outputs):
        epochs[-1].extend(numbers.numpy().astype(int).ravel().tolist())
        return keras.losses.mean_squared_error(numbers, outputs)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), note, run_eagerly=True)  # the loss sees numbers
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append([]))
    callbacks = [begin, *options.pop("callbacks", ())]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model.fit(*data, callbacks=callbacks, **{"shuffle": False, "verbose": 0} | options)
    said = [str(warning.message) for warning in caught if warning.category is UserWarning]
    return Watched(epochs, said)


def _check_data(data):
    """Raise unless it is `x, y` or one object that gives batches, which Keras looks into itself."""
    gives = (tf.data.Dataset, keras.utils.PyDataset)
    if len(data) == 1 and (hasattr(data[0], "__next__") or isinstance(data[0], gives)):
        return
    shapes = [check.array(each, "data", ("rows", "1")).shape for each in data]
    if len(shapes) != 2 or shapes[0] != shapes[1] or shapes[0][1] != 1:
        raise ValueError(
            "`data` must be `x, y`, both of shape (rows, 1), or one dataset, generator or "
            f"PyDataset. Received: arrays of shapes {shapes}."
        )


def explore_epochs(n_rows=10, *, batch_size=4, steps_per_epoch=2, epochs=4):
    """Move rows, batch size, `steps_per_epoch` and epochs, and see which rows each epoch draws.

    The arguments say where the sliders start: 1 to 16 rows, 1 to 6 of the others;
    `steps_per_epoch` is not given if None.
    """
    check.whole_number("n_rows", n_rows, maximum=_MOST_ROWS)
    if steps_per_epoch is not None:
        steps_per_epoch = check.whole_number("steps_per_epoch", steps_per_epoch, maximum=_MOST)
    (ax,) = plots.new_axes(height=4.4)

    def draw(source, n_rows, batch_size, steps_per_epoch, epochs):
        counts, ends = _count_rows(source, n_rows, batch_size, steps_per_epoch, epochs)
        _plot_counts(ax, counts, batch_size, ends)
        given = f"= {steps_per_epoch}" if steps_per_epoch else "not given"
        return (
            f"{n_rows} {plural('row', n_rows)} in batches of {batch_size} from {source}, "
            f"steps_per_epoch {given}: {_describe_counts(counts, ends)}"
        )

    choices = [("none", 0), *((str(n), n) for n in range(1, _MOST + 1))]
    controls = {
        "source": labelled_buttons("source", ("array", "dataset", "dataset.repeat()")),
        "n_rows": labelled_slider("rows", n_rows, 1, _MOST_ROWS),
        "batch_size": labelled_slider("batch_size", batch_size, 1, _MOST),
        "steps_per_epoch": labelled_slider(
            "steps_per_epoch", steps_per_epoch or 0, options=choices
        ),
        "epochs": labelled_slider("epochs", epochs, 1, _MOST),
    }
    return Explorer(ax.figure, controls, draw, positions=_EPOCHS)


def _count_rows(source, n_rows, batch_size, steps_per_epoch, epochs):
    """Return how often each epoch draws each row, (epochs, rows), and how each epoch ends.

    It computes what Keras 3.15 does, without Keras, so that the sliders are quick; a test
    compares the two. A `steps_per_epoch` of 0 is not given.
    """
    n_batches = -(-n_rows // batch_size)
    batch_of_row = np.arange(n_rows) // batch_size
    counts, ends, first = np.zeros((epochs, n_rows), int), [""] * epochs, 0
    repeats = source == "dataset.repeat()"
    wanted = steps_per_epoch or (_ENDLESS if repeats else n_batches)
    for epoch in range(epochs):
        taken = wanted if repeats else min(wanted, n_batches - first)
        batches = np.arange(first, first + taken) % n_batches
        counts[epoch] = np.bincount(batches, minlength=n_batches)[batch_of_row]
        if taken < wanted:
            ends[epoch] = "ran out"
        if repeats and not steps_per_epoch:
            ends[epoch] = "never ends"
            break
        first = (first + taken) % n_batches
    return counts, ends


def _describe_counts(counts, ends):
    epochs, n_rows = counts.shape
    if ends[0] == "never ends":
        return (
            f"epoch 0 never ends. Counted here up to {_ENDLESS} batches; "
            f"{epochs - 1} of {epochs} {plural('epoch', epochs)} never begin."
        )
    numbers = ", ".join(str(count) for count in counts.sum(axis=1))
    subject = f"the {epochs} epochs draw" if epochs > 1 else "the epoch draws"
    never = n_rows - np.count_nonzero(counts.any(axis=0))
    seen = f"{never} of the rows {'is' if never == 1 else 'are'} never" if never else "Every row is"
    short = ends.count("ran out")
    return (
        f"{subject} {numbers} {plural('row', n_rows)}. {seen} drawn. "
        f"{f'{short} of {epochs}' if short else 'No epoch'} ran out of data."
    )


def _plot_counts(ax, counts, batch_size, notes):
    """Draw which rows each epoch draws: once, again, or not at all, with a note above each."""
    epochs, n_rows = counts.shape
    plots.fresh_axes(ax)
    plots.add_cells(ax, (counts == 1).T, plots.REAL)
    plots.add_cells(ax, (counts > 1).T, AGAIN)
    plots.add_cells(ax, (counts == 0).T, plots.PADDED)
    edges = np.append(np.arange(0, n_rows, batch_size), n_rows) - 0.5
    ax.hlines(edges, -0.5, epochs - 0.5, **plots.BORDER, gid=plots.DRAWN)
    text = {"ha": "center", "va": "bottom", "fontsize": plots.FONT - 1, "gid": plots.DRAWN}
    for epoch, note in enumerate(notes):
        ax.text(epoch, -0.7, note, **text)
    # Room for the largest picture, so that those of several settings compare.
    ax.set(xlim=(-0.5, _MOST - 0.5), ylim=(_MOST_ROWS - 0.5, -0.5 - 0.12 * _MOST_ROWS))
    ax.set(xticks=range(_MOST), yticks=range(0, _MOST_ROWS, 2))
    ax.set_xlabel("epoch", fontsize=plots.FONT)
    ax.set_ylabel("row", fontsize=plots.FONT)
    styles = {"drawn once": plots.REAL, "drawn again": AGAIN, "not drawn": plots.PADDED}
    plots.add_legend(ax, **styles, batch=plots.BORDER)


def explore_targets(timesteps=20, *, steps=5, stride=1, horizon=1):
    """Move steps, stride and horizon, and see every window beside those that Keras makes.

    The series has `timesteps`, at least 10; the others say where their sliders start.
    """
    timesteps = check.whole_number("timesteps", timesteps, minimum=10, maximum=200)
    series = np.arange(timesteps)[:, None]
    above, below = plots.new_axes(2, height=6.4)

    def draw(call, steps, stride, horizon):
        inputs, targets = sliding_windows(series, steps, stride=stride, horizon=horizon)
        every = np.stack([inputs[:, 0, 0], targets[:, 0]], axis=1)
        made = _pair_targets(call, timesteps, steps, stride, horizon)
        _plot_pairs(above, every, every, steps, timesteps, "every window,\nby its start")
        _plot_pairs(below, made, every, steps, timesteps, "from Keras,\nby its start")
        return (
            f"steps = {steps}, stride = {stride}, horizon = {horizon}: {len(every)} "
            f"{plural('window', len(every))} and {plural('target', len(every))} fit. "
            f"{_code(call, steps, stride, horizon)} makes {len(made)} "
            f"{plural('window', len(made))}, {_are_in(made, every).sum()} of them with the right "
            "target."
        )

    controls = {
        "call": labelled_buttons("call", ("series twice", "as documented", "whole series")),
        "steps": labelled_slider("steps", steps, 1, 2 * timesteps // 5),
        "stride": labelled_slider("stride", stride, 1, timesteps // 5),
        "horizon": labelled_slider("horizon", horizon, 1, timesteps // 5),
    }
    return Explorer(above.figure, controls, draw, positions=_CALLS)


def _pair_targets(call, timesteps, steps, stride, horizon):
    """Return start and target of each window of `timeseries_dataset_from_array`, (n, 2).

    It computes what Keras 3.15 does, without Keras, so that the sliders are quick; a test
    compares the two. `_code` says what is called.
    """
    shift = 0 if call == "series twice" else steps + horizon - 1
    length = timesteps - shift if call == "as documented" else timesteps
    starts = np.arange(0, min(length - steps + 1, timesteps - shift), stride)
    return np.stack([starts, starts + shift], axis=1)


def _code(call, steps, stride, horizon):
    shift = steps + horizon - 1
    data = f"series[:-{shift}]" if call == "as documented" and shift else "series"
    targets = "series" if call == "series twice" else f"series[{shift}:]"
    return (
        f"timeseries_dataset_from_array({data}, {targets}, sequence_length={steps}, "
        f"sequence_stride={stride})"
    )


def _are_in(pairs, others):
    """Return which of the pairs are among the others, (n,)."""
    return (pairs[:, None] == others).all(axis=-1).any(axis=1)


def _plot_pairs(ax, pairs, every, steps, timesteps, ylabel):
    """Draw windows, each in the line of the timestep it starts at, with its target.

    A target that `every` has not is wrong, and a window that only `every` has is dropped.
    """
    plots.fresh_axes(ax)
    starts, right = pairs[:, 0], _are_in(pairs, every)
    dropped = np.setdiff1d(every[:, 0], starts)
    for style, where in ((plots.REAL, starts), (plots.PADDED, dropped)):
        plots.add_rectangles(ax, where - 0.5, where - 0.4, steps, 0.8, style)
    for style, which in ((plots.CHOSEN, right), (WRONG, ~right)):
        ax.plot(pairs[which, 1], starts[which], **style, markersize=7, gid=plots.DRAWN)
    plots.frame_timesteps(ax, timesteps, ylabel, ylim=(timesteps - 0.4, -0.6))
    ax.set_yticks(range(0, timesteps, 1 + (timesteps - 1) // 8))
    targets = {"its target": plots.CHOSEN, "wrong target": WRONG}
    plots.add_legend(ax, window=plots.REAL, dropped=plots.PADDED, **targets)


@feedback
def check_endless(function):
    """Say whether `function(x, batch_size)` gives batches without end, each row once a round."""
    for n_rows, batch_size in ((11, 4), (6, 2), (3, 5)):
        x = np.random.default_rng(40).permutation(n_rows).astype("float32")[:, None]
        of = f"for {n_rows} rows in batches of {batch_size} "
        answer = answer_of(function, x, batch_size, of=of)
        wanted = 3 * -(-n_rows // batch_size) + 1
        batches = _inputs_of(answer_of(_first, answer, wanted, of=of), batch_size)
        end = len(batches) if len(batches) < wanted else _length(answer)
        if end is not None:
            raise AnswerError(f"Not yet: {of}the data end after {end} batches.")
        rows = np.concatenate(batches)[: 2 * n_rows, 0].reshape(2, n_rows)
        if not (np.sort(rows) == np.arange(n_rows)).all():
            raise AnswerError(
                f"Not yet: {of}the first {n_rows} rows drawn are not every row once. Are some "
                "dropped, or is the order mixed over several rounds?",
            )


def _first(dataset, most):
    """Return the first batches only: an endless dataset must not make the check endless."""
    return list(islice(dataset, most))


def _inputs_of(batches, batch_size):
    """Return the batches as arrays, without their targets, if they can be batches of rows."""
    batches = [np.asarray(b[0] if isinstance(b, tuple) else b) for b in batches]
    if any(batch.ndim != 2 or batch.shape[1] != 1 for batch in batches):
        raise AnswerError(
            "Not yet: each batch should have the shape (rows, 1). Is the dataset batched?"
        )
    largest = max(map(len, batches), default=0)
    if largest > batch_size:
        raise AnswerError(f"Not yet: with batch_size={batch_size} a batch holds {largest} rows.")
    return batches


def _length(dataset):
    """Return how many batches there are, or None if they never end or nobody can tell."""
    try:
        return len(dataset)
    except TypeError:
        return None


@feedback
def check_forecast(function):
    """Say whether `function(series, steps, horizon)` gives every window with its target."""
    for timesteps, steps, horizon in ((30, 6, 1), (23, 4, 3), (8, 5, 3), (140, 2, 1)):
        series = np.random.default_rng(41).normal(size=timesteps).cumsum()
        of = f"for {timesteps} timesteps, steps={steps}, horizon={horizon} "
        answer = answer_of(function, series, steps, horizon, of=of)
        found = _pairs(answer, steps, of)
        starts, targets = (_places(series, values) for values in (found[:, 0], found[:, -1]))
        windows = series[np.minimum(starts[:, None] + np.arange(steps), timesteps - 1)]
        if not np.allclose(windows, found[:, :-1], atol=1e-5):
            raise AnswerError(f"Not yet: {of}your windows are not {steps} values in a row.")
        ahead = targets - (starts + steps - 1)
        if (ahead != horizon).any():
            raise AnswerError(f"Not yet: {of}{_misplaced(ahead[ahead != horizon][0], steps)}")
        n_windows = timesteps - steps - horizon + 1
        starts = np.unique(starts)
        if len(starts) != n_windows:
            hint = "Which of them does a shorter `data` drop?"
            if (np.diff(starts) > 1).any():
                hint = "Between their starts, some are left out. Is the stride 1?"
            raise AnswerError(
                f"Not yet: {of}{n_windows} windows have a target inside the series, yours are "
                f"{len(starts)}. {hint}"
            )


def _misplaced(ahead, steps):
    """Return where a target stands that should stand elsewhere."""
    if ahead == 1 - steps:
        return "the target of a window is its own first value. Have you shifted the targets?"
    if ahead <= 0:
        return "a target stands inside its own window. By how much have you shifted them?"
    return (
        f"a target stands {ahead} {plural('timestep', ahead)} after the last one of its window. "
        "Is that the horizon?"
    )


def _places(series, values):
    """Return where in the series each value stands, (n,)."""
    return np.abs(series - values[:, None]).argmin(axis=1)


def _pairs(dataset, steps, of):
    """Return windows with their targets, as rows of steps + 1 numbers, if they are pairs."""
    batches = answer_of(_first, dataset, 1000, of=of)
    if any(not isinstance(batch, tuple | list) or len(batch) != 2 for batch in batches):
        raise AnswerError(
            f"Not yet: {of}return a dataset that gives (windows, targets), batch by batch. What "
            "yours gives is no such pair."
        )
    return answer_of(_rows, batches, steps, of=of)


def _rows(batches, steps):
    rows = [np.empty((0, steps + 1))]
    for windows, targets in batches:
        windows, targets = np.asarray(windows), np.asarray(targets)
        rows.append(np.column_stack([windows.reshape(-1, steps), targets.reshape(-1)]))
    return np.concatenate(rows)
