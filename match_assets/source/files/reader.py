"""Rows of football-data style files as typed records, with what is odd about each; nothing here knows a database.

A file names its league by a column ``Div``, by the folder it lies in (``premier-league/season-2425.csv``) or by its own
name (``E0.csv``). Its season is the one its name says, else the one in which most of its dates lie: a file holds one
season of a league. A row that cannot be a result is refused with its reason; a row that can, but is odd, is a record
with a flag. No row disappears.
"""

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from match_assets.errors import DataError
from match_assets.source.files.table import Cells, count, full_year, kick_off, pair, parse_date, read_table

LEAGUE_FOLDERS = {
    "premier-league": "E0",
    "la-liga": "SP1",
    "serie-a": "I1",
    "bundesliga": "D1",
    "ligue-1": "F1",
}
# Seasons whose files count shots on target by another definition: 43 to 57 % of the shots there, 31 to 39 % in all other
# seasons of these leagues (measured over 25 seasons of files). Against the site, England's 2012/13 is equal in 14 % of
# the matches, later seasons in 93 to 99 %.
OTHER_ON_TARGET: dict[str, tuple[tuple[int, int], ...]] = {
    "E0": ((0, 2012),),
    "E1": ((0, 2012),),
    "E2": ((0, 2012),),
    "E3": ((0, 2012),),
    "EC": ((0, 2013),),
    "D1": ((0, 2006),),
    "D2": ((0, 2006),),
    "F1": ((0, 2006),),
    "I1": ((0, 2006), (2018, 2020)),
}

_PLACES = f"no folder called {', '.join(LEAGUE_FOLDERS)}, no file name such as E0.csv"
_LETTERS = {
    "shots": "S",
    "shots_on_target": "ST",
    "corners": "C",
    "fouls": "F",
    "yellow_cards": "Y",
    "red_cards": "R",
}
_HOME_COLUMNS, _AWAY_COLUMNS = ({name: f"{side}{letter}" for name, letter in _LETTERS.items()} for side in "HA")
_SEASON_NAME = re.compile(r"season-(\d{2})(\d{2})")
# a result of these files that is higher is a slip of the keyboard
_MOST_GOALS = 30
# a file of which more rows lie outside its season holds several
_FEW = 0.1


# `gc=False`: tens of thousands stand at once, in no circle, and the collector would look at them over and over
class Counts(msgspec.Struct, frozen=True, gc=False):
    """One side's statistics as the file has them; ``None`` where it does not tell."""

    shots: int | None = None
    shots_on_target: int | None = None
    corners: int | None = None
    fouls: int | None = None
    yellow_cards: int | None = None
    red_cards: int | None = None

    @property
    def is_unknown(self) -> bool:
        """True when not one of them is told."""
        return self == _NOT_TOLD


_NOT_TOLD = Counts()


class Remark(msgspec.Struct, frozen=True, gc=False):
    """What is said about one row: ``kind`` to count by, ``detail`` for the one who looks."""

    line: int
    kind: str
    detail: str


class FileRow(msgspec.Struct, frozen=True, gc=False):
    """A row that can be a result; ``flags`` say what is odd about it."""

    line: int
    day: dt.date
    kick_off_utc: dt.datetime
    is_kick_off_time_known: bool
    home: str
    away: str
    goals: tuple[int, int]
    half_time: tuple[int, int] | None
    home_counts: Counts
    away_counts: Counts
    flags: tuple[Remark, ...] = ()

    @property
    def has_statistics(self) -> bool:
        """True when the file tells any count of either side."""
        return not (self.home_counts.is_unknown and self.away_counts.is_unknown)

    @property
    def has_score_alone(self) -> bool:
        """True when there is neither a half-time score nor a count."""
        return self.half_time is None and not self.has_statistics

    def flagged(self, kind: str, detail: str) -> "FileRow":
        """The same row with one more flag."""
        return msgspec.structs.replace(self, flags=(*self.flags, Remark(self.line, kind, detail)))


