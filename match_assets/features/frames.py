"""The border between frames and kernels: which columns and types are expected, and frames as sorted arrays."""

from collections.abc import Container
from functools import lru_cache

import numpy as np
import polars as pl

from match_assets.config import FeatureParams
from match_assets.errors import DataError, DuplicateFixtureError, SchemaMismatchError
from match_assets.features.layout import MISSING, N_COUNTS, Floats, Ints, MatchArrays, Settings, SmallInts
from match_assets.features.ledger import first_clash, ordered_events

KICK_OFF = pl.Datetime("us", "UTC")
Schema = dict[str, pl.DataType]

MATCH_KEYS: Schema = {
    "match_id": pl.Int64(),
    "tournament": pl.String(),
    "season": pl.String(),
    "kick_off_utc": KICK_OFF,
}
FIXTURES: Schema = {
    **MATCH_KEYS,
    "is_kick_off_time_known": pl.Boolean(),
    "home_team_id": pl.Int64(),
    "away_team_id": pl.Int64(),
}
# counts of one side in the order of layout.GOALS and its neighbours; cards are yellow and red together
SIDE_COUNTS = ("goals", "shots", "shots_on_target", "corners", "fouls", "yellow_cards", "red_cards")
RESULTS: Schema = {
    **FIXTURES,
    "home_team": pl.String(),
    "away_team": pl.String(),
    "is_walkover": pl.Boolean(),
    **{f"{side}_{count}": pl.Int16() for side in ("home", "away") for count in SIDE_COUNTS},
}
NULLABLE = frozenset(f"{side}_{count}" for side in ("home", "away") for count in SIDE_COUNTS[1:])
TEAM_KEYS: Schema = {**MATCH_KEYS, "team_id": pl.Int64(), "opponent_id": pl.Int64(), "is_home": pl.Boolean()}
WIDE_KEYS: Schema = {**MATCH_KEYS, "home_team_id": pl.Int64(), "away_team_id": pl.Int64()}

DAY_MICROSECONDS = 86_400_000_000


def checked(frame: pl.DataFrame, schema: Schema, *, what: str, may_be_null: Container[str] = NULLABLE) -> pl.DataFrame:
    """The columns of ``schema``, in its order.

    Raises:
        SchemaMismatchError: a column is missing, of another type, or null where it may not be.
    """
    found = frame.schema  # polars makes it anew each time it is asked for
    for name, dtype in schema.items():
        if name not in found:
            raise SchemaMismatchError(
                f"{what}: column {name} is missing; build this frame again with the present version",
                column=name,
                expected=str(dtype),
                found=None,
            )
        if found[name] != dtype:
            raise SchemaMismatchError(
                f"{what}: column {name} is {found[name]}, expected {dtype}; build this frame again with the "
                "present version",
                column=name,
                expected=str(dtype),
                found=str(found[name]),
            )
        if name not in may_be_null and frame[name].null_count():
            raise SchemaMismatchError(
                f"{what}: column {name} is null in {frame[name].null_count()} rows; its gate should have refused them",
                column=name,
                expected=f"{dtype}, never null",
                found="null",
            )
    return frame.select(schema.keys())


def checked_matches(frame: pl.DataFrame, schema: Schema, *, what: str) -> pl.DataFrame:
    """Matches or fixtures of one tournament in frame order: kick-off, then match id.

    Raises:
        SchemaMismatchError: see ``checked``.
        DuplicateFixtureError: a match stands twice, or a team plays itself.
        DataError: more than one tournament, or a season key that is not a year.
    """
    matches = _in_order(checked(frame, schema, what=what))
    tournaments = matches["tournament"].unique().sort().to_list()
    if len(tournaments) > 1:
        raise DataError(f"{what}: one tournament at a time, found {', '.join(tournaments)}", tournaments=tournaments)
    seasons = matches["season"].unique().sort()
    not_years = seasons.filter(~seasons.str.contains(r"^\d{4}$")).to_list()
    if not_years:
        raise DataError(f"{what}: season {not_years[0]!r} is not a year such as '2024'", seasons=not_years)
    is_alone = matches["home_team_id"] == matches["away_team_id"]
    if is_alone.any() or matches["match_id"].n_unique() < matches.height:
        match_id = matches.filter(is_alone | matches["match_id"].is_duplicated())["match_id"][0]
        raise DuplicateFixtureError(
            f"{what}: match {match_id} stands in more than one row, or its team plays itself; mend the source rows",
            match_id=match_id,
        )
    return matches


def _in_order(matches: pl.DataFrame) -> pl.DataFrame:
    """Sorted by kick-off and match id; looking costs a tenth of sorting what is sorted already."""
    times, ids = matches["kick_off_utc"].to_physical().to_numpy(), matches["match_id"].to_numpy()
    later, same = times[1:] > times[:-1], times[1:] == times[:-1]
    is_sorted = bool((later | (same & (ids[1:] > ids[:-1]))).all())
    return matches if is_sorted else matches.sort("kick_off_utc", "match_id")


