"""Real seasons: every windowed feature against DuckDB's windows, and every feature against the slow oracle."""

import math
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from match_assets.features import (
    assemble_match_features,
    build_team_features,
    match_feature_names,
)
from match_assets.features.frames import RESULTS, SIDE_COUNTS
from tests.oracle_features import oracle_match_rows
from tests.property.leagues import SHIPPED
from tests.windows_in_sql import sql_windows

LEAGUES = Path(__file__).parents[4] / "shared" / "data" / "football-datasets"
CODES = dict(zip(SIDE_COUNTS, ("FT{}G", "{}S", "{}ST", "{}C", "{}F", "{}Y", "{}R"), strict=True))

pytestmark = pytest.mark.skipif(not LEAGUES.is_dir(), reason="../shared/data/football-datasets is not there")


def seasons_of(league: str, *files: str) -> pl.DataFrame:
    """Football-data files with ISO dates, such as 2324, as ``finished_matches``."""
    parts = [pl.read_csv(LEAGUES / league / f"season-{file}.csv", infer_schema=False) for file in files]
    raw = pl.concat(
        [part.with_columns(season=pl.lit(f"20{file[:2]}")) for part, file in zip(parts, files, strict=True)],
        how="diagonal",
    )
    names = pl.concat([raw["HomeTeam"], raw["AwayTeam"]]).unique().sort().to_list()
    ids = {name: number for number, name in enumerate(names, start=1)}
    return (
        raw.with_row_index("row")
        .select(
            match_id=pl.col("row").cast(pl.Int64),
            tournament=pl.lit("ENG-PremierLeague"),
            season="season",
            kick_off_utc=pl.col("Date").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC"),
            is_kick_off_time_known=pl.lit(False),
            home_team_id=pl.col("HomeTeam").replace_strict(ids, return_dtype=pl.Int64),
            away_team_id=pl.col("AwayTeam").replace_strict(ids, return_dtype=pl.Int64),
            home_team="HomeTeam",
            away_team="AwayTeam",
            is_walkover=pl.lit(False),
            **{
                f"{side}_{count}": pl.col(code.format(side[0].upper())).cast(pl.Int16)
                for side in ("home", "away")
                for count, code in CODES.items()
            },
        )
        .select(RESULTS.keys())
    )


@pytest.mark.parametrize(("league", "file"), [("premier-league", "2324"), ("serie-a", "1920"), ("ligue-1", "0405")])
def test_every_window_agrees_with_duckdb(league: str, file: str) -> None:
    matches = seasons_of(league, file)
    expected = sql_windows(matches, SHIPPED.windows)
    found = build_team_features(matches, SHIPPED).team_features.sort("match_id", "is_home").select(expected.columns)
    assert found.height == 760
    assert_frame_equal(found, expected, rel_tol=1e-12)


def test_every_feature_of_two_seasons_agrees_with_the_oracle() -> None:
    # teams go down and come up between them; some matches of the second were put off for months
    matches = seasons_of("bundesliga", "1819", "1920")
    names = match_feature_names(SHIPPED)
    expected = oracle_match_rows(matches.to_dicts(), names, SHIPPED)
    rows = assemble_match_features(build_team_features(matches, SHIPPED).team_features, SHIPPED)
    assert rows.height == 612
    for row in rows.iter_rows(named=True):
        require_agreement(row, expected[row["match_id"]], names)


def require_agreement(row: dict[str, float | None], by_hand: dict[str, float | None], names: list[str]) -> None:
    for name in names:
        found, expected = row[name], by_hand[name]
        if found is None or expected is None:
            assert found is expected, (name, row["match_id"])
        else:
            assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9), (name, row["match_id"], found, expected)
