"""Asking a page for a part: present and of its type, or ``UnexpectedPageError`` naming page and part."""

from typing import Any, NoReturn, TypeVar

from match_assets.errors import UnexpectedPageError

Kind = TypeVar("Kind")


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


def optional_count(value: Any, url: str, part: str) -> int | None:
    """A small count or ``None``; anything else is a changed layout."""
    if value is None:
        return None
    count = typed(value, int, url, part)
    if not 0 <= count <= 1_000:
        unexpected(url, part, f"is {count}, outside 0 to 1000")
    return count
