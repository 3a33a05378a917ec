"""Ridge models that are linear in the features: multinomial and ordinal logistic regression.

Both fill an unknown value with the training median and standardise, so a coefficient is per standard deviation. A
fitted model is plain
numbers: it can be stored as JSON and predicts without scikit-learn.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from match_assets.errors import NotEnoughDataError
from match_assets.modelling.metrics import N_OUTCOMES, SMALLEST_PROBABILITY, FloatArray, IntArray

# One match's worth of evidence, spread evenly: no class is ever impossible, also one that the training rows lack.
PSEUDO_MATCHES = 1.0
# Standardised values beyond this are outliers of a feature that hardly moved in training: capped so that one cannot
# decide a match.
LARGEST_SCORE = 6.0


@dataclass(frozen=True, eq=False)
class Scaler:
    """Median fill and standardisation learnt from training rows, each (f,) float64."""

    median: FloatArray
    mean: FloatArray
    scale: FloatArray

    def transform(self, features: FloatArray) -> FloatArray:
        """(n, f) standardised, within ±``LARGEST_SCORE``, no NaN."""
        filled = np.where(np.isnan(features), self.median, features)
        return np.asarray(np.clip((filled - self.mean) / self.scale, -LARGEST_SCORE, LARGEST_SCORE))


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """Multinomial logistic regression: ``coefficients`` (3, f), ``intercepts`` (3,)."""

    scaler: Scaler
    coefficients: FloatArray
    intercepts: FloatArray

    def predict(self, features: FloatArray) -> FloatArray:
        """(n, f) → (n, 3) probabilities."""
        # not a matrix product: BLAS sums in another order for one row than for many, and a served row must equal its
        # batch twin
        standardised = self.scaler.transform(features)
        logits = np.stack([(standardised * row).sum(axis=1) for row in self.coefficients], axis=1) + self.intercepts
        return softmax(logits)


@dataclass(frozen=True, eq=False)
class OrdinalModel:
    """Proportional odds: P(outcome ≤ k) = logistic(thresholds[k] + x·coefficients), with home < draw < away.

    Source: McCullagh (1980), Regression Models for Ordinal Data, JRSS B 42(2).
    """

    scaler: Scaler
    coefficients: FloatArray
    thresholds: FloatArray

    def predict(self, features: FloatArray) -> FloatArray:
        """(n, f) → (n, 3) probabilities."""
        strength = (self.scaler.transform(features) * self.coefficients).sum(axis=1)
        return normalised(_ordinal_probabilities(strength, self.thresholds))


def fit_scaler(features: FloatArray) -> Scaler:
    """Medians, means and deviations of the training rows; an all-null column reads 0, a constant one scales by 1."""
    if not len(features):
        raise NotEnoughDataError("no row to fit on: at least 1 is needed", minimum=1, found=0)
    is_known = ~np.isnan(features)
    has_any = is_known.any(axis=0)
    median = np.zeros(features.shape[1])
    if has_any.any():
        median[has_any] = np.nanmedian(features[:, has_any], axis=0)
    filled = np.where(is_known, features, median)
    deviation = filled.std(axis=0)
    # a deviation that is rounding noise of a constant column must not blow it up
    is_constant = deviation <= 1e-9 * np.maximum(1.0, np.abs(median))
    return Scaler(median, filled.mean(axis=0), np.where(is_constant, 1.0, deviation))


def fit_logistic(features: FloatArray, outcomes: IntArray, *, strength: float) -> LogisticModel:
    """Multinomial logistic regression with ridge penalty.

    Args:
        features: (n, f), NaN for unknown.
        outcomes: (n,).
        strength: ridge penalty as a multiple of the squared coefficients (scikit-learn's 1/C), in matches: the larger,
            the closer to class frequencies.
    """
    from sklearn.linear_model import LogisticRegression

    scaler = fit_scaler(features)
    standardised = np.vstack([scaler.transform(features), np.zeros((N_OUTCOMES, features.shape[1]))])
    labels = np.concatenate([outcomes, np.arange(N_OUTCOMES)])
    weights = np.concatenate([np.ones(len(outcomes)), np.full(N_OUTCOMES, PSEUDO_MATCHES / N_OUTCOMES)])
    regression = LogisticRegression(C=1.0 / strength, tol=1e-6, max_iter=2000)
    with threadpool_limits(limits=1):  # the order of BLAS sums, hence the last bits, depends on its thread count
        regression.fit(standardised, labels, sample_weight=weights)
    return LogisticModel(scaler, np.asarray(regression.coef_), np.asarray(regression.intercept_))


def fit_ordinal(features: FloatArray, outcomes: IntArray, *, strength: float) -> OrdinalModel:
    """Proportional-odds logistic regression with ridge penalty ``strength``/2 · Σ coefficient², thresholds free."""
    from scipy.optimize import minimize

    scaler = fit_scaler(features)
    standardised = scaler.transform(features)
    counts = np.bincount(outcomes, minlength=N_OUTCOMES) + PSEUDO_MATCHES / N_OUTCOMES
    below = np.cumsum(counts / counts.sum())[:-1]
    first, second = np.log(below / (1 - below))
    n_features = features.shape[1]
    # the second threshold is parametrised by the logarithm of its distance, so that the order holds by construction
    start = np.concatenate([np.zeros(n_features), [first, np.log(second - first)]])
    with threadpool_limits(limits=1):
        found = minimize(
            _ordinal_loss,
            start,
            args=(standardised, outcomes, strength),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 2000},
        )
    thresholds = np.array([found.x[-2], found.x[-2] + np.exp(found.x[-1])])
    return OrdinalModel(scaler, np.asarray(found.x[:n_features]), thresholds)


def softmax(logits: FloatArray) -> FloatArray:
    """(n, 3) logits → probabilities, strictly between 0 and 1."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return normalised(raised / raised.sum(axis=1, keepdims=True))


def normalised(probabilities: FloatArray) -> FloatArray:
    """Rows that sum to 1 with every probability at least about ``SMALLEST_PROBABILITY``."""
    cut = np.maximum(probabilities, SMALLEST_PROBABILITY)
    return np.asarray(cut / cut.sum(axis=1, keepdims=True), dtype=np.float64)


def _ordinal_probabilities(strength: FloatArray, thresholds: FloatArray) -> FloatArray:
    home = expit(thresholds[0] + strength)
    not_away = expit(thresholds[1] + strength)
    return np.stack([home, not_away - home, 1 - not_away], axis=1)


def _ordinal_loss(
    point: FloatArray, features: FloatArray, outcomes: IntArray, ridge: float
) -> tuple[float, FloatArray]:
    """Penalised negative log likelihood of training rows and pseudo matches at the mean row, and its gradient."""
    coefficients, first, distance = point[:-2], point[-2], np.exp(point[-1])
    thresholds = np.array([first, first + distance])
    rows = np.vstack([features, np.zeros((N_OUTCOMES, features.shape[1]))])
    labels = np.concatenate([outcomes, np.arange(N_OUTCOMES)])
    weights = np.concatenate([np.ones(len(outcomes)), np.full(N_OUTCOMES, PSEUDO_MATCHES / N_OUTCOMES)])
    strength = rows @ coefficients
    chosen = np.maximum(_ordinal_probabilities(strength, thresholds)[np.arange(len(labels)), labels], 1e-300)
    lower, upper = expit(thresholds[0] + strength), expit(thresholds[1] + strength)
    slope_lower, slope_upper = lower * (1 - lower), upper * (1 - upper)
    # derivative of each row's probability by the two cumulative logits
    by_lower = np.choose(labels, [slope_lower, -slope_lower, np.zeros_like(lower)]) / chosen * weights
    by_upper = np.choose(labels, [np.zeros_like(upper), slope_upper, -slope_upper]) / chosen * weights
    gradient = np.concatenate(
        [
            ridge * coefficients - rows.T @ (by_lower + by_upper),
            [-(by_lower.sum() + by_upper.sum()), -distance * by_upper.sum()],
        ]
    )
    loss = -(weights * np.log(chosen)).sum() + 0.5 * ridge * (coefficients**2).sum()
    return float(loss), gradient
