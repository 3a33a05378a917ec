"""The match page: statistics, half-time score, and what is zero rather than unknown."""

from collections.abc import Mapping
from typing import Any

import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers import parse_match_page
from match_assets.source.records import MatchPage
from tests.pages import RECORDED, match_page

URL = "http://site/Matches/5001/Live"


def read(text: str) -> MatchPage:
    return parse_match_page(text, URL, match_id=5001)


def read_stats(home: Mapping[str, Any], **changes: Any) -> MatchPage:
    return read(match_page(5001, 11, 13, (2, 1), stats=(home, RECORDED), **changes))


def test_statistics_are_sums_over_minutes_in_any_order_and_number_type() -> None:
    home = RECORDED | {
        "shotsTotal": {"90": 2, "9": 1.0, "45": 3},
        "shotsOnTarget": {"12": 1},
        "cornersTotal": {"0": 0},
        "foulsCommited": {"90": 15},
    }
    team = read_stats(home).teams[0]
    assert (team.shots, team.shots_on_target, team.corners, team.fouls) == (6, 1, 0, 15)
    assert team.team_id == 11
    assert team.is_home


def test_absent_statistic_is_zero_beside_recorded_ones_and_unknown_without() -> None:
    assert read_stats({"passesTotal": {"1": 300}}).teams[0].shots_on_target == 0
    assert read_stats({}).teams[0].shots_on_target is None
    assert read_stats({"minutesWithStats": []}).teams[0].shots is None


def test_explicit_zero_is_zero_even_where_nothing_else_was_recorded() -> None:
    team = read_stats({"cornersTotal": {"0": 0}}).teams[0]
    assert (team.corners, team.shots) == (0, None)


def test_second_yellow_counts_as_red() -> None:
    page = read_stats(RECORDED, cards=(("Yellow", "Yellow", "SecondYellow"), ("Red",)))
    assert (page.teams[0].yellow_cards, page.teams[0].red_cards) == (2, 1)
    assert (page.teams[1].yellow_cards, page.teams[1].red_cards) == (0, 1)


def test_cards_are_unknown_without_incidents_or_any_statistics() -> None:
    text = match_page(5001, 11, 13, (0, 0)).replace('"incidentEvents": []', '"other": []')
    assert read(text).teams[0].yellow_cards is None
    assert read_stats({}).teams[0].red_cards is None


def test_scores_come_from_header_and_match_centre() -> None:
    page = read(match_page(5001, 11, 13, (2, 1), half_time="2 : 0"))
    assert (page.home_score, page.away_score, page.home_score_half_time, page.away_score_half_time) == (2, 1, 2, 0)


def test_empty_half_time_is_unknown() -> None:
    assert read(match_page(5001, 11, 13, (2, 1), half_time="")).home_score_half_time is None


def test_null_match_centre_is_a_page_without_statistics() -> None:
    page = read(match_page(5001, 11, 13, (2, 1), centre="null"))
    assert not page.has_match_centre
    assert page.teams == ()
    assert page.home_score == 2


def test_match_centre_over_several_lines_reads_the_same() -> None:
    text = match_page(5001, 11, 13, (2, 1))
    assert read(text.replace('"score": ', '\n"score": ')) == read(text)


def test_page_of_another_match_is_refused() -> None:
    with pytest.raises(UnexpectedPageError, match="expected 5001"):
        read(match_page(5002, 11, 13, (2, 1)))


def test_apostrophes_in_the_header_do_not_end_the_string() -> None:
    assert read(match_page(5001, 13, 12, (2, 1))).home_team_id == 13


@pytest.mark.parametrize(
    ("removed", "part"),
    [
        ("matchheader", "matchheader"),
        ("matchCentreData", "matchCentreData"),
        ('"htScore"', "htScore"),
        ('"home"', "home"),
        ('"stats"', "stats"),
        ('"teamId"', "teamId"),
    ],
)
def test_renamed_part_is_named(removed: str, part: str) -> None:
    with pytest.raises(UnexpectedPageError, match="layout changed") as caught:
        read(match_page(5001, 11, 13, (2, 1)).replace(removed, '"renamed"' if '"' in removed else "renamed"))
    assert part in caught.value.facts["part"]


@pytest.mark.parametrize("value", [[1], "3", {"1": "2"}, {"1": None}, {"1": -4}, {"1": 1e9}, {"1": 1e308, "2": 1e308}])
def test_statistic_of_another_shape_is_a_layout_change(value: Any) -> None:
    with pytest.raises(UnexpectedPageError, match="shotsTotal"):
        read_stats(RECORDED | {"shotsTotal": value})


def test_page_cut_inside_the_match_centre_is_refused() -> None:
    text = match_page(5001, 11, 13, (2, 1))
    with pytest.raises(UnexpectedPageError):
        read(text[: text.index('"away"')])
