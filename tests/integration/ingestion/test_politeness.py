"""What the site sees of us: pace, robots.txt, retries, and silence after a refusal."""

import asyncio
import email.utils
import time

import msgspec
import pytest
from sqlalchemy import Engine, select, text

from match_assets.config import Settings
from match_assets.errors import (
    ConfigurationError,
    DependencyUnavailableError,
    RobotsDisallowedError,
    SourceBlockedError,
    SourceUnavailableError,
    UnexpectedPageError,
)
from match_assets.source import circuit
from match_assets.source.client import SourceClient
from match_assets.source.pace import Pace
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.schema import fetches
from tests.integration.ingestion.conftest import BLOCK, JSON, PAGE, QUICK, Visitor, logged, read
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite


def test_we_say_who_we_are_and_read_robots_first(visitor: Visitor, site: ScriptedSite) -> None:
    visitor.ask("/1", "/2")
    assert [path for _, path, _ in site.log] == ["/robots.txt", "/1", "/2"]
    agents = {agent for _, _, agent in site.log}
    assert len(agents) == 1
    assert agents.pop().startswith("match-assets/")
    assert logged(visitor.engine) == [("robots.txt", "ok"), ("1", "ok"), ("2", "ok")]


def test_nothing_but_the_page_is_asked_for(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/1"] = Answer(
        "<html>fine<img src=/a.png><link rel=stylesheet href=/b.css><script src=/c.js></script>"
        "<iframe src=/d></iframe><script>fetch('/e'); location = '/f'</script></html>"
    )
    visitor.ask("/1", "/2")
    assert site.paths == ["/1", "/2"]


@pytest.mark.parametrize(
    "refusal",
    [
        BLOCK,
        Answer("<html>Sorry, you have been blocked</html>", 403),
        Answer("<html><title>Just a moment...</title></html>", 503),
        Answer("<html>no</html>", 403),
    ],
)
def test_after_a_refusal_nothing_more_is_sent(visitor: Visitor, site: ScriptedSite, refusal: Answer) -> None:
    site.pages["/2"] = refusal
    with pytest.raises(SourceBlockedError) as caught:
        visitor.ask("/1", "/2", "/3")
    assert caught.value.exit_code == 5
    assert site.paths == ["/1", "/2"]
    with visitor.engine.connect() as connection:
        row = connection.execute(
            select(fetches.c.evidence, fetches.c.detail).where(fetches.c.outcome == "blocked")
        ).one()
    assert row.evidence
    asked = len(site.log)
    with pytest.raises(SourceBlockedError, match="nothing is asked before"):
        visitor.ask("/3")
    assert len(site.log) == asked


