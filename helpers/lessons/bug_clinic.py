"""The repairs of lesson 06: each is tried with weights and data that the lesson does not show.

What is right comes from one pass over each unpadded sequence, or from NumPy; any repair that
gives it is accepted.
"""

import warnings

import numpy as np

from helpers.exercises import AnswerError, answer_of, feedback

_RATE = 0.1  # the learning rate of the models to train
_LEFT = 0.5  # each number of the state that a model holds from calls before


# --- state -----------------------------------------------------------------------------------


@feedback
def check_requests(function):
    """Say whether `function(model, x)` predicts as if nothing had been predicted before."""
    rng = np.random.default_rng(60)
    model = _used(_stateful(rng, batch_size=3))
    for timesteps in (5, 2, 2):
        x = _normal(rng, 3, timesteps, 2)
        answer = _numbers(_call(function, model, x.copy()), (3, 4))
        if not _same(answer, _alone(model, x)):
            raise AnswerError(
                "Not yet: the answer still depends on what the model was asked before. Where does "
                "it keep that, and how is it cleared?"
            )


@feedback
def check_epochs(function):
    """Say whether `function(model, x, y, epochs)` trains with each epoch from zeros."""
    rng = np.random.default_rng(61)
    for n_windows, epochs in ((3, 2), (2, 3)):
        model = _used(_to_train(rng))
        x, y = _normal(rng, 2 * n_windows, 3, 2), _normal(rng, 2 * n_windows, 1)
        before = model.get_weights()
        weights = _trained(function, model, x, y, epochs)
        if _all_same(weights, _train_by_hand(before, x, y, epochs, reset=False)):
            raise AnswerError(
                f"Not yet: with epochs={epochs} an epoch still starts from the state that the one "
                "before left."
            )
        if not _all_same(weights, _train_by_hand(before, x, y, epochs)):
            raise AnswerError(
                f"Not yet: with epochs={epochs} the weights are others. Is each epoch one pass, "
                "from zeros, over the rows in their order?"
            )


@feedback
def check_shuffle(function):
    """Say whether `function(model, x, y)` trains one epoch on the rows in their order."""
    rng = np.random.default_rng(62)
    model = _to_train(rng)
    x, y = _normal(rng, 14, 3, 2), _normal(rng, 14, 1)
    before = model.get_weights()
    if not _all_same(_trained(function, model, x, y), _train_by_hand(before, x, y, 1)):
        raise AnswerError(
            "Not yet: the weights are not those of one epoch in order. Which rows came in the "
            "first batch?"
        )


