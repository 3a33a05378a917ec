"""Every feature again, slowly, from the registry's words: plain loops over lists, nothing shared with the kernels.

Each row picks out the matches that were known before it and reckons from those alone. Written from the descriptions in
``docs/features.md`` and the rules in ``match_assets/features/__init__.py``; where this file and a kernel disagree, the
words decide who is wrong.
"""

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from match_assets.config import FeatureParams
from tests.property.leagues import Match, effect_time, read_time

Row = dict[str, float | None]
Ratings = dict[str, float]

# how a team sees a match: the side whose count it is, and the count
STATISTICS = {
    **{
        f"{name}_{seen}": (side, count)
        for name, count in (
            ("goals", "goals"),
            ("shots", "shots"),
            ("shots_on_target", "shots_on_target"),
            ("corners", "corners"),
            ("fouls", "fouls"),
            ("cards", "cards"),
        )
        for seen, side in (("for", "own"), ("against", "other"))
    },
    "points": ("own", "points"),
}
RATINGS = ("elo", "pi_home", "pi_away", "attack", "defence", "shots_on_target_attack", "shots_on_target_defence")
SURPLUSES = ("score_surplus", "goals_for_surplus", "goals_against_surplus", "opponent_elo")
STREAKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "win_streak": lambda seen: seen["points"] == 3,
    "unbeaten_streak": lambda seen: seen["points"] >= 1,
    "winless_streak": lambda seen: seen["points"] < 3,
    "loss_streak": lambda seen: seen["points"] == 0,
    "scoring_streak": lambda seen: seen["goals_for"] > 0,
    "goalless_streak": lambda seen: seen["goals_for"] == 0,
    "clean_sheet_streak": lambda seen: seen["goals_against"] == 0,
}
STRENGTH_LIMIT = 3.0
CONGESTION_MEMORY = 32


class Past(NamedTuple):
    """What was known before a row: the matches in the order in which they became known, and the ratings after them.

    Attributes:
        matches: finished matches, walkovers among them.
        held: each team's ratings as its newest match left them, and the ``season`` of that match.
        surpluses: by match id and team id, what each counted match was beyond what the ratings expected.
    """

    matches: list[Match]
    held: dict[int, dict[str, Any]]
    surpluses: dict[tuple[int, int], dict[str, float]]


def oracle_team_rows(matches: Sequence[Match], params: FeatureParams) -> dict[tuple[int, bool], Row]:
    """Team features by match id and whether the team is at home."""
    seasons = sorted({int(match["season"]) for match in matches})
    rows = {}
    pasts = _pasts(matches, seasons, params)
    for match in matches:
        past = pasts[sum(effect_time(other) < read_time(match) for other in matches)]
        for is_home in (True, False):
            rows[match["match_id"], is_home] = _team_row(match, is_home, past, seasons, params)
    return rows


def oracle_match_rows(matches: Sequence[Match], names: Sequence[str], params: FeatureParams) -> dict[int, Row]:
    """Match features by match id: both teams', the differences, and what the ratings expect.

    Args:
        matches: finished matches of one tournament.
        names: of the match features; which team features are compared is the registry's choice.
        params: windows and ratings.
    """
    sides = oracle_team_rows(matches, params)
    rows = {}
    for match_id in (match["match_id"] for match in matches):
        home, away = sides[match_id, True], sides[match_id, False]
        both = {**{f"home_{k}": v for k, v in home.items()}, **{f"away_{k}": v for k, v in away.items()}}
        both |= {f"{name}_difference": _less(home[name], away[name]) for name in home}
        both |= _expectations(home, away, params)
        rows[match_id] = {name: both[name] for name in names}
    return rows


# -- a team's row ----------------------------------------------------------------------------------------------------------


