"""The one foreground process that starts all parts, restarts what dies, and stops everything when told to.

It holds the state folder's lock for as long as it lives. Killed hard, it leaves its children running; the next one ends exactly
those (marker in their environment, or recorded pid and start time) and starts again on the same data.
"""

import contextlib
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import FrameType

import psutil

from match_assets.errors import ConfigurationError, MatchAssetsError
from match_assets.local.layout import Layout, StackLock, read_json, write_private
from match_assets.local.parts import Part
from match_assets.local.processes import STACK_MARKER, ProcessMark, end_leftovers, last_lines
from match_assets.local.stack import SERVERS

LOG = logging.getLogger(__name__)
TICK_SECONDS = 0.1
FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 30.0
SETTLED_AFTER_SECONDS = 60.0
RIVAL_CHECK_SECONDS = 3.0


class State(StrEnum):
    """Where a part stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RETRYING = "retrying"
    ASIDE = "aside"


@dataclass
class Watched:
    """A part as the supervisor sees it. Times are of the monotonic clock, in seconds."""

    part: Part
    state: State = State.WAITING
    since: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    restarts: int = 0
    was_ready: bool = False
    seconds_to_ready: float | None = None
    message: str = ""


@dataclass(frozen=True)
class PartStatus:
    """What the state file says of one part."""

    name: str
    state: str
    pid: int | None
    ports: tuple[int, ...]
    url: str | None
    restarts: int
    failures: int
    seconds_to_ready: float | None
    message: str


@dataclass
class Supervisor:
    """Runs the parts of one state folder until it is told to stop; the caller holds the folder's lock.

    Attributes:
        report: called with each part whose state changed.
    """

    layout: Layout
    parts: dict[str, Part]
    report: Callable[[PartStatus], None] = lambda _: None
    rival_daemon: Callable[[], int | None] = lambda: None
    watched: dict[str, Watched] = field(init=False)
    _stopping: threading.Event = field(init=False, default_factory=threading.Event)
    _next_rival_check: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.watched = {name: Watched(part) for name, part in self.parts.items()}

    def run(self) -> None:
        """Start, watch, and stop on SIGTERM, SIGINT or SIGHUP."""
        with self._signal_handlers():
            try:
                self._write_state("running")
                while not self._stopping.wait(TICK_SECONDS):
                    self.tick(time.monotonic())
            finally:
                self._write_state("stopping")
                self.stop_all()
                self.layout.state_file.unlink(missing_ok=True)

    def request_stop(self) -> None:
        """Let ``run`` end at its next tick."""
        self._stopping.set()

    def tick(self, now: float) -> None:
        """Look at each part once and move it on."""
        self._step_aside_for_rival(now)
        for watched in self.watched.values():
            before = (watched.state, watched.message)
            self._advance(watched, now)
            if (watched.state, watched.message) != before:
                self._write_state("running")
                self.report(self._status(watched))

    def all_ready(self) -> bool:
        """Whether every part is ready, or has done its work."""
        return all(watched.state in {State.READY, State.DONE, State.ASIDE} for watched in self.watched.values())

    def stop_all(self) -> None:
        """Stop applications first, then the servers they use; within each group side by side."""
        processes = [watched.part.process for watched in self.watched.values()]
        groups = [[p for p in processes if p.name not in SERVERS], [p for p in processes if p.name in SERVERS]]
        for group in groups:
            if group:
                with ThreadPoolExecutor(len(group)) as pool:
                    list(pool.map(lambda process: process.end(), group))

    def _advance(self, watched: Watched, now: float) -> None:
        match watched.state:
            case State.WAITING if self._may_start(watched):
                self._launch(watched, now)
            case State.RETRYING if now >= watched.retry_at and self._may_start(watched):
                watched.restarts += 1
                self._launch(watched, now)
            case State.STARTING:
                self._check_start(watched, now)
            case State.READY if not watched.part.process.running():
                self._fail(watched, now, f"ended with exit code {watched.part.process.forget()}")
            case _:
                pass

    def _may_start(self, watched: Watched) -> bool:
        return all(self.watched[name].was_ready for name in watched.part.after if name in self.watched)

    def _launch(self, watched: Watched, now: float) -> None:
        watched.since, watched.message = now, ""
        try:
            watched.part.process.launch()
        except (MatchAssetsError, OSError) as error:
            self._fail(watched, now, str(error))
        else:
            watched.state = State.STARTING

    def _check_start(self, watched: Watched, now: float) -> None:
        process = watched.part.process
        if not process.running():
            code = process.forget()
            if watched.part.is_task and code == 0:
                self._succeed(watched, now, State.DONE)
            else:
                self._fail(watched, now, f"ended with exit code {code} before it was ready")
        elif process.is_ready():
            self._succeed(watched, now, State.READY)
        elif now - watched.since > process.start_seconds:
            process.kill()
            self._fail(watched, now, f"was not ready within {process.start_seconds:.0f} s")

    def _succeed(self, watched: Watched, now: float, state: State) -> None:
        if watched.part.on_ready is not None:
            watched.part.on_ready()
        watched.state, watched.was_ready = state, True
        watched.seconds_to_ready, watched.since = round(time.monotonic() - watched.since, 2), now

    def _fail(self, watched: Watched, now: float, message: str) -> None:
        """Note a failure and try again later: 1, 2, 4 … 30 s; a part that ran well for a minute begins at 1 again."""
        if watched.state is State.READY and now - watched.since > SETTLED_AFTER_SECONDS:
            watched.failures = 0
        wait = min(FIRST_BACK_OFF_SECONDS * 2**watched.failures, LONGEST_BACK_OFF_SECONDS)
        watched.failures += 1
        watched.state, watched.retry_at, watched.message = State.RETRYING, now + wait, message
        LOG.warning("%s %s; next try in %.0f s", watched.part.name, message, wait)

    def _step_aside_for_rival(self, now: float) -> None:
        """While ``dagster dev`` runs on our instance, its daemon works: two at once would each launch every queued run."""
        daemon = self.watched.get("daemon")
        if daemon is None or now < self._next_rival_check:
            return
        self._next_rival_check = now + RIVAL_CHECK_SECONDS
        rival = self.rival_daemon()
        if rival is not None and daemon.state is not State.ASIDE:
            daemon.part.process.end()
            daemon.state, daemon.message = State.ASIDE, f"`dagster dev` (pid {rival}) runs the daemon meanwhile"
        elif rival is None and daemon.state is State.ASIDE:
            daemon.state, daemon.message = State.WAITING, ""
        else:
            return
        self._write_state("running")
        self.report(self._status(daemon))

    def _status(self, watched: Watched) -> PartStatus:
        process = watched.part.process
        return PartStatus(
            name=watched.part.name,
            state=watched.state.value,
            pid=process.pid,
            ports=process.ports[:1],
            url=watched.part.url,
            restarts=watched.restarts,
            failures=watched.failures,
            seconds_to_ready=watched.seconds_to_ready,
            message=watched.message,
        )

    def _write_state(self, phase: str) -> None:
        mark = ProcessMark.of(psutil.Process().pid)
        held = {
            "phase": phase,
            "supervisor": asdict(mark) if mark else None,
            "parts": [asdict(self._status(watched)) for watched in self.watched.values()],
        }
        write_private(self.layout.state_file, json.dumps(held, indent=2))

    @contextlib.contextmanager
    def _signal_handlers(self) -> Iterator[None]:
        def on_signal(number: int, frame: FrameType | None) -> None:
            del number, frame
            self._stopping.set()

        before = {one: signal.signal(one, on_signal) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


@dataclass(frozen=True)
class StackState:
    """What runs in a state folder now.

    Attributes:
        phase: "running", "stopping", or "down" when no supervisor lives.
        supervisor: the living supervisor.
        parts: as its state file says; empty when it is down.
    """

    phase: str
    supervisor: ProcessMark | None
    parts: tuple[PartStatus, ...]


def read_state(layout: Layout) -> StackState:
    """The state of a folder's stack, believed only if the supervisor that wrote it lives."""
    held = read_json(layout.state_file)
    raw = held.get("supervisor") or {}
    mark = ProcessMark(int(raw.get("pid", -1)), float(raw.get("created", 0.0)))
    if mark.pid <= 0 or mark.living() is None:
        return StackState("down", None, ())
    parts = tuple(PartStatus(**{**part, "ports": tuple(part["ports"])}) for part in held["parts"])
    return StackState(held["phase"], mark, parts)


def take_over(layout: Layout, lock: StackLock, stack_id: str) -> list[int]:
    """Lock the folder and end what a killed supervisor left running.

    Returns:
        The pids that were ended.

    Raises:
        ConfigurationError: another supervisor lives.
    """
    if not lock.acquire():
        raise ConfigurationError(f"the stack of {layout.root} is already running; see `match-assets status`")
    return end_leftovers(layout, stack_id, patience_seconds=30)


def find_rival_daemon(layout: Layout) -> int | None:
    """Pid of a Dagster daemon on our instance that is not ours, such as that of ``dagster dev``."""
    for process in psutil.process_iter(["pid"]):
        with contextlib.suppress(psutil.Error, OSError):
            command = process.cmdline()
            if "dagster._daemon" not in command and not any(word.endswith("/dagster-daemon") for word in command):
                continue
            environment = process.environ()
            if environment.get("DAGSTER_HOME") == str(layout.dagster_home) and STACK_MARKER not in environment:
                return process.pid
    return None


def log_tail(layout: Layout, name: str, n: int = 12) -> list[str]:
    """The end of a part's log."""
    return last_lines(layout.logs / f"{name}.log", n)
