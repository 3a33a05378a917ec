"""The kernels: one function that reads a team's features, one that updates the state with a result, one loop over both.

Batch and service call the same compiled ``replay``: the batch with results to apply, the service with none. A row is
therefore the same machine code in both, and equal bit for bit.

All functions here are private to the package and expect what ``frames.py`` and ``state.py`` prepare: contiguous arrays,
teams and seasons as positions. They live in one file because numba notices a change only in the file of the function
that it compiled: a helper elsewhere would leave stale machine code in the cache. Raise ``KERNEL_VERSION`` with any
change of a value.

Where numba finds no folder to keep machine code in (``NUMBA_CACHE_DIR``, beside this file, the user's cache), each
process compiles anew, which takes some seconds; nothing fails.

Sources: Hvattum & Arntzen (2010) for Elo with goal margin; Constantinou & Fenton (2013) for pi-ratings; attack and
defence are the log-linear goal model of Maher (1982) and Dixon & Coles (1997), followed online by gradient steps.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KERNEL_VERSION = 1
MISSING = -(2**31)  # an unknown statistic in an int32 array
NEVER = -(2**63)  # a time before all times
NEWCOMER = -1  # never seen in the tournament, or absent for a whole season of it

# Counts of one side in one match, in this order in MatchArrays.counts.
GOALS, SHOTS, SHOTS_ON_TARGET, CORNERS, FOULS, CARDS = range(6)
N_COUNTS = 6

# Statistics of one team in one match, in this order in StateArrays.recent and in the windows of a feature row.
N_STATISTICS = 10
GOALS_FOR, GOALS_AGAINST, POINTS = range(3)
N_VENUE_STATISTICS = 3  # the first three also by venue

ELO, PI_HOME, PI_AWAY, ATTACK, DEFENCE, TARGET_ATTACK, TARGET_DEFENCE = range(7)
N_RATINGS = 7
N_EXPECTATIONS = 6

# StateArrays.counters. SEASON is the position of the season of the team's last match, NEWCOMER if it was never seen;
# LAST_KICK_OFF and KNOWN_UNTIL are microseconds, walkovers included, NEVER if there was none; the rest count matches
# and points since the team entered the tournament, or the season.
SEASON, LAST_KICK_OFF, KNOWN_UNTIL, PLAYED, SEASON_PLAYED, SEASON_POINTS, WIN_STREAK, UNBEATEN_STREAK = range(8)
N_COUNTERS = 8
SUM, KNOWN = range(2)
VENUE = N_STATISTICS  # place of the venue in a row of ``recent``
N_WEIGHTED, N_SCHEDULE = 2, 6

PI_BASE, PI_DIVISOR = 10.0, 3.0  # b and c of the paper
STRENGTH_LIMIT = 3.0  # attack and defence stay within a factor of 20, so that no absurd score makes exp overflow
MICROSECONDS_A_DAY = 86_400_000_000.0


class RatingSettings(NamedTuple):
    """``FeatureParams`` as numba takes them."""

    windows: Ints
    rest_days_cap: float
    weighted_decay: float
    elo_initial: float
    elo_promoted: float
    elo_k_factor: float
    elo_margin_exponent: float
    elo_home_advantage: float
    elo_season_regression: float
    pi_lambda: float
    pi_gamma: float
    pi_promoted: float
    learning_rate: float
    prior_goals: float
    prior_shots_on_target: float
    log_home_advantage: float
    strength_promoted: float


class StateArrays(NamedTuple):
    """What is known of each team; t teams, c = the largest window, w windows.

    ``recent`` is a ring: the n-th counted match of a team (from 0) stands at n modulo c. ``windows`` and ``venues``
    follow from it; they hold integers, so that adding and taking away is exact however long it goes on. Few arrays with
    named places, not one array a quantity: with fifteen arrays the first call took 13 s to compile, with six 6 s.
    """

    counters: Ints  # (t, N_COUNTERS)
    recent: NDArray[np.int32]  # (t, c, N_STATISTICS + 1): the statistics, then the venue (0 home, 1 away)
    windows: Ints  # (t, w, N_STATISTICS, 2): sum and number of the known values
    venues: Ints  # (t, 2, N_VENUE_STATISTICS + 1): sums at home and away over the largest window, then the matches
    weighted: Floats  # (t, 3): goals for, goals against, weight
    ratings: Floats  # (t, N_RATINGS)


class MatchArrays(NamedTuple):
    """Matches in frame order (kick-off, match id), n of them; ``results`` names those whose result may be applied."""

    read_time: Ints  # (n,) microseconds; the start of the day where the time is unknown
    effect_time: Ints  # (n,) the end of the day where the time is unknown
    season: Ints  # (n,) position of the season in the tournament
    home: Ints  # (n,) position of the team
    away: Ints  # (n,)
    is_walkover: NDArray[np.bool_]  # (n,), or (0,) without results
    counts: NDArray[np.int32]  # (n, 2, N_COUNTS): home, away; (0, 2, N_COUNTS) without results
    reading_order: Ints  # (n,) by read_time
    results: Ints  # (n,) by effect_time, or (0,)


def compiled(function: Function) -> Function:
    """``function`` as machine code, kept on disk where a folder for it can be written."""
    try:
        return cast("Function", njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba's way to say that it found no folder to write to
        return cast("Function", njit(nogil=True, error_model="numpy")(function))


def n_team_features(n_windows: int) -> int:
    """Length of a team's feature row."""
    return n_windows * N_STATISTICS + N_VENUE_STATISTICS + N_WEIGHTED + N_SCHEDULE + N_RATINGS


