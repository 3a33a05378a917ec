"""The whole registry in polars' lazy expressions, from Parquet to Parquet: every column that the project writes.

Ratings go from match to match, which no expression states; the peer borrows the project's compiled loop for them, so that
it is not held up by one in Python. Meant for drawn leagues, in which no team plays twice a day, walks over, or comes back
after a season away.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from rating_loops import prepared_ratings

from match_assets.config import FeatureParams
from match_assets.features import team_features_schema
from match_assets.features.frames import RESULTS
from match_assets.features.layout import SURPLUS_SCALE
from match_assets.features.registry import RATING_NAMES

COUNTS = ("goals", "shots", "shots_on_target", "corners", "fouls")
STATISTICS = (
    "goals_for",
    "goals_against",
    "points",
    *(
        f"{name}_{seen}"
        for name in ("shots", "shots_on_target", "corners", "fouls", "cards")
        for seen in ("for", "against")
    ),
)
SURPLUSES = ("score_surplus", "goals_for_surplus", "goals_against_surplus", "opponent_elo")
SEASON = ("tournament", "season")
PAIR = ("team_id", "opponent_id")


def write_registry(source: Path, target: Path, params: FeatureParams) -> None:
    """Read matches, write team rows in order of kick-off and match id within their tournament, home team first."""
    rows = registry_rows(rated(pl.scan_parquet(source).select(RESULTS.keys()).collect(), params).lazy(), params)
    # as the project writes them
    rows.sink_parquet(target, compression="snappy", statistics=False)


def rated(matches: pl.DataFrame, params: FeatureParams) -> pl.DataFrame:
    """With both sides' ratings before the match, and what it was against them."""
    rate, ratings, surplus = prepared_ratings(matches, params)
    rate()
    named = [*zip(RATING_NAMES, ratings, strict=True), *zip(SURPLUSES, surplus, strict=True)]
    return matches.with_columns(
        pl.Series(f"{side}_{name}", row[venue::2]) for name, row in named for venue, side in enumerate(("home", "away"))
    )


def registry_rows(matches: pl.LazyFrame, params: FeatureParams) -> pl.LazyFrame:
    """Keys and features, named and ordered as in the registry; ``matches`` as ``rated`` gives them."""
    sides = [_side(matches, own, other) for own, other in (("home", "away"), ("away", "home"))]
    rows = pl.concat(sides).sort("team_id", "kick_off_utc")
    before = pl.col(STATISTICS).cast(pl.Float64).shift(1)
    rows = rows.with_columns(
        before.over("team_id").name.prefix("before_"),
        before.over("team_id", "is_home").name.prefix("there_"),
        *(
            _season_sum(name).shift(1).over("team_id", *SEASON).alias(f"season_{name}")
            for name in ("goals_for", "goals_against", "points")
        ),
        one=pl.lit(1.0),
        season_matches=pl.int_range(pl.len()).over("team_id", *SEASON).cast(pl.Float64),
        matches_played=pl.int_range(pl.len()).over("team_id").cast(pl.Float64),
        rest_days=_rest_days(params.rest_days_cap).over("team_id"),
        season_phase=(pl.col("kick_off_utc") - pl.col("kick_off_utc").min().over(SEASON)).dt.total_seconds()
        / (86_400 * 365.0),
    )
    rows = rows.with_columns(
        *(_means("before_", "", ("team_id",), params)),
        *(_means("there_", "_same_venue", ("team_id", "is_home"), params)),
        *(_surplus_means(params)),
        *(_congestion(days) for days in params.congestion_days),
        *(_meetings(params.head_to_head)),
        *(_streaks()),
        season_points_per_match=_per_match("points"),
        season_goal_difference_per_match=_per_match("goals_for") - _per_match("goals_against"),
    )
    rows = rows.with_columns(_conversions(params))
    rows = rows.join(_positions(rows), on=["team_id", "kick_off_utc"], how="left")
    in_order = rows.sort("tournament", "kick_off_utc", "match_id", "is_home", descending=[False, False, False, True])
    return in_order.select(team_features_schema(params).keys())


def _side(matches: pl.LazyFrame, own: str, other: str) -> pl.LazyFrame:
    goals, conceded = pl.col(f"{own}_goals"), pl.col(f"{other}_goals")
    return matches.select(
        "match_id",
        *SEASON,
        "kick_off_utc",
        pl.col(f"{own}_team_id").alias("team_id"),
        pl.col(f"{other}_team_id").alias("opponent_id"),
        pl.lit(own == "home").alias("is_home"),
        "is_kick_off_time_known",
        (3 * (goals > conceded) + (goals == conceded)).cast(pl.Int16).alias("points"),
        *(
            pl.col(f"{side}_{count}").alias(f"{count}_{seen}")
            for count in COUNTS
            for seen, side in (("for", own), ("against", other))
        ),
        *(
            (pl.col(f"{side}_yellow_cards") + pl.col(f"{side}_red_cards")).alias(f"cards_{seen}")
            for seen, side in (("for", own), ("against", other))
        ),
        *(pl.col(f"{own}_{name}").alias(name) for name in (*RATING_NAMES, *SURPLUSES)),
    )


