"""Incoming observations against what stands: the part that the site's pages and a person's files share.

Writers of matches take one advisory lock in turn: a batch lasts milliseconds, the site's pace leaves room for no more,
and neither deadlock nor lost update can arise. What stands is therefore read once, the verdict is given here, and
the rows are then written as they are to be.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Table, select, text

from match_assets.source.records import TeamStatistics
from match_assets.warehouse import copying, observed, schema
from match_assets.warehouse.observed import Observation, Verdict, WriteCounts

WRITER_LOCK = 6_242_002
# columns of a match or of its page that tell which of two observations stands
_TELLING = frozenset({"match_id", "statistics", "site_time", "observed_at", "content_hash"})
_FRESH = frozenset({"insert", "change"})


class Written(NamedTuple):
    """What became of a batch, and the matches whose content has just come to stand; ``new`` are those of them that are.

    Nothing refers to a ``new`` match of this table yet.
    """

    counts: WriteCounts
    fresh: frozenset[int]
    new: frozenset[int]


class _Judged(NamedTuple):
    """An observation that counts in its batch, what stood before it, and what becomes of it."""

    item: Observation
    held: Mapping[str, Any] | None
    verdict: Verdict


def take_writer_lock(connection: Connection) -> None:
    """Wait until no other transaction writes matches; given back when this one ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})


def current_rows(connection: Connection, table: Table, match_ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
    """The rows of ``table`` that stand, by match id."""
    rows = connection.execute(select(table).where(copying.among(table.c.match_id, match_ids))).mappings()
    return {row["match_id"]: dict(row) for row in rows}


def settle(connection: Connection, table: Table, surface: str, observations: Iterable[Observation]) -> Written:
    """Write those observations that are the newest of their match, and append new contents to the history.

    A content that is seen again writes only the time it was seen, which later tells a stale observation.
    """
    [written] = settle_each(connection, table, surface, [observations])
    return written


def settle_each(
    connection: Connection, table: Table, surface: str, batches: Sequence[Iterable[Observation]]
) -> list[Written]:
    """``settle`` for several batches that have no match in common: what stands is read once, and written once."""
    settled = [observed.newest(batch) for batch in batches]
    current = _standing(connection, table, [item.match_id for batch in settled for item in batch.standing])
    judged = [[_judged(item, current.get(item.match_id)) for item in batch.standing] for batch in settled]
    everything = sorted((one for batch in judged for one in batch), key=lambda one: one.item.match_id)
    _write(connection, table, surface, everything)
    return [_written(batch, ours) for batch, ours in zip(settled, judged, strict=True)]


def write_statistics(
    connection: Connection,
    teams: Mapping[int, Sequence[TeamStatistics]],
    *,
    new: Collection[int] = frozenset(),
) -> None:
    """Store the statistics of both sides of each match; a match without any keeps what it has.

    Args:
        connection: inside the caller's transaction, which holds the writers' lock.
        teams: statistics by match id.
        new: ids of those whose page has just come to stand for the first time, which cannot have any yet.
    """
    table = schema.match_stats
    names = [column.name for column in table.columns if column.name != "match_id"]
    told = attrgetter(*names)
    rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for match_id, sides in sorted(teams.items()):
        rows[match_id in new] += [dict(zip(names, told(team), strict=True), match_id=match_id) for team in sides]
    copying.append(connection, table, rows[True])
    copying.replace(connection, table, rows[False])


def write_team_names(connection: Connection, surface: str, names: Iterable[tuple[int, str, dt.datetime]]) -> None:
    """Add names (team id, name, when seen) that ``surface`` has not shown before."""
    first: dict[tuple[int, str], dt.datetime] = {}
    for team_id, name, moment in names:
        first[team_id, name] = min(moment, first.get((team_id, name), moment))
    rows = [
        {"team_id": team_id, "surface": surface, "name": name, "first_observed_at": moment}
        for (team_id, name), moment in sorted(first.items())
    ]
    copying.add(connection, schema.team_names, rows)


def _standing(connection: Connection, table: Table, match_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What tells which of two observations stands, of the rows that stand, by match id."""
    columns = [column for column in table.columns if column.name in _TELLING]
    names = [column.name for column in columns]
    rows = connection.execute(select(*columns).where(copying.among(table.c.match_id, match_ids)))
    found = (dict(zip(names, row, strict=True)) for row in rows)
    return {row["match_id"]: row for row in found}


def _judged(item: Observation, held: Mapping[str, Any] | None) -> _Judged:
    return _Judged(item, held, observed.verdict(held, item))


def _write(connection: Connection, table: Table, surface: str, judged: Sequence[_Judged]) -> None:
    """Rows by match id. The lock is ours: a match that was not there when we looked still is not, and goes by COPY."""
    new = [one.item for one in judged if one.verdict == "insert"]
    fresh = [one.item for one in judged if one.verdict in _FRESH]
    replaced = [one.item for one in judged if one.verdict == "change" or _is_seen_later(one)]
    copying.append(connection, table, [_row(item) for item in new])
    copying.replace(connection, table, [_row(item) for item in replaced], keep=("attempts",))
    copying.append(connection, schema.observations, [_history(item, surface) for item in fresh])


def _is_seen_later(one: _Judged) -> bool:
    return one.verdict == "seen again" and one.held is not None and one.item.order > observed.order(one.held)


def _written(batch: observed.Settled, judged: Sequence[_Judged]) -> Written:
    became = Counter(one.verdict for one in judged)
    counts = WriteCounts(
        inserted=became["insert"],
        changed=became["change"],
        unchanged=became["seen again"],
        stale=became["stale"],
        duplicates=batch.n_duplicates,
        contested=batch.n_contested + sum(observed.is_contested(one.held, one.item) for one in judged),
    )
    new = frozenset(one.item.match_id for one in judged if one.verdict == "insert")
    changed = (one.item.match_id for one in judged if one.verdict == "change")
    return Written(counts, new.union(changed), new)


def _row(item: Observation) -> dict[str, Any]:
    return {
        "match_id": item.match_id,
        "site_time": item.site_time,
        "observed_at": item.observed_at,
        "content_hash": item.content_hash,
        **item.row,
    }


def _history(item: Observation, surface: str) -> dict[str, Any]:
    return {
        "match_id": item.match_id,
        "surface": surface,
        "site_time": item.site_time,
        "observed_at": item.observed_at,
        "content_hash": item.content_hash,
        "content": msgspec.Raw(item.document),
    }
