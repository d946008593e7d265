"""Does padding change the answer? What padding does to the state, and the exercises."""

import numpy as np

from helpers import plots
from helpers.exercises import AnswerError, answer_of, feedback, filled_in
from helpers.explorers import Explorer, labelled_box, labelled_buttons, labelled_slider
from helpers.probes import trace_states
from helpers.validation import check_sequences, check_whole_number
from helpers.windows import length_mask, pad_batch


def explore_masks(model, sequences, *, timesteps=None):
    """Pad a batch further and further, with a mask and without, and see what the state does.

    Parameters
    ----------
    model : keras.Sequential
        Without a `Masking` layer: the mask is given or not, as the learner chooses.
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    timesteps : int, optional
        The longest padding to offer; four times the longest sequence if None.
    """
    sequences = check_sequences(sequences)
    longest = max(map(len, sequences))
    if timesteps is None:
        timesteps = 4 * longest
    most = check_whole_number("timesteps", timesteps, minimum=longest)
    alone = [trace_states(model, sequence[None])[0, -1] for sequence in sequences]
    (ax,) = plots.new_axes(height=3.6)

    def draw(length, padding, mask, sequence):
        padded = pad_batch(sequences, timesteps=length, padding=padding)
        states = trace_states(model, padded.inputs, mask=padded.mask if mask else None)[sequence]
        plots.plot_states(states, mask=padded.mask[sequence], ax=ax)
        ax.set_xlim(-0.5, most - 0.5)  # the same for every length
        off = np.abs(states[-1] - alone[sequence]).max()
        return (
            f"Sequence {sequence} has {len(sequences[sequence])} timesteps, padded "
            f"'{padding}' to {length}, {'with' if mask else 'without'} a mask: its last state "
            f"differs from that of the unpadded sequence by {off:.4f}."
        )

    controls = {
        "length": labelled_slider("timesteps", longest, longest, most),
        "padding": labelled_buttons("padding", ("post", "pre")),
        "mask": labelled_box("give the mask", False),
        "sequence": labelled_slider("sequence", 0, 0, len(sequences) - 1),
    }
    return Explorer(ax.figure, controls, draw)


@feedback
def check_mask(function):
    """Say whether `function(lengths, timesteps)` gives the mask of a batch padded 'post'."""
    rng = np.random.default_rng(20)
    for timesteps in (4, 1, 9):
        lengths = rng.integers(1, timesteps + 1, size=5)
        given = f"lengths of {lengths.tolist()} in {timesteps} timesteps"
        expected = length_mask(lengths, timesteps)
        answer = answer_of(function, lengths.copy(), timesteps, of=f"for {given} ")
        answer = np.asarray(answer)
        if answer.shape != expected.shape:
            raise AnswerError(
                f"Not yet: for {given} your shape is {answer.shape}, {expected.shape} is wanted. "
                "Give the lengths an axis for the timesteps: `np.array(lengths)[:, None]`.",
            )
        if answer.dtype != bool:
            raise AnswerError(f"Not yet: a mask is boolean. Yours has the dtype {answer.dtype}.")
        if (answer == ~expected).all():
            raise AnswerError("Not yet: it is the other way round. True means a real timestep.")
        if (answer != expected).any():
            found = answer.sum(axis=1).tolist()
            if found == lengths.tolist():
                raise AnswerError(
                    "Not yet: each row has the right number of True, in the wrong places. With "
                    "'post' the real timesteps come first."
                )
            raise AnswerError(f"Not yet: for {given} your rows have {found} real ones.")


@feedback
def check_mask_value(mask_value, readings):
    """Say whether `mask_value` equals no whole timestep of `readings`, so that padding shows."""
    try:
        with np.errstate(over="ignore"):
            value = np.float32(filled_in(mask_value))
    except (TypeError, ValueError):
        value = None
    if value is None or value.ndim:
        raise AnswerError(f"Not yet: one number is wanted. Yours is {mask_value!r}.")
    if np.isnan(value):
        raise AnswerError("Not yet: NaN equals nothing, not even itself. No padding is found.")
    if np.isinf(value):
        raise AnswerError("Not yet: take a finite number, one that a 32-bit float can hold.")
    for row, sequence in enumerate(readings):
        swallowed = np.flatnonzero((sequence == value).all(axis=-1))
        if len(swallowed):
            raise AnswerError(
                f"Not yet: timestep {swallowed[0]} of sequence {row} is real, and all its "
                f"features are {value:g}. It would be swallowed.",
            )


@feedback
def check_last_outputs(function):
    """Say whether `function(outputs, mask)` gives each row's output at its last real timestep."""
    rng = np.random.default_rng(21)
    for padding in ("post", "pre"):
        mask = length_mask([3, 6, 1, 5], 8, padding=padding)
        outputs = rng.normal(size=(*mask.shape, 2))
        expected = np.stack([rows[real][-1] for rows, real in zip(outputs, mask, strict=True)])
        answer = answer_of(function, outputs.copy(), mask.copy(), of=f"for '{padding}' ")
        answer = np.asarray(answer)
        took_last = answer.shape == expected.shape and np.allclose(answer, outputs[:, -1])
        if padding == "post" and took_last:
            raise AnswerError("Not yet: you took the last timestep, which may be padding.")
        if answer.shape != expected.shape or not np.allclose(answer, expected):
            raise AnswerError(
                f"Not yet: with padding '{padding}' the numbers differ. Find the last True of each "
                "row of the mask first."
            )
