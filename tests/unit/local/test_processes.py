"""Ending exactly the processes that are ours."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from match_assets.errors import DependencyUnavailableError
from match_assets.local.layout import Layout, choose_ports
from match_assets.local.processes import (
    STACK_MARKER,
    ProcessMark,
    ServerProcess,
    end_leftovers,
    living_leftovers,
    marked_processes,
    recorded_processes,
)

STACK_ID = f"unit-test-{os.getpid()}"
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    made.create()
    made.running.mkdir()
    return made


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def marked_sleep() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], env={**os.environ, STACK_MARKER: STACK_ID})


def record(layout: Layout, name: str, mark: ProcessMark) -> None:
    (layout.running / f"{name}.json").write_text(json.dumps(asdict(mark)))


def test_mirakurus_exit_handler_is_off(tmp_path: Path) -> None:
    """It would kill every executor of the machine whose random marker contains our pid as text."""
    marker = tmp_path / "ran"
    with_spy = (
        "import pathlib, mirakuru.base, mirakuru.base_env\n"
        f"mirakuru.base_env.processes_with_env = lambda *_: pathlib.Path({str(marker)!r}).touch() or set()\n"
    )
    subprocess.run([sys.executable, "-c", with_spy], check=True)
    assert marker.exists(), "the spy sees the handler run when nobody switches it off"
    marker.unlink()
    subprocess.run([sys.executable, "-c", f"{with_spy}import match_assets.local.processes"], check=True)
    assert not marker.exists()


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen(["true"])
    deadline = time.monotonic() + 10
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert psutil.pid_exists(process.pid)
    assert ProcessMark.of(process.pid) is None
    process.wait()


def test_a_pid_given_to_another_process_is_never_signalled(layout: Layout, bystander: subprocess.Popen[bytes]) -> None:
    now = ProcessMark.of(bystander.pid)
    assert now is not None
    record(layout, "postgres", ProcessMark(bystander.pid, now.created - 1.0))
    assert end_leftovers(layout, STACK_ID, patience_seconds=0.2) == []
    assert bystander.poll() is None
    assert recorded_processes(layout) == {}


def test_leftovers_are_found_by_marker_and_by_record(layout: Layout, bystander: subprocess.Popen[bytes]) -> None:
    marked, unmarked = marked_sleep(), subprocess.Popen(["sleep", "60"])
    mark = ProcessMark.of(unmarked.pid)
    assert mark is not None
    record(layout, "valkey", mark)
    assert {found.pid for found in living_leftovers(layout, STACK_ID)} == {marked.pid, unmarked.pid}
    assert end_leftovers(layout, STACK_ID, patience_seconds=5) == sorted([marked.pid, unmarked.pid])
    assert marked.wait(5) == unmarked.wait(5) == -15
    assert bystander.poll() is None
    assert marked_processes(STACK_ID) == []


def test_a_leftover_that_ignores_the_signal_is_killed(layout: Layout) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, STACK_MARKER: STACK_ID}, stdout=subprocess.PIPE
    ) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
        end_leftovers(layout, STACK_ID, patience_seconds=0.3)
        assert deaf.wait(5) == -9


def make(layout: Layout, command: list[str], **options: object) -> ServerProcess:
    arguments = {"ports": [], "is_ready": lambda: True, "environment": {STACK_MARKER: STACK_ID}} | options
    return ServerProcess("part", command, layout=layout, **arguments)  # type: ignore[arg-type]


def test_a_process_that_dies_at_once_shows_the_end_of_its_log(layout: Layout) -> None:
    code = "import sys; print('no such volume'); sys.exit(7)"
    process = make(layout, [sys.executable, "-c", code], is_ready=lambda: False)
    with pytest.raises(DependencyUnavailableError, match=r"part ended with exit code 7(?s:.*)no such volume"):
        process.start()
    assert process.pid is None


def test_a_process_that_never_gets_ready_is_ended(layout: Layout) -> None:
    process = make(layout, SLEEP, is_ready=lambda: False, start_seconds=0.3)
    with pytest.raises(DependencyUnavailableError, match="not ready within"):
        process.start()
    assert marked_processes(STACK_ID) == []


def test_a_taken_port_names_the_port_and_starts_nothing(layout: Layout) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DependencyUnavailableError, match=str(port)):
            make(layout, SLEEP, ports=[port]).launch()
    assert marked_processes(STACK_ID) == []


def test_running_process_is_on_record_until_it_is_ended(layout: Layout) -> None:
    process = make(layout, SLEEP, ports=[choose_ports(["x"])["x"]])
    process.start()
    assert recorded_processes(layout)["part"].pid == process.pid
    process.end()
    assert recorded_processes(layout) == {}
    assert process.pid is None
