"""What ``match-assets source status`` tells: how fast we ask, how much is left for today, and whether we are welcome."""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Float, case, cast, func, select

from match_assets.config import Settings
from match_assets.source import circuit
from match_assets.source.alerts import OpenAlert, open_alerts
from match_assets.source.circuit import OpenCircuit
from match_assets.warehouse import planning
from match_assets.warehouse.database import unavailable_is_named
from match_assets.warehouse.migrate import require_current
from match_assets.warehouse.schema import fetches, source_pace

PERIODS = {"minute": 60, "hour": 3_600, "day": 86_400}


class Trouble(msgspec.Struct, frozen=True):
    """The last request that brought nothing to read."""

    requested_at: dt.datetime
    url: str
    outcome: str
    http_status: int | None
    detail: str


class SourceStatus(msgspec.Struct, frozen=True):
    """The site as all our processes together see it.

    Attributes:
        host: host and port.
        seconds_between_requests: by our settings or robots.txt, whichever is longer.
        crawl_delay_seconds: what robots.txt last asked for; ``None`` for nothing.
        next_allowed_at: when the next request may be sent; ``None`` when none was ever sent, or the circuit's end.
        n_requests: requests in the log of the last minute, hour and day.
        n_refused: answers of the last day that were left unread: led away, a download, too large.
        requests_per_day: the budget of a day of UTC; ``None`` for none.
        n_today: requests given out today; those of a killed process count whether they were sent or not.
        circuit: why nothing is asked; ``None`` while the site may be asked.
        last_error: the last request in the log that failed.
        open_alerts: alerts that nobody has acknowledged, of all hosts.
        frontier: months and pages due, waiting and done.
    """

    host: str
    seconds_between_requests: float
    crawl_delay_seconds: float | None
    next_allowed_at: dt.datetime | None
    n_requests: dict[str, int]
    n_refused: int
    requests_per_day: int | None
    n_today: int
    circuit: OpenCircuit | None
    last_error: Trouble | None
    open_alerts: tuple[OpenAlert, ...]
    frontier: dict[str, int]

    @property
    def n_left_today(self) -> int | None:
        """What is left of the day's budget; ``None`` without one."""
        return None if self.requests_per_day is None else max(0, self.requests_per_day - self.n_today)


def source_status(engine: Engine, settings: Settings) -> SourceStatus:
    """The state of the site that ``settings`` name; asks the warehouse alone, never the site.

    Raises:
        ConfigurationError: the warehouse is not migrated.
        DependencyUnavailableError: PostgreSQL is away.
    """
    require_current(engine)
    host = urlsplit(settings.source_url).netloc
    with unavailable_is_named(engine), engine.connect() as connection:
        pace = _pace(connection, host)
        standing = circuit.standing(connection, host)
        trouble = _last_error(connection, host)
        n_requests, n_refused = _counts(connection, host)
        alerts = open_alerts(connection)
    crawl_delay = pace.get("crawl_delay_seconds")
    return SourceStatus(
        host=host,
        seconds_between_requests=max(60.0 / settings.requests_per_minute, crawl_delay or 0.0),
        crawl_delay_seconds=crawl_delay,
        next_allowed_at=standing.closed_until if standing else pace.get("next_allowed_at"),
        n_requests=n_requests,
        n_refused=n_refused,
        requests_per_day=settings.requests_per_day,
        n_today=pace.get("n_today", 0),
        circuit=standing,
        last_error=trouble,
        open_alerts=alerts,
        frontier=planning.frontier_counts(engine),
    )


def lines(status: SourceStatus) -> list[tuple[str, str]]:
    """The state as a person reads it: what, and how it is."""
    left = "no limit" if status.n_left_today is None else f"{status.n_left_today} left of {status.requests_per_day}"
    delay = f", robots.txt asks for {status.crawl_delay_seconds:g} s" if status.crawl_delay_seconds else ""
    told = [
        ("site", status.host),
        ("pace", f"one request every {status.seconds_between_requests:g} s{delay}"),
        ("requests", ", ".join(f"{n} in the last {period}" for period, n in status.n_requests.items())),
        ("left unread", f"{status.n_refused} in the last day"),
        ("budget", f"{status.n_today} given out today (UTC), {left}"),
        ("circuit", _circuit_line(status.circuit)),
        ("last error", _trouble_line(status.last_error)),
        ("frontier", ", ".join(f"{n} {state}" for state, n in status.frontier.items()) or "nothing known yet"),
    ]
    told += [("alert", f"{alert.raised_at:%Y-%m-%d %H:%M} UTC, {alert.message}") for alert in status.open_alerts]
    return told


def _circuit_line(found: OpenCircuit | None) -> str:
    if found is None:
        return "closed: the site may be asked"
    return (
        f"open until {found.closed_until:%Y-%m-%d %H:%M} UTC, because of {found.marker} at {found.url}. The page is kept"
        " in `fetches`; after reading it, `match-assets source resume` closes the circuit"
    )


def _trouble_line(found: Trouble | None) -> str:
    if found is None:
        return "none"
    http_status = f" HTTP {found.http_status}" if found.http_status else ""
    return (
        f"{found.requested_at:%Y-%m-%d %H:%M:%S} UTC{http_status} {found.outcome}: {found.url} {found.detail}".strip()
    )


def _pace(connection: Connection, host: str) -> dict[str, Any]:
    is_today = source_pace.c.day == func.timezone("UTC", func.now()).cast(source_pace.c.day.type)
    columns = (
        source_pace.c.next_allowed_at,
        cast(source_pace.c.crawl_delay_seconds, Float).label("crawl_delay_seconds"),
        case((is_today, source_pace.c.n_today), else_=0).label("n_today"),
    )
    row = connection.execute(select(*columns).where(source_pace.c.host == host)).mappings().one_or_none()
    return dict(row) if row else {}


def _counts(connection: Connection, host: str) -> tuple[dict[str, int], int]:
    """Requests by period, and answers of the last day that were left unread."""
    ago = {period: func.clock_timestamp() - dt.timedelta(seconds=seconds) for period, seconds in PERIODS.items()}
    requests = [func.count().filter(fetches.c.requested_at > moment).label(period) for period, moment in ago.items()]
    refused = func.count().filter(fetches.c.outcome == "refused").label("refused")
    within = (_is_of(host), fetches.c.requested_at > ago["day"])
    row = dict(connection.execute(select(*requests, refused).where(*within)).mappings().one())
    n_refused = row.pop("refused")
    return row, n_refused


def _last_error(connection: Connection, host: str) -> Trouble | None:
    columns = [fetches.c[name] for name in Trouble.__struct_fields__]
    statement = (
        select(*columns)
        .where(_is_of(host), fetches.c.outcome != "ok")
        .order_by(fetches.c.requested_at.desc(), fetches.c.fetch_id.desc())
        .limit(1)
    )
    row = connection.execute(statement).mappings().one_or_none()
    return Trouble(**row) if row else None


def _is_of(host: str) -> ColumnElement[bool]:
    return func.split_part(fetches.c.url, "/", 3) == host
