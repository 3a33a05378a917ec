"""Stages 7 to 9: what was known before a cut-off, divided in time; baselines, ablation, tuning; the calibrated model.

Every stage after the split reads the split alone, whose rows hold features and outcomes: its hash names the training data. A
cut-off that the data do not reach yet gives empty frames with the reason all the way down, never a failure and never a model.
"""

import datetime as dt
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from pydantic import BaseModel

from match_assets.config import Params
from match_assets.errors import PointerConflictError
from match_assets.features import (
    assemble_match_features,
    checked_team_features,
    feature_groups,
    feature_version,
    match_feature_names,
)
from match_assets.gates import schemas
from match_assets.gates.verdict import Failure, Rule, Verdict, judge
from match_assets.keys import parse_cutoff
from match_assets.modelling.ablation import ablation_study
from match_assets.modelling.baselines import CLASS_FREQUENCY, all_baselines, linear_feature_names, run_baselines
from match_assets.modelling.boosting import Trial, tune
from match_assets.modelling.dataset import Dataset, build_dataset, split_candidates
from match_assets.modelling.metrics import score
from match_assets.modelling.model import OutcomeModel
from match_assets.modelling.split import role_ids, temporal_split
from match_assets.modelling.training import train_outcome_model
from match_assets.stages.base import Fact, Inputs, Product, Stage, StageContext, accepted_inputs
from match_assets.store import Pointer, Store
from match_assets.store.encoding import canonical, encode, sha256

SOURCES = {
    "team_match_features": ("kick_off_utc", "match_id", "is_home"),
    "finished_matches": ("kick_off_utc", "match_id"),
}
SPLIT_KEYS = ["match_id", "tournament", "season", "kick_off_utc", "home_team_id", "away_team_id"]
RATING_GROUPS = ("elo", "pi", "attack_defence")
ELO_COLUMNS = ("elo_difference",)
PLAYED_COLUMNS = ("home_matches_played", "away_matches_played")
SIMPLEX_TOLERANCE = 1e-6
NOT_REACHED = "the data do not reach this cut-off yet"


# -- what a cut-off sees ---------------------------------------------------------------------------------------------------


def data_reach(context: StageContext) -> dt.datetime | None:
    """Kick-off of the newest accepted result, over all tournaments; None where there is none."""
    newest = [
        context.store.read_object(pointer.sha256)["kick_off_utc"].max()
        for pointer in context.store.pointers("finished_matches").values()
    ]
    return max((instant for instant in newest if isinstance(instant, dt.datetime)), default=None)


def _midnight(cutoff: str) -> dt.datetime:
    return dt.datetime.combine(parse_cutoff(cutoff), dt.time(), tzinfo=dt.UTC)


@lru_cache(maxsize=1024)
def _digest_before(store: Store, asset: str, digest: str, cutoff: str) -> str | None:
    """Digest of the rows of an object that kicked off before the cut-off; None where it has none."""
    frame = store.read_object(digest)
    before = frame.filter(pl.col("kick_off_utc") < _midnight(cutoff))
    if before.is_empty():
        return None
    return digest if before.height == frame.height else sha256(encode(canonical(before, SOURCES[asset])))


def _split_inputs(context: StageContext, cutoff: str) -> dict[str, str]:
    """Digests of the rows before the cut-off: a new match day after it changes none of them, so nothing runs again."""
    reach = data_reach(context)
    if reach is None or reach < _midnight(cutoff):
        return {"reached": "no"}
    found = {}
    for asset in SOURCES:
        for partition, pointer in context.store.pointers(asset).items():
            if digest := _digest_before(context.store, asset, pointer.sha256, cutoff):
                found[f"{asset}@{partition}"] = digest
    return {"reached": "yes", **found}


def _rows_before(context: StageContext, cutoff: str, asset: str, inputs: Inputs) -> pl.DataFrame:
    frames = []
    for name, digest in inputs.items():
        held, _, partition = name.partition("@")
        if held != asset:
            continue
        pointer = context.store.pointer(asset, partition)
        if pointer is None or _digest_before(context.store, asset, pointer.sha256, cutoff) != digest:
            raise PointerConflictError(
                f"{asset} {partition} changed while the split was made; run it again", asset=asset
            )
        frame = context.store.read_object(pointer.sha256)
        if asset == "team_match_features":
            frame = checked_team_features(frame, context.params.features, made_by=pointer.code_version)
        frames.append(frame.filter(pl.col("kick_off_utc") < _midnight(cutoff)))
    return pl.concat(frames)


