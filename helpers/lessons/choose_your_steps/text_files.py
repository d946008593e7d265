"""A text file as a table, and what its cells say: numbers and dates.

pandas reads; this finds out the options, and says so. Nothing in a file is evaluated.
"""

import csv
import io
import re
from itertools import zip_longest

import numpy as np
import pandas as pd

MAX_ROWS = 5_000_000
MONTHS = re.findall("...", "janfebmaraprmayjunjulaugsepoctnovdec")
_GAPS = ["-", "--", "---", "***", ".", "..", "?", ":", "…", "na", "nil", "NAN", "missing"]
_EMPTY = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", *_GAPS]
_COMMENT = r"(?m)^[ \t]*(?:[#%]|//)(.*)$"
_NUMBER = {  # by decimal sign; thousands are grouped by the other sign, or a blank
    point: r"(?i)[-+−]?[$€£]?(?=[.,]?\d)"
    rf"([1-9]\d{{0,2}}([{group}'’ \xa0\u202f]\d{{3}})+|\d*)(\{point}\d*)?(e[-+]?\d+)?( ?[%$€£])?"
    for point, group in ((".", ","), (",", "."))
}
_DATE = (
    r"(?i)(\d{1,4}([-/:]\d{1,2}|\.\d{1,2}\.\d{1,4})|\d{4} ?Q\d|"
    rf"(?=.*\d)[\d .-]*({'|'.join(MONTHS)})[a-z]*)([\d:/ T.,Z+-]|[ap]m)*"
)
_SPAN = rf"(?i)(1[5-9]|2[0-2])\d\d|({'|'.join(MONTHS)})[a-z]*"  # a year or a month, as a title
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
    """Return `value` if it is of the kind that `maker` returns."""
    if not isinstance(value, kind):
        rule = f"`{name}` must be of `{maker}`"
        raise refusal(rule, type(value).__name__, "Pass what it returns")
    return value


def quoted(cell):
    """Return a cell or title in quotation marks, on one line, cut where it is long."""
    return repr(text if len(text := str(cell)) <= 40 else text[:39] + "…")


