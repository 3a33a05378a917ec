"""Thirty-two real seasons of five leagues: every row accounted for, and the second import writes nothing.

Skips where the folder `../shared/data/football-datasets` is absent.
"""

from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine, func, select, text

from match_assets.config import load_params
from match_assets.source.files.importing import import_folder
from match_assets.warehouse.reading import season_snapshot
from match_assets.warehouse.schema import match_stats, matches, observations

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT.parent / "shared" / "data" / "football-datasets"
N_ROWS, N_FILES = 57_327, 160
# seasons of England to 2012/13, of Germany, France and Italy to 2006/07, of Italy 2018/19 to 2020/21 with such counts
N_OTHER_DEFINITION = 8_503
STAMPED = ("matches", "match_pages", "match_stats", "observations", "team_names", "team_aliases", "gaps", "seasons")

pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason=f"no folder of football-data files at {FILES}")


def stamps(engine: Engine) -> dict[str, str]:
    """Each table's rows with the transaction that wrote them: the same stamps, nothing was written."""
    with engine.connect() as connection:
        return {
            table: connection.execute(
                text(f"SELECT md5(string_agg(ctid::text || xmin::text, ',' ORDER BY ctid)) FROM {table}")
            ).scalar_one()
            for table in STAMPED
        }


def test_every_row_of_the_real_files_is_accounted_for_and_the_second_import_writes_nothing(warehouse: Engine) -> None:
    params = load_params()
    report = import_folder(warehouse, params, FILES)
    assert (report.n_files, report.n_rows, report.n_stored) == (N_FILES, N_ROWS, N_ROWS)
    assert (report.n_refused, report.n_repeated, report.n_passed_over, report.unmatched) == (0, 0, 0, ())
    flagged = report.kinds("flagged")
    assert flagged["other definition"] == N_OTHER_DEFINITION
    assert flagged["goals above shots"] == 3
    # 1 awarded match of Germany, 2 of Spain, 1 of France, 2 of Italy, the rest gaps of France to 1998
    assert set(flagged) == {"other definition", "goals above shots", "shots on target above shots", "score alone"}

    with warehouse.connect() as connection:
        assert connection.execute(select(func.count()).select_from(matches)).scalar_one() == N_ROWS
        assert connection.execute(select(func.max(matches.c.match_id))).scalar_one() < 0
        goals = connection.execute(select(func.sum(matches.c.home_goals), func.sum(matches.c.away_goals))).one()
        corners = connection.execute(select(func.sum(match_stats.c.corners))).scalar_one()
        surfaces = set(connection.scalars(select(observations.c.surface).distinct()))
    paths = sorted(FILES.glob("*/*.csv"))
    told = pl.concat([pl.read_csv(path, infer_schema_length=0, columns=["FTHG", "FTAG", "HC", "AC"]) for path in paths])
    sums = told.select(pl.all().cast(pl.Int64).sum()).row(0, named=True)
    assert tuple(goals) == (sums["FTHG"], sums["FTAG"])
    assert corners == sums["HC"] + sums["AC"]
    assert surfaces == {"file"}

    season, stats = season_snapshot(warehouse, "ENG-PremierLeague", "2023")
    assert (season.height, stats.height) == (380, 760)

    before = stamps(warehouse)
    again = import_folder(warehouse, params, FILES)
    assert (again.n_stored, again.n_written) == (N_ROWS, 0)
    assert stamps(warehouse) == before
