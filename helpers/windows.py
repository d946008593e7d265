"""Windows, padding, masks and buckets: NumPy only.

A mask is boolean, `True` = a real timestep. `sequences` are a list of (timesteps_i, features)
arrays, or one (batch, timesteps, features) array.
"""

from typing import NamedTuple

import numpy as np

from helpers import check


class Padded(NamedTuple):
    """A padded batch: `inputs` (batch, timesteps, features), `mask` (batch, timesteps)."""

    inputs: np.ndarray
    mask: np.ndarray


class Windows(NamedTuple):
    """Windows of a batch: `inputs` (n_windows, batch, steps, features), `mask` without features."""

    inputs: np.ndarray
    mask: np.ndarray


class SlidingWindows(NamedTuple):
    """Windows of series: `inputs` (n, steps, features), `targets` (n, features).

    For a list of horizons, `targets` are (n, horizons, features).
    """

    inputs: np.ndarray
    targets: np.ndarray


def pad_batch(sequences, *, timesteps=None, padding="post", value=0.0):
    """Pad sequences to one length and say which timesteps are real: `Padded`.

    They are padded to `timesteps`, to the longest sequence if that is None, and never cut: after
    the last timestep ('post') or before the first ('pre'), with `value`.

    Examples
    --------
    >>> padded = pad_batch([[[1.0], [2.0]], [[3.0]]], value=-1.0)
    >>> padded.inputs[..., 0].tolist(), padded.mask.tolist()
    ([[1.0, 2.0], [3.0, -1.0]], [[True, True], [True, False]])
    """
    sequences = check.sequences(sequences)
    lengths = [len(sequence) for sequence in sequences]
    longest = max(lengths)
    timesteps = check.whole_number("timesteps", longest if timesteps is None else timesteps)
    if timesteps < longest:
        raise ValueError(
            f"`timesteps` must be at least the longest sequence ({longest} timesteps): padding "
            f"never cuts. Received: timesteps={timesteps}. Shorten the sequences first, or use "
            "`split_windows`."
        )
    mask = length_mask(lengths, timesteps, padding=padding)
    return Padded(_filled(mask, sequences, _as_padding(value, sequences)), mask)


def length_mask(lengths, timesteps, *, padding="post"):
    """Return the mask of a padded batch from its sequences' lengths: (batch, timesteps) of bool.

    `lengths` are 1 to `timesteps`, the length that the batch is padded to, 'post' or 'pre'.

    Examples
    --------
    >>> length_mask([1, 3], 3, padding="pre").tolist()
    [[False, False, True], [True, True, True]]
    """
    timesteps = check.whole_number("timesteps", timesteps)
    lengths = check.lengths(lengths, timesteps)[:, None]
    position = np.arange(timesteps)
    if check.choice("padding", padding, ("post", "pre")) == "pre":
        position = position[::-1]
    return position < lengths


def split_windows(sequences, steps, *, value=0.0):
    """Cut every sequence of a batch into consecutive windows of `steps` timesteps.

    Row b of window k continues row b of window k-1, the layout that stateful Keras wants.
    The last of the `Windows` is padded with `value` and masked. Where one array divides evenly,
    they are a view of it.

    Examples
    --------
    >>> windows = split_windows([[[1.0], [2.0], [3.0]], [[4.0]]], 2)
    >>> windows.inputs[..., 0].tolist()
    [[[1.0, 2.0], [4.0, 0.0]], [[3.0, 0.0], [0.0, 0.0]]]
    """
    sequences = check.sequences(sequences)
    steps = check.steps(steps, max(map(len, sequences)))
    return cut_windows(sequences, steps, value=value)


