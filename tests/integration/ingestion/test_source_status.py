"""What a person is told about the site: status, alerts and budget; and what follows from them for every process."""

import asyncio
import http.server
import json
import logging
import threading
from collections.abc import Iterator

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select, text

from match_assets.cli import main
from match_assets.config import Settings
from match_assets.errors import SourceBlockedError, SourceBudgetError
from match_assets.source import circuit
from match_assets.source.client import SourceClient
from match_assets.source.pace import Pace
from match_assets.source.status import lines, source_status
from match_assets.warehouse.schema import alerts, circuits, fetches
from tests.integration.ingestion.conftest import BLOCK, PAGE, QUICK, Visitor, read
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite


class Webhook:
    """Takes alerts; ``answers`` with this status."""

    def __init__(self, answers: int = 204) -> None:
        self.received: list[dict[str, object]] = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                webhook.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(answers)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on standard error."""

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook/s3cret"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    receiver = Webhook()
    yield receiver
    receiver.close()


@pytest.fixture
def command(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command line with this test's settings."""
    monkeypatch.setenv("MATCH_ASSETS_ENV_FILE", "absent")
    for name, value in visitor.settings.model_dump(mode="json", exclude_none=True).items():
        monkeypatch.setenv(f"MATCH_ASSETS_{name.upper()}", str(value))
    return CliRunner()


def said(command: CliRunner, *arguments: str) -> str:
    told: Result = command.invoke(main, ["source", *arguments])
    assert told.exit_code == 0, told.output
    return told.output


