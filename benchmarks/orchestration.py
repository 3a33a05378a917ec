"""The first fill of 165 seasons, raw to features: as plain calls, in Dagster's bulk job, and once more with nothing to do.

Five tournaments of 33 seasons are drawn, written as football-data files and imported; the newest season of each is half
played. Plain calls materialise and judge every stage of every season in the order of the flow, nothing else. The bulk job
is this process's too, on an instance in PostgreSQL: it also asks what is stale, records every materialisation and
verdict, and carries tournaments side by side, one process more than there are cores. Each begins with an empty bucket,
and both must leave the same bytes. Filling the warehouse is not timed.

    .venv/bin/python benchmarks/orchestration.py
"""

import argparse
import csv
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import dagster as dg
from file_import import COLUMNS, drawn_season
from measuring import report, require
from sqlalchemy import Engine, text

from match_assets.config import Settings, load_params, load_settings
from match_assets.local.stack import ServerStack
from match_assets.resources.platform import Platform, shared_store
from match_assets.source.files.importing import import_folder
from match_assets.source.files.teams import shipped_aliases
from match_assets.stages.base import judge_candidate, materialise
from match_assets.stages.chain import DATA_STAGES, known_partitions
from match_assets.store import Store
from match_assets.store.objects import s3_client
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate

NEWEST_SEASON, SEASONS = 2025, 33
TEAMS = 20
SEED = 11
BUCKET_VARIABLE = "MATCH_ASSETS_S3_BUCKET"
DAGSTER_YAML = "storage: {postgres: {postgres_url: {env: DAGSTER_PG_URL}}}\ntelemetry: {enabled: false}\n"
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
# a file tells of played matches only: the second half of the newest season becomes what a calendar would list
NOT_YET_PLAYED = """
CREATE TEMPORARY TABLE later ON COMMIT DROP AS SELECT match_id FROM (
    SELECT match_id, row_number() OVER (PARTITION BY tournament ORDER BY kick_off_utc, match_id) AS place,
           count(*) OVER (PARTITION BY tournament) AS places
    FROM matches WHERE season = :season
) AS numbered WHERE place * 2 > places;
DELETE FROM match_stats WHERE match_id IN (SELECT match_id FROM later);
DELETE FROM match_pages WHERE match_id IN (SELECT match_id FROM later);
UPDATE matches SET status = 1, elapsed = '', home_score = NULL, away_score = NULL, home_goals = NULL, away_goals = NULL,
    content_hash = 'to come ' || match_id WHERE match_id IN (SELECT match_id FROM later)
"""


def fill_warehouse(engine: Engine, folder: Path, n_tournaments: int, n_seasons: int) -> None:
    """Drawn seasons of the first tournaments that files have a code for, by the project's own import."""
    random = Random(SEED)
    coded = [league for league in load_params().tournaments.values() if league.division]
    for division, region in [(league.division, league.region_id) for league in coded[:n_tournaments]]:
        clubs = sorted({alias.team_id: alias.name for alias in shipped_aliases() if alias.region_id == region}.values())
        for year in range(NEWEST_SEASON - n_seasons + 1, NEWEST_SEASON + 1):
            with (folder / f"{division}-{year}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(("Div", *COLUMNS))
                writer.writerows([division, *row] for row in drawn_season(random, year, random.sample(clubs, TEAMS)))
    told = import_folder(engine, load_params(), folder)
    require(told.n_stored == told.n_rows, f"{told.n_stored} of {told.n_rows} drawn matches were imported")
    with engine.begin() as connection:
        for statement in NOT_YET_PLAYED.split(";"):
            named = {"season": str(NEWEST_SEASON)} if ":season" in statement else {}
            connection.execute(text(statement), named)


def new_bucket(name: str) -> Settings:
    """Settings of a bucket that has held an object: the very first one costs a fifth of a second."""
    os.environ[BUCKET_VARIABLE] = name
    settings = load_settings()
    client = s3_client(settings)
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="first", Body=b"")
    client.close()
    return settings


