"""Predicting and training on windows with carried state is what Keras does on whole sequences."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers.models import get_states, set_states
from helpers.probes import gradient_reach
from helpers.training import (
    epoch_data,
    epoch_mebibytes,
    epoch_program,
    predict_windows,
    train_windows,
)
from helpers.windows import join_windows, pad_batch, split_windows

LENGTHS = (7, 12, 4, 1)
EVERY_STEPS = range(1, max(LENGTHS) + 1)


def split_mask(mask, steps):
    """Windows of a (batch, timesteps) mask."""
    return split_windows(mask[..., None].astype("int8"), steps).inputs[..., 0].astype(bool)


# --- 1. carried windows are one long pass ----------------------------------------------------


@pytest.fixture(scope="module")
def alone(rnn, ragged, keras_pass):
    """Outputs of each sequence: alone, unpadded, in one pass of Keras."""
    return [keras_pass(rnn, sequence) for sequence in ragged]


@pytest.mark.parametrize("steps", EVERY_STEPS)
def test_carrying_state_gives_each_row_what_it_gives_alone(rnn, ragged, alone, steps):
    inputs, mask = split_windows(ragged, steps)
    outputs = predict_windows(rnn, inputs, mask=mask)
    assert outputs.shape == (*mask.shape, 2)
    for got, expected in zip(join_windows(outputs, LENGTHS), alone, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert (outputs[~mask] == 0).all()


@pytest.fixture(scope="module")
def long_pass(rnn):
    """Three sequences of 12 timesteps, and what Keras gives for them in one pass."""
    batch = np.random.default_rng(6).normal(size=(3, 12, 3)).astype("float32")
    return batch, np.asarray(rnn(batch))


@pytest.mark.parametrize("steps", EVERY_STEPS)
def test_carrying_state_equals_one_long_pass(rnn, long_pass, steps):
    batch, expected = long_pass
    inputs, mask = split_windows(batch, steps)
    outputs = predict_windows(rnn, inputs, mask=None if mask.all() else mask)
    got = join_windows(outputs, [12] * 3)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", EVERY_STEPS)
def test_resetting_gives_what_each_window_gives_alone(rnn, ragged, keras_pass, steps):
    inputs, mask = split_windows(ragged, steps)
    outputs = predict_windows(rnn, inputs, mask=mask, carry=False)
    for got, sequence in zip(join_windows(outputs, LENGTHS), ragged, strict=True):
        for start in range(0, len(sequence), steps):
            expected = keras_pass(rnn, sequence[start : start + steps])
            np.testing.assert_allclose(got[start : start + steps], expected, rtol=0, atol=1e-6)


# --- 2. masked padding -----------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("value", [0.0, -7.5, 3e38, -1e300])
def test_padding_never_changes_a_masked_result(rnn, ragged, alone, padding, value):
    sequences = [sequence.astype("float64") for sequence in ragged]
    padded, real = pad_batch(sequences, timesteps=14, padding=padding, value=value)
    for steps in (1, 5, 14):
        inputs = split_windows(padded, steps).inputs
        outputs = predict_windows(rnn, inputs, mask=split_mask(real, steps))
        rows = np.stack(join_windows(outputs, [14] * len(ragged)))
        for got, where, expected in zip(rows, real, alone, strict=True):
            np.testing.assert_allclose(got[where], expected, rtol=0, atol=1e-6)


def test_a_hole_in_the_mask_is_a_timestep_that_never_was(rnn, rng, keras_pass):
    sequence = rng.normal(size=(9, 3)).astype("float32")
    real = np.array([True, False, True, True, False, False, False, True, True])
    for steps in (2, 3, 9):
        inputs, mask = split_windows([sequence], steps)
        outputs = predict_windows(rnn, inputs, mask=mask & split_mask(real[None], steps))
        (got,) = join_windows(outputs, [9])
        np.testing.assert_allclose(got[real], keras_pass(rnn, sequence[real]), rtol=0, atol=1e-6)


def test_a_masking_layer_masks_windows_without_a_mask(make_rnn, ragged, keras_pass):
    model = make_rnn((5, 4), cell="gru", mask_value=-9)
    for steps in (1, 5, 12):
        inputs, mask = split_windows(ragged, steps, value=-9)
        outputs = predict_windows(model, inputs)
        for got, sequence in zip(join_windows(outputs, LENGTHS), ragged, strict=True):
            np.testing.assert_allclose(got, keras_pass(model, sequence), rtol=0, atol=1e-6)
        assert (outputs[~mask] == 0).all()


# --- 3. the last step of a ragged batch ------------------------------------------------------


@pytest.mark.parametrize("steps", EVERY_STEPS)
def test_a_last_step_model_answers_at_each_rows_own_last_real_step(
    last_step_rnn, ragged, keras_pass, steps
):
    inputs, mask = split_windows(ragged, steps)
    got = predict_windows(last_step_rnn, inputs, mask=mask)
    expected = [keras_pass(last_step_rnn, sequence) for sequence in ragged]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", EVERY_STEPS)
def test_a_last_step_model_that_is_reset_answers_for_each_rows_own_last_window(
    last_step_rnn, ragged, keras_pass, steps
):
    inputs, mask = split_windows(ragged, steps)
    got = predict_windows(last_step_rnn, inputs, mask=mask, carry=False)
    starts = [(len(sequence) - 1) // steps * steps for sequence in ragged]
    last = [sequence[start:] for start, sequence in zip(starts, ragged, strict=True)]
    expected = [keras_pass(last_step_rnn, window) for window in last]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("padding", ["pre", "post"])
def test_a_last_step_model_answers_the_same_however_rows_are_padded(
    last_step_rnn, ragged, keras_pass, padding
):
    padded, real = pad_batch(ragged, timesteps=14, padding=padding, value=3e38)
    expected = [keras_pass(last_step_rnn, sequence) for sequence in ragged]
    for steps in (1, 5, 14):
        inputs = split_windows(padded, steps).inputs
        got = predict_windows(last_step_rnn, inputs, mask=split_mask(real, steps))
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


# --- 5. training -----------------------------------------------------------------------------

EPOCHS = 2


class Recorder(keras.callbacks.Callback):
    """Keeps the weights after each epoch."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


