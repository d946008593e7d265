"""What do windows remember? Training under a slider, and the exercises."""

import numpy as np

from helpers import plots
from helpers.exercises import AnswerError, answer_of, feedback, filled_in
from helpers.explorers import (
    CARRY_STYLE,
    Explorer,
    Trainer,
    carry_word,
    labelled_box,
    labelled_slider,
)
from helpers.models import build_rnn
from helpers.quiet import keras
from helpers.training import predict_windows, train_windows
from helpers.validation import ONE_FEATURE, check_array, check_whole_number
from helpers.windows import Windows, join_windows, split_windows

_EPOCHS, _UNITS = 60, 16


def explore_training(series, years, *, n_train, steps=1):
    """Train on windows of a series, carried or reset, and see the forecast and its error.

    Parameters
    ----------
    series : (timesteps, 1) array
        Standardised; the model predicts each next value.
    years : (timesteps,) array
        Of each value.
    n_train : int
        Timesteps to train on; the others are for testing.
    steps : int
        Where the slider starts, 1 to 60.

    Returns
    -------
    Explorer
        With a `trainer`. Its `errors` map (steps, carry) to the mean squared test error of every
        training that was finished; `train()` trains for the controls' values.
    """
    return _TrainingExplorer(series, years, n_train, steps)


class _TrainingExplorer(Explorer):
    def __init__(self, series, years, n_train, steps):
        self._series = _check_series(series)
        self._years = _check_years(years, len(self._series))
        self._n_train = check_whole_number(
            "n_train", n_train, minimum=2, maximum=len(self._series) - 2
        )
        self._most = min(60, self._n_train - 1)
        self._model, self._forecasts, self.errors = None, {}, {}
        self._axes = plots.new_axes(2, height=5.6, ratios=(1, 1))
        self.trainer = Trainer(self._run, self._settings)
        super().__init__(
            self._axes[0].figure,
            {
                "steps": labelled_slider("steps", steps, 1, self._most),
                "carry": labelled_box("carry the state", True),
            },
            self._describe,
            extra=[self.trainer],
        )

    def train(self):
        """Train for the controls' values and wait for the end, as `trainer.wait()` does."""
        self.trainer.wait()
        self.trainer.start(*self._settings())
        self.trainer.wait()

    def _settings(self):
        return self.controls["steps"].value, self.controls["carry"].value

    def _run(self, steps, carry):
        """Train from the first weights, then predict all; a stopped run leaves no result."""

        def follow(epoch, _logs):
            done = epoch + 1
            stop = self.trainer.report(done / _EPOCHS, f"epoch {done} of {_EPOCHS}")
            model.stop_training = stop

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
            epochs=_EPOCHS,
            carry=carry,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=follow)],
        )
        if model.stop_training:
            return
        every = split_windows([inputs], steps)
        outputs = predict_windows(model, every.inputs, mask=every.mask, carry=carry)
        (forecast,) = join_windows(outputs, [len(inputs)])
        test = slice(self._n_train - 1, None)
        self._forecasts[steps, carry] = forecast[test, 0]
        self.errors[steps, carry] = float(np.mean((forecast[test] - targets[test]) ** 2))
        self.redraw()

    def _fresh_model(self):
        """Return the model as it was built: made once, its programs are compiled once."""
        if self._model is None:
            keras.utils.set_random_seed(0)
            self._model = build_rnn(_UNITS, features=1)
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
        lines = {"observed": (self._years[test], self._series[test, 0], plots.TRUTH)} | {
            f"state {carry_word(kept)}": (
                self._years[test],
                self._forecasts[steps, kept],
                CARRY_STYLE[kept],
            )
            for kept in (True, False)
            if (steps, kept) in self._forecasts
        }
        plots.plot_lines(lines, xlabel="year", ylabel="standardised", ax=top)
        plots.plot_lines(
            {f"state {carry_word(kept)}": self._points(kept) for kept in (True, False)},
            xlabel="steps",
            ylabel="test error (MSE)",
            ax=bottom,
        )
        plots.add_position(bottom, steps)
        bottom.set(xlim=(0, self._most + 1), ylim=(0, 1.1 * max(self.errors.values(), default=1.0)))
        return self._words(steps, carry)

    def _words(self, steps, carry):
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
        return x, y, CARRY_STYLE[carry] | {"linestyle": ":"}


