"""Two hundred calls of ``make fuzz``, the same in every run, and what it must notice."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from tools import fuzz

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def world():
    return fuzz.make_world()


def test_calls_with_good_and_bad_arguments_end_in_a_result_or_a_clear_error():
    found, ends = fuzz.fuzz(seed=2024, calls=200, quick=True)
    assert found == []
    assert ends.total() == 200
    assert min(ends["accepted"], ends["refused"]) >= 30


def test_no_notebook_calls_what_trusts_its_caller():
    known = fuzz.doors()
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        for module in fuzz.public_modules():
            short = module.__name__.removeprefix("helpers.")
            own = short.startswith("lessons.") and f"lessons import {short[8:]} as lesson" in code
            names = {name for name in vars(module) if own and f"lesson.{name}(" in code}
            names |= fuzz.imported(code, module.__name__)
            inside = {n for n in names if fuzz.is_own(module, n) and f"{short}.{n}" not in known}
            assert inside == set(), path.name


def _spoil(value):
    value[0] = 0
    raise ValueError("`steps` must be right. Received: nothing.")


def _warn(steps):
    warnings.warn("careful", stacklevel=1)


def _loop(steps):
    while True:
        pass


def _say(steps):
    raise ValueError("something is wrong")


def _fail(steps):
    raise RuntimeError("`steps` must be right. Received: 1.")


def _train(steps):
    steps.layers[0].set_weights([0 * w for w in steps.layers[0].get_weights()])
    raise ValueError("`steps` must be right. Received: 1.")


@pytest.mark.parametrize(
    ("function", "code", "ending"),
    [
        (_warn, "f(1)", "warnings"),
        (_loop, "f(1)", "other errors"),
        (_say, "f(1)", "refused without a name"),
        (_fail, "f(1)", "other errors"),
        (_train, "f(rnn)", "changed after an error"),
        (_train, "f(stateful)", "changed after an error"),
        (lambda steps: steps.__setitem__(0, 9), "f(ones)", "changed its arguments"),
        (lambda steps: print("lost", file=__import__("sys").stderr), "f(1)", "warnings"),
        (lambda steps: 1, "f(1)", "accepted"),
    ],
)
def test_a_bad_ending_is_a_finding(world, function, code, ending, monkeypatch):
    monkeypatch.setattr(fuzz, "LIMIT", 0.3)
    end, wrong, _ = fuzz.attempt(code, function, world | {"f": function})
    assert end == ending
    assert bool(wrong) == (end != "accepted")


def test_after_a_finding_the_next_call_meets_the_world_as_it_was(world):
    before = fuzz.fingerprint(world)
    fuzz.attempt("f(rnn)", _train, world | {"f": _train})
    assert fuzz.fingerprint(world) == before


def test_what_does_not_fit_is_never_taken_and_something_is_left():
    name = "lessons.full_sequence.seconds"
    rng, door = np.random.default_rng(0), fuzz.doors()[name]
    calls = {fuzz.invent(rng, name, door) for _ in range(500)}
    assert len(calls) > 50
    good = set(fuzz.SPECIAL.get(name, {}).get("function", fuzz.GOOD["function"]))
    for value in fuzz.NOT_FOR[f"{name}.function"] - good:
        assert not [call for call in calls if call.startswith(f"{name}({value},")]


def test_the_same_seed_makes_the_same_calls():
    def calls(seed):
        rng = np.random.default_rng(seed)
        return [fuzz.invent(rng, name, each) for name, each in fuzz.doors().items()]

    assert calls(3) == calls(3)
    assert calls(3) != calls(4)
