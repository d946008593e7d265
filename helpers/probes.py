"""What a model remembers: its states over time, how far they reach, and where masks go.

`sequences` are a list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array.
They are read in windows of `steps` timesteps, in one for the whole length if that is None; `carry`
passes the state on from window to window, or starts each from zeros.
"""

import warnings
from typing import NamedTuple

import numpy as np

from helpers import engine
from helpers.quiet import keras, tf
from helpers.validation import as_array, check_flag, check_mask, check_sequences, check_steps
from helpers.windows import as_rows, cut_windows, last_timesteps

# Perturbed copies of the batch that `state_reach` runs at once, in input values.
_CHUNK_VALUES = 4_000_000


def trace_states(model, sequences, *, mask=None, steps=None, carry=True):
    """Return the state h of the last recurrent layer after every timestep.

    Parameters
    ----------
    model : keras.Sequential
    sequences : list or array
    mask : (batch, timesteps) array of bool, optional
        Which timesteps of a padded batch are real.

    Returns
    -------
    ndarray, (batch, timesteps, units)
        Where a timestep is masked, and after a sequence's end, the state stands still.
    """
    carry = check_flag("carry", carry)
    lengths, inputs, mask = _windowed(model, sequences, steps, mask)
    hidden = engine.run_windows(model, "hidden", inputs, mask, carry=carry)
    return _hold(*(as_rows(array)[:, : lengths.max()] for array in (hidden, mask)))


