"""The public functions: features of played matches, of fixtures, and both teams of a match in one row.

All take frames in any row order and return new ones in the order that they state; none changes an argument.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from match_assets.config import FeatureParams
from match_assets.errors import DataError, SchemaMismatchError, UnknownTeamError
from match_assets.features.frames import (
    FIXTURES,
    RESULTS,
    TEAM_KEYS,
    WIDE_KEYS,
    Schema,
    checked,
    checked_matches,
    feature_columns,
    match_arrays,
    refuse_clashes,
)
from match_assets.features.layout import KNOWN_UNTIL, NEVER, Floats, Ints
from match_assets.features.registry import (
    feature_version,
    match_feature_names,
    team_feature_names,
)
from match_assets.features.rows import match_rows, places, team_rows
from match_assets.features.state import TeamState


@dataclass(frozen=True, eq=False)
class FeatureBuild:
    """Rows of played matches and the state after the newest of them."""

    team_features: pl.DataFrame
    state: TeamState


def team_features_schema(params: FeatureParams) -> Schema:
    """Columns and types of ``team_match_features``."""
    return {**TEAM_KEYS, **dict.fromkeys(team_feature_names(params), pl.Float64())}


def match_features_schema(params: FeatureParams) -> Schema:
    """Columns and types of a match feature row."""
    return {**WIDE_KEYS, **dict.fromkeys(match_feature_names(params), pl.Float64())}


def build_team_features(
    history: pl.DataFrame, params: FeatureParams, *, season: str | None = None, threads: int = 1
) -> FeatureBuild:
    """Both teams of every finished match as they stood before kick-off, by replay of the tournament's history.

    Args:
        history: all ``finished_matches`` of one tournament up to and including the season, in any row order.
        params: windows and ratings.
        season: keep only the rows of this season; the replay and the state still take in everything.
        threads: among which statistics are divided; the values do not depend on it.

    Returns:
        ``team_features`` (``team_features_schema``), sorted by kick-off, match id, home team first, null where unknown;
        and the state after the newest match.

    Raises:
        SchemaMismatchError: a column is missing, of another type, or null where it may not be.
        DuplicateFixtureError: a match stands twice, or a team has two matches at one kick-off.
        DataError: more than one tournament, or a season key that is not a year.
    """
    return advance(TeamState.blank(params), history, params, season=season, threads=threads)


def advance(
    state: TeamState, matches: pl.DataFrame, params: FeatureParams, *, season: str | None = None, threads: int = 1
) -> FeatureBuild:
    """Continue from a state with the matches played since: rows and state are those of a full replay, bit for bit.

    Args:
        state: what is known so far; it stays as it is.
        matches: ``finished_matches`` of the same tournament that the state does not know, in any row order.
        params: the parameters that made the state.
        season: see ``build_team_features``.
        threads: see ``build_team_features``.

    Raises:
        DataError: a match lies before something that the state already knows, or in a season older than the
            newest: only a replay of the history gives the right rows then.
        SchemaMismatchError: also if the state was made by another feature version.
        DuplicateFixtureError: as in ``build_team_features``.
    """
    _refuse_other_version(state, params)
    rows = checked_matches(matches, RESULTS, what="finished_matches")
    _refuse_other_tournament(state, rows)
    seasons = _seasons_of(rows)
    inserted = [year for year in seasons if state.seasons and year not in state.seasons and year < state.seasons[-1]]
    if inserted:
        raise DataError(
            f"season {inserted[0]} is older than {state.season}, which the state already knows; "
            "replay the whole history instead",
            season=inserted[0],
        )
    after = state.copy_with(_names_of(rows), seasons, params)
    after = TeamState(
        state.tournament or (rows["tournament"][0] if rows.height else ""),
        after.seasons,
        after.team_ids,
        after.team_names,
        after.feature_version,
        after.arrays,
    )
    arrays = match_arrays(rows, after.team_ids, after.seasons, with_results=True)
    refuse_clashes(rows, arrays, after.team_ids, what="finished_matches")
    _refuse_the_past(state, arrays.read_time, rows)
    values = team_rows(arrays, after.arrays, places(params), threads=threads)
    if season is None or seasons == (int(season),):
        return FeatureBuild(_team_frame(rows, values, params), after)
    kept = (rows["season"] == season).arg_true().to_numpy()
    return FeatureBuild(
        _team_frame(rows[kept], values[:, np.repeat(2 * kept, 2) + np.tile([0, 1], kept.size)], params), after
    )


def fixture_team_features(
    state: TeamState, fixtures: pl.DataFrame, params: FeatureParams, *, allow_unknown: bool = False
) -> pl.DataFrame:
    """Both teams of fixtures as they stand now: the rows that the batch would write if nothing else were played before.

    Args:
        state: what is known; it stays as it is.
        fixtures: ``match_id``, ``tournament``, ``season``, ``kick_off_utc``, ``is_kick_off_time_known``,
            ``home_team_id``, ``away_team_id``, of the state's tournament, in any row order. One that still stands at a
            date before its team's newest match (postponed) is read from the same state, with unknown rest.
        params: the parameters that made the state.
        allow_unknown: give teams that the tournament has never seen the prior of promoted teams.

    Returns:
        ``team_features_schema``, sorted by kick-off, match id, home team first.

    Raises:
        UnknownTeamError: a team that the state does not know, unless ``allow_unknown``.
        SchemaMismatchError: a column is missing or of another type, or the state is of another feature version.
        DuplicateFixtureError: a match stands twice, or a team plays itself.
        DataError: another tournament than the state's.
    """
    _refuse_other_version(state, params)
    rows = checked_matches(fixtures, FIXTURES, what="fixtures")
    _refuse_other_tournament(state, rows)
    team_ids = np.unique(np.concatenate([rows["home_team_id"].to_numpy(), rows["away_team_id"].to_numpy()]))
    unknown = np.setdiff1d(team_ids, state.team_ids).tolist()
    if unknown and not allow_unknown:
        raise UnknownTeamError(
            f"no team {unknown[0]} in {state.tournament or 'this tournament'}; its teams are listed in team_state",
            team_ids=unknown,
            tournament=state.tournament,
        )
    # newer seasons are put behind those that are known; this is not remembered, for nothing was played in them
    seasons = tuple(sorted({*state.seasons, *_seasons_of(rows)}))
    known = state.copy_with(dict.fromkeys(unknown, ""), (), params) if unknown else state
    arrays = match_arrays(rows, known.team_ids, seasons, with_results=False)
    return _team_frame(rows, team_rows(arrays, known.arrays, places(params)), params)


def assemble_match_features(team_features: pl.DataFrame, params: FeatureParams) -> pl.DataFrame:
    """Both teams of a match in one row, with the differences and what the ratings expect: the row that a model takes.

    Args:
        team_features: ``team_features_schema`` with both teams of every match, in any row order.
        params: the parameters that made it.

    Returns:
        ``match_features_schema``, sorted by kick-off and match id; a difference is null where either side is.

    Raises:
        SchemaMismatchError: a column is missing or of another type.
        DataError: a match without exactly one home and one away team.
    """
    rows = checked_team_features(team_features, params)
    keys = rows.select("match_id", "is_home")
    if keys.is_duplicated().any() or keys["match_id"].n_unique() * 2 != keys.height:
        raise DataError("team_match_features: each match needs one row of its home team and one of its away team")
    ordered = rows.sort("kick_off_utc", "match_id")
    home, away = ordered.filter("is_home"), ordered.filter(~pl.col("is_home"))
    columns = [*home.select(list(WIDE_KEYS)[:4]), home["team_id"].alias("home_team_id")]
    columns.append(away["team_id"].alias("away_team_id"))
    names = team_feature_names(params)
    values = np.empty((len(names), 2 * home.height))
    values[:, 0::2], values[:, 1::2] = (_unknown_as_nan(side, names) for side in (home, away))
    columns += feature_columns(match_feature_names(params), match_rows(values, places(params)))
    return pl.DataFrame(columns)


def checked_team_features(rows: pl.DataFrame, params: FeatureParams, *, made_by: str = "unknown") -> pl.DataFrame:
    """Team features with the columns that these parameters give, in their order.

    Args:
        rows: as stored.
        params: of this process.
        made_by: code version of the stage that stored them, for the message.

    Raises:
        SchemaMismatchError: a column is missing or of another type; the message names it and both versions.
    """
    what = (
        f"team_match_features of code version {made_by} (this process reads feature version {feature_version(params)})"
    )
    return checked(rows, team_features_schema(params), what=what, may_be_null=frozenset(team_feature_names(params)))


def _unknown_as_nan(side: pl.DataFrame, names: list[str]) -> Floats:
    """(names, n)."""
    return side.select(pl.col(names).fill_null(np.nan)).to_numpy().T


def _team_frame(rows: pl.DataFrame, values: Floats, params: FeatureParams) -> pl.DataFrame:
    """Keys and features, two rows a match: the order of the kernel's columns."""
    twice = np.repeat(np.arange(rows.height), 2)
    is_home = np.arange(2 * rows.height) % 2 == 0
    keys = rows[twice].with_columns(is_home=pl.Series(is_home, dtype=pl.Boolean))
    home, away = pl.col("home_team_id"), pl.col("away_team_id")
    keys = keys.select(
        *list(TEAM_KEYS)[:4],
        team_id=pl.when("is_home").then(home).otherwise(away),
        opponent_id=pl.when("is_home").then(away).otherwise(home),
        is_home="is_home",
    )
    return keys.with_columns(feature_columns(team_feature_names(params), values))


