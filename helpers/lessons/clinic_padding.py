"""It runs, but what does it count? Four patients under more and more padding, and the fixes.

A fix is tried with a model and data that the lesson does not show; any that is right is accepted.
"""

from functools import cache, partial
from itertools import permutations

import numpy as np

from helpers import plots
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import Explorer, Position, labelled_buttons, labelled_slider, plural
from helpers.quiet import keras
from helpers.windows import length_mask

_lstm = partial(keras.layers.LSTM, 4, use_cudnn=False)
_EXTRA = 12  # the most timesteps of padding that are added
_LENGTHS = (6, 4, 2)
_SEED = 104  # one whose changes are large enough to be seen
_STYLES = {
    "answers": {"color": "#000000", "linestyle": "-", "marker": "o"},
    "loss": {"color": "#00795A", "linestyle": "--", "marker": "^"},
    "RMSE": {"color": "#8F5F00", "linestyle": ":", "marker": "s"},
}


# --- the explorer ----------------------------------------------------------------------------


def explore_patients():
    """Choose a patient, add padding, and see whether its answers, its loss or its metric move.

    Returns
    -------
    Explorer
    """
    (ax,) = plots.new_axes(height=3.4)
    changes = cache(_changes)

    def draw(patient, extra):
        found = changes(patient)
        x, shown = np.arange(extra + 1), found[: extra + 1]  # what is still to come stays hidden
        lines = {name: (x, shown[:, i], style) for i, (name, style) in enumerate(_STYLES.items())}
        plots.plot_lines(lines, xlabel="extra timesteps of padding", ylabel="change (%)", ax=ax)
        ax.set(xlim=(-0.5, _EXTRA + 0.5), ylim=(-75, 75))
        plots.add_position(ax, extra)
        answers, loss, rmse = (_moved(value) for value in found[extra])
        return (
            f"Patient {patient}, {extra} extra {plural('timestep', extra)} of padding. Answers: "
            f"{answers.replace('+', 'up to ')}. Loss: {loss}. The metric RMSE: {rmse}."
        )

    controls = {
        "patient": labelled_buttons("patient", tuple("ABCD")),
        "extra": labelled_slider("extra padding", 0, 0, _EXTRA),
    }
    return Explorer(ax.figure, controls, draw, positions=_POSITIONS)


_POSITIONS = [
    Position(f"Patient {name}, padded more", says, {"patient": name, "extra": _EXTRA})
    for name, says in {
        "A": "One of the three lines moves. Which one?",
        "B": "All three move. Which of them says where to look first?",
        "C": "One line moves. Is it the same as that of A?",
        "D": "This is how it should look.",
    }.items()
]


def _moved(percent):
    if abs(percent) < 0.05:
        return "no change"
    return f"{percent:+.0f} %".replace("-", "−")


def _changes(patient):
    """Return by how many percent answers, loss and RMSE move: (extra timesteps, 3).

    One pass of a real model is enough, as an LSTM does not look ahead. What loss and metric make of
    it is written down here as Keras 3.15 does it; a test compares the two.
    """
    masking = () if patient in "AB" else (keras.layers.Masking(0.0),)
    model = _filled(_SEED, *masking, _lstm(return_sequences=True), keras.layers.Dense(1))
    inputs, targets, mask = _patient_data()
    outputs = np.array(model(inputs))[..., 0]
    found = []
    for timesteps in range(max(_LENGTHS), mask.shape[1] + 1):
        errors, real = (outputs - targets)[:, :timesteps] ** 2, mask[:, :timesteps]
        answers, loss, rmse = outputs[mask], errors[real].mean(), errors[real].mean()  # D
        if patient == "A":  # weights of 0 for the padding: in the loss' sum, not in its divisor
            loss = (errors * real).mean()
        elif patient == "B":  # no mask: the last column is an answer to the padding
            answers = outputs[:, timesteps - 1]
            loss = rmse = ((answers - targets[range(len(mask)), mask.sum(axis=1) - 1]) ** 2).mean()
        elif patient == "C":  # a metric that counts padding
            rmse = errors.mean()
        found.append((answers, loss, np.sqrt(rmse)))
    answers, loss, rmse = (np.array(part) for part in zip(*found, strict=True))
    off = np.abs(answers - answers[0]).max(axis=1) / np.abs(answers[0]).max()
    return 100 * np.stack([off, loss / loss[0] - 1, rmse / rmse[0] - 1], axis=1)


