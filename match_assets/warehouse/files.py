"""A season as a file tells it: the second source, stored by the same rule under ids below zero.

What the site says of a tournament or a team is never overwritten; its match stands for the file's wherever it lists it.
"""

import datetime as dt

import msgspec
from sqlalchemy import Connection, Engine

from match_assets.killpoint import killpoint
from match_assets.source.records import Status, TeamStatistics
from match_assets.warehouse import copying, observed, schema
from match_assets.warehouse.database import in_transaction
from match_assets.warehouse.gaps import Partition
from match_assets.warehouse.links import Disagreement, relink
from match_assets.warehouse.observed import EPOCH, Observation, WriteCounts
from match_assets.warehouse.settling import current_rows, settle, take_writer_lock, write_statistics, write_team_names

SURFACE = "file"


class FileMatch(msgspec.Struct, frozen=True):
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

    def work(connection: Connection) -> FileSeasonWrite:
        take_writer_lock(connection)
        _write_catalogue(connection, season)
        _write_teams(connection, season)
        gone = _gone(connection, season)
        incoming = [_match_observation(season, match) for match in season.matches]
        counts, _ = settle(connection, schema.matches, SURFACE, [*incoming, *gone])
        told = [_page_observation(season, match) for match in season.matches]
        pages, fresh = settle(connection, schema.match_pages, SURFACE, told)
        write_statistics(
            connection, {match.match_id: match.teams for match in season.matches if match.match_id in fresh}
        )
        disagreements = relink(connection, Partition(season.tournament, season.season), season.site_time)
        rows = current_rows(connection, schema.matches, [match.match_id for match in season.matches])
        superseded = {key: row["superseded_by"] for key, row in sorted(rows.items()) if row["superseded_by"]}
        killpoint("file_season.before_commit")
        return FileSeasonWrite(counts, pages, superseded, disagreements, tuple(item.match_id for item in gone))

    written = in_transaction(engine, work)
    killpoint("file_season.after_commit")
    return written


def _write_catalogue(connection: Connection, season: FileSeason) -> None:
    """Tournament, season and stage; the tournament as known since ever, so that the site's own word replaces it."""
    tournament = {
        "tournament": season.tournament,
        "region_id": season.region_id,
        "tournament_id": season.tournament_id,
        "region_name": "",
        "name": season.tournament,
        "url": "",
        "observed_at": EPOCH,
    }
    copying.add(connection, schema.tournaments, [tournament])
    year = int(season.season)
    known = {
        "season_id": season.season_id,
        "tournament": season.tournament,
        "season": season.season,
        "name": f"{year}/{year + 1}",
        "url": "",
        "observed_at": EPOCH,
    }
    copying.add(connection, schema.seasons, [known])
    # no days: nothing of it is to be asked for
    stage = {
        "stage_id": season.stage_id,
        "season_id": season.season_id,
        "name": "",
        "url": "",
        "days": [],
        "observed_at": EPOCH,
    }
    copying.add(connection, schema.stages, [stage])


def _write_teams(connection: Connection, season: FileSeason) -> None:
    names = {
        (team_id, name)
        for match in season.matches
        for team_id, name in ((match.home_team_id, match.home_team), (match.away_team_id, match.away_team))
    }
    # a team of the site's as known since ever, so that the site's own name replaces it
    site = [{"team_id": key, "name": name, "observed_at": EPOCH} for key, name in sorted(names) if key > 0]
    own = [{"team_id": key, "name": name, "observed_at": season.site_time} for key, name in sorted(names) if key < 0]
    copying.replace(connection, schema.teams, [*site, *own], newest_by=("observed_at", "name"))
    write_team_names(connection, SURFACE, ((team_id, name, season.site_time) for team_id, name in names))


def _gone(connection: Connection, season: FileSeason) -> list[Observation]:
    """Stored matches of this season that the file, being newer, no longer has."""
    statement = schema.matches.select().where(schema.matches.c.season_id == season.season_id)
    held = {row["match_id"]: dict(row) for row in connection.execute(statement).mappings()}
    listed = {match.match_id for match in season.matches}
    return [
        observed.missing_observation(row, site_time=season.site_time, observed_at=season.read_at)
        for match_id, row in sorted(held.items())
        if match_id not in listed and row["missing_since"] is None and row["site_time"] < season.site_time
    ]


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
    full = {**content, "teams": [msgspec.to_builtins(team) for team in match.teams]}
    return Observation(match.match_id, season.site_time, season.read_at, full, row)
