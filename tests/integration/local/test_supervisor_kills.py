"""`up`, `down` and `status` on the real servers, with the supervisor and a server killed hard."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from match_assets.config import load_settings, read_environment
from match_assets.local import control
from match_assets.local.commands import stack as commands
from match_assets.local.layout import Layout, load_secrets
from match_assets.local.parts import OPTIONAL_PARTS
from match_assets.local.processes import ProcessMark, living_leftovers
from match_assets.local.supervisor import read_state

SERVERS_ALONE = [f"--without={name}" for name in OPTIONAL_PARTS]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    monkeypatch.setenv("MATCH_ASSETS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MATCH_ASSETS_ENV_FILE", str(tmp_path / ".env"))
    made = Layout(tmp_path / "state")
    try:
        yield made
    finally:
        control.stop(made)
        assert control.leftovers(made) == 0


def run(*words: str) -> str:
    result = CliRunner().invoke(commands, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.1)


def warehouse(tmp_path: Path) -> psycopg.Connection[tuple[int, ...]]:
    url = load_settings(read_environment(tmp_path / ".env")).postgres_url
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, connect_timeout=5)


def pid_of(layout: Layout, name: str) -> int | None:
    return next((part.pid for part in read_state(layout).parts if part.name == name and part.state == "ready"), None)


def test_everything_survives_a_killed_supervisor_and_a_killed_server(layout: Layout, tmp_path: Path) -> None:
    run("up", "--detach", *SERVERS_ALONE)
    with warehouse(tmp_path) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100) AS n")

    # a server dies: the supervisor starts it again
    first = pid_of(layout, "postgres")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pid_of(layout, "postgres") not in {None, first})
    with warehouse(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (100,)

    # the supervisor dies: its servers run on, `status` says so, `up` ends exactly them and starts anew
    supervisor = read_state(layout).supervisor
    assert supervisor is not None
    orphans = living_leftovers(layout, load_secrets(layout)["stack_id"]) - {supervisor}
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: supervisor.living() is None)
    assert "supervisor is gone" in run("status")
    assert all(orphan.living() for orphan in orphans)
    run("up", "--detach", *SERVERS_ALONE)
    assert not any(orphan.living() for orphan in orphans)
    with warehouse(tmp_path) as connection:
        assert connection.execute("SELECT count(*), sum(n) FROM kept").fetchone() == (100, 5050)

    # killed with its postgres, as by a power cut: a stale pid file stays behind
    state = read_state(layout)
    postgres = pid_of(layout, "postgres")
    assert state.supervisor is not None
    assert postgres is not None
    os.kill(state.supervisor.pid, signal.SIGKILL)
    os.kill(postgres, signal.SIGKILL)
    wait_until(lambda: read_state(layout).phase == "down")
    run("up", "--detach", *SERVERS_ALONE)
    with warehouse(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (100,)

    marks = [ProcessMark.of(part.pid) for part in read_state(layout).parts if part.pid]
    assert run("down").strip() == "Stopped."
    assert not any(mark.living() for mark in marks if mark)
    assert "is down" in run("status")


def test_up_twice_down_twice_and_clean(layout: Layout, tmp_path: Path) -> None:
    run("up", "--detach", *SERVERS_ALONE)
    before = read_state(layout).supervisor
    assert "Already running" in run("up", "--detach", *SERVERS_ALONE)
    assert read_state(layout).supervisor == before
    run("down")
    assert "Nothing is running" in run("down")
    run("clean", "--yes")
    assert not layout.root.exists()
    assert not (tmp_path / ".env").exists()


def test_clean_leaves_a_folder_that_is_not_ours(layout: Layout) -> None:
    layout.root.mkdir()
    (layout.root / "thesis.txt").write_text("years of work")
    result = CliRunner().invoke(commands, ["clean", "--yes"])
    assert result.exit_code == 2
    assert (layout.root / "thesis.txt").exists()
