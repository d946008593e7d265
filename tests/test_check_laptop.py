"""The check of a laptop says one thing for each that is missing, and stops at none of them."""

import pytest

from tools import check_laptop
from tools.check_laptop import check_disk, check_memory, check_offline_start, check_python, main


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 9)])
def test_a_python_that_the_package_allows_is_right(version):
    assert check_python(version) == ""


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 14, 0)])
def test_another_python_is_named_with_the_way_out(version):
    assert f"Python 3.{version[1]} is here" in check_python(version)
    assert "make lab PYTHON=" in check_python(version)


@pytest.mark.parametrize(("check", "what"), [(check_memory, "memory"), (check_disk, "disk")])
def test_too_little_room_is_said_with_how_much_there_is(check, what):
    assert check(100.0) == ""
    assert f"0.3 GiB of {what} are free" in check(0.3)


def test_a_lesson_starts_without_network():
    assert check_offline_start() == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import socket; socket.create_connection(('203.0.113.1', 80), 1)", "asks the network"),
        ("import urllib.request as u; u.urlopen('http://lessons.invalid/')", "asks the network"),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("import os; os._exit(9)", "it ended with 9"),
    ],
)
def test_what_does_not_start_without_network_is_said_in_one_line(source, said):
    wrong = check_offline_start(source)
    assert said in wrong
    assert "\n" not in wrong


def test_each_check_has_one_line_and_one_that_fails_stops_no_other(capsys):
    def fails():
        raise RuntimeError("a fault\nof two lines")

    assert main({"A": lambda: "", "B": fails, "C": lambda: "Buy one.", "D": lambda: None}) == 1
    _, *lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "✔  A"
    assert lines[1] == "✘  B: This could not be tried: a fault"
    assert lines[2] == "✘  C: Buy one."
    assert lines[3].startswith("–  D: not tried")
    assert lines[4:] == ["2 to put right."]


def test_without_a_browser_the_slider_is_not_tried(monkeypatch):
    monkeypatch.setattr("tools.lab.CHROMIUM", None)
    assert check_laptop.check_slider() is None
