"""Each check rejects its bug with a hint and accepts fixes that differ; the batches are Keras'.

Whose state a window starts from is compared with what a stateful Keras layer says.
"""

import keras
import numpy as np
import pytest
from keras import layers

from helpers.lessons import clinic_state
from helpers.windows import sliding_windows
from tests.exercises import ClinicTests
from tests.pictures import rectangles

# --- a state that was left behind ------------------------------------------------------------


def asked_twice(answer, request, other):
    first = answer(request)
    answer(other)
    return np.allclose(first, answer(request))


def asked_in_one_line(answer, request, other):
    first, _, again = (answer(values) for values in (request, other, request))
    return np.abs(first - again).max() < 1e-4


def asked_more_often(answer, request, other):
    answers = [answer(values) for values in (request, other, request, other, request)]
    return all(np.allclose(answers[0], later) for later in answers[2::2])


def nothing_in_between(answer, request, other):
    return np.allclose(answer(request), answer(request))


def other_first(answer, request, other):
    answer(other)
    return np.allclose(answer(request), answer(request))


def request_against_other(answer, request, other):
    return np.allclose(answer(request), answer(other))


def equal_to_the_last_place(answer, request, other):
    first, _, again = answer(request), answer(other), answer(request)
    return np.array_equal(first, again)


def the_other_way_round(answer, request, other):
    return not asked_twice(answer, request, other)


def always(verdict):
    return lambda *given: asked_twice(*given) * 0 + verdict == 1


# --- windows of several series ---------------------------------------------------------------


def cut_each_by_itself(series, steps):
    inputs, targets = zip(*[sliding_windows(one, steps) for one in series], strict=True)
    return np.concatenate(inputs), np.concatenate(targets)


def cut_in_a_loop(series, steps):
    pairs = [
        (one[i : i + steps], one[i + steps]) for one in series for i in range(len(one) - steps)
    ]
    return [list(part) for part in zip(*pairs, strict=True)]


def cut_all_and_keep_one_name(series, steps):
    names = np.repeat(range(len(series)), [len(one) for one in series])
    cut = np.lib.stride_tricks.sliding_window_view(names, steps + 1)
    keep = (cut == cut[:, :1]).all(axis=1)
    inputs, targets = sliding_windows(np.concatenate(series), steps)
    return inputs[keep], targets[keep]


def cut_with_keras(series, steps):
    cut = keras.utils.timeseries_dataset_from_array
    first, *others = (cut(one, one[steps:], steps) for one in series)
    for other in others:
        first = first.concatenate(other)
    return first


def cut_over_the_border(series, steps):
    return sliding_windows(np.concatenate(series), steps)


def keep_by_the_windows_alone(series, steps):
    names = np.repeat(range(len(series)), [len(one) for one in series])
    cut = np.lib.stride_tricks.sliding_window_view(names, steps)[: len(names) - steps]
    keep = (cut == cut[:, :1]).all(axis=1)
    inputs, targets = sliding_windows(np.concatenate(series), steps)
    return inputs[keep], targets[keep]


def without_the_last_of_each(series, steps):
    return cut_each_by_itself([one[:-1] for one in series], steps)


def last_value_as_target(series, steps):
    inputs, _ = cut_each_by_itself(series, steps)
    return inputs, inputs[:, -1]


def two_lists(series, steps):
    return tuple(
        list(part) for part in zip(*[sliding_windows(s, steps) for s in series], strict=True)
    )


# --- the log and the model -------------------------------------------------------------------

IN_ORDER = {"batch_size": 1, "shuffle": False, "verbose": 0}


def val_losses(model, x, y, epochs):
    log = model.fit(x, y, epochs=epochs, validation_data=(x, y), **IN_ORDER)
    return log.history["val_loss"]


def evaluated_in_between(model, x, y, epochs):
    losses = []
    for _ in range(epochs):
        model.fit(x, y, **IN_ORDER)
        losses.append(model.evaluate(x, y, verbose=0))
    return losses


def measured_by_hand(model, x, y, epochs):
    losses = []
    for _ in range(epochs):
        model.fit(x, y, **IN_ORDER)
        losses.append(np.mean((model.predict(x, verbose=0) - y) ** 2))
    return np.array(losses)


