"""One pace, one daily budget and one circuit for all processes that ask a site: they stand in PostgreSQL.

A request takes its moment when the moment is there, never ahead of it: a site that told one process to wait, or refused
it, is thereby kept from every other process's next request too. When the interval is so short that asking the database
would cost more than it, a process takes several moments at once, never more than half a second's worth.
"""

import asyncio
import random
import time
from functools import partial

from sqlalchemy import Connection, Engine, TextClause, text

from match_assets.errors import SourceBudgetError
from match_assets.source import circuit
from match_assets.warehouse.database import in_transaction, unavailable_is_named

# Below this interval moments are taken in batches: 0.05 s is 1,200 requests a minute, far above any polite pace.
BATCHED_BELOW_SECONDS = 0.05
BATCH_SECONDS = 0.5
MAX_BATCH = 1_000
# several that waited for one moment try again at slightly different times
CROWD_SECONDS = 0.02
NO_BUDGET = 2**31 - 1

_chance = random.SystemRandom()

_TAKE = text(
    """
    INSERT INTO source_pace AS pace (host, next_allowed_at, day, n_today)
    SELECT :host, clock_timestamp() + make_interval(secs => :interval * :n), (now() AT TIME ZONE 'UTC')::date, :n
    WHERE :n <= :budget AND NOT EXISTS (SELECT FROM circuits WHERE host = :host AND closed_until > clock_timestamp())
    ON CONFLICT (host) DO UPDATE SET
        next_allowed_at = clock_timestamp() + make_interval(
            secs => greatest(:interval, coalesce(pace.crawl_delay_seconds, 0)) * :n),
        day = excluded.day,
        n_today = CASE WHEN pace.day = excluded.day THEN pace.n_today ELSE 0 END + :n
    WHERE pace.next_allowed_at <= clock_timestamp()
      AND CASE WHEN pace.day = excluded.day THEN pace.n_today ELSE 0 END + :n <= :budget
      AND (:n = 1 OR coalesce(pace.crawl_delay_seconds, 0) <= :interval)
    RETURNING coalesce(crawl_delay_seconds, 0) AS crawl_delay
    """
)
_LOOK = text(
    """
    SELECT extract(epoch FROM next_allowed_at - clock_timestamp())::float AS wait_seconds,
           coalesce(crawl_delay_seconds, 0) AS crawl_delay, day,
           CASE WHEN day = (now() AT TIME ZONE 'UTC')::date THEN n_today ELSE 0 END AS n_today
    FROM source_pace WHERE host = :host
    """
)
_HOLD = text(
    """
    INSERT INTO source_pace AS pace (host, next_allowed_at)
    VALUES (:host, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (host) DO UPDATE
        SET next_allowed_at = greatest(pace.next_allowed_at, clock_timestamp() + make_interval(secs => :seconds))
    """
)
_OBEY = text("UPDATE source_pace SET crawl_delay_seconds = nullif(:seconds, 0.0) WHERE host = :host")
_GIVE_BACK = text(
    """
    UPDATE source_pace SET n_today = greatest(0, n_today - :n)
    WHERE host = :host AND day = (now() AT TIME ZONE 'UTC')::date
    """
)


