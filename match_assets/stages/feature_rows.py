"""Stages 5 and 6: team features by replay, the state after the newest match, and fixtures ready for lookup."""

import polars as pl

from match_assets.config import Params
from match_assets.features import (
    TeamState,
    assemble_match_features,
    build_team_features,
    feature_version,
    fixture_team_features,
    match_feature_names,
    team_feature_names,
)
from match_assets.gates import schemas
from match_assets.gates.verdict import Rule, Verdict, judge
from match_assets.keys import DataKey
from match_assets.stages.base import Inputs, Product, Stage, StageContext, accepted_inputs

NAMES = ["match_id", "home_team", "away_team"]


def _history_inputs(context: StageContext, partition: str) -> dict[str, str]:
    """Accepted results of the season and of every earlier season of its tournament: history by replay."""
    key = DataKey.parse(partition)
    held = [DataKey.parse(text) for text in context.store.partitions("finished_matches")]
    earlier = [str(other) for other in held if other.tournament == key.tournament and other.season < key.season]
    return accepted_inputs(context.store, [("finished_matches", other) for other in [*sorted(earlier), partition]])


def _history(context: StageContext, inputs: Inputs) -> pl.DataFrame:
    return pl.concat([context.store.read_object(digest) for digest in inputs.values()])


def _compute_features(context: StageContext, partition: str, inputs: Inputs) -> Product:
    season = DataKey.parse(partition).season
    built = build_team_features(_history(context, inputs), context.params.features, season=season)
    rows = built.team_features
    return Product(rows, {"seasons replayed": len(inputs), "share of nulls": _null_share(rows, context.params)})


def _null_share(rows: pl.DataFrame, params: Params) -> float:
    names = team_feature_names(params.features)
    cells = rows.height * len(names)
    return round(sum(rows[name].null_count() for name in names) / cells, 4) if cells else 0.0


def _compute_state(context: StageContext, partition: str, inputs: Inputs) -> Product:
    season = DataKey.parse(partition).season
    history = _history(context, inputs)
    state = build_team_features(history, context.params.features, season=season).state
    return Product(state.to_frame(), {"matches replayed": history.height})


def _fixture_inputs(context: StageContext, partition: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("upcoming_matches", partition), ("team_state", partition)])


def fixture_rows(fixtures: pl.DataFrame, state: TeamState, params: Params) -> pl.DataFrame:
    """Model features of known fixtures, with the names of both teams: one row per fixture, in kick-off order."""
    teams = fixture_team_features(state, fixtures, params.features, allow_unknown=True)
    wide = assemble_match_features(teams, params.features)
    keys = ["match_id", "tournament", "season", "kick_off_utc", "home_team_id", "away_team_id"]
    named = wide.join(fixtures.select(NAMES), on="match_id", how="left")
    return named.select(*keys, "home_team", "away_team", *match_feature_names(params.features))


def _compute_fixtures(context: StageContext, partition: str, inputs: Inputs) -> Product:
    fixtures = context.store.read_object(inputs[f"upcoming_matches@{partition}"])
    state = TeamState.from_frame(context.store.read_object(inputs[f"team_state@{partition}"]), context.params.features)
    rows = fixture_rows(fixtures, state, context.params)
    return Product(rows, {} if rows.height else {"reason": "no fixture of this season is left"})


def _validate_features(context: StageContext, partition: str, frame: pl.DataFrame) -> Verdict:
    key = DataKey.parse(partition)
    candidate = context.store.candidate("team_match_features", partition)
    inputs = candidate.inputs if candidate else {}
    history = _history(context, inputs) if inputs else frame.head(0)

    def leaks(rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that change when everything after the middle of the season is taken away."""
        if rows.is_empty():
            return rows
        middle = rows["kick_off_utc"].sort()[rows.height // 2]
        past = history.filter(pl.col("kick_off_utc") <= middle)
        again = build_team_features(past, context.params.features, season=key.season).team_features
        kept = rows.filter(pl.col("kick_off_utc") <= middle)
        return kept.join(again, on=kept.columns, how="anti", nulls_equal=True)

    def unmatched(rows: pl.DataFrame) -> pl.DataFrame:
        played = history.filter(pl.col("season") == key.season)
        return played.select("match_id", "kick_off_utc").join(rows, on="match_id", how="anti")

    rules = (
        Rule("nothing after kick-off is read", leaks, explanation="rows that change when later matches are removed"),
        Rule("every finished match has its rows", unmatched),
    )
    schema = schemas.team_match_features(key.tournament, key.season, team_feature_names(context.params.features))
    return judge(frame, schema, rules=rules, measures={"share of nulls": _null_share(frame, context.params)})


def _validate_state(context: StageContext, partition: str, frame: pl.DataFrame) -> Verdict:
    state = TeamState.from_frame(frame, context.params.features)

    def unstable(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.head(0) if state.to_frame().equals(rows, null_equal=True) else rows.head(20)

    schema = schemas.team_state(DataKey.parse(partition).tournament)
    survives = Rule("survives storage", unstable, explanation="reading and writing the state changes it")
    return judge(frame, schema, rules=(survives,))


def _validate_fixtures(context: StageContext, partition: str, frame: pl.DataFrame) -> Verdict:
    key = DataKey.parse(partition)
    fixtures = context.store.read("upcoming_matches", partition)
    state_frame = context.store.read("team_state", partition)

    def differs_from_service(rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that the service would compute otherwise, one fixture at a time from the stored state."""
        if rows.is_empty():
            return rows
        state = TeamState.from_frame(state_frame, context.params.features)
        single = pl.concat([fixture_rows(fixtures[i : i + 1], state, context.params) for i in range(fixtures.height)])
        return rows.join(single, on=rows.columns, how="anti", nulls_equal=True)

    def missing(rows: pl.DataFrame) -> pl.DataFrame:
        return fixtures.select("match_id", "home_team", "away_team").join(rows, on="match_id", how="anti")

    rules = (
        Rule("equal to the service's own row", differs_from_service, explanation="bit for bit, nulls included"),
        Rule("every fixture has its row", missing),
    )
    schema = schemas.match_features(key.tournament, key.season, match_feature_names(context.params.features))
    return judge(frame, schema, rules=rules)


TEAM_MATCH_FEATURES = Stage(
    name="team_match_features",
    family="data",
    sort_by=("kick_off_utc", "match_id", "is_home"),
    inputs=_history_inputs,
    compute=_compute_features,
    check="validate_features",
    gate=_validate_features,
    parameters=lambda params: (params.features,),
    algorithm=lambda params: feature_version(params.features),
)
TEAM_STATE = Stage(
    name="team_state",
    family="data",
    sort_by=("team_id",),
    inputs=_history_inputs,
    compute=_compute_state,
    check="validate_state",
    gate=_validate_state,
    parameters=lambda params: (params.features,),
    algorithm=lambda params: feature_version(params.features),
)
MATCH_FEATURES = Stage(
    name="match_features",
    family="data",
    sort_by=("kick_off_utc", "match_id"),
    inputs=_fixture_inputs,
    compute=_compute_fixtures,
    check="validate_parity",
    gate=_validate_fixtures,
    parameters=lambda params: (params.features,),
    algorithm=lambda params: feature_version(params.features),
)
