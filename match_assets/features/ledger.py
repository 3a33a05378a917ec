"""What is kept of each team match by match: dates, streaks, the season's table, meetings, and its sequence of matches.

``walk`` goes through a tournament in order of time. To read a side row is to write its place in the sequences and, by
one pure function a feature, what the ledger says of the team; to apply a result is to keep it.
"""

import numpy as np

from match_assets.features.layout import (
    CLEAN,
    DATES,
    GOALLESS,
    GOALS,
    KNOWN_UNTIL,
    LAST_KICK_OFF,
    LOST,
    N_DATES,
    NEVER,
    NEWCOMER,
    PLAYED,
    SCORED,
    SEASON,
    SEASON_BEGUN,
    SEASON_GOALS_AGAINST,
    SEASON_GOALS_FOR,
    SEASON_PLAYED,
    SEASON_POINTS,
    START,
    STOP,
    UNBEATEN,
    VENUE_START,
    VENUE_STOP,
    WINLESS,
    WON,
    Floats,
    Ints,
    MatchArrays,
    Sequences,
    Settings,
    SmallInts,
    StateArrays,
    compiled,
)

LAYOUT = "c550c34d"
MICROSECONDS_A_DAY = 86_400_000_000.0
DAYS_A_YEAR = 365.0


@compiled
def seasons_since(last: int, season: int) -> int:
    """0 within a season, 1 in the next, NEWCOMER if the team was never seen or missed a season."""
    if last < 0 or season - last > 1:
        return NEWCOMER
    return max(season - last, 0)


# -- one pure function a feature: of a team's counters, whether it is there since before (``since``), and the time ----------


@compiled
def rest_days(counters: Ints, since: int, time: int, cap: float) -> float:
    """Days since the last date; a postponed fixture that still stands before the team's last match has unknown rest."""
    if since == NEWCOMER or time <= counters[LAST_KICK_OFF]:
        return np.nan
    return min(float(time - counters[LAST_KICK_OFF]) / MICROSECONDS_A_DAY, cap)


@compiled
def matches_last_days(counters: Ints, dates: Ints, since: int, time: int, span: int) -> float:
    """Dates within the span before the time; they were noted in order, but for a part of a day."""
    count = 0.0
    if since != NEWCOMER:
        for age in range(1, min(counters[DATES], N_DATES) + 1):
            date = dates[(counters[DATES] - age) % N_DATES]
            if date < time - span - MICROSECONDS_A_DAY:
                break
            count += time - span <= date < time
    return count


@compiled
def matches_played(counters: Ints, since: int) -> float:
    """Counted matches since the team entered: how much stands behind its ratings."""
    return 0.0 if since == NEWCOMER else float(counters[PLAYED])


@compiled
def season_matches(counters: Ints, since: int) -> float:
    """Counted matches in the season."""
    return float(counters[SEASON_PLAYED]) if since == 0 else 0.0


@compiled
def season_points_per_match(counters: Ints, since: int) -> float:
    """Points a match in the season."""
    played = counters[SEASON_PLAYED]
    return counters[SEASON_POINTS] / played if since == 0 and played > 0 else np.nan


@compiled
def season_goal_difference_per_match(counters: Ints, since: int) -> float:
    """Goals scored minus conceded a match in the season."""
    played = counters[SEASON_PLAYED]
    difference = counters[SEASON_GOALS_FOR] - counters[SEASON_GOALS_AGAINST]
    return difference / played if since == 0 and played > 0 else np.nan


@compiled
def table_position(standings: Ints, team: int, counters: Ints, since: int) -> float:
    """1 + number of teams of the same season that stand higher."""
    if since != 0 or counters[SEASON_PLAYED] == 0:
        return np.nan
    season, own = standings[0, team], standings[1, team]
    higher = 0
    for other in range(standings.shape[1]):
        higher += (standings[0, other] == season) & (standings[1, other] > own)
    return 1.0 + higher


@compiled
def season_phase(standings: Ints, season: int, time: int) -> float:
    """Share of a year since the season's first match."""
    first = time
    for team in range(standings.shape[1]):
        first = min(first, standings[2, team] if standings[0, team] == season else time)
    return float(time - first) / (MICROSECONDS_A_DAY * DAYS_A_YEAR)


