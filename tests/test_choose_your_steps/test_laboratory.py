"""Window lengths are trained under a slider and judged; nothing that was measured is lost."""

import threading

import numpy as np
import pytest

from helpers.lessons.choose_your_steps import comparison, explore_steps
from helpers.lessons.choose_your_steps.comparison import CARRIED, CUT, OVERLAPPING, Scenario
from helpers.lessons.choose_your_steps.task import forecast_task


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    series = 50 + 10 * np.sin(np.arange(200) / 3) + rng.normal(size=200)
    return forecast_task([series[:, None]])


@pytest.fixture
def lab(monkeypatch, task):
    """A laboratory whose trainings take no time: carried errors are 0.5, cut 2, overlapping 0.6."""
    lab = explore_steps(task, unit="tides")

    def measure(task, model, steps, way, report):
        lab.trained.append((steps, way))
        if report(0.5, f"steps = {steps}"):
            return []
        ways = {CARRIED: [CARRIED], CUT: [CUT, OVERLAPPING]}[way]
        shares = {CARRIED: 0.5, CUT: 2.0, OVERLAPPING: 0.6}
        errors = {each: shares[each] * np.ones((3, 8)) for each in ways}
        weights = [model.get_weights()] * 3
        return [Scenario(steps, each, errors[each], [3.0, 1.25], [4], weights) for each in ways]

    lab.trained = []
    monkeypatch.setattr(comparison, "measure", measure)
    return lab


def train(lab, *steps):
    lab.train(list(steps))
    lab.trainer.wait()
    return lab


def test_at_first_it_knows_the_best_baseline(lab):
    assert "steps = 1: not measured yet, press Train" in lab.words
    assert "Best baseline (a linear regression on the last" in lab.words
    assert lab.words.endswith(" tides.")
    for call in (lab.advise, lab.open_last_part, lab.train_on_all):
        with pytest.raises(ValueError, match=r"`lab` must have measured .*Press Train"):
            call()


@pytest.mark.parametrize(
    "unit", [np.ones((4, 3, 5, 1)), "tides a\nday " * 50], ids=["array", "long"]
)
def test_a_unit_leaves_room_for_the_picture(task, unit):
    label = explore_steps(task, unit=unit).figure.axes[0].get_ylabel()
    assert len(label) < 80
    assert "\n" not in label


def test_each_length_is_measured_carried_and_reset_and_asked_in_three_ways(lab, shown, capsys):
    before, *_ = shown(lab)
    train(lab, 4, 1, 500)  # 500 is longer than what there is to train on
    assert capsys.readouterr().out == "Left out, for 95 is the longest here: [500].\n"
    assert lab.trained == [(4, CARRIED), (4, CUT), (1, CARRIED), (1, CUT)]
    png, alt, said, words = shown(lab)
    assert png != before
    assert alt == said == words
    assert words.startswith(
        "steps = 1: carried 0.707; reset, cut 1.41; reset, overlapping 0.775. Best baseline (a"
    )
    assert lab.advise().startswith(
        "Use windows of 1, carried, which misses by 0.707.\nThat is clearly better than a linear"
    )


def test_a_length_is_not_trained_again(lab):
    train(train(lab, 4), 4, 4, 2)
    assert lab.trained == [(4, CARRIED), (4, CUT), (2, CARRIED), (2, CUT)]


def test_the_button_trains_the_length_of_the_slider(lab):
    lab.controls["steps"].value = 3
    lab.trainer.children[0].click()
    lab.trainer.wait()
    assert lab.trained == [(3, CARRIED), (3, CUT)]


def test_stop_keeps_what_was_measured_and_train_goes_on_from_there(lab, monkeypatch):
    measure, began, go_on = comparison.measure, threading.Event(), threading.Event()

    def slow(task, model, steps, way, report):
        if (steps, way) == (4, CUT):
            began.set()
            go_on.wait(10)
        return measure(task, model, steps, way, report)

    monkeypatch.setattr(comparison, "measure", slow)
    lab.train([1, 4, 16])
    assert began.wait(10)
    lab.trainer.stop()
    go_on.set()
    lab.trainer.wait()
    assert "Stopped." in lab.trainer.children[2].value
    assert [(s.steps, s.way) for s in lab.comparison.scenarios] == [
        (1, CARRIED),
        (1, CUT),
        (1, OVERLAPPING),
        (4, CARRIED),
    ]
    assert "Use windows of 1" in lab.advise()
    train(lab, 1, 4, 16)
    assert lab.trained[-3:] == [(4, CUT), (16, CARRIED), (16, CUT)]


