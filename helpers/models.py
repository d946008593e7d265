"""Small Keras models; their state, read, set and reset."""

import numpy as np

from helpers import check
from helpers.quiet import keras

_CELLS = {
    "simple_rnn": keras.layers.SimpleRNN,
    "gru": keras.layers.GRU,
    "lstm": keras.layers.LSTM,
}


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
    """Build `Input → (Masking) → recurrent layers → Dense`, as a `keras.Sequential`.

    It maps (batch, timesteps, features) to (batch, timesteps, outputs), or to (batch, outputs)
    for a last-step model. Recurrent layers use Keras' own kernel, not cuDNN's, so that a mask
    means the same on every machine.

    Parameters
    ----------
    units : int or sequence of int
        Units of the recurrent layer; several stack as many layers of `cell`: "lstm", "gru" or
        "simple_rnn".
    features, outputs : int
        Features of an input timestep, and of an output.
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

    Examples
    --------
    >>> build_rnn((8, 4), features=3, outputs=2, cell="gru").output_shape
    (None, None, 2)
    """
    stateful = check.flag("stateful", stateful)
    return_sequences = check.flag("return_sequences", return_sequences)
    units = [check.whole_number("units", n, maximum=10_000) for n in _listed(units)]
    if not units:
        raise ValueError("`units` must name at least one recurrent layer. Received: units=().")
    check.choice("cell", cell, tuple(_CELLS))
    try:
        keras.activations.get(activation)
    except (TypeError, ValueError):
        raise ValueError(
            "`activation` must be None or the name of a Keras activation, such as 'softmax'. "
            f"Received: activation={activation!r}."
        ) from None
    features = check.whole_number("features", features, maximum=100_000)
    outputs = check.whole_number("outputs", outputs, maximum=100_000)
    steps, batch_size = (
        None if size is None else check.whole_number(name, size)
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
        mask_value = check.number("mask_value", mask_value, dtype="float32")
        model.add(keras.layers.Masking(float(mask_value)))
    for depth, n in enumerate(units):
        sequences = return_sequences or depth < len(units) - 1
        model.add(_CELLS[cell](n, return_sequences=sequences, stateful=stateful, **options))
    model.add(keras.layers.Dense(outputs, activation=activation))
    return model


def get_states(model):
    """Return the states that a model keeps, as a list of (batch, units) arrays.

    They are those of its stateful layers, wherever these stand: layer after layer as in
    `model.layers`, a nested model's or a wrapper's in its place, forwards before backwards, cell
    after cell; h of a SimpleRNN or GRU, h and c of an LSTM. A convolution has more axes.
    Keras knows nothing of a layer that only the function of a Lambda calls, nor does this.
    """
    return [state.numpy() for state in _state_variables(model)]


def set_states(model, states):
    """Give a model the states that `get_states` returned.

    If the number of arrays or a shape differs, nothing is changed.
    """
    variables = _state_variables(model)
    count = len(states) if hasattr(states, "__len__") else type(states).__name__
    if count != len(variables):
        raise ValueError(
            f"`states` must hold one array for each of the model's {len(variables)} states. "
            f"Received: {count}."
        )
    arrays = []
    for i, (state, variable) in enumerate(zip(states, variables, strict=True)):
        shape = tuple(variable.shape)
        axes = ("batch", *(f"axis {axis}" for axis in range(1, len(shape) - 1)), "units")
        array = check.array(state, f"states[{i}]", axes)
        if array.shape != shape:
            raise ValueError(
                f"`states[{i}]` must have the shape ({', '.join(axes)}) = {shape}. "
                f"Received: an array of shape {array.shape}."
            )
        check.fits(f"states[{i}]", array, variable.dtype)
        arrays.append(array)
    for array, variable in zip(arrays, variables, strict=True):
        variable.assign(array)


def reset_states(model, rows=None):
    """Set the states that a model keeps to zeros, in some rows of the batch or in all.

    `rows` are those whose sequences have ended; if one is not in the batch, nothing is changed.
    """
    variables = _state_variables(model)
    sizes = sorted({variable.shape[0] for variable in variables})
    if rows is not None and len(sizes) > 1:
        raise ValueError(
            "`rows` must be None where layers keep different numbers of rows: which belong "
            f"together is known to the model alone. Received: states of {sizes} rows."
        )
    last = sizes[0] - 1
    chosen = [
        check.whole_number(
            "rows", row, minimum=0, maximum=last, maximum_is=f"the batch's last row ({last})"
        )
        for row in _listed([] if rows is None else rows)
    ]
    for variable in variables:
        state = variable.numpy()
        state[... if rows is None else chosen] = 0.0
        variable.assign(state)


def _state_variables(model):
    if not isinstance(model, keras.Layer):
        raise TypeError(f"`model` must be a Keras model. Received: {type(model).__name__}.")
    found = {}  # a layer that stands in two places has one state
    for layer in _layers_within(model):
        if getattr(layer, "stateful", False):
            states = keras.tree.flatten(getattr(layer, "states", None))
            if not all(isinstance(state, keras.Variable) for state in states):
                raise ValueError(
                    f"`model` must have built its stateful layers. Received: {layer.name!r}, which "
                    "has no state yet. Let the model start with `keras.Input(…, batch_size=…)`, or "
                    "call it once; a layer that became stateful later never gets one."
                )
            found |= {id(state): state for state in states}
    if not found:
        raise ValueError(
            "`model` must keep a state. Received: a model without a stateful layer. Build it with "
            "`build_rnn(…, stateful=True, batch_size=…)`, or pass the state by hand: "
            "`layer(x, initial_state=…)`."
        )
    return list(found.values())


def _layers_within(layer):
    """Give a layer and all within it in order; Keras lists what is nested the other way round."""
    yield layer
    for part in layer._flatten_layers(include_self=False, recursive=False):
        yield from _layers_within(part)


def _listed(value):
    return list(value) if isinstance(value, (list, tuple, range, np.ndarray)) else [value]
