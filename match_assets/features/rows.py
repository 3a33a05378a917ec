"""Rows as arrays, in the registry's order: the one way by which batch, continued state and service come to a value."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from match_assets.config import FeatureParams
from match_assets.features.assembly import ratios, sides_and_differences
from match_assets.features.frames import kernel_settings
from match_assets.features.layout import N_RATINGS, N_SURPLUS, SEASON, Floats, Ints, MatchArrays, Settings, StateArrays
from match_assets.features.ledger import walk
from match_assets.features.measures import statistics_of
from match_assets.features.ratings import match_expectations, rate
from match_assets.features.registry import (
    EXPECTATIONS,
    RATING_NAMES,
    RATIOS,
    STATISTICS,
    WEIGHTED,
    match_feature_names,
    team_feature_definitions,
    team_feature_names,
)
from match_assets.features.rolling import divided, form, hold

MEASURES = tuple(statistic.measure for statistic in STATISTICS)
NO_STATISTICS = np.empty((N_SURPLUS + len(MEASURES), 0), np.int32)


class Places(NamedTuple):
    """Where things stand in a row, and the parameters as the kernels take them."""

    settings: Settings
    n_team: int
    n_match: int
    ledger: int
    ratings: int
    ratios: int
    numerators: Ints
    denominators: Ints
    compared: Ints


@lru_cache(maxsize=8)
def places(params: FeatureParams) -> Places:
    """Of this registry with these parameters."""
    names = team_feature_names(params)
    over = (*params.windows, WEIGHTED)
    pairs = [(f"{upper}_{x}", f"{lower}_{x}") for _, upper, lower, _ in RATIOS for x in over]
    compared = [place for place, d in enumerate(team_feature_definitions(params)) if d.is_compared]
    return Places(
        settings=kernel_settings(params),
        n_team=len(names),
        n_match=len(match_feature_names(params)),
        ledger=names.index("rest_days"),
        ratings=names.index(RATING_NAMES[0]),
        ratios=names.index(RATING_NAMES[-1]) + 1,
        numerators=np.array([names.index(upper) for upper, _ in pairs], np.int64),
        denominators=np.array([names.index(lower) for _, lower in pairs], np.int64),
        compared=np.array(compared, np.int64),
    )


def team_rows(matches: MatchArrays, state: StateArrays, at: Places, *, threads: int = 1) -> Floats:
    """Team features of both sides of every match.

    Args:
        matches: what to read and what to apply.
        state: changed in place where results are applied, and only there.
        at: ``places`` of the state's parameters.
        threads: among which statistics are divided.

    Returns:
        (team features, 2 n) float64, column 2 m + venue, NaN where unknown.
    """
    settings = at.settings
    rows = np.empty((at.n_team, 2 * matches.home.size))
    is_played = matches.counts.shape[0] > 0
    statistics = statistics_of(matches.counts, MEASURES) if is_played else NO_STATISTICS
    # the ratings keep their own account of seasons, since the ledger's moves on as it goes
    seasons = np.ascontiguousarray(state.counters[:, SEASON])
    rate(matches, seasons, state.ratings, settings, rows[at.ratings : at.ratings + N_RATINGS], statistics)
    sequences = walk(matches, state, settings, rows[at.ledger : at.ratings])

    def part(number: int) -> None:
        first, last = bounds[number], bounds[number + 1]
        form(first, last, statistics, sequences, state, settings.windows, settings.weighted_decay, rows)

    n = statistics.shape[0]
    bounds = (0, n) if threads == 1 else (0, N_SURPLUS, *range(N_SURPLUS + 1, n + 1))
    divided(part, len(bounds) - 1, threads)
    ratios(rows, at.numerators, at.denominators, at.ratios)
    if is_played:
        hold(sequences, statistics, state)
    return rows


def match_rows(rows: Floats, at: Places) -> Floats:
    """Match features from both teams' rows.

    Args:
        rows: (team features, 2 n) as ``team_rows`` gives them.
        at: ``places`` of the rows' parameters.

    Returns:
        (match features, n) float64, NaN where unknown.
    """
    wide = np.empty((at.n_match, rows.shape[1] // 2))
    sides_and_differences(rows, at.compared, wide)
    ratings = rows[at.ratings : at.ratings + N_RATINGS]
    match_expectations(ratings, at.settings, wide[at.n_match - len(EXPECTATIONS) :])
    return wide
