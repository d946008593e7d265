"""Models are what was asked for, and their state is read, set and reset exactly."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers

from helpers.engine import window_step
from helpers.models import build_rnn, get_states, reset_states, set_states
from helpers.probes import gradient_reach, state_reach, trace_masks, trace_states
from helpers.training import predict_windows, train_windows
from helpers.windows import split_windows

BATCH = 3


@pytest.fixture(scope="module")
def stateful(make_rnn, cell, units):
    return make_rnn(units, cell=cell, stateful=True, batch_size=BATCH)


@pytest.fixture
def states(stateful, rng):
    """Distinguishable states for `stateful`, set."""
    values = [rng.uniform(-1, 1, size=s.shape).astype("float32") for s in get_states(stateful)]
    set_states(stateful, values)
    return values


def assert_same(got, expected):
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# --- building ------------------------------------------------------------------------------


def test_a_model_maps_sequences_to_outputs_of_each_timestep_or_the_last(cell, units):
    each = build_rnn(units, features=3, outputs=2, cell=cell)
    last = build_rnn(units, features=3, outputs=2, cell=cell, return_sequences=False)
    assert (each.input_shape, each.output_shape) == ((None, None, 3), (None, None, 2))
    assert (last.input_shape, last.output_shape) == ((None, None, 3), (None, 2))


def test_a_model_declares_the_sizes_it_is_given():
    model = build_rnn(4, features=3, steps=5, batch_size=2, stateful=True, mask_value=-1)
    assert model.input_shape == (2, 5, 3)
    assert [type(layer) for layer in model.layers] == [layers.Masking, layers.LSTM, layers.Dense]
    assert model.layers[0].mask_value == -1
    assert model.layers[1].stateful


def test_the_last_layer_has_the_activation(make_rnn):
    model = make_rnn(4, outputs=5, activation="softmax")
    np.testing.assert_allclose(model(np.ones((2, 3, 3))).numpy().sum(axis=-1), 1, atol=1e-6)


# --- state ---------------------------------------------------------------------------------


def test_states_are_h_of_each_layer_and_c_of_an_lstm(stateful, cell, units):
    each = 2 if cell == "lstm" else 1
    widths = units if isinstance(units, tuple) else (units,)
    expected = [(BATCH, width) for width in widths for _ in range(each)]
    assert [state.shape for state in get_states(stateful)] == expected


def test_states_come_back_as_they_were_set(stateful, states):
    assert_same(get_states(stateful), states)


def test_a_read_state_does_not_change_with_the_model(stateful, states):
    read = get_states(stateful)
    reset_states(stateful)
    assert_same(read, states)


def test_keras_goes_on_from_a_state_that_was_read_and_set_again(stateful, rng):
    first, second = rng.normal(size=(2, BATCH, 4, 3)).astype("float32")
    reset_states(stateful)
    stateful(first)
    between = get_states(stateful)
    expected = np.asarray(stateful(second))
    reset_states(stateful)
    set_states(stateful, between)
    np.testing.assert_array_equal(np.asarray(stateful(second)), expected)


def test_a_reset_model_starts_from_zeros(stateful, states):
    reset_states(stateful)
    assert all((state == 0).all() for state in get_states(stateful))


@pytest.mark.parametrize("rows", [[1], (0, 2), np.array([2]), range(1, 3), 1, [], [-0]])
def test_resetting_rows_leaves_the_others_as_they_are(stateful, states, rows):
    reset_states(stateful, rows=rows)
    chosen = np.isin(np.arange(BATCH), np.atleast_1d(list(rows) if rows != 1 else rows))
    assert_same(get_states(stateful), [np.where(chosen[:, None], 0, state) for state in states])


def test_a_reset_row_reads_the_next_sequence_as_a_fresh_model_does(stateful, states, rng):
    sequence = rng.normal(size=(BATCH, 4, 3)).astype("float32")
    reset_states(stateful, rows=[1])
    kept = np.asarray(stateful(sequence))
    reset_states(stateful)
    fresh = np.asarray(stateful(sequence))
    np.testing.assert_array_equal(kept[1], fresh[1])
    assert np.abs(kept - fresh)[[0, 2]].max(axis=(1, 2)).min() > 1e-3


def test_a_functional_stateful_model_has_its_states_too(stateful, states):
    assert_same(get_states(functional(stateful)), states)


# --- states wherever they are kept -----------------------------------------------------------


def sequential(*middle, shape=(None, 3), batch_size=None):
    return keras.Sequential([keras.Input(shape, batch_size), *middle])


def functional(model):
    return keras.Model(model.inputs, model.outputs)


class Own(keras.Model):
    """Somebody's own model: its layers stand in a dictionary."""

    def __init__(self):
        super().__init__()
        self.parts = {"low": [stateful_gru(4, return_sequences=True)], "high": stateful_gru(2)}

    def call(self, x):
        return self.parts["high"](self.parts["low"][0](x))


