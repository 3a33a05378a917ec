"""Each gate over a season told to a real warehouse and store: what it refuses, what it only shows, and what it never moves."""

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from match_assets.cli import main
from match_assets.config import Settings
from match_assets.errors import DependencyUnavailableError, GateBrokenError
from match_assets.events import check_result
from match_assets.features.pairs import PairReader
from match_assets.gates import schemas
from match_assets.gates.verdict import Rule, Verdict, judge
from match_assets.stages.base import Product, Stage, StageContext, judge_candidate, materialise, refusal
from match_assets.stages.feature_rows import MATCH_FEATURES, TEAM_MATCH_FEATURES, TEAM_STATE
from match_assets.stages.interim import FINISHED_MATCHES, UPCOMING_MATCHES
from match_assets.stages.raw import RAW_MATCH_STATS, RAW_MATCHES
from match_assets.store import Pointer
from tests.integration.warehouse.telling import PARTITION, Teller, listed

ROUNDS = [
    listed(5000 + number, f"2025-02-{1 + number:02}T15:00", 11 + 2 * number, 12 + 2 * number, (2, 1))
    for number in range(4)
]
FIXTURE = listed(5100, "2025-02-20T15:00", 11, 14)
ANY_TABLE = pa.DataFrameSchema({})
CHAIN = (
    RAW_MATCHES,
    RAW_MATCH_STATS,
    FINISHED_MATCHES,
    UPCOMING_MATCHES,
    TEAM_MATCH_FEATURES,
    TEAM_STATE,
    MATCH_FEATURES,
)


@pytest.fixture
def season(teller: Teller, context: StageContext) -> StageContext:
    """Four results, a fixture, and every stage accepted without anything to remark."""
    teller.visit(*ROUNDS, FIXTURE)
    for row in ROUNDS:
        teller.read_page(row.match_id, home=row.home_team_id, away=row.away_team_id)
    for stage in CHAIN:
        verdict = run(stage, context)
        assert (verdict.passed, [f.rule for f in verdict.failures]) == (True, []), stage.name
    return context


def run(stage: Stage, context: StageContext) -> Verdict:
    """The stage made and judged."""
    materialise(stage, context, PARTITION)
    return judge_candidate(stage, context, PARTITION)[1]


def tampered(stage: Stage, context: StageContext, change: Any) -> Verdict:
    """The stage's candidate with its rows changed on the way, judged; the accepted version must be what it was."""
    before = context.store.pointer(stage.name, PARTITION)

    def compute(work: StageContext, partition: str, inputs: Any) -> Product:
        return Product(change(stage.compute(work, partition, inputs).frame))

    bad = replace(stage, compute=compute)
    materialise(bad, context, PARTITION)
    verdict = judge_candidate(bad, context, PARTITION)[1]
    if not verdict.passed:
        assert context.store.pointer(stage.name, PARTITION) == before
        assert refusal(stage, context, PARTITION) == verdict.refused_by
    return verdict


def warned(verdict: Verdict) -> set[str]:
    assert verdict.passed
    return {failure.rule for failure in verdict.failures}


def first(column: str, value: object) -> Any:
    """A frame whose first row has another value."""
    return lambda frame: frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 0)
        .then(pl.lit(value, frame.schema[column]))
        .otherwise(pl.col(column))
        .alias(column)
    )


# -- validate_raw ----------------------------------------------------------------------------------------------------------


def test_impossible_matches_are_refused(season: StageContext) -> None:
    # FEA-06
    cases: list[tuple[Any, ...]] = [
        ("kick_off_utc", dt.datetime(2031, 2, 1, tzinfo=dt.UTC), schemas.KICK_OFF_IN_SEASON),
        ("home_goals", 0, "half-time goals within full-time goals"),
        ("home_goals", 31, "home_goals: in_range(0, 30)"),
        ("away_goals", None, "a score has two sides"),
        ("status", 1, schemas.RESULT_WHEN_FINISHED),
        ("status", 42, "status: isin((1, 2, 3, 4, 5, 6, 7, 8))"),
        ("season", "2023", "rows belong to their partition"),
        ("match_id", 0, "match_id: not_equal_to(0)"),
    ]
    for column, value, rule in cases:
        assert rule in tampered(RAW_MATCHES, season, first(column, value)).refused_by, rule


