"""Call what the lessons call, with good and bad arguments at random: ``make fuzz``.

A call must end in a result, or in a ``ValueError`` or ``TypeError`` that names one of the
function's parameters. It must not go on for ever, warn, or write to stderr; it must leave its
arguments alone, and after an error also weights, states and optimizers. Each finding is printed
as a call that can be repeated: ``python -m tools.fuzz "windows.fold_series(None, 2)"``.

A value is written as the code that makes it. Good ones stand below by the parameter's name, with
exceptions for single functions; a random few of a call's are replaced by others, good or bad.
"""

import argparse
import contextlib
import importlib
import inspect
import io
import pkgutil
import re
import shlex
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import helpers
from helpers import models, windows
from helpers.lessons import ahead, choose_your_steps, full_sequence, speakers
from helpers.quiet import keras, tf

try:
    import resource
except ImportError:  # Windows
    resource = None

LIMIT = 30  # seconds of processor time for a call: a busy machine changes nothing
MEMORY = 8  # GiB of addresses beyond those in use when the calls begin

# What trusts its caller, which has checked. No notebook calls these; a test holds it.
INSIDE = {
    "check": None,
    "engine": None,
    "exercises": ["feedback", "filled_in", "answer_of"],
    "explorers": ["plural", "labelled_*"],
    "lessons.ahead": ["asked_of", "feed_back", "simple_forecasts"],
    "lessons.forecast": ["split_starts"],
    "lessons.speakers": ["train_reader"],
    "numbers": None,
    "pages": None,
    "plots": ["add_*", "drawn_artists", "frame_timesteps", "fresh_axes", "new_axes", "plot_lines"],
    "recurrence": None,
    "server": None,
    "training": ["epoch_data", "epoch_program"],
    "windows": ["as_rows", "cut_windows", "last_windows"],
}
# These train or compile when their arguments are right: one call in so many of the others'.
SLOW = {
    "lessons.ahead.train_forecaster": 400,
    "lessons.full_sequence.measure_costs": 100,
    "lessons.mask_microscope.explore_layers": 20,
    "lessons.reach.explore_training": 100,
    "lessons.speakers.explore_gradient": 20,
    "lessons.speakers.explore_speakers": 20,
    "lessons.speakers.build_reader": 5,
}

