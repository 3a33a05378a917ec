"""Each fault does to an answer what its name says, and nothing to the others."""

import json
from html import unescape
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from match_assets.errors import ConfigurationError
from match_assets.source.practice.faults import Answer, FaultKind, FaultRule, play
from match_assets.source.practice.routes import Router
from match_assets.source.practice.state import SiteState
from match_assets.source.practice.timeline import Moment
from match_assets.source.practice.world import draw_world

PAGE = Answer(200, b'before\n        matchCentreData: {"a": [1, 2]}\n,\nafter', "text/html")
FEED = Answer(200, b'{"tournaments":[{"name":"St Aldric\'s & <Co>"}]}', "application/json")


def spoilt(kind: str, answer: Answer = PAGE, **settings: object) -> Answer:
    return play(msgspec.convert({"path_regex": ".", "kind": kind, **settings}, FaultRule), answer)


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_every_kind_changes_the_answer(kind: str) -> None:
    assert spoilt(kind) != PAGE


def test_block_page_comes_with_status_200_and_the_known_marker() -> None:
    answer = spoilt("block")
    assert answer.status == 200
    assert b"Incapsula incident ID" in answer.body
    assert len(answer.body) < 1_000


@pytest.mark.parametrize(("kind", "status"), [("forbidden", 403), ("too_many", 429), ("server_error", 503)])
def test_refusals_have_their_status(kind: str, status: int) -> None:
    assert spoilt(kind).status == status
    assert PAGE.body not in spoilt(kind).body


@pytest.mark.parametrize(("kind", "expected"), [("too_many", "7"), ("server_error", "7"), ("forbidden", None)])
def test_retry_after_is_sent_where_http_knows_it(kind: str, expected: str | None) -> None:
    assert spoilt(kind, retry_after=7).retry_after == expected


def test_slow_answer_is_whole_but_late() -> None:
    answer = spoilt("slow", delay_seconds=1.5)
    assert (answer.body, answer.status, answer.delay_seconds) == (PAGE.body, 200, 1.5)


def test_truncated_answer_is_the_first_half() -> None:
    assert PAGE.body.startswith(spoilt("truncated").body)
    assert len(spoilt("truncated").body) == len(PAGE.body) // 2


def test_empty_answer_is_a_success_without_content() -> None:
    assert (spoilt("empty").status, spoilt("empty").body) == (200, b"")


def test_match_centre_becomes_null_and_the_rest_stays() -> None:
    assert spoilt("null_match_centre").body == b"before\n        matchCentreData: null\n,\nafter"


def test_wrapped_feed_holds_the_same_document() -> None:
    answer = spoilt("pre_wrapped", FEED)
    text = answer.body.decode()
    inner = text[text.index("<pre>") + 5 : text.index("</pre>")]
    assert answer.content_type == "text/html"
    assert json.loads(unescape(inner)) == json.loads(FEED.body)


def test_a_changed_layout_renames_every_part_on_real_pages_of_the_site() -> None:
    world = draw_world(3, seasons=1)
    router, moment = Router(world), Moment(world.start_clock_utc)
    match_id = next(iter(world.matches))
    pages = {
        "/": b"allRegions",
        "/Regions/900/Tournaments/9001": b"wsCalendar",
        f"/Matches/{match_id}/Live": b"matchCentreData",
    }
    for path, part in pages.items():
        answer = router.answer(path, "", moment)
        assert part in answer.body
        assert part not in spoilt("layout", answer).body


def test_rules_match_path_and_query_whatever_the_case() -> None:
    rule = FaultRule(path_regex=r"/tournaments/9\d+/data/\?d=202502", kind="empty")
    assert rule.matches("/Tournaments/950124/Data/?d=202502")
    assert not rule.matches("/tournaments/950124/data/?d=202503")


@pytest.mark.parametrize(
    "order", [{"path_regex": "a"}, {"path_regex": "a", "kind": "boom"}, {"path_regex": "a", "kind": "slow", "times": 0}]
)
def test_an_order_for_an_unknown_fault_is_refused(order: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(order, FaultRule)


def test_an_unreadable_expression_is_refused_when_it_is_added(tmp_path: Path) -> None:
    state = SiteState(tmp_path, draw_world(3, seasons=1))
    with pytest.raises(ConfigurationError, match="no regular expression"):
        state.add_fault(FaultRule(path_regex="(", kind="empty"))
    state.close()
