"""The calendar feed: one stage's matches of one month, and in the same shape the week that a season page shows."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from match_assets.source.practice.facts import Season, Tournament, World
from match_assets.source.practice.incidents import SECOND_YELLOW, YELLOW, Card, Goal, cards_of, goals_of
from match_assets.source.practice.schedule import SITE_ZONE
from match_assets.source.practice.timeline import FINISHED, MatchView, Moment, view_season

Json = dict[str, Any]

LOCALIZATION = {
    "match_status_all": "All",
    "match_status_live": "In Play",
    "match_status_upcoming": "Upcoming",
    "abd": "Abd",
    "aet": "AET",
    "can": "Can",
    "ft": "FT",
    "ht": "HT",
    "pen": "PEN",
    "post": "Post",
    "susp": "Susp",
}


def month_feed(world: World, stage_id: int, month: str, moment: Moment) -> Json:
    """The feed of ``month`` (``YYYYMM``, by British wall time); no tournament in it when no match falls there."""
    tournament, season = world.stages[stage_id]
    asked = int(month[:4]), int(month[4:])
    views = [v for v in view_season(season, moment) if (v.kick_off_local.year, v.kick_off_local.month) == asked]
    return feed(world, tournament, season, views, moment)


def feed(world: World, tournament: Tournament, season: Season, views: Sequence[MatchView], moment: Moment) -> Json:
    """The feed's root with these matches."""
    shown = [
        {
            "tournamentId": tournament.tournament_id,
            "stageId": season.stage_id,
            "stageName": tournament.name,
            "regionId": tournament.region_id,
            "tournamentName": tournament.name,
            "seasonName": season.name,
            "seasonId": season.season_id,
            "stageSortOrder": 1,
            "sex": 1,
            "tournamentSortOrder": tournament.sort_order,
            "regionCode": tournament.region_code,
            "regionName": tournament.region_name,
            "isOpta": world.has_details,
            "navigationDisplayMode": 2,
            "matches": [feed_row(world, tournament, season, view) for view in views],
        }
    ]
    clock = moment.clock_utc
    offset = clock.astimezone(SITE_ZONE).utcoffset() or dt.timedelta()
    return {
        "createdAt": _zulu(clock, "T"),
        # the real number counts 100 ns since year 1; the same count of the site's own clock keeps pages repeatable
        "version": (int(clock.timestamp()) + 62_135_596_800) * 10_000_000,
        "timeout": 0,
        "tournaments": shown if views else [],
        "localization": LOCALIZATION,
        "meta": {"imagesUrlBase": "/img/"},
        "showOddsToggle": True,
        "isSummary": False,
        "oddsToggled": False,
        "bookmakerCode": "",
        "bookmakers": [],
        "timezoneOffset": int(offset.total_seconds() // 60),
        "locale": "en",
        "calendarType": None,
        "fixtureDate": None,
    }


def feed_row(world: World, tournament: Tournament, season: Season, view: MatchView) -> Json:
    """One match of the feed; one without a result has no score keys at all (as seen in the mobile feed)."""
    match = view.match
    is_finished = view.status == FINISHED
    cards = cards_of(world, view) if is_finished else []
    goals = goals_of(world, view)
    home, away = world.teams[match.home_team_id], world.teams[match.away_team_id]
    row = {
        "stageId": season.stage_id,
        "id": match.match_id,
        "status": view.status,
        "startTime": view.kick_off_local.isoformat(),
        "homeTeamId": home.team_id,
        "homeTeamName": home.name,
        **_card_counts(cards, 0, "home"),
        "awayTeamId": away.team_id,
        "awayTeamName": away.name,
        **_card_counts(cards, 1, "away"),
        "hasIncidentsSummary": bool(goals),
        "hasPreview": False,
        "scoreChangedAt": _zulu(view.score_changed_at_utc, " ") if view.score_changed_at_utc else None,
        "elapsed": view.elapsed,
        "lastScorer": goals[-1].side if goals else None,
        "isTopMatch": False,
        "homeTeamCountryCode": tournament.region_code,
        "awayTeamCountryCode": tournament.region_code,
        "commentCount": 0,
        "isLineupConfirmed": is_finished and world.has_details,
        "isStreamAvailable": False,
        "matchIsOpta": False,
        "homeTeamCountryName": tournament.region_name,
        "awayTeamCountryName": tournament.region_name,
        "startTimeUtc": _zulu(view.kick_off_utc, "T"),
        "incidents": _incidents(goals, cards),
        "bets": None,
        "aggregateWinnerField": None,
        "winnerField": _winner(view.goals),
        "period": 7 if is_finished else 0,
        "extraResultField": None,
        "homeExtratimeScore": None,
        "awayExtratimeScore": None,
        "homePenaltyScore": None,
        "awayPenaltyScore": None,
        **_phases(world, view),
    }
    if view.goals is not None:
        row |= {"homeScore": view.goals[0], "awayScore": view.goals[1]}
    return row


def _card_counts(cards: list[Card], side: int, name: str) -> dict[str, int]:
    """Cards of one side; 0 where they are not known either, as the feed has no other way to say it."""
    kinds = [card.kind for card in cards if card.side == side]
    yellow = kinds.count(YELLOW)
    return {f"{name}YellowCards": yellow, f"{name}RedCards": len(kinds) - yellow}


def _incidents(goals: list[Goal], cards: list[Card]) -> list[Json]:
    """Goals, and the cards that sent somebody off; a card shown to nobody in particular is left out."""
    rows = []
    for goal in goals:
        assistant = goal.assistant
        rows.append(
            {
                "minute": str(goal.minute),
                "type": 1,
                "subType": goal.kind,
                "playerName": goal.scorer.name,
                "playerId": goal.scorer.player_id,
                "participatingPlayerName": assistant.name if assistant else None,
                "participatingPlayerId": assistant.player_id if assistant else 0,
                "runningScore": None,
                "field": goal.side,
                "period": 1 if goal.half == 1 else 3,
            }
        )
    for card in cards:
        if card.kind == YELLOW or card.player is None:
            continue
        rows.append(
            {
                "minute": str(card.minute),
                "type": 2,
                "subType": 2 if card.kind == SECOND_YELLOW else 3,
                "playerName": card.player.name,
                "playerId": card.player.player_id,
                "participatingPlayerName": None,
                "participatingPlayerId": 0,
                "runningScore": None,
                "field": card.side,
                "period": 1 if card.half == 1 else 3,
            }
        )
    return sorted(rows, key=lambda row: (row["period"], int(row["minute"])))


def _winner(goals: tuple[int, int] | None) -> int | None:
    if goals is None or goals[0] == goals[1]:
        return None
    return 0 if goals[0] > goals[1] else 1


def _phases(world: World, view: MatchView) -> Json:
    """When the halves began; the real feed nearly always leaves out when the first one ended."""
    if view.status != FINISHED or not world.has_details or view.half_time_goals is None:
        return {"startedAtUtc": None, "firstHalfEndedAtUtc": None, "secondHalfStartedAtUtc": None}
    delay = dt.timedelta(seconds=view.match.match_id * 37 % 240)
    return {
        "startedAtUtc": _zulu(view.kick_off_utc + delay, "T"),
        "firstHalfEndedAtUtc": None,
        "secondHalfStartedAtUtc": _zulu(view.kick_off_utc + delay + dt.timedelta(minutes=63), "T"),
    }


def _zulu(moment: dt.datetime, separator: str) -> str:
    return moment.replace(tzinfo=None).isoformat(separator, "seconds") + "Z"
