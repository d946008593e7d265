"""Windows of long series: time and memory beside NumPy and Keras."""

import tracemalloc

import numpy as np

from benchmarks.timing import median_seconds
from helpers.quiet import keras
from helpers.windows import sliding_windows, split_windows

LONG, SHORT = 10_000_000, 20_000


def sliding_view_seconds():
    """Return s to make every window of 10 million timesteps: a view."""
    series = np.zeros((LONG, 1), "float32")
    return median_seconds(lambda: sliding_windows(series, 24))


def compare_reading(steps=24):
    """Return s to read every window: helpers, and Keras' timeseries_dataset_from_array."""
    series = np.random.default_rng(0).normal(size=(SHORT, 1)).astype("float32")

    def ours():
        inputs, targets = sliding_windows(series, steps)
        for start in range(0, len(inputs), 128):
            np.ascontiguousarray(inputs[start : start + 128]), targets[start : start + 128]

    dataset = keras.utils.timeseries_dataset_from_array(
        series[:-1], series[steps:], sequence_length=steps, batch_size=128
    )
    return median_seconds(ours, repeats=3), median_seconds(lambda: list(dataset), repeats=1)


def compare_splitting():
    """Return s to split 10 million ragged timesteps, s to copy the result, memory for each byte."""
    lengths = np.random.default_rng(0).integers(100_000, 200_000, size=64)
    sequences = [np.ones((length, 4), "float32") for length in lengths]
    result = split_windows(sequences, 100).inputs
    split = median_seconds(lambda: split_windows(sequences, 100), repeats=3)
    copy = median_seconds(result.copy, repeats=3)
    size = result.nbytes
    del result
    tracemalloc.start()
    split_windows(sequences, 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return split, copy, peak / size
