"""Pandera schemas of the tables between the warehouse and the model: names, dtypes, keys, ranges, cross-column rules.

The schema of a table is built once here and used by its gate, by the asset's column metadata and by tests.
"""

from collections.abc import Collection, Sequence
from copy import copy
from functools import lru_cache

import pandera.polars as pa
import polars as pl

from match_assets.gates.verdict import row_rule

UTC = pl.Datetime("us", "UTC")
GOALS = pa.Check.in_range(0, 30)
COUNT = pa.Check.in_range(0, 150)
# the source's ids are above zero, those of matches and teams that only a file names below
AN_ID = pa.Check.ne(0)
MATCH_KEYS = {
    "match_id": pa.Column(pl.Int64, AN_ID),
    "tournament": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
    "season": pa.Column(pl.String, pa.Check.str_matches(r"^\d{4}$")),
}
KICK_OFF = {"kick_off_utc": pa.Column(UTC), "is_kick_off_time_known": pa.Column(pl.Boolean)}
TEAMS = {
    "home_team_id": pa.Column(pl.Int64, AN_ID),
    "away_team_id": pa.Column(pl.Int64, AN_ID),
    "home_team": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
    "away_team": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
}
STATISTICS = ("shots", "shots_on_target", "corners", "fouls", "yellow_cards", "red_cards")
HALF_TIME = {
    "home_goals_half_time": pa.Column(pl.Int16, GOALS, nullable=True),
    "away_goals_half_time": pa.Column(pl.Int16, GOALS, nullable=True),
}
TWO_TEAMS = row_rule("two different teams", pl.col("home_team_id") != pl.col("away_team_id"))
HALF_TIME_FITS = row_rule(
    "half-time goals within full-time goals",
    (pl.col("home_goals_half_time") <= pl.col("home_goals")) & (pl.col("away_goals_half_time") <= pl.col("away_goals")),
)
KNOWN_STATUS = (1, 2, 3, 4, 5, 6, 7, 8)


KICK_OFF_IN_SEASON = "kick-off within the season's years"
RESULT_WHEN_FINISHED = "only a finished match has goals"


def _in_season(season: str) -> pa.Check:
    """A season is named by the year it begins in, and ends in that year or the next; it may be late by some months."""
    years = pl.col("kick_off_utc").dt.year()
    return row_rule(KICK_OFF_IN_SEASON, (years >= int(season)) & (years <= int(season) + 1))


def _season_matches(tournament: str, season: str) -> pa.Check:
    return row_rule(
        "rows belong to their partition", (pl.col("tournament") == tournament) & (pl.col("season") == season)
    )


def raw_matches(tournament: str, season: str) -> pa.DataFrameSchema:
    """Matches as scraped, whatever their status."""
    scores = {name: pa.Column(pl.Int16, GOALS, nullable=True) for name in ("home_goals", "away_goals")}
    columns = {
        **MATCH_KEYS,
        "stage_id": pa.Column(pl.Int64),
        **KICK_OFF,
        "status": pa.Column(pl.Int16, pa.Check.isin(KNOWN_STATUS, name="known status")),
        "elapsed": pa.Column(pl.String, nullable=True),
        **TEAMS,
        **scores,
        **HALF_TIME,
    }
    finished_has_score = row_rule(
        "a finished match has a score",
        (pl.col("status") != 6)
        | pl.col("elapsed").is_in(["AET", "PEN"])  # the score after ninety minutes is not on the feed
        | (pl.col("home_goals").is_not_null() & pl.col("away_goals").is_not_null()),
    )
    only_finished = row_rule(
        RESULT_WHEN_FINISHED,
        (pl.col("status") == 6) | (pl.col("home_goals").is_null() & pl.col("away_goals").is_null()),
    )
    both_sides = row_rule("a score has two sides", pl.col("home_goals").is_null() == pl.col("away_goals").is_null())
    own = [_season_matches(tournament, season), _in_season(season), TWO_TEAMS]
    checks = [*own, HALF_TIME_FITS, finished_has_score, only_finished, both_sides]
    return pa.DataFrameSchema(columns, checks=checks, strict=True, ordered=True, unique=["match_id"])


