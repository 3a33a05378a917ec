"""Scrapes asked for over HTTP: each row of ``scrape_requests`` becomes one run, and the row tells how that run goes."""

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from match_assets.automation.sensors import bulk_config
from match_assets.jobs import bulk_job
from match_assets.resources.platform import Platform
from match_assets.warehouse import requests
from match_assets.warehouse.requests import ScrapeRequest, State

REQUEST = "scrape_request"
WAITING = {dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING}
# a season's stages log some thirty events between two lines of progress
EVENTS_READ = 100


@dg.sensor(job=bulk_job, minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING)
def scrape_requested(context: dg.SensorEvaluationContext, platform: Platform) -> list[dg.RunRequest] | dg.SkipReason:
    """One run for each scrape that somebody asked for over HTTP, and the state of that run written beside the request.

    A row says ``running`` only once its run was seen to exist. Whatever dies between asking for a run and having it, the next
    tick asks again under the same run key, of which Dagster makes one run.
    """
    waiting = requests.open_requests(platform.engine)
    if not waiting:
        return dg.SkipReason("no scrape is asked for")
    wanted = []
    for request in waiting:
        run = _newest_run(context.instance, request)
        if run is None:
            wanted.append(_run_request(request))
            continue
        state, detail = _told(context.instance, run)
        if requests.follow(platform.engine, request.request_id, state=state, run_id=run.run_id, detail=detail):
            context.log.info(f"request {request.request_id} of {request.partition_key}: {state} {detail}")
    return wanted or dg.SkipReason(f"{len(waiting)} asked for, each has its run")


def _run_request(request: ScrapeRequest) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"scrape:{request.request_id}",
        # whoever asks for a season by name has a reason to think that it changed
        run_config=bulk_config([request.partition_key], scrape=True, every_month=True),
        tags={REQUEST: request.request_id, "reason": f"asked for over HTTP: {request.reason}".rstrip(": ")},
    )


def _newest_run(instance: dg.DagsterInstance, request: ScrapeRequest) -> dg.DagsterRun | None:
    """The run of a request; if its process died and it was tried again, the newest try, which bears the same tag."""
    runs = instance.get_runs(dg.RunsFilter(tags={REQUEST: request.request_id}), limit=1)
    return runs[0] if runs else None


def _told(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[State, str]:
    """State of a request as its run has it, with progress or reason."""
    if run.status in WAITING:
        return "running", "waits for its turn: one run at a time asks the source"
    if run.status is dg.DagsterRunStatus.SUCCESS:
        made = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        return "done", f"{len(made)} materialised" if made else "the source says nothing new"
    if run.status is dg.DagsterRunStatus.CANCELED:
        return "failed", "the run was cancelled"
    if run.status is dg.DagsterRunStatus.FAILURE:
        if run.tags.get(WILL_RETRY_TAG) == "true":
            return "running", "its process died; a second try follows"
        return "failed", _reason(instance, run.run_id)
    return "running", _progress(instance, run.run_id)


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """Our own description of the failure where a step gave one, else the innermost error's message."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        failure = entry.get_dagster_event().step_failure_data
        if failure.user_failure_data and failure.user_failure_data.description:
            return str(failure.user_failure_data.description)
        if failure.error:
            return str((failure.error.cause or failure.error).message).strip()
    ended = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    return str(ended[-1].get_dagster_event().message) if ended else "the run failed without a word"


def _progress(instance: dg.DagsterInstance, run_id: str) -> str:
    newest = instance.get_records_for_run(run_id, limit=EVENTS_READ, ascending=False).records
    lines = (record.event_log_entry.user_message for record in newest if not record.event_log_entry.is_dagster_event)
    return next(lines, "under way")
