"""What the columns of a table mean, guessed from their titles and cells, and said in a sentence."""

import re
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.lessons.choose_your_steps import moments, text_files

MAX_VALUES = 12
ID_WORDS = set(
    re.findall(
        r"\w+",
        "asset batch building channel city code company country customer dept device entity "
        "experiment geo group id iso item key location machine meter name node patient product "
        "recording region run sensor sequence series session shop site sku speaker state station "
        "store subject symbol ticker trial unit user utterance zone",
    )
)
_TARGETS = "target value y cnt count close sales demand price load passengers ot"
_TARGET = set(re.findall(r"\w+", _TARGETS))


class Roles(NamedTuple):
    """Which columns mean what: lists of columns, empty for none; `values[0]` is to be forecast."""

    values: list
    id: list
    time: list


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
    kinds = kinds_of(table)
    numeric = [c for c, kind in kinds.items() if kind not in ("text", "date", "clock", "empty")]
    if not numeric or len(table) < 2:
        raise ValueError(
            f"`{name_of(table)}` must have two rows or more, and a column of numbers. Received: "
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
    numbers = [c for c, kind in kinds_of(table).items() if kind == "number"]
    left = len(set(numbers) - {*roles.values, *roles.id, *roles.time})
    count = f"{len(roles.values):,}" + (f" of {len(roles.values) + left:,}" if left else "")
    columns = "column of numbers" if count == "1" else "columns of numbers"
    series = f"a sequence for each {listed(roles.id)}" if roles.id else "one sequence"
    order = f"the order of {listed(roles.time)}" if roles.time else "the order of its rows"
    return (
        f"{name_of(table)}, {len(table):,} rows: {count} {columns} read as {series}, in {order}, "
        f"forecasting {quoted(roles.values[0])}, right?"
    )


def kinds_of(table):
    """Return what each column holds: "number", "text", "date", a part of time, and so on."""
    kinds = {column: _kind(table, column) for column in table}
    untitled = [c for c in table if c.startswith("column ")]
    if kinds and kinds[next(iter(kinds))] == "year" and len(untitled) == len(kinds):
        for column, part in zip(untitled[1:], ("month", "day", "hour"), strict=False):
            cells = text_files.numbers(table[column])
            small = cells.between(0, moments.PARTS[part][1]).all()
            if not small or cells.diff().isin([0, 1]).mean() < 0.9:
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
        and (kind == "text" or (kind == "number" and moments.tokens(c) & ID_WORDS))
        and 2 <= table[c].nunique() <= len(table) / 2
    ]
    names = sorted(names, key=lambda c: not moments.tokens(c) & ID_WORDS)[:6]
    if not time:
        counted = [c for c in table.columns[:2] if kinds[c] == "number" and c not in names]
        return next(([c] for c in [*names, *counted] if _in_blocks(table, c, c in names)), [])
    some = table[time[0]].drop_duplicates()
    rows = table[table[time[0]].isin(some.iloc[np.linspace(0, len(some) - 1, 500).astype(int)])]
    again = rows.duplicated(time).mean()
    worded = [c for c in names if moments.tokens(c) & ID_WORDS]
    if again == 0:
        return next(([c] for c in worded if _in_blocks(table, c, True)), [])
    names = names if again > 0.3 else worded if again > 0.05 else []
    keys = [key for n in range(1, 5) for key in combinations(names, n)]
    twice = {}
    for key in keys:
        if 2 * len(rows[list(key)].drop_duplicates()) > len(rows):
            continue
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


def name_of(table):
    """Return the name of the file that a table was read from."""
    return table.attrs.get("name", "the table")


def _about(table):
    if not table.size:
        return "no rows"
    cell, place = table.iloc[0, 0], f"{table.attrs.get('place', 'row')} {table.index[0]}"
    return f"{len(table):,} rows, with {quoted(cell)} under {quoted(table.columns[0])} in {place}"


def quoted(cell):
    """Return a cell or title in quotation marks, on one line, cut where it is long."""
    text = str(cell)
    return repr(text if len(text) <= 40 else text[:39] + "…")


def listed(columns):
    """Return the names of columns, the first six of them."""
    shown = [quoted(column) for column in columns]
    more = [f"{len(shown) - 6:,} more"] if len(shown) > 6 else []
    shown = shown[:6] + more
    return ", ".join(shown[:-1]) + " and " * (len(shown) > 1) + "".join(shown[-1:])
