"""A learner's own sequences: choose a file and columns, see the series and its memory."""

from html import escape

import ipywidgets as widgets
import numpy as np

from helpers import data, plots
from helpers.explorers import LABEL, Explorer, labelled_slider, plural
from helpers.lessons.choose_your_steps import files, pictures
from helpers.lessons.choose_your_steps.advice import number
from helpers.lessons.choose_your_steps.scenarios import (
    autocorrelation,
    forecast_task,
    starts_of_tests,
)
from helpers.validation import check_sequences, check_whole_number

_WIDE = {"width": "34em", "max_width": "100%"}
_NONE = "(none)"
_SHOWN = 200  # sequences that a slider offers
_FAR = 200  # timesteps apart, at most, that autocorrelation is shown for


def explore_own_data():
    """Choose sequences: the preloaded ones, or a CSV file of your own; and see them.

    Returns
    -------
    widgets.VBox
        Its `sequences` are a list of (timesteps_i, features) arrays, `features` their names,
        `target` the feature to forecast, `unit` its name, `lengths` the timesteps of each,
        `task` what `forecast_task` makes of them. `excerpt()` is small enough to draw.
    """
    return _Chooser()


class _Chooser(widgets.VBox):
    """File and columns above, the sequences they give below.

    A file that cannot be used leaves the sequences as they were, and says why.
    """

    def __init__(self):
        self._table, self._busy = None, False
        self._source = _entry(widgets.Dropdown, "data", options=list(_PRELOADED))
        self._upload = widgets.FileUpload(
            accept=".csv,.tsv,.txt",
            description="Upload a CSV file (up to 8 MB)",
            layout={"width": "20em"},
        )
        self._path = _entry(
            widgets.Text,
            "or its path",
            placeholder="folder/file.csv, up to 20 MB; then press Enter",
            continuous_update=False,
        )
        self._id, self._time, self._target = (
            _entry(widgets.Dropdown, label) for label in ("sequence", "time", "forecast")
        )
        self._values = _entry(widgets.SelectMultiple, "features", rows=4)
        self._fill = _entry(widgets.Checkbox, "fill gaps with the value before", value=False)
        self._columns = widgets.VBox([self._id, self._time, self._values, self._target, self._fill])
        self._status, self._body = widgets.HTML(), widgets.VBox()
        above = [self._source, widgets.HBox([self._upload]), self._path, self._columns]
        super().__init__([*above, self._status, self._body])
        self._preload("Sunspots")
        self._observe()

    def _observe(self):
        self._source.observe(self._picked, "value")
        self._upload.observe(self._uploaded, "value")
        self._path.observe(self._typed, "value")
        for control in (self._id, self._time, self._values, self._target, self._fill):
            control.observe(self._columns_chosen, "value")

    def read(self, path):
        """Read the CSV file at a path; raise where it cannot be used."""
        self._use_table(files.read_csv(path))

    def excerpt(self):
        """Return the first 8 sequences, 60 timesteps of each at most: small enough to draw."""
        return [sequence[:60] for sequence in self.sequences[:8]]

    @property
    def words(self):
        """What is shown now."""
        return self._body.children[0].words

    def _repr_mimebundle_(self, **kwargs):
        shown = self._body.children[0]._repr_mimebundle_(**kwargs)
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {kind: shown[kind] for kind in ("image/png", "text/plain")}

    def _picked(self, change):
        if self._busy:
            return
        if change["new"] in _PRELOADED:
            self._preload(change["new"])
        else:
            self._try(lambda: self._use_table(self._table))

    def _uploaded(self, change):
        if change["new"]:
            file = change["new"][0]
            content = bytes(file["content"])
            self._try(lambda: self._use_table(files.parse_csv(content, name=file["name"])))

    def _typed(self, change):
        if change["new"].strip():
            self._try(lambda: self.read(change["new"]))

    def _columns_chosen(self, change):
        if self._busy:
            return
        if change["owner"] is self._values:
            self._offer_targets(list(change["new"]))
        self._try(self._use_columns)

    def _try(self, use):
        """Call `use`; where it cannot, say why and keep what there was."""
        try:
            use()
        except (TypeError, ValueError) as problem:
            words = f"{problem} Below is still: {self.name}."
            self._status.value = f'<p role="alert"><b>{escape(words)}</b></p>'

    def _preload(self, name):
        self._columns.layout.display = "none"
        sequences, features, notes = _PRELOADED[name]()
        self._show(name, files.Sequences(sequences, [], features, notes), 0)

    def _use_table(self, table):
        choice = files.guess_columns(table)
        titles = list(table.columns)
        self._table = table
        self._busy = True
        try:
            if table.name not in self._source.options:
                self._source.options = [*_PRELOADED, table.name]
            self._source.value = table.name
            for control, chosen in ((self._id, choice.id), (self._time, choice.time)):
                control.options = [_NONE, *titles]
                control.value = chosen or _NONE
            self._values.options = titles
            self._values.value = choice.values
            self._offer_targets(choice.values)
            self._columns.layout.display = None
        finally:
            self._busy = False
        self._use_columns()

    def _offer_targets(self, titles):
        busy, self._busy = self._busy, True
        kept = self._target.value
        self._target.options = titles
        if titles:
            self._target.value = kept if kept in titles else titles[0]
        self._busy = busy

    def _use_columns(self):
        found = files.make_sequences(
            self._table,
            [title for title in self._values.options if title in self._values.value],
            id=None if self._id.value == _NONE else self._id.value,
            time=None if self._time.value == _NONE else self._time.value,
            fill_gaps=self._fill.value,
        )
        self._show(self._table.name, found, found.features.index(self._target.value))

    def _show(self, name, found, target):
        """Take over sequences that can be used, and draw them."""
        task = forecast_task(found.sequences, target=target)
        self.sequences, self.features, self.target = found.sequences, found.features, target
        self.name, self.unit, self.task = name, found.features[target], task
        self.lengths = [len(sequence) for sequence in found.sequences]
        self._body.children = [_explore_series(self, found.names)]
        notes = "".join(f"<li>{escape(note)}</li>" for note in [*found.notes, *task.words])
        self._status.value = f"<ul>{notes}</ul>"


