"""A learner's own table becomes sequences, or a sentence that leads there."""

import contextlib
import io
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.lessons.choose_your_steps import text_files
from helpers.lessons.choose_your_steps.tables import (
    Roles,
    describe_reading,
    guess_roles,
    make_sequences,
    read_table,
)
from helpers.lessons.choose_your_steps.task import forecast_task
from tests.test_choose_your_steps import formats

MONTHS_OF_1991 = list(enumerate(["Jan", "Feb", "Mar", "Apr"]))
LONG = "station,day,rain\nnorth,1,0.0\nsouth,1,1.5\nnorth,2,4.5\nsouth,2,0.5\nsouth,3,3.0\n"


def read(text, **options):
    """Return the sequences that the guessed roles of a text give."""
    table = read_table(text if isinstance(text, bytes) else text.encode())
    roles = guess_roles(table)
    return make_sequences(table, roles.values, id=roles.id, time=roles.time, **options)


def roles(text):
    return guess_roles(read_table(text.encode()))


def column(found, place=0):
    return found.sequences[0][:, place].tolist()


def rows(*lines, header="date,x"):
    return "\n".join([header, *lines]) + "\n"


# --- formats of well-known public files ------------------------------------------------------
# id, time, what is forecast, sequences, timesteps of the first, its first value, what is said

ONE = []
READ = {
    "flights": (ONE, ["year", "month"], "passengers", 1, 48, 112, []),
    "air_quality": (ONE, ["Date", "Time"], "CO(GT)", 1, 60, 0.5, ["comma", "-200 occurs 7 times"]),
    "household": (ONE, ["Date", "Time"], "Global_active_power", 1, 90, 1, ["empty cell in line 9"]),
    "jena": (ONE, ["Date Time"], "p (mbar)", 1, 80, 990, ["-9,999 occurs 1 time"]),
    "silso": (ONE, ["column 1", "column 2"], "column 4", 1, 60, 90, ["-1 occurs 21 times"]),
    "air_passengers": (ONE, ["time"], "value", 1, 36, 112, ["left out: 'column 1'"]),
    "m4_weekly": (["V1"], ["time"], "value", 4, 40, 1000, ["Turned"]),
    "m4_ragged": (["column 1"], ["time"], "value", 6, 40, 1000, ["Turned"]),
    "ett": (ONE, ["date"], "OT", 1, 60, 30, []),
    "electricity": (ONE, ["column 1"], "MT_002", 1, 40, 5.04, ["comma", "12 of 370"]),
    "traffic": (ONE, [], "column 1", 1, 90, 0.001, ["read as a timestep of 60 numbers"]),
    "beijing": (
        ONE,
        ["year", "month", "day", "hour"],
        "PM2.5",
        1,
        60,
        10,
        ["'No', 'wd'", "line 9"],
    ),
    "mauna_loa": (ONE, ["year", "month"], "average", 1, 60, 315, ["-9.99", "-0.99", "-1 "]),
    "mauna_loa_text": (ONE, ["column 1", "column 2"], "column 4", 1, 60, 315, ["-99.99 occurs 2"]),
    "gistemp": (
        ONE,
        ["Year", "time"],
        "value",
        1,
        69,
        None,
        ["runs from Jan to Dec", "passed over: 1"],
    ),
    "har": (["line"], ["time"], "value", 80, 64, 0, ["read as a sequence of 64 numbers"]),
    "ecb": (ONE, ["Date"], "USD", 1, 40, None, ["put in the order", "left out: 'RUB'"]),
    "trends": (ONE, ["Week"], "lstm: (Worldwide)", 1, 30, 20, ["'<1' in line 7", "passed over: 1"]),
    "dwd": (ONE, ["MESS_DATUM"], "TT_TU", 1, 60, 10, ["-999 occurs 3", "'STATIONS_ID'", "'eor'"]),
    "covid": (["iso_code"], ["date"], "total_cases", 3, 28, None, ["empty cell in line 2"]),
    "eurostat": (
        ["unit,geo"],
        ["year"],
        "value",
        4,
        8,
        None,
        ["Turned", "2014 to 2007", "b' in line 3"],
    ),
    "yfinance": (ONE, ["Price"], "Close", 1, 40, 180, ["passed over: 2, 3"]),
    "yfinance_two": (ONE, ["Price"], "Close", 1, 40, 180, ["passed over: 2, 3"]),
    "excel_utf16": (ONE, ["Datum"], "Temperatur °C", 1, 40, 10, ["comma", "utf-16"]),
    "excel_german": (ONE, ["Datum"], "Temperatur", 1, 40, 10, ["comma", "1,100.5"]),
    "jhu": (
        ["Country/Region"],
        ["time"],
        "value",
        4,
        40,
        0,
        ["Turned", "1/22/20 to 3/1/20", "'Lat'"],
    ),
    "world_bank": (["Country Name"], ["year"], "value", 3, 20, 50, ["Turned", "passed over: 1, 3"]),
    "campbell_toa5": (ONE, ["TIMESTAMP"], "BattV", 1, 40, 12, ["passed over: 1, 3, 4", "line 9"]),
    "cmapss": (["column 1"], ["column 2"], "column 3", 3, 30, None, ["left out: 'column 6'"]),
    "metro": (ONE, ["date_time"], None, 1, 66, None, ["day, month, year", "6 rows with the same"]),
    "bikes_latin1": (ONE, ["Date"], "Berri 1", 1, 40, 35, ["cp1252", "left out: 'Brébeuf"]),
    "investing": (ONE, ["Date"], "Price", 1, 40, 63622.8, ["read as 63,505.8", "put in the order"]),
    "bike_hours": (ONE, ["dteday", "hr"], "cnt", 1, 60, 0, ["left out: 'instant'"]),
    "delhi": (ONE, ["column 1"], "column 2", 1, 40, 10, []),
    "stocks": (["symbol"], ["date"], "close", 3, 30, 90, []),
    "ucr": (["line"], ["time"], "value", 30, 50, 0, ["Turned", "in turning: 'column 1'"]),
    "quarters": (ONE, ["quarter"], "gdp", 1, 30, 100, []),
    "shampoo": (ONE, ["Month"], "Sales", 1, 36, 200, ["cannot be read as a time in line 2"]),
}


