"""Rolling means of a real season against polars' own rolling windows."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from match_assets.features import build_team_features
from match_assets.features.frames import RESULTS, SIDE_COUNTS
from tests.property.leagues import SHIPPED

LEAGUES = Path(__file__).parents[4] / "shared" / "data" / "football-datasets"
CODES = dict(zip(SIDE_COUNTS, ("FT{}G", "{}S", "{}ST", "{}C", "{}F", "{}Y", "{}R"), strict=True))


def season_of(file: Path) -> pl.DataFrame:
    """A football-data file with ISO dates as ``finished_matches``."""
    raw = pl.read_csv(file, infer_schema=False)
    names = pl.concat([raw["HomeTeam"], raw["AwayTeam"]]).unique().sort().to_list()
    ids = {name: number for number, name in enumerate(names, start=1)}
    return raw.with_row_index("row").select(
        match_id=pl.col("row").cast(pl.Int64),
        tournament=pl.lit("ENG-PremierLeague"),
        season=pl.lit("2023"),
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


@pytest.mark.skipif(not LEAGUES.is_dir(), reason="../shared/data/football-datasets is not there")
@pytest.mark.parametrize("league", ["premier-league", "serie-a"])
def test_windows_agree_with_polars_rolling_means(league: str) -> None:
    matches = season_of(LEAGUES / league / "season-2324.csv").select(RESULTS.keys())
    sides = [
        matches.select(
            "match_id",
            "kick_off_utc",
            is_home=pl.lit(side == "home"),
            team_id=f"{side}_team_id",
            goals_for=f"{side}_goals",
            goals_against=f"{other}_goals",
            shots_for=f"{side}_shots",
            shots_on_target_against=f"{other}_shots_on_target",
            corners_for=f"{side}_corners",
            fouls_for=f"{side}_fouls",
            cards_for=pl.col(f"{side}_yellow_cards") + pl.col(f"{side}_red_cards"),
        )
        for side, other in (("home", "away"), ("away", "home"))
    ]
    long = pl.concat(sides).sort("kick_off_utc", "match_id", "is_home", descending=[False, False, True])
    statistics = long.columns[4:]
    expected = long.select(
        "match_id",
        "is_home",
        *(
            pl.col(name)
            .cast(pl.Float64)
            .shift(1)
            .rolling_mean(window, min_samples=1)
            .over("team_id", order_by="kick_off_utc")
            .alias(f"{name}_{window}")
            for name in statistics
            for window in SHIPPED.windows
        ),
    )
    found = build_team_features(matches, SHIPPED).team_features.select(expected.columns)
    assert found.height == 760
    assert_frame_equal(found, expected, rel_tol=1e-12)
