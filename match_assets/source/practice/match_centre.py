"""``matchCentreData``: the large object of a match page, with the site's spelling, nesting and habits.

Two habits matter to a reader. A count of zero is an absent key, as on the real site, in a world whose details are
drawn. In a world of real results only some counts are known: those are written out, zeros too, the whole total in one
minute, and the keys whose presence says "everything was recorded" (``touches``, ``passesTotal``, ``ratings``) are left
away.
"""

import datetime as dt
from random import Random
from typing import Any

from match_assets.source.practice.chance import binomial, stream
from match_assets.source.practice.facts import SideStats, Team, World
from match_assets.source.practice.incidents import (
    FIRST_HALF_ENDS,
    OWN_GOAL,
    SECOND_HALF_ENDS,
    STARTERS,
    Card,
    Goal,
    Player,
    cards_of,
    goals_of,
    squad,
)
from match_assets.source.practice.timeline import MatchView

Json = dict[str, Any]

# the second half counts on from the added time of the first: minute 45 of it is expanded minute 48
EXPANDED_SHIFT = FIRST_HALF_ENDS - 45 + 1
EXPANDED_END = SECOND_HALF_ENDS + EXPANDED_SHIFT
# counts stand in every third minute: a page of a third of the size says the same
MINUTES = tuple(map(str, range(0, EXPANDED_END, 3)))
EXPANDED_MINUTES = {
    "1": {str(minute): minute for minute in range(FIRST_HALF_ENDS + 1)},
    "2": {str(minute): minute + EXPANDED_SHIFT for minute in range(45, SECOND_HALF_ENDS + 1)},
}

SIDES = ("home", "away")
HALVES = {1: {"value": 1, "displayName": "FirstHalf"}, 2: {"value": 2, "displayName": "SecondHalf"}}
CARD_NAMES = {31: "Yellow", 32: "SecondYellow", 33: "Red"}
POSITIONS = ("GK", "DR", "DL", "MC", "DC", "DC", "MR", "MC", "FW", "FW", "ML")
# depth and width of the eleven places of a 4-4-2, from 0 to 10
PLACES = (
    (0.0, 5.0),
    (2.5, 1.0),
    (2.5, 9.0),
    (5.5, 3.5),
    (2.5, 3.5),
    (2.5, 6.5),
    (5.5, 1.0),
    (5.5, 6.5),
    (8.5, 3.5),
    (8.5, 6.5),
    (5.5, 9.0),
)
SHOT_ZONES = tuple(
    [f"missHigh{place}" for place in ("Left", "Centre", "Right")]
    + ["missLeft", "missRight"]
    + [f"post{place}" for place in ("Left", "Centre", "Right")]
    + [f"onTarget{height}{place}" for height in ("High", "Low") for place in ("Left", "Centre", "Right")]
)

# Counts that nothing else depends on, with the range they are drawn from (three real pages lie inside).
PLAIN_COUNTS = {
    "clearances": (6, 30),
    "interceptions": (4, 17),
    "offsidesCaught": (0, 5),
    "dispossessed": (2, 14),
    "dribbledPast": (1, 10),
    "passesKey": (3, 15),
}
# (total, successful, failed, percentage): range of the total and usual share of successes.
ATTEMPTS = {
    ("passesTotal", "passesAccurate", "", "passSuccess"): (280, 560, 0.8),
    ("tacklesTotal", "tackleSuccessful", "tackleUnsuccesful", "tackleSuccess"): (11, 25, 0.62),
    ("dribblesAttempted", "dribblesWon", "dribblesLost", "dribbleSuccess"): (4, 14, 0.5),
    ("aerialsTotal", "aerialsWon", "", "aerialSuccess"): (16, 36, 0.5),
    ("throwInsTotal", "throwInsAccurate", "", "throwInAccuracy"): (14, 32, 0.85),
}


def match_centre(world: World, view: MatchView, region_name: str) -> Json | None:
    """``matchCentreData`` of a match; ``None`` (the page's ``null``) before the end and where only a score is known."""
    match = view.match
    is_unknown = match.home.is_unknown and match.away.is_unknown and view.half_time_goals is None
    if view.goals is None or is_unknown:
        return None
    goals, cards = goals_of(world, view), cards_of(world, view)
    squads = tuple(squad(team_id) if world.has_details else () for team_id in (match.home_team_id, match.away_team_id))
    events = _events(view, goals, cards) if world.has_details else [_card_event(view, card) for card in cards]
    local = view.kick_off_local
    full_time = score_text(view.goals)
    return {
        "playerIdNameDictionary": {str(p.player_id): p.name for players in squads for p in players},
        "periodMinuteLimits": {"1": 45, "2": 90, "3": 105, "4": 120},
        "timeStamp": _stamp(view),
        "attendance": _attendance(world, view),
        "venueName": f"{world.teams[match.home_team_id].short_name} Ground" if world.has_details else "",
        "referee": _referee(match.referee),
        "weatherCode": "",
        "elapsed": view.elapsed,
        "startTime": local.isoformat(),
        "startDate": dt.datetime.combine(local.date(), dt.time()).isoformat(),
        "score": full_time,
        "htScore": score_text(view.half_time_goals),
        "ftScore": full_time,
        "etScore": "",
        "pkScore": "",
        "statusCode": view.status,
        "periodCode": 7,
        **{
            side: _side(world, view, index, region_name=region_name, events=events, players=squads[index])
            for index, side in enumerate(SIDES)
        },
        "maxMinute": SECOND_HALF_ENDS,
        "minuteExpanded": EXPANDED_END,
        "maxPeriod": 2,
        "expandedMinutes": EXPANDED_MINUTES,
        "expandedMaxMinute": EXPANDED_END,
        "periodEndMinutes": {"1": FIRST_HALF_ENDS, "2": SECOND_HALF_ENDS},
        "commonEvents": [],
        "events": events,
        "timeoutInSeconds": 0,
    }