def _team_row(match: Match, is_home: bool, past: Past, seasons: list[int], params: FeatureParams) -> Row:
    team, other = (match[f"{side}_team_id"] for side in (("home", "away") if is_home else ("away", "home")))
    season, time = seasons.index(int(match["season"])), read_time(match)
    present = _since_entry([m for m in past.matches if team in _teams(m)], season, seasons)
    seen = [_seen_by(m, team) | past.surpluses[m["match_id"], team] for m in present if not m["is_walkover"]]
    there = [s for s in seen if s["is_home"] == is_home]
    return {
        **_form(seen, there, params),
        **_schedule(time, present, params),
        **_season_so_far(match, team, seen, past),
        **_head_to_head([s for s in seen if s["opponent"] == other], params),
        **{name: _streak(seen, kept) if seen else None for name, kept in STREAKS.items()},
        **_entering(past.held.get(team), season, params),
    }


def _form(seen: list[dict[str, Any]], there: list[dict[str, Any]], params: FeatureParams) -> Row:
    row: Row = {}
    for name in STATISTICS:
        for window in params.windows:
            row[f"{name}_{window}"] = _mean([s[name] for s in seen[-window:]])
            row[f"{name}_same_venue_{window}"] = _mean([s[name] for s in there[-window:]])
        row[f"{name}_weighted"] = _weighted_mean([s[name] for s in seen], params.weighted_half_life)
        row[f"{name}_same_venue_weighted"] = _weighted_mean([s[name] for s in there], params.weighted_half_life)
    for over in (*params.windows, "weighted"):
        for way in ("for", "against"):
            goals, shots, on_target = (row[f"{n}_{way}_{over}"] for n in ("goals", "shots", "shots_on_target"))
            row[f"goal_conversion_{way}_{over}"] = _ratio(goals, shots)
            row[f"shot_conversion_{way}_{over}"] = _ratio(on_target, shots)
    for name in SURPLUSES:
        for window in params.windows:
            row[f"{name}_{window}"] = _mean([s[name] for s in seen[-window:]])
    return row


def _schedule(time: dt.datetime, present: list[Match], params: FeatureParams) -> Row:
    rest = (time - max(map(read_time, present))) / dt.timedelta(days=1) if present else None
    row: Row = {"rest_days": None if rest is None else min(rest, params.rest_days_cap)}
    remembered = sorted(map(read_time, present))[-CONGESTION_MEMORY:]
    for days in params.congestion_days:
        row[f"matches_last_{days}_days"] = float(sum(time - dt.timedelta(days=days) <= t < time for t in remembered))
    return row


def _season_so_far(match: Match, team: int, seen: list[dict[str, Any]], past: Past) -> Row:
    of_season = [m for m in past.matches if m["season"] == match["season"]]
    own = [s for s in seen if s["season"] == match["season"]]
    table = _table([m for m in of_season if not m["is_walkover"]])
    begun = min(map(read_time, of_season), default=read_time(match))
    return {
        "matches_played": float(len(seen)),
        "season_matches": float(len(own)),
        "season_points_per_match": _mean([s["points"] for s in own]),
        "season_goal_difference_per_match": _mean([s["goals_for"] - s["goals_against"] for s in own]),
        "table_position": 1.0 + sum(standing > table[team] for standing in table.values()) if own else None,
        "season_phase": (read_time(match) - begun) / dt.timedelta(days=365),
    }


def _table(counted: list[Match]) -> dict[int, tuple[int, int, int]]:
    """Points, goal difference and goals scored of each team, the order of the table."""
    table: dict[int, tuple[int, int, int]] = {}
    for match in counted:
        margin = match["home_goals"] - match["away_goals"]
        for side, won in (("home", margin), ("away", -margin)):
            team = match[f"{side}_team_id"]
            points, difference, goals = table.get(team, (0, 0, 0))
            table[team] = (points + _points(won), difference + won, goals + match[f"{side}_goals"])
    return table


def _points(margin: int) -> int:
    return 3 if margin > 0 else 1 if margin == 0 else 0


