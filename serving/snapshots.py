"""What answers are made from: one immutable snapshot of champion and features, swapped whole."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from match_assets.config import FeatureParams
from match_assets.errors import ModelError
from match_assets.features.pairs import PairReader
from match_assets.features.registry import feature_version, match_feature_names
from match_assets.features.state import TeamState
from match_assets.keys import DataKey
from match_assets.names import folded
from serving.feature_sets import FIXTURES, RESULTS, STATE, FeatureSets
from serving.schemas import Prediction, Probabilities, Team


class Predictor(Protocol):
    """A fitted model, as far as the service uses it (``match_assets.modelling.model.OutcomeModel`` is one)."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns that it reads."""

    @property
    def feature_version(self) -> str:
        """Definition of those columns that it was trained on."""

    @property
    def training(self) -> Mapping[str, Any]:
        """Facts about the fit."""

    def predict(self, matches: pl.DataFrame | NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (n, 3) of home, draw, away, of a frame or of rows in the order of ``feature_names``."""


@dataclass(frozen=True, eq=False)
class Champion:
    """The model version that bears the alias, loaded."""

    version: str
    model: Predictor
    tags: Mapping[str, str]

    @property
    def cutoff(self) -> str | None:
        """Cut-off that it was trained for."""
        return self.tags.get("cutoff")


@dataclass(frozen=True, eq=False)
class TournamentView:
    """The teams of a tournament after its newest match."""

    tournament: str
    season: str
    state: TeamState
    reader: PairReader
    state_sha256: str
    team_names: Mapping[int, str]
    ids_by_name: Mapping[str, tuple[int, ...]]

    @property
    def known_until_utc(self) -> dt.datetime | None:
        """Kick-off of the newest match that the state knows."""
        return self.state.known_until_utc


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Champion, teams and predicted fixtures of one moment; nothing in it ever changes.

    Attributes:
        fixtures: predictions of all known fixtures by kick-off, then match id.
        by_match: the same by match id.
        encoded: each of them as JSON, so that a look-up costs no encoding.
        played: ids of finished matches, to tell a match that is over from one that is unknown.
        withdrawn: ids that an earlier snapshot of this process held as coming and that no result explains.
    """

    champion: Champion
    feature_version: str
    sets: FeatureSets
    tournaments: Mapping[str, TournamentView]
    fixtures: tuple[Prediction, ...]
    by_match: Mapping[int, Prediction]
    encoded: Mapping[int, bytes]
    played: frozenset[int]
    withdrawn: frozenset[int] = frozenset()


def build_snapshot(
    champion: Champion, sets: FeatureSets, params: FeatureParams, before: Snapshot | None = None
) -> Snapshot:
    """Predicts every known fixture and lays everything out for look-up.

    Args:
        champion: the model.
        sets: what is accepted.
        params: the feature definitions of this process.
        before: the snapshot that this one follows, for telling a withdrawn fixture from one that never was.

    Raises:
        ModelError: the champion was trained on other feature definitions than this process computes, or gives something
            other than probabilities.
        SchemaMismatchError: a frame lacks what the model or the state needs.
    """
    version = feature_version(params)
    if champion.model.feature_version != version:
        raise ModelError(
            f"champion {champion.version} was trained on feature version {champion.model.feature_version}, this "
            f"service computes {version}; train on the present definitions, or start the service with the parameters it had",
            version=champion.version,
        )
    absent = set(champion.model.feature_names) - set(match_feature_names(params))
    if absent:
        raise ModelError(
            f"champion {champion.version} reads unknown features {sorted(absent)[:3]}; promote another version",
            absent=sorted(absent),
        )
    fixtures: list[Prediction] = []
    for partition in sets.partitions(FIXTURES):
        frame = sets.frame(FIXTURES, partition)
        if frame is not None and frame.height:
            fixtures += predict_rows(champion, version, frame, sets.held[FIXTURES, partition].sha256)
    fixtures.sort(key=lambda each: (each.kick_off_utc, each.match_id or 0))
    by_match = {each.match_id: each for each in fixtures if each.match_id is not None}
    played = _played(sets)
    held_before = before.withdrawn.union(before.by_match) if before else frozenset()
    return Snapshot(
        champion=champion,
        feature_version=version,
        sets=sets,
        tournaments=_views(sets, params),
        fixtures=tuple(fixtures),
        by_match=by_match,
        encoded={match_id: msgspec.json.encode(each) for match_id, each in by_match.items()},
        played=played,
        withdrawn=held_before - by_match.keys() - played,
    )


def predict_rows(champion: Champion, version: str, rows: pl.DataFrame, features_sha256: str) -> list[Prediction]:
    """Predictions of match feature rows that also hold ``home_team`` and ``away_team``, in row order.

    A ``match_id`` below 1 stands for a pair that is no known fixture.

    Raises:
        ModelError: the model gives anything but finite probabilities that sum to 1.
    """
    facts = rows.select(
        "match_id", "tournament", "season", "kick_off_utc", "home_team_id", "home_team", "away_team_id", "away_team"
    )
    chances = checked_probabilities(champion, rows)
    return predictions(champion, version, facts.iter_rows(), chances, features_sha256)


def predictions(
    champion: Champion,
    version: str,
    facts: Iterable[tuple[Any, ...]],
    chances: NDArray[np.float64],
    features_sha256: str,
) -> list[Prediction]:
    """Predictions from what is known of the matches (id, tournament, season, kick-off, both teams' ids and names)."""
    return [
        Prediction(
            match_id=match_id if match_id > 0 else None,
            tournament=tournament,
            season=season,
            kick_off_utc=kick_off,
            home_team=Team(id=home_id, name=home),
            away_team=Team(id=away_id, name=away),
            probabilities=Probabilities(home=chance[0], draw=chance[1], away=chance[2]),
            model_version=champion.version,
            feature_version=version,
            features_sha256=features_sha256,
        )
        for (match_id, tournament, season, kick_off, home_id, home, away_id, away), chance in zip(
            facts, chances.tolist(), strict=True
        )
    ]


def checked_probabilities(champion: Champion, rows: pl.DataFrame | NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n, 3) of home, draw, away, of a frame or of rows in the order of the model's features.

    Raises:
        ModelError: the model gives anything but finite probabilities that sum to 1.
    """
    chances = np.asarray(champion.model.predict(rows), dtype=np.float64)
    is_sound = (
        chances.shape == (len(rows), 3)
        and bool(((chances > 0) & (chances < 1)).all())  # false for NaN as well
        and bool(np.allclose(chances.sum(axis=1), 1.0, rtol=0, atol=1e-6))
    )
    if not is_sound:
        raise ModelError(
            f"champion {champion.version} gives no probabilities for {len(rows)} rows; promote another version",
            version=champion.version,
        )
    return chances


def _views(sets: FeatureSets, params: FeatureParams) -> dict[str, TournamentView]:
    newest = {}
    for partition in sets.partitions(STATE):  # sorted: the newest season of a tournament comes last and stays
        frame = sets.frame(STATE, partition)
        if frame is not None and frame.height:
            newest[DataKey.parse(partition).tournament] = (partition, frame)
    return {
        tournament: _view(tournament, partition, frame, sets.held[STATE, partition].sha256, params)
        for tournament, (partition, frame) in newest.items()
    }


def _view(tournament: str, partition: str, frame: pl.DataFrame, digest: str, params: FeatureParams) -> TournamentView:
    state = TeamState.from_frame(frame, params)
    team_names = dict(zip(state.team_ids.tolist(), state.team_names, strict=True))
    ids_by_name: dict[str, tuple[int, ...]] = {}
    for team_id, name in team_names.items():
        ids_by_name[folded(name)] = (*ids_by_name.get(folded(name), ()), team_id)
    season = DataKey.parse(partition).season
    reader = PairReader(state, params)
    if state.team_ids.size > 1:
        # compiled before the snapshot is swapped in, not while the first caller waits
        home, away = state.team_ids[:2].tolist()
        reader.row(home, away, int(season), 0)
    return TournamentView(tournament, season, state, reader, digest, team_names, ids_by_name)


def _played(sets: FeatureSets) -> frozenset[int]:
    frames = [sets.frame(RESULTS, partition) for partition in sets.partitions(RESULTS)]
    return frozenset(match_id for frame in frames if frame is not None for match_id in frame["match_id"].to_list())