def test_a_line_of_words_below_the_data_is_refused_and_read_once_deleted():
    content = formats.content("min_temperatures")
    with pytest.raises(ValueError, match=r"3 in line 63\. Correct or delete that line"):
        read(content)
    content = b"\n".join(content.splitlines()[:62])
    with pytest.raises(ValueError, match=r"'\?0.2' in line 22.*`fill_gaps=True`"):
        read(content)
    assert len(read(content, fill_gaps=True).sequences[0]) == 60


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read_as_its_makers_mean_it_or_says_otherwise(name, tmp_path):
    id, time, target, count, length, value, said = READ[name]
    path = tmp_path / f"{name}.csv"
    path.write_bytes(formats.content(name))
    table = read_table(path)
    found = guess_roles(table)
    assert (found.id, found.time) == (id, time)
    assert target is None or found.values[0] == target
    words = [describe_reading(table, found)]
    try:
        made = make_sequences(table, found.values, id=id, time=time)
    except ValueError as problem:
        words.append(str(problem))
        made = make_sequences(table, found.values, id=id, time=time, fill_gaps=True)
    assert len(words) == 1 or "`fill_gaps=True`" in words[1]  # the way out, and it leads there
    words += made.notes
    assert (len(made.sequences), len(made.sequences[0])) == (count, length)
    assert value is None or made.sequences[0][0, 0] == pytest.approx(value)
    for phrase in said:
        assert any(phrase in sentence for sentence in words), (phrase, words)
    assert all(np.isfinite(sequence).all() for sequence in made.sequences)


def test_jena_with_the_sentinel_replaced_as_the_note_says():
    table = read_table(formats.content("jena"))
    found = guess_roles(table)
    note = make_sequences(table, found.values, time=found.time).notes[-1]
    code = re.search(r"table\.replace\((.*?), float\('nan'\)\)", note)
    table = table.replace(float(code[1]), float("nan"))
    made = make_sequences(table, found.values, time=found.time, fill_gaps=True)
    assert made.sequences[0].min() > -20
    assert not any("occurs" in sentence for sentence in made.notes)


