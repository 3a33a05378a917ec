"""Connections to PostgreSQL: short deadlines, UTC, and its failures as this project's own."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.waiting import Ready
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.warehouse.failures import CONFLICTS, named, state_of

Result = TypeVar("Result")

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60
LOCK_SECONDS = 20
# what the server may take beyond its own limit on a statement before we hold it for frozen
GRACE_SECONDS = 5
# a peer without power or network is noticed within a minute on either side, and its leases with it
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
ATTEMPTS = 3


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is given up when the server has been silent for ``silence_seconds`` in the midst of a statement.

    PostgreSQL's own timeouts fire only while it runs: a frozen server, or a network that swallows packets, would
    hold us for ever.
    """

    silence_seconds: float = STATEMENT_SECONDS + GRACE_SECONDS

    def wait(self, gen: PQGen[Result], *rest: Any, **options: Any) -> Result:
        """Runs the driver's steps as its own ``wait`` does, watching the clock.

        Raises:
            psycopg.OperationalError: nothing came for ``silence_seconds``; the connection is closed.
        """
        return super().wait(self._watched(gen), *rest, **options)

    def _watched(self, steps: PQGen[Result]) -> PQGen[Result]:
        heard_at = time.monotonic()
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if ready != Ready.NONE:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > self.silence_seconds:
                    self.close()
                    raise psycopg.OperationalError(
                        f"no answer for {self.silence_seconds:.0f} s, the connection was given up"
                    )
                wanted = steps.send(ready)
        except StopIteration as end:
            result: Result = end.value
            return result


def engine(url: str, *, statement_seconds: int = STATEMENT_SECONDS) -> Engine:
    """An engine whose connections speak UTC and give up in bounded time; nothing is connected yet.

    Args:
        url: ``postgresql+psycopg://user:password@host:port/database``.
        statement_seconds: how long one statement may take.
    """
    made = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=8,
        pool_timeout=CONNECT_SECONDS,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "match-assets",
            **KEEPALIVE,
            "options": (
                f"-c timezone=UTC -c statement_timeout={statement_seconds}s -c lock_timeout={LOCK_SECONDS}s"
                " -c idle_in_transaction_session_timeout=300s"
                + "".join(f" -c tcp_{name}={value}" for name, value in KEEPALIVE.items())
            ),
        },
    )

    @event.listens_for(made, "do_connect")
    def connect(_dialect: object, _record: object, words: list[Any], options: dict[str, Any]) -> PatientConnection:
        connection = PatientConnection.connect(*words, **options)
        connection.silence_seconds = statement_seconds + GRACE_SECONDS
        return connection

    return made


def in_transaction(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """``work`` in one transaction, run again as a whole when PostgreSQL chose it as the victim of a conflict.

    ``work`` must be a function of the database alone: it may run up to three times. When the connection is lost while the
    commit is under way, nobody knows whether it happened: the error is raised, and the same work done again must settle it.

    Raises:
        DependencyUnavailableError: the server is away, refuses us, has no room left or did not answer in time.
        RejectedRowError: a value or row is against the schema; nothing was stored.
        ConfigurationError: our role lacks a right, or the schema is not the one that this code knows.
    """
    attempt = 1
    while True:
        with unavailable_is_named(engine):
            try:
                with engine.begin() as connection:
                    return work(connection)
            except (SQLAlchemyError, psycopg.Error) as error:
                if state_of(error) not in CONFLICTS or attempt == ATTEMPTS:
                    raise
        time.sleep(0.05 * attempt)
        attempt += 1


@contextmanager
def unavailable_is_named(engine: Engine) -> Iterator[None]:
    """Turns the driver's errors into ours, which name server, role or row and the remedy, without the password.

    Raises:
        DependencyUnavailableError: the server is away, refuses us, has no room left or did not answer in time.
        RejectedRowError: a value or row is against the schema.
        ConfigurationError: our role lacks a right, or the schema is not the one that this code knows.
    """
    try:
        yield
    except (SQLAlchemyError, psycopg.Error) as error:
        ours = named(error, engine.url)
        if ours is None:
            raise
        raise ours from error


class Lease:
    """The exclusive right to do something; true while it is ours.

    It is a session lock of PostgreSQL, so that a holder that dies gives it up at once. One that lives on and loses its
    connection loses it too: ``renew`` tells.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        """Take it, if nobody has it. ``connection`` commits by itself: an hour's lease is no transaction of an hour."""
        self._connection = connection
        self._name = name
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        self._turn = threading.Lock()
        self._is_ours = self._take()

    def __bool__(self) -> bool:
        """Whether it is ours as far as we know."""
        return self._is_ours

    def renew(self) -> None:
        """Make sure that it is still ours; one that was lost is taken again where nobody else has taken it.

        Raises:
            DependencyUnavailableError: it was lost with its connection and another process has it now, or PostgreSQL is
                away.
        """
        with self._turn, unavailable_is_named(self._connection.engine):
            try:
                self._is_ours = self._take()
            except SQLAlchemyError:
                if not self._connection.invalidated:
                    raise
                self._connection.rollback()
                self._is_ours = self._take()
        if not self._is_ours:
            raise DependencyUnavailableError(
                f"{self._name}: the connection to PostgreSQL was lost, and another process has begun the same since."
                " Nothing more is done here; what was stored stays",
                name=self._name,
            )

    def give_up(self) -> None:
        """End it. What was done under it is done: if the session cannot be told, it ends, and the lease with it."""
        try:
            self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
        except SQLAlchemyError:
            self._connection.invalidate()

    def _take(self) -> bool:
        """A lock that the session has is not taken a second time: it would have to be given back twice."""
        return bool(self._connection.execute(_TAKE, {"key": self._key}).scalar_one())


# two halves of the key, as PostgreSQL shows it
_TAKE = text("""
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) | objid::bigint = :key
) OR pg_try_advisory_lock(:key)
""")


@contextmanager
def lease(engine: Engine, name: str) -> Iterator[Lease]:
    """Exclusive right to do ``name``; yields it, true where it was ours to have."""
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with unavailable_is_named(engine), autocommit.connect() as connection:
        held = Lease(connection, name)
        try:
            yield held
        finally:
            if held:
                held.give_up()


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
