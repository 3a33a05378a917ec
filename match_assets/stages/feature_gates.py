"""``validate_features``, ``validate_state`` and ``validate_parity``: nothing from the future, and the service's own row."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import polars as pl

from match_assets.config import FeatureParams, Params
from match_assets.errors import DataError
from match_assets.features import (
    FeatureDefinition,
    TeamState,
    advance,
    build_team_features,
    match_feature_definitions,
    match_feature_names,
    team_feature_definitions,
    team_feature_names,
)
from match_assets.features.frames import feature_columns, read_time
from match_assets.features.pairs import PairReader
from match_assets.features.registry import ANY
from match_assets.gates import schemas
from match_assets.gates.distribution import (
    LEAST_SEASONS,
    MOST_SEASONS,
    like_before,
    profile,
    result_columns,
    stretch,
    unlike,
)
from match_assets.gates.values import Bounds, finite, within
from match_assets.gates.verdict import Rule, Verdict, judge
from match_assets.keys import DataKey
from match_assets.stages.base import StageContext
from match_assets.stages.fixtures import fixture_rows
from match_assets.stages.replays import replayed
from match_assets.store import Pointer, Store

ROW = ["match_id", "team_id", "is_home"]
FIXTURE = ["match_id", "home_team", "away_team"]


# -- what the registry says of a column ------------------------------------------------------------------------------------


def _bounds(definitions: Iterable[FeatureDefinition]) -> Bounds:
    """The range of each feature that may not be any number."""
    return {definition.name: definition.within for definition in definitions if definition.within != ANY}


def _never_null(definitions: Iterable[FeatureDefinition]) -> frozenset[str]:
    return frozenset(definition.name for definition in definitions if definition.null_when.startswith("never"))


def null_share(rows: pl.DataFrame, params: Params) -> float:
    """Share of the team features that are unknown."""
    names = team_feature_names(params.features)
    cells = rows.height * len(names)
    return round(sum(rows[name].null_count() for name in names) / cells, 4) if cells else 0.0


# -- validate_features -----------------------------------------------------------------------------------------------------


def _both_sides(results: pl.DataFrame) -> pl.DataFrame:
    """What the keys of the feature rows must be: each result as its two teams see it."""
    sides = [
        results.select(
            "match_id",
            "kick_off_utc",
            team_id=f"{side}_team_id",
            opponent_id=f"{other}_team_id",
            is_home=pl.lit(side == "home"),
        )
        for side, other in (("home", "away"), ("away", "home"))
    ]
    return pl.concat(sides).sort("kick_off_utc", "match_id", "is_home")


def _changed(rows: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """The keys of rows that are not the same in both, with the columns that differ."""
    off = rows.join(again, on=rows.columns, how="anti", nulls_equal=True)
    if off.is_empty():
        return off.select(ROW).with_columns(columns=pl.lit(""))
    beside = off.join(again, on=ROW, how="left", suffix="_again")
    values = [name for name in rows.columns if name not in ROW]
    differs = [
        pl.when(pl.col(name).ne_missing(pl.col(f"{name}_again"))).then(pl.lit(name, pl.String)) for name in values
    ]
    return beside.select(*ROW, columns=pl.concat_str(differs, separator=" ", ignore_nulls=True).str.slice(0, 200))


def _without_the_second_half(context: StageContext, candidate: Pointer, results: pl.DataFrame) -> pl.DataFrame:
    """The rows up to the middle of the season, made from what was played up to then and nothing else."""
    season, params = DataKey.parse(candidate.partition).season, context.params.features
    read, digests = context.store.read_object, list(candidate.inputs.values())
    middle = results["kick_off_utc"].sort()[results.height // 2]
    past = results.filter(pl.col("kick_off_utc") <= middle)
    before = [read(digest) for digest in digests[:-1]]
    ends_before = all(frame.is_empty() or frame["kick_off_utc"].max() <= middle for frame in before)
    if digests[:-1] and ends_before:
        previous = DataKey.parse(list(candidate.inputs)[-2].partition("@")[2]).season
        try:
            return advance(replayed(read, digests[:-1], params, previous).state, past, params).team_features
        except DataError:
            # a match of the season lies before one of the season before: only a replay from the start has both
            pass
    history = pl.concat([*(frame.filter(pl.col("kick_off_utc") <= middle) for frame in before), past])
    return build_team_features(history, params, season=season).team_features


def validate_features(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """Features: a row per side of each result, known where they must be, in range, and nothing after kick-off read."""
    key, params = DataKey.parse(candidate.partition), context.params.features
    results = context.store.read_object(list(candidate.inputs.values())[-1])
    definitions = team_feature_definitions(params)

    def leaks(rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that change when everything after the middle of the season is taken away."""
        if results.is_empty():
            return _changed(rows, rows)
        again = _without_the_second_half(context, candidate, results)
        return _changed(rows.join(again, on=ROW, how="semi"), again)

    def absent(rows: pl.DataFrame) -> pl.DataFrame:
        expected = _both_sides(results)
        return expected.join(rows, on=expected.columns, how="anti")

    def invented(rows: pl.DataFrame) -> pl.DataFrame:
        expected = _both_sides(results)
        return rows.join(expected, on=expected.columns, how="anti").select(expected.columns)

    rules = (
        finite([definition.name for definition in definitions], ROW),
        within(_bounds(definitions), ROW),
        Rule("every side of every result has its row", absent),
        Rule("no row but those of results", invented),
        Rule("nothing after kick-off is read", leaks, explanation="rows that change when later matches are removed"),
        _like_the_seasons_before(context, list(candidate.inputs.values())),
    )
    schema = schemas.team_match_features(
        key.tournament, key.season, team_feature_names(params), _never_null(definitions)
    )
    return judge(frame, schema, rules=rules, measures=lambda rows: {"share of nulls": null_share(rows, context.params)})


