"""ING-18: a name comes out of the service's HTML and JSON as it went in."""

import json

import msgspec
import pytest

from serving.pages import fixtures_page
from serving.schemas import Team
from serving.snapshots import Snapshot, build_snapshot
from tests.pages import NAMES
from tests.serving_world import PARAMS, MemoryStore, a_champion, fill
from tests.unit.serving.test_keeper import sets_of
from tests.unit.serving.test_pages import Outline


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    store = MemoryStore()
    fill(store, "PRA-First", 1)
    return build_snapshot(a_champion("7"), sets_of(store), PARAMS.features)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_shown_as_it_is(snapshot: Snapshot, name: str) -> None:
    fixture = msgspec.structs.replace(snapshot.fixtures[0], home_team=Team(id=1, name=name))
    assert json.loads(msgspec.json.encode(fixture))["home_team"]["name"] == name
    changed = Snapshot(**{**vars(snapshot), "fixtures": (fixture,)})
    assert name in Outline(fixtures_page(changed, tournament=None, features_age_seconds=1.0)).text
