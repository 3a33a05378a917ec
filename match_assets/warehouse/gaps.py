"""What is known to be missing or odd, by match and kind: counted and shown, never silently dropped."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, delete, select, tuple_

from match_assets.warehouse import copying
from match_assets.warehouse.database import unavailable_is_named
from match_assets.warehouse.schema import gaps, matches, stages, withdrawals


class Partition(NamedTuple):
    """A season of a tournament."""

    tournament: str
    season: str


class Place(NamedTuple):
    """The feed of a stage's month."""

    stage_id: int
    feed_month: str


class Gap(NamedTuple):
    """One known gap of a match.

    ``kind`` is ``statistics`` (its page has none), ``missing`` (listed no more), ``quarantined`` (of a status that this
    version does not know), ``disagreement`` (page and calendar show different scores) or ``other source`` (a file has
    another result than the site).
    """

    match_id: int
    kind: str
    reason: str
    first_seen_at: dt.datetime


class GapOfMatch(NamedTuple):
    """One known gap, with the match as far as it was ever stored."""

    tournament: str
    season: str
    match_id: int
    kind: str
    reason: str
    first_seen_at: dt.datetime
    home_team: str | None
    away_team: str | None
    kick_off_utc: dt.datetime | None


def replace_gaps(
    connection: Connection,
    where: Partition,
    match_ids: Iterable[int],
    *,
    kinds: tuple[str, ...],
    found: Mapping[tuple[int, str], str],
    seen_at: dt.datetime,
    places: Mapping[int, Place] = MappingProxyType({}),
) -> None:
    """Make ``found`` the gaps of ``match_ids`` in ``kinds``; one that was known keeps the time it was first seen.

    Args:
        connection: inside the caller's transaction.
        where: the season the matches belong to.
        match_ids: matches that were looked at; gaps of others stay.
        kinds: kinds of gap that the look could have closed.
        found: (match id, kind) → reason.
        seen_at: when they were found.
        places: which feed lists the match; only of those that are not known by their row alone.
    """
    statement = select(gaps).where(copying.among(gaps.c.match_id, match_ids), gaps.c.kind.in_(kinds))
    known = {(row.match_id, row.kind): row for row in connection.execute(statement)}
    for match_id, kind in sorted(set(known) - set(found)):
        connection.execute(delete(gaps).where(gaps.c.match_id == match_id, gaps.c.kind == kind))
    rows: list[dict[str, Any]] = [
        {
            "match_id": match_id,
            "kind": kind,
            "tournament": where.tournament,
            "season": where.season,
            "reason": reason,
            "first_seen_at": known[match_id, kind].first_seen_at if (match_id, kind) in known else seen_at,
            "stage_id": places[match_id].stage_id if match_id in places else None,
            "feed_month": places[match_id].feed_month if match_id in places else None,
        }
        for (match_id, kind), reason in sorted(found.items())
    ]
    copying.replace(
        connection, gaps, [row for row in rows if not _is_known(known.get((row["match_id"], row["kind"])), row)]
    )


def _is_known(held: Row[Any] | None, row: Mapping[str, Any]) -> bool:
    return held is not None and held._asdict() == row


def quarantined_of(connection: Connection, season_id: int) -> dict[int, Place]:
    """Matches of one of the site's seasons whose status is unknown, and the feed that listed each last."""
    statement = (
        select(gaps.c.match_id, gaps.c.stage_id, gaps.c.feed_month)
        .join(stages, stages.c.stage_id == gaps.c.stage_id)
        .where(gaps.c.kind == "quarantined", stages.c.season_id == season_id)
        .order_by(gaps.c.match_id)
    )
    return {match_id: Place(*place) for match_id, *place in connection.execute(statement)}


def is_withdrawn() -> ColumnElement[bool]:
    """A match that is not listed any more, and of which a person said that it is gone for good."""
    standing = select(withdrawals.c.match_id).where(
        withdrawals.c.match_id == matches.c.match_id, withdrawals.c.ended_at.is_(None)
    )
    return and_(matches.c.missing_since.is_not(None), standing.correlate_except(withdrawals).exists())


def known_gaps(engine: Engine, tournament: str, season: str) -> list[Gap]:
    """Gaps of one season, by match and kind."""
    statement = (
        select(gaps.c.match_id, gaps.c.kind, gaps.c.reason, gaps.c.first_seen_at)
        .where(gaps.c.tournament == tournament, gaps.c.season == season)
        .order_by(gaps.c.match_id, gaps.c.kind)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [Gap(*row) for row in connection.execute(statement)]


def gaps_of(engine: Engine, seasons: Collection[Partition] | None = None) -> list[GapOfMatch]:
    """Gaps of some seasons, or of all, by season, tournament, match and kind."""
    held = {gaps: GapOfMatch._fields[:6], matches: GapOfMatch._fields[6:]}
    statement = (
        select(*(table.c[name] for table, names in held.items() for name in names))
        .select_from(gaps.outerjoin(matches, matches.c.match_id == gaps.c.match_id))
        .order_by(gaps.c.season, gaps.c.tournament, gaps.c.match_id, gaps.c.kind)
    )
    if seasons is not None:
        statement = statement.where(tuple_(gaps.c.tournament, gaps.c.season).in_(list(seasons)))
    with unavailable_is_named(engine), engine.connect() as connection:
        return [GapOfMatch._make(row) for row in connection.execute(statement)]
