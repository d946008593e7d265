"""Sequences from a CSV file: read as text and numbers, never executed, never unpickled.

Whatever cannot be read is an error that names the line and the way out.
"""

import csv
import io
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.validation import check_flag, check_list

MAX_BYTES = 20 * 2**20
MAX_ROWS = 200_000

_GAPS = {"", "-", "--", ".", "?", "na", "n/a", "nan", "nil", "none", "null"}
_FORMATS = (
    "%Y-%m",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d-%b-%y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d %Y",
    "%b %Y",
    "%H:%M",
    "%H:%M:%S",
)
_TIME_WORDS = {"date", "datetime", "day", "frame", "hour", "month", "quarter", "time"}
_TIME_WORDS |= {"timestamp", "timestep", "week", "year"}
_ID_WORDS = {"asset", "batch", "country", "customer", "device", "experiment", "group", "id"}
_ID_WORDS |= {"item", "key", "location", "machine", "name", "patient", "recording", "region"}
_ID_WORDS |= {"run", "sensor", "sequence", "series", "session", "shop", "site", "source"}
_ID_WORDS |= {"speaker", "state", "station", "store", "subject", "symbol", "ticker", "trial"}
_ID_WORDS |= {"unit", "user", "utterance"}


class Column(NamedTuple):
    """A column: its `cells` as text, and `numbers`, NaN where a cell is a `gap` or `text`."""

    cells: list
    numbers: np.ndarray
    gap: np.ndarray
    text: np.ndarray


class Table(NamedTuple):
    """A CSV file as read: `columns` by name, and the `lines` of the file that the rows stand in."""

    name: str
    columns: dict
    lines: np.ndarray


class Choice(NamedTuple):
    """Which columns mean what: `values`, and the columns of `id` and `time`, None for none."""

    values: list
    id: str | None
    time: str | None


class Sequences(NamedTuple):
    """What a file holds: `sequences`, their `names`, the `features`, and `notes` in words."""

    sequences: list
    names: list
    features: list
    notes: list


def read_csv(path):
    """Read a CSV file.

    Parameters
    ----------
    path : str or Path
        At most 20 MiB, in UTF-8. The first line names the columns, unless it holds numbers only.

    Returns
    -------
    Table

    Raises
    ------
    ValueError, TypeError
        In words that name the line and say what to do.
    """
    if not isinstance(path, (str, Path)):
        raise TypeError(f"`path` must be a path as text. Received: {type(path).__name__}.")
    text = str(path).strip().strip("\"'")
    try:
        file = Path(text).expanduser()
        if not text or not file.is_file():
            there = "a folder" if text and file.is_dir() else "no file of this name"
            raise ValueError(
                f"`path` must lead to a CSV file. Received: {text!r}, {there}. A path that does "
                f"not begin at the root is looked up from {str(Path.cwd())!r}."
            )
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, RuntimeError) as problem:
        raise ValueError(
            f"`path` must lead to a file that can be read. Received: {text!r}: {problem}. "
            "Check the path and its permissions."
        ) from None
    return parse_csv(content, name=file.name)


def parse_csv(content, *, name="the file"):
    r"""Read the content of a CSV file.

    Parameters
    ----------
    content : bytes
    name : str
        Of the file, for messages.

    Returns
    -------
    Table

    Raises
    ------
    ValueError, TypeError
        In words that name the line and say what to do.

    Examples
    --------
    >>> table = parse_csv(b"day,rain\n1,0.5\n2,\n")
    >>> table.columns["rain"].numbers.tolist(), table.lines.tolist()
    ([0.5, nan], [2, 3])
    """
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f"`content` must be bytes. Received: {type(content).__name__}.")
    rows, lines = _rows(_decode(bytes(content), name), name)
    header = None if all(_number(cell) is not None for cell in rows[0]) else rows.pop(0)
    if header is not None:
        del lines[0]
    _check_row_count(rows, lines, name)
    names = _unique(header if header is not None else [""] * len(rows[0]))
    cells = list(zip(*rows, strict=True))
    columns = {
        title: _column(list(column))
        for title, column in zip(names, cells, strict=True)
        if any(column) or not title.startswith("column ")  # a comma at the end of every line
    }
    return Table(name, columns, np.array(lines))


