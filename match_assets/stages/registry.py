"""Stage 10: registration and promotion. The registry itself is a seam (``stages.base.Registry``); MLflow stands behind it."""

import datetime as dt

import polars as pl

from match_assets.features import feature_version, match_feature_names
from match_assets.gates import schemas
from match_assets.gates.verdict import Failure, Verdict, judge
from match_assets.keys import parse_cutoff
from match_assets.modelling.baselines import CLASS_FREQUENCY
from match_assets.modelling.model import OutcomeModel
from match_assets.modelling.promotion import decide
from match_assets.stages.base import Fact, Inputs, ModelVersion, Product, Stage, StageContext, accepted_inputs
from match_assets.stages.modelling import (
    NOT_REACHED,
    holdout_score,
    load_files,
    model_files,
    read_split,
    stored_model,
)
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
    "champion_version": pl.String(),
}


def _registration_inputs(context: StageContext, cutoff: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("calibrated_model", cutoff), ("temporal_split", cutoff)])


def _compute_registration(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    files = context.store.read_object(inputs[f"calibrated_model@{cutoff}"])
    if files.is_empty():
        return Product(pl.DataFrame(schema=REGISTRATION), {"reason": NOT_REACHED})
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


def _validate_registration(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    verdict = judge(frame, schemas.any_table())
    if frame.is_empty():
        return verdict
    row = frame.row(0, named=True)
    version = ModelVersion(row["version"], candidate.partition, row["model_sha256"])
    found = load_files(context.registry.files_of(version))
    failures = list(verdict.failures)
    if found.sha256 != row["model_sha256"]:
        text = f"version {version.version} holds the model {found.sha256}, not {row['model_sha256']}"
        failures.append(Failure("the registry holds the model that was trained", "error", 1, pl.DataFrame(), text))
    missing = sorted(set(found.feature_names) ^ set(match_feature_names(context.params.features)))
    if missing:
        text = f"signature and feature registry differ in {', '.join(missing[:5])}"
        failures.append(Failure("the signature names today's features", "error", len(missing), pl.DataFrame(), text))
    return Verdict(tuple(failures), {**verdict.measures, "features": len(found.feature_names)})


def _decision_inputs(context: StageContext, cutoff: str) -> dict[str, str]:
    assets = ("registered_model", "baseline_models", "temporal_split")
    return accepted_inputs(context.store, [(asset, cutoff) for asset in assets])


def _comparable(model: OutcomeModel, context: StageContext) -> bool:
    return model.feature_version == feature_version(context.params.features)


def _compute_decision(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    registered = context.store.read_object(inputs[f"registered_model@{cutoff}"])
    if registered.is_empty():
        return Product(pl.DataFrame(schema=DECISION), {"reason": NOT_REACHED})
    split = read_split(context, cutoff, inputs)
    row = registered.row(0, named=True)
    challenger = ModelVersion(row["version"], cutoff, row["model_sha256"])
    model = load_files(context.registry.files_of(challenger))
    holder = context.registry.champion()
    incumbent = load_files(context.registry.files_of(holder)) if holder else None
    # a champion of other features cannot answer these rows, nor could the service ask it: the newcomer is the first
    rival = incumbent if incumbent and _comparable(incumbent, context) else None
    if holder and holder.model_sha256 == challenger.model_sha256:
        decision_row = _row(cutoff, challenger, holder, {"promote": True, "reason": "it is the champion already"})
        return Product(pl.DataFrame([decision_row], schema=DECISION), {"reason": "it is the champion already"})
    decision = decide(
        holdout_score(model, split, context.params),
        holdout_score(rival, split, context.params) if rival else None,
        _frequencies(context, cutoff, inputs),
        context.params.promotion,
        challenger_cutoff=parse_cutoff(cutoff),
        champion_cutoff=_cutoff_of(holder) if rival else None,
    )
    if decision.promote:
        context.registry.promote(challenger)
    facts: dict[str, Fact] = {
        "promoted": int(decision.promote),
        "reason": decision.reason,
        "challenger rps": decision.challenger or 0.0,
    }
    decision_row = _row(cutoff, challenger, challenger if decision.promote else holder, decision.as_record())
    return Product(pl.DataFrame([decision_row], schema=DECISION), facts)


def _row(
    cutoff: str, challenger: ModelVersion, champion: ModelVersion | None, decision: dict[str, object]
) -> dict[str, object]:
    blank: dict[str, object] = dict.fromkeys(DECISION)
    names = {
        "cutoff": cutoff,
        "version": challenger.version,
        "champion_version": champion.version if champion else None,
    }
    return {**blank, **{k: v for k, v in decision.items() if k in DECISION}, **names}


def _cutoff_of(version: ModelVersion | None) -> dt.date | None:
    return parse_cutoff(version.cutoff) if version and version.cutoff else None


def _frequencies(context: StageContext, cutoff: str, inputs: Inputs) -> dict[str, float]:
    baselines = context.store.read_object(inputs[f"baseline_models@{cutoff}"])
    rows = baselines.filter((pl.col("baseline") == CLASS_FREQUENCY) & (pl.col("part") == "holdout"))
    return rows.drop("baseline", "part").row(0, named=True)


def _validate_decision(_context: StageContext, _candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    verdict = judge(frame, schemas.any_table(), measures={"promoted": int(frame["promote"].sum())})
    silent = frame.filter(pl.col("reason").is_null() | pl.col("promote").is_null())
    if silent.is_empty():
        return verdict
    failure = Failure("the decision has its reason", "error", silent.height, silent)
    return Verdict((*verdict.failures, failure), verdict.measures)


REGISTERED_MODEL = Stage(
    name="registered_model",
    family="cutoff",
    reads=("calibrated_model",),
    sort_by=("version",),
    inputs=_registration_inputs,
    compute=_compute_registration,
    check="validate_registration",
    gate=_validate_registration,
)
PROMOTION_DECISION = Stage(
    name="promotion_decision",
    family="cutoff",
    reads=("registered_model", "baseline_models", "temporal_split"),
    sort_by=("cutoff",),
    inputs=_decision_inputs,
    compute=_compute_decision,
    check="validate_decision",
    gate=_validate_decision,
    parameters=lambda params: (params.promotion,),
)
