"""Sliders around probes and plots.

Each `explore_…` returns an `Explorer` for the notebook to display; without a kernel the stored
picture stays. `sequences` are a list of (timesteps_i, features) arrays, or one
(batch, timesteps, features) array; `steps` says where its slider stands at first.
"""

import base64
import io
import threading
import time
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import NamedTuple

import anywidget
import ipywidgets as widgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from traitlets import Any, Bool, List, Unicode, validate

from helpers import check, pages, plots
from helpers.numbers import numbers_of
from helpers.probes import gradient_reach, state_reach
from helpers.windows import split_windows

LABEL = {"description_width": "9em"}
CARRY_STYLE = {True: plots.CARRIED, False: plots.RESET}
CARRY_WORD = {True: "carried", False: "reset"}
_HERE = Path(__file__).parent


class Position(NamedTuple):
    """A telling place: a button's `name`, what it `says` there, and the controls' `values`."""

    name: str
    says: str
    values: dict


class Explorer(widgets.VBox):
    """Controls, a picture and a readout that follow one another.

    `controls` are a dictionary of name to a widget with a `value`, as `labelled_slider` and its
    like return. `draw` takes the values by name, draws on the `figure` of Matplotlib, and returns
    what it shows in a sentence or two: the attribute `words`, and the alt text of `picture`.
    `extra` are widgets between controls and picture, `positions` a button for each `Position`:
    "Look at this".
    """

    def __init__(self, figure, controls, draw, *, extra=(), positions=()):
        if not isinstance(positions, (list, tuple)) or {*map(type, positions)} - {Position}:
            raise TypeError(f"`positions` must be a list of Position. Received: {positions!r}.")
        self.figure, self.draw, self._canvas = figure, draw, _Canvas(figure)
        self._moving = False
        self._drawing = threading.RLock()  # a slider may move at the moment when a training ends
        self.picture, self._readout, self._says = widgets.HTML(), _Status(), _Status()
        self._numbers = _Numbers()
        self.controls, self.positions = dict(controls), list(positions)
        sliders = [control for control in controls.values() if isinstance(control, _Slider)]
        for main in sliders[:1]:
            main.plays = True
        rows = [*controls.values(), *extra, self.picture, self._readout, self._numbers]
        super().__init__([self._look_at(), *rows] if positions else rows)
        self.add_class("explorer-of-lessons")
        self.redraw()
        for control in self.controls.values():
            control.observe(self.redraw, "value")
        self._numbers.observe(lambda _: self.redraw(), "opened")

    def _look_at(self):
        """Return a button for each position, and room below for what it says."""
        row = [widgets.Label("Look at this:", layout={"width": "9em"})]
        for position in self.positions:
            row.append(widgets.Button(description=position.name, layout={"width": "auto"}))
            row[-1].on_click(partial(self._go, position))
        return widgets.VBox([widgets.HBox(row, layout={"flex_flow": "row wrap"}), self._says])

    def _go(self, position, _button):
        with self._drawing:
            self._moving = True  # one picture for all controls
            try:
                for name, value in position.values.items():
                    self.controls[name].value = value
            finally:
                self._moving = False
        self.redraw()
        self._says.value = position.says

    @property
    def values(self):
        """The controls' present values, by name."""
        return {name: control.value for name, control in self.controls.items()}

    def look(self, values, kind="PNG", **options):
        """Return the picture for `values`, as a file of this kind in base64, and its words."""
        with self._drawing:
            words = self.draw(**values)
            return self._canvas.file(kind, **options), words

    def save(self, path):
        """Save one page, as "reach.html", on which the controls work without Python.

        Every setting is drawn beforehand; where that would be more than 300, those of the first
        slider and of as many other controls as fit, the others standing as here and at the named
        positions. What was trained so far is shown, and nothing trains on the page.
        """
        if not isinstance(path, str | Path):
            raise TypeError(f"`path` must be the name of a file. Received: {path!r}.")
        path = Path(path)
        if path.suffix != ".html" or not path.parent.is_dir():
            raise ValueError(
                "`path` must end in .html and lie in a folder that exists, as 'reach.html' does. "
                f"Received: {str(path)!r}."
            )
        name = path.stem.replace("_", " ")
        body = f"<main>\n<h1>{escape(name)}</h1>\n{pages.part(self)}</main>"
        new = path.with_name(f".{path.name}")
        try:  # whole or not at all, whatever becomes of the disk
            new.write_text(pages.page(name, body), encoding="utf-8")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        return path

    def redraw(self, change=None):
        """Draw for the controls' present values."""
        if self._moving:
            return
        if change is not None:
            self._says.value = ""  # it was said of another place
        with self._drawing:
            self._png, self.words = self.look(self.values, compress_level=1)
            width, height = self.figure.bbox.size.astype(int)
            self.picture.value = (
                f'<img alt="{escape(self.words)}" src="data:image/png;base64,{self._png}" '
                f'style="width:{width}px;max-width:100%;aspect-ratio:{width}/{height}">'
            )
            self._readout.value = self.words
            self._numbers.text = numbers_of(self.figure) if self._numbers.opened else ""

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {"image/png": self._png, "text/plain": self.words}