# --- cells -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "sep", "values"),
    [
        (["20,7", "21,3"], ";", [20.7, 21.3]),
        (["1.020,7", "-21,3"], ";", [1020.7, -21.3]),
        (["1,020.7", "21.3"], ";", [1020.7, 21.3]),
        (["1,020", "21,300"], "\t", [1020, 21300]),
        (["1,020", "0,300"], "\t", [1.02, 0.3]),
        (["1 020,5", "21,3"], ";", [1020.5, 21.3]),
        (["1\u202f020,5", "21,3"], ";", [1020.5, 21.3]),
        (["1'020.5", "21.3"], ",", [1020.5, 21.3]),
        (['"1,020.5"', "21.3"], ",", [1020.5, 21.3]),
        (["$5.50", "$6"], ",", [5.5, 6]),
        (["5 %", "6.5%"], ",", [5, 6.5]),
        (["2.001,5 €", "3 €"], ";", [2001.5, 3]),
        (["−5", "6"], ",", [-5, 6]),
        (["1e3", "2.5E-1"], ",", [1000, 0.25]),
        (["TRUE", "FALSE"], ",", [1, 0]),
    ],
)
def test_numbers_are_read_as_they_are_written(cells, sep, values):
    lines = [f"2024-01-0{n}{sep}{cell}" for n, cell in enumerate(cells * 3, start=1)]
    found = read("\n".join([f"date{sep}x", *lines]))
    assert column(found) == values * 3


def test_thousands_are_read_beside_numbers_without_them():
    lines = ["975;0,95", "1.865;1,95", "2.223;1.024,50", "2.333.000;0,5"]
    found = read("\n".join(["Umsatz;Preis", *lines]))
    assert column(found) == [975, 1865, 2223, 2333000]
    assert column(found, 1) == [0.95, 1.95, 1024.5, 0.5]
    said = read("date;x\n2024-01-01;975\n2024-01-02;2.333\n").notes
    assert any("'2.333' is read as a decimal point. If it groups thousands" in n for n in said)


@pytest.mark.parametrize(
    "top", ["# a file\n# date;rain\n", "; date;rain\n", "// date;rain\n", "date;rain\n"]
)
def test_titles_may_stand_in_a_comment(top):
    text = f"{top}2024-01-01;1,5\n2024-01-02;2,5\n2024-01-03;0,5\n# the end\n"
    assert roles(text) == Roles(["rain"], [], ["date"])
    assert column(read(text)) == [1.5, 2.5, 0.5]


def test_an_ambiguous_comma_is_said():
    found = read("date;x\n2024-01-01;1,234\n2024-01-02;5,678\n")
    assert column(found) == [1.234, 5.678]
    assert "Decimals are read with a comma." in found.notes


@pytest.mark.parametrize("cell", ["", "NA", "-", "?", "***", "n/a", "NaN", "null", ":"])
def test_gaps_name_their_line_and_are_filled(cell):
    text = rows("2024-01-01,1", f"2024-01-02,{cell}", "2024-01-03,3", "2024-01-04,5")
    with pytest.raises(ValueError, match=r"an empty cell in line 3.*`fill_gaps=True`"):
        read(text)
    assert column(read(text, fill_gaps=True)) == [1, 1, 3, 5]


def test_gaps_are_filled_within_a_sequence_only():
    found = read("id,day,x\na,1,5\na,2,6\nb,1,\nb,2,7\nb,3,\n", fill_gaps=True)
    assert [s[:, 0].tolist() for s in found.sequences] == [[5, 6], [7, 7]]
    assert any("Rows left out, because no value comes before them: 1" in n for n in found.notes)


# --- dates -----------------------------------------------------------------------------------


def keys(*dates):
    table = read_table(rows(*(f"{date},{n}.5" for n, date in enumerate(dates))).encode())
    found, note = text_files.read_dates(table["date"])
    return [pd.Timestamp(key, unit="s").isoformat(" ") for key in found], note