def _check_series(series):
    series = check_array(series, "series", ("timesteps", "features"), hint=ONE_FEATURE)
    if series.shape[1] != 1:
        raise ValueError(
            "`series` must have one feature, the one to forecast. Received: "
            f"{series.shape[1]} features. Take one of them: `series[:, :1]`."
        )
    return series


def _check_years(years, timesteps):
    years = check_array(years, "years", ("timesteps",))
    if len(years) != timesteps:
        raise ValueError(
            f"`years` must have one entry for each of the {timesteps} timesteps of `series`. "
            f"Received: {len(years)}."
        )
    return years


@feedback
def check_carry(function):
    """Say whether `function(lstm, batch, steps)` carries the state and returns the last h."""
    read = []  # how many timesteps in each call

    class LSTM(keras.layers.LSTM):
        def __call__(self, sequences, *args, **options):
            read.extend(np.shape(sequences)[1:2])
            return super().__call__(sequences, *args, **options)

    rng = np.random.default_rng(7)
    batch = rng.normal(size=(2, 11, 5)).astype("float32")
    lstm = LSTM(6, return_state=True)
    lstm.build(batch.shape)
    lstm.set_weights([0.4 * rng.normal(size=w.shape) for w in lstm.get_weights()])
    long_pass = lstm(batch)[1]
    hint = "Give each window the state [h, c] that the one before returned."
    for steps in (3, 11, 4, 1):
        read.clear()
        answer = answer_of(function, lstm, batch, steps)
        if np.shape(answer) != (2, 6):
            raise AnswerError(
                f"Not yet: h has the shape (batch, units) = (2, 6), yours is {np.shape(answer)}.",
            )
        longest = max((timesteps for timesteps in read if timesteps is not None), default=0)
        if longest > steps:
            raise AnswerError(
                f"Not yet: steps={steps}, but the layer read {longest} timesteps in one call."
            )
        if not np.allclose(answer, long_pass, atol=1e-5):
            raise AnswerError(f"Not yet: 11 timesteps, steps={steps}: another state. {hint}")


@feedback
def check_reset_rows(function):
    """Say whether `function(states, rows)` returns new states with those rows at zero."""
    for units, rows in ((4, [1]), (3, [0, 2]), (2, [])):
        given = [np.full((3, units), 1.0 + i) for i in range(2)]
        answer = answer_of(function, [state.copy() for state in given], list(rows))
        kept = [state.copy() for state in given]
        answer_of(function, kept, list(rows))
        expected = [state.copy() for state in given]
        for state in expected:
            state[rows] = 0.0
        shapes = [np.shape(state) for state in answer] if np.iterable(answer) else None
        if shapes != [state.shape for state in expected]:
            raise AnswerError("Not yet: a list of two arrays is wanted, each (batch, units).")
        if not np.array_equal(np.asarray(answer), expected):
            raise AnswerError(f"Not yet: rows={rows}. Zeros there, everything else as it was.")
        if not np.array_equal(kept, given):
            raise AnswerError("Not yet: the arrays you were given have changed. Copy them first.")


@feedback
def check_smallest_steps(smallest):
    """Say whether each timestep of 10 has the smallest window that lets gradient reach it."""
    known = smallest if isinstance(smallest, dict) else {}
    for t in (8, 6, 3):
        steps = filled_in(known.get(t))
        if steps not in range(1, 11):
            raise AnswerError(f"Not yet: timestep {t} wants a whole number from 1 to 10.")
        begins = 9 // int(steps) * int(steps)
        if begins > t:
            raise AnswerError(
                f"Not yet: with steps={steps} the last window begins at timestep {begins}, "
                f"after timestep {t}.",
            )
        if any(9 // shorter * shorter <= t for shorter in range(1, int(steps))):
            raise AnswerError(f"Not yet: for timestep {t} a shorter window does, too.")
