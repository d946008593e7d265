"""Lesson on timesteps with parts of their own: the shares of a softmax over time; exercises."""

import re

import numpy as np
import pytest

from helpers import plots
from helpers.lessons import two_levels
from tests.exercises import ExerciseTests
from tests.pictures import rectangles

SCORES = np.array([0.5, 2.0, -1.0, 1.0])
OVER_TIME, OVER_ONE, WITH_MASK = (
    "ops.softmax(axis=1)",
    "ops.softmax(axis=-1)",
    "Softmax(axis=1) with mask=",
)


@pytest.fixture(scope="module")
def explorer():
    return two_levels.explore_shares()


def heights(explorer, style):
    (ax,) = explorer.figure.axes
    return np.array([height for *_, height in sorted(rectangles(ax, style))])


def said(words):
    """The sum of the shares, and what of it goes to the padding."""
    return [float(number) for number in re.findall(r"\d+\.\d\d", words)]


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum()


@pytest.mark.parametrize("length", [4, 5, 12])
@pytest.mark.parametrize("padding", [-3, 0, 3])
def test_over_time_the_padding_takes_the_share_of_its_score(explorer, length, padding):
    words = explorer.draw(way=OVER_TIME, length=length, padding=padding)
    expected = softmax(np.append(SCORES, np.full(length - 4, padding)))
    np.testing.assert_allclose(heights(explorer, plots.REAL), expected[:4], atol=1e-5)
    np.testing.assert_allclose(heights(explorer, plots.PADDED), expected[4:], atol=1e-5)
    assert np.allclose(said(words), [1, expected[4:].sum()], atol=0.006)


@pytest.mark.parametrize("length", [4, 12])
def test_with_the_mask_the_shares_are_those_without_padding(explorer, length):
    for padding in (-3, 3):
        words = explorer.draw(way=WITH_MASK, length=length, padding=padding)
        np.testing.assert_allclose(heights(explorer, plots.REAL), softmax(SCORES), atol=1e-5)
        np.testing.assert_allclose(heights(explorer, plots.PADDED), 0, atol=1e-6)
        assert said(words) == [1, 0]


def test_over_the_last_axis_each_timestep_gets_all(explorer):
    words = explorer.draw(way=OVER_ONE, length=9, padding=2)
    assert (heights(explorer, plots.REAL) == 1).all()
    assert (heights(explorer, plots.PADDED) == 1).all()
    assert said(words) == [9, 5]


def test_the_picture_keeps_its_frame(explorer):
    (ax,) = explorer.figure.axes
    frames = set()
    for length in (4, 12):
        explorer.draw(way=OVER_TIME, length=length, padding=0)
        frames.add((ax.get_xlim(), ax.get_ylim(), ax.get_xlabel(), ax.get_ylabel()))
    assert frames == {((-0.5, 11.5), (0.0, 1.1), "timestep", "share (1 = all of it)")}


def test_every_control_changes_what_is_shown(shown):
    explorer = two_levels.explore_shares()
    for name, value in {"length": 8, "padding": 2, "way": OVER_ONE}.items():
        before = shown(explorer)
        explorer.controls[name].value = value
        assert all(now != then for now, then in zip(shown(explorer), before, strict=True))


def test_the_positions_show_what_they_say():
    explorer = two_levels.explore_shares()
    buttons = explorer.children[0].children[0].children[1:]
    names = ["No padding", "Padded", "The other axis", "With the mask"]
    assert [button.description for button in buttons] == names
    tallest, of_padding = [], []
    for button in buttons:
        button.click()
        tallest.append(heights(explorer, plots.REAL).max())
        of_padding.append(said(explorer.words)[1])
    assert of_padding == [0, pytest.approx(0.4, abs=0.05), 8, 0]
    assert tallest[1] < tallest[0] == pytest.approx(tallest[3], abs=1e-5)
    explorer.controls["way"].value = OVER_TIME
    assert said(explorer.words)[1] > 0.9


# --- exercises -------------------------------------------------------------------------------


def by_any(tokens):
    return (tokens != 0).any(axis=-1)


def by_sum(tokens):
    return tokens.sum(axis=2) > 0


def by_largest(tokens):
    return tokens.max(axis=-1).astype(bool)


