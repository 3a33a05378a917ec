"""A small drawn league with everything that the service reads: stored objects, a real outcome model, fake sources of both."""

import datetime as dt
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import xgboost as xgb

from match_assets.config import PARAMS_FILE, FeatureParams, Params, Settings, load_params
from match_assets.errors import DependencyUnavailableError, StoreError
from match_assets.features.build import assemble_match_features, build_team_features, fixture_team_features
from match_assets.features.frames import FIXTURES, RESULTS, SIDE_COUNTS
from match_assets.features.registry import feature_version, match_feature_names
from match_assets.features.state import TeamState
from match_assets.modelling.calibration import Calibration
from match_assets.modelling.linear import OrdinalModel, Scaler
from match_assets.modelling.model import OutcomeModel, with_golden_rows
from match_assets.store.encoding import encode, sha256
from serving.models import ChampionVersion
from serving.snapshots import Champion

PARAMS: Params = load_params(PARAMS_FILE)
TEAMS = ("Ashford", "Bexhill", "Crawley", "Dunmere", "Eastlake", "Farnham")
SEASON = "2024"
FIRST_DAY = dt.datetime(2024, 8, 10, 15, tzinfo=dt.UTC)
N_PLAYED = 18  # six rounds of three matches, a week apart
LAST_PLAYED = FIRST_DAY + dt.timedelta(weeks=5)


def schedule(tournament: str, first_id: int) -> list[dict[str, object]]:
    """Double round robin by the circle method: ten rounds of three matches, a round a week."""
    offset = first_id * 1000
    teams = list(range(len(TEAMS)))
    matches: list[dict[str, object]] = []
    for week in range(10):
        for left in range(3):
            home, away = teams[left], teams[-1 - left]
            if week >= 5 or (left == 0 and week % 2):
                home, away = away, home
            matches.append(
                {
                    "match_id": first_id + len(matches),
                    "tournament": tournament,
                    "season": SEASON,
                    "kick_off_utc": FIRST_DAY + dt.timedelta(weeks=week),
                    "is_kick_off_time_known": True,
                    "home_team_id": offset + home + 1,
                    "away_team_id": offset + away + 1,
                    "home_team": TEAMS[home],
                    "away_team": TEAMS[away],
                }
            )
        teams = [teams[0], teams[-1], *teams[1:-1]]
    return matches


