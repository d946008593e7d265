"""Every statement about Keras that a lesson makes, and the check that proves it.

A claim is known by the name of its check. A cell that states or shows claims has their names in
its metadata, `"claims": ["rows_do_not_mix"]`; for a question, the cell that asks it has those of
the answers. This file needs nothing but Keras, TensorFlow, NumPy, packaging and pytest, so that
`make claims` can run it on other versions (see tools/claims.py).
"""

import contextlib
import inspect
import io
import itertools
import json
import re
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from packaging.specifiers import SpecifierSet
from packaging.version import Version


class Claim(NamedTuple):
    """A `statement`, a `check` that raises where it is not so, and the versions it is about."""

    statement: str
    check: callable
    keras: SpecifierSet

    def is_about(self, version):
        """Return whether the claim is about this version; a nightly counts as its release."""
        return self.keras.contains(Version(version).base_version)


CLAIMS = {}


def claim(statement, *, keras=""):
    """Keep the function below as the check of a claim about some versions of Keras, or all."""

    def keep(check):
        if check.__name__ in CLAIMS:
            raise ValueError(f"there are two claims named {check.__name__}")
        CLAIMS[check.__name__] = Claim(statement, check, SpecifierSet(keras))
        return check

    return keep


# --- what the word steps means ---------------------------------------------------------------


@claim(
    "`LSTM(32)` over 5 features has the same 4864 weights for any number of timesteps; those of "
    "`GRU` and `SimpleRNN` do not depend on it either."
)
def timesteps_do_not_change_the_weights():
    for layer in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        shapes = []
        for timesteps in (10, 100, None):
            model = keras.Sequential([keras.Input((timesteps, 5)), layer(32)])
            shapes.append([w.shape for w in model.weights])
        assert shapes[0] == shapes[1] == shapes[2]
        if layer is layers.LSTM:
            assert model.count_params() == 4864
            assert shapes[0] == [(5, 128), (32, 128), (128,)]


@claim("A model with `Input((None, 5))` reads sequences of 10 and of 7 timesteps.")
def open_timesteps_take_any_length():
    model = keras.Sequential([keras.Input((None, 5)), keras.layers.LSTM(32)])
    for timesteps in (10, 7):
        assert model.predict(np.ones((3, timesteps, 5)), verbose=0).shape == (3, 32)


@claim(
    "`Input((10, 5))` declares timesteps and features of one sequence; what a Sequential model "
    "reads is axis 1 of the batch, declared or not."
)
def declared_timesteps_are_not_what_is_read():
    declared = keras.Sequential([keras.Input((10, 5)), keras.layers.LSTM(4)])
    seven = keras.Sequential([keras.Input((7, 5)), keras.layers.LSTM(4)])
    seven.set_weights(declared.get_weights())
    assert declared.input_shape == (None, 10, 5)
    x = np.random.default_rng(0).normal(size=(3, 7, 5))
    result = declared.predict(x, verbose=0)
    assert np.array_equal(result, seven.predict(x, verbose=0))
    longer = np.concatenate([x, x], axis=1)
    assert not np.allclose(result, declared.predict(longer, verbose=0), atol=1e-3)


@claim(
    "No recurrent layer, nor `Input`, `fit` or `predict`, has a parameter for windows; `LSTM(32, "
    "steps=5)` raises `ValueError`."
)
def no_layer_makes_windows():
    for layer in (layers.RNN, layers.SimpleRNN, layers.GRU, layers.LSTM, layers.Bidirectional):
        names = inspect.signature(layer).parameters
        assert not [name for name in names if "step" in name or "window" in name]
    for function in (keras.Input, keras.Model.fit, keras.Model.predict):
        assert not [name for name in inspect.signature(function).parameters if "window" in name]
    with pytest.raises(ValueError, match=r"Unrecognized keyword arguments.*steps"):
        layers.LSTM(32, steps=5)


def small_model():
    """8 rows of 10 timesteps, a target each, and a model compiled for them."""
    rows = np.random.default_rng(0).normal(size=(8, 10, 5))
    model = keras.Sequential([keras.Input((None, 5)), keras.layers.SimpleRNN(4)])
    model.add(keras.layers.Dense(1))
    model.compile("sgd", "mse")
    return model, rows, rows[:, -1, 0]


@claim(
    "`fit` makes one update for each batch, 2 for 8 rows at batch size 4, and counts them in "
    "`optimizer.iterations`."
)
def a_batch_makes_an_update():
    model, rows, targets = small_model()
    weights = [model.get_weights()]
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: weights.append(model.get_weights())
    )
    model.fit(rows, targets, batch_size=4, verbose=0, callbacks=[keep])
    assert model.optimizer.iterations == 2
    assert len(weights) == 3
    for before, after in itertools.pairwise(weights):
        assert not np.array_equal(before[0], after[0])


@claim("`steps_per_epoch` counts batches, whatever the timesteps: with 1, `fit` stops after one.")
def steps_per_epoch_counts_batches():
    for timesteps in (10, 3):
        for n_batches in (1, 2):
            model, rows, targets = small_model()
            given = {"batch_size": 4, "steps_per_epoch": n_batches, "verbose": 0}
            model.fit(rows[:, :timesteps], targets, **given)
            assert model.optimizer.iterations == n_batches


@claim(
    "With more `steps_per_epoch` than batches, `fit` uses every batch and warns that the input "
    "ran out of data."
)
def too_many_steps_per_epoch_warn():
    model, rows, targets = small_model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(rows, targets, batch_size=4, steps_per_epoch=5, verbose=0)
    assert model.optimizer.iterations == 2
    assert any("ran out of data" in str(warning.message) for warning in caught)


@claim("`validation_steps` counts batches of the validation data; `fit` leaves the rest out.")
def validation_steps_count_batches():
    model, rows, targets = small_model()
    seen = []
    count = keras.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: seen.append(batch))
    validation = {"validation_data": (rows, targets), "validation_batch_size": 2}
    model.fit(rows, targets, verbose=0, callbacks=[count], validation_steps=3, **validation)
    assert seen == [0, 1, 2]


@claim(
    "`steps` in `predict` counts batches: `predict(x, batch_size=4, steps=1)` on 8 rows returns "
    "the first 4, without a warning; without `steps` it returns all 8."
)
def predict_with_steps_counts_batches():
    model, rows, _ = small_model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        part = model.predict(rows, batch_size=4, steps=1, verbose=0)
    assert not caught
    every = model.predict(rows, batch_size=4, verbose=0)
    assert every.shape == (8, 1)
    assert part.shape == (4, 1)
    assert np.allclose(part, every[:4], atol=1e-6)


@claim(
    "`steps` in `evaluate` counts batches: with 1 and batch size 4, the first 4 rows are "
    "evaluated, without a warning."
)
def evaluate_with_steps_counts_batches():
    model, rows, targets = small_model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        part = model.evaluate(rows, targets, batch_size=4, steps=1, verbose=0)
    assert not caught
    assert np.isclose(part, model.evaluate(rows[:4], targets[:4], verbose=0))
    assert not np.isclose(part, model.evaluate(rows, targets, verbose=0))


@claim("The sentence 'you should specify the `steps` argument' is in none of Keras' files.")
def no_file_of_keras_asks_for_steps():
    files = list(Path(keras.__file__).parent.rglob("*.py"))
    assert len(files) > 100
    message = "you should specify the `steps` argument"
    assert not any(message in file.read_text(encoding="utf-8") for file in files)


@claim(
    "`units` is how many numbers a layer returns for a row, and how many each part of its state "
    "has, at any length."
)
def units_are_the_width_of_the_state():
    lstm = keras.layers.LSTM(7, return_state=True)
    for timesteps in (1, 10):
        output, h, c = lstm(np.ones((3, timesteps, 5), "float32"))
        assert output.shape == h.shape == c.shape == (3, 7)


@claim(
    "Declared for 5 timesteps by `LSTM(32, input_shape=(5, 5))` and fitted on sequences of 10, a "
    "model trains and its loss falls; the one warning is about `input_shape`, not about lengths."
)
def the_copied_code_runs():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(1).normal(size=(3, 10, 5))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = keras.Sequential([layers.LSTM(32, input_shape=(5, 5)), layers.Dense(1)])
        model.compile("adam", "mse")
        losses = model.fit(x, x[:, -1, 0], epochs=10, verbose=0).history["loss"]
    assert all(after < before for before, after in itertools.pairwise(losses))
    assert len(caught) == 1
    assert "Do not pass an `input_shape`" in str(caught[0].message)


@claim("`input_shape=(5, 5)` declares 5 timesteps and 5 features, as `Input((5, 5))` does.")
def input_shape_declares_timesteps_and_features():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = keras.Sequential([layers.LSTM(32, input_shape=(5, 3))])
    declared = keras.Sequential([keras.Input((5, 3)), layers.LSTM(32)])
    assert model.input_shape == declared.input_shape == (None, 5, 3)


@claim(
    "The progress bar of `fit` ends at the number of batches: 2/2, with `steps_per_epoch=1` 1/1."
)
def the_progress_bar_counts_batches():
    for options, end in (({}, "2/2"), ({"steps_per_epoch": 1}, "1/1")):
        model, rows, targets = small_model()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            model.fit(rows, targets, batch_size=4, **options)
        assert re.findall(r"\d/\d", said.getvalue())[-1] == end


@claim("`decay_steps` of a learning-rate schedule counts updates, within an epoch and beyond it.")
def decay_steps_counts_updates():
    for epochs, decay_steps in ((1, 2), (3, 6)):
        model, rows, targets = small_model()
        rate = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps, decay_rate=0.5)
        model.compile(keras.optimizers.SGD(rate), "mse")
        model.fit(rows, targets, batch_size=4, epochs=epochs, verbose=0)
        assert model.optimizer.iterations == decay_steps
        assert np.isclose(model.optimizer.learning_rate, 0.05)


# --- windows and state -----------------------------------------------------------------------


