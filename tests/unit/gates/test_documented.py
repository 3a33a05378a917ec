"""docs/gates.md lists every rule with its severity, and none that is not there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from match_assets.gates import schemas

ROOT = Path(__file__).parents[3]
DOCUMENT = " ".join((ROOT / "docs" / "gates.md").read_text().split())
MAKERS = {"Rule", "row_rule", "Failure", "like_before", "said_wrongly"}
NAMED = {"KICK_OFF_IN_SEASON": schemas.KICK_OFF_IN_SEASON, "RESULT_WHEN_FINISHED": schemas.RESULT_WHEN_FINISHED}


def rule_names() -> Iterator[str]:
    """Texts that name a rule: the first argument of what makes one, and the arguments of those that hand it on."""
    for folder in ("gates", "stages"):
        for file in sorted((ROOT / "match_assets" / folder).glob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    if node.func.id in MAKERS and node.args and isinstance(node.args[0], ast.Constant):
                        yield node.args[0].value
                    if node.func.id == "_same_rows":
                        yield from (part.value for part in node.args if isinstance(part, ast.Constant))
    yield from NAMED.values()


def test_rules_are_found() -> None:
    assert len(set(rule_names())) > 75


@pytest.mark.parametrize("name", sorted(set(rule_names())))
def test_a_rule_is_documented(name: str) -> None:
    assert name in DOCUMENT