@compiled
def head_to_head_matches(meetings: SmallInts, since: int) -> float:
    """Meetings that are remembered."""
    return 0.0 if since == NEWCOMER else float(min(meetings[0], meetings.size - 1))


@compiled
def head_to_head_points(meetings: SmallInts, since: int) -> float:
    """Points a meeting."""
    count, points = head_to_head_matches(meetings, since), 0
    for slot in range(1, int(count) + 1):
        points += 3 if meetings[slot] > 0 else int(meetings[slot] == 0)
    return points / count if count > 0.0 else np.nan


@compiled
def head_to_head_margin(meetings: SmallInts, since: int) -> float:
    """Margin a meeting."""
    count, margin = head_to_head_matches(meetings, since), 0
    for slot in range(1, int(count) + 1):
        margin += meetings[slot]
    return margin / count if count > 0.0 else np.nan


@compiled
def streak(counters: Ints, since: int, kind: int) -> float:
    """Matches in a row."""
    return np.nan if since == NEWCOMER or counters[PLAYED] == 0 else float(counters[kind])


@compiled
def read_ledger(
    state: StateArrays,
    standings: Ints,
    settings: Settings,
    team: int,
    opponent: int,
    season: int,
    time: int,
    rows: Floats,
    column: int,
) -> None:
    """Every feature of the ledger of one side row, in the registry's order."""
    counters = state.counters[team]
    since = seasons_since(counters[SEASON], season)
    meetings, dates = state.meetings[team, opponent], state.dates[team]
    n = settings.congestion.size
    rows[0, column] = rest_days(counters, since, time, settings.rest_days_cap)
    for place in range(n):
        rows[1 + place, column] = matches_last_days(counters, dates, since, time, settings.congestion[place])
    rows[n + 1, column] = matches_played(counters, since)
    rows[n + 2, column] = season_matches(counters, since)
    rows[n + 3, column] = season_points_per_match(counters, since)
    rows[n + 4, column] = season_goal_difference_per_match(counters, since)
    rows[n + 5, column] = table_position(standings, team, counters, since)
    rows[n + 6, column] = season_phase(standings, max(season, counters[SEASON]), time)
    rows[n + 7, column] = head_to_head_matches(meetings, since)
    rows[n + 8, column] = head_to_head_points(meetings, since)
    rows[n + 9, column] = head_to_head_margin(meetings, since)
    for kind in range(WON, CLEAN + 1):
        rows[n + 10 + kind - WON, column] = streak(counters, since, kind)


# -- going through a tournament -------------------------------------------------------------------------------------------


