"""Which rows a cut-off may see, and when: boundaries, embargo, too little data."""

import datetime as dt

import polars as pl
import pytest

from match_assets.config import SplitParams
from match_assets.errors import ConfigurationError, DataError, NotEnoughDataError, NotReachedError
from match_assets.modelling.split import (
    SPLIT_SCHEMA,
    fold_rows,
    fold_training_minimum,
    role_ids,
    temporal_split,
    usable_folds,
    walk_forward_folds,
)
from tests.drawn_matches import CUTOFF, SPLIT

# with SPLIT and CUTOFF: hold-out from 2024-08-01, calibration from 2024-04-01, folds from 2023-04, 2023-08 and 2023-12
HOLDOUT_START = dt.datetime(2024, 8, 1, tzinfo=dt.UTC)
CALIBRATION_START = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)


def daily(first: dt.datetime, days: int) -> pl.DataFrame:
    kick_offs = [first + dt.timedelta(days=number) for number in range(days)]
    schema = {"match_id": pl.Int64(), "kick_off_utc": pl.Datetime("us", "UTC")}
    return pl.DataFrame({"match_id": range(1, days + 1), "kick_off_utc": kick_offs}, schema=schema)


MATCHES = daily(dt.datetime(2022, 8, 1, 15, tzinfo=dt.UTC), 1000)


def with_match_at(kick_off: dt.datetime) -> pl.DataFrame:
    return pl.concat([MATCHES, daily(kick_off, 1).with_columns(match_id=pl.lit(9999, dtype=pl.Int64))])


def role_of(split: pl.DataFrame, match_id: int = 9999) -> str | None:
    found = split.filter(pl.col("match_id") == match_id)["role"]
    return found[0] if len(found) else None


@pytest.mark.parametrize(
    ("kick_off", "role"),
    [
        (HOLDOUT_START, "holdout"),
        (HOLDOUT_START - dt.timedelta(microseconds=1), None),  # the embargo before the hold-out
        (HOLDOUT_START - dt.timedelta(days=2), "calibration"),
        (CALIBRATION_START, "calibration"),
        (CALIBRATION_START - dt.timedelta(hours=1), None),
        (CALIBRATION_START - dt.timedelta(days=2), "fit"),
        (dt.datetime(2025, 2, 1, tzinfo=dt.UTC), None),  # the cut-off itself
        (dt.datetime(2025, 2, 1, tzinfo=dt.UTC) - dt.timedelta(microseconds=1), "holdout"),
    ],
)
def test_boundary_belongs_to_the_later_side(kick_off: dt.datetime, role: str | None) -> None:
    assert role_of(temporal_split(with_match_at(kick_off), CUTOFF, SPLIT)) == role


def test_split_has_its_schema_and_order_whatever_the_order_of_arrival() -> None:
    split = temporal_split(MATCHES, CUTOFF, SPLIT)
    assert split.schema == SPLIT_SCHEMA
    assert split["kick_off_utc"].is_sorted()
    assert temporal_split(MATCHES.sample(fraction=1.0, shuffle=True, seed=4), CUTOFF, SPLIT).equals(split)


def test_matches_after_the_cutoff_change_nothing() -> None:
    before = MATCHES.filter(pl.col("kick_off_utc") < dt.datetime(2025, 2, 2, tzinfo=dt.UTC))
    assert temporal_split(before, CUTOFF, SPLIT).equals(temporal_split(MATCHES, CUTOFF, SPLIT))


def test_folds_train_strictly_before_they_validate() -> None:
    split = temporal_split(MATCHES, CUTOFF, SPLIT)
    at = dict(split.select("match_id", "kick_off_utc").iter_rows())
    for number, first_day in enumerate([dt.date(2023, 4, 1), dt.date(2023, 8, 1), dt.date(2023, 12, 1)]):
        training, validation = fold_rows(split, number, SPLIT)
        assert at[validation[0]].date() == first_day
        # daily at 15:00, embargo one day: the match of the day before is exactly one day earlier, hence too late
        assert at[training[-1]] == at[validation[0]] - dt.timedelta(days=2)
        assert not set(training) & set(validation)


