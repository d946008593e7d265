"""Does padding change the answer? What padding does to the state, and the exercises."""

import numpy as np

from helpers import check, plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import (
    Explorer,
    Position,
    labelled_box,
    labelled_buttons,
    labelled_slider,
)
from helpers.probes import trace_states
from helpers.windows import length_mask, pad_batch

# For the lesson's batch of 7, 12 and 4 timesteps.
MASKS = (
    Position(
        "Zeros after it",
        "Sequence 2 has 4 timesteps. From timestep 4 on the LSTM reads zeros, and its state goes "
        "on changing. At the end it is a different one.",
        {"length": 24, "padding": "post", "mask": False, "sequence": 2},
    ),
    Position(
        "Zeros before it",
        "The LSTM reads the zeros first, so that its state is not zero when the sequence begins. "
        "Four real timesteps do not undo that.",
        {"length": 24, "padding": "pre", "mask": False, "sequence": 2},
    ),
    Position(
        "With the mask",
        "From the last real timestep on, each unit keeps its colour: the state stands still. "
        "Now move every other control: the difference stays 0.",
        {"length": 24, "padding": "post", "mask": True, "sequence": 2},
    ),
)
WINDOWS = (
    Position(
        "steps = 5",
        "Three windows. Sequence 0 ends in the second, sequence 2 in the first: their last "
        "windows are padding from end to end.",
        {"steps": 5},
    ),
    Position(
        "steps = 4",
        "4 divides 12 and 4, but not 7: lengths seldom have a divisor in common.",
        {"steps": 4},
    ),
    Position(
        "steps = 12",
        "One window, as long as the longest sequence. There is as much padding as with 4.",
        {"steps": 12},
    ),
)


def explore_masks(model, sequences, *, timesteps=None, positions=()):
    """Pad a batch to different lengths, with a mask and without, and see what the state does.

    Parameters
    ----------
    model : keras.Sequential
        Without a `Masking` layer: the mask is given or not, as the learner chooses.
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    timesteps : int, optional
        What the batch is padded to at first, and at most; twice the longest sequence if None.
    positions : sequence of Position
        Of the controls `length`, `padding`, `mask` and `sequence`.
    """
    sequences = check.sequences(sequences)
    longest = max(map(len, sequences))
    if timesteps is None:
        timesteps = 2 * longest
    most = check.whole_number("timesteps", timesteps, minimum=longest, maximum=10_000)
    alone = [trace_states(model, sequence[None])[0, -1] for sequence in sequences]
    (ax,) = plots.new_axes(height=3.6)

    def draw(length, padding, mask, sequence):
        padded = pad_batch(sequences, timesteps=length, padding=padding)
        states = trace_states(model, padded.inputs, mask=padded.mask if mask else None)[sequence]
        plots.plot_states(states, mask=padded.mask[sequence], ax=ax)
        plots.add_legend(ax, padding=plots.HATCHED)
        ax.set_xlim(-0.5, most - 0.5)  # the same for every length
        off = np.abs(states[-1] - alone[sequence]).max()
        return (
            f"Sequence {sequence} has {len(sequences[sequence])} timesteps, padded "
            f"'{padding}' to {length}, {'with' if mask else 'without'} a mask: its last state "
            f"differs from that of the unpadded sequence by {off:.4f}."
        )

    controls = {
        "length": labelled_slider("timesteps", most, longest, most),
        "padding": labelled_buttons("padding", ("post", "pre")),
        "mask": labelled_box("give the mask", False),
        "sequence": labelled_slider("sequence", 0, 0, len(sequences) - 1),
    }
    return Explorer(ax.figure, controls, draw, positions=positions)


