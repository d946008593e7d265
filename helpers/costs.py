"""What a training epoch costs on this machine: time, and memory."""

import time
from typing import NamedTuple

import numpy as np

from helpers.validation import check_flag, check_list, check_sequences, check_whole_number
from helpers.windows import split_windows


class Cost(NamedTuple):
    """One training epoch in windows of `steps`: median `seconds`, and `mebibytes` of memory."""

    steps: int
    seconds: float
    mebibytes: float


def measure_costs(
    sequences, steps, *, units=32, masked=True, repeats=3, progress=lambda done: None
):
    """Measure a training epoch of an `LSTM` over windows, for each window length.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    steps : sequence of int
        Window lengths; one as long as the longest sequence is a full-length pass.
    units : int
    masked : bool
        Train with the windows' mask, or without one, with padding as data.
    repeats : int
        Epochs to take the median time of; compiling is not counted.
    progress : callable
        Called with the number of window lengths measured so far.

    Returns
    -------
    list of Cost
        In the order of `steps`. Time is measured. Memory is what the compiler sets aside for
        the epoch: data, weights, and all that backpropagation keeps of a window.

    Raises
    ------
    ValueError, TypeError
    """
    sequences = check_sequences(sequences)
    units, repeats = check_whole_number("units", units), check_whole_number("repeats", repeats)
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
        costs.append(_measure(windows, units, masked, repeats))
        progress(len(costs))
    return costs


def _measure(windows, units, masked, repeats):
    from helpers.models import build_rnn  # TensorFlow loads here
    from helpers.training import epoch_mebibytes, train_windows

    model = build_rnn(units, features=windows.inputs.shape[-1])
    model.compile("adam", "mse")
    targets = np.zeros((*windows.mask.shape, 1), "float32")
    mask = windows.mask if masked else None
    train_windows(model, windows.inputs, targets, mask=mask)  # compiles
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        train_windows(model, windows.inputs, targets, mask=mask)
        durations.append(time.perf_counter() - start)
    mebibytes = epoch_mebibytes(model, windows.inputs, targets, mask=mask)
    return Cost(windows.inputs.shape[2], float(np.median(durations)), mebibytes)
