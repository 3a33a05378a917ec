"""Served probabilities equal what model and features give offline, whichever way they are asked for."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from match_assets.features.build import assemble_match_features, build_team_features, fixture_team_features
from match_assets.features.registry import match_feature_names
from serving.predicting import Pair, predict_batch, predict_pairs
from serving.schemas import BatchItem, BatchQuery
from serving.snapshots import Snapshot, build_snapshot
from tests.serving_world import LAST_PLAYED, PARAMS, MemoryStore, a_champion, fill, league, outcome_model
from tests.unit.serving.conftest import Service
from tests.unit.serving.test_keeper import sets_of


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    store = MemoryStore()
    fill(store, "PRA-First", 1)
    fill(store, "PRA-Second", 101)
    return build_snapshot(a_champion("7"), sets_of(store), PARAMS.features)


def offline(fixtures: pl.DataFrame, tournament: str = "PRA-First", first_id: int = 1) -> np.ndarray:
    """Probabilities by replay of the league and the model alone, in kick-off order."""
    played, _ = league(tournament, first_id)
    state = build_team_features(played, PARAMS.features).state
    wide = assemble_match_features(fixture_team_features(state, fixtures, PARAMS.features), PARAMS.features)
    return outcome_model().predict(wide)


def test_known_fixture_has_the_probabilities_of_the_offline_model(service: Service) -> None:
    _, fixtures = league()
    expected = offline(fixtures)
    for match_id, chances in zip(fixtures["match_id"], expected.tolist(), strict=True):
        answer = service.client.get(f"/predict/{match_id}").json()
        assert list(answer["probabilities"].values()) == chances
        assert answer["model_version"] == "7"
        assert answer["features_sha256"] == service.store.pointers["match_features", "2024|PRA-First"].sha256


def test_pair_at_the_kick_off_of_a_known_fixture_has_its_probabilities_bit_for_bit(service: Service) -> None:
    known = service.client.get("/predict/19").json()
    query = {
        "tournament": known["tournament"],
        "kick_off": known["kick_off_utc"],
        "home_team_id": known["home_team"]["id"],
        "away_team": known["away_team"]["name"].upper() + "  ",
    }
    pair = service.client.post("/predict", json=query).json()
    assert pair["probabilities"] == known["probabilities"]
    assert pair["match_id"] is None
    assert pair["features_sha256"] == service.store.pointers["team_state", "2024|PRA-First"].sha256


def test_kick_off_with_an_offset_is_the_same_instant(service: Service) -> None:
    query = {"tournament": "PRA-First", "home_team": "Ashford", "away_team": "Bexhill"}
    in_utc = service.client.post("/predict", json={**query, "kick_off": "2024-10-01T12:00:00Z"}).json()
    in_india = service.client.post("/predict", json={**query, "kick_off": "2024-10-01T17:30:00+05:30"}).json()
    assert in_utc == in_india


def test_every_prediction_is_a_distribution_and_names_what_made_it(service: Service) -> None:
    told = service.client.get("/fixtures").json()
    assert told["total"] == 24
    for each in told["fixtures"]:
        assert sum(each["probabilities"].values()) == pytest.approx(1.0, abs=1e-12)
        assert all(0 < chance < 1 for chance in each["probabilities"].values())
        assert (each["model_version"], each["feature_version"]) == (told["model_version"], told["feature_version"])


def test_fixtures_are_filtered_by_tournament_team_and_day(service: Service) -> None:
    def ids(query: str) -> list[int]:
        return [each["match_id"] for each in service.client.get(f"/fixtures?{query}").json()["fixtures"]]

    assert ids("tournament=PRA-First") == list(range(19, 31))
    assert ids("since=2024-09-28&until=2024-09-28") == [22, 23, 24, 122, 123, 124]
    assert ids("tournament=PRA-First&limit=2&offset=1") == [20, 21]
    ashford = service.client.get("/fixtures?team=ASHF").json()["fixtures"]
    assert len(ashford) == 8
    assert all("Ashford" in {each["home_team"]["name"], each["away_team"]["name"]} for each in ashford)


def test_batch_answers_in_order_and_a_refused_item_hinders_no_other(service: Service) -> None:
    pair = {
        "tournament": "PRA-Second",
        "kick_off": "2024-10-01T15:00:00Z",
        "home_team": "Ashford",
        "away_team": "Bexhill",
    }
    items = [
        {"match_id": 20},
        pair,
        {"match_id": 1},
        {"match_id": 404},
        {**pair, "away_team": "Nowhere"},
        {},
        {"match_id": 19},
    ]
    told = service.client.post("/predict/batch", json={"matches": items}).json()
    results = told["results"]
    assert (told["n_predicted"], told["n_refused"]) == (3, 4)
    assert [results[i]["refusal"]["status"] for i in (2, 3, 4, 5)] == [409, 404, 422, 422]
    assert results[0]["prediction"] == service.client.get("/predict/20").json()
    assert results[1]["prediction"] == service.client.post("/predict", json=pair).json()
    assert results[6]["prediction"]["match_id"] == 19


def test_batch_item_with_match_id_and_pair_is_refused(snapshot: Snapshot) -> None:
    query = BatchQuery(matches=[BatchItem(match_id=19, tournament="PRA-First")])
    [result] = predict_batch(snapshot, query, PARAMS.features, PARAMS.service).results
    assert result.refusal is not None
    assert result.refusal.detail == "match_id stands alone; leave out tournament"


def test_pairs_of_one_team_on_one_day_are_each_answered_as_if_alone(snapshot: Snapshot) -> None:
    kick_off = LAST_PLAYED + dt.timedelta(days=10)
    pairs = [
        Pair(tournament, offset + home, offset + away, kick_off + dt.timedelta(days=later))
        for tournament, offset in (("PRA-Second", 101_000), ("PRA-First", 1000))
        for later in (3, 0)
        for home, away in ((1, 2), (1, 3), (3, 1), (2, 4), (1, 2))
    ]
    together = predict_pairs(snapshot, pairs, PARAMS.features)
    assert together == [predict_pairs(snapshot, [pair], PARAMS.features)[0] for pair in pairs]
    assert [(each.home_team.id, each.away_team.id) for each in together] == [
        (pair.home_team_id, pair.away_team_id) for pair in pairs
    ]


def test_home_advantage_shows_when_the_sides_are_swapped(snapshot: Snapshot) -> None:
    kick_off = LAST_PLAYED + dt.timedelta(days=10)
    here, there = predict_pairs(
        snapshot, [Pair("PRA-First", 1001, 1002, kick_off), Pair("PRA-First", 1002, 1001, kick_off)], PARAMS.features
    )
    assert here.home_team.name == there.away_team.name == "Ashford"
    assert here.probabilities.home != there.probabilities.home


def test_model_names_champion_and_every_object_in_service(service: Service) -> None:
    told = service.client.get("/model").json()
    assert (told["model_version"], told["cutoff"]) == ("7", "2025-01-01")
    assert told["n_features"] == len(match_feature_names(PARAMS.features))
    assert told["tournaments"] == ["PRA-First", "PRA-Second"]
    served = {(each["asset"], each["partition"]): each["sha256"] for each in told["feature_sets"]}
    assert served == {key: pointer.sha256 for key, pointer in service.store.pointers.items()}


def test_openapi_document_describes_every_route_and_loads_nothing(service: Service) -> None:
    document = service.client.get("/schema").json()
    assert set(document["paths"]) == {
        "/predict/{match_id}",
        "/predict",
        "/predict/batch",
        "/predict/async",
        "/predict/features",
        "/features",
        "/features/{match_id}",
        "/jobs/{job_id}",
        "/scrape",
        "/scrape/{request_id}",
        "/fixtures",
        "/model",
        "/health/live",
        "/health/ready",
        "/metrics",
    }
    answer = document["paths"]["/predict/{match_id}"]["get"]["responses"]["200"]
    assert "Prediction" in str(answer)
    asked = document["paths"]["/scrape"]["post"]
    assert set(asked["responses"]) == {"202", "400", "422", "429", "503"}
    assert "ScrapeTicket" in str(asked["responses"]["202"])
    assert set(document["paths"]["/scrape/{request_id}"]["get"]["responses"]) >= {"200", "404", "503"}
