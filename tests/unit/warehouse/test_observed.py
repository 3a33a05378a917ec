"""Which of two observations stands, and what a content's hash covers."""

import datetime as dt
from typing import Any

import pytest

from match_assets.source.records import FeedMatch
from match_assets.warehouse.observed import (
    Observation,
    WriteCounts,
    match_observation,
    missing_observation,
    newest,
    verdict,
)

START = dt.datetime(2025, 2, 10, 12, tzinfo=dt.UTC)
MATCH = FeedMatch(5001, 31000, 6, "FT", START, True, 11, 12, "North", "South", 2, 1)


def observe(match: FeedMatch = MATCH, *, site: int = 0, ours: int = 0, month: str = "202502") -> Observation:
    return match_observation(
        match,
        tournament="T",
        season="2024",
        season_id=1,
        month=month,
        site_time=START + dt.timedelta(minutes=site),
        observed_at=START + dt.timedelta(minutes=ours),
    )


def stored(item: Observation) -> dict[str, Any]:
    own = {"match_id": item.match_id, "site_time": item.site_time, "observed_at": item.observed_at}
    return {**item.row, **own, "content_hash": item.content_hash}


CORRECTED = FeedMatch(5001, 31000, 6, "FT", START, True, 11, 12, "North", "South", 3, 1)


@pytest.mark.parametrize(
    ("site", "ours", "expected"), [(1, 0, "change"), (0, 1, "change"), (-1, 5, "stale"), (0, -1, "stale")]
)
def test_later_content_stands(site: int, ours: int, expected: str) -> None:
    assert verdict(stored(observe()), observe(CORRECTED, site=site, ours=ours)) == expected


def test_first_observation_is_an_insert_and_an_equal_one_is_seen_again() -> None:
    assert verdict(None, observe()) == "insert"
    assert verdict(stored(observe()), observe(site=-9, ours=-9)) == "seen again"


def test_hash_covers_content_and_not_where_or_when_it_was_seen() -> None:
    assert observe().content_hash == observe(site=5, ours=7, month="202503").content_hash
    assert observe().content_hash != observe(CORRECTED).content_hash


def test_match_gone_from_the_calendar_is_another_content_that_its_return_undoes() -> None:
    first = observe()
    gone = missing_observation(stored(first), site_time=START + dt.timedelta(days=1), observed_at=START)
    assert verdict(stored(first), gone) == "change"
    assert gone.row["missing_since"] == START, "when it was last listed"
    assert missing_observation(stored(gone), site_time=START + dt.timedelta(days=9), observed_at=START).row == gone.row
    assert gone.content == {**first.content, "is_missing": True}
    back = observe(site=3000)
    assert verdict(stored(gone), back) == "change"
    assert back.row["missing_since"] is None


def test_newest_settles_duplicates_whatever_their_order() -> None:
    items = [observe(), observe(CORRECTED), observe(site=-1)]
    assert newest(items) == newest(items[::-1])
    assert newest(items).n_duplicates == 2


def test_counts_add_up() -> None:
    assert WriteCounts(1, 2, 3, 4, 5, 6) + WriteCounts(10, 20, 30, 40, 50, 60) == WriteCounts(11, 22, 33, 44, 55, 66)
