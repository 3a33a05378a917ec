"""Any order of arrival, any repetition, any batching ends in the newest observation of each match."""

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from match_assets.warehouse.observed import PRESENT, Observation, newest, order, verdict

START = dt.datetime(2025, 2, 1, tzinfo=dt.UTC)


def observe(match_id: int, site: int, ours: int, score: int, statistics: str | None) -> Observation:
    """A match of the calendar, or a page with or without statistics."""
    row = {} if statistics is None else {"statistics": statistics}
    site_time, observed_at = START + dt.timedelta(hours=site), START + dt.timedelta(minutes=ours)
    return Observation(match_id, site_time, observed_at, {"score": score, **row}, row)


def batches_of(statistics: st.SearchStrategy[str | None]) -> st.SearchStrategy[list[list[Observation]]]:
    one = st.builds(observe, st.integers(1, 3), st.integers(0, 2), st.integers(0, 3), st.integers(0, 2), statistics)
    return st.lists(st.lists(one, max_size=5), max_size=6)


BATCHES = batches_of(st.none()) | batches_of(st.sampled_from([PRESENT, "the match centre is null"]))


def settle(batches: list[list[Observation]]) -> dict[int, dict[str, Any]]:
    """What the warehouse does with each batch, on a dictionary."""
    held: dict[int, dict[str, Any]] = {}
    for batch in batches:
        for item in newest(batch).standing:
            current = held.get(item.match_id)
            decided = verdict(current, item)
            is_later = current is None or item.order > order(current)
            if decided in {"insert", "change"} or (decided == "seen again" and is_later):
                held[item.match_id] = {
                    **item.row,
                    "site_time": item.site_time,
                    "observed_at": item.observed_at,
                    "content_hash": item.content_hash,
                    "content": item.content,
                }
    return held


def model(batches: list[list[Observation]]) -> dict[int, dict[str, Any]]:
    """The specification: the greatest observation of each match."""
    best: dict[int, Observation] = {}
    for item in (item for batch in batches for item in batch):
        if item.match_id not in best or item.order > best[item.match_id].order:
            best[item.match_id] = item
    return {match_id: item.content for match_id, item in best.items()}


@given(BATCHES)
def test_state_is_the_newest_observation_of_each_match(batches: list[list[Observation]]) -> None:
    assert {match_id: row["content"] for match_id, row in settle(batches).items()} == model(batches)


@given(BATCHES, st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_of_arrival_and_batching_do_not_matter(batches: list[list[Observation]], random: Any, size: int) -> None:
    items = [item for batch in batches for item in batch]
    random.shuffle(items)
    rebatched = [items[start : start + size] for start in range(0, len(items), size)]
    assert settle(rebatched) == settle(batches)


@given(BATCHES)
def test_replay_changes_nothing(batches: list[list[Observation]]) -> None:
    assert settle(batches + batches) == settle(batches)


@given(BATCHES)
def test_page_with_statistics_is_never_replaced_by_one_without(batches: list[list[Observation]]) -> None:
    seen = {item.match_id for batch in batches for item in batch if item.has_statistics}
    held = settle(batches)
    assert all(held[match_id]["statistics"] == PRESENT for match_id in seen)


@given(st.lists(st.builds(observe, st.just(1), st.just(0), st.just(0), st.integers(0, 9), st.none()), min_size=1))
def test_contents_of_one_instant_have_one_winner_and_are_counted(items: list[Observation]) -> None:
    settled = newest(items)
    winner = max({item.content_hash for item in items})
    assert [item.content_hash for item in settled.standing] == [winner]
    assert settled.n_contested == sum(item.content_hash != winner for item in items)
    assert settled.n_duplicates == len(items) - 1
