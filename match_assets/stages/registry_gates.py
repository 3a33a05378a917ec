"""Gates of stage 10: what the registry holds is what was trained, and the decision is borne by its numbers."""

from collections.abc import Mapping

import polars as pl

from match_assets.errors import ModelError
from match_assets.gates import schemas
from match_assets.gates.verdict import Failure, Rule, Verdict, judge
from match_assets.modelling.model import OutcomeModel
from match_assets.stages.base import ModelVersion, StageContext
from match_assets.stages.model_frames import holdout_score, load_files, read_split, stored_model
from match_assets.stages.modelling_gates import ROUNDING, as_far_as_the_data, other_features
from match_assets.store import Pointer


def _input(context: StageContext, candidate: Pointer, asset: str) -> pl.DataFrame:
    return context.store.read_object(candidate.inputs[f"{asset}@{candidate.partition}"])


def validate_registration(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """The version's files are those of the trained model, read today's features, and score what is recorded of them."""
    trained_files = _input(context, candidate, "calibrated_model")
    is_there = not trained_files.is_empty()
    verdict = judge(
        frame,
        schemas.registered_model(candidate.partition),
        rules=(as_far_as_the_data(candidate.partition, is_reached=is_there),),
    )
    if not is_there or not verdict.passed:
        return verdict
    row = frame.row(0, named=True)
    trained = stored_model(trained_files)
    version = ModelVersion(row["version"], candidate.partition, row["model_sha256"])
    try:
        held = load_files(context.registry.files_of(version))
    except ModelError as error:
        return verdict.joined([_other_model(version, error.message)])
    if {held.sha256, row["model_sha256"]} != {trained.sha256}:
        text = f"it holds {held.sha256[:12]}, recorded is {row['model_sha256'][:12]}, trained was {trained.sha256[:12]}"
        return verdict.joined([_other_model(version, text)])
    failures = other_features(held, context.params) or _wrong_record(context, candidate, row, held)
    return verdict.joined(failures, {"features": len(held.feature_names)})


def _other_model(version: ModelVersion, text: str) -> Failure:
    rule = "the registry holds the model that was trained"
    return Failure(rule, "error", 1, pl.DataFrame(), f"version {version.version}: {text}")


def _wrong_record(
    context: StageContext, candidate: Pointer, row: Mapping[str, object], model: OutcomeModel
) -> list[Failure]:
    """What is recorded of a version beside what its model says and scores."""
    scores = holdout_score(model, read_split(context, candidate.partition, candidate.inputs), context.params)
    true = {
        "feature_version": model.feature_version,
        "n_features": len(model.feature_names),
        "holdout_rps": scores["rps"],
        "holdout_n": scores["n"],
    }
    wrong = {name: value for name, value in true.items() if not _is_same(row[name], value)}
    if not wrong:
        return []
    shown = [{"what": name, "recorded": str(row[name]), "is": str(value)} for name, value in wrong.items()]
    return [Failure("the record is true of the version", "error", len(wrong), pl.DataFrame(shown), ", ".join(wrong))]


def _is_same(recorded: object, value: object) -> bool:
    if isinstance(recorded, float) and isinstance(value, float):
        return abs(recorded - value) <= ROUNDING
    return recorded == value


def validate_decision(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """The decision is about the registered version, and its numbers bear it."""
    registered = _input(context, candidate, "registered_model")

    def silent(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("reason").is_null() | pl.col("promote").is_null())

    def of_another(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.join(registered, on=["cutoff", "version"], how="anti").select("cutoff", "version")

    return judge(
        frame,
        schemas.promotion_decision(candidate.partition, context.params.promotion.metric),
        rules=(
            as_far_as_the_data(candidate.partition, is_reached=not registered.is_empty()),
            Rule("the decision has its reason", silent),
            Rule("it is about the version that was registered", of_another),
        ),
        measures=lambda rows: {"promoted": int(rows["promote"].sum())},
    )
