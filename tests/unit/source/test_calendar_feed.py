"""The calendar feed, field by field: what it is wrapped in, statuses, scores, novelties."""

import html
import json
from typing import Any

import msgspec
import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers import parse_month_feed
from match_assets.source.parsers.whole import is_whole_document
from match_assets.source.records import MonthFeed
from tests import pages

URL = "http://site/tournaments/31000/data/?d=202502"
ROW = pages.feed_row(5001, "2025-02-01T15:00:00", 11, 12, (2, 1))


def read(text: str, days_in_mask: int = 0) -> MonthFeed:
    return parse_month_feed(text.encode(), URL, stage_id=pages.STAGE, month="202502", days_in_mask=days_in_mask)


def read_rows(*rows: dict[str, Any]) -> MonthFeed:
    return read(pages.feed(rows))


def row_of(
    match_id: int, status: int, elapsed: str, score: tuple[int, int] | None = None, **more: Any
) -> dict[str, Any]:
    row = pages.feed_row(match_id, "2025-02-01T15:00:00", 11, 12, score)
    return row | {"status": status, "elapsed": elapsed} | more


def test_finished_row_is_a_result_under_the_sites_clock() -> None:
    month = read_rows(ROW)
    assert month.site_time is not None
    assert month.site_time.isoformat() == "2025-02-10T12:00:00+00:00"
    (match,) = month.matches
    assert (match.match_id, match.home_team_id, match.away_team, match.home_score, match.away_score) == (
        5001,
        11,
        "Ålesund İ & Söhne",
        2,
        1,
    )
    assert match.kick_off_utc.isoformat() == "2025-02-01T15:00:00+00:00"
    assert match.is_result


def browser_page(text: str, *, quote: bool = False) -> str:
    return f"<html><head></head><body><pre>{html.escape(text, quote=quote)}</pre></body></html>"


# ING-06
@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: "\ufeff" + text,
        lambda text: f"\r\n\ufeff {text} \r\n",
        browser_page,
        lambda text: browser_page(text, quote=True),
        lambda text: browser_page("\ufeff" + text),
        lambda text: f'<html><head></head><body><pre style="word-wrap: break-word">{text}</pre></body></html>',
        lambda text: f"<HTML><BODY><PRE>{text}</PRE></BODY></HTML>",
        lambda text: f"<html><body>{text}</body></html>",
        lambda text: f"<pre>{text}</pre>",
        lambda text: f"\n  {text}\n",
    ],
)
def test_wrapped_feed_reads_as_the_plain_one(wrap: Any) -> None:
    text = pages.feed([ROW, pages.feed_row(5002, "2025-02-01T15:00:00", 13, 14)])
    assert is_whole_document(wrap(text).encode())
    assert read(wrap(text)) == read(text)


def test_only_the_wrapping_is_undone_and_not_what_a_name_holds() -> None:
    # ING-06, ING-18: "&amp;" in plain JSON is four letters of a name; a browser's page around it writes "&amp;amp;"
    text = pages.feed([ROW | {"homeTeamName": "A &amp; B"}])
    assert read(text).matches[0].home_team == "A &amp; B"
    assert read(browser_page(text)) == read(text)


@pytest.mark.parametrize("text", ["null", "[]", "{}"])
def test_empty_answer_is_an_empty_month_unless_the_calendar_names_match_days(text: str) -> None:
    # ING-06
    for served in (text, "\ufeff" + text, browser_page(text)):
        assert read(served).matches == ()
        assert read(served).site_time is None
        with pytest.raises(UnexpectedPageError, match="2 match days"):
            read(served, days_in_mask=2)


def test_stage_missing_from_the_answer_is_an_error_where_the_calendar_names_match_days() -> None:
    text = pages.feed([ROW], stage=4)
    assert read(text).matches == ()
    with pytest.raises(UnexpectedPageError, match="lacks stage 31000"):
        read(text, days_in_mask=1)


@pytest.mark.parametrize("text", ["", "<html></html>", "[1]", "7", '"x"', "{", "<html><body>Not found</body></html>"])
def test_answer_that_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(UnexpectedPageError, match="JSON document"):
        read(text)


def test_invalid_bytes_are_refused() -> None:
    body = pages.feed([ROW]).encode().replace("Å".encode(), b"\xc3")
    assert not is_whole_document(body)
    with pytest.raises(UnexpectedPageError):
        parse_month_feed(body, URL, stage_id=pages.STAGE, month="202502")


def test_other_stages_in_the_answer_are_left_out() -> None:
    other = json.loads(pages.feed([ROW], stage=4))["tournaments"]
    root = json.loads(pages.feed([ROW]))
    root["tournaments"] += other
    assert len(read(json.dumps(root)).matches) == 1


# ING-10: status, elapsed, shown score, whether it is a result
STATUSES = [
    (1, "", None, False),
    (2, "Post", None, False),
    (3, "37", (1, 0), False),
    (4, "HT", (1, 0), False),
    (5, "Abd", (0, 0), False),
    (5, "Abd", (1, 0), False),
    (6, "FT", (0, 0), True),
    (6, "AET", (4, 2), False),
    (6, "PEN", (2, 2), False),
    (7, "Can", (4, 2), False),
    (8, "?", (2, 1), False),
    (8, "?", None, False),
]


