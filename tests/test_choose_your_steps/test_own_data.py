"""A learner's own file is seen, trained on and judged; what goes wrong is said."""

import _thread
import base64
import re
import threading
import time
from functools import partial

import ipywidgets as widgets
import numpy as np
import pytest
from matplotlib import pyplot as plt

from helpers import models, scenarios
from helpers.explorers import explore_autocorrelation, explore_own_data, explore_scenarios
from helpers.plots import series as series_plots
from helpers.scenarios import Scenario, forecast_task

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


# --- one's own data --------------------------------------------------------------------------


@pytest.fixture
def own():
    return explore_own_data()


@pytest.fixture
def long_file(tmp_path):
    file = tmp_path / "long.csv"
    file.write_text(LONG)
    return file


def status(own):
    return own._status.value


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


def test_a_file_can_be_given_at_once(long_file, assert_refused):
    assert explore_own_data(long_file).lengths == [30, 20, 25]
    assert_refused(lambda: explore_own_data("nowhere.csv"), ValueError, "`path` must lead")


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
    few = own.excerpt(sequences=3, timesteps=10)
    assert [len(sequence) for sequence in few] == [10, 10, 10]
    assert np.array_equal(few[1], own.sequences[1][:10])


def test_names_of_columns_are_no_formulas(own, tmp_path):
    file = tmp_path / "dollars.csv"
    rows = "".join(f"{n % 5}\n" for n in range(40))
    file.write_text("a $\\frac$ b" + " long" * 20 + "\n" + rows)
    own.read(file)
    assert own.unit in own.words
    assert series_plots.plain("$x$") == r"\$x\$"


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
    explorer = explore_autocorrelation([series], unit="tide", lag=5)
    assert "tide, 5 timesteps apart: autocorrelation -1.0" in explorer.words
    assert "a low one" in explorer.words
    before = shown(explorer)
    explorer.controls["lag"].value = 10
    assert "autocorrelation 1.0" in explorer.words
    assert "50 pairs" in explorer.words
    assert all(now != then for now, then in zip(shown(explorer), before, strict=True))
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": 1}, "`target` must be between 0 and 0"),
        ({"lag": 40}, "`distance` must be between 1 and 30"),
        ({"most": 0}, "`most` must be at least 1"),
    ],
)
def test_what_has_no_autocorrelation_is_refused(options, words, assert_refused):
    series = [np.arange(60.0)[:, None]]
    assert_refused(lambda: explore_autocorrelation(series, **options), ValueError, words)


# --- pictures --------------------------------------------------------------------------------


def lines_of(ax):
    return [line for line in ax.get_lines() if line.get_gid() == "helpers"]


def test_a_long_series_is_drawn_as_the_band_that_it_fills():
    values = np.random.default_rng(0).normal(size=100_000)
    values[77_777] = 50.0
    ax = series_plots.plot_series(values)
    (band,) = ax.collections
    (path,) = band.get_paths()
    assert path.vertices[:, 1].max() == 50.0  # no peak is lost
    assert len(path.vertices) < 5000


def test_a_short_series_is_drawn_as_it_is_with_its_test_part():
    ax = series_plots.plot_series(np.arange(10.0), start=5, split=12)
    line, border = lines_of(ax)
    assert line.get_xydata().tolist() == [[5.0 + n, n] for n in range(10)]
    assert border.get_xdata()[0] == 11.5


def test_scenarios_are_drawn_with_their_means_spans_and_the_line_to_beat():
    errors = {16: np.array([2.0, 4.0]), 1: np.array([8.0, 8.0]), 4: np.array([np.inf, 1.0])}
    ax = series_plots.plot_scenarios(
        errors, {}, ylabel="error", longest=100, steps=4, copying=5.0, chosen=(16, 3.0)
    )
    carried, copying, ring, slider = lines_of(ax)
    assert carried.get_xydata().tolist() == [[1, 8], [16, 3]]
    assert list(copying.get_ydata()) == [5.0, 5.0]
    assert ring.get_xydata().tolist() == [[16, 3]]
    assert list(slider.get_xdata()) == [4, 4]
    assert {tuple(segment[:, 1]) for segment in ax.collections[0].get_segments()} == {
        (8.0, 8.0),
        (2.0, 4.0),
    }


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: series_plots.plot_series(np.arange(9.0), ax=ax),
        lambda ax: series_plots.plot_autocorrelation(np.array([1.0, 0.5]), 1, ax=ax),
        lambda ax: series_plots.plot_pairs(np.arange(9.0), np.arange(9.0), ax=ax),
        lambda ax: series_plots.plot_scenarios(
            {1: np.ones(2)}, {}, ylabel="error", longest=9, copying=1.0, ax=ax
        ),
    ],
)
def test_drawing_again_replaces_the_first_drawing(draw):
    ax = draw(None)
    before = len(ax.figure.findobj())
    assert draw(ax) is ax
    assert len(ax.figure.findobj()) == before


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: series_plots.plot_series(np.ones((2, 2))), "`values` must have 1 axes"),
        (lambda: series_plots.plot_series([np.nan]), "finite numbers"),
        (lambda: series_plots.plot_autocorrelation([1.0], 1), "`lag` must be between 0 and 0"),
        (lambda: series_plots.plot_pairs([1.0], [1.0, 2.0]), "`after` must have the 1 values"),
        (
            lambda: series_plots.plot_scenarios({}, {}, ylabel="", longest=0),
            "`longest` must be at least 1",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, words, assert_refused):
    assert_refused(call, ValueError, words)