def with_where(scores, mask):
    scores = np.where(mask, scores, -np.inf)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def with_product(scores, mask):
    largest = np.max(scores, axis=1, where=mask, initial=-np.inf, keepdims=True)
    powers = np.exp(np.minimum(scores - largest, 0)) * mask
    return powers / powers.sum(axis=1, keepdims=True)


def row_by_row(scores, mask):
    shares = np.zeros(scores.shape)
    for row, real, out in zip(scores, mask, shares, strict=True):
        powers = np.exp(row[real] - row[real].max())
        out[real] = powers / powers.sum()
    return shares


def plain(scores, mask):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def overflows(scores, mask):
    powers = np.exp(np.float32(3) * scores) * mask
    return powers / powers.sum(axis=1, keepdims=True)


def over_everything(scores, mask):
    scores = np.where(mask, scores, -np.inf)
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def over_timesteps(scores, mask):
    powers = np.exp(np.where(mask, scores, -np.inf))
    return powers / np.maximum(powers.sum(axis=0), 1e-9)


def largest_of_the_batch(scores, mask):
    scores = np.where(mask, scores, -np.inf)
    with np.errstate(invalid="ignore"):
        powers = np.exp(scores - scores.max())
        return powers / powers.sum(axis=1, keepdims=True)


def largest_of_the_padding(scores, mask):
    with np.errstate(invalid="ignore"):
        powers = np.exp(scores - scores.max(axis=1, keepdims=True)) * mask
        return powers / powers.sum(axis=1, keepdims=True)


class TestExercises(ExerciseTests):
    lesson = two_levels
    RIGHT = {"sentence_mask": (by_any,), "masked_softmax": (with_where,)}
    WRONG = [
        ("sentence_mask", (lambda tokens: tokens != 0,), "the mask of the words"),
        ("sentence_mask", (lambda tokens: (tokens != 0).any(axis=1),), "words are the last axis"),
        ("sentence_mask", (lambda tokens: tokens.any(),), "Over which axis? (batch, sentences) ="),
        ("sentence_mask", (lambda tokens: tokens.max(axis=-1),), "a mask is boolean"),
        ("sentence_mask", (lambda tokens: ~by_any(tokens),), "the other way round"),
        ("sentence_mask", (lambda tokens: tokens.all(axis=-1),), "sentences with padding in them"),
        ("sentence_mask", (lambda tokens: tokens[..., 0] != 0,), "the first word only"),
        ("sentence_mask", (lambda tokens: tokens.sum(axis=-1) > 99,), "some sentences are wrong"),
        ("masked_softmax", (lambda scores, mask: scores[0],), "One share for each score"),
        ("masked_softmax", (plain,), "the padding takes its share"),
        ("masked_softmax", (lambda s, m: plain(s, m) * m,), "do not add up to 1"),
        ("masked_softmax", (lambda s, m: plain(s * m, m),), "a score of 0 is not the lowest"),
        ("masked_softmax", (overflows,), "not those of e to the power of the score"),
        ("masked_softmax", (over_everything,), "not each row's. Over which axis?"),
        ("masked_softmax", (over_timesteps,), "Over which axis do you sum?"),
        ("masked_softmax", (largest_of_the_batch,), "a share is not finite"),
        ("masked_softmax", (largest_of_the_padding,), "a share is not finite"),
    ]

    @pytest.mark.parametrize("way", [by_sum, by_largest])
    def test_a_sentence_mask_may_be_found_in_other_ways(self, answered, way):
        assert answered(two_levels.check_sentence_mask, way) == (True, "Right.")

    @pytest.mark.parametrize("way", [with_product, row_by_row])
    def test_shares_may_be_found_in_other_ways(self, answered, way):
        assert answered(two_levels.check_masked_softmax, way) == (True, "Right.")

    def test_a_softmax_that_overflows_is_told_so(self, answered):
        def answer(scores, mask):
            powers = np.where(mask, np.exp(scores), 0)
            return powers / powers.sum(axis=1, keepdims=True)

        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            right, words = answered(two_levels.check_masked_softmax, answer)
        assert not right
        assert "with lengths of [2, 5, 3], a share is not finite" in words