@compiled
def seasons_since(state: StateArrays, team: int, season: int) -> int:
    """0 within a season, 1 in the next, NEWCOMER if the team was never seen or missed a season."""
    last = int(state.counters[team, SEASON])
    if last < 0 or season - last > 1:
        return NEWCOMER
    return max(season - last, 0)


@compiled
def rating_at_kick_off(state: StateArrays, settings: RatingSettings, team: int, season: int, rating: int) -> float:
    """A rating as it stands when the team enters a match: the prior, regressed, or as its last match left it."""
    since = seasons_since(state, team, season)
    if since == NEWCOMER:
        if rating == ELO:
            return settings.elo_initial if season == 0 else settings.elo_promoted
        if season == 0:
            return 0.0
        return settings.pi_promoted if rating in (PI_HOME, PI_AWAY) else settings.strength_promoted
    value = float(state.ratings[team, rating])
    if rating == ELO and since == 1:
        value += settings.elo_season_regression * (settings.elo_initial - value)
    return value


@compiled
def elo_expectation(home_elo: float, away_elo: float, home_advantage: float) -> float:
    """Expected score of the home team: a win counts 1, a draw one half."""
    return 1.0 / (1.0 + math.pow(10.0, (away_elo - home_elo - home_advantage) / 400.0))


@compiled
def pi_goal_difference(home_rating: float, away_rating: float) -> float:
    """Expected goal difference from the home team's home rating and the away team's away rating."""
    home = math.copysign(math.pow(PI_BASE, abs(home_rating) / PI_DIVISOR) - 1.0, home_rating)
    away = math.copysign(math.pow(PI_BASE, abs(away_rating) / PI_DIVISOR) - 1.0, away_rating)
    return home - away


@compiled
def expected_count(prior: float, log_advantage: float, attack: float, defence: float) -> float:
    """Expected goals or shots on target of a side against a defence (a higher defence lets in fewer)."""
    return prior * math.exp(log_advantage + attack - defence)


@compiled
def read_team(
    state: StateArrays,
    settings: RatingSettings,
    team: int,
    venue: int,
    season: int,
    time: int,
    rows: Floats,
    column: int,
) -> None:
    """Write the features of a team that plays at ``venue`` (0 home, 1 away) at ``time`` into ``rows[:, column]``.

    Reads the state and changes nothing in it. NaN stands for unknown.
    """
    since = seasons_since(state, team, season)
    position = _read_form(state, since, team, venue, rows, column)
    position = _read_schedule(state.counters, settings.rest_days_cap, since, team, time, rows, position, column)
    for rating in range(N_RATINGS):
        rows[position + rating, column] = rating_at_kick_off(state, settings, team, season, rating)


