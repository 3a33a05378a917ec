"""Answers that are broken, endless, swollen or lead elsewhere: read whole or not at all, and never followed away."""

from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select

from match_assets.errors import (
    RobotsDisallowedError,
    SourceUnavailableError,
    UnexpectedPageError,
)
from match_assets.source.client import SourceClient
from match_assets.source.document import MAX_BODY_BYTES
from match_assets.source.parsers import parse_match_page, parse_month_feed
from match_assets.warehouse.schema import fetches
from tests import pages
from tests.integration.ingestion.conftest import BLOCK, JSON, PAGE, QUICK, Visitor, logged
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

REDIRECTS = {
    "/to-another-port": "{elsewhere}/1",
    "/to-another-name": "http://localhost:{port}/1",
    "/to-another-user": "http://a:b@127.0.0.1:{port}/1",
    "/to-no-scheme": "//evil.example/1",
    "/to-a-file": "file:///etc/passwd",
    "/to-a-crash": "chrome://crash",
    "/to-a-script": "javascript:alert(1)",
    "/to-data": "data:text/html,<html>fine</html>",
}


def leading(location: str, status: int = 302) -> Answer:
    return Answer("<html>fine</html>", status, headers=(("Location", location),))


# SEC-06
def test_nobody_is_followed_to_another_place(visitor: Visitor, site: ScriptedSite) -> None:
    elsewhere = ScriptedSite()
    elsewhere.pages["/1"] = PAGE
    for path, location in REDIRECTS.items():
        site.pages[path] = leading(location.format(elsewhere=elsewhere.url, port=site.port))
    try:
        *refused, fine = visitor.outcomes(*REDIRECTS, "/1")
    finally:
        elsewhere.close()
    assert elsewhere.log == [], "the other place must not even be asked"
    assert site.paths == [*REDIRECTS, "/1"]
    for path, error in zip(REDIRECTS, refused, strict=True):
        assert isinstance(error, UnexpectedPageError)
        assert f"{path}: led away to" in error.message
    assert fine == PAGE.body
    assert [outcome for path, outcome in logged(visitor.engine) if path.startswith("to-")] == ["refused"] * len(
        REDIRECTS
    )


