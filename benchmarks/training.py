"""A training epoch over windows: helpers, Keras' own stateful `fit`, and PyTorch."""

import time
from functools import partial

import numpy as np

from benchmarks.timing import median_seconds
from helpers.models import build_rnn
from helpers.probes import trace_states
from helpers.quiet import keras
from helpers.training import train_windows
from helpers.windows import split_windows

BATCH, TIMESTEPS, FEATURES, UNITS = 16, 240, 4, 32
STEPS = (1, 5, 20, 60, 240)


def compare_epochs(cell="lstm"):
    """Return a row for each `steps`: ms an epoch of helpers, `fit` and PyTorch."""
    inputs, targets = _series()
    rows = []
    for steps in STEPS:
        ours = _helpers_epoch(cell, inputs, targets, steps)
        fit = _fit_epoch(cell, inputs, targets, steps)
        torch = _torch_epoch(cell, inputs, targets, steps)
        seconds = [None if run is None else median_seconds(run) for run in (ours, fit, torch)]
        rows.append((steps, *seconds))
    return rows


def compare_cold_starts(epochs=30):
    """Return a row for each `steps`: s for the first `epochs`, compiling included."""
    inputs, targets = _series()
    rows = []
    for steps in STEPS:
        seconds = []
        for make in (_helpers_epoch, _fit_epoch):
            start = time.perf_counter()
            make("lstm", inputs, targets, steps)(epochs)
            seconds.append(time.perf_counter() - start)
        rows.append((steps, *seconds))
    return rows


def epoch_seconds_per_timestep(timesteps):
    """Return s for one timestep of an epoch over `timesteps` of them, in windows of 100."""
    inputs, targets = (array[:1] for array in _series(timesteps))
    epoch = _helpers_epoch("lstm", inputs, targets, 100)
    return median_seconds(epoch, repeats=_repeats(timesteps)) / timesteps


def trace_seconds_per_timestep(timesteps):
    """Return s for one timestep of `trace_states` of one sequence, in windows of 100."""
    model = build_rnn(UNITS, features=FEATURES)
    sequence = np.zeros((1, timesteps, FEATURES), "float32")
    trace = partial(trace_states, model, sequence, steps=100)
    return median_seconds(trace, repeats=_repeats(timesteps)) / timesteps


def _repeats(timesteps):
    return 3 if timesteps < 100_000 else 1


def _series(timesteps=TIMESTEPS):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(BATCH, timesteps, FEATURES)).astype("float32")
    return inputs, np.cumsum(inputs[..., :1], axis=1).astype("float32") / 10


def _helpers_epoch(cell, inputs, targets, steps):
    model = build_rnn(UNITS, features=FEATURES, cell=cell)
    model.compile("adam", "mse")
    x, y = split_windows(inputs, steps).inputs, split_windows(targets, steps).inputs
    return lambda epochs=1: train_windows(model, x, y, epochs=epochs)


def _fit_epoch(cell, inputs, targets, steps):
    model = build_rnn(UNITS, features=FEATURES, cell=cell, stateful=True, batch_size=BATCH)
    model.compile("adam", "mse")
    x, y = (
        np.ascontiguousarray(split_windows(array, steps).inputs).reshape(-1, steps, array.shape[-1])
        for array in (inputs, targets)
    )
    reset = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: model.layers[0].reset_state()
    )
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "callbacks": [reset]}
    return lambda epochs=1: model.fit(x, y, epochs=epochs, **options)


def _torch_epoch(cell, inputs, targets, steps):
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(2)
    recurrent = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](
        FEATURES, UNITS, batch_first=True
    )
    dense = torch.nn.Linear(UNITS, 1)
    optimizer = torch.optim.Adam([*recurrent.parameters(), *dense.parameters()], 1e-3)
    x, y = (torch.from_numpy(np.array(split_windows(a, steps).inputs)) for a in (inputs, targets))

    def epoch():
        state = None
        for window, wanted in zip(x, y, strict=True):
            optimizer.zero_grad()
            hidden, state = recurrent(window, state)
            torch.nn.functional.mse_loss(dense(hidden), wanted).backward()
            optimizer.step()
            state = tuple(s.detach() for s in state) if cell == "lstm" else state.detach()

    return epoch