def score_text(score: tuple[int, int] | None) -> str:
    """``2 : 1``, or nothing."""
    return f"{score[0]} : {score[1]}" if score else ""


def _stamp(view: MatchView) -> str:
    changed = view.score_changed_at_utc or view.kick_off_utc
    return (changed + dt.timedelta(hours=5, seconds=view.match.match_id % 3600)).strftime("%Y-%m-%d %H:%M:%S")


def _attendance(world: World, view: MatchView) -> int:
    """Spectators; 0 reads as unknown."""
    if not world.has_details:
        return 0
    return 4_000 + int(stream(world.seed, "attendance", view.match.match_id).random() * 30_000)


def _referee(name: str) -> Json:
    first, _, last = name.partition(" ")
    return {
        "officialId": sum(map(ord, name)),
        "firstName": first,
        "lastName": last,
        "hasParticipatedMatches": False,
        "name": name,
    }


def _side(
    world: World, view: MatchView, index: int, *, region_name: str, events: list[Json], players: tuple[Player, ...]
) -> Json:
    match = view.match
    team_id = (match.home_team_id, match.away_team_id)[index]
    team: Team = world.teams[team_id]
    known = (match.home, match.away)[index]
    scored = view.goals[index] if view.goals else None
    is_detailed = world.has_details
    return {
        "teamId": team_id,
        "formations": [_formation(players)] if is_detailed else [],
        "stats": _drawn_stats(world, view, index, known) if is_detailed else _known_stats(known),
        "incidentEvents": [
            event for event in events if event["teamId"] == team_id and event["type"]["value"] in (16, 17)
        ],
        "shotZones": {zone: {"stats": dict[str, Json]()} for zone in SHOT_ZONES} if is_detailed else {},
        "name": team.short_name,
        "countryName": region_name,
        "players": [_player(player, index) for player in players],
        "managerName": f"Coach of {team.short_name}" if is_detailed else "",
        "scores": {
            "halftime": view.half_time_goals[index] if view.half_time_goals else None,
            "fulltime": scored,
            "running": scored,
        },
        "field": SIDES[index],
        # the real page gives the age on the day it is read, which says nothing about the match
        "averageAge": 26.5 if is_detailed else 0.0,
    }


def _formation(players: tuple[Player, ...]) -> Json:
    return {
        "formationId": 2,
        "formationName": "442",
        "captainPlayerId": players[5].player_id,
        "period": 16,
        "startMinuteExpanded": 0,
        "endMinuteExpanded": EXPANDED_END,
        "jerseyNumbers": [player.shirt_number for player in players],
        "formationSlots": list(range(1, STARTERS + 1)),
        "playerIds": [player.player_id for player in players],
        "formationPositions": [{"vertical": vertical, "horizontal": horizontal} for vertical, horizontal in PLACES],
    }


def _player(player: Player, index: int) -> Json:
    body = player.player_id * 7919
    return {
        "playerId": player.player_id,
        "shirtNo": player.shirt_number,
        "name": player.name,
        "position": POSITIONS[player.shirt_number - 1],
        "height": 168 + body % 27,
        "weight": 62 + body % 28,
        "age": 18 + body % 17,
        "isFirstEleven": True,
        "isManOfTheMatch": False,
        "field": SIDES[index],
        "stats": {},
    }


def _known_stats(known: SideStats) -> Json:
    """Counts of a real result: unknown ones are absent, the total of a known one stands in a single minute."""
    counts = {
        "shotsTotal": known.shots,
        "shotsOnTarget": known.shots_on_target,
        "cornersTotal": known.corners,
        "foulsCommited": known.fouls,
    }
    return {name: {"90": count} if count else {"0": 0} for name, count in counts.items() if count is not None}


