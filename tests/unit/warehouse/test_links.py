"""Which match stands back for which: a function of what stands, whatever came first."""

import datetime as dt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from match_assets.warehouse.links import Listed, superseding

START = dt.datetime(2025, 2, 1, 15, tzinfo=dt.UTC)
FINISHED, SCHEDULED, ABANDONED = 6, 1, 5


def at(days: float) -> dt.datetime:
    return START + dt.timedelta(days=days)


def row(match_id: int, day: float = 0, *, gone: float | None = None, since: float = -100, **changes: Any) -> Listed:
    """A finished 1-0 of one pairing; ``gone`` and ``since`` are days, too."""
    own = match_id < 0
    values: dict[str, Any] = {
        "match_id": match_id,
        "season_id": -1 if own else 1,
        "stage_id": -1 if own else 1,
        "home_team_id": 11,
        "away_team_id": 12,
        "kick_off_utc": at(day),
        "status": FINISHED,
        "home_goals": 1,
        "away_goals": 0,
        "missing_since": None if gone is None else at(gone),
        "listed_since": at(since),
    }
    return Listed(**values | changes)


def test_a_match_that_is_listed_stands_back_for_nobody() -> None:
    assert superseding([row(1), row(2)]) == {}


def test_a_match_that_is_gone_stands_back_for_the_same_one_under_another_id() -> None:
    assert superseding([row(1, gone=5), row(2, since=6)]) == {1: 2}
    assert superseding([row(1, gone=5), row(2, since=4)]) == {1: 2}, "both were listed for a while"


def test_another_stage_or_the_return_match_is_another_match() -> None:
    assert superseding([row(1, gone=5), row(2, since=6, stage_id=2)]) == {}
    assert superseding([row(1, gone=5), row(2, since=6, home_team_id=12, away_team_id=11)]) == {}


def test_a_result_keeps_its_day_and_a_fixture_does_not() -> None:
    later = row(2, 60, since=6, status=SCHEDULED)
    assert superseding([row(1, gone=5), later]) == {}
    assert superseding([row(1, gone=5, status=SCHEDULED), later]) == {1: 2}
    assert superseding([row(1, gone=5, status=ABANDONED), later]) == {1: 2}


def test_a_fixture_that_was_known_before_is_not_the_new_id_of_one_that_went() -> None:
    assert superseding([row(1, gone=5, status=SCHEDULED), row(2, 60, since=4, status=SCHEDULED)]) == {}


def test_two_that_went_have_two_successors_each_the_nearest() -> None:
    gone = [row(1, 0, gone=5, status=SCHEDULED), row(2, 40, gone=5, status=SCHEDULED)]
    new = [row(3, 41, since=6, status=SCHEDULED), row(4, 10, since=6, status=SCHEDULED)]
    assert superseding([*gone, *new]) == {1: 4, 2: 3}


def test_a_chain_of_ids_leads_to_the_one_that_counts() -> None:
    rows = [row(1, gone=5), row(2, since=6, gone=8), row(3, since=9)]
    assert superseding(rows) == {1: 3, 2: 3}


def test_a_file_stands_back_for_the_site_within_three_days() -> None:
    assert superseding([row(-1, 0), row(2, 3)]) == {-1: 2}
    assert superseding([row(-1, 0), row(2, 4)]) == {}


def test_a_file_stands_back_for_a_lost_result_but_not_for_a_lost_fixture() -> None:
    assert superseding([row(-1), row(2, gone=3)]) == {-1: 2}
    assert superseding([row(-1), row(2, gone=3, status=SCHEDULED)]) == {}


def test_a_file_follows_the_site_to_its_new_id() -> None:
    assert superseding([row(-1), row(2, gone=3), row(3, since=4)]) == {-1: 3, 2: 3}


def test_a_row_that_a_newer_file_names_by_another_id_stands_back_for_it() -> None:
    assert superseding([row(-1, gone=3), row(-2, since=4)]) == {-1: -2}


ROWS = st.lists(
    st.builds(
        lambda match_id, day, gone, since, status, stage: row(
            match_id, day, gone=gone, since=since, status=status, stage_id=stage if match_id > 0 else -1
        ),
        st.integers(-4, 6).filter(bool),
        st.integers(0, 8),
        st.none() | st.integers(0, 6),
        st.integers(0, 6),
        st.sampled_from([FINISHED, SCHEDULED]),
        st.integers(1, 2),
    ),
    unique_by=lambda one: one.match_id,
    max_size=8,
)


@settings(max_examples=300)
@given(ROWS, st.randoms(use_true_random=False))
def test_links_end_depend_on_no_order_and_spare_what_the_site_lists(rows: list[Listed], random: Any) -> None:
    links = superseding(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert superseding(shuffled) == links
    by_id = {one.match_id: one for one in rows}
    assert not set(links) & set(links.values()), "every link leads to its end"
    for match_id, successor in links.items():
        assert by_id[match_id].missing_since is not None or match_id < 0 < successor
        assert match_id < 0 or successor > 0, "the site never stands back for a file"
