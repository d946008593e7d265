"""A text file as a table, and what its cells say: numbers and dates.

pandas reads; this finds out the options, and says so. Nothing in a file is evaluated.
"""

import csv
import io
import re
from collections import Counter
from itertools import zip_longest

import numpy as np
import pandas as pd

MAX_ROWS = 5_000_000
MONTHS = re.findall("...", "janfebmaraprmayjunjulaugsepoctnovdec")
_GAPS = ["-", "--", "---", "***", ".", "..", "?", ":", "…", "na", "nil", "NAN", "missing"]
_EMPTY = {"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", *_GAPS}
_COMMENT = re.compile(r"^[ \t]*[#%](.*)$", re.MULTILINE)
_NUMBER = {  # by decimal sign; thousands are grouped by the other sign, or a blank
    point: r"(?i)[-+−]?[$€£]?(?=[.,]?\d)(\d{1,3}(['’ \xa0\u202f]\d{3})+|"
    rf"[1-9]\d{{0,2}}({group}\d{{3}})+|\d+)?(\{point}\d*)?(e[-+]?\d+)?( ?%)?"
    for point, group in ((".", ","), (",", r"\."))
}
_DATE = (
    r"(?i)(\d{1,4}([-/:]\d{1,2}|\.\d{1,2}\.\d{1,4})|\d{4} ?Q\d|"
    rf"(\d[\d .-]*)?({'|'.join(MONTHS)})[a-z]*[\d .,-]*\d)([\d:/ T.Z+-]|[ap]m)*"
)
_DAYS = ["%Y %m %d", "%d %m %Y", "%m %d %Y", "%d %m %y", "%m %d %y", "%y %m %d"]
_DAYS += ["%d %b %Y", "%d %b %y", "%b %d %Y"]
_CLOCKS = ["%H:%M", "%H:%M:%S", "%H:%M:%S %f", "%H %M %S", "%I:%M %p", "%I:%M:%S %p"]
_FORMATS = [*_DAYS, "%Y %m", "%m %Y", "%b %Y", "%b %y", "%Y %b"]
_FORMATS += [f"{day} {clock}" for day in _DAYS for clock in _CLOCKS] + _CLOCKS
csv.field_size_limit(2**22)


def refusal(rule, received, way_out):
    """Return the error that says what must be, what was received, and the way out."""
    return ValueError(f"{rule}. Received: {received}. {way_out}.")


def check_made(name, value, kind, maker):
    """Raise unless `value` is of the kind that `maker` returns."""
    if not isinstance(value, kind):
        raise refusal(
            f"`{name}` must be of `{maker}`", type(value).__name__, "Pass what it returns"
        )


def quoted(cell):
    """Return a cell or title in quotation marks, on one line, cut where it is long."""
    return repr(text if len(text := str(cell)) <= 40 else text[:39] + "…")


def parse(content, name, notes):
    """Return the table in a text file; what was decided about it joins `notes`."""
    text = re.sub("\r\n?", "\n", _decode(content, name, notes))
    comments = _COMMENT.findall(text[: 2**20])
    text = _COMMENT.sub("", text) if comments else text
    head = "\n".join(text[: 2**21].split("\n")[:600])
    sep, decimal = _layout(head)
    lines, rows = _rows(head, sep)
    if len(rows) < 2:
        rule = f"`{name}` must hold a line with column names and rows below it"
        raise refusal(rule, f"{len(rows)} lines with cells", "Export it again")
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if 2 * count < len(rows):  # lines of all lengths
        width = max(len(line.split(sep.strip(" ") or None)) for line in text.split("\n"))
    start, titles = _head(rows, lines, width, decimal, notes)
    if not start and comments and len(commented := _rows(comments[-1], sep)[1]) == 1:
        titles = commented[0] if len(commented[0]) == width else titles
    if decimal == "," and any(re.search(r"\d,\d", cell) for row in rows for cell in row):
        notes.append("Decimals are read with a comma.")
    titles = [*titles, *[""] * (width - len(titles))]
    frame = _read(text, name, (sep, decimal), lines[start], len(titles), notes)
    frame.columns = unique(re.sub(r"(?i)\\time.*", "", title) for title in titles)
    useless = [c for c, title in zip(frame, titles, strict=True) if not title]
    frame = frame.drop(columns=[c for c in useless if frame[c].isna().all()])
    frame = frame.dropna(how="all") if frame.shape[1] > 1 else frame
    frame = _turned(frame.apply(_as_numbers, decimal=decimal, notes=notes), notes)
    frame.attrs["decimal"] = decimal
    return frame


