"""The parts of the stack as they are planned."""

from pathlib import Path

from match_assets.local.layout import SECRET_NAMES, Layout, choose_ports
from match_assets.local.parts import ALL_PORTS, Plan, build_parts

DAGSTER = frozenset({"code_location", "dagster", "daemon"})


def test_what_prepares_finds_a_dagster_home_though_dagster_is_left_out(tmp_path: Path) -> None:
    # it opens the instance to sweep lost runs; a first start without Dagster has nobody else to make the folder
    layout = Layout(tmp_path / "state")
    layout.create()
    ports = choose_ports(ALL_PORTS)
    secrets = dict.fromkeys(SECRET_NAMES, "secret")
    parts = build_parts(Plan(layout, ports, secrets, {}, with_practice=False, without=DAGSTER))
    assert not DAGSTER & set(parts)
    process = parts["prepare"].process
    process.launch()
    process.stop()
    assert "storage:" in (layout.dagster_home / "dagster.yaml").read_text(encoding="utf-8")
