"""The exercises."""

import numpy as np

from helpers.exercises import AnswerError, answer_of, feedback, filled_in

_MISSING = {"b": "What do 3.1 standard errors say?", "d": "Compare the seconds."}
_NOT_SHOWN = {
    "a": "The two differ by 0.6 standard errors.",
    "c": "No model with windows of 8 was trained.",
    "e": "Not shown to differ is one thing, shown to be equal another.",
}


@feedback
def check_standard_errors(function):
    """Say whether `function(higher, lower)` is the difference of errors in standard errors."""
    for n, rng in ((8, np.random.default_rng(3)), (5, np.random.default_rng(4))):
        lower, apart = rng.gamma(4, 50, size=n), rng.normal(20, 10, size=n)
        answer = answer_of(function, lower + apart, lower.copy())
        right = apart.mean() / apart.std(ddof=1) * np.sqrt(n)
        unpaired = apart.mean() / np.sqrt(((lower + apart).var(ddof=1) + lower.var(ddof=1)) / n)
        near = {
            -right: "the sign: it is positive where `lower` is lower.",
            apart.mean(): "that is the difference. Divide it by its standard error.",
            right / np.sqrt(n): "a mean of n blocks varies less than one block, by the root of n.",
            right * np.sqrt(n / (n - 1)): "`std` divides by n unless you say `ddof=1`.",
            unpaired: "pair them: take the differences block by block, and see how they vary.",
        }
        if np.ndim(answer) or not np.isclose(answer, right):
            said = [words for value, words in near.items() if np.allclose(answer, value)]
            said += ["divide the mean of the differences by their standard deviation over √n."]
            raise AnswerError(f"Not yet: {said[0]}")


@feedback
def check_supported(answer):
    """Say whether these are the letters of the sentences that the table supports."""
    letters = set("".join(filled_in(answer)).lower()) - set(" ,")
    for letter in sorted(letters & set(_NOT_SHOWN)):
        raise AnswerError(f"Not yet: the table does not support {letter!r}. {_NOT_SHOWN[letter]}")
    for letter in sorted(set(_MISSING) - letters):
        raise AnswerError(f"Not yet: a sentence is missing. {_MISSING[letter]}")
    if letters != set(_MISSING):
        raise AnswerError("Not yet: name sentences by their letters, a to e.")
