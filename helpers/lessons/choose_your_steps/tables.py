"""Sequences from a learner's own table: a file, an array or a DataFrame.

What the columns mean is guessed and said; what looks odd is said; what cannot be used is an error
that names the line and the way out.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.lessons.choose_your_steps import moments, text_files
from helpers.lessons.choose_your_steps.roles import (
    ID_WORDS,
    Roles,
    describe_reading,
    guess_roles,
    kinds_of,
    listed,
    name_of,
    quoted,
)
from helpers.validation import check_flag

__all__ = [
    "Roles",
    "Sequences",
    "describe_reading",
    "guess_roles",
    "make_sequences",
    "read_table",
]

MAX_BYTES = 2**30


class Sequences(NamedTuple):
    """What a table holds, each sequence in the order of time.

    `sequences` are (timesteps_i, features) arrays of float64 without gaps, `names` say which,
    `features` are the columns, `notes` sentences on how the table was read and what looks odd.
    `parallel` is True where sequences run at the same time: they move together, so they are to be
    split in time, all at one date, and not at random.
    """

    sequences: list
    names: list
    features: list
    notes: list
    parallel: bool = False


def read_table(source):
    """Read a table.

    Parameters
    ----------
    source : str or Path, bytes, array, Series or DataFrame
        A file (text, Excel, parquet) or its content; (timesteps,) or (timesteps, features).

    Returns
    -------
    DataFrame
        Its index is the line in the file; `attrs` hold its `name`, and `notes` on the reading.
    """
    if isinstance(source, (pd.DataFrame, pd.Series)):
        return _from_frame(pd.DataFrame(source), "the table")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(source), "the file")
    if isinstance(source, (str, Path)):
        return _from_bytes(*_load(str(source).strip().strip("\"'")))
    if isinstance(source, np.ma.MaskedArray):
        source = source.astype(float).filled(np.nan)
    try:
        array = np.asarray(source)
    except ValueError:  # rows of unequal length
        array = np.array(None)
    if array.ndim not in (1, 2) or array.dtype.kind not in "biuf" or not array.size:
        raise TypeError(
            "`source` must be a path, bytes, a DataFrame, or an array of numbers with the axes "
            f"(timesteps,) or (timesteps, features). Received: {type(source).__name__} of shape "
            f"{array.shape}. Pass one sequence, or a DataFrame whose rows are timesteps."
        )
    frame = pd.DataFrame(array.astype(float).reshape(len(array), -1))
    frame.columns = ["value"] if frame.shape[1] == 1 else [f"feature {c}" for c in frame]
    return _from_frame(frame, "the array")


def make_sequences(table, values, *, id=(), time=(), fill_gaps=False, difference=False):
    """Return the sequences of a table, one row a timestep.

    Parameters
    ----------
    table : DataFrame
        From `read_table`.
    values : list of str
        The columns that hold the features.
    id : list of str
        The columns that together name the sequence of a row. Without any, it is one sequence.
    time : list of str
        The columns that together say when. Without any, the rows stay in their order.
    fill_gaps : bool
        Fill what is missing or no number with the value before; leave out what has none before.
    difference : bool
        Give the change since the timestep before, in the same unit, instead of the value.

    Returns
    -------
    Sequences
    """
    values = _columns(table, "values", values)
    id, time = _columns(table, "id", id), _columns(table, "time", time)
    if not values:
        raise ValueError(
            "`values` must name a column. Received: none. Name one that holds numbers."
        )
    check_flag("fill_gaps", fill_gaps)
    check_flag("difference", difference)
    notes = [*table.attrs.get("notes", [])]
    left = [c for c in table if c not in {*values, *id, *time}]
    if left:
        notes.append(f"Columns left out: {listed(left)}.")
    named = [c for c in left if not id and moments.tokens(c) & ID_WORDS]
    several = [c for c in named if table[c].nunique() > 1]
    if several:
        notes.append(f"If sequences are told apart by {listed(several)}, pass it as `id`.")
    numbers = _checked_numbers(table, values, fill_gaps, notes)
    notes += _suspicious(numbers)
    groups, names = _groups(table, id)
    numbers, groups, parallel = _in_order(table, numbers, groups, time, notes)
    if fill_gaps:
        numbers, groups = _filled(table, numbers, groups, notes)
    borders = np.flatnonzero(np.diff(groups)) + 1
    parts = np.split(numbers.to_numpy(float), borders)
    names = [names[g] for g in groups[np.r_[0, borders].astype(int)]] if len(groups) else []
    if difference:
        parts = [np.diff(part, axis=0) for part in parts]
        notes.append("Each value is the change since the timestep before, in the data's own unit.")
    long = [n for n, part in enumerate(parts) if len(part) > 1]
    if not long:
        raise ValueError(
            f"`{name_of(table)}` must hold sequences of two timesteps or more. Received: one row "
            f"for each {listed(id) or 'sequence'}. Name other columns in `id`, or none."
        )
    if len(long) < len(parts):
        notes.append(f"Sequences left out for having one timestep: {len(parts) - len(long):,}.")
    return Sequences([parts[n] for n in long], [names[n] for n in long], values, notes, parallel)


# --- reading ---------------------------------------------------------------------------------


def _load(path):
    """Return the content of a file and its name."""
    try:
        file = Path(path).expanduser()
        if not path or not file.is_file():
            there = "a folder" if path and file.is_dir() else "no file of this name"
            raise ValueError(
                f"`source` must be the path of a file. Received: {path!r}, {there}. A path that "
                f"does not begin at the root is looked up from {str(Path.cwd())!r}."
            )
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(
                f"`{file.name}` must hold at most {MAX_BYTES // 2**20:,} MiB. Received: more. Keep "
                "fewer columns, or every n-th row."
            )
        return file.read_bytes(), file.name
    except (OSError, RuntimeError) as problem:
        raise ValueError(
            f"`source` must be the path of a file that can be read. Received: {path!r}: {problem}. "
            "Check the path and its permissions."
        ) from None


def _from_bytes(content, name):
    notes = []
    if content.startswith(b"PAR1"):
        return _from_frame(_by_pandas(pd.read_parquet, content, name, "pyarrow"), name)
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        sheets = _by_pandas(_read_excel, content, name, "openpyxl")
        sheet, cells = next(((s, c) for s, c in sheets.items() if c.size), ("", pd.DataFrame()))
        if len(sheets) > 1:
            notes.append(f"Sheet {sheet!r} of {len(sheets)} is read.")
        content = cells.to_csv(header=False, index=False).encode()
    frame = text_files.parse(content, name, notes)
    frame.attrs |= {"name": name, "notes": notes, "place": "line"}
    return frame


def _read_excel(stream):
    return pd.read_excel(stream, sheet_name=None, header=None)


def _by_pandas(read, content, name, package):
    try:
        return read(text_files.io.BytesIO(content))
    except ImportError as problem:
        package = "xlrd" if "xlrd" in str(problem) else package
        raise ValueError(
            f"`{name}` needs the package {package} to be read. Received: no such package. Run "
            f"`%pip install {package}` in a cell and this cell again, or save the file as CSV."
        ) from None
    except Exception as problem:  # whatever a damaged file makes of the packages
        raise ValueError(
            f"`{name}` must be a text, Excel or parquet file. Received: {problem}. If it is an "
            "archive, unpack it; if not, save it again as CSV."
        ) from None


def _from_frame(frame, name):
    """Take a DataFrame as it is, with an index that says something as columns of its own."""
    told = [n for n, level in enumerate(frame.index.names) if level is not None]
    if told or not pd.api.types.is_numeric_dtype(frame.index):
        frame = frame.reset_index()
    frame = frame.reset_index(drop=True)
    titles = [" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in frame.columns]
    frame.columns = text_files.unique(titles)
    for column in frame:
        if isinstance(frame[column].dtype, pd.PeriodDtype):
            frame[column] = frame[column].dt.to_timestamp()
    frame.attrs = {"name": name, "notes": [], "place": "row"}
    return frame


# --- making ----------------------------------------------------------------------------------


def _columns(table, role, columns):
    """Return the names of columns as a list, of columns that there are."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError(
            f"`table` must come from `read_table`. Received: {type(table).__name__}. Pass it to "
            "`read_table` first."
        )
    columns = [columns] if isinstance(columns, str) else list(columns or ())
    for column in columns:
        if column not in list(table.columns):
            raise ValueError(
                f"`{role}` must name columns of {name_of(table)}: {listed(table.columns)}. "
                f"Received: {column!r}. Choose from these."
            )
    return columns


