"""A learner's own sequences: choose a file and columns, see the series and its memory."""

from html import escape

import ipywidgets as widgets
import numpy as np
from helpers.advice import number
from helpers.explorers.base import LABEL, Explorer, labelled_slider, longest_of, plural
from helpers.scenarios import autocorrelation, forecast_task, starts_of_tests

from helpers import data, files, plots
from helpers.plots import series as series_plots
from helpers.validation import check_sequences, check_whole_number

_WIDE = {"width": "34em", "max_width": "100%"}
_NONE = "(none)"
_SHOWN = 200  # sequences that a slider offers


def explore_own_data(path=None):
    """Choose sequences: the preloaded ones, or a CSV file of your own; and see them.

    Parameters
    ----------
    path : str, optional
        A CSV file to begin with; the sunspots if None.

    Returns
    -------
    widgets.VBox
        Its `sequences` are a list of (timesteps_i, features) arrays, `features` their names,
        `target` the feature to forecast, `unit` its name, `lengths` the timesteps of each,
        `task` what `forecast_task` makes of them.
    """
    chooser = _Chooser()
    if path is not None:
        chooser.read(path)
    return chooser


class _Chooser(widgets.VBox):
    """File and columns above, the sequences they give below.

    A file that cannot be used leaves the sequences as they were, and says why.
    """

    def __init__(self):
        self._table, self._busy = None, False
        self._source = widgets.Dropdown(
            options=["Sunspots", "Japanese vowels"], description="data", style=LABEL, layout=_WIDE
        )
        self._upload = widgets.FileUpload(
            accept=".csv,.tsv,.txt", description="Upload a CSV file (up to 8 MB)"
        )
        self._upload.layout.width = "20em"
        self._path = widgets.Text(
            description="or its path",
            placeholder="folder/file.csv, up to 20 MB; then press Enter",
            continuous_update=False,
            style=LABEL,
            layout=_WIDE,
        )
        self._id, self._time, self._target = (
            widgets.Dropdown(description=label, style=LABEL, layout=_WIDE)
            for label in ("sequence", "time", "forecast")
        )
        self._values = widgets.SelectMultiple(
            description="features", rows=4, style=LABEL, layout=_WIDE
        )
        self._fill = widgets.Checkbox(
            False, description="fill gaps with the value before", style=LABEL, layout=_WIDE
        )
        self._columns = widgets.VBox([self._id, self._time, self._values, self._target, self._fill])
        self._status, self._body = widgets.HTML(), widgets.VBox()
        super().__init__(
            [
                self._source,
                widgets.HBox([self._upload]),
                self._path,
                self._columns,
                self._status,
                self._body,
            ]
        )
        self._preload("Sunspots")
        self._source.observe(self._picked, "value")
        self._upload.observe(self._uploaded, "value")
        self._path.observe(self._typed, "value")
        for control in (self._id, self._time, self._values, self._target, self._fill):
            control.observe(self._columns_chosen, "value")

    def read(self, path):
        """Read the CSV file at a path; raise where it cannot be used."""
        self._use_table(files.read_csv(path))

    def excerpt(self, *, sequences=8, timesteps=60):
        """Return the first sequences, none longer than `timesteps`: small enough to draw."""
        most = check_whole_number("sequences", sequences)
        longest = check_whole_number("timesteps", timesteps)
        return [sequence[:longest] for sequence in self.sequences[:most]]

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
    sequences, lengths, features = own.sequences, own.lengths, len(own.features)
    many, splits = len(sequences) > 1, starts_of_tests(own.task, own.lengths)
    if many:
        most = min(len(sequences), _SHOWN)
        slider = labelled_slider("sequence", 0, 0, most - 1)
        about = f"{len(sequences)} sequences of {min(lengths):,} to {max(lengths):,} timesteps"
    else:
        slider = labelled_slider("from timestep", 0, 0, lengths[0] - 10)
        about = f"One series of {lengths[0]:,} timesteps"
    about += f", {features} {plural('feature', features)}."

    def draw(place):
        row, start = (place, 0) if many else (0, place)
        values = sequences[row][start:, own.target]
        split = None if splits is None else splits[row]
        series_plots.plot_series(values, start=start, split=split, ylabel=own.unit, ax=ax)
        which = f"Sequence {place}" if many else f"From timestep {start}"
        if many and names:
            which += f" ({names[place]})"
        return (
            f"{about} {which}: {own.unit} over {len(values):,} timesteps, from "
            f"{number(values.min())} to {number(values.max())}, on average "
            f"{number(values.mean())}."
        )

    return Explorer(ax.figure, {"place": slider}, draw)


def explore_autocorrelation(sequences, *, target=0, unit="value", lag=1, most=200):
    """Move a distance and see how much values that far apart have to do with one another.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    target : int
        The feature to look at.
    unit : str
        What it is.
    lag : int
        Where the slider starts, in timesteps.
    most : int
        The largest distance to offer; at most half of the longest sequence.

    Returns
    -------
    Explorer
    """
    sequences = check_sequences(sequences)
    target = check_whole_number("target", target, minimum=0, maximum=np.shape(sequences[0])[1] - 1)
    most = min(check_whole_number("most", most), max(1, longest_of(sequences) // 2))
    correlation = autocorrelation(sequences, most)[:, target]
    values = [np.asarray(sequence, float)[:, target] for sequence in sequences]
    pairs_ax, ax = plots.new_axes(2, height=5.8, ratios=(3, 2))

    def draw(lag):
        long = [each for each in values if len(each) > lag]
        before = np.concatenate([each[: len(each) - lag] for each in long])
        after = np.concatenate([each[lag:] for each in long])
        series_plots.plot_pairs(before, after, ylabel=unit, ax=pairs_ax)
        series_plots.plot_autocorrelation(correlation, lag, ax=ax)
        return (
            f"{unit}, {lag} {plural('timestep', lag)} apart: autocorrelation "
            f"{correlation[lag]:.2f}, from {len(before):,} pairs. {_strength(correlation[lag])}"
        )

    slider = labelled_slider("distance", lag, 1, most)
    return Explorer(pairs_ax.figure, {"lag": slider}, draw)


def _strength(correlation):
    if abs(correlation) < 0.2:
        return "On a straight line, the earlier value says next to nothing about the later one."
    high = "high" if correlation > 0 else "low"
    return f"After a high value comes a {high} one, more often than not."