def compiled(model):
    # Only Keras' own `fit` looks at run_eagerly: a few batches are done sooner so.
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"], run_eagerly=True)
    return model


def twin_of(model, mask_value=None):
    """The model again, compiled, with the same weights; with Masking in front if asked for."""
    front = [] if mask_value is None else [layers.Masking(mask_value)]
    again = [type(layer).from_config(layer.get_config()) for layer in model.layers]
    twin = keras.Sequential([keras.Input(model.input_shape[1:]), *front, *again])
    twin.set_weights(model.get_weights())
    return compiled(twin)


def fit(twin, x, y, **options):
    """Weights after each epoch, and the History, of Keras' own `fit` on whole sequences."""
    recorder = Recorder()
    options = {"batch_size": len(x), "shuffle": False, "epochs": EPOCHS} | options
    history = twin.fit(x, y, verbose=0, callbacks=[recorder], **options)
    return recorder.weights, history.history


def train(model, inputs, targets, **options):
    recorder = Recorder()
    history = train_windows(model, inputs, targets, epochs=EPOCHS, callbacks=[recorder], **options)
    return recorder.weights, history.history


def reset(twin):
    for layer in twin.layers:
        if hasattr(layer, "reset_state"):
            layer.reset_state()


def keras_loop(twin, inputs, targets, mask, *, carry):
    """What train_windows promises, as a plain loop over a stateful Keras model."""
    weights, history, real = [], {"loss": [], "mae": []}, mask.sum(axis=(1, 2))
    for _ in range(EPOCHS):
        reset(twin)
        logs = []
        for x, y in zip(inputs, targets, strict=True):
            if not carry:
                reset(twin)
            twin.reset_metrics()  # Keras 3.15 does it by itself
            logs.append(twin.train_on_batch(x, y))
        weights.append(twin.get_weights())
        losses, errors = np.transpose(logs)
        history["loss"].append(losses.mean())
        history["mae"].append(np.average(errors, weights=real))
    return weights, history


