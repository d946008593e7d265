"""What does padding do to learning? Training on the vowels, the measured table, the exercises."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from helpers import check, plots
from helpers.data import JapaneseVowels, Utterances, load_japanese_vowels
from helpers.exercises import AnswerError, answer_of, feedback
from helpers.explorers import (
    Explorer,
    Position,
    Trainer,
    labelled_box,
    labelled_buttons,
    labelled_slider,
)
from helpers.models import build_rnn
from helpers.probes import gradient_reach
from helpers.quiet import keras, tf
from helpers.windows import pad_batch

LENGTHS, SIDES = (29, 50, 100), ("post", "pre")
_STYLES = {False: plots.RESET | {"linestyle": ""}, True: plots.CARRIED | {"linestyle": ""}}
_NAMES = {False: "no mask", True: "mask"}
FIRST_SEED = 5  # of the learner's own models; the table holds 0 to 4
MEAN_IS_RIGHT = 0.92  # the share that the nearest mean of the frames names rightly
ONE_NAME = 24 / 370, 88 / 370  # the share of the rarest and of the most frequent test speaker


class Setting(NamedTuple):
    """What a model is trained with; `forget_bias` is an LSTM's first one, 1 in Keras."""

    timesteps: int
    padding: str
    mask: bool
    cell: str = "lstm"
    forget_bias: int = 1
    epochs: int = 20


KINDS = {  # five models of each are in the table
    "forget bias 1": Setting(100, "post", False),
    "bias 5": Setting(100, "post", False, forget_bias=5),
    "bias 1, 100 epochs": Setting(100, "post", False, epochs=100),
    "GRU": Setting(100, "post", False, cell="gru"),
    "GRU, mask": Setting(100, "post", True, cell="gru"),
    "SimpleRNN": Setting(100, "post", False, cell="simple_rnn"),
}


class Accuracy(NamedTuple):
    """The share of utterances that a trained model gives to the right speaker, 0 to 1."""

    train: float
    test: float


def standardised_vowels():
    """Return the Japanese vowels, each feature with mean 0 and deviation 1 in training."""
    vowels = load_japanese_vowels()
    known = np.concatenate(vowels.train.sequences)
    mean, std = known.mean(axis=0), known.std(axis=0)
    parts = ([(sequence - mean) / std for sequence in part.sequences] for part in vowels)
    return JapaneseVowels(
        *(Utterances(seqs, part.speakers) for seqs, part in zip(parts, vowels, strict=True))
    )


def build_reader(*, seed, mask=False, cell="lstm"):
    """Return the lesson's model, compiled, with the first weights that `seed` gives."""
    seed, mask = check.whole_number("seed", seed, minimum=0), check.flag("mask", mask)
    keras.utils.set_random_seed(seed)
    options = {"features": 12, "outputs": 9, "cell": cell, "mask_value": 0.0 if mask else None}
    reader = build_rnn(48, **options, return_sequences=False, activation="softmax")
    adam = keras.optimizers.Adam(5e-3)
    reader.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return reader


def train_reader(vowels, setting, *, seed, callbacks=()):
    """Train one model as the notebook does, in plain Keras, and return its `Accuracy`."""
    timesteps, padding, mask, cell, forget_bias, epochs = setting
    train, test = (
        pad_batch(part.sequences, timesteps=timesteps, padding=padding).inputs for part in vowels
    )
    reader = build_reader(seed=seed, mask=mask, cell=cell)
    if forget_bias != 1:
        _open_forget_gate(reader, forget_bias)
    options = {"batch_size": 30, "epochs": epochs, "callbacks": list(callbacks), "verbose": 0}
    reader.fit(train, vowels.train.speakers, **options)
    return Accuracy(
        *(
            reader.evaluate(inputs, part.speakers, batch_size=len(inputs), verbose=0)[1]
            for inputs, part in zip((train, test), vowels, strict=True)
        )
    )


def _open_forget_gate(reader, value):
    lstm = next(layer for layer in reader.layers if isinstance(layer, keras.layers.LSTM))
    kernel, recurrent, bias = lstm.get_weights()
    bias[lstm.units : 2 * lstm.units] = value  # input, forget, cell, output
    lstm.set_weights([kernel, recurrent, bias])


@cache
def measured():
    """Return the shipped table: a dict of `Setting` to its `Accuracy` for each seed, 0 to 4."""
    text = (files("helpers") / "lessons" / "speakers.csv").read_text(encoding="utf-8")
    table = {}
    for line in text.splitlines()[3:]:  # after the versions, the command, the header
        timesteps, padding, mask, cell, forget_bias, epochs, _, train, test = line.split(",")
        setting = Setting(int(timesteps), padding, mask == "1", cell, int(forget_bias), int(epochs))
        table.setdefault(setting, []).append(Accuracy(float(train), float(test)))
    return table