@compiled
def empty_sequences(matches: MatchArrays, state: StateArrays) -> Sequences:
    """Room for the matches of every team that plays in ``matches``, with what the state holds of it in front."""
    n, n_teams, width = matches.home.size, state.n_held.size, state.held.shape[2] - 1
    # loops and not slices: numba compiles an assignment of slices for seconds
    is_there = np.zeros(n_teams, np.bool_)
    for match in range(n):
        is_there[matches.home[match]] = is_there[matches.away[match]] = True
    venue_bounds, bounds = np.zeros(2 * n_teams + 1, np.int64), np.zeros(n_teams + 1, np.int64)
    for team in range(n_teams):
        for place in range(state.n_held[team] if is_there[team] else 0):
            venue_bounds[2 * team + state.held[team, place, width] + 1] += 1
    for match in range(matches.is_walkover.size):
        if not matches.is_walkover[match]:
            venue_bounds[2 * matches.home[match] + 1] += 1
            venue_bounds[2 * matches.away[match] + 2] += 1
    for pair in range(2 * n_teams):
        venue_bounds[pair + 1] += venue_bounds[pair]
        bounds[pair // 2 + 1] = venue_bounds[pair + 1]
    n_places = venue_bounds[2 * n_teams]
    members, venue_members = np.empty(n_places, np.int32), np.empty(n_places, np.int32)
    filled = np.zeros(2 * n_teams, np.int64)
    for team in range(n_teams):
        for place in range(state.n_held[team] if is_there[team] else 0):
            pair = 2 * team + state.held[team, place, width]
            members[bounds[team] + place] = -1 - place
            venue_members[venue_bounds[pair] + filled[pair]] = bounds[team] + place
            filled[pair] += 1
    return Sequences(
        bounds, bounds.copy(), members, np.zeros(n_places, np.bool_),
        venue_bounds, venue_bounds.copy(), venue_members, np.zeros(n_places, np.bool_),
        np.empty((4, 2 * n), np.int32),
    )  # fmt: skip


@compiled
def walk(matches: MatchArrays, state: StateArrays, settings: Settings, rows: Floats) -> Sequences:
    """Read both teams of every match from what was known before it, keeping each result once its time has passed.

    Args:
        matches: what to read and, by ``matches.events``, what to apply.
        state: counters, dates and meetings are changed in place; unchanged where no result is applied.
        settings: spans and caps.
        rows: (.., 2 n) float64, written; the home team of match i in column 2 i, the away team beside it.
    """
    sequences = empty_sequences(matches, state)
    n_teams, width = state.n_held.size, state.held.shape[2] - 1
    standings = np.empty((3, n_teams), np.int64)  # season, place in its table, first date in it
    filled, venue_filled = sequences.bounds.copy(), sequences.venue_bounds.copy()
    for team in range(n_teams):
        _stand(state.counters, team, standings)
        while filled[team] < sequences.bounds[team + 1] and filled[team] - sequences.bounds[team] < state.n_held[team]:
            venue_filled[2 * team + state.held[team, filled[team] - sequences.bounds[team], width]] += 1
            filled[team] += 1
    for event in matches.events:
        match = event if event >= 0 else -1 - event
        home, away = matches.home[match], matches.away[match]
        for venue in range(2):  # a loop, because a literal 0 and 1 would compile everything below twice
            team, opponent = (home, away) if venue == 0 else (away, home)
            row = 2 * match + venue
            if event >= 0:
                season, time = matches.season[match], matches.read_time[match]
                is_new = seasons_since(state.counters[team, SEASON], season) == NEWCOMER
                _write_spans(sequences, filled[team], venue_filled[2 * team + venue], team, venue, is_new, row)
                read_ledger(state, standings, settings, team, opponent, season, time, rows, row)
                continue
            if _enter(state, matches, match, team):
                sequences.entered[team] = filled[team]
                for pair in range(2 * team, 2 * team + 2):
                    sequences.venue_entered[pair] = venue_filled[pair]
            if not matches.is_walkover[match]:
                margin = _keep(state.counters[team], matches.counts[match, venue], matches.counts[match, 1 - venue])
                meetings = state.meetings[team, opponent]
                meetings[1 + meetings[0] % (meetings.size - 1)] = margin
                meetings[0] += 1
                _place(sequences, filled, venue_filled, team, venue, row)
            _stand(state.counters, team, standings)
    return sequences


@compiled
def _write_spans(
    sequences: Sequences, stop: int, venue_stop: int, team: int, venue: int, is_new: bool, row: int
) -> None:
    spans = sequences.spans
    spans[STOP, row], spans[VENUE_STOP, row] = stop, venue_stop
    spans[START, row] = stop if is_new else sequences.entered[team]
    spans[VENUE_START, row] = venue_stop if is_new else sequences.venue_entered[2 * team + venue]


@compiled
def _place(sequences: Sequences, filled: Ints, venue_filled: Ints, team: int, venue: int, row: int) -> None:
    pair = 2 * team + venue
    place, slot = filled[team], venue_filled[pair]
    sequences.members[place], sequences.venue_members[slot] = row, place
    sequences.begins[place] = place == sequences.entered[team]
    sequences.venue_begins[slot] = slot == sequences.venue_entered[pair]
    filled[team] += 1
    venue_filled[pair] += 1


@compiled
def _enter(state: StateArrays, matches: MatchArrays, match: int, team: int) -> bool:
    """Note the date, and the season where it is a new one; whether the team is a newcomer."""
    counters, season, time = state.counters[team], matches.season[match], matches.read_time[match]
    since = seasons_since(counters[SEASON], season)
    known_until = max(counters[KNOWN_UNTIL], matches.effect_time[match])
    if since == NEWCOMER:
        for counter in range(counters.size):
            counters[counter] = 0
        counters[LAST_KICK_OFF] = NEVER
        for opponent in range(state.meetings.shape[1]):
            state.meetings[team, opponent, 0] = 0
    if since != 0:
        counters[SEASON], counters[SEASON_BEGUN] = season, time
        for counter in range(SEASON_PLAYED, SEASON_GOALS_AGAINST + 1):
            counters[counter] = 0
    counters[SEASON_BEGUN] = min(counters[SEASON_BEGUN], time)
    counters[LAST_KICK_OFF] = max(counters[LAST_KICK_OFF], time)
    counters[KNOWN_UNTIL] = known_until
    state.dates[team, counters[DATES] % N_DATES] = time
    counters[DATES] += 1
    return since == NEWCOMER


@compiled
def _keep(counters: Ints, own: SmallInts, other: SmallInts) -> int:
    """Count a match in; its margin."""
    scored, conceded = own[GOALS], other[GOALS]
    margin = int(scored - conceded)
    counters[PLAYED] += 1
    counters[SEASON_PLAYED] += 1
    counters[SEASON_POINTS] += 3 if margin > 0 else int(margin == 0)
    counters[SEASON_GOALS_FOR] += scored
    counters[SEASON_GOALS_AGAINST] += conceded
    counters[WON] = counters[WON] + 1 if margin > 0 else 0
    counters[UNBEATEN] = counters[UNBEATEN] + 1 if margin >= 0 else 0
    counters[WINLESS] = counters[WINLESS] + 1 if margin <= 0 else 0
    counters[LOST] = counters[LOST] + 1 if margin < 0 else 0
    counters[SCORED] = counters[SCORED] + 1 if scored > 0 else 0
    counters[GOALLESS] = counters[GOALLESS] + 1 if scored <= 0 else 0
    counters[CLEAN] = counters[CLEAN] + 1 if conceded <= 0 else 0
    return margin


@compiled
def _stand(counters: Ints, team: int, standings: Ints) -> None:
    """A team's season, and one number that orders its table: points, then goal difference, then goals scored."""
    standings[0, team], standings[2, team] = counters[team, SEASON], counters[team, SEASON_BEGUN]
    if counters[team, SEASON_PLAYED] == 0:
        standings[1, team] = NEVER  # a walkover alone is no place in the table
        return
    half, room = 1 << 21, (1 << 22) - 1
    scored = counters[team, SEASON_GOALS_FOR]
    difference = min(max(scored - counters[team, SEASON_GOALS_AGAINST] + half, 0), room)
    standings[1, team] = (counters[team, SEASON_POINTS] << 44) | (difference << 22) | min(max(scored, 0), room)


@compiled
def ordered_events(read_time: Ints, effect_time: Ints, reading: Ints, applying: Ints) -> Ints:
    """Readings and results in one order: a result comes before the first reading that is later than its effect.

    Args:
        read_time: (n,)
        effect_time: (n,)
        reading: (n,) matches by read time.
        applying: (n,) matches by effect time, or none of them.
    """
    events = np.empty(reading.size + applying.size, np.int64)
    applied = 0
    for place in range(reading.size):
        match = reading[place]
        while applied < applying.size and effect_time[applying[applied]] < read_time[match]:
            events[place + applied] = -1 - applying[applied]
            applied += 1
        events[place + applied] = match
    for rest in range(applied, applying.size):
        events[reading.size + rest] = -1 - applying[rest]
    return events


@compiled
def first_clash(matches: MatchArrays, n_teams: int) -> Ints:
    """Two matches of one team at one time, and the team; the first of them is -1 where there are none."""
    newest, when = np.full(n_teams, -1, np.int64), np.full(n_teams, NEVER, np.int64)
    clash = np.full(3, -1, np.int64)
    for event in matches.events:
        if event < 0:
            continue
        for venue in range(2):
            team = matches.home[event] if venue == 0 else matches.away[event]
            if when[team] == matches.read_time[event]:
                clash[0], clash[1], clash[2] = newest[team], event, team
                return clash
            newest[team], when[team] = event, matches.read_time[event]
    return clash
