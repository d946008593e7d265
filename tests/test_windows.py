"""Windows, padding, masks and buckets, against plain loops."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.windows import (
    Windows,
    bucket_by_length,
    fold_series,
    join_windows,
    last_windows,
    length_mask,
    pad_batch,
    sliding_windows,
    split_windows,
)

DTYPES = ["float16", "float32", "float64", "int8", "int64", "uint8", "uint16"]


@st.composite
def ragged_batches(draw):
    """1 to 5 sequences of 1 to 9 timesteps and 1 to 3 features, of any real dtype."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    features = draw(st.integers(1, 3))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    entries = hnp.from_dtype(dtype, allow_nan=False, allow_infinity=False)
    return [draw(hnp.arrays(dtype, (n, features), elements=entries)) for n in lengths]


@st.composite
def split_batches(draw):
    """A ragged batch and `steps` from 1 to its longest sequence."""
    sequences = draw(ragged_batches())
    return sequences, draw(st.integers(1, max(map(len, sequences))))


lengths_lists = st.lists(st.integers(1, 30), min_size=1, max_size=40)


def numbered(*lengths):
    """Sequences whose entry at (timestep t, feature 0) is 100 * row + t."""
    return [100.0 * row + np.arange(float(n))[:, None] for row, n in enumerate(lengths)]


# --- padding -------------------------------------------------------------------------------


@given(ragged_batches(), st.sampled_from(["pre", "post"]), st.integers(0, 4))
def test_padding_keeps_every_real_timestep_and_marks_it(sequences, padding, extra):
    timesteps = max(map(len, sequences)) + extra
    inputs, mask = pad_batch(sequences, timesteps=timesteps, padding=padding, value=7)
    assert inputs.shape[:2] == mask.shape == (len(sequences), timesteps)
    assert inputs.dtype == sequences[0].dtype
    for row, real, sequence in zip(inputs, mask, sequences, strict=True):
        np.testing.assert_array_equal(row[real], sequence)
        assert (row[~real] == 7).all()


@pytest.mark.parametrize(
    ("padding", "rows"),
    [("post", [[0, 1, 2], [100, 9, 9]]), ("pre", [[0, 1, 2], [9, 9, 100]])],
)
def test_padding_goes_where_it_is_asked_to(padding, rows):
    inputs, mask = pad_batch(numbered(3, 1), padding=padding, value=9.0)
    np.testing.assert_array_equal(inputs[..., 0], rows)
    np.testing.assert_array_equal(mask, inputs[..., 0] != 9)
    np.testing.assert_array_equal(mask, length_mask([3, 1], 3, padding=padding))


@pytest.mark.parametrize("value", [-3e38, 3e38, 1e-45])
def test_any_finite_value_that_fits_may_pad(value):
    inputs, _ = pad_batch([np.ones((1, 1), "f4"), np.ones((2, 1), "f4")], value=value)
    assert inputs[0, 1, 0] == np.float32(value)


def test_a_batch_of_equal_lengths_is_padded_to_itself():
    batch = np.arange(24.0).reshape(2, 4, 3)
    inputs, mask = pad_batch(batch)
    np.testing.assert_array_equal(inputs, batch)
    assert mask.all()


# --- windows -------------------------------------------------------------------------------


@given(split_batches())
def test_join_windows_undoes_split_windows_exactly(batch):
    sequences, steps = batch
    lengths = [len(sequence) for sequence in sequences]
    windows = split_windows(sequences, steps)
    for joined in (join_windows(windows, lengths), join_windows(windows.inputs, lengths)):
        assert len(joined) == len(sequences)
        for got, sequence in zip(joined, sequences, strict=True):
            assert got.dtype == sequence.dtype
            np.testing.assert_array_equal(got, sequence)
    for real in join_windows(windows.mask, lengths):
        assert real.all()