def test_a_redirect_within_the_site_is_a_request_like_any(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nDisallow: /closed\n", content_type="text/plain")
    site.pages |= {"/old": leading("/older"), "/older": leading(f"{site.url}/1", 308), "/sly": leading("/closed/1")}
    site.pages |= {"/round": leading("/round"), "/closed/1": PAGE}
    fine, sly, round_and_round = visitor.outcomes("/old", "/sly", "/round")
    assert fine == PAGE.body
    # ING-19: robots.txt holds for where a redirect leads too
    assert isinstance(sly, RobotsDisallowedError)
    assert isinstance(round_and_round, UnexpectedPageError)
    assert "led on more than 5 times" in round_and_round.message
    assert site.paths == ["/old", "/older", "/1", "/sly", *["/round"] * 6]
    assert len(logged(visitor.engine)) == len(site.log), "each request has its line in the log"


# SEC-06
def test_nothing_of_a_page_is_run_fetched_or_followed(visitor: Visitor, site: ScriptedSite) -> None:
    elsewhere = ScriptedSite()
    site.pages["/1"] = Answer(
        f"<html><head><meta http-equiv=refresh content='0; url={elsewhere.url}/a'><link rel=prefetch href=/b>"
        f"<base href={elsewhere.url}></head>fine<img src=/c.png><script src={elsewhere.url}/d.js></script><script>"
        f"fetch('{elsewhere.url}/e'); location = 'http://127.0.0.1/f'; open('/g'); new Worker('/h')</script>"
        "<iframe src=/i></iframe><object data=/j></object><form action=/k autofocus></form></html>",
        headers=(("Refresh", "0; url=/l"), ("Link", "</m.css>; rel=preload; as=style"), ("Set-Cookie", "kept=yes")),
    )
    try:
        visitor.ask("/1", "/2")
    finally:
        elsewhere.close()
    assert site.paths == ["/1", "/2"]
    assert elsewhere.log == []


# SEC-06
def test_what_swells_is_cut_off_while_it_comes(visitor: Visitor, site: ScriptedSite) -> None:
    swollen = "<html>fine" + "0" * (2 * MAX_BODY_BYTES) + "</html>"
    site.pages |= {
        "/bomb": Answer(swollen, gzipped=True),
        "/endless": Answer("<html>fine", endless=True),
        "/announced": Answer("<html>fine</html>", endless=True, headers=(("Content-Length", "10000000000"),)),
    }
    paths = ("/bomb", "/endless", "/announced")
    for feeds in (False, True):
        for error in visitor.outcomes(*paths, feeds=feeds):
            assert isinstance(error, UnexpectedPageError)
            assert f"{MAX_BODY_BYTES} are taken at most" in error.message
    assert site.paths == [*paths, *paths], "what is too large stays so: it is not asked for again"
    # each connection holds some megabytes on their way; the rest of an endless answer was never taken
    assert site.n_bytes_sent < 8 * MAX_BODY_BYTES
    with visitor.engine.connect() as connection:
        rows = connection.execute(select(fetches.c.outcome, fetches.c.n_bytes, fetches.c.evidence)).all()
    assert {(row.n_bytes, row.evidence) for row in rows if row.outcome == "refused"} == {(0, None)}


# SEC-06
def test_a_download_is_left_where_it_is(visitor: Visitor, site: ScriptedSite) -> None:
    as_file = ("Content-Disposition", 'attachment; filename="fine.html"')
    site.pages["/1"] = Answer("<html>fine</html>", headers=(as_file,))
    error, fine = visitor.outcomes("/1", "/2")
    assert isinstance(error, UnexpectedPageError)
    assert "/1: a download; not read" in error.message
    assert fine == PAGE.body

    async def count(client: SourceClient) -> int:
        with pytest.raises(UnexpectedPageError):
            await client.page("/1", lambda body, url: body)
        return client.n_refused

    assert visitor.run(count) == 1


def test_every_byte_arrives_however_it_is_sent(visitor: Visitor, site: ScriptedSite) -> None:
    # longer than a chunk of the browser's stream, and of characters that a boundary cuts in two
    text = "<html>" + "fine é € 😀 " * 40_000 + "</html>"
    ways: dict[str, dict[str, Any]] = {
        "/announced": {},
        "/chunked": {"chunked": True},
        "/gzipped": {"gzipped": True},
        "/both": {"chunked": True, "gzipped": True},
        "/bare": {"unannounced": True},
        "/cached": {"headers": (("Cache-Control", "max-age=600"), ("ETag", "x"))},
    }
    site.pages |= {path: Answer(text, **how) for path, how in ways.items()}
    found = visitor.ask(*ways, "/cached", parse=lambda body, url: body)
    assert all(body == text.encode() for body in found)
    assert site.paths == [*ways, "/cached"], "nothing comes from the browser's cache"


# ING-05
@pytest.mark.parametrize("how", [{}, {"chunked": True}, {"unannounced": True}], ids=["announced", "chunked", "bare"])
def test_a_page_cut_at_every_kth_byte_is_never_read(visitor: Visitor, site: ScriptedSite, how: dict[str, Any]) -> None:
    page = pages.match_page(7, 11, 12, (2, 1)).replace("North Un", "Nörth Ün")
    whole = Answer(page, **how)
    body = page.encode()
    inside_character, inside_json = body.index("ö".encode()) + 1, body.index(b"matchCentreData") + 300
    cuts = {0, 1, inside_character, inside_json, len(body.rstrip()) - 1, *range(0, len(body), len(body) // 12)}
    site.pages["/7"] = whole
    site.first("/7", *(whole._replace(cut_at=cut) for cut in sorted(cuts)))
    patient = msgspec.structs.replace(QUICK, attempts=len(cuts) + 1)
    found = visitor.ask("/7", patience=patient, parse=lambda body, url: parse_match_page(body, url, match_id=7))
    assert found == [parse_match_page(body, "/7", match_id=7)]
    assert site.paths == ["/7"] * (len(cuts) + 1)
    assert [outcome for _, outcome in logged(visitor.engine)] == ["ok", *["unavailable"] * len(cuts), "ok"]


# ING-05
def test_a_feed_cut_at_every_kth_byte_is_never_read(visitor: Visitor, site: ScriptedSite) -> None:
    text = pages.feed([pages.feed_row(1, "2025-02-01T15:00:00", 11, 12) | {"homeTeamName": "Nörth"}])
    body = text.encode()
    cuts = {0, 1, body.index("ö".encode()) + 1, len(body) - 1, *range(0, len(body), len(body) // 12)}
    site.pages["/feed"] = Answer(text, content_type=JSON, unannounced=True)
    site.first("/feed", *(site.pages["/feed"]._replace(cut_at=cut) for cut in sorted(cuts)))

    def parse(body: bytes, url: str) -> Any:
        return parse_month_feed(body, url, stage_id=pages.STAGE, month="202502", days_in_mask=1)

    patient = msgspec.structs.replace(QUICK, attempts=len(cuts) + 1)
    (feed,) = visitor.ask("/feed", feeds=True, patience=patient, parse=parse)
    assert feed.matches[0].home_team == "Nörth"
    assert site.paths == ["/feed"] * (len(cuts) + 1)


# ING-02, ING-05
def test_a_refusal_that_was_cut_is_still_a_refusal(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/1"] = BLOCK._replace(cut_at=60)
    with pytest.raises(Exception, match="refuses us"):
        visitor.ask("/1", "/2")
    assert site.paths == ["/1"]


# ING-04
def test_broken_connections_are_tried_again_and_given_up_by_name(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/1", Answer("", reset=True), Answer("<html>fine</html>", reset=True, cut_at=5))
    site.pages["/2"] = Answer("<html>fine</html>", reset=True, cut_at=5)
    found, error, after = visitor.outcomes("/1", "/2", "/3")
    assert found == PAGE.body
    assert isinstance(error, SourceUnavailableError)
    assert "/2: no usable answer after 4 attempts" in error.message
    assert error.exit_code == 4
    assert after == PAGE.body, "what can be asked for still is"
    assert site.paths.count("/2") == 4


# ING-04
def test_a_page_that_never_ends_is_given_up(visitor: Visitor, site: ScriptedSite) -> None:
    site.pages["/1"] = Answer("<html>fine", endless=True, drip=0.3)
    short = msgspec.structs.replace(QUICK, attempts=2, deadline_seconds=1.0)
    error, found = visitor.outcomes("/1", "/2", patience=short)
    assert isinstance(error, SourceUnavailableError)
    assert "the last: no whole answer within 1 s" in error.message
    assert found == PAGE.body


# ING-04
def test_a_site_that_is_not_there_is_named(visitor: Visitor) -> None:
    visitor.change(source_url="http://nowhere.invalid", contact="mailto:a@b.example")
    first, second = visitor.outcomes("/1", "/2", patience=msgspec.structs.replace(QUICK, attempts=2))
    assert isinstance(first, SourceUnavailableError)
    assert first.exit_code == 4
    assert "http://nowhere.invalid/robots.txt" in first.message
    assert "NAME_NOT_RESOLVED" in first.message
    assert second is first, "asked for once in a run"
    visitor.change(source_url="http://127.0.0.1:9")
    with pytest.raises(SourceUnavailableError, match=r"127\.0\.0\.1:9/robots\.txt"):
        visitor.ask("/1", patience=msgspec.structs.replace(QUICK, attempts=1))


def test_the_scripted_site_breaks_its_promises() -> None:
    """The other tests mean something only if the site really does what it is told."""
    site = ScriptedSite()
    site.pages |= {
        "/cut": Answer("0123456789", cut_at=4),
        "/reset": Answer("", reset=True),
        "/late": Answer("x", delay=5),
    }
    try:
        with httpx.Client(base_url=site.url, timeout=0.5) as http:
            with pytest.raises(httpx.RemoteProtocolError):
                http.get("/cut")
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                http.get("/reset")
            with pytest.raises(httpx.ReadTimeout):
                http.get("/late")
    finally:
        site.close()
