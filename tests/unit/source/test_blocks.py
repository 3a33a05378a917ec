"""Telling a refusal from a page and from an error."""

import html

import pytest

from match_assets.source.blocks import LETTERHEADS, LOOKED_AT_BYTES, REFUSALS, block_marker
from tests import pages

INCAPSULA = """<html style="height:100%"><head><META NAME="ROBOTS" CONTENT="NOINDEX, NOFOLLOW">
<script type="text/javascript" src="/_Incapsula_Resource?SWJIYLWA=1"></script></head>
<body><iframe src="/_Incapsula_Resource?xinfo=4&incident_id=1370-44">Request unsuccessful. Incapsula incident ID:
 1370-44</iframe></body></html>"""


@pytest.mark.parametrize(
    ("text", "status"),
    [
        # ING-01, ING-02
        (INCAPSULA, 200),
        ("<html><h1>Sorry, you have been blocked</h1>You are unable to access x</html>", 403),
        ("<html><title>Just a moment...</title></html>", 200),
        ("<html>Checking your browser before accessing</html>", 503),
        ("<html>Request unsuccessful. Incapsula incident ID: 1370</html>", 200),
        ("<html>no reason given</html>", 403),
    ],
)
def test_refusals_are_recognised(text: str, status: int) -> None:
    assert block_marker(text.encode(), status)


@pytest.mark.parametrize("marker", REFUSALS + LETTERHEADS)
def test_every_marker_in_any_case_and_anywhere_on_the_page(marker: str) -> None:
    body = f"<html><body>{'x' * 9_000}<p>{marker.upper()}</p></body></html>".encode()
    assert block_marker(body, 200) == marker


@pytest.mark.parametrize("status", [200, 404, 429, 500, 503])
def test_other_answers_are_no_refusals(status: int) -> None:
    assert block_marker(b"<html>Service unavailable</html>", status) is None
    assert block_marker(b"", status) is None


@pytest.mark.parametrize("status", [429, 500, 502, 504, 522])
def test_letterhead_on_an_error_page_is_no_refusal(status: int) -> None:
    # ING-03, ING-04: the gateway's own error pages carry it too; their status says to wait or to try again
    body = b'<html><div id="cf-error-details">Bad gateway. Ray ID: 7d</div></html>'
    assert block_marker(body, status) is None
    assert block_marker(body, 403) is not None
    assert block_marker(b"<html>Just a moment... Ray ID: 7d</html>", status) == "Just a moment..."


def test_the_same_words_inside_real_data_block_nobody() -> None:
    # ING-02: a player called "Ray ID"
    page = pages.match_page(1, 11, 12, (1, 0)).replace("North Un", "Ray ID: Just a moment...")
    assert block_marker(page.encode(), 200) is None
    season = pages.season_page([], seasons={9100: "2024/2025 Please stand by"})
    assert block_marker(season.encode(), 200) is None
    feed = pages.feed([pages.feed_row(1, "2025-02-01T15:00:00", 11, 12, homeTeamName="Verify you are human")])
    assert block_marker(feed.encode(), 200) is None
    assert block_marker(f"<html><body><pre>{html.escape(feed)}</pre></body></html>".encode(), 200) is None


def test_a_refusal_is_looked_for_at_the_start_of_a_large_answer_alone() -> None:
    assert block_marker(b"x" * LOOKED_AT_BYTES + b"Just a moment...", 200) is None


def test_refusing_status_counts_on_a_real_page_too() -> None:
    assert block_marker(pages.match_page(1, 11, 12, (1, 0)).encode(), 403) == "HTTP 403"
