"""Cells of files: encodings, headers, dates, times and counts, and what is refused with its line."""

import datetime as dt

import pytest

from match_assets.errors import DataError
from match_assets.source.files.table import count, kick_off, n_lines, pair, parse_date, read_table

HEADER = "Date,HomeTeam,AwayTeam,FTHG,FTAG"
ROW = "16/08/2024,Man United,Fulham,1,0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-08-16", dt.date(2024, 8, 16)),
        ("16/08/24", dt.date(2024, 8, 16)),
        ("16/08/2024", dt.date(2024, 8, 16)),
        ("6/8/2024", dt.date(2024, 8, 6)),
        ("14/08/93", dt.date(1993, 8, 14)),
        ("14/08/68", dt.date(2068, 8, 14)),
        ("14/08/69", dt.date(1969, 8, 14)),
        ("29/02/00", dt.date(2000, 2, 29)),
    ],
)
def test_dates_are_read_in_all_spellings(text: str, expected: dt.date) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "08/16/24",
        "08/16/24x",
        "31/02/2024",
        "29/02/23",
        "2024-13-01",
        "2024-W01-1",
        "16/08/124",
        "yesterday",
        "0/0/0",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a date"):
        parse_date(text)


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        (dt.date(2024, 8, 16), "20:00", dt.datetime(2024, 8, 16, 19, tzinfo=dt.UTC)),
        (dt.date(2024, 12, 26), "20:00", dt.datetime(2024, 12, 26, 20, tzinfo=dt.UTC)),
        (dt.date(2024, 8, 16), "7:30", dt.datetime(2024, 8, 16, 6, 30, tzinfo=dt.UTC)),
        # ING-15: half past midnight in summer is the day before in UTC
        (dt.date(2024, 8, 16), "00:30", dt.datetime(2024, 8, 15, 23, 30, tzinfo=dt.UTC)),
    ],
)
def test_times_are_british_wall_time(day: dt.date, time: str, expected: dt.datetime) -> None:
    assert kick_off(day, time) == (expected, True)


@pytest.mark.parametrize("time", ["", "00:00", "0:00"])
def test_a_date_alone_is_midnight_utc_and_said_to_be_one(time: str) -> None:
    assert kick_off(dt.date(2024, 8, 16), time) == (dt.datetime(2024, 8, 16, tzinfo=dt.UTC), False)


@pytest.mark.parametrize("time", ["25:00", "20.00", "eight", "20:61"])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(ValueError, match=r"time|hour|minute"):
        kick_off(dt.date(2024, 8, 16), time)


@pytest.mark.parametrize(("cell", "expected"), [("3", 3), ("3.0", 3), ("3.00", 3), ("0", 0), ("007", 7), ("", None)])
def test_counts_are_read_with_their_zeros(cell: str, expected: int | None) -> None:
    assert count({"HS": cell}, "HS") == expected


def test_a_column_that_is_not_there_is_unknown() -> None:
    assert count({}, "HS") is None
    assert pair({"HTHG": "1"}, "HTHG", "HTAG") is None


@pytest.mark.parametrize("cell", ["-1", "3.5", "x", "inf", "nan", "1e3", "9999999", "151", "٣", "1_0", "+1", " 3"])
def test_what_is_no_count_is_refused_by_its_column(cell: str) -> None:
    with pytest.raises(ValueError, match=r"HS is .*, not a count"):
        count({"HS": cell}, "HS")


def test_rows_keep_their_line_whatever_the_line_ends_are() -> None:
    table = read_table(f"{HEADER}\r\n\r\n{ROW}\n,,,,\r\n{ROW}".encode())
    assert [line for line, _ in table.rows] == [3, 5]


def test_short_rows_and_surplus_cells_are_read() -> None:
    table = read_table(f"{HEADER},HS\n{ROW}\n{ROW},9,,,x".encode())
    assert [row["HS"] for _, row in table.rows] == ["", "9"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_text_is_read_whatever_its_encoding(encoding: str) -> None:
    text = f" {HEADER} \n{ROW.replace('Fulham', 'Nürnberg')}\n"
    (_, row), *_ = read_table(text.encode(encoding)).rows
    assert (row["HomeTeam"], row["AwayTeam"]) == ("Man United", "Nürnberg")


def test_bytes_of_no_encoding_still_make_rows() -> None:
    raw = f"{HEADER}\n{ROW}\n".encode().replace(b"Fulham", b"Ful\x81ham")
    assert read_table(raw).rows[0][1]["AwayTeam"] == "Ful\ufffdham"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "lacks the columns"),
        ("Date;HomeTeam;AwayTeam;FTHG;FTAG\n", 1, "lacks the columns"),
        (f"{HEADER.replace('FTAG', 'AG')}\n{ROW}", 1, r"lacks the columns \['FTAG'\]"),
        (f"{HEADER},FTHG\n{ROW},3", 1, r"has the columns \['FTHG'\] twice"),
        (f'{HEADER}\n{ROW}\n16/08/2024,"Man\nUnited,Fulham,1,0\n{ROW}', 3, "over several lines"),
        (f'{HEADER}\n"{"x" * 200_000}"', 2, "not readable as CSV"),
    ],
)
def test_what_is_no_table_of_matches_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(DataError, match=message) as told:
        read_table(text.encode())
    assert told.value.facts["line"] == line


def test_the_rows_of_a_refused_file_are_counted() -> None:
    assert n_lines(f"a,b\n{ROW}\n\n,,,\n{ROW}".encode()) == 2
    assert n_lines(b"") == 0