@given(
    hnp.arrays("float32", st.tuples(*[st.integers(1, 7)] * 3), elements=st.floats(-9, 9, width=32)),
    st.data(),
)
def test_join_windows_undoes_the_splitting_of_an_array(batch, data):
    steps = data.draw(st.integers(1, batch.shape[1]))
    joined = join_windows(split_windows(batch, steps), [batch.shape[1]] * len(batch))
    np.testing.assert_array_equal(joined, batch)


@given(split_batches())
def test_row_i_continues_in_the_next_window(batch):
    sequences, steps = batch
    inputs, mask = split_windows(sequences, steps, value=7)
    assert len(inputs) == -(-max(map(len, sequences)) // steps)
    for k in range(len(inputs)):
        for i, sequence in enumerate(sequences):
            real = sequence[k * steps : (k + 1) * steps]
            np.testing.assert_array_equal(inputs[k, i, : len(real)], real)
            assert (inputs[k, i, len(real) :] == 7).all()
            assert mask[k, i].tolist() == [True] * len(real) + [False] * (steps - len(real))


def test_a_small_batch_is_cut_like_this():
    inputs, mask = split_windows(numbered(5, 2), 2, value=-1.0)
    assert inputs[..., 0].tolist() == [
        [[0, 1], [100, 101]],
        [[2, 3], [-1, -1]],
        [[4, -1], [-1, -1]],
    ]
    np.testing.assert_array_equal(mask, inputs[..., 0] != -1)


def test_an_array_and_a_list_of_its_rows_give_the_same_windows():
    batch = np.arange(42.0).reshape(2, 7, 3)
    for steps in range(1, 8):
        for one, other in zip(
            split_windows(batch, steps), split_windows(list(batch), steps), strict=True
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("steps", [1, 2, 3, 6])
def test_windows_that_divide_the_length_copy_nothing(steps):
    batch = np.zeros((4, 6, 2))
    assert np.shares_memory(split_windows(batch, steps).inputs, batch)


def test_join_windows_joins_predictions_without_features_and_with_more_axes():
    windows = split_windows(numbered(5, 2), 2).inputs
    for values in (windows[..., 0], windows, windows[..., None] * np.ones(4)):
        first, second = join_windows(values, [5, 2])
        assert first.shape == (5, *values.shape[3:])
        np.testing.assert_array_equal(second.reshape(2, -1)[:, 0], [100, 101])


@given(st.data())
def test_last_windows_finds_the_window_of_each_rows_last_real_timestep(data):
    shape = data.draw(st.tuples(*[st.integers(1, 5)] * 3))
    mask = data.draw(hnp.arrays(bool, shape))
    mask[0, :, 0] |= ~mask.any(axis=(0, 2))  # holes may be, empty rows may not
    window, row = last_windows(mask)
    for b in range(shape[1]):
        last = max(k for k in range(shape[0]) if mask[k, b].any())
        assert (window[b], row[b]) == (last, b)


# --- one long series -----------------------------------------------------------------------


def windows_by_hand(series, steps, stride, horizons, sampling):
    """Start, window and targets of each window that fits, in a plain loop."""
    for start in range(0, len(series), stride):
        window = [start + k * sampling for k in range(steps)]
        targets = [window[-1] + horizon for horizon in horizons]
        if max(targets) < len(series):
            assert not set(targets) & set(range(start, window[-1] + 1))
            yield start, series[window], series[targets]


@st.composite
def cuts(draw):
    """Steps, stride, one horizon or several, sampling, and how many timesteps they need."""
    steps, stride, sampling = (draw(st.integers(1, n)) for n in (8, 8, 4))
    horizon = draw(st.integers(1, 8) | st.lists(st.integers(1, 8), min_size=1, max_size=4))
    options = {"stride": stride, "horizon": horizon, "sampling": sampling}
    return steps, options, (steps - 1) * sampling + 1 + np.max(horizon)


def assert_cut_by_hand(several, steps, stride, horizon, sampling, found):
    """The windows of each series after those of the series before, and nothing else."""
    horizons = [horizon] if isinstance(horizon, int) else horizon
    hand = [list(windows_by_hand(one, steps, stride, horizons, sampling)) for one in several]
    for cut in hand:
        assert [start for start, *_ in cut] == [i * stride for i in range(len(cut))]
    inputs = np.array([window for cut in hand for _, window, _ in cut])
    targets = np.array([targets for cut in hand for *_, targets in cut])
    np.testing.assert_array_equal(found.inputs, inputs)
    np.testing.assert_array_equal(
        found.targets, targets[:, 0] if isinstance(horizon, int) else targets
    )


@given(cuts(), st.integers(0, 12))
def test_each_sliding_window_starts_and_aims_where_its_number_says(cut, more):
    steps, options, least = cut
    series = np.arange(least + more)[:, None] * [1, -1]
    found = sliding_windows(series, steps, **options)
    assert_cut_by_hand([series], steps, found=found, **options)


@given(cuts(), st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_windows_of_several_series_never_cross_a_border(cut, more):
    steps, options, least = cut
    series = [1000 * i + np.arange(least + extra)[:, None] for i, extra in enumerate(more)]
    found = sliding_windows(series, steps, **options)
    assert_cut_by_hand(series, steps, found=found, **options)
    which = found.inputs // 1000
    assert (which == which[:, :1]).all()
    assert (found.targets.reshape(len(which), -1) // 1000 == which[:, 0]).all()


@pytest.mark.parametrize(
    ("steps", "stride", "horizon", "sampling"), [(5, 1, 1, 1), (4, 3, 2, 1), (3, 2, 5, 4)]
)
def test_keras_makes_the_same_windows(steps, stride, horizon, sampling):
    series = np.random.default_rng(0).normal(size=(40, 2))
    later = series[(steps - 1) * sampling + horizon :]
    made = keras.utils.timeseries_dataset_from_array(
        series, later, steps, sequence_stride=stride, sampling_rate=sampling
    )
    inputs, targets = map(np.concatenate, zip(*made.as_numpy_iterator(), strict=True))
    found = sliding_windows(series, steps, stride=stride, horizon=horizon, sampling=sampling)
    np.testing.assert_array_equal(found.inputs, inputs)
    np.testing.assert_array_equal(found.targets, targets)


def test_a_list_of_horizons_is_a_range_or_an_array_as_well():
    for horizon in ([1, 2, 3], (1, 2, 3), range(1, 4), np.arange(1, 4)):
        targets = sliding_windows(np.arange(9)[:, None], 4, horizon=horizon).targets
        assert targets[..., 0].tolist() == [[4, 5, 6], [5, 6, 7], [6, 7, 8]]


def test_a_list_of_rows_is_one_series_still():
    assert sliding_windows([[0], [1], [2]], 2).targets.tolist() == [[2]]
    assert sliding_windows([np.zeros(2), np.ones(2)], 1).targets.tolist() == [[1, 1]]


def test_a_hundred_values_give_all_ninety_windows_of_ten():
    assert len(sliding_windows(np.zeros((100, 1)), 10).inputs) == 90  # FACTS.md, item 13


def test_sliding_windows_are_read_only_views():
    series = np.zeros((50, 2))
    for array in sliding_windows(series, 5, stride=2, horizon=3, sampling=2):
        assert np.shares_memory(array, series)
        assert not array.flags.writeable
    assert series.flags.writeable


@given(st.integers(1, 6), st.integers(1, 6))
def test_a_folded_series_continues_from_the_end_of_each_row_in_the_next(batch_size, timesteps):
    series = np.arange(2.0 * batch_size * timesteps).reshape(-1, 2)
    folded = fold_series(series, batch_size)
    assert folded.shape == (batch_size, timesteps, 2)
    np.testing.assert_array_equal(np.concatenate(folded), series)


# --- buckets -------------------------------------------------------------------------------


@given(lengths_lists, st.data())
def test_buckets_hold_every_row_once_and_by_length(lengths, data):
    n_buckets = data.draw(st.integers(1, len(lengths)))
    buckets = bucket_by_length(lengths, n_buckets)
    assert len(buckets) == n_buckets
    assert sorted(np.concatenate(buckets).tolist()) == list(range(len(lengths)))
    sizes = [len(bucket) for bucket in buckets]
    assert max(sizes) - min(sizes) <= 1
    ordered = [[lengths[i] for i in bucket] for bucket in buckets]
    assert all(max(a) <= min(b) for a, b in itertools.pairwise(ordered))


@given(lengths_lists, st.data())
def test_buckets_never_need_more_padding_than_one_batch(lengths, data):
    buckets = bucket_by_length(lengths, data.draw(st.integers(1, len(lengths))))
    padded = sum(len(bucket) * max(lengths[i] for i in bucket) for bucket in buckets)
    assert padded <= len(lengths) * max(lengths)


# --- errors --------------------------------------------------------------------------------

BATCH = np.ones((2, 4, 3))
SERIES = np.ones((6, 1))


@pytest.mark.parametrize("take", [pad_batch, lambda s: split_windows(s, 1)], ids=["pad", "split"])
def test_what_is_no_batch_of_sequences_is_refused(bad_sequences, take, assert_refused):
    sequences, error, *words = bad_sequences
    assert_refused(lambda: take(sequences), error, "`sequences", *words)


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "pad timesteps": ("timesteps", lambda n: pad_batch(BATCH, timesteps=n)),
        "mask timesteps": ("timesteps", lambda n: length_mask([1], n)),
        "split steps": ("steps", lambda n: split_windows(BATCH, n)),
        "sliding steps": ("steps", lambda n: sliding_windows(SERIES, n)),
        "stride": ("stride", lambda n: sliding_windows(SERIES, 2, stride=n)),
        "horizon": ("horizon", lambda n: sliding_windows(SERIES, 2, horizon=n)),
        "one of the horizons": ("horizon", lambda n: sliding_windows(SERIES, 2, horizon=[1, n])),
        "sampling": ("sampling", lambda n: sliding_windows(SERIES, 2, sampling=n)),
        "batch_size": ("batch_size", lambda n: fold_series(SERIES, n)),
        "n_buckets": ("n_buckets", lambda n: bucket_by_length([1, 2, 3], n)),
    }.values(),
)
def test_what_is_no_whole_number_from_1_up_is_refused(name, call, bad_number, assert_refused):
    value, error, *words = bad_number
    assert_refused(lambda: call(value), error, f"`{name}`", f"Received: {name}", *words)


@pytest.mark.parametrize(
    ("call", "words"),
    {
        "steps too large": (
            lambda: split_windows(BATCH, 5),
            ("`steps` must be between 1 and the longest sequence (4 timesteps)", "steps=5"),
        ),
        "timesteps too small": (
            lambda: pad_batch(BATCH, timesteps=3),
            ("`timesteps` must be at least the longest sequence (4 timesteps)", "timesteps=3"),
        ),
        "series too short": (
            lambda: sliding_windows(SERIES, 4, horizon=3),
            ("`series` must hold at least steps + horizon = 7 timesteps", "6 timesteps, steps=4"),
        ),
        "series too short for every second timestep": (
            lambda: sliding_windows(SERIES, 3, sampling=2, horizon=[1, 2]),
            ("`series`", "(steps - 1) * sampling + 1 + horizon = 7 timesteps", "horizon=2"),
        ),
        "one of the series too short": (
            lambda: sliding_windows([SERIES, SERIES[:2]], 2),
            ("`series[1]` must hold at least steps + horizon = 3 timesteps", "2 timesteps"),
        ),
        "different features": (
            lambda: sliding_windows([SERIES, np.ones((6, 2))], 2),
            ("`series` must all have the same number of features", "2 in sequence 1"),
        ),
        "no horizon": (
            lambda: sliding_windows(SERIES, 2, horizon=[]),
            ("`horizon` must hold at least one", "an empty list"),
        ),
        "ragged horizons": (
            lambda: sliding_windows(SERIES, 2, horizon=[1, [2]]),
            ("`horizon` must be a rectangular array", "rows of unequal length"),
        ),
        "batch_size divides not": (
            lambda: fold_series(SERIES, 4),
            ("`batch_size` must divide the series' 6 timesteps", "batch_size=4", "`series[2:]`"),
        ),
        "batch_size too large": (
            lambda: fold_series(SERIES, 7),
            ("`batch_size` must be between 1 and the series' 6 timesteps", "batch_size=7"),
        ),
        "more buckets than rows": (
            lambda: bucket_by_length([1, 2], 3),
            ("`n_buckets` must be between 1 and the 2 rows", "n_buckets=3"),
        ),
    }.values(),
)
def test_numbers_that_do_not_fit_the_data_are_refused(call, words, assert_refused):
    assert_refused(call, ValueError, *words)


@pytest.mark.parametrize("padding", ["before", None, 1, ["pre"]])
@pytest.mark.parametrize(
    "call",
    [lambda p: pad_batch(BATCH, padding=p), lambda p: length_mask([1], 2, padding=p)],
    ids=["pad_batch", "length_mask"],
)
def test_an_unknown_padding_is_refused(call, padding, assert_refused):
    words = "`padding` must be one of 'post', 'pre'", f"padding={padding!r}"
    assert_refused(lambda: call(padding), ValueError, *words)


@pytest.mark.parametrize(
    "pad",
    {
        "a batch": pad_batch,
        "windows": lambda s, value: split_windows(s, 2, value=value),
        "a view": lambda s, value: split_windows(s[0][None, :2], 2, value=value),
    }.values(),
)
@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (np.nan, "f4", ("`value` must be one finite number", "value=nan")),
        (np.inf, "f4", ("`value` must be one finite number", "value=inf")),
        ("0", "f4", ("`value` must be one finite number", "value='0'")),
        ([0, 1], "f4", ("`value` must be one finite number", "value=[0, 1]")),
        (None, "f4", ("`value` must be one finite number", "value=None")),
        (1e39, "f4", ("`value` must fit the sequences' dtype (float32)", "value=1e+39")),
        (0.5, "i4", ("`value` must fit the sequences' dtype (int32)", "value=0.5")),
        (-1, "u1", ("`value` must fit the sequences' dtype (uint8)", "value=-1")),
        (256, "u1", ("`value` must fit the sequences' dtype (uint8)", "value=256")),
    ],
)
def test_padding_that_is_no_number_or_does_not_fit_is_refused(
    pad, value, dtype, words, assert_refused
):
    sequences = [np.ones((3, 1), dtype), np.ones((1, 1), dtype)]
    assert_refused(lambda: pad(sequences, value=value), ValueError, *words)


