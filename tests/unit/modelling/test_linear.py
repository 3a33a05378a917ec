"""Ridge regressions against scikit-learn, a numerical gradient and a known truth."""

from typing import Protocol

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression

from match_assets.errors import NotEnoughDataError
from match_assets.modelling import linear
from match_assets.modelling.baselines import Forecaster
from match_assets.modelling.linear import fit_logistic, fit_ordinal, fit_scaler
from match_assets.modelling.metrics import FloatArray, IntArray
from tests.drawn_matches import draw_outcomes, true_probabilities


class Fit(Protocol):
    """What both regressions look like to a caller."""

    def __call__(self, features: FloatArray, outcomes: IntArray, *, strength: float) -> Forecaster: ...


FITS: list[Fit] = [fit_logistic, fit_ordinal]


def drawn(n: int, seed: int = 5) -> tuple[FloatArray, IntArray]:
    features = np.random.default_rng(seed).normal(size=(n, 3))
    return features, draw_outcomes(true_probabilities(features[:, 0]), seed + 1)


def test_logistic_equals_scikit_learn_on_the_same_rows() -> None:
    features, outcomes = drawn(400)
    scaler = fit_scaler(features)
    rows = np.vstack([scaler.transform(features), np.zeros((3, 3))])
    weights = np.concatenate([np.ones(400), np.full(3, 1 / 3)])
    reference = LogisticRegression(C=0.1, tol=1e-6, max_iter=2000)
    reference.fit(rows, np.concatenate([outcomes, [0, 1, 2]]), sample_weight=weights)
    found = fit_logistic(features, outcomes, strength=10.0).predict(features)
    assert found == pytest.approx(reference.predict_proba(scaler.transform(features)), abs=1e-9)


def test_ordinal_recovers_the_truth_it_was_drawn_from() -> None:
    features, outcomes = drawn(20_000)
    model = fit_ordinal(features, outcomes, strength=0.01)
    assert model.coefficients / model.scaler.scale == pytest.approx([1.0, 0.0, 0.0], abs=0.05)
    assert model.thresholds == pytest.approx([-0.2, 1.0], abs=0.05)


def test_ordinal_gradient_is_the_slope_of_its_loss() -> None:
    features, outcomes = drawn(50)
    point = np.array([0.4, -0.2, 0.1, -0.3, 0.2])
    value, gradient = linear._ordinal_loss(point, features, outcomes, 2.0)

    def loss(at: FloatArray) -> float:
        return linear._ordinal_loss(at, features, outcomes, 2.0)[0]

    assert gradient == pytest.approx(approx_fprime(point, loss, 1e-7), rel=1e-4, abs=1e-4)
    assert value == loss(point)


@pytest.mark.parametrize("fit", FITS)
def test_endless_ridge_gives_the_class_frequencies(fit: Fit) -> None:
    features, outcomes = drawn(300)
    forecast = fit(features, outcomes, strength=1e9).predict(features)
    counts = np.bincount(outcomes, minlength=3) + 1 / 3
    assert forecast[0] == pytest.approx(counts / counts.sum(), abs=1e-3)


@pytest.mark.parametrize("fit", FITS)
def test_useless_columns_are_harmless(fit: Fit) -> None:
    features, outcomes = drawn(300)
    plain = fit(features, outcomes, strength=10.0).predict(features)
    useless = np.column_stack([features, np.full(300, np.nan), np.full(300, 7.7)])
    forecast = fit(useless, outcomes, strength=10.0).predict(useless)
    assert forecast == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("present", [(0,), (0, 2), (1,)])
def test_a_class_that_never_came_is_unlikely_but_possible(fit: Fit, present: tuple[int, ...]) -> None:
    features = np.random.default_rng(1).normal(size=(60, 2))
    outcomes = np.resize(np.array(present), 60)
    forecast = fit(features, outcomes, strength=10.0).predict(features)
    assert forecast.shape == (60, 3)
    absent = [code for code in range(3) if code not in present]
    assert (forecast[:, absent] > 0).all()
    assert (forecast[:, absent] < 0.1).all()


@pytest.mark.parametrize("fit", FITS)
def test_one_row_at_a_time_gives_the_same_bits_as_all_at_once(fit: Fit) -> None:
    features, outcomes = drawn(257)
    wide = np.hstack([features] * 23)
    model = fit(wide, outcomes, strength=30.0)
    together = model.predict(wide)
    alone = np.vstack([model.predict(wide[[row]]) for row in range(257)])
    assert together.tobytes() == alone.tobytes()


def test_one_outlier_counts_as_six_deviations() -> None:
    scaler = fit_scaler(np.arange(100.0)[:, None])
    assert scaler.transform(np.array([[1e12], [-1e12], [np.nan]])).ravel() == pytest.approx([6.0, -6.0, 0.0])


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(NotEnoughDataError, match="at least 1"):
        fit_scaler(np.empty((0, 3)))
