"""Every windowed feature against DuckDB's windows, on drawn seasons with unknown statistics and unknown times."""

import datetime as dt
from random import Random

from polars.testing import assert_frame_equal

from match_assets.features import build_team_features, team_feature_definitions, team_feature_names
from tests.oracle_features import oracle_match_rows, oracle_team_rows
from tests.property.leagues import PARAMS, SHIPPED, Match, a_frame, a_match
from tests.windows_in_sql import sql_windows

TEAMS = range(1, 9)


def drawn_seasons(n_seasons: int, *, seed: int = 7) -> list[Match]:
    """Double round robins of eight teams, a match a day and team; a match in six lacks its statistics."""
    chance = Random(seed)
    matches: list[Match] = []
    for year in range(2020, 2020 + n_seasons):
        pairs = [(home, away) for home in TEAMS for away in TEAMS if home != away]
        chance.shuffle(pairs)
        busy: dict[dt.date, set[int]] = {}
        for home, away in pairs:
            day = dt.date(year, 8, 1)
            while busy.setdefault(day, set()) & {home, away}:
                day += dt.timedelta(days=3)
            busy[day] |= {home, away}
            time = chance.choice(["", " 12:30", " 15:00", " 15:00", " 20:00"])
            drawn = {name: chance.randrange(12) for name in _statistics()} if chance.random() < 5 / 6 else {}
            score = (chance.randrange(4), chance.randrange(4))
            matches.append(a_match(len(matches) + 1, f"{day}{time}", home, away, score, season=str(year), **drawn))
    return matches


def _statistics() -> list[str]:
    names = ("shots", "shots_on_target", "corners", "fouls", "yellow_cards", "red_cards")
    return [f"{side}_{name}" for side in ("home", "away") for name in names]


def test_duckdb_makes_the_same_of_every_window() -> None:
    matches = a_frame(drawn_seasons(4))
    expected = sql_windows(matches, SHIPPED.windows)
    windowed = {
        d.name for d in team_feature_definitions(SHIPPED) if d.window and d.group not in ("adjusted", "conversion")
    }
    assert windowed == set(expected.columns[2:])
    found = build_team_features(matches, SHIPPED).team_features.sort("match_id", "is_home").select(expected.columns)
    assert found.height == 4 * 56 * 2
    assert_frame_equal(found, expected, rel_tol=1e-12)


def test_the_oracle_tells_every_feature_and_none_that_is_not_there() -> None:
    rows = oracle_team_rows(drawn_seasons(1), PARAMS)
    assert {name for row in rows.values() for name in row} == set(team_feature_names(PARAMS))


def test_no_feature_is_idle() -> None:
    # an oracle and a kernel that both say nothing agree, too
    league = drawn_seasons(3)
    names = team_feature_names(PARAMS)
    rows = list(oracle_team_rows(league, PARAMS).values())
    for name in names:
        assert len({row[name] for row in rows} - {None}) > 3, name
    assert len(oracle_match_rows(league, ["elo_home_expectation"], PARAMS)) == len(league)
