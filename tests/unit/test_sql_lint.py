"""PG-08: no SQL is built from strings. Values are parameters and names are identifiers, whatever they hold."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("match_assets", "serving", "scripts", "benchmarks")
TAKES_SQL = {
    "text",
    "literal_column",
    "SQL",
    "DDL",
    "execute",
    "executemany",
    "executescript",
    "exec_driver_sql",
    "copy",
    "sql",
}
# a GRANT takes no parameters; these put constants of their own file together
OF_CONSTANTS = {"ROLE.format(name=name)", "f'GRANT USAGE ON SCHEMA public TO {name}'"}


def built_statements(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each statement that is put together from strings before a database gets it."""
    tree = ast.parse(source)
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    assigned.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            assigned.setdefault(node.target.id, []).append(ast.BinOp(ast.Constant(""), node.op, node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and called(node) in TAKES_SQL:
            statement = node.args[0]
            candidates = assigned.get(statement.id, []) if isinstance(statement, ast.Name) else [statement]
            for candidate in candidates:
                if is_built(candidate):
                    yield node.lineno, ast.unparse(candidate)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_built(node: ast.expr) -> bool:
    """Whether a string comes out that something else than its author's own words went into."""
    match node:
        case ast.JoinedStr():
            return any(isinstance(part, ast.FormattedValue) for part in node.values)
        case ast.BinOp(op=ast.Mod() | ast.Add()):
            return any(is_string(part) or is_built(part) for part in (node.left, node.right))
        case ast.Call(func=ast.Attribute(attr="format" | "format_map" | "replace" | "join", value=receiver)):
            # psycopg.sql.SQL(...).format(...) quotes what it takes; a string's own does not
            return not (isinstance(receiver, ast.Call) and called(receiver) == "SQL")
        case ast.Call(func=ast.Attribute(attr="encode", value=receiver)):
            return is_built(receiver)
        case _:
            return False


def is_string(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_no_statement_is_built_from_strings() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}: {statement}"
        for path in modules()
        for line, statement in built_statements(path.read_text(encoding="utf-8"))
        if statement not in OF_CONSTANTS
    }
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        'connection.execute(f"DELETE FROM {table}")',
        "connection.execute(text(\"SELECT * FROM matches WHERE home_team = '%s'\" % name))",
        'text("SELECT " + column)',
        'cursor.execute("DROP TABLE {}".format(name))',
        'sql.SQL(f"COPY {name} FROM STDIN")',
        'query = f"SELECT {column}"\nconnection.execute(query)',
        'query = "SELECT 1"\nquery += tail\nconnection.execute(query)',
        'cursor.copy(" ".join(words))',
        "op.execute(TEMPLATE.format(name))",
        'connection.execute(f"SELECT {n}".encode())',
        'database.executescript(SCHEMA.replace("x", name))',
    ],
)
def test_the_lint_sees_every_way_of_building(source: str) -> None:
    assert list(built_statements(source))


@pytest.mark.parametrize(
    "source",
    [
        'connection.execute(text("SELECT :name"), {"name": name})',
        'sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))',
        "connection.execute(select(table).where(table.c.n == n))",
        'text("SELECT 1" " FROM matches")',
        "path.copy(target)",
    ],
)
def test_the_lint_lets_parameters_and_identifiers_pass(source: str) -> None:
    assert not list(built_statements(source))


def test_ruffs_own_rule_against_built_sql_is_on() -> None:
    """S608 reads any string that looks like SQL, wherever it goes; it may be silenced nowhere in the packages."""
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert not [rule for rule in lint["ignore"] if rule.startswith("S6")]
    assert all(
        "S" not in rules for files, rules in lint["per-file-ignores"].items() if files.startswith(("match", "serv"))
    )
    silenced = re.compile(r"#\s*noqa(?!:)|#\s*noqa:[^#]*\bS608\b|#\s*ruff:\s*noqa")
    named = [path.relative_to(ROOT) for path in modules() if silenced.search(path.read_text(encoding="utf-8"))]
    assert named == []
