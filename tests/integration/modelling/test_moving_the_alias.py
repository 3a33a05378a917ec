"""The alias moves when the gate has passed the decision, once, and never by a decision of before."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from match_assets.errors import PointerConflictError
from match_assets.modelling.model import OutcomeModel
from match_assets.stages.base import Stage, judge_candidate, materialise, staleness
from match_assets.stages.model_frames import model_files, stored_model
from match_assets.stages.modelling import CALIBRATED_MODEL
from match_assets.stages.registry import PROMOTION_DECISION
from match_assets.store import Store
from tests.integration.modelling.conftest import CUTOFF, League
from tests.serving_world import outcome_model


@pytest.fixture
def undecided(league: League) -> Iterator[League]:
    """One version of the cut-off, no champion, no decision; and so it is left."""
    yield begun_anew(league)
    begun_anew(league)


def begun_anew(league: League) -> League:
    """Without champion, decisions and other versions."""
    [newest] = [version for version, _ in league.registry.held.values() if version.cutoff == CUTOFF]
    league.registry.held = {newest.version: league.registry.held[newest.version]}
    league.registry.alias = None
    bucket = league.context.store.bucket
    for entry in bucket.entries(""):
        if PROMOTION_DECISION.name in entry.key:
            bucket.delete(entry.key, entry.etag)
    # what a store saw it remembers
    return League(replace(league.context, store=Store(bucket)), league.registry)


def register(league: League, model: OutcomeModel, *, cutoff: str = "2023-02-01", version: str = "9") -> None:
    """Another version in the registry."""
    found = league.registry.register(model_files(model), cutoff=cutoff, model_sha256=model.sha256, tags={})
    league.registry.held[version] = (replace(found, version=version), league.registry.held.pop(found.version)[1])


def decide(league: League, stage: Stage = PROMOTION_DECISION) -> tuple[dict[str, Any], Any]:
    """The decision made and judged."""
    materialise(stage, league.context, CUTOFF)
    pointer, verdict = judge_candidate(stage, league.context, CUTOFF)
    return league.context.store.read_object(pointer.sha256).row(0, named=True), verdict


def tampered(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Stage:
    """The stage with its rows changed on the way."""

    def compute(*given: Any) -> Any:
        product = PROMOTION_DECISION.compute(*given)
        return replace(product, frame=change(product.frame))

    return replace(PROMOTION_DECISION, compute=compute)


def test_the_alias_stays_where_it_is_until_the_gate_has_passed(undecided: League) -> None:
    materialise(PROMOTION_DECISION, undecided.context, CUTOFF)
    assert undecided.registry.alias is None
    _, verdict = judge_candidate(PROMOTION_DECISION, undecided.context, CUTOFF)
    assert verdict.failures == ()
    assert verdict.measures["promoted"] == 1
    assert undecided.registry.alias == "1"
    assert staleness(PROMOTION_DECISION, undecided.context, CUTOFF) is None


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"challenger": 0.9}, "the numbers bear the decision"),
        ({"champion": 0.001}, "the numbers bear the decision"),
        ({"frequency": None}, "the numbers bear the decision"),
        ({"version": "7"}, "it is about the version that was registered"),
        ({"reason": None}, "reason: not_nullable"),
        ({"cutoff": "2023-02-01"}, "cutoff: equal_to(2023-03-01)"),
        ({"metric": "accuracy"}, "metric: equal_to(rps)"),
    ],
)
def test_a_decision_that_cannot_stand_moves_nothing(undecided: League, values: dict[str, Any], rule: str) -> None:
    stage = tampered(
        lambda rows: rows.with_columns(pl.lit(value, rows.schema[name]).alias(name) for name, value in values.items())
    )
    _, verdict = decide(undecided, stage)
    assert rule in verdict.refused_by
    assert undecided.registry.alias is None


def test_a_better_model_takes_the_place_of_a_worse_one(undecided: League) -> None:
    register(undecided, outcome_model(home_bias=2.0))
    undecided.registry.promote("9")
    row, verdict = decide(undecided)
    assert verdict.passed
    assert (row["promote"], row["incumbent_version"], row["version"]) == (True, "9", "1")
    assert row["challenger"] < row["champion"] < 1
    assert undecided.registry.alias == "1"


def test_a_model_that_is_not_better_leaves_the_champion(undecided: League) -> None:
    model = stored_model(undecided.rows(CALIBRATED_MODEL))
    same_answers = replace(model, training={**model.training, "seed": 1})
    register(undecided, same_answers)
    undecided.registry.promote("9")
    row, verdict = decide(undecided)
    assert verdict.passed
    assert (row["promote"], row["incumbent_version"]) == (False, "9")
    assert "is not better than the champion's" in row["reason"]
    assert undecided.registry.alias == "9"


def test_a_decision_against_the_newcomer_stands_whoever_was_promoted_since(undecided: League) -> None:
    model = stored_model(undecided.rows(CALIBRATED_MODEL))
    register(undecided, replace(model, training={**model.training, "seed": 1}))
    undecided.registry.promote("9")
    materialise(PROMOTION_DECISION, undecided.context, CUTOFF)
    register(undecided, outcome_model(home_bias=2.0), version="10")
    undecided.registry.promote("10")
    _, verdict = judge_candidate(PROMOTION_DECISION, undecided.context, CUTOFF)
    assert verdict.passed
    assert undecided.registry.alias == "10"


def test_the_champion_itself_stays_champion_with_its_numbers(undecided: League) -> None:
    first, _ = decide(undecided)
    again, verdict = decide(undecided)
    assert verdict.passed
    assert again["reason"] == "it is the champion already"
    assert (again["challenger"], again["frequency"], again["n"]) == (
        first["challenger"],
        first["frequency"],
        first["n"],
    )
    assert undecided.registry.alias == "1"


def test_a_decision_that_was_overtaken_by_another_promotion_decides_nothing_and_is_made_again(
    undecided: League,
) -> None:
    materialise(PROMOTION_DECISION, undecided.context, CUTOFF)
    register(undecided, outcome_model(home_bias=2.0))
    undecided.registry.promote("9")
    with pytest.raises(PointerConflictError, match="version 1 was compared with none, but version 9 is champion since"):
        judge_candidate(PROMOTION_DECISION, undecided.context, CUTOFF)
    assert undecided.registry.alias == "9"
    # not refused: whoever looks for what is stale makes it again
    assert staleness(PROMOTION_DECISION, undecided.context, CUTOFF) == "never accepted"
    row, verdict = decide(undecided)
    assert verdict.passed
    assert (row["incumbent_version"], undecided.registry.alias) == ("9", "1")


def test_a_champion_that_cannot_be_read_gives_way_to_the_first_that_can_and_is_named(undecided: League) -> None:
    # MOD-13
    register(undecided, outcome_model(home_bias=2.0))
    undecided.registry.promote("9")
    version, files = undecided.registry.held["9"]
    undecided.registry.held["9"] = version, {name: content[:-1] for name, content in files.items()}
    row, verdict = decide(undecided)
    assert verdict.passed
    assert (row["promote"], row["champion"], row["incumbent_version"]) == (True, None, "9")
    assert "the first champion" in row["reason"]
    assert "the champion, version 9, cannot be read (" in row["reason"]
    assert undecided.registry.alias == "1"


def test_a_champion_of_other_features_gives_way_to_the_first_of_todays_and_is_named(undecided: League) -> None:
    register(undecided, replace(outcome_model(), feature_version="f" * 16))
    undecided.registry.promote("9")
    row, _ = decide(undecided)
    assert (row["promote"], row["champion"]) == (True, None)
    assert "the champion, version 9, reads other features (ffffffffffffffff)" in row["reason"]
    assert undecided.registry.alias == "1"


def test_an_accepted_decision_that_is_judged_again_moves_nothing_back(undecided: League) -> None:
    decide(undecided)
    register(undecided, outcome_model(home_bias=2.0))
    undecided.registry.promote("9")
    _, verdict = judge_candidate(PROMOTION_DECISION, undecided.context, CUTOFF)
    assert verdict.passed
    assert undecided.registry.alias == "9"


def test_an_alias_that_was_deleted_comes_back_with_the_next_decision(undecided: League) -> None:
    decide(undecided)
    undecided.registry.alias = None
    row, _ = decide(undecided)
    assert (row["promote"], row["incumbent_version"]) == (True, None)
    assert undecided.registry.alias == "1"


def test_a_run_that_dies_between_alias_and_acceptance_is_done_again(
    undecided: League, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> Any:
        raise ConnectionError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "accept", dies)
        with pytest.raises(ConnectionError):
            decide(undecided)
    assert undecided.registry.alias == "1"
    assert undecided.context.store.pointer(PROMOTION_DECISION.name, CUTOFF) is None
    # the check alone, on the candidate that is there
    _, verdict = judge_candidate(PROMOTION_DECISION, undecided.context, CUTOFF)
    assert verdict.passed
    assert staleness(PROMOTION_DECISION, undecided.context, CUTOFF) is None
    # or the whole partition
    row, verdict = decide(undecided)
    assert verdict.passed
    assert (row["incumbent_version"], undecided.registry.alias) == ("1", "1")
