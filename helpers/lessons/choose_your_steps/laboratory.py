"""Scenarios trained under a slider and compared: a picture, a table and words."""

import numpy as np
import pandas as pd

from helpers import check, plots
from helpers.explorers import CARRY_STYLE, Explorer, Position, Trainer, labelled_slider
from helpers.lessons.choose_your_steps import comparison as rules
from helpers.lessons.choose_your_steps.comparison import CARRIED, CUT, OVERLAPPING, typical
from helpers.lessons.choose_your_steps.task import COMPARE, LAST, STOP, Task, baseline_errors
from helpers.lessons.choose_your_steps.text_files import check_made, refusal

_POINT = {"linestyle": "", "markersize": 8}
_STYLES = {
    CARRIED: CARRY_STYLE[True] | _POINT,
    OVERLAPPING: CARRY_STYLE[False] | _POINT | {"markerfacecolor": "white"},
    CUT: CARRY_STYLE[False] | _POINT,
}
_BASELINE = {"color": "#666666", "linestyle": "-.", "marker": ""}
_POSITIONS = [
    Position(f"windows of {n}", says, {"steps": n})
    for n, says in {
        1: "A window of 1 that resets knows one value and no past. Cut or overlapping is the same.",
        4: "The two squares have the same weights. Only the way of asking differs.",
        16: "Find the grey line, the best baseline. How far from it are the three points?",
        64: "Do longer windows gain anything over those of 16?",
    }.items()
]


def explore_steps(task, *, unit=""):
    """Train window lengths, carried and reset, on what `forecast_task` made, and compare them.

    Nothing trains before `train([1, 4, 16])` or the button; `trainer.wait()` waits for the end.
    What was measured before a stop stays, and is not measured again.
    """
    check_made("task", task, Task, "forecast_task")
    return _Laboratory(task, " ".join(str(unit).split())[:60])