def _patient_data():
    """Return the inputs of the patients, their targets and mask, with all of the padding."""
    rng, mask = np.random.default_rng(_SEED), length_mask(_LENGTHS, max(_LENGTHS) + _EXTRA)
    inputs, targets = np.zeros((*mask.shape, 2), "float32"), np.zeros(mask.shape, "float32")
    inputs[mask] = rng.normal(size=(mask.sum(), 2))
    targets[mask] = 1 + rng.normal(size=mask.sum())
    return inputs, targets, mask


# --- the exercises ---------------------------------------------------------------------------


@feedback
def check_real_error(function):
    """Say whether `function(model, inputs, targets, mask)` is the mean over real timesteps."""
    for lengths, model, inputs, targets, mask in _padded_batches(69):
        answer = _ask(function, model, inputs, targets, mask, shape=())
        errors = np.square(np.asarray(model(inputs)) - targets)[..., 0]
        expected = errors[mask].mean()
        divided = f"""the padding adds nothing to the sum, but it is still counted in what the sum
            is divided by: {mask.size} instead of {mask.sum()}."""
        twice = """that is divided twice: Keras divides by all timesteps already. The weights must
            have the mean 1, not the sum 1."""
        by_row = [row[real].mean() for row, real in zip(errors, mask, strict=True)]
        first = """you averaged each sequence first, so a timestep of a short one counts more. Take
            all real timesteps together."""
        other = f"""for lengths of {lengths} your error is {answer:.4f}. The mean over the
            {mask.sum()} real timesteps is {expected:.4f}."""
        known = [
            (errors.mean(), "the errors of the padding are counted in."),
            ((errors * mask).mean(), divided),
            (np.mean(by_row), first),
            (np.sqrt(expected), "that is its root. Wanted is the mean of the squares."),
            (expected / mask.size, twice),
        ]
        _compare(answer, expected, other, known)


@feedback
def check_weighted_loss(function):
    """Say whether `function(model, x, labels, class_weight)` weighs each timestep by its class."""
    for seed, (rows, timesteps), class_weight in (
        (1, (4, 4), {0: 1.0, 1: 10.0}),
        (2, (3, 5), {0: 1.0, 1: 3.0}),
    ):
        model, x, labels = _classifier(seed, rows, timesteps)
        of = f"for {rows} rows of {timesteps} timesteps, "
        table = np.array([class_weight[0], class_weight[1]])
        answer = _ask(function, model, x, labels, class_weight, shape=(), of=of)
        each = np.take_along_axis(-np.log(np.asarray(model(x))), labels[..., None], axis=-1)[..., 0]
        weights = table[labels]
        expected = (each * weights).mean()
        first = np.array([class_weight.get(int(i), 1.0) for i in labels.argmax(axis=1)])
        along_time = f"""{of}that is the loss of `class_weight`: a weight is found for each row, and
            laid on a timestep of all rows. Give each label its own weight."""
        other = f"{of}yours is {answer:.4f}. With a weight for each label it is {expected:.4f}."
        known = [
            (each.mean(), f"{of}every label counts once. Where do the weights come in?"),
            (expected / weights.mean(), f"{of}that is divided by the sum of the weights."),
        ]
        if rows == timesteps:
            orders = permutations(first)  # `fit` shuffles the rows
            known += [((each * np.array([order])).mean(), along_time) for order in orders]
        _compare(answer, expected, other, known)


@feedback
def check_last_step_loss(function):
    """Say whether `function(model, inputs, targets)` is the loss against the last target."""
    for rows in (3, 5):
        model, rng = _model(rows, _lstm(), keras.layers.Dense(1))
        inputs, targets = _normal(rng, rows, 6, 2), _normal(rng, rows, 6, 1)
        answer = _ask(function, model, inputs, targets, shape=())
        outputs = np.asarray(model(inputs))
        every = np.square(outputs[:, None] - targets)
        crossed = np.square(outputs - targets[:, -1, 0]).mean()
        expected = every[:, -1].mean()
        again = f"""the same bug, in your own difference: outputs of shape ({rows}, 1) minus targets
            of shape ({rows},) have the shape ({rows}, {rows}), each row against every row."""
        other = f"""yours is {answer:.4f}. Against the last targets the mean squared error is
            {expected:.4f}."""
        known = [
            (every.mean(), "each output is still compared with all 6 targets of its row."),
            (crossed, again),
            (every[:, 0].mean(), "that is against the first target of each row."),
        ]
        _compare(answer, expected, other, known)


