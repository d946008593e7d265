"""Window lengths, with state carried and reset, measured on somebody's own sequences.

The task is always the same: from each timestep, forecast the next value of one feature.
"""

import time
from typing import NamedTuple

import numpy as np

from helpers.models import build_rnn
from helpers.quiet import keras
from helpers.training import epoch_mebibytes, predict_windows, train_windows
from helpers.validation import check_sequences, check_whole_number
from helpers.windows import Windows, join_windows, split_windows

ROW = 256  # timesteps: longer training sequences are cut into rows of this length
TRAIN, CHECK, TEST = 8192, 512, 2048  # timesteps at most, so that training stays quick
PIECES = 8  # of the test part, to see how much an error wobbles
EPOCHS, UPDATES = 20, 1000  # at least
CHECKS = 10  # how often in a training to look at the check part

_FEW = 8  # fewer sequences than this are split in time, more of them by sequence


class Held(NamedTuple):
    """Rows that are kept out of training; the first `warm_up[i]` forecasts of row i don't count."""

    rows: list
    warm_up: list

    @property
    def counted(self):
        """How many forecasts of each row count."""
        return [len(row) - 1 - before for row, before in zip(self.rows, self.warm_up, strict=True)]


class Task(NamedTuple):
    """Sequences made ready: what to train on, to check and to test with, and what was left out.

    All rows are standardised (timesteps_i, features) arrays; each timestep but the last is an
    input, each but the first a target. `check` chooses the weights to keep, `test` measures
    them. `scale` is the target's standard deviation, `words` say what was done.
    """

    train: list
    check: Held
    test: Held
    target: int
    scale: float
    words: list


class Training(NamedTuple):
    """What both scenarios of a window length share: a compiled model, its windows, its memory."""

    model: keras.Sequential
    units: int
    inputs: Windows
    targets: Windows
    epochs: int
    mebibytes: float


class Scenario(NamedTuple):
    """A window length, with state carried or reset, as it was measured.

    `errors` are mean squared errors in the target's own unit, (seeds, pieces of the test
    part); `seconds` the median epoch, `mebibytes` an epoch's memory, `weights` those of the
    last seed.
    """

    steps: int
    carry: bool
    errors: np.ndarray
    seconds: float
    mebibytes: float
    epochs: int
    weights: list


class Comparison(NamedTuple):
    """Scenarios of one task, beside the `copying` of the last value.

    `copying` are its mean squared errors, (pieces,); `sizes` are the forecasts in each piece.
    """

    scenarios: list
    copying: np.ndarray
    sizes: np.ndarray


def forecast_task(sequences, *, target=0):
    """Make sequences ready to learn the next value of one feature.

    Fewer than eight sequences are split in time: the last quarter of each is for testing, and
    the last fifth of what remains for checking. More are split by sequence: a quarter of them,
    drawn at random, is for testing, and a fifth of the others for checking. Everything is
    standardised with the training part's mean and standard deviation.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    target : int
        The feature to forecast.

    Returns
    -------
    Task
        Of at most 8,192 timesteps to train on, in rows of at most 256, and 2,048 to test on.

    Raises
    ------
    ValueError, TypeError
        Also if the target never changes.
    """
    sequences = [np.asarray(sequence, float) for sequence in check_sequences(sequences)]
    features = sequences[0].shape[1]
    target = check_whole_number("target", target, minimum=0, maximum=features - 1)
    # In time, the first pair is to learn from, and two more values are to check and to test.
    split, least = (_split_in_time, 4) if len(sequences) < _FEW else (_split_by_sequence, 2)
    sequences = [sequence for sequence in sequences if len(sequence) >= least]
    total = sum(map(len, sequences))
    if total < 20:
        raise ValueError(
            f"`sequences` must hold at least 20 timesteps in sequences of {least} or more, to "
            f"train and to test. Received: {total} timesteps."
        )
    train, check, test, words = split(sequences)
    mean, std, constant = _statistics(train, target)
    if constant.any():
        words.append("A feature that never changes was left as it is.")
    train, *held = ([(row - mean) / std for row in rows] for rows in (train, check.rows, test.rows))
    check, test = (part._replace(rows=rows) for part, rows in zip((check, test), held, strict=True))
    return Task(train, check, test, target, float(std[target]), words)