def crossed_by_hand(model, x, y, epochs):
    return measured_by_hand(model, x, y[:, 0], epochs)


def logged(model, x, y, epochs):
    return model.fit(x, y, epochs=epochs, **IN_ORDER).history["loss"]


def shuffled(model, x, y, epochs):
    log = model.fit(x, y, epochs=epochs, validation_data=(x, y), batch_size=1, verbose=0)
    return log.history["val_loss"]


def only_the_last(model, x, y, epochs):
    model.fit(x, y, epochs=epochs, **IN_ORDER)
    return [model.evaluate(x, y, verbose=0)] * epochs


def one_number(model, x, y, epochs):
    return model.evaluate(x, y, verbose=0)


# --- the checks ------------------------------------------------------------------------------


class TestExercises(ClinicTests):
    lesson = clinic_state
    FIXES = {
        "same_twice": [asked_twice, asked_in_one_line, asked_more_often],
        "pairs": [cut_each_by_itself, cut_in_a_loop, cut_all_and_keep_one_name, cut_with_keras],
        "losses": [val_losses, evaluated_in_between, measured_by_hand],
    }
    WRONG = [
        ("same_twice", (nothing_in_between,), "`other` was not asked between the two"),
        ("same_twice", (other_first,), "`other` was not asked between the two"),
        ("same_twice", (request_against_other,), "`request` was not asked twice"),
        ("same_twice", (equal_to_the_last_place,), "by rounding: `np.allclose`"),
        ("same_twice", (the_other_way_round,), "Its two answers to `request` differ"),
        ("same_twice", (lambda *given: str(asked_twice(*given)),), "return one `True`"),
        ("same_twice", (always(1),), "you returned True. Its two answers"),
        ("same_twice", (always(0),), "`True` means that nothing is carried"),
        ("same_twice", (lambda answer, request, _: [answer(request)] * 2,), "return one `True`"),
        ("pairs", (cut_over_the_border,), "3 of your 13 pairs hold timesteps of two series"),
        ("pairs", (keep_by_the_windows_alone,), "1 of your 11 pairs holds timesteps of two series"),
        ("pairs", (without_the_last_of_each,), "8 are there. The series hold 10"),
        ("pairs", (last_value_as_target,), "a target is not the value after its window"),
        ("pairs", (two_lists,), "put the windows of all series together"),
        ("pairs", (lambda series, steps: series,), "the shapes are (9, 1) and (7, 1)"),
        ("pairs", (lambda series, steps: np.zeros(3),), "return two arrays"),
        ("losses", (logged,), "that is what `fit` logged"),
        ("losses", (shuffled,), "the losses are those of other weights"),
        ("losses", (only_the_last,), "the loss after the last epoch, again and again"),
        ("losses", (one_number,), "a list of 3 numbers is wanted"),
        ("losses", (crossed_by_hand,), "the same bug as lesson 10's"),
    ]


# --- the explorer ----------------------------------------------------------------------------

STRETCHES = "a stretch for each row"
ORDERS = ["in order", "shuffled", STRETCHES]


@pytest.fixture(scope="module")
def explorer():
    return clinic_state.explore_batches()