def _head_to_head(meetings: list[dict[str, Any]], params: FeatureParams) -> Row:
    last = meetings[-params.head_to_head :]
    return {
        "head_to_head_matches": float(len(last)),
        "head_to_head_points": _mean([s["points"] for s in last]),
        "head_to_head_margin": _mean([s["goals_for"] - s["goals_against"] for s in last]),
    }


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
    """A match as one of its teams saw it; None where a count is unknown."""
    is_home = match["home_team_id"] == team
    own, other = ("home", "away") if is_home else ("away", "home")
    counts = {}
    for role, side in (("own", own), ("other", other)):
        for count in ("goals", "shots", "shots_on_target", "corners", "fouls"):
            counts[role, count] = match[f"{side}_{count}"]
        cards = (match[f"{side}_yellow_cards"], match[f"{side}_red_cards"])
        counts[role, "cards"] = None if None in cards else sum(cards)
    margin = counts["own", "goals"] - counts["other", "goals"]
    counts["own", "points"] = _points(margin)
    seen = {name: counts[role, count] for name, (role, count) in STATISTICS.items()}
    return seen | {"is_home": is_home, "opponent": match[f"{other}_team_id"], "season": match["season"]}


def _teams(match: Match) -> tuple[int, int]:
    return match["home_team_id"], match["away_team_id"]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _weighted_mean(values: Sequence[float | None], half_life: float) -> float | None:
    """The newest value weighs 1, one that is ``half_life`` matches older one half; an unknown one ages the others."""
    known = [(0.5 ** (age / half_life), v) for age, v in enumerate(reversed(values)) if v is not None]
    return math.fsum(w * v for w, v in known) / math.fsum(w for w, _ in known) if known else None


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


def _less(home: float | None, away: float | None) -> float | None:
    return None if home is None or away is None else home - away


def _streak(seen: list[dict[str, Any]], kept: Callable[[dict[str, Any]], bool]) -> float:
    length = 0
    while length < len(seen) and kept(seen[-1 - length]):
        length += 1
    return float(length)


# -- ratings ---------------------------------------------------------------------------------------------------------------


def _pasts(matches: Sequence[Match], seasons: list[int], params: FeatureParams) -> list[Past]:
    """What is known after none, one, two, ... of the matches, in the order in which they become known."""
    in_order = sorted(matches, key=lambda m: (effect_time(m), m["kick_off_utc"], m["match_id"]))
    pasts = [Past([], {}, {})]
    for match in in_order:
        before = pasts[-1]
        held = {team: dict(ratings) for team, ratings in before.held.items()}
        surpluses = before.surpluses | _apply(match, held, seasons, params)
        pasts.append(Past([*before.matches, match], held, surpluses))
    return pasts


def _apply(
    match: Match, held: dict[int, dict[str, Any]], seasons: list[int], params: FeatureParams
) -> dict[tuple[int, int], dict[str, float]]:
    """Moves the ratings of both teams; returns what the match was beyond what they expected."""
    season = seasons.index(int(match["season"]))
    for team in _teams(match):
        held[team] = {**_entering(held.get(team), season, params), "season": season}
    if match["is_walkover"]:
        return {}
    home, away = (held[team] for team in _teams(match))
    surpluses = _surpluses(match, home, away, params)
    _rate_elo(match, home, away, params)
    _rate_pi(match, home, away, params)
    _rate_strengths(match, home, away, params)
    return surpluses


def _entering(held: dict[str, Any] | None, season: int, params: FeatureParams) -> Ratings:
    """A team's ratings as it comes to a match of ``season``: the prior, regressed, or as its last match left them."""
    is_first = season == 0
    regressions = {"elo": params.elo, "pi_home": params.pi, "pi_away": params.pi}
    if held is None or season - held["season"] > 1:
        priors = {"elo": params.elo.initial if is_first else params.elo.promoted}
        for name in RATINGS[1:]:
            promoted = regressions.get(name, params.attack_defence).promoted
            priors[name] = 0.0 if is_first else promoted
        return priors
    ratings = {name: held[name] for name in RATINGS}
    if season - held["season"] == 1:
        for name in RATINGS:
            centre = params.elo.initial if name == "elo" else 0.0
            share = regressions.get(name, params.attack_defence).season_regression
            ratings[name] += share * (centre - ratings[name])
    return ratings


