"""robots.txt as RFC 9309 reads it."""

import pytest

from match_assets.source.robots import Robots

RULES = "User-agent: *\nDisallow: /_practice\nCrawl-delay: 30\n"


def test_rules_are_obeyed() -> None:
    robots = Robots(200, RULES)
    assert robots.allows("http://site/Matches/1/Live")
    assert not robots.allows("http://site/_practice/state")
    assert robots.delay_seconds == 30.0


def test_rules_for_our_own_name_win() -> None:
    robots = Robots(200, "User-agent: *\nDisallow:\n\nUser-agent: match-assets\nDisallow: /Matches\n")
    assert not robots.allows("http://site/Matches/1/Live")
    assert robots.allows("http://site/")


@pytest.mark.parametrize("status", [404, 403, 410])
def test_absent_file_allows_all(status: int) -> None:
    assert Robots(status, "<html>Disallow: /</html>").allows("http://site/anything")


@pytest.mark.parametrize("status", [None, 500, 503])
def test_unreachable_file_forbids_all(status: int | None) -> None:
    robots = Robots(status, "")
    assert not robots.allows("http://site/")
    assert not robots.is_reachable
