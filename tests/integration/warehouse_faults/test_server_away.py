"""PG-01 and PG-03: a PostgreSQL that is down, full, closed to us, frozen or started anew.

Deadlines are held by ``timeout`` marks: what would wait for ever fails there.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, make_url, text

from match_assets.cli import main
from match_assets.config import Settings
from match_assets.errors import DependencyUnavailableError
from match_assets.warehouse import database
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.database import in_transaction, lease
from match_assets.warehouse.migrate import migrate, require_current
from tests.byte_proxy import TO_CLIENT, ByteProxy, Fault
from tests.depth import THOROUGH
from tests.integration.warehouse_faults.own_postgres import MAX_CONNECTIONS, OwnPostgres

pytestmark = pytest.mark.timeout(60)


@contextmanager
def down(server: OwnPostgres, _url: str) -> Iterator[str]:
    server.kill()
    try:
        yield "Connection refused"
    finally:
        server.restart()


@contextmanager
def frozen(server: OwnPostgres, _url: str) -> Iterator[str]:
    with server.frozen():
        yield "timeout expired"


@contextmanager
def closed_to_us(server: OwnPostgres, url: str) -> Iterator[str]:
    name = make_url(url).database
    server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    try:
        yield "is not currently accepting connections"
    finally:
        server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")


@contextmanager
def full(server: OwnPostgres, url: str) -> Iterator[str]:
    dsn = url.replace("+psycopg", "")
    with ExitStack() as idle:
        for _ in range(MAX_CONNECTIONS):
            try:
                idle.enter_context(psycopg.connect(dsn, connect_timeout=5))
            except psycopg.OperationalError:
                break
        yield "too many clients already"


Fixture = Callable[[OwnPostgres, str], AbstractContextManager[str]]
FAULTS: dict[str, Fixture] = {"down": down, "frozen": frozen, "closed to us": closed_to_us, "full": full}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_server_away_at_the_start_ends_in_exit_4_with_host_and_port(
    server: OwnPostgres, url: str, command_line: None, monkeypatch: pytest.MonkeyPatch, fault: Fixture
) -> None:
    """PG-01."""
    monkeypatch.setattr(database, "CONNECT_SECONDS", 2)
    with fault(server, url) as cause:
        result = CliRunner().invoke(main, ["migrate"])
    assert result.exit_code == 4, result.output
    assert len(result.stderr.splitlines()) == 1
    assert f"127.0.0.1:{server.port} cannot be used: " in result.stderr
    assert cause in result.stderr
    assert server.secrets["postgres"] not in result.output
    assert migrate(url), "once it is back, nothing has to be mended"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_without_a_warehouse_no_browser_is_started_and_the_source_is_not_asked(
    server: OwnPostgres, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fixture
) -> None:
    """PG-01: what could not be stored is not read."""
    from match_assets.source.client import SourceClient

    monkeypatch.setattr(database, "CONNECT_SECONDS", 2)
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    browser.chmod(0o755)
    engine = open_engine(url)

    async def visit(settings: Settings) -> None:
        async with SourceClient(settings, engine):
            raise AssertionError("it should not have come so far")

    with ByteProxy(server.port) as site, fault(server, url) as cause:
        settings = Settings(
            postgres_url=url,
            s3_bucket="unused",
            redis_url="redis://unused",
            mlflow_url=url,
            source_url=f"http://127.0.0.1:{site.port}",
            chromium=str(browser),
        )
        with pytest.raises(DependencyUnavailableError, match=f"127.0.0.1:{server.port} cannot be used: .*{cause}"):
            asyncio.run(visit(settings))
        assert site.n_connections == 0
        assert not (tmp_path / "started").exists()
    engine.dispose()


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_first_query_after_a_restart_succeeds(server: OwnPostgres, warehouse: Engine, is_killed: bool) -> None:
    """PG-03: a pooled connection is tried before it is used."""
    require_current(warehouse)
    if is_killed:
        server.kill()
    else:
        server.process.end()
    server.restart()
    require_current(warehouse)
    assert in_transaction(warehouse, _count) == 0


def test_work_goes_on_when_a_frozen_server_thaws(server: OwnPostgres, warehouse: Engine) -> None:
    """PG-03, for a pause shorter than every deadline; half a minute in a thorough run."""
    counted: list[int] = []
    in_transaction(warehouse, _count)
    worker = threading.Thread(target=lambda: counted.append(in_transaction(warehouse, _count)))
    with server.frozen():
        worker.start()
        worker.join(30.0 if THOROUGH else 1.0)
        assert worker.is_alive(), "the server answered while it was frozen"
    worker.join(30)
    assert counted == [0]


def test_a_server_frozen_in_mid_statement_is_given_up(
    server: OwnPostgres, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PG-03: the server's own timeouts cannot fire then; ours do."""
    monkeypatch.setattr(database, "GRACE_SECONDS", 1)
    engine = open_engine(url, statement_seconds=1)

    def freeze(connection: Connection) -> None:
        connection.execute(text("UPDATE matches SET home_goals = 3"))
        with server.frozen():
            connection.execute(text("SELECT 1"))

    with pytest.raises(DependencyUnavailableError, match="no answer for 2 s, the connection was given up"):
        in_transaction(engine, freeze)
    assert in_transaction(engine, _count) == 0
    engine.dispose()


