"""Stages 7 to 9: what was known before a cut-off, divided in time; baselines, ablation, tuning; the calibrated model.

Every stage after the split reads the split alone, whose rows hold features and outcomes: its hash names the training data. A
cut-off that the data do not reach yet gives empty frames with the reason all the way down, never a failure and never a model.
"""

import json
from collections.abc import Mapping

import polars as pl
from pydantic import BaseModel

from match_assets.config import Params
from match_assets.features import assemble_match_features, feature_groups, feature_version, match_feature_names
from match_assets.keys import parse_cutoff
from match_assets.modelling.ablation import ablation_study
from match_assets.modelling.baselines import all_baselines, linear_feature_names, run_baselines
from match_assets.modelling.boosting import Trial, tune
from match_assets.modelling.dataset import split_candidates
from match_assets.modelling.split import temporal_split
from match_assets.modelling.training import train_outcome_model
from match_assets.stages.base import Fact, Inputs, Product, Stage, StageContext, accepted_inputs
from match_assets.stages.cutoffs import RESULTS, TEAM_FEATURES, data_reach, inputs_before, is_reached, rows_before
from match_assets.stages.model_frames import (
    NO_MODEL_YET,
    SPLIT_KEYS,
    best_trial,
    dataset_of,
    files_frame,
    model_files,
    read_split,
)
from match_assets.stages.modelling_gates import (
    validate_ablation,
    validate_baselines,
    validate_model,
    validate_split,
    validate_trials,
)
from match_assets.store.encoding import encode, sha256

RATING_GROUPS = ("elo", "pi", "attack_defence")
ELO_COLUMNS = ("elo_difference",)
PLAYED_COLUMNS = ("home_matches_played", "away_matches_played")


def _empty_split(params: Params) -> pl.DataFrame:
    other = {"tournament": pl.String(), "season": pl.String(), "kick_off_utc": pl.Datetime("us", "UTC")}
    keys = {name: other.get(name, pl.Int64()) for name in SPLIT_KEYS}
    goals = {"home_goals": pl.Int16(), "away_goals": pl.Int16()}
    features = {name: pl.Float64() for name in match_feature_names(params.features)}
    return pl.DataFrame(schema={**keys, "role": pl.String(), "validation_fold": pl.Int8(), **goals, **features})


def _compute_split(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    if not is_reached(inputs):
        return Product(_empty_split(context.params), {"reason": NO_MODEL_YET})
    team_rows = rows_before(context, cutoff, TEAM_FEATURES, inputs)
    results = rows_before(context, cutoff, RESULTS, inputs)
    tournaments = team_rows.partition_by("tournament", maintain_order=True)
    wide = pl.concat([assemble_match_features(rows, context.params.features) for rows in tournaments])
    least = context.params.split.min_history
    candidates = split_candidates(wide, results, played_columns=PLAYED_COLUMNS, min_history=least)
    known_until = data_reach(context)
    split = temporal_split(candidates, parse_cutoff(cutoff), context.params.split, known_until=known_until)
    goals = results.select("match_id", "home_goals", "away_goals")
    names = match_feature_names(context.params.features)
    rows = wide.join(split.select("match_id", "role", "validation_fold"), on="match_id").join(goals, on="match_id")
    ordered = rows.select(*SPLIT_KEYS, "role", "validation_fold", "home_goals", "away_goals", *names)
    return Product(ordered, {f"rows {role}": count for role, count in ordered["role"].value_counts(sort=True).rows()})


def _split_only(context: StageContext, cutoff: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("temporal_split", cutoff)])


def _linear_features(params: Params) -> tuple[str, ...]:
    return linear_feature_names(feature_groups(params.features), RATING_GROUPS)