def guess_columns(table):
    """Guess which columns hold the values, and which name the sequence and the time.

    Parameters
    ----------
    table : Table

    Returns
    -------
    Choice
        Of at most twelve value columns. It is a guess: look at it.

    Raises
    ------
    ValueError
        If no column holds numbers.
    """
    numeric = [name for name, column in table.columns.items() if _is_numeric(column)]
    if not numeric:
        title, column = next(iter(table.columns.items()))
        raise ValueError(
            f"`{table.name}` must have a column of numbers. Received: text in every column, for "
            f"instance {_short(column.cells[0])} under {title!r} in line {table.lines[0]}. "
            "Separate the cells by commas, semicolons or tabs, and leave units out of the cells."
        )
    time = next((name for name in table.columns if _is_time(table, name)), None)
    candidates = [name for name in table.columns if name != time]
    identity = next((name for name in candidates if _is_identity(table, name, time)), None)
    if time is None and identity is not None:  # timesteps are counted anew in each sequence
        time = next((name for name in numeric if _starts_anew(table, name, identity)), None)
    values = [name for name in numeric if name not in (time, identity)]
    values = [name for name in values if not _words(name) & _TIME_WORDS] or values
    if not values:  # a single column of numbers is the series, whatever it is called
        values, identity, time = numeric[:1], None, None
    return Choice(values[:12], identity, time)


def make_sequences(table, values, *, id=None, time=None, fill_gaps=False):
    """Return the sequences of a table, one row a timestep.

    Parameters
    ----------
    table : Table
    values : list of str
        The columns that hold the features.
    id : str, optional
        The column that names the sequence a row belongs to (long form). Without it, the
        table is one sequence (wide form).
    time : str, optional
        The column that says when; rows are put in its order. Without it, or where it cannot
        be read as numbers or dates, the rows stay in the order of the file.
    fill_gaps : bool
        Fill a gap with the value before; leave out the rows before a sequence's first values.

    Returns
    -------
    Sequences
        Each (timesteps_i, features), float64.

    Raises
    ------
    ValueError, TypeError
        If a value is missing or is no number: in words that name the line.
    """
    values = check_list("values", values, "column names")
    for title in [*values, *(name for name in (id, time) if name is not None)]:
        if title not in table.columns:
            listed = ", ".join(repr(name) for name in table.columns)
            raise ValueError(f"`values` must name columns of {listed}. Received: {title!r}.")
    notes = []
    check_flag("fill_gaps", fill_gaps)
    for title in values:
        _check_numbers(table, title, fill_gaps)
    groups = _groups(table, id)
    keys = None if time is None else _time_keys(tuple(table.columns[time].cells))
    if time is not None and keys is None:
        notes.append(
            f"The column {time!r} could not be read as numbers or dates; the rows are taken in the "
            "order of the file."
        )
    if keys is not None:
        groups = _in_order(table, groups, time, keys, notes)
    array = np.stack([table.columns[title].numbers for title in values], axis=1)
    sequences = {name: array[rows] for name, rows in groups.items()}
    if fill_gaps:
        sequences = _fill(table, sequences, notes)
    sequences = _drop_single(table, sequences, id, notes)
    return Sequences(list(sequences.values()), list(sequences), list(values), notes)