@feedback
def check_batches(function):
    """Say whether `function(series, steps, batch_size)` lets each row continue itself."""
    rng = np.random.default_rng(63)
    for timesteps, steps, batch_size in ((24, 3, 2), (60, 5, 4), (12, 2, 3)):
        series = rng.permutation(timesteps).astype("float32")[:, None] + 0.5
        of = f"for {timesteps} timesteps, steps={steps}, batch_size={batch_size} "
        answer = _call(function, series.copy(), steps, batch_size, of=of)
        answer = getattr(answer, "inputs", answer)
        shape = (timesteps // steps // batch_size, batch_size, steps, 1)
        batches = _numbers(answer if hasattr(answer, "shape") else list(answer), shape, of)
        found = _timesteps_of(series, batches[..., 0])
        if (np.diff(found, axis=2) != 1).any():
            raise AnswerError(f"Not yet: {of}a window is not {steps} timesteps in a row.")
        starts, ends = found[..., 0], found[..., -1]
        off = np.argwhere(starts[1:] != ends[:-1] + 1)
        if len(off):
            k, row = off[0]
            raise AnswerError(
                f"Not yet: {of}row {row} of batch {k + 1} starts at timestep "
                f"{starts[k + 1, row]}. In batch {k} that row ended at {ends[k, row]}."
            )
        if len(np.unique(found)) < timesteps:
            raise AnswerError(f"Not yet: {of}only {len(np.unique(found))} of them are used.")


@feedback
def check_validation(function):
    """Say whether `function(model, x, y)` gives the loss from zeros and moves no state."""
    rng = np.random.default_rng(64)
    for n_windows in (1, 3):
        model = _to_train(rng)
        states = [_normal(rng, *state.shape) for state in model.layers[0].states]
        for variable, state in zip(model.layers[0].states, states, strict=True):
            variable.assign(state)
        x, y = _normal(rng, 2 * n_windows, 3, 2), _normal(rng, 2 * n_windows, 1)
        loss = _number(_call(function, model, x.copy(), y.copy()))
        expected = _loss_by_hand(model, x, y)
        after = [np.asarray(state) for state in model.layers[0].states]
        if not _same(loss, expected):
            raise AnswerError(
                f"Not yet: your loss is {loss:.4f}; from zeros it is {expected:.4f}. From which "
                "state does the validation start?"
            )
        if not _all_same(after, states):
            raise AnswerError(
                "Not yet: the loss is right, but the state is not what it was before. Put back "
                "what training had left there."
            )


@feedback
def check_rows(function):
    """Say whether `function(model, x)` predicts each row from zeros, whatever their number."""
    rng = np.random.default_rng(65)
    model = _used(_stateful(rng, batch_size=4, eager=False))  # eagerly, Keras refuses row 4
    for rows in (5, 8, 3, 13):
        x = _normal(rng, rows, 3, 2)
        answer = _call(function, model, x.copy(), of=f"for {rows} rows ")
        answer = _numbers(answer, (rows, 4), f"for {rows} rows ")
        off = ~np.isclose(answer, _alone(model, x), atol=1e-4).all(axis=1)
        if off.any():
            raise AnswerError(
                f"Not yet: for {rows} rows the shape is right, but row {off.argmax()} is not what "
                "it gives alone. From which state does it start?"
            )


@feedback
def check_both_directions(function):
    """Say whether `function(layer, windows)` reads windows as one long pass would."""
    import keras  # TensorFlow loads here, not with the checks

    rng = np.random.default_rng(66)
    layer = keras.layers.Bidirectional(
        keras.layers.LSTM(4, return_sequences=True, stateful=True, use_cudnn=False)
    )
    layer.build((2, None, 2))
    _fill(layer, rng)
    for n_windows, steps in ((3, 4), (4, 2)):
        windows = _normal(rng, n_windows, 2, steps, 2)
        layer(windows[-1])  # so that it holds a state
        answer = _numbers(_call(function, layer, windows.copy()), (2, n_windows * steps, 8))
        layer.reset_state()
        piecewise = np.concatenate([layer(window) for window in windows], axis=1)
        layer.reset_state()
        expected = np.asarray(layer(np.concatenate(list(windows), axis=1)))
        if _same(answer, piecewise):
            raise AnswerError(
                "Not yet: the backward half still reads one window after another. What has it read "
                "when it comes to the last timestep of window 0?"
            )
        if not _same(answer, expected):
            raise AnswerError(
                "Not yet: other outputs. Does everything start from zeros, each half from its end?"
            )


# --- padding ---------------------------------------------------------------------------------


@feedback
def check_fractions(function):
    """Say whether `function(sequences)` pads with zeros at the end and keeps every number."""
    for sequences in ([[0.25, -1.75, 3.0], [0.5]], [[-0.125], [2.5, 0.75], [0.0, 0.0, 0.0, 9.5]]):
        longest = max(map(len, sequences))
        expected = np.array([row + [0.0] * (longest - len(row)) for row in sequences])
        shown = f"for {sequences} "
        answer = _call(function, [list(row) for row in sequences], of=shown)
        answer = np.asarray(answer)
        answer = _numbers(answer[..., 0] if answer.ndim == 3 else answer, expected.shape, shown)
        if _same(answer, np.trunc(expected)):
            raise AnswerError("Not yet: the fractions are cut off. Of which type are the numbers?")
        if not _same(answer, expected):
            raise AnswerError(
                f"Not yet: {shown}yours is {answer.tolist()}. Every number as it was, then zeros."
            )


@feedback
def check_silence(function):
    """Say whether `function(lstm, sequences)` gives the last state of each, zeros included."""
    import keras

    rng = np.random.default_rng(67)
    lstm = keras.layers.LSTM(4, use_cudnn=False)
    lstm.build((None, None, 2))
    _fill(lstm, rng)
    for lengths in ((5, 3, 7), (2, 6)):
        sequences = [_normal(rng, length, 2) for length in lengths]
        sequences[0][1:3] = 0.0
        sequences[1][-1] = 0.0
        answer = _call(function, lstm, [row.copy() for row in sequences])
        answer = _numbers(answer, (len(lengths), 4))
        expected = np.concatenate([lstm(row[None]) for row in sequences])
        skipped = np.concatenate([lstm(row[row.any(axis=1)][None]) for row in sequences])
        if _same(answer, skipped):
            raise AnswerError("Not yet: timesteps that are real and all zero are still skipped.")
        if not _same(answer, expected):
            raise AnswerError(
                "Not yet: the states are not those of the sequences alone. Is padding read, too?"
            )


@feedback
def check_last_output(function):
    """Say whether `function(model, inputs, mask)` takes each row at its last real timestep."""
    rng = np.random.default_rng(68)
    model = _sequence_model(rng)
    for lengths in ([3, 6, 1], [2, 5, 4, 2]):
        inputs, mask, _ = _padded(rng, lengths)
        answer = _call(function, model, inputs.copy(), mask.copy())
        answer = _numbers(answer, (len(lengths), 1))
        real = [model(row[None, :n])[0, -1] for row, n in zip(inputs, lengths, strict=True)]
        if not _same(answer, real):
            raise AnswerError(
                f"Not yet: for lengths of {lengths} the outputs are not those of the sequences "
                "alone. At which timestep does each of them end?"
            )


@feedback
def check_divisor(function):
    """Say whether `function(model, inputs, targets, mask)` is the mean over real timesteps."""
    rng = np.random.default_rng(69)
    model = _sequence_model(rng)
    for lengths in ([3, 6, 1], [2, 5, 4, 2]):
        inputs, mask, targets = _padded(rng, lengths)
        answer = _number(_call(function, model, inputs.copy(), targets.copy(), mask.copy()))
        errors = np.square(np.asarray(model(inputs)) - targets)[..., 0]
        if _same(answer, errors.mean()):
            raise AnswerError("Not yet: the errors of the padding are counted in.")
        if _same(answer, (errors * mask).mean()):
            raise AnswerError(
                "Not yet: the padding adds nothing to the sum, but it is still counted in what "
                f"the sum is divided by: {mask.size} instead of {mask.sum()}."
            )
        if not _same(answer, errors[mask].mean()):
            raise AnswerError(
                f"Not yet: for lengths of {lengths} your error is {answer:.4f}. The mean over the "
                f"{mask.sum()} real timesteps is {errors[mask].mean():.4f}."
            )


@feedback
def check_metric(function):
    """Say whether `function(model, inputs, targets, mask)` is the RMSE of real timesteps."""
    import keras

    rng = np.random.default_rng(70)
    model = _sequence_model(
        rng, keras.layers.Masking(0.0), metrics=[keras.metrics.RootMeanSquaredError()]
    )
    for lengths in ([3, 6, 1], [2, 5, 4, 2]):
        inputs, mask, targets = _padded(rng, lengths)
        answer = _number(_call(function, model, inputs.copy(), targets.copy(), mask.copy()))
        errors = np.square(np.asarray(model(inputs)) - targets)[..., 0]
        expected = np.sqrt(errors[mask].mean())
        if _same(answer, np.sqrt(errors.mean())):
            raise AnswerError("Not yet: the padding is still counted.")
        if not _same(answer, expected):
            raise AnswerError(
                f"Not yet: for lengths of {lengths} yours is {answer:.4f}. The root of the mean "
                f"squared error over the {mask.sum()} real timesteps is {expected:.4f}."
            )


# --- targets ---------------------------------------------------------------------------------


@feedback
def check_many_targets(function):
    """Say whether `function(model, inputs, targets)` is the loss against the last target."""
    import keras

    rng = np.random.default_rng(71)
    for rows in (3, 5):
        model = _model(rng, keras.layers.LSTM(4, use_cudnn=False), keras.layers.Dense(1))
        inputs, targets = _normal(rng, rows, 6, 2), _normal(rng, rows, 6, 1)
        answer = _number(_call(function, model, inputs.copy(), targets.copy()))
        outputs = np.asarray(model(inputs))
        expected = np.square(outputs - targets[:, -1]).mean()
        if _same(answer, np.square(outputs[:, None] - targets).mean()):
            raise AnswerError(
                f"Not yet: each output is still compared with all {targets.shape[1]} targets of "
                "its row."
            )
        if not _same(answer, expected):
            raise AnswerError(
                f"Not yet: yours is {answer:.4f}. Against the last targets the mean squared error "
                f"is {expected:.4f}."
            )


@feedback
def check_next_value(function):
    """Say whether `function(series, steps)` pairs every window with the value after it."""
    rng = np.random.default_rng(72)
    for timesteps, steps in ((20, 4), (9, 3), (150, 2)):
        series = rng.permutation(timesteps).astype("float32")[:, None] + 0.5
        of = f"for {timesteps} timesteps and steps={steps} "
        inputs, targets = _pairs(_call(function, series.copy(), steps, of=of))
        if inputs.size != len(targets) * steps or targets.size != len(targets):
            raise AnswerError(
                f"Not yet: {of}the shapes are {inputs.shape} and {targets.shape}. Wanted are "
                f"(windows, {steps}, 1) and (windows, 1)."
            )
        found = np.column_stack([inputs.reshape(len(inputs), -1), targets.reshape(-1)])
        found = _timesteps_of(series, found)
        if (np.diff(found[:, :-1], axis=1) != 1).any():
            raise AnswerError(f"Not yet: {of}a window is not {steps} timesteps in a row.")
        gap = found[:, -1] - found[:, -2]
        if (gap != 1).any():
            raise AnswerError(
                f"Not yet: {of}a target stands {gap[gap != 1][0]} timesteps after the end of its "
                "window. 1 is wanted."
            )
        if len(np.unique(found[:, 0])) < timesteps - steps:
            raise AnswerError(
                f"Not yet: {of}every target is right, but {len(found)} windows are there, and "
                f"{timesteps - steps} have a value after them."
            )


# --- what they share -------------------------------------------------------------------------


def _normal(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def _fill(model, rng):
    """Give a model or layer weights and biases as after training: none is zero."""
    model.set_weights([rng.normal(scale=0.7, size=w.shape) for w in model.get_weights()])


def _model(rng, *parts, batch_size=None, metrics=(), eager=True):
    import keras

    model = keras.Sequential([keras.Input((None, 2), batch_size=batch_size), *parts])
    _fill(model, rng)
    sgd = keras.optimizers.SGD(_RATE)
    model.compile(
        sgd, "mse", metrics=list(metrics), run_eagerly=eager
    )  # eager is quick for few rows
    return model


def _stateful(rng, batch_size, *parts, eager=True):
    import keras

    lstm = keras.layers.LSTM(4, stateful=True, use_cudnn=False)
    return _model(rng, lstm, *parts, batch_size=batch_size, eager=eager)


def _used(model):
    """Leave a state in a model: with zeros, whoever forgets the first reset would be right."""
    for state in model.layers[0].states:
        state.assign(np.full(state.shape, _LEFT, "float32"))
    return model


def _to_train(rng):
    import keras

    return _stateful(rng, 2, keras.layers.Dense(1))


def _sequence_model(rng, *first, metrics=()):
    import keras

    lstm = keras.layers.LSTM(4, return_sequences=True, use_cudnn=False)
    return _model(rng, *first, lstm, keras.layers.Dense(1), metrics=metrics)


def _padded(rng, lengths):
    """Return inputs padded with zeros, their mask, and targets that are 0 where padded."""
    mask = np.arange(max(lengths) + 1) < np.array(lengths)[:, None]
    inputs = np.where(mask[..., None], _normal(rng, *mask.shape, 2), 0)
    targets = np.where(mask[..., None], _normal(rng, *mask.shape, 1), 0)
    return inputs, mask, targets


def _explicit(weights):
    """Return an LSTM that keeps nothing inside, with the first three of the weights."""
    import keras

    lstm = keras.layers.LSTM(4, return_state=True, use_cudnn=False, unroll=True)
    lstm.build((None, None, 2))
    lstm.set_weights(weights[:3])
    return lstm


def _alone(model, x):
    return np.asarray(_explicit(model.get_weights())(x)[0])


def _loss_by_hand(model, x, y):
    lstm, state, losses = _explicit(model.get_weights()), None, []
    kernel, bias = model.layers[1].get_weights()
    for start in range(0, len(x), 2):
        h, *state = lstm(x[start : start + 2], initial_state=state)
        losses.append(np.square(np.asarray(h) @ kernel + bias - y[start : start + 2]).mean())
    return float(np.mean(losses))


def _train_by_hand(weights, x, y, epochs, *, reset=True):
    """Return the weights after training in order, with the state passed on by hand.

    Without a reset, the first epoch starts as a `_used` model does.
    """
    import keras
    import tensorflow as tf

    lstm, dense = _explicit(weights), keras.layers.Dense(1)
    dense.build((None, 4))
    dense.set_weights(weights[3:])
    variables = [weight.value for layer in (lstm, dense) for weight in layer.trainable_variables]
    state = [np.full((2, 4), _LEFT, "float32")] * 2
    for _ in range(epochs):
        state = None if reset else state
        for start in range(0, len(x), 2):
            with tf.GradientTape() as tape:
                h, *state = lstm(x[start : start + 2], initial_state=state)
                loss = tf.reduce_mean(tf.square(dense(h) - y[start : start + 2]))
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(_RATE * gradient)
    return [variable.numpy() for variable in variables]


def _trained(function, model, *data):
    """Return the weights of what a learner's function trained, the model if it returns nothing."""
    before = model.get_weights()

    def train():
        answer = function(model, *data)
        moved = not _all_same(model.get_weights(), before)
        return model if answer is None and moved else answer

    answer = _call(train)
    answer = getattr(answer, "model", answer)  # what `fit` returns knows its model
    if not hasattr(answer, "get_weights"):
        raise AnswerError("Not yet: return the model.")
    return answer.get_weights()


def _call(function, *args, of=""):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a right repair may come with one
        return answer_of(function, *args, of=of)


def _numbers(answer, shape, of=""):
    try:
        answer = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise AnswerError(
            f"Not yet: {of}an array of numbers with the shape {shape} is wanted."
        ) from None
    if answer.shape != shape:
        raise AnswerError(f"Not yet: {of}your shape is {answer.shape}, {shape} is wanted.")
    return answer


def _number(answer):
    answer = np.asarray(answer, dtype=float)
    if answer.size != 1:
        raise AnswerError(f"Not yet: one number is wanted. Your shape is {answer.shape}.")
    return answer.item()


def _timesteps_of(series, values):
    """Return at which timestep of a series each value stands, far outside if at none."""
    order = np.argsort(series[:, 0])
    ranks = np.searchsorted(series[order, 0], values).clip(max=len(series) - 1)
    return np.where(series[order[ranks], 0] == values, order[ranks], -9 * len(series))


def _pairs(answer):
    """Return inputs and targets, from a pair of arrays or from a dataset of batches."""
    if hasattr(answer, "element_spec"):
        batches = list(answer)
        answer = [np.concatenate([batch[i] for batch in batches]) for i in range(2)]
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise AnswerError("Not yet: return a pair, inputs and targets, or a dataset of them.")
    inputs, targets = (np.asarray(part, dtype=float) for part in answer)
    if inputs.ndim < 2 or not targets.ndim or len(inputs) != len(targets) or not len(inputs):
        raise AnswerError(
            f"Not yet: each window needs one target. Your shapes are {inputs.shape} and "
            f"{targets.shape}."
        )
    return inputs, targets


def _same(answer, expected):
    return np.shape(answer) == np.shape(expected) and np.allclose(answer, expected, atol=1e-4)


def _all_same(answers, expected):
    return len(answers) == len(expected) and all(map(_same, answers, expected))
