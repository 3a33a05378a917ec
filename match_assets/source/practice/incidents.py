"""Goals and cards of a match, with minutes and players: the same ones in the calendar feed and on the match page.

A world fixes scores and counts; minutes and scorers are drawn here from streams named by match, side and half, so that
a corrected score adds or takes away one goal and leaves the others where they were.
"""

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Literal

from match_assets.source.practice.chance import pick, stream
from match_assets.source.practice.facts import World
from match_assets.source.practice.timeline import MatchView

Half = Literal[1, 2]
FIRST_HALF_ENDS, SECOND_HALF_ENDS = 47, 94
OWN_GOAL, PENALTY, NORMAL = 3, 2, 1
YELLOW, SECOND_YELLOW, RED = 31, 32, 33
STARTERS = 11

FIRST_NAMES = (
    "Adil",
    "Bruno",
    "Callum",
    "Dario",
    "Emil",
    "Femi",
    "Goran",
    "Hugo",
    "Ivo",
    "Jonas",
    "Kofi",
    "Luca",
    "Mirko",
    "Noé",
)
LAST_NAMES = (
    "Abbott",
    "Baros",
    "Conteh",
    "Drummond",
    "Eriksen",
    "Ferrão",
    "Gallagher",
    "Haas",
    "Ilić",
    "Joubert",
    "Kaya",
    "Lindgren",
)


@dataclass(frozen=True, slots=True)
class Player:
    """A player of a side; the id tells the team and the shirt."""

    player_id: int
    shirt_number: int
    name: str


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal for ``side`` (0 home, 1 away), the side that benefits; an own goal's player is of the other side."""

    minute: int
    half: Half
    side: int
    kind: int
    scorer: Player
    assistant: Player | None


@dataclass(frozen=True, slots=True)
class Card:
    """A card shown to a player of ``side``; the player is unknown in a world without details."""

    minute: int
    half: Half
    side: int
    kind: int
    player: Player | None


@cache
def squad(team_id: int) -> tuple[Player, ...]:
    """The eleven who start every match of a team, in the order of their shirts."""
    players = []
    for shirt in range(1, STARTERS + 1):
        rng = stream("player", team_id, shirt)
        players.append(Player(team_id * 100 + shirt, shirt, f"{pick(rng, FIRST_NAMES)} {pick(rng, LAST_NAMES)}"))
    return tuple(players)


def goals_of(world: World, view: MatchView) -> list[Goal]:
    """Goals of a finished match in order of time; empty when the world has no details or nobody played."""
    if not world.has_details or view.goals is None or view.half_time_goals is None:
        return []
    squads = squad(view.match.home_team_id), squad(view.match.away_team_id)
    goals: list[Goal] = []
    for side in (0, 1):
        first_half = view.half_time_goals[side]
        counts: tuple[tuple[Half, int], ...] = ((1, first_half), (2, view.goals[side] - first_half))
        for half, count in counts:
            # seeding a stream costs more than the draws from it
            if count:
                rng = stream(world.seed, "goals", view.match.match_id, side, half)
                goals.extend(_draw_goal(rng, side, half, squads) for _ in range(count))
    return sorted(goals, key=lambda goal: (goal.half, goal.minute, goal.side))


def cards_of(world: World, view: MatchView) -> list[Card]:
    """Cards of a match in order of time; without details all stand in minute 90, shown to nobody in particular."""
    cards: list[Card] = []
    for side, (team_id, stats) in enumerate(
        ((view.match.home_team_id, view.match.home), (view.match.away_team_id, view.match.away))
    ):
        kinds = [YELLOW] * (stats.yellow_cards or 0) + [RED] * (stats.red_cards or 0)
        if not world.has_details:
            cards.extend(Card(90, 2, side, kind, None) for kind in kinds)
            continue
        if kinds:
            rng, players = stream(world.seed, "cards", view.match.match_id, side), squad(team_id)
            cards.extend(_draw_card(rng, side, kind, players) for kind in kinds)
    return sorted(cards, key=lambda card: (card.half, card.minute, card.side, card.kind))


def _draw_goal(rng: Random, side: int, half: Half, squads: tuple[tuple[Player, ...], tuple[Player, ...]]) -> Goal:
    minute, chance = _draw_minute(rng, half), rng.random()
    scorer, assistant = int(rng.random() * (STARTERS - 1)) + 1, int(rng.random() * STARTERS)
    kind = OWN_GOAL if chance < 0.035 else PENALTY if chance < 0.135 else NORMAL
    is_assisted = kind == NORMAL and assistant != scorer
    return Goal(
        minute=minute,
        half=half,
        side=side,
        kind=kind,
        scorer=squads[1 - side if kind == OWN_GOAL else side][scorer],
        assistant=squads[side][assistant] if is_assisted else None,
    )


def _draw_card(rng: Random, side: int, kind: int, players: tuple[Player, ...]) -> Card:
    half: Half = 1 if rng.random() < 0.35 else 2
    if kind == RED and rng.random() < 0.4:
        kind = SECOND_YELLOW
    return Card(_draw_minute(rng, half), half, side, kind, pick(rng, players))


def _draw_minute(rng: Random, half: Half) -> int:
    start, end = (1, FIRST_HALF_ENDS) if half == 1 else (46, SECOND_HALF_ENDS)
    return start + int(rng.random() * (end - start))
