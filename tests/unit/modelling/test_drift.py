"""Population stability by hand, and what moves it."""

import numpy as np
import polars as pl
import pytest

from match_assets.errors import NotEnoughDataError, SchemaMismatchError
from match_assets.modelling.drift import population_stability


def frame(**columns: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64))


def test_value_by_hand() -> None:
    # two bins at the median 1.5; with half a match each 2.5, 2.5, 0.5 of 5.5 before and 1.5, 3.5, 0.5 of 5.5 now
    before, now = frame(elo=[0.0, 1.0, 2.0, 3.0]), frame(elo=[0.0, 2.0, 2.0, 3.0])
    expected = (1.5 - 2.5) / 5.5 * np.log(1.5 / 2.5) + (3.5 - 2.5) / 5.5 * np.log(3.5 / 2.5)
    assert population_stability(before, now, ["elo"], bins=2)["psi"][0] == pytest.approx(expected)


def test_same_rows_have_not_moved_and_order_is_by_drift() -> None:
    chance = np.random.default_rng(2)
    before = pl.DataFrame({name: chance.normal(size=500) for name in ("still", "moved", "gone")})
    now = before.with_columns(pl.col("moved") + 1.5, gone=pl.lit(None, dtype=pl.Float64))
    found = population_stability(before, now, ["still", "moved", "gone"])
    assert found["feature"].to_list() == ["gone", "moved", "still"]
    assert found["psi"][2] == 0.0
    assert found["psi"][1] > 0.25
    assert found.select("null_share_reference", "null_share_current").row(0) == (0.0, 1.0)


def test_constant_and_unknown_columns_have_a_finite_index() -> None:
    before, now = frame(a=[1.0] * 9, b=[None] * 9), frame(a=[2.0] * 9, b=[None] * 9)
    found = population_stability(before, now, ["a", "b"])
    assert found["psi"].is_finite().all()
    assert found["feature"].to_list() == ["a", "b"]
    assert found["psi"][1] == 0.0


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(NotEnoughDataError, match="current"):
        population_stability(frame(a=[1.0]), frame(a=[]), ["a"])
    with pytest.raises(SchemaMismatchError, match="b"):
        population_stability(frame(a=[1.0]), frame(a=[1.0]), ["a", "b"])