def counted(count, word):
    """Return a count and its word: 1 row, 1,683 rows."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def parse(content, name, notes):
    """Return the table in a text file; what was decided about it joins `notes`."""
    commented = re.sub("\r\n?", "\n", _decode(content, name, notes))
    text = re.sub(_COMMENT, "", commented)
    head = "\n".join(text[: 2**21].split("\n")[:400])
    sep = _separator(head)
    rows = _rows(head, sep)
    if len(rows) < 2:
        rule = f"`{name}` must hold a line with column names and rows below it"
        raise refusal(rule, f"{counted(len(rows), 'line')} with cells", "Export it again")
    decimal = _decimal(rows, sep, notes)
    widths = rows.notna().sum(axis=1)
    width = int(widths.mode()[0])
    if (widths == width).mean() < 0.5:  # lines of all lengths
        width = max(len(line.split(sep.strip(" ") or None)) for line in text.split("\n"))
    first, titles = _head(rows, width, decimal, notes)
    above = re.findall(_COMMENT, "\n".join(commented.split("\n", first)[:first]))
    if not any(titles) and above:  # they may stand in the last comment
        titles = _rows(above[-1], sep).to_numpy().ravel().tolist()
        titles = titles if len(titles) == width else []
    titles += [""] * (width - len(titles))
    frame = _read(text, name, sep, decimal, first, len(titles), notes)
    useless = [c for c in frame if not titles[c] and frame[c].isna().all()]
    frame.columns = unique(re.sub(r"(?i)\\time.*", "", title) for title in titles)
    frame = frame.drop(columns=frame.columns[useless])
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
    """Return the rows that are not blank as a table of text; its index says the lines before."""
    if sep == " ":
        text, sep = re.sub("[ \t]+", "\t", re.sub(r"(?m)^[ \t]+|[ \t]+$", "", text)), "\t"
    reader, rows, line = csv.reader(io.StringIO(text), delimiter=sep, skipinitialspace=True), {}, 0
    for row in reader:
        if any(cells := [cell.strip() for cell in row]):
            rows[line] = cells
        line = reader.line_num
    return pd.DataFrame([*zip_longest(*rows.values())], columns=[*rows], dtype=object).T


def _separator(head):
    """Return the separator that cuts most lines into as many cells, at least two."""
    found = {}
    for sep in "\t;|, ":
        widths = _rows(head, sep).notna().sum(axis=1)
        usual = widths.mode().max()
        found[sep] = (widths == usual).mean() if usual > 1 else 0
    return max(found, key=found.get) if any(found.values()) else ","


def _decimal(rows, sep, notes):
    """Return the decimal sign by which most cells are numbers."""
    cells = rows[:200].stack().dropna()
    comma, point = (cells.str.fullmatch(_NUMBER[sign]).sum() for sign in ",.")
    has_comma = cells.str.contains(r"\d,\d").any()
    if comma > point or (comma == point and sep == ";" and has_comma):
        notes += ["Decimals are read with a comma."] if has_comma else []
        return ","
    points = cells[cells.str.fullmatch(r"\d+\.\d+")]
    if sep == ";" and len(points) and points.str.fullmatch(r"\d{1,3}\.\d{3}").all():
        way_out = "If it groups thousands, pass `pd.read_csv(path, sep=';', thousands='.')`."
        notes.append(f"The point in {quoted(min(points))} is read as a decimal point. {way_out}")
    return "."


def _head(rows, width, decimal, notes):
    """Return how many lines stand above the data, and the fullest row there: the titles."""
    rows = rows[: max(40, 100_000 // width)]
    number, date = re.compile(_NUMBER[decimal]).fullmatch, re.compile(_DATE).fullmatch
    cells = rows.where(~rows.isin(_EMPTY)).map(lambda cell: cell[:60], "ignore")
    kinds = cells.map(lambda cell: 1.0 if number(cell) else 2.0 if date(cell) else 0.0, "ignore")
    usual = kinds.astype(float)[len(rows) // 2 :].median().round()
    alike = kinds.eq(usual).where(kinds.notna()).loc[:, usual > 0]
    share = alike.mean(axis=1)  # of a row's cells that are numbers or dates like those below
    data = (share >= 0.5) & (alike.notna().mean(axis=1) >= 0.25)
    data.iloc[0] &= share.iloc[0] == 1  # a title may be a number
    years = rows.apply(_counts_up, axis=1)  # as titles, unless the row below counts as well
    data &= ~years | years.shift(-1, fill_value=False)
    above = (rows.fillna("") != "").sum(axis=1).iloc[: data.argmax() if data.any() else 1]
    best = above.idxmax() if 2 * above.max() >= width else None
    if len(passed := above.index.drop(best, errors="ignore")):
        shown = quoted(next(filter(None, rows.loc[passed[0]])))
        where = ", ".join(str(line + 1) for line in passed[:8])
        notes.append(f"Lines above the data passed over: {where} ({shown}).")
    titles = [] if best is None else rows.loc[best].dropna().tolist()
    titles = titles[1:] if len(titles) == width + 1 and not titles[0] else titles  # "; a;b"
    titles = ["", *titles] if len(titles) == width - 1 else titles
    return rows.index[min(len(above), len(rows) - 1)], titles


def _counts_up(row):
    """Return whether a row's whole numbers count, as years do that stand above columns."""
    found = [int(cell) for cell in row.dropna() if re.fullmatch(r"\d{1,4}", cell, re.ASCII)]
    return len(found) > 2 and set(np.diff(found)) in ({1}, {-1})


