"""Partition keys as values."""

import datetime as dt

import pytest

from match_assets.errors import ConfigurationError
from match_assets.keys import DataKey, month_floor, parse_cutoff
from match_assets.stages.chain import ordered


def test_a_data_key_survives_parsing_and_spelling() -> None:
    assert str(DataKey.parse("2024|ESP-LaLiga")) == "2024|ESP-LaLiga"


@pytest.mark.parametrize("text", ["", "2024", "ESP-LaLiga|2024", "24|ESP-LaLiga", "2024|", "2024/ESP-LaLiga"])
def test_another_spelling_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"for instance 2024\|ESP-LaLiga"):
        DataKey.parse(text)


def test_history_comes_before_what_builds_on_it_and_each_season_once() -> None:
    asked = ["2024|B", "2023|A", "2022|B", "2024|B", "2024|A"]
    assert ordered(asked) == ["2023|A", "2024|A", "2022|B", "2024|B"]


@pytest.mark.parametrize("text", ["2025-02-02", "2025-02", "soon"])
def test_a_cutoff_is_the_first_of_a_month(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"first of a month"):
        parse_cutoff(text)


def test_data_reach_the_cutoff_of_their_own_month() -> None:
    assert month_floor(dt.datetime(2025, 2, 10, 23, tzinfo=dt.UTC)) == dt.date(2025, 2, 1)
