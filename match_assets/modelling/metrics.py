"""How a forecast of home, draw and away is judged.

All take ``probabilities``, float64 of shape (n, 3) in the order of ``OUTCOMES``, and ``outcomes``, integers of shape
(n,) with 0 home, 1 draw, 2 away. Each gives the mean over matches; lower is better in all but accuracy.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from match_assets.errors import DataError, NotEnoughDataError, SchemaMismatchError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

OUTCOMES = ("home", "draw", "away")
N_OUTCOMES = len(OUTCOMES)
METRICS = ("rps", "log_loss", "brier", "accuracy", "ece")

SUM_TOLERANCE = 1e-6
# A forecast of exactly 0 that comes true would cost infinitely much; nothing here forecasts below this.
SMALLEST_PROBABILITY = 1e-6


def outcome_codes(matches: pl.DataFrame) -> IntArray:
    """Outcome of each match, 0 home, 1 draw, 2 away, in row order.

    Args:
        matches: ``home_goals`` and ``away_goals`` of finished matches, any integer dtype.

    Raises:
        SchemaMismatchError: a column is missing.
        DataError: a score is null.
    """
    for column in ("home_goals", "away_goals"):
        if column not in matches.columns:
            raise SchemaMismatchError(f"outcomes need the column {column}, which the frame lacks", column=column)
        if matches[column].null_count():
            raise DataError(
                f"{column} is null in {matches[column].null_count()} matches: only finished ones have an outcome"
            )
    difference = matches["home_goals"].cast(pl.Int64) - matches["away_goals"].cast(pl.Int64)
    return (1 - difference.sign()).to_numpy().astype(np.int64)


def rps_per_match(probabilities: FloatArray, outcomes: IntArray) -> FloatArray:
    """Ranked probability score of each match, in [0, 1]: half the squared distance of the cumulative distributions.

    Source: Constantinou & Fenton (2012), Solving the Problem of Inadequate Scoring Rules for Assessing Probabilistic
    Football Forecast Models, Journal of Quantitative Analysis in Sports 8(1).
    """
    probabilities, outcomes = _checked(probabilities, outcomes)
    cumulative = np.cumsum(probabilities - np.eye(N_OUTCOMES)[outcomes], axis=1)[:, :-1]
    return np.asarray((cumulative**2).sum(axis=1) / (N_OUTCOMES - 1), dtype=np.float64)


def rps(probabilities: FloatArray, outcomes: IntArray) -> float:
    """Mean ranked probability score; it rewards a near miss, since a draw lies between the two wins.

    Example:
        >>> round(rps(np.array([[0.5, 0.3, 0.2]]), np.array([0])), 3)
        0.145
    """
    return float(rps_per_match(probabilities, outcomes).mean())


def log_loss(probabilities: FloatArray, outcomes: IntArray) -> float:
    """Mean negative natural logarithm of the probability given to what happened, cut at ``SMALLEST_PROBABILITY``."""
    probabilities, outcomes = _checked(probabilities, outcomes)
    of_the_outcome = probabilities[np.arange(len(outcomes)), outcomes]
    return float(-np.log(np.maximum(of_the_outcome, SMALLEST_PROBABILITY)).mean())


def brier(probabilities: FloatArray, outcomes: IntArray) -> float:
    """Mean squared distance to the outcome summed over the three classes, in [0, 2] (Brier 1950, original form)."""
    probabilities, outcomes = _checked(probabilities, outcomes)
    return float(((probabilities - np.eye(N_OUTCOMES)[outcomes]) ** 2).sum(axis=1).mean())


def accuracy(probabilities: FloatArray, outcomes: IntArray) -> float:
    """Share of matches whose most probable class came true; of equals the first in ``OUTCOMES`` counts."""
    probabilities, outcomes = _checked(probabilities, outcomes)
    return float((probabilities.argmax(axis=1) == outcomes).mean())


def ece(probabilities: FloatArray, outcomes: IntArray, *, bins: int = 10) -> float:
    """Expected calibration error of the top label over equally wide bins of confidence, in [0, 1].

    Source: Guo et al. (2017), On Calibration of Modern Neural Networks, ICML. Bins are closed on the left, the last one
    on both sides.
    """
    probabilities, outcomes = _checked(probabilities, outcomes)
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == outcomes
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(bin_of, weights=is_right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(outcomes))


def score(probabilities: FloatArray, outcomes: IntArray) -> dict[str, float]:
    """All metrics of a forecast, and ``n``, the number of matches it was judged on.

    Raises:
        NotEnoughDataError: no match at all.
        DataError: a probability is not finite or outside [0, 1], a row does not sum to 1, or an outcome is not 0, 1 or
        2.
    """
    return {
        "rps": rps(probabilities, outcomes),
        "log_loss": log_loss(probabilities, outcomes),
        "brier": brier(probabilities, outcomes),
        "accuracy": accuracy(probabilities, outcomes),
        "ece": ece(probabilities, outcomes),
        "n": float(len(outcomes)),
    }


def paired_rps_gain(challenger: FloatArray, champion: FloatArray, outcomes: IntArray) -> tuple[float, float]:
    """Mean RPS that the challenger saves a match on the same rows, and the standard error of that mean.

    Pairing matters: the spread of RPS between matches is some thirty times that of the difference between two sensible
    models.
    """
    gain = rps_per_match(champion, outcomes) - rps_per_match(challenger, outcomes)
    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else float("inf")
    return float(gain.mean()), error


def _checked(probabilities: FloatArray, outcomes: IntArray) -> tuple[FloatArray, IntArray]:
    probabilities, outcomes = np.asarray(probabilities, dtype=np.float64), np.asarray(outcomes)
    if probabilities.ndim != 2 or probabilities.shape != (len(outcomes), N_OUTCOMES):
        raise DataError(
            f"probabilities of shape {probabilities.shape} for {len(outcomes)} outcomes: need (n, {N_OUTCOMES})"
        )
    if not len(outcomes):
        raise NotEnoughDataError("no match to judge the forecast on: at least 1 is needed", minimum=1, found=0)
    if not np.isfinite(probabilities).all() or probabilities.min() < 0 or probabilities.max() > 1:
        raise DataError("a probability is not finite or lies outside [0, 1]")
    if np.abs(probabilities.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        raise DataError(f"the probabilities of a match do not sum to 1 within {SUM_TOLERANCE}")
    if not np.isin(outcomes, range(N_OUTCOMES)).all():
        raise DataError("an outcome is none of 0 (home), 1 (draw), 2 (away)")
    return probabilities, outcomes.astype(np.int64)