@compiled
def _read_form(state: StateArrays, since: int, team: int, venue: int, rows: Floats, column: int) -> int:
    position = 0
    newcomer = since == NEWCOMER
    for window in range(state.windows.shape[1]):
        for statistic in range(N_STATISTICS):
            known = 0 if newcomer else state.windows[team, window, statistic, KNOWN]
            rows[position, column] = state.windows[team, window, statistic, SUM] / known if known > 0 else np.nan
            position += 1
    for statistic in range(N_VENUE_STATISTICS):
        known = 0 if newcomer else state.venues[team, venue, N_VENUE_STATISTICS]
        rows[position, column] = state.venues[team, venue, statistic] / known if known > 0 else np.nan
        position += 1
    for goals in range(N_WEIGHTED):
        weight = 0.0 if newcomer else state.weighted[team, N_WEIGHTED]
        rows[position, column] = state.weighted[team, goals] / weight if weight > 0.0 else np.nan
        position += 1
    return position


@compiled
def _read_schedule(
    counters: Ints, rest_days_cap: float, since: int, team: int, time: int, rows: Floats, position: int, column: int
) -> int:
    for place in range(N_SCHEDULE):
        rows[position + place, column] = 0.0 if place in (1, 2) else np.nan
    played, season_played = counters[team, PLAYED], counters[team, SEASON_PLAYED]
    if since != NEWCOMER:
        # a postponed fixture that still stands at its old date may lie before the team's last match: rest is unknown
        if time > counters[team, LAST_KICK_OFF]:
            rest = (time - counters[team, LAST_KICK_OFF]) / MICROSECONDS_A_DAY
            rows[position, column] = min(rest, rest_days_cap)
        rows[position + 1, column] = played
        if since == 0:
            rows[position + 2, column] = season_played
            if season_played > 0:
                rows[position + 3, column] = counters[team, SEASON_POINTS] / season_played
        if played > 0:
            rows[position + 4, column] = counters[team, WIN_STREAK]
            rows[position + 5, column] = counters[team, UNBEATEN_STREAK]
    return position + N_SCHEDULE


@compiled
def update_match(matches: MatchArrays, match: int, state: StateArrays, settings: RatingSettings) -> None:
    """Apply the result of a match to both teams' state."""
    home, away = matches.home[match], matches.away[match]
    for team in (home, away):
        _enter_season(state, settings, team, matches.season[match])
        counters = state.counters[team]
        counters[LAST_KICK_OFF] = max(counters[LAST_KICK_OFF], matches.read_time[match])
        counters[KNOWN_UNTIL] = max(counters[KNOWN_UNTIL], matches.effect_time[match])
    if matches.is_walkover[match]:
        return
    counts = matches.counts[match]
    _update_elo(state, settings, home, away, counts[0, GOALS] - counts[1, GOALS])
    _update_pi(state, settings, home, away, counts[0, GOALS] - counts[1, GOALS])
    _update_strengths(state, settings, home, away, counts)
    for venue in range(2):
        team = home if venue == 0 else away
        _update_form(state, settings, team, venue, counts[venue], counts[1 - venue])


@compiled
def _enter_season(state: StateArrays, settings: RatingSettings, team: int, season: int) -> None:
    since = seasons_since(state, team, season)
    if since == 0:
        return
    for rating in range(N_RATINGS):
        state.ratings[team, rating] = rating_at_kick_off(state, settings, team, season, rating)
    counters = state.counters[team]
    counters[SEASON] = season
    counters[SEASON_PLAYED] = 0
    counters[SEASON_POINTS] = 0
    if since == NEWCOMER:
        counters[PLAYED] = 0
        counters[LAST_KICK_OFF] = NEVER
        counters[WIN_STREAK] = 0
        counters[UNBEATEN_STREAK] = 0
        state.windows[team] = 0
        state.venues[team] = 0
        state.weighted[team] = 0.0


