"""Names of any kind come back unchanged from the scripts they are written into, and end none of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from match_assets.source.literals import read_literal
from match_assets.source.practice.scripts import json_literal, string_literal

HOSTILE = [
    "</script><script>alert(1)</script>",
    "Nott'm Forest",
    "back\\slash'",
    "<!--",
    "--> end",
    "line\nbreak\r",
    "\u2028",
]
# the reader of literals takes text as a page holds it: no lone surrogates, no control characters
NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc")))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_can_end_neither_script_nor_comment(name: str) -> None:
    for written in (string_literal(name), json_literal({"name": name})):
        assert "<" not in written
        assert "\n" not in written
    assert "-->" not in json_literal(name)
    assert json.loads(json_literal({"name": name})) == {"name": name}
    assert read_literal(string_literal(name))[0] == name


@given(NAMES)
def test_every_name_is_read_back(name: str) -> None:
    assert read_literal(string_literal(name))[0] == name
    assert json.loads(json_literal(name)) == name