def _checked_numbers(table, values, fill_gaps, notes):
    """Return the values as numbers; whatever is none is NaN, where gaps may be filled."""
    decimal = table.attrs.get("decimal", ".")
    numbers = pd.DataFrame({c: text_files.numbers(table[c], decimal) for c in values})
    numbers = numbers.replace([np.inf, -np.inf], np.nan)
    for column in values:
        gap, empty = numbers[column].isna(), table[column].isna()
        if gap.all():
            raise ValueError(
                f"`values` must name columns of numbers. Received: {column!r}, which holds none. "
                "Name the others only."
            )
        for bad, words in ((gap & ~empty, "no numbers"), (gap & empty, "empty")):
            if not bad.any():
                continue
            first = table.index[bad][0]
            cell = "an empty cell" if words == "empty" else quoted(table.loc[bad, column].iloc[0])
            where = f"{cell} in {table.attrs.get('place', 'row')} {first}"
            if not fill_gaps:
                raise ValueError(
                    f"`{name_of(table)}` must hold a number in each row of {quoted(column)}. "
                    f"Received: {where}, the first of {bad.sum():,} such cells. Pass "
                    "`fill_gaps=True` to fill them with the value before, or choose other columns."
                )
            if words != "empty":
                notes.append(
                    f"{bad.sum():,} cells of {quoted(column)} are no numbers and count as gaps: "
                    f"{where}."
                )
    return numbers


