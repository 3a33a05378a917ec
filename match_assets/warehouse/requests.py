"""Scrapes that were asked for over HTTP: one row each, from ``requested`` to ``done`` or ``failed``.

The service writes rows and reads them; the orchestrator's sensor turns each into one run and writes down how it goes.
Neither knows the other. This module imports nothing else of the warehouse but schema and connection, so that the service
can use it and still know nothing of ingestion.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from match_assets.warehouse.database import in_transaction, unavailable_is_named
from match_assets.warehouse.schema import scrape_requests, seasons

State = Literal["requested", "running", "done", "failed"]
OPEN: tuple[State, ...] = ("requested", "running")
LONGEST_DETAIL = 2000
# one submission at a time: looking for an open request, counting and writing are one step
SUBMIT_LOCK = 0x5C8A9E


@dataclass(frozen=True)
class ScrapeRequest:
    """A scrape of one season that somebody asked for; ``run_id`` names the orchestrator's run that serves it."""

    request_id: str
    tournament: str
    season: str
    reason: str
    state: State
    run_id: str | None
    detail: str
    requested_at: dt.datetime
    updated_at: dt.datetime

    @property
    def partition_key(self) -> str:
        """``season|tournament``, as the store and the command line spell it."""
        return f"{self.season}|{self.tournament}"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in OPEN


def submit(engine: Engine, tournament: str, season: str, reason: str, *, max_open: int) -> ScrapeRequest | None:
    """Ask for a season; the request that is still open for it, if there is one, is the answer.

    Args:
        engine: the warehouse.
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        reason: what the caller says, for people.
        max_open: how many requests may be open at once.

    Returns:
        The request, or ``None`` when ``max_open`` others are open.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """

    def work(connection: Connection) -> ScrapeRequest | None:
        connection.execute(select(func.pg_advisory_xact_lock(SUBMIT_LOCK)))
        is_open = scrape_requests.c.state.in_(OPEN)
        same = select(scrape_requests).where(
            is_open, scrape_requests.c.tournament == tournament, scrape_requests.c.season == season
        )
        if (found := connection.execute(same).mappings().one_or_none()) is not None:
            return _request(found)
        n_open = connection.execute(select(func.count()).select_from(scrape_requests).where(is_open)).scalar_one()
        if n_open >= max_open:
            return None
        values = {"request_id": uuid.uuid4().hex, "tournament": tournament, "season": season, "reason": reason}
        written = insert(scrape_requests).values(values).returning(scrape_requests)
        return _request(connection.execute(written).mappings().one())

    return in_transaction(engine, work)


def get(engine: Engine, request_id: str) -> ScrapeRequest | None:
    """The request of this id, or ``None``.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """
    statement = select(scrape_requests).where(scrape_requests.c.request_id == request_id)
    with unavailable_is_named(engine), engine.connect() as connection:
        found = connection.execute(statement).mappings().one_or_none()
    return None if found is None else _request(found)


def open_requests(engine: Engine) -> list[ScrapeRequest]:
    """Requests that are not done yet, oldest first.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """
    statement = (
        select(scrape_requests)
        .where(scrape_requests.c.state.in_(OPEN))
        .order_by(scrape_requests.c.requested_at, scrape_requests.c.request_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [_request(row) for row in connection.execute(statement).mappings()]


def follow(engine: Engine, request_id: str, *, state: State, run_id: str, detail: str) -> bool:
    """Write down how the run of a request goes; a request that has ended stays as it ended.

    Returns:
        Whether anything changed.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """
    values = {"state": state, "run_id": run_id, "detail": detail[:LONGEST_DETAIL]}
    table = scrape_requests.c
    statement = (
        update(scrape_requests)
        .where(
            table.request_id == request_id,
            table.state.in_(OPEN),
            func.row(table.state, table.run_id, table.detail).is_distinct_from(func.row(*values.values())),
        )
        .values(**values, updated_at=func.clock_timestamp())
    )
    return in_transaction(engine, lambda connection: connection.execute(statement).rowcount > 0)


def listed_seasons(engine: Engine, tournament: str) -> list[str]:
    """Seasons that the source was seen to list for a tournament, in order; none before its catalogue was read.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """
    statement = (
        select(seasons.c.season)
        .where(seasons.c.tournament == tournament, seasons.c.season_id > 0)
        .distinct()
        .order_by(seasons.c.season)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return list(connection.scalars(statement))


def unknown_season(season: str, listed: Sequence[str], *, tournament: str, first_season: int) -> str | None:
    """Why the source cannot have such a season, or ``None`` where it may.

    The season after the newest one listed may have been announced since the catalogue was read, which the run does again.
    So may any season of a tournament whose catalogue was never read.
    """
    if int(season) < first_season:
        return f"season {season} is older than {first_season}, the first that is followed"
    if not listed or season in listed or int(season) == int(listed[-1]) + 1:
        return None
    return (
        f"the source lists no season {season} of {tournament}, but {spans(listed)}; "
        "a season is named by the year in which it begins"
    )


def spans(listed: Sequence[str]) -> str:
    """Years in words: ``2015 to 2019, 2021``."""
    years = sorted({int(season) for season in listed})
    starts = [year for year in years if year - 1 not in years]
    ends = [year for year in years if year + 1 not in years]
    return ", ".join(
        str(start) if start == end else f"{start} to {end}" for start, end in zip(starts, ends, strict=True)
    )


def _request(row: RowMapping) -> ScrapeRequest:
    return ScrapeRequest(**row)