def league(tournament: str = "PRA-First", first_id: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Finished matches of the first six rounds, and the fixtures of the last four."""
    matches = schedule(tournament, first_id)
    draw = np.random.default_rng(first_id)
    blank = {f"{side}_{count}": None for side in ("home", "away") for count in SIDE_COUNTS}
    played = [
        {
            **match,
            **blank,
            "is_walkover": False,
            "home_goals": int(draw.poisson(2.0 - 0.2 * (int(str(match["home_team_id"])) % 1000))),
            "away_goals": int(draw.poisson(1.2)),
        }
        for match in matches[:N_PLAYED]
    ]
    names = {"home_team": pl.String, "away_team": pl.String}
    return pl.DataFrame(played, schema=RESULTS), pl.DataFrame(matches[N_PLAYED:], schema={**FIXTURES, **names})


def fixture_rows(fixtures: pl.DataFrame, state: TeamState, params: FeatureParams) -> pl.DataFrame:
    """``match_features`` as the pipeline stores it."""
    wide = assemble_match_features(fixture_team_features(state, fixtures, params, allow_unknown=True), params)
    named = wide.join(fixtures.select("match_id", "home_team", "away_team"), on="match_id", how="left")
    return named.select(*wide.columns[:6], "home_team", "away_team", *wide.columns[6:])


@dataclass
class Accepted:
    """An accepted pointer."""

    sha256: str
    rows: int
    inputs: dict[str, str]
    moved_at: dt.datetime = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


@dataclass
class MemoryStore:
    """The store in memory; ``is_down`` makes it unreachable, ``reads`` counts objects read."""

    pointers: dict[tuple[str, str], Accepted] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    is_down: bool = False
    reads: int = 0

    def accept(self, asset: str, partition: str, frame: pl.DataFrame, inputs: Mapping[str, str] | None = None) -> str:
        """Stores a frame and accepts it."""
        content = encode(frame)
        digest = sha256(content)
        self.objects[digest] = content
        self.pointers[asset, partition] = Accepted(digest, frame.height, dict(inputs or {}))
        return digest

    def partitions(self, asset: str) -> list[str]:
        """Partitions with an accepted version."""
        self._reach()
        return sorted(partition for held, partition in self.pointers if held == asset)

    def pointer(self, asset: str, partition: str) -> Accepted | None:
        """The accepted version."""
        self._reach()
        return self.pointers.get((asset, partition))

    def read_bytes(self, digest: str) -> bytes:
        """An object."""
        self._reach()
        self.reads += 1
        if digest not in self.objects:
            raise StoreError(f"object {digest} is gone; materialise it again")
        return self.objects[digest]

    def _reach(self) -> None:
        if self.is_down:
            raise DependencyUnavailableError("the object store does not answer; start it with `make up`")


def fill(store: MemoryStore, tournament: str = "PRA-First", first_id: int = 1, params: Params = PARAMS) -> None:
    """Accepts results, state and fixtures of one league."""
    played, fixtures = league(tournament, first_id)
    accept_league(store, tournament, played, fixtures, params)


def accept_league(
    store: MemoryStore, tournament: str, played: pl.DataFrame, fixtures: pl.DataFrame, params: Params = PARAMS
) -> None:
    """Accepts these results and fixtures, and the state and features made of them."""
    partition = f"{SEASON}|{tournament}"
    state = build_team_features(played, params.features).state
    store.accept("finished_matches", partition, played)
    digest = store.accept("team_state", partition, state.to_frame())
    rows = fixture_rows(fixtures, state, params.features)
    store.accept("match_features", partition, rows, {f"team_state@{partition}": digest})


def outcome_model(home_bias: float = 0.0, params: Params = PARAMS) -> OutcomeModel:
    """A real model that mostly follows the Elo difference; ``home_bias`` tells two of them apart."""
    names = tuple(match_feature_names(params.features))
    draw = np.random.default_rng(1)
    features = draw.normal(size=(60, len(names)))
    data = xgb.DMatrix(features, label=draw.integers(0, 3, 60))
    settings = {"objective": "multi:softprob", "num_class": 3, "max_depth": 2, "nthread": 1, "seed": 1}
    booster = bytes(xgb.train(settings, data, num_boost_round=2).save_raw("ubj"))
    linear = OrdinalModel(
        Scaler(np.zeros(1), np.zeros(1), np.array([60.0])),
        np.array([0.9]),
        np.array([-0.2 + home_bias, 0.95 + home_bias]),
    )
    model = OutcomeModel(
        booster=booster,
        linear=linear,
        linear_features=("elo_difference",),
        tree_weight=0.2,
        calibration=Calibration(),
        feature_names=names,
        feature_version=feature_version(params.features),
        training={"cutoff": "2025-01-01", "rows": 60},
    )
    return with_golden_rows(model, features)


@dataclass
class MemoryRegistry:
    """The model registry in memory; ``is_down`` makes it unreachable, ``fetches`` counts downloads."""

    folder: Path
    version: str | None = None
    is_down: bool = False
    fetches: int = 0

    def promote(self, version: str, model: OutcomeModel) -> None:
        """Registers a version and gives it the alias."""
        model.save(self.folder / version)
        self.version = version

    def champion(self) -> ChampionVersion | None:
        """The version that bears the alias."""
        self._reach()
        return ChampionVersion(self.version, {"cutoff": "2025-01-01"}) if self.version else None

    def fetch(self, version: str, folder: Path) -> None:
        """The model's files."""
        self._reach()
        self.fetches += 1
        shutil.copytree(self.folder / version, folder, dirs_exist_ok=True)

    def _reach(self) -> None:
        if self.is_down:
            raise DependencyUnavailableError("the model registry does not answer; start it with `make up`")


def a_champion(version: str = "1", home_bias: float = 0.0) -> Champion:
    """A champion without files."""
    return Champion(version, outcome_model(home_bias), {"cutoff": "2025-01-01"})


def quick_params(params: Params = PARAMS) -> Params:
    """Parameters of a service that looks for news all the time."""
    return params.model_copy(update={"service": params.service.model_copy(update={"refresh_seconds": 0.05})})


def unreachable_settings(state_dir: Path, redis_url: str = "redis://127.0.0.1:1/0") -> Settings:
    """Settings whose servers are all away."""
    return Settings(
        postgres_url="postgresql+psycopg://nobody@127.0.0.1:1/none",
        s3_endpoint="http://127.0.0.1:1",
        s3_bucket="none",
        redis_url=redis_url,
        mlflow_url="postgresql+psycopg://nobody@127.0.0.1:1/none",
        source_url="http://127.0.0.1:1",
        state_dir=state_dir,
    )
