"""Scrapes asked for over HTTP on a real PostgreSQL: one open request a season, a cap, and a server that is away or silent."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import Engine, make_url, text

from match_assets.config import Params
from match_assets.local.servers import create_databases, postgres_dsn
from match_assets.local.stack import ServerStack
from match_assets.warehouse import requests
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate
from serving.app import create_app
from serving.scrapes import MOST_WAITING
from tests.serving_world import MemoryRegistry, MemoryStore, fill, outcome_model, quick_params, unreachable_settings

SEASON = {"tournament": "PRA-First", "season": "2023"}
MOST_OPEN = 4
MOMENT = "'2025-02-10 12:00+00'"


@pytest.fixture(scope="module")
def url(stack: ServerStack) -> str:
    """A migrated warehouse whose catalogue lists PRA-First 2021 to 2024, and 2030 from a file."""
    port, password, name = stack.ports["postgres"], stack.secrets["postgres"], "scrapes_over_http"
    create_databases(port, password, (name,))
    url = postgres_dsn(port, password, name, driver="psycopg")
    migrate(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO tournaments VALUES ('PRA-First', 900, 9001, 'Practice', 'First', '/', {MOMENT})")
        )
        for season_id, season in ((-1, 2030), (1, 2021), (2, 2022), (3, 2023), (4, 2024)):
            connection.execute(
                text(f"INSERT INTO seasons VALUES (:id, 'PRA-First', :season, 'named', '/', {MOMENT})"),
                {"id": season_id, "season": str(season)},
            )
    engine.dispose()
    return url


@pytest.fixture
def warehouse(url: str) -> Iterator[Engine]:
    """The warehouse, with no request in it."""
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM scrape_requests"))
    yield engine
    engine.dispose()


def few_params() -> Params:
    """Parameters that let few requests be open."""
    params = quick_params()
    ingestion = params.ingestion.model_copy(update={"max_open_requests": MOST_OPEN})
    return params.model_copy(update={"ingestion": ingestion})


def app_on(url: str, folder: Path, **urls: str) -> Litestar:
    """The service with features and a champion, and these addresses of PostgreSQL."""
    store, registry = MemoryStore(), MemoryRegistry(folder / "registry")
    fill(store)
    registry.promote("1", outcome_model())
    settings = unreachable_settings(folder / "state").model_copy(update={"postgres_url": url, **urls})
    return create_app(settings, few_params(), features=store, models=registry)


@pytest.fixture(scope="module")
def service(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Litestar]]:
    with TestClient(app_on(url, tmp_path_factory.mktemp("service"))) as running:
        yield running


@pytest.fixture
def client(service: TestClient[Litestar], warehouse: Engine) -> TestClient[Litestar]:
    """The service before anybody asked it for anything."""
    return service


def asked(client: TestClient[Litestar], **change: Any) -> dict[str, Any]:
    """The ticket of a request that was taken."""
    answer = client.post("/scrape", json={**SEASON, **change})
    assert answer.status_code == 202, answer.text
    ticket: dict[str, Any] = answer.json()
    assert answer.headers["location"] == ticket["status_url"] == f"/scrape/{ticket['request_id']}"
    return ticket


def refused(client: TestClient[Litestar], status: int, **change: Any) -> Any:
    """The problem of a request that was not."""
    answer = client.post("/scrape", json={**SEASON, **change})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


def test_a_scrape_that_is_asked_for_can_be_followed_to_its_end(client: TestClient[Litestar], warehouse: Engine) -> None:
    ticket = asked(client, reason="a goal was taken back")
    assert ticket["state"] == "requested"
    told = client.get(ticket["status_url"]).json()
    assert (told["tournament"], told["season"], told["reason"]) == ("PRA-First", "2023", "a goal was taken back")
    assert (told["state"], told["run_id"], told["detail"]) == ("requested", None, "")
    assert requests.follow(warehouse, ticket["request_id"], state="running", run_id="run-1", detail="12 of 380")
    told = client.get(ticket["status_url"]).json()
    assert (told["state"], told["run_id"], told["detail"]) == ("running", "run-1", "12 of 380")
    assert told["updated_at"] > told["requested_at"]
    assert requests.follow(warehouse, ticket["request_id"], state="done", run_id="run-1", detail="7 materialised")
    assert client.get(ticket["status_url"]).json()["state"] == "done"


def test_the_same_season_is_one_request_while_it_is_open(client: TestClient[Litestar], warehouse: Engine) -> None:
    # SRV-18
    first = asked(client)
    requests.follow(warehouse, first["request_id"], state="running", run_id="run-1", detail="")
    again = asked(client, reason="impatient")
    assert (again["request_id"], again["state"]) == (first["request_id"], "running")
    assert asked(client, season="2024")["request_id"] != first["request_id"]
    requests.follow(warehouse, first["request_id"], state="failed", run_id="run-1", detail="refused")
    assert asked(client)["request_id"] != first["request_id"]


def test_a_request_that_has_ended_stays_as_it_ended(client: TestClient[Litestar], warehouse: Engine) -> None:
    ticket = asked(client)
    requests.follow(warehouse, ticket["request_id"], state="done", run_id="run-1", detail="")
    assert not requests.follow(warehouse, ticket["request_id"], state="running", run_id="run-2", detail="late news")
    assert client.get(ticket["status_url"]).json()["state"] == "done"


@pytest.mark.parametrize(
    ("season", "words"),
    [
        ("1999", "season 1999 is older than 2000, the first that is followed"),
        ("2019", "the source lists no season 2019 of PRA-First, but 2021 to 2024"),
        ("2026", "the source lists no season 2026"),
        # a file's season is nothing that the source could be asked for
        ("2030", "the source lists no season 2030"),
    ],
)
def test_a_season_that_the_source_does_not_have_is_422(client: TestClient[Litestar], season: str, words: str) -> None:
    assert words in refused(client, 422, season=season).json()["detail"]


def test_a_season_that_may_be_new_is_taken(client: TestClient[Litestar]) -> None:
    # ING-17: the next one of a known tournament, any of a tournament whose catalogue was never read
    asked(client, season="2025")
    asked(client, tournament="ESP-LaLiga", season="2015")


def test_more_than_may_be_open_is_429_and_a_place_is_free_again_when_one_is_done(
    client: TestClient[Litestar], warehouse: Engine
) -> None:
    # SRV-18
    tickets = [asked(client, season=str(season)) for season in range(2021, 2021 + MOST_OPEN)]
    answer = refused(client, 429, season="2025")
    assert answer.headers["retry-after"] == "60"
    assert f"{MOST_OPEN} scrapes are asked for and not done yet" in answer.json()["detail"]
    assert asked(client, season="2021")["request_id"] == tickets[0]["request_id"]
    requests.follow(warehouse, tickets[2]["request_id"], state="done", run_id="run-1", detail="")
    asked(client, season="2025")


def test_racing_callers_get_one_request_a_season_and_never_more_than_the_cap(warehouse: Engine) -> None:
    # SRV-14, SRV-18
    together = threading.Barrier(12)

    def ask(number: int) -> str | None:
        together.wait(30)
        found = requests.submit(warehouse, "PRA-First", str(2000 + number % 6), "race", max_open=MOST_OPEN)
        return found.request_id if found else None

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(ask, range(12)))
    stored = requests.open_requests(warehouse)
    assert len(stored) == len({request.partition_key for request in stored}) == MOST_OPEN
    assert {answer for answer in answers if answer} == {request.request_id for request in stored}
    assert answers[:6] == answers[6:]


@pytest.mark.parametrize("reason", ["'); DROP TABLE scrape_requests;--", "%s %(x)s {0} $1", "\\ \"' ß İ", "x" * 200])
def test_what_a_caller_says_is_stored_and_told_as_it_is(client: TestClient[Litestar], reason: str) -> None:
    # PG-08
    ticket = asked(client, reason=reason)
    assert client.get(ticket["status_url"]).json()["reason"] == reason


def test_an_id_that_nobody_was_given_is_404(client: TestClient[Litestar]) -> None:
    answer = client.get(f"/scrape/{'0' * 32}")
    assert answer.status_code == 404
    assert "no scrape 000" in answer.json()["detail"]


def test_the_role_for_requests_is_enough_for_the_service(warehouse: Engine, url: str, tmp_path: Path) -> None:
    # SEC-04
    name = "service_that_asks"
    with warehouse.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'known' IN ROLE match_assets_request"))
    own = make_url(url).set(username=name, password="known").render_as_string(hide_password=False)
    try:
        with TestClient(app_on("postgresql+psycopg://nobody@127.0.0.1:1/none", tmp_path, requests_url=own)) as service:
            ticket = asked(service)
            assert service.get(ticket["status_url"]).json()["state"] == "requested"
            refused(service, 422, season="2019")
    finally:
        with warehouse.begin() as connection:
            connection.execute(text(f"DROP ROLE {name}"))


def test_a_warehouse_without_the_table_is_503_and_no_fault_of_the_service(postgres_url: str, tmp_path: Path) -> None:
    with TestClient(app_on(postgres_url, tmp_path)) as service:
        answer = refused(service, 503)
        assert answer.headers["retry-after"] == "5"
        assert "SELECT" not in answer.text


def test_a_silent_postgres_holds_up_no_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # SRV-05: connected, and never an answer
    async def main(app: Litestar) -> None:
        transport = httpx.ASGITransport(app=app)
        async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.05)
            monkeypatch.setattr("serving.scrapes.BUDGET_SECONDS", 0.1)
            late = await client.post("/scrape", json=SEASON)
            assert (late.status_code, late.headers["retry-after"]) == (503, "5")
            assert "not within" in late.json()["detail"]
            monkeypatch.setattr("serving.scrapes.BUDGET_SECONDS", 600.0)
            waiting = [asyncio.create_task(client.post("/scrape", json=SEASON)) for _ in range(MOST_WAITING)]
            await asyncio.sleep(0.1)
            # one more than may wait is not even begun
            surplus = await client.post("/scrape", json=SEASON)
            assert surplus.status_code == 503
            assert "too many requests wait for it" in surplus.json()["detail"]
            pair = {"tournament": "PRA-First", "kick_off": "2024-10-01T15:00:00Z"}
            teams = {"home_team": "Ashford", "away_team": "Bexhill"}
            assert (await client.post("/predict", json={**pair, **teams})).status_code == 200
            assert (await client.get("/predict/19")).status_code == 200
            # two threads, each five seconds to connect: forty seconds for all of them, had we waited
            assert not all(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        asyncio.run(main(app_on(f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none", tmp_path)))
