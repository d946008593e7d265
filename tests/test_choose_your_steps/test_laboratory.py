"""Window lengths are trained under a slider and judged; what goes wrong is said."""

import _thread
import re
import threading
from functools import partial

import numpy as np
import pytest

from helpers.lessons.choose_your_steps import explore_scenarios, laboratory, scenarios
from helpers.lessons.choose_your_steps.advice import table_rows
from helpers.lessons.choose_your_steps.scenarios import Scenario, forecast_task
from helpers.models import build_rnn


@pytest.fixture(scope="module")
def task():
    return forecast_task([np.sin(np.arange(60.0))[:, None]])


@pytest.fixture
def lab(monkeypatch, task):
    """A laboratory that trains for two epochs."""
    for module in (scenarios, laboratory):
        monkeypatch.setattr(module, "build_rnn", partial(build_rnn, cell="simple_rnn"))
    monkeypatch.setattr(scenarios, "EPOCHS", 2)
    monkeypatch.setattr(scenarios, "UPDATES", 1)
    monkeypatch.setattr(scenarios, "epoch_mebibytes", lambda *args, **options: 1.25)
    lab = explore_scenarios(task, unit="tide", units=1)
    lab.controls["steps"].value = 3
    return lab


@pytest.fixture
def trained(monkeypatch, lab):
    """A function that gives the laboratory trained, with errors that are made up."""

    def trained(steps, errors):
        def measure(task, training, *, carry, seeds, report):
            return Scenario(steps, carry, errors * np.ones((2, 8)), 0.5, 2.0, 20, [])

        monkeypatch.setattr(laboratory, "measure_scenario", measure)
        lab.train([steps])
        lab.trainer.wait()
        return lab

    return trained


def status(lab):
    _, _, status = lab.trainer.children
    return status.value


def test_at_first_nothing_is_measured_but_copying(lab):
    assert "steps = 3: error not measured yet, press Train" in lab.words
    assert re.search(r"Copying the last value: 0\.\d+\.", lab.words)
    assert lab.steps == []


def test_training_measures_every_length_carried_and_reset(lab):
    before = lab.picture.value
    lab.train([5, 3, 500])  # 500 is longer than the rows are
    lab.trainer.wait()
    assert "Done." in status(lab)
    assert lab.steps == [3, 5]
    found = {(s.steps, s.carry): s for s in lab.comparison.scenarios}
    assert set(found) == {(n, carry) for n in (3, 5) for carry in (True, False)}
    error = np.sqrt(np.average(found[3, True].errors, axis=1, weights=lab.comparison.sizes)).mean()
    assert f"steps = 3: error {error:.3f} with state carried" in lab.words
    assert lab.recommend()[0].says in lab.words
    assert lab.picture.value != before
    _, bar, _ = lab.trainer.children
    assert bar.value == 1.0
    assert lab.children[-1].value.count("<tr>") == 1 + 4 + 1
    assert lab.table().count("\n") == 5
    assert np.array_equal(lab.model(3).get_weights()[0], found[3, True].weights[0])


def test_training_once_more_adds_a_seed(lab):
    button, *_ = lab.trainer.children
    for _ in range(2):
        button.click()
        lab.trainer.wait()
    assert [len(s.errors) for s in lab.comparison.scenarios] == [3, 3]


def test_training_can_be_stopped_and_what_was_measured_stays(lab, monkeypatch):
    lab.train([5])
    lab.trainer.wait()
    monkeypatch.setattr(scenarios, "EPOCHS", 1_000_000)
    button, *_ = lab.trainer.children
    button.click()
    lab.train([7])  # does nothing while it trains
    button.click()
    lab.trainer.wait()
    assert lab.steps == [5]
    assert "Stopped." in status(lab)


def test_interrupting_the_kernel_stops_training(lab, monkeypatch):
    monkeypatch.setattr(scenarios, "EPOCHS", 1_000_000)
    lab.train([3])
    threading.Timer(1.0, _thread.interrupt_main).start()  # as a signal does it
    lab.trainer.wait()
    assert "Stopped." in status(lab)
    assert lab.steps == []


def test_an_error_in_the_thread_is_shown(lab, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("no more <memory>")

    monkeypatch.setattr(scenarios, "train_windows", fail)
    lab.train([3])
    lab.trainer.wait()
    assert "RuntimeError: no more &lt;memory&gt;" in status(lab)


def test_the_slider_reads_what_was_kept(trained):
    lab = trained(7, 0.04)
    lab.controls["steps"].value = 7
    assert "steps = 7: error 0.200 with state carried and 0.200 with state reset" in lab.words
    assert "An epoch takes 0.5000 s and 2.00 MiB." in lab.words
    assert "Use windows of 7 timesteps, and reset the state" in lab.words


def test_the_error_of_two_seeds_is_the_same_in_the_table_the_advice_and_the_explorer(trained):
    lab = trained(3, np.array([[0.04], [0.36]]))  # roots: 0.2 and 0.6
    lines = lab.figure.axes[0].lines
    assert [0.4] in [np.round(line.get_ydata(), 9).tolist() for line in lines]
    assert "steps = 3: error 0.400 with state carried" in lab.words
    assert table_rows(lab.comparison)[1][:3] == ("3", "reset", "0.400")
    assert "0.400 (steps = 3, state carried)" in lab.recommend()[0].evidence


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda task: explore_scenarios([1]), TypeError, "`task` must be a Task"),
        (lambda task: explore_scenarios(task, effort=0), ValueError, "`effort` must be"),
        (lambda task: explore_scenarios(task, units=0), ValueError, "`units` must be"),
        (lambda task: explore_scenarios(task).train([]), ValueError, "`steps` must hold"),
        (lambda task: explore_scenarios(task).train([0]), ValueError, "`steps` must be at least 1"),
        (lambda task: explore_scenarios(task).model(3), ValueError, "one of those measured: []"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, error, words, task, assert_refused):
    assert_refused(lambda: call(task), error, words)
