"""Partition keys as values."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from match_assets.errors import ConfigurationError
from match_assets.keys import DataKey, month_floor, parse_cutoff, parse_partitions
from match_assets.stages.chain import ordered

TOURNAMENTS = ("ENG-PremierLeague", "ESP-LaLiga", "ITA-SerieA")


def test_a_data_key_survives_parsing_and_spelling() -> None:
    assert str(DataKey.parse("2024|ESP-LaLiga")) == "2024|ESP-LaLiga"


@pytest.mark.parametrize(
    "text", ["", "2024", "ESP-LaLiga|2024", "24|ESP-LaLiga", "2024|", "2024/ESP-LaLiga", "٢٠٢٤|ESP-LaLiga"]
)
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


def years(tournament: str, first: int, last: int) -> list[str]:
    return [f"{year}|{tournament}" for year in range(first, last + 1)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", []),
        ("ESP-LaLiga 2015..2024", years("ESP-LaLiga", 2015, 2024)),
        ("ESP-LaLiga 2024", ["2024|ESP-LaLiga"]),
        ("ESP-LaLiga 2024..2024", ["2024|ESP-LaLiga"]),
        ("ESP-LaLiga 2020..2021 2015 2021", ["2015|ESP-LaLiga", "2020|ESP-LaLiga", "2021|ESP-LaLiga"]),
        ("ITA-SerieA ESP-LaLiga 2020..2021", years("ESP-LaLiga", 2020, 2021) + years("ITA-SerieA", 2020, 2021)),
        ("ITA-SerieA 2020 ESP-LaLiga 2021", ["2021|ESP-LaLiga", "2020|ITA-SerieA"]),
        ("2024|ESP-LaLiga 2023|ESP-LaLiga", years("ESP-LaLiga", 2023, 2024)),
        ("ESP-LaLiga 2023|ITA-SerieA 2020", ["2020|ESP-LaLiga", "2023|ITA-SerieA"]),
        ("2023|ITA-SerieA ITA-SerieA 2022..2023", years("ITA-SerieA", 2022, 2023)),
    ],
)
def test_a_shell_names_seasons_by_tournament_and_range(words: str, expected: list[str]) -> None:
    assert parse_partitions(words.split(), TOURNAMENTS) == expected


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "LaLiga 2015..2024",
            "'LaLiga' is no tournament in params.yaml; it has ENG-PremierLeague, ESP-LaLiga, ITA-SerieA",
        ),
        ("2024|LaLiga", "'LaLiga' is no tournament"),
        ("2015..2024", "2015..2024: of which tournament? Name it first; write for instance ESP-LaLiga 2015..2024"),
        ("2015..2024 ESP-LaLiga", "2015..2024: of which tournament?"),
        ("ESP-LaLiga", "ESP-LaLiga: which seasons? Write for instance ESP-LaLiga 2015..2024"),
        ("ESP-LaLiga 2024 ITA-SerieA", "ITA-SerieA: which seasons?"),
        ("ESP-LaLiga 2024..2015", "2024..2015 ends before it begins; write 2015..2024"),
        ("ESP-LaLiga 2015..", "'2015..' is no season"),
        ("ESP-LaLiga 15..24", "'15..24' is no season"),
        ("ESP-LaLiga 2015-2024", "'2015-2024' is no season"),
        ("ESP-LaLiga 2020/2021", "a season is named by the year in which it begins, 2024"),
        ("ESP-LaLiga 1000..9999", "seasons from 1888 to 2100 can be named"),
        ("ESP-LaLiga ٢٠٢٤", "'٢٠٢٤' is no"),
        ("ESP-LaLiga 2024\n", "'2024\\n' is no season"),
        ("ESP-LaLiga --2024", "'--2024' is no tournament"),
        ("24|ESP-LaLiga", "'24|ESP-LaLiga' is no partition"),
    ],
)
def test_seasons_that_cannot_be_meant_are_refused_with_what_to_write(words: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_partitions(words.split(" "), TOURNAMENTS)
    assert told in refused.value.message


@given(st.sets(st.integers(1888, 2100), min_size=1, max_size=6), st.permutations(TOURNAMENTS), st.randoms())
def test_the_order_of_the_words_does_not_matter(seasons: set[int], tournaments: list[str], draw: object) -> None:
    listed = [str(season) for season in seasons]
    draw.shuffle(listed)  # type: ignore[attr-defined]
    found = parse_partitions([*tournaments, *listed], TOURNAMENTS)
    assert found == [f"{year}|{tournament}" for tournament in sorted(TOURNAMENTS) for year in sorted(seasons)]
