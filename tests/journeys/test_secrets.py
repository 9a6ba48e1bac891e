"""Nobody reads what is not theirs: not a build of the panel, not the process list, a log or a disk of anybody's secrets."""

import asyncio
import json
import secrets
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from skypanel.bootstrap import open_panel
from skypanel.settings import sources
from tests.journeys.harness import PanelUnderTest, new_panel

LOOK_EVERY_S = 0.03
LEAST_SECRET = 16

# Prints what of the panel it can see, open or connect to.
PROBE = """\
import json, os, socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

asked = json.loads(Path("probe.json").read_text())

def connects(family, address):
    with socket.socket(family) as probe:
        probe.settimeout(2)
        return probe.connect_ex(address) == 0

def reached(endpoints):
    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(lambda endpoint: connects(socket.AF_INET, tuple(endpoint)), endpoints)
        return [f"{host}:{port}" for (host, port), answer in zip(endpoints, answers) if answer]

gateway = next(line.split()[2] for line in Path("/proc/net/route").read_text().splitlines() if line.split()[1] == "00000000")
hosts = [*asked["hosts"], socket.inet_ntoa(bytes.fromhex(gateway)[::-1])]
print(json.dumps({
    "paths": [path for path in asked["paths"] if os.path.lexists(path)],
    "sockets": [path for path in asked["sockets"] if connects(socket.AF_UNIX, path)],
    "dynos": reached(asked["dynos"]),
    "ports": reached([(host, port) for host in hosts for port in asked["ports"]]),
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]) > 20,
    "foreign files": [str(path) for top in ("/app", "/cache", "/env", "/tmp") for path in Path(top).rglob("mine-alone")],
}))
"""


def own_addresses() -> list[str]:
    shown = subprocess.run(["ip", "-j", "-4", "address"], capture_output=True, text=True, check=True).stdout
    return [address["local"] for link in json.loads(shown) for address in link["addr_info"]]


