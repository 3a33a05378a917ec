"""How far today's features have moved from those the model learnt from."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from match_assets.errors import NotEnoughDataError
from match_assets.modelling.dataset import feature_matrix
from match_assets.modelling.metrics import FloatArray

BINS = 10
# Half a match in each bin, so that a bin empty on one side gives a large but finite index.
PSEUDO_COUNT = 0.5


def population_stability(
    reference: pl.DataFrame, current: pl.DataFrame, feature_names: Sequence[str], *, bins: int = BINS
) -> pl.DataFrame:
    """Population stability index of every feature, over quantile bins of the reference and one bin for unknown.

    Args:
        reference: rows the model learnt from, with ``feature_names`` as Float64.
        current: rows of today, likewise.
        feature_names: columns to compare.
        bins: quantile bins; equal edges are merged, so a constant or discrete feature has fewer.

    Returns:
        ``feature``, ``psi`` (f64, 0 for equal shares, by custom above 0.25 a large shift), ``null_share_reference``,
        ``null_share_current`` (f64), the most drifted first, ties by name.

    Raises:
        NotEnoughDataError: one side has no row.
        SchemaMismatchError: a feature is missing or not Float64.

    With few current rows the index is above 0 by chance alone, by about (bins - 1) / n_current.

    Source: Yurdakul & Naranjo (2020), Statistical Properties of the Population Stability Index, Journal of Risk Model
    Validation 14(4).
    """
    for name, frame in (("reference", reference), ("current", current)):
        if frame.is_empty():
            raise NotEnoughDataError(f"no {name} row to compare: at least 1 is needed", minimum=1, found=0)
    before, now = feature_matrix(reference, feature_names), feature_matrix(current, feature_names)
    rows = [
        {
            "feature": name,
            "psi": _stability_index(before[:, column], now[:, column], bins),
            "null_share_reference": float(np.isnan(before[:, column]).mean()),
            "null_share_current": float(np.isnan(now[:, column]).mean()),
        }
        for column, name in enumerate(feature_names)
    ]
    schema = {
        "feature": pl.String,
        "psi": pl.Float64,
        "null_share_reference": pl.Float64,
        "null_share_current": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema).sort("psi", "feature", descending=[True, False])


def _stability_index(reference: FloatArray, current: FloatArray, bins: int) -> float:
    known = reference[~np.isnan(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.empty(0)
    expected, found = _shares(reference, edges), _shares(current, edges)
    return float(((found - expected) * np.log(found / expected)).sum())


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Smoothed share of each bin, the last one for unknown values."""
    is_known = ~np.isnan(values)
    # side "left": a value equal to an edge lies below it, so that a discrete feature's levels fall apart
    counts = np.bincount(np.searchsorted(edges, values[is_known], side="left"), minlength=len(edges) + 1)
    smoothed = np.append(counts, (~is_known).sum()) + PSEUDO_COUNT
    return np.asarray(smoothed / smoothed.sum(), dtype=np.float64)
