"""A season as a file tells it: the second source, stored by the same rule under ids below zero.

What the site says of a tournament or a team is never overwritten; its match stands for the file's wherever it lists it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, select

from match_assets.killpoint import killpoint
from match_assets.source.records import Status, TeamStatistics
from match_assets.warehouse import copying, observed, schema
from match_assets.warehouse.database import in_transaction
from match_assets.warehouse.gaps import Partition
from match_assets.warehouse.links import Disagreement, relink_each
from match_assets.warehouse.observed import EPOCH, Observation, WriteCounts
from match_assets.warehouse.settling import Written, settle_each, take_writer_lock, write_statistics, write_team_names

SURFACE = "file"


class FileMatch(msgspec.Struct, frozen=True, gc=False):
    """One played match of a file; times are aware, goals those after ninety minutes.

    Attributes:
        match_id: below zero.
        kick_off_utc: 00:00 of the day where the file knows no time.
        is_kick_off_time_known: whether it does.
        home_team_id: the site's id where it is known, else below zero.
        away_team_id: likewise.
        home_team: as the file shows it.
        away_team: likewise.
        home_goals: result.
        away_goals: result.
        home_goals_half_time: ``None`` where the file does not tell.
        away_goals_half_time: likewise.
        teams: statistics of both sides, home first; empty where there are none.
        statistics: ``present``, or why there are none.
    """

    match_id: int
    kick_off_utc: dt.datetime
    is_kick_off_time_known: bool
    home_team_id: int
    away_team_id: int
    home_team: str
    away_team: str
    home_goals: int
    away_goals: int
    home_goals_half_time: int | None = None
    away_goals_half_time: int | None = None
    teams: tuple[TeamStatistics, ...] = ()
    statistics: str = observed.PRESENT


class FileSeason(msgspec.Struct, frozen=True):
    """All matches that a file holds of one season.

    Attributes:
        tournament: key in ``params.yaml``.
        region_id: the site's, as ``params.yaml`` names it.
        tournament_id: likewise.
        season: year in which the season begins.
        season_id: below zero; the same for every file of this season.
        stage_id: below zero; likewise.
        site_time: the file's clock: when it was last modified.
        matches: in any order; each id once.
        observed_at: when the newest of the aliases with which it was read came to be; the file's clock without. Between
            two readings of one file the one with the newer aliases counts, and a newer file always does.
    """

    tournament: str
    region_id: int
    tournament_id: int
    season: str
    season_id: int
    stage_id: int
    site_time: dt.datetime
    matches: tuple[FileMatch, ...]
    observed_at: dt.datetime | None = None

    @property
    def read_at(self) -> dt.datetime:
        """Our side of the clock: a function of the file and the aliases, so that a second reading writes nothing."""
        return self.observed_at or self.site_time


class FileSeasonWrite(msgspec.Struct, frozen=True):
    """What a file's season did to the warehouse.

    ``counts`` are of matches, ``pages`` of their half-times and statistics. ``superseded`` maps the file's ids to the
    site's for those that the site knows itself. ``missing`` were in an earlier file of this season and are not in this.
    """

    counts: WriteCounts
    pages: WriteCounts
    superseded: dict[int, int]
    disagreements: tuple[Disagreement, ...]
    missing: tuple[int, ...]

    @property
    def wrote_nothing(self) -> bool:
        """True when all of it was known."""
        return not any((self.counts.inserted, self.counts.changed, self.pages.inserted, self.pages.changed))


def write_file_season(engine: Engine, season: FileSeason) -> FileSeasonWrite:
    """Store a file's season: all of it or nothing; a file that is read again writes nothing.

    Args:
        engine: the warehouse.
        season: as the file tells it. Matches of an earlier file that are not in it any more are marked as missing, never
            deleted; an older file than the one stored marks nothing.

    Raises:
        RejectedRowError: a row is against the schema.
        DependencyUnavailableError: PostgreSQL is away.
    """
    [written] = write_file_seasons(engine, [season])
    return written


def write_file_seasons(engine: Engine, seasons: Sequence[FileSeason]) -> list[FileSeasonWrite]:
    """``write_file_season`` for several, with no match in common, in one transaction: all of them or none.

    Other writers of matches wait until it ends, about a second for 5,000 matches.

    Raises:
        RejectedRowError: a row is against the schema; which season has it is not told.
        DependencyUnavailableError: PostgreSQL is away.
    """
    if not seasons:
        return []
    incoming = [[_match_observation(season, match) for match in season.matches] for season in seasons]
    told = [[_page_observation(season, match) for match in season.matches] for season in seasons]

    def work(connection: Connection) -> list[FileSeasonWrite]:
        take_writer_lock(connection)
        _write_catalogue(connection, seasons)
        _write_teams(connection, seasons)
        gone = _gone(connection, seasons)
        calendar = [[*listed, *left] for listed, left in zip(incoming, gone, strict=True)]
        counts = settle_each(connection, schema.matches, SURFACE, calendar)
        pages = settle_each(connection, schema.match_pages, SURFACE, told)
        _write_statistics(connection, seasons, pages)
        seen = {Partition(season.tournament, season.season): season.site_time for season in seasons}
        disagreements = relink_each(connection, seen)
        superseded = _superseded(connection, seasons)
        killpoint("file_season.before_commit")
        return [
            FileSeasonWrite(
                counts=counts[index].counts,
                pages=pages[index].counts,
                superseded=superseded[index],
                disagreements=disagreements[Partition(season.tournament, season.season)],
                missing=tuple(item.match_id for item in gone[index]),
            )
            for index, season in enumerate(seasons)
        ]

    written = in_transaction(engine, work)
    killpoint("file_season.after_commit")
    return written


def _write_catalogue(connection: Connection, seasons: Sequence[FileSeason]) -> None:
    """Tournament, season and stage; the tournament as known since ever, so that the site's own word replaces it."""
    tournaments = [
        {
            "tournament": season.tournament,
            "region_id": season.region_id,
            "tournament_id": season.tournament_id,
            "region_name": "",
            "name": season.tournament,
            "url": "",
            "observed_at": EPOCH,
        }
        for season in seasons
    ]
    copying.add(connection, schema.tournaments, tournaments)
    known = [
        {
            "season_id": season.season_id,
            "tournament": season.tournament,
            "season": season.season,
            "name": f"{season.season}/{int(season.season) + 1}",
            "url": "",
            "observed_at": EPOCH,
        }
        for season in seasons
    ]
    copying.add(connection, schema.seasons, known)
    # no days: nothing of it is to be asked for
    stages = [
        {
            "stage_id": season.stage_id,
            "season_id": season.season_id,
            "name": "",
            "url": "",
            "days": [],
            "observed_at": EPOCH,
        }
        for season in seasons
    ]
    copying.add(connection, schema.stages, stages)