def _suspicious(numbers):
    """Return notes on numbers that look like marks for a gap, and on columns that never change."""
    found, still = {}, []
    for column in numbers:
        kept = numbers[column].dropna()
        still += [column] if kept.nunique() < 2 else []
        for _ in range(4):
            edges = [e for e in (kept.min(), kept.max()) if _is_mark(kept, e)] if len(kept) else []
            for edge in edges[:1]:
                found.setdefault(edge, []).append((column, (kept == edge).sum()))
                kept = kept[kept != edge]
    notes = [f"Columns that never change: {listed(still)}."] if still else []
    for edge, places in found.items():
        column, count = places[0]
        more = f" (and in {len(places) - 1} more columns)" if len(places) > 1 else ""
        notes.append(
            f"{edge:,g} occurs {count:,} times in {quoted(column)}{more}, far outside the rest: a "
            f"gap? Then `table = table.replace({edge:.15g}, float('nan'))`, and `fill_gaps=True`."
        )
    return notes


def _is_mark(numbers, edge):
    rest, count = numbers[numbers != edge], (numbers == edge).sum()
    if rest.nunique() < 3:
        return False
    low, high = rest.min(), rest.max()
    away = max(low - edge, edge - high)
    digits = f"{abs(edge):.12g}".replace(".", "").lstrip("0")
    usual = re.fullmatch("99+", digits) or abs(edge) in (200, 888, 8888, 32767, 32768)
    if edge in (-1, -9) and low >= 0:
        return True
    return away > (high - low) * (0.1 if usual else 1) and bool(usual or count > 2)


