"""Reading values out of inline scripts: JavaScript literals that are not JSON.

The pages hold unquoted keys, single quotes, elided array slots (``[1,,2]``) and numeric keys. A small reader of exactly
that grammar is used rather than running the page's script: a page is data here, whatever it contains.
"""

import re
from typing import Any

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_BLANK = re.compile(r"\s*")
# what of a string needs no look at each character
_PLAIN = re.compile(r"[^'\"\\\n]+")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "undefined": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
MAX_DEPTH = 64
# Python refuses to read numbers of some thousand digits; no page holds one of more than ten
MAX_DIGITS = 100


class LiteralError(ValueError):
    """The text at this place is not a literal of the known grammar, or ends inside one."""


def read_literal(text: str, start: int = 0) -> tuple[Any, int]:
    """The JavaScript literal that begins at ``start`` and the position after it.

    Objects become dictionaries with string keys (numeric keys too), an elided array slot becomes ``None``.

    Raises:
        LiteralError: not a literal, cut short, nested deeper than ``MAX_DEPTH`` or a number of ``MAX_DIGITS`` and more.

    Example:
        >>> read_literal("[65,'Rayo',,{id:4, 2020:{8:1}}]")[0]
        [65, 'Rayo', None, {'id': 4, '2020': {'8': 1}}]
    """
    return _value(text, _skip(text, start), 0)


def literal_after(text: str, marker: re.Pattern[str], start: int = 0) -> Any:
    """The literal that follows the first match of ``marker`` from ``start`` on.

    Raises:
        LiteralError: the marker is absent, or no literal follows it.
    """
    found = marker.search(text, start)
    if found is None:
        raise LiteralError(f"nothing matches {marker.pattern}")
    return read_literal(text, found.end())[0]


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _value(text: str, position: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise LiteralError(f"nested deeper than {MAX_DEPTH} at {position}")
    character = text[position : position + 1]
    if character == "{":
        return _object(text, position + 1, depth)
    if character == "[":
        return _array(text, position + 1, depth)
    if character and character in "'\"":
        return _string(text, position)
    if number := _NUMBER.match(text, position):
        digits = number.group()
        if len(digits) > MAX_DIGITS:
            raise LiteralError(f"a number of {len(digits)} digits at {position}")
        return (int(digits) if digits.lstrip("-").isdigit() else float(digits)), number.end()
    if (name := _NAME.match(text, position)) and name.group() in _WORDS:
        return _WORDS[name.group()], name.end()
    raise LiteralError(f"no literal at {position}: {text[position : position + 20]!r}")


def _object(text: str, position: int, depth: int) -> tuple[dict[str, Any], int]:
    members: dict[str, Any] = {}
    position = _skip(text, position)
    while text[position : position + 1] != "}":
        key, position = _key(text, position)
        position = _skip(text, position)
        if text[position : position + 1] != ":":
            raise LiteralError(f"no colon after key {key!r} at {position}")
        members[key], position = _value(text, _skip(text, position + 1), depth + 1)
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
        elif text[position : position + 1] != "}":
            raise LiteralError(f"object not closed at {position}")
    return members, position + 1


def _key(text: str, position: int) -> tuple[str, int]:
    if text[position : position + 1] in {"'", '"'}:
        return _string(text, position)
    found = _NAME.match(text, position) or _NUMBER.match(text, position)
    if found is None:
        raise LiteralError(f"no key at {position}: {text[position : position + 20]!r}")
    return found.group(), found.end()


def _array(text: str, position: int, depth: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    position = _skip(text, position)
    while text[position : position + 1] != "]":
        if text[position : position + 1] == ",":
            items.append(None)
            position = _skip(text, position + 1)
            continue
        item, position = _value(text, position, depth + 1)
        items.append(item)
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
        elif text[position : position + 1] != "]":
            raise LiteralError(f"array not closed at {position}")
    return items, position + 1


def _string(text: str, position: int) -> tuple[str, int]:
    quote, position = text[position], position + 1
    parts: list[str] = []
    while True:
        if plain := _PLAIN.match(text, position):
            parts.append(plain.group())
            position = plain.end()
        character = text[position : position + 1]
        if not character or character == "\n":
            raise LiteralError(f"string not closed at {position}")
        if character == quote:
            return "".join(parts), position + 1
        if character == "\\":
            part, position = _escape(text, position + 1)
            parts.append(part)
        else:
            parts.append(character)
            position += 1


def _escape(text: str, position: int) -> tuple[str, int]:
    character = text[position : position + 1]
    width = {"u": 4, "x": 2}.get(character, 0)
    if not width:
        return _ESCAPES.get(character, character), position + 1
    code, end = _code(text, position + 1, width)
    if 0xD800 <= code < 0xDC00 and text.startswith("\\u", end):
        # a character beyond the basic plane is written as two escapes
        low, end = _code(text, end + 2, width)
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) if 0xDC00 <= low < 0xE000 else code
    if 0xD800 <= code < 0xE000:
        raise LiteralError(f"half a character at {position}")
    return chr(code), end


def _code(text: str, position: int, width: int) -> tuple[int, int]:
    digits = text[position : position + width]
    if len(digits) != width or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise LiteralError(f"broken escape at {position}")
    return int(digits, 16), position + width