def test_impossible_statistics_are_refused(season: StageContext) -> None:
    cases: list[tuple[Any, ...]] = [
        ("team_id", 39, "statistics are of the match's own teams"),
        ("match_id", 777, "statistics belong to a known match"),
        ("match_id", 5100, "statistics of a finished match"),
        ("match_id", 777, "statistics of both sides"),
        ("shots", 151, "shots: in_range(0, 150)"),
        ("shots", -1, "shots: in_range(0, 150)"),
    ]
    for column, value, rule in cases:
        assert rule in tampered(RAW_MATCH_STATS, season, first(column, value)).refused_by, rule


def test_odd_statistics_are_shown_and_accepted(season: StageContext) -> None:
    # FEA-06: a few real rows are odd
    cases: list[tuple[Any, ...]] = [
        ("shots_on_target", 20, "shots on target within shots"),
        ("shots", 1, "goals within shots"),
        ("corners", None, "every count is there"),
    ]
    for column, value, rule in cases:
        assert rule in warned(tampered(RAW_MATCH_STATS, season, first(column, value))), rule


def test_a_match_missing_from_the_export_is_told_with_the_calendars_number(season: StageContext) -> None:
    verdict = tampered(RAW_MATCHES, season, lambda frame: frame.filter(pl.col("match_id") != 5100))
    assert warned(verdict) == {"as many matches as the calendar lists"}
    assert "the calendar lists 5 matches, 4 are here" in verdict.summary()


def test_an_empty_export_of_a_season_with_match_days_is_refused(teller: Teller, context: StageContext) -> None:
    # DAG-07
    teller.visit(*ROUNDS)
    with teller.engine.begin() as connection:
        connection.execute(text('UPDATE stages SET days = \'["2025-02-01", "2025-03-20"]\''))
    verdict = tampered(RAW_MATCHES, context, lambda frame: frame.head(0))
    assert "a season with match days has matches" in verdict.refused_by
    assert verdict.measures["rows"] == 0


def test_days_without_matches_and_late_results_are_shown(teller: Teller, season: StageContext) -> None:
    with teller.engine.begin() as connection:
        connection.execute(text('UPDATE stages SET days = \'["2025-02-01", "2025-03-20"]\''))
        connection.execute(text("UPDATE months SET site_time = '2025-02-21T12:00Z'"))
    verdict = run(RAW_MATCHES, season)
    assert warned(verdict) == {"every match day has a match", "results are there when they are due"}
    assert verdict.measures["match days"] == 2


# -- validate_finished, validate_upcoming ----------------------------------------------------------------------------------


def test_results_that_are_not_the_raw_ones_are_refused(season: StageContext) -> None:
    cases: list[tuple[Any, ...]] = [
        (lambda frame: frame.slice(1), "every result of the raw table is there"),
        (first("home_goals", 9), "every result of the raw table is there"),
        (first("match_id", 9999), "no result but those of the raw table"),
        (first("away_corners", 11), "statistics are those of the raw table"),
        (first("home_shots", None), "statistics are those of the raw table"),
        (first("away_team_id", 11), "two different teams"),
    ]
    for change, rule in cases:
        assert rule in tampered(FINISHED_MATCHES, season, change).refused_by, rule


def test_fixtures_that_are_not_the_raw_ones_are_refused(season: StageContext) -> None:
    cases: list[tuple[Any, ...]] = [
        (lambda frame: frame.head(0), "every fixture of the raw table is there"),
        (first("kick_off_utc", dt.datetime(2025, 2, 21, tzinfo=dt.UTC)), "every fixture of the raw table is there"),
        (first("match_id", 9999), "no fixture but those of the raw table"),
        (first("status_name", "postponed"), "a postponed fixture is called so"),
        (first("status_name", "played"), "status_name: isin(('scheduled', 'postponed'))"),
    ]
    for change, rule in cases:
        assert rule in tampered(UPCOMING_MATCHES, season, change).refused_by, rule


def test_statistics_that_were_lost_are_shown(teller: Teller, season: StageContext) -> None:
    with teller.engine.begin() as connection:
        connection.execute(text("DELETE FROM match_stats WHERE match_id = 5000"))
        connection.execute(text("UPDATE match_pages SET statistics = 'none', content_hash = 'x' WHERE match_id = 5000"))
    assert run(RAW_MATCHES, season).passed
    verdict = run(RAW_MATCH_STATS, season)
    assert (verdict.passed, verdict.measures["coverage"]) == (True, 0.75)
    verdict = run(FINISHED_MATCHES, season)
    assert warned(verdict) == {"statistics of finished matches", "statistics that were there stay"}
    assert verdict.measures["statistics coverage"] == 0.75