def raw_match_stats() -> pa.DataFrameSchema:
    """Statistics of each side as scraped; null is unknown, zero is zero."""
    columns = {
        "match_id": pa.Column(pl.Int64, AN_ID),
        "team_id": pa.Column(pl.Int64, AN_ID),
        "is_home": pa.Column(pl.Boolean),
        **{name: pa.Column(pl.Int16, COUNT, nullable=True) for name in STATISTICS},
    }
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=["match_id", "is_home"])


def raw_match_stats_warnings() -> pa.DataFrameSchema:
    """What is odd but occurs: a few real rows have more shots on target than shots, or lack a single count."""
    on_target = row_rule("shots on target within shots", pl.col("shots_on_target") <= pl.col("shots"))
    n_unknown = pl.sum_horizontal(pl.col(name).is_null() for name in STATISTICS)
    all_there = row_rule("every count is there", n_unknown == 0)
    return pa.DataFrameSchema({}, checks=[on_target, all_there])


def finished_matches(tournament: str, season: str) -> pa.DataFrameSchema:
    """Results with the statistics of both sides."""
    sides = [f"{side}_{name}" for name in STATISTICS for side in ("home", "away")]
    columns = {
        **MATCH_KEYS,
        **KICK_OFF,
        **TEAMS,
        "home_goals": pa.Column(pl.Int16, GOALS),
        "away_goals": pa.Column(pl.Int16, GOALS),
        **HALF_TIME,
        "is_walkover": pa.Column(pl.Boolean),
        **{name: pa.Column(pl.Int16, COUNT, nullable=True) for name in sides},
    }
    checks = [_season_matches(tournament, season), _in_season(season), TWO_TEAMS, HALF_TIME_FITS]
    return pa.DataFrameSchema(columns, checks=checks, strict=True, ordered=True, unique=["match_id"])


def finished_matches_warnings() -> pa.DataFrameSchema:
    """Odd but real: on-target shots above shots, goals above shots."""
    checks = [
        row_rule(f"{side} {small.replace('_', ' ')} within shots", pl.col(f"{side}_{small}") <= pl.col(f"{side}_shots"))
        for side in ("home", "away")
        for small in ("shots_on_target", "goals")
    ]
    return pa.DataFrameSchema({}, checks=checks)


def upcoming_matches(tournament: str, season: str) -> pa.DataFrameSchema:
    """Fixtures that are known and not yet played."""
    columns = {
        **MATCH_KEYS,
        **KICK_OFF,
        **TEAMS,
        "status_name": pa.Column(pl.String, pa.Check.isin(("scheduled", "postponed"))),
    }
    checks = [_season_matches(tournament, season), TWO_TEAMS]
    return pa.DataFrameSchema(columns, checks=checks, strict=True, ordered=True, unique=["match_id"])


def _features(names: Sequence[str], never_null: Collection[str]) -> dict[str, pa.Column]:
    """Columns of features; that their values are finite and of their unit's range is said by ``gates.values``."""
    return {name: pa.Column(pl.Float64, nullable=name not in never_null) for name in names}


def _of_partition(wide: pa.DataFrameSchema, checks: Sequence[pa.Check]) -> pa.DataFrameSchema:
    """The schema with the checks of one partition.

    Pandera copies each column of a schema that it builds, which takes longer for hundreds of them than judging a season.
    """
    own = copy(wide)
    own.checks = list(checks)
    return own


@lru_cache(maxsize=32)
def _team_match_features(names: tuple[str, ...], never_null: frozenset[str]) -> pa.DataFrameSchema:
    columns = {
        **MATCH_KEYS,
        "kick_off_utc": pa.Column(UTC),
        "team_id": pa.Column(pl.Int64, AN_ID),
        "opponent_id": pa.Column(pl.Int64, AN_ID),
        "is_home": pa.Column(pl.Boolean),
        **_features(names, never_null),
    }
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=["match_id", "is_home"])


