"""Completes a start: waits for the parts, migrates the database, and makes supervisord start the panel.

`python -m skypanel.embedded.starter first|again`, as the panel's user. It imports the vendors' libraries and ends with the start, so that
`up` can stay small. It reads JSON from stdin: the caller's public key files, and the machine's configuration of pip and npm. It writes
one JSON object per line to stdout, each with a key that `_read_messages` of `up` knows.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import asyncssh

from skypanel.bootstrap import open_panel, parse_public_key, upgrade
from skypanel.domain.account import PublicKey
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.embedded import health, processes
from skypanel.embedded.database import make_database
from skypanel.embedded.health import Service
from skypanel.embedded.supervisor import Supervisor
from skypanel.embedded.welcome import KeyFile, Welcome
from skypanel.flow.accounts import login_link
from skypanel.flow.setup import initialize, publish_authority, publish_identity
from skypanel.settings import Settings, sources
from skypanel.tasks import together

POLL_S = 0.1
# A part that crashed this often during its start will not recover by waiting.
MAX_STARTS = 4


class NotResponding(Exception):
    """A part does not answer in time."""

    def __init__(self, part: Service) -> None:
        super().__init__(part.title)
        self.part = part


async def first(loaded: Settings, files: Sequence[KeyFile], indexes: Mapping[str, str]) -> None:
    """Complete the start of `up`. Raises NotResponding, or errors of the database."""
    supervisor = _supervisor(loaded)
    await _all_answer(loaded, supervisor, (*health.STORAGE_SERVICES, health.LAUNCHER_SERVICE))
    await make_database(loaded)
    await asyncio.to_thread(upgrade, loaded)
    welcome = await _enter(loaded, read_keys(files), indexes)
    await supervisor.start_group(processes.PANEL)
    await _all_answer(loaded, supervisor, health.PANEL_SERVICES)
    say(welcome=asdict(welcome))


async def again(loaded: Settings, _files: Sequence[KeyFile], _indexes: Mapping[str, str]) -> None:
    """Complete the start of a new supervisord after the previous one ended. Raises NotResponding."""
    supervisor = _supervisor(loaded)
    await _all_answer(loaded, supervisor, health.STORAGE_SERVICES)
    await supervisor.start_group(processes.PANEL)


OCCASIONS = {"first": first, "again": again}


def say(**words: object) -> None:
    """Send `up` a message."""
    sys.stdout.write(f"{json.dumps(words)}\n")
    sys.stdout.flush()


def read_keys(files: Sequence[KeyFile]) -> tuple[PublicKey, ...]:
    """Return the public keys in files, and report files without one."""
    found: list[PublicKey] = []
    for file in files:
        try:
            found.append(parse_public_key(file.text, Path(file.path).name))
        except Invalid as error:
            say(line=f"{file.path} was skipped: {error.message}")
    return tuple(found)


def _supervisor(loaded: Settings) -> Supervisor:
    return Supervisor(loaded.run_dir / "supervisor.sock")


async def _enter(loaded: Settings, keys: Sequence[PublicKey], indexes: Mapping[str, str]) -> Welcome:
    host_key = asyncssh.read_private_key(str(loaded.ssh_host_keys[0]))
    async with open_panel(loaded) as panel:
        run = await initialize(panel, keys, indexes)
        await publish_authority(panel, (loaded.home / "ca.crt").read_text())
        await publish_identity(panel, loaded.identity)
        return Welcome(run.keys, host_key.get_fingerprint(), await login_link(panel, run.admin), run.token)


async def _all_answer(loaded: Settings, supervisor: Supervisor, parts: Sequence[Service]) -> None:
    await together(*(_answers(loaded, supervisor, part) for part in parts))


async def _answers(loaded: Settings, supervisor: Supervisor, part: Service) -> None:
    deadline = asyncio.get_running_loop().time() + part.timeout_s
    starts: set[int] = set()
    while not await part.answers(loaded):
        if part in health.PANEL_SERVICES:
            starts.add((await supervisor.states())[part.name].pid)
        if len(starts) > MAX_STARTS or asyncio.get_running_loop().time() > deadline:
            raise NotResponding(part)
        await asyncio.sleep(POLL_S)
    say(line=f"  {part.title} answers")


def main() -> None:
    """Complete a start, or report why it failed."""
    request = json.load(sys.stdin)
    files = [KeyFile(**fields) for fields in request["files"]]
    try:
        asyncio.run(OCCASIONS[sys.argv[1]](sources.load(os.environ), files, request["indexes"]))
    except NotResponding as error:
        say(silent=[error.part.name, error.part.title])
        sys.exit(1)
    except SkyPanelError as error:
        say(failed=[error.message, error.hint])
        sys.exit(1)


if __name__ == "__main__":
    main()