GOOD = {
    "activation": ["None", "'softmax'"],
    "arguments": ["2"],
    "alone": ["np.ones((2, 1))"],
    "answer": ["'bd'"],
    "asked": ["np.ones((2, 4, 1))"],
    "at": ["None", "3", "0"],
    "ax": ["None", "plots.new_axes()[0]"],
    "batch_size": ["2", "1"],
    "batches": ["2", "9"],
    "callbacks": ["()", "[keras.callbacks.Callback()]"],
    "carry": ["True", "False"],
    "cell": ["'lstm'", "'gru'", "'simple_rnn'"],
    "costs": ["costs"],
    "counts": ["None", "cut.mask"],
    "data": ["np.arange(4.0)[:, None]"],
    "difference": ["False", "True"],
    "epochs": ["1", "2"],
    "features": ["3", "1"],
    "fill_gaps": ["False", "True"],
    "forecast": ["np.arange(9.0)"],
    "forecasts": ["np.ones((4, 3))"],
    "function": ["(lambda *given: given[0])", "(lambda *given: None)", "(lambda: 1 / 0)"],
    "gradient": ["np.arange(7.0)"],
    "horizon": ["1", "[1, 2]"],
    "id": ["()", "'who'", "['who']"],
    "inputs": ["cut.inputs", "cut.inputs.astype('float64')", "cut.inputs.tolist()"],
    "lengths": ["[7, 5]", "np.array([7, 5])", "(7, 5)"],
    "mask": ["cut.mask", "None"],
    "mask_value": ["None", "0.0", "-1"],
    "model": ["rnn", "rnn", "last_step"],
    "n_buckets": ["1", "2"],
    "n_rows": ["10", "3"],
    "name": ["'carry'", "'remainder'"],
    "options": ["{}"],
    "outputs": ["1", "4"],
    "padding": ["'post'", "'pre'"],
    "pasts": ["np.ones((3, 4, 1))"],
    "paths": ["np.ones((3, 5))"],
    "positions": ["()"],
    "return_sequences": ["True", "False"],
    "roles": ["roles"],
    "rows": ["1", "2", "3"],
    "sampling": ["1", "2"],
    "season": ["None", "2"],
    "seed": ["0", "3"],
    "sequence": ["ragged[0]"],
    "sequences": ["ragged", "ones", "ones.tolist()", "[pd.DataFrame(ragged[0])]"],
    "series": ["np.arange(24.0)[:, None]", "np.ones((12, 2))", "pd.DataFrame(np.ones((12, 2)))"],
    "shape": ["(2, 3, 5, 5)", "(1, 2)"],
    "source": ["frame", "'nowhere.csv'"],
    "state": ["np.arange(7.0)"],
    "stateful": ["False", "False", "True"],
    "states": ["[np.ones((2, 3)), np.zeros((2, 3))]"],
    "steps": ["3", "2", "1"],
    "steps_per_epoch": ["2", "None"],
    "stride": ["1", "2"],
    "subject": ["ahead.LEVEL"],
    "table": ["frame"],
    "target": ["0"],
    "targets": ["cut.inputs[..., :1]", "np.zeros((3, 2, 3, 1), 'float32')"],
    "task": ["task"],
    "time": ["()", "'when'"],
    "times": ["None"],
    "timesteps": ["12", "24"],
    "trained": ["None", "'nothing'"],
    "truth": ["np.arange(9.0)"],
    "unit": ["''", "'mm'"],
    "units": ["3", "(3, 2)"],
    "validation": ["None", "(cut.inputs, cut.inputs[..., :1])"],
    "value": ["0.0", "-1"],
    "values": ["'value'", "['value']"],
    "vowels": ["vowels"],
    "ways": ["{'padded': np.ones((2, 1))}"],
    "windows": ["cut", "cut.inputs"],
}
# Where a name means something else.
SPECIAL = {
    "lessons.ahead.rmse": {"truth": ["np.ones((4, 3))"]},
    "lessons.ahead.train_forecaster": {"task": ["ahead.task_of(ahead.LEVEL, 0)"]},
    "lessons.forecast.by_heart": {
        "windows": ["np.ones((5, 4, 1))"],
        "targets": ["np.ones((5, 1))"],
    },
    "lessons.forecast.score_splits": {"steps": ["2"], "horizon": ["1"]},
    "lessons.full_sequence.measure_costs": {"series": ["ones"]},
    "lessons.full_sequence.seconds": {"function": ["(lambda *given: None)"]},
    "lessons.full_sequence.show_answers": {"lengths": ["[2, 3]"]},
    "lessons.speakers.build_reader": {"mask": ["False", "True"]},
    "lessons.speakers.explore_gradient": {"model": ["last_step"]},
    "lessons.steps_argument.watch_fit": {"options": ["{}"]},
    "models.get_states": {"model": ["stateful"]},
    "models.reset_states": {"model": ["stateful"], "rows": ["None", "1", "[0, 1]"]},
    "models.set_states": {"model": ["stateful"]},
    "plots.plot_states": {"states": ["np.ones((7, 3))"], "mask": ["None", "np.ones(7, bool)"]},
    "probes.trace_masks": {"inputs": ["ones"]},
    "probes.trace_states": {"mask": ["None"]},
}
# For any parameter: the numbers are of every kind and size, the arrays of every shape and type.
ODD = """
None; True; False; 0; 1; 2; -1; 7; 2.5; 2.0; 1e300; 10**6; 2**31; 2**63; 10**30; np.nan; np.inf
np.int64(2); np.float32(2); np.bool_(True); 1j; ''; '2'; 'post'; 'no such'; b'2'; '<b>'; '$x$'
(); []; {}; set(); [1, 2]; (1, 2.5); [None]; ['a']; [[1], [2, 3]]; {'a': 1}; range(3); range(0)
np.array([]); np.array(3); np.ones(7); np.ones((2, 3)); np.ones((7, 3)); np.ones((2, 7, 3))
np.ones((3, 2, 3, 3)); np.ones((1, 1, 1, 1, 1)); np.zeros((0, 3)); np.ones((2, 0, 3))
np.full((2, 7, 3), np.nan); np.full((2, 7, 3), 1e300); np.full((2, 7, 3), -np.inf)
np.ones((2, 7, 3), bool); np.ones((2, 7, 3), complex); np.full((2, 7, 3), 'a')
np.full((2, 7, 3), None); np.ones((2, 7, 3), 'float16'); np.ones((2, 7, 3), 'uint8')
np.datetime64('2020-01-01'); np.zeros(3, 'M8[s]'); np.ma.masked_greater(ones, 0.5)
np.ma.masked_greater(np.arange(7.0), 3); [np.ma.masked_greater(ragged[0], 0.5)]
np.zeros(2, [('a', 'f4')]); tf.ones((2, 7, 3))
tf.ragged.constant([[1], []]); tf.sparse.eye(3); tf.data.Dataset.range(3); pd.Series([1.0, 2.0])
frame; pd.DataFrame()
(x for x in [1, 2]); object(); len; int; lambda x: x; Raises(); keras.Sequential; keras.Sequential()
keras.layers.LSTM(2); dense; rnn; last_step; stateful; keras.Input((None, 3)); 'a' * 10**4
""".replace("\n", ";")
ODD = [each.strip() for each in ODD.split(";") if each.strip()]
# A parameter of the function that reads what is no table yet.
ALSO = {"make_sequences": ["source"]}
# What asks for more work or memory than a call may take is asked for in good faith.
NOT_FOR = {
    "epochs": {"10**6", "2**31", "2**63", "10**30"},
    "data": {"tf.data.Dataset.range(3)", "(x for x in [1, 2])"},  # Keras looks into it
    # It runs what it is given, whose errors are its own.
    "lessons.full_sequence.seconds.function": {
        *("len", "int", "lambda x: x", "keras.Sequential", "keras.Sequential()"),
        *("keras.layers.LSTM(2)", "dense", "rnn", "last_step", "stateful"),
        *GOOD["function"],
    },
}