def _entry(kind, label, **options):
    return kind(description=label, style=LABEL, layout=_WIDE, **options)


def _sunspots():
    numbers = data.load_sunspots().numbers.astype(float)
    return [numbers[:, None]], ["sunspots"], ["Yearly sunspot numbers, 1700 to 2008."]


def _vowels():
    vowels = data.load_japanese_vowels()
    sequences = [np.asarray(s, float) for part in vowels for s in part.sequences]
    features = [f"c{n}" for n in range(1, 13)]
    return sequences, features, ["Utterances of /ae/, 12 numbers every 6.4 ms."]


_PRELOADED = {"Sunspots": _sunspots, "Japanese vowels": _vowels}


def _explore_series(own, names):
    """Show one series from some timestep on, or one of many sequences."""
    (ax,) = plots.new_axes(height=3.2)
    many, splits = len(own.sequences) > 1, starts_of_tests(own.task, own.lengths)
    about = _about(own.lengths, len(own.features))
    if many:
        slider = labelled_slider("sequence", 0, 0, min(len(own.sequences), _SHOWN) - 1)
    else:
        slider = labelled_slider("from timestep", 0, 0, own.lengths[0] - 10)

    def draw(place):
        row, start = (place, 0) if many else (0, place)
        values = own.sequences[row][start:, own.target]
        split = None if splits is None else splits[row]
        pictures.plot_series(ax, values, start=start, split=split, ylabel=own.unit)
        which = f"Sequence {place}" if many else f"From timestep {start}"
        if many and names:
            which += f" ({names[place]})"
        return (
            f"{about} {which}: {own.unit} over {len(values):,} timesteps, from "
            f"{number(values.min())} to {number(values.max())}, on average "
            f"{number(values.mean())}."
        )

    return Explorer(ax.figure, {"place": slider}, draw)


def _about(lengths, features):
    about = f"One series of {lengths[0]:,} timesteps"
    if len(lengths) > 1:
        about = f"{len(lengths)} sequences of {min(lengths):,} to {max(lengths):,} timesteps"
    return f"{about}, {features} {plural('feature', features)}."


def explore_autocorrelation(sequences, *, target=0, unit="value"):
    """Move a distance and see how much values that far apart have to do with one another.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    target : int
        The feature to look at.
    unit : str
        What it is.

    Returns
    -------
    Explorer
    """
    sequences = check_sequences(sequences)
    target = check_whole_number("target", target, minimum=0, maximum=np.shape(sequences[0])[1] - 1)
    most = min(_FAR, max(1, max(map(len, sequences)) // 2))
    correlation = autocorrelation(sequences, most)[:, target]
    values = [np.asarray(sequence, float)[:, target] for sequence in sequences]
    pairs_ax, ax = plots.new_axes(2, height=4.6, ratios=(3, 2))

    def draw(lag):
        long = [each for each in values if len(each) > lag]
        before = np.concatenate([each[: len(each) - lag] for each in long])
        after = np.concatenate([each[lag:] for each in long])
        pictures.plot_pairs(pairs_ax, before, after, ylabel=unit)
        pictures.plot_autocorrelation(ax, correlation, lag)
        return (
            f"{unit}, {lag} {plural('timestep', lag)} apart: autocorrelation "
            f"{correlation[lag]:.2f}, from {len(before):,} pairs. {_strength(correlation[lag])}"
        )

    return Explorer(pairs_ax.figure, {"lag": labelled_slider("distance", 1, 1, most)}, draw)


def _strength(correlation):
    if abs(correlation) < 0.2:
        return "On a straight line, the earlier value says next to nothing about the later one."
    high = "high" if correlation > 0 else "low"
    return f"After a high value comes a {high} one, more often than not."
