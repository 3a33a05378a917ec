"""Stage 4: raw matches become results and fixtures, by status alone and never by the clock."""

import polars as pl

from match_assets.errors import NotAcceptedError
from match_assets.gates import schemas
from match_assets.stages.base import Inputs, Product, Stage, StageContext, accepted_inputs
from match_assets.stages.interim_gates import validate_fixtures, validate_results

FINISHED = 6
UPCOMING = {1: "scheduled", 2: "postponed"}
IDENTITY = ["match_id", "tournament", "season", "kick_off_utc", "is_kick_off_time_known"]
TEAMS = ["home_team_id", "away_team_id", "home_team", "away_team"]
SCORES = ["home_goals", "away_goals", "home_goals_half_time", "away_goals_half_time"]


def finish(matches: pl.DataFrame, stats: pl.DataFrame) -> pl.DataFrame:
    """Results with both sides' statistics, sorted by kick-off and match id.

    A walkover is a finished match without half-time score and without any statistic, in a season in which others have
    half-time scores: a result on paper, not a played match.
    """
    results = matches.filter((pl.col("status") == FINISHED) & pl.col("home_goals").is_not_null())
    for side, is_home in (("home", True), ("away", False)):
        renamed = {name: f"{side}_{name}" for name in schemas.STATISTICS}
        columns = stats.filter(pl.col("is_home") == is_home).select("match_id", *schemas.STATISTICS).rename(renamed)
        results = results.join(columns, on="match_id", how="left")
    sides = [f"{side}_{name}" for name in schemas.STATISTICS for side in ("home", "away")]
    nothing = pl.all_horizontal(pl.col(name).is_null() for name in [*sides, *SCORES[2:]])
    recorded = results["home_goals_half_time"].is_not_null().any()
    return results.select(*IDENTITY, *TEAMS, *SCORES, (nothing & pl.lit(recorded)).alias("is_walkover"), *sides).sort(
        "kick_off_utc", "match_id"
    )


def upcoming(matches: pl.DataFrame) -> pl.DataFrame:
    """Fixtures not yet played, sorted by kick-off and match id."""
    fixtures = matches.filter(pl.col("status").is_in(list(UPCOMING)))
    names = pl.col("status").replace_strict(UPCOMING, return_dtype=pl.String).alias("status_name")
    return fixtures.select(*IDENTITY, *TEAMS, names).sort("kick_off_utc", "match_id")


def _finished_inputs(context: StageContext, partition: str) -> dict[str, str]:
    _require_one_snapshot(context, partition)
    return accepted_inputs(context.store, [("raw_matches", partition), ("raw_match_stats", partition)])


def _upcoming_inputs(context: StageContext, partition: str) -> dict[str, str]:
    return accepted_inputs(context.store, [("raw_matches", partition)])


def _require_one_snapshot(context: StageContext, partition: str) -> None:
    revisions = {}
    for asset in ("raw_matches", "raw_match_stats"):
        pointer = context.store.pointer(asset, partition)
        revisions[asset] = pointer.inputs.get("warehouse") if pointer else None
    if len(set(revisions.values())) > 1:
        raise NotAcceptedError(
            f"{partition}: raw_matches and raw_match_stats were exported from different states of the warehouse; "
            "materialise both again, with their checks",
            partition=partition,
            revisions=revisions,
        )


def _compute_finished(context: StageContext, partition: str, inputs: Inputs) -> Product:
    matches = context.store.read_object(inputs[f"raw_matches@{partition}"])
    stats = context.store.read_object(inputs[f"raw_match_stats@{partition}"])
    results = finish(matches, stats)
    return Product(results, {"walkovers": int(results["is_walkover"].sum()), **_outcomes(results)})


def _outcomes(results: pl.DataFrame) -> dict[str, int | float | str]:
    if results.is_empty():
        return {"reason": "no match of this season is finished"}
    margin = results["home_goals"] - results["away_goals"]
    return {
        "home wins": int((margin > 0).sum()),
        "draws": int((margin == 0).sum()),
        "away wins": int((margin < 0).sum()),
        "goals a match": round(float((results["home_goals"] + results["away_goals"]).mean() or 0.0), 3),  # type: ignore[arg-type]
    }


def _compute_upcoming(context: StageContext, partition: str, inputs: Inputs) -> Product:
    fixtures = upcoming(context.store.read_object(inputs[f"raw_matches@{partition}"]))
    if fixtures.is_empty():
        return Product(fixtures, {"reason": "every match of this season is over"})
    return Product(fixtures, {"postponed": int((fixtures["status_name"] == "postponed").sum())})


FINISHED_MATCHES = Stage(
    name="finished_matches",
    family="data",
    reads=("raw_matches", "raw_match_stats"),
    sort_by=("kick_off_utc", "match_id"),
    inputs=_finished_inputs,
    compute=_compute_finished,
    check="validate_finished",
    gate=validate_results,
)
UPCOMING_MATCHES = Stage(
    name="upcoming_matches",
    family="data",
    reads=("raw_matches",),
    sort_by=("kick_off_utc", "match_id"),
    inputs=_upcoming_inputs,
    compute=_compute_upcoming,
    check="validate_upcoming",
    gate=validate_fixtures,
)
