"""Sequences from a learner's own table: a file, an array or a DataFrame.

What the columns mean is guessed and said; what looks odd is said; what cannot be used is an error
that names the line and the way out.
"""

import io
import os
import re
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import check
from helpers.lessons.choose_your_steps import text_files
from helpers.lessons.choose_your_steps.text_files import check_made, counted, quoted, refusal

_PARTS = {  # of a moment: its words, its largest number, its seconds
    "year": (r"year|yr|yyyy|jahr|année|annee|año|anno", 2300, 0),
    "quarter": (r"quarter|qtr|quartal|trimestre", 4, 0),
    "month": (r"month|mnth|mon|mm|monat|mois|mes|mese", 12, 0),
    "week": (r"week|woche|semaine|semana", 53, 7 * 86400),
    "day": (r"day|dd|tag|jour|día|giorno", 366, 86400),
    "hour": (r"hour|hr|hh|stunde|heure|hora|ora", 24, 3600),
    "minute": (r"minute|min|minuto", 60, 60),
    "second": (r"second|sec|sekunde|seconde", 60, 1),
}
_WHEN = (
    "time|date|datetime|timestamp|ts|ds|datum|zeit|uhrzeit|fecha|timestep|timepoint|weekday|yearday|"
    "weekofyear|dayofweek|dayofyear|" + "|".join(words for words, _, _ in _PARTS.values())
)
_COUNTED = _WHEN + "|cycle|epoch|frame|index|of|row|season|step|t"
_ID = (
    "asset|building|channel|city|code|company|country|customer|device|entity|geo|group|id|iso|item|"
    "key|location|machine|meter|name|node|patient|product|region|run|sensor|sequence|series|session|"
    "shop|site|sku|speaker|state|station|store|subject|symbol|ticker|trial|unit|user|zone"
)
_TARGETS = "target|value|y|cnt|count|close|sales|demand|price|load|passengers|ot"
_WEEKDAYS = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
_MONTHS = {month: n for n, month in enumerate(text_files.MONTHS, start=1)}


class Roles(NamedTuple):
    """Which columns mean what: lists of columns, empty for none; `values[0]` is to be forecast."""

    values: list
    id: list
    time: list


class Sequences(NamedTuple):
    """The sequences of a table, each a (timesteps, features) array in order and without gaps."""

    sequences: list
    names: list
    features: list
    notes: list
    times: list | None  # their moments, where they run by one clock


def read_table(source):
    """Read a path, the bytes of a file (text, Excel, parquet), an array or a DataFrame.

    Returns a DataFrame whose index is the line in the file; `attrs` hold its `name` and `notes`.
    """
    if isinstance(source, (str, Path)):
        path = Path(str(source).strip().strip("\"'"))
        if os.path.isfile(path):  # noqa: PTH113  Path raises for a name that no system can have
            return _from_bytes(path.read_bytes(), path.name)
        way_out = f"A relative path is looked up from the folder {str(Path.cwd())!r}"
        received = f"{str(path)[:200]!r}, no file of this name"
        raise refusal("`source` must be the path of a file", received, way_out)
    if isinstance(source, (bytes, bytearray)):
        return _from_bytes(bytes(source), "source")
    if isinstance(source, pd.DataFrame) and "name" in source.attrs:  # as this returns it
        return source
    if isinstance(source, (pd.DataFrame, pd.Series)):
        return _from_frame(pd.DataFrame(source), "table")
    try:
        values = np.ma.asarray(source)
        frame = pd.DataFrame() if np.iscomplexobj(values) else pd.DataFrame(values.astype(float))
    except Exception:  # rows of unequal length, or what is no array
        frame = pd.DataFrame()
    if frame.empty:
        rule = "`source` must be a path, bytes, a DataFrame, or an array (timesteps, features)"
        way_out = "Pass numbers of one sequence, or a DataFrame whose rows are timesteps"
        raise refusal(rule, f"{type(source).__name__} that is none of them", way_out)
    frame.columns = [f"feature {c}" for c in frame] if frame.shape[1] > 1 else ["value"]
    return _from_frame(frame, "source")