def _season_sum(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64).cum_sum()


def _per_match(name: str) -> pl.Expr:
    return pl.col(f"season_{name}") / pl.col("season_matches")


def _rest_days(cap: float) -> pl.Expr:
    return (pl.col("kick_off_utc").diff().dt.total_seconds() / 86_400).clip(upper_bound=cap)


def _congestion(days: int) -> pl.Expr:
    """Matches from so many days before the kick-off up to it."""
    inside = pl.col("one").rolling_sum_by("kick_off_utc", f"{days}d", min_samples=0, closed="left")
    return inside.over("team_id").alias(f"matches_last_{days}_days")


def _meetings(remembered: int) -> list[pl.Expr]:
    """The last meetings of the two teams, as the first of them saw them."""
    margin = pl.col("goals_for").cast(pl.Float64) - pl.col("goals_against")
    points = pl.col("points").cast(pl.Float64)
    last = (value.shift(1).rolling_mean(remembered, min_samples=1).over(PAIR) for value in (points, margin))
    count = pl.int_range(pl.len()).over(PAIR).clip(upper_bound=remembered).cast(pl.Float64)
    names = ("head_to_head_matches", "head_to_head_points", "head_to_head_margin")
    return [value.alias(name) for name, value in zip(names, (count, *last), strict=True)]


def _streaks() -> list[pl.Expr]:
    """Matches in a row up to the newest: those since the last that was otherwise."""
    scored, conceded = pl.col("goals_for"), pl.col("goals_against")
    kinds = {
        "win": scored > conceded,
        "unbeaten": scored >= conceded,
        "winless": scored <= conceded,
        "loss": scored < conceded,
        "scoring": scored > 0,
        "goalless": scored == 0,
        "clean_sheet": conceded == 0,
    }
    number = pl.int_range(pl.len())
    return [
        (number - pl.when(~holds).then(number).forward_fill().fill_null(-1))
        .shift(1)
        .over("team_id")
        .cast(pl.Float64)
        .alias(f"{kind}_streak")
        for kind, holds in kinds.items()
    ]


def _positions(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Each team's place in its season's table at each kick-off of the season, from the results known before it."""
    where, of_team = [*SEASON, "kick_off_utc"], [*SEASON, "team_id"]
    whole_day = pl.col("kick_off_utc") + pl.duration(microseconds=86_400_000_000 - 1)
    scored, conceded, points = (_season_sum(n).over(of_team) for n in ("goals_for", "goals_against", "points"))
    # one number, in which a goal difference never reaches a point, nor the goals scored a difference
    standings = rows.select(
        *of_team,
        known=pl.when("is_kick_off_time_known").then("kick_off_utc").otherwise(whole_day),
        order=points * 1e8 + (scored - conceded) * 1e4 + scored,
    )
    grid = rows.select(where).unique().join(rows.select(of_team).unique(), on=SEASON)
    newest = grid.sort("kick_off_utc").join_asof(
        standings.sort("known"), left_on="kick_off_utc", right_on="known", by=of_team, allow_exact_matches=False
    )
    place = pl.col("order").rank("min", descending=True).over(where).cast(pl.Float64)
    return newest.select("team_id", "kick_off_utc", table_position=place)


def _surplus_means(params: FeatureParams) -> list[pl.Expr]:
    return [
        (pl.col(name) / SURPLUS_SCALE)
        .shift(1)
        .rolling_mean(window, min_samples=1)
        .over("team_id")
        .alias(f"{name}_{window}")
        for name in SURPLUSES
        for window in params.windows
    ]


def _means(prefix: str, where: str, over: Sequence[str], params: FeatureParams) -> list[pl.Expr]:
    half_life = params.weighted_half_life
    return [
        expression.over(over).alias(f"{name}{where}_{which}")
        for name in STATISTICS
        for which, expression in (
            *((str(w), pl.col(prefix + name).rolling_mean(w, min_samples=1)) for w in params.windows),
            ("weighted", pl.col(prefix + name).ewm_mean(half_life=half_life, ignore_nulls=False).forward_fill()),
        )
    ]


def _conversions(params: FeatureParams) -> list[pl.Expr]:
    return [
        pl.when(pl.col(f"{below}_{seen}_{w}") != 0)
        .then(pl.col(f"{above}_{seen}_{w}") / pl.col(f"{below}_{seen}_{w}"))
        .alias(f"{kind}_conversion_{seen}_{w}")
        for w in (*params.windows, "weighted")
        for kind, above, below in (("goal", "goals", "shots"), ("shot", "shots_on_target", "shots"))
        for seen in ("for", "against")
    ]
