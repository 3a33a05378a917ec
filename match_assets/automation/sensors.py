"""Sensors: new match days, what is missing or late, cut-offs that the data have reached.

They do what conditions cannot say; who does what stands in ``automation.conditions``.
"""

import datetime as dt
import json
import time
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from match_assets.automation.conditions import CARRIES_SEASONS, FOLLOWERS, LEFT_TO_CONDITIONS_SECONDS
from match_assets.config import digest_of, params
from match_assets.jobs import bulk_job, model_job, season_job
from match_assets.partitions import TOURNAMENTS
from match_assets.resources.platform import Platform
from match_assets.source import runs
from match_assets.stages.base import StageContext
from match_assets.stages.chain import (
    Stale,
    known_partitions,
    ordered,
    reached_cutoff,
    stage_named,
    stale_cutoff,
    stale_data,
)
from match_assets.warehouse import planning
from match_assets.warehouse.reading import late_matches, season_revision, tournament_keys

CAUSE = "cause"
MAX_ATTEMPTS = 4
# the frontier's word for what is only looked at once more
REVISIT = "revisit"
# what Dagster calls a run that was started from an asset's page, by a backfill or by a condition
ASSET_RUNS = "__ASSET_JOB"
LOOK_EVERY = params().ingestion.look_every_seconds


def _next_attempt(context: dg.SensorEvaluationContext, job: str, cause: str) -> tuple[str | None, str]:
    """Run key of the next attempt at a cause, or None with the reason to wait.

    One cause is one run, whoever looks and however often. A run that failed is tried again after 1, 4 and 16 minutes, since
    servers come back; after that a person is needed, or new input, which is a new cause.
    """
    wanted = dg.RunsFilter(job_name=job, tags={CAUSE: cause}, statuses=[dg.DagsterRunStatus.FAILURE])
    failed = context.instance.get_run_records(wanted, limit=MAX_ATTEMPTS)
    if len(failed) >= MAX_ATTEMPTS:
        return None, f"failed {MAX_ATTEMPTS} times for the same cause; see run {failed[0].dagster_run.run_id}"
    if failed:
        wait = 60.0 * 4 ** (len(failed) - 1)
        # an edge: the pace of retries, nothing of a result
        since = time.time() - (failed[0].end_time or 0.0)
        if since < wait:
            return None, f"failed {len(failed)} times; the next try is due in {wait - since:.0f} s"
    return f"{cause}:{len(failed)}", ""


def _work(context: dg.SensorEvaluationContext, platform: Platform) -> StageContext:
    return platform.context("sensor", context.log.info)


def _unfinished(context: dg.SensorEvaluationContext, *jobs: str) -> int:
    wanted = [dg.RunsFilter(job_name=job, statuses=list(NOT_FINISHED_STATUSES)) for job in jobs]
    return sum(context.instance.get_runs_count(filters) for filters in wanted)