class _Status(anywidget.AnyWidget):
    """Words that are read out when they change: the node stays, and its text changes.

    Around an explorer's controls it keeps the arrow keys, which JupyterLab takes for its own.
    """

    _esm, _css = _HERE / "status.js", _HERE / "slider.css"
    value = Unicode().tag(sync=True)


class _Numbers(anywidget.AnyWidget):
    """Tables of what a picture shows, sent while they are open."""

    _esm = "".join((_HERE / name).read_text("utf-8") for name in ("table.js", "numbers.js"))
    opened, text = Bool().tag(sync=True), Unicode().tag(sync=True)


class _Slider(anywidget.AnyWidget, widgets.ValueWidget):
    """A native slider over `options`, (name, value) each, in a label with its `description`."""

    _esm, _css = _HERE / "slider.js", _HERE / "slider.css"
    description, names = Unicode().tag(sync=True), List().tag(sync=True)
    plays = Bool().tag(sync=True)
    value = Any().tag(  # what goes to the page and comes back is its place
        sync=True,
        to_json=lambda value, slider: slider._values.index(value),
        from_json=lambda place, slider: slider._values[place],
    )

    def __init__(self, description, options, value):
        self.options = list(options)
        names, self._values = map(list, zip(*options, strict=True))
        super().__init__(description=description, names=names, value=value)
        self.on_msg(self._walk)

    @validate("value")
    def _check(self, proposal):
        if proposal["value"] not in self._values:
            raise ValueError(
                f"`{self.description}` must be one of {self.names[0]} … {self.names[-1]}. "
                f"Received: {proposal['value']!r}."
            )
        return proposal["value"]

    def _walk(self, _, place, buffers):
        """Go to a place for Play, and say when the picture is drawn."""
        self.value = self._values[place]
        self.send("drawn")


class Trainer(widgets.HBox):
    """A button that trains in the background and then stops it, a progress bar, and words.

    The kernel keeps answering sliders and the button meanwhile. The button calls
    `work(*arguments())`, which calls `report` after each epoch and ends where that returns True.
    Trainings of several explorers wait for one another. `busy` says whether one is under way.
    """

    _one_at_a_time = threading.Lock()  # they may share a model

    def __init__(self, work, arguments):
        self._work, self.busy, self._stopping = work, False, False
        self._button = widgets.Button(description="Train", icon="play")
        self._bar = widgets.FloatProgress(0.0, max=1.0, description="training", style=LABEL)
        self._status = _Status()
        self._button.on_click(lambda _: self.stop() if self.busy else self.start(*arguments()))
        super().__init__([self._button, self._bar, self._status])

    def start(self, *arguments):
        """Begin `work(*arguments)`, unless a training is under way."""
        if self.busy:
            return
        self.busy, self._stopping = True, False
        self._button.description, self._button.icon = "Stop", "stop"
        self._bar.value = self._shown = 0.0
        self._status.value = "Preparing the model …"
        threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def stop(self):
        """Ask the training to stop."""
        self._status.value = "Stopping …"  # first: the training's last words may follow at once
        self._stopping = True

    def wait(self):
        """Wait for the end of the training. Interrupting the kernel stops it, as Stop does."""
        try:
            self._wait()
        except KeyboardInterrupt:
            self.stop()
            self._wait()

    def report(self, share, words):
        """Show how much is done, from 0 to 1, and what; return whether to stop."""
        now = time.monotonic()
        if (now - self._shown > 0.1 or share == 1) and not self._stopping:
            self._shown, self._bar.value = now, share  # few messages keep the page quick
            self._status.value = words
        return self._stopping

    def _run(self, *arguments):
        try:
            with self._one_at_a_time:
                self._work(*arguments)
            words = "Stopped." if self._stopping else "Done."
        except Exception as problem:  # a thread's error would vanish: show it
            words = f"{type(problem).__name__}: {problem}"
        self._status.value = words
        self._button.description, self._button.icon = "Train", "play"
        self.busy = False

    def _wait(self):
        while self.busy:  # not `Thread.join`: interrupted, Python 3.11 takes the thread for ended
            time.sleep(0.02)


