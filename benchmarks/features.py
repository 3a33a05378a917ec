"""Rolling team features of a drawn league: the project's kernel against polars' lazy rolling expressions.

Both begin with the same frame of matches and end with columns of team rows in match order, strictly before kick-off.
polars makes the rolling means of seven statistics over three windows on all cores. The kernel, on one core, makes these
and everything else that the project knows of a team (ratings, streaks, rest, venue form) in the same pass.

    .venv/bin/python benchmarks/features.py --matches 100000
"""

import argparse

import numpy as np
import polars as pl
from measuring import quickest, report, require

from match_assets.config import FeatureParams, load_params
from match_assets.features import TeamState, build_team_features, team_feature_names
from match_assets.features.frames import match_arrays, rating_settings
from match_assets.features.kernel import Floats, replay

WINDOWS = (5, 10, 20)
STATISTICS = (
    "goals_for",
    "goals_against",
    "points",
    "shots_for",
    "shots_against",
    "shots_on_target_for",
    "shots_on_target_against",
)
COLUMNS = [f"{name}_{window}" for window in WINDOWS for name in STATISTICS]
TOLERANCE = 1e-9
FIRST_YEAR = 1000
FIRST_KICK_OFF = np.datetime64(f"{FIRST_YEAR}-08-01T15:00:00", "us")


