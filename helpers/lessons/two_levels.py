"""What if a timestep has parts of its own? Shares of attention over time, and the exercises."""

import warnings

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import LABEL, Explorer, Position, labelled_slider
from helpers.quiet import keras

_SCORES = np.array([0.5, 2.0, -1.0, 1.0], "float32")  # of the real timesteps
_MOST = 12
_OVER_TIME, _OVER_ONE = "ops.softmax(axis=1)", "ops.softmax(axis=-1)"
_WITH_MASK = "Softmax(axis=1) with mask="
_WAYS = (_OVER_TIME, _OVER_ONE, _WITH_MASK)
_NOT_ONE = "the real shares do not add up to 1. Divide by the sum over the real timesteps."


def _position(name, says, way, length, padding):
    return Position(name, says, {"way": way, "length": length, "padding": padding})


_POSITIONS = (
    _position(
        "No padding",
        "Four real timesteps share 100 %. Keep an eye on the tallest bar.",
        *(_OVER_TIME, 4, 0),
    ),
    _position(
        "Padded",
        "The same four scores, and eight of padding: each takes its share. Raise the score of the "
        "padding.",
        *(_OVER_TIME, 12, 0),
    ),
    _position(
        "The other axis",
        "Over the last axis there is one score to share among: it gets everything, at every "
        "timestep.",
        *(_OVER_ONE, 12, 0),
    ),
    _position(
        "With the mask",
        "The four bars are those without padding. Move both sliders: they stay.",
        *(_WITH_MASK, 12, 3),
    ),
)


def explore_shares():
    """Pad the scores of four timesteps, and see what a softmax over time gives to the padding.

    Returns
    -------
    Explorer
    """
    (ax,) = plots.new_axes(height=3.4)

    def draw(way, length, padding):
        shares, real = _shares(way, length, padding), np.arange(length) < len(_SCORES)
        plots.fresh_axes(ax)
        for where, style in ((real, plots.REAL), (~real, plots.PADDED)):
            at = np.flatnonzero(where)
            if len(at):
                plots.add_rectangles(ax, at - 0.4, 0.0, 0.8, shares[at], style)
        plots.frame_timesteps(ax, _MOST, "share (1 = all of it)", ylim=(0.0, 1.1))
        plots.add_legend(ax, real=plots.REAL, padded=plots.PADDED)
        padded = f"padded to {length}" if length > len(_SCORES) else "no padding"
        return (
            f"{way}, 4 real timesteps, {padded}: the shares add up to "
            f"{shares.sum():.2f}, and {shares[~real].sum():.2f} of that goes to the padding."
        )

    layout = {"width": "30em", "max_width": "100%"}
    way = widgets.Dropdown(options=_WAYS, description="softmax", style=LABEL, layout=layout)
    controls = {
        "way": way,
        "length": labelled_slider("timesteps", _MOST, 4, _MOST),
        "padding": labelled_slider("padding's score", 0, -3, 3),
    }
    return Explorer(ax.figure, controls, draw, positions=_POSITIONS)


def _shares(way, length, padding):
    """Return the share of each timestep, (timesteps,)."""
    scores = np.full((1, length, 1), padding, "float32")  # (batch, timesteps, 1)
    scores[0, : len(_SCORES), 0] = _SCORES
    if way == _WITH_MASK:
        mask = np.arange(length)[None, :, None] < len(_SCORES)
        shares = keras.layers.Softmax(axis=1)(scores, mask=mask)
    elif way == _OVER_TIME:
        shares = keras.ops.softmax(scores, axis=1)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the words below the picture say it
            shares = keras.ops.softmax(scores, axis=-1)
    return np.asarray(shares).reshape(length)


