"""Finite, and in the range of the unit: every bad value is named by its row and column."""

import math

import polars as pl
import pytest

from match_assets.gates.values import finite, within

KEYS = ["match_id"]


def frame(**columns: list[float | None]) -> pl.DataFrame:
    schema = dict.fromkeys(columns, pl.Float64())
    values = pl.DataFrame(columns, schema=schema)
    return values.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("match_id"), pl.all())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_named_by_row_and_column(bad: float) -> None:
    # FEA-06
    failure = finite(["a", "b"], KEYS).failure(frame(a=[1.0, None], b=[0.5, bad]))
    assert failure is not None
    assert failure.rows.select("match_id", "column").rows() == [(2, "b")]
    assert failure.explanation == "in b"


def test_what_is_unknown_is_finite_and_in_range() -> None:
    assert finite(["a"], KEYS).failure(frame(a=[None, None])) is None
    assert within({"a": (0.0, 1.0)}, KEYS).failure(frame(a=[None, 1.0, 0.0])) is None


def test_a_value_outside_its_range_is_named_with_its_value() -> None:
    failure = within({"a": (0.0, 3.0), "b": (0.0, math.inf)}, KEYS).failure(frame(a=[3.5, 1.0], b=[1.0, -2.0]))
    assert failure is not None
    assert failure.rows.rows() == [(1, "a", 3.5), (2, "b", -2.0)]


def test_a_mean_that_rounding_carried_over_its_range_is_in_range_and_no_more_than_that() -> None:
    bounds = {"a": (0.0, 3.0)}
    assert within(bounds, KEYS).failure(frame(a=[math.nextafter(3.0, 4.0), 3.0 + 1e-13])) is None
    assert within(bounds, KEYS).failure(frame(a=[3.0 + 1e-9])) is not None


def test_nothing_to_look_at_holds() -> None:
    assert finite([], KEYS).failure(frame(a=[1.0])) is None
    assert within({}, KEYS).failure(frame(a=[1.0])) is None
    assert finite(["a"], KEYS).failure(frame(a=[])) is None
