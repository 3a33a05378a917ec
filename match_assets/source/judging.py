"""What an answer is worth, apart from what stands in it: final, worth another attempt, or a request to wait. Pure."""

import datetime as dt
import email.utils
from typing import Literal, NamedTuple

from match_assets.source.document import Answer
from match_assets.source.parsers.whole import is_whole_document, is_whole_page

Kind = Literal["page", "feed", "robots"]


class Failure(NamedTuple):
    """Why an attempt brought nothing.

    Attributes:
        cause: in words.
        wait_seconds: how long the site asked us to wait; ``None`` when it did not say.
        http_status: of the answer; ``None`` when there was none.
        is_slow: there was no answer because it did not come in time.
    """

    cause: str
    wait_seconds: float | None = None
    http_status: int | None = None
    is_slow: bool = False

    @property
    def is_plea(self) -> bool:
        """Whether the site asks for less, rather than being broken."""
        return self.http_status == 429 or self.wait_seconds is not None


def failure_of(kind: Kind, answer: Answer, now: dt.datetime) -> Failure | None:
    """Why this answer is worth another attempt; ``None`` when it is final.

    Args:
        kind: what was asked for; a robots.txt has no end by which it is known to be whole.
        answer: not a refusal.
        now: for a ``Retry-After`` that is a date.
    """
    if answer.status == 429 or answer.status >= 500:
        return Failure(f"HTTP {answer.status}", retry_after(answer.headers, now), answer.status)
    if answer.refused:
        return None
    if answer.cut:
        return Failure(f"the answer is cut short ({answer.cut})", http_status=answer.status)
    if answer.status == 200 and not _is_whole(kind, answer.body):
        return Failure(f"the answer is cut short ({len(answer.body)} bytes)", http_status=200)
    return None


def retry_after(headers: dict[str, str], now: dt.datetime) -> float | None:
    """Seconds that ``Retry-After`` asks for, whether it gives seconds or a date; ``None`` without a readable one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        # an absurd number stays absurd with twelve digits, and is still a number of seconds
        return float(value[:12])
    try:
        moment = email.utils.parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _is_whole(kind: Kind, body: bytes) -> bool:
    if kind == "robots":
        return True
    if kind == "feed":
        return is_whole_document(body)
    return is_whole_page(body)