def team_match_features(
    tournament: str, season: str, feature_names: Sequence[str], never_null: Collection[str] = ()
) -> pa.DataFrameSchema:
    """One row per team and match; those features that are always known are never null."""
    opponents = row_rule("two different teams", pl.col("team_id") != pl.col("opponent_id"))
    wide = _team_match_features(tuple(feature_names), frozenset(never_null))
    return _of_partition(wide, [_season_matches(tournament, season), opponents])


@lru_cache(maxsize=32)
def _match_features(names: tuple[str, ...], never_null: frozenset[str]) -> pa.DataFrameSchema:
    columns = {
        **MATCH_KEYS,
        "kick_off_utc": pa.Column(UTC),
        "home_team_id": pa.Column(pl.Int64, AN_ID),
        "away_team_id": pa.Column(pl.Int64, AN_ID),
        **{side: pa.Column(pl.String, pa.Check.str_length(min_value=1)) for side in ("home_team", "away_team")},
        **_features(names, never_null),
    }
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=["match_id"])


def match_features(
    tournament: str, season: str, feature_names: Sequence[str], never_null: Collection[str] = ()
) -> pa.DataFrameSchema:
    """One row per fixture, ready for lookup."""
    wide = _match_features(tuple(feature_names), frozenset(never_null))
    return _of_partition(wide, [_season_matches(tournament, season), TWO_TEAMS])


def team_state(tournament: str) -> pa.DataFrameSchema:
    """One row per team: its identity is checked here, the rest of the columns is the features' own affair."""
    columns = {
        "tournament": pa.Column(pl.String, pa.Check.eq(tournament)),
        "team_id": pa.Column(pl.Int64, AN_ID),
        "team_name": pa.Column(pl.String, nullable=True),
    }
    return pa.DataFrameSchema(columns, unique=["team_id"])


def temporal_split(feature_names: Sequence[str]) -> pa.DataFrameSchema:
    """Rows of a cut-off: identity, role, outcome, features."""
    columns = {
        **MATCH_KEYS,
        "kick_off_utc": pa.Column(UTC),
        "home_team_id": pa.Column(pl.Int64, AN_ID),
        "away_team_id": pa.Column(pl.Int64, AN_ID),
        "role": pa.Column(pl.String, pa.Check.isin(("fit", "calibration", "holdout"))),
        "validation_fold": pa.Column(pl.Int8, pa.Check.ge(0), nullable=True),
        "home_goals": pa.Column(pl.Int16, GOALS),
        "away_goals": pa.Column(pl.Int16, GOALS),
        **_features(feature_names, frozenset()),
    }
    return pa.DataFrameSchema(columns, checks=[TWO_TEAMS], strict=True, ordered=True, unique=["match_id"])


SHARE = pa.Check.in_range(0.0, 1.0)
# means over matches: the squared distance to one of three outcomes is 2 at most, and no forecast is below a millionth
SCORES = {
    "rps": pa.Column(pl.Float64, SHARE),
    "log_loss": pa.Column(pl.Float64, pa.Check.in_range(0.0, 14.0)),
    "brier": pa.Column(pl.Float64, pa.Check.in_range(0.0, 2.0)),
    "accuracy": pa.Column(pl.Float64, SHARE),
    "ece": pa.Column(pl.Float64, SHARE),
    "n": pa.Column(pl.Float64, pa.Check.ge(1.0)),
}
SHA256 = pa.Check.str_matches(r"^[0-9a-f]{64}$")
VERSION = pa.Check.str_matches(r"^[1-9]\d*$")


def baseline_models(names: Collection[str]) -> pa.DataFrameSchema:
    """Scores of each baseline on the folds and on the hold-out."""
    columns = {
        "baseline": pa.Column(pl.String, pa.Check.isin(sorted(names))),
        "part": pa.Column(pl.String, pa.Check.isin(("validation", "holdout"))),
        **SCORES,
    }
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=["baseline", "part"])


