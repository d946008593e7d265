"""What a model remembers: its states over time, how far they reach, and where masks go.

`sequences` are a list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array.
They are read in windows of `steps` timesteps, in one for the whole length if that is None; `carry`
passes the state on from window to window, or starts each from zeros.
"""

import warnings
from functools import partial
from typing import NamedTuple

import numpy as np

from helpers import check, engine
from helpers.quiet import keras, tf
from helpers.windows import as_rows, cut_windows, last_windows


def trace_states(model, sequences, *, mask=None, steps=None, carry=True):
    """Return the last recurrent layer's h after every timestep: (batch, timesteps, units).

    `mask`, (batch, timesteps) of bool, says which timesteps of a padded batch are real. Where one
    is masked, and after a sequence's end, the state stands still.
    """
    carry = check.flag("carry", carry)
    lengths, inputs, mask = _windowed(model, sequences, steps, mask=mask)
    hidden = engine.run_windows(model, "hidden", inputs, mask, carry=carry)
    return _hold(*(as_rows(array)[:, : lengths.max()] for array in (hidden, mask)))


def state_reach(model, sequences, *, steps=None, carry=True, at=None):
    """Measure how far back an output depends on the inputs, by the state that is passed on.

    Entry t of the result, (timesteps,), is the norm of the Jacobian of the output at timestep
    `at`, each sequence's last if None, with respect to input t, averaged over the sequences that
    have a timestep `at`, and t.
    """
    # Carried, windows give what one long pass does: it is measured in one.
    one = check.flag("carry", carry)
    return _reach(model, _windowed(model, sequences, steps, at=at, one=one), sequences)


def gradient_reach(model, sequences, *, steps=None, at=None):
    """Measure how far back training with windows of `steps` can assign credit to inputs.

    As `state_reach`, with the state carried, but with the gradient stopped where a window begins:
    inputs of earlier windows have an effect and get no gradient.
    """
    return _reach(model, _windowed(model, sequences, steps, at=at), sequences, carry=True)


def _reach(model, windows, sequences, *, carry=False):
    lengths, inputs, mask = windows
    # Nothing crosses a border now: each row's last window and the state it starts from suffice.
    states = engine.run_windows(model, "states", inputs, mask, carry=carry)
    before = np.concatenate([np.zeros_like(states[:1]), states[:-1] if carry else 0 * states[:-1]])
    jacobian = engine.cached_program(model, "jacobian", lambda: _last_jacobian(model))
    last = last_windows(mask)
    norms = np.zeros(mask.shape)
    norms[last] = jacobian(*(tf.constant(array[last]) for array in (inputs, mask, before))).numpy()
    rows, timesteps = as_rows(norms), max(map(len, sequences))
    has = np.arange(rows.shape[1]) < lengths[:, None]
    mean = np.where(has, rows, 0.0).sum(axis=0) / np.maximum(has.sum(axis=0), 1)
    return np.pad(mean, (0, max(0, timesteps - len(mean))))[:timesteps]


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
            outputs = tf.cast(step(inputs, states, mask).outputs, inputs.dtype)
            if outputs.shape.rank == 3:
                real = tf.range(tf.shape(mask)[1]) * tf.cast(mask, tf.int32)
                last = tf.reduce_max(real, axis=1)
                outputs = tf.gather(outputs, last, batch_dims=1)
        # (batch, outputs, steps, features)
        jacobian = tape.batch_jacobian(outputs, inputs, experimental_use_pfor=False)
        return tf.sqrt(tf.reduce_sum(jacobian**2, axis=[1, 3]))

    return norms


class LayerMask(NamedTuple):
    """A layer's output: `layer` and `kind` names, `shape`, its `mask` of bool or None."""

    layer: str
    kind: str
    shape: tuple
    mask: np.ndarray | None


