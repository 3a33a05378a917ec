"""The jobs: one season from page to lookup, one cut-off from split to champion, and the bulk job for many seasons at once."""

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)
from pydantic import Field

from match_assets.automation.conditions import CARRIES_SEASONS
from match_assets.config import digest_of
from match_assets.connections import hold_connections
from match_assets.errors import MatchAssetsError
from match_assets.events import Metadata, keep_report, materialisation_metadata, severity_of, verdict_metadata
from match_assets.gates.verdict import Verdict
from match_assets.keys import DataKey
from match_assets.partitions import TOURNAMENTS
from match_assets.resources.platform import Platform
from match_assets.source import runs
from match_assets.source.progress import ProgressLines
from match_assets.source.reports import CatalogueReport, SeasonReport
from match_assets.stages import ingestion
from match_assets.stages.base import StageContext
from match_assets.stages.carrying import Judged, Made, Stopped, Told, carried, require_pass
from match_assets.stages.chain import known_partitions, ordered, stage_named
from match_assets.store import Pointer
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
    seen = _look_up(work, config)
    partitions = _wanted(context, work, config)
    tournaments = {_tournament(key) for key in partitions}.union(seen.seasons if seen else ())
    context.instance.add_dynamic_partitions(str(TOURNAMENTS.name), sorted(tournaments))
    record = _Record(context, work)
    failed = record.failed
    if seen:
        yield from record.catalogue(seen, partitions)
    if config.scrape:
        visited = [partition for partition in partitions if partition not in failed]
        for report in _scrape(work, visited, every_month=config.every_month):
            yield from record.visit(report)
    left = [partition for partition in partitions if partition not in failed]
    yield from record.steps(carried(work, left, config.processes), len(partitions))
    if failed:
        listed = "\n".join(f"{partition}: {reason}" for partition, reason in failed.items())
        raise dg.Failure(
            description=f"{len(failed)} of {len(partitions)} seasons stopped, the others are done:\n{listed}",
            metadata={"failed": dg.MetadataValue.json(failed)},
            allow_retries=False,
        )
    yield dg.Output(None)


def _look_up(work: StageContext, config: BulkConfig) -> CatalogueReport | None:
    """The source's catalogue, asked for only when what is known cannot answer.

    A season that is asked for every day need not cost a page per tournament every time.
    """
    held = {entry.partition_key for entry in catalogue(work.engine)}
    if not config.scrape or (config.partitions and held.issuperset(config.partitions)):
        return None
    return runs.scrape_catalogue(work.settings, work.engine, work.params)


def _wanted(context: dg.OpExecutionContext, work: StageContext, config: BulkConfig) -> list[str]:
    """The partitions to carry, history before what builds on it; those that no source lists are left out and named."""
    asked = ordered(config.partitions)
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


