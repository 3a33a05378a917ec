"""A practice world of real results, read from a folder of football-data style files.

The folder holds one folder a league and in it one file a season, ``season-2425.csv`` for 2024/2025. Only what a row
says is shown: no minutes, no players, and a match of which only the score is known has no match centre. Kick-offs have
no time unless the file has a ``Time`` column, which is British wall time.
"""

import csv
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from match_assets.errors import ConfigurationError
from match_assets.source.practice.facts import Match, Season, SideStats, Team, Tournament, World
from match_assets.source.practice.schedule import wall_time_utc

REQUIRED_COLUMNS = ("Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG")
# %y first: %Y would read "93" as the year 93
DATE_FORMATS = ("%d/%m/%y", "%d/%m/%Y")
FILE_NAME = re.compile(r"season-(\d{2})(\d{2})\.csv")
FIRST_TWO_DIGIT_YEAR = 69
FIRST_TEAM_ID, TEAM_IDS = 1_000_000, 900_000_000


@dataclass(frozen=True, slots=True)
class League:
    """Where the real site keeps a league, by the name of its folder."""

    region_id: int
    region_name: str
    region_code: str
    tournament_id: int
    name: str
    sort_order: int


LEAGUES = {
    "premier-league": League(252, "England", "gb-eng", 2, "Premier League", 200),
    "la-liga": League(206, "Spain", "es", 4, "LaLiga", 190),
    "serie-a": League(108, "Italy", "it", 5, "Serie A", 180),
    "bundesliga": League(81, "Germany", "de", 3, "Bundesliga", 170),
    "ligue-1": League(74, "France", "fr", 22, "Ligue 1", 160),
}


def read_csv_world(
    folder: Path,
    *,
    leagues: Sequence[str] = (),
    seasons: Sequence[int] = (),
    start_clock: dt.datetime | None = None,
) -> World:
    """The world that a folder of files describes.

    Args:
        folder: holds the league folders.
        leagues: names of league folders to show; all that are there without.
        seasons: first years of seasons to show; all that are there without.
        start_clock: where the site's clock begins; the morning of the middle match day of the newest season without.

    Raises:
        ConfigurationError: the folder, a league, a season or a column is missing, or a row is not readable; the message
            names file and line.
    """
    chosen = _chosen_leagues(folder, leagues)
    teams: dict[int, Team] = {}
    tournaments = []
    for name in chosen:
        league = LEAGUES[name]
        files = _season_files(folder / name, seasons)
        listed = tuple(_read_season(path, league, first_year, teams) for first_year, path in sorted(files.items()))
        if listed:
            tournaments.append(_tournament(league, listed))
    if not tournaments:
        raise ConfigurationError(f"{folder}: no season of {list(seasons)} in {chosen}; name seasons that are there")
    identity = f"csv leagues={','.join(chosen)} seasons={','.join(map(str, sorted(seasons))) or 'all'}"
    return World(
        identity=identity,
        origin="facts of football-data.co.uk",
        seed=0,
        has_details=False,
        start_clock_utc=start_clock or _middle_of_newest_season(tournaments),
        tournaments=tuple(tournaments),
        teams=teams,
    )


def parse_date(text: str) -> dt.date:
    """A date as the files write it: ISO, dd/mm/yy or dd/mm/yyyy; two digits mean 1969 to 2068.

    Raises:
        ValueError: none of the three.
    """
    if "-" in text:
        return dt.date.fromisoformat(text)
    for date_format in DATE_FORMATS:
        try:
            # only the date is read; a zone has nothing to act on
            return dt.datetime.strptime(text, date_format).date()  # noqa: DTZ007
        except ValueError:
            continue
    raise ValueError(f"not a date: {text!r} (expected 2024-08-16, 16/08/24 or 16/08/2024)")


def team_id_of(region_id: int, name: str) -> int:
    """A number for a club that does not depend on which leagues and seasons are shown."""
    return FIRST_TEAM_ID + crc32(f"{region_id}:{name}".encode()) % TEAM_IDS


def _chosen_leagues(folder: Path, leagues: Sequence[str]) -> list[str]:
    unknown = sorted(set(leagues) - set(LEAGUES))
    if unknown:
        raise ConfigurationError(f"unknown leagues {unknown}; known are {sorted(LEAGUES)}")
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder; name one that holds {sorted(LEAGUES)}")
    missing = [name for name in leagues if not (folder / name).is_dir()]
    if missing:
        raise ConfigurationError(f"{folder}: lacks the league folders {missing}")
    chosen = [name for name in LEAGUES if name in leagues] or [name for name in LEAGUES if (folder / name).is_dir()]
    if not chosen:
        raise ConfigurationError(f"{folder}: holds none of the league folders {sorted(LEAGUES)}")
    return chosen


