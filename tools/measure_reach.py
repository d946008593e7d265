"""Measure the test errors of the lesson on reach: ``python tools/measure_reach.py [first last]``.

Without arguments, for seeds 0 to 9, into helpers/lessons/reach.csv; with two, for the seeds from
the first to the last, and prints the table only. Fifteen minutes for ten seeds on two cores.

A reset model's forecast depends on where the borders fall. Its `mse` is the mean over all their
places in the test years, `lowest` and `highest` are the best place's and the worst place's.
"""

import importlib.metadata
import sys
from itertools import product
from pathlib import Path

import numpy as np

from helpers.lessons.reach import EPOCHS, explore_training, load_forecasts

TABLE = Path(__file__).parent.parent / "helpers" / "lessons" / "reach.csv"
STEPS = (1, 12, 24, 48, 60)


def main(seeds):
    """Measure, and return the table as text."""
    explorer = explore_training()
    for settings in product(STEPS, (True, False), seeds):
        for control, value in zip(explorer.controls.values(), settings, strict=True):
            control.value = value
        explorer.train()
    rows = []
    for steps, how in product(STEPS, ("carried", "reset", "overlapping")):
        errors = [explorer.errors[steps, how, seed] for seed in seeds]
        means, lowest, highest = np.transpose(errors)
        spread = f"{means.mean():.2f}, seeds {means.min():.2f} to {means.max():.2f}"
        borders = f"with the borders' places {lowest.min():.2f} to {highest.max():.2f}"
        print(steps, how, spread, borders, file=sys.stderr)
        rows += [
            ",".join([str(steps), how, str(seed), *(f"{error:.4f}" for error in found)])
            for seed, found in zip(seeds, errors, strict=True)
        ]
    return "\n".join([*_about(), "steps,how,seed,mse,lowest,highest", *rows, ""])


def _about():
    packages = ("keras", "tensorflow", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    baselines = ", ".join(f"{name} {error:.4f}" for name, error in load_forecasts()[2].items())
    return [
        f"# Mean squared test errors, standardised, after {EPOCHS} epochs; without a model: "
        f"{baselines}",
        f"# python tools/measure_reach.py, on a CPU with {versions}",
    ]


if __name__ == "__main__":
    if sys.argv[1:]:
        first, last = map(int, sys.argv[1:])
        print(main(range(first, last + 1)))
    else:
        TABLE.write_text(main(range(10)), encoding="utf-8")
