"""The windowed features once more, as SQL windows: what DuckDB makes of finished matches."""

from collections.abc import Sequence

import duckdb
import polars as pl

COUNTS = ("goals", "shots", "shots_on_target", "corners", "fouls", "cards")
STATISTICS = ("points", *(f"{count}_{seen}" for count in COUNTS for seen in ("for", "against")))


def sql_windows(matches: pl.DataFrame, windows: Sequence[int]) -> pl.DataFrame:
    """Means over the last matches, overall and at the venue, of every side of every match.

    Args:
        matches: ``finished_matches`` without walkovers, no team twice on a day or back after a season away.
        windows: lengths in matches.

    Returns:
        ``match_id``, ``is_home``, and the features by their names in the registry.
    """
    sides = " UNION ALL ".join(_side(own, other) for own, other in (("home", "away"), ("away", "home")))
    named, columns = [], []
    for where, partition in (("", "team_id"), ("_same_venue", "team_id, is_home")):
        for n in windows:
            frame = f"PARTITION BY {partition} ORDER BY kick_off_utc ROWS BETWEEN {n} PRECEDING AND 1 PRECEDING"
            named.append(f"last{where}_{n} AS ({frame})")
            columns += [f"avg({name}) OVER last{where}_{n} AS {name}{where}_{n}" for name in STATISTICS]
    query = f"SELECT match_id, is_home, {', '.join(columns)} FROM ({sides}) WINDOW {', '.join(named)}"
    with duckdb.connect() as connection:
        connection.register("matches", matches.to_arrow())
        rows = pl.DataFrame(connection.sql(query).to_arrow_table())
    return rows.sort("match_id", "is_home")


def _side(own: str, other: str) -> str:
    cards = {side: f"{side}_yellow_cards + {side}_red_cards" for side in (own, other)}
    counts = ", ".join(
        f"{cards[side] if count == 'cards' else f'{side}_{count}'} AS {count}_{seen}"
        for count in COUNTS
        for seen, side in (("for", own), ("against", other))
    )
    points = f"CASE WHEN {own}_goals > {other}_goals THEN 3 WHEN {own}_goals = {other}_goals THEN 1 ELSE 0 END"
    return f"""SELECT match_id, kick_off_utc, {own}_team_id AS team_id, {own == "home"} AS is_home,
        {points} AS points, {counts} FROM matches"""
