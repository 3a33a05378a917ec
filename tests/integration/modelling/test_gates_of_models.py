"""Each gate from the split to the registered version: what it refuses and what it only shows."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from match_assets.gates.verdict import Verdict
from match_assets.modelling.ablation import ALL_FEATURES
from match_assets.modelling.baselines import CLASS_FREQUENCY
from match_assets.modelling.model import MODEL_FILE, OutcomeModel
from match_assets.stages import modelling_gates
from match_assets.stages.base import Stage, StageContext
from match_assets.stages.chain import CUTOFF_STAGES
from match_assets.stages.model_frames import files_frame, model_files, stored_model
from match_assets.stages.modelling import (
    ABLATION_STUDY,
    BASELINE_MODELS,
    CALIBRATED_MODEL,
    TEMPORAL_SPLIT,
    TUNED_PARAMETERS,
)
from match_assets.stages.registry import REGISTERED_MODEL
from tests.integration.modelling.conftest import CUTOFF, NOT_REACHED, League

Change = Callable[[pl.DataFrame], pl.DataFrame]
MATCH = 2022050  # in the hold-out
LEARNT = 2021030  # among the rows to fit on


def judged(
    league: League, stage: Stage, change: Change = lambda rows: rows, context: StageContext | None = None
) -> Verdict:
    """The gate's verdict on the accepted rows, changed."""
    pointer = league.context.store.pointer(stage.name, CUTOFF)
    assert pointer
    return stage.gate(context or league.context, pointer, change(league.rows(stage)))


def with_params(league: League, part: str, **values: object) -> StageContext:
    """The same context with other parameters."""
    changed = getattr(league.context.params, part).model_copy(update=values)
    return replace(league.context, params=league.context.params.model_copy(update={part: changed}))


def told(verdict: Verdict) -> set[str]:
    """The rules that failed."""
    return {failure.rule for failure in verdict.failures}


def where(is_meant: pl.Expr, **values: Any) -> Change:
    """Other values in the rows meant."""

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        assert not rows.filter(is_meant).is_empty()
        return rows.with_columns(
            pl.when(is_meant)
            .then(value if isinstance(value, pl.Expr) else pl.lit(value, rows.schema[name]))
            .otherwise(pl.col(name))
            .cast(rows.schema[name])
            .alias(name)
            for name, value in values.items()
        )

    return change


def without(is_meant: pl.Expr) -> Change:
    """The rows meant are missing."""
    return lambda rows: rows.filter(~is_meant)


def is_match(match_id: int) -> pl.Expr:
    """One match of the split."""
    return pl.col("match_id") == match_id


# -- all of them -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", CUTOFF_STAGES[:-1], ids=lambda stage: stage.name)
def test_what_was_made_passes_without_a_remark(league: League, stage: Stage) -> None:
    verdict = judged(league, stage)
    assert verdict.failures == ()
    assert (verdict.measures["errors"], verdict.measures["warnings"]) == (0, 0)


@pytest.mark.parametrize("stage", CUTOFF_STAGES[:-1], ids=lambda stage: stage.name)
def test_an_empty_table_where_the_data_reach_the_cutoff_is_refused(league: League, stage: Stage) -> None:
    verdict = judged(league, stage, lambda rows: rows.clear())
    assert "rows where the data reach the cut-off, and only there" in verdict.refused_by
    assert verdict.measures["errors"] >= 1


@pytest.mark.parametrize("stage", CUTOFF_STAGES, ids=lambda stage: stage.name)
def test_a_cutoff_that_the_data_do_not_reach_is_empty_and_nothing_else_is(league: League, stage: Stage) -> None:
    # DAG-15
    pointer = league.made(stage, NOT_REACHED)
    assert league.rows(stage, NOT_REACHED).is_empty()
    if stage is not CUTOFF_STAGES[-1]:
        verdict = stage.gate(league.context, pointer, league.rows(stage))
        assert "rows where the data reach the cut-off, and only there" in verdict.refused_by


# -- validate_split --------------------------------------------------------------------------------------------------------

