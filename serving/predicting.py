"""Predictions from a snapshot: known fixtures by look-up, any pair of teams through the shared feature code."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from match_assets.config import FeatureParams, ServiceParams
from match_assets.errors import MatchAssetsError, UnknownTeamError
from match_assets.features.registry import match_feature_names
from match_assets.names import folded
from serving.problems import RefusedRequestError, refusal
from serving.schemas import BatchAnswer, BatchItem, BatchQuery, BatchResult, PairQuery, Prediction
from serving.snapshots import Snapshot, TournamentView, checked_probabilities, predictions

Value = TypeVar("Value")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Pair:
    """Two known teams of a tournament and a kick-off that may be asked for."""

    tournament: str
    home_team_id: int
    away_team_id: int
    kick_off_utc: dt.datetime


def known_fixture(snapshot: Snapshot, match_id: int) -> Prediction:
    """The prediction of a known fixture.

    Raises:
        RefusedRequestError: 409 if the match is over, 404 if it was withdrawn or is not known.
    """
    found = snapshot.by_match.get(match_id)
    if found is None:
        raise unknown_match(snapshot, match_id)
    return found


def unknown_match(snapshot: Snapshot, match_id: int) -> RefusedRequestError:
    """Why there is no prediction of this match."""
    if match_id in snapshot.played:
        return RefusedRequestError(409, f"match {match_id} has been played; predictions are of coming matches only")
    if match_id in snapshot.withdrawn:
        return RefusedRequestError(
            404,
            f"match {match_id} is withdrawn: it was among the coming matches and left them without a result, because the "
            "calendar no longer has it or because its result is not in yet",
        )
    return RefusedRequestError(404, f"no coming match has the id {match_id}; /fixtures lists those that are known")


def resolve(snapshot: Snapshot, query: PairQuery, limits: ServiceParams) -> Pair:
    """The teams and kick-off that a query means.

    Raises:
        RefusedRequestError: 422; unknown tournament, a team named twice or not at all, the same team on both sides, a
            kick-off that the data has passed or that lies too far ahead.
        UnknownTeamError: the tournament has no such team.
    """
    view = tournament_view(snapshot, query.tournament)
    home = _team_id(view, "home", query.home_team_id, query.home_team)
    away = _team_id(view, "away", query.away_team_id, query.away_team)
    if home == away:
        raise RefusedRequestError(422, f"home and away are the same team, {home} ({view.team_names[home]})")
    kick_off = _in_utc(query.kick_off)
    _refuse_date(view, kick_off, limits)
    return Pair(query.tournament, home, away, kick_off)


def tournament_view(snapshot: Snapshot, tournament: str) -> TournamentView:
    """The teams of a tournament.

    Raises:
        RefusedRequestError: 422, it is not served.
    """
    view = snapshot.tournaments.get(tournament)
    if view is None:
        known = ", ".join(sorted(snapshot.tournaments)) or "none yet"
        raise RefusedRequestError(422, f"unknown tournament {tournament!r}; served are: {known}")
    return view


def predict_pairs(snapshot: Snapshot, pairs: Sequence[Pair], params: FeatureParams) -> list[Prediction]:
    """Predictions of pairs, in their order; the feature rows come from the code that made the training rows."""
    answers: dict[int, Prediction] = {}
    champion = snapshot.champion
    columns = model_columns(champion.model.feature_names, params)
    for tournament in sorted({pair.tournament for pair in pairs}):
        view = snapshot.tournaments[tournament]
        positions = [position for position, pair in enumerate(pairs) if pair.tournament == tournament]
        asked = [pairs[position] for position in positions]
        rows = np.stack([_feature_row(view, pair)[columns] for pair in asked])
        chances = checked_probabilities(champion, rows)
        facts = [_facts(view, pair) for pair in asked]
        made = predictions(champion, snapshot.feature_version, facts, chances, view.state_sha256)
        answers |= dict(zip(positions, made, strict=True))
    return [answers[position] for position in range(len(pairs))]


def predict_batch(snapshot: Snapshot, query: BatchQuery, params: FeatureParams, limits: ServiceParams) -> BatchAnswer:
    """All items of a batch from this one snapshot; an item that must be refused does not hinder the others.

    Raises:
        RefusedRequestError: 422, more items than ``max_batch``.
    """
    if len(query.matches) > limits.max_batch:
        raise RefusedRequestError(
            422, f"{len(query.matches)} matches in one batch; at most {limits.max_batch} are allowed"
        )
    results: dict[int, BatchResult] = {}
    pairs: dict[int, Pair] = {}
    for position, item in enumerate(query.matches):
        try:
            if item.match_id is not None:
                results[position] = BatchResult(prediction=known_fixture(snapshot, _only_match_id(item)))
            else:
                pairs[position] = resolve(snapshot, _as_pair(item), limits)
        except MatchAssetsError as error:
            results[position] = BatchResult(refusal=refusal(error))
    predicted = predict_pairs(snapshot, list(pairs.values()), params)
    results |= {position: BatchResult(prediction=each) for position, each in zip(pairs, predicted, strict=True)}
    n_refused = sum(result.refusal is not None for result in results.values())
    return BatchAnswer(
        model_version=snapshot.champion.version,
        feature_version=snapshot.feature_version,
        n_predicted=len(results) - n_refused,
        n_refused=n_refused,
        results=[results[position] for position in range(len(query.matches))],
    )


@lru_cache(maxsize=8)
def model_columns(names: tuple[str, ...], params: FeatureParams) -> NDArray[np.int64]:
    """Where the features that a model reads stand in a row of the registry."""
    places = {name: place for place, name in enumerate(match_feature_names(params))}
    return np.array([places[name] for name in names], np.int64)


def _team_id(view: TournamentView, side: str, team_id: int | None, name: str | None) -> int:
    if (team_id is None) == (name is None):
        raise RefusedRequestError(422, f"give the {side} team by {side}_team_id or by {side}_team, one of the two")
    if team_id is not None:
        if team_id not in view.team_names:
            raise UnknownTeamError(
                f"{side}_team_id: no team {team_id} in {view.tournament}; its teams are {_some_teams(view)}",
                team_id=team_id,
            )
        return team_id
    found = view.ids_by_name.get(folded(name or ""), ())
    if not found:
        raise UnknownTeamError(
            f"{side}_team: no team {name!r} in {view.tournament}; its teams are {_some_teams(view)}", name=name
        )
    if len(found) > 1:
        raise RefusedRequestError(422, f"{side}_team: {name!r} is the name of teams {list(found)}; give {side}_team_id")
    return found[0]


def _some_teams(view: TournamentView, most: int = 30) -> str:
    listed = [f"{name} ({team_id})" for team_id, name in sorted(view.team_names.items(), key=lambda each: each[1])]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _in_utc(kick_off: dt.datetime) -> dt.datetime:
    try:
        return kick_off.astimezone(dt.UTC)
    except OverflowError as error:
        raise RefusedRequestError(422, f"kick_off {kick_off.isoformat()} lies outside the calendar") from error


def _refuse_date(view: TournamentView, kick_off: dt.datetime, limits: ServiceParams) -> None:
    until = view.known_until_utc
    if until is None:
        return
    if kick_off <= until:
        raise RefusedRequestError(
            422,
            f"kick_off {kick_off:%Y-%m-%dT%H:%M:%SZ} is not after the newest match known in {view.tournament} "
            f"({until:%Y-%m-%dT%H:%M:%SZ}); predictions are of coming matches only",
        )
    if kick_off - until > dt.timedelta(days=limits.date_window_days):
        raise RefusedRequestError(
            422,
            f"kick_off {kick_off:%Y-%m-%d} is more than {limits.date_window_days} days after the newest match known in "
            f"{view.tournament} ({until:%Y-%m-%d})",
        )


def _feature_row(view: TournamentView, pair: Pair) -> NDArray[np.float64]:
    microseconds = (pair.kick_off_utc - EPOCH) // dt.timedelta(microseconds=1)
    return view.reader.row(pair.home_team_id, pair.away_team_id, int(view.season), microseconds)


def _facts(view: TournamentView, pair: Pair) -> tuple[object, ...]:
    home, away = pair.home_team_id, pair.away_team_id
    names = view.team_names
    return 0, view.tournament, view.season, pair.kick_off_utc, home, names[home], away, names[away]


def _only_match_id(item: BatchItem) -> int:
    others = [name for name in item.__struct_fields__ if name != "match_id" and getattr(item, name) is not None]
    if others:
        raise RefusedRequestError(422, f"match_id stands alone; leave out {', '.join(others)}")
    return _required(item.match_id, "match_id")


def _as_pair(item: BatchItem) -> PairQuery:
    return PairQuery(
        tournament=_required(item.tournament, "tournament"),
        kick_off=_required(item.kick_off, "kick_off"),
        home_team=item.home_team,
        home_team_id=item.home_team_id,
        away_team=item.away_team,
        away_team_id=item.away_team_id,
    )


def _required(value: Value | None, name: str) -> Value:
    if value is None:
        raise RefusedRequestError(
            422, f"{name} is missing; an item has match_id, or tournament, kick_off and two teams"
        )
    return value
