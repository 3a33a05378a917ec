"""What the site shows of a match at one moment of its clock: scheduled, put off, finished, corrected.

Views are functions of the world, the clock and the operator's interventions alone, whatever way the clock came there:
the same moment shows the same pages.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from match_assets.source.practice.facts import Match, Season, World
from match_assets.source.practice.schedule import SITE_ZONE

SCHEDULED, POSTPONED, FINISHED = 1, 2, 6
MATCH_DURATION = dt.timedelta(minutes=115)


@dataclass(frozen=True, slots=True)
class ManualCorrection:
    """A score that the operator changed at a moment of the site's clock."""

    goals: tuple[int, int]
    at_utc: dt.datetime


@dataclass(frozen=True)
class Moment:
    """A reading of the site's clock, with what the operator changed by hand; ``seen`` keeps views already made."""

    clock_utc: dt.datetime
    corrections: Mapping[int, ManualCorrection] = field(default_factory=dict)
    withheld: frozenset[int] = frozenset()
    annulled: frozenset[int] = frozenset()
    seen: dict[int, list["MatchView"]] = field(default_factory=dict, init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MatchView:
    """One match as the site shows it now; ``goals`` and ``half_time_goals`` only once finished.

    ``kick_off_local`` is British wall time without zone: midnight of the true date when only the date is known.
    """

    match: Match
    status: int
    kick_off_utc: dt.datetime
    kick_off_local: dt.datetime
    goals: tuple[int, int] | None
    half_time_goals: tuple[int, int] | None
    score_changed_at_utc: dt.datetime | None

    @property
    def elapsed(self) -> str:
        """The site's word for the status."""
        return {SCHEDULED: "", POSTPONED: "Post", FINISHED: "FT"}[self.status]


def view_match(match: Match, moment: Moment) -> MatchView:
    """The match at ``moment``. A match under way still reads as scheduled: the site has no live scores."""
    if match.goals is not None and match.match_id not in moment.withheld and final_whistle(match) <= moment.clock_utc:
        goals, changed = _shown_score(match, match.goals, moment)
        half_time = match.half_time_goals
        if half_time is not None:
            half_time = min(half_time[0], goals[0]), min(half_time[1], goals[1])
        return _view(
            match, FINISHED, match.kick_off_utc, goals=goals, half_time_goals=half_time, score_changed_at_utc=changed
        )
    postponement = match.postponement
    if postponement is None or moment.clock_utc >= postponement.rescheduled_at_utc:
        return _view(match, SCHEDULED, match.kick_off_utc)
    status = POSTPONED if moment.clock_utc >= postponement.announced_at_utc else SCHEDULED
    return _view(match, status, postponement.first_kick_off_utc)


def view_season(season: Season, moment: Moment) -> list[MatchView]:
    """All matches of a season that are shown at ``moment``, in order of the kick-off shown."""
    if season.stage_id not in moment.seen:
        views = [view_match(match, moment) for match in season.matches if match.match_id not in moment.annulled]
        moment.seen[season.stage_id] = sorted(views, key=lambda view: (view.kick_off_utc, view.match.match_id))
    return moment.seen[season.stage_id]


def final_whistle(match: Match) -> dt.datetime:
    """When the result is out; a match of which only the date is known counts as over when its day is."""
    duration = MATCH_DURATION if match.is_kick_off_time_known else dt.timedelta(days=1)
    return match.kick_off_utc + duration


def released_seasons(seasons: tuple[Season, ...], moment: Moment) -> tuple[Season, ...]:
    """The seasons that the site lists at ``moment``, oldest first; never none, or the tournament had no page."""
    return tuple(season for season in seasons if season.released_at_utc <= moment.clock_utc) or seasons[:1]


def after_next_match_day(world: World, clock_utc: dt.datetime) -> dt.datetime | None:
    """Six in the morning (UTC) after the next day with a match to play; ``None`` when nothing is left."""
    pending = [
        match.kick_off_utc
        for _, _, match in world.matches.values()
        if match.goals is not None and final_whistle(match) > clock_utc
    ]
    if not pending:
        return None
    next_day = min(pending).date() + dt.timedelta(days=1)
    return dt.datetime.combine(next_day, dt.time(6), tzinfo=dt.UTC)


def changed_matches(world: World, before: Moment, after: Moment) -> dict[int, MatchView]:
    """New views, by match id, of the matches whose view differs between two moments, or that are shown in one alone."""
    changed = {}
    for match_id, (_, _, match) in world.matches.items():
        view = view_match(match, after)
        if view != view_match(match, before) or match_id in before.annulled ^ after.annulled:
            changed[match_id] = view
    return changed


def _view(
    match: Match,
    status: int,
    kick_off_utc: dt.datetime,
    *,
    goals: tuple[int, int] | None = None,
    half_time_goals: tuple[int, int] | None = None,
    score_changed_at_utc: dt.datetime | None = None,
) -> MatchView:
    local = kick_off_utc.astimezone(SITE_ZONE) if match.is_kick_off_time_known else kick_off_utc
    return MatchView(
        match, status, kick_off_utc, local.replace(tzinfo=None), goals, half_time_goals, score_changed_at_utc
    )


def _shown_score(match: Match, goals: tuple[int, int], moment: Moment) -> tuple[tuple[int, int], dt.datetime]:
    manual = moment.corrections.get(match.match_id)
    if manual is not None:
        return manual.goals, manual.at_utc
    correction = match.correction
    if correction is not None and moment.clock_utc >= correction.corrected_at_utc:
        return goals, correction.corrected_at_utc
    shown = goals if correction is None else correction.published_goals
    return shown, final_whistle(match)
