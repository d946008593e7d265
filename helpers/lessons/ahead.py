"""How far ahead can it see? Forecasts fed back and direct, the measured table, the exercises."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from helpers import check, plots
from helpers.data import load_sunspots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import Explorer, Position, labelled_buttons, labelled_slider
from helpers.quiet import keras
from helpers.windows import sliding_windows

LEVEL, SUNSPOTS = "level", "sunspots"
FED_BACK, DIRECT = "fed back", "direct"
ERRORS = (
    Position(
        "level, 1 ahead",
        "No network is clearly better than copying, and even the best forecast there can be is "
        "better by 3 in 100 only.",
        {"subject": LEVEL, "ahead": 1},
    ),
    Position(
        "level, 24 ahead",
        "No network is clearly better than the mean of the training part. Copying is worst.",
        {"subject": LEVEL, "ahead": 24},
    ),
    Position(
        "sunspots, 11 ahead",
        "Eleven years are about one cycle of the sun. The value of one cycle before costs nothing: "
        "see what is better than that, and what is not.",
        {"subject": SUNSPOTS, "ahead": 11},
    ),
)
LAGS = (
    Position("not moved", "The forecast seems to follow the level closely.", {"shift": 0}),
    Position(
        "moved by 1",
        "One timestep to the left, it lies on the level: it says what has just been.",
        {"shift": 1},
    ),
)
_LINES = {
    FED_BACK: plots.RESET,
    DIRECT: plots.CARRIED,
    "copying": {"color": "#666666", "linestyle": ":", "marker": ""},
    "mean": {"color": "#666666", "linestyle": "-.", "marker": ""},
    "one cycle before": {"color": "#00795A", "linestyle": "-", "marker": "^"},
    "regression on 9 values": {"color": "#A8457F", "linestyle": "-", "marker": "v"},
    "best possible": plots.TRUTH,
}
_SHORT = {"one cycle before": "cycle", "regression on 9 values": "linear"}  # in the legend


class Task(NamedTuple):
    """What is forecast, with what: `series` (timesteps, 1), and its first timestep not known."""

    series: np.ndarray
    border: int
    steps: int
    ahead: int
    units: int
    epochs: int


def make_level(timesteps, *, seed=0):
    """Return a level that falls back by a tenth at each timestep, and is pushed at random.

    Each value is 0.9 times the one before plus a normal random number: (timesteps, 1).
    """
    timesteps = check.whole_number("timesteps", timesteps, maximum=1_000_000)
    seed = check.whole_number("seed", seed, minimum=0)
    level = np.random.default_rng(seed).normal(size=timesteps)
    for t in range(1, timesteps):
        level[t] += 0.9 * level[t - 1]
    return level[:, None].astype("float32")


def task_of(subject, seed):
    """Return the `Task` of a subject; the level of each seed is another one."""
    check.choice("subject", subject, (LEVEL, SUNSPOTS))
    if subject == LEVEL:
        return Task(make_level(2500, seed=seed), 2000, 12, 24, 8, 10)
    numbers = load_sunspots().numbers[:, None]
    return Task((numbers - numbers[:220].mean()) / numbers[:220].std(), 220, 22, 22, 16, 60)


def train_forecaster(task, outputs, *, seed):
    """Train an LSTM for the next `outputs` values at once, as the notebook does."""
    outputs = check.whole_number("outputs", outputs)
    seed = check.whole_number("seed", seed, minimum=0)
    keras.utils.set_random_seed(seed)
    ahead = range(1, outputs + 1)
    windows, targets = sliding_windows(task.series[: task.border], task.steps, horizon=ahead)
    model = keras.Sequential([keras.Input((None, 1)), keras.layers.LSTM(task.units)])
    model.add(keras.layers.Dense(outputs))
    model.compile(keras.optimizers.Adam(5e-3), "mse")
    model.fit(windows, targets[..., 0], epochs=task.epochs, verbose=0)
    return model


def feed_back(model, windows, ahead):
    """Return the next `ahead` values after each window, each forecast read as if measured."""
    found = []
    for _ in range(ahead):
        following = model.predict_on_batch(windows)  # (n, 1)
        found.append(following[:, 0])
        windows = np.concatenate([windows[:, 1:], following[:, None]], axis=1)
    return np.stack(found, axis=1)


def asked_of(task):
    """Return the windows of the test and what follows each: (n, steps, 1), (n, ahead)."""
    late = task.series[task.border - task.steps :]
    asked, truth = sliding_windows(late, task.steps, horizon=range(1, task.ahead + 1))
    return asked, truth[..., 0]


def simple_forecasts(subject, task):
    """Return what costs no training: a dictionary of a way to its (n, ahead) forecasts."""
    asked, _ = asked_of(task)
    known = task.series[: task.border, 0]
    last, ahead = asked[:, -1], np.arange(1, task.ahead + 1)
    ways = {"copying": last, "mean": np.full_like(last, known.mean())}
    if subject == LEVEL:
        return ways | {"best possible": last * 0.9**ahead}
    before = asked[:, task.steps - 1 + ahead - 11 * -(-ahead // 11), 0]
    windows, targets = sliding_windows(known[:, None], 9, horizon=ahead)
    with_one = [np.pad(w[:, -9:, 0], ((0, 0), (0, 1)), constant_values=1) for w in (windows, asked)]
    linear = with_one[1] @ np.linalg.lstsq(with_one[0], targets[..., 0], rcond=None)[0]
    return ways | {"one cycle before": before, "regression on 9 values": linear}


def rmse(forecasts, truth):
    """Return the root mean square error over the first axis: (n, ahead) gives (ahead,)."""
    axes = ("n", "ahead")[: max(1, check.as_array("truth", truth).ndim)]
    forecasts, truth = check.array(forecasts, "forecasts", axes), check.array(truth, "truth", axes)
    if forecasts.shape not in (truth.shape, (len(truth), 1)):  # one forecast may be for all
        raise ValueError(
            f"`forecasts` must have the shape {truth.shape} of `truth`, or one column. "
            f"Received: an array of shape {forecasts.shape}."
        )
    with np.errstate(over="ignore"):  # beyond 1e154 it is infinite
        return np.sqrt(np.mean((forecasts - truth) ** 2, axis=0))


@cache
def measured():
    """Return the shipped table: (subject, way) to an array (seeds, values).

    For a forecast the values are the errors 1, 2, 3 … timesteps ahead, in the data's unit.
    """
    text = (files("helpers") / "lessons" / "ahead.csv").read_text(encoding="utf-8")
    table = {}
    for line in text.splitlines()[3:]:  # after the versions, the command, the header
        subject, way, _, values = line.split(",")
        table.setdefault((subject, way), []).append([float(value) for value in values.split()])
    return {key: np.array(rows) for key, rows in table.items()}


def show_paths(pasts, paths):
    """Show some pasts, each with the forecasts that were fed back after it.

    `pasts` are (n, steps, 1), `paths` (n, ahead).
    """
    pasts = check.array(pasts, "pasts", ("n", "steps", "features"))
    paths = check.array(paths, "paths", ("n", "ahead"))
    if len(paths) != len(pasts):
        raise ValueError(
            f"`paths` must hold a row for each of the {len(pasts)} pasts. "
            f"Received: an array of shape {paths.shape}."
        )
    (ax,) = plots.new_axes(height=3.4)
    steps, ahead = pasts.shape[1], paths.shape[1]

    def draw():
        plots.fresh_axes(ax)
        for past, path in zip(pasts[..., 0], paths, strict=True):
            ax.plot(np.arange(1 - steps, 1), past, **plots.TRUTH, linewidth=1, gid=plots.DRAWN)
            style = plots.RESET | {"marker": ""}
            ax.plot(np.arange(ahead + 1), [past[-1], *path], **style, gid=plots.DRAWN)
        ax.axvline(0, color="#222222", linewidth=1, gid=plots.DRAWN)
        ax.set_xlabel("timesteps after the window's last one", fontsize=plots.FONT)
        ax.set_ylabel("level", fontsize=plots.FONT)
        plots.add_legend(ax, measured=plots.TRUTH, **{"fed back": plots.RESET | {"marker": ""}})
        return (
            f"{len(paths)} pasts and what is fed back after each: their standard deviation is "
            f"{paths[:, 0].std():.2f} after 1 timestep, {paths[:, -1].std():.2f} after {ahead}."
        )

    return Explorer(ax.figure, {}, draw)


def explore_lag(forecast, truth, *, positions=()):
    """Move a forecast to the left, timestep by timestep, and see where it fits best.

    Both are (timesteps,): what was forecast for each timestep, and what came.
    """
    forecast = check.array(forecast, "forecast", ("timesteps",))
    truth = check.array(truth, "truth", ("timesteps",))
    if len(forecast) != len(truth):
        raise ValueError(
            "`forecast` must have as many timesteps as `truth`. Received: "
            f"{len(forecast)} and {len(truth)}."
        )
    (ax,) = plots.new_axes(height=3.4)
    shown = min(len(truth), 60)

    def draw(shift):
        moved = forecast[shift:]
        error = np.sqrt(np.mean((moved - truth[: len(moved)]) ** 2))
        plots.fresh_axes(ax)
        ax.plot(range(shown), truth[:shown], **plots.TRUTH, gid=plots.DRAWN)
        moved = moved[:shown]
        style = plots.RESET | {"markersize": 4}
        ax.plot(range(len(moved)), moved, **style, gid=plots.DRAWN)
        plots.frame_timesteps(ax, shown, "level", ylim=_limits(truth[:shown]))
        plots.add_legend(ax, **{"what came": plots.TRUTH, "forecast, moved": plots.RESET})
        return (
            f"The forecast, moved {shift} to the left: its RMSE against the level is {error:.2f}."
        )

    controls = {"shift": labelled_slider("moved by", 0, 0, min(5, len(truth) - 1))}
    return Explorer(ax.figure, controls, draw, positions=positions)


def _limits(values):
    room = 0.15 * max(np.ptp(values), 1e-6)
    return values.min() - room, values.max() + room


def explore_errors(*, positions=()):
    """See the error of each way to forecast, 1, 2, 3 … timesteps ahead, from the table."""
    (ax,) = plots.new_axes(height=4.2)

    def draw(subject, ahead):
        ways = {way: found for (name, way), found in measured().items() if name == subject}
        ways = {way: ways[way] for way in _LINES if way in ways}
        last = ways[DIRECT].shape[1]
        far = " (the last there is)" if ahead > last else ""
        ahead = min(ahead, last)
        _draw_errors(ax, ways, ahead, "RMSE of the " + subject)
        said = ", ".join(f"{way} {_range(found[:, ahead - 1])}" for way, found in ways.items())
        return f"The {subject}, {ahead} ahead{far}, RMSE over five seeds: {said}."

    controls = {
        "subject": labelled_buttons("forecast the", (LEVEL, SUNSPOTS)),
        "ahead": labelled_slider("ahead", 1, 1, 24),
    }
    return Explorer(ax.figure, controls, draw, positions=positions)


def _draw_errors(ax, ways, ahead, ylabel):
    """Draw the mean of the seeds as a line, and from the least to the most of them a band."""
    plots.fresh_axes(ax)
    for way, found in ways.items():
        at = np.arange(1, found.shape[1] + 1)
        style = _LINES[way]
        ax.plot(at, found.mean(axis=0), **style, markersize=4, gid=plots.DRAWN)
        band = {"color": style["color"], "alpha": 0.15, "linewidth": 0, "gid": plots.DRAWN}
        ax.fill_between(at, found.min(axis=0), found.max(axis=0), **band)
    plots.add_position(ax, ahead)
    most = max(found.max() for found in ways.values())
    ax.set(xlim=(0.5, 24.5), ylim=(0, 1.05 * most), xticks=(1, 4, 8, 12, 16, 20, 24))
    ax.set_xlabel("timesteps ahead", fontsize=plots.FONT)
    ax.set_ylabel(ylabel, fontsize=plots.FONT)
    plots.add_legend(ax, **{_SHORT.get(way, way): _LINES[way] for way in ways})


def _range(values):
    low, high = (f"{value:.3g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


@feedback
def check_feed_back(function):
    """Say whether `function(predict, window, ahead)` reads its own forecasts in their order."""

    def predict(windows, **_):
        windows = np.asarray(windows, dtype=float)
        if windows.ndim != 3 or windows.shape[1:] != (3, 1):
            raise ValueError(
                f"the model reads (batch, 3, 1), you gave it {windows.shape}. Each window is as "
                "long as the first: what is new comes in at the end, the oldest goes."
            )
        return 2.0 * windows[:, -1] + windows[:, 0] - 0.5 * windows[:, 1]

    for ahead in (1, 2, 5):
        window = np.array([[[1.0], [3.0], [4.0]]])  # not geometric: each value counts
        expected, reader = [], window
        for _ in range(ahead):
            expected.append(predict(reader)[0, 0])
            reader = np.concatenate([reader[:, 1:], [[[expected[-1]]]]], axis=1)
        of = f"for ahead={ahead} "
        answer = np.ravel(np.asarray(answer_of(function, predict, window, ahead, of=of)))
        if answer.shape != (ahead,):
            raise AnswerError(
                f"Not yet: {of}{ahead} numbers are wanted, yours are {len(answer)}. "
                "Return the forecasts alone."
            )
        if not np.allclose(answer.astype(float), expected):
            raise AnswerError(f"Not yet: {of}{_feed_hint(answer, predict, window, expected)}")


def _feed_hint(answer, predict, window, expected):
    first = predict(window)[0, 0]
    if np.allclose(answer, first):
        return "every forecast is the first one. The window has to move on."
    if np.allclose(answer, expected[::-1]):
        return "the order is turned round: the nearest comes first."
    if np.isclose(answer[0], first):
        return (
            "the first is right, a later one is not. The new value comes in at the end of the "
            "window, and the oldest goes."
        )
    return f"the first forecast is `predict(window)`, {first}. Yours is {answer[0]}."


@feedback
def check_skill(function):
    """Say whether `function(forecast, truth, last)` says how much better than copying it is."""
    rng = np.random.default_rng(15)
    for n in (30, 7):
        last = rng.normal(size=n).cumsum()
        truth = last + rng.normal(size=n)
        noisy = truth + 0.8 * rng.normal(size=n)
        for forecast in (noisy, last - 1.0, truth.copy(), last.copy()):
            answer = answer_of(function, forecast, truth, last)
            wrong, copied = rmse(forecast, truth), rmse(last, truth)
            if np.shape(answer) != ():
                raise AnswerError(f"Not yet: one number is wanted, yours is {np.shape(answer)}.")
            if not np.isclose(float(answer), 1 - wrong / copied):
                raise AnswerError(f"Not yet: {_skill_hint(float(answer), forecast, truth, last)}")


def _skill_hint(answer, forecast, truth, last):
    wrong, copied, moved = rmse(forecast, truth), rmse(last, truth), rmse(forecast, last)
    absolute = np.mean(np.abs(forecast - truth)) / np.mean(np.abs(last - truth))
    right = 1 - wrong / copied
    hints = {
        1 - wrong**2 / copied**2: "these are mean squared errors. Take the root of each.",
        wrong / copied: "this is the share that is left. Take it from 1.",
        1 - copied / wrong if wrong else np.inf: "it is upside down: copying goes below the line.",
        copied - wrong: "this is in the unit of the data. Divide by the error of copying.",
        wrong: "this is the error of the forecast. Compare it with that of copying.",
        1 - moved / copied: "compare the forecast with `truth`, not with `last`.",
        moved / copied: "compare the forecast with `truth`, not with `last`.",
        1 - absolute: "these are mean absolute errors. Square, take the mean, then the root.",
        100 * right: "this is in percent. The share is a hundredth of it.",
    }
    for value, hint in hints.items():
        if np.isclose(answer, value):
            return hint
    return (
        f"a forecast with RMSE {wrong:.3f}, where copying has {copied:.3f}, should give "
        f"{right:.3f}, yours gives {answer:.3f}."
    )
