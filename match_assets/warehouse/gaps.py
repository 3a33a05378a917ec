"""What is known to be missing or odd, by match and kind: counted and shown, never silently dropped."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, delete, select

from match_assets.warehouse import copying
from match_assets.warehouse.database import unavailable_is_named
from match_assets.warehouse.schema import gaps


class Partition(NamedTuple):
    """A season of a tournament."""

    tournament: str
    season: str


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


def replace_gaps(
    connection: Connection,
    where: Partition,
    match_ids: Iterable[int],
    *,
    kinds: tuple[str, ...],
    found: Mapping[tuple[int, str], str],
    seen_at: dt.datetime,
) -> None:
    """Make ``found`` the gaps of ``match_ids`` in ``kinds``; one that was known keeps the time it was first seen.

    Args:
        connection: inside the caller's transaction.
        where: the season the matches belong to.
        match_ids: matches that were looked at; gaps of others stay.
        kinds: kinds of gap that the look could have closed.
        found: (match id, kind) → reason.
        seen_at: when they were found.
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
        }
        for (match_id, kind), reason in sorted(found.items())
    ]
    copying.replace(
        connection, gaps, [row for row in rows if not _is_known(known.get((row["match_id"], row["kind"])), row)]
    )


def _is_known(held: Row[Any] | None, row: Mapping[str, Any]) -> bool:
    return held is not None and held._asdict() == row


def known_gaps(engine: Engine, tournament: str, season: str) -> list[Gap]:
    """Gaps of one season, by match and kind."""
    statement = (
        select(gaps.c.match_id, gaps.c.kind, gaps.c.reason, gaps.c.first_seen_at)
        .where(gaps.c.tournament == tournament, gaps.c.season == season)
        .order_by(gaps.c.match_id, gaps.c.kind)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [Gap(*row) for row in connection.execute(statement)]
