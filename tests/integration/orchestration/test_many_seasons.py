"""The bulk job over many seasons: killed and continued, with nothing to do, with one bad season among many.

The tests build on each other's state in the order written.
"""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import dagster as dg
import pytest
import yaml
from sqlalchemy import event
from sqlalchemy.engine import URL, create_engine, make_url
from sqlalchemy.pool import Pool

from match_assets.config import load_params
from match_assets.connections import hold_connections
from match_assets.killpoint import VARIABLE
from match_assets.local.stack import ServerStack
from match_assets.source.files.importing import import_folder
from match_assets.source.files.teams import shipped_aliases
from match_assets.stages.base import StageContext
from match_assets.stages.chain import DATA_STAGES
from tests.integration.orchestration.conftest import Rig, make_rig, materialised, verdicts

ROOT = Path(__file__).parents[3]
STAGES = [stage.name for stage in DATA_STAGES]
LEAGUES = {"ENG-PremierLeague": "E0", "ESP-LaLiga": "SP1"}
YEARS = range(2010, 2016)
SEASONS = [f"{year}|{league}" for league in LEAGUES for year in YEARS]
EVERYTHING = {(stage, season) for stage in STAGES for season in SEASONS}
BAD = "2012|ESP-LaLiga"
# a kill point in the middle of the job: each stage passes six
KILL_AT = 6 * len(STAGES) * len(SEASONS) // 2
COLUMNS = ("Div", "Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "HTHG", "HTAG", "HS", "AS", "HST", "AST", "HC", "AC")


def write_files(folder: Path) -> None:
    """A file for each season: four clubs, everyone against everyone at both grounds."""
    random = Random(5)
    for league, division in LEAGUES.items():
        region = load_params().tournaments[league].region_id
        named = {alias.team_id: alias.name for alias in shipped_aliases() if alias.region_id == region}
        clubs = sorted(named.values())[:4]
        pairings = [(home, away) for home in clubs for away in clubs if home != away]
        for year in YEARS:
            with (folder / f"{division}-{year}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                for number, (home, away) in enumerate(pairings):
                    goals = [random.randint(0, 3), random.randint(0, 2)]
                    shots = [random.randint(8, 16), random.randint(6, 14), 5, 4, 6, 5]
                    day = f"{1 + 2 * number:02}/09/{year}"
                    writer.writerow([division, day, home, away, *goals, goals[0] // 2, 0, *shots])


@pytest.fixture(scope="module")
def many(stack: ServerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Twelve seasons of files in the warehouse; nothing is materialised yet."""
    folder = tmp_path_factory.mktemp("many")
    files = tmp_path_factory.mktemp("files")
    write_files(files)
    with pytest.MonkeyPatch.context() as patch:
        rig = make_rig(stack, folder, patch)
        told = import_folder(rig.engine, load_params(), files)
        assert told.n_stored == told.n_rows == 12 * len(SEASONS)
        yield rig
        rig.close()


def accepted(rig: Rig) -> dict[tuple[str, str], str]:
    """Digest of every accepted version."""
    store = rig.context().store
    return {(asset, key): pointer.sha256 for asset in STAGES for key, pointer in store.pointers(asset).items()}


def everything_in_the_bucket(work: StageContext) -> list[object]:
    """Every object with its time of writing."""
    return list(work.store.bucket.entries(""))


@pytest.fixture(scope="module")
def killed(many: Rig, tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """What was accepted when the job's process was killed in the middle."""
    config = tmp_path_factory.mktemp("config") / "run.yaml"
    config.write_text(yaml.safe_dump({"ops": {"carry_seasons": {"config": {"partitions": [], "scrape": False}}}}))
    job = ["job", "execute", "-m", "match_assets.definitions", "-j", "bulk", "-c", str(config)]
    ended = subprocess.run(
        [sys.executable, "-m", "dagster", *job],
        cwd=ROOT,
        env={**os.environ, VARIABLE: str(KILL_AT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-3000:]
    return set(accepted(many))


def test_progress_is_in_the_run_s_log_while_it_goes_on(many: Rig, killed: set[tuple[str, str]]) -> None:
    [run] = many.instance.get_runs(filters=dg.RunsFilter(job_name="bulk"))
    told = [entry.user_message for entry in many.instance.all_logs(run.run_id)]
    reached = [line for line in told if line.endswith(f"of {len(SEASONS)}")]
    assert reached[:2] == [f"{SEASONS[0]}: 1 of {len(SEASONS)}", f"{SEASONS[1]}: 2 of {len(SEASONS)}"]
    assert 1 < len(reached) < len(SEASONS)
    assert killed


def test_a_killed_bulk_job_continues_where_it_was(many: Rig, killed: set[tuple[str, str]]) -> None:
    # DAG-01: a real kill of the job's process
    before = accepted(many)
    result = many.bulk()
    assert result.success
    assert materialised(result) == EVERYTHING - killed
    assert verdicts(result) == dict.fromkeys(EVERYTHING - killed, True)
    after = accepted(many)
    assert set(after) == EVERYTHING
    assert {key: after[key] for key in before} == before
    for stage in STAGES:
        assert many.instance.get_materialized_partitions(dg.AssetKey(stage)) == set(SEASONS)


def test_a_run_with_nothing_to_do_writes_nothing_and_tells_nothing(many: Rig, killed: set[tuple[str, str]]) -> None:
    # DAG-08: no step downstream, no object, no pointer; models are not made by this job
    before = everything_in_the_bucket(many.context())
    for _ in range(2):
        result = many.bulk()
        assert result.success
        assert materialised(result) == set()
        assert verdicts(result) == {}
    assert everything_in_the_bucket(many.context()) == before


def test_one_bad_season_among_many_fails_alone(many: Rig, killed: set[tuple[str, str]]) -> None:
    # DAG-05
    before = accepted(many)
    many.execute("UPDATE matches SET elapsed = 'FT ', content_hash = 'touched ' || match_id")
    many.execute(
        "UPDATE matches SET home_goals = 77, content_hash = 'broken' WHERE match_id = "
        "(SELECT min(match_id) FROM matches WHERE season || '|' || tournament = :bad)",
        bad=BAD,
    )
    result = many.bulk()
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    listed = failure.event_specific_data.user_failure_data.metadata["failed"].value
    assert set(listed) == {BAD}
    assert "home_goals: in_range(0, 30)" in listed[BAD]
    assert {season for asset, season in materialised(result) if asset == "finished_matches"} == set(SEASONS) - {BAD}
    after = accepted(many)
    assert {key: after[key] for key in before if key[1] == BAD} == {key: before[key] for key in before if key[1] == BAD}
    store = many.context().store
    for stage in STAGES:
        assert store.read(stage, BAD) is not None
    assert store.read("raw_matches", BAD)["home_goals"].max() < 77


def test_connections_to_dagsters_database_are_held(many: Rig, killed: set[tuple[str, str]]) -> None:
    opened = []

    def note(connection: object, _record: object) -> None:
        if "psycopg2" in type(connection).__module__:
            opened.append(connection)

    many.execute("UPDATE matches SET elapsed = 'FT', content_hash = 'once more ' || match_id WHERE season = '2010'")
    event.listen(Pool, "connect", note)
    try:
        made = materialised(many.bulk(["2010|ENG-PremierLeague", "2010|ESP-LaLiga"]))
    finally:
        event.remove(Pool, "connect", note)
    # each of their events used to open two or three
    assert len(made) == 2 * len({"raw_matches", "raw_match_stats", "finished_matches", "upcoming_matches"})
    assert len(opened) <= len(made)


def test_a_held_connection_that_broke_is_replaced_unseen(many: Rig) -> None:
    instance = many.instance
    hold_connections(instance)
    n_runs = instance.get_runs_count()
    instance.add_dynamic_partitions("some", ["one"])
    _end_sessions(make_url(os.environ["DAGSTER_PG_URL"]))
    assert instance.get_runs_count() == n_runs
    instance.add_dynamic_partitions("some", ["two"])
    assert set(instance.get_dynamic_partitions("some")) == {"one", "two"}


def _end_sessions(url: URL) -> None:
    """As a restart of PostgreSQL would."""
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ended = connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (url.database,)
        ).all()
    engine.dispose()
    assert ended
