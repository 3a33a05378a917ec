"""One supervised process: how it starts, says that it is ready, and ends; and ending what a killed parent left behind."""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

import mirakuru.base
import psutil
from mirakuru.exceptions import ProcessExitedWithError, ProcessFinishedWithError, TimeoutExpired

from match_assets.errors import DependencyUnavailableError
from match_assets.local.layout import Layout, is_listening, read_json, write_private

# mirakuru's exit handler kills every process of the machine whose marker *contains* our pid as text: process 42 would kill
# the servers of another stack whose random id has "42" in it. Executors are stopped by their owners instead, exactly.
atexit.unregister(mirakuru.base.cleanup_subprocesses)

STACK_MARKER = "MATCH_ASSETS_STACK_ID"
LOG_LIMIT_BYTES = 20_000_000
START_TIME_TOLERANCE_SECONDS = 0.05


class ServerProcess(mirakuru.base.Executor):
    """A process with its ports, log file, readiness probe and time limits.

    ``launch`` only starts it; ``start`` also waits until it is ready. It runs in a session of its own, so that a Ctrl-C meant
    for the supervisor does not reach it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        ports: Sequence[int],
        layout: Layout,
        is_ready: Callable[[], bool],
        environment: dict[str, str],
        prepare: Callable[[], None] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        start_seconds: float = 60.0,
        stop_seconds: float = 15.0,
    ) -> None:
        super().__init__(
            list(command),
            cwd=str(cwd) if cwd else None,
            timeout=start_seconds,
            sleep=0.05,
            stop_signal=stop_signal,
            envvars=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        self.name = name
        self.ports = tuple(ports)
        self.log_file = layout.logs / f"{name}.log"
        self._mark_file = layout.running / f"{name}.json"
        self._is_ready = is_ready
        self._prepare = prepare
        self.start_seconds = start_seconds
        self._stop_seconds = stop_seconds

    def pre_start_check(self) -> bool:
        """Whether something else already listens where this process should."""
        return any(is_listening(port) for port in self.ports)

    def after_start_check(self) -> bool:
        """Whether the process answers its probe."""
        return self._is_ready()

    def launch(self) -> Self:
        """Start the process without waiting until it is ready.

        Raises:
            DependencyUnavailableError: a port is taken, or what must happen before the start failed.
        """
        if self.pre_start_check():
            busy = [port for port in self.ports if is_listening(port)]
            raise DependencyUnavailableError(
                f"{self.name}: port {', '.join(map(str, busy))} is taken by another program; stop it and start again",
                part=self.name,
                ports=busy,
            )
        if self._prepare is not None:
            self._prepare()
        self._timeout = self.start_seconds
        with self._open_log() as log:
            self._stdout = log
            mirakuru.base.SimpleExecutor.start(self)
        self._record()
        return self

    def start(self) -> Self:
        """Start the process and wait until it is ready.

        Raises:
            DependencyUnavailableError: it ended at once or was not ready in time; the message shows the end of its log.
        """
        self.launch()
        return self.wait_ready()

    def wait_ready(self) -> Self:
        """Wait for a launched process; see ``start``."""
        try:
            self.wait_for(self.check_subprocess)
        except ProcessExitedWithError as error:
            raise self._failure(f"ended with exit code {error.exit_code}") from error
        except TimeoutExpired as error:
            raise self._failure(f"was not ready within {self.start_seconds:.0f} s") from error
        return self

    def is_ready(self) -> bool:
        """Whether it runs and answers its probe now."""
        return self.running() and self._is_ready()

    def end(self) -> None:
        """Stop it and its children in the orderly way, by force after the time limit."""
        self._timeout = self._stop_seconds
        # how a process words its own end is of no interest once it was told to end
        with contextlib.suppress(ProcessFinishedWithError):
            self.stop()
        self._mark_file.unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """Pid while it runs."""
        return self.process.pid if self.process is not None and self.running() else None

    def forget(self) -> int | None:
        """Reap a process that ended by itself, with what it left running; its exit code."""
        if self.process is None:
            return None
        code = self.process.poll()
        self._kill_all_kids(signal.SIGKILL)
        self._clear_process()
        self._mark_file.unlink(missing_ok=True)
        return code

    def _record(self) -> None:
        """Write down who was started: Valkey overwrites its environment, and with it the marker that would tell."""
        mark = ProcessMark.of(self.process.pid) if self.process is not None else None
        if mark is not None:
            self._mark_file.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(self._mark_file, json.dumps(asdict(mark)))

    def _open_log(self) -> IO[Any]:
        self.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_LIMIT_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        return self.log_file.open("a", encoding="utf-8")

    def _failure(self, what: str) -> DependencyUnavailableError:
        tail = "\n".join(f"    {line}" for line in last_lines(self.log_file, 12))
        return DependencyUnavailableError(
            f"{self.name} {what}. The end of {self.log_file}:\n{tail}", part=self.name, log=str(self.log_file)
        )


def last_lines(path: Path, n: int) -> list[str]:
    """The last ``n`` lines of a text file; none when it is absent."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            return file.read().decode("utf-8", errors="replace").splitlines()[-n:]
    except FileNotFoundError:
        return []


