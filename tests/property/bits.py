"""Equality of frames to the last bit: names, types, order, nulls, and the bits of every float."""

import numpy as np
import polars as pl


def assert_same_bits(left: pl.DataFrame, right: pl.DataFrame) -> None:
    """Stricter than polars' equality, for which 0.0 and -0.0 are one."""
    assert left.schema == right.schema
    assert left.height == right.height
    for name in left.columns:
        a, b = left[name], right[name]
        assert a.is_null().equals(b.is_null()), name
        if a.dtype == pl.Float64:
            assert np.array_equal(_bits(a), _bits(b)), name
        else:
            assert a.equals(b, null_equal=True), name


def _bits(series: pl.Series) -> np.ndarray:
    return series.fill_null(0.0).to_numpy().view(np.int64)
