"""The tables say what the pictures show: checked with pictures whose numbers are known."""

import numpy as np
import pytest

from helpers import plots
from helpers.numbers import numbers_of
from helpers.windows import split_windows
from tools import soak

MASK = split_windows([np.ones((n, 1)) for n in (7, 12, 4)], 5).mask


def tables(figure):
    """The tables of a figure, each as caption, heads, and rows by their first cell."""
    found = []
    for text in numbers_of(figure).split("\n\n"):
        caption, heads, *rows = text.split("\n")
        rows = [row.split("\t") for row in rows]
        found.append((caption, heads.split("\t"), {key: cells for key, *cells in rows}))
    return found


def table(ax):
    (found,) = tables(ax.figure)
    return found


def test_windows_are_runs_of_timesteps_row_by_row():
    assert table(plots.plot_windows(MASK)) == (
        "",
        ["row", "real, timestep", "padded, timestep"],
        {"0": ["0 to 6", "7 to 14"], "1": ["0 to 11", "12 to 14"], "2": ["0 to 3", "4 to 14"]},
    )


def test_what_has_no_place_has_no_column():
    _, heads, _ = table(plots.plot_windows(np.ones((2, 3, 4), bool)))
    assert heads == ["row", "real, timestep"]


def test_states_are_rounded_timestep_by_timestep():
    states = np.linspace(-1, 1, 6).reshape(3, 2)
    mask = np.array([True, True, False])
    ax = plots.plot_states(states, mask=mask, ax=plots.new_axes()[0])
    plots.add_legend(ax, padding=plots.HATCHED)
    assert table(ax) == (
        "state h",
        ["timestep", "unit 0", "unit 1", "padding"],
        {"0": ["-1", "-0.6", ""], "1": ["-0.2", "0.2", ""], "2": ["0.6", "1", "yes"]},
    )


def test_reach_is_said_in_percent_of_the_largest():
    state, gradient = 10.0 ** -np.array([6, 2, 1]), np.array([0, 0, 0.1])
    _, heads, rows = table(plots.plot_reach(state, gradient, steps=1, at=2))
    assert heads[0] == "timestep"
    assert [head.split(",")[0] for head in heads[1:]] == ["state", "gradient", "output"]
    assert rows == {
        "0": ["≤ 0.01 %", "≤ 0.01 %", ""],
        "1": ["10 %", "≤ 0.01 %", ""],
        "2": ["100 %", "100 %", "≤ 0.01 %"],
    }


def test_lines_stand_side_by_side_under_their_names_with_units():
    lines = {
        "carried": (np.arange(3), np.array([0.12345, 1, 2]), plots.CARRIED),
        "reset": (np.arange(1, 3), np.array([2000.4, 0]), plots.RESET),
    }
    ax = plots.plot_lines(lines, xlabel="year", ylabel="error (points)")
    assert table(ax) == (
        "",
        ["year", "carried, error (points)", "reset, error (points)"],
        {"0": ["0.1235", ""], "1": ["1", "2000"], "2": ["2", "0"]},
    )


def test_many_rows_are_thinned_and_that_is_said():
    lines = {"all": (np.arange(150), np.arange(150), plots.TRUTH)}
    caption, _, rows = table(plots.plot_lines(lines, xlabel="x", ylabel="y"))
    assert caption == "one row of every 3 of 150"
    assert list(rows) == [str(n) for n in range(0, 150, 3)]


def test_a_box_covers_what_lies_below_and_words_say_where_they_stand():
    (ax,) = plots.new_axes()
    plots.add_rectangles(ax, -0.5, -0.4, 5, 0.8, plots.PADDED)
    plots.add_rectangles(ax, [0.5, 2.5], -0.4, 1, 0.8, plots.REAL)
    ax.plot([2], [0], **plots.CHOSEN, gid=plots.DRAWN)
    ax.text(2, 0, "two\nlines", ha="center", gid=plots.DRAWN)
    plots.frame_timesteps(ax, 5, "row", ylim=(0.5, -0.5))
    plots.add_legend(ax, real=plots.REAL, padded=plots.PADDED, target=plots.CHOSEN)
    _, heads, rows = table(ax)
    said = dict(zip(heads[1:], rows["0"], strict=True))
    assert said == {
        "padded, timestep": "0, 2, 4",
        "real, timestep": "1, 3",
        "target, timestep": "2",
        "words, timestep": "2: two, lines",
    }


@pytest.fixture(scope="module")
def world():
    return soak.soak_world()


@pytest.mark.parametrize("name", soak.EXPLORERS)
def test_every_explorer_has_numbers_with_heads_at_each_place(world, name):
    explorer = eval(soak.EXPLORERS[name], world)
    for values in [explorer.values, *(p.values for p in explorer.positions)]:
        for control, value in values.items():
            explorer.controls[control].value = value
        for caption, heads, rows in tables(explorer.figure):
            assert "\t" not in caption
            assert all(len(name) > 1 for name in heads)
            assert all(heads)
            assert len(rows) <= 60
            for cells in rows.values():
                assert len(cells) == len(heads) - 1
        assert any(rows for *_, rows in tables(explorer.figure))
