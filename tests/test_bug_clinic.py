"""Each check of the bug clinic rejects its bug with a hint, and accepts fixes that differ.

Whose state a window starts from is compared with what a stateful Keras layer says.
"""

import keras
import numpy as np
import pytest
from keras import layers

from helpers.lessons import bug_clinic
from helpers.models import get_states, reset_states, set_states
from helpers.windows import fold_series, pad_batch, sliding_windows, split_windows
from tests.exercises import ExerciseTests
from tests.pictures import rectangles

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
    twin = keras.Sequential([keras.Input((None, 2)), layers.LSTM(4)])
    twin.set_weights(model.get_weights())
    return twin.predict(x, verbose=0)


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


# --- the checks ------------------------------------------------------------------------------

# Fixes that differ; the first is the lesson's solution.
FIXES = {
    "requests": [ask_after_a_reset, ask_a_model_without_state],
    "epochs": [fit_each_epoch_from_zeros, fit_with_a_callback],
    "shuffle": [fit_in_order, train_batch_by_batch],
    "batches": [folded_windows, reshaped_windows, sliced_windows],
    "validation": [evaluate_between, evaluate_with_plain_keras, evaluate_another_model],
    "rows": [ask_a_model_without_state, fill_up_reset_and_cut],
    "both_directions": [one_long_pass, each_half_from_its_end],
    "fractions": [pad_as_floats, pad_with_helpers, pad_by_hand],
    "silence": [states_with_the_mask, states_with_another_value, states_one_by_one],
    "last_output": [
        column_of_the_last_real_timestep,
        last_column_under_the_mask,
        last_output_row_by_row,
    ],
    "divisor": [
        error_with_weights_of_mean_one,
        error_of_real_timesteps,
        error_divided_afterwards,
    ],
    "metric": [rmse_of_a_metric_with_weights, rmse_as_weighted_metric, root_of_the_loss],
    "many_targets": [loss_against_the_last, loss_with_numpy],
    "next_value": [later_targets, later_targets_shuffled, sliding_windows, windows_in_a_loop],
}


