"""The registry is the one list of features: names, order, groups and version come from it."""

import importlib
import inspect
import re

import pytest

from match_assets.config import FeatureParams
from match_assets.features import (
    assemble_match_features,
    build_team_features,
    feature_groups,
    feature_version,
    ledger,
    match_feature_definitions,
    match_feature_names,
    match_features_schema,
    team_feature_definitions,
    team_feature_names,
    team_features_schema,
)
from match_assets.features.frames import RESULTS
from match_assets.features.layout import N_RATINGS, N_SURPLUS
from match_assets.features.registry import ADJUSTED, COMPARED, EXPECTATIONS, RATING_NAMES, STATISTICS
from match_assets.features.rows import places
from tests.property.leagues import PARAMS, SHIPPED, a_frame, a_match

BOTH = pytest.mark.parametrize("params", [SHIPPED, PARAMS], ids=["shipped", "short windows"])


@BOTH
def test_every_kernel_place_has_one_definition(params: FeatureParams) -> None:
    at, over = places(params), len(params.windows) + 1
    assert at.ledger == 2 * len(STATISTICS) * over + len(ADJUSTED) * len(params.windows)
    assert at.ratings - at.ledger == len(_called_by_the_ledger(params))
    assert (len(ADJUSTED), len(RATING_NAMES), at.ratios - at.ratings) == (N_SURPLUS, N_RATINGS, N_RATINGS)
    assert at.ratios + at.numerators.size == at.n_team
    assert at.n_match == 2 * at.n_team + at.compared.size + len(EXPECTATIONS)


@BOTH
def test_the_ledger_is_read_in_the_order_of_the_registry(params: FeatureParams) -> None:
    at = places(params)
    made_by = [d.made_by for d in team_feature_definitions(params)[at.ledger : at.ratings]]
    assert made_by == [f"ledger.{name}" for name in _called_by_the_ledger(params)]


def _called_by_the_ledger(params: FeatureParams) -> list[str]:
    """Names of the functions that fill the places of the ledger, by the code itself."""
    code = inspect.getsource(ledger.read_ledger.py_func)
    [congestion, *rest] = re.findall(r"rows\[[^]]+\] = (\w+)\(", code)[1:]
    kinds = ledger.CLEAN + 1 - ledger.WON
    return ["rest_days", *[congestion] * len(params.congestion_days), *rest[:-1], *[rest[-1]] * kinds]


def test_every_feature_names_the_function_that_makes_it() -> None:
    for definition in match_feature_definitions(SHIPPED):
        module, _, function = definition.made_by.partition(".")
        assert callable(getattr(importlib.import_module(f"match_assets.features.{module}"), function)), definition.name


@BOTH
def test_names_are_unique_and_readable(params: FeatureParams) -> None:
    names = match_feature_names(params)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in [*names, *team_feature_names(params)])


def test_definitions_are_complete_sentences_of_facts() -> None:
    for definition in match_feature_definitions(SHIPPED):
        facts = (definition.group, definition.unit, definition.description, definition.null_when, definition.source)
        assert all(facts), definition.name
        assert definition.within[0] < definition.within[1], definition.name
        assert set(definition.reads) <= set(RESULTS), definition.name
        assert definition.window is None or definition.window in SHIPPED.windows


def test_groups_divide_the_match_features() -> None:
    groups = feature_groups(SHIPPED)
    grouped = [name for names in groups.values() for name in names]
    assert sorted(grouped) == sorted(match_feature_names(SHIPPED))
    assert {
        "form_5",
        "form_20",
        "shots",
        "discipline",
        "schedule",
        "table",
        "head_to_head",
        "elo",
        "pi",
        "attack_defence",
    } <= set(groups)


def test_every_comparison_named_exists() -> None:
    names = [name for name in match_feature_names(SHIPPED) if name.endswith("_difference")]
    bases = {re.sub(r"(_\d+|_weighted)?_difference$", "", name) for name in names}
    assert bases - {"pi_expected_goal"} == COMPARED


def test_frames_have_the_columns_of_the_registry_in_its_order() -> None:
    rows = build_team_features(a_frame([a_match(1, "2023-08-01 15:00", 1, 2)]), SHIPPED).team_features
    assert rows.schema == team_features_schema(SHIPPED)
    assert assemble_match_features(rows, SHIPPED).schema == match_features_schema(SHIPPED)
    assert list(match_features_schema(SHIPPED))[6:] == match_feature_names(SHIPPED)


def test_version_is_stable_and_moves_with_any_parameter() -> None:
    version = feature_version(SHIPPED)
    assert re.fullmatch(r"[0-9a-f]{16}", version)
    assert feature_version(FeatureParams.model_validate(SHIPPED.model_dump())) == version
    changed = [
        SHIPPED.model_copy(update={"windows": (5, 10)}),
        SHIPPED.model_copy(update={"rest_days_cap": 20.0}),
        SHIPPED.model_copy(update={"elo": SHIPPED.elo.model_copy(update={"k_factor": 21.0})}),
        SHIPPED.model_copy(update={"pi": SHIPPED.pi.model_copy(update={"lambda_": 0.05})}),
    ]
    assert len({version, *map(feature_version, changed)}) == 5


def test_version_moves_with_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    before = feature_version(SHIPPED)
    monkeypatch.setattr("match_assets.features.registry.KERNEL_VERSION", 10**6)
    feature_version.cache_clear()
    try:
        assert feature_version(SHIPPED) != before
    finally:
        feature_version.cache_clear()
