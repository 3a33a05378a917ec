"""Keeps the snapshot in service current, in the background; a failure leaves the last good one where it is."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from match_assets.config import Params
from match_assets.errors import DataError, MatchAssetsError, ModelError
from serving.feature_sets import FeatureSets, FeatureSource, LocalCopies, read_feature_sets
from serving.metrics import SnapshotMetrics
from serving.models import ChampionVersion, LocalChampion, ModelSource
from serving.problems import RefusedRequestError
from serving.snapshots import Champion, Snapshot, build_snapshot

LOGGER = logging.getLogger(__name__)

# a champion that could not be taken is not fetched again before this many seconds
SECONDS_BEFORE_RETRY = 60.0
NO_CHAMPION = "no champion is registered yet; materialise promotion_decision"


class SnapshotKeeper:
    """Two loops, one for the champion and one for the features, so that neither waits for the other's server."""

    def __init__(
        self,
        features: FeatureSource,
        models: ModelSource,
        params: Params,
        folder: Path,
        metrics: SnapshotMetrics,
        *,
        champion_copy: LocalChampion | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._features = features
        self._models = models
        self._params = params
        self._copies = LocalCopies(folder / "features")
        self._champion_copy = champion_copy or LocalChampion(folder / "model")
        self._metrics = metrics
        self._clock = clock
        self._champion: Champion | None = None
        self._sets: FeatureSets | None = None
        self._current: Snapshot | None = None
        self._swap = asyncio.Lock()
        self._seen: dict[str, float] = {}
        self._refused: tuple[str, float, str] | None = None
        self.faults: dict[str, str] = {}
        for part in ("model", "features"):
            metrics.watch_age(part, lambda part=part: self.age(part))  # type: ignore[misc]

    @property
    def current(self) -> Snapshot | None:
        """The snapshot in service, or None before the first."""
        return self._current

    def snapshot(self) -> Snapshot:
        """The snapshot in service.

        Raises:
            RefusedRequestError: 503, nothing can be served yet; the message says what is missing.
        """
        if self._current is None:
            reasons = "; ".join(f"{part}: {fault}" for part, fault in sorted(self.faults.items()))
            raise RefusedRequestError(
                503, f"no predictions to serve yet ({reasons or 'the first refresh is under way'})"
            )
        return self._current

    def age(self, part: str) -> float | None:
        """Seconds since ``part`` was last found current at its source; None before the first time."""
        seen = self._seen.get(part)
        return None if seen is None else self._clock() - seen

    async def run(self) -> None:
        """Restores the local copies, then refreshes both parts for ever."""
        await self.restore()
        await asyncio.gather(self._repeat("features", self.refresh_features), self._repeat("model", self.refresh_model))

    async def restore(self) -> None:
        """Puts the last good local copies in service, so that a start needs neither store nor registry."""
        champion, sets = await asyncio.to_thread(lambda: (self._champion_copy.load(), self._copies.load()))
        try:
            await self._put(champion=champion, sets=sets)
        except MatchAssetsError as error:
            # copies of other parameters or of another release: wait for the real ones
            LOGGER.info("the local copies cannot be served: %s", error.message)

    async def refresh_features(self) -> None:
        """Takes newly accepted objects into service.

        Raises:
            MatchAssetsError: the store does not answer; what is in service stays.
        """
        before = self._sets
        sets, faults = await asyncio.to_thread(
            read_feature_sets, self._features, before, self._copies, self._params.features
        )
        if not sets.same_objects(before):
            await self._put(sets=sets)
        self._note("features", "; ".join(faults) or (None if sets.held else "nothing has been accepted yet"))

    async def refresh_model(self) -> None:
        """Takes a new champion into service, once it is loaded and has predicted every known fixture.

        Raises:
            MatchAssetsError: the registry does not answer, or the new champion cannot be served; the old one stays.
        """
        found = await asyncio.to_thread(self._models.champion)
        if found is None:
            self._note("model", NO_CHAMPION)
            return
        held = self._champion
        # a registry made anew counts its versions from 1 again: the tags tell its version 1 from the one held
        if held is None or (held.version, held.tags) != (found.version, found.tags):
            if self._refused and self._refused[0] == found.version and self._clock() < self._refused[1]:
                self._note("model", self._refused[2])
                return
            await self._take(found)
        self._note("model", None)

    async def _take(self, found: ChampionVersion) -> None:
        try:
            fetched = await asyncio.to_thread(self._champion_copy.fetch, self._models, found)
            try:
                await self._put(champion=fetched.champion)
            except BaseException:
                await asyncio.to_thread(self._champion_copy.drop, fetched)
                raise
        except (ModelError, DataError) as error:
            self._refused = (found.version, self._clock() + SECONDS_BEFORE_RETRY, error.message)
            raise
        await asyncio.to_thread(self._champion_copy.keep, fetched)

    async def _put(self, *, champion: Champion | None = None, sets: FeatureSets | None = None) -> None:
        """Builds the snapshot with these new parts and puts it in service whole, or raises and changes nothing."""
        async with self._swap:
            champion, sets = champion or self._champion, sets or self._sets
            if champion and sets and sets.held:
                built = await asyncio.to_thread(build_snapshot, champion, sets, self._params.features, self._current)
                self._current = built
                self._metrics.swaps.inc()
                self._metrics.fixtures.set(len(built.fixtures))
                self._metrics.serve_model(champion.version, built.feature_version, champion.cutoff)
            self._champion, self._sets = champion, sets

    def _note(self, part: str, fault: str | None) -> None:
        """Remembers how the last refresh of a part went; a new fault is logged and counted once per refresh."""
        if fault is None:
            self._seen[part] = self._clock()
            if self.faults.pop(part, None):
                LOGGER.info("%s is current again", part)
            return
        if self.faults.get(part) != fault:
            LOGGER.warning("%s: %s", part, fault)
        self.faults[part] = fault
        self._metrics.refresh_failures.labels(part).inc()

    async def _repeat(self, part: str, refresh: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await refresh()
            except MatchAssetsError as error:
                self._note(part, error.message)
            except Exception as error:  # an edge: the loop must outlive any fault
                LOGGER.exception("refreshing %s failed", part)
                self._note(part, f"unexpected {type(error).__name__}, see the log")
            # jitter: many processes started together must not ask together for ever
            await asyncio.sleep(self._params.service.refresh_seconds * random.uniform(0.8, 1.2))  # noqa: S311