def refuse_clashes(matches: pl.DataFrame, arrays: MatchArrays, team_ids: Ints, *, what: str) -> None:
    """Played matches only: several fixtures without a time may well stand at one provisional date.

    Raises:
        DuplicateFixtureError: a team has two matches at one kick-off.
    """
    clash = first_clash(arrays, team_ids.size)
    if clash[0] >= 0:
        team_id, ids = int(team_ids[clash[2]]), [matches["match_id"][int(place)] for place in clash[:2]]
        raise DuplicateFixtureError(
            f"{what}: team {team_id} has two matches at one kick-off (matches {ids[0]} and {ids[1]}); "
            "mend the source rows",
            team_id=team_id,
            match_ids=ids,
        )


def read_time() -> pl.Expr:
    """Time before which a row may know: the kick-off, or the start of its day (UTC) where the time is unknown."""
    return (
        pl.when("is_kick_off_time_known")
        .then("kick_off_utc")
        .otherwise(pl.col("kick_off_utc").dt.truncate("1d"))
        .alias("read_time")
    )


def effect_time() -> pl.Expr:
    """Time after which a result is known to others: the kick-off, or the last microsecond of its day (UTC)."""
    last = pl.duration(microseconds=DAY_MICROSECONDS - 1)
    return pl.when("is_kick_off_time_known").then("kick_off_utc").otherwise(read_time() + last).alias("effect_time")


def match_arrays(matches: pl.DataFrame, team_ids: Ints, seasons: tuple[int, ...], *, with_results: bool) -> MatchArrays:
    """Checked matches as the kernel takes them.

    Args:
        matches: result of ``checked_matches``; with ``RESULTS`` if ``with_results``.
        team_ids: all teams concerned, ascending.
        seasons: the tournament's seasons, ascending.
        with_results: whether the kernel may apply the results.
    """
    times = matches.select(read_time().to_physical(), effect_time().to_physical())
    reads, effects = _owned(times["read_time"]), _owned(times["effect_time"])
    applying = _stable_order(effects) if with_results else np.zeros(0, np.int64)
    return MatchArrays(
        read_time=reads,
        effect_time=effects,
        season=_positions(np.array(seasons, np.int64), matches["season"].cast(pl.Int64)),
        home=_positions(team_ids, matches["home_team_id"]),
        away=_positions(team_ids, matches["away_team_id"]),
        is_walkover=matches["is_walkover"].to_numpy().copy() if with_results else np.zeros(0, np.bool_),
        counts=_counts(matches) if with_results else np.zeros((0, 2, N_COUNTS), np.int32),
        events=ordered_events(reads, effects, _stable_order(reads), applying),
    )


@lru_cache(maxsize=8)
def kernel_settings(params: FeatureParams) -> Settings:
    """The parameters as the kernel takes them."""
    return Settings(
        windows=np.array(params.windows, np.int64),
        congestion=np.array(params.congestion_days, np.int64) * DAY_MICROSECONDS,
        weighted_decay=float(0.5 ** (1.0 / params.weighted_half_life)),
        rest_days_cap=float(params.rest_days_cap),
        elo_initial=float(params.elo.initial),
        elo_promoted=float(params.elo.promoted),
        elo_k_factor=float(params.elo.k_factor),
        elo_margin_exponent=float(params.elo.margin_exponent),
        elo_home_advantage=float(params.elo.home_advantage),
        elo_season_regression=float(params.elo.season_regression),
        pi_lambda=float(params.pi.lambda_),
        pi_gamma=float(params.pi.gamma),
        pi_promoted=float(params.pi.promoted),
        pi_season_regression=float(params.pi.season_regression),
        learning_rate=float(params.attack_defence.learning_rate),
        prior_goals=float(params.attack_defence.prior_goals),
        prior_shots_on_target=float(params.attack_defence.prior_shots_on_target),
        log_home_advantage=float(params.attack_defence.home_advantage),
        strength_promoted=float(params.attack_defence.promoted),
        strength_season_regression=float(params.attack_defence.season_regression),
    )


def feature_columns(names: list[str], values: Floats) -> list[pl.Series]:
    """Rows of ``values`` (feature, row) as Float64 columns with null for NaN."""
    return [pl.Series(name, row, dtype=pl.Float64, nan_to_null=True) for name, row in zip(names, values, strict=True)]


def _counts(matches: pl.DataFrame) -> SmallInts:
    counts = np.empty((matches.height, 2, N_COUNTS), np.int32)
    for venue, side in enumerate(("home", "away")):
        columns = [pl.col(f"{side}_{name}").cast(pl.Int32) for name in SIDE_COUNTS]
        known = matches.select(*columns[:5], cards=columns[5] + columns[6]).fill_null(MISSING)
        for place, series in enumerate(known):
            counts[:, venue, place] = series.to_numpy()
    return counts


def _positions(ascending: Ints, values: pl.Series) -> Ints:
    return np.searchsorted(ascending, _owned(values)).astype(np.int64, copy=False)


def _stable_order(times: Ints) -> Ints:
    if (times[1:] >= times[:-1]).all():
        return np.arange(times.size)
    return np.argsort(times, kind="stable").astype(np.int64, copy=False)


def _owned(series: pl.Series) -> Ints:
    """A writable int64 copy: polars hands out read-only views, which numba would compile for a second time."""
    return np.array(series.to_numpy(), dtype=np.int64)
