"""Run workers on a real code server: killed, stopped, cut off, and started by conditions. Nothing partial is seen.

The twin is the same leagues carried undisturbed. The tests build on each other's state in the order written.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import yaml
from dagster._daemon.asset_daemon import AssetDaemon
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration

from match_assets.automation.sensors import missing_or_late
from match_assets.local.prepare import end_lost_runs
from match_assets.local.stack import ServerStack
from match_assets.partitions import TOURNAMENTS
from match_assets.source.records import Status
from match_assets.store.verifying import verify
from tests.byte_proxy import ByteProxy, Fault
from tests.depth import thorough
from tests.integration.orchestration.plain_calls import Plain, carry, settle
from tests.integration.orchestration.run_workers import ROOT, RunWorkers, wait_for
from tests.integration.orchestration.small_rig import STAGES, SmallRig, made_by, small_rig
from tests.integration.orchestration.test_automation import tick
from tests.small_leagues import CUTOFF, LIVE, PARTITIONS
from tests.small_leagues import TOURNAMENTS as LEAGUES

FREED_AFTER_SECONDS = 1
STEP_START, RUN_STARTED = "STEP_START", dg.DagsterRunStatus.STARTED
SHIPPED = yaml.safe_load((ROOT / "dagster.yaml").read_text())


def settings() -> str:
    """Pools and monitoring as shipped, but that slots come back sooner and nobody has to take runs from the queue."""
    monitoring = {**SHIPPED["run_monitoring"], "free_slots_after_run_end_seconds": FREED_AFTER_SECONDS}
    pools = {"pools": SHIPPED["concurrency"]["pools"]}
    coordinator = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    return yaml.safe_dump({"concurrency": pools, "run_monitoring": monitoring, "run_coordinator": coordinator})


@pytest.fixture(scope="module")
def workers(stack: ServerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunWorkers]:
    """The small leagues carried once, and a code server over them."""
    folder = tmp_path_factory.mktemp("killed")
    with small_rig(stack, folder, instance=settings()) as small:
        small.rig.instance.add_dynamic_partitions(str(TOURNAMENTS.name), list(LEAGUES))
        for partition in PARTITIONS:
            carry(small.rig.context(), partition)
        held = RunWorkers(small, folder / "code_server.log")
        try:
            held.start()
            yield held
        finally:
            held.cut_power()


def correct(small: SmallRig, number: int, partition: str = LIVE) -> None:
    """Another score of a finished match of the season."""
    finished = small.leagues.of(partition, Status.FINISHED)
    match = finished[number % len(finished)]
    small.leagues.put(replace(match, goals=((match.goals or (0, 0))[0] + 1, 1)))
    small.teller.tell(small.leagues, [partition])


@pytest.fixture(scope="module")
def twin(workers: RunWorkers) -> Iterator[Plain]:
    """The same warehouse, carried by nobody who is ever disturbed."""
    work = workers.small.rig.context()
    held = Plain(work.settings, work.params, "twin/")
    yield held
    held.close()


def require_twin(small: SmallRig, twin: Plain) -> None:
    """What is accepted is what the twin makes of the same warehouse, and every object is whole."""
    settle(twin.context(), CUTOFF)
    expected = {key: version.sha256 for key, version in twin.accepted().items() if key[1] != CUTOFF}
    assert small.accepted() == expected
    assert verify(small.rig.context().store).is_sound


def test_a_killed_worker_fails_its_run_and_what_is_left_of_it_completes(workers: RunWorkers, twin: Plain) -> None:
    # DAG-01
    small = workers.small
    step = "finished_matches"
    before = small.accepted()
    correct(small, 2)
    killed = workers.season(LIVE, STAGES)
    os.kill(workers.worker_at(killed, STEP_START, step), signal.SIGKILL)
    assert workers.ended(killed, seconds=20) is dg.DagsterRunStatus.FAILURE
    between = small.accepted()
    assert between.keys() == before.keys()
    later = STAGES[STAGES.index(step) + 1 :]
    assert {key: between[key] for key in before if key[0] in later} == {
        key: before[key] for key in before if key[0] in later
    }, "what was not reached is as it was"
    assert verify(small.rig.context().store).is_sound
    again = workers.again(killed)
    assert workers.ended(again) is dg.DagsterRunStatus.SUCCESS, workers.said(again)
    require_twin(small, twin)


def test_a_zombie_that_wakes_up_writes_nothing_over_its_successor(workers: RunWorkers, twin: Plain) -> None:
    # DAG-03
    small = workers.small
    correct(small, 0)
    stopped = workers.season(LIVE, STAGES)
    zombie = workers.worker_at(stopped, "ASSET_MATERIALIZATION", "raw_matches")
    os.kill(zombie, signal.SIGSTOP)
    [old] = [event.tags["dagster/data_version"] for event in _made(small, stopped)][:1]
    small.rig.instance.report_run_failed(workers.run(stopped), message="declared dead")
    correct(small, 1)
    successor = workers.season(LIVE, STAGES)
    assert workers.ended(successor) is dg.DagsterRunStatus.SUCCESS, workers.said(successor)
    newer = small.accepted()
    process = psutil.Process(zombie)
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "the zombie's end")
    assert small.accepted() == newer
    # what it goes on to judge is its successor's candidate; its own, of the older score, is accepted by nobody
    assert old not in {version.sha256 for version in small.rig.context().store.history("raw_matches", LIVE)}
    require_twin(small, twin)


def test_a_power_cut_leaves_no_run_under_way_for_ever(workers: RunWorkers, twin: Plain) -> None:
    # DAG-02
    small = workers.small
    correct(small, 2)
    lost = workers.season(LIVE, STAGES)
    workers.worker_at(lost, STEP_START, "finished_matches")
    workers.cut_power()
    assert workers.status(lost) is RUN_STARTED, "nobody is left who could say otherwise"
    assert isinstance(tick(small.rig, missing_or_late), dg.SkipReason)
    # the next start of the stack
    assert [run.run_id for run in end_lost_runs(small.rig.instance)] == [lost]
    assert workers.status(lost) is dg.DagsterRunStatus.FAILURE
    assert "The stack stopped while this run was under way" in workers.said(lost)
    workers.start()
    again = workers.again(lost)
    assert workers.ended(again) is dg.DagsterRunStatus.SUCCESS, workers.said(again)
    require_twin(small, twin)


def test_the_slot_of_a_killed_holder_comes_back_and_the_next_run_starts(workers: RunWorkers, twin: Plain) -> None:
    # DAG-12
    small, storage = workers.small, workers.instance.event_log_storage
    correct(small, 3)
    killed = workers.bulk([LIVE])
    os.kill(workers.worker_at(killed, "ASSET_MATERIALIZATION", "carry_seasons"), signal.SIGKILL)
    assert workers.ended(killed, seconds=20) is dg.DagsterRunStatus.FAILURE
    assert storage.get_concurrency_run_ids() == {killed}, "dead, and still in the pool"
    following = workers.bulk([LIVE])
    wait_for(lambda: workers.status(following) is RUN_STARTED, "the start of the next run")

    def is_freed() -> bool:
        list(execute_concurrency_slots_iteration(workers.workspace, logging.getLogger("monitor")))
        return killed not in storage.get_concurrency_run_ids()

    wait_for(is_freed, "the slot", FREED_AFTER_SECONDS + 15)
    assert workers.ended(following) is dg.DagsterRunStatus.SUCCESS, workers.said(following)
    assert SHIPPED["run_monitoring"]["free_slots_after_run_end_seconds"] <= 60
    require_twin(small, twin)


def test_dagsters_database_frozen_in_a_run_leaves_no_success_without_its_data(
    workers: RunWorkers, twin: Plain, stack: ServerStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DAG-13
    small = workers.small
    correct(small, 1, PARTITIONS[1])
    with ByteProxy(stack.ports["postgres"]) as proxy:
        url = os.environ["DAGSTER_PG_URL"].replace(f":{stack.ports['postgres']}/", f":{proxy.port}/")
        assert str(proxy.port) in url
        monkeypatch.setenv("DAGSTER_PG_URL", url)
        (tmp_path / "dagster.yaml").write_text((Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml").read_text())
        with dg.DagsterInstance.from_config(str(tmp_path)) as frozen:
            runs: list[Any] = []
            job = small.rig.defs.resolve_job_def("bulk")
            config = {"ops": {"carry_seasons": {"config": {"partitions": list(PARTITIONS), "scrape": False}}}}

            def run() -> None:
                runs.append(job.execute_in_process(instance=frozen, run_config=config, raise_on_error=False))

            thread = threading.Thread(target=run)
            n_before = small.rig.instance.get_runs_count()
            thread.start()
            wait_for(lambda: small.rig.instance.get_runs_count() > n_before, "the run")
            [under_way] = small.rig.instance.get_runs(limit=1)
            wait_for(lambda: _made(small, under_way.run_id), "its first materialisation")
            proxy.do(Fault(delay_seconds=6.0))
            told = _made(small, under_way.run_id)
            time.sleep(5.0)
            assert len(_made(small, under_way.run_id)) <= len(told) + 1, "nothing is told while the database is silent"
            proxy.pass_on()
            thread.join(120)
            assert not thread.is_alive()
    [result] = runs
    stored = small.rig.instance.get_run_by_id(result.run_id)
    assert stored
    assert (stored.status is dg.DagsterRunStatus.SUCCESS) == result.success
    events = _made(small, result.run_id)
    if result.success:
        assert [(event.asset_key.path[-1], event.partition) for event in events] == made_by(result)
    store = small.rig.context().store
    for event in events:
        store.read_object(event.tags["dagster/data_version"])
    assert small.rig.bulk().success
    require_twin(small, twin)


@thorough
def test_the_daemon_s_own_look_at_the_conditions_starts_runs_with_their_gates(
    workers: RunWorkers, twin: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = workers.small
    daemon = AssetDaemon(small.rig.instance.get_auto_materialize_settings(), pre_sensor_interval_seconds=30)
    clock = time.time()
    monkeypatch.setattr("dagster._time._mockable_get_current_timestamp", lambda: clock)

    def look() -> list[dg.DagsterRun]:
        nonlocal clock
        clock += 60.0
        before = {run.run_id for run in small.rig.instance.get_runs()}
        daemon._run_iteration_impl(workers.workspace, None, {}, {})
        return [run for run in small.rig.instance.get_runs() if run.run_id not in before]

    # conditions make again what Dagster saw made before
    assert small.by_hand(LIVE, STAGES[2:])
    assert look() == [], "the first look sets the baseline"
    assert look() == []
    correct(small, 1, PARTITIONS[1])
    assert small.rig.run("season", partition=PARTITIONS[1], select=STAGES).success
    [replay] = look()
    assert replay.tags["dagster/partition"] == LIVE
    assert replay.asset_selection == {dg.AssetKey("team_match_features"), dg.AssetKey("team_state")}
    assert look() == [], "its run is under way"
    assert workers.ended(replay.run_id) is dg.DagsterRunStatus.SUCCESS, workers.said(replay.run_id)
    [fixtures] = look()
    assert fixtures.asset_selection == {dg.AssetKey("match_features")}
    assert workers.ended(fixtures.run_id) is dg.DagsterRunStatus.SUCCESS, workers.said(fixtures.run_id)
    assert look() == []
    # accepted, so their checks ran
    require_twin(small, twin)


def _made(small: SmallRig, run_id: str) -> list[dg.AssetMaterialization]:
    entries = small.rig.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return [entry.asset_materialization for entry in entries if entry.asset_materialization]
