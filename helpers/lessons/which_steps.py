"""Which steps do you mean? The exercises."""

import numpy as np

from helpers.exercises import AnswerError, answer_of, feedback, filled_in


@feedback
def check_window_shape(shape):
    """Say whether `shape` is that of 3 sequences of 10 timesteps in windows of 4."""
    shape = tuple(shape) if np.iterable(filled_in(shape)) else (shape,)
    for size in shape:
        filled_in(size)
    if len(shape) != 4:
        raise AnswerError(f"Not yet: four axes are wanted, yours are {len(shape)}.")
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
            raise AnswerError(f"Not yet: {hint}")


@feedback
def check_batches(function):
    """Say whether `function(n_rows, batch_size)` counts the batches of an epoch."""
    for n_rows, batch_size in ((8, 4), (9, 4), (3, 4), (1000, 50), (101, 50)):
        answer = answer_of(function, n_rows, batch_size)
        if not np.isscalar(answer) or answer != len(range(0, n_rows, batch_size)):
            raise AnswerError(
                f"Not yet: for {n_rows} rows at batch size {batch_size} yours gives {answer!r}. "
                "How many batches are full, and are rows left over?",
            )