def unique(titles):
    """Return column names that can be shown: one line, none empty, none twice."""
    names = {}
    for place, title in enumerate(titles, start=1):
        title = "".join(c if c.isprintable() else " " for c in str(title))
        title = " ".join(title.split()) or f"column {place}"
        while title in names:
            title += f" ({place})"
        names[title] = True
    return list(names)


def _decode(content, name, notes):
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        encoding, text = "cp1252", content.decode("cp1252", "replace")
    if re.search(r"\A\s*[<{]|[\x00-\x08\x0e-\x1f]", text):
        rule = f"`{name}` must be a table of text, Excel or parquet"
        way_out = "Unpack an archive; save anything else as CSV in UTF-8, or pass a DataFrame"
        raise refusal(rule, "binary data, XML, HTML or JSON", way_out)
    if encoding != "utf-8-sig":
        notes.append(f"The text is read as {encoding}, because it is not in UTF-8.")
    return text


def _rows(text, sep):
    """Return the rows that are not blank: the line that each begins after, and its cells."""
    if sep == " ":
        text, sep = re.sub("[ \t]+", "\t", re.sub(r"(?m)^[ \t]+|[ \t]+$", "", text)), "\t"
    reader, found, line = csv.reader(io.StringIO(text), delimiter=sep, skipinitialspace=True), [], 0
    for row in reader:
        found, line = [*found, (line, [cell.strip() for cell in row])], reader.line_num
    found = [(line, row) for line, row in found if any(row)]
    return [line for line, _ in found], [row for _, row in found]


def _layout(head):
    """Return the separator and decimal sign with which lines are most alike, and most cells say."""
    best, found = 0, (",", ".")
    for sep in "\t;|, ":
        rows = _rows(head, sep)[1][:200] or [[""]]
        width, count = Counter(map(len, rows)).most_common(1)[0]
        cells = [cell for row in rows for cell in row if cell not in _EMPTY] or [""]
        for decimal in ",." if sep == ";" else ".,":
            doubt = r"[-+]?\d{1,3}(\.\d{3})+" if decimal == "," else "(?!)"  # a decimal point?
            said = np.mean([_kind(c, decimal) > 0 and not re.fullmatch(doubt, c) for c in cells])
            score = round(count / len(rows) * (said + 0.05 * (width > 1)), 9)
            if score > best and (width > 1 or not re.search("[;|,]", rows[0][0])):
                best, found = score, (sep, decimal)
    return found


def _kind(cell, decimal):
    """Return 1 for a number, 2 for a date, 0 for anything else."""
    return 1 if re.fullmatch(_NUMBER[decimal], cell[:60]) else 2 * bool(re.fullmatch(_DATE, cell))


