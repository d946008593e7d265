"""A text file as a table: what separates its cells, where its rows begin, how numbers are written.

pandas reads; this finds out the options, and says so. Nothing in a file is evaluated.
"""

import csv
import io
import re
from collections import Counter

import numpy as np
import pandas as pd

from helpers.lessons.choose_your_steps import moments

MAX_ROWS = 5_000_000
_MAX_CELLS = 20_000
_GAPS = ["-", "--", "---", "***", ".", "..", "?", ":", "…", "na", "nil", "NAN", "missing"]
_EMPTY = {"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", *_GAPS}
_CLOCK = r"([ T]\d{1,2}[:.]\d\d[\d:.+\-Z]*)?( ?[AaPp]\.?[Mm]\.?)?"
_VALUE = re.compile(  # a number or a date, in whatever form
    r"[-+<>?−]?[$€£]?[.,]?\d([\d.,/'’\xa0\u202f\-+eE%QMWKTZ:]|(?<=\d) (?=\d{3}\b))*( [a-z]{1,2})?"
    rf"{_CLOCK}|[\d ,./-]*({'|'.join(moments.MONTHS)})[a-z]*\.?[\d ,./-]*\d{_CLOCK}",
    re.IGNORECASE,
)
_NUMBER = r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?"
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def parse(content, name, notes):
    """Return the table in the content of a text file; what was decided about it joins `notes`."""
    text = re.sub("\r\n?", "\n", _decode(content, name, notes))
    comments = re.findall(r"^[ \t]*[#%](.*)$", text[: 2**20], flags=re.MULTILINE)
    if comments:
        text = re.sub(r"^[ \t]*[#%].*$", "", text, flags=re.MULTILINE)
    head = "\n".join(text[: 2**21].split("\n")[:600])
    sep = _separator([line for line in head.split("\n") if line.strip()] or [""])
    rows = _rows(head, sep)
    if len(rows) < 2:
        raise ValueError(
            f"`{name}` must hold a line with column names and rows below it. Received: "
            f"{len(rows)} lines with cells. Export it again."
        )
    width = _width(rows, text, sep)
    if width > _MAX_CELLS:
        raise ValueError(
            f"`{name}` must have at most {_MAX_CELLS:,} cells in each line. Received: {width:,}. "
            "Keep fewer columns."
        )
    valued = _valued([row for _, row in rows[len(rows) // 2 :]], width)
    start = _start([row for _, row in rows], width, valued)
    text = _without_end(text, sep, width, valued, notes)
    titles = _titles(rows[:start], width, notes)
    if not start and comments and len(_split(comments[-1], sep)) == width:
        titles = _split(comments[-1], sep)
    decimal = _decimal([cell for _, row in rows[start:] for cell in row], sep)
    if decimal == ",":
        notes.append("Decimals are read with a comma.")
    width = max(width, len(titles))
    first = rows[start][0] if start < len(rows) else rows[-1][0] + 1
    frame = _read(text, name, first, sep, decimal, width, notes)
    titles = [title.removesuffix("\\time") for title in titles]  # Eurostat's name for a corner
    frame.columns = unique(titles + [""] * (width - len(titles)))
    frame = _trimmed(frame, titles)
    frame = frame.apply(_as_numbers, decimal=decimal, notes=notes)
    frame = _turned(frame, headed=any(titles), notes=notes)
    frame.attrs["decimal"] = decimal
    return frame


def unique(titles):
    """Return column names that can be shown: one line, none empty, none twice."""
    names = {}
    for place, title in enumerate(titles, start=1):
        title = " ".join("".join(c if c.isprintable() else " " for c in str(title)).split())
        title, count = title or f"column {place}", 2
        name = title
        while name in names:
            name, count = f"{title} ({count})", count + 1
        names[name] = True
    return list(names)


def numbers(cells, decimal="."):
    """Return a column as numbers, NaN where a cell is none."""
    if pd.api.types.is_bool_dtype(cells) or pd.api.types.is_numeric_dtype(cells):
        return cells.astype(float)
    found = pd.to_numeric(cells.astype(str), errors="coerce").astype(float)
    left = found.isna() & cells.notna()
    if left.any():
        texts = cells[left].astype(str).str.strip().str.replace("−", "-")
        texts = texts.str.replace(
            r"^([-+]?)[$€£]|(?<=\d) ?%$|(?<=\d) [a-z]{1,2}$", r"\1", regex=True
        )
        texts = texts.str.replace(r"(?<=\d)['’ \xa0\u202f](?=\d{3}(?!\d))", "", regex=True)
        group, point = (r"\.", ",") if decimal == "," else (",", ".")
        grouped = texts.str.fullmatch(rf"[-+]?\d{{1,3}}({group}\d{{3}})+(\{point}\d+)?")
        texts = texts.where(~grouped, texts.str.replace(group, "", regex=True))
        texts = texts.str.replace(",", ".") if decimal == "," else texts
        texts = texts.where(texts.str.fullmatch(_NUMBER, case=False))
        found[left] = pd.to_numeric(texts, errors="coerce")
    return found


def _decode(content, name, notes):
    """Return the text of a file, in whichever encoding it is."""
    encodings = ["utf-8-sig", "cp1252"]
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ["utf-16"]
    elif content[:4000].count(0) > len(content[:4000]) / 4:
        encodings = ["utf-16-le" if content[1:2] == b"\0" else "utf-16-be"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    control = _CONTROL.search(text)
    if control or text.lstrip()[:1] in ("<", "{"):
        line = text[: control.start()].count("\n") + 1 if control else 1
        kind = "binary data" if control else "XML, HTML or JSON"
        raise ValueError(
            f"`{name}` must be a table of text, Excel or parquet. Received: {kind} in line {line}. "
            "Unpack an archive; save anything else as CSV with the program that made it, or read "
            "it with pandas and pass the DataFrame."
        )
    if encoding != "utf-8-sig":
        notes.append(f"The text is read as {encoding}, because it is not in UTF-8.")
    return text


def _split(line, sep):
    if sep == " ":
        return [cell.strip('"') for cell in line.split()]
    try:
        return [
            cell.strip()
            for cell in next(csv.reader([line], delimiter=sep, skipinitialspace=True), [])
        ]
    except csv.Error:
        return [cell.strip() for cell in line.split(sep)]


def _is_value(cell):
    return _VALUE.fullmatch(cell[:60]) is not None


def _rows(head, sep):
    """Return the rows that are not blank, with the number of the line each starts in."""
    if sep == " ":
        rows = [(n, _split(line, sep)) for n, line in enumerate(head.split("\n"))]
    else:
        reader = csv.reader(io.StringIO(head), delimiter=sep, skipinitialspace=True)
        rows, line = [], 0
        try:
            for row in reader:
                rows.append((line, [cell.strip() for cell in row]))
                line = reader.line_num
        except csv.Error:
            rows = [(n, line.split(sep)) for n, line in enumerate(head.split("\n"))]
    return [(n, row) for n, row in rows if any(row)]


def _separator(lines):
    """Return what splits most lines into equally many cells that are numbers or dates."""
    best, found = 0, ","
    for sep in "\t;|, ":
        if sep == " " and sum("\t" in line or ";" in line for line in lines) > len(lines) / 2:
            break
        rows = [_split(line, sep) for line in lines]
        width, count = Counter(map(len, rows)).most_common(1)[0]
        cells = [cell for row in rows if len(row) == width for cell in row if cell not in _EMPTY]
        if width > 1 and cells:
            score = count / len(rows) * (0.05 + sum(map(_is_value, cells)) / len(cells))
            best, found = max((best, found), (score, sep), key=lambda pair: pair[0])
    if found == "," and all(re.fullmatch(r"[-+]?\d+,\d+", line) for line in lines[1:]):
        return found if "," in lines[0] else ";"  # one column, with decimal commas
    return found


def _width(rows, text, sep):
    """Return how many cells a line has; where lines differ widely, the longest has."""
    width, count = Counter(len(row) for _, row in rows).most_common(1)[0]
    if 2 * count >= len(rows):
        return width
    if sep == " ":
        return max(len(line.split()) for line in text.split("\n"))
    return 1 + max(line.count(sep) for line in text.split("\n"))


def _valued(rows, width):
    """Return the places in a row that mostly hold numbers or dates."""
    found = []
    for place in range(width):
        cells = [row[place] for row in rows if place < len(row) and row[place] not in _EMPTY]
        if cells and sum(map(_is_value, cells)) > len(cells) / 2:
            found.append(place)
    return found


def _values(row, valued):
    """Return for each cell that should hold a number or a date whether it does."""
    return [_is_value(row[c]) for c in valued if c < len(row) and row[c] not in _EMPTY]


def _is_short(row, width):
    return width > 4 and 4 * sum(map(bool, row)) < width


def _start(rows, width, valued):
    """Return how many rows stand above the first that holds data."""
    titled = False
    for n, row in enumerate(rows):
        found = _values(row, valued)
        counting = _counts_up(row) and not _counts_up(rows[n + 1] if n + 1 < len(rows) else [])
        data = any(found) and not counting and not _is_short(row, width)
        if data and (all(found) or (n > 5 and titled)):
            return n
        titled = titled or sum(map(bool, row)) >= width / 2
    return 1


def _without_end(text, sep, width, valued, notes):
    """Leave out lines of words below the data."""
    blank = f" \n\t{sep}"
    end, left = len(text.rstrip(blank)), []
    while len(left) < 20 and valued:
        line = text[text.rfind("\n", 0, end) + 1 : end]
        row = _split(line, sep)
        found = _values(row, valued)
        if not line.strip() or (found and found[0] and not _is_short(row, width)):
            break
        left, end = [*left, line], len(text[: end - len(line)].rstrip(blank))
    if 0 < len(left) < 20 and end:
        notes.append(f"Lines below the data left out: {len(left)} ({left[-1].strip()[:40]!r}).")
        return text[:end]
    return text


def _counts_up(row):
    """Return whether a row's whole numbers count, as years do that stand above columns."""
    found = [int(cell) for cell in row if cell.isdecimal() and len(cell) < 6]
    if len(found) < 3:
        return False
    named = not row[0].isdecimal() or found[0] in (0, 1) or 1500 < found[0] < 2300
    return named and set(np.diff(found)) in ({1}, {-1})


def _titles(lead, width, notes):
    """Return the titles from the fullest of the lines above the data."""
    lead = [(n, row) for n, row in lead if any(row)]
    full = [(n, row) for n, row in lead if sum(map(bool, row)) >= width / 2]
    if not full:
        titles, best = [], -1
    else:
        best, titles = max(full, key=lambda each: sum(map(bool, each[1])))
        below = [row for n, row in full if n > best]
        if len({*titles}) < len(titles) - titles.count("") and below:
            titles = [" ".join(pair) for pair in zip(titles, below[0], strict=False)]
        titles = ["", *titles] if len(titles) == width - 1 else list(titles)
        for row in [row for n, row in lead if n > best and sum(map(bool, row)) == 1]:
            place = next(c for c, cell in enumerate(row) if cell)
            titles[place : place + 1] = [row[place]]
    passed = [(n + 1, row) for n, row in lead if n != best]
    if passed:
        listed = ", ".join(str(n) for n, _ in passed[:8])
        shown = next(cell for cell in passed[0][1] if cell)[:40]
        notes.append(f"Lines above the data passed over: {listed} ({shown!r}).")
    return titles


def _decimal(cells, sep):
    """Return the decimal sign: a comma where the cells admit no other reading, or semicolons."""
    commas = [cell for cell in cells if re.fullmatch(r"[-+−]?[\d.]*,\d+ ?%?", cell)]
    if not commas:
        return "."
    grouped = [cell for cell in commas if re.fullmatch(r"[-+−]?[1-9]\d{0,2}(,\d{3})+", cell)]
    if len(grouped) < len(commas):
        return ","
    points = any(re.fullmatch(r"[-+−]?[\d,]*\.\d+", cell) for cell in cells)
    return "," if sep == ";" and not points and max(c.count(",") for c in commas) == 1 else "."


def _read(text, name, first, sep, decimal, width, notes):
    """Read the rows from line `first` on by pandas; a line too long is an error."""
    for _ in range(first):
        text = text[text.find("\n") + 1 :]
    if sep != " ":
        text = re.sub(f"(?<! ) +(?=[{sep}\n])", "", text)
    try:
        frame = pd.read_csv(
            io.BytesIO(text.encode()),
            header=None,
            names=range(width + 1),
            sep=r"\s+" if sep == " " else sep,
            decimal=decimal,
            na_values=_GAPS,
            skip_blank_lines=False,
            skipinitialspace=True,
            low_memory=False,
            nrows=MAX_ROWS,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeEncodeError) as problem:
        found = re.search(r"in line (\d+), saw (\d+)", str(problem))
        received = "a quotation mark without its end"
        if found:
            received = f"{found[2]} in line {first + int(found[1])}"
        raise ValueError(_uneven(name, width, received)) from None
    lines = np.arange(first + 1, first + 1 + len(frame))
    if '"' in text:
        breaks = sum(
            frame[c].astype(str).str.count("\n").fillna(0)
            for c in frame
            if not pd.api.types.is_numeric_dtype(frame[c])
        )
        lines = lines + np.cumsum(np.r_[0, breaks])[:-1].astype(int) if len(frame) else lines
    frame.index = lines
    long = frame[width].notna()
    if long.any():
        raise ValueError(_uneven(name, width, f"{width + 1} in line {frame.index[long][0]}"))
    if len(frame) == MAX_ROWS:
        notes.append(f"The first {MAX_ROWS:,} rows are used.")
    return frame.drop(columns=width)


def _uneven(name, width, received):
    return (
        f"`{name}` must have at most {width} cells in each line. Received: {received}. Correct "
        "that line, and put text that holds the separator in quotation marks."
    )


def _trimmed(frame, titles):
    """Leave out empty rows, and empty columns without a title."""
    untitled = [c for c, t in zip(frame, [*titles, *[""] * frame.shape[1]], strict=False) if not t]
    frame = frame.drop(columns=[c for c in untitled if frame[c].isna().all()])
    if frame.shape[1] > 1:
        return frame.dropna(how="all")
    last = frame.iloc[:, 0].last_valid_index() if frame.shape[1] else None
    return frame if last is None else frame.loc[:last]


def _as_numbers(cells, decimal, notes):
    """Return a column of text as numbers where all of its cells are."""
    if pd.api.types.is_numeric_dtype(cells) or not cells.notna().any():
        return cells
    if numbers(cells.dropna().iloc[:50], decimal).isna().any():
        return cells
    found = numbers(cells, decimal)
    if (found.isna() & cells.notna()).any():
        return cells
    written = pd.to_numeric(cells.astype(str), errors="coerce").isna() & found.notna()
    if written.any() and not any("is read as" in note for note in notes):
        example = f"{str(cells[written].iloc[0])[:40]!r} under {cells.name!r}"
        notes.append(f"{example} is read as {found[written].iloc[0]:,}.")
    return found


def _turned(frame, headed, notes):
    """Return a table whose lines are sequences, or years, with a row for each timestep."""
    plain = {column: re.sub(r" \[YR\d{4}\]$", "", column) for column in frame}
    numeric = [c for c in frame if pd.api.types.is_numeric_dtype(frame[c])]
    months = [c for c in frame if c[:3].lower() in moments.MONTHS and c.isalpha()]
    dated = [c for c in plain if _is_value(plain[c])] if headed else []
    first = frame[frame.columns[0]] if len(numeric) == len(frame.columns) == 13 else pd.Series([0])
    if not headed and first.between(1500, 2200).all() and (first.diff()[1:] == 1).all():
        frame.columns = ["year", *moments.MONTHS]
        numeric, months = ["year"], moments.MONTHS
    if len(months) == 12 and numeric and numeric[0] not in months:
        notes.append(f"Turned: each line is read as the twelve months of one {numeric[0]!r}.")
        return _long(frame, numeric[:1], months, "month", months, notes)
    if len(dated) > 2 and 2 * len(dated) > len(plain):
        labels = [plain[c] for c in dated]
        years = all(re.fullmatch(r"1[5-9]\d\d|2[0-2]\d\d", label) for label in labels)
        keys = None if years else moments.read_dates(pd.Series(labels))[0]
        if years or (keys is not None and keys.notna().all()):
            notes.append(f"Turned: a line is read as a sequence from {labels[0]} to {labels[-1]}.")
            return _long(
                frame, _names(frame, dated), dated, "year" if years else "date", labels, notes
            )
    titled = headed and len({re.sub(r"\d+$", "", c) for c in numeric}) > 1
    if titled or len(numeric) < 20 or len(frame.columns) > len(numeric) + 1 or len(frame) < 2:
        return frame
    return _turned_if_smooth(frame, numeric, notes)


def _names(frame, columns):
    """Return the columns of text that are not among `columns` and say nothing of time."""
    text = [c for c in frame if c not in columns and not pd.api.types.is_numeric_dtype(frame[c])]
    kinds = [moments.kind_of_text(c, frame[c].dropna().iloc[:100]) for c in text]
    return [c for c, kind in zip(text, kinds, strict=True) if kind == "text"]


def _turned_if_smooth(frame, numeric, notes):
    """Turn a matrix whose numbers change less along its lines than down its columns."""
    block, names = frame[numeric].iloc[:300], _names(frame, numeric)
    if len(names) + len(numeric) < len(frame.columns):  # it says when
        return frame
    whole = (block % 1 == 0).all()
    if whole.iloc[0] and not whole.all() and frame[numeric[0]].nunique() <= len(frame) / 2:
        numeric = numeric[1:]  # the first is the class of each line
    along, down = (np.nanmean(np.abs(np.diff(block[numeric], axis=axis))) for axis in (1, 0))
    turn = 1.5 * along < down or (along < 1.5 * down and len(numeric) > len(frame))
    turn = turn or any(frame[c].is_unique for c in names)
    notes.append(
        f"{'Turned: a' if turn else 'A'} line is read as a {'sequence' if turn else 'timestep'} of "
        f"{len(numeric):,} numbers. If that is wrong: pass `pd.read_csv(path, header=None)`, or "
        "its `.T`."
    )
    places = np.arange(len(numeric))
    return _long(frame, names, numeric, "timestep", places, notes) if turn else frame


def _long(frame, keep, columns, label, labels, notes):
    """Return a row for each cell of some columns, without the gaps at the ends of a line."""
    left = [column for column in frame if column not in [*keep, *columns]]
    if left:
        notes.append(f"Columns left out in turning: {', '.join(map(repr, left[:6]))}.")
    frame = frame.iloc[: max(1, MAX_ROWS // len(columns))]
    cells = frame[columns].to_numpy()
    known = ~pd.isna(cells)
    within = np.maximum.accumulate(known, axis=1)
    within &= np.maximum.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    rows, places = np.nonzero(within)
    long = frame[keep].iloc[rows]
    if label != "month" and (not keep or frame.duplicated(keep).any()):
        long = long.assign(line=[f"line {n}" for n in frame.index[rows]])
    long[label] = np.asarray(labels)[places]
    long["value"] = pd.Series(cells[rows, places], long.index).infer_objects()
    return long
