"""Whatever a client sends: a 4xx problem document that says what is wrong, never a 500."""

import json
from typing import Any

import pytest

from serving.app import LARGEST_BODY_BYTES
from tests.unit.serving.conftest import Service

PAIR = {"tournament": "PRA-First", "kick_off": "2024-10-01T15:00:00Z", "home_team": "Ashford", "away_team": "Bexhill"}
POST_ROUTES = ("/predict", "/predict/features", "/predict/batch", "/predict/async", "/scrape")


def problem(response: Any, status: int) -> dict[str, Any]:
    """The problem document, checked for its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert told["status"] == status
    assert told["request_id"] == response.headers["x-request-id"]
    assert told["detail"]
    return told


def test_unknown_match_is_404_and_names_the_id(service: Service) -> None:
    assert "99999" in problem(service.client.get("/predict/99999"), 404)["detail"]


def test_played_match_is_409(service: Service) -> None:
    assert "has been played" in problem(service.client.get("/predict/1"), 409)["detail"]


@pytest.mark.parametrize("match_id", ["abc", "1.5", "9" * 5000, "%00", "-", "1e3"])
def test_match_id_that_is_no_number_is_404(service: Service, match_id: str) -> None:
    problem(service.client.get(f"/predict/{match_id}"), 404)


@pytest.mark.parametrize("match_id", [0, -1, 2**63, 2**200])
def test_number_that_no_match_can_have_is_404(service: Service, match_id: int) -> None:
    problem(service.client.get(f"/predict/{match_id}"), 404)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tournament": "ENG-None"}, "unknown tournament 'ENG-None'; served are: PRA-First, PRA-Second"),
        ({"home_team": "Nowhere"}, "home_team: no team 'Nowhere' in PRA-First; its teams are Ashford (1001)"),
        ({"away_team": None, "away_team_id": 101001}, "away_team_id: no team 101001 in PRA-First"),
        ({"away_team": "ashford"}, "home and away are the same team, 1001 (Ashford)"),
        ({"away_team": None, "away_team_id": 1001}, "home and away are the same team"),
        ({"away_team": None}, "give the away team by away_team_id or by away_team"),
        ({"home_team_id": 1001}, "give the home team by home_team_id or by home_team"),
        (
            {"kick_off": "2024-09-14T15:00:00Z"},
            "is not after the newest match known in PRA-First (2024-09-14T15:00:00Z)",
        ),
        ({"kick_off": "1999-01-01T15:00:00Z"}, "is not after the newest match known"),
        ({"kick_off": "2034-09-14T15:00:00Z"}, "more than 400 days after the newest match known"),
        ({"kick_off": "0001-01-01T00:00:00+14:00"}, "outside the calendar"),
    ],
)
def test_pair_that_has_no_answer_is_422(service: Service, change: dict[str, Any], words: str) -> None:
    body = {key: value for key, value in {**PAIR, **change}.items() if value is not None}
    assert words in problem(service.client.post("/predict", json=body), 422)["detail"]


@pytest.mark.parametrize("route", POST_ROUTES)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is missing"),
        (b'{"tournament":', "not readable as JSON"),
        (b'{"tournament": NaN}', "not readable as JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"tournament": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"tournament": "\xff\xfe"}', "not valid UTF-8"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        (b"null", "the body: Expected `object`"),
        (b"[]", "the body: Expected `object`"),
        (b'{"matches": []}', ""),
        (b'{"tournament": "\\ud800"}', "not readable as JSON"),
    ],
)
def test_body_that_is_no_json_object_is_400(service: Service, route: str, body: bytes, words: str) -> None:
    told = problem(service.client.post(route, content=body, headers={"content-type": "application/json"}), 400)
    assert words in told["detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('"kick_off": "yesterday"', "kick_off"),
        ('"kick_off": "2024-10-01T15:00:00"', "kick_off"),
        ('"kick_off": 1e999', "range"),
        ('"home_team_id": ' + "9" * 5000, "range"),
        ('"home_team_id": 1.5', "home_team_id"),
        ('"home_team_id": "one"', "home_team_id"),
        ('"kick_off": 1e300', "kick_off"),
        ('"home_team_id": 9007199254740992', "home_team_id"),
        ('"home_team": ""', "home_team"),
        ('"home_team": "' + "x" * 101 + '"', "home_team"),
        ('"odds": 2.1', "unknown field `odds`"),
    ],
)
def test_field_of_the_wrong_shape_is_400_and_named(service: Service, change: str, words: str) -> None:
    body = json.dumps(PAIR)[:-1] + ", " + change + "}"
    response = service.client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert words in problem(response, 400)["detail"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"tournament": "PRA-First"}', "season"),
        ('{"season": "2024"}', "tournament"),
        ('{"tournament": "PRA-First", "season": 2024}', "season"),
        ('{"tournament": "PRA-First", "season": "2024/2025"}', "season"),
        ('{"tournament": "PRA-First", "season": "٢٠٢٤"}', "season"),
        ('{"tournament": "PRA-First", "season": "' + "9" * 5000 + '"}', "season"),
        ('{"tournament": "' + "x" * 101 + '", "season": "2024"}', "tournament"),
        ('{"tournament": "PRA-First", "season": "2024", "reason": "' + "x" * 201 + '"}', "reason"),
        # PostgreSQL holds no NUL
        ('{"tournament": "PRA-First", "season": "2024", "reason": "a\\u0000b"}', "reason"),
        ('{"tournament": "PRA-First", "season": "2024", "reason": "two\\nlines"}', "reason"),
        ('{"tournament": "PRA-First", "season": "2024", "who": "me"}', "unknown field `who`"),
    ],
)
def test_scrape_of_the_wrong_shape_is_400_and_the_field_named(service: Service, body: str, words: str) -> None:
    response = service.client.post("/scrape", content=body.encode(), headers={"content-type": "application/json"})
    assert words in problem(response, 400)["detail"]


@pytest.mark.parametrize("tournament", ["ENG-None", "pra-first", "'); DROP TABLE matches;--", "%s", "\u0000"])
def test_scrape_of_an_unknown_tournament_is_422_and_names_those_there_are(service: Service, tournament: str) -> None:
    told = problem(service.client.post("/scrape", json={"tournament": tournament, "season": "2024"}), 422)
    assert f"unknown tournament {tournament!r}; params.yaml has: PRA-First, PRA-Second" in told["detail"]


@pytest.mark.parametrize(
    "request_id", ["abc", "%00", "9" * 5000, "0" * 31, "G" * 32, "%20", "a%0Ab", "..%2f", "0" * 32 + "%0A"]
)
def test_scrape_id_that_was_never_given_out_is_404(service: Service, request_id: str) -> None:
    # not of the form of an id: known without asking PostgreSQL, which is away here
    problem(service.client.get(f"/scrape/{request_id}"), 404)


def test_duplicate_key_counts_with_its_last_value(service: Service) -> None:
    body = json.dumps(PAIR)[:-1] + ', "home_team": "Crawley"}'
    assert service.client.post("/predict", content=body).json()["home_team"]["name"] == "Crawley"


def test_body_over_the_limit_is_413(service: Service) -> None:
    problem(service.client.post("/predict", content=b" " * (LARGEST_BODY_BYTES + 1)), 413)


@pytest.mark.parametrize("route", ["/predict/batch", "/predict/async"])
def test_batch_over_the_limit_is_422(service: Service, route: str) -> None:
    told = problem(service.client.post(route, json={"matches": [{"match_id": 19}] * 501}), 422)
    assert "501 matches in one batch; at most 500 are allowed" in told["detail"]


def test_method_that_a_route_does_not_take_is_405(service: Service) -> None:
    assert "does not take DELETE" in problem(service.client.delete("/predict"), 405)["detail"]


def test_unknown_path_is_404_with_a_request_id(service: Service) -> None:
    problem(service.client.get("/no/such/path"), 404)


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "offset=-1", "since=tomorrow", "until=2024-13-01"])
def test_fixture_filter_of_the_wrong_shape_is_400(service: Service, query: str) -> None:
    problem(service.client.get(f"/fixtures?{query}"), 400)


def test_fixtures_of_an_unknown_tournament_are_422(service: Service) -> None:
    problem(service.client.get("/fixtures?tournament=none"), 422)


def test_harmless_request_id_of_the_client_is_kept_and_any_other_replaced(service: Service) -> None:
    kept = service.client.get("/health/live", headers={"X-Request-ID": "trace-1.a_B"})
    assert kept.headers["x-request-id"] == "trace-1.a_B"
    for bad in ("a b", "x" * 65, '"><script>', "a;b"):
        assert service.client.get("/health/live", headers={"X-Request-ID": bad}).headers["x-request-id"] != bad
