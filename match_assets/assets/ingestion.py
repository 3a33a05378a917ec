"""Stage 1: the source's pages into PostgreSQL, through Playwright (``scrape_*`` in the old system)."""

import dagster as dg

from match_assets.assets.common import OWNERS, data_asset
from match_assets.events import plain_key
from match_assets.partitions import OF_TOURNAMENT, TOURNAMENTS
from match_assets.resources.platform import Platform
from match_assets.source import runs
from match_assets.source.progress import ProgressLines, Standing
from match_assets.stages.ingestion import FOLLOWS, MATCHES, STATISTICS, catalogued, scraped_statistics
from match_assets.stages.ingestion import scraped_matches as matches_facts

SOURCE_POOL = "source"
SECONDS_BETWEEN_OBSERVATIONS = 30.0


@dg.asset(
    group_name="ingestion",
    partitions_def=TOURNAMENTS,
    kinds={"playwright", "postgres"},
    owners=OWNERS,
    tags={"stage": "1-ingestion"},
    pool=SOURCE_POOL,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
)
def tournament_catalog(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Which seasons the source lists for a tournament. New seasons appear here; no code changes for them."""
    key = plain_key(context)
    report = runs.scrape_catalogue(platform.settings, platform.engine, platform.params.only(key))
    found = catalogued(report, key)
    return dg.MaterializeResult(metadata=found.facts, data_version=dg.DataVersion(found.version))


@data_asset(
    "1-ingestion",
    "ingestion",
    [dg.AssetDep(FOLLOWS[MATCHES], partition_mapping=OF_TOURNAMENT)],
    {"playwright", "postgres"},
    pool=SOURCE_POOL,
)
def scraped_matches(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """The season's calendar in PostgreSQL: replay-safe upserts, the newest observation wins, every change is kept."""
    partition = plain_key(context)
    season, tournament = partition.split("|")
    report = runs.scrape_matches(
        platform.settings,
        platform.engine,
        platform.params,
        tournament,
        season,
        progress=_progress(context, f"{partition}: months"),
    )
    scraped = matches_facts(platform.context(context.run.run_id, context.log.info), partition, report)
    return dg.MaterializeResult(metadata=scraped.facts, data_version=dg.DataVersion(scraped.revision))


@data_asset("1-ingestion", "ingestion", [FOLLOWS[STATISTICS]], {"playwright", "postgres"}, pool=SOURCE_POOL)
def scraped_match_stats(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Statistics from the pages of finished matches that lack them or whose score was corrected; resumable at any page."""
    partition = plain_key(context)
    season, tournament = partition.split("|")
    report = runs.scrape_match_stats(
        platform.settings,
        platform.engine,
        platform.params,
        tournament,
        season,
        progress=_progress(context, f"{partition}: match pages"),
    )
    scraped = scraped_statistics(platform.context(context.run.run_id, context.log.info), partition, report)
    return dg.MaterializeResult(metadata=scraped.facts, data_version=dg.DataVersion(scraped.revision))


def _progress(context: dg.AssetExecutionContext, what: str) -> ProgressLines:
    """Progress as lines of the run's log and, while the run is under way, as observations of the asset."""

    def tell(standing: Standing) -> None:
        context.log.info(str(standing))
        if standing.done and standing.left:
            observation = dg.AssetObservation(
                context.asset_key, partition=context.partition_key, metadata=standing.facts()
            )
            context.log_event(observation)

    return ProgressLines(what, tell, every_seconds=SECONDS_BETWEEN_OBSERVATIONS)