def _head(rows, lines, width, decimal, notes):
    """Return how many rows stand above the data, and the titles among them: the fullest."""
    rows = rows[: max(40, 100_000 // width)]
    kinds = [[np.nan if c in _EMPTY else _kind(c, decimal) for c in row] for row in rows]
    kinds = pd.DataFrame(zip_longest(*kinds, fillvalue=np.nan)).T
    usual = kinds.iloc[len(rows) // 2 :].median().round()
    kinds = kinds[usual.index[usual > 0]]
    alike = kinds.eq(usual[usual > 0]).where(kinds.notna()).mean(axis=1).fillna(0)
    filled = np.array([sum(map(bool, row)) for row in rows])
    years = np.array([*map(_counts_up, rows), False])
    data = (alike == 1) & (4 * kinds.notna().sum(axis=1) >= kinds.shape[1])
    data |= (alike >= 0.5) & np.r_[False, np.cumsum(2 * filled >= width)[:-1] > 0]
    data = np.flatnonzero(data & ~(years[:-1] & ~years[1:]))
    start = data[0] if len(data) else 1
    best = int(np.argmax(filled[:start])) if 2 * max(filled[:start], default=-1) >= width else -1
    passed = [n for n in range(start) if n != best]
    if passed:
        shown = quoted(next(cell for cell in rows[passed[0]] if cell))
        where = ", ".join(str(lines[n] + 1) for n in passed[:8])
        notes.append(f"Lines above the data passed over: {where} ({shown}).")
    titles = rows[best] if best >= 0 else []
    return start, ["", *titles] if len(titles) == width - 1 else titles


def _counts_up(row):
    """Return whether a row's whole numbers count, as years do that stand above columns."""
    found = [int(cell) for cell in row if re.fullmatch(r"\d{1,4}", cell, re.ASCII)]
    return len(found) > 2 and set(np.diff(found)) in ({1}, {-1})


def _read(text, name, layout, first, width, notes):
    """Read the rows after line `first` by pandas; a line too long is an error."""
    rule = f"`{name}` must have at most {width:,} cells in each line"
    way_out = "Correct or delete that line; text that holds the separator needs quotation marks"
    options = {"header": None, "names": range(width + 1), "low_memory": False, "nrows": MAX_ROWS}
    options |= {"sep": layout[0].replace(" ", r"\s+"), "decimal": layout[1], "na_values": _GAPS}
    options |= {"skip_blank_lines": False, "skipinitialspace": True}
    text = "\n".join(text.split("\n", first)[first:])
    text = text if layout[0] == " " else re.sub(rf"(?<! ) +(?=[{layout[0]}\n])", "", text)
    try:
        frame = pd.read_csv(io.BytesIO(text.encode()), **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeEncodeError) as problem:
        found = re.search(r"in line (\d+), saw (\d+)", str(problem))
        received = "a quotation mark without its end"
        received = f"{found[2]} in line {first + int(found[1])}" if found else received
        raise refusal(rule, received, way_out) from None
    if not isinstance(frame.index, pd.RangeIndex):  # pandas' way with a first line too long
        raise refusal(rule, f"more in line {first + 1}", way_out)
    frame.index += first + 1
    if '"' in text:
        texts = frame.select_dtypes(exclude="number").astype(str)
        breaks = texts.apply(lambda cells: cells.str.count("\n")).sum(axis=1).cumsum()
        frame.index += breaks.shift(fill_value=0).astype(int).to_numpy()
    long = frame.index[frame[width].notna()]
    if len(long):
        raise refusal(rule, f"{width + 1} in line {long[0]}", way_out)
    notes += [f"The first {MAX_ROWS:,} rows are used."] if len(frame) == MAX_ROWS else []
    return frame.drop(columns=width)


def numbers(cells, decimal="."):
    """Return a column as numbers, NaN where a cell is none."""
    if pd.api.types.is_bool_dtype(cells) or pd.api.types.is_numeric_dtype(cells):
        return cells.astype(float)
    found = pd.to_numeric(cells.astype(str), errors="coerce").astype(float)
    left = found.isna() & cells.notna()
    if left.any():
        texts = cells[left].astype(str).str.strip()
        texts = texts.where(texts.str.fullmatch(_NUMBER[decimal])).str.replace("−", "-")
        grouped = rf"[$€£%]|(?<=\d)['’ \xa0\u202f{',' if decimal == '.' else '.'}](?=\d{{3}})| %"
        texts = texts.str.replace(grouped, "", regex=True).str.replace(decimal, ".", regex=False)
        found[left] = pd.to_numeric(texts, errors="coerce")
    return found


def _as_numbers(cells, decimal, notes):
    """Return a column of text as numbers where all of its cells are."""
    known = cells.dropna()
    if pd.api.types.is_numeric_dtype(cells) or numbers(known.iloc[:50], decimal).isna().any():
        return cells
    found = numbers(known, decimal)
    if found.isna().any():
        return cells
    grouped = pd.to_numeric(known.astype(str), errors="coerce").isna()
    if grouped.any() and not any("is read as" in note for note in notes):
        cell, number = quoted(known[grouped].iloc[0]), found[grouped].iloc[0]
        notes.append(f"{cell} under {quoted(cells.name)} is read as {number:,}.")
    return found.reindex(cells.index)


def _turned(frame, notes):
    """Return a table whose lines are sequences, or years, with a row for each timestep."""
    numeric = [c for c in frame if pd.api.types.is_numeric_dtype(frame[c])]
    text = [c for c in frame if c not in numeric]
    years = [c for c in frame if re.fullmatch(r"(1[5-9]|2[0-2])\d\d", c)]
    dates = years or [c for c in frame if re.fullmatch(_DATE, c)]
    months = [c for c in frame if c[:3].lower() in MONTHS and c.isalpha()]
    if len(months) == 12 and numeric and numeric[0] not in months:
        notes.append("Turned: each line is read as the months of a year.")
        return _long(frame, numeric[:1], months, "month", notes)
    if 2 * len(dates) > max(4, frame.shape[1]):
        notes.append(f"Turned: each line is read as a sequence from {dates[0]} to {dates[-1]}.")
        keep = [c for c in text if c not in dates]
        return _long(frame, keep, dates, "year" if years else "date", notes)
    alike = len({re.sub(r"\d+$", "", c) for c in numeric}) == 1 and len(numeric) >= 20
    dated = any(read_dates(frame[c].dropna())[0] is not None for c in text)
    if not alike or len(text) > 1 or dated:
        return frame
    if (frame[numeric[0]] % 1 == 0).all() and not (frame[numeric] % 1 == 0).all(axis=None):
        numeric = numeric[1:]  # the first is the class of each line
    along, down = (frame[numeric][:300].diff(axis=axis).abs().stack().mean() for axis in (1, 0))
    turn = bool(text) or not down < 1.5 * along
    words = "Turned: each line is read as a sequence" if turn else "Each line is read as a timestep"
    way_out = "If that is wrong, pass `pd.read_csv(path, header=None)`, or its `.T`."
    notes.append(f"{words} of {len(numeric):,} numbers. {way_out}")
    return _long(frame, text, numeric, "timestep", notes) if turn else frame


def _long(frame, keep, columns, label, notes):
    """Return a row for each cell of some columns that holds something, line by line."""
    left = [quoted(column) for column in frame if column not in [*keep, *columns]]
    notes += [f"Columns left out in turning: {', '.join(left[:6])}."] if left else []
    if label != "month" and (not keep or frame.duplicated(keep).any()):
        keep, frame = [*keep, "line"], frame.assign(line=[f"line {n}" for n in frame.index])
    places = range(len(columns)) if label == "timestep" else columns
    frame = frame[: max(1, MAX_ROWS // len(columns))]
    frame = frame.rename(columns=dict(zip(columns, places, strict=True)))
    long = frame.melt(keep, list(places), label, "value", ignore_index=False)
    long = long.dropna(subset="value").sort_index(kind="stable")
    long[label] = long[label].astype(object if label in ("month", "date") else int)
    return long.infer_objects()


def read_dates(cells):
    """Return a column as seconds (None if it is no time), whether they have a date, and a note.

    The whole column decides which of day and month comes first, never a cell.
    """
    if pd.api.types.is_datetime64_any_dtype(cells):
        return seconds_of(pd.to_datetime(cells, utc=True)), True, None
    codes, texts = pd.factorize(cells)
    texts = pd.Series(texts, dtype=object)
    if pd.api.types.is_numeric_dtype(cells):
        texts = texts.map("{:.0f}".format)  # such as 2024020105
        stamps = len(texts) and texts.str.fullmatch(r"(1[6-9]|2[01])\d{6}(\d\d){0,3}").all()
        times = _parsed(texts, "%Y%m%d%H%M%S"[: texts.str.len().max() - 2]) if stamps else texts
        if not stamps or times.isna().any() or texts.str.len().nunique() > 1:
            return None, False, None
        return seconds_of(times).reindex(codes).set_axis(cells.index), True, None
    found, dated, note = _read_texts(texts.astype(str).str.strip().str[:50])
    return found if found is None else found.reindex(codes).set_axis(cells.index), dated, note


def _read_texts(texts):
    if not texts.iloc[:100].str.contains(r"\d").any():
        return None, False, None
    if texts.str.match(r"\d{4}-\d").all():
        times = _parsed(texts, "ISO8601")
        if times.notna().all():
            return seconds_of(times), True, None
    dotted, first = texts.str.contains(r"\d\.\d").mean() > 0.5, texts[0]
    texts = texts.str.replace(r"([A-Za-z]{3})[A-Za-z]+", r"\1", regex=True)  # January: Jan
    texts = texts.str.replace(r"[\s/.,-]+", " ", regex=True)
    quarter, month = r"^(\d{4}) ?Q([1-4])$", lambda q: f"{q[1]} {3 * int(q[2]) - 2}"
    texts = texts.str.replace(quarter, month, regex=True)
    sample, found = spread(texts, 200), {}
    for form in [form for form in _FORMATS if _parsed(sample.iloc[:3], form).notna().any()]:
        turned = dotted and form.startswith("%m %d")
        if not turned and _parsed(sample, form).notna().mean() > 0.5:
            found[form] = seconds_of(_parsed(texts, form))
    if not found:
        return None, False, None
    most = max(seconds.count() for seconds in found.values())
    found = {form: seconds for form, seconds in found.items() if seconds.count() == most}
    days = [form for form in found if form[1] not in "HI"]  # 01.02.20 is a date, not a clock time
    form = min(days or found, key=lambda form: _unevenness(found[form]))
    note, dated = None, form[1] not in "HI"
    if any(not found[other].equals(found[form]) for other in days):
        words = {"d": "day", "m": "month", "b": "month", "y": "year"}
        order = ", ".join(words[sign.lower()] for sign in re.findall("%([dmbyY])", form))
        note = f"Dates such as {quoted(first)} are read as {order}; no date rules out others."
    return found[form] if dated else found[form] % 86400, dated, note


def spread(cells, count):
    """Return at most `count` cells, spread over a column."""
    return cells.iloc[np.unique(np.linspace(0, len(cells) - 1, count).astype(int))]


def seconds_of(times):
    """Return moments as seconds since 1970."""
    return (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)


def _parsed(texts, form):
    return pd.to_datetime(texts, format=form, errors="coerce", utc=True)


def _unevenness(seconds):
    steps = np.diff(np.unique(seconds.dropna()))
    return np.std(steps) / np.mean(steps) if len(steps) else np.inf