def _empty_split(params: Params) -> pl.DataFrame:
    other = {"tournament": pl.String(), "season": pl.String(), "kick_off_utc": pl.Datetime("us", "UTC")}
    keys = {name: other.get(name, pl.Int64()) for name in SPLIT_KEYS}
    goals = {"home_goals": pl.Int16(), "away_goals": pl.Int16()}
    features = {name: pl.Float64() for name in match_feature_names(params.features)}
    return pl.DataFrame(schema={**keys, "role": pl.String(), "validation_fold": pl.Int8(), **goals, **features})


def _compute_split(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    if inputs["reached"] == "no":
        return Product(_empty_split(context.params), {"reason": NOT_REACHED})
    team_rows = _rows_before(context, cutoff, "team_match_features", inputs)
    results = _rows_before(context, cutoff, "finished_matches", inputs)
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


def _validate_split(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    embargo = pl.duration(days=context.params.split.embargo_days)
    midnight = _midnight(candidate.partition)
    starts = {role: frame.filter(pl.col("role") == role)["kick_off_utc"].min() for role in ("calibration", "holdout")}

    def overlapping(rows: pl.DataFrame) -> pl.DataFrame:
        late = pl.lit(value=False)
        for earlier, later in (("fit", "calibration"), ("fit", "holdout"), ("calibration", "holdout")):
            if starts[later] is not None:
                late = late | (
                    (pl.col("role") == earlier) & (pl.col("kick_off_utc") >= pl.lit(starts[later]) - embargo)
                )
        return rows.filter(late).select(SPLIT_KEYS)

    rules = (
        Rule("windows do not overlap and keep the embargo", overlapping),
        Rule("nothing from the cut-off on", lambda rows: rows.filter(pl.col("kick_off_utc") >= midnight)[:, :6]),
    )
    schema = schemas.temporal_split(match_feature_names(context.params.features))
    counts: dict[str, int | float] = {
        f"rows {role}": int((frame["role"] == role).sum()) for role in ("fit", "calibration", "holdout")
    }
    return judge(frame, schema, rules=rules, measures=counts)


# -- models ----------------------------------------------------------------------------------------------------------------


def read_split(context: StageContext, cutoff: str, inputs: Inputs) -> pl.DataFrame:
    """The split's rows as the inputs name them."""
    return context.store.read_object(inputs[f"temporal_split@{cutoff}"])


def dataset_of(split: pl.DataFrame, params: Params) -> Dataset:
    """Features and outcomes of the split's rows as arrays."""
    return build_dataset(split, split, match_feature_names(params.features))


def _split_only(context: StageContext, cutoff: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("temporal_split", cutoff)])


def _linear_features(params: Params) -> tuple[str, ...]:
    return linear_feature_names(feature_groups(params.features), RATING_GROUPS)


def _compute_baselines(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    split = read_split(context, cutoff, inputs)
    if split.is_empty():
        return Product(_scores_frame([]), {"reason": NOT_REACHED})
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
        return Product(pl.DataFrame(schema={**columns, "standard_error": pl.Float64()}), {"reason": NOT_REACHED})
    params = context.params
    rows = ablation_study(dataset_of(split, params), split, feature_groups(params.features), params.model, params.split)
    metrics = {f"delta_rps_{group}": delta for group, delta in rows.select("group", "delta_rps").rows()}
    facts = {f"without {group}": round(delta, 6) for group, delta in rows.select("group", "delta_rps").rows()}
    return _logged(context, "ablation_study", cutoff, rows, {"groups": rows.height - 1}, metrics, facts)


def _compute_tuning(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    split = read_split(context, cutoff, inputs)
    if split.is_empty():
        return Product(_trials_frame([]), {"reason": NOT_REACHED})
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


def best_trial(trials: pl.DataFrame) -> Trial:
    """The trial of lowest RPS, the earlier on a tie, as tuning recorded it."""
    usable = trials.filter(pl.col("rps").is_not_null()).sort("rps", "trial")
    trial: Trial = json.loads(usable["record"][0])
    return trial


def _model_inputs(context: StageContext, cutoff: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("temporal_split", cutoff), ("tuned_parameters", cutoff)])


def _compute_model(context: StageContext, cutoff: str, inputs: Inputs) -> Product:
    split = read_split(context, cutoff, inputs)
    if split.is_empty():
        return Product(files_frame({}), {"reason": NOT_REACHED})
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


# -- model files as rows ---------------------------------------------------------------------------------------------------


def model_files(model: OutcomeModel) -> dict[str, bytes]:
    """The model's files by name."""
    with TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in model.save(Path(folder))}


def files_frame(files: dict[str, bytes]) -> pl.DataFrame:
    """Files as rows ``name``, ``content``, so that a model is an object of the store like any other."""
    schema = {"name": pl.String(), "content": pl.Binary()}
    return pl.DataFrame({"name": list(files), "content": list(files.values())}, schema=schema)


def load_files(files: dict[str, bytes]) -> OutcomeModel:
    """The model in these files, its hashes and golden rows checked."""
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return OutcomeModel.load(Path(folder))


def stored_model(frame: pl.DataFrame) -> OutcomeModel:
    """The model that a frame of files holds."""
    return load_files(dict(frame.select("name", "content").iter_rows()))


def holdout_score(model: OutcomeModel, split: pl.DataFrame, params: Params) -> dict[str, float]:
    """Scores of a model on the split's hold-out."""
    rows = dataset_of(split, params)
    holdout = rows.rows(role_ids(split, "holdout"))
    columns = [rows.feature_names.index(name) for name in model.feature_names]
    return score(model.predict(holdout.features[:, columns]), holdout.outcomes)


def _validate_scores(_context: StageContext, _candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    def silent(rows: pl.DataFrame) -> pl.DataFrame:
        numbers = [name for name, dtype in rows.schema.items() if dtype == pl.Float64]
        bad = pl.any_horizontal(pl.col(name).is_null() | ~pl.col(name).is_finite() for name in numbers)
        return rows.filter(bad)

    rules = [Rule("every score is a finite number", silent)]
    if "baseline" in frame.columns:

        def useless(rows: pl.DataFrame) -> pl.DataFrame:
            holdout = rows.filter(pl.col("part") == "holdout")
            floor = holdout.filter(pl.col("baseline") == CLASS_FREQUENCY)["rps"]
            return holdout.filter(pl.col("rps") > floor[0] * 1.05) if len(floor) else holdout.head(0)

        text = "a baseline more than 5 % worse than class frequencies hints at wrong features"
        rules.append(Rule("baselines near or below class frequencies", useless, "warning", text))
    return judge(
        frame, schemas.any_table(), rules=tuple(rules), measures={"cut-off reached": int(not frame.is_empty())}
    )


def _validate_trials(_context: StageContext, _candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    def nothing(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.head(0) if rows.is_empty() or rows["rps"].is_not_null().any() else rows

    rule = Rule("one trial at least has a score", nothing)
    best = frame["rps"].min()
    measures = {"best rps": best} if isinstance(best, float) else {}
    return judge(frame, schemas.any_table(), rules=(rule,), measures=measures)


def _validate_model(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    if frame.is_empty():
        return judge(frame, schemas.any_table(), measures={"cut-off reached": 0})
    split = read_split(context, candidate.partition, candidate.inputs)
    model = stored_model(frame)
    scores = holdout_score(model, split, context.params)
    verdict = judge(frame, schemas.any_table(), measures={f"holdout {name}": value for name, value in scores.items()})
    failures = list(verdict.failures)
    limit = context.params.promotion.max_ece
    if scores["ece"] > limit:
        text = f"calibration error {scores['ece']:.4f} on {scores['n']:.0f} hold-out matches; the limit is {limit}"
        failures.append(Failure("calibration error within its limit", "error", 1, pl.DataFrame(), text))
    probabilities = model.predict(split)
    inside = (probabilities > 0).all(axis=1) & (probabilities < 1).all(axis=1)
    off = split.select("match_id").filter(pl.Series(~inside | (abs(probabilities.sum(axis=1) - 1) > SIMPLEX_TOLERANCE)))
    if off.height:
        failures.append(Failure("probabilities form a simplex", "error", off.height, off.head(20)))
    return Verdict(tuple(failures), verdict.measures)


def _modelling_parameters(params: Params) -> tuple[BaseModel, ...]:
    return params.split, params.model, params.features


TEMPORAL_SPLIT = Stage(
    name="temporal_split",
    family="cutoff",
    reads=("team_match_features", "finished_matches"),
    sort_by=("kick_off_utc", "match_id"),
    inputs=_split_inputs,
    compute=_compute_split,
    check="validate_split",
    gate=_validate_split,
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
    gate=_validate_scores,
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
    gate=_validate_scores,
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
    gate=_validate_trials,
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
    gate=_validate_model,
    parameters=_modelling_parameters,
    algorithm=lambda params: feature_version(params.features),
)
