"""The circuit of a site: open after a block, so that no run asks again before the cool-down is over.

It stands in PostgreSQL and goes by its clock: every process, and every run after a restart, sees the same.
"""

from sqlalchemy import Connection, Engine, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from match_assets.errors import SourceBlockedError
from match_assets.warehouse.database import in_transaction, unavailable_is_named
from match_assets.warehouse.schema import circuits

COOL_DOWN_HOURS = 6.0


def require_closed(engine: Engine, host: str) -> None:
    """Pass when ``host`` may be asked.

    Raises:
        SourceBlockedError: it blocked us and the cool-down is not over; the message says until when.
    """
    statement = select(circuits.c.closed_until, circuits.c.marker, circuits.c.url).where(
        circuits.c.host == host, circuits.c.closed_until > func.clock_timestamp()
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        found = connection.execute(statement).first()
    if found is not None:
        raise SourceBlockedError(
            f"{host} refused us ({found.marker}) at {found.url}: nothing is asked before"
            f" {found.closed_until:%Y-%m-%d %H:%M} UTC. Read the kept page in `fetches` before closing the circuit",
            url=found.url,
            marker=found.marker,
            closed_until=found.closed_until,
        )


def open_circuit(engine: Engine, host: str, *, url: str, marker: str, hours: float = COOL_DOWN_HOURS) -> None:
    """Keep every run away from ``host`` for ``hours``; a longer time that stands already stays."""

    def work(connection: Connection) -> None:
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

    in_transaction(engine, work)


def close_circuit(engine: Engine, host: str) -> bool:
    """Allow ``host`` to be asked again, after a person has looked; whether there was a circuit to close."""
    statement = delete(circuits).where(circuits.c.host == host)
    return in_transaction(engine, lambda connection: bool(connection.execute(statement).rowcount))
