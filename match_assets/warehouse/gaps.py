"""What is known to be missing or odd, by match and kind: counted and shown, never silently dropped."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from match_assets.warehouse.database import unavailable_is_named
from match_assets.warehouse.schema import gaps


class Partition(NamedTuple):
    """A season of a tournament."""

    tournament: str
    season: str


class Gap(NamedTuple):
    """One known gap; ``kind`` is statistics, missing, quarantined or disagreement."""

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
    known = connection.execute(
        select(gaps.c.match_id, gaps.c.kind).where(gaps.c.match_id.in_(sorted(set(match_ids))), gaps.c.kind.in_(kinds))
    )
    for match_id, kind in sorted({(row.match_id, row.kind) for row in known} - set(found)):
        connection.execute(delete(gaps).where(gaps.c.match_id == match_id, gaps.c.kind == kind))
    rows: list[dict[str, Any]] = [
        {
            "match_id": match_id,
            "kind": kind,
            "tournament": where.tournament,
            "season": where.season,
            "reason": reason,
            "first_seen_at": seen_at,
        }
        for (match_id, kind), reason in sorted(found.items())
    ]
    if rows:
        statement = upsert(gaps)
        replaced = {name: statement.excluded[name] for name in ("reason", "tournament", "season")}
        connection.execute(
            statement.on_conflict_do_update(index_elements=[gaps.c.match_id, gaps.c.kind], set_=replaced), rows
        )


def known_gaps(engine: Engine, tournament: str, season: str) -> list[Gap]:
    """Gaps of one season, by match and kind."""
    statement = (
        select(gaps.c.match_id, gaps.c.kind, gaps.c.reason, gaps.c.first_seen_at)
        .where(gaps.c.tournament == tournament, gaps.c.season == season)
        .order_by(gaps.c.match_id, gaps.c.kind)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [Gap(*row) for row in connection.execute(statement)]
