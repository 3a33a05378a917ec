"""A small league carried from results to a promoted model by the stages themselves, over a real object store.

Experiments are not logged and the registry is a dictionary: fakes at our own seams (``stages.base``).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

from match_assets.config import Params, SearchSpace, load_params, load_settings
from match_assets.features import build_team_features
from match_assets.local.stack import ServerStack
from match_assets.stages.base import ModelVersion, Stage, StageContext, judge_candidate, materialise
from match_assets.stages.chain import CUTOFF_STAGES
from match_assets.store import Pointer, Store
from match_assets.store.objects import Bucket, s3_client
from tests.drawn_seasons import TEAMS, TOURNAMENT, a_season

CUTOFF, NOT_REACHED = "2023-03-01", "2031-01-01"
YEARS = range(2019, 2023)
BEFORE_THE_ALIAS = CUTOFF_STAGES[:-1]


class NoExperiments:
    """Logs nothing."""

    def log(self, stage: str, cutoff: str, **facts: object) -> str | None:
        """No run."""


@dataclass
class Versions:
    """The model registry as a dictionary."""

    held: dict[str, tuple[ModelVersion, dict[str, bytes]]] = field(default_factory=dict)
    alias: str | None = None

    def register(
        self, files: Mapping[str, bytes], *, cutoff: str, model_sha256: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        """A new version, or the one that holds this model."""
        for version, _ in self.held.values():
            if version.model_sha256 == model_sha256:
                return version
        version = ModelVersion(str(len(self.held) + 1), cutoff, model_sha256)
        self.held[version.version] = (version, dict(files))
        return version

    def champion(self) -> ModelVersion | None:
        """The version with the alias."""
        return self.held[self.alias][0] if self.alias else None

    def files_of(self, version: ModelVersion) -> dict[str, bytes]:
        """Its files."""
        return self.held[version.version][1]

    def promote(self, version: str) -> None:
        """Moves the alias."""
        self.alias = version


@dataclass
class League:
    """The stages' context, and the versions that were accepted."""

    context: StageContext
    registry: Versions

    def made(self, stage: Stage, cutoff: str = CUTOFF) -> Pointer:
        """The stage made and judged, which accepts it."""
        materialise(stage, self.context, cutoff)
        pointer, verdict = judge_candidate(stage, self.context, cutoff)
        assert verdict.passed, verdict.summary()
        return pointer

    def rows(self, stage: Stage, cutoff: str = CUTOFF) -> pl.DataFrame:
        """The accepted rows of a stage."""
        return self.context.store.read(stage.name, cutoff)


def small_params() -> Params:
    """Three points of a small search, and windows that four seasons fill."""
    params = load_params()
    space = SearchSpace(
        max_depth=(2,),
        learning_rate=(0.1, 0.2),
        min_child_weight=(10.0,),
        subsample=(0.8,),
        colsample_bytree=(0.3, 0.5),
        reg_lambda=(10.0,),
    )
    model = {"trials": 3, "max_rounds": 60, "early_stopping_rounds": 10, "search_space": space}
    return params.model_copy(
        update={
            "model": params.model.model_copy(update=model),
            # longer than the sixty hours between two matches: rows are embargoed
            "split": params.split.model_copy(update={"embargo_days": 4}),
            # of 72 matches, ten bins of confidence are off by this much through chance alone
            "promotion": params.promotion.model_copy(update={"max_ece": 0.3}),
        }
    )


def fill(store: Store, params: Params) -> None:
    """Four seasons of results, nearly a year each, and their team features, accepted."""
    strength = {team: (team - 6.5) / 14 for team in TEAMS}
    seasons = [a_season(year, hours=60, strength=strength) for year in YEARS]
    for number, (year, results) in enumerate(zip(YEARS, seasons, strict=True)):
        built = build_team_features(pl.concat(seasons[: number + 1]), params.features, season=str(year))
        for asset, rows, order in (
            ("finished_matches", results, ("kick_off_utc", "match_id")),
            ("team_match_features", built.team_features, ("kick_off_utc", "match_id", "is_home")),
        ):
            facts: dict[str, Any] = {"sort_by": order, "code_version": "drawn", "inputs": {}, "run_id": "test"}
            store.accept(store.put_candidate(asset, f"{year}|{TOURNAMENT}", rows, **facts))


@pytest.fixture(scope="session")
def untrained(stack: ServerStack) -> StageContext:
    """Results and features in a place of their own."""
    settings = load_settings(stack.settings_environment())
    prefix = f"modelling-{uuid.uuid4()}/"
    params, store = small_params(), Store(Bucket(s3_client(settings), settings.s3_bucket, prefix))
    fill(store, params)

    def no_warehouse() -> Any:
        raise AssertionError("a modelling stage asked for the warehouse")

    return StageContext(params, settings, store, no_warehouse, NoExperiments(), Versions(), "test")


@pytest.fixture(scope="session")
def league(untrained: StageContext) -> League:
    """Everything up to the registered version accepted; nothing is promoted."""
    registry = untrained.registry
    assert isinstance(registry, Versions)
    found = League(untrained, registry)
    for stage in BEFORE_THE_ALIAS:
        found.made(stage)
    return found
