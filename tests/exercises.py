"""What every check of an exercise holds to; the tests of a lesson fill in its answers.

`class TestExercises(ExerciseTests)` with `lesson`, `RIGHT` (a check's name to a right answer and
what it is called with besides) and `WRONG` (name, answer, words of the hint).
"""

import numpy as np
import pytest


def _fails(*_):
    raise KeyError("a mistake of mine")


_ODD = [
    0,
    "a",
    [[1], [1, 2]],
    {8: "a", 6: 1, 3: 1},
    object(),
    ("a",) * 4,
    np.full((2, 6), "a"),
    len,
    _fails,
]


def generate_tests(metafunc):
    """Give each test of an `ExerciseTests` class the checks and the wrong answers in it."""
    tests = metafunc.cls
    if "name" in metafunc.fixturenames and "hint" in metafunc.fixturenames:
        metafunc.parametrize(("name", "answer", "hint"), tests.WRONG)
    elif "fix" in metafunc.fixturenames:
        others = [(name, fix) for name, fixes in tests.FIXES.items() for fix in fixes[1:]]
        metafunc.parametrize(("name", "fix"), others)
    elif "name" in metafunc.fixturenames:
        metafunc.parametrize("name", tests.RIGHT)


class ExerciseTests:
    def check(self, name):
        return getattr(self.lesson, f"check_{name}")

    def test_every_exercise_has_its_answers_here(self):
        checks = {
            name.removeprefix("check_")
            for name, value in vars(self.lesson).items()
            if name.startswith("check_") and value.__module__ == self.lesson.__name__
        }
        assert checks == set(self.RIGHT) == {name for name, *_ in self.WRONG}

    def test_a_right_answer_is_right(self, answered, name):
        assert answered(self.check(name), *self.RIGHT[name]) == (True, "Right.")

    def test_a_wrong_answer_is_told_what_is_off(self, answered, name, answer, hint):
        right, words = answered(self.check(name), *answer)
        assert not right
        assert words.startswith("Not yet:")
        assert hint in words

    def test_a_stub_left_as_it_is_is_not_answered_yet(self, answered, name):
        right, *others = self.RIGHT[name]
        answer = (lambda *_: ...) if callable(right) else ...
        assert answered(self.check(name), answer, *others) == (False, "Not answered yet.")

    def test_none_is_no_answer(self, answered, name):
        right, *others = self.RIGHT[name]
        if callable(right):
            found = answered(self.check(name), lambda *_: None, *others)
            words = "Not yet: your function returned nothing. Does it end with `return`?"
        else:
            found, words = answered(self.check(name), None, *others), "Not answered yet."
        assert found == (False, words)

    @pytest.mark.parametrize("odd", _ODD, ids=lambda odd: type(odd).__name__)
    def test_no_answer_makes_a_check_raise(self, answered, name, odd):
        for answer in (odd, lambda *_: odd):
            right, words = answered(self.check(name), answer, *self.RIGHT[name][1:])
            assert words
            assert not right or name in getattr(self, "ODD_MAY_BE_RIGHT", ())


class ClinicTests(ExerciseTests):
    """The same for a case of the clinic.

    `FIXES` take the place of `RIGHT`: a check's name to fixes that differ, the lesson's first. In
    `WRONG`, the first answer to each check is the lesson's bug.
    """

    def __init_subclass__(cls):
        cls.RIGHT = {name: fixes[:1] for name, fixes in cls.FIXES.items()}

    def test_a_wrong_answer_is_told_what_is_off(self, answered, name, answer, hint):
        right, words = answered(self.check(name), *answer)
        assert not right
        assert words.startswith("Not yet: ")
        assert hint in words
        assert words.split() == words.split(" ")  # one line, whatever the breaks in the code
        assert "raised" not in words
        assert "cannot be read" not in words

    def test_another_fix_is_right_too(self, answered, name, fix):
        assert answered(self.check(name), fix) == (True, "Right.")

    def test_what_is_right_for_the_first_case_only_is_rejected(self, answered, name):
        (bug,) = next(answer for check, answer, _ in self.WRONG if check == name)
        answers = iter(self.FIXES[name][:1])
        right, words = answered(self.check(name), lambda *given: next(answers, bug)(*given))
        assert not right
        assert words.startswith("Not yet: ")