def test_a_fixture_is_overdue_by_the_results_own_order(teller: Teller, season: StageContext) -> None:
    teller.visit(*ROUNDS, listed(5100, "2025-02-02T12:00", 11, 14))
    for stage in (RAW_MATCHES, RAW_MATCH_STATS, FINISHED_MATCHES):
        assert run(stage, season).passed
    assert warned(run(UPCOMING_MATCHES, season)) == {"results in order"}


# -- validate_features, validate_state, validate_parity --------------------------------------------------------------------


def test_features_that_cannot_be_are_refused(season: StageContext) -> None:
    cases: list[tuple[Any, ...]] = [
        (lambda frame: frame.slice(1), "every side of every result has its row"),
        (first("team_id", 39), "no row but those of results"),
        (first("elo", 1501.0), "nothing after kick-off is read"),
        (first("goals_for_5", float("inf")), "every value is a finite number or unknown"),
        (first("points_5", 3.1), "every value lies in the range of its unit"),
        (first("elo", None), "elo: not_nullable"),
    ]
    for change, rule in cases:
        assert rule in tampered(TEAM_MATCH_FEATURES, season, change).refused_by, rule


def test_a_leak_names_the_rows_and_the_columns(season: StageContext) -> None:
    verdict = tampered(TEAM_MATCH_FEATURES, season, first("elo", 1501.0))
    [failure] = verdict.failures
    assert failure.rows.select("match_id", "columns").rows() == [(5000, "elo")]


def test_a_state_of_other_teams_is_refused(season: StageContext) -> None:
    cases: list[tuple[Any, ...]] = [
        (lambda frame: frame.slice(1), "every team that played has its state"),
        (first("team_id", 39), "no state but of teams that played"),
    ]
    for change, rule in cases:
        assert rule in tampered(TEAM_STATE, season, change).refused_by, rule


def test_fixture_rows_that_the_service_would_not_give_are_refused(season: StageContext) -> None:
    cases: list[tuple[Any, ...]] = [
        (lambda frame: frame.head(0), "every fixture has its row"),
        (first("home_elo", 1501.0), "equal to the service's own row"),
        (first("match_id", 9999), "no row but those of fixtures"),
        (first("elo_home_expectation", 1.5), "every value lies in the range of its unit"),
    ]
    for change, rule in cases:
        assert rule in tampered(MATCH_FEATURES, season, change).refused_by, rule


