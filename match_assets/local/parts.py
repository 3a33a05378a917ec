"""What the whole stack consists of beside its three servers: practice site, Dagster, service and worker, each with its probe."""

import json
import os
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from match_assets.errors import ConfigurationError
from match_assets.local.layout import HOST, Layout, is_listening
from match_assets.local.processes import STACK_MARKER, ServerProcess
from match_assets.local.servers import SERVER_PORTS, create_databases
from match_assets.local.stack import SERVERS, build_servers

PROJECT_ROOT = Path(__file__).resolve().parents[2]
APPLICATION_PORTS = ("practice", "code_location", "dagster", "service", "worker_metrics")
ALL_PORTS = (*SERVER_PORTS, *APPLICATION_PORTS)
PREFERRED_PORTS = {"dagster": 3000, "service": 8000}
DAGSTER_PARTS = ("code_location", "dagster", "daemon")
OPTIONAL_PARTS = ("practice", "prepare", *DAGSTER_PARTS, "service", "worker")
DEFINITIONS_MODULE = "match_assets.definitions"


@dataclass(frozen=True)
class Part:
    """A process of the stack and when it may start.

    Attributes:
        process: how to start, probe and stop it.
        after: parts that must have been ready before; a part that is only restarted does not hold up others.
        url: where a person finds it.
        on_ready: what to do each time it became ready.
        is_task: it ends by itself, with exit code 0 when it did its work.
    """

    process: ServerProcess
    after: tuple[str, ...] = ()
    url: str | None = None
    on_ready: Callable[[], None] | None = field(default=None, repr=False)
    is_task: bool = False

    @property
    def name(self) -> str:
        """The name of its process."""
        return self.process.name


@dataclass(frozen=True)
class Plan:
    """What to run and with which addresses."""

    layout: Layout
    ports: dict[str, int]
    secrets: dict[str, str]
    environment: dict[str, str]
    with_practice: bool
    without: frozenset[str] = frozenset()


def build_parts(plan: Plan) -> dict[str, Part]:
    """All parts of the plan by name, in starting order."""
    servers = build_servers(plan.layout, plan.ports, plan.secrets)
    port, password = plan.ports["postgres"], plan.secrets["postgres"]
    parts = [
        Part(servers["postgres"], on_ready=lambda: create_databases(port, password)),
        Part(servers["valkey"]),
        Part(servers["seaweedfs"]),
    ]
    if plan.with_practice:
        parts.append(_practice(plan))
    parts += [_prepare(plan), _code_location(plan), _dagster(plan), _daemon(plan), _service(plan), _worker(plan)]
    return {part.name: part for part in parts if part.name not in plan.without}