def starts_of_tests(task, lengths):
    """Return at which timestep of each sequence its test part begins; None if split by sequence."""
    if len(lengths) >= _FEW or len(task.test.rows) != len(lengths):
        return None
    return [length - n for length, n in zip(lengths, task.test.counted, strict=True)]


def copying_errors(task):
    """Return what copying the last value gives: mean squared errors, and the pieces' sizes.

    Parameters
    ----------
    task : Task

    Returns
    -------
    (ndarray, ndarray), each (pieces,)
    """
    squared = _squared(task, task.test, [row[:-1, task.target] for row in task.test.rows])
    return _piece_errors(task, squared), np.array([len(piece) for piece in _pieces(squared)])


def prepare_training(task, steps, *, units, effort):
    """Return what `measure_scenario` trains for one window length, carried and reset.

    Every scenario reads the data at least 20 times and makes at least 1,000 updates of the
    weights: long windows make few in an epoch. The learning rate falls from 0.01 to zero.

    Parameters
    ----------
    task : Task
    steps : int
        Timesteps in a window, 1 to the longest training row.
    units : int
        Of the `LSTM`.
    effort : int
        How many times as long to train.

    Returns
    -------
    Training
    """
    inputs, targets = (split_windows(part, steps) for part in _pairs(task.train, task.target))
    updates = len(inputs.inputs)
    epochs = effort * max(EPOCHS, -(-UPDATES // updates))
    model = build_rnn(units, features=inputs.inputs.shape[-1])
    # A rate that falls to zero ends in one place; a constant one keeps jumping about it.
    rate = keras.optimizers.schedules.CosineDecay(0.01, epochs * updates)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "mse")
    model.optimizer.build(model.trainable_variables)
    mebibytes = epoch_mebibytes(model, inputs.inputs, targets.inputs, mask=inputs.mask)
    return Training(model, units, inputs, targets, epochs, float(mebibytes))


def measure_scenario(task, training, *, carry, seeds, report):
    """Train on windows of a task, and test.

    Ten times in a training the error in the check part is looked at, and the weights with the
    lowest are kept: so none is trained too long.

    Parameters
    ----------
    task : Task
    training : Training
        As `prepare_training` made it for this task. Its weights are replaced.
    carry : bool
        Carry the state from window to window, in training and in testing, or reset it.
    seeds : sequence of int
        One training for each.
    report : callable
        Called after each epoch with the epochs done and those to do. Where it returns True,
        training stops and nothing is returned.

    Returns
    -------
    Scenario, or None if it was stopped
    """
    model, steps = training.model, training.inputs.inputs.shape[2]
    follower, errors = _Follower(task, training, carry, len(seeds), report), []
    for seed in seeds:
        _start_anew(training, seed)
        _train(training, carry, follower)
        if follower.stopped:
            return None
        squared = _forecast_errors(model, task, task.test, steps, carry)
        errors.append(_piece_errors(task, squared))
    seconds = float(np.median(follower.durations))
    return Scenario(
        steps,
        carry,
        np.array(errors),
        seconds,
        training.mebibytes,
        training.epochs,
        model.get_weights(),
    )


def longest_steps(task):
    """Return the timesteps of the longest training row: the longest window there can be."""
    return max(map(len, task.train)) - 1


def root_mean_error(errors, sizes):
    """Return the typical miss in the target's own unit: the root for each seed, then their mean.

    Parameters
    ----------
    errors : (seeds, pieces) or (pieces,) array
        Mean squared errors.
    sizes : (pieces,) array
        How many forecasts each piece holds.

    Returns
    -------
    float

    Examples
    --------
    >>> root_mean_error([[4.0, 4.0], [36.0, 36.0]], [10, 9])
    4.0
    """
    return float(np.sqrt(np.average(np.atleast_2d(errors), axis=1, weights=sizes)).mean())


def autocorrelation(sequences, lags):
    """Return how much values go with those some timesteps before: 1 = wholly, 0 = not at all.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    lags : int
        The largest distance in timesteps; less than the longest sequence.

    Returns
    -------
    ndarray, (lags + 1, features)
        Of lag 0, which is 1, to `lags`. Pairs are counted within sequences only, and are
        averaged over all of them. 0 for a feature that never changes.

    Examples
    --------
    >>> autocorrelation([[[1.0], [-1.0], [1.0], [-1.0]]], 2).round(2).ravel().tolist()
    [1.0, -1.0, 1.0]
    """
    sequences = [np.asarray(sequence, float) for sequence in check_sequences(sequences)]
    longest = max(map(len, sequences))
    if longest == 1:
        raise ValueError(
            "`sequences` must hold one of at least 2 timesteps: a lag takes two values. "
            "Received: sequences of 1 timestep."
        )
    lags = check_whole_number(
        "lags", lags, maximum=longest - 1, maximum_is=f"{longest - 1}, one less than the longest"
    )
    mean = np.concatenate(sequences).mean(axis=0)
    products = np.zeros((lags + 1, sequences[0].shape[1]))
    pairs = np.zeros((lags + 1, 1))
    for sequence in sequences:
        reach = min(lags, len(sequence) - 1) + 1
        products[:reach] += _lagged_products(sequence - mean, reach)
        pairs[:reach, 0] += len(sequence) - np.arange(reach)
    products /= pairs
    constant = _is_constant(mean, np.sqrt(np.maximum(products[0], 0)))
    return np.where(constant, 0.0, products / np.where(constant, 1, products[0]))


def _is_constant(mean, std):
    return std <= 1e-12 * np.maximum(np.abs(mean), 1e-300)


def _lagged_products(values, reach):
    """Return the sum of products of values 0, 1, … timesteps apart; by FFT, which is quick."""
    size = 2 ** int(np.ceil(np.log2(len(values) + reach)))
    spectrum = np.fft.rfft(values, size, axis=0)
    return np.fft.irfft(spectrum * spectrum.conj(), size, axis=0)[:reach]


def _split_in_time(sequences):
    count = len(sequences)
    train, check, test = [], Held([], []), Held([], [])
    for sequence in sequences:
        cut = len(sequence) - _held(len(sequence), 4, TEST // count)
        middle = cut - _held(cut, 5, CHECK // count)
        train.append(sequence[max(0, middle - TRAIN // count) : middle])
        for part, start, end in ((check, middle, cut), (test, cut, len(sequence))):
            part.warm_up.append(min(ROW, start - 1))
            part.rows.append(sequence[start - 1 - part.warm_up[-1] : end])
    where = "" if count == 1 else f" of each of the {count} sequences"
    counts = [sum(map(len, train)), sum(check.counted), sum(test.counted)]
    words = [
        f"Tested on the last part{where}: {counts[2]:,} timesteps. Before it, {counts[0]:,} to "
        f"train on, and {counts[1]:,} to choose the weights to keep."
    ]
    _note_unused(words, sum(map(len, sequences)), sum(counts))
    return [row for part in train for row in _rows(part)], check, test, words


def _split_by_sequence(sequences):
    order = [sequences[i] for i in np.random.default_rng(0).permutation(len(sequences))]
    n_test = _held(len(order), 4, len(order))
    n_check = _held(len(order) - n_test, 5, len(order))
    share = max(32, TRAIN // (len(order) - n_test - n_check))
    test = _at_most(TEST, order[:n_test], ROW)
    check = _at_most(CHECK, order[n_test : n_test + n_check], ROW)
    train = _at_most(TRAIN, order[n_test + n_check :], share)
    words = [
        f"Tested on {len(test)} sequences drawn at random; {len(train)} others to train on, and "
        f"{len(check)} to choose the weights to keep."
    ]
    used = sum(len(sequence) for part in (train, check, test) for sequence in part)
    _note_unused(words, sum(map(len, sequences)), used)
    held = (Held(part, [0] * len(part)) for part in (check, test))
    return [row for part in train for row in _rows(part)], *held, words


def _held(total, share, most):
    """Return how many of a total to hold out: one in `share`, at least one."""
    return max(1, min(total // share, most))


def _note_unused(words, total, used):
    if used < total:
        words.append(f"To stay quick, {total - used:,} timesteps of {total:,} are not used.")


def _rows(sequence):
    """Cut a sequence into rows of at most ROW forecasts; a row begins where one ends."""
    starts = range(0, len(sequence) - 1, ROW)
    return [sequence[start : start + ROW + 1] for start in starts]


def _at_most(timesteps, sequences, each):
    """Return the last timesteps of each sequence, and of these the first that fit in together."""
    short = [sequence[-each - 1 :] for sequence in sequences]
    ends = np.cumsum([len(sequence) for sequence in short])
    return short[: max(1, int(np.searchsorted(ends, timesteps, "right")))]


def _statistics(train, target):
    known = np.concatenate(train)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = known.mean(axis=0), known.std(axis=0)
    if not (np.isfinite(mean).all() and np.isfinite(std).all()):
        raise ValueError(
            "`sequences` must hold numbers of a size that can be squared. Received: numbers up to "
            f"{np.abs(known).max():.0e}. Scale them down."
        )
    constant = _is_constant(mean, std)
    if constant[target]:
        raise ValueError(
            "`target` must be a feature that changes. Received: one that is "
            f"{known[0, target]:g} in all of the training part. Choose another column."
        )
    return mean, np.where(constant, 1.0, std), constant


def _pairs(rows, target):
    return [row[:-1] for row in rows], [row[1:, target : target + 1] for row in rows]


def _start_anew(training, seed):
    """Give the model first weights, and its optimizer none of what it kept of other ones."""
    model = training.model
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    keras.utils.set_random_seed(seed)
    first = build_rnn(training.units, features=model.input_shape[-1])
    model.set_weights(first.get_weights())


def _train(training, carry, follower):
    """Train, and leave the weights in the model that had the lowest error in the check part."""
    keeper = keras.callbacks.EarlyStopping(
        monitor=_Follower.ERROR, mode="min", patience=training.epochs, restore_best_weights=True
    )
    train_windows(
        training.model,
        training.inputs.inputs,
        training.targets.inputs,
        mask=training.inputs.mask,
        epochs=training.epochs,
        carry=carry,
        callbacks=[follower, keeper],
    )


class _Follower(keras.callbacks.Callback):
    """Times epochs, reports them, and adds the error in the check part to their logs."""

    ERROR = "error in the check part"

    def __init__(self, task, training, carry, trainings, report):
        super().__init__()
        steps, self._epochs = training.inputs.inputs.shape[2], training.epochs
        self._error_now = lambda: _forecast_errors(
            training.model, task, task.check, steps, carry
        ).mean()
        self._every, self._of = max(1, self._epochs // CHECKS), self._epochs * trainings
        self._report = report
        self.durations, self.stopped = [], False

    def on_train_begin(self, logs=None):
        self._error = np.inf

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.durations.append(time.perf_counter() - self._start)
        # Looking after every epoch makes the lesson's training half as long again.
        if (epoch + 1) % self._every == 0 or epoch + 1 == self._epochs:
            self._error = self._error_now()
        logs[self.ERROR] = self._error  # an error seen before is no improvement
        self.stopped = self._report(len(self.durations), self._of)
        self.model.stop_training = self.stopped


def _forecast_errors(model, task, held, steps, carry):
    """Return the squared error of each forecast that counts, of standardised values.

    In the target's own unit they could be too large or small for what Keras compares in float32.
    """
    inputs, _ = _pairs(held.rows, task.target)
    lengths = [len(row) for row in inputs]
    windows = split_windows(inputs, min(steps, max(lengths)))
    outputs = predict_windows(model, windows.inputs, mask=windows.mask, carry=carry)
    squared = _squared(task, held, [row[:, 0] for row in join_windows(outputs, lengths)])
    return np.where(np.isfinite(squared), squared, np.inf)


def _squared(task, held, forecasts):
    return np.concatenate(
        [
            (forecast - row[1:, task.target])[before:] ** 2
            for forecast, row, before in zip(forecasts, held.rows, held.warm_up, strict=True)
        ]
    )


def _pieces(squared):
    return np.array_split(squared, min(PIECES, len(squared)))


def _piece_errors(task, squared):
    """Return the mean squared error of each piece, in the target's own unit."""
    return task.scale**2 * np.array([piece.mean() for piece in _pieces(squared)])
