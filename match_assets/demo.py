"""``match-assets demo``: from nothing to served probabilities on this machine; run again, only what changed.

Everything is done by the parts themselves: the supervisor starts the servers, Dagster runs the jobs, the service answers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from match_assets.automation.sensors import bulk_config
from match_assets.config import Settings
from match_assets.errors import DataError, DependencyUnavailableError
from match_assets.orchestrator import Orchestrator, failure_of
from match_assets.resources.platform import Platform
from match_assets.source import runs
from match_assets.stages.base import StageContext
from match_assets.stages.chain import known_partitions, ordered, reached_cutoff, stale_cutoff, stale_data
from match_assets.stages.model_frames import holdout_score, stored_model
from match_assets.warehouse.reading import late_matches

FIXTURES_SHOWN = 10
SERVICE_PATIENCE_SECONDS = 60.0
# the sensor `cutoff_reached` looks every 15 s, after which its run has to be queued
SENSOR_PATIENCE_SECONDS = 45.0


@dataclass
class Timings:
    """What took how long, in the order in which it was done."""

    console: Console
    rows: list[tuple[str, float, str]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Times a step; what is appended to the list is its note."""
        self.console.print(f"[bold]{name}[/]", highlight=False)
        begun, note = time.monotonic(), list[str]()
        yield note
        self.rows.append((name, time.monotonic() - begun, "; ".join(note)))

    def table(self) -> Table:
        """All steps with their seconds."""
        table = Table("step", "seconds", "what was done", title="What took how long")
        for name, seconds, note in self.rows:
            table.add_row(name, f"{seconds:.1f}", note)
        table.add_row("[bold]all[/]", f"[bold]{sum(row[1] for row in self.rows):.1f}[/]", "")
        return table


def run_demo(console: Console, start: Callable[[], None]) -> None:
    """Starts the servers, brings data and model up to date through Dagster, then shows what is served.

    Args:
        console: where to print.
        start: starts the stack and waits for it; addresses are known once it returns.

    Raises:
        DataError: a run failed; the message names it and its page.
        DependencyUnavailableError: a server does not answer.
    """
    timings = Timings(console)
    with timings.step("starting the servers"):
        start()
    platform = Platform()
    with timings.step("looking for what is new, missing or late") as note:
        _let_finish(console, platform.settings, ("bulk", "season"))
        work = platform.context("demo", lambda _line: None)
        partitions, scrape = _wanted(work)
        note.append(_said(partitions, scrape))
    if partitions is not None:
        with timings.step("pages → PostgreSQL → S3 → gates → features") as note:
            config = bulk_config(partitions, scrape=scrape)
            note.append(follow_job(console, platform.settings, "bulk", None, config, "demo"))
    cutoff = reached_cutoff(work)
    if cutoff is None:
        raise DataError("no result was accepted, so there is nothing to model; see the failed gates in the webserver")
    with timings.step(f"split → baselines → ablation → tuning → model → registry, cut-off {cutoff}") as note:
        note.append(_model(console, work, platform.settings, cutoff))
    with timings.step("waiting for the service to load champion and features"):
        model = _wait_for_service(work, platform.settings)
    _show(console, work, platform.settings, cutoff, model)
    console.print(timings.table())
    _show_addresses(console, platform.settings)


def _wanted(work: StageContext) -> tuple[list[str] | None, bool]:
    """Partitions for the bulk job (all for an empty list, none for None), and whether to ask the source for them."""
    if not known_partitions(work):
        return [], True
    news = runs.find_news(work.settings, work.engine, work.params)
    late = late_matches(work.engine, late_after_hours=work.params.ingestion.late_after_hours)
    asked = [item.partition_key for item in news] + [match.partition_key for match in late]
    partitions = ordered([*asked, *(item.partition for item in stale_data(work))])
    return (partitions or None), bool(asked)


def _let_finish(console: Console, settings: Settings, jobs: tuple[str, ...]) -> None:
    """Waits for runs that a sensor has started: what they leave is what there is to do."""
    orchestrator = Orchestrator(settings.dagster_url)
    for job in jobs:
        while run_id := orchestrator.unfinished(job):
            console.print(f"  waiting for {orchestrator.url}/runs/{run_id}", highlight=False)
            orchestrator.follow(run_id, lambda _event: None)


def _model(console: Console, work: StageContext, settings: Settings, cutoff: str) -> str:
    """Brings the cut-off's model up to date: the run is left to the daemon's sensor, which starts it as on any other day.

    Launching one beside it would be a second run of the same cause. Where the sensor starts none (someone stopped it, or it
    waits after failures), the person in front of the terminal has asked for one all the same.
    """
    orchestrator = Orchestrator(settings.dagster_url)
    # an edge: patience with a sensor
    give_up_at = time.monotonic() + SENSOR_PATIENCE_SECONDS
    while stale_cutoff(work, cutoff):
        if time.monotonic() > give_up_at or orchestrator.unfinished("model", cutoff):
            return follow_job(console, settings, "model", cutoff, {}, "demo")
        time.sleep(1.0)
    return "current, nothing to do"


def _said(partitions: list[str] | None, scrape: bool) -> str:
    if partitions is None:
        return "nothing: the source says what the warehouse holds"
    if not partitions:
        return "first fill: everything that the source lists"
    return f"{', '.join(partitions)} ({'new at the source' if scrape else 'stale'})"


