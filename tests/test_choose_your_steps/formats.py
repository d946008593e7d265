"""Small files in the formats of well-known public data sets, made by code."""

import datetime as dt
import inspect

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


def times(start, step, count, form):
    """Moments, written by `strftime`."""
    first = dt.datetime.fromisoformat(start)
    return [(first + n * step).strftime(form) for n in range(count)]


def wave(n, low=10.0, size=5.0):
    """A number that goes up and down, with two decimals."""
    return round(low + size * ((n * 37) % 23) / 23, 2)


def comma(number):
    return str(number).replace(".", ",")


def lines(*parts, end="\n"):
    return end.join(parts) + end


def flights():
    months = times("1949-01-15", 30.44 * DAY, 48, "%Y,%b")
    rows = [f"{month},{112 + n}" for n, month in enumerate(months)]
    return lines("year,month,passengers", *rows)


def air_quality():
    rows = []
    for n, moment in enumerate(times("2004-03-10T18:00", HOUR, 60, "%d/%m/%Y;%H.%M.%S")):
        co = -200 if n % 9 == 4 else comma(wave(n, 0.5, 4))
        rows.append(f"{moment};{co};{1000 + n};{comma(wave(n))};{comma(round(wave(n) / 16, 4))};;")
    return lines("Date;Time;CO(GT);PT08.S1(CO);T;AH;;", *rows, *[";;;;;;;"] * 5, end="\r\n")


def household():
    rows = []
    for n, moment in enumerate(times("2006-12-16T17:24", HOUR / 60, 90, "%d/%m/%Y;%H:%M:%S")):
        rows.append(
            f"{moment};{wave(n, 1):.3f};{wave(n, 240):.3f}" if n % 30 != 7 else f"{moment};?;?"
        )
    return lines("Date;Time;Global_active_power;Voltage", *rows)


def jena():
    moments = times("2009-01-01T00:10", HOUR / 6, 80, "%d.%m.%Y %H:%M:%S")
    rows = [
        f"{m},{wave(n, 990)},{wave(n, -8)},{-9999.0 if n == 40 else wave(n, 1)}"
        for n, m in enumerate(moments)
    ]
    return lines('"Date Time","p (mbar)","T (degC)","wv (m/s)"', *rows)


def silso():
    rows = []
    for n in range(60):
        year, month = 1749 + n // 12, n % 12 + 1
        spread, count = (f"{wave(n):6.1f}", 30) if n > 20 else ("  -1.0", -1)
        rows.append(
            f"{year};{month:02d};{year + (month - 0.5) / 12:.3f}; {wave(n, 90):5.1f};{spread};"
            f"{count:5d};1"
        )
    return lines(*rows)


def min_temperatures():
    days = times("1981-01-01", DAY, 60, "%Y-%m-%d")
    rows = [f'"{day}",{"?0.2" if n in (20, 41) else wave(n)}' for n, day in enumerate(days)]
    return lines(
        '"Date","Daily minimum temperatures in Melbourne, Australia, 1981-1990"',
        *rows,
        "",
        "Daily minimum temperatures in Melbourne, Australia, 1981-1990",
    )


def air_passengers():
    rows = [f'"{n + 1}",{1949 + n / 12:.14g},{112 + (n * 7) % 60}' for n in range(36)]
    return lines('"","time","value"', *rows)


def m4_weekly():
    width = 40
    rows = []
    for n, length in enumerate((40, 31, 25, 38)):
        cells = [f'"W{n + 1}"', *(str(wave(t + n, 1000)) for t in range(length))]
        rows.append(",".join(cells + [""] * (width + 1 - len(cells))))
    return lines(",".join(f'"V{n + 1}"' for n in range(width + 1)), *rows)


def m4_ragged():
    rows = [
        ",".join([f"W{n + 1}", *(str(wave(t + n, 1000)) for t in range(length))])
        for n, length in enumerate((40, 31, 25, 38, 22, 60))
    ]
    return lines(*rows)


def ett():
    rows = [
        f"{m},{wave(n)},{wave(n, 2)},{wave(n, 30)}"
        for n, m in enumerate(times("2016-07-01", HOUR, 60, "%Y-%m-%d %H:%M:%S"))
    ]
    return lines("date,HUFL,HULL,OT", *rows)