@pytest.mark.parametrize(
    "call",
    [
        lambda lengths: length_mask(lengths, 4),
        lambda lengths: join_windows(np.ones((2, 2, 2, 1)), lengths),
        lambda lengths: bucket_by_length(lengths, 1),
    ],
    ids=["length_mask", "join_windows", "bucket_by_length"],
)
@pytest.mark.parametrize(
    ("lengths", "error", "words"),
    [
        ([], ValueError, "shape (0,)"),
        (3, ValueError, "shape ()"),
        ([[1, 2]], ValueError, "shape (1, 2)"),
        ([1, 0], ValueError, "lengths=0."),
        ([1, -2], ValueError, "lengths=-2."),
        ([[1], [2, 3]], ValueError, "rows of unequal length"),
        ([1, 1.5, 2], TypeError, "whole numbers"),
        ([True, True], TypeError, "dtype bool"),
        (["a", "b"], TypeError, "dtype <U1"),
        (None, TypeError, "dtype object"),
    ],
)
def test_what_are_no_lengths_is_refused(call, lengths, error, words, assert_refused):
    assert_refused(lambda: call(lengths), error, "`lengths` must", words)


@pytest.mark.parametrize(
    ("call", "words"),
    {
        "longer than the batch": (
            lambda: length_mask([2, 5], 4),
            ("`lengths` must be between 1 and 4 timesteps", "lengths=5."),
        ),
        "longer than the windows": (
            lambda: join_windows(np.ones((2, 2, 2, 1)), [4, 5]),
            ("`lengths` must be between 1 and 4 timesteps", "lengths=5."),
        ),
        "another number of rows": (
            lambda: join_windows(np.ones((2, 2, 2, 1)), [4]),
            ("`lengths` must have one entry for each of the 2 rows", "Received: 1"),
        ),
        "two axes": (
            lambda: join_windows(np.ones((2, 2)), [2, 2]),
            ("`windows` must have the axes (n_windows, batch, steps, …)", "shape (2, 2)"),
        ),
        "no windows": (
            lambda: join_windows(np.ones((0, 2, 2)), [2, 2]),
            ("`windows` must have the axes", "none of them empty", "shape (0, 2, 2)"),
        ),
        "ragged windows": (
            lambda: join_windows([[[1.0]], [[1.0], [2.0]]], [1]),
            ("`windows` must be a rectangular array", "rows of unequal length"),
        ),
        "a Windows with ragged inputs": (
            lambda: join_windows(Windows([[[1.0]], [[1.0], [2.0]]], None), [1]),
            ("`windows` must be a rectangular array",),
        ),
    }.values(),
)
def test_windows_and_lengths_that_do_not_fit_are_refused(call, words, assert_refused):
    assert_refused(call, ValueError, *words)