def next_day(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE source_pace SET day = day - 1"))


def test_status_before_anything_was_asked(visitor: Visitor, site: ScriptedSite, command: CliRunner) -> None:
    told = said(command, "status")
    assert "closed: the site may be asked" in told
    assert "0 in the last minute, 0 in the last hour, 0 in the last day" in told
    assert "0 given out today (UTC), 5000 left of 5000" in told
    assert site.log == []


def test_status_tells_pace_requests_budget_and_the_last_error(
    visitor: Visitor, site: ScriptedSite, command: CliRunner
) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nCrawl-delay: 0.2\n", content_type="text/plain")
    site.pages["/2"] = Answer("<html>other</html>")
    site.pages["/3"] = Answer("", 302, headers=(("Location", "http://evil.example/"),))
    visitor.outcomes("/1", "/2", "/3", "/4")
    found = msgspec.json.decode(said(command, "status", "--json"))
    assert found["host"] == f"127.0.0.1:{site.port}"
    assert found["n_requests"] == {"minute": 5, "hour": 5, "day": 5}
    assert found["n_today"] == 5
    assert found["n_refused"] == 1
    assert found["crawl_delay_seconds"] == found["seconds_between_requests"] == 0.2
    assert found["circuit"] is None
    assert found["open_alerts"] == []
    assert found["last_error"]["url"] == f"{site.url}/4"
    assert (found["last_error"]["outcome"], found["last_error"]["http_status"]) == ("unexpected", 404)
    assert set(found["frontier"]) == {
        f"{kind}s {state}" for kind in ("month", "page") for state in ("due", "waiting", "done")
    }
    told = said(command, "status")
    assert "one request every 0.2 s, robots.txt asks for 0.2 s" in told
    assert "5 given out today (UTC), 4995 left of 5000" in told
    assert "HTTP 404 unexpected" in told


# ING-01
def test_one_block_is_one_row_one_alert_one_line_and_one_message(
    visitor: Visitor, site: ScriptedSite, webhook: Webhook, caplog: pytest.LogCaptureFixture, command: CliRunner
) -> None:
    visitor.change(alert_url=webhook.url)
    site.pages["/2"] = site.pages["/3"] = BLOCK._replace(delay=0.3)

    async def both(client: SourceClient) -> list[object]:
        await client.page("/1", read)
        asking = (client.page("/2", read), client.page("/3", read))
        return await asyncio.gather(*asking, return_exceptions=True)

    with caplog.at_level(logging.WARNING, logger="match_assets"):
        errors = visitor.run(both)
    assert all(isinstance(error, SourceBlockedError) for error in errors)
    with visitor.engine.connect() as connection:
        (row,) = connection.execute(select(circuits)).all()
        (alert,) = connection.execute(select(alerts)).all()
        kept = connection.execute(select(fetches).where(fetches.c.outcome == "blocked")).all()
    assert row.marker == "_Incapsula_Resource"
    assert row.url in {f"{site.url}/2", f"{site.url}/3"}
    assert row.closed_until > row.opened_at
    assert (alert.kind, alert.subject) == ("blocked", f"127.0.0.1:{site.port}")
    assert alert.facts["marker"] == row.marker
    assert kept
    assert all(one.evidence for one in kept)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    (message,) = webhook.received
    assert message == {name: getattr(alert, name) for name in ("kind", "subject", "message", "facts")}

    told = said(command, "status")
    assert f"open until {row.closed_until:%Y-%m-%d %H:%M} UTC, because of _Incapsula_Resource" in told
    assert "the site refuses us (_Incapsula_Resource)" in told
    n_asked = len(site.log)
    assert "may be asked again" in said(command, "resume")
    assert "was not closed" in said(command, "resume")
    assert "alert" not in said(command, "status"), "who closes the circuit has seen the alert"
    assert len(site.log) == n_asked, "neither command asks the site"


@pytest.mark.parametrize("hook", ["http://127.0.0.1:9/s3cret", "http://[", "refusing"])
def test_a_webhook_that_does_not_work_changes_nothing(
    visitor: Visitor, site: ScriptedSite, caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    refusing = Webhook(answers=500)
    visitor.change(alert_url=refusing.url if hook == "refusing" else hook)
    site.pages["/1"] = BLOCK
    with caplog.at_level(logging.WARNING, logger="match_assets"), pytest.raises(SourceBlockedError):
        visitor.ask("/1")
    refusing.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "s3cret" not in caplog.text


# ING-01, ING-22
def test_a_block_stops_every_other_process_at_its_next_request(warehouse: Engine) -> None:
    async def walk() -> None:
        pace = Pace(warehouse, "site", 600)
        await pace.wait()
        circuit.open_circuit(warehouse, "site", url="http://site/", marker="x")
        with pytest.raises(SourceBlockedError, match="nothing is asked before"):
            await pace.wait()

    asyncio.run(walk())


def test_the_budget_of_a_day_is_kept_by_all_and_is_new_the_day_after(visitor: Visitor, site: ScriptedSite) -> None:
    visitor.change(requests_per_day=3)
    with pytest.raises(SourceBudgetError, match=r"the 3 requests of \d{4}-\d\d-\d\d \(UTC\) are spent") as caught:
        visitor.ask("/1", "/2", "/3")
    assert caught.value.exit_code == 5
    assert [path for _, path, _ in site.log] == ["/robots.txt", "/1", "/2"]
    with pytest.raises(SourceBudgetError):
        visitor.ask("/1")
    assert len(site.log) == 3
    status = source_status(visitor.engine, visitor.settings)
    assert (status.n_today, status.n_left_today) == (3, 0)
    next_day(visitor.engine)
    assert source_status(visitor.engine, visitor.settings).n_left_today == 3
    assert visitor.ask("/3") == [PAGE.body]


def test_without_a_budget_none_is_shown(source_settings: Settings, warehouse: Engine) -> None:
    status = source_status(warehouse, source_settings.model_copy(update={"requests_per_day": None}))
    assert status.n_left_today is None
    assert ("budget", "0 given out today (UTC), no limit") in lines(status)


def test_moments_that_were_not_used_are_given_back(warehouse: Engine) -> None:
    async def walk(budget: int) -> None:
        pace = Pace(warehouse, "site", 600_000, budget)
        for _ in range(4):
            await pace.wait()
        await pace.give_back()

    def n_today() -> int:
        with warehouse.connect() as connection:
            return int(connection.scalar(text("SELECT n_today FROM source_pace")) or 0)

    asyncio.run(walk(5_000))
    assert n_today() == 4
    # with less left than a batch they are taken one by one
    asyncio.run(walk(10))
    assert n_today() == 8
    with pytest.raises(SourceBudgetError):
        asyncio.run(walk(10))
    assert n_today() == 10


# ING-03
@pytest.mark.parametrize("status", [429, 503])
def test_an_absurd_wait_stops_every_run_for_a_day_at_most(visitor: Visitor, site: ScriptedSite, status: int) -> None:
    site.pages["/1"] = Answer("<html>later</html>", status, headers=(("Retry-After", "1000000000"),))
    with pytest.raises(SourceBlockedError, match=rf"HTTP {status}, Retry-After 1e\+09 s.*24\.0 hours") as caught:
        visitor.ask("/1", "/2")
    assert caught.value.exit_code == 5
    assert site.paths == ["/1"]
    with pytest.raises(SourceBlockedError, match="nothing is asked before"):
        visitor.ask("/2")
    assert site.paths == ["/1"]


# ING-03
def test_too_many_requests_again_and_again_is_a_refusal(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/1"] = Answer("<html>slow down</html>", 429)
    with pytest.raises(SourceBlockedError, match="HTTP 429, 3 times"):
        visitor.ask("/1", "/2", patience=msgspec.structs.replace(QUICK, attempts=3))
    assert site.paths == ["/1"] * 3


# ING-03
def test_being_told_to_wait_holds_every_reader(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/1", Answer("<html>slow down</html>", 429, headers=(("Retry-After", "2"),)))

    async def both(client: SourceClient) -> None:
        told = asyncio.ensure_future(client.page("/1", read))
        while not site.moments("/1"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # the answer is there by now, and what it asks for is known to all
        await client.page("/2", read)
        await told

    visitor.run(both)
    first, second = site.moments("/1")
    assert second - first >= 2.0
    assert site.moments("/2")[0] - first >= 2.0
