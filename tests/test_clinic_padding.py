"""Each check rejects its bug with a hint and accepts fixes that differ; the patients are Keras'."""

import re

import keras
import numpy as np
import pytest
from keras import layers

from helpers.lessons import clinic_padding
from helpers.windows import pad_batch
from tests.exercises import ClinicTests

# --- fixes and bugs --------------------------------------------------------------------------


def states_with_masked_zeros(lstm, sequences):
    return lstm(layers.Masking(0.0)(pad_batch(sequences).inputs))


def states_with_padding_read(lstm, sequences):
    return lstm(pad_batch(sequences).inputs)


def states_with_padding_read_first(lstm, sequences):
    return lstm(keras.utils.pad_sequences(sequences, dtype="float32", padding="pre"))


def states_of_whole_numbers(lstm, sequences):
    padded = keras.utils.pad_sequences(sequences, value=-1000, padding="post")
    return lstm(layers.Masking(-1000.0)(padded))


def states_of_whole_numbers_and_padding(lstm, sequences):
    return lstm(keras.utils.pad_sequences(sequences))


def states_with_the_mask(lstm, sequences):
    padded = pad_batch(sequences)
    return lstm(padded.inputs, mask=padded.mask)


def states_with_another_value(lstm, sequences):
    return lstm(layers.Masking(-1000.0)(pad_batch(sequences, value=-1000.0).inputs))


def states_one_by_one(lstm, sequences):
    return np.concatenate([lstm(row[None]) for row in sequences])


def error_of_everything(model, inputs, targets, mask):
    return model.evaluate(inputs, targets, verbose=0)


def error_with_zero_weights(model, inputs, targets, mask):
    return model.evaluate(inputs, targets, sample_weight=mask.astype("float32"), verbose=0)


def error_with_weights_of_mean_one(model, inputs, targets, mask):
    return model.evaluate(inputs, targets, sample_weight=mask / mask.mean(), verbose=0)


def error_of_real_timesteps(model, inputs, targets, mask):
    return np.mean((model.predict(inputs, verbose=0) - targets)[mask] ** 2)


def error_with_weights_of_sum_one(model, inputs, targets, mask):
    return model.evaluate(inputs, targets, sample_weight=mask / mask.sum(), verbose=0)


def error_divided_afterwards(model, inputs, targets, mask):
    return error_with_zero_weights(model, inputs, targets, mask) / mask.mean()


def loss_against_all(model, inputs, targets):
    return model.evaluate(inputs, targets, verbose=0)


def loss_against_the_first(model, inputs, targets):
    return model.evaluate(inputs, targets[:, 0], verbose=0)


def loss_against_the_last(model, inputs, targets):
    return model.evaluate(inputs, targets[:, -1], verbose=0)


def loss_with_numpy(model, inputs, targets):
    return np.mean((model.predict(inputs, verbose=0)[:, 0] - targets[:, -1, 0]) ** 2)


def error_of_each_row_first(model, inputs, targets, mask):
    errors = (model.predict(inputs, verbose=0) - targets)[..., 0] ** 2
    return np.mean([row[real].mean() for row, real in zip(errors, mask, strict=True)])


def root_of_the_error(model, inputs, targets, mask):
    return np.sqrt(error_of_real_timesteps(model, inputs, targets, mask))


def error_masked_in_the_sum(model, inputs, targets, mask):
    return np.mean((model.predict(inputs, verbose=0) - targets) ** 2 * mask[..., None])


def root_of_the_keras_metric(model, inputs, targets, mask):
    metric = keras.metrics.RootMeanSquaredError()
    metric.update_state(targets, model.predict(inputs, verbose=0), sample_weight=mask)
    return float(metric.result()) ** 2


def table_as_sample_weight(model, x, labels, class_weight):
    table = np.array([class_weight[c] for c in range(len(class_weight))])
    return model.evaluate(x, labels, sample_weight=table[labels], verbose=0)


def sample_weight_in_fit(model, x, labels, class_weight):
    weights = np.where(labels == 1, class_weight[1], class_weight[0])
    return model.fit(x, labels, sample_weight=weights, verbose=0).history["loss"][0]


def weighed_with_numpy(model, x, labels, class_weight):
    likely = model.predict(x, verbose=0)
    losses = [
        -class_weight[label] * np.log(likely[row, timestep, label])
        for (row, timestep), label in np.ndenumerate(labels)
    ]
    return np.mean(losses)


