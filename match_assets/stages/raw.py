"""Stages 2 and 3: PostgreSQL to content-addressed Parquet."""

import polars as pl

from match_assets.errors import PointerConflictError
from match_assets.keys import DataKey
from match_assets.stages.base import Inputs, Product, Stage, StageContext
from match_assets.stages.raw_gates import validate_matches, validate_statistics
from match_assets.warehouse.reading import season_matches, season_statistics

NOTHING_SCRAPED = "nothing scraped"


def _inputs(context: StageContext, partition: str) -> dict[str, str]:
    return {"warehouse": context.revision(partition) or NOTHING_SCRAPED}


def _compute_matches(context: StageContext, partition: str, inputs: Inputs) -> Product:
    key = DataKey.parse(partition)
    matches = season_matches(context.engine, key.tournament, key.season)
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
    stats = season_statistics(context.engine, key.tournament, key.season)
    _require_unmoved(context, partition, inputs)
    return Product(stats, {"matches with statistics": stats["match_id"].n_unique()})


RAW_MATCHES = Stage(
    name="raw_matches",
    family="data",
    reads=("scraped_matches", "scraped_match_stats"),
    sort_by=("match_id",),
    inputs=_inputs,
    compute=_compute_matches,
    check="validate_raw",
    gate=validate_matches,
)
RAW_MATCH_STATS = Stage(
    name="raw_match_stats",
    family="data",
    reads=("scraped_matches", "scraped_match_stats"),
    sort_by=("match_id", "is_home"),
    inputs=_inputs,
    compute=_compute_stats,
    check="validate_raw",
    gate=validate_statistics,
)
