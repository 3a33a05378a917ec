"""Gates of stages 7 to 9, each against exactly the versions that its candidate was made from.

A cut-off that the data do not reach has empty frames all the way down: they pass, and nothing else is asked of them.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from match_assets.config import Params, SplitParams
from match_assets.errors import ModelError
from match_assets.features import feature_groups, feature_version, match_feature_names, team_feature_names
from match_assets.gates import schemas
from match_assets.gates.verdict import Failure, Rule, Verdict, judge
from match_assets.modelling.ablation import ALL_FEATURES
from match_assets.modelling.baselines import CLASS_FREQUENCY, all_baselines, fit_class_frequencies
from match_assets.modelling.boosting import draw_hyperparameters
from match_assets.modelling.metrics import score
from match_assets.modelling.model import BOOSTER_FILE, MODEL_FILE, OutcomeModel
from match_assets.modelling.promotion import IMPLAUSIBLE_RPS
from match_assets.modelling.split import ROLES, role_ids, usable_folds
from match_assets.stages.base import StageContext
from match_assets.stages.cutoffs import RESULTS, TEAM_FEATURES, is_reached, midnight, rows_before
from match_assets.stages.model_frames import (
    SPLIT_KEYS,
    best_trial,
    dataset_of,
    holdout_score,
    read_split,
    stored_model,
)
from match_assets.store import Pointer

SIMPLEX_TOLERANCE = 1e-6
# the same sum in another order; a wrong number is off by far more
ROUNDING = 1e-9
BASELINES = frozenset(baseline.name for baseline in all_baselines((), ()))
# of groups that are worth nothing, one in some 700 seems to harm by as much
HARMS_FROM_ERRORS = 3.0


def as_far_as_the_data(cutoff: str, *, is_reached: bool) -> Rule:
    """Rows exactly where there are any before the cut-off."""

    def offenders(rows: pl.DataFrame) -> pl.DataFrame:
        told = pl.DataFrame({"cutoff": [cutoff], "rows": [rows.height]})
        return told if rows.is_empty() == is_reached else told.clear()

    return Rule("rows where the data reach the cut-off, and only there", offenders)


# -- validate_split --------------------------------------------------------------------------------------------------------


def _overlapping(params: SplitParams) -> Rule:
    embargo = pl.duration(days=params.embargo_days)

    def offenders(rows: pl.DataFrame) -> pl.DataFrame:
        late = pl.lit(value=False)
        for earlier, later in (("fit", "calibration"), ("fit", "holdout"), ("calibration", "holdout")):
            start = rows.filter(pl.col("role") == later)["kick_off_utc"].min()
            if start is not None:
                late = late | ((pl.col("role") == earlier) & (pl.col("kick_off_utc") >= pl.lit(start) - embargo))
        return rows.filter(late).select(SPLIT_KEYS)

    return Rule("windows do not overlap and keep the embargo", offenders)


def _folds_out_of_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a fold that are no rows to fit on, or do not lie after all rows of the fold before."""
    fold, kick_off = pl.col("validation_fold"), pl.col("kick_off_utc")
    is_wrong = fold.is_not_null() & (pl.col("role") != "fit")
    for earlier, later in pairwise(sorted(rows["validation_fold"].drop_nulls().unique())):
        end = rows.filter(fold == earlier)["kick_off_utc"].max()
        is_wrong = is_wrong | ((fold == later) & (kick_off <= pl.lit(end)))
    return rows.filter(is_wrong).select(*SPLIT_KEYS, "role", "validation_fold")