def assert_same_training(got, expected):
    (weights, history), (expected_weights, expected_history) = got, expected
    assert len(weights) == len(expected_weights) == EPOCHS
    for after, expected_after in zip(weights, expected_weights, strict=True):
        for one, other in zip(after, expected_after, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    assert history.keys() == expected_history.keys() == {"loss", "mae"}
    for name, values in history.items():
        np.testing.assert_allclose(values, expected_history[name], rtol=0, atol=1e-5)
    assert abs(history["loss"][0] - history["loss"][-1]) > 1e-3  # something was learnt


@pytest.fixture
def batch(rng):
    return rng.normal(size=(4, 12, 3)).astype("float32")


@pytest.fixture
def targets(rng):
    return rng.normal(size=(4, 12, 2)).astype("float32")


# Compiling a training program takes seconds, so only the carried windows below have every kind.


def test_one_window_for_each_sequence_trains_as_fit_does(make_rnn, cell, batch, targets):
    model = compiled(make_rnn(5, cell=cell, outputs=2))
    twin = twin_of(model)
    windows, labels = (split_windows(array, 12).inputs for array in (batch, targets))
    assert_same_training(train(model, windows, labels), fit(twin, batch, targets))


@pytest.mark.parametrize(("cell", "units"), [("simple_rnn", (5, 4)), ("lstm", 5)])
def test_a_mask_trains_as_a_masking_model_does(make_rnn, cell, units, ragged, targets):
    model = compiled(make_rnn(units, cell=cell, outputs=2))
    twin = twin_of(model, mask_value=-9)
    inputs, mask = pad_batch(ragged, value=-9)
    got = train(model, inputs[None], targets[None], mask=mask[None])
    assert_same_training(got, fit(twin, inputs, targets))


def test_one_window_trains_a_last_step_model_as_fit_does(make_rnn, ragged, targets):
    model = compiled(make_rnn(5, cell="gru", outputs=2, return_sequences=False))
    twin = twin_of(model, mask_value=-9)
    inputs, mask = pad_batch(ragged, value=-9, padding="pre")
    got = train(model, inputs[None], targets[:, 0], mask=mask[None])
    assert_same_training(got, fit(twin, inputs, targets[:, 0]))


def assert_windows_train_as_a_loop(model, twin, sequences, targets, steps, *, carry):
    compiled(model), compiled(twin)
    twin.set_weights(model.get_weights())
    inputs, mask = split_windows(sequences, steps, value=-9)
    labels = split_windows(targets, steps).inputs
    expected = keras_loop(twin, inputs, labels, mask, carry=carry)
    assert_same_training(train(model, inputs, labels, mask=mask, carry=carry), expected)


def test_carried_windows_train_as_a_plain_keras_loop_does(
    make_rnn, stateful_twin, cell, units, ragged, targets
):
    model = make_rnn(units, cell=cell, outputs=2)
    twin = stateful_twin(model, len(ragged), mask_value=-9)
    assert_windows_train_as_a_loop(model, twin, ragged, targets, 5, carry=True)


def test_reset_windows_train_as_a_plain_keras_loop_does(make_rnn, stateful_twin, ragged, targets):
    model = make_rnn(5, cell="gru", outputs=2)
    twin = stateful_twin(model, len(ragged), mask_value=-9)
    assert_windows_train_as_a_loop(model, twin, ragged, targets, 5, carry=False)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_windows_of_every_length_train_as_a_plain_keras_loop_does(
    make_rnn, stateful_twin, ragged, targets, steps
):
    model = make_rnn(2, cell="simple_rnn", outputs=2)
    twin = stateful_twin(model, len(ragged), mask_value=-9)
    short = [sequence[:4] for sequence in ragged]
    assert_windows_train_as_a_loop(model, twin, short, targets[:, :4], steps, carry=True)


def last_step_loop(twin, inputs, targets, ends):
    """A plain loop for a stateful last-step model: a row counts in the window where it ends."""
    optimizer, weights = keras.optimizers.Adam(0.01), []
    for _ in range(EPOCHS):
        reset(twin)
        for x, end in zip(inputs, ends, strict=True):
            with tf.GradientTape() as tape:
                outputs = twin(x)[end]
                loss = tf.reduce_mean((outputs - targets[end]) ** 2)
            if end.any():
                variables = twin.trainable_variables
                optimizer.apply(tape.gradient(loss, variables), variables)
        weights.append(twin.get_weights())
    return weights


def test_a_last_step_model_learns_each_target_in_the_window_where_its_row_ends(
    make_rnn, stateful_twin, ragged, targets
):
    model = compiled(make_rnn(5, cell="gru", outputs=2, return_sequences=False))
    twin = stateful_twin(model, len(ragged), mask_value=-9)
    inputs, mask = split_windows(ragged, 2, value=-9)
    ends = np.zeros(mask.shape[:2], bool)
    ends[[(n - 1) // 2 for n in LENGTHS], range(len(LENGTHS))] = True
    assert not ends.any(axis=1).all()  # there are windows in which no row ends
    expected = last_step_loop(twin, inputs, targets[:, 0], ends)
    weights, _ = train(model, inputs, targets[:, 0], mask=mask)
    for after, expected_after in zip(weights, expected, strict=True):
        for one, other in zip(after, expected_after, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_padding_never_changes_masked_training(make_rnn, ragged, targets):
    model = make_rnn(5, cell="gru", outputs=2)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before, results = model.get_weights(), []
    sequences = [sequence.astype("float64") for sequence in ragged]
    for padding in ("pre", "post"):
        labels, _ = pad_batch(
            [y[:n] for y, n in zip(targets, LENGTHS, strict=True)], padding=padding
        )
        for value in (0.0, -7.5, 3e38, 1e300):
            model.set_weights(before)
            inputs, mask = pad_batch(sequences, padding=padding, value=value)
            train_windows(model, inputs[None], labels[None], mask=mask[None])
            results.append(model.get_weights())
    assert np.abs(results[0][0] - before[0]).max() > 1e-3
    for weights in results:
        for one, other in zip(weights, results[0], strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_layers_that_treat_each_timestep_for_itself_are_right_in_windows_too(
    make_trained_like, batch, targets
):
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            layers.TimeDistributed(layers.Dense(4, "tanh")),
            layers.LayerNormalization(),
            layers.GRU(3, return_sequences=True, kernel_regularizer="l2"),
            layers.Dropout(0.0),
            layers.SimpleRNN(3, return_sequences=True, unroll=True),
            layers.Dense(2, bias_regularizer="l1"),
            layers.Activation("sigmoid"),
        ]
    )
    compiled(make_trained_like(model))
    for steps in (4, 6, 1, 4):  # to change them spoils Keras' own `predict` with TimeDistributed
        windows = split_windows(batch, steps).inputs
        outputs = join_windows(predict_windows(model, windows), [12] * len(batch))
        np.testing.assert_allclose(outputs, np.asarray(model(batch)), rtol=0, atol=1e-6)
    expected = fit(twin_of(model), batch, targets)
    assert_same_training(train(model, batch[None], targets[None]), expected)


@pytest.mark.parametrize(
    "layer",
    [
        layers.SimpleRNN(4, return_sequences=True, activation="relu"),
        layers.SimpleRNN(4, return_sequences=True, use_bias=False),
        layers.GRU(4, return_sequences=True, reset_after=False),
        layers.GRU(4, return_sequences=True, use_bias=False),
        layers.LSTM(4, return_sequences=True, activation="softsign"),
        layers.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid"),
        layers.LSTM(4, return_sequences=True, use_bias=False),
    ],
)
def test_a_layers_own_options_hold_in_windows_and_in_training(
    make_trained_like, batch, targets, layer
):
    model = keras.Sequential([keras.Input((None, 3)), layer, layers.Dense(2)])
    compiled(make_trained_like(model, scale=0.7))
    for steps in (4, 6, 1, 4):  # to change them spoils Keras' own `predict` with TimeDistributed
        windows = split_windows(batch, steps).inputs
        outputs = join_windows(predict_windows(model, windows), [12] * len(batch))
        np.testing.assert_allclose(outputs, np.asarray(model(batch)), rtol=0, atol=1e-6)
    expected = fit(twin_of(model), batch, targets)
    assert_same_training(train(model, batch[None], targets[None]), expected)


def test_layers_may_have_dtypes_of_their_own(make_trained_like, batch, targets):
    middle = layers.GRU(4, return_sequences=True, dtype="float64")
    model = keras.Sequential([keras.Input((None, 3)), layers.Dense(3), middle, layers.Dense(2)])
    compiled(make_trained_like(model))
    assert np.isfinite(gradient_reach(model, batch, steps=4)).all()
    windows = split_windows(batch, 4).inputs
    outputs = predict_windows(model, windows)
    assert outputs.dtype == "float64"
    got = join_windows(outputs, [12] * len(batch))
    np.testing.assert_allclose(got, np.asarray(model(batch)), rtol=0, atol=1e-6)
    expected = fit(twin_of(model), batch, targets)
    assert_same_training(train(model, batch[None], targets[None]), expected)


@pytest.mark.parametrize(
    "layer",
    [
        layers.LSTM(4, return_sequences=True, dropout=0.5),
        layers.SimpleRNN(4, return_sequences=True, recurrent_dropout=0.5),
        keras.Sequential([layers.SimpleRNN(4, return_sequences=True), layers.Dropout(0.5)]),
    ],
    ids=["of inputs", "of state", "of outputs"],
)
def test_dropout_drops_in_training_and_never_in_prediction(make_trained_like, layer, small):
    middle = layer.layers if isinstance(layer, keras.Sequential) else [layer]
    model = keras.Sequential([keras.Input((None, 3)), *middle])
    make_trained_like(model).compile(keras.optimizers.SGD(0.0), "mse")
    _, inputs, _ = small
    outputs = predict_windows(model, inputs[:1])
    np.testing.assert_allclose(outputs[0], np.asarray(model(inputs[0])), rtol=0, atol=1e-6)
    # Without dropout the loss would be 1 in every epoch.
    losses = train_windows(model, inputs[:1], outputs + 1, epochs=3).history["loss"]
    assert np.ptp(losses) > 1e-3


def test_classes_are_learnt_from_their_numbers_as_fit_learns_them(make_rnn, batch, rng):
    options = {"activation": "softmax", "return_sequences": False}
    model = make_rnn(2, cell="simple_rnn", outputs=3, **options)
    twin, classes = twin_of(model), rng.integers(3, size=len(batch))
    loss = "sparse_categorical_crossentropy"
    for each in (model, twin):
        each.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], run_eagerly=True)
    windows = split_windows(batch, 12).inputs
    _, history = train(model, windows, classes)
    _, expected = fit(twin, batch, classes)
    assert history.keys() == {"loss", "accuracy"}
    for name, values in history.items():
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-5)


