"""Sequences from a learner's own table: a file, an array or a DataFrame.

What the columns mean is guessed and said; what looks odd is said; what cannot be used is an error
that names the line and the way out.
"""

from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.lessons.choose_your_steps import moments, text_files
from helpers.validation import check_flag

MAX_BYTES = 2**30
MAX_VALUES = 12
_ID = set(
    "asset batch building channel city code company country customer dept device entity "
    "experiment geo group id iso item key location machine meter name node patient product "
    "recording region run sensor sequence series session shop site sku speaker state station "
    "store subject symbol ticker trial unit user utterance zone".split()
)
_TARGET = set("target value y cnt count close sales demand price load passengers ot".split())


class Roles(NamedTuple):
    """Which columns mean what: lists of columns, empty for none; `values[0]` is to be forecast."""

    values: list
    id: list
    time: list


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


def guess_roles(table):
    """Guess which columns hold values, which name the sequence, and which say when.

    Parameters
    ----------
    table : DataFrame
        From `read_table`.

    Returns
    -------
    Roles
        Of at most twelve values, the likely target first. It is a guess: look at it.
    """
    kinds = _kinds(table)
    numeric = [c for c, kind in kinds.items() if kind not in ("text", "date", "clock", "empty")]
    if not numeric or len(table) < 2:
        raise ValueError(
            f"`{_name(table)}` must have two rows or more, and a column of numbers. Received: "
            f"{_about(table)}. Choose a file with a number in each cell of a column."
        )
    time = _guess_time(table, kinds)
    id = _guess_id(table, kinds, time)
    if not time:
        time = [c for c in numeric if c not in id and _counts(table, c, id)][:1]
    values = [c for c in numeric if kinds[c] == "number" and c not in [*time, *id]]
    for useless in (_counts, _is_still, _is_rare):
        values = [c for c in values if not useless(table, c, id)] or values
    if not values:  # the only column of numbers is the series, whatever it is called
        values = [c for c in numeric if c not in [*time, *id]] or numeric[-1:]
        id, time = ([c for c in role if c not in values] for role in (id, time))
    values.sort(key=lambda c: moments.tokens(c).isdisjoint(_TARGET))
    return Roles(values[:MAX_VALUES], id, time)


def describe_reading(table, roles):
    """Say in one sentence how a table is read, to be agreed to before anything is trained."""
    numbers = [c for c, kind in _kinds(table).items() if kind == "number"]
    left = len(set(numbers) - {*roles.values, *roles.id, *roles.time})
    count = f"{len(roles.values):,}" + (f" of {len(roles.values) + left:,}" if left else "")
    columns = "column of numbers" if count == "1" else "columns of numbers"
    series = f"a sequence for each {_listed(roles.id)}" if roles.id else "one sequence"
    order = f"the order of {_listed(roles.time)}" if roles.time else "the order of its rows"
    return (
        f"{_name(table)}, {len(table):,} rows: {count} {columns} read as {series}, in {order}, "
        f"forecasting {_quoted(roles.values[0])}, right?"
    )


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
        notes.append(f"Columns left out: {_listed(left)}.")
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
            f"`{_name(table)}` must hold sequences of two timesteps or more. Received: one row "
            f"for each {_listed(id) or 'sequence'}. Name other columns in `id`, or none."
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
    frame.attrs = {"name": name, "notes": notes, "place": "line"}
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


# --- guessing --------------------------------------------------------------------------------


def _kinds(table):
    kinds = {column: _kind(table, column) for column in table}
    untitled = [c for c in table if c.startswith("column ")]
    if kinds and kinds[next(iter(kinds))] == "year" and len(untitled) == len(kinds):
        for column, part in zip(untitled[1:], ("month", "day", "hour"), strict=False):
            steps = text_files.numbers(table[column]).diff()
            if (
                not table[column].between(0, moments.PARTS[part][1]).all()
                or steps.isin([0, 1]).mean() < 0.9
            ):
                break
            kinds[column] = part
    return kinds


def _kind(table, column):
    """Return what a column holds, from 300 cells spread over it."""
    cells = table[column].dropna()
    if not len(cells):
        return "empty"
    if pd.api.types.is_datetime64_any_dtype(cells):
        return "date"
    cells = cells.iloc[np.unique(np.linspace(0, len(cells) - 1, 300).astype(int))]
    numbers = text_files.numbers(cells, table.attrs.get("decimal", ".")).dropna()
    if len(numbers) > len(cells) / 2:
        return moments.kind_of_numbers(column, numbers)
    return moments.kind_of_text(column, cells)