class Pace:
    """Gives out moments at which ``host`` may be asked.

    Args:
        engine: the warehouse, whose clock is the only one that counts.
        host: host and port of the site; all processes that name the same one share pace, budget and circuit.
        requests_per_minute: of all processes together.
        requests_per_day: of all processes together in a day of UTC; ``None`` for no limit.
    """

    def __init__(
        self, engine: Engine, host: str, requests_per_minute: float, requests_per_day: int | None = None
    ) -> None:
        self._engine = engine
        self._host = host
        self._interval = 60.0 / requests_per_minute
        self._budget = requests_per_day or NO_BUDGET
        # what robots.txt asks for is learnt with the first moment, which is therefore always taken alone
        self._crawl_delay: float | None = None
        self._moments: list[float] = []
        self._last_passed = float("-inf")
        self._taking = asyncio.Lock()

    @property
    def interval_seconds(self) -> float:
        """Seconds between two requests."""
        return max(self._interval, self._crawl_delay or 0.0)

    async def wait(self) -> None:
        """Return when a request may be sent.

        Raises:
            SourceBudgetError: today's requests are spent.
            SourceBlockedError: the circuit is open, whoever opened it.
            DependencyUnavailableError: PostgreSQL is away; without the shared pace nothing may be asked.
        """
        async with self._taking:
            while not self._moments:
                await self._sleep_until(self._last_passed + self.interval_seconds)
                pause = await asyncio.to_thread(self._take)
                if not self._moments:
                    await asyncio.sleep(pause)
            moment = self._moments.pop()
            if self.interval_seconds < BATCHED_BELOW_SECONDS:
                await self._sleep_until(moment)
            self._last_passed = time.monotonic()

    async def hold(self, seconds: float) -> None:
        """Let nobody ask before ``seconds`` have passed: the site said so."""
        self._moments.clear()
        await self._write(_HOLD, seconds=seconds)

    async def obey(self, crawl_delay_seconds: float) -> None:
        """Keep what robots.txt asks for, zero for nothing; every process does from its next request on."""
        self._crawl_delay = crawl_delay_seconds
        if crawl_delay_seconds > self._interval:
            self._moments.clear()
        await self._write(_OBEY, seconds=crawl_delay_seconds)

    async def give_back(self) -> None:
        """Return what was taken and not used, so that it can be asked for another time today."""
        unused, self._moments = len(self._moments), []
        if unused:
            await self._write(_GIVE_BACK, n=unused)

    async def _write(self, statement: TextClause, **parameters: float) -> None:
        def work(connection: Connection) -> None:
            connection.execute(statement, {"host": self._host, **parameters})

        await asyncio.to_thread(in_transaction, self._engine, work)

    async def _sleep_until(self, moment: float) -> None:
        # a sleep that overran must not bring the next request closer
        delay = moment - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)

    def _take(self) -> float:
        """Take the moments that are there, latest first on this process's monotonic clock; else how long to wait."""
        is_batched = self._crawl_delay is not None and self.interval_seconds < BATCHED_BELOW_SECONDS
        wanted = min(MAX_BATCH, int(BATCH_SECONDS / self._interval)) if is_batched else 1
        for n_moments in dict.fromkeys((wanted, 1)):
            parameters = {"host": self._host, "interval": self._interval, "n": n_moments, "budget": self._budget}
            crawl_delay = in_transaction(self._engine, partial(_first_value, statement=_TAKE, parameters=parameters))
            if crawl_delay is not None:
                self._crawl_delay = float(crawl_delay)
                first = time.monotonic()
                self._moments = [first + position * self._interval for position in reversed(range(n_moments))]
                return 0.0
        return self._seconds_to_wait()

    def _seconds_to_wait(self) -> float:
        """Until the next moment, and a little more by chance: others wait for the same one."""
        circuit.require_closed(self._engine, self._host)
        with unavailable_is_named(self._engine), self._engine.connect() as connection:
            row = connection.execute(_LOOK, {"host": self._host}).one_or_none()
        if row is None:
            return 0.0
        self._crawl_delay = float(row.crawl_delay)
        if row.n_today >= self._budget:
            raise SourceBudgetError(
                f"{self._host}: the {self._budget} requests of {row.day} (UTC) are spent. What was stored stays; run the"
                " same again tomorrow, or raise MATCH_ASSETS_REQUESTS_PER_DAY if the site agrees",
                host=self._host,
                budget=self._budget,
                day=row.day,
            )
        return max(0.0, float(row.wait_seconds)) + _chance.uniform(0.0, CROWD_SECONDS)


def _first_value(connection: Connection, *, statement: TextClause, parameters: dict[str, object]) -> float | None:
    value: float | None = connection.execute(statement, parameters).scalar_one_or_none()
    return value
