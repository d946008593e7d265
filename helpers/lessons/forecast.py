"""Will the forecast hold? Splits that leak, every second timestep, and the exercises."""

from typing import NamedTuple

import numpy as np

from helpers import check, plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import Explorer, Position, labelled_buttons, labelled_slider
from helpers.windows import sliding_windows

SHUFFLED, CUT_FIRST, SPLIT_FIRST = "shuffled", "cut, then split", "split, then cut"
INSIDE, AFTER = "series[steps:]", "series[(steps - 1) * rate + 1:]"
SPLITS = (
    Position(
        "shuffled",
        "Test windows stand between training windows, and nearly every target was seen in "
        "training.",
        {"split": SHUFFLED, "steps": 5, "horizon": 3},
    ),
    Position(
        "cut, then split",
        "The last windows are the test. No test target was seen. But training windows still have "
        "targets that lie later than the end of the first test window: in service, nobody would "
        "have had them yet.",
        {"split": CUT_FIRST, "steps": 5, "horizon": 6},
    ),
    Position(
        "split, then cut",
        "The series is split, and each part is cut on its own. Around the border some windows are "
        "missing, and nothing is seen twice.",
        {"split": SPLIT_FIRST, "steps": 5, "horizon": 6},
    ),
)
SAMPLED = (
    Position(
        "every timestep",
        "With a rate of 1 both recipes are the same: the target follows the window.",
        {"recipe": INSIDE, "steps": 4, "rate": 1},
    ),
    Position(
        "every second",
        "The window is now 7 timesteps long, and its target is still timestep 4: one of those that "
        "the model reads. With 5 steps, it lies between two of them.",
        {"recipe": INSIDE, "steps": 4, "rate": 2},
    ),
    Position(
        "after the window",
        "Moved on by the whole length of the window, the target is a later value again.",
        {"recipe": AFTER, "steps": 4, "rate": 2},
    ),
)
_TIMESTEPS, _TRAINED = 40, 0.7  # of the series in `explore_split`; the share for training
_SHOWN = 6  # windows in `explore_sampling`
_TEST = {"facecolor": "#F5C242", "edgecolor": "#7A4B00", "hatch": "//"}
_SEEN = plots.RESET | {"linestyle": "", "marker": "X"}
_UNSEEN = plots.CHOSEN
_LEARNED = plots.CARRIED | {"linestyle": ""}


class Scores(NamedTuple):
    """Root mean square errors, in the unit of the series."""

    shuffled: float
    in_time: float
    copying: float


def rmse(forecast, truth):
    """Return the root of the mean squared error, in the unit of the series."""
    forecast = check.numbers("forecast", forecast)
    truth = check.array(truth, "truth", [f"axis {n}" for n in range(forecast.ndim)])
    if forecast.shape != truth.shape:
        raise ValueError(
            f"`truth` must have the shape of `forecast`, {forecast.shape}: else one would be "
            f"broadcast. Received: an array of shape {truth.shape}."
        )
    with np.errstate(over="ignore"):  # beyond 1e154 it is infinite
        return np.sqrt(np.mean((forecast - truth) ** 2))


def by_heart(windows, targets, asked):
    """Answer each window that is `asked` with the target of the window that is most like it.

    This is what over-fitting comes to: it knows the training windows and nothing else.
    """
    axes = ("n", "steps", "features")
    windows, asked = (check.array(w, n, axes) for w, n in ((windows, "windows"), (asked, "asked")))
    targets = check.numbers("targets", targets)
    if targets.shape[:1] != windows.shape[:1]:
        raise ValueError(
            f"`targets` must have an entry for each of the {len(windows)} windows. "
            f"Received: an array of shape {targets.shape}."
        )
    if asked.shape[1:] != windows.shape[1:]:
        raise ValueError(
            f"`asked` must hold windows of the shape of `windows`, {windows.shape[1:]}: else one "
            f"would be broadcast. Received: an array of shape {asked.shape}."
        )
    with np.errstate(over="ignore"):
        nearest = [((windows - one) ** 2).sum(axis=(1, 2)).argmin() for one in asked]
    return targets[nearest]