class SeasonRows(msgspec.Struct, frozen=True):
    """One season of one league in one file; ``n_rows`` are ``rows`` and ``refused`` together."""

    division: str
    season: int
    rows: tuple[FileRow, ...]
    refused: tuple[Remark, ...]

    @property
    def n_rows(self) -> int:
        """How many rows the file holds of it."""
        return len(self.rows) + len(self.refused)


class RefusedRowError(ValueError):
    """A row that cannot be stored as a result."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def read_seasons(path: Path, raw: bytes, divisions: Collection[str]) -> list[SeasonRows]:
    """What a file holds, by league.

    Args:
        path: where the file lies; its name and folder may tell league and season.
        raw: its bytes.
        divisions: codes of leagues that a file's own name may be.

    Raises:
        DataError: the file is no table of matches, or nothing tells its league.
    """
    table = read_table(raw)
    fallback = _division_of(path, divisions)
    by_division: dict[str, list[tuple[int, Cells]]] = defaultdict(list)
    for line, cells in table.rows:
        by_division[cells.get("Div") or fallback].append((line, cells))
    if "" in by_division:
        line = by_division[""][0][0]
        raise DataError(f"nothing tells its league: no Div in line {line}, {_PLACES}", line=line)
    return [_season(path, division, rows) for division, rows in sorted(by_division.items())]


def read_row(line: int, cells: Cells) -> FileRow:
    """A row as a record.

    Raises:
        RefusedRowError: it cannot be a result.
    """
    home, away = cells["HomeTeam"], cells["AwayTeam"]
    if not home or not away:
        raise RefusedRowError("no team", f"the {'away' if home else 'home'} team has no name")
    try:
        day = parse_date(cells["Date"])
    except ValueError as error:
        raise RefusedRowError("no date", str(error)) from error
    goals = _goals(cells)
    flags: list[Remark] = []
    try:
        moment, is_time_known = kick_off(day, cells.get("Time", ""))
    except ValueError as error:
        moment, is_time_known = kick_off(day, "")
        flags.append(Remark(line, "time left out", str(error)))
    row = FileRow(
        line=line,
        day=day,
        kick_off_utc=moment,
        is_kick_off_time_known=is_time_known,
        home=home,
        away=away,
        goals=goals,
        half_time=_half_time(line, cells, goals, flags),
        home_counts=_counts(line, cells, _HOME_COLUMNS, flags),
        away_counts=_counts(line, cells, _AWAY_COLUMNS, flags),
        flags=tuple(flags),
    )
    return _with_doubts(row)


def _division_of(path: Path, divisions: Collection[str]) -> str:
    named = re.split(r"[^A-Za-z0-9]", path.stem)[0].upper()
    return LEAGUE_FOLDERS.get(path.parent.name.casefold(), named if named in divisions else "")


def _season(path: Path, division: str, lines: list[tuple[int, Cells]]) -> SeasonRows:
    rows, refused = [], []
    for line, cells in lines:
        try:
            rows.append(read_row(line, cells))
        except RefusedRowError as error:
            detail = f"{cells['HomeTeam']} - {cells['AwayTeam']}: {error}"
            refused.append(Remark(line, error.kind, detail))
    season = _season_of(path, rows)
    inside = [row for row in rows if is_within(row.day, season)]
    outside = [row for row in rows if not is_within(row.day, season)]
    told = f"is not within {season}/{season + 1}"
    if len(outside) > _FEW * len(rows):
        inside, outside, told = [], rows, "stands in a file of several seasons: make one file of each"
    refused += [Remark(row.line, "outside the season", f"{row.home} - {row.away}: {row.day} {told}") for row in outside]
    return SeasonRows(division, season, tuple(_in_season(inside, division, season)), tuple(refused))


def _season_of(path: Path, rows: list[FileRow]) -> int:
    """The year in which the file's season begins: by name, else by most of the dates."""
    found = _SEASON_NAME.search(path.stem)
    if found and (int(found[1]) + 1) % 100 == int(found[2]):
        return full_year(found[1])
    years = Counter(row.day.year if row.day.month >= 7 else row.day.year - 1 for row in rows)
    return min(years, key=lambda year: (-years[year], year), default=0)


