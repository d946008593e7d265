"""What several test files share: models with trained-like weights, batches, and bad inputs."""

import base64
import gc
import re
from html import unescape
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import helpers.quiet  # first: it sets TensorFlow up

pytest.register_assert_rewrite("tests.exercises")
from tests.exercises import ExerciseTests, generate_tests  # noqa: E402

HELPERS = Path(helpers.__file__).parent

# The same examples in every run, so that a failure can be looked at again.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # thousands of tests, and TensorFlow: looked through again and again otherwise


def pytest_generate_tests(metafunc):
    if metafunc.cls is not None and issubclass(metafunc.cls, ExerciseTests):
        generate_tests(metafunc)


@pytest.fixture
def rng():
    return np.random.default_rng(2024)


@pytest.fixture(scope="session")
def ragged():
    """Sequences of 7, 12, 4 and 1 timesteps and 3 features."""
    rng = np.random.default_rng(12)
    return [rng.normal(size=(timesteps, 3)).astype("float32") for timesteps in (7, 12, 4, 1)]


@pytest.fixture(scope="session")
def make_trained_like():
    """A function that gives a model weights and biases as training leaves them: none is zero.

    Biases matter: on a fresh model unmasked left padding has no effect, and bugs hide.
    """

    def fill(model, seed=3, scale=0.4):
        rng = np.random.default_rng(seed)
        model.set_weights([rng.normal(scale=scale, size=w.shape) for w in model.get_weights()])
        return model

    return fill


@pytest.fixture(scope="session")
def make_rnn(make_trained_like):
    """A function that builds a model of 3 features with trained-like weights."""
    from helpers.models import build_rnn

    def make(units, *, seed=3, features=3, **options):
        return make_trained_like(build_rnn(units, features=features, **options), seed)

    return make


@pytest.fixture(scope="session", params=["simple_rnn", "gru", "lstm"])
def cell(request):
    return request.param


@pytest.fixture(scope="session", params=[5, (5, 4)], ids=["one-layer", "stacked"])
def units(request):
    return request.param


@pytest.fixture(scope="session")
def rnn(make_rnn, cell, units):
    """A model of each kind, built once: its traced programs serve every `steps`."""
    return make_rnn(units, cell=cell, outputs=2)


@pytest.fixture(scope="session")
def last_step_rnn(make_rnn, cell, units):
    return make_rnn(units, cell=cell, outputs=2, return_sequences=False)


@pytest.fixture(scope="session")
def keras_pass():
    """A function that gives Keras' own result for one sequence, alone, unpadded and unsplit.

    `of` is what to look at: the model, or one of its layers' outputs.
    """
    import keras
    import tensorflow as tf

    programs = {}

    def run(model, sequence, of=None):
        if (model, of) not in programs:
            whole = model if of is None else keras.Model(model.inputs, of)
            features = tf.TensorSpec((None, None, model.input_shape[-1]), "float32")
            programs[model, of] = tf.function(whole, input_signature=[features])
        return programs[model, of](np.asarray(sequence, "float32")[None]).numpy()[0]

    return run


@pytest.fixture(scope="session")
def stateful_twin():
    """A function that builds a plain stateful Keras model with another model's weights."""
    import keras

    def make(model, batch_size, mask_value=None):
        twin = keras.Sequential([keras.Input((None, model.input_shape[-1]), batch_size)])
        if mask_value is not None:
            twin.add(keras.layers.Masking(mask_value))
        for layer in model.layers:
            config = layer.get_config()
            if hasattr(layer, "stateful"):
                config["stateful"] = True
            twin.add(type(layer).from_config(config))
        twin.set_weights(model.get_weights())
        return twin

    return make


@pytest.fixture(scope="session")
def assert_refused():
    """A function that checks for an error in words, raised by `helpers` itself."""

    def check(call, error, *words):
        with pytest.raises(error) as caught:
            call()
        message = str(caught.value)
        assert HELPERS in Path(caught.traceback[-1].path).parents
        assert message.startswith("`")
        for part in ("Received: ", *words):
            assert part in message

    return check


