"""How far a mask gets through the layers of a model, and what that does to the loss."""

import warnings
from functools import cache
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.explorers.base import LABEL, Explorer, labelled_slider, longest_of
from helpers.plots.layers import plot_layers
from helpers.validation import check_choice, check_sequences, check_whole_number
from helpers.windows import pad_batch

NOTHING = "(none)"


def explore_layers(sequences, *, first="Dense", second=NOTHING, last=NOTHING, timesteps=None):
    """Pick the layers between `Masking` and `Dense(1)`, and see how far the mask gets.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    first, second, last : str
        What is picked at the start, as the lists name it.
    timesteps : int, optional
        The longest padding to offer; one and a half times the longest sequence if None.

    Returns
    -------
    Explorer
    """
    sequences = check_sequences(sequences)
    longest = longest_of(sequences)
    most = max(longest + 1, longest * 3 // 2) if timesteps is None else timesteps
    most = check_whole_number("timesteps", most, minimum=longest)
    middle, end = [NOTHING, *_middle_layers()], [NOTHING, *_last_layers()]
    picked = {
        "first": _dropdown("layer 1", check_choice("first", first, tuple(middle)), middle),
        "second": _dropdown("layer 2", check_choice("second", second, tuple(middle)), middle),
        "last": _dropdown("layer 3", check_choice("last", last, tuple(end)), end),
    }
    inputs = pad_batch(sequences, timesteps=most).inputs
    (ax,) = plots.new_axes(height=4.6)

    @cache
    def follow(*names):
        return _follow([name for name in names if name != NOTHING], inputs)

    def draw(first, second, last, length):
        stages, shape_at = follow(first, second, last)
        shapes = shape_at(length)
        rows = [
            (stage.name, stage.note, _cells(stage, shape))
            for stage, shape in zip(stages, shapes, strict=True)
        ]
        plot_layers(rows, timesteps=most, n_rows=5, ax=ax)
        path = " → ".join(stage.name for stage in stages)
        return f"{path}, padded to {length} timesteps. {_verdict(stages, rows[-1][2])}"

    controls = picked | {"length": labelled_slider("timesteps", longest, longest, most)}
    return Explorer(ax.figure, controls, draw)


class _Stage(NamedTuple):
    """What comes out of a layer: its mask, and whether that was `kept`, `used`, `lost`, `gone`."""

    name: str
    mask: Any
    fate: str
    warned: bool

    @property
    def note(self):
        if self.fate == "lost":
            return f"loses the mask, {'with a warning' if self.warned else 'without a word'}"
        return {
            "made": "makes the mask",
            "kept": "keeps the mask",
            "used": "uses the mask: one output a sequence",
            "past": "",
            "gone": "gets no mask",
        }[self.fate]


def _follow(names, inputs):
    """Build the model and run it: return its stages, and their shapes for a number of timesteps.

    The stages hold the masks of `inputs`, which are padded 'post': those of less padding are
    their beginnings.
    """
    import keras

    from helpers.probes import trace_masks  # TensorFlow loads here, not with the widgets

    makers = {**_middle_layers(), **_last_layers()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        entry = keras.Input((None, inputs.shape[-1]))
        x = keras.layers.Masking()(entry)
        for name in names:
            x = makers[name]()(x)
        model = keras.Model(entry, keras.layers.Dense(1)(x))
        rows = trace_masks(model, inputs)[1:]
    said = "\n".join(str(warning.message) for warning in caught)
    by_name = {operation.name: operation for operation in model.operations}
    operations = [by_name[row.layer] for row in rows]
    stages = []
    for name, row, operation in zip(["Masking", *names, "Dense(1)"], rows, operations, strict=True):
        warned = f"'{row.layer}'" in said
        before = stages[-1].fate if stages else "made"
        honours = getattr(operation, "supports_masking", False) and not warned
        stages.append(_Stage(name, row.mask, _fate(row, before, honours, not stages), warned))
    shapes = keras.Model(entry, [operation.output for operation in operations])
    batch, _, features = inputs.shape
    return stages, lambda length: shapes.compute_output_shape((batch, length, features))


def _fate(row, before, honours, is_first):
    """Return what a layer did to the mask; `before` is what the one in front of it did."""
    if row.mask is not None:
        return "made" if is_first else "kept"
    if before in ("made", "kept"):
        return "used" if honours and len(row.shape) == 2 else "lost"
    return "past" if before in ("used", "past") else "gone"


def _cells(stage, shape):
    """Return a (batch, timesteps) array: 0 masked, 1 real, 2 without a mask."""
    if stage.mask is not None:
        return stage.mask[:, : shape[1]].astype(int)
    timesteps = shape[1] if len(shape) == 3 else 1  # one output a sequence
    return np.full((shape[0], timesteps), 1 if stage.fate in ("used", "past") else 2)


def _verdict(stages, cells):
    """Say where the mask ends, and what the mean in the loss is divided by."""
    divisor = np.count_nonzero(cells)
    each = "the sequences" if cells.shape[1] == 1 else "all timesteps, real or not"
    for stage in stages:
        if stage.fate == "used":
            return f"{stage.name} uses the mask. The loss is divided by {divisor}: {each}."
        if stage.fate == "lost":
            how = "and Keras warns" if stage.warned else "without a word"
            return (
                f"The mask dies in {stage.name}, {how}. The loss is divided by {divisor}: {each}."
            )
    return (
        f"The mask reaches the loss, which is divided by {divisor}: the real timesteps of "
        f"{cells.size}."
    )


@cache
def _middle_layers():
    """Return what may stand between, by name: functions that make it."""
    from keras import layers

    class Own(layers.Layer):
        def call(self, x):
            return 2 * x

    class OwnSupporting(Own):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

    def lstm():
        return layers.LSTM(3, return_sequences=True, use_cudnn=False)

    return {
        "Dense": lambda: layers.Dense(3),
        "Dropout": lambda: layers.Dropout(0.2),
        "LayerNormalization": layers.LayerNormalization,
        "LSTM(return_sequences=True)": lstm,
        "Bidirectional(LSTM)": lambda: layers.Bidirectional(lstm()),
        "TimeDistributed(Dense)": lambda: layers.TimeDistributed(layers.Dense(3)),
        "Conv1D": lambda: layers.Conv1D(3, 3, padding="same"),
        "MaxPooling1D": lambda: layers.MaxPooling1D(2),
        "x * 2": lambda: lambda x: x * 2,
        "x[:, 1:]": lambda: lambda x: x[:, 1:],
        "own layer": Own,
        "own layer, supports_masking": OwnSupporting,
    }


@cache
def _last_layers():
    """Return what may end the timesteps, by name: functions that make it."""
    from keras import layers

    return {
        "LSTM": lambda: layers.LSTM(3, use_cudnn=False),
        "GlobalAveragePooling1D": layers.GlobalAveragePooling1D,
        "GlobalMaxPooling1D": layers.GlobalMaxPooling1D,
        "x[:, -1]": lambda: lambda x: x[:, -1],
    }


def _dropdown(label, value, options):
    layout = {"width": "30em", "max_width": "100%"}
    return widgets.Dropdown(
        options=options, value=value, description=label, style=LABEL, layout=layout
    )
