"""How far state and gradient reach when windows carry or reset."""

from functools import cache

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.explorers.base import (
    LABEL,
    Explorer,
    carry_style,
    carry_word,
    labelled_slider,
    longest_of,
)
from helpers.validation import check_flag, check_sequences


def explore_state(model, sequences, *, steps=5, carry=True):
    """Move `steps`, carry or reset, and see the state of one sequence beside one long pass.

    Parameters
    ----------
    model : keras.Sequential
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    steps : int
        Where the slider starts.
    carry : bool
        Whether the state is carried at first.

    Returns
    -------
    Explorer
    """
    from helpers.probes import trace_states  # TensorFlow loads here, not with the widgets

    sequences, carry = check_sequences(sequences), check_flag("carry", carry)
    longest = longest_of(sequences)
    whole = trace_states(model, sequences)
    ax, difference = plots.new_axes(2, height=5.0, ratios=(2, 1))
    difference.set_ylim(0, 1.05 * _largest_reset_difference(model, sequences, whole))
    limits = difference.get_ylim()

    def draw(steps, carry, sequence):
        states = trace_states(model, sequences, steps=steps, carry=carry)[sequence]
        timesteps = len(sequences[sequence])
        states, expected = states[:timesteps], whole[sequence, :timesteps]
        off = np.abs(states - expected).max(axis=1)
        plots.plot_states(states, steps=min(steps, timesteps), ax=ax)
        style = carry_style(carry)
        label = f"{carry_word(carry)}, against one long pass"
        plots.plot_lines(
            {label: (np.arange(timesteps), off, style)},
            xlabel="timestep",
            ylabel="difference",
            ax=difference,
        )
        difference.set(xlim=ax.get_xlim(), ylim=limits)
        return (
            f"steps = {steps}, state {carry_word(carry)}: the state of sequence "
            f"{sequence} differs from that of one long pass by at most {off.max():.4f}."
        )

    controls = {
        "steps": labelled_slider("steps", steps, 1, longest),
        "carry": widgets.Checkbox(carry, description="carry the state", style=LABEL),
        "sequence": labelled_slider("sequence", 0, 0, len(sequences) - 1),
    }
    return Explorer(ax.figure, controls, draw)


def explore_reach(model, sequences, *, steps=5, carry=True):
    """Move `steps` and see two bands: how far back state reaches, and how far back gradient.

    Parameters
    ----------
    model : keras.Sequential
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    steps : int
        Where the slider starts.
    carry : bool
        Whether the state is carried at first.

    Returns
    -------
    Explorer
    """
    from helpers.probes import gradient_reach, state_reach

    longest, carry = longest_of(check_sequences(sequences)), check_flag("carry", carry)
    (ax,) = plots.new_axes(height=3.8)

    @cache
    def remembered(steps, carry):
        return state_reach(model, sequences, steps=steps, carry=carry)

    @cache
    def learned(steps):
        return gradient_reach(model, sequences, steps=steps)

    def draw(steps, carry):
        state, gradient = remembered(steps, carry), learned(steps)
        plots.plot_reach(state, gradient, steps=steps, ax=ax)
        return (
            f"steps = {steps}, state {carry_word(carry)}: the last state still "
            f"feels inputs up to {_reached(state)} timesteps back, the last one included. The "
            f"gradient stops after {_reached(gradient)}."
        )

    controls = {
        "steps": labelled_slider("steps", steps, 1, longest),
        "carry": widgets.Checkbox(carry, description="carry the state", style=LABEL),
    }
    return Explorer(ax.figure, controls, draw)


def _reached(values):
    """Return how many timesteps back, the last included, an effect is above 0.01 % of the most."""
    return len(values) - int(np.argmax(values > 1e-4 * values.max()))


def _largest_reset_difference(model, sequences, whole):
    from helpers.probes import trace_states

    reset = trace_states(model, sequences, steps=1, carry=False)
    return max(float(np.abs(reset - whole).max()), 1e-6)
