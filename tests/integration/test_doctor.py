"""What the doctor hears of a running panel's launcher."""

from ipaddress import IPv4Network
from pathlib import Path

from skypanel.embedded import doctor
from skypanel.settings import panel_json
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
