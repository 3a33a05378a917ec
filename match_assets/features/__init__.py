"""What is known of two teams before they meet: rolling form and ratings, pure functions on frames and arrays.

Belongs here: the registry of features, the kernels that read and update a tournament's state, and the frames at their
border. Does not: storage, Dagster, HTTP, or anything that reads a clock. Start reading at ``build.py`` (the public
functions) and ``registry.py`` (the definitions in words), then ``rows.py`` (how a row comes about) and the kernels:
``rolling.py``, ``ledger.py``, ``ratings.py``, ``assembly.py``.

The rules that every feature obeys:

- A row reads what was known before its kick-off. A kick-off whose time is unknown stands for its whole day (UTC): the
  row sees nothing of that day, and no other row of that day sees its result.
- Point in time: a replay reads the scores as they are known today. A corrected score therefore changes later rows as
  if the first report had never been made; no row at or before the match changes.
- Matches count in the order in which they became known: by the end of what they cover (kick-off or day), then kick-off,
  then match id. A postponed match counts at its new date; an abandoned or cancelled one is no result and never counts.
- Form and ratings belong to one tournament. A team that enters a tournament already under way, or comes back after
  missing a season of it, starts with the documented prior and no form.
- A walkover is a date on which a team was busy, and nothing else: form, counts, meetings and ratings stay.
- "The last matches" of a team are its counted ones (no walkovers) since it entered the tournament. A statistic that is
  unknown takes a place among them and is left out of the mean.
- A season's table and counts are those of the newest season that the team has entered. A match of an older season that
  was put off until after that counts in them too.
- Unknown is null, never zero and never NaN.
"""

from match_assets.features.build import (
    FeatureBuild,
    advance,
    assemble_match_features,
    build_team_features,
    checked_team_features,
    fixture_team_features,
    match_features_schema,
    team_features_schema,
)
from match_assets.features.pairs import PairReader
from match_assets.features.registry import (
    FeatureDefinition,
    feature_groups,
    feature_version,
    match_feature_definitions,
    match_feature_names,
    team_feature_definitions,
    team_feature_names,
)
from match_assets.features.state import TeamState

__all__ = [
    "FeatureBuild",
    "FeatureDefinition",
    "PairReader",
    "TeamState",
    "advance",
    "assemble_match_features",
    "build_team_features",
    "checked_team_features",
    "feature_groups",
    "feature_version",
    "fixture_team_features",
    "match_feature_definitions",
    "match_feature_names",
    "match_features_schema",
    "team_feature_definitions",
    "team_feature_names",
    "team_features_schema",
]
