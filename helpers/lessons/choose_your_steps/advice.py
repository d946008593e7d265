"""A recommendation from measured scenarios, with the evidence behind each sentence.

Two rules decide. A difference between two errors **counts** if it is at least twice its
wobble: the standard error that follows from how much it changes between seeds, and between
consecutive pieces of the test part. An error is **as good as the best** if it is at most 5 %
above it, and no difference between the two counts.
"""

import textwrap
from typing import NamedTuple

import numpy as np

from helpers.lessons.choose_your_steps.scenarios import Comparison, root_mean_error
from helpers.validation import check_lengths
from helpers.windows import bucket_by_length

COUNTS = 2.0  # times the wobble
CLOSE = 0.05  # above the best error, as a share of it

_WIDTH = 96  # characters of a line


class Sentence(NamedTuple):
    """A sentence of a recommendation: what it `says`, the `evidence`, and what would change it."""

    says: str
    evidence: str
    change: str


class Difference(NamedTuple):
    """How much lower an error is than another: `times` its wobble, and whether that `counts`."""

    times: float
    counts: bool


def compare_errors(comparison, lower, higher):
    """Say whether one error is lower than another by more than it wobbles.

    Parameters
    ----------
    comparison : Comparison
    lower, higher : Scenario, or None for copying the last value

    Returns
    -------
    Difference
        `times` is the difference of the mean squared errors, divided by its standard error;
        negative where `lower` is in truth higher.
    """
    _check_comparison(comparison)
    a, b = _errors(comparison, lower), _errors(comparison, higher)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):  # a training that went astray
        counts = bool(np.isfinite(a).all() and not np.isfinite(b).all())
        return Difference(np.inf if counts else -np.inf, counts)
    share = comparison.sizes / comparison.sizes.sum()
    apart = b.mean(axis=0) - a.mean(axis=0)  # (pieces,)
    mean, pieces = float(share @ apart), len(apart)
    between_pieces = share**2 @ (apart - mean) ** 2 * pieces / max(pieces - 1, 1)
    between_seeds = sum(
        _seed_variance(comparison) * (errors.mean(axis=0) @ share) ** 2 / len(errors)
        for errors, scenario in ((a, lower), (b, higher))
        if scenario is not None
    )
    wobble = float(np.sqrt(between_pieces + between_seeds))
    times = mean / wobble if wobble > 0 else float(np.sign(mean)) * np.inf if mean else 0.0
    return Difference(times, times >= COUNTS)


def is_as_good(comparison, scenario, best):
    """Return whether an error is close to the best, and not clearly above it."""
    lowest, error = (root_mean_error(s.errors, comparison.sizes) for s in (best, scenario))
    return error <= (1 + CLOSE) * lowest and not compare_errors(comparison, best, scenario).counts


def best_scenario(comparison):
    """Return the scenario with the lowest error."""
    _check_comparison(comparison)
    return min(comparison.scenarios, key=lambda s: root_mean_error(s.errors, comparison.sizes))


def choose_scenario(comparison):
    """Return the scenario to recommend, or None where none clearly beats copying.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    Scenario or None
        Of those that are as good as the best and clearly beat copying the last value: the one
        with the shortest windows, and of two of that length the one that resets.
    """
    good = _good_scenarios(comparison)
    return min(good, key=lambda s: (s.steps, s.carry), default=None)


def recommend(comparison, *, lengths=None):
    """Put into words what the measured scenarios say.

    Parameters
    ----------
    comparison : Comparison
    lengths : sequence of int, optional
        Timesteps of each of many sequences, to say something about padding.

    Returns
    -------
    list of Sentence
    """
    chosen = choose_scenario(comparison)
    if chosen is None:
        return [_copy(comparison)]
    rules = (_use, _carry, _longer, _shorter, _cost)
    sentences = [sentence for rule in rules for sentence in rule(comparison, chosen)]
    return sentences + ([] if lengths is None else _bucket(check_lengths(lengths)))


def in_words(sentences):
    """Return a recommendation as lines of text of at most 96 characters."""
    lines = []
    for n, s in enumerate(sentences, start=1):
        parts = (f"{n}. {s.says}", f"Evidence: {s.evidence}", f"What would change it: {s.change}")
        first, *rest = (textwrap.fill(part, _WIDTH - 3, subsequent_indent="   ") for part in parts)
        lines += [first, *(textwrap.indent(part, "   ", lambda line: True) for part in rest), ""]
    return "\n".join(lines[:-1])


