"""Replay-safe writing: any batch, any number of times, in any order, ends in the newest observation of each key.

Each public function is one transaction over rows sorted by key. Writers of matches take one advisory lock in turn: a
batch lasts milliseconds, the site's pace leaves room for no more, and neither deadlock nor lost update can arise. A
content that is seen again writes only the time it was seen, which later tells a stale observation.
"""

import datetime as dt
import gzip
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, bindparam, delete, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from match_assets.source.records import MonthFeed, SeasonLink, StageLink, TournamentLink
from match_assets.warehouse import observed, schema
from match_assets.warehouse.database import in_transaction
from match_assets.warehouse.gaps import Partition, replace_gaps
from match_assets.warehouse.observed import Observation, PageObservation, WriteCounts

_WRITER_LOCK = 6_242_002

_OWN_COLUMNS = ("match_id", "site_time", "observed_at", "content_hash")


class Fetch(msgspec.Struct, frozen=True):
    """One request to the source and how it ended; ``body`` is kept as evidence only where it is given."""

    requested_at: dt.datetime
    url: str
    outcome: str
    http_status: int | None
    n_bytes: int
    duration_seconds: float
    sha256: str | None = None
    detail: str = ""
    body: bytes | None = None


class StageCalendar(msgspec.Struct, frozen=True):
    """A stage and the match days its season page names."""

    stage: StageLink
    days: tuple[dt.date, ...]


class ObservedMonth(msgspec.Struct, frozen=True):
    """A month's feed and when it was asked for."""

    feed: MonthFeed
    observed_at: dt.datetime


class SeasonBatch(msgspec.Struct, frozen=True):
    """What one visit to a season saw: stages, months, and matches that the calendar no longer lists."""

    tournament: str
    season: str
    season_id: int
    stages: tuple[StageCalendar, ...]
    months: tuple[ObservedMonth, ...]
    missing: tuple[int, ...]
    site_time: dt.datetime
    observed_at: dt.datetime


def write_tournament(
    engine: Engine, tournament: str, link: TournamentLink, seasons: Sequence[SeasonLink], observed_at: dt.datetime
) -> None:
    """Store a tournament and its seasons as the catalogue lists them; seasons no longer listed stay."""

    def work(connection: Connection) -> None:
        _upsert(
            connection,
            schema.tournaments,
            [
                {
                    "tournament": tournament,
                    "region_id": link.region_id,
                    "tournament_id": link.tournament_id,
                    "region_name": link.region_name,
                    "name": link.name,
                    "url": link.url,
                    "observed_at": observed_at,
                }
            ],
        )
        rows = [
            {
                "season_id": season.season_id,
                "tournament": tournament,
                "season": season.key,
                "name": season.name,
                "url": season.url,
                "observed_at": observed_at,
            }
            for season in sorted(seasons, key=lambda season: season.season_id)
        ]
        _upsert(connection, schema.seasons, rows)

    in_transaction(engine, work)


def write_season(engine: Engine, batch: SeasonBatch) -> WriteCounts:
    """Store one visit to a season: all of it or nothing."""
    incoming = [
        observed.match_observation(
            match,
            tournament=batch.tournament,
            season=batch.season,
            season_id=batch.season_id,
            month=month.feed.month,
            site_time=month.feed.site_time or batch.site_time,
            observed_at=month.observed_at,
        )
        for month in batch.months
        for match in month.feed.matches
    ]

    def work(connection: Connection) -> WriteCounts:
        _take_writer_lock(connection)
        _write_calendar(connection, batch)
        _write_teams(connection, incoming)
        gone = [
            observed.missing_observation(row, site_time=batch.site_time, observed_at=batch.observed_at)
            for row in _current(connection, schema.matches, batch.missing).values()
        ]
        counts = _write_observations(connection, schema.matches, "feed", [*incoming, *gone])
        listed = [match.match_id for month in batch.months for match in month.feed.matches]
        where = Partition(batch.tournament, batch.season)
        replace_gaps(
            connection,
            where,
            (*listed, *batch.missing),
            kinds=("missing", "quarantined"),
            found=_season_gaps(batch),
            seen_at=batch.observed_at,
        )
        return counts

    return in_transaction(engine, work)