def test_a_metric_that_keras_does_not_mask_is_masked_as_a_weighted_metric(
    make_rnn, ragged, targets
):
    model = make_rnn(2, cell="simple_rnn", outputs=2)
    rmse = keras.metrics.RootMeanSquaredError(name="rmse")
    model.compile(keras.optimizers.SGD(0.0), "mse", weighted_metrics=[rmse])
    inputs, mask = split_windows(ragged, 5)
    labels = split_windows(targets, 5).inputs
    off = (predict_windows(model, inputs, mask=mask) - labels)[mask]
    (got,) = train_windows(model, inputs, labels, mask=mask).history["rmse"]
    np.testing.assert_allclose(got, np.sqrt((off**2).mean()), rtol=1e-5)


# --- what counts, and what is measured besides ------------------------------------------------


@pytest.fixture
def warm(make_rnn, rng):
    """A compiled model, its twin, windows (2, 4, 5, 3), targets, and what counts of them."""
    model = make_rnn(3, cell="lstm")
    for each in (model, twin := twin_of(model)):
        each.compile(keras.optimizers.SGD(0.1), "mse")
    inputs = rng.normal(size=(2, 4, 5, 3)).astype("float32")
    counts = np.ones((2, 4, 5), bool)
    counts[0], counts[1, :, :2] = False, False
    return model, twin, inputs, rng.normal(size=(2, 4, 5, 1)).astype("float32"), counts