def _groups(table, id):
    """Return the number of each row's sequence, and the names of the sequences."""
    if not id:
        return np.zeros(len(table), int), [name_of(table)]
    groups = table.groupby(id, sort=False, dropna=False)
    first = table.loc[~table.duplicated(id), id].astype(object).fillna("(empty)")
    return groups.ngroup().to_numpy(), [" / ".join(map(str, row)) for row in first.to_numpy()]


def _in_order(table, numbers, groups, time, notes):
    """Put rows in the order of sequences and time; note what is odd; say if sequences overlap."""
    keys, dated, place = np.arange(len(table)), False, table.attrs.get("place", "row")
    if time:
        kinds = kinds_of(table)
        keys, dated, said = moments.time_keys(table, {c: kinds[c] for c in time})
        notes += said
        if np.isnan(keys).any():
            row = np.flatnonzero(np.isnan(keys))[0]
            notes.append(
                f"{listed(time)} cannot be read as a time in {place} {table.index[row]} "
                f"({quoted(table[time[0]].iloc[row])}), {np.isnan(keys).sum():,} in all: rows stay "
                "in the order of the file."
            )
            keys, time = np.arange(len(table)), []
    order = np.lexsort((keys, groups))
    keys, sorted_groups, lines = keys[order], groups[order], table.index.to_numpy()[order]
    if time:
        if (np.diff(order)[np.diff(sorted_groups) == 0] < 0).any():
            notes.append(f"The rows were put in the order of {listed(time)}.")
        same = np.diff(sorted_groups) == 0
        notes += _odd_steps(np.diff(keys)[same], lines[1:][same], time, place)
    parallel = bool(time) and _overlap(keys, sorted_groups, dated)
    return numbers.iloc[order], sorted_groups, parallel


def _odd_steps(steps, lines, time, place):
    notes, usual = [], np.median(steps[steps > 0]) if (steps > 0).any() else 0
    twice, odd = steps == 0, (steps > 1.5 * usual) | ((steps > 0) & (steps < usual / 2))
    if twice.any():
        notes.append(
            f"{twice.sum():,} rows have the same {listed(time)} as the row before, the first in "
            f"{place} {lines[twice][0]}. If there are several sequences, name them in `id`."
        )
    if odd.any():
        notes.append(
            f"{odd.sum():,} steps in time are not like the others, the first before {place} "
            f"{lines[odd][0]}. Here each row counts as one timestep."
        )
    return notes


def _overlap(keys, groups, dated):
    """Return whether sequences run at the same time; counted anew in each, they do not."""
    borders = np.flatnonzero(np.diff(groups)) + 1
    starts, ends = keys[np.r_[0, borders]], keys[np.r_[borders - 1, len(keys) - 1]]
    if not dated and len(np.unique(starts)) == 1:
        return False
    order = np.argsort(starts)
    return bool((starts[order][1:] <= np.maximum.accumulate(ends[order])[:-1]).any())


def _filled(table, numbers, groups, notes):
    """Fill gaps with the value before, and leave out what comes before the first values."""
    filled = numbers.groupby(groups).ffill()
    kept = filled.notna().all(axis=1).to_numpy()
    gaps = numbers[kept].isna()
    if gaps.any(axis=None):
        column = gaps.sum().idxmax()
        runs = gaps[column].groupby((~gaps[column]).cumsum()).sum()
        notes.append(
            f"Gaps filled with the value before: {gaps.to_numpy().sum():,}, most of them in "
            f"{quoted(column)} ({gaps[column].mean():.1%} of its rows, at most {runs.max():,} in "
            "a row)."
        )
    if not kept.all():
        notes.append(f"Rows left out, because no value comes before them: {(~kept).sum():,}.")
    if not kept.any():
        raise ValueError(
            f"`{name_of(table)}` must have rows from which on every column has a value. Received: "
            f"none for {listed(numbers.columns)}. Name fewer columns in `values`."
        )
    return filled[kept], groups[kept]
