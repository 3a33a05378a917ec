"""A run that ends anywhere loses nothing, and the next one asks only for what is missing."""

import contextlib
import re
import threading

import pytest
from sqlalchemy import Engine, func, select, text

from match_assets.config import Params, Settings
from match_assets.errors import (
    DependencyUnavailableError,
    SourceBlockedError,
    SourceUnavailableError,
    UnexpectedPageError,
)
from match_assets.source import circuit, runs
from match_assets.source.client import Patience
from match_assets.warehouse import reading
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.database import lease
from match_assets.warehouse.schema import fetches, visit_answers, visits
from tests import pages
from tests.integration.ingestion.conftest import KEY, QUICK, League, end_session_of_the_lease, feed_path, match_path
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

PARTITION = f"2024|{KEY}"
BLOCK = Answer("<html>Sorry, you have been blocked</html>", 403)


class Runner:
    """Runs over the scripted season, one page at a time."""

    def __init__(self, settings: Settings, engine: Engine, params: Params) -> None:
        ingestion = params.ingestion.model_copy(update={"pages_at_once": 1})
        self.settings, self.engine = settings, engine
        self.params = params.model_copy(update={"ingestion": ingestion})
        runs.scrape_catalogue(settings, engine, params, patience=QUICK)

    def season(self, *, patience: Patience = QUICK) -> None:
        runs.scrape_season(self.settings, self.engine, self.params, KEY, "2024", patience=patience)

    def n_visits(self) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(visits)).scalar_one()

    def read_pages(self) -> list[int]:
        _, stats = reading.season_snapshot(self.engine, KEY, "2024")
        return stats["match_id"].unique().sort().to_list()


@pytest.fixture
def runner(source_settings: Settings, warehouse: Engine, params: Params, league: League) -> Runner:
    assert league.rows
    return Runner(source_settings, warehouse, params)


@pytest.mark.parametrize("fault", [BLOCK, Answer("<html>x</html>", 500)], ids=["blocked", "server error"])
def test_pages_read_before_the_fault_stay_and_only_the_rest_is_asked_again(
    runner: Runner, site: ScriptedSite, fault: Answer
) -> None:
    whole = site.pages[match_path(5003)]
    site.pages[match_path(5003)] = fault
    with pytest.raises((SourceBlockedError, SourceUnavailableError), match=match_path(5003)):
        runner.season()
    assert runner.read_pages() == [5001, 5002]
    assert match_path(5004) not in site.paths
    site.pages[match_path(5003)] = whole
    circuit.close_circuit(runner.engine, f"127.0.0.1:{site.port}")
    site.log.clear()
    runner.season()
    assert [path for path in site.paths if path.startswith("/Matches/")] == [match_path(5003), match_path(5004)]
    assert runner.read_pages() == [5001, 5002, 5003, 5004]


def test_interrupted_and_undisturbed_runs_end_in_the_same_revision(runner: Runner, site: ScriptedSite) -> None:
    site.first(match_path(5002), *[Answer("<html>x</html>", 500)] * QUICK.attempts)
    with pytest.raises(SourceUnavailableError):
        runner.season()
    partial = reading.season_revision(runner.engine)
    runner.season()
    whole = reading.season_revision(runner.engine)
    assert partial != whole
    runner.season()
    assert reading.season_revision(runner.engine) == whole


def test_one_failing_season_of_many_fails_alone(runner: Runner, site: ScriptedSite) -> None:
    site.first(match_path(5002), *[Answer("<html>x</html>", 500)] * QUICK.attempts)
    keys = [PARTITION, f"1999|{KEY}"]
    announced: list[tuple[str, int, int]] = []
    reports = runs.scrape_seasons(
        runner.settings,
        runner.engine,
        runner.params,
        keys,
        announce=lambda report, done, total: announced.append((report.partition_key, done, total)),
        patience=QUICK,
    )
    assert [type(report.error) for report in reports] == [SourceUnavailableError, type(None)]
    assert [report.partition_key for report in runs.failed(reports)] == [PARTITION]
    assert announced == [(PARTITION, 1, 2), (f"1999|{KEY}", 2, 2)]


def test_second_scraper_of_a_season_leaves_without_asking(
    runner: Runner, site: ScriptedSite, postgres_url: str
) -> None:
    other = open_engine(postgres_url)
    site.log.clear()
    with lease(other, f"scraping {PARTITION}") as held:
        assert held
        with pytest.raises(DependencyUnavailableError, match="another process scrapes"):
            runs.scrape_matches(runner.settings, runner.engine, runner.params, KEY, "2024", patience=QUICK)
    assert site.log == []
    other.dispose()


def test_a_scraper_that_lost_its_lease_to_another_asks_for_nothing_more(
    runner: Runner, site: ScriptedSite, postgres_url: str
) -> None:
    # ING-22
    other = open_engine(postgres_url)
    with contextlib.ExitStack() as taken:

        def lose(done: int, _total: int) -> None:
            if done == 1:
                end_session_of_the_lease(other)
                assert taken.enter_context(lease(other, f"scraping {PARTITION}"))
                site.log.clear()

        with pytest.raises(DependencyUnavailableError, match=f"scraping {re.escape(PARTITION)}: .* has begun the same"):
            runs.scrape_season(
                runner.settings, runner.engine, runner.params, KEY, "2024", progress=lose, patience=QUICK
            )
        assert site.paths == []
        assert runner.read_pages() == [5001]
    runner.season()
    assert runner.read_pages() == [5001, 5002, 5003, 5004]
    other.dispose()