def labelled_slider(label, value, low=None, high=None, *, options=()):
    """Return a slider over whole numbers from `low` to `high`, or over `(name, value)` options."""
    if not options:
        value = check.whole_number(label, value, minimum=low, maximum=high)
        options = [(str(number), number) for number in range(low, high + 1)]
    return _Slider(label, options, value)


def labelled_buttons(label, options):
    """Return buttons, one of which is pressed."""
    style = LABEL | {"button_width": "auto"}
    layout = {"display": "flex", "flex_flow": "row"}  # else the label stands above the buttons
    return widgets.ToggleButtons(options=options, description=label, style=style, layout=layout)


def labelled_box(label, value):
    """Return a box to tick."""
    return widgets.Checkbox(check.flag(label, value), description=label, style=LABEL)


def plural(word, count):
    """Return `word`, with an s unless there is one."""
    return word if count == 1 else f"{word}s"


def explore_windows(sequences, *, steps=5, positions=()):
    """Move `steps` and see how a batch is cut into windows, and what the last one holds."""
    longest, batch, _ = split_windows(sequences, 1).mask.shape
    (ax,) = plots.new_axes(height=1.6 + 0.3 * min(batch, 12))

    def draw(steps):
        mask = split_windows(sequences, steps).mask
        plots.plot_windows(mask, ax=ax)
        last = int(mask[-1].any(axis=0).sum())
        padded = 1 - mask.mean()
        return (
            f"steps = {steps}: {len(mask)} {plural('window', len(mask))} for up to {longest} "
            f"timesteps. In the last one, the longest row has {last} real "
            f"{plural('timestep', last)} and {steps - last} of padding. In all, {padded:.0%} of "
            "the batch is padding."
        )

    controls = {"steps": labelled_slider("steps", steps, 1, longest)}
    return Explorer(ax.figure, controls, draw, positions=positions)


def explore_reach(model, sequences, *, steps=5, positions=()):
    """Move `steps` and the output looked at, and see how far back state and gradient reach."""
    last = len(split_windows(sequences, 1).mask) - 1
    (ax,) = plots.new_axes(height=3.8)

    @cache
    def reach(steps, carry, at):
        state = state_reach(model, sequences, steps=steps, carry=carry, at=at)
        return state, gradient_reach(model, sequences, steps=steps, at=at)

    def draw(steps, carry, at):
        state, gradient = reach(steps, carry, at)
        plots.plot_reach(state, gradient, steps=steps, at=at, ax=ax)
        remembered, learned = (_reached(values, at) for values in (state, gradient))
        return (
            f"steps = {steps}, state {CARRY_WORD[carry]}: the output at timestep {at} depends on "
            f"the last {remembered} {plural('timestep', remembered)}, its own included. The "
            f"gradient reaches {learned} of them."
        )

    controls = {
        "steps": labelled_slider("steps", steps, 1, last + 1),
        "at": labelled_slider("output at", last, 0, last),
        "carry": labelled_box("carry the state", True),
    }
    return Explorer(ax.figure, controls, draw, positions=positions)


def _reached(values, at):
    """Return how many timesteps back, `at` included, an effect is above 0.01 % of the most."""
    return at + 1 - int(np.argmax(values > 1e-4 * values.max()))


class _Canvas(FigureCanvasAgg):
    """A figure's picture: axes and legends are drawn once, what moves between them each time."""

    _frame = _background = None

    def file(self, kind, **options):
        """Return what is drawn now as a file of this kind, in base64."""
        if self._frame is None:
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")  # found once: it doubles the time
        moving = plots.drawn_artists(self.figure)
        frame = [_frame_of(ax) for ax in self.figure.axes]
        if frame != self._frame:
            for artist in moving:
                artist.set_visible(False)
            self.draw()
            self._frame, self._background = frame, self.copy_from_bbox(self.figure.bbox)
            for artist in moving:
                artist.set_visible(True)
        self.restore_region(self._background)
        for artist in sorted(moving, key=lambda artist: artist.zorder):
            artist.axes.draw_artist(artist)
        picture, file = Image.fromarray(np.asarray(self.buffer_rgba())), io.BytesIO()
        picture.convert("RGB").save(file, kind, **options)
        return base64.b64encode(file.getvalue()).decode()


def _frame_of(ax):
    """Return all that axes and legend show: the background is drawn again when it changes."""
    legend = ax.get_legend()
    names = () if legend is None else tuple(text.get_text() for text in legend.get_texts())
    return ax.get_xlim(), ax.get_ylim(), ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale(), names