class TestExercises(ExerciseTests):
    lesson = bug_clinic
    RIGHT = {name: fixes[:1] for name, fixes in FIXES.items()}
    WRONG = [  # the first of each check is the lesson's bug
        ("requests", (ask_on,), "still depends on what the model was asked before"),
        ("requests", (ask_and_reset_afterwards,), "what the model was asked before"),
        ("requests", (lambda *_: "a",), "an array of numbers with the shape (3, 4) is wanted"),
        ("epochs", (fit_epochs,), "the state that the one before left"),
        ("epochs", (fit_and_reset_afterwards,), "Is each epoch one pass, from zeros"),
        ("epochs", (fit_with_a_callback_at_the_end,), "Is each epoch one pass, from zeros"),
        ("epochs", (fit_each_epoch_shuffled,), "the weights are others"),
        ("epochs", (lambda *_: 1.0,), "return the model"),
        ("shuffle", (just_fit,), "Which rows came in the first batch?"),
        ("shuffle", (fit_reversed,), "one epoch in order"),
        ("batches", (random_windows,), "In batch 0 that row ended at"),
        ("batches", (windows_one_after_another,), "row 0 of batch 1 starts at timestep 6"),
        ("batches", (one_row_again_and_again,), "of them are used"),
        ("batches", (lambda series, *_: series,), "your shape is (24, 1), (4, 2, 3, 1) is wanted"),
        ("batches", (lambda s, n, b: reshaped_windows(s[::-1], n, b),), "timesteps in a row"),
        ("validation", (just_evaluate,), "From which state does the validation start?"),
        ("validation", (evaluate_from_zeros,), "the state is not what it was before"),
        ("rows", (predict_in_batches_of_4,), "your shape is (8, 4), (5, 4) is wanted"),
        ("rows", (cut_to_the_rows,), "row 4 is not what it gives alone"),
        ("rows", (fill_up_cut_and_reset_afterwards,), "row 0 is not what it gives alone"),
        ("both_directions", (window_after_window,), "Does everything start from zeros"),
        ("both_directions", (window_after_window_from_zeros,), "the backward half still reads"),
        ("both_directions", (long_pass_from_the_old_state,), "Does everything start from zeros"),
        ("fractions", (pad_as_integers,), "the fractions are cut off"),
        ("fractions", (pad_in_front,), "Every number as it was, then zeros"),
        ("silence", (states_with_masked_zeros,), "real and all zero are still skipped"),
        ("silence", (states_with_padding_read,), "Is padding read, too?"),
        ("last_output", (last_column,), "At which timestep does each of them end?"),
        ("divisor", (error_with_zero_weights,), "21 instead of 10"),
        ("divisor", (error_of_everything,), "the errors of the padding are counted in"),
        ("divisor", (lambda *_: 1.0,), "The mean over the 10 real timesteps"),
        ("divisor", (lambda *_: "a",), "one number is wanted."),
        ("divisor", (lambda *_: [1, 2],), "one number is wanted. Your shape is (2,)"),
        ("metric", (rmse_as_metric,), "the padding is still counted"),
        ("metric", (rmse_as_weighted_metric_without_weights,), "the padding is still counted"),
        ("metric", (lambda *_: 1.0,), "over the 10 real timesteps"),
        ("many_targets", (loss_against_all,), "compared with all 6 targets"),
        ("many_targets", (loss_against_the_first,), "Against the last targets"),
        ("next_value", (series_twice,), "a target stands -3 timesteps after the end"),
        ("next_value", (last_value_of_the_window,), "a target stands 0 timesteps after"),
        ("next_value", (as_once_documented,), "13 windows are there, and 16"),
        ("next_value", (lambda s, n: sliding_windows(s[::-1], n),), "timesteps in a row"),
        ("next_value", (lambda s, n: sliding_windows(s, n + 1),), "the shapes are (15, 5, 1)"),
        ("next_value", (lambda s, n: (s, s[1:]),), "each window needs one target"),
        ("next_value", (lambda s, n: ([], []),), "each window needs one target"),
        ("next_value", (lambda s, n: s,), "return a pair"),
    ]

    def test_a_wrong_answer_is_told_what_is_off(self, answered, name, answer, hint):
        right, words = answered(self.check(name), *answer)
        assert not right
        assert words.startswith("Not yet: ")
        assert hint in words
        assert words.split() == words.split(" ")  # one line, whatever the breaks in the code
        assert "raised" not in words
        assert "cannot be read" not in words


CHECKS = {name: getattr(bug_clinic, f"check_{name}") for name in FIXES}


@pytest.mark.parametrize(
    ("name", "fix"), [(name, fix) for name, fixes in FIXES.items() for fix in fixes[1:]]
)
def test_another_fix_is_right_too(answered, name, fix):
    assert answered(CHECKS[name], fix) == (True, "Right.")


@pytest.mark.parametrize("name", [name for name in CHECKS if name != "shuffle"])
def test_what_is_right_for_the_first_case_only_is_rejected(answered, name):
    (bug,) = next(answer for check, answer, _ in TestExercises.WRONG if check == name)
    answers = iter(FIXES[name][:1])
    right, words = answered(CHECKS[name], lambda *given: next(answers, bug)(*given))
    assert not right
    assert words.startswith("Not yet: ")


@pytest.mark.parametrize(
    ("name", "fix"), [("silence", states_one_by_one), ("many_targets", loss_with_numpy)]
)
def test_a_fix_may_overwrite_what_it_is_given(answered, name, fix):
    def careless(model, *data):
        answer = fix(model, *data)
        for array in keras.tree.flatten(list(data)):
            array[:] = 0.0
        return answer

    assert answered(CHECKS[name], careless) == (True, "Right.")


# --- the explorer ----------------------------------------------------------------------------

STRETCHES = "a stretch for each row"
ORDERS = ["in order", "shuffled", "at random", STRETCHES]


@pytest.fixture(scope="module")
def explorer():
    return bug_clinic.explore_batches()


