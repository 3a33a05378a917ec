"""JavaScript literals as the pages write them."""

import pytest

from match_assets.source.literals import MAX_DEPTH, LiteralError, read_literal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{id:4, 'a b':\"x\", 2020:{8:{12:1}}}", {"id": 4, "a b": "x", "2020": {"8": {"12": 1}}}),
        ("[65,,'Rayo',,]", [65, None, "Rayo", None]),
        ("[1,2,]", [1, 2]),
        ("[]", []),
        ("{}", {}),
        (r"'St. O\'Neill\u0027s \x41\n'", "St. O'Neill's A\n"),
        (r"'\ud83d\ude00'", "😀"),
        ("[true,false,null,undefined,-1.5e2]", [True, False, None, None, -150.0]),
    ],
)
def test_reads_what_the_pages_hold(text: str, value: object) -> None:
    assert read_literal(text) == (value, len(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{id:4",
        "[1,2",
        "'open",
        "{id 4}",
        "alert(1)",
        "[1 2]",
        "{a:new Date()}",
        r"'\u00'",
        r"'\ud83d'",
        r"'\ud83d\u0041'",
        r"'\ude00'",
        "'a\nb'",
    ],
)
def test_cut_or_foreign_text_is_refused(text: str) -> None:
    with pytest.raises(LiteralError):
        read_literal(text)


def test_deep_nesting_is_refused_instead_of_exhausting_the_stack() -> None:
    with pytest.raises(LiteralError, match="nested deeper"):
        read_literal("[" * (MAX_DEPTH + 2))