def _drawn_stats(world: World, view: MatchView, index: int, known: SideStats) -> Json:
    """All counts by expanded minute; those of zero are absent."""
    rng = stream(world.seed, "stats", view.match.match_id, index)
    shots, on_target = known.shots or 0, known.shots_on_target or 0
    off_target = binomial(rng, shots - on_target, 0.6)
    totals = {
        "shotsOnTarget": on_target,
        "shotsOffTarget": off_target,
        "shotsBlocked": shots - on_target - off_target,
        "cornersTotal": known.corners or 0,
        "foulsCommited": known.fouls or 0,
    }
    totals |= {key: low + int(rng.random() * (high - low + 1)) for key, (low, high) in PLAIN_COUNTS.items()}
    counts = {key: _spread(rng, total) for key, total in totals.items()}
    counts["shotsTotal"] = _added(counts["shotsOnTarget"], counts["shotsOffTarget"], counts["shotsBlocked"])
    percentages: Json = {}
    for (total_key, won_key, lost_key, percent_key), (low, high, share) in ATTEMPTS.items():
        total = low + int(rng.random() * (high - low))
        won = _spread(rng, int(total * (share + 0.16 * (rng.random() - 0.5))))
        lost = _spread(rng, total - sum(won))
        counts |= {total_key: _added(won, lost), won_key: won} | ({lost_key: lost} if lost_key else {})
        percentages[percent_key] = {
            MINUTES[m]: round(100 * a / (a + b), 2) for m, (a, b) in enumerate(zip(won, lost, strict=True)) if a + b
        }
    counts["possession"] = _added(counts["passesTotal"], counts["dribblesAttempted"])
    counts["touches"] = _added(counts["possession"], counts["tacklesTotal"], counts["clearances"])
    stats: Json = {key: {MINUTES[m]: n for m, n in enumerate(by_minute) if n} for key, by_minute in counts.items()}
    minutes = list(stats["touches"])
    stats |= {**percentages, "ratings": _ratings(rng.random(), minutes), "minutesWithStats": list(map(int, minutes))}
    return {key: value for key, value in stats.items() if value}


def _spread(rng: Random, total: int) -> list[int]:
    """``total`` events over the minutes of a match."""
    places, draw = len(MINUTES), rng.random
    counts = [0] * places
    for _ in range(total):
        counts[int(draw() * places)] += 1
    return counts


def _added(*parts: list[int]) -> list[int]:
    return [sum(minute) for minute in zip(*parts, strict=True)]


def _ratings(quality: float, minutes: list[str]) -> dict[str, float]:
    """A running rating that moves from 6 to where the match ended."""
    end = 6.2 + 0.9 * quality
    return {minute: round(6 + (end - 6) * (place + 1) / len(minutes), 2) for place, minute in enumerate(minutes)}


def _events(view: MatchView, goals: list[Goal], cards: list[Card]) -> list[Json]:
    """Start and end of both halves, goals and cards, in order of time."""
    teams = (view.match.home_team_id, view.match.away_team_id)
    events = [
        _event(view, team_id, kind, half=half, minute=minute, second=20 * half + mark)
        for half, start, end in ((1, 0, FIRST_HALF_ENDS), (2, 45, SECOND_HALF_ENDS))
        for mark, minute, kind in ((0, start, (32, "Start")), (1, end, (30, "End")))
        for team_id in teams
    ]
    events += [_goal_event(view, goal) for goal in goals] + [_card_event(view, card) for card in cards]
    events.sort(key=lambda event: (event["period"]["value"], event["expandedMinute"], event["type"]["value"] == 30))
    return [
        event | {"id": view.match.match_id * 1000.0 + number, "eventId": number}
        for number, event in enumerate(events, 2)
    ]


def _event(view: MatchView, team_id: int, kind: tuple[int, str], *, half: int, minute: int, second: int) -> Json:
    return {
        "id": float(view.match.match_id),
        "eventId": 1,
        "minute": minute,
        "second": second % 60,
        "teamId": team_id,
        "x": 0.0,
        "y": 0.0,
        "expandedMinute": minute + (EXPANDED_SHIFT if half == 2 else 0),
        "period": HALVES[half],
        "type": {"value": kind[0], "displayName": kind[1]},
        "outcomeType": {"value": 1, "displayName": "Successful"},
        "qualifiers": [],
        "satisfiedEventsTypes": [],
        "isTouch": kind[0] == 16,
    }


def _goal_event(view: MatchView, goal: Goal) -> Json:
    """A goal belongs to the scorer's team, an own goal too."""
    teams = (view.match.home_team_id, view.match.away_team_id)
    scorer_side = 1 - goal.side if goal.kind == OWN_GOAL else goal.side
    qualifier = {2: (9, "Penalty"), 3: (28, "OwnGoal")}.get(goal.kind)
    event = _event(view, teams[scorer_side], (16, "Goal"), half=goal.half, minute=goal.minute, second=goal.minute * 7)
    if qualifier:
        event["qualifiers"] = [{"type": {"value": qualifier[0], "displayName": qualifier[1]}}]
    if goal.assistant is not None:
        event["relatedPlayerId"] = goal.assistant.player_id
    return event | {"playerId": goal.scorer.player_id, "x": 90.0, "y": 50.0, "isShot": True, "isGoal": True}


def _card_event(view: MatchView, card: Card) -> Json:
    teams = (view.match.home_team_id, view.match.away_team_id)
    card_type = {"value": card.kind, "displayName": CARD_NAMES[card.kind]}
    event = _event(view, teams[card.side], (17, "Card"), half=card.half, minute=card.minute, second=card.minute * 11)
    event |= {"qualifiers": [{"type": card_type}], "cardType": card_type}
    return event if card.player is None else event | {"playerId": card.player.player_id}
