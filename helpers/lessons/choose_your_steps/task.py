"""A forecast task: sequences cut in time into four parts, and forecasts without a model."""

from typing import NamedTuple

import numpy as np

from helpers import check

STOP, COMPARE, LAST, END = 1, 2, 3, 4  # places in `cuts`: where these parts begin, and the end
_BLOCKS = 8
_LAGS = 1, 2, 4, 8, 16, 32
_MOST = 12_000  # timesteps that are used, of all sequences together
_TREND = "There may be a trend, or a random walk: `difference=True` forecasts the change instead."
_TOGETHER = "The parts begin at the same moments in all sequences."
_APART = "Most sequences do not run at the same time: each is cut by its length."


class Task(NamedTuple):
    """What `forecast_task` makes; a list has an entry a sequence.

    A model reads `inputs` (timesteps_i, features) and learns to answer `targets` (timesteps_i -
    horizon,). Of `baselines`, forecasts by name, entry t is for `values[t + horizon]`.
    """

    values: list  # of the feature to forecast, in its own unit
    times: list  # of these values, where sequences run by one clock; otherwise shares of each
    inputs: list
    targets: list
    cuts: list
    horizon: int
    difference: bool
    read: tuple  # mean and standard deviation of each feature read
    answered: tuple  # and of what is answered
    baselines: dict
    notes: list


def forecast_task(sequences, *, times=None, target=0, horizon=1, season=None, difference=False):
    """Prepare the forecast of the feature `target`, `horizon` timesteps ahead.

    The (timesteps_i, features) sequences are cut in time: the first 48 % train, 12 % say when to
    stop, 25 % are for comparing, the last 15 % for the end. Only the first two are fitted to.
    `times`, as of `make_sequences`, cuts all at the same moments; None cuts each by its length.
    `season` is in timesteps; None looks for it in the autocorrelation. With `difference` models
    read changes and forecast the change, for series with a trend.
    """
    sequences = [np.asarray(each, float) for each in check.sequences(sequences)]
    times = None if times is None else _check_times(times, sequences)
    target = check.whole_number("target", target, minimum=0, maximum=sequences[0].shape[1] - 1)
    horizon = check.whole_number("horizon", horizon)
    difference = check.flag("difference", difference)
    used, times, cuts, notes = _cut(sequences, times, horizon, difference)
    values = [each[difference:, target] for each in used]
    known = [x[: cut[COMPARE]] for x, cut in zip(values, cuts, strict=True)]
    if np.ptp(np.concatenate(known)) == 0:
        raise ValueError(
            "`target` must be a feature that changes. Received: one that stays the same in the "
            "part for training. Choose another column."
        )
    notes += [_TREND] if not difference and _has_trend(known) else []
    inputs, read = _standardised([np.diff(each, int(difference), axis=0) for each in used], cuts)
    targets = [x[horizon:] - difference * x[:-horizon] for x in values]
    targets, answered = _standardised(targets, cuts, horizon)
    made = values, times, inputs, targets, cuts, horizon, difference, read, answered
    task = Task(*made, {}, notes)
    return task._replace(baselines=_baselines(task, known, season))


def in_blocks(task, squared, part):
    """Return the means of a part's squared errors, sequence after sequence, in eight blocks.

    A block is a piece of time, the same one in every sequence; where sequences are too short for
    that, a group of them. Where they differ in size, a larger one counts more, so that the mean
    of the eight is that of all errors.
    """
    pairs = zip(task.times, task.cuts, strict=True)
    moments = [times[cut[part] : cut[part + 1]] for times, cut in pairs]
    if max(map(len, moments)) < _BLOCKS:
        moments = [np.full(len(each), n) for n, each in enumerate(moments)]
    moments = np.concatenate(moments)
    pieces = np.array_split(np.unique(moments), _BLOCKS)[1:]
    places = np.digitize(moments, [piece[0] for piece in pieces if len(piece)])
    return np.bincount(places, squared, _BLOCKS) * _BLOCKS / len(squared)


def baseline_errors(task, part):
    """Return the mean squared errors of each baseline in eight blocks of a part, by name."""
    squared = {name: _squared(task, each, part) for name, each in task.baselines.items()}
    return {name: in_blocks(task, each, part) for name, each in squared.items()}


def _squared(task, forecasts, part):
    off = []
    for forecast, x, cut in zip(forecasts, task.values, task.cuts, strict=True):
        begin, end = cut[part : part + 2]
        off.append(forecast[begin - task.horizon : end - task.horizon] - x[begin:end])
    return np.concatenate(off) ** 2


def _check_times(times, sequences):
    times = check.listed("times", times, "the moments of each sequence")
    times = [check.array(each, f"times[{n}]", ("timesteps",)) for n, each in enumerate(times)]
    fit = [*map(len, times)] == [*map(len, sequences)]
    if not fit or any((np.diff(each) < 0).any() for each in times):
        raise ValueError(
            "`times` must list the moments of each sequence in order, one a timestep. Received: "
            f"lengths {[*map(len, times)][:9]}. Pass `times` of `make_sequences`, or None."
        )
    return times


