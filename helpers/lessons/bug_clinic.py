"""It runs, but is it right? How windows are dealt out to batches, and the fixes of 14 bugs.

A fix is tried with weights and data that the lesson does not show. What is right comes from one
pass over each unpadded sequence, or from NumPy; any fix that gives it is accepted.
"""

import warnings
from copy import deepcopy
from functools import partial

import numpy as np

from helpers import plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import Explorer, labelled_buttons, labelled_slider, plural
from helpers.models import get_states
from helpers.quiet import keras, tf
from helpers.windows import length_mask

_RATE = 0.1  # the learning rate of the models to train
_lstm = partial(keras.layers.LSTM, 4, use_cudnn=False)
_WINDOWS, _MOST = 24, 8  # windows of the series, and the largest batch size
_ORDERS = ("in order", "shuffled", "at random", "a stretch for each row")
_STYLES = {
    "starts from zeros": {"facecolor": "white", "edgecolor": "#8A8A8A"},
    "from the window before": plots.STATE,
    "from another window": {"facecolor": "#F0E442", "edgecolor": "#B3A500", "hatch": ".."},
}


def explore_batches():
    """Move the batch size, choose an order, and see whose state each window starts from."""
    (ax,) = plots.new_axes(height=3.8)
    plots.frame_timesteps(ax, _WINDOWS, "row", ylim=(_MOST - 0.5, -0.5))  # once: that is quick
    ax.set_xlabel("batch")

    def draw(batch_size, order):
        windows = _deal(batch_size, order)
        _plot_batches(windows, ax)
        right = int((np.diff(windows, axis=0) == 1).sum())
        later, left = windows[1:].size, _WINDOWS - windows.size
        words = (
            f"Batch size {batch_size}, {order}: the first batch starts from zeros. Of the {later} "
            f"windows after it, {right} start from the state of the window before, "
            f"{later - right} from the state of another window."
        )
        return words + (f" {left} {plural('window', left)} fill no batch." if left else "")

    size, order = labelled_slider("batch size", 4, 1, _MOST), labelled_buttons("windows", _ORDERS)
    return Explorer(ax.figure, {"batch_size": size, "order": order}, draw)


def _deal(batch_size, order):
    """Return which windows of the series stand in each batch: (n_batches, batch)."""
    full, rng = _WINDOWS // batch_size * batch_size, np.random.default_rng(0)
    if order == "a stretch for each row":
        return np.arange(full).reshape(batch_size, -1).T
    windows = rng.permutation(_WINDOWS) if order == "shuffled" else np.arange(_WINDOWS)
    if order == "at random":  # with replacement
        windows = rng.integers(_WINDOWS, size=full)
    return windows[:full].reshape(-1, batch_size)


def _plot_batches(windows, ax):
    """Draw batches of windows side by side, and whose state each window starts from."""
    starts = np.where(np.diff(windows, axis=0, prepend=0) == 1, 1, 2)  # which of the styles
    starts[0] = 0
    plots.fresh_axes(ax)
    for i, style in enumerate(_STYLES.values()):
        plots.add_cells(ax, (starts == i).T, style)
    place = {"ha": "center", "va": "center", "fontsize": plots.FONT - 1, "gid": plots.DRAWN}
    for (k, row), window in np.ndenumerate(windows):
        ax.text(k, row, str(window), color="white" if starts[k, row] == 1 else "black", **place)
    plots.add_legend(ax, **_STYLES)


# --- state -----------------------------------------------------------------------------------


@feedback
def check_requests(function):
    """Say whether `function(model, x)` predicts as if nothing had been predicted before."""
    model, rng = _model(60, _lstm(stateful=True), batch_size=3)
    depends = """the answer still depends on what the model was asked before. Where does it keep
        that, and how is it cleared?"""
    for timesteps in (5, 2, 2):
        x = _normal(rng, 3, timesteps, 2)
        answer = _ask(function, model, x, shape=(3, 4))
        _compare(answer, _unrolled(model.get_weights())(x)[0], depends)


