"""A training epoch over sequences of unequal length: helpers, and PyTorch's packed sequences."""

import numpy as np

from benchmarks.timing import median_seconds
from benchmarks.training import BATCH, FEATURES, UNITS
from helpers.models import build_rnn
from helpers.training import train_windows
from helpers.windows import split_windows

LENGTHS = np.linspace(60, 240, BATCH).astype(int)


def compare_ragged(cell="lstm"):
    """Return s of an epoch of one full-length pass: helpers, and PyTorch or None."""
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(length, FEATURES)).astype("float32") for length in LENGTHS]
    targets = [sequence[:, :1] for sequence in sequences]
    runs = _helpers_epoch(cell, sequences, targets), _torch_epoch(cell, sequences, targets)
    return [None if run is None else median_seconds(run) for run in runs]


def _helpers_epoch(cell, sequences, targets):
    model = build_rnn(UNITS, features=FEATURES, cell=cell)
    model.compile("adam", "mse")
    x, mask = split_windows(sequences, LENGTHS.max())
    y = split_windows(targets, LENGTHS.max()).inputs
    return lambda: train_windows(model, x, y, mask=mask)


def _torch_epoch(cell, sequences, targets):
    try:
        import torch
    except ImportError:
        return None
    from torch.nn.utils.rnn import pack_sequence

    torch.set_num_threads(2)
    recurrent = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](FEATURES, UNITS)
    dense = torch.nn.Linear(UNITS, 1)
    optimizer = torch.optim.Adam([*recurrent.parameters(), *dense.parameters()], 1e-3)
    x, y = (
        pack_sequence([torch.from_numpy(row) for row in rows], enforce_sorted=False)
        for rows in (sequences, targets)
    )

    def epoch():
        optimizer.zero_grad()
        hidden, _ = recurrent(x)
        torch.nn.functional.mse_loss(dense(hidden.data), y.data).backward()
        optimizer.step()

    return epoch
