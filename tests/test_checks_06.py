"""Each of the bug clinic's checks rejects its bug, and accepts repairs that differ."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers import checks
from helpers.models import get_states, reset_states, set_states
from helpers.windows import fold_series, pad_batch, sliding_windows, split_windows

EXERCISES = {name: check for name, check in vars(checks).items() if name.startswith("check_06")}


def answered(capsys, name, answer):
    """The verdict of a check, and the words it printed."""
    verdict = EXERCISES[name](answer)
    return bool(verdict), capsys.readouterr().out.strip()


def last_step(units=4, outputs=None):
    parts = [] if outputs is None else [layers.Dense(outputs)]
    return keras.Sequential([keras.Input((None, 2)), layers.LSTM(units), *parts])


def twin_of(model, outputs=None):
    twin = last_step(outputs=outputs)
    twin.set_weights(model.get_weights())
    return twin


# --- state -----------------------------------------------------------------------------------


def ask_on(model, x):
    return model.predict(x, verbose=0)


def ask_after_a_reset(model, x):
    model.layers[0].reset_state()
    return model.predict(x, verbose=0)


def ask_and_reset_afterwards(model, x):
    outputs = model.predict(x, verbose=0)
    model.layers[0].reset_state()
    return outputs


def ask_a_model_without_state(model, x):
    return twin_of(model)(x)


def fit_epochs(model, x, y, epochs):
    model.fit(x, y, batch_size=2, epochs=epochs, shuffle=False, verbose=0)
    return model


def fit_each_epoch_from_zeros(model, x, y, epochs):
    for _ in range(epochs):
        model.layers[0].reset_state()
        model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    return model


def fit_with_a_callback(model, x, y, epochs):
    reset = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: reset_states(model))
    return model.fit(x, y, batch_size=2, epochs=epochs, shuffle=False, verbose=0, callbacks=[reset])


def fit_and_reset_afterwards(model, x, y, epochs):
    for _ in range(epochs):
        model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
        model.layers[0].reset_state()
    return model


def fit_with_a_callback_at_the_end(model, x, y, epochs):
    reset = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: reset_states(model))
    return model.fit(x, y, batch_size=2, epochs=epochs, shuffle=False, verbose=0, callbacks=[reset])


def fit_each_epoch_shuffled(model, x, y, epochs):
    for _ in range(epochs):
        reset_states(model)
        model.fit(x, y, batch_size=2, verbose=0)
    return model


def just_fit(model, x, y):
    model.fit(x, y, batch_size=2, verbose=0)
    return model


def fit_in_order(model, x, y):
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    return model


def train_batch_by_batch(model, x, y):
    for start in range(0, len(x), 2):
        model.train_on_batch(x[start : start + 2], y[start : start + 2])


def fit_reversed(model, x, y):
    return fit_in_order(model, x[::-1], y[::-1])


def random_windows(series, steps, batch_size):
    rng = np.random.default_rng(0)
    starts = rng.integers(
        len(series) - steps, size=(len(series) // steps // batch_size, batch_size)
    )
    return np.stack([[series[s : s + steps] for s in batch] for batch in starts])


def windows_one_after_another(series, steps, batch_size):
    return series.reshape(-1, batch_size, steps, series.shape[-1])


def one_row_again_and_again(series, steps, batch_size):
    n_batches = len(series) // steps // batch_size
    stretch = series[: n_batches * steps].reshape(n_batches, 1, steps, -1)
    return np.repeat(stretch, batch_size, axis=1)


def folded_windows(series, steps, batch_size):
    return split_windows(fold_series(series, batch_size), steps)


def reshaped_windows(series, steps, batch_size):
    return series.reshape(batch_size, -1, steps, series.shape[-1]).swapaxes(0, 1)


def sliced_windows(series, steps, batch_size):
    stretch = len(series) // batch_size
    return [
        [series[row * stretch + start :][:steps] for row in range(batch_size)]
        for start in range(0, stretch, steps)
    ]


def just_evaluate(model, x, y):
    return model.evaluate(x, y, batch_size=2, verbose=0)


def evaluate_from_zeros(model, x, y):
    reset_states(model)
    return model.evaluate(x, y, batch_size=2, verbose=0)


def evaluate_between(model, x, y):
    states = get_states(model)
    reset_states(model)
    loss = model.evaluate(x, y, batch_size=2, verbose=0)
    set_states(model, states)
    return loss


def evaluate_with_plain_keras(model, x, y):
    states = [state.numpy() for state in model.layers[0].states]
    model.layers[0].reset_state()
    loss = model.evaluate(x, y, batch_size=2, verbose=0)
    for variable, state in zip(model.layers[0].states, states, strict=True):
        variable.assign(state)
    return loss


def evaluate_another_model(model, x, y):
    other = keras.Sequential(
        [keras.Input((None, 2), batch_size=2), layers.LSTM(4, stateful=True), layers.Dense(1)]
    )
    other.set_weights(model.get_weights())
    other.compile(loss="mse")
    return other.evaluate(x, y, batch_size=2, verbose=0)


def predict_in_batches_of_4(model, x):
    return model.predict(x, batch_size=4, verbose=0)


def cut_to_the_rows(model, x):
    model.layers[0].reset_state()
    return model.predict(x, batch_size=4, verbose=0)[: len(x)]


def fill_up_reset_and_cut(model, x):
    filled = np.resize(x, (-(-len(x) // 4) * 4, *x.shape[1:]))
    outputs = []
    for start in range(0, len(filled), 4):
        model.layers[0].reset_state()
        outputs.append(model.predict_on_batch(filled[start : start + 4]))
    return np.concatenate(outputs)[: len(x)]


def fill_up_cut_and_reset_afterwards(model, x):
    filled = np.resize(x, (-(-len(x) // 4) * 4, *x.shape[1:]))
    outputs = []
    for start in range(0, len(filled), 4):
        outputs.append(model.predict_on_batch(filled[start : start + 4]))
        model.layers[0].reset_state()
    return np.concatenate(outputs)[: len(x)]


def window_after_window(layer, windows):
    return np.concatenate([layer(window) for window in windows], axis=1)


def window_after_window_from_zeros(layer, windows):
    layer.reset_state()
    return window_after_window(layer, windows)


def one_long_pass(layer, windows):
    layer.reset_state()
    return layer(np.concatenate(list(windows), axis=1))


def each_half_from_its_end(layer, windows):
    layer.reset_state()
    forward = [layer.forward_layer(window) for window in windows]
    backward = [layer.backward_layer(window)[:, ::-1] for window in windows[::-1]][::-1]
    return np.concatenate([np.concatenate(half, axis=1) for half in (forward, backward)], axis=-1)


def long_pass_from_the_old_state(layer, windows):
    return layer(np.concatenate(list(windows), axis=1))


# --- padding ---------------------------------------------------------------------------------


def pad_as_integers(sequences):
    return keras.utils.pad_sequences(sequences, padding="post")


def pad_in_front(sequences):
    return keras.utils.pad_sequences(sequences, dtype="float32")


def pad_as_floats(sequences):
    return keras.utils.pad_sequences(sequences, dtype="float32", padding="post")


def pad_with_helpers(sequences):
    return pad_batch([np.array(row)[:, None] for row in sequences]).inputs


def pad_by_hand(sequences):
    padded = np.zeros((len(sequences), max(map(len, sequences))))
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = sequence
    return padded


def states_with_masked_zeros(lstm, sequences):
    return lstm(layers.Masking(0.0)(pad_batch(sequences).inputs))


def states_with_padding_read(lstm, sequences):
    return lstm(pad_batch(sequences).inputs)


def states_with_the_mask(lstm, sequences):
    padded = pad_batch(sequences)
    return lstm(padded.inputs, mask=padded.mask)


def states_with_another_value(lstm, sequences):
    return lstm(layers.Masking(-1000.0)(pad_batch(sequences, value=-1000.0).inputs))


def states_one_by_one(lstm, sequences):
    return np.concatenate([lstm(row[None]) for row in sequences])


def last_column(model, inputs, mask):
    return model.predict(inputs, verbose=0)[:, -1]


def column_of_the_last_real_timestep(model, inputs, mask):
    return model.predict(inputs, verbose=0)[np.arange(len(inputs)), mask.sum(axis=1) - 1]


def last_column_under_the_mask(model, inputs, mask):
    return model(inputs, mask=mask)[:, -1]


def last_output_row_by_row(model, inputs, mask):
    return [model(row[real][None])[0, -1] for row, real in zip(inputs, mask, strict=True)]


def error_of_everything(model, inputs, targets, mask):
    return model.evaluate(inputs, targets, verbose=0)


def error_with_zero_weights(model, inputs, targets, mask):
    return model.evaluate(inputs, targets, sample_weight=mask.astype("float32"), verbose=0)


def error_with_weights_of_mean_one(model, inputs, targets, mask):
    return model.evaluate(inputs, targets, sample_weight=mask / mask.mean(), verbose=0)


def error_of_real_timesteps(model, inputs, targets, mask):
    return np.mean((model.predict(inputs, verbose=0) - targets)[mask] ** 2)


def error_divided_afterwards(model, inputs, targets, mask):
    return error_with_zero_weights(model, inputs, targets, mask) / mask.mean()


def rmse_as_metric(model, inputs, targets, mask):
    return model.evaluate(inputs, targets, verbose=0)[1]


def rmse_as_weighted_metric_without_weights(model, inputs, targets, mask):
    model.compile(loss="mse", weighted_metrics=[keras.metrics.RootMeanSquaredError()])
    return model.evaluate(inputs, targets, verbose=0)[1]


def rmse_as_weighted_metric(model, inputs, targets, mask):
    model.compile(loss="mse", weighted_metrics=[keras.metrics.RootMeanSquaredError()])
    return model.evaluate(inputs, targets, sample_weight=mask, verbose=0)[1]


def rmse_of_a_metric_with_weights(model, inputs, targets, mask):
    metric = keras.metrics.RootMeanSquaredError()
    metric.update_state(targets, model.predict(inputs, verbose=0), sample_weight=mask)
    return metric.result()


def root_of_the_loss(model, inputs, targets, mask):
    return np.sqrt(model.evaluate(inputs, targets, verbose=0)[0])


# --- targets ---------------------------------------------------------------------------------


def loss_against_all(model, inputs, targets):
    return model.evaluate(inputs, targets, verbose=0)


def loss_against_the_first(model, inputs, targets):
    return model.evaluate(inputs, targets[:, 0], verbose=0)


def loss_against_the_last(model, inputs, targets):
    return model.evaluate(inputs, targets[:, -1], verbose=0)


def loss_with_numpy(model, inputs, targets):
    return np.mean((model.predict(inputs, verbose=0)[:, 0] - targets[:, -1, 0]) ** 2)


def series_twice(series, steps):
    return keras.utils.timeseries_dataset_from_array(series, series, sequence_length=steps)


def last_value_of_the_window(series, steps):
    inputs = sliding_windows(series, steps).inputs
    return inputs, inputs[:, -1]


def as_once_documented(series, steps):
    return keras.utils.timeseries_dataset_from_array(
        series[:-steps], series[steps:], sequence_length=steps
    )


def later_targets(series, steps):
    return keras.utils.timeseries_dataset_from_array(series, series[steps:], sequence_length=steps)


def later_targets_shuffled(series, steps):
    return keras.utils.timeseries_dataset_from_array(
        series, series[steps:], sequence_length=steps, shuffle=True, seed=0
    )


def windows_in_a_loop(series, steps):
    starts = range(len(series) - steps)
    return np.stack([series[i : i + steps] for i in starts]), series[steps:]


# --- the claims ------------------------------------------------------------------------------

# For each check: the bug, and repairs that differ.
CASES = {
    "check_06_requests": (ask_on, [ask_after_a_reset, ask_a_model_without_state]),
    "check_06_epochs": (fit_epochs, [fit_each_epoch_from_zeros, fit_with_a_callback]),
    "check_06_shuffle": (just_fit, [fit_in_order, train_batch_by_batch]),
    "check_06_batches": (random_windows, [folded_windows, reshaped_windows, sliced_windows]),
    "check_06_validation": (
        just_evaluate,
        [evaluate_between, evaluate_with_plain_keras, evaluate_another_model],
    ),
    "check_06_rows": (predict_in_batches_of_4, [fill_up_reset_and_cut, ask_a_model_without_state]),
    "check_06_both_directions": (window_after_window, [one_long_pass, each_half_from_its_end]),
    "check_06_fractions": (pad_as_integers, [pad_as_floats, pad_with_helpers, pad_by_hand]),
    "check_06_silence": (
        states_with_masked_zeros,
        [states_with_the_mask, states_with_another_value, states_one_by_one],
    ),
    "check_06_last_output": (
        last_column,
        [
            column_of_the_last_real_timestep,
            last_column_under_the_mask,
            last_output_row_by_row,
        ],
    ),
    "check_06_divisor": (
        error_with_zero_weights,
        [error_with_weights_of_mean_one, error_of_real_timesteps, error_divided_afterwards],
    ),
    "check_06_metric": (
        rmse_as_metric,
        [rmse_as_weighted_metric, rmse_of_a_metric_with_weights, root_of_the_loss],
    ),
    "check_06_many_targets": (loss_against_all, [loss_against_the_last, loss_with_numpy]),
    "check_06_next_value": (
        series_twice,
        [sliding_windows, later_targets, later_targets_shuffled, windows_in_a_loop],
    ),
}
REPAIRS = [(name, repair) for name, (_, repairs) in CASES.items() for repair in repairs]
# What goes wrong in another way, or is repaired by half; and what the check says.
WRONG = [
    ("check_06_requests", ask_on, "still depends on what the model was asked before"),
    ("check_06_requests", ask_and_reset_afterwards, "what the model was asked before"),
    ("check_06_epochs", fit_epochs, "the state that the one before left"),
    ("check_06_epochs", fit_and_reset_afterwards, "Is each epoch one pass, from zeros"),
    ("check_06_epochs", fit_with_a_callback_at_the_end, "Is each epoch one pass, from zeros"),
    ("check_06_epochs", fit_each_epoch_shuffled, "the weights are others"),
    ("check_06_shuffle", just_fit, "Which rows came in the first batch?"),
    ("check_06_shuffle", fit_reversed, "one epoch in order"),
    ("check_06_batches", random_windows, "In batch 0 that row ended at"),
    ("check_06_batches", windows_one_after_another, "row 0 of batch 1 starts at timestep 6"),
    ("check_06_batches", one_row_again_and_again, "of them are used"),
    ("check_06_batches", lambda series, *_: series, "is wanted"),
    ("check_06_batches", lambda s, n, b: reshaped_windows(s[::-1], n, b), "timesteps in a row"),
    ("check_06_validation", just_evaluate, "From which state does the validation start?"),
    ("check_06_validation", evaluate_from_zeros, "the state is not what it was before"),
    ("check_06_rows", predict_in_batches_of_4, "your shape is (8, 4), (5, 4) is wanted"),
    ("check_06_rows", cut_to_the_rows, "row 4 is not what it gives alone"),
    ("check_06_rows", fill_up_cut_and_reset_afterwards, "row 0 is not what it gives alone"),
    ("check_06_both_directions", window_after_window, "Does everything start from zeros"),
    ("check_06_both_directions", window_after_window_from_zeros, "the backward half still reads"),
    ("check_06_both_directions", long_pass_from_the_old_state, "Does everything start from zeros"),
    ("check_06_fractions", pad_as_integers, "the fractions are cut off"),
    ("check_06_fractions", pad_in_front, "Every number as it was, then zeros"),
    ("check_06_silence", states_with_masked_zeros, "real and all zero are still skipped"),
    ("check_06_silence", states_with_padding_read, "Is padding read, too?"),
    ("check_06_last_output", last_column, "At which timestep does each of them end?"),
    ("check_06_divisor", error_of_everything, "the errors of the padding are counted in"),
    ("check_06_divisor", error_with_zero_weights, "21 instead of 10"),
    ("check_06_divisor", lambda *_: 1.0, "The mean over the 10 real timesteps"),
    ("check_06_metric", rmse_as_metric, "the padding is still counted"),
    ("check_06_metric", rmse_as_weighted_metric_without_weights, "the padding is still counted"),
    ("check_06_metric", lambda *_: 1.0, "over the 10 real timesteps"),
    ("check_06_many_targets", loss_against_all, "compared with all 6 targets"),
    ("check_06_many_targets", loss_against_the_first, "Against the last targets"),
    ("check_06_next_value", series_twice, "a target stands -3 timesteps after the end"),
    ("check_06_next_value", last_value_of_the_window, "a target stands 0 timesteps after"),
    ("check_06_next_value", as_once_documented, "13 windows are there, and 16"),
    ("check_06_next_value", lambda s, n: sliding_windows(s[::-1], n), "timesteps in a row"),
    ("check_06_next_value", lambda s, n: sliding_windows(s, n + 1), "the shapes are (15, 5, 1)"),
]


def test_every_bug_has_its_case_here():
    assert set(CASES) == set(EXERCISES)
    assert len(CASES) == 14
    assert all(len(repairs) >= 2 for _, repairs in CASES.values())
    rejected = {(name, answer) for name, answer, _ in WRONG}
    assert {(name, bug) for name, (bug, _) in CASES.items()} <= rejected


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_the_bug_is_rejected_with_a_hint(capsys, name, answer, hint):
    right, words = answered(capsys, name, answer)
    assert not right
    assert words.startswith("Not yet: ")
    assert hint in words
    assert "raised" not in words
    assert "cannot be read" not in words


@pytest.mark.parametrize(("name", "repair"), REPAIRS)
def test_a_repair_is_accepted(capsys, name, repair):
    assert answered(capsys, name, repair) == (True, "Right.")


@pytest.mark.parametrize("blank", [None, ...])
@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_left_as_it_is_is_not_answered_yet(capsys, name, blank):
    assert answered(capsys, name, lambda *_: blank) == (False, "Not answered yet.")


def fails(*_):
    raise KeyError("a mistake of mine")


ODD = [0, "a", [[1], [1, 2]], {8: "a"}, object(), ("a",) * 2, ([], []), np.full((2, 6), "a"), fails]


@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_makes_a_check_raise(capsys, name):
    for odd in ODD:
        for answer in (odd, lambda *_, odd=odd: odd):
            right, words = answered(capsys, name, answer)
            assert not right
            assert words