def write_pages(engine: Engine, tournament: str, season: str, pages: Sequence[PageObservation]) -> WriteCounts:
    """Store match pages with their statistics.

    A page without statistics never takes away those that an earlier one had: absence of a match centre is no news
    about the match. It counts as one more attempt.
    """

    def work(connection: Connection) -> WriteCounts:
        _take_writer_lock(connection)
        current = _current(connection, schema.match_pages, [page.match_id for page in pages])
        kept = [page for page in pages if page.teams or not _has_statistics(current.get(page.match_id))]
        counts = _write_observations(connection, schema.match_pages, "match_page", map(observed.page_observation, kept))
        _count_attempts(connection, pages)
        _write_statistics(connection, kept)
        rows = _current(connection, schema.match_pages, [page.match_id for page in pages])
        moment = max((page.observed_at for page in pages), default=observed.EPOCH)
        replace_gaps(
            connection,
            Partition(tournament, season),
            rows,
            kinds=("statistics", "disagreement"),
            found=_page_gaps(rows),
            seen_at=moment,
        )
        return counts

    return in_transaction(engine, work)


def write_fetches(engine: Engine, fetches: Sequence[Fetch]) -> None:
    """Append to the log of requests."""
    rows = [
        {
            **{name: value for name, value in msgspec.structs.asdict(fetch).items() if name != "body"},
            "evidence": gzip.compress(fetch.body, mtime=0) if fetch.body is not None else None,
        }
        for fetch in fetches
    ]
    if rows:
        in_transaction(engine, lambda connection: connection.execute(insert(schema.fetches), rows))


def _take_writer_lock(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})


