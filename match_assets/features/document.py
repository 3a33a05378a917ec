"""``docs/features.md``, made of the registry: ``python -m match_assets.features.document > docs/features.md``."""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby

from match_assets.config import FeatureParams, load_params
from match_assets.features.registry import (
    EXPECTATIONS,
    FeatureDefinition,
    feature_groups,
    match_feature_names,
    team_feature_definitions,
)

HEAD = """# Features

*Made by `make docs` from `match_assets/features/registry.py`; a test fails when it is stale. The rules that all features
obey stand in `match_assets/features/__init__.py`.*

A match row has every team feature twice, as `home_…` and `away_…`, then `…_difference` (home minus away) of those marked
Δ, then what the ratings expect of the match: {n_match} features of {n_team} team features, and of these parameters:

{parameters}

`…` in a name stands for each of {windows}, and for `weighted` where that is listed. "The last matches" are counted ones
(no walkovers) since the team entered the tournament; an unknown statistic takes a place among them and is left out of
the mean. A value outside its range is refused by `validate_features`.
"""

TABLE = "| feature | Δ | unit | what it is | null when | range | from | made by |\n|---|---|---|---|---|---|---|---|"


def document(params: FeatureParams) -> str:
    """The page as Markdown."""
    definitions = team_feature_definitions(params)
    settings = params.model_dump(mode="json", by_alias=True)
    lines = [
        HEAD.format(
            n_match=len(match_feature_names(params)),
            n_team=len(definitions),
            parameters="\n".join(f"- `{name}`: {_plain(value)}" for name, value in settings.items()),
            windows=", ".join(map(str, params.windows)),
        )
    ]
    for group, members in _by_group(definitions):
        lines += [f"## {group}\n", TABLE, *_rows(members), ""]
    lines += ["## Of the match\n", TABLE, *_rows(EXPECTATIONS), "", "## Groups of the ablation\n"]
    lines += [f"- `{group}`: {len(names)} match features" for group, names in feature_groups(params).items()]
    return "\n".join(lines) + "\n"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {part:g}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _by_group(definitions: Iterable[FeatureDefinition]) -> Iterator[tuple[str, list[FeatureDefinition]]]:
    groups: dict[str, list[FeatureDefinition]] = {}
    for definition in definitions:
        # what differs by window alone is one row, and its windows' groups are one section
        section = "form" if definition.group.startswith("form_") or definition.group == "weighted" else definition.group
        groups.setdefault(section, []).append(definition)
    yield from groups.items()


def _rows(definitions: Iterable[FeatureDefinition]) -> Iterator[str]:
    """One row a feature, or a feature and all of its windows."""
    for name, members in groupby(definitions, key=_stem):
        first, *rest = members
        weighted = " (`weighted` too)" if any(member.name.endswith("_weighted") for member in rest) else ""
        # with its own length in it, a sentence is as good as with another's
        cells = (f"`{name}`{weighted}", "Δ" if first.is_compared else "", first.unit, _lengthless(first.description, first),
                 _lengthless(first.null_when, first), _range(first), first.source, f"`{first.made_by}`")  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def _stem(definition: FeatureDefinition) -> str:
    stem = definition.name.removesuffix("_weighted")
    if stem != definition.name:
        return f"{stem}_…"
    return definition.name.removesuffix(f"_{definition.window}") + ("_…" if definition.window else "")


def _lengthless(text: str, definition: FeatureDefinition) -> str:
    if not definition.window:
        return text
    return text.replace(f"last {definition.window} ", "last … ").replace(f"_{definition.window}`", "_…`")


def _range(definition: FeatureDefinition) -> str:
    low, high = definition.within
    if low == -high:
        return "any" if high == float("inf") else f"±{high:g}"
    return f"{low:g} or more" if high == float("inf") else f"{low:g} to {high:g}"


if __name__ == "__main__":
    sys.stdout.write(document(load_params().features))
