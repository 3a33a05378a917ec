"""When a drawn season is played: rounds, kick-off times in British wall time, and matches put off to a later date."""

import datetime as dt
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from match_assets.source.practice.chance import pick, shuffled, stream
from match_assets.source.practice.facts import Postponement

SITE_ZONE = ZoneInfo("Europe/London")

SATURDAY_TO_SUNDAY_WEEKS = 39
MIDWEEK_EVERY = 6
POSTPONED_SHARE = 0.03

# Days after the round's Saturday and wall time: a weekend is spread as a broadcaster would spread it.
WEEKEND_SLOTS = {
    1: ((0, "12:30"), (0, "15:00"), (0, "15:00"), (0, "17:30"), (1, "14:00"), (2, "20:00")),
    2: ((-1, "19:45"), (0, "12:30"), (0, "15:00"), (0, "15:00"), (0, "15:00"), (1, "13:30")),
}
MIDWEEK_SLOTS = ((-4, "19:45"), (-4, "19:45"), (-4, "20:00"), (-3, "19:45"), (-3, "19:45"), (-3, "20:15"))


@dataclass(frozen=True, slots=True)
class Slot:
    """Two teams and a time; ``postponement`` when that time is not the first one announced."""

    home_team_id: int
    away_team_id: int
    kick_off_utc: dt.datetime
    postponement: Postponement | None = None


def season_schedule(seed: int, first_year: int, division: int, team_ids: tuple[int, ...]) -> list[Slot]:
    """A double round robin from August to May, in order of kick-off.

    Args:
        seed: of the world.
        first_year: year of the August it begins in.
        division: 1 or 2; the two play on partly different days.
        team_ids: an even number of teams that fills the weekend slots.
    """
    rng = stream(seed, "schedule", first_year, division)
    rounds = round_robin(shuffled(rng, team_ids))
    opening = first_saturday(first_year)
    slots: list[Slot] = []
    for number, pairs in enumerate(rounds):
        # the second division begins a week earlier and is off the first one's rhythm
        week = round(number * (SATURDAY_TO_SUNDAY_WEEKS - 1) / (len(rounds) - 1)) + (1 if division == 1 else 0)
        saturday = opening + dt.timedelta(weeks=week)
        is_midweek = number % MIDWEEK_EVERY == MIDWEEK_EVERY - 1
        times = MIDWEEK_SLOTS if is_midweek else WEEKEND_SLOTS[division]
        for (home, away), (days, time) in zip(pairs, shuffled(rng, times), strict=True):
            slots.append(Slot(home, away, wall_time_utc(saturday + dt.timedelta(days=days), time)))
    return sorted(_with_postponements(seed, first_year, division, slots), key=_kick_off_and_home)


def round_robin(team_ids: list[int]) -> list[list[tuple[int, int]]]:
    """Rounds in which each meets each at home and away once (circle method); venues alternate as far as they can."""
    ring, half = list(team_ids), len(team_ids) // 2
    first_leg = []
    for number in range(len(ring) - 1):
        pairs = [(ring[i], ring[-1 - i]) for i in range(half)]
        first_leg.append([(away, home) if (number + i) % 2 else (home, away) for i, (home, away) in enumerate(pairs)])
        ring = [ring[0], ring[-1], *ring[1:-1]]
    return first_leg + [[(away, home) for home, away in pairs] for pairs in first_leg]


def first_saturday(year: int) -> dt.date:
    """The first Saturday of August."""
    august = dt.date(year, 8, 1)
    return august + dt.timedelta(days=(5 - august.weekday()) % 7)


def wall_time_utc(day: dt.date, time: str) -> dt.datetime:
    """British wall time ``HH:MM`` of a day, in UTC."""
    local = dt.datetime.combine(day, dt.time.fromisoformat(time), tzinfo=SITE_ZONE)
    return local.astimezone(dt.UTC)


def _kick_off_and_home(slot: Slot) -> tuple[dt.datetime, int]:
    return slot.kick_off_utc, slot.home_team_id


def _with_postponements(seed: int, first_year: int, division: int, slots: list[Slot]) -> list[Slot]:
    rng = stream(seed, "postponed", first_year, division)
    busy: dict[int, set[dt.date]] = {}
    for slot in slots:
        for team_id in (slot.home_team_id, slot.away_team_id):
            busy.setdefault(team_id, set()).add(slot.kick_off_utc.date())
    result = []
    for slot in slots:
        new_day = _free_evening(slot, busy, first_year) if rng.random() < POSTPONED_SHARE else None
        if new_day is None:
            result.append(slot)
            continue
        busy[slot.home_team_id].add(new_day)
        busy[slot.away_team_id].add(new_day)
        announced = slot.kick_off_utc - dt.timedelta(hours=pick(rng, (5, 20, 30)))
        rescheduled = (slot.kick_off_utc + dt.timedelta(days=pick(rng, (4, 7, 10)))).replace(hour=11, minute=0)
        postponement = Postponement(slot.kick_off_utc, announced, rescheduled)
        result.append(replace(slot, kick_off_utc=wall_time_utc(new_day, "19:45"), postponement=postponement))
    return result


def _free_evening(slot: Slot, busy: dict[int, set[dt.date]], first_year: int) -> dt.date | None:
    """A Tuesday or Wednesday three weeks on or later, on which neither team plays within a day."""
    taken = busy[slot.home_team_id] | busy[slot.away_team_id]
    day, last = slot.kick_off_utc.date() + dt.timedelta(days=21), dt.date(first_year + 1, 5, 20)
    while day <= last:
        is_free = not any(day + dt.timedelta(days=shift) in taken for shift in (-1, 0, 1))
        if day.weekday() in {1, 2} and is_free:
            return day
        day += dt.timedelta(days=1)
    return None