def draw_league(n_matches: int, *, teams: int, seed: int = 7) -> pl.DataFrame:
    """``finished_matches`` of one tournament, season after season of a double round robin; 3 % lack their shots."""
    chance = np.random.default_rng(seed)
    home, away, rounds = _round_robin(teams)
    n_seasons = -(-n_matches // home.size)
    home, away = np.tile(home, n_seasons)[:n_matches], np.tile(away, n_seasons)[:n_matches]
    years = FIRST_YEAR + np.repeat(np.arange(n_seasons), rounds.size)[:n_matches]
    days = 365 * (years - FIRST_YEAR) + 4 * np.tile(rounds, n_seasons)[:n_matches]
    frame = pl.DataFrame(
        {
            "match_id": np.arange(1, n_matches + 1),
            "tournament": ["DRAWN"] * n_matches,
            "season": [str(year) for year in years],
            "kick_off_utc": FIRST_KICK_OFF + days * np.timedelta64(1, "D"),
            "is_kick_off_time_known": [True] * n_matches,
            "home_team_id": home + 1,
            "away_team_id": away + 1,
            "is_walkover": [False] * n_matches,
        }
    )
    strength = chance.normal(0, 0.25, teams)
    counts = []
    for side, own, other in (("home", home, away), ("away", away, home)):
        edge = np.exp(strength[own] - strength[other] + (0.12 if side == "home" else -0.12))
        shots = chance.poisson(12 * edge)
        on_target = chance.binomial(shots, 0.35)
        counts += [
            pl.Series(f"{side}_goals", chance.binomial(on_target, 0.3)),
            pl.Series(f"{side}_shots", shots),
            pl.Series(f"{side}_shots_on_target", on_target),
            *(
                pl.Series(f"{side}_{name}", chance.poisson(mean, n_matches))
                for name, mean in (("corners", 5), ("fouls", 11), ("yellow_cards", 2), ("red_cards", 0.1))
            ),
        ]
    is_known = pl.Series("is_known", chance.random(n_matches) > 0.03)
    return frame.with_columns(
        pl.col("kick_off_utc").dt.replace_time_zone("UTC"),
        pl.format("Team {}", "home_team_id").alias("home_team"),
        pl.format("Team {}", "away_team_id").alias("away_team"),
        *(
            pl.when(is_known | series.name.endswith("_goals")).then(series).cast(pl.Int16).alias(series.name)
            for series in counts
        ),
    )


def _round_robin(teams: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Home, away and round of a double round robin by the circle method; every team plays once in every round."""
    circle, pairs = list(range(teams)), []
    for turn in range(teams - 1):
        halves = zip(circle[: teams // 2], reversed(circle[teams // 2 :]), strict=True)
        pairs += [(turn, *(pair if (turn + place) % 2 else pair[::-1])) for place, pair in enumerate(halves)]
        circle = [circle[0], circle[-1], *circle[1:-1]]
    first = np.array(pairs)
    both = np.concatenate([first, first[:, [0, 2, 1]] + [teams - 1, 0, 0]])
    return both[:, 1], both[:, 2], both[:, 0]


def polars_rows(matches: pl.DataFrame) -> pl.DataFrame:
    """The peer: team rows by rolling expressions over each team's matches, shifted by one, home team first."""

    def side(own: str, other: str) -> pl.LazyFrame:
        goals, conceded = pl.col(f"{own}_goals"), pl.col(f"{other}_goals")
        return matches.lazy().select(
            "match_id",
            "kick_off_utc",
            pl.col(f"{own}_team_id").alias("team_id"),
            pl.lit(own == "home").alias("is_home"),
            goals.alias("goals_for"),
            conceded.alias("goals_against"),
            (3 * (goals > conceded) + (goals == conceded)).cast(pl.Int16).alias("points"),
            *(
                pl.col(f"{which}_{count}").alias(f"{count}_{name}")
                for count in ("shots", "shots_on_target")
                for name, which in (("for", own), ("against", other))
            ),
        )

    means = [
        pl.col(name).rolling_mean(window, min_samples=1).shift(1).over("team_id").alias(f"{name}_{window}")
        for window in WINDOWS
        for name in STATISTICS
    ]
    rows = pl.concat([side("home", "away"), side("away", "home")])
    by_team = rows.sort("team_id", "kick_off_utc").with_columns(means)
    in_order = by_team.sort("kick_off_utc", "match_id", "is_home", descending=[False, False, True])
    return in_order.select("match_id", "is_home", *COLUMNS).collect()


def kernel_values(matches: pl.DataFrame, params: FeatureParams) -> Floats:
    """The kernel and the border to it, without the checks of the public function: ``(feature, team row)``."""
    rows = matches.sort("kick_off_utc", "match_id")
    team_ids = np.unique(np.concatenate([rows["home_team_id"].to_numpy(), rows["away_team_id"].to_numpy()]))
    seasons = tuple(rows["season"].cast(pl.Int64).unique().sort())
    state = TeamState.blank(params).copy_with(dict.fromkeys(team_ids.tolist(), ""), seasons, params)
    values = np.empty((len(team_feature_names(params)), 2 * rows.height))
    arrays = match_arrays(rows, state.team_ids, seasons, with_results=True)
    replay(arrays, state.arrays, rating_settings(params), values)
    return values


def check_equal(matches: pl.DataFrame, params: FeatureParams) -> float:
    """Largest difference of all rolling means; the same rows must be unknown to both, and the build equal to both."""
    theirs = polars_rows(matches).select(COLUMNS).to_numpy()
    positions = [team_feature_names(params).index(name) for name in COLUMNS]
    ours = kernel_values(matches, params)[positions].T
    built = build_team_features(matches, params).team_features.select(COLUMNS).to_numpy()
    require(np.array_equal(built, ours, equal_nan=True), "the kernel and build_team_features")
    require(np.array_equal(np.isnan(ours), np.isnan(theirs)), "which rolling means are known")
    largest = float(np.nanmax(np.abs(ours - theirs)))
    require(largest <= TOLERANCE, f"rolling means by up to {largest}")
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--matches", type=int, default=100_000)
    parser.add_argument("--teams", type=int, default=20, help="teams of the league, an even number")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds, of which the quickest counts")
    arguments = parser.parse_args()
    params = load_params().features.model_copy(update={"windows": WINDOWS})
    matches = draw_league(arguments.matches, teams=arguments.teams)
    largest = check_equal(matches, params)  # compiles the kernel too, or loads it
    print(f"{matches.height} matches, {arguments.teams} teams: {len(COLUMNS)} rolling means agree within {largest:.1e}")
    seconds = quickest(
        {
            "polars": lambda: polars_rows(matches),
            "kernel": lambda: kernel_values(matches, params),
            "build": lambda: build_team_features(matches, params),
        },
        rounds=arguments.rounds,
    )
    n_columns = len(team_feature_names(params))
    print(f"polars lazy, {len(COLUMNS)} columns, {pl.thread_pool_size()} threads: {seconds['polars']:.4f} s")
    print(f"kernel, {n_columns} columns, 1 thread: {seconds['kernel']:.4f} s")
    print(f"build_team_features, checked and as a frame, {n_columns} columns: {seconds['build']:.4f} s")
    report(
        {
            "kernel_vs_polars": seconds["polars"] / seconds["kernel"],
            "build_vs_polars": seconds["polars"] / seconds["build"],
            "match_rows_per_second": matches.height / seconds["kernel"],
            "polars_seconds": seconds["polars"],
            "kernel_seconds": seconds["kernel"],
            "build_seconds": seconds["build"],
        }
    )


if __name__ == "__main__":
    main()
