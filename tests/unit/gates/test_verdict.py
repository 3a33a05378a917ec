"""What a gate says: every failure at once, warnings apart from errors, rows to look at."""

import datetime as dt

import polars as pl

from match_assets.gates import schemas
from match_assets.gates.report import html_report
from match_assets.gates.verdict import ROWS_SHOWN, Rule, judge

KICK_OFF = dt.datetime(2025, 1, 4, 15, tzinfo=dt.UTC)
RAW_DTYPES = {
    "match_id": pl.Int64,
    "tournament": pl.String,
    "season": pl.String,
    "stage_id": pl.Int64,
    "kick_off_utc": pl.Datetime("us", "UTC"),
    "is_kick_off_time_known": pl.Boolean,
    "status": pl.Int16,
    "elapsed": pl.String,
    "home_team_id": pl.Int64,
    "away_team_id": pl.Int64,
    "home_team": pl.String,
    "away_team": pl.String,
    "home_goals": pl.Int16,
    "away_goals": pl.Int16,
    "home_goals_half_time": pl.Int16,
    "away_goals_half_time": pl.Int16,
}


def raw(*changes: dict[str, object]) -> pl.DataFrame:
    """One finished 2-1 a change, with the change applied."""
    plain = {
        "tournament": "ESP-LaLiga",
        "season": "2024",
        "stage_id": 1,
        "kick_off_utc": KICK_OFF,
        "is_kick_off_time_known": True,
        "status": 6,
        "elapsed": "FT",
        "home_team_id": 65,
        "away_team_id": 64,
        "home_team": "Barcelona",
        "away_team": "Rayo Vallecano",
        "home_goals": 2,
        "away_goals": 1,
        "home_goals_half_time": 1,
        "away_goals_half_time": 0,
    }
    rows = [{"match_id": number, **plain, **change} for number, change in enumerate(changes, start=1)]
    return pl.DataFrame(rows, schema=RAW_DTYPES)


def refused_by(frame: pl.DataFrame) -> set[str]:
    return set(judge(frame, schemas.raw_matches("ESP-LaLiga", "2024")).refused_by)


def test_a_plain_result_passes() -> None:
    assert judge(raw({}), schemas.raw_matches("ESP-LaLiga", "2024")).passed


def test_an_empty_season_passes_and_says_that_it_has_no_rows() -> None:
    verdict = judge(raw(), schemas.raw_matches("ESP-LaLiga", "2024"))
    assert verdict.passed
    assert verdict.measures["rows"] == 0


def test_half_time_above_full_time_is_refused() -> None:
    assert refused_by(raw({"home_goals_half_time": 3})) == {"half-time goals within full-time goals"}


def test_unknown_half_time_is_no_fault() -> None:
    assert refused_by(raw({"home_goals_half_time": None, "away_goals_half_time": None})) == set()


def test_a_team_against_itself_is_refused() -> None:
    assert refused_by(raw({"away_team_id": 65})) == {"two different teams"}


def test_a_finished_match_without_score_is_refused_unless_it_went_to_extra_time() -> None:
    no_score = {"home_goals": None, "away_goals": None, "home_goals_half_time": None, "away_goals_half_time": None}
    assert refused_by(raw(no_score)) == {"a finished match has a score"}
    assert refused_by(raw({**no_score, "elapsed": "AET"})) == set()


def test_rows_of_another_season_are_refused() -> None:
    assert refused_by(raw({"season": "2023"})) == {"rows belong to their partition"}


def test_all_failures_are_told_at_once() -> None:
    frame = raw({"home_goals": -1, "home_goals_half_time": None}, {"away_team_id": 65}, {"season": "2023"})
    assert refused_by(frame) == {"home_goals: in_range(0, 30)", "two different teams", "rows belong to their partition"}


def test_the_failing_row_is_shown_whole() -> None:
    verdict = judge(raw({}, {"away_team_id": 65}), schemas.raw_matches("ESP-LaLiga", "2024"))
    [failure] = verdict.failures
    assert failure.rows["match_id"].to_list() == [2]
    assert "Barcelona" in str(verdict.table()[0]["row"])


def test_rows_shown_are_few_and_counts_are_complete() -> None:
    verdict = judge(raw(*[{"away_team_id": 65}] * 50), schemas.raw_matches("ESP-LaLiga", "2024"))
    [failure] = verdict.failures
    assert failure.count == 50
    assert len(verdict.table()) == ROWS_SHOWN
    assert failure.rows.height == 50, "the report in the store has them all"


def test_a_missing_column_is_told_alone_and_rules_that_need_it_are_not_run() -> None:
    broken = raw({"away_team_id": 65}).drop("home_goals")
    verdict = judge(
        broken,
        schemas.raw_matches("ESP-LaLiga", "2024"),
        rules=(Rule("needs goals", lambda rows: rows.filter(pl.col("home_goals") > 3)),),
    )
    assert any("home_goals" in str(failure.explanation) + failure.rule for failure in verdict.failures)
    assert not any("ColumnNotFoundError" in str(record) for record in verdict.table())
    assert "needs goals" not in verdict.refused_by


def test_a_warning_is_shown_and_does_not_refuse() -> None:
    stats = pl.DataFrame(
        [(1, 65, True, 4, 9, 1, 1, 0, 0), (1, 64, False, 4, 2, 1, 1, 0, 0)],
        schema={
            "match_id": pl.Int64,
            "team_id": pl.Int64,
            "is_home": pl.Boolean,
            **dict.fromkeys(schemas.STATISTICS, pl.Int16),
        },
        orient="row",
    )
    verdict = judge(stats, schemas.raw_match_stats(), warnings=schemas.raw_match_stats_warnings())
    assert verdict.passed
    assert [(f.rule, f.severity, f.count) for f in verdict.failures] == [("shots on target within shots", "warning", 1)]
    assert verdict.measures["warnings"] == 1


def test_the_report_escapes_what_the_source_wrote() -> None:
    verdict = judge(raw({"home_team": "<script>", "away_team_id": 65}), schemas.raw_matches("ESP-LaLiga", "2024"))
    page = html_report(verdict, "raw_matches 2024|ESP-LaLiga")
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
