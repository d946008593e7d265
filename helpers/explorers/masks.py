"""What padding does to the state, with a mask and without."""

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.explorers.base import LABEL, Explorer, labelled_buttons, labelled_slider, longest_of
from helpers.validation import check_sequences, check_whole_number
from helpers.windows import pad_batch


def explore_masks(model, sequences, *, timesteps=None):
    """Pad a batch further and further, with a mask and without, and see what the state does.

    Parameters
    ----------
    model : keras.Sequential
        Without a `Masking` layer: the mask is given or not, as the learner chooses.
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    timesteps : int, optional
        The longest padding to offer; four times the longest sequence if None.

    Returns
    -------
    Explorer
    """
    from helpers.probes import trace_states

    sequences = check_sequences(sequences)
    longest = longest_of(sequences)
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
        "mask": widgets.Checkbox(False, description="give the mask", style=LABEL),
        "sequence": labelled_slider("sequence", 0, 0, len(sequences) - 1),
    }
    return Explorer(ax.figure, controls, draw)
