"""The calendar feed, field by field."""

import datetime as dt
import html
import json
from typing import Any

import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers import parse_month_feed
from match_assets.source.records import MonthFeed
from tests import pages

URL = "http://site/tournaments/31000/data/?d=202502"
ROW = pages.feed_row(5001, "2025-02-01T15:00:00", 11, 12, (2, 1))


def read(text: str, days_in_mask: int = 0) -> MonthFeed:
    return parse_month_feed(text, URL, stage_id=pages.STAGE, month="202502", days_in_mask=days_in_mask)


def read_rows(*rows: dict[str, Any]) -> MonthFeed:
    return read(pages.feed(rows))


def test_finished_row_is_a_result_under_the_sites_clock() -> None:
    month = read_rows(ROW)
    assert month.site_time == dt.datetime(2025, 2, 10, 12, tzinfo=dt.UTC)
    (match,) = month.matches
    assert (match.match_id, match.home_team_id, match.away_team, match.home_score, match.away_score) == (
        5001,
        11,
        "Ålesund İ & Söhne",
        2,
        1,
    )
    assert match.kick_off_utc == dt.datetime(2025, 2, 1, 15, tzinfo=dt.UTC)
    assert match.is_result


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: "\ufeff" + text,
        lambda text: f"<html><body><pre>{html.escape(text, quote=False)}</pre></body></html>",
        lambda text: f'<html><head></head><body><pre style="word-wrap: break-word">{text}</pre></body></html>',
        lambda text: f"<html><body>{text}</body></html>",
        lambda text: f"\n  {text}\n",
    ],
)
def test_wrapped_feed_reads_as_the_plain_one(wrap: Any) -> None:
    text = pages.feed([ROW])
    assert read(wrap(text)) == read(text)


@pytest.mark.parametrize("text", ["null", "[]", "{}"])
def test_empty_answer_is_an_empty_month_unless_the_calendar_names_match_days(text: str) -> None:
    assert read(text).matches == ()
    with pytest.raises(UnexpectedPageError, match="2 match days"):
        read(text, days_in_mask=2)


def test_other_stages_in_the_answer_are_left_out() -> None:
    other = json.loads(pages.feed([ROW], stage=4))["tournaments"]
    root = json.loads(pages.feed([ROW]))
    root["tournaments"] += other
    assert len(read(json.dumps(root)).matches) == 1


def test_only_status_six_after_ninety_minutes_is_a_result() -> None:
    rows = [
        pages.feed_row(1, "2025-02-01T15:00:00", 11, 12),
        pages.feed_row(2, "2025-02-01T15:00:00", 11, 12, status=2, elapsed="Post"),
        pages.feed_row(5, "2025-02-01T15:00:00", 11, 12, (1, 0), status=5, elapsed="Abd"),
        pages.feed_row(6, "2025-02-01T15:00:00", 11, 12, (0, 0)),
        pages.feed_row(7, "2025-02-01T15:00:00", 11, 12, (4, 2), status=7, elapsed="Can"),
        pages.feed_row(8, "2025-02-01T15:00:00", 11, 12, (2, 1), status=8, elapsed="?"),
        pages.feed_row(61, "2025-02-01T15:00:00", 11, 12, (4, 2), elapsed="AET"),
        pages.feed_row(62, "2025-02-01T15:00:00", 11, 12, (2, 2), elapsed="PEN"),
    ]
    month = read_rows(*rows)
    assert [match.match_id for match in month.matches if match.is_result] == [6]
    assert len(month.matches) == 8


def test_shell_is_counted_and_unknown_status_quarantined() -> None:
    shell = pages.feed_row(0, "0001-01-01T00:00:00", 11, 12, status=0)
    month = read_rows(ROW, shell, pages.feed_row(99, "2025-02-01T15:00:00", 11, 12, status=42))
    assert [match.match_id for match in month.matches] == [5001]
    assert month.shells == 1
    assert month.quarantined == {99: 42}


def test_summer_kick_off_is_stored_in_utc() -> None:
    row = pages.feed_row(1, "", 11, 12, startTime="2024-08-17T15:00:00", startTimeUtc="2024-08-17T14:00:00Z")
    month = read_rows(row)
    assert month.matches[0].kick_off_utc == dt.datetime(2024, 8, 17, 14, tzinfo=dt.UTC)
    assert month.time_mismatches == ()


def test_repeated_hour_in_october_agrees_with_either_utc_hour() -> None:
    rows = [
        pages.feed_row(n, "", 11, 12, startTime="2020-10-25T01:30:00", startTimeUtc=f"2020-10-25T{hour}:30:00Z")
        for n, hour in ((1, "00"), (2, "01"))
    ]
    assert read_rows(*rows).time_mismatches == ()


def test_disagreeing_times_are_flagged_and_utc_stands() -> None:
    row = pages.feed_row(7, "", 11, 12, startTime="2025-02-01T15:00:00", startTimeUtc="2025-02-01T17:00:00Z")
    month = read_rows(row)
    assert month.time_mismatches == (7,)
    assert month.matches[0].kick_off_utc.hour == 17


def test_date_without_time_keeps_its_date_in_summer() -> None:
    row = pages.feed_row(1, "", 11, 12, startTime="2004-08-14T00:00:00", startTimeUtc="2004-08-13T23:00:00Z")
    (match,) = read_rows(row).matches
    assert not match.is_kick_off_time_known
    assert match.kick_off_utc == dt.datetime(2004, 8, 14, tzinfo=dt.UTC)


def test_seven_decimals_of_the_mobile_feed_are_read() -> None:
    row = pages.feed_row(1, "", 11, 12, startTime="2025-02-01T15:00:00", startTimeUtc="2025-02-01T15:00:00.0000000Z")
    assert read_rows(row).matches[0].kick_off_utc.hour == 15


REQUIRED = (
    "id",
    "stageId",
    "status",
    "startTime",
    "startTimeUtc",
    "homeTeamId",
    "awayTeamId",
    "homeTeamName",
    "awayTeamName",
)


@pytest.mark.parametrize("key", REQUIRED)
def test_missing_key_is_a_layout_change_that_names_it(key: str) -> None:
    with pytest.raises(UnexpectedPageError) as caught:
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
        {"status": True},
        {"startTime": "soon"},
        {"homeTeamName": None},
        {"homeTeamName": "a\0b"},
    ],
)
def test_changed_type_is_a_layout_change(change: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedPageError):
        read_rows(ROW | change)


def test_new_keys_are_ignored() -> None:
    assert read_rows(ROW | {"novelty": {"a": [1]}}) == read_rows(ROW)