def test_embargo_of_no_days_still_keeps_the_first_validation_row_out_of_training() -> None:
    params = SPLIT.model_copy(update={"embargo_days": 0})
    split = temporal_split(MATCHES, CUTOFF, params)
    training, validation = fold_rows(split, 0, params)
    assert training[-1] + 1 == validation[0]


def test_ineligible_rows_are_judged_but_never_learnt_from() -> None:
    is_odd = MATCHES.with_columns(eligible=pl.col("match_id") % 2 == 1)
    split = temporal_split(is_odd, CUTOFF, SPLIT)
    assert all(match_id % 2 == 1 for match_id in role_ids(split, "fit", "calibration"))
    assert len(role_ids(split, "holdout")) == (CUTOFF - HOLDOUT_START.date()).days


@pytest.mark.parametrize("n", [0, 1, 10])
def test_too_few_rows_name_the_minimum(n: int) -> None:
    until = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
    with pytest.raises(NotEnoughDataError, match="at least 100") as raised:
        temporal_split(MATCHES.head(n), CUTOFF, SPLIT, known_until=until)
    assert raised.value.facts["minimum"] == 100
    assert raised.value.facts["found"] <= n
    assert raised.value.exit_code == 3


def test_holdout_without_matches_is_not_enough() -> None:
    with pytest.raises(NotEnoughDataError, match="holdout"):
        temporal_split(
            MATCHES.filter(pl.col("kick_off_utc") < HOLDOUT_START),
            CUTOFF,
            SPLIT,
            known_until=HOLDOUT_START.replace(year=2025),
        )


def test_cutoff_that_the_data_do_not_reach_is_refused() -> None:
    early = MATCHES.filter(pl.col("kick_off_utc") < dt.datetime(2025, 1, 20, tzinfo=dt.UTC))
    with pytest.raises(NotReachedError, match="2025-01-19"):
        temporal_split(early, CUTOFF, SPLIT)
    known = temporal_split(early, CUTOFF, SPLIT, known_until=dt.datetime(2025, 2, 1, tzinfo=dt.UTC))
    assert role_of(known, early["match_id"][-1]) == "holdout"


def test_cutoff_within_a_month_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="first day"):
        temporal_split(MATCHES, dt.date(2025, 2, 2), SPLIT)


def test_match_listed_twice_is_refused() -> None:
    with pytest.raises(DataError, match="twice"):
        temporal_split(pl.concat([MATCHES, MATCHES.head(1)]), CUTOFF, SPLIT)


def test_fold_without_play_is_skipped_with_its_reason() -> None:
    summer_break = pl.col("kick_off_utc").is_between(
        dt.datetime(2023, 8, 1, tzinfo=dt.UTC), dt.datetime(2023, 11, 29, tzinfo=dt.UTC)
    )
    split = temporal_split(MATCHES.filter(~summer_break), CUTOFF, SPLIT)
    folds = walk_forward_folds(split, SPLIT)
    assert [fold.skipped for fold in folds] == [None, "2 rows to validate on, 10 needed", None]
    assert [fold.number for fold in usable_folds(split, SPLIT)] == [0, 2]
    assert folds[1].summary()["n_validation"] == 2


def test_no_usable_fold_is_not_enough() -> None:
    late = MATCHES.filter(pl.col("kick_off_utc") >= dt.datetime(2023, 12, 1, tzinfo=dt.UTC))
    split = temporal_split(late, CUTOFF, SPLIT)
    with pytest.raises(NotEnoughDataError, match="fold 2: 0 rows to train on, 50 needed"):
        usable_folds(split, SPLIT)


def test_a_fold_needs_half_the_rows_of_the_final_fit() -> None:
    assert fold_training_minimum(SPLIT) == 50
    assert fold_training_minimum(SplitParams.model_validate({**SPLIT.model_dump(), "min_training_rows": 10})) == 10
