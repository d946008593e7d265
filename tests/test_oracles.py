"""A second opinion from PyTorch, in double precision, with the weights of a Keras model.

PyTorch is in the ``bench`` extra: ``make oracles``, or ``pip install -e ".[bench]"``. Without it
only what Keras itself can be asked is compared here, dropout in training.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.models import build_rnn
from helpers.probes import gradient_reach, state_reach, trace_states
from helpers.training import predict_windows, train_windows
from helpers.windows import join_windows, split_windows

try:
    import torch
    from torch.nn.utils.rnn import pack_sequence, unpack_sequence
except ImportError:
    torch = None

with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is in the bench extra")
CELLS = ["simple_rnn", "gru", "lstm"]
LENGTHS = 7, 12, 4, 1
STEPS = 5
OUTPUTS = 2
RATE, MOMENTUM = 0.05, 0.9


@pytest.fixture(scope="module", params=[(c, u) for c in CELLS for u in (5, (5, 4))], ids=str)
def model(request, make_rnn):
    cell, units = request.param
    return make_rnn(units, cell=cell, outputs=OUTPUTS)


@pytest.fixture(scope="module")
def twin(model):
    return Twin(model)


class Twin:
    """The same layers in PyTorch."""

    def __init__(self, model):
        *recurrent, dense = model.layers
        self.recurrent = [_recurrent(layer) for layer in recurrent]
        kernel, bias = map(torch.tensor, map(np.float64, dense.get_weights()))
        self.dense = torch.nn.Linear(*kernel.shape, dtype=torch.float64)
        self.dense.weight.data, self.dense.bias.data = kernel.T.contiguous(), bias
        self.last_only = not recurrent[-1].return_sequences

    def parameters(self):
        found = [p for module in (*self.recurrent, self.dense) for p in module.parameters()]
        return [p for p in found if p.requires_grad]

    def hidden(self, rows, states=None):
        """Return h after each timestep of each row, packed in between, and the last states."""
        states, after = states or [None] * len(self.recurrent), []
        for module, state in zip(self.recurrent, states, strict=True):
            packed, state = module(pack_sequence(rows, enforce_sorted=False), state)
            rows = unpack_sequence(packed)
            after.append(state)
        return rows, after

    def outputs(self, rows, states=None):
        hidden, after = self.hidden(rows, states)
        return [self.dense(h[-1] if self.last_only else h) for h in hidden], after

    def weights(self):
        """Return the weights in Keras' order and layout."""
        found = [w for module in self.recurrent for w in _keras_weights(module)]
        return [*found, self.dense.weight.detach().numpy().T, self.dense.bias.detach().numpy()]


def _recurrent(layer):
    kernel, recurrent, bias = (torch.tensor(np.float64(w)) for w in layer.get_weights())
    kinds = {"SimpleRNN": torch.nn.RNN, "GRU": torch.nn.GRU, "LSTM": torch.nn.LSTM}
    kind = type(layer).__name__
    module = kinds[kind](kernel.shape[0], layer.units, batch_first=True, dtype=torch.float64)
    module.weight_ih_l0.data = _swap(kernel, kind).T.contiguous()
    module.weight_hh_l0.data = _swap(recurrent, kind).T.contiguous()
    module.bias_ih_l0.data = _swap(bias[0] if kind == "GRU" else bias, kind)
    module.bias_hh_l0.data = _swap(bias[1], kind) if kind == "GRU" else torch.zeros_like(bias)
    module.bias_hh_l0.requires_grad = kind == "GRU"  # the others have one bias in Keras
    return module


def _swap(weights, kind):
    """Turn Keras' z, r, h of a GRU into PyTorch's r, z, n, or back."""
    if kind != "GRU":
        return weights
    z, r, h = weights.chunk(3, dim=-1)
    return torch.cat([r, z, h], dim=-1)


def _keras_weights(module):
    kind = type(module).__name__
    kernel, recurrent, first, second = (
        _swap(w.detach().T if w.ndim > 1 else w.detach(), kind) for w in module.parameters()
    )
    bias = torch.stack([first, second]) if kind == "GRU" else first
    return [w.numpy() for w in (kernel, recurrent, bias)]


def _rows(seed=1):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 3)).astype("float32") for n in LENGTHS]


def _tensors(rows):
    return [torch.tensor(np.float64(row)) for row in rows]


def _reset(twin, row):
    """Return h after each timestep of a row, with a new state in each window."""
    windows = [row[t : t + STEPS] for t in range(0, len(row), STEPS)]
    return torch.cat([twin.hidden([window])[0][0] for window in windows])


@with_torch
@pytest.mark.parametrize("carry", [True, False])
def test_states_are_those_of_packed_sequences(model, twin, carry):
    rows = _rows()
    found = trace_states(model, rows, steps=STEPS, carry=carry)
    packed, _ = twin.hidden(_tensors(rows))
    for states, row, whole in zip(found, _tensors(rows), packed, strict=True):
        expected = whole if carry else _reset(twin, row)
        np.testing.assert_allclose(states[: len(row)], expected.detach(), atol=5e-6)


@with_torch
def test_predictions_are_those_of_packed_sequences(model, twin):
    rows = _rows()
    windows = split_windows(rows, STEPS)
    found = join_windows(predict_windows(model, windows.inputs, mask=windows.mask), LENGTHS)
    for ours, expected in zip(found, twin.outputs(_tensors(rows))[0], strict=True):
        np.testing.assert_allclose(ours, expected.detach(), atol=5e-6)


