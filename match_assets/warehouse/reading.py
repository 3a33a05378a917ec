"""Reading the warehouse for export: one snapshot, typed frames, and revisions that move only with content."""

import datetime as dt
from typing import Any, NamedTuple

import polars as pl
from sqlalchemy import ColumnElement, Connection, Engine, Select, Text, and_, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from match_assets.source.records import SETTLED_STATUSES, Status
from match_assets.warehouse.database import unavailable_is_named
from match_assets.warehouse.gaps import is_withdrawn
from match_assets.warehouse.observed import PRESENT
from match_assets.warehouse.schema import gaps, match_pages, match_stats, matches, months, seasons, teams, tournaments

RAW_MATCHES: dict[str, pl.DataType] = {
    "match_id": pl.Int64(),
    "tournament": pl.String(),
    "season": pl.String(),
    "stage_id": pl.Int64(),
    "kick_off_utc": pl.Datetime("us", "UTC"),
    "is_kick_off_time_known": pl.Boolean(),
    "status": pl.Int16(),
    "elapsed": pl.String(),
    "home_team_id": pl.Int64(),
    "away_team_id": pl.Int64(),
    "home_team": pl.String(),
    "away_team": pl.String(),
    "home_goals": pl.Int16(),
    "away_goals": pl.Int16(),
    "home_goals_half_time": pl.Int16(),
    "away_goals_half_time": pl.Int16(),
}
RAW_MATCH_STATS: dict[str, pl.DataType] = {
    "match_id": pl.Int64(),
    "team_id": pl.Int64(),
    "is_home": pl.Boolean(),
    "shots": pl.Int16(),
    "shots_on_target": pl.Int16(),
    "corners": pl.Int16(),
    "fouls": pl.Int16(),
    "yellow_cards": pl.Int16(),
    "red_cards": pl.Int16(),
}
# an unfinished match so far back is a row the source forgot, not a season that goes on
LIVE_DAYS = 120


class SeasonEntry(NamedTuple):
    """A season in the catalogue and how much of it the warehouse holds."""

    tournament: str
    season: str
    season_id: int
    name: str
    url: str
    n_matches: int

    @property
    def partition_key(self) -> str:
        """``season|tournament``, as the store and the command line spell it."""
        return f"{self.season}|{self.tournament}"


class LateMatch(NamedTuple):
    """A match whose result should be known by now, by the source's own clock."""

    partition_key: str
    match_id: int
    kick_off_utc: dt.datetime


class LostResults(NamedTuple):
    """How many results a season has, and which of them are not listed any more."""

    n_finished: int
    match_ids: tuple[int, ...]

    def __str__(self) -> str:
        missing = ", ".join(map(str, self.match_ids)) or "none"
        listed = self.n_finished - len(self.match_ids)
        return f"{listed} of {self.n_finished} finished matches are listed; missing: {missing}"


