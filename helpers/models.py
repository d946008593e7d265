"""Small Keras models; their state, read, set and reset."""

import numpy as np

from helpers.quiet import keras
from helpers.validation import check_array, check_choice, check_fits, check_flag, check_whole_number

_CELLS = {
    "simple_rnn": keras.layers.SimpleRNN,
    "gru": keras.layers.GRU,
    "lstm": keras.layers.LSTM,
}
_LARGEST = np.finfo("float32").max


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
    check_choice("cell", cell, tuple(_CELLS))
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
        model.add(keras.layers.Masking(_mask_value(mask_value)))
    for depth, n in enumerate(units):
        sequences = return_sequences or depth < len(units) - 1
        model.add(_CELLS[cell](n, return_sequences=sequences, stateful=stateful, **options))
    model.add(keras.layers.Dense(outputs, activation=activation))
    return model


def get_states(model):
    """Return the state that a stateful model holds: a list of (batch, units) arrays.

    Layer after layer, it is h for a SimpleRNN or GRU, h and c for an LSTM. A model with a
    recurrent layer that is not stateful, or is bidirectional, is refused.
    """
    return [state.numpy() for state in _state_variables(model)]


def set_states(model, states):
    """Give a stateful model the state that `get_states` returned.

    If the number of arrays or a shape differs, nothing is changed.
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

    `rows` are those whose sequences have ended; if one is not in the batch, nothing is changed.
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


def described(layer):
    """Return a layer's class and name, for a message."""
    return f"the {type(layer).__name__} layer {layer.name!r}"


def _state_variables(model):
    recurrent = [layer for layer in getattr(model, "layers", ()) if hasattr(layer, "stateful")]
    for layer in recurrent:
        if isinstance(layer, keras.layers.Bidirectional):
            raise ValueError(
                f"`model` must read forwards. Received: {described(layer)}: the backward half of a "
                "window would need the state of the window that is still to come."
            )
    if not recurrent or not all(layer.stateful and layer.states for layer in recurrent):
        raise ValueError(
            "`model` must have recurrent layers, all of them stateful. Received: a model that "
            "keeps no state. Build it with `build_rnn(…, stateful=True, batch_size=…)`; with other "
            "models pass the state by hand: `layer(x, initial_state=…)`."
        )
    return [state for layer in recurrent for state in layer.states]


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
