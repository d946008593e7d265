"""Measure the test errors of the lesson on reach: ``python tools/measure_reach.py [first last]``.

Without arguments, for seeds 0 to 4, into helpers/lessons/reach.csv; with two, for the seeds from
the first to the last, and prints the table only. Five minutes for five seeds on two cores.
"""

import importlib.metadata
import sys
from itertools import product
from pathlib import Path

import numpy as np

from helpers.lessons.reach import EPOCHS, explore_training, load_forecasts

TABLE = Path(__file__).parent.parent / "helpers" / "lessons" / "reach.csv"
STEPS = (1, 12, 24, 48)


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
        spread = f"{np.mean(errors):.2f} ({min(errors):.2f} to {max(errors):.2f})"
        print(steps, how, spread, file=sys.stderr)
        rows += [f"{steps},{how},{seed},{e:.4f}" for seed, e in zip(seeds, errors, strict=True)]
    return "\n".join([*_about(), "steps,how,seed,mse", *rows, ""])


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
        TABLE.write_text(main(range(5)), encoding="utf-8")
