"""A CSV file becomes sequences, or a sentence that names the line and the way out."""

import io
import pickle
import time

import numpy as np
import pytest

from helpers.lessons.choose_your_steps import files
from helpers.lessons.choose_your_steps.files import (
    Choice,
    guess_columns,
    make_sequences,
    parse_csv,
    read_csv,
)

LONG = "station,day,rain\nnorth,1,0.0\nsouth,1,1.5\nnorth,2,4.5\nsouth,2,0.0\nsouth,3,3.0\n"
WIDE = "date,rain,wind\n2024-01-01,0.0,3.5\n2024-01-02,4.5,2.0\n2024-01-03,1.0,6.0\n"


def table(text, name="my.csv"):
    return parse_csv(text.encode(), name=name)


def sequences(text, **options):
    """What the guessed columns of a file give, as lists."""
    read = table(text)
    choice = guess_columns(read)
    found = make_sequences(read, choice.values, id=choice.id, time=choice.time, **options)
    return [sequence.tolist() for sequence in found.sequences]


def notes(text, **options):
    read = table(text)
    choice = guess_columns(read)
    return make_sequences(read, choice.values, id=choice.id, time=choice.time, **options).notes


# --- forms -----------------------------------------------------------------------------------


def test_wide_form_is_one_sequence_whose_columns_are_features():
    assert guess_columns(table(WIDE)) == Choice(["rain", "wind"], None, "date")
    assert sequences(WIDE) == [[[0.0, 3.5], [4.5, 2.0], [1.0, 6.0]]]


def test_long_form_is_a_sequence_for_each_name_even_where_rows_are_mixed():
    read = table(LONG)
    assert guess_columns(read) == Choice(["rain"], "station", "day")
    found = make_sequences(read, ["rain"], id="station", time="day")
    assert found.names == ["north", "south"]
    assert [sequence.tolist() for sequence in found.sequences] == [
        [[0.0], [4.5]],
        [[1.5], [0.0], [3.0]],
    ]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("x\n1\n2\n3\n", Choice(["x"], None, None)),
        ("year\n5\n2\n9\n", Choice(["year"], None, None)),  # the only numbers are the series
        ("1,5\n2,6\n3,4\n", Choice(["column 2"], None, "column 1")),  # no header
        ("a,b\n3,1\n1,2\n2,3\n", Choice(["a", "b"], None, None)),
        ("day,rain,sky\n1,0,sun\n2,3,rain\n3,0,sun\n4,1,sun\n", Choice(["rain"], None, "day")),
        ("id,x\n1,5\n1,6\n2,7\n2,8\n", Choice(["x"], "id", None)),
        ("user,frame,x\na,0,5\na,1,6\nb,0,7\nb,1,8\n", Choice(["x"], "user", "frame")),
        ("user,n,x\na,0,5\na,1,6\nb,0,7\nb,1,8\n", Choice(["x"], "user", "n")),
        ("year,month,x\n1,1,5\n1,2,6\n2,1,7\n", Choice(["x"], None, "year")),
    ],
)
def test_columns_are_guessed(text, choice):
    assert guess_columns(table(text)) == choice


