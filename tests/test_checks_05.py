"""The checks of lesson 05 accept every right answer, and say what is off with a wrong one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers import checks

EXERCISES = {name: check for name, check in vars(checks).items() if name.startswith("check_05")}


# --- a masked mean ---------------------------------------------------------------------------


def picked(targets, predictions, mask):
    return np.mean((targets[mask] - predictions[mask]) ** 2)


def weighted(targets, predictions, mask):
    return np.average((targets - predictions) ** 2, weights=mask)


def with_keras(targets, predictions, mask):
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    return loss(targets[..., None], predictions[..., None], sample_weight=mask.astype("float32"))


def over_all(targets, predictions, mask):
    return np.mean((targets - predictions) ** 2)


def divided_by_all(targets, predictions, mask):
    return np.mean((targets - predictions) ** 2 * mask)


def mean_of_means(targets, predictions, mask):
    return np.mean(
        [over_all(t[m], p[m], None) for t, p, m in zip(targets, predictions, mask, strict=True)]
    )


def each_timestep(targets, predictions, mask):
    return (targets - predictions) ** 2 * mask


def root(targets, predictions, mask):
    return np.sqrt(picked(targets, predictions, mask))


# --- a reader --------------------------------------------------------------------------------


def conv(x):
    return layers.Conv1D(4, 3, padding="causal")(x)


def by_hand():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    return keras.Model(inputs, layers.LSTM(4)(conv(inputs * 2), mask=mask))


def through_and_around():
    inputs = keras.Input((None, 3))
    x = layers.Masking()(inputs)
    mask = layers.Masking().compute_mask(x)
    return keras.Model(inputs, layers.LSTM(4)(conv(layers.Rescaling(2.0)(x)), mask=mask))


class KeepsMask(layers.Conv1D):
    """A causal `Conv1D` that hands the mask on."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.supports_masking = True


def through_a_layer_of_its_own():
    steps = [layers.Masking(), layers.Rescaling(2.0), KeepsMask(4, 3, padding="causal")]
    return keras.Sequential([keras.Input((None, 3)), *steps, layers.LSTM(4)])


def mask_from_ops():
    inputs = keras.Input((None, 3))
    mask = ops.any(ops.not_equal(inputs, 0.0), axis=-1)
    return keras.Model(inputs, layers.LSTM(4)(conv(inputs + inputs), mask=mask))


def mask_dies():
    inputs = keras.Input((None, 3))
    return keras.Model(inputs, layers.LSTM(4)(conv(layers.Masking()(inputs) * 2)))


def not_doubled():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    return keras.Model(inputs, layers.LSTM(4)(conv(inputs), mask=mask))


def looks_ahead():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    x = layers.Conv1D(4, 3, padding="same")(inputs * 2)
    return keras.Model(inputs, layers.LSTM(4)(x, mask=mask))


def without_conv():
    inputs = keras.Input((None, 3))
    return keras.Model(inputs, layers.LSTM(4)(layers.Masking()(inputs)))


def all_timesteps():
    inputs = keras.Input((None, 3))
    mask = layers.Masking().compute_mask(inputs)
    x = layers.LSTM(4, return_sequences=True)(conv(inputs * 2), mask=mask)
    return keras.Model(inputs, x)


# --- a layer ---------------------------------------------------------------------------------