def season_snapshot(engine: Engine, tournament: str, season: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """``raw_matches`` and ``raw_match_stats`` of one season from one snapshot of the database.

    A match that the calendar no longer lists is left out unless it is finished: a result is never lost, but a person
    may withdraw it. One that has another id by now is left out whatever it is.

    Args:
        engine: the warehouse.
        tournament: key in ``params.yaml``.
        season: year in which the season begins.

    Returns:
        Frames with the columns of ``RAW_MATCHES`` (sorted by ``match_id``) and ``RAW_MATCH_STATS`` (sorted by
        ``match_id``, home side first); both empty when nothing was scraped.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """
    with unavailable_is_named(engine), engine.connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return (
            _frame(snapshot, _matches_query(tournament, season), RAW_MATCHES),
            _frame(snapshot, _statistics_query(tournament, season), RAW_MATCH_STATS),
        )


def season_matches(engine: Engine, tournament: str, season: str) -> pl.DataFrame:
    """The first half of ``season_snapshot`` alone, for who compares revisions before and after."""
    with unavailable_is_named(engine), engine.connect() as connection:
        return _frame(connection, _matches_query(tournament, season), RAW_MATCHES)


def season_statistics(engine: Engine, tournament: str, season: str) -> pl.DataFrame:
    """The second half of ``season_snapshot`` alone, likewise."""
    with unavailable_is_named(engine), engine.connect() as connection:
        return _frame(connection, _statistics_query(tournament, season), RAW_MATCH_STATS)


def season_revision(engine: Engine, tournament: str | None = None, season: str | None = None) -> dict[str, str]:
    """A digest of each season's content by partition key, of one season or of all; it moves only when content does.

    A digest rather than the highest of a sequence: numbers are drawn before they are committed, so that a slow
    transaction could hide behind a faster one's higher number. Matches that have another id by now, and those that were
    withdrawn, are no part of it, as they are none of the export: a link made or taken away moves it, a file about matches
    that the site lists does not. Which matches have an unknown status is part of it, since the gates judge by that.
    """
    unknown = (
        select(gaps.c.season, gaps.c.tournament, _joined(gaps.c.match_id, gaps.c.match_id).label("ids"))
        .where(gaps.c.kind == "quarantined")
        .group_by(gaps.c.season, gaps.c.tournament)
        .subquery()
    )
    # with the id: two matches may show the same content, one after the other
    content = func.concat(matches.c.match_id, matches.c.content_hash, match_pages.c.content_hash)
    digest = func.md5(func.concat(_joined(content, matches.c.match_id), func.max(unknown.c.ids)))
    statement = (
        select(matches.c.season, matches.c.tournament, digest)
        .select_from(
            matches.outerjoin(match_pages, matches.c.match_id == match_pages.c.match_id).outerjoin(
                unknown, and_(unknown.c.season == matches.c.season, unknown.c.tournament == matches.c.tournament)
            )
        )
        .where(
            matches.c.superseded_by.is_(None),
            ~is_withdrawn(),
            *([matches.c.tournament == tournament] if tournament is not None else []),
            *([matches.c.season == season] if season is not None else []),
        )
        .group_by(matches.c.season, matches.c.tournament)
        .order_by(matches.c.season, matches.c.tournament)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return {f"{row[0]}|{row[1]}": row[2] for row in connection.execute(statement)}


def lost_results(engine: Engine, tournament: str, season: str) -> LostResults:
    """Finished matches of one season that are not listed any more, have no other id and were not withdrawn."""
    statement = (
        select(matches.c.match_id, matches.c.missing_since)
        .where(
            matches.c.tournament == tournament,
            matches.c.season == season,
            matches.c.status == Status.FINISHED,
            matches.c.superseded_by.is_(None),
            ~is_withdrawn(),
        )
        .order_by(matches.c.match_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        rows = connection.execute(statement).all()
    return LostResults(len(rows), tuple(match_id for match_id, missing_since in rows if missing_since is not None))


def superseded(engine: Engine, tournament: str, season: str) -> dict[int, int]:
    """The id that counts now for each match of one season that has another by now."""
    statement = select(matches.c.match_id, matches.c.superseded_by).where(
        matches.c.tournament == tournament, matches.c.season == season, matches.c.superseded_by.is_not(None)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return {row.match_id: row.superseded_by for row in connection.execute(statement)}


def catalogue(engine: Engine) -> list[SeasonEntry]:
    """All seasons the site was seen to list or a file tells of, by tournament and season; a file's ids are below zero."""
    statement = (
        select(
            seasons.c.tournament,
            seasons.c.season,
            seasons.c.season_id,
            seasons.c.name,
            seasons.c.url,
            func.count(matches.c.match_id),
        )
        .select_from(seasons.outerjoin(matches, matches.c.season_id == seasons.c.season_id))
        .group_by(seasons.c.season_id)
        .order_by(seasons.c.tournament, seasons.c.season, seasons.c.season_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [SeasonEntry(*row) for row in connection.execute(statement)]


def live_partitions(engine: Engine) -> list[str]:
    """Partition keys that can still change: each tournament's newest season on the site, and any with a match to come.

    A match to come is an unsettled one not more than ``LIVE_DAYS`` before the source's own clock.
    """
    newest = (
        select(func.max(seasons.c.season), seasons.c.tournament)
        .where(seasons.c.season_id > 0)
        .group_by(seasons.c.tournament)
    )
    site_time = select(func.max(months.c.site_time)).scalar_subquery()
    unsettled = (
        select(matches.c.season, matches.c.tournament)
        .where(
            matches.c.status.not_in([int(status) for status in SETTLED_STATUSES]),
            matches.c.missing_since.is_(None),
            matches.c.superseded_by.is_(None),
            matches.c.kick_off_utc >= site_time - dt.timedelta(days=LIVE_DAYS),
        )
        .distinct()
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        found = {*map(tuple, connection.execute(newest)), *map(tuple, connection.execute(unsettled))}
    return [f"{season}|{tournament}" for season, tournament in sorted(found)]


def site_time(engine: Engine) -> dt.datetime | None:
    """The latest reading of the source's own clock; ``None`` before the first feed."""
    with unavailable_is_named(engine), engine.connect() as connection:
        found: dt.datetime | None = connection.execute(select(func.max(months.c.site_time))).scalar_one()
    return found


def late_matches(engine: Engine, *, late_after_hours: float) -> list[LateMatch]:
    """Scheduled matches without a result ``late_after_hours`` after kick-off, by the source's clock at their season."""
    clock = (
        select(months.c.stage_id, func.max(months.c.site_time).label("site_time"))
        .group_by(months.c.stage_id)
        .subquery()
    )
    # a date without a time covers the whole day
    patience = dt.timedelta(hours=late_after_hours)
    statement = (
        select(matches.c.season, matches.c.tournament, matches.c.match_id, matches.c.kick_off_utc)
        .join(clock, clock.c.stage_id == matches.c.stage_id)
        .where(
            matches.c.status.in_([1, 3, 4]),
            matches.c.missing_since.is_(None),
            matches.c.superseded_by.is_(None),
            or_(
                and_(matches.c.is_kick_off_time_known, matches.c.kick_off_utc + patience < clock.c.site_time),
                matches.c.kick_off_utc + patience + dt.timedelta(days=1) < clock.c.site_time,
            ),
        )
        .order_by(matches.c.kick_off_utc, matches.c.match_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [LateMatch(f"{row[0]}|{row[1]}", row[2], row[3]) for row in connection.execute(statement)]


def team_names(engine: Engine) -> dict[int, str]:
    """Each team's newest name on the calendar."""
    with unavailable_is_named(engine), engine.connect() as connection:
        return {row.team_id: row.name for row in connection.execute(select(teams.c.team_id, teams.c.name))}


def tournament_keys(engine: Engine) -> list[str]:
    """Tournaments that the source was seen to offer."""
    with unavailable_is_named(engine), engine.connect() as connection:
        return list(connection.scalars(select(tournaments.c.tournament).order_by(tournaments.c.tournament)))


def _joined(value: ColumnElement[Any], order: ColumnElement[Any]) -> ColumnElement[str]:
    return func.string_agg(value.cast(Text), aggregate_order_by(func.chr(44), order))


def _matches_query(tournament: str, season: str) -> Select[Any]:
    half_time = {"home_goals_half_time", "away_goals_half_time"}
    columns = [(match_pages if name in half_time else matches).c[name] for name in RAW_MATCHES]
    return (
        select(*columns)
        .select_from(matches.outerjoin(match_pages, matches.c.match_id == match_pages.c.match_id))
        .where(
            matches.c.tournament == tournament,
            matches.c.season == season,
            matches.c.superseded_by.is_(None),
            or_(matches.c.missing_since.is_(None), matches.c.home_goals.is_not(None)),
            ~is_withdrawn(),
        )
        .order_by(matches.c.match_id)
    )


def _statistics_query(tournament: str, season: str) -> Select[Any]:
    return (
        select(*(match_stats.c[name] for name in RAW_MATCH_STATS))
        .join(match_pages, match_pages.c.match_id == match_stats.c.match_id)
        .join(matches, matches.c.match_id == match_stats.c.match_id)
        .where(
            matches.c.tournament == tournament,
            matches.c.season == season,
            matches.c.superseded_by.is_(None),
            ~is_withdrawn(),
            match_pages.c.statistics == PRESENT,
            matches.c.home_goals.is_not(None),
        )
        .order_by(match_stats.c.match_id, match_stats.c.is_home.desc())
    )


def _frame(connection: Connection, statement: Select[Any], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    rows = [tuple(row) for row in connection.execute(statement)]
    return pl.DataFrame(rows, schema=schema, orient="row")