def cut_windows(sequences, steps, *, value=0.0):
    """Do what `split_windows` does, with sequences and steps that are checked already."""
    value = _as_padding(value, sequences)
    lengths = np.array([len(sequence) for sequence in sequences])
    n_windows = -(-lengths.max() // steps)
    mask = np.arange(n_windows * steps) < lengths[:, None]  # (batch, all timesteps)
    whole = isinstance(sequences, np.ndarray) and mask.all()
    inputs = sequences if whole else _filled(mask, sequences, value)
    cut = (rows.reshape(-1, n_windows, steps, *rows.shape[2:]) for rows in (inputs, mask))
    return Windows(*(rows.swapaxes(0, 1) for rows in cut))


def join_windows(windows, lengths):
    """Put windows together again: the exact inverse of `split_windows`.

    `windows` are (n_windows, batch, steps, …), or the `Windows` that `split_windows` returned;
    `lengths` are the real timesteps of each row. The result is a list of (timesteps_i, …) arrays.

    Examples
    --------
    >>> sequences = [np.array([[1.0], [2.0], [3.0]]), np.array([[4.0]])]
    >>> [row[:, 0].tolist() for row in join_windows(split_windows(sequences, 2), [3, 1])]
    [[1.0, 2.0, 3.0], [4.0]]
    """
    windows = check.as_array("windows", windows.inputs if isinstance(windows, Windows) else windows)
    if windows.ndim < 3 or 0 in windows.shape:
        raise ValueError(
            "`windows` must have the axes (n_windows, batch, steps, …), none of them empty. "
            f"Received: an array of shape {windows.shape}."
        )
    rows = as_rows(windows)
    lengths = check.lengths(lengths, rows.shape[1])
    if len(lengths) != len(rows):
        raise ValueError(
            f"`lengths` must have one entry for each of the {len(rows)} rows of the batch. "
            f"Received: {len(lengths)}."
        )
    return [row[:length] for row, length in zip(rows, lengths, strict=True)]


def as_rows(windows):
    """Return (n_windows, batch, steps, …) windows as rows: (batch, n_windows * steps, …)."""
    n_windows, batch, steps, *others = windows.shape
    return windows.swapaxes(0, 1).reshape(batch, n_windows * steps, *others)


def sliding_windows(series, steps, *, stride=1, horizon=1, sampling=1):
    """Return every window of a series with the value to forecast from it, as `SlidingWindows`.

    Window i starts at `i * stride` and holds every `sampling`-th timestep; its target lies
    `horizon` timesteps of the series after its last one, never inside it. Of one series both are
    read-only views: nothing is copied, and the values are not looked at.

    `series` is (timesteps, features), or a list of such: no window crosses a border. `horizon` may
    be a list; then each window has several targets.

    Examples
    --------
    >>> inputs, targets = sliding_windows(np.arange(5.0)[:, None], 3)
    >>> inputs[..., 0].tolist(), targets[:, 0].tolist()
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]], [3.0, 4.0])
    """
    named = _named_series(series)
    steps = check.whole_number("steps", steps)
    stride = check.whole_number("stride", stride)
    sampling = check.whole_number("sampling", sampling)
    several = check.as_array("horizon", horizon).ndim
    horizons = check.listed("horizon", horizon, "whole numbers") if several else [horizon]
    horizons = [check.whole_number("horizon", each) for each in horizons]
    span, last = (steps - 1) * sampling + 1, max(horizons)
    found = []
    for name, one in named.items():
        n_starts = len(one) - span - last + 1
        if n_starts < 1:
            rule = "steps + horizon" if sampling == 1 else "(steps - 1) * sampling + 1 + horizon"
            raise ValueError(
                f"`{name}` must hold at least {rule} = {span + last} timesteps. Received: "
                f"{len(one)} timesteps, steps={steps}, horizon={last}, sampling={sampling}. Ask "
                "for fewer steps or a nearer horizon, or leave out what is too short."
            )
        windows = np.lib.stride_tricks.sliding_window_view(one, span, axis=0)
        inputs = windows[:n_starts:stride, :, ::sampling].swapaxes(1, 2)  # (n, steps, features)
        targets = [one[span + h - 1 :][:n_starts:stride] for h in horizons]
        found.append((inputs, np.stack(targets, axis=1) if several else targets[0]))
        found[-1][1].flags.writeable = False
    joined = map(np.concatenate, zip(*found, strict=True)) if len(found) > 1 else found[0]
    return SlidingWindows(*joined)


def fold_series(series, batch_size):
    """Cut one long series into `batch_size` rows, so that a batch can train on it in parallel.

    Row b + 1 starts where row b ends. State carried along a row is right; across rows it
    is not, so each row starts from zeros.

    `series` is (timesteps, features), the result (batch, timesteps, features). `batch_size` must
    divide the timesteps: nothing is dropped unseen.

    Examples
    --------
    >>> fold_series(np.arange(6)[:, None], 2)[..., 0].tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    series = check.array(series, "series", check.SEQUENCE, hint=check.ONE_FEATURE)
    timesteps = len(series)
    batch_size = check.whole_number(
        "batch_size", batch_size, maximum=timesteps, maximum_is=f"the series' {timesteps} timesteps"
    )
    if extra := timesteps % batch_size:
        raise ValueError(
            f"`batch_size` must divide the series' {timesteps} timesteps. "
            f"Received: batch_size={batch_size}. Leave out {extra} of them yourself, "
            f"for instance the oldest: `series[{extra}:]`."
        )
    return series.reshape(batch_size, timesteps // batch_size, -1)


def last_windows(mask):
    """Return the window of each row's last real timestep, and the rows: two arrays (batch,).

    `array[last_windows(mask)]` picks one window for each row, the last where none is real.
    """
    real = mask.any(axis=2)
    return len(mask) - 1 - real[::-1].argmax(axis=0), np.arange(mask.shape[1])


def bucket_by_length(lengths, n_buckets):
    """Group rows of similar length, so that each group needs little padding.

    A list of index arrays, shortest group first: every row is in one group, and the groups' sizes
    differ by one row at most.

    Examples
    --------
    >>> [rows.tolist() for rows in bucket_by_length([7, 12, 4, 11], 2)]
    [[2, 0], [3, 1]]
    """
    lengths = check.lengths(lengths)
    n_buckets = check.whole_number(
        "n_buckets", n_buckets, maximum=len(lengths), maximum_is=f"the {len(lengths)} rows"
    )
    return np.array_split(np.argsort(lengths, kind="stable"), n_buckets)


def _named_series(series):
    """Return each series as an array, by its name in a message."""
    options = {"hint": f"{check.ONE_FEATURE} Several series are a list of them.", "finite": False}
    several = isinstance(series, (list, tuple))
    if several and any(check.as_array("series", one).ndim > 1 for one in series):
        arrays = check.sequences(series, "series", **options)
        return {f"series[{i}]": array for i, array in enumerate(arrays)}
    return {"series": check.array(series, "series", check.SEQUENCE, **options)}


def _filled(mask, sequences, value):
    """Return an array with the sequences where the mask is True, and `value` elsewhere."""
    inputs = np.full((*mask.shape, sequences[0].shape[-1]), value)
    for row, real, sequence in zip(inputs, mask, sequences, strict=True):
        start = real.argmax()
        row[start : start + len(sequence)] = sequence
    return inputs


def _as_padding(value, sequences):
    """Return what padding holds, in the sequences' dtype."""
    value = check.number("value", value)
    dtype = np.result_type(*{sequence.dtype for sequence in sequences})
    with np.errstate(over="ignore", invalid="ignore"):
        held = value.astype(dtype)
    if not np.isfinite(held) or (dtype.kind in "iu" and held != value):
        raise ValueError(
            f"`value` must fit the sequences' dtype ({dtype}). Received: value={value.tolist()!r}. "
            "Convert the sequences with `.astype('float64')`."
        )
    return held
