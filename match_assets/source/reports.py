"""What a scraping run found and did: everything odd is counted here, nothing is dropped in silence."""

import datetime as dt

import msgspec

from match_assets.warehouse.observed import WriteCounts


class CatalogueReport(msgspec.Struct, frozen=True):
    """Seasons found by tournament key, and configured tournaments that the source does not offer."""

    seasons: dict[str, tuple[str, ...]]
    not_offered: tuple[str, ...]
    n_requests: int

    @property
    def partition_keys(self) -> list[str]:
        """``season|tournament`` of every season found, in order of season and tournament."""
        return sorted(f"{season}|{tournament}" for tournament, found in self.seasons.items() for season in set(found))


class MatchesReport(msgspec.Struct, frozen=True):
    """One visit to a season's calendar.

    Attributes:
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        reason: why nothing was done; empty otherwise.
        n_requests: requests sent.
        n_remembered: answers that an interrupted visit had got already; they were not asked for again.
        seconds: how long it took.
        months_asked: months whose feed was read, ``YYYYMM``.
        months_left: months left alone because nothing in them can have changed.
        counts: rows inserted, changed, unchanged, stale.
        site_time: the source's clock at the last answer.
        missing: matches that the calendar no longer lists; they are marked, never deleted.
        quarantined: match id → a status this version does not know; not stored, to be raised by the gate.
        n_shells: records without a match in them, left out.
        time_mismatches: matches whose local and UTC kick-off disagree; the UTC one was stored.
        days_without_matches: match days of the season page on which no feed has a match.
        new_keys: keys of the feeds that no captured one has; they are ignored.
    """

    tournament: str
    season: str
    reason: str = ""
    n_requests: int = 0
    n_remembered: int = 0
    seconds: float = 0.0
    months_asked: tuple[str, ...] = ()
    months_left: tuple[str, ...] = ()
    counts: WriteCounts = WriteCounts()
    site_time: dt.datetime | None = None
    missing: tuple[int, ...] = ()
    quarantined: dict[int, int] = {}
    n_shells: int = 0
    time_mismatches: tuple[int, ...] = ()
    days_without_matches: tuple[dt.date, ...] = ()
    new_keys: tuple[str, ...] = ()


class StatisticsReport(msgspec.Struct, frozen=True):
    """One visit to a season's match pages.

    Attributes:
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        n_requests: requests sent.
        n_pages: pages read.
        n_left: pages that are due and were not read.
        seconds: how long it took.
        counts: rows inserted, changed, unchanged, stale.
        without_statistics: match id → why its page gave none.
        disagreements: matches whose page shows another score than the calendar.
        new_keys: keys of the pages that no captured one has; they are ignored.
    """

    tournament: str
    season: str
    n_requests: int = 0
    n_pages: int = 0
    n_left: int = 0
    seconds: float = 0.0
    counts: WriteCounts = WriteCounts()
    without_statistics: dict[int, str] = {}
    disagreements: tuple[int, ...] = ()
    new_keys: tuple[str, ...] = ()

    @property
    def pages_per_minute(self) -> float:
        """Pace; 0 when nothing was read."""
        return self.n_pages / self.seconds * 60 if self.seconds else 0.0


class SeasonReport(msgspec.Struct, frozen=True):
    """Both visits to one season, or the error that ended them."""

    partition_key: str
    matches: MatchesReport | None = None
    statistics: StatisticsReport | None = None
    error: Exception | None = None


class News(msgspec.Struct, frozen=True):
    """A partition that the source has something new about; ``matches`` counts them by kind of news."""

    partition_key: str
    reason: str
    matches: dict[str, int] = {}
