"""``validate_finished`` and ``validate_upcoming``: both against exactly the raw versions that they were made from."""

import datetime as dt

import polars as pl

from match_assets.gates import schemas
from match_assets.gates.counting import FINISHED, NAMED, POSTPONED, SCHEDULED
from match_assets.gates.distribution import NOT_ABSURD, SIDES
from match_assets.gates.verdict import Rule, Verdict, judge
from match_assets.keys import DataKey
from match_assets.stages.base import StageContext
from match_assets.store import Pointer

# a result on paper is rare: in 160 real seasons never more than two
FEW_WALKOVERS = 3


def _input(context: StageContext, candidate: Pointer, asset: str) -> pl.DataFrame:
    return context.store.read_object(candidate.inputs[f"{asset}@{candidate.partition}"])


def _same_rows(source: pl.DataFrame, missing: str, added: str) -> tuple[Rule, Rule]:
    """Every row of ``source`` is there with the values that it has there, and no other."""
    columns = [name for name in source.columns if name not in {"status", "elapsed", "stage_id"}]

    def absent(frame: pl.DataFrame) -> pl.DataFrame:
        return source.join(frame, on=columns, how="anti", nulls_equal=True).select(columns)

    def invented(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.join(source, on="match_id", how="anti").select(columns)

    return Rule(missing, absent), Rule(added, invented)


def _other_statistics(stats: pl.DataFrame) -> Rule:
    """The counts beside a result are those of its match and side, and unknown where there are none."""
    wide = stats.select("match_id").unique(maintain_order=True)
    for side, is_home in zip(SIDES, (True, False), strict=True):
        columns = {name: f"{side}_{name}" for name in schemas.STATISTICS}
        own = stats.filter(pl.col("is_home") == is_home).select("match_id", *columns).rename(columns)
        wide = wide.join(own, on="match_id", how="left")

    def offenders(results: pl.DataFrame) -> pl.DataFrame:
        columns = wide.columns
        here = results.select(columns)
        beside = here.select("match_id").join(wide, on="match_id", how="left").select(columns)
        return here.join(beside, on=columns, how="anti", nulls_equal=True)

    return Rule("statistics are those of the raw table", offenders)


def _uncovered(results: pl.DataFrame) -> pl.DataFrame:
    return results.filter(pl.col("home_shots").is_null() & ~pl.col("is_walkover")).select(NAMED)


def _many_walkovers(results: pl.DataFrame) -> pl.DataFrame:
    walkovers = results.filter("is_walkover").select(NAMED)
    return walkovers if walkovers.height > FEW_WALKOVERS else walkovers.head(0)


def _lost_statistics(context: StageContext, candidate: Pointer) -> Rule:
    """Statistics that the accepted version has and this one has not."""
    pointer = context.store.pointer(candidate.asset, candidate.partition)
    before = context.store.read_object(pointer.sha256) if pointer else None

    def offenders(results: pl.DataFrame) -> pl.DataFrame:
        bare = results.filter(pl.col("home_shots").is_null())
        if before is None or bare.is_empty():
            return bare.select(NAMED).head(0)
        known = before.filter(pl.col("home_shots").is_not_null())
        return bare.join(known, on="match_id", how="semi").select(NAMED)

    return Rule("statistics that were there stay", offenders, "warning", "the accepted version has them")


def validate_results(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """Results: every raw one once with its own values and statistics, possible as football, and how much of it is known."""
    key = DataKey.parse(candidate.partition)
    raw = _input(context, candidate, "raw_matches")
    results = raw.filter((pl.col("status") == FINISHED) & pl.col("home_goals").is_not_null())
    stats = _input(context, candidate, "raw_match_stats")
    rules = (
        *_same_rows(results, "every result of the raw table is there", "no result but those of the raw table"),
        _other_statistics(stats),
        NOT_ABSURD,
        Rule("statistics of finished matches", _uncovered, "warning", "finished, but without statistics so far"),
        Rule("walkovers are few", _many_walkovers, "warning", "results without half-time score and statistics"),
        _lost_statistics(context, candidate),
    )
    return judge(
        frame,
        schemas.finished_matches(key.tournament, key.season),
        warnings=schemas.finished_matches_warnings(),
        rules=rules,
        measures=_coverage,
    )


def _coverage(results: pl.DataFrame) -> dict[str, int | float]:
    covered = 1.0 if results.is_empty() else 1.0 - _uncovered(results).height / results.height
    return {"statistics coverage": round(covered, 4), "walkovers": int(results["is_walkover"].sum())}


def _newest_result(context: StageContext, key: DataKey, raw: pl.DataFrame) -> dt.datetime | None:
    """Kick-off of the newest result that is known, in this season or a later one of the tournament: the data's own clock."""
    moments = [raw.filter(pl.col("status") == FINISHED)["kick_off_utc"].max()]
    for partition in context.store.partitions("finished_matches"):
        other = DataKey.parse(partition)
        if other.tournament == key.tournament and other.season > key.season:
            moments.append(context.store.read("finished_matches", partition)["kick_off_utc"].max())
    return max((moment for moment in moments if isinstance(moment, dt.datetime)), default=None)


def validate_fixtures(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """Fixtures: every raw one once with its own values, and none overdue by the order of the results."""
    key = DataKey.parse(candidate.partition)
    raw = _input(context, candidate, "raw_matches")
    fixtures = raw.filter(pl.col("status").is_in([SCHEDULED, POSTPONED]))
    known = fixtures.drop("home_goals", "away_goals", "home_goals_half_time", "away_goals_half_time")

    def overdue(rows: pl.DataFrame) -> pl.DataFrame:
        scheduled = rows.filter(pl.col("status_name") == "scheduled").select(NAMED)
        newest = _newest_result(context, key, raw) if scheduled.height else None
        return scheduled.head(0) if newest is None else scheduled.filter(pl.col("kick_off_utc") < newest)

    def misnamed(rows: pl.DataFrame) -> pl.DataFrame:
        beside = rows.join(raw.select("match_id", "status"), on="match_id")
        postponed = pl.col("status_name") == "postponed"
        return beside.filter(postponed != (pl.col("status") == POSTPONED)).select(*NAMED, "status", "status_name")

    rules = (
        *_same_rows(known, "every fixture of the raw table is there", "no fixture but those of the raw table"),
        Rule("a postponed fixture is called so", misnamed),
        Rule("results in order", overdue, "warning", "still scheduled although a later match is finished"),
    )
    return judge(
        frame,
        schemas.upcoming_matches(key.tournament, key.season),
        rules=rules,
        measures=lambda rows: {"postponed": int((rows["status_name"] == "postponed").sum())},
    )
