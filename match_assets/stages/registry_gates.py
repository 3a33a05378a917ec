"""Gates of stage 10: what the registry holds is what was trained, and the decision is borne by its numbers."""

import polars as pl

from match_assets.errors import ModelError
from match_assets.gates import schemas
from match_assets.gates.verdict import Failure, Rule, Verdict, judge
from match_assets.modelling.model import OutcomeModel
from match_assets.stages.base import ModelVersion, StageContext
from match_assets.stages.model_frames import holdout_score, load_files, read_split, stored_model
from match_assets.stages.modelling_gates import as_far_as_the_data, other_features, said_wrongly
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
    failures = other_features(held, context.params) or said_wrongly(
        "the record is true of the version", row, _facts(context, candidate, held)
    )
    return verdict.joined(failures, {"features": len(held.feature_names)})


def _other_model(version: ModelVersion, text: str) -> Failure:
    told = f"version {version.version}: {text}"
    return Failure("the registry holds the model that was trained", "error", 1, pl.DataFrame(), told)


def _facts(context: StageContext, candidate: Pointer, model: OutcomeModel) -> dict[str, object]:
    """What is to be recorded of a version: what its model says, and scores."""
    scores = holdout_score(model, read_split(context, candidate.partition, candidate.inputs), context.params)
    return {
        "feature_version": model.feature_version,
        "n_features": len(model.feature_names),
        "holdout_rps": scores["rps"],
        "holdout_n": scores["n"],
    }


def validate_decision(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """The decision is about the registered version, and its numbers bear it."""
    registered = _input(context, candidate, "registered_model")

    def of_another(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.join(registered, on=["cutoff", "version"], how="anti").select("cutoff", "version")

    return judge(
        frame,
        schemas.promotion_decision(candidate.partition, context.params.promotion.metric),
        rules=(
            as_far_as_the_data(candidate.partition, is_reached=not registered.is_empty()),
            Rule("it is about the version that was registered", of_another),
        ),
        measures=lambda rows: {"promoted": int(rows["promote"].sum())},
    )
