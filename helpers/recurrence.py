"""One recurrent layer over the timesteps of a window, with its state passed in and out.

Keras' layers loop over a cell and leave the gradient of the loop to TensorFlow, which keeps
every intermediate of every timestep. Here a timestep is one product and a few kernels, what its
gradient needs is kept once, and the gradient runs back over the states alone: a smaller program,
quicker to compile and to run, with the same result.
"""

from typing import Any, NamedTuple

from helpers.quiet import keras, record_operation, stop_recording, tf


def recurrent_step(layer):
    """Return a SimpleRNN, GRU or LSTM layer as a function of a window, a mask and a state.

    It is `step(inputs, mask, states, training) -> hidden, states`, with `inputs`
    (batch, steps, features), `mask` (batch, steps) and `states` a list of (batch, units) tensors;
    `hidden` is h after each timestep, (batch, steps, units), and may be 0 or stand still where
    masked. It shares the layer's weights; what the layer itself keeps is not touched.
    """
    if not _has_formulas(layer):
        return _keras_step(layer)

    def step(inputs, mask, states, training):
        mask = tf.transpose(mask)[..., None]  # (steps, batch, 1)
        loop = _Loop(_FORMULAS[type(layer)], mask, count_to_last(mask))
        inputs = tf.transpose(inputs, (1, 0, 2))  # (steps, batch, features)
        hidden, *after = loop.run(inputs, _weights(layer.cell, inputs.dtype), states)
        return tf.transpose(hidden, (1, 0, 2)), after

    return step


def _has_formulas(layer):
    """Return whether the layer computes what `_FORMULAS` says: with its default arguments.

    In half precision, a sigmoid taken through tanh would lose small gates.
    """
    cell, tanh, sigmoid = layer.cell, keras.activations.tanh, keras.activations.sigmoid
    return (
        cell.activation is tanh
        and getattr(cell, "recurrent_activation", sigmoid) is sigmoid
        and getattr(cell, "reset_after", True)
        and not cell.dropout
        and not cell.recurrent_dropout
        and layer.compute_dtype in ("float32", "float64")
    )


def _weights(cell, dtype):
    """Return one matrix for all that a timestep adds up: its rows multiply h, the inputs and 1.

    A GRU's candidate multiplies what returns before it is added: it gets columns of its own.
    """
    is_gru, columns = isinstance(cell, keras.layers.GRUCell), cell.kernel.shape[1]
    bias = cell.bias if cell.use_bias else tf.zeros((2, columns) if is_gru else columns)
    weights = cell.kernel, cell.recurrent_kernel, bias
    kernel, recurrent, bias = (tf.cast(weight, dtype) for weight in weights)
    if is_gru:
        gates = 2 * cell.units  # the update gate and the reset gate
        kernel = tf.pad(kernel, [[0, 0], [0, cell.units]])
        shared, candidate = recurrent[:, :gates], recurrent[:, gates:]
        recurrent = tf.concat([shared, tf.zeros_like(candidate), candidate], axis=1)
        shared = bias[0, :gates] + bias[1, :gates]
        bias = tf.concat([shared, bias[0, gates:], bias[1, gates:]], axis=0)
    return tf.concat([recurrent, kernel, bias[None]], axis=0)


class _Formulas(NamedTuple):
    """A cell's arithmetic: `forwards(total, states) -> states, kept` and its gradient.

    The total is what the weights add up, in the columns of a sigmoid only half of it, by `factors`:
    sigmoid(x) = (1 + tanh(x / 2)) / 2, so that gates share a kernel, precise to 6e-8 in float32.
    `backwards(kept, before, d_after) -> d_total, d_before` is the gradient of the whole total.
    """

    forwards: Any
    backwards: Any
    factors: tuple


def _simple_rnn(total, states):
    h = tf.tanh(total)
    return [h], [h]


def _simple_rnn_gradient(kept, before, d_after):
    (h,), (d_h,) = kept, d_after
    return d_h * (1 - h * h), [tf.zeros_like(d_h)]


def _gru(total, states):
    gates, rest = tf.split(total, 2, axis=-1)
    gates = tf.tanh(gates)
    z, r = _sigmoids(gates)
    entering, returning = tf.split(rest, 2, axis=-1)
    new = tf.tanh(entering + r * returning)
    return [z * states[0] + (1 - z) * new], [gates, new, returning]


def _gru_gradient(kept, before, d_after):
    gates, new, returning = kept
    (h,), (d_h,) = before, d_after
    z, r = _sigmoids(gates)
    d_new = d_h * (1 - z) * (1 - new * new)
    d_z, d_r = d_h * (h - new) * z * (1 - z), d_new * returning * r * (1 - r)
    return tf.concat([d_z, d_r, d_new, d_new * r], axis=-1), [d_h * z]


def _lstm(total, states):
    # By halves: a kernel with the product's shape would write over it, which is slow.
    gates = [tf.tanh(half) for half in tf.split(total, 2, axis=-1)]
    i, f, new, o = _lstm_gates(gates)
    c = f * states[1] + i * new
    return [o * tf.tanh(c), c], gates


def _lstm_gradient(kept, before, d_after):
    *gates, shown = kept  # shown: tanh of the new c
    i, f, new, o = _lstm_gates(gates)
    (_, c), (d_h, d_c) = before, d_after
    d_c += d_h * o * (1 - shown * shown)
    d_i, d_f = d_c * new * i * (1 - i), d_c * c * f * (1 - f)
    d_new, d_o = d_c * i * (1 - new * new), d_h * shown * o * (1 - o)
    return tf.concat([d_i, d_f, d_new, d_o], axis=-1), [tf.zeros_like(d_h), d_c * f]


