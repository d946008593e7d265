"""When a row was: dates, clock times and counters of a table as numbers that can be put in order.

Which of day and month comes first is decided by the whole column, never cell by cell.
"""

import re

import numpy as np
import pandas as pd

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
PARTS = {  # the words that name a part of a moment, its largest number, its length in seconds
    "year": ("year yr yyyy jahr année annee año ano anno", 2300, 0),
    "quarter": ("quarter qtr quartal trimestre", 4, 0),
    "month": ("month mnth mon mm monat mois mes mese", 12, 0),
    "week": ("week woche semaine semana", 53, 7 * 86400),
    "day": ("day dom dd tag jour dia día giorno", 366, 86400),
    "hour": ("hour hr hh stunde heure hora ora", 24, 3600),
    "minute": ("minute minuto", 60, 60),
    "second": ("second sekunde seconde", 60, 1),
}
_WHEN = set(
    re.findall(
        r"\w+",
        "time date datetime timestamp ts ds datum zeit uhrzeit fecha frame step timestep timepoint "
        "cycle epoch index row weekday weeknum weekofyear dayofweek dayofyear season yearday of "
        + " ".join(words for words, _, _ in PARTS.values()),
    )
)
_ALSO_NAMES = {"cycle", "epoch", "frame", "index", "of", "row", "season", "step", "t"}
_FORMATS = re.findall(
    r"\S+",
    "%Y-%m-%d %d-%m-%Y %m-%d-%Y %d-%m-%y %m-%d-%y %y-%m-%d %Y-%m %m-%Y %d-%b-%Y %d-%b-%y "
    "%b-%d-%Y %Y-%b-%d %b-%Y %Y-%b %b-%y %Y%m%d %G-W%V-%u",
)
_ISO = r"\d{4}-\d\d(-\d\d([T ]\d\d:?\d\d.*)?)?"
_CLOCK = (
    r"^(?P<date>.*?)(?:[T ,]+|^)(?P<h>\d{1,2})[:.h](?P<m>\d{2})(?:[:.](?P<s>\d{2}(?:[.,]\d+)?))?"
    r"\s*(?:(?P<half>[AaPp])\.?[Mm]\.?)?(?:\s*(?:Z|UTC|GMT))?$"
)
_REWRITTEN = [  # in this order: all separators become hyphens, month names three letters
    (r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[ ,.]+", ""),
    (rf"({'|'.join(MONTHS)})[a-z]*\.?", lambda found: found[1].title()),
    (r"[\s/.,-]+", "-"),
    (r"^(\d{4})-?[QK]([1-4])$", lambda found: f"{found[1]}-{3 * int(found[2]) - 2}"),
    (r"^Q([1-4])-?(\d{4})$", lambda found: f"{found[2]}-{3 * int(found[1]) - 2}"),
    (r"^(\d{4})-?M(\d{1,2})$", r"\1-\2"),
    (r"^(\d{4})-?W(\d{1,2})$", r"\1-W\2-1"),
]


def tokens(title):
    """Return the words of a column's title, in lower case."""
    return {word.lower() for word in re.findall(r"[A-ZÀ-Þ]?[^\W\d_A-ZÀ-Þ]+|[A-ZÀ-Þ]+", title)}


def kind_of_numbers(title, numbers):
    """Return the part of a moment that a column of numbers holds, "date", "when" or "number"."""
    numbers = numbers[np.isfinite(numbers)]
    whole = bool((numbers == numbers.round()).all() and (numbers >= 0).all())
    if whole and read_dates(numbers)[0] is not None:
        return "date"
    words = tokens(title)
    for part, (names, largest, _) in PARTS.items():
        if whole and not words.isdisjoint(names.split()) and (numbers <= largest).all():
            return part
    untitled_years = title.startswith("column ") and numbers.between(1500, 2200).all()
    if untitled_years and numbers.is_monotonic_increasing and numbers.nunique() > 1:
        return "year" if whole else "when"
    rising = len(numbers) > 1 and np.mean(np.diff(numbers) >= 0) > 0.9
    return "when" if words and (words <= _WHEN or (words & _WHEN and rising)) else "number"


def kind_of_text(title, cells):
    """Return "date", "clock", "month", "when" (a weekday, or unread) or "text"."""
    seconds, dated, _ = read_dates(cells)
    if seconds is not None and seconds.notna().all():
        return "date" if dated else "clock"
    names = set(cells.astype(str).str.strip().str.lower().str[:3])
    if names <= set(MONTHS):
        return "month"
    return "when" if names <= _WEEKDAYS or tokens(title) & _WHEN - _ALSO_NAMES else "text"


def read_dates(cells):
    """Return a column as seconds, NaN where it cannot be read; whether they have a date; a note.

    The seconds are None where the column holds no dates nor clock times.
    """
    if pd.api.types.is_numeric_dtype(cells):
        if not cells.min() > 1e7:
            return None, False, None
        texts = cells.dropna().map("{:.0f}".format)
        lengths = set(texts.str.len())
        if len(lengths) != 1 or not lengths <= {8, 10, 12, 14}:
            return None, False, None
        stamped = texts.str.replace(r"^(\d{8})(..)?(..)?(..)?$", _spaced, regex=True)
        if not stamped.str.match("(1[6-9]|20|21)").all():
            return None, False, None
        seconds, dated, note = read_dates(stamped)
        if seconds is None or seconds.isna().any():
            return None, False, None
        return seconds.reindex(cells.index), dated, note
    if pd.api.types.is_datetime64_any_dtype(cells):
        return _seconds(pd.to_datetime(cells, utc=True)), True, None
    codes, unique = pd.factorize(cells)
    texts = pd.Series(unique, dtype=object).astype(str).str.strip().str[:50]
    seconds, dated, note = _read_texts(texts)
    if seconds is None:
        return None, False, None
    found = np.append(seconds.to_numpy(float), np.nan)[codes]
    return pd.Series(found, cells.index), dated, note


def _spaced(found):
    hour, minute, second = (found[n] or "00" for n in (2, 3, 4))
    return f"{found[1]} {hour}:{minute}:{second}"


def _seconds(times):
    return (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)


def _read_texts(texts):
    """Read texts, none of them twice, as dates, dates with a clock time, or clock times."""
    if len(texts) and texts.str.fullmatch(_ISO).all():
        times = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
        if times.notna().all():
            return _seconds(times), True, None
    parts = texts.str.extract(_CLOCK)
    has_date = parts["date"].fillna("") != ""
    hours = parts[["h", "m", "s"]].apply(lambda part: part.str.replace(",", ".").astype(float))
    half = parts["half"].str.lower()
    hours["h"] += 12.0 * ((half == "p") & (hours["h"] < 12)) - 12.0 * (
        (half == "a") & (hours["h"] == 12)
    )
    clock = hours["h"] * 3600 + hours["m"] * 60 + hours["s"].fillna(0)
    days, note = _read_days(parts["date"].where(has_date, texts))
    if days is not None:
        return days + clock.where(has_date, 0).fillna(0), True, note
    alone = clock.where(~has_date & (hours["h"] <= 24))
    return (alone, False, None) if alone.notna().mean() > 0.5 else (None, False, None)


def _read_days(texts):
    """Read dates in the one order that the whole column admits; say so where it admits several."""
    written = texts
    dotted = texts.str.contains(".", regex=False).mean() > 0.5
    for pattern, new in _REWRITTEN:
        texts = texts.str.replace(pattern, new, regex=True, flags=re.IGNORECASE)
    sample = texts.iloc[np.unique(np.linspace(0, len(texts) - 1, 200).astype(int))]
    found = {}
    for form in _FORMATS:
        if not (dotted and form.startswith("%m-%d")) and _read(sample, form).notna().mean() > 0.5:
            found[form] = _read(texts, form)
    best = max((times.notna().sum() for times in found.values()), default=0)
    found = {form: times for form, times in found.items() if times.notna().sum() == best}
    if not found:
        return None, None
    form = min(found, key=lambda form: _unevenness(found[form]))
    different = [f for f in found if not found[f].equals(found[form])]
    note = None
    if different:
        words = {"d": "day", "m": "month", "b": "month", "y": "year"}
        order = ", ".join(words[sign] for sign in re.findall("[dmby]", form.lower()))
        note = f"Dates such as {written.iloc[0]!r} are read as {order}; no date rules out others."
    return _seconds(found[form]), note


def _read(texts, form):
    return pd.to_datetime(texts, format=form, errors="coerce", utc=True)


def _unevenness(times):
    """Return how unequal the steps between times are, once in order."""
    steps = np.diff(np.unique(_seconds(times.dropna())))
    return np.std(steps) / np.mean(steps) if len(steps) else np.inf


def time_keys(cells, kinds):
    """Return the moments of rows as numbers, and whether they stand in a calendar.

    `cells` are the columns that together say when, `kinds` what each is. A year, months and so on
    add up; a clock time adds to its date. None where they cannot be read.
    """
    total, parts, dated, notes = np.zeros(len(cells)), {}, False, []
    for column, kind in kinds.items():
        seconds, has_date, note = read_dates(cells[column])
        if kind in PARTS:
            parts[kind] = _part(cells[column])
        elif seconds is not None:
            total, dated = total + seconds.to_numpy(), dated or has_date
            notes += [note] if note else []
        else:
            total = total + pd.to_numeric(cells[column], errors="coerce").to_numpy(float)
    if not dated and not parts.keys().isdisjoint(("year", "quarter", "month")):
        months = (parts.get("year", 1970) - 1970) * 12 + parts.get("month", 1) - 1
        months = months + 3 * (parts.get("quarter", 1) - 1)
        known = np.isfinite(months)
        start = np.where(known, months, 0).astype("datetime64[M]").astype("datetime64[s]")
        total = total + np.where(known, start.astype(float), np.nan)
    for part, numbers in parts.items():
        first = part in ("week", "day") and not dated
        total = total + (numbers - first) * PARTS[part][2] * (not dated or PARTS[part][2] < 86400)
    return total, dated or "year" in parts, notes


def _part(cells):
    names = cells.astype(str).str.strip().str.lower().str[:3]
    numbers = pd.to_numeric(cells, errors="coerce")
    return numbers.fillna(names.map({name: n for n, name in enumerate(MONTHS, 1)})).to_numpy(float)
