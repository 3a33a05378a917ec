"""The state of a tournament after its newest match: what the next row of any team is read from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from match_assets.config import FeatureParams
from match_assets.errors import SchemaMismatchError
from match_assets.features.frames import KICK_OFF, Schema, checked
from match_assets.features.layout import (
    DATES,
    KNOWN_UNTIL,
    LAST_KICK_OFF,
    MISSING,
    N_COUNTERS,
    N_DATES,
    N_KINDS,
    N_RATINGS,
    N_SURPLUS,
    NEVER,
    NEWCOMER,
    PLAYED,
    SEASON,
    SEASON_BEGUN,
    Ints,
    SmallInts,
    StateArrays,
)
from match_assets.features.registry import ADJUSTED, RATING_NAMES, STATISTICS, STREAKS, feature_version

# the counters from PLAYED on, in order
COUNTERS = (
    "matches_played",
    "season_matches",
    "season_points",
    "season_goals_for",
    "season_goals_against",
    *(name for name, _ in STREAKS),
)
TIMES = {"last_kick_off_utc": LAST_KICK_OFF, "known_until_utc": KNOWN_UNTIL, "season_begun_utc": SEASON_BEGUN}
HELD = tuple(f"recent_{name}" for name in (*(name for name, *_ in ADJUSTED), *(s.name for s in STATISTICS)))

STATE: Schema = {
    "tournament": pl.String(),
    "season": pl.String(),
    "team_id": pl.Int64(),
    "team_name": pl.String(),
    "feature_version": pl.String(),
    "seasons": pl.List(pl.Int64()),
    "team_season": pl.Int64(),
    **dict.fromkeys(TIMES, KICK_OFF),
    **dict.fromkeys(COUNTERS, pl.Int64()),
    **dict.fromkeys(RATING_NAMES, pl.Float64()),
    "weighted": pl.List(pl.Float64()),
    "recent_kick_offs_utc": pl.List(KICK_OFF),
    "met_team_ids": pl.List(pl.Int64()),
    "met_margins": pl.List(pl.Int32()),
    "recent_is_home": pl.List(pl.Boolean()),
    **dict.fromkeys(HELD, pl.List(pl.Int32())),
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

        ``recent_*`` list a team's last matches, oldest first, null where a statistic is unknown, what was against the
        ratings in ten-thousandths; ``met_*`` its meetings, opponent by opponent, oldest first; ``weighted`` means
        and their weights, overall, at home and away, a statistic after the other.
        """
        arrays, n = self.arrays, self.team_ids.size
        counters = arrays.counters.T
        dates, n_dates = _unrolled(arrays.dates, counters[DATES])
        teams, opponents = np.nonzero(arrays.meetings[:, :, 0])
        met = arrays.meetings[teams, opponents]
        margins, n_met = _unrolled(met[:, 1:], met[:, 0].astype(np.int64))
        n_margins = np.bincount(teams, n_met, n).astype(np.int64)
        is_held = np.arange(arrays.held.shape[1]) < arrays.n_held[:, None]
        held = arrays.held[is_held]
        columns = {
            "tournament": [self.tournament] * n,
            "season": [self.season] * n,
            "team_id": self.team_ids,
            "team_name": list(self.team_names),
            "feature_version": [self.feature_version] * n,
            "seasons": [list(self.seasons)] * n,
            "team_season": np.array(self.seasons, np.int64)[counters[SEASON]],
            **{name: pl.Series(counters[place]).cast(KICK_OFF) for name, place in TIMES.items()},
            **dict(zip(COUNTERS, counters[PLAYED:], strict=True)),
            **dict(zip(RATING_NAMES, arrays.ratings.T, strict=True)),
            "weighted": arrays.weighted.reshape(n, -1).tolist() if n else [],
            "recent_kick_offs_utc": pl.Series(_lists(dates, n_dates), dtype=pl.List(pl.Int64)).cast(pl.List(KICK_OFF)),
            "met_team_ids": _lists(np.repeat(self.team_ids[opponents], n_met), n_margins),
            "met_margins": _lists(margins, n_margins),
            "recent_is_home": _lists(held[:, -1] == 0, arrays.n_held),
            **{name: _lists(held[:, place], arrays.n_held) for place, name in enumerate(HELD)},
        }
        return pl.DataFrame(columns, schema=STATE, strict=True)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, params: FeatureParams) -> "TeamState":
        """The state that ``to_frame`` wrote; row order does not matter.

        Raises:
            SchemaMismatchError: a column is missing or of another type, or the frame was made by another feature
                version; the message names both.
        """
        version = feature_version(params)
        made_by = sorted(map(str, frame["feature_version"].unique())) if "feature_version" in frame.columns else []
        what = f"team_state of feature version {', '.join(made_by) or 'unknown'} (this process reads {version})"
        rows = checked(frame, STATE, what=what).sort("team_id")
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
            if name != "meetings":
                getattr(arrays, name)[places] = getattr(self.arrays, name)
        arrays.meetings[np.ix_(places, places)] = self.arrays.meetings
        all_seasons = tuple(sorted({*self.seasons, *seasons}))
        team_names = tuple(known[team] for team in team_ids.tolist())
        return TeamState(self.tournament, all_seasons, team_ids, team_names, self.feature_version, arrays)