def is_within(day: dt.date, season: int) -> bool:
    """Whether a match of the season that begins in that year can be on ``day``.

    June to August of the next year: the widest seen is 19 July 1995 and, after a spring without football, 2 August 2020.
    """
    return dt.date(season, 6, 1) <= day <= dt.date(season + 1, 8, 31)


def _in_season(rows: list[FileRow], division: str, season: int) -> list[FileRow]:
    """The rows as their season shows them: what is left out by definition, and scores that stand alone."""
    n_alone = sum(row.has_score_alone for row in rows)
    if n_alone * 2 < len(rows):
        told = "no half-time score and no statistics, unlike most of its season: a match that was awarded?"
        rows = [row.flagged("score alone", told) if row.has_score_alone else row for row in rows]
    if any(first <= season <= last for first, last in OTHER_ON_TARGET.get(division, ())):
        rows = [_without_shots_on_target(row) for row in rows]
    return rows


def _without_shots_on_target(row: FileRow) -> FileRow:
    if row.home_counts.shots_on_target is None and row.away_counts.shots_on_target is None:
        return row
    home, away = (
        msgspec.structs.replace(counts, shots_on_target=None) for counts in (row.home_counts, row.away_counts)
    )
    told = "this season's files count shots on target by another definition; they are left out"
    return msgspec.structs.replace(row, home_counts=home, away_counts=away).flagged("other definition", told)


def _goals(cells: Cells) -> tuple[int, int]:
    try:
        goals = pair(cells, "FTHG", "FTAG")
    except ValueError as error:
        raise RefusedRowError("no result", str(error)) from error
    if goals is None:
        raise RefusedRowError("no result", "the row has no score")
    if max(goals) > _MOST_GOALS:
        raise RefusedRowError("no result", f"{goals[0]}-{goals[1]} is no score")
    told = cells.get("FTR", "").upper()
    if told and told != _outcome(goals):
        raise RefusedRowError("result contradicts goals", f"FTR is {told} and the score {goals[0]}-{goals[1]}")
    return goals


def _half_time(line: int, cells: Cells, goals: tuple[int, int], flags: list[Remark]) -> tuple[int, int] | None:
    try:
        half_time = pair(cells, "HTHG", "HTAG")
    except ValueError as error:
        flags.append(Remark(line, "half time left out", str(error)))
        return None
    if half_time is None:
        if cells.get("HTHG") or cells.get("HTAG"):
            flags.append(Remark(line, "half time left out", "only one side's half-time goals are told"))
        return None
    shown = f"{half_time[0]}-{half_time[1]}"
    if half_time[0] > goals[0] or half_time[1] > goals[1]:
        raise RefusedRowError(
            "half time beyond full time", f"half time {shown} is more than the score {goals[0]}-{goals[1]}"
        )
    told = cells.get("HTR", "").upper()
    if told and told != _outcome(half_time):
        flags.append(Remark(line, "half time left out", f"HTR is {told} and the half-time score {shown}"))
        return None
    return half_time


def _outcome(goals: tuple[int, int]) -> str:
    return "D" if goals[0] == goals[1] else "H" if goals[0] > goals[1] else "A"


def _counts(line: int, cells: Cells, columns: Mapping[str, str], flags: list[Remark]) -> Counts:
    found: dict[str, int | None] = {}
    for name, column in columns.items():
        try:
            found[name] = count(cells, column)
        except ValueError as error:
            flags.append(Remark(line, "count left out", str(error)))
    return Counts(**found)


def _with_doubts(row: FileRow) -> FileRow:
    """Flags for counts that contradict each other; which of two is wrong no one knows, so both are kept."""
    for counts, goals, side in zip((row.home_counts, row.away_counts), row.goals, ("home", "away"), strict=True):
        if counts.shots is None:
            continue
        if counts.shots_on_target is not None and counts.shots_on_target > counts.shots:
            told = f"{side} side: {counts.shots_on_target} shots on target of {counts.shots} shots"
            row = row.flagged("shots on target above shots", told)
        if goals > counts.shots:
            row = row.flagged("goals above shots", f"{side} side: {goals} goals of {counts.shots} shots")
    return row