def test_a_warm_up_moves_the_state_and_teaches_nothing(warm):
    model, twin, inputs, targets, counts = warm
    recurrent, dense = twin.layers
    reader = layers.LSTM(3, return_sequences=True, return_state=True)
    reader.build((None, None, 3))
    reader.set_weights(recurrent.get_weights())
    _, *states = reader(inputs[0])
    with tf.GradientTape() as tape:
        hidden = recurrent(inputs[1], initial_state=[state.numpy() for state in states])
        loss = tf.reduce_mean((dense(hidden) - targets[1])[:, 2:] ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in twin.trainable_variables])
    expected = [w - 0.1 * g.numpy() for w, g in zip(model.get_weights(), gradients, strict=True)]
    history = train_windows(model, inputs, targets, counts=counts).history
    assert history["loss"] == pytest.approx([loss.numpy()], abs=1e-6)
    for one, other in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_what_counts_is_what_keras_gives_a_weight(warm):
    model, twin, inputs, targets, _ = warm
    counts = np.arange(20).reshape(1, 4, 5) % 3 > 0
    weights = counts[0] * counts.size / counts.sum()  # Keras divides by all
    expected = twin.fit(inputs[0], targets[0], sample_weight=weights, batch_size=4, verbose=0)
    history = train_windows(model, inputs[:1], targets[:1], counts=counts).history
    assert history["loss"] == pytest.approx(expected.history["loss"], abs=1e-6)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_what_does_not_count_or_is_masked_may_hold_any_label(make_rnn, rng):
    inputs, classes = rng.normal(size=(2, 3, 4, 3)), rng.integers(3, size=(2, 3, 4))
    mask, counts = np.ones((2, 2, 3, 4), bool)
    mask[1, 0, 2:], counts[0, 1] = False, False
    odd = np.where(mask & counts, classes, -1)
    losses = []
    for labels in (classes, odd):
        model = make_rnn(2, cell="gru", outputs=3, activation="softmax")
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        losses.append(train_windows(model, inputs, labels, mask=mask, counts=counts).history)
    assert losses[0] == losses[1]
    assert np.isfinite(losses[0]["loss"]).all()


