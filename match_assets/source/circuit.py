"""The circuit of a site: open after a block, so that no run asks again before the cool-down is over.

It stands in PostgreSQL and goes by its clock: every process, and every run after a restart, sees the same.
"""

import datetime as dt

import msgspec
from sqlalchemy import Connection, Engine, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from match_assets.errors import SourceBlockedError
from match_assets.source import alerts
from match_assets.source.alerts import Alert
from match_assets.warehouse.database import in_transaction, unavailable_is_named
from match_assets.warehouse.schema import circuits

COOL_DOWN_HOURS = 6.0


class OpenCircuit(msgspec.Struct, frozen=True):
    """A refusal whose cool-down is not over."""

    opened_at: dt.datetime
    closed_until: dt.datetime
    marker: str
    url: str


def require_closed(engine: Engine, host: str) -> None:
    """Pass when ``host`` may be asked.

    Raises:
        SourceBlockedError: it blocked us and the cool-down is not over; the message says until when.
    """
    with unavailable_is_named(engine), engine.connect() as connection:
        found = standing(connection, host)
    if found is not None:
        raise SourceBlockedError(
            f"{host} refused us ({found.marker}) at {found.url}: nothing is asked before"
            f" {found.closed_until:%Y-%m-%d %H:%M} UTC. Read the kept page in `fetches` before closing the circuit",
            url=found.url,
            marker=found.marker,
            closed_until=found.closed_until,
        )


def standing(connection: Connection, host: str) -> OpenCircuit | None:
    """The circuit of ``host`` while it is open."""
    columns = [circuits.c[name] for name in OpenCircuit.__struct_fields__]
    open_now = select(*columns).where(circuits.c.host == host, circuits.c.closed_until > func.clock_timestamp())
    row = connection.execute(open_now).mappings().one_or_none()
    return OpenCircuit(**row) if row else None


def open_circuit(
    engine: Engine, host: str, *, url: str, marker: str, hours: float = COOL_DOWN_HOURS, alert: Alert | None = None
) -> bool:
    """Keep every run away from ``host`` for ``hours``; a longer time that stands already stays.

    Returns:
        Whether it was closed before. Only then ``alert`` is recorded: one block is one alert, however many see it.
    """

    def work(connection: Connection) -> bool:
        # two that are refused at one moment must not both find it closed
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"circuit {host}", 0))))
        was_closed = standing(connection, host) is None
        now = func.clock_timestamp()
        statement = upsert(circuits).values(
            host=host,
            opened_at=now,
            closed_until=now + text("make_interval(secs => :seconds)").bindparams(seconds=hours * 3600),
            url=url,
            marker=marker,
        )
        later = func.greatest(circuits.c.closed_until, statement.excluded.closed_until)
        replaced = {name: statement.excluded[name] for name in ("opened_at", "url", "marker")}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["host"], set_={**replaced, "closed_until": later})
        )
        if was_closed and alert is not None:
            alerts.record(connection, alert)
        return was_closed

    return in_transaction(engine, work)


def close_circuit(engine: Engine, host: str) -> bool:
    """Allow ``host`` to be asked again, after a person has looked; whether there was a circuit to close."""

    def work(connection: Connection) -> bool:
        alerts.acknowledge(connection, "blocked", host)
        return bool(connection.execute(delete(circuits).where(circuits.c.host == host)).rowcount)

    return in_transaction(engine, work)