@feedback
def check_sentence_mask(function):
    """Say whether `function(tokens)` tells the sentences that hold a word, (batch, sentences)."""
    rng = np.random.default_rng(60)
    for counts, padding in (([[3, 2, 0], [4, 1, 4]], "post"), ([[2, 0, 3, 0]], "pre")):
        counts = np.array(counts)[..., None]
        tokens = rng.integers(1, 9, size=(*counts.shape[:2], 4)) * (np.arange(4) < counts)
        tokens = tokens if padding == "post" else tokens[..., ::-1].copy()
        answer = np.asarray(answer_of(function, tokens, of=f"for {tokens.shape} "))
        hint = _sentence_hint(answer, tokens)
        if hint:
            raise AnswerError(f"Not yet: for tokens of shape {tokens.shape}, {hint}")


def _sentence_hint(answer, tokens):
    """Return what is off with a mask of sentences, or None."""
    expected = (tokens != 0).any(axis=-1)
    if answer.shape == tokens.shape:
        return "that is the mask of the words. One entry for each sentence is wanted."
    if answer.shape != expected.shape:
        axis = "The words are the last axis." if answer.shape == tokens.any(axis=1).shape else ""
        axis = axis or "Over which axis?"
        return f"your shape is {answer.shape}. {axis} (batch, sentences) = {expected.shape} it is."
    if answer.dtype != bool:
        return f"a mask is boolean. Yours has the dtype {answer.dtype}."
    if np.array_equal(answer, expected):
        return None
    if np.array_equal(answer, ~expected):
        return "it is the other way round. True means a real sentence."
    if np.array_equal(answer, tokens[..., 0] != 0):
        return "you looked at the first word only. Padded 'pre', it is 0 in a real sentence."
    if np.array_equal(answer, (tokens != 0).all(axis=-1)):
        return "you left out sentences with padding in them. One word makes a sentence real."
    return "some sentences are wrong. A sentence is real if any of its words is."


@feedback
def check_masked_softmax(function):
    """Say whether `function(scores, mask)` shares out 1 among the real timesteps of each row."""
    rng = np.random.default_rng(61)
    for lengths, scale, mean in (
        ([3, 6, 1], 1, -1),
        ([5, 2, 4], 5, -5),
        ([2, 5, 3], 1, [[999], [-999], [0]]),
    ):
        mask = np.arange(6) < np.array(lengths)[:, None]
        scores = rng.normal(mean, scale, size=mask.shape)
        far = 1000 * (np.ndim(mean) > 0)
        scores = np.where(mask, scores, np.abs(scores) + far)  # the padding's are not the lowest
        answer = np.asarray(answer_of(function, scores, mask), dtype=float)
        hint = _softmax_hint(answer, scores, mask)
        if hint:
            raise AnswerError(f"Not yet: with lengths of {lengths}, {hint}")


def _softmax_hint(answer, scores, mask):
    """Return what is off with the shares, or None."""
    if answer.shape != scores.shape:
        return f"your shape is {answer.shape}. One share for each score is wanted, {scores.shape}."
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        plain = _softmax(scores)
        if np.allclose(answer, _softmax(np.where(mask, scores, -np.inf)), atol=1e-6):
            return None
        if not np.isfinite(answer).all():
            return (
                "a share is not finite: `np.exp` overflows above 700 or underflows to 0. Subtract "
                "the largest real score of each row first."
            )
        known = (
            (plain, "the padding takes its share. Leave it out before you divide."),
            (np.where(mask, plain, 0), _NOT_ONE),
            (_softmax(np.where(mask, scores, 0)), "a score of 0 is not the lowest. Which gives 0?"),
        )
        for wrong, hint in known:
            if np.allclose(answer, wrong):
                return hint
        if np.allclose(answer.sum(), 1):
            return "the shares of all rows together add up to 1, not each row's. Over which axis?"
    if not np.allclose(answer.sum(axis=1), 1):
        return f"row 0 adds up to {answer[0].sum():.2f}. Over which axis do you sum?"
    return "each row adds up to 1, but the shares are not those of e to the power of the score."


def _softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
