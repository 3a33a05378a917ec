"""Which matches a cut-off may fit on, tune on, calibrate on and be judged on.

    … fold 0 │ fold 1 │ fold 2 │ calibration │ hold-out │ cut-off
    ─────────┴────────┴────────┘
      fit: the folds validate inside it, each trained on what lies before it

Everything is a function of kick-offs and the cut-off; the wall clock is never read.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from match_assets.config import SplitParams
from match_assets.errors import ConfigurationError, DataError, NotEnoughDataError, NotReachedError
from match_assets.modelling.metrics import IntArray

ROLES = ("fit", "calibration", "holdout")
SPLIT_SCHEMA = pl.Schema(
    {
        "match_id": pl.Int64(),
        "kick_off_utc": pl.Datetime("us", "UTC"),
        "role": pl.String(),
        "validation_fold": pl.Int8(),
    }
)
# Fewer rows than these give scores whose noise is larger than any difference between models.
MIN_HOLDOUT_ROWS = 20
MIN_VALIDATION_ROWS = 10


@dataclass(frozen=True, eq=False)
class Fold:
    """One walk-forward fold; ``skipped`` says why it cannot be used, None if it can."""

    number: int
    training_ids: IntArray
    validation_ids: IntArray
    skipped: str | None

    def summary(self) -> dict[str, int | str | None]:
        """Number, rows and reason, for the record."""
        return {
            "fold": self.number,
            "n_training": len(self.training_ids),
            "n_validation": len(self.validation_ids),
            "skipped": self.skipped,
        }


def temporal_split(
    matches: pl.DataFrame, cutoff: dt.date, params: SplitParams, *, known_until: dt.datetime | None = None
) -> pl.DataFrame:
    """Role of every match that kicked off before the cut-off.

    Args:
        matches: finished matches, any order: ``match_id`` (i64), ``kick_off_utc`` (datetime[us, UTC]) and optionally
            ``eligible`` (bool): false keeps a row from fitting, tuning and calibration, while the hold-out holds all
            matches, as the service must answer for all. Matches from the cut-off on are read only to see that the data
            reach it.
        cutoff: first day of a month; only kick-offs before its 00:00 UTC have a role.
        params: lengths of the windows, embargo, least number of rows.
        known_until: how far the data reach, where the source says so; by default the newest kick-off in ``matches``.

    Returns:
        ``match_id``, ``kick_off_utc``, ``role`` (fit, calibration or holdout), ``validation_fold`` (i8, null outside
        the folds); sorted by kick-off and match id. Rows within ``embargo_days`` before the first calibration row, or
        before the first hold-out row, have no role and are left out, so that a result entered or corrected late cannot
        be learnt from.

    Raises:
        ConfigurationError: the cut-off is not the first of a month.
        NotReachedError: the data end before the cut-off.
        NotEnoughDataError: fewer rows to fit on than ``min_training_rows``, or fewer than 20 in the hold-out.
        DataError: a match stands twice.
    """
    if cutoff.day != 1:
        raise ConfigurationError(f"cut-off {cutoff}: must be the first day of a month", cutoff=str(cutoff))
    if matches["match_id"].is_duplicated().any():
        raise DataError("a match stands twice in the rows to split")
    end = _month_start(cutoff, 0)
    _require_reached(matches, end, known_until)
    eligible = pl.col("eligible") if "eligible" in matches.columns else pl.lit(value=True)
    holdout_start = _month_start(cutoff, params.holdout_months)
    calibration_start = _month_start(cutoff, params.holdout_months + params.calibration_months)
    kick_off = pl.col("kick_off_utc")
    role = (
        pl.when(kick_off >= holdout_start)
        .then(pl.lit("holdout"))
        .when(kick_off >= calibration_start)
        .then(pl.lit("calibration"))
        .otherwise(pl.lit("fit"))
    )
    split = (
        matches.filter(kick_off < end, eligible | (kick_off >= holdout_start))
        .with_columns(role=role, validation_fold=_fold_number(calibration_start, params))
        .pipe(_without_embargoed_rows, params)
        .select(SPLIT_SCHEMA.names())
        .cast(SPLIT_SCHEMA)
        .sort("kick_off_utc", "match_id")
    )
    _require_rows(split, "fit", params.min_training_rows, cutoff)
    _require_rows(split, "holdout", MIN_HOLDOUT_ROWS, cutoff)
    return split


def walk_forward_folds(split: pl.DataFrame, params: SplitParams) -> list[Fold]:
    """All folds in time order, those that cannot be used with the reason."""
    folds = []
    for number in range(params.folds):
        training_ids, validation_ids = fold_rows(split, number, params)
        least = fold_training_minimum(params)
        skipped = None
        if len(validation_ids) < MIN_VALIDATION_ROWS:
            skipped = f"{len(validation_ids)} rows to validate on, {MIN_VALIDATION_ROWS} needed"
        elif len(training_ids) < least:
            skipped = f"{len(training_ids)} rows to train on, {least} needed"
        folds.append(Fold(number, training_ids, validation_ids, skipped))
    return folds


def usable_folds(split: pl.DataFrame, params: SplitParams) -> list[Fold]:
    """Folds with rows enough, in time order.

    Raises:
        NotEnoughDataError: none of them has.
    """
    folds = walk_forward_folds(split, params)
    usable = [fold for fold in folds if fold.skipped is None]
    if not usable:
        reasons = "; ".join(f"fold {fold.number}: {fold.skipped}" for fold in folds)
        raise NotEnoughDataError(
            f"no walk-forward fold can be used ({reasons}): take a later cut-off or more seasons",
            minimum=fold_training_minimum(params),
            found=max(len(fold.training_ids) for fold in folds),
        )
    return usable


def fold_rows(split: pl.DataFrame, number: int, params: SplitParams) -> tuple[IntArray, IntArray]:
    """Match ids to train on and to validate on in one fold, each in time order.

    Training rows end ``embargo_days`` before the first validation row; both are empty where the fold has no validation
    row.
    """
    fit = split.filter(pl.col("role") == "fit")
    validation = fit.filter(pl.col("validation_fold") == number)
    if validation.is_empty():
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    start = pl.lit(validation["kick_off_utc"].min()) - pl.duration(days=params.embargo_days)
    # strictly before the first validation row also with an embargo of 0 days
    training = fit.filter(pl.col("kick_off_utc") < start)
    return training["match_id"].to_numpy(), validation["match_id"].to_numpy()


def role_ids(split: pl.DataFrame, *roles: str) -> IntArray:
    """Match ids of these roles, in time order."""
    return split.filter(pl.col("role").is_in(roles))["match_id"].to_numpy()


def fold_training_minimum(params: SplitParams) -> int:
    """Rows that a fold must be able to train on: half of what the final fit needs, since the first one starts early."""
    return max(10, params.min_training_rows // 2)


def _month_start(day: dt.date, months_before: int) -> dt.datetime:
    months = day.year * 12 + day.month - 1 - months_before
    return dt.datetime(months // 12, months % 12 + 1, 1, tzinfo=dt.UTC)


def _require_reached(matches: pl.DataFrame, end: dt.datetime, known_until: dt.datetime | None) -> None:
    reached = known_until or matches["kick_off_utc"].max()
    if not isinstance(reached, dt.datetime) or reached < end:
        until = reached.date() if isinstance(reached, dt.datetime) else "nothing"
        raise NotReachedError(
            f"the data reach {until}, not yet the cut-off {end.date()}: wait for newer matches or take an earlier one",
            cutoff=str(end.date()),
            reached=str(until),
        )


def _require_rows(split: pl.DataFrame, role: str, minimum: int, cutoff: dt.date) -> None:
    found = len(role_ids(split, role))
    if found < minimum:
        raise NotEnoughDataError(
            f"cut-off {cutoff}: {found} matches in the part {role}, at least {minimum} are needed: "
            "scrape more seasons or tournaments, or take a later cut-off",
            minimum=minimum,
            found=found,
            role=role,
        )


def _fold_number(calibration_start: dt.datetime, params: SplitParams) -> pl.Expr:
    """Number of the validation window that a kick-off lies in, counted up to the calibration window; null outside."""
    kick_off = pl.col("kick_off_utc")
    number = pl.lit(None, dtype=pl.Int8)
    for fold in range(params.folds):
        months_before = (params.folds - fold) * params.fold_months
        start = _month_start(calibration_start.date(), months_before)
        end = _month_start(calibration_start.date(), months_before - params.fold_months)
        number = pl.when((kick_off >= start) & (kick_off < end)).then(pl.lit(fold, dtype=pl.Int8)).otherwise(number)
    return number


def _without_embargoed_rows(split: pl.DataFrame, params: SplitParams) -> pl.DataFrame:
    kick_off, embargo = pl.col("kick_off_utc"), pl.duration(days=params.embargo_days)
    for earlier, later in (("calibration", ("holdout",)), ("fit", ("calibration", "holdout"))):
        start = kick_off.filter(pl.col("role").is_in(later)).min()
        is_embargoed = (pl.col("role") == earlier) & (kick_off >= start - embargo)
        split = split.filter(~is_embargoed.fill_null(value=False))
    return split
