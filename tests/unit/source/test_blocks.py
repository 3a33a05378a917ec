"""Telling a refusal from a page and from an error."""

import pytest

from match_assets.source.blocks import block_marker
from tests.pages import feed, feed_row, match_page


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("<html><h1>Sorry, you have been blocked</h1>You are unable to access x</html>", 403),
        ("<html><title>Just a moment...</title></html>", 200),
        ("<html>Checking your browser before accessing</html>", 503),
        ("<html>Request unsuccessful. Incapsula incident ID: 1370</html>", 200),
        ("<html>no reason given</html>", 403),
    ],
)
def test_refusals_are_recognised(text: str, status: int) -> None:
    assert block_marker(text, status)


@pytest.mark.parametrize("status", [200, 404, 429, 500, 503])
def test_other_answers_are_no_refusals(status: int) -> None:
    assert block_marker("<html>Service unavailable</html>", status) is None


def test_the_same_words_inside_real_data_block_nobody() -> None:
    page = match_page(1, 11, 12, (1, 0)).replace("North Un", "Ray ID: Just a moment...")
    assert block_marker(page, 200) is None
    row = feed_row(1, "2025-02-01T15:00:00", 11, 12) | {"homeTeamName": "Verify you are human"}
    assert block_marker(feed([row]), 200) is None
