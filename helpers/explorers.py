"""Sliders around probes and plots: the one module that makes widgets.

Each `explore_…` returns an `Explorer` for the notebook to display. Its picture has an alt
text, its readout says the same in words, and without a kernel the stored picture stays.
"""

import base64
import io
import re
import threading
from html import escape

import ipywidgets as widgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from helpers import checks, plots
from helpers.validation import check_array, check_lengths, check_sequences, check_whole_number
from helpers.windows import bucket_by_length, join_windows, pad_batch, split_windows

_LABEL = {"description_width": "8em"}


class Explorer(widgets.VBox):
    """Controls, a picture and a readout that follow one another.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn on again and again.
    controls : dict
        Name to a widget with a `value`, or to the `HBox` that `_slider` makes.
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


def explore_windows(sequences, *, steps=5):
    """Move `steps` and see how a batch is cut into windows, and what the last one holds.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    steps : int
        Where the slider starts.

    Returns
    -------
    Explorer
    """
    sequences = check_sequences(sequences)
    longest = _longest(sequences)
    (ax,) = plots.new_axes(height=1.6 + 0.3 * min(len(sequences), 12))

    def draw(steps):
        mask = split_windows(sequences, steps).mask
        plots.plot_windows(mask, ax=ax)
        last = int(mask[-1].any(axis=0).sum())
        padded = 1 - mask.mean()
        return (
            f"steps = {steps}: {len(mask)} {_plural('window', len(mask))} for up to {longest} "
            f"timesteps. The last window holds {last} real {_plural('timestep', last)} and "
            f"{steps - last} of padding. In all, {padded:.0%} of the batch is padding."
        )

    return Explorer(ax.figure, {"steps": _slider("steps", steps, 1, longest)}, draw)


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

    sequences = check_sequences(sequences)
    longest = _longest(sequences)
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
        style = _style(carry)
        label = f"{_kept(carry)}, against one long pass"
        plots.plot_lines(
            {label: (np.arange(timesteps), off, style)},
            xlabel="timestep",
            ylabel="difference",
            ax=difference,
        )
        difference.set(xlim=ax.get_xlim(), ylim=limits)
        return (
            f"steps = {steps}, state {_kept(carry)}: the state of sequence "
            f"{sequence} differs from that of one long pass by at most {off.max():.4f}."
        )

    controls = {
        "steps": _slider("steps", steps, 1, longest),
        "carry": widgets.Checkbox(carry, description="carry the state", style=_LABEL),
        "sequence": _slider("sequence", 0, 0, len(sequences) - 1),
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

    longest = _longest(check_sequences(sequences))
    (ax,) = plots.new_axes(height=3.8)

    def draw(steps, carry):
        state = state_reach(model, sequences, steps=steps, carry=carry)
        gradient = gradient_reach(model, sequences, steps=steps)
        plots.plot_reach(state, gradient, steps=steps, ax=ax)
        return (
            f"steps = {steps}, state {_kept(carry)}: the last state still "
            f"feels inputs up to {_reached(state)} timesteps back, the last one included. The "
            f"gradient stops after {_reached(gradient)}."
        )

    controls = {
        "steps": _slider("steps", steps, 1, longest),
        "carry": widgets.Checkbox(carry, description="carry the state", style=_LABEL),
    }
    return Explorer(ax.figure, controls, draw)


def explore_masks(model, sequences, *, timesteps=None):
    """Pad a batch further and further, with a mask and without, and see what the state does.

    Parameters
    ----------
    model : keras.Sequential
        Without a `Masking` layer: the mask is given or not, as the learner chooses.
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    timesteps : int, optional
        The longest padding to offer; four times the longest sequence if None.

    Returns
    -------
    Explorer
    """
    from helpers.probes import trace_states

    sequences = check_sequences(sequences)
    longest = _longest(sequences)
    most = check_whole_number("timesteps", timesteps or 4 * longest, minimum=longest)
    alone = [trace_states(model, sequence[None])[0, -1] for sequence in sequences]
    (ax,) = plots.new_axes(height=3.6)

    def draw(length, padding, mask, sequence):
        padded = pad_batch(sequences, timesteps=length, padding=padding)
        states = trace_states(model, padded.inputs, mask=padded.mask if mask else None)[sequence]
        plots.plot_states(states, mask=padded.mask[sequence], ax=ax)
        off = np.abs(states[-1] - alone[sequence]).max()
        return (
            f"Sequence {sequence} has {len(sequences[sequence])} timesteps, padded "
            f"'{padding}' to {length}, {'with' if mask else 'without'} a mask: its last state "
            f"differs from that of the unpadded sequence by {off:.4f}."
        )

    controls = {
        "length": _slider("timesteps", longest, longest, most),
        "padding": _buttons("padding", ("post", "pre")),
        "mask": widgets.Checkbox(False, description="give the mask", style=_LABEL),
        "sequence": _slider("sequence", 0, 0, len(sequences) - 1),
    }
    return Explorer(ax.figure, controls, draw)


def explore_padding(lengths, *, n_buckets=1, most=12):
    """Move the number of buckets and see how much of a data set is padding.

    Parameters
    ----------
    lengths : sequence of int
        Timesteps of each sequence.
    n_buckets : int
        Where the slider starts.
    most : int
        The largest number of buckets to offer.

    Returns
    -------
    Explorer
    """
    lengths = check_lengths(lengths)
    (ax,) = plots.new_axes(height=3.6)

    def draw(n_buckets):
        buckets = bucket_by_length(lengths, n_buckets)
        plots.plot_padding(lengths, buckets, ax=ax)
        cells = sum(len(bucket) * lengths[bucket].max() for bucket in buckets)
        return (
            f"{n_buckets} {_plural('bucket', n_buckets)}: {lengths.sum()} real timesteps in "
            f"{cells} computed ones, so {1 - lengths.sum() / cells:.0%} of the work is padding."
        )

    slider = _slider("buckets", n_buckets, 1, min(most, len(lengths)))
    return Explorer(ax.figure, {"n_buckets": slider}, draw)


def explore_training(series, times, *, n_train, steps=1, epochs=60, units=16, error="error"):
    """Train on windows of a series, carried or reset, and see the forecast and its error.

    Parameters
    ----------
    series : (timesteps, 1) array
        Standardised; the model predicts each next value.
    times : (timesteps,) array
        When, for the x axis.
    n_train : int
        Timesteps to train on; the rest is for testing.
    steps : int
        Where the slider starts; there it trains at once, carried and reset.
    epochs, units : int
        Of the training, and of the `LSTM`.
    error : str
        What the error is, with its unit, for the y axis.

    Returns
    -------
    Explorer
        With a button to train, a progress bar, and a button to stop. Its `errors` map
        (steps, carry) to the test error of every run that was finished.
    """
    return _TrainingExplorer(series, times, n_train, steps, epochs, units, error)


class _TrainingExplorer(Explorer):
    """Trains in a thread, so that the kernel keeps answering the stop button."""

    def __init__(self, series, times, n_train, steps, epochs, units, error):
        self._series = check_array(series, "series", ("timesteps", "features"))
        self._times, self._units, self._error = np.asarray(times), units, error
        self._n_train = check_whole_number(
            "n_train", n_train, minimum=2, maximum=len(self._series) - 2
        )
        self._epochs = check_whole_number("epochs", epochs)
        self._most = min(60, self._n_train - 1)
        self._axes = plots.new_axes(2, height=5.6, ratios=(1, 1))
        self._stop, self._thread = threading.Event(), None
        self._drawing = threading.Lock()
        self._forecasts, self.errors = {}, {}
        self._button = widgets.Button(description="Train", icon="play")
        self._progress = widgets.IntProgress(0, 0, epochs, description="epoch", style=_LABEL)
        self._status = widgets.HTML("")
        self._button.on_click(self._clicked)
        for carry in (True, False):
            self._run(steps, carry)
        super().__init__(
            self._axes[0].figure,
            {
                "steps": _slider("steps", steps, 1, self._most),
                "carry": widgets.Checkbox(True, description="carry the state", style=_LABEL),
            },
            self._describe,
            extra=[widgets.HBox([self._button, self._progress, self._status])],
        )

    def train(self):
        """Train for the controls' values and wait for the end."""
        self._start()
        self._thread.join()

    def redraw(self, _change=None):
        """Draw for the controls' present values."""
        with self._drawing:  # a slider may move at the moment when a training ends
            super().redraw()

    def _clicked(self, _button):
        if self._thread is not None and self._thread.is_alive():
            self._stop.set()
            self._say("Stopping …")
        else:
            self._start()

    def _start(self):
        self._stop.clear()
        self._button.description, self._button.icon = "Stop", "stop"
        self._progress.value = 0
        self._say("Preparing the model …")
        settings = self.controls["steps"].value, self.controls["carry"].value
        self._thread = threading.Thread(target=self._run_and_show, args=settings, daemon=True)
        self._thread.start()

    def _run_and_show(self, steps, carry):
        try:
            self._run(steps, carry)
            self.redraw()
            words = "Stopped." if self._stop.is_set() else "Done."
        except Exception as problem:  # a thread's error would vanish: show it
            words = f"{type(problem).__name__}: {problem}"
        self._say(words)
        self._button.description, self._button.icon = "Train", "play"

    def _say(self, words):
        self._status.value = f'<span role="status">{escape(words)}</span>'

    def _run(self, steps, carry):
        """Train, then predict the whole series; a stopped run leaves no result."""
        import keras

        from helpers.models import build_rnn
        from helpers.training import predict_windows, train_windows

        def follow(epoch, _logs):
            self._progress.value = epoch + 1
            self._status.value = f"{epoch + 1} of {self._epochs}"
            model.stop_training = self._stop.is_set()

        inputs, targets = self._series[:-1], self._series[1:]
        train, labels = (
            split_windows([part[: self._n_train - 1]], steps) for part in (inputs, targets)
        )
        keras.utils.set_random_seed(0)
        model = build_rnn(self._units, features=1)
        model.compile(keras.optimizers.Adam(3e-3), "mse")
        train_windows(
            model,
            train.inputs,
            labels.inputs,
            mask=train.mask,
            epochs=self._epochs,
            carry=carry,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=follow)],
        )
        if self._stop.is_set():
            return
        every = split_windows([inputs], steps)
        outputs = predict_windows(model, every.inputs, mask=every.mask, carry=carry)
        (forecast,) = join_windows(outputs, [len(inputs)])
        test = slice(self._n_train - 1, None)
        self._forecasts[steps, carry] = forecast[test, 0]
        self.errors[steps, carry] = float(np.mean((forecast[test] - targets[test]) ** 2))

    def _describe(self, steps, carry):
        """Draw every forecast there is for these steps, and every error found so far."""
        top, bottom = self._axes
        test = slice(self._n_train, None)
        lines = {"observed": (self._times[test], self._series[test, 0], plots.TRUTH)} | {
            f"state {_kept(kept)}": (self._times[test], self._forecasts[steps, kept], _style(kept))
            for kept in (True, False)
            if (steps, kept) in self._forecasts
        }
        plots.plot_lines(lines, xlabel="year", ylabel="standardised", ax=top)
        plots.plot_lines(
            {f"state {_kept(kept)}": self._points(kept) for kept in (True, False)},
            xlabel="steps",
            ylabel=self._error,
            ax=bottom,
        )
        plots.mark(steps, ax=bottom)
        bottom.set(xlim=(0, self._most + 1), ylim=(0, 1.1 * max(self.errors.values())))
        found = [
            f"state {_kept(kept)} {self.errors[steps, kept]:.2f}"
            for kept in (True, False)
            if (steps, kept) in self.errors
        ]
        words = f"steps = {steps}: test error with {', '.join(found) or 'neither measured yet'}."
        if (steps, carry) not in self.errors:
            words += f" Press Train to measure it with state {_kept(carry)}."
        return words

    def _points(self, carry):
        found = sorted(
            (steps, error) for (steps, kept), error in self.errors.items() if kept == carry
        )
        x, y = np.array(found or [(-1, 0)], float).T  # outside the picture while there is none
        return x, y, _style(carry) | {"linestyle": ":"}


