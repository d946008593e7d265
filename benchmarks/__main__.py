"""Run every benchmark and write the table: `make bench`."""

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path

from benchmarks import arrays, pages, ragged, sliders, start, training
from helpers import plots
from tools.lab import CHROMIUM

README = Path(__file__).parent / "README.md"
PACKAGES = ("tensorflow", "keras", "numpy", "torch")


def main():
    """Measure, print and store."""
    lines = ["# What is how fast", "", *_about(), ""]
    for title, section in (
        ("A training epoch", _epochs),
        ("Sequences of unequal length", _ragged),
        ("Thirty epochs from a cold start", _cold_starts),
        ("Windows of long series", _arrays),
        ("Cost of a timestep", _per_timestep),
        ("From a key press to new pixels", _sliders),
        ("Training under a slider", _training),
        ("Imports", _imports),
        ("From Run all to the first explorer", _starts),
    ):
        print(title, "…", flush=True)
        lines += [f"## {title}", "", *section(), ""]
    README.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def _about():
    found = [name for name in PACKAGES if importlib.util.find_spec(name)]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in found)
    return [
        "Made by `make bench`; each figure stands beside its peer from the same run. Compare the",
        "ratios: the times are those of one machine, which may have been at work on other things.",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        f"{versions}.",
    ]


