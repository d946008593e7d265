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