def test_the_table_has_baselines_first(lab, task):
    table = train(lab, 4).table()
    n = len(task.baselines)
    assert list(table["steps"]) == [*task.baselines, 4, 4, 4]
    assert list(table["asked"][n:]) == [CARRIED, CUT, OVERLAPPING]
    assert list(table["typical miss"][n:]) == ["0.707", "1.41", "0.775"]
    assert list(table["by seed"][n:]) == ["0.707 to 0.707", "1.41 to 1.41", "0.775 to 0.775"]
    assert set(table["seconds in all"][n:]) == {"4.2"}


def test_the_advice_rests_on_blocks_and_a_standard_error(lab):
    lines = train(lab, 4).advise().splitlines()
    assert lines[0].startswith("Use windows of 4, carried")
    assert lines[3].startswith("windows of 4, carried, against a linear regression")
    assert len(lines[5].split(" by ")[1].split(", ")) == 8
    blocks = [float(each) for each in lines[5].split(" by ")[1].split(", ")]
    error = float(lines[6].split(": ")[1])
    assert np.isclose(np.std(blocks, ddof=1) / np.sqrt(8), error, rtol=0.02)
    assert np.isclose(float(lines[7].split()[3]), np.mean(blocks) / error, atol=0.06)


def test_without_a_clear_difference_the_baseline_is_recommended(lab, monkeypatch):
    monkeypatch.setattr(comparison, "choose", lambda found: None)
    train(lab, 4, 16)
    assert lab.advise().startswith("Use a linear regression on the last")
    assert "is better has not been shown." in lab.advise()
    assert (lab.chosen.steps, lab.chosen.way) == (4, CARRIED)  # the lowest error


def test_where_every_model_is_worse_it_says_so(lab, monkeypatch):
    monkeypatch.setattr(lab, "_baselines", {"copying": 0.1 * np.arange(1, 9)})
    train(lab, 4)
    assert (
        "Use copying, which typically misses by 0.671 tides.\nNo model misses by less"
        in lab.advise()
    )


def test_the_last_part_is_opened_for_the_chosen_scenario_only(lab, task):
    found = train(lab, 4).open_last_part()
    assert list(found.columns) == ["part for comparing", "last part"]
    assert list(found.index[1:]) == ["windows of 4, carried"]
    assert found.iloc[1, 0] == "0.707"
    series = np.array(task.values[0])
    series[task.cuts[0][3] :] += 100
    other = explore_steps(forecast_task([series[:, None]]))
    other._measured = lab._measured
    changed = other.open_last_part()
    assert list(changed.iloc[:, 0]) == list(found.iloc[:, 0])
    assert (changed.iloc[:, 1] != found.iloc[:, 1]).all()
    assert (other.table() == lab.table()).all(axis=None)
    assert other.advise().splitlines()[2:] == lab.advise().splitlines()[2:]


def test_the_positions_set_the_slider(lab):
    buttons = lab.children[0].children[0].children[1:]
    assert [b.description for b in buttons] == [f"windows of {n}" for n in (1, 4, 16, 64)]
    for button, steps in zip(buttons, (1, 4, 16, 64), strict=True):
        button.click()
        assert lab.controls["steps"].value == steps
        assert lab.words.startswith(f"steps = {steps}:")


def test_a_training_that_went_astray_is_said_and_not_drawn(lab, monkeypatch):
    lost = Scenario(4, CARRIED, np.full((3, 8), np.nan), [1.0], [1], [])
    monkeypatch.setattr(comparison, "measure", lambda *_: [lost])
    train(lab, 4)
    lab.controls["steps"].value = 4
    assert "carried nan" in lab.words
    with pytest.raises(ValueError, match="must have measured"):
        lab.advise()


def test_lengths_that_are_none_are_refused(lab, assert_refused, bad_number):
    number, kind, *words = bad_number
    assert_refused(lambda: lab.train([number]), kind, *words)
    assert_refused(lambda: lab.train(4), TypeError, "`steps`")
