"""Boosted trees (XGBoost) and the seeded search for their hyperparameters on the walk-forward folds."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from match_assets.config import ModelParams, SearchSpace, SplitParams
from match_assets.errors import ModelError
from match_assets.modelling.dataset import Dataset
from match_assets.modelling.linear import normalised
from match_assets.modelling.metrics import N_OUTCOMES, FloatArray, rps
from match_assets.modelling.split import usable_folds, walk_forward_folds

# imported where it is used: it draws in SciPy and scikit-learn, a second for every process that fits nothing
if TYPE_CHECKING:
    import xgboost as xgb

# Some thousand rows fill no more bins with meaning, and finding splits over 256 takes three times as long.
MAX_BINS = 64

Hyperparameters = Mapping[str, float]
Trial = dict[str, Any]


@dataclass(frozen=True)
class TuningResult:
    """What the search found.

    Attributes:
        trials: one dict a trial in the order drawn: ``trial``, ``hyperparameters``, ``rounds``, ``rps`` (mean over the
            validation rows of all folds), ``fold_rps``, ``error`` (None unless the fit failed).
        best: the trial of lowest RPS, the earlier on a tie.
        folds: every fold with its numbers of rows and, where it was left out, the reason.
    """

    trials: list[Trial]
    best: Trial
    folds: list[dict[str, Any]]


def fit_xgboost(
    rows: Dataset,
    hyperparameters: Hyperparameters,
    *,
    rounds: int,
    seed: int,
    threads: int,
    evaluation: Dataset | None = None,
    early_stopping_rounds: int | None = None,
) -> "xgb.Booster":
    """Boosted trees for the three outcomes (``multi:softprob``, histogram method).

    Args:
        rows: what to fit on; all three class columns exist whatever classes occur.
        hyperparameters: XGBoost names to values, as in the search space.
        rounds: boosting rounds at most, each of three trees.
        seed: of the row and column sampling.
        threads: fixed, since it changes the order of floating-point sums.
        evaluation: rows for early stopping on log loss; the booster then bears ``best_iteration``.
        early_stopping_rounds: rounds without improvement before stopping.
    """
    import xgboost as xgb

    settings = {
        **hyperparameters,
        "objective": "multi:softprob",
        "num_class": N_OUTCOMES,
        "tree_method": "hist",
        "max_bin": MAX_BINS,
        "eval_metric": "mlogloss",
        "seed": seed,
        "nthread": threads,
        "verbosity": 0,
    }
    return xgb.train(
        settings,
        _matrix(rows, threads),
        num_boost_round=rounds,
        evals=[(_matrix(evaluation, threads), "validation")] if evaluation is not None else None,
        early_stopping_rounds=early_stopping_rounds if evaluation is not None else None,
        verbose_eval=False,
    )


def predict_xgboost(booster: "xgb.Booster", features: FloatArray, *, rounds: int = 0) -> FloatArray:
    """(n, f), NaN for unknown → (n, 3) probabilities by the first ``rounds`` rounds, 0 for all."""
    if not len(features):
        return np.empty((0, N_OUTCOMES))
    raw = booster.inplace_predict(features, iteration_range=(0, rounds), missing=np.nan)
    return normalised(np.asarray(raw, dtype=np.float64))


def draw_hyperparameters(space: SearchSpace, trials: int, seed: int) -> list[dict[str, float]]:
    """Distinct points of the grid in a seeded order; fewer than ``trials`` where the grid is smaller."""
    names = sorted(SearchSpace.model_fields)
    grid = list(itertools.product(*(getattr(space, name) for name in names)))
    order = np.random.default_rng(seed).permutation(len(grid))[:trials]
    return [dict(zip(names, grid[index], strict=True)) for index in order]


def tune(
    dataset: Dataset,
    split: pl.DataFrame,
    params: ModelParams,
    split_params: SplitParams,
    *,
    finished_trials: Sequence[Trial] = (),
    on_trial: Callable[[Trial], None] | None = None,
) -> TuningResult:
    """Random search over the search space, judged by the RPS on the walk-forward folds.

    Each trial depends on its number alone, so a search that was interrupted and is given its ``finished_trials`` ends
    as an undisturbed one does.

    Args:
        dataset: at least all rows of the split's role fit.
        split: of ``temporal_split``.
        params: trials, seed, threads, rounds and search space.
        split_params: folds and embargo.
        finished_trials: trials of an interrupted search; those whose hyperparameters no longer fit the draw are run
            anew.
        on_trial: called after each trial with its result, to store it.

    Raises:
        NotEnoughDataError: no usable fold.
        ModelError: every trial failed; the message holds the first error.
    """
    folds = usable_folds(split, split_params)
    parts = [(dataset.rows(fold.training_ids), dataset.rows(fold.validation_ids)) for fold in folds]
    known = {trial["trial"]: trial for trial in finished_trials}
    trials = []
    for number, hyperparameters in enumerate(draw_hyperparameters(params.search_space, params.trials, params.seed)):
        trial = known.get(number)
        if trial is None or trial["hyperparameters"] != hyperparameters:
            trial = _run_trial(number, hyperparameters, parts, params)
            if on_trial is not None:
                on_trial(trial)
        trials.append(trial)
    succeeded = [trial for trial in trials if trial["error"] is None]
    if not succeeded:
        raise ModelError(f"all {len(trials)} tuning trials failed, the first with: {trials[0]['error']}")
    best = min(succeeded, key=lambda trial: (trial["rps"], trial["trial"]))
    return TuningResult(trials, best, [fold.summary() for fold in walk_forward_folds(split, split_params)])


def _run_trial(
    number: int, hyperparameters: Hyperparameters, parts: list[tuple[Dataset, Dataset]], params: ModelParams
) -> Trial:
    """One point of the search: a common number of rounds for all folds, then the RPS at that number."""
    from xgboost.core import XGBoostError

    drawn: Trial = {"trial": number, "hyperparameters": dict(hyperparameters)}
    try:
        boosters = [
            fit_xgboost(
                training,
                hyperparameters,
                rounds=params.max_rounds,
                seed=params.seed,
                threads=params.threads,
                evaluation=validation,
                early_stopping_rounds=params.early_stopping_rounds,
            )
            for training, validation in parts
        ]
    except XGBoostError as error:
        return {**drawn, "rounds": None, "rps": None, "fold_rps": [], "error": str(error).splitlines()[0]}
    n_validation = [len(validation) for _, validation in parts]
    # one number for all folds: judging each at its own best round would flatter every trial, and the final fit has no
    # such choice
    rounds = max(1, round(float(np.average([b.best_iteration + 1 for b in boosters], weights=n_validation))))
    fold_rps = [
        rps(predict_xgboost(booster, v.features, rounds=min(rounds, booster.num_boosted_rounds())), v.outcomes)
        for booster, (_, v) in zip(boosters, parts, strict=True)
    ]
    mean_rps = float(np.average(fold_rps, weights=n_validation))
    return {**drawn, "rounds": rounds, "rps": mean_rps, "fold_rps": fold_rps, "error": None}


def _matrix(rows: Dataset, threads: int) -> "xgb.DMatrix":
    import xgboost as xgb

    return xgb.DMatrix(rows.features, label=rows.outcomes, missing=np.nan, nthread=threads)
