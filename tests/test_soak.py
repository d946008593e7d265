"""Fifty random moves of each explorer, the same in every run: ``make soak`` makes 2,000."""

import ipywidgets as widgets
import numpy as np
import pytest

from tools import fuzz, soak

MOVES = {"explore_layers": 10, "explore_gradient": 20}  # each new pick builds a model


@pytest.fixture(scope="module")
def world():
    return soak.soak_world()


@pytest.mark.parametrize("name", soak.EXPLORERS)
def test_an_explorer_can_be_moved_at_random(world, name):
    rng, moves = np.random.default_rng(50), MOVES.get(name, 50)
    assert soak.soak_one(soak.EXPLORERS[name], world, rng, moves) == (moves, "")


def test_every_explorer_is_moved():
    names = {name.rpartition(".")[2] for name in fuzz.doors()}
    assert {name for name in names if name.startswith("explore_")} == set(soak.EXPLORERS)


def _spoil_picture(explorer):
    explorer.picture.value = explorer.picture.value.replace('alt="', 'alt="not ')


def _spoil_readout(explorer):
    explorer._readout.value = ""


def _remember(explorer):
    explorer.words += " again"
    explorer.picture.value = explorer.picture.value.replace('" src', ' again" src')
    explorer._readout.value += " again"


def _raise(explorer):
    raise ValueError("cannot be drawn")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_spoil_picture, "alt text"),
        (_spoil_readout, "readout"),
        (_remember, "a new explorer shows something else"),
        (_raise, "cannot be drawn"),
    ],
)
def test_what_is_wrong_is_found(world, spoil, words):
    made = []

    def make():
        explorer = eval(soak.EXPLORERS["explore_windows"], world)
        if not made:  # the fresh one is as it should be
            made.append(explorer)
            steps = explorer.controls["steps"]
            steps.observe(lambda change: spoil(explorer), "value")
        return explorer

    found = soak.soak_one("make()", {"make": make}, np.random.default_rng(0), 5)
    assert words in found[1]


def test_a_move_reaches_every_control_and_button(world):
    explorer = eval(soak.EXPLORERS["explore_split"], world)
    rng = np.random.default_rng(0)
    moves = {soak.move(explorer, rng).split(" =")[0] for _ in range(80)}
    buttons = {f"{button.description!r} pressed" for button in soak.looks(explorer)}
    assert buttons
    assert all(isinstance(button, widgets.Button) for button in soak.looks(explorer))
    assert moves == {*explorer.controls, *buttons}
