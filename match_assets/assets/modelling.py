"""Stages 7 to 9: temporal split, baselines, ablation, tuning, final training and calibration, by monthly cut-off."""

import dagster as dg

from match_assets.assets.common import cutoff_asset, run_for_cutoff
from match_assets.partitions import EVERYTHING
from match_assets.stages.modelling import (
    ABLATION_STUDY,
    BASELINE_MODELS,
    CALIBRATED_MODEL,
    TEMPORAL_SPLIT,
    TUNED_PARAMETERS,
)

EVERY_SEASON = [dg.AssetDep(name, partition_mapping=EVERYTHING) for name in TEMPORAL_SPLIT.reads]


@cutoff_asset("7-temporal-split", "modelling", EVERY_SEASON, {"polars", "parquet"})
def temporal_split(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Everything known before the cut-off, divided in time: walk-forward folds, calibration window, hold-out.

    Holds the feature rows and outcomes themselves, so that its hash names the training data of every model of this cut-off.
    """
    return run_for_cutoff(TEMPORAL_SPLIT, context)


@cutoff_asset("8-baselines", "modelling", BASELINE_MODELS.reads, {"sklearn", "mlflow"})
def baseline_models(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Class frequencies, Elo and logistic regression, judged on the hold-out: what the model must beat."""
    return run_for_cutoff(BASELINE_MODELS, context)


@cutoff_asset("8-ablation", "modelling", ABLATION_STUDY.reads, {"xgboost", "mlflow"})
def ablation_study(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """What each feature group is worth: ranked probability score on the folds with the group left out."""
    return run_for_cutoff(ABLATION_STUDY, context)


@cutoff_asset("8-tuning", "modelling", TUNED_PARAMETERS.reads, {"xgboost", "mlflow"})
def tuned_parameters(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Seeded random search over the XGBoost parameters on the walk-forward folds."""
    return run_for_cutoff(TUNED_PARAMETERS, context)


@cutoff_asset("9-training", "modelling", CALIBRATED_MODEL.reads, {"xgboost", "mlflow"})
def calibrated_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """The final model, fitted before the calibration window and calibrated on it; kept as data, never as a pickle."""
    return run_for_cutoff(CALIBRATED_MODEL, context)
