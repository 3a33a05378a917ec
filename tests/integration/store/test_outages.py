"""A store that is away, frozen, full or refuses us: told apart, waited for, or given up in time. OBJ-01, OBJ-06."""

import datetime as dt
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from match_assets.config import Settings
from match_assets.errors import ConfigurationError, DependencyUnavailableError, MatchAssetsError
from match_assets.local import servers
from match_assets.local.layout import Layout, choose_ports, load_secrets
from match_assets.local.processes import ServerProcess
from match_assets.store import Pointer, Store
from match_assets.store.objects import Bucket, s3_client
from tests.integration.store.conftest import ASSET, PARTITION, accepted, frame, put

FOREVER = 1e9


class OwnServer:
    """An object store of this module's own, to be killed and frozen."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        layout = Layout(folder)
        layout.create()
        ports, secrets = choose_ports(servers.SERVER_PORTS), load_secrets(layout)
        self.process: ServerProcess = servers.seaweedfs(layout, ports, secrets)
        self.settings = settings.model_copy(
            update={
                "s3_endpoint": f"http://127.0.0.1:{ports['s3']}",
                "s3_bucket": servers.BUCKET,
                "s3_access_key": secrets["s3_access_key"],
                "s3_secret_key": secrets["s3_secret_key"],
            }
        )

    def store(self, patience_seconds: float) -> Store:
        """A store with that much patience."""
        return Store.from_settings(self.settings, patience_seconds=patience_seconds)

    def signal(self, which: signal.Signals) -> None:
        """Sends a signal to the server."""
        assert self.process.pid
        os.kill(self.process.pid, which)


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    nowhere = "postgresql://nowhere"
    settings = Settings(
        postgres_url=nowhere,
        s3_bucket="b",
        redis_url="redis://nowhere",
        mlflow_url=nowhere,
        source_url="http://nowhere",
    )
    with tempfile.TemporaryDirectory(prefix="match-assets-", ignore_cleanup_errors=True) as folder:
        server = OwnServer(Path(folder) / "state", settings)
        server.process.start()
        try:
            yield server
        finally:
            server.process.end()


def accept_in_thread(store: Store, candidate: Pointer, done: list[Pointer | MatchAssetsError]) -> threading.Thread:
    def accept() -> None:
        try:
            done.append(store.accept(candidate))
        except MatchAssetsError as error:
            done.append(error)

    thread = threading.Thread(target=accept)
    thread.start()
    return thread


def test_a_killed_server_is_waited_for_as_long_as_patience_lasts_and_no_longer(own: OwnServer) -> None:
    # OBJ-01
    old = accepted(own.store(3.0), frame(1))
    patient = own.store(120.0)
    candidate = put(patient, frame(2), inputs={"raw": "s2"})
    own.process.kill()
    with pytest.raises(DependencyUnavailableError, match="does not answer") as caught:
        own.store(0.5).accept(candidate)
    assert caught.value.exit_code == 4
    done: list[Pointer | MatchAssetsError] = []
    thread = accept_in_thread(patient, candidate, done)
    own.process.start()
    thread.join()
    assert isinstance(done[0], Pointer), done
    assert [version.sha256 for version in own.store(3.0).history(ASSET, PARTITION)] == [old.sha256, candidate.sha256]


def test_a_frozen_server_is_given_up_or_waited_for(own: OwnServer) -> None:
    # OBJ-01: it takes connections and answers none
    old = accepted(own.store(3.0), frame(1), partition="frozen")
    patient, candidate = own.store(120.0), put(own.store(3.0), frame(2), partition="frozen", inputs={"raw": "s2"})
    done: list[Pointer | MatchAssetsError] = []
    own.signal(signal.SIGSTOP)
    try:
        with pytest.raises(DependencyUnavailableError, match="does not answer"):
            own.store(0.0).accept(candidate)
        thread = accept_in_thread(patient, candidate, done)
    finally:
        own.signal(signal.SIGCONT)
    thread.join()
    assert isinstance(done[0], Pointer), done
    assert done[0].previous_sha256 == old.sha256


@pytest.fixture
def small_disk(own: OwnServer) -> Iterator[OwnServer]:
    """A server whose data lies on a disk of 24 MB."""
    with tempfile.TemporaryDirectory(prefix="match-assets-small-", ignore_cleanup_errors=True) as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("only root may mount a small disk")
        try:
            server = OwnServer(Path(folder) / "state", own.settings)
            server.process.start()
            try:
                yield server
            finally:
                server.process.kill()  # in the orderly way it would try for half a minute to save what does not fit
        finally:
            subprocess.run(["umount", "-l", folder], check=False)


def test_a_full_disk_is_named_and_what_was_accepted_stays_readable(small_disk: OwnServer) -> None:
    # OBJ-01
    store = small_disk.store(0.0)
    old = accepted(store, frame(1))

    def fill() -> None:
        for number in range(1000):
            store.bucket.put(f"filler/{number}", os.urandom(1_000_000))

    def go_on() -> None:
        for goals in range(1000):
            accepted(store, frame(*range(goals, goals + 4000)), inputs={"raw": str(goals)})

    with pytest.raises(DependencyUnavailableError, match="if its disk is full make room") as caught:
        fill()
    assert caught.value.exit_code == 4
    with pytest.raises(DependencyUnavailableError):
        go_on()
    assert small_disk.store(0.0).history(ASSET, PARTITION)[0] == old
    assert small_disk.store(0.0).read(ASSET, PARTITION).height in {1, 4000}


# -- OBJ-06 ----------------------------------------------------------------------------------------------------------------


def patient_store(settings: Settings, **changes: str) -> Store:
    """With endless patience: a test that came to wait would never end."""
    return Store.from_settings(settings.model_copy(update=changes), patience_seconds=FOREVER)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("s3_secret_key", "wrong", "MATCH_ASSETS_S3_SECRET_KEY"),
        ("s3_access_key", "nobody", "MATCH_ASSETS_S3_ACCESS_KEY"),
        (
            "s3_bucket",
            "no-such-bucket",
            "bucket no-such-bucket does not exist; create it or set MATCH_ASSETS_S3_BUCKET",
        ),
        ("s3_bucket", "No Bucket/At All", "check the MATCH_ASSETS_S3_"),
        ("s3_endpoint", "nonsense", "MATCH_ASSETS_S3_ENDPOINT is no address"),
    ],
)
def test_a_wrong_setting_is_named_at_once_for_reading_and_for_writing(
    place: Settings, setting: str, value: str, says: str
) -> None:
    # OBJ-06: exit 2, not repeated, and nothing secret in the message
    for act in (lambda store: store.pointer(ASSET, PARTITION), lambda store: put(store, frame(1))):
        with pytest.raises(ConfigurationError, match=says) as caught:
            act(patient_store(place, **{setting: value}))
        assert caught.value.exit_code == 2
        assert str(place.s3_secret_key) not in f"{caught.value} {caught.value.facts} {caught.value.__cause__}"


def test_a_bucket_that_is_missing_is_not_made_up_by_writing_to_it(place: Settings) -> None:
    # OBJ-06: this server makes a bucket at the first PUT, where others refuse
    with pytest.raises(ConfigurationError):
        patient_store(place, s3_bucket="mistyped").bucket.put("pointers/x", b"x")
    names = {bucket["Name"] for bucket in s3_client(place).list_buckets()["Buckets"]}
    assert "mistyped" not in names


def test_no_key_at_all_is_a_setting_too(place: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # OBJ-06
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with pytest.raises(ConfigurationError, match="MATCH_ASSETS_S3_"):
        patient_store(place.model_copy(update={"s3_access_key": None, "s3_secret_key": None})).pointer(ASSET, PARTITION)


def test_a_clock_that_is_wrong_is_told_from_a_key_that_is(place: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # OBJ-06
    import botocore.auth

    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: dt.datetime(2020, 1, 1))  # noqa: DTZ001
    with pytest.raises(ConfigurationError, match="clock differs too much"):
        patient_store(place).pointer(ASSET, PARTITION)


class Scripted:
    """A server that answers status and code from a script, then 404 for ever."""

    def __init__(self, *script: tuple[int, str]) -> None:
        self.asked = 0
        waiting = list(script)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                status, code = waiting.pop(0) if waiting else (404, "NoSuchKey")
                body = f"<Error><Code>{code}</Code><Message>secret-token</Message></Error>".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken"])
def test_a_key_that_expires_in_the_middle_of_a_run_is_named_and_not_tried_again(place: Settings, code: str) -> None:
    # OBJ-06
    site = Scripted((400, code))
    store = patient_store(place, s3_endpoint=f"http://127.0.0.1:{site.port}")
    with pytest.raises(ConfigurationError, match="has expired") as caught:
        store.pointer(ASSET, PARTITION)
    assert site.asked == 1
    assert "secret-token" not in caught.value.message
    site.close()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_busy_server_is_asked_again(place: Settings, status: int) -> None:
    # OBJ-01
    site = Scripted((status, "SlowDown"), (status, "SlowDown"))
    assert patient_store(place, s3_endpoint=f"http://127.0.0.1:{site.port}").pointer(ASSET, PARTITION) is None
    assert site.asked == 3
    site.close()


def test_a_busy_server_is_not_asked_for_ever(place: Settings) -> None:
    # OBJ-01
    site = Scripted(*[(503, "SlowDown")] * 1000)
    settings = place.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{site.port}"})
    bucket = Bucket(s3_client(settings), "b", patience_seconds=0.5)
    with pytest.raises(DependencyUnavailableError, match="SlowDown"):
        bucket.get("x")
    assert 1 < site.asked < 10
    site.close()