@pytest.mark.parametrize(
    ("dates", "first", "said"),
    [
        (["2024-02-01", "2024-02-13"], "2024-02-01 00:00:00", False),
        (["2024-02-01 05:30", "2024-02-13 06:00"], "2024-02-01 05:30:00", False),
        (["2024-02-01T05:30:00Z", "2024-02-02T05:30:00+01:00"], "2024-02-01 05:30:00", False),
        (["1/2/2024", "13/2/2024"], "2024-02-01 00:00:00", False),
        (["2/1/2024", "2/13/2024"], "2024-02-01 00:00:00", False),
        (["01.02.2024", "02.02.2024"], "2024-02-01 00:00:00", False),
        (["01.02.24", "02.02.24"], "2024-02-01 00:00:00", True),
        (["01.02.24", "01.03.24", "01.04.24", "01.05.24"], "2024-02-01 00:00:00", True),
        (["1/22/20", "1/23/20"], "2020-01-22 00:00:00", False),
        (["01/02/2024", "02/02/2024", "03/02/2024"], "2024-02-01 00:00:00", True),
        (["01/02/2024", "01/03/2024", "01/04/2024"], "2024-01-02 00:00:00", True),
        (["02/01/2024 5:30 PM", "02/28/2024 12:15 AM"], "2024-02-01 17:30:00", False),
        (["1-Feb-24", "13-Feb-24"], "2024-02-01 00:00:00", False),
        (["February 1, 2024", "March 13, 2024"], "2024-02-01 00:00:00", False),
        (["Feb 2024", "Mar 2024"], "2024-02-01 00:00:00", False),
        (["2024-02", "2024-03"], "2024-02-01 00:00:00", False),
        (["2024 Feb", "2024 Mar"], "2024-02-01 00:00:00", False),
        (["2024 Q2", "2024 Q3"], "2024-04-01 00:00:00", False),
        (["20240201", "20240202"], "2024-02-01 00:00:00", False),
        (["2024020105", "2024020106"], "2024-02-01 05:00:00", False),
    ],
)
def test_dates_are_read_in_the_order_that_the_whole_column_admits(dates, first, said):
    quoted = [f'"{date}"' for date in dates]
    found, notes = keys(*quoted)
    assert found[0] == first
    assert bool(notes) == said


@given(
    st.lists(
        st.dates(pd.Timestamp("1950-01-01").date(), pd.Timestamp("2060-01-01").date()),
        min_size=3,
        max_size=40,
        unique=True,
    ),
    st.sampled_from(
        ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d %b %Y", "%Y%m%d"]
    ),
)
@settings(max_examples=40, deadline=None)
def test_dates_are_never_misread_in_silence(dates, form):
    found, notes = keys(*(date.strftime(form) for date in dates))
    right = [pd.Timestamp(date).isoformat(" ") for date in dates]
    assert found == right or notes


def test_dates_of_two_orders_are_no_time_and_said():
    found = read(rows("13/02/2024,1.5", "02/14/2024,2.5", "15/02/2024,0.5"))
    assert column(found) == [1.5, 2.5, 0.5]
    assert any("cannot be read as a time in line 3 ('02/14/2024')" in n for n in found.notes)


def test_rows_are_put_in_order_across_the_night_of_two_columns():
    text = "Datum;Uhrzeit;x\n02.01.2024;00:00;3\n01.01.2024;23:00;2\n01.01.2024;22:00;1\n"
    assert roles(text) == Roles(["x"], [], ["Datum", "Uhrzeit"])
    assert column(read(text)) == [1, 2, 3]


@pytest.mark.parametrize(
    "header",
    ["year,month", "Jahr,Monat", "année,mois", "Year,Quarter", "yr,mnth", "Year,Week", "anno,mese"],
)
def test_a_column_that_says_when_is_never_a_name(header):
    lines = [f"{2000 + n // 4},{n % 4 + 1},{(n * 7) % 5 + 0.5}" for n in range(24)]
    assert roles("\n".join([f"{header},x", *lines])) == Roles(["x"], [], header.split(","))