def class_weight_in_fit(model, x, labels, class_weight):
    return model.fit(x, labels, class_weight=class_weight, verbose=0).history["loss"][0]


def class_weight_in_order(model, x, labels, class_weight):
    log = model.fit(x, labels, class_weight=class_weight, shuffle=False, verbose=0)
    return log.history["loss"][0]


def class_weight_in_another_order(model, x, labels, class_weight):
    order = np.argsort(labels.argmax(axis=-1), kind="stable")
    one, other = (
        class_weight_in_order(model, x[rows], labels[rows], class_weight)
        for rows in (order, order[::-1])
    )
    assert not np.isclose(one, other)
    return other


def class_weight_by_hand(model, x, labels, class_weight):
    weights = np.array([class_weight.get(int(c), 1.0) for c in labels.argmax(axis=-1)])
    return model.evaluate(x, labels, sample_weight=np.tile(weights, (len(x), 1)), verbose=0)


def not_weighed(model, x, labels, class_weight):
    return model.evaluate(x, labels, verbose=0)


def divided_by_the_weights(model, x, labels, class_weight):
    weights = np.where(labels == 1, class_weight[1], class_weight[0])
    loss = model.evaluate(x, labels, sample_weight=weights, verbose=0)
    return loss / weights.mean()


def loss_with_an_axis_too_few(model, inputs, targets):
    return np.mean((model.predict(inputs, verbose=0) - targets[:, -1, 0]) ** 2)


def loss_of_keras_over_the_last(model, inputs, targets):
    return keras.losses.mean_squared_error(
        targets[:, -1, 0], model.predict(inputs, verbose=0)[:, 0]
    )


# --- the checks ------------------------------------------------------------------------------


class TestExercises(ClinicTests):
    lesson = clinic_padding
    FIXES = {
        "real_error": [
            error_with_weights_of_mean_one,
            error_of_real_timesteps,
            error_divided_afterwards,
            root_of_the_keras_metric,
        ],
        "weighted_loss": [table_as_sample_weight, sample_weight_in_fit, weighed_with_numpy],
        "last_step_loss": [loss_against_the_last, loss_with_numpy, loss_of_keras_over_the_last],
        "last_states": [states_with_the_mask, states_with_another_value, states_one_by_one],
    }
    WRONG = [
        ("real_error", (error_with_zero_weights,), "21 instead of 10"),
        ("real_error", (error_masked_in_the_sum,), "21 instead of 10"),
        ("real_error", (error_of_everything,), "the errors of the padding are counted in"),
        ("real_error", (error_with_weights_of_sum_one,), "that is divided twice"),
        ("real_error", (root_of_the_error,), "that is its root"),
        ("real_error", (error_of_each_row_first,), "you averaged each sequence first"),
        ("real_error", (lambda *_: 1.0,), "The mean over the 10 real timesteps"),
        ("real_error", (lambda *_: "a",), "one number is wanted."),
        ("real_error", (lambda *_: [1, 2],), "one number is wanted. Your shape is (2,)"),
        ("weighted_loss", (class_weight_in_fit,), "that is the loss of `class_weight`"),
        ("weighted_loss", (class_weight_in_order,), "that is the loss of `class_weight`"),
        ("weighted_loss", (class_weight_in_another_order,), "the loss of `class_weight`"),
        ("weighted_loss", (class_weight_by_hand,), "that is the loss of `class_weight`"),
        ("weighted_loss", (not_weighed,), "every label counts once"),
        ("weighted_loss", (divided_by_the_weights,), "divided by the sum of the weights"),
        ("weighted_loss", (lambda *_: 1.0,), "With a weight for each label it is"),
        ("last_step_loss", (loss_against_all,), "compared with all 6 targets"),
        ("last_step_loss", (loss_with_an_axis_too_few,), "have the shape (3, 3)"),
        ("last_step_loss", (loss_against_the_first,), "against the first target"),
        ("last_step_loss", (lambda *_: 9.0,), "Against the last targets"),
        ("last_states", (states_with_masked_zeros,), "real and all zero are still skipped"),
        ("last_states", (states_with_padding_read,), "the padding is read as well"),
        ("last_states", (states_with_padding_read_first,), "the padding is read as well"),
        ("last_states", (states_of_whole_numbers,), "have become whole numbers"),
        ("last_states", (states_of_whole_numbers_and_padding,), "have become whole numbers"),
        ("last_states", (lambda *_: np.zeros((3, 4)),), "not those of the sequences alone"),
        ("last_states", (lambda *_: np.zeros(4),), "your shape is (4,), (3, 4) is wanted"),
    ]