@feedback
def check_mask(function):
    """Say whether `function(lengths, timesteps)` gives the mask of a batch padded 'post'."""
    rng = np.random.default_rng(20)
    for timesteps in (4, 1, 9):
        lengths = rng.integers(1, timesteps + 1, size=5)
        given = f"lengths of {lengths.tolist()} in {timesteps} timesteps"
        try:
            answer = answer_of(function, lengths.copy(), timesteps, of=f"for {given} ")
        except AnswerError as problem:
            if "broadcast" not in str(problem):
                raise
            words = f"{str(problem).strip()}. Make a column of the lengths: `[:, None]`."
            raise AnswerError(words) from None
        try:
            answer = np.asarray(answer)
        except ValueError:
            raise AnswerError(
                f"Not yet: for {given}, your rows have unequal lengths. Each needs `timesteps` "
                "entries, first True, then False."
            ) from None
        hint = _mask_hint(answer, lengths, length_mask(lengths, timesteps))
        if hint:
            raise AnswerError(f"Not yet: for {given}, {hint}")


def _mask_hint(answer, lengths, expected):
    """Return what is off with a mask, or None."""
    if answer.shape != expected.shape:
        hint = f"the shape is {answer.shape}, (batch, timesteps) = {expected.shape} is wanted. "
        if answer.shape == expected.shape[::-1]:
            return hint + "A row for each sequence: give the new axis to the lengths."
        if answer.shape[:1] == expected.shape[:1] and answer.ndim == 2:
            return hint + "Compare as many positions as there are timesteps, counted from 0."
        return hint + "Give the lengths an axis for the timesteps: `np.array(lengths)[:, None]`."
    if answer.dtype != bool:
        return f"a mask is boolean. Yours has the dtype {answer.dtype}."
    if (answer == expected).all():
        return None
    if (answer == ~expected).all():
        return "it is the other way round. True means a real timestep."
    found = answer.sum(axis=1)
    if (found == lengths).all():
        return (
            "each row has the right number of True, in the wrong places. With 'post' the real "
            "timesteps come first."
        )
    if (found >= lengths).all():
        return (
            "there is a timestep too many. They are counted from 0: in a sequence of 3, "
            "timestep 2 is the last real one."
        )
    return f"your rows have {found.tolist()} real timesteps."


@feedback
def check_last_outputs(function):
    """Say whether `function(outputs, mask)` gives each row's output at its last real timestep."""
    rng = np.random.default_rng(21)
    for padding in ("post", "pre"):
        mask = length_mask([3, 6, 1, 5], 8, padding=padding)
        outputs = rng.normal(size=(*mask.shape, 2))
        answer = answer_of(function, outputs.copy(), mask.copy(), of=f"for '{padding}' ")
        hint = _outputs_hint(np.asarray(answer), outputs, mask)
        if hint:
            raise AnswerError(f"Not yet: with padding '{padding}', {hint}")


def _outputs_hint(answer, outputs, mask):
    """Return what is off with each row's last real output, or None."""
    rows, timesteps = np.arange(len(mask)), mask.shape[1]
    last = timesteps - 1 - mask[:, ::-1].argmax(axis=1)
    expected, count = outputs[rows, last], mask.sum(axis=1)
    if answer.shape != expected.shape:
        hint = f"the shape is {answer.shape}, (batch, units) = {expected.shape} is wanted. "
        if answer.shape == outputs[mask].shape:
            return hint + "`outputs[mask]` gives all real outputs, not the last of each row."
        if answer.shape == outputs[:, last].shape:
            return hint + (
                "`outputs[:, last]` takes all those timesteps of every row. Pair each row with "
                "its own: `outputs[np.arange(len(outputs)), last]`."
            )
        return hint + "One output for each row."
    known = {
        "it is right.": last,
        "you took the last timestep, which may be padding.": np.full_like(last, -1),
        "you took the first real timestep of each row. The last is wanted.": mask.argmax(axis=1),
        "the number of real timesteps says where they end with 'post' only.": count - 1,
        "one too far. Timesteps are counted from 0.": np.minimum(last + 1, timesteps - 1),
    }
    for hint, taken in known.items():
        if np.allclose(answer, outputs[rows, taken]):
            return None if taken is last else hint
    return "the numbers differ. Find the last True of each row of the mask first."
