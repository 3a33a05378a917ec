"""The features again, slowly, from their definitions: plain loops over lists, nothing shared with the kernels.

Every row starts from nothing, picks out the matches known before it, and reckons all over again.
"""

import datetime as dt
import math
from typing import Any

from match_assets.config import FeatureParams
from tests.property.leagues import Match, effect_time, read_time

Row = dict[str, float | None]
Ratings = dict[str, float]

FORM = (
    ("goals_for", "own", "goals"),
    ("goals_against", "other", "goals"),
    ("points", "", ""),
    ("shots_for", "own", "shots"),
    ("shots_against", "other", "shots"),
    ("shots_on_target_for", "own", "shots_on_target"),
    ("shots_on_target_against", "other", "shots_on_target"),
    ("corners_for", "own", "corners"),
    ("fouls_for", "own", "fouls"),
    ("cards_for", "own", "cards"),
)


def oracle_rows(matches: list[Match], params: FeatureParams) -> dict[tuple[int, bool], Row]:
    """Team features by match id and whether the team is at home."""
    seasons = sorted({int(match["season"]) for match in matches})
    rows = {}
    for match in matches:
        known = [other for other in matches if effect_time(other) < read_time(match)]
        known.sort(key=lambda other: (effect_time(other), other["kick_off_utc"], other["match_id"]))
        ratings = _ratings(known, seasons, params)
        for is_home in (True, False):
            rows[match["match_id"], is_home] = _row(match, is_home, known, ratings, seasons, params)
    return rows


def _row(
    match: Match, is_home: bool, known: list[Match], ratings: dict[int, Any], seasons: list[int], params: FeatureParams
) -> Row:
    team = match["home_team_id" if is_home else "away_team_id"]
    season = seasons.index(int(match["season"]))
    present = _since_entry([m for m in known if team in _teams(m)], season, seasons)
    seen = [_seen_by(m, team) for m in present if not m["is_walkover"]]
    row: Row = {}
    for window in params.windows:
        for name, *_ in FORM:
            row[f"{name}_{window}"] = _mean([s[name] for s in seen[-window:]])
    widest = params.windows[-1]
    for name in ("goals_for", "goals_against", "points"):
        row[f"{name}_same_venue_{widest}"] = _mean([s[name] for s in seen[-widest:] if s["is_home"] == is_home])
    for name in ("goals_for", "goals_against"):
        row[f"{name}_weighted"] = _weighted_mean([s[name] for s in seen], params.weighted_half_life)
    counted = [m for m in present if m["season"] == match["season"] and not m["is_walkover"]]
    this_season = [_seen_by(m, team)["points"] for m in counted]
    rest = (read_time(match) - max(map(read_time, present))) / dt.timedelta(days=1) if present else None
    row |= {
        "rest_days": None if rest is None else min(rest, params.rest_days_cap),
        "matches_played": float(len(seen)),
        "season_matches": float(len(this_season)),
        "season_points_per_match": _mean(this_season),
        "win_streak": _streak(seen, 3) if seen else None,
        "unbeaten_streak": _streak(seen, 1) if seen else None,
    }
    return row | _entering(ratings.get(team), season, params)


def _since_entry(played: list[Match], season: int, seasons: list[int]) -> list[Match]:
    """The matches since the team last missed a whole season; none if it misses one before this season."""
    present: list[Match] = []
    for match in played:
        if present and seasons.index(int(match["season"])) - seasons.index(int(present[-1]["season"])) > 1:
            present = []
        present.append(match)
    if present and season - seasons.index(int(present[-1]["season"])) > 1:
        return []
    return present


def _seen_by(match: Match, team: int) -> dict[str, Any]:
    is_home = match["home_team_id"] == team
    own, other = ("home", "away") if is_home else ("away", "home")
    counts = {side: {k: match[f"{side}_{k}"] for k in ("goals", "shots", "shots_on_target", "corners", "fouls")}
              for side in (own, other)}  # fmt: skip
    cards = (match[f"{own}_yellow_cards"], match[f"{own}_red_cards"])
    counts[own]["cards"] = None if None in cards else sum(cards)
    margin = counts[own]["goals"] - counts[other]["goals"]
    seen = {name: counts[own if side == "own" else other][count] for name, side, count in FORM if side}
    return seen | {"points": 3 if margin > 0 else int(margin == 0), "is_home": is_home}


