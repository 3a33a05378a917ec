"""What the warehouse already knows, for deciding what to ask the source for next."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Engine, case, func, select

from match_assets.source.records import EXTENDED, SETTLED_STATUSES, Status
from match_assets.warehouse.database import unavailable_is_named
from match_assets.warehouse.observed import PRESENT
from match_assets.warehouse.schema import match_pages, matches, months, seasons, stages

# Corrections arrive within days. A month whose last match is older than this at the last look is left alone.
CORRECTION_DAYS = 30
# A page without statistics is asked again after 1, 2, 4, ... days of the source's clock, this many times in all.
PAGE_ATTEMPTS = 5


class SeasonLinks(NamedTuple):
    """Where a season lies on the site."""

    season_id: int
    url: str


class KnownMonth(NamedTuple):
    """A month of a stage as last seen."""

    stage_id: int
    month: str
    site_time: dt.datetime | None
    last_kick_off: dt.datetime | None
    n_unsettled: int

    def is_settled(self) -> bool:
        """True when every match of it had its end, long enough before the last look for corrections to be in."""
        if self.site_time is None or self.last_kick_off is None or self.n_unsettled:
            return False
        return self.site_time - self.last_kick_off > dt.timedelta(days=CORRECTION_DAYS)


class PageWanted(NamedTuple):
    """A finished match whose page is to be read."""

    match_id: int
    home_team_id: int
    away_team_id: int
    home_score: int
    away_score: int
    site_time: dt.datetime
    reason: str


def season_links(engine: Engine, tournament: str, season: str) -> list[SeasonLinks]:
    """The site's seasons behind one partition: one, or two where a league splits a year."""
    statement = (
        select(seasons.c.season_id, seasons.c.url)
        .where(seasons.c.tournament == tournament, seasons.c.season == season)
        .order_by(seasons.c.season_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [SeasonLinks(*row) for row in connection.execute(statement)]


def known_months(engine: Engine, season_id: int) -> list[KnownMonth]:
    """Months that were asked for, and months in which a match stands that the calendar mask may not name any more."""
    is_open = matches.c.status.not_in([int(status) for status in SETTLED_STATUSES]) & matches.c.missing_since.is_(None)
    held = (
        select(
            matches.c.stage_id,
            matches.c.feed_month.label("month"),
            func.max(matches.c.kick_off_utc).label("last_kick_off"),
            func.count(case((is_open, 1))).label("n_unsettled"),
        )
        .where(matches.c.season_id == season_id)
        .group_by(matches.c.stage_id, matches.c.feed_month)
        .subquery()
    )
    statement = (
        select(months.c.stage_id, months.c.month, months.c.site_time, held.c.last_kick_off, held.c.n_unsettled)
        .select_from(
            months.join(stages, stages.c.stage_id == months.c.stage_id).outerjoin(
                held, (held.c.stage_id == months.c.stage_id) & (held.c.month == months.c.month)
            )
        )
        .where(stages.c.season_id == season_id)
        .order_by(months.c.stage_id, months.c.month)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [KnownMonth(row[0], row[1], row[2], row[3], row[4] or 0) for row in connection.execute(statement)]


def stage_days(engine: Engine, season_id: int) -> dict[int, list[dt.date]]:
    """Match days by stage as the season page last named them."""
    statement = (
        select(stages.c.stage_id, stages.c.days).where(stages.c.season_id == season_id).order_by(stages.c.stage_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return {row[0]: [dt.date.fromisoformat(day) for day in row[1]] for row in connection.execute(statement)}


def held_matches(engine: Engine, season_id: int) -> dict[int, Mapping[str, Any]]:
    """All columns of the season's matches by match id."""
    with unavailable_is_named(engine), engine.connect() as connection:
        rows = connection.execute(select(matches).where(matches.c.season_id == season_id)).mappings()
        return {row["match_id"]: dict(row) for row in rows}


def pages_wanted(engine: Engine, tournament: str, season: str) -> list[PageWanted]:
    """Finished matches whose page was never read, was read for another score, or had no statistics yet."""
    statement = (
        select(matches, match_pages)
        .with_only_columns(
            matches.c.match_id,
            matches.c.home_team_id,
            matches.c.away_team_id,
            matches.c.home_score,
            matches.c.away_score,
            matches.c.site_time,
            match_pages.c.statistics,
            match_pages.c.attempts,
            match_pages.c.asked_site_time,
            match_pages.c.feed_home_score,
            match_pages.c.feed_away_score,
        )
        .select_from(matches.outerjoin(match_pages, matches.c.match_id == match_pages.c.match_id))
        .where(
            matches.c.tournament == tournament,
            matches.c.season == season,
            matches.c.status == Status.FINISHED,
            matches.c.elapsed.not_in(sorted(EXTENDED)),
        )
        .order_by(matches.c.kick_off_utc, matches.c.match_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(statement).mappings()]
    columns = [name for name in PageWanted._fields if name != "reason"]
    return [
        PageWanted(**{name: row[name] for name in columns}, reason=reason)
        for row in rows
        if (reason := _reason(row)) is not None
    ]


def _reason(row: Mapping[str, Any]) -> str | None:
    if row["statistics"] is None:
        return "never read"
    if (row["home_score"], row["away_score"]) != (row["feed_home_score"], row["feed_away_score"]):
        return "score corrected"
    if row["statistics"] == PRESENT or row["attempts"] >= PAGE_ATTEMPTS:
        return None
    patience = dt.timedelta(days=2 ** (row["attempts"] - 1))
    return "statistics missing" if row["site_time"] - row["asked_site_time"] >= patience else None