@feedback
def check_epochs(function):
    """Say whether `function(model, x, y, epochs)` trains with each epoch from zeros."""
    for n_windows, epochs in ((3, 2), (2, 3)):
        model, before, x, y = _to_train(n_windows)
        answer, of = _trained(function, model, x, y, epochs), f"with epochs={epochs} "
        kept, _ = _by_hand(before, x, y, epochs, reset=False)
        left = f"{of}an epoch still starts from the state that the one before left."
        other = f"""{of}the weights are others. Is each epoch one pass, from zeros, over the rows
            in their order?"""
        _compare(answer, _by_hand(before, x, y, epochs)[0], other, [(kept, left)])


@feedback
def check_shuffle(function):
    """Say whether `function(model, x, y)` trains one epoch on the rows in their order."""
    model, before, x, y = _to_train(7)
    model.layers[0].reset_state()  # so that a fix may reset first, or not
    other = "the weights are not those of one epoch in order. Which rows came in the first batch?"
    _compare(_trained(function, model, x, y), _by_hand(before, x, y)[0], other)


@feedback
def check_batches(function):
    """Say whether `function(series, steps, batch_size)` lets each row continue itself."""
    rng = np.random.default_rng(63)
    for timesteps, steps, batch_size in ((24, 3, 2), (60, 5, 4), (12, 2, 3)):
        series = rng.permutation(timesteps).astype("float32")[:, None] + 0.5
        of = f"for {timesteps} timesteps, steps={steps}, batch_size={batch_size} "
        answer = _ask(function, series, steps, batch_size, of=of)
        answer = getattr(answer, "inputs", answer)
        shape = (timesteps // steps // batch_size, batch_size, steps, 1)
        batches = _numbers(answer if hasattr(answer, "shape") else list(answer), shape, of)
        found = _timesteps_of(series, batches[..., 0])
        _expect((np.diff(found) == 1).all(), f"{of}a window is not {steps} timesteps in a row.")
        starts, ends = found[1:, :, 0], found[:-1, :, -1]
        for (k, row), end in np.ndenumerate(ends):
            elsewhere = f"""{of}row {row} of batch {k + 1} starts at timestep {starts[k, row]}. In
                batch {k} that row ended at {end}."""
            _expect(starts[k, row] == end + 1, elsewhere)
        used = len(np.unique(found))
        _expect(used == timesteps, f"{of}only {used} of them are used.")


@feedback
def check_validation(function):
    """Say whether `function(model, x, y)` gives the loss from zeros and moves no state."""
    for n_windows in (1, 3):
        model, before, x, y = _to_train(n_windows)
        answer = _ask(function, model, x, y, shape=())
        _, expected = _by_hand(before, x, y, rate=0.0)
        other = f"""your loss is {answer:.4f}; from zeros it is {expected:.4f}. From which state
            does the validation start?"""
        _compare(answer, expected, other)
        moved = """the loss is right, but the state is not what it was before. Put back what
            training had left there."""
        _compare(get_states(model), before[1], moved)


@feedback
def check_rows(function):
    """Say whether `function(model, x)` predicts each row from zeros, whatever their number."""
    model, rng = _model(65, _lstm(stateful=True), batch_size=4, eager=False)  # or row 4 is refused
    for rows in (5, 8, 3, 13):
        x, of = _normal(rng, rows, 3, 2), f"for {rows} rows "
        answer = _ask(function, model, x, shape=(rows, 4), of=of)
        alone = _unrolled(model.get_weights())(x)[0]
        right = np.isclose(answer, alone, atol=1e-4).all(axis=1)
        other = f"""{of}the shape is right, but row {right.argmin()} is not what it gives alone.
            From which state does it start?"""
        _expect(right.all(), other)


@feedback
def check_both_directions(function):
    """Say whether `function(layer, windows)` reads windows as one long pass would."""
    layer = keras.layers.Bidirectional(_lstm(return_sequences=True, stateful=True))
    _, rng = _model(66, layer, batch_size=2)
    backward = """the backward half still reads one window after another. What has it read when it
        comes to the last timestep of window 0?"""
    other = "other outputs. Does everything start from zeros, each half from its end?"
    for n_windows, steps in ((3, 4), (4, 2)):
        windows = _normal(rng, n_windows, 2, steps, 2)
        answer = _ask(function, layer, windows, shape=(2, n_windows * steps, 8))
        layer.reset_state()
        piecewise = np.concatenate([layer(window) for window in windows], axis=1)
        layer.reset_state()
        expected = layer(np.concatenate(windows, axis=1))
        _compare(answer, expected, other, [(piecewise, backward)])


# --- padding ---------------------------------------------------------------------------------


@feedback
def check_fractions(function):
    """Say whether `function(sequences)` pads with zeros at the end and keeps every number."""
    cut = "the fractions are cut off. Of which type are the numbers?"
    for sequences in ([[0.25, -1.75, 3.0], [0.5]], [[-0.125], [2.5, 0.75], [0.0, 0.0, 0.0, 9.5]]):
        longest, of = max(map(len, sequences)), f"for {sequences} "
        expected = np.array([row + [0.0] * (longest - len(row)) for row in sequences])
        answer = np.asarray(_ask(function, sequences, of=of))
        answer = _numbers(answer[..., 0] if answer.ndim == 3 else answer, expected.shape, of)
        other = f"{of}yours is {answer.tolist()}. Every number as it was, then zeros."
        _compare(answer, expected, other, [(np.trunc(expected), cut)])


@feedback
def check_silence(function):
    """Say whether `function(lstm, sequences)` gives the last state of each, zeros included."""
    lstm = _lstm()
    _, rng = _model(67, lstm)
    skipped = "timesteps that are real and all zero are still skipped."
    other = "the states are not those of the sequences alone. Is padding read, too?"
    for lengths in ((5, 3, 7), (2, 6)):
        sequences = [_normal(rng, length, 2) for length in lengths]
        sequences[0][1:3] = sequences[1][-1] = 0.0
        answer = _ask(function, lstm, sequences, shape=(len(lengths), 4))
        expected = np.concatenate([lstm(row[None]) for row in sequences])
        without = np.concatenate([lstm(row[row.any(axis=1)][None]) for row in sequences])
        _compare(answer, expected, other, [(without, skipped)])


@feedback
def check_last_output(function):
    """Say whether `function(model, inputs, mask)` takes each row at its last real timestep."""
    for lengths, model, inputs, _, mask in _padded_batches(68):
        answer = _ask(function, model, inputs, mask, shape=(len(lengths), 1))
        expected = [model(row[None, :n])[0, -1] for row, n in zip(inputs, lengths, strict=True)]
        other = f"""for lengths of {lengths} the outputs are not those of the sequences alone. At
            which timestep does each of them end?"""
        _compare(answer, expected, other)


@feedback
def check_divisor(function):
    """Say whether `function(model, inputs, targets, mask)` is the mean over real timesteps."""
    counted = "the errors of the padding are counted in."
    for lengths, model, inputs, targets, mask in _padded_batches(69):
        answer = _ask(function, model, inputs, targets, mask, shape=())
        errors = np.square(np.asarray(model(inputs)) - targets)[..., 0]
        expected = errors[mask].mean()
        divided = f"""the padding adds nothing to the sum, but it is still counted in what the sum
            is divided by: {mask.size} instead of {mask.sum()}."""
        other = f"""for lengths of {lengths} your error is {answer:.4f}. The mean over the
            {mask.sum()} real timesteps is {expected:.4f}."""
        known = [(errors.mean(), counted), ((errors * mask).mean(), divided)]
        _compare(answer, expected, other, known)


@feedback
def check_metric(function):
    """Say whether `function(model, inputs, targets, mask)` is the RMSE of real timesteps."""
    rmse = keras.metrics.RootMeanSquaredError()
    batches = _padded_batches(70, keras.layers.Masking(0.0), metrics=[rmse])
    for lengths, model, inputs, targets, mask in batches:
        answer = _ask(function, model, inputs, targets, mask, shape=())
        errors = np.square(np.asarray(model(inputs)) - targets)[..., 0]
        expected = np.sqrt(errors[mask].mean())
        other = f"""for lengths of {lengths} yours is {answer:.4f}. The root of the mean squared
            error over the {mask.sum()} real timesteps is {expected:.4f}."""
        _compare(
            answer, expected, other, [(np.sqrt(errors.mean()), "the padding is still counted.")]
        )


# --- targets ---------------------------------------------------------------------------------


@feedback
def check_many_targets(function):
    """Say whether `function(model, inputs, targets)` is the loss against the last target."""
    every = "each output is still compared with all 6 targets of its row."
    for rows in (3, 5):
        model, rng = _model(rows, _lstm(), keras.layers.Dense(1))
        inputs, targets = _normal(rng, rows, 6, 2), _normal(rng, rows, 6, 1)
        answer = _ask(function, model, inputs, targets, shape=())
        errors = np.square(np.asarray(model(inputs))[:, None] - targets)
        expected = errors[:, -1].mean()
        other = f"""yours is {answer:.4f}. Against the last targets the mean squared error is
            {expected:.4f}."""
        _compare(answer, expected, other, [(errors.mean(), every)])


@feedback
def check_next_value(function):
    """Say whether `function(series, steps)` pairs every window with the value after it."""
    rng = np.random.default_rng(72)
    for timesteps, steps in ((20, 4), (9, 3), (150, 2)):
        series = rng.permutation(timesteps).astype("float32")[:, None] + 0.5
        of = f"for {timesteps} timesteps and steps={steps} "
        inputs, targets = _pairs(_ask(function, series, steps, of=of))
        count, wanted = len(targets), timesteps - steps
        shapes = f"""{of}the shapes are {inputs.shape} and {targets.shape}. Wanted are
            (windows, {steps}, 1) and (windows, 1)."""
        _expect((inputs.size, targets.size) == (count * steps, count), shapes)
        found = _timesteps_of(series, inputs.reshape(count, steps))
        _expect((np.diff(found) == 1).all(), f"{of}a window is not {steps} timesteps in a row.")
        for gap in _timesteps_of(series, targets.ravel()) - found[:, -1]:
            off = f"{of}a target stands {gap} timesteps after the end of its window. 1 is wanted."
            _expect(gap == 1, off)
        missing = f"""{of}every target is right, but {count} windows are there, and {wanted} have
            a value after them."""
        _expect(len(np.unique(found[:, 0])) == wanted, missing)


# --- what the checks share -------------------------------------------------------------------


def _ask(function, *given, shape=None, of=""):
    """Return what a learner's function answers to copies, as numbers if a shape is wanted."""
    copies = [deepcopy(part) if isinstance(part, (np.ndarray, list)) else part for part in given]
    with warnings.catch_warnings(action="ignore"):  # a right fix may come with one
        answer = answer_of(function, *copies, of=of)
    return answer if shape is None else _numbers(answer, shape, of)


def _numbers(answer, shape, of=""):
    """Return an answer as an array of the shape, or as one number for the shape ()."""
    wanted = f"an array of numbers with the shape {shape}" if shape else "one number"
    try:
        answer = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        _expect(False, f"{of}{wanted} is wanted.")
    if not shape:
        _expect(answer.size == 1, f"one number is wanted. Your shape is {answer.shape}.")
        return answer.item()
    _expect(answer.shape == shape, f"{of}your shape is {answer.shape}, {shape} is wanted.")
    return answer


def _expect(right, hint):
    """Tell the learner a hint, as one line, unless something is right."""
    if not right:
        raise AnswerError(" ".join(f"Not yet: {hint}".split()))


def _compare(answer, expected, other, known=()):
    """Tell the hint of the known wrong result that an answer is, or `other` if it is not right."""
    for wrong, hint in known:
        _expect(not _same(answer, wrong), hint)
    _expect(_same(answer, expected), other)


def _same(*results):
    one, two = (np.hstack([(), *map(np.ravel, keras.tree.flatten(part))]) for part in results)
    return one.shape == two.shape and np.allclose(one, two, atol=1e-4)


def _trained(function, model, *data):
    """Return the weights of what a learner's function trained, the model if it returns nothing."""
    before = model.get_weights()
    (answer,) = _ask(lambda *copies: [function(model, *copies)], *data)
    if answer is None and not _same(model.get_weights(), before):
        answer = model
    answer = answer_of(lambda: getattr(answer, "model", answer))  # a History knows its model
    _expect(hasattr(answer, "get_weights"), "return the model.")
    return answer.get_weights()


def _pairs(answer):
    """Return inputs and targets, from a pair of arrays or from a dataset of batches."""
    if hasattr(answer, "element_spec"):
        answer = [np.concatenate(parts) for parts in zip(*answer, strict=False)][:2]
    pair = isinstance(answer, (tuple, list)) and len(answer) == 2
    _expect(pair, "return a pair, inputs and targets, or a dataset of them.")
    inputs, targets = (np.asarray(part, dtype=float) for part in answer)
    shapes = f"each window needs one target. Your shapes are {inputs.shape} and {targets.shape}."
    _expect(inputs.ndim > 1 and targets.ndim and 0 < len(inputs) == len(targets), shapes)
    return inputs, targets


def _timesteps_of(series, values):
    """Return at which timestep of a series each value stands, far outside if at none."""
    order = np.argsort(series[:, 0])
    ranks = np.searchsorted(series[order, 0], values).clip(max=len(series) - 1)
    return np.where(series[order[ranks], 0] == values, order[ranks], -9 * len(series))


def _normal(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def _model(seed, *parts, batch_size=None, metrics=(), eager=True):  # eager is quick for few rows
    """Return a model as in use, no weight, bias or state at zero, and a generator for its data."""
    rng = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input((None, 2), batch_size=batch_size), *parts])
    model.set_weights([rng.normal(scale=0.7, size=w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(_RATE), "mse", metrics=metrics, run_eagerly=eager)
    if batch_size:  # stateful: from zeros, whoever forgets the first reset would be right
        for state in model.layers[0].states:
            state.assign(_normal(rng, *state.shape))
    return model, rng


def _to_train(n_windows):
    """Return a model, its weights and states, and two series in windows, with targets."""
    model, rng = _model(n_windows, _lstm(stateful=True), keras.layers.Dense(1), batch_size=2)
    x, y = _normal(rng, 2 * n_windows, 3, 2), _normal(rng, 2 * n_windows, 1)
    return model, (model.get_weights(), get_states(model)), x, y


def _padded_batches(seed, *first, metrics=()):
    """Yield lengths, a model, inputs and targets that are 0 where padded, and their mask."""
    lstm = _lstm(return_sequences=True)
    model, rng = _model(seed, *first, lstm, keras.layers.Dense(1), metrics=metrics)
    for lengths in ([3, 6, 1], [2, 5, 4, 2]):
        mask = length_mask(lengths, max(lengths) + 1)
        inputs, targets = (_normal(rng, *mask.shape, n) * mask[..., None] for n in (2, 1))
        yield lengths, model, inputs, targets, mask


def _unrolled(weights):
    """Return an LSTM that keeps nothing inside, with the first three of the weights."""
    lstm = _lstm(return_state=True, unroll=True)
    lstm.build((None, None, 2))
    lstm.set_weights(weights[:3])
    return lstm


def _by_hand(before, x, y, epochs=1, *, reset=True, rate=_RATE):
    """Return the weights after training in order, the state passed on by hand, and the loss."""
    weights, state = before
    lstm, kernel, bias = _unrolled(weights), *map(tf.Variable, weights[3:])
    variables = [*(weight.value for weight in lstm.trainable_variables), kernel, bias]
    for _ in range(epochs):
        state, losses = (None if reset else state), []
        for start in range(0, len(x), 2):
            with tf.GradientTape() as tape:
                h, *state = lstm(x[start : start + 2], initial_state=state)
                losses.append(tf.reduce_mean((h @ kernel + bias - y[start : start + 2]) ** 2))
            slopes = tape.gradient(losses[-1], variables)
            for variable, slope in zip(variables, slopes, strict=True):
                variable.assign_sub(rate * slope)
    return variables, np.mean(losses)