class Silent(layers.Layer):
    """What the answers share: a mask ends here, and Keras has nothing to say."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def compute_mask(self, x, mask=None):
        return None


class FromTheBack(Silent):
    def call(self, x, mask=None):
        back = ops.argmax(ops.flip(ops.cast(mask, "int32"), axis=1), axis=1)
        last = ops.shape(x)[1] - 1 - back
        return ops.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


class ByPosition(Silent):
    def call(self, x, mask=None):
        position = ops.arange(ops.shape(x)[1]) * ops.cast(mask, "int32")
        chosen = ops.one_hot(ops.argmax(position, axis=1), ops.shape(x)[1])
        return ops.sum(x * chosen[..., None], axis=1)


class LastTimestep(Silent):
    def call(self, x, mask=None):
        return x[:, -1]


class ByCount(Silent):
    """Right for 'post' only."""

    def call(self, x, mask=None):
        last = ops.sum(ops.cast(mask, "int32"), axis=1) - 1
        return ops.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


class LastNonZero(Silent):
    """Looks for the padding in the numbers, and not in the mask."""

    def call(self, x, mask=None):
        return FromTheBack().call(x, ops.any(ops.not_equal(x, 0), axis=-1))


class WithAnAxisTooMany(Silent):
    def call(self, x, mask=None):
        return FromTheBack().call(x, mask)[:, None]


class Warns(layers.Layer):
    def call(self, x, mask=None):
        return FromTheBack().call(x, mask)


class OtherName(Silent):
    def call(self, x, real=None):
        return FromTheBack().call(x, real)


RIGHT = [
    ("check_05_masked_mse", picked),
    ("check_05_masked_mse", weighted),
    ("check_05_masked_mse", with_keras),
    ("check_05_reader", by_hand),
    ("check_05_reader", through_and_around),
    ("check_05_reader", through_a_layer_of_its_own),
    ("check_05_reader", mask_from_ops),
    ("check_05_last_real", FromTheBack),
    ("check_05_last_real", ByPosition),
]
WRONG = [
    ("check_05_masked_mse", over_all, "the errors in the padding are in your mean"),
    ("check_05_masked_mse", divided_by_all, "You divided it by all timesteps"),
    ("check_05_masked_mse", mean_of_means, "you averaged each sequence first"),
    ("check_05_masked_mse", each_timestep, "one number is wanted, your shape is (3, 13)"),
    ("check_05_masked_mse", root, "for lengths of [7, 12, 4] padded to 13 yours gives"),
    ("check_05_reader", mask_dies, "another answer than it gets alone"),
    ("check_05_reader", not_doubled, "the model computes something else"),
    ("check_05_reader", looks_ahead, "the model computes something else"),
    ("check_05_reader", without_conv, "one Conv1D is wanted. Yours has 0"),
    ("check_05_reader", all_timesteps, "one output of the LSTM for each sequence"),
    ("check_05_reader", lambda: 3, "a model is wanted, yours is a int"),
    ("check_05_last_real", LastTimestep, "you took the last timestep"),
    ("check_05_last_real", ByCount, "with padding 'pre' the numbers differ"),
    ("check_05_last_real", LastNonZero, "you took the last timestep"),
    ("check_05_last_real", WithAnAxisTooMany, "your shape is (4, 1, 2)"),
    ("check_05_last_real", Warns, "Keras warns that the mask is lost"),
    ("check_05_last_real", OtherName, "in a model it raised"),
    ("check_05_last_real", lambda: 3, "a layer is wanted, yours makes a int"),
]


def test_every_exercise_has_its_answers_here():
    assert {name for name, _ in RIGHT} == {name for name, *_ in WRONG} == set(EXERCISES)


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_is_right(answered, name, answer):
    assert answered(name, answer) == (True, "Right.")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_a_wrong_answer_is_told_what_is_off(answered, name, answer, hint):
    right, words = answered(name, answer)
    assert not right
    assert words.startswith("Not yet:")
    assert hint in words


def left_blank(blank):
    class Stub(Silent):
        def call(self, x, mask=None):
            return blank

    return Stub


@pytest.mark.parametrize("blank", [None, ...])
@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_left_as_it_is_is_not_answered_yet(answered, name, blank):
    assert answered(name, lambda *_: blank) == (False, "Not answered yet.")
    if name == "check_05_last_real":
        for stub in (blank, left_blank(blank)):
            assert answered(name, stub) == (False, "Not answered yet.")


def fails(*_):
    raise KeyError("a mistake of mine")


class Fails(Silent):
    call = fails


ODD = [0, "a", [[1], [1, 2]], object(), len, fails, Fails, keras.Sequential, layers.Layer]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: getattr(odd, "__name__", type(odd).__name__))
@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_makes_a_check_raise(answered, name, odd):
    for answer in (odd, lambda *_: odd):
        right, words = answered(name, answer)
        assert not right
        assert words.startswith("Not")


def test_the_arrays_of_a_check_stay_as_they_are(answered):
    def spoils(targets, predictions, mask):
        answer = picked(targets, predictions, mask)
        targets[:], predictions[:], mask[:] = 0, 0, False
        return answer

    assert answered("check_05_masked_mse", spoils) == (True, "Right.")
