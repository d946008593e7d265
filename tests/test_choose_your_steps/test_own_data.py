"""A learner's own file is seen; what goes wrong is said."""

import base64
import re
import time

import ipywidgets as widgets
import numpy as np
import pytest
from matplotlib import pyplot as plt

from helpers.lessons.choose_your_steps import explore_autocorrelation, explore_own_data

LONG = "station,day,rain,wind\n" + "".join(
    f"{name},{day},{day % 4 + 0.5},{len(name) * day % 7}\n"
    for name, days in (("north", 30), ("south", 20), ("by <the> sea", 25))
    for day in range(days)
)


def shown(explorer):
    bundle = explorer._repr_mimebundle_()
    return base64.b64decode(bundle["image/png"]), bundle["text/plain"]


def found(box, kind):
    """All widgets of a kind inside a box."""
    inside = [w for child in getattr(box, "children", ()) for w in found(child, kind)]
    return ([box] if isinstance(box, kind) else []) + inside


@pytest.fixture
def own():
    return explore_own_data()


@pytest.fixture
def long_file(tmp_path):
    file = tmp_path / "long.csv"
    file.write_text(LONG)
    return file


def status(own):
    return found(own, widgets.HTML)[0].value


def control(own, name):
    (one,) = [
        w
        for kind in (widgets.Dropdown, widgets.SelectMultiple, widgets.Text, widgets.Checkbox)
        for w in found(own, kind)
        if w.description == name
    ]
    return one


def test_the_sunspots_are_there_at_first_with_a_picture_and_words(own):
    png, words = shown(own)
    assert png.startswith(b"\x89PNG")
    assert words == own.words
    assert "One series of 309 timesteps" in words
    assert (own.name, own.unit, own.lengths) == ("Sunspots", "sunspots", [309])
    assert len(own.task.train[0]) == 186


def test_the_vowels_are_there_too(own):
    control(own, "data").value = "Japanese vowels"
    assert len(own.sequences) == 640
    assert own.sequences[0].shape == (20, 12)
    assert "640 sequences of 7 to 29 timesteps" in own.words
    control(own, "data").value = "Sunspots"
    assert own.lengths == [309]


def test_a_path_leads_to_sequences_and_their_columns_can_be_chosen(own, long_file):
    control(own, "or its path").value = str(long_file)
    assert own.name == "long.csv"
    assert own.lengths == [30, 20, 25]
    assert own.features == ["rain", "wind"]
    assert (control(own, "sequence").value, control(own, "time").value) == ("station", "day")
    control(own, "forecast").value = "wind"
    assert (own.unit, own.target) == ("wind", 1)
    control(own, "features").value = ("wind",)
    assert (own.features, own.target) == (["wind"], 0)
    control(own, "sequence").value = "(none)"
    assert own.lengths == [75]


def test_a_file_can_be_uploaded(own):
    (upload,) = found(own, widgets.FileUpload)
    upload.value = (
        {
            "name": "up.csv",
            "type": "text/csv",
            "size": len(LONG),
            "content": memoryview(LONG.encode()),
            "last_modified": np.datetime64("2024-01-01T00:00:00").item(),
        },
    )
    assert own.name == "up.csv"
    assert own.lengths == [30, 20, 25]


def test_one_goes_back_from_the_sunspots_to_the_file(own, long_file):
    own.read(long_file)
    control(own, "data").value = "Sunspots"
    assert own.lengths == [309]
    control(own, "data").value = "long.csv"
    assert own.lengths == [30, 20, 25]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"x,y\n1,2\n", "a single row, in line 2"),
        (b"day,x\n1,2\n2,<b>two</b>\n3,4\n", "in line 3"),
        (b"day,x\n1,2\n2,\n3,4\n", "a gap in line 3"),
        (b"x\n" + b"1\n" * 50, "`target` must be a feature that changes"),
        (b"x\n" + b"1\n2\n" * 3, "at least 20 timesteps"),
        (b"\x80\x04\x95", "binary data"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_data_stay(own, tmp_path, content, words):
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    control(own, "or its path").value = str(file)
    said = re.sub("<[^>]+>", "", status(own))
    assert words in said
    assert "Below is still: Sunspots." in said
    assert 'role="alert"' in status(own)
    assert "<b>two" not in status(own)
    assert own.lengths == [309]


def test_gaps_are_filled_when_the_box_is_ticked(own, tmp_path):
    file = tmp_path / "gaps.csv"
    file.write_text("day,x\n" + "".join(f"{n},{n % 5 if n != 7 else ''}\n" for n in range(40)))
    control(own, "or its path").value = str(file)
    assert "a gap in line 9" in status(own)
    control(own, "fill gaps with the value before").value = True
    assert own.name == "gaps.csv"
    assert own.sequences[0][7, 0] == 1
    assert "Gaps filled with the value before: 1." in status(own)


def test_the_slider_shows_another_part_or_another_sequence(own, long_file):
    for words in ("From timestep 100", "Sequence 2 (by <the> sea)"):
        before = shown(own)
        (slider,) = found(own, widgets.IntSlider)
        slider.value = 100 if "100" in words else 2
        assert words in own.words
        assert all(now != then for now, then in zip(shown(own), before, strict=True))
        own.read(long_file)


def test_an_excerpt_is_small(own):
    control(own, "data").value = "Japanese vowels"
    assert [len(sequence) for sequence in own.excerpt()] == own.lengths[:8]
    control(own, "data").value = "Sunspots"
    (few,) = own.excerpt()
    assert np.array_equal(few, own.sequences[0][:60])


def test_names_of_columns_are_no_formulas(own, tmp_path):
    file = tmp_path / "dollars.csv"
    rows = "".join(f"{n % 5}\n" for n in range(40))
    file.write_text("a $\\frac$ b" + " long" * 20 + "\n" + rows)
    own.read(file)
    assert own.unit in own.words


def test_200_000_rows_are_shown_at_once(own, tmp_path):
    file = tmp_path / "long_series.csv"
    file.write_text("n,x\n" + "".join(f"{n},{np.sin(n / 50):.4f}\n" for n in range(200_000)))
    own.read(file)
    (slider,) = found(own, widgets.IntSlider)
    explorer = explore_autocorrelation(own.sequences, unit=own.unit)
    start = time.perf_counter()
    slider.value = 1000
    explorer.controls["lag"].value = 100
    assert time.perf_counter() - start < 3  # a bound against drawing every point
    assert sum(map(len, own.task.train)) < 9000
    assert "200,000 timesteps" in own.words


# --- autocorrelation -------------------------------------------------------------------------


def test_the_distance_moves_the_picture_and_the_words():
    series = np.sin(np.arange(60) * 2 * np.pi / 10)[:, None]
    explorer = explore_autocorrelation([series], unit="tide")
    explorer.controls["lag"].value = 5
    assert "tide, 5 timesteps apart: autocorrelation -1.0" in explorer.words
    assert "a low one" in explorer.words
    before = shown(explorer)
    explorer.controls["lag"].value = 10
    assert "autocorrelation 1.0" in explorer.words
    assert "50 pairs" in explorer.words
    assert all(now != then for now, then in zip(shown(explorer), before, strict=True))
    assert plt.get_fignums() == []


def test_a_feature_that_is_not_there_has_no_autocorrelation(assert_refused):
    series = [np.arange(60.0)[:, None]]
    words = "`target` must be between 0 and 0"
    assert_refused(lambda: explore_autocorrelation(series, target=1), ValueError, words)