# --- scenarios -------------------------------------------------------------------------------


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr(models, "build_rnn", partial(models.build_rnn, cell="simple_rnn"))
    monkeypatch.setattr(scenarios, "EPOCHS", 2)
    monkeypatch.setattr(scenarios, "UPDATES", 1)
    monkeypatch.setattr("helpers.training.epoch_mebibytes", lambda *args, **options: 1.25)
    task = forecast_task([np.sin(np.arange(60.0))[:, None]])
    return explore_scenarios(task, unit="tide", units=1, steps=3)


def buttons(lab):
    train, stop = found(lab, widgets.Button)
    assert (train.description, stop.description) == ("Train", "Stop")
    return train, stop


def test_at_first_nothing_is_measured_but_copying(lab):
    assert "steps = 3: error not measured yet, press Train" in lab.words
    assert re.search(r"Copying the last value: 0\.\d+\.", lab.words)
    assert lab.steps == []


def test_training_measures_every_length_carried_and_reset(lab):
    before = shown(lab)
    lab.train([5, 3, 500])  # 500 is longer than the rows are
    lab.wait()
    assert lab.steps == [3, 5]
    assert {(s.steps, s.carry) for s in lab.comparison.scenarios} == {
        (n, carry) for n in (3, 5) for carry in (True, False)
    }
    carried = lab._measured[3, True]
    error = np.sqrt(np.average(carried.errors, axis=1, weights=lab.comparison.sizes)).mean()
    assert f"steps = 3: error {error:.3f} with state carried" in lab.words
    assert lab.recommend()[0].says in lab.words
    assert all(now != then for now, then in zip(shown(lab), before, strict=True))
    assert "Done." in found(lab.progress, widgets.HTML)[0].value
    assert found(lab, widgets.FloatProgress)[0].value == pytest.approx(1.0)
    (table,) = [html.value for html in found(lab, widgets.HTML) if "<table" in html.value]
    assert table.count("<tr>") == 1 + 4 + 1
    assert lab.table().count("\n") == 5
    model = lab.model(3)
    assert np.array_equal(model.get_weights()[0], carried.weights[0])
    # once more: another seed
    train, _ = buttons(lab)
    train.click()
    lab.wait()
    assert [len(lab._measured[n, True].errors) for n in (3, 5)] == [3, 2]


def test_training_can_be_stopped_and_what_was_measured_stays(lab, monkeypatch):
    train, stop = buttons(lab)
    assert stop.disabled
    monkeypatch.setattr(scenarios, "EPOCHS", 1_000_000)
    train.click()
    assert train.disabled
    assert not stop.disabled
    train.click()  # does nothing while it trains
    stop.click()
    lab.wait()
    assert lab.steps == []
    assert "Stopped." in found(lab.progress, widgets.HTML)[0].value
    assert (train.disabled, stop.disabled) == (False, True)


def test_interrupting_the_kernel_stops_training(lab, monkeypatch):
    monkeypatch.setattr(scenarios, "EPOCHS", 1_000_000)
    lab.train([3])
    threading.Timer(1.0, _thread.interrupt_main).start()  # as a signal does it
    lab.wait()
    assert "Stopped." in found(lab.progress, widgets.HTML)[0].value
    assert lab.steps == []
    assert not buttons(lab)[0].disabled
    lab.wait()  # there is nothing to wait for


def test_an_error_in_the_thread_is_shown(lab, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("no more <memory>")

    monkeypatch.setattr("helpers.training.train_windows", fail)
    lab.train([3])
    lab.wait()
    assert "RuntimeError: no more &lt;memory&gt;" in found(lab.progress, widgets.HTML)[0].value
    assert not buttons(lab)[0].disabled


def test_the_slider_reads_what_was_kept(lab):
    errors = np.full((2, len(lab.comparison.sizes)), 0.04)
    for carry in (True, False):
        lab._keep(Scenario(7, carry, errors, 0.5, 2.0, 20, []))
    lab.controls["steps"].value = 7
    assert "steps = 7: error 0.200 with state carried and 0.200 with state reset" in lab.words
    assert "An epoch takes 0.5000 s and 2.00 MiB." in lab.words
    assert "Use windows of 7 timesteps, and reset the state" in lab.words


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda task: explore_scenarios([1]), TypeError, "`task` must be a Task"),
        (lambda task: explore_scenarios(task, steps=0), ValueError, "`steps` must be between 1"),
        (lambda task: explore_scenarios(task, effort=0), ValueError, "`effort` must be"),
        (lambda task: explore_scenarios(task, units=0), ValueError, "`units` must be"),
        (lambda task: explore_scenarios(task).train([]), ValueError, "`steps` must hold"),
        (lambda task: explore_scenarios(task).train([0]), ValueError, "`steps` must be at least 1"),
        (lambda task: explore_scenarios(task).model(3), ValueError, "one of those measured: []"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, error, words, assert_refused):
    task = forecast_task([np.sin(np.arange(60.0))[:, None]])
    assert_refused(lambda: call(task), error, words)