def test_a_service_that_reads_one_fixture_otherwise_is_refused(
    teller: Teller, season: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    teller.visit(*ROUNDS, FIXTURE, listed(5101, "2025-02-21T15:00", 12, 13))
    for stage in (RAW_MATCHES, UPCOMING_MATCHES):
        assert run(stage, season).passed
    as_it_is = PairReader.row

    def otherwise(reader: PairReader, home: int, away: int, year: int, time: int) -> Any:
        row = as_it_is(reader, home, away, year, time)
        row[0] = np.nextafter(row[0], np.inf) if home == 12 else row[0]
        return row

    monkeypatch.setattr(PairReader, "row", otherwise)
    verdict = run(MATCH_FEATURES, season)
    [failure] = [each for each in verdict.failures if each.rule == "equal to the service's own row"]
    assert (verdict.refused_by, failure.count) == ((failure.rule,), 1)


def test_every_fixture_of_known_teams_is_compared_with_the_service_s_own_row(
    teller: Teller, season: StageContext
) -> None:
    pairs = [(home, away) for home in range(11, 19) for away in range(11, 19) if home != away]
    fixtures = [
        listed(6000 + number, f"2025-02-{15 + number // 4}T{number % 4 * 5:02}:00", *pair)
        for number, pair in enumerate(pairs)
    ]
    teller.visit(*ROUNDS, *fixtures, missing=(FIXTURE.match_id,))
    for stage in (RAW_MATCHES, UPCOMING_MATCHES):
        assert run(stage, season).passed
    verdict = run(MATCH_FEATURES, season)
    assert verdict.passed
    assert (verdict.measures["rows"], verdict.measures["compared one by one"]) == (56, 56)


def test_a_team_that_never_played_is_made_again_in_the_batch_alone(teller: Teller, season: StageContext) -> None:
    teller.visit(*ROUNDS, FIXTURE, listed(6000, "2025-02-21T15:00", 11, 30))
    for stage in (RAW_MATCHES, UPCOMING_MATCHES):
        assert run(stage, season).passed
    verdict = run(MATCH_FEATURES, season)
    assert (verdict.passed, verdict.measures["rows"], verdict.measures["compared one by one"]) == (True, 2, 1)


# -- what a verdict does, and what it cannot ------------------------------------------------------------------------------


def test_all_failures_are_told_at_once_with_the_remedy_and_a_report_that_opens(
    season: StageContext, settings: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DAG-06
    def worse(frame: pl.DataFrame) -> pl.DataFrame:
        return first("home_goals", 31)(first("away_team_id", 11)(frame))

    verdict = tampered(RAW_MATCHES, season, worse)
    assert {"home_goals: in_range(0, 30)", "two different teams"} <= set(verdict.refused_by)
    result = check_result(season, "raw_matches", PARTITION, verdict)
    assert not result.passed
    assert f"raw_matches {PARTITION}" in str(result.metadata["judged"].value)
    assert "last accepted version is served" in str(result.metadata["what to do"].value)
    for name in (
        "postgres_url",
        "redis_url",
        "mlflow_url",
        *(n for n in type(settings).model_fields if n.startswith("s3")),
    ):
        monkeypatch.setenv(f"MATCH_ASSETS_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("MATCH_ASSETS_SOURCE_URL", "http://127.0.0.1:9")
    command, key = str(result.metadata["open the report"].value), str(result.metadata["report"].value)
    assert command.endswith(key)
    page = tmp_path / "report.html"
    told = CliRunner().invoke(main, ["store", "report", key, "--output", str(page)], catch_exceptions=False)
    assert told.exit_code == 0
    assert "two different teams" in page.read_text()
    assert "Team 11" in page.read_text()
    assert CliRunner().invoke(main, ["store", "report", "raw_matches"]).exit_code != 0, "no key of a report"


def test_good_input_clears_the_gate(season: StageContext) -> None:
    # DAG-06
    assert not tampered(RAW_MATCHES, season, first("home_goals", 31)).passed
    assert refusal(RAW_MATCHES, season, PARTITION)
    assert run(RAW_MATCHES, season).passed
    assert not refusal(RAW_MATCHES, season, PARTITION)


def test_a_gate_that_raises_lets_nothing_pass_and_notes_nothing(season: StageContext) -> None:
    # DAG-07
    before = season.store.pointer("raw_matches", PARTITION)

    def broken(_context: StageContext, _candidate: Pointer, frame: pl.DataFrame) -> Verdict:
        raise KeyError(frame.columns[0])

    stage = replace(RAW_MATCHES, gate=broken)
    with pytest.raises(GateBrokenError, match=r"validate_raw could not judge raw_matches 2024\|TST-League \(KeyError"):
        run(stage, season)
    assert season.store.pointer("raw_matches", PARTITION) == before
    assert refusal(stage, season, PARTITION) == ()
    assert judge_candidate(RAW_MATCHES, season, PARTITION)[1].passed, "mended, the check alone judges what is there"


def test_a_dependency_that_is_away_is_no_fault_of_the_gate(season: StageContext) -> None:
    def away(_context: StageContext, _candidate: Pointer, _frame: pl.DataFrame) -> Verdict:
        raise DependencyUnavailableError("PostgreSQL is away")

    with pytest.raises(DependencyUnavailableError):
        run(replace(RAW_MATCHES, gate=away), season)


def test_a_hundred_partitions_at_once_are_each_judged_by_their_own_rows(context: StageContext) -> None:
    # DAG-07
    barrier = threading.Barrier(10)

    def compute(_context: StageContext, partition: str, _inputs: Any) -> Product:
        return Product(pl.DataFrame({"partition": [partition], "number": [int(partition)]}))

    def gate(_context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
        own = Rule("of this partition", lambda rows: rows.filter(pl.col("partition") != candidate.partition))
        even = Rule("even", lambda rows: rows.filter(pl.col("number") % 2 == 1))
        return judge(frame, ANY_TABLE, rules=(own, even))

    stage = Stage("probe", "data", (), ("number",), lambda _context, _partition: {}, compute, "validate_probe", gate)

    def one(number: int) -> Verdict:
        materialise(stage, context, str(number))
        barrier.wait(60)
        return judge_candidate(stage, context, str(number))[1]

    with ThreadPoolExecutor(10) as pool:
        verdicts = list(pool.map(one, range(100)))
    assert [verdict.refused_by for verdict in verdicts] == [() if n % 2 == 0 else ("even",) for n in range(100)]
    assert [verdict.subject.split()[1] for verdict in verdicts] == [str(n) for n in range(100)]
    assert set(context.store.partitions("probe")) == {str(n) for n in range(0, 100, 2)}
