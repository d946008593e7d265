"""Training and predicting window by window, with state carried or reset in between.

`inputs` and `mask` are as `split_windows` gives them: (n_windows, batch, steps, features) and
(n_windows, batch, steps). `carry` passes the state on from window to window, or starts each from
zeros. The state that a stateful model holds is neither read nor changed.
"""

import numpy as np

from helpers import check, engine
from helpers.quiet import HloProto, keras, tf
from helpers.recurrence import count_to_last
from helpers.windows import last_windows

_MAKE_WINDOWS = "`split_windows(sequences, steps)` makes them: pass its `inputs` and its `mask`."


def train_windows(
    model,
    inputs,
    targets,
    *,
    mask=None,
    counts=None,
    epochs=1,
    carry=True,
    validation=None,
    callbacks=(),
):
    """Train a compiled model with one update for every window.

    This is truncated backpropagation through time: with `carry`, a window starts from the
    state that the one before left, but no gradient crosses the border between them. Each
    epoch starts from zeros.

    `history.history` of the `History` that is returned has one entry an epoch for the loss and
    each metric: the mean of what the model had before each update, not the loss of the model
    that comes out. `validation` measures that one.

    Parameters
    ----------
    model : keras.Sequential
        Compiled the Keras way: its own optimizer, loss and metrics are used.
    inputs, mask : arrays
        Masked timesteps change no state and count in neither loss nor metrics, but for RMSE,
        AUC, Precision and Recall, which Keras masks only as `weighted_metrics`.
    targets : array
        (n_windows, batch, steps, …) as the loss wants them. For a last-step model
        (batch, …): they count in the window that holds a row's last real timestep. Windows in
        which nothing counts make no update. What does not count may hold anything.
    counts : (n_windows, batch, steps) array of bool, optional
        Which real timesteps count in loss and metrics; all if None. A warm-up that does not
        count still moves the state. Not for last-step models.
    validation : tuple, optional
        `(inputs, targets)`, with `mask` and `counts` behind them if wanted: read after each epoch
        with the weights that it leaves, without dropout. The history has it as `val_loss`, ….
    callbacks : sequence of keras.callbacks.Callback
        Called around training and each epoch; `model.stop_training` ends it. Hooks for
        single batches are not called: an epoch runs as one compiled program.
    """
    callbacks = _check_callbacks(callbacks)
    epochs = check.whole_number("epochs", epochs)
    carry = tf.constant(check.flag("carry", carry))
    run_epoch = _runner(model, epoch_data(model, inputs, targets, mask, counts), carry)
    validate = dict
    if validation is not None:
        validate = _runner(model, _validation_data(model, validation), carry, training=False)
    hooks = keras.callbacks.CallbackList(callbacks, add_history=True, model=model, epochs=epochs)
    model.stop_training = False
    logs = {}
    hooks.on_train_begin()
    for epoch in range(epochs):
        hooks.on_epoch_begin(epoch)
        logs = run_epoch()
        logs |= {f"val_{name}": value for name, value in validate().items()}
        hooks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    hooks.on_train_end(logs)
    return model.history


def predict_windows(model, inputs, *, mask=None, carry=True):
    """Predict window by window: (n_windows, batch, steps, outputs), 0 at masked timesteps.

    A last-step model gives (batch, outputs), each row at its own last real timestep.
    """
    engine.check_windowed(model)
    inputs, mask = _check_inputs(model, inputs, mask)
    carry = check.flag("carry", carry)
    outputs = engine.run_windows(model, "outputs", inputs, mask, carry=carry)
    if engine.returns_sequences(model):
        outputs[~mask] = 0.0
        return outputs
    return outputs[last_windows(mask)]