def test_at_most_twelve_features_are_guessed():
    text = ",".join(f"f{n}" for n in range(20)) + "\n" + ("1" + ",2" * 19 + "\n") * 3
    assert guess_columns(table(text)).values == [f"f{n}" for n in range(12)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_of_all_kinds_are_read(separator, end):
    text = WIDE.replace(",", separator).replace("\n", end)
    assert sequences(text) == sequences(WIDE)


def test_a_byte_order_mark_and_names_beyond_ascii_are_read():
    read = parse_csv("\ufeffJahr,Höhe (m)\n1,2\n2,3\n".encode())
    assert list(read.columns) == ["Jahr", "Höhe (m)"]


def test_quotation_marks_blank_lines_and_comments_keep_the_lines_right():
    text = '# made by hand\n#\n"a, b",c\n"1",2\n\n3,"x\ny"\n5,6\n'
    read = table(text)
    assert list(read.columns) == ["a, b", "c"]
    assert read.lines.tolist() == [4, 6, 8]
    assert read.columns["c"].cells == ["2", "x\ny", "6"]


def test_columns_without_a_name_or_with_the_same_name_get_one():
    assert list(table("x,,x\n1,2,3\n4,5,6\n").columns) == ["x", "column 2", "x (2)"]


def test_a_comma_at_the_end_of_every_line_makes_no_column():
    assert list(table("x,y,\n1,2,\n3,4,\n").columns) == ["x", "y"]


def test_blank_lines_are_left_out_but_are_gaps_within_a_single_column(assert_refused):
    assert sequences("\n\nx,y\n\n3,2\n  \n1,4\n\n,\n") == [[[3.0, 2.0], [1.0, 4.0]]]
    read = table("x\n1\n\n3\n\n\n")
    assert read.lines.tolist() == [2, 3, 4]
    assert_refused(lambda: make_sequences(read, ["x"]), ValueError, "a gap in line 3")


def test_a_row_of_gaps_is_a_timestep_with_gaps(assert_refused):
    read = table("x,y\n1,2\n,\n3,4\n")
    assert_refused(lambda: make_sequences(read, ["x"]), ValueError, "a gap in line 3")


# --- time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "days",
    [
        ["2024-01-30", "2024-01-31", "2024-02-01"],
        ["2024-01-31T23:00:00Z", "2024-01-31T23:30:00Z", "2024-02-01T00:00:00Z"],
        ["30.01.2024", "31.01.2024", "01.02.2024"],
        ["1/30/2024", "1/31/2024", "2/1/2024"],
        ["30/01/2024", "31/01/2024", "01/02/2024"],
        ["01/02/2024", "02/02/2024", "03/02/2024"],  # could be months, but for the order
        ["30-Jan-24", "31-Jan-24", "1-Feb-24"],
        ["Jan 1 2024", "Feb 1 2024", "Mar 1 2024"],
        ["2023-11", "2023-12", "2024-01"],
        ["9:30", "10:15", "11:00"],
    ],
)
def test_rows_are_put_in_the_order_of_their_dates(days):
    text = "when,x\n" + "".join(f"{day},{n}\n" for n, day in enumerate(days))
    backwards = "\n".join([text.split("\n")[0], *text.split("\n")[3:0:-1], ""])
    assert guess_columns(table(text)).time == "when"
    assert sequences(text) == [[[0.0], [1.0], [2.0]]]
    if days != ["01/02/2024", "02/02/2024", "03/02/2024"]:
        assert sequences(backwards) == [[[0.0], [1.0], [2.0]]]
        assert any("put in the order of the column 'when'" in note for note in notes(backwards))


def test_times_that_come_twice_or_leave_a_gap_are_noted_with_their_line():
    text = "day,x\n1,5\n2,6\n2,7\n3,8\n9,9\n"
    read = table(text)
    found = make_sequences(read, ["x"], time="day").notes
    assert any("same 'day', for instance line 4" in note for note in found)
    assert any("not evenly spaced, for instance before line 6" in note for note in found)


def test_a_time_that_cannot_be_read_leaves_the_rows_as_they_are():
    found = make_sequences(table("day,x\nmon,2\ntue,1\n"), ["x"], time="day")
    assert found.sequences[0].tolist() == [[2.0], [1.0]]
    assert "could not be read" in found.notes[0]


# --- gaps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", ["", " ", "NA", "n/a", "NaN", "null", "-", "?"])
def test_a_gap_is_refused_with_its_line_or_filled_with_the_value_before(gap, assert_refused):
    text = f"x,y\n1,5\n2,{gap}\n3,7\n4,{gap}\n"
    words = "column 'y'", "a gap in line 3, and 1 more", "fill_gaps=True"
    assert_refused(lambda: make_sequences(table(text), ["y"]), ValueError, "`my.csv` must", *words)
    found = make_sequences(table(text), ["y"], fill_gaps=True)
    assert found.sequences[0].tolist() == [[5.0], [5.0], [7.0], [7.0]]
    assert found.notes == ["Gaps filled with the value before: 2."]


