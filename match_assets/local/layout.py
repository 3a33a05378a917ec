"""One folder holds all that the embedded stack keeps: data, ports, passwords, logs. Readable by its owner alone.

.match-assets/
├── secrets.json    passwords, made at first start                     (0600)
├── ports.json      the port of each part, chosen at first start
├── state.json      what the supervisor last said of each part
├── running/        pid and start time of each process
├── lock            held by the one supervisor for as long as it lives
├── logs/           one file a process
└── postgres/ valkey/ seaweedfs/ dagster/ practice/ service/
"""

import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from match_assets.errors import ConfigurationError, DependencyUnavailableError

HOST = "127.0.0.1"
# SeaweedFS listens on port + 10000 too: choosing below 22700 keeps both under the kernel's range for outgoing connections
# (32768 and up), so that no client socket sits on a remembered port at the next start.
CHOSEN_PORTS = range(15_000, 22_700)
GRPC_OFFSET = 10_000
STATE_DIR_VARIABLE = "MATCH_ASSETS_STATE_DIR"
SECRET_NAMES = (
    "stack_id",
    "postgres",
    "valkey",
    "s3_access_key",
    "s3_secret_key",
    "jwt_volume",
    "jwt_filer",
    "jwt_filer_read",
)


@dataclass(frozen=True)
class Layout:
    """Paths of one state folder; making the object touches nothing."""

    root: Path

    @property
    def logs(self) -> Path:
        """Folder of the log files."""
        return self.root / "logs"

    @property
    def running(self) -> Path:
        """Folder with a record of each running process."""
        return self.root / "running"

    @property
    def secrets_file(self) -> Path:
        """Generated passwords, JSON, 0600."""
        return self.root / "secrets.json"

    @property
    def ports_file(self) -> Path:
        """Remembered ports, JSON."""
        return self.root / "ports.json"

    @property
    def state_file(self) -> Path:
        """Running processes, JSON; written by the supervisor."""
        return self.root / "state.json"

    @property
    def lock_file(self) -> Path:
        """Locked (flock) by the supervisor while it lives."""
        return self.root / "lock"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of the embedded stack."""
        return self.root / "dagster"

    def folder(self, name: str) -> Path:
        """The data folder of one part, made if absent."""
        path = self.root / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def create(self) -> None:
        """Make the folder, closed to everyone else.

        Raises:
            ConfigurationError: the folder cannot be made or written.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"{self.root}: {error.strerror}; choose a writable folder with {STATE_DIR_VARIABLE}",
                path=str(self.root),
            ) from error


def default_layout() -> Layout:
    """The state folder that ``MATCH_ASSETS_STATE_DIR`` names, or ``.match-assets`` in the working folder."""
    return Layout(Path(os.environ.get(STATE_DIR_VARIABLE) or ".match-assets").absolute())


def write_private(path: Path, text: str) -> None:
    """Replace a file whole, so that a reader sees the old text or the new one, readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty when there is none or a crash left it unreadable."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def load_secrets(layout: Layout) -> dict[str, str]:
    """The stack's passwords by name, generated at first use and kept from then on.

    Raises:
        ConfigurationError: data is there but its passwords are not, so no password we make could open it.
    """
    held: dict[str, str] = read_json(layout.secrets_file)
    if all(name in held for name in SECRET_NAMES):
        return held
    if (layout.root / "postgres" / "PG_VERSION").exists():
        raise ConfigurationError(
            f"{layout.secrets_file} is missing or damaged, but {layout.root / 'postgres'} holds a database locked with its"
            " password; restore the file, or start anew with `make clean`",
            path=str(layout.secrets_file),
        )
    made = {name: secrets.token_hex(20) for name in SECRET_NAMES}
    write_private(layout.secrets_file, json.dumps(made, indent=2))
    return made


def is_free(port: int) -> bool:
    """Whether we could listen on this port of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def is_listening(port: int, *, timeout: float = 0.5) -> bool:
    """Whether something accepts connections on this port of the loopback address."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout):
            return True
    except OSError:
        return False


def choose_ports(
    names: Iterable[str], *, remembered: dict[str, int] | None = None, preferred: dict[str, int] | None = None
) -> dict[str, int]:
    """A free port for each name: the remembered one, else the preferred one, else any; all distinct.

    Raises:
        DependencyUnavailableError: no free port was found.
    """
    remembered, preferred = remembered or {}, preferred or {}
    chosen: dict[str, int] = {}
    taken: set[int] = set()
    for name in names:
        wishes = [ports[name] for ports in (remembered, preferred) if name in ports]
        drawn = random.sample(CHOSEN_PORTS, k=200)
        for port in (*wishes, *drawn):
            pair = {port, port + GRPC_OFFSET}
            if not pair & taken and is_free(port) and (port + GRPC_OFFSET > 65_535 or is_free(port + GRPC_OFFSET)):
                chosen[name] = port
                taken |= pair
                break
        else:
            raise DependencyUnavailableError(f"no free port for {name} on {HOST}", part=name)
    return chosen


def remember_ports(layout: Layout, ports: dict[str, int]) -> None:
    """Keep the ports for the next start."""
    write_private(layout.ports_file, json.dumps(ports, indent=2, sort_keys=True))


class StackLock:
    """The lock file of a state folder; it falls with the process that holds it, however that ends."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.lock_file
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody holds it; children do not inherit it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_held(self) -> bool:
        """Whether any process holds it, found by trying."""
        if not self._path.exists():
            return False
        if self._descriptor is None and self.acquire():
            self.release()
            return False
        return True