class Raises:
    """An object that cannot become an array."""

    def __array__(self, *args, **options):
        raise RuntimeError("no array")


class Hang(BaseException):
    """A call has used up its time."""


class Finding(NamedTuple):
    """A call that ended as none should: its `code`, what is `wrong`, and the `place`."""

    code: str
    wrong: str
    place: str


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("call", nargs="?", help="one call to repeat, as a finding gives it")
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=1200, help="where to stop at the latest")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="part of the functions' names")
    options = parser.parse_args()
    if options.call:
        world = make_world()
        print(eval(options.call, world))
        return True
    print(f"python -m tools.fuzz --seed {options.seed} --calls {options.calls}", flush=True)
    found, ends = fuzz(options.seed, options.calls, options.seconds, options.only, tell=show)
    print(f"\n{ends.total()} calls: {', '.join(f'{n} {end}' for end, n in ends.most_common())}.")
    return not found


def show(finding):
    """Print a finding as a call that can be repeated."""
    command = f"python -m tools.fuzz {shlex.quote(finding.code)}"
    print(f"\n{command}\n    {finding.wrong}\n    {finding.place}", flush=True)


def fuzz(seed, calls, seconds=np.inf, only="", *, quick=False, tell=None):
    """Make so many calls; return what was found, and how often a call ended in which way.

    With `quick`, those in `SLOW` are left out; `tell` is called with each finding.
    """
    rng, world, begun = np.random.default_rng(seed), make_world(), time.monotonic()
    functions = {
        name: each
        for name, each in doors().items()
        if only in name and not (quick and name in SLOW)
    }
    shares = np.array([1 / SLOW.get(name, 1) for name in functions])
    found, ends, seen = [], Counter(), set()
    with limited_memory():
        for name in rng.choice(list(functions), size=calls, p=shares / shares.sum()):
            if time.monotonic() - begun > seconds:
                break
            code = invent(rng, name, functions[name])
            end, wrong, place = attempt(code, functions[name], world)
            ends[end] += 1
            if wrong and (kind := (place or name, end)) not in seen:
                seen.add(kind)  # one example of each
                found.append(Finding(code, wrong, place))
                if tell:
                    tell(found[-1])
    return found, ends