def _season_files(folder: Path, seasons: Sequence[int]) -> dict[int, Path]:
    files = {}
    for path in folder.iterdir():
        if found := FILE_NAME.fullmatch(path.name):
            short = int(found[1])
            files[short + (1900 if short >= FIRST_TWO_DIGIT_YEAR else 2000)] = path
    return {year: path for year, path in files.items() if not seasons or year in seasons}


def _tournament(league: League, seasons: tuple[Season, ...]) -> Tournament:
    return Tournament(
        region_id=league.region_id,
        region_name=league.region_name,
        region_code=league.region_code,
        tournament_id=league.tournament_id,
        name=league.name,
        sort_order=league.sort_order,
        seasons=seasons,
    )


def _read_season(path: Path, league: League, first_year: int, teams: dict[int, Team]) -> Season:
    season_id = league.tournament_id * 10_000 + first_year
    matches = []
    for number, (line, row) in enumerate(_rows(path), start=1):
        try:
            matches.append(_read_match(row, season_id * 1000 + number, league.region_id, teams))
        except ValueError as error:
            raise ConfigurationError(f"{path}:{line}: {error}", file=str(path), line=line) from error
    if not matches:
        raise ConfigurationError(f"{path}: no match in it", file=str(path))
    # a season listed only from its July on would hide one that began in June or was moved
    released = min(dt.datetime(first_year, 7, 1, tzinfo=dt.UTC), *(match.kick_off_utc for match in matches))
    return Season(season_id, season_id + 500_000, first_year, released, tuple(matches))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Non-empty rows with their line; some older files are not UTF-8."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    reader = csv.DictReader(text.splitlines(), restval="")
    missing = [column for column in REQUIRED_COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise ConfigurationError(f"{path}:1: lacks the columns {missing}", file=str(path), line=1)
    # cells beyond the header come under the key None and are not strings
    rows = [(reader.line_num, {key: cell.strip() for key, cell in row.items() if key is not None}) for row in reader]
    return [(line, row) for line, row in rows if row["HomeTeam"]]


def _read_match(row: Mapping[str, str], match_id: int, region_id: int, teams: dict[int, Team]) -> Match:
    day, time = parse_date(row["Date"]), row.get("Time", "")
    goals = _pair(row, "FTHG", "FTAG")
    half_time = _pair(row, "HTHG", "HTAG")
    home, away = _side(row, "H"), _side(row, "A")
    return Match(
        match_id=match_id,
        home_team_id=_enrol(row["HomeTeam"], region_id, teams),
        away_team_id=_enrol(row["AwayTeam"], region_id, teams),
        kick_off_utc=wall_time_utc(day, time) if time else dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC),
        is_kick_off_time_known=bool(time),
        goals=goals,
        half_time_goals=half_time,
        home=home,
        away=away,
        referee=row.get("Referee", ""),
    )


def _enrol(name: str, region_id: int, teams: dict[int, Team]) -> int:
    team_id = team_id_of(region_id, name)
    held = teams.setdefault(team_id, Team(team_id, name, name))
    if held.name != name:
        raise ValueError(f"{name!r} and {held.name!r} come to the same team id {team_id}; rename one in the files")
    return team_id


def _side(row: Mapping[str, str], side: str) -> SideStats:
    return SideStats(
        shots=_count(row, f"{side}S"),
        shots_on_target=_count(row, f"{side}ST"),
        corners=_count(row, f"{side}C"),
        fouls=_count(row, f"{side}F"),
        yellow_cards=_count(row, f"{side}Y"),
        red_cards=_count(row, f"{side}R"),
    )


def _pair(row: Mapping[str, str], home: str, away: str) -> tuple[int, int] | None:
    first, second = _count(row, home), _count(row, away)
    return None if first is None or second is None else (first, second)


def _count(row: Mapping[str, str], column: str) -> int | None:
    """A cell as a count; some files write ``3.0``. Empty is unknown."""
    cell = row.get(column, "")
    if not cell:
        return None
    value = float(cell)
    if value < 0 or value != int(value):
        raise ValueError(f"{column} is {cell!r}, not a count")
    return int(value)


def _middle_of_newest_season(tournaments: Sequence[Tournament]) -> dt.datetime:
    newest = max(t.seasons[-1].first_year for t in tournaments)
    days = sorted(
        match.kick_off_utc.date()
        for tournament in tournaments
        for season in tournament.seasons
        if season.first_year == newest
        for match in season.matches
    )
    return dt.datetime.combine(days[len(days) // 2], dt.time(6), tzinfo=dt.UTC)
