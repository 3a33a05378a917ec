"""Connections to PostgreSQL: short deadlines, UTC, and its failures as this project's own."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from match_assets.errors import ConfigurationError, DependencyUnavailableError

Result = TypeVar("Result")

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60
LOCK_SECONDS = 20
# serialization_failure and deadlock_detected: the whole transaction may simply be run again
RETRIED_STATES = frozenset({"40001", "40P01"})
ATTEMPTS = 3


def engine(url: str) -> Engine:
    """An engine whose connections speak UTC and give up in bounded time; nothing is connected yet.

    Args:
        url: ``postgresql+psycopg://user:password@host:port/database``.
    """
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=8,
        pool_timeout=CONNECT_SECONDS,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "match-assets",
            "options": (
                f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s"
                " -c idle_in_transaction_session_timeout=300s"
            ),
        },
    )


def in_transaction(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """``work`` in one transaction, run again as a whole when PostgreSQL chose it as the victim of a conflict.

    ``work`` must be a function of the database alone: it may run up to three times.

    Raises:
        DependencyUnavailableError: the server is away, refuses us, has no room left or did not answer in time.
    """
    attempt = 1
    while True:
        try:
            with unavailable_is_named(engine), engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if _state(error) not in RETRIED_STATES or attempt == ATTEMPTS:
                raise
        time.sleep(0.05 * attempt)
        attempt += 1


@contextmanager
def unavailable_is_named(engine: Engine) -> Iterator[None]:
    """Turns the driver's "cannot be used now" errors into one that names server and remedy, without the password."""
    try:
        yield
    except OperationalError as error:
        if _state(error) in RETRIED_STATES:
            raise
        where = make_url(str(engine.url.render_as_string(hide_password=True)))
        cause = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        raise DependencyUnavailableError(
            f"PostgreSQL at {where.host}:{where.port or 5432} cannot be used: {cause}. Start it (`make up`) or check"
            " MATCH_ASSETS_POSTGRES_URL; what was committed before is kept",
            host=where.host,
            port=where.port,
        ) from error


@contextmanager
def lease(engine: Engine, name: str) -> Iterator[bool]:
    """Exclusive right to do ``name``; yields whether it was ours to have.

    It is a session lock of PostgreSQL, so that a holder that dies gives it up at once.
    """
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    # autocommit: a lease held for an hour must not be an hour-long transaction
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with unavailable_is_named(engine), autocommit.connect() as connection:
        held = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one())
        try:
            yield held
        finally:
            if held and not connection.invalidated:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def require_postgres(url: str) -> str:
    """``url`` when it is one for psycopg.

    Raises:
        ConfigurationError: another dialect or driver, which the SQL of this package does not speak.
    """
    drivername = make_url(url).drivername
    if drivername != "postgresql+psycopg":
        raise ConfigurationError(
            f"MATCH_ASSETS_POSTGRES_URL: driver {drivername}, expected postgresql+psycopg://user:password@host:port/name"
        )
    return url


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
