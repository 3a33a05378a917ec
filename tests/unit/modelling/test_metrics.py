"""Metrics against values worked out by hand and against scikit-learn."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss

from match_assets.errors import DataError, NotEnoughDataError, SchemaMismatchError
from match_assets.modelling import metrics
from match_assets.modelling.metrics import FloatArray, IntArray

Metric = Callable[[FloatArray, IntArray], float]
LOSSES = [metrics.rps, metrics.log_loss, metrics.brier, metrics.ece]
ALL = [*LOSSES, metrics.accuracy]

FORECAST = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.1, 0.6, 0.3]])
HAPPENED = np.array([0, 0, 2])


def test_outcomes_follow_the_score_in_row_order() -> None:
    scores = pl.DataFrame({"home_goals": [2, 1, 0], "away_goals": [0, 1, 3]}, schema_overrides={"home_goals": pl.Int16})
    assert metrics.outcome_codes(scores).tolist() == [0, 1, 2]


def test_unsigned_goals_do_not_wrap_around() -> None:
    scores = pl.DataFrame(
        {"home_goals": [0], "away_goals": [3]}, schema=dict.fromkeys(("home_goals", "away_goals"), pl.UInt8)
    )
    assert metrics.outcome_codes(scores).tolist() == [2]


def test_a_match_without_score_has_no_outcome() -> None:
    with pytest.raises(DataError, match="away_goals is null in 1"):
        metrics.outcome_codes(pl.DataFrame({"home_goals": [1], "away_goals": [None]}))
    with pytest.raises(SchemaMismatchError, match="away_goals"):
        metrics.outcome_codes(pl.DataFrame({"home_goals": [1]}))


def test_values_by_hand() -> None:
    # rps: (0.25 + 0.04)/2, (0.64 + 0.25)/2, (0.01 + 0.49)/2
    assert metrics.rps_per_match(FORECAST, HAPPENED) == pytest.approx([0.145, 0.445, 0.25])
    assert metrics.rps(FORECAST, HAPPENED) == pytest.approx(0.28)
    assert metrics.log_loss(FORECAST, HAPPENED) == pytest.approx(-(np.log(0.5) + np.log(0.2) + np.log(0.3)) / 3)
    # 0.25+0.09+0.04, 0.64+0.09+0.25, 0.01+0.36+0.49
    assert metrics.brier(FORECAST, HAPPENED) == pytest.approx((0.38 + 0.98 + 0.86) / 3)
    assert metrics.accuracy(FORECAST, HAPPENED) == pytest.approx(1 / 3)
    # bin 5 holds two forecasts of 0.5, one right: no gap; bin 6 one of 0.6, wrong
    assert metrics.ece(FORECAST, HAPPENED) == pytest.approx(0.6 / 3)


def test_log_loss_agrees_with_scikit_learn() -> None:
    chance = np.random.default_rng(3)
    forecast, happened = chance.dirichlet([2, 1, 1.5], 200), chance.integers(0, 3, 200)
    assert metrics.log_loss(forecast, happened) == pytest.approx(sklearn_log_loss(happened, forecast, labels=[0, 1, 2]))


@pytest.mark.parametrize("loss", LOSSES)
def test_perfect_forecast_costs_nothing(loss: Metric) -> None:
    assert loss(np.eye(3), np.arange(3)) == pytest.approx(0)


def test_certainty_that_fails_costs_a_finite_amount() -> None:
    assert metrics.log_loss(np.array([[1.0, 0.0, 0.0]]), np.array([2])) == pytest.approx(-np.log(1e-6))


def test_rps_prefers_the_near_miss() -> None:
    draw, away = np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    assert metrics.rps(draw, np.array([0])) == pytest.approx(0.5)
    assert metrics.rps(away, np.array([0])) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", ALL)
def test_row_order_and_repetition_change_nothing(metric: Metric) -> None:
    value = metric(FORECAST, HAPPENED)
    assert metric(FORECAST[::-1], HAPPENED[::-1]) == pytest.approx(value)
    assert metric(np.vstack([FORECAST] * 3), np.concatenate([HAPPENED] * 3)) == pytest.approx(value)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("forecast", "happened", "complaint"),
    [
        (np.array([[0.5, 0.5, np.nan]]), [0], "not finite"),
        (np.array([[1.2, -0.1, -0.1]]), [0], "outside"),
        (np.array([[0.5, 0.3, 0.1]]), [0], "sum to 1"),
        (np.array([[0.5, 0.5]]), [0], "shape"),
        (np.array([[0.5, 0.3, 0.2]]), [0, 1], "shape"),
        (np.array([[0.5, 0.3, 0.2]]), [3], "none of 0"),
    ],
)
def test_what_is_no_forecast_is_refused(
    metric: Metric, forecast: FloatArray, happened: list[int], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        metric(forecast, np.array(happened))


@pytest.mark.parametrize("metric", ALL)
def test_no_match_is_not_enough(metric: Metric) -> None:
    with pytest.raises(NotEnoughDataError) as raised:
        metric(np.empty((0, 3)), np.empty(0, dtype=np.int64))
    assert raised.value.facts == {"minimum": 1, "found": 0}


def test_score_holds_every_metric_and_the_number_of_matches() -> None:
    scores = metrics.score(FORECAST, HAPPENED)
    assert set(scores) == {*metrics.METRICS, "n"}
    assert scores["n"] == 3.0
    assert scores["rps"] == metrics.rps(FORECAST, HAPPENED)


def test_gain_is_paired_and_positive_for_the_better_forecast() -> None:
    better = np.array([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3]])
    worse = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    # savings a match: 0.145 - 0.085 and 0.445 - 0.225
    mean, error = metrics.paired_rps_gain(better, worse, np.array([0, 0]))
    assert mean == pytest.approx((0.06 + 0.22) / 2)
    assert error == pytest.approx(0.08)
