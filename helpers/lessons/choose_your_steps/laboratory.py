"""Scenarios trained under a slider, compared in one picture and one table."""

from functools import partial
from html import escape

import ipywidgets as widgets
import numpy as np

from helpers import plots
from helpers.explorers import Explorer, Trainer, carry_word, labelled_slider
from helpers.lessons.choose_your_steps.advice import (
    as_table,
    choose_scenario,
    number,
    recommend,
    table_rows,
)
from helpers.lessons.choose_your_steps.pictures import plot_scenarios
from helpers.lessons.choose_your_steps.scenarios import (
    Comparison,
    Task,
    copying_errors,
    longest_steps,
    measure_scenario,
    prepare_training,
    root_mean_error,
)
from helpers.models import build_rnn
from helpers.validation import check_list, check_whole_number


def explore_scenarios(task, *, unit="", effort=1, units=16):
    """Train on windows of several lengths, carried and reset, and compare the errors.

    Parameters
    ----------
    task : Task
        As `forecast_task` makes it.
    unit : str
        Of the target.
    effort : int
        How many times as long to train as usual.
    units : int
        Of the `LSTM`.

    Returns
    -------
    Explorer
        With a `trainer`, which measures the steps of the slider; once more, with another seed,
        if they are measured already. `train([1, 4, 16])` makes it measure these window lengths,
        carried and reset, in the background. Then `steps` and `comparison` hold what was found,
        `recommend()` and `table()` put it into words, and `model(steps)` is a trained model.
    """
    if not isinstance(task, Task):
        raise TypeError(f"`task` must be a Task, as `forecast_task` makes it. Received: {task!r}.")
    units = check_whole_number("units", units)
    return _Scenarios(task, unit, check_whole_number("effort", effort), units)