def test_validation_measures_the_weights_that_an_epoch_leaves(make_rnn, ragged, targets):
    model = make_rnn(2, cell="gru", outputs=2, return_sequences=True)
    again = twin_of(model)
    windows, labels = split_windows(ragged, 4), split_windows(targets, 4).inputs
    for each in (model, again):
        each.compile(keras.optimizers.SGD(0.1), "mse")
    expected = []

    class Measured(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            whole = pad_batch(ragged)
            off = (np.asarray(self.model(whole.inputs)) - pad_batch(targets).inputs) ** 2
            three = np.split(np.arange(12), 3)  # a window's loss is the mean of what is real in it
            expected.append(np.mean([off[:, at][whole.mask[:, at]].mean() for at in three]))

    history = train_windows(
        model,
        windows.inputs,
        labels,
        mask=windows.mask,
        epochs=2,
        validation=(windows.inputs, labels, windows.mask),
        callbacks=[Measured()],
    ).history
    assert history["val_loss"] == pytest.approx(expected, abs=1e-6)
    assert history["val_loss"][0] != pytest.approx(history["loss"][0], abs=1e-3)
    train_windows(again, windows.inputs, labels, mask=windows.mask, epochs=2)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_validation_drops_nothing_and_stops_early(small):
    _, inputs, targets = small
    dropped = layers.SimpleRNN(2, return_sequences=True, dropout=0.5)
    model = keras.Sequential([keras.Input((None, 3)), dropped, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mae"])
    stop = keras.callbacks.EarlyStopping(patience=2)  # it looks at val_loss
    history = train_windows(
        model, inputs, targets, epochs=9, validation=(inputs, targets), callbacks=[stop]
    )
    assert history.epoch == [0, 1, 2]
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    assert len(set(history.history["val_loss"])) == 1
    off = predict_windows(model, inputs) - targets
    assert history.history["val_loss"][0] == pytest.approx((off**2).mean(), abs=1e-6)
    assert history.history["val_mae"][0] == pytest.approx(abs(off).mean(), abs=1e-6)


NOT_VALIDATION = {
    "one array": (np.ones((2, 2, 3, 3)), TypeError, ("`validation` must be a tuple", "ndarray")),
    "inputs alone": ((np.ones(3),), TypeError, ("`validation` must be a tuple",)),
    "other features": (
        (np.ones((2, 2, 3, 4)), np.ones((2, 2, 3, 1))),
        ValueError,
        ("`validation` must fit: `inputs` must have the 3 features",),
    ),
}


@pytest.mark.parametrize("kind", NOT_VALIDATION)
def test_what_is_no_validation_is_refused(kind, small, refuses):
    validation, error, words = NOT_VALIDATION[kind]
    refuses(lambda: train_windows(*small, validation=validation), error, *words)


BAD_COUNTS = {
    "numbers": (np.ones((2, 2, 3)), TypeError, ("`counts` must be boolean", "float64")),
    "another shape": (np.ones((2, 2), bool), ValueError, ("`counts` must have the shape",)),
    "nothing": (np.zeros((2, 2, 3), bool), ValueError, ("`counts` must hold a real timestep",)),
}


@pytest.mark.parametrize("kind", BAD_COUNTS)
def test_what_cannot_count_is_refused(kind, small, refuses):
    counts, error, words = BAD_COUNTS[kind]
    refuses(lambda: train_windows(*small, counts=counts), error, *words)


def test_a_last_step_model_has_nothing_to_choose(make_rnn, refuses):
    model = make_rnn(2, return_sequences=False)
    model.compile("sgd", "mse")
    counts = np.ones((2, 2, 3), bool)
    inputs, targets = np.ones((2, 2, 3, 3)), np.ones((2, 1))
    words = "`counts` must be None for a last-step model"
    refuses(lambda: train_windows(model, inputs, targets, counts=counts), ValueError, words)


# --- around training -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(make_rnn):
    """A small model, compiled, and windows to train it on, all of one shape."""
    model = make_rnn(2, cell="simple_rnn")
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(2, 2, 3, 3)).astype("float32")
    return model, inputs, rng.normal(size=(2, 2, 3, 1)).astype("float32")


def test_history_has_one_entry_an_epoch_for_the_loss_and_each_metric(small):
    history = train_windows(*small, epochs=4)
    assert isinstance(history, keras.callbacks.History)
    assert history.epoch == [0, 1, 2, 3]
    assert {name: len(values) for name, values in history.history.items()} == {"loss": 4, "mae": 4}
    assert history.history["loss"][0] > history.history["loss"][-1]


def test_callbacks_are_called_around_training_and_each_epoch(small):
    calls = []

    class Listener(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append("begin")

        def on_epoch_begin(self, epoch, logs=None):
            calls.append(f"epoch {epoch} begins")

        def on_epoch_end(self, epoch, logs=None):
            calls.append((epoch, sorted(logs)))

        def on_train_end(self, logs=None):
            calls.append("end")

    train_windows(*small, epochs=2, callbacks=[Listener()])
    assert calls == [
        "begin",
        "epoch 0 begins",
        (0, ["loss", "mae"]),
        "epoch 1 begins",
        (1, ["loss", "mae"]),
        "end",
    ]


def test_a_callback_can_stop_training(small):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    assert train_windows(*small, epochs=9, callbacks=[Stop()]).epoch == [0, 1]
    assert train_windows(*small, epochs=3).epoch == [0, 1, 2]  # and then go on again


def test_a_callback_can_change_the_learning_rate(small):
    model, *_ = small
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: [0.1, 0.0][epoch])
    recorder = Recorder()
    train_windows(*small, epochs=2, callbacks=[schedule, recorder])
    for one, other in zip(*recorder.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    model.optimizer.learning_rate = 0.1


def test_compiling_again_with_another_loss_takes_effect(make_rnn, small):
    model, (_, inputs, targets) = make_rnn(2, cell="simple_rnn"), small
    off = predict_windows(model, inputs) - targets
    for loss, expected in (("mse", (off**2).mean()), ("mae", np.abs(off).mean())):
        model.compile(keras.optimizers.SGD(0.0), loss)
        (got,) = train_windows(model, inputs, targets).history["loss"]
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_trained_model_is_still_saved_and_cloned(small, tmp_path):
    model, inputs, targets = small
    train_windows(model, inputs, targets)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(keras.models.clone_model(model).layers) == len(model.layers)


def test_the_models_own_state_is_neither_read_nor_changed(make_rnn, small):
    _, inputs, targets = small
    model = make_rnn(2, cell="simple_rnn", stateful=True, batch_size=2)
    before = predict_windows(model, inputs)
    set_states(model, [np.array([[0.5, -0.5], [0.25, 1.0]])])
    np.testing.assert_array_equal(predict_windows(model, inputs), before)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    train_windows(model, inputs, targets)
    np.testing.assert_array_equal(get_states(model), [[[0.5, -0.5], [0.25, 1.0]]])


# --- errors ----------------------------------------------------------------------------------


def windows_with(value):
    inputs = np.ones((2, 2, 3, 3))
    inputs[1, 0, 2, 1] = value
    return inputs


BAD_INPUTS = {
    "NaN": (windows_with(np.nan), ValueError, ("finite", "nan at n_windows 1, batch 0, steps 2")),
    "infinity": (windows_with(-np.inf), ValueError, ("finite", "-inf at n_windows 1, batch 0")),
    "too large": (windows_with(1e39), ValueError, ("fit the model's dtype (float32)", "overflow")),
    "no windows": (np.ones((0, 2, 3, 3)), ValueError, ("none of them empty", "shape (0, 2, 3, 3)")),
    "no rows": (np.ones((2, 0, 3, 3)), ValueError, ("none of them empty", "shape (2, 0, 3, 3)")),
    "no steps": (np.ones((2, 2, 0, 3)), ValueError, ("none of them empty", "shape (2, 2, 0, 3)")),
    "three axes": (
        np.ones((2, 3, 3)),
        ValueError,
        ("4 axes: (n_windows, batch, steps, features)", "shape (2, 3, 3)", "`split_windows("),
    ),
    "features": (
        np.ones((2, 2, 3, 4)),
        ValueError,
        ("the 3 features that the model", "4 features"),
    ),
    "text": (np.full((2, 2, 3, 3), "a"), TypeError, ("real numbers", "dtype <U1", "astype")),
    "booleans": (np.ones((2, 2, 3, 3), bool), TypeError, ("real numbers", "dtype bool")),
    "Windows": (
        split_windows(np.ones((2, 6, 3)), 3),
        ValueError,
        ("rectangular", "`split_windows(sequences, steps)` makes them", "its `mask`"),
    ),
    "None": (None, TypeError, ("real numbers", "dtype object")),
}


@pytest.fixture
def refuses(small, assert_refused):
    """A function that expects an error, and that it came before anything was changed."""
    model, *_ = small

    def check(call, error, *words):
        before, iterations = model.get_weights(), int(model.optimizer.iterations.numpy())
        assert_refused(call, error, *words)
        assert int(model.optimizer.iterations.numpy()) == iterations
        for one, other in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)

    return check


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_what_are_no_windows_for_the_model_is_refused(name, small, refuses):
    model, _, targets = small
    inputs, error, words = BAD_INPUTS[name]
    for call in (predict_windows, lambda *a: train_windows(*a, targets)):
        refuses(lambda call=call: call(model, inputs), error, "`inputs` must", *words)


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (np.ones((2, 2, 3)), TypeError, ("boolean", "dtype float64", "`mask.astype(bool)`")),
        (np.ones((2, 2, 3), int), TypeError, ("boolean", "dtype int64")),
        (np.ones((2, 2), bool), ValueError, ("(n_windows, batch, steps) = (2, 2, 3)", "(2, 2)")),
        (np.ones((2, 3, 2), bool), ValueError, ("(n_windows, batch, steps)", "shape (2, 3, 2)")),
        (np.ones((2, 2, 3, 3), bool), ValueError, ("(n_windows, batch, steps)", "(2, 2, 3, 3)")),
        ([[[True], [True, False]]], ValueError, ("rectangular", "rows of unequal length")),
    ],
)
def test_what_is_no_mask_for_the_windows_is_refused(mask, error, words, small, refuses):
    model, inputs, targets = small
    refuses(lambda: predict_windows(model, inputs, mask=mask), error, "`mask` must", *words)
    refuses(lambda: train_windows(model, inputs, targets, mask=mask), error, "`mask` must", *words)


