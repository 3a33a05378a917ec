"""The page for people at ``/``: coming fixtures with their probabilities, plain HTML that needs no script."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import jinja2

from serving.schemas import Prediction
from serving.snapshots import Snapshot

TEMPLATES = Path(__file__).with_name("templates")
FIXTURES_PER_TOURNAMENT = 24  # on the page of all tournaments; the page of one shows every fixture


@dataclass(frozen=True)
class Chance:
    """One segment of a probability bar; the three of a fixture sum to 100."""

    outcome: str
    name: str
    percent: int
    is_likeliest: bool


@dataclass(frozen=True)
class FixtureRow:
    """One fixture as the page shows it."""

    match_id: int
    time: str
    kick_off: str
    home: str
    away: str
    chances: tuple[Chance, Chance, Chance]

    @property
    def in_words(self) -> str:
        """The bar for those who do not see it."""
        return ", ".join(f"{chance.name} {chance.percent}%" for chance in self.chances)


@dataclass(frozen=True)
class Day:
    """The fixtures of one day (UTC)."""

    label: str
    fixtures: tuple[FixtureRow, ...]


@dataclass(frozen=True)
class Section:
    """A tournament's fixtures by day."""

    tournament: str
    season: str
    n_fixtures: int
    n_shown: int
    days: tuple[Day, ...]


def fixtures_page(snapshot: Snapshot, *, tournament: str | None, features_age_seconds: float | None) -> str:
    """HTML of all tournaments, or of one with all its fixtures."""
    by_tournament: dict[str, list[Prediction]] = {name: [] for name in sorted(snapshot.tournaments)}
    for fixture in snapshot.fixtures:
        by_tournament.setdefault(fixture.tournament, []).append(fixture)
    chosen = [tournament] if tournament else [name for name, fixtures in by_tournament.items() if fixtures]
    most = None if tournament else FIXTURES_PER_TOURNAMENT
    return (
        _environment()
        .get_template("fixtures.html")
        .render(
            sections=[_section(snapshot, name, by_tournament.get(name, []), most) for name in chosen],
            tournaments=list(by_tournament),
            chosen=tournament,
            n_fixtures=len(snapshot.fixtures),
            model_version=snapshot.champion.version,
            cutoff=snapshot.champion.cutoff,
            feature_version=snapshot.feature_version,
            age=age_in_words(features_age_seconds),
            problem=None,
        )
    )


def waiting_page(reason: str) -> str:
    """HTML while nothing can be served yet."""
    return (
        _environment()
        .get_template("fixtures.html")
        .render(sections=[], tournaments=[], chosen=None, n_fixtures=0, model_version=None, problem=reason)
    )


def whole_percents(chances: Sequence[float]) -> list[int]:
    """Percentages that sum to 100: each rounded down, the missing ones to the largest remainders (first on a tie)."""
    exact = [100 * chance for chance in chances]
    rounded = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (rounded[i] - exact[i], i))
    for position in by_remainder[: 100 - sum(rounded)]:
        rounded[position] += 1
    return rounded


def age_in_words(seconds: float | None) -> str:
    """How long ago the data was last found current."""
    if seconds is None:
        return "from the local copy; the store has not answered since the service started"
    if seconds < 90:
        return "current, checked moments ago"
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * size:
            count = round(seconds / size)
            return f"last checked {count} {unit}{'s' if count > 1 else ''} ago"
    return "last checked a minute ago"


def _section(snapshot: Snapshot, tournament: str, fixtures: list[Prediction], most: int | None) -> Section:
    shown = fixtures[:most]
    days = tuple(
        Day(f"{day:%A} {day.day} {day:%B %Y}", tuple(_row(fixture) for fixture in group))
        for day, group in groupby(shown, key=lambda fixture: fixture.kick_off_utc.date())
    )
    view = snapshot.tournaments.get(tournament)
    season = fixtures[0].season if fixtures else view.season if view else ""
    return Section(tournament, _season_in_words(season), len(fixtures), len(shown), days)


def _row(fixture: Prediction) -> FixtureRow:
    kick_off = fixture.kick_off_utc
    chances = (fixture.probabilities.home, fixture.probabilities.draw, fixture.probabilities.away)
    percents = whole_percents(chances)
    likeliest = chances.index(max(chances))
    names = (f"{fixture.home_team.name} win", "draw", f"{fixture.away_team.name} win")
    bar = tuple(
        Chance(outcome, name, percent, position == likeliest)
        for position, (outcome, name, percent) in enumerate(zip(("home", "draw", "away"), names, percents, strict=True))
    )
    return FixtureRow(
        match_id=fixture.match_id or 0,
        # the source shows midnight where it does not know the time yet
        time="" if kick_off.time() == dt.time(0) else f"{kick_off:%H:%M}",
        kick_off=kick_off.isoformat(),
        home=fixture.home_team.name,
        away=fixture.away_team.name,
        chances=(bar[0], bar[1], bar[2]),
    )


def _season_in_words(season: str) -> str:
    return f"{season}/{(int(season) + 1) % 100:02d}" if season.isdigit() else season


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
