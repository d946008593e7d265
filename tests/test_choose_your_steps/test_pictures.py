"""Pictures show every peak, what was measured, and what was not."""

import numpy as np
import pytest

from helpers.lessons.choose_your_steps.pictures import (
    plot_autocorrelation,
    plot_pairs,
    plot_scenarios,
    plot_series,
)
from helpers.plots import DRAWN, new_axes

SERIES = {"start": 0, "split": None, "ylabel": "tide"}
SCENARIOS = {"ylabel": "error", "longest": 100, "steps": 4, "copying": 5.0, "chosen": None}


@pytest.fixture
def ax():
    return new_axes()[0]


def lines_of(ax):
    return [line for line in ax.get_lines() if line.get_gid() == DRAWN]


def test_a_long_series_is_drawn_as_the_band_that_it_fills(ax):
    values = np.random.default_rng(0).normal(size=100_000)
    values[77_777] = 50.0
    plot_series(ax, values, **SERIES)
    (band,) = ax.collections
    (path,) = band.get_paths()
    assert path.vertices[:, 1].max() == 50.0  # no peak is lost
    assert len(path.vertices) < 5000


def test_a_short_series_is_drawn_as_it_is_with_its_test_part(ax):
    plot_series(ax, np.arange(10.0), start=5, split=12, ylabel="tide")
    line, border = lines_of(ax)
    assert line.get_xydata().tolist() == [[5.0 + n, n] for n in range(10)]
    assert border.get_xdata()[0] == 11.5


def test_names_of_columns_are_no_formulas(ax):
    plot_series(ax, np.arange(10.0), **SERIES | {"ylabel": "$x$"})
    assert ax.get_ylabel() == r"\$x\$"


def test_scenarios_are_drawn_with_their_means_spans_and_the_line_to_beat(ax):
    errors = {16: np.array([2.0, 4.0]), 1: np.array([8.0, 8.0]), 4: np.array([np.inf, 1.0])}
    plot_scenarios(ax, errors, {}, **SCENARIOS | {"chosen": (16, 3.0)})
    carried, copying, ring, slider = lines_of(ax)
    assert carried.get_xydata().tolist() == [[1, 8], [16, 3]]
    assert list(copying.get_ydata()) == [5.0, 5.0]
    assert ring.get_xydata().tolist() == [[16, 3]]
    assert list(slider.get_xdata()) == [4, 4]
    assert {tuple(segment[:, 1]) for segment in ax.collections[0].get_segments()} == {
        (8.0, 8.0),
        (2.0, 4.0),
    }


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot_series(ax, np.arange(9.0), **SERIES),
        lambda ax: plot_autocorrelation(ax, np.array([1.0, 0.5]), 1),
        lambda ax: plot_pairs(ax, np.arange(9.0), np.arange(9.0), ylabel="tide"),
        lambda ax: plot_scenarios(ax, {1: np.ones(2)}, {}, **SCENARIOS),
    ],
)
def test_drawing_again_replaces_the_first_drawing(draw, ax):
    draw(ax)
    before = len(ax.figure.findobj())
    draw(ax)
    assert len(ax.figure.findobj()) == before
