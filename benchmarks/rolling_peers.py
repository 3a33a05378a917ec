"""The 54 rolling columns by the tools that one would otherwise take: polars lazy, DuckDB windows, pandas.

Each begins with the same frame of matches and ends with one row per match: for both teams and each of three windows,
the means of eight statistics over the team's last matches strictly before this one and how many matches these were.
"""

from collections.abc import Mapping

import duckdb
import pandas as pd
import polars as pl

WINDOWS = (5, 10, 20)
STATISTICS = (
    "goals_for",
    "goals_against",
    "points",
    "shots_for",
    "shots_against",
    "shots_on_target_for",
    "shots_on_target_against",
    "corners_for",
)
COUNTED = "matches"
TEAM_COLUMNS = [f"{name}_{window}" for window in WINDOWS for name in (*STATISTICS, COUNTED)]
COLUMNS = [f"{side}_{name}" for side in ("home", "away") for name in TEAM_COLUMNS]
SIDES = (("home", "away"), ("away", "home"))


def polars_rows(matches: pl.DataFrame) -> pl.DataFrame:
    """Rolling expressions over each team's matches in order of time: the quickest of the six forms that were tried.

    The statistics are moved on by one match once, as floats, and not within each of the 24 means; both sides are sorted
    apart. With the shift within each mean and the sides sorted together it takes 1.6 times as long.
    """
    rows = pl.concat([_polars_side(matches.lazy(), own, other) for own, other in SIDES]).sort("team_id", "kick_off_utc")
    before = rows.with_columns(pl.col(STATISTICS).cast(pl.Float64).shift(1).over("team_id"))
    means = [
        pl.col(name).rolling_mean(window, min_samples=1).over("team_id").alias(f"{name}_{window}")
        for window in WINDOWS
        for name in STATISTICS
    ]
    played = pl.int_range(pl.len()).over("team_id")
    counted = [played.clip(upper_bound=window).cast(pl.Float64).alias(f"{COUNTED}_{window}") for window in WINDOWS]
    by_team = before.with_columns(*means, *counted).select("position", "is_away", *TEAM_COLUMNS).collect()
    return _side_by_side(by_team)


def _polars_side(matches: pl.LazyFrame, own: str, other: str) -> pl.LazyFrame:
    goals, conceded = pl.col(f"{own}_goals"), pl.col(f"{other}_goals")
    return matches.with_row_index("position").select(
        "position",
        "kick_off_utc",
        pl.lit(own == "away").alias("is_away"),
        pl.col(f"{own}_team_id").alias("team_id"),
        goals.alias("goals_for"),
        conceded.alias("goals_against"),
        (3 * (goals > conceded) + (goals == conceded)).cast(pl.Int16).alias("points"),
        *(
            pl.col(f"{which}_{count}").alias(f"{count}_{name}")
            for count in ("shots", "shots_on_target")
            for name, which in (("for", own), ("against", other))
        ),
        pl.col(f"{own}_corners").alias("corners_for"),
    )


def _side_by_side(rows: pl.DataFrame) -> pl.DataFrame:
    columns = pl.col(TEAM_COLUMNS).name
    home = rows.filter(~pl.col("is_away")).sort("position").select(columns.prefix("home_"))
    away = rows.filter("is_away").sort("position").select(columns.prefix("away_"))
    return pl.concat([home, away], how="horizontal")


def duckdb_rows(matches: pl.DataFrame) -> pl.DataFrame:
    """SQL windows over the frame where it lies; both teams side by side as for polars, quicker than by a join."""
    with duckdb.connect() as connection:
        connection.register("matches", matches.with_row_index("position").to_arrow())
        return _side_by_side(pl.DataFrame(connection.sql(duckdb_query()).to_arrow_table()))


def duckdb_query() -> str:
    """A row per team of each match from ``matches``, whose rows are told apart by a column ``position``."""
    sides = " UNION ALL ".join(
        f"""SELECT position, kick_off_utc, {own == "away"} AS is_away, {own}_team_id AS team_id,
        {own}_goals AS goals_for, {other}_goals AS goals_against,
        CASE WHEN {own}_goals > {other}_goals THEN 3 WHEN {own}_goals = {other}_goals THEN 1 ELSE 0 END AS points,
        {own}_shots AS shots_for, {other}_shots AS shots_against,
        {own}_shots_on_target AS shots_on_target_for, {other}_shots_on_target AS shots_on_target_against,
        {own}_corners AS corners_for FROM matches"""
        for own, other in SIDES
    )
    windows = ", ".join(
        f"w{n} AS (PARTITION BY team_id ORDER BY kick_off_utc ROWS BETWEEN {n} PRECEDING AND 1 PRECEDING)"
        for n in WINDOWS
    )
    columns = [f"avg({name}) OVER w{n} AS {name}_{n}" for n in WINDOWS for name in STATISTICS]
    columns += [f"CAST(count(*) OVER w{n} AS DOUBLE) AS {COUNTED}_{n}" for n in WINDOWS]
    return f"WITH sides AS ({sides}) SELECT position, is_away, {', '.join(columns)} FROM sides WINDOW {windows}"


def pandas_rows(matches: pl.DataFrame) -> pd.DataFrame:
    """``groupby(...).rolling(...)`` on rows sorted by team and time."""
    rows = pd.concat([_pandas_side(matches, own, other) for own, other in SIDES], ignore_index=True)
    rows = rows.sort_values(["team_id", "kick_off_utc"], kind="stable", ignore_index=True)
    by_team = rows.groupby("team_id", sort=True)
    shifted = by_team[list(STATISTICS)].shift(1)
    played = by_team.cumcount()
    found = {}
    for window in WINDOWS:
        means = shifted.groupby(rows["team_id"], sort=True).rolling(window, min_periods=1).mean()
        for name in STATISTICS:
            found[f"{name}_{window}"] = means[name].to_numpy()
        found[f"{COUNTED}_{window}"] = played.clip(upper=window).to_numpy(dtype="float64")
    values = pd.DataFrame(found)
    values[["position", "is_away"]] = rows[["position", "is_away"]]
    values = values.sort_values(["position", "is_away"], ignore_index=True)
    sides = [values.iloc[side::2][TEAM_COLUMNS].reset_index(drop=True) for side in (0, 1)]
    return pd.concat([sides[0].add_prefix("home_"), sides[1].add_prefix("away_")], axis=1)


def _pandas_side(matches: pl.DataFrame, own: str, other: str) -> pd.DataFrame:
    counts: Mapping[str, str] = {
        **{
            f"{count}_{name}": f"{which}_{count}"
            for count in ("goals", "shots", "shots_on_target")
            for name, which in (("for", own), ("against", other))
        },
        "corners_for": f"{own}_corners",
    }
    columns = {name: matches[column].cast(pl.Float64).to_numpy() for name, column in counts.items()}
    rows = pd.DataFrame(columns)
    rows["points"] = 3.0 * (rows["goals_for"] > rows["goals_against"]) + (rows["goals_for"] == rows["goals_against"])
    rows["team_id"] = matches[f"{own}_team_id"].to_numpy()
    rows["kick_off_utc"] = matches["kick_off_utc"].to_physical().to_numpy()
    rows["is_away"] = own == "away"
    rows["position"] = range(len(rows))
    return rows