@feedback
def check_last_states(function):
    """Say whether `function(lstm, sequences)` gives the last state of each, zeros included."""
    lstm = _lstm()
    _, rng = _model(67, lstm)
    skipped = "timesteps that are real and all zero are still skipped."
    read = "the padding is read as well: which timesteps are real must reach the LSTM."
    whole = """the readings have become whole numbers: `pad_sequences` cuts fractions off, unless it
        is told `dtype="float32"`."""
    other = "the states are not those of the sequences alone."
    for lengths in ((5, 3, 7), (2, 6)):
        sequences = [_normal(rng, length, 2) for length in lengths]
        sequences[0][1:3] = sequences[1][-1] = 0.0
        answer = _ask(function, lstm, sequences, shape=(len(lengths), 4))
        expected = np.concatenate([lstm(row[None]) for row in sequences])
        without = np.concatenate([lstm(row[row.any(axis=1)][None]) for row in sequences])
        cut = np.concatenate([lstm(np.trunc(row)[None]) for row in sequences])
        known = [(without, skipped), (cut, whole)]
        for padding in ("post", "pre"):
            for dtype, hint in (("float32", read), ("int32", whole)):
                padded = keras.utils.pad_sequences(sequences, dtype=dtype, padding=padding)
                known.append((lstm(padded), hint))
        _compare(answer, expected, other, known)


# --- what the checks share -------------------------------------------------------------------


def _ask(function, *given, shape, of=""):
    """Return what a learner's function answers, as numbers of a shape."""
    answer = answer_of(function, *given, of=of)
    wanted = f"an array of numbers with the shape {shape}" if shape else "one number"
    try:
        answer = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        _expect(False, f"{of}{wanted} is wanted.")
    if not shape:
        _expect(answer.size == 1, f"{of}one number is wanted. Your shape is {answer.shape}.")
        return answer.item()
    _expect(answer.shape == shape, f"{of}your shape is {answer.shape}, {shape} is wanted.")
    return answer


def _expect(right, hint):
    """Tell the learner a hint, as one line, unless something is right."""
    if not right:
        raise AnswerError(" ".join(f"Not yet: {hint}".split()))


def _compare(answer, expected, other, known=()):
    """Tell the hint of the known wrong result that an answer is, or `other` if it is not right."""
    if np.allclose(answer, expected, atol=1e-4):
        return
    for wrong, hint in known:
        _expect(not np.allclose(answer, wrong, atol=1e-4), hint)
    _expect(False, other)


def _normal(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def _filled(seed, *parts):
    """Return a model for 2 features with weights as in use, none of them zero."""
    rng = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input((None, 2)), *parts])
    model.set_weights([rng.normal(scale=0.7, size=w.shape) for w in model.get_weights()])
    return model


def _model(seed, *parts):
    """Return such a model, compiled, and a generator for its data."""
    model = _filled(seed, *parts)
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)  # quick for few rows
    return model, np.random.default_rng(seed)


def _classifier(seed, rows, timesteps):
    """Return a model of 2 classes, learning rate 0, with inputs and labels for each timestep."""
    model = _filled(seed, keras.layers.Dense(2, activation="softmax"))
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    rng = np.random.default_rng(seed)
    return model, _normal(rng, rows, timesteps, 2), rng.integers(2, size=(rows, timesteps))


def _padded_batches(seed):
    """Yield lengths, a model, inputs and targets that are 0 where padded, and their mask."""
    model, rng = _model(seed, _lstm(return_sequences=True), keras.layers.Dense(1))
    for lengths in ([3, 6, 1], [2, 5, 4, 2]):
        mask = length_mask(lengths, max(lengths) + 1)
        inputs, targets = (_normal(rng, *mask.shape, n) * mask[..., None] for n in (2, 1))
        yield lengths, model, inputs, targets, mask