def _cut(sequences, times, horizon, difference):
    """Return what is used of the sequences, its times, where the parts of each begin, and notes."""
    most, notes = max(40, _MOST // len(sequences)), []
    used = [each[-most:] for each in sequences]
    shares = [np.linspace(0, 1, len(each) - difference, endpoint=False) for each in used]
    cuts = _cuts(shares)
    if times is not None and len(times) > 1:
        times = [each[-most:][difference:] for each in times]
        together = np.mean([min(np.diff(cut)) > 0 for cut in _cuts(times)]) >= 0.5
        cuts, shares = (_cuts(times), times) if together else (cuts, shares)
        notes.append(_TOGETHER if together else _APART)
    kept = [n for n, cut in enumerate(cuts) if cut[STOP] > horizon]
    used, times, cuts = ([each[n] for n in kept] for each in (used, shares, cuts))
    if sum(cut[END] for cut in cuts) < 40 or not np.diff(cuts, axis=1).sum(axis=0).all():
        raise ValueError(
            "`sequences` must hold at least 40 timesteps, in sequences twice as long as the horizon"
            f" or more. Received: lengths {list(map(len, sequences))[:9]}, horizon={horizon}."
        )
    if left := len(sequences) - len(used):
        notes.append(f"Sequences left out, too short or too late to train on: {left:,}.")
    if max(map(len, sequences)) > most:
        notes.append(f"To stay quick, the last {most:,} timesteps of each sequence are used.")
    return used, times, cuts, notes


def _cuts(times):
    """Return where the four parts of each sequence begin, at the same moments, and its end."""
    moments = np.sort(np.concatenate(times))
    last = len(moments) - max(1, 15 * len(moments) // 100)
    compare = last - max(1, 25 * len(moments) // 100)
    borders = moments[[compare - max(1, compare // 5), compare, last]]
    return [(0, *np.searchsorted(each, borders).tolist(), len(each)) for each in times]


def _standardised(arrays, cuts, horizon=0):
    """Standardise by all before the part for comparing; return that mean and deviation as well."""
    known = [each[: cut[COMPARE] - horizon] for each, cut in zip(arrays, cuts, strict=True)]
    mean, std = (f(np.concatenate(known), axis=0) for f in (np.mean, np.std))
    std = np.where(std > 1e-12 * np.abs(mean), std, 1.0)  # 1 where nothing varies
    return [(each - mean) / std for each in arrays], (mean, std)


def _has_trend(known):
    """Return whether a straight line in time explains half of what there is beside a season."""
    shares = []
    for x in known:
        season = _season(x) or 1
        if 4 * season <= len(x):
            x = np.convolve(x, np.full(season, 1 / season), "valid")
        if len(x) >= 20 and np.ptp(x) > 1e-9 * np.abs(x).max():
            shares.append(np.corrcoef(np.arange(len(x)), x)[0, 1] ** 2)
    return bool(shares) and np.mean(shares) > 0.5


def _season(known):
    """Return the highest peak of the autocorrelation, in timesteps, or None.

    Slow waves favour a short one, such as 3 months of 12. So if the changes, which have no slow
    waves, are clearly more alike after a multiple of it, it is that multiple.
    """
    time = np.arange(len(known))
    flat = known - np.polyval(np.polyfit(time, known, 1), time)
    if len(flat) < 12 or np.ptp(flat) == 0:
        return None
    found, changes = _autocorrelation(flat), _autocorrelation(np.diff(flat))
    peaks = [n for n in range(2, len(found) - 1) if found[n - 1] <= found[n] >= found[n + 1]]
    peaks = [n for n in peaks if found[n] > 0.2 + max(0, found[:n].min())]
    best = max(peaks, key=lambda n: found[n], default=None)
    multiples = range(best, len(changes), best) if best else []
    longest = max(multiples, key=lambda n: changes[n], default=best)
    return longest if best and changes[longest] > changes[best] + 0.1 else best


def _autocorrelation(x):
    return np.correlate(x, x, "full")[len(x) - 1 :][: len(x) // 3] / (x @ x)


def _baselines(task, known, season):
    longest, mean = max(known, key=len), np.concatenate(known).mean()
    found = {"copying": task.values, "the mean": [np.full(len(x), mean) for x in task.values]}
    if season is not None:
        season = check.whole_number("season", season, minimum=2, maximum=len(longest) - 1)
    if season := season or _season(longest):
        back = -task.horizon % season  # from the last value known
        found[f"one season before ({season})"] = [_back(x, back, mean) for x in task.values]
    pairs = [cut[STOP] - task.horizon for cut in task.cuts]
    few = [n for n in _LAGS if n <= max(pairs) and 4 * n <= sum(pairs)] or [1]
    lags = min(few, key=lambda n: _squared(task, _line(task, n, mean, STOP), STOP).mean())
    found[f"a linear regression on the last {lags}"] = _line(task, lags, mean, COMPARE)
    return found


def _back(x, lag, before):
    """Return the values `lag` timesteps ago; `before` stands where there were none."""
    return np.append(np.full(lag, before), x)[: len(x)]


def _line(task, lags, mean, part):
    """Forecast by least squares on the last `lags` values, fitted to all before a part."""
    pasts, rows, nexts = [], [], []
    for x, cut in zip(task.values, task.cuts, strict=True):
        columns = [_back(x, lag, mean) - mean for lag in range(lags)]
        pasts.append(np.stack([np.ones(len(x)), *columns], axis=1))
        known = slice(lags - 1, max(lags - 1, cut[part] - task.horizon))
        rows.append(pasts[-1][known])
        nexts.append(x[task.horizon :][known])
    weights = np.linalg.lstsq(np.concatenate(rows), np.concatenate(nexts), rcond=None)[0]
    return [past @ weights for past in pasts]