def epoch_mebibytes(model, inputs, targets, *, mask=None):
    """Return the MiB that XLA's buffer assignment sets aside for one epoch of `train_windows`.

    They hold the data, the weights with what the optimizer keeps of them, and all that
    backpropagation keeps of a window; TensorFlow itself is not counted.
    """
    tensors, idle = epoch_data(model, inputs, targets, mask)
    epoch = epoch_program(model, tensors, idle)
    compiled = epoch.experimental_get_compiler_ir(*tensors, tf.constant(True))
    plan = HloProto.FromString(compiled(stage="optimized_hlo_proto_serialized"))
    return sum(buffer.size for buffer in plan.buffer_assignment.buffer_allocations) / 2**20


def _validation_data(model, validation):
    if not isinstance(validation, tuple) or not 2 <= len(validation) <= 4:
        raise TypeError(
            "`validation` must be a tuple `(inputs, targets)`, with `mask` and `counts` behind "
            f"them if wanted. Received: {type(validation).__name__}."
        )
    try:
        return epoch_data(model, *validation)
    except (TypeError, ValueError) as problem:
        raise type(problem)(f"`validation` must fit: {problem}") from None


def epoch_data(model, inputs, targets, mask=None, counts=None):
    """Check what `train_windows` is given; return it as tensors, and whether a window is idle.

    The tensors are inputs, targets, mask, and what counts in the loss: (n_windows, batch, steps),
    or (n_windows, batch) for a last-step model. In an idle window nothing counts.
    """
    engine.check_windowed(model)
    _check_compiled(model)
    inputs, mask = _check_inputs(model, inputs, mask)
    counts = _check_counts(model, counts, mask)
    targets = _check_targets(model, targets, counts)
    real, counting = (array.reshape(len(array), -1).any(axis=1) for array in (mask, counts))
    idle = not counting[: np.flatnonzero(real).max(initial=0) + 1].all()
    return tuple(map(tf.constant, (inputs, targets, mask, counts))), idle


def _runner(model, data, carry, *, training=True):
    """Return what runs one epoch over the data and returns loss and metrics by name."""
    tensors, idle = data
    taken = *tensors, carry
    program = engine.cached_program(
        model,
        (training, idle, *((tensor.shape, tensor.dtype) for tensor in taken)),
        lambda: epoch_program(model, tensors, idle, training),
        compiled=model.metrics[:1],
    )
    # As Keras' own history keeps them: floats, or arrays.
    return lambda: {n: v.numpy() if v.ndim else float(v) for n, v in program(*taken).items()}


def epoch_program(model, tensors, idle, training=True):
    """Return one epoch as a compiled program: a loop over the windows, an update for each.

    `tensors` and `idle` are as `epoch_data` gives them. Idle windows move the state and make no
    update. Without `training`, none makes one.
    """
    _build_variables(model, tensors)
    step = engine.window_step(model)
    weights = [weight.value for weight in model.trainable_variables]
    loss_tracker = model.metrics[0]
    sequences = engine.returns_sequences(model)

    def update(inputs, targets, mask, counts, states):
        with tf.GradientTape() as tape:
            window = step(inputs, states, mask, training=training)
            outputs = window.outputs
            outputs._keras_mask = counts  # Keras divides loss and metrics by what counts
            loss = model.compute_loss(x=inputs, y=targets, y_pred=outputs, training=training)
            scaled = model.optimizer.scale_loss(loss)
        if training:
            gradients = tape.gradient(scaled, weights)
            model.optimizer.apply(gradients, model.trainable_variables)
        loss_tracker.update_state(loss, sample_weight=tf.shape(inputs)[0])
        model.compute_metrics(inputs, targets, outputs, tf.cast(counts, outputs.dtype))
        return window.states

    @tf.function(jit_compile=True, autograph=False)
    def epoch(inputs, targets, mask, counts, carry):
        end = count_to_last(mask)

        def body(k, states):
            window = inputs[k], targets[k] if sequences else targets, mask[k], counts[k], states
            if idle:
                after = tf.cond(
                    tf.reduce_any(counts[k]),
                    lambda: update(*window),
                    lambda: step(inputs[k], states, mask[k], training=training).states,
                )
            else:
                after = update(*window)
            return k + 1, [tf.where(carry, state, 0) for state in after]

        model.reset_metrics()
        zeros = engine.zero_states(model, inputs.shape[1])
        tf.while_loop(lambda k, _: k < end, body, (0, zeros))
        return model.get_metrics_result()

    return epoch