SPLITS: Mapping[str, tuple[Change, str]] = {
    "a hold-out match left out": (without(is_match(MATCH)), "no match that may be used is left out"),
    "a match to fit on left out": (without(is_match(LEARNT)), "no match that may be used is left out"),
    "another score": (
        where(is_match(MATCH), home_goals=pl.col("home_goals") + 1),
        "every row is a played match with its own score",
    ),
    "another team": (where(is_match(MATCH), away_team_id=99), "every row is a played match with its own score"),
    "a match twice": (lambda rows: pl.concat([rows, rows.tail(1)]), "multiple_fields_uniqueness"),
    "a feature of another match": (
        where(is_match(MATCH), home_elo=pl.col("home_elo") + 1e-9),
        "features are those of the match's two sides",
    ),
    "the sides swapped": (
        where(is_match(MATCH), home_elo=pl.col("away_elo"), away_elo=pl.col("home_elo")),
        "features are those of the match's two sides",
    ),
    "a difference of something else": (
        where(is_match(MATCH), elo_difference=pl.col("elo_difference") + 1e-9),
        "features are those of the match's two sides",
    ),
    "learning from the hold-out": (
        where(is_match(MATCH), role="fit"),
        "windows do not overlap and keep the embargo",
    ),
    "from the cut-off on": (
        where(is_match(MATCH), kick_off_utc=dt.datetime(2023, 3, 1, tzinfo=dt.UTC)),
        "nothing from the cut-off on",
    ),
    "a fold in the hold-out": (
        where(is_match(MATCH), validation_fold=1),
        "folds follow each other among the rows to fit on",
    ),
    "a fold before the one before": (
        where(is_match(LEARNT), validation_fold=2),
        "folds follow each other among the rows to fit on",
    ),
}


@pytest.mark.parametrize("name", SPLITS)
def test_a_split_that_was_tampered_with_is_refused(league: League, name: str) -> None:
    change, rule = SPLITS[name]
    assert rule in judged(league, TEMPORAL_SPLIT, change).refused_by


def test_a_row_inside_the_embargo_is_refused_and_one_left_out_for_it_is_not_missed(league: League) -> None:
    longer = with_params(league, "split", embargo_days=8)
    assert judged(league, TEMPORAL_SPLIT, context=longer).refused_by == ("windows do not overlap and keep the embargo",)
    # nothing was embargoed: the rows that are left out lie in no embargo
    shorter = with_params(league, "split", embargo_days=0)
    assert judged(league, TEMPORAL_SPLIT, context=shorter).refused_by == ("no match that may be used is left out",)


def test_a_row_of_teams_without_a_history_is_refused_where_a_model_learns(league: League) -> None:
    # more than any team ever played: nothing may be learnt from, and the hold-out stays, as the service answers for all
    strict = with_params(league, "split", min_history=99)
    [failure] = judged(league, TEMPORAL_SPLIT, context=strict).failures
    assert failure.rule == "both teams have a history where a model learns"
    assert failure.count == league.rows(TEMPORAL_SPLIT).filter(pl.col("role") != "holdout").height


# -- validate_scores -------------------------------------------------------------------------------------------------------

IS_FLOOR = (pl.col("baseline") == CLASS_FREQUENCY) & (pl.col("part") == "holdout")
IS_ELO = pl.col("baseline") == "elo_ordinal"
BASELINES: Mapping[str, tuple[Change, str]] = {
    "a baseline missing": (without(IS_ELO), "every baseline is judged on both parts"),
    "a part missing": (without(pl.col("part") == "holdout"), "every baseline is judged on both parts"),
    "not a number": (where(IS_ELO, rps=float("nan")), "rps: in_range(0.0, 1.0)"),
    "above its range": (where(IS_ELO, rps=1.5), "rps: in_range(0.0, 1.0)"),
    "on other matches": (where(IS_ELO, n=pl.col("n") - 1), "judged on the split's own matches"),
    "class frequencies too easy to beat": (
        where(IS_FLOOR, rps=pl.col("rps") + 1e-6),
        "class frequencies score what the split gives them",
    ),
    "an unknown baseline": (
        where(IS_ELO, baseline="a_guess"),
        "baseline: isin(['class_frequency', 'elo_logistic', 'elo_ordinal', 'ratings_logistic', 'ratings_ordinal'])",
    ),
}


@pytest.mark.parametrize("name", BASELINES)
def test_scores_of_baselines_that_cannot_be_true_are_refused(league: League, name: str) -> None:
    change, rule = BASELINES[name]
    assert rule in judged(league, BASELINE_MODELS, change).refused_by


def test_a_baseline_far_behind_class_frequencies_is_shown_and_accepted(league: League) -> None:
    verdict = judged(league, BASELINE_MODELS, where(IS_ELO, rps=0.3))
    assert verdict.passed
    assert told(verdict) == {"baselines near or below class frequencies"}