def _epochs():
    lines = [
        f"Batch {training.BATCH} × {training.TIMESTEPS} timesteps × {training.FEATURES} features, "
        f"{training.UNITS} units, Adam; median of 15 epochs, in ms. `fit` is stateful, in order, "
        "reset before each epoch; PyTorch is truncated backpropagation written by hand.",
        "",
        "| cell | steps | `train_windows` | `fit` | PyTorch | `fit` ÷ ours | PyTorch ÷ ours |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cell in ("lstm", "gru"):
        for steps, ours, fit, torch in training.compare_epochs(cell):
            lines.append(
                f"| {cell} | {steps} | {1e3 * ours:.1f} | {1e3 * fit:.1f} | {_ms(torch)} "
                f"| {fit / ours:.1f} | {'' if torch is None else f'{torch / ours:.1f}'} |"
            )
    return lines


def _ms(seconds):
    return "not installed" if seconds is None else f"{1e3 * seconds:.1f}"


def _cold_starts():
    lines = [
        "The same work, LSTM, from a new model: tracing and compiling are counted. In s.",
        "",
        "| steps | `train_windows` | `fit` | `fit` ÷ ours |",
        "| --- | --- | --- | --- |",
    ]
    for steps, ours, fit in training.compare_cold_starts():
        lines.append(f"| {steps} | {ours:.2f} | {fit:.2f} | {fit / ours:.1f} |")
    return lines


def _arrays():
    view = arrays.sliding_view_seconds()
    ours, keras = arrays.compare_reading()
    split, copy, memory = arrays.compare_splitting()
    return [
        f"- `sliding_windows` on 10 million timesteps: a view, made in {1e6 * view:.0f} µs.",
        f"- Reading every window of {arrays.SHORT} timesteps: {1e3 * ours:.1f} ms; iterating "
        f"`timeseries_dataset_from_array`: {keras:.1f} s, {keras / ours:.0f} times as long.",
        f"- `split_windows` on 64 ragged sequences, about 10 million timesteps: {split / copy:.1f} "
        f"times a copy of the result, at its peak {memory:.2f} times the inputs' memory.",
    ]


def _ragged():
    lines = [
        f"{ragged.BATCH} sequences of {ragged.LENGTHS.min()} to {ragged.LENGTHS.max()} timesteps, "
        "one full-length pass an epoch; median of 15, in ms. PyTorch runs packed sequences.",
        "",
        "| cell | `train_windows` | PyTorch | PyTorch ÷ ours |",
        "| --- | --- | --- | --- |",
    ]
    for cell in ("lstm", "gru"):
        ours, torch = ragged.compare_ragged(cell)
        ratio = "" if torch is None else f"{torch / ours:.1f}"
        lines.append(f"| {cell} | {1e3 * ours:.1f} | {_ms(torch)} | {ratio} |")
    return lines


def _per_timestep():
    lengths = (1_000, 10_000, 100_000, 1_000_000)
    epoch = [1e6 * training.epoch_seconds_per_timestep(n) for n in lengths]
    trace = [1e6 * training.trace_seconds_per_timestep(n) for n in lengths]
    ax = plots.plot_lines(
        {
            "a training epoch": (lengths, epoch, plots.CARRIED | {"marker": "o"}),
            "trace_states": (lengths, trace, plots.RESET | {"marker": "s"}),
        },
        xlabel="timesteps of the series",
        ylabel="time (µs a timestep)",
    )
    ax.set(xscale="log", ylim=(0, 1.2 * max(epoch + trace)))
    ax.figure.savefig(README.with_name("timestep.png"))
    lines = [
        "One series in windows of 100, on a log scale of its length.",
        "",
        "![Time of a timestep against the length of the series: two lines](timestep.png)",
        "",
        "| timesteps | `train_windows`, µs | `trace_states`, µs |",
        "| --- | --- | --- |",
    ]
    rows = zip(lengths, epoch, trace, strict=True)
    return lines + [f"| {n} | {ours:.1f} | {states:.1f} |" for n, ours, states in rows]


def _sliders():
    if CHROMIUM is None:
        return ["Chromium is not installed here."]
    lines = [
        "In JupyterLab in headless Chromium, median / 95th percentile in ms. `interact` draws the "
        "same figure again for each change, in the same session. The first row shows pictures that "
        "are drawn already: what Jupyter and the browser take by themselves. The server sends each "
        "message at once (`helpers/server.py`), for all of them.",
        "",
        "| explorer | ours | `interact` | `interact` ÷ ours |",
        "| --- | --- | --- | --- |",
    ]
    for name, ours, peer in sliders.compare_latencies():
        beside = "| |" if peer is None else f"{_pair(peer)} | {peer[0] / ours[0]:.1f} |"
        lines.append(f"| {name} | {_pair(ours)} | {beside}")
    opened, key = pages.page_seconds()
    return [
        *lines,
        "",
        f"On a page without Python, lesson 03's from `make handouts`, the explorer masks takes "
        f"{_pair(key)}. The page can be moved {opened:.2f} s after it is opened (median of 5).",
    ]


def _training():
    if CHROMIUM is None:
        return ["Chromium is not installed here."]
    first, last = sliders.training_seconds()
    return [
        "`explore_training` on the sunspots, 60 epochs, another `steps` each time, in headless "
        f"Chromium: the page changes {1e3 * first:.0f} ms after Train is pressed, and shows "
        f"the new forecast after {last:.2f} s (medians of 5)."
    ]


def _pair(seconds):
    return " / ".join(f"{1e3 * each:.0f}" for each in seconds)


def _imports():
    lines = [
        "In a new process, beside the libraries that they need; medians of 15, in s.",
        "",
        "| module | s | libraries alone | s |",
        "| --- | --- | --- | --- |",
    ]
    for module, libraries in (
        ("helpers", "sys"),
        ("helpers.windows", "numpy"),
        ("helpers.data", "numpy"),
        ("helpers.plots", "numpy, matplotlib.figure"),
        ("helpers.explorers", "numpy, matplotlib.figure, anywidget, tensorflow, keras"),
    ):
        ours, theirs = start.import_seconds(module), start.import_seconds(libraries)
        lines.append(f"| `{module}` | {ours:.2f} | {libraries} | {theirs:.2f} |")
    return lines


def _starts():
    if CHROMIUM is None:
        return ["Chromium is not installed here."]
    lines = [
        "In JupyterLab in headless Chromium, in s. What the lesson computes before it counts.",
        "",
        "| lesson | first explorer |",
        "| --- | --- |",
    ]
    return lines + [f"| {name} | {s:.1f} |" for name, s in start.compare_starts()]


if __name__ == "__main__":
    main()