def _seasons_of(rows: pl.DataFrame) -> tuple[int, ...]:
    return tuple(rows["season"].cast(pl.Int64).unique().sort())


def _names_of(rows: pl.DataFrame) -> dict[int, str]:
    """Newest name of each team; ``rows`` are in order of kick-off."""
    sides = [rows.select("kick_off_utc", id=f"{side}_team_id", name=f"{side}_team") for side in ("home", "away")]
    newest = pl.concat(sides).sort("kick_off_utc", maintain_order=True).group_by("id").agg(pl.col("name").last())
    return dict(newest.iter_rows())


def _refuse_other_version(state: TeamState, params: FeatureParams) -> None:
    version = feature_version(params)
    if state.feature_version != version:
        raise SchemaMismatchError(
            f"team_state is of feature version {state.feature_version}, this process reads {version}; "
            "materialise team_state again",
            column="feature_version",
            expected=version,
            found=state.feature_version,
        )


def _refuse_other_tournament(state: TeamState, rows: pl.DataFrame) -> None:
    other = rows.filter(pl.col("tournament") != state.tournament) if state.tournament else rows.clear()
    if other.height:
        raise DataError(
            f"match {other['match_id'][0]} is of {other['tournament'][0]}, the state of {state.tournament}",
            match_id=other["match_id"][0],
            tournament=state.tournament,
        )


def _refuse_the_past(state: TeamState, read_time: Ints, rows: pl.DataFrame) -> None:
    """A row reads other teams too (the table), so it must lie after all that is known, whoever played it."""
    known_until = state.arrays.counters[:, KNOWN_UNTIL]
    late = read_time <= (known_until.max() if known_until.size else NEVER)
    if late.any():
        match_id = rows["match_id"][int(np.flatnonzero(late)[0])]
        raise DataError(
            f"match {match_id} kicked off at or before a match that the state already knows; "
            "replay the whole history instead",
            match_id=match_id,
        )
