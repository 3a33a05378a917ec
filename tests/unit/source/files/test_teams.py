"""Aliases: one id for a club whatever names it, a site's id before ours, and no club out of nothing."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from match_assets.config import load_params
from match_assets.errors import AliasError, ConfigurationError
from match_assets.source.files.teams import (
    FROM_SITE,
    Alias,
    RegionTeams,
    new_team_id,
    parse_aliases,
    read_aliases,
    shipped_aliases,
    shipped_team_id,
)

ROOT = Path(__file__).resolve().parents[4]
CAPTURED = ROOT.parent / "shared" / "whoscored" / "samples" / "team_alias.csv"
ENGLAND, GERMANY = 252, 81
REGION_OF = {"E0": 252, "SP1": 206, "I1": 108, "D1": 81, "F1": 74}


def teams(*more: Alias, site: dict[str, set[int]] | None = None, region_id: int = ENGLAND) -> RegionTeams:
    return RegionTeams(region_id, [*shipped_aliases(), *more], site or {})


def found(name: str, known: RegionTeams) -> int | None:
    alias = known.find(name)
    return alias.team_id if alias else None


# ING-18
@pytest.mark.parametrize("name", ["Man United", "Man Utd", "Manchester United", " man  UNITED ", "Man\u00a0United"])
def test_every_spelling_of_a_club_is_one_id(name: str) -> None:
    assert found(name, teams()) == 32


def test_a_name_means_its_own_regions_club() -> None:
    assert found("Man United", teams(region_id=GERMANY)) is None
    assert found("Leipzig", teams(region_id=GERMANY)) != found("RB Leipzig", teams(region_id=GERMANY))


def test_an_unknown_name_is_no_club_and_shows_what_it_looks_like() -> None:
    known = teams(site={"hartlepool": {9}})
    assert known.find("Man Unted") is None
    assert known.nearest("Man Unted")[0] == "Man United (32)"
    assert known.nearest("Hartlepol") == ["hartlepool (9)"]
    assert known.nearest("Zzzzz") == []


def test_a_persons_alias_counts_before_the_shipped_one() -> None:
    own = Alias(ENGLAND, "Man United", 7, "mine.csv")
    assert found("Man United", teams(own)) == 7
    assert found("Man United", RegionTeams(ENGLAND, [own, *shipped_aliases()], {})) == 7


def test_the_site_takes_over_a_club_of_ours_under_any_of_its_names() -> None:
    assert found("Coventry", teams()) < 0  # type: ignore[operator]
    known = teams(site={"coventry city": {220}})
    assert found("Coventry", known) == 220
    assert known.find("Coventry") == Alias(ENGLAND, "Coventry", 220, FROM_SITE)


def test_the_site_takes_over_nothing_that_is_not_sure() -> None:
    ours = found("Leipzig", teams(region_id=GERMANY))
    # the club of that name today has an alias of its own
    assert found("Leipzig", teams(site={"leipzig": {7614}}, region_id=GERMANY)) == ours
    assert found("Coventry", teams(site={"coventry": {220}, "coventry city": {221}})) == found("Coventry", teams())


def test_names_that_the_site_shows_need_no_alias_unless_two_clubs_bear_them() -> None:
    known = teams(site={"hartlepool": {9}, "town": {10, 11}})
    assert (found("Hartlepool", known), found("Town", known)) == (9, None)


def test_new_makes_a_club_of_ours_that_stays_the_same() -> None:
    first, second = (
        parse_aliases("region_id,name,team_id\n252,Hartlepool,new\n252,HARTLEPOOL ,NEW\n", "mine.csv")[:1] * 2
    )
    assert first.team_id == second.team_id == new_team_id(252, "hartlepool") < 0
    assert first.team_id not in {alias.team_id for alias in shipped_aliases()}
    assert new_team_id(81, "Hartlepool") != first.team_id
    assert first.team_id > -(2**31)


def test_rows_not_filled_in_yet_and_columns_of_notes_are_passed_over() -> None:
    text = "region_id,name,team_id,nearest\n252,Hartlepool,,Liverpool (26)\n252,Hull City,214,\n"
    assert [alias.name for alias in parse_aliases(text, "mine.csv")] == ["Hull City"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,team_id\nX,1\n", r"mine\.csv:1: lacks the columns \['region_id'\]"),
        (
            "region_id,name,team_id\n252,X,1\n252, x ,2\n",
            r"mine\.csv:3: 'x' of region 252 is team 2 .* team 1 in line 2",
        ),
        ("region_id,name,team_id\nengland,X,1\n", r"mine\.csv:2: invalid literal"),
        ("region_id,name,team_id\n252,X,1.5\n", r"mine\.csv:2: invalid literal"),
        ("region_id,name,team_id\n252,X,0\n", "is no alias"),
        ("region_id,name,team_id\n252,X,4000000000\n", "is no alias"),
        ("region_id,name,team_id\n252, ,5\n", "is no alias"),
    ],
)
def test_an_alias_file_that_contradicts_itself_or_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(AliasError, match=message):
        parse_aliases(text, "mine.csv")


def test_an_alias_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.csv.*--aliases"):
        read_aliases(tmp_path / "absent.csv")
    (tmp_path / "old.csv").write_bytes(b"region_id,name,team_id\n81,N\xfcrnberg,137\n")
    with pytest.raises(ConfigurationError, match=r"old\.csv.*UTF-8"):
        read_aliases(tmp_path / "old.csv")


def test_the_shipped_table_knows_the_followed_regions_and_every_club_by_one_id() -> None:
    aliases = shipped_aliases()
    params = load_params()
    assert {alias.region_id for alias in aliases} == {t.region_id for t in params.tournaments.values() if t.division}
    assert max(Counter(alias.key for alias in aliases).values()) == 1
    regions: dict[int, set[int]] = defaultdict(set)
    for alias in aliases:
        regions[alias.team_id].add(alias.region_id)
    assert all(len(found) == 1 for found in regions.values())


@pytest.mark.skipif(not CAPTURED.is_file(), reason=f"no captured table of clubs at {CAPTURED}")
def test_the_shipped_table_has_the_sites_ids() -> None:
    with CAPTURED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 145
    for row in rows:
        for name in (row["whoscoredName"], row["footballDataName"]):
            assert shipped_team_id(REGION_OF[row["div"]], name) == int(row["whoscoredTeamId"]), name
