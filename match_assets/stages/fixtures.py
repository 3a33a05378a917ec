"""The feature row of a fixture, as the lookup table holds it and its gate makes it again."""

import polars as pl

from match_assets.config import Params
from match_assets.features import TeamState, assemble_match_features, fixture_team_features, match_feature_names

NAMES = ["match_id", "home_team", "away_team"]
KEYS = ["match_id", "tournament", "season", "kick_off_utc", "home_team_id", "away_team_id"]


def fixture_rows(fixtures: pl.DataFrame, state: TeamState, params: Params) -> pl.DataFrame:
    """Model features of known fixtures, with the names of both teams: one row per fixture, in kick-off order."""
    teams = fixture_team_features(state, fixtures, params.features, allow_unknown=True)
    wide = assemble_match_features(teams, params.features)
    named = wide.join(fixtures.select(NAMES), on="match_id", how="left")
    return named.select(*KEYS, "home_team", "away_team", *match_feature_names(params.features))
