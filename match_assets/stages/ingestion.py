"""Stage 1 as the graph sees it: what a visit to the source reports, and the gates on what the warehouse then holds."""

from dataclasses import dataclass

import polars as pl

from match_assets.gates import schemas
from match_assets.gates.verdict import Rule, Severity, Verdict, judge
from match_assets.keys import DataKey
from match_assets.source.reports import CatalogueReport, MatchesReport, StatisticsReport
from match_assets.stages.base import Fact, StageContext
from match_assets.warehouse.gaps import known_gaps
from match_assets.warehouse.planning import pages_wanted
from match_assets.warehouse.reading import catalogue, season_revision, season_snapshot

MATCHES, MATCHES_CHECK = "scraped_matches", "validate_calendar"
STATISTICS, STATISTICS_CHECK = "scraped_match_stats", "validate_coverage"
CATALOGUE, CATALOGUE_CHECK = "tournament_catalog", "validate_catalog"
# kinds of gap that no downstream table may be built over, and those that are shown and asked again later
GAP_SEVERITY: dict[str, Severity] = {
    "quarantined": "error",
    "missing": "warning",
    "statistics": "warning",
    "disagreement": "warning",
}


@dataclass(frozen=True)
class Scraped:
    """What a visit left in the warehouse: whether anything changed, the season's revision, and facts to show."""

    changed: bool
    revision: str
    facts: dict[str, Fact]


def _revision(context: StageContext, partition: str) -> str:
    return season_revision(context.engine).get(partition, "nothing scraped")


def scraped_matches(context: StageContext, partition: str, report: MatchesReport) -> Scraped:
    """The visit to a season's calendar as facts."""
    counts = report.counts
    facts: dict[str, Fact] = {
        "requests": report.n_requests,
        "inserted": counts.inserted,
        "changed": counts.changed,
        "unchanged": counts.unchanged,
        "months asked": ", ".join(report.months_asked) or "none",
        "months left alone": len(report.months_left),
        "source clock": str(report.site_time or "unknown"),
    }
    if report.reason:
        facts["reason"] = report.reason
    return Scraped(counts.inserted + counts.changed > 0, _revision(context, partition), facts)


def scraped_statistics(context: StageContext, partition: str, report: StatisticsReport) -> Scraped:
    """The visit to a season's match pages as facts."""
    counts = report.counts
    facts: dict[str, Fact] = {
        "requests": report.n_requests,
        "pages read": report.n_pages,
        "inserted": counts.inserted,
        "changed": counts.changed,
        "without statistics": len(report.without_statistics),
        "disagreements with the feed": len(report.disagreements),
    }
    return Scraped(counts.inserted + counts.changed > 0, _revision(context, partition), facts)


def catalogue_facts(report: CatalogueReport, tournament: str) -> dict[str, Fact]:
    """The visit to the list of seasons as facts."""
    seasons = report.seasons.get(tournament, ())
    facts: dict[str, Fact] = {"seasons": len(seasons), "keys": ", ".join(seasons), "requests": report.n_requests}
    if not seasons:
        facts["reason"] = "the source does not offer this tournament"
    return facts


def gap_rules(context: StageContext, partition: str, kinds: tuple[str, ...]) -> tuple[Rule, ...]:
    """A rule for each kind of known gap of a season; what no table may be built over is an error."""
    key = DataKey.parse(partition)
    gaps = [gap for gap in known_gaps(context.engine, key.tournament, key.season) if gap.kind in kinds]
    frames = {
        kind: pl.DataFrame(
            [{"match_id": gap.match_id, "reason": gap.reason} for gap in gaps if gap.kind == kind],
            schema={"match_id": pl.Int64(), "reason": pl.String()},
        )
        for kind in kinds
    }
    names = {
        "quarantined": "every status is known",
        "missing": "every match is still in the calendar",
        "statistics": "statistics are there",
        "disagreement": "feed and match page agree",
    }
    return tuple(
        Rule(names[kind], lambda _frame, kind=kind: frames[kind], GAP_SEVERITY[kind])  # type: ignore[misc]
        for kind in kinds
    )


def unread_pages(context: StageContext, partition: str) -> Rule:
    """No finished match may wait for its page: without it a result on the pitch looks like a walkover."""
    key = DataKey.parse(partition)
    unread = [
        {"match_id": page.match_id, "home_team_id": page.home_team_id, "away_team_id": page.away_team_id}
        for page in pages_wanted(context.engine, key.tournament, key.season)
        if page.reason == "never read"
    ]
    rows = pl.DataFrame(unread, schema={"match_id": pl.Int64, "home_team_id": pl.Int64, "away_team_id": pl.Int64})
    return Rule("the page of every finished match was read", lambda _frame: rows)


def validate_calendar(context: StageContext, partition: str) -> Verdict:
    """The season's matches in the warehouse against the calendar: known status, known teams, none lost."""
    key = DataKey.parse(partition)
    matches, _ = season_snapshot(context.engine, key.tournament, key.season)
    rules = gap_rules(context, partition, ("quarantined", "missing"))
    return judge(matches, schemas.raw_matches(key.tournament, key.season), rules=rules)


def validate_coverage(context: StageContext, partition: str) -> Verdict:
    """The season's match pages against its results: every page read, statistics on both sides."""
    key = DataKey.parse(partition)
    matches, stats = season_snapshot(context.engine, key.tournament, key.season)
    rules = (unread_pages(context, partition), *gap_rules(context, partition, ("statistics", "disagreement")))
    finished = int((matches["status"] == 6).sum())
    coverage = stats["match_id"].n_unique() / finished if finished else 1.0
    schema = schemas.raw_match_stats()
    return judge(
        stats, schema, warnings=schemas.raw_match_stats_warnings(), rules=rules, measures={"coverage": coverage}
    )


def validate_catalogue(context: StageContext, tournament: str) -> Verdict:
    """The tournament's seasons: known, each once."""
    entries = [entry for entry in catalogue(context.engine) if entry.tournament == tournament]
    schema = {"season": pl.String(), "season_id": pl.Int64(), "name": pl.String()}
    frame = pl.DataFrame([(e.season, e.season_id, e.name) for e in entries], schema=schema, orient="row")

    def doubled(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(rows["name"].is_duplicated())

    return judge(frame, schemas.catalogue(), rules=(Rule("each season stands once", doubled),))
