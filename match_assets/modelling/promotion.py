"""When a challenger becomes champion: a rule on stored numbers, which anyone can check again."""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from match_assets.config import PromotionParams

# The closing odds of the five big leagues score 0.195, over no league of 22 below 0.17. A forecast under this has seen
# the result.
IMPLAUSIBLE_RPS = 0.12


@dataclass(frozen=True)
class PromotionDecision:
    """The verdict with the numbers that it rests on; ``champion`` is None where there was none."""

    promote: bool
    reason: str
    metric: str
    challenger: float | None
    champion: float | None
    frequency: float | None
    n: int

    def as_record(self) -> dict[str, Any]:
        """Plain values, to store."""
        return asdict(self)


def decide(
    challenger: Mapping[str, float] | None,
    champion: Mapping[str, float] | None,
    frequency: Mapping[str, float],
    params: PromotionParams,
    *,
    noise: float = 0.0,
    challenger_cutoff: dt.date | None = None,
    champion_cutoff: dt.date | None = None,
) -> PromotionDecision:
    """Whether the challenger takes the champion's place.

    Args:
        challenger: ``metrics.score`` on the hold-out; None where training gave no model.
        champion: the present champion on the same hold-out rows; None where there is none.
        frequency: class frequencies on the same rows.
        params: metric, least improvement, largest calibration error.
        noise: improvement up to this counts as none, such as the standard error of ``metrics.paired_rps_gain``.
        challenger_cutoff: cut-off of each model; an older challenger never replaces a newer champion, in whatever order
            backfills end.
        champion_cutoff: see there.

    Promoted only if every metric is there and finite, all were judged on the same number of matches, the score is no
    sign of a leak, the calibration error is within its limit, the challenger beats class frequencies, and it is
    strictly better than the champion by more than ``min_improvement`` and ``noise``.
    """
    refusal = _refusal(challenger, champion, frequency, params, noise)
    if champion is not None and challenger_cutoff and champion_cutoff and challenger_cutoff < champion_cutoff:
        refusal = f"the champion's cut-off {champion_cutoff} is newer than the challenger's {challenger_cutoff}"
    metric = params.metric
    own, held, plain = (_value(scores, metric) for scores in (challenger, champion, frequency))
    n = _value(challenger, "n")
    accepted = f"the first champion: {metric} {own} beats class frequencies at {plain}"
    if champion is not None:
        accepted = f"{metric} {own} is better than the champion's {held}"
    return PromotionDecision(refusal is None, refusal or accepted, metric, own, held, plain, int(n or 0))


def _refusal(
    challenger: Mapping[str, float] | None,
    champion: Mapping[str, float] | None,
    frequency: Mapping[str, float],
    params: PromotionParams,
    noise: float,
) -> str | None:
    """Why not, or None."""
    if challenger is None:
        return "there is no challenger"
    judged = {"challenger": challenger, "class frequencies": frequency}
    if champion is not None:
        judged["champion"] = champion
    for who, scores in judged.items():
        for name in {params.metric, "n", *({"ece", "rps"} if who == "challenger" else ())}:
            if _value(scores, name) is None:
                return f"{name} of the {who} is missing or not a number"
    if len({scores["n"] for scores in judged.values()}) > 1:
        counts = ", ".join(f"{who} {scores['n']:.0f}" for who, scores in judged.items())
        return f"judged on different hold-out rows ({counts})"
    return _worse(challenger, champion, frequency, params, noise)


def _worse(
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    frequency: Mapping[str, float],
    params: PromotionParams,
    noise: float,
) -> str | None:
    metric, least = params.metric, max(params.min_improvement, noise)
    own = challenger[metric]
    if challenger["rps"] < IMPLAUSIBLE_RPS:
        return f"rps {challenger['rps']:.4f} is too good to be true (below {IMPLAUSIBLE_RPS}): look for a leak"
    if challenger["ece"] > params.max_ece:
        return f"calibration error {challenger['ece']:.4f} is above the limit {params.max_ece}"
    if not own < frequency[metric]:
        return f"{metric} {own:.6f} does not beat class frequencies at {frequency[metric]:.6f}"
    if champion is not None and not champion[metric] - own > least:
        return f"{metric} {own:.6f} is not better than the champion's {champion[metric]:.6f} by more than {least:.6f}"
    return None


def _value(scores: Mapping[str, float] | None, name: str) -> float | None:
    value = None if scores is None else scores.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None
