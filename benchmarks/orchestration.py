"""The data stages of many drawn seasons: as plain calls, and in Dagster's bulk job over the same warehouse.

The warehouse is filled from the practice site's pages in this process, without a browser. Plain calls materialise and
judge every stage of every season, nothing else. The bulk job runs in this process too, on an instance in PostgreSQL: it
also asks what is stale and records every materialisation and verdict. Each run begins with an empty bucket. At last the
bulk job runs where nothing is left to do.

    .venv/bin/python benchmarks/orchestration.py --seasons 3
"""

import argparse
import asyncio
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import dagster as dg
from measuring import report, require
from sqlalchemy import Engine

from match_assets.config import Settings, load_params, load_settings
from match_assets.local.stack import ServerStack
from match_assets.resources.platform import Platform
from match_assets.source import ingestion
from match_assets.source.practice.routes import Router
from match_assets.source.practice.timeline import Moment
from match_assets.source.practice.world import START_CLOCK, draw_world
from match_assets.stages.base import judge_candidate, materialise
from match_assets.stages.chain import DATA_STAGES, known_partitions
from match_assets.store import Store
from match_assets.store.objects import s3_client
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate

Record = TypeVar("Record")
SITE = "http://practice.invalid"
BUCKET_VARIABLE = "MATCH_ASSETS_S3_BUCKET"
DAGSTER_YAML = "storage: {postgres: {postgres_url: {env: DAGSTER_PG_URL}}}\ntelemetry: {enabled: false}\n"
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


class PracticePages:
    """Stands where the source client does and answers out of a drawn world, in this process."""

    pages_at_once = 1

    def __init__(self, seasons: int) -> None:
        """The ``seasons`` newest seasons of both divisions, the last of them half played."""
        world = draw_world(first_season=START_CLOCK.year - seasons, seasons=seasons, start_clock=START_CLOCK)
        self._router, self._moment = Router(world), Moment(START_CLOCK)
        self.n_requests = 0

    async def page(self, path: str, parse: Callable[[str, str], Record]) -> Record:
        """The page at ``path`` read by ``parse``, as the source client gives it."""
        self.n_requests += 1
        where, _, query = path.partition("?")
        answer = self._router.answer(where, query.removeprefix("d="), self._moment)
        require(answer.status == 200, f"the practice site answers {answer.status} for {path}")
        return parse(answer.body.decode(), SITE + path)

    feed = page

    async def log_fetches(self) -> None:
        """Nothing was fetched."""


async def fill_warehouse(engine: Engine, seasons: int) -> None:
    """Catalogue, calendars and statistics, by the project's own ingestion."""
    client, params = PracticePages(seasons), load_params()
    catalogue = await ingestion.scrape_catalogue(
        client, engine, params.tournaments, first_season=params.ingestion.first_season
    )
    for tournament, listed in catalogue.seasons.items():
        for season in listed:
            await ingestion.scrape_matches(client, engine, tournament, season)
            await ingestion.scrape_match_stats(client, engine, tournament, season)


def new_bucket(name: str) -> Settings:
    """Settings of a bucket that has held an object: the very first one costs a fifth of a second."""
    os.environ[BUCKET_VARIABLE] = name
    settings = load_settings()
    client = s3_client(settings)
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="first", Body=b"")
    client.close()
    return settings


def plain_run() -> float:
    """Seconds of all stages of all seasons as plain calls, into the bucket that the environment names."""
    begun = time.perf_counter()
    platform = Platform()
    context = platform.context("plain", lambda _line: None)
    for partition in known_partitions(context):
        for stage in DATA_STAGES:
            materialise(stage, context, partition)
            _, verdict = judge_candidate(stage, context, partition)
            require(verdict.passed, f"{stage.name} {partition} was refused: {verdict.summary()}")
    seconds = time.perf_counter() - begun
    platform.engine.dispose()
    return seconds


def bulk_run(instance: dg.DagsterInstance) -> tuple[float, int]:
    """Seconds of the bulk job over the bucket that the environment names, and how often it materialised."""
    from match_assets.definitions import defs  # after the warnings about Dagster's beta parameters are off

    job = defs.resolve_job_def("bulk")
    config = {"ops": {"carry_seasons": {"config": {"partitions": [], "scrape": False}}}, **QUIET}
    begun = time.perf_counter()
    result = job.execute_in_process(instance=instance, run_config=config, raise_on_error=True)
    seconds = time.perf_counter() - begun
    return seconds, len(result.filter_events(lambda event: event.is_step_materialization))


