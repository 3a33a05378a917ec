"""All ratings of several tournaments by the project's compiled loop, two tournaments at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from numpy.typing import NDArray

from match_assets.config import FeatureParams
from match_assets.features import TeamState
from match_assets.features.frames import kernel_settings, match_arrays
from match_assets.features.layout import N_RATINGS, N_SURPLUS, SEASON
from match_assets.features.ratings import rate

THREADS = 2
Floats = NDArray[np.float64]
SmallInts = NDArray[np.int32]


def prepared_ratings(matches: pl.DataFrame, params: FeatureParams) -> tuple[Callable[[], None], Floats, SmallInts]:
    """What rates all matches, and where it writes: arrays are ready, so that the ratings alone can be timed.

    Args:
        matches: ``finished_matches``, each tournament's in one piece and in order of kick-off and match id.
        params: of the ratings.

    Returns:
        The work; (N_RATINGS, 2 n) ratings before each match, home team first; (N_SURPLUS, 2 n) what each match was
        against them, in ten-thousandths.
    """
    settings = kernel_settings(params)
    ratings = np.empty((N_RATINGS, 2 * matches.height))
    surplus = np.empty((N_SURPLUS, 2 * matches.height), np.int32)
    leagues, first = [], 0
    for _, league in matches.group_by("tournament", maintain_order=True):
        teams = np.union1d(league["home_team_id"].to_numpy(), league["away_team_id"].to_numpy())
        seasons = tuple(sorted({int(year) for year in league["season"].unique()}))
        arrays = match_arrays(league, teams, seasons, with_results=True)
        own = slice(2 * first, 2 * (first + league.height))
        leagues.append((arrays, teams.size, ratings[:, own], surplus[:, own]))
        first += league.height

    def one(number: int) -> None:
        arrays, n_teams, rows, counted = leagues[number]
        blank = TeamState.blank(params).copy_with(dict.fromkeys(range(n_teams), ""), (), params).arrays
        last = np.ascontiguousarray(blank.counters[:, SEASON])
        rate(arrays, last, blank.ratings, settings, rows, counted)

    def every() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(one, range(len(leagues))):
                pass

    return every, ratings, surplus
