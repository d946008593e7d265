"""What the probes report is what Keras does, sequence by sequence, without windows or padding."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.func_graph import FuncGraph

from helpers.probes import gradient_reach, state_reach, trace_masks, trace_states
from helpers.training import train_windows
from helpers.windows import pad_batch, split_windows

LENGTHS = (7, 12, 4, 1)
EVERY_STEPS = range(1, max(LENGTHS) + 1)


def last_recurrent(model):
    return [layer for layer in model.layers if hasattr(layer, "stateful")][-1]


@pytest.fixture(scope="module")
def states_alone(keras_pass):
    """A function that gives the states of one sequence, alone and unpadded, as Keras does."""
    return lambda model, sequence: keras_pass(model, sequence, of=last_recurrent(model).output)


def border(timesteps, steps):
    """Where the window begins that holds the last of `timesteps`."""
    return (timesteps - 1) // steps * steps


def mean_over_rows(rows):
    """Average rows of unequal length, timestep by timestep, over those that reach it."""
    longest = max(map(len, rows))
    return np.array([np.mean([row[t] for row in rows if t < len(row)]) for t in range(longest)])


# --- states over time ------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [None, *EVERY_STEPS])
def test_carried_states_are_those_of_each_sequence_alone(rnn, ragged, states_alone, steps):
    traced = trace_states(rnn, ragged, steps=steps)
    assert traced.shape == (4, 12, last_recurrent(rnn).units)
    for got, sequence in zip(traced, ragged, strict=True):
        expected = states_alone(rnn, sequence)
        np.testing.assert_allclose(got[: len(sequence)], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", EVERY_STEPS)
def test_reset_states_are_those_of_each_window_alone(rnn, ragged, states_alone, steps):
    traced = trace_states(rnn, ragged, steps=steps, carry=False)
    for got, sequence in zip(traced, ragged, strict=True):
        for start in range(0, len(sequence), steps):
            window = slice(start, min(start + steps, len(sequence)))
            expected = states_alone(rnn, sequence[window])
            np.testing.assert_allclose(got[window], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("carry", [True, False])
@pytest.mark.parametrize("steps", [1, 5, 12])
def test_the_state_stands_still_after_a_sequences_end(rnn, ragged, steps, carry):
    traced = trace_states(rnn, ragged, steps=steps, carry=carry)
    for row, length in zip(traced, LENGTHS, strict=True):
        np.testing.assert_array_equal(
            row[length:], np.broadcast_to(row[length - 1], row[length:].shape)
        )


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("value", [0.0, 4.0, -3e38, 1e300])
def test_padding_never_changes_a_masked_state(rnn, ragged, states_alone, padding, value):
    sequences = [sequence.astype("float64") for sequence in ragged]
    padded, mask = pad_batch(sequences, timesteps=14, padding=padding, value=value)
    for steps in (None, 1, 5):
        traced = trace_states(rnn, padded, mask=mask, steps=steps)
        for got, real, sequence in zip(traced, mask, ragged, strict=True):
            expected = states_alone(rnn, sequence)
            np.testing.assert_allclose(got[real], expected, rtol=0, atol=1e-6)
            still = (
                got[len(sequence) :] - got[len(sequence) - 1] if padding == "post" else got[~real]
            )
            assert (still == 0).all()


def test_unmasked_padding_moves_the_state(rnn, ragged):
    padded, mask = pad_batch(ragged, timesteps=14)
    off = trace_states(rnn, padded)[:, -1] - trace_states(rnn, padded, mask=mask)[:, -1]
    assert np.abs(off).max(axis=1).min() > 1e-3


def test_a_last_step_model_has_the_same_states(make_rnn, ragged):
    one, other = make_rnn((5, 4)), make_rnn((5, 4), return_sequences=False)
    np.testing.assert_array_equal(
        trace_states(one, ragged, steps=5), trace_states(other, ragged, steps=5)
    )


# --- how far state and gradient reach --------------------------------------------------------


@pytest.fixture(
    scope="module",
    params=[("simple_rnn", (5, 4), True), ("gru", 5, False), ("lstm", 5, True)],
    ids=["simple_rnn-stacked", "gru-last-step", "lstm"],
)
def probed(request, make_rnn):
    cell, units, return_sequences = request.param
    return make_rnn(units, cell=cell, outputs=2, return_sequences=return_sequences)


@pytest.fixture(scope="module")
def jacobian_norms(probed, stateful_twin):
    """A function: the windows of one sequence to the norms of its last output's Jacobian.

    A stateful Keras model reads the windows one after another; only the last is on the tape.
    """
    twin = stateful_twin(probed, 1)
    outputs = probed.output_shape[-1]

    @tf.function(input_signature=[tf.TensorSpec((1, None, 3), "float32")])
    def differentiate(window):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(window)
            last = tf.unstack(tf.reshape(twin(window), (-1, outputs))[-1])
        return tf.stack([tape.gradient(output, window)[0] for output in last])

    def norms(windows):
        for layer in twin.layers:
            if hasattr(layer, "reset_state"):
                layer.reset_state()
        for window in windows:
            jacobian = differentiate(window[None]).numpy()  # the last one's is returned
        return np.sqrt((jacobian**2).sum(axis=(0, 2)))

    return norms


def windows_of(sequence, steps):
    return [sequence[start : start + steps] for start in range(0, len(sequence), steps)]


def with_zeros_before(norms, timesteps):
    return np.concatenate([np.zeros(timesteps - len(norms)), norms])


@pytest.mark.parametrize("steps", [None, *EVERY_STEPS])
def test_carried_state_reaches_as_far_as_in_one_long_pass(probed, jacobian_norms, ragged, steps):
    rows = [jacobian_norms([sequence]) for sequence in ragged]
    got = state_reach(probed, ragged, steps=steps)
    np.testing.assert_allclose(got, mean_over_rows(rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", EVERY_STEPS)
def test_reset_state_reaches_back_to_the_last_border_only(probed, jacobian_norms, ragged, steps):
    rows = [
        with_zeros_before(jacobian_norms(windows_of(sequence, steps)[-1:]), len(sequence))
        for sequence in ragged
    ]
    got = state_reach(probed, ragged, steps=steps, carry=False)
    np.testing.assert_allclose(got, mean_over_rows(rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [None, *EVERY_STEPS])
def test_gradient_reaches_as_far_as_keras_own_within_the_last_window(
    probed, jacobian_norms, ragged, steps
):
    rows = [
        with_zeros_before(jacobian_norms(windows_of(sequence, steps or 12)), len(sequence))
        for sequence in ragged
    ]
    got = gradient_reach(probed, ragged, steps=steps)
    np.testing.assert_allclose(got, mean_over_rows(rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", EVERY_STEPS)
def test_gradient_stops_exactly_where_the_last_window_begins(probed, ragged, steps):
    sequence = ragged[1]
    start = border(len(sequence), steps)
    gradient = gradient_reach(probed, [sequence], steps=steps)
    carried = state_reach(probed, [sequence], steps=steps)
    reset = state_reach(probed, [sequence], steps=steps, carry=False)
    for values in (gradient, reset):
        assert (values[:start] == 0).all()
        assert (values[start:] > 0).all()
    assert (carried[max(0, start - 3) :] > 0).all()
    # Within its window, an output depends on its inputs as much as it learns from them.
    np.testing.assert_allclose(gradient[start:], carried[start:], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("at", [0, 3, 6, 11])
def test_any_output_reaches_back_as_it_would_at_the_end_of_a_sequence(probed, ragged, at):
    ends = [sequence[: at + 1] for sequence in ragged if len(sequence) > at]
    for probe, options in (
        (state_reach, {"carry": True}),
        (state_reach, {"carry": False}),
        (gradient_reach, {}),
    ):
        got = probe(probed, ragged, steps=5, at=at, **options)
        assert got.shape == (12,)
        assert (got[at + 1 :] == 0).all()
        expected = probe(probed, ends, steps=min(5, at + 1), **options)
        np.testing.assert_allclose(got[: at + 1], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("at", [12, -1])
def test_an_output_that_is_not_there_is_refused(probed, ragged, at, assert_refused):
    words = "`at` must be between 0 and the last timestep (11)", f"at={at}"
    for probe in (state_reach, gradient_reach):
        assert_refused(lambda probe=probe: probe(probed, ragged, at=at), ValueError, *words)


# --- masks -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def padded():
    return np.array([[[1.0, 2], [3, 4], [0, 0]], [[5, 6], [0, 0], [0, 0]]])


REAL = [[True, True, False], [True, False, False]]


def masks_through(*middle, inputs):
    model = keras.Sequential([keras.Input((3, 2)), layers.Masking(), *middle])
    return trace_masks(model, inputs)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(4),
        layers.Dropout(0.5),
        layers.LayerNormalization(),
        layers.GRU(4, return_sequences=True),
        layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_these_layers_keep_the_mask(layer, padded):
    masking, kept = masks_through(layer, inputs=padded)
    assert masking.kind == "Masking"
    assert masking.mask.tolist() == kept.mask.tolist() == REAL
    assert (kept.layer, kept.kind) == (layer.name, type(layer).__name__)
    assert kept.shape == (
        2,
        3,
        2 if isinstance(layer, (layers.Dropout, layers.LayerNormalization)) else 4,
    )


@pytest.mark.parametrize(
    "layer",
    [layers.Flatten(), layers.Conv1D(2, 2), layers.MaxPooling1D(2), layers.Reshape((2, 3))],
    ids=lambda layer: type(layer).__name__,
)
def test_these_layers_lose_the_mask(layer, padded):
    with pytest.warns(UserWarning, match="mask"):
        masking, lost = masks_through(layer, inputs=padded)
    assert masking.mask.tolist() == REAL
    assert lost.mask is None


def test_a_lost_mask_does_not_come_back(padded):
    with pytest.warns(UserWarning, match="mask"):
        *_, dense = masks_through(layers.Conv1D(2, 1), layers.Dense(2), inputs=padded)
    assert dense.mask is None


def test_the_mask_ends_with_the_last_step(padded):
    *_, last = masks_through(layers.LSTM(4), inputs=padded)
    assert (last.shape, last.mask) == ((2, 4), None)


def test_a_functional_model_is_followed_too(padded):
    entry = keras.Input((3, 2))
    masked = layers.Masking()(entry)
    kept = layers.Add()([masked, masked])
    dense = layers.Dense(2)(kept * 2)  # arithmetic loses it in silence
    followed = {row.kind: row.mask for row in trace_masks(keras.Model(entry, dense), padded)}
    assert followed["Masking"].tolist() == followed["Add"].tolist() == REAL
    assert followed["InputLayer"] is followed["Dense"] is None
    assert list(followed) == ["InputLayer", "Masking", "Add", "Multiply", "Dense"]
    assert followed["Multiply"] is None


def test_following_masks_repeats_no_warning(padded):
    with pytest.warns(UserWarning, match="mask"):
        model = keras.Sequential([keras.Input((3, 2)), layers.Masking(), layers.Conv1D(2, 1)])
    trace_masks(model, padded)  # a warning would be an error here


def test_only_what_carries_data_is_listed(padded):
    entry = keras.Input((3, 2))
    mask = layers.Masking().compute_mask(entry)  # two operations of its own
    model = keras.Model(entry, layers.GRU(4, return_sequences=True)(entry, mask=mask))
    assert [row.kind for row in trace_masks(model, padded)] == ["InputLayer", "GRU"]


def test_following_masks_changes_no_state(make_rnn, padded):
    model = make_rnn(4, features=2, stateful=True, batch_size=2)
    around = keras.Sequential([keras.Input((3, 2), 2), model])  # its state is nested
    for traced in (model, around):
        trace_masks(traced, padded)
        np.testing.assert_array_equal(model.layers[0].states[0].numpy(), 0)


def test_a_model_of_one_layer_is_followed(padded):
    (masking,) = trace_masks(keras.Sequential([keras.Input((3, 2)), layers.Masking()]), padded)
    assert (masking.shape, masking.mask.tolist()) == ((2, 3, 2), REAL)


def test_a_model_with_two_inputs_is_followed(padded):
    values, real = keras.Input((3, 2)), keras.Input((3,), dtype="bool")
    each = layers.GRU(4, return_sequences=True)(values, mask=real)
    model = keras.Model([values, real], layers.Add()([each, layers.Dense(4)(each)]))
    rows = trace_masks(model, [padded, np.array(REAL)])
    assert [row.kind for row in rows] == ["InputLayer", "InputLayer", "GRU", "Dense", "Add"]
    masked, other = keras.Input((3, 2)), keras.Input((3, 2))
    model = keras.Model([masked, other], layers.Add()([layers.Masking()(masked), other]))
    rows = {row.kind: row.mask for row in trace_masks(model, [padded, padded])}
    assert rows["Masking"].tolist() == REAL


# --- errors ----------------------------------------------------------------------------------

PROBES = [trace_states, state_reach, gradient_reach]
X = np.ones((2, 4, 3))


@pytest.fixture(scope="module")
def model(make_rnn):
    return make_rnn(2)


@pytest.mark.parametrize("probe", PROBES)
def test_what_is_no_batch_of_sequences_is_refused(model, bad_sequences, probe, assert_refused):
    sequences, error, *words = bad_sequences
    assert_refused(lambda: probe(model, sequences), error, "`sequences", *words)


@pytest.mark.parametrize("probe", PROBES)
def test_steps_that_are_no_whole_number_from_1_up_are_refused(
    model, probe, bad_number, assert_refused
):
    value, error, *words = bad_number
    assert_refused(lambda: probe(model, X, steps=value), error, "`steps` must", *words)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("sequences", "options", "words"),
    [
        (X, {"steps": 5}, ("`steps`", "the longest sequence (4 timesteps)", "steps=5")),
        (X[..., :2], {}, ("`sequences` must have the 3 features", "2 features")),
        (X * 1e39, {}, ("`sequences` must fit the model's dtype (float32)", "overflow")),
    ],
)
def test_what_does_not_fit_the_model_is_refused(
    model, probe, sequences, options, words, assert_refused
):
    assert_refused(lambda: probe(model, sequences, **options), ValueError, *words)


@pytest.mark.parametrize("probe", PROBES)
def test_a_mask_value_in_real_rows_is_refused(make_rnn, probe, assert_refused):
    masking = make_rnn(2, mask_value=1)
    sequences = [X[0] * 2, X[0, :2]]
    words = "`mask_value` must not occur in real timesteps", "2 real timesteps", "row 1, step 0"
    assert_refused(lambda: probe(masking, sequences), ValueError, *words)


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (np.ones((2, 4)), TypeError, ("boolean", "dtype float64")),
        (np.ones((2, 3), bool), ValueError, ("(batch, timesteps) = (2, 4)", "shape (2, 3)")),
        (np.ones((2, 4, 3), bool), ValueError, ("(batch, timesteps) = (2, 4)", "(2, 4, 3)")),
        ([[True], [True, False]], ValueError, ("rectangular", "rows of unequal length")),
    ],
)
def test_what_is_no_mask_for_the_batch_is_refused(model, mask, error, words, assert_refused):
    assert_refused(lambda: trace_states(model, X, mask=mask), error, "`mask` must", *words)


def test_a_mask_for_sequences_of_unequal_length_is_refused(model, assert_refused):
    words = "`mask` must go with a padded batch", "`pad_batch(", "sequences of 2 to 4 timesteps"
    assert_refused(
        lambda: trace_states(model, [X[0], X[0, :2]], mask=np.ones((2, 4), bool)),
        ValueError,
        *words,
    )


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (X[..., :2], ("(None, None, 3)", "shape (2, 4, 2)")),
        (X[0], ("(None, None, 3)", "shape (4, 3)")),
        (X[:0], ("(None, None, 3)", "shape (0, 4, 3)")),
        (X > 0, ("must be numbers", "dtype bool")),
        (X.astype(str), ("must be numbers", "dtype <U")),
        (None, ("must be numbers", "dtype object")),
        ([[[1.0]], [[1.0], [2.0]]], ("rectangular", "rows of unequal length", "`pad_batch(")),
    ],
)
def test_inputs_that_do_not_fit_a_model_are_refused(model, inputs, words, assert_refused):
    assert_refused(lambda: trace_masks(model, inputs), ValueError, "`inputs` must", *words)


def test_a_declared_length_holds_when_masks_are_followed(make_rnn, assert_refused):
    five = make_rnn(2, steps=5)
    words = "`inputs` must be numbers in the shape", "(None, 5, 3)", "shape (2, 4, 3)"
    assert_refused(lambda: trace_masks(five, X), ValueError, *words)


def test_a_model_without_inputs_of_its_own_is_refused(assert_refused):
    class Own(keras.Model):
        def call(self, x):
            return x

    model = Own()
    model(X)
    words = "`model` must be a built Keras model", "Own", "keras.Input"
    assert_refused(lambda: trace_masks(model, X), TypeError, *words)


def test_a_layer_that_another_model_had_before_is_followed(padded):
    shared = layers.GRU(2, return_sequences=True)
    keras.Sequential([keras.Input((None, 2)), shared])
    *_, kept = masks_through(shared, inputs=padded)
    assert (kept.layer, kept.mask.tolist()) == (shared.name, REAL)


def test_a_layer_that_stands_in_two_places_is_followed_through_both(padded):
    entry, shared = keras.Input((3, 2)), layers.Dense(2)
    model = keras.Model(entry, shared(layers.Masking()(shared(entry))))
    rows = trace_masks(model, padded)
    assert [row.kind for row in rows] == ["InputLayer", "Dense", "Masking", "Dense"]
    assert rows[1].mask is None
    assert rows[3].mask is not None


def test_inputs_that_do_not_fit_a_model_of_two_are_refused(assert_refused):
    entries = [keras.Input((3, 2)), keras.Input((3,), dtype="bool")]
    model = keras.Model(entries, layers.GRU(2)(entries[0], mask=entries[1]))
    x, real = np.ones((2, 3, 2)), np.ones((2, 3), bool)
    words = "in the shape of the model's input", "(None, 3, 2), (None, 3)"
    for given in ([x], [x, real, real], [real, x], [x, real.astype(int)], [x, real[:, :2]]):
        assert_refused(lambda given=given: trace_masks(model, given), ValueError, *words)
    words = "`inputs` must be a list of the model's inputs"
    assert_refused(lambda: trace_masks(model, None), TypeError, words)


GRID = np.ones((2, 4, 3, 2))
TOKENS = np.array([[[1, 2, 3, 4], [1, 2, 0, 0], [0, 0, 0, 0]]])
TD = layers.TimeDistributed


@pytest.mark.parametrize(
    ("steps", "inputs", "words"),
    [
        (
            [layers.Masking(), TD(layers.Flatten()), layers.LSTM(5, name="outer")],
            GRID,
            ("LSTM ('outer')", "input of shape (2, 4, 6)", "mask of shape (2, 4, 3)"),
        ),
        (
            [layers.Masking(), layers.ConvLSTM1D(5, 2, name="grid")],
            GRID,
            ("ConvLSTM1D ('grid')", "input of shape (2, 4, 3, 2)", "mask of shape (2, 4, 3)"),
        ),
        (
            [layers.Embedding(5, 3, mask_zero=True), TD(layers.LSTM(7)), layers.LSTM(2, name="b")],
            TOKENS,
            ("LSTM ('b')", "input of shape (1, 3, 7)", "mask of shape (1, 3, 4)"),
        ),
        (
            [layers.Masking(), layers.Dense(1), layers.Softmax(axis=1, name="share")],
            X,
            ("Softmax ('share')", "input of shape (2, 4, 1)", "mask of shape (2, 4)"),
        ),
        (
            [layers.Embedding(5, 3, name="words")],
            np.array([[1, 9]]),
            ("Embedding ('words')", "input of shape (1, 2)", "with no mask"),
        ),
    ],
    ids=["flatten", "convolution", "two levels", "softmax", "no mask"],
)
def test_a_model_that_breaks_is_told_where_with_both_shapes(steps, inputs, words, assert_refused):
    model = keras.Sequential([keras.Input((None, *inputs.shape[2:])), *steps])
    assert_refused(lambda: trace_masks(model, inputs), ValueError, "`model` must run on", *words)


def test_a_mask_by_hand_that_does_not_fit_is_told_with_its_shape(assert_refused):
    entries = [keras.Input((3, 2)), keras.Input((3, 2), dtype="bool")]
    model = keras.Model(entries, layers.GRU(5)(entries[0], mask=entries[1]))
    x = np.ones((1, 3, 2))
    words = "input of shape (1, 3, 2)", "mask of shape (1, 3, 2)"
    assert_refused(lambda: trace_masks(model, [x, x > 0]), ValueError, *words)


def test_a_model_that_breaks_keeps_its_state(assert_refused):
    lstm = layers.LSTM(3, stateful=True, return_sequences=True)
    softmax = layers.Softmax(axis=1)  # wants another mask
    model = keras.Sequential([keras.Input((4, 3), 2), layers.Masking(), lstm, softmax])
    assert_refused(lambda: trace_masks(model, X), ValueError, "Softmax")
    np.testing.assert_array_equal(lstm.states[0].numpy(), 0)


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_the_gradient_reaches_as_far_where_layers_have_a_dtype_of_their_own(dtype, rng):
    def make(dtype):
        layers = keras.layers.LSTM(3, return_sequences=True, dtype=dtype, use_cudnn=False)
        keras.utils.set_random_seed(3)
        dense = keras.layers.Dense(1, dtype=dtype)
        return keras.Sequential([keras.Input((None, 2)), layers, dense])

    sequences, usual = rng.normal(size=(2, 5, 2)), make("float32")
    other = make(dtype)
    other.set_weights(usual.get_weights())
    found, expected = (gradient_reach(each, sequences, steps=2) for each in (other, usual))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert found[-1] > 0.01


def _over_time(x):
    return keras.ops.softmax(x, axis=1)


class _OwnDense(keras.layers.Dense):
    def call(self, x):
        return x - keras.ops.mean(x, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Activation(_over_time),
        keras.layers.Dense(1, activation=_over_time),
        keras.layers.TimeDistributed(keras.layers.Dense(1, activation=_over_time)),
        _OwnDense(3),
    ],
    ids=["Activation", "Dense", "TimeDistributed", "subclass"],
)
def test_a_layer_that_mixes_timesteps_is_refused(layer, rng, assert_refused):
    recurrent = keras.layers.LSTM(3, return_sequences=True, use_cudnn=False)
    model = keras.Sequential([keras.Input((None, 2)), recurrent, layer])
    call = lambda: trace_states(model, rng.normal(size=(2, 5, 2)), steps=2)  # noqa: E731
    assert_refused(call, ValueError, "treat each timestep", "a window's border may cut")


def test_an_activation_of_ones_own_may_stand_in_a_window(rng):
    own = keras.layers.Dense(1, activation=lambda x: 2 * x)
    model = keras.Sequential([keras.Input((None, 2)), keras.layers.LSTM(3, return_sequences=True)])
    model.add(own)
    assert trace_states(model, rng.normal(size=(2, 5, 2)), steps=2).shape == (2, 5, 3)


def graphs():
    gc.collect()
    return sum(issubclass(type(each), FuncGraph) for each in gc.get_objects())


def test_a_model_that_is_gone_takes_its_programs_along(make_rnn, ragged):
    before, model = graphs(), make_rnn(2)
    trace_states(model, ragged, steps=3)
    gradient_reach(model, ragged, steps=3)
    inputs, mask = split_windows(ragged, 3)
    model.compile("adam", "mse")
    train_windows(model, inputs, inputs[..., :1], mask=mask)
    assert graphs() > before
    del model
    assert graphs() <= before


def test_a_model_that_plain_keras_trained_takes_its_programs_along():
    """TensorFlow keeps the graph of a `tf.custom_gradient`, such as a sum over replicas."""
    before, model = graphs(), keras.Sequential([keras.Input((None, 2)), keras.layers.LSTM(3)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 5, 2)), np.ones((4, 3)), verbose=0)
    assert graphs() > before
    del model
    assert graphs() <= before


def test_a_sum_over_replicas_is_left_to_a_strategy_of_ones_own():
    """Only without one is it the value itself."""
    one = tf.constant(1.0)
    whole = lambda: tf.distribute.get_replica_context().all_reduce("SUM", one)  # noqa: E731
    assert tf.distribute.get_strategy().run(whole) is one
    own = tf.distribute.OneDeviceStrategy("CPU:0").run(whole)
    assert own is not one
    assert own == one