def test_a_scraper_whose_connection_breaks_goes_on_where_nobody_took_its_place(
    runner: Runner, postgres_url: str
) -> None:
    other = open_engine(postgres_url)
    second = []

    def lose(done: int, _total: int) -> None:
        if done == 1:
            end_session_of_the_lease(other)
        if done == 3:
            with lease(other, f"scraping {PARTITION}") as taken:
                second.append(bool(taken))

    runs.scrape_season(runner.settings, runner.engine, runner.params, KEY, "2024", progress=lose, patience=QUICK)
    assert runner.read_pages() == [5001, 5002, 5003, 5004]
    assert second == [False], "it took its lease again"
    other.dispose()


def test_progress_counts_every_page_once(runner: Runner) -> None:
    seen: list[tuple[int, int]] = []
    lock = threading.Lock()

    def progress(done: int, total: int) -> None:
        with lock:
            seen.append((done, total))

    runs.scrape_season(runner.settings, runner.engine, runner.params, KEY, "2024", progress=progress, patience=QUICK)
    assert seen == [(number, 4) for number in range(5)]


def test_failed_visit_asks_only_for_the_rest_and_writes_all_at_once(runner: Runner, site: ScriptedSite) -> None:
    # ING-21, ING-04
    site.first(feed_path("202503"), *[Answer("{}", 500)] * QUICK.attempts)
    with pytest.raises(SourceUnavailableError):
        runner.season()
    assert reading.season_snapshot(runner.engine, KEY, "2024")[0].is_empty(), "no half season"
    site.log.clear()
    report = runs.scrape_matches(runner.settings, runner.engine, runner.params, KEY, "2024", patience=QUICK)
    assert site.paths == [feed_path("202503")]
    assert (report.n_remembered, report.counts.inserted) == (3, 6)
    assert runner.n_visits() == 0


def test_visit_that_is_too_old_begins_anew(runner: Runner, site: ScriptedSite) -> None:
    site.first(feed_path("202503"), *[Answer("{}", 500)] * QUICK.attempts)
    with pytest.raises(SourceUnavailableError):
        runner.season()
    with runner.engine.begin() as connection:
        connection.execute(visits.update().values(started_at=func.now() - text("interval '6 hours 1 minute'")))
    site.log.clear()
    runner.season()
    assert [path for path in site.paths if "data" in path] == [feed_path(f"20250{month}") for month in (1, 2, 3)]


def test_answer_that_this_version_cannot_read_is_asked_for_again(runner: Runner, site: ScriptedSite) -> None:
    site.first(feed_path("202503"), *[Answer("{}", 500)] * QUICK.attempts)
    with pytest.raises(SourceUnavailableError):
        runner.season()
    with runner.engine.begin() as connection:
        of_january = visit_answers.c.path == feed_path("202501")
        connection.execute(visit_answers.update().where(of_january).values(record=b'{"of": "another version"}'))
    site.log.clear()
    runner.season()
    assert [path for path in site.paths if "data" in path] == [feed_path("202501"), feed_path("202503")]


def test_page_that_contradicts_the_calendar_lets_the_next_visit_look_afresh(runner: Runner, site: ScriptedSite) -> None:
    site.pages[match_path(5002)] = Answer(pages.match_page(5002, 14, 13, (0, 0)))
    with pytest.raises(UnexpectedPageError, match="Scrape the calendar"):
        runner.season()
    assert runner.n_visits() == 0
    assert runner.read_pages() == [5001]


def test_database_that_is_lost_in_between_stops_the_readers(
    runner: Runner, site: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DependencyUnavailableError("PostgreSQL is away")

    monkeypatch.setattr("match_assets.source.match_pages.MOST_IN_FLIGHT", 1)
    monkeypatch.setattr("match_assets.warehouse.writing.write_pages", away)
    with pytest.raises(DependencyUnavailableError, match="away"):
        runner.season()
    assert [path for path in site.paths if path.startswith("/Matches/")] == [match_path(5001)]


def test_report_tells_pace_and_what_is_left(runner: Runner, site: ScriptedSite) -> None:
    report = runs.scrape_season(runner.settings, runner.engine, runner.params, KEY, "2024", patience=QUICK)
    assert report.statistics is not None
    assert (report.statistics.n_pages, report.statistics.n_left) == (4, 0)
    assert report.statistics.pages_per_minute > 0


def test_requests_are_logged_even_when_the_run_fails(runner: Runner, site: ScriptedSite) -> None:
    site.pages[match_path(5001)] = BLOCK
    with pytest.raises(SourceBlockedError):
        runner.season()
    with runner.engine.connect() as connection:
        logged = connection.execute(select(fetches.c.url, fetches.c.outcome).order_by(fetches.c.fetch_id)).all()
    assert (logged[-1].url.endswith(match_path(5001)), logged[-1].outcome) == (True, "blocked")
    assert len(logged) == len(site.log)