@dg.sensor(job=season_job, minimum_interval_seconds=LOOK_EVERY, default_status=dg.DefaultSensorStatus.RUNNING)
def new_match_days(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
    """Asks the live seasons' feeds, as a guest would, and runs exactly the seasons that say something new."""
    if _unfinished(context, season_job.name, bulk_job.name):
        return dg.SkipReason("a season is being read; one visitor at a time")
    work = _work(context, platform)
    if not known_partitions(work):
        return dg.SkipReason("nothing was scraped yet; run `match-assets backfill` once")
    news = runs.find_news(work.settings, work.engine, work.params)
    if not news:
        return dg.SkipReason("the source says nothing new")
    revisions = season_revision(work.engine)
    held = set(context.instance.get_dynamic_partitions(str(TOURNAMENTS.name)))
    added = sorted(set(tournament_keys(work.engine)) - held)
    requests = []
    for item in news:
        cause = f"news:{item.partition_key}:{digest_of({'news': item.reason, 'at': revisions.get(item.partition_key)})}"
        run_key, wait = _next_attempt(context, season_job.name, cause)
        if run_key is None:
            context.log.warning(f"{item.partition_key}: {wait}")
            continue
        tags = {"reason": item.reason, CAUSE: cause}
        requests.append(dg.RunRequest(run_key=run_key, partition_key=item.partition_key, tags=tags))
    return dg.SensorResult(
        run_requests=requests, dynamic_partitions_requests=[TOURNAMENTS.build_add_request(added)] if added else []
    )


@dg.sensor(job=bulk_job, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def missing_or_late(context: dg.SensorEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """Backfills of what is missing or late: stale stages, overdue results, and matches whose page is to be read now.

    Stale is what its accepted version's inputs or code say, so nothing is overlooked, whatever happened in between. What
    follows a run outside the bulk job is left to the conditions first.
    """
    if _unfinished(context, season_job.name, bulk_job.name, ASSET_RUNS):
        return dg.SkipReason("a season is being worked on; looking again afterwards")
    work = _work(context, platform)
    if not known_partitions(work):
        return dg.SkipReason("nothing was scraped yet; run `match-assets backfill` once")
    stale, left = _stale(context, work)
    waiting = []
    # what has to be asked for comes first, and alone: a stale stage needs no visit to the source
    for kind, found in (("late", _late(work) + _due(work)), ("stale", stale)):
        if found:
            answer = _bulk_request(context, work, kind, found)
            if isinstance(answer, dg.RunRequest):
                return answer
            waiting.append(answer)
    if left:
        waiting.append(f"left to the conditions: {', '.join(left)}")
    return dg.SkipReason("; ".join(waiting) or "nothing is missing or late")


def _stale(context: dg.SensorEvaluationContext, work: StageContext) -> tuple[list[tuple[str, str]], list[str]]:
    """Stale partitions with their causes, and causes that are left to the conditions for now.

    The cursor holds when each of the latter was first seen: what is still there after a while is taken after all, since a
    condition may have been off, or have seen nothing but the end.
    """
    now = time.time()  # an edge: patience with another sensor, nothing of a result
    seen: dict[str, float] = json.loads(context.cursor or "{}")
    stale, left = [], {}
    for item in stale_data(work):
        cause = f"{item.stage}@{item.partition}: {item.reason}"
        since = seen.get(cause, now)
        if now - since < LEFT_TO_CONDITIONS_SECONDS and _follows_another_run(context, work, item):
            left[cause] = since
        else:
            stale.append((item.partition, cause))
    context.update_cursor(json.dumps({**left, **{cause: seen[cause] for _, cause in stale if cause in seen}}))
    return stale, sorted(left)


def _follows_another_run(context: dg.SensorEvaluationContext, work: StageContext, item: Stale) -> bool:
    """Whether an input was changed by a run that conditions look at: any that Dagster knows but those of the bulk job."""
    stage = stage_named(item.stage)
    made = work.store.pointer(item.stage, item.partition) or work.store.candidate(item.stage, item.partition)
    if stage.name not in FOLLOWERS or made is None or made.code_version != stage.code_version(work.params):
        return False
    for name, digest in stage.inputs(work, item.partition).items():
        if made.inputs.get(name) != digest:
            moved = work.store.pointer(*name.split("@"))
            run = context.instance.get_run_by_id(moved.run_id) if moved else None
            if run and CARRIES_SEASONS not in run.tags:
                return True
    return False


def _bulk_request(
    context: dg.SensorEvaluationContext, work: StageContext, kind: str, found: list[tuple[str, str]]
) -> dg.RunRequest | str:
    """The bulk run for these partitions and their causes, or why it has to wait."""
    partitions = ordered([partition for partition, _ in found])
    causes = sorted(cause for _, cause in found)
    revisions = season_revision(work.engine)
    cause = f"backfill:{digest_of({'causes': causes, 'state': {key: revisions.get(key) for key in partitions}})}"
    run_key, wait = _next_attempt(context, bulk_job.name, cause)
    if run_key is None:
        return f"{', '.join(partitions)}: {wait}"
    return dg.RunRequest(
        run_key=run_key,
        run_config=bulk_config(partitions, scrape=kind == "late"),
        tags={"backfill": kind, "reason": "; ".join(causes)[:500], CAUSE: cause},
    )


def _late(work: StageContext) -> list[tuple[str, str]]:
    """Partitions with a result overdue by the source's own clock, one entry a match."""
    late = late_matches(work.engine, late_after_hours=work.params.ingestion.late_after_hours)
    return [(match.partition_key, f"match {match.match_id} is late") for match in late]


def _due(work: StageContext) -> list[tuple[str, str]]:
    """Partitions with a month or a page that the frontier wants read now, one entry a partition and reason.

    What is only to be looked at once more for corrections can wait for the daily visit: such moments come all day long,
    match by match, and a visit for each would ask for the season's page and open months every time.
    """
    # an edge: due_partitions carries the source's clock on by ours, which decides when to look and nothing else
    due = planning.due_partitions(work.engine, dt.datetime.now(dt.UTC))  # noqa: TID251
    known = set(known_partitions(work))
    return [
        (key, f"{key}: {n} × {what}")
        for key, kinds in due.items()
        for what, n in sorted(kinds.items())
        if key in known and not what.endswith(REVISIT)
    ]


@dg.sensor(job=model_job, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def cutoff_reached(context: dg.SensorEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """A model for the newest cut-off that the data reach, once; again only when what lies before it changed."""
    if _unfinished(context, season_job.name, bulk_job.name, model_job.name, ASSET_RUNS):
        return dg.SkipReason("data or a model are being worked on; looking again afterwards")
    work = _work(context, platform)
    cutoff = reached_cutoff(work)
    if cutoff is None:
        return dg.SkipReason("the data reach no cut-off yet")
    stale = stale_cutoff(work.recalled(), cutoff)
    if not stale:
        return dg.SkipReason(f"the model of cut-off {cutoff} is current")
    causes = {item.stage: item.reason for item in stale}
    inputs = {name: digest for item in stale[:1] for name, digest in _inputs_of(work, item.stage, cutoff).items()}
    cause = f"cutoff:{cutoff}:{digest_of({'causes': causes, 'inputs': inputs})}"
    run_key, wait = _next_attempt(context, model_job.name, cause)
    if run_key is None:
        return dg.SkipReason(f"cut-off {cutoff}: {wait}")
    reason = "; ".join(f"{stage}: {why}" for stage, why in causes.items())
    return dg.RunRequest(run_key=run_key, partition_key=cutoff, tags={"reason": reason[:500], CAUSE: cause})


def _inputs_of(work: StageContext, stage: str, cutoff: str) -> dict[str, str]:
    return stage_named(stage).inputs(work, cutoff)


def bulk_config(partitions: list[str], *, scrape: bool, every_month: bool = False) -> dict[str, Any]:
    """Run configuration of the bulk job for these partitions."""
    config = {"partitions": partitions, "scrape": scrape, "every_month": every_month}
    return {"ops": {"carry_seasons": {"config": config}}}