def _surpluses(
    match: Match, home: Ratings, away: Ratings, params: FeatureParams
) -> dict[tuple[int, int], dict[str, float]]:
    goals = match["home_goals"], match["away_goals"]
    home_score = 1.0 if goals[0] > goals[1] else 0.5 if goals[0] == goals[1] else 0.0
    elo = _elo_expectation(home, away, params)
    expected = _expected(home, away, "", params)
    both = (
        (0, goals, home_score - elo, expected, away["elo"]),
        (1, goals[::-1], (1 - home_score) - (1 - elo), expected[::-1], home["elo"]),
    )
    return {
        (match["match_id"], _teams(match)[side]): {
            name: math.floor(10_000 * value + 0.5) / 10_000
            for name, value in zip(
                SURPLUSES, (score, own[0] - should[0], own[1] - should[1], opponent_elo), strict=True
            )
        }
        for side, own, score, should, opponent_elo in both
    }


def _elo_expectation(home: Ratings, away: Ratings, params: FeatureParams) -> float:
    return 1 / (1 + math.pow(10, (away["elo"] - home["elo"] - params.elo.home_advantage) / 400))


def _rate_elo(match: Match, home: Ratings, away: Ratings, params: FeatureParams) -> None:
    elo, margin = params.elo, match["home_goals"] - match["away_goals"]
    score = 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
    surplus = score - _elo_expectation(home, away, params)
    step = elo.k_factor * math.pow(1 + abs(margin), elo.margin_exponent) * surplus
    home["elo"] += step
    away["elo"] -= step


def _pi_goals(rating: float) -> float:
    size = 10 ** (abs(rating) / 3) - 1
    return size if rating >= 0 else -size


def _rate_pi(match: Match, home: Ratings, away: Ratings, params: FeatureParams) -> None:
    error = match["home_goals"] - match["away_goals"] - (_pi_goals(home["pi_home"]) - _pi_goals(away["pi_away"]))
    step = math.copysign(3 * math.log10(1 + abs(error)), error) * params.pi.lambda_
    home["pi_home"] += step
    home["pi_away"] += params.pi.gamma * step
    away["pi_away"] -= step
    away["pi_home"] -= params.pi.gamma * step


def _expected(home: Ratings, away: Ratings, prefix: str, params: FeatureParams) -> tuple[float, float]:
    """Expected goals (or shots on target, by ``prefix``) of the home and the away team."""
    given = params.attack_defence
    prior = given.prior_shots_on_target if prefix else given.prior_goals
    attack, defence, half = f"{prefix}attack", f"{prefix}defence", given.home_advantage / 2
    return (
        prior * math.exp(half + home[attack] - away[defence]),
        prior * math.exp(-half + away[attack] - home[defence]),
    )


def _rate_strengths(match: Match, home: Ratings, away: Ratings, params: FeatureParams) -> None:
    given = params.attack_defence
    for prefix, count in (("", "goals"), ("shots_on_target_", "shots_on_target")):
        rate = given.learning_rate
        if prefix:
            rate *= given.prior_goals / given.prior_shots_on_target
        expected = _expected(home, away, prefix, params)
        for side, should, own, other in (("home", expected[0], home, away), ("away", expected[1], away, home)):
            found = match[f"{side}_{count}"]
            if found is None:
                continue
            step = rate * (found - should)
            for ratings, name, moved in ((own, f"{prefix}attack", step), (other, f"{prefix}defence", -step)):
                ratings[name] = min(max(ratings[name] + moved, -STRENGTH_LIMIT), STRENGTH_LIMIT)


def _expectations(home: Row, away: Row, params: FeatureParams) -> Row:
    h, a = ({name: row[name] or 0.0 for name in RATINGS} for row in (home, away))
    goals, on_target = _expected(h, a, "", params), _expected(h, a, "shots_on_target_", params)
    return {
        "elo_home_expectation": _elo_expectation(h, a, params),
        "pi_expected_goal_difference": _pi_goals(h["pi_home"]) - _pi_goals(a["pi_away"]),
        "home_expected_goals": goals[0],
        "away_expected_goals": goals[1],
        "home_expected_shots_on_target": on_target[0],
        "away_expected_shots_on_target": on_target[1],
    }