def test_block_in_place_of_feed_or_robots_is_a_block(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/2"] = BLOCK
    with pytest.raises(SourceBlockedError):
        visitor.ask("/2", feeds=True)
    assert circuit.close_circuit(visitor.engine, f"127.0.0.1:{site.port}")
    site.pages["/robots.txt"] = BLOCK
    site.log.clear()
    with pytest.raises(SourceBlockedError):
        visitor.ask("/1")
    assert site.paths == []


def test_cool_down_ends(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/1", BLOCK)
    with pytest.raises(SourceBlockedError):
        visitor.ask("/1", patience=msgspec.structs.replace(QUICK, cool_down_hours=0.0))
    assert visitor.ask("/1") == [PAGE.body]


def test_server_errors_are_retried_and_capped(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/1", Answer("<html>x</html>", 500), Answer("<html>x</html>", 502))
    assert visitor.ask("/1") == [PAGE.body]
    assert site.paths == ["/1"] * 3
    site.pages["/2"] = Answer("<html>x</html>", 504)
    site.log.clear()
    with pytest.raises(
        SourceUnavailableError, match=r"/2: no usable answer after 4 attempts, the last: HTTP 504"
    ) as caught:
        visitor.ask("/2")
    assert caught.value.exit_code == 4
    assert site.paths == ["/2"] * 4


@pytest.mark.parametrize("cut", ["", "<html>fi", "<html>fine</htm", "<html>fine"])
def test_cut_page_is_retried_and_never_read(visitor: Visitor, site: ScriptedSite, cut: str) -> None:
    site.first("/1", Answer(cut))
    assert visitor.ask("/1") == [PAGE.body]
    assert site.paths == ["/1", "/1"]


@pytest.mark.parametrize("cut", ["", '{"fine": [1, 2', '{"fine": "é'])
def test_cut_feed_is_retried_and_never_read(visitor: Visitor, site: ScriptedSite, cut: str) -> None:
    site.pages["/1"] = Answer('{"fine": 1}', content_type=JSON)
    site.first("/1", Answer(cut, content_type=JSON))
    assert visitor.ask("/1", feeds=True) == ['{"fine": 1}']


def test_answer_that_never_comes_is_given_up(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/1", Answer("<html>fine</html>", delay=30))
    started = time.monotonic()
    assert visitor.ask("/1", patience=msgspec.structs.replace(QUICK, deadline_seconds=1.0)) == [PAGE.body]
    assert time.monotonic() - started < 25


def test_retry_after_is_waited_out(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/1", Answer("<html>slow down</html>", 429, headers=(("Retry-After", "2"),)))
    visitor.ask("/1")
    first, second = (moment for moment, path, _ in site.log if path == "/1")
    assert second - first >= 2.0


# ING-03
def test_retry_after_as_a_date_is_waited_out(visitor: Visitor, site: ScriptedSite) -> None:
    moment = time.time() + 3
    date = email.utils.formatdate(moment, usegmt=True)
    site.first("/1", Answer("<html>slow down</html>", 429, headers=(("Retry-After", date),)))
    visitor.ask("/1", patience=msgspec.structs.replace(QUICK, retry_after_cap_seconds=60.0))
    asked_again = time.time() - (time.monotonic() - site.moments("/1")[1])
    assert asked_again >= int(moment) - 0.05


# ING-03
def test_without_a_time_we_back_off_ourselves(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/1", *[Answer("<html>slow down</html>", 429)] * 2)
    visitor.ask("/1", patience=msgspec.structs.replace(QUICK, base_seconds=0.4, cap_seconds=1.0))
    first, second, third = site.moments("/1")
    assert second - first >= 0.2
    assert third - second >= 0.4


def test_absurd_retry_after_stops_the_run(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/1", Answer("<html>slow down</html>", 429, headers=(("Retry-After", "1000000000"),)))
    with pytest.raises(SourceBlockedError, match="Retry-After"):
        visitor.ask("/1")
    assert site.paths == ["/1"]


def test_unexpected_page_is_kept_and_not_retried(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/1"] = Answer("<html>other</html>")
    with pytest.raises(UnexpectedPageError, match="/1: layout changed"):
        visitor.ask("/1")
    assert site.paths == ["/1"]
    assert ("1", "unexpected") in logged(visitor.engine)


def test_redirect_to_another_host_is_not_read(visitor: Visitor, site: ScriptedSite) -> None:
    elsewhere = ScriptedSite()
    elsewhere.pages["/1"] = PAGE
    site.pages["/1"] = Answer("", 302, headers=(("Location", f"{elsewhere.url}/1"),))
    try:
        with pytest.raises(UnexpectedPageError, match="led away"):
            visitor.ask("/1")
    finally:
        elsewhere.close()


def test_robots_forbids_a_path(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nDisallow: /2\n", content_type="text/plain")
    with pytest.raises(RobotsDisallowedError, match=r"/2: robots\.txt forbids"):
        visitor.ask("/1", "/2")
    assert site.paths == ["/1"]


def test_unreadable_robots_forbids_all(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/robots.txt"] = Answer("x", 500)
    with pytest.raises(RobotsDisallowedError, match="could not be read"):
        visitor.ask("/1")
    assert site.paths == []


# ING-19
@pytest.mark.parametrize("status", [404, 410, 403])
def test_absent_robots_allows_all(visitor: Visitor, site: ScriptedSite, status: int) -> None:
    site.pages["/robots.txt"] = Answer("<html>none</html>", status)
    assert visitor.ask("/1") == [PAGE.body]


# ING-19
@pytest.mark.parametrize("trouble", [Answer("x", 503), Answer("User-agent: *\nDisallow:\n", cut_at=20)])
def test_robots_is_asked_for_again_before_it_forbids(visitor: Visitor, site: ScriptedSite, trouble: Answer) -> None:
    site.first("/robots.txt", trouble)
    assert visitor.ask("/1") == [PAGE.body]
    assert len(site.moments("/robots.txt")) == 2


# ING-19
def test_robots_that_never_comes_forbids_all(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nDisallow:\n", delay=30)
    short = msgspec.structs.replace(QUICK, attempts=2, deadline_seconds=0.5)
    for error in visitor.outcomes("/1", "/2", patience=short):
        assert isinstance(error, RobotsDisallowedError)
        assert "could not be read" in error.message
    assert len(site.log) <= 2
    assert site.paths == []


# ING-19
def test_a_crawl_delay_of_half_a_minute_is_waited_out(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nCrawl-delay: 30\n", content_type="text/plain")

    async def watch(client: SourceClient) -> None:
        asking = asyncio.ensure_future(client.page("/1", read))
        while not site.log:
            await asyncio.sleep(0.02)
        await asyncio.wait({asking}, timeout=1.5)
        asking.cancel()

    visitor.run(watch, patience=msgspec.structs.replace(QUICK, retry_after_cap_seconds=300.0))
    assert [path for _, path, _ in site.log] == ["/robots.txt"]


# ING-19
def test_a_crawl_delay_beyond_patience_means_never(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nCrawl-delay: 86400\n", content_type="text/plain")
    with pytest.raises(RobotsDisallowedError, match="asks for 86400 s between requests, more than the 5 s"):
        visitor.ask("/1")
    assert site.paths == []


# ING-19, ING-22
def test_one_process_tells_all_of_the_crawl_delay(warehouse: Engine) -> None:
    async def walk() -> float:
        first, second = Pace(warehouse, "site", 600_000), Pace(warehouse, "site", 600_000)
        await first.wait()
        await second.wait()
        await first.obey(0.4)
        moments = []
        for _ in range(3):
            await second.wait()  # it has read no robots.txt
            moments.append(time.monotonic())
        await first.obey(0.0)
        for pace in (first, second):  # and each learns with its next moment that it is over
            for _ in range(2):
                await pace.wait()
        assert max(first.interval_seconds, second.interval_seconds) < 0.4
        return moments[2] - moments[0]

    assert asyncio.run(walk()) >= 2 * 0.4 - 0.05


def test_crawl_delay_is_kept(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nCrawl-delay: 1\n", content_type="text/plain")
    visitor.ask("/1", "/2", "/3")
    first, _, last = (moment for moment, path, _ in site.log if path != "/robots.txt")
    assert last - first > 1.5, "the first page of a browser takes longer to leave than the others"


def test_database_away_means_no_browser_and_no_request(source_settings: Settings, site: ScriptedSite) -> None:
    engine = open_engine("postgresql+psycopg://x:y@127.0.0.1:9/x")
    with pytest.raises(DependencyUnavailableError, match=r"127\.0\.0\.1:9"):
        Visitor(source_settings, engine).ask("/1")
    assert site.log == []
    engine.dispose()


def test_unmigrated_database_is_refused(source_settings: Settings, postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with pytest.raises(ConfigurationError, match="migrate"):
        Visitor(source_settings, engine).ask("/1")
    engine.dispose()


def test_missing_browser_says_how_to_get_one(visitor: Visitor) -> None:
    visitor.settings = visitor.settings.model_copy(update={"chromium": "/nowhere/chromium"})
    with pytest.raises(DependencyUnavailableError, match="MATCH_ASSETS_CHROMIUM"):
        visitor.ask("/1")


def test_all_processes_share_one_pace(warehouse: Engine, postgres_url: str) -> None:
    second = open_engine(postgres_url)
    moments: list[float] = []

    async def walk(engine: Engine) -> None:
        pace = Pace(engine, "site", 600)
        for _ in range(4):
            await pace.wait()
            moments.append(time.monotonic())

    async def main() -> None:
        await asyncio.gather(walk(warehouse), walk(second))

    asyncio.run(main())
    second.dispose()
    assert max(moments) - min(moments) >= 7 * 0.1 - 0.05


def test_overrun_sleep_does_not_bring_the_next_request_closer(warehouse: Engine) -> None:
    async def main() -> float:
        pace = Pace(warehouse, "site", 300)
        await pace.wait()
        time.sleep(0.5)  # the process was busy: the moment after this one has long passed
        await pace.wait()
        started = time.monotonic()
        await pace.wait()
        return time.monotonic() - started

    assert asyncio.run(main()) >= 0.19


def test_hold_keeps_everyone_waiting(warehouse: Engine) -> None:
    async def main() -> float:
        first, second = Pace(warehouse, "site", 60_000), Pace(warehouse, "site", 60_000)
        await first.hold(0.5)
        started = time.monotonic()
        await second.wait()
        return time.monotonic() - started

    assert asyncio.run(main()) >= 0.4


def test_unlimited_pace_takes_moments_in_batches(warehouse: Engine) -> None:
    async def main() -> None:
        pace = Pace(warehouse, "site", 600_000)
        for _ in range(2):  # the first is taken alone: it tells what robots.txt asks for
            await pace.wait()
        with warehouse.connect() as connection:
            before = connection.scalar(text("SELECT next_allowed_at FROM source_pace"))
        for _ in range(500):
            await pace.wait()
        with warehouse.connect() as connection:
            assert connection.scalar(text("SELECT next_allowed_at FROM source_pace")) == before

    asyncio.run(main())


def test_circuit_of_one_host_leaves_others_alone(warehouse: Engine) -> None:
    circuit.open_circuit(warehouse, "a:1", url="http://a:1/", marker="x", hours=1)
    circuit.require_closed(warehouse, "b:1")
    with pytest.raises(SourceBlockedError, match="UTC"):
        circuit.require_closed(warehouse, "a:1")


def test_nobody_elses_site_is_asked_without_an_address_to_reach_us(
    source_settings: Settings, warehouse: Engine
) -> None:
    plain = Settings.model_fields["contact"].default
    nameless = source_settings.model_copy(update={"source_url": "https://source.example", "contact": plain})
    with pytest.raises(ConfigurationError, match=r"MATCH_ASSETS_CONTACT.*source\.example can reach you"):
        Visitor(nameless, warehouse).ask("/")
    with warehouse.connect() as connection:
        assert connection.execute(select(fetches)).all() == []