@dataclass(frozen=True)
class ProcessMark:
    """A process so described that no other one can be taken for it: pid and start time (seconds since 1970)."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "ProcessMark | None":
        """The mark of a living process; None for an absent one and for a zombie."""
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return cls(pid, process.create_time())
        except psutil.NoSuchProcess:
            return None

    def living(self) -> psutil.Process | None:
        """The process if it still is the one marked and lives."""
        now = ProcessMark.of(self.pid)
        if now is None or abs(now.created - self.created) > START_TIME_TOLERANCE_SECONDS:
            return None
        return psutil.Process(self.pid)


def marked_processes(stack_id: str) -> list[ProcessMark]:
    """Living processes that were started by the stack of this id, found by the marker in their environment."""
    found = []
    for process in psutil.process_iter(["pid"]):
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(STACK_MARKER) == stack_id:
                mark = ProcessMark.of(process.pid)
                if mark is not None:
                    found.append(mark)
    return found


def recorded_processes(layout: Layout) -> dict[str, ProcessMark]:
    """The processes that the stack's records name, whether they still live or not."""
    marks = {}
    for file in sorted(layout.running.glob("*.json")):
        held = read_json(file)
        if isinstance(held.get("pid"), int) and isinstance(held.get("created"), float):
            marks[file.stem] = ProcessMark(held["pid"], held["created"])
    return marks


def end_leftovers(layout: Layout, stack_id: str, *, patience_seconds: float) -> list[int]:
    """End what a killed supervisor left running: exactly the processes that bear the stack's marker or stand in its records.

    Parents are told first, and their children only once they are orphans: PostgreSQL's own children take the signal that ends
    the server for something else. Those that stay beyond ``patience_seconds`` are killed.

    Returns:
        The pids that were found alive.
    """
    recorded = recorded_processes(layout).values()
    told: set[ProcessMark] = set()
    found: set[int] = set()
    deadline = time.monotonic() + patience_seconds
    while living := _living(marked_processes(stack_id), recorded):
        found |= {mark.pid for mark in living}
        if time.monotonic() > deadline:
            for mark in living:
                _signal(mark, signal.SIGKILL)
        for mark in living - told:
            if not _has_parent_in(mark, living):
                told.add(mark)
                _signal(mark)
        if time.monotonic() > deadline + 10:
            break  # in uninterruptible sleep: nothing more can be done, and starting will name the port or folder in use
        time.sleep(0.1)
    for file in layout.running.glob("*.json"):
        file.unlink()
    return sorted(found)


def living_leftovers(layout: Layout, stack_id: str) -> set[ProcessMark]:
    """Processes of the stack that live now, by marker or record."""
    return _living(marked_processes(stack_id), recorded_processes(layout).values())


def _living(*groups: Iterable[ProcessMark]) -> set[ProcessMark]:
    return {mark for group in groups for mark in group if mark.living() is not None}


def _has_parent_in(mark: ProcessMark, marks: set[ProcessMark]) -> bool:
    process = mark.living()
    try:
        return process is not None and process.ppid() in {other.pid for other in marks}
    except psutil.NoSuchProcess:
        return False


def _signal(mark: ProcessMark, how: signal.Signals | None = None) -> None:
    """Signal one process; psutil refuses when its pid was given to another one meanwhile."""
    process = mark.living()
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            orderly = signal.SIGINT if process.name() == "postgres" else signal.SIGTERM
            process.send_signal(how or orderly)
