"""What the kernels share: names of places in arrays, the arrays themselves, and how a function becomes machine code.

Kernels stand in ``rolling.py``, ``ledger.py``, ``ratings.py`` and ``assembly.py``. Each calls compiled functions of its
own file only, since numba notices a change only in the file of the function that it compiled: a helper elsewhere would
leave stale machine code in the cache. The numbers below are compiled in as well, so each of those files states this
file's digest in ``LAYOUT``; a test tells which to renew after a change here. Raise ``KERNEL_VERSION`` with any change of
a value. A digest is the first eight hexadecimal digits of ``sha256sum match_assets/features/layout.py``.

Where numba finds no folder to keep machine code in (``NUMBA_CACHE_DIR``, beside the file, the user's cache), each process
compiles anew, which takes some seconds; nothing fails.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Ints = NDArray[np.int64]
SmallInts = NDArray[np.int32]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

KERNEL_VERSION = 3
MISSING = -(2**31)  # an unknown statistic in an int32 array
NEVER = -(2**63)  # a time before all times
NEWCOMER = -1  # never seen in the tournament, or absent for a whole season of it

# Counts of one side in one match, in this order in MatchArrays.counts.
GOALS, SHOTS, SHOTS_ON_TARGET, CORNERS, FOULS, CARDS = range(6)
N_COUNTS = 6

# What a team's match leaves behind that later means are taken of: first four that need the ratings, in ten-thousandths, so
# that sums of them are exact however long they are kept; then the counted ones, in the registry's order.
SCORE_SURPLUS, GOALS_FOR_SURPLUS, GOALS_AGAINST_SURPLUS, OPPONENT_ELO = range(4)
N_SURPLUS = 4
SURPLUS_SCALE = 10_000.0

ELO, PI_HOME, PI_AWAY, ATTACK, DEFENCE, TARGET_ATTACK, TARGET_DEFENCE = range(7)
N_RATINGS = 7

# StateArrays.counters. SEASON is the position of the season of the team's last match, NEWCOMER if it was never seen; times
# are microseconds, walkovers included, NEVER if there was none; the rest count matches, points and goals since the team
# entered the tournament, or the season, or in a row up to the newest match.
(
    SEASON, LAST_KICK_OFF, KNOWN_UNTIL, SEASON_BEGUN, DATES, PLAYED, SEASON_PLAYED, SEASON_POINTS, SEASON_GOALS_FOR,
    SEASON_GOALS_AGAINST, WON, UNBEATEN, WINLESS, LOST, SCORED, GOALLESS, CLEAN,
) = range(17)  # fmt: skip
N_COUNTERS = 17
N_DATES = 32  # dates of a team that are remembered

# A team's matches are a sequence, and those at home and away two more: OVERALL + 1 + venue.
OVERALL, AT_HOME, AWAY = range(3)
N_KINDS = 3
START, STOP, VENUE_START, VENUE_STOP = range(4)  # of a row's known matches in its sequences


class Settings(NamedTuple):
    """``FeatureParams`` as numba takes them."""

    windows: Ints
    congestion: Ints  # microseconds
    weighted_decay: float
    rest_days_cap: float
    elo_initial: float
    elo_promoted: float
    elo_k_factor: float
    elo_margin_exponent: float
    elo_home_advantage: float
    elo_season_regression: float
    pi_lambda: float
    pi_gamma: float
    pi_promoted: float
    pi_season_regression: float
    learning_rate: float
    prior_goals: float
    prior_shots_on_target: float
    log_home_advantage: float
    strength_promoted: float
    strength_season_regression: float


class StateArrays(NamedTuple):
    """What is known of each team; t teams, c = the largest window, m meetings.

    ``held`` are those of a team's matches that a window may still reach: the last c at home and the last c away since it
    entered, oldest first from place 0, ``n_held`` of them.
    """

    counters: Ints  # (t, N_COUNTERS)
    dates: Ints  # (t, N_DATES) a ring of kick-offs, walkovers included
    meetings: SmallInts  # (t, t, 1 + m): how many, then a ring of the margins as the first team saw them
    ratings: Floats  # (t, N_RATINGS)
    n_held: Ints  # (t,)
    held: SmallInts  # (t, 2 c, s + 1): the s statistics, then the venue (0 home, 1 away)
    weighted: Floats  # (t, N_KINDS, s - N_SURPLUS, 2): weighted mean of the known values, and its weight


class MatchArrays(NamedTuple):
    """Matches in frame order (kick-off, match id), n of them."""

    read_time: Ints  # (n,) microseconds; the start of the day where the time is unknown
    effect_time: Ints  # (n,) the end of the day where the time is unknown
    season: Ints  # (n,) position of the season in the tournament
    home: Ints  # (n,) position of the team
    away: Ints  # (n,)
    is_walkover: Flags  # (n,), or (0,) without results
    counts: SmallInts  # (n, 2, N_COUNTS): home, away; (0, 2, N_COUNTS) without results
    events: Ints  # in order of time: m reads match m, -1 - m applies its result


class Sequences(NamedTuple):
    """Each team's counted matches in order, one team after the other, r of them, those that a state holds first.

    A side row is a team's view of a match, 2 m + venue. ``spans`` say what of a sequence is known to a side row.
    """

    bounds: Ints  # (t + 1,) where each team's matches begin
    entered: Ints  # (t + 1,) the first since the team entered for the last time
    members: SmallInts  # (r,) side row of each; -1 - place for one that the state holds
    begins: Flags  # (r,) the first since the team entered
    venue_bounds: Ints  # (2 t + 1,) the same by venue: home and away of each team
    venue_entered: Ints  # (2 t + 1,)
    venue_members: SmallInts  # (r,) places in ``members``
    venue_begins: Flags  # (r,)
    spans: SmallInts  # (4, 2 n) START, STOP, VENUE_START, VENUE_STOP


def compiled(function: Function) -> Function:
    """``function`` as machine code, kept on disk where a folder for it can be written."""
    try:
        return cast("Function", njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba's way to say that it found no folder to write to
        return cast("Function", njit(nogil=True, error_model="numpy")(function))