def ablation_study() -> pa.DataFrameSchema:
    """What the trees lose without each group of features."""
    columns = {
        "group": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "n_features": pa.Column(pl.Int64, pa.Check.ge(1)),
        "rps": pa.Column(pl.Float64, SHARE),
        "delta_rps": pa.Column(pl.Float64, pa.Check.in_range(-1.0, 1.0)),
        "standard_error": pa.Column(pl.Float64, SHARE),
    }
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=["group"])


def tuned_parameters(max_rounds: int) -> pa.DataFrameSchema:
    """Trials of the search; one that failed has neither score nor rounds."""
    columns = {
        "trial": pa.Column(pl.Int64, pa.Check.ge(0)),
        "rps": pa.Column(pl.Float64, SHARE, nullable=True),
        "rounds": pa.Column(pl.Int64, pa.Check.in_range(1, max_rounds), nullable=True),
        "record": pa.Column(pl.String, pa.Check.str_length(min_value=2)),
    }
    together = row_rule("rounds where there is a score", pl.col("rps").is_null() == pl.col("rounds").is_null())
    return pa.DataFrameSchema(columns, checks=[together], strict=True, ordered=True, unique=["trial"])


def calibrated_model(files: Collection[str]) -> pa.DataFrameSchema:
    """A model's files."""
    columns = {"name": pa.Column(pl.String, pa.Check.isin(sorted(files))), "content": pa.Column(pl.Binary)}
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=["name"])


def registered_model(cutoff: str) -> pa.DataFrameSchema:
    """The version that a cut-off's model has in the registry, and what is said of it there."""
    columns = {
        "version": pa.Column(pl.String, VERSION),
        "cutoff": pa.Column(pl.String, pa.Check.eq(cutoff)),
        "model_sha256": pa.Column(pl.String, SHA256),
        "feature_version": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "n_features": pa.Column(pl.Int64, pa.Check.ge(1)),
        "holdout_rps": pa.Column(pl.Float64, SHARE),
        "holdout_n": pa.Column(pl.Float64, pa.Check.ge(1.0)),
    }
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=["cutoff"])


def promotion_decision(cutoff: str, metric: str) -> pa.DataFrameSchema:
    """Whether a cut-off's model takes the champion's place, and the numbers that say so."""
    challenger, champion, frequency = pl.col("challenger"), pl.col("champion"), pl.col("frequency")
    was_champion = pl.col("version").eq_missing(pl.col("incumbent_version"))
    columns = {
        "cutoff": pa.Column(pl.String, pa.Check.eq(cutoff)),
        "version": pa.Column(pl.String, VERSION),
        "promote": pa.Column(pl.Boolean),
        "reason": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "metric": pa.Column(pl.String, pa.Check.eq(metric)),
        # a number that is missing is a reason for refusal
        "challenger": pa.Column(pl.Float64, nullable=True),
        "champion": pa.Column(pl.Float64, nullable=True),
        "frequency": pa.Column(pl.Float64, nullable=True),
        "n": pa.Column(pl.Int64, pa.Check.ge(0)),
        "incumbent_version": pa.Column(pl.String, VERSION, nullable=True),
    }
    is_better = challenger.is_not_null() & (challenger < frequency) & (champion.is_null() | (challenger < champion))
    borne = row_rule(
        "the numbers bear the decision", ~pl.col("promote") | was_champion | is_better.fill_null(value=False)
    )
    return pa.DataFrameSchema(columns, checks=[borne], strict=True, ordered=True, unique=["cutoff"])


def catalogue() -> pa.DataFrameSchema:
    """Seasons of a tournament."""
    columns = {
        "season": pa.Column(pl.String, pa.Check.str_matches(r"^\d{4}$")),
        "season_id": pa.Column(pl.Int64, pa.Check.gt(0)),
        "name": pa.Column(pl.String, pa.Check.str_length(min_value=4)),
    }
    return pa.DataFrameSchema(columns, strict=True, unique=["season_id"])