def stateful_gru(units, **options):
    return layers.GRU(units, stateful=True, **options)


def stateful_lstm(units, **options):
    return layers.LSTM(units, stateful=True, **options)


def nested():
    lower = keras.Sequential([stateful_lstm(4, return_sequences=True), layers.Dropout(0.5)])
    middle = keras.Sequential([lower, stateful_gru(5, return_sequences=True)])
    top = [stateful_gru(2, return_sequences=True), middle, stateful_lstm(3)]
    return sequential(*top, batch_size=BATCH)


def shared():
    """The same layer in two places: it has one state."""
    x = keras.Input((None, 3), batch_size=BATCH)
    layer = stateful_gru(3, return_sequences=True)
    return keras.Model(x, layer(keras.Sequential([layer])(x)))


def cells():
    stack = [layers.LSTMCell(4), layers.GRUCell(3), layers.SimpleRNNCell(2)]
    return sequential(layers.RNN(stack, stateful=True), batch_size=BATCH)


def some():
    """A layer that is not stateful between two that are."""
    middle = layers.GRU(4, return_sequences=True)
    return sequential(
        stateful_gru(3, return_sequences=True), middle, stateful_lstm(2), batch_size=BATCH
    )


def two_ways():
    return sequential(layers.Bidirectional(stateful_lstm(3)), batch_size=BATCH)


def timesteps_of_timesteps():
    inner = layers.TimeDistributed(stateful_gru(3))
    return sequential(inner, stateful_lstm(2), shape=(4, 5, 3), batch_size=BATCH)


def images():
    layer = layers.ConvLSTM2D(2, 2, stateful=True)
    return sequential(layer, shape=(4, 5, 6, 3), batch_size=BATCH)


def signals():
    low = layers.ConvLSTM1D(2, 2, stateful=True, return_sequences=True)
    middle = layers.TimeDistributed(layers.Flatten())
    return sequential(low, middle, stateful_gru(3), shape=(4, 5, 3), batch_size=BATCH)


def own():
    model = Own()
    model(np.zeros((BATCH, 4, 3), "float32"))
    reset_states(model)
    return model


PLACES = {
    nested: [(3, 2), (3, 4), (3, 4), (3, 5), (3, 3), (3, 3)],
    shared: [(3, 3)],
    cells: [(3, 4), (3, 4), (3, 3), (3, 2)],
    some: [(3, 3), (3, 2), (3, 2)],
    two_ways: [(3, 3)] * 4,
    timesteps_of_timesteps: [(3, 3), (3, 2), (3, 2)],
    images: [(3, 4, 5, 2)] * 2,
    signals: [(3, 4, 2), (3, 4, 2), (3, 3)],
    own: [(3, 4), (3, 2)],
}


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def kept(request, make_trained_like, rng):
    """A model, inputs, Keras' answer to them from zeros, the states then, and its next answer."""
    model = make_trained_like(request.param())
    shape = (2, 3) if request.param is own else model.input_shape[1:]
    x = rng.normal(size=(BATCH, *(axis or 2 for axis in shape))).astype("float32")
    first = model.predict(x, verbose=0)
    states = get_states(model)
    second = model.predict(x, verbose=0)
    assert np.abs(second - first).reshape(BATCH, -1).max(axis=1).min() > 1e-3
    return model, x, first, states, second, PLACES[request.param]


def test_every_state_is_found_in_order_and_can_be_reset_set_and_reset_by_row(kept):
    model, x, first, states, second, shapes = kept
    assert [state.shape for state in states] == shapes
    reset_states(model)
    assert all((state == 0).all() for state in get_states(model))
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)
    set_states(model, states)
    np.testing.assert_array_equal(model.predict(x, verbose=0), second)
    set_states(model, states)
    reset_states(model, rows=[1])
    mixed = model.predict(x, verbose=0)
    np.testing.assert_allclose(mixed[1], first[1], atol=1e-6)
    np.testing.assert_allclose(mixed[[0, 2]], second[[0, 2]], atol=1e-6)


