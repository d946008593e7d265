"""The exercises of lesson 04."""

from itertools import islice

import numpy as np

from helpers.exercises import AnswerError, answer_of, feedback
from helpers.windows import sliding_windows


@feedback
def check_left_out(function):
    """Say whether `function(n_rows, batch_size, steps)` counts the rows `predict` leaves out."""
    for n_rows, batch_size, steps in ((10, 4, 1), (10, 4, 3), (9, 3, 2), (6, 4, 5), (50, 7, 3)):
        answer = answer_of(function, n_rows, batch_size, steps)
        if not np.isscalar(answer) or answer != len(range(n_rows)[batch_size * steps :]):
            raise AnswerError(
                f"Not yet: for {n_rows} rows, batch_size={batch_size} and steps={steps} yours "
                f"gives {answer!r}. How many rows do {steps} batches hold, and are there so many?",
            )


@feedback
def check_endless(function):
    """Say whether `function(x, batch_size)` gives batches without end, each row once a round."""
    for n_rows, batch_size in ((11, 4), (6, 2), (3, 5)):
        x = np.random.default_rng(40).permutation(n_rows).astype("float32")[:, None]
        of = f"for {n_rows} rows in batches of {batch_size} "
        answer = answer_of(function, x.copy(), batch_size, of=of)
        wanted = 3 * -(-n_rows // batch_size) + 1
        batches = answer_of(_first, answer, wanted, of=of)
        batches = [batch[0] if isinstance(batch, tuple) else batch for batch in batches]
        batches = [np.asarray(batch) for batch in batches]
        if any(batch.ndim != 2 or batch.shape[1] != 1 for batch in batches):
            raise AnswerError(
                "Not yet: each batch should have the shape (rows, 1). Is the dataset batched?"
            )
        if max(map(len, batches), default=0) > batch_size:
            raise AnswerError(
                f"Not yet: with batch_size={batch_size} a batch holds "
                f"{max(map(len, batches))} rows.",
            )
        if len(batches) < wanted:
            raise AnswerError(f"Not yet: {of}the data end after {len(batches)} batches.")
        end = _length(answer)
        if end is not None:
            raise AnswerError(f"Not yet: {of}the data end after {end} batches.")
        rows = np.concatenate(batches)[: 2 * n_rows, 0].reshape(2, n_rows)
        if not (np.sort(rows) == np.arange(n_rows)).all():
            raise AnswerError(
                f"Not yet: {of}the first {n_rows} rows drawn are not every row once. Are some "
                "dropped, or is the order mixed over several rounds?",
            )


@feedback
def check_forecast(function):
    """Say whether `function(series, steps, horizon)` gives every window with its target."""
    for timesteps, steps, horizon in ((30, 6, 1), (23, 4, 3), (8, 5, 3), (140, 2, 1)):
        series = np.random.default_rng(41).normal(size=timesteps).cumsum()
        inputs, targets = sliding_windows(series[:, None], steps, horizon=horizon)
        expected = np.column_stack([inputs[..., 0], targets])
        of = f"for {timesteps} timesteps, steps={steps}, horizon={horizon} "
        answer = answer_of(function, series.copy(), steps, horizon, of=of)
        found = answer_of(_pairs, answer, steps, of=of)
        if len(found) != len(expected):
            raise AnswerError(
                f"Not yet: {of}{len(expected)} windows have a target inside the series, yours "
                f"are {len(found)}. Which of them does a shorter `data` drop?",
            )
        order = np.argsort(found[:, 0]), np.argsort(expected[:, 0])
        found, expected = found[order[0]], expected[order[1]]
        if not np.allclose(found[:, :-1], expected[:, :-1], atol=1e-5):
            raise AnswerError(f"Not yet: {of}your windows hold other values.")
        if not np.allclose(found, expected, atol=1e-5):
            raise AnswerError(
                f"Not yet: {of}the windows are right, their targets are not. The target of a "
                "window that starts at i is the value at i + steps + horizon - 1.",
            )


def _first(dataset, most):
    """Return the first batches only: an endless dataset must not make the check endless."""
    return list(islice(dataset, most))


def _length(dataset):
    """Return how many batches there are, or None if they never end or nobody can tell."""
    try:
        return len(dataset)
    except TypeError:
        return None


def _pairs(dataset, steps):
    """Return windows with their targets, as rows of steps + 1 numbers."""
    rows = [np.empty((0, steps + 1))]
    for windows, targets in islice(dataset, 1000):
        windows, targets = np.asarray(windows), np.asarray(targets)
        rows.append(np.column_stack([windows.reshape(-1, steps), targets.reshape(-1)]))
    return np.concatenate(rows)
