"""Instant feedback on predictions and exercises: right, or what is off and a hint.

The lessons' questions stand in `questions.toml`, so that a lesson does not show an answer
before the learner has chosen. Checks of exercises print one line and never raise for a
wrong answer.
"""

import tomllib
from functools import cache, wraps
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from helpers.windows import length_mask


class Question(NamedTuple):
    """A question: `text`, `choices`, and an answer to each of them, the right one first said."""

    text: str
    choices: list
    answers: list
    right: int


def load_question(name):
    """Return a question of `questions.toml`.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> load_question("steps-5-fed-10").right
    1
    """
    entries = _questions()
    if name not in entries:
        listed = ", ".join(sorted(entries))
        raise ValueError(f"`name` must be one of: {listed}. Received: name={name!r}.")
    entry = entries[name]
    choices, answers = zip(*entry["choices"], strict=True)
    return Question(entry["text"], list(choices), list(answers), entry["right"])


def check_answer(name, choice):
    """Say whether a choice is right, and why or why not.

    Parameters
    ----------
    name : str
        Of the question.
    choice : str
        One of its choices, in full.

    Returns
    -------
    (bool, str)
        Whether it is right, and the words to show.
    """
    question = load_question(name)
    if choice not in question.choices:
        raise ValueError(f"`choice` must be one of {question.choices}. Received: {choice!r}.")
    at = question.choices.index(choice)
    return at == question.right, question.answers[at]


@cache
def _questions():
    return tomllib.loads((files("helpers") / "questions.toml").read_text(encoding="utf-8"))


class _AnswerError(Exception):
    """What is off with an answer, and a hint."""


def _feedback(check):
    """Print what a check finds, "Right." if it finds nothing; never raise for an answer."""

    @wraps(check)
    def answered(*args, **options):
        try:
            check(*args, **options)
        except _AnswerError as found:
            words = str(found).strip()
        except Exception as problem:
            words = f"Not yet: this cannot be read. {type(problem).__name__}: {problem}"
        else:
            words = "Right."
        print(words)
        return _Verdict(words == "Right.")

    return answered


class _Verdict(int):
    """A bool that Jupyter does not show below the words."""

    def __repr__(self):
        return repr(bool(self))

    def _ipython_display_(self):
        pass


def _filled_in(answer):
    """Return the answer, unless its stub was left as it is."""
    if answer is None or answer is ...:
        raise _AnswerError("Not answered yet.")
    return answer


def _call(function, *args, of=""):
    """Return what a learner's function answers; it may fail in any way."""
    try:
        answer = function(*args)
    except Exception as problem:
        raise _AnswerError(f"Not yet: {of}it raised {type(problem).__name__}: {problem}") from None
    return _filled_in(answer)


@_feedback
def check_array(answer, expected, *, hint=""):
    """Say whether an array is the expected one, within rounding.

    Parameters
    ----------
    answer : array, or None or Ellipsis where nothing was filled in yet
    expected : array
    hint : str
        What to think of when the numbers are off.

    Returns
    -------
    bool
        Whether it is right; the words are printed.

    Examples
    --------
    >>> check_array(..., [1, 2])
    Not answered yet.
    False
    >>> check_array([1, 3], [1, 2], hint="Look at the last one.")
    Not yet: 1 of 2 numbers differ. Look at the last one.
    False
    """
    answer = _filled_in(answer)
    expected = np.asarray(expected)
    try:
        answer = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise _AnswerError(f"Not yet: an array of numbers is wanted. {hint}") from None
    if answer.shape != expected.shape:
        raise _AnswerError(
            f"Not yet: your shape is {answer.shape}, {expected.shape} is wanted. {hint}"
        )
    off = ~np.isclose(answer, expected, rtol=1e-4, atol=1e-5)
    if off.any():
        raise _AnswerError(f"Not yet: {off.sum()} of {off.size} numbers differ. {hint}")


