"""How far back does it learn? Training beside measured seeds, and the exercises."""

from functools import cache
from importlib.resources import files
from numbers import Real
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.data import load_sunspots
from helpers.exercises import AnswerError, answer_of, feedback, filled_in
from helpers.explorers import (
    CARRY_STYLE,
    CARRY_WORD,
    LABEL,
    Explorer,
    Position,
    Trainer,
    labelled_box,
    labelled_slider,
)
from helpers.models import build_rnn
from helpers.quiet import keras, tf
from helpers.training import predict_windows, train_windows
from helpers.windows import Windows, join_windows, sliding_windows, split_windows

EPOCHS = 60
_UNITS, _N_TRAIN, _MOST_STEPS, _MOST_SEED = 16, 240, 60, 99
_STYLES = {
    "carried": CARRY_STYLE[True],
    "reset": CARRY_STYLE[False],
    "overlapping": CARRY_STYLE[False] | {"linestyle": ":", "markerfacecolor": "white"},
}
_BESIDE = {"carried": -0.8, "reset": 0.0, "overlapping": 0.8}  # side by side, in years
_NAMES = {"carried": "state carried", "reset": "state reset", "overlapping": "reset, overlapping"}

REACH_POSITIONS = (
    Position(
        "the last output",
        "Timestep 9 ends its window: the gradient reaches all 5 timesteps of it, and none before.",
        {"steps": 5, "at": 9, "carry": True},
    ),
    Position(
        "just after a border",
        "Timestep 5 begins its window: its output depends on 6 timesteps, the gradient reaches 1.",
        {"steps": 5, "at": 5, "carry": True},
    ),
    Position(
        "windows of 9",
        "Longer windows, and the last output's gradient reaches 1 timestep: it begins the second.",
        {"steps": 9, "at": 9, "carry": True},
    ),
    Position(
        "reset",
        "The state is reset at the border too: both bands end there.",
        {"steps": 5, "at": 9, "carry": False},
    ),
)
TRAINING_POSITIONS = (
    Position(
        "one year",
        "Each small carried point is well below each reset one. Train a seed of your own.",
        {"steps": 1, "carry": True},
    ),
    Position(
        "one cycle",
        "With 12 years, a reset model's error depends much on where the borders fall.",
        {"steps": 12, "carry": False},
    ),
    Position(
        "two cycles",
        "Hollow squares: the same models, each forecast asked with the 24 years before it.",
        {"steps": 24, "carry": False},
    ),
    Position(
        "four cycles",
        "The filled squares start from zeros at each border; the hollow ones know 48 years.",
        {"steps": 48, "carry": False},
    ),
)


class Forecasts(NamedTuple):
    """Sunspots to forecast: `years` (309,), `z` (309, 1) standardised, `baselines` by name."""

    years: np.ndarray
    z: np.ndarray
    baselines: dict


class ErrorRange(NamedTuple):
    """A mean squared test error: the mean over all places of the borders, and the range."""

    mean: float
    lowest: float
    highest: float


@cache
def load_forecasts():
    """Return the sunspots as the lesson uses them, with the test errors that need no model."""
    years, numbers = load_sunspots()
    known = numbers[:_N_TRAIN]
    z = ((numbers - known.mean()) / known.std())[:, None]
    pasts, nexts = sliding_windows(z, 9)
    pasts, train = np.insert(pasts[..., 0], 0, 1.0, axis=1), _N_TRAIN - 9
    weights = np.linalg.lstsq(pasts[:train], nexts[:train], rcond=None)[0]
    off = {
        "copying last year": z[_N_TRAIN - 1 : -1] - z[_N_TRAIN:],
        "weighted sum of 9 years": pasts[train:] @ weights - nexts[train:],
    }
    return Forecasts(years, z, {name: float(np.mean(each**2)) for name, each in off.items()})


@cache
def measured_errors():
    """Return the errors that ship with the lesson: {(steps, how): an `ErrorRange` a seed}.

    `how` is "carried", "reset" or "overlapping", as `explore_training` says.
    """
    file = files("helpers") / "lessons" / "reach.csv"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    found = {}
    for steps, how, _, *errors in (line.split(",") for line in lines[1:]):
        found.setdefault((int(steps), how), []).append(ErrorRange(*map(float, errors)))
    return found


def explore_training(*, steps=1, carry=True, positions=()):
    """Train on windows of the sunspots, and see the error beside those of measured seeds.

    `steps` is the years in a window, 1 to 60; `carry` whether the state is carried or reset.
    The result has a `trainer`. Its `errors` map (steps, how, seed) to the `ErrorRange` of every
    training that was finished. `how` is "carried"; or "reset", in windows that do not overlap; or
    "overlapping", the reset model again, with the last `steps` years for each forecast. `train()`
    trains for the controls' values.
    """
    return _TrainingExplorer(steps, carry, positions)


