"""Calibration straightens a bent forecast and leaves a straight one alone."""

import numpy as np
import pytest

from match_assets.modelling.calibration import Calibration, fit_calibration
from match_assets.modelling.linear import softmax
from match_assets.modelling.metrics import FloatArray, IntArray, ece, log_loss
from tests.drawn_matches import draw_outcomes, true_probabilities


def truth(n: int) -> tuple[FloatArray, IntArray]:
    probabilities = true_probabilities(np.random.default_rng(8).normal(size=n))
    return probabilities, draw_outcomes(probabilities, 9)


def test_overconfidence_is_found_and_undone() -> None:
    probabilities, outcomes = truth(20_000)
    bent = softmax(2.0 * np.log(probabilities))
    calibration = fit_calibration(bent, outcomes)
    assert calibration.slope == pytest.approx(0.5, abs=0.03)
    assert log_loss(calibration.apply(bent), outcomes) < log_loss(bent, outcomes) - 0.05
    assert ece(calibration.apply(bent), outcomes) < 0.02


def test_a_bias_is_found_and_undone() -> None:
    probabilities, outcomes = truth(20_000)
    bent = softmax(np.log(probabilities) + np.array([0.0, -0.5, 0.0]))
    straightened = fit_calibration(bent, outcomes).apply(bent)
    assert straightened.mean(axis=0) == pytest.approx(probabilities.mean(axis=0), abs=0.02)


def test_few_matches_move_a_forecast_only_a_little() -> None:
    probabilities, _ = truth(40)
    calibration = fit_calibration(probabilities, np.zeros(40, dtype=np.int64))
    assert np.abs(calibration.apply(probabilities) - probabilities).max() < 0.05
    assert calibration.n == 40


def test_window_without_matches_changes_nothing() -> None:
    probabilities, outcomes = truth(40)
    calibration = fit_calibration(probabilities[:0], outcomes[:0])
    assert calibration == Calibration()
    assert calibration.apply(probabilities) == pytest.approx(probabilities, abs=1e-12)


@pytest.mark.parametrize("outcome", [0, 1, 2])
def test_a_window_of_one_class_keeps_all_three_possible(outcome: int) -> None:
    probabilities, _ = truth(2000)
    forecast = fit_calibration(probabilities, np.full(2000, outcome)).apply(probabilities)
    assert (forecast > 0).all()
    assert forecast.sum(axis=1) == pytest.approx(1)


def test_forecast_turned_upside_down_is_flattened_not_turned_back() -> None:
    probabilities, outcomes = truth(5000)
    assert fit_calibration(probabilities[:, ::-1], outcomes).slope == 0.1