@pytest.mark.parametrize("title", ["Uhrzeit", "time", "hora", "Zeit", "slot"])
def test_clock_times_are_never_a_name(title):
    lines = [f"2024-01-0{1 + n // 3},{6 + n % 3:02d}:00,{n}.5" for n in range(12)]
    assert roles("\n".join([f"date,{title},x", *lines])).id == []


def test_years_of_two_digits_and_long_ago_are_a_time():
    lines = [f"{year},{month},{month % 5}.5" for year in (14, 63, 1066) for month in range(1, 13)]
    made = read("\n".join(["year,month,x", *lines]))
    assert len(made.sequences[0]) == 36
    assert not any("cannot be read" in note for note in made.notes)


def test_a_number_of_each_row_is_never_forecast():
    lines = [f"{n + 1},{'ab'[n // 9]},{2000 + n % 9},{n % 5}.5" for n in range(18)]
    assert roles("\n".join([",state,year,x", *lines])) == Roles(["x"], ["state"], ["year"])


def test_a_title_may_be_a_number_beside_a_month_that_comes_first():
    found = read("Month,0\n" + "".join(f"{1991 + n // 12} {m},{n}.5\n" for n, m in MONTHS_OF_1991))
    assert column(found)[0] == 0.5
    assert len(found.sequences[0]) == 4


def test_weekdays_and_months_are_never_a_name():
    lines = [f"{('Mon', 'Tue', 'Wed')[n % 3]},{2000 + n // 3},{n}.5" for n in range(12)]
    assert roles("\n".join(["wd,year,x", *lines])).id == []


# --- odd times -------------------------------------------------------------------------------


def test_what_is_odd_about_time_is_said_with_its_line():
    days = (1, 2, 2, 3, 4, 9)
    notes = read(rows(*(f"2024-01-0{day},{day % 3}.5" for day in days))).notes
    assert any(
        "1 row with the same 'date' as in the row before" in n and "the first in line 4" in n
        for n in notes
    )
    assert any(
        "1 row with a step in 'date' unlike the others, the first in line 7" in n for n in notes
    )


def test_what_is_odd_is_said_with_its_line_where_rows_are_put_in_order():
    days = (9, 4, 3, 2, 2, 1)
    notes = " ".join(read(rows(*(f"2024-01-{day:02d},{day % 3}.5" for day in days))).notes)
    assert "1 row with the same 'date'" in notes
    assert "the first in line 6. Each" in notes
    assert "unlike the others, the first in line 2. Each" in notes


def test_months_are_even():
    assert not read(rows(*(f"2024-{m:02d}-01,{m % 5}.5" for m in range(1, 13)))).notes


def test_lines_are_those_of_the_file_after_comments_blanks_and_breaks_in_cells():
    text = '# a comment\n\ndate,sky,x\n2024-01-01,"a\nb",1\n\n# another\n'
    text += "2024-01-02,c,2\n2024-01-03,c,?\n"
    table = read_table(text.encode())
    assert table.index.tolist() == [4, 8, 9]
    with pytest.raises(ValueError, match="line 9"):
        make_sequences(table, ["x"])


# --- long form, keys -------------------------------------------------------------------------


def test_long_form_is_a_sequence_for_each_name():
    found = read(LONG)
    assert found.names == ["north", "south"]
    assert [s[:, 0].tolist() for s in found.sequences] == [[0, 4.5], [1.5, 0.5, 3]]


def test_a_key_of_three_columns_is_found():
    lines = [
        f"{s},{r},{e},{t},{t * 0.5 + s}"
        for s in range(3)
        for r in "xy"
        for e in "ab"
        for t in range(5)
    ]
    table = read_table("\n".join(["subject,region,event,timepoint,signal", *lines]).encode())
    found = guess_roles(table)
    assert found.time == ["timepoint"]
    assert sorted(found.id) == ["event", "region", "subject"]
    made = make_sequences(table, found.values, id=found.id, time=found.time)
    assert len(made.sequences) == 12


