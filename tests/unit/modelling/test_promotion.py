"""The promotion rule, case by case."""

import datetime as dt
import json

import pytest

from match_assets.config import PromotionParams
from match_assets.modelling.promotion import decide

PARAMS = PromotionParams(metric="rps", min_improvement=0.0, max_ece=0.15)


def scores(rps: float, *, n: float = 300, ece: float = 0.05) -> dict[str, float]:
    return {"rps": rps, "log_loss": 1.0, "brier": 0.6, "accuracy": 0.5, "ece": ece, "n": n}


FREQUENCY = scores(0.23)


def test_better_challenger_is_promoted_with_its_numbers() -> None:
    decision = decide(scores(0.20), scores(0.21), FREQUENCY, PARAMS)
    assert decision.promote
    assert (decision.challenger, decision.champion, decision.frequency, decision.n) == (0.20, 0.21, 0.23, 300)
    assert json.loads(json.dumps(decision.as_record()))["promote"] is True


@pytest.mark.parametrize(
    ("challenger", "champion", "reason"),
    [
        (scores(0.22), scores(0.21), "not better than the champion"),
        (scores(0.21), scores(0.21), "not better than the champion"),
        (scores(0.20, n=299), scores(0.21), "different hold-out rows"),
        (scores(0.20), scores(0.21, n=10), "different hold-out rows"),
        (scores(0.20, ece=0.16), scores(0.21), "calibration error"),
        (scores(0.24), scores(0.25), "does not beat class frequencies"),
        (scores(0.23), None, "does not beat class frequencies"),
        (scores(0.05), scores(0.21), "look for a leak"),
        (None, scores(0.21), "no challenger"),
        (None, None, "no challenger"),
    ],
)
def test_champion_stays(challenger: dict[str, float] | None, champion: dict[str, float] | None, reason: str) -> None:
    decision = decide(challenger, champion, FREQUENCY, PARAMS)
    assert not decision.promote
    assert reason in decision.reason


@pytest.mark.parametrize("who", ["challenger", "champion", "class frequencies"])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_missing_metric_is_no_promotion(who: str, value: float | None) -> None:
    cases = {"challenger": scores(0.20), "champion": scores(0.21), "class frequencies": dict(FREQUENCY)}
    del cases[who]["rps"]
    if value is not None:
        cases[who]["rps"] = value
    decision = decide(cases["challenger"], cases["champion"], cases["class frequencies"], PARAMS)
    assert not decision.promote
    assert decision.reason == f"rps of the {who} is missing or not a number"


@pytest.mark.parametrize("name", ["ece", "n"])
def test_challenger_without_calibration_error_or_count_is_no_champion(name: str) -> None:
    challenger = scores(0.20)
    del challenger[name]
    assert decide(challenger, None, FREQUENCY, PARAMS).reason == f"{name} of the challenger is missing or not a number"


def test_first_champion_must_only_beat_class_frequencies() -> None:
    decision = decide(scores(0.229), None, FREQUENCY, PARAMS)
    assert decision.promote
    assert "first champion" in decision.reason


@pytest.mark.parametrize(("gain", "promoted"), [(0.004, False), (0.006, True)])
def test_improvement_within_limit_or_noise_is_none(gain: float, promoted: bool) -> None:
    strict = PARAMS.model_copy(update={"min_improvement": 0.005})
    assert decide(scores(0.21 - gain), scores(0.21), FREQUENCY, strict).promote is promoted
    assert decide(scores(0.21 - gain), scores(0.21), FREQUENCY, PARAMS, noise=0.005).promote is promoted


def test_metric_is_the_one_that_the_parameters_name() -> None:
    by_log_loss = PARAMS.model_copy(update={"metric": "log_loss"})
    challenger, champion = {**scores(0.22), "log_loss": 0.98}, {**scores(0.21), "log_loss": 0.99}
    assert decide(challenger, champion, FREQUENCY, by_log_loss).promote
    assert not decide(challenger, champion, FREQUENCY, PARAMS).promote


@pytest.mark.parametrize(("cutoff", "promoted"), [("2025-01-01", False), ("2025-02-01", True), ("2025-03-01", True)])
def test_backfilled_old_cutoff_never_replaces_a_newer_champion(cutoff: str, promoted: bool) -> None:
    decision = decide(
        scores(0.20),
        scores(0.21),
        FREQUENCY,
        PARAMS,
        challenger_cutoff=dt.date.fromisoformat(cutoff),
        champion_cutoff=dt.date(2025, 2, 1),
    )
    assert decision.promote is promoted
    assert ("newer than the challenger's" in decision.reason) is not promoted