ONES = np.ones((2, 4, 3))


def _with(value):
    sequences = ONES.copy()
    sequences[1, 2, 0] = value
    return sequences


BAD_SEQUENCES = {
    "NaN": (_with(np.nan), ValueError, "finite numbers", "nan at batch 1, timesteps 2, features 0"),
    "infinity": (_with(np.inf), ValueError, "finite numbers", "inf at batch 1"),
    "NaN in a list": (list(_with(np.nan)), ValueError, "[1]`", "finite", "nan at timesteps 2"),
    "an empty list": ([], ValueError, "at least one sequence", "an empty batch"),
    "an empty batch": (ONES[:0], ValueError, "none of them empty", "shape (0, 4, 3)"),
    "an empty sequence": ([ONES[0], ONES[0, :0]], ValueError, "[1]`", "none of them empty"),
    "no features": (ONES[..., :0], ValueError, "none of them empty", "shape (2, 4, 0)"),
    "different features": (
        [ONES[0], ONES[0, :, :2]],
        ValueError,
        "same number of features",
        "3 features in sequence 0, 2 in sequence 1",
    ),
    "one sequence": (ONES[0], ValueError, "3 axes: (batch, timesteps, features)", "shape (4, 3)"),
    "four axes": (ONES[None], ValueError, "3 axes", "shape (1, 2, 4, 3)"),
    "a list of 1-D arrays": ([ONES[0, 0]], ValueError, "[0]`", "2 axes", "x[:, None]"),
    "ragged rows": ([[[1.0], [2.0, 3.0]]], ValueError, "[0]`", "rows of unequal length"),
    "text": (np.full((2, 4, 3), "a"), TypeError, "real numbers", "dtype <U1", "astype"),
    "booleans": (ONES.astype(bool), TypeError, "real numbers", "dtype bool"),
    "complex numbers": (ONES * 1j, TypeError, "real numbers", "dtype complex128"),
    "an object array": (
        np.array([ONES[0], ONES[0, :2]], dtype=object),
        TypeError,
        "real numbers",
        "dtype object",
        "a list of them",
    ),
    "a masked array": (np.ma.masked_less(_with(0), 0.5), ValueError, "hide nothing", "filled"),
    "None": (None, TypeError, "real numbers", "A NoneType is no array"),
    "a generator": ((row for row in ONES), TypeError, "real numbers", "A generator is no array"),
    "a dictionary": ({"a": ONES[0]}, TypeError, "real numbers", "A dict is no array"),
}


@pytest.fixture(params=BAD_SEQUENCES)
def bad_sequences(request):
    """Sequences that are no batch, the error, and words of its message."""
    return BAD_SEQUENCES[request.param]


BAD_NUMBERS = {
    "0": (0, ValueError, "=0."),
    "-1": (-1, ValueError, "=-1."),
    "2.5": (2.5, TypeError, "must be a whole number", "=2.5."),
    "2.0": (2.0, TypeError, "must be a whole number", "=2.0."),
    "True": (True, TypeError, "must be a whole number", "=True."),
    "text": ("2", TypeError, "must be a whole number", "='2'."),
    "a dictionary": ({}, TypeError, "must be a whole number", "={}."),
}


@pytest.fixture(params=BAD_NUMBERS)
def bad_number(request):
    """What is no whole number from 1 up, the error, and words of its message."""
    return BAD_NUMBERS[request.param]


@pytest.fixture
def answered(capsys):
    """A function that gives the verdict of a lesson's check, and the words it printed."""

    def answered(check, *answer):
        verdict = check(*answer)
        return bool(verdict), capsys.readouterr().out.strip()

    return answered


@pytest.fixture
def shown():
    """A function that gives what an explorer shows: PNG, alt text, readout, words."""

    def shown(explorer):
        (alt,) = re.findall(r'alt="([^"]*)"', explorer.picture.value)
        (png,) = re.findall(r'src="data:image/png;base64,([^"]*)"', explorer.picture.value)
        return base64.b64decode(png), unescape(alt), explorer._readout.value, explorer.words

    return shown
