"""The lessons' sequences: two toy batches and two real data sets that ship with the package.

Sources and terms stand in `helpers/datasets/README.md`.
"""

from importlib.resources import files
from typing import NamedTuple

import numpy as np

_DATASETS = files("helpers") / "datasets"


class Sunspots(NamedTuple):
    """Yearly sunspot numbers: `years` (309,), `numbers` (309,)."""

    years: np.ndarray
    numbers: np.ndarray


class Utterances(NamedTuple):
    """Spoken vowels: `sequences`, a list of (frames, 12) arrays, and `speakers` (n,), 0 to 8."""

    sequences: list
    speakers: np.ndarray


class JapaneseVowels(NamedTuple):
    """The data set as its authors divided it: `train` (270) and `test` (370) utterances."""

    train: Utterances
    test: Utterances


def fixed_length_batch():
    """Return scenario 1's batch: 3 sequences of 10 timesteps and 5 features, float32."""
    return np.random.default_rng(1).normal(size=(3, 10, 5)).astype("float32")


def ragged_batch():
    """Return scenario 2's batch: sequences of 7, 12 and 4 timesteps with 3 features, float32."""
    rng = np.random.default_rng(2)
    return [rng.normal(size=(timesteps, 3)).astype("float32") for timesteps in (7, 12, 4)]


def load_sunspots():
    """Return the yearly sunspot numbers from 1700 to 2008.

    Source: National Geophysical Data Center; public domain.

    Examples
    --------
    >>> years, numbers = load_sunspots()
    >>> int(years[0]), float(numbers[0]), int(years[-1]), len(years)
    (1700, 5.0, 2008, 309)
    """
    with (_DATASETS / "sunspots.csv").open(encoding="utf-8") as lines:
        years, numbers = np.loadtxt(lines, delimiter=",", skiprows=1, unpack=True)
    return Sunspots(years.astype(int), numbers.astype("float32"))


def load_japanese_vowels():
    """Return 640 utterances of /ae/ by nine speakers, 12 LPC cepstrum coefficients a frame.

    Nine men said two Japanese vowels, one right after the other. A frame is 25.6 ms long, and a
    new one starts every 6.4 ms; utterances have 7 to 29 frames. Source: Kudo, Toyama, Shimbo
    (1999), UCI Machine Learning Repository, doi:10.24432/C5NS47, CC BY 4.0.

    Examples
    --------
    >>> vowels = load_japanese_vowels()
    >>> len(vowels.train.sequences), len(vowels.test.sequences), vowels.train.sequences[0].shape
    (270, 370, (20, 12))
    """
    with (_DATASETS / "japanese_vowels.npz").open("rb") as file:
        stored = np.load(file, allow_pickle=False)
        values, lengths = stored["values"], stored["lengths"]
        speaker, is_train = stored["speaker"].astype(int) - 1, stored["is_train"].astype(bool)
    sequences = np.split(values, np.cumsum(lengths)[:-1])

    def utterances(part):
        return Utterances([sequences[i] for i in np.flatnonzero(part)], speaker[part])

    return JapaneseVowels(utterances(is_train), utterances(~is_train))
