"""Stage 10: registration and promotion. The registry itself is a seam (``stages.base.Registry``); MLflow stands behind it."""

import datetime as dt
from dataclasses import replace

import polars as pl

from match_assets.errors import ModelError, PointerConflictError
from match_assets.features import feature_version
from match_assets.keys import parse_cutoff
from match_assets.modelling.baselines import CLASS_FREQUENCY
from match_assets.modelling.model import OutcomeModel
from match_assets.modelling.promotion import PromotionDecision, decide
from match_assets.stages.base import Fact, Inputs, ModelVersion, Product, Stage, StageContext, accepted_inputs
from match_assets.stages.model_frames import (
    NO_MODEL_YET,
    holdout_score,
    load_files,
    model_files,
    read_split,
    stored_model,
)
from match_assets.stages.registry_gates import validate_decision, validate_registration
from match_assets.store import Pointer

REGISTRATION = {
    "version": pl.String(),
    "cutoff": pl.String(),
    "model_sha256": pl.String(),
    "feature_version": pl.String(),
    "n_features": pl.Int64(),
    "holdout_rps": pl.Float64(),
    "holdout_n": pl.Float64(),
}
DECISION = {
    "cutoff": pl.String(),
    "version": pl.String(),
    "promote": pl.Boolean(),
    "reason": pl.String(),
    "metric": pl.String(),
    "challenger": pl.Float64(),
    "champion": pl.Float64(),
    "frequency": pl.Float64(),
    "n": pl.Int64(),
    "incumbent_version": pl.String(),
}


def _registration_inputs(context: StageContext, cutoff: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("calibrated_model", cutoff), ("temporal_split", cutoff)])