def test_states_go_through_a_file(make_trained_like, rng, tmp_path):
    stack = [stateful_lstm(2, return_sequences=True) for _ in range(6)]  # arr_10 after arr_9
    model = make_trained_like(sequential(*stack, batch_size=BATCH))
    x = rng.normal(size=(BATCH, 2, 3)).astype("float32")
    model.predict(x, verbose=0)
    np.savez(tmp_path / "state.npz", *get_states(model))
    expected = model.predict(x, verbose=0)
    reset_states(model)
    set_states(model, list(np.load(tmp_path / "state.npz").values()))
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_a_wrong_last_state_changes_nothing(kept, assert_refused):
    model, _, _, _, _, shapes = kept
    before = get_states(model)
    wrong = [state + 1 for state in before]
    wrong[-1] = wrong[-1][:2]
    received = f"Received: an array of shape {wrong[-1].shape}."
    words = f"`states[{len(wrong) - 1}]` must", f"units) = {shapes[-1]}", received
    assert_refused(lambda: set_states(model, wrong), ValueError, *words)
    assert_same(get_states(model), before)


def test_the_engine_takes_and_gives_states_in_the_order_of_get_states(stateful, states, rng):
    window = rng.normal(size=(BATCH, 4, 3)).astype("float32")
    window_end = window_step(stateful)(window, states, np.ones((BATCH, 4), bool)).states
    stateful(window)
    for got, expected in zip(window_end, get_states(stateful), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def two_sizes():
    x = keras.Input((4, 3), batch_size=BATCH)
    halves = stateful_gru(2)(keras.ops.reshape(x, (2 * BATCH, 2, 3)))
    return keras.Model(x, stateful_gru(2)(keras.ops.reshape(halves, (BATCH, 2, 2))))


def test_rows_are_refused_where_layers_keep_different_numbers_of_them(assert_refused):
    model, x = two_sizes(), np.ones((BATCH, 4, 3), "float32")
    first = model.predict(x, verbose=0)
    before = get_states(model)
    words = "`rows` must be None", "Received: states of [3, 6] rows."
    assert_refused(lambda: reset_states(model, rows=[1]), ValueError, *words)
    assert_same(get_states(model), before)
    reset_states(model)
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)


# --- the programs kept with a model ----------------------------------------------------------


def test_a_model_that_has_predicted_is_still_saved_and_cloned(make_rnn, ragged, tmp_path):
    model = make_rnn(4)
    windows = split_windows(ragged, 5)
    expected = predict_windows(model, windows.inputs, mask=windows.mask)
    model.save(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for copy in (keras.models.load_model(tmp_path / "model.keras"), clone):
        np.testing.assert_allclose(
            predict_windows(copy, windows.inputs, mask=windows.mask), expected, atol=1e-6
        )


def test_a_program_lives_no_longer_than_its_model(make_rnn, ragged):
    model = make_rnn(4)
    trace_states(model, ragged, steps=5)
    gone = [weakref.ref(model), *(weakref.ref(layer) for layer in model.layers)]
    del model
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3


def test_a_model_with_another_layer_gets_another_program(make_trained_like, ragged):
    model = make_trained_like(
        keras.Sequential([keras.Input((None, 3)), layers.GRU(4, return_sequences=True)])
    )
    inputs, mask = split_windows(ragged, 5)
    assert predict_windows(model, inputs, mask=mask).shape[-1] == 4
    model.add(layers.Dense(2, bias_initializer="ones"))
    got = predict_windows(model, inputs, mask=mask)[0, 1]
    np.testing.assert_allclose(got, np.asarray(model(ragged[1][None]))[0, :5], atol=1e-6)


def test_new_weights_take_effect(make_rnn, make_trained_like, ragged):
    model = make_rnn(4)
    before = trace_states(model, ragged)
    make_trained_like(model, seed=8)
    after = trace_states(model, ragged)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_array_equal(after, trace_states(make_rnn(4, seed=8), ragged))


# --- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["units", "features", "outputs", "steps", "batch_size"])
def test_sizes_must_be_whole_numbers_from_1_up(name, bad_number, assert_refused):
    value, error, *words = bad_number
    sizes = {"units": 3, "features": 2} | {name: value}
    assert_refused(lambda: build_rnn(sizes.pop("units"), **sizes), error, f"`{name}` must", *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"units": []}, ("`units` must name at least one", "units=()")),
        ({"cell": "rnn"}, ("`cell` must be one of 'simple_rnn', 'gru', 'lstm'", "cell='rnn'")),
        ({"stateful": True}, ("`batch_size` must be given with stateful=True", "batch_size=None")),
        ({"mask_value": np.nan}, ("`mask_value` must be one finite number", "mask_value=nan")),
        ({"mask_value": 1e39}, ("`mask_value` must be one finite number", "mask_value=1e+39")),
        ({"mask_value": [0]}, ("`mask_value` must be one finite number", "mask_value=[0]")),
        ({"mask_value": "0"}, ("`mask_value` must be one finite number", "mask_value='0'")),
        ({"activation": "sofmax"}, ("`activation` must be None or", "activation='sofmax'")),
        ({"activation": 3}, ("`activation` must be None or", "activation=3")),
    ],
)
def test_options_that_make_no_model_are_refused(options, words, assert_refused):
    options = {"units": 3, "features": 2} | options
    assert_refused(lambda: build_rnn(options.pop("units"), **options), ValueError, *words)


