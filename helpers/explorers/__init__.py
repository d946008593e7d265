"""Sliders around probes and plots: the one package that makes widgets.

Each `explore_…` returns an `Explorer` for the notebook to display. Its picture has an alt
text, its readout says the same in words, and without a kernel the stored picture stays.
"""

from helpers.explorers.arguments import explore_epochs, explore_targets
from helpers.explorers.base import Explorer
from helpers.explorers.clinic import explore_batches
from helpers.explorers.costs import explore_cost
from helpers.explorers.layers import explore_layers
from helpers.explorers.masks import explore_masks
from helpers.explorers.own_data import explore_autocorrelation, explore_own_data
from helpers.explorers.questions import ask
from helpers.explorers.scenarios import explore_scenarios
from helpers.explorers.state import explore_reach, explore_state
from helpers.explorers.training import explore_training
from helpers.explorers.windows import explore_padding, explore_windows

__all__ = [
    "Explorer",
    "ask",
    "explore_autocorrelation",
    "explore_batches",
    "explore_cost",
    "explore_epochs",
    "explore_layers",
    "explore_masks",
    "explore_own_data",
    "explore_padding",
    "explore_reach",
    "explore_scenarios",
    "explore_state",
    "explore_targets",
    "explore_training",
    "explore_windows",
]
