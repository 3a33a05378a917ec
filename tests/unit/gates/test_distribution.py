"""What no football season has is refused; what the seasons before had not is told."""

import datetime as dt
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from match_assets.gates.distribution import (
    LEAST_MATCHES,
    LEAST_SEASONS,
    NOT_ABSURD,
    absurd,
    like_before,
    profile,
    result_columns,
    stretch,
    unlike,
)

LEAGUES = Path(__file__).parents[4] / "shared" / "data" / "football-datasets"
MEANS = {"goals": 1.4, "shots": 12.5, "shots_on_target": 4.5, "corners": 5.0, "fouls": 13.0, "yellow_cards": 2.0}
CODES = {"goals": "FT{}G", "shots": "{}S", "shots_on_target": "{}ST", "corners": "{}C", "fouls": "{}F"}
CODES |= {"yellow_cards": "{}Y", "red_cards": "{}R"}


def a_season(seed: int, n: int = 380, season: str = "2024", **factors: float) -> pl.DataFrame:
    """Results of a season drawn at random; a factor on the mean of a count of both sides."""
    drawn = np.random.default_rng(seed)
    start = dt.datetime(2024, 8, 1, tzinfo=dt.UTC)
    counts = {
        f"{side}_{name}": pl.Series(drawn.poisson(mean * factors.get(name, 1.0) * (1.1 if side == "home" else 0.9), n))
        for name, mean in MEANS.items()
        for side in ("home", "away")
    }
    red = {f"{side}_red_cards": pl.Series(drawn.binomial(1, 0.1, n)) for side in ("home", "away")}
    keys = {
        "season": [season] * n,
        "match_id": range(n),
        "kick_off_utc": [start + dt.timedelta(days=i // 10) for i in range(n)],
    }
    return pl.DataFrame({**keys, **counts, **red, "is_walkover": [False] * n})


def real_seasons(league: Path) -> dict[int, pl.DataFrame]:
    """A league's files as results, by the year the season begins in."""
    found = {}
    for file in league.glob("season-*.csv"):
        raw = pl.read_csv(file, infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy")
        year = int(re.findall(r"\d\d", file.stem)[0])
        names = {
            f"{side}_{name}": code.format(side[0].upper()) for name, code in CODES.items() for side in ("home", "away")
        }
        columns = [
            (pl.col(code).cast(pl.Int16, strict=False) if code in raw.columns else pl.lit(None, pl.Int16)).alias(name)
            for name, code in names.items()
        ]
        results = raw.select(*columns, is_walkover=pl.lit(value=False)).drop_nulls(["home_goals", "away_goals"])
        found[year + (1900 if year > 80 else 2000)] = results
    return found


@pytest.mark.parametrize("name", ["goals", "shots", "fouls", "corners"])
def test_a_mean_that_football_cannot_have_is_refused(name: str) -> None:
    assert NOT_ABSURD.failure(a_season(1)) is None
    failure = NOT_ABSURD.failure(a_season(1, **{name: 6.0}))
    assert failure is not None
    assert failure.severity == "error"
    assert f"home_{name}" in failure.explanation


def test_a_handful_of_matches_may_have_any_mean() -> None:
    few = a_season(1, n=LEAST_MATCHES - 1, goals=8.0)
    assert absurd(few).is_empty()
    assert absurd(few.head(0)).is_empty()


def test_walkovers_and_unknown_counts_are_no_part_of_a_mean() -> None:
    season = a_season(1)
    paper = season.head(200).with_columns(home_goals=pl.lit(30), is_walkover=pl.lit(value=True))
    unknown = season.with_columns(home_shots=pl.lit(None, pl.Int64))
    assert absurd(pl.concat([season, paper], how="vertical_relaxed")).is_empty()
    assert "home_shots" not in profile(result_columns(unknown))["measure"].to_list()


def before(n: int = 8) -> list[pl.DataFrame]:
    return [profile(result_columns(a_season(seed))) for seed in range(n)]


def test_a_season_like_those_before_is_not_told() -> None:
    for seed in range(20, 30):
        assert unlike(profile(result_columns(a_season(seed))), before()).is_empty()


def test_a_count_that_is_counted_otherwise_is_told_with_what_it_was() -> None:
    found = unlike(profile(result_columns(a_season(20, shots=0.7))), before())
    assert set(found["measure"]) == {"home_shots", "away_shots"}
    row = found.filter(pl.col("measure") == "home_shots").row(0, named=True)
    assert row["mean"] == pytest.approx(9.6, abs=0.4)
    assert row["median_before"] == pytest.approx(13.75, abs=0.4)
    assert row["spreads"] < 0
    failure = like_before("like before", found).failure(pl.DataFrame())
    assert failure is not None
    assert failure.severity == "warning"
    assert "home_shots" in failure.explanation


def test_sides_that_were_swapped_are_told() -> None:
    season = a_season(20, goals=1.0)
    swap = {name: name.replace("home", "H").replace("away", "home").replace("H", "away") for name in season.columns}
    swapped = season.rename({old: new for old, new in swap.items() if old != new})
    assert {"home_shots", "away_shots"} <= set(unlike(profile(result_columns(swapped)), before())["measure"])


def test_too_few_seasons_or_matches_tell_nothing() -> None:
    odd = profile(result_columns(a_season(20, shots=0.5)))
    assert unlike(odd, before(LEAST_SEASONS - 1)).is_empty()
    assert unlike(profile(result_columns(a_season(20, n=30, shots=0.5))), before()).is_empty()
    assert unlike(odd, []).is_empty()


def test_a_season_under_way_is_compared_with_the_same_stretch() -> None:
    season = a_season(1).sample(fraction=1.0, shuffle=True, seed=1)
    assert stretch(season, 120)["match_id"].to_list() == list(range(120))


@pytest.mark.skipif(not LEAGUES.is_dir(), reason="../shared/data/football-datasets is not there")
def test_of_all_real_seasons_none_is_refused_and_three_are_told() -> None:
    told = []
    for league in sorted(path for path in LEAGUES.iterdir() if path.is_dir()):
        seasons = real_seasons(league)
        profiles = {year: profile(result_columns(results)) for year, results in sorted(seasons.items())}
        assert all(absurd(results).is_empty() for results in seasons.values())
        told += [
            (league.name, year)
            for year, now in profiles.items()
            if not unlike(now, [held for other, held in profiles.items() if other < year]).is_empty()
        ]
    assert told == [("serie-a", 2018), ("serie-a", 2019), ("serie-a", 2020)]
