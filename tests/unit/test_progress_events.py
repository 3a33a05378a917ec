"""A long scrape shows in its asset's metadata while it is under way."""

import dagster as dg
import pytest

from match_assets.assets import ingestion


@pytest.fixture(autouse=True)
def every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingestion, "SECONDS_BETWEEN_OBSERVATIONS", 0.0)


def test_pages_done_left_pace_and_end_are_observed_between_start_and_end() -> None:
    seasons = dg.StaticPartitionsDefinition(["2024"])

    @dg.asset(partitions_def=seasons)
    def scraped(context: dg.AssetExecutionContext) -> None:
        progress = ingestion._progress(context, "2024: match pages")
        for done in range(4):
            progress(done, 3)

    result = dg.materialize([scraped], partition_key="2024")
    observed = [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]
    assert [(item.partition, item.metadata["done"].value, item.metadata["left"].value) for item in observed] == [
        ("2024", 1, 2),
        ("2024", 2, 1),
    ]
    assert all(str(item.metadata["expected end"].value).endswith("UTC") for item in observed)
    assert all(float(str(item.metadata["pace a minute"].value)) > 0 for item in observed)
