"""ING-15: the UTC field is the truth, London's clock beside it is compared, a date without a time is flagged."""

import datetime as dt

import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers import parse_month_feed
from match_assets.source.records import FeedMatch, MonthFeed
from tests import pages


def read(local: str, utc: str, month: str = "202502") -> tuple[FeedMatch, MonthFeed]:
    row = pages.feed_row(7, "", 11, 12, startTime=local, startTimeUtc=utc)
    feed = parse_month_feed(pages.feed([row]).encode(), "x", stage_id=pages.STAGE, month=month)
    return feed.matches[0], feed


# local, UTC, what is stored, whether the two agree
WITH_A_TIME = [
    ("2025-02-01T15:00:00", "2025-02-01T15:00:00Z", "2025-02-01T15:00", True),
    ("2024-08-17T15:00:00", "2024-08-17T14:00:00Z", "2024-08-17T14:00", True),
    # the hour that comes twice: either is right
    ("2020-10-25T01:30:00", "2020-10-25T00:30:00Z", "2020-10-25T00:30", True),
    ("2020-10-25T01:30:00", "2020-10-25T01:30:00Z", "2020-10-25T01:30", True),
    # the hour that never comes
    ("2021-03-28T01:30:00", "2021-03-28T01:30:00Z", "2021-03-28T01:30", False),
    ("2021-03-28T01:30:00", "2021-03-28T00:30:00Z", "2021-03-28T00:30", False),
    # the day before in UTC
    ("2020-08-01T00:30:00", "2020-07-31T23:30:00Z", "2020-07-31T23:30", True),
    # an hour off, and the seven decimals of the mobile feed
    ("2025-02-01T15:00:00", "2025-02-01T17:00:00Z", "2025-02-01T17:00", False),
    ("2025-02-01T15:00:00", "2025-02-01T15:00:00.0000000Z", "2025-02-01T15:00", True),
    # midnight by one clock alone is a time like any other
    ("2025-02-01T00:00:00", "2025-02-01T15:00:00Z", "2025-02-01T15:00", False),
    ("2024-08-14T01:00:00", "2024-08-14T00:00:00Z", "2024-08-14T00:00", True),
    # other offsets than Z
    ("2025-02-01T15:00:00", "2025-02-01T16:00:00+01:00", "2025-02-01T15:00", True),
]


@pytest.mark.parametrize(("local", "utc", "stored", "do_agree"), WITH_A_TIME)
def test_utc_field_is_the_truth_and_a_mismatch_is_flagged(local: str, utc: str, stored: str, do_agree: bool) -> None:
    match, feed = read(local, utc)
    assert match.kick_off_utc == dt.datetime.fromisoformat(stored).replace(tzinfo=dt.UTC)
    assert match.is_kick_off_time_known
    assert feed.time_mismatches == (() if do_agree else (7,))


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2004-08-14T00:00:00", "2004-08-13T23:00:00Z"),
        ("2004-08-14T00:00:00", "2004-08-14T00:00:00Z"),
        ("2005-01-15T00:00:00", "2005-01-15T00:00:00Z"),
    ],
)
def test_date_without_a_time_keeps_its_date_and_is_flagged(local: str, utc: str) -> None:
    match, feed = read(local, utc)
    assert not match.is_kick_off_time_known
    assert match.kick_off_utc == dt.datetime.fromisoformat(local).replace(tzinfo=dt.UTC)
    assert feed.time_mismatches == ()


def test_match_after_midnight_stays_in_the_month_that_the_site_lists_it_in() -> None:
    match, feed = read("2020-08-01T00:30:00", "2020-07-31T23:30:00Z", month="202008")
    assert feed.month == "202008"
    assert match.kick_off_utc.month == 7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2025-02-30T15:00:00",
        "2025-02-01T25:00:00",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59",
        "12/08/2020",
    ],
)
def test_time_that_is_none_is_a_layout_change(text: str) -> None:
    for local, utc in ((text, "2025-02-01T15:00:00Z"), ("2025-02-01T15:00:00", text + "Z")):
        with pytest.raises(UnexpectedPageError, match="startTime"):
            read(local, utc)


def test_time_at_the_edge_of_the_calendar_with_an_offset_is_refused() -> None:
    with pytest.raises(UnexpectedPageError, match="year"):
        read("2025-02-01T15:00:00", "0001-01-01T00:00:00+05:00")