def test_a_mask_value_in_real_timesteps_is_refused(make_rnn, ragged, assert_refused):
    model = make_rnn(2, mask_value=0)
    sequences = [sequence.copy() for sequence in ragged]
    sequences[1][[6, 8]] = 0
    inputs, mask = split_windows(sequences, 5)
    words = "`mask_value` must not occur in real", "2 real timesteps", "window 1, row 1, step 1"
    assert_refused(lambda: predict_windows(model, inputs, mask=mask), ValueError, *words)


Y = np.ones((2, 2, 3, 1))
BAD_TARGETS = {
    "NaN": (Y * np.nan, ValueError, ("finite", "n_windows 0, batch 0, steps 0, outputs 0.")),
    "infinity": (Y * np.inf, ValueError, ("finite", "inf at n_windows 0, batch 0, steps 0")),
    "text": (Y.astype(str), TypeError, ("real numbers", "dtype <U")),
    "None": (None, TypeError, ("real numbers", "dtype object")),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError, ("rectangular", "rows of unequal length")),
    "empty": (Y[:0], ValueError, ("(n_windows, batch, steps, outputs)", "shape (0, 2, 3, 1)")),
    "too large": (Y * 1e39, ValueError, ("fit the model's dtype (float32)", "Scale them down")),
    "a number": (
        3.0,
        ValueError,
        ("(n_windows, batch, steps, outputs) = (2, 2, 3, 1)", "shape ()"),
    ),
    "another order": (
        Y.swapaxes(1, 2),
        ValueError,
        ("(n_windows, batch, steps, outputs)", "(2, 3, 2, 1)"),
    ),
    "one window": (Y[:1], ValueError, ("(n_windows, batch, steps, outputs)", "shape (1, 2, 3, 1)")),
    "sequences": (Y[0], ValueError, ("(n_windows, batch, steps, outputs)", "shape (2, 3, 1)")),
    "one a row": (Y[0, :, 0], ValueError, ("(n_windows, batch, steps, outputs)", "shape (2, 1)")),
    "more outputs": (
        np.ones((2, 2, 3, 4)),
        ValueError,
        ("outputs) = (2, 2, 3, 1)", "(2, 2, 3, 4)"),
    ),
    "five axes": (Y[..., None], ValueError, ("outputs) = (2, 2, 3, 1)", "shape (2, 2, 3, 1, 1)")),
}


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_targets_that_do_not_fit_the_windows_are_refused(name, small, refuses):
    model, inputs, _ = small
    targets, error, words = BAD_TARGETS[name]
    refuses(lambda: train_windows(model, inputs, targets), error, "`targets` must", *words)


@pytest.mark.parametrize(
    "shape", [(2, 3, 1), (2, 3), (2, 2, 3, 1), (3,), (3, 1), (1,), (2, 1, 1), ()], ids=str
)
def test_targets_that_would_broadcast_over_a_last_step_are_refused(
    shape, make_rnn, small, assert_refused
):
    model = compiled(make_rnn(2, return_sequences=False))
    words = "`targets` must", "(batch, outputs) = (2, ", f"shape {shape}."
    assert_refused(lambda: train_windows(model, small[1], np.ones(shape)), ValueError, *words)


