"""Drawn leagues: small tournaments with promotion, same kick-offs, unknown times, walkovers and missing statistics."""

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from match_assets.config import FeatureParams, load_params
from match_assets.features.frames import FIXTURES, RESULTS, SIDE_COUNTS

SHIPPED = load_params(Path(__file__).parents[2] / "match_assets" / "params.yaml").features
# short windows, so that a league of some rounds fills the rings and wraps around
PARAMS: FeatureParams = SHIPPED.model_copy(update={"windows": (2, 3, 5)})

Match = dict[str, Any]


def a_match(
    match_id: int,
    day: str,
    home: int,
    away: int,
    score: tuple[int, int] = (0, 0),
    *,
    season: str = "2023",
    is_walkover: bool = False,
    **counts: int | None,
) -> Match:
    """A finished match; ``day`` is an ISO date (time unknown) or date and time. Statistics not named are unknown."""
    kick_off = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
    match: Match = {
        "match_id": match_id,
        "tournament": "TST-League",
        "season": season,
        "kick_off_utc": kick_off,
        "is_kick_off_time_known": len(day) > len("2023-08-01"),
        "home_team_id": home,
        "away_team_id": away,
        "home_team": f"Team {home}",
        "away_team": f"Team {away}",
        "is_walkover": is_walkover,
        **{f"{side}_{count}": None for side in ("home", "away") for count in SIDE_COUNTS},
        "home_goals": score[0],
        "away_goals": score[1],
    }
    return match | counts


def a_frame(matches: list[Match]) -> pl.DataFrame:
    """Matches as ``finished_matches`` has them, in the order given."""
    return pl.DataFrame(matches, schema=RESULTS)


def as_fixtures(matches: list[Match]) -> pl.DataFrame:
    """What is known of matches before they are played."""
    return a_frame(matches).select(FIXTURES.keys())


def read_time(match: Match) -> dt.datetime:
    """Start of what a match covers: its kick-off, or its day."""
    kick_off: dt.datetime = match["kick_off_utc"]
    return kick_off if match["is_kick_off_time_known"] else kick_off.replace(hour=0, minute=0, second=0, microsecond=0)


def effect_time(match: Match) -> dt.datetime:
    """End of what a match covers."""
    return read_time(match) + (
        dt.timedelta() if match["is_kick_off_time_known"] else dt.timedelta(days=1, microseconds=-1)
    )


def results() -> st.SearchStrategy[Match]:
    """What happened in a match, or what a later report says."""
    count = st.none() | st.integers(0, 30)
    return st.fixed_dictionaries(
        {
            "home_goals": st.integers(0, 6),
            "away_goals": st.integers(0, 6),
            "is_walkover": st.integers(0, 9).map(lambda draw: draw == 0),
            **{f"{side}_{name}": count for side in ("home", "away") for name in SIDE_COUNTS[1:]},
        }
    )


# years of a tournament's seasons; one that is left out was not held, and nobody missed it
SEASONS = ([2020], [2020, 2021], [2020, 2022], [2020, 2021, 2022, 2023])
ROUNDS = (3, 0, 1, 6)


@st.composite
def leagues(draw: st.DrawFn) -> list[Match]:
    """One to four seasons, sorted by kick-off and id; a team plays once a day, and some teams miss seasons.

    Some matches are played days or weeks after their round, and so after or between matches of later rounds.
    """
    matches: list[Match] = []
    for year in draw(st.sampled_from(SEASONS)):
        teams = draw(st.lists(st.integers(1, 6), min_size=2, max_size=6, unique=True))
        day = dt.datetime(year, 8, 1, tzinfo=dt.UTC)
        season: list[Match] = []
        for _ in range(draw(st.sampled_from(ROUNDS))):
            season += draw(_rounds(teams, day, str(year), len(matches) + len(season)))
            day += dt.timedelta(days=draw(st.integers(1, 25)))
        matches += postponed(season, draw(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 60)), max_size=2)))
    return sorted(matches, key=lambda match: (match["kick_off_utc"], match["match_id"]))


def postponed(season: list[Match], delays: list[tuple[int, int]]) -> list[Match]:
    """The season with some matches (by position, round and round) so many days later, unless a team plays that day."""
    moved = list(season)
    for number, days in delays if moved else ():
        match = moved[number % len(moved)]
        later = match | {"kick_off_utc": match["kick_off_utc"] + dt.timedelta(days=days)}
        busy = {(m["kick_off_utc"].date(), m[f"{side}_team_id"]) for m in moved for side in ("home", "away")}
        if not busy & {(later["kick_off_utc"].date(), later[f"{side}_team_id"]) for side in ("home", "away")}:
            moved[number % len(moved)] = later
    return moved


@st.composite
def _rounds(draw: st.DrawFn, teams: list[int], day: dt.datetime, season: str, n_before: int) -> list[Match]:
    order = draw(st.permutations(teams))
    matches = []
    for number, (home, away) in enumerate(zip(order[::2], order[1::2], strict=False)):
        hour = draw(st.sampled_from([None, 12, 15, 15, 15]))
        # ids fall as time goes on, so that an order by id and an order by time are told apart
        match = a_match(1000 - n_before - number, "2023-08-01", home, away, season=season)
        match |= {"kick_off_utc": day + dt.timedelta(hours=hour or 0), "is_kick_off_time_known": hour is not None}
        matches.append(match | draw(results()))
    return matches