def explore_cost(costs):
    """Move `steps` and read what one epoch costs in time and memory beside one full pass.

    Parameters
    ----------
    costs : list of Cost
        What `helpers.costs.measure_costs` measured on this machine.

    Returns
    -------
    Explorer
    """
    costs = sorted(costs, key=lambda cost: cost.steps)
    steps = np.array([cost.steps for cost in costs])
    seconds = np.array([cost.seconds for cost in costs])
    mebibytes = np.array([cost.mebibytes for cost in costs])
    panels = plots.new_axes(2, height=5.0)

    def draw(chosen):
        for ax, values, ylabel in zip(
            panels, (seconds, mebibytes), ("time (s an epoch)", "memory (MiB)"), strict=True
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
        cost, full = costs[chosen], costs[-1]
        return (
            f"steps = {cost.steps}: {cost.seconds:.2f} s an epoch and {cost.mebibytes:.1f} MiB. "
            f"One full-length pass of {full.steps}: {full.seconds:.2f} s and "
            f"{full.mebibytes:.1f} MiB."
        )

    options = {"options": [(str(n), i) for i, n in enumerate(steps)], "index": len(steps) - 1}
    entry = widgets.Dropdown(**options, description="steps", style=_LABEL, layout={"width": "14em"})
    slider = widgets.SelectionSlider(**options, readout=False, layout={"width": "60%"})
    widgets.link((slider, "index"), (entry, "index"))
    return Explorer(panels[0].figure, {"chosen": widgets.HBox([entry, slider])}, draw)


def ask(name):
    """Ask a question of `helpers/questions.toml` and answer each choice at once.

    Parameters
    ----------
    name : str
        The question's name in the file.

    Returns
    -------
    ipywidgets.VBox
    """
    question = checks.load_question(name)
    feedback = widgets.HTML()
    choices = widgets.RadioButtons(
        options=question.choices, value=None, layout={"width": "max-content", "max_width": "100%"}
    )

    def answer(change):
        right, words = checks.check_answer(name, change["new"])
        mark = "✔ " if right else "✘ "
        feedback.value = f'<p role="status">{mark}{_with_code(words)}</p>'

    choices.observe(answer, "value")
    text = widgets.HTML(f"<b>{_with_code(question.text)}</b>")
    return _Question(question, [text, choices, feedback])


class _Question(widgets.VBox):
    def __init__(self, question, children):
        self._question = question
        super().__init__(children)

    def _repr_mimebundle_(self, **kwargs):
        listed = "\n".join(f"  ○ {choice}" for choice in self._question.choices)
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {"text/plain": f"{self._question.text}\n{listed}"}


def _slider(label, value, low, high):
    """Return a slider and the number entry that labels it: sliders have no accessible name."""
    value = check_whole_number(label, value, minimum=low, maximum=high)
    slider = widgets.IntSlider(value, low, high, readout=False, layout={"width": "60%"})
    number = widgets.BoundedIntText(
        value, low, high, description=label, style=_LABEL, layout={"width": "14em"}
    )
    widgets.link((slider, "value"), (number, "value"))
    return widgets.HBox([number, slider])


def _buttons(label, options):
    return widgets.ToggleButtons(options=options, description=label, style=_LABEL)


class _Canvas:
    """A figure as PNG: axes and legends are drawn once, what moves between them each time."""

    def __init__(self, figure):
        self.figure, self._canvas = figure, FigureCanvasAgg(figure)
        self._frame = self._background = None

    def png(self):
        if self.figure.get_layout_engine() is not None:
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
        file = io.BytesIO()
        pixels = np.asarray(self._canvas.buffer_rgba())[..., :3]
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, "png", compress_level=1)
        return file.getvalue()

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


def _image(png, words, figure):
    width, height = (figure.get_size_inches() * figure.dpi).astype(int)
    data = base64.b64encode(png).decode()
    return (
        f'<img alt="{escape(words)}" src="data:image/png;base64,{data}" '
        f'style="width:{width}px;max-width:100%;aspect-ratio:{width}/{height}">'
    )


def _with_code(text):
    """Return `text` as HTML, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _longest(sequences):
    return max(len(sequence) for sequence in sequences)


def _kept(carry):
    return "carried" if carry else "reset"


def _style(carry):
    return plots.CARRIED if carry else plots.RESET


def _plural(word, count):
    return word if count == 1 else f"{word}s"


def _reached(values):
    """Return how many timesteps back, the last included, an effect is above 0.01 % of the most."""
    return len(values) - int(np.argmax(values > 1e-4 * values.max()))


def _largest_reset_difference(model, sequences, whole):
    from helpers.probes import trace_states

    reset = trace_states(model, sequences, steps=1, carry=False)
    return max(float(np.abs(reset - whole).max()), 1e-6)