def table_rows(comparison, *, unit=""):
    """Return the comparison as rows of text: titles, the scenarios by steps, copying at last.

    Parameters
    ----------
    comparison : Comparison
    unit : str
        Of the errors.

    Returns
    -------
    list of tuples of str
    """
    best, rows = best_scenario(comparison), [(*_TITLES[:2], _titled(unit), *_TITLES[2:])]
    for s in sorted(comparison.scenarios, key=lambda s: (s.steps, s.carry)):
        beats = compare_errors(comparison, s, None).counts
        good = is_as_good(comparison, s, best)
        error = number(root_mean_error(s.errors, comparison.sizes))
        verdicts = ["yes" if verdict else "no" for verdict in (beats, good)]
        costs = f"{s.seconds:.4f}", f"{s.mebibytes:.2f}", str(s.epochs)
        rows.append((str(s.steps), _state(s), error, *verdicts, *costs))
    copied = number(root_mean_error(comparison.copying, comparison.sizes))
    return [*rows, ("", "copying", copied, "", "", "", "", "")]


def as_table(comparison, *, unit=""):
    """Return the comparison as lines of text; the parameters are those of `table_rows`."""
    rows = table_rows(comparison, unit=unit)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


def number(value):
    """Return a number as text, with three digits that count."""
    if not np.isfinite(value):
        return "none: training went astray"
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    digits = 2 - int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{value:,.{max(digits, 0)}f}"


_TITLES = ("steps", "state", "beats copying", "as good as the best", "s an epoch", "MiB", "epochs")


def _titled(unit):
    return f"error ({unit})" if unit else "error"


def _copy(comparison):
    best = best_scenario(comparison)
    loses = compare_errors(comparison, None, best).counts
    return Sentence(
        "Copy the last value: "
        + ("every model here does worse." if loses else "no model here clearly beats it."),
        f"the best model's {_less(comparison, best, None)}.",
        "features that know more about the next value, more data, longer training, or a model that "
        "forecasts the change from the last value instead of the value.",
    )


def _use(comparison, chosen):
    best = best_scenario(comparison)
    how = "carry the state from one to the next" if chosen.carry else "reset the state at each"
    says = f"Use windows of {chosen.steps} timesteps, and {how}."
    if chosen.steps == 1:
        says = f"Use windows of 1 timestep, and {how}."
        if not chosen.carry:
            says += " This model remembers nothing: each forecast comes from one timestep alone."
    evidence = f"{_less(comparison, chosen, None)}."
    if chosen is not best:
        evidence += f" The lowest error is as good: {_less(comparison, best, chosen)}."
    change = "another scenario that is clearly better, found with other steps or more seeds."
    return [Sentence(says, evidence, change)]


def _carry(comparison, chosen):
    same = [s for s in comparison.scenarios if s.steps == chosen.steps and s is not chosen]
    if not same:
        return []
    (other,) = same
    if not chosen.carry:
        return [_reset(comparison, chosen, other)]
    clear = compare_errors(comparison, chosen, other).counts
    resets = [s for s in _good_scenarios(comparison) if not s.carry]
    enough = min(resets, key=lambda s: s.steps, default=None)
    change = "longer windows than were tried: no scenario that resets is as good as the best."
    if enough:
        change = f"longer windows: with steps = {enough.steps}, reset is as good as the best."
    return [
        Sentence(
            "Carrying the state pays at this length."
            if clear
            else "Carry the state: with reset the error came out higher, if not clearly so.",
            f"{_less(comparison, chosen, other)}.",
            change,
        )
    ]


def _reset(comparison, chosen, carried):
    clear = compare_errors(comparison, carried, chosen).counts
    return Sentence(
        ("What carrying the state gains is too little to matter" if clear else "Carrying the state")
        + (" at this length." if clear else " makes nothing clearly better at this length.")
        + " Windows that reset may come in any order, which is simpler.",
        f"{_less(comparison, carried, chosen)}.",
        ("shorter windows, or " if chosen.steps > 1 else "")
        + "a next value that depends on what lies further back.",
    )


def _longer(comparison, chosen):
    longer = [s for s in comparison.scenarios if s.steps > chosen.steps]
    if not longer:
        return [
            Sentence(
                "Try longer windows too: this is the longest that was tried.",
                f"the table ends at steps = {chosen.steps}.",
                "a longer window in the table that is not clearly better.",
            )
        ]
    lowest = min(longer, key=lambda s: root_mean_error(s.errors, comparison.sizes))
    return [
        Sentence(
            "Longer windows do not pay here.",
            f"the lowest error of the longer ones: {_less(comparison, lowest, chosen)}.",
            "longer training, more data, or a next value that depends on what lies further back.",
        )
    ]


