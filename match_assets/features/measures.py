"""What a match was to one team, as a number: one pure function a counted statistic, over all side rows at once.

Each takes the counts of the side and of its opponent, ``(rows, N_COUNTS)`` int32 with ``MISSING`` for what is unknown,
and gives ``(rows,)`` int32.
"""

from collections.abc import Callable

import numpy as np

from match_assets.features.layout import (
    CARDS,
    CORNERS,
    FOULS,
    GOALS,
    N_COUNTS,
    N_SURPLUS,
    SHOTS,
    SHOTS_ON_TARGET,
    SmallInts,
)

Measure = Callable[[SmallInts, SmallInts], SmallInts]


def _own(count: int) -> Measure:
    return lambda own, _other: own[:, count]


def _other(count: int) -> Measure:
    return lambda _own, other: other[:, count]


def points(own: SmallInts, other: SmallInts) -> SmallInts:
    """Three for a win, one for a draw."""
    scored, conceded = own[:, GOALS], other[:, GOALS]
    return np.where(scored > conceded, 3, np.where(scored == conceded, 1, 0)).astype(np.int32)


goals_for, goals_against = _own(GOALS), _other(GOALS)
shots_for, shots_against = _own(SHOTS), _other(SHOTS)
shots_on_target_for, shots_on_target_against = _own(SHOTS_ON_TARGET), _other(SHOTS_ON_TARGET)
corners_for, corners_against = _own(CORNERS), _other(CORNERS)
fouls_for, fouls_against = _own(FOULS), _other(FOULS)
cards_for, cards_against = _own(CARDS), _other(CARDS)


def statistics_of(counts: SmallInts, measures: tuple[Measure, ...]) -> SmallInts:
    """All statistics of all side rows.

    Args:
        counts: (n, 2, N_COUNTS) int32, home and away.
        measures: of the counted statistics.

    Returns:
        (N_SURPLUS + measures, 2 n) int32, a side row a column, match by match, home first; those that need ratings are
        left empty for ``ratings.rate``.
    """
    own = counts.reshape(-1, N_COUNTS)
    other = counts[:, ::-1].reshape(-1, N_COUNTS)
    statistics = np.empty((N_SURPLUS + len(measures), own.shape[0]), np.int32)
    for place, measure in enumerate(measures, start=N_SURPLUS):
        statistics[place] = measure(own, other)
    return statistics