def _decode(content, name):
    if len(content) > MAX_BYTES:
        raise ValueError(
            f"`{name}` must hold at most {MAX_BYTES // 2**20} MiB. Received: more than that. "
            "Keep fewer columns, or every n-th row."
        )
    if not content.strip():
        raise ValueError(
            f"`{name}` must hold a line with column names and rows below it. Received: an empty "
            "file. Export it again."
        )
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"`{name}` must be in UTF-8. Received: UTF-16 in line 1. {_SAVE}")
    _check_is_text(content, name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ValueError(
            f"`{name}` must be in UTF-8. Received: another encoding (a byte "
            f"{content[problem.start]:#04x} in line {_line(content, problem.start)}). {_SAVE}"
        ) from None


_CONTROL = bytes(range(9)) + bytes(range(14, 32))  # all but tabs and line ends
_SAVE = "Open it in a spreadsheet or an editor and save it as CSV in UTF-8."


def _check_is_text(content, name):
    if len(content.translate(None, _CONTROL)) < len(content):
        at = next(i for i, byte in enumerate(content) if byte in _CONTROL)
        kind = "an Excel or ZIP file" if content[:2] == b"PK" else "binary data"
        raise ValueError(
            f"`{name}` must be a text file. Received: {kind} (a byte {content[at]:#04x} in line "
            f"{_line(content, at)}). {_SAVE}"
        )


def _line(content, position):
    return content[:position].count(b"\n") + 1


def _rows(text, name):
    """Return the rows, header and all, and the line that each starts in."""
    lines = io.StringIO(text, newline="")
    first = _skip_comments(lines)
    reader = csv.reader(lines, delimiter=_delimiter(text), strict=True, skipinitialspace=True)
    rows, starts, end = [], [], 0
    try:
        for row in reader:
            rows.append(row)
            starts.append(first + end + 1)
            end = reader.line_num
            if len(rows) > MAX_ROWS + 1:
                raise ValueError(
                    f"`{name}` must hold at most {MAX_ROWS:,} rows. Received: more, from line "
                    f"{starts[-1]} on. Keep the last ones, or every n-th."
                )
    except csv.Error as problem:
        raise ValueError(
            f"`{name}` must be a CSV file. Received: {problem}, in the row that starts in line "
            f"{first + end + 1}. Look for a quotation mark that is not closed."
        ) from None
    rows, starts = _without_blank_lines(rows, starts)
    _check_rows(rows, starts, name)
    return rows, starts


def _check_rows(rows, starts, name):
    if not rows:
        raise ValueError(
            f"`{name}` must hold a line with column names and rows below it. Received: comments "
            "and blank lines only. Export it again."
        )
    for row, start in zip(rows, starts, strict=True):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"`{name}` must have the same number of cells in every line. Received: "
                f"{len(rows[0])} in line {starts[0]}, {len(row)} in line {start}. Correct the "
                "line, or put text that holds the separator in quotation marks."
            )


def _without_blank_lines(rows, starts):
    """Leave out blank lines, but for those within a single column: there they are gaps."""
    blank = [not any(cell.strip() for cell in row) for row in rows]
    if all(blank):
        return [], []
    first, last = blank.index(False), len(blank) - blank[::-1].index(False)
    width = len(rows[first])
    kept = [i for i in range(first, last) if not blank[i] or width == 1 or len(rows[i]) > 1]
    return [rows[i] or [""] for i in kept], [starts[i] for i in kept]


def _skip_comments(lines):
    """Move past the lines at the top that start with #; return their number."""
    count = 0
    while True:
        here = lines.tell()
        if not lines.readline().startswith("#"):
            lines.seek(here)
            return count
        count += 1


def _delimiter(text):
    """Return the separator that the first line holds most often, outside quotation marks."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    plain = "".join(next(lines, "").split('"')[::2])
    return max(",;\t", key=plain.count)


def _check_row_count(rows, lines, name):
    if len(rows) > 1:
        return
    received = "no rows" if not rows else f"a single row, in line {lines[0]}"
    raise ValueError(
        f"`{name}` must hold at least two rows below the column names, one for each timestep. "
        f"Received: {received}. If a series stands in one row, turn the table: a row for each "
        "timestep."
    )


def _unique(titles):
    """Return column names without blanks at their ends, none empty, none twice."""
    names = []
    for place, title in enumerate(titles, start=1):
        title = " ".join(title.split()) or f"column {place}"
        count = 2
        name = title
        while name in names:
            name, count = f"{title} ({count})", count + 1
        names.append(name)
    return names


def _column(cells):
    values = [_number(cell) for cell in cells]
    gap = np.array([value is not None and math.isnan(value) for value in values])
    text = np.array([value is None for value in values])
    numbers = np.array([math.nan if value is None else value for value in values])
    return Column(cells, numbers, gap, text)


def _number(cell):
    """Return a finite number, NaN for a gap, or None for text."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan if cell.strip().lower() in _GAPS else None
    if math.isnan(value):
        return math.nan
    return None if math.isinf(value) or "_" in cell else value


