"""``params.yaml`` and the environment: what is wrong is named with its place before anything starts."""

from pathlib import Path

import pytest

from match_assets.config import PARAMS_FILE, digest_of, load_params, load_settings, parse_params
from match_assets.errors import ConfigurationError

TEXT = PARAMS_FILE.read_text()
COMPLETE = {
    "MATCH_ASSETS_POSTGRES_URL": "postgresql+psycopg://u:p@h/d",
    "MATCH_ASSETS_S3_BUCKET": "b",
    "MATCH_ASSETS_REDIS_URL": "redis://h",
    "MATCH_ASSETS_MLFLOW_URL": "postgresql+psycopg://u:p@h/m",
    "MATCH_ASSETS_SOURCE_URL": "http://h",
}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("folds: 3", "folds: -3", r"params\.yaml:\d+: split\.folds: .*greater than or equal to 1"),
        ("folds: 3", "folds: three", r"split\.folds: .*valid integer"),
        ("folds: 3", "folds: 3\n  fold: 4", r"split\.fold: Extra inputs are not permitted"),
        ("windows: [5, 10, 20]", "windows: [10, 5]", r"features: .*ascending"),
        ("windows: [5, 10, 20]", "windows: [-5]", r"features\.windows\.0: .*greater than or equal to 1"),
        ("metric: rps", "metric: luck", r"promotion\.metric: .*'rps', 'log_loss' or 'brier'"),
        ("ESP-LaLiga:", "ENG-PremierLeague:", r"'ENG-PremierLeague' stands here twice"),
        ("tournament_id: 4,", "tournament_id: 2, region_id: 252,", r"'region_id' stands here twice"),
        (
            "{region_id: 206, tournament_id: 4,",
            "{region_id: 252, tournament_id: 2,",
            r"same region_id and tournament_id",
        ),
        ("ESP-LaLiga:", "ESP|LaLiga:", r"may not hold any of"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_key(old: str, new: str, told: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigurationError, match=told):
        parse_params(TEXT.replace(old, new, 1))


def test_the_line_of_a_wrong_parameter_is_told() -> None:
    line = next(i for i, text in enumerate(TEXT.splitlines(), start=1) if "k_factor" in text)
    with pytest.raises(ConfigurationError, match=rf"params\.yaml:{line}: features\.elo\.k_factor"):
        parse_params(TEXT.replace("k_factor: 20.0", "k_factor: 0"))


def test_text_that_is_no_yaml_is_told_as_such() -> None:
    with pytest.raises(ConfigurationError, match="not readable as YAML"):
        parse_params("tournaments: [")


def test_a_file_that_cannot_be_read_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MATCH_ASSETS_PARAMS"):
        load_params(tmp_path / "absent.yaml")


def test_a_comment_leaves_the_digest_of_parameters_alone() -> None:
    before, after = parse_params(TEXT), parse_params("# a remark\n" + TEXT)
    assert digest_of(before.features) == digest_of(after.features)


def test_a_changed_window_changes_the_digest_of_features_alone() -> None:
    before, after = parse_params(TEXT), parse_params(TEXT.replace("[5, 10, 20]", "[5, 10]"))
    assert digest_of(before.features) != digest_of(after.features)
    assert digest_of(before.split) == digest_of(after.split)


def test_one_tournament_of_the_parameters_or_the_names_that_there_are() -> None:
    params = parse_params(TEXT)
    assert list(params.only("ESP-LaLiga").tournaments) == ["ESP-LaLiga"]
    with pytest.raises(ConfigurationError, match=r"POR-Liga is not in params\.yaml; it has .*ESP-LaLiga"):
        params.only("POR-Liga")


def test_a_missing_variable_is_named_with_the_remedy() -> None:
    held = {name: value for name, value in COMPLETE.items() if name != "MATCH_ASSETS_POSTGRES_URL"}
    with pytest.raises(ConfigurationError, match=r"MATCH_ASSETS_POSTGRES_URL.*make up"):
        load_settings(held)


def test_no_secret_stands_in_the_message_of_a_wrong_setting() -> None:
    wrong = {**COMPLETE, "MATCH_ASSETS_REQUESTS_PER_MINUTE": "-1", "MATCH_ASSETS_S3_SECRET_KEY": "canary"}
    with pytest.raises(ConfigurationError) as told:
        load_settings(wrong)
    assert "canary" not in str(told.value)
    assert "MATCH_ASSETS_REQUESTS_PER_MINUTE" in str(told.value)