def _reset_forecasts(model, inputs, steps):
    """Forecast the test years, reset: with a border at timestep 0, 1, … each, and overlapping.

    Every window is read that a border can make. One that begins late ends in zeros, and these
    come after its forecasts.
    """
    begins = np.arange(_N_TRAIN - steps, len(inputs))[:, None]
    windows = np.pad(inputs, ((0, steps - 1), (0, 0)))[begins + np.arange(steps)]
    outputs = predict_windows(model, windows[None], carry=False)[0, :, :, 0]
    years, borders = np.arange(len(inputs) - _N_TRAIN + 1), np.arange(steps)[:, None]
    places = (_N_TRAIN - 1 + years - borders) % steps  # of each year in its window
    return outputs[years + steps - 1 - places, places], outputs[: len(years), -1][None]


def _fresh_model(seed):
    """Return the model of all explorers, whose training is compiled once, as a seed begins it."""
    model, begins = _model()
    keras.utils.set_random_seed(seed)
    model.set_weights(build_rnn(_UNITS, features=1).get_weights())
    for variable, value in zip(model.optimizer.variables, begins, strict=True):
        variable.assign(value)
    return model


@cache
def _model():
    model = build_rnn(_UNITS, features=1)
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    model.optimizer.build(model.trainable_variables)
    return model, [variable.numpy() for variable in model.optimizer.variables]


class _TrainingExplorer(Explorer):
    def __init__(self, steps, carry, positions):
        self._years, self._series, self._baselines = load_forecasts()
        self._forecasts, self.errors = {}, {}
        self._axes = plots.new_axes(2, height=6.8, ratios=(3, 4))
        self.trainer = Trainer(self._run, self._settings)
        super().__init__(
            self._axes[0].figure,
            {
                "steps": labelled_slider("steps", steps, 1, _MOST_STEPS),
                "carry": labelled_box("carry the state", carry),
                "seed": widgets.BoundedIntText(10, 0, _MOST_SEED, description="seed", style=LABEL),
            },
            self._describe,
            extra=[self.trainer],
            positions=positions,
        )

    def train(self):
        """Train for the controls' values and wait for the end, as `trainer.wait()` does."""
        self.trainer.wait()
        self.trainer.start(*self._settings())
        self.trainer.wait()

    def _settings(self):
        return tuple(control.value for control in self.controls.values())

    def _run(self, steps, carry, seed):
        """Train from the seed's first weights, then predict all; a stopped run leaves nothing."""

        def follow(epoch, _logs):
            done = epoch + 1
            stop = self.trainer.report(done / EPOCHS, f"epoch {done} of {EPOCHS}")
            model.stop_training = stop

        model = _fresh_model(seed)
        inputs, targets = self._series[:-1], self._series[1:]
        train, labels = (self._windows(part[: _N_TRAIN - 1], steps) for part in (inputs, targets))
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=follow)]
        options = {"mask": train.mask, "epochs": EPOCHS, "carry": carry, "callbacks": callbacks}
        train_windows(model, train.inputs, labels.inputs, **options)
        if model.stop_training:
            return
        if carry:
            every = split_windows([inputs], steps)
            outputs = predict_windows(model, every.inputs, mask=every.mask)
            forecast = join_windows(outputs, [len(inputs)])[0][_N_TRAIN - 1 :, 0]
            self._keep(forecast[None], steps, "carried", seed)
        else:
            cut, overlapping = _reset_forecasts(model, inputs, steps)
            self._keep(cut, steps, "reset", seed)
            self._keep(overlapping, steps, "overlapping", seed)
        self.redraw()

    def _keep(self, forecasts, *settings):
        """Keep forecasts, a row for each place of the borders; the first is drawn."""
        errors = np.mean((forecasts - self._series[_N_TRAIN:, 0]) ** 2, axis=1)
        self._forecasts[settings] = forecasts[0]
        self.errors[settings] = ErrorRange(*map(float, (errors.mean(), errors.min(), errors.max())))

    def _windows(self, values, steps):
        """Return windows in one shape for all `steps`, so that one program trains them all."""
        windows = split_windows([values], steps)
        missing = len(values) - len(windows.mask), _MOST_STEPS - steps
        return Windows(
            np.pad(windows.inputs, [(0, missing[0]), (0, 0), (0, missing[1]), (0, 0)]),
            np.pad(windows.mask, [(0, missing[0]), (0, 0), (0, missing[1])]),
        )

    def _describe(self, steps, carry, seed):
        """Draw the forecasts for these steps and this seed, and every error found so far."""
        top, bottom = self._axes
        years = self._years[_N_TRAIN:]
        lines = {"observed": (years, self._series[_N_TRAIN:, 0], plots.TRUTH)} | {
            _NAMES[how]: (years, self._forecasts[steps, how, seed], style)
            for how, style in _STYLES.items()
            if (steps, how, seed) in self._forecasts
        }
        plots.plot_lines(lines, xlabel="year", ylabel="sunspots, standardised", ax=top)
        _plot_cloud(measured_errors(), self.errors, self._baselines, ax=bottom)
        plots.add_position(bottom, steps)
        return self._words(steps, carry, seed)

    def _words(self, steps, carry, seed):
        words = [f"steps = {steps}."]
        for how in ["carried"] if carry else ["reset", "overlapping"]:
            name, measured = _NAMES[how], measured_errors().get((steps, how), [])
            if measured:
                means, lowest, highest = np.transpose(measured)
                words.append(
                    f"{name.capitalize()}: {len(means)} measured seeds have test errors from "
                    f"{means.min():.2f} to {means.max():.2f}, {means.mean():.2f} on average."
                )
                if lowest.min() < means.min():
                    places = f"{lowest.min():.2f} to {highest.max():.2f}"
                    words.append(f"With the borders in one place instead of all: {places}.")
            if (steps, how, seed) in self.errors:
                error = self.errors[steps, how, seed].mean
                words.append(f"Your seed {seed}, {name}: {error:.2f}.")
        if (steps, "carried" if carry else "reset", seed) not in self.errors:
            words.append(f"Press Train for seed {seed}, state {CARRY_WORD[carry]}.")
        return " ".join(words)


