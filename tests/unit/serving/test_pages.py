"""The page for people: what it shows, in which order, and that nothing in it comes from elsewhere."""

import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.pages import FIXTURES_PER_TOURNAMENT, age_in_words, fixtures_page, whole_percents
from serving.schemas import Team
from serving.snapshots import Snapshot, build_snapshot
from tests.serving_world import PARAMS, MemoryStore, a_champion, fill
from tests.unit.serving.conftest import Service
from tests.unit.serving.test_keeper import sets_of


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    store = MemoryStore()
    fill(store, "PRA-First", 1)
    fill(store, "PRA-Second", 101)
    return build_snapshot(a_champion("7"), sets_of(store), PARAMS.features)


class Outline(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [held for name, held in self.tags if name == tag and wanted.items() <= held.items()]


@given(st.lists(st.floats(0.001, 1.0), min_size=3, max_size=3))
def test_percents_sum_to_100_and_lie_within_one_of_the_truth(weights: list[float]) -> None:
    chances = [weight / sum(weights) for weight in weights]
    percents = whole_percents(chances)
    assert sum(percents) == 100
    assert all(abs(percent - 100 * chance) < 1 for percent, chance in zip(percents, chances, strict=True))


def test_missing_percents_go_to_the_largest_remainders() -> None:
    assert whole_percents([0.335, 0.327, 0.338]) == [33, 33, 34]
    assert whole_percents([1 / 3, 1 / 3, 1 / 3]) == [34, 33, 33]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3.0, "current, checked moments ago"),
        (95.0, "last checked 2 minutes ago"),
        (7200.0, "last checked 2 hours ago"),
        (2 * 86_400.0, "last checked 2 days ago"),
    ],
)
def test_age_is_told_in_the_largest_unit_that_fits(seconds: float, words: str) -> None:
    assert age_in_words(seconds) == words


def test_page_shows_every_fixture_with_its_bar_in_words(service: Service) -> None:
    page = Outline(service.client.get("/").text)
    bars = [bar["aria-label"] or "" for bar in page.of("div", role="img")]
    assert len(bars) == 24
    for bar in bars:
        told = re.fullmatch(r"(\w+) win (\d+)%, draw (\d+)%, (\w+) win (\d+)%", bar)
        assert told is not None
        assert sum(int(told[position]) for position in (2, 3, 5)) == 100
    assert "Saturday 21 September 2024" in page.text
    assert "version 7, trained on matches before 2025-01-01" in page.text


def test_page_of_one_tournament_shows_that_alone_and_marks_it(service: Service) -> None:
    page = Outline(service.client.get("/?tournament=PRA-Second").text)
    assert len(page.of("div", role="img")) == 12
    assert [link["href"] for link in page.of("a", **{"aria-current": "page"})] == ["/?tournament=PRA-Second"]


def test_page_loads_nothing_from_elsewhere_and_runs_no_script(service: Service) -> None:
    response = service.client.get("/")
    page = Outline(response.text)
    assert not page.of("script")
    assert not [held for _, held in page.tags if any(name.startswith("on") for name in held)]
    for tag, held in page.tags:
        for address in (held.get("src"), held.get("href")):
            assert address is None or address.startswith(("/", "#", "data:")), (tag, address)
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_long_tournament_is_cut_with_a_link_to_the_whole(snapshot: Snapshot) -> None:
    fixtures = tuple(msgspec.structs.replace(snapshot.fixtures[0], match_id=n) for n in range(1, 40))
    longer = Snapshot(**{**vars(snapshot), "fixtures": fixtures})
    page = Outline(fixtures_page(longer, tournament=None, features_age_seconds=1.0))
    assert len(page.of("div", role="img")) == FIXTURES_PER_TOURNAMENT
    assert "All 39 fixtures of PRA-First" in page.text
    whole = Outline(fixtures_page(longer, tournament="PRA-First", features_age_seconds=1.0))
    assert len(whole.of("div", role="img")) == 39


def test_name_of_a_team_is_text_and_never_markup(snapshot: Snapshot) -> None:
    evil = Team(id=1, name='<script>alert(1)</script>" onmouseover="x')
    fixture = msgspec.structs.replace(snapshot.fixtures[0], home_team=evil)
    html = fixtures_page(
        Snapshot(**{**vars(snapshot), "fixtures": (fixture,)}), tournament=None, features_age_seconds=1.0
    )
    assert not Outline(html).of("script")
    assert all("onmouseover" not in held for _, held in Outline(html).tags)


def test_page_before_the_first_snapshot_says_so_with_503(empty_service: Service) -> None:
    response = empty_service.client.get("/")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert "no predictions to serve yet" in Outline(response.text).text


def test_unknown_tournament_in_the_address_is_shown_as_text_with_422(service: Service) -> None:
    response = service.client.get("/", params={"tournament": "<script>x</script>"})
    assert response.status_code == 422
    assert not Outline(response.text).of("script")
