"""The match page: statistics, half-time score, and what is zero rather than unknown."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers import parse_match_page
from match_assets.source.records import MatchPage
from tests.pages import RECORDED, match_page

URL = "http://site/Matches/5001/Live"


def read(text: str) -> MatchPage:
    return parse_match_page(text.encode(), URL, match_id=5001)


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


@pytest.mark.parametrize("sign", ["touches", "passesTotal", "ratings"])
def test_any_sign_of_recording_makes_an_absent_statistic_zero(sign: str) -> None:
    # ING-09
    assert read_stats({sign: {"1": 6.1}}).teams[0].corners == 0
    assert read_stats({sign: {}}).teams[0].corners is None


def test_absent_statistic_is_zero_beside_recorded_ones_and_unknown_without() -> None:
    # ING-09
    assert read_stats({"passesTotal": {"1": 300}}).teams[0].shots_on_target == 0
    assert read_stats({}).teams[0].shots_on_target is None
    assert read_stats({"minutesWithStats": []}).teams[0].shots is None


def test_running_ratings_and_percentages_are_not_summed_into_anything() -> None:
    noise = {"ratings": {"1": 6.0, "90": 7.4}, "passSuccess": {"1": 100.0, "2": 50.0}, "minutesWithStats": [1, 2]}
    assert read_stats(RECORDED | noise | {"shotsTotal": {"1": 2}}) == read_stats(RECORDED | {"shotsTotal": {"1": 2}})


def test_offsides_caught_are_the_other_sides_and_not_read() -> None:
    assert read_stats(RECORDED | {"offsidesCaught": {"1": 3}}) == read_stats(RECORDED)


def test_explicit_zero_is_zero_even_where_nothing_else_was_recorded() -> None:
    team = read_stats({"cornersTotal": {"0": 0}}).teams[0]
    assert (team.corners, team.shots) == (0, None)


def test_second_yellow_counts_as_red() -> None:
    page = read_stats(RECORDED, cards=(("Yellow", "Yellow", "SecondYellow"), ("Red",)))
    assert (page.teams[0].yellow_cards, page.teams[0].red_cards) == (2, 1)
    assert (page.teams[1].yellow_cards, page.teams[1].red_cards) == (0, 1)


def test_cards_are_unknown_without_any_statistics() -> None:
    team = read_stats({}).teams[0]
    assert (team.yellow_cards, team.red_cards) == (None, None)
    # a card that was shown is known all the same
    assert read_stats({}, cards=(("Yellow",), ())).teams[0].yellow_cards == 1


def test_card_of_a_kind_never_seen_is_refused_and_not_left_out() -> None:
    # ING-07: it could be of either colour
    with pytest.raises(UnexpectedPageError, match="cardType"):
        read_stats(RECORDED, cards=(("Blue",), ()))


def test_scores_come_from_header_and_match_centre() -> None:
    page = read(match_page(5001, 11, 13, (2, 1), half_time="2 : 0"))
    assert (page.home_score, page.away_score, page.home_score_half_time, page.away_score_half_time) == (2, 1, 2, 0)


def test_goals_are_never_counted_from_events() -> None:
    # ING-09: an own goal is the scorer's event and the other side's goal; a 0-0 has no goal event at all
    text = match_page(5001, 11, 13, (0, 1), half_time="0 : 1")
    goal = '{"type": {"value": 16, "displayName": "Goal"}, "isGoal": true, "isOwnGoal": true}'
    page = read(text.replace('"incidentEvents": []', f'"incidentEvents": [{goal}]', 1))
    assert (page.home_score, page.away_score, page.away_score_half_time) == (0, 1, 1)
    assert page.new_keys == ("home.incidentEvents.isOwnGoal",)
    page = read(match_page(5001, 11, 13, (0, 0), half_time="0 : 0"))
    assert (page.home_score, page.home_score_half_time, page.teams[0].yellow_cards) == (0, 0, 0)


@pytest.mark.parametrize("elapsed", ["AET", "PEN"])
def test_full_time_is_the_score_after_ninety_minutes(elapsed: str) -> None:
    # ING-10: the current score (4 : 2) holds extra time, the slot before the last ones does not
    text = match_page(5001, 11, 13, (2, 2)).replace("'FT'", f"'{elapsed}'").replace(",,,'2 : 2'", ",'4 : 2',,'4 : 2'")
    page = read(text)
    assert (page.elapsed, page.home_score, page.away_score) == (elapsed, 2, 2)


def test_finished_match_without_a_full_time_score_is_refused() -> None:
    with pytest.raises(UnexpectedPageError, match="full-time"):
        read(match_page(5001, 11, 13, (2, 1)).replace("'2 : 1',,,", ",,,"))


def test_page_of_a_match_to_come_has_neither_score_nor_match_centre() -> None:
    text = match_page(5001, 11, 13, (2, 1), status=1, half_time="", centre="null")
    page = read(text.replace("'FT'", "''").replace("'2 : 1'", "''"))
    assert (page.status, page.elapsed, page.home_score, page.home_score_half_time) == (1, "", None, None)


def test_empty_half_time_is_unknown() -> None:
    assert read(match_page(5001, 11, 13, (2, 1), half_time="")).home_score_half_time is None


def test_null_match_centre_is_a_page_without_statistics() -> None:
    # ING-08
    page = read(match_page(5001, 11, 13, (2, 1), centre="null"))
    assert not page.has_match_centre
    assert page.teams == ()
    assert page.home_score == 2


def test_match_centre_over_several_lines_reads_the_same() -> None:
    text = match_page(5001, 11, 13, (2, 1))
    assert read(text.replace('"score": ', '\n"score": ')) == read(text)


@pytest.mark.parametrize(
    "lay_out",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\r\n\r\n" + text + "\n\n",
        lambda text: text.replace(",\n matchCentreEventTypeJson", ", matchCentreEventTypeJson"),
        lambda text: text.replace(",\n matchCentreEventTypeJson", "\n,\n matchCentreEventTypeJson"),
        lambda text: text.replace('"htScore":', "htScore:"),
        lambda text: text.replace("['matchheader']", '[ "matchheader" ]').replace('["args"]', "['args']"),
        lambda text: text.replace(",'X','X']", ",'X','X',0]"),
    ],
)
def test_the_same_page_laid_out_otherwise_reads_the_same(lay_out: Callable[[str], str]) -> None:
    text = match_page(5001, 11, 13, (2, 1), cards=(("Yellow",), ()))
    assert lay_out(text) != text
    assert read(lay_out(text)) == read(text)


def test_words_of_the_script_inside_a_name_are_not_taken_for_it() -> None:
    text = match_page(5001, 11, 13, (2, 1))
    named = text.replace("'North United'", "'matchCentreData: null'").replace("<head>", "<head>matchCentreData: null, ")
    assert read(named) == read(text)


@pytest.mark.parametrize("place", [f"matchId: {5001} }}", f"matchId:{5001},"])
def test_page_of_another_match_is_refused(place: str) -> None:
    text = match_page(5001, 11, 13, (2, 1))
    assert place in text
    with pytest.raises(UnexpectedPageError, match="expected 5001"):
        read(text.replace(place, place.replace("5001", "5002")))


def test_statistics_of_other_teams_than_the_headers_are_refused() -> None:
    with pytest.raises(UnexpectedPageError, match="not the header's team"):
        read(match_page(5001, 11, 13, (2, 1)).replace('"teamId": 13', '"teamId": 12'))


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


@pytest.mark.parametrize(
    "value",
    [
        [1],
        "3",
        None,
        4,
        {"1": True},
        {"1": 0.5},
        {"1": [1]},
        {"1": "2"},
        {"1": None},
        {"1": -4},
        {"1": 1e9},
        {"1": 1e308, "2": 1e308},
    ],
)
def test_statistic_of_another_shape_is_a_layout_change(value: Any) -> None:
    with pytest.raises(UnexpectedPageError, match="shotsTotal"):
        read_stats(RECORDED | {"shotsTotal": value})


def test_page_cut_inside_the_match_centre_is_refused() -> None:
    text = match_page(5001, 11, 13, (2, 1))
    with pytest.raises(UnexpectedPageError):
        read(text[: text.index('"away"')])


def test_new_keys_are_ignored_and_named() -> None:
    # ING-07
    text = match_page(
        5001, 11, 13, (2, 1), stats=(RECORDED | {"expectedGoals": {"1": 0.4}}, RECORDED), cards=((), ("Red",))
    )
    text = text.replace('{"htScore"', '{"novelty": [1], "htScore"').replace(
        '"field": "away"', '"field": "away", "kit": 1'
    )
    text = text.replace('"displayName": "Red"}', '"displayName": "Red"}, "angle": 1').replace(
        "{\n input", "{\n isNew: 1, input"
    )
    page = read(text)
    assert page.new_keys == (
        "away.incidentEvents.angle",
        "away.kit",
        "home.stats.expectedGoals",
        "matchCentreData.novelty",
        "matchheader.isNew",
    )
    plain = read(match_page(5001, 11, 13, (2, 1), cards=((), ("Red",))))
    assert msgspec.structs.replace(page, new_keys=()) == plain


def test_statistics_of_captured_pages_are_no_novelty_though_nobody_reads_them() -> None:
    assert read_stats(RECORDED | {"shotsOnPost": {"1": 1}, "aerialsWon": {}, "errors": {"2": 1}}).new_keys == ()


@pytest.mark.parametrize("centre", ["", "undefined", "[]", "7", '"x"', "{}", "nullable", "{" * 200, "[" * 5_000])
def test_match_centre_that_is_none_is_refused(centre: str) -> None:
    with pytest.raises(UnexpectedPageError, match="layout changed"):
        read(match_page(5001, 11, 13, (2, 1), centre=centre))
