"""``import-csv`` over thirty seasons of files drawn from a seed: rows a second from CSV to committed rows of PostgreSQL.

The files have everything that football-data's have of a Premier League season: 380 matches with half-time scores and
statistics of both sides. A second import of the same files writes nothing and is told beside the first.

    .venv/bin/python benchmarks/file_import.py
"""

import csv
import datetime as dt
import tempfile
from itertools import permutations
from pathlib import Path
from random import Random

from measuring import report, require

from match_assets.config import load_params
from match_assets.local.servers import create_databases, postgres_dsn
from match_assets.local.stack import ServerStack
from match_assets.source.files.importing import import_folder
from match_assets.source.files.teams import shipped_aliases
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate

REGION, KEY = 252, "ENG-PremierLeague"
FIRST_SEASON, SEASONS, TEAMS, MATCHES = 1994, 30, 20, 380
SEED = 7
COLUMNS = (
    *("Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR", "HTHG", "HTAG", "HTR"),
    *("HS", "AS", "HST", "AST", "HF", "AF", "HC", "AC", "HY", "AY", "HR", "AR"),
)


def write_seasons(folder: Path) -> None:
    """A file a season, as the league's folder holds them."""
    random = Random(SEED)
    clubs = sorted({alias.team_id: alias.name for alias in shipped_aliases() if alias.region_id == REGION}.values())
    league = folder / "premier-league"
    league.mkdir(parents=True)
    for year in range(FIRST_SEASON, FIRST_SEASON + SEASONS):
        path = league / f"season-{year % 100:02}{(year + 1) % 100:02}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(drawn_season(random, year, random.sample(clubs, TEAMS)))


def drawn_season(random: Random, year: int, clubs: list[str]) -> list[list[str | int]]:
    """Rows under ``COLUMNS``: every pairing of the clubs once at either ground, a club at most once a day."""
    rows: list[list[str | int]] = []
    days: dict[dt.date, set[str]] = {}
    for home, away in permutations(clubs, 2):
        day = dt.date(year, 8, 10)
        while days.setdefault(day, set()) & {home, away}:
            day += dt.timedelta(days=1)
        days[day] |= {home, away}
        half = [random.randint(0, 2), random.randint(0, 1)]
        goals = [half[0] + random.randint(0, 2), half[1] + random.randint(0, 2)]
        shots = [goals[0] + random.randint(3, 12), goals[1] + random.randint(3, 10)]
        on_target = [goals[0] + 2, goals[1] + 2]
        fouls_and_corners = [random.randint(*ends) for ends in ((7, 17), (8, 18), (2, 9), (1, 8))]
        cards = [random.randint(0, 3), random.randint(0, 4), *(int(random.random() < 0.07) for _ in range(2))]
        told = [f"{day:%d/%m/%y}", home, away, *goals, _result(goals), *half, _result(half)]
        rows.append([*told, *shots, *on_target, *fouls_and_corners, *cards])
    return rows


def _result(goals: list[int]) -> str:
    return "D" if goals[0] == goals[1] else "H" if goals[0] > goals[1] else "A"


def measure_import(postgres_url: str) -> dict[str, float]:
    """Rows a second of a first and of a second import.

    Args:
        postgres_url: of an empty database.
    """
    migrate(postgres_url)
    engine = open_engine(postgres_url)
    try:
        with tempfile.TemporaryDirectory(prefix="match-assets-files-") as folder:
            write_seasons(Path(folder))
            first = import_folder(engine, load_params(), Path(folder))
            again = import_folder(engine, load_params(), Path(folder))
    finally:
        engine.dispose()
    for told in (first, again):
        require(told.n_stored == told.n_rows == SEASONS * MATCHES, f"{told.n_stored} of {told.n_rows} rows stored")
    require(first.n_written == first.n_stored, f"{first.n_written} rows written by the first import")
    require(again.n_written == 0, f"{again.n_written} rows written by the second import")
    return {
        "import_rows": float(first.n_stored),
        "import_seconds": first.seconds,
        "import_rows_per_second": first.rows_per_second,
        "import_again_rows_per_second": again.rows_per_second,
    }


def main() -> None:
    """Measure on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="match-assets-") as folder:
        servers = ServerStack(Path(folder) / "state")
        try:
            servers.start()
            port, password = servers.ports["postgres"], servers.secrets["postgres"]
            create_databases(port, password, ("imported",))
            figures = measure_import(postgres_dsn(port, password, "imported", driver="psycopg"))
        finally:
            servers.stop()
    report(figures)


if __name__ == "__main__":
    main()
