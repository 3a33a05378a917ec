"""Features over HTTP: listed, shown and taken as the registry defines them."""

import json
from typing import Any

import pytest

from match_assets.features.build import assemble_match_features, build_team_features, fixture_team_features
from match_assets.features.registry import (
    feature_version,
    match_feature_definitions,
    match_feature_names,
    team_feature_definitions,
    team_feature_names,
)
from tests.serving_world import PARAMS, league, outcome_model
from tests.unit.serving.conftest import Service
from tests.unit.serving.test_bad_input import problem

COMING = 19  # a fixture of the first league
TEAM = team_feature_names(PARAMS.features)


def row_of(service: Service) -> dict[str, Any]:
    """Both teams of a coming match, as they may be sent back."""
    told: dict[str, Any] = service.client.get(f"/features/{COMING}").json()["features"]
    return told


def test_list_is_the_registry(service: Service) -> None:
    told = service.client.get("/features").json()
    assert told["feature_version"] == feature_version(PARAMS.features)
    assert told["read_by_model"] == list(outcome_model().feature_names)
    team, match = team_feature_definitions(PARAMS.features), match_feature_definitions(PARAMS.features)
    assert [each["name"] for each in told["team_features"]] == TEAM
    assert [each["name"] for each in told["match_features"]] == match_feature_names(PARAMS.features)[2 * len(team) :]
    for defined, listed in zip(
        (*team, *match[2 * len(team) :]), told["team_features"] + told["match_features"], strict=True
    ):
        for name in ("group", "unit", "description", "window", "null_when", "source"):
            assert listed[name] == getattr(defined, name)
        bounds = tuple(bound if abs(bound) != float("inf") else None for bound in defined.within)
        assert (listed["lowest"], listed["highest"]) == bounds


def test_features_of_a_fixture_are_those_of_the_batch(service: Service) -> None:
    played, fixtures = league()
    state = build_team_features(played, PARAMS.features).state
    rows = fixture_team_features(state, fixtures, PARAMS.features)
    told = service.client.get(f"/features/{COMING}").json()
    assert told["features_sha256"] == service.client.get(f"/predict/{COMING}").json()["features_sha256"]
    for side, is_home in (("home", True), ("away", False)):
        [row] = rows.filter(match_id=COMING, is_home=is_home).select(TEAM).to_dicts()
        assert told["features"][side] == row


def test_row_sent_back_as_it_was_gives_the_prediction_of_the_fixture_bit_for_bit(service: Service) -> None:
    answer = service.client.post("/predict/features", json=row_of(service)).json()
    known = service.client.get(f"/predict/{COMING}").json()
    assert {name: known[name] for name in answer} == answer
    assert answer.keys() == {"probabilities", "model_version", "feature_version"}


def test_differences_and_expectations_follow_a_changed_value(service: Service) -> None:
    played, fixtures = league()
    state = build_team_features(played, PARAMS.features).state
    rows = fixture_team_features(state, fixtures.filter(match_id=COMING), PARAMS.features)
    stronger = rows.with_columns(elo=rows["elo"] + rows["is_home"].cast(float) * 300.0)
    expected = outcome_model().predict(assemble_match_features(stronger, PARAMS.features))
    row = row_of(service)
    row["home"]["elo"] += 300.0
    answer = service.client.post("/predict/features", json=row).json()
    assert list(answer["probabilities"].values()) == expected[0].tolist()
    assert answer["probabilities"] != service.client.get(f"/predict/{COMING}").json()["probabilities"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points_5": 3.5}, "home.points_5"),
        ({"rest_days": -1}, "home.rest_days"),
        ({"elo": "strong"}, "home.elo"),
        ({"no_such_feature": 1.0}, "no_such_feature"),
    ],
)
def test_value_that_no_feature_can_have_is_refused_by_name(
    service: Service, change: dict[str, Any], words: str
) -> None:
    row = row_of(service)
    row["home"] |= change
    assert words in str(problem(service.client.post("/predict/features", json=row), 400))


def test_feature_left_out_is_refused_by_name_and_null_stands_for_unknown(service: Service) -> None:
    row = row_of(service)
    del row["away"]["elo"]
    assert "elo" in str(problem(service.client.post("/predict/features", json=row), 400))
    row["away"] = dict.fromkeys(TEAM)
    assert service.client.post("/predict/features", json=row).status_code == 200


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
def test_number_beyond_all_numbers_is_refused(service: Service, number: str) -> None:
    sides = row_of(service)
    sides["home"]["elo"] = "HERE"
    text = json.dumps(sides).replace('"HERE"', number)
    headers = {"content-type": "application/json"}
    problem(service.client.post("/predict/features", content=text, headers=headers), 400)


def test_match_without_features_is_refused_as_its_prediction_is(service: Service) -> None:
    assert "99999" in problem(service.client.get("/features/99999"), 404)["detail"]
    assert "has been played" in problem(service.client.get("/features/1"), 409)["detail"]


def test_openapi_document_describes_every_feature_of_the_request(service: Service) -> None:
    document = service.client.get("/schema/openapi.json").json()
    asked = document["paths"]["/predict/features"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    query = document["components"]["schemas"][asked["$ref"].rsplit("/", 1)[-1]]
    described = document["components"]["schemas"][query["properties"]["home"]["$ref"].rsplit("/", 1)[-1]]
    assert sorted(described["properties"]) == sorted(TEAM)
    assert sorted(described["required"]) == sorted(TEAM)
    for definition in team_feature_definitions(PARAMS.features):
        assert definition.description in str(described["properties"][definition.name])
