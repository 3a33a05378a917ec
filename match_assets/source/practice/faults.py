"""Ways in which the site can be told to fail, so that the pipeline's answer to each can be tried.

A rule names pages by a regular expression on path and query, the kind of failure, and how often it is to happen. The
first rule that matches and has not run out is played.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec

from match_assets.errors import ConfigurationError

FaultKind = Literal[
    "block",
    "forbidden",
    "too_many",
    "server_error",
    "slow",
    "truncated",
    "layout",
    "null_match_centre",
    "pre_wrapped",
    "empty",
]

# What a redesign would rename: every part that a reader of the pages holds on to.
RENAMED_PARTS = {
    b"matchCentreData": b"matchData",
    b"matchheader": b"matchHead",
    b'id="seasons"': b'id="season-list"',
    b"wsCalendar": b"pageCalendar",
    b"allRegions": b"regionTree",
    b'"tournaments":': b'"competitions":',
}
PAGE = "text/html"
MATCH_CENTRE_LINE = re.compile(rb"(matchCentreData: ).*")

BLOCK_PAGE = b"""<html><head><META NAME="ROBOTS" CONTENT="NOINDEX, NOFOLLOW">
<script src="/_Incapsula_Resource?practice=1"></script></head>
<body><iframe src="/_Incapsula_Resource?practice=1&incident_id=1-1">
Request unsuccessful. Incapsula incident ID: 1-1</iframe></body></html>
"""
FORBIDDEN_PAGE = b"""<html><head><title>Attention Required!</title></head>
<body><h1>Sorry, you have been blocked</h1><p>You are unable to access this practice site.</p>
<p>Ray ID: 0</p></body></html>
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back for a request."""

    status: int
    body: bytes
    content_type: str
    retry_after: str | None = None
    delay_seconds: float = 0.0


class FaultRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One failure to play.

    Args:
        path_regex: searched for in path and query, whatever the case.
        kind: what happens.
        times: how many answers it spoils; all of them without.
        retry_after: value of the ``Retry-After`` header of a 429 or 503: seconds or an HTTP date.
        delay_seconds: how long a slow answer takes.
    """

    path_regex: str
    kind: FaultKind
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    retry_after: str | int | None = None
    delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 5.0

    def matches(self, path: str) -> bool:
        """Whether the rule speaks of this path."""
        return re.search(self.path_regex, path, re.IGNORECASE) is not None

    def check(self) -> None:
        """Refuse a rule that could never be played.

        Raises:
            ConfigurationError: ``path_regex`` is no regular expression.
        """
        try:
            re.compile(self.path_regex)
        except re.error as error:
            raise ConfigurationError(f"path_regex {self.path_regex!r} is no regular expression: {error}") from error


def play(rule: FaultRule, answer: Answer) -> Answer:
    """The answer as the fault spoils it."""
    if rule.kind == "slow":
        return replace(answer, delay_seconds=rule.delay_seconds)
    if rule.kind == "pre_wrapped":
        return replace(answer, body=_wrapped(answer.body), content_type=PAGE)
    if rule.kind in INSTEAD:
        instead = INSTEAD[rule.kind]
        is_pause = rule.retry_after is not None and instead.status in {429, 503}
        return replace(instead, retry_after=str(rule.retry_after) if is_pause else None)
    return replace(answer, body=SPOILT[rule.kind](answer.body))


def _wrapped(body: bytes) -> bytes:
    """What a browser makes of a bare JSON document."""
    return f"<html><head></head><body><pre>{html.escape(body.decode(), quote=False)}</pre></body></html>".encode()


def _renamed(body: bytes) -> bytes:
    for known, renamed in RENAMED_PARTS.items():
        body = body.replace(known, renamed)
    return body


# the real block page came with status 200
INSTEAD: dict[str, Answer] = {
    "block": Answer(200, BLOCK_PAGE, PAGE),
    "forbidden": Answer(403, FORBIDDEN_PAGE, PAGE),
    "too_many": Answer(429, b"Too Many Requests", "text/plain"),
    "server_error": Answer(503, b"Service Unavailable", "text/plain"),
}
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda body: body[: len(body) // 2],
    "empty": lambda _: b"",
    "layout": _renamed,
    "null_match_centre": lambda body: MATCH_CENTRE_LINE.sub(rb"\1null", body),
}
