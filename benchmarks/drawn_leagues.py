"""Leagues drawn for benchmarks: as many tournaments as it takes, thirty seasons each, promotion, missing statistics."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

TEAMS, SEASONS, PROMOTED = 20, 30, 3
ROUNDS = 2 * (TEAMS - 1)
MATCHES_A_SEASON = TEAMS * (TEAMS - 1)
MATCHES_A_TOURNAMENT = SEASONS * MATCHES_A_SEASON
FIRST_YEAR = 1995
# the first seasons of most sources give a date without a time
SEASONS_WITHOUT_TIMES = 10
UNKNOWN_SHARE = 0.03
HOURS = np.array([12, 15, 15, 15, 15, 17, 20])
MEANS = {"corners": 5.0, "fouls": 11.0, "yellow_cards": 2.0, "red_cards": 0.1}

Ints = NDArray[np.int64]


def draw_leagues(n_matches: int, *, seed: int = 7) -> pl.DataFrame:
    """``finished_matches`` of several tournaments, one after the other, each in order of kick-off and match id.

    A season is a double round robin of 20 teams; after it three go down, whom nobody sees again, and three come that are
    new. One match in thirty lacks its statistics, the first ten seasons know no time of day. Nobody walks over.

    Args:
        n_matches: of all tournaments together; the last tournament breaks off where they are reached.
        seed: of everything that is drawn.
    """
    chance = np.random.default_rng(seed)
    number = np.arange(n_matches)
    tournament, rest = np.divmod(number, MATCHES_A_TOURNAMENT)
    year, place = np.divmod(rest, MATCHES_A_SEASON)
    home_slot, away_slot, rounds = _round_robin()
    clubs = _clubs(int(tournament[-1]) + 1, chance)
    home, away = clubs[tournament, year, home_slot[place]], clubs[tournament, year, away_slot[place]]
    kick_off = _kick_offs(year, rounds[place], chance)
    columns = {
        "match_id": number + 1,
        "tournament": pl.Series([f"DRAWN-{n:04d}" for n in range(len(clubs))]).gather(tournament),
        "season": pl.Series([str(FIRST_YEAR + n) for n in range(SEASONS)]).gather(year),
        "kick_off_utc": pl.Series(kick_off).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        "is_kick_off_time_known": year >= SEASONS_WITHOUT_TIMES,
        "home_team_id": home,
        "away_team_id": away,
        "home_team": pl.Series(home).cast(pl.String),
        "away_team": pl.Series(away).cast(pl.String),
        "is_walkover": np.zeros(n_matches, dtype=bool),
    }
    frame = pl.DataFrame(columns).with_columns(_counts(home, away, chance))
    return frame.sort("tournament", "kick_off_utc", "match_id")


def _clubs(n_tournaments: int, chance: np.random.Generator) -> Ints:
    """(tournament, season, slot): ids of the clubs; no club plays in two tournaments."""
    clubs = np.empty((n_tournaments, SEASONS, TEAMS), np.int64)
    clubs[:, 0] = np.arange(TEAMS)
    for season in range(1, SEASONS):
        clubs[:, season] = clubs[:, season - 1]
        down = chance.permuted(np.tile(np.arange(TEAMS), (n_tournaments, 1)), axis=1)[:, :PROMOTED]
        new = TEAMS + (season - 1) * PROMOTED + np.arange(PROMOTED)
        np.put_along_axis(clubs[:, season], down, np.broadcast_to(new, down.shape), axis=1)
    return clubs + 1 + 1000 * np.arange(n_tournaments)[:, None, None]


def _round_robin() -> tuple[Ints, Ints, Ints]:
    """Home slot, away slot and round of each match of a season, by the circle method."""
    circle, pairs = list(range(TEAMS)), []
    for turn in range(TEAMS - 1):
        halves = zip(circle[: TEAMS // 2], reversed(circle[TEAMS // 2 :]), strict=True)
        pairs += [(turn, *(pair if (turn + place) % 2 else pair[::-1])) for place, pair in enumerate(halves)]
        circle = [circle[0], circle[-1], *circle[1:-1]]
    first = np.array(pairs)
    both = np.concatenate([first, first[:, [0, 2, 1]] + [TEAMS - 1, 0, 0]])
    return both[:, 1], both[:, 2], both[:, 0]


def _kick_offs(year: Ints, rounds: Ints, chance: np.random.Generator) -> NDArray[np.datetime64]:
    """A round a week, over two days and several hours of each; midnight where the time is not known."""
    start = (FIRST_YEAR + year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + 220
    day = start + 7 * rounds + chance.integers(0, 2, year.size)
    hour = np.where(year >= SEASONS_WITHOUT_TIMES, chance.choice(HOURS, year.size), 0)
    return np.asarray(day.astype("datetime64[us]") + hour * np.timedelta64(3_600_000_000, "us"))


def _counts(home: Ints, away: Ints, chance: np.random.Generator) -> list[pl.Series]:
    """Goals and statistics of both sides; what a match counts follows from the strength of its clubs."""
    strength = chance.normal(0, 0.25, int(max(home.max(), away.max())) + 1)
    is_known = chance.random(home.size) > UNKNOWN_SHARE
    counts = []
    for side, own, other, edge in (("home", home, away, 0.12), ("away", away, home, -0.12)):
        shots = chance.poisson(12 * np.exp(strength[own] - strength[other] + edge))
        on_target = chance.binomial(shots, 0.35)
        drawn = {"shots": shots, "shots_on_target": on_target}
        drawn |= {name: chance.poisson(mean, home.size) for name, mean in MEANS.items()}
        counts.append(pl.Series(f"{side}_goals", chance.binomial(on_target, 0.3), pl.Int16))
        counts += [
            pl.Series(f"{side}_{name}", values, pl.Int16).set(pl.Series(~is_known), None)
            for name, values in drawn.items()
        ]
    return counts
