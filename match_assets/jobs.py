"""The jobs: one season from page to lookup, one cut-off from split to champion, and the bulk job for many seasons at once."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)
from pydantic import Field

from match_assets.automation.conditions import CARRIES_SEASONS
from match_assets.connections import hold_connections
from match_assets.errors import MatchAssetsError
from match_assets.events import keep_report, materialisation_metadata, severity_of, verdict_metadata
from match_assets.gates.verdict import Verdict
from match_assets.partitions import TOURNAMENTS
from match_assets.resources.platform import Platform
from match_assets.source import runs
from match_assets.source.progress import ProgressLines
from match_assets.source.reports import SeasonReport
from match_assets.stages import ingestion
from match_assets.stages.base import StageContext
from match_assets.stages.carrying import Judged, Made, Stopped, Told, carried, require_pass
from match_assets.stages.chain import known_partitions, ordered
from match_assets.warehouse.reading import catalogue

DATA_GROUPS = ("ingestion", "raw", "interim", "features", "inference")
SOURCE_POOL = "source"
# dagster.yaml lets one run at a time carry the same value of this tag
ONE_VISITOR = {"site": "source"}

season_job = dg.define_asset_job(
    "season",
    selection=dg.AssetSelection.groups(*DATA_GROUPS) - dg.AssetSelection.assets("tournament_catalog"),
    tags=ONE_VISITOR,
    description="One season of one tournament, from its pages to fixtures ready for lookup, every gate on the way.",
)
catalogue_job = dg.define_asset_job(
    "catalogue",
    selection=dg.AssetSelection.assets("tournament_catalog"),
    tags=ONE_VISITOR,
    description="Which seasons the source lists for a tournament: where a new season appears first.",
)
model_job = dg.define_asset_job(
    "model",
    selection=dg.AssetSelection.groups("modelling", "registry"),
    description="One cut-off: split, baselines, ablation, tuning, training, calibration, registration, promotion.",
)


class BulkConfig(dg.Config):
    """Which seasons the bulk job carries, and whether it asks the source for them first."""

    partitions: list[str] = Field(
        default=[],
        description="season|tournament keys; empty means all that the source lists, and what it does not list is left out",
    )
    scrape: bool = Field(default=True, description="ask the source first; false works on what the warehouse holds")
    every_month: bool = Field(
        default=False, description="ask for the months too in which nothing can have changed any more"
    )
    processes: int | None = Field(
        default=None,
        ge=1,
        description="among which tournaments are divided, some 300 MB each; empty means as many as pay off",
    )


@dg.op(out=dg.Out(dg.Nothing, is_required=False), pool=SOURCE_POOL)
def carry_seasons(context: dg.OpExecutionContext, config: BulkConfig, platform: Platform) -> Iterator[object]:
    """Carries many seasons through all data stages in one run; each fails alone, and what is current is left alone."""
    hold_connections(context.instance)
    work = platform.context(context.run_id, context.log.info)
    partitions = _wanted(context, work, config)
    context.instance.add_dynamic_partitions(str(TOURNAMENTS.name), sorted({key.split("|")[1] for key in partitions}))
    failed: dict[str, str] = {}
    if config.scrape:
        for report in _scrape(work, partitions, every_month=config.every_month):
            yield from _guarded(context, report.partition_key, failed, _report_visit(context, work, report))
    left = [partition for partition in partitions if partition not in failed]
    yield from _recorded(context, work, failed, len(partitions), carried(work, left, config.processes))
    if failed:
        listed = "\n".join(f"{partition}: {reason}" for partition, reason in failed.items())
        raise dg.Failure(
            description=f"{len(failed)} of {len(partitions)} seasons stopped, the others are done:\n{listed}",
            metadata={"failed": dg.MetadataValue.json(failed)},
            allow_retries=False,
        )
    yield dg.Output(None)


def _wanted(context: dg.OpExecutionContext, work: StageContext, config: BulkConfig) -> list[str]:
    """The partitions to carry, history before what builds on it; those that no source lists are left out and named.

    The source is asked for its catalogue only when what is known cannot answer: a season that is asked for every day
    need not cost a page per tournament every time.
    """
    asked = ordered(config.partitions)
    held = {entry.partition_key for entry in catalogue(work.engine)}
    if config.scrape and not (asked and held.issuperset(asked)):
        runs.scrape_catalogue(work.settings, work.engine, work.params)
        held = {entry.partition_key for entry in catalogue(work.engine)}
    partitions = [key for key in asked if key in held] if asked else known_partitions(work)
    absent = [key for key in asked if key not in held]
    if absent:
        told = f"not listed by the source since {work.params.ingestion.first_season}, left out: {', '.join(absent)}"
        context.log.warning(told)
        if not partitions:
            raise dg.Failure(description=f"nothing to do: {told}", allow_retries=False)
    return partitions


def _scrape(work: StageContext, partitions: list[str], *, every_month: bool) -> list[SeasonReport]:
    """All seasons in one browser, with a line of progress every few seconds."""

    def announce(report: SeasonReport, number: int, total: int) -> None:
        work.log(f"{report.partition_key}: scraped, {number} of {total} seasons")

    progress = ProgressLines("match pages of this season", lambda standing: work.log(str(standing)))
    return runs.scrape_seasons(
        work.settings,
        work.engine,
        work.params,
        partitions,
        every_month=every_month,
        announce=announce,
        progress=progress,
    )


def _guarded(
    context: dg.OpExecutionContext, partition: str, failed: dict[str, str], events: Iterator[object]
) -> Iterator[object]:
    """The events of one partition; an error of ours stops that partition alone and is listed."""
    try:
        yield from events
    except MatchAssetsError as error:
        failed[partition] = f"{type(error).__name__}: {error}"
        context.log.error(f"{partition}: {error}")  # noqa: TRY400 - our message says it all


def _report_visit(context: dg.OpExecutionContext, work: StageContext, report: SeasonReport) -> Iterator[object]:
    if report.error is not None:
        raise report.error
    partition = report.partition_key
    if report.matches is not None:
        scraped = ingestion.scraped_matches(work, partition, report.matches)
        verdict = ingestion.validate_calendar(work, partition)
        yield from _visit(context, work, (ingestion.MATCHES, ingestion.MATCHES_CHECK), partition, scraped, verdict)
    if report.statistics is not None:
        scraped = ingestion.scraped_statistics(work, partition, report.statistics)
        verdict = ingestion.validate_coverage(work, partition)
        yield from _visit(
            context, work, (ingestion.STATISTICS, ingestion.STATISTICS_CHECK), partition, scraped, verdict
        )


def _visit(
    context: dg.OpExecutionContext,
    work: StageContext,
    names: tuple[str, str],
    partition: str,
    scraped: ingestion.Scraped,
    verdict: Verdict,
) -> Iterator[object]:
    asset, check = names
    if scraped.changed or not _ever_materialised(context, asset, partition):
        yield dg.AssetMaterialization(
            asset, partition=partition, metadata=dict(scraped.facts), tags=_version_tags(scraped.revision)
        )
        yield _evaluation(work, asset, check, partition, verdict, _newest_materialisation(context))
    require_pass(verdict, asset, partition)


def _ever_materialised(context: dg.OpExecutionContext, asset: str, partition: str) -> bool:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
    return bool(context.instance.fetch_materializations(wanted, limit=1).records)


def _recorded(
    context: dg.OpExecutionContext, work: StageContext, failed: dict[str, str], n_asked: int, steps: Iterator[Told]
) -> Iterator[object]:
    """Each step as Dagster's event, stored before the next one is asked for."""
    begun: set[str] = set()
    targets: dict[tuple[str, str], Target] = {}
    for told in steps:
        if isinstance(told, Made):
            if told.partition not in begun:
                begun.add(told.partition)
                context.log.info(f"{told.partition}: {len(begun)} of {n_asked}")
            yield dg.AssetMaterialization(
                told.stage,
                partition=told.partition,
                metadata=materialisation_metadata(told.written),
                tags=_version_tags(told.written.pointer.sha256),
            )
            targets[told.stage, told.partition] = _newest_materialisation(context)
        elif isinstance(told, Judged):
            target = targets.pop((told.stage, told.partition))
            yield _evaluation(work, told.stage, told.check, told.partition, told.verdict, target)
        elif isinstance(told, Stopped):
            failed[told.partition] = told.reason
            context.log.error(f"{told.partition}: {told.reason}")
        else:
            begun.add(told.partition)


def _version_tags(version: str) -> dict[str, str]:
    return {"dagster/data_version": version, "dagster/data_version_is_user_provided": "true"}


def _newest_materialisation(context: dg.OpExecutionContext) -> Target:
    """The materialisation just stored; without it as its target Dagster never counts a check as current."""
    [newest] = context.instance.get_records_for_run(
        context.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION, limit=1, ascending=False
    ).records
    return Target(storage_id=newest.storage_id, run_id=newest.run_id, timestamp=newest.timestamp)


def _evaluation(
    work: StageContext, asset: str, check: str, partition: str, verdict: Verdict, target: Target
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=check,
        passed=verdict.passed,
        severity=severity_of(verdict),
        description=verdict.summary(),
        partition=partition,
        blocking=True,
        metadata=verdict_metadata(verdict, keep_report(work, asset, partition, verdict)),
        target_materialization_data=target,
    )


@dg.job(
    name="bulk",
    tags={**ONE_VISITOR, CARRIES_SEASONS: "seasons"},
    description="Many seasons in one run: first fill and large backfills, with a verdict per season and stage.",
)
def bulk_job() -> None:
    """First fill and large backfills."""
    carry_seasons()
