"""Window lengths trained and measured, and the two rules that conclude from it.

A difference of two errors is **clear** if it is at least twice its standard error.
"""

import time
from functools import cache
from typing import NamedTuple

import numpy as np

from helpers.lessons.choose_your_steps.task import COMPARE, END, STOP, in_blocks
from helpers.models import build_rnn
from helpers.quiet import keras
from helpers.training import predict_windows, train_windows
from helpers.windows import as_rows, split_windows

CARRIED, OVERLAPPING, CUT = "carried", "reset, overlapping", "reset, cut"
SEEDS = 0, 1, 2
_CLEAR = 2.0  # standard errors
_CLOSE = 0.05  # above the lowest error, as a share of it
_UNITS, _EPOCHS, _UPDATES = 16, 20, 1000
_ROW = 256  # timesteps of a training row, and of what is read before a part


class Scenario(NamedTuple):
    """A window length asked in one `way`, with what was measured for each seed."""

    steps: int
    way: str
    errors: np.ndarray  # (seeds, blocks), mean squared
    seconds: list
    epochs: list  # until the weights were best
    weights: list


class Comparison(NamedTuple):
    """Mean squared errors in the part for comparing: (blocks,) of each baseline; scenarios."""

    baselines: dict
    scenarios: list


class Difference(NamedTuple):
    """How much lower an error is, on average and in each block, and whether that is `clear`."""

    mean: float
    standard_error: float
    blocks: np.ndarray
    clear: bool


def typical(errors):
    """Return the typical miss, in the data's unit: the root of the mean squared error."""
    return float(np.sqrt(np.mean(errors)))


def difference(higher, lower):
    """Compare errors, (seeds, blocks) or (blocks,), paired over seeds and blocks.

    The standard error is that of the mean difference: what it varies by from block to block, and
    from seed to seed, as variances of a mean, added.
    """
    apart = np.atleast_2d(higher) - np.atleast_2d(lower)
    means = apart.mean(axis=0), apart.mean(axis=1)
    error = float(np.sqrt(sum(x.var(ddof=1) / len(x) for x in means if len(x) > 1)))
    mean = float(apart.mean())
    return Difference(mean, error, means[0], bool(mean > 0 and mean >= _CLEAR * error))


def best_baseline(comparison):
    """Return the name of the baseline with the lowest error."""
    return min(comparison.baselines, key=lambda name: comparison.baselines[name].mean())


def against_baseline(comparison, scenario):
    """Return how much lower a scenario's error is than that of the best baseline."""
    return difference(comparison.baselines[best_baseline(comparison)], scenario.errors)


def candidates(comparison):
    """Return the scenarios to choose from, best first: cut windows are shown, never chosen."""
    asked = [s for s in comparison.scenarios if s.way != CUT and np.isfinite(s.errors).all()]
    return sorted(asked, key=lambda s: s.errors.mean())


def choose(comparison):
    """Return the scenario to recommend, or None.

    Of those that are clearly better than the best baseline and as good as the best (at most 5 %
    above its error, and not clearly), the shortest; of two, the one that resets.
    """
    better = [s for s in candidates(comparison) if against_baseline(comparison, s).clear]
    most = (1 + _CLOSE) * typical(better[0].errors) if better else 0.0
    as_good = [s for s in better if typical(s.errors) <= most]
    as_good = [s for s in as_good if not difference(s.errors, better[0].errors).clear]
    return min(as_good, key=lambda s: (s.steps, s.way == CARRIED), default=None)


def model_for(task):
    """Return the small LSTM that all scenarios train, of all tasks with as many features."""
    return _model(len(task.read[0]))


@cache
def _model(features):
    model = build_rnn(_UNITS, features=features)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def measure(task, model, steps, way, report):
    """Train from three seeds, carried or cut, and return scenarios: cut is asked in both ways.

    `report(share, words)` is called after each epoch; where it returns True, nothing is returned.
    """
    found = Scenario(steps, way, None, [], [], [])
    for seed in SEEDS:
        start = time.perf_counter()
        best = _train(task, model, steps, way, seed, report)
        if best is None:
            return []
        found.seconds.append(time.perf_counter() - start)
        found.epochs.append(best)
        found.weights.append(model.get_weights())
    ways = [CARRIED] if way == CARRIED else [OVERLAPPING, CUT]
    asked = [found._replace(way=each) for each in ways]
    return [each._replace(errors=score(task, model, each, COMPARE)) for each in asked]