def _build_variables(model, tensors):
    """Let Keras make the variables of loss, metrics and optimizer before a program uses them."""
    _, targets, _, counts = tensors
    outputs = tf.zeros((*counts.shape[1:], model.output_shape[-1]), model.compute_dtype)
    y = targets[0] if engine.returns_sequences(model) else targets
    model.compute_loss(x=None, y=y, y_pred=outputs)
    model.compute_metrics(None, y, outputs)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _check_inputs(model, inputs, mask):
    inputs = check.array(inputs, "inputs", (*check.WINDOWS, "features"), hint=_MAKE_WINDOWS)
    return engine.as_model_inputs(model, inputs, mask, "inputs")


def _check_compiled(model):
    if not model.compiled or model.loss is None:
        raise ValueError(
            "`model` must be compiled: call `model.compile(optimizer, loss)` first. "
            "Received: a model that has no loss yet."
        )
    for layer in model.layers:
        if isinstance(layer, keras.layers.RNN) and layer.activity_regularizer is not None:
            raise ValueError(
                "`model` must not have an activity regularizer in a recurrent layer: it would not "
                f"enter the loss. Received: one in the layer {layer.name!r}."
            )


def _check_callbacks(callbacks):
    listed = keras.tree.flatten(callbacks)
    for callback in listed:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must be a list of keras.callbacks.Callback. "
                f"Received: {type(callback).__name__}."
            )
    return listed


def _check_counts(model, counts, mask):
    """Return what counts in the loss, as `epoch_data` has it."""
    if not engine.returns_sequences(model):
        if counts is not None:
            raise ValueError(
                "`counts` must be None for a last-step model, whose one output always counts. "
                f"Received: {type(counts).__name__}. `return_sequences=True` gives more outputs."
            )
        counts = np.zeros(mask.shape[:2], bool)
        counts[last_windows(mask)] = True  # the windows in which rows end
        return counts & mask.any(axis=-1)
    if counts is None:
        return mask
    counts = mask & check.mask(counts, mask.shape, name="counts")
    if not counts.any():
        raise ValueError("`counts` must hold a real timestep that counts. Received: none.")
    return counts


def _check_targets(model, targets, counts):
    """Return the targets if their axes fit the windows, so that no loss can broadcast them."""
    sequences, outputs = engine.returns_sequences(model), model.output_shape[-1]
    axes, counting = (check.WINDOWS, counts) if sequences else (("batch",), counts.any(axis=0))
    targets = check.numbers("targets", targets)
    last = targets.shape[counting.ndim :]
    # One output of a last-step model: there Keras adds the axis rightly.
    free = not _would_broadcast(model.loss) or (outputs == 1 and not sequences)
    fits = last == (outputs,) or (free and last in ((), (1,)))
    if targets.shape[: counting.ndim] != counting.shape or not fits:
        raise ValueError(
            f"`targets` must have the axes ({', '.join(axes)}, outputs) = "
            f"{(*counting.shape, outputs)}; where the loss takes class numbers, the last may be 1 "
            f"or missing. Received: an array of shape {targets.shape}. `[..., None]` adds an axis."
        )
    if not counting.all():  # NaN or no class would stop Keras where none counts, too
        where = counting.reshape(counting.shape + (1,) * len(last))
        targets = np.where(where, targets, 0)
    check.array(targets, "targets", (*axes, "outputs")[: targets.ndim])
    check.fits("targets", targets, model.compute_dtype)
    return targets


def _would_broadcast(loss):
    """Return whether this is one of Keras' own losses, and none that takes class numbers."""
    loss = keras.tree.flatten(loss)[0]  # `compile` takes it in a list or a dict, too
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    name = getattr(loss, "name", getattr(loss, "__name__", ""))
    return str(getattr(loss, "__module__", "")).startswith("keras") and "sparse" not in name
