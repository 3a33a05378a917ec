"""Football-data style rows written by hand, with only the cells a test is about."""

from pathlib import Path

COLUMNS = (
    *("Div", "Date", "Time", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR", "HTHG", "HTAG", "HTR"),
    *("HS", "AS", "HST", "AST", "HF", "AF", "HC", "AC", "HY", "AY", "HR", "AR"),
)
# Arsenal 2-1 Chelsea on a day of 2024/25, with everything told but the time
_FULL = "E0,17/08/2024,,Arsenal,Chelsea,2,1,H,1,1,D,14,10,5,4,12,10,7,3,2,3,0,1"
FULL = dict(zip(COLUMNS, _FULL.split(","), strict=True))
SCORE_ALONE = {
    column: "" for column in COLUMNS if column not in {"Div", "Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR"}
}


def row(
    date: str = "17/08/2024", home: str = "Arsenal", away: str = "Chelsea", score: str = "2-1", **cells: str
) -> dict[str, str]:
    """A full row with these changes; a score of its own stands at half time too."""
    goals = score.split("-")
    result = "D" if goals[0] == goals[1] else "H" if int(goals[0]) > int(goals[1]) else "A"
    told = {"FTHG": goals[0], "FTAG": goals[1], "FTR": result, "HTHG": "0", "HTAG": "0", "HTR": "D"}
    return {**FULL, **told, "Date": date, "HomeTeam": home, "AwayTeam": away, **cells}


def text(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> str:
    """The file that holds ``rows``."""
    lines = [",".join(columns), *(",".join(row.get(column, "") for column in columns) for row in rows)]
    return "\n".join(lines) + "\n"


def write(path: Path, *rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
    """``path`` with ``rows`` in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(*rows, columns=columns), encoding="utf-8")
    return path