IS_SHOTS = pl.col("group") == "shots"
ABLATIONS: Mapping[str, tuple[Change, str]] = {
    "a group missing": (without(IS_SHOTS), "all features once, and each group left out once"),
    "all features missing": (
        without(pl.col("group") == ALL_FEATURES),
        "all features once, and each group left out once",
    ),
    "another number of features": (
        where(IS_SHOTS, n_features=pl.col("n_features") + 1),
        "all features once, and each group left out once",
    ),
    "a difference from something else": (
        where(IS_SHOTS, delta_rps=pl.col("delta_rps") + 1e-6),
        "differences are those from all features",
    ),
    "no error": (where(IS_SHOTS, standard_error=float("nan")), "standard_error: in_range(0.0, 1.0)"),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_that_cannot_be_true_is_refused(league: League, name: str) -> None:
    change, rule = ABLATIONS[name]
    assert rule in judged(league, ABLATION_STUDY, change).refused_by


def test_a_group_that_harms_beyond_chance_is_shown_and_accepted(league: League) -> None:
    harm = where(IS_SHOTS, rps=pl.col("rps") - pl.col("delta_rps") - 0.05, delta_rps=-0.05, standard_error=0.01)
    verdict = judged(league, ABLATION_STUDY, harm)
    assert verdict.passed
    assert told(verdict) == {"no group of features harms"}


def recorded(**values: object) -> pl.Expr:
    """The trial's record with other values."""
    return pl.col("record").map_elements(lambda text: json.dumps(json.loads(text) | values), return_dtype=pl.String)


IS_FIRST = pl.col("trial") == 0
TRIALS: Mapping[str, tuple[Change, str]] = {
    "a point left out": (without(pl.col("trial") == 2), "the trials are the points that the seed draws"),
    "a point more": (
        lambda rows: pl.concat([rows, where(IS_FIRST, trial=3)(rows).head(1)]),
        "the trials are the points that the seed draws",
    ),
    "another point": (
        where(IS_FIRST, record=recorded(hyperparameters={"max_depth": 9})),
        "the trials are the points that the seed draws",
    ),
    "another score": (where(IS_FIRST, rps=0.1), "a trial's record says what its row says"),
    "no record": (where(IS_FIRST, record="{cut"), "a trial's record says what its row says"),
    "none has a score": (
        where(pl.lit(value=True), rps=None, rounds=None, record=recorded(rps=None, rounds=None)),
        "one trial at least has a score",
    ),
    "rounds without a score": (where(IS_FIRST, rps=None), "rounds where there is a score"),
    "more rounds than there are": (where(IS_FIRST, rounds=61), "rounds: in_range(1, 60)"),
}


@pytest.mark.parametrize("name", TRIALS)
def test_trials_that_are_not_those_of_the_search_are_refused(league: League, name: str) -> None:
    change, rule = TRIALS[name]
    assert rule in judged(league, TUNED_PARAMETERS, change).refused_by


def test_a_trial_that_failed_and_a_search_that_was_cut_short_are_shown(league: League) -> None:
    failed = where(IS_FIRST, rps=None, rounds=None, record=recorded(rps=None, rounds=None))
    assert told(judged(league, TUNED_PARAMETERS, failed)) == {"every trial has a score"}
    cut_short = where(pl.lit(value=True), rounds=60, record=recorded(rounds=60))
    verdict = judged(league, TUNED_PARAMETERS, cut_short)
    assert verdict.passed
    assert told(verdict) == {"the best trial stopped by itself"}


# -- validate_model --------------------------------------------------------------------------------------------------------


def remodelled(change: Callable[[OutcomeModel], OutcomeModel]) -> Change:
    """Files of the same model with something changed, its hashes and golden rows made anew."""

    def changed(rows: pl.DataFrame) -> pl.DataFrame:
        model = change(stored_model(rows))
        golden = model.golden_features[:, : len(model.feature_names)]
        return files_frame(
            model_files(replace(model, golden_features=golden, golden_probabilities=model.predict(golden)))
        )

    return changed


def trained_on(**facts: object) -> Change:
    """The same model with another record of its training."""
    return remodelled(lambda model: replace(model, training={**model.training, **facts}))


def worthless(model: OutcomeModel) -> OutcomeModel:
    """The regression alone, upside down."""
    return replace(
        model, tree_weight=0.0, linear=replace(model.linear, coefficients=-np.abs(model.linear.coefficients))
    )


MODELS: Mapping[str, tuple[Change, str]] = {
    "a file missing": (without(pl.col("name") == MODEL_FILE), "both files of the model are there"),
    "a file too many": (
        lambda rows: pl.concat([rows, rows.head(1).with_columns(name=pl.lit("model.pkl"))]),
        "name: isin(['booster.ubj', 'model.json'])",
    ),
    "a file cut": (
        where(pl.col("name") == MODEL_FILE, content=pl.lit(b'{"format": 1')),
        "the model can be read",
    ),
    "of other definitions": (
        remodelled(lambda model: replace(model, feature_version="f" * 16)),
        "the model reads today's features",
    ),
    "features in another order": (
        remodelled(lambda model: replace(model, feature_names=model.feature_names[::-1])),
        "the model reads today's features",
    ),
    "of another cut-off": (trained_on(cutoff="2023-02-01"), "fitted as its inputs say"),
    "fitted on more rows": (trained_on(n_fit=351), "fitted as its inputs say"),
    "fitted on a later row": (trained_on(newest_fit_kick_off="2022-12-01T03:00:00.000000"), "fitted as its inputs say"),
    "with other rounds": (trained_on(rounds=59), "fitted as its inputs say"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_not_the_one_to_be_trained_is_refused(league: League, name: str) -> None:
    change, rule = MODELS[name]
    verdict = judged(league, CALIBRATED_MODEL, change)
    assert rule in verdict.refused_by
    assert verdict.measures["errors"] >= 1


def test_a_model_that_is_not_calibrated_is_refused(league: League) -> None:
    strict = with_params(league, "promotion", max_ece=0.01)
    assert judged(league, CALIBRATED_MODEL, context=strict).refused_by == ("calibration error within its limit",)


def test_a_score_that_only_a_leak_can_give_is_refused(league: League, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelling_gates, "IMPLAUSIBLE_RPS", 0.2)
    assert judged(league, CALIBRATED_MODEL).refused_by == ("no score that only a leak can give",)


def test_a_model_no_better_than_class_frequencies_is_shown(league: League) -> None:
    lenient = with_params(league, "promotion", max_ece=1.0)
    verdict = judged(league, CALIBRATED_MODEL, remodelled(worthless), lenient)
    assert verdict.passed
    assert told(verdict) == {"better than class frequencies"}
    assert verdict.measures["warnings"] == 1


# -- validate_registration -------------------------------------------------------------------------------------------------

REGISTRATIONS: Mapping[str, tuple[Change, str]] = {
    "another digest": (
        where(pl.lit(value=True), model_sha256="0" * 64),
        "the registry holds the model that was trained",
    ),
    "another score": (where(pl.lit(value=True), holdout_rps=0.1), "the record is true of the version"),
    "fewer matches": (where(pl.lit(value=True), holdout_n=20.0), "the record is true of the version"),
    "other features": (where(pl.lit(value=True), feature_version="f" * 16), "the record is true of the version"),
    "another cut-off": (where(pl.lit(value=True), cutoff="2023-02-01"), "cutoff: equal_to(2023-03-01)"),
    "no version": (where(pl.lit(value=True), version="none"), r"version: str_matches('^[1-9]\d*$')"),
}


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_a_registration_that_is_not_true_is_refused(league: League, name: str) -> None:
    change, rule = REGISTRATIONS[name]
    assert rule in judged(league, REGISTERED_MODEL, change).refused_by


@pytest.mark.parametrize("damage", ["another model", "a file cut"])
def test_a_registry_that_gives_back_something_else_is_refused(
    league: League, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = stored_model(league.rows(CALIBRATED_MODEL))
    files = model_files(worthless(model) if damage == "another model" else model)
    if damage == "another model":
        other = replace(worthless(model), golden_probabilities=worthless(model).predict(model.golden_features))
        files = model_files(other)
    else:
        files = {name: content[:-1] for name, content in files.items()}
    [version] = league.registry.held
    monkeypatch.setitem(league.registry.held, version, (league.registry.held[version][0], files))
    verdict = judged(league, REGISTERED_MODEL)
    assert verdict.refused_by == ("the registry holds the model that was trained",)
    assert f"version {version}" in verdict.failures[0].explanation