def _upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert, or replace what an earlier observation wrote."""
    if not rows:
        return
    statement = upsert(table)
    replaced = {name: statement.excluded[name] for name in rows[0] if not table.c[name].primary_key}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_=replaced,
            where=table.c.observed_at <= statement.excluded.observed_at,
        ),
        list(rows),
    )


def _current(connection: Connection, table: Table, match_ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
    rows = connection.execute(select(table).where(table.c.match_id.in_(sorted(set(match_ids))))).mappings()
    return {row["match_id"]: dict(row) for row in rows}


def _write_observations(
    connection: Connection, table: Table, surface: str, observations: Iterable[Observation]
) -> WriteCounts:
    """Settle ``observations`` against ``table`` and append those that became current to the history."""
    standing, n_duplicates = observed.newest(observations)
    current = _current(connection, table, [observation.match_id for observation in standing])
    verdicts = {item.match_id: observed.verdict(current.get(item.match_id), item) for item in standing}
    chosen = {kind: [item for item in standing if verdicts[item.match_id] == kind] for kind in set(verdicts.values())}
    inserted, changed = chosen.get("insert", []), chosen.get("change", [])
    if inserted:
        connection.execute(insert(table), [_row(item) for item in inserted])
    if changed:
        _update(connection, table, [_row(item) for item in changed])
    if repeated := chosen.get("seen again"):
        later = [item for item in repeated if item.order > _order(current[item.match_id])]
        seen_columns = ("match_id", "site_time", "observed_at", *(("feed_month",) if table is schema.matches else ()))
        _update(connection, table, [{name: _row(item)[name] for name in seen_columns} for item in later])
    if inserted or changed:
        connection.execute(insert(schema.observations), [_history(item, surface) for item in (*inserted, *changed)])
    stale = len(chosen.get("stale", ()))
    return WriteCounts(
        len(inserted), len(changed), len(standing) - len(inserted) - len(changed) - stale, stale, n_duplicates
    )


def _row(item: Observation) -> dict[str, Any]:
    return {
        "match_id": item.match_id,
        "site_time": item.site_time,
        "observed_at": item.observed_at,
        "content_hash": item.content_hash,
        **item.row,
    }


def _order(row: Mapping[str, Any]) -> tuple[dt.datetime, dt.datetime, str]:
    return (row["site_time"], row["observed_at"], row["content_hash"])


def _update(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    names = [name for name in rows[0] if name not in ("match_id", "attempts")]
    connection.execute(
        update(table)
        .where(table.c.match_id == bindparam("key_match_id"))
        .values({name: bindparam(f"new_{name}") for name in names}),
        [{"key_match_id": row["match_id"], **{f"new_{name}": row[name] for name in names}} for row in rows],
    )


def _history(item: Observation, surface: str) -> dict[str, Any]:
    own = {name: value for name, value in _row(item).items() if name in _OWN_COLUMNS}
    return {**own, "surface": surface, "content": msgspec.to_builtins(item.content)}


def _write_calendar(connection: Connection, batch: SeasonBatch) -> None:
    stages = [
        {
            "stage_id": calendar.stage.stage_id,
            "season_id": batch.season_id,
            "name": calendar.stage.name,
            "url": calendar.stage.url,
            "days": [day.isoformat() for day in calendar.days],
            "observed_at": batch.observed_at,
        }
        for calendar in sorted(batch.stages, key=lambda calendar: calendar.stage.stage_id)
    ]
    _upsert(connection, schema.stages, stages)
    months = [
        {
            "stage_id": month.feed.stage_id,
            "month": month.feed.month,
            "site_time": month.feed.site_time,
            "observed_at": month.observed_at,
            "n_matches": len(month.feed.matches),
        }
        for month in sorted(batch.months, key=lambda month: (month.feed.stage_id, month.feed.month))
    ]
    _upsert(connection, schema.months, months)


def _write_teams(connection: Connection, observations: Sequence[Observation]) -> None:
    """Each team under the name that the feed shows last, and every name it ever showed."""
    shown: dict[int, tuple[dt.datetime, str]] = {}
    for item in observations:
        for side in ("home", "away"):
            team_id, name = item.content[f"{side}_team_id"], item.content[f"{side}_team"]
            shown[team_id] = max(shown.get(team_id, (item.observed_at, name)), (item.observed_at, name))
    rows = [
        {"team_id": team_id, "name": name, "observed_at": moment} for team_id, (moment, name) in sorted(shown.items())
    ]
    _upsert(connection, schema.teams, rows)
    _write_team_names(connection, "feed", {(team_id, name, moment) for team_id, (moment, name) in shown.items()})


def _write_team_names(connection: Connection, surface: str, names: Iterable[tuple[int, str, dt.datetime]]) -> None:
    rows = [
        {"team_id": team_id, "surface": surface, "name": name, "first_observed_at": moment}
        for team_id, name, moment in sorted(names)
    ]
    if rows:
        connection.execute(upsert(schema.team_names).on_conflict_do_nothing(), rows)


def _has_statistics(row: Mapping[str, Any] | None) -> bool:
    return row is not None and row["statistics"] == observed.PRESENT


def _count_attempts(connection: Connection, pages: Sequence[PageObservation]) -> None:
    """One more attempt for each page and the result it was read for; a replayed batch counts once."""
    rows = [
        {
            "key_match_id": page.match_id,
            "new_home": page.feed_score[0],
            "new_away": page.feed_score[1],
            "new_asked_at": page.observed_at,
            "new_site_time": page.site_time,
        }
        for page in sorted(pages, key=lambda page: (page.match_id, page.observed_at))
    ]
    if not rows:
        return
    table = schema.match_pages
    is_later = or_(table.c.asked_at.is_(None), table.c.asked_at < bindparam("new_asked_at"))
    connection.execute(
        update(table)
        .where(table.c.match_id == bindparam("key_match_id"), is_later)
        .values(
            attempts=table.c.attempts + 1,
            asked_at=bindparam("new_asked_at"),
            asked_site_time=bindparam("new_site_time"),
            feed_home_score=bindparam("new_home"),
            feed_away_score=bindparam("new_away"),
        ),
        rows,
    )


def _write_statistics(connection: Connection, pages: Sequence[PageObservation]) -> None:
    """Replace the statistics of those pages that stand now; a stale page's are dropped."""
    current = _current(connection, schema.match_pages, [page.match_id for page in pages])
    standing = {
        page.match_id: page
        for page in pages
        if page.teams and observed.page_observation(page).content_hash == current[page.match_id]["content_hash"]
    }
    if not standing:
        return
    teams = [(match_id, team) for match_id, page in sorted(standing.items()) for team in page.teams]
    _write_team_names(
        connection,
        "match_centre",
        {(team.team_id, team.name, standing[match_id].observed_at) for match_id, team in teams},
    )
    table = schema.match_stats
    connection.execute(delete(table).where(table.c.match_id.in_(sorted(standing))))
    columns = [column.name for column in table.columns if column.name != "match_id"]
    connection.execute(
        insert(table),
        [{"match_id": match_id, **{name: getattr(team, name) for name in columns}} for match_id, team in teams],
    )


def _season_gaps(batch: SeasonBatch) -> dict[tuple[int, str], str]:
    gaps = {(match_id, "missing"): "no longer in the calendar" for match_id in batch.missing}
    for month in batch.months:
        for match_id, status in month.feed.quarantined.items():
            gaps[match_id, "quarantined"] = f"status {status} is unknown to this version"
    return gaps


def _page_gaps(rows: Mapping[int, Mapping[str, Any]]) -> dict[tuple[int, str], str]:
    gaps: dict[tuple[int, str], str] = {}
    for match_id, row in rows.items():
        if row["statistics"] != observed.PRESENT:
            gaps[match_id, "statistics"] = row["statistics"]
        page_score, feed_score = (
            (row["home_score"], row["away_score"]),
            (row["feed_home_score"], row["feed_away_score"]),
        )
        if None not in page_score and page_score != feed_score:
            gaps[match_id, "disagreement"] = (
                f"the match page says {page_score[0]}-{page_score[1]}, the calendar {feed_score[0]}-{feed_score[1]}"
            )
    return gaps