def score(task, model, scenario, part):
    """Return a scenario's mean squared errors in a part: (seeds, blocks)."""
    steps, errors = scenario.steps, []
    row, before = (1, steps - 1) if scenario.way == OVERLAPPING else (_ROW, _ROW)
    inputs, targets, mask, counts = _windows(task, steps, part, part + 1, row, before)
    for weights in scenario.weights:
        model.set_weights(weights)
        off = predict_windows(model, inputs, mask=mask, carry=scenario.way == CARRIED) - targets
        off = as_rows(off)[as_rows(counts)].ravel() * task.answered[1]  # in the data's unit
        errors.append(in_blocks(task, off**2, part))
    return np.array(errors)


def train_on_all(task, model, scenario):
    """Train on all parts, for as many epochs as were best before; return the model."""
    windows, epochs = _windows(task, scenario.steps, 0, END), round(np.mean(scenario.epochs))
    return _fit(model, windows, scenario.way, SEEDS[0], epochs)


def _train(task, model, steps, way, seed, report):
    """Leave in the model the best weights for the part that says when to stop.

    Return after how many epochs those were, or None where `report` said to stop.
    """
    windows = _windows(task, steps, 0, STOP)
    held = _windows(task, steps, STOP, COMPARE, before=_ROW)
    epochs, stopped = max(_EPOCHS, -(-_UPDATES // len(windows[0]))), []

    def follow(epoch, logs):
        words = f"steps = {steps}, {way}, seed {seed}: epoch {epoch + 1} of up to {epochs}"
        if report((seed + (epoch + 1) / epochs) / len(SEEDS), words):
            model.stop_training = True
            stopped.append(epoch)

    options = {"patience": epochs // 4, "restore_best_weights": True}
    keeper = keras.callbacks.EarlyStopping("val_loss", **options)
    follower = keras.callbacks.LambdaCallback(on_epoch_end=follow)
    _fit(model, windows, way, seed, epochs, validation=held, callbacks=[keeper, follower])
    return None if stopped else keeper.best_epoch + 1


def _fit(model, windows, way, seed, epochs, *, validation=None, callbacks=()):
    """Train from the first weights of a seed, at a rate that falls from 0.01 to zero."""
    model.set_weights(_first_weights(model.input_shape[-1], seed))
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    rate = keras.optimizers.schedules.CosineDecay(0.01, epochs)
    fall = keras.callbacks.LearningRateScheduler(lambda epoch: float(rate(epoch)))
    inputs, targets, mask, counts = windows
    options = {"mask": mask, "counts": counts, "carry": way == CARRIED, "epochs": epochs}
    options |= {"validation": validation, "callbacks": [fall, *callbacks]}
    train_windows(model, inputs, targets, **options)
    return model


@cache
def _first_weights(features, seed):
    keras.utils.set_random_seed(seed)
    return build_rnn(_UNITS, features=features).get_weights()


def _windows(task, steps, begin, end, row=_ROW, before=0):
    """Cut what is answered between two places in `cuts` into windows of rows of `row` timesteps.

    Up to `before` timesteps in front of each row move the state and do not count.
    """
    rows = []
    for x, y, cut in zip(task.inputs, task.targets, task.cuts, strict=True):
        last = cut[end] - task.horizon
        for n in range(max(0, cut[begin] - task.horizon), last, row):
            span = slice(max(0, n - before), min(n + row, last))
            counts = np.arange(span.start, span.stop) >= n
            rows.append((x[span], y[span, None], 1.0 * counts[:, None]))
    inputs, targets, counts = (split_windows(each, steps) for each in zip(*rows, strict=True))
    return inputs.inputs, targets.inputs, inputs.mask, counts.inputs[..., 0] > 0