@pytest.mark.parametrize("name", ["stateful", "return_sequences"])
@pytest.mark.parametrize("value", ["no", 1, None])
def test_flags_are_true_or_false(name, value, assert_refused):
    options = {"features": 2, "batch_size": 2} | {name: value}
    words = f"`{name}` must be True or False", f"Received: {name}={value!r}."
    assert_refused(lambda: build_rnn(3, **options), TypeError, *words)


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        (lambda s: s[:-1], ValueError, "must hold one array for each"),
        (lambda s: [*s, s[0]], ValueError, "must hold one array for each"),
        (lambda s: None, ValueError, "NoneType"),
        (lambda s: 3, ValueError, "int"),
        (lambda s: [*s[:-1], s[-1][:2]], ValueError, "(batch, units) = (3, "),
        (lambda s: [*s[:-1], s[-1][0]], ValueError, "2 axes: (batch, units)"),
        (lambda s: [*s[:-1], [[1.0], [1.0, 2.0]]], ValueError, "rows of unequal length"),
        (lambda s: [*s[:-1], s[-1] * np.nan], ValueError, "finite numbers"),
        (lambda s: [*s[:-1], s[-1] + np.inf], ValueError, "finite numbers"),
        (lambda s: [*s[:-1], s[-1].astype(str)], TypeError, "real numbers"),
        (lambda s: [*s[:-1], s[-1] > 0], TypeError, "dtype bool"),
        (lambda s: [*s[:-1], np.full(s[-1].shape, 1e39)], ValueError, "fit the model's dtype"),
    ],
)
def test_states_are_set_all_or_none(stateful, states, bad, error, words, assert_refused):
    new = bad([state + 1 for state in states])
    assert_refused(lambda: set_states(stateful, new), error, "`states", words)
    assert_same(get_states(stateful), states)


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([0, 3], ValueError, "between 0 and the batch's last row (2). Received: rows=3."),
        ([0, -1], ValueError, "between 0 and the batch's last row (2). Received: rows=-1."),
        ([0, 1.0], TypeError, "rows=1.0"),
        (True, TypeError, "rows=True"),
        (np.array([True, False, True]), TypeError, "rows=np.True_"),
        ("1", TypeError, "rows='1'"),
        ([[0, 1]], TypeError, "rows=[0, 1]"),
    ],
)
def test_rows_are_reset_all_or_none(stateful, states, rows, error, words, assert_refused):
    assert_refused(lambda: reset_states(stateful, rows=rows), error, "`rows` must be", words)
    assert_same(get_states(stateful), states)


def stateful_too_late():
    model = sequential(layers.GRU(2))
    model.layers[0].stateful = True
    return model