def accepted(settings: Settings, partitions: list[str]) -> dict[tuple[str, str], tuple[str, int]]:
    """SHA-256 and rows of the accepted version of every stage and season."""
    store = Store.from_settings(settings)
    found = {
        (stage.name, partition): store.pointer(stage.name, partition)
        for stage in DATA_STAGES
        for partition in partitions
    }
    require(all(found.values()), "a stage without an accepted version")
    return {key: (pointer.sha256, pointer.rows) for key, pointer in found.items() if pointer}


@contextmanager
def platform_servers(folder: Path) -> Iterator[dg.DagsterInstance]:
    """The three servers, a Dagster instance on them, and the environment that leads to both."""
    with ServerStack(folder / "state") as stack:
        home = folder / "dagster"
        home.mkdir()
        (home / "dagster.yaml").write_text(DAGSTER_YAML)
        os.environ.update(stack.settings_environment())
        os.environ["DAGSTER_HOME"] = str(home)
        with dg.DagsterInstance.get() as instance:
            instance.get_runs_count()  # makes its tables
            yield instance


def measure(instance: dg.DagsterInstance, partitions: list[str], rounds: int) -> tuple[float, float, float]:
    """Quickest seconds of plain calls, of the bulk job, and of the bulk job with nothing to do."""
    plain, bulk, noop = [], [], []
    expected = len(partitions) * len(DATA_STAGES)
    for number in range(rounds + 1):
        plain_settings = new_bucket(f"plain-{number}")
        plain.append(plain_run())
        bulk_settings = new_bucket(f"bulk-{number}")
        seconds, n_made = bulk_run(instance)
        bulk.append(seconds)
        require(n_made == expected, f"the bulk job made {n_made} partitions, not {expected}")
        made = accepted(plain_settings, partitions)
        require(made == accepted(bulk_settings, partitions), "accepted bytes of plain calls and of the bulk job")
        empty = [key for key, (_, rows) in made.items() if key[0] == "finished_matches" and not rows]
        require(not empty, f"nothing was played in {empty}")
        seconds, n_made = bulk_run(instance)
        noop.append(seconds)
        require(n_made == 0, f"the bulk job made {n_made} partitions where nothing was stale")
    # the first round compiles kernels, opens schemas and fills caches: it is compared, and not timed
    return min(plain[1:]), min(bulk[1:]), min(noop[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seasons", type=int, default=3, help="of each of two tournaments, from 1 to 20")
    parser.add_argument("--rounds", type=int, default=2, help="timed rounds, of which the quickest counts")
    arguments = parser.parse_args()
    for category in (dg.BetaWarning, dg.PreviewWarning):
        warnings.simplefilter("ignore", category)
    with (
        tempfile.TemporaryDirectory(prefix="match-assets-bench-", ignore_cleanup_errors=True) as folder,
        platform_servers(Path(folder)) as instance,
    ):
        settings = load_settings()
        migrate(settings.postgres_url)
        engine = open_engine(settings.postgres_url)
        begun = time.perf_counter()
        asyncio.run(fill_warehouse(engine, arguments.seasons))
        print(f"warehouse filled without a browser in {time.perf_counter() - begun:.1f} s")
        platform = Platform()
        partitions = known_partitions(platform.context("bench", lambda _line: None))
        for opened in (engine, platform.engine):
            opened.dispose()
        plain, bulk, noop = measure(instance, partitions, arguments.rounds)
    runs = len(partitions) * len(DATA_STAGES)
    print(f"{len(partitions)} seasons × {len(DATA_STAGES)} stages: the same bytes accepted by plain calls and bulk job")
    print(f"plain calls {plain:.2f} s, bulk job {bulk:.2f} s, bulk job with nothing to do {noop:.2f} s")
    report(
        {
            "partitions": len(partitions),
            "plain_seconds": plain,
            "bulk_seconds": bulk,
            "bulk_vs_plain": plain / bulk,
            "noop_seconds": noop,
            "stage_runs_per_second": runs / bulk,
        }
    )


if __name__ == "__main__":
    main()
