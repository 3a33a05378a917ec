"""Replay-safe writing: any batch, any number of times, in any order, ends in the newest observation of each key.

Each public function is one transaction. What the site is to be asked for next (``due_at``) and which matches are others
under a new id are worked out in the transaction that changes what they depend on.
"""

import datetime as dt
import gzip
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert, select

from match_assets.killpoint import killpoint
from match_assets.source.records import SETTLED_STATUSES, MonthFeed, SeasonLink, StageLink, TournamentLink
from match_assets.warehouse import copying, observed, schema, visits
from match_assets.warehouse.database import in_transaction
from match_assets.warehouse.due import REVISIT_DAYS, month_due, page_due
from match_assets.warehouse.gaps import Partition, Place, quarantined_of, replace_gaps
from match_assets.warehouse.links import relink
from match_assets.warehouse.observed import Observation, PageObservation, WriteCounts
from match_assets.warehouse.settling import current_rows, settle, take_writer_lock, write_statistics, write_team_names

# columns of a page that tell of asking for it, and its key
_ATTEMPT = ("match_id", "attempts", "asked_at", "asked_site_time", "feed_home_score", "feed_away_score", "due_at")


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
    row = {
        "tournament": tournament,
        "region_id": link.region_id,
        "tournament_id": link.tournament_id,
        "region_name": link.region_name,
        "name": link.name,
        "url": link.url,
        "observed_at": observed_at,
    }
    rows = [
        {
            "season_id": season.season_id,
            "tournament": tournament,
            "season": season.key,
            "name": season.name,
            "url": season.url,
            "observed_at": observed_at,
        }
        for season in seasons
    ]

    def work(connection: Connection) -> None:
        copying.replace(connection, schema.tournaments, [row], newest_by=("observed_at", "name", "url"))
        copying.replace(connection, schema.seasons, rows, newest_by=("observed_at", "season", "name", "url"))
        killpoint("tournament.before_commit")

    in_transaction(engine, work)
    killpoint("tournament.after_commit")


def write_season(engine: Engine, batch: SeasonBatch) -> WriteCounts:
    """Store one visit to a season: all of it or nothing."""
    return apply_visit(engine, batch, None)


def apply_visit(
    engine: Engine, batch: SeasonBatch, visit_id: int | None, *, revisit_days: Sequence[int] = REVISIT_DAYS
) -> WriteCounts:
    """Store one visit to a season, all of it or nothing, and end the visit in the same transaction.

    Args:
        engine: the warehouse.
        batch: what the visit saw.
        visit_id: the visit of which nothing is left to do after this; ``None`` where it goes on.
        revisit_days: days after kick-off at which a month is to be asked again.
    """
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
    where = Partition(batch.tournament, batch.season)

    def work(connection: Connection) -> WriteCounts:
        take_writer_lock(connection)
        _write_calendar(connection, batch)
        _write_teams(connection, incoming)
        gone = [
            observed.missing_observation(row, site_time=batch.site_time, observed_at=batch.observed_at)
            for row in current_rows(connection, schema.matches, batch.missing).values()
        ]
        counts = settle(connection, schema.matches, "feed", [*incoming, *gone]).counts
        relink(connection, where, batch.observed_at)
        _quarantine(connection, where, batch, [*(item.match_id for item in incoming), *batch.missing])
        _plan_months(connection, batch, revisit_days)
        if visit_id is not None:
            visits.close(connection, visit_id)
        killpoint("season.before_commit")
        return counts

    counts = in_transaction(engine, work)
    killpoint("season.after_commit")
    return counts


def write_pages(
    engine: Engine,
    tournament: str,
    season: str,
    pages: Sequence[PageObservation],
    *,
    revisit_days: Sequence[int] = REVISIT_DAYS,
) -> WriteCounts:
    """Store match pages with their statistics.

    A page without statistics never takes away those that an earlier one had: absence of a match centre is no news
    about the match. It counts as one more attempt.

    Args:
        engine: the warehouse.
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        pages: as read, of matches that the warehouse knows.
        revisit_days: days after kick-off at which a page is to be asked for again.
    """
    told = [(page, observed.page_observation(page)) for page in pages]

    def work(connection: Connection) -> WriteCounts:
        take_writer_lock(connection)
        written = settle(connection, schema.match_pages, "match_page", [item for _, item in told])
        _count_attempts(connection, pages, revisit_days)
        rows = current_rows(connection, schema.match_pages, _ids(pages))
        _write_page_teams(
            connection,
            {
                item.match_id: page
                for page, item in told
                if item.match_id in written.fresh
                and page.teams
                and item.content_hash == rows[item.match_id]["content_hash"]
            },
            new=written.new,
        )
        moment = max((page.observed_at for page in pages), default=observed.EPOCH)
        replace_gaps(
            connection,
            Partition(tournament, season),
            rows,
            kinds=("statistics", "disagreement"),
            found=_page_gaps(rows),
            seen_at=moment,
        )
        killpoint("pages.before_commit")
        return written.counts

    counts = in_transaction(engine, work)
    killpoint("pages.after_commit")
    return counts


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
        for calendar in batch.stages
    ]
    copying.replace(connection, schema.stages, stages, newest_by=("observed_at", "name", "url", "days"))
    months = [
        {
            "stage_id": month.feed.stage_id,
            "month": month.feed.month,
            "site_time": month.feed.site_time,
            "observed_at": month.observed_at,
            "n_matches": len(month.feed.matches),
        }
        for month in batch.months
    ]
    copying.replace(connection, schema.months, months, newest_by=("observed_at", "n_matches"))


