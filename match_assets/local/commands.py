"""``match-assets up``, ``down``, ``status``, ``clean`` and ``mlflow-ui``."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from match_assets.config import load_settings, read_environment
from match_assets.errors import ConfigurationError, DependencyUnavailableError, MatchAssetsError
from match_assets.local import control
from match_assets.local.environment import clear_env_file, default_env_file
from match_assets.local.layout import HOST, choose_ports, default_layout
from match_assets.local.parts import DAGSTER_PARTS, OPTIONAL_PARTS, script
from match_assets.local.supervisor import PartStatus, StackState, State, log_tail, read_state

STYLES = {State.READY: "green", State.DONE: "green", State.RETRYING: "red", State.STARTING: "yellow"}
GIVE_UP_AFTER_FAILURES = 3


@click.group()
def stack() -> None:
    """The embedded servers and applications of one machine."""


@stack.command()
@click.option("--detach", is_flag=True, help="Run in the background and return once all parts are ready.")
@click.option("--without-dagster", is_flag=True, help="Leave Dagster out, for `dagster dev`.")
@click.option("--without", multiple=True, type=click.Choice(OPTIONAL_PARTS), help="Leave a part out; may be repeated.")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for all parts (with --detach).")
def up(detach: bool, without_dagster: bool, without: tuple[str, ...], timeout: float) -> None:
    """Start PostgreSQL, Valkey, SeaweedFS, the practice site, Dagster, the service and its worker."""
    without = (*without, *(DAGSTER_PARTS if without_dagster else ()))
    with _errors_as_exit_codes():
        if detach:
            start_and_wait(timeout, without)
        else:
            Console().print("Starting; Ctrl-C stops everything in order.", highlight=False)
            control.run_here(without, _print_change)


def start_and_wait(timeout: float, without: tuple[str, ...] = ()) -> None:
    """Start the stack in the background unless it runs, and wait until every part is ready.

    Raises:
        DependencyUnavailableError: a part failed again and again, or time is up.
    """
    layout, console = default_layout(), Console()
    if read_state(layout).phase == "running":
        console.print("Already running.")
    else:
        control.start_in_background(layout, without)
    _wait_with_progress(console, timeout)
    _print_status(console, read_state(layout))


def _wait_with_progress(console: Console, timeout: float) -> None:
    """Show what is ready and what is waited for, until all is.

    Raises:
        DependencyUnavailableError: a part failed again and again, or time is up; what runs goes on running.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("starting", total=None)
        said: set[str] = set()
        for state in control.watch(default_layout(), timeout):
            ready = [part for part in state.parts if part.state in {State.READY, State.DONE, State.ASIDE}]
            waited_for = [part.name for part in state.parts if part not in ready]
            for part in ready:
                if part.name not in said:
                    said.add(part.name)
                    if not console.is_terminal:
                        console.print(f"{part.name} {part.state} after {part.seconds_to_ready} s", highlight=False)
            description = f"waiting for {', '.join(waited_for[:3])}" if waited_for else "starting"
            progress.update(task, total=len(state.parts) or None, completed=len(ready), description=description)
            _raise_for_hopeless(state)


def _raise_for_hopeless(state: StackState) -> None:
    for part in state.parts:
        if part.state == State.RETRYING and part.failures >= GIVE_UP_AFTER_FAILURES:
            layout = default_layout()
            tail = "\n".join(f"    {line}" for line in log_tail(layout, part.name))
            raise DependencyUnavailableError(
                f"{part.name} {part.message} ({part.failures} times). The rest keeps running, and it is tried again."
                f" The end of {layout.logs / f'{part.name}.log'}:\n{tail}",
                part=part.name,
            )


@stack.command()
def down() -> None:
    """Stop everything that `up` started; data stays."""
    with _errors_as_exit_codes():
        Console().print(control.stop(default_layout()), highlight=False)


@stack.command()
@click.option("--check", is_flag=True, help="Exit with 4 unless every part is ready.")
def status(check: bool) -> None:
    """Show each part with its state, address and log."""
    state = read_state(default_layout())
    _print_status(Console(), state)
    is_well = bool(state.parts) and all(part.state in {State.READY, State.DONE, State.ASIDE} for part in state.parts)
    if check and not is_well:
        sys.exit(DependencyUnavailableError.exit_code)


@stack.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(yes: bool) -> None:
    """Stop everything and delete all its data: databases, objects, models, passwords, logs."""
    layout, env_file = default_layout(), default_env_file()
    with _errors_as_exit_codes():
        if layout.root.exists():
            if not control.is_state_folder(layout):
                raise ConfigurationError(f"{layout.root} does not look like a state folder of ours; delete it yourself")
            if not yes:
                click.confirm(f"Delete {layout.root} with all its data?", abort=True)
            control.stop(layout)
            shutil.rmtree(layout.root)
        clear_env_file(env_file)
        Console().print(f"{layout.root} is gone.", highlight=False)


@stack.command("mlflow-ui")
@click.option("--port", type=int, help="Port on the loopback address; 5000 or any free one.")
def mlflow_ui(port: int | None) -> None:
    """Show experiments and the model registry, in the foreground until Ctrl-C."""
    with _errors_as_exit_codes():
        settings = load_settings()
        port = port or choose_ports(["mlflow"], preferred={"mlflow": 5000})["mlflow"]
        environment = {
            **read_environment(),
            # by environment, not by argument: the address holds a password, and `ps` shows arguments
            "MLFLOW_BACKEND_STORE_URI": settings.mlflow_url,
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{settings.s3_bucket}/mlflow",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        click.echo(f"MLflow on http://{HOST}:{port} in about ten seconds; Ctrl-C ends it.")
        command = [script("mlflow"), "server", "--host", HOST, "--port", str(port), "--workers", "1"]
        os.execve(command[0], command, environment)  # noqa: S606  (no shell is wanted)


def _print_change(part: PartStatus) -> None:
    """One line for each step of a part, for the foreground."""
    style = STYLES.get(State(part.state), "")
    took = f" after {part.seconds_to_ready} s" if part.state in {State.READY, State.DONE} else ""
    where = f"  {part.url}" if part.url and part.state == State.READY else ""
    Console().print(f"[{style or 'white'}]{part.name} {part.state}[/]{took}{where} {part.message}", highlight=False)


def _print_status(console: Console, state: StackState) -> None:
    if state.phase == "down":
        left = control.leftovers(default_layout())
        if left:
            console.print(
                f"The supervisor is gone, but {left} of its processes run: `make down` ends them, `make up` too."
            )
        else:
            console.print("The stack is down; `make up` starts it.")
        return
    address = Column("address", no_wrap=True, min_width=len("http://127.0.0.1:65535"))
    table = Table("part", "state", "pid", address, "failures", "note")
    for part in state.parts:
        style = STYLES.get(State(part.state), "white")
        port = f"{HOST}:{part.ports[0]}" if part.ports else ""
        pid = "" if part.pid is None else str(part.pid)
        table.add_row(part.name, f"[{style}]{part.state}[/]", pid, part.url or port, str(part.failures), part.message)
    console.print(table)
    console.print(f"Logs: {default_layout().logs}", highlight=False)


@contextmanager
def _errors_as_exit_codes() -> Iterator[None]:
    """Our errors as one message and their exit code."""
    try:
        yield
    except MatchAssetsError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(error.exit_code)
