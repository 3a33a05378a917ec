"""PG-06: any batch, any number of times, in any order, through any connection, killed around its commit.

Against a model that knows one rule: of each match's observations the newest stands.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, select, text

from match_assets.warehouse import files, observed, writing
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.observed import PRESENT, Observation
from match_assets.warehouse.schema import match_pages, match_stats, matches, observations
from tests.integration.warehouse.telling import (
    KEY,
    SEASON,
    SEASON_ID,
    START,
    Teller,
    batch,
    file_season,
    filed,
    listed,
    month,
    page,
)

SITE, FILE = (5001, 5002), (-1, -2)
NO_CENTRE = "the match centre is null"
MINUTES, SCORES = st.integers(0, 4), st.integers(0, 3)
# at which of its two points around the commit a writer dies, if it does
DEATHS = st.sampled_from([None, None, None, "before_commit", "after_commit"])


class KilledError(Exception):
    """What the process's death is to the transaction under way."""


def at(minutes: int) -> dt.datetime:
    return START + dt.timedelta(minutes=minutes)


class Replay(RuleBasedStateMachine):
    """Writers that die and repeat themselves; ``newest`` is the model: match and surface to its greatest observation."""

    engines: ClassVar[list[Engine]] = []
    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        self.newest: dict[tuple[str, int], Observation] = {}
        self.shots: dict[str, int] = {}

    @initialize()
    def begin(self) -> None:
        """An empty warehouse."""
        with self.engines[0].begin() as connection:
            connection.execute(text("TRUNCATE tournaments, teams, observations, gaps CASCADE"))
        Teller(self.engines[0])

    @rule(
        target=batches,
        rows=st.lists(st.tuples(st.sampled_from(SITE), SCORES), min_size=1, max_size=4),
        site=MINUTES,
        ours=MINUTES,
    )
    def a_calendar(self, rows: list[tuple[int, int]], site: int, ours: int) -> Any:
        """A month's feed; a match may stand in it twice."""
        shown = [listed(key, "2025-02-01", 2 * key % 20 + 11, 2 * key % 20 + 12, (score, 0)) for key, score in rows]
        return self._write("calendar", batch(writing.ObservedMonth(month(shown, at(site)).feed, at(ours))))

    @rule(target=batches, match_id=st.sampled_from(SITE), site=MINUTES, ours=MINUTES, shots=st.none() | SCORES)
    def a_page(self, match_id: int, site: int, ours: int, shots: int | None) -> Any:
        """A match page with or without statistics."""
        kind = {"statistics": NO_CENTRE} if shots is None else {"shots": shots}
        found = page(match_id, at(site), home=2 * match_id % 20 + 11, away=2 * match_id % 20 + 12, **kind)
        return self._write("page", msgspec.structs.replace(found, observed_at=at(ours)))

    @rule(target=batches, scores=st.lists(SCORES, min_size=2, max_size=2), site=MINUTES)
    def a_file(self, scores: list[int], site: int) -> Any:
        """A file, whose first match is the site's first."""
        first, second = (2 * SITE[0] % 20 + 11, 2 * SITE[0] % 20 + 12), (38, 39)
        rows = [
            filed(key, "2025-02-01", *teams, (score, 0))
            for key, teams, score in zip(FILE, (first, second), scores, strict=True)
        ]
        return self._write("file", file_season(rows, at(site)))

    @rule(batch=batches, engine=st.integers(0, 1), death=DEATHS)
    def again(self, batch: tuple[str, Any], engine: int, death: str | None) -> None:
        """A batch of before, late."""
        self._write(*batch, engine, death)

    def _write(self, kind: str, content: Any, engine: int = 0, death: str | None = None) -> tuple[str, Any]:
        """Any batch but a page of a match that is not known."""
        if kind == "page" and ("feed", content.match_id) not in self.newest:
            return kind, content
        write = getattr(self, f"_write_{kind}")
        with pytest.MonkeyPatch.context() as patch:
            for module in (writing, files):
                patch.setattr(module, "killpoint", _dying(death))
            try:
                write(self.engines[engine], content)
            except KilledError:
                if death == "before_commit":
                    return kind, content
        self._learn(kind, content)
        return kind, content

    def _write_calendar(self, engine: Engine, content: writing.SeasonBatch) -> None:
        writing.write_season(engine, content)

    def _write_page(self, engine: Engine, content: writing.PageObservation) -> None:
        writing.write_pages(engine, KEY, SEASON, [content])

    def _write_file(self, engine: Engine, content: files.FileSeason) -> None:
        files.write_file_season(engine, content)

    def _learn(self, kind: str, content: Any) -> None:
        if kind == "calendar":
            [found] = content.months
            for row in found.feed.matches:
                item = observed.match_observation(
                    row,
                    tournament=KEY,
                    season=SEASON,
                    season_id=SEASON_ID,
                    month="202502",
                    site_time=found.feed.site_time,
                    observed_at=found.observed_at,
                )
                self._keep("feed", item)
        elif kind == "page":
            item = observed.page_observation(content)
            self._keep("page", item)
            self.shots[item.content_hash] = content.teams[0].shots if content.teams else -1
        else:
            for match in content.matches:
                score = {"home_goals": match.home_goals, "match_id": match.match_id}
                # the model needs no hash of ours here: two contents of one instant differ in the score alone
                self._keep("file", Observation(match.match_id, content.site_time, content.site_time, score, {}))

    def _keep(self, surface: str, item: Observation) -> None:
        held = self.newest.get((surface, item.match_id))
        if held is None or _rank(item) > _rank(held):
            self.newest[surface, item.match_id] = item

    @invariant()
    def the_newest_observation_of_each_match_stands(self) -> None:
        """Contents, statistics, links and history, all of them."""
        with self.engines[0].connect() as connection:
            rows = {row.match_id: row for row in connection.execute(select(matches))}
            pages = {row.match_id: row for row in connection.execute(select(match_pages)) if row.match_id > 0}
            shots = {row.match_id: row.shots for row in connection.execute(select(match_stats)) if row.match_id > 0}
            history = connection.execute(select(observations).order_by(observations.c.observation_id)).all()
        by_surface = {"feed": rows, "page": pages}
        for surface, stored in by_surface.items():
            model = {key: item for (name, key), item in self.newest.items() if name == surface}
            assert {key for key in stored if key > 0} == set(model)
            for key, item in model.items():
                assert (stored[key].site_time, stored[key].observed_at) == (item.site_time, item.observed_at)
                assert stored[key].content_hash == item.content_hash
        expected = {key: self.shots[row.content_hash] for key, row in pages.items() if row.statistics == PRESENT}
        assert shots == expected
        self._check_files(rows)
        last = {(row.match_id, row.surface): row.content_hash for row in history}
        assert all(last[key, "feed"] == row.content_hash for key, row in rows.items() if key > 0)
        assert all(last[key, "match_page"] == row.content_hash for key, row in pages.items())
        once = [(row.match_id, row.surface, row.site_time, row.observed_at, row.content_hash) for row in history]
        assert len(once) == len(set(once))

    def _check_files(self, rows: dict[int, Any]) -> None:
        model = {key: item for (name, key), item in self.newest.items() if name == "file"}
        assert {key for key in rows if key < 0} == set(model)
        for key, item in model.items():
            assert rows[key].site_time == item.site_time
        if FILE[0] in rows:
            assert rows[FILE[0]].superseded_by == (SITE[0] if SITE[0] in rows else None)


def _rank(item: Observation) -> tuple[bool, dt.datetime, dt.datetime, str]:
    """The rule in the test's own words: statistics before none, the source's clock, ours, the hash."""
    return (item.content.get("statistics") == PRESENT, item.site_time, item.observed_at, item.content_hash)


def _dying(death: str | None) -> Callable[[str], None]:
    def pass_by(name: str) -> None:
        if death is not None and name.endswith(death):
            raise KilledError(name)

    return pass_by


def test_every_order_of_writing_ends_in_the_newest_observation(warehouse: Engine, postgres_url: str) -> None:
    other = open_engine(postgres_url)
    Replay.engines = [warehouse, other]
    try:
        run_state_machine_as_test(
            Replay,
            # no shrinking: on a database it takes minutes, and twenty steps can be read
            settings=settings(
                max_examples=12, stateful_step_count=20, deadline=None, phases=[Phase.generate], print_blob=True
            ),
        )
    finally:
        other.dispose()
