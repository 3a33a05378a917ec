"""Seasons of twelve teams, drawn: results with statistics as ``finished_matches`` holds them for the features."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import polars as pl

from match_assets.features.frames import RESULTS

TOURNAMENT = "TST-League"
TEAMS = range(1, 13)
MEANS = {"goals": 1.4, "shots": 12.5, "shots_on_target": 4.5, "corners": 5.0, "fouls": 13.0, "yellow_cards": 2.0}
FOLLOW_STRENGTH = {"goals", "shots", "shots_on_target", "corners"}
EQUAL: Mapping[int, float] = dict.fromkeys(TEAMS, 0.0)


def a_season(
    year: int,
    begins: dt.datetime | None = None,
    *,
    hours: int = 26,
    shots: float = 1.0,
    strength: Mapping[int, float] = EQUAL,
) -> pl.DataFrame:
    """A double round robin, one match a kick-off, counts drawn from Poisson distributions.

    Args:
        year: names the season and seeds the draw.
        begins: first kick-off; 1 August, 15:00 UTC without.
        hours: between two kick-offs; no team plays two matches at once.
        shots: factor of all shots.
        strength: natural logarithm of what each team's attack is above the mean.
    """
    drawn = np.random.default_rng(year)
    pairs = [(home, away) for shift in range(1, 12) for home in TEAMS for away in [(home + shift - 1) % 12 + 1]]
    start = begins or dt.datetime(year, 8, 1, 15, tzinfo=dt.UTC)
    rows = []
    for number, (home, away) in enumerate(pairs):
        better = {"home": strength[home] - strength[away], "away": strength[away] - strength[home]}
        counts = {
            f"{side}_{name}": int(
                drawn.poisson(
                    mean
                    * (shots if name == "shots" else 1.0)
                    * (np.exp(better[side]) if name in FOLLOW_STRENGTH else 1.0)
                )
            )
            for side in ("home", "away")
            for name, mean in MEANS.items()
        }
        keys = {
            "match_id": year * 1000 + number,
            "tournament": TOURNAMENT,
            "season": str(year),
            "kick_off_utc": start + dt.timedelta(hours=hours * number),
            "is_kick_off_time_known": True,
            "home_team_id": home,
            "away_team_id": away,
            "home_team": f"Team {home}",
            "away_team": f"Team {away}",
            "is_walkover": False,
            "home_red_cards": 0,
            "away_red_cards": 0,
        }
        rows.append(keys | counts)
    return pl.DataFrame(rows, schema=RESULTS)
