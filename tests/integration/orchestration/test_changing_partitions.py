"""Tournaments come and go, and the code server dies, while a backfill is under way: ours in bulk, and Dagster's own. DAG-11.

Runs are real workers of a real code server; Dagster's backfill goes through the daemon's own loop. The tests build on each
other's state in the order written.
"""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._daemon.backfill import execute_backfill_iteration

from match_assets.automation.sensors import bulk_config, missing_or_late
from match_assets.local.stack import ServerStack
from match_assets.partitions import DATA, TOURNAMENTS
from match_assets.store import Store
from match_assets.store.verifying import verify
from tests.depth import thorough
from tests.integration.orchestration.plain_calls import Plain, carry, settle
from tests.integration.orchestration.run_workers import RunWorkers, wait_for
from tests.integration.orchestration.small_rig import STAGES, SmallRig, small_rig
from tests.integration.orchestration.test_automation import tick
from tests.integration.orchestration.test_killed_runs import correct, settings
from tests.small_leagues import CUTOFF, LIVE, PARTITIONS, small_params

SOUTH = "2021|South"
NORTH = [partition for partition in PARTITIONS if partition != SOUTH]
# the second replays the first, so a backfill asks for it in a run of its own, later
LEVELS = ("finished_matches", "team_match_features")
SUCCESS = dg.DagsterRunStatus.SUCCESS
TERMINAL = {BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.FAILED}


class Bench:
    """Run workers over leagues that `params.yaml` may stop or begin to name."""

    def __init__(self, workers: RunWorkers, patch: pytest.MonkeyPatch) -> None:
        self.workers, self.small = workers, workers.small
        self.instance = self.small.rig.instance
        self._patch = patch

    def follow(self, *leagues: str) -> None:
        """Edits `params.yaml`: these tournaments and no others."""
        shipped = small_params()
        kept = shipped.model_copy(update={"tournaments": {name: shipped.tournaments[name] for name in leagues}})
        self._patch.setattr("match_assets.resources.platform.params", lambda: kept)
        Path(os.environ["MATCH_ASSETS_PARAMS"]).write_text(yaml.safe_dump(kept.model_dump(mode="json", by_alias=True)))

    @property
    def tournaments(self) -> set[str]:
        """The tournaments that Dagster has partitions for."""
        return set(self.instance.get_dynamic_partitions(str(TOURNAMENTS.name)))

    @property
    def partitions(self) -> set[str]:
        """The data partitions that the webserver shows."""
        return set(DATA.get_partition_keys(dynamic_partitions_store=self.instance))

    def readable(self, tournament: str) -> dict[tuple[str, str], str]:
        """Accepted versions of a tournament, each with its bytes read and verified by another process's store."""
        store = Store(self.small.rig.context().store.bucket)
        found = {key: digest for key, digest in self.small.accepted().items() if key[1].endswith(f"|{tournament}")}
        for asset, partition in found:
            store.read(asset, partition)
        return found

    def build(self) -> dict[tuple[str, str], str]:
        """Carries what is stale by plain calls; every accepted version after that."""
        self.follow("North", "South")
        self.instance.add_dynamic_partitions(str(TOURNAMENTS.name), ["North", "South"])
        for partition in PARTITIONS:
            carry(self.small.rig.context(), partition)
        return self.small.accepted()

    def backfill(self, name: str, partitions: list[str]) -> str:
        """Asks Dagster for a backfill of both levels, as the webserver does."""
        graph = self.workers.workspace.create_request_context().asset_graph
        wanted = {AssetKeyPartitionKey(dg.AssetKey(asset), partition) for asset in LEVELS for partition in partitions}
        with partition_loading_context(dynamic_partitions_store=self.instance):
            self.instance.add_backfill(
                PartitionBackfill.from_asset_graph_subset(
                    backfill_id=name,
                    asset_graph_subset=AssetGraphSubset.from_asset_partition_set(wanted, graph),
                    backfill_timestamp=time.time(),
                    tags={},
                    dynamic_partitions_store=self.instance,
                    title=None,
                    description=None,
                    run_config=None,
                )
            )
        return name

    def look(self, backfill: str) -> PartitionBackfill:
        """One look of the daemon at all backfills; how this one stands afterwards."""
        list(execute_backfill_iteration(self.workers.workspace, logging.getLogger("backfills")))
        stored = self.instance.get_backfill(backfill)
        assert stored
        return stored

    def runs(self, backfill: str) -> list[dg.DagsterRun]:
        """The runs that a backfill asked for, the oldest first."""
        return list(reversed(self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))))


