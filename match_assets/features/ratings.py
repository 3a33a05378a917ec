"""Ratings, one match after the other: Elo, pi-ratings, attack and defence on goals and on shots on target.

A tournament's ratings depend on nothing outside it, so tournaments may be rated in parallel threads; the kernel holds no
lock of Python's.

Sources: Hvattum & Arntzen (2010) for Elo with goal margin; Constantinou & Fenton (2013) for pi-ratings; attack and
defence are the log-linear goal model of Maher (1982) and Dixon & Coles (1997), followed online by gradient steps.
"""

import math

import numpy as np

from match_assets.features.layout import (
    ATTACK,
    DEFENCE,
    ELO,
    GOALS,
    GOALS_AGAINST_SURPLUS,
    GOALS_FOR_SURPLUS,
    MISSING,
    N_RATINGS,
    NEWCOMER,
    OPPONENT_ELO,
    PI_AWAY,
    PI_HOME,
    SCORE_SURPLUS,
    SHOTS_ON_TARGET,
    SURPLUS_SCALE,
    TARGET_ATTACK,
    TARGET_DEFENCE,
    Floats,
    Ints,
    MatchArrays,
    Settings,
    SmallInts,
    compiled,
)

LAYOUT = "c550c34d"
PI_DIVISOR = 3.0  # c of the paper, whose b is ten
LOG_TEN = math.log(10.0)
STRENGTH_LIMIT = 3.0  # attack and defence stay within a factor of 20, so that no absurd score makes exp overflow
SURPLUS_LIMIT = 2.0**30


@compiled
def seasons_since(last: int, season: int) -> int:
    """0 within a season, 1 in the next, NEWCOMER if the team was never seen or missed a season."""
    if last < 0 or season - last > 1:
        return NEWCOMER
    return max(season - last, 0)


@compiled
def elo_expectation(home_elo: float, away_elo: float, home_advantage: float) -> float:
    """Expected score of the home team: a win counts 1, a draw one half."""
    return 1.0 / (1.0 + math.exp((away_elo - home_elo - home_advantage) * (LOG_TEN / 400.0)))


@compiled
def pi_goal_difference(home_rating: float, away_rating: float) -> float:
    """Expected goal difference from the home team's home rating and the away team's away rating."""
    home = math.copysign(math.exp(abs(home_rating) * (LOG_TEN / PI_DIVISOR)) - 1.0, home_rating)
    away = math.copysign(math.exp(abs(away_rating) * (LOG_TEN / PI_DIVISOR)) - 1.0, away_rating)
    return home - away


@compiled
def expected_count(prior: float, log_advantage: float, attack: float, defence: float) -> float:
    """Expected goals or shots on target of a side against a defence (a higher defence lets in fewer)."""
    return prior * math.exp(log_advantage + attack - defence)


@compiled
def rating_at_kick_off(held: float, since: int, season: int, rating: int, settings: Settings) -> float:
    """A rating as it stands when the team enters a match: the prior, regressed, or as its last match left it."""
    if since == 0:
        return held
    if since == NEWCOMER:
        if rating == ELO:
            return settings.elo_initial if season == 0 else settings.elo_promoted
        if season == 0:
            return 0.0
        return settings.pi_promoted if rating in (PI_HOME, PI_AWAY) else settings.strength_promoted
    if rating == ELO:
        return held + settings.elo_season_regression * (settings.elo_initial - held)
    share = settings.pi_season_regression if rating in (PI_HOME, PI_AWAY) else settings.strength_season_regression
    return held - share * held


@compiled
def rate(
    matches: MatchArrays, seasons: Ints, ratings: Floats, settings: Settings, rows: Floats, statistics: SmallInts
) -> None:
    """Both teams' ratings before every match, and what each result was against them.

    Args:
        matches: what to read and apply.
        seasons: (t,) position of each team's last season; changed in place.
        ratings: (t, N_RATINGS), changed in place.
        settings: priors and rates.
        rows: (N_RATINGS, 2 n) float64, written; column 2 m + venue.
        statistics: (s, 2 n) int32; the four that need ratings are written where a result is applied.
    """
    for event in matches.events:
        match = event if event >= 0 else -1 - event
        season = matches.season[match]
        if event >= 0:
            for venue in range(2):  # a loop, because a literal 0 and 1 would compile everything below twice
                team = matches.home[match] if venue == 0 else matches.away[match]
                since = seasons_since(seasons[team], season)
                for rating in range(N_RATINGS):
                    held = ratings[team, rating]
                    rows[rating, 2 * match + venue] = rating_at_kick_off(held, since, season, rating, settings)
        else:
            home, away = matches.home[match], matches.away[match]
            _enter(seasons, ratings, home, season, settings)
            _enter(seasons, ratings, away, season, settings)
            if not matches.is_walkover[match]:
                _apply(ratings, home, away, matches.counts, match, settings, statistics)


@compiled
def _enter(seasons: Ints, ratings: Floats, team: int, season: int, settings: Settings) -> None:
    since = seasons_since(seasons[team], season)
    if since != 0:
        for rating in range(N_RATINGS):
            ratings[team, rating] = rating_at_kick_off(ratings[team, rating], since, season, rating, settings)
        seasons[team] = season