def plain_run(partitions: list[str]) -> float:
    """Seconds of all stages of these seasons as plain calls, into the bucket that the environment names."""
    shared_store.cache_clear()
    begun = time.perf_counter()
    platform = Platform()
    context = platform.context("plain", lambda _line: None)
    for partition in partitions:
        for stage in DATA_STAGES:
            materialise(stage, context, partition)
            _, verdict = judge_candidate(stage, context, partition)
            require(verdict.passed, f"{stage.name} {partition} was refused: {verdict.summary()}")
    platform.close()
    return time.perf_counter() - begun


def bulk_run(instance: dg.DagsterInstance, partitions: list[str]) -> tuple[float, int, int]:
    """Seconds of the bulk job over the bucket that the environment names; materialisations and passed verdicts."""
    from match_assets.definitions import defs  # after the warnings about Dagster's beta parameters are off

    job = defs.resolve_job_def("bulk")
    config = {"ops": {"carry_seasons": {"config": {"partitions": partitions, "scrape": False}}}, **QUIET}
    shared_store.cache_clear()  # a run's process begins with nothing in memory
    begun = time.perf_counter()
    result = job.execute_in_process(instance=instance, run_config=config, raise_on_error=True)
    seconds = time.perf_counter() - begun
    n_made = len(result.filter_events(lambda event: event.is_step_materialization))
    n_passed = sum(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    return seconds, n_made, n_passed


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


def measure(instance: dg.DagsterInstance, partitions: list[str], name: str) -> tuple[float, float, float]:
    """Seconds of plain calls, of the bulk job, and of the bulk job with nothing to do."""
    expected = len(partitions) * len(DATA_STAGES)
    plain_settings = new_bucket(f"plain-{name}")
    plain = plain_run(partitions)
    bulk_settings = new_bucket(f"bulk-{name}")
    bulk, n_made, n_passed = bulk_run(instance, partitions)
    require(n_made == n_passed == expected, f"{n_made} materialisations and {n_passed} verdicts, not {expected}")
    made = accepted(plain_settings, partitions)
    require(made == accepted(bulk_settings, partitions), "accepted bytes of plain calls and of the bulk job")
    empty = [key for key, (_, rows) in made.items() if key[0] == "finished_matches" and not rows]
    require(not empty, f"nothing was played in {empty}")
    noop, n_made, n_passed = bulk_run(instance, partitions)
    require(n_made == n_passed == 0, f"{n_made} partitions were made again where nothing was stale")
    return plain, bulk, noop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tournaments", type=int, default=5, help="from 1 to 5")
    parser.add_argument("--seasons", type=int, default=SEASONS, help="of each tournament")
    arguments = parser.parse_args()
    for category in (dg.BetaWarning, dg.PreviewWarning):
        warnings.simplefilter("ignore", category)
    with (
        tempfile.TemporaryDirectory(prefix="match-assets-bench-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryDirectory(prefix="match-assets-files-") as files,
        platform_servers(Path(folder)) as instance,
    ):
        settings = load_settings()
        migrate(settings.postgres_url)
        engine = open_engine(settings.postgres_url)
        begun = time.perf_counter()
        fill_warehouse(engine, Path(files), arguments.tournaments, arguments.seasons)
        print(f"warehouse filled from drawn files in {time.perf_counter() - begun:.1f} s")
        engine.dispose()
        platform = Platform()
        partitions = known_partitions(platform.context("bench", lambda _line: None))
        platform.close()
        measure(instance, partitions[:2], "warm")  # compiles kernels and loads libraries, for both alike
        plain, bulk, noop = measure(instance, partitions, "timed")
    runs = len(partitions) * len(DATA_STAGES)
    print(f"{len(partitions)} seasons × {len(DATA_STAGES)} stages: the same bytes accepted by plain calls and bulk job")
    print(
        f"plain calls {plain:.1f} s, bulk job {bulk:.1f} s ({runs / bulk:.1f} stages a second), nothing to do {noop:.1f} s"
    )
    report(
        {
            "partitions": len(partitions),
            "assets": len(DATA_STAGES),
            "backfill_seconds": bulk,
            "noop_seconds": noop,
            "plain_seconds": plain,
            "backfill_vs_plain": bulk / plain,
        }
    )


if __name__ == "__main__":
    main()
