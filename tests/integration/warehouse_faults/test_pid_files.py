"""PG-11: a start beside what a killed server left behind; nobody else's process is taken for it, and none is signalled."""

import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.warehouse_faults.own_postgres import OwnPostgres


@pytest.fixture
def zombie() -> Iterator[int]:
    """The pid of a process that has ended and was not waited for, as PID 1 of many containers leaves them."""
    process = subprocess.Popen(["true"])
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    yield process.pid
    process.wait()


@pytest.fixture
def bystander() -> Iterator[int]:
    """The pid of a living process of somebody else's."""
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    assert process.poll() is None, "a process that was not the server's was ended"
    process.kill()
    process.wait()


@pytest.mark.parametrize("whose", ["zombie", "bystander", "nobody"])
def test_a_stale_pid_file_does_not_stop_the_next_start(
    server: OwnPostgres, zombie: int, bystander: int, whose: str
) -> None:
    server.execute(f"CREATE TABLE kept_{whose} AS SELECT 7 AS n")
    server.kill()
    pid = {"zombie": zombie, "bystander": bystander, "nobody": 2**22 - 1}[whose]
    pid_file = server.layout.root / "postgres" / "postmaster.pid"
    held = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(pid), *held[1:]]) + "\n")
    server.restart()
    assert server.execute(f"SELECT n FROM kept_{whose}") == [(7,)]
