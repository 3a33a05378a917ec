"""The rig over the small leagues: every stage of every season in half a minute, Dagster's events included."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from match_assets.local.stack import ServerStack
from match_assets.stages.chain import DATA_STAGES
from tests.integration.orchestration.conftest import Rig, make_rig
from tests.small_leagues import Leagues, Teller, small_params

STAGES = [stage.name for stage in DATA_STAGES]
# what runs and what it made, in order; one that was made twice stands there twice
Made = list[tuple[str, str]]


class SmallRig:
    """A rig, and what is true of its leagues."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.leagues = Leagues.drawn()
        self.teller = Teller(rig.engine)
        self.cursor: Any = None

    def by_hand(self, partition: str, assets: list[str]) -> Made:
        """A run as the webserver starts it from the assets' page, or a condition: these assets with their checks."""
        job = self.rig.defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=self.rig.instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(name) for name in assets],
            raise_on_error=False,
        )
        return made_by(result)

    def asked_for(self) -> set[tuple[str, str]]:
        """What the conditions ask for in their next look."""
        result = dg.evaluate_automation_conditions(self.rig.defs, self.rig.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {
            (entity.to_user_string(), partition)
            for entity in (dg.AssetKey(name) for name in STAGES)
            for partition in result.get_requested_partitions(entity) or ()
        }

    def follow_conditions(self, *, looks: int = 8) -> Made:
        """Runs whatever the conditions ask for, latest season first, until they ask for nothing."""
        made: Made = []
        for _ in range(looks):
            asked = self.asked_for()
            if not asked:
                return made
            for partition in sorted({partition for _, partition in asked}, reverse=True):
                made += self.by_hand(partition, [asset for asset, where in asked if where == partition])
        raise AssertionError(f"the conditions still ask after {looks} looks")

    def accepted(self) -> dict[tuple[str, str], str]:
        """Digest of every accepted version."""
        store = self.rig.context().store
        return {
            (asset, partition): pointer.sha256
            for asset in store.assets()
            for partition in store.partitions(asset)
            if (pointer := store.pointer(asset, partition))
        }


def made_by(result: Any) -> Made:
    """Asset and partition of every materialisation in a run, in order."""
    return [
        (event.asset_key.path[-1], event.partition)
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
    ]


@contextmanager
def small_rig(stack: ServerStack, folder: Path, *, instance: str = "") -> Iterator[SmallRig]:
    """The small leagues in a warehouse of their own; nothing is materialised yet.

    Other processes find the leagues' parameters in the environment. ``instance`` is YAML for Dagster's settings.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("match_assets.resources.platform.params", small_params)
        (folder / "params.yaml").write_text(yaml.safe_dump(small_params().model_dump(mode="json", by_alias=True)))
        patch.setenv("MATCH_ASSETS_PARAMS", str(folder / "params.yaml"))
        rig = make_rig(stack, folder, patch, instance=instance)
        small = SmallRig(rig)
        try:
            small.teller.start()
            small.teller.tell(small.leagues)
            yield small
        finally:
            rig.close()
