"""The daily visit: every season that can still change is read, whether or not anybody saw news."""

from collections.abc import Iterator

import dagster as dg

from match_assets.jobs import season_job
from match_assets.resources.platform import Platform
from match_assets.warehouse.reading import live_partitions


@dg.schedule(
    job=season_job,
    cron_schedule="15 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_visit(context: dg.ScheduleEvaluationContext, platform: Platform) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per live season; the queue lets one scrape at a time."""
    live = live_partitions(platform.engine)
    if not live:
        yield dg.SkipReason("nothing was scraped yet; run `match-assets backfill` once")
    for partition in live:
        yield dg.RunRequest(
            run_key=f"daily:{context.scheduled_execution_time:%Y-%m-%d}:{partition}",
            partition_key=partition,
            tags={"reason": "daily visit"},
        )
