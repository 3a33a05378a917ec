"""A season of four results, told and judged."""

from match_assets.gates.verdict import Verdict
from match_assets.source.records import FeedMatch
from match_assets.stages.base import StageContext, judge_candidate, materialise
from match_assets.stages.raw import RAW_MATCHES
from tests.integration.warehouse.telling import PARTITION, Teller, listed

ROUNDS = [
    listed(5000 + number, f"2025-02-{1 + number:02}T15:00", 11 + 2 * number, 12 + 2 * number, (1, 0))
    for number in range(4)
]


def raw(context: StageContext) -> Verdict:
    """``raw_matches`` exported and judged."""
    materialise(RAW_MATCHES, context, PARTITION)
    return judge_candidate(RAW_MATCHES, context, PARTITION)[1]


def told(teller: Teller, rows: list[FeedMatch], missing: tuple[int, ...] = ()) -> None:
    """A visit, and the page of every match that has none."""
    teller.visit(*rows, missing=missing)
    for row in rows:
        if row.status == 6:
            teller.read_page(row.match_id, home=row.home_team_id, away=row.away_team_id)