def _read(text, name, sep, decimal, first, width, notes):
    """Read the rows after line `first` by pandas; a line too long is an error."""
    text = "\n".join(text.split("\n", first)[first:])
    text = text if sep == " " else re.sub(rf"(?<! ) +(?=[{sep}\n])", "", text)
    options = {"sep": sep.replace(" ", r"\s+"), "decimal": decimal, "na_values": _GAPS}
    options |= {"header": None, "names": range(width), "nrows": MAX_ROWS}
    options |= {"skip_blank_lines": False, "skipinitialspace": True, "low_memory": False}
    try:
        frame = pd.read_csv(io.StringIO(text), **options)
        if not isinstance(frame.index, pd.RangeIndex):  # pandas' way with a first line too long
            raise pd.errors.ParserError("in line 1, saw more")
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as problem:
        found = re.search(r"in line (\d+), saw (\w+)", str(problem))
        received = "a quotation mark without its end"
        received = f"{found[2]} in line {first + int(found[1])}" if found else received
        rule = f"`{name}` must have at most {counted(width, 'cell')} in each line"
        way_out = "Correct or delete that line; text that holds the separator needs quotation marks"
        raise refusal(rule, received, way_out) from None
    frame.index += first + 1
    if '"' in text:  # a cell may go over several lines
        texts = frame.select_dtypes(exclude="number").astype(str)
        breaks = texts.apply(lambda cells: cells.str.count("\n")).sum(axis=1).cumsum()
        frame.index += breaks.shift(fill_value=0).astype(int).to_numpy()
    notes += [f"The first {MAX_ROWS:,} rows are used."] if len(frame) == MAX_ROWS else []
    return frame


def numbers(cells, decimal="."):
    """Return a column as numbers, NaN where a cell is none."""
    if pd.api.types.is_numeric_dtype(cells):
        return cells.astype(float)
    texts = cells.astype(str).str.strip()
    texts = texts.where(texts.str.fullmatch(_NUMBER[decimal])).str.replace("−", "-")
    texts = texts.str.replace(rf"(?i)[^\de{decimal}+-]", "", regex=True)
    return pd.to_numeric(texts.str.replace(decimal, "."), errors="coerce").astype(float)


def _as_numbers(cells, decimal, notes):
    """Return a column of text as numbers where all of its cells are."""
    known = cells.dropna()
    if pd.api.types.is_numeric_dtype(cells) or numbers(known.iloc[:50], decimal).isna().any():
        return cells
    found = numbers(known, decimal)
    if found.isna().any():
        return cells
    grouped = pd.to_numeric(known.astype(str), errors="coerce").ne(found)
    if grouped.any() and not any("is read as" in note for note in notes):
        cell, number = quoted(known[grouped].iloc[0]), found[grouped].iloc[0]
        notes.append(f"{cell} under {quoted(cells.name)} is read as {number:,}.")
    return found.reindex(cells.index)


def _turned(frame, notes):
    """Return a table whose lines are sequences, or years, with a row for each timestep."""
    columns = [c for c in frame if re.fullmatch(_SPAN, c) or re.fullmatch(_DATE, c)]
    if 2 * len(columns) > max(4, frame.shape[1]):
        notes.append(f"Turned: each line runs from {columns[0]} to {columns[-1]}.")
        return _long(frame, columns, notes)
    columns = frame.select_dtypes("number").columns
    text = frame.drop(columns=columns)[:300]
    alike = len({re.sub(r"\d+$", "", c) for c in columns}) == 1 and len(columns) >= 20
    dated = any(read_dates(text[c].dropna())[0] is not None for c in text)
    if not alike or text.shape[1] > 1 or dated:
        return frame
    whole = (frame[columns] % 1 == 0).all()
    columns = columns[int(whole.iloc[0] and not whole.all()) :]  # without the class of each line
    along, down = (frame[columns][:300].diff(axis=axis).abs().stack().mean() for axis in (1, 0))
    turn = text.shape[1] == 1 or not down < 1.5 * along
    words = "Turned: each line is read as a sequence" if turn else "Each line is read as a timestep"
    way_out = "If that is wrong, pass `pd.read_csv(path, header=None)`, or its `.T`."
    notes.append(f"{words} of {len(columns):,} numbers. {way_out}")
    numbered = dict(zip(columns, range(len(columns)), strict=True))
    return _long(frame.rename(columns=numbered), [*numbered.values()], notes) if turn else frame


