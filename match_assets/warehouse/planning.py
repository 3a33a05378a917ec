"""What to ask the source for next: the view ``frontier`` read for one season, and over all of them.

The frontier holds every month and every page of a finished match that is known, when it was last asked for and from
when it is due again (``match_assets.warehouse.due``), in the source's own time.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Engine,
    Integer,
    Text,
    and_,
    case,
    column,
    func,
    or_,
    select,
    table,
)

from match_assets.warehouse.database import unavailable_is_named
from match_assets.warehouse.gaps import Place, quarantined_of
from match_assets.warehouse.schema import matches, months, seasons, stages

frontier = table(
    "frontier",
    column("kind", Text),
    column("tournament", Text),
    column("season", Text),
    column("season_id", Integer),
    column("stage_id", Integer),
    column("month", Text),
    column("match_id", BigInteger),
    column("asked_at", DateTime(timezone=True)),
    column("due_at", DateTime(timezone=True)),
    column("clock", DateTime(timezone=True)),
    column("reason", Text),
)
NEVER_READ, CORRECTED = "never read", "score corrected"
# these wait for no clock: what is known already says that the answer will be another one
AT_ONCE = (NEVER_READ, CORRECTED)


class SeasonLinks(NamedTuple):
    """Where a season lies on the site."""

    season_id: int
    url: str


class KnownMonth(NamedTuple):
    """A month of a stage as last seen; ``due_at`` is the source's time from which to ask again, ``None`` never."""

    stage_id: int
    month: str
    site_time: dt.datetime | None
    due_at: dt.datetime | None

    def is_due(self, clock: dt.datetime | None) -> bool:
        """True when it is to be asked at ``clock``, the newest reading of the source's own."""
        if self.site_time is None:
            return True  # an answer that did not tell the time plans nothing
        return self.due_at is not None and clock is not None and self.due_at <= clock


class PageWanted(NamedTuple):
    """A finished match whose page is to be read; ``site_time`` is the source's clock as last seen in its season."""

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
        .where(seasons.c.tournament == tournament, seasons.c.season == season, seasons.c.season_id > 0)
        .order_by(seasons.c.season_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [SeasonLinks(*row) for row in connection.execute(statement)]


def known_months(engine: Engine, season_id: int) -> list[KnownMonth]:
    """Months that were asked for before, by stage and month; the calendar mask may not name them any more."""
    statement = (
        select(frontier.c.stage_id, frontier.c.month, frontier.c.asked_at, frontier.c.due_at)
        .where(frontier.c.season_id == season_id, frontier.c.kind == "month", frontier.c.reason != NEVER_READ)
        .order_by(frontier.c.stage_id, frontier.c.month)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [KnownMonth(*row) for row in connection.execute(statement)]


def is_anything_planned(engine: Engine, season_id: int) -> bool:
    """Whether a month or page of the season will ever be asked for again as things stand."""
    statement = (
        select(frontier.c.kind).where(frontier.c.season_id == season_id, frontier.c.due_at.is_not(None)).limit(1)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return connection.execute(statement).first() is not None


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


def quarantined(engine: Engine, season_id: int) -> dict[int, Place]:
    """Matches of the season whose status is unknown, and the feed that listed each last; not all of them have a row."""
    with unavailable_is_named(engine), engine.connect() as connection:
        return quarantined_of(connection, season_id)


def pages_wanted(engine: Engine, tournament: str, season: str) -> list[PageWanted]:
    """Finished matches whose page is due: never read, read for another score, without statistics, or to be looked at again.

    By kick-off and match id.
    """
    statement = (
        select(
            matches.c.match_id,
            matches.c.home_team_id,
            matches.c.away_team_id,
            matches.c.home_score,
            matches.c.away_score,
            func.coalesce(frontier.c.clock, matches.c.site_time),
            frontier.c.reason,
        )
        .select_from(frontier.join(matches, matches.c.match_id == frontier.c.match_id))
        .where(
            frontier.c.kind == "page",
            frontier.c.tournament == tournament,
            frontier.c.season == season,
            _is_due(frontier.c.clock),
        )
        .order_by(matches.c.kick_off_utc, matches.c.match_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [PageWanted(*row) for row in connection.execute(statement)]


def due_partitions(engine: Engine, now: dt.datetime) -> dict[str, Counter[str]]:
    """Partitions with something due, by key: how many months and pages, by reason.

    The source tells its time only when it is asked, and a season whose last month was read long ago may be due without
    anybody knowing. So its clock is carried on by our own since the reading; the visit itself then goes by the
    source's time alone. Months with an open match are left out: they are due at every visit and call for none.

    Args:
        engine: the warehouse.
        now: our clock.

    Returns:
        By ``season|tournament``, for example ``{"2024|ESP-LaLiga": Counter({"page never read": 3})}``.
    """
    # the later of two readings of one moment: both are the same answer seen in two months
    newest = (
        select(months.c.site_time, months.c.observed_at)
        .where(months.c.site_time.is_not(None))
        .order_by(months.c.site_time.desc(), months.c.observed_at.desc())
        .limit(1)
    )
    what = frontier.c.kind + " " + case((frontier.c.kind == "month", _month_reason()), else_=frontier.c.reason)
    with unavailable_is_named(engine), engine.connect() as connection:
        reading = connection.execute(newest).first()
        if reading is None:
            return {}
        clock = reading.site_time + max(now - reading.observed_at, dt.timedelta(0))
        rows = connection.execute(
            select(frontier.c.season, frontier.c.tournament, what, func.count())
            .where(_is_due(clock), or_(frontier.c.kind == "page", _month_reason() != "open"))
            .group_by(frontier.c.season, frontier.c.tournament, what)
            .order_by(frontier.c.season, frontier.c.tournament, what)
        ).all()
    found: dict[str, Counter[str]] = {}
    for season, tournament, reason, n in rows:
        found.setdefault(f"{season}|{tournament}", Counter())[reason] = n
    return found


def frontier_counts(engine: Engine) -> dict[str, int]:
    """How much of what is known was read, is due by the source's clock, waits for its time, or is done for good."""
    due = _is_due(select(func.max(months.c.site_time)).scalar_subquery())
    state = case(
        (due, "due"),
        (frontier.c.due_at.is_not(None), "waiting"),
        else_="done",
    )
    statement = (
        select(frontier.c.kind, state, func.count()).where(frontier.c.season_id > 0).group_by(frontier.c.kind, state)
    )
    counts = {f"{kind}s {state}": 0 for kind in ("month", "page") for state in ("due", "waiting", "done")}
    with unavailable_is_named(engine), engine.connect() as connection:
        counts |= {f"{kind}s {state}": n for kind, state, n in connection.execute(statement)}
    return counts


def _month_reason() -> ColumnElement[str]:
    """A month with an open match was given the very moment at which it was read."""
    is_open = and_(frontier.c.asked_at.is_not(None), frontier.c.due_at <= frontier.c.asked_at)
    return case((is_open, "open"), (frontier.c.reason == NEVER_READ, NEVER_READ), else_="revisit")


def _is_due(clock: Any) -> ColumnElement[bool]:
    return and_(frontier.c.season_id > 0, or_(frontier.c.reason.in_(AT_ONCE), frontier.c.due_at <= clock))
