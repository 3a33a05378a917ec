"""Connections to Dagster's own database, held for the length of a job that records thousands of events.

Dagster opens a connection for each statement or two and closes it again, so that processes which hold an instance for days
hold no connections. A process that writes many events spends most of its time on that. ``optimize_for_webserver`` is
Dagster's own way to keep them in a pool; what the pool lacks is a look whether a kept connection still lives.
"""

import select
from functools import cache
from typing import Any

import dagster as dg
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

# longer than any outage that a run should survive: the server's timer goes on while the server is frozen
STATEMENT_MILLISECONDS = 600_000
RECYCLE_SECONDS = 600
MORE_AT_ONCE = 4


def hold_connections(instance: dg.DagsterInstance) -> None:
    """Makes this process keep its connections to Dagster's database, where that is PostgreSQL, and test them when used.

    A connection that broke while it lay in the pool (the server was restarted) is replaced unseen, as if each statement
    had opened its own. Events are written as before, one by one.
    """
    events, runs = instance.event_log_storage, instance.run_storage
    if not (isinstance(events, PostgresEventLogStorage) and isinstance(runs, PostgresRunStorage)):
        return
    instance.optimize_for_webserver(
        statement_timeout=STATEMENT_MILLISECONDS, pool_recycle=RECYCLE_SECONDS, max_overflow=MORE_AT_ONCE
    )
    # asked for each event over a second connection while the first is in use, which a pool of one has to open and close;
    # no table comes or goes under a run
    events.has_table = cache(events.has_table)  # type: ignore[method-assign]
    for connect in (events.index_connection, runs.connect):
        with connect() as connection:
            _test_when_used(connection.engine)


def _test_when_used(engine: Engine) -> None:
    def look(connection: Any, _record: object, _proxy: object) -> None:
        # an idle connection has nothing to say unless it is to say that it ends; asking it each time would take a
        # round trip for every second statement
        told = select.poll()
        if not connection.closed:
            told.register(connection.fileno(), select.POLLIN)
        if connection.closed or told.poll(0):
            # the pool takes it as word to open another one and try again
            raise DisconnectionError

    event.listen(engine, "checkout", look)
