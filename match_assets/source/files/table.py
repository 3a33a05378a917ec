"""Cells of football-data style files: encoding, header, dates, times and counts, with the line of every row.

Such files have been written by many hands since 1993: UTF-8 with or without a mark, Windows text, rows with more or
fewer cells than the header, dates in three spellings. All of that ends here.
"""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from match_assets.errors import DataError

REQUIRED_COLUMNS = ("Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG")
# the column `Time` is British wall time in every league
FILE_ZONE = ZoneInfo("Europe/London")
# what the gates let pass: a match has had 48 fouls and 46 shots of one side, never a hundred
MAX_COUNT = 150
Cells = Mapping[str, str]

_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?")
_COUNT = re.compile(r"(\d{1,4})(?:\.0+)?")
# as the C library reads %y: 69 is 1969, 68 is 2068
_FIRST_TWO_DIGIT_YEAR = 69


class Table(NamedTuple):
    """A file's header and its non-empty rows, each with its line and its cells by column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, Cells], ...]


def read_table(raw: bytes) -> Table:
    """Header and rows; cells are stripped, missing ones are empty, those beyond the header are passed over.

    Raises:
        DataError: a required column is missing or stands twice, or the lines are no CSV; ``line`` is among the facts.
    """
    lines = _lines(_decoded(raw))
    _, header = next(lines, (1, []))
    columns = tuple(cell.strip() for cell in header)
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        raise DataError(f"lacks the columns {missing}", line=1, missing=missing)
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        raise DataError(f"has the columns {twice} twice", line=1)
    rows = []
    for line, cells in lines:
        stripped = list(map(str.strip, cells))
        if any(stripped):
            stripped += [""] * (len(columns) - len(stripped))
            rows.append((line, dict(zip(columns, stripped, strict=False))))
    return Table(columns, tuple(rows))


@lru_cache(maxsize=20_000)
def parse_date(text: str) -> dt.date:
    """A date as the files write it: ISO, dd/mm/yy or dd/mm/yyyy; two digits mean 1969 to 2068.

    Raises:
        ValueError: none of the three.
    """
    try:
        if _ISO_DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
        if found := _DATE.fullmatch(text):
            return dt.date(full_year(found[3]), int(found[2]), int(found[1]))
    except ValueError as error:
        raise ValueError(f"not a date: {text!r} ({error})") from error
    raise ValueError(f"not a date: {text!r} (expected 2024-08-16, 16/08/24 or 16/08/2024)")


def full_year(digits: str) -> int:
    """A year of two or four digits in full."""
    year = int(digits)
    if len(digits) > 2:
        return year
    return year + (1900 if year >= _FIRST_TWO_DIGIT_YEAR else 2000)


def kick_off(day: dt.date, time: str) -> tuple[dt.datetime, bool]:
    """Kick-off in UTC, and whether its time is known; a date alone is midnight UTC.

    Args:
        day: date of the match.
        time: British wall time ``HH:MM``; empty, or midnight as some exports write it, when it is not known.

    Raises:
        ValueError: ``time`` is neither.
    """
    found = _TIME.fullmatch(time) if time else None
    if time and found is None:
        raise ValueError(f"not a time: {time!r} (expected 20:00)")
    clock = dt.time(int(found[1]), int(found[2])) if found else dt.time()
    if clock == dt.time():
        return dt.datetime.combine(day, clock, tzinfo=dt.UTC), False
    return dt.datetime.combine(day, clock, tzinfo=FILE_ZONE).astimezone(dt.UTC), True


def count(cells: Cells, column: str) -> int | None:
    """A cell as a count; some files write ``3.0``. Empty, or no such column, is unknown.

    Raises:
        ValueError: the cell is something else.
    """
    cell = cells.get(column, "")
    if not cell:
        return None
    value = _as_count(cell)
    if value is None:
        raise ValueError(f"{column} is {cell!r}, not a count")
    return value


def pair(cells: Cells, home: str, away: str) -> tuple[int, int] | None:
    """Two counts that mean something together alone; unknown unless both are there.

    Raises:
        ValueError: one of them is no count.
    """
    first, second = count(cells, home), count(cells, away)
    return None if first is None or second is None else (first, second)


@lru_cache(maxsize=1000)
def _as_count(cell: str) -> int | None:
    # \d alone would take the digits of every script
    found = _COUNT.fullmatch(cell) if cell.isascii() else None
    return int(found[1]) if found and int(found[1]) <= MAX_COUNT else None


def n_lines(raw: bytes) -> int:
    """Non-empty lines below the header of a file that cannot be read as a table."""
    return max(sum(1 for line in raw.splitlines() if line.strip(b" ,;\t\0")) - 1, 0)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Records with their line.

    Raises:
        DataError: a record that is no single line; a lost quote would otherwise swallow the rest of the file.
    """
    reader, last = csv.reader(io.StringIO(text, newline="")), 0
    try:
        for cells in reader:
            if reader.line_num != last + 1:
                raise DataError("a quoted cell runs over several lines: close the quote", line=last + 1)
            last = reader.line_num
            yield last, cells
    except csv.Error as error:
        raise DataError(f"not readable as CSV: {error}", line=last + 1) from error