@compiled
def _update_elo(state: StateArrays, settings: RatingSettings, home: int, away: int, margin: int) -> None:
    expected = elo_expectation(state.ratings[home, ELO], state.ratings[away, ELO], settings.elo_home_advantage)
    score = 0.5 if margin == 0 else (1.0 if margin > 0 else 0.0)
    step = settings.elo_k_factor * (1.0 + abs(margin)) ** settings.elo_margin_exponent * (score - expected)
    state.ratings[home, ELO] += step
    state.ratings[away, ELO] -= step


@compiled
def _update_pi(state: StateArrays, settings: RatingSettings, home: int, away: int, margin: int) -> None:
    error = margin - pi_goal_difference(state.ratings[home, PI_HOME], state.ratings[away, PI_AWAY])
    step = math.copysign(PI_DIVISOR * math.log10(1.0 + abs(error)), error) * settings.pi_lambda
    state.ratings[home, PI_HOME] += step
    state.ratings[home, PI_AWAY] += step * settings.pi_gamma
    state.ratings[away, PI_AWAY] -= step
    state.ratings[away, PI_HOME] -= step * settings.pi_gamma


@compiled
def _update_strengths(
    state: StateArrays, settings: RatingSettings, home: int, away: int, counts: NDArray[np.int32]
) -> None:
    share = settings.log_home_advantage / 2.0
    for kind in range(2):
        statistic, attack, defence = (GOALS, ATTACK, DEFENCE) if kind == 0 else (
            SHOTS_ON_TARGET, TARGET_ATTACK, TARGET_DEFENCE
        )  # fmt: skip
        prior = settings.prior_goals if kind == 0 else settings.prior_shots_on_target
        # both sides' expectations before either is moved; a step counts in goals, so that one rate serves both kinds
        home_expected = expected_count(prior, share, state.ratings[home, attack], state.ratings[away, defence])
        away_expected = expected_count(prior, -share, state.ratings[away, attack], state.ratings[home, defence])
        rate = settings.learning_rate * settings.prior_goals / prior
        _step_strengths(state, home, away, attack, defence, rate, counts[0, statistic], home_expected)
        _step_strengths(state, away, home, attack, defence, rate, counts[1, statistic], away_expected)


@compiled
def _step_strengths(
    state: StateArrays, side: int, opponent: int, attack: int, defence: int, rate: float, count: int, expected: float
) -> None:
    if count == MISSING:
        return
    step = rate * (count - expected)
    state.ratings[side, attack] = min(max(state.ratings[side, attack] + step, -STRENGTH_LIMIT), STRENGTH_LIMIT)
    state.ratings[opponent, defence] = min(
        max(state.ratings[opponent, defence] - step, -STRENGTH_LIMIT), STRENGTH_LIMIT
    )


@compiled
def _update_form(
    state: StateArrays,
    settings: RatingSettings,
    team: int,
    venue: int,
    own: NDArray[np.int32],
    other: NDArray[np.int32],
) -> None:
    counters = state.counters[team]
    _leave_windows(state, settings.windows, team, counters[PLAYED])
    statistics = state.recent[team, counters[PLAYED] % state.recent.shape[1]]
    _observe(own, other, venue, statistics)
    _enter_windows(state, team, statistics)
    points = statistics[POINTS]
    counters[PLAYED] += 1
    counters[SEASON_PLAYED] += 1
    counters[SEASON_POINTS] += points
    counters[WIN_STREAK] = counters[WIN_STREAK] + 1 if points == 3 else 0
    counters[UNBEATEN_STREAK] = counters[UNBEATEN_STREAK] + 1 if points > 0 else 0
    weighted = state.weighted[team]
    for place in range(N_WEIGHTED + 1):
        newest = 1.0 if place == N_WEIGHTED else float(statistics[place])
        weighted[place] = weighted[place] * settings.weighted_decay + newest


@compiled
def _observe(own: NDArray[np.int32], other: NDArray[np.int32], venue: int, statistics: NDArray[np.int32]) -> None:
    """A match as one team saw it; the order of ``registry.STATISTICS``."""
    statistics[GOALS_FOR] = own[GOALS]
    statistics[GOALS_AGAINST] = other[GOALS]
    statistics[POINTS] = 3 if own[GOALS] > other[GOALS] else (1 if own[GOALS] == other[GOALS] else 0)
    statistics[3] = own[SHOTS]
    statistics[4] = other[SHOTS]
    statistics[5] = own[SHOTS_ON_TARGET]
    statistics[6] = other[SHOTS_ON_TARGET]
    statistics[7] = own[CORNERS]
    statistics[8] = own[FOULS]
    statistics[9] = own[CARDS]
    statistics[VENUE] = venue


