"""The asset graph as text: a change of keys, partitions, gates, jobs or automation shows in review."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.storage.tags import PARTITION_NAME_TAG

from match_assets.definitions import defs
from match_assets.stages.base import Stage
from match_assets.stages.chain import DATA_STAGES

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "asset_graph.txt"
STAGES = {f"{number}-" for number in range(1, 11)}


def described() -> str:
    graph = defs.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=str):
        node = graph.get(key)
        checks = sorted(check.name for check in graph.get_check_keys_for_assets([key]))
        partitions = type(node.partitions_def).__name__
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        lines.append(f"{node.group_name}/{key.to_user_string()} [{partitions}] <- {parents} ! {', '.join(checks)}")
    repository = defs.get_repository_def()
    lines += [f"job {job.name}" for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)]
    lines += [f"sensor {sensor.name}" for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name)]
    lines += [f"schedule {schedule.name} {schedule.cron_schedule}" for schedule in repository.schedule_defs]
    return "\n".join(lines) + "\n"


def test_golden_asset_graph_is_the_one_reviewed() -> None:
    if os.environ.get("MATCH_ASSETS_GOLDEN") == "rewrite":
        GOLDEN.write_text(described())
    assert described() == GOLDEN.read_text(), "run `make golden` and review the difference"


def specs() -> list[dg.AssetSpec]:
    return [spec for spec in defs.resolve_all_asset_specs() if spec.key.to_user_string() != "__ASSET_JOB"]


@pytest.mark.parametrize("spec", sorted(specs(), key=lambda spec: spec.key), ids=lambda spec: spec.key.to_user_string())
def test_every_asset_tells_an_operator_what_it_is(spec: dg.AssetSpec) -> None:
    assert spec.description
    assert len(spec.description) > 40
    assert spec.group_name != "default"
    assert spec.owners
    assert spec.kinds
    assert any(spec.tags["stage"].startswith(stage) for stage in STAGES)
    assert spec.partitions_def is not None


@pytest.mark.parametrize("stage", DATA_STAGES, ids=lambda stage: stage.name)
def test_every_asset_of_a_season_declares_its_columns_and_where_they_came_from(stage: Stage) -> None:
    [spec] = [spec for spec in specs() if spec.key == dg.AssetKey(stage.name)]
    schema = spec.metadata["dagster/column_schema"].schema
    assert set(stage.sort_by) <= {column.name for column in schema.columns}
    raw_or_state = stage.name.startswith("raw_") or stage.name == "team_state"
    assert ("dagster/column_lineage" in spec.metadata) != raw_or_state
    if not raw_or_state:
        lineage = spec.metadata["dagster/column_lineage"].deps_by_column
        assert set(lineage) == {column.name for column in schema.columns}
        assert all(column.description for column in schema.columns)
        parents = {dep.asset_key for dep in spec.deps} | {dg.AssetKey("raw_matches"), dg.AssetKey("raw_match_stats")}
        assert {dep.asset_key for deps in lineage.values() for dep in deps} <= parents


def test_loading_the_graph_does_not_load_what_only_training_uses() -> None:
    # every run and every code server starts by loading it: with these it takes twice as long
    heavy = {"xgboost", "sklearn", "mlflow", "playwright"}
    code = f"import sys, match_assets.definitions; print(sorted({heavy!r} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_every_asset_has_a_blocking_partitioned_gate() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        checks = graph.get_check_keys_for_assets([key])
        assert checks, key
        for check in checks:
            spec = graph.get_check_spec(check)
            assert spec.blocking
            assert spec.partitions_def == graph.get(key).partitions_def


def test_jobs_that_ask_the_source_share_the_tag_that_lets_one_run_at_a_time() -> None:
    instance = yaml.safe_load((GOLDEN.parents[2] / "dagster.yaml").read_text())
    limits = {limit.pop("key"): limit for limit in instance["concurrency"]["runs"]["tag_concurrency_limits"]}
    assert limits["site"] == {"limit": 1, "value": {"applyLimitPerUniqueValue": True}}
    tagged = {job.name for job in defs.get_repository_def().get_all_jobs() if job.tags.get("site") == "source"}
    assert tagged == {"season", "bulk", "catalogue"}


def test_runs_of_one_partition_wait_for_each_other() -> None:
    """Two at once: the one that began first would be fenced off at its first write, and fail although nothing is wrong."""
    instance = yaml.safe_load((GOLDEN.parents[2] / "dagster.yaml").read_text())
    limits = {limit.pop("key"): limit for limit in instance["concurrency"]["runs"]["tag_concurrency_limits"]}
    assert limits[PARTITION_NAME_TAG] == {"limit": 1, "value": {"applyLimitPerUniqueValue": True}}


def test_every_step_that_asks_the_source_waits_in_one_pool() -> None:
    scraping = {"tournament_catalog", "scraped_matches", "scraped_match_stats"}
    pools = {key.to_user_string(): node.pools for key, node in _nodes().items()}
    assert {name for name, held in pools.items() if held} == scraping
    assert {pool for held in pools.values() for pool in held} == {"source"}
    assert defs.resolve_job_def("bulk").get_node_named("carry_seasons").definition.pool == "source"


def _nodes() -> dict[dg.AssetKey, Any]:
    graph = defs.resolve_asset_graph()
    return {key: graph.get(key) for key in graph.get_all_asset_keys()}