def _plan_months(connection: Connection, batch: SeasonBatch, revisit_days: Sequence[int]) -> None:
    """Set from when each month read is due again; a match that moved changes two months, so all are looked at."""
    held = schema.matches
    listed: dict[tuple[int, str], list[tuple[dt.datetime, bool]]] = defaultdict(list)
    for row in connection.execute(
        select(held.c.stage_id, held.c.feed_month, held.c.kick_off_utc, held.c.status).where(
            held.c.season_id == batch.season_id, held.c.missing_since.is_(None), held.c.superseded_by.is_(None)
        )
    ):
        listed[row.stage_id, row.feed_month].append((row.kick_off_utc, row.status in SETTLED_STATUSES))
    # a match of an unknown status is an open one: the next version or the site itself may make a result of it
    open_months = set(quarantined_of(connection, batch.season_id).values())
    planned = []
    of_season = select(schema.stages.c.stage_id).where(schema.stages.c.season_id == batch.season_id)
    for row in connection.execute(select(schema.months).where(schema.months.c.stage_id.in_(of_season))):
        here = listed[row.stage_id, row.month]
        ended = [kick_off for kick_off, is_over in here if is_over]
        asked_at = row.site_time or batch.site_time
        n_open = len(here) - len(ended) + ((row.stage_id, row.month) in open_months)
        due_at = month_due(ended, n_open, asked_at, revisit_days, month=row.month)
        if due_at != row.due_at:
            planned.append({"stage_id": row.stage_id, "month": row.month, "due_at": due_at})
    copying.change(connection, schema.months, planned)


def _write_teams(connection: Connection, observations: Sequence[Observation]) -> None:
    """Each team under the name that the feed shows last, and every name it ever showed."""
    shown = {
        (item.content[f"{side}_team_id"], item.content[f"{side}_team"], item.observed_at)
        for item in observations
        for side in ("home", "away")
    }
    rows = [{"team_id": team_id, "name": name, "observed_at": moment} for team_id, name, moment in sorted(shown)]
    copying.replace(connection, schema.teams, rows, newest_by=("observed_at", "name"))
    write_team_names(connection, "feed", shown)


def _count_attempts(connection: Connection, pages: Sequence[PageObservation], revisit_days: Sequence[int]) -> None:
    """One more attempt for each page and the result it was read for; a replayed batch counts once."""
    rows = {match_id: dict(row) for match_id, row in current_rows(connection, schema.match_pages, _ids(pages)).items()}
    kick_offs = {
        match_id: row["kick_off_utc"] for match_id, row in current_rows(connection, schema.matches, _ids(pages)).items()
    }
    counted = set()
    for page in sorted(pages, key=lambda page: (page.match_id, page.observed_at)):
        row = rows[page.match_id]
        if row["asked_at"] is not None and row["asked_at"] >= page.observed_at:
            continue
        counted.add(page.match_id)
        row |= {
            "attempts": row["attempts"] + 1,
            "asked_at": page.observed_at,
            "asked_site_time": page.site_time,
            "feed_home_score": page.feed_score[0],
            "feed_away_score": page.feed_score[1],
        }
        row["due_at"] = page_due(
            kick_offs[page.match_id],
            page.site_time,
            revisit_days,
            has_statistics=row["statistics"] == observed.PRESENT,
            attempts=row["attempts"],
        )
    copying.change(
        connection, schema.match_pages, [{name: rows[key][name] for name in _ATTEMPT} for key in sorted(counted)]
    )


def _write_page_teams(connection: Connection, standing: Mapping[int, PageObservation], *, new: Collection[int]) -> None:
    write_statistics(connection, {match_id: page.teams for match_id, page in standing.items()}, new=new)
    names = {(team.team_id, team.name, page.observed_at) for page in standing.values() for team in page.teams}
    write_team_names(connection, "match_centre", names)


def _ids(pages: Sequence[PageObservation]) -> list[int]:
    return [page.match_id for page in pages]


def _quarantine(connection: Connection, where: Partition, batch: SeasonBatch, others: Iterable[int]) -> None:
    """Mark matches of an unknown status, each with the feed that lists it; ``others`` were seen to be no such ones."""
    found, places = {}, {}
    for month in batch.months:
        for match_id, status in month.feed.quarantined.items():
            found[match_id, "quarantined"] = f"status {status} is unknown to this version"
            places[match_id] = Place(month.feed.stage_id, month.feed.month)
    replace_gaps(
        connection,
        where,
        [*others, *places],
        kinds=("quarantined",),
        found=found,
        seen_at=batch.observed_at,
        places=places,
    )


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