def trained_like(layer, features=5, scale=0.4):
    """Build a layer and give it weights as training leaves them: fresh biases hide effects."""
    layer.build((None, None, features))
    rng = np.random.default_rng(0)
    layer.set_weights([scale * rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def sequences_of(*lengths, features=5):
    """A random (timesteps, features) array for each length."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=(timesteps, features)).astype("float32") for timesteps in lengths]


def stateful_model(batch_size=3):
    """A stateful LSTM(8) over 5 features with trained-like weights."""
    lstm = keras.layers.LSTM(8, stateful=True)
    model = keras.Sequential([keras.Input((None, 5), batch_size=batch_size), lstm])
    rng = np.random.default_rng(0)
    model.set_weights([0.4 * rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def reader_in_windows(lstm):
    """A function that reads a batch in windows, and gives each row's state after its last one."""
    rows, units = (None, None), lstm.units
    signature = [tf.TensorSpec((*rows, 5)), *[tf.TensorSpec((None, units))] * 2]

    @tf.function(input_signature=[*signature, tf.TensorSpec(rows, tf.bool)])
    def read(window, h, c, real):
        return lstm(window, initial_state=[h, c], mask=real)[-2:]

    def read_all(inputs, mask, steps, carry=True):
        more = -inputs.shape[1] % steps  # the tail is padded and masked
        x, mask = np.pad(inputs, ((0, 0), (0, more), (0, 0))), np.pad(mask, ((0, 0), (0, more)))
        zeros = state = [np.zeros((len(x), units), "float32")] * 2
        for start in range(0, x.shape[1], steps):
            at = slice(start, start + steps)
            new = read(x[:, at], *(state if carry else zeros), mask[:, at])
            runs = mask[:, at].any(axis=1)[:, None]
            state = [np.where(runs, n, s) for n, s in zip(new, state, strict=True)]
        return state

    return read_all


@claim(
    "A Sequential model declared for 5 timesteps and fed 10 reads all 10: its result equals that "
    "of a model declared for 10, and neither the first nor the last 5."
)
def a_sequential_model_ignores_the_declared_length():
    x = np.stack(sequences_of(10, 10, 10))
    declared = keras.Sequential([keras.Input((5, 5)), keras.layers.LSTM(8)])
    ten = keras.Sequential([keras.Input((10, 5)), keras.layers.LSTM(8)])
    ten.set_weights(declared.get_weights())
    result = declared.predict(x, verbose=0)
    assert result.shape == (3, 8)
    assert np.array_equal(result, ten.predict(x, verbose=0))
    for part in (x[:, :5], x[:, 5:]):
        assert not np.allclose(result, ten.predict(part, verbose=0), atol=1e-3)


@claim("A functional model declared for 5 timesteps and fed 10 raises `ValueError` and names both.")
def a_functional_model_refuses_another_length():
    inputs = keras.Input((5, 5))
    model = keras.Model(inputs, keras.layers.LSTM(8)(inputs))
    with pytest.raises(
        ValueError, match=r"expected shape=\(None, 5, 5\), found shape=\(3, 10, 5\)"
    ):
        model.predict(np.ones((3, 10, 5)), verbose=0)


@claim(
    "An LSTM's state is h and c, one row for each sequence; the layer runs its cell over one "
    "timestep after another, from zeros, each from the state before, and its result is the last "
    "h."
)
def a_layer_is_a_loop_over_timesteps():
    lstm = trained_like(keras.layers.LSTM(8, return_state=True))
    x = np.stack(sequences_of(10, 10, 10))
    state = [np.zeros((3, 8), "float32")] * 2
    for timestep in range(10):
        _, state = lstm.cell(x[:, timestep], state)
    output, h, c = lstm(x)
    assert np.allclose(output, state[0], atol=1e-5)
    assert np.allclose([h, c], state, atol=1e-5)


@claim("Each call of a recurrent layer starts from zeros, unless it is given a state.")
def each_call_starts_from_zeros():
    lstm = trained_like(keras.layers.LSTM(8, return_state=True))
    x = np.stack(sequences_of(10, 10, 10))
    lstm(x[:, :5])
    _, h, _ = lstm(x[:, 5:])
    fresh = trained_like(keras.layers.LSTM(8, return_state=True))
    assert np.allclose(h, fresh(x[:, 5:])[1], atol=1e-6)
    zeros = [np.zeros((3, 8), "float32")] * 2
    assert np.allclose(h, lstm(x[:, 5:], initial_state=zeros)[1], atol=1e-6)
    assert not np.allclose(h, lstm(x)[1], atol=0.05)


@claim(
    "`return_state=True` hands out the state, `initial_state=` takes one in, and a state carried "
    "from window to window gives the state of one long pass."
)
def carrying_is_one_long_pass():
    lstm = trained_like(keras.layers.LSTM(8, return_state=True))
    x = np.stack(sequences_of(10, 10, 10))
    state = None
    for window in (x[:, :5], x[:, 5:]):
        _, *state = lstm(window, initial_state=state)
    assert np.allclose(state, lstm(x)[1:], atol=1e-5)


@claim(
    "Without a mask, timesteps of padding are read like any other and move the state; with "
    "`mask=` the state stands still there."
)
def padding_is_read_unless_it_is_masked():
    lstm = trained_like(keras.layers.LSTM(8, return_state=True))
    x = np.stack(sequences_of(10, 10, 10))
    padded = np.pad(x, ((0, 0), (0, 2), (0, 0)))
    mask = np.broadcast_to(np.arange(12) < 10, (3, 12))
    assert not np.allclose(lstm(padded)[1], lstm(x)[1], atol=0.01)
    assert np.allclose(lstm(padded, mask=mask)[1], lstm(x)[1], atol=1e-6)


@claim(
    "With a mask for the tail, carried windows of every length from 1 to 10 give the state of one"
    " long pass over 10 timesteps."
)
def every_window_length_gives_the_long_pass():
    lstm = trained_like(keras.layers.LSTM(8, return_state=True))
    read_in_windows = reader_in_windows(lstm)
    x = np.stack(sequences_of(10, 10, 10))
    for steps in range(1, 11):
        state = read_in_windows(x, np.ones((3, 10), bool), steps)
        assert np.allclose(state, lstm(x)[1:], atol=1e-5)


@claim(
    "With `stateful=True` a layer keeps its state from call to call, one row of it for each row "
    "of the batch, and refuses to be built without a batch size."
)
def a_stateful_layer_carries_by_itself():
    x = np.stack(sequences_of(10, 10, 10))
    model = stateful_model()
    whole = keras.Sequential([keras.Input((None, 5)), keras.layers.LSTM(8)])
    whole.set_weights(model.get_weights())
    model.predict(x[:, :5], verbose=0)
    second = model.predict(x[:, 5:], verbose=0)
    assert np.allclose(second, whole.predict(x, verbose=0), atol=1e-5)
    assert [state.shape for state in model.layers[0].states] == [(3, 8), (3, 8)]
    with pytest.raises(ValueError, match="batch size"):
        keras.Sequential([keras.Input((None, 5)), keras.layers.LSTM(8, stateful=True)])


@claim(
    "A stateful model that predicts the same data twice goes on from the state it was left in, "
    "without a warning; `reset_state()` on the layer starts afresh."
)
def a_stateful_model_goes_on_until_it_is_reset():
    x = np.stack(sequences_of(3, 3, 3))
    model = stateful_model()
    whole = keras.Sequential([keras.Input((None, 5)), keras.layers.LSTM(8)])
    whole.set_weights(model.get_weights())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first, again = (model.predict(x, verbose=0) for _ in range(2))
    assert not [warning for warning in caught if "state" in str(warning.message)]
    assert not np.allclose(first, again, atol=0.01)
    twice = whole.predict(np.concatenate([x, x], axis=1), verbose=0)
    assert np.allclose(again, twice, atol=1e-5)
    model.layers[0].reset_state()
    assert np.allclose(model.predict(x, verbose=0), first, atol=1e-6)


@claim(
    "A stateful model of batch size 3 raises an error for 5 rows in `predict`; for 4 rows it "
    "returns 6, without a warning."
)
def a_partial_last_batch_is_an_error_or_silent():
    six = np.stack(sequences_of(*[10] * 6))
    model = stateful_model()
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        model.predict(six[:5], batch_size=3, verbose=0)
    model = stateful_model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(model.predict(six[:4], batch_size=3, verbose=0)) == 6
    assert not caught


@claim(
    "`fit` shuffles the rows unless told `shuffle=False`, a stateful model's too, without a "
    "warning; `evaluate` keeps their order."
)
def fit_shuffles_unless_told_not_to():
    keras.utils.set_random_seed(0)
    rows = np.broadcast_to(np.arange(12.0)[:, None, None], (12, 4, 5)).astype("float32")
    targets = np.arange(12.0)[:, None] * np.ones((12, 8))
    losses = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for shuffle in (None, False):
            model = stateful_model()
            model.compile(keras.optimizers.SGD(0.0), "mse")
            in_order = model.evaluate(rows, targets, batch_size=3, verbose=0)
            model.layers[0].reset_state()
            options = {} if shuffle is None else {"shuffle": shuffle}
            history = model.fit(rows, targets, batch_size=3, verbose=0, **options).history
            losses[shuffle] = np.isclose(history["loss"][0], in_order, rtol=1e-5)
    assert not [warning for warning in caught if "shuffle" in str(warning.message)]
    assert inspect.signature(keras.Model.fit).parameters["shuffle"].default is True
    assert losses == {None: False, False: True}


@claim(
    "With windows of 5 and the state carried, the last state depends on all 10 timesteps, and the"
    " gradient that training sees on the last 5."
)
def state_reaches_further_than_gradient():
    x = np.stack(sequences_of(10, 10, 10))

    model = stateful_model()

    def last(inputs):
        model.layers[0].reset_state()
        model(inputs[:, :5])
        return model(inputs[:, 5:])

    whole = last(x)
    for timestep in range(10):
        changed = x.copy()
        changed[:, timestep] = 0.0
        assert np.abs(last(changed) - whole).max() > 0
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        result = last(inputs)
    reach = np.abs(tape.gradient(result, inputs)).max(axis=(0, 2))
    assert not reach[:5].any()
    assert (reach[5:] > 0).all()


@claim("The rows of a batch do not mix: each row's state is that of the row alone.")
def rows_do_not_mix():
    sequences = sequences_of(6, 6, 6)
    lstm = trained_like(keras.layers.LSTM(8, return_state=True), scale=0.8)
    _, *together = lstm(np.stack(sequences))
    for row, sequence in enumerate(sequences):
        _, *single = lstm(sequence[None])
        for one, other in zip(together, single, strict=True):
            np.testing.assert_allclose(one[row], other[0], atol=1e-5)
    assert np.abs(together[0][0] - together[0][1]).max() > 0.1


@claim(
    "A state carried by hand under one `GradientTape` passes gradient from window to window, for "
    "LSTM, GRU and SimpleRNN."
)
def a_carry_by_hand_passes_gradient():
    x = np.stack(sequences_of(10, 10, 10))
    for kind in (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN):
        layer, first = trained_like(kind(8, return_state=True)), tf.constant(x[:, :5])
        with tf.GradientTape() as tape:
            tape.watch(first)
            _, *state = layer(first)
            result, *_ = layer(x[:, 5:], initial_state=state)
        by_hand = tape.gradient(result, first)
        whole = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(whole)
            long_pass = layer(whole)[0]
        assert np.abs(by_hand).max(axis=(0, 2)).min() > 0
        assert np.allclose(by_hand, tape.gradient(long_pass, whole)[:, :5], atol=1e-5)


@claim(
    "`tf.stop_gradient` on every array of a state carried by hand leaves the result as it is and "
    "no gradient to the window before; on h or c alone, some still passes."
)
def stop_gradient_cuts_and_keeps_the_value():
    x = np.stack(sequences_of(10, 10, 10))
    lstm, first = trained_like(keras.layers.LSTM(8, return_state=True)), tf.constant(x[:, :5])
    for stopped in ((), (0,), (1,), (0, 1)):
        with tf.GradientTape() as tape:
            tape.watch(first)
            _, *state = lstm(first)
            state = [tf.stop_gradient(a) if i in stopped else a for i, a in enumerate(state)]
            result, *_ = lstm(x[:, 5:], initial_state=state)
        gradient = tape.gradient(result, first)
        assert np.allclose(result, lstm(x)[0], atol=1e-5)
        assert (gradient is None) == (stopped == (0, 1))
        assert gradient is None or np.abs(gradient).max() > 0


@claim(
    "With a stateful layer read in windows of 5, the output at place p of its window gets gradient "
    "from p + 1 timesteps, its own included, and from none before its window."
)
def an_output_gets_gradient_from_its_own_window_only():
    x = np.stack(sequences_of(10, 10, 10))
    layer = keras.layers.LSTM(8, stateful=True, return_sequences=True)
    layer.build((3, None, 5))
    rng = np.random.default_rng(0)
    layer.set_weights([0.4 * rng.normal(size=w.shape) for w in layer.get_weights()])
    for at in range(10):
        layer.reset_state()
        inputs = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = [layer(inputs[:, :5]), layer(inputs[:, 5:])]
            output = outputs[at // 5][:, at % 5]
        reached = np.abs(tape.gradient(output, inputs)).max(axis=(0, 2)) > 0
        assert np.flatnonzero(reached).tolist() == list(range(at // 5 * 5, at + 1))


@claim(
    "In windows of one timestep, the recurrent weights get gradient when the state is carried and "
    "exactly 0 when it is reset: in LSTM, GRU and SimpleRNN."
)
def recurrent_weights_get_gradient_through_carried_state():
    x = np.stack(sequences_of(10, 10, 10))
    for kind in (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN):
        layer = trained_like(kind(8, return_state=True))
        _, *carried = layer(x[:, :9])
        for state in (carried, None):
            with tf.GradientTape() as tape:
                output, *_ = layer(x[:, 9:], initial_state=state)
            gradient = tape.gradient(output, layer.cell.recurrent_kernel.value)
            assert np.any(gradient) == (state is not None)
        assert layer.cell.recurrent_kernel is layer.trainable_weights[1]


@claim(
    "`output, *state = layer(window, initial_state=state)`, from None, gives the last output of "
    "one long pass with LSTM, GRU and SimpleRNN; `state` has two arrays, one and one."
)
def one_loop_carries_lstm_gru_and_simple_rnn():
    x = np.stack(sequences_of(10, 10, 10))
    kinds = {keras.layers.LSTM: 2, keras.layers.GRU: 1, keras.layers.SimpleRNN: 1}
    for kind, arrays in kinds.items():
        layer, state = trained_like(kind(8, return_state=True)), None
        for start in range(0, 10, 4):
            output, *state = layer(x[:, start : start + 4], initial_state=state)
        assert np.allclose(output, layer(x)[0], atol=1e-5)
        assert len(state) == arrays


@claim(
    "`LSTM(32, input_shape=(5, 5))` warns that an `Input` is preferred, says nothing of lengths, "
    "and declares what `Input((5, 5))` declares."
)
def input_shape_warns_about_style_only():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        short = keras.Sequential([keras.layers.LSTM(8, input_shape=(5, 5))])
    (said,) = {str(warning.message) for warning in caught}
    assert "prefer using an `Input(shape)` object" in said
    assert not re.search("timestep|length|window", said)
    assert short.input_shape == (None, 5, 5)
    x = np.stack(sequences_of(10, 10, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = short.predict(x, verbose=0)
    ten = keras.Sequential([keras.Input((10, 5)), keras.layers.LSTM(8)])
    ten.set_weights(short.get_weights())
    assert np.allclose(result, ten.predict(x, verbose=0), atol=1e-6)


@claim(
    "An LSTM returns two arrays of state, h and c, of which the first is its output, and needs both"
    " as its `initial_state`; a GRU and a SimpleRNN return h alone, and take it."
)
def an_lstm_has_two_state_arrays_and_others_one():
    x = np.stack(sequences_of(10, 10, 10))
    for kind, count in ((layers.LSTM, 2), (layers.GRU, 1), (layers.SimpleRNN, 1)):
        layer = trained_like(kind(8, return_state=True))
        output, *state = layer(x)
        assert len(state) == count
        assert np.array_equal(output, state[0])
        _, *half = layer(x[:, :5])
        carried = layer(x[:, 5:], initial_state=half if count == 2 else half[0])[1]
        assert np.allclose(carried, state[0], atol=1e-5)
    lstm = trained_like(layers.LSTM(8, return_state=True))
    with pytest.raises((IndexError, TypeError, ValueError)):
        lstm(x, initial_state=lstm(x)[1])


@claim(
    "`fit` with a Sequential model declared for 5 timesteps and fed 10 makes the same updates as "
    "with one declared for 10; sequences of 8 it reads as well."
)
def fit_reads_all_timesteps_declared_or_not():
    x = np.stack(sequences_of(10, 10, 10))
    after = []
    for timesteps in (5, 10):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((timesteps, 5)), keras.layers.LSTM(8)])
        model.add(keras.layers.Dense(1, activation="sigmoid"))
        model.compile("adam", "binary_crossentropy")
        model.fit(x, np.array([0, 1, 0]), epochs=2, verbose=0)
        after.append(model.get_weights())
        model.fit(x[:, :8], np.array([0, 1, 0]), verbose=0)
    for declared, ten in zip(*after, strict=True):
        assert np.allclose(declared, ten, atol=1e-6)


# --- padding and masks -----------------------------------------------------------------------


# What Keras says of a layer behind which the next one has no mask. From 3.16 on a recurrent layer
# is such a one, and that says nothing of whether it obeys its own mask.
LOST = "does not support masking and will therefore destroy the mask"


def padded_batch(padding="post", value=0.0):
    """Sequences of 7, 12 and 4 timesteps, padded to 12, and their mask."""
    inputs, mask = np.full((3, 12, 5), value, "float32"), np.zeros((3, 12), bool)
    for row, sequence in enumerate(sequences_of(7, 12, 4)):
        start = 0 if padding == "post" else 12 - len(sequence)
        inputs[row, start : start + len(sequence)] = sequence
        mask[row, start : start + len(sequence)] = True
    return inputs, mask


def keras_lstm():
    """An LSTM(8) that gives outputs and state, on Keras' own kernel, with trained-like weights."""
    options = {"return_sequences": True, "return_state": True, "use_cudnn": False}
    return trained_like(keras.layers.LSTM(8, **options), scale=0.8)


def alone(lstm):
    """The last h of each of the three sequences, unpadded."""
    return np.concatenate([lstm(sequence[None])[1] for sequence in sequences_of(7, 12, 4)])


@claim(
    "`predict` takes a list of sequences for as many inputs of one model, with their timesteps "
    "for rows, and raises `ValueError`."
)
def a_list_of_sequences_is_refused():
    model = keras.Sequential([keras.Input((None, 5)), keras.layers.LSTM(8)])
    with pytest.raises(ValueError, match=r"(?s)cardinality is ambiguous.*7, 12, 4"):
        model.predict(sequences_of(7, 12, 4), verbose=0)


@claim(
    "Without a mask, an LSTM's state moves on through padding of zeros, from its old state and "
    "its biases: only the longest sequence of the batch keeps its own."
)
def unmasked_padding_moves_the_state():
    lstm = keras_lstm()
    off = np.abs(lstm(padded_batch()[0])[1] - alone(lstm)).max(axis=1)
    assert off[1] < 1e-6
    assert min(off[0], off[2]) > 0.1
    zeros = np.zeros((1, 1, 5), "float32")
    assert np.abs(lstm(zeros)[1]).max() > 0.01  # from the biases alone
    kernel, recurrent, bias = lstm.get_weights()
    lstm.set_weights([kernel, recurrent, np.zeros_like(bias)])
    assert not np.any(lstm(zeros)[1])
    old = [np.full((1, 8), 0.5, "float32")] * 2
    assert np.abs(lstm(zeros, initial_state=old)[1] - old[0]).max() > 0.01  # from the old state


@claim(
    "With the mask, no padding changes the state, before or after, whatever it holds and however "
    "long it is."
)
def masked_padding_never_changes_the_state():
    lstm = keras_lstm()
    for padding in ("post", "pre"):
        for value in (0.0, -1.0, 1e6):
            inputs, mask = padded_batch(padding, value)
            assert np.allclose(lstm(inputs, mask=mask)[1], alone(lstm), atol=1e-6)
    inputs, mask = padded_batch()
    inputs, mask = np.pad(inputs, ((0, 0), (0, 88), (0, 0))), np.pad(mask, ((0, 0), (0, 88)))
    assert np.allclose(lstm(inputs, mask=mask)[1], alone(lstm), atol=1e-6)


@claim(
    "On Keras' own kernel, a masked timestep's output is the last real one again, and zeros "
    "before the first real timestep and in a row without any."
)
def a_masked_output_repeats_the_last_real_one():
    lstm = keras_lstm()
    inputs, mask = padded_batch()
    outputs = lstm(inputs, mask=mask)[0].numpy()
    assert (outputs[2, 4:] == outputs[2, 3]).all()
    assert (outputs[0, 7:] == outputs[0, 6]).all()
    assert np.any(outputs[2, 3])
    inputs, mask = padded_batch("pre")
    assert (lstm(inputs, mask=mask)[0].numpy()[2, :8] == 0).all()
    assert (lstm(inputs, mask=np.zeros_like(mask))[0].numpy() == 0).all()


@claim("`fit` and `predict` have no parameter for a mask.")
def fit_and_predict_take_no_mask():
    for function in (keras.Model.fit, keras.Model.predict):
        assert not [name for name in inspect.signature(function).parameters if "mask" in name]


@claim(
    "`Masking` masks the timesteps whose features all equal `mask_value`; the mask travels with "
    "the data to the next layer, which obeys it, and the number of timesteps stays."
)
def masking_makes_a_mask_that_travels():
    lstm, masking = keras_lstm(), keras.layers.Masking(mask_value=-9.0)
    inputs, mask = padded_batch(value=-9.0)
    x = masking(inputs)
    assert np.array_equal(masking.compute_mask(inputs), mask)
    assert np.allclose(lstm(x)[1], alone(lstm), atol=1e-6)
    assert x.shape == inputs.shape
    model = keras.Sequential([keras.Input((None, 5)), masking, keras.layers.LSTM(8)])
    model.set_weights(lstm.get_weights())
    assert np.allclose(model.predict(inputs, verbose=0), alone(lstm), atol=1e-5)


@claim("`Masking` has no parameter for windows: `Masking(0.0, steps=5)` raises `ValueError`.")
def masking_makes_no_windows():
    assert "steps" not in inspect.signature(keras.layers.Masking).parameters
    with pytest.raises(ValueError, match=r"Unrecognized keyword arguments.*steps"):
        keras.layers.Masking(mask_value=0.0, steps=5)


@claim(
    "`Masking(0.0)` skips a real timestep that is all zeros, as if it had never been, and no "
    "warning says so; a mask made from the lengths keeps it."
)
def masking_swallows_real_zeros():
    lstm, masking = keras_lstm(), keras.layers.Masking(0.0)
    measured = sequences_of(12)[0]
    measured[10] = 0.0
    wanted = lstm(measured[None])[1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        swallowed = lstm(masking(measured[None]))[1]
    assert not [str(w.message) for w in caught if LOST not in str(w.message)]
    assert np.abs(swallowed - wanted).max() > 0.05
    assert np.allclose(swallowed, lstm(np.delete(measured, 10, axis=0)[None])[1], atol=1e-6)
    assert np.allclose(lstm(measured[None], mask=np.ones((1, 12), bool))[1], wanted, atol=1e-6)


@claim("A mask can be a second input of a functional model, for `predict` and for `fit`.")
def a_mask_can_be_a_second_input():
    lstm = keras_lstm()
    x, real = keras.Input((None, 5)), keras.Input((None,), dtype="bool")
    model = keras.Model([x, real], keras.layers.LSTM(8, use_cudnn=False)(x, mask=real))
    model.set_weights(lstm.get_weights())
    inputs, mask = padded_batch()
    assert np.allclose(model.predict([inputs, mask], verbose=0), alone(lstm), atol=1e-6)
    model.compile("sgd", "mse")
    loss = model.fit([inputs, mask], alone(lstm), verbose=0).history["loss"][0]
    assert loss < 1e-10


@claim(
    "Windows, masked and carried by hand: after the last window each row's state is that of its "
    "own sequence, and the last output is 0 for rows that had ended."
)
def the_carried_state_is_right_and_the_last_output_is_not():
    lstm = keras_lstm()
    inputs, mask = padded_batch()
    inputs, mask = np.pad(inputs, ((0, 0), (0, 3), (0, 0))), np.pad(mask, ((0, 0), (0, 3)))
    state = [np.zeros((3, 8), "float32")] * 2
    for start in (0, 5, 10):
        at = slice(start, start + 5)
        outputs, *state = lstm(inputs[:, at], initial_state=state, mask=mask[:, at])
    assert np.allclose(state[0], alone(lstm), atol=1e-6)
    is_zero = (outputs[:, -1] == 0).numpy().all(axis=1)
    assert is_zero.tolist() == [True, False, True]


@claim(
    "With the mask, carried windows of every length from 1 to 12 give each of three unequal "
    "sequences the state of one long pass; reset, only one window of 12 does."
)
def every_window_length_is_right_with_mask_and_carry():
    lstm = keras_lstm()
    read_in_windows = reader_in_windows(lstm)
    (inputs, mask), right = padded_batch(), alone(lstm)
    for steps in range(1, 13):
        carried, reset = (read_in_windows(inputs, mask, steps, c)[0] for c in (True, False))
        assert np.allclose(carried, right, atol=1e-5)
        assert np.allclose(reset, right, atol=1e-4) == (steps == 12)


@claim(
    "Called with `initial_state=`, an LSTM ignores the mask that travels with its input, and no "
    "warning says so; `mask=` must be given too."
)
def initial_state_leaves_the_travelling_mask_behind():
    lstm = keras_lstm()
    inputs, mask = padded_batch()
    zeros = [np.zeros((3, 8), "float32")] * 2
    x = keras.layers.Masking(0.0)(inputs)
    assert np.allclose(lstm(x)[1], alone(lstm), atol=1e-6)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ignored = lstm(x, initial_state=zeros)[1]
    assert not [str(w.message) for w in caught if LOST not in str(w.message)]
    assert np.abs(ignored - alone(lstm)).max() > 0.1
    assert np.allclose(ignored, lstm(inputs)[1], atol=1e-6)
    assert np.allclose(lstm(x, initial_state=zeros, mask=mask)[1], alone(lstm), atol=1e-6)


@claim(
    "Left alone, an LSTM asks for cuDNN's program, which runs where there is a GPU; with "
    "`use_cudnn=False` it never does and takes Keras' own."
)
def cudnn_can_be_left_out():
    x = np.ones((2, 3, 5), "float32")
    asked = []
    backend = keras.src.backend
    place = backend if hasattr(backend, "lstm") else backend.rnn  # where Keras 3.16 keeps it
    with mock.patch.object(place, "lstm", wraps=place.lstm) as fast:
        for options in ({}, {"use_cudnn": False}):
            keras.layers.LSTM(8, **options)(x)
            asked.append(fast.call_count)
    assert asked == [1, 1]  # the first asked, the second did not


@claim(
    "With `zero_output_for_mask=True` masked timesteps give zeros; the outputs at real timesteps "
    "and the state are as without."
)
def masked_outputs_can_be_zeros():
    lstm, (inputs, mask) = keras_lstm(), padded_batch()
    zeros = keras.layers.LSTM.from_config(lstm.get_config() | {"zero_output_for_mask": True})
    zeros.build(inputs.shape)
    zeros.set_weights(lstm.get_weights())
    (outputs, *states), (other, *other_states) = lstm(inputs, mask=mask), zeros(inputs, mask=mask)
    assert not other.numpy()[~mask].any()
    assert np.array_equal(outputs.numpy()[mask], other.numpy()[mask])
    assert np.array_equal(states, other_states)
    ended = ~mask[:, -1]
    assert np.abs(outputs[:, -1] - other[:, -1]).max(axis=1)[ended].min() > 0.01
    assert np.abs(np.mean(outputs, axis=1) - np.mean(other, axis=1)).max(axis=1)[ended].min() > 0.01


@claim(
    "Before cuDNN, Keras checks a mask: in each row the real timesteps come first, and there is "
    "at least one."
)
def a_mask_for_cudnn_is_padded_post():
    module = sys.modules["keras.src.backend.tensorflow.rnn"]
    check = module._assert_valid_mask
    check(np.array([[True, True, False], [True, True, True]]))
    for bad in ([False, True, True], [True, False, True], [False, False, False]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="right-padded"):
            check(np.array([[True, True, False], bad]))
    for name in ("lstm", "gru"):
        source = inspect.getsource(getattr(module, f"_cudnn_{name}"))
        assert source.index("_assert_valid_mask(mask)") < source.index("CudnnRNNV3")


@claim(
    "`zero_output_for_mask=True` is said to count only with `return_sequences=True`; without, the "
    "last output is zeros for every row that ended early."
)
def zeros_reach_the_last_output_too():
    inputs, mask = padded_batch()
    last = trained_like(keras.layers.LSTM(8, use_cudnn=False, zero_output_for_mask=True))
    outputs = last(inputs, mask=mask).numpy()
    ended = ~mask[:, -1]
    assert not outputs[ended].any()
    assert outputs[~ended].any()
    said = " ".join(keras.layers.RNN.__doc__.split())
    assert "this field is only used when `return_sequences` is `True`" in said


@claim(
    "`TextVectorization` turns sentences into rows of numbers, one a word, and fills short rows "
    "up with 0 at the end."
)
def text_vectorization_pads_with_zeros():
    numbered = keras.layers.TextVectorization()
    numbered.adapt(["never again", "good food and good people"])
    rows = numbered(["never again", "good food and good people"]).numpy()
    assert rows.shape == (2, 5)
    assert (rows != 0).tolist() == [[True] * 2 + [False] * 3, [True] * 5]


@claim(
    "An LSTM behind `Embedding` reads the zeros after a sentence, and its answer is another than "
    "that of the sentence alone; with `mask_zero=True` it is the same."
)
def a_sentence_needs_mask_zero():
    rows = np.array([[5, 9, 0, 0, 0], [2, 7, 8, 2, 4]])
    for mask_zero in (False, True):
        keras.utils.set_random_seed(0)
        embedding = keras.layers.Embedding(12, 8, "glorot_normal", mask_zero=mask_zero)
        model = keras.Sequential([embedding, keras.layers.LSTM(8, use_cudnn=False)])
        alone, longer = model.predict(rows[:1, :2], verbose=0), np.pad(rows, ((0, 0), (0, 6)))
        off = [np.abs(model.predict(x, verbose=0)[0] - alone[0]).max() for x in (rows, longer)]
        assert (min(off) > 0.01) != mask_zero
        assert (max(off) < 1e-6) == mask_zero
        assert mask_zero or abs(off[0] - off[1]) > 0.001  # more zeros, another answer again


@claim(
    "`Sequential([Masking, LSTM, Dense])`, fitted on a padded batch of unequal sequences, gives "
    "each the answer that it gives the sequence alone and unpadded."
)
def the_accounts_model_answers_as_if_alone():
    keras.utils.set_random_seed(0)
    inputs, _ = padded_batch()
    masking, lstm = keras.layers.Masking(mask_value=0.0), keras.layers.LSTM(8)
    model = keras.Sequential([keras.Input((None, 5)), masking, lstm, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    before = model.get_weights()[0]
    model.fit(inputs, np.array([0, 1, 0]), epochs=30, verbose=0)
    assert not np.allclose(before, model.get_weights()[0], atol=1e-3)
    together = model.predict(inputs, verbose=0)
    single = [model.predict(s[None], verbose=0)[0] for s in sequences_of(7, 12, 4)]
    assert np.abs(together - single).max() < 1e-5


@claim(
    "Zeros in front of a sequence do not change the state of a layer with fresh biases, and do "
    "change that of one with biases of its own."
)
def fresh_biases_hide_padding_in_front():
    inputs, _ = padded_batch("pre")
    for biases in ("zeros", "he_normal"):
        keras.utils.set_random_seed(0)
        lstm = keras.layers.LSTM(8, bias_initializer=biases, use_cudnn=False)
        single = np.concatenate([lstm(s[None]) for s in sequences_of(7, 12, 4)])
        assert (np.abs(lstm(inputs) - single).max() < 1e-6) == (biases == "zeros")


@claim(
    "How much of an LSTM's state zeros leave, and how much of what zeros in front did lasts to the"
    " end of the sequence, is up to the forget gate: open, it keeps both; closed, neither."
)
def the_forget_gate_decides_what_padding_leaves():
    lstm = keras_lstm()
    kernel, recurrent, bias = lstm.get_weights()
    forget, (sequence,) = slice(8, 16), sequences_of(7)
    zeros, real = np.zeros((1, 12, 5), "float32"), np.ones((1, 7), bool)
    for gate, is_open in ((20.0, True), (-20.0, False)):
        bias[forget] = gate
        lstm.set_weights([kernel, recurrent, bias])
        in_front = lstm(sequence[None], initial_state=lstm(zeros)[1:], mask=real)[2]
        assert (np.abs(in_front - lstm(sequence[None])[2]).max() > 0.1) == is_open
        ends = [lstm(zeros, initial_state=[np.full((1, 8), h, "float32")] * 2)[2] for h in (0, 1)]
        assert (np.abs(ends[1] - ends[0]).max() > 0.1) == is_open


@claim(
    "GRU and `SimpleRNN` have one state, h, and do as the LSTM does: carried through masked "
    "windows it is exact, the last output of rows that had ended is 0, and with `initial_state=` "
    "the mask that travels with the input is ignored, without a warning."
)
def gru_and_simple_rnn_carry_through_masked_windows():
    inputs, mask = padded_batch()
    windows, real = np.pad(inputs, ((0, 0), (0, 3), (0, 0))), np.pad(mask, ((0, 0), (0, 3)))
    for cell, options in ((keras.layers.GRU, {"use_cudnn": False}), (keras.layers.SimpleRNN, {})):
        layer = trained_like(cell(8, return_state=True, **options))
        single = np.concatenate([layer(s[None])[1] for s in sequences_of(7, 12, 4)])
        zeros = state = [np.zeros((3, 8), "float32")]
        for start in (0, 5, 10):
            at = slice(start, start + 5)
            output, *state = layer(windows[:, at], initial_state=state, mask=real[:, at])
        assert len(state) == 1
        assert np.allclose(state[0], single, atol=1e-5)
        assert (output == 0).numpy().all(axis=1).tolist() == [True, False, True]
        x = keras.layers.Masking(0.0)(inputs)
        assert np.allclose(layer(x)[1], single, atol=1e-5)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ignored = layer(x, initial_state=zeros)[1]
        assert not [str(w.message) for w in caught if LOST not in str(w.message)]
        assert np.abs(ignored - single).max() > 0.1


@claim(
    "A comment in Keras' source says that cuDNN writes zeros at masked timesteps, where the "
    "default repeats the previous output."
)
def keras_says_that_cudnn_writes_zeros():
    module = sys.modules["keras.src.backend.tensorflow.rnn"]
    for name in ("lstm", "gru"):
        said = re.sub(r"\s+#?\s*", " ", inspect.getsource(getattr(module, f"_cudnn_{name}")))
        assert "the cudnn kernel will fill zeros for the output" in said
        assert "bring over the previous output" in said


@claim(
    "`Masking(mask_value=0.0, input_shape=(None, 3))` at the head of a Sequential model works, and"
    " Keras warns that `input_shape` should not be passed to a layer, and of nothing else."
)
def an_input_shape_is_warned_of():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        masking = keras.layers.Masking(mask_value=0.0, input_shape=(None, 3))
        model = keras.Sequential([masking, keras.layers.LSTM(4)])
    assert model.input_shape == (None, None, 3)
    words = [str(w.message) for w in caught if LOST not in str(w.message)]
    assert len(words) == 1
    assert words[0].startswith("Do not pass an `input_shape`/`input_dim` argument to a layer")


# --- what length costs -----------------------------------------------------------------------


@claim(
    "Training keeps what it computed at every timestep of a window until the update: compiled by "
    "XLA, a window of 120 takes more than twice the memory of one of 40; predicting does not."
)
def memory_of_training_grows_with_the_window():
    from tensorflow.compiler.xla.service.hlo_pb2 import HloProto

    layer = trained_like(keras.layers.SimpleRNN(64), features=1)

    def predict(x):
        return layer(x)

    def train(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(layer(x) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    def kibibytes(function, timesteps):
        compiled = tf.function(function, jit_compile=True)
        x = tf.zeros((16, timesteps, 1))
        hlo = compiled.experimental_get_compiler_ir(x)(stage="optimized_hlo_proto_serialized")
        buffers = HloProto.FromString(hlo).buffer_assignment.buffer_allocations
        return sum(buffer.size for buffer in buffers) / 2**10

    assert kibibytes(train, 120) > 2 * kibibytes(train, 40)
    assert kibibytes(predict, 120) < 1.5 * kibibytes(predict, 40)


def counting_layer():
    """A recurrent layer, and the inputs of each turn that its cell has made."""
    turns = []

    class Cell(keras.layers.SimpleRNNCell):
        def call(self, inputs, states, training=False):
            turns.append(np.array(inputs))
            return super().call(inputs, states, training=training)

    return keras.layers.RNN(Cell(4)), turns


@claim(
    "A recurrent layer makes one turn for every timestep, padding included, with the mask or "
    "without."
)
def a_mask_spares_no_turns():
    inputs, mask = padded_batch()
    counts = []
    for x, real in ((inputs[2:, :4], None), (inputs[2:], None), (inputs[2:], mask[2:])):
        layer, turns = counting_layer()
        layer(x, mask=real)
        counts.append(len(turns))
    assert np.diff(counts).tolist() == [12 - 4, 0]


@claim(
    "A recurrent layer makes a turn for each timestep, in which all rows are computed together: "
    "25 rows of 4 timesteps take as many turns as one row of 4, a row of 100 takes 96 more."
)
def turns_count_timesteps_and_not_rows():
    counts = []
    for rows, timesteps in ((1, 100), (25, 4), (1, 4)):
        layer, turns = counting_layer()
        layer(np.ones((rows, timesteps, 2), "float32"))
        assert {len(inputs) for inputs in turns} == {rows}
        counts.append(len(turns))
    assert counts[0] - counts[1] == 100 - 4
    assert counts[1] == counts[2]


@claim(
    "In one full-length pass, gradient reaches every timestep, padding too; with the mask it "
    "reaches the real ones only."
)
def gradient_reaches_padding_unless_it_is_masked():
    lstm = keras_lstm()
    inputs, mask = padded_batch()
    for real in (None, mask):
        x = tf.constant(inputs)
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = lstm(x, mask=real)[1]
        reached = np.abs(tape.gradient(result, x)).max(axis=2) > 0
        assert np.array_equal(reached, np.ones_like(mask) if real is None else mask)


@claim(
    "`fit` takes a `keras.utils.PyDataset` whose batches differ in timesteps, where the model has "
    "`Input((None, features))`: one update for each."
)
def buckets_go_into_fit():
    class Buckets(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, at):
            return np.ones((3, (4, 9)[at], 2), "float32"), np.ones((3, 1), "float32")

    model = keras.Sequential([keras.Input((None, 2)), layers.LSTM(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(Buckets(), verbose=0)
    assert int(model.optimizer.iterations) == 2


# --- which rows an epoch draws ---------------------------------------------------------------


NUMBERS = np.arange(10.0)[:, None]
BATCHES = tf.data.Dataset.from_tensor_slices((NUMBERS / 10, NUMBERS)).batch(4)
RAN_OUT = "Your input ran out of data"


def rows_of_epochs(*source, **options):
    """Fit on rows whose targets are their numbers; give those of each epoch, and the warnings."""
    epochs = []

    def note(numbers, outputs):
        epochs[-1].extend(numbers.numpy().astype(int).ravel().tolist())
        return keras.losses.mean_squared_error(numbers, outputs)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", note, run_eagerly=True)
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append([]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = {"shuffle": False, "verbose": 0} | options
        model.fit(*source, callbacks=[begin], **options)
    return epochs, [str(w.message) for w in caught if w.category is UserWarning]


def three_batches():
    for start in range(0, 10, 4):
        yield NUMBERS[start : start + 4] / 10, NUMBERS[start : start + 4]


def windows_of(data, targets, steps, stride=1):
    """Give the starts of windows of a series 0, 1, 2 …, and their targets."""
    pairs = keras.utils.timeseries_dataset_from_array(data, targets, steps, sequence_stride=stride)
    batches = list(pairs.as_numpy_iterator())
    for windows, _ in batches:
        np.testing.assert_array_equal(windows, windows[:, :1] + np.arange(steps))
    return [pair for windows, ends in batches for pair in zip(windows[:, 0], ends, strict=True)]


@claim(
    "Without `steps_per_epoch`, each epoch of `fit` draws every row of arrays, of tensors and of "
    "a finite dataset once, the last batch that is not full too, without a warning."
)
def each_epoch_draws_every_row_once():
    arrays = NUMBERS / 10, NUMBERS
    for source, size in ((arrays, 4), (map(tf.constant, arrays), 4), ([BATCHES], None)):
        drawn = rows_of_epochs(*source, batch_size=size, epochs=3)
        assert drawn == ([list(range(10))] * 3, [])


@claim(
    "10 rows of arrays or of a finite dataset, batches of 4, `steps_per_epoch=2`: epochs draw "
    "rows 0 to 7, then 8 and 9 with the warning that the data ran out, then 0 to 7 again; the "
    "logged loss of a short epoch is that of its rows."
)
def a_short_epoch_ends_with_the_data():
    for source, size in (((NUMBERS / 10, NUMBERS), 4), ([BATCHES], None)):
        drawn, said = rows_of_epochs(*source, batch_size=size, steps_per_epoch=2, epochs=4)
        assert drawn == [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9]] * 2
        assert len(said) == 2
        assert all(words.startswith(RAN_OUT) for words in said)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model.fit(BATCHES, steps_per_epoch=2, epochs=2, shuffle=False, verbose=0)
    last = model.evaluate(NUMBERS[8:] / 10, NUMBERS[8:], verbose=0)
    assert np.isclose(fitted.history["loss"][1], last)


@claim(
    "With `dataset.repeat()` and `steps_per_epoch`, each epoch draws that many batches and goes "
    "on where the one before stopped, across the end of the data, without a warning."
)
def a_repeated_dataset_goes_on():
    drawn = rows_of_epochs(BATCHES.repeat(), steps_per_epoch=2, epochs=3)
    assert drawn == ([[*range(8)], [8, 9, 0, 1, 2, 3], [4, 5, 6, 7, 8, 9]], [])


@claim(
    "With `dataset.repeat()` of 3 batches, `steps_per_epoch=3` makes each epoch one round; with "
    "4, an epoch draws rows twice."
)
def a_round_of_a_repeated_dataset():
    whole, _ = rows_of_epochs(BATCHES.repeat(), steps_per_epoch=3, epochs=2)
    assert whole == [list(range(10))] * 2
    more, _ = rows_of_epochs(BATCHES.repeat(), steps_per_epoch=4, epochs=2)
    assert more[0] == [*range(10), 0, 1, 2, 3]


@claim(
    "`fit(dataset.repeat())` without `steps_per_epoch` is still in its first epoch after 20 "
    "rounds, without a warning: the dataset's length is infinite."
)
def a_repeated_dataset_never_ends():
    def brake(batch, logs):
        model.stop_training = batch == 59

    assert BATCHES.repeat().cardinality() == tf.data.INFINITE_CARDINALITY
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=brake)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fitted = model.fit(BATCHES.repeat(), epochs=3, shuffle=False, verbose=0, callbacks=[stop])
    assert (int(model.optimizer.iterations), fitted.epoch) == (60, [0])


@claim(
    "Validation data that repeat, without `validation_steps`, are still read after 20 rounds; "
    "with `validation_steps=3` the validation ends."
)
def repeated_validation_never_ends():
    def brake(batch, logs):
        read.append(batch)
        model.stop_evaluating = batch == 59

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    stop = keras.callbacks.LambdaCallback(on_test_batch_end=brake)
    for validation_steps, expected in ((None, 60), (3, 3)):
        read = []
        options = {"validation_steps": validation_steps, "callbacks": [stop], "verbose": 0}
        model.fit(NUMBERS / 10, NUMBERS, validation_data=BATCHES.repeat(), **options)
        assert len(read) == expected


def orders_of_epochs(seed):
    """Three epochs of 50 shuffled rows: the order of each."""
    numbers = np.arange(50.0)[:, None]
    tf.random.set_seed(None)
    if seed is not None:
        keras.utils.set_random_seed(seed)
    drawn, _ = rows_of_epochs(numbers, numbers, epochs=3, shuffle=True)
    assert all(sorted(rows) == list(range(50)) != rows for rows in drawn)
    return [tuple(rows) for rows in drawn]


@claim(
    "After `keras.utils.set_random_seed`, `fit` draws the rows of arrays in one shuffled order, "
    "the same in every epoch."
)
def a_seed_gives_every_epoch_the_same_order():
    assert all(len(set(orders_of_epochs(seed))) == 1 for seed in (0, 1, 2))


@claim(
    "Without a seed, `fit` draws the rows of arrays in another order in each epoch.", keras="<3.16"
)
def without_a_seed_the_orders_differ():
    assert len(set(orders_of_epochs(None))) == 3


@claim(
    "`fit` draws the rows of arrays in one and the same shuffled order in every epoch and every "
    "call, whatever the seed, and without one.",
    keras=">=3.16",
)
def whatever_the_seed_the_order_is_the_same():
    assert len({order for seed in (None, 0, 1) for order in orders_of_epochs(seed)}) == 1


@claim(
    "A `tf.data.Dataset` with `.shuffle(n)` draws its rows in a new order in each epoch, with a "
    "seed set, too."
)
def a_dataset_shuffles_anew_in_each_epoch():
    keras.utils.set_random_seed(0)
    shuffled = BATCHES.unbatch().shuffle(10).batch(4)
    drawn, _ = rows_of_epochs(shuffled, epochs=3)
    assert len(set(map(tuple, drawn))) == 3
    assert [sorted(rows) for rows in drawn] == [list(range(10))] * 3


@claim("`.batch(4).shuffle(n)` shuffles whole batches: the rows of each stay together.")
def shuffle_after_batch_moves_whole_batches():
    keras.utils.set_random_seed(0)
    drawn, _ = rows_of_epochs(BATCHES.shuffle(3), epochs=9)
    joined = [" ".join(map(str, rows)) for rows in drawn]
    assert all(part in rows for rows in joined for part in ("0 1 2 3", "4 5 6 7", "8 9"))
    assert len(set(joined)) > 1


@claim(
    "`fit` leaves a `tf.data.Dataset` in its order, and warns of that unless told `shuffle=False`."
)
def fit_does_not_shuffle_a_dataset():
    drawn, said = rows_of_epochs(BATCHES, epochs=2, shuffle=True)
    assert drawn == [list(range(10))] * 2
    assert "will be ignored" in said[0]


@claim(
    "A `keras.utils.PyDataset` that gives batch i and their number is drawn whole in every epoch, "
    "without a warning."
)
def a_pydataset_gives_every_row_in_every_epoch():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return list(three_batches())[i]

    drawn, said = rows_of_epochs(Batches(), epochs=3)
    assert drawn == [list(range(10))] * 3
    assert not said


@claim(
    "Each validation on a Python generator begins with the 2 batches that Keras took in advance, "
    "and then goes on from where the generator stands: it looks at other rows than the one before."
)
def validation_from_a_generator_goes_on():
    def endless():
        while True:
            for start in range(0, 10, 2):
                yield NUMBERS[start : start + 2], NUMBERS[start : start + 2] + 100

    drawn, _ = rows_of_epochs(
        NUMBERS, NUMBERS, epochs=3, validation_data=endless(), validation_steps=3
    )
    looked_at = [[row - 100 for row in rows[10:]] for rows in drawn]
    assert [rows[:4] for rows in looked_at] == [[0, 1, 2, 3]] * 3
    assert looked_at[0] == [0, 1, 2, 3, 4, 5]
    assert looked_at[1] != looked_at[0]  # how far it has gone on differs: it is read ahead


@claim(
    "A Python generator of 3 batches, without `steps_per_epoch`: the first epoch draws all 3, "
    "every later epoch the first 2 again and nothing else."
)
def a_generator_leaves_its_first_two_batches():
    drawn, _ = rows_of_epochs(three_batches(), epochs=3)
    assert drawn == [list(range(10)), list(range(8)), list(range(8))]


@claim(
    "Without `steps_per_epoch`, each epoch over a Python generator that has ended warns that the "
    "data ran out.",
    keras="<3.16",
)
def a_generator_that_ends_is_warned_of():
    _, said = rows_of_epochs(three_batches(), epochs=3)
    assert [words.startswith(RAN_OUT) for words in said] == [True] * 3


@claim(
    "Without `steps_per_epoch`, no epoch over a Python generator that has ended warns.",
    keras=">=3.16",
)
def a_generator_that_ends_is_not_warned_of():
    assert rows_of_epochs(three_batches(), epochs=3)[1] == []


@claim(
    "A Python generator that begins again for ever gives `steps_per_epoch` batches to each epoch, "
    "and the next epoch goes on from there."
)
def an_endless_generator_with_steps_per_epoch_goes_on():
    def endless():
        while True:
            yield from three_batches()

    drawn, said = rows_of_epochs(endless(), steps_per_epoch=3, epochs=3)
    assert drawn == [list(range(10))] * 3
    drawn, _ = rows_of_epochs(endless(), steps_per_epoch=2, epochs=3)
    assert drawn == [[*range(8)], [8, 9, *range(4)], [*range(4, 10)]]
    assert said == []


@claim(
    "A Python generator of 3 batches with `steps_per_epoch=3`: the second epoch draws nothing, "
    "warns that the data ran out and logs a loss of exactly 0."
)
def an_empty_epoch_logs_a_loss_of_zero():
    drawn, said = rows_of_epochs(three_batches(), steps_per_epoch=3, epochs=2)
    assert drawn == [list(range(10)), []]
    assert said[0].startswith(RAN_OUT)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model.fit(three_batches(), steps_per_epoch=3, epochs=2, verbose=0)
    assert fitted.history["loss"][0] > 0
    assert fitted.history["loss"][1] == 0


def predicted_batches(**options):
    sizes = []
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    look = keras.callbacks.LambdaCallback(
        on_predict_batch_end=lambda batch, logs: sizes.append(len(logs["outputs"]))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        predicted = model.predict(NUMBERS, callbacks=[look], verbose=0, **options)
    assert len(predicted) == sum(sizes)
    return sizes


@claim("`predict(x, batch_size=4, steps=2)` on 10 rows returns 8 of them, without a warning.")
def predict_leaves_rows_out():
    assert predicted_batches(batch_size=4, steps=2) == [4, 4]


@claim(
    "`predict(x, steps=2)` on 10 rows without `batch_size` returns all 10, in 2 batches of 5: the"
    " rows divided by `steps`, without a warning."
)
def predict_makes_batches_to_fit():
    assert predicted_batches(steps=2) == [5, 5]


@claim(
    "`batch(4, drop_remainder=True)` drops the 2 of 10 rows that fill no batch, in every epoch "
    "and without a warning; behind `shuffle`, another two each time."
)
def drop_remainder_drops_rows():
    full = tf.data.Dataset.from_tensor_slices((NUMBERS / 10, NUMBERS)).batch(4, drop_remainder=True)
    assert rows_of_epochs(full, epochs=2) == ([list(range(8))] * 2, [])
    rows = tf.data.Dataset.from_tensor_slices((NUMBERS / 10, NUMBERS)).shuffle(10, seed=0)
    drawn, _ = rows_of_epochs(rows.batch(4, drop_remainder=True), epochs=3)
    assert len({tuple(sorted(epoch)) for epoch in drawn}) > 1


@claim(
    "With `validation_steps=1`, each validation reads the first batch of the validation data, the"
    " same in every epoch, from arrays, a dataset and `dataset.repeat()`, while `steps_per_epoch`"
    " goes on. A dataset that shuffles draws others each time."
)
def validation_starts_at_the_first_row():
    validation = NUMBERS / 10, NUMBERS + 100
    rows = tf.data.Dataset.from_tensor_slices(validation).batch(4)
    options = {"batch_size": 4, "steps_per_epoch": 1, "epochs": 3, "validation_steps": 1}
    for data in (validation, rows, rows.repeat()):
        drawn, said = rows_of_epochs(NUMBERS / 10, NUMBERS, validation_data=data, **options)
        assert [epoch[-4:] for epoch in drawn] == [[100, 101, 102, 103]] * 3
        assert [epoch[:-4] for epoch in drawn] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        assert said == []
    shuffled = rows.unbatch().shuffle(10, seed=0).batch(4)
    drawn, _ = rows_of_epochs(NUMBERS / 10, NUMBERS, validation_data=shuffled, **options)
    assert len({tuple(epoch[-4:]) for epoch in drawn}) == 3


@claim(
    "`predict` refuses a symbolic tensor with 'A KerasTensor is symbolic', with `steps=1` or "
    "without `steps`."
)
def a_symbolic_tensor_is_refused():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    for steps in (None, 1):
        with pytest.raises(ValueError, match="A KerasTensor is symbolic"):
            model.predict(keras.Input((1,), batch_size=4), steps=steps, verbose=0)


@claim(
    "`timeseries_dataset_from_array(data, targets, sequence_length)` makes windows of "
    "`sequence_length` timesteps and gives the one that starts at i the target `targets[i]`: with"
    " the series passed twice, the window's own first value."
)
def a_window_gets_the_target_of_its_start():
    series = np.arange(10.0)
    assert windows_of(series, series, 3) == [(i, i) for i in range(8)]
    assert windows_of(series, 100 + series, 3, stride=2) == [(i, 100 + i) for i in (0, 2, 4, 6)]


@claim(
    "The documented recipe, `(data[:-10], data[10:], sequence_length=10)`, makes 81 windows of a "
    "series of 100, where 90 have a target; all targets are right, and `sequence_length - 1` "
    "windows are dropped, whatever the horizon."
)
def the_documented_recipe_drops_windows():
    text = keras.utils.timeseries_dataset_from_array.__doc__
    assert all(line in text for line in ("input_data = data[:-10]", "targets = data[10:]"))
    series = np.arange(100.0)
    for steps, horizon, dropped in ((10, 1, 9), (11, 1, 10), (10, 3, 9)):
        shift = steps + horizon - 1
        pairs = windows_of(series[:-shift], series[shift:], steps)
        assert pairs == [(i, i + shift) for i in range(100 - shift - dropped)]
    assert len(windows_of(series[:-10], series[10:], 10)) == 81


@claim(
    "`timeseries_dataset_from_array(series, series[steps + horizon - 1:], steps)` makes every "
    "window that has a target, with that target, for any stride and horizon."
)
def the_whole_series_gives_every_window():
    for steps, stride, horizon, n in ((10, 1, 1, 100), (5, 3, 2, 20), (3, 2, 4, 20)):
        series, shift = np.arange(float(n)), steps + horizon - 1
        pairs = windows_of(series, series[shift:], steps, stride)
        assert pairs == [(i, i + shift) for i in range(0, n - shift, stride)]


@claim(
    "`.repeat().batch(4)` fills a batch with the last rows of a round and the first of the next."
)
def repeat_before_batch_mixes_rounds():
    batches = tf.data.Dataset.range(10).repeat().batch(4).as_numpy_iterator()
    assert list(itertools.islice(batches, 3))[2].tolist() == [8, 9, 0, 1]


@claim(
    "`steps_per_epoch` and `validation_steps` in `fit`, and `steps` in `predict` and `evaluate`, "
    "count batches."
)
def the_steps_arguments_count_batches():
    count = dict.fromkeys(("train", "test", "predict"), 0)

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            count["train"] += 1

        def on_test_batch_end(self, batch, logs=None):
            count["test"] += 1

        def on_predict_batch_end(self, batch, logs=None):
            count["predict"] += 1

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    options = {"batch_size": 2, "callbacks": [Count()], "verbose": 0}
    data = {"validation_data": (NUMBERS, NUMBERS), "validation_steps": 3}
    model.fit(NUMBERS, NUMBERS, steps_per_epoch=2, **data, **options)
    model.predict(NUMBERS, steps=1, **options)
    assert count == {"train": 2, "test": 3, "predict": 1}
    model.evaluate(NUMBERS, NUMBERS, steps=4, **options)
    assert count["test"] == 3 + 4


# --- windows for a forecast --------------------------------------------------------------------


@claim(
    "`fit` with `validation_split=0.25` validates on the last quarter of the rows, the same in "
    "each epoch, and trains on the others, which it shuffles."
)
def validation_split_takes_the_last_rows():
    rows = np.arange(40.0)[:, None]
    drawn, said = rows_of_epochs(rows / 10, rows, validation_split=0.25, shuffle=True, epochs=2)
    assert said == []
    for epoch in drawn:
        assert sorted(epoch[:30]) == list(range(30)) != epoch[:30]
        assert epoch[30:] == list(range(30, 40))


@claim(
    "With `sampling_rate=2` and the targets `series[steps:]`, `timeseries_dataset_from_array` "
    "gives the window that starts at i the target i + steps, which lies inside it."
)
def with_sampling_rate_2_the_recipe_aims_inside_the_window():
    series = np.arange(40.0)
    for steps in (2, 5, 6):
        made = keras.utils.timeseries_dataset_from_array(
            series, series[steps:], steps, sampling_rate=2
        )
        windows, targets = map(np.concatenate, zip(*made.as_numpy_iterator(), strict=True))
        np.testing.assert_array_equal(windows, windows[:, :1] + 2 * np.arange(steps))
        np.testing.assert_array_equal(targets, windows[:, 0] + steps)
        assert steps == 2 or (targets < windows[:, -1]).all()


@claim(
    "With the targets `series[(steps - 1) * rate + 1:]`, each window of "
    "`timeseries_dataset_from_array(…, sampling_rate=rate)` has the value after its last one."
)
def after_a_sampled_window_comes_its_target():
    series = np.arange(40.0)
    for steps, rate in ((5, 2), (3, 4), (4, 1)):
        made = keras.utils.timeseries_dataset_from_array(
            series, series[(steps - 1) * rate + 1 :], steps, sampling_rate=rate
        )
        windows, targets = map(np.concatenate, zip(*made.as_numpy_iterator(), strict=True))
        np.testing.assert_array_equal(targets, windows[:, -1] + 1)
        assert len(windows) == 40 - (steps - 1) * rate - 1


@claim(
    "With the targets `series[steps * rate:]`, each window of "
    "`timeseries_dataset_from_array(…, sampling_rate=rate)` has the value `rate` timesteps after "
    "its last one."
)
def a_rate_later_comes_the_next_sampled_value():
    series = np.arange(40.0)
    for steps, rate in ((5, 2), (3, 4), (4, 1)):
        made = keras.utils.timeseries_dataset_from_array(
            series, series[steps * rate :], steps, sampling_rate=rate
        )
        windows, targets = map(np.concatenate, zip(*made.as_numpy_iterator(), strict=True))
        np.testing.assert_array_equal(targets, windows[:, -1] + rate)
        assert len(windows) == 40 - steps * rate


@claim(
    "`tf.data.Dataset.range(6).window(3, shift=1)` holds six datasets, of 3, 3, 3, 3, 2 and 1 "
    "values."
)
def dataset_window_makes_datasets():
    windows = list(tf.data.Dataset.range(6).window(3, shift=1))
    assert all(isinstance(window, tf.data.Dataset) for window in windows)
    assert [len(list(window)) for window in windows] == [3, 3, 3, 3, 2, 1]


@claim(
    "`window(n, shift=1, drop_remainder=True)` and `flat_map` with a `batch(n)` of each window "
    "give every whole window as a tensor."
)
def batched_windows_are_flat_again():
    made = tf.data.Dataset.range(6).window(4, shift=1, drop_remainder=True)
    made = made.flat_map(lambda window: window.batch(4))
    found = [window.tolist() for window in made.as_numpy_iterator()]
    assert found == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]


@claim(
    "Windows that `window`, `flat_map` and a `map` to `(window[:-1, None], window[-1])` cut from a "
    "dataset have, after `.batch(32)`, the shape (batch, steps, 1), and `fit` trains an LSTM on "
    "them; without the axis, it is refused."
)
def pairs_of_a_dataset_need_a_feature_axis_and_batches():
    made = windows_of_a_dataset(lambda window: (window[:-1, None], window[-1])).batch(32)
    ((windows, targets),) = made.as_numpy_iterator()
    assert windows[..., 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert targets.tolist() == [3, 4, 5]
    for data, is_taken in (
        (made, True),
        (windows_of_a_dataset(lambda window: (window[:-1], window[-1])).batch(32), False),
    ):
        model = keras.Sequential([layers.LSTM(2), layers.Dense(1)])
        model.compile("adam", "mse")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            with contextlib.nullcontext() if is_taken else pytest.raises(ValueError, match="ndim"):
                model.fit(data, shuffle=False, verbose=0)


def windows_of_a_dataset(pair):
    cut = tf.data.Dataset.from_tensor_slices(np.arange(6.0)).window(4, 1, drop_remainder=True)
    return cut.flat_map(lambda window: window.batch(4)).map(pair)


@claim(
    "`window` makes a pair of datasets of each window of a dataset of pairs; a `flat_map` of one "
    "argument is a `TypeError`, and one that zips the two batches gives pairs of windows."
)
def windows_of_pairs_are_pairs_of_datasets():
    rows = tf.data.Dataset.from_tensor_slices((np.arange(6), np.arange(6) * 10))
    made = rows.window(3, shift=1, drop_remainder=True)
    with pytest.raises(TypeError, match="2 were given"):
        made.flat_map(lambda window: window.batch(3))
    made = made.flat_map(lambda x, y: tf.data.Dataset.zip((x.batch(3), y.batch(3))))
    found = [(x.tolist(), y.tolist()) for x, y in made.as_numpy_iterator()]
    assert found == [([i, i + 1, i + 2], [10 * i, 10 * i + 10, 10 * i + 20]) for i in range(4)]


def shuffled_windows(data, targets, length):
    cut = keras.utils.timeseries_dataset_from_array
    return cut(data, targets, length, shuffle=True, seed=1, batch_size=None)


@claim(
    "Two datasets of windows, shuffled with one seed and zipped, keep their pairs if they are "
    "equally long, and else lose them without a warning."
)
def zipped_and_shuffled_datasets_lose_their_pairs():
    count = np.arange(30.0)
    for series, kept in ((count, False), (count[:-3], True)):  # 26 windows or 23, of 5; 23 of 3
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parts = shuffled_windows(series, None, 5), shuffled_windows(count[5:], None, 3)
            pairs = list(tf.data.Dataset.zip(parts).as_numpy_iterator())
        assert len(pairs) == 23
        right = np.mean([y[0] - x[-1] == 1 for x, y in pairs])
        assert right == 1 if kept else right < 0.2


@claim("The targets of `timeseries_dataset_from_array` may be windows: each stays with its own.")
def targets_may_be_windows():
    count = np.arange(30.0)
    aims = np.lib.stride_tricks.sliding_window_view(count[5:], 3)
    pairs = list(shuffled_windows(count, aims, 5).as_numpy_iterator())
    assert len(pairs) == 23
    assert all((y - x[-1] == [1, 2, 3]).all() for x, y in pairs)


@claim(
    "An epoch over a dataset that cannot be counted beforehand, as after `flat_map`, draws all of "
    "it and warns that the data ran out.",
    keras="<3.16",
)
def a_dataset_that_cannot_be_counted_is_warned_of():
    rows = BATCHES.unbatch()  # as flat_map does, it hides how many there are
    windows = rows.batch(4).window(2).flat_map(lambda x, y: tf.data.Dataset.zip(x, y))
    drawn, said = rows_of_epochs(windows, epochs=2)
    assert drawn == [list(range(10))] * 2
    assert [words.startswith(RAN_OUT) for words in said] == [True] * 2


@claim("Keras 3 has no `TimeseriesGenerator`.")
def timeseries_generator_is_gone():
    assert not hasattr(keras.preprocessing.sequence, "TimeseriesGenerator")
    assert not hasattr(keras.utils, "TimeseriesGenerator")


@claim(
    "`tf.keras.preprocessing.sequence.TimeseriesGenerator(data, targets, length)` still exists and "
    "gives the window that starts at i the target `targets[i + length]`."
)
def the_old_generator_aims_at_the_next_value():
    series = np.arange(9.0)
    generator = tf.keras.preprocessing.sequence.TimeseriesGenerator
    windows, targets = generator(series, series, 3, batch_size=99)[0]
    np.testing.assert_array_equal(targets, windows[:, -1] + 1)


@claim(
    "With one timestep, (n, 1, 8), training changes an LSTM's kernel and bias and never its "
    "recurrent kernel, which can hold anything: the forecasts are the same."
)
def one_timestep_never_trains_the_recurrent_kernel():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 8)), rng.normal(size=(40, 1))
    for shape, is_trained in (((1, 8), False), ((8, 1), True)):
        model = keras.Sequential([keras.Input(shape), layers.LSTM(4), layers.Dense(1)])
        model.compile("adam", "mse")
        before = model.layers[0].get_weights()
        model.fit(x.reshape(-1, *shape), y, verbose=0)
        after = model.layers[0].get_weights()
        changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert changed == [True, is_trained, True]
        found = model.predict(x.reshape(-1, *shape), verbose=0)
        model.layers[0].set_weights([after[0], 1000 + after[1], after[2]])
        same = np.array_equal(found, model.predict(x.reshape(-1, *shape), verbose=0))
        assert same != is_trained


@claim(
    "With one timestep and `stateful=True`, a state carried from batch to batch, training changes "
    "an LSTM's recurrent kernel as well."
)
def one_timestep_with_carried_state_trains_every_array():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 1, 8))
    for stateful in (True, False):
        model = keras.Sequential([keras.Input((1, 8), batch_size=1)])
        model.add(layers.LSTM(4, stateful=stateful))
        model.add(layers.Dense(1))
        model.compile("adam", "mse")
        before = model.layers[0].get_weights()
        model.fit(x, y[:, 0, :1], batch_size=1, shuffle=False, verbose=0)
        pairs = zip(before, model.layers[0].get_weights(), strict=True)
        assert [not np.array_equal(a, b) for a, b in pairs] == [True, stateful, True]


@claim(
    "The loss that `fit` logs for an epoch is the mean of the losses of its batches, each taken "
    "before the update that the batch makes."
)
def the_logged_loss_is_taken_before_each_update():
    x = np.random.default_rng(0).normal(size=(5, 1))
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[0.5]])])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    log = model.fit(x, 2 * x, batch_size=1, shuffle=False, verbose=0).history["loss"]
    weight, losses = 0.5, []
    for value in x[:, 0]:
        losses.append(((weight - 2) * value) ** 2)
        weight -= 0.1 * 2 * (weight - 2) * value**2
    np.testing.assert_allclose(log, [np.mean(losses)], rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], [[weight]], rtol=1e-5)


@claim(
    "Trained in order, one window of a random walk a batch, with SGD at 0.05, an LSTM logs less "
    "than a tenth of the loss that `evaluate` then gives on the same windows."
)
def in_order_the_log_can_be_far_below_the_loss():
    walk = np.random.default_rng(0).normal(size=(400, 1)).cumsum(axis=0).astype("float32")
    windows = np.lib.stride_tricks.sliding_window_view(walk[:-1, 0], 8)[..., None]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, 1)), layers.LSTM(16), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    log = model.fit(windows, walk[8:], batch_size=1, epochs=3, shuffle=False, verbose=0)
    found = model.evaluate(windows, walk[8:], verbose=0)
    assert log.history["loss"][-1] < found / 10


# --- where the mask goes ---------------------------------------------------------------------


LENGTHS = (7, 12, 4)
MASK = np.arange(12) < np.array(LENGTHS)[:, None]  # (3, 12), True = a real timestep
PADDED = (np.random.default_rng(5).normal(size=(3, 12, 3)) * MASK[..., None]).astype("float32")
ALONE = [PADDED[i : i + 1, :n] for i, n in enumerate(LENGTHS)]


def through(step):
    """Mask and number of warnings behind a layer or operation that follows `Masking`."""
    masked = layers.Masking()(PADDED)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mask = getattr(step(masked), "_keras_mask", None)
    return None if mask is None else np.asarray(mask), [str(w.message) for w in said]


def with_weights(layer, shape=None):
    rng = np.random.default_rng(0)
    if shape is not None:
        layer.build(shape)
    layer.set_weights([0.6 * rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def predict_zero(*first):
    last = layers.Dense(1, kernel_initializer="zeros")
    return keras.Sequential([keras.Input((12, 3)), *first, last])


@claim("`Masking(0.0)` masks a timestep exactly where all its features are 0, real or not.")
def masking_masks_where_all_features_are_zero():
    x = np.array([[[1.0, 2], [0, 3], [0, 0], [4, 0]]])
    assert layers.Masking(0.0).compute_mask(x).numpy().tolist() == [[True, True, False, True]]


@claim("`Dense` and `Dropout` hand the mask on as it is, without a warning.")
def dense_and_dropout_keep_the_mask():
    for layer in (layers.Dense(4), layers.Dropout(0.2)):
        mask, said = through(layer)
        assert np.array_equal(mask, MASK)
        assert said == []


@claim("`Conv1D` behind `Masking` hands no mask on and Keras warns; there is no error.")
def conv1d_loses_the_mask_with_a_warning():
    mask, said = through(layers.Conv1D(4, 3, padding="same"))
    assert mask is None
    assert len(said) == 1
    assert LOST in said[0]
    assert "an exception will be raised" in " ".join(layers.Masking.__doc__.split())


@claim("Behind a `Conv1D` that lost the mask, neither `LSTM` nor `Dense` has one.")
def a_lost_mask_does_not_come_back():
    conv, lstm, dense = layers.Conv1D(3, 1), layers.LSTM(4, return_sequences=True), layers.Dense(1)
    assert through(lambda x: lstm(conv(x)))[0] is None
    assert through(lambda x: dense(lstm(conv(x))))[0] is None
    assert through(lambda x: dense(layers.Dense(4)(x)))[0] is not None


@claim("A lost mask is warned of when the model is built and in the first `predict` only.")
def the_warning_comes_with_the_build_and_the_first_predict():
    counts = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        inputs = keras.Input((12, 3))
        model = keras.Model(inputs, layers.Conv1D(4, 1)(layers.Masking()(inputs)))
        counts.append(len(said))
        for _ in range(3):
            model.predict(PADDED, verbose=0)
            counts.append(len(said))
    assert counts == [1, 2, 2, 2]


@claim("`Conv1D(padding='causal')` reads the present and earlier timesteps only.")
def a_causal_conv_looks_back_only():
    conv = with_weights(layers.Conv1D(4, 3, padding="causal"), (None, None, 3))
    changed = PADDED.copy()
    changed[:, 6:] += 1
    same = np.isclose(conv(PADDED), conv(changed)).all(axis=(0, 2))
    assert same.tolist() == [True] * 6 + [False] * 6


@claim("An LSTM behind a causal `Conv1D` gives padded sequences their own output with `mask=`.")
def a_mask_by_hand_repairs_the_lstm():
    conv = with_weights(layers.Conv1D(4, 3, padding="causal"), (None, None, 3))
    lstm = with_weights(layers.LSTM(4, use_cudnn=False), (None, None, 4))
    alone = np.concatenate([lstm(conv(x)) for x in ALONE])
    mask = layers.Masking().compute_mask(PADDED)
    assert np.abs(lstm(conv(PADDED), mask=mask) - alone).max() < 1e-5
    off = np.abs(lstm(conv(PADDED)) - alone).max(axis=1)
    assert off[1] < 1e-5 < 0.05 < min(off[0], off[2])


@claim("`x * 2`, `keras.ops.tanh(x)` and slices lose the mask, without a warning.")
def operations_lose_the_mask_in_silence():
    inputs = keras.Input((12, 3))
    masked = layers.Masking()(inputs)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for x in (masked * 2, keras.ops.tanh(masked), masked[:, 1:], masked[:, -1]):
            assert getattr(x, "_keras_mask", None) is None
    assert masked._keras_mask is not None
    assert len(said) == 0


@claim(
    "`Rescaling(2.0)` and `Activation('tanh')` compute the same as `x * 2`, tanh, and keep the "
    "mask."
)
def layers_for_operations_keep_the_mask():
    for layer, expected in (
        (layers.Rescaling(2.0), PADDED * 2),
        (layers.Activation("tanh"), np.tanh(PADDED)),
    ):
        np.testing.assert_allclose(layer(PADDED), expected, rtol=1e-5, atol=1e-6)
        mask, said = through(layer)
        assert np.array_equal(mask, MASK)
        assert said == []


@claim("`LayerNormalization` and `BatchNormalization` keep the mask, without a warning.")
def normalising_layers_keep_the_mask():
    for layer in (layers.LayerNormalization(), layers.BatchNormalization()):
        mask, said = through(layer)
        assert np.array_equal(mask, MASK), layer
        assert said == []


def recurrent_layers():
    """Layers that read timesteps one after another, and give an output for each."""
    kinds = (layers.SimpleRNN, layers.GRU, layers.LSTM)
    each = [kind(3, return_sequences=True) for kind in kinds]
    return [*each, layers.Bidirectional(each[1]), layers.TimeDistributed(layers.Dense(3))]


@claim(
    "`SimpleRNN`, `GRU` and `LSTM` with `return_sequences=True`, `Bidirectional` and "
    "`TimeDistributed` keep the mask, without a warning.",
    keras="<3.16",
)
def recurrent_layers_keep_the_mask():
    for layer in recurrent_layers():
        mask, said = through(layer)
        assert np.array_equal(mask, MASK), layer
        assert said == []


@claim(
    "`SimpleRNN`, `GRU`, `LSTM`, `Bidirectional` and `TimeDistributed` hand no mask on, each with "
    "a warning: of two stacked LSTMs the first obeys the mask, and the second reads the padding.",
    keras=">=3.16",
)
def recurrent_layers_lose_the_mask_with_a_warning():
    for layer in recurrent_layers():
        mask, said = through(layer)
        assert mask is None, layer
        assert all(LOST in words for words in said), said
        assert any(f"'{layer.name}'" in words for words in said), said
    first, second = layers.LSTM(3, return_sequences=True), layers.LSTM(3)
    for lstm in (first, second):
        with_weights(lstm, (None, None, 3))
    alone = np.concatenate([first(x)[:, -1] for x in ALONE])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        stacked = second(first(layers.Masking()(PADDED)))
    assert np.allclose(first(PADDED, mask=MASK)[:, -1], alone, atol=1e-5)
    off = np.abs(stacked - np.concatenate([second(first(x)) for x in ALONE])).max(axis=1)
    assert off[1] < 1e-5 < 1e-3 < min(off[0], off[2])


@claim(
    "`Flatten`, `Reshape`, `Permute`, `MaxPooling1D`, `GlobalMaxPooling1D`, `RMSNormalization` and "
    "`Lambda` lose the mask, each with a warning."
)
def reshaping_and_pooling_layers_lose_the_mask_with_a_warning():
    lose = [layers.Flatten(), layers.Reshape((12, 3)), layers.Permute((1, 2))]
    lose += [layers.MaxPooling1D(2), layers.GlobalMaxPooling1D(), layers.RMSNormalization()]
    lose += [layers.Lambda(lambda x: 2 * x)]
    for layer in lose:
        mask, said = through(layer)
        assert mask is None, layer
        assert len(said) == 1


@claim("A custom layer loses the mask with a warning; with `supports_masking = True` it keeps it.")
def supports_masking_keeps_the_mask():
    class Double(layers.Layer):
        def call(self, x):
            return 2 * x

    plain, passing = Double(), Double()
    passing.supports_masking = True
    mask, said = through(plain)
    assert (mask, len(said)) == (None, 1)
    mask, said = through(passing)
    assert np.array_equal(mask, MASK)
    assert said == []


class Reverse(layers.Layer):
    supports_masking = True

    def call(self, x):
        return x[:, ::-1]


@claim("`supports_masking = True` on a layer that reverses time hands on a wrong mask, unchecked.")
def supports_masking_is_not_checked():
    mask, said = through(Reverse())
    assert np.array_equal(mask, MASK)
    assert not np.array_equal(mask, MASK[:, ::-1])
    assert said == []


@claim("A layer's own `compute_mask` says which mask goes on.")
def compute_mask_moves_the_mask():
    class ReverseBoth(Reverse):
        def compute_mask(self, x, mask=None):
            return None if mask is None else mask[:, ::-1]

    mask, _ = through(ReverseBoth())
    assert np.array_equal(mask, MASK[:, ::-1])
    assert getattr(ReverseBoth()(PADDED), "_keras_mask", None) is None


@claim("Behind `Masking` and `Dense` the data carry the mask as the attribute `_keras_mask`.")
def the_mask_travels_as_an_attribute():
    assert np.array_equal(layers.Dense(4)(layers.Masking()(PADDED))._keras_mask, MASK)


@claim("An LSTM with one output a sequence hands no mask on, without a warning.", keras="<3.16")
def the_mask_ends_with_one_output():
    mask, said = through(layers.LSTM(4))
    assert mask is None
    assert [words for words in said if LOST in words] == []


def merged(layer, *branches):
    """The mask behind a layer that merges them; with it, no warning may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return getattr(layer(list(branches)), "_keras_mask", None)


@claim("`Add`, `Multiply` and `Average` of a masked and an unmasked branch have no mask, silently.")
def adding_an_unmasked_branch_loses_the_mask():
    for layer in (layers.Add(), layers.Multiply(), layers.Average()):
        kept, lost = layers.Masking()(PADDED), layers.Dense(3)(PADDED)
        assert merged(layer, kept, lost) is None
        assert merged(layer, lost, kept) is None


@claim("`Concatenate` of a masked and an unmasked branch calls every timestep real, silently.")
def concatenating_an_unmasked_branch_unmasks_everything():
    kept, lost = layers.Masking()(PADDED), layers.Dense(3)(PADDED)
    for branches in ((kept, lost), (lost, kept)):
        mask = np.asarray(merged(layers.Concatenate(), *branches))
        assert mask.shape == MASK.shape
        assert mask.all()


@claim("Behind `Add` or `Concatenate` of two masked branches, real is what either calls real.")
def merging_two_masks_gives_their_union():
    late = PADDED * (np.arange(12) > 2)[:, None]
    for layer in (layers.Add(), layers.Concatenate()):
        early = layers.Masking()(PADDED * (np.arange(12) < 5)[:, None])
        mask = np.asarray(merged(layer, early, layers.Masking()(late)))
        assert np.array_equal(mask, MASK)


def around_attention(norm):
    """A model that adds to x the attention of x, or of its norm, and one of the attention."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 3))
    x = layers.Masking()(inputs)
    query = norm(x)
    attended = layers.MultiHeadAttention(2, 4)(query, query)
    return keras.Model(inputs, [layers.Add()([x, attended]), attended])


@claim(
    "`MultiHeadAttention` uses the mask and hands it on, and takes it off its input: `Add()([x, "
    "attention(x, x)])` has none, without a warning. While a functional model is built, it has one."
)
def attention_takes_the_mask_off_its_input():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = around_attention(lambda x: x)
        added, attended = model(PADDED)
    assert model.outputs[0]._keras_mask is not None
    assert [str(warning.message) for warning in said if LOST in str(warning.message)] == []
    assert getattr(added, "_keras_mask", None) is None
    assert np.array_equal(attended._keras_mask, MASK)
    for row, alone in zip(np.asarray(attended), ALONE, strict=True):
        np.testing.assert_allclose(row[: alone.shape[1]], model(alone)[1][0], atol=1e-5)
    masked = layers.Masking()(PADDED)
    layers.MultiHeadAttention(2, 4)(masked, masked)
    assert getattr(masked, "_keras_mask", None) is None


@claim("`Add()([x, attention(n, n)])` with n the `LayerNormalization` of x keeps the mask.")
def normalising_before_attention_keeps_the_mask():
    added, _ = around_attention(layers.LayerNormalization())(PADDED)
    assert np.array_equal(added._keras_mask, MASK)


@claim("With a mask the divisor of the loss is the same for any padding; without, all timesteps.")
def the_divisor_grows_with_the_padding_without_a_mask():
    for extra in (0, 5):
        x = np.pad(PADDED, ((0, 0), (0, extra), (0, 0)))
        targets = np.zeros((*x.shape[:2], 1))
        targets[0, 0] = 1.0  # one squared error of 1: the loss is 1 / divisor
        for first, divisor in (([layers.Masking()], 23), ([], 3 * (12 + extra))):
            last = layers.Dense(1, kernel_initializer="zeros")
            model = keras.Sequential([keras.Input((None, 3)), *first, last])
            model.compile(loss="mse", run_eagerly=True)
            np.testing.assert_allclose(
                1 / model.evaluate(x, targets, verbose=0), divisor, rtol=1e-5
            )


def loss_of(model, loss="mse", **options):
    """The loss where each real timestep has a squared error of 1, each of padding one of 9."""
    model.compile(loss=loss, run_eagerly=True)
    targets = np.where(MASK, 1.0, 3.0)[..., None]
    return model.evaluate(PADDED, targets, verbose=0, **options)


@claim("A mask leaves the padding out of the loss and divides it by the real timesteps.")
def a_mask_takes_padding_out_of_the_loss():
    assert np.isclose(loss_of(predict_zero(layers.Masking())), 23 / 23)
    assert np.isclose(loss_of(predict_zero()), (23 * 1 + 13 * 9) / 36)


@claim("`reduction='mean_with_sample_weight'` divides the loss by the sum of the weights.")
def mean_with_sample_weight_divides_by_the_weights():
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    weights = MASK.astype("float32")
    assert np.isclose(loss_of(predict_zero(), loss, sample_weight=weights), 23 / 23)
    weights[0] *= 3  # 21 + 16 for 23 real timesteps, each with an error of 1
    assert np.isclose(loss_of(predict_zero(), loss, sample_weight=weights), 1)
    loss = keras.losses.MeanSquaredError()
    assert np.isclose(loss_of(predict_zero(), loss, sample_weight=weights), 37 / 36)


@claim("`evaluate` divides each batch by its real timesteps and weights batches by their rows.")
def the_loss_depends_on_the_batch_size():
    model = predict_zero(layers.Masking())
    model.compile(loss="mse")
    targets = np.zeros((3, 12, 1))
    targets[0] = 1.0
    for size, expected in ((3, 7 / 23), (2, 2 * (7 / 19) / 3), (1, 1 / 3)):
        assert np.isclose(model.evaluate(PADDED, targets, batch_size=size, verbose=0), expected)


HONOUR = ["accuracy", "mae"]
COUNT = ["RootMeanSquaredError", "AUC", "Precision", "Recall"]


def moved(names, listed="metrics", weight=None):
    """Those that change when only the targets in the padding do."""
    last = layers.Dense(1, activation="sigmoid")
    model = with_weights(keras.Sequential([keras.Input((12, 3)), layers.Masking(), last]))
    model.compile(loss="binary_crossentropy", run_eagerly=True, **{listed: names})
    first, second = (
        model.evaluate(
            PADDED,
            np.where(MASK, np.arange(12) % 2, fill)[..., None],
            sample_weight=weight,
            verbose=0,
            return_dict=True,
        )
        for fill in (0, 1)
    )
    return [name for name in ("loss", *names) if abs(first[name] - second[name]) > 1e-3]


@claim("Loss, accuracy and mean absolute error honour the mask.")
def loss_accuracy_and_mae_honour_the_mask():
    assert moved(HONOUR) == []


@claim("RMSE, AUC, Precision and Recall count the padding, although the mask reaches the output.")
def rmse_auc_precision_and_recall_count_the_padding():
    assert moved(COUNT) == COUNT


@claim(
    "In `weighted_metrics`, without a `sample_weight`, RMSE, AUC, Precision and Recall count the "
    "padding."
)
def weighted_metrics_alone_count_the_padding():
    assert moved(COUNT, "weighted_metrics") == COUNT


@claim(
    "In `weighted_metrics`, with the mask as `sample_weight`, RMSE, AUC, Precision and Recall "
    "leave the padding out, as accuracy and mean absolute error do."
)
def weighted_metrics_with_weights_leave_the_padding_out():
    assert moved(HONOUR + COUNT, "weighted_metrics", MASK) == []


@claim(
    "Metrics that are the mean of a function (accuracies, MAE, MSE, cross-entropy) honour the mask."
)
def metrics_that_average_a_function_honour_the_mask():
    wrapper = keras.metrics.MeanMetricWrapper
    mean = ["MeanSquaredError", "BinaryAccuracy", "BinaryCrossentropy", "MeanAbsoluteError"]
    assert all(issubclass(getattr(keras.metrics, name), wrapper) for name in mean)
    assert not any(issubclass(getattr(keras.metrics, name), wrapper) for name in COUNT)
    assert moved(mean) == []


@claim(
    "A masked timestep is not read: a layer whose first two timesteps are masked starts from zeros "
    "at the third. A `sample_weight` of 0 leaves a timestep out of the loss and lets it be read."
)
def a_mask_holds_the_state_in_a_warm_up():
    model = diary()
    layer = layers.SimpleRNN(1, activation="linear", use_bias=False, return_sequences=True)
    layer.build((None, None, 1))
    layer.set_weights(model.get_weights())
    x = np.arange(1.0, 6.0)[None, :, None]
    late = np.array([[False, False, True, True, True]])
    assert layer(x, mask=late).numpy().ravel().tolist() == [0, 0, 3, 34, 345]
    each = keras.Sequential([keras.Input((None, 1)), layer])
    each.compile(loss=keras.losses.MeanAbsoluteError(reduction="mean_with_sample_weight"))
    loss = each.evaluate(x, 0 * x, sample_weight=late.astype("float32"), verbose=0)
    assert np.isclose(loss, (123 + 1234 + 12345) / 3)


@claim(
    "With a mask and a `sample_weight`, `mean_with_sample_weight` divides by the weights of the "
    "real timesteps; the usual reduction divides by the real timesteps."
)
def weights_warm_up_a_masked_model():
    weights = np.where(np.arange(12) < 2, 0.0, 1.0) * np.ones((3, 1))
    mse = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    assert np.isclose(loss_of(predict_zero(layers.Masking()), mse, sample_weight=weights), 1)
    assert np.isclose(loss_of(predict_zero(layers.Masking()), sample_weight=weights), 17 / 23)


def labelled(loss="sparse_categorical_crossentropy", *first):
    last = layers.Dense(4, activation="softmax")
    model = with_weights(keras.Sequential([keras.Input((12, 3)), *first, last]))
    model.compile(loss=loss)
    return model


@claim(
    "A label of -1 in the padding is an error of sparse cross-entropy, with a mask and with "
    "weights of 0."
)
def an_invalid_label_in_the_padding_is_an_error():
    labels = np.where(MASK, 1, -1)
    with pytest.raises(tf.errors.InvalidArgumentError):
        labelled("sparse_categorical_crossentropy", layers.Masking()).fit(PADDED, labels, verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError):
        labelled().evaluate(PADDED, labels, sample_weight=MASK.astype("float32"), verbose=0)


@claim("With `jit_compile=True` a label of -1 in the padding makes the loss NaN, on a CPU.")
def an_invalid_label_makes_a_compiled_loss_nan():
    model = labelled("sparse_categorical_crossentropy", layers.Masking())
    model.compile(loss="sparse_categorical_crossentropy", jit_compile=True)
    assert np.isnan(model.evaluate(PADDED, np.where(MASK, 1, -1), verbose=0))


@claim("`SparseCategoricalCrossentropy(ignore_class=-1)` leaves -1 out, of the divisor too.")
def ignore_class_leaves_a_label_out():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    right = labelled("sparse_categorical_crossentropy", layers.Masking())
    expected = right.evaluate(PADDED, np.where(MASK, 1, 0), verbose=0)
    for first in ([layers.Masking()], []):
        model = labelled(loss, *first)
        found = model.evaluate(PADDED, np.where(MASK, 1, -1), verbose=0)
        assert np.isclose(found, expected)


@claim("`compile` has no argument `sample_weight_mode`; weights of (batch, timesteps) are taken.")
def there_is_no_sample_weight_mode():
    with pytest.raises(TypeError, match="sample_weight_mode"):
        predict_zero().compile(loss="mse", sample_weight_mode="temporal")
    assert np.isclose(loss_of(predict_zero(), sample_weight=MASK.astype("float32")), 23 / 36)


TOKENS = np.array([[7, 2, 6, 0], [4, 1, 0, 0]])


@claim("`Embedding(mask_zero=True)` masks exactly the zeros.")
def mask_zero_masks_the_zeros():
    mask = layers.Embedding(9, 4, mask_zero=True).compute_mask(TOKENS)
    assert np.array_equal(mask, TOKENS != 0)


@claim("`Embedding` makes no mask unless `mask_zero=True`.")
def no_mask_without_mask_zero():
    embedding = layers.Embedding(9, 4)
    assert embedding.compute_mask(TOKENS) is None
    assert getattr(embedding(TOKENS), "_keras_mask", None) is None


@claim(
    "The vector that `Embedding` gives for 0 is not zero, with `mask_zero=True` too: "
    "`Masking(0.0)` finds no padding."
)
def the_vector_of_zero_is_not_zero():
    keras.utils.set_random_seed(0)
    vectors = layers.Embedding(9, 4, mask_zero=True)(TOKENS).numpy()
    assert (vectors != 0).all()
    assert layers.Masking(0.0).compute_mask(vectors).numpy().all()


@claim("With `mask_zero=True` a word with the number 0 is masked wherever it stands.")
def a_word_with_number_zero_is_masked():
    mask = layers.Embedding(9, 4, mask_zero=True).compute_mask(np.array([[0, 1, 0, 2]]))
    assert mask.numpy().tolist() == [[False, True, False, True]]


def both_directions(return_sequences=False):
    layer = layers.Bidirectional(layers.LSTM(4, return_sequences=return_sequences, use_cudnn=False))
    return with_weights(layer, (None, None, 3))


def one_direction(weights):
    lstm = layers.LSTM(4, use_cudnn=False)
    lstm.build((None, None, 3))
    lstm.set_weights(weights)
    return lstm


@claim("Without a mask, `Bidirectional` reads the padding: forward last, backward first ('post').")
def without_a_mask_both_halves_read_the_padding():
    both = both_directions()
    weights = both.get_weights()
    output = both(PADDED).numpy()
    forward, backward = one_direction(weights[:3]), one_direction(weights[3:])
    np.testing.assert_allclose(output[:, :4], forward(PADDED), atol=1e-5)
    np.testing.assert_allclose(output[:, 4:], backward(PADDED[:, ::-1]), atol=1e-5)
    off = np.abs(output - np.concatenate([both(x) for x in ALONE])).max(axis=0)
    assert off[:4].max() > 10 * off[4:].max() > 1e-3


@claim(
    "With the mask both halves of `Bidirectional`'s output are those of the sequence alone, padded "
    "'post' or 'pre'."
)
def with_a_mask_both_halves_are_right():
    both = both_directions()
    alone = np.concatenate([both(x) for x in ALONE])
    assert np.abs(both(PADDED, mask=MASK) - alone).max() < 1e-5
    in_front = keras.utils.pad_sequences([x[0] for x in ALONE], dtype="float32", padding="pre")
    assert not np.array_equal(in_front, PADDED)
    late = np.array([np.sort(row) for row in MASK])  # False, then True
    assert np.abs(both(in_front, mask=late) - alone).max() < 1e-5


@claim("A masked `Bidirectional(return_sequences=True)` writes zeros into the padding.")
def bidirectional_writes_zeros():
    outputs = both_directions(return_sequences=True)(PADDED, mask=MASK).numpy()
    assert (outputs[~MASK] == 0).all()
    assert (outputs[MASK] != 0).all()


@claim(
    "At the last real timestep the backward half of a masked `Bidirectional` has read this one "
    "timestep only."
)
def at_the_last_real_timestep_the_backward_half_has_read_one():
    outputs = both_directions(return_sequences=True)(PADDED, mask=MASK).numpy()
    both = both_directions()
    alone = np.concatenate([both(x) for x in ALONE])
    last = outputs[np.arange(3), np.array(LENGTHS) - 1]
    only = np.concatenate([both(x[:, -1:]) for x in ALONE])
    np.testing.assert_allclose(last[:, :4], alone[:, :4], atol=1e-5)
    np.testing.assert_allclose(last[:, 4:], only[:, 4:], atol=1e-5)


@claim("A masked `Bidirectional(return_sequences=False)` gives each half after all real timesteps.")
def without_sequences_each_half_has_read_everything():
    both = both_directions()
    weights, output = both.get_weights(), both(PADDED, mask=MASK).numpy()
    forward, backward = one_direction(weights[:3]), one_direction(weights[3:])
    ends = [np.concatenate([forward(x), backward(x[:, ::-1])], axis=1) for x in ALONE]
    np.testing.assert_allclose(output, np.concatenate(ends), atol=1e-5)


@claim(
    "`GlobalAveragePooling1D` takes the mean over the real timesteps with a mask, else over all."
)
def average_pooling_uses_the_mask():
    pooling = layers.GlobalAveragePooling1D()
    real = np.stack([x[0].mean(axis=0) for x in ALONE])
    np.testing.assert_allclose(pooling(PADDED, mask=MASK), real, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pooling(PADDED), PADDED.mean(axis=1), rtol=1e-4, atol=1e-5)


GRID = np.random.default_rng(0).normal(size=(3, 12, 3, 2)) * MASK[..., None, None]
GRID = GRID.astype("float32")


@claim("`LSTM` refuses an input of four axes.")
def lstm_refuses_four_axes():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=4"):
        layers.LSTM(4)(GRID)


@claim("`ConvLSTM1D` takes (batch, timesteps, features, channels) and slides along the features.")
def convlstm1d_takes_four_axes():
    conv = with_weights(layers.ConvLSTM1D(5, 2), (None, None, 3, 2))
    assert tuple(conv(GRID).shape) == (3, 2, 5)
    changed = GRID.copy()
    changed[:, 0, 2] += 1  # the third feature, at the first timestep
    cells = [keras.ops.convert_to_numpy(conv(x[:, :1])) for x in (GRID, changed)]
    assert (np.abs(cells[0] - cells[1]).max(axis=(0, 2)) > 1e-6).tolist() == [False, True]


@claim("`TimeDistributed(Flatten())` makes one row of each timestep, which an LSTM can read.")
def time_distributed_flattens_each_timestep():
    flat = layers.TimeDistributed(layers.Flatten())(GRID)
    assert np.array_equal(flat, GRID.reshape(3, 12, 6))
    assert tuple(layers.LSTM(4)(flat).shape) == (3, 4)


@claim("`Masking` looks along the last axis only: of four axes it makes a mask of three.")
def masking_of_four_axes_has_three():
    mask = layers.Masking().compute_mask(GRID).numpy()
    assert np.array_equal(mask, (GRID != 0).any(axis=-1))
    assert mask.shape == (3, 12, 3)


@claim(
    "`Masking`, `TimeDistributed(Flatten())`, `LSTM` on four axes builds, and fails in `predict`.",
    keras="<3.16",
)
def masking_before_flatten_fails_late():
    steps = [layers.Masking(), layers.TimeDistributed(layers.Flatten()), layers.LSTM(4)]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = keras.Sequential([keras.Input((12, 3, 2)), *steps])
    assert model.built
    assert len(said) == 0
    with pytest.raises(ValueError, match="LSTM"):
        model.predict(GRID, verbose=0)


@claim(
    "`Masking`, `TimeDistributed(Flatten())`, `LSTM` on four axes loses the mask with a warning, "
    "and the LSTM reads the padding.",
    keras=">=3.16",
)
def masking_before_flatten_is_lost():
    steps = [layers.Masking(), layers.TimeDistributed(layers.Flatten()), layers.LSTM(4)]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = keras.Sequential([keras.Input((12, 3, 2)), *steps])
        predicted = model.predict(GRID, verbose=0)
    assert any(LOST in str(warning.message) for warning in said)
    lstm = with_weights(layers.LSTM(4, use_cudnn=False), (None, None, 6))
    lstm.set_weights(model.get_weights())
    assert np.allclose(predicted, lstm(GRID.reshape(3, 12, 6)), atol=1e-5)
    assert not np.allclose(predicted, lstm(GRID.reshape(3, 12, 6), mask=MASK), atol=1e-3)


@claim(
    "`Masking` behind `TimeDistributed(Flatten())`, and `mask=` of (batch, timesteps) for "
    "`ConvLSTM1D`, give what each sequence gets alone; `ConvLSTM1D` without a mask does not."
)
def masks_for_inputs_of_four_axes():
    flatten, lstm = layers.TimeDistributed(layers.Flatten()), layers.LSTM(4, use_cudnn=False)
    reader = keras.Sequential([keras.Input((None, 3, 2)), flatten, layers.Masking(), lstm])
    with_weights(reader)
    conv = with_weights(layers.ConvLSTM1D(5, 2), (None, None, 3, 2))
    grid, mask = GRID[::2, :7], MASK[::2, :7]  # 7 and 4 timesteps
    right = []
    for layer, options in ((reader, {}), (conv, {"mask": mask}), (conv, {})):
        alone = np.concatenate([layer(grid[:1]), layer(grid[1:, :4])])
        right.append(np.abs(layer(grid, **options) - alone).max() < 1e-4)
    assert right == [True, True, False]


REVIEW = np.array([[[7, 2, 6, 0], [4, 1, 0, 0], [0, 0, 0, 0]]])  # (batch, sentences, words)


def sentence_reader():
    keras.utils.set_random_seed(0)
    lstm = layers.LSTM(5, use_cudnn=False, bias_initializer="he_normal")
    words = layers.Embedding(9, 4, mask_zero=True)
    return keras.Sequential([keras.Input((None,)), words, lstm])


def review_reader():
    return with_weights(layers.LSTM(3, use_cudnn=False), (None, None, 5))


@claim(
    "`TimeDistributed(LSTM)` hands on the mask of (batch, sentences, words): an outer LSTM builds, "
    "and fails in `predict`.",
    keras="<3.16",
)
def time_distributed_hands_on_the_mask_of_the_words():
    words = layers.Embedding(9, 4, mask_zero=True)
    vectors = layers.TimeDistributed(layers.LSTM(5))(words(REVIEW))
    assert tuple(vectors.shape) == (1, 3, 5)
    assert np.array_equal(vectors._keras_mask, REVIEW != 0)
    model = keras.Sequential([keras.Input((3, 4)), words])
    model.add(layers.TimeDistributed(layers.LSTM(5)))
    model.add(layers.LSTM(3))
    assert model.built
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="LSTM"):
        model.predict(REVIEW, verbose=0)


@claim(
    "`TimeDistributed(LSTM)` hands no mask on, with a warning: an outer LSTM reads the vectors of "
    "all sentences, empty ones too.",
    keras=">=3.16",
)
def time_distributed_hands_on_no_mask():
    words = layers.Embedding(9, 4, mask_zero=True)
    with pytest.warns(UserWarning, match=LOST):
        vectors = layers.TimeDistributed(layers.LSTM(5))(words(REVIEW))
    assert tuple(vectors.shape) == (1, 3, 5)
    assert getattr(vectors, "_keras_mask", None) is None
    assert (REVIEW != 0).any(axis=-1).tolist() == [[True, True, False]]
    outer = layers.LSTM(3, bias_initializer="ones")
    assert not np.allclose(outer(vectors), outer(vectors[:, :2]), atol=1e-3)


@claim(
    "A model under `TimeDistributed` hands no mask on, without a warning: the outer LSTM reads an "
    "empty sentence, unless it gets the mask of the sentences by hand.",
    keras="<3.16",
)
def an_inner_model_hands_no_mask_on():
    inner, outer = sentence_reader(), review_reader()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vectors = layers.TimeDistributed(inner)(REVIEW)
    assert getattr(vectors, "_keras_mask", None) is None
    for sentence, vector in zip(([7, 2, 6], [4, 1]), vectors[0], strict=False):
        np.testing.assert_allclose(inner(np.array([sentence]))[0], vector, atol=1e-5)
    alone = outer(vectors[:, :2])
    assert np.abs(outer(vectors) - alone).max() > 0.01
    real = (REVIEW != 0).any(axis=-1)
    np.testing.assert_allclose(outer(vectors, mask=real), alone, atol=1e-5)


@claim("`keras.ops.any(tokens != 0, axis=-1)` is the mask of the sentences in a functional model.")
def a_sentence_mask_in_a_functional_model():
    inner, outer = sentence_reader(), review_reader()
    tokens = keras.Input((None, None), dtype="int32")
    real = keras.ops.any(tokens != 0, axis=-1)
    vectors = layers.TimeDistributed(inner)(tokens)
    review = keras.Model(tokens, outer(vectors, mask=real))
    alone = review(REVIEW[:, :2])
    np.testing.assert_allclose(review.predict(REVIEW, verbose=0), alone, atol=1e-5)


@claim(
    "In `predict` and `fit`, a `TimeDistributed` layer goes wrong once its timesteps vary, "
    "whatever the layer in it: with fewer rows than timesteps `predict` leaves some out, with more "
    "it is an error. Other numbers of rows and words do no harm; `Input((3, …))` refuses another "
    "number of timesteps; `run_eagerly=True` is right.",
    keras="<3.16",
)
def time_distributed_goes_wrong_when_its_timesteps_vary():
    tokens = np.random.default_rng(0).integers(1, 9, size=(4, 3, 4))
    tokens[0, 2] = 0
    frames = np.random.default_rng(0).normal(size=(4, 3, 4)).astype("float32")

    def reader(sentences, words, dtype=None):
        inputs = keras.Input((sentences, words), dtype=dtype)
        inner = layers.Dense(2) if words else sentence_reader()
        return keras.Model(inputs, layers.TimeDistributed(inner)(inputs))

    def off(model, x):
        return np.abs(model.predict(x, verbose=0) - model(x)).max()

    for x, words in ((tokens, None), (frames, 4)):
        model = reader(None, words)
        assert off(model, x[:1]) < 1e-5
        assert off(model, x[:1, :2]) > 1e-3
        model = reader(None, words)
        assert off(model, x[:2]) < 1e-5
        longer = np.concatenate([x[:2], x[2:]], axis=1)
        assert model.predict(longer, verbose=0).shape[:2] == (2, 2)  # of six timesteps
        model = reader(None, words)
        assert off(model, x) < 1e-5
        with pytest.raises(tf.errors.InvalidArgumentError):
            model.predict(x[:, :2], verbose=0)
        model = reader(3, words)
        with pytest.raises(ValueError, match="incompatible"):
            model.predict(x[:1, :2], verbose=0)
        model = reader(None, words)
        model.compile(run_eagerly=True)
        assert max(off(model, x[:rows, :n]) for rows, n in ((1, 3), (1, 2), (4, 2))) < 1e-5
    model = reader(None, 4)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    logged = [
        model.fit(x, x[..., :2], verbose=0).history["loss"][0]
        for x in (frames[:1], frames[:1, :2], frames[1:2])
    ]
    wanted = [np.mean((model(x) - x[..., :2]) ** 2) for x in (frames[:1], frames[:1, :2])]
    assert np.isclose(logged[0], wanted[0], rtol=1e-3)
    assert not np.isclose(logged[1], wanted[1], rtol=1e-2)
    model = reader(3, None)
    sizes = ((1, 4), (2, 3), (4, 4), (3, 2), (1, 2))
    assert max(off(model, tokens[:rows, :, :words]) for rows, words in sizes) < 1e-5


@claim(
    "For an empty sentence an inner LSTM with a mask gives zeros, and `Masking` right behind it "
    "makes the mask of the sentences.",
    keras="<3.16",
)
def masking_behind_the_inner_lstm_finds_empty_sentences():
    keras.utils.set_random_seed(0)
    review = keras.Sequential([keras.Input((3, None)), layers.Embedding(9, 4, mask_zero=True)])
    lstm = layers.LSTM(5, bias_initializer="he_normal")
    for layer in (layers.TimeDistributed(lstm), layers.Masking()):
        review.add(layer)
    assert review(REVIEW)._keras_mask.numpy().tolist() == [[True, True, False]]
    outer = with_weights(layers.LSTM(3), (None, None, 5))
    alone = layers.TimeDistributed(lstm)(review.layers[0](REVIEW[:, :2]))
    np.testing.assert_allclose(outer(review(REVIEW)), outer(np.array(alone)), atol=1e-5)


@claim("A new LSTM, whose biases are 0 but for the forget gate's, answers zeros with zeros.")
def a_new_lstm_gives_zeros_for_zeros():
    keras.utils.set_random_seed(0)
    lstm = layers.LSTM(4)
    assert not np.any(lstm(np.zeros((1, 8, 3))))
    assert lstm.cell.bias.numpy().reshape(4, 4).tolist() == [[0] * 4, [1] * 4, [0] * 4, [0] * 4]


@claim("`Masking` before a `ConvLSTM1D` with `padding='valid'` fails.", keras="<3.16")
def masking_before_a_valid_convlstm_fails():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        layers.ConvLSTM1D(5, 2)(layers.Masking()(GRID))


def masked_pixels():
    """Mask frames, of which one has a pixel of 0: which pixels change, and what Keras says."""
    frames = np.random.default_rng(0).normal(size=(1, 4, 5, 1)).astype("float32")
    conv = with_weights(layers.ConvLSTM1D(2, 3, padding="same"), (None, None, 5, 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.allclose(conv(layers.Masking()(frames)), conv(frames))
        frames[0, 3, 2] = 0.0
        off = np.abs(conv(layers.Masking()(frames)) - conv(frames)).max(axis=(0, 2))
    return (off > 1e-4).tolist(), [str(each.message) for each in caught]


@claim("`Masking` before a `ConvLSTM1D` with `padding='same'` masks single pixels.")
def masking_before_a_same_convlstm_masks_pixels():
    assert masked_pixels()[0] == [False, False, True, False, False]


@claim("A `ConvLSTM1D` behind `Masking` says nothing of the mask.", keras="<3.16")
def a_convlstm_behind_masking_is_silent():
    assert masked_pixels()[1] == []


@claim(
    "A `ConvLSTM1D` behind `Masking` warns that it hands no mask on, and not that it masks pixels.",
    keras=">=3.16",
)
def a_convlstm_behind_masking_warns_of_the_lost_mask():
    said = masked_pixels()[1]
    assert said
    assert all(LOST in words for words in said)


@claim(
    "Behind a convolution with a bias `Masking(0)` masks no empty frame, without a bias it does."
)
def masking_behind_a_biased_convolution_masks_nothing():
    for use_bias in (True, False):
        conv = layers.Conv1D(2, 2, use_bias=use_bias, bias_initializer="ones")
        flat = layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(conv)(GRID))
        mask = np.asarray(layers.Masking().compute_mask(flat))
        assert np.array_equal(mask, np.ones_like(MASK) if use_bias else MASK)


def scores_of(x):
    return with_weights(layers.Dense(1), (None, None, 3))(x)


@claim("`keras.ops.softmax` over time gives padding its share, with a mask on the scores too.")
def softmax_over_time_gives_padding_its_share():
    scores = scores_of(layers.Masking()(PADDED))
    assert np.array_equal(scores._keras_mask, MASK)
    shares = np.asarray(keras.ops.softmax(scores, axis=1))[..., 0]
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (shares[~MASK] > 0.01).all()


@claim(
    "`Softmax(axis=1)` refuses a mask of (batch, timesteps) with scores (batch, timesteps, 1), and "
    "takes one of their shape: each row's real timesteps share 1."
)
def softmax_takes_a_mask_of_the_scores_shape():
    scores = scores_of(layers.Masking()(PADDED))
    with pytest.raises(ValueError, match="broadcastable"):
        layers.Softmax(axis=1)(scores)
    shares = np.asarray(layers.Softmax(axis=1)(scores, mask=MASK[..., None]))[..., 0]
    assert np.allclose(shares[~MASK], 0)
    alone = [keras.ops.softmax(scores_of(x), axis=1)[0, :, 0] for x in ALONE]
    np.testing.assert_allclose(shares[MASK], np.concatenate(alone), atol=1e-5)


@claim("A softmax of (batch, timesteps, 1) over the last axis is 1 everywhere.")
def softmax_over_the_last_axis_is_one():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.allclose(keras.ops.softmax(scores_of(PADDED), axis=-1), 1)


@claim("`Attention`, `AdditiveAttention` and `MultiHeadAttention` use the mask that travels.")
def attention_layers_use_the_mask():
    dot, sums, multi = (
        layers.Attention(),
        layers.AdditiveAttention(),
        layers.MultiHeadAttention(2, 4),
    )
    for attend in (lambda x: dot([x, x]), lambda x: sums([x, x]), lambda x: multi(x, x)):
        masked, plain = np.asarray(attend(layers.Masking()(PADDED))), np.asarray(attend(PADDED))
        for row, unmasked, alone in zip(masked, plain, ALONE, strict=True):
            n, right = alone.shape[1], np.asarray(attend(alone))[0]
            np.testing.assert_allclose(row[:n], right, atol=1e-5)
            assert n == 12 or np.abs(unmasked[:n] - right).max() > 0.01


@claim("`GlobalMaxPooling1D` behind `Masking` counts the zeros of the padding.")
def max_pooling_over_time_takes_padding():
    below = layers.Masking()(-np.abs(PADDED))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        largest = np.asarray(layers.GlobalMaxPooling1D()(below))
    assert (largest[[0, 2]] == 0).all()
    assert (largest[1] < 0).all()


def autoencoder(by_hand, writes_zeros=False):
    inputs = keras.Input((12, 3))
    mask = layers.Masking().compute_mask(inputs)
    first = inputs if by_hand else layers.Masking()(inputs)
    code = layers.LSTM(4)(first, mask=mask) if by_hand else layers.LSTM(4)(first)
    again = layers.RepeatVector(12)(code)
    decoder = layers.LSTM(4, return_sequences=True, zero_output_for_mask=writes_zeros)
    out = decoder(again, mask=mask) if by_hand else decoder(again)
    out = layers.Masking()(out) if writes_zeros else out
    return keras.Model(inputs, layers.Dense(1, kernel_initializer="zeros")(out))


@claim(
    "Behind `RepeatVector` there is no mask and no warning: the loss is divided by all timesteps.",
    keras="<3.16",
)
def repeat_vector_has_no_mask():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = autoencoder(by_hand=False)
    assert [w for w in said if LOST in str(w.message)] == []
    assert np.isclose(loss_of(model), (23 * 1 + 13 * 9) / 36)


@claim(
    "Behind `RepeatVector` there is no mask, and the LSTM before it warns that it hands none on: "
    "the loss is divided by all timesteps.",
    keras=">=3.16",
)
def repeat_vector_has_no_mask_after_a_warning():
    with pytest.warns(UserWarning, match=LOST):
        model = autoencoder(by_hand=False)
    assert np.isclose(loss_of(model), (23 * 1 + 13 * 9) / 36)


@claim("With `mask=` given to the decoder, the mask reaches the loss again.", keras="<3.16")
def a_mask_for_the_decoder_reaches_the_loss():
    assert np.isclose(loss_of(autoencoder(by_hand=True)), 1)


@claim(
    "A decoder with `zero_output_for_mask=True`, given the mask, writes zeros into the padding; a "
    "`Masking` layer behind it finds them, and the mask reaches the loss."
)
def masking_behind_the_decoder_reaches_the_loss():
    with warnings.catch_warnings(action="ignore"):  # from 3.16 on, of the mask
        model = autoencoder(by_hand=True, writes_zeros=True)
        assert np.isclose(loss_of(model), 1)


@claim("Keras fills a `call` argument named `mask` with the mask that travels with the input.")
def call_gets_the_mask():
    seen = []

    class Look(layers.Layer):
        supports_masking = True

        def call(self, x, mask=None):
            seen.append(mask)
            return x

    through(Look())
    assert np.array_equal(seen[-1], MASK)
    Look()(PADDED)
    assert seen[-1] is None


@claim("`Dropout` changes nothing outside training, and moves no timestep in training.")
def dropout_acts_in_training_only():
    keras.utils.set_random_seed(0)
    drop = layers.Dropout(0.5)
    assert np.array_equal(drop(PADDED), PADDED)
    dropped = drop(PADDED, training=True).numpy()
    assert 0 < np.mean(dropped[MASK] == 0) < 1
    np.testing.assert_allclose(dropped[dropped != 0], 2 * PADDED[dropped != 0])


@claim("The backward half of `Bidirectional` begins at the last timestep of the array.")
def the_backward_half_begins_at_the_end():
    both = both_directions()
    backward = one_direction(both.get_weights()[3:])
    np.testing.assert_allclose(both(PADDED)[:, 4:], backward(PADDED[:, ::-1]), atol=1e-5)


# --- what padding does to learning -----------------------------------------------------------


def new_layer(kind, forget_bias=None):
    """A recurrent layer of 48 units over 12 features, as Keras makes it."""
    keras.utils.set_random_seed(0)
    layer = kind(48)
    layer.build((None, None, 12))
    if forget_bias is not None:
        kernel, recurrent, bias = layer.get_weights()
        bias[48:96] = forget_bias
        layer.set_weights([kernel, recurrent, bias])
    return layer


def gradient_by_timestep(layer):
    """A function: how much each timestep of (timesteps, features) moves the last output."""

    @tf.function(input_signature=[tf.TensorSpec((None, 12))])
    def sizes(inputs):
        rows = tf.repeat(inputs[None], 48, axis=0)  # row i is asked for output i
        with tf.GradientTape() as tape:
            tape.watch(rows)
            asked = tf.linalg.trace(layer(rows))
        return tf.sqrt(tf.reduce_sum(tape.gradient(asked, rows) ** 2, axis=[0, 2]))

    return lambda inputs: sizes(inputs).numpy()


def speech_of_20(before=0, after=0):
    (sequence,) = sequences_of(20, features=12)
    return np.pad(sequence, ((before, after), (0, 0)))


@claim(
    "In a new LSTM(48), GRU(48) or SimpleRNN(48), the gradient of the last output at the last of "
    "20 real timesteps shrinks with the padding after it, without a mask: after 80 timesteps it "
    "is less than 1e-5 (LSTM) and 1e-12 (GRU) of the largest, more than 0.01 (SimpleRNN). With "
    "the padding before, it is the largest."
)
def gradient_fades_in_padding_after_a_sequence():
    left = {}
    for kind in (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN):
        gradient, shares = gradient_by_timestep(new_layer(kind)), []
        for after in (0, 9, 30, 80):
            sizes = gradient(speech_of_20(after=after))
            shares.append(sizes[19] / sizes.max())
        assert all(more > less for more, less in itertools.pairwise(shares))
        left[kind.__name__] = shares[-1]
        sizes = gradient(speech_of_20(before=80))
        assert sizes[99] == sizes.max()
    assert left["GRU"] < 1e-12 < left["LSTM"] < 1e-5
    assert 0.01 < left["SimpleRNN"] < 0.5


@claim(
    "The biases of a new LSTM are 0, but for the forget gate's, which are 1; gates are sigmoids, "
    "the forget gate multiplies c, and their order is input, forget, cell, output."
)
def an_lstm_starts_with_a_forget_bias_of_one():
    lstm = keras.layers.LSTM(3, return_state=True)
    lstm.build((None, None, 2))
    kernel, recurrent, bias = lstm.get_weights()
    assert bias.reshape(4, 3).tolist() == [[0] * 3, [1] * 3, [0] * 3, [0] * 3]
    bias = np.repeat([-0.5, 1.0, 0.7, 0.3], 3)
    lstm.set_weights([0 * kernel, 0 * recurrent, bias])
    old = np.array([[0.2, -0.4, 2.0]], "float32")
    _, h, c = lstm(np.ones((1, 1, 2), "float32"), initial_state=[0 * old, old])
    into, kept, out = (1 / (1 + np.exp(-b)) for b in (-0.5, 1.0, 0.3))
    expected = kept * old + into * np.tanh(0.7)
    np.testing.assert_allclose(c, expected, rtol=1e-5)
    np.testing.assert_allclose(h, out * np.tanh(expected), rtol=1e-5)
    assert round(kept, 2) == 0.73


@claim(
    "With the forget gate's bias at 5 instead of 1, more than a tenth of the gradient gets through "
    "80 timesteps of padding in a new LSTM(48)."
)
def an_open_forget_gate_lets_gradient_through():
    sizes = gradient_by_timestep(new_layer(keras.layers.LSTM, 5))(speech_of_20(after=80))
    assert sizes[19] > 0.1 * sizes.max()


@claim(
    "Behind `Masking`, 'post' or 'pre', padding gets no gradient from the last output, and the "
    "real timesteps get that of the sequence alone."
)
def with_the_mask_the_gradient_is_that_of_the_sequence_alone():
    lstm = new_layer(keras.layers.LSTM)
    model = keras.Sequential([keras.Input((None, 12)), keras.layers.Masking(0.0), lstm])
    alone = gradient_by_timestep(lstm)(speech_of_20())
    gradient = gradient_by_timestep(model)
    for before, after in ((0, 30), (30, 0)):
        sizes = gradient(speech_of_20(before, after))
        expected = np.pad(alone, (before, after))
        np.testing.assert_allclose(sizes, expected, rtol=1e-4, atol=1e-7)
        assert (sizes[expected == 0] == 0).all()


# --- bugs that run ---------------------------------------------------------------------------


def clinic_model(*parts, batch_size=None):
    """A model for 2 features, with random weights and biases, none of them zero."""
    model = keras.Sequential([keras.Input((None, 2), batch_size=batch_size), *parts])
    rng = np.random.default_rng(0)
    model.set_weights([0.7 * rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def clinic_padded(lengths=(6, 2, 1)):
    """Inputs padded with zeros, their mask, and targets that are 9 where padded."""
    rng = np.random.default_rng(1)
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    inputs = np.where(mask[..., None], rng.normal(size=(*mask.shape, 2)), 0)
    targets = np.where(mask[..., None], rng.normal(size=(*mask.shape, 1)), 9)
    return inputs, mask, targets


@claim(
    "A stateful layer keeps its state after `predict`, without a warning: the next `predict` "
    "starts from it, and after `layer.reset_state()` it gives what a model of the same weights "
    "that is not stateful gives."
)
def predict_starts_from_the_state_of_the_predict_before():
    model, alone = (
        clinic_model(layers.LSTM(4, stateful=True), batch_size=3),
        clinic_model(layers.LSTM(4)),
    )
    a, b = np.random.default_rng(1).normal(size=(2, 3, 2, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(a, verbose=0)
        after_a = model.predict(b, verbose=0)
    model.layers[0].reset_state()
    assert not [w for w in caught if w.category is UserWarning]
    assert np.abs(after_a - alone(np.concatenate([a, b], axis=1))).max() < 1e-4
    assert np.abs(after_a - alone(b)).max() > 0.05
    assert np.abs(model.predict(b, verbose=0) - alone(b)).max() < 1e-4


@claim(
    "`fit` does not reset a stateful model between epochs: with a learning rate of 0 the weights "
    "stay and the loss of epoch 2 differs from that of epoch 1, unless it is reset in between."
)
def fit_does_not_reset_between_epochs():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4, 2, 2)), rng.normal(size=(4, 1))
    for resets in (False, True):
        model = clinic_model(layers.LSTM(4, stateful=True), layers.Dense(1), batch_size=2)
        before = model.get_weights()
        model.compile(keras.optimizers.SGD(0.0), "mse")
        reset = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_, lstm=model.layers[0]: lstm.reset_state()
        )
        options = {"callbacks": [reset] if resets else [], "shuffle": False, "verbose": 0}
        losses = model.fit(x, y, batch_size=2, epochs=2, **options).history["loss"]
        assert np.isclose(*losses, rtol=1e-3) == resets
        assert all(map(np.array_equal, before, model.get_weights()))


@claim(
    "`fit` shuffles the rows of an array by default, for a stateful model too and without a "
    "warning: the state is then not that at the end of the series; with `shuffle=False` it is."
)
def fit_shuffles_the_rows_of_a_stateful_model():
    series = np.random.default_rng(1).normal(size=(2, 18, 2))
    rows = series.reshape(2, 6, 3, 2).swapaxes(0, 1).reshape(12, 3, 2)
    for options in ({}, {"shuffle": False}):
        keras.utils.set_random_seed(0)
        model = clinic_model(layers.LSTM(4, stateful=True), layers.Dense(1), batch_size=2)
        model.compile(keras.optimizers.SGD(0.0), "mse")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(rows, np.zeros((12, 1)), batch_size=2, verbose=0, **options)
        off = np.abs(model.layers[0].states[0] - clinic_model(layers.LSTM(4))(series)).max()
        assert not [w for w in caught if w.category is UserWarning]
        assert off < 1e-4 if options else off > 0.05


@claim(
    "A stateful layer hands its state on by row: row b of a batch starts from the state of row b "
    "of the batch before, whatever stood in it."
)
def state_is_handed_on_by_row():
    model, alone = (
        clinic_model(layers.LSTM(4, stateful=True), batch_size=2),
        clinic_model(layers.LSTM(4)),
    )
    first, second = np.random.default_rng(1).normal(size=(2, 2, 2, 2))
    model(first)
    found = model(second)
    assert np.allclose(found, alone(np.concatenate([first, second], axis=1)), atol=1e-4)
    swapped = alone(np.concatenate([first[::-1], second], axis=1))
    assert np.abs(found - swapped).max(axis=1).min() > 0.02
    assert np.abs(found - alone(second)).max(axis=1).min() > 0.02


@claim(
    "Validation in `fit` moves the state of a stateful model, starts from the state that training"
    " left, and changes no weight."
)
def validation_starts_from_the_state_of_training_and_moves_it():
    rng = np.random.default_rng(1)
    x, y, v, w = (rng.normal(size=(2, *rest)) for rest in [(3, 2), (1,)] * 2)
    model, plain = (
        clinic_model(layers.LSTM(4, stateful=True), layers.Dense(1), batch_size=2) for _ in range(2)
    )
    validated = {}
    for one, options in ((model, {"validation_data": (v, w)}), (plain, {})):
        one.compile(keras.optimizers.SGD(0.01), "mse")
        history = one.fit(x, y, batch_size=2, shuffle=False, verbose=0, **options).history
        validated = validated | history  # the second has no "val_loss"
    left = plain.layers[0].states[0].numpy()
    continued = np.mean((plain(v) - w) ** 2)  # it goes on from where training ended
    assert all(map(np.allclose, model.get_weights(), plain.get_weights()))
    assert np.abs(model.layers[0].states[0] - left).max() > 0.05
    assert np.isclose(validated["val_loss"][0], continued, rtol=1e-3)


@claim(
    "A stateful model with batch size 4 returns 8 rows from `predict` for 5 rows, without a "
    "warning: the last 4 are row 4 read from each of the 4 states. 6 rows are an error."
)
def predict_returns_8_rows_for_5():
    model, alone = (
        clinic_model(layers.LSTM(4, stateful=True), batch_size=4),
        clinic_model(layers.LSTM(4)),
    )
    x = np.random.default_rng(1).normal(size=(6, 2, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = model.predict(x[:5], batch_size=4, verbose=0)
    again = [np.concatenate([row, x[4]]) for row in x[:4]]
    assert found.shape == (8, 4)
    assert not [w for w in caught if w.category is UserWarning]
    assert np.allclose(found, np.concatenate([alone(x[:4]), alone(np.stack(again))]), atol=1e-4)
    assert np.abs(found[4] - alone(x[4:5])[0]).max() > 0.02
    raised = False
    try:
        model.predict(x, batch_size=4, verbose=0)
    except tf.errors.InvalidArgumentError:
        raised = True
    assert raised


@claim(
    "A stateful `Bidirectional` layer fed in windows gives the forward half of one long pass and "
    "not the backward half: each half carries its own state from window to window. Its "
    "`backward_layer`, fed from the last window to the first, gives the backward half, the last "
    "timestep of each window first."
)
def bidirectional_in_windows_is_right_forwards_only():
    lstm = layers.LSTM(4, return_sequences=True, stateful=True)
    model = clinic_model(layers.Bidirectional(lstm), batch_size=2)
    windows = np.random.default_rng(1).normal(size=(3, 2, 4, 2))
    whole = np.array(model(np.concatenate(windows, axis=1)))
    model.layers[0].reset_state()
    parts = np.concatenate([model(window) for window in windows], axis=1)
    off = np.abs(parts - whole).max(axis=(0, 1))
    assert off[:4].max() < 1e-4
    assert off[4:].min() > 0.05
    model.layers[0].reset_state()
    backward = model.layers[0].backward_layer
    carried = [np.array(backward(window))[:, ::-1] for window in windows]
    assert np.allclose(np.concatenate(carried, axis=1), parts[..., 4:], atol=1e-4)
    backward.reset_state()
    turned = [np.array(backward(window)) for window in windows[::-1]][::-1]
    right = np.concatenate([window[:, ::-1] for window in turned], axis=1)
    assert np.allclose(right, whole[..., 4:], atol=1e-4)
    assert np.abs(np.concatenate(turned, axis=1) - whole[..., 4:]).max() > 0.05


@claim(
    "`pad_sequences` returns int32 by default, with fractions cut off and without a warning, and "
    "pads before the first timestep."
)
def pad_sequences_cuts_fractions_off():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        padded = keras.utils.pad_sequences([[0.5, 0.9], [1.7]])
    assert not caught
    assert padded.dtype == np.int32
    assert padded.tolist() == [[0, 0], [0, 1]]
    kept = keras.utils.pad_sequences([[0.5, 0.9], [1.7]], dtype="float32", padding="post")
    assert np.allclose(kept, [[0.5, 0.9], [1.7, 0.0]])


@claim(
    "`Masking(value)` masks each timestep whose features all equal the value, wherever it stands,"
    " and an LSTM skips it."
)
def masking_hides_real_zeros():
    x = np.random.default_rng(1).normal(size=(1, 7, 2))
    for value in (0.0, -1000.0):
        x[:, [1, 2, 6]], x[:, 3, 0] = value, value  # timestep 3 only in one feature
        masking, lstm = layers.Masking(value), clinic_model(layers.LSTM(4))
        assert np.array(masking.compute_mask(x)).tolist() == [
            [True, False, False] + [True] * 3 + [False]
        ]
        masked = clinic_model(masking, layers.LSTM(4))(x)
        assert np.allclose(masked, lstm(x[:, [0, 3, 4, 5]]), atol=1e-4)
        assert not np.allclose(masked, lstm(x), atol=1e-3)


@claim(
    "Without a mask an LSTM reads padded zeros like any other input: its outputs are right at all"
    " real timesteps, and in the last column only for a row without padding."
)
def without_a_mask_padding_is_read():
    inputs, mask, _ = clinic_padded()
    model = clinic_model(layers.LSTM(4, return_sequences=True), layers.Dense(1))
    found = np.array(model(inputs))
    alone = [np.array(model(row[None, real]))[0] for row, real in zip(inputs, mask, strict=True)]
    last = [np.allclose(row[-1], y[-1], atol=1e-3) for row, y in zip(found, alone, strict=True)]
    assert last == [True, False, False]
    assert np.allclose(found[mask], np.concatenate(alone), atol=1e-4)


@claim(
    "Without a mask, a `sample_weight` of 0 takes timesteps out of the sum of the loss but not "
    "out of its divisor: `evaluate` returns the mean error of the others, times their share."
)
def zero_weights_stay_in_the_divisor():
    model = clinic_model(layers.LSTM(4, return_sequences=True), layers.Dense(1))
    model.compile(loss="mse")
    for lengths, share in (((6, 2, 1), 9 / 18), ((6, 1, 1), 8 / 18)):
        inputs, mask, targets = clinic_padded(lengths)
        errors = (model(inputs).numpy() - targets)[..., 0] ** 2
        loss = model.evaluate(inputs, targets, sample_weight=mask.astype("float32"), verbose=0)
        assert np.isclose(loss, errors[mask].mean() * share, rtol=1e-3)


@claim(
    "With `Masking` in front of an LSTM, the loss is the sum over the real timesteps divided by "
    "their number.",
    keras="<3.16",
)
def the_mask_behind_an_lstm_divides_the_loss():
    inputs, mask, targets = clinic_padded()
    model = clinic_model(
        layers.Masking(0.0), layers.LSTM(4, return_sequences=True), layers.Dense(1)
    )
    model.compile(loss="mse")
    errors = (model(inputs).numpy() - targets)[..., 0] ** 2
    assert np.isclose(model.evaluate(inputs, targets, verbose=0), errors[mask].mean(), rtol=1e-3)
    assert errors.mean() > 2 * errors[mask].mean()


@claim(
    "`evaluate` returns the loss, then the metric; with `Masking` in front of an LSTM, "
    "`RootMeanSquaredError` counts timesteps that the mask hides, and the loss does not, without "
    "a warning.",
    keras="<3.16",
)
def rmse_counts_padding_behind_an_lstm():
    inputs, mask, targets = clinic_padded()
    model = clinic_model(
        layers.Masking(0.0), layers.LSTM(4, return_sequences=True), layers.Dense(1)
    )
    model.compile(loss="mse", metrics=[keras.metrics.RootMeanSquaredError()])
    errors = (model(inputs).numpy() - targets)[..., 0] ** 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loss, rmse = model.evaluate(inputs, targets, verbose=0)
    assert not [w for w in caught if w.category is UserWarning]
    assert np.isclose(loss, errors[mask].mean(), rtol=1e-3)
    assert np.isclose(rmse, np.sqrt(errors.mean()), rtol=1e-3)
    assert rmse > 2 * np.sqrt(loss)


@claim(
    "With `Masking` in front of a `Dense` layer, `RootMeanSquaredError` counts timesteps that the "
    "mask hides, and the loss does not."
)
def rmse_counts_padding_behind_a_dense_layer():
    inputs, mask, targets = clinic_padded()
    model = clinic_model(layers.Masking(0.0), layers.Dense(1))
    model.compile(loss="mse", metrics=[keras.metrics.RootMeanSquaredError()])
    errors = (model(inputs).numpy() - targets)[..., 0] ** 2
    loss, rmse = model.evaluate(inputs, targets, verbose=0)
    assert np.isclose(loss, errors[mask].mean(), rtol=1e-3)
    assert np.isclose(rmse, np.sqrt(errors.mean()), rtol=1e-3)
    assert errors.mean() > 2 * errors[mask].mean()


@claim(
    "`evaluate` returns the loss, then the metric; with `Masking` in front of an LSTM, both the "
    "loss and `RootMeanSquaredError` count the padding, with a warning that the mask is lost.",
    keras=">=3.16",
)
def loss_and_rmse_count_padding_behind_an_lstm():
    inputs, mask, targets = clinic_padded()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = clinic_model(
            layers.Masking(0.0), layers.LSTM(4, return_sequences=True), layers.Dense(1)
        )
        model.compile(loss="mse", metrics=[keras.metrics.RootMeanSquaredError()])
        errors = (model(inputs).numpy() - targets)[..., 0] ** 2
        loss, rmse = model.evaluate(inputs, targets, verbose=0)
    assert any(LOST in str(warning.message) for warning in caught)
    assert np.isclose(loss, errors.mean(), rtol=1e-3)
    assert np.isclose(rmse, np.sqrt(errors.mean()), rtol=1e-3)
    assert errors.mean() > 2 * errors[mask].mean()


@claim("`AUC`, `Precision` and `Recall` count timesteps that the mask of a `Masking` layer hides.")
def auc_precision_and_recall_count_padding():
    mask = np.arange(8) < np.array([8, 1, 1])[:, None]
    inputs = np.where(mask, np.random.default_rng(1).normal(scale=3, size=(3, 8)), 0)[..., None]
    targets = np.where(mask, np.arange(8) % 2, 1)[..., None]
    for metric in (keras.metrics.AUC, keras.metrics.Precision, keras.metrics.Recall):
        dense = layers.Dense(1, "sigmoid", kernel_initializer="ones", bias_initializer="ones")
        model = keras.Sequential([keras.Input((8, 1)), layers.Masking(0.0), dense])
        model.compile(loss="binary_crossentropy", metrics=[metric()])
        outputs = np.array(model(inputs))
        every, real = metric(), metric()
        every.update_state(targets, outputs)
        real.update_state(targets[mask], outputs[mask])
        found = model.evaluate(inputs, targets, verbose=0)[1]
        assert np.isclose(found, every.result(), atol=1e-4)
        assert not np.isclose(found, real.result(), atol=0.02)


@claim(
    "Under `weighted_metrics`, `RootMeanSquaredError` leaves out what has a `sample_weight` of 0;"
    " without `sample_weight` it counts what the mask hides."
)
def a_weighted_rmse_wants_sample_weight():
    inputs, mask, targets = clinic_padded()
    model = clinic_model(
        layers.Masking(0.0), layers.LSTM(4, return_sequences=True), layers.Dense(1)
    )
    model.compile(loss="mse", weighted_metrics=[keras.metrics.RootMeanSquaredError()])
    errors = (model(inputs).numpy() - targets)[..., 0] ** 2
    _, weighted = model.evaluate(inputs, targets, sample_weight=mask, verbose=0)
    _, plain = model.evaluate(inputs, targets, verbose=0)
    assert np.isclose(weighted, np.sqrt(errors[mask].mean()), rtol=1e-3)
    assert np.isclose(plain, np.sqrt(errors.mean()), rtol=1e-3)


@claim(
    'The loss "mse" compares outputs of shape (3, 1) with targets of shape (3, 6, 1) without a '
    "warning: it drops the last axis of the targets and compares each output with all 6 targets "
    "of its row. With `return_sequences=True` the shapes fit."
)
def mse_broadcasts_the_outputs_of_a_last_step_model():
    rng = np.random.default_rng(1)
    inputs, targets = rng.normal(size=(3, 6, 2)), rng.normal(size=(3, 6, 1))
    model = clinic_model(layers.LSTM(4), layers.Dense(1))
    model.compile(loss="mse")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loss = model.evaluate(inputs, targets, verbose=0)
    outputs = model(inputs).numpy()
    assert not [w for w in caught if w.category is UserWarning]
    assert np.isclose(loss, np.mean((outputs[:, None] - targets) ** 2), rtol=1e-3)
    assert not np.isclose(loss, np.mean((outputs - targets[:, -1]) ** 2), rtol=0.02)
    try:
        np.subtract(outputs, targets)  # (3, 1) and (3, 6, 1): as they are, they do not fit
        fit = True
    except ValueError:
        fit = False
    assert not fit
    each = keras.losses.MeanSquaredError(reduction=None)(targets, outputs)
    # The mean over the last axis of (3, 6) has the shape (3,).
    assert np.allclose(each, np.mean((outputs - targets[..., 0]) ** 2, axis=1), rtol=1e-3)
    shapes = []

    def note(*pair):
        shapes.append([tuple(part.shape[1:]) for part in pair])
        return keras.losses.mean_squared_error(*pair)

    model.compile(loss=note)
    model.evaluate(inputs, targets, verbose=0)
    assert shapes[0] == [(6,), (1,)]
    every = clinic_model(layers.LSTM(4, return_sequences=True), layers.Dense(1))
    assert every(inputs).shape == targets.shape


@claim(
    "`timeseries_dataset_from_array(series, series[steps:], sequence_length=steps)` gives every "
    "window that has a value after it, with that value; with `series[:-steps]` as data the last "
    "`steps - 1` of them are missing."
)
def later_targets_give_the_next_value():
    series, steps = np.arange(20.0), 4
    for data, missing in ((series, 0), (series[:-steps], steps - 1)):
        pairs = keras.utils.timeseries_dataset_from_array(
            data, series[steps:], sequence_length=steps, batch_size=None
        )
        found = [(float(window[-1]), float(target)) for window, target in pairs]
        assert all(target == last + 1 for last, target in found)
        assert len(found) == len(series) - steps - missing
        assert found[0] == (3.0, 4.0)


@claim(
    "A stateful layer in a model within a model is not in the outer model's `layers`, and a model "
    "has no `reset_state`: a loop over `layers` that resets what can be reset misses its state."
)
def a_loop_over_layers_misses_a_nested_state():
    part = keras.Sequential([keras.Input((None, 1), batch_size=1)])
    part.add(layers.LSTM(4, stateful=True))
    model = keras.Sequential([keras.Input((None, 1), batch_size=1), part])
    x = np.ones((1, 3, 1))
    first = model.predict(x, verbose=0)
    assert not [layer for layer in model.layers if hasattr(layer, "reset_state")]
    assert np.any(part.layers[0].states[0])
    assert not np.allclose(model.predict(x, verbose=0), first, atol=1e-3)
    part.layers[0].reset_state()
    assert np.allclose(model.predict(x, verbose=0), first, atol=1e-6)


@claim(
    "Trained on a random walk in order, one window at a time, at a rate of 0.05, `fit` logs less "
    "than a fifth of the loss that `evaluate` then finds on the same rows; with shuffled rows or a "
    "rate of 0.0005 the two lie closer, and at a rate of 0 they agree. `val_loss` on these rows is "
    "what `evaluate` finds."
)
def the_logged_loss_is_of_weights_that_follow_the_rows():
    for seed in (0, 2):
        walk = np.cumsum(np.random.default_rng(seed).normal(size=401))[:, None]
        x = np.stack([walk[i : i + 5] for i in range(396)])
        ratios = {}
        for rate, shuffle in ((0.05, False), (0.05, True), (0.0005, False), (0.0, False)):
            keras.utils.set_random_seed(0)
            model = keras.Sequential([keras.Input((None, 1)), layers.LSTM(8), layers.Dense(1)])
            model.compile(keras.optimizers.SGD(rate), "mse")
            options = {"shuffle": shuffle, "validation_data": (x, walk[5:]), "verbose": 0}
            log = model.fit(x, walk[5:], batch_size=1, **options).history
            measured = model.evaluate(x, walk[5:], verbose=0)
            assert np.isclose(log["val_loss"][0], measured, rtol=1e-3)
            ratios[rate, shuffle] = measured / log["loss"][0]
        assert ratios[0.05, False] > 5
        assert ratios[0.05, True] < ratios[0.05, False] / 2
        assert 0.4 < ratios[0.0005, False] < 2.5 < ratios[0.05, False] / 2
        assert np.isclose(ratios[0.0, False], 1, rtol=1e-3)


@claim(
    "At a learning rate of 0, `fit` logs another loss than `evaluate` finds with dropout, with "
    "batch normalisation, and for a masked loss in batches of another size; without these, the "
    "same, shuffled or not."
)
def at_rate_zero_three_things_still_tell_log_and_evaluate_apart():
    inputs, _, targets = clinic_padded()

    def agree(*parts, **options):
        model = clinic_model(*parts, layers.LSTM(4, return_sequences=True), layers.Dense(1))
        model.compile(keras.optimizers.SGD(0.0), "mse")
        log = model.fit(inputs, targets, verbose=0, **options).history["loss"][0]
        return np.isclose(log, model.evaluate(inputs, targets, verbose=0), rtol=1e-3)

    assert agree()
    assert agree(batch_size=2)
    assert not agree(layers.Dropout(0.5))
    assert not agree(layers.BatchNormalization())
    if Version(keras.__version__).base_version < "3.16":  # then no mask gets past an LSTM
        assert agree(layers.Masking())
        assert not agree(layers.Masking(), batch_size=1)


@claim(
    "A stretch of the series for each row: with batch size 4, the answers of a stateful LSTM are "
    "those of one long pass in the first row only; in the others they differ most at the beginning "
    "of a stretch, which starts from zeros, and less and less from there."
)
def stretches_come_close_to_one_long_pass():
    windows = np.random.default_rng(2).normal(size=(24, 3, 1))
    stretches = np.arange(24).reshape(4, -1)
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        one, four = (
            keras.Sequential([keras.Input((3, 1), batch_size=n), layers.LSTM(4, stateful=True)])
            for n in (1, 4)
        )
        four.set_weights(one.get_weights())
        whole = one.predict(windows, batch_size=1, verbose=0)
        found = four.predict(windows[stretches.T.ravel()], batch_size=4, verbose=0)
        found = found.reshape(-1, 4, 4).transpose(1, 0, 2)  # (row, window, units)
        off = np.abs(found - whole[stretches]).max(axis=2)
        assert off[0].max() < 1e-5
        assert off[1:, 0].min() > 1e-3
        assert off[1:, -1].max() < off[1:, 0].min() / 5
        assert off[1:, 2].max() > 1e-5


@claim(
    "`timeseries_dataset_from_array` cuts two series that stand in one array across their border, "
    "without a warning: as many pairs of window and next value mix the two as a window has "
    "timesteps."
)
def windows_are_cut_across_the_border_of_two_series():
    both = np.concatenate([np.arange(1, 7), np.arange(101, 107)])
    for steps in (2, 3):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pairs = keras.utils.timeseries_dataset_from_array(both, both[steps:], steps)
            (batch,) = [np.column_stack(pair) for pair in pairs]
        assert not [w for w in caught if w.category is UserWarning]
        assert len(batch) == 12 - steps
        assert (np.diff(batch) == 1).all(axis=1).sum() == len(batch) - steps


@claim(
    "Trained on inputs of one timestep, an LSTM's recurrent weights stay exactly as they were, "
    "while input weights and bias change; whatever is put there, the outputs are the same."
)
def one_timestep_never_trains_the_recurrent_weights():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 1, 8)), rng.normal(size=(50, 1))
    model = keras.Sequential([keras.Input((1, 8)), layers.LSTM(4), layers.Dense(1)])
    model.compile("adam", "mse")
    before = model.layers[0].get_weights()
    model.fit(x, y, epochs=2, verbose=0)
    after = model.layers[0].get_weights()
    assert [np.array_equal(*pair) for pair in zip(before, after, strict=True)] == [
        False,
        True,
        False,
    ]
    outputs = model.predict(x, verbose=0)
    model.layers[0].set_weights([after[0], after[1] + 7, after[2]])
    assert np.array_equal(model.predict(x, verbose=0), outputs)


def stacked_lstms(supports_masking=None):
    """Two LSTMs behind a `Masking` layer, and a sequence alone and padded."""
    keras.utils.set_random_seed(0)
    first = layers.LSTM(4, return_sequences=True)
    if supports_masking is not None:
        first.supports_masking = supports_masking
    second = layers.LSTM(3)
    model = keras.Sequential([keras.Input((None, 2)), layers.Masking(), first, second])
    short = np.random.default_rng(0).normal(size=(1, 4, 2))
    return model, short, np.pad(short, ((0, 0), (0, 5), (0, 0)))


def who_loses_the_mask(supports_masking):
    """Predict with two LSTMs, alone and padded: is it the same, and of which does Keras warn?"""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, short, long = stacked_lstms(supports_masking)
        alone, padded = (model.predict(x, verbose=0) for x in (short, long))
    said = [str(w.message) for w in caught if LOST in str(w.message)]
    named = [any(f"'{layer.name}'" in words for words in said) for layer in model.layers]
    assert [layer.supports_masking for layer in model.layers[:2]] == [True, supports_masking]
    return np.allclose(alone, padded, atol=1e-5), named


@claim(
    "An LSTM whose `supports_masking` is False obeys the mask and hands none on, with a warning "
    "that names it: an LSTM behind it reads the padding. Where it is True, the second LSTM obeys, "
    "too, and no warning names the first."
)
def a_layer_without_supports_masking_hides_the_mask():
    for supports in (True, False):
        same, named = who_loses_the_mask(supports)
        assert same == supports
        assert named[:2] == [False, not supports]


@claim("Of the last LSTM, with one output, no warning says that its mask ends.", keras="<3.16")
def the_last_lstm_is_silent():
    assert [who_loses_the_mask(supports)[1][2] for supports in (True, False)] == [False, False]


@claim(
    "The last LSTM, with one output, warns that it hands no mask on where it gets one, and is "
    "right all the same.",
    keras=">=3.16",
)
def the_last_lstm_warns_too():
    assert who_loses_the_mask(True) == (True, [False, False, True])


@claim(
    "`supports_masking` is False of `InputLayer` and of a model within a model, whose mask arrives "
    "all the same; in a functional model, `x * 2` and slices are no layers, and `Add` with an "
    "unmasked branch says True: of each the mask is lost.",
)
def supports_masking_does_not_see_everything():
    x, rest, dense = np.ones((1, 4, 2)), keras.Input((None, 2)), layers.Dense(2)
    for part in (keras.Sequential([rest, dense]), keras.Model(rest, dense(rest))):
        assert not part.supports_masking
        with warnings.catch_warnings(action="ignore"):  # Keras says that the mask is lost
            assert part(layers.Masking()(x))._keras_mask is not None
    inputs = keras.Input((None, 2))
    masked = layers.Masking()(inputs)
    both = layers.Add()([masked, layers.Dense(2)(inputs)])
    for after in (masked * 2, masked[:, 1:], both):
        model = keras.Model(inputs, after)
        first, *others = model.layers
        assert isinstance(first, layers.InputLayer)
        assert not first.supports_masking
        assert others
        assert all(layer.supports_masking for layer in others)
        assert getattr(model(x), "_keras_mask", None) is None


@claim(
    "With a mask that is lost behind the last LSTM, padding more moves loss and RMSE, and no "
    "answer of a real timestep. With weights of 0 and no mask, so does RMSE under `metrics`; under "
    "`weighted_metrics` it stays, and the loss moves."
)
def a_mask_lost_behind_the_last_lstm_moves_loss_and_metric():
    x, mask, y = clinic_padded()
    more = [np.pad(part, ((0, 0), (0, 6), (0, 0))) for part in (x, y)]
    hidden = [np.pad(mask, ((0, 0), (0, n))).astype("float32") for n in (0, 6)]
    inputs = keras.Input((None, 2))

    def moved(*masking, weighted=False):
        with warnings.catch_warnings(action="ignore"):  # from 3.16 on, of the mask
            behind = inputs
            for layer in (*masking, layers.LSTM(4, return_sequences=True)):
                behind = layer(behind)
            model = with_weights(keras.Model(inputs, layers.Dense(1)(behind * 2)))
            rmse = [keras.metrics.RootMeanSquaredError()]
            model.compile(loss="mse", **{"weighted_metrics" if weighted else "metrics": rmse})
            found = []
            for (one, wanted), weights in zip(((x, y), more), hidden, strict=True):
                given = None if masking else weights
                measured = model.evaluate(one, wanted, sample_weight=given, verbose=0)
                answers = model.predict(one, verbose=0)[:, :6][mask]
                found.append([answers, *measured])
        return [not np.allclose(*pair, rtol=1e-3) for pair in zip(*found, strict=True)]

    assert moved(layers.Masking()) == [False, True, True]
    assert moved() == [False, True, True]
    assert moved(weighted=True) == [False, True, False]


@claim(
    "Under `weighted_metrics`, with the mask as `sample_weight`, RMSE is the root of a masked loss "
    "if all rows are one batch; in several batches it is not.",
    keras="<3.16",
)
def a_weighted_rmse_is_the_root_of_the_loss_of_one_batch():
    inputs, mask, targets = clinic_padded()
    model = clinic_model(
        layers.Masking(0.0), layers.LSTM(4, return_sequences=True), layers.Dense(1)
    )
    model.compile(loss="mse", weighted_metrics=["RootMeanSquaredError"])
    for batch_size, same in ((len(inputs), True), (2, False), (1, False)):
        options = {"sample_weight": mask, "batch_size": batch_size, "verbose": 0}
        loss, rmse = model.evaluate(inputs, targets, **options)
        assert np.isclose(loss, rmse**2, rtol=1e-3) == same


@claim(
    "Right targets may lack the last axis of the outputs: sparse labels of shape (rows, timesteps) "
    "for softmax outputs, and for mse, targets of (rows, timesteps) for outputs of 1 feature."
)
def right_targets_may_lack_the_last_axis():
    rng = np.random.default_rng(0)
    x, y, labels = rng.normal(size=(4, 6, 2)), rng.normal(size=(4, 6)), rng.integers(3, size=(4, 6))
    model = clinic_model(layers.Dense(1))
    model.compile(loss="mse")
    outputs = model.predict(x, verbose=0)[..., 0]
    assert np.isclose(model.evaluate(x, y, verbose=0), np.mean((outputs - y) ** 2), rtol=1e-3)
    model = clinic_model(layers.Dense(3, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy")
    likely = np.take_along_axis(model.predict(x, verbose=0), labels[..., None], axis=-1)
    loss = model.evaluate(x, labels, verbose=0)
    assert np.isclose(loss, -np.log(likely).mean(), rtol=1e-3)


@claim("A mask that is given to each LSTM by `mask=` reaches them all, on any version.")
def a_mask_by_hand_reaches_every_lstm():
    for supports in (None, False):
        with warnings.catch_warnings(action="ignore"):  # of the mask that is not handed on
            model, short, long = stacked_lstms(supports)
            first, second = model.layers[1:]
            inputs = keras.Input((None, 2))
            mask = layers.Masking().compute_mask(inputs)
            fixed = keras.Model(inputs, second(first(inputs, mask=mask), mask=mask))
            alone, padded = (fixed.predict(x, verbose=0) for x in (short, long))
        assert np.allclose(alone, padded, atol=1e-5)


@claim(
    "`class_weight` with labels of shape (batch, timesteps) takes the place of the largest label "
    "in a row for the row's class, and lays the weights along the timesteps: with as many rows "
    "in a batch as timesteps, or one, it runs, without a warning, and weighs something else; "
    "otherwise it is an error. Labels of (batch, timesteps, 1) are a `TypeError`. Labels of one "
    "for each row, of shape (batch, 1) or one-hot, are weighted as they should be."
)
def class_weight_takes_a_row_of_labels_for_one_class():
    bias = keras.initializers.Constant([0.0, 1.0])
    output = layers.Dense(2, activation="softmax", bias_initializer=bias)
    model = keras.Sequential([keras.Input((None, 1)), output])
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    x, labels, weights = np.zeros((2, 2, 1)), np.array([[0, 1], [1, 1]]), {0: 1.0, 1: 10.0}
    each = -np.log(np.take_along_axis(model.predict(x, verbose=0), labels[..., None], -1))[..., 0]
    by_row = np.array([weights[i] for i in labels.argmax(axis=1)])
    by_label = np.array([1.0, 10.0])[labels]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log = model.fit(x, labels, class_weight=weights, shuffle=False, verbose=0).history
    logged = log["loss"][0]
    assert not caught
    assert np.isclose(logged, (each * by_row).mean(), rtol=1e-3)
    wanted = model.evaluate(x, labels, sample_weight=by_label, verbose=0)
    assert np.isclose(wanted, (each * by_label).mean(), rtol=1e-3)
    assert not np.isclose(logged, wanted, rtol=0.1)
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.fit(np.zeros((3, 2, 1)), np.ones((3, 2), int), class_weight=weights, verbose=0)
    model.fit(x[:1], labels[:1], class_weight=weights, verbose=0)
    with pytest.raises(TypeError):
        model.fit(x, labels[..., None], class_weight=weights, verbose=0)
    of_rows = keras.Sequential([keras.Input((3,)), layers.Dense(2, activation="softmax")])
    inputs, row_labels = np.random.default_rng(1).normal(size=(6, 3)), np.array([0, 1, 1, 0, 0, 1])
    options = {"sample_weight": np.array([1.0, 10.0])[row_labels], "verbose": 0}
    for targets, loss in ((row_labels[:, None], "sparse_"), (np.eye(2)[row_labels], "")):
        of_rows.compile(keras.optimizers.SGD(0.0), f"{loss}categorical_crossentropy")
        log = of_rows.fit(inputs, targets, class_weight=weights, verbose=0).history["loss"]
        assert np.isclose(log[0], of_rows.evaluate(inputs, targets, **options), rtol=1e-3)


def conv_lstm():
    keras.utils.set_random_seed(0)
    return layers.ConvLSTM1D(3, 3, padding="same"), np.random.default_rng(0).normal(
        size=(1, 4, 5, 1)
    )


@claim(
    "`Masking` before a `ConvLSTM1D` with padding 'same' masks single places of a frame: one zero "
    "in a real frame changes the result, without an error or a warning."
)
def masking_before_a_convlstm_hides_pixels():
    lstm, film = conv_lstm()
    plain = keras.Sequential([keras.Input((None, 5, 1)), lstm])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        masked = keras.Sequential([keras.Input((None, 5, 1)), layers.Masking(), lstm])
    assert np.allclose(masked.predict(film, verbose=0), plain.predict(film, verbose=0), atol=1e-6)
    film[0, 3, 2] = 0.0
    found, wanted = (model.predict(film, verbose=0) for model in (masked, plain))
    assert np.abs(found - wanted).max() > 1e-2
    if Version(keras.__version__).base_version < "3.16":
        assert not caught


@claim(
    "A `ConvLSTM1D` with a mask of shape (batch, timesteps, 1, 1) gives a padded sequence of "
    "frames the result of the sequence alone."
)
def a_convlstm_takes_a_mask_of_frames():
    lstm, film = conv_lstm()
    longer = np.pad(film, ((0, 0), (0, 2), (0, 0), (0, 0)))
    frames = np.array([[True] * 4 + [False] * 2])[:, :, None, None]
    assert np.allclose(lstm(longer, mask=frames), lstm(film), atol=1e-6)
    assert not np.allclose(lstm(longer), lstm(film), atol=1e-2)


@claim(
    "In Keras 3 a model has neither `reset_states()` nor `reset_state()`; a recurrent layer has "
    "`reset_state()`, which sets its states to zeros."
)
def a_model_has_no_reset():
    model = clinic_model(layers.LSTM(4, stateful=True), batch_size=2)
    assert not hasattr(model, "reset_states")
    assert not hasattr(model, "reset_state")
    model(np.ones((2, 3, 2)))
    assert all(np.any(state) for state in model.layers[0].states)
    model.layers[0].reset_state()
    assert not any(np.any(state) for state in model.layers[0].states)


@claim("A recurrent layer behind one without `return_sequences=True` is an error of axes.")
def a_stack_needs_return_sequences():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        clinic_model(layers.LSTM(4), layers.LSTM(3))
    stack = clinic_model(layers.LSTM(4, return_sequences=True), layers.LSTM(3))
    assert stack.output_shape == (None, 3)
    assert layers.LSTM(4).compute_output_shape((None, 5, 2)) == (None, 4)


def fit_with_32_rows():
    """Fit a stateful model that is declared for a batch size of 1 without saying so to `fit`."""
    model = clinic_model(layers.LSTM(4, stateful=True), batch_size=1)
    model.compile("sgd", "mse")
    model.fit(np.zeros((40, 5, 2)), np.zeros((40, 4)), verbose=0)


@claim("`fit` of a model declared for a batch size of 1 fails unless it is given `batch_size=1`.")
def fit_draws_32_rows_whatever_is_declared():
    model = clinic_model(layers.LSTM(4, stateful=True), batch_size=1)
    model.compile("sgd", "mse")
    assert model.input_shape[0] == 1
    x, y = np.zeros((40, 5, 2)), np.zeros((40, 4))
    with pytest.raises(ValueError, match=r"enters the loop|batch size"):
        fit_with_32_rows()
    assert model.fit(x, y, batch_size=1, shuffle=False, verbose=0).params["steps"] == 40


@claim(
    "The error of `fit` with 32 rows, where 1 is declared, says that a tensor enters a loop with "
    "shape (1, 4) and has (None, 4).",
    keras="<3.16",
)
def the_error_of_32_rows_speaks_of_a_loop():
    said = r"enters the loop with shape \(1, 4\), but has shape \(None, 4\)"
    with pytest.raises(ValueError, match=said):
        fit_with_32_rows()


@claim(
    "The error of `fit` with 32 rows, where 1 is declared, names both batch sizes.", keras=">=3.16"
)
def the_error_of_32_rows_names_both_batch_sizes():
    with pytest.raises(ValueError, match=r"Expected batch size: 1\s+- Received batch size: 32"):
        fit_with_32_rows()


@claim(
    "The loss of a stateful model with the label in every window is not that of whole sequences; "
    "with the label in the last window only, it is."
)
def a_label_in_every_window_is_another_loss():
    whole = clinic_model(layers.LSTM(1))
    cut = clinic_model(layers.LSTM(1, stateful=True), batch_size=3)
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(3, 12, 2)), rng.normal(size=(3, 1))
    rows = np.concatenate([x[:, t : t + 4] for t in (0, 4, 8)])
    labels = np.concatenate([label] * 3)
    for model in (whole, cut):
        model.compile(loss="mse")
    wanted = whole.evaluate(x, label, verbose=0)
    for weights, right in (((1, 1, 1), False), ((0, 0, 3), True)):
        cut.layers[0].reset_state()
        each = np.repeat(np.array(weights, dtype="float32"), 3)
        loss = cut.evaluate(rows, labels, sample_weight=each, batch_size=3, verbose=0)
        assert np.isclose(loss, wanted, rtol=1e-4) == right


@claim(
    "NaN at masked timesteps leaves the answers finite, and one `fit` makes the weights NaN. "
    "`Masking(nan)` masks nothing."
)
def nan_under_a_mask_reaches_the_weights():
    x = np.random.default_rng(0).normal(size=(2, 5, 1))
    real = np.arange(5) < np.array([[5], [3]])
    for fill, finite in ((np.nan, False), (0.0, True)):
        x[~real] = fill
        inputs, mask = keras.Input((None, 1)), keras.Input((None,), dtype="bool")
        model = keras.Model([inputs, mask], layers.LSTM(1)(inputs, mask=mask))
        model.compile("sgd", "mse")
        assert np.isfinite(model.predict([x, real], verbose=0)).all()
        model.fit([x, real], np.zeros((2, 1)), verbose=0)
        assert [np.isfinite(w).all() for w in model.get_weights()] == [finite] * 3
    x[~real] = np.nan
    assert layers.Masking(np.nan).compute_mask(x).numpy().all()


@claim(
    "`Masking(inf)` masks infinity, and a model with it predicts and trains on finite numbers. The "
    "value is compared in float32: 0.1 in float64 is not found, -1 is."
)
def masking_takes_infinity_and_compares_in_float32():
    x = np.random.default_rng(0).normal(size=(2, 5, 1)).astype("float32")
    x[1, 3:] = np.inf
    model = keras.Sequential([keras.Input((None, 1)), layers.Masking(np.inf), layers.LSTM(1)])
    model.compile("sgd", "mse")
    np.testing.assert_allclose(
        model.predict(x, verbose=0)[1], model(x[1:, :3]).numpy()[0], atol=1e-6
    )
    model.fit(x, np.zeros((2, 1)), verbose=0)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    for value, dtype, masked in (
        (0.1, "float64", False),
        (0.1, "float32", True),
        (-1.0, "f8", True),
    ):
        found = layers.Masking(value).compute_mask(np.full((1, 2, 1), value, dtype))
        assert found.numpy().any() == (not masked)


@claim("What `Masking(value)` masks is decided behind the scaler: scaled padding is not masked.")
def scaling_moves_the_value_of_the_padding():
    padded = np.array([[1.0, 4.0, -1.0, -1.0]])[..., None]
    masking = layers.Masking(-1.0)
    assert masking.compute_mask(padded).numpy().tolist() == [[True, True, False, False]]
    scaled = (padded - 2.5) / 1.5  # mean and spread of the readings
    assert masking.compute_mask(scaled).numpy().tolist() == [[False, True, True, True]]


@claim("`Dense` treats each timestep alike without `TimeDistributed`, whatever came before.")
def dense_needs_no_time_distributed():
    dense = layers.Dense(2)
    model = keras.Sequential([keras.Input((None, 4)), dense])
    x = np.random.default_rng(0).normal(size=(4, 6, 4)).astype("float32")
    for rows, timesteps in ((1, 6), (1, 4), (4, 6), (4, 3), (1, 1)):
        part = x[:rows, :timesteps]
        found = model.predict(part, verbose=0)
        each = np.stack([dense(part[:, t]) for t in range(timesteps)], axis=1)
        wrapped = layers.TimeDistributed(dense)(part)
        np.testing.assert_allclose(found, each, atol=1e-5)
        np.testing.assert_allclose(found, wrapped, atol=1e-5)


@claim(
    "`timeseries_dataset_from_array` deals windows out in order: row b of a batch is not the "
    "window after row b of the batch before, unless the batch size is 1. The last batch holds "
    "what is left."
)
def a_dataset_of_windows_deals_them_out_in_order():
    cut = keras.utils.timeseries_dataset_from_array
    for size in (1, 4):
        made = cut(np.arange(27), None, 3, sequence_stride=3, batch_size=size)
        starts = [batch[:, 0].numpy() for batch in made]
        assert np.concatenate(starts).tolist() == list(range(0, 27, 3))
        assert len(starts[-1]) == 1
        goes_on = [(b - a == 3).all() for a, b in itertools.pairwise(starts[:-1])]
        assert set(goes_on) == {size == 1}


@claim("`pad_sequences(maxlen=)` keeps the end of a longer sequence, but for `truncating='post'`.")
def maxlen_cuts_the_beginning():
    pad = keras.utils.pad_sequences
    for options in ({}, {"padding": "post"}):
        assert pad([[1, 2, 3, 4, 5]], maxlen=3, **options).tolist() == [[3, 4, 5]]
    assert pad([[1, 2, 3, 4, 5]], maxlen=3, truncating="post").tolist() == [[1, 2, 3]]


@claim("A recurrent layer that is not stateful has `states`, too: None.")
def without_stateful_states_is_none():
    layer = layers.LSTM(2)
    layer(np.ones((1, 3, 1)))
    assert layer.states is None
    cells = layers.RNN([layers.GRUCell(2), layers.GRUCell(2)])
    cells(np.ones((1, 3, 1)))
    assert cells.states is None


@claim(
    "`model.optimizer.learning_rate = 0.0` sets the rate of a compiled model: `fit` stands still."
)
def the_learning_rate_of_a_compiled_model_can_be_set():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile("adam", "mse")
    model.fit(np.ones((2, 2)), np.zeros((2, 1)), verbose=0)
    before = model.get_weights()
    model.optimizer.learning_rate = 0.0
    model.fit(np.ones((2, 2)), np.zeros((2, 1)), verbose=0)
    assert all(map(np.array_equal, before, model.get_weights()))


# --- stateful layers in training -------------------------------------------------------------


@claim(
    "With `stateful=True`, a call starts from the state that the call before left, and no "
    "gradient flows from it back to the inputs of the call before."
)
def stateful_carries_values_and_no_gradient():
    keras.utils.set_random_seed(0)
    layer = keras.layers.LSTM(3, stateful=True, use_cudnn=False)
    layer.build((2, 4, 1))
    plain = keras.layers.LSTM(3, use_cudnn=False)
    plain.build((2, 8, 1))
    plain.set_weights(layer.get_weights())
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 8, 1)), "float32")
    first, second = x[:, :4], x[:, 4:]
    with tf.GradientTape() as tape:
        tape.watch([first, second])
        layer(first)
        last = layer(second)
    before, within = tape.gradient(last, [first, second])
    assert np.allclose(last, plain(x), atol=1e-6)
    assert not np.allclose(last, plain(second), atol=1e-3)
    assert before is None
    assert np.abs(within).max() > 0


@claim(
    "The state of a stateful layer stays as it is from one call of `fit` to the next, until "
    "`reset_state()` of the layer sets it to zeros."
)
def state_stays_between_two_fits():
    keras.utils.set_random_seed(0)
    layer = keras.layers.GRU(2, stateful=True, use_cudnn=False)
    model = keras.Sequential([keras.Input((3, 1), batch_size=4), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = np.ones((4, 3, 1), "float32"), np.zeros((4, 2), "float32")
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    left = layer.states[0].numpy()
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    again = layer.states[0].numpy()
    layer.reset_state()
    zeros = layer.states[0].numpy()
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    assert np.abs(left).max() > 0
    assert not np.allclose(again, left)  # it went on from `left`
    assert not zeros.any()
    assert np.allclose(layer.states[0].numpy(), left, atol=1e-6)


@claim(
    "With `stateful=False`, which is the default, every row of a batch starts from zeros: its "
    "output depends neither on the rows beside it nor on the calls before."
)
def without_stateful_every_row_starts_from_zeros():
    keras.utils.set_random_seed(0)
    layer = keras.layers.LSTM(3, use_cudnn=False)
    x = np.random.default_rng(0).normal(size=(5, 4, 2)).astype("float32")
    together = np.array(layer(x))
    assert layer.stateful is False
    for row in (3, 0, 4):
        zeros = [np.zeros((1, 3), "float32")] * 2
        alone = np.array(layer(x[row : row + 1], initial_state=zeros))
        assert np.allclose(together[row], alone[0], atol=1e-6)
        assert np.allclose(together[row], layer(x[row : row + 1])[0], atol=1e-6)


# --- where the state lives -------------------------------------------------------------------


def diary(batch_size=2):
    """A model that appends each digit it reads to its state: 10 times the state plus the input."""
    rnn = keras.layers.SimpleRNN(1, activation="linear", use_bias=False, stateful=True)
    model = keras.Sequential([keras.Input((None, 1), batch_size=batch_size), rnn])
    model.set_weights([np.array([[1.0]]), np.array([[10.0]])])
    return model


def alone_after(model, sequence):
    """What a model of the same LSTM, with no state kept, returns for one sequence."""
    alone = keras.Sequential([keras.Input((None, 5)), keras.layers.LSTM(8)])
    alone.set_weights(model.get_weights())
    return alone.predict(sequence[None], verbose=0)[0]


@claim(
    "A linear SimpleRNN without a bias, its kernel 1 and its recurrent kernel 10, has as its new "
    "state 10 times the old one plus its input, and returns the state."
)
def a_linear_simple_rnn_can_keep_a_diary():
    model = diary()
    x = np.array([[1.0, 2.0, 3.0], [7.0, 8.0, 9.0]])[..., None]
    assert model.predict(x, verbose=0)[:, 0].tolist() == [123.0, 789.0]
    assert model.layers[0].states[0].numpy()[:, 0].tolist() == [123.0, 789.0]
    assert model.predict(x[:, :1], verbose=0)[:, 0].tolist() == [1231.0, 7897.0]


@claim(
    "A stateful LSTM keeps two arrays in `layer.states`, h and c, a GRU and a SimpleRNN one, each "
    "(batch, units); all three start a call from what the call before left."
)
def an_lstm_keeps_two_states():
    kinds = {keras.layers.LSTM: 2, keras.layers.GRU: 1, keras.layers.SimpleRNN: 1}
    for kind, count in kinds.items():
        x = np.stack(sequences_of(6, 6))
        layer, plain = kind(4, stateful=True), kind(4, return_state=True)
        layer.build((2, None, 5))
        trained_like(plain)
        layer.set_weights(plain.get_weights())
        assert [tuple(state.shape) for state in layer.states] == [(2, 4)] * count
        layer(x[:, :2])
        layer(x[:, 2:])
        for kept, whole in zip(layer.states, plain(x)[1:], strict=True):  # h, then c
            assert np.allclose(kept, whole, atol=1e-5)


@claim(
    "After `fit` with validation, `predict` starts from the state that the last validation left."
)
def predict_goes_on_from_what_fit_left():
    model = diary()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    train, unseen = np.array([[[1.0]], [[2.0]]]), np.array([[[8.0]], [[9.0]]])
    options = {"batch_size": 2, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(train, train[:, 0], validation_data=(unseen, unseen[:, 0]), **options)
    assert model.layers[0].states[0].numpy()[:, 0].tolist() == [1818.0, 2929.0]
    assert model.predict(train, verbose=0)[:, 0].tolist() == [18181.0, 29292.0]


@claim(
    "With `reset_state()` in `on_epoch_begin` and in `on_test_begin` of a callback, each epoch of "
    "`fit` and each validation, and `evaluate`, start from zeros."
)
def a_callback_resets_epochs_and_validation():
    starts = []

    class Reset(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[0].reset_state()

        def on_test_begin(self, logs=None):
            starts.append(self.model.layers[0].states[0].numpy()[:, 0].tolist())
            self.model.layers[0].reset_state()

    model = diary()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    train, unseen = np.array([[[1.0]], [[2.0]]]), np.array([[[8.0]], [[9.0]]])
    options = {"batch_size": 2, "verbose": 0, "callbacks": [Reset()]}
    validation = {"validation_data": (unseen, unseen[:, 0])}
    model.fit(train, train[:, 0], epochs=2, shuffle=False, **options, **validation)
    model.evaluate(unseen, unseen[:, 0], **options)
    assert starts == [[1.0, 2.0], [1.0, 2.0], [8.0, 9.0]]
    assert model.layers[0].states[0].numpy()[:, 0].tolist() == [8.0, 9.0]


@claim(
    "Called directly, a stateful model raises `ValueError` for a batch of another size than its "
    "own, of one row too, and says which sizes."
)
def a_direct_call_refuses_another_batch_size():
    for rows in (1, 2, 6):
        with pytest.raises(ValueError, match=rf"batch size: 4\s+- Received batch size: {rows}\b"):
            diary(batch_size=4)(np.ones((rows, 1, 1)))


@claim(
    "Where zeros are assigned to one row of each of `layer.states`, that row starts anew and the "
    "others go on; for an LSTM, with h alone it does not start anew."
)
def some_rows_can_be_reset():
    x = np.stack(sequences_of(10, 10, 10))
    for reset in ((0, 1), (0,)):
        model = stateful_model()
        model.predict(x[:, :5], verbose=0)
        for index in reset:
            values = model.layers[0].states[index].numpy()
            values[1] = 0.0
            model.layers[0].states[index].assign(values)
        found = model.predict(x[:, 5:], verbose=0)
        assert np.allclose(found[0], alone_after(model, x[0]), atol=1e-5)
        assert np.allclose(found[2], alone_after(model, x[2]), atol=1e-5)
        anew = np.allclose(found[1], alone_after(model, x[1, 5:]), atol=1e-3)
        assert anew == (reset == (0, 1))


@claim(
    "`Normalization` and `Rescaling` layers are saved with a model: loaded, it reads and answers "
    "in the data's own unit."
)
def a_model_keeps_its_scaling_in_the_file():
    mean, std = np.array([50.0, -3.0]), np.array([20.0, 0.5])
    plain = keras.Sequential([layers.Input((None, 2)), layers.LSTM(4, return_sequences=True)])
    scaled = keras.Sequential([layers.Input((None, 2))])
    scaled.add(layers.Normalization(mean=mean, variance=std**2))
    scaled.add(layers.LSTM(4, return_sequences=True))
    scaled.add(layers.Rescaling(7.0, 100.0))
    scaled.layers[1].set_weights(plain.layers[0].get_weights())
    with tempfile.TemporaryDirectory() as folder:
        scaled.save(f"{folder}/model.keras")
        loaded = keras.models.load_model(f"{folder}/model.keras")
    z = np.random.default_rng(0).normal(size=(3, 6, 2))
    found = loaded.predict(mean + std * z, verbose=0)
    assert np.allclose(found, 100 + 7 * plain.predict(z, verbose=0), rtol=1e-4)


@claim(
    "The state is in neither `get_weights()` nor a saved file: a loaded model starts from zeros, "
    "and goes on once the state is assigned to its layers' `states`."
)
def a_saved_model_loses_its_state():
    x = np.stack(sequences_of(10, 10, 10))
    model = stateful_model()
    assert [w.shape for w in model.get_weights()] == [(5, 32), (8, 32), (32,)]
    weights = model.get_weights()
    model.predict(x[:, :5], verbose=0)
    assert all(map(np.array_equal, weights, model.get_weights()))
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        loaded = keras.models.load_model(f"{folder}/model.keras")
    assert not any(np.any(state) for state in loaded.layers[0].states)
    found = loaded.predict(x[:, 5:], verbose=0)
    for row in range(3):
        assert np.allclose(found[row], alone_after(model, x[row, 5:]), atol=1e-5)
    for new, old in zip(loaded.layers[0].states, model.layers[0].states, strict=True):
        new.assign(old)
    found = loaded.predict(x[:, 5:], verbose=0)
    for row in range(3):
        assert np.allclose(found[row], alone_after(model, x[row]), atol=1e-5)


@claim(
    "A second model with batch size 1 takes the weights of a stateful model with batch size 3 by "
    "`set_weights`, and with one row of its state goes on as that row."
)
def a_state_moves_to_another_batch_size():
    x = np.stack(sequences_of(10, 10, 10))
    many, one = stateful_model(batch_size=3), stateful_model(batch_size=1)
    one.set_weights([np.zeros_like(w) for w in one.get_weights()])
    one.set_weights(many.get_weights())
    together = many.predict(x[:, :5], verbose=0)
    assert np.allclose(one.predict(x[[2], :5], verbose=0), together[2], atol=1e-5)
    for mine, theirs in zip(one.layers[0].states, many.layers[0].states, strict=True):
        mine.assign(theirs.numpy()[[0]])
    found = one.predict(x[[0], 5:], verbose=0)
    assert np.allclose(found[0], alone_after(many, x[0]), atol=1e-5)


@claim(
    "A recurrent layer refuses `batch_input_shape`, which Keras 2 took, and `batch_shape`, "
    "`input_length` and `time_major`; `Input` states the batch size, and without it a stateful "
    "layer is refused."
)
def batch_input_shape_is_gone():
    old = {"batch_input_shape": (3, None, 5), "batch_shape": (3, None, 5)}
    for name, value in (old | {"input_length": 4, "time_major": True}).items():
        with pytest.raises(ValueError, match="Unrecognized keyword arguments"):
            layers.LSTM(8, **{name: value})
    with pytest.raises(ValueError, match="batch size must be static"):
        keras.Sequential([keras.Input((None, 5)), layers.LSTM(8, stateful=True)])
    model = keras.Sequential([keras.Input((None, 5), 3), layers.LSTM(8, stateful=True)])
    assert model.input_shape == (3, None, 5)


@claim(
    "A stateful layer within a model that is itself a layer keeps its state when the outer model "
    "is called, and a loop over the outer model's `layers` that resets what has `reset_state` "
    "leaves it as it is."
)
def the_loop_over_layers_misses_what_is_nested():
    inner = diary()
    model = keras.Sequential([keras.Input((None, 1), batch_size=2), inner])
    digits = np.array([[1.0, 2.0], [7.0, 8.0]])[..., None]
    assert model.predict(digits, verbose=0)[:, 0].tolist() == [12.0, 78.0]
    assert model.layers == [inner]
    assert not hasattr(inner, "reset_state")
    assert model.predict(digits, verbose=0)[:, 0].tolist() == [1212.0, 7878.0]
    inner.layers[0].reset_state()
    assert model.predict(digits, verbose=0)[:, 0].tolist() == [12.0, 78.0]


@claim("`reset_state()` of a stateful layer of several cells raises `AttributeError`.")
def a_layer_of_cells_cannot_reset_itself():
    for kind in (layers.LSTMCell, layers.GRUCell):
        layer = layers.RNN([kind(4), kind(3)], stateful=True)
        layer.build((2, None, 1))
        with pytest.raises(AttributeError, match="has no attribute 'assign'"):
            layer.reset_state()
    layer = layers.RNN(layers.GRUCell(4), stateful=True)
    layer.build((2, None, 1))
    layer.reset_state()


@claim(
    "`states` of a stateful layer are h, and c of an LSTM, (batch, units); of a layer of cells a "
    "list for each cell; of a convolutional one with the axes of its outputs at one timestep. "
    "What `Bidirectional` and `TimeDistributed` wrap keeps its own, and `reset_state()` of "
    "`Bidirectional` resets both halves."
)
def where_the_states_are():
    def shapes(states):
        return keras.tree.map_structure(lambda state: tuple(state.shape), list(states))

    cells = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], stateful=True)
    cells.build((2, None, 1))
    assert [shapes(states) for states in cells.states] == [[(2, 4), (2, 4)], [(2, 3)]]
    lengths = (5, 6, 7)
    for n, kind in enumerate((layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D), 1):
        layer = kind(4, 2, stateful=True)
        layer.build((2, None, *lengths[:n], 3))
        expected = (2, *(length - 1 for length in lengths[:n]), 4)
        assert shapes(layer.states) == [expected] * 2
        assert tuple(layer(np.ones((2, 3, *lengths[:n], 3))).shape) == expected
    both = layers.Bidirectional(layers.GRU(4, stateful=True))
    both(np.ones((2, 3, 1)))
    states = [*both.forward_layer.states, *both.backward_layer.states]
    assert all(np.any(state) for state in states)
    both.reset_state()
    assert shapes(states) == [(2, 4)] * 2
    assert not any(np.any(state) for state in states)
    each = layers.TimeDistributed(layers.GRU(4, stateful=True))
    each(np.ones((2, 3, 5, 1)))
    assert shapes(each.layer.states) == [(2, 4)]
    assert np.any(each.layer.states[0])


@claim(
    "Each `fit` counts its epochs from 0 and starts its callbacks anew: in a loop of "
    "`fit(epochs=1)`, `EarlyStopping(patience=1)` never stops, and a `LearningRateScheduler` is "
    "always asked for epoch 0. In one `fit` it stops after the second epoch without progress."
)
def a_loop_of_fits_starts_its_callbacks_anew():
    asked = []
    model = diary()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    train, targets = np.array([[[1.0]], [[2.0]]]), np.zeros((2, 1))
    stop = keras.callbacks.EarlyStopping("loss", patience=1)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: asked.append(epoch) or 0.0)
    reset = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: model.layers[0].reset_state())
    options = {"batch_size": 2, "shuffle": False, "verbose": 0}
    options["callbacks"] = [reset, stop, schedule]
    found = [model.fit(train, targets, epochs=1, **options).epoch for _ in range(4)]
    assert found == [[0]] * 4
    assert asked == [0] * 4
    assert model.fit(train, targets, epochs=4, **options).epoch == [0, 1]
    assert asked[4:] == [0, 1]


@claim(
    "A file of `save_weights` holds no state: a model that loads it starts from zeros, or from "
    "the state that it holds already."
)
def a_file_of_weights_holds_no_state():
    read, four = np.array([[1.0, 2.0, 3.0]])[..., None], np.array([[[4.0]]])
    model = diary(batch_size=1)
    model.predict(read, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/m.weights.h5")
        fresh, used = diary(batch_size=1), diary(batch_size=1)
        used.predict(read[:, :2], verbose=0)
        for other, expected in ((fresh, 4.0), (used, 124.0)):
            other.load_weights(f"{folder}/m.weights.h5")
            assert other.predict(four, verbose=0) == expected


@claim(
    "`EarlyStopping(restore_best_weights=True)` brings back the weights of the best epoch, and "
    "leaves the state of the last."
)
def loading_weights_leaves_the_state():
    model = diary()
    model.compile(keras.optimizers.SGD(0.01), "mse")
    train, targets = np.array([[[1.0]], [[2.0]]]), np.zeros((2, 1))
    weights = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: weights.append(model.get_weights())
    )
    stop = keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
    options = {"batch_size": 2, "shuffle": False, "verbose": 0, "epochs": 4}
    model.fit(train, targets, callbacks=[note, stop], **options)
    assert len(weights) == 2
    assert all(map(np.array_equal, model.get_weights(), weights[0]))
    assert not all(map(np.array_equal, *weights))
    assert (model.layers[0].states[0].numpy() > 5).all()  # of two epochs: the first leaves 1, 2


@claim("`tf.train.Checkpoint(model)` saves the state with the weights, and restores both.")
def a_checkpoint_keeps_the_state():
    model, other = diary(batch_size=1), diary(batch_size=1)
    model.predict(np.array([[1.0, 2.0, 3.0]])[..., None], verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(model).save(f"{folder}/model")
        tf.train.Checkpoint(other).restore(path)
    assert other.predict(np.array([[[4.0]]]), verbose=0) == 1234.0


# --- a state in service ----------------------------------------------------------------------


def one_at_a_time(call, x):
    """What `call` returns for each timestep of x in a call of its own, side by side."""
    return np.concatenate([call(x[:, [t]]) for t in range(x.shape[1])], axis=1)


def sequence_model(batch_size=None, **options):
    """An LSTM over 3 features and a Dense layer, an output for every timestep."""
    lstm = layers.LSTM(8, return_sequences=True, **options)
    return keras.Sequential([keras.Input((None, 3), batch_size), lstm, layers.Dense(1)])


def sequence_pair():
    """A model of any batch size, its stateful twin of one row, and a sequence."""
    model, one = trained_like(sequence_model(), features=3), sequence_model(1, stateful=True)
    one.set_weights(model.get_weights())
    return model, one, np.random.default_rng(2).normal(size=(1, 12, 3)).astype("float32")


@claim(
    "A stateful model of one row with the weights of a trained one answers, one timestep at a "
    "time, as the trained one does in one pass; not stateful, only the first answer agrees."
)
def one_timestep_at_a_time_is_one_pass():
    model, one, x = sequence_pair()
    whole = model.predict(x, verbose=0)
    assert np.allclose(one_at_a_time(one, x), whole, atol=1e-5)
    apart = np.abs(one_at_a_time(model, x) - whole)[0, :, 0]
    assert apart[0] < 1e-5
    assert apart[1:].min() > 1e-4


@claim(
    "`predict_on_batch`, a direct call and a `tf.function` of a stateful model move its state as "
    "`predict` does."
)
def cheap_calls_carry_the_state_too():
    model, one, x = sequence_pair()
    whole = model.predict(x, verbose=0)
    calls = {
        "predict": lambda x: one.predict(x, verbose=0),
        "predict_on_batch": one.predict_on_batch,
        "call": one,
        "tf.function": tf.function(one),
    }
    for name, call in calls.items():
        one.layers[0].reset_state()
        assert np.allclose(one_at_a_time(call, x), whole, atol=1e-5), name
    one.layers[0].reset_state()  # and in any mixture
    for t, call in zip(range(12), itertools.cycle(calls.values()), strict=False):
        assert np.allclose(call(x[:, [t]]), whole[:, [t]], atol=1e-5)


@claim(
    "Each call of `predict` makes a data set and a list of callbacks; `predict_on_batch` makes "
    "neither, and both run the model's `predict_function`."
)
def predict_sets_up_a_loop_each_time():
    _, one, x = sequence_pair()
    trainer = sys.modules[type(one).predict.__wrapped__.__module__]
    made = []
    for kind in (trainer.TFEpochIterator, keras.callbacks.CallbackList):
        with mock.patch.object(kind, "__init__", autospec=True, side_effect=kind.__init__) as make:
            one.predict_on_batch(x[:, :1])
            made.append(make.call_count)
            one.predict(x[:, :1], verbose=0)
            one.predict(x[:, :1], verbose=0)
            made.append(make.call_count)
    assert made == [0, 2, 0, 2]
    ran = mock.Mock(side_effect=one.predict_function)
    one.predict_function = ran
    one.predict_on_batch(x[:, :1])
    one.predict(x[:, :1], verbose=0)
    assert ran.call_count == 2


@claim(
    "A functional model that takes a state as an input and returns the new one keeps none: with "
    "the state handed on by the caller, each user's answers are those of their own values alone."
)
def a_model_may_take_and_return_its_state():
    value, state = keras.Input((1, 1)), keras.Input((1,))
    options = {"activation": "linear", "use_bias": False, "return_state": True}
    rnn = layers.SimpleRNN(1, **options)
    step = keras.Model([value, state], rnn(value, initial_state=state))
    step.set_weights([np.array([[1.0]]), np.array([[10.0]])])
    states, answers = {"Ada": np.zeros((1, 1)), "Ben": np.zeros((1, 1))}, []
    for user, digit in (("Ada", 1.0), ("Ben", 7.0), ("Ada", 2.0), ("Ben", 8.0)):
        sent = np.full((1, 1, 1), digit)
        answer, states[user] = step.predict_on_batch([sent, states[user]])
        answers.append(answer.item())
    assert answers == [1.0, 7.0, 12.0, 78.0]
    together = [np.array([3.0, 9.0]).reshape(2, 1, 1), np.concatenate([*states.values()])]
    assert step.predict_on_batch(together)[0].ravel().tolist() == [123.0, 789.0]  # one call


@claim(
    "`export` raises `ValueError` for a stateful LSTM, GRU or SimpleRNN, unless its signature "
    "states the batch size: then the state goes along. A model that takes and returns its state is "
    "exported, and answers as before."
)
def a_stateful_model_is_exported_only_with_its_batch_size():
    value, state = keras.Input((1, 2)), keras.Input((4,))
    step = keras.Model([value, state], layers.GRU(4, return_state=True)(value, state))
    with tempfile.TemporaryDirectory() as folder:
        for kind in (layers.LSTM, layers.GRU, layers.SimpleRNN):
            model = keras.Sequential([keras.Input((None, 2), 1), kind(4, stateful=True)])
            with pytest.raises(ValueError, match="shape"):
                model.export(f"{folder}/stateful", verbose=False)
            model = keras.Sequential([keras.Input((None, 2), 1), kind(4, stateful=True)])
            model.predict(np.ones((1, 1, 2)), verbose=0)
            signature = [tf.TensorSpec((1, 1, 2))]
            model.export(f"{folder}/fixed", input_signature=signature, verbose=False)
            loaded = tf.saved_model.load(f"{folder}/fixed")
            goes_on = loaded.serve(tf.ones((1, 1, 2)))
            assert np.allclose(goes_on, model.predict(np.ones((1, 1, 2)), verbose=0), atol=1e-6)
        step.export(f"{folder}/step", verbose=False)
        served = tf.saved_model.load(f"{folder}/step")
        given = [tf.ones((1, 1, 2)), 0.5 * tf.ones((1, 4))]
        for mine, theirs in zip(served.serve(given), step(given), strict=True):
            assert np.allclose(mine, theirs, atol=1e-6)


@claim(
    "A stateful layer that is given `initial_state` starts from it and not from the state that it "
    "keeps, without an error or a warning, and keeps the final state all the same."
)
def initial_state_wins_over_the_stored_state():
    layer, nine = diary(batch_size=1).layers[0], np.array([[9.0]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for digit in (1.0, 2.0, 3.0):
            assert layer(np.full((1, 1, 1), digit), initial_state=nine) == 90.0 + digit
            assert layer.states[0].numpy() == 90.0 + digit
    assert not caught
    assert layer(np.full((1, 1, 1), 4.0)) == 934.0
    assert layer(np.full((1, 1, 1), 5.0), initial_state=nine) == 95.0


@claim(
    "A stateful LSTM that gets an encoder's state as `initial_state` with the first timestep, and "
    "then one timestep a call, gives what one pass from that state gives."
)
def a_decoder_word_by_word_is_one_pass():
    x = np.random.default_rng(3).normal(size=(1, 6, 3)).astype("float32")
    _, *context = trained_like(layers.LSTM(8, return_state=True), features=3)(x)
    speaker = trained_like(layers.LSTM(8, return_sequences=True), features=3)
    twin = layers.LSTM(8, return_sequences=True, stateful=True)
    twin.build((1, None, 3))
    twin.set_weights(speaker.get_weights())
    whole = speaker(x, initial_state=context)
    first = twin(x[:, :1], initial_state=context)
    assert np.allclose(np.concatenate([first, one_at_a_time(twin, x[:, 1:])], 1), whole, atol=1e-5)
    always = one_at_a_time(lambda x: twin(x, initial_state=context), x)
    assert not np.allclose(always, whole, atol=1e-3)


@claim(
    "A stateful `Bidirectional` layer of two diaries, given 1, 2, 3, returns 1, 12, 123 and "
    "321, 32, 3; given them in three calls, both halves return 1, 12, 123, without a warning."
)
def a_bidirectional_diary():
    options = {"return_sequences": True, "stateful": True}
    both = layers.Bidirectional(layers.SimpleRNN(1, "linear", use_bias=False, **options))
    both.build((1, None, 1))
    both.set_weights([np.array([[1.0]]), np.array([[10.0]])] * 2)
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    assert both(x)[0].numpy().tolist() == [[1.0, 321.0], [12.0, 32.0], [123.0, 3.0]]
    both.reset_state()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert one_at_a_time(both, x)[0].tolist() == [[1.0, 1.0], [12.0, 12.0], [123.0, 123.0]]
    assert not caught


@claim(
    "`Bidirectional(LSTM(…, return_state=True))` returns its output and then h and c forwards and "
    "h and c backwards, however the outputs are merged; put side by side, they start an LSTM that "
    "is twice as wide."
)
def a_bidirectional_lstm_returns_four_states():
    x = np.random.default_rng(3).normal(size=(2, 6, 3)).astype("float32")
    for merge_mode in ("concat", "sum", "mul", "ave"):
        lstm = layers.LSTM(4, return_state=True)
        both = layers.Bidirectional(lstm, merge_mode=merge_mode)
        _, *found = both(x)
        forwards = layers.LSTM(4, return_state=True)
        forwards.build(x.shape)
        for half, order in ((0, x), (1, x[:, ::-1])):
            forwards.set_weights(both.get_weights()[3 * half :][:3])
            for mine, theirs in zip(found[2 * half :], forwards(order)[1:], strict=False):
                assert np.allclose(mine, theirs, atol=1e-5)
        assert len(found) == 4
    h, c = np.concatenate(found[::2], axis=1), np.concatenate(found[1::2], axis=1)
    assert layers.LSTM(8)(x, initial_state=[h, c]).shape == (2, 8)


@claim(
    "A layer made stateful after it was built has no state: a call fails, but a `predict` that has "
    "run before goes on without a state, in silence."
)
def stateful_set_later_has_no_state():
    model = keras.Sequential([keras.Input((None, 3), 1), layers.LSTM(4)])
    model.layers[0].stateful = True
    assert model.layers[0].states is None
    with pytest.raises(ValueError, match="None"):
        model(np.ones((1, 2, 3)))
    model = keras.Sequential([keras.Input((None, 3)), layers.LSTM(4)])
    before = model.predict(np.ones((1, 1, 3)), verbose=0)
    model.layers[0].stateful = True
    for _ in range(2):
        assert np.array_equal(model.predict(np.ones((1, 1, 3)), verbose=0), before)


# --- the claims and the lessons --------------------------------------------------------------

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
QUESTIONS = sorted((ROOT / "helpers" / "lessons").rglob("*.toml"))


def cells():
    """Each cell of each lesson: its lesson, what it says, and the claims that it names, or None.

    What a cell says is its text without code and headings; for a question, the answers.
    """
    asked = {}
    for path in QUESTIONS:
        asked |= tomllib.loads(path.read_text(encoding="utf-8"))
    for path in LESSONS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "code":
                names = re.findall(r'^ask\("(.+)"\)', text, flags=re.MULTILINE)
                text = "\n".join(answer for name in names for _, answer in asked[name]["choices"])
            said = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
            said = re.sub(r"^#.*$", "", said, flags=re.MULTILINE)
            yield path.stem, said, cell["metadata"].get("claims")


@pytest.mark.parametrize(
    "name", [name for name, claim in CLAIMS.items() if claim.is_about(keras.__version__)]
)
def test_what_the_lessons_say_of_keras_holds(name):
    CLAIMS[name].check()


def test_every_claim_stands_in_a_cell_and_every_name_in_a_cell_is_a_claim():
    named = [names or [] for _, _, names in cells()]
    assert {name for names in named for name in names} == set(CLAIMS)
    assert all(len(names) == len(set(names)) for names in named)


def test_what_a_cell_rests_on_is_about_the_version_that_is_installed():
    for lesson, said, names in cells():
        about = [CLAIMS[name].is_about(keras.__version__) for name in names or []]
        assert not about or any(about), f"{lesson}: {said}"


def test_a_cell_that_speaks_of_keras_says_which_claims_it_rests_on():
    """An empty list says: none. Cells that only name a layer or a method are left to the author."""
    silent = [
        (lesson, said)
        for lesson, said, names in cells()
        if names is None and re.search("Keras|TensorFlow", said)
    ]
    assert silent == []


def test_no_mark_stands_in_the_text():
    for path in LESSONS + QUESTIONS:
        assert "<sup>" not in path.read_text(encoding="utf-8"), path.name


def test_a_nightly_counts_as_the_release_that_it_leads_to():
    old, new = (Claim("", None, SpecifierSet(versions)) for versions in ("<3.16", ">=3.16"))
    for version, is_old in (("3.15.1", True), ("3.16.0.dev2026102704", False), ("3.16.0", False)):
        assert (old.is_about(version), new.is_about(version)) == (is_old, not is_old)
    assert Claim("", None, SpecifierSet("")).is_about("3.16.0.dev2026102704")


def test_a_name_belongs_to_one_claim():
    with pytest.raises(ValueError, match="two claims named rows_do_not_mix"):
        claim("Rows mix.")(rows_do_not_mix)