def test_names_that_are_missing_are_a_sequence_of_their_own():
    table = read_table(b"station,day,x\n,1,5\n,2,6\na,1,7\na,2,8\n")
    found = make_sequences(table, ["x"], id=["station"], time=["day"])
    assert found.names == ["(empty)", "a"]


def test_sequences_one_after_another_are_found():
    lines = [f"{'ab'[n // 4]},2024-01-{n + 1:02d},{n % 3}.5" for n in range(8)]
    assert read("\n".join(["machine,date,x", *lines])).names == ["a", "b"]


def test_sequences_that_run_at_the_same_time_are_cut_at_one_moment():
    lines = [
        f"2024-{n // 28 + 1:02d}-{n % 28 + 1:02d},{s},{n % 5}.5" for n in range(56) for s in "ab"
    ]
    header = "date,station,x"
    text = rows(*lines[1:40:2], *lines[40:], header=header)  # a begins three weeks later than b
    table = read_table(text.encode())
    found = guess_roles(table)
    words = "in the order of 'date', cut at the same moments, forecasting"
    assert words in describe_reading(table, found)
    made = make_sequences(table, found.values, id=found.id, time=found.time)
    assert made.names == ["b", "a"]
    task = forecast_task(made.sequences, times=made.times)
    for b, a in list(zip(*task.cuts, strict=True))[1:]:
        assert b - a == 20
    assert task.notes == ["The parts begin at the same moments in all sequences."]


def test_sequences_that_count_their_own_timesteps_have_no_clock_in_common():
    lines = [f"{s},{t},{t % 5}.5" for s, n in (("a", 30), ("b", 50)) for t in range(1, n)]
    table = read_table(rows(*lines, header="unit,cycle,x").encode())
    found = guess_roles(table)
    assert (found.id, found.time) == (["unit"], ["cycle"])
    assert "moments" not in describe_reading(table, found)
    assert make_sequences(table, ["x"], id=found.id, time=found.time).times is None


# --- other sources ---------------------------------------------------------------------------


def test_an_array_and_a_frame_go_in_without_a_file():
    array = np.arange(12.0).reshape(6, 2) % 5
    made = make_sequences(read_table(array), ["feature 1"])
    assert made.sequences[0][:, 0].tolist() == array[:, 1].tolist()
    frame = pd.DataFrame({"x": array[:, 0]}, index=pd.date_range("2024-01-01", periods=6)[::-1])
    table = read_table(frame)
    found = guess_roles(table)
    made = make_sequences(table, found.values, time=found.time)
    assert made.sequences[0][:, 0].tolist() == array[::-1, 0].tolist()
    assert "x" in frame.columns
    assert len(frame.columns) == 1


def test_a_frame_with_other_titles_than_text_is_taken():
    values = np.random.default_rng(0).normal(size=12)
    frame = pd.DataFrame({0: ["a"] * 6 + ["b"] * 6, 1: values, ("rain", 2): values, None: 3.0})
    roles = guess_roles(frame)
    assert roles == (["1", "rain 2"], ["0"], [])
    assert "a sequence for each '0'" in describe_reading(frame, roles)
    for wanted in ("1", 1):
        made = make_sequences(frame, [wanted], id=[0])
        np.testing.assert_array_equal(np.concatenate(made.sequences)[:, 0], values)
    twice = pd.DataFrame(np.stack([values, -values], axis=1), columns=["x", "x"])
    assert guess_roles(twice).values == ["x", "x (2)"]


def test_nothing_changes_the_frame_that_is_passed():
    frame = pd.DataFrame({"x": [1.0, None, 3.0], "id": ["a", "a", "a"]})
    before = frame.copy()
    make_sequences(read_table(frame), ["x"], fill_gaps=True)
    pd.testing.assert_frame_equal(frame, before)


def test_masked_values_are_gaps():
    table = read_table(np.ma.masked_greater([1.0, 1e6, 2.0], 1e3))
    with pytest.raises(ValueError, match="empty cell"):
        make_sequences(table, ["value"])


