"""Recognising that the site refuses us: such an answer is neither a page nor an error to be retried.

Only a page without any of the site's own content is taken for a block, so that a player called "Ray ID" blocks nobody.
"""

# Shown by the two services that have guarded the site: Incapsula until 2024, Cloudflare since June 2024.
REFUSALS = (
    "_Incapsula_Resource",
    "Incapsula incident ID",
    "you have been blocked",
    "You are unable to access",
    "Verify you are human",
    "Checking your browser",
    "Just a moment...",
    "Attention Required! | Cloudflare",
    "cf-challenge",
    "Please stand by",
)
# These stand on every page that Cloudflare writes, also on its "bad gateway" and "too many requests": such a status
# tells by itself what to do, and it is not to stop.
LETTERHEADS = ("cf-error-details", "Ray ID:")
OWN_CONTENT = (
    b"require.config.params",
    b"matchCentreData",
    b"wsCalendar",
    b"allRegions",
    b'id="seasons"',
    b"id='seasons'",
    b'"tournaments"',
    b"&quot;tournaments&quot;",
)
REFUSING_STATUSES = frozenset({401, 403, 407, 451})
# A refusal is a page of some kilobytes. What comes after this much of a body is not looked at.
LOOKED_AT_BYTES = 256 * 1024


def block_marker(body: bytes, http_status: int) -> str | None:
    """What shows that this answer is a refusal, or ``None``.

    Args:
        body: the answer as it came, a megabyte of it costs well under a millisecond.
        http_status: the answer's status; 401, 403, 407 and 451 refuse whatever the body says.
    """
    if not any(own in body for own in OWN_CONTENT):
        is_other_trouble = http_status == 429 or http_status >= 500
        start = body[:LOOKED_AT_BYTES].lower()
        for marker in REFUSALS if is_other_trouble else REFUSALS + LETTERHEADS:
            if marker.lower().encode() in start:
                return marker
    return f"HTTP {http_status}" if http_status in REFUSING_STATUSES else None
