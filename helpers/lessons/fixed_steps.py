"""What do windows remember? The exercises."""

import numpy as np

from helpers.exercises import AnswerError, answer_of, feedback
from helpers.quiet import keras


@feedback
def check_carry(function):
    """Say whether `function(lstm, batch, steps)` carries the state and returns the last h."""
    read = []  # how many timesteps in each call

    class LSTM(keras.layers.LSTM):
        def __call__(self, sequences, *args, **options):
            read.extend(np.shape(sequences)[1:2])
            return super().__call__(sequences, *args, **options)

    rng = np.random.default_rng(7)
    batch = rng.normal(size=(2, 11, 5)).astype("float32")
    lstm = LSTM(6, return_state=True)
    lstm.build(batch.shape)
    lstm.set_weights([0.4 * rng.normal(size=w.shape) for w in lstm.get_weights()])
    long_pass = lstm(batch)[1]
    hint = "Give each window the state [h, c] that the one before returned."
    for steps in (3, 11, 4, 1):
        read.clear()
        answer = answer_of(function, lstm, batch, steps)
        if np.shape(answer) != (2, 6):
            raise AnswerError(
                f"Not yet: h has the shape (batch, units) = (2, 6), yours is {np.shape(answer)}.",
            )
        longest = max((timesteps for timesteps in read if timesteps is not None), default=0)
        if longest > steps:
            raise AnswerError(
                f"Not yet: steps={steps}, but the layer read {longest} timesteps in one call."
            )
        if not np.allclose(answer, long_pass, atol=1e-5):
            raise AnswerError(f"Not yet: 11 timesteps, steps={steps}: another state. {hint}")


@feedback
def check_reset_rows(function):
    """Say whether `function(states, rows)` returns new states with those rows at zero."""
    for units, rows in ((4, [1]), (3, [0, 2]), (2, [])):
        given = [np.full((3, units), 1.0 + i) for i in range(2)]
        answer = answer_of(function, [state.copy() for state in given], list(rows))
        kept = [state.copy() for state in given]
        answer_of(function, kept, list(rows))
        expected = [state.copy() for state in given]
        for state in expected:
            state[rows] = 0.0
        shapes = [np.shape(state) for state in answer] if np.iterable(answer) else None
        if shapes != [state.shape for state in expected]:
            raise AnswerError("Not yet: a list of two arrays is wanted, each (batch, units).")
        if not np.array_equal(np.asarray(answer), expected):
            raise AnswerError(f"Not yet: rows={rows}. Zeros there, everything else as it was.")
        if not np.array_equal(kept, given):
            raise AnswerError("Not yet: the arrays you were given have changed. Copy them first.")
