"""The exercises of lesson 05."""

import warnings

import numpy as np

from helpers.exercises import AnswerError, answer_of, feedback, filled_in
from helpers.windows import length_mask


@feedback
def check_masked_mse(function):
    """Say whether `function(targets, predictions, mask)` is the mean over the real timesteps."""
    rng = np.random.default_rng(50)
    for lengths, padding in (([7, 12, 4], "post"), ([3, 1], "pre"), ([5, 5], "post")):
        mask = length_mask(lengths, max(lengths) + 1, padding=padding)
        targets, predictions = rng.normal(size=(2, *mask.shape))
        squares = (targets - predictions) ** 2
        of = f"for lengths of {lengths} padded to {mask.shape[1]} "
        answer = answer_of(function, targets.copy(), predictions.copy(), mask.copy(), of=of)
        answer = np.asarray(answer, dtype=float)
        if answer.ndim:
            raise AnswerError(f"Not yet: one number is wanted, your shape is {answer.shape}.")
        if np.isclose(answer, squares[mask].mean()):
            continue
        if np.isclose(answer, squares.mean()):
            raise AnswerError("Not yet: the errors in the padding are in your mean.")
        if np.isclose(answer, np.where(mask, squares, 0).mean()):
            raise AnswerError(
                "Not yet: the sum is right. You divided it by all timesteps, not by the real ones."
            )
        means = [row[real].mean() for row, real in zip(squares, mask, strict=True)]
        if np.isclose(answer, np.mean(means)):
            raise AnswerError(
                "Not yet: you averaged each sequence first, so a timestep of a short one counts "
                "more. Take all real timesteps together."
            )
        raise AnswerError(f"Not yet: {of}yours gives {answer:.4f}, which is off.")


@feedback
def check_reader(function):
    """Say whether `function()` builds the reader, with a mask that reaches its LSTM."""
    import keras  # TensorFlow loads here, not with the checks

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mask may die on the way, if another one arrives
        model = answer_of(function)
        if not isinstance(model, keras.Model):
            raise AnswerError(f"Not yet: a model is wanted, yours is a {type(model).__name__}.")
        conv, lstm = (_only_layer(model, kind) for kind in (keras.layers.Conv1D, keras.layers.LSTM))
        rng = np.random.default_rng(51)
        model.set_weights([0.6 * rng.normal(size=w.shape) for w in model.get_weights()])
        sequences = [rng.normal(size=(n, 3)).astype("float32") for n in (6, 9, 2)]
        batch = np.zeros((3, 11, 3), "float32")
        for row, sequence in zip(batch, sequences, strict=True):
            row[: len(sequence)] = sequence
        answer = np.asarray(model(batch))
        if answer.shape != (3, 4):
            raise AnswerError(
                "Not yet: one output of the LSTM for each sequence is wanted, (batch, units) = "
                f"(3, 4). Yours is {answer.shape}."
            )
        causal = keras.layers.Conv1D(4, 3, padding="causal")
        causal.build((None, None, 3))
        causal.set_weights(conv.get_weights())
        expected = np.concatenate([lstm(causal(2 * x[None])) for x in sequences])
        alone = np.concatenate([model(x[None]) for x in sequences])
    if not np.allclose(alone, expected, atol=1e-4):
        raise AnswerError(
            "Not yet: the model computes something else. Double the input, then `Conv1D`, looking "
            "back only, then the LSTM."
        )
    if not np.allclose(answer, expected, atol=1e-4):
        raise AnswerError(
            "Not yet: a padded sequence gets another answer than it gets alone. Does the LSTM get "
            "a mask, and is it that of the input?"
        )


def _only_layer(model, kind):
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    if len(found) != 1:
        raise AnswerError(f"Not yet: one {kind.__name__} is wanted. Yours has {len(found)}.")
    return found[0]


@feedback
def check_last_real(layer_class):
    """Say whether `layer_class()` picks each row's last real timestep by the mask."""
    import keras  # TensorFlow loads here, not with the checks

    rng = np.random.default_rng(52)
    layer = answer_of(filled_in(layer_class))
    if not isinstance(layer, keras.layers.Layer):
        raise AnswerError(f"Not yet: a layer is wanted, yours makes a {type(layer).__name__}.")
    for padding in ("post", "pre"):
        mask = length_mask([3, 6, 1, 5], 8, padding=padding)
        x = (1 + rng.random(size=(*mask.shape, 2))).astype("float32")  # the mask alone tells
        expected = np.stack([rows[real][-1] for rows, real in zip(x, mask, strict=True)])
        of = f"with padding '{padding}' "
        tensors = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(mask)
        answer = np.asarray(answer_of(layer.call, *tensors, of=of))
        if answer.shape != expected.shape:
            raise AnswerError(
                f"Not yet: {of}your shape is {answer.shape}, (batch, features) = {expected.shape} "
                "is wanted."
            )
        if padding == "post" and np.allclose(answer, x[:, -1]):
            raise AnswerError("Not yet: you took the last timestep, which may be padding.")
        if not np.allclose(answer, expected):
            raise AnswerError(
                f"Not yet: {of}the numbers differ. Find the last True of each row of the mask."
            )
        _check_in_a_model(layer_class, x * mask[..., None], expected)


def _check_in_a_model(layer_class, x, expected):
    """Check that the layer finds the mask that travels with its input."""
    import keras

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        inputs = keras.Input((None, 2))
        model = answer_of(
            lambda: keras.Model(inputs, layer_class()(keras.layers.Masking()(inputs))),
            of="in a model ",
        )
        answer = answer_of(lambda: np.asarray(model(x)), of="in a model ")
    if not np.allclose(answer, expected):
        raise AnswerError("Not yet: called by hand it is right, in a model it is not.")
    if any("does not support masking" in str(warning.message) for warning in said):
        raise AnswerError(
            "Not yet: it is right, but Keras warns that the mask is lost. Keep "
            "`supports_masking = True`."
        )
