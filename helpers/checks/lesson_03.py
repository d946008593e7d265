"""The exercises of lesson 03."""

import numpy as np

from helpers.checks.feedback import AnswerError, call, feedback
from helpers.windows import length_mask


@feedback
def check_03_padding_share(function):
    """Say whether `function(lengths)` is the share of padding in a batch."""
    for lengths in ([7, 12, 4], [5, 5], [1, 9, 2, 30]):
        answer = call(function, list(lengths))
        if np.ndim(answer) or not np.isclose(answer, 1 - length_mask(lengths, max(lengths)).mean()):
            raise AnswerError(
                f"Not yet: for lengths of {lengths} yours is {answer!r}. How many timesteps has "
                "the padded batch in all, and how many of them are real?",
            )


@feedback
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
        answer = call(function, predict, sequences, n_buckets)
        if (
            len(computed) != n_buckets
            or sum(np.prod(shape) for shape in computed) > {3: 34, 1: 54}[n_buckets]
        ):
            raise AnswerError("Not yet: pad each bucket for itself, and call predict once for it.")
        expected = [sequence.sum() for sequence in sequences]
        if np.shape(answer) != (6,) or not np.allclose(answer, expected):
            raise AnswerError("Not yet: a bucket's indices say where its results belong.")