def _long(frame, columns, notes):
    """Return a row for each cell of these columns, named by the text or the year of its line."""
    others = frame.drop(columns=columns)
    keep = others.select_dtypes(exclude="number").columns.tolist()
    keep = keep or [c for c in others if c.lower() == "year"]
    left = [quoted(c) for c in others if c not in keep]
    notes += [f"Columns left out in turning: {', '.join(left[:6])}."] if left else []
    if not keep or frame.duplicated(keep).any():
        keep, frame = [*keep, "line"], frame.assign(line=[f"line {n}" for n in frame.index])
    label = "year" if re.fullmatch(r"\d{4}", str(columns[0])) else "time"
    long = frame.melt(keep, columns, label, "value", ignore_index=False)
    return long.dropna(subset="value").sort_index(kind="stable").infer_objects()


def read_dates(cells):
    """Return a column as seconds, within the day where it says no date, and a note.

    The whole column decides which of day and month comes first, never a cell. Seconds are None
    where it is no time.
    """
    if pd.api.types.is_datetime64_any_dtype(cells):
        return seconds_of(cells), None
    codes, texts = pd.factorize(cells)
    number = pd.api.types.is_numeric_dtype(cells)
    plain = pd.Series([f"{t:.0f}" if number else str(t).strip()[:50] for t in texts], dtype=object)
    plain, forms = _forms(plain)
    found = {form: seconds_of(plain, form) for form in forms}
    most = max((seconds.count() for seconds in found.values()), default=0)
    found = {form: seconds for form, seconds in found.items() if seconds.count() == most > 0}
    if not found:
        return None, None
    days = [form for form in found if form[1] not in "HI"]  # 01.02.20 is a date, not a clock time
    form, note = min(days or found, key=lambda form: _unevenness(found[form])), None
    if any(not found[other].equals(found[form]) for other in days):
        words = {"d": "day", "m": "month", "b": "month", "y": "year"}
        order = ", ".join(words[sign.lower()] for sign in re.findall("%([dmbyY])", form))
        note = f"Dates such as {quoted(texts[0])} are read as {order}; no date rules out others."
    seconds = found[form] if days else found[form] % 86400
    return seconds.reindex(codes).set_axis(cells.index), note


def _forms(texts):
    """Return the texts of moments in a plain form, and the formats that may be theirs."""
    if len(texts) and texts.str.fullmatch(r"(1[6-9]|2[01])\d{6}(\d\d){0,3}").all():
        return texts, ["%Y%m%d%H%M%S"[: len(texts[0]) - 2]]  # such as 2024020105
    if not texts.iloc[:100].str.contains(r"\d\D|[^\W\d].*\d").any():
        return texts, []
    if texts.str.match(r"\d{4}-\d").all() and seconds_of(texts, "ISO8601").notna().all():
        return texts, ["ISO8601"]
    dotted = texts.str.contains(r"\d\.\d").mean() > 0.5
    quarter, month = r"^(\d{4}) ?Q([1-4])$", lambda q: f"{q[1]} {3 * int(q[2]) - 2}"
    for pattern, plain in (r"([a-zA-Z]{3})[a-zA-Z]+", r"\1"), (r"[\s/.,-]+", " "), (quarter, month):
        texts = texts.str.replace(pattern, plain, regex=True)
    forms = [form for form in _FORMATS if not (dotted and form.startswith("%m %d"))]
    return texts, [
        form for form in forms if seconds_of(spread(texts, 40), form).notna().mean() > 0.5
    ]


def spread(cells, count):
    """Return at most `count` cells, spread over a column."""
    return cells.iloc[:: max(1, -(-len(cells) // count))]


def seconds_of(cells, form=None):
    """Return cells as seconds since 1970, NaN where they are not in this form."""
    times = pd.to_datetime(cells, format=form, errors="coerce", utc=True)
    return (times - pd.Timestamp("1970", tz="UTC")) / pd.Timedelta(seconds=1)


def _unevenness(seconds):
    steps = np.diff(np.unique(seconds.dropna()))
    return np.std(steps) / np.mean(steps) if len(steps) else np.inf
