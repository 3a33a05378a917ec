"""Which columns an asset has, and which column each came from: for its page, and for whoever asks where a number is from."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import pandera.polars as pa
import polars as pl

from match_assets.config import FeatureParams, Params
from match_assets.features import (
    FeatureDefinition,
    TeamState,
    match_feature_definitions,
    match_features_schema,
    team_feature_definitions,
    team_features_schema,
)
from match_assets.gates import schemas
from match_assets.gates.schemas import STATISTICS

Source = tuple[str, str]

SIDES = ("home", "away")
# the gates' schemas want a partition, of which names and dtypes do not depend
ANY = ("", "0")


def declared_columns(asset: str, params: Params) -> dict[str, pl.DataType]:
    """Names and dtypes of an asset's columns, in order, the same in each partition; empty where no schema fixes them."""
    declare = _TABLES.get(asset)
    return declare(params) if declare else {}


def column_lineage(asset: str, columns: Sequence[str], params: Params) -> dict[str, list[Source]]:
    """Sources ``(asset, column)`` of each column of an asset; columns without a known source are left out."""
    find = {
        "finished_matches": _of_results,
        "upcoming_matches": _of_fixtures,
        "team_match_features": _of_team_features,
        "match_features": _of_match_features,
    }.get(asset)
    if find is None:
        return {}
    found = {column: find(column, params) for column in columns}
    return {column: sources for column, sources in found.items() if sources}


def column_descriptions(asset: str, columns: Sequence[str], params: Params) -> dict[str, str]:
    """What an operator reads beside a column: what it is, in what unit, when it is null, and what it is made of."""
    definitions = _definitions(asset, params.features)
    told = {}
    for column, sources in column_lineage(asset, columns, params).items():
        definition = definitions.get(column)
        if definition is None:
            told[column] = f"from {_named(sources)}"
            continue
        read = [("finished_matches", source) for source in definition.reads]
        told[column] = (
            f"{definition.description} ({definition.unit}); null: {definition.null_when}; from {_named(read)}"
        )
    return told


def _named(sources: Sequence[Source]) -> str:
    by_asset: dict[str, list[str]] = {}
    for asset, column in sources:
        by_asset.setdefault(asset, []).append(column)
    return "; ".join(f"{asset}: {', '.join(columns)}" for asset, columns in by_asset.items())


def _of_results(column: str, _params: Params) -> list[Source]:
    for side in SIDES:
        if column.startswith(f"{side}_") and column.removeprefix(f"{side}_") in STATISTICS:
            return [("raw_match_stats", column.removeprefix(f"{side}_"))]
    if column == "is_walkover":
        return [("raw_matches", "home_goals_half_time"), ("raw_match_stats", "shots")]
    return [("raw_matches", column)]


def _of_fixtures(column: str, _params: Params) -> list[Source]:
    return [("raw_matches", "status" if column == "status_name" else column)]


@lru_cache(maxsize=8)
def _definitions(asset: str, params: FeatureParams) -> Mapping[str, FeatureDefinition]:
    """By name; made once, since hundreds of columns are looked up for each materialisation."""
    made = {"team_match_features": team_feature_definitions, "match_features": match_feature_definitions}.get(asset)
    return {definition.name: definition for definition in made(params)} if made else {}


def _of_team_features(column: str, params: Params) -> list[Source]:
    definition = _definitions("team_match_features", params.features).get(column)
    if definition:
        return [("finished_matches", source) for source in definition.reads]
    if column in {"team_id", "opponent_id", "is_home"}:
        return [("finished_matches", "home_team_id"), ("finished_matches", "away_team_id")]
    return [("finished_matches", column)]


def _of_match_features(column: str, params: Params) -> list[Source]:
    if column not in _definitions("match_features", params.features):
        return [("upcoming_matches", column)]
    return [("team_state", "team_id"), ("upcoming_matches", "home_team_id"), ("upcoming_matches", "away_team_id")]


def _dtypes(schema: pa.DataFrameSchema) -> dict[str, pl.DataType]:
    return {name: column.dtype.type for name, column in schema.columns.items()}


_TABLES: dict[str, Callable[[Params], dict[str, pl.DataType]]] = {
    "raw_matches": lambda _params: _dtypes(schemas.raw_matches(*ANY)),
    "raw_match_stats": lambda _params: _dtypes(schemas.raw_match_stats()),
    "finished_matches": lambda _params: _dtypes(schemas.finished_matches(*ANY)),
    "upcoming_matches": lambda _params: _dtypes(schemas.upcoming_matches(*ANY)),
    "team_match_features": lambda params: dict(team_features_schema(params.features)),
    "team_state": lambda params: dict(TeamState.blank(params.features).to_frame().schema),
    "match_features": lambda params: dict(match_features_schema(params.features)),
}
