"""Pictures show what they are given: seen in their axes and artists, not in pixels."""

import ast
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection

from helpers import plots
from helpers.windows import split_windows
from tests.pictures import rectangles

MASK = split_windows([np.ones((n, 1)) for n in (7, 12, 4)], 5).mask
STATES = np.linspace(-1, 1, 12 * 4).reshape(12, 4)
SHARES = 10.0 ** -np.arange(12.0)[::-1]
DRAW = {
    "windows": lambda **options: plots.plot_windows(MASK, **options),
    "states": lambda **options: plots.plot_states(
        STATES, steps=5, mask=np.arange(12) < 7, **options
    ),
    "reach": lambda **options: plots.plot_reach(SHARES, SHARES, steps=5, at=11, **options),
    "lines": lambda **options: plots.plot_lines(
        {"carried": (np.arange(3), np.ones(3), plots.CARRIED)},
        xlabel="year",
        ylabel="error (points)",
        **options,
    ),
}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(params=DRAW)
def draw(request):
    return DRAW[request.param]


PADDING = {"facecolor": "none", "hatch": "//"}  # over states


def borders(ax):
    """The x of each window border, from left to right."""
    (lines,) = [c for c in ax.findobj(LineCollection) if c.get_gid() == plots.DRAWN]
    return sorted(segment[0][0] for segment in lines.get_segments())


# --- what holds for all ----------------------------------------------------------------------


def test_a_plot_comes_on_new_axes_outside_pyplot(draw):
    ax, other = draw(), draw()
    assert isinstance(ax, mpl.axes.Axes)
    assert ax.figure is not other.figure
    assert plt.get_fignums() == []


def test_a_plot_comes_on_the_axes_it_is_given(draw):
    (given,) = plots.new_axes()
    assert draw(ax=given) is given


def test_drawing_again_replaces_the_first_drawing(draw):
    ax = draw()
    before = len(ax.figure.findobj())
    for _ in range(3):
        draw(ax=ax)
    assert len(ax.figure.findobj()) == before


def test_drawing_leaves_other_artists_alone(draw):
    (ax,) = plots.new_axes()
    mine = ax.text(0, 0, "mine")
    draw(ax=ax)
    draw(ax=ax)
    assert mine in ax.texts


def test_drawing_changes_no_global_settings(draw):
    before = dict(mpl.rcParams)
    draw().figure.draw_without_rendering()
    assert dict(mpl.rcParams) == before


def test_both_axes_say_what_they_show(draw):
    ax = draw()
    assert ax.get_xlabel()
    assert ax.get_ylabel()


def test_a_plot_draws_on_pyplots_axes_too(draw):
    _, ax = plt.subplots()
    assert draw(ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_each_meaning_has_a_colour_and_a_second_cue_of_its_own():
    lines = [plots.CARRIED, plots.RESET, plots.TRUTH, plots.CHOSEN]
    assert len({(style["linestyle"], style["marker"]) for style in lines}) == len(lines)
    assert plots.CARRIED["color"] != plots.RESET["color"]
    areas = [plots.REAL, plots.PADDED, plots.STATE, plots.GRADIENT]
    assert len({style["facecolor"] for style in areas}) == len(areas)
    assert plots.PADDED["hatch"] != plots.REAL.get("hatch")
    assert plots.GRADIENT["hatch"] != plots.STATE.get("hatch")


# --- what each shows -------------------------------------------------------------------------


def test_windows_show_each_timestep_as_real_or_padded_and_every_border():
    ax = DRAW["windows"]()
    rows = MASK.swapaxes(0, 1).reshape(3, 15)
    for style, where in ((plots.REAL, rows), (plots.PADDED, ~rows)):
        centres = {(round(x + w / 2), round(y + h / 2)) for x, y, w, h in rectangles(ax, style)}
        assert centres == {(t, row) for row, t in np.argwhere(where)}
    assert borders(ax) == [-0.5, 4.5, 9.5, 14.5]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("timestep", "row")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "real",
        "padded",
        "window border",
    ]


def test_the_first_sequence_stands_on_top():
    low, high = DRAW["windows"]().get_ylim()
    assert low > high


def test_states_show_every_unit_over_time_on_a_fixed_scale():
    ax = DRAW["states"]()
    (image,) = ax.get_images()
    np.testing.assert_array_equal(image.get_array(), STATES.T)
    assert image.get_clim() == (-1, 1)
    assert borders(ax) == [4.5, 9.5]
    assert rectangles(ax, PADDING) == [(6.5, -0.5, 5.0, STATES.shape[1])]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("timestep", "unit")
    (scale,) = [other for other in ax.figure.axes if other is not ax]
    assert scale.get_ylabel() == "state h"


def test_states_without_padding_have_no_hatch():
    ax = plots.plot_states(STATES)
    assert rectangles(ax, PADDING) == []


