"""A person's word that a result which the source lost is gone for good: annulled, say, with the club that was expelled.

No program may say so: a finished match that is not listed any more refuses its season. A withdrawn one leaves the
export and everything made of it, and its rows and history stay. Should the source list it again, it counts again, and
the word about it has ended.
"""

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, insert, select, tuple_, update

from match_assets.errors import DataError
from match_assets.source.records import Status
from match_assets.warehouse.database import in_transaction, unavailable_is_named
from match_assets.warehouse.gaps import Partition, is_withdrawn
from match_assets.warehouse.links import relink
from match_assets.warehouse.schema import matches, withdrawals
from match_assets.warehouse.settling import take_writer_lock


class Withdrawal(NamedTuple):
    """A match that a person withdrew, and why."""

    tournament: str
    season: str
    match_id: int
    home_team: str
    away_team: str
    kick_off_utc: dt.datetime
    reason: str
    withdrawn_at: dt.datetime


def withdraw(engine: Engine, match_id: int, reason: str) -> Partition:
    """Take a result that its source does not list any more out of the export.

    Args:
        engine: the warehouse.
        match_id: of a finished match that is missing.
        reason: for those who come after; not empty.

    Returns:
        The season that has changed by it.

    Raises:
        DataError: there is no such match, it is listed, it has no result, it has another id by now, or it is
            withdrawn already; nothing was changed.
        DependencyUnavailableError: PostgreSQL is away.
    """
    if not reason.strip():
        raise DataError(f"match {match_id}: a reason is needed, for those who come after", match_id=match_id)

    def work(connection: Connection) -> Partition:
        where = _require_lost(connection, match_id)
        connection.execute(insert(withdrawals).values(match_id=match_id, reason=reason.strip()))
        _look_again(connection, where)
        return where

    return in_transaction(engine, work)


def reinstate(engine: Engine, match_id: int) -> Partition:
    """End a withdrawal: the match is a lost result again.

    Returns:
        The season that has changed by it.

    Raises:
        DataError: the match is not withdrawn.
        DependencyUnavailableError: PostgreSQL is away.
    """

    def work(connection: Connection) -> Partition:
        take_writer_lock(connection)
        ended = connection.execute(
            update(withdrawals)
            .where(withdrawals.c.match_id == match_id, withdrawals.c.ended_at.is_(None))
            .values(ended_at=func.clock_timestamp())
        )
        if not ended.rowcount:
            raise DataError(f"match {match_id} is not withdrawn", match_id=match_id)
        held = select(matches.c.tournament, matches.c.season).where(matches.c.match_id == match_id)
        where = Partition(*connection.execute(held).one())
        _look_again(connection, where)
        return where

    return in_transaction(engine, work)


def withdrawn(engine: Engine, seasons: Collection[Partition] | None = None) -> list[Withdrawal]:
    """Results of some seasons, or of all, that are withdrawn and still not listed; by season, tournament and match."""
    columns = [matches.c[name] for name in Withdrawal._fields[:6]]
    statement = (
        select(*columns, withdrawals.c.reason, withdrawals.c.withdrawn_at)
        .join(withdrawals, withdrawals.c.match_id == matches.c.match_id)
        .where(is_withdrawn(), withdrawals.c.ended_at.is_(None))
        .order_by(matches.c.season, matches.c.tournament, matches.c.match_id)
    )
    if seasons is not None:
        statement = statement.where(tuple_(matches.c.tournament, matches.c.season).in_(list(seasons)))
    with unavailable_is_named(engine), engine.connect() as connection:
        return [Withdrawal._make(row) for row in connection.execute(statement)]


def _require_lost(connection: Connection, match_id: int) -> Partition:
    take_writer_lock(connection)
    names = ("tournament", "season", "status", "missing_since", "superseded_by")
    columns = [matches.c[name] for name in names]
    row = connection.execute(
        select(*columns, is_withdrawn().label("is_withdrawn")).where(matches.c.match_id == match_id)
    ).one_or_none()
    if row is None:
        raise DataError(f"match {match_id} is unknown: `match-assets source gaps` lists those that are lost")
    refusals = {
        "its source lists it: only what is lost can be withdrawn": row.missing_since is None,
        "it has no result, and is in no export since it is not listed": row.status != Status.FINISHED,
        f"it is match {row.superseded_by} by now, which counts": row.superseded_by is not None,
        "it is withdrawn already": row.is_withdrawn,
    }
    for why, applies in refusals.items():
        if applies:
            raise DataError(f"match {match_id}: {why}; nothing was changed", match_id=match_id)
    return Partition(row.tournament, row.season)


def _look_again(connection: Connection, where: Partition) -> None:
    """Bring the season's gaps to what now stands."""
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    relink(connection, where, now)
