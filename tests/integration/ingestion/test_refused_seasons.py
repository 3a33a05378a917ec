"""A season whose every request is refused or cut once: what was read stays, and nothing is taken for what it is not."""

import itertools

import pytest
from sqlalchemy import Engine, func, select

from match_assets.config import Params, Settings
from match_assets.errors import SourceBlockedError, SourceUnavailableError
from match_assets.source import circuit, runs
from match_assets.source import client as client_module
from match_assets.source.status import source_status
from match_assets.warehouse import reading
from match_assets.warehouse.schema import alerts, circuits, fetches, match_pages
from tests.integration.ingestion.conftest import BLOCK, KEY, QUICK, League, match_path
from tests.integration.ingestion.plain_browser import PlainBrowser
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

REFUSALS = (
    BLOCK,
    Answer("<html><h1>Sorry, you have been blocked</h1>You are unable to access this site. Ray ID: 8a</html>", 403),
    Answer("<html><title>Just a moment...</title></html>"),
    Answer("<html><title>Just a moment...</title><form id='cf-challenge'></form></html>", 503),
)


class Season:
    """One season from its catalogue to its match pages, read one page at a time without a real browser."""

    def __init__(self, settings: Settings, engine: Engine, params: Params) -> None:
        ingestion = params.ingestion.model_copy(update={"pages_at_once": 1})
        self.settings, self.engine = settings, engine
        self.params = params.model_copy(update={"ingestion": ingestion})

    def read(self) -> None:
        runs.scrape_catalogue(self.settings, self.engine, self.params, patience=QUICK)
        runs.scrape_season(self.settings, self.engine, self.params, KEY, "2024", patience=QUICK)

    def refusal(self) -> SourceBlockedError | None:
        """Read, and give back what stopped it."""
        try:
            self.read()
        except SourceBlockedError as error:
            return error
        return None

    def n_pages(self) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(match_pages)).scalar_one()

    def page(self, match_id: int) -> dict[str, object]:
        with self.engine.connect() as connection:
            found = connection.execute(select(match_pages).where(match_pages.c.match_id == match_id)).mappings()
            return dict(found.one())


@pytest.fixture
def season(
    source_settings: Settings, warehouse: Engine, params: Params, league: League, monkeypatch: pytest.MonkeyPatch
) -> Season:
    assert league.rows
    monkeypatch.setattr(client_module, "Browser", PlainBrowser)
    return Season(source_settings, warehouse, params)


# ING-01, ING-02
def test_a_refusal_at_any_request_of_a_season_stops_at_once_and_loses_nothing(
    season: Season, site: ScriptedSite
) -> None:
    shapes = itertools.cycle(REFUSALS)
    for path in site.pages:
        site.first(path, next(shapes))
    site.script["/robots.txt"][0] = BLOCK  # a 403 there alone means that there is none
    host, kept, n_refusals = f"127.0.0.1:{site.port}", 0, 0
    while refusal := season.refusal():
        n_refusals += 1
        assert refusal.exit_code == 5
        assert refusal.facts["url"] == site.url + site.log[-1][1], "nothing was asked after it"
        assert season.n_pages() >= kept
        kept = season.n_pages()
        n_asked = len(site.log)
        with pytest.raises(SourceBlockedError, match=r"nothing is asked before \d{4}-\d\d-\d\d \d\d:\d\d UTC"):
            season.read()
        assert len(site.log) == n_asked, "inside the cool-down nothing is asked"
        assert circuit.close_circuit(season.engine, host)
    asked = {path for _, path, _ in site.log}
    assert n_refusals == len(asked) == 11, "robots.txt, two pages of the catalogue, season, three months, four matches"
    assert kept == 3
    assert season.n_pages() == 4
    with season.engine.connect() as connection:
        rows = connection.execute(select(fetches).where(fetches.c.outcome == "blocked")).all()
        assert connection.execute(select(circuits)).all() == []
        assert len(connection.execute(select(alerts)).all()) == n_refusals
    assert len(rows) == n_refusals
    assert all(row.evidence and row.detail for row in rows)


# ING-05
@pytest.mark.parametrize("cut", [0, 40, -20], ids=["empty", "in its head", "at its end"])
def test_a_page_that_always_comes_cut_never_touches_the_last_good_one(
    season: Season, league: League, site: ScriptedSite, cut: int
) -> None:
    season.read()
    good = season.page(5001)
    league.created_at = "2025-02-11T12:00:00Z"
    league.change(5001, homeScore=4)
    whole = site.pages[match_path(5001)]
    site.pages[match_path(5001)] = Answer(whole.wire[:cut])
    site.log.clear()
    with pytest.raises(SourceUnavailableError, match=r"/Matches/5001/Live.*cut short") as caught:
        season.read()
    assert caught.value.exit_code == 4
    assert site.paths.count(match_path(5001)) == QUICK.attempts
    assert season.page(5001) == good, "neither changed nor taken for a page without statistics"
    last_error = source_status(season.engine, season.settings).last_error
    assert last_error is not None
    assert last_error.url.endswith(match_path(5001))
    site.pages[match_path(5001)] = whole
    season.read()
    assert season.page(5001)["feed_home_score"] == 4
    _, statistics = reading.season_snapshot(season.engine, KEY, "2024")
    assert statistics["match_id"].unique().sort().to_list() == [5001, 5002, 5003, 5004]
