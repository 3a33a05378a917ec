"""Starting, watching and stopping the supervisor of a state folder, from any process: commands, demo and tests."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil

from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.local.environment import default_env_file, stack_environment, write_env_file
from match_assets.local.layout import (
    Layout,
    StackLock,
    choose_ports,
    default_layout,
    load_secrets,
    read_json,
    remember_ports,
)
from match_assets.local.parts import ALL_PORTS, PREFERRED_PORTS, Plan, build_parts
from match_assets.local.processes import end_leftovers, last_lines, living_leftovers
from match_assets.local.supervisor import (
    PartStatus,
    StackState,
    State,
    Supervisor,
    find_rival_daemon,
    read_state,
    take_over,
)

# applications have up to 15 s each, side by side, then the servers up to 60 s
STOP_PATIENCE_SECONDS = 90.0


def run_here(without: tuple[str, ...], report: Callable[[PartStatus], None]) -> None:
    """Be the supervisor of the default state folder until a signal says stop.

    Raises:
        ConfigurationError: another supervisor runs it.
    """
    layout = default_layout()
    layout.create()
    lock = StackLock(layout)
    secrets = load_secrets(layout)
    try:
        take_over(layout, lock, secrets["stack_id"])
        plan = make_plan(layout, secrets, without)
        supervisor = Supervisor(layout, build_parts(plan), report, lambda: find_rival_daemon(layout))
        supervisor.run()
    finally:
        lock.release()


def make_plan(layout: Layout, secrets: dict[str, str], without: tuple[str, ...]) -> Plan:
    """Choose the ports, remember them, and write `.env`."""
    ports = choose_ports(ALL_PORTS, remembered=read_json(layout.ports_file), preferred=PREFERRED_PORTS)
    remember_ports(layout, ports)
    env_file = default_env_file()
    environment, with_practice = stack_environment(layout, ports, secrets, env_file)
    write_env_file(env_file, environment)
    return Plan(layout, ports, secrets, environment, with_practice, frozenset(without))


def start_in_background(layout: Layout, without: tuple[str, ...] = ()) -> None:
    """Start a supervisor that outlives us, and wait until it has the folder in hand.

    Raises:
        DependencyUnavailableError: it ended at once; the message shows what it said.
    """
    layout.create()
    command = [sys.executable, "-m", "match_assets.local", "up"]
    command += [f"--without={name}" for name in without]
    log_file = layout.logs / "supervisor.log"
    with log_file.open("a", encoding="utf-8") as log:
        started = subprocess.Popen(  # noqa: S603  (the command is ours)
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    # up to 30 s may go into ending what a killed predecessor left running
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if read_state(layout).phase == "running":
            # it is to outlive us, so nobody here waits for it: without this, Popen warns of a child left behind
            started.returncode = 0
            return
        if started.poll() is not None:
            said = "\n".join(last_lines(log_file, 12))
            raise DependencyUnavailableError(f"the supervisor ended with exit code {started.returncode}:\n{said}")
        time.sleep(0.05)
    raise DependencyUnavailableError(f"the supervisor does not come up; see {log_file}")


def watch(layout: Layout, timeout: float) -> Iterator[StackState]:
    """The stack's state five times a second until every part is ready.

    Raises:
        DependencyUnavailableError: time is up, or the supervisor is gone.
    """
    deadline = time.monotonic() + timeout
    while True:
        state = read_state(layout)
        yield state
        waited_for = [part.name for part in state.parts if part.state not in {State.READY, State.DONE, State.ASIDE}]
        if state.phase == "running" and state.parts and not waited_for:
            return
        if state.phase == "down":
            raise DependencyUnavailableError(f"the supervisor is gone; see {layout.logs / 'supervisor.log'}")
        if time.monotonic() > deadline:
            raise DependencyUnavailableError(
                f"not ready after {timeout:.0f} s: {', '.join(waited_for)}; see {layout.logs}", parts=waited_for
            )
        time.sleep(0.2)


def stop(layout: Layout) -> str:
    """Stop the supervisor and everything it started; end leftovers when there is no supervisor.

    Returns:
        What was done, for a person.

    Raises:
        ConfigurationError: something else than a supervisor, such as a test, holds the folder.
    """
    if not layout.secrets_file.exists():
        return "Nothing is running."
    mark = read_state(layout).supervisor
    supervisor = mark.living() if mark else None
    if supervisor is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor.terminate()
            _wait_until_gone(layout, supervisor)
        return _end_leftovers(layout) or "Stopped."
    return _end_leftovers(layout) or "Nothing is running."


def leftovers(layout: Layout) -> int:
    """How many processes of this folder's stack live."""
    if not layout.secrets_file.exists():
        return 0
    return len(living_leftovers(layout, load_secrets(layout)["stack_id"]))


def _wait_until_gone(layout: Layout, supervisor: psutil.Process) -> None:
    """Wait by the lock, which falls with the process even where nobody reaps it; kill it when patience ends."""
    lock = StackLock(layout)
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    while lock.is_held():
        if time.monotonic() > deadline:
            supervisor.kill()
            return
        time.sleep(0.1)


def _end_leftovers(layout: Layout) -> str:
    lock = StackLock(layout)
    if not lock.acquire():
        raise ConfigurationError(f"{layout.root} is in use by a program that is not our supervisor; stop that one")
    try:
        ended = end_leftovers(layout, load_secrets(layout)["stack_id"], patience_seconds=30)
        layout.state_file.unlink(missing_ok=True)
    finally:
        lock.release()
    return f"Ended {len(ended)} processes that an earlier stack had left running." if ended else ""


def is_state_folder(layout: Layout) -> bool:
    """Whether the folder is one that we made, and so may delete."""
    return layout.secrets_file.exists() or not any(layout.root.iterdir())
