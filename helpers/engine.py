"""A Keras model as a function of a window and a state, and what runs it over many windows.

`training` and `probes` call `check_windowed` and `as_model_inputs` first; the others trust them.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from helpers import check
from helpers.quiet import keras, tf
from helpers.recurrence import recurrent_step

_RECURRENT = keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM
# These treat each timestep for itself, so a window's border changes nothing for them.
_STEPWISE = (
    keras.layers.Activation,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.LayerNormalization,
    keras.layers.Masking,
)


def check_windowed(model):
    """Raise unless windows with carried state give the model the result of one long pass."""
    if not isinstance(model, keras.Sequential):
        raise TypeError(
            "`model` must be a keras.Sequential model, such as `build_rnn` makes. Received: "
            f"{type(model).__name__}. Put its layers into one, or call it on whole sequences."
        )
    if not model.built:
        raise ValueError(
            "`model` must be built: let it start with `keras.Input((None, features))`. "
            "Received: a model that has no weights yet."
        )
    if len(model.input_shape) != 3:
        raise ValueError(
            "`model` must take inputs with 3 axes: (batch, timesteps, features). "
            f"Received: a model that takes {model.input_shape}."
        )
    for place, layer in enumerate(model.layers):
        _check_layer(layer, place)
    if not _recurrent_layers(model):
        raise ValueError("`model` must have a recurrent layer. Received: a model without one.")


def _check_layer(layer, place):
    named = f"the {type(layer).__name__} layer {layer.name!r}"
    if isinstance(layer, keras.layers.Masking) and place > 0:
        raise ValueError(
            "`model` must start with its Masking layer, which looks at the inputs. "
            f"Received: {named} in place {place}."
        )
    forwards = _is_recurrent(layer) and not layer.go_backwards
    if not forwards and not _treats_each_timestep(layer):
        raise ValueError(
            "`model` must consist of SimpleRNN, GRU and LSTM layers that read forwards, and layers "
            f"that treat each timestep for itself. Received: {named}, which a window's border may "
            "cut. Pass it whole sequences: `model.predict` with a mask."
        )


def as_model_inputs(model, inputs, mask, name):
    """Return windows in the model's dtype, and the mask that its recurrent layers will see.

    Raise if the features or the real values do not fit the model, or its `Masking` layer would
    drop timesteps that `mask` calls real. `name` is what the caller calls the inputs.
    """
    features, expected = inputs.shape[-1], model.input_shape[-1]
    if features != expected:
        raise ValueError(
            f"`{name}` must have the {expected} features that the model was built for. "
            f"Received: {features} features."
        )
    with np.errstate(over="ignore"):
        inputs = inputs.astype(model.compute_dtype, copy=False)
    mask = _seen_mask(model, inputs, mask)
    check.fits(name, inputs, model.compute_dtype, mask)
    return inputs, mask


def _seen_mask(model, inputs, mask):
    """Return the mask that the recurrent layers will see, behind a `Masking` layer if any."""
    given = check.mask(mask, inputs.shape[:3])
    masking = model.layers[0]
    if not isinstance(masking, keras.layers.Masking):
        return given
    kept = (inputs != masking.mask_value).any(axis=-1)
    dropped = np.argwhere(given & ~kept)
    if mask is not None and len(dropped):
        window, row, step = dropped[0]
        raise ValueError(
            f"`mask_value` must not occur in real timesteps. Received: {len(dropped)} real "
            f"timesteps that equal the model's mask_value={masking.mask_value}, the first in "
            f"window {window}, row {row}, step {step}. Build the model without `mask_value`: "
            "`mask` alone says what is real."
        )
    return given & kept


class _WindowStep(NamedTuple):
    """What one window gives.

    `outputs` are (batch, steps, outputs), or (batch, outputs) for a last-step model; `hidden` is
    the state h of the last recurrent layer after each timestep, (batch, steps, units); `states`
    are all states after the window.
    """

    outputs: Any
    hidden: Any
    states: list


def window_step(model):
    """Return the model as a function of a window and a state: nothing is kept inside.

    It is `step(inputs, states, mask, training=False) -> _WindowStep`, with `inputs`
    (batch, steps, features), `states` a list of (batch, units) tensors in the order of
    `get_states`, `mask` (batch, steps). It shares the model's weights.
    """
    steps = [recurrent_step(layer) if _is_recurrent(layer) else None for layer in model.layers]

    def step(inputs, states, mask, training=False):
        remaining, after, hidden = list(states), [], None
        # Whatever stands there is masked: 0 keeps a huge one from spoiling the gradient.
        x = tf.where(mask[..., None], inputs, 0)
        for layer, recur in zip(model.layers, steps, strict=True):
            if isinstance(layer, keras.layers.Masking):
                mask = mask & layer.compute_mask(x)
            x._keras_mask = mask if x.shape.rank == 3 else None
            if recur is None:
                x = _stepwise(layer)(x, training=training)
                continue
            before = [remaining.pop(0) for _ in layer.state_size]
            hidden, new = recur(tf.cast(x, layer.compute_dtype), mask, before, training)
            after += new
            # Where a row has ended, its state h is still the right one.
            x = hidden if layer.return_sequences else new[0]
        return _WindowStep(x, hidden, after)

    return step


def run_windows(model, read, inputs, mask, *, carry=True):
    """Run a model over windows, one after another, and return what is read of each.

    `read` is a field of `_WindowStep`; its states are joined along their last axis. The result has
    the axes (n_windows, batch, …).
    """
    scan = cached_program(model, read, lambda: _scan(model, read))
    return scan(tf.constant(inputs), tf.constant(mask), tf.constant(carry)).numpy()


def _scan(model, read):
    """Return `run_windows` as a compiled function of tensors: one trace serves every shape."""
    step = window_step(model)
    dtype = widest_dtype(model)
    sizes = (None, None, None)
    signature = [
        tf.TensorSpec((*sizes, model.input_shape[-1]), model.compute_dtype),
        tf.TensorSpec(sizes, tf.bool),
        tf.TensorSpec((), tf.bool),
    ]

    def joined(value):
        return tf.concat([tf.cast(each, dtype) for each in tf.nest.flatten(value)], axis=-1)

    @tf.function(input_signature=signature, autograph=False)
    def scan(inputs, mask, carry):
        n_windows, batch = tf.unstack(tf.shape(inputs)[:2])

        def body(k, states, kept):
            window = step(inputs[k], states, mask[k])
            states = [tf.where(carry, state, 0) for state in window.states]
            return k + 1, states, kept.write(k, joined(getattr(window, read)))

        kept = tf.TensorArray(dtype, size=n_windows)
        loop = 0, zero_states(model, batch), kept
        return tf.while_loop(lambda k, *_: k < n_windows, body, loop)[-1].stack()

    return scan


def cached_program(model, key, make, *, compiled=()):
    """Return `make()`, kept with the model under `key` while its layers stay the same.

    `compiled` lists further objects that the program depends on. The program lives as long
    as the model; it stands beside its attributes because Keras would track and save it.
    """
    parts = [*model.layers, *compiled]
    programs = model.__dict__.setdefault("_window_programs", SimpleNamespace(by_key={})).by_key
    if key not in programs or programs[key][0] != parts:
        programs[key] = parts, make()
    return programs[key][1]


def widest_dtype(model):
    """Return the dtype that holds what any layer gives: a head may have its own."""
    return keras.backend.result_type(*(layer.compute_dtype for layer in model.layers))


def zero_states(model, batch):
    """Return the state before the first timestep, one (batch, units) tensor of zeros each."""
    layers = _recurrent_layers(model)
    return [tf.zeros((batch, n), layer.compute_dtype) for layer in layers for n in layer.state_size]


def returns_sequences(model):
    """Return whether the model gives an output for every timestep."""
    return _recurrent_layers(model)[-1].return_sequences


def _recurrent_layers(model):
    """Return the layers of a sequential model that pass a state on."""
    return [layer for layer in model.layers if _is_recurrent(layer)]


def _treats_each_timestep(layer):
    plain = _stepwise(layer)
    if isinstance(plain, keras.layers.LayerNormalization):
        return set(plain.axis) <= {-1, len(layer.output.shape) - 1}
    return type(plain) in _STEPWISE and not _mixes_timesteps(getattr(plain, "activation", None))


def _mixes_timesteps(activation):
    if activation is None or activation.__module__.startswith("keras."):
        return False
    x = tf.reshape(tf.range(6.0), (1, 3, 2)) / 6
    return not np.allclose(activation(x)[:, :2], activation(x[:, :2]))


def _stepwise(layer):
    """Return what TimeDistributed wraps: it treats each timestep alike without the wrapper.

    With open axes, Keras 3.15 mixes up batch and timesteps in the wrapper.
    """
    return layer.layer if isinstance(layer, keras.layers.TimeDistributed) else layer


def _is_recurrent(layer):
    return type(layer) in _RECURRENT  # what a subclass computes is its own business