def test_rows_before_the_first_values_are_left_out():
    text = "x,y\n1,\n,\n2,\n,6\n3,\n"
    found = make_sequences(table(text), ["x", "y"], fill_gaps=True)
    assert found.sequences[0].tolist() == [[2.0, 6.0], [3.0, 6.0]]
    assert "Rows left out, because no value comes before their gaps: 3." in found.notes


def test_each_sequence_is_filled_for_itself():
    text = "id,x\na,1\na,2\nb,\nb,3\nb,\n"
    found = make_sequences(table(text), ["x"], id="id", fill_gaps=True)
    assert [sequence.tolist() for sequence in found.sequences] == [[[1.0], [2.0]], [[3.0], [3.0]]]


# --- what is refused, and the line that is named --------------------------------------------

EXCEL = b"PK\x03\x04\x14\x00\x06\x00" + bytes(50)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("an empty file",)),
        (b" \n \r\n", ("an empty file",)),
        (b"# only\n# comments\n\n", ("comments and blank lines only",)),
        (b"x,y\n", ("no rows",)),
        (b"x,y\n1,2\n", ("a single row, in line 2", "a row for each timestep")),
        (EXCEL, ("an Excel or ZIP file", "line 1", "UTF-8")),
        (b"x,y\n1,2\n3,\x00\n", ("binary data (a byte 0x00 in line 3)",)),
        ("x,y\n1,2\n".encode("utf-16"), ("UTF-16", "save it as CSV in UTF-8")),
        ("x,Höhe\n1,2\n3,4\n".encode("latin-1"), ("another encoding (a byte 0xf6 in line 1)",)),
        ("x,y\n1,2\n3,4 °\n".encode("cp1252"), ("another encoding (a byte 0xb0 in line 3)",)),
        (b"x,y\n1,2\n3\n4,5\n", ("2 in line 1, 1 in line 3",)),
        (b"x,y\n1,2\n3,4,5\n", ("2 in line 1, 3 in line 3",)),
        (b'x,y\n1,2\n3,"4\n5,6\n', ("starts in line 3", "quotation mark")),
    ],
    ids=lambda value: None,
)
def test_what_is_no_csv_file_is_refused_with_its_line(content, words, assert_refused):
    assert_refused(lambda: parse_csv(content, name="my.csv"), ValueError, "`my.csv` must", *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x\n1\ntwo\n3\nfour\n", ("'two' in line 3, and 1 more", "choose other columns")),
        ("x;y\n1;2\n2;1,5\n", ("'1,5' in line 3", "Write decimals with a point: 1.5.")),
        ("x\n1\ninf\n2\n", ("'inf' in line 3",)),
        ("x\n1\n1e999\n2\n", ("'1e999' in line 3",)),
        ("x\n1\n1_000\n2\n", ("'1_000' in line 3",)),
        ("x\n1\n2\n" + "a" * 99 + "\n", ("'" + "a" * 39 + "…' in line 4",)),
    ],
)
def test_text_among_numbers_is_refused_with_its_line(text, words, assert_refused):
    read = table(text)
    title = list(read.columns)[-1]
    assert_refused(lambda: make_sequences(read, [title]), ValueError, "must hold numbers", *words)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: guess_columns(table("x\na\nb\n")), ("column of numbers", "'a' under 'x'")),
        (lambda: make_sequences(table(WIDE), ["snow"]), ("columns of 'date', 'rain', 'wind'",)),
        (lambda: make_sequences(table(WIDE), ["rain"], id="snow"), ("Received: 'snow'",)),
        (lambda: make_sequences(table(WIDE), []), ("at least one of column names",)),
        (lambda: make_sequences(table("id,x\na,1\n,2\n"), ["x"], id="id"), ("gap in line 3",)),
        (
            lambda: make_sequences(table("id,x\na,1\nb,2\n"), ["x"], id="id"),
            ("a single row for each value of the column 'id'",),
        ),
        (
            lambda: make_sequences(table("x,y\n1,\n2,\n"), ["y"], fill_gaps=True),
            ("a gap in line 2", "Choose other columns."),
        ),
        (
            lambda: make_sequences(
                table("id,x,y\na,1,\na,2,\nb,,1\nb,,2\n"), ["x", "y"], id="id", fill_gaps=True
            ),
            ("no row from which on every column has a value",),
        ),
        (lambda: parse_csv(b"x\n" + b"1\n" * 200_001), ("200,000 rows", "line 200002")),
        (lambda: read_csv("nowhere/at_all.csv"), ("no file of this name",)),
        (lambda: read_csv(""), ("`path` must lead to a CSV file",)),
    ],
)
def test_what_gives_no_sequences_is_refused(call, words, assert_refused):
    assert_refused(call, ValueError, *words)