def explore_speakers(vowels, *, positions=()):
    """See how well models read that were padded differently, and train one more.

    Parameters
    ----------
    vowels : JapaneseVowels
        Standardised.

    Returns
    -------
    Explorer
        With a `trainer`. Its `own` map a `Setting` to the `Accuracy` of each training that was
        finished, the first with seed 5; `train()` trains for the controls' values.
    """
    if not isinstance(vowels, JapaneseVowels):
        raise TypeError(
            "`vowels` must be JapaneseVowels, as `standardised_vowels()` gives them. "
            f"Received: {type(vowels).__name__}."
        )
    return _SpeakersExplorer(vowels, positions)


class _SpeakersExplorer(Explorer):
    def __init__(self, vowels, positions):
        self._vowels, self.own = vowels, {}
        self._axes = plots.new_axes(2, height=6.2)
        self.trainer = Trainer(self._run, self._settings)
        options = [(str(timesteps), timesteps) for timesteps in LENGTHS]
        super().__init__(
            self._axes[0].figure,
            {
                "timesteps": labelled_slider("padded to", LENGTHS[2], options=options),
                "padding": labelled_buttons("padding", SIDES),
                "mask": labelled_box("mask the padding", False),
            },
            self._describe,
            extra=[self.trainer],
            positions=positions,
        )

    def train(self):
        """Train for the controls' values and wait for the end, as `trainer.wait()` does."""
        self.trainer.wait()
        self.trainer.start(*self._settings())
        self.trainer.wait()

    def _settings(self):
        return [Setting(*(self.controls[n].value for n in ("timesteps", "padding", "mask")))]

    def _run(self, setting):
        """Train with the next seed; a stopped run leaves no result."""
        stopped = []

        def follow(epoch, _logs):
            done = epoch + 1
            if self.trainer.report(done / setting.epochs, f"epoch {done} of {setting.epochs}"):
                stopped.append(True)
                callback.model.stop_training = True

        callback = keras.callbacks.LambdaCallback(on_epoch_end=follow)
        seed = FIRST_SEED + len(self.own.get(setting, []))
        found = train_reader(self._vowels, setting, seed=seed, callbacks=[callback])
        if not stopped:
            self.own.setdefault(setting, []).append(found)
            self.redraw()

    def _describe(self, timesteps, padding, mask):
        setting = Setting(timesteps, padding, mask)
        for part, ax in zip(("test", "train"), self._axes, strict=True):
            _draw_clouds(ax, part, self.own, setting)
        table = measured()[setting]
        words = (
            f"Padded '{padding}' to {timesteps}, {'with a' if mask else 'no'} mask, five seeds: "
            f"test accuracy {_range(a.test for a in table)}, "
            f"training accuracy {_range(a.train for a in table)}."
        )
        for n, accuracy in enumerate(self.own.get(setting, [])):
            words += (
                f" Yours, seed {FIRST_SEED + n}: {accuracy.test:.2f} in the test, "
                f"{accuracy.train:.2f} in training."
            )
        return words


def _range(shares):
    shares = list(shares)
    low, high = f"{min(shares):.2f}", f"{max(shares):.2f}"
    return low if low == high else f"{low} to {high}"


def _draw_clouds(ax, part, own, chosen):
    """Draw a point for each model: six columns of padding, each with and without the mask."""
    plots.fresh_axes(ax)
    columns = [(timesteps, side) for side in SIDES for timesteps in LENGTHS]
    for x, place in enumerate(columns):
        for mask, style in _STYLES.items():
            setting, middle = Setting(*place, mask), x + (0.18 if mask else -0.18)
            shares = [getattr(accuracy, part) for accuracy in measured()[setting]]
            spread = middle + 0.035 * (np.arange(len(shares)) - 2)  # side by side: they coincide
            ax.plot(spread, shares, **style, markersize=6, alpha=0.8, gid=plots.DRAWN)
            mine = [getattr(accuracy, part) for accuracy in own.get(setting, [])]
            ax.plot([middle] * len(mine), mine, **plots.CHOSEN, markersize=8, gid=plots.DRAWN)
    if part == "test":
        ax.axhline(MEAN_IS_RIGHT, **_MEAN, gid=plots.DRAWN)
        ax.axhspan(*ONE_NAME, **_CONSTANT, gid=plots.DRAWN)
    plots.add_position(ax, columns.index(chosen[:2]) + (0.18 if chosen.mask else -0.18))
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.04, 1.06))
    ax.set_xticks(range(len(columns)), [f"'{side}' {n}" for n, side in columns])
    ax.set_ylabel("test accuracy" if part == "test" else "training accuracy", fontsize=plots.FONT)
    if part == "train":
        ax.set_xlabel("padding, and the timesteps padded to", fontsize=plots.FONT)
        return
    styles = {_NAMES[mask]: style for mask, style in _STYLES.items()} | {"yours": plots.CHOSEN}
    plots.add_legend(ax, **styles, **{"nearest mean": _MEAN, "one name": _CONSTANT})


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MEAN = {"color": "#222222", "linestyle": "--", "linewidth": 1}
_CONSTANT = {"facecolor": "#D9D9D9", "edgecolor": "#707070"}


