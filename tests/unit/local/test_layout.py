"""The state folder: ports, passwords and the lock."""

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.local.layout import (
    CHOSEN_PORTS,
    GRPC_OFFSET,
    HOST,
    SECRET_NAMES,
    Layout,
    StackLock,
    choose_ports,
    is_free,
    is_listening,
    load_secrets,
    read_json,
    write_private,
)

FOLDER_FOR_OWNER = 0o700
FILE_FOR_OWNER = 0o600


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    made.create()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_passwords_are_closed_to_others(layout: Layout) -> None:
    load_secrets(layout)
    assert mode(layout.root) == FOLDER_FOR_OWNER
    assert mode(layout.secrets_file) == FILE_FOR_OWNER


def test_passwords_are_made_once_and_all_differ(layout: Layout) -> None:
    first = load_secrets(layout)
    assert load_secrets(layout) == first
    assert len({first[name] for name in SECRET_NAMES}) == len(SECRET_NAMES)


def test_lost_passwords_of_a_database_are_an_error_and_not_new_passwords(layout: Layout) -> None:
    layout.folder("postgres").joinpath("PG_VERSION").write_text("18\n")
    with pytest.raises(ConfigurationError, match="make clean"):
        load_secrets(layout)
    assert not layout.secrets_file.exists()


def test_a_state_folder_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_text("")
    with pytest.raises(ConfigurationError, match="MATCH_ASSETS_STATE_DIR"):
        Layout(tmp_path / "file" / "state").create()


def test_ports_are_distinct_with_their_grpc_neighbours() -> None:
    names = [f"part{i}" for i in range(20)]
    chosen = choose_ports(names)
    used = [port + offset for port in chosen.values() for offset in (0, GRPC_OFFSET)]
    assert len(set(used)) == 2 * len(names)
    assert all(port in CHOSEN_PORTS for port in chosen.values())


def test_a_remembered_port_wins_over_the_preferred_one() -> None:
    remembered, preferred = choose_ports(["a", "b"]).values()
    assert choose_ports(["x"], remembered={"x": remembered}, preferred={"x": preferred}) == {"x": remembered}


def test_a_port_that_someone_else_took_is_left_to_him() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert is_listening(port)
        assert not is_free(port)
        assert choose_ports(["x"], remembered={"x": port})["x"] != port
    assert not is_listening(port)


def test_no_free_port_is_an_error_that_names_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("match_assets.local.layout.is_free", lambda port: False)
    with pytest.raises(DependencyUnavailableError, match="valkey"):
        choose_ports(["valkey"])


def test_a_failed_write_leaves_the_old_file_and_no_other(layout: Layout) -> None:
    path = layout.root / "ports.json"
    write_private(path, "{}")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\udcff")
    assert path.read_text() == "{}"
    assert [file.name for file in layout.root.iterdir() if file.is_file()] == ["ports.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "\x00"])
def test_a_damaged_file_reads_as_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    assert read_json(path) == {}


def test_the_lock_excludes_another_process_and_falls_with_it(layout: Layout) -> None:
    code = (
        "import sys; from pathlib import Path; from match_assets.local.layout import Layout, StackLock\n"
        "lock = StackLock(Layout(Path(sys.argv[1]))); print(lock.acquire(), flush=True); sys.stdin.read()"
    )
    ours = StackLock(layout)
    assert not ours.is_held()
    command = [sys.executable, "-c", code, str(layout.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert ours.is_held()
        assert not ours.acquire()
        other.kill()
    assert not ours.is_held()
    assert ours.acquire()
    ours.release()


def test_remembered_ports_are_plain_json(layout: Layout) -> None:
    write_private(layout.ports_file, json.dumps({"postgres": 15_000}))
    assert read_json(layout.ports_file) == {"postgres": 15_000}
