"""Stages 5 and 6: team features by replay, the state after the newest match, and fixtures ready for lookup."""

from match_assets.features import FeatureBuild, TeamState, feature_version
from match_assets.keys import DataKey
from match_assets.stages.base import Inputs, Product, Stage, StageContext, accepted_inputs, digests_of
from match_assets.stages.feature_gates import null_share, validate_features, validate_parity, validate_state
from match_assets.stages.fixtures import fixture_rows
from match_assets.stages.replays import replayed


def _history_inputs(context: StageContext, partition: str) -> dict[str, str]:
    """Accepted results of the season and of every earlier season of its tournament: history by replay."""
    key = DataKey.parse(partition)
    held = context.store.pointers("finished_matches")
    seasons = [other for other in map(DataKey.parse, held) if other.tournament == key.tournament]
    earlier = sorted(str(other) for other in seasons if other.season < key.season)
    return digests_of("finished_matches", held, [*earlier, partition])


def _replayed(context: StageContext, partition: str, inputs: Inputs) -> FeatureBuild:
    season = DataKey.parse(partition).season
    return replayed(context.store.read_object, list(inputs.values()), context.params.features, season)


def _compute_features(context: StageContext, partition: str, inputs: Inputs) -> Product:
    rows = _replayed(context, partition, inputs).team_features
    return Product(rows, {"seasons replayed": len(inputs), "share of nulls": null_share(rows, context.params)})


def _compute_state(context: StageContext, partition: str, inputs: Inputs) -> Product:
    n_matches = sum(context.store.read_object(digest).height for digest in inputs.values())
    return Product(_replayed(context, partition, inputs).state.to_frame(), {"matches replayed": n_matches})


def _fixture_inputs(context: StageContext, partition: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("upcoming_matches", partition), ("team_state", partition)])


def _compute_fixtures(context: StageContext, partition: str, inputs: Inputs) -> Product:
    fixtures = context.store.read_object(inputs[f"upcoming_matches@{partition}"])
    state = TeamState.from_frame(context.store.read_object(inputs[f"team_state@{partition}"]), context.params.features)
    rows = fixture_rows(fixtures, state, context.params)
    return Product(rows, {} if rows.height else {"reason": "no fixture of this season is left"})


TEAM_MATCH_FEATURES = Stage(
    name="team_match_features",
    family="data",
    reads=("finished_matches",),
    sort_by=("kick_off_utc", "match_id", "is_home"),
    inputs=_history_inputs,
    compute=_compute_features,
    check="validate_features",
    gate=validate_features,
    parameters=lambda params: (params.features,),
    algorithm=lambda params: feature_version(params.features),
)
TEAM_STATE = Stage(
    name="team_state",
    family="data",
    reads=("finished_matches",),
    sort_by=("team_id",),
    inputs=_history_inputs,
    compute=_compute_state,
    check="validate_state",
    gate=validate_state,
    parameters=lambda params: (params.features,),
    algorithm=lambda params: feature_version(params.features),
)
MATCH_FEATURES = Stage(
    name="match_features",
    family="data",
    reads=("upcoming_matches", "team_state"),
    sort_by=("kick_off_utc", "match_id"),
    inputs=_fixture_inputs,
    compute=_compute_fixtures,
    check="validate_parity",
    gate=validate_parity,
    parameters=lambda params: (params.features,),
    algorithm=lambda params: feature_version(params.features),
)