def _compute_baselines(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    split = read_split(context, cutoff, inputs)
    if split.is_empty():
        return Product(_scores_frame([]), {"reason": NO_MODEL_YET})
    params = context.params
    scores = run_baselines(
        dataset_of(split, params), split, all_baselines(ELO_COLUMNS, _linear_features(params)), params.split
    )
    holdout = scores.filter(pl.col("part") == "holdout")
    facts = {f"rps {name}": value for name, value in holdout.select("baseline", "rps").rows()}
    metrics = {f"{part}_rps_{name}": value for name, part, value in scores.select("baseline", "part", "rps").rows()}
    return _logged(context, "baseline_models", cutoff, scores, {"rows": split.height}, metrics, facts)


def _scores_frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    numbers = {name: pl.Float64() for name in ("rps", "log_loss", "brier", "accuracy", "ece", "n")}
    return pl.DataFrame(rows, schema={"baseline": pl.String(), "part": pl.String(), **numbers})


def _compute_ablation(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    split = read_split(context, cutoff, inputs)
    if split.is_empty():
        columns = {"group": pl.String(), "n_features": pl.Int64(), "rps": pl.Float64(), "delta_rps": pl.Float64()}
        return Product(pl.DataFrame(schema={**columns, "standard_error": pl.Float64()}), {"reason": NO_MODEL_YET})
    params = context.params
    rows = ablation_study(dataset_of(split, params), split, feature_groups(params.features), params.model, params.split)
    metrics = {f"delta_rps_{group}": delta for group, delta in rows.select("group", "delta_rps").rows()}
    facts = {f"without {group}": round(delta, 6) for group, delta in rows.select("group", "delta_rps").rows()}
    return _logged(context, "ablation_study", cutoff, rows, {"groups": rows.height - 1}, metrics, facts)


def _compute_tuning(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    split = read_split(context, cutoff, inputs)
    if split.is_empty():
        return Product(_trials_frame([]), {"reason": NO_MODEL_YET})
    params = context.params
    result = tune(
        dataset_of(split, params),
        split,
        params.model,
        params.split,
        on_trial=lambda trial: context.log(f"trial {trial['trial']}: rps {trial['rps']}"),
    )
    best = result.best
    facts: dict[str, Fact] = {
        "best trial": best["trial"],
        "best rps": best["rps"],
        "rounds": best["rounds"],
        **best["hyperparameters"],
    }
    metrics = {"validation_rps": best["rps"], "rounds": best["rounds"]}
    return _logged(
        context, "tuned_parameters", cutoff, _trials_frame(result.trials), best["hyperparameters"], metrics, facts
    )


def _trials_frame(trials: list[Trial]) -> pl.DataFrame:
    schema = {"trial": pl.Int64(), "rps": pl.Float64(), "rounds": pl.Int64(), "record": pl.String()}
    rows = [
        {
            "trial": trial["trial"],
            "rps": trial["rps"],
            "rounds": trial["rounds"],
            "record": json.dumps(trial, sort_keys=True),
        }
        for trial in trials
    ]
    return pl.DataFrame(rows, schema=schema)


def _model_inputs(context: StageContext, cutoff: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("temporal_split", cutoff), ("tuned_parameters", cutoff)])


def _compute_model(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    split = read_split(context, cutoff, inputs)
    if split.is_empty():
        return Product(files_frame({}), {"reason": NO_MODEL_YET})
    params = context.params
    trained = train_outcome_model(
        dataset_of(split, params),
        split,
        best_trial(context.store.read_object(inputs[f"tuned_parameters@{cutoff}"])),
        linear_features=_linear_features(params),
        feature_version=feature_version(params.features),
        cutoff=parse_cutoff(cutoff),
        params=params.model,
        split_params=params.split,
    )
    files = model_files(trained.model)
    metrics = {f"holdout_{name}": value for name, value in trained.scores.items()}
    facts: dict[str, Fact] = {**metrics, "model sha256": trained.model.sha256, "tree weight": trained.blend.tree_weight}
    parameters = {"tree_weight": trained.blend.tree_weight, "model_sha256": trained.model.sha256}
    return _logged(context, "calibrated_model", cutoff, files_frame(files), parameters, metrics, facts)


def _logged(
    context: StageContext,
    stage: str,
    cutoff: str,
    frame: pl.DataFrame,
    parameters: Mapping[str, object],
    metrics: Mapping[str, float],
    facts: dict[str, Fact],
) -> Product:
    """The product, logged as an experiment under the digest of its content."""
    digest = sha256(encode(frame))
    run = context.tracker.log(stage, cutoff, parameters=parameters, metrics=metrics, output=digest)
    return Product(frame, {**facts, **({"mlflow run": run} if run else {})})


def _modelling_parameters(params: Params) -> tuple[BaseModel, ...]:
    return params.split, params.model, params.features


TEMPORAL_SPLIT = Stage(
    name="temporal_split",
    family="cutoff",
    reads=("team_match_features", "finished_matches"),
    sort_by=("kick_off_utc", "match_id"),
    inputs=inputs_before,
    compute=_compute_split,
    check="validate_split",
    gate=validate_split,
    parameters=lambda params: (params.split, params.features),
    algorithm=lambda params: feature_version(params.features),
)
BASELINE_MODELS = Stage(
    name="baseline_models",
    family="cutoff",
    reads=("temporal_split",),
    sort_by=("baseline", "part"),
    inputs=_split_only,
    compute=_compute_baselines,
    check="validate_scores",
    gate=validate_baselines,
    parameters=lambda params: (params.split,),
)
ABLATION_STUDY = Stage(
    name="ablation_study",
    family="cutoff",
    reads=("temporal_split",),
    sort_by=("group",),
    inputs=_split_only,
    compute=_compute_ablation,
    check="validate_scores",
    gate=validate_ablation,
    parameters=_modelling_parameters,
    algorithm=lambda params: feature_version(params.features),
)
TUNED_PARAMETERS = Stage(
    name="tuned_parameters",
    family="cutoff",
    reads=("temporal_split",),
    sort_by=("trial",),
    inputs=_split_only,
    compute=_compute_tuning,
    check="validate_scores",
    gate=validate_trials,
    parameters=_modelling_parameters,
    algorithm=lambda params: feature_version(params.features),
)
CALIBRATED_MODEL = Stage(
    name="calibrated_model",
    family="cutoff",
    reads=("temporal_split", "tuned_parameters"),
    sort_by=("name",),
    inputs=_model_inputs,
    compute=_compute_model,
    check="validate_model",
    gate=validate_model,
    parameters=_modelling_parameters,
    algorithm=lambda params: feature_version(params.features),
)