def _is_numeric(column):
    """Return whether most cells that are not gaps are numbers."""
    return (~column.text & ~column.gap).sum() > column.text.sum()


def _words(title):
    return set(re.findall("[a-z]+", title.lower()))


def _is_time(table, name):
    """Return whether a column says when: by its name, or because it holds dates."""
    column = table.columns[name]
    if column.gap.any():
        return False
    if _is_numeric(column):
        first = name == next(iter(table.columns))
        rising = first and len(table.columns) > 1 and (np.diff(column.numbers) > 0).all()
        return not column.text.any() and (rising or bool(_words(name) & _TIME_WORDS))
    return _time_keys(tuple(column.cells)) is not None


def _is_identity(table, name, time):
    """Return whether a column names the sequence that a row belongs to."""
    column = table.columns[name]
    codes, counts = _codes(column.cells)
    if not 2 <= len(counts) <= len(codes) / 2 or column.gap.any():
        return False
    if _is_numeric(column) and not _words(name) & _ID_WORDS:
        return False
    if time is not None:  # then a time comes twice, but not within a sequence
        times, _ = _codes(table.columns[time].cells)
        pairs = len(np.unique(np.stack([codes, times]), axis=1).T)
        return times.max() + 1 < len(times) and pairs == len(times)
    return np.count_nonzero(np.diff(codes)) + 1 == len(counts)  # each in one run of rows


def _starts_anew(table, name, identity):
    """Return whether a column of numbers rises within each sequence and starts anew in the next."""
    numbers, (codes, _) = table.columns[name].numbers, _codes(table.columns[identity].cells)
    same = np.diff(codes) == 0
    return bool((np.diff(numbers)[same] > 0).all()) and len(set(numbers)) < len(numbers)


def _codes(cells):
    """Return a number for each cell, equal for equal cells, and how often each comes."""
    seen = {}
    codes = np.array([seen.setdefault(cell.strip(), len(seen)) for cell in cells])
    return codes, np.bincount(codes)


def _check_numbers(table, title, fill_gaps):
    column = table.columns[title]
    if column.text.any():
        rows = np.flatnonzero(column.text)
        cell = column.cells[rows[0]].strip()
        way_out = "Correct it, leave the row out, or choose other columns."
        if cell.count(",") == 1 and _number(cell.replace(",", ".")) is not None:
            way_out = f"Write decimals with a point: {cell.replace(',', '.')}."
        raise ValueError(
            f"`{table.name}` must hold numbers in the column {title!r}. Received: {_short(cell)} "
            f"in line {table.lines[rows[0]]}{_more(rows)}. {way_out}"
        )
    if column.gap.any() and (column.gap.all() or not fill_gaps):
        rows = np.flatnonzero(column.gap)
        way_out = "Choose other columns." if column.gap.all() else _FILL
        raise ValueError(
            f"`{table.name}` must hold a number in every row of the column {title!r}. Received: a "
            f"gap in line {table.lines[rows[0]]}{_more(rows)}. {way_out}"
        )


_FILL = (
    "Complete the file, choose other columns, or fill gaps with the value before: "
    "`fill_gaps=True`, a box to tick in the lesson."
)


def _more(rows):
    return f", and {len(rows) - 1} more" if len(rows) > 1 else ""


def _short(cell):
    return repr(cell if len(cell) <= 40 else cell[:39] + "…")