def connects(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def web_dynos(panel: PanelUnderTest) -> list[tuple[str, int]]:
    """Return the host and port of every web dyno, as the proxy reaches it."""

    async def ask():
        async with open_panel(sources.load(panel.environment)) as opened:
            return await opened.scheduler.dynos()

    found = [dyno.endpoint.rpartition(":") for dyno in asyncio.run(ask()) if dyno.endpoint]
    endpoints = [(host, int(port)) for host, _, port in found]
    assert endpoints
    assert all(connects(port, host) for host, port in endpoints)
    return endpoints


@pytest.fixture(scope="module")
def neighbour(panel):
    """An app of somebody else's, with a file in its slug and in its cache."""
    repository = panel.repository("python-plain")
    repository.write("mine-alone", "x")
    repository.write("bin/post_compile", "touch /cache/mine-alone\n")
    repository.commit("Something to find")
    repository.push("neighbour")


def prober(panel):
    """Return an app that looks for all that the panel has: its folders, sockets and ports on every address, and its neighbour's files."""
    home = panel.home / "panel"
    chosen = json.loads((home / "panel.json").read_text())
    ports = [*panel.ports, chosen["web_port"], chosen["traefik_port"], chosen["git_port"]]
    assert all(connects(port) for port in ports)
    run_dir = Path(chosen["run_dir"])
    sockets = [str(path) for path in run_dir.iterdir() if path.is_socket()]
    assert len(sockets) >= 4
    paths = [home, *home.iterdir(), *home.glob("*/*"), run_dir, panel.home, Path.home(), "/var/lib/skypanel", "/etc/shadow", "/sys"]
    repository = panel.repository("python-plain")
    asked = {"paths": list(map(str, paths)), "sockets": sockets, "ports": ports, "hosts": own_addresses(), "dynos": web_dynos(panel)}
    repository.write("probe.json", json.dumps(asked))
    repository.write("probe.py", PROBE)
    return repository


NOTHING = {"paths": [], "sockets": [], "ports": [], "dynos": [], "processes": False, "foreign files": []}


def test_a_build_sees_nothing_of_the_panel_and_of_other_apps(panel, neighbour):
    repository = prober(panel)
    repository.write("bin/pre_compile", "python3 probe.py\n")
    repository.commit("Look around")
    shown = repository.push("curious")
    assert json.loads(shown[shown.index("{") : shown.index("}") + 1]) == NOTHING


def test_a_dyno_sees_nothing_of_the_panel_and_of_other_apps(panel, neighbour):
    repository = prober(panel)
    repository.write("Procfile", "web: python3 probe.py >found.json && exec python3 -m http.server $PORT\n")
    repository.commit("Look around while it runs")
    repository.push("curious-dyno")
    assert json.loads(panel.get("curious-dyno", "/found.json").body) == NOTHING


class ProcessList:
    """All command lines that anybody on this machine could read while it was watched."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._end = threading.Event()

    @contextmanager
    def watched(self):
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()

    def _watch(self) -> None:
        while not self._end.wait(LOOK_EVERY_S):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue

    def shows(self, secret: str) -> bool:
        return any(secret.encode() in line for line in self.seen)


def secrets_of_the_panel(home: Path) -> dict[str, str]:
    """Return a line for every secret in a home's key files: of a private key, one from its middle."""
    found = {}
    for file in [*(home / "keys").iterdir(), home / "token"]:
        lines = [line for line in file.read_text().splitlines() if not line.startswith("-----")]
        if "PUBLIC" not in file.read_text() and not file.name.endswith((".pub", ".crt")):
            found[lines[len(lines) // 2]] = file.name
    assert all(len(secret) >= LEAST_SECRET for secret in found)
    assert len(found) >= 8
    return found


def files_with(texts: list[str], folder: Path) -> list[str]:
    """Return the files in a folder, its databases and disks included, that hold one of some texts."""
    found = subprocess.run(["grep", "-rlFf-", folder], input="\n".join(texts), text=True, capture_output=True, check=False)
    assert found.returncode in {0, 1}, found.stderr
    return [str(Path(line).relative_to(folder)) for line in found.stdout.splitlines()]


@pytest.mark.req("R4.5")
@pytest.mark.req("R12.1")
def test_a_config_var_and_the_panels_own_secrets_are_nowhere_in_the_clear():
    canary = secrets.token_hex(24)
    listed = ProcessList()
    with new_panel() as panel:
        home = panel.home / "panel"
        with listed.watched():
            panel.up()
            repository = panel.repository("release-phase")
            repository.push("careful", "HEAD:refs/heads/begin")
            panel.cli("config", "careful", "--set", "CANARY", stdin=f"{canary}\n")
            shown = repository.push("careful")
            assert panel.get("careful", "/env?key=CANARY").body == f"{canary}\n"
            panel.cli("scale", "careful", "web=2")
            panel.cli("rotate-keys")
            panel.cli("restart", "careful")
            panel.cli("config", "careful", "--set", "BUILDPACK_URL", stdin=f"https://ada:{canary}@127.0.0.1:1/private.git\n")
            repository.commit("With a private buildpack")
            refused = repository.push("careful", check=False)
            assert "https://127.0.0.1:1/private.git could not be fetched" in refused
            shown += refused
            own = secrets_of_the_panel(home)
            shown += panel.cli("logs", "careful").stdout + panel.cli("config", "careful").stdout + panel.cli("doctor", check=False).stdout
            shown += "".join(panel.banner)
            assert files_with([canary], home) == []
        panel.down()
        assert files_with([canary], home) == []
        assert {own[secret] for secret in own if files_with([secret], home / "logs")} == set()
        assert set(files_with(list(own), home)) == {name if name == "token" else f"keys/{name}" for name in own.values()}
    assert any(b"skypanel: receiver" in line for line in listed.seen)
    assert any(b"bin/compile" in line for line in listed.seen)
    assert not listed.shows(canary)
    assert [name for secret, name in own.items() if listed.shows(secret)] == []
    assert canary not in shown
    assert [name for secret, name in own.items() if secret in shown] == []
