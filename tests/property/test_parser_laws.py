"""Whatever a page holds, a parser gives records or ``UnexpectedPageError``, and nothing is half read."""

import contextlib
import html
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from match_assets.errors import UnexpectedPageError
from match_assets.source.blocks import REFUSALS, block_marker
from match_assets.source.literals import LiteralError, read_literal
from match_assets.source.parsers import (
    parse_home_page,
    parse_match_page,
    parse_month_feed,
    parse_season_list,
    parse_season_page,
)
from match_assets.source.parsers.whole import is_whole_document, is_whole_page
from tests import pages

ROW = pages.feed_row(5001, "2025-02-01T15:00:00", 11, 12, (2, 1))
BODIES: dict[str, bytes] = {
    "home": pages.home_page().encode(),
    "seasons": pages.season_page([]).encode(),
    "season": pages.season_page([], stages={31000: "Ä", 31001: "B"}).encode(),
    "feed": pages.feed([ROW]).encode(),
    "match": pages.match_page(5001, 11, 12, (2, 1), cards=(("Yellow",), ())).encode(),
}
STATISTICS = pages.RECORDED | {"shotsTotal": {"1": 3}}
WHOLE = pages.match_page(5001, 11, 12, (2, 1), stats=(STATISTICS, STATISTICS), cards=(("Red",), ("Yellow",))).encode()
CENTRE = WHOLE[WHOLE.index(b"matchCentreData: ") + 17 :].splitlines()[0].rstrip(b",")
PARSERS: dict[str, Callable[[bytes], Any]] = {
    "home": lambda body: parse_home_page(body, "x"),
    "seasons": lambda body: parse_season_list(body, "x"),
    "season": lambda body: parse_season_page(body, "x"),
    "feed": lambda body: parse_month_feed(body, "x", stage_id=pages.STAGE, month="202502", days_in_mask=1),
    "match": lambda body: parse_match_page(body, "x", match_id=5001),
}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", sorted(PARSERS))
@given(data=st.data())
def test_damaged_page_is_read_or_refused_but_never_breaks_the_parser(name: str, data: st.DataObject) -> None:
    body = BODIES[name]
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 60)))
    damaged = body[:start] + data.draw(st.binary(max_size=10) | st.text(max_size=10).map(str.encode)) + body[end:]
    is_whole_page(damaged)
    is_whole_document(damaged)
    block_marker(damaged, 200)
    with contextlib.suppress(UnexpectedPageError):
        PARSERS[name](damaged)


@pytest.mark.parametrize("name", sorted(PARSERS))
@given(body=st.binary(max_size=300))
def test_any_bytes_at_all_are_refused(name: str, body: bytes) -> None:
    with pytest.raises(UnexpectedPageError):
        PARSERS[name](body)


@given(st.data())
def test_any_value_in_any_field_of_a_row_is_read_or_refused(data: st.DataObject) -> None:
    changed = ROW | {data.draw(st.sampled_from(sorted(ROW))): data.draw(JSON_VALUES)}
    try:
        month = PARSERS["feed"](
            json.dumps({**json.loads(BODIES["feed"]), "tournaments": [_tournament(changed)]}).encode()
        )
    except UnexpectedPageError:
        return
    assert len(month.matches) + len(month.quarantined) + month.shells == 1


@given(st.sampled_from([(), ("home",), ("away",), ("home", "stats"), ("away", "incidentEvents", 0)]), st.data())
def test_any_value_in_any_field_of_a_match_centre_is_read_or_refused(
    path: tuple[Any, ...], data: st.DataObject
) -> None:
    centre = json.loads(CENTRE)
    part = centre
    for step in path:
        part = part[step]
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(JSON_VALUES)
    body = pages.match_page(5001, 11, 12, (2, 1), centre=json.dumps(centre)).encode()
    with contextlib.suppress(UnexpectedPageError):
        page = PARSERS["match"](body)
        assert (page.has_match_centre, len(page.teams)) == (True, 2)
        # who played and how it ended is the header's to say
        assert (page.home_team_id, page.away_team_id, page.home_score, page.away_score) == (11, 12, 2, 1)


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=4))
def test_feed_reads_alike_in_every_wrapping(names: list[tuple[str, str]]) -> None:
    rows = [
        pages.feed_row(n, "2025-02-01T15:00:00", 11, 12, homeTeamName=home, awayTeamName=away)
        for n, (home, away) in enumerate(names, 1)
    ]
    text = pages.feed(rows)
    served = [
        text,
        "\ufeff" + text,
        f"<html><body><pre>{html.escape(text)}</pre></body></html>",
        f"<pre>{html.escape(text)}",
    ]
    outcomes = []
    for body in served:
        try:
            outcomes.append(PARSERS["feed"](body.encode()))
        except UnexpectedPageError as error:
            outcomes.append(error.facts["part"])
    assert outcomes[:3] == [outcomes[0]] * 3
    assert not any(block_marker(body.encode(), 200) for body in served)


@given(st.sampled_from(REFUSALS), st.text(max_size=50), st.text(max_size=50))
def test_refusal_is_known_whatever_stands_around_it(marker: str, before: str, after: str) -> None:
    assert block_marker(f"<html>{before}{marker}{after}</html>".encode(), 200)


@given(st.sets(st.sampled_from(sorted(pages.RECORDED)), min_size=1), st.integers(0, 40), st.integers(0, 40))
def test_statistics_do_not_depend_on_how_minutes_are_cut(signs: set[str], first: int, second: int) -> None:
    recorded = {sign: pages.RECORDED[sign] for sign in signs}
    split = recorded | {"shotsTotal": {"90": second, "3": first}}
    whole = recorded | {"shotsTotal": {"45": float(first + second)}}
    shots = [
        PARSERS["match"](pages.match_page(5001, 11, 12, (2, 1), stats=(stats, stats)).encode()).teams[0].shots
        for stats in (split, whole)
    ]
    assert shots == [first + second] * 2


@given(JSON_VALUES)
def test_literals_read_json_as_json_does(value: Any) -> None:
    text = json.dumps(value)
    try:
        assert read_literal(text)[0] == value
    except LiteralError:
        pytest.fail(f"refused {text}")


def _tournament(row: dict[str, Any]) -> dict[str, Any]:
    return {"tournamentId": pages.TOURNAMENT, "stageId": pages.STAGE, "matches": [row]}