def test_a_fix_may_overwrite_what_it_is_given(answered):
    def careless(lstm, sequences):
        states = states_one_by_one(lstm, sequences)
        for sequence in sequences:
            sequence[:] = 0.0
        return states

    assert answered(clinic_padding.check_last_states, careless) == (True, "Right.")


# --- the explorer ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explorer():
    return clinic_padding.explore_patients()


def lines(explorer):
    (ax,) = explorer.figure.axes
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    shown = explorer.controls["extra"].value + 1
    drawn = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == shown]
    return dict(zip(names, drawn, strict=True))


def choose(explorer, patient, extra):
    explorer.controls["patient"].value = patient
    explorer.controls["extra"].value = extra
    return explorer.words


def sick(patient, extra):
    """The answers, the loss and the RMSE that Keras itself gives for a patient."""
    inputs, targets, mask = clinic_padding._patient_data()
    timesteps = 6 + extra
    inputs, targets, mask = inputs[:, :timesteps], targets[:, :timesteps, None], mask[:, :timesteps]
    lstm = layers.LSTM(4, return_sequences=True, use_cudnn=False)
    masking = [layers.Masking(0.0)] if patient in "CD" else []
    model = keras.Sequential([keras.Input((None, 2)), *masking, lstm, layers.Dense(1)])
    model.set_weights(clinic_padding._filled(104, *model.layers).get_weights())
    rmse = keras.metrics.RootMeanSquaredError()
    weights, metrics, outputs = mask.astype("float32"), {"weighted_metrics": [rmse]}, None
    if patient == "B":
        model.add(layers.Lambda(lambda outputs: outputs[:, -1]))
        targets = targets[range(3), mask.sum(axis=1) - 1]
        weights, outputs = None, model.predict(inputs, verbose=0)
    if patient == "C":
        weights, metrics = None, {"metrics": [rmse]}
    model.compile(loss="mse", **metrics)
    loss, metric = model.evaluate(inputs, targets, sample_weight=weights, verbose=0)
    answers = model.predict(inputs, verbose=0)[mask] if outputs is None else outputs
    return answers.ravel(), loss, metric


@pytest.mark.parametrize("patient", list("ABCD"))
def test_the_patients_are_what_keras_makes_of_them(explorer, patient):
    choose(explorer, patient, 12)
    shown = lines(explorer)
    before, after = sick(patient, 0), sick(patient, 9)
    off = np.abs(after[0] - before[0]).max() / np.abs(before[0]).max()
    expected = 100 * np.array([off, after[1] / before[1] - 1, after[2] / before[2] - 1])
    found = [shown[name][9] for name in ("answers", "loss", "RMSE")]
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_each_patient_is_told_from_the_others(explorer):
    moved = {}
    for patient in "ABCD":
        words = choose(explorer, patient, 12)
        assert words.startswith(f"Patient {patient}, 12 extra timesteps of padding. Answers: ")
        moved[patient] = [part != "no change" for part in re.findall(r": (.+?)\.", words)]
    assert moved == {
        "A": [False, True, False],
        "B": [True, True, True],
        "C": [False, False, True],
        "D": [False, False, False],
    }


@pytest.mark.parametrize("patient", list("ABCD"))
def test_nothing_moves_without_more_padding_and_all_stays_in_the_picture(explorer, patient):
    words = choose(explorer, patient, 0)
    assert words.count("no change") == 3
    assert "0 extra timesteps" in words
    (ax,) = explorer.figure.axes
    assert max(len(set(line.get_xdata())) for line in ax.lines) == 1  # the rest is not shown yet
    assert "1 extra timestep of padding" in choose(explorer, patient, 1)
    choose(explorer, patient, 12)
    assert np.abs(list(lines(explorer).values())).max() < 75


def test_the_padding_slider_changes_picture_alt_and_words(shown, explorer):
    choose(explorer, "A", 0)
    first = shown(explorer)
    choose(explorer, "A", 12)
    last = shown(explorer)
    assert all(now != then for now, then in zip(last, first, strict=True))
    assert last[1] == last[2] == explorer.words


def test_the_positions_show_each_patient_with_more_padding(explorer):
    buttons = explorer.children[0].children[0].children[1:]
    assert [button.description for button in buttons] == [
        f"Patient {name}, padded more" for name in "ABCD"
    ]
    buttons[1].click()
    assert explorer.words.startswith("Patient B, 12 extra timesteps")
