"""When the source is asked again: laws of the thinning schedule, for any kick-offs and any rhythm of visits."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from match_assets.warehouse.due import PAGE_ATTEMPTS, month_due, page_due
from match_assets.warehouse.planning import KnownMonth

START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
MINUTES_OF_A_QUARTER = 90 * 24 * 60
moments = st.integers(0, MINUTES_OF_A_QUARTER).map(lambda minutes: START + dt.timedelta(minutes=minutes))
schedules = st.lists(st.integers(1, 60), min_size=1, max_size=4, unique=True).map(sorted)


@given(st.lists(moments, min_size=1, max_size=8), moments, schedules)
def test_ended_month_is_due_after_the_last_look_and_never_beyond_its_schedule(
    kick_offs: list[dt.datetime], seen: dt.datetime, days: list[int]
) -> None:
    due = month_due(kick_offs, 0, seen, days)
    planned = {kick_off + dt.timedelta(days=n) for kick_off in kick_offs for n in days}
    later = {moment for moment in planned if moment > seen}
    assert due == (min(later) if later else None)


@given(moments, moments, schedules)
def test_visits_at_each_due_moment_end_after_as_many_looks_as_the_schedule_has(
    kick_off: dt.datetime, seen: dt.datetime, days: list[int]
) -> None:
    looks, clock = 0, max(kick_off, seen)
    while (due := page_due(kick_off, clock, days, has_statistics=True, attempts=1)) is not None:
        assert due > clock
        assert due == month_due([kick_off], 0, clock, days), "a page and its month thin out alike"
        looks, clock = looks + 1, due
    assert looks == sum(kick_off + dt.timedelta(days=n) > max(kick_off, seen) for n in days)


@given(st.lists(moments, max_size=5), st.integers(1, 9), moments)
def test_month_with_an_open_match_is_due_at_every_visit(
    kick_offs: list[dt.datetime], n_open: int, seen: dt.datetime
) -> None:
    due = month_due(kick_offs, n_open, seen)
    assert KnownMonth(1, "202501", seen, due).is_due(seen)


def test_empty_month_is_asked_until_it_has_passed() -> None:
    seen = dt.datetime(2025, 2, 10, tzinfo=dt.UTC)
    assert month_due([], 0, seen, month="202502") == seen
    assert month_due([], 0, seen, month="202503") == seen
    assert month_due([], 0, seen, month="202501") is None


@given(moments)
def test_page_without_statistics_is_asked_a_bounded_number_of_times(seen: dt.datetime) -> None:
    # ING-08: a null match centre is asked again later, and not for ever
    attempts, clock = 1, seen
    while (due := page_due(START, clock, has_statistics=False, attempts=attempts)) is not None:
        assert due - clock == dt.timedelta(days=2 ** (attempts - 1))
        attempts, clock = attempts + 1, due
    assert attempts == PAGE_ATTEMPTS


def test_month_whose_answer_told_no_time_is_asked_again() -> None:
    assert KnownMonth(1, "202501", None, None).is_due(None)
    assert not KnownMonth(1, "202501", START, None).is_due(START + dt.timedelta(days=999))