@pytest.fixture
def deal(explorer):
    """A function that deals the 24 windows out, and reads (n_batches, batch) off the picture."""

    def deal(batch_size, order):
        explorer.controls["batch_size"].value = batch_size
        explorer.controls["order"].value = order
        (ax,) = explorer.figure.axes
        windows = np.full((24 // batch_size, batch_size), -1)
        assert len(ax.texts) == windows.size
        for text in ax.texts:
            windows[text.get_position()] = text.get_text()
        return windows

    return deal


def cells(explorer):
    """The (batch, row) of the cells that look as each name in the legend does."""
    (ax,) = explorer.figure.axes
    found = {}
    for text, patch in zip(ax.get_legend().get_texts(), ax.get_legend().get_patches(), strict=True):
        style = {"facecolor": patch.get_facecolor(), "hatch": patch.get_hatch()}
        boxes = rectangles(ax, style)
        found[text.get_text()] = {(round(x + 0.5), round(y + 0.45)) for x, y, _, _ in boxes}
    return found


@pytest.mark.parametrize("order", ORDERS)
def test_every_batch_is_full_and_only_windows_of_the_series_are_dealt(deal, order):
    for batch_size in range(1, 9):
        windows = deal(batch_size, order)
        assert set(windows.ravel()) <= set(range(24))
        assert len(np.unique(windows)) == windows.size


@pytest.mark.parametrize("batch_size", [1, 2, 3, 6])
def test_a_stretch_for_each_row_carries_as_one_long_pass(deal, rng, batch_size):
    series = rng.normal(size=(24, 3, 2)).astype("float32")  # 24 windows of 3 timesteps
    stateful = layers.SimpleRNN(4, stateful=True)
    outputs = [np.array(stateful(series[batch])) for batch in deal(batch_size, STRETCHES)]
    whole = layers.SimpleRNN(4, return_sequences=True)
    stretches = series.reshape(batch_size, -1, 2)
    whole.build(stretches.shape)
    whole.set_weights(stateful.get_weights())
    ends = np.array(whole(stretches))[:, 2::3]  # (row, n_batches, units)
    np.testing.assert_allclose(np.stack(outputs, axis=1), ends, atol=1e-5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("batch_size", [1, 4, 5])
def test_a_window_starts_where_a_stateful_layer_says(explorer, deal, batch_size, order):
    initial = {"kernel_initializer": "ones", "recurrent_initializer": "zeros"}
    counting = layers.SimpleRNN(1, activation=None, stateful=True, **initial)
    windows = deal(batch_size, order)
    before = np.full(windows.shape, np.nan)  # the window that the state knows when one is read
    for k, batch in enumerate(windows[:-1]):
        counting(batch[:, None, None].astype("float32"))
        before[k + 1] = counting.states[0].numpy()[:, 0]
    first, right = np.isnan(before), before == windows - 1
    names = ("starts from zeros", "from the window before", "from another window")
    kinds = (first, right, ~first & ~right)
    assert cells(explorer) == {
        name: set(map(tuple, np.argwhere(kind).tolist()))
        for name, kind in zip(names, kinds, strict=True)
    }
    _, n_right, n_other = (kind.sum() for kind in kinds)
    verb = "starts" if n_right == 1 else "start"
    start = f"Of the {n_right + n_other} windows after it, {n_right} {verb} from the state of the"
    assert f"{start} window before, {n_other} from the state of another" in explorer.words


@pytest.mark.parametrize("order", ORDERS)
def test_moving_from_end_to_end_changes_picture_alt_and_words(shown, explorer, deal, order):
    deal(1, order)
    first = shown(explorer)
    deal(8, order)
    last = shown(explorer)
    assert all(now != then for now, then in zip(last, first, strict=True))
    assert last[1] == last[2] == explorer.words
    deal(1, order)
    assert shown(explorer) == first


def test_in_order_is_right_for_a_batch_size_of_1_only(explorer, deal):
    deal(1, "in order")
    assert "23 start from the state of the window before, 0 from" in explorer.words
    for batch_size in range(2, 9):
        deal(batch_size, "in order")
        assert " 0 start from the state of the window before" in explorer.words


def test_windows_that_fill_no_batch_are_counted(explorer, deal):
    deal(5, "in order")
    assert explorer.words.endswith("4 windows fill no batch.")
    deal(4, "in order")
    assert explorer.words.endswith("another window.")


def test_the_positions_set_the_controls(explorer):
    buttons = explorer.children[0].children[0].children[1:]
    words = []
    for button in buttons:
        button.click()
        words.append(explorer.words.split(": ")[0])
    assert [button.description for button in buttons] == [
        "In order, 4 rows",
        "In order, 1 row",
        "Shuffled, 1 row",
        "A stretch for each row, 4 rows",
    ]
    assert words == [
        "Batch size 4, in order",
        "Batch size 1, in order",
        "Batch size 1, shuffled",
        "Batch size 4, a stretch for each row",
    ]
