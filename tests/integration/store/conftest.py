"""A store in a bucket of its own; the databases of other tests are not needed here."""

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import polars as pl
import pytest

from match_assets.config import Settings, load_settings
from match_assets.local.stack import ServerStack
from match_assets.store import Pointer, Store
from match_assets.store.objects import Bucket, s3_client
from tests.byte_proxy import ByteProxy

ASSET, PARTITION = "finished_matches", "2024|ESP-LaLiga"


@pytest.fixture
def place(stack: ServerStack, s3: dict[str, str]) -> Settings:
    """Settings that name this test's own bucket."""
    return load_settings(stack.settings_environment()).model_copy(update=s3)


@pytest.fixture
def bucket(place: Settings) -> Bucket:
    """The bucket itself, for what a store would never do."""
    return Bucket(s3_client(place), place.s3_bucket)


@pytest.fixture
def store(bucket: Bucket) -> Store:
    """A store on real time."""
    return Store(bucket)


@pytest.fixture
def proxy(stack: ServerStack) -> Iterator[ByteProxy]:
    """A proxy before the object store that passes everything on until it is told otherwise."""
    with ByteProxy(stack.ports["s3"]) as between:
        yield between


@pytest.fixture
def through_proxy(place: Settings, proxy: ByteProxy) -> Bucket:
    """The bucket as reached through the proxy."""
    settings = place.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{proxy.port}"})
    return Bucket(s3_client(settings), place.s3_bucket)


def frame(*goals: int) -> pl.DataFrame:
    """Matches 1, 2, … with these goals."""
    return pl.DataFrame({"match_id": list(range(1, len(goals) + 1)), "goals": list(goals)})


def clock(start: dt.datetime = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)) -> Callable[[], dt.datetime]:
    """A clock that moves one hour at each look."""
    hours = iter(range(1_000_000))
    return lambda: start + dt.timedelta(hours=next(hours))


def put(
    store: Store,
    rows: pl.DataFrame,
    *,
    asset: str = ASSET,
    partition: str = PARTITION,
    inputs: dict[str, str] | None = None,
    code: str = "c1",
    run: str = "r",
) -> Pointer:
    """Writes a candidate."""
    return store.put_candidate(
        asset, partition, rows, sort_by=["match_id"], code_version=code, inputs=inputs or {"raw": "s1"}, run_id=run
    )


def accepted(store: Store, rows: pl.DataFrame, **facts: object) -> Pointer:
    """Writes a candidate and accepts it."""
    return store.accept(put(store, rows, **facts))  # type: ignore[arg-type]


class Writer:
    """The process of ``writer.py``, spoken to by lines."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.store.writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def ask(self, line: str) -> str:
        """Sends a request and returns the first line of the answer."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self.hear()

    def hear(self) -> str:
        """The next line."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """Lets the process end."""
        self._process.communicate(timeout=30)


@pytest.fixture
def writer(stack: ServerStack, place: Settings) -> Iterator[Writer]:
    """Writers in processes of their own, in this test's bucket."""
    held = Writer({**stack.settings_environment(), "MATCH_ASSETS_S3_BUCKET": place.s3_bucket})
    yield held
    held.close()