def _mean(values: list[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _weighted_mean(values: list[int], half_life: float) -> float | None:
    weights = [0.5 ** (age / half_life) for age in range(len(values))]
    newest_first = reversed(values)
    return math.fsum(w * v for w, v in zip(weights, newest_first, strict=True)) / math.fsum(weights) if values else None


def _streak(seen: list[dict[str, Any]], at_least: int) -> float:
    length = 0
    while length < len(seen) and seen[-1 - length]["points"] >= at_least:
        length += 1
    return float(length)


def _teams(match: Match) -> tuple[int, int]:
    return match["home_team_id"], match["away_team_id"]


def _entering(held: dict[str, Any] | None, season: int, params: FeatureParams) -> Ratings:
    """A team's ratings as it comes to a match of ``season``."""
    if held is None or season - held["season"] > 1:
        first = season == 0
        strength = 0.0 if first else params.attack_defence.promoted
        pi = 0.0 if first else params.pi.promoted
        return {
            "elo": params.elo.initial if first else params.elo.promoted,
            "pi_home": pi,
            "pi_away": pi,
            "attack": strength,
            "defence": strength,
            "shots_on_target_attack": strength,
            "shots_on_target_defence": strength,
        }
    ratings = {name: value for name, value in held.items() if name != "season"}
    if season - held["season"] == 1:
        ratings["elo"] += params.elo.season_regression * (params.elo.initial - ratings["elo"])
    return ratings


def _ratings(known: list[Match], seasons: list[int], params: FeatureParams) -> dict[int, dict[str, Any]]:
    held: dict[int, dict[str, Any]] = {}
    for match in known:
        season = seasons.index(int(match["season"]))
        for team in _teams(match):
            held[team] = {**_entering(held.get(team), season, params), "season": season}
        if not match["is_walkover"]:
            home, away = (held[team] for team in _teams(match))
            _rate_elo(match, home, away, params)
            _rate_pi(match, home, away, params)
            _rate_strengths(match, home, away, params)
    return held


def _rate_elo(match: Match, home: Ratings, away: Ratings, params: FeatureParams) -> None:
    elo, margin = params.elo, match["home_goals"] - match["away_goals"]
    expected = 1 / (1 + math.pow(10, (away["elo"] - home["elo"] - elo.home_advantage) / 400))
    score = 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
    step = elo.k_factor * math.pow(1 + abs(margin), elo.margin_exponent) * (score - expected)
    home["elo"] += step
    away["elo"] -= step


def _rate_pi(match: Match, home: Ratings, away: Ratings, params: FeatureParams) -> None:
    def expectation(rating: float) -> float:
        size = 10 ** (abs(rating) / 3) - 1
        return size if rating >= 0 else -size

    error = match["home_goals"] - match["away_goals"] - (expectation(home["pi_home"]) - expectation(away["pi_away"]))
    step = math.copysign(3 * math.log10(1 + abs(error)), error) * params.pi.lambda_
    home["pi_home"] += step
    home["pi_away"] += params.pi.gamma * step
    away["pi_away"] -= step
    away["pi_home"] -= params.pi.gamma * step


def _rate_strengths(match: Match, home: Ratings, away: Ratings, params: FeatureParams) -> None:
    given = params.attack_defence
    for prefix, count, prior in (
        ("", "goals", given.prior_goals),
        ("shots_on_target_", "shots_on_target", given.prior_shots_on_target),
    ):
        attack, defence = f"{prefix}attack", f"{prefix}defence"
        log_rates = (home[attack] - away[defence], away[attack] - home[defence])
        for sign, side, opponent, log_rate in ((1, home, away, log_rates[0]), (-1, away, home, log_rates[1])):
            found = match[f"{'home' if side is home else 'away'}_{count}"]
            if found is None:
                continue
            expected = prior * math.exp(sign * given.home_advantage / 2 + log_rate)
            step = given.learning_rate * given.prior_goals / prior * (found - expected)
            side[attack] = min(max(side[attack] + step, -3.0), 3.0)
            opponent[defence] = min(max(opponent[defence] - step, -3.0), 3.0)