@lru_cache(maxsize=1024)
def _profile_of(store: Store, digest: str, n: int) -> pl.DataFrame:
    """Profile of the first ``n`` results with this digest; a fill meets each season once for every later one."""
    return profile(result_columns(stretch(store.read_object(digest), n)))


def _like_the_seasons_before(context: StageContext, digests: list[str]) -> Rule:
    """The season's results and statistics, from which the features are made, beside those of the seasons before."""
    name = "results and statistics like those of the seasons before"
    *before, own = digests
    n = context.store.read_object(own).height
    if len(before) < LEAST_SEASONS or not n:
        return like_before(name, pl.DataFrame())
    earlier = [_profile_of(context.store, digest, n) for digest in before[-MOST_SEASONS:]]
    return like_before(name, unlike(_profile_of(context.store, own, n), earlier))


# -- validate_state --------------------------------------------------------------------------------------------------------


def validate_state(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """The state: a row for every team that ever played, and it survives being stored."""
    frames = [context.store.read_object(digest) for digest in candidate.inputs.values()]
    sides = [results.select(team_id=f"{side}_team_id") for results in frames for side in ("home", "away")]
    teams = pl.concat(sides).unique().sort("team_id")

    def unstable(rows: pl.DataFrame) -> pl.DataFrame:
        state = TeamState.from_frame(rows, context.params.features)
        is_stable = state.to_frame().equals(rows, null_equal=True)
        return rows.select("team_id", "team_name").head(0 if is_stable else rows.height)

    rules = (
        Rule("survives storage", unstable, explanation="reading and writing the state changes it"),
        Rule("every team that played has its state", lambda rows: teams.join(rows, on="team_id", how="anti")),
        Rule(
            "no state but of teams that played",
            lambda rows: rows.join(teams, on="team_id", how="anti").select("team_id", "team_name"),
        ),
    )
    return judge(frame, schemas.team_state(DataKey.parse(candidate.partition).tournament), rules=rules)


# -- validate_parity -------------------------------------------------------------------------------------------------------


def _of_the_service(fixtures: pl.DataFrame, state: TeamState, params: FeatureParams) -> pl.DataFrame:
    """Keys and features of the fixtures whose teams the state knows, each read alone, as a request is answered."""
    known = fixtures.filter(pl.all_horizontal(pl.col("home_team_id", "away_team_id").is_in(state.team_ids.tolist())))
    reader = PairReader(state, params)
    asked = known.select("home_team_id", "away_team_id", pl.col("season").cast(pl.Int64), read_time().to_physical())
    names = match_feature_names(params)
    rows = np.array([reader.row(*pair) for pair in asked.iter_rows()]).reshape(-1, len(names))
    return known.select(*FIXTURE, "home_team_id", "away_team_id").with_columns(feature_columns(names, rows.T))


def validate_parity(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """Fixture rows: each equals, bit for bit, what is made of the stored state in one batch, and what the service reads alone."""
    key, params = DataKey.parse(candidate.partition), context.params
    fixtures = context.store.read_object(candidate.inputs[f"upcoming_matches@{candidate.partition}"])
    definitions = match_feature_definitions(params.features)
    batch = alone = fixtures.select(FIXTURE)
    if fixtures.height:  # most seasons are over and have none: nothing to unpack a state for
        stored = context.store.read_object(candidate.inputs[f"team_state@{candidate.partition}"])
        state = TeamState.from_frame(stored, params.features)
        batch, alone = fixture_rows(fixtures, state, params), _of_the_service(fixtures, state, params.features)

    def differs(rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that the service would compute otherwise."""
        off = [
            made.join(rows, on=made.columns, how="anti", nulls_equal=True).select(FIXTURE) for made in (batch, alone)
        ]
        return pl.concat(off).unique(maintain_order=True)

    def absent(rows: pl.DataFrame) -> pl.DataFrame:
        return fixtures.join(rows, on=[*FIXTURE, "kick_off_utc"], how="anti").select(FIXTURE)

    def invented(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.join(fixtures, on="match_id", how="anti").select(FIXTURE)

    rules = (
        finite([definition.name for definition in definitions], FIXTURE),
        within(_bounds(definitions), FIXTURE),
        Rule("equal to the service's own row", differs, explanation="bit for bit, nulls included"),
        Rule("every fixture has its row", absent),
        Rule("no row but those of fixtures", invented),
    )
    schema = schemas.match_features(
        key.tournament, key.season, match_feature_names(params.features), _never_null(definitions)
    )
    return judge(frame, schema, rules=rules, measures={"compared one by one": alone.height})
