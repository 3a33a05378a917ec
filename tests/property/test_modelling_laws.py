"""Laws of metrics, calibration, split and forecasts over drawn inputs."""

import datetime as dt

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from match_assets.modelling import metrics
from match_assets.modelling.calibration import fit_calibration
from match_assets.modelling.linear import fit_ordinal
from match_assets.modelling.metrics import FloatArray, IntArray
from match_assets.modelling.split import ROLES, fold_rows, temporal_split
from tests.drawn_matches import CUTOFF, SPLIT

# a shared machine may stall any single example: no deadline
law = settings(max_examples=60, deadline=None)
EPOCH = dt.datetime(2022, 8, 1, tzinfo=dt.UTC)
LENIENT = SPLIT.model_copy(update={"min_training_rows": 10})


@st.composite
def forecasts(draw: st.DrawFn) -> tuple[FloatArray, IntArray]:
    n = draw(st.integers(1, 30))
    weights = draw(hnp.arrays(np.float64, (n, 3), elements=st.floats(0.001, 1.0)))
    outcomes = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 2)))
    return weights / weights.sum(axis=1, keepdims=True), outcomes


@law
@given(forecasts())
def test_metrics_stay_within_their_range(forecast: tuple[FloatArray, IntArray]) -> None:
    scores = metrics.score(*forecast)
    assert all(0 <= scores[name] <= 1 for name in ("rps", "accuracy", "ece"))
    assert 0 <= scores["brier"] <= 2
    assert 0 <= scores["log_loss"] < np.inf


@law
@given(forecasts())
def test_rps_is_symmetric_in_home_and_away(forecast: tuple[FloatArray, IntArray]) -> None:
    probabilities, outcomes = forecast
    mirrored = metrics.rps(probabilities[:, ::-1], 2 - outcomes)
    assert np.isclose(metrics.rps(probabilities, outcomes), mirrored)


@law
@given(forecasts(), st.floats(0.05, 0.95))
def test_mixing_never_scores_worse_than_the_mean_of_its_parts(
    forecast: tuple[FloatArray, IntArray], weight: float
) -> None:
    probabilities, outcomes = forecast
    flat = np.full_like(probabilities, 1 / 3)
    mixed = metrics.rps(weight * probabilities + (1 - weight) * flat, outcomes)
    parts = weight * metrics.rps(probabilities, outcomes) + (1 - weight) * metrics.rps(flat, outcomes)
    assert mixed <= parts + 1e-12


@law
@given(forecasts())
def test_calibrated_forecasts_stay_on_the_simplex_and_fit_no_worse(forecast: tuple[FloatArray, IntArray]) -> None:
    probabilities, outcomes = forecast
    straightened = fit_calibration(probabilities, outcomes).apply(probabilities)
    assert np.allclose(straightened.sum(axis=1), 1)
    assert ((straightened > 0) & (straightened < 1)).all()
    assert metrics.log_loss(straightened, outcomes) <= metrics.log_loss(probabilities, outcomes) + 1e-6


@law
@given(
    hnp.arrays(
        np.float64, st.tuples(st.integers(1, 25), st.integers(1, 4)), elements=st.floats(-1e6, 1e6) | st.just(np.nan)
    ),
    st.integers(0, 2**32 - 1),
)
def test_regression_gives_probabilities_whatever_the_features(features: FloatArray, seed: int) -> None:
    outcomes = np.random.default_rng(seed).integers(0, 3, len(features))
    forecast = fit_ordinal(features, outcomes, strength=10.0).predict(features)
    assert np.isfinite(forecast).all()
    assert np.allclose(forecast.sum(axis=1), 1, atol=1e-9)
    assert ((forecast > 0) & (forecast < 1)).all()


# kick-offs at, just before and just after the boundaries of the windows, where an error would show
BOUNDARIES = [
    dt.datetime(2024, 8, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 4, 1, tzinfo=dt.UTC),
    dt.datetime(2023, 8, 1, tzinfo=dt.UTC),
]
near_boundary = st.builds(
    lambda boundary, minutes: boundary + dt.timedelta(minutes=minutes),
    st.sampled_from(BOUNDARIES),
    st.integers(-3000, 3000) | st.sampled_from([0, -1, 1, -1440, -1441, -1439]),
)


@law
@given(st.lists(near_boundary, max_size=12), st.integers(0, 10))
def test_no_learning_row_is_later_than_a_row_it_is_judged_on(extra: list[dt.datetime], embargo: int) -> None:
    kick_offs = [*(EPOCH + dt.timedelta(days=3 * number) for number in range(305)), *extra]
    matches = pl.DataFrame(
        {"match_id": range(len(kick_offs)), "kick_off_utc": kick_offs},
        schema={"match_id": pl.Int64(), "kick_off_utc": pl.Datetime("us", "UTC")},
    )
    params = LENIENT.model_copy(update={"embargo_days": embargo})
    split = temporal_split(matches, CUTOFF, params, known_until=dt.datetime(2025, 3, 1, tzinfo=dt.UTC))
    gap = dt.timedelta(days=embargo)
    times = {role: split.filter(pl.col("role") == role)["kick_off_utc"].to_list() for role in ROLES}
    assert max(times["fit"]) < min(times["calibration"]) - gap
    assert max(times["calibration"]) < min(times["holdout"]) - gap
    at = dict(split.select("match_id", "kick_off_utc").iter_rows())
    for number in range(params.folds):
        training, validation = fold_rows(split, number, params)
        assert max(at[match_id] for match_id in training) < min(at[match_id] for match_id in validation) - gap
