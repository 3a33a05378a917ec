"""What is written down of the features: the page, their list, and some rows of them."""

import os
from pathlib import Path

import pytest

from match_assets.features import build_team_features, match_feature_definitions, team_feature_names
from match_assets.features.document import document
from tests.property.leagues import SHIPPED, a_frame, a_match

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
REWRITE = os.environ.get("MATCH_ASSETS_GOLDEN") == "rewrite"


def golden(name: str, found: str) -> None:
    """Compare with a golden file, or write it."""
    path = GOLDEN / name
    if REWRITE:
        path.write_text(found, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == found, f"see what changed after `make golden` in tests/golden/{name}"


def test_the_page_of_features_is_current() -> None:
    page = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    assert page == document(SHIPPED), "run `make docs`"


def test_golden_list_of_match_features() -> None:
    golden("features.txt", "".join(f"{d.name}  {d.group}  {d.unit}\n" for d in match_feature_definitions(SHIPPED)))


def test_golden_rows_of_a_small_league() -> None:
    """A line a feature, a column a row: both teams of the last match of each of two seasons."""
    drawn = {"home_shots": 12, "away_shots": 8, "home_shots_on_target": 5, "away_shots_on_target": 2, "home_corners": 6,
             "away_corners": 3, "home_fouls": 9, "away_fouls": 14, "home_yellow_cards": 1, "away_yellow_cards": 3,
             "home_red_cards": 0, "away_red_cards": 1}  # fmt: skip
    matches = [
        a_match(1, "2022-08-06 15:00", 1, 2, (2, 0), season="2022", **drawn),
        a_match(2, "2022-08-13 15:00", 3, 1, (1, 1), season="2022", **{k: v + 2 for k, v in drawn.items()}),
        a_match(3, "2022-08-20", 2, 3, (0, 3), season="2022"),
        a_match(4, "2022-08-27 17:30", 2, 1, (3, 0), season="2022", is_walkover=True),
        a_match(5, "2022-09-03 15:00", 1, 2, (4, 2), season="2022", **drawn),
        a_match(6, "2023-08-05 15:00", 4, 1, (0, 1), season="2023", **drawn),
        a_match(7, "2023-08-12 15:00", 1, 4, (2, 2), season="2023"),
    ]
    rows = build_team_features(a_frame(matches), SHIPPED).team_features
    shown = [rows.row(place, named=True) for place in (8, 9, 12, 13)]
    lines = ["# team 1 and 2 before match 5, team 1 and 4 before match 7"]
    for name in team_feature_names(SHIPPED):
        values = ("-" if row[name] is None else f"{row[name]:.9g}" for row in shown)
        lines.append(f"{name}  {'  '.join(values)}")
    golden("feature_rows.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", ["features.txt", "feature_rows.txt"])
def test_golden_files_are_small_enough_to_be_read(name: str) -> None:
    assert len((GOLDEN / name).read_bytes()) < 30_000
