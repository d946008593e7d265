"""Lesson on the four meanings of "steps": the picture of all four, and the exercises."""

import numpy as np
import pytest

from helpers import data
from helpers.explorers import explore_windows
from helpers.lessons import which_steps
from helpers.plots import PADDED, REAL
from helpers.windows import split_windows
from tests.exercises import ExerciseTests
from tests.pictures import rectangles

FOUR = {"timesteps": 10, "steps": 5, "batch_size": 4, "batches": 1}


def drawn(**numbers):
    """The picture's Axes and its words for these numbers."""
    explorer = which_steps.show_four_steps(**FOUR | numbers)
    (ax,) = explorer.figure.axes
    return ax, explorer.words


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def borders(ax):
    """Where windows end, and where batches end."""
    windows, batches = ax.collections
    return [
        [path[0, axis] for path in lines.get_segments()]
        for axis, lines in ((0, windows), (1, batches))
    ]


def test_each_number_stands_at_what_it_counts():
    ax, words = drawn()
    assert texts(ax) == [
        "timesteps = 10",
        "steps = 5",
        "fit(…, steps_per_epoch=1)\npredict(…, steps=1)",
    ]
    assert borders(ax) == [[-0.5, 4.5, 9.5], [3.5]]
    assert words == (
        "Each row has 10 timesteps: 2 windows of steps = 5. The 8 rows make 2 batches of up to 4. "
        "steps_per_epoch = 1 in fit, or steps = 1 in predict, asks for 1 of them: 4 rows are "
        "read, 4 left out."
    )


@pytest.mark.parametrize(("batches", "read"), [(1, 4), (2, 8), (5, 8)])
def test_batches_say_how_many_rows_are_read_and_nothing_of_the_timesteps(batches, read):
    ax, words = drawn(batches=batches)
    rows = {round(bottom + 0.45) for _, bottom, _, _ in rectangles(ax, REAL)}
    assert rows == set(range(read))
    assert len(rectangles(ax, REAL)) == 10 * read
    assert f"{read} rows are read, {8 - read} left out" in words
    assert ("only 2" in words) == (batches == 5)


def test_steps_move_the_window_borders_and_leave_every_row_where_it_is():
    ax, words = drawn(steps=4)
    assert borders(ax) == [[-0.5, 3.5, 7.5, 11.5], [3.5]]
    assert len(rectangles(ax, REAL)) == 40
    assert len(rectangles(ax, PADDED)) == 16  # 2 timesteps in each of 8 rows
    assert "3 windows of steps = 4" in words
    assert "4 rows are read" in words


@pytest.mark.parametrize("numbers", [(1, 1, 1, 1), (24, 7, 3, 2), (24, 24, 8, 9), (9, 1, 7, 1)])
def test_the_picture_agrees_with_split_windows_and_with_counting_rows(numbers):
    given = dict(zip(FOUR, numbers, strict=True))
    ax, _ = drawn(**given)
    mask = split_windows(np.zeros((8, given["timesteps"], 1)), given["steps"]).mask
    read = min(8, given["batches"] * given["batch_size"])
    assert len(rectangles(ax, REAL)) == read * given["timesteps"]
    assert len(rectangles(ax, PADDED)) == (~mask).sum()
    assert len(borders(ax)[0]) == len(mask) + 1
    assert len(borders(ax)[1]) == len(range(0, 8, given["batch_size"])) - 1


@pytest.mark.parametrize("name", FOUR)
def test_a_number_that_is_none_is_refused(bad_number, assert_refused, name):
    bad, error, *words = bad_number
    call = FOUR | {name: bad}
    assert_refused(lambda: which_steps.show_four_steps(**call), error, f"`{name}`", *words)


@pytest.mark.parametrize(("name", "bad"), [("timesteps", 25), ("steps", 11), ("batch_size", 9)])
def test_more_than_the_picture_holds_is_refused(assert_refused, name, bad):
    call = FOUR | {name: bad}
    assert_refused(lambda: which_steps.show_four_steps(**call), ValueError, f"`{name}`", f"={bad}")


def test_the_picture_has_its_words(shown):
    _, alt, said, words = shown(which_steps.show_four_steps(**FOUR))
    assert alt == said == words


def test_four_steps_drawn_again_are_the_same():
    explorer = which_steps.show_four_steps(**FOUR)
    assert explorer.look({}) == explorer.look({})


def test_the_places_to_look_at_show_what_they_say():
    explorer = explore_windows(data.fixed_length_batch(), positions=which_steps.WINDOWS)
    expected = {
        "nothing left over": "2 windows for up to 10 timesteps. In the last one, the longest "
        "row has 5 real timesteps and 0 of padding",
        "a remainder": "3 windows for up to 10 timesteps. In the last one, the longest row has "
        "2 real timesteps and 2 of padding",
        "one window": "1 window for up to 10 timesteps",
    }
    assert [position.name for position in which_steps.WINDOWS] == list(expected)
    for position in which_steps.WINDOWS:
        explorer.controls["steps"].value = position.values["steps"]
        assert expected[position.name] in explorer.words


def fails(*_):
    raise KeyError("a mistake of mine")


class TestExercises(ExerciseTests):
    lesson = which_steps
    RIGHT = {
        "window_shape": ((2, 3, 6, 5),),
        "batches": (lambda rows, size: -(-rows // size),),
    }
    WRONG = [
        ("window_shape", ((1, 3, 6, 5),), "Where do the last 4 go?"),
        ("window_shape", ((6, 3, 6, 5),), "6 is how many timesteps each of them holds"),
        ("window_shape", ((3, 3, 6, 5),), "How many of 6 do 10 timesteps need? Yours: 3."),
        ("window_shape", ((2, 6, 6, 5),), "leaves its 3 rows as they are"),
        ("window_shape", ((2, 3, 4, 5),), "has 4 timesteps left, and is filled up"),
        ("window_shape", ((2, 3, 5, 5),), "that would be 10 timesteps cut evenly"),
        ("window_shape", ((2, 3, 10, 5),), "timesteps in one window. Yours: 10."),
        ("window_shape", ((2, 3, 6, 6),), "leaves all 5 of them"),
        ("window_shape", ((3, 2, 6, 5),), "the right numbers, in another order"),
        ("window_shape", ((3, 10, 5),), "four axes are wanted"),
        ("batches", (lambda rows, size: rows // size,), "8 rows are in full batches"),
        ("batches", (lambda rows, size: rows // size,), "for 9 rows in batches of 4"),
        ("batches", (lambda rows, size: rows / size,), "No batch is a fraction"),
        ("batches", (lambda rows, size: rows // size + 1,), "Nothing is left over here"),
        ("batches", (lambda rows, size: size // rows,), "Which is divided by which?"),
        ("batches", (lambda rows, size: size / rows,), "Which is divided by which?"),
        ("batches", (lambda rows, size: rows * size,), "That multiplies."),
        ("batches", (lambda rows, size: rows,), "How many batches are full"),
        ("batches", (lambda rows, size: "3",), "A whole number is wanted."),
        ("batches", (fails,), "it raised KeyError: 'a mistake of mine'"),
    ]