class _Scenarios(Explorer):
    def __init__(self, task, unit, effort, units):
        self.task, self._unit, self._effort, self._units = task, unit, effort, units
        self._longest = longest_steps(task)
        self._copying, self._sizes = copying_errors(task)
        self._trainings = {}  # steps to Training
        self._measured = {}  # (steps, carry) to Scenario
        self._chosen, self._advice = None, ""
        self.trainer = Trainer(self._run, lambda: ([self.controls["steps"].value],))
        self._table = widgets.HTML()
        self._axes = _new_axes()
        super().__init__(
            self._axes[0].figure,
            {"steps": labelled_slider("steps", 1, 1, self._longest)},
            self._describe,
            extra=[self.trainer],
        )
        self.children = [*self.children, self._table]

    def train(self, steps):
        """Measure these window lengths, carried and reset, in the background.

        Those longer than the longest training row are left out.
        """
        steps = check_list("steps", steps, "window lengths, such as [1, 4, 16]")
        steps = [check_whole_number("steps", n) for n in steps]
        self.trainer.start([n for n in steps if n <= self._longest] or [self._longest])

    @property
    def comparison(self):
        """What was measured so far."""
        return Comparison(list(self._measured.values()), self._copying, self._sizes)

    @property
    def steps(self):
        """The window lengths measured so far, shortest first."""
        return sorted({s.steps for s in self.comparison.scenarios})

    def recommend(self, lengths=None):
        """Return the recommendation drawn from the comparison; `lengths` are the sequences'."""
        return recommend(self.comparison, lengths=lengths)

    def table(self):
        """Return the comparison as lines of text."""
        return as_table(self.comparison, unit=self._unit)

    def model(self, steps):
        """Return a model with the weights that were trained with the state carried."""
        if (steps, True) not in self._measured:
            raise ValueError(
                f"`steps` must be one of those measured: {self.steps}. Received: steps={steps}. "
                "Train it first."
            )
        model = build_rnn(self._units, features=self.task.train[0].shape[1])
        model.set_weights(self._measured[steps, True].weights)
        return model

    def _run(self, steps):
        """Measure window lengths; what was measured before a stop stays."""
        scenarios = [(n, carry) for n in dict.fromkeys(steps) for carry in (True, False)]
        for i, (n, carry) in enumerate(scenarios):
            if self.trainer.report(i / len(scenarios), f"steps = {n}: preparing …"):
                return
            found = self._measure(n, carry, partial(self._report, n, carry, i, len(scenarios)))
            if found is None:
                return
            self._keep(found)
            self.redraw()

    def _measure(self, steps, carry, report):
        """Return a scenario measured for two seeds, or for one more; None where it was stopped."""
        if steps not in self._trainings:
            self._trainings[steps] = prepare_training(
                self.task, steps, units=self._units, effort=self._effort
            )
        known = self._measured.get((steps, carry))
        seeds = (0, 1) if known is None else (len(known.errors),)
        found = measure_scenario(
            self.task, self._trainings[steps], carry=carry, seeds=seeds, report=report
        )
        return found if known is None or found is None else _merged(known, found)

    def _report(self, steps, carry, before, scenarios, done, of):
        return self.trainer.report(
            (before + done / of) / scenarios,
            f"steps = {steps}, state {carry_word(carry)}: epoch {done} of {of}",
        )

    def _keep(self, scenario):
        """Take over what was measured, and conclude from it here: a slider has no time for it."""
        self._measured[scenario.steps, scenario.carry] = scenario
        self._chosen = choose_scenario(self.comparison)
        self._advice = " " + self.recommend()[0].says
        self._table.value = _html_table(table_rows(self.comparison, unit=self._unit))

    def _describe(self, steps):
        """Draw every error and cost found so far, and say what it comes to."""
        copying = root_mean_error(self._copying, self._sizes)
        share = self._sizes / self._sizes.sum()
        errors = self._figures(lambda s: np.sqrt(s.errors @ share))
        milliseconds = self._figures(lambda s: np.array([1000 * s.seconds]))
        mebibytes = self._figures(lambda s: np.array([s.mebibytes]))
        for ax, values, ylabel, level in (
            (self._axes[0], errors, f"error ({self._unit})" if self._unit else "error", copying),
            (self._axes[1], milliseconds, "ms an epoch", None),
            (self._axes[2], mebibytes, "memory (MiB)", None),
        ):
            plot_scenarios(
                ax,
                *values,
                ylabel=ylabel,
                longest=self._longest,
                steps=steps,
                copying=level,
                chosen=self._place_of_chosen(values),
            )
            if ax is not self._axes[-1]:
                ax.set_xlabel("")
        return self._words(steps, *errors, copying)

    def _figures(self, of):
        """Return a figure of each scenario by steps: of those that carry, and that reset."""
        return [
            {s.steps: of(s) for s in self.comparison.scenarios if s.carry == carry}
            for carry in (True, False)
        ]

    def _words(self, steps, carried, reset, copying):
        found = [
            f"{number(errors[steps].mean())} with state {carry_word(carry)}"
            for carry, errors in ((True, carried), (False, reset))
            if steps in errors
        ]
        words = f"steps = {steps}: error {' and '.join(found) or 'not measured yet, press Train'}. "
        words += f"Copying the last value: {number(copying)}."
        if (steps, True) in self._measured:
            s = self._measured[steps, True]
            words += f" An epoch takes {s.seconds:.4f} s and {s.mebibytes:.2f} MiB."
        return words + self._advice

    def _place_of_chosen(self, values):
        if self._chosen is None:
            return None
        steps = self._chosen.steps
        return steps, values[not self._chosen.carry][steps].mean()


def _new_axes():
    axes = plots.new_axes(3, height=7.4, ratios=(5, 2, 2))
    figure = axes[0].figure
    figure.set_layout_engine(None)  # the labels' widths change when the first errors come
    figure.subplots_adjust(left=0.12, right=0.98, top=0.94, bottom=0.08, hspace=0.3)
    for ax in axes:
        ax.yaxis.set_label_coords(-0.085, 0.5)
    return axes


def _merged(known, found):
    """Return a scenario with the errors of two, and the time of the quicker one."""
    return known._replace(
        errors=np.concatenate([known.errors, found.errors]),
        seconds=min(known.seconds, found.seconds),
        weights=found.weights,
    )


def _html_table(rows):
    titles, *rows = rows
    head = "".join(f'<th scope="col" {_CELL}>{escape(title)}</th>' for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td {_CELL}>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        '<table style="line-height:1.5"><caption>Errors and costs of each scenario</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


_CELL = 'style="padding:0 0.6em;text-align:right"'