def _lstm_gates(gates):
    new, o = tf.split(gates[1], 2, axis=-1)
    return *_sigmoids(gates[0]), new, (1 + o) / 2


def _sigmoids(gates):
    return tf.split((1 + gates) / 2, 2, axis=-1)


_FORMULAS = {
    keras.layers.SimpleRNN: _Formulas(_simple_rnn, _simple_rnn_gradient, (1.0,)),
    keras.layers.GRU: _Formulas(_gru, _gru_gradient, (0.5, 0.5, 1.0, 1.0)),
    keras.layers.LSTM: _Formulas(_lstm, _lstm_gradient, (0.5, 0.5, 1.0, 0.5)),
}


class _Loop(NamedTuple):
    """A cell over the timesteps of a window, up to `end`; `mask` is (steps, batch, 1)."""

    formulas: _Formulas
    mask: Any
    end: Any

    def run(self, inputs, weights, states):
        """Return h after each timestep, (steps, batch, units), and the last states."""
        factors = tf.constant(self.formulas.factors, weights.dtype)
        factors = tf.repeat(factors, weights.shape[-1] // len(self.formulas.factors))

        def run(given, weights, *states):
            taken = given, weights, *states
            with stop_recording():
                last, states, kept = self._forwards(given, weights * factors, list(states))

            def gradient(d_hidden, *d_last):
                return self._backwards(given, weights, states, kept, d_hidden, list(d_last))

            # `tf.custom_gradient` would keep each graph until the process ends.
            record_operation("Recurrence", [states[0], *last], taken, gradient)
            return states[0], *last

        given = tf.concat([inputs, tf.ones_like(inputs[..., :1])], axis=-1)
        # One more than there are timesteps, as many as states: so no large array is cut.
        hidden, *last = run(tf.pad(given, [[0, 1], [0, 0], [0, 0]]), weights, *states)
        return hidden[1:], *last

    def _forwards(self, given, weights, states):
        """Return the last states, the states before and after each timestep, and what is kept."""

        def advance(t, states):
            total = tf.matmul(tf.concat([states[0], given[t]], axis=-1), weights)
            new, keep = self.formulas.forwards(total, states)
            pairs = zip(new, states, strict=True)
            return [tf.where(self.mask[t], *pair) for pair in pairs], keep

        def body(t, states, after, kept):
            # Read again: a kernel that writes over what it reads is several times slower.
            states, keep = advance(t, [after[0].read(t), *states[1:]])
            after = [array.write(t + 1, each) for array, each in zip(after, states, strict=True)]
            kept = [array.write(t, each) for array, each in zip(kept, keep, strict=True)]
            return t + 1, states, after, kept

        steps = tf.shape(self.mask)[0]
        after = [_array(steps + 1, state).write(0, state) for state in states]
        kept = [_array(steps, each) for each in advance(0, states)[1]]
        loop = 0, states, after, kept
        _, states, after, kept = tf.while_loop(
            lambda t, *_: t < self.end, body, loop, maximum_iterations=steps
        )
        after, kept = ([array.stack() for array in arrays] for arrays in (after, kept))
        # What an LSTM shows of c, for its gradient: all timesteps in one kernel.
        return states, after, kept + [tf.tanh(c[1:]) for c in after[1:]]

    def _backwards(self, given, weights, states, kept, d_hidden, d_last):
        """Return the gradients of `given`, of the weights, and of the first states."""
        returning, entering = (
            # Transposed once: Eigen would do it again for each product.
            tf.transpose(each)
            for each in tf.split(weights, [states[0].shape[-1], -1])
        )

        def body(t, d_states, d_totals):
            d_new = [tf.where(self.mask[t], each, 0) for each in d_states]
            d_total, d_before = self.formulas.backwards(
                [each[t] for each in kept], [each[t] for each in states], d_new
            )
            pairs = zip(d_before, d_states, strict=True)
            d_h, *rest = (tf.where(self.mask[t], *pair) for pair in pairs)
            d_h += tf.matmul(d_total, returning) + d_hidden[t]
            return t - 1, [d_h, *rest], d_totals.write(t, d_total)

        d_last[0] += tf.gather(d_hidden, self.end)
        d_totals = _array(tf.shape(given)[0], tf.matmul(given[0], entering, transpose_b=True))
        loop = self.end - 1, d_last, d_totals
        _, d_states, d_totals = tf.while_loop(
            lambda t, *_: t >= 0, body, loop, maximum_iterations=tf.shape(self.mask)[0]
        )
        d_totals = d_totals.stack()  # 0 past the end
        d_weights = [tf.einsum("tbi,tbj->ij", each, d_totals) for each in (states[0], given)]
        return tf.tensordot(d_totals, entering, 1), tf.concat(d_weights, axis=0), *d_states


def count_to_last(real):
    """Return how many steps, or windows, to run: after the last real timestep nothing moves."""
    some = tf.reduce_any(real, axis=[1, 2])
    return 1 + tf.reduce_max(tf.where(some, tf.range(tf.shape(real)[0]), 0))


def _array(size, element):
    """Return room for `size` tensors like `element`, of which only shape and dtype are used."""
    return tf.TensorArray(
        element.dtype, size=size, element_shape=element.shape, clear_after_read=False
    )


def _keras_step(layer):
    """Let Keras' own layer do it."""
    options = {"return_sequences": True, "return_state": True, "stateful": False, "unroll": False}
    options["name"] = f"{layer.name}_explicit"
    twin = type(layer).from_config(layer.get_config() | options)
    twin.cell = layer.cell

    def step(inputs, mask, states, training):
        # With `initial_state`, Keras 3.15 takes no mask from its input: pass it.
        hidden, *after = twin(inputs, initial_state=states, mask=mask, training=training)
        return hidden, after

    return step
