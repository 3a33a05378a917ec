"""ING-18: names are kept as the page shows them, whatever they hold, and nothing is joined by them."""

import json

import msgspec
import pytest

from match_assets.source.parsers import parse_home_page, parse_match_page, parse_month_feed
from match_assets.source.records import MatchPage, MonthFeed
from tests import pages


def month_of(home: str, away: str) -> MonthFeed:
    row = pages.feed_row(7, "2025-02-01T15:00:00", 11, 12, homeTeamName=home, awayTeamName=away)
    return parse_month_feed(pages.feed([row]).encode(), "x", stage_id=pages.STAGE, month="202502")


def page_of(name: str, *, escape: bool) -> MatchPage:
    shown = json.dumps(name, ensure_ascii=escape).replace("</", "<\\/")
    text = pages.match_page(7, 11, 12, (1, 0)).replace('"name": "North Un"', f'"name": {shown}')
    return parse_match_page(text.encode(), "x", match_id=7)


@pytest.mark.parametrize("name", pages.NAMES)
def test_name_is_kept_as_shown_by_feed_page_and_record(name: str) -> None:
    month = month_of(name, "Vale")
    assert month.matches[0].home_team == name
    # as a visit remembers it
    assert msgspec.json.decode(msgspec.json.encode(month), type=MonthFeed) == month
    for escape in (True, False):
        page = page_of(name, escape=escape)
        assert page.teams[0].name == name
        assert msgspec.json.decode(msgspec.json.encode(page), type=MatchPage) == page


@pytest.mark.parametrize("name", [name for name in pages.NAMES if "<" not in name])
def test_name_in_a_script_is_kept_as_shown(name: str) -> None:
    written = name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    text = pages.home_page().replace("'Testland'", f"'{written}'")
    assert parse_home_page(text.encode(), "x")[0].region_name == name


def test_two_clubs_with_one_name_and_one_club_with_two_names_are_told_by_their_ids() -> None:
    (match,) = month_of("United", "United").matches
    assert (match.home_team_id, match.away_team_id) == (11, 12)
    # the feed says "Manchester United", the match page "Man Utd"
    assert page_of("Man Utd", escape=False).home_team_id == month_of("Manchester United", "x").matches[0].home_team_id