def test_an_index_of_periods_and_columns_of_tuples_are_taken():
    frame = pd.DataFrame(
        {("Close", "A"): [1.0, 2, 4], ("Close", "B"): [1.0, 0, 4]},
        index=pd.period_range("2024-01", periods=3, freq="M", name="month"),
    )
    assert guess_roles(read_table(frame)) == Roles(["Close A", "Close B"], [], ["month"])


@pytest.mark.parametrize("source", [None, 5, [["a"]], np.zeros((2, 2, 2)), np.zeros(0)])
def test_what_is_no_table_is_refused(source):
    with pytest.raises((TypeError, ValueError), match="`source` must be"):
        read_table(source)


def test_excel_is_read_or_its_package_is_named():
    excel = pytest.importorskip("openpyxl")
    book, stream = excel.Workbook(), io.BytesIO()
    for row in [
        ["a title"],
        ["date", "x"],
        *([pd.Timestamp(2024, 1, d), d % 3 + 0.5] for d in range(1, 9)),
    ]:
        book.active.append(row)
    book.save(stream)
    table = read_table(stream.getvalue())
    assert guess_roles(table) == Roles(["x"], [], ["date"])
    assert table.index[0] == 3


@pytest.mark.parametrize(
    ("content", "package"), [(b"PAR1....", "pyarrow"), (b"\xd0\xcf\x11\xe0....", "xlrd")]
)
def test_a_missing_package_is_named(content, package, monkeypatch):
    def missing(*args, **kwargs):
        raise ImportError(f"Missing optional dependency '{package}'.")

    monkeypatch.setattr(pd, "read_parquet", missing)
    monkeypatch.setattr(pd, "read_excel", missing)
    with pytest.raises(ValueError, match=f"%pip install {package}"):
        read_table(content)


# --- what cannot be read ---------------------------------------------------------------------

REFUSED = {
    "folder": ("no file of this name", None),
    "a" * 10_000: ("no file of this name", None),
    b"": ("0 lines", None),
    b"# only\n\n": ("0 lines", None),
    b"a,b\n": ("1 line with", None),
    b"sky,wind\nsun,weak\nrain,strong\n": ("'sun' in line 2", None),
    b"a\na,3,7": ("more in line 2", None),
    b"a,b\n1,2\n3,4,5\n6,7\n8,9\n": ("3 in line 3", (b"3,4,5", b"3,4")),
    b'a,b\n1,2\n3,"4\n6,7\n8,9\n': ("quotation mark", (b'"', b"")),
    b"PK\x03\x04broken": ("text, Excel or parquet", None),
    b"\x89PNG\r\n\x1a\n\0\0": ("binary data", None),
    b"<html><table></table></html>": ("HTML or JSON", None),
    b'{"a": [1, 2]}': ("HTML or JSON", None),
}


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: str(source)[:40])
def test_what_cannot_be_read_is_one_sentence_whose_way_out_leads_there(source):
    words, change = REFUSED[source]
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        guess_roles(read_table(source))
    assert str(error.value).startswith("`")
    assert "Received: " in str(error.value)
    if change:
        assert guess_roles(read_table(source.replace(*change))).values


def test_complex_numbers_are_no_table():
    with pytest.raises(ValueError, match="`source` must be a path"):
        read_table(np.ones((2, 3), complex))


def test_nothing_is_unpickled_nor_evaluated(tmp_path):
    class Loud:
        def __reduce__(self):
            return (tmp_path.joinpath("seen").write_text, ("x",))

    sources = [pickle.dumps(Loud()), b"a,b\n=cmd|'x',__import__('os')\n1,2\n2,3\n4,5\n"]
    for source in sources:
        with contextlib.suppress(ValueError):
            guess_roles(read_table(source))
    assert not (tmp_path / "seen").exists()


