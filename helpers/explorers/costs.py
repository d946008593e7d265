"""What an epoch costs in time and memory, for each window length."""

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.costs import Cost
from helpers.explorers.base import LABEL, Explorer
from helpers.validation import check_list


def explore_cost(costs):
    """Move `steps` and read what one epoch costs in time and memory, beside the longest.

    Parameters
    ----------
    costs : list of Cost
        What `helpers.costs.measure_costs` measured on this machine.

    Returns
    -------
    Explorer
    """
    costs = check_list("costs", costs, "the results of `measure_costs`")
    for i, cost in enumerate(costs):
        if not isinstance(cost, Cost):
            raise TypeError(
                f"`costs[{i}]` must be a Cost, as `measure_costs` gives it. Received: {cost!r}."
            )
    costs = sorted(costs, key=lambda cost: cost.steps)
    steps = np.array([cost.steps for cost in costs])
    milliseconds = np.array([1000 * cost.seconds for cost in costs])
    mebibytes = np.array([cost.mebibytes for cost in costs])
    panels = plots.new_axes(2, height=5.0)

    def draw(chosen):
        for ax, values, ylabel in zip(
            panels, (milliseconds, mebibytes), ("time (ms an epoch)", "memory (MiB)"), strict=True
        ):
            at = slice(chosen, chosen + 1)
            plots.plot_lines(
                {
                    "measured": (steps, values, plots.CARRIED),
                    "chosen": (steps[at], values[at], plots.CHOSEN),
                },
                xlabel="steps",
                ylabel=ylabel,
                ax=ax,
            )
            ax.set_ylim(0, 1.15 * values.max())
        return (
            f"steps = {steps[chosen]}: {milliseconds[chosen]:,.1f} ms an epoch and "
            f"{mebibytes[chosen]:.1f} MiB. The longest windows measured, steps = {steps[-1]}: "
            f"{milliseconds[-1]:,.1f} ms and {mebibytes[-1]:.1f} MiB."
        )

    options = {"options": [(str(n), i) for i, n in enumerate(steps)], "index": len(steps) - 1}
    entry = widgets.Dropdown(**options, description="steps", style=LABEL, layout={"width": "15em"})
    slider = widgets.SelectionSlider(**options, readout=False, layout={"width": "60%"})
    widgets.link((slider, "index"), (entry, "index"))
    return Explorer(panels[0].figure, {"chosen": widgets.HBox([entry, slider])}, draw)