def doors():
    """Return every public function that checks what it is given, by its name below helpers."""
    found = {}
    for module in public_modules():
        short = module.__name__.removeprefix("helpers.")
        if INSIDE.get(short, "") is None:
            continue
        inside = "|".join(INSIDE.get(short, [])).replace("*", ".*") or "(?!)"
        for name, each in inspect.getmembers(module, inspect.isroutine):
            if is_own(module, name) and not re.fullmatch(inside, name):
                found[f"{short}.{name}"] = each
    return found


def is_own(module, name):
    """Return whether a name is that of a public function, made in this module or below it."""
    each, made_in = (
        getattr(module, name, None),
        getattr(getattr(module, name, None), "__module__", ""),
    )
    return (
        inspect.isroutine(each) and not name.startswith("_") and made_in.startswith(module.__name__)
    )


def imported(code, module):
    """Return the names that code imports from a module."""
    lines = re.findall(rf"from {module} import (?:\(([^)]*)\)|(.*))", code)
    return set(re.findall(r"\w+", " ".join(map(" ".join, lines))))


def public_modules():
    """Give the modules of helpers, and of each lesson the one that its notebook imports."""
    for folder, below in ((helpers, "helpers."), (helpers.lessons, "helpers.lessons.")):
        for each in pkgutil.iter_modules(folder.__path__, below):
            yield importlib.import_module(each.name)


def invent(rng, name, function):
    """Return the code of a call: good arguments, of which up to two are replaced."""
    parameters = inspect.signature(function).parameters
    chosen = {}
    for parameter in parameters.values():
        if parameter.default is parameter.empty or rng.random() < 0.5:
            good = SPECIAL.get(name, {}).get(parameter.name) or GOOD[parameter.name]
            chosen[parameter.name] = str(rng.choice(good))
    replaceable = [p.name for p in parameters.values() if p.kind is not p.VAR_KEYWORD]
    for parameter in rng.permutation(replaceable)[: rng.integers(0, 3)]:
        others = ODD if rng.random() < 0.8 else GOOD[rng.choice(list(GOOD))]
        unfit = NOT_FOR.get(parameter, ()) or NOT_FOR.get(f"{name}.{parameter}", ())
        fit = [value for value in [*others, *ODD] if value not in unfit]
        chosen[parameter] = str(rng.choice(fit[: len(others)]))
    parts = []
    for parameter in parameters.values():
        if parameter.name in chosen:
            code = chosen[parameter.name]
            by_place = (
                parameter.kind is parameter.VAR_POSITIONAL or parameter.default is parameter.empty
            )
            by_place &= parameter.kind is not parameter.KEYWORD_ONLY
            dictionary = parameter.kind is parameter.VAR_KEYWORD
            parts.append(
                f"**{code}" if dictionary else code if by_place else f"{parameter.name}={code}"
            )
    return f"{name}({', '.join(parts)})"


def attempt(code, function, world):
    """Make a call; return how it ended, what was wrong with that (or ""), and where."""
    before, held = fingerprint(world), [variable.numpy() for variable in variables(world)]
    stderr, wrong, place, end = io.StringIO(), "", "", "accepted"
    with (
        warnings.catch_warnings(record=True) as said,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(stderr),
        limited_time(),
    ):
        warnings.simplefilter("always")
        try:
            eval(code, world)
        except (ValueError, TypeError) as problem:
            end, place = "refused", where(problem)
            if not names_a_parameter(str(problem), function):
                end, wrong = "refused without a name", f"{type(problem).__name__}: {problem}"
        except (Exception, Hang) as problem:
            end, wrong, place = (
                "other errors",
                f"{type(problem).__name__}: {problem}",
                where(problem),
            )
    if not wrong and (said or stderr.getvalue()):
        end = "warnings"
        wrong = str(said[0].message) if said else f"stderr: {stderr.getvalue().strip()}"
    arguments, kept = (a != b for a, b in zip(fingerprint(world), before, strict=True))
    if not wrong and arguments:
        end, wrong = "changed its arguments", "arrays or tables are no longer the same"
        world |= make_world()
    elif not wrong and kept and end != "accepted":
        end, wrong = (
            "changed after an error",
            "weights, states or optimizers are no longer the same",
        )
    for variable, value in zip(variables(world), held, strict=True):
        variable.assign(value)  # so that each call can be repeated alone
    return end, " ".join(wrong.split())[:200], place