def _compute_registration(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    files = context.store.read_object(inputs[f"calibrated_model@{cutoff}"])
    if files.is_empty():
        return Product(pl.DataFrame(schema=REGISTRATION), {"reason": NO_MODEL_YET})
    model = stored_model(files)
    scores = holdout_score(model, read_split(context, cutoff, inputs), context.params)
    tags = {
        "feature_version": model.feature_version,
        **{f"holdout_{name}": f"{value:.6f}" for name, value in scores.items()},
    }
    version = context.registry.register(model_files(model), cutoff=cutoff, model_sha256=model.sha256, tags=tags)
    row = {
        "version": version.version,
        "cutoff": cutoff,
        "model_sha256": model.sha256,
        "feature_version": model.feature_version,
        "n_features": len(model.feature_names),
        "holdout_rps": scores["rps"],
        "holdout_n": scores["n"],
    }
    return Product(pl.DataFrame([row], schema=REGISTRATION), {"version": version.version, "holdout rps": scores["rps"]})


def _decision_inputs(context: StageContext, cutoff: str) -> dict[str, str]:
    assets = ("registered_model", "baseline_models", "temporal_split")
    return accepted_inputs(context.store, [(asset, cutoff) for asset in assets])


def _comparable(model: OutcomeModel, context: StageContext) -> bool:
    return model.feature_version == feature_version(context.params.features)


def _compute_decision(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    registered = context.store.read_object(inputs[f"registered_model@{cutoff}"])
    if registered.is_empty():
        return Product(pl.DataFrame(schema=DECISION), {"reason": NO_MODEL_YET})
    row = registered.row(0, named=True)
    challenger = ModelVersion(row["version"], cutoff, row["model_sha256"])
    holder = context.registry.champion()
    decision = _decided(context, cutoff, inputs, challenger, holder)
    names = {
        "cutoff": cutoff,
        "version": challenger.version,
        "incumbent_version": holder.version if holder else None,
    }
    frame = pl.DataFrame([{**decision.as_record(), **names}], schema=DECISION)
    facts: dict[str, Fact] = {
        "promoted": int(decision.promote),
        "reason": decision.reason,
        "challenger rps": decision.challenger or 0.0,
    }
    return Product(frame, facts)


def _decided(
    context: StageContext, cutoff: str, inputs: Inputs, challenger: ModelVersion, holder: ModelVersion | None
) -> PromotionDecision:
    split, params = read_split(context, cutoff, inputs), context.params
    own = holdout_score(load_files(context.registry.files_of(challenger)), split, params)
    frequency = _frequencies(context, cutoff, inputs)
    if holder and holder.version == challenger.version:
        decision = decide(own, None, frequency, params.promotion)
        return replace(decision, promote=True, reason="it is the champion already")
    rival, why_none = _rival(context, holder)
    decision = decide(
        own,
        holdout_score(rival, split, params) if rival else None,
        frequency,
        params.promotion,
        challenger_cutoff=parse_cutoff(cutoff),
        champion_cutoff=_cutoff_of(holder) if rival else None,
    )
    return replace(decision, reason=f"{decision.reason}; {why_none}") if why_none else decision


def _rival(context: StageContext, holder: ModelVersion | None) -> tuple[OutcomeModel | None, str]:
    """The champion to compare with, or None and why: then the newcomer is judged as the first.

    One that cannot be read, or reads other features, can answer neither these rows nor the service.
    """
    if holder is None:
        return None, ""
    try:
        model = load_files(context.registry.files_of(holder))
    except ModelError as error:
        return None, f"the champion, version {holder.version}, cannot be read ({error.message})"
    if not _comparable(model, context):
        return None, f"the champion, version {holder.version}, reads other features ({model.feature_version})"
    return model, ""


def _move_alias(context: StageContext, candidate: Pointer, decision: pl.DataFrame) -> None:
    """Moves the alias to what was promoted.

    Raises:
        PointerConflictError: another version than the one it was compared with holds the alias, so that nothing is decided.
    """
    for row in decision.filter("promote").iter_rows(named=True):
        holder = context.registry.champion()
        champion = holder.version if holder else None
        if champion == row["version"]:
            continue
        if champion == row["incumbent_version"]:
            context.registry.promote(row["version"])
        elif not _is_accepted(context, candidate):  # one of before, whose check was run again, moves nothing back
            raise PointerConflictError(
                f"{candidate.asset} {candidate.partition}: version {row['version']} was compared with "
                f"{_named(row['incumbent_version'])}, but {_named(champion)} is champion since; materialise it again, with "
                "its check",
                partition=candidate.partition,
                champion=champion,
            )


def _named(version: str | None) -> str:
    return f"version {version}" if version else "none"


def _is_accepted(context: StageContext, candidate: Pointer) -> bool:
    accepted = context.store.pointer(candidate.asset, candidate.partition)
    return accepted is not None and accepted.same_version(candidate)


def _cutoff_of(version: ModelVersion | None) -> dt.date | None:
    return parse_cutoff(version.cutoff) if version and version.cutoff else None


def _frequencies(context: StageContext, cutoff: str, inputs: Inputs) -> dict[str, float]:
    baselines = context.store.read_object(inputs[f"baseline_models@{cutoff}"])
    rows = baselines.filter((pl.col("baseline") == CLASS_FREQUENCY) & (pl.col("part") == "holdout"))
    return rows.drop("baseline", "part").row(0, named=True)


REGISTERED_MODEL = Stage(
    name="registered_model",
    family="cutoff",
    reads=("calibrated_model",),
    sort_by=("version",),
    inputs=_registration_inputs,
    compute=_compute_registration,
    check="validate_registration",
    gate=validate_registration,
)
PROMOTION_DECISION = Stage(
    name="promotion_decision",
    family="cutoff",
    reads=("registered_model", "baseline_models", "temporal_split"),
    sort_by=("cutoff",),
    inputs=_decision_inputs,
    compute=_compute_decision,
    check="validate_decision",
    gate=validate_decision,
    publish=_move_alias,
    parameters=lambda params: (params.promotion,),
    revision=2,
)