@pytest.mark.parametrize(
    "call", [lambda s: sliding_windows(s, 1), lambda s: fold_series(s, 1)], ids=["sliding", "fold"]
)
@pytest.mark.parametrize(
    ("series", "error", "words"),
    [
        (np.ones(5), ValueError, ("2 axes: (timesteps, features)", "shape (5,)", "x[:, None]")),
        (np.ones((1, 5, 1)), ValueError, ("2 axes: (timesteps, features)", "shape (1, 5, 1)")),
        (np.ones((0, 1)), ValueError, ("none of them empty", "shape (0, 1)")),
        (np.ones((5, 0)), ValueError, ("none of them empty", "shape (5, 0)")),
        ([[1.0], [2.0, 3.0]], ValueError, ("rows of unequal length",)),
        ([["a"], ["b"]], TypeError, ("real numbers", "dtype <U1")),
        (None, TypeError, ("real numbers", "dtype object")),
        (iter([1.0]), TypeError, ("A list_iterator is no array: put its numbers into one",)),
    ],
)
def test_what_is_no_series_is_refused(call, series, error, words, assert_refused):
    assert_refused(lambda: call(series), error, "`series` must", *words)


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ([SERIES, np.ones(6)], ("`series[1]` must have 2 axes", "x[:, None]")),
        ([SERIES[None]], ("`series[0]` must have 2 axes", "shape (1, 6, 1)")),
        ([SERIES, SERIES[:0]], ("`series[1]`", "none of them empty")),
        ([np.ones(5), np.ones(6)], ("`series`", "unequal length", "Several series are a list")),
    ],
)
def test_what_is_no_list_of_series_is_refused(series, words, assert_refused):
    assert_refused(lambda: sliding_windows(series, 2), ValueError, *words)


def test_a_gap_in_a_series_is_refused_before_it_is_folded(assert_refused):
    series = np.array([[1.0], [np.nan]])
    words = "`series` must hold finite numbers", "nan at timesteps 1, features 0"
    assert_refused(lambda: fold_series(series, 1), ValueError, *words)
