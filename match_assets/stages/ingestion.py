"""Stage 1 as the graph sees it: what a visit to the source reports, and the gates on what the warehouse then holds."""

from dataclasses import dataclass

import polars as pl

from match_assets.gates import schemas
from match_assets.gates.counting import calendar_rules, late_results
from match_assets.gates.verdict import ROWS_SHOWN, Rule, Severity, Verdict, judge
from match_assets.keys import DataKey
from match_assets.source.reports import CatalogueReport, MatchesReport, StatisticsReport
from match_assets.stages.base import Fact, StageContext
from match_assets.warehouse.expected import expected
from match_assets.warehouse.gaps import Partition, known_gaps
from match_assets.warehouse.links import SAME_MATCH_DAYS
from match_assets.warehouse.planning import pages_wanted
from match_assets.warehouse.reading import catalogue, lost_results, season_snapshot
from match_assets.warehouse.withdrawals import withdrawn

MATCHES, MATCHES_CHECK = "scraped_matches", "validate_calendar"
STATISTICS, STATISTICS_CHECK = "scraped_match_stats", "validate_coverage"
CATALOGUE, CATALOGUE_CHECK = "tournament_catalog", "validate_catalog"
# the asset that a scraped one follows in the graph
FOLLOWS = {MATCHES: CATALOGUE, STATISTICS: MATCHES}
# kinds of gap that no downstream table may be built over, and those that are shown and asked again later
GAP_SEVERITY: dict[str, Severity] = {
    "quarantined": "error",
    "missing": "warning",
    "statistics": "warning",
    "disagreement": "warning",
    "other source": "warning",
}
# statuses in which two rows of one pairing within a few days cannot both be true: to come, in play, finished
TRUE_ONCE = (1, 3, 4, 6)
LOST_REMEDY = (
    "Look the match up on the site. If it is there under another id or comes back, the next visit finds it. If it is gone "
    'for good, say so: `match-assets source withdraw MATCH_ID --because "annulled by the league"`.'
)
# names of new keys to show
MAX_KEYS = 20


@dataclass(frozen=True)
class Scraped:
    """What a visit left in the warehouse: whether anything changed, the season's revision, and facts to show."""

    changed: bool
    revision: str
    facts: dict[str, Fact]


def _revision(context: StageContext, partition: str) -> str:
    return context.revision(partition) or "nothing scraped"


def scraped_matches(context: StageContext, partition: str, report: MatchesReport) -> Scraped:
    """The visit to a season's calendar as facts."""
    counts = report.counts
    facts: dict[str, Fact] = {
        "requests": report.n_requests,
        "answers of an interrupted visit": report.n_remembered,
        "inserted": counts.inserted,
        "changed": counts.changed,
        "unchanged": counts.unchanged,
        "months asked": ", ".join(report.months_asked) or "none",
        "months left alone": len(report.months_left),
        "source clock": str(report.site_time or "unknown"),
        "seconds": round(report.seconds, 1),
        "new keys": len(report.new_keys),
    }
    if report.new_keys:
        facts["new keys ignored"] = ", ".join(report.new_keys[:MAX_KEYS])
    if report.reason:
        facts["reason"] = report.reason
    return Scraped(counts.inserted + counts.changed > 0, _revision(context, partition), facts)


def scraped_statistics(context: StageContext, partition: str, report: StatisticsReport) -> Scraped:
    """The visit to a season's match pages as facts."""
    counts = report.counts
    facts: dict[str, Fact] = {
        "requests": report.n_requests,
        "pages read": report.n_pages,
        "pages left": report.n_left,
        "pages a minute": round(report.pages_per_minute, 1),
        "seconds": round(report.seconds, 1),
        "inserted": counts.inserted,
        "changed": counts.changed,
        "without statistics": len(report.without_statistics),
        "disagreements with the feed": len(report.disagreements),
        "new keys": len(report.new_keys),
    }
    if report.new_keys:
        facts["new keys ignored"] = ", ".join(report.new_keys[:MAX_KEYS])
    return Scraped(counts.inserted + counts.changed > 0, _revision(context, partition), facts)


