"""The row of any two teams from a state, without a frame: what the service answers from."""

from collections.abc import Mapping

import numpy as np

from match_assets.config import FeatureParams
from match_assets.errors import SchemaMismatchError, UnknownTeamError
from match_assets.features.layout import N_COUNTS, Floats, MatchArrays
from match_assets.features.registry import feature_version
from match_assets.features.rows import match_rows, places, team_rows
from match_assets.features.state import TeamState

NO_WALKOVERS, NO_COUNTS = np.zeros(0, np.bool_), np.zeros((0, 2, N_COUNTS), np.int32)
READ_THE_FIRST = np.zeros(1, np.int64)


class PairReader:
    """Match feature rows of pairs of teams from one state; may be shared by threads.

    Args:
        state: what is known.
        params: the parameters that made it.

    Raises:
        SchemaMismatchError: the state is of another feature version.
    """

    def __init__(self, state: TeamState, params: FeatureParams) -> None:
        if state.feature_version != feature_version(params):
            raise SchemaMismatchError(
                f"team_state is of feature version {state.feature_version}, this process reads "
                f"{feature_version(params)}; materialise team_state again",
                column="feature_version",
                expected=feature_version(params),
                found=state.feature_version,
            )
        self._state, self._places = state, places(params)
        self._teams: Mapping[int, int] = {team: place for place, team in enumerate(state.team_ids.tolist())}
        self._seasons: Mapping[int, int] = {year: place for place, year in enumerate(state.seasons)}

    def row(self, home_team_id: int, away_team_id: int, season: int, kick_off_microseconds: int) -> Floats:
        """The row that the batch would write for this match, were it the next of both teams.

        Args:
            home_team_id: a team that the state knows.
            away_team_id: another.
            season: first year of its season: one that the state knows or a newer one.
            kick_off_microseconds: since 1970 (UTC).

        Returns:
            (match features,) float64 in the registry's order, NaN where unknown.

        Raises:
            UnknownTeamError: the state does not know a team.
        """
        if home_team_id not in self._teams or away_team_id not in self._teams:
            unknown = [team for team in (home_team_id, away_team_id) if team not in self._teams]
            raise UnknownTeamError(
                f"no team {unknown[0]} in {self._state.tournament}; its teams are listed in team_state",
                team_ids=unknown,
                tournament=self._state.tournament,
            )
        time = np.array([kick_off_microseconds])
        match = MatchArrays(
            read_time=time,
            effect_time=time,
            season=np.array([self._seasons.get(season, len(self._seasons))]),
            home=np.array([self._teams[home_team_id]]),
            away=np.array([self._teams[away_team_id]]),
            is_walkover=NO_WALKOVERS,
            counts=NO_COUNTS,
            events=READ_THE_FIRST,
        )
        return match_rows(team_rows(match, self._state.arrays, self._places), self._places)[:, 0]
