"""How the figures are timed."""

import time

import numpy as np


def median_seconds(run, *, repeats=15):
    """Return the median time of `run()`, after one call that is not counted."""
    run()
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        durations.append(time.perf_counter() - start)
    return float(np.median(durations))
