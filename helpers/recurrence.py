"""One recurrent layer over the timesteps of a window, with its state passed in and out.

Keras' layers loop over a cell and leave the gradient of the loop to TensorFlow, which keeps
every intermediate of every timestep. Here the products that do not depend on the state are
taken out of the loop, and the gradient runs back over the states alone: a smaller program,
quicker to compile and to run, with the same result.
"""

from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf
from keras import layers


class Hidden(NamedTuple):
    """`hidden` after each timestep, (batch, steps, units), and the `states` after the last.

    Where all rows of a batch have ended, `hidden` is 0.
    """

    hidden: Any
    states: list


def recurrent_step(layer):
    """Return a recurrent layer as a function of a window, a mask and a state.

    Parameters
    ----------
    layer : keras.layers.SimpleRNN, GRU or LSTM

    Returns
    -------
    callable
        `step(inputs, mask, states, training) -> Hidden`, with `inputs`
        (batch, steps, features), `mask` (batch, steps) and `states` a list of (batch, units)
        tensors. It shares the layer's weights; what the layer itself keeps is not touched.
    """
    cell = layer.cell
    if cell.dropout or cell.recurrent_dropout or not getattr(cell, "reset_after", True):
        return _keras_step(layer)
    gates = _GATES[type(layer)]

    def step(inputs, mask, states, training):
        kernel, recurrent, bias = _weights(cell, inputs.dtype)
        x = tf.transpose(inputs, (1, 0, 2))  # (steps, batch, features)
        # The bias as one more feature, of ones: the product adds it, and sums its gradient.
        x = tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)
        entering = tf.tensordot(x, tf.concat([kernel, bias[None]], axis=0), 1)
        real = tf.transpose(mask)[..., None]
        hidden, *after = _loop(partial(gates, cell), entering, real, recurrent, states)
        return Hidden(tf.transpose(hidden, (1, 0, 2)), after)

    return step


def _weights(cell, dtype):
    """Return the weights with which every gate is what enters plus what returns.

    A GRU's candidate multiplies what returns before it is added: it gets columns of its own.
    """
    weights = [cell.kernel, cell.recurrent_kernel, *([cell.bias] if cell.use_bias else [])]
    kernel, recurrent, *bias = (tf.cast(weight, dtype) for weight in weights)
    if not isinstance(cell, layers.GRUCell):
        return kernel, recurrent, sum(bias)
    bias = bias[0] if bias else tf.zeros((2, kernel.shape[1]), dtype)
    gates = 2 * cell.units  # the update gate and the reset gate
    kernel = tf.pad(kernel, [[0, 0], [0, cell.units]])
    recurrent = tf.concat(
        [recurrent[:, :gates], tf.zeros_like(recurrent[:, gates:]), recurrent[:, gates:]], axis=1
    )
    bias = tf.concat([bias[0, :gates] + bias[1, :gates], bias[0, gates:], bias[1, gates:]], axis=0)
    return kernel, recurrent, bias


def _simple_rnn(cell, total, states):
    return [cell.activation(total)]


def _gru(cell, total, states):
    (h,) = states
    z, r, entering, returning = tf.split(total, 4, axis=-1)
    z, r = cell.recurrent_activation(z), cell.recurrent_activation(r)
    return [z * h + (1 - z) * cell.activation(entering + r * returning)]


def _lstm(cell, total, states):
    _, c = states
    i, f, new, o = tf.split(total, 4, axis=-1)
    i, f, o = (cell.recurrent_activation(gate) for gate in (i, f, o))
    c = f * c + i * cell.activation(new)
    return [o * cell.activation(c), c]


_GATES = {layers.SimpleRNN: _simple_rnn, layers.GRU: _gru, layers.LSTM: _lstm}


def _loop(gates, entering, mask, recurrent, states):
    """Run `gates` over the timesteps; return h after each, and the last states.

    `entering` is (steps, batch, columns), `mask` (steps, batch, 1), `recurrent`, which
    multiplies h, (units, columns).
    """
    steps = tf.shape(entering)[0]
    end = _last_real(mask)

    def advance(total, states, real):
        new = gates(total, states)
        return [tf.where(real, a, b) for a, b in zip(new, states, strict=True)]

    def forwards(entering, recurrent, states):
        totals = _array(steps, entering[0])
        kept = [_array(steps + 1, state).write(0, state) for state in states]

        def body(t, states, totals, kept):
            total = entering[t] + tf.matmul(states[0], recurrent)
            # Read again: a kernel that writes over what it reads is several times slower.
            before = [kept[0].read(t), *states[1:]]
            states = advance(total, before, mask[t])
            kept = [array.write(t + 1, each) for array, each in zip(kept, states, strict=True)]
            return t + 1, states, totals.write(t, total), kept

        loop = 0, states, totals, kept
        _, last, totals, kept = tf.while_loop(
            lambda t, *_: t < end, body, loop, maximum_iterations=steps
        )
        return last, totals.stack(), [array.stack() for array in kept]

    def backwards(totals, recurrent, states, d_hidden, d_last):
        def body(t, total, d_states, d_totals):
            inputs = [total, *(each[t] for each in states)]
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                after = advance(inputs[0], inputs[1:], mask[t])
            d_states = [d_states[0] + d_hidden[t], *d_states[1:]]
            d_total, d_h, *rest = tape.gradient(
                after, inputs, output_gradients=d_states, unconnected_gradients="zero"
            )
            d_h += tf.matmul(d_total, recurrent, transpose_b=True)
            d_totals = d_totals.write(t, d_total)
            return t - 1, d_totals.read(tf.maximum(t - 1, 0)), [d_h, *rest], d_totals

        # A total gives way to its gradient; past the end both are 0. Then the next one is read:
        # read and written in one kernel, all would be copied at each timestep.
        # (`totals[end - 1]` would make `end`, and with it the mask, a constant of the program.)
        latest = tf.gather(totals, end - 1)
        loop = end - 1, latest, d_last, _array(steps, totals[0]).unstack(totals)
        _, _, d_states, d_totals = tf.while_loop(
            lambda t, *_: t >= 0, body, loop, maximum_iterations=steps
        )
        d_totals = d_totals.stack()
        return d_totals, tf.tensordot(states[0][:-1], d_totals, [[0, 1], [0, 1]]), *d_states

    @tf.custom_gradient
    def run(entering, recurrent, *states):
        last, totals, states = forwards(entering, recurrent, list(states))

        def gradient(d_hidden, *d_last):
            return backwards(totals, recurrent, states, d_hidden, list(d_last))

        return [states[0][1:], *last], gradient

    return run(entering, recurrent, *states)


def _last_real(mask):
    """Return how many timesteps to run: what is padding in all rows to the end moves nothing."""
    some = tf.reduce_any(mask, axis=[1, 2])
    counted = tf.where(some, tf.range(1, tf.shape(mask)[0] + 1), 1)  # at least one
    return tf.reduce_max(counted)


def _array(size, element):
    return tf.TensorArray(element.dtype, size=size, element_shape=element.shape)


def _keras_step(layer):
    """Let Keras' own layer do it: with dropout, and for a GRU that resets before it multiplies."""
    config = layer.get_config() | {
        "name": f"{layer.name}_explicit",
        "return_sequences": True,
        "return_state": True,
        "stateful": False,
        "unroll": False,
    }
    twin = type(layer).from_config(config)
    twin.cell = layer.cell

    def step(inputs, mask, states, training):
        # With `initial_state`, Keras 3.15 takes no mask from its input: pass it.
        hidden, *after = twin(inputs, initial_state=states, mask=mask, training=training)
        return Hidden(hidden, after)

    return step
