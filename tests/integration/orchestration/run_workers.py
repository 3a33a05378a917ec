"""Runs in worker processes of their own, started by a real code server as the daemon would have it, to be killed or stopped."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._core.remote_representation.handle import JobHandle
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._grpc.client import DagsterGrpcClient

from match_assets.partitions import DATA
from tests.integration.orchestration.small_rig import SmallRig

ROOT = Path(__file__).parents[3]
HOST = "127.0.0.1"
WORKER = re.compile(r"\(pid: (\d+)\)")
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
Found = TypeVar("Found")


def wait_for(ask: Callable[[], Found | None], what: str, seconds: float = 60.0) -> Found:
    """The first answer that is not None and not false."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := ask():
            return found
        # each look costs the database connections that the run needs, too
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


class RunWorkers:
    """A code server over a rig's platform, and the runs that it starts."""

    def __init__(self, small: SmallRig, log: Path) -> None:
        self.small, self.instance = small, small.rig.instance
        self._log = log
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._workspace: WorkspaceProcessContext | None = None

    def start(self) -> None:
        """Starts the code server and waits until it answers."""
        line = [sys.executable, "-m", "dagster", "api", "grpc", "-m", "match_assets.definitions"]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [*line, "--host", HOST, "--port", str(self._port)],
                # a worker reads the .env of its folder over what it is given: in the repository that of `make up`
                cwd=self._log.parent,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        client = DagsterGrpcClient(host=HOST, port=self._port)

        def answers() -> bool:
            assert self._server
            assert self._server.poll() is None, self._log.read_text()
            try:
                return bool(client.ping("are you there"))
            except Exception:  # noqa: BLE001  (not yet)
                return False

        wait_for(answers, "the code server", 120)
        self._leave_workspace()
        self._workspace = WorkspaceProcessContext(self.instance, GrpcServerTarget(HOST, self._port, None, "workers"))
        self._workspace.__enter__()

    def cut_power(self) -> None:
        """SIGKILL to the code server and its workers at once."""
        self._leave_workspace()
        if self._server:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait(30)
            self._server = None

    def lose_server(self) -> None:
        """SIGKILL to the code server alone; its workers live on, and the daemon still has its workspace."""
        assert self._server
        self._server.kill()
        self._server.wait(30)
        self._server = None

    def _leave_workspace(self) -> None:
        if self._workspace:
            self._workspace.__exit__(None, None, None)
            self._workspace = None

    @property
    def workspace(self) -> WorkspaceProcessContext:
        """What the daemon's loops are given."""
        assert self._workspace
        return self._workspace

    def season(self, partition: str, assets: list[str]) -> str:
        """Starts a run of these assets of a season with their checks; its id."""
        keys = {dg.AssetKey(name) for name in assets}
        job = self.small.rig.defs.resolve_job_def("season").get_subset(asset_selection=keys)
        tags = dict(DATA.get_tags_for_partition_key(partition))
        return self._launch(job, tags=tags, asset_selection=frozenset(keys))

    def bulk(self, partitions: list[str]) -> str:
        """Starts the bulk job on what the warehouse holds."""
        config = {"ops": {"carry_seasons": {"config": {"partitions": partitions, "scrape": False}}}}
        return self._launch(self.small.rig.defs.resolve_job_def("bulk"), run_config=config)

    def again(self, run_id: str) -> str:
        """Starts what is left of a failed run, as the webserver's *Re-execute from failure* does."""
        request = self.workspace.create_request_context()
        [location] = request.code_locations
        parent = self.run(run_id)
        run = self.instance.create_reexecuted_run(
            request_context=request,
            parent_run=parent,
            code_location=location,
            remote_job=request.get_full_job(_selector(location, parent)),
            strategy=ReexecutionStrategy.FROM_FAILURE,
            use_parent_run_tags=True,
        )
        self.instance.launch_run(run.run_id, request)
        return run.run_id

    def _launch(self, job: dg.JobDefinition, **of_run: Any) -> str:
        request = self.workspace.create_request_context()
        [location] = request.code_locations
        [repository] = location.get_repositories().values()
        remote = repository.get_full_job(job.name)
        run = self.instance.create_run_for_job(
            job,
            remote_job_origin=remote.get_remote_origin(),
            job_code_origin=remote.get_python_origin(),
            **of_run,
        )
        self.instance.launch_run(run.run_id, request)
        return run.run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        """A run as Dagster has it."""
        run = self.instance.get_run_by_id(run_id)
        assert run
        return run

    def worker_at(self, run_id: str, event: str, step: str) -> int:
        """Process id of a run's worker as soon as an event of a step is logged."""

        def reached() -> int | None:
            entries = self.instance.all_logs(run_id)
            seen = [entry for entry in entries if entry.is_dagster_event]
            if not any(
                e.dagster_event_type and e.dagster_event_type.value == event and e.step_key == step for e in seen
            ):
                assert self.run(run_id).status not in ENDED, f"the run ended before {event} of {step}"
                return None
            return next(
                int(found[1]) for entry in seen if (found := WORKER.search(entry.user_message or entry.message))
            )

        return wait_for(reached, f"{event} of {step}")

    def ended(self, run_id: str, seconds: float = 60.0) -> dg.DagsterRunStatus:
        """How a run ended."""
        wait_for(lambda: self.run(run_id).status in ENDED, f"the end of run {run_id}", seconds)
        return self.run(run_id).status

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        """Where a run stands."""
        return self.run(run_id).status

    def said(self, run_id: str) -> str:
        """All that a run logged."""
        return "\n".join(str(entry.dagster_event or entry.user_message) for entry in self.instance.all_logs(run_id))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _selector(location: Any, run: dg.DagsterRun) -> Any:
    from dagster._core.definitions.selector import JobSubsetSelector

    [repository] = location.get_repositories().values()
    handle = JobHandle(job_name=run.job_name, repository_handle=repository.handle)
    return JobSubsetSelector(
        location_name=handle.location_name,
        repository_name=handle.repository_name,
        job_name=run.job_name,
        op_selection=None,
        asset_selection=run.asset_selection,
        asset_check_selection=run.asset_check_selection,
    )
