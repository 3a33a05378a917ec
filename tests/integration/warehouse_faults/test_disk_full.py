"""PG-04: no room left, for tables and for the write-ahead log. All of a season is stored or nothing, and room heals it.

The kernel's limit on the size of a file stands for a small disk: what exceeds it fails with "File too large", and the
server lives. Where this machine lets us mount one, a really full file system is tried as well.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from match_assets.errors import DependencyUnavailableError
from match_assets.warehouse import writing
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.database import in_transaction
from tests.integration.warehouse_faults.own_postgres import (
    KEY,
    OwnPostgres,
    dump,
    match_pages,
    season,
    write_catalogue,
)

MEGABYTE = 2**20
N_MATCHES = 60
# other matches' history, so that the table is longer than a segment of the log, which must still be written
FORMER_HISTORY = """
INSERT INTO observations (match_id, surface, site_time, observed_at, content_hash, content)
SELECT number, 'feed', now(), now(), 'former', to_jsonb(repeat(md5(number::text), 20))
FROM generate_series(1, 2500) AS number
"""
# a megabyte for the write-ahead log and not a byte for any table
LOG_ALONE = "SELECT pg_logical_emit_message(false, 'ballast', repeat('x', 1000000))"
FORGET = "DELETE FROM observations WHERE content_hash = 'former'"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[OwnPostgres]:
    """A server on a file system of 128 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128m", "none", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts no tmpfs: {mounted.stderr.decode()}")
    try:
        with OwnPostgres(place / "state") as server:
            yield server
    finally:
        subprocess.run(["umount", place], check=True)


def visit(engine: Engine) -> None:
    """A season and its match pages."""
    write_catalogue(engine)
    writing.write_season(engine, season(N_MATCHES))
    writing.write_pages(engine, KEY, "2024", match_pages(N_MATCHES))


def table_bytes(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_relation_size('observations')")).scalar_one())


def test_a_table_that_cannot_grow_rolls_the_season_back(
    server: OwnPostgres, url: str, warehouse: Engine, twin: Engine
) -> None:
    write_catalogue(warehouse)
    in_transaction(warehouse, lambda connection: connection.execute(text(FORMER_HISTORY)))
    limit = in_transaction(warehouse, table_bytes)
    assert limit > MEGABYTE, "a segment of the log would not fit"
    before = dump(warehouse)
    server.limit_files(limit)
    try:
        starved = open_engine(url)  # limits are inherited when a session begins
        with pytest.raises(DependencyUnavailableError, match=r"the disk of .* is full: .*File too large") as refused:
            visit(starved)
        assert f"127.0.0.1:{server.port}" in refused.value.message
        assert refused.value.exit_code == 4
        assert dump(starved) == before, "reading needs no room"
        starved.dispose()
    finally:
        server.limit_files(None)
    visit(warehouse)
    in_transaction(warehouse, lambda connection: connection.execute(text(FORGET)))
    visit(twin)
    assert dump(warehouse) == dump(twin)


def test_a_log_that_cannot_grow_loses_nothing_that_was_committed(
    server: OwnPostgres, url: str, warehouse: Engine, twin: Engine
) -> None:
    """Without its log the server gives up at once; what was committed is there when there is room again."""
    write_catalogue(warehouse)
    before = dump(warehouse)
    server.execute("SELECT pg_switch_wal()")  # on to the beginning of a segment, of which one page may be written
    server.limit_files(8192)
    try:
        starved = open_engine(url)
        with pytest.raises(DependencyUnavailableError, match=r"the disk of .* is full: .*File too large") as refused:
            visit(starved)
        assert f"127.0.0.1:{server.port}" in refused.value.message
        starved.dispose()
    finally:
        server.kill()  # where it has not ended itself: as the supervisor would, with room again
        server.restart()
    assert dump(warehouse) == before
    visit(warehouse)
    visit(twin)
    assert dump(warehouse) == dump(twin)


@pytest.mark.parametrize("writing_on", [FORMER_HISTORY, LOG_ALONE], ids=["tables", "log"])
def test_a_full_disk_is_named_and_room_heals_it(small: OwnPostgres, writing_on: str) -> None:
    """The real thing: a file system without a byte left."""
    engine, twin = open_engine(small.new_warehouse()), open_engine(small.new_warehouse())
    visit(twin)
    write_catalogue(engine)
    before = dump(engine)
    ballast = small.layout.root / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(shutil.disk_usage(small.layout.root).free))
    with pytest.raises(DependencyUnavailableError) as refused:
        _write_until_refused(engine, writing_on)
    assert f"the disk of PostgreSQL at 127.0.0.1:{small.port} is full: " in refused.value.message
    assert "No space left on device" in refused.value.message
    ballast.unlink()
    if not small.process.is_ready():  # as the supervisor would
        small.kill()
        small.restart()
    in_transaction(engine, lambda connection: connection.execute(text(FORGET)))
    assert dump(engine) == before
    visit(engine)
    assert dump(engine) == dump(twin)
    engine.dispose()
    twin.dispose()


def _write_until_refused(engine: Engine, statement: str) -> None:
    """What is half empty, a page or a segment of the log, takes a little more."""
    for _ in range(100):
        in_transaction(engine, lambda connection: connection.execute(text(statement)))
