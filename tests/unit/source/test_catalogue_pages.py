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
    assert parse_home_page(pages.home_page().encode(), URL) == (
        TournamentLink(77, "Testland", 701, "League", "/regions/77/tournaments/701/testland-league"),
    )


def test_mask_months_count_from_zero() -> None:
    page = parse_season_page(pages.season_page(DAYS).encode(), URL)
    assert page.days == tuple(DAYS)
    assert page.months == ("202412", "202501")


def test_season_without_stage_list_has_one_stage() -> None:
    page = parse_season_page(pages.season_page(DAYS).encode(), URL)
    assert [(stage.stage_id, stage.is_shown) for stage in page.stages] == [(pages.STAGE, True)]


def test_season_with_stage_list_names_all_stages() -> None:
    page = parse_season_page(pages.season_page(DAYS, stages={31000: "Regular", 31001: "Play-offs"}).encode(), URL)
    assert [(stage.stage_id, stage.name) for stage in page.stages] == [(31000, "Regular"), (31001, "Play-offs")]
    assert page.stages[1].url.endswith("/Stages/31001/x")


def test_season_key_is_the_year_it_begins() -> None:
    seasons = parse_season_list(pages.season_page(DAYS, seasons={9100: "2024/2025", 9000: "2024"}).encode(), URL)
    assert [(season.season_id, season.key, season.is_shown) for season in seasons] == [
        (9100, "2024", True),
        (9000, "2024", False),
    ]


def test_announced_season_without_matches_is_an_empty_calendar() -> None:
    assert parse_season_page(pages.season_page([]).encode(), URL).days == ()


@pytest.mark.parametrize(
    ("removed", "part"),
    [('id="seasons"', "select#seasons"), ("stageId", "stage id"), ("wsCalendar", "wsCalendar.mask"), ("mask:", "mask")],
)
def test_renamed_part_of_a_season_page_is_named(removed: str, part: str) -> None:
    with pytest.raises(UnexpectedPageError, match="layout changed") as caught:
        parse_season_page(pages.season_page(DAYS).replace(removed, "renamed").encode(), URL)
    assert part in caught.value.facts["part"]
    assert caught.value.facts["url"] == URL


def test_case_quotes_and_order_of_attributes_do_not_matter() -> None:
    text = pages.season_page(DAYS, stages={31000: "Regular", 31001: "Play-offs"})
    other = text.replace("/Regions/", "/regions/").replace("/Seasons/", "/seasons/").replace("/Stages/", "/STAGES/")
    other = other.replace('<select id="seasons" name="seasons">', "<SELECT name=seasons\n class='x y' ID='seasons'>")
    other = other.replace("</select>", "</SELECT >").replace(' selected="selected"', " Selected")
    assert parse_season_page(other.encode(), URL).days == tuple(DAYS)
    assert [season.is_shown for season in parse_season_list(other.encode(), URL)] == [True]
    assert [stage.stage_id for stage in parse_season_page(other.encode(), URL).stages] == [31000, 31001]


def test_list_whose_name_only_begins_alike_is_another_list() -> None:
    decoy = (
        '<select id="seasons-of-old" data-id="seasons"><option value="/x">1900</option></select><select id="seasons"'
    )
    text = pages.season_page(DAYS).replace('<select id="seasons"', decoy)
    assert [season.season_id for season in parse_season_list(text.encode(), URL)] == [pages.SEASON]


def test_stage_of_the_fixtures_link_stands_in_for_missing_arguments() -> None:
    link = '<a href="/regions/77/tournaments/701/seasons/9100/Stages/31000/Fixtures/x">Fixtures</a>'
    text = pages.season_page(DAYS).replace("require.config.params['args']", "other").replace("<body>", f"<body>{link}")
    assert parse_season_page(text.encode(), URL).stage_id == 31000


def test_names_keep_their_entities_characters_and_spaces() -> None:
    # ING-18
    text = pages.season_page(DAYS, stages={31000: "Group A &amp; B", 31001: "İ&nbsp;ß"})
    assert [stage.name for stage in parse_season_page(text.encode(), URL).stages] == ["Group A & B", "İ\u00a0ß"]


@pytest.mark.parametrize("number", ["0", "2147483648", "9" * 17])
def test_id_outside_the_sites_is_refused(number: str) -> None:
    with pytest.raises(UnexpectedPageError, match="no id"):
        parse_season_list(pages.season_page(DAYS).replace("/Seasons/9100", f"/Seasons/{number}").encode(), URL)
    with pytest.raises(UnexpectedPageError, match="no id"):
        parse_home_page(pages.home_page().replace("id:701", f"id:{number}").encode(), URL)
    with pytest.raises(UnexpectedPageError, match="no id"):
        parse_season_page(pages.season_page(DAYS).replace("stageId: 31000", f"stageId: {number}").encode(), URL)


def test_number_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(UnexpectedPageError, match="digits"):
        parse_home_page(pages.home_page().replace("id:701", "id:" + "7" * 5_000).encode(), URL)


@pytest.mark.parametrize(
    "link",
    [
        "//evil.example",
        "/\\\\evil.example",
        "/http://evil.example",
        "https://evil.example",
        "javascript:x",
        "",
        "x/y",
        "/a b",
    ],
)
def test_link_that_leaves_the_site_is_refused(link: str) -> None:
    # SEC-06
    text = pages.home_page().replace("/regions/77/tournaments/701/testland-league", link)
    with pytest.raises(UnexpectedPageError, match="leaves the site"):
        parse_home_page(text.encode(), URL)


@pytest.mark.parametrize("mask", ["{2024:{12:{1:1}}}", "{2024:{1:{30:1}}}", "{x:{1:{1:1}}}", "{2024:3}", "[]"])
def test_impossible_mask_is_refused(mask: str) -> None:
    text = pages.season_page([]).replace("mask:{}", f"mask:{mask}")
    with pytest.raises(UnexpectedPageError, match=r"wsCalendar\.mask"):
        parse_season_page(text.encode(), URL)


@pytest.mark.parametrize(
    "text",
    [
        "<select" * 40_000,
        '<select id="seasons">' + "<option" * 40_000,
        "require.config.params['args'] = {" * 9_000,
        "wsCalendar = {" * 20_000,
        "<select " + "id " * 100_000,
    ],
)
def test_hostile_page_is_refused_in_one_pass(text: str) -> None:
    # quadratic reading would take minutes here, which the suite's own deadline ends
    page = pages.season_page(DAYS).replace("stageId", "renamed").replace("wsCalendar", "renamed")
    with pytest.raises(UnexpectedPageError):
        parse_season_page(page.replace("<body>", f"<body>{text}").encode(), URL)
    with pytest.raises(UnexpectedPageError):
        parse_season_page(page.replace("renamed:", "stageId:").replace("</body>", f"{text}</body>").encode(), URL)