@compiled
def _apply(
    ratings: Floats, home: int, away: int, counts: SmallInts, match: int, settings: Settings, statistics: SmallInts
) -> None:
    # element by element: a slice of an array costs as much as an exponential
    margin = float(counts[match, 0, GOALS] - counts[match, 1, GOALS])
    score = 0.5 if margin == 0.0 else (1.0 if margin > 0.0 else 0.0)
    home_elo, away_elo = ratings[home, ELO], ratings[away, ELO]
    surprise = score - elo_expectation(home_elo, away_elo, settings.elo_home_advantage)
    _note(statistics, SCORE_SURPLUS, match, surprise, -surprise)
    _note(statistics, OPPONENT_ELO, match, away_elo, home_elo)
    # the root of Hvattum & Arntzen is quicker than a power
    size = 1.0 + abs(margin)
    stretch = math.sqrt(size) if settings.elo_margin_exponent == 0.5 else math.pow(size, settings.elo_margin_exponent)
    step = settings.elo_k_factor * stretch * surprise
    ratings[home, ELO] = home_elo + step
    ratings[away, ELO] = away_elo - step
    error = margin - pi_goal_difference(ratings[home, PI_HOME], ratings[away, PI_AWAY])
    step = math.copysign(PI_DIVISOR / LOG_TEN * math.log(1.0 + abs(error)), error) * settings.pi_lambda
    ratings[home, PI_HOME] += step
    ratings[home, PI_AWAY] += step * settings.pi_gamma
    ratings[away, PI_AWAY] -= step
    ratings[away, PI_HOME] -= step * settings.pi_gamma
    # both sides' expectations before either is moved; a step counts in goals, so that one rate serves both kinds
    share, prior = settings.log_home_advantage / 2.0, settings.prior_goals
    for_home = expected_count(prior, share, ratings[home, ATTACK], ratings[away, DEFENCE])
    for_away = expected_count(prior, -share, ratings[away, ATTACK], ratings[home, DEFENCE])
    scored, conceded = counts[match, 0, GOALS] - for_home, counts[match, 1, GOALS] - for_away
    _note(statistics, GOALS_FOR_SURPLUS, match, scored, conceded)
    _note(statistics, GOALS_AGAINST_SURPLUS, match, conceded, scored)
    _step(ratings, home, ATTACK, away, DEFENCE, settings.learning_rate * scored)
    _step(ratings, away, ATTACK, home, DEFENCE, settings.learning_rate * conceded)
    prior = settings.prior_shots_on_target
    rate_of_shots = settings.learning_rate * settings.prior_goals / prior
    for_home = expected_count(prior, share, ratings[home, TARGET_ATTACK], ratings[away, TARGET_DEFENCE])
    for_away = expected_count(prior, -share, ratings[away, TARGET_ATTACK], ratings[home, TARGET_DEFENCE])
    shots, shots_of_away = counts[match, 0, SHOTS_ON_TARGET], counts[match, 1, SHOTS_ON_TARGET]
    if shots != MISSING:
        _step(ratings, home, TARGET_ATTACK, away, TARGET_DEFENCE, rate_of_shots * (shots - for_home))
    if shots_of_away != MISSING:
        _step(ratings, away, TARGET_ATTACK, home, TARGET_DEFENCE, rate_of_shots * (shots_of_away - for_away))


@compiled
def _step(ratings: Floats, side: int, attack: int, opponent: int, defence: int, step: float) -> None:
    ratings[side, attack] = min(max(ratings[side, attack] + step, -STRENGTH_LIMIT), STRENGTH_LIMIT)
    ratings[opponent, defence] = min(max(ratings[opponent, defence] - step, -STRENGTH_LIMIT), STRENGTH_LIMIT)


@compiled
def _note(statistics: SmallInts, statistic: int, match: int, home: float, away: float) -> None:
    """What a match was to each side, in whole ten-thousandths."""
    scaled = math.floor(SURPLUS_SCALE * home + 0.5)
    statistics[statistic, 2 * match] = np.int32(min(max(scaled, -SURPLUS_LIMIT), SURPLUS_LIMIT))
    scaled = math.floor(SURPLUS_SCALE * away + 0.5)
    statistics[statistic, 2 * match + 1] = np.int32(min(max(scaled, -SURPLUS_LIMIT), SURPLUS_LIMIT))


@compiled
def match_expectations(ratings: Floats, settings: Settings, expectations: Floats) -> None:
    """What the ratings expect of n matches, by the functions that the ratings themselves are updated with.

    Args:
        ratings: (N_RATINGS, 2 n); column 2 m + venue.
        settings: priors and home advantages.
        expectations: (6, n), written: Elo score, pi goal difference, home and away goals, home and away shots on target;
            the order of the registry.
    """
    share, goals, shots = settings.log_home_advantage / 2.0, settings.prior_goals, settings.prior_shots_on_target
    for match in range(expectations.shape[1]):
        h, a = ratings[:, 2 * match], ratings[:, 2 * match + 1]
        expectations[0, match] = elo_expectation(h[ELO], a[ELO], settings.elo_home_advantage)
        expectations[1, match] = pi_goal_difference(h[PI_HOME], a[PI_AWAY])
        expectations[2, match] = expected_count(goals, share, h[ATTACK], a[DEFENCE])
        expectations[3, match] = expected_count(goals, -share, a[ATTACK], h[DEFENCE])
        expectations[4, match] = expected_count(shots, share, h[TARGET_ATTACK], a[TARGET_DEFENCE])
        expectations[5, match] = expected_count(shots, -share, a[TARGET_ATTACK], h[TARGET_DEFENCE])