def _norms(twin, row, cut):
    """Return the norm of the Jacobian of the last output by each input; nothing before `cut`."""
    with torch.no_grad():
        _, states = twin.hidden([row[:cut]]) if cut else (None, None)

    def last(inputs):
        return twin.outputs([inputs], states)[0][0][-1]

    jacobian = torch.autograd.functional.jacobian(last, row[cut:])  # (outputs, steps, features)
    return np.pad(jacobian.square().sum(dim=(0, 2)).sqrt().numpy(), (cut, 0))


def _mean(norms):
    longest = max(map(len, norms))
    return [np.mean([each[t] for each in norms if len(each) > t]) for t in range(longest)]


@with_torch
def test_both_reaches_are_those_of_autograd(model, twin):
    rows = _rows()
    whole = [_norms(twin, row, 0) for row in _tensors(rows)]
    cut = [_norms(twin, row, (len(row) - 1) // STEPS * STEPS) for row in _tensors(rows)]
    np.testing.assert_allclose(state_reach(model, rows, steps=STEPS), _mean(whole), atol=5e-6)
    np.testing.assert_allclose(gradient_reach(model, rows, steps=STEPS), _mean(cut), atol=5e-6)


@with_torch
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("return_sequences", [True, False])
def test_losses_and_trained_weights_are_those_of_truncated_backpropagation(
    make_rnn, cell, return_sequences
):
    model = make_rnn((5, 4), cell=cell, outputs=OUTPUTS, return_sequences=return_sequences)
    twin, rng = Twin(model), np.random.default_rng(5)
    shapes = [(n, OUTPUTS) for n in LENGTHS] if return_sequences else [(OUTPUTS,)] * len(LENGTHS)
    targets = [rng.normal(size=shape).astype("float32") for shape in shapes]
    windows = split_windows(_rows(), STEPS)
    y = split_windows(targets, STEPS).inputs if return_sequences else np.stack(targets)
    model.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM), "mse")
    found = train_windows(model, windows.inputs, y, mask=windows.mask, epochs=2).history["loss"]
    expected = _train(twin, _tensors(_rows()), _tensors(targets), epochs=2)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for ours, theirs in zip(model.get_weights(), twin.weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def _train(twin, rows, targets, epochs):
    """Train by hand; return each epoch's mean loss. A row that has ended takes no part."""
    optimizer = torch.optim.SGD(twin.parameters(), lr=RATE, momentum=MOMENTUM)
    history = []
    for _ in range(epochs):
        states, losses = [None] * len(rows), []
        for start in range(0, max(LENGTHS), STEPS):
            off = []
            for b, row in enumerate(rows):
                if start < len(row):
                    (output,), after = twin.outputs([row[start : start + STEPS]], states[b])
                    states[b] = [_detached(state) for state in after]
                    ends = len(row) <= start + STEPS
                    if not twin.last_only:
                        off.append(output - targets[b][start : start + STEPS])
                    elif ends:
                        off.append(output[None] - targets[b])
            if off:
                optimizer.zero_grad()
                loss = torch.cat(off).square().mean()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        history.append(np.mean(losses))
    return history


def _detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_dropout_in_training_draws_what_keras_draws(kind, make_trained_like):
    def make():
        layer = getattr(keras.layers, kind)
        options = {} if kind == "SimpleRNN" else {"use_cudnn": False}
        options |= {"return_sequences": True, "dropout": 0.4, "recurrent_dropout": 0.3, "seed": 1}
        layers = [layer(5, **options), keras.layers.Dropout(0.3, seed=2), keras.layers.Dense(1)]
        return make_trained_like(keras.Sequential([keras.Input((None, 3)), *layers]))

    windows = split_windows(_rows(), STEPS)
    y = np.random.default_rng(6).normal(size=(*windows.mask.shape, 1)).astype("float32")
    model, twin = make(), make()
    model.compile(keras.optimizers.SGD(RATE), "mse")
    history = train_windows(model, windows.inputs, y, mask=windows.mask).history["loss"]
    losses = _train_in_keras(twin, windows, y)
    np.testing.assert_allclose(history, [np.mean(losses)], rtol=1e-5)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    plain = make_trained_like(build_rnn(5, features=3, cell=_cell(kind)))
    plain.compile(keras.optimizers.SGD(RATE), "mse")
    without = train_windows(plain, windows.inputs, y, mask=windows.mask).history["loss"]
    assert abs(without[0] - history[0]) > 1e-3  # something was dropped


def _cell(kind):
    return {"SimpleRNN": "simple_rnn", "GRU": "gru", "LSTM": "lstm"}[kind]


def _train_in_keras(model, windows, targets):
    """Train with Keras' own layers, the state passed on by hand; return the windows' losses."""
    recurrent, dropout, dense = model.layers
    recurrent.return_state = True
    optimizer = keras.optimizers.SGD(RATE)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=True, autograph=False)  # XLA draws other numbers than TensorFlow
    def update(x, y, mask, state):
        with tf.GradientTape() as tape:
            hidden, *state = recurrent(x, initial_state=state, mask=mask, training=True)
            off = tf.square(dense(dropout(hidden, training=True)) - y)[..., 0]
            loss = tf.reduce_sum(tf.where(mask, off, 0)) / tf.reduce_sum(tf.cast(mask, "float32"))
        gradients = tape.gradient(loss, [w.value for w in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return loss, state

    state = [tf.zeros((len(LENGTHS), n)) for n in keras.tree.flatten(recurrent.state_size)]
    losses = []
    for x, y, mask in zip(windows.inputs, targets, windows.mask, strict=True):
        loss, state = update(tf.constant(x), tf.constant(y), tf.constant(mask), state)
        losses.append(float(loss))
    return losses
