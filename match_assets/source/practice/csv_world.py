"""A practice world of real results, read from a folder of football-data style files.

The folder holds one folder a league and in it one file a season, ``season-2425.csv`` for 2024/2025. Only what a row
says is shown: no minutes, no players, and a match of which only the score is known has no match centre. Kick-offs have
no time unless the file has a ``Time`` column, which is British wall time.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from match_assets.errors import ConfigurationError, DataError
from match_assets.source.files.table import Cells, count, full_year, kick_off, pair, parse_date, read_table
from match_assets.source.files.teams import shipped_team_id
from match_assets.source.practice.facts import Match, Season, SideStats, Team, Tournament, World

FILE_NAME = re.compile(r"season-(\d{2})(\d{2})\.csv")
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


def team_id_of(region_id: int, name: str) -> int:
    """The site's own id where it is known, else a number that does not depend on which leagues and seasons are shown."""
    known = shipped_team_id(region_id, name)
    if known is not None and known > 0:
        return known
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
            files[full_year(found[1])] = path
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


def _rows(path: Path) -> list[tuple[int, Cells]]:
    """Rows that name a home team, with their line."""
    try:
        table = read_table(path.read_bytes())
    except DataError as error:
        line = error.facts["line"]
        raise ConfigurationError(f"{path}:{line}: {error}", file=str(path), line=line) from error
    return [(line, row) for line, row in table.rows if row["HomeTeam"]]


def _read_match(row: Cells, match_id: int, region_id: int, teams: dict[int, Team]) -> Match:
    moment, is_time_known = kick_off(parse_date(row["Date"]), row.get("Time", ""))
    goals = pair(row, "FTHG", "FTAG")
    half_time = pair(row, "HTHG", "HTAG")
    home, away = _side(row, "H"), _side(row, "A")
    return Match(
        match_id=match_id,
        home_team_id=_enrol(row["HomeTeam"], region_id, teams),
        away_team_id=_enrol(row["AwayTeam"], region_id, teams),
        kick_off_utc=moment,
        is_kick_off_time_known=is_time_known,
        goals=goals,
        half_time_goals=half_time,
        home=home,
        away=away,
        referee=row.get("Referee", ""),
    )


def _enrol(name: str, region_id: int, teams: dict[int, Team]) -> int:
    team_id = team_id_of(region_id, name)
    held = teams.setdefault(team_id, Team(team_id, name, name))
    if held.name != name and team_id >= FIRST_TEAM_ID:
        raise ValueError(f"{name!r} and {held.name!r} come to the same team id {team_id}; rename one in the files")
    return team_id


def _side(row: Cells, side: str) -> SideStats:
    return SideStats(
        shots=count(row, f"{side}S"),
        shots_on_target=count(row, f"{side}ST"),
        corners=count(row, f"{side}C"),
        fouls=count(row, f"{side}F"),
        yellow_cards=count(row, f"{side}Y"),
        red_cards=count(row, f"{side}R"),
    )


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
