"""Incoming observations against what stands: the part that the site's pages and a person's files share.

Writers of matches take one advisory lock in turn: a batch lasts milliseconds, the site's pace leaves room for no more,
and neither deadlock nor lost update can arise. What stands is therefore read once, the verdict is given here, and
the rows are then written as they are to be.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Table, select, text

from match_assets.source.records import TeamStatistics
from match_assets.warehouse import copying, observed, schema
from match_assets.warehouse.observed import Observation, WriteCounts

WRITER_LOCK = 6_242_002


class Written(NamedTuple):
    """What became of a batch, and the matches whose content has just come to stand."""

    counts: WriteCounts
    fresh: frozenset[int]


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
    settled = observed.newest(observations)
    current = current_rows(connection, table, [item.match_id for item in settled.standing])
    verdicts = [(item, observed.verdict(current.get(item.match_id), item)) for item in settled.standing]
    fresh = [item for item, decided in verdicts if decided in ("insert", "change")]
    again = [item for item, decided in verdicts if decided == "seen again"]
    later = [item for item in again if item.order > observed.order(current[item.match_id])]
    copying.replace(connection, table, [_row(item) for item in (*fresh, *later)], keep=("attempts",))
    copying.append(connection, schema.observations, [_history(item, surface) for item in fresh])
    counts = WriteCounts(
        inserted=sum(decided == "insert" for _, decided in verdicts),
        changed=sum(decided == "change" for _, decided in verdicts),
        unchanged=len(again),
        stale=sum(decided == "stale" for _, decided in verdicts),
        duplicates=settled.n_duplicates,
        contested=settled.n_contested
        + sum(observed.is_contested(current.get(item.match_id), item) for item in settled.standing),
    )
    return Written(counts, frozenset(item.match_id for item in fresh))


def write_statistics(connection: Connection, teams: Mapping[int, Sequence[TeamStatistics]]) -> None:
    """Store the statistics of both sides of each match; a match without any keeps what it has."""
    table = schema.match_stats
    names = [column.name for column in table.columns if column.name != "match_id"]
    rows = [
        {"match_id": match_id, **{name: getattr(team, name) for name in names}}
        for match_id, sides in sorted(teams.items())
        for team in sides
    ]
    copying.replace(connection, table, rows)


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
        "content": msgspec.to_builtins(item.content),
    }
