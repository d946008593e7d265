"""It runs, but whose past does it read? Windows dealt out to batches, and the fixes of bugs.

A fix is tried with a model and data that the lesson does not show; any that is right is accepted.
"""

from functools import cache
from itertools import pairwise

import numpy as np
from matplotlib.patheffects import withStroke

from helpers import plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import Explorer, Position, labelled_buttons, labelled_slider, plural
from helpers.quiet import keras

_WINDOWS, _MOST = 24, 8  # windows of the series, and the largest batch size
_ORDERS = ("in order", "shuffled", "a stretch for each row")
_STYLES = {
    "starts from zeros": {"facecolor": "white", "edgecolor": "#707070"},
    "from the window before": plots.STATE,
    "from another window": {"facecolor": "#F0E442", "edgecolor": "#7A7000", "hatch": ".."},
}


# --- the explorer ----------------------------------------------------------------------------


def explore_batches():
    """Move the batch size, choose an order, and see whose state each window starts from.

    Returns
    -------
    Explorer
    """
    (ax,) = plots.new_axes(height=3.8)
    plots.frame_timesteps(ax, _WINDOWS, "row", ylim=(_MOST - 0.5, -0.5))  # once: that is quick
    ax.set_xlabel("batch", fontsize=plots.FONT)

    def draw(batch_size, order):
        windows = _deal(batch_size, order)
        _plot_batches(windows, ax)
        right = int((np.diff(windows, axis=0) == 1).sum())
        verb = "starts" if right == 1 else "start"
        later, left = windows[1:].size, _WINDOWS - windows.size
        words = (
            f"Batch size {batch_size}, {order}: the first batch starts from zeros. Of the {later} "
            f"windows after it, {right} {verb} from the state of the window before, "
            f"{later - right} from the state of another window."
        )
        return words + (f" {left} {plural('window', left)} fill no batch." if left else "")

    size, order = labelled_slider("batch size", 4, 1, _MOST), labelled_buttons("windows", _ORDERS)
    controls = {"batch_size": size, "order": order}
    return Explorer(ax.figure, controls, draw, positions=_POSITIONS)


_POSITIONS = [
    Position(
        "In order, 4 rows",
        "Follow row 0 from batch to batch. Which windows does it read?",
        {"batch_size": 4, "order": "in order"},
    ),
    Position(
        "In order, 1 row",
        "The same order, and now every window starts where the one before ended.",
        {"batch_size": 1, "order": "in order"},
    ),
    Position(
        "Shuffled, 1 row",
        "What fit makes of it unless it is told shuffle=False.",
        {"batch_size": 1, "order": "shuffled"},
    ),
    Position(
        "A stretch for each row, 4 rows",
        "Each row reads a quarter of the series, from its beginning to its end.",
        {"batch_size": 4, "order": "a stretch for each row"},
    ),
]


def _deal(batch_size, order):
    """Return which windows of the series stand in each batch: (n_batches, batch)."""
    full, rng = _WINDOWS // batch_size * batch_size, np.random.default_rng(0)
    if order == "a stretch for each row":
        return np.arange(full).reshape(batch_size, -1).T
    windows = rng.permutation(_WINDOWS) if order == "shuffled" else np.arange(_WINDOWS)
    return windows[:full].reshape(-1, batch_size)


def _plot_batches(windows, ax):
    """Draw batches of windows side by side, and whose state each window starts from."""
    starts = np.where(np.diff(windows, axis=0, prepend=0) == 1, 1, 2)  # which of the styles
    starts[0] = 0
    plots.fresh_axes(ax)
    for i, style in enumerate(_STYLES.values()):
        plots.add_cells(ax, (starts == i).T, style)
    place = {"ha": "center", "va": "center", "fontsize": plots.FONT - 1, "gid": plots.DRAWN}
    faces = [style["facecolor"] for style in _STYLES.values()]
    for (k, row), window in np.ndenumerate(windows):
        i = starts[k, row]
        text = ax.text(k, row, str(window), color="white" if i == 1 else "black", **place)
        # Dots of the hatch would spoil the digits.
        text.set_path_effects([withStroke(linewidth=3, foreground=faces[i])])
    plots.add_legend(ax, **_STYLES)


# --- a state that was left behind ------------------------------------------------------------


@feedback
def check_same_twice(function):
    """Say whether `function(answer, request, other)` finds out if something is carried over."""
    request = np.ones((1, 3, 1))
    for what, service, is_well, hint in _services():
        asked, of = [], f"for a service that {what}, "
        found = answer_of(function, _noted(service, asked), request, 2 * request, of=of)
        is_one = np.size(found) == 1 and not isinstance(found, str)
        _expect(is_one, f"{of}return one `True` or `False`.")
        times = [n for n, values in enumerate(asked) if np.array_equal(values, request)]
        _expect(len(times) > 1, f"{of}`request` was not asked twice.")
        between = any(np.array_equal(v, 2 * request) for v in asked[times[0] : times[-1]])
        _expect(between, f"{of}`other` was not asked between the two.")
        _expect(bool(np.all(found)) == is_well, f"{of}you returned {not is_well}. {hint}")


def _services():
    """Return what each service does, itself, whether it carries nothing, and a hint."""
    total, rng = np.zeros((1, 1)), np.random.default_rng(0)

    def adding(values):
        total[:] += values.sum()
        return total.copy()

    def rounding(values):
        return values.sum(axis=1) + 1e-7 * rng.normal()

    same, other = "`True` means that nothing is carried.", "Its two answers to `request` differ."
    close = "Its answers differ in the seventh place, by rounding: `np.allclose`."
    return [
        ("adds its answers up", adding, False, other),
        ("carries nothing", lambda values: values.sum(axis=1), True, same),
        ("rounds a little differently each time", rounding, True, close),
    ]


