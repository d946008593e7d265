"""Measure how far ahead forecasts can see: ``python tools/measure_ahead.py FILE SEED …``

One to two minutes a seed, on one core. `helpers/lessons/ahead.csv` holds seeds 0 to 4.
"""

import platform
import sys
from pathlib import Path

import numpy as np

from helpers.data import load_sunspots
from helpers.lessons import ahead as lesson
from helpers.lessons.ahead import DIRECT, FED_BACK, LEVEL, SUNSPOTS
from helpers.quiet import keras, tf
from helpers.windows import sliding_windows

SPREAD, LAG = 60, 4  # timesteps fed back; places by which a forecast is moved


def errors(subject, seed):
    """Yield each way to forecast, with its error 1, 2, 3 … ahead, in the data's unit."""
    task = lesson.task_of(subject, seed)
    asked, truth = lesson.asked_of(task)
    unit = load_sunspots().numbers[: task.border].std() if subject == SUNSPOTS else 1.0
    for way, found in lesson.simple_forecasts(subject, task).items():
        yield way, unit * lesson.rmse(found, truth)
    one = lesson.train_forecaster(task, 1, seed=seed)
    far = lesson.feed_back(one, asked, SPREAD if subject == LEVEL else task.ahead)
    yield FED_BACK, unit * lesson.rmse(far[:, : task.ahead], truth)
    if subject == LEVEL:
        yield "spread fed back", far.std(axis=0)
        yield "lag", [lesson.rmse(far[k:, 0], truth[: len(truth) - k, 0]) for k in range(LAG)]
        yield "against the one before", [lesson.rmse(far[:, 0], asked[:, -1, 0])]
    many = lesson.train_forecaster(task, task.ahead, seed=seed)
    yield DIRECT, unit * lesson.rmse(many.predict(asked, verbose=0), truth)


def logged(optimizer, seed):
    """Return the last loss that `fit` logged, in order and one by one, and that of `evaluate`."""
    walk = np.random.default_rng(seed).normal(size=(400, 1)).cumsum(axis=0)
    windows, targets = sliding_windows(walk, 8)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((None, 1)), keras.layers.LSTM(16)])
    model.add(keras.layers.Dense(1))
    model.compile(optimizer, "mse")
    log = model.fit(windows, targets, batch_size=1, epochs=3, shuffle=False, verbose=0)
    return log.history["loss"][-1], model.evaluate(windows, targets, verbose=0)


def main(path, *seeds):
    """Write a line for each way and seed to the file at `path`."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        print(f"# Keras {keras.__version__}, TensorFlow {tf.__version__}", end=", ", file=file)
        print(f"Python {platform.python_version()}, {platform.machine()}, CPU", file=file)
        print(f"# python tools/measure_ahead.py {path} {' '.join(seeds)}", file=file)
        print("subject,way,seed,values", file=file)

        def note(subject, way, seed, values):
            numbers = " ".join(f"{value:.3f}" for value in values)
            print(subject, way, seed, numbers, sep=",", file=file, flush=True)

        for seed in map(int, seeds):
            keras.backend.clear_session()
            for optimizer in (keras.optimizers.SGD(0.05), keras.optimizers.Adam(1e-3)):
                note("log", optimizer.name, seed, logged(optimizer, seed))
            for subject in (LEVEL, SUNSPOTS):
                for way, values in errors(subject, seed):
                    note(subject, way, seed, values)


if __name__ == "__main__":
    main(*sys.argv[1:])