def _guess_time(table, kinds):
    """Return the columns that together say when."""
    first = {kind: column for column, kind in reversed(kinds.items())}
    parts = [part for part in moments.PARTS if part in first]
    if "month" in parts:
        parts = [part for part in parts if part not in ("quarter", "week")]
    hours = [first[p] for p in ("hour", "minute", "second") if p in first]
    clock = [first["clock"]] if "clock" in first else hours
    if "date" in first:
        seconds = moments.read_dates(table[first["date"]].iloc[:1000])[0]
        return [first["date"], *(clock if (seconds.dropna() % 86400 == 0).all() else [])]
    if "year" in parts or len(parts) > 1:
        days = [first[p] for p in parts if p not in ("hour", "minute", "second")]
        return [*days, *clock]
    for column in [*clock, *(first[p] for p in [*parts, "when"] if p in first)]:
        return [column]
    first = table.columns[0]
    if kinds[first] != "number" or table.shape[1] < 2 or len(table) < 3:
        return []
    steps = text_files.numbers(table[first]).diff().iloc[1:]
    return [first] if steps.min() > 0 and np.allclose(steps, steps.iloc[0], rtol=1e-6) else []


def _guess_id(table, kinds, time):
    """Return the columns that together name the sequence of a row."""
    names = [
        c
        for c, kind in kinds.items()
        if c not in time
        and (kind == "text" or (kind == "number" and moments.tokens(c) & _ID))
        and 2 <= table[c].nunique() <= len(table) / 2
    ]
    names = sorted(names, key=lambda c: not moments.tokens(c) & _ID)[:6]
    if not time:
        counted = [c for c in table.columns[:2] if kinds[c] == "number" and c not in names]
        return next(([c] for c in [*names, *counted] if _in_blocks(table, c, c in names)), [])
    some = table[time[0]].drop_duplicates()
    rows = table[table[time[0]].isin(some.iloc[np.linspace(0, len(some) - 1, 500).astype(int)])]
    again = rows.duplicated(time).mean()
    worded = [c for c in names if moments.tokens(c) & _ID]
    if again == 0:
        return next(([c] for c in worded if _in_blocks(table, c, True)), [])
    names = names if again > 0.3 else worded if again > 0.05 else []
    keys = [key for n in range(1, 5) for key in combinations(names, n)]
    twice = {}
    for key in keys:
        twice[key] = rows.duplicated([*key, *time]).mean()
        if twice[key] == 0:
            return list(key)
    best = min(twice, key=twice.get, default=())
    return list(best) if twice.get(best, 1) < 0.05 < again else []


def _in_blocks(table, column, named):
    """Return whether all rows of each name follow one another, two or more each."""
    cells = table[column]
    runs = (cells != cells.shift()).sum()
    if runs != cells.nunique(dropna=False) or not 2 <= runs <= len(table) / 2:
        return False
    return named or any(_counts(table, c, [column]) for c in table.columns[:4] if c != column)


def _counts(table, column, id):
    """Return whether a column does nothing but count rows, anew in each sequence."""
    if not pd.api.types.is_numeric_dtype(table[column]) or len(table) < 3:
        return False
    cells = table.groupby(id)[column] if id else table[column].astype(float)
    first = cells.first() if id else cells.iloc[:1]
    return bool((cells.diff().dropna() == 1).all() and first.isin([0, 1]).all())


def _is_still(table, column, id):
    return table[column].nunique() < 2


