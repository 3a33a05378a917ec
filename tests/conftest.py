"""Fixtures over real servers: started once a session on free ports, a database, bucket and key space of its own for each test."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from match_assets.config import Settings, load_settings
from match_assets.local.processes import marked_processes
from match_assets.local.servers import create_databases, postgres_dsn
from match_assets.local.stack import ServerStack
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate

# Valkey has sixteen databases; tests take them in turn and find them empty.
VALKEY_DATABASES = 16
_number = itertools.count(1)


@pytest.fixture(scope="session")
def stack() -> Iterator[ServerStack]:
    """PostgreSQL, Valkey and SeaweedFS for the whole session; a process that outlives them fails the session."""
    with tempfile.TemporaryDirectory(prefix="match-assets-", ignore_cleanup_errors=True) as folder:
        servers = ServerStack(Path(folder) / "state")
        try:
            servers.start()
            yield servers
        finally:
            servers.stop()
        left = marked_processes(servers.secrets["stack_id"])
        assert not left, f"processes of the test stack are still alive: {left}"


@pytest.fixture
def postgres_url(stack: ServerStack, request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLAlchemy address of a database, dropped after the test: empty, or a migrated warehouse for who wants ``warehouse``."""
    name = f"test_{os.getpid()}_{next(_number)}"
    port, password = stack.ports["postgres"], stack.secrets["postgres"]
    template = request.getfixturevalue("migrated_database") if "warehouse" in request.fixturenames else "template1"
    _execute(stack, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield postgres_dsn(port, password, name, driver="psycopg")
    _execute(stack, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def migrated_database(stack: ServerStack) -> str:
    """Name of a migrated and empty warehouse, to be copied."""
    name = f"migrated_{os.getpid()}"
    port, password = stack.ports["postgres"], stack.secrets["postgres"]
    create_databases(port, password, (name,))
    migrate(postgres_dsn(port, password, name, driver="psycopg"))
    return name


@pytest.fixture
def warehouse(postgres_url: str) -> Iterator[Engine]:
    """A migrated warehouse of this test's own, in its ``postgres_url``."""
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture
def redis_url(stack: ServerStack) -> str:
    """Address of an empty Valkey database."""
    import redis

    database = next(_number) % VALKEY_DATABASES
    url = f"redis://:{stack.secrets['valkey']}@127.0.0.1:{stack.ports['valkey']}/{database}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def emptied_buckets() -> list[str]:
    """Buckets that a test has left empty: the first object in a new one costs a fifth of a second, in a used one none."""
    return []


@pytest.fixture
def s3(stack: ServerStack, emptied_buckets: list[str]) -> Iterator[dict[str, str]]:
    """Settings of an empty bucket, this test's alone: the ``s3_*`` fields of ``Settings``."""
    client = _s3_client(stack)
    if emptied_buckets:
        bucket = emptied_buckets.pop()
    else:
        bucket = f"test-{os.getpid()}-{next(_number)}"
        client.create_bucket(Bucket=bucket)
    yield {
        "s3_endpoint": f"http://127.0.0.1:{stack.ports['s3']}",
        "s3_bucket": bucket,
        "s3_access_key": stack.secrets["s3_access_key"],
        "s3_secret_key": stack.secrets["s3_secret_key"],
        "s3_region": "us-east-1",
    }
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        held = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if held:
            client.delete_objects(Bucket=bucket, Delete={"Objects": held})
    client.close()
    emptied_buckets.append(bucket)


@pytest.fixture
def settings(stack: ServerStack, postgres_url: str, redis_url: str, s3: dict[str, str], tmp_path: Path) -> Settings:
    """The project's settings over this test's own database, bucket, key space and state folder."""
    shared = load_settings(stack.settings_environment())
    own = {
        "postgres_url": postgres_url,
        "redis_url": redis_url,
        "mlflow_url": postgres_url,
        "state_dir": tmp_path / "state",
    }
    return shared.model_copy(update={**own, **s3})


def _execute(stack: ServerStack, statement: str) -> None:
    import psycopg

    url = postgres_dsn(stack.ports["postgres"], stack.secrets["postgres"], "postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _s3_client(stack: ServerStack) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{stack.ports['s3']}",
        aws_access_key_id=stack.secrets["s3_access_key"],
        aws_secret_access_key=stack.secrets["s3_secret_key"],
        region_name="us-east-1",
    )
