"""A gate as Dagster's check: it raises, it warns, it refuses; and what the step behind it does then."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from sqlalchemy import Engine

from match_assets.assets.common import ONE_BY_ONE
from match_assets.checks.gates import DESCRIPTIONS, gate_check
from match_assets.config import Settings, load_params
from match_assets.events import materialise_asset, plain_key
from match_assets.gates.verdict import ROWS_SHOWN, Rule, Severity, Verdict, judge
from match_assets.partitions import DATA, TOURNAMENTS
from match_assets.resources.platform import Platform
from match_assets.stages.base import Product, Stage, StageContext
from match_assets.store import Pointer, Store
from match_assets.store.objects import Bucket, s3_client

PARTITION = "2024|TST-League"
ANY_TABLE = pa.DataFrameSchema({})
CHECK = "validate_probe"


class StorePlatform(Platform):
    """A platform over this test's own bucket, which no stage here leaves."""

    def context(self, run_id: str, log: Callable[[str], None]) -> StageContext:
        """A context whose other servers are never asked for."""
        nobody: Any = None

        def no_warehouse() -> Engine:
            raise AssertionError

        settings = _own["settings"]
        store = Store(Bucket(s3_client(settings), settings.s3_bucket))
        return StageContext(load_params(), settings, store, no_warehouse, nobody, nobody, run_id, log)


_own: dict[str, Settings] = {}


@dataclass
class Run:
    """What a run did: whether it succeeded, what was made, the evaluations, and the accepted version of the probe."""

    result: dg.ExecuteInProcessResult
    accepted: Pointer | None

    @property
    def made(self) -> set[str]:
        """Assets that were materialised."""
        return {event.asset_key.path[-1] for event in self.result.get_asset_materialization_events() if event.asset_key}

    @property
    def evaluation(self) -> dg.AssetCheckEvaluation:
        """The one verdict."""
        [evaluation] = self.result.get_asset_check_evaluations()
        return evaluation


def carried(monkeypatch: pytest.MonkeyPatch, settings: Settings, gate: Callable[[pl.DataFrame], Verdict]) -> Run:
    """A probe of thirty rows, its gate, and an asset behind it, in one run."""
    monkeypatch.setitem(_own, "settings", settings)
    monkeypatch.setitem(DESCRIPTIONS, CHECK, "A probe.")
    frame = pl.DataFrame({"number": range(30)})
    stage = Stage(
        "probe", "data", (), ("number",), lambda _c, _p: {}, lambda _c, _p, _i: Product(frame), CHECK,
        lambda _context, _candidate, rows: gate(rows),
    )  # fmt: skip

    @dg.asset(partitions_def=DATA, backfill_policy=ONE_BY_ONE)
    def probe(context: dg.AssetExecutionContext, platform: StorePlatform) -> dg.MaterializeResult[None]:
        return materialise_asset(stage, platform.context(context.run.run_id, context.log.info), plain_key(context))

    @dg.asset(partitions_def=DATA, backfill_policy=ONE_BY_ONE, deps=[probe])
    def behind() -> None:
        """What comes next."""

    platform = StorePlatform()
    defs = dg.Definitions([probe, behind], asset_checks=[gate_check(stage)], resources={"platform": platform})
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(TOURNAMENTS.name), ["TST-League"])
        job = defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, partition_key=PARTITION, raise_on_error=False)
    return Run(result, platform.context("test", print).store.pointer("probe", PARTITION))


def gate_of(severity: Severity, least: int) -> Callable[[pl.DataFrame], Verdict]:
    """A gate with one rule, which rows of ``least`` and more break."""
    rule = Rule("small", lambda rows: rows.filter(pl.col("number") >= least), severity, "too large", "Make it smaller.")
    return lambda rows: judge(rows, ANY_TABLE, rules=(rule,))


def test_a_check_that_raises_fails_its_run_and_nothing_behind_it_runs(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    # DAG-07
    def broken(rows: pl.DataFrame) -> Verdict:
        return judge(rows.select("no such column"), ANY_TABLE)

    run = carried(monkeypatch, settings, broken)
    assert not run.result.success
    assert run.made == {"probe"}
    assert run.accepted is None
    [failure] = [event for event in run.result.all_events if event.is_step_failure]
    assert f"{CHECK} could not judge probe {PARTITION}" in str(failure.event_specific_data)


def test_a_refusal_names_rule_rows_and_remedy(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    # DAG-06
    run = carried(monkeypatch, settings, gate_of("error", 5))
    assert not run.result.success
    assert run.made == {"probe"}
    assert run.accepted is None
    evaluation = run.evaluation
    assert (evaluation.passed, evaluation.severity, evaluation.partition) == (
        False,
        dg.AssetCheckSeverity.ERROR,
        PARTITION,
    )
    rows = evaluation.metadata["failing rows"].records
    assert len(rows) == ROWS_SHOWN
    assert rows[0].data == {"rule": "small", "severity": "error", "count": 25, "row": "number=5"}
    assert evaluation.metadata["errors"].value == 25
    assert "Make it smaller." in str(evaluation.metadata["what to do"].value)
    assert str(evaluation.metadata["report"].value).endswith(".html")


def test_a_warning_is_shown_and_what_is_behind_it_runs(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    run = carried(monkeypatch, settings, gate_of("warning", 25))
    assert run.result.success
    assert run.made == {"probe", "behind"}
    assert run.accepted is not None
    evaluation = run.evaluation
    assert (evaluation.passed, evaluation.severity) == (True, dg.AssetCheckSeverity.WARN)
    assert evaluation.metadata["warnings"].value == 5
    assert "small: 5 (warning)" in str(evaluation.description)


def test_a_verdict_without_remarks_needs_no_report(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    run = carried(monkeypatch, settings, gate_of("error", 30))
    assert run.evaluation.metadata["summary"].value == "all rules hold"
    assert "report" not in run.evaluation.metadata
