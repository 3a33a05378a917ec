"""ING-05: an answer cut anywhere is known as cut, or reads as the whole one does; half a page is never a smaller one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers import parse_home_page, parse_match_page, parse_month_feed, parse_season_page
from match_assets.source.parsers.whole import is_whole_document, is_whole_page
from tests import pages

ROWS = [
    pages.feed_row(5001, "2025-02-01T15:00:00", 11, 12, (2, 1)),
    pages.feed_row(5002, "2025-02-02T15:00:00", 12, 13),
    pages.feed_row(0, "0001-01-01T00:00:00", 11, 12, status=0),
]
FEED = pages.feed(ROWS)
STATISTICS = pages.RECORDED | {"shotsTotal": {"1": 9}, "shotsOnTarget": {"1": 3}}
MATCH = pages.match_page(5001, 11, 12, (2, 1), stats=(STATISTICS, STATISTICS), cards=(("Yellow",), ("Red",)))
Read = Callable[[bytes], Any]


def read_feed(body: bytes) -> Any:
    return parse_month_feed(body, "x", stage_id=pages.STAGE, month="202502")


PAGES: dict[str, tuple[str, Read]] = {
    "match": (MATCH, lambda body: parse_match_page(body, "x", match_id=5001)),
    "match without a match centre": (
        pages.match_page(5001, 11, 12, (2, 1), centre="null"),
        lambda body: parse_match_page(body, "x", match_id=5001),
    ),
    "season": (
        pages.season_page([], stages={31000: "Älteste", 31001: "Play-offs"}),
        lambda body: parse_season_page(body, "x"),
    ),
    "home": (pages.home_page(), lambda body: parse_home_page(body, "x")),
}
FEEDS = {
    "plain": FEED,
    "with a byte order mark": "\ufeff" + FEED + "\r\n",
    "in a page": f"<html><head></head><body><pre>{FEED.replace('&', '&amp;')}</pre></body></html>\n",
    "null in a page": "<html><body><pre>null</pre></body></html>",
}


def cuts(body: bytes) -> Iterator[bytes]:
    """``body`` cut at every byte."""
    return (body[:length] for length in range(len(body)))


@pytest.mark.parametrize("name", PAGES)
def test_page_cut_at_any_byte_is_known_as_cut_and_refused(name: str) -> None:
    text, read = PAGES[name]
    body = text.encode()
    assert is_whole_page(body)
    read(body)
    for cut in cuts(body):
        assert not is_whole_page(cut)
        with pytest.raises(UnexpectedPageError):
            read(cut)


@pytest.mark.parametrize("name", FEEDS)
def test_feed_cut_at_any_byte_is_known_as_cut_or_reads_as_the_whole(name: str) -> None:
    body = FEEDS[name].encode()
    whole = read_feed(body)
    for cut in cuts(body):
        if is_whole_document(cut):
            assert read_feed(cut) == whole
        else:
            with pytest.raises(UnexpectedPageError):
                read_feed(cut)


@pytest.mark.parametrize("name", PAGES)
def test_page_cut_inside_and_closed_as_if_it_were_whole_never_loses_a_part(name: str) -> None:
    # a gateway that ends a page for the server: the end is there, what was before it is not
    text, read = PAGES[name]
    body = text.encode()
    whole = read(body)
    for cut in cuts(body):
        try:
            seen = read(cut + b"\n</script></body></html>")
        except UnexpectedPageError:
            continue
        assert seen == whole


@pytest.mark.parametrize("body", [b"", b"\n", b"\xef\xbb\xbf", b"\0" * 100])
def test_empty_answer_is_a_cut_one(body: bytes) -> None:
    assert not is_whole_page(body)
    assert not is_whole_document(body)
    for _, read in PAGES.values():
        with pytest.raises(UnexpectedPageError, match="cut short"):
            read(body)
    with pytest.raises(UnexpectedPageError):
        read_feed(body)


def test_character_cut_in_the_middle_of_a_page_is_refused() -> None:
    body = MATCH.encode()
    broken = body.replace("Å".encode(), "Å".encode()[:1])
    assert broken != body
    assert not is_whole_page(broken)
    with pytest.raises(UnexpectedPageError, match="UTF-8"):
        parse_match_page(broken, "x", match_id=5001)
