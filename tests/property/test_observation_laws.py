"""Any order of arrival, any repetition, any batching ends in the newest observation of each match."""

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from match_assets.warehouse.observed import Observation, newest, verdict

START = dt.datetime(2025, 2, 1, tzinfo=dt.UTC)
OBSERVATIONS = st.builds(
    lambda match_id, site, ours, score: Observation(
        match_id, START + dt.timedelta(hours=site), START + dt.timedelta(minutes=ours), {"score": score}, {}
    ),
    match_id=st.integers(1, 3),
    site=st.integers(0, 2),
    ours=st.integers(0, 3),
    score=st.integers(0, 2),
)
BATCHES = st.lists(st.lists(OBSERVATIONS, max_size=5), max_size=6)


def settle(batches: list[list[Observation]]) -> dict[int, dict[str, Any]]:
    """What the warehouse does with each batch, on a dictionary."""
    held: dict[int, dict[str, Any]] = {}
    for batch in batches:
        for item in newest(batch)[0]:
            current = held.get(item.match_id)
            decided = verdict(current, item)
            is_later = current is None or item.order > _order(current)
            if decided in {"insert", "change"} or (decided == "seen again" and is_later):
                held[item.match_id] = {
                    "site_time": item.site_time,
                    "observed_at": item.observed_at,
                    "content_hash": item.content_hash,
                    "content": item.content,
                }
    return held


def _order(row: dict[str, Any]) -> tuple[dt.datetime, dt.datetime, str]:
    return (row["site_time"], row["observed_at"], row["content_hash"])


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