def _write_teams(connection: Connection, seasons: Sequence[FileSeason]) -> None:
    shown = {
        (team_id, name, season.site_time)
        for season in seasons
        for match in season.matches
        for team_id, name in ((match.home_team_id, match.home_team), (match.away_team_id, match.away_team))
    }
    # a team of the site's as known since ever, so that the site's own name replaces it
    teams = [
        {"team_id": team_id, "name": name, "observed_at": EPOCH if team_id > 0 else moment}
        for team_id, name, moment in sorted(shown)
    ]
    copying.replace(connection, schema.teams, teams, newest_by=("observed_at", "name"))
    write_team_names(connection, SURFACE, shown)


def _write_statistics(connection: Connection, seasons: Sequence[FileSeason], pages: Sequence[Written]) -> None:
    """Statistics of those matches whose page has just come to stand."""
    teams = {
        match.match_id: match.teams
        for season, written in zip(seasons, pages, strict=True)
        for match in season.matches
        if match.match_id in written.fresh
    }
    write_statistics(connection, teams, new=frozenset().union(*(written.new for written in pages)))


def _gone(connection: Connection, seasons: Sequence[FileSeason]) -> list[list[Observation]]:
    """Stored matches of each season that the file, being newer, no longer has."""
    held = schema.matches
    listed = [match.match_id for season in seasons for match in season.matches]
    statement = select(held).where(
        held.c.season_id.in_([season.season_id for season in seasons]),
        held.c.missing_since.is_(None),
        ~copying.among(held.c.match_id, listed),
    )
    left: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(statement.order_by(held.c.match_id)).mappings():
        left[row["season_id"]].append(dict(row))
    return [
        [
            observed.missing_observation(row, site_time=season.site_time, observed_at=season.read_at)
            for row in left[season.season_id]
            if row["site_time"] < season.site_time
        ]
        for season in seasons
    ]


def _superseded(connection: Connection, seasons: Sequence[FileSeason]) -> list[dict[int, int]]:
    """Matches of each season's file that another stands for, and which."""
    held = schema.matches
    statement = (
        select(held.c.match_id, held.c.superseded_by)
        .where(held.c.season_id.in_([season.season_id for season in seasons]), held.c.superseded_by.is_not(None))
        .order_by(held.c.match_id)
    )
    found = {row.match_id: row.superseded_by for row in connection.execute(statement)}
    listed = [sorted(match.match_id for match in season.matches if match.match_id in found) for season in seasons]
    return [{match_id: found[match_id] for match_id in of_season} for of_season in listed]


def _match_observation(season: FileSeason, match: FileMatch) -> Observation:
    content = {
        "tournament": season.tournament,
        "season": season.season,
        "season_id": season.season_id,
        "stage_id": season.stage_id,
        "status": int(Status.FINISHED),
        "elapsed": "FT",
        "kick_off_utc": match.kick_off_utc,
        "is_kick_off_time_known": match.is_kick_off_time_known,
        "home_team_id": match.home_team_id,
        "away_team_id": match.away_team_id,
        "home_team": match.home_team,
        "away_team": match.away_team,
        "home_score": match.home_goals,
        "away_score": match.away_goals,
        "home_goals": match.home_goals,
        "away_goals": match.away_goals,
    }
    row = {**content, "missing_since": None, "feed_month": f"{match.kick_off_utc:%Y%m}"}
    return Observation(match.match_id, season.site_time, season.read_at, {**content, "is_missing": False}, row)


def _page_observation(season: FileSeason, match: FileMatch) -> Observation:
    content = {
        "statistics": match.statistics,
        "home_score": match.home_goals,
        "away_score": match.away_goals,
        "home_goals_half_time": match.home_goals_half_time,
        "away_goals_half_time": match.away_goals_half_time,
    }
    # what the page was asked for: nothing of it is ever due
    row = {**content, "attempts": 0, "feed_home_score": match.home_goals, "feed_away_score": match.away_goals}
    return Observation(match.match_id, season.site_time, season.read_at, {**content, "teams": match.teams}, row)