def explore_gradient(model, sequence, *, timesteps=100, positions=()):
    """Pad one sequence further and further, and see the gradient that reaches its timesteps.

    Parameters
    ----------
    model : keras.Sequential
        Gives its last output only, and has no `Masking` layer: the learner puts it in front.
    sequence : (timesteps, features) array
    timesteps : int
        The longest padding to offer; the slider starts there.
    """
    if not isinstance(model, keras.Sequential):
        raise TypeError(f"`model` must be a keras.Sequential. Received: {type(model).__name__}.")
    sequence = check.array(sequence, "sequence", ("timesteps", "features"))
    real = len(sequence)
    most = check.whole_number("timesteps", timesteps, minimum=real, maximum=1000)
    masking = keras.layers.Masking(0.0)
    masked = keras.Sequential([keras.Input((None, sequence.shape[1])), masking, *model.layers])
    gradient = {False: _gradient_of(model), True: _gradient_of(masked)}
    (ax,) = plots.new_axes(height=3.6)

    @cache
    def sizes(length, padding, mask):
        padded = pad_batch([sequence], timesteps=length, padding=padding)
        return gradient[mask](tf.constant(padded.inputs, "float32")).numpy()

    def draw(length, padding, mask):
        found = sizes(length, padding, mask)
        start = 0 if padding == "post" else length - real
        _draw_gradient(ax, found, start, real, most)
        share = found[start + real - 1] / found.max()
        return (
            f"{real} timesteps padded '{padding}' to {length}, {'with a' if mask else 'no'} mask: "
            f"the gradient at the last real timestep, as a share of the largest: {_share(share)}."
        )

    controls = {
        "length": labelled_slider("padded to", most, real, most),
        "padding": labelled_buttons("padding", SIDES),
        "mask": labelled_box("mask the padding", False),
    }
    return Explorer(ax.figure, controls, draw, positions=positions)


def _share(share):
    if share >= 0.01:
        return f"{share:.2g}"
    digit, exponent = f"{share:.0e}".split("e")
    return f"{digit}·10{str(int(exponent)).translate(_RAISED)}"


def _gradient_of(model):
    """Return a compiled function: how much the last output depends on each timestep of a row.

    As `gradient_reach` over one window, for a model that may start with `Masking` as well.
    """
    signature = [tf.TensorSpec((1, None, model.input_shape[-1]))]

    @tf.function(input_signature=signature, autograph=False)
    def sizes(inputs):
        # Row i is asked for output i: one pass back gives all, however many outputs there are.
        rows = tf.repeat(inputs, model.output_shape[-1], axis=0)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            asked = tf.linalg.trace(model(rows))
        return tf.sqrt(tf.reduce_sum(tape.gradient(asked, rows) ** 2, axis=[0, 2]))

    return sizes


def _draw_gradient(ax, sizes, start, real, most):
    """Draw the share of the largest, from 1 down to a ten-millionth, and hatch the padding."""
    plots.fresh_axes(ax)
    shares, at = sizes / sizes.max(), np.arange(len(sizes))
    heights = np.clip(1 + np.log10(np.maximum(shares, 1e-9)) / 7, 0, 1)
    is_real = (at >= start) & (at < start + real)
    for where, style in ((is_real, plots.REAL), (~is_real, plots.PADDED)):
        plots.add_rectangles(ax, at[where] - 0.5, 0, 1, heights[where], style)
        plots.add_rectangles(ax, at[where] - 0.5, -0.08, 1, 0.06, style)  # where nothing arrives
    ylabel = "gradient, share of the largest\n(log scale)"
    plots.frame_timesteps(ax, most, ylabel, ylim=(-0.1, 1.05))
    ax.fmt_ydata = lambda height: _share(10 ** (7 * (height - 1))) if height else "≤ 10⁻⁷"
    names = ["1", "0.1", "0.01", "10⁻³", "10⁻⁴", "10⁻⁵", "10⁻⁶", "≤ 10⁻⁷"]
    ax.set_yticks([1 + exponent / 7 for exponent in range(0, -8, -1)], names)
    plots.add_legend(ax, **{"real": plots.REAL, "padded": plots.PADDED})