def _groups(table, id):
    """Return the rows of each sequence, by name, in the order in which they first come."""
    if id is None:
        return {table.name: np.arange(len(table.lines))}
    column = table.columns[id]
    if column.gap.any():
        row = np.flatnonzero(column.gap)[0]
        raise ValueError(
            f"`{table.name}` must name a sequence in every row of the column {id!r}. Received: a "
            f"gap in line {table.lines[row]}. Complete the file, or choose another column."
        )
    codes, counts = _codes(column.cells)
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    return {column.cells[group[0]].strip(): group for group in rows}


@lru_cache(maxsize=4)  # it is asked for when columns are guessed, and when they are used
def _time_keys(cells):
    """Return times as numbers, or None where they cannot be read."""
    numbers = [_number(cell) for cell in cells]
    if not any(number is None or math.isnan(number) for number in numbers):
        return np.array(numbers)
    cells = [cell.strip() for cell in cells]
    sample = cells[:100] + cells[-100:]
    readers = [_read_iso, *(lambda cell, f=f: datetime.strptime(cell, f) for f in _FORMATS)]
    found = [keys for read in readers if _dates(sample, read) and (keys := _dates(cells, read))]
    found = [np.array(keys) for keys in found]
    # 1/2/2024 may be January or February: rows are most likely in order.
    return max(found, key=lambda keys: np.mean(np.diff(keys) > 0), default=None)


def _read_iso(cell):
    return datetime.fromisoformat(cell)


def _dates(cells, read):
    """Return dates as seconds, or None where one cannot be read."""
    try:
        times = [read(cell) for cell in cells]
        return [(time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() for time in times]
    except (ValueError, OverflowError):
        return None


def _in_order(table, groups, time, keys, notes):
    """Return each sequence's rows in the order of time; note what is remarkable about it."""
    ordered = {name: rows[np.argsort(keys[rows], kind="stable")] for name, rows in groups.items()}
    if any((ordered[name] != rows).any() for name, rows in groups.items()):
        notes.append(f"The rows were put in the order of the column {time!r}.")
    after = np.concatenate([rows[1:] for rows in ordered.values()])
    apart = np.concatenate([np.diff(keys[rows]) for rows in ordered.values()])
    if (apart == 0).any():
        notes.append(
            f"Two rows of one sequence have the same {time!r}, for instance line "
            f"{table.lines[after[apart == 0][0]]}. If the file holds several sequences, choose the "
            "column that names them."
        )
    usual = np.median(apart) if len(apart) else 0.0
    odd = (apart > 1.5 * usual) | ((apart > 0) & (apart < usual / 2))
    if odd.any():
        notes.append(
            f"Times are not evenly spaced, for instance before line {table.lines[after[odd][0]]}. "
            "Here each row counts as one timestep."
        )
    return ordered


def _fill(table, sequences, notes):
    """Fill gaps with the value before, and leave out what comes before the first values."""
    filled, gaps, left_out = {}, 0, 0
    for name, sequence in sequences.items():
        known = ~np.isnan(sequence)
        last = np.maximum.accumulate(np.where(known, np.arange(len(known))[:, None], 0), axis=0)
        start = int(np.where(known.any(axis=0), known.argmax(axis=0), len(known)).max())
        filled[name] = np.take_along_axis(sequence, last, axis=0)[start:]
        gaps, left_out = gaps + (~known[start:]).sum(), left_out + start
    if gaps:
        notes.append(f"Gaps filled with the value before: {gaps}.")
    if left_out:
        notes.append(f"Rows left out, because no value comes before their gaps: {left_out}.")
    if not any(len(sequence) for sequence in filled.values()):
        raise ValueError(
            f"`{table.name}` must hold numbers in all the columns chosen. Received: no row from "
            "which on every column has a value. Choose fewer columns."
        )
    return filled


def _drop_single(table, sequences, id, notes):
    kept = {name: sequence for name, sequence in sequences.items() if len(sequence) > 1}
    if not kept:
        raise ValueError(
            f"`{table.name}` must hold sequences of at least two timesteps. Received: a single "
            f"row for each value of the column {id!r}. Choose another column for the sequences, or "
            "none."
        )
    if len(kept) < len(sequences):
        notes.append(f"Sequences left out for having one timestep: {len(sequences) - len(kept)}.")
    return kept