def _noted(service, asked):
    """Return the service, with a note of each request."""

    def answer(values):
        asked.append(np.array(values))
        return service(asked[-1])

    return answer


# --- windows of several series ---------------------------------------------------------------


@feedback
def check_pairs(function):
    """Say whether `function(series, steps)` makes all windows and targets, none over a border."""
    for lengths, steps in (((9, 7), 3), ((6, 12, 8), 4)):
        starts = np.cumsum((0, *lengths))
        series = [np.arange(a, b, dtype="float32")[:, None] for a, b in pairwise(starts)]
        of = f"for {len(lengths)} series and steps={steps}, "
        inputs, targets = _two_parts(answer_of(function, series, steps, of=of), of)
        shapes = f"""{of}the shapes are {inputs.shape} and {targets.shape}. Wanted are
            (windows, {steps}, 1) and (windows, 1)."""
        right = inputs.shape[1:] == (steps, 1) and targets.shape == (len(inputs), 1)
        _expect(right, shapes)
        pairs = np.concatenate([inputs[..., 0], targets], axis=1)  # numbers that count up
        which = np.searchsorted(starts, pairs, side="right")
        mixed = int((which != which[:, :1]).any(axis=1).sum())
        holds = "holds" if mixed == 1 else "hold"
        border = f"""{of}{mixed} of your {len(pairs)} pairs {holds} timesteps of two series. Cut
            each series by itself, and put the windows together afterwards."""
        _expect(mixed == 0, border)
        gap = f"{of}a target is not the value after its window, or a window has a gap."
        _expect((np.diff(pairs) == 1).all(), gap)
        wanted, count = sum(n - steps for n in lengths), len(np.unique(pairs[:, 0]))
        missing = f"{of}every pair is right, but {count} are there. The series hold {wanted}."
        _expect(count == wanted == len(pairs), missing)


def _two_parts(answer, of):
    """Return inputs and targets, from a pair of arrays or from a dataset of batches."""
    if hasattr(answer, "element_spec"):
        answer = [np.concatenate(parts) for parts in zip(*answer, strict=False)]
    pair = isinstance(answer, (tuple, list)) and len(answer) == 2
    _expect(pair, f"{of}return two arrays, inputs and targets.")
    try:
        inputs, targets = (np.asarray(part, dtype=float) for part in answer)
    except (TypeError, ValueError):
        _expect(False, f"{of}return two arrays of numbers: put the windows of all series together.")
    _expect(inputs.ndim > 1 and targets.ndim > 0, f"{of}return two arrays, one row for a window.")
    return inputs, targets


# --- the log and the model -------------------------------------------------------------------


@feedback
def check_losses(function):
    """Say whether `function(model, x, y, epochs)` gives the loss of the model after each epoch."""
    for seed, epochs in ((0, 3), (1, 2)):
        x, y = _walk(seed)
        logged, measured = _trained(seed, epochs)
        model, of = _fresh(seed), f"with epochs={epochs}, "
        answer = np.asarray(answer_of(function, model, x, y, epochs, of=of), dtype=object)
        _expect(answer.shape == (epochs,), f"{of}a list of {epochs} numbers is wanted.")
        answer = np.array([float(loss) for loss in answer])
        log = f"""{of}that is what `fit` logged. Each of its losses was taken before an update that
            follows the rows. What does the model say that stands there after the epoch?"""
        _expect(not np.allclose(answer, logged, rtol=1e-2), log)
        last = f"{of}that is the loss after the last epoch, again and again."
        _expect(not np.allclose(answer, measured[-1], rtol=1e-2), last)
        outputs = model.predict(x, verbose=0)  # as the learner has left it
        crossed = f"""{of}the same bug as lesson 10's, in your own difference: outputs of shape
            {outputs.shape} minus targets of shape {y[:, 0].shape}. Each row meets every row."""
        _expect(not np.isclose(answer[-1], np.mean((outputs - y[:, 0]) ** 2), rtol=1e-3), crossed)
        other = f"""{of}the losses are those of other weights. Is each epoch one pass over the rows
            in order, with batch size 1, and is the model measured on all rows after it?"""
        _expect(np.allclose(answer, measured, rtol=1e-2), other)


def _walk(seed):
    walk = np.cumsum(np.random.default_rng(seed).normal(size=41)).astype("float32")
    return np.lib.stride_tricks.sliding_window_view(walk[:-1], 4)[..., None], walk[4:, None]


def _fresh(seed):
    """Return a model without a state, with weights of its own, to be trained as in the lesson."""
    rng = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input((4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.set_weights([0.3 * rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.002), "mse")
    return model


@cache
def _trained(seed, epochs):
    """Return the losses that `fit` logs, and those of the model after each epoch."""
    model, (x, y) = _fresh(seed), _walk(seed)
    options = {"batch_size": 1, "shuffle": False, "verbose": 0}
    found = [
        (model.fit(x, y, **options).history["loss"][0], model.evaluate(x, y, verbose=0))
        for _ in range(epochs)
    ]
    return np.array(found).T


# --- what the checks share -------------------------------------------------------------------


def _expect(right, hint):
    """Tell the learner a hint, as one line, unless something is right."""
    if not right:
        raise AnswerError(" ".join(f"Not yet: {hint}".split()))