def score_splits(series, steps, horizon):
    """Score what was learned by heart, on windows shuffled into the test and on a later test.

    The last fifth is the test. Copying is scored on the later one.
    """
    inputs, targets = sliding_windows(series, steps, horizon=horizon)
    order, border = np.random.default_rng(1).permutation(len(inputs)), len(inputs) * 4 // 5
    train, test = order[:border], order[border:]
    shuffled = rmse(by_heart(inputs[train], targets[train], inputs[test]), targets[test])
    known, later = np.split(series, [len(series) * 4 // 5])
    asked, truth = sliding_windows(later, steps, horizon=horizon)
    found = by_heart(*sliding_windows(known, steps, horizon=horizon), asked)
    return Scores(shuffled, rmse(found, truth), rmse(asked[:, -1], truth))


def explore_split(*, positions=()):
    """Split 40 timesteps into training and test in three ways, and see what both have seen."""
    (ax,) = plots.new_axes(height=5.2)

    def draw(split, steps, horizon):
        train, test = split_starts(split, steps, horizon)
        seen = _seen_in_training(train, test, steps, horizon)
        _draw_split(ax, train, test, seen, steps, horizon)
        ahead = steps + horizon - 1
        later = np.count_nonzero(train + ahead >= test.min() + steps) if split != SHUFFLED else 0
        words = (
            f"{split}, steps = {steps}, horizon = {horizon}: {len(train)} windows to train on, "
            f"{len(test)} to test on. {np.count_nonzero(seen)} of the {len(test)} test targets "
            "stand in a training window or are its target."
        )
        if split == SHUFFLED:
            return words
        return f"{words} {later} training targets are later than the first test window's end."

    controls = {
        "split": labelled_buttons("split", (SHUFFLED, CUT_FIRST, SPLIT_FIRST)),
        "steps": labelled_slider("steps", 5, 2, 6),
        "horizon": labelled_slider("horizon", 3, 1, 6),
    }
    return Explorer(ax.figure, controls, draw, positions=positions)


def split_starts(split, steps, horizon):
    """Return where the windows of the training and of the test start, two arrays."""
    span = steps + horizon
    starts = np.arange(_TIMESTEPS - span + 1)
    if split == SPLIT_FIRST:
        border = int(_TRAINED * _TIMESTEPS)
        return starts[starts + span <= border], starts[starts >= border]
    if split == SHUFFLED:
        starts = np.random.default_rng(0).permutation(starts)
    border = int(_TRAINED * len(starts))
    return starts[:border], starts[border:]


def _seen_in_training(train, test, steps, horizon):
    """Return for each test window whether its target stands in training."""
    ahead = steps + horizon - 1
    seen = {t for start in train for t in (*range(start, start + steps), start + ahead)}
    return np.array([start + ahead in seen for start in test])


def _draw_split(ax, train, test, seen, steps, horizon):
    plots.fresh_axes(ax)
    for starts, style in ((train, plots.REAL), (test, _TEST)):
        plots.add_rectangles(ax, starts - 0.5, starts - 0.4, steps, 0.8, style)
    ahead = steps + horizon - 1
    for starts, style in ((train, _LEARNED), (test[~seen], _UNSEEN), (test[seen], _SEEN)):
        ax.plot(starts + ahead, starts, **style, markersize=5, gid=plots.DRAWN)
    plots.frame_timesteps(ax, _TIMESTEPS, "windows,\nby their start", ylim=(_TIMESTEPS - 2, -1))
    plots.add_legend(
        ax,
        training=plots.REAL,
        test=_TEST,
        target=_LEARNED,
        **{"unseen target": _UNSEEN, "seen target": _SEEN},
    )


def explore_sampling(*, positions=()):
    """Take every timestep, or every second, and see where two recipes put the target."""
    (ax,) = plots.new_axes(height=3.4)

    def draw(recipe, steps, rate):
        target = steps if recipe == INSIDE else (steps - 1) * rate + 1
        span = (steps - 1) * rate + 1
        _draw_sampled(ax, steps, rate, target)
        inside = "inside the window, between two that it reads"
        if target % rate == 0:
            inside = "inside the window, one of those that it reads"
        place = inside if target < span else "after the window"
        return (
            f"steps = {steps}, sampling rate = {rate}, targets = {recipe}: the first window reads "
            f"timesteps {', '.join(str(k * rate) for k in range(steps))}. Its target is timestep "
            f"{target}, {place}."
        )

    controls = {
        "recipe": labelled_buttons("targets", (INSIDE, AFTER)),
        "steps": labelled_slider("steps", 4, 2, 6),
        "rate": labelled_slider("sampling rate", 1, 1, 4),
    }
    return Explorer(ax.figure, controls, draw, positions=positions)


def _draw_sampled(ax, steps, rate, target):
    plots.fresh_axes(ax)
    rows, span = np.arange(_SHOWN), (steps - 1) * rate + 1
    plots.add_rectangles(ax, rows - 0.5, rows - 0.4, span, 0.8, plots.PADDED)
    for k in range(steps):
        plots.add_rectangles(ax, rows + k * rate - 0.5, rows - 0.4, 1, 0.8, plots.REAL)
    style = _SEEN if target < span else _UNSEEN
    ax.plot(rows + target, rows, **style, markersize=8, gid=plots.DRAWN)
    plots.frame_timesteps(ax, 28, "window", ylim=(_SHOWN - 0.4, -0.6))
    targets = {"target after it": _UNSEEN, "target inside it": _SEEN}
    plots.add_legend(ax, read=plots.REAL, skipped=plots.PADDED, **targets)


@feedback
def check_split(function):
    """Say whether `function(series, border, steps, horizon)` splits and cuts without a leak."""
    for timesteps, border, steps, horizon in ((40, 30, 5, 1), (40, 25, 4, 6), (33, 20, 2, 3)):
        series = np.stack([np.arange(timesteps), 0.5 + np.arange(timesteps)], axis=1)
        of = f"for {timesteps} timesteps, border={border}, steps={steps}, horizon={horizon} "
        answer = answer_of(function, series, border, steps, horizon, of=of)
        parts = _parts_of(answer, steps, of)
        every = sliding_windows(series, steps, horizon=horizon)
        before = np.count_nonzero(every.targets[:, 0] < border)
        after = np.count_nonzero(every.inputs[:, -1, 0] >= border - 1)
        for name, part, wanted in zip(("training", "test"), parts, (before, after), strict=True):
            windows, targets = (np.asarray(array) for array in part)
            problem = _split_hint(name, windows, targets, border, horizon)
            if not problem and len(windows) < wanted:
                problem = (
                    f"{wanted} windows could be in the {name} part, yours are {len(windows)}."
                    + " A test window may read what was before the border." * (name == "test")
                )
            if problem:
                raise AnswerError(f"Not yet: {of}{problem}")


def _parts_of(answer, steps, of):
    """Return the two pairs of windows and targets, if the answer has their form."""
    try:
        parts = [tuple(part) for part in answer]
    except TypeError:
        parts = []
    if [len(part) for part in parts] != [2, 2]:
        raise AnswerError(
            f"Not yet: {of}return two pairs, `(inputs, targets), (inputs, targets)`, of the "
            "training and of the test."
        )
    for inputs, targets in parts:
        if np.shape(inputs)[1:] != (steps, 2) or np.shape(targets) != (len(inputs), 2):
            raise AnswerError(
                f"Not yet: {of}windows have the shape (n, {steps}, 2) and targets (n, 2), yours "
                f"{np.shape(inputs)} and {np.shape(targets)}."
            )
    return parts


def _split_hint(name, windows, targets, border, horizon):
    """Return what is off with the windows of a part, or nothing."""
    if not len(windows):
        return f"the {name} part is empty."
    if not np.array_equal(targets, windows[:, -1] + horizon):
        return f"in the {name} part a target is not {horizon} after its window's last timestep."
    if name == "training" and targets.max() >= border:
        late = int(targets[:, 0].max())
        return (
            f"a training target stands at timestep {late}, and the test begins at {border}. Split "
            "the series first, then cut it."
        )
    ends = windows[:, -1, 0]
    if name == "test" and ends.min() < border - 1:
        return (
            f"a test window ends at timestep {int(ends.min())}. The forecast is made when the "
            f"training data end, at timestep {border - 1}: no window may end earlier."
        )
    return ""


@feedback
def check_scale(function):
    """Say whether `function(series, border)` standardises with the training part's numbers."""
    for timesteps, border in ((200, 150), (90, 30)):
        series = 5 + np.random.default_rng(border).normal(0.2, 1.0, (timesteps, 1)).cumsum(axis=0)
        of = f"for {timesteps} timesteps, border={border} "
        answer = np.asarray(answer_of(function, series, border, of=of), dtype=float)
        if answer.shape != series.shape:
            raise AnswerError(
                f"Not yet: {of}all {timesteps} values are wanted, shape {series.shape}. Yours is "
                f"{answer.shape}."
            )
        known = series[:border]
        right = [(series - known.mean()) / known.std(ddof=ddof) for ddof in (0, 1)]
        if not any(np.allclose(answer, scaled, atol=1e-4) for scaled in right):
            raise AnswerError(f"Not yet: {of}{_scale_hint(answer, series, border)}")


def _scale_hint(answer, series, border):
    known, later, more = series[:border], series[border:], series[: border + 1]
    parts = [(part - part.mean()) / part.std() for part in (known, later)]
    mistakes = {
        "the mean and deviation of all values were used. Only the training part is known.": (
            (series - series.mean()) / series.std()
        ),
        "each part was given a scale of its own. In service the old scale is all you have.": (
            np.concatenate(parts)
        ),
        "the mean is gone, but nothing was divided.": series - known.mean(),
        "you divided, but the mean is still there.": series / known.std(),
        "division comes before subtraction: put the difference in brackets.": (
            series - known.mean() / known.std()
        ),
        "this is divided by the variance. The standard deviation is its root.": (
            (series - known.mean()) / known.var()
        ),
        f"timestep {border} was used as well. What is known ends at {border - 1}.": (
            (series - more.mean()) / more.std()
        ),
        "this is a scale by minimum and maximum. The mean and the deviation are asked for.": (
            (series - known.min()) / np.ptp(known)
        ),
    }
    for hint, wrong in mistakes.items():
        if np.allclose(answer, wrong, atol=1e-4):
            return hint
    return "subtract the training part's mean, then divide by its standard deviation."
