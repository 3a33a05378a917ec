"""Values written into a page's scripts, whatever characters a name holds."""

from typing import Any

import msgspec


def string_literal(text: str) -> str:
    """A single-quoted JavaScript string that can end neither itself nor the script it stands in."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return "'" + escaped.replace("<", "\\x3c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "'"


def json_literal(value: Any) -> str:
    """JSON on one line, safe inside a script and inside an HTML comment."""
    text = msgspec.json.encode(value).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e")
