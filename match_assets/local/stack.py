"""The three data servers as one context manager: what tests, the demo and the supervisor share.

Example:
    with ServerStack(Path("/tmp/some-folder")) as stack:
        settings = load_settings(stack.settings_environment())
"""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from mirakuru.exceptions import ProcessExitedWithError

from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.local import servers
from match_assets.local.environment import server_environment
from match_assets.local.layout import Layout, StackLock, choose_ports, load_secrets, read_json, remember_ports
from match_assets.local.processes import ServerProcess, end_leftovers

SERVERS = ("postgres", "valkey", "seaweedfs")


class ServerStack:
    """PostgreSQL, Valkey and SeaweedFS with their data in one folder.

    A folder serves one stack at a time. What a killed predecessor left running there is ended first, data is kept.
    """

    def __init__(self, state_dir: Path, ports: dict[str, int] | None = None) -> None:
        """Describe the stack; nothing happens before ``start``.

        Args:
            state_dir: folder for data, passwords and logs; made if absent.
            ports: fixed ports by name (``servers.SERVER_PORTS``); those left out are chosen free.
        """
        self.layout = Layout(Path(state_dir).absolute())
        self.ports: dict[str, int] = dict(ports or {})
        self.secrets: dict[str, str] = {}
        self.processes: dict[str, ServerProcess] = {}
        self._lock = StackLock(self.layout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all three and wait until each answers a real request.

        Raises:
            ConfigurationError: another process runs this folder's stack, or the folder cannot be used.
            DependencyUnavailableError: a server did not start; the message shows the end of its log. The others are stopped.
        """
        self.layout.create()
        if not self._lock.acquire():
            raise ConfigurationError(f"the servers of {self.layout.root} are run by another process; stop it first")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self.secrets = load_secrets(self.layout)
        end_leftovers(self.layout, self.secrets["stack_id"], patience_seconds=30)
        remembered = {**read_json(self.layout.ports_file), **self.ports}
        self.ports = {**remembered, **choose_ports(servers.SERVER_PORTS, remembered=remembered)}
        remember_ports(self.layout, self.ports)
        self.processes = build_servers(self.layout, self.ports, self.secrets)
        for name in ("seaweedfs", "valkey", "postgres"):  # slowest first: they start side by side
            self.processes[name].launch()
        for process in self.processes.values():
            _wait_ready(process)
        servers.create_databases(self.ports["postgres"], self.secrets["postgres"])

    def stop(self) -> None:
        """Stop what runs, in reverse order, and give the folder free."""
        try:
            for process in reversed(list(self.processes.values())):
                process.end()
        finally:
            self._lock.release()

    def kill(self, name: str) -> None:
        """SIGKILL one server, as a crash would."""
        self.processes[name].kill()

    def restart(self, name: str) -> None:
        """Start a killed or stopped server again on its old port and data."""
        self.processes[name].start()

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Freeze one server for the time of a ``with`` block: it keeps its port and answers nothing."""
        process = self.processes[name].process
        if process is None:
            raise ConfigurationError(f"{name} is not running, so it cannot be paused")
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def settings_environment(self) -> dict[str, str]:
        """The variables that point every part of the project at these servers."""
        return server_environment(self.layout, self.ports, self.secrets)


def _wait_ready(process: ServerProcess) -> None:
    """Wait for a launched server, and launch one that ended by itself once more.

    On a busy machine SeaweedFS gives up where one of its parts is late for another; the next start finds them.
    """
    try:
        process.wait_ready()
    except DependencyUnavailableError as error:
        if not isinstance(error.__cause__, ProcessExitedWithError):
            raise
        process.start()


def build_servers(layout: Layout, ports: dict[str, int], secrets: dict[str, str]) -> dict[str, ServerProcess]:
    """The three servers by name, in the order in which they stop last to first."""
    makers = (servers.postgres, servers.valkey, servers.seaweedfs)
    return {name: make(layout, ports, secrets) for name, make in zip(SERVERS, makers, strict=True)}
