"""Telling a whole answer from one that was cut on the way, before anything is read out of it.

A cut answer is worth another attempt, a whole one that cannot be read is a changed layout: the client asks here first.
"""

import codecs
import html
import re

import msgspec

# The closing tag stands at the very end of every captured page; nothing but blanks was seen after it.
_END_BYTES = 2_000
_PRE_TAG = re.compile(rb"</?pre\b[^<>]*>", re.IGNORECASE)


def is_whole_page(body: bytes) -> bool:
    """Whether ``body`` is an HTML page to its last tag, in readable UTF-8."""
    if b"</html>" not in body[-_END_BYTES:].lower():
        return False
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_whole_document(body: bytes) -> bool:
    """Whether ``body`` is a complete JSON document, wrapped or not."""
    try:
        msgspec.json.decode(unwrapped(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def unwrapped(body: bytes) -> bytes:
    """JSON out of the page that a browser makes around it, without byte order mark and entities.

    Raises:
        UnicodeDecodeError: the page around it is not UTF-8.
    """
    body = body.strip().removeprefix(codecs.BOM_UTF8).strip()
    if not body.startswith(b"<"):
        return body
    inner = _between(body, b"pre") or _between(body, b"body") or body
    text = html.unescape(_PRE_TAG.sub(b"", inner).decode("utf-8"))
    return text.strip().removeprefix("\ufeff").strip().encode()


def _between(body: bytes, tag: bytes) -> bytes | None:
    """What stands between the first opening and the last closing ``tag``."""
    opening = re.search(rb"<%s\b[^<>]*>" % tag, body, re.IGNORECASE)
    end = body.lower().rfind(b"</%s" % tag)
    return body[opening.end() : end] if opening and end >= opening.end() else None