def electricity():
    names = [f"MT_{n:03d}" for n in range(1, 371)]
    rows = [
        ";".join([f'"{m}"', *(comma(wave(n + c, 2) if c % 5 else 0) for c in range(370))])
        for n, m in enumerate(times("2011-01-01T00:15", HOUR / 4, 40, "%Y-%m-%d %H:%M:%S"))
    ]
    return lines('"";' + ";".join(f'"{n}"' for n in names), *rows)


def traffic():
    level = [0.01 * ((7 * c) % 31) for c in range(60)]
    rows = [",".join(f"{level[c] + 0.0001 * wave(n):.6f}" for c in range(60)) for n in range(90)]
    return lines(*rows)


def beijing():
    rows = []
    for n, m in enumerate(times("2013-03-01", HOUR, 60, "%Y,%m,%d,%H")):
        cells = ",".join(str(int(part)) for part in m.split(","))
        rows.append(
            f"{n + 1},{cells},{'NA' if n in (7, 8) else wave(n)},{wave(n, 1020)},NNW,Aotizhongxin"
        )
    return lines('"No","year","month","day","hour","PM2.5","PRES","wd","station"', *rows)


def mauna_loa():
    top = [f"# line {n} about the data, with commas, and numbers 1 2 3" for n in range(20)]
    rows = []
    for n in range(60):
        days, spread, error = (-1, -9.99, -0.99) if n < 30 else (20 + n % 9, wave(n, 0.1), 0.1 * n)
        row = [1958 + n // 12, n % 12 + 1, f"{1958 + (n + 0.5) / 12:.4f}", 315 + wave(n, 0, 3)]
        rows.append(
            ",".join(map(str, [*row, days, spread, round(error / 8, 3) if n >= 30 else error]))
        )
    return lines(*top, "year,month,decimal date,average,ndays,sdev,unc", *rows)


def mauna_loa_text():
    top = ["# CO2 expressed as a mole fraction", "#", "#    decimal   average   interpolated"]
    rows = []
    for n in range(60):
        level = round(315 + wave(n, 0, 3), 2)
        average = -99.99 if n in (5, 17) else level
        date = f"{1958 + n // 12}  {n % 12 + 1:2d}   {1958 + (n + 0.5) / 12:.3f}"
        rows.append(f"{date}   {average:.2f}   {level:.2f}")
    return lines(*top, *rows)


def gistemp():
    months = "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec"
    rows = []
    for year in range(2019, 2025):
        cells = [
            f"{wave(year + m, -0.5, 1):.2f}" if year < 2024 or m < 9 else "***" for m in range(12)
        ]
        rows.append(",".join([str(year), *cells, "***" if year == 2024 else ".98"]))
    return lines("Land-Ocean: Global Means", f"Year,{months},J-D", *rows)


def har():
    rows = [
        " ".join(f"{0.1 * n + 0.02 * t * (-1) ** n: .7e}" for t in range(64)) for n in range(80)
    ]
    return lines(*(f" {row}" for row in rows))


def ecb():
    days = times("2024-01-02", DAY, 40, "%Y-%m-%d")[::-1]
    rows = [
        f"{day},{wave(n, 1, 0.1)},{wave(n, 140)},{'N/A' if n > 5 else wave(n, 1)},"
        for n, day in enumerate(days)
    ]
    return lines("Date,USD,JPY,RUB,", *rows)


def trends():
    rows = [
        f"{day},{'<1' if n in (3, 9, 10) else 20 + n % 7}"
        for n, day in enumerate(times("2020-01-05", 7 * DAY, 30, "%Y-%m-%d"))
    ]
    return lines("Category: All categories", "", "Week,lstm: (Worldwide)", *rows)


def dwd():
    rows = [
        f"{44:11d};{m};{3:5d};{-999 if n in (3, 30, 31) else wave(n):6.1f};{wave(n, 80):6.1f};eor"
        for n, m in enumerate(times("2023-01-01", HOUR, 60, "%Y%m%d%H"))
    ]
    return lines("STATIONS_ID;MESS_DATUM;QN_9;TT_TU;RF_TU;eor", *rows, end="\r\n")


def covid():
    rows = []
    for code, name in (("AFG", "Afghanistan"), ("ALB", "Albania"), ("DZA", "Algeria")):
        for n, day in enumerate(times("2020-02-24", DAY, 30, "%Y-%m-%d")):
            rows.append(f"{code},Asia,{name},{day},{n * 3 + len(name)},{'' if n < 2 else n % 5}")
    return lines("iso_code,continent,location,date,total_cases,new_cases", *rows)


def eurostat():
    rows = [
        f"EUR_HAB,{geo}\t"
        + "\t".join(f"{wave(n + y)} " if (n, y) != (1, 3) else f"{wave(n)} b" for y in range(8))
        for n, geo in enumerate(("AT", "BE", "BG"))
    ]
    rows.append("EUR_HAB,CH\t: \t" + "\t".join(f"{wave(y)} " for y in range(6)) + "\t: ")
    return lines("unit,geo\\time\t" + "\t".join(f"{y} " for y in range(2014, 2006, -1)), *rows)


def yfinance():
    rows = [
        f"{day},{wave(n, 180)},{wave(n, 185)},{10_000_000 + n}"
        for n, day in enumerate(times("2023-01-03", DAY, 40, "%Y-%m-%d"))
    ]
    return lines("Price,Close,High,Volume", "Ticker,AAPL,AAPL,AAPL", "Date,,,", *rows)


def yfinance_two():
    rows = [
        f"{day},{wave(n, 180)},{wave(n, 285)},{wave(n, 185)},{wave(n, 290)}"
        for n, day in enumerate(times("2023-01-03", DAY, 40, "%Y-%m-%d"))
    ]
    return lines("Price,Close,Close,High,High", "Ticker,AAPL,MSFT,AAPL,MSFT", "Date,,,,", *rows)


def excel_utf16():
    rows = [
        f"{m}\t{comma(wave(n))}\t{1000 + n}"
        for n, m in enumerate(times("2023-01-13", DAY, 40, "%d.%m.%Y"))
    ]
    return lines("Datum\tTemperatur °C\tUmsatz", *rows, end="\r\n").encode("utf-16")


def excel_german():
    rows = [
        f"{m};{comma(wave(n))};1.{100 + n},5"
        for n, m in enumerate(times("1981-01-01", DAY, 40, "%d.%m.%Y"))
    ]
    return "\ufeff".encode() + lines("Datum;Temperatur;Umsatz", *rows, end="\r\n").encode()


def jhu():
    days = [d.lstrip("0").replace("/0", "/") for d in times("2020-01-22", DAY, 40, "%m/%d/%y")]
    rows = [
        f",{name},{lat},{lat + 30}," + ",".join(str(n * k) for n in range(40))
        for name, lat, k in (
            ("Albania", 41.1, 2),
            ("Algeria", 28.0, 5),
            ('"Korea, South"', 35.9, 9),
        )
    ]
    rows.append("Anhui,China,31.8,117.2," + ",".join(str(n) for n in range(40)))
    return lines("Province/State,Country/Region,Lat,Long," + ",".join(days), *rows)


def world_bank():
    years = ",".join(f'"{y}"' for y in range(1960, 1980))
    top = [
        '"Data Source","World Development Indicators",',
        "",
        '"Last Updated Date","2024-06-28",',
        "",
    ]
    rows = []
    for n, (name, code) in enumerate((("Aruba", "ABW"), ("Angola", "AGO"), ("Kosovo", "XKX"))):
        cells = [f'"{wave(n + y, 50)}"' if n < 2 or y > 7 else '""' for y in range(20)]
        rows.append(f'"{name}","{code}","Population","SP.POP",' + ",".join(cells) + ",")
    return (
        "\ufeff".encode()
        + lines(
            *top, f'"Country Name","Country Code","Indicator Name","Indicator Code",{years},', *rows
        ).encode()
    )


def campbell_toa5():
    top = ['"TOA5","CR1000","CR1000","1234","CR1000.Std.04","CPU:a.CR1","123"']
    top += [
        '"TIMESTAMP","RECORD","BattV","AirTC","RH","Rain_mm","WS","WD"',
        '"TS","RN","Volts","Deg C","%","mm","m/s","deg"',
        '"","","Min","Avg","Smp","Tot","Avg","Avg"',
    ]
    rows = [
        f'"{m}",{n},{wave(n, 12, 1)},{wave(n)},{wave(n, 60)},0,{wave(n, 2)},"NAN"'
        if n == 4
        else f'"{m}",{n},{wave(n, 12, 1)},{wave(n)},{wave(n, 60)},0,{wave(n, 2)},{wave(n, 180)}'
        for n, m in enumerate(times("2015-06-01", HOUR / 2, 40, "%Y-%m-%d %H:%M:%S"))
    ]
    return lines(*top, *rows)


def cmapss():
    rows = [
        f"{unit} {cycle} {wave(cycle, 0, 0.01):.4f} {wave(cycle + unit, 518)} {cycle % 7}.5 100.0  "
        for unit, cycles in ((1, 30), (2, 25), (3, 28))
        for cycle in range(1, cycles + 1)
    ]
    return lines(*rows)


def metro():
    rows = []
    for n, m in enumerate(times("2012-10-02T09:00", HOUR, 60, "%d-%m-%Y %H:%M")):
        rows += [
            f"None,{wave(n, 280)},{sky},{m},{5000 + n}"
            for sky in (["Clouds", "Rain"] if n % 10 == 3 else ["Clear"])
        ]
    return lines("holiday,temp,weather_main,date_time,traffic_volume", *rows)


def bikes_latin1():
    rows = [
        f"{m};{35 + n};{'' if n % 3 else 12}" + ("" if n % 4 else ";4")
        for n, m in enumerate(times("2012-01-01", DAY, 40, "%d/%m/%Y"))
    ]
    return lines("Date;Berri 1;Brébeuf (données non disponibles);Côte-Sainte", *rows).encode(
        "latin-1"
    )


def investing():
    rows = [
        f'"{m}","{63_622.8 - 3 * n:,}","{62_000.1 + n:,}","{50 + n}.38K","{wave(n, -2)}%"'
        for n, m in enumerate(times("2024-01-12", DAY, 40, "%m/%d/%Y"))
    ][::-1]
    return lines('"Date","Price","Open","Vol.","Change %"', *rows)


def bike_hours():
    rows = [
        f"{n + 1},{m[:10]},1,0,1,{int(m[11:])},0,{wave(n, 0.2, 0.5)},{n % 9},{n % 40}"
        for n, m in enumerate(times("2011-01-01", HOUR, 60, "%Y-%m-%d %H"))
    ]
    return lines("instant,dteday,season,yr,mnth,hr,holiday,temp,casual,cnt", *rows)


def delhi():
    rows = [
        f"{m},{wave(n)},{wave(n, 1015):.6f}"
        for n, m in enumerate(times("2013-01-01", DAY, 40, "%Y-%m-%d"))
    ]
    return lines(*rows)


def stocks():
    rows = [
        f"{day},{symbol},{wave(n + k, 90)}"
        for n, day in enumerate(times("2020-01-01", DAY, 30, "%Y-%m-%d"))
        for k, symbol in enumerate(("AAPL", "MSFT", "IBM"))
    ]
    return lines("date,symbol,close", *rows)


def ucr():
    rows = [
        "\t".join([str(1 + n % 2), *(f"{0.05 * t + (n % 5):.4f}" for t in range(50))])
        for n in range(30)
    ]
    return lines(*rows)


def quarters():
    return lines("quarter,gdp", *(f"{1990 + n // 4}Q{n % 4 + 1},{wave(n, 100)}" for n in range(30)))


def shampoo():
    return lines(
        '"Month","Sales"', *(f'"{1 + n // 12}-{n % 12 + 1:02d}",{wave(n, 200)}' for n in range(36))
    )


FORMATS = {
    name: made
    for name, made in list(globals().items())
    if inspect.isfunction(made) and not inspect.signature(made).parameters
}


def content(name):
    """The bytes of a file."""
    made = FORMATS[name]()
    return made if isinstance(made, bytes) else made.encode()