@pytest.mark.parametrize(("status", "elapsed", "score", "is_result"), STATUSES)
def test_only_six_after_ninety_minutes_is_a_result(
    status: int, elapsed: str, score: tuple[int, int] | None, is_result: bool
) -> None:
    month = read_rows(row_of(7, status, elapsed, score))
    (match,) = month.matches
    # what is shown stays as it is shown
    assert (match.status, match.elapsed, match.home_score, match.away_score) == (
        status,
        elapsed,
        *(score or (None, None)),
    )
    assert match.is_result == is_result
    assert not month.quarantined


def test_finished_match_whose_period_still_says_second_half_is_a_result() -> None:
    # ING-10: 8 of 380 finished matches say so
    assert read_rows(row_of(7, 6, "FT", (1, 0), period=3)).matches[0].is_result


def test_score_absent_or_null_is_unknown_before_the_end() -> None:
    absent, null = row_of(7, 1, ""), row_of(7, 1, "", homeScore=None, awayScore=None)
    assert read_rows(absent) == read_rows(null)
    assert read_rows(null).matches[0].home_score is None


def test_shell_is_counted_and_left_out() -> None:
    # ING-10
    shell = row_of(0, 0, "", homeTeamId=0, awayTeamId=0, startTime="0001-01-01T00:00:00")
    month = read_rows(ROW, shell, {"id": 0, "status": 0})
    assert [match.match_id for match in month.matches] == [5001]
    assert month.shells == 2


@pytest.mark.parametrize(
    ("status", "elapsed"),
    [(42, ""), (9, "FT"), (-1, ""), (6, "W.O."), (6, ""), (6, "aet"), (6, "ET")],
)
def test_never_seen_status_or_ending_is_quarantined_and_the_rest_is_read(status: int, elapsed: str) -> None:
    # ING-10: an ending that is not known could hold extra time
    month = read_rows(ROW, row_of(99, status, elapsed, (1, 0)))
    assert [match.match_id for match in month.matches] == [5001]
    assert month.quarantined == {99: status}


def test_a_match_listed_twice_is_told_twice() -> None:
    # ING-14: which of two stands is settled where they are stored
    assert [match.match_id for match in read_rows(ROW, ROW).matches] == [5001, 5001]


REQUIRED = (
    "id",
    "stageId",
    "status",
    "elapsed",
    "startTime",
    "startTimeUtc",
    "homeTeamId",
    "awayTeamId",
    "homeTeamName",
    "awayTeamName",
    "homeScore",
    "awayScore",
)


@pytest.mark.parametrize("key", REQUIRED)
def test_missing_key_is_a_layout_change_that_names_it(key: str) -> None:
    # ING-07
    with pytest.raises(UnexpectedPageError, match="layout changed") as caught:
        read_rows({name: value for name, value in ROW.items() if name != key})
    assert key in caught.value.facts["part"]
    assert URL in caught.value.message


@pytest.mark.parametrize(
    "change",
    [
        {"homeScore": None},
        {"homeScore": "2"},
        {"homeScore": -1},
        {"homeScore": 10**9},
        {"id": "5001"},
        {"id": 0},
        {"id": -5001},
        {"id": 2**31},
        {"homeTeamId": -11},
        {"stageId": 0},
        {"status": True},
        {"elapsed": 45},
        {"startTime": "soon"},
        {"homeTeamName": None},
        {"homeTeamName": "a\0b"},
    ],
)
def test_changed_type_is_a_layout_change(change: dict[str, Any]) -> None:
    # ING-07; ids below zero are ours
    with pytest.raises(UnexpectedPageError, match="layout changed"):
        read_rows(ROW | change)


def test_half_a_character_written_as_an_escape_is_refused() -> None:
    with pytest.raises(UnexpectedPageError):
        read(pages.feed([ROW]).replace("North United", r"North \ud83d"))


def test_new_keys_are_ignored_and_named_once() -> None:
    # ING-07
    root = json.loads(pages.feed([ROW | {"novelty": {"a": [1]}}, ROW | {"id": 5002, "novelty": 1}]))
    root["flag"] = 1
    root["tournaments"][0]["weather"] = "dry"
    month = read(json.dumps(root))
    assert month.new_keys == ("flag", "matches.novelty", "tournaments.weather")
    assert msgspec.structs.replace(month, new_keys=()) == read_rows(ROW, ROW | {"id": 5002})


def test_keys_of_captured_feeds_are_no_novelty() -> None:
    full = ROW | {
        "lastScorer": None,
        "incidents": [],
        "bets": None,
        "firstHalfEndedAtUtc": None,
        "homePenaltyScore": None,
    }
    assert read_rows(full) == read_rows(ROW)
    assert read_rows(full).new_keys == ()


def test_goals_are_never_counted_from_incidents() -> None:
    # ING-09: an own goal stands under the side that benefits; a score of 0-0 has no incident at all
    own_goal = {"minute": "12", "type": 1, "subType": 3, "field": 1, "period": 1, "playerId": 1, "playerName": "x"}
    (match,) = read_rows(row_of(7, 6, "FT", (0, 1), incidents=[own_goal])).matches
    assert (match.home_score, match.away_score) == (0, 1)
    (match,) = read_rows(row_of(7, 6, "FT", (0, 0), incidents=[])).matches
    assert (match.home_score, match.away_score) == (0, 0)
    assert match.is_result