def _is_rare(table, column, id):
    return table[column].notna().mean() < 0.5


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
                f"`{role}` must name columns of {_name(table)}: {_listed(table.columns)}. "
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
            cell = "an empty cell" if words == "empty" else _quoted(table.loc[bad, column].iloc[0])
            where = f"{cell} in {table.attrs.get('place', 'row')} {first}"
            if not fill_gaps:
                raise ValueError(
                    f"`{_name(table)}` must hold a number in each row of {_quoted(column)}. "
                    f"Received: {where}, the first of {bad.sum():,} such cells. Pass "
                    "`fill_gaps=True` to fill them with the value before, or choose other columns."
                )
            if words != "empty":
                notes.append(
                    f"{bad.sum():,} cells of {_quoted(column)} are no numbers and count as gaps: "
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
    notes = [f"Columns that never change: {_listed(still)}."] if still else []
    for edge, places in found.items():
        column, count = places[0]
        more = f" (and in {len(places) - 1} more columns)" if len(places) > 1 else ""
        notes.append(
            f"{edge:,g} occurs {count:,} times in {_quoted(column)}{more}, far outside the rest: a "
            f"gap? Then `table = table.replace({edge:g}, float('nan'))`, and `fill_gaps=True`."
        )
    return notes


def _is_mark(numbers, edge):
    rest, count = numbers[numbers != edge], (numbers == edge).sum()
    if rest.nunique() < 3:
        return False
    low, high = rest.min(), rest.max()
    away = max(low - edge, edge - high)
    digits = f"{abs(edge):.12g}".replace(".", "").lstrip("0")
    usual = set(digits) == {"9"} or abs(edge) in (200, 888, 8888, 32767, 32768)
    negative = edge in (-1, -9) and low >= 0
    return negative or away > (high - low) * (0.1 if usual else 1) and (usual or count > 2)


def _groups(table, id):
    """Return the number of each row's sequence, and the names of the sequences."""
    if not id:
        return np.zeros(len(table), int), [_name(table)]
    groups = table.groupby(id, sort=False, dropna=False)
    first = table.loc[~table.duplicated(id), id].astype(object).fillna("(empty)")
    return groups.ngroup().to_numpy(), [" / ".join(map(str, row)) for row in first.to_numpy()]


def _in_order(table, numbers, groups, time, notes):
    """Put rows in the order of sequences and time; note what is odd; say if sequences overlap."""
    keys, dated, place = np.arange(len(table)), False, table.attrs.get("place", "row")
    if time:
        kinds = _kinds(table)
        keys, dated, said = moments.time_keys(table, {c: kinds[c] for c in time})
        notes += said
        if np.isnan(keys).any():
            row = np.flatnonzero(np.isnan(keys))[0]
            notes.append(
                f"{_listed(time)} cannot be read as a time in {place} {table.index[row]} "
                f"({_quoted(table[time[0]].iloc[row])}), {np.isnan(keys).sum():,} in all: rows stay "
                "in the order of the file."
            )
            keys, time = np.arange(len(table)), []
    order = np.lexsort((keys, groups))
    keys, sorted_groups, lines = keys[order], groups[order], table.index.to_numpy()[order]
    if time:
        if (np.diff(order)[np.diff(sorted_groups) == 0] < 0).any():
            notes.append(f"The rows were put in the order of {_listed(time)}.")
        same = np.diff(sorted_groups) == 0
        notes += _odd_steps(np.diff(keys)[same], lines[1:][same], time, place)
    parallel = bool(time) and _overlap(keys, sorted_groups, dated)
    return numbers.iloc[order], sorted_groups, parallel


def _odd_steps(steps, lines, time, place):
    notes, usual = [], np.median(steps[steps > 0]) if (steps > 0).any() else 0
    twice, odd = steps == 0, (steps > 1.5 * usual) | ((steps > 0) & (steps < usual / 2))
    if twice.any():
        notes.append(
            f"{twice.sum():,} rows have the same {_listed(time)} as the row before, the first in "
            f"{place} {lines[twice][0]}. If there are several sequences, name their columns in `id`."
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
            f"{_quoted(column)} ({gaps[column].mean():.1%} of its rows, at most {runs.max():,} in "
            "a row)."
        )
    if not kept.all():
        notes.append(f"Rows left out, because no value comes before them: {(~kept).sum():,}.")
    if not kept.any():
        raise ValueError(
            f"`{_name(table)}` must have rows from which on every column has a value. Received: "
            f"none for {_listed(numbers.columns)}. Name fewer columns in `values`."
        )
    return filled[kept], groups[kept]


# --- words -----------------------------------------------------------------------------------


def _name(table):
    return table.attrs.get("name", "the table")


def _about(table):
    if not table.size:
        return "no rows"
    cell, place = table.iloc[0, 0], f"{table.attrs.get('place', 'row')} {table.index[0]}"
    return f"{len(table):,} rows, with {_quoted(cell)} under {_quoted(table.columns[0])} in {place}"


def _quoted(cell):
    text = str(cell)
    return repr(text if len(text) <= 40 else text[:39] + "…")


def _listed(columns):
    """Return the names of columns, the first six of them."""
    shown = [_quoted(column) for column in columns]
    more = [f"{len(shown) - 6:,} more"] if len(shown) > 6 else []
    shown = shown[:6] + more
    return ", ".join(shown[:-1]) + " and " * (len(shown) > 1) + "".join(shown[-1:])
