"""Lesson on masking: what padding does to the state, and the exercises."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from helpers.data import ragged_batch
from helpers.explorers import explore_windows
from helpers.lessons import masking
from helpers.lessons.masking import explore_masks
from helpers.quiet import keras
from helpers.windows import length_mask
from tests.exercises import ExerciseTests

LESSON = Path(__file__).parent.parent / "notebooks" / "03_masking.ipynb"


def test_the_review_is_bad_alone_good_in_the_batch_and_bad_with_the_mask():
    cells = {cell["id"]: cell for cell in json.loads(LESSON.read_text(encoding="utf-8"))["cells"]}
    printed = ["".join(cells[name]["outputs"][0]["text"]) for name in ("masking-07", "masking-10")]
    shown = [[float(n) for n in re.findall(r"\[\[(\S+)\]\]", text)] for text in printed]
    (alone, together), masked = shown
    assert alone < -0.01 < 0.01 < together  # below 0 is bad
    assert masked == [alone, alone]


@pytest.fixture(scope="module")
def explorer(make_rnn, ragged):
    return explore_masks(make_rnn(2, cell="simple_rnn"), ragged, timesteps=30)


def difference(words):
    return float(re.findall(r"by ([\d.]+\d)", words)[0])


def test_a_mask_keeps_the_state_right_however_far_a_batch_is_padded(explorer):
    explorer.controls["mask"].value = False
    without = difference(explorer.words)
    explorer.controls["mask"].value = True
    assert "with a mask" in explorer.words
    for padding in ("pre", "post"):
        explorer.controls["padding"].value = padding
        for length in (12, 30):
            explorer.controls["length"].value = length
            assert difference(explorer.words) == 0 < without


def test_the_picture_is_full_at_first_and_names_the_padding(make_rnn, ragged):
    explorer = explore_masks(make_rnn(2, cell="simple_rnn"), ragged)
    (ax, _scale) = explorer.figure.axes
    length = explorer.controls["length"]
    assert length.value == length.options[-1][1] == 24
    assert ax.get_xlim() == (-0.5, 23.5)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["padding"]
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_sequences_that_do_not_fit_the_model_are_refused(make_rnn, assert_refused):
    words = "`sequences` must have the 3 features", "4 features"
    model = make_rnn(2, cell="simple_rnn")
    assert_refused(lambda: explore_masks(model, [np.ones((5, 4))]), ValueError, *words)


def pressed(explorer):
    """Press each button of "Look at this" in turn; give its name and what is then shown."""
    row, says = explorer.children[0].children
    for button in row.children[1:]:
        button.click()
        assert says.value
        yield button.description, explorer.words


def test_the_positions_of_the_masks_show_what_they_say():
    keras.utils.set_random_seed(0)  # the model of the lesson
    lstm = keras.layers.LSTM(8, bias_initializer="he_normal")
    model = keras.Sequential([keras.Input((None, 3)), lstm])
    model.set_weights([2 * w for w in model.get_weights()])
    explorer = explore_masks(model, ragged_batch(), positions=masking.MASKS)
    found = {name: difference(words) for name, words in pressed(explorer)}
    assert min(found["Zeros after it"], found["Zeros before it"]) > 0.3
    assert found["With the mask"] == 0


def test_the_positions_of_the_windows_show_what_they_say():
    explorer = explore_windows(ragged_batch(), positions=masking.WINDOWS)
    found = dict(pressed(explorer))
    assert "3 windows" in found["steps = 5"]
    assert "3 windows" in found["steps = 4"]
    assert "1 window " in found["steps = 12"]
    shares = {name: re.findall(r"(\d+)% of the batch", words)[0] for name, words in found.items()}
    assert shares["steps = 4"] == shares["steps = 12"] < shares["steps = 5"]


# --- exercises -------------------------------------------------------------------------------


def last_outputs(outputs, mask):
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return outputs[np.arange(len(outputs)), last]


def taken(where):
    """A function that takes one output a row, at the timestep that `where(mask)` says."""
    return lambda outputs, mask: outputs[np.arange(len(outputs)), where(mask)]


class TestExercises(ExerciseTests):
    lesson = masking
    RIGHT = {
        "mask": (lambda lengths, timesteps: np.arange(timesteps) < lengths[:, None],),
        "last_outputs": (last_outputs,),
    }
    WRONG = [
        ("mask", (lambda n, t: np.arange(t) >= n[:, None],), "the other way round"),
        ("mask", (lambda n, t: (np.arange(t) < n[:, None]) * 1,), "a mask is boolean"),
        ("mask", (lambda n, t: length_mask(n, t, padding="pre"),), "in the wrong places"),
        ("mask", (lambda n, t: np.arange(t) <= n[:, None],), "a timestep too many"),
        ("mask", (lambda n, t: np.arange(t) < n[:, None] - 1,), "your rows have"),
        ("mask", (lambda n, t: np.arange(t) < n,), "Make a column of the lengths: `[:, None]`"),
        ("mask", (lambda n, t: n > 0,), "`np.array(lengths)[:, None]`"),
        ("mask", (lambda n, t: [[True] * real for real in n],), "your rows have unequal lengths"),
        ("mask", (lambda n, t: np.arange(1, t) < n[:, None],), "counted from 0"),
        ("mask", (lambda n, t: np.arange(t)[:, None] < n,), "the new axis to the lengths"),
        ("last_outputs", (lambda outputs, mask: outputs[mask],), "`outputs[mask]` gives all"),
        (
            "last_outputs",
            (lambda outputs, mask: outputs[:, mask.sum(axis=1) - 1],),
            "Pair each row with its own",
        ),
        ("last_outputs", (lambda outputs, mask: outputs[0],), "One output for each row"),
        ("last_outputs", (lambda outputs, mask: outputs[:, -1],), "may be padding"),
        ("last_outputs", (taken(lambda mask: mask.argmax(axis=1)),), "the first real timestep"),
        ("last_outputs", (taken(lambda mask: mask.sum(axis=1) - 1),), "with 'post' only"),
        ("last_outputs", (taken(lambda mask: mask.sum(axis=1)),), "one too far"),
        ("last_outputs", (lambda outputs, mask: outputs[:, 2] + 1,), "numbers differ"),
    ]

    def test_a_list_of_lengths_is_no_reason_to_refuse_a_mask(self, answered):
        assert answered(masking.check_mask, length_mask)[0]
