"""Where does the mask go? A mask on its way through layers that one picks, and the exercises."""

import warnings
from functools import cache
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np

from helpers import check, plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import LABEL, Explorer, Position, labelled_slider, plural
from helpers.quiet import keras
from helpers.windows import length_mask, pad_batch

UNMASKED = {"facecolor": "#E69F00", "edgecolor": "#7A4B00", "hatch": "xx"}
_NOTHING = "(none)"
_MASKED, _REAL, _UNMASKED = range(3)  # what a timestep is
_MOST_STAGES = 5  # `Masking`, three layers, `Dense(1)`
_TITLE, _GAP = 1.7, 0.5  # above and below the lanes of a layer, in lanes


class _Own(keras.layers.Layer):
    def call(self, x):
        return 2 * x


class _OwnSupporting(_Own):
    supports_masking = True


def _lstm(**options):
    return keras.layers.LSTM(3, use_cudnn=False, **options)


# What may be picked: a function that makes a layer, or what else takes the data.
_MIDDLE = {
    "Dense": lambda: keras.layers.Dense(3),
    "Dropout": lambda: keras.layers.Dropout(0.2),
    "LSTM(return_sequences=True)": lambda: _lstm(return_sequences=True),
    "Bidirectional(LSTM)": lambda: keras.layers.Bidirectional(_lstm(return_sequences=True)),
    "Conv1D": lambda: keras.layers.Conv1D(3, 3, padding="same"),
    "MaxPooling1D": lambda: keras.layers.MaxPooling1D(2),
    "x * 2": lambda: lambda x: x * 2,
    "x[:, 1:]": lambda: lambda x: x[:, 1:],
    "own layer": _Own,
    "own layer, supports_masking": _OwnSupporting,
}
_LAST = {
    "LSTM": _lstm,
    "GlobalAveragePooling1D": keras.layers.GlobalAveragePooling1D,
    "GlobalMaxPooling1D": keras.layers.GlobalMaxPooling1D,
    "x[:, -1]": lambda: lambda x: x[:, -1],
}
_MAKERS = {"Masking": keras.layers.Masking, **_MIDDLE, **_LAST}
_MAKERS["Dense(1)"] = lambda: keras.layers.Dense(1)
# How many timesteps are left of n, where not all are; of the last ones, one output a sequence.
_LEFT = {"MaxPooling1D": lambda n: n // 2, "x[:, 1:]": lambda n: n - 1}
_LEFT |= dict.fromkeys(_LAST, lambda n: 1)


def _position(name, says, first, second=_NOTHING, last=_NOTHING):
    return Position(name, says, {"first": first, "second": second, "last": last})


_POSITIONS = (
    _position(
        "With a warning",
        "The mask dies in Conv1D. Move the timesteps: what happens to the number that the loss is "
        "divided by?",
        *("Dense", "Conv1D"),
    ),
    _position(
        "Without a word",
        "Two multiplied by the same 2, and one of them loses the mask. Swap the two: it still dies "
        "in the arithmetic.",
        *("own layer, supports_masking", "x * 2"),
    ),
    _position(
        "All the way",
        "The mask reaches the loss. Move the timesteps: the divisor stays.",
        *("Dropout", "LSTM(return_sequences=True)"),
    ),
    _position(
        "Used up",
        "An LSTM with one output uses the mask, so its end is no loss. Now take x[:, -1] instead: "
        "it takes the last timestep, real or not.",
        *("Dense", _NOTHING, "LSTM"),
    ),
)


def explore_layers(sequences):
    """Pick the layers between `Masking` and `Dense(1)`, and see how far the mask gets.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
        The longest of at least 4 timesteps.

    Returns
    -------
    Explorer
    """
    sequences = check.sequences(sequences)
    longest = _check_longest(sequences)
    most = longest * 3 // 2
    inputs = pad_batch(sequences, timesteps=most).inputs
    (ax,) = plots.new_axes(height=4.6)

    @cache
    def follow(*names):
        return _follow([name for name in names if name != _NOTHING], inputs)

    def draw(first, second, last, length):
        stages, ending = follow(first, second, last)
        cells = _cut(stages, length)
        _plot_stages(ax, stages, cells, most)
        path = " → ".join(stage.name for stage in stages)
        return f"{path}, padded to {length} timesteps. {_verdict(ending, cells[-1])}"

    controls = {
        "first": _menu("layer 1", "Dense", _MIDDLE),
        "second": _menu("layer 2", "Conv1D", _MIDDLE),
        "last": _menu("layer 3", _NOTHING, _LAST),
        "length": labelled_slider("timesteps", longest, longest, most),
    }
    return Explorer(ax.figure, controls, draw, positions=_POSITIONS)


def _check_longest(sequences):
    longest = max(map(len, sequences))
    if longest < 4:
        raise ValueError(
            "`sequences` must hold one of at least 4 timesteps, so that pooling twice leaves one. "
            f"Received: at most {longest} {plural('timestep', longest)}. Add a longer sequence."
        )
    return longest


def _menu(label, value, options):
    layout = {"width": "30em", "max_width": "100%"}
    return widgets.Dropdown(
        options=[_NOTHING, *options], value=value, description=label, style=LABEL, layout=layout
    )


class _Stage(NamedTuple):
    """A layer: its name, what it does to the mask, and what each timestep is after it."""

    name: str
    note: str
    cells: np.ndarray  # (batch, timesteps)


def _follow(names, inputs):
    """Run the layers one after another.

    Return their stages, and a sentence on where the mask ends: "" if it reaches the loss.
    """
    stages, ending, kind, x = [], "", _UNMASKED, inputs
    for name in ("Masking", *names, "Dense(1)"):
        layer = _MAKERS[name]()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            x = layer(x)
        mask = getattr(x, "_keras_mask", None)
        if mask is not None:
            note, cells = "keeps the mask" if stages else "makes the mask", np.asarray(mask, int)
        else:
            if ending:
                note = "gets no mask" if kind == _UNMASKED else ""
            else:
                kind, note, ending = _end_of_mask(name, layer, said)
            cells = np.full((len(x), x.shape[1] if len(x.shape) == 3 else 1), kind)
        stages.append(_Stage(name, note, cells))
    return stages, ending


def _end_of_mask(name, layer, said):
    """Return what timesteps are after the layer that ends the mask, a note and a sentence."""
    if said:
        how = "with a warning", "and Keras warns"
    elif getattr(layer, "supports_masking", False):
        return _REAL, "uses the mask: one output a sequence", f"{name} uses the mask."
    else:
        how = "without a word", "without a word"
    return _UNMASKED, f"loses the mask, {how[0]}", f"The mask dies in {name}, {how[1]}."


def _cut(stages, timesteps):
    """Return the stages' cells for inputs padded less far: padding is 'post', they come first."""
    cells = []
    for stage in stages:
        timesteps = _LEFT.get(stage.name, lambda n: n)(timesteps)
        cells.append(stage.cells[:, :timesteps])
    return cells


def _verdict(ending, cells):
    """Say where the mask ends, and what the mean in the loss is divided by."""
    divisor = np.count_nonzero(cells != _MASKED)
    if not ending:
        return (
            f"The mask reaches the loss, which is divided by {divisor}: the real timesteps of "
            f"{cells.size}."
        )
    each = "the sequences" if cells.shape[1] == 1 else "all timesteps, real or not"
    return f"{ending} The loss is divided by {divisor}: {each}."


def _plot_stages(ax, stages, cells, timesteps):
    """Draw, layer under layer, which timesteps are real, masked, or without a mask."""
    plots.fresh_axes(ax)
    batch = len(cells[0])
    height = _TITLE + batch + _GAP
    tops = np.arange(len(stages)) * height
    lanes = (tops[:, None] + _TITLE + np.arange(batch)).ravel()
    codes = np.full((len(lanes), timesteps), -1)
    text = {"va": "center", "fontsize": plots.FONT - 1, "gid": plots.DRAWN}
    for i, (stage, top) in enumerate(zip(stages, tops, strict=True)):
        codes[i * batch : (i + 1) * batch, : cells[i].shape[1]] = cells[i]
        ax.text(-0.5, top + 0.8, stage.name, weight="bold", **text)
        ax.text(timesteps - 0.5, top + 0.8, stage.note, ha="right", **text)
    styles = {_MASKED: plots.PADDED, _REAL: plots.REAL, _UNMASKED: UNMASKED}
    for code, style in styles.items():
        lane, start, length = _runs(codes == code)
        plots.add_rectangles(ax, start - 0.5, lanes[lane], length, 0.9, style)
    plots.frame_timesteps(ax, timesteps, "", ylim=(_MOST_STAGES * height, -0.5))
    names = [f"{n}. {s.name}, row {row}" for n, s in enumerate(stages) for row in range(batch)]
    ax.fmt_ydata = lambda y: names[np.abs(lanes + 0.45 - y).argmin()]
    ax.set_yticks(())
    ax.spines["left"].set_visible(False)
    unmasked = {"no mask: all count": UNMASKED}
    plots.add_legend(ax, real=plots.REAL, masked=plots.PADDED, **unmasked)


def _runs(where):
    """Return lane, start and length of each run of True: fewer rectangles draw sooner."""
    changes = np.diff(where.astype(int), axis=1, prepend=0, append=0)
    (lane, start), (_, stop) = np.nonzero(changes == 1), np.nonzero(changes == -1)
    return lane, start, stop - start


@feedback
def check_masked_mse(function):
    """Say whether `function(targets, predictions, mask)` is the mean over the real timesteps."""
    rng = np.random.default_rng(50)
    for lengths, padding in (([7, 12, 4], "post"), ([3, 1], "pre"), ([5, 5], "post")):
        mask = length_mask(lengths, max(lengths) + 1, padding=padding)
        targets, predictions = rng.normal(size=(2, *mask.shape))
        of = f"for lengths of {lengths} padded to {mask.shape[1]} "
        answer = answer_of(function, targets, predictions, mask, of=of)
        answer = np.asarray(answer, dtype=float)
        if answer.ndim:
            raise AnswerError(f"Not yet: one number is wanted, your shape is {answer.shape}.")
        squares = (targets - predictions) ** 2
        if not np.isclose(answer, squares[mask].mean()):
            raise AnswerError(f"Not yet: {_wrong_mean(answer, squares, mask, of)}")


def _wrong_mean(answer, squares, mask, of):
    """Return which other mean of the squares it is, in words."""
    if np.isclose(answer, squares.mean()):
        return "the errors in the padding are in your mean."
    if np.isclose(answer, np.where(mask, squares, 0).mean()):
        return "the sum is right. You divided it by all timesteps, not by the real ones."
    means = [row[real].mean() for row, real in zip(squares, mask, strict=True)]
    if np.isclose(answer, np.mean(means)):
        return (
            "you averaged each sequence first, so a timestep of a short one counts more. Take all "
            "real timesteps together."
        )
    wanted = squares[mask].mean()
    for other, words in (
        (squares[~mask].mean(), "these are the errors of the padding. `mask` is True where real."),
        (squares[mask].sum(), "this is the sum. Divide it by the number of real timesteps."),
        (np.sqrt(wanted), "this is the root of the mean. The mean itself is wanted."),
        (np.sqrt(squares)[mask].mean(), "these are absolute errors. Square them."),
    ):
        if np.isclose(answer, other):
            return words
    return f"{of}yours gives {answer:.4f}, it should be {wanted:.4f}."


@feedback
def check_reader(function):
    """Say whether `function()` builds the reader, with a mask that reaches its LSTM."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mask may die on the way, if another one arrives
        model = answer_of(function)
        if not isinstance(model, keras.Model):
            raise AnswerError(f"Not yet: a model is wanted, yours is a {type(model).__name__}.")
        conv, lstm = (_only_layer(model, kind) for kind in (keras.layers.Conv1D, keras.layers.LSTM))
        _check_shapes(model, conv)
        rng = np.random.default_rng(51)
        model.set_weights([0.6 * rng.normal(size=w.shape) for w in model.get_weights()])
        sequences = [rng.normal(size=(n, 3)).astype("float32") for n in (6, 9, 2)]
        answer = _read_padded(model, sequences)
        expected = _read_unpadded(conv, lstm, sequences)
        alone = np.concatenate([model(x[None]) for x in sequences])
    if not np.allclose(alone, expected, atol=1e-4):
        raise AnswerError(
            "Not yet: the model computes something else. Double the input, then `Conv1D`, looking "
            "back only, then the LSTM."
        )
    if not np.allclose(answer, expected, atol=1e-4):
        raise AnswerError(
            "Not yet: a padded sequence gets another answer than it gets alone. Does the LSTM get "
            "a mask, and is it that of the input?"
        )


def _only_layer(model, kind):
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    if len(found) != 1:
        raise AnswerError(f"Not yet: one {kind.__name__} is wanted. Yours has {len(found)}.")
    return found[0]


def _check_shapes(model, conv):
    if model.input_shape != (None, None, 3):
        raise AnswerError(
            "Not yet: batches of any length must fit, your model takes the shape "
            f"{model.input_shape}. Leave the timesteps open: `Input((None, 3))`."
        )
    if conv.padding == "valid":
        raise AnswerError(
            'Not yet: `Conv1D` without `padding="causal"` drops timesteps, so that a mask of the '
            "input no longer fits."
        )


def _read_padded(model, sequences):
    try:
        answer = np.asarray(model(pad_batch(sequences, timesteps=11).inputs))
    except Exception:
        raise AnswerError(
            "Not yet: the model fails on a batch of (3, 11, 3). A `mask` has the shape (batch, "
            "timesteps): `Masking()(x)` is the data, `Masking().compute_mask(x)` is their mask."
        ) from None
    if answer.shape != (3, 4):
        raise AnswerError(
            "Not yet: one output of the LSTM for each sequence is wanted, (batch, units) = "
            f"(3, 4). Yours is {answer.shape}."
        )
    return answer


def _read_unpadded(conv, lstm, sequences):
    """Return what the wanted model gives for each sequence alone, with a `Conv1D` as asked for."""
    causal = keras.layers.Conv1D(4, 3, padding="causal")
    causal.build((None, None, 3))
    causal.set_weights(conv.get_weights())
    return np.concatenate([lstm(causal(2 * x[None])) for x in sequences])