class _Laboratory(Explorer):
    def __init__(self, task, unit):
        self.task, self._unit, self._measured = task, unit, {}
        self._model, self._baselines = rules.model_for(task), baseline_errors(task, COMPARE)
        self._longest = min(256, max(cut[STOP] for cut in task.cuts) - task.horizon)
        self.trainer = Trainer(self._run, lambda: ([self.controls["steps"].value],))
        positions = [p for p in _POSITIONS if p.values["steps"] <= self._longest]
        controls = {"steps": labelled_slider("steps", 1, 1, self._longest)}
        options = {"extra": [self.trainer], "positions": positions}
        super().__init__(self._new_figure(), controls, self._draw, **options)

    def train(self, steps):
        """Measure these window lengths in the background; too long ones are left out, and said."""
        steps = [check.whole_number("steps", n) for n in check.listed("steps", steps, "lengths")]
        if longer := [n for n in steps if n > self._longest]:
            print(f"Left out, for {self._longest} is the longest here: {longer}.")
        self.trainer.start([n for n in steps if n <= self._longest] or [self._longest])

    @property
    def comparison(self):
        """What was measured so far, in the part for comparing."""
        return rules.Comparison(self._baselines, [s for _, s in sorted(self._measured.items())])

    @property
    def chosen(self):
        """The recommended scenario; where none is, the one with the lowest error."""
        measured = rules.candidates(self.comparison)
        if not measured:
            way_out = "Press Train, or call `lab.train([1, 4, 16])` and `lab.trainer.wait()`"
            raise refusal("`lab` must have measured a scenario", "none", way_out)
        return rules.choose(self.comparison) or measured[0]

    def table(self):
        """Return the typical misses in the part for comparing as a pandas.DataFrame."""
        rows = [(name, "", number(each), "", "") for name, each in self._baselines.items()]
        for s in self.comparison.scenarios:
            seeds = sorted(s.errors, key=typical)
            spread = f"{number(seeds[0])} to {number(seeds[-1])}"
            rows.append((s.steps, s.way, number(s.errors), spread, f"{sum(s.seconds):.1f}"))
        columns = ["steps", "asked", "typical miss", "by seed", "seconds in all"]
        return pd.DataFrame(rows, columns=columns).rename_axis(columns="row")

    def advise(self):
        """Return the recommendation, and line by line what it rests on."""
        best, s = rules.best_baseline(self.comparison), self.chosen
        line = f"{best}, which typically misses by {number(self._baselines[best])} {self._unit}"
        chosen = f"{_name(s)}, which misses by {number(s.errors)}"
        said = f"Use {line.strip()}.\nNo model misses by less; nearest: {chosen}."
        if typical(s.errors) <= typical(self._baselines[best]):
            said = f"Use {line.strip()}.\nThat {chosen}, is better has not been shown."
        if rules.choose(self.comparison):
            said = f"Use {chosen}.\nThat is clearly better than {line.strip()}."
        found = rules.against_baseline(self.comparison, s)
        return f"""{said}

{_name(s)}, against {best}:
mean squared error lower by {_short(found.mean)}
in the 8 blocks of time by {", ".join(map(_short, found.blocks))}
standard error of that mean: {_short(found.standard_error)}
so it is {found.mean / max(found.standard_error, 1e-300):.1f} standard errors; 2 are clear"""

    def open_last_part(self):
        """Return the typical misses of the best baseline and the chosen scenario in both parts."""
        best, s = rules.best_baseline(self.comparison), self.chosen
        errors = rules.score(self.task, self._model, s, LAST)
        last = baseline_errors(self.task, LAST)[best]
        rows = {best: (self._baselines[best], last), _name(s): (s.errors, errors)}
        misses = pd.DataFrame(rows, ["part for comparing", "last part"]).T.map(number)
        return misses.rename_axis(columns="typical miss")

    def train_on_all(self):
        """Return the model with the weights of the chosen scenario, trained on all the data."""
        return rules.train_on_all(self.task, self._model, self.chosen)

    def _run(self, steps):
        ways = [(n, way) for n in dict.fromkeys(steps) for way in (CARRIED, CUT)]
        ways = [each for each in ways if each not in self._measured]
        for done, (n, way) in enumerate(ways):

            def report(share, words, done=done):
                return self.trainer.report((done + share) / len(ways), words)

            found = rules.measure(self.task, self._model, n, way, report)
            self._measured |= {(s.steps, s.way): s for s in found}
            self.redraw()
            if not found:
                return

    def _new_figure(self):
        (ax,) = plots.new_axes(height=4.4)
        ax.set_xscale("log", base=2)
        ticks = 2 ** np.arange(int(np.log2(self._longest)) + 1)
        ax.set_xticks(ticks, map(str, ticks))
        ax.fmt_xdata = "{:.0f}".format
        ax.set_xlim(0.75, 1.35 * max(2, self._longest))
        ax.set_xlabel("steps (timesteps in a window, log scale)", fontsize=plots.FONT)
        unit = f" ({self._unit})" if self._unit else ""
        ax.set_ylabel("typical miss" + unit.replace("$", r"\$"), fontsize=plots.FONT)
        plots.add_legend(ax, **_STYLES, **{"best baseline": _BASELINE})
        return ax.figure

    def _draw(self, steps):
        ax = plots.fresh_axes(self.figure.axes[0])
        best = rules.best_baseline(self.comparison)
        tops = [typical(self._baselines[best])]
        ax.axhline(tops[0], **_BASELINE, gid=plots.DRAWN)
        said = []
        for s in self.comparison.scenarios:
            if np.isfinite(s.errors).all():
                x = s.steps * {CARRIED: 0.88, OVERLAPPING: 1.0, CUT: 1.13}[s.way]  # side by side
                seeds = sorted(map(typical, s.errors))
                tops.append(seeds[-1])
                ax.vlines(x, seeds[0], seeds[-1], _STYLES[s.way]["color"], gid=plots.DRAWN)
                (point,) = ax.plot([x], [typical(s.errors)], **_STYLES[s.way], gid=plots.DRAWN)
                point.numbers = [s.steps], [typical(s.errors)]
            if s.steps == steps:
                said.append(f"{s.way} {number(s.errors)}")
        ax.set_ylim(0, 1.1 * max(tops) or 1)  # a baseline may be right everywhere
        plots.add_position(ax, steps)
        said = "; ".join(said) or "not measured yet, press Train"
        baseline = f"({best}): {number(self._baselines[best])} {self._unit}"
        return f"steps = {steps}: {said}. Best baseline {baseline.strip()}."


def number(errors):
    """Return the typical miss of mean squared errors, in words."""
    return _short(typical(errors))


def _short(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _name(scenario):
    return f"windows of {scenario.steps}, {scenario.way}"
