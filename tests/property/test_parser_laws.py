"""Whatever a page holds, a parser gives records or ``UnexpectedPageError``, and nothing is half read."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from match_assets.errors import UnexpectedPageError
from match_assets.source.literals import LiteralError, read_literal
from match_assets.source.parsers import parse_home_page, parse_match_page, parse_month_feed, parse_season_page
from tests import pages

ROW = pages.feed_row(5001, "2025-02-01T15:00:00", 11, 12, (2, 1))
TEXTS: dict[str, str] = {
    "home": pages.home_page(),
    "season": pages.season_page([]),
    "feed": pages.feed([ROW]),
    "match": pages.match_page(5001, 11, 12, (2, 1)),
}
PARSERS: dict[str, Callable[[str], Any]] = {
    "home": lambda text: parse_home_page(text, "x"),
    "season": lambda text: parse_season_page(text, "x"),
    "feed": lambda text: parse_month_feed(text, "x", stage_id=pages.STAGE, month="202502", days_in_mask=1),
    "match": lambda text: parse_match_page(text, "x", match_id=5001),
}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", sorted(PARSERS))
@given(data=st.data())
def test_damaged_page_is_read_or_refused_but_never_breaks_the_parser(name: str, data: st.DataObject) -> None:
    text = TEXTS[name]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    damaged = text[:start] + data.draw(st.text(max_size=10)) + text[end:]
    with contextlib.suppress(UnexpectedPageError):
        PARSERS[name](damaged)


@given(st.data())
def test_any_value_in_any_field_of_a_row_is_read_or_refused(data: st.DataObject) -> None:
    changed = ROW | {data.draw(st.sampled_from(sorted(ROW))): data.draw(JSON_VALUES)}
    try:
        month = PARSERS["feed"](json.dumps({**json.loads(TEXTS["feed"]), "tournaments": [_tournament(changed)]}))
    except UnexpectedPageError:
        return
    assert len(month.matches) + len(month.quarantined) + month.shells == 1


@given(st.sets(st.sampled_from(sorted(pages.RECORDED)), min_size=1), st.integers(0, 40), st.integers(0, 40))
def test_statistics_do_not_depend_on_how_minutes_are_cut(signs: set[str], first: int, second: int) -> None:
    recorded = {sign: pages.RECORDED[sign] for sign in signs}
    split = recorded | {"shotsTotal": {"90": second, "3": first}}
    whole = recorded | {"shotsTotal": {"45": float(first + second)}}
    shots = [
        PARSERS["match"](pages.match_page(5001, 11, 12, (2, 1), stats=(stats, stats))).teams[0].shots
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