@_feedback
def check_00_window_shape(shape):
    """Say whether `shape` is that of 3 sequences of 10 timesteps in windows of 4."""
    shape = tuple(shape) if np.iterable(_filled_in(shape)) else (shape,)
    for size in shape:
        _filled_in(size)
    if len(shape) != 4:
        raise _AnswerError(f"Not yet: four axes are wanted, yours are {len(shape)}.")
    for size, wanted, hint in zip(
        shape,
        (3, 3, 4, 5),
        (
            "The first axis counts windows. Two windows of 4 hold 8 timesteps: where do the last "
            "2 go?",
            "The second axis is the batch. Cutting in time leaves its rows as they are.",
            "The third axis is the timesteps in a window.",
            "The last axis is the features. Cutting in time leaves them as they are.",
        ),
        strict=True,
    ):
        if size != wanted:
            raise _AnswerError(f"Not yet: {hint}")


@_feedback
def check_00_batches(function):
    """Say whether `function(n_rows, batch_size)` counts the batches of an epoch."""
    for n_rows, batch_size in ((8, 4), (9, 4), (3, 4), (1000, 50), (101, 50)):
        answer = _call(function, n_rows, batch_size)
        if not np.isscalar(answer) or answer != len(range(0, n_rows, batch_size)):
            raise _AnswerError(
                f"Not yet: for {n_rows} rows at batch size {batch_size} yours gives {answer!r}. "
                "How many batches are full, and are rows left over?",
            )


@_feedback
def check_01_carry(function):
    """Say whether `function(lstm, batch, steps)` carries the state and returns the last h."""
    import keras  # TensorFlow loads here, not with the checks

    rng = np.random.default_rng(7)
    batch = rng.normal(size=(2, 11, 5)).astype("float32")
    lstm = keras.layers.LSTM(6, return_state=True)
    lstm.build(batch.shape)
    lstm.set_weights([0.4 * rng.normal(size=w.shape) for w in lstm.get_weights()])
    hint = "Give each window the state [h, c] that the one before returned."
    for steps in (3, 11, 4, 1):
        answer = _call(function, lstm, batch, steps)
        if np.shape(answer) != (2, 6):
            raise _AnswerError(
                f"Not yet: h has the shape (batch, units) = (2, 6), yours is {np.shape(answer)}.",
            )
        if not np.allclose(answer, lstm(batch)[1], atol=1e-5):
            raise _AnswerError(f"Not yet: 11 timesteps, steps={steps}: another state. {hint}")


@_feedback
def check_01_reset_rows(function):
    """Say whether `function(states, rows)` returns new states with those rows at zero."""
    for units, rows in ((4, [1]), (3, [0, 2]), (2, [])):
        given = [np.full((3, units), 1.0 + i) for i in range(2)]
        answer = _call(function, [state.copy() for state in given], list(rows))
        kept = [state.copy() for state in given]
        _call(function, kept, list(rows))
        expected = [state.copy() for state in given]
        for state in expected:
            state[rows] = 0.0
        shapes = [np.shape(state) for state in answer] if np.iterable(answer) else None
        if shapes != [state.shape for state in expected]:
            raise _AnswerError("Not yet: a list of two arrays is wanted, each (batch, units).")
        if not np.array_equal(np.asarray(answer), expected):
            raise _AnswerError(f"Not yet: rows={rows}. Zeros there, everything else as it was.")
        if not np.array_equal(kept, given):
            raise _AnswerError("Not yet: the arrays you were given have changed. Copy them first.")


