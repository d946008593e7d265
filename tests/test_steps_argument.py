"""Lesson on the steps arguments: what it shows is what Keras draws and pairs; the exercises."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib import pyplot as plt

from helpers import plots
from helpers.lessons import steps_argument as lesson
from helpers.lessons.steps_argument import AGAIN, WRONG, explore_epochs, explore_targets, watch_fit
from helpers.windows import sliding_windows
from tests.exercises import ExerciseTests
from tests.pictures import rectangles

SOURCES = ("array", "dataset", "dataset.repeat()")
CALLS = ("series twice", "as documented", "whole series")
RAN_OUT = "Your input ran out of data"
LIMIT = 60  # batches of an epoch that never ends


def numbers_to(n_rows):
    return np.arange(float(n_rows))[:, None]


NUMBERS = numbers_to(7)

# --- watching fit -----------------------------------------------------------------------------


def test_the_rows_noted_are_those_that_were_handed_over():
    handed = []

    def batches():
        for rows in ([4, 2, 6], [0], [5, 5]):
            handed.extend(rows)
            yield NUMBERS[rows], NUMBERS[rows]

    assert watch_fit(batches()).epochs == [handed] == [[4, 2, 6, 0, 5, 5]]


def test_each_epoch_has_a_list_of_its_own():
    assert watch_fit(NUMBERS, NUMBERS, batch_size=3, epochs=3).epochs == [[*range(7)]] * 3


def test_rows_are_shuffled_only_when_asked_for():
    (rows,) = watch_fit(NUMBERS, NUMBERS, shuffle=True).epochs
    assert sorted(rows) == [*range(7)]
    assert any(watch_fit(NUMBERS, NUMBERS, shuffle=True).epochs != [[*range(7)]] for _ in range(5))


def test_validation_rows_follow_in_the_epoch_that_looks_at_them():
    validation = NUMBERS[:2], NUMBERS[:2] + 100
    watched = watch_fit(NUMBERS, NUMBERS, epochs=2, validation_data=validation)
    assert watched.epochs == [[*range(7), 100, 101]] * 2


def test_what_keras_says_is_kept_and_nothing_is_kept_where_it_is_silent(recwarn):
    watched = watch_fit(NUMBERS, NUMBERS, batch_size=4, steps_per_epoch=3)
    assert [words.split(";")[0] for words in watched.warnings] == [RAN_OUT]
    assert watch_fit(NUMBERS, NUMBERS, batch_size=4, steps_per_epoch=2).warnings == []
    assert not [warning for warning in recwarn if warning.category is UserWarning]


def test_a_callback_of_one_s_own_is_called_too():
    ends = []
    follow = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(epoch))
    watch_fit(NUMBERS, NUMBERS, epochs=2, callbacks=[follow])
    assert ends == [0, 1]


# --- the rows of an epoch, with Keras as the oracle -------------------------------------------


class StopsAtTheLimit(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch + 1 == LIMIT


def fit_rows(source, n_rows, batch_size, steps_per_epoch, epochs):
    """What a real `fit` draws."""
    x = numbers_to(n_rows)
    options = {"steps_per_epoch": steps_per_epoch or None, "epochs": epochs}
    if source == "array":
        return watch_fit(x, x, batch_size=batch_size, **options)
    if source == "tensor":
        return watch_fit(tf.constant(x), tf.constant(x), batch_size=batch_size, **options)
    dataset = tf.data.Dataset.from_tensor_slices((x, x)).batch(batch_size)
    if source == "dataset":
        return watch_fit(dataset, **options)
    return watch_fit(dataset.repeat(), callbacks=[StopsAtTheLimit()], **options)


def picture_of_epochs(explorer):
    """How often each (epoch, row) is drawn, 2 for "again", and the notes above the epochs."""
    (ax,) = explorer.figure.axes
    counts = {}
    for count, style in enumerate((plots.PADDED, plots.REAL, AGAIN)):
        for left, low, width, height in rectangles(ax, style):
            assert width == 1
            counts[left + 0.5, round(low + height / 2, 6)] = count
    return counts, [text.get_text() for text in ax.texts]


@pytest.fixture(scope="module")
def epochs_explorer():
    return explore_epochs()


@pytest.mark.parametrize("source", [*SOURCES, "tensor"])
@pytest.mark.parametrize(
    ("n_rows", "batch_size", "steps_per_epoch", "epochs"),
    [
        (10, 4, 0, 2),
        (10, 4, 1, 5),
        (10, 4, 2, 4),
        (10, 4, 3, 3),
        (10, 4, 5, 3),
        (8, 2, 3, 5),
        (7, 1, 2, 6),
        (3, 8, 2, 3),
        (1, 1, 1, 2),
        (12, 5, 0, 1),
    ],
)
def test_fit_draws_what_the_picture_shows(
    epochs_explorer, source, n_rows, batch_size, steps_per_epoch, epochs
):
    watched = fit_rows(source, n_rows, batch_size, steps_per_epoch, epochs)
    words = epochs_explorer.draw(
        source="array" if source == "tensor" else source,
        n_rows=n_rows,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
    )
    counts, notes = picture_of_epochs(epochs_explorer)
    wanted = {(epoch, row): 0 for epoch in range(epochs) for row in range(n_rows)}
    for epoch, rows in enumerate(watched.epochs):
        wanted |= {(epoch, row): min(rows.count(row), 2) for row in rows}
    assert counts == wanted
    if source == "dataset.repeat()" and not steps_per_epoch:
        assert notes == ["never ends", *[""] * (epochs - 1)]
        assert f"up to {LIMIT} batches; {epochs - 1} of {epochs} epoch" in words
    else:
        assert f"{', '.join(str(len(rows)) for rows in watched.epochs)} row" in words
        assert notes.count("ran out") == len(watched.warnings) == epochs - notes.count("")
    assert all(warning.startswith(RAN_OUT) for warning in watched.warnings)


def test_epochs_are_described_as_they_are_drawn():
    explorer = explore_epochs()
    assert "the 4 epochs draw 8, 2, 8, 2 rows. Every row is drawn. 2 of 4 ran out" in explorer.words
    assert picture_of_epochs(explorer)[1] == ["", "ran out", "", "ran out"]
    explorer.controls["epochs"].value = 1
    assert "the epoch draws 8 rows. 2 of the rows are never drawn. No epoch" in explorer.words
    explorer.controls["source"].value = "dataset.repeat()"
    explorer.controls["epochs"].value = 3
    assert "the 3 epochs draw 8, 6, 6 rows" in explorer.words
    explorer.controls["steps_per_epoch"].value = 0
    assert "not given: epoch 0 never ends" in explorer.words
    assert "2 of 3 epochs never begin" in explorer.words


def test_an_explorer_may_start_without_steps_per_epoch():
    assert "not given: the 4 epochs draw 10, 10" in explore_epochs(steps_per_epoch=None).words


def test_the_picture_of_epochs_has_its_borders_and_axes():
    (ax,) = explore_epochs(5, batch_size=2).figure.axes
    (lines,) = ax.collections
    assert [line[0][1] for line in lines.get_segments()] == [-0.5, 1.5, 3.5, 4.5]
    assert [text.get_position()[0] for text in ax.texts] == [0, 1, 2, 3]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "row")
    low, high = ax.get_ylim()
    assert low > high
    assert min(ax.get_yticks()) == 0


# --- windows and targets, with Keras as the oracle --------------------------------------------


def keras_pairs(data, targets, steps, **options):
    return keras.utils.timeseries_dataset_from_array(data, targets, steps, **options)


def called(call, timesteps, steps, stride, horizon):
    """Windows and targets that Keras makes of a series that counts its timesteps."""
    series, shift = np.arange(float(timesteps)), steps + horizon - 1
    data, targets = {
        "series twice": (series, series),
        "as documented": (series[:-shift] if shift else series, series[shift:]),
        "whole series": (series, series[shift:]),
    }[call]
    dataset = keras_pairs(data, targets, steps, sequence_stride=stride)
    return map(np.concatenate, zip(*dataset.as_numpy_iterator(), strict=True))


def boxes(ax, style):
    """First and last timestep of each window in a style, and the line it stands in."""
    found = rectangles(ax, style)
    return {(left + 0.5, left + width - 0.5, round(y + h / 2, 6)) for left, y, width, h in found}


def markers(ax, style):
    (line,) = [line for line in ax.get_lines() if line.get_marker() == style["marker"]]
    return {tuple(xy) for xy in line.get_xydata().tolist()}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("timesteps", "steps", "stride", "horizon"),
    [(20, 5, 1, 1), (20, 8, 3, 4), (20, 1, 1, 1), (11, 4, 2, 2), (30, 3, 4, 5), (10, 5, 1, 1)],
)
def test_keras_pairs_what_the_picture_shows(call, timesteps, steps, stride, horizon):
    explorer = explore_targets(timesteps, steps=1)
    words = explorer.draw(call=call, steps=steps, stride=stride, horizon=horizon)
    above, below = explorer.figure.axes
    shift = steps + horizon - 1
    every = {(start + shift, start) for start in range(0, timesteps - shift, stride)}
    assert markers(above, plots.CHOSEN) == every
    assert boxes(above, plots.REAL) == {(start, start + steps - 1, start) for _, start in every}
    assert not markers(above, WRONG) | boxes(above, plots.PADDED)

    windows, targets = called(call, timesteps, steps, stride, horizon)
    np.testing.assert_array_equal(windows, windows[:, :1] + np.arange(steps))
    made = {*zip(targets, windows[:, 0], strict=True)}
    assert boxes(below, plots.REAL) == {(w[0], w[-1], w[0]) for w in windows.tolist()}
    assert markers(below, plots.CHOSEN) == made & every
    assert markers(below, WRONG) == made - every
    dropped = {start for _, start in every} - {*windows[:, 0]}
    assert boxes(below, plots.PADDED) == {(start, start + steps - 1, start) for start in dropped}
    assert f"makes {len(made)} window" in words
    assert f", {len(made & every)} of them with the right target" in words
    assert call != "whole series" or made == every


@pytest.mark.parametrize(("steps", "horizon"), [(10, 1), (7, 1), (10, 4)])
def test_the_documented_call_drops_one_window_less_than_a_window_is_long(steps, horizon):
    explorer = explore_targets(100)
    options = {"steps": steps, "stride": 1, "horizon": horizon}
    n_windows = 100 - steps - horizon + 1
    assert f"makes {n_windows} windows" in explorer.draw(call="whole series", **options)
    short = n_windows - (steps - 1)
    assert f"makes {short} windows" in explorer.draw(call="as documented", **options)


def test_targets_are_counted_right():
    explorer = explore_targets()
    assert "15 windows and targets fit" in explorer.words
    assert "(series, series, sequence_length=5" in explorer.words
    assert "makes 16 windows, 0 of them with the right target" in explorer.words
    explorer.controls["call"].value = "as documented"
    assert "(series[:-5], series[5:], sequence_length=5" in explorer.words
    assert "makes 11 windows, 11 of them" in explorer.words
    explorer.controls["call"].value = "whole series"
    explorer.controls["stride"].value = 3
    assert "(series, series[5:], sequence_length=5, sequence_stride=3)" in explorer.words
    assert "makes 5 windows, 5 of them" in explorer.words


# --- both explorers ---------------------------------------------------------------------------


@pytest.fixture(params=[explore_epochs, explore_targets])
def explorer(request):
    return request.param()


def put(slider, end):
    slider.value = slider.options[-end][1]


def test_every_slider_changes_picture_and_words_between_its_ends(shown, explorer):
    for slider in [*explorer.controls.values()][1:]:  # each stays at its end
        put(slider, 0)
        before = shown(explorer)
        put(slider, 1)
        assert all(now != then for now, then in zip(shown(explorer), before, strict=True))


def test_every_button_and_every_corner_can_be_drawn(explorer):
    buttons, *sliders = explorer.controls.values()
    words = set()
    for option in buttons.options:
        buttons.value = option
        for end in (0, 1):
            for slider in sliders:
                put(slider, end)
            words.add(explorer.words)
    assert len(words) == 2 * len(buttons.options)


def test_drawing_again_replaces_the_drawing_before(explorer):
    before = len(explorer.figure.findobj())
    explorer.redraw()
    assert len(explorer.figure.findobj()) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: explore_epochs(17), "`n_rows` must be between 1 and 16"),
        (lambda: explore_epochs(batch_size=0), "`batch_size` must be between 1 and 6"),
        (lambda: explore_epochs(steps_per_epoch=7), "`steps_per_epoch` must be between 1 and 6"),
        (lambda: explore_epochs(epochs=7), "`epochs` must be between 1 and 6"),
        (lambda: explore_targets(9), "`timesteps` must be between 10 and 200"),
        (lambda: explore_targets(steps=9), "`steps` must be between 1 and 8"),
        (lambda: explore_targets(stride=5), "`stride` must be between 1 and 4"),
        (lambda: explore_targets(horizon=5), "`horizon` must be between 1 and 4"),
    ],
)
def test_what_cannot_be_shown_is_refused(call, words, assert_refused):
    assert_refused(call, ValueError, words)


def test_numbers_that_are_not_whole_are_refused(bad_number, assert_refused):
    value, error, *words = bad_number
    assert_refused(lambda: explore_epochs(value), error, "`n_rows`", *words)
    assert_refused(lambda: explore_epochs(steps_per_epoch=value), error, *words)
    assert_refused(lambda: explore_targets(value), error, "`timesteps`", *words)


# --- exercises -------------------------------------------------------------------------------


def dataset_of(rows):
    return tf.data.Dataset.from_tensor_slices(rows)


def endless_generator(x, batch_size):
    while True:
        order = np.random.default_rng(0).permutation(len(x))
        for start in range(0, len(x), batch_size):
            yield x[order[start : start + batch_size]]


def with_whole_series(series, steps, horizon, **options):
    return keras_pairs(series, series[steps + horizon - 1 :], steps, **options)


def in_another_order(series, steps, horizon):
    return with_whole_series(series, steps, horizon, shuffle=True, seed=1)


def without_the_last(series, steps, horizon):
    return keras_pairs(series[:-horizon], series[steps + horizon - 1 :], steps, batch_size=3)


def by_hand(series, steps, horizon):
    ends = range(steps, len(series) - horizon + 1)
    return [(series[i - steps : i], series[i + horizon - 1]) for i in ends]


def with_features(series, steps, horizon):
    return with_whole_series(series[:, None], steps, horizon)


def as_documented(series, steps, horizon):
    shift = steps + horizon - 1
    return keras_pairs(series[:-shift], series[shift:], steps)


def with_the_first_targets(series, steps, horizon):
    return keras_pairs(series, series[: len(series) - steps - horizon + 1], steps)


def always_one_ahead(series, steps, horizon):
    return keras_pairs(series[: len(series) - horizon], series[steps:], steps)


def with_a_stride(series, steps, horizon):
    return with_whole_series(series, steps, horizon, sequence_stride=steps)


def one_batch(series, steps, horizon):
    return next(iter(with_whole_series(series, steps, horizon)))


def two_arrays(series, steps, horizon):
    return sliding_windows(series[:, None], steps, horizon=horizon)


class TestExercises(ExerciseTests):
    lesson = lesson
    RIGHT = {
        "endless": (lambda x, size: dataset_of(x).batch(size).repeat(),),
        "forecast": (with_whole_series,),
    }
    WRONG = [
        ("endless", (lambda x, size: dataset_of(x).batch(size),), "end after 3 batches"),
        ("endless", (lambda x, size: dataset_of(x).batch(size).repeat(3),), "end after 9"),
        ("endless", (lambda x, size: dataset_of(x).batch(size).repeat(4),), "end after 12"),
        ("endless", (lambda x, size: [*dataset_of(x).batch(size)] * 5,), "end after 15"),
        ("endless", (lambda x, size: dataset_of(x).repeat(),), "Is the dataset batched?"),
        ("endless", (lambda x, size: dataset_of(x).batch(len(x)).repeat(),), "holds 11 rows"),
        (
            "endless",
            (lambda x, size: dataset_of(x).batch(size, drop_remainder=True).repeat(),),
            "not every row once",
        ),
        (
            "endless",
            (lambda x, size: dataset_of(x).repeat().shuffle(99, seed=1).batch(size),),
            "mixed over several rounds",
        ),
        ("endless", (lambda x, size: dataset_of(x[:0]).batch(size).repeat(),), "end after 0"),
        ("forecast", (lambda s, steps, h: keras_pairs(s, s, steps),), "its own first value"),
        ("forecast", (as_documented,), "yours are 19. Which of them does a shorter"),
        ("forecast", (with_a_stride,), "some are left out. Is the stride 1?"),
        ("forecast", (lambda s, steps, h: keras_pairs(s, None, steps),), "is no such pair"),
        ("forecast", (one_batch,), "return a dataset that gives (windows, targets)"),
        ("forecast", (lambda s, *_: [(s, s, s)],), "is no such pair"),
        ("forecast", (two_arrays,), "return a dataset that gives (windows, targets)"),
        (
            "forecast",
            (lambda s, n, h: with_whole_series(s[::-1], n, h),),
            "are not 6 values in a row",
        ),
        ("forecast", (with_the_first_targets,), "its own first value"),
        (
            "forecast",
            (always_one_ahead,),
            "for 23 timesteps, steps=4, horizon=3 a target stands 1 timestep after",
        ),
    ]

    @pytest.mark.parametrize(
        "way",
        [
            lambda x, size: dataset_of(x).repeat().batch(size),
            lambda x, size: dataset_of((x, x)).shuffle(99).batch(size).repeat(),
            endless_generator,
        ],
    )
    def test_data_may_be_endless_in_other_ways(self, answered, way):
        assert answered(lesson.check_endless, way) == (True, "Right.")

    @pytest.mark.parametrize("way", [without_the_last, by_hand, with_features, in_another_order])
    def test_windows_may_be_paired_in_other_ways(self, answered, way):
        assert answered(lesson.check_forecast, way) == (True, "Right.")