def state_reach(model, sequences, *, steps=None, carry=True):
    """Measure how far back the last state remembers.

    Returns
    -------
    ndarray, (timesteps,)
        Entry t: how much the last state changes when input t is replaced by zeros, as the
        Euclidean norm, averaged over the sequences that have a timestep t.
    """
    carry = check_flag("carry", carry)
    lengths, inputs, mask = _windowed(model, sequences, steps)

    def last(inputs, mask):
        final = engine.run_windows(model, "final", inputs, mask, carry=carry)
        return final[last_timesteps(mask)[:2]]

    n_windows, batch, steps, features = inputs.shape
    timesteps = lengths.max()
    change = np.empty((batch, timesteps))
    chunk = max(1, _CHUNK_VALUES // inputs.size)
    for start in range(0, timesteps, chunk):
        removed = range(start, min(start + chunk, timesteps))
        copies = np.repeat(inputs[:, None], len(removed), axis=1)  # copy after copy of the batch
        masks = np.tile(mask, (1, len(removed), 1))
        flat = copies.reshape(n_windows, -1, steps, features)
        # Both runs have one layout: rounding depends on a row's place in the batch.
        true = last(flat, masks)
        for i, t in enumerate(removed):
            copies[t // steps, i, :, t % steps] = 0.0
        norms = np.linalg.norm(last(flat, masks) - true, axis=-1)
        change[:, removed] = norms.reshape(len(removed), batch).T
    return _mean_over_rows(change, lengths)


def gradient_reach(model, sequences, *, steps=None):
    """Measure how far back training with windows of `steps` can assign credit.

    State is carried; gradient stops where a window begins.

    Returns
    -------
    ndarray, (timesteps,)
        Entry t: the norm of the Jacobian of the last output with respect to input t,
        averaged over the sequences that have a timestep t.
    """
    lengths, inputs, mask = _windowed(model, sequences, steps)
    # No gradient crosses a border: each row's last window and the state it starts from suffice.
    after = engine.run_windows(model, "states", inputs, mask)  # (n_windows, batch, all units)
    jacobian = engine.cached_program(model, "jacobian", lambda: _last_jacobian(model))
    before = np.concatenate([np.zeros_like(after[:1]), after[:-1]])
    at = last_timesteps(mask)[:2]
    norms = np.zeros(mask.shape)
    norms[at] = jacobian(*(tf.constant(array[at]) for array in (inputs, mask, before))).numpy()
    return _mean_over_rows(as_rows(norms)[:, : lengths.max()], lengths)


def _last_jacobian(model):
    """Return a compiled function of each row's last window: norms (batch, steps)."""
    step = engine.window_step(model)
    zeros = engine.zero_states(model, 1)
    sizes = [state.shape[-1] for state in zeros]

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, model.input_shape[-1]), model.compute_dtype),
            tf.TensorSpec((None, None), tf.bool),
            tf.TensorSpec((None, sum(sizes)), engine.widest_dtype(model)),
        ],
        autograph=False,
    )
    def norms(inputs, mask, states):
        states = tf.split(states, sizes, axis=-1)
        states = [tf.cast(a, zero.dtype) for a, zero in zip(states, zeros, strict=True)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = step(inputs, states, mask).outputs
            if outputs.shape.rank == 3:
                real = tf.range(tf.shape(mask)[1]) * tf.cast(mask, tf.int32)
                last = tf.reduce_max(real, axis=1)
                outputs = tf.gather(outputs, last, batch_dims=1)
        # (batch, outputs, steps, features)
        jacobian = tape.batch_jacobian(outputs, inputs, experimental_use_pfor=False)
        return tf.sqrt(tf.reduce_sum(jacobian**2, axis=[1, 3]))

    return norms.get_concrete_function()


class LayerMask(NamedTuple):
    """A layer's output under a mask: `layer` and `kind` names, `shape`, `mask` or None."""

    layer: str
    kind: str
    shape: tuple
    mask: np.ndarray | None


def trace_masks(model, inputs):
    """Follow the mask through a model.

    Parameters
    ----------
    model : keras.Sequential or functional keras.Model
    inputs : (batch, timesteps, features) array, or what else the model takes
        NaN and infinity may stand in it: masks are what is looked at, not values.

    Returns
    -------
    list of LayerMask
        One entry for each layer, and in a functional model for each operation such as `x * 2`,
        in order: its name and class, the shape of its output, and the mask that goes on with
        it, (batch, timesteps) of bool, or None where there is none.
    """
    inputs = _check_followed(model, inputs)
    operations = [operation for operation in _operations(model) if _carries_data(operation)]
    outputs = [_first_output(operation) for operation in operations]
    try:
        follow = keras.Model(model.inputs[0], outputs)
    except ValueError:
        raise ValueError(
            "`model` must have its layers for itself. Received: a model with a layer that another "
            "model had before. Build it again with new layers."
        ) from None
    held = [(state, state.numpy()) for layer in model.layers for state in _states(layer)]
    with warnings.catch_warnings():  # Keras has warned when the model was built
        warnings.filterwarnings("ignore", ".* does not support masking ")
        outputs = follow(inputs)
    for state, value in held:  # looking at masks changes nothing
        state.assign(value)
    return [_layer_mask(layer, y) for layer, y in zip(operations, outputs, strict=True)]


def _check_followed(model, inputs):
    """Return the inputs as an array, if mask and inputs can be followed through the model."""
    if not isinstance(model, keras.Model) or len(getattr(model, "inputs", None) or ()) != 1:
        raise TypeError(
            "`model` must be a built Keras model with one input. Received: "
            f"{type(model).__name__}. Let it start with `keras.Input`."
        )
    inputs = as_array("inputs", inputs, hint="`pad_batch(sequences)` makes them equal.")
    expected = model.input_shape
    fits = inputs.ndim == len(expected) and all(
        size == axis if axis else size > 0
        for size, axis in zip(inputs.shape, expected, strict=True)
    )
    if not fits or inputs.dtype.kind not in "iuf":
        raise ValueError(
            f"`inputs` must be numbers in the shape of the model's input, {expected}. "
            f"Received: an array of shape {inputs.shape}, dtype {inputs.dtype}."
        )
    return inputs


def _operations(model):
    return getattr(model, "operations", model.layers)  # `x * 2` is one, and no layer


def _carries_data(operation):
    """Return whether it is more than a part of how a mask is computed."""
    return isinstance(operation, keras.Layer) or _first_output(operation).dtype != "bool"


def _first_output(operation):
    return keras.tree.flatten(operation.output)[0]


def _states(layer):
    return layer.states if getattr(layer, "stateful", False) else ()


def _layer_mask(layer, output):
    mask = getattr(output, "_keras_mask", None)  # where Keras itself keeps it
    mask = None if mask is None else np.asarray(mask)
    return LayerMask(layer.name, type(layer).__name__, tuple(output.shape), mask)


def _windowed(model, sequences, steps, mask=None):
    """Return the sequences' lengths, their windows, and the mask that the model will see."""
    engine.check_windowed(model)
    sequences = check_sequences(sequences)
    lengths = np.array([len(sequence) for sequence in sequences])
    steps = check_steps(lengths.max() if steps is None else steps, lengths.max())
    inputs, real = cut_windows(sequences, steps)
    if mask is not None:
        if len(set(lengths)) > 1:
            raise ValueError(
                "`mask` must go with a padded batch; `pad_batch(sequences)` gives both. "
                f"Received: sequences of {lengths.min()} to {lengths.max()} timesteps."
            )
        mask = check_mask(mask, (len(lengths), int(lengths[0])), axes=("batch", "timesteps"))
        real = cut_windows(mask[..., None], steps, value=False).inputs[..., 0]
    return lengths, *engine.as_model_inputs(model, inputs, real, "sequences")


def _hold(states, real):
    """Let each row keep its last real state where `real` is False; zeros before the first."""
    last = np.maximum.accumulate(np.where(real, np.arange(real.shape[1]), -1), axis=1)
    held = np.take_along_axis(states, np.maximum(last, 0)[..., None], axis=1)
    return np.where(last[..., None] >= 0, held, 0.0)


def _mean_over_rows(values, lengths):
    has = np.arange(values.shape[1]) < lengths[:, None]
    return np.where(has, values, 0.0).sum(axis=0) / has.sum(axis=0)
