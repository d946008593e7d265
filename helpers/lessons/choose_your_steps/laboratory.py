"""Scenarios trained under a slider, compared in one picture and one table."""

import time
from html import escape

import ipywidgets as widgets
import numpy as np
from helpers.advice import as_table, choose_scenario, number, recommend, table_rows
from helpers.explorers.background import Background
from helpers.explorers.base import LABEL, Explorer, carry_word, labelled_slider
from helpers.scenarios import (
    Comparison,
    Task,
    copying_errors,
    longest_steps,
    measure_scenario,
    root_mean_error,
    scenario_model,
)

from helpers import plots
from helpers.plots import series as series_plots
from helpers.validation import check_list, check_steps, check_whole_number


def explore_scenarios(task, *, unit="", steps=1, effort=1, units=16):
    """Train on windows of several lengths, carried and reset, and compare the errors.

    Parameters
    ----------
    task : Task
        As `forecast_task` makes it.
    unit : str
        Of the target.
    steps : int
        Where the slider starts.
    effort : int
        How many times as long to train as `measure_scenario` does by itself.
    units : int
        Of the `LSTM`.

    Returns
    -------
    Explorer
        `train([1, 4, 16])` measures these window lengths, carried and reset, in the background;
        `progress` is a bar with a button to stop it; `wait()` returns when it has ended. The
        button Train measures the steps of the slider; once more, with another seed, if they are
        measured already. Then `steps` and `comparison` hold what was found, `recommend()` and
        `table()` put it into words, and `model(steps)` is a trained model.
    """
    return _Scenarios(task, unit, steps, effort, units)


