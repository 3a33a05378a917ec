"""The columns of the registry that polars' lazy expressions can state, from Parquet to Parquet.

Ratings, what follows from them, and the table go from match to match and are left to the project: the peer has the
easier task. Meant for drawn leagues, in which no team plays twice a day, walks over, or comes back after a season away.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from match_assets.config import FeatureParams

KEYS = ("match_id", "is_home")
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


def write_registry(source: Path, target: Path, params: FeatureParams) -> None:
    """Read matches, write team rows in order of kick-off and match id within their tournament, home team first."""
    rows = registry_rows(pl.scan_parquet(source), params)
    # as the project writes them
    rows.sink_parquet(target, compression="snappy", statistics=False)


def registry_rows(matches: pl.LazyFrame, params: FeatureParams) -> pl.LazyFrame:
    """Keys, and every feature that is stated here, named as in the registry."""
    sides = [_side(matches, own, other) for own, other in (("home", "away"), ("away", "home"))]
    rows = pl.concat(sides).sort("team_id", "kick_off_utc")
    before = pl.col(STATISTICS).cast(pl.Float64).shift(1)
    at_venue = ("team_id", "is_home")
    rows = rows.with_columns(
        before.over("team_id").name.prefix("before_"),
        before.over(at_venue).name.prefix("there_"),
        _season_sum("points"),
        _season_sum("goals_for"),
        _season_sum("goals_against"),
        season_matches=pl.int_range(pl.len()).over("team_id", "season").cast(pl.Float64),
        matches_played=pl.int_range(pl.len()).over("team_id").cast(pl.Float64),
        rest_days=_rest_days(params.rest_days_cap).over("team_id"),
    )
    rows = rows.with_columns(
        *(_means("before_", "", ("team_id",), params)),
        *(_means("there_", "_same_venue", at_venue, params)),
        season_points_per_match=_per_match("points"),
        season_goal_difference_per_match=_per_match("goals_for") - _per_match("goals_against"),
    )
    rows = rows.with_columns(_conversions(params))
    return rows.sort(
        "tournament", "kick_off_utc", "match_id", "is_home", descending=[False, False, False, True]
    ).select(*KEYS, *peer_columns(params))


def peer_columns(params: FeatureParams) -> list[str]:
    """The features that the peer makes."""
    over = [*map(str, params.windows), "weighted"]
    means = [f"{name}{where}_{w}" for where in ("", "_same_venue") for name in STATISTICS for w in over]
    ratios = [f"{kind}_conversion_{seen}_{w}" for w in over for kind in ("goal", "shot") for seen in ("for", "against")]
    season = ("season_matches", "season_points_per_match", "season_goal_difference_per_match")
    return [*means, *ratios, *season, "matches_played", "rest_days"]


def _side(matches: pl.LazyFrame, own: str, other: str) -> pl.LazyFrame:
    goals, conceded = pl.col(f"{own}_goals"), pl.col(f"{other}_goals")
    return matches.select(
        "match_id",
        "tournament",
        "season",
        "kick_off_utc",
        pl.lit(own == "home").alias("is_home"),
        pl.col(f"{own}_team_id").alias("team_id"),
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
    )


def _season_sum(name: str) -> pl.Expr:
    """Over the team's earlier matches of the season."""
    return pl.col(name).cast(pl.Float64).cum_sum().shift(1).over("team_id", "season").alias(f"season_{name}")


def _per_match(name: str) -> pl.Expr:
    return pl.col(f"season_{name}") / pl.col("season_matches")


def _rest_days(cap: float) -> pl.Expr:
    return (pl.col("kick_off_utc").diff().dt.total_seconds() / 86_400).clip(upper_bound=cap)


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