def test_reach_shows_state_above_and_gradient_below_on_a_logarithmic_scale():
    ax = DRAW["reach"]()
    expected = np.clip(1 - np.arange(12.0)[::-1] / 4, 0, 1)  # four decades
    state = sorted((x, h) for x, y, w, h in rectangles(ax, plots.STATE) if y == 0)
    gradient = sorted((x, h) for x, y, w, h in rectangles(ax, plots.GRADIENT))
    for bars in (state, gradient):
        np.testing.assert_allclose([height for _, height in bars], expected, atol=1e-9)
        np.testing.assert_allclose([left for left, _ in bars], np.arange(12) - 0.5)
    assert min(y for _, y, _, _ in rectangles(ax, plots.GRADIENT)) == -1
    assert borders(ax) == [4.5, 9.5]


def test_no_reach_at_all_is_drawn_as_none():
    ax = plots.plot_reach(np.zeros(4), np.zeros(4))
    assert all(height == 0 for _, _, _, height in rectangles(ax, plots.STATE))


def test_lines_carry_their_values_styles_and_units():
    lines = {
        "carried": ([1, 2], [0.1, 0.2], plots.CARRIED),
        "reset": ([1, 2], [0.3, 0.1], plots.RESET),
    }
    ax = plots.plot_lines(lines, xlabel="steps", ylabel="time (s)")
    for line, (x, y, style) in zip(ax.get_lines(), lines.values(), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.transpose([x, y]))
        assert (line.get_color(), line.get_linestyle()) == (style["color"], style["linestyle"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("steps", "time (s)")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines)


def test_a_mark_goes_with_the_next_drawing():
    ax = DRAW["lines"]()
    before = len(ax.get_lines())
    plots.add_position(ax, 1.5)
    assert ax.get_lines()[-1].get_xdata()[0] == 1.5
    DRAW["lines"](ax=ax)
    assert len(ax.get_lines()) == before


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: plots.plot_windows(MASK[0]), ValueError, ("`mask`", "3 axes", "shape (3, 5)")),
        (lambda: plots.plot_windows(MASK * 1.0), TypeError, ("`mask` must be boolean", "float64")),
        (lambda: plots.plot_windows(MASK[:0]), ValueError, ("`mask`", "none of them empty")),
        (lambda: plots.plot_windows([[[True], [True, False]]]), ValueError, ("`mask`", "unequal")),
        (lambda: plots.plot_states(STATES[0]), ValueError, ("`states`", "(timesteps, units)")),
        (lambda: plots.plot_states(STATES * np.nan), ValueError, ("`states`", "finite numbers")),
        (lambda: plots.plot_states(STATES, steps=13), ValueError, ("`steps`", "steps=13")),
        (lambda: plots.plot_states(STATES, steps=2.5), TypeError, ("`steps`", "steps=2.5")),
        (
            lambda: plots.plot_states(STATES, mask=np.ones(5, bool)),
            ValueError,
            ("`mask`", "(timesteps) = (12,)", "shape (5,)"),
        ),
        (lambda: plots.plot_states(STATES, ax=3), TypeError, ("`ax`", "int", "new_axes()")),
        (lambda: plots.plot_reach(SHARES, SHARES[1:]), ValueError, ("`gradient`", "11 timesteps")),
        (lambda: plots.plot_reach(STATES, SHARES), ValueError, ("`state`", "1 axis: (timesteps)")),
        (lambda: plots.plot_reach(SHARES, SHARES, steps=0), ValueError, ("`steps`", "steps=0")),
        (lambda: plots.plot_reach(SHARES, SHARES, at=12), ValueError, ("`at`", "at=12")),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, error, words, assert_refused):
    assert_refused(call, error, *words)


# --- for everyone ----------------------------------------------------------------------------


def contrast(color):
    """How much a colour stands out from the white of a picture, from 1 to 21, as WCAG counts."""
    parts = np.array(mpl.colors.to_rgb(color))
    parts = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return 1.05 / (parts @ [0.2126, 0.7152, 0.0722] + 0.05)


def styles_of(path):
    """The colours of each style that a file writes down: of a line, or of a face and its edge."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            texts = {k.value: v.value for k, v in pairs if {type(k), type(v)} == {ast.Constant}}
            if "color" in texts or {"facecolor", "edgecolor"} <= {*texts}:
                yield [texts[k] for k in ("color", "facecolor", "edgecolor") if k in texts]


def test_each_style_stands_out_from_the_paper():
    """At least 4.5 to 1: a line, or of an area its face, its edge or its hatch."""
    files = Path(plots.__file__).parent.rglob("*.py")
    styles = [(path.name, style) for path in files for style in styles_of(path)]
    assert len(styles) > 22
    weak = [
        (name, style)
        for name, style in styles
        if style != ["white"]  # markers with an edge of their own
        and max(contrast(color) for color in style if color != "none") < 4.5
    ]
    assert weak == []