def test_names_cannot_break_out_of_a_line():
    hostile = "<img src=x onerror=alert(1)>\u202e\x85"
    table = read_table(f'date,"{hostile}\ny",b\n2024-01-01,1,2\n2024-01-02,3,2\n'.encode())
    assert all(title.isprintable() for title in table.columns)
    assert "\n" not in describe_reading(table, guess_roles(table))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"values": ["none"]}, "`values` must name columns of"),
        ({"values": []}, "`values` must name columns"),
        ({"values": ["station"]}, "column.* of numbers"),
        ({"values": ["rain"], "id": ["x"]}, "`id` must name columns of"),
        ({"values": ["rain"], "time": ["x"]}, "`time` must name columns of"),
        ({"values": ["rain"], "id": ["station", "day"]}, "two timesteps or more"),
        ({"values": ["rain"], "fill_gaps": 1}, "`fill_gaps` must be True or False"),
    ],
)
def test_options_are_checked(options, words):
    values = options.pop("values")
    with pytest.raises((TypeError, ValueError), match=words):
        make_sequences(read_table(LONG.encode()), values, **options)


# --- properties ------------------------------------------------------------------------------

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 4) + 0.0)


@st.composite
def frames(draw):
    length = draw(st.integers(4, 30))
    names = draw(st.integers(0, 3))
    values = {
        f"v{c}": draw(st.lists(NUMBERS, min_size=length, max_size=length))
        for c in range(draw(st.integers(1, 3)))
    }
    moments = pd.date_range(
        "2019-12-25", periods=length, freq=draw(st.sampled_from(["D", "h", "MS", "7D"]))
    )
    frame = pd.DataFrame({"moment": moments, **values})
    if names > 1:
        frame = pd.concat([frame.assign(station=f"st {n}") for n in range(names)])
    return frame


@given(
    frames(),
    st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", ".")]),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M", "%d/%m/%Y %H:%M:%S"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([0, 1, 2, 3]),
)
@example(
    pd.DataFrame({"moment": pd.date_range("2020", periods=4), "v0": 0.0, "station": "st 0"}),
    ("\t", "."),
    "%Y-%m-%d %H:%M:%S",
    "utf-8",
    "\n",
    0,
)
@settings(max_examples=50, deadline=None)
def test_what_pandas_writes_is_read_back(frame, dialect, form, encoding, end, quoting):
    sep, decimal = dialect
    text = frame.to_csv(
        index=False, sep=sep, decimal=decimal, date_format=form, lineterminator=end, quoting=quoting
    )
    table = read_table(text.encode(encoding))
    names = ["station"] if "station" in frame else []
    values = [c for c in frame if c.startswith("v")]
    made = make_sequences(table, values, id=names, time=["moment"])
    expected = (
        [g[values].to_numpy() for _, g in frame.groupby("station")]
        if names
        else [frame[values].to_numpy()]
    )
    for got, want in zip(made.sequences, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-15)


WORDS = ["", "2.5", "3,7", "-999", "\r\n", "2024-01-01", "13/2/24", "12:30", "1e999", "inf", "nan"]
WORDS += ["x y", "year", "9" * 400, "1_0", "Jan", "2024Q1", "0x1F", "True", "id", "20240101"]
PIECES = st.sampled_from([*WORDS, *"1aé ,;\t\n\n\"#|?\0\u2028<'१\ud7ff-.+"])


@given(st.one_of(st.lists(PIECES, max_size=120).map("".join), st.text(max_size=200)))
@settings(max_examples=300, deadline=None)
def test_any_text_is_sequences_or_a_sentence(text):
    check_outcome(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_sequences_or_a_sentence(content):
    check_outcome(content)


def check_outcome(content):
    problem = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            table = read_table(content)
            found = guess_roles(table)
            assert describe_reading(table, found)
            made = make_sequences(table, found.values, id=found.id, time=found.time, fill_gaps=True)
            assert all(np.isfinite(s).all() and len(s) > 1 for s in made.sequences)
        except (ValueError, TypeError) as error:
            problem = str(error)
    assert not problem or (problem.startswith("`") and "Received: " in problem)


def test_many_rows_are_cut_and_said(monkeypatch):
    monkeypatch.setattr(text_files, "MAX_ROWS", 20)
    found = read(rows(*(f"{n},{n % 7}.5" for n in range(30)), header="t,x"))
    assert len(found.sequences[0]) == 20
    assert any("The first 20 rows are used" in note for note in found.notes)