@feedback
def check_share(function):
    """Say whether `function(model, sequence, timesteps)` gives the share at the last real one."""
    rng = np.random.default_rng(40)
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(6)])
    model.set_weights([0.4 * rng.normal(size=w.shape) for w in model.get_weights()])
    growing = keras.Sequential([keras.Input((None, 3)), keras.layers.SimpleRNN(2)])
    growing.set_weights([0.1 * np.ones((3, 2)), 1.2 * np.eye(2), np.zeros(2)])
    for asked, real, timesteps in ((model, 5, 12), (model, 7, 30), (model, 3, 3), (growing, 3, 5)):
        sequence = rng.normal(size=(real, 3)).astype("float32")
        given = f"for {real} timesteps padded to {timesteps} "
        try:
            answer = answer_of(function, asked, sequence.copy(), timesteps, of=given)
        except AnswerError as problem:
            raise AnswerError(_why_it_raised(str(problem))) from None
        reach = gradient_reach(asked, pad_batch([sequence], timesteps=timesteps).inputs)
        expected = reach[real - 1] / reach.max()
        if np.shape(answer) != ():
            raise AnswerError(
                f"Not yet: {given}one number is wanted, yours has shape {np.shape(answer)}. Take "
                "the entry at the last real timestep."
            )
        if not np.isclose(float(answer), expected, rtol=1e-3, atol=0):
            raise AnswerError(f"Not yet: {given}{_share_hint(float(answer), reach, real)}")


def _why_it_raised(words):
    if "`sequences[0]`" in words:
        return "Not yet: `pad_batch` returns inputs and mask: pass its `.inputs`."
    if "IndexError" in words:
        return "Not yet: take the length from `sequence`: the last real one is `len(sequence) - 1`."
    return words


def _share_hint(answer, reach, real):
    mistakes = {
        reach[-1] / reach.max(): "yours is the last timestep's. Did you take the last of all, or "
        "pad 'pre', or not at all?",
        reach[real - 1] / reach[-1]: "you divided by the last. Here the largest is another one.",
        reach[real % len(reach)] / reach.max(): "you took one timestep too many. The first is "
        "timestep 0, so the last real one is `len(sequence) - 1`.",
        reach[real - 1]: "this is its size. Divide it by the largest.",
        reach[real - 1] / reach.sum(): "you divided by the sum. Divide by the largest.",
        reach[:real].sum() / reach.sum(): "this is the share of all real timesteps together. Only "
        "the last real one is asked for.",
        reach.max() / reach[real - 1]: "it is upside down. The largest goes below the line.",
    }
    for value, hint in mistakes.items():
        if np.isclose(answer, value, rtol=1e-3, atol=0):
            return hint
    return (
        f"you get {answer:.3g}, {reach[real - 1] / reach.max():.3g} is right. Pad 'post', and take "
        "`gradient_reach` of the padded batch."
    )


LIMIT = (
    Position(
        "one limit for all",
        "Padded 'post' to 100 without a mask, every model gives one name to all, in training too.",
        {"timesteps": 100, "padding": "post", "mask": False},
    ),
    Position(
        "zeros first",
        "The same 100 timesteps with the zeros in front: as good as with the mask.",
        {"timesteps": 100, "padding": "pre", "mask": False},
    ),
    Position(
        "halfway",
        "Padded 'post' to 50, the seeds disagree: one model says little about the next.",
        {"timesteps": 50, "padding": "post", "mask": False},
    ),
)

WAYS_OUT = (
    Position(
        "no way out yet",
        "The speech ends at timestep 19. The bars shrink all the way back to it.",
        {"length": 100, "padding": "post", "mask": False},
    ),
    Position(
        "a mask",
        "The padding gets no gradient at all, and the speech gets what it gets alone.",
        {"length": 100, "padding": "post", "mask": True},
    ),
    Position(
        "zeros first",
        "Nothing stands between the speech and the output.",
        {"length": 100, "padding": "pre", "mask": False},
    ),
    Position(
        "shorter",
        "Nine timesteps of padding, as in the prototype: a tenth still arrives.",
        {"length": 29, "padding": "post", "mask": False},
    ),
)