def trace_masks(model, inputs):
    """Follow the mask through a sequential or functional model: a list of `LayerMask`.

    It has an entry for each layer, and in a functional model for each operation such as `x * 2`,
    in order, with the mask that goes on. `inputs` are a (batch, timesteps, features) array, or
    what else the model takes, in a list if it takes several. NaN and infinity may stand in them:
    only masks are looked at.
    """
    entries = _check_followed(model, inputs)
    graph = getattr(model, "_functional", model)  # a Sequential model has one inside
    rows = []
    if graph is model:
        rows = [LayerMask(entry.name, "InputLayer", x.shape, None) for entry, x in entries]

    def follow(operation, *args, **kwargs):
        try:
            output = operation(*args, **kwargs)
        except Exception:
            raise ValueError(_what_breaks(operation, [args, kwargs])) from None
        first = keras.tree.flatten(output)[0]
        # A layer, or an operation such as `x * 2`, and no part of how a mask is computed.
        if isinstance(operation, keras.Layer) or first.dtype != "bool":
            mask = getattr(first, "_keras_mask", None)  # where Keras itself keeps it
            mask = None if mask is None else np.asarray(mask)
            rows.append(
                LayerMask(operation.name, type(operation).__name__, tuple(first.shape), mask)
            )
        return output

    recurrent = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    states = keras.tree.flatten([layer.states for layer in recurrent if layer.stateful])
    held = [(state, state.numpy()) for state in states]
    with warnings.catch_warnings(), np.errstate(over="ignore"):  # Keras has warned before
        warnings.filterwarnings("ignore", ".* does not support masking ")
        tensors = [keras.ops.convert_to_tensor(x, entry.dtype) for entry, x in entries]
        try:
            graph._run_through_graph(tensors, lambda operation: partial(follow, operation))
        finally:
            for state, value in held:  # looking at masks changes nothing
                state.assign(value)
    return rows


def _check_followed(model, inputs):
    """Return the model's inputs, each with its array, if that can be followed through the model."""
    entries = getattr(model, "inputs", None)
    if not isinstance(model, keras.Model) or not entries:
        raise TypeError(
            f"`model` must be a built Keras model. Received: {type(model).__name__}. Let it start "
            "with `keras.Input`."
        )
    inputs = [inputs] if len(entries) == 1 else check.listed("inputs", inputs, "the model's inputs")
    arrays = [check.as_array("inputs", x, hint="`pad_batch(x)` makes them equal.") for x in inputs]
    if len(arrays) != len(entries) or not all(map(_fits, arrays, entries)):
        found = " and ".join(f"shape {array.shape} of dtype {array.dtype}" for array in arrays)
        raise ValueError(
            f"`inputs` must be numbers in the shape of the model's input, {model.input_shape}, "
            f"and boolean where it is. Received: {found}."
        )
    return list(zip(entries, arrays, strict=True))


def _fits(array, entry):
    sizes = array.ndim == len(entry.shape) and zip(array.shape, entry.shape, strict=True)
    kinds = "b" if entry.dtype == "bool" else "iuf"
    return sizes and array.dtype.kind in kinds and all(n == m if m else n > 0 for n, m in sizes)


def _what_breaks(operation, given):
    """Return a sentence on a layer that fails, with the shapes of the input and mask it got."""
    read, *others = [x for x in keras.tree.flatten(given) if tf.is_tensor(x)]
    mask = next((x for x in others if x.dtype == "bool"), getattr(read, "_keras_mask", None))
    mask = "no mask" if mask is None else f"a mask of shape {tuple(mask.shape)}"
    return (
        f"`model` must run on `inputs`, masks included. Received: {type(operation).__name__} "
        f"({operation.name!r}) breaks on an input of shape {tuple(read.shape)} with {mask}. If the "
        "mask does not fit, put `Masking` right before that layer, or give it `mask=` by hand."
    )


def _windowed(model, sequences, steps, *, mask=None, at=None, one=False):
    """Return the sequences' lengths, their windows, and the mask that the model will see.

    With `at`, sequences end there, and those that end before are left out; with `one`, there is
    one window for all.
    """
    engine.check_windowed(model)
    sequences = check.sequences(sequences)
    longest = max(map(len, sequences))
    steps = check.steps(longest if steps is None else steps, longest)
    steps = longest if one else steps
    if at is not None:
        last = f"the last timestep ({longest - 1})"
        at = check.whole_number("at", at, minimum=0, maximum=longest - 1, maximum_is=last)
        sequences = [sequence[: at + 1] for sequence in sequences if len(sequence) > at]
    lengths = np.array([len(sequence) for sequence in sequences])
    inputs, real = cut_windows(sequences, steps)
    if mask is not None:
        if len(set(lengths)) > 1:
            raise ValueError(
                "`mask` must go with a padded batch; `pad_batch(sequences)` gives both. "
                f"Received: sequences of {lengths.min()} to {lengths.max()} timesteps."
            )
        mask = check.mask(mask, (len(lengths), int(lengths[0])), axes=("batch", "timesteps"))
        real = cut_windows(mask[..., None], steps).inputs[..., 0]
    return lengths, *engine.as_model_inputs(model, inputs, real, "sequences")


def _hold(states, real):
    """Let each row keep its last real state where `real` is False; zeros before the first."""
    last = np.maximum.accumulate(np.where(real, np.arange(real.shape[1]), -1), axis=1)
    held = np.take_along_axis(states, np.maximum(last, 0)[..., None], axis=1)
    return np.where(last[..., None] >= 0, held, 0.0)
