"""Recognising that the site refuses us: such an answer is neither a page nor an error to be retried.

Only a page without any of the site's own content is taken for a block, so that a player called "Ray ID" blocks nobody.
"""

import re

# Shown by the two services that have guarded the site: Incapsula until 2024, Cloudflare since June 2024.
_MARKERS = (
    "_Incapsula_Resource",
    "Incapsula incident ID",
    "you have been blocked",
    "You are unable to access",
    "Verify you are human",
    "Checking your browser",
    "Just a moment...",
    "Attention Required! | Cloudflare",
    "cf-challenge",
    "cf-error-details",
    "Ray ID:",
    "Please stand by",
)
_MARKER = re.compile("|".join(re.escape(marker) for marker in _MARKERS), re.IGNORECASE)
_OWN_CONTENT = re.compile(
    r"require\.config\.params|\bmatchCentreData\b|\bwsCalendar\b|\ballRegions\b|id=['\"]seasons['\"]|\"tournaments\"\s*:"
)
REFUSING_STATUSES = frozenset({401, 403, 407, 451})


def block_marker(text: str, http_status: int) -> str | None:
    """What shows that this answer is a refusal, or ``None``.

    Args:
        text: the body as text.
        http_status: the answer's status; 401, 403, 407 and 451 refuse whatever the body says.
    """
    found = _MARKER.search(text)
    if found and not _OWN_CONTENT.search(text):
        return found.group()
    return f"HTTP {http_status}" if http_status in REFUSING_STATUSES else None