@pytest.mark.parametrize(
    ("model", "error", "words"),
    {
        "no model": (None, TypeError, ("must be a Keras model", "Received: NoneType")),
        "no stateful layer": (build_rnn(3, features=3), ValueError, ("a model without a",)),
        "no recurrent layer": (sequential(layers.Dense(2)), ValueError, ("a model without a",)),
        "unbuilt": (
            keras.Sequential([layers.GRU(2, stateful=True, name="late")]),
            ValueError,
            ("must have built its stateful layers", "Received: 'late'", "batch_size=…"),
        ),
        "stateful too late": (stateful_too_late(), ValueError, ("'gru", "never gets one")),
    }.values(),
)
@pytest.mark.parametrize(
    "call",
    [get_states, reset_states, lambda model: set_states(model, [])],
    ids=["get", "reset", "set"],
)
def test_a_model_whose_states_cannot_be_found_is_refused(model, call, error, words, assert_refused):
    assert_refused(lambda: call(model), error, "`model` must", *words)


class OwnGRU(layers.GRU):
    """What a subclass computes is its own business."""


REFUSED = {
    "bidirectional": (
        sequential(layers.Bidirectional(layers.LSTM(2, return_sequences=True))),
        ValueError,
        ("layers that read forwards", "Bidirectional layer", "`model.predict` with a mask"),
    ),
    "backwards": (
        sequential(layers.GRU(2, go_backwards=True, return_sequences=True)),
        ValueError,
        ("layers that read forwards", "GRU layer", "a window's border may cut"),
    ),
    "convolution": (
        sequential(layers.Conv1D(2, 3, padding="same"), layers.LSTM(2, return_sequences=True)),
        ValueError,
        ("`model` must consist of", "Conv1D layer", "a window's border may cut"),
    ),
    "a layer of somebody's own": (
        sequential(OwnGRU(2, return_sequences=True), layers.LSTM(2)),
        ValueError,
        ("`model` must consist of", "OwnGRU layer"),
    ),
    "batch normalisation": (
        sequential(layers.BatchNormalization(), layers.LSTM(2)),
        ValueError,
        ("`model` must consist of", "BatchNormalization layer"),
    ),
    "normalised over time": (
        sequential(layers.LayerNormalization(axis=1), layers.LSTM(2), shape=(4, 3)),
        ValueError,
        ("`model` must consist of", "LayerNormalization layer"),
    ),
    "another layer at each timestep": (
        sequential(layers.TimeDistributed(layers.Flatten()), layers.LSTM(2)),
        ValueError,
        ("`model` must consist of", "TimeDistributed layer"),
    ),
    "a mask too late": (
        sequential(layers.Dense(2), layers.Masking(), layers.LSTM(2)),
        ValueError,
        ("`model` must start with its Masking layer", "in place 1"),
    ),
    "no recurrent layer": (
        sequential(layers.Dense(2)),
        ValueError,
        ("`model` must have a recurrent layer", "a model without one"),
    ),
    "four axes": (
        sequential(layers.TimeDistributed(layers.Flatten()), layers.LSTM(2), shape=(None, 1, 3)),
        ValueError,
        ("`model` must take inputs with 3 axes", "(None, None, 1, 3)"),
    ),
    "unbuilt": (
        keras.Sequential([layers.LSTM(2)]),
        ValueError,
        ("`model` must be built", "keras.Input((None, features))", "no weights yet"),
    ),
    "functional": (
        functional(sequential(layers.LSTM(2))),
        TypeError,
        ("`model` must be a keras.Sequential model", "Received: Functional", "Put its layers into"),
    ),
    "a layer": (layers.LSTM(2), TypeError, ("keras.Sequential model", "Received: LSTM")),
    "None": (None, TypeError, ("keras.Sequential model", "Received: NoneType")),
}
X = np.ones((2, 4, 3))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(
    "call",
    {
        "predict_windows": lambda model: predict_windows(model, X[None]),
        "train_windows": lambda model: train_windows(model, X[None], X[None]),
        "trace_states": lambda model: trace_states(model, X),
        "state_reach": lambda model: state_reach(model, X),
        "gradient_reach": lambda model: gradient_reach(model, X),
    }.values(),
)
def test_models_that_windows_would_make_wrong_are_refused(name, call, assert_refused):
    model, error, words = REFUSED[name]
    assert_refused(lambda: call(model), error, *words)


@pytest.mark.parametrize("name", ["unbuilt", "a layer", "None"])
def test_masks_are_followed_only_through_a_built_model(name, assert_refused):
    model, _, _ = REFUSED[name]
    words = "`model` must be a built Keras model", type(model).__name__
    assert_refused(lambda: trace_masks(model, X), TypeError, *words)
