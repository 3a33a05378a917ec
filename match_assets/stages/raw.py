"""Stages 2 and 3: PostgreSQL to content-addressed Parquet, and ``validate_raw``."""

import polars as pl

from match_assets.errors import PointerConflictError
from match_assets.gates import schemas
from match_assets.gates.verdict import Rule, Verdict, judge
from match_assets.keys import DataKey
from match_assets.stages.base import Inputs, Product, Stage, StageContext
from match_assets.stages.ingestion import ONE_ID_EACH, gap_rules, lost_results_rule, unread_pages
from match_assets.warehouse.reading import season_revision, season_snapshot, superseded

NOTHING_SCRAPED = "nothing scraped"


def _inputs(context: StageContext, partition: str) -> dict[str, str]:
    return {"warehouse": season_revision(context.engine).get(partition, NOTHING_SCRAPED)}


def _compute_matches(context: StageContext, partition: str, inputs: Inputs) -> Product:
    key = DataKey.parse(partition)
    matches, _ = season_snapshot(context.engine, key.tournament, key.season)
    _require_unmoved(context, partition, inputs)
    facts: dict[str, int | float | str] = {f"status {status}": count for status, count in _statuses(matches)}
    if inputs["warehouse"] == NOTHING_SCRAPED:
        facts["reason"] = "the source lists no matches of this season"
    return Product(matches, facts)


def _statuses(matches: pl.DataFrame) -> list[tuple[int, int]]:
    return sorted(matches["status"].value_counts().rows())


def _require_unmoved(context: StageContext, partition: str, inputs: Inputs) -> None:
    """What was read must be what ``inputs`` name: two tables of one revision come from one state of the warehouse."""
    if _inputs(context, partition) != inputs:
        raise PointerConflictError(f"{partition} was written to during its export; run it again", partition=partition)


def _compute_stats(context: StageContext, partition: str, inputs: Inputs) -> Product:
    key = DataKey.parse(partition)
    _, stats = season_snapshot(context.engine, key.tournament, key.season)
    _require_unmoved(context, partition, inputs)
    return Product(stats, {"matches with statistics": stats["match_id"].n_unique()})


def _accepted_results(context: StageContext, partition: str) -> Rule:
    """Finished matches never leave: one that the accepted version holds must still be there, under whatever id."""
    key = DataKey.parse(partition)
    pointer = context.store.pointer("raw_matches", partition)
    before = context.store.read_object(pointer.sha256) if pointer else None
    renewed = superseded(context.engine, key.tournament, key.season)

    def offenders(frame: pl.DataFrame) -> pl.DataFrame:
        if before is None:
            return frame.head(0)
        finished = before.filter(pl.col("status") == 6)
        gone = finished.join(frame, on="match_id", how="anti")
        held = frame.filter(pl.col("status") == 6).select("match_id")
        successor = pl.col("match_id").replace_strict(renewed, default=None, return_dtype=pl.Int64)
        return gone.join(held, left_on=successor, right_on="match_id", how="anti").select(before.columns)

    return Rule("accepted results stay", offenders, explanation="the accepted version held these matches")


def _doubled(frame: pl.DataFrame) -> pl.DataFrame:
    sides = pl.concat(
        [
            frame.select("match_id", "kick_off_utc", "is_kick_off_time_known", "status", team_id=f"{side}_team_id")
            for side in ("home", "away")
        ]
    ).filter(pl.col("status").is_in([1, 6]) & pl.col("is_kick_off_time_known"))
    return sides.filter(sides.select("team_id", "kick_off_utc").is_duplicated()).sort("team_id", "kick_off_utc")


def _validate_matches(context: StageContext, partition: str, frame: pl.DataFrame) -> Verdict:
    key = DataKey.parse(partition)
    rules = (
        lost_results_rule(context, partition),
        _accepted_results(context, partition),
        ONE_ID_EACH,
        Rule("one match of a team at a time", _doubled, explanation="one team in two matches at one kick-off"),
        *gap_rules(context, partition, ("quarantined", "other source")),
        unread_pages(context, partition),
    )
    finished = int((frame["status"] == 6).sum())
    schema = schemas.raw_matches(key.tournament, key.season)
    return judge(frame, schema, rules=rules, measures={"finished": finished})


def _validate_stats(context: StageContext, partition: str, frame: pl.DataFrame) -> Verdict:
    pointer = context.store.candidate("raw_matches", partition)
    known = context.store.read_object(pointer.sha256) if pointer else frame.select("match_id").head(0)

    def orphans(stats: pl.DataFrame) -> pl.DataFrame:
        return stats.join(known, on="match_id", how="anti")

    def one_sided(stats: pl.DataFrame) -> pl.DataFrame:
        return stats.filter(pl.len().over("match_id") != 2)

    rules = (
        Rule("statistics belong to a known match", orphans),
        Rule("statistics of both sides", one_sided, explanation="a match has the statistics of one side only"),
        unread_pages(context, partition),
    )
    return judge(frame, schemas.raw_match_stats(), warnings=schemas.raw_match_stats_warnings(), rules=rules)


RAW_MATCHES = Stage(
    name="raw_matches",
    family="data",
    sort_by=("match_id",),
    inputs=_inputs,
    compute=_compute_matches,
    check="validate_raw",
    gate=_validate_matches,
)
RAW_MATCH_STATS = Stage(
    name="raw_match_stats",
    family="data",
    sort_by=("match_id", "is_home"),
    inputs=_inputs,
    compute=_compute_stats,
    check="validate_raw",
    gate=_validate_stats,
)