def _plot_cloud(measured, own, baselines, *, ax):
    """Draw measured errors as small points, own ones as big; lines range over seeds and borders."""
    plots.fresh_axes(ax)
    small = {how: {**style, "linestyle": "", "markersize": 4} for how, style in _STYLES.items()}
    big = {"markersize": 11, "markeredgecolor": "black", "zorder": 3, "label": "yours"}
    points = [(steps, how, errors, {}) for (steps, how), errors in measured.items()]
    points += [(steps, how, [error], big) for (steps, how, _), error in own.items()]
    for steps, how, errors, size in points:
        x, style = np.full(len(errors), steps + _BESIDE[how]), small[how] | size
        ax.vlines(x[0], np.min(errors), np.max(errors), color=style["color"], gid=plots.DRAWN)
        (shown,) = ax.plot(x, [error.mean for error in errors], **style, gid=plots.DRAWN)
        shown.numbers = np.full(len(errors), steps), shown.get_ydata()
    for name, error in baselines.items():  # at 36, no setting was measured
        ax.axhline(error, label=name, color="#666666", linewidth=1, zorder=0, gid=plots.DRAWN)
        ax.text(36, error, name, ha="center", va="top", fontsize=plots.FONT - 2, gid=plots.DRAWN)
    highest = max([1.0, *(np.max(errors) for _, _, errors, _ in points)])
    ax.set(xlim=(-1, _MOST_STEPS + 2), ylim=(0, 1.1 * highest))
    ax.set_xlabel("steps (years in a window)", fontsize=plots.FONT)
    ax.set_ylabel("test error (MSE)", fontsize=plots.FONT)
    legend = {_NAMES[how]: style for how, style in small.items()}
    yours = big | {"color": "white", "linestyle": "", "marker": "o"}
    return plots.add_legend(ax, **legend, **{"big: yours": yours})


@feedback
def check_lag(trained):
    """Say whether each `steps` has the number of outputs of a window that train a lag of 7."""
    if not isinstance(filled_in(trained), dict):
        raise AnswerError("Not yet: a dictionary is wanted, `steps` to a number of outputs.")
    for steps in (5, 7, 8, 10, 20):
        outputs, right = filled_in(trained.get(steps)), max(0, steps - 7)
        if outputs == right:
            continue
        if isinstance(outputs, Real) and outputs < 0:
            hint = "No place at all is 0, not less."
        elif isinstance(outputs, Real) and outputs % 1:
            hint = "How many outputs, not which share?"
        elif outputs == steps:
            hint = "Carried state has a value from 7 timesteps back, but no gradient goes there."
        elif outputs == right + 1:
            hint = "Places count from 0: at place 6, gradient reaches 7 timesteps, a lag of 6."
        elif steps > 7 and outputs == 7:
            hint = "Those 7 places lie before place 7. Count the others."
        else:
            hint = "Count the places that have at least 7 others before them."
        raise AnswerError(f"Not yet: steps={steps}. {hint}")