@compiled
def _enter_windows(state: StateArrays, team: int, statistics: NDArray[np.int32]) -> None:
    for window in range(state.windows.shape[1]):
        _add(state.windows[team, window], statistics, 1)
    _add_venue(state.venues[team], statistics, 1)


@compiled
def _leave_windows(state: StateArrays, windows: Ints, team: int, played: int) -> None:
    capacity = state.recent.shape[1]
    for window in range(state.windows.shape[1]):
        leaving = played - windows[window]
        if leaving >= 0:
            _add(state.windows[team, window], state.recent[team, leaving % capacity], -1)
    if played >= capacity:
        _add_venue(state.venues[team], state.recent[team, played % capacity], -1)


@compiled
def _add(totals: Ints, statistics: NDArray[np.int32], sign: int) -> None:
    for statistic in range(N_STATISTICS):
        if statistics[statistic] != MISSING:
            totals[statistic, SUM] += sign * statistics[statistic]
            totals[statistic, KNOWN] += sign


@compiled
def _add_venue(totals: Ints, statistics: NDArray[np.int32], sign: int) -> None:
    venue = statistics[VENUE]
    for statistic in range(N_VENUE_STATISTICS):
        totals[venue, statistic] += sign * statistics[statistic]
    totals[venue, N_VENUE_STATISTICS] += sign


@compiled
def replay(matches: MatchArrays, state: StateArrays, settings: RatingSettings, rows: Floats) -> None:
    """Read both teams of every match from what was known before it, applying each result once its time has passed.

    Args:
        matches: what to read and, by ``matches.results``, what to apply.
        state: changed in place; unchanged where ``matches.results`` is empty.
        settings: windows and ratings.
        rows: ``(n_team_features, 2 n)`` float64, written: the home team of match i in column 2 i, the away team beside
            it.
    """
    applied = 0
    for match in matches.reading_order:
        time = matches.read_time[match]
        while applied < matches.results.size and matches.effect_time[matches.results[applied]] < time:
            update_match(matches, matches.results[applied], state, settings)
            applied += 1
        season = matches.season[match]
        for venue in range(2):  # a loop, because a literal 0 and 1 would compile everything below twice
            team = matches.home[match] if venue == 0 else matches.away[match]
            read_team(state, settings, team, venue, season, time, rows, 2 * match + venue)
    while applied < matches.results.size:
        update_match(matches, matches.results[applied], state, settings)
        applied += 1


@compiled
def match_expectations(home: Floats, away: Floats, settings: RatingSettings, expectations: Floats) -> None:
    """What the ratings expect of n matches, by the functions that the ratings themselves are updated with.

    Args:
        home: ``(N_RATINGS, n)`` ratings of the home teams.
        away: the same of the away teams.
        settings: windows and ratings.
        expectations: ``(N_EXPECTATIONS, n)``, written: Elo score, pi goal difference, home and away goals, home and
            away shots on target; the order of the registry.
    """
    share = settings.log_home_advantage / 2.0
    for match in range(home.shape[1]):
        h, a = home[:, match], away[:, match]
        expectations[0, match] = elo_expectation(h[ELO], a[ELO], settings.elo_home_advantage)
        expectations[1, match] = pi_goal_difference(h[PI_HOME], a[PI_AWAY])
        expectations[2, match] = expected_count(settings.prior_goals, share, h[ATTACK], a[DEFENCE])
        expectations[3, match] = expected_count(settings.prior_goals, -share, a[ATTACK], h[DEFENCE])
        target = settings.prior_shots_on_target
        expectations[4, match] = expected_count(target, share, h[TARGET_ATTACK], a[TARGET_DEFENCE])
        expectations[5, match] = expected_count(target, -share, a[TARGET_ATTACK], h[TARGET_DEFENCE])
