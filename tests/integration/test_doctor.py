"""What the doctor hears of a running panel's launcher."""

import socket
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from skypanel.embedded import doctor
from skypanel.settings import panel_json, sources
from skypanel.settings.declaration import Chosen
from tests.fixtures.launcher import MODES, running_launcher


def home_of(folder: Path, run_dir: Path) -> dict[str, str]:
    """Make as much of a home as its settings need, and return the environment that leads there."""
    (folder / "keys").mkdir()
    for name in ("postgres.password", "valkey.password", "traefik.token"):
        (folder / "keys" / name).write_text("none")
    chosen = Chosen(run_dir=run_dir, web_port=7000, traefik_port=7001, uid_base=1 << 20, subnet=IPv4Network("10.9.64.0/18"))
    (folder / "panel.json").write_text(panel_json.write(chosen))
    return {"SKYPANEL_HOME": str(folder)}


async def test_the_launcher_says_what_it_found(tmp_path):
    with running_launcher(root=MODES[0] == "root") as launcher:
        features = await doctor.launcher_features(home_of(tmp_path, launcher.run_dir))
        assert features == await launcher.client.ask({"do": "features"})
        assert features["root"] == launcher.root


async def test_without_a_launcher_there_is_nothing_to_hear(tmp_path):
    assert await doctor.launcher_features({"SKYPANEL_HOME": str(tmp_path)}) == {}
    assert await doctor.launcher_features(home_of(tmp_path, tmp_path)) == {}


def test_http_3_needs_the_udp_port_for_the_proxy_alone(tmp_path):
    def found(*, is_running):
        return [finding.wrong for finding in doctor.http3_findings(loaded, is_running=is_running)]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        loaded = replace(sources.load(home_of(tmp_path, tmp_path)), https_port=port, http3="on")
        assert (found(is_running=True), found(is_running=False)) == ([], [f"UDP port {port} is taken."])
    assert (found(is_running=True), found(is_running=False)) == ([f"Nothing receives UDP at port {port}."], [])
    loaded = replace(loaded, http3="off")
    assert found(is_running=True) == []
