"""Scrapes asked for over HTTP become runs, each exactly one: on a real Dagster instance, with its own daemon's code killed."""

import datetime as dt
import logging
import os
import signal
import time
import traceback
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._utils.log import get_dagster_logger

from match_assets.automation.requested import REQUEST, scrape_requested
from match_assets.local.stack import ServerStack
from match_assets.stages.chain import DATA_STAGES
from match_assets.warehouse import requests
from match_assets.warehouse.requests import ScrapeRequest
from tests.integration.orchestration import only_requests
from tests.integration.orchestration.conftest import Rig, make_rig, materialised
from tests.integration.orchestration.test_automation import tick

SEASON = "2024|PRA-Second"
# every place in the daemon's sensor loop at which Dagster's own tests kill it
KILL_PLACES = ("TICK_CREATED", "TICK_HELD", "RUN_IDS_RESERVED", "RUN_CREATED", "RUN_LAUNCHED")
QUEUED = "run_coordinator: {module: dagster.core.run_coordinator, class: QueuedRunCoordinator}"


@pytest.fixture(scope="module")
def bench(stack: ServerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A platform with an empty warehouse, whose runs are queued and, without a daemon, stay so."""
    with pytest.MonkeyPatch.context() as patch:
        rig = make_rig(stack, tmp_path_factory.mktemp("requested"), patch, instance=QUEUED)
        try:
            yield rig
        finally:
            rig.close()


def ask(rig: Rig, season: str = SEASON, reason: str = "") -> ScrapeRequest:
    """A request as the service writes it."""
    year, tournament = season.split("|")
    request = requests.submit(rig.engine, tournament, year, reason, max_open=50)
    assert request is not None
    return request


def told(rig: Rig, request: ScrapeRequest) -> ScrapeRequest:
    """The request as it stands now."""
    found = requests.get(rig.engine, request.request_id)
    assert found is not None
    return found


def wanted(rig: Rig, request: ScrapeRequest) -> list[dg.RunRequest]:
    """The runs that the sensor asks for, as far as they serve this request."""
    answer = tick(rig, scrape_requested)
    return [each for each in answer if each.tags[REQUEST] == request.request_id] if isinstance(answer, list) else []


def run_of(rig: Rig, request: ScrapeRequest) -> dg.DagsterRun:
    """The run that serves the request, as the daemon makes it."""
    [asked] = wanted(rig, request)
    job = rig.defs.resolve_job_def("bulk")
    return rig.instance.create_run_for_job(job, run_config=asked.run_config, tags=dict(asked.tags))


class Daemon:
    """The daemon's loop over our sensors, on a clock of its own; it may be killed at a place in it."""

    def __init__(self, rig: Rig, patch: pytest.MonkeyPatch) -> None:
        self._rig = rig
        self._clock = time.time()
        patch.setattr("dagster._time._mockable_get_current_timestamp", lambda: self._clock)
        patch.setattr(
            "dagster._time._mockable_get_current_datetime", lambda: dt.datetime.fromtimestamp(self._clock, dt.UTC)
        )

    def run(self, passes: int, **places: signal.Signals) -> int:
        """Some passes over all sensors in a process of its own, a minute apart; how it ended, as ``waitpid`` says it."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self._run(passes, {scrape_requested.name: places})
                code = 0
            except BaseException:
                traceback.print_exc()  # nobody else will: the process ends here
                raise
            finally:
                os._exit(code)
        self._clock += 60.0 * passes
        return os.waitpid(child, 0)[1]

    def _run(self, passes: int, places: dict[str, dict[str, signal.Signals]]) -> None:
        # connections belong to the parent: the child opens its own
        self._rig.engine.dispose(close=False)
        self._rig.platform.close()
        module = LoadableTargetOrigin(module_name=only_requests.__name__, attribute="defs")
        target = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(module))
        with (
            dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance,
            WorkspaceProcessContext(instance, target) as workspace,
        ):
            for _ in range(passes):
                self._clock += 60.0
                steps = execute_sensor_iteration(workspace, get_dagster_logger(), None, None, debug_crash_flags=places)  # type: ignore[arg-type]
                assert not [fault for fault in steps if fault]


@pytest.fixture(scope="module")
def daemon(bench: Rig) -> Iterator[Daemon]:
    with pytest.MonkeyPatch.context() as patch:
        yield Daemon(bench, patch)


@pytest.mark.parametrize("place", KILL_PLACES)
def test_a_daemon_killed_between_evaluating_and_launching_makes_one_run(bench: Rig, daemon: Daemon, place: str) -> None:
    # DAG-04
    request = ask(bench, f"{2001 + KILL_PLACES.index(place)}|PRA-Second", reason=place)
    assert os.WTERMSIG(daemon.run(1, **{place: signal.SIGKILL})) == signal.SIGKILL
    assert told(bench, request).state == "requested"
    assert os.waitstatus_to_exitcode(daemon.run(3)) == 0
    [run] = bench.instance.get_runs(dg.RunsFilter(tags={REQUEST: request.request_id}))
    assert run.status is dg.DagsterRunStatus.QUEUED
    assert run.tags["dagster/run_key"] == f"scrape:{request.request_id}"
    assert run.tags["reason"] == f"asked for over HTTP: {place}"
    asked = run.run_config["ops"]["carry_seasons"]["config"]
    assert asked == {"partitions": [request.partition_key], "scrape": True, "every_month": True}
    assert (told(bench, request).state, told(bench, request).run_id) == ("running", run.run_id)


def test_a_request_is_asked_for_under_one_key_until_its_run_is_seen(bench: Rig) -> None:
    request = ask(bench, "2010|PRA-Second")
    keys = [[each.run_key for each in wanted(bench, request)] for _ in range(2)]
    assert keys == [[f"scrape:{request.request_id}"]] * 2
    run_of(bench, request)
    assert wanted(bench, request) == []
    assert told(bench, request).detail.startswith("waits for its turn")


def test_the_newest_line_of_a_run_under_way_is_the_progress_of_its_request(bench: Rig) -> None:
    request = ask(bench, "2016|PRA-Second")
    run = run_of(bench, request)
    bench.instance.report_engine_event("a worker took it", run)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job_name="bulk")
    bench.instance.report_dagster_event(event, run.run_id)
    assert wanted(bench, request) == []
    assert (told(bench, request).state, told(bench, request).detail) == ("running", "under way")
    for done in (12, 13):
        line = f"match pages: {done} of 380 of this season"
        bench.instance.handle_new_event(dg.EventLogEntry(None, logging.INFO, line, run.run_id, time.time()))
    bench.instance.report_engine_event("still there", run)
    assert wanted(bench, request) == []
    assert told(bench, request).detail == "match pages: 13 of 380 of this season"
    bench.instance.report_run_canceled(run)


def executed(rig: Rig, request: ScrapeRequest, **change: object) -> ScrapeRequest:
    """The request after its run was executed in this process and the sensor has looked at it."""
    [asked] = wanted(rig, request)
    asked.run_config["ops"]["carry_seasons"]["config"].update(change)
    rig.defs.resolve_job_def("bulk").execute_in_process(
        instance=rig.instance, run_config=asked.run_config, tags=dict(asked.tags), raise_on_error=False
    )
    assert wanted(rig, request) == []
    return told(rig, request)


def announce(rig: Rig, season: str) -> None:
    """A season in the catalogue, of which nothing was read yet."""
    rig.execute(
        "INSERT INTO tournaments VALUES ('PRA-Second', 900, 9002, 'Practice', 'Second', '/', '2025-02-10 12:00+00') "
        "ON CONFLICT DO NOTHING"
    )
    rig.execute(
        "INSERT INTO seasons VALUES (:id, 'PRA-Second', :season, 'named', '/', '2025-02-10 12:00+00')",
        id=int(season),
        season=season,
    )


def test_the_row_follows_its_run_to_a_failure_and_says_why(bench: Rig) -> None:
    request = ask(bench, "2011|PRA-Second", reason="now")
    # nothing is known of that season, so the catalogue is asked first; the source of this bench is nowhere
    found = executed(bench, request)
    assert found.state == "failed"
    assert "127.0.0.1:9" in found.detail
    assert found.run_id is not None
    assert ask(bench, "2011|PRA-Second").request_id != request.request_id


def test_a_season_without_matches_is_done_and_empty(bench: Rig) -> None:
    # ING-17
    announce(bench, "2014")
    found = executed(bench, ask(bench, "2014|PRA-Second"), scrape=False)
    assert (found.state, found.detail) == ("done", f"{len(DATA_STAGES)} materialised")
    assert bench.context().store.read("raw_matches", "2014|PRA-Second").height == 0
    again = executed(bench, ask(bench, "2014|PRA-Second"), scrape=False)
    assert (again.state, again.detail) == ("done", "the source says nothing new")


def test_seasons_that_no_source_lists_are_left_out_and_named(bench: Rig) -> None:
    # ING-17
    announce(bench, "2015")
    result = bench.bulk(["2015|PRA-Second", "2031|PRA-Second"])
    assert result.success
    assert {season for _, season in materialised(result)} == {"2015|PRA-Second"}
    lines = [entry.user_message for entry in bench.instance.all_logs(result.run_id) if not entry.is_dagster_event]
    assert "not listed by the source since 2000, left out: 2031|PRA-Second" in lines
    assert bench.instance.get_materialized_partitions(dg.AssetKey("raw_matches")) == {
        "2014|PRA-Second",
        "2015|PRA-Second",
    }


def test_a_request_for_a_season_that_no_source_lists_fails_and_says_so(bench: Rig) -> None:
    found = executed(bench, ask(bench, "2031|PRA-Second"), scrape=False)
    assert found.state == "failed"
    assert found.detail == "nothing to do: not listed by the source since 2000, left out: 2031|PRA-Second"


def test_a_run_whose_process_died_is_still_running_while_a_second_try_follows(bench: Rig) -> None:
    request = ask(bench, "2012|PRA-Second")
    run = run_of(bench, request)
    bench.instance.report_run_failed(run, "the process died")
    bench.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    tick(bench, scrape_requested)
    assert (told(bench, request).state, told(bench, request).run_id) == ("running", run.run_id)
    second = bench.instance.create_run_for_job(bench.defs.resolve_job_def("bulk"), tags={REQUEST: request.request_id})
    tick(bench, scrape_requested)
    assert told(bench, request).run_id == second.run_id
    bench.instance.report_run_failed(second, "the process died again")
    tick(bench, scrape_requested)
    found = told(bench, request)
    assert (found.state, found.run_id) == ("failed", second.run_id)
    assert "the process died again" in found.detail


def test_a_cancelled_run_fails_its_request(bench: Rig) -> None:
    request = ask(bench, "2013|PRA-Second")
    run = run_of(bench, request)
    bench.instance.report_run_canceled(run)
    tick(bench, scrape_requested)
    assert (told(bench, request).state, told(bench, request).detail) == ("failed", "the run was cancelled")
