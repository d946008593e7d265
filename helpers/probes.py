"""What a model remembers: its states over time, how far they reach, and where masks go."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from helpers.models import check_windowed, fit_windows, keep_program, scan_windows
from helpers.validation import as_array, check_mask, check_sequences
from helpers.windows import join_windows, last_timesteps, split_windows

# Perturbed copies of the batch that `state_reach` runs at once, in input values.
_CHUNK_VALUES = 4_000_000


def trace_states(model, sequences, *, mask=None, steps=None, carry=True):
    """Return the state h of the last recurrent layer after every timestep.

    Parameters
    ----------
    model : keras.Sequential
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    mask : (batch, timesteps) array of bool, optional
        Which timesteps of a padded batch are real.
    steps : int, optional
        Timesteps in a window; one window for the whole length if None.
    carry : bool
        Pass the state on from window to window, or start each from zeros.

    Returns
    -------
    ndarray, (batch, timesteps, units)
        Where a timestep is masked, and after a sequence's end, the state stands still.

    Raises
    ------
    ValueError, TypeError
    """
    sequences, inputs, mask = _windowed(model, sequences, steps, mask)
    scan = keep_program(
        model,
        ("hidden", carry),
        lambda: scan_windows(model, lambda window: window.hidden, carry=carry),
    )
    hidden = _run(scan, inputs, mask)
    timesteps = max(len(sequence) for sequence in sequences)
    rows, real = (
        np.stack(join_windows(array, [timesteps] * len(sequences))) for array in (hidden, mask)
    )
    return _hold(rows, real)


def state_reach(model, sequences, *, steps=None, carry=True):
    """Measure how far back the last state remembers.

    Parameters
    ----------
    model, sequences, steps, carry
        As for `trace_states`.

    Returns
    -------
    ndarray, (timesteps,)
        Entry t: how much the last state changes when input t is replaced by zeros, as the
        Euclidean norm, averaged over the sequences that have a timestep t.

    Raises
    ------
    ValueError, TypeError
    """
    sequences, inputs, mask = _windowed(model, sequences, steps)
    scan = keep_program(
        model,
        ("final", carry),
        lambda: scan_windows(model, lambda window: window.final, carry=carry),
    )
    n_windows, batch, steps, features = inputs.shape
    timesteps = max(len(sequence) for sequence in sequences)
    change = np.empty((batch, timesteps))
    chunk = max(1, _CHUNK_VALUES // inputs.size)
    for start in range(0, timesteps, chunk):
        removed = range(start, min(start + chunk, timesteps))
        copies = np.repeat(inputs[:, None], len(removed), axis=1)  # copy after copy of the batch
        masks = np.tile(mask, (1, len(removed), 1))
        flat = copies.reshape(n_windows, -1, steps, features)
        # Both runs have one layout: rounding depends on a row's place in the batch.
        true = _last_real(_run(scan, flat, masks), masks)
        for i, t in enumerate(removed):
            copies[t // steps, i, :, t % steps] = 0.0
        last = _last_real(_run(scan, flat, masks), masks)
        norms = np.linalg.norm(last - true, axis=-1)
        change[:, removed] = norms.reshape(len(removed), batch).T
    return _mean_over_rows(change, sequences)


def gradient_reach(model, sequences, *, steps=None):
    """Measure how far back training with windows of `steps` can assign credit.

    Parameters
    ----------
    model, sequences, steps
        As for `trace_states`. State is carried; gradient stops where a window begins.

    Returns
    -------
    ndarray, (timesteps,)
        Entry t: the norm of the Jacobian of the last output with respect to input t,
        averaged over the sequences that have a timestep t.

    Raises
    ------
    ValueError, TypeError
    """
    sequences, inputs, mask = _windowed(model, sequences, steps)
    scan = keep_program(
        model, "gradient", lambda: scan_windows(model, lambda window: window.outputs)
    )
    inputs = tf.constant(inputs)
    ends = np.stack(last_timesteps(mask), axis=1)  # (batch, 3): window, row, step
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        outputs = scan(inputs, tf.constant(mask))
        at = ends if outputs.shape.rank == 4 else ends[:, :2]
        last = tf.unstack(tf.gather_nd(outputs, at), axis=-1)  # one (batch,) for each output
    squares = sum(tape.gradient(output, inputs).numpy() ** 2 for output in last)
    norms = np.sqrt(squares.sum(axis=-1))  # (n_windows, batch, steps)
    timesteps = max(len(sequence) for sequence in sequences)
    return _mean_over_rows(np.stack(join_windows(norms, [timesteps] * len(sequences))), sequences)


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
        One entry for each layer, in order: its name and class, the shape of its output, and the
        mask that goes on with it, (batch, timesteps) of bool, or None where there is none.

    Raises
    ------
    ValueError, TypeError
    """
    if not isinstance(model, keras.Model) or not model.built or len(model.inputs) != 1:
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
    outputs = [keras.tree.flatten(layer.output)[0] for layer in model.layers]
    follow = keras.Model(model.inputs[0], outputs)
    held = [(state, state.numpy()) for layer in model.layers for state in _states(layer)]
    outputs = follow(inputs)
    for state, value in held:  # looking at masks changes nothing
        state.assign(value)
    return [_layer_mask(layer, y) for layer, y in zip(model.layers, outputs, strict=True)]


def _states(layer):
    return layer.states if getattr(layer, "stateful", False) else ()


def _layer_mask(layer, output):
    mask = getattr(output, "_keras_mask", None)  # where Keras itself keeps it
    mask = None if mask is None else np.asarray(mask)
    return LayerMask(layer.name, type(layer).__name__, tuple(output.shape), mask)


def _windowed(model, sequences, steps, mask=None):
    """Return the sequences, their windows, and the mask that the model will see."""
    check_windowed(model)
    sequences = check_sequences(sequences)
    lengths = {len(sequence) for sequence in sequences}
    if steps is None:
        steps = max(lengths)
    inputs, real = split_windows(sequences, steps)
    if mask is not None:
        if len(lengths) > 1:
            raise ValueError(
                "`mask` must go with a padded batch; `pad_batch(sequences)` gives both. "
                f"Received: sequences of {min(lengths)} to {max(lengths)} timesteps."
            )
        mask = check_mask(mask, (len(sequences), *lengths), axes=("batch", "timesteps"))
        real = split_windows(mask[..., None].astype("int8"), steps).inputs[..., 0].astype(bool)
    inputs, mask = fit_windows(model, inputs, real, "sequences")
    return sequences, inputs, mask


def _run(scan, inputs, mask):
    return scan(tf.constant(inputs), tf.constant(mask)).numpy()


def _last_real(values, mask):
    """Pick each row's value from the window of its last real timestep."""
    return values[last_timesteps(mask)[:2]]


def _hold(states, real):
    """Let each row keep its last real state where `real` is False; zeros before the first."""
    last = np.maximum.accumulate(np.where(real, np.arange(real.shape[1]), -1), axis=1)
    held = np.take_along_axis(states, np.maximum(last, 0)[..., None], axis=1)
    return np.where(last[..., None] >= 0, held, 0.0)


def _mean_over_rows(values, sequences):
    lengths = np.array([len(sequence) for sequence in sequences])
    has = np.arange(values.shape[1]) < lengths[:, None]
    return np.where(has, values, 0.0).sum(axis=0) / has.sum(axis=0)
