"""PostgreSQL, Valkey and SeaweedFS: what they hold survives a kill, and nobody reads it without a password."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg
import pytest
import redis

from match_assets.config import load_settings
from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.local.processes import ProcessMark, living_leftovers, marked_processes
from match_assets.local.servers import postgres_dsn, weed_binary
from match_assets.local.stack import SERVERS, ServerStack


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerStack]:
    """A stack of these tests alone: they kill it."""
    with ServerStack(tmp_path_factory.mktemp("own") / "state") as made:
        yield made


def connect(stack: ServerStack) -> psycopg.Connection[Any]:
    url = postgres_dsn(stack.ports["postgres"], stack.secrets["postgres"], "match_assets")
    return psycopg.connect(url, autocommit=True)


def s3_client(stack: ServerStack) -> Any:
    settings = load_settings(stack.settings_environment())
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        region_name=settings.s3_region,
    )


def test_committed_rows_survive_a_killed_postgres(own: ServerStack) -> None:
    with connect(own) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    own.kill("postgres")
    own.restart("postgres")
    with connect(own) as connection:
        assert connection.execute("SELECT count(*), sum(n) FROM kept").fetchone() == (1000, 500_500)


def test_keys_survive_a_killed_valkey(own: ServerStack) -> None:
    url = load_settings(own.settings_environment()).redis_url
    with redis.Redis.from_url(url, decode_responses=True) as client:
        client.mset({f"key{i}": str(i) for i in range(200)})
        client.execute_command("WAITAOF", 1, 0, 5000)
    own.kill("valkey")
    own.restart("valkey")
    with redis.Redis.from_url(url, decode_responses=True) as client:
        assert [client.get(f"key{i}") for i in range(200)] == [str(i) for i in range(200)]


def test_acknowledged_objects_survive_a_killed_object_store(own: ServerStack) -> None:
    client = s3_client(own)
    bodies = {f"object-{i}": bytes([i]) * 2000 for i in range(30)}
    for key, body in bodies.items():
        client.put_object(Bucket="match-assets", Key=key, Body=body)
    own.kill("seaweedfs")
    own.restart("seaweedfs")
    read = {key: client.get_object(Bucket="match-assets", Key=key)["Body"].read() for key in bodies}
    assert read == bodies


def test_a_frozen_server_is_not_ready_and_thaws(own: ServerStack) -> None:
    with own.paused("valkey"):
        assert not own.processes["valkey"].is_ready()
    assert own.processes["valkey"].is_ready()


def test_postgres_and_valkey_refuse_a_wrong_password(own: ServerStack) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_dsn(own.ports["postgres"], "wrong", "match_assets"))
    with redis.Redis(port=own.ports["valkey"]) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


@pytest.mark.parametrize("port", ["s3", "seaweedfs_filer"])
def test_no_port_of_the_object_store_hands_out_objects_to_strangers(own: ServerStack, port: str) -> None:
    s3_client(own).put_object(Bucket="match-assets", Key="private", Body=b"private")
    path = "match-assets/private" if port == "s3" else "buckets/match-assets/private"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{own.ports[port]}/{path}", timeout=5)
    assert refused.value.code in {401, 403}
    refused.value.close()


def test_no_password_stands_in_an_argument_list(own: ServerStack) -> None:
    processes = [psutil.Process(process.pid) for process in own.processes.values() if process.pid]
    assert len(processes) == len(SERVERS)
    everything = [
        word for one in processes for word in (*one.cmdline(), *(w for c in one.children() for w in c.cmdline()))
    ]
    for secret in own.secrets.values():
        assert not any(secret in word for word in everything)


def test_every_port_listens_on_loopback_alone(own: ServerStack) -> None:
    pids = {process.pid for process in own.processes.values()}
    listening = {
        tuple(c.laddr) for c in psutil.net_connections("tcp") if c.pid in pids and c.status == psutil.CONN_LISTEN
    }
    assert {port for _, port in listening} >= {own.ports[name] for name in ("postgres", "valkey", "s3")}
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1"}


def test_a_folder_serves_one_stack_at_a_time(own: ServerStack) -> None:
    with pytest.raises(ConfigurationError, match="run by another process"):
        ServerStack(own.layout.root).start()
    assert all(process.is_ready() for process in own.processes.values())


def test_postgres_starts_beside_a_stale_pid_file(own: ServerStack) -> None:
    """After a power cut the file names a pid that may belong to anyone by then."""
    own.kill("postgres")
    pid_file = own.layout.root / "postgres" / "postmaster.pid"
    held = pid_file.read_text().splitlines()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text("\n".join([str(bystander.pid), *held[1:]]) + "\n")
        own.restart("postgres")
        assert own.processes["postgres"].is_ready()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_stopping_leaves_no_process_and_starting_again_keeps_ports_and_data(tmp_path: Path) -> None:
    with ServerStack(tmp_path / "state") as first:
        with connect(first) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        marks = [ProcessMark.of(process.pid) for process in first.processes.values() if process.pid]
        assert living_leftovers(first.layout, first.secrets["stack_id"]) >= {mark for mark in marks if mark}
    assert len(marks) == len(SERVERS)
    assert not any(mark.living() for mark in marks if mark)
    with ServerStack(tmp_path / "state") as second:
        assert (second.ports, second.secrets) == (first.ports, first.secrets)
        with connect(second) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    assert marked_processes(first.secrets["stack_id"]) == []


def test_starting_takes_seconds_not_minutes(own: ServerStack) -> None:
    begun = time.monotonic()
    own.kill("seaweedfs")
    own.restart("seaweedfs")
    assert time.monotonic() - begun < 60


def test_a_server_that_gives_up_while_it_starts_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shy = tmp_path / "weed"
    shy.write_text(
        f'#!/bin/sh\n[ -e "{tmp_path}/tried" ] || {{ touch "{tmp_path}/tried"; exit 255; }}\nexec {weed_binary()} "$@"\n'
    )
    shy.chmod(0o755)
    monkeypatch.setattr("match_assets.local.servers.weed_binary", lambda: shy)
    with ServerStack(tmp_path / "state") as stack:
        assert s3_client(stack).list_buckets()["Buckets"]
    (tmp_path / "weed").write_text("#!/bin/sh\necho no disk\nexit 255\n")
    with pytest.raises(DependencyUnavailableError, match=r"(?s)seaweedfs ended with exit code 255.*no disk"):
        ServerStack(tmp_path / "state").start()
