"""What every explorer is made of: controls, a quick picture, and a readout."""

import base64
import re
import struct
import threading
import zlib
from html import escape

import ipywidgets as widgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from helpers import plots
from helpers.validation import check_whole_number

LABEL = {"description_width": "9em"}


class Explorer(widgets.VBox):
    """Controls, a picture and a readout that follow one another.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn on again and again.
    controls : dict
        Name to a widget with a `value`, or to the `HBox` that `labelled_slider` makes.
    draw : callable
        Takes the controls' values by name, draws on the figure, returns what it shows as a
        sentence or two.
    extra : sequence of widgets
        Shown between the controls and the picture.

    Attributes
    ----------
    controls : dict
        Name to the widget that holds the value.
    words : str
        What the picture shows now.
    """

    def __init__(self, figure, controls, draw, *, extra=()):
        self._canvas, self._draw = _Canvas(figure), draw
        self._drawing = threading.RLock()  # a slider may move at the moment when a training ends
        self._picture, self._readout = widgets.HTML(), widgets.HTML()
        self.controls = {
            name: control.children[-1] if isinstance(control, widgets.HBox) else control
            for name, control in controls.items()
        }
        super().__init__([*controls.values(), *extra, self._picture, self._readout])
        self.redraw()
        for control in self.controls.values():
            control.observe(self.redraw, "value")

    def redraw(self, _change=None):
        """Draw for the controls' present values."""
        with self._drawing:
            self.words = self._draw(**{name: c.value for name, c in self.controls.items()})
            self._png = self._canvas.png()
            self._picture.value = _image(self._png, self.words, self._canvas.figure)
            self._readout.value = f'<p role="status">{escape(self.words)}</p>'

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {
            "image/png": base64.b64encode(self._png).decode(),
            "text/plain": self.words,
        }


def labelled_slider(label, value, low, high):
    """Return a slider and the number entry that labels it: sliders have no accessible name."""
    value = check_whole_number(label, value, minimum=low, maximum=high)
    slider = widgets.IntSlider(value, low, high, readout=False, layout={"width": "60%"})
    number = widgets.BoundedIntText(
        value, low, high, description=label, style=LABEL, layout={"width": "15em"}
    )
    widgets.link((slider, "value"), (number, "value"))
    return widgets.HBox([number, slider])


def labelled_buttons(label, options):
    """Return buttons, one of which is pressed."""
    style = LABEL | {"button_width": "auto"}
    return widgets.ToggleButtons(options=options, description=label, style=style)


class _Canvas:
    """A figure as PNG: axes and legends are drawn once, what moves between them each time."""

    def __init__(self, figure):
        self.figure, self._canvas = figure, FigureCanvasAgg(figure)
        self._frame = self._background = None

    def png(self):
        if self._background is None:
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")  # found once: it doubles the time
        moving = plots.drawn_artists(self.figure)
        frame = [_frame(ax) for ax in self.figure.axes]
        if frame != self._frame:
            self._frame = frame
            self._draw_background(moving)
        self._canvas.restore_region(self._background)
        for artist in sorted(moving, key=lambda artist: artist.zorder):
            artist.axes.draw_artist(artist)
        return _png(np.asarray(self._canvas.buffer_rgba()))

    def _draw_background(self, moving):
        for artist in moving:
            artist.set_visible(False)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)
        for artist in moving:
            artist.set_visible(True)


def _frame(ax):
    """Return all that axes and legend show: the background is drawn again when it changes."""
    legend = ax.get_legend()
    names = () if legend is None else tuple(text.get_text() for text in legend.get_texts())
    return ax.get_xlim(), ax.get_ylim(), ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale(), names


def _png(pixels):
    """Return (height, width, 4) bytes as a PNG file, in a third of the time that Pillow takes.

    Pillow looks for the best filter of each row; here no row is filtered.
    Format: https://www.w3.org/TR/png-3/
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each begins with 0: not filtered
    rows[:, 1:] = pixels.reshape(height, -1)
    eight_bit_rgba = (8, 6, 0, 0, 0)
    chunks = (
        (b"IHDR", struct.pack(">2I5B", width, height, *eight_bit_rgba)),
        (b"IDAT", zlib.compress(rows, level=1)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def _image(png, words, figure):
    width, height = (figure.get_size_inches() * figure.dpi).astype(int)
    data = base64.b64encode(png).decode()
    return (
        f'<img alt="{escape(words)}" src="data:image/png;base64,{data}" '
        f'style="width:{width}px;max-width:100%;aspect-ratio:{width}/{height}">'
    )


def with_code(text):
    """Return `text` as HTML: code between backticks, and a claim's mark raised."""
    html = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"&lt;sup&gt;([\d.]+)&lt;/sup&gt;", r"<sup>\1</sup>", html)


def longest_of(sequences):
    """Return the timesteps of the longest sequence."""
    return max(len(sequence) for sequence in sequences)


def carry_word(carry):
    """Return what happens to the state between windows, in a word."""
    return "carried" if carry else "reset"


def carry_style(carry):
    """Return the fixed look of what is carried, or reset."""
    return plots.CARRIED if carry else plots.RESET


def plural(word, count):
    """Return `word`, with an s unless there is one."""
    return word if count == 1 else f"{word}s"
