"""The daily visit, of the seasons that something is to be asked for, and the weekly look for new seasons."""

from collections.abc import Iterator

import dagster as dg

from match_assets.jobs import catalogue_job, season_job
from match_assets.partitions import TOURNAMENTS
from match_assets.resources.platform import Platform
from match_assets.stages.chain import known_partitions, seasons_to_visit


@dg.schedule(
    job=season_job,
    cron_schedule="15 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_visit(context: dg.ScheduleEvaluationContext, platform: Platform) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per season with something due; the queue lets one scrape at a time, and a season asks only for what is due."""
    work = platform.context("schedule", context.log.info)
    if not known_partitions(work):
        yield dg.SkipReason("nothing was scraped yet; run `match-assets backfill` once")
        return
    wanted = seasons_to_visit(work, context.scheduled_execution_time)
    if not wanted:
        yield dg.SkipReason("no month and no match page is due")
    for partition, reason in wanted.items():
        yield dg.RunRequest(
            run_key=f"daily:{context.scheduled_execution_time:%Y-%m-%d}:{partition}",
            partition_key=partition,
            tags={"reason": f"daily visit: {reason}"[:500]},
        )


@dg.schedule(
    job=catalogue_job,
    cron_schedule="45 4 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekly_catalogue(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per tournament: new seasons are seen, and the next daily visit reads them."""
    tournaments = context.instance.get_dynamic_partitions(str(TOURNAMENTS.name))
    if not tournaments:
        yield dg.SkipReason("no tournament is known yet; run `match-assets backfill` once")
    for tournament in tournaments:
        yield dg.RunRequest(
            run_key=f"weekly:{context.scheduled_execution_time:%Y-%m-%d}:{tournament}", partition_key=tournament
        )
