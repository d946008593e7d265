"""The lessons' sequences are what their sources say."""

import numpy as np

from helpers.data import fixed_length_batch, load_japanese_vowels, load_sunspots, ragged_batch


def test_the_toy_batches_have_the_scenarios_shapes():
    assert fixed_length_batch().shape == (3, 10, 5)
    assert [sequence.shape for sequence in ragged_batch()] == [(7, 3), (12, 3), (4, 3)]


def test_the_toy_batches_are_the_same_every_time():
    np.testing.assert_array_equal(fixed_length_batch(), fixed_length_batch())
    for first, second in zip(ragged_batch(), ragged_batch(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_sunspots_run_year_after_year_from_1700_to_2008():
    years, numbers = load_sunspots()
    np.testing.assert_array_equal(years, np.arange(1700, 2009))
    assert numbers.shape == (309,)
    assert np.isfinite(numbers).all()
    assert numbers.min() >= 0
    assert numbers[years == 1957] == np.float32(190.2)  # the highest of them all


def test_the_vowels_are_divided_as_their_authors_did():
    train, test = load_japanese_vowels()
    assert [len(part.sequences) for part in (train, test)] == [270, 370]
    assert [len(part.speakers) for part in (train, test)] == [270, 370]
    assert np.bincount(train.speakers).tolist() == [30] * 9
    assert set(test.speakers) == set(range(9))


def test_the_vowels_have_7_to_29_frames_of_12_coefficients():
    train, test = load_japanese_vowels()
    sequences = [*train.sequences, *test.sequences]
    lengths = [len(sequence) for sequence in sequences]
    assert (min(lengths), max(lengths), sum(lengths)) == (7, 29, 9961)
    assert {sequence.shape[1] for sequence in sequences} == {12}
    assert all(np.isfinite(sequence).all() for sequence in sequences)
