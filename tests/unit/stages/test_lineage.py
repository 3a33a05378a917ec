"""Where a column came from."""

from match_assets.config import load_params
from match_assets.features import match_feature_names, team_feature_names, team_features_schema
from match_assets.gates import schemas
from match_assets.stages.lineage import column_descriptions, column_lineage

PARAMS = load_params()


def test_statistics_of_a_result_come_from_the_statistics_of_its_side() -> None:
    assert column_lineage("finished_matches", ["away_corners"], PARAMS) == {
        "away_corners": [("raw_match_stats", "corners")]
    }


def test_every_column_of_the_results_comes_from_a_column_that_the_raw_tables_have() -> None:
    finished = schemas.finished_matches("T", "2024").columns
    raw = {
        "raw_matches": schemas.raw_matches("T", "2024").columns,
        "raw_match_stats": schemas.raw_match_stats().columns,
    }
    lineage = column_lineage("finished_matches", list(finished), PARAMS)
    assert set(lineage) == set(finished)
    assert all(column in raw[asset] for sources in lineage.values() for asset, column in sources)


def test_every_team_feature_comes_from_columns_of_the_results() -> None:
    names = team_feature_names(PARAMS.features)
    lineage = column_lineage("team_match_features", list(team_features_schema(PARAMS.features)), PARAMS)
    finished = schemas.finished_matches("T", "2024").columns
    assert set(names) <= set(lineage)
    assert all(column in finished for sources in lineage.values() for _, column in sources)


def test_features_of_fixtures_come_from_the_state_of_both_teams() -> None:
    name = match_feature_names(PARAMS.features)[0]
    sources = column_lineage("match_features", [name], PARAMS)[name]
    assert ("team_state", "team_id") in sources
    assert ("upcoming_matches", "home_team_id") in sources


def test_every_feature_is_told_with_its_unit_its_rule_for_null_and_its_sources() -> None:
    told = column_descriptions("team_match_features", ["match_id", "elo", "corners_for_5"], PARAMS)
    assert told["match_id"] == "from finished_matches: match_id"
    assert told["corners_for_5"] == (
        "mean corners won in the last 5 matches (corners a match); null: unknown in each of the last 5 matches; "
        "from finished_matches: home_corners, away_corners"
    )
    names = match_feature_names(PARAMS.features)
    assert list(column_descriptions("match_features", names, PARAMS)) == names
    assert told["elo"].endswith("from finished_matches: home_goals, away_goals")