def _other_features(team_rows: pl.DataFrame, params: Params) -> Rule:
    """What a side's columns hold is what that team's own row holds, and a difference is that of the two."""
    names, held = team_feature_names(params.features), frozenset(match_feature_names(params.features))
    columns = {
        side: {name: f"{side}_{name}" for name in names if f"{side}_{name}" in held} for side in ("home", "away")
    }
    differences = [
        pl.col(f"{name}_difference").ne_missing(pl.col(home) - pl.col(columns["away"][name]))
        for name, home in columns["home"].items()
        if f"{name}_difference" in held
    ]

    def offenders(rows: pl.DataFrame) -> pl.DataFrame:
        off = [rows.filter(pl.any_horizontal(differences)).select(SPLIT_KEYS)]
        for side, renamed in columns.items():
            own = team_rows.filter(pl.col("is_home") == (side == "home"))
            keys = {"match_id": "match_id", "team_id": f"{side}_team_id"}
            beside = own.select(*keys, *renamed).rename(keys | renamed)
            off.append(rows.join(beside, on=beside.columns, how="anti", nulls_equal=True).select(SPLIT_KEYS))
        return pl.concat(off).unique("match_id", maintain_order=True)

    return Rule("features are those of the match's two sides", offenders)


def _without_history(params: SplitParams) -> Rule:
    def offenders(rows: pl.DataFrame) -> pl.DataFrame:
        played = [f"{side}_matches_played" for side in ("home", "away")]
        least = pl.min_horizontal(pl.col(name).fill_null(0) for name in played)
        return rows.filter((pl.col("role") != "holdout") & (least < params.min_history)).select(*SPLIT_KEYS, *played)

    return Rule("both teams have a history where a model learns", offenders)


def _left_out(results: pl.DataFrame, team_rows: pl.DataFrame, cutoff: str, params: SplitParams) -> Rule:
    """Played matches that belong into a window by the calendar and stand in none, but for those of an embargo."""
    end = pl.lit(midnight(cutoff))
    holdout = end.dt.offset_by(f"-{params.holdout_months}mo")
    calibration = end.dt.offset_by(f"-{params.holdout_months + params.calibration_months}mo")
    kick_off, embargo = pl.col("kick_off_utc"), pl.duration(days=params.embargo_days)
    history = team_rows.group_by("match_id").agg(pl.col("matches_played").fill_null(0).min())
    usable = results.join(history, on="match_id").filter(
        (pl.col("matches_played") >= params.min_history) | (kick_off >= holdout)
    )

    def offenders(rows: pl.DataFrame) -> pl.DataFrame:
        embargoed = pl.lit(value=False)
        for start, later in ((holdout, ("holdout",)), (calibration, ("calibration", "holdout"))):
            first = rows.filter(pl.col("role").is_in(later))["kick_off_utc"].min()
            embargoed = embargoed | ((kick_off < start) & (kick_off >= pl.lit(first, schemas.UTC) - embargo)).fill_null(
                value=False
            )
        return usable.filter(~embargoed).join(rows, on="match_id", how="anti").select(SPLIT_KEYS)

    return Rule("no match that may be used is left out", offenders)