class _Scenarios(Explorer):
    def __init__(self, task, unit, steps, effort, units):
        if not isinstance(task, Task):
            raise TypeError(
                f"`task` must be a Task, as `forecast_task` makes it. Received: {task!r}."
            )
        self.task, self._unit = task, unit
        self._effort = check_whole_number("effort", effort)
        self._units = check_whole_number("units", units)
        self._longest = longest_steps(task)
        check_steps(steps, self._longest)
        self._copying, self._sizes = copying_errors(task)
        self._measured = {}  # (steps, carry) to Scenario
        self._chosen, self._advice = None, ""
        self._background = Background()
        self._train = widgets.Button(description="Train", icon="play")
        self._halt = widgets.Button(description="Stop", icon="stop", disabled=True)
        self._bar = widgets.FloatProgress(
            0.0, min=0.0, max=1.0, description="training", style=LABEL
        )
        self._status, self._table = widgets.HTML(), widgets.HTML()
        self.progress = widgets.HBox([self._halt, self._bar, self._status])
        self._train.on_click(lambda _: self._start([self.controls["steps"].value]))
        self._halt.on_click(lambda _: self._background.stop())
        self._axes = plots.new_axes(3, height=7.4, ratios=(5, 2, 2))
        figure = self._axes[0].figure
        figure.set_layout_engine(None)  # the labels' widths change when the first errors come
        figure.subplots_adjust(left=0.12, right=0.98, top=0.94, bottom=0.08, hspace=0.3)
        super().__init__(
            figure,
            {"steps": labelled_slider("steps", steps, 1, self._longest)},
            self._describe,
            extra=[widgets.HBox([self._train, self.progress])],
        )
        self.children = [*self.children, self._table]

    def train(self, steps):
        """Measure these window lengths, carried and reset, in the background.

        Those longer than the longest training row are left out.
        """
        steps = check_list("steps", steps, "window lengths, such as [1, 4, 16]")
        steps = [check_whole_number("steps", n) for n in steps]
        self._start([n for n in steps if n <= self._longest] or [self._longest])

    def wait(self):
        """Wait for the end of the training. Interrupting the kernel stops it, as Stop does."""
        self._background.wait()

    @property
    def comparison(self):
        """What was measured so far."""
        return Comparison(list(self._measured.values()), self._copying, self._sizes)

    @property
    def steps(self):
        """The window lengths measured so far, shortest first."""
        return sorted({steps for steps, _ in self._measured})

    def recommend(self, lengths=None):
        """Return the recommendation that `helpers.advice` draws from the comparison."""
        return recommend(self.comparison, lengths=lengths)

    def table(self):
        """Return the comparison as lines of text."""
        return as_table(self.comparison, unit=self._unit)

    def model(self, steps, *, carry=True):
        """Return a model with the weights that were trained for a scenario."""
        from helpers.models import build_rnn

        if (steps, carry) not in self._measured:
            raise ValueError(
                f"`steps` must be one of those measured: {self.steps}. Received: steps={steps}. "
                "Train it first."
            )
        model = build_rnn(self._units, features=self.task.train[0].shape[1])
        model.set_weights(self._measured[steps, carry].weights)
        return model

    def _start(self, steps):
        if self._background.busy:
            return
        self._train.disabled, self._halt.disabled = True, False
        self._bar.value = 0.0
        scenarios = [(n, carry) for n in dict.fromkeys(steps) for carry in (True, False)]
        self._background.start(self._run, scenarios)

    def _run(self, scenarios):
        words = "Done."
        try:
            for i, (steps, carry) in enumerate(scenarios):
                if carry:  # the first of two that share a model
                    self._say(f"steps = {steps}: preparing …")
                    model = scenario_model(self.task, steps, units=self._units, effort=self._effort)
                self._measure(model, steps, carry, i / len(scenarios), 1 / len(scenarios))
                if self._background.stopping:
                    words = "Stopped."
                    break
                self.redraw()
        except Exception as problem:  # a thread's error would vanish: show it
            words = f"{type(problem).__name__}: {problem}"
        self._say(words)
        self._train.disabled, self._halt.disabled = False, True

    def _measure(self, model, steps, carry, start, share):
        name = f"steps = {steps}, state {carry_word(carry)}"
        last = time.monotonic()

        def follow(done, of):
            nonlocal last
            if time.monotonic() - last > 0.1 or done == of:  # few messages keep the page quick
                last = time.monotonic()
                self._bar.value = start + share * done / of
                self._say(f"{name}: epoch {done} of {of}")
            return self._background.stopping

        known, other = self._measured.get((steps, carry)), self._measured.get((steps, not carry))
        found = measure_scenario(
            self.task,
            steps,
            carry=carry,
            seeds=(0, 1) if known is None else (len(known.errors),),
            units=self._units,
            effort=self._effort,
            mebibytes=next((s.mebibytes for s in (known, other) if s is not None), None),
            model=model,
            progress=follow,
        )
        if found is not None:
            self._keep(found if known is None else _merged(known, found))

    def _keep(self, scenario):
        """Take over what was measured, and conclude from it here: a slider has no time for it."""
        self._measured[scenario.steps, scenario.carry] = scenario
        self._chosen = choose_scenario(self.comparison)
        self._advice = " " + self.recommend()[0].says
        self._table.value = _html_table(table_rows(self.comparison, unit=self._unit))

    def _say(self, words):
        self._status.value = f"<span>{escape(words)}</span>"

    def _describe(self, steps):
        """Draw every error and cost found so far, and say what it comes to."""
        copying = root_mean_error(self._copying, self._sizes)
        share = self._sizes / self._sizes.sum()
        errors, milliseconds, mebibytes = (
            [
                {n: of(s) for (n, kept), s in self._measured.items() if kept is carry}
                for carry in (True, False)
            ]
            for of in (
                lambda s: np.sqrt(s.errors @ share),
                lambda s: np.array([1000 * s.seconds]),
                lambda s: np.array([s.mebibytes]),
            )
        )
        for ax, values, ylabel, level in (
            (self._axes[0], errors, f"error ({self._unit})" if self._unit else "error", copying),
            (self._axes[1], milliseconds, "ms an epoch", None),
            (self._axes[2], mebibytes, "memory (MiB)", None),
        ):
            series_plots.plot_scenarios(
                *values,
                ylabel=ylabel,
                longest=self._longest,
                steps=steps,
                copying=level,
                chosen=self._place_of_chosen(values),
                ax=ax,
            )
            ax.yaxis.set_label_coords(-0.085, 0.5)
            if ax is not self._axes[-1]:
                ax.set_xlabel("")
        return self._words(steps, *errors, copying)

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
