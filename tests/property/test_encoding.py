"""Same rows, same bytes: what the identity of data rests on."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from match_assets.errors import SchemaMismatchError
from match_assets.store.encoding import canonical, decode, encode, sha256

ROWS = st.lists(
    st.tuples(
        st.integers(1, 10**9),
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=False, width=32)),
        st.one_of(st.none(), st.text(max_size=8)),
    ),
    max_size=40,
    unique_by=lambda row: row[0],
)
SCHEMA = {"match_id": pl.Int64, "rating": pl.Float64, "team": pl.String}


def frame_of(rows: list[tuple[int, float | None, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@given(rows=ROWS, seed=st.integers(0, 2**16))
def test_rows_in_any_order_and_chunking_give_the_same_bytes(
    rows: list[tuple[int, float | None, str | None]], seed: int
) -> None:
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    cut = len(shuffled) // 2
    chunked = pl.concat([frame_of(shuffled[:cut]), frame_of(shuffled[cut:])], rechunk=False)
    assert encode(canonical(chunked, ["match_id"])) == encode(canonical(frame_of(rows), ["match_id"]))


@given(rows=ROWS)
def test_what_was_encoded_is_read_back(rows: list[tuple[int, float | None, str | None]]) -> None:
    tidy = canonical(frame_of(rows), ["match_id"])
    assert decode(encode(tidy)).equals(tidy, null_equal=True)


def test_nan_and_minus_zero_hash_as_unknown_and_zero() -> None:
    odd = frame_of([(1, float("nan"), "a"), (2, -0.0, "b")])
    plain = frame_of([(1, None, "a"), (2, 0.0, "b")])
    assert sha256(encode(canonical(odd, ["match_id"]))) == sha256(encode(canonical(plain, ["match_id"])))


def test_one_changed_value_changes_the_hash() -> None:
    before, after = frame_of([(1, 1.5, "a")]), frame_of([(1, 1.5000001, "a")])
    assert sha256(encode(canonical(before, ["match_id"]))) != sha256(encode(canonical(after, ["match_id"])))


def test_a_sort_key_that_does_not_order_totally_is_refused() -> None:
    doubled = frame_of([(1, 1.0, "a"), (2, 2.0, "a")])
    with pytest.raises(SchemaMismatchError, match="not unique by \\['team'\\]"):
        canonical(doubled, ["team"])


def test_a_missing_sort_key_is_named() -> None:
    with pytest.raises(SchemaMismatchError, match="kick_off_utc"):
        canonical(frame_of([]), ["kick_off_utc"])