@feedback
def check_cut(function):
    """Say whether `function(lstm, batch, steps)` carries the values and cuts the gradient."""
    rng = np.random.default_rng(7)
    batch = tf.constant(rng.normal(size=(2, 11, 5)), "float32")
    lstm = _Watched(6, return_state=True)
    lstm.build(batch.shape)
    lstm.set_weights([0.4 * rng.normal(size=w.shape) for w in lstm.get_weights()])
    for steps in (4, 11, 3):
        begins = 10 // steps * steps
        with tf.GradientTape() as tape:
            tape.watch(batch)
            answer = _answer(function, lstm, batch, steps)
        if np.shape(answer) != (2, 6):
            shape = np.shape(answer)
            raise AnswerError(f"Not yet: an output is (batch, units) = (2, 6), yours {shape}.")
        _check_value(answer, lstm, batch, begins, steps)
        gradient = tape.gradient(answer, batch) if tf.is_tensor(answer) else None
        _check_gradient(gradient, lstm, batch, begins, steps)


class _Watched(keras.layers.LSTM):
    """An LSTM that knows what it was last given: `timesteps`, and `state`."""

    timesteps = state = None

    def __call__(self, sequences, *args, initial_state=None, **options):
        self.timesteps, self.state = max(self.timesteps or 0, sequences.shape[1]), initial_state
        return super().__call__(sequences, *args, initial_state=initial_state, **options)


def _answer(function, lstm, batch, steps):
    """Return what the function answers, if it reads windows and gives them states."""
    lstm.timesteps = lstm.state = None
    try:
        answer = answer_of(function, lstm, batch, steps)
    except AnswerError as problem:
        if lstm.timesteps is None and "None" in str(problem):
            hint = (
                "Not yet: before the first window, `state` is None. Stop gradient after the call."
            )
            raise AnswerError(hint) from None
        if lstm.state is None or (isinstance(lstm.state, (list, tuple)) and len(lstm.state) == 2):
            raise
        raise AnswerError(
            "Not yet: the state that goes on must be a list of the two arrays [h, c]. Stop the "
            "gradient in one after the other: `tf.stop_gradient` makes one array of a list."
        ) from None
    if lstm.timesteps is not None and lstm.timesteps > steps:
        read = f"the layer read {lstm.timesteps} timesteps in one call."
        raise AnswerError(f"Not yet: steps={steps}, but {read}")
    return answer


def _check_value(answer, lstm, batch, begins, steps):
    if np.allclose(answer, lstm(batch)[0], atol=1e-5):
        return
    hint = "That is not the output of one long pass."
    if np.allclose(answer, lstm(batch[:, begins:])[0], atol=1e-5):
        hint = "That is the last window's output after a reset: give each window the state."
    elif np.allclose(answer, lstm(batch)[2], atol=1e-5):
        hint = "That is c; the output is the first thing that the layer returns."
    raise AnswerError(f"Not yet: 11 timesteps, steps={steps}. {hint}")


def _check_gradient(gradient, lstm, batch, begins, steps):
    if gradient is None:
        raise AnswerError(
            "Not yet: no gradient reaches even the last window. Stop it in the state that goes on "
            "to the next window, not in the inputs or the output, and return a tensor."
        )
    reached = np.abs(gradient).max(axis=(0, 2)) > 0
    if reached[:begins].any():
        found = (_gradient(lstm, batch, steps, stopped) for stopped in _HINTS)
        fits = [np.allclose(gradient, each, atol=1e-6) for each in found]
        hint = [*_HINTS.values()][fits.index(True)] if any(fits) else "Stop it at every border."
        raise AnswerError(
            f"Not yet: steps={steps}, the last window begins at timestep {begins}, and gradient "
            f"still reaches timestep {np.flatnonzero(reached)[0]}. {hint}"
        )
    if not reached[begins:].all():
        hint = f"in the last window, gradient must reach each timestep from {begins} on."
        raise AnswerError(f"Not yet: steps={steps}, and {hint}")


_HINTS = {  # which arrays of the state were stopped
    (): "Nothing stops it yet: `tf.stop_gradient` is for each array of the state.",
    (0,): "You stopped it in h. It goes on through c: stop both.",
    (1,): "You stopped it in c. It goes on through h: stop both.",
}


def _gradient(lstm, batch, steps, stopped):
    """Return the gradient of the last output, stopped at borders in some arrays of the state."""
    with tf.GradientTape() as tape:
        tape.watch(batch)
        state = None
        for start in range(0, batch.shape[1], steps):
            output, *state = lstm(batch[:, start : start + steps], initial_state=state)
            state = [tf.stop_gradient(a) if i in stopped else a for i, a in enumerate(state)]
    return tape.gradient(output, batch)