@dataclass(frozen=True)
class Catalogued:
    """What the source lists of a tournament: facts to show, and a version that moves with the list alone."""

    version: str
    facts: dict[str, Fact]


def catalogued(report: CatalogueReport, tournament: str) -> Catalogued:
    """The visit to the list of seasons as facts."""
    seasons = report.seasons.get(tournament, ())
    keys = ", ".join(seasons)
    facts: dict[str, Fact] = {"seasons": len(seasons), "keys": keys, "requests": report.n_requests}
    if not seasons:
        facts["reason"] = "the source does not offer this tournament"
    return Catalogued(keys or "none", facts)


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
        "other source": "site and files agree",
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


def lost_results_rule(context: StageContext, partition: str) -> Rule:
    """Every result must still be listed, or under another id: one that vanishes from the calendar is held up here."""
    key = DataKey.parse(partition)
    lost = lost_results(context.engine, key.tournament, key.season)
    rows = pl.DataFrame({"match_id": lost.match_ids}, schema={"match_id": pl.Int64()})
    return Rule("no finished match is lost", lambda _frame: rows, explanation=str(lost), remedy=LOST_REMEDY)


def _twice(frame: pl.DataFrame) -> pl.DataFrame:
    names = ["match_id", "kick_off_utc", "home_team", "away_team", "home_team_id", "away_team_id"]
    rows = frame.filter(pl.col("status").is_in(TRUE_ONCE)).select(names)
    pairs = rows.join(rows, on=["home_team_id", "away_team_id"], suffix="_other")
    days = (pl.col("kick_off_utc_other").dt.date() - pl.col("kick_off_utc").dt.date()).dt.total_days().abs()
    return (
        pairs.filter((pl.col("match_id") < pl.col("match_id_other")) & (days <= SAME_MATCH_DAYS))
        .select("match_id", "match_id_other", "home_team", "away_team", "kick_off_utc", "kick_off_utc_other")
        .sort("match_id", "match_id_other")
    )


def _name_both(offenders: pl.DataFrame) -> str:
    named = offenders.select("match_id", "match_id_other", "home_team", "away_team").head(ROWS_SHOWN).rows()
    return ", ".join(f"{one} and {other} are {home} against {away}" for one, other, home, away in named)


# a pairing may be played four times in a season, but not twice within a few days
ONE_ID_EACH = Rule("a match has one id", _twice, explanation=_name_both)


def validate_calendar(context: StageContext, partition: str) -> Verdict:
    """The season's matches in the warehouse against the calendar: known status, known teams, one id each, none lost."""
    key = DataKey.parse(partition)
    matches, _ = season_snapshot(context.engine, key.tournament, key.season)
    calendar = expected(context.engine, key.tournament, key.season)
    rules = (
        lost_results_rule(context, partition),
        ONE_ID_EACH,
        *gap_rules(context, partition, ("quarantined", "missing", "other source")),
        *calendar_rules(calendar.days, calendar.n_listed),
        late_results(calendar.clocks, late_after_hours=context.params.ingestion.late_after_hours),
    )
    measures = {
        "match days": len(calendar.days),
        "listed by the calendar": calendar.n_listed,
        "withdrawn": len(withdrawn(context.engine, [Partition(key.tournament, key.season)])),
    }
    return judge(matches, schemas.raw_matches(key.tournament, key.season), rules=rules, measures=measures)


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
    """The tournament's seasons on the site: known, each once; files may tell of the same ones."""
    entries = [entry for entry in catalogue(context.engine) if entry.tournament == tournament and entry.season_id > 0]
    schema = {"season": pl.String(), "season_id": pl.Int64(), "name": pl.String()}
    frame = pl.DataFrame([(e.season, e.season_id, e.name) for e in entries], schema=schema, orient="row")

    def doubled(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(rows["name"].is_duplicated())

    return judge(frame, schemas.catalogue(), rules=(Rule("each season stands once", doubled),))