def test_what_is_no_path_and_no_bytes_is_refused(assert_refused):
    assert_refused(lambda: read_csv(3), TypeError, "`path` must be a path", "int")
    assert_refused(lambda: parse_csv("x\n1\n"), TypeError, "`content` must be bytes", "str")
    assert_refused(lambda: make_sequences(table(WIDE), "rain"), TypeError, "list of column names")
    assert_refused(
        lambda: make_sequences(table(WIDE), ["rain"], fill_gaps=1), TypeError, "`fill_gaps`"
    )


def test_a_file_that_is_too_large_is_refused_before_it_is_read_whole(
    tmp_path, monkeypatch, assert_refused
):
    monkeypatch.setattr(files, "MAX_BYTES", 2**20)
    file = tmp_path / "large.csv"
    file.write_bytes(b"x\n" + b"1\n" * 2**20)
    words = "`large.csv` must hold at most 1 MiB", "every n-th row"
    assert_refused(lambda: read_csv(file), ValueError, *words)


def test_a_folder_is_refused(tmp_path, assert_refused):
    assert_refused(lambda: read_csv(tmp_path), ValueError, "a folder")


def test_a_file_is_read_from_a_path_as_people_paste_it(tmp_path):
    file = tmp_path / "my data.csv"
    file.write_text(WIDE)
    for path in (file, str(file), f'  "{file}" '):
        assert read_csv(path).name == "my data.csv"


# --- nothing in a file is run ----------------------------------------------------------------


class Touch:
    """What would leave a file behind if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_loaded(protocol, tmp_path):
    left = tmp_path / "left"
    content = pickle.dumps(Touch(left), protocol)
    with pytest.raises(ValueError, match="must"):
        guess_columns(parse_csv(content))
    assert not left.exists()
    pickle.loads(content).close()
    assert left.exists()  # the pickle would have done it


def test_an_array_of_numpy_is_never_loaded():
    content = io.BytesIO()
    np.save(content, np.array([Touch("x")], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="binary data"):
        parse_csv(content.getvalue())


def test_code_in_a_cell_stays_text(tmp_path, assert_refused):
    left = tmp_path / "left"
    code = f"__import__('pathlib').Path('{left}').touch()"
    read = table(f"day,x\n1,2\n2,{code}\n3,=1+1\n4,3\n5,4\n")
    assert read.columns["x"].cells[1] == code
    assert_refused(lambda: make_sequences(read, ["x"]), ValueError, "in line 3, and 1 more")
    assert not left.exists()


# --- size ------------------------------------------------------------------------------------


def test_200_000_rows_are_read_whole():
    rows = 200_000
    text = "day,x,y\n" + "".join(f"{n},{n / 7:.3f},{n % 13}\n" for n in range(rows))
    start = time.perf_counter()
    (sequence,) = sequences(text)
    assert time.perf_counter() - start < 30  # a bound against quadratic time, no measurement
    assert len(sequence) == rows
    assert sequence[-1] == [28571.286, (rows - 1) % 13]
