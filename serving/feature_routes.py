"""Features over HTTP: what they are, those of a coming match, and probabilities of a row that the caller changed.

Names, words and ranges come from the registry, so the routes are made for the parameters of this process: a feature that
is added there is listed, shown, taken and described in the OpenAPI document without a change here.
"""

import asyncio
import math
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np
import polars as pl
from litestar import get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, FromPath
from litestar.status_codes import HTTP_200_OK
from numpy.typing import NDArray

from match_assets.config import FeatureParams
from match_assets.features.registry import (
    FeatureDefinition,
    feature_version,
    match_feature_definitions,
    team_feature_definitions,
    team_feature_names,
)
from match_assets.features.rows import match_rows, places
from serving.predicting import known_fixture, model_columns
from serving.routes import Parts, problems
from serving.schemas import Answer, FeatureAnswer, FeatureList, Probabilities, Request, RowPrediction
from serving.snapshots import Snapshot, checked_probabilities

SIDES = ("home", "away")


@lru_cache(maxsize=8)
def team_values(params: FeatureParams) -> type[msgspec.Struct]:
    """A team's features as JSON: each is there, null where it is unknown, within the range of the gate."""
    fields = [(each.name, _field(each)) for each in team_feature_definitions(params)]
    return msgspec.defstruct(
        "TeamFeatures", fields, kw_only=True, frozen=True, forbid_unknown_fields=True,
        namespace={"__doc__": "One team before a match; null where unknown."},
    )  # fmt: skip


def feature_handlers(params: FeatureParams) -> list[Any]:
    """The routes, for the features that these parameters define."""
    values = team_values(params)
    asked: Any = msgspec.defstruct(
        "FeaturesQuery", [(side, values) for side in SIDES], bases=(Request,), kw_only=True, frozen=True,
        namespace={"__doc__": "Both teams before a match."},
    )  # fmt: skip
    described = "A coming match's features, as they may be sent back, and the stored object that they are from."
    facts = [("match_id", int), ("feature_version", str), ("features_sha256", str)]
    shown: Any = msgspec.defstruct(
        "MatchFeatures", [*facts, ("features", asked)], bases=(Answer,), kw_only=True, frozen=True,
        namespace={"__doc__": described},
    )  # fmt: skip

    @get("/features", summary="What the features are", tags=["features"], responses=problems(503))
    async def features(parts: NamedDependency[Parts]) -> FeatureList:
        """Each feature with its unit, its range and when it is null; and which columns of a match the champion reads."""
        return _listed(params, parts.keeper.snapshot())

    @get(
        "/features/{match_id:int}",
        summary="Features of a known fixture",
        tags=["features"],
        responses={HTTP_200_OK: ResponseSpec(shown), **problems(404, 409, 503)},
    )
    async def fixture_features(match_id: FromPath[int], parts: NamedDependency[Parts]) -> Any:
        """Both teams of a coming match as its prediction saw them."""
        snapshot = parts.keeper.snapshot()
        known = known_fixture(snapshot, match_id)
        return shown(
            match_id=match_id,
            feature_version=known.feature_version,
            features_sha256=known.features_sha256,
            features=asked(**_sides(snapshot.sets.frames[known.features_sha256], match_id, params)),
        )

    async def predict_row(data: Any, parts: NamedDependency[Parts]) -> RowPrediction:
        """Probabilities of two teams of whom this is known; ``GET /features/{match_id}`` gives ``features`` to begin with.

        Differences between the teams and what the ratings expect are derived from what is sent, by the code that made the
        training rows; ratios within a team's row stand as they are sent.
        """
        snapshot = parts.keeper.snapshot()
        sent = [msgspec.structs.astuple(getattr(data, side)) for side in SIDES]
        row = np.ascontiguousarray(np.array(sent, np.float64).T)  # None becomes NaN
        async with parts.slots:
            chances = await asyncio.to_thread(_chances, snapshot, row, params)
        parts.count("features")
        return RowPrediction(
            probabilities=chances,
            model_version=snapshot.champion.version,
            feature_version=snapshot.feature_version,
        )

    # a type made at run time cannot stand in an annotation that is checked before
    predict_row.__annotations__["data"] = Annotated[asked, Body(media_type=RequestEncodingType.JSON)]
    taking = post(
        "/predict/features",
        status_code=HTTP_200_OK,
        summary="Any two rows of features",
        tags=["predictions"],
        responses=problems(400, 503),
    )
    return [features, fixture_features, taking(predict_row)]


def _field(definition: FeatureDefinition) -> Any:
    lowest, highest = _bounds(definition)
    bounded = Annotated[float, msgspec.Meta(ge=lowest, le=highest)]
    words = f"{definition.description} ({definition.unit}). Null: {definition.null_when}."
    return Annotated[bounded | None, msgspec.Meta(description=words)]


def _bounds(definition: FeatureDefinition) -> tuple[float | None, float | None]:
    lowest, highest = (None if math.isinf(bound) else bound for bound in definition.within)
    return lowest, highest


def _listed(params: FeatureParams, snapshot: Snapshot) -> FeatureList:
    teams = team_feature_definitions(params)
    return FeatureList(
        feature_version=feature_version(params),
        model_version=snapshot.champion.version,
        team_features=[_answer(each) for each in teams],
        match_features=[_answer(each) for each in match_feature_definitions(params)[len(SIDES) * len(teams) :]],
        read_by_model=list(snapshot.champion.model.feature_names),
    )


def _answer(definition: FeatureDefinition) -> FeatureAnswer:
    lowest, highest = _bounds(definition)
    return FeatureAnswer(
        name=definition.name,
        group=definition.group,
        unit=definition.unit,
        description=definition.description,
        window=definition.window,
        null_when=definition.null_when,
        source=definition.source,
        lowest=lowest,
        highest=highest,
    )


def _sides(rows: pl.DataFrame, match_id: int, params: FeatureParams) -> dict[str, msgspec.Struct]:
    row = rows.row(by_predicate=pl.col("match_id") == match_id, named=True)
    names, values = team_feature_names(params), team_values(params)
    return {side: values(**{name: row[f"{side}_{name}"] for name in names}) for side in SIDES}


def _chances(snapshot: Snapshot, row: NDArray[np.float64], params: FeatureParams) -> Probabilities:
    wide = match_rows(row, places(params)).T
    columns = model_columns(snapshot.champion.model.feature_names, params)
    [[home, draw, away]] = checked_probabilities(snapshot.champion, wide[:, columns]).tolist()
    return Probabilities(home=home, draw=draw, away=away)