def names_a_parameter(message, function):
    """Return whether an error begins with one of the parameters, and says what was received."""
    named = re.match(r"`(\w+)", message)
    known = {*inspect.signature(function).parameters, *ALSO.get(function.__name__, ())}
    return bool(named) and named[1] in known and "Received: " in message


def where(problem):
    """Return the last line of helpers that an error came through."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [f for f in frames if "helpers" in f.filename] or frames
    return f"{own[-1].filename.rpartition('helpers')[2].lstrip('/')}:{own[-1].lineno}"


def fingerprint(world):
    """Return the arguments that no call may change, and what none may change after an error."""
    arrays = [array.tobytes() for array in (*world["ragged"], world["ones"], *world["cut"])]
    kept = [variable.numpy().tobytes() for variable in variables(world)]
    return [*arrays, world["frame"].to_csv()], kept


def variables(world):
    """Return all that the world's models keep."""
    kept = [world[name] for name in ("rnn", "last_step", "stateful")]
    return [v for model in kept for v in (*model.variables, *model.optimizer.variables)]


def make_world():
    """Return the names that the code of a value may use."""
    list(public_modules())  # imported, they stand in their packages
    rng = np.random.default_rng(0)
    ragged = [rng.normal(size=(timesteps, 3)).astype("float32") for timesteps in (7, 5)]
    keras.utils.set_random_seed(0)
    kept = {
        "rnn": models.build_rnn(3, features=3),
        "last_step": models.build_rnn(3, features=3, return_sequences=False),
        "stateful": models.build_rnn(3, features=3, stateful=True, batch_size=2),
    }
    for model in kept.values():
        model.compile(keras.optimizers.SGD(0.01), "mse")
        model.optimizer.build(model.trainable_variables)
    days = pd.date_range("2024-01-01", periods=120).astype(str)
    tide = np.sin(np.arange(120.0)) + rng.normal(size=120)
    frame = choose_your_steps.read_table(
        pd.DataFrame({"when": days, "who": "a", "value": tide, "<b>$x$": tide**2})
    )
    sequences = choose_your_steps.make_sequences(frame, ["value"])
    full = full_sequence
    costs = [full.Cost(a, b, 4, 40, 10, 1.5) for a in full._LAYOUTS for b in full._BATCHES]
    return {
        **{name: each for name, each in vars(helpers).items() if inspect.ismodule(each)},
        **kept,
        **{"np": np, "pd": pd, "tf": tf, "keras": keras, "Raises": Raises, "ahead": ahead},
        **{"ragged": ragged, "ones": np.ones((2, 7, 3), "float32"), "costs": costs},
        "cut": windows.split_windows(ragged, 3),
        "dense": keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(1)]),
        "frame": frame,
        "roles": choose_your_steps.guess_roles(frame),
        "task": choose_your_steps.forecast_task(sequences.sequences),
        "vowels": speakers.standardised_vowels(),
    }


@contextlib.contextmanager
def limited_time():
    """Raise `Hang` in what takes too long, where the system has such a timer."""

    def ring(*_):
        raise Hang(f"still at work after {LIMIT} s of processor time")

    if not hasattr(signal, "SIGPROF"):  # Windows
        yield
        return
    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def limited_memory():
    """Let an array that is too large fail, where the system can: else it would take the machine."""
    if resource is None:
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    before = resource.getrlimit(resource.RLIMIT_AS)
    if pages:
        most = pages * resource.getpagesize() + MEMORY * 2**30
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


if __name__ == "__main__":
    sys.exit(not main())
