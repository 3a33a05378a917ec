"""``validate_raw``: what was exported against its schema, the warehouse's knowledge of gaps, the calendar and the clock."""

import polars as pl

from match_assets.gates import schemas
from match_assets.gates.counting import (
    EVERY_PAIRING,
    FINISHED,
    ONE_AT_A_TIME,
    ONE_NAME,
    ONE_TEAM,
    calendar_rules,
    late_results,
)
from match_assets.gates.verdict import Rule, Verdict, judge
from match_assets.keys import DataKey
from match_assets.stages.base import StageContext
from match_assets.stages.ingestion import ONE_ID_EACH, gap_rules, lost_results_rule, unread_pages
from match_assets.store import Pointer
from match_assets.warehouse.expected import expected
from match_assets.warehouse.gaps import Partition
from match_assets.warehouse.reading import season_matches, superseded
from match_assets.warehouse.withdrawals import withdrawn


def _accepted_results(context: StageContext, partition: str) -> Rule:
    """Finished matches never leave: one that the accepted version holds must still be there, under whatever id.

    But a person may have withdrawn it.
    """
    key = DataKey.parse(partition)
    pointer = context.store.pointer("raw_matches", partition)
    before = context.store.read_object(pointer.sha256) if pointer else None

    def offenders(frame: pl.DataFrame) -> pl.DataFrame:
        if before is None:
            return frame.head(0)
        finished = before.filter(pl.col("status") == FINISHED)
        gone = finished.join(frame, on="match_id", how="anti")
        if gone.is_empty():
            return gone
        taken_out = [match.match_id for match in withdrawn(context.engine, [Partition(key.tournament, key.season)])]
        gone = gone.filter(~pl.col("match_id").is_in(taken_out))
        renewed = superseded(context.engine, key.tournament, key.season)
        held = frame.filter(pl.col("status") == FINISHED).select("match_id")
        successor = pl.col("match_id").replace_strict(renewed, default=None, return_dtype=pl.Int64)
        return gone.join(held, left_on=successor, right_on="match_id", how="anti").select(before.columns)

    return Rule("accepted results stay", offenders, explanation="the accepted version held these matches")


def validate_matches(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """The season's matches: possible, complete by the calendar, none lost, one id and one name each, results on time."""
    partition = candidate.partition
    key = DataKey.parse(partition)
    calendar = expected(context.engine, key.tournament, key.season)
    rules = (
        lost_results_rule(context, partition),
        _accepted_results(context, partition),
        ONE_ID_EACH,
        ONE_AT_A_TIME,
        *gap_rules(context, partition, ("quarantined", "other source")),
        unread_pages(context, partition),
        *calendar_rules(calendar.days, calendar.n_listed),
        late_results(calendar.clocks, late_after_hours=context.params.ingestion.late_after_hours),
        EVERY_PAIRING,
        ONE_NAME,
        ONE_TEAM,
    )
    return judge(
        frame,
        schemas.raw_matches(key.tournament, key.season),
        rules=rules,
        measures=lambda rows: {
            "finished": int((rows["status"] == FINISHED).sum()),
            "match days": len(calendar.days),
            "listed by the calendar": calendar.n_listed,
        },
    )


def _their_matches(context: StageContext, candidate: Pointer) -> pl.DataFrame:
    """The matches that the statistics were exported beside: of one state of the warehouse, judged or not."""
    matches = context.store.candidate("raw_matches", candidate.partition)
    if matches is not None and matches.inputs == candidate.inputs:
        return context.store.read_object(matches.sha256)
    key = DataKey.parse(candidate.partition)
    return season_matches(context.engine, key.tournament, key.season)


def validate_statistics(context: StageContext, candidate: Pointer, frame: pl.DataFrame) -> Verdict:
    """The season's statistics: possible, of both sides, of teams that played that match; how many results have them."""
    matches = _their_matches(context, candidate)
    results = matches.filter((pl.col("status") == FINISHED) & pl.col("home_goals").is_not_null())

    def orphans(stats: pl.DataFrame) -> pl.DataFrame:
        return stats.join(matches, on="match_id", how="anti")

    def strangers(stats: pl.DataFrame) -> pl.DataFrame:
        teams = matches.select("match_id", "home_team_id", "away_team_id")
        own = pl.when("is_home").then("home_team_id").otherwise("away_team_id")
        return stats.join(teams, on="match_id").filter(pl.col("team_id") != own)

    def one_sided(stats: pl.DataFrame) -> pl.DataFrame:
        return stats.filter(pl.len().over("match_id") != 2)

    def early(stats: pl.DataFrame) -> pl.DataFrame:
        open_ones = matches.filter(pl.col("status") != FINISHED).select("match_id", "status")
        return stats.join(open_ones, on="match_id").select("match_id", "team_id", "status")

    def scored_more(stats: pl.DataFrame) -> pl.DataFrame:
        goals = results.select("match_id", "home_goals", "away_goals")
        own = pl.when("is_home").then("home_goals").otherwise("away_goals")
        beside = stats.join(goals, on="match_id").with_columns(goals=own).drop("home_goals", "away_goals")
        return beside.filter(pl.col("goals") > pl.col("shots"))

    rules = (
        Rule("statistics belong to a known match", orphans),
        Rule("statistics are of the match's own teams", strangers, explanation="the side's team is another one"),
        Rule("statistics of both sides", one_sided, explanation="a match has the statistics of one side only"),
        Rule("statistics of a finished match", early, explanation="the match has no result"),
        unread_pages(context, candidate.partition),
        Rule("goals within shots", scored_more, "warning", "own goals count for the other side, and providers err"),
    )

    def coverage(stats: pl.DataFrame) -> dict[str, int | float]:
        covered = stats.join(results, on="match_id", how="semi")["match_id"].n_unique()
        return {"coverage": round(covered / results.height, 4) if results.height else 1.0}

    return judge(
        frame,
        schemas.raw_match_stats(),
        warnings=schemas.raw_match_stats_warnings(),
        rules=rules,
        measures=coverage,
    )
