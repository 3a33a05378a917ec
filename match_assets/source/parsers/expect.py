"""Asking a page for a part: present and of its type, or ``UnexpectedPageError`` naming page and part."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import msgspec

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers.whole import is_whole_page

Kind = TypeVar("Kind")

# The warehouse's columns hold no greater id, and ids below one are our own.
MAX_ID = 2**31 - 1


def unexpected(url: str, part: str, cause: str = "is missing") -> NoReturn:
    """Stop reading this page.

    Raises:
        UnexpectedPageError: always.
    """
    raise UnexpectedPageError(
        f"{url}: layout changed: {part} {cause}; nothing of it was stored. Compare the kept page with its parser",
        url=url,
        part=part,
    )


def require_whole(body: bytes, url: str) -> None:
    """Refuse a page that is cut short or not UTF-8: half a page must never be read as one that says less."""
    if not is_whole_page(body):
        unexpected(url, "the page", f"is cut short or not UTF-8 ({len(body)} bytes)")


def page_text(body: bytes, url: str) -> str:
    """A whole page as text."""
    require_whole(body, url)
    return body.decode("utf-8")


def member(mapping: Any, key: str, kind: type[Kind], url: str, path: str) -> Kind:
    """``mapping[key]`` when it is there and a ``kind``."""
    part = f"{path}.{key}" if path else key
    if not isinstance(mapping, dict) or key not in mapping:
        unexpected(url, part)
    return typed(mapping[key], kind, url, part)


def typed(value: Any, kind: type[Kind], url: str, part: str) -> Kind:
    """``value`` when it is a ``kind``; a boolean is no integer here, though Python says so."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        unexpected(url, part, f"is {type(value).__name__}, expected {kind.__name__}")
    if kind is str and "\0" in str(value):
        unexpected(url, part, "holds a NUL character, which PostgreSQL cannot store")
    return value


def decoded(members: Mapping[str, msgspec.Raw], key: str, kind: type[Kind], url: str, path: str) -> Kind:
    """``members[key]``, still undecoded JSON, as a ``kind``."""
    part = f"{path}.{key}"
    if key not in members:
        unexpected(url, part)
    try:
        value = msgspec.json.decode(members[key], type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        unexpected(url, part, f"is not what it was ({error})")
    return typed(value, kind, url, part) if kind in (int, str) else value


def identifier(value: Any, url: str, part: str) -> int:
    """An id as the site gives them: a whole number from 1 to ``MAX_ID``."""
    number = typed(value, int, url, part)
    if not 1 <= number <= MAX_ID:
        unexpected(url, part, f"is {number}, which is no id")
    return number


def optional_count(value: Any, url: str, part: str) -> int | None:
    """A small count or ``None``; anything else is a changed layout."""
    if value is None:
        return None
    count = typed(value, int, url, part)
    if not 0 <= count <= 1_000:
        unexpected(url, part, f"is {count}, outside 0 to 1000")
    return count


def new_keys(keys: Iterable[str], known: Collection[str], path: str) -> set[str]:
    """Those of ``keys`` that no captured page has, with the path at which they stand."""
    return {f"{path}.{key}" if path else key for key in keys if key not in known}