@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 2, 3, 1)], ids=str)
def test_targets_that_would_broadcast_over_outputs_are_refused(
    shape, make_rnn, small, assert_refused
):
    model = make_rnn(2, outputs=3)
    mse = keras.losses.MeanSquaredError()
    for loss in ("mse", ["mse"], mse, keras.losses.categorical_crossentropy):
        model.compile("sgd", loss)
        words = "`targets` must", "outputs) = (2, 2, 3, 3)", f"shape {shape}."
        assert_refused(lambda: train_windows(model, small[1], np.ones(shape)), ValueError, *words)


def test_targets_without_the_axis_of_one_output_are_refused(make_rnn, small, assert_refused):
    """Keras would average over timesteps and lay the mask on the batch."""
    words = "`targets` must", "outputs) = (2, 2, 3, 1)", "shape (2, 2, 3).", "`[..., None]`"
    model = compiled(make_rnn(2))
    for loss in ("mse", "mae", keras.losses.Huber()):
        model.compile("sgd", loss)
        given = np.ones((2, 2, 3))
        assert_refused(
            lambda given=given: train_windows(model, small[1], given), ValueError, *words
        )


@pytest.mark.parametrize("carry", ["reset", 1, None, np.array([True, False])], ids=str)
def test_carry_is_true_or_false(carry, small, refuses):
    words = "`carry` must be True or False", "Received: carry="
    refuses(lambda: train_windows(*small, carry=carry), TypeError, *words)
    refuses(lambda: predict_windows(*small[:2], carry=carry), TypeError, *words)


def test_epochs_that_are_no_whole_number_from_1_up_are_refused(small, bad_number, refuses):
    value, error, *words = bad_number
    refuses(lambda: train_windows(*small, epochs=value), error, "`epochs` must", *words)


@pytest.mark.parametrize("callbacks", [None, print, [print], ["EarlyStopping"]])
def test_what_are_no_callbacks_is_refused(callbacks, small, refuses):
    words = "`callbacks` must be a list of keras.callbacks.Callback", "Received: "
    refuses(lambda: train_windows(*small, callbacks=callbacks), TypeError, *words)


def test_one_callback_may_stand_without_a_list(small):
    recorder = Recorder()
    train_windows(*small, callbacks=recorder)
    assert len(recorder.weights) == 1


@pytest.mark.parametrize("has_optimizer", [True, False])
def test_a_model_without_a_loss_is_refused(has_optimizer, make_rnn, small, assert_refused):
    model = make_rnn(2)
    if has_optimizer:
        model.compile("sgd")
    words = "`model` must be compiled", "`model.compile(optimizer, loss)`", "no loss yet"
    assert_refused(lambda: train_windows(model, *small[1:]), ValueError, *words)


def test_a_regularizer_that_would_be_forgotten_is_refused(small, assert_refused):
    model = keras.Sequential(
        [keras.Input((None, 3)), layers.GRU(1, return_sequences=True, activity_regularizer="l2")]
    )
    words = "`model` must not have an activity regularizer", "one in the layer 'gru"
    assert_refused(lambda: train_windows(compiled(model), *small[1:]), ValueError, *words)


def test_a_metric_of_several_values_is_kept_as_keras_keeps_it(make_rnn):
    x, y = np.ones((6, 8, 3), "float32"), np.eye(3)[[0, 1, 2, 0, 1, 2]].astype("float32")
    model = make_rnn(4, outputs=3, activation="softmax", return_sequences=False)
    metrics = [keras.metrics.F1Score()]
    model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", metrics=metrics)
    (ours,) = train_windows(model, x[None], y).history["f1_score"]
    (theirs,) = model.fit(x, y, batch_size=6, verbose=0).history["f1_score"]
    assert isinstance(ours, np.ndarray)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_data_of_an_epoch_are_no_constants_of_its_program(make_rnn, cell, ragged):
    """Or XLA would compile it again for other values of the same shape."""
    model = make_rnn(3, cell=cell)
    model.compile("adam", "mse")
    windows = split_windows(ragged, 5)
    targets = np.zeros((*windows.mask.shape, 1), "float32")
    tensors, idle = epoch_data(model, windows.inputs, targets, windows.mask)
    assert not idle
    epoch = epoch_program(model, tensors, idle)
    program = epoch.experimental_get_compiler_ir(*tensors, tf.constant(True))(stage="hlo")
    (layout,) = re.findall(r"entry_computation_layout=\{\((.*?)\)->", program)
    for array, kind, count in zip(
        tensors, ("f32", "f32", "pred", "pred"), (1, 1, 2, 2), strict=True
    ):
        shape = ",".join(map(str, array.shape))  # the mask, and what counts, are of one shape
        assert layout.count(f"{kind}[{shape}]") == count


def test_memory_is_only_estimated_for_a_compiled_model_and_fitting_data(make_rnn, assert_refused):
    model = make_rnn(2)
    inputs = split_windows(np.ones((2, 4, 3)), 2).inputs
    targets = np.ones((2, 2, 2, 1))
    words = "`model` must be compiled"
    assert_refused(lambda: epoch_mebibytes(model, inputs, targets), ValueError, words)
    model.compile("sgd", "mse")
    words = "`targets` must have the axes"
    assert_refused(lambda: epoch_mebibytes(model, inputs, targets[0]), ValueError, words)