def _process(
    plan: Plan,
    name: str,
    command: list[str],
    *,
    is_ready: Callable[[], bool],
    ports: tuple[str, ...] = (),
    extra: dict[str, str] | None = None,
    start_seconds: float = 120.0,
    prepare: Callable[[], None] | None = None,
) -> ServerProcess:
    scripts = sysconfig.get_path("scripts")
    return ServerProcess(
        name,
        command,
        ports=[plan.ports[port] for port in ports],
        layout=plan.layout,
        is_ready=is_ready,
        environment={
            **plan.environment,
            **(extra or {}),
            STACK_MARKER: plan.secrets["stack_id"],
            "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        },
        cwd=PROJECT_ROOT,
        start_seconds=start_seconds,
        prepare=prepare,
    )


def _practice(plan: Plan) -> Part:
    port = plan.ports["practice"]
    command = [sys.executable, "-m", "match_assets.source.practice", "serve", "--host", HOST, "--port", str(port)]
    command += ["--state-dir", str(plan.layout.folder("practice"))]
    ready = answers(f"http://{HOST}:{port}/robots.txt")
    return Part(_process(plan, "practice", command, ports=("practice",), is_ready=ready), url=f"http://{HOST}:{port}")


def _prepare(plan: Plan) -> Part:
    """Schemas and a sweep of runs that died with the last stack: see ``prepare.py``."""
    command = [sys.executable, "-m", "match_assets.local.prepare"]
    process = _process(
        plan,
        "prepare",
        command,
        is_ready=lambda: False,
        start_seconds=300,
        # its sweep opens the Dagster instance, and the code server may have been left out
        prepare=lambda: write_dagster_home(plan.layout, plan.ports["code_location"]),
    )
    return Part(process, after=SERVERS, is_task=True)


def _code_location(plan: Plan) -> Part:
    """One server of our definitions for webserver and daemon: they would start one each, at 140 MB apiece."""
    port = plan.ports["code_location"]
    command = [sys.executable, "-m", "dagster", "api", "grpc", "-h", HOST, "-p", str(port), "-m", DEFINITIONS_MODULE]
    command += ["--use-python-environment-entry-point", "--location-name", DEFINITIONS_MODULE]
    process = _process(
        plan,
        "code_location",
        command,
        ports=("code_location",),
        is_ready=lambda: is_listening(port),
        prepare=lambda: write_dagster_home(plan.layout, port),
    )
    return Part(process, after=SERVERS)


def _dagster(plan: Plan) -> Part:
    port = plan.ports["dagster"]
    command = [
        script("dagster-webserver"),
        "-h",
        HOST,
        "-p",
        str(port),
        "-w",
        str(plan.layout.dagster_home / "workspace.yaml"),
    ]
    process = _process(
        plan, "dagster", command, ports=("dagster",), is_ready=answers(f"http://{HOST}:{port}/server_info")
    )
    # after `prepare`: two first users of an empty Dagster database would both create its tables
    return Part(process, after=("code_location", "prepare"), url=f"http://{HOST}:{port}")


def _daemon(plan: Plan) -> Part:
    command = [script("dagster-daemon"), "run", "-w", str(plan.layout.dagster_home / "workspace.yaml")]
    port = plan.ports["dagster"]
    process = _process(plan, "daemon", command, is_ready=lambda: daemons_are_healthy(f"http://{HOST}:{port}"))
    return Part(process, after=("code_location", "prepare"))


def _service(plan: Plan) -> Part:
    port = plan.ports["service"]
    process = _process(
        plan,
        "service",
        [sys.executable, "-m", "serving"],
        ports=("service",),
        extra={"MATCH_ASSETS_SERVICE_HOST": HOST, "MATCH_ASSETS_SERVICE_PORT": str(port)},
        # alive, not ready: before the first model is promoted it has nothing to serve and says so
        is_ready=answers(f"http://{HOST}:{port}/health/live"),
    )
    return Part(process, after=("prepare",), url=f"http://{HOST}:{port}")


def _worker(plan: Plan) -> Part:
    port = plan.ports["worker_metrics"]
    process = _process(
        plan,
        "worker",
        [sys.executable, "-m", "serving.worker"],
        ports=("worker_metrics",),
        extra={"MATCH_ASSETS_WORKER_METRICS_PORT": str(port)},
        is_ready=lambda: is_listening(port),
    )
    return Part(process, after=("prepare",))


def script(name: str) -> str:
    """An executable of this environment.

    Raises:
        ConfigurationError: it is not there.
    """
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.exists():
        raise ConfigurationError(f"no `{name}` beside {sys.executable}; run `make setup`", path=str(path))
    return str(path)


def write_dagster_home(layout: Layout, code_port: int) -> None:
    """DAGSTER_HOME with the repository's own ``dagster.yaml`` (a link: there is one file to edit) and the shared code server."""
    home = layout.folder("dagster")
    link = home / "dagster.yaml.new"
    link.unlink(missing_ok=True)
    link.symlink_to(PROJECT_ROOT / "dagster.yaml")
    # replaced, never absent: a process that is starting may be reading it
    link.replace(home / "dagster.yaml")
    server = {"host": HOST, "port": code_port, "location_name": DEFINITIONS_MODULE}
    # JSON is YAML
    (home / "workspace.yaml").write_text(json.dumps({"load_from": [{"grpc_server": server}]}) + "\n", encoding="utf-8")


def answers(url: str) -> Callable[[], bool]:
    """A probe: does a GET of this address give a status below 400 within two seconds?"""
    return lambda: fetch(url) is not None


def fetch(url: str, body: bytes | None = None) -> bytes | None:
    """Body of an answer below 400, or None."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310  (addresses are ours, on loopback)
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def daemons_are_healthy(webserver: str) -> bool:
    """Whether every daemon that the instance needs has sent a heartbeat lately."""
    query = "{instance{daemonHealth{allDaemonStatuses{required healthy}}}}"
    answer = fetch(f"{webserver}/graphql", json.dumps({"query": query}).encode())
    try:
        statuses = json.loads(answer or b"")["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (ValueError, KeyError, TypeError):
        return False
    return all(status["healthy"] for status in statuses if status["required"])