@pytest.fixture(scope="module")
def bench(stack: ServerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Both leagues in the warehouse, nothing built; `params.yaml` names one of them."""
    folder = tmp_path_factory.mktemp("changing")
    with small_rig(stack, folder, instance=settings()) as small, pytest.MonkeyPatch.context() as patch:
        held = Bench(RunWorkers(small, folder / "code_server.log"), patch)
        held.follow("North")
        try:
            held.workers.start()
            yield held
        finally:
            held.workers.cut_power()


def partition_of(run: dg.DagsterRun) -> str:
    """The partition of a backfill's run, which is a range of one."""
    first, last = (run.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end"))
    assert first == last
    return first


def require_twin(small: SmallRig) -> None:
    """What is accepted is what plain calls make of the same warehouse, and every object is whole."""
    work = small.rig.context()
    twin = Plain(work.settings, small_params(), f"twin-{time.monotonic_ns()}/")
    try:
        settle(twin.context(), CUTOFF)
        expected = {key: version.sha256 for key, version in twin.accepted().items() if key[1] != CUTOFF}
    finally:
        twin.close()
    assert small.accepted() == expected
    assert verify(small.rig.context().store).is_sound


def test_a_tournament_added_and_a_server_reloaded_during_a_bulk_run_let_it_end_and_are_seen_afterwards(
    bench: Bench,
) -> None:
    # DAG-11
    run = bench.workers.bulk([])
    bench.workers.worker_at(run, "ASSET_MATERIALIZATION", "carry_seasons")
    bench.follow("North", "South")
    bench.instance.add_dynamic_partitions(str(TOURNAMENTS.name), ["South"])
    bench.workers.lose_server()
    assert bench.workers.ended(run) is SUCCESS, bench.workers.said(run)
    assert set(bench.small.accepted()) == {(stage, season) for stage in STAGES for season in NORTH}
    assert bench.tournaments == {"North", "South"}
    assert {SOUTH, *NORTH} <= bench.partitions
    # the new server, and the sensors with it, know the new tournament
    request = tick(bench.small.rig, missing_or_late)
    assert request.run_config == bulk_config([SOUTH], scrape=False)
    bench.workers.start()
    added = bench.workers.bulk([])
    assert bench.workers.ended(added) is SUCCESS, bench.workers.said(added)
    assert bench.instance.get_materialized_partitions(dg.AssetKey(STAGES[-1])) == set(PARTITIONS)
    require_twin(bench.small)


def test_a_tournament_removed_during_a_bulk_run_lets_it_end_and_keeps_its_data(bench: Bench) -> None:
    # DAG-11
    for partition in (LIVE, SOUTH):
        correct(bench.small, 0, partition)
    run = bench.workers.bulk([LIVE, SOUTH])
    bench.workers.worker_at(run, "ASSET_MATERIALIZATION", "carry_seasons")
    bench.instance.delete_dynamic_partition(str(TOURNAMENTS.name), "South")
    bench.follow("North")
    assert bench.workers.ended(run) is SUCCESS, bench.workers.said(run)
    # it carried what it was asked for, and what it made can be read though no partition shows it
    require_twin(bench.small)
    assert SOUTH not in bench.partitions
    kept = bench.readable("South")
    assert set(kept) == {(stage, SOUTH) for stage in STAGES}
    # nobody asks for it any more, whatever its source says
    correct(bench.small, 1, SOUTH)
    assert tick(bench.small.rig, missing_or_late).skip_message == "nothing is missing or late"
    assert bench.readable("South") == kept
    # back again, it goes on from where it was
    bench.follow("North", "South")
    assert tick(bench.small.rig, missing_or_late).run_config == bulk_config([SOUTH], scrape=False)


@thorough
def test_dagsters_backfill_outlives_its_code_server_and_ends_as_asked_though_a_tournament_was_added(
    bench: Bench,
) -> None:
    # DAG-11
    before = bench.build()
    backfill = bench.backfill("outlives", [LIVE])
    assert bench.look(backfill).status is BulkActionStatus.REQUESTED
    [first] = bench.runs(backfill)
    wait_for(lambda: bench.workers.status(first.run_id) is dg.DagsterRunStatus.STARTED, "the first level's worker")
    bench.workers.lose_server()
    bench.instance.add_dynamic_partitions(str(TOURNAMENTS.name), ["West"])
    assert bench.workers.ended(first.run_id) is SUCCESS, bench.workers.said(first.run_id)
    # the next level cannot be asked of a server that is dead; that is no failure
    for _ in range(3):
        assert bench.look(backfill).status is BulkActionStatus.REQUESTED
    bench.workers.start()
    wait_for(lambda: bench.look(backfill).status in TERMINAL, "the backfill's end", 240)
    assert bench.look(backfill).status is BulkActionStatus.COMPLETED_SUCCESS
    runs = bench.runs(backfill)
    assert [run.asset_selection for run in runs] == [{dg.AssetKey(asset)} for asset in LEVELS]
    assert [partition_of(run) for run in runs] == [LIVE] * 2
    assert {run.status for run in runs} == {SUCCESS}
    assert bench.small.accepted() == before
    assert "2022|West" in bench.partitions


@thorough
def test_dagsters_backfill_of_a_tournament_that_is_removed_fails_and_names_it(bench: Bench) -> None:
    # DAG-11
    before = bench.build()
    backfill = bench.backfill("removed", [LIVE, SOUTH])
    assert bench.look(backfill).status is BulkActionStatus.REQUESTED
    assert {partition_of(run) for run in bench.runs(backfill)} == {LIVE, SOUTH}
    bench.instance.delete_dynamic_partition(str(TOURNAMENTS.name), "South")
    wait_for(lambda: bench.look(backfill).status in TERMINAL, "the backfill's end", 240)
    ended = bench.look(backfill)
    assert ended.status is BulkActionStatus.FAILED
    assert ended.error
    # by what it finds first: a target that was removed, or a range that is none any more
    assert "South" in ended.error.message
    assert "North" not in ended.error.message
    assert all(run.is_finished for run in bench.runs(backfill)), "none is left under way"
    assert bench.readable("South") == {key: digest for key, digest in before.items() if key[1] == SOUTH}
    # whatever its runs were cut off in: the same warehouse gives the same versions
    assert bench.build() == before
    require_twin(bench.small)