class _Record:
    """What a bulk run did as Dagster's events, each stored before the next step is taken; ``failed`` are its stopped seasons."""

    def __init__(self, context: dg.OpExecutionContext, work: StageContext) -> None:
        self._context, self._work = context, work
        self.failed: dict[str, str] = {}
        # the newest event that the inputs of a tournament's next step can have been read after
        begun = context.instance.event_log_storage.get_maximum_record_id() or 0
        self._known: defaultdict[str, int] = defaultdict(lambda: begun)

    def catalogue(self, report: CatalogueReport, partitions: Sequence[str]) -> Iterator[object]:
        """The events of a look at the catalogue; a tournament whose list is refused stops with its seasons."""
        for tournament in sorted(report.seasons):
            found = ingestion.catalogued(report, tournament)
            verdict = ingestion.validate_catalogue(self._work, tournament)
            if self._version_made(ingestion.CATALOGUE, tournament) != found.version:
                tags = _version_tags(found.version)
                target = yield from self._made(ingestion.CATALOGUE, tournament, dict(found.facts), tags)
                yield self._evaluation(ingestion.CATALOGUE, ingestion.CATALOGUE_CHECK, tournament, verdict, target)
            try:
                require_pass(verdict, ingestion.CATALOGUE, tournament)
            except MatchAssetsError as error:
                for partition in partitions:
                    if _tournament(partition) == tournament:
                        self._stop(partition, f"{type(error).__name__}: {error}")

    def visit(self, report: SeasonReport) -> Iterator[object]:
        """The events of a visit to a season; an error of ours stops that season alone."""
        try:
            yield from self._visited(report)
        except MatchAssetsError as error:
            self._stop(report.partition_key, f"{type(error).__name__}: {error}")

    def _visited(self, report: SeasonReport) -> Iterator[object]:
        if report.error is not None:
            raise report.error
        work, partition = self._work, report.partition_key
        if report.matches is not None:
            scraped = ingestion.scraped_matches(work, partition, report.matches)
            names = ingestion.MATCHES, ingestion.MATCHES_CHECK
            yield from self._scraped(*names, partition, scraped, ingestion.validate_calendar(work, partition))
        if report.statistics is not None:
            scraped = ingestion.scraped_statistics(work, partition, report.statistics)
            names = ingestion.STATISTICS, ingestion.STATISTICS_CHECK
            yield from self._scraped(*names, partition, scraped, ingestion.validate_coverage(work, partition))

    def _scraped(
        self, asset: str, check: str, partition: str, scraped: ingestion.Scraped, verdict: Verdict
    ) -> Iterator[object]:
        if scraped.changed or self._version_made(asset, partition) is None:
            # no code of its own is versioned; as Dagster does then, the run stands for it
            inputs = {ingestion.FOLLOWS[asset]: scraped.revision}
            tags = _version_tags(scraped.revision) | self._provenance_tags(partition, self._context.run_id, inputs)
            target = yield from self._made(asset, partition, dict(scraped.facts), tags)
            yield self._evaluation(asset, check, partition, verdict, target)
        require_pass(verdict, asset, partition)

    def _version_made(self, asset: str, partition: str) -> str | None:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
        for record in self._context.instance.fetch_materializations(wanted, limit=1).records:
            if record.asset_materialization:
                return (record.asset_materialization.tags or {}).get("dagster/data_version", "")
        return None

    def steps(self, steps: Iterator[Told], n_asked: int) -> Iterator[object]:
        """The events of what was carried, with a line in the log for each season that something is done for."""
        begun: set[str] = set()
        targets: dict[tuple[str, str], Target] = {}
        for told in steps:
            if isinstance(told, Made):
                if told.partition not in begun:
                    begun.add(told.partition)
                    self._context.log.info(f"{told.partition}: {len(begun)} of {n_asked}")
                pointer = told.written.pointer
                inputs = {asset: _inputs_from(asset, pointer) for asset in stage_named(told.stage).reads}
                provenance = self._provenance_tags(told.partition, pointer.code_version, inputs)
                tags = _version_tags(pointer.sha256) | provenance
                targets[told.stage, told.partition] = yield from self._made(
                    told.stage, told.partition, materialisation_metadata(told.written), tags
                )
            elif isinstance(told, Judged):
                target = targets.pop((told.stage, told.partition))
                yield self._evaluation(told.stage, told.check, told.partition, told.verdict, target)
            elif isinstance(told, Stopped):
                self._stop(told.partition, told.reason)
            else:
                begun.add(told.partition)

    def _stop(self, partition: str, reason: str) -> None:
        self.failed[partition] = reason
        self._context.log.error(f"{partition}: {reason}")

    def _made(
        self, asset: str, partition: str, metadata: Metadata, tags: Mapping[str, str]
    ) -> Generator[object, None, Target]:
        """Records a materialisation; returns it as its check's target, without which Dagster never counts that as current."""
        yield dg.AssetMaterialization(asset, partition=partition, metadata=metadata, tags=tags)
        [newest] = self._context.instance.get_records_for_run(
            self._context.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION, limit=1, ascending=False
        ).records
        self._known[partition.rpartition("|")[2]] = newest.storage_id
        return Target(storage_id=newest.storage_id, run_id=newest.run_id, timestamp=newest.timestamp)

    def _provenance_tags(self, partition: str, code_version: str, inputs: Mapping[str, str]) -> dict[str, str]:
        """What Dagster itself writes for an asset that it runs.

        By it the webserver tells whether an input has changed since; without it, a partition whose history reaches back to
        seasons that were never played would be shown as unsynced for ever.
        """
        known = str(self._known[_tournament(partition)])
        return {
            "dagster/code_version": code_version,
            **{f"dagster/input_data_version/{asset}": version for asset, version in inputs.items()},
            **{f"dagster/input_event_pointer/{asset}": known for asset in inputs},
        }

    def _evaluation(
        self, asset: str, check: str, partition: str, verdict: Verdict, target: Target
    ) -> dg.AssetCheckEvaluation:
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=check,
            passed=verdict.passed,
            severity=severity_of(verdict),
            description=verdict.summary(),
            partition=partition,
            blocking=True,
            metadata=verdict_metadata(verdict, keep_report(self._work, asset, partition, verdict)),
            target_materialization_data=target,
        )


def _inputs_from(asset: str, pointer: Pointer) -> str:
    """One version for the partitions of an asset that something was made from; of the warehouse, for its revision."""
    of_it = {name: digest for name, digest in pointer.inputs.items() if name.partition("@")[0] == asset}
    return digest_of(of_it or dict(pointer.inputs))


def _version_tags(version: str) -> dict[str, str]:
    return {"dagster/data_version": version, "dagster/data_version_is_user_provided": "true"}


def _tournament(partition: str) -> str:
    return DataKey.parse(partition).tournament


@dg.job(
    name="bulk",
    tags={**ONE_VISITOR, CARRIES_SEASONS: "seasons"},
    description="Many seasons in one run: first fill and large backfills, with a verdict per season and stage.",
)
def bulk_job() -> None:
    """First fill and large backfills."""
    carry_seasons()
