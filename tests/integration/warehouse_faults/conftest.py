"""A PostgreSQL of these tests alone: they kill, freeze and starve it, and each leaves it well."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from match_assets.warehouse.database import engine as open_engine
from tests.byte_proxy import ByteProxy
from tests.integration.warehouse_faults.own_postgres import OwnPostgres


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    """The server of this folder's tests."""
    with OwnPostgres(tmp_path_factory.mktemp("own-postgres") / "state") as server:
        yield server


@pytest.fixture
def server(running: OwnPostgres) -> Iterator[OwnPostgres]:
    """The server, well; a test that broke it mends it or fails."""
    yield running
    assert running.process.is_ready(), "the test left its PostgreSQL broken"


@pytest.fixture
def url(server: OwnPostgres) -> str:
    """A migrated and empty warehouse."""
    return server.new_warehouse()


@pytest.fixture
def warehouse(url: str) -> Iterator[Engine]:
    """Connections to it that no proxy spoils."""
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def twin(server: OwnPostgres) -> Iterator[Engine]:
    """A second warehouse, to be spared all faults."""
    engine = open_engine(server.new_warehouse())
    yield engine
    engine.dispose()


@pytest.fixture
def proxy(server: OwnPostgres) -> Iterator[ByteProxy]:
    """What stands between the server and ``spoilt``."""
    with ByteProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def spoilt(server: OwnPostgres, url: str, proxy: ByteProxy) -> Iterator[Engine]:
    """Connections to the warehouse through the proxy."""
    engine = open_engine(server.url(make_url(url).database or "", port=proxy.port))
    yield engine
    proxy.pass_on()
    engine.dispose()


@pytest.fixture
def command_line(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line, led to the warehouse."""
    variables = {
        "POSTGRES_URL": url,
        "MLFLOW_URL": url,
        "REDIS_URL": "redis://unused",
        "S3_BUCKET": "unused",
        "SOURCE_URL": "http://unused",
        "STATE_DIR": str(tmp_path / "state"),
        "ENV_FILE": str(tmp_path / "absent"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"MATCH_ASSETS_{name}", value)
