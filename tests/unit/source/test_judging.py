"""Which answers are worth another attempt, and how long a site asks us to wait."""

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from match_assets.source.document import Answer
from match_assets.source.judging import failure_of, retry_after

NOW = dt.datetime(2025, 2, 1, 12, 0, tzinfo=dt.UTC)
PAGE = b"<html>fine</html>"


# ING-03
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1000000000", 1e9),
        ("9" * 400, 999_999_999_999.0),
        ("Sat, 01 Feb 2025 12:01:30 GMT", 90.0),
        ("Sat, 01 Feb 2025 13:01:30 +0100", 90.0),
        ("Sat, 01 Feb 2025 12:01:30", 90.0),
        ("Sat, 01 Feb 2025 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Sat, 99 Foo 2025 12:01:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


@given(
    st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,9} \d\d:\d\d:\d\d( [+-]\d{4,9})?")
)
def test_no_header_breaks_its_reader(value: str) -> None:
    seconds = retry_after({"retry-after": value}, NOW)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


def test_only_a_whole_page_is_final() -> None:
    assert failure_of("page", Answer("u", 200, {}, PAGE), NOW) is None
    for cut in range(len(PAGE)):
        found = failure_of("page", Answer("u", 200, {}, PAGE[:cut]), NOW)
        assert found is not None
        assert f"cut short ({cut} bytes)" in found.cause
    # ING-05: robots.txt has no end of its own: what was announced is all there is to go by
    assert failure_of("robots", Answer("u", 200, {}, b"User-ag"), NOW) is None
    assert failure_of("robots", Answer("u", 200, {}, b"User-ag", cut="7 of 20 bytes came"), NOW) is not None
    assert failure_of("page", Answer("u", 200, {}, PAGE, cut="17 of 20 bytes came"), NOW) is not None


@pytest.mark.parametrize("status", [404, 410, 301, 204])
def test_other_statuses_are_final(status: int) -> None:
    assert failure_of("page", Answer("u", status, {}, b""), NOW) is None


@pytest.mark.parametrize(("status", "is_plea"), [(429, True), (500, False), (502, False), (504, False)])
def test_a_plea_is_told_from_a_breakdown(status: int, is_plea: bool) -> None:
    found = failure_of("feed", Answer("u", status, {}, b""), NOW)
    assert found is not None
    assert found.is_plea == is_plea
    asked_to_wait = failure_of("feed", Answer("u", status, {"retry-after": "9"}, b""), NOW)
    assert asked_to_wait is not None
    assert (asked_to_wait.is_plea, asked_to_wait.wait_seconds) == (True, 9.0)


def test_what_was_not_read_on_purpose_is_not_asked_for_again() -> None:
    assert failure_of("page", Answer("u", 200, {}, refused="a download"), NOW) is None
