"""The bulk job over many seasons: killed and continued, with nothing to do, with one bad season among many.

The tests build on each other's state in the order written.
"""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from sqlalchemy import event
from sqlalchemy.engine import URL, create_engine, make_url
from sqlalchemy.pool import Pool

from match_assets.config import load_params
from match_assets.connections import hold_connections
from match_assets.killpoint import VARIABLE
from match_assets.local.stack import ServerStack
from match_assets.source.files.importing import import_folder
from match_assets.source.files.teams import shipped_aliases
from match_assets.stages import carrying
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
# a run's process, killed when the first of its two processes has told what it made and waits
KILLED_PARENT = """
import os, signal
from match_assets.resources.platform import Platform
from match_assets.stages import carrying
from match_assets.stages.chain import known_partitions

processes, start = [], carrying._Carrier.start
def started():
    carrier = start()
    processes.append(carrier.process.pid)
    return carrier
carrying._Carrier.start = started
work = Platform().context("killed", print)
steps = carrying.carried(work, known_partitions(work), 2)  # kept: a generator that is let go stops them itself
while not isinstance(next(steps), carrying.Made):
    pass
print(*processes, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
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


def versions(result: Any) -> dict[tuple[str, str], str]:
    """Data version by asset and partition of every materialisation of a run."""
    return {
        (event.asset_key.path[-1], event.partition): event.step_materialization_data.materialization.tags[
            "dagster/data_version"
        ]
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
    }


def statuses(rig: Rig) -> dict[tuple[str, str], StaleStatus]:
    """What the webserver shows beside each partition."""
    graph = rig.defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(rig.instance, graph, LoadingContextForTest(rig.instance))
    return {(stage, season): resolver.get_status(dg.AssetKey(stage), season) for stage, season in EVERYTHING}


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


def test_the_webserver_calls_in_sync_what_is_and_unsynced_what_a_corrected_result_reaches(
    many: Rig, killed: set[tuple[str, str]]
) -> None:
    assert statuses(many) == dict.fromkeys(EVERYTHING, StaleStatus.FRESH)
    first, *later = [season for season in SEASONS if season.endswith("ENG-PremierLeague")]
    score = (
        "UPDATE matches SET home_goals = home_goals + :more, content_hash = 'corrected ' || home_goals WHERE match_id = "
        "(SELECT min(match_id) FROM matches WHERE season || '|' || tournament = :season)"
    )
    many.execute(score, more=1, season=first)
    assert many.bulk([first]).success
    reached = {(stage, season) for stage in ("team_match_features", "team_state") for season in later}
    assert {key for key, status in statuses(many).items() if status is StaleStatus.STALE} == reached
    # a state's own readers are told once it is made anew
    assert materialised(many.bulk()) == reached | {("match_features", season) for season in later}
    assert statuses(many) == dict.fromkeys(EVERYTHING, StaleStatus.FRESH)
    many.execute(score, more=-1, season=first)
    assert many.bulk().success


def test_a_run_with_nothing_to_do_writes_nothing_and_tells_nothing(many: Rig, killed: set[tuple[str, str]]) -> None:
    # DAG-08: no step downstream, no object, no pointer; models are not made by this job
    before = everything_in_the_bucket(many.context())
    for _ in range(2):
        result = many.bulk()
        assert result.success
        assert materialised(result) == set()
        assert verdicts(result) == {}
    assert everything_in_the_bucket(many.context()) == before


def change(many: Rig, elapsed: str) -> set[tuple[str, str]]:
    """Changes two seasons of each league, and no result of them; what has to be made of it again."""
    many.execute(
        "UPDATE matches SET elapsed = :elapsed, content_hash = :elapsed || match_id WHERE season >= '2014'",
        elapsed=elapsed,
    )
    # whatever the elapsed time says, its results are the same bytes
    again = ("raw_matches", "raw_match_stats", "finished_matches", "upcoming_matches")
    return {(stage, season) for stage in again for season in SEASONS if season >= "2014"}


def test_leagues_carried_side_by_side_leave_what_one_process_leaves(
    many: Rig, killed: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = change(many, " FT")
    with monkeypatch.context() as patch:
        patch.setattr(carrying, "carried_here", _not_here)
        side_by_side = many.bulk(processes=2)
    assert side_by_side.success
    assert materialised(side_by_side) == expected
    assert verdicts(side_by_side) == dict.fromkeys(expected, True)
    assert accepted(many).items() >= versions(side_by_side).items()
    stored = many.instance.get_records_for_run(
        side_by_side.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    ).records
    of_record = {record.storage_id: record.asset_materialization for record in stored}
    for told in side_by_side.all_events:
        if told.event_type_value == "ASSET_CHECK_EVALUATION":
            judged = told.event_specific_data
            target = of_record[judged.target_materialization_data.storage_id]
            assert target
            assert (target.asset_key, target.partition) == (judged.asset_key, judged.partition)
    change(many, "FT")
    many.bulk()
    change(many, " FT")
    alone = many.bulk()
    assert versions(alone) == versions(side_by_side)


def test_a_killed_process_stops_its_season_alone_and_is_replaced(
    many: Rig, killed: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = change(many, "FT  ")
    start = carrying._Carrier.start
    started = []

    def first_is_killed() -> carrying._Carrier:
        with monkeypatch.context() as patch:
            if not started:
                patch.setenv(VARIABLE, "8")
            started.append(start())
        return started[-1]

    monkeypatch.setattr(carrying._Carrier, "start", first_is_killed)
    result = many.bulk(processes=2)
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    [(season, reason)] = failure.event_specific_data.user_failure_data.metadata["failed"].value.items()
    assert "ended with -9" in reason
    assert len(started) == 3
    assert {key for key in expected if key[1] != season} <= materialised(result)
    rest = many.bulk()
    assert rest.success
    assert materialised(result) | materialised(rest) == expected
    assert {key[1] for key in materialised(rest)} == {season}


def test_processes_end_with_a_parent_that_is_killed(many: Rig, killed: set[tuple[str, str]]) -> None:
    expected = change(many, "FT")
    before = accepted(many)
    parent = subprocess.run(
        [sys.executable, "-c", KILLED_PARENT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert parent.returncode == -signal.SIGKILL, parent.stderr[-3000:]
    pids = [int(word) for word in parent.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "they live on"
        time.sleep(0.1)
    # neither came further than a candidate, of which nobody made a record
    assert accepted(many) == before
    rest = many.bulk()
    assert rest.success
    assert materialised(rest) == expected


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


def _not_here(*_: object) -> Iterator[carrying.Told]:
    raise AssertionError("carried by this process")


def _end_sessions(url: URL) -> None:
    """As a restart of PostgreSQL would."""
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ended = connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (url.database,)
        ).all()
    engine.dispose()
    assert ended
