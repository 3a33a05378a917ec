"""Home, tournament and season pages."""

import datetime as dt

import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers import parse_home_page, parse_season_list, parse_season_page
from match_assets.source.records import TournamentLink
from tests import pages

URL = "http://site/x"
DAYS = [dt.date(2024, 12, 31), dt.date(2025, 1, 1), dt.date(2025, 1, 4)]


def test_home_page_lists_tournaments_with_their_region() -> None:
    assert parse_home_page(pages.home_page(), URL) == (
        TournamentLink(77, "Testland", 701, "League", "/regions/77/tournaments/701/testland-league"),
    )


def test_mask_months_count_from_zero() -> None:
    page = parse_season_page(pages.season_page(DAYS), URL)
    assert page.days == tuple(DAYS)
    assert page.months == ("202412", "202501")


def test_season_without_stage_list_has_one_stage() -> None:
    page = parse_season_page(pages.season_page(DAYS), URL)
    assert [(stage.stage_id, stage.is_shown) for stage in page.stages] == [(pages.STAGE, True)]


def test_season_with_stage_list_names_all_stages() -> None:
    page = parse_season_page(pages.season_page(DAYS, stages={31000: "Regular", 31001: "Play-offs"}), URL)
    assert [(stage.stage_id, stage.name) for stage in page.stages] == [(31000, "Regular"), (31001, "Play-offs")]
    assert page.stages[1].url.endswith("/Stages/31001/x")


def test_season_key_is_the_year_it_begins() -> None:
    seasons = parse_season_list(pages.season_page(DAYS, seasons={9100: "2024/2025", 9000: "2024"}), URL)
    assert [(season.season_id, season.key, season.is_shown) for season in seasons] == [
        (9100, "2024", True),
        (9000, "2024", False),
    ]


def test_announced_season_without_matches_is_an_empty_calendar() -> None:
    assert parse_season_page(pages.season_page([]), URL).days == ()


@pytest.mark.parametrize(
    ("removed", "part"),
    [('id="seasons"', "select#seasons"), ("stageId", "stage id"), ("wsCalendar", "wsCalendar.mask"), ("mask:", "mask")],
)
def test_renamed_part_of_a_season_page_is_named(removed: str, part: str) -> None:
    with pytest.raises(UnexpectedPageError, match="layout changed") as caught:
        parse_season_page(pages.season_page(DAYS).replace(removed, "renamed"), URL)
    assert part in caught.value.facts["part"]
    assert caught.value.facts["url"] == URL


def test_link_that_leaves_the_site_is_refused() -> None:
    with pytest.raises(UnexpectedPageError, match="leaves the site"):
        parse_home_page(pages.home_page().replace("/regions/77", "//evil.example"), URL)


@pytest.mark.parametrize("mask", ["{2024:{12:{1:1}}}", "{2024:{1:{30:1}}}", "{x:{1:{1:1}}}", "{2024:3}", "[]"])
def test_impossible_mask_is_refused(mask: str) -> None:
    text = pages.season_page([]).replace("mask:{}", f"mask:{mask}")
    with pytest.raises(UnexpectedPageError, match=r"wsCalendar\.mask"):
        parse_season_page(text, URL)