def follow_job(
    console: Console,
    settings: Settings,
    job: str,
    partition: str | None,
    config: dict[str, Any],
    reason: str,
) -> str:
    """Runs a job in Dagster, or joins a run of the same partition that a sensor started, and shows its progress."""
    orchestrator = Orchestrator(settings.dagster_url)
    started = orchestrator.unfinished(job, partition) if partition else None
    run_id = started or orchestrator.launch(job, run_config=config, partition=partition, reason=reason)
    console.print(f"  run {orchestrator.url}/runs/{run_id}", highlight=False)
    counts = {"materialised": 0, "judged": 0}
    failure: list[str] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("waiting for a worker", total=None)
        last_line = time.monotonic()

        def on_event(event: dict[str, Any]) -> None:
            nonlocal last_line
            kind, message = event["__typename"], event.get("message") or ""
            counts["materialised"] += kind == "MaterializationEvent"
            counts["judged"] += kind == "AssetCheckEvaluationEvent"
            if kind == "ExecutionStepFailureEvent":
                failure.append(failure_of(event))
            if kind == "LogMessageEvent" and event.get("level") == "WARNING":
                console.print(f"  {message}", highlight=False, soft_wrap=True)
            if kind == "LogMessageEvent" or (kind == "ExecutionStepStartEvent" and event.get("stepKey")):
                text = message.splitlines()[0][:90] if message else ""
                description = f"{text} · {counts['materialised']} materialised, {counts['judged']} judged"
                progress.update(task, description=description)
                if not console.is_terminal and time.monotonic() - last_line > 5.0:
                    last_line = time.monotonic()
                    console.print(f"  {description}", highlight=False)

        status = orchestrator.follow(run_id, on_event)
    if status != "SUCCESS":
        raise DataError(
            f"job {job} ended as {status}, see {orchestrator.url}/runs/{run_id}\n{' '.join(failure)[:2000]}",
            run_id=run_id,
        )
    return f"{counts['materialised']} materialised, {counts['judged']} judged"


def _wait_for_service(work: StageContext, settings: Settings) -> dict[str, Any]:
    """Until the service answers with the champion of the registry and the features of the store."""
    champion = work.registry.champion()
    wanted = champion.version if champion else None
    give_up_at = time.monotonic() + SERVICE_PATIENCE_SECONDS
    said = "no answer"
    while time.monotonic() < give_up_at:
        try:
            ready = httpx.get(f"{settings.service_url}/health/ready", timeout=5.0)
            model: dict[str, Any] = httpx.get(f"{settings.service_url}/model", timeout=5.0).json()
            said = f"ready {ready.status_code}, model {model.get('model_version')}"
            if ready.status_code == 200 and str(model.get("model_version")) == wanted:
                return model
        except (httpx.HTTPError, ValueError) as error:
            said = type(error).__name__
        time.sleep(0.5)
    raise DependencyUnavailableError(
        f"the service at {settings.service_url} does not serve champion {wanted} ({said}); see its log under .match-assets/logs"
    )


def _show(console: Console, work: StageContext, settings: Settings, cutoff: str, model: dict[str, Any]) -> None:
    answer = httpx.get(f"{settings.service_url}/fixtures", params={"limit": FIXTURES_SHOWN}, timeout=30.0)
    answer.raise_for_status()
    table = Table("kick-off (UTC)", "tournament", "home", "away", "1", "X", "2", title="The next fixtures")
    for item in answer.json()["fixtures"][:FIXTURES_SHOWN]:
        shares = [f"{item['probabilities'][name]:.1%}" for name in ("home", "draw", "away")]
        table.add_row(
            item["kick_off_utc"][:16].replace("T", " "),
            item["tournament"],
            item["home_team"]["name"],
            item["away_team"]["name"],
            *shares,
        )
    console.print(table)
    scores = Table("forecast", "RPS", "log loss", "ECE", "matches", title=f"Hold-out before {cutoff} (lower is better)")
    for row in holdout_scores(work, cutoff).iter_rows(named=True):
        style = "bold" if row["forecast"] == "model" else ""
        numbers = (f"{row['rps']:.4f}", f"{row['log_loss']:.4f}", f"{row['ece']:.4f}", f"{row['n']:.0f}")
        scores.add_row(row["forecast"], *numbers, style=style)
    console.print(scores)
    console.print(f"Champion: version {model['model_version']}, features {model['feature_version']}", highlight=False)


def holdout_scores(work: StageContext, cutoff: str) -> pl.DataFrame:
    """The model beside the baselines on the hold-out: ``forecast``, ``rps``, ``log_loss``, ``ece``, ``n``; best first."""
    columns = ["rps", "log_loss", "ece", "n"]
    baselines = work.store.read("baseline_models", cutoff).filter(pl.col("part") == "holdout")
    scores = holdout_score(
        stored_model(work.store.read("calibrated_model", cutoff)),
        work.store.read("temporal_split", cutoff),
        work.params,
    )
    own = pl.DataFrame([{"forecast": "model", **{name: float(scores[name]) for name in columns}}])
    others = baselines.select(
        pl.col("baseline").alias("forecast"), *(pl.col(name).cast(pl.Float64) for name in columns)
    )
    return pl.concat([own, others]).sort("rps", "forecast")


def _show_addresses(console: Console, settings: Settings) -> None:
    fixture = httpx.get(f"{settings.service_url}/fixtures", params={"limit": 1}, timeout=30.0).json()["fixtures"]
    console.print(f"Asset graph    {settings.dagster_url}/asset-groups", highlight=False)
    console.print(f"Fixtures page  {settings.service_url}/", highlight=False)
    console.print("MLflow         .venv/bin/match-assets mlflow-ui  (then http://127.0.0.1:5000)", highlight=False)
    if fixture:
        console.print("Try:", highlight=False)
        console.print(
            f"  curl {settings.service_url}/predict/{fixture[0]['match_id']}", highlight=False, soft_wrap=True
        )
