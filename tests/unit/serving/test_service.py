"""Health, metrics and start-up of the service with servers away."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from match_assets.config import load_settings
from match_assets.errors import (
    ConfigurationError,
    DependencyUnavailableError,
    HashMismatchError,
    MatchAssetsError,
    ModelError,
    NotAcceptedError,
    SchemaMismatchError,
    UnknownTeamError,
)
from serving.__main__ import address
from serving.cache import LONGEST_BREAK_SECONDS, Breaker
from serving.problems import RefusedRequestError, status_of
from serving.worker import metrics_port
from tests.serving_world import fill, outcome_model
from tests.unit.serving.conftest import Service


def series(service: Service) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every series of the service with its value."""
    families = text_string_to_metric_families(service.client.get("/metrics").text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_empty_service_is_alive_but_not_ready_and_says_what_is_missing(empty_service: Service) -> None:
    assert empty_service.client.get("/health/live").json() == {"status": "alive"}
    empty_service.wait_for("unready")
    ready = empty_service.client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.headers["retry-after"] == "5"
    for path in ("/predict/19", "/fixtures", "/model"):
        refused = empty_service.client.get(path)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"


def test_service_heals_by_itself_when_model_and_features_appear(empty_service: Service) -> None:
    fill(empty_service.store)
    empty_service.registry.promote("1", outcome_model())
    empty_service.wait_for("degraded")
    empty_service.wait_for_match(19)
    assert empty_service.client.get("/predict/19").json()["model_version"] == "1"


def test_without_redis_predictions_are_served_and_jobs_refused(service: Service) -> None:
    ready = service.client.get("/health/ready").json()
    assert (ready["status"], ready["redis"]) == ("degraded", "down")
    query = {
        "tournament": "PRA-First",
        "kick_off": "2024-10-01T15:00:00Z",
        "home_team": "Ashford",
        "away_team": "Bexhill",
    }
    assert service.client.post("/predict", json=query).status_code == 200
    for refused in (
        service.client.post("/predict/async", json={"matches": [{"match_id": 19}]}),
        service.client.get("/jobs/0"),
    ):
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert "the job queue does not answer" in refused.json()["detail"]


def test_without_postgres_scrapes_are_refused_and_everything_else_answers(service: Service) -> None:
    # SRV-05
    for refused in (
        service.client.post("/scrape", json={"tournament": "PRA-First", "season": "2024"}),
        service.client.get(f"/scrape/{'0' * 32}"),
    ):
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert "PostgreSQL does not answer" in refused.json()["detail"]
        assert "127.0.0.1:1" not in refused.text
    assert service.client.get("/predict/19").status_code == 200
    assert not [fault for fault in service.client.get("/health/ready").json()["faults"] if "redis" not in fault]


def test_store_and_registry_away_degrade_readiness_but_not_predictions(empty_service: Service) -> None:
    fill(empty_service.store)
    empty_service.registry.promote("1", outcome_model())
    empty_service.wait_for("degraded")
    empty_service.wait_for_match(19)
    empty_service.store.is_down = empty_service.registry.is_down = True
    deadline = 100
    while len(empty_service.client.get("/health/ready").json()["faults"]) < 3 and deadline:
        deadline -= 1
    assert empty_service.client.get("/predict/19").status_code == 200


def test_requests_are_counted_by_route_template(service: Service) -> None:
    key = (
        "match_assets_http_requests_total",
        (("method", "GET"), ("route", "/predict/{match_id}"), ("status", "200")),
    )
    before = series(service).get(key, 0.0)
    service.client.get("/predict/19")
    service.client.get("/predict/20")
    assert series(service)[key] == before + 2


def test_number_of_series_does_not_grow_with_ids_paths_methods_and_agents(service: Service) -> None:
    def storm(first: int) -> None:
        for n in range(first, first + 60):
            agent = {"User-Agent": f"agent/{n}", "X-Request-ID": f"id-{n}"}
            service.client.get(f"/predict/{10_000 + n}", headers=agent)
            service.client.get(f"/nothing/{n}/here", headers=agent)
            service.client.get(f"/jobs/{n}", headers=agent)
            service.client.get(f"/schema/{n}", headers=agent)
            service.client.request(f"BREW{n}", "/fixtures", headers=agent)

    service.client.get("/metrics")
    storm(0)
    before = set(series(service))
    storm(1000)
    assert set(series(service)) == before
    routes = {value for _, labels in before for name, value in labels if name == "route"}
    assert "unmatched" in routes
    assert all("{" in route or not any(c.isdigit() for c in route) for route in routes)


def test_predictions_are_counted_by_kind(service: Service) -> None:
    def count(kind: str) -> float:
        return series(service)["match_assets_predictions_total", (("kind", kind),)]

    fixtures, batches = count("fixture"), count("batch")
    service.client.get("/predict/19")
    service.client.post("/predict/batch", json={"matches": [{"match_id": 19}, {"match_id": 20}, {"match_id": 1}]})
    assert (count("fixture"), count("batch")) == (fixtures + 1, batches + 2)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnknownTeamError("x"), 422),
        (SchemaMismatchError("x"), 422),
        (DependencyUnavailableError("x"), 503),
        (NotAcceptedError("x"), 503),
        (HashMismatchError("x"), 503),
        (ModelError("x"), 503),
        (ConfigurationError("x"), 503),
        (RefusedRequestError(409, "x"), 409),
        (MatchAssetsError("x"), 500),
    ],
)
def test_each_error_of_ours_has_its_status(error: MatchAssetsError, status: int) -> None:
    assert status_of(error) == status


def test_breaker_pauses_longer_after_each_failure_and_closes_on_success() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    pauses = []
    for _ in range(8):
        breaker.failed()
        start = now
        while breaker.is_open:
            now += 0.5
        pauses.append(now - start)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_BREAK_SECONDS, LONGEST_BREAK_SECONDS, LONGEST_BREAK_SECONDS]
    breaker.succeeded()
    breaker.failed()
    now += 0.5
    assert not breaker.is_open


def test_address_comes_from_the_service_url_unless_host_and_port_are_given() -> None:
    environment = {
        "MATCH_ASSETS_POSTGRES_URL": "postgresql://x",
        "MATCH_ASSETS_S3_BUCKET": "x",
        "MATCH_ASSETS_REDIS_URL": "redis://x",
        "MATCH_ASSETS_MLFLOW_URL": "sqlite://",
        "MATCH_ASSETS_SOURCE_URL": "http://x",
        "MATCH_ASSETS_SERVICE_URL": "http://127.0.0.1:8123",
    }
    settings = load_settings(environment)
    assert address(settings, {}) == ("127.0.0.1", 8123)
    given = {"MATCH_ASSETS_SERVICE_HOST": "0.0.0.0", "MATCH_ASSETS_SERVICE_PORT": "9000"}
    assert address(settings, given) == ("0.0.0.0", 9000)
    with pytest.raises(ConfigurationError, match="MATCH_ASSETS_SERVICE_PORT='web' is no port"):
        address(settings, {"MATCH_ASSETS_SERVICE_PORT": "web"})


@pytest.mark.parametrize("text", ["0", "65536", "-1", "web", "8000.0"])
def test_metrics_port_of_a_worker_must_be_a_port(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no port"):
        metrics_port({"MATCH_ASSETS_WORKER_METRICS_PORT": text})
