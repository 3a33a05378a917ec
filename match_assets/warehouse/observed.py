"""One observation of a match against what the warehouse holds: which of the two stands.

The newest observation of a key wins, whatever the order of arrival: by the source's own clock, then by ours, then (for
two different contents of one instant) by the content's hash, so that any interleaving of writers ends in one state. A
page without statistics is never the newer one of a page that has them: a match centre that is gone says nothing about
the match.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple

import msgspec

from match_assets.source.records import FeedMatch, MatchPage, TeamStatistics

PRESENT = "present"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Verdict = Literal["insert", "change", "seen again", "stale"]
Order = tuple[bool, dt.datetime, dt.datetime, str]
# columns of a stored match that its next observation does not carry on as content
_NOT_CONTENT = frozenset(
    {"match_id", "site_time", "observed_at", "content_hash", "missing_since", "feed_month", "superseded_by"}
)


class Observation(msgspec.Struct, frozen=True, dict=True):
    """A content of one match as seen at one time; ``row`` holds the columns to store beside the observation's own.

    What follows from the content is worked out once, when it is first asked for: tens of thousands of them pass here.
    """

    match_id: int
    site_time: dt.datetime
    observed_at: dt.datetime
    content: dict[str, Any]
    row: dict[str, Any]

    @property
    def has_statistics(self) -> bool:
        """True for a page with statistics, which one without never replaces."""
        return self.row.get("statistics") == PRESENT

    @cached_property
    def document(self) -> bytes:
        """The content as canonical JSON: keys sorted."""
        return msgspec.json.encode(self.content, order="sorted")

    @cached_property
    def content_hash(self) -> str:
        """First 32 hex digits of the SHA-256 of the content's canonical JSON."""
        return hashlib.sha256(self.document).hexdigest()[:32]

    @property
    def order(self) -> Order:
        """What decides between two observations of one match: the greater stands."""
        return (self.has_statistics, self.site_time, self.observed_at, self.content_hash)


class PageObservation(msgspec.Struct, frozen=True):
    """A match page as read, or why it has no statistics; ``feed_score`` is the result for which it was asked."""

    match_id: int
    statistics: str
    page: MatchPage | None
    feed_score: tuple[int | None, int | None]
    site_time: dt.datetime
    observed_at: dt.datetime

    @property
    def teams(self) -> tuple[TeamStatistics, ...]:
        """Both teams' statistics, none unless they are present."""
        return self.page.teams if self.page is not None and self.statistics == PRESENT else ()


class WriteCounts(msgspec.Struct, frozen=True):
    """What a batch did to the warehouse.

    ``stale`` observations were older than what stood there, ``duplicates`` older than another of the batch or equal to
    it. ``contested`` counts, over and above, two different contents of one instant: the greater hash stands.
    """

    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    duplicates: int = 0
    contested: int = 0

    def __add__(self, other: "WriteCounts") -> "WriteCounts":
        return WriteCounts(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class Settled(NamedTuple):
    """The standing observation of each match, sorted by match, and how many were set aside for them.

    ``n_contested`` of those set aside were of the very instant of the one that stands, with another content.
    """

    standing: list[Observation]
    n_duplicates: int
    n_contested: int


def match_observation(
    match: FeedMatch,
    *,
    tournament: str,
    season: str,
    season_id: int,
    month: str,
    site_time: dt.datetime,
    observed_at: dt.datetime,
) -> Observation:
    """A feed row as it is to be stored; goals are set for results after ninety minutes alone."""
    content = {
        "tournament": tournament,
        "season": season,
        "season_id": season_id,
        "stage_id": match.stage_id,
        "status": match.status,
        "elapsed": match.elapsed,
        "kick_off_utc": match.kick_off_utc,
        "is_kick_off_time_known": match.is_kick_off_time_known,
        "home_team_id": match.home_team_id,
        "away_team_id": match.away_team_id,
        "home_team": match.home_team,
        "away_team": match.away_team,
        "home_score": match.home_score,
        "away_score": match.away_score,
        "home_goals": match.home_score if match.is_result else None,
        "away_goals": match.away_score if match.is_result else None,
    }
    row = {**content, "missing_since": None, "feed_month": month}
    return Observation(match.match_id, site_time, observed_at, {**content, "is_missing": False}, row)


def missing_observation(current: Mapping[str, Any], *, site_time: dt.datetime, observed_at: dt.datetime) -> Observation:
    """The stored match ``current``, no longer listed by the calendar; its mark is the source's time of the last listing."""
    content = {name: value for name, value in current.items() if name not in _NOT_CONTENT}
    missing_since = current["missing_since"] or current["site_time"]
    row = {**content, "missing_since": missing_since, "feed_month": current["feed_month"]}
    return Observation(current["match_id"], site_time, observed_at, {**content, "is_missing": True}, row)


def page_observation(observed: PageObservation) -> Observation:
    """A match page as it is to be stored; what the feed showed then is no part of the content."""
    page = observed.page
    content: dict[str, Any] = {
        "statistics": observed.statistics,
        "home_score": page.home_score if page else None,
        "away_score": page.away_score if page else None,
        "home_goals_half_time": page.home_score_half_time if page else None,
        "away_goals_half_time": page.away_score_half_time if page else None,
    }
    row = {**content, "attempts": 0}
    content["teams"] = [msgspec.to_builtins(team) for team in observed.teams]
    return Observation(observed.match_id, observed.site_time, observed.observed_at, content, row)


def newest(observations: Iterable[Observation]) -> Settled:
    """The standing observation of each match among ``observations``."""
    seen = list(observations)
    standing: dict[int, Observation] = {}
    for observation in seen:
        held = standing.get(observation.match_id)
        if held is None or observation.order > held.order:
            standing[observation.match_id] = observation
    set_aside = [item for item in seen if item is not standing[item.match_id]]
    n_contested = sum(_is_of_one_instant(standing[item.match_id].order, item.order) for item in set_aside)
    return Settled([standing[match_id] for match_id in sorted(standing)], len(seen) - len(standing), n_contested)


def order(row: Mapping[str, Any]) -> Order:
    """What decides between the stored ``row`` and another observation of its match: the greater stands."""
    return (row.get("statistics") == PRESENT, row["site_time"], row["observed_at"], row["content_hash"])


def verdict(current: Mapping[str, Any] | None, observation: Observation) -> Verdict:
    """What becomes of ``observation`` beside the stored row ``current``."""
    if current is None:
        return "insert"
    if observation.content_hash == current["content_hash"]:
        return "seen again"
    return "change" if observation.order > order(current) else "stale"


def is_contested(current: Mapping[str, Any] | None, observation: Observation) -> bool:
    """Whether the stored row shows another content of the very instant of ``observation``."""
    return current is not None and _is_of_one_instant(order(current), observation.order)


def _is_of_one_instant(one: Order, other: Order) -> bool:
    return one[:-1] == other[:-1] and one[-1] != other[-1]
