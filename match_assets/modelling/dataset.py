"""Feature rows joined to results, as the arrays that every fit reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from match_assets.errors import DataError, SchemaMismatchError
from match_assets.modelling.metrics import FloatArray, IntArray, outcome_codes


@dataclass(frozen=True, eq=False)
class Dataset:
    """Matches with known outcome, sorted by kick-off and match id.

    Attributes:
        features: (n, f) float64, NaN where the frame had null.
        outcomes: (n,) int64, 0 home, 1 draw, 2 away.
        match_ids: (n,) int64, unique.
        kick_off: (n,) datetime64[us] in UTC, ascending.
        feature_names: the f columns in order.
    """

    features: FloatArray
    outcomes: IntArray
    match_ids: IntArray
    kick_off: npt.NDArray[np.datetime64]
    feature_names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of matches."""
        return len(self.match_ids)

    def rows(self, match_ids: IntArray) -> "Dataset":
        """Only these matches, in the order of this dataset.

        Raises:
            DataError: an id is not in the dataset.
        """
        is_wanted = np.isin(self.match_ids, match_ids)
        if is_wanted.sum() != len(np.unique(match_ids)):
            missing = sorted(set(np.asarray(match_ids).tolist()) - set(self.match_ids.tolist()))
            raise DataError(
                f"{len(missing)} matches have no feature row or result, the first is {missing[0]}", missing=missing
            )
        return replace(
            self,
            features=self.features[is_wanted],
            outcomes=self.outcomes[is_wanted],
            match_ids=self.match_ids[is_wanted],
            kick_off=self.kick_off[is_wanted],
        )

    def select(self, feature_names: Sequence[str]) -> "Dataset":
        """The same matches with these features only, in this order."""
        columns = feature_positions(self.feature_names, feature_names)
        # ascontiguousarray: floating-point sums over a row must not depend on the columns that were left out
        return replace(
            self, features=np.ascontiguousarray(self.features[:, columns]), feature_names=tuple(feature_names)
        )


def feature_positions(held: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Position in ``held`` of each wanted feature.

    Raises:
        SchemaMismatchError: a wanted feature is not there.
    """
    position = {name: index for index, name in enumerate(held)}
    missing = [name for name in wanted if name not in position]
    if missing:
        raise SchemaMismatchError(f"the features {', '.join(missing)} are missing", missing=missing)
    return [position[name] for name in wanted]


def feature_matrix(frame: pl.DataFrame, feature_names: Sequence[str]) -> FloatArray:
    """Named columns of a frame as (n, f) float64, row-major, NaN for null.

    Raises:
        SchemaMismatchError: a column is missing or not Float64, so that a renamed or mistyped feature never reaches a
        model.
        DataError: a value is infinite or NaN; unknown is null.
    """
    feature_positions(frame.columns, feature_names)
    dtypes = frame.schema
    wrong = [name for name in feature_names if dtypes[name] != pl.Float64]
    if wrong:
        raise SchemaMismatchError(f"the features {', '.join(wrong)} are not Float64", wrong=wrong)
    columns = frame.select(feature_names)
    if not columns.is_empty():
        is_finite = columns.select(pl.all().is_finite().fill_null(value=True).all()).row(0, named=True)
        if not all(is_finite.values()):
            raise DataError(
                f"{next(k for k, v in is_finite.items() if not v)} holds NaN or infinity: unknown must be null"
            )
    return np.ascontiguousarray(columns.fill_null(np.nan).to_numpy(), dtype=np.float64).reshape(
        len(frame), len(feature_names)
    )


def build_dataset(features: pl.DataFrame, finished: pl.DataFrame, feature_names: Sequence[str]) -> Dataset:
    """Finished matches that have a feature row.

    Args:
        features: wide rows, any order: ``match_id``, ``kick_off_utc`` and at least ``feature_names`` (Float64).
        finished: finished matches, any order: ``match_id``, ``home_goals``, ``away_goals``. Walkovers (``is_walkover``)
            are left
            out: their score says nothing about play.
        feature_names: columns to learn from, in model order.

    Raises:
        SchemaMismatchError: a column is missing or mistyped.
        DataError: a match stands twice.
    """
    for name, frame in (("features", features), ("finished", finished)):
        if frame["match_id"].is_duplicated().any():
            raise DataError(f"a match stands twice in {name}")
    if "is_walkover" in finished.columns:
        finished = finished.filter(~pl.col("is_walkover"))
    feature_matrix(features.clear(), feature_names)
    results = finished.select("match_id", "home_goals", "away_goals")
    rows = features.select("match_id", "kick_off_utc", *feature_names).join(results, on="match_id", how="inner")
    rows = rows.sort("kick_off_utc", "match_id")
    return Dataset(
        features=feature_matrix(rows, feature_names),
        outcomes=outcome_codes(rows),
        match_ids=rows["match_id"].to_numpy().astype(np.int64),
        kick_off=rows["kick_off_utc"].dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy(),
        feature_names=tuple(feature_names),
    )


def split_candidates(
    features: pl.DataFrame, finished: pl.DataFrame, *, played_columns: Sequence[str], min_history: int
) -> pl.DataFrame:
    """Matches that a split may use, with ``eligible`` true where both teams had played often enough to learn from.

    Args:
        features: wide rows with ``match_id``, ``kick_off_utc`` and ``played_columns``.
        finished: finished matches with ``match_id`` and, if known, ``is_walkover``; walkovers are left out.
        played_columns: counts of matches that each side had played before this one.
        min_history: least count for a row to be trained on.

    Returns:
        ``match_id``, ``kick_off_utc``, ``eligible``; sorted by kick-off and match id.
    """
    if "is_walkover" in finished.columns:
        finished = finished.filter(~pl.col("is_walkover"))
    feature_positions(features.columns, played_columns)
    has_history = pl.min_horizontal(pl.col(list(played_columns)).fill_null(0)) >= min_history
    rows = features.join(finished.select("match_id"), on="match_id", how="semi")
    return rows.select("match_id", "kick_off_utc", has_history.alias("eligible")).sort("kick_off_utc", "match_id")
