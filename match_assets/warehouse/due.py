"""When to ask the source again: pure functions of what it said and of its own clock.

A finished match is looked at again on a schedule that thins out (``ingestion.revisit_days`` after kick-off), because
corrections come within days and then no more. The times are stored beside the rows (``due_at``) and the view
``frontier`` compares them with the source's clock, so that no process needs to remember anything.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

# A page without statistics is asked again after 1, 2, 4, ... days of the source's clock, this many times in all.
PAGE_ATTEMPTS = 5
REVISIT_DAYS: tuple[int, ...] = (1, 7, 30)


def month_due(
    kick_offs: Iterable[dt.datetime],
    n_open: int,
    site_time: dt.datetime,
    revisit_days: Sequence[int] = REVISIT_DAYS,
    *,
    month: str | None = None,
) -> dt.datetime | None:
    """The source's time from which a month of a stage is to be asked for again; ``None`` means never.

    Args:
        kick_offs: of those matches listed in the month that had their end.
        n_open: listed matches without an end: still to be played, in play or postponed.
        site_time: the source's clock when the month was read.
        revisit_days: days after a kick-off at which its match is looked at again.
        month: which month it is, ``YYYYMM``: one without any match is only worth asking for until it has passed.

    Returns:
        ``site_time`` itself while a match is open, so that every visit asks; likewise for a month without any match,
        which may still be filled. Otherwise the first moment of the schedule after ``site_time``.
    """
    held = list(kick_offs)
    if n_open:
        return site_time
    if not held:
        return None if month is not None and month < f"{site_time:%Y%m}" else site_time
    return min((moment for kick_off in held if (moment := _next(kick_off, site_time, revisit_days))), default=None)


def page_due(
    kick_off: dt.datetime,
    asked_site_time: dt.datetime,
    revisit_days: Sequence[int] = REVISIT_DAYS,
    *,
    has_statistics: bool,
    attempts: int,
) -> dt.datetime | None:
    """The source's time from which a finished match's page is to be asked for again; ``None`` means never.

    Args:
        kick_off: of the match.
        asked_site_time: the source's clock at the last attempt.
        revisit_days: days after kick-off at which a page with statistics is read again.
        has_statistics: whether they are stored.
        attempts: how often the page was asked for, the last attempt included.
    """
    if has_statistics:
        return _next(kick_off, asked_site_time, revisit_days)
    if attempts >= PAGE_ATTEMPTS:
        return None
    return asked_site_time + dt.timedelta(days=2 ** max(0, attempts - 1))


def _next(kick_off: dt.datetime, asked: dt.datetime, revisit_days: Sequence[int]) -> dt.datetime | None:
    """The first moment of the schedule after ``asked``; a look at the very moment counts as that one's."""
    moments = (kick_off + dt.timedelta(days=days) for days in revisit_days)
    return min((moment for moment in moments if moment > asked), default=None)