@_feedback
def check_01_smallest_steps(smallest):
    """Say whether each timestep of 10 has the smallest window that lets gradient reach it."""
    known = smallest if isinstance(smallest, dict) else {}
    for t in (8, 6, 3):
        steps = _filled_in(known.get(t))
        if steps not in range(1, 11):
            raise _AnswerError(f"Not yet: timestep {t} wants a whole number from 1 to 10.")
        begins = 9 // int(steps) * int(steps)
        if begins > t:
            raise _AnswerError(
                f"Not yet: with steps={steps} the last window begins at timestep {begins}, "
                f"after timestep {t}.",
            )
        if any(9 // shorter * shorter <= t for shorter in range(1, int(steps))):
            raise _AnswerError(f"Not yet: for timestep {t} a shorter window does, too.")


@_feedback
def check_02_mask(function):
    """Say whether `function(lengths, timesteps)` gives the mask of a batch padded 'post'."""
    rng = np.random.default_rng(20)
    for timesteps in (4, 1, 9):
        lengths = rng.integers(1, timesteps + 1, size=5)
        given = f"lengths of {lengths.tolist()} in {timesteps} timesteps"
        expected = length_mask(lengths, timesteps)
        answer = _call(function, lengths.copy(), timesteps, of=f"for {given} ")
        answer = np.asarray(answer)
        if answer.shape != expected.shape:
            raise _AnswerError(
                f"Not yet: for {given} your shape is {answer.shape}, {expected.shape} is wanted. "
                "Give the lengths an axis for the timesteps: `np.array(lengths)[:, None]`.",
            )
        if answer.dtype != bool:
            raise _AnswerError(f"Not yet: a mask is boolean. Yours has the dtype {answer.dtype}.")
        if (answer == ~expected).all():
            raise _AnswerError("Not yet: it is the other way round. True means a real timestep.")
        if (answer != expected).any():
            found = answer.sum(axis=1).tolist()
            raise _AnswerError(f"Not yet: for {given} your rows have {found} real ones.")


@_feedback
def check_02_mask_value(mask_value, readings):
    """Say whether `mask_value` equals no whole timestep of `readings`, so that padding shows."""
    try:
        with np.errstate(over="ignore"):
            value = np.float32(_filled_in(mask_value))
    except (TypeError, ValueError):
        value = None
    if value is None or value.ndim:
        raise _AnswerError(f"Not yet: one number is wanted. Yours is {mask_value!r}.")
    if np.isnan(value):
        raise _AnswerError("Not yet: NaN equals nothing, not even itself. No padding is found.")
    if np.isinf(value):
        raise _AnswerError("Not yet: take a finite number, one that a 32-bit float can hold.")
    for row, sequence in enumerate(readings):
        swallowed = np.flatnonzero((sequence == value).all(axis=-1))
        if len(swallowed):
            raise _AnswerError(
                f"Not yet: timestep {swallowed[0]} of sequence {row} is real, and all its "
                f"features are {value:g}. It would be swallowed.",
            )


@_feedback
def check_02_last_outputs(function):
    """Say whether `function(outputs, mask)` gives each row's output at its last real timestep."""
    rng = np.random.default_rng(21)
    for padding in ("post", "pre"):
        mask = length_mask([3, 6, 1, 5], 8, padding=padding)
        outputs = rng.normal(size=(*mask.shape, 2))
        expected = np.stack([rows[real][-1] for rows, real in zip(outputs, mask, strict=True)])
        answer = _call(function, outputs.copy(), mask.copy(), of=f"for '{padding}' ")
        answer = np.asarray(answer)
        took_last = answer.shape == expected.shape and np.allclose(answer, outputs[:, -1])
        if padding == "post" and took_last:
            raise _AnswerError("Not yet: you took the last timestep, which may be padding.")
        if answer.shape != expected.shape or not np.allclose(answer, expected):
            raise _AnswerError(
                f"Not yet: with padding '{padding}' the numbers differ. Find the last True of each "
                "row of the mask first."
            )


@_feedback
def check_03_padding_share(function):
    """Say whether `function(lengths)` is the share of padding in a batch."""
    for lengths in ([7, 12, 4], [5, 5], [1, 9, 2, 30]):
        answer = _call(function, list(lengths))
        if np.ndim(answer) or not np.isclose(answer, 1 - length_mask(lengths, max(lengths)).mean()):
            raise _AnswerError(
                f"Not yet: for lengths of {lengths} yours is {answer!r}. How many timesteps has "
                "the padded batch in all, and how many of them are real?",
            )


@_feedback
def check_03_predict_in_buckets(function):
    """Say whether `function(predict, sequences, n_buckets)` answers in the sequences' order."""
    rng = np.random.default_rng(30)
    sequences = [rng.normal(size=(timesteps, 2)) for timesteps in (9, 2, 5, 3, 8, 2)]
    computed = []

    def predict(inputs, mask):
        computed.append(np.shape(mask))
        return np.where(mask[..., None], inputs, 0.0).sum(axis=(1, 2))

    for n_buckets in (3, 1):
        computed.clear()
        answer = _call(function, predict, sequences, n_buckets)
        if (
            len(computed) != n_buckets
            or sum(np.prod(shape) for shape in computed) > {3: 34, 1: 54}[n_buckets]
        ):
            raise _AnswerError("Not yet: pad each bucket for itself, and call predict once for it.")
        expected = [sequence.sum() for sequence in sequences]
        if np.shape(answer) != (6,) or not np.allclose(answer, expected):
            raise _AnswerError("Not yet: a bucket's indices say where its results belong.")
