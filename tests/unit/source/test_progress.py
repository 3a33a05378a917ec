"""Progress of a long scrape: done, left, pace and expected end."""

import datetime as dt

from match_assets.source.progress import ProgressLines, Standing, standing

NOON = dt.datetime(2025, 2, 10, 12, tzinfo=dt.UTC)


def test_standing_tells_done_left_pace_and_expected_end() -> None:
    found = standing("2024|X: match pages", 100, 380, seconds=300, now=NOON)
    assert (found.left, found.per_minute) == (280, 20.0)
    assert found.expected_end == NOON + dt.timedelta(minutes=14)
    assert str(found) == (
        "2024|X: match pages: 100 of 380, 280 left, 20.0 a minute, expected end 2025-02-10 12:14:00 UTC"
    )
    assert found.facts() == {
        "done": 100,
        "left": 280,
        "pace a minute": 20.0,
        "expected end": "2025-02-10 12:14:00 UTC",
    }


def test_nothing_read_yet_has_no_pace_and_no_end() -> None:
    found = standing("pages", 0, 380, seconds=0.5, now=NOON)
    assert str(found) == "pages: 0 of 380, 380 left"
    assert found.facts()["expected end"] == "unknown"


def test_lines_come_at_the_start_at_a_rhythm_and_at_the_end() -> None:
    told: list[Standing] = []
    lines = ProgressLines("pages", told.append, every_seconds=3600)
    for done in range(6):
        lines(done, 5)
    assert [(item.done, item.left) for item in told] == [(0, 5), (5, 0)]


def test_each_scrape_begins_its_own_pace() -> None:
    told: list[Standing] = []
    lines = ProgressLines("pages", told.append, every_seconds=3600)
    for done, total in [(0, 2), (1, 2), (2, 2), (0, 3), (3, 3)]:
        lines(done, total)
    assert [(item.done, item.total) for item in told] == [(0, 2), (2, 2), (0, 3), (3, 3)]
    assert all(item.per_minute > 0 for item in told if item.done)
