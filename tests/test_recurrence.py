"""A window's loop, its gradient included, gives what Keras' own layer gives."""

import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers.recurrence import recurrent_step

# True at the real timesteps: padded before, after, with a hole, and whole.
MASK = np.array(
    [
        [False, False, True, True, True, False],
        [True, True, False, False, False, False],
        [True, False, False, True, True, False],
        [True, True, True, True, True, True],
    ]
)
LAYERS = {
    "SimpleRNN": (layers.SimpleRNN, {}),
    "SimpleRNN without bias": (layers.SimpleRNN, {"use_bias": False}),
    "GRU": (layers.GRU, {}),
    "GRU without bias": (layers.GRU, {"use_bias": False}),
    "GRU that resets before": (layers.GRU, {"reset_after": False}),
    "LSTM": (layers.LSTM, {}),
    "LSTM without bias": (layers.LSTM, {"use_bias": False}),
}


@pytest.fixture(params=LAYERS)
def layer(request, rng):
    kind, options = LAYERS[request.param]
    layer = kind(3, return_sequences=True, return_state=True, dtype="float64", **options)
    layer.build((None, None, 2))
    layer.set_weights([rng.normal(scale=0.7, size=w.shape) for w in layer.get_weights()])
    return layer


@pytest.fixture
def window(layer, rng):
    """Inputs, states to start from, and what the gradients are weighted with."""
    inputs = tf.constant(rng.normal(size=(4, 6, 2)))
    states = [tf.constant(rng.normal(size=(4, n))) for n in layer.state_size]
    return inputs, states, [tf.constant(rng.normal(size=s)) for s in [(4, 6, 3), *[(4, 3)] * 2]]


def by_keras(layer):
    def run(inputs, states):
        hidden, *after = layer(inputs, initial_state=states, mask=tf.constant(MASK))
        return hidden, after

    return run


def by_helpers(layer):
    step = recurrent_step(layer)
    return lambda inputs, states: step(inputs, tf.constant(MASK), states, training=True)


def results(run, layer, window):
    """Hidden states at real timesteps, last states, and all gradients of a weighted sum of them."""
    inputs, states, weights = window
    watched = [inputs, *states, *(weight.value for weight in layer.trainable_variables)]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        hidden, after = run(inputs, states)
        hidden = tf.where(MASK[..., None], hidden, 0)  # what stands elsewhere is free
        total = sum(
            tf.reduce_sum(weight * value)
            for weight, value in zip(weights, [hidden, *after], strict=False)
        )
    return [hidden, *after, *tape.gradient(total, watched)]


@pytest.mark.parametrize("wrap", [tf.function, lambda run: run], ids=["graph", "eager"])
def test_a_window_gives_the_states_and_gradients_of_keras(layer, window, wrap):
    ours = by_helpers(layer)
    got = wrap(lambda: results(ours, layer, window))()
    expected = results(by_keras(layer), layer, window)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.GRU, layers.LSTM])
def test_half_precision_gives_what_keras_gives(kind, policy, rng):
    layer = kind(3, return_sequences=True, return_state=True, dtype=policy)
    layer.build((None, None, 2))
    inputs = tf.cast(rng.normal(size=(4, 6, 2)), layer.compute_dtype)
    states = [tf.zeros((4, n), layer.compute_dtype) for n in layer.state_size]
    hidden, after = tf.function(by_helpers(layer))(inputs, states)
    expected, expected_after = tf.function(by_keras(layer))(inputs, states)
    assert hidden.dtype == layer.compute_dtype
    hidden, expected = (np.where(MASK[..., None], x, 0) for x in (hidden, expected))
    for one, other in zip([hidden, *after], [expected, *expected_after], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.GRU, layers.LSTM])
def test_layers_with_default_arguments_run_by_our_formulas(kind, monkeypatch):
    monkeypatch.setattr("helpers.recurrence._keras_step", lambda layer: "Keras' own")
    assert callable(recurrent_step(kind(2)))
    assert recurrent_step(kind(2, activation="relu")) == "Keras' own"