@pytest.fixture
def deal(explorer):
    """A function that deals the 24 windows out, and reads (n_batches, batch) off the picture."""

    def deal(batch_size, order):
        explorer.controls["batch_size"].value = batch_size
        explorer.controls["order"].value = order
        (ax,) = explorer.figure.axes
        windows = np.full((24 // batch_size, batch_size), -1)
        assert len(ax.texts) == windows.size
        for text in ax.texts:
            windows[text.get_position()] = text.get_text()
        return windows

    return deal


def cells(explorer):
    """The (batch, row) of the cells that look as each name in the legend does."""
    (ax,) = explorer.figure.axes
    found = {}
    for text, patch in zip(ax.get_legend().get_texts(), ax.get_legend().get_patches(), strict=True):
        style = {"facecolor": patch.get_facecolor(), "hatch": patch.get_hatch()}
        boxes = rectangles(ax, style)
        found[text.get_text()] = {(round(x + 0.5), round(y + 0.45)) for x, y, _, _ in boxes}
    return found


@pytest.mark.parametrize("order", ORDERS)
def test_every_batch_is_full_and_only_windows_of_the_series_are_dealt(deal, order):
    for batch_size in range(1, 9):
        windows = deal(batch_size, order)
        assert set(windows.ravel()) <= set(range(24))
        if order != "at random":
            assert len(np.unique(windows)) == windows.size


@pytest.mark.parametrize("batch_size", [1, 2, 3, 6])
def test_a_stretch_for_each_row_carries_as_one_long_pass(deal, rng, batch_size):
    series = rng.normal(size=(24, 3, 2)).astype("float32")  # 24 windows of 3 timesteps
    stateful = layers.SimpleRNN(4, stateful=True)
    outputs = [np.array(stateful(series[batch])) for batch in deal(batch_size, STRETCHES)]
    whole = layers.SimpleRNN(4, return_sequences=True)
    stretches = series.reshape(batch_size, -1, 2)
    whole.build(stretches.shape)
    whole.set_weights(stateful.get_weights())
    ends = np.array(whole(stretches))[:, 2::3]  # (row, n_batches, units)
    np.testing.assert_allclose(np.stack(outputs, axis=1), ends, atol=1e-5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("batch_size", [1, 4, 5])
def test_a_window_starts_where_a_stateful_layer_says(explorer, deal, batch_size, order):
    initial = {"kernel_initializer": "ones", "recurrent_initializer": "zeros"}
    counting = layers.SimpleRNN(1, activation=None, stateful=True, **initial)
    windows = deal(batch_size, order)
    before = np.full(windows.shape, np.nan)  # the window that the state knows when one is read
    for k, batch in enumerate(windows[:-1]):
        counting(batch[:, None, None].astype("float32"))
        before[k + 1] = counting.states[0].numpy()[:, 0]
    first, right = np.isnan(before), before == windows - 1
    names = ("starts from zeros", "from the window before", "from another window")
    kinds = (first, right, ~first & ~right)
    assert cells(explorer) == {
        name: set(map(tuple, np.argwhere(kind).tolist()))
        for name, kind in zip(names, kinds, strict=True)
    }
    _, n_right, n_other = (kind.sum() for kind in kinds)
    start = f"Of the {n_right + n_other} windows after it, {n_right} start from the state of the"
    assert f"{start} window before, {n_other} from the state of another" in explorer.words


@pytest.mark.parametrize("order", ORDERS)
def test_moving_from_end_to_end_changes_picture_alt_and_words(shown, explorer, deal, order):
    deal(1, order)
    first = shown(explorer)
    deal(8, order)
    last = shown(explorer)
    assert all(now != then for now, then in zip(last, first, strict=True))
    assert last[1] == last[2] == explorer.words
    deal(1, order)
    assert shown(explorer) == first


def test_in_order_is_right_for_a_batch_size_of_1_only(explorer, deal):
    deal(1, "in order")
    assert "23 start from the state of the window before, 0 from" in explorer.words
    for batch_size in range(2, 9):
        deal(batch_size, "in order")
        assert " 0 start from the state of the window before" in explorer.words


def test_windows_that_fill_no_batch_are_counted(explorer, deal):
    deal(5, "in order")
    assert explorer.words.endswith("4 windows fill no batch.")
    deal(4, "in order")
    assert explorer.words.endswith("another window.")