def validate_split(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """Windows in time and out of each other's sight; every row a played match with its own score and features."""
    cutoff, params = candidate.partition, context.params
    reached = is_reached(candidate.inputs)
    rules = [
        as_far_as_the_data(cutoff, is_reached=reached),
        _overlapping(params.split),
        Rule(
            "nothing from the cut-off on",
            lambda rows: rows.filter(pl.col("kick_off_utc") >= midnight(cutoff)).select(SPLIT_KEYS),
        ),
        Rule("folds follow each other among the rows to fit on", _folds_out_of_order),
        _without_history(params.split),
    ]
    if reached:
        team_rows = rows_before(context, cutoff, TEAM_FEATURES, candidate.inputs)
        results = rows_before(context, cutoff, RESULTS, candidate.inputs).filter(~pl.col("is_walkover"))
        told = [*SPLIT_KEYS, "home_goals", "away_goals"]
        rules += [
            Rule(
                "every row is a played match with its own score",
                lambda rows: rows.join(results, on=told, how="anti").select(told),
            ),
            _other_features(team_rows, params),
            _left_out(results, team_rows, cutoff, params.split),
        ]
    return judge(
        frame,
        schemas.temporal_split(match_feature_names(params.features)),
        rules=tuple(rules),
        measures=lambda rows: {f"rows {role}": int((rows["role"] == role).sum()) for role in ROLES},
    )


# -- validate_scores -------------------------------------------------------------------------------------------------------


def _useless(rows: pl.DataFrame) -> pl.DataFrame:
    holdout = rows.filter(pl.col("part") == "holdout")
    floor = holdout.filter(pl.col("baseline") == CLASS_FREQUENCY)["rps"]
    return holdout.filter(pl.col("rps") > floor[0] * 1.05) if len(floor) else holdout.head(0)


def _rows_judged(split: pl.DataFrame, params: SplitParams) -> dict[str, int]:
    """How many matches each part of the scores is about."""
    folds = usable_folds(split, params)
    return {"validation": sum(len(f.validation_ids) for f in folds), "holdout": len(role_ids(split, "holdout"))}


def _class_frequency_score(split: pl.DataFrame, params: Params) -> dict[str, float]:
    rows = dataset_of(split, params)
    learned, holdout = rows.rows(role_ids(split, "fit", "calibration")), rows.rows(role_ids(split, "holdout"))
    return score(fit_class_frequencies(learned).predict(holdout.features), holdout.outcomes)


def validate_baselines(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """Every baseline on both parts, on the split's own matches; class frequencies, which promotion compares with, redone."""
    split = read_split(context, candidate.partition, candidate.inputs)
    rules = [as_far_as_the_data(candidate.partition, is_reached=not split.is_empty())]
    if not split.is_empty():
        judged_on = _rows_judged(split, context.params.split)
        floor = _class_frequency_score(split, context.params)
        wanted = pl.DataFrame(
            [(name, part) for name in sorted(BASELINES) for part in judged_on], ["baseline", "part"], orient="row"
        )
        is_floor = (pl.col("baseline") == CLASS_FREQUENCY) & (pl.col("part") == "holdout")
        is_off = pl.any_horizontal((pl.col(name) - value).abs() > ROUNDING for name, value in floor.items())
        rules += [
            Rule("every baseline is judged on both parts", lambda rows: wanted.join(rows, wanted.columns, how="anti")),
            Rule(
                "judged on the split's own matches",
                lambda rows: rows.filter(pl.col("n") != pl.col("part").replace_strict(judged_on)),
            ),
            Rule("class frequencies score what the split gives them", lambda rows: rows.filter(is_floor & is_off)),
            Rule(
                "baselines near or below class frequencies",
                _useless,
                "warning",
                "a baseline more than 5 % worse than class frequencies hints at wrong features",
            ),
        ]
    return judge(
        frame,
        schemas.baseline_models(BASELINES),
        rules=tuple(rules),
        measures={"cut-off reached": int(not split.is_empty())},
    )


def validate_ablation(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """A row for all features and for each group that was left out, with differences that are differences."""
    split = read_split(context, candidate.partition, candidate.inputs)
    rules = [as_far_as_the_data(candidate.partition, is_reached=not split.is_empty())]
    if not split.is_empty():
        groups = feature_groups(context.params.features)
        total = len(match_feature_names(context.params.features))
        left = pl.DataFrame(
            [(ALL_FEATURES, total), *((group, total - len(names)) for group, names in groups.items())],
            {"group": pl.String(), "n_features": pl.Int64()},
            orient="row",
        )

        def other_groups(rows: pl.DataFrame) -> pl.DataFrame:
            here = rows.select(left.columns)
            return pl.concat([left.join(here, left.columns, how="anti"), here.join(left, left.columns, how="anti")])

        def other_differences(rows: pl.DataFrame) -> pl.DataFrame:
            complete = rows.filter(pl.col("group") == ALL_FEATURES)["rps"]
            if complete.is_empty():
                return rows.head(0)
            return rows.filter((pl.col("delta_rps") - (pl.col("rps") - complete[0])).abs() > ROUNDING)

        rules += [
            Rule("all features once, and each group left out once", other_groups),
            Rule("differences are those from all features", other_differences),
            Rule(
                "no group of features harms",
                lambda rows: rows.filter(pl.col("delta_rps") < -HARMS_FROM_ERRORS * pl.col("standard_error")),
                "warning",
                f"the trees forecast better without it by more than {HARMS_FROM_ERRORS:.0f} standard errors",
            ),
        ]
    return judge(
        frame,
        schemas.ablation_study(),
        rules=tuple(rules),
        measures={"cut-off reached": int(not split.is_empty())},
    )


def _record(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def validate_trials(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """The points of the search that the seed draws, each with its own record; a score at least."""
    split, params = read_split(context, candidate.partition, candidate.inputs), context.params.model
    is_there = not split.is_empty()
    drawn = draw_hyperparameters(params.search_space, params.trials, params.seed) if is_there else []

    def other_points(rows: pl.DataFrame) -> pl.DataFrame:
        tried = {
            trial: _record(record).get("hyperparameters") for trial, record in rows.select("trial", "record").rows()
        }
        wanted = dict(enumerate(drawn))
        return pl.DataFrame({"trial": sorted(n for n in {*tried, *wanted} if tried.get(n) != wanted.get(n))})

    def other_records(rows: pl.DataFrame) -> pl.DataFrame:
        names = ("trial", "rps", "rounds")
        is_off = [
            tuple(_record(row["record"]).get(name) for name in names) != tuple(row[name] for name in names)
            for row in rows.iter_rows(named=True)
        ]
        return rows.filter(pl.Series(is_off, dtype=pl.Boolean))

    def none(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.head(0) if rows.is_empty() or rows["rps"].is_not_null().any() else rows

    def at_the_limit(rows: pl.DataFrame) -> pl.DataFrame:
        best = rows.filter(pl.col("rps") == pl.col("rps").min()).sort("trial").head(1)
        return best.filter(pl.col("rounds") == params.max_rounds)

    rules = (
        as_far_as_the_data(candidate.partition, is_reached=is_there),
        Rule("one trial at least has a score", none),
        Rule("the trials are the points that the seed draws", other_points),
        Rule("a trial's record says what its row says", other_records),
        Rule("every trial has a score", lambda rows: rows.filter(pl.col("rps").is_null()), "warning"),
        Rule(
            "the best trial stopped by itself",
            at_the_limit,
            "warning",
            f"it was still improving at model.max_rounds, {params.max_rounds}",
        ),
    )

    def measures(rows: pl.DataFrame) -> dict[str, int | float]:
        best = rows["rps"].min()
        return {"cut-off reached": int(is_there), **({"best rps": best} if isinstance(best, float) else {})}

    return judge(frame, schemas.tuned_parameters(params.max_rounds), rules=rules, measures=measures)


# -- validate_model --------------------------------------------------------------------------------------------------------


def said_wrongly(rule: str, said: Mapping[str, object], true: Mapping[str, object]) -> list[Failure]:
    """A failure that lists what is said otherwise than it is; none where all is as it is said."""
    wrong = [
        (name, str(said.get(name)), str(value)) for name, value in true.items() if not _is_same(said.get(name), value)
    ]
    if not wrong:
        return []
    rows = pl.DataFrame(wrong, ["what", "said", "is"], orient="row")
    return [Failure(rule, "error", len(wrong), rows, f"in {', '.join(name for name, _, _ in wrong)}")]


def _is_same(said: object, value: object) -> bool:
    if isinstance(said, float) and isinstance(value, float):
        return abs(said - value) <= ROUNDING
    return said == value


def _training_facts(split: pl.DataFrame, cutoff: str, trials: pl.DataFrame) -> dict[str, object]:
    """What the record of a training must say of what it was given."""
    best, fit = best_trial(trials), split.filter(pl.col("role") == "fit")
    return {
        "cutoff": cutoff,
        **{f"n_{role}": int((split["role"] == role).sum()) for role in ROLES},
        "newest_fit_kick_off": str(fit["kick_off_utc"].dt.replace_time_zone(None).to_numpy().max()),
        "hyperparameters": best["hyperparameters"],
        "rounds": best["rounds"],
    }


def _off_the_simplex(model: OutcomeModel, split: pl.DataFrame) -> list[Failure]:
    probabilities = model.predict(split)
    inside = (probabilities > 0).all(axis=1) & (probabilities < 1).all(axis=1)
    is_off = ~inside | (np.abs(probabilities.sum(axis=1) - 1) > SIMPLEX_TOLERANCE)
    off = split.select("match_id").filter(pl.Series(is_off))
    return [Failure("probabilities form a simplex", "error", off.height, off.head(20))] if off.height else []


def _impossible_scores(scores: Mapping[str, float], floor: Mapping[str, float], max_ece: float) -> list[Failure]:
    failures, of = [], f"on {scores['n']:.0f} hold-out matches"
    if scores["ece"] > max_ece:
        text = f"{scores['ece']:.4f} {of}; the limit is promotion.max_ece, {max_ece}"
        failures.append(Failure("calibration error within its limit", "error", 1, pl.DataFrame(), text))
    if scores["rps"] < IMPLAUSIBLE_RPS:
        text = f"rps {scores['rps']:.4f} {of} is below {IMPLAUSIBLE_RPS}: look for a leak"
        failures.append(Failure("no score that only a leak can give", "error", 1, pl.DataFrame(), text))
    if scores["rps"] >= floor["rps"]:
        text = f"rps {scores['rps']:.6f} {of}, class frequencies have {floor['rps']:.6f}; it will not be promoted"
        failures.append(Failure("better than class frequencies", "warning", 1, pl.DataFrame(), text))
    return failures


def other_features(model: OutcomeModel, params: Params) -> list[Failure]:
    """A failure where a model reads other features, or in another order, or of other definitions, than there are today."""
    names, version = match_feature_names(params.features), feature_version(params.features)
    differing = sorted(set(names) ^ set(model.feature_names)) or [
        today for today, read in zip(names, model.feature_names, strict=True) if today != read
    ]
    if differing:
        count, told = len(differing), f"{len(differing)} differ, the first is {differing[0]}"
    elif model.feature_version != version:
        count, told = 1, f"it was fitted on feature version {model.feature_version}, today's is {version}"
    else:
        return []
    rows = pl.DataFrame({"feature": differing}, schema={"feature": pl.String()})
    return [Failure("the model reads today's features", "error", count, rows, told)]


def validate_model(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """A model that can be read, of today's features, fitted as its inputs say, with probabilities and a possible score."""
    cutoff = candidate.partition
    split = read_split(context, cutoff, candidate.inputs)
    is_there = not split.is_empty()
    files = (BOOSTER_FILE, MODEL_FILE)

    def missing(rows: pl.DataFrame) -> pl.DataFrame:
        wanted = pl.DataFrame({"name": files if is_there else []}, schema={"name": pl.String()})
        return wanted.join(rows, on="name", how="anti")

    verdict = judge(
        frame,
        schemas.calibrated_model(files),
        rules=(as_far_as_the_data(cutoff, is_reached=is_there), Rule("both files of the model are there", missing)),
        measures={"cut-off reached": int(is_there)},
    )
    if not is_there or not verdict.passed:
        return verdict
    try:
        model = stored_model(frame)
    except ModelError as error:
        unread = Failure("the model can be read", "error", 1, pl.DataFrame(), error.message)
        return verdict.joined([unread])
    failures = other_features(model, context.params)
    if failures:
        return verdict.joined(failures)
    trials = context.store.read_object(candidate.inputs[f"tuned_parameters@{cutoff}"])
    scores = holdout_score(model, split, context.params)
    floor = _class_frequency_score(split, context.params)
    failures = [
        *said_wrongly("fitted as its inputs say", model.training, _training_facts(split, cutoff, trials)),
        *_impossible_scores(scores, floor, context.params.promotion.max_ece),
        *_off_the_simplex(model, split),
    ]
    return verdict.joined(failures, {f"holdout {name}": value for name, value in scores.items()})
