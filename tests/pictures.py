"""What a picture shows, read back from its Axes."""

import numpy as np
from matplotlib.colors import to_rgba


def rectangles(ax, style):
    """The rectangles drawn in a style, as (left, bottom, width, height)."""
    found = []
    for patch in ax.patches:
        same = patch.get_facecolor() == to_rgba(style["facecolor"])
        if same and patch.get_hatch() == style.get("hatch"):
            corners = patch.get_path().vertices.reshape(-1, 5, 2)[:, :4]  # the fifth closes it
            low = corners.min(axis=1)
            found += np.hstack([low, corners.max(axis=1) - low]).tolist()
    return [tuple(box) for box in found]


def visited(explorer, positions):
    """Set an explorer's controls to one named position after another, as its buttons do."""
    for position in positions:
        for name, value in position.values.items():
            explorer.controls[name].value = value
        assert {name: explorer.controls[name].value for name in position.values} == position.values
        yield position


def assert_no_legend_is_cut_off(explorer, positions):
    for _ in visited(explorer, positions):
        explorer.figure.canvas.draw()
        box = explorer.figure.axes[0].get_legend().get_window_extent()
        assert 0 <= box.x0 < box.x1 <= explorer.figure.bbox.x1
