"""A football world drawn from a seed: two divisions with promotion, teams whose strengths drift, and all they play.

The same seed gives the same world on every machine. The true chances of each match are known, so that a model's
probabilities can be held against the truth and not against results alone.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from random import Random

from match_assets.source.practice.chance import binomial, normal, pick, poisson, stream, weighted_index
from match_assets.source.practice.facts import (
    Correction,
    Match,
    Probabilities,
    Season,
    SideStats,
    Team,
    Tournament,
    World,
)
from match_assets.source.practice.goals import (
    MAX_GOALS,
    Strength,
    expected_goals,
    outcome_probabilities,
    score_table,
)
from match_assets.source.practice.schedule import Slot, first_saturday, season_schedule

DEFAULT_SEED = 7
FIRST_SEASON = 2021
SEASONS = 6
START_CLOCK = dt.datetime(2025, 2, 10, 12, tzinfo=dt.UTC)

REGION_ID, REGION_NAME, REGION_CODE = 900, "Practica", "pra"
DIVISIONS = {1: (9001, "First Division", 20), 2: (9002, "Second Division", 10)}
FIRST_TEAM_ID = 9101
MOVING_TEAMS = 2

STRENGTH_DEVIATION = 0.22
DIVISION_GAP = 0.12
WEEKLY_DRIFT = 0.022
SEASON_MEMORY = 0.85
SEASON_DRIFT = 0.1

FIRST_HALF_SHARE = 0.45
CORRECTED_SHARE = 1 / 40
WALKOVER_SHARE = 1 / 250

TEAMS = (
    ("Northbridge United", "Northbridge"),
    ("Harbour City", "Harbour City"),
    ("Oldcastle Athletic", "Oldcastle"),
    ("Riverside Wanderers", "Riverside"),
    ("Stonefield Town", "Stonefield"),
    ("Kingsmere", "Kingsmere"),
    ("Westhaven Albion", "Westhaven"),
    ("Marlow Vale", "Marlow Vale"),
    ("St Aldric's", "St Aldric's"),
    ("Eastwick Rovers", "Eastwick"),
    ("Copperhill", "Copperhill"),
    ("Dunmore County", "Dunmore"),
    ("Larkfield United", "Larkfield"),
    ("Port Selwyn", "Port Selwyn"),
    ("Ashbourne Park", "Ashbourne"),
    ("Millbrook Athletic", "Millbrook"),
    ("Greywater", "Greywater"),
    ("Thornbury Dynamo", "Thornbury"),
    ("Highmoor Town", "Highmoor"),
    ("Señorío del Río", "Señorío"),
    ("Oakhurst Forest", "Oakhurst"),
    ("Ravensgate", "Ravensgate"),
    ("Lowther Bay", "Lowther"),
    ("Fenwick & Vale", "Fenwick"),
)
REFEREES = (
    "A. Marsh",
    "D. Penrose",
    "J. O'Hara",
    "M. Whitlock",
    "P. Stannard",
    "R. Lindqvist",
    "S. Adeyemi",
    "T. Bellamy",
)


def draw_world(
    seed: int = DEFAULT_SEED,
    *,
    first_season: int = FIRST_SEASON,
    seasons: int = SEASONS,
    start_clock: dt.datetime = START_CLOCK,
) -> World:
    """The world of ``seed``: ``seasons`` years of both divisions from ``first_season`` on."""
    teams = {FIRST_TEAM_ID + i: Team(FIRST_TEAM_ID + i, *names) for i, names in enumerate(TEAMS)}
    half = len(TEAMS) // 2
    members = {1: tuple(sorted(teams))[:half], 2: tuple(sorted(teams))[half:]}
    strengths = _first_strengths(seed, members)
    probabilities: dict[int, Probabilities] = {}
    played: dict[int, list[Season]] = {division: [] for division in DIVISIONS}
    for first_year in range(first_season, first_season + seasons):
        for division, team_ids in members.items():
            season, chances = _draw_season(seed, first_year, division, team_ids, strengths)
            played[division].append(season)
            probabilities.update(chances)
        members = _promoted_and_relegated(members, {division: played[division][-1] for division in DIVISIONS})
        strengths = _after_summer(seed, first_year, strengths)
    tournaments = tuple(
        Tournament(REGION_ID, REGION_NAME, REGION_CODE, tournament_id, name, order, tuple(played[division]))
        for division, (tournament_id, name, order) in DIVISIONS.items()
    )
    return World(
        identity=f"drawn seed={seed} first_season={first_season} seasons={seasons}",
        origin=f"drawn world, seed {seed}",
        seed=seed,
        has_details=True,
        start_clock_utc=start_clock,
        tournaments=tournaments,
        teams=teams,
        probabilities=probabilities,
    )


def final_table(matches: Iterable[Match]) -> list[int]:
    """Team ids from first to last by points, goal difference, goals scored and, all equal, id."""
    totals: dict[int, list[int]] = {}
    for match in matches:
        if match.goals is None:
            continue
        home, away = match.goals
        for team_id, scored, conceded in ((match.home_team_id, home, away), (match.away_team_id, away, home)):
            points = 3 if scored > conceded else int(scored == conceded)
            total = totals.setdefault(team_id, [0, 0, 0])
            totals[team_id] = [total[0] + points, total[1] + scored - conceded, total[2] + scored]
    return sorted(totals, key=lambda team_id: (*(-part for part in totals[team_id]), team_id))


def _first_strengths(seed: int, members: dict[int, tuple[int, ...]]) -> dict[int, Strength]:
    strengths = {}
    for division, team_ids in members.items():
        level = DIVISION_GAP if division == 1 else -DIVISION_GAP
        for team_id in team_ids:
            rng = stream(seed, "strength", team_id)
            quality = normal(rng, STRENGTH_DEVIATION)
            leaning = normal(rng, STRENGTH_DEVIATION / 3)
            strengths[team_id] = Strength(level + quality + leaning, level + quality - leaning)
    return strengths


def _after_summer(seed: int, first_year: int, strengths: dict[int, Strength]) -> dict[int, Strength]:
    """Transfers: every team moves part of the way to the middle, then somewhere."""
    changed = {}
    for team_id, old in strengths.items():
        rng = stream(seed, "summer", first_year, team_id)
        quality = normal(rng, SEASON_DRIFT)
        changed[team_id] = Strength(
            SEASON_MEMORY * old.attack + quality + normal(rng, SEASON_DRIFT / 3),
            SEASON_MEMORY * old.defence + quality + normal(rng, SEASON_DRIFT / 3),
        )
    return changed


def _promoted_and_relegated(
    members: dict[int, tuple[int, ...]], seasons: dict[int, Season]
) -> dict[int, tuple[int, ...]]:
    tables = {division: final_table(season.matches) for division, season in seasons.items()}
    down, up = set(tables[1][-MOVING_TEAMS:]), set(tables[2][:MOVING_TEAMS])
    return {
        1: tuple(sorted((set(members[1]) - down) | up)),
        2: tuple(sorted((set(members[2]) - up) | down)),
    }


def _draw_season(
    seed: int, first_year: int, division: int, team_ids: tuple[int, ...], strengths: dict[int, Strength]
) -> tuple[Season, dict[int, Probabilities]]:
    tournament_id = DIVISIONS[division][0]
    season_id = tournament_id * 100 + first_year - 2000
    opening = dt.datetime.combine(first_saturday(first_year), dt.time(), tzinfo=dt.UTC)
    weekly = _weekly_strengths(seed, first_year, team_ids, strengths)
    matches, probabilities = [], {}
    for number, slot in enumerate(season_schedule(seed, first_year, division, team_ids), start=1):
        match_id = season_id * 1000 + number
        week = min(max((slot.kick_off_utc - opening).days // 7, 0), len(weekly) - 1)
        home, away = weekly[week][slot.home_team_id], weekly[week][slot.away_team_id]
        match, chances = _draw_match(seed, match_id, slot, expected_goals(home, away))
        matches.append(match)
        if not match.is_walkover:
            probabilities[match_id] = chances
    released = dt.datetime(first_year, 7, 1, 9, tzinfo=dt.UTC)
    return Season(season_id, season_id + 50_000, first_year, released, tuple(matches)), probabilities


def _weekly_strengths(
    seed: int, first_year: int, team_ids: tuple[int, ...], strengths: dict[int, Strength]
) -> list[dict[int, Strength]]:
    """Each week's strengths: a random walk from the season's first; ``strengths`` is moved to its last step."""
    weeks: list[dict[int, Strength]] = [{team_id: strengths[team_id] for team_id in team_ids}]
    streams = {team_id: stream(seed, "weeks", first_year, team_id) for team_id in team_ids}
    for _ in range(42):
        weeks.append(
            {
                team_id: Strength(
                    old.attack + normal(streams[team_id], WEEKLY_DRIFT),
                    old.defence + normal(streams[team_id], WEEKLY_DRIFT),
                )
                for team_id, old in weeks[-1].items()
            }
        )
    strengths.update(weeks[-1])
    return weeks


def _draw_match(seed: int, match_id: int, slot: Slot, means: tuple[float, float]) -> tuple[Match, Probabilities]:
    rng = stream(seed, "match", match_id)
    table = score_table(*means)
    goals = divmod(weighted_index(rng, table), MAX_GOALS + 1)
    half_time = (binomial(rng, goals[0], FIRST_HALF_SHARE), binomial(rng, goals[1], FIRST_HALF_SHARE))
    home, away = (_draw_stats(rng, scored, mean) for scored, mean in zip(goals, means, strict=True))
    referee = pick(rng, REFEREES)
    correction = _draw_correction(rng, slot.kick_off_utc, goals, half_time)
    is_walkover = rng.random() < WALKOVER_SHARE
    match = Match(
        match_id=match_id,
        home_team_id=slot.home_team_id,
        away_team_id=slot.away_team_id,
        kick_off_utc=slot.kick_off_utc,
        is_kick_off_time_known=True,
        goals=pick(rng, ((3, 0), (0, 3))) if is_walkover else goals,
        half_time_goals=None if is_walkover else half_time,
        home=SideStats() if is_walkover else home,
        away=SideStats() if is_walkover else away,
        is_walkover=is_walkover,
        referee="" if is_walkover else referee,
        postponement=slot.postponement,
        correction=None if is_walkover else correction,
    )
    return match, outcome_probabilities(table)


def _draw_stats(rng: Random, scored: int, mean: float) -> SideStats:
    """Counts of a side that scored ``scored`` goals where ``mean`` were expected: strong attacks show in shots."""
    on_target = scored + poisson(rng, 1.1 + 1.5 * mean)
    return SideStats(
        shots=on_target + poisson(rng, 3.0 + 2.6 * mean),
        shots_on_target=on_target,
        corners=poisson(rng, 2.4 + 1.7 * mean),
        fouls=poisson(rng, 10.4 + 1.2 / mean),
        yellow_cards=poisson(rng, 2.3 / (1 + 0.2 * mean)),
        red_cards=poisson(rng, 0.08),
    )


def _draw_correction(
    rng: Random, kick_off_utc: dt.datetime, goals: Sequence[int], half_time: Sequence[int]
) -> Correction | None:
    """Now and then a score goes out wrong by a goal of the second half and is put right about a week later."""
    is_corrected, side, days = rng.random() < CORRECTED_SHARE, pick(rng, (0, 1)), pick(rng, (5, 6, 7, 8, 9))
    if not is_corrected:
        return None
    wrong = [goals[0], goals[1]]
    # a goal that was missed if the side scored after half-time, else one that was later disallowed
    wrong[side] += -1 if goals[side] > half_time[side] else 1
    corrected = (kick_off_utc + dt.timedelta(days=days)).replace(hour=10, minute=30)
    return Correction((wrong[0], wrong[1]), corrected)