def _shorter(comparison, chosen):
    shorter = [s for s in comparison.scenarios if s.steps < chosen.steps]
    if not shorter:
        return []
    best = best_scenario(comparison)
    lowest = min(shorter, key=lambda s: root_mean_error(s.errors, comparison.sizes))
    says = "Shorter windows came out worse, if not clearly so."
    if compare_errors(comparison, best, lowest).counts:
        says = "Shorter windows are clearly worse."
    evidence = (
        f"the best of all, beside the best of the shorter: {_less(comparison, best, lowest)}."
    )
    if is_as_good(comparison, lowest, best):
        says = "Shorter windows do not clearly beat copying."
        evidence = f"the best of the shorter ones: {_less(comparison, lowest, None)}."
    change = "longer training, or more units, so that the state carries more."
    return [Sentence(says, evidence, change)]


def _cost(comparison, chosen):
    longest = max(comparison.scenarios, key=lambda s: (s.steps, s.carry == chosen.carry))
    evidence = "measured on this machine."
    if longest is not chosen:
        evidence = f"measured on this machine; the longest windows tried take {_costs(longest)}."
    good = _good_scenarios(comparison)
    quickest = min(good, key=lambda s: s.seconds)
    change = "another machine, more units, or more sequences in a batch."
    if quickest.seconds < chosen.seconds / 2:
        change = (
            f"if time matters more than memory, take steps = {quickest.steps}, state "
            f"{_state(quickest)}: as good as the best, and {_costs(quickest)}."
        )
    return [Sentence(f"An epoch costs {_costs(chosen)}.", evidence, change)]


def _bucket(lengths):
    """Speak about padding where there are many sequences and padding is more than a tenth."""
    padding = 1 - lengths.sum() / (len(lengths) * lengths.max())
    if len(lengths) < 8 or padding < 0.1:
        return []
    buckets = [lengths[rows] for rows in bucket_by_length(lengths, 4)]
    cells = sum(len(bucket) * bucket.max() for bucket in buckets)
    return [
        Sentence(
            "Put sequences of similar length into one batch.",
            f"in one batch of all {len(lengths)} sequences, {padding:.0%} of the timesteps are "
            f"padding; in 4 buckets, {1 - lengths.sum() / cells:.0%}.",
            "sequences of nearly equal length.",
        )
    ]


def _good_scenarios(comparison):
    """Return the scenarios that are as good as the best and clearly beat copying."""
    best = best_scenario(comparison)
    return [
        s
        for s in comparison.scenarios
        if is_as_good(comparison, s, best) and compare_errors(comparison, s, None).counts
    ]


def _less(comparison, lower, higher):
    """Return two errors in words: how much less the first is, and how often its wobble that is."""
    first, second = (
        root_mean_error(_errors(comparison, s), comparison.sizes) for s in (lower, higher)
    )
    words = f"{number(first)} ({_name(lower)}) against {number(second)} ({_name(higher)})"
    if not (np.isfinite(first) and np.isfinite(second) and second > 0):
        return words
    times = abs(compare_errors(comparison, lower, higher).times)
    word = "less" if first <= second else "more"
    if not np.isfinite(times):
        return f"{words}, {abs(1 - first / second):.0%} {word}, without a wobble"
    digits = 2 if times < 10 else 0
    return f"{words}, {abs(1 - first / second):.0%} {word}, {times:.{digits}f} times the wobble"


def _errors(comparison, scenario):
    return comparison.copying[None] if scenario is None else scenario.errors


def _seed_variance(comparison):
    """Return the variance between seeds, as a share of an error squared; pooled over scenarios."""
    share = comparison.sizes / comparison.sizes.sum()
    squares, freedom = 0.0, 0
    for scenario in comparison.scenarios:
        each = scenario.errors @ share  # (seeds,)
        if np.isfinite(each).all() and each.mean() > 0:
            squares += float(((each / each.mean() - 1) ** 2).sum())
            freedom += len(each) - 1
    return squares / freedom if freedom else 0.0


def _name(scenario):
    if scenario is None:
        return "copying"
    return f"steps = {scenario.steps}, state {_state(scenario)}"


def _state(scenario):
    return "carried" if scenario.carry else "reset"


def _costs(scenario):
    return f"{scenario.seconds:.4f} s and {scenario.mebibytes:.2f} MiB"


def _check_comparison(comparison):
    if not isinstance(comparison, Comparison):
        raise TypeError(
            f"`comparison` must be a Comparison. Received: {type(comparison).__name__}."
        )
    if not comparison.scenarios:
        raise ValueError(
            "`comparison` must hold at least one scenario. Received: none. Train one first."
        )