def _from_bytes(content, name):
    notes, stream = [], io.BytesIO(content)
    try:
        if content.startswith(b"PAR1"):
            return _from_frame(pd.read_parquet(stream), name)
        if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            (sheet, cells), *more = pd.read_excel(stream, sheet_name=None, header=None).items()
            notes += [f"Sheet {sheet!r} is read, the first of {len(more) + 1}."] if more else []
            content = cells.to_csv(header=False, index=False).encode()
    except ImportError as problem:  # its words name the package
        package = re.search(r"xlrd|openpyxl|pyarrow|$", str(problem))[0] or "pyarrow"
        way_out = f"Run `%pip install {package}` in a cell and this cell again, or save it as CSV"
        rule = f"`{name}` needs the package {package} to be read"
        raise refusal(rule, "no such package", way_out) from None
    except Exception as problem:  # whatever a damaged file makes of the packages
        rule = f"`{name}` must be a text, Excel or parquet file"
        raise refusal(rule, problem, "Unpack an archive, or save it again as CSV") from None
    frame = text_files.parse(content, name, notes)
    frame.attrs |= {"name": name, "notes": notes, "place": "line"}
    return frame


def _from_frame(frame, name):
    """Take a DataFrame as it is, with an index that says something as columns of its own."""
    plain = set(frame.index.names) == {None} and pd.api.types.is_numeric_dtype(frame.index)
    frame = frame.reset_index(drop=plain)
    titles = [" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in frame.columns]
    frame.columns, frame.attrs = text_files.unique(titles), {"name": name}
    return frame


def guess_roles(table):
    """Guess which columns hold values (at most twelve), name the sequence, and say when."""
    table = read_table(check_made("table", table, pd.DataFrame, "read_table"))
    kinds = {column: _kind(table, column) for column in table}
    numeric = [c for c, kind in kinds.items() if kind not in ("text", "date", "clock")]
    if not numeric or len(table) < 2:
        rule = f"`{_name(table)}` must have two rows or more, and a column of numbers"
        cell = f", with {quoted(table.iat[0, 0])} {_place(table, 0)}" if table.size else ""
        way_out = "Choose a file with a number in each cell of a column"
        raise refusal(rule, f"{counted(len(table), 'row')}{cell}", way_out)
    time = _guess_time(table, kinds)
    id = _guess_id(table, kinds, time)
    counts = [c for c in numeric if any(_counts(table, c, key) for key in ([], id))]
    counts = [c for c in counts if c not in [*time, *id]]
    time = time or counts[:1]
    values = [c for c in numeric if kinds[c] == "number" and c not in [*time, *id]]
    useful = [c for c in values if table[c].nunique() > 1 and table[c].notna().mean() >= 0.5]
    values = [c for c in useful if c not in counts] or useful or values
    if not values:  # the only column of numbers is the series, whatever it is called
        values = [c for c in numeric if c not in [*time, *id]] or numeric[-1:]
        id, time = ([c for c in role if c not in values] for role in (id, time))
    return Roles(sorted(values, key=lambda c: not _says(c, _TARGETS))[:12], id, time)


def describe_reading(table, roles):
    """Say in one sentence how a table is read, to be agreed to before anything is trained."""
    table = read_table(check_made("table", table, pd.DataFrame, "read_table"))
    check_made("roles", roles, Roles, "guess_roles")
    columns = {column for column in table if _kind(table, column) == "number"}
    left, used = len(columns.difference(*roles)), len(roles.values)
    count = f"{used} of " * bool(left) + counted(used + left, "column")
    series = f"a sequence for each {_listed(roles.id)}" if roles.id else "one sequence"
    order = f"in the order of {_listed(roles.time) or 'its rows'}"
    together = roles.id and _one_clock(table, roles.id, roles.time)
    order += ", cut at the same moments," if together else ","
    return (
        f"{_name(table)}, {counted(len(table), 'row')}: {count} of numbers read as {series}, "
        f"{order} forecasting {quoted(roles.values[0])}, right?"
    )


def _name(table):
    return table.attrs.get("name", "table")


def _place(table, row):
    return f"in {table.attrs.get('place', 'row')} {table.index[row]}"


def _listed(columns):
    """Return the names of columns, the first six of them."""
    more = [f"{len(columns) - 6:,} more"] if len(columns) > 6 else []
    return ", ".join([*map(quoted, columns[:6]), *more])


def _says(title, words):
    """Return the share of a title's words that are among some: 0 to 1."""
    found = re.findall(r"[A-ZÀ-Þ]?[^\W\d_A-ZÀ-Þ]+|[A-ZÀ-Þ]+", title)
    return np.mean([bool(re.fullmatch(f"({words})s?", word.lower())) for word in found] or [0])


def _kind(table, column):
    """Return what a column holds: "number", "text", "date", "clock", "when", or a part of it."""
    cells = text_files.spread(table[column].dropna(), 300)
    numbers = text_files.numbers(cells, table.attrs.get("decimal", "."))
    is_text = 2 * numbers.count() <= len(cells)
    seconds, _ = text_files.read_dates(cells if is_text else numbers)
    if seconds is not None and seconds.notna().all():
        return "clock" if seconds.between(0, 86399.999).all() else "date"
    if is_text:
        names = set(cells.astype(str).str.strip().str.lower().str[:3])
        said = names <= _WEEKDAYS or _says(column, _WHEN)
        return "month" if names and names <= _MONTHS.keys() else "when" if said else "text"
    numbers = numbers[np.isfinite(numbers)]
    whole = (numbers % 1 == 0).all() and (numbers >= 0).all()
    for part, (words, largest, _) in _PARTS.items():
        if whole and _says(column, words) and (numbers <= largest).all():
            return part
    rising = (numbers.diff().dropna() >= 0).mean() > 0.9
    if column.startswith("column ") and rising and numbers.between(1500, 2200).all():
        return "year" if whole else "when"
    if column == "column 2" and set(text_files.numbers(table[column].iloc[:24])) == {*range(1, 13)}:
        return "month"
    return "when" if _says(column, _COUNTED) > (0 if rising else 0.99) else "number"


def _guess_time(table, kinds):
    """Return the columns that together say when."""
    first = {kind: column for column, kind in reversed(kinds.items())}
    days = [first[p] for p in ("year", "quarter", "month", "week", "day") if p in first]
    clock = [first[p] for p in ("clock", "hour", "minute", "second") if p in first]
    clock = clock[:1] if "clock" in first else clock
    if "date" in first:
        seconds, _ = text_files.read_dates(table[first["date"]].iloc[:1000])
        return [first["date"], *(clock if (seconds.dropna() % 86400 == 0).all() else [])]
    if "year" in first or len(days) > 1:
        return days + clock
    if found := [*clock, *days, *([first["when"]] if "when" in first else [])]:
        return found[:1]
    column = table.columns[0]
    if kinds[column] != "number" or table.shape[1] < 2 or len(table) < 3:
        return []
    steps = text_files.numbers(table[column]).diff().iloc[1:]
    return [column] if steps.min() > 0 and np.allclose(steps, steps.iloc[0], rtol=1e-6) else []


def _guess_id(table, kinds, time):
    """Return the columns that together name the sequence of a row."""
    again = table.duplicated(time).mean() if time else 0
    names = [c for c, kind in kinds.items() if kind in ("text", "number") and _says(c, _ID)]
    if again > 0.3 or not time:
        names += [c for c, kind in kinds.items() if kind == "text" and c not in names]
    if not time and kinds[table.columns[0]] == "number":  # the first column may name the rows
        first, *others = table.columns[:3]
        names += [first] if any(_counts(table, other, [first]) for other in others) else []
    names = [c for c in names if 2 <= table[c].nunique() <= len(table) / 2][:6]
    if again <= 0.05:  # all rows of each name follow one another
        return [c for c in names if (table[c] != table[c].shift()).sum() == table[c].nunique()][:1]
    for key in [list(key) for n in range(1, 5) for key in combinations(names, n)]:
        rows = table.groupby(key, dropna=False).ngroups
        if 2 * rows <= len(table) and table.duplicated([*key, *time]).mean() < 0.05:
            return key
    return []


def _counts(table, column, id):
    """Return whether a column does nothing but count rows, anew in each sequence."""
    if not pd.api.types.is_numeric_dtype(table[column]) or len(table) < 3:
        return False
    groups = table.groupby(id or np.zeros(len(table)))[column]
    return bool((groups.diff().dropna() == 1).all() and groups.first().isin([0, 1]).all())


def _one_clock(table, id, time):
    """Return whether sequences run by one clock: not where time counts from 0 or 1 in each."""
    return bool(time) and not table.groupby(id)[time[0]].first().isin([0, 1]).all()


def make_sequences(table, values, *, id=(), time=(), fill_gaps=False):
    """Return the `Sequences` of a table, one row a timestep.

    `values`, `id` and `time` list the columns that hold the features, name the sequence, say when.
    `fill_gaps` fills gaps with the value before.
    """
    table = read_table(table)
    roles = {"values": values, "id": id, "time": time}
    values, id, time = (_columns(table, role, columns) for role, columns in roles.items())
    check.flag("fill_gaps", fill_gaps)
    notes = [*table.attrs.get("notes", [])]
    left = [c for c in table if c not in {*values, *id, *time}]
    notes += [f"Columns left out: {_listed(left)}."] if left else []
    rows = _numbers(table, values, fill_gaps, notes).reset_index(drop=True)
    _say_marks(rows, notes)
    names, groups = [_name(table)], pd.Series(0, rows.index)
    if id:
        keys = table.reset_index(drop=True).groupby(id, sort=False, dropna=False)
        cells, groups = keys.head(1)[id].astype(object).fillna("(empty)"), keys.ngroup()
        names = cells.astype(str).agg(" / ".join, axis=1).tolist()
    order, moments = _in_order(table, groups, time, notes)
    together = bool(id) and moments is not None and _one_clock(table, id, time)
    rows = _filled(rows.loc[order], groups, notes) if fill_gaps else rows.loc[order]
    parts = [(n, part) for n, part in rows.groupby(groups) if len(part) > 1]
    if not parts:
        rule = f"`{_name(table)}` must hold sequences of two timesteps or more"
        received = f"one row for each {_listed(id) or 'sequence'}"
        raise refusal(rule, received, "Name other columns in `id`, or none")
    if len(parts) < len(names):
        left = f"{len(names) - len(parts):,}"
        notes.append(f"Sequences left out for having fewer than two timesteps: {left}.")
    times = [moments[part.index] for _, part in parts] if together else None
    sequences = [part.to_numpy(float) for _, part in parts]
    return Sequences(sequences, [names[n] for n, _ in parts], values, notes, times)


def _columns(table, role, columns):
    columns = list(columns) if isinstance(columns, (list, tuple, pd.Index)) else [columns]
    columns = [str(c) if isinstance(c, int) else c for c in columns]  # a title is text
    wrong = [c for c in columns if not isinstance(c, str) or c not in table]
    if wrong or (role == "values" and not columns):
        rule = f"`{role}` must name columns of {_name(table)}: {_listed(table.columns)}"
        raise refusal(rule, repr(wrong[0]) if wrong else "none", "Choose from these")
    return columns


def _numbers(table, values, fill_gaps, notes):
    """Return the values as numbers; whatever is none is NaN, where gaps may be filled."""
    decimal = table.attrs.get("decimal", ".")
    found = pd.DataFrame({c: text_files.numbers(table[c], decimal) for c in values})
    found = found.replace([np.inf, -np.inf], np.nan)
    for column in values:
        gap = found[column].isna()
        odd = gap & table[column].notna()
        if gap.all():
            rule = "`values` must name columns of numbers"
            raise refusal(rule, f"{column!r}, which holds none", "Name the others only")
        bad = np.flatnonzero(odd if odd.any() else gap)
        if not len(bad) or (fill_gaps and not odd.any()):
            continue
        cell = quoted(table[column].iloc[bad[0]]) if odd.any() else "an empty cell"
        received = f"{cell} {_place(table, bad[0])}"
        received += f", the first of {len(bad):,} such cells" if len(bad) > 1 else ""
        if not fill_gaps:
            rule = f"`{_name(table)}` must hold a number in each row of {quoted(column)}"
            way_out = "`make_sequences` fills them with the value before if `fill_gaps=True`"
            raise refusal(rule, received, way_out)
        notes.append(f"What is no number in {quoted(column)} counts as a gap: {received}.")
    return found


def _say_marks(numbers, notes):
    """Note numbers that come back far outside the rest, as marks for a gap do."""
    for column, cells in numbers.items():
        for edge in {cells.min(), cells.max()}:
            rest, count = cells[cells != edge].dropna(), (cells == edge).sum()
            nines = re.fullmatch("0*99+0*", f"{abs(edge):.12g}".replace(".", ""))
            usual = (rest.max() - rest.min()) * (0.1 if nines else 1)
            away = max(rest.min() - edge, edge - rest.max()) > usual and rest.nunique() > 2
            if away and (nines or count > 2):
                way_out = f"`table = table.replace({edge:.15g}, float('nan'))`, `fill_gaps=True`"
                words = f"{edge:,g} occurs {counted(count, 'time')} in {quoted(column)}"
                notes.append(f"{words}, far outside the rest: a gap? Then {way_out}.")


def _in_order(table, groups, time, notes):
    """Return rows by their numbers, in order of sequence and time, and moments (None if unread)."""
    moments, said = _moments(table, time, notes), _listed(time)
    lost = np.flatnonzero(np.isnan(moments))
    if len(lost):
        cell = f"({quoted(table[time[0]].iloc[lost[0]])}), {len(lost):,} in all"
        words = f"{said} cannot be read as a time {_place(table, lost[0])} {cell}"
        notes.append(f"{words}: rows stay in the order of the file.")
    if len(lost) or not time:
        return np.argsort(groups, kind="stable"), None
    order = np.lexsort((moments, groups))
    steps = pd.Series(moments).loc[order].groupby(groups).diff()
    usual = steps[steps > 0].median()
    if pd.Series(order, order).groupby(groups).diff().min() < 0:
        notes.append(f"The rows were put in the order of {said}.")
    uneven = (steps > 1.5 * usual) | ((steps > 0) & (steps < usual / 2))
    twice = f"the same {said} as in the row before (a column for `id` may tell them apart)"
    for odd, words in ((steps == 0, twice), (uneven, f"a step in {said} unlike the others")):
        if odd.any():
            words = f"{counted(odd.sum(), 'row')} with {words}"
            first = _place(table, odd.idxmax())
            notes.append(f"{words}, the first {first}. Each row is a timestep.")
    return order, moments


def _moments(table, time, notes):
    """Return the moments of rows in seconds, or in the unit of a column, NaN where unread."""
    total, parts = np.zeros(len(table)), {}
    for column in time:
        cells, kind = table[column], _kind(table, column)
        plain = pd.to_numeric(cells, errors="coerce").astype(float)
        if kind in _PARTS:
            names = cells.astype(str).str.strip().str.lower().str[:3]
            parts[kind] = plain.fillna(names.map(_MONTHS)).to_numpy()
            continue
        seconds, note = text_files.read_dates(cells)
        total += plain if seconds is None else seconds
        notes += [note] if note else []
    months = 12 * parts.pop("year", 1970) + 3 * parts.pop("quarter", 1) + parts.pop("month", 1)
    months = np.full(len(table), months) - 12 * 1970 - 4
    known = np.isfinite(months)
    first = np.where(known, months, 0).astype("M8[M]").astype("M8[s]").astype(float)
    for part, cells in parts.items():
        total += (cells - (part in ("week", "day"))) * _PARTS[part][2]
    return np.where(known, total + first, np.nan)


def _filled(rows, groups, notes):
    """Fill gaps with the value before, and leave out rows before which there is none."""
    filled = rows.groupby(groups).ffill().dropna()
    if filled.empty:
        rule = "`values` must have rows from which on every column has a value"
        raise refusal(rule, f"none for {_listed(rows)}", "Name fewer columns")
    gaps = rows.loc[filled.index].isna().sum()
    if gaps.any():
        most = f"{quoted(gaps.idxmax())} ({gaps.max() / len(filled):.1%} of its rows)"
        notes.append(f"Gaps filled with the value before: {gaps.sum():,}, most of them in {most}.")
    if left := len(rows) - len(filled):
        notes.append(f"Rows left out, because no value comes before them: {left:,}.")
    return filled