def _blank_arrays(n: int, params: FeatureParams) -> StateArrays:
    n_statistics = N_SURPLUS + len(STATISTICS)
    arrays = StateArrays(
        counters=np.zeros((n, N_COUNTERS), np.int64),
        dates=np.zeros((n, N_DATES), np.int64),
        meetings=np.zeros((n, n, 1 + params.head_to_head), np.int32),
        ratings=np.zeros((n, N_RATINGS)),
        n_held=np.zeros(n, np.int64),
        held=np.full((n, 2 * params.windows[-1], n_statistics + 1), MISSING, np.int32),
        weighted=np.zeros((n, N_KINDS, len(STATISTICS), 2)),
    )
    arrays.counters[:, [SEASON, LAST_KICK_OFF, KNOWN_UNTIL]] = NEWCOMER, NEVER, NEVER
    return arrays


def _unrolled(rings: NDArray[Any], counts: Ints) -> tuple[NDArray[Any], Ints]:
    """What rings (m, size) hold, oldest first and ring after ring, and how much each holds."""
    size = rings.shape[1]
    held = np.minimum(counts, size)
    slots = (counts[:, None] + np.arange(size)) % size
    ordered = np.take_along_axis(rings, np.where(counts[:, None] < size, np.arange(size), slots), axis=1)
    return ordered[np.arange(size) < held[:, None]], held


def _lists(values: NDArray[Any], lengths: Ints) -> list[list[Any]]:
    plain = [None if value == MISSING else value for value in values.tolist()]
    ends = np.cumsum(lengths).tolist()
    return [plain[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]


def _flat(column: pl.Series) -> tuple[NDArray[Any], Ints]:
    """Values of lists one after the other, and the length of each list."""
    return column.explode(empty_as_null=False).to_numpy(), column.list.len().to_numpy().astype(np.int64)


def _slots(lengths: Ints) -> Ints:
    """0, 1, ... within each list."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _arrays_of(rows: pl.DataFrame, seasons: tuple[int, ...], params: FeatureParams) -> StateArrays:
    arrays, teams = _blank_arrays(rows.height, params), np.arange(rows.height)
    arrays.counters[:, SEASON] = np.searchsorted(np.array(seasons), rows["team_season"].to_numpy())
    for name, place in TIMES.items():
        arrays.counters[:, place] = rows[name].to_physical().to_numpy()
    arrays.counters[:, PLAYED:] = rows.select(COUNTERS).to_numpy()
    arrays.ratings[:] = rows.select(RATING_NAMES).to_numpy()
    arrays.weighted[:] = _flat(rows["weighted"])[0].reshape(arrays.weighted.shape)
    dates, lengths = _flat(rows["recent_kick_offs_utc"].cast(pl.List(pl.Int64)))
    arrays.dates[np.repeat(teams, lengths), _slots(lengths)] = dates
    arrays.counters[:, DATES] = lengths
    _put_meetings(arrays.meetings, rows)
    is_home, lengths = _flat(rows["recent_is_home"])
    team, slot = np.repeat(teams, lengths), _slots(lengths)
    arrays.n_held[:] = lengths
    arrays.held[team, slot, -1] = ~is_home
    for place, name in enumerate(HELD):
        arrays.held[team, slot, place] = rows[name].explode(empty_as_null=False).fill_null(MISSING).to_numpy()
    return arrays


def _put_meetings(meetings: SmallInts, rows: pl.DataFrame) -> None:
    met, lengths = _flat(rows["met_team_ids"])
    margins, _ = _flat(rows["met_margins"])
    team = np.repeat(np.arange(rows.height), lengths)
    opponent = np.searchsorted(rows["team_id"].to_numpy(), met)
    _, first, n_meetings = np.unique(team * rows.height + opponent, return_index=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    meetings[team, opponent, 1 + _slots(n_meetings[order])] = margins
    meetings[team[first], opponent[first], 0] = n_meetings
