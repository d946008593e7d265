"""Small Keras models, and their state: read, set, reset, and passed from window to window."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from helpers.recurrence import recurrent_step
from helpers.validation import (
    all_finite,
    check_array,
    check_choice,
    check_fits,
    check_flag,
    check_mask,
    check_whole_number,
)

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "`helpers` needs Keras on TensorFlow. Received: KERAS_BACKEND="
        f"{keras.backend.backend()!r}. Set it to 'tensorflow' and restart the kernel."
    )

CELLS = {"simple_rnn": layers.SimpleRNN, "gru": layers.GRU, "lstm": layers.LSTM}
_RECURRENT = tuple(CELLS.values())
_LARGEST = np.finfo("float32").max
# These treat each timestep for itself, so a window's border changes nothing for them.
_STEPWISE = (
    layers.Activation,
    layers.Dense,
    layers.Dropout,
    layers.GaussianNoise,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.Masking,
    layers.ReLU,
)


def build_rnn(
    units,
    *,
    features,
    outputs=1,
    cell="lstm",
    steps=None,
    batch_size=None,
    stateful=False,
    mask_value=None,
    return_sequences=True,
    activation=None,
):
    """Build `Input → (Masking) → recurrent layers → Dense`.

    Parameters
    ----------
    units : int or sequence of int
        Units of the recurrent layer; several stack as many layers.
    features, outputs : int
        Features of an input timestep, and of an output.
    cell : "lstm", "gru" or "simple_rnn"
    steps, batch_size : int, optional
        What `Input` declares; None leaves the axis open.
    stateful : bool
        Let the layers keep their state from call to call; needs `batch_size`.
    mask_value : float, optional
        Start with `Masking(mask_value)`.
    return_sequences : bool
        One output for every timestep, or one for the last (a last-step model).
    activation : str, optional
        Of the `Dense` layer.

    Returns
    -------
    keras.Sequential
        Maps (batch, timesteps, features) to (batch, timesteps, outputs), or to
        (batch, outputs) for a last-step model. Recurrent layers use Keras' own kernel, not
        cuDNN's, so that a mask means the same on every machine.

    Raises
    ------
    ValueError, TypeError

    Examples
    --------
    >>> build_rnn((8, 4), features=3, outputs=2, cell="gru").output_shape
    (None, None, 2)
    """
    stateful = check_flag("stateful", stateful)
    return_sequences = check_flag("return_sequences", return_sequences)
    units = [check_whole_number("units", n) for n in _listed(units)]
    if not units:
        raise ValueError("`units` must name at least one recurrent layer. Received: units=().")
    check_choice("cell", cell, tuple(CELLS))
    _check_activation(activation)
    features = check_whole_number("features", features)
    outputs = check_whole_number("outputs", outputs)
    steps, batch_size = (
        None if size is None else check_whole_number(name, size)
        for name, size in (("steps", steps), ("batch_size", batch_size))
    )
    if stateful and batch_size is None:
        raise ValueError(
            "`batch_size` must be given with stateful=True: Keras keeps one state for each row. "
            "Received: batch_size=None."
        )
    options = {} if cell == "simple_rnn" else {"use_cudnn": False}
    model = keras.Sequential([keras.Input((steps, features), batch_size=batch_size)])
    if mask_value is not None:
        model.add(layers.Masking(_mask_value(mask_value)))
    for depth, n in enumerate(units):
        sequences = return_sequences or depth < len(units) - 1
        model.add(CELLS[cell](n, return_sequences=sequences, stateful=stateful, **options))
    model.add(layers.Dense(outputs, activation=activation))
    return model


def get_states(model):
    """Return the state that a stateful model holds.

    Returns
    -------
    list of ndarray, each (batch, units)
        Layer after layer: h for a SimpleRNN or GRU, h and c for an LSTM.

    Raises
    ------
    ValueError
        If the model has a recurrent layer that is not stateful, or is bidirectional.
    """
    return [state.numpy() for state in _state_variables(model)]


def set_states(model, states):
    """Give a stateful model the state that `get_states` returned.

    Parameters
    ----------
    model : keras.Model
    states : list of (batch, units) arrays, in the order of `get_states`

    Raises
    ------
    ValueError
        If their number or a shape differs; nothing is changed then.
    """
    variables = _state_variables(model)
    count = len(states) if hasattr(states, "__len__") else type(states).__name__
    if count != len(variables):
        raise ValueError(
            f"`states` must hold one array for each of the model's {len(variables)} states. "
            f"Received: {count}."
        )
    axes = ("batch", "units")
    arrays = [check_array(state, f"states[{i}]", axes) for i, state in enumerate(states)]
    for i, (array, variable) in enumerate(zip(arrays, variables, strict=True)):
        if array.shape != tuple(variable.shape):
            raise ValueError(
                f"`states[{i}]` must have the shape (batch, units) = {tuple(variable.shape)}. "
                f"Received: an array of shape {array.shape}."
            )
        check_fits(f"states[{i}]", array, variable.dtype)
    for array, variable in zip(arrays, variables, strict=True):
        variable.assign(array)


def reset_states(model, rows=None):
    """Set the state of a stateful model to zeros, in some rows of the batch or in all.

    Parameters
    ----------
    model : keras.Model
    rows : sequence of int, optional
        Rows whose sequences have ended; all if None.

    Raises
    ------
    ValueError, TypeError
        If a row is not in the batch; nothing is changed then.
    """
    variables = _state_variables(model)
    batch = variables[0].shape[0]
    if rows is None:
        rows = range(batch)
    last = f"the batch's last row ({batch - 1})"
    rows = [
        check_whole_number("rows", row, minimum=0, maximum=batch - 1, maximum_is=last)
        for row in _listed(rows)
    ]
    for variable in variables:
        state = variable.numpy()
        state[rows] = 0.0
        variable.assign(state)


class WindowStep(NamedTuple):
    """What one window gives; see `window_step`."""

    outputs: Any
    hidden: Any
    final: Any
    states: list


def window_step(model):
    """Return the model as a function of a window and a state: nothing is kept inside.

    Parameters
    ----------
    model : keras.Sequential
        Of SimpleRNN, GRU and LSTM layers and layers that treat each timestep for itself.

    Returns
    -------
    callable
        `step(inputs, states, mask, training=False) -> WindowStep`, with `inputs`
        (batch, steps, features), `states` a list of (batch, units) tensors in the order of
        `get_states`, `mask` (batch, steps). In the result, `outputs` are
        (batch, steps, outputs), or (batch, outputs) for a last-step model; `hidden` is the
        state h of the last recurrent layer after each timestep, (batch, steps, units), and
        `final` that after the window, (batch, units); `states` are all states after the
        window. It shares the model's weights.

    Raises
    ------
    ValueError, TypeError
        If a layer looks at several timesteps at once, so that windows would be wrong.
    """
    check_windowed(model)
    steps = [recurrent_step(layer) if _is_recurrent(layer) else None for layer in model.layers]

    def step(inputs, states, mask, training=False):
        remaining, after, hidden, x = list(states), [], None, inputs
        # Whatever stands there is masked: 0 keeps a huge one from spoiling the gradient.
        x = tf.where(mask[..., None], x, 0)
        for layer, recur in zip(model.layers, steps, strict=True):
            if isinstance(layer, layers.Masking):
                mask = mask & layer.compute_mask(x)
            x._keras_mask = mask if x.shape.rank == 3 else None
            if recur is None:
                x = _stepwise(layer)(x, training=training)
                continue
            before = [remaining.pop(0) for _ in layer.state_size]
            hidden, new = recur(tf.cast(x, layer.compute_dtype), mask, before, training)
            after, final = after + new, new[0]
            # Where a row has ended, its state h is still the right one.
            x = hidden if layer.return_sequences else final
        return WindowStep(x, hidden, final, after)

    return step


def run_windows(model, read, inputs, mask, *, carry=True):
    """Run a model over windows, one after another, and return what is read of each.

    Parameters
    ----------
    model : keras.Sequential
    read : str
        The field of `WindowStep` to read; its states are joined along their last axis.
    inputs : (n_windows, batch, steps, features) array
    mask : (n_windows, batch, steps) array of bool
    carry : bool
        Pass the state on from window to window, or start each from zeros.

    Returns
    -------
    ndarray, (n_windows, batch, …)

    Raises
    ------
    TypeError
        If `carry` is neither True nor False.
    """
    carry = check_flag("carry", carry)
    scan = keep_program(model, read, lambda: _scan(model, read))
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
            states = [carried(state, carry) for state in window.states]
            return k + 1, states, kept.write(k, joined(getattr(window, read)))

        kept = tf.TensorArray(dtype, size=n_windows)
        loop = 0, zero_states(model, batch), kept
        return tf.while_loop(lambda k, *_: k < n_windows, body, loop)[-1].stack()

    return scan.get_concrete_function()


def carried(state, carry):
    """Return the state with which the next window starts: this one, or zeros."""
    return tf.where(carry, state, 0)


def keep_program(model, key, make, *, compiled=()):
    """Return `make()`, kept with the model under `key` while its layers stay the same.

    `compiled` lists further objects that the program depends on. The program lives as long
    as the model; it stands beside its attributes because Keras would track and save it.
    """
    parts = [*model.layers, *compiled]
    programs = model.__dict__.setdefault("_window_programs", _Programs())
    known, program = programs.by_key.get(key, ([], None))
    if len(known) != len(parts) or any(a is not b for a, b in zip(known, parts, strict=True)):
        program = make()
        programs.by_key[key] = parts, program
    return program


class _Programs:
    def __init__(self):
        self.by_key = {}


def widest_dtype(model):
    """Return the dtype that holds what any layer gives: a head may have its own."""
    return keras.backend.result_type(*(layer.compute_dtype for layer in model.layers))


def zero_states(model, batch):
    """Return the state before the first timestep, one (batch, units) tensor of zeros each."""
    recurrent = [layer for layer in model.layers if _is_recurrent(layer)]
    return [
        tf.zeros((batch, size), layer.compute_dtype)
        for layer in recurrent
        for size in layer.state_size
    ]


def fit_windows(model, inputs, mask, name):
    """Return windows in the model's dtype, and the mask that its recurrent layers will see.

    Parameters
    ----------
    model : keras.Sequential
    inputs : (n_windows, batch, steps, features) array
    mask : (n_windows, batch, steps) array of bool, or None for all real
    name : str
        What the caller calls the inputs.

    Raises
    ------
    ValueError
        If the features or the real values do not fit the model, or see `real_timesteps`.
    """
    features, expected = inputs.shape[-1], model.input_shape[-1]
    if features != expected:
        raise ValueError(
            f"`{name}` must have the {expected} features that the model was built for. "
            f"Received: {features} features."
        )
    with np.errstate(over="ignore"):
        inputs = inputs.astype(model.compute_dtype, copy=False)
    mask = real_timesteps(model, inputs, mask)
    if not all_finite(inputs):
        check_fits(name, inputs[mask], model.compute_dtype)
    return inputs, mask


def real_timesteps(model, inputs, mask):
    """Return the mask that the model's recurrent layers will see.

    Parameters
    ----------
    model : keras.Sequential
    inputs : (n_windows, batch, steps, features) array
    mask : (n_windows, batch, steps) array of bool, or None for all real

    Raises
    ------
    ValueError
        If the `Masking` layer would drop timesteps that `mask` calls real.
    """
    given = check_mask(mask, inputs.shape[:3])
    masking = next((layer for layer in model.layers if isinstance(layer, layers.Masking)), None)
    if masking is None:
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


def check_windowed(model):
    """Raise unless windows with carried state give the model the result of one long pass."""
    if not isinstance(model, keras.Sequential):
        raise TypeError(
            f"`model` must be a keras.Sequential model. Received: {type(model).__name__}."
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
        if isinstance(layer, layers.Bidirectional) or getattr(layer, "go_backwards", False):
            raise ValueError(
                f"`model` must read forwards. Received: {_named(layer)}, which reads backwards and "
                "would need the windows that are still to come. Pass it whole sequences: "
                "`model.predict` with a mask."
            )
        if isinstance(layer, layers.Masking) and place > 0:
            raise ValueError(
                "`model` must start with its Masking layer, which looks at the inputs. "
                f"Received: {_named(layer)} in place {place}."
            )
        if not _is_recurrent(layer) and not _treats_each_timestep(layer):
            raise ValueError(
                "`model` must consist of SimpleRNN, GRU and LSTM layers and layers that treat each "
                f"timestep for itself. Received: {_named(layer)}, which a window's border may cut."
            )
    if not any(_is_recurrent(layer) for layer in model.layers):
        raise ValueError("`model` must have a recurrent layer. Received: a model without one.")


def returns_sequences(model):
    """Return whether the model gives an output for every timestep."""
    return [layer for layer in model.layers if _is_recurrent(layer)][-1].return_sequences


def _state_variables(model):
    recurrent = [layer for layer in getattr(model, "layers", ()) if hasattr(layer, "stateful")]
    for layer in recurrent:
        if isinstance(layer, layers.Bidirectional):
            raise ValueError(
                f"`model` must read forwards. Received: {_named(layer)}: the backward half of a "
                "window would need the state of the window that is still to come."
            )
    if not recurrent or not all(layer.stateful and layer.states for layer in recurrent):
        raise ValueError(
            "`model` must have recurrent layers, all of them stateful. Received: a model that "
            "keeps no state. Build it with `build_rnn(…, stateful=True, batch_size=…)`; with other "
            "models pass the state by hand: `layer(x, initial_state=…)`."
        )
    return [state for layer in recurrent for state in layer.states]


def _treats_each_timestep(layer):
    plain = _stepwise(layer)
    last = (-1, len(layer.output.shape) - 1)
    if isinstance(plain, layers.LayerNormalization) and any(a not in last for a in plain.axis):
        return False
    return isinstance(plain, _STEPWISE)


def _stepwise(layer):
    """Return what TimeDistributed wraps: it treats each timestep alike without the wrapper.

    With open axes, Keras 3.15 mixes up batch and timesteps in the wrapper.
    """
    return layer.layer if isinstance(layer, layers.TimeDistributed) else layer


def _is_recurrent(layer):
    return type(layer) in _RECURRENT  # what a subclass computes is its own business


def _named(layer):
    return f"the {type(layer).__name__} layer {layer.name!r}"


def _check_activation(activation):
    try:
        keras.activations.get(activation)
    except (TypeError, ValueError):
        raise ValueError(
            "`activation` must be None or the name of a Keras activation, such as 'softmax'. "
            f"Received: activation={activation!r}."
        ) from None


def _listed(value):
    return list(value) if isinstance(value, (list, tuple, range, np.ndarray)) else [value]


def _mask_value(value):
    number = np.asarray(value)
    if number.ndim or number.dtype.kind not in "iuf" or not abs(number) < _LARGEST:
        raise ValueError(
            "`mask_value` must be one finite number: NaN equals nothing, not even itself. "
            f"Received: mask_value={value!r}."
        )
    return float(number)
