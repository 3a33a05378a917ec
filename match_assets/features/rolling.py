"""Means over a team's last matches and weighted means over all of them, from integers in sequences.

A window is the difference of two running sums: integers, so that it is exact however long the sequence is and wherever it
was begun. The same functions make the rows of a history, of a continued state and of a single fixture.
"""

from collections.abc import Callable
from collections.abc import Sequence as Several
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from match_assets.features.layout import (
    AT_HOME,
    MISSING,
    N_SURPLUS,
    OVERALL,
    START,
    STOP,
    SURPLUS_SCALE,
    VENUE_START,
    VENUE_STOP,
    Flags,
    Floats,
    Ints,
    Sequences,
    SmallInts,
    StateArrays,
    compiled,
)

LAYOUT = "c550c34d"


@compiled
def side_sequences(home: Ints, away: Ints, n_teams: int) -> Sequences:
    """Sequences of matches in order of time that all end before the next begins: a counting sort by team.

    Args:
        home: (n,) position of the team.
        away: (n,)
        n_teams: how many there are.
    """
    n = home.size
    bounds, venue_bounds = np.zeros(n_teams + 1, np.int64), np.zeros(2 * n_teams + 1, np.int64)
    for match in range(n):
        venue_bounds[2 * home[match] + 1] += 1
        venue_bounds[2 * away[match] + 2] += 1
    for pair in range(2 * n_teams):
        venue_bounds[pair + 1] += venue_bounds[pair]
        bounds[pair // 2 + 1] = venue_bounds[pair + 1]
    filled, venue_filled = bounds.copy(), venue_bounds.copy()
    members, venue_members = np.empty(2 * n, np.int32), np.empty(2 * n, np.int32)
    begins, venue_begins = np.zeros(2 * n, np.bool_), np.zeros(2 * n, np.bool_)
    spans = np.empty((4, 2 * n), np.int32)
    for row in range(2 * n):
        venue = row & 1
        team = home[row >> 1] if venue == 0 else away[row >> 1]
        pair = 2 * team + venue
        place, slot = filled[team], venue_filled[pair]
        spans[START, row], spans[STOP, row] = bounds[team], place
        spans[VENUE_START, row], spans[VENUE_STOP, row] = venue_bounds[pair], slot
        members[place], venue_members[slot] = row, place
        begins[place], venue_begins[slot] = place == bounds[team], slot == venue_bounds[pair]
        filled[team] += 1
        venue_filled[pair] += 1
    return Sequences(
        bounds, bounds.copy(), members, begins,
        venue_bounds, venue_bounds.copy(), venue_members, venue_begins, spans,
    )  # fmt: skip


@compiled
def window_means(
    sums: Ints, known: SmallInts, start: SmallInts, stop: SmallInts, windows: Ints, scale: float, rows: Floats,
    first: int, stride: int,
) -> None:  # fmt: skip
    """Mean of the known values among the last matches that are known to each side row, NaN where there is none.

    Args:
        sums: (r + 1,) of the known values before each place.
        known: (r + 1,) how many they are.
        start: (q,) where a row's sequence begins.
        stop: (q,) where it ends.
        windows: (w,) lengths.
        scale: what a value counts in.
        rows: (.., q), written at ``first`` and every ``stride`` after it, a window a row.
        first: row of the first window.
        stride: rows from one window to the next.
    """
    for window in range(windows.size):
        length, target = np.int32(windows[window]), rows[first + window * stride]
        for row in range(stop.size):
            # unsigned, or numba asks of each whether it counts from the end; nothing over nothing is NaN
            end, begin = np.uint32(stop[row]), np.uint32(max(start[row], stop[row] - length))
            target[row] = (sums[end] - sums[begin]) / ((known[end] - known[begin]) * scale)


@compiled
def running_sums(values: SmallInts, members: SmallInts, sums: Ints, known: SmallInts) -> None:
    """Sum and number of the known values before each place of the sequences.

    Args:
        values: a statistic, in any order.
        members: (r,) which of the values is at each place.
        sums: (r + 1,), written.
        known: (r + 1,), written.
    """
    total, count = 0, 0
    sums[0], known[0] = 0, 0
    for place in range(members.size):
        value = values[members[place]]
        is_known = value != MISSING
        total += value if is_known else 0
        count += is_known
        sums[place + 1], known[place + 1] = total, count


@compiled
def matches_counted(spans: SmallInts, windows: Ints, rows: Floats, first: int, stride: int) -> None:
    """How many matches each window of each side row holds; arguments as of ``window_means``."""
    for window in range(windows.size):
        for row in range(spans.shape[1]):
            count = spans[STOP, row] - spans[START, row]
            rows[first + window * stride, row] = min(count, windows[window])


@compiled
def _means_of(values: SmallInts, sequences: Sequences, windows: Ints, rows: Floats, first: int, stride: int) -> None:
    sums, known = np.empty(sequences.members.size + 1, np.int64), np.empty(sequences.members.size + 1, np.int32)
    running_sums(values, sequences.members, sums, known)
    window_means(sums, known, sequences.spans[START], sequences.spans[STOP], windows, 1.0, rows, first, stride)


def rolling_means(
    values: SmallInts, sequences: Sequences, windows: Several[int], *, threads: int = 1, out: Floats | None = None
) -> Floats:
    """Means of statistics over the last matches of each team before each match, and how many matches they hold.

    Args:
        values: (k, 2 n) int32, a statistic a row, columns in match order, home first; ``MISSING`` where unknown.
        sequences: of ``side_sequences``.
        windows: lengths in matches.
        threads: statistics are divided among them; the values do not depend on it.
        out: where to write.

    Returns:
        (w (k + 1), 2 n) float64: for each window the k means and then the matches counted; NaN where unknown.
    """
    lengths, stride = np.array(windows, np.int64), values.shape[0] + 1
    rows = np.empty((lengths.size * stride, values.shape[1])) if out is None else out

    def one(statistic: int) -> None:
        if statistic == values.shape[0]:
            matches_counted(sequences.spans, lengths, rows, statistic, stride)
        else:
            _means_of(values[statistic], sequences, lengths, rows, statistic, stride)

    divided(one, stride, threads)
    return rows


def divided(task: Callable[[int], None], n: int, threads: int) -> None:
    """``task`` of 0 to n - 1, on this thread or several."""
    if threads == 1:
        for number in range(n):
            task(number)
        return
    with ThreadPoolExecutor(threads) as pool:
        for finished in [pool.submit(task, number) for number in range(n)]:
            finished.result()


@compiled
def form(
    first: int,
    last: int,
    statistics: SmallInts,
    sequences: Sequences,
    state: StateArrays,
    windows: Ints,
    decay: float,
    rows: Floats,
) -> None:
    """Windows and weighted means of the statistics from ``first`` up to but without ``last``, of every side row.

    Each statistic has its place in ``rows``: the windows overall and the weighted mean, for all that are counted; the
    same at the row's venue, for all that are counted; then the windows of those that need ratings. Where results were
    applied, the state's weighted means are moved on.
    """
    spans, width, n_counted = sequences.spans, windows.size + 1, statistics.shape[0] - N_SURPLUS
    values, at_venue = np.empty(sequences.members.size, np.int32), np.empty(sequences.members.size, np.int32)
    in_order = np.empty(values.size, np.int32)
    for place in range(values.size):
        in_order[place] = place
    sums, known = np.empty(values.size + 1, np.int64), np.empty(values.size + 1, np.int32)
    weighted = np.empty((values.size, 2))
    teams = _teams_with_matches(sequences)
    for statistic in range(first, last):
        _gather(statistic, statistics, sequences, state, teams, values)
        running_sums(values, in_order, sums, known)
        if statistic < N_SURPLUS:
            place = 2 * n_counted * width + statistic * windows.size
            window_means(sums, known, spans[START], spans[STOP], windows, SURPLUS_SCALE, rows, place, 1)
            continue
        counted = statistic - N_SURPLUS
        place = counted * width
        window_means(sums, known, spans[START], spans[STOP], windows, 1.0, rows, place, 1)
        for team in teams:
            begin, end = sequences.bounds[team], sequences.bounds[team + 1]
            _weigh(values, begin, end, begin + state.n_held[team], sequences.entered[team], sequences.begins,
                   state.weighted[team, OVERALL, counted], decay, weighted)  # fmt: skip
        _weighted_means(weighted, spans[START], spans[STOP], rows[place + windows.size])
        place += n_counted * width
        for slot in range(values.size):
            at_venue[slot] = values[sequences.venue_members[slot]]
        running_sums(values, sequences.venue_members, sums, known)
        window_means(sums, known, spans[VENUE_START], spans[VENUE_STOP], windows, 1.0, rows, place, 1)
        for place_of_pair in range(2 * teams.size):
            pair = 2 * teams[place_of_pair >> 1] + (place_of_pair & 1)
            begin, end = sequences.venue_bounds[pair], sequences.venue_bounds[pair + 1]
            if begin == end:
                continue
            fresh = begin
            while fresh < end and sequences.members[sequences.venue_members[fresh]] < 0:
                fresh += 1
            _weigh(at_venue, begin, end, fresh, sequences.venue_entered[pair], sequences.venue_begins,
                   state.weighted[pair // 2, AT_HOME + pair % 2, counted], decay, weighted)  # fmt: skip
        _weighted_means(weighted, spans[VENUE_START], spans[VENUE_STOP], rows[place + windows.size])


@compiled
def _teams_with_matches(sequences: Sequences) -> Ints:
    """Those that have any: two of a hundred where the service asks for one fixture."""
    teams, n = np.empty(sequences.bounds.size - 1, np.int64), 0
    for team in range(sequences.bounds.size - 1):
        if sequences.bounds[team] < sequences.bounds[team + 1]:
            teams[n] = team
            n += 1
    return teams[:n]


@compiled
def _gather(
    statistic: int, statistics: SmallInts, sequences: Sequences, state: StateArrays, teams: Ints, values: SmallInts
) -> None:
    """A statistic in the order of the sequences, from the state and from the matches."""
    for team in teams:
        for place in range(sequences.bounds[team], sequences.bounds[team + 1]):
            member = sequences.members[place]
            values[place] = state.held[team, -1 - member, statistic] if member < 0 else statistics[statistic, member]


@compiled
def _weigh(
    values: SmallInts, begin: int, end: int, fresh: int, entered: int, begins: Flags, carried: Floats, decay: float,
    weighted: Floats,
) -> None:  # fmt: skip
    """Weighted mean and its weight after each match of a sequence, begun from what is carried and leaving that moved on.

    Matches before ``fresh`` are in what is carried; those before ``entered`` are forgotten at the end. The mean is moved
    and not divided anew, so that it never leaves the range of the values by a rounding: three points from every match
    are three points a match.
    """
    mean, weight = carried[0], carried[1]
    for place in range(begin, end):
        if place >= fresh:
            if begins[place]:
                mean, weight = 0.0, 0.0
            weight *= decay
            if values[place] != MISSING:
                weight += 1.0
                mean += (values[place] - mean) / weight
        weighted[place, 0], weighted[place, 1] = mean, weight
    if entered == end:
        mean, weight = 0.0, 0.0
    carried[0], carried[1] = mean, weight


@compiled
def _weighted_means(weighted: Floats, start: SmallInts, stop: SmallInts, target: Floats) -> None:
    for row in range(stop.size):
        end = stop[row]
        is_known = end > start[row] and weighted[end - 1, 1] > 0.0
        target[row] = weighted[end - 1, 0] if is_known else np.nan


@compiled
def hold(sequences: Sequences, statistics: SmallInts, state: StateArrays) -> None:
    """Keep the last matches of each team's present stay at each venue, in place.

    Args:
        sequences: with results.
        statistics: (s, 2 n).
        state: ``held`` and ``n_held`` are changed.
    """
    capacity, width = state.held.shape[1] // 2, state.held.shape[2] - 1
    for team in range(state.n_held.size):
        begin, end = sequences.bounds[team], sequences.bounds[team + 1]
        if begin == end:
            continue
        begin = sequences.entered[team]
        held = state.held[team]
        counts = np.zeros(2, np.int64)
        is_kept = np.zeros(end - begin, np.bool_)
        for place in range(end - 1, begin - 1, -1):
            member = sequences.members[place]
            venue = held[-1 - member, width] if member < 0 else member & 1
            if counts[venue] < capacity:
                counts[venue] += 1
                is_kept[place - begin] = True
        slot = 0
        for place in range(begin, end):
            if not is_kept[place - begin]:
                continue
            member = sequences.members[place]
            for statistic in range(width + 1):  # what is held moves to the front: never onto what is still to be moved
                if member < 0:
                    held[slot, statistic] = held[-1 - member, statistic]
                else:
                    held[slot, statistic] = member & 1 if statistic == width else statistics[statistic, member]
            slot += 1
        state.n_held[team] = slot
