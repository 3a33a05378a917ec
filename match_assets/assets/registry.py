"""Stage 10: registration with a validated signature, and the promotion rule."""

import dagster as dg

from match_assets.assets.common import cutoff_asset, run_for_cutoff
from match_assets.stages.registry import PROMOTION_DECISION, REGISTERED_MODEL


@cutoff_asset("10-registration", "registry", REGISTERED_MODEL.reads, {"mlflow"})
def registered_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """A version in the MLflow registry whose signature and predictions were read back; the same bytes make no second version."""
    return run_for_cutoff(REGISTERED_MODEL, context)


@cutoff_asset("10-promotion", "registry", PROMOTION_DECISION.reads, {"mlflow"})
def promotion_decision(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Challenger against champion on the same hold-out; the alias `champion` moves only when the challenger is better."""
    return run_for_cutoff(PROMOTION_DECISION, context)
