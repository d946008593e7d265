"""Training under a slider: the forecast, and its error for each window length."""

from html import escape

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.explorers.background import Background
from helpers.explorers.base import LABEL, Explorer, carry_style, carry_word, labelled_slider
from helpers.validation import check_array, check_whole_number
from helpers.windows import Windows, join_windows, split_windows


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
    def __init__(self, series, times, n_train, steps, epochs, units, error):
        self._series = _check_series(series)
        self._times = _check_times(times, len(self._series))
        self._units, self._error = check_whole_number("units", units), error
        self._n_train = check_whole_number(
            "n_train", n_train, minimum=2, maximum=len(self._series) - 2
        )
        self._epochs = check_whole_number("epochs", epochs)
        self._most = min(60, self._n_train - 1)
        steps = check_whole_number("steps", steps, maximum=self._most)
        self._axes = plots.new_axes(2, height=5.6, ratios=(1, 1))
        self._background, self._model = Background(), None
        self._forecasts, self.errors = {}, {}
        self._button = widgets.Button(description="Train", icon="play")
        self._progress = widgets.IntProgress(0, 0, epochs, description="epoch", style=LABEL)
        self._status = widgets.HTML("")
        self._button.on_click(self._clicked)
        for carry in (True, False):
            self._run(steps, carry)
        super().__init__(
            self._axes[0].figure,
            {
                "steps": labelled_slider("steps", steps, 1, self._most),
                "carry": widgets.Checkbox(True, description="carry the state", style=LABEL),
            },
            self._describe,
            extra=[widgets.HBox([self._button, self._progress, self._status])],
        )

    def train(self):
        """Train for the controls' values and wait for the end, as `wait()` does."""
        self.wait()
        self._start()
        self.wait()

    def wait(self):
        """Wait for the end of the training. Interrupting the kernel stops it, as Stop does."""
        self._background.wait()

    def _clicked(self, _button):
        if self._background.busy:
            self._background.stop()
            self._say("Stopping …")
        else:
            self._start()

    def _start(self):
        self._button.description, self._button.icon = "Stop", "stop"
        self._progress.value = 0
        self._say("Preparing the model …")
        settings = self.controls["steps"].value, self.controls["carry"].value
        self._background.start(self._run_and_show, *settings)

    def _run_and_show(self, steps, carry):
        try:
            self._run(steps, carry)
            self.redraw()
            words = "Stopped." if self._background.stopping else "Done."
        except Exception as problem:  # a thread's error would vanish: show it
            words = f"{type(problem).__name__}: {problem}"
        self._say(words)
        self._button.description, self._button.icon = "Train", "play"

    def _say(self, words):
        self._status.value = f'<span role="status">{escape(words)}</span>'

    def _run(self, steps, carry):
        """Train from the first weights, then predict all; a stopped run leaves no result."""
        import keras

        from helpers.training import predict_windows, train_windows

        def follow(epoch, _logs):
            self._progress.value = epoch + 1
            self._status.value = f"{epoch + 1} of {self._epochs}"
            model.stop_training = self._background.stopping

        model = self._fresh_model()
        inputs, targets = self._series[:-1], self._series[1:]
        train, labels = (
            self._windows(part[: self._n_train - 1], steps) for part in (inputs, targets)
        )
        train_windows(
            model,
            train.inputs,
            labels.inputs,
            mask=train.mask,
            epochs=self._epochs,
            carry=carry,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=follow)],
        )
        if self._background.stopping:
            return
        every = split_windows([inputs], steps)
        outputs = predict_windows(model, every.inputs, mask=every.mask, carry=carry)
        (forecast,) = join_windows(outputs, [len(inputs)])
        test = slice(self._n_train - 1, None)
        self._forecasts[steps, carry] = forecast[test, 0]
        self.errors[steps, carry] = float(np.mean((forecast[test] - targets[test]) ** 2))

    def _fresh_model(self):
        """Return the model as it was built: made once, its programs are compiled once."""
        import keras

        from helpers.models import build_rnn

        if self._model is None:
            keras.utils.set_random_seed(0)
            self._model = build_rnn(self._units, features=1)
            self._model.compile(keras.optimizers.Adam(3e-3), "mse")
            self._model.optimizer.build(self._model.trainable_variables)
            variables = [*self._model.variables, *self._model.optimizer.variables]
            self._first_values = [(variable, variable.numpy()) for variable in variables]
        for variable, value in self._first_values:
            variable.assign(value)
        return self._model

    def _windows(self, values, steps):
        """Return windows in one shape for all `steps`, so that one program trains them all."""
        windows = split_windows([values], steps)
        missing = len(values) - len(windows.mask), self._most - steps
        return Windows(
            np.pad(windows.inputs, [(0, missing[0]), (0, 0), (0, missing[1]), (0, 0)]),
            np.pad(windows.mask, [(0, missing[0]), (0, 0), (0, missing[1])]),
        )

    def _describe(self, steps, carry):
        """Draw every forecast there is for these steps, and every error found so far."""
        top, bottom = self._axes
        test = slice(self._n_train, None)
        lines = {"observed": (self._times[test], self._series[test, 0], plots.TRUTH)} | {
            f"state {carry_word(kept)}": (
                self._times[test],
                self._forecasts[steps, kept],
                carry_style(kept),
            )
            for kept in (True, False)
            if (steps, kept) in self._forecasts
        }
        plots.plot_lines(lines, xlabel="year", ylabel="standardised", ax=top)
        plots.plot_lines(
            {f"state {carry_word(kept)}": self._points(kept) for kept in (True, False)},
            xlabel="steps",
            ylabel=self._error,
            ax=bottom,
        )
        plots.mark(steps, ax=bottom)
        bottom.set(xlim=(0, self._most + 1), ylim=(0, 1.1 * max(self.errors.values())))
        found = [
            f"state {carry_word(kept)} {self.errors[steps, kept]:.2f}"
            for kept in (True, False)
            if (steps, kept) in self.errors
        ]
        words = f"steps = {steps}: test error with {', '.join(found) or 'neither measured yet'}."
        if (steps, carry) not in self.errors:
            words += f" Press Train to measure it with state {carry_word(carry)}."
        return words

    def _points(self, carry):
        found = sorted(
            (steps, error) for (steps, kept), error in self.errors.items() if kept == carry
        )
        x, y = np.array(found or [(-1, 0)], float).T  # outside the picture while there is none
        return x, y, carry_style(carry) | {"linestyle": ":"}


def _check_series(series):
    hint = "For one feature, add an axis: `x[:, None]`."
    series = check_array(series, "series", ("timesteps", "features"), hint=hint)
    if series.shape[1] != 1:
        raise ValueError(
            "`series` must have one feature, the one to forecast. Received: "
            f"{series.shape[1]} features. Take one of them: `series[:, :1]`."
        )
    return series


def _check_times(times, timesteps):
    times = check_array(times, "times", ("timesteps",))
    if len(times) != timesteps:
        raise ValueError(
            f"`times` must have one entry for each of the {timesteps} timesteps of `series`. "
            f"Received: {len(times)}."
        )
    return times
