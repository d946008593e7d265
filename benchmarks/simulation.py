"""Does the comparison of lesson 12 recommend what it should? On series whose answer is known.

`python -m benchmarks.simulation --runs 10` draws so many series of each kind, from seeds 0, 1, …,
compares windows of 1 and 16 on each, and writes their rows into `benchmarks/simulation.md`;
`--kinds "white noise" "random walk"` draws those kinds only, and leaves the other rows as they are.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from helpers.lessons.choose_your_steps import comparison as rules
from helpers.lessons.choose_your_steps.task import COMPARE, baseline_errors, forecast_task

TABLE = Path(__file__).with_name("simulation.md")
_TIMESTEPS = 400
_STEPS = 1, 16


def white_noise(rng):
    """Nothing to know: the mean is best."""
    return rng.normal(size=_TIMESTEPS)


def random_walk(rng):
    """Copying is best."""
    return np.cumsum(rng.normal(size=_TIMESTEPS))


def season(rng):
    """Twelve drawn values over and over, and noise."""
    pattern = rng.normal(scale=3, size=12)
    return np.resize(pattern, _TIMESTEPS) + rng.normal(size=_TIMESTEPS)


def trend(rng):
    """A rise, and noise that lasts a while."""
    return 0.3 * np.arange(_TIMESTEPS) + _autoregression(rng, 0.8)


def autoregression(rng):
    """Each value is 0.8 times the one before, plus noise: a linear regression is best."""
    return _autoregression(rng, 0.8)


def logistic_map(rng):
    """Each value follows from the one before, on a parabola: a network can, a regression cannot."""
    values = [rng.uniform(0.1, 0.9)]
    while len(values) < _TIMESTEPS:
        values.append(3.9 * values[-1] * (1 - values[-1]))
    return np.array(values) + rng.normal(scale=0.02, size=_TIMESTEPS)


KINDS = {
    "white noise": (white_noise, False),
    "random walk": (random_walk, False),
    "season of 12": (season, False),
    "trend, levels": (trend, False),
    "trend, changes": (trend, True),
    "AR(1), 0.8": (autoregression, False),
    "logistic map": (logistic_map, False),
}


def compare(series, model=None, *, difference=False):
    """Return the task, the comparison and the model of one series."""
    task = forecast_task([series[:, None]], difference=difference)
    model = model or rules.model_for(task)
    scenarios = []
    for steps in _STEPS:
        for way in (rules.CARRIED, rules.CUT):
            scenarios += rules.measure(task, model, steps, way, lambda *_: False)
    return task, rules.Comparison(baseline_errors(task, COMPARE), scenarios), model


def simulate(kind, runs):
    """Return a row of the table for `runs` series of a kind."""
    make, difference = KINDS[kind]
    model, chosen, best, ratios, noted = None, Counter(), Counter(), [], 0
    for seed in range(runs):
        series = make(np.random.default_rng(seed))
        task, found, model = compare(series, model, difference=difference)
        scenario, name = rules.choose(found), rules.best_baseline(found)
        chosen["none" if scenario is None else f"{scenario.steps}, {scenario.way}"] += 1
        best[name.split(" on the")[0].split(" (")[0]] += 1
        lowest = rules.candidates(found)[0].errors
        ratios.append(rules.typical(lowest) / rules.typical(found.baselines[name]))
        noted += bool(task.notes)
        print(kind, seed, *chosen.items(), round(ratios[-1], 2), flush=True)
    low, high = np.quantile(ratios, [0.05, 0.95])
    row = runs - chosen["none"], _counts(chosen), _counts(best), f"{np.median(ratios):.2f}"
    return [kind, *row, f"{low:.2f} to {high:.2f}", noted]


def _counts(counter):
    return "; ".join(f"{name} {count}" for name, count in counter.most_common())


def main():
    """Simulate every kind and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS], choices=KINDS)
    options = parser.parse_args()
    lines = [
        "# What the comparison recommends where the answer is known",
        "",
        "Made by `python -m benchmarks.simulation --runs … --kinds …`, with as many runs as a row "
        f"says: series from seeds 0, 1, …, of {_TIMESTEPS} timesteps; windows of 1 and 16, "
        "three seeds each. The last columns: the lowest typical miss of a model divided by that "
        "of the best baseline, median and 5th to 95th percentile; how often the task noted that "
        "there may be a trend.",
        "",
        "| series | a model is recommended | which | best baseline | ratio | 5 to 95 % | trend |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows = {line[2:].split(" | ")[0]: line for line in TABLE.read_text("utf-8").splitlines()}
    for kind in options.kinds:
        row = simulate(kind, options.runs)
        row[1] = f"{row[1]} of {options.runs}"
        rows[kind] = "| " + " | ".join(map(str, row)) + " |"
    lines += [rows[kind] for kind in KINDS if kind in rows]
    TABLE.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print("\n".join(lines))


def _autoregression(rng, weight):
    values = [rng.normal()]
    while len(values) < _TIMESTEPS:
        values.append(weight * values[-1] + rng.normal())
    return np.array(values)


if __name__ == "__main__":
    main()