def test_a_network_that_swallows_everything_is_given_up(
    server: OwnPostgres, url: str, proxy: ByteProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PG-03: in mid-transaction, on a pooled connection, and at log-in."""
    monkeypatch.setattr(database, "GRACE_SECONDS", 1)
    monkeypatch.setattr(database, "CONNECT_SECONDS", 2)
    engine = open_engine(server.url(make_url(url).database or "", port=proxy.port), statement_seconds=1)

    def lose(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        proxy.do(Fault(is_black_hole=True, way=TO_CLIENT))
        connection.execute(text("SELECT 1"))

    with pytest.raises(DependencyUnavailableError, match="no answer for 2 s"):
        in_transaction(engine, lose)
    with pytest.raises(DependencyUnavailableError, match="timeout expired"):
        in_transaction(engine, _count)
    proxy.pass_on()
    assert in_transaction(engine, _count) == 0
    engine.dispose()


def test_answers_that_drip_are_waited_for(
    server: OwnPostgres, url: str, proxy: ByteProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow is not silent: an answer that takes longer than the deadline, but never pauses so long, is read to its end."""
    monkeypatch.setattr(database, "GRACE_SECONDS", 0)
    engine = open_engine(server.url(make_url(url).database or "", port=proxy.port), statement_seconds=1)
    in_transaction(engine, _count)
    proxy.do(Fault(delay_seconds=0.05, piece_bytes=100, way=TO_CLIENT))
    begun = time.monotonic()
    answer = in_transaction(
        engine, lambda connection: connection.execute(text("SELECT repeat('x', 4000)")).scalar_one()
    )
    assert answer == "x" * 4000
    assert time.monotonic() - begun > 1.5
    proxy.pass_on()
    engine.dispose()


def test_a_statement_that_takes_too_long_is_ended_by_the_server(url: str) -> None:
    """PG-03: so that it does not go on working for a client that has left."""
    engine = open_engine(url, statement_seconds=1)
    with pytest.raises(DependencyUnavailableError, match="statement timeout"):
        in_transaction(engine, lambda connection: connection.execute(text("SELECT pg_sleep(30)")))
    engine.dispose()


def test_a_lock_that_is_not_given_up_is_not_waited_for_without_end(
    warehouse: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PG-03."""
    monkeypatch.setattr(database, "LOCK_SECONDS", 1)
    second = open_engine(url)
    with warehouse.begin() as holder:
        holder.execute(text("LOCK TABLE matches"))
        with pytest.raises(DependencyUnavailableError, match="lock timeout"):
            in_transaction(second, _count)
    assert in_transaction(second, _count) == 0
    second.dispose()


def test_connections_all_in_use_is_a_clear_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool has an end too."""
    monkeypatch.setattr(database, "CONNECT_SECONDS", 1)
    engine = open_engine(url)
    with ExitStack() as taken:
        for number in range(12):
            taken.enter_context(lease(engine, f"lease {number}"))
        with pytest.raises(DependencyUnavailableError, match="QueuePool limit"):
            in_transaction(engine, _count)
    assert in_transaction(engine, _count) == 0
    engine.dispose()


def _count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM matches")).scalar_one())
