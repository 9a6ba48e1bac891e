"""Prepares a home for a start: folders, keys, certificates, the database, configuration files.

`python -m skypanel.embedded.prepare RUN_DIR init|up`, as the panel's user. Idempotent: existing files stay, unless a function says
otherwise. Only `up` may change an internal port, because a running panel listens on its ports.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh
from cryptography.fernet import Fernet

from skypanel.domain.errors import SkyPanelError, Unavailable
from skypanel.domain.routing import Address
from skypanel.embedded import certificates, choices, processes, routes
from skypanel.embedded.certificates import Pair
from skypanel.host.durable import sync_folder, write_whole
from skypanel.settings import SSH_KEY_TYPES, Settings, panel_json
from skypanel.settings.declaration import Chosen, from_environment
from skypanel.settings.paths import home_folder
from skypanel.settings.sources import load

FOLDERS = (
    ("keys", 0o700),
    ("objects", 0o700),
    ("objects/sources", 0o700),
    ("objects/slugs", 0o700),
    ("objects/outputs", 0o700),
    ("repositories", 0o700),
    ("spool", 0o700),
    ("logs", 0o711),
    ("logs/panel", 0o700),
)
SSH_ALGORITHMS = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "ssh-rsa"}
ROUTE_TABLE = Path("/proc/net/route")


def prepare(home: Path, run_dir: Path, given: Mapping[str, Any], *, starting: bool) -> None:
    """Prepare the home and the run folder."""
    chosen = _choose(home, run_dir, given)
    if starting:
        chosen = _with_free_ports(chosen)
    write_whole(home / "panel.json", panel_json.write(chosen).encode())
    for name, mode in FOLDERS:
        (home / name).mkdir(mode=mode, exist_ok=True)
        (home / name).chmod(mode)
    _make_keys(home / "keys")
    _make_certificates(home, chosen.address.domain)
    settings = load({"SKYPANEL_HOME": str(home)})
    _make_database(settings)
    files = processes.files(settings, processes.installed())
    # Dynos end with `up`, so their routes mean nothing at the next start. A running proxy gets its routes from web.
    files |= {name: content for name, content in routes.at_start(settings).items() if starting or not (run_dir / name).exists()}
    for name, content in files.items():
        (run_dir / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(run_dir / name, content.encode())


def _choose(home: Path, run_dir: Path, given: Mapping[str, Any]) -> Chosen:
    """Return the choices of the first start, updated with the given settings."""
    try:
        chosen = replace(panel_json.read((home / "panel.json").read_text()), run_dir=run_dir, **given)
    except FileNotFoundError:
        subnet = choices.pick_subnet(choices.networks_of(ROUTE_TABLE.read_text()))
        chosen = Chosen(run_dir=run_dir, uid_base=choices.pick_uid_base(), subnet=subnet, **given)
    ports = _Ports(chosen.address)
    return replace(
        chosen,
        web_port=ports.take(chosen.web_port),
        traefik_port=ports.take(chosen.traefik_port),
        git_port=ports.take(chosen.git_port),
        ingress_port=ports.take(chosen.ingress_port),
        ingress_api_port=ports.take(chosen.ingress_api_port),
    )


class _Ports:
    """Assigns ports of 127.0.0.1, each only once."""

    def __init__(self, address: Address, *others: int) -> None:
        self.address = address
        self._taken = {*address.ports, *others}

    def take(self, kept: int) -> int:
        """Return the port `kept`, or a free one if it is 0."""
        port = kept or choices.free_port(self._taken)
        self._taken.add(port)
        return port

    def take_free(self, kept: int) -> int:
        """Return the port `kept` if no process listens on it, else a free one."""
        port = choices.kept_port(kept, self._taken)
        self._taken.add(port)
        return port


def _with_free_ports(chosen: Chosen) -> Chosen:
    ports = _Ports(chosen.address, chosen.ingress_port, chosen.ingress_api_port)
    return replace(
        chosen,
        web_port=ports.take_free(chosen.web_port),
        traefik_port=ports.take_free(chosen.traefik_port),
        git_port=ports.take_free(chosen.git_port),
    )


def _make_keys(keys: Path) -> None:
    _make(keys / "encryption.keys", lambda: Fernet.generate_key() + b"\n")
    for name in ("postgres.password", "valkey.password", "traefik.token"):
        _make(keys / name, lambda: secrets.token_hex(32).encode() + b"\n")
    for kind in SSH_KEY_TYPES:
        _make(keys / f"ssh_host_{kind}", partial(_ssh_key, SSH_ALGORITHMS[kind]))


def _ssh_key(algorithm: str) -> bytes:
    return asyncssh.generate_private_key(algorithm).export_private_key()


def _make_certificates(home: Path, domain: str) -> None:
    """Make the CA, and renew it if the domain has changed. Make the panel's certificate, and renew it a year before it expires."""
    now = datetime.now(UTC)
    authority = _read_pair(home / "ca.crt", home / "keys" / "ca.key")
    if authority is None or not certificates.is_constrained_to(authority.certificate, domain):
        authority = certificates.make_authority(domain, now)
        _write_pair(authority, home / "ca.crt", home / "keys" / "ca.key")
        (home / "ca.crt").chmod(0o644)
        (home / "keys" / "panel.crt").unlink(missing_ok=True)
    panel = _read_pair(home / "keys" / "panel.crt", home / "keys" / "panel.key")
    if panel is None or not certificates.is_fresh(panel.certificate, now):
        panel = certificates.issue(authority, certificates.panel_hosts(domain), now)
        _write_pair(panel, home / "keys" / "panel.crt", home / "keys" / "panel.key")


def _read_pair(certificate: Path, key: Path) -> Pair | None:
    return Pair(certificate.read_bytes(), key.read_bytes()) if certificate.exists() and key.exists() else None


def _write_pair(pair: Pair, certificate: Path, key: Path) -> None:
    certificate.unlink(missing_ok=True)
    write_whole(key, pair.key)
    write_whole(certificate, pair.certificate)


def _make_database(settings: Settings) -> None:
    """Make the database cluster. An incomplete one is removed and made again."""
    cluster, new = settings.home / "postgres", settings.home / "postgres.new"
    if cluster.exists():
        return
    shutil.rmtree(new, ignore_errors=True)
    argv = processes.initdb_argv(settings, processes.installed(), new)
    made = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        raise Unavailable("Postgres cannot make its database.", made.stdout.strip())
    new.rename(cluster)
    # Also makes the keys' folder durable, whose entry is older.
    sync_folder(settings.home)


def _make(path: Path, content: Callable[[], bytes]) -> None:
    if not path.exists():
        write_whole(path, content())


def main() -> None:
    """Prepare the home of SKYPANEL_HOME."""
    os.umask(0o077)
    try:
        prepare(home_folder(os.environ), Path(sys.argv[1]), from_environment(os.environ), starting=sys.argv[2] == "up")
    except SkyPanelError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
