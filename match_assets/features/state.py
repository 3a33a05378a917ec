"""The state of a tournament after its newest match: what the next row of any team is read from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from match_assets.config import FeatureParams
from match_assets.errors import SchemaMismatchError
from match_assets.features.frames import KICK_OFF, Schema, checked
from match_assets.features.kernel import (
    KNOWN,
    KNOWN_UNTIL,
    LAST_KICK_OFF,
    MISSING,
    N_COUNTERS,
    N_RATINGS,
    N_STATISTICS,
    N_VENUE_STATISTICS,
    N_WEIGHTED,
    NEVER,
    NEWCOMER,
    PLAYED,
    SEASON,
    SUM,
    VENUE,
    Ints,
    StateArrays,
)
from match_assets.features.registry import RATING_NAMES, STATISTICS, feature_version

# the counters from PLAYED on, in order
COUNTERS = ("matches_played", "season_matches", "season_points", "win_streak", "unbeaten_streak")
WEIGHTED = ("weighted_goals_for", "weighted_goals_against", "weighted_matches")

STATE: Schema = {
    "tournament": pl.String(),
    "season": pl.String(),
    "team_id": pl.Int64(),
    "team_name": pl.String(),
    "feature_version": pl.String(),
    "seasons": pl.List(pl.Int64()),
    "team_season": pl.Int64(),
    "last_kick_off_utc": KICK_OFF,
    "known_until_utc": KICK_OFF,
    **dict.fromkeys(COUNTERS, pl.Int64()),
    **dict.fromkeys((*WEIGHTED, *RATING_NAMES), pl.Float64()),
    "recent_is_home": pl.List(pl.Boolean()),
    **{f"recent_{statistic.name}": pl.List(pl.Int32()) for statistic in STATISTICS},
}


@dataclass(frozen=True, eq=False)
class TeamState:
    """Ratings, form and counters of every team that a tournament has seen; immutable by agreement.

    Attributes:
        tournament: its key; empty while nothing is known.
        seasons: the seasons seen, by first year, ascending.
        team_ids: (t,) int64, ascending.
        team_names: the newest name of each.
        feature_version: of the parameters and kernel that made it; another version refuses to read it.
        arrays: (t, ...) as the kernel takes them. Nobody but ``replay`` writes there, and only to a copy.
    """

    tournament: str
    seasons: tuple[int, ...]
    team_ids: Ints
    team_names: tuple[str, ...]
    feature_version: str
    arrays: StateArrays

    @classmethod
    def blank(cls, params: FeatureParams) -> "TeamState":
        """Nothing known yet."""
        return cls("", (), np.zeros(0, np.int64), (), feature_version(params), _blank_arrays(0, params))

    @property
    def season(self) -> str:
        """The newest season seen, such as "2024"; empty while nothing is known."""
        return str(self.seasons[-1]) if self.seasons else ""

    @property
    def known_until_utc(self) -> datetime | None:
        """Kick-off of the newest match that the state knows, or the end of its day where the time is unknown."""
        if not self.team_ids.size:
            return None
        newest = int(self.arrays.counters[:, KNOWN_UNTIL].max())
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=newest)

    def to_frame(self) -> pl.DataFrame:
        """One row a team, sorted by ``team_id``, holding everything bit for bit (columns: ``STATE``).

        ``recent_*`` list a team's last matches, oldest first, null where a statistic is unknown.
        """
        arrays, n = self.arrays, self.team_ids.size
        counters = arrays.counters.T
        recent = _oldest_first(arrays)
        held = np.minimum(counters[PLAYED], recent.shape[1])
        columns = {
            "tournament": [self.tournament] * n,
            "season": [self.season] * n,
            "team_id": self.team_ids,
            "team_name": list(self.team_names),
            "feature_version": [self.feature_version] * n,
            "seasons": [list(self.seasons)] * n,
            "team_season": np.array(self.seasons, np.int64)[counters[SEASON]],
            "last_kick_off_utc": pl.Series(counters[LAST_KICK_OFF]).cast(KICK_OFF),
            "known_until_utc": pl.Series(counters[KNOWN_UNTIL]).cast(KICK_OFF),
            **dict(zip(COUNTERS, counters[PLAYED:], strict=True)),
            **dict(zip(WEIGHTED, arrays.weighted.T, strict=True)),
            **dict(zip(RATING_NAMES, arrays.ratings.T, strict=True)),
            "recent_is_home": [[value == 0 for value in row] for row in _lists(recent[:, :, VENUE], held)],
            **{
                f"recent_{statistic.name}": _lists(recent[:, :, position], held)
                for position, statistic in enumerate(STATISTICS)
            },
        }
        return pl.DataFrame(columns, schema=STATE, strict=True)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, params: FeatureParams) -> "TeamState":
        """The state that ``to_frame`` wrote; row order does not matter.

        Raises:
            SchemaMismatchError: a column is missing or of another type, or the frame was made by another feature
                version; the message names both.
        """
        rows = checked(frame, STATE, what="team_state").sort("team_id")
        version = feature_version(params)
        made_by = rows["feature_version"].unique().sort().to_list()
        if any(found != version for found in made_by):
            raise SchemaMismatchError(
                f"team_state: column feature_version is {', '.join(made_by)}, this process reads {version}; "
                "materialise team_state again",
                column="feature_version",
                expected=version,
                found=made_by,
            )
        if rows.is_empty():
            return cls.blank(params)
        seasons = tuple(rows["seasons"][0].to_list())
        return cls(
            rows["tournament"][0],
            seasons,
            np.array(rows["team_id"].to_numpy()),
            tuple(rows["team_name"]),
            version,
            _arrays_of(rows, seasons, params),
        )

    def copy_with(self, names: dict[int, str], seasons: tuple[int, ...], params: FeatureParams) -> "TeamState":
        """A copy that also has room for these teams (id to name) and seasons; teams not seen yet are blank."""
        known = dict(zip(self.team_ids.tolist(), self.team_names, strict=True)) | names
        team_ids = np.array(sorted(known), np.int64)
        arrays = _blank_arrays(team_ids.size, params)
        places = np.searchsorted(team_ids, self.team_ids)
        for name in StateArrays._fields:
            getattr(arrays, name)[places] = getattr(self.arrays, name)
        all_seasons = tuple(sorted({*self.seasons, *seasons}))
        team_names = tuple(known[team] for team in team_ids.tolist())
        return TeamState(self.tournament, all_seasons, team_ids, team_names, self.feature_version, arrays)


def _blank_arrays(n: int, params: FeatureParams) -> StateArrays:
    capacity, windows = params.windows[-1], len(params.windows)
    arrays = StateArrays(
        counters=np.zeros((n, N_COUNTERS), np.int64),
        recent=np.full((n, capacity, N_STATISTICS + 1), MISSING, np.int32),
        windows=np.zeros((n, windows, N_STATISTICS, 2), np.int64),
        venues=np.zeros((n, 2, N_VENUE_STATISTICS + 1), np.int64),
        weighted=np.zeros((n, N_WEIGHTED + 1), np.float64),
        ratings=np.zeros((n, N_RATINGS), np.float64),
    )
    arrays.counters[:, [SEASON, LAST_KICK_OFF, KNOWN_UNTIL]] = NEWCOMER, NEVER, NEVER
    return arrays


def _oldest_first(arrays: StateArrays) -> NDArray[np.int32]:
    """The rings unrolled: (t, c, ...) with the newest match last; places of no match come first."""
    capacity = arrays.recent.shape[1]
    slots = (arrays.counters[:, PLAYED, None] + np.arange(capacity)) % capacity
    return np.take_along_axis(arrays.recent, slots[:, :, None], axis=1)


def _lists(values: NDArray[np.int32], held: Ints) -> list[list[int | None]]:
    return [
        [None if value == MISSING else value for value in row[row.size - k :].tolist()]
        for row, k in zip(values, held, strict=True)
    ]


def _arrays_of(rows: pl.DataFrame, seasons: tuple[int, ...], params: FeatureParams) -> StateArrays:
    arrays = _blank_arrays(rows.height, params)
    arrays.counters[:, SEASON] = np.searchsorted(np.array(seasons), rows["team_season"].to_numpy())
    arrays.counters[:, LAST_KICK_OFF] = rows["last_kick_off_utc"].to_physical().to_numpy()
    arrays.counters[:, KNOWN_UNTIL] = rows["known_until_utc"].to_physical().to_numpy()
    arrays.counters[:, PLAYED:] = rows.select(COUNTERS).to_numpy()
    arrays.weighted[:] = rows.select(WEIGHTED).to_numpy()
    arrays.ratings[:] = rows.select(RATING_NAMES).to_numpy()
    capacity = params.windows[-1]
    played = arrays.counters[:, PLAYED]
    lists = [rows["recent_is_home"].list.eval(~pl.element()), *(rows[f"recent_{s.name}"] for s in STATISTICS)]
    for place, column in zip((VENUE, *range(N_STATISTICS)), lists, strict=True):
        held = column.list.len().to_numpy().astype(np.int64)
        values = column.explode(empty_as_null=False).cast(pl.Int32).fill_null(MISSING).to_numpy()
        team = np.repeat(np.arange(rows.height), held)
        # the last of a team's matches is number played - 1, the first held number played - held
        number = np.arange(values.size) - np.repeat(np.cumsum(held), held) + played[team]
        arrays.recent[team, number % capacity, place] = values
    _recount(arrays, params)
    return arrays


def _recount(arrays: StateArrays, params: FeatureParams) -> None:
    """Sums of the windows from the rings; integers, so that they equal the running sums exactly."""
    recent = _oldest_first(arrays)
    for position, window in enumerate(params.windows):
        newest = recent[:, -window:, :N_STATISTICS]
        is_known = newest != MISSING
        arrays.windows[:, position, :, SUM] = np.where(is_known, newest, 0).sum(axis=1, dtype=np.int64)
        arrays.windows[:, position, :, KNOWN] = is_known.sum(axis=1)
    for venue in range(2):
        is_there = recent[:, :, VENUE] == venue
        results = np.where(is_there[:, :, None], recent[:, :, :N_VENUE_STATISTICS], 0)
        arrays.venues[:, venue, :N_VENUE_STATISTICS] = results.sum(axis=1, dtype=np.int64)
        arrays.venues[:, venue, N_VENUE_STATISTICS] = is_there.sum(axis=1)
