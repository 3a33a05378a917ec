"""Match pages: read two or more at a time, and written by one writer that takes whatever has been read meanwhile.

At a polite pace the writer waits for pages and each is committed as it comes; at full speed it takes many at once. So a
run that is killed loses no more than the pages in flight, and a database that stalls stops the readers before long.
"""

import asyncio
from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from match_assets.errors import MatchAssetsError, UnexpectedPageError
from match_assets.source.client import SourceClient
from match_assets.source.parsers import parse_match_page
from match_assets.source.progress import Progress
from match_assets.source.records import MatchPage, Status
from match_assets.source.visiting import now
from match_assets.warehouse import writing
from match_assets.warehouse.gaps import Partition
from match_assets.warehouse.observed import PRESENT, PageObservation, WriteCounts
from match_assets.warehouse.planning import PageWanted

GONE = {404, 410}
# Pages read and not yet committed: what a killed run loses at most.
MOST_IN_FLIGHT = 25


def page_path(match_id: int) -> str:
    """Where a match page lies."""
    return f"/Matches/{match_id}/Live"


class PageReading:
    """Several readers over one list of match pages, and one writer behind them.

    Args:
        client: an entered client; as many pages are read at once as it has.
        engine: the warehouse.
        partition: whose pages they are.
        wanted: the pages, in the order in which they are asked for.
        progress: told how many of how many are read.
        revisit_days: days after kick-off at which a page is read again.
    """

    def __init__(
        self,
        client: SourceClient,
        engine: Engine,
        partition: Partition,
        wanted: Sequence[PageWanted],
        progress: Progress | None,
        *,
        revisit_days: Sequence[int],
    ) -> None:
        self.counts = WriteCounts()
        self.without_statistics: dict[int, str] = {}
        self.disagreements: set[int] = set()
        self.new_keys: set[str] = set()
        self.n_read = 0
        self._client = client
        self._engine = engine
        self._partition = partition
        self._wanted = wanted
        self._queue: Iterator[PageWanted] = iter(wanted)
        self._progress = progress
        self._revisit_days = revisit_days
        self._pending: list[PageObservation] = []
        self._news = asyncio.Event()
        self._room = asyncio.Semaphore(MOST_IN_FLIGHT)
        self._is_read = False
        self._failure: MatchAssetsError | None = None

    async def run(self) -> None:
        """Read all pages, or until one of them must not be passed over; what was read is written either way.

        Raises:
            UnexpectedPageError: a page's layout changed; nothing of that page was written.
            SourceError: as ``SourceClient.page``; likewise.
            DependencyUnavailableError: PostgreSQL is away.
        """
        writer = asyncio.create_task(self._write_on())
        readers = [asyncio.create_task(self._read_on(writer)) for _ in range(self._client.pages_at_once)]
        self._tell()
        try:
            await asyncio.gather(*readers)
        finally:
            for reader in readers:
                reader.cancel()
            self._is_read = True
            self._news.set()
            # also when this task is cancelled: what was read is worth the moment that writing takes
            await writer
        if self._failure is not None:
            raise self._failure

    async def _read_on(self, writer: asyncio.Task[None]) -> None:
        for wanted in self._queue:
            await self._room.acquire()
            if self._failure is not None or writer.done():
                return
            try:
                observation = await self._observe(wanted)
            except MatchAssetsError as error:
                self._failure = self._failure or error
                return
            self._pending.append(observation)
            self.n_read += 1
            self._news.set()
            self._tell()

    async def _write_on(self) -> None:
        """Write what is pending until all is read; an error stops the readers, too."""
        try:
            while self._pending or not self._is_read:
                await self._news.wait()
                self._news.clear()
                batch, self._pending = self._pending, []
                await self._write(batch)
                self._make_room(len(batch))
        except MatchAssetsError as error:
            self._failure = self._failure or error
        finally:
            self._make_room(self._client.pages_at_once)

    def _make_room(self, n_pages: int) -> None:
        for _ in range(n_pages):
            self._room.release()

    async def _write(self, batch: Sequence[PageObservation]) -> None:
        if batch:
            self.counts += await asyncio.to_thread(
                writing.write_pages, self._engine, *self._partition, batch, revisit_days=self._revisit_days
            )
        await self._client.log_fetches()

    def _tell(self) -> None:
        if self._progress and self._wanted:
            self._progress(self.n_read, len(self._wanted))

    async def _observe(self, wanted: PageWanted) -> PageObservation:
        def parse(body: bytes, url: str) -> MatchPage:
            return parse_match_page(body, url, match_id=wanted.match_id)

        page: MatchPage | None = None
        try:
            page = await self._client.page(page_path(wanted.match_id), parse)
        except UnexpectedPageError as error:
            if error.facts.get("http_status") not in GONE:
                raise
            statistics = f"HTTP {error.facts['http_status']} for the match page"
        else:
            statistics = _statistics_state(page, wanted)
            self.new_keys |= set(page.new_keys)
        if statistics != PRESENT:
            self.without_statistics[wanted.match_id] = statistics
        if page and (page.home_score, page.away_score) not in {(None, None), (wanted.home_score, wanted.away_score)}:
            self.disagreements.add(wanted.match_id)
        return PageObservation(
            match_id=wanted.match_id,
            statistics=statistics,
            page=page,
            feed_score=(wanted.home_score, wanted.away_score),
            site_time=wanted.site_time,
            observed_at=now(),
        )


def _statistics_state(page: MatchPage, wanted: PageWanted) -> str:
    """``present``, or why this page gives no statistics.

    Raises:
        UnexpectedPageError: the page shows other teams than the calendar.
    """
    if (page.home_team_id, page.away_team_id) != (wanted.home_team_id, wanted.away_team_id):
        path = page_path(wanted.match_id)
        raise UnexpectedPageError(
            f"{path}: teams {page.home_team_id} and {page.away_team_id}, the calendar has {wanted.home_team_id} and"
            f" {wanted.away_team_id}; nothing of this page was stored. Scrape the calendar",
            url=path,
            part="matchheader.input",
        )
    if page.status != Status.FINISHED:
        return f"the match page still says status {page.status}"
    if not page.has_match_centre:
        return "the match centre is null"
    if all(team.is_empty for team in page.teams):
        return "no statistics were recorded"
    return PRESENT
